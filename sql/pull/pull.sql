-- Statements of pull.c, intake.c and reconcile.c.

-- name: cursor_get
SELECT version, key, fingerprint, midway, began_us, anew FROM main.leadx_cursors WHERE origin = ?1 AND user = ?2 AND entity = ?3

-- name: cursor_set
INSERT INTO main.leadx_cursors(origin, user, entity, fingerprint, version, key, began_us, anew, midway) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1)
ON CONFLICT(origin, user, entity) DO UPDATE SET fingerprint = excluded.fingerprint, version = excluded.version, key = excluded.key,
  began_us = excluded.began_us, anew = excluded.anew, midway = 1

-- name: cursor_arrive
UPDATE main.leadx_cursors SET midway = 0, anew = 0, began_us = ?4 WHERE origin = ?1 AND user = ?2 AND entity = ?3

-- name: place_get
SELECT place, fingerprint FROM main.leadx_places WHERE origin = ?1 AND user = ?2 AND entity = ?3

-- name: place_set
INSERT INTO main.leadx_places(origin, user, entity, fingerprint, place) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT(origin, user, entity) DO UPDATE SET fingerprint = excluded.fingerprint, place = excluded.place

-- name: pull_changed
UPDATE main.leadx_tables SET changes = changes + ?2 WHERE table_name = ?1

-- name: pull_set_pulled
UPDATE main.leadx_tables SET last_pull_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE table_name = ?1

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

-- name: reconcile_begin
CREATE TEMP TABLE IF NOT EXISTS leadx_seen(key TEXT PRIMARY KEY, version TEXT, deleted INTEGER) WITHOUT ROWID

-- name: reconcile_clear
DELETE FROM temp.leadx_seen

-- name: reconcile_see
INSERT INTO temp.leadx_seen(key, version, deleted) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING

-- name: reconcile_count_seen
SELECT count(*) FROM temp.leadx_seen
