-- Capture: the triggers' texts with {{holes}}. Plain SQL of built-in functions that every
-- SQLite since 3.38 allows inside triggers under trusted_schema=OFF. Names that a user's
-- table is seen beside begin with leadx_, because a table or a column may have any other.

-- name: capture_view
-- A change on its way into the queue. texts: all texts of the change in one, NULL when a value is of an unusual class.
-- ms and n: the time and the counter for the row's id.
CREATE VIEW leadx_change(entity_type, entity_id, action, payload, base, texts, ms, n) AS SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE 0

-- name: capture_queue
-- The row that a change becomes. A trigger of its own, because NEW.texts can be looked at 34 times without being copied.
-- A change whose payload must be written the slow way (the queue's last row is still the one from before) is only named:
-- the table's trigger, which sees the values, writes it. So the queue never holds a row that is not whole.
CREATE TRIGGER leadx_change_queue INSTEAD OF INSERT ON leadx_change
BEGIN
  INSERT INTO sync_queue(id, entity_type, entity_id, action, payload, base)
  SELECT {{id}}, NEW.entity_type, NEW.entity_id, NEW.action, NEW.payload, NEW.base
  WHERE NOT (NEW.texts IS NULL OR {{escapes}} OR printf('%s', NEW.texts) <> NEW.texts);
  INSERT INTO leadx_unwritten(id) SELECT {{id}} WHERE NEW.n = {{n}};
END

-- name: capture_insert
CREATE TRIGGER {{name}} AFTER INSERT ON {{table}}
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying)
BEGIN
  INSERT INTO leadx_change VALUES ({{entity}}, {{new_key}}, 'CREATE', {{new_row}}, NULL, {{new_texts}}, {{ms}}, {{n}});
  INSERT INTO sync_queue(id, entity_type, entity_id, action, payload)
  SELECT id, {{entity}}, {{new_key_slowly}}, 'CREATE', {{new_row_slowly}} FROM leadx_unwritten;
  DELETE FROM leadx_unwritten WHERE id IS NOT NULL;
END

-- name: capture_update
CREATE TRIGGER {{name}} AFTER UPDATE ON {{table}}
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying) AND {{same_key}} AND ({{changed}})
BEGIN
  INSERT INTO leadx_change VALUES ({{entity}}, {{new_key}}, 'UPDATE', {{new_row}}, {{base}}, {{both_texts}}, {{ms}}, {{n}});
  INSERT INTO sync_queue(id, entity_type, entity_id, action, payload, base)
  SELECT id, {{entity}}, {{new_key_slowly}}, 'UPDATE', {{new_row_slowly}}, {{base_slowly}} FROM leadx_unwritten;
  DELETE FROM leadx_unwritten WHERE id IS NOT NULL;
END

-- name: capture_rekey
-- Only an UPDATE that names a column of the key pays for this trigger.
CREATE TRIGGER {{name}} AFTER UPDATE OF {{key_columns}} ON {{table}}
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying) AND NOT ({{same_key}})
BEGIN
  INSERT INTO leadx_change VALUES ({{entity}}, {{old_key}}, 'DELETE', {{old_row}}, NULL, {{old_texts}}, {{ms}}, {{n}});
  INSERT INTO sync_queue(id, entity_type, entity_id, action, payload)
  SELECT id, {{entity}}, {{old_key_slowly}}, 'DELETE', {{old_row_slowly}} FROM leadx_unwritten;
  DELETE FROM leadx_unwritten WHERE id IS NOT NULL;
  INSERT INTO leadx_change VALUES ({{entity}}, {{new_key}}, 'CREATE', {{new_row}}, NULL, {{new_texts}}, {{ms}}, {{n}});
  INSERT INTO sync_queue(id, entity_type, entity_id, action, payload)
  SELECT id, {{entity}}, {{new_key_slowly}}, 'CREATE', {{new_row_slowly}} FROM leadx_unwritten;
  DELETE FROM leadx_unwritten WHERE id IS NOT NULL;
END

-- name: capture_delete
CREATE TRIGGER {{name}} AFTER DELETE ON {{table}}
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying)
BEGIN
  INSERT INTO leadx_change VALUES ({{entity}}, {{old_key}}, 'DELETE', {{old_row}}, NULL, {{old_texts}}, {{ms}}, {{n}});
  INSERT INTO sync_queue(id, entity_type, entity_id, action, payload)
  SELECT id, {{entity}}, {{old_key_slowly}}, 'DELETE', {{old_row_slowly}} FROM leadx_unwritten;
  DELETE FROM leadx_unwritten WHERE id IS NOT NULL;
