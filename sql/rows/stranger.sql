-- Statements of stranger.c: rows that stood in a table before it was tracked.

-- name: stranger_note
INSERT INTO main.sync_conflicts(id, entity_type, entity_id, action, client_payload, server_payload, contested,
  server_updated_at, winner, resolution, detected_at, resolved_at)
SELECT ?1, ?2, ?3, 'UPDATE', ?4, ?5, ?6, ?7, 'server', 'existing', strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
-- The same row comes again when a page that was not applied whole is repeated.
WHERE NOT EXISTS (SELECT 1 FROM main.sync_conflicts WHERE entity_type = ?2 AND entity_id = ?3 AND client_payload IS ?4 AND server_payload IS ?5
  AND resolution = 'existing')
