-- Statements of table.c: what the live schema and leadx_tables say.

-- name: table_kinds
SELECT schema, type, wr FROM pragma_table_list WHERE name = ?1 COLLATE NOCASE ORDER BY schema <> 'main'

-- name: table_real_name
SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE

-- name: table_columns
SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?1, 'main') ORDER BY cid

-- name: table_has_column
SELECT EXISTS (SELECT 1 FROM pragma_table_xinfo(?1, 'main') WHERE name = ?2 COLLATE NOCASE)

-- name: table_references
SELECT f.id, f."table", f."from", f."to" FROM pragma_foreign_key_list(?1, 'main') f ORDER BY f.id, f.seq

-- name: table_has_unique
-- REPLACE can remove another row than the one it writes: over a second unique index, or a key that is compared loosely ('a' = 'A').
SELECT count(*) FROM pragma_index_list(?1, 'main') l WHERE l."unique"
  AND (l.origin <> 'pk' OR EXISTS (SELECT 1 FROM pragma_index_xinfo(l.name, 'main') x WHERE x.key AND x.coll <> 'BINARY'))

-- name: table_uniques
-- The indexes by which REPLACE can remove another row than that of the same key, with their columns in order; "all" says that
-- their columns do not tell which columns an UPDATE of it names.
SELECT l.seq, s.sql, l.partial, x.cid, x.name, x.coll, ifnull(t.hidden, 1) AS "all"
FROM pragma_index_list(?1, 'main') l JOIN pragma_index_xinfo(l.name, 'main') x
  LEFT JOIN main.sqlite_schema s ON s.type = 'index' AND s.name = l.name
  LEFT JOIN pragma_table_xinfo(?1, 'main') t ON t.cid = x.cid
WHERE l."unique" AND x.key
  AND (l.origin <> 'pk' OR EXISTS (SELECT 1 FROM pragma_index_xinfo(l.name, 'main') y WHERE y.key AND y.coll <> 'BINARY'))
ORDER BY l.seq, x.seqno

-- name: table_tracked
SELECT table_name, entity, priority, options FROM main.leadx_tables ORDER BY priority, table_name

-- name: table_schema_version
PRAGMA main.schema_version

-- name: table_tracked_options
SELECT options FROM main.leadx_tables WHERE table_name = ?1 COLLATE NOCASE

-- name: table_entity_taken
SELECT table_name FROM main.leadx_tables WHERE entity = ?1 AND table_name <> ?2 COLLATE NOCASE

-- name: table_store
INSERT INTO main.leadx_tables(table_name, entity, priority, options, columns) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT(table_name) DO UPDATE SET entity = excluded.entity, priority = excluded.priority,
  options = excluded.options, columns = excluded.columns, last_error = NULL

-- name: table_forget
DELETE FROM main.leadx_tables WHERE table_name = ?1 COLLATE NOCASE

-- name: table_tracked_as
SELECT 1 FROM main.leadx_tables WHERE table_name = ?1 COLLATE NOCASE AND entity = ?2

-- name: table_entity_before
-- The entity that the table is tracked as, if it is another one.
SELECT entity FROM main.leadx_tables WHERE table_name = ?1 COLLATE NOCASE AND entity <> ?2

-- name: table_rename_queued
UPDATE main.sync_queue SET entity_type = ?2 WHERE entity_type = ?1 AND status IS NOT 'SYNCED'

-- name: table_rename_conflicts
UPDATE main.sync_conflicts SET entity_type = ?2 WHERE entity_type = ?1 AND winner IS NULL

-- name: table_rename
UPDATE main.leadx_tables SET entity = ?2 WHERE entity = ?1

-- name: table_revive
-- What failed only because nobody knew the entity can go now.
UPDATE main.sync_queue SET status = 'PENDING', error_code = NULL, error_message = NULL WHERE entity_type = ?1 AND status = 'FAILED' AND error_code = 'entity'

-- name: table_take_over
-- A table that is gone hands its entity, with what is queued and known of it, to the one that takes its place.
UPDATE main.leadx_tables SET table_name = ?1
WHERE entity = ?2 AND table_name NOT IN (SELECT name COLLATE NOCASE FROM main.sqlite_schema WHERE type = 'table')
  AND NOT EXISTS (SELECT 1 FROM main.leadx_tables WHERE table_name = ?1 COLLATE NOCASE)

-- name: table_note_gone
UPDATE main.leadx_tables SET last_error = 'table "' || table_name || '" is gone; if it was renamed, call leadx_track(its new name, ''{"entity":"'
  || entity || '"}''), else leadx_untrack()'
WHERE table_name COLLATE NOCASE NOT IN (SELECT name FROM main.sqlite_schema WHERE type = 'table')

-- name: table_stray_trigger
-- A trigger of ours that came along when the table was renamed: it bears another table's name.
SELECT name FROM main.sqlite_schema
WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE AND name LIKE 'leadx\_%' ESCAPE '\' AND name NOT IN (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) LIMIT 1

-- name: table_trigger_before_ours
-- SQLite runs the newest trigger first. Is there one on the table that is newer than one of ours (?2 to ?10), and may write the row after us?
SELECT EXISTS (SELECT 1 FROM main.sqlite_schema a JOIN main.sqlite_schema b ON b.tbl_name = a.tbl_name COLLATE NOCASE AND b.rowid < a.rowid
  WHERE a.type = 'trigger' AND a.tbl_name = ?1 COLLATE NOCASE AND a.sql LIKE '%after%' AND a.name NOT IN (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
    AND b.type = 'trigger' AND b.name IN (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10))

-- name: table_set_error
UPDATE main.leadx_tables SET last_error = ?2 WHERE table_name = ?1

-- name: table_set_pushed
UPDATE main.leadx_tables SET last_push_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), last_error = NULL WHERE table_name = ?1

-- name: table_candidates
SELECT l.name FROM pragma_table_list l
WHERE l.schema = 'main' AND l.type = 'table' AND l.name NOT LIKE 'sqlite\_%' ESCAPE '\'
  AND l.name NOT LIKE 'leadx\_%' ESCAPE '\' AND l.name NOT IN ('sync_queue', 'sync_conflicts')
  AND EXISTS (SELECT 1 FROM pragma_table_info(l.name, 'main') WHERE pk > 0)
ORDER BY l.name

-- name: table_triggers
-- The table itself, its indexes, the triggers on it, and what these hand their changes to: where they stand and what they say.
SELECT name, sql, rootpage, rowid FROM main.sqlite_schema s WHERE type IN ('trigger', 'view', 'table', 'index')
  AND (tbl_name = ?1 COLLATE NOCASE OR tbl_name IN ('leadx_record', 'leadx_slow', 'leadx_took')
    OR (substr(tbl_name, 1, 6) = 'leadx_' AND EXISTS (SELECT 1 FROM main.sqlite_schema t WHERE t.type = 'trigger' AND t.tbl_name = ?1 COLLATE NOCASE
      AND t.name GLOB 'leadx_*' AND instr(t.sql, ' INTO ' || s.tbl_name || ' '))))

-- name: table_trigger_sql
SELECT sql FROM main.sqlite_schema WHERE type IN ('trigger', 'view') AND name = ?1
