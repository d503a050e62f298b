-- Capture: what stands in the file.

-- name: capture_notes_clear
-- Notes of statements that failed.
DELETE FROM main.leadx_taken WHERE entity = ?1

-- name: capture_has_old_view
-- The view that the triggers of format 2 hand their changes to, when none of them is left.
SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'view' AND name = 'leadx_change')
  AND NOT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'trigger' AND tbl_name <> 'leadx_change' AND sql LIKE '%INTO leadx_change %')

-- name: capture_catch_up
-- Every table is compared at the next sync (diff.c): the one at which this is found may not be the only one that lost changes.
INSERT INTO main.leadx_settings(key, value) VALUES ('catch_up', 'all') ON CONFLICT DO NOTHING

-- name: capture_stray_trigger
-- A trigger of ours that came along when the table was renamed: it bears another table's name.
SELECT name FROM main.sqlite_schema
WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE AND name LIKE 'leadx\_%' ESCAPE '\' AND name NOT IN (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) LIMIT 1

-- name: capture_trigger_before_ours
-- SQLite runs the newest trigger first. Is there one on the table that is newer than one of ours (?2 to ?10), and may write the row after us?
SELECT EXISTS (SELECT 1 FROM main.sqlite_schema a JOIN main.sqlite_schema b ON b.tbl_name = a.tbl_name COLLATE NOCASE AND b.rowid < a.rowid
  WHERE a.type = 'trigger' AND a.tbl_name = ?1 COLLATE NOCASE AND a.sql LIKE '%after%' AND a.name NOT IN (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
    AND b.type = 'trigger' AND b.name IN (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10))

-- name: capture_triggers
-- The table itself, its indexes, the triggers on it, and what these hand their changes to: where they stand and what they say.
SELECT name, sql, rootpage, rowid FROM main.sqlite_schema s WHERE type IN ('trigger', 'view', 'table', 'index')
  AND (tbl_name = ?1 COLLATE NOCASE OR tbl_name IN ('leadx_record', 'leadx_slow', 'leadx_took')
    OR (substr(tbl_name, 1, 6) = 'leadx_' AND EXISTS (SELECT 1 FROM main.sqlite_schema t WHERE t.type = 'trigger' AND t.tbl_name = ?1 COLLATE NOCASE
      AND t.name GLOB 'leadx_*' AND instr(t.sql, ' INTO ' || s.tbl_name || ' '))))

-- name: capture_trigger_sql
SELECT sql FROM main.sqlite_schema WHERE type IN ('trigger', 'view') AND name = ?1
