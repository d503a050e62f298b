-- Statements of fingerprint.c: what each known row held when everything of it was sent or queued.

-- name: fingerprint_set
INSERT INTO main.leadx_shadow(entity, key, version, fingerprint) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT(entity, key) DO UPDATE SET version = excluded.version, fingerprint = excluded.fingerprint, gone = NULL

-- name: fingerprint_refresh
UPDATE main.leadx_shadow SET fingerprint = ?3 WHERE entity = ?1 AND key = ?2

-- name: fingerprint_newest
-- The newest unsent change of each row; max() chooses which row the other columns are of.
leadx_newest(key, action, payload, place) AS MATERIALIZED (
  SELECT entity_id, action, payload, max(rowid) FROM main.sync_queue WHERE entity_type = ?1 AND status IS NOT 'SYNCED' GROUP BY entity_id)

-- name: fingerprint_columns
SELECT columns FROM main.leadx_tables WHERE table_name = ?1

-- name: fingerprint_columns_set
UPDATE main.leadx_tables SET columns = ?2 WHERE table_name = ?1
