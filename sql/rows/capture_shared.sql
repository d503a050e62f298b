-- Capture: the views that all tables share, and the triggers of these (see capture_trigger.sql).

-- name: capture_row_view
-- A whole row. k: what stands before the value, with the quotes around it and around the one before. keys: the places of the
-- columns of a composite key, whose text entity_id is then. odd: is there a value that its quotes do not fit? quotes: how many there are if no text has one.
CREATE VIEW leadx_row_{{width}}(entity_type, entity_id, action, keys, odd, quotes, {{row_names}}, tail) AS SELECT {{row_nulls}} WHERE 0

-- name: capture_row
-- Joined as if no text needed an escape; leadx_record looks whether that is so. If not, it names the queue's row, which is
-- written here value by value. NULL goes as two bytes that are no text, a blob and an infinity as a quote too many.
CREATE TRIGGER leadx_row_{{width}}_queue INSTEAD OF INSERT ON leadx_row_{{width}}
BEGIN
  INSERT INTO leadx_record VALUES (NEW.entity_type, NEW.entity_id, NEW.action, NULL, NULL, NEW.k0 || (
    SELECT group_concat(CASE WHEN v < '' THEN {{number}} WHEN v >= x'' THEN '"' ELSE ifnull(v, x'01ff') END, k)
    FROM (WITH leadx_list(k, v) AS (VALUES {{row_cells}}) SELECT k, v FROM leadx_list) WHERE k IS NOT NULL) || NEW.tail,
    CASE WHEN NEW.odd THEN -1 ELSE NEW.quotes END, {{ms}}, {{n}});
  INSERT INTO leadx_cell(place, k, v) SELECT place, k, v
  FROM (WITH leadx_list(place, k, v) AS (VALUES {{placed_row_cells}}) SELECT place, k, v FROM leadx_list) WHERE EXISTS (SELECT 1 FROM leadx_unwritten);
  INSERT INTO leadx_slow VALUES (NEW.entity_type, NEW.entity_id, NEW.keys, NEW.action, 0);
END

-- name: capture_edit_view
-- An UPDATE: v is the new value, w the old one. k: a letter and the name; K and B name columns that are always written, B and b booleans.
CREATE VIEW leadx_edit_{{width}}(entity_type, old_id, entity_id, keys, same, {{edit_names}}) AS SELECT {{edit_nulls}} WHERE 0

-- name: capture_edit
CREATE TRIGGER leadx_edit_{{width}}_queue INSTEAD OF INSERT ON leadx_edit_{{width}}
BEGIN
  INSERT INTO leadx_record VALUES (NEW.entity_type, NEW.entity_id, CASE WHEN {{same}} THEN 'UPDATE' END,
    (SELECT '{' || group_concat(substr(k, 2) || {{v_quickly}}) || '}' FROM ({{edit_cells}}) WHERE {{written}}),
    (SELECT '{' || group_concat(substr(k, 2) || {{w_quickly}}) || '}' FROM ({{edit_cells}}) WHERE {{changed}}),
    (SELECT group_concat(CASE WHEN v >= x'' OR w >= x'' OR {{infinite}} THEN '"' ELSE ifnull(v, '') || ifnull(w, '') END, '') FROM ({{edit_cells}}) WHERE {{written}}),
    NULL, {{ms}}, {{n}});
  INSERT INTO leadx_cell(place, k, v, w) SELECT place, k, v, w
  FROM (WITH leadx_list(place, k, v, w) AS (VALUES {{placed_edit_cells}}) SELECT place, k, v, w FROM leadx_list) WHERE EXISTS (SELECT 1 FROM leadx_unwritten) OR NOT {{same}};
  INSERT INTO leadx_slow VALUES (NEW.entity_type, NEW.old_id, NEW.keys, CASE WHEN NOT {{same}} THEN 'DELETE' END, 1);
  INSERT INTO leadx_slow VALUES (NEW.entity_type, NEW.entity_id, NEW.keys, CASE WHEN {{same}} THEN 'UPDATE' ELSE 'CREATE' END, 0);
