-- Statements of unsent.c: which rows have changes that are not sent.

-- name: unsent_keys
-- Above a rowid; the caller remembers how far it has read.
SELECT entity_id FROM main.sync_queue WHERE rowid > ?1 AND entity_type = ?2 AND status IS NOT 'SYNCED'

-- name: unsent_keys_held
SELECT q.entity_id FROM main.leadx_held h CROSS JOIN main.sync_queue q ON q.id = h.id
WHERE q.entity_type = ?1 AND q.status IS NOT 'SYNCED'

-- name: unsent_changes
-- The same with what they say, oldest first.
SELECT entity_id, action, payload FROM main.sync_queue WHERE rowid > ?1 AND entity_type = ?2 AND status IS NOT 'SYNCED' ORDER BY rowid

-- name: unsent_changes_held
SELECT q.entity_id, q.action, q.payload FROM main.leadx_held h CROSS JOIN main.sync_queue q ON q.id = h.id
WHERE q.entity_type = ?1 AND q.status IS NOT 'SYNCED' ORDER BY q.rowid
