-- Statements of db.c.

-- name: db_schema_version
PRAGMA main.schema_version