END

-- name: capture_record_view
-- A change on its way into the queue. texts: what has to be looked through, and the payload itself where that is NULL; quotes: how
-- many quotes it may have. ms and n: the time and the counter for the row's id.
CREATE VIEW leadx_record(entity_type, entity_id, action, payload, base, texts, quotes, ms, n) AS SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE 0

-- name: capture_record
-- The row that a change becomes. A trigger of its own, because NEW.texts can be looked at 34 times without being copied.
-- A change that must be written slowly (the queue's last row is still the one from before) is only named, and written by the
-- trigger that sees the values. So the queue never holds a row that is not whole. An UPDATE without a base changed nothing.
CREATE TRIGGER leadx_record_queue INSTEAD OF INSERT ON leadx_record
WHEN NEW.action <> 'UPDATE' OR (NEW.action = 'UPDATE' AND NEW.base IS NOT NULL)
BEGIN
  INSERT INTO sync_queue(id, entity_type, entity_id, action, payload, base)
  SELECT {{record_id}}, NEW.entity_type, {{entity_id}}, NEW.action,
    CASE WHEN NEW.payload IS NOT NULL THEN NEW.payload WHEN NEW.texts GLOB {{nul_mark}} THEN {{nulls}} ELSE NEW.texts END, NEW.base
  WHERE NOT (NEW.texts IS NULL
    OR CASE WHEN NEW.quotes IS NULL THEN NEW.texts GLOB '*"*' OR NEW.texts GLOB {{nul_mark}}
       ELSE length(NEW.texts) - length(replace(NEW.texts, '"', '')) <> NEW.quotes OR (NEW.texts GLOB {{nul_mark}} AND {{nulls}} GLOB {{nul_mark}}) END
    OR {{escapes}} OR printf('%s', NEW.texts) <> NEW.texts);
  INSERT INTO leadx_unwritten(id) SELECT {{record_id}} WHERE NEW.n = {{n}};
END

-- name: capture_slow_view
-- old: is it the row that was there before the key changed? The new one follows.
CREATE VIEW leadx_slow(entity_type, entity_id, keys, action, old) AS SELECT NULL, NULL, NULL, NULL, NULL WHERE 0

-- name: capture_slow
-- Writes a change from the cells that stand in leadx_cell, value by value: one that is not plain, or of a table that is wider
-- than the widest view, or whose key changed: the old row goes, the new one comes.
CREATE TRIGGER leadx_slow_queue INSTEAD OF INSERT ON leadx_slow
WHEN NEW.action IS NOT NULL AND EXISTS (SELECT 1 FROM leadx_cell)
BEGIN
  INSERT INTO sync_queue(id, entity_type, entity_id, action, payload, base)
  SELECT {{id}}, NEW.entity_type, CASE WHEN NEW.keys IS NULL THEN {{entity_id}} ELSE members.key END, NEW.action, members.payload, members.base
  FROM ({{clock}}) leadx_clock, ({{members}}) members WHERE NEW.action <> 'UPDATE' OR members.base IS NOT NULL;
  DELETE FROM leadx_cell WHERE NOT NEW.old;
  DELETE FROM leadx_unwritten WHERE NOT NEW.old;
END

-- name: capture_members
-- The members of the cells, value by value, joined: the key's array, the object of what is written, of an UPDATE the old values of what changed.
-- k is the name as the views have it; that of a boolean of a whole row has its value in it and ends with e. In texts quote, backslash, tab
-- and line ends are escaped at once. A text with any other control character goes through all 31 of them, one after the other (n), and then
-- through every NUL, which no text function gets past, as bytes; 33 says that there was no need.
WITH RECURSIVE leadx_list(part, place, k, s) AS (
      SELECT 1, instr(NEW.keys, ' ' || place || ' '), k, {{value}} FROM leadx_cell WHERE instr(NEW.keys, ' ' || place || ' ') > 0
      UNION ALL SELECT 2, place, k, {{value}} FROM leadx_cell WHERE k IS NOT NULL AND (NEW.action <> 'UPDATE' OR {{written}})
      UNION ALL SELECT 3, place, k, w FROM leadx_cell WHERE NEW.action = 'UPDATE' AND {{changed}}),
    leadx_text(part, place, name, n, s) AS (
      SELECT part, place, CASE part WHEN 1 THEN '' ELSE rtrim(substr(k, CASE substr(k, 1, 1) WHEN '"' THEN 3 ELSE 2 END), '"') END,
{{escaped_list}}
      UNION ALL
      SELECT part, place, name, {{escaped_step}}
    )
    SELECT '[' || group_concat(s) FILTER (WHERE part = 1) || ']' AS key, '{' || group_concat(name || s) FILTER (WHERE part = 2) || '}' AS payload,
      '{' || group_concat(name || s) FILTER (WHERE part = 3) || '}' AS base
    FROM (SELECT part, place, name, CAST(s AS TEXT) AS s FROM leadx_text WHERE n = 33 OR (n = 32 AND instr(s, x'00') = 0) ORDER BY part, place)

-- name: capture_took_view
CREATE VIEW leadx_took(entity, old, keys) AS SELECT NULL, NULL, NULL WHERE 0

-- name: capture_took_queue
-- The DELETE of a row that was taken along. Its payload has the key only.
CREATE TRIGGER leadx_took_queue INSTEAD OF INSERT ON leadx_took
BEGIN
  INSERT INTO leadx_cell(place, k, v) SELECT DISTINCT place, k, v FROM leadx_taken WHERE entity = NEW.entity AND old IS NEW.old;
  INSERT INTO leadx_slow VALUES (NEW.entity, NEW.old, NEW.keys, 'DELETE', 0);
  DELETE FROM leadx_taken WHERE entity = NEW.entity AND old IS NEW.old;
END

-- name: capture_id
-- A UUIDv7: 48 bits of milliseconds, then the queue's next rowid as a counter of 26 bits, then 48 random bits.
printf('%08x-%04x-7%03x-%04x-%012x', leadx_clock.ms >> 16, leadx_clock.ms & 65535, leadx_clock.n >> 14 & 4095, leadx_clock.n & 16383 | 32768, random() & 281474976710655)

-- name: capture_record_id
-- The same for a change on its way into the queue.
printf('%08x-%04x-7%03x-%04x-%012x', NEW.ms >> 16, NEW.ms & 65535, NEW.n >> 14 & 4095, NEW.n & 16383 | 32768, random() & 281474976710655)

-- name: capture_clock
SELECT CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER) AS ms, ifnull((SELECT max(rowid) FROM sync_queue), 0) AS n

-- name: capture_ms
CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER)

-- name: capture_n
-- Not max(rowid), which is an aggregate and three times as slow.
ifnull((SELECT rowid FROM sync_queue ORDER BY rowid DESC LIMIT 1), 0)

-- name: capture_number
-- A number v as JSON; an infinity as a quote, which makes the row be written slowly. The conditions say where 15 digits leave no doubt.
CASE WHEN typeof({{v}}) = 'integer' THEN {{v}} WHEN {{v}} > 1.7976931348623157e308 OR {{v}} < -1.7976931348623157e308 THEN '"' ELSE {{finite}} END

-- name: capture_value
-- A value v as JSON if it needs no escape.
CASE typeof({{v}}) WHEN 'text' THEN '"' || {{v}} || '"' WHEN 'null' THEN 'null' WHEN 'blob' THEN '"'
WHEN 'integer' THEN CASE WHEN {{v}} IN (0, 1) AND substr(k, 1, 1) IN ('B', 'b') THEN CASE {{v}} WHEN 0 THEN 'false' ELSE 'true' END ELSE {{v}} END ELSE {{number}} END
