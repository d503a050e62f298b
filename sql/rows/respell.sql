-- Statements of respell.c: the places where keys stand as somebody else wrote them.

-- name: respell_unsent
SELECT 'queue', q.rowid, q.entity_type, q.entity_id FROM main.sync_queue q
WHERE q.rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0) AND q.status IS NOT 'SYNCED'
UNION ALL
SELECT 'queue', q.rowid, q.entity_type, q.entity_id FROM main.leadx_held h CROSS JOIN main.sync_queue q ON q.id = h.id WHERE q.status IS NOT 'SYNCED'
UNION ALL
SELECT 'parked', 0, entity, key FROM main.leadx_parked
UNION ALL
SELECT 'conflict', rowid, entity_type, entity_id FROM main.sync_conflicts WHERE winner IS NULL

-- name: respell_behind
SELECT 'queue', rowid, entity_type, entity_id FROM main.sync_queue WHERE rowid > ?1 AND status IS NOT 'SYNCED'

-- name: respell_queue
UPDATE main.sync_queue SET entity_id = ?2 WHERE rowid = ?1

-- name: respell_conflict
UPDATE main.sync_conflicts SET entity_id = ?2 WHERE rowid = ?1

-- name: respell_known
-- What is known of a table's rows, for a key column whose type was learned since.
SELECT key FROM main.leadx_shadow WHERE entity = ?1

-- name: respell_is_done
SELECT EXISTS (SELECT 1 FROM main.leadx_settings WHERE key = 'keys')

-- name: respell_done
INSERT INTO main.leadx_settings(key, value) VALUES ('keys', '1') ON CONFLICT(key) DO UPDATE SET value = excluded.value
