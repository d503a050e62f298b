-- Statements of stepping.c: how far single steps have come.

-- name: stepping_begin
-- How far a pull in single steps has come. It is the connection's own: a new one begins with the cursors.
CREATE TEMP TABLE IF NOT EXISTS leadx_stepping(entity TEXT PRIMARY KEY, phase INTEGER, version TEXT, after TEXT, page_limit INTEGER,
  rows_done INTEGER, rows_left INTEGER, mark INTEGER, kept INTEGER, kept_for INTEGER) WITHOUT ROWID

-- name: stepping_get
SELECT phase, version, after, page_limit, rows_done, rows_left, mark, kept, kept_for FROM temp.leadx_stepping WHERE entity = ?1

-- name: stepping_set
INSERT INTO temp.leadx_stepping(entity, phase, version, after, page_limit, rows_done, rows_left, mark, kept, kept_for)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
ON CONFLICT(entity) DO UPDATE SET phase = excluded.phase, version = excluded.version, after = excluded.after, page_limit = excluded.page_limit,
  rows_done = excluded.rows_done, rows_left = excluded.rows_left, mark = excluded.mark, kept = excluded.kept, kept_for = excluded.kept_for

-- name: stepping_clear
DELETE FROM temp.leadx_stepping
