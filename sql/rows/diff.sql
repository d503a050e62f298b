-- Statements of diff.c: rows that no trigger saw. {{holes}} are filled per table.

-- name: diff_is_due
-- Was what all tables' triggers share silenced, or not what it should be? Then no table's own triggers tell what they missed.
SELECT EXISTS (SELECT 1 FROM main.leadx_applying) OR EXISTS (SELECT 1 FROM main.leadx_settings WHERE key = 'catch_up')

-- name: diff_is_done
DELETE FROM main.leadx_settings WHERE key = 'catch_up'

-- name: diff_all_due
DELETE FROM main.leadx_settings WHERE key >= 'looked/' AND key < 'looked0'

-- name: diff_looked_get
-- What the table and its triggers were when its rows were compared last.
SELECT value FROM main.leadx_settings WHERE key = 'looked/' || ?1

-- name: diff_looked_set
INSERT INTO main.leadx_settings(key, value) VALUES ('looked/' || ?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value

-- name: diff_looked_forget
DELETE FROM main.leadx_settings WHERE key = 'looked/' || ?1

-- name: diff_backfill
-- Queues every row that the server is not known to have and that is not queued yet.
INSERT INTO main.sync_queue(id, entity_type, entity_id, action, payload)
SELECT {{id}}, {{entity}}, {{key}}, 'CREATE', {{row}}
FROM main.{{table}}, ({{clock}}) leadx_clock
WHERE {{key}} NOT IN (SELECT key FROM main.leadx_shadow WHERE entity = {{entity}} AND version IS NOT NULL)
  AND {{key}} NOT IN (SELECT entity_id FROM main.sync_queue WHERE entity_type = {{entity}} AND status IS NOT 'SYNCED')

-- name: diff_enqueue
-- An edit that nobody saw was made after the table was last in step with the server; it counts as made then, so that no later
-- edit of somebody else is taken for an earlier one.
INSERT INTO main.sync_queue(id, entity_type, entity_id, action, payload, created_at) VALUES (?1, ?2, ?3, ?4, ?5,
  ifnull((SELECT max(ifnull(last_pull_at, last_push_at), ifnull(last_push_at, last_pull_at)) FROM main.leadx_tables WHERE entity = ?2),
         strftime('%Y-%m-%d %H:%M:%S', 'now')))

-- name: diff_renamed
-- Tracked tables that are not there under their name, and the table that a trigger of theirs stands on now, unless that is tracked itself.
SELECT DISTINCT t.table_name, s.tbl_name FROM main.leadx_tables t
JOIN main.sqlite_schema s ON s.type = 'trigger' AND s.name COLLATE NOCASE IN ('leadx_' || t.table_name || '_insert',
  'leadx_' || t.table_name || '_update', 'leadx_' || t.table_name || '_delete')
WHERE t.table_name COLLATE NOCASE NOT IN (SELECT name FROM main.sqlite_schema WHERE type = 'table')
  AND s.tbl_name COLLATE NOCASE NOT IN (SELECT table_name FROM main.leadx_tables)

-- name: diff_rename
-- The table keeps its entity; ?3: and the server's table that it had so far.
UPDATE main.leadx_tables SET table_name = ?2, options = CASE WHEN NOT json_valid(options) THEN options WHEN ?3 AND json_extract(options, '$.remote') IS NULL
  THEN json_set(options, '$.entity', entity, '$.remote', table_name) ELSE json_set(options, '$.entity', entity) END
WHERE table_name = ?1

-- name: diff_note_name
INSERT INTO main.leadx_settings(key, value) VALUES ('named/' || ?2, ?1) ON CONFLICT(key) DO UPDATE SET value = excluded.value

-- name: diff_came_back
-- Tables that were followed to a name under which they are gone, while the name that they had stands again: a rebuild in pieces.
SELECT t.table_name, n.value FROM main.leadx_tables t JOIN main.leadx_settings n ON n.key = 'named/' || t.table_name
WHERE t.table_name COLLATE NOCASE NOT IN (SELECT name FROM main.sqlite_schema WHERE type = 'table')
  AND n.value COLLATE NOCASE IN (SELECT name FROM main.sqlite_schema WHERE type = 'table')
  AND n.value COLLATE NOCASE NOT IN (SELECT table_name FROM main.leadx_tables)

-- name: diff_value
-- A value under no column's affinity.
SELECT ?1

-- name: diff_has_column
SELECT EXISTS (SELECT 1 FROM pragma_table_xinfo(?1, 'main') WHERE name = ?2 COLLATE NOCASE)

-- name: diff_note_gone
UPDATE main.leadx_tables SET last_error = 'table "' || table_name || '" is gone; if it was renamed, call leadx_track(its new name, ''{"entity":"'
  || entity || '"}''), else leadx_untrack()'
WHERE table_name COLLATE NOCASE NOT IN (SELECT name FROM main.sqlite_schema WHERE type = 'table')
