-- Capture: the triggers' texts with {{holes}}. Plain SQL of built-in functions that every
-- SQLite since 3.38 allows inside triggers under trusted_schema=OFF. Names that a user's
-- table is seen beside begin with leadx_, because a table or a column may have any other.
--
-- A table's trigger lists its columns as cells, pairs of a name k and a value v, into one of the
-- views below, which exist for a few widths and are shared by all tables; their INSTEAD OF triggers
-- write the JSON. A name that is NULL fills a view up.

-- name: capture_insert
CREATE TRIGGER {{name}} AFTER INSERT ON {{table}}
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying)
BEGIN
  INSERT INTO leadx_row_{{width}} VALUES ({{entity}}, {{new_key}}, 'CREATE', {{keys}}, {{new_odd}}, {{quotes}}, {{new_cells}});
END

-- name: capture_update
CREATE TRIGGER {{name}} AFTER UPDATE ON {{table}}
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying)
BEGIN
  INSERT INTO leadx_edit_{{width}} VALUES ({{entity}}, {{old_key}}, {{new_key}}, {{keys}}, {{same}}, {{edit_cells}});
END

-- name: capture_delete
CREATE TRIGGER {{name}} AFTER DELETE ON {{table}}
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying)
BEGIN
  INSERT INTO leadx_row_{{width}} VALUES ({{entity}}, {{old_key}}, 'DELETE', {{keys}}, {{old_odd}}, {{quotes}}, {{old_cells}});
END

-- name: capture_wide
-- Tables that are wider than the widest view hand their cells over in several statements; these follow them.
CREATE TRIGGER {{name}} AFTER {{event}} ON {{table}}
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying)
BEGIN
{{parts}}{{wide_old}}  INSERT INTO leadx_slow VALUES ({{entity}}, {{wide_key}}, {{keys}}, {{wide_action}}, 0);
END
