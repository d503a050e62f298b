-- Statements about leadx_parked: rows of the server that are fetched once more by their keys. refused: this file kept the row
-- out, and a person has to do something.

-- name: parking_add
-- since says when the row was parked first.
INSERT INTO main.leadx_parked(entity, key, reason, refused, since) VALUES (?1, ?2, ?3, ?4, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
ON CONFLICT(entity, key) DO UPDATE SET reason = excluded.reason, refused = excluded.refused

-- name: parking_add_effects
-- A row that a trigger of the application made is its own affair, and nothing is fetched of a table that only pushes.
INSERT INTO main.leadx_parked(entity, key, reason, refused, since)
SELECT DISTINCT entity_type, entity_id, 'a row that it refers to was removed', 0, strftime('%Y-%m-%dT%H:%M:%fZ', 'now') FROM main.sync_queue
WHERE rowid > ?1 AND action <> 'CREATE' AND (entity_type, entity_id) IS NOT (?2, ?3)
  AND entity_type NOT IN (SELECT entity FROM main.leadx_tables WHERE options ->> 'mode' = 'push')
ON CONFLICT(entity, key) DO UPDATE SET reason = excluded.reason, refused = excluded.refused

-- name: parking_add_queued
-- A discarded change leaves its local row behind; the next pull fetches the server's state of it.
INSERT INTO main.leadx_parked(entity, key, reason, refused, since)
SELECT entity_type, entity_id, 'discarded', 0, strftime('%Y-%m-%dT%H:%M:%fZ', 'now') FROM main.sync_queue WHERE id = ?1
ON CONFLICT(entity, key) DO UPDATE SET reason = excluded.reason, refused = excluded.refused

-- name: parking_leave
DELETE FROM main.leadx_parked WHERE entity = ?1 AND key = ?2

-- name: parking_try
-- The empty reason, which parking_add never writes, marks a row whose turn it is.
UPDATE main.leadx_parked SET reason = '' WHERE entity = ?1 AND key = ?2

-- name: parking_leave_tried
DELETE FROM main.leadx_parked WHERE entity = ?1 AND key = ?2 AND reason = ''

-- name: parking_is_buried
-- Did a tombstone come for that row while a change of it was unsent?
SELECT EXISTS (SELECT 1 FROM main.leadx_parked WHERE entity = ?1 AND key = ?2 AND reason = 'deleted on the server while a local change is unsent')

-- name: parking_revive
-- The server shows a row again, or says that it is deleted: its changes that were kept because it was hidden are ready
-- again. Once, because the reason is another one from now on.
UPDATE main.sync_queue SET status = 'PENDING', retry_count = 0, error_code = NULL, error_message = NULL, next_try_at = NULL
WHERE status = 'FAILED' AND error_code = 'forbidden'
  AND EXISTS (SELECT 1 FROM main.leadx_parked WHERE entity = ?1 AND key = ?2 AND reason = 'hidden while a local change is unsent')
  AND id IN (SELECT id FROM main.sync_queue WHERE rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0)
               AND entity_type = ?1 AND entity_id = ?2
             UNION ALL
             SELECT q.id FROM main.leadx_held h CROSS JOIN main.sync_queue q ON q.id = h.id WHERE q.entity_type = ?1 AND q.entity_id = ?2)

-- name: parking_list
-- Who goes on behind a key that is no text to its end finds it again; leadx writes none.
SELECT key, reason = 'hidden while a local change is unsent', reason FROM main.leadx_parked WHERE entity = ?1 AND key > ?2 AND typeof(key) = 'text' AND NOT instr(CAST(key AS BLOB), x'00') ORDER BY key

-- name: parking_forget
DELETE FROM main.leadx_parked WHERE entity = ?1

-- name: parking_rename
UPDATE main.leadx_parked SET entity = ?2 WHERE entity = ?1

-- name: parking_respell
UPDATE OR REPLACE main.leadx_parked SET key = ?3 WHERE entity = ?1 AND key = ?2
