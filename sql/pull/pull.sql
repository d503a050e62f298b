-- Statements of pull.c, intake.c and reconcile.c.

-- name: cursor_get
SELECT version, key, fingerprint, midway, began_us, anew FROM main.leadx_cursors WHERE origin = ?1 AND user = ?2 AND entity = ?3

-- name: cursor_set
INSERT INTO main.leadx_cursors(origin, user, entity, fingerprint, version, key, began_us, anew, midway) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1)
ON CONFLICT(origin, user, entity) DO UPDATE SET fingerprint = excluded.fingerprint, version = excluded.version, key = excluded.key,
  began_us = excluded.began_us, anew = excluded.anew, midway = 1

-- name: cursor_arrive
UPDATE main.leadx_cursors SET midway = 0, anew = 0, began_us = ?4 WHERE origin = ?1 AND user = ?2 AND entity = ?3

-- name: cursor_forget
DELETE FROM main.leadx_cursors WHERE entity = ?1

-- name: place_get
SELECT place, fingerprint FROM main.leadx_places WHERE origin = ?1 AND user = ?2 AND entity = ?3

-- name: place_set
INSERT INTO main.leadx_places(origin, user, entity, fingerprint, place) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT(origin, user, entity) DO UPDATE SET fingerprint = excluded.fingerprint, place = excluded.place

-- name: place_forget
DELETE FROM main.leadx_places WHERE entity = ?1

-- name: pull_set_pulled
UPDATE main.leadx_tables SET last_pull_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE table_name = ?1

-- name: pull_unsent_keys
-- Keys with unsent changes above a rowid; the caller remembers how far it has read.
SELECT rowid, entity_id FROM main.sync_queue WHERE rowid > ?1 AND entity_type = ?2 AND status IS NOT 'SYNCED'

-- name: pull_unsent_held
SELECT q.entity_id FROM main.leadx_held h CROSS JOIN main.sync_queue q ON q.id = h.id
WHERE q.entity_type = ?1 AND q.status IS NOT 'SYNCED'

-- name: parked_add
INSERT INTO main.leadx_parked(entity, key, reason) VALUES (?1, ?2, ?3) ON CONFLICT(entity, key) DO UPDATE SET reason = excluded.reason

-- name: parked_is_buried
-- Did a tombstone come for that row while a change of it was unsent?
SELECT EXISTS (SELECT 1 FROM main.leadx_parked WHERE entity = ?1 AND key = ?2 AND reason = 'deleted on the server while a local change is unsent')

-- name: parked_revive
-- The server shows a row again, or says that it is deleted: its changes that were kept because it was hidden are ready
-- again. Once, because the reason is another one from now on.
UPDATE main.sync_queue SET status = 'PENDING', retry_count = 0, error_code = NULL, error_message = NULL, next_try_at = NULL
WHERE status = 'FAILED' AND error_code = 'forbidden'
  AND EXISTS (SELECT 1 FROM main.leadx_parked WHERE entity = ?1 AND key = ?2 AND reason = 'hidden while a local change is unsent')
  AND id IN (SELECT id FROM main.sync_queue WHERE rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0)
               AND entity_type = ?1 AND entity_id = ?2
             UNION ALL
             SELECT q.id FROM main.leadx_held h CROSS JOIN main.sync_queue q ON q.id = h.id WHERE q.entity_type = ?1 AND q.entity_id = ?2)

-- name: parked_drop
DELETE FROM main.leadx_parked WHERE entity = ?1 AND key = ?2

-- name: parked_forget
DELETE FROM main.leadx_parked WHERE entity = ?1

-- name: parked_list
-- Who goes on behind a key that is no text to its end finds it again; leadx writes none.
SELECT key, reason = 'hidden while a local change is unsent' FROM main.leadx_parked WHERE entity = ?1 AND key > ?2 AND typeof(key) = 'text' AND NOT instr(CAST(key AS BLOB), x'00') ORDER BY key

-- name: stepping_begin
-- How far a pull in single steps has come. It is the connection's own: a new one begins with the cursors.
CREATE TEMP TABLE IF NOT EXISTS leadx_stepping(entity TEXT PRIMARY KEY, phase INTEGER, version TEXT, after TEXT, page_limit INTEGER,
  rows_done INTEGER, rows_left INTEGER) WITHOUT ROWID

-- name: stepping_get
SELECT phase, version, after, page_limit, rows_done, rows_left FROM temp.leadx_stepping WHERE entity = ?1

-- name: stepping_set
INSERT INTO temp.leadx_stepping(entity, phase, version, after, page_limit, rows_done, rows_left) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT(entity) DO UPDATE SET phase = excluded.phase, version = excluded.version, after = excluded.after, page_limit = excluded.page_limit,
  rows_done = excluded.rows_done, rows_left = excluded.rows_left

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
