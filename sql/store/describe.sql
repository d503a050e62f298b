-- Statements of describe.c: what the live schema says.

-- name: describe_kinds
SELECT schema, type, wr FROM pragma_table_list WHERE name = ?1 COLLATE NOCASE ORDER BY schema <> 'main'

-- name: describe_real_name
SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE

-- name: describe_columns
SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?1, 'main') ORDER BY cid

-- name: describe_references
SELECT f.id, f."table", f."from", f."to" FROM pragma_foreign_key_list(?1, 'main') f ORDER BY f.id, f.seq

-- name: describe_has_unique
-- REPLACE can remove another row than the one it writes: over a second unique index, or a key that is compared loosely ('a' = 'A').
SELECT count(*) FROM pragma_index_list(?1, 'main') l WHERE l."unique"
  AND (l.origin <> 'pk' OR EXISTS (SELECT 1 FROM pragma_index_xinfo(l.name, 'main') x WHERE x.key AND x.coll <> 'BINARY'))

-- name: describe_candidates
SELECT l.name FROM pragma_table_list l
WHERE l.schema = 'main' AND l.type = 'table' AND l.name NOT LIKE 'sqlite\_%' ESCAPE '\'
  AND l.name NOT LIKE 'leadx\_%' ESCAPE '\' AND l.name NOT IN ('sync_queue', 'sync_conflicts')
  AND EXISTS (SELECT 1 FROM pragma_table_info(l.name, 'main') WHERE pk > 0)
ORDER BY l.name
