-- Capture: the triggers' texts with {{holes}}. Plain SQL of built-in functions that every
-- SQLite since 3.38 allows inside triggers under trusted_schema=OFF. Names that a user's
-- table is seen beside begin with leadx_, because a table or a column may have any other.

-- name: capture_insert
CREATE TRIGGER {{name}} AFTER INSERT ON {{table}}
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying)
BEGIN
  INSERT INTO sync_queue(id, entity_type, entity_id, action, payload)
  SELECT {{id}}, {{entity}}, {{new_key}}, 'CREATE', {{new_row}}
  FROM ({{clock}}) leadx_clock;
END

-- name: capture_update
CREATE TRIGGER {{name}} AFTER UPDATE ON {{table}}
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying) AND {{same_key}} AND ({{changed}})
BEGIN
  INSERT INTO sync_queue(id, entity_type, entity_id, action, payload, base)
  SELECT {{id}}, {{entity}}, {{new_key}}, 'UPDATE', {{new_row}}, {{base}}
  FROM ({{clock}}) leadx_clock;
END

-- name: capture_rekey
-- Only an UPDATE that names a column of the key pays for this trigger.
CREATE TRIGGER {{name}} AFTER UPDATE OF {{key_columns}} ON {{table}}
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying) AND NOT ({{same_key}})
BEGIN
  INSERT INTO sync_queue(id, entity_type, entity_id, action, payload)
  SELECT {{id}}, {{entity}}, {{old_key}}, 'DELETE', {{old_row}}
  FROM ({{clock}}) leadx_clock;
  INSERT INTO sync_queue(id, entity_type, entity_id, action, payload)
  SELECT {{id}}, {{entity}}, {{new_key}}, 'CREATE', {{new_row}}
  FROM ({{clock}}) leadx_clock;
END

-- name: capture_delete
CREATE TRIGGER {{name}} AFTER DELETE ON {{table}}
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying)
BEGIN
  INSERT INTO sync_queue(id, entity_type, entity_id, action, payload)
  SELECT {{id}}, {{entity}}, {{old_key}}, 'DELETE', {{old_row}}
  FROM ({{clock}}) leadx_clock;
END

-- name: capture_id
-- A UUIDv7: 48 bits of milliseconds, then the queue's next rowid as a counter of 26 bits, then 48 random bits.
printf('%08x-%04x-7%03x-%04x-%012x', leadx_clock.ms >> 16, leadx_clock.ms & 65535, leadx_clock.n >> 14 & 4095, leadx_clock.n & 16383 | 32768, random() & 281474976710655)

-- name: capture_clock
SELECT CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER) AS ms, ifnull((SELECT max(rowid) FROM sync_queue), 0) AS n

-- name: capture_row
-- The whole row as an object. LIMIT and WHERE keep the texts, which are looked at twice, from being put together twice.
(SELECT CASE WHEN {{needs_escape}} OR {{unusual_class}} THEN (
    WITH RECURSIVE leadx_list(place, name, wire, s, counts) AS ({{listed}}), {{slowly}}
    SELECT '{' || group_concat(name || CAST(s AS TEXT)) || '}'
    FROM (SELECT name, s FROM leadx_text WHERE n > 31 AND instr(s, x'00') = 0 ORDER BY place))
  ELSE '{' || {{quick}} || '}' END
FROM (SELECT {{texts}} AS s LIMIT 1) WHERE s IS NOT NULL)

-- name: capture_keys
-- The columns of a composite key as an array.
(SELECT CASE WHEN {{needs_escape}} OR {{unusual_class}} THEN (
    WITH RECURSIVE leadx_list(place, name, wire, s, counts) AS ({{listed}}), {{slowly}}
    SELECT '[' || group_concat(name || CAST(s AS TEXT)) || ']'
    FROM (SELECT name, s FROM leadx_text WHERE n > 31 AND instr(s, x'00') = 0 ORDER BY place))
  ELSE '[' || {{quick}} || ']' END
FROM (SELECT {{texts}} AS s LIMIT 1) WHERE s IS NOT NULL)

-- name: capture_base
-- The old values of exactly the columns that changed.
(SELECT CASE WHEN {{needs_escape}} OR {{unusual_class}} THEN (
    WITH RECURSIVE leadx_list(place, name, wire, s, counts) AS ({{listed}}), {{slowly}}
    SELECT '{' || group_concat(name || CAST(s AS TEXT)) || '}'
    FROM (SELECT name, s FROM leadx_text WHERE n > 31 AND instr(s, x'00') = 0 ORDER BY place))
  ELSE '{' || substr({{quick}}, 2) || '}' END
FROM (SELECT {{texts}} AS s LIMIT 1) WHERE s IS NOT NULL)

-- name: capture_needs_escape
-- Is there a control character (1 to 31), a quote, a backslash or a NUL, which ends a text for GLOB? The pattern is *[\x01-\x1f"\]*.
s GLOB char(42, 91, 1, 45, 31, 34, 92, 93, 42) OR instr(s, x'00')

-- name: capture_slowly
-- The slow way to write texts into JSON: quote and backslash, the 31 control characters one after the other, then
-- every NUL, which no text function gets past, as bytes. It refers to nothing outside but the list beside it:
-- ALTER TABLE RENAME COLUMN loses its way in a WITH that does.
leadx_text(place, name, n, s) AS (
      SELECT place, name, CASE WHEN wire IS NULL AND ({{needs_escape}}) THEN 0 ELSE 31 END,
        CASE WHEN wire IS NULL THEN '"' || replace(replace(s, '\', '\\'), '"', '\"') || '"' ELSE wire END
      FROM leadx_list WHERE counts
      UNION ALL
      SELECT place, name, n + 1, CASE WHEN n < 31 THEN replace(s, char(n + 1), printf('\u%04x', n + 1)) WHEN n = 31 THEN CAST(s AS BLOB)
        ELSE CAST(substr(s, 1, instr(s, x'00') - 1) || '\u0000' || substr(s, instr(s, x'00') + 1) AS BLOB) END
      FROM leadx_text WHERE n < 32 OR instr(s, x'00') > 0
    )
