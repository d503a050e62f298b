-- Statements of settle.c: what an answer leaves in the tables of leadx.

-- name: settle_members
-- The queue rows of the row that waits: above the mark and held.
SELECT id FROM main.sync_queue WHERE rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0) AND entity_type = ?1 AND entity_id = ?2
  AND status IS NOT 'SYNCED'
UNION
SELECT q.id FROM main.leadx_held h CROSS JOIN main.sync_queue q ON q.id = h.id
WHERE q.entity_type = ?1 AND q.entity_id = ?2 AND q.status IS NOT 'SYNCED'

-- name: settle_set_error
UPDATE main.leadx_tables SET last_error = ?2 WHERE table_name = ?1

-- name: settle_set_pushed
UPDATE main.leadx_tables SET last_push_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), last_error = NULL WHERE table_name = ?1