END

-- name: capture_id
-- A UUIDv7: 48 bits of milliseconds, then the queue's next rowid as a counter of 26 bits, then 48 random bits.
printf('%08x-%04x-7%03x-%04x-%012x', leadx_clock.ms >> 16, leadx_clock.ms & 65535, leadx_clock.n >> 14 & 4095, leadx_clock.n & 16383 | 32768, random() & 281474976710655)

-- name: capture_change_id
-- The same for a change on its way into the queue.
printf('%08x-%04x-7%03x-%04x-%012x', NEW.ms >> 16, NEW.ms & 65535, NEW.n >> 14 & 4095, NEW.n & 16383 | 32768, random() & 281474976710655)

-- name: capture_clock
SELECT CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER) AS ms, ifnull((SELECT max(rowid) FROM sync_queue), 0) AS n

-- name: capture_ms
CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER)

-- name: capture_n
-- Not max(rowid), which is an aggregate and three times as slow.
ifnull((SELECT rowid FROM sync_queue ORDER BY rowid DESC LIMIT 1), 0)

-- name: capture_written
-- A row as an object, a key as an array, outside of triggers. LIMIT and WHERE keep the texts, which are looked at twice,
-- from being put together twice.
(SELECT CASE WHEN {{needs_escape}} OR {{unusual_class}} THEN {{slowly}} ELSE {{quick}} END
FROM (SELECT {{texts}} AS s LIMIT 1) WHERE s IS NOT NULL)

-- name: capture_needs_escape
-- Is there a control character (1 to 31), a quote, a backslash or a NUL, which ends a text for GLOB? The pattern is *[\x01-\x1f"\]*.
s GLOB char(42, 91, 1, 45, 31, 34, 92, 93, 42) OR instr(s, x'00')

-- name: capture_slowly
-- The slow way, which writes every value of every class. In texts quote, backslash, tab and line ends are escaped at
-- once. A text with any other control character goes through all 31 of them, one after the other (n), and then through
-- every NUL, which no text function gets past, as bytes; 33 says that there was no need.
-- Only leadx_list refers to anything outside: ALTER TABLE RENAME COLUMN loses its way in a WITH that does elsewhere.
(WITH RECURSIVE leadx_list(place, name, type, s, counts) AS (VALUES {{listed}}), leadx_text(place, name, n, s) AS (
      SELECT place, name, CASE WHEN typeof(s) = 'text' AND (s GLOB char(42, 91, 1, 45, 8, 11, 12, 14, 45, 31, 93, 42) OR instr(s, x'00')) THEN 0 ELSE 33 END,
        CASE typeof(s) WHEN 'null' THEN 'null' WHEN 'integer' THEN {{integer}} WHEN 'real' THEN {{real}} WHEN 'blob' THEN {{bytes}}
        ELSE CASE WHEN type = 'uuid' AND length(s) = 0 AND hex(s) = '' THEN 'null' ELSE '"' || replace(replace(replace(replace(replace(
          s, '\', '\\'), '"', '\"'), char(9), '\u0009'), char(10), '\u000a'), char(13), '\u000d') || '"' END END
      FROM leadx_list WHERE counts
      UNION ALL
      SELECT place, name, min(n + 1, 32), CASE WHEN n < 31 THEN replace(s, char(n + 1), printf('\u%04x', n + 1)) WHEN n = 31 THEN CAST(s AS BLOB)
        ELSE CAST(substr(s, 1, instr(s, x'00') - 1) || '\u0000' || substr(s, instr(s, x'00') + 1) AS BLOB) END
      FROM leadx_text WHERE n < 32 OR (n = 32 AND instr(s, x'00') > 0)
    )
    SELECT '{{open}}' || group_concat(name || CAST(s AS TEXT)) || '{{close}}'
    FROM (SELECT name, s FROM leadx_text WHERE n = 33 OR (n = 32 AND instr(s, x'00') = 0) ORDER BY place))

-- name: capture_catch_up
-- Every table is compared at the next sync (diff.c): the one at which this is found may not be the only one that lost changes.
INSERT INTO main.leadx_settings(key, value) VALUES ('catch_up', 'all') ON CONFLICT DO NOTHING
