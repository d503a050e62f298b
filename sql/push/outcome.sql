-- Statements of outcome.c: the question that a conflict leaves to a person.

-- name: conflict_add
INSERT INTO main.sync_conflicts(id, entity_type, entity_id, action, client_payload, server_payload, base, contested,
  client_updated_at, server_updated_at, winner, resolution, detected_at, resolved_at)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
  CASE WHEN ?11 IS NULL THEN NULL ELSE strftime('%Y-%m-%dT%H:%M:%fZ', 'now') END
-- The same decision is made again when a sync that was cut off is repeated.
WHERE NOT EXISTS (SELECT 1 FROM main.sync_conflicts WHERE entity_type = ?2 AND entity_id = ?3 AND client_payload IS ?5 AND server_payload IS ?6
  AND winner IS ?11)
