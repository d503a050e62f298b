-- Statements of local_copy.c: names for tables that are made after the server's.

-- name: local_copy_taken
-- Is there something of that name in the file?
SELECT 1 FROM main.sqlite_schema WHERE name = ?1 COLLATE NOCASE
