-- Statements of decide.c: what people decide about open conflicts, and discarded changes.

-- name: conflict_open
SELECT entity_type, entity_id, action, client_payload, server_payload, contested, winner, base FROM main.sync_conflicts WHERE id = ?1

-- name: conflict_close
UPDATE main.sync_conflicts SET winner = ?2, resolution = ?3, resolved_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = ?1

-- name: conflict_close_members
-- The queue rows of the row that waits, above the mark and held, are done with.
UPDATE main.sync_queue SET status = 'SYNCED', synced_at = ?3, error_code = 'resolved', next_try_at = NULL,
  error_message = 'decided by leadx_resolve(); what was left is queued anew'
WHERE rowid IN (
  SELECT rowid FROM main.sync_queue WHERE rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0) AND entity_type = ?1 AND entity_id = ?2
    AND status IS NOT 'SYNCED'
  UNION
  SELECT q.rowid FROM main.leadx_held h CROSS JOIN main.sync_queue q ON q.id = h.id
  WHERE q.entity_type = ?1 AND q.entity_id = ?2 AND q.status IS NOT 'SYNCED')

-- name: decide_enqueue_update
INSERT INTO main.sync_queue(id, entity_type, entity_id, action, payload, base) VALUES (?1, ?2, ?3, 'UPDATE', ?4, ?5)

-- name: decide_members_changes
-- What the unsent changes of the row are about, oldest first.
SELECT action, base, payload FROM main.sync_queue WHERE rowid IN (
  SELECT rowid FROM main.sync_queue WHERE rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0) AND entity_type = ?1 AND entity_id = ?2
    AND status IS NOT 'SYNCED'
  UNION
  SELECT q.rowid FROM main.leadx_held h CROSS JOIN main.sync_queue q ON q.id = h.id
  WHERE q.entity_type = ?1 AND q.entity_id = ?2 AND q.status IS NOT 'SYNCED')
ORDER BY rowid

-- name: decide_enqueue_delete
INSERT INTO main.sync_queue(id, entity_type, entity_id, action, payload) VALUES (?1, ?2, ?3, 'DELETE', '{}')

-- name: discard_row
SELECT entity_type, entity_id FROM main.sync_queue WHERE id = ?1

-- name: discard_compares
-- Is the change's table asked about just now, or does it note which rows have unsent changes?
SELECT EXISTS (SELECT 1 FROM main.sync_queue q WHERE q.id = ?1 AND (
  EXISTS (SELECT 1 FROM main.sync_conflicts c WHERE c.winner IS NULL AND c.entity_type = q.entity_type)
  OR EXISTS (SELECT 1 FROM main.leadx_tables t WHERE t.entity = q.entity_type AND t.options LIKE '%"pending"%')))
