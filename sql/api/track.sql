-- Statements of track.c: the entry of a tracked table, and what changes with it.

-- name: track_ask_again
-- A table has come that the answer says nothing of: the next sync asks.
UPDATE main.leadx_servers SET asked_us = 0

-- name: track_tracked_options
SELECT options FROM main.leadx_tables WHERE table_name = ?1 COLLATE NOCASE

-- name: track_entity_taken
SELECT table_name FROM main.leadx_tables WHERE entity = ?1 AND table_name <> ?2 COLLATE NOCASE

-- name: track_store
INSERT INTO main.leadx_tables(table_name, entity, priority, options, columns) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT(table_name) DO UPDATE SET entity = excluded.entity, priority = excluded.priority,
  options = excluded.options, columns = excluded.columns, last_error = NULL

-- name: track_forget
DELETE FROM main.leadx_tables WHERE table_name = ?1 COLLATE NOCASE

-- name: track_tracked_as
SELECT 1 FROM main.leadx_tables WHERE table_name = ?1 COLLATE NOCASE AND entity = ?2

-- name: track_entity_before
-- The entity that the table is tracked as, if it is another one.
SELECT entity FROM main.leadx_tables WHERE table_name = ?1 COLLATE NOCASE AND entity <> ?2

-- name: track_rename_queued
UPDATE main.sync_queue SET entity_type = ?2 WHERE entity_type = ?1 AND status IS NOT 'SYNCED'

-- name: track_rename_conflicts
UPDATE main.sync_conflicts SET entity_type = ?2 WHERE entity_type = ?1 AND winner IS NULL

-- name: track_rename
UPDATE main.leadx_tables SET entity = ?2 WHERE entity = ?1

-- name: track_revive
-- What failed only because nobody knew the entity can go now.
UPDATE main.sync_queue SET status = 'PENDING', error_code = NULL, error_message = NULL WHERE entity_type = ?1 AND status = 'FAILED' AND error_code = 'entity'

-- name: track_take_over
-- A table that is gone hands its entity, with what is queued and known of it, to the one that takes its place.
UPDATE main.leadx_tables SET table_name = ?1
WHERE entity = ?2 AND table_name NOT IN (SELECT name COLLATE NOCASE FROM main.sqlite_schema WHERE type = 'table')
  AND NOT EXISTS (SELECT 1 FROM main.leadx_tables WHERE table_name = ?1 COLLATE NOCASE)
