-- Capture: the triggers that note what REPLACE may take along, and see what became of it.

-- name: capture_note
-- REPLACE takes rows along that have a unique value of the new row, and fires their DELETE triggers or not, as the connection is set.
-- Before a row is written the keys of such rows are noted, if their own is another; for an UPDATE, also than the old one.
CREATE TRIGGER {{name}} BEFORE {{event}}{{of}} ON {{table}}
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying)
BEGIN
  DELETE FROM leadx_taken WHERE entity = {{entity}} AND {{is_new}};
{{notes}}END

-- name: capture_took
-- After it is written, the noted rows that are gone were taken along: their DELETE has not been seen, or capture_forget would have
-- removed the note.
CREATE TRIGGER {{name}} AFTER {{event}}{{of}} ON {{table}}
WHEN EXISTS (SELECT 1 FROM leadx_taken) AND NOT EXISTS (SELECT 1 FROM leadx_applying)
BEGIN
{{moved}}  DELETE FROM leadx_taken WHERE entity = {{entity}} AND {{is_new}} AND EXISTS (SELECT 1 FROM {{table}} WHERE {{stands}});
  INSERT INTO leadx_took SELECT DISTINCT entity, old, {{keys}} FROM leadx_taken WHERE entity = {{entity}} AND {{is_new}};
END

-- name: capture_forget
CREATE TRIGGER {{name}} AFTER DELETE ON {{table}}
WHEN EXISTS (SELECT 1 FROM leadx_taken)
BEGIN
  DELETE FROM leadx_taken WHERE entity = {{entity}} AND old IS {{old_key}};
END
