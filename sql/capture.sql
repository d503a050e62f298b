-- Capture: the triggers' texts with {{holes}}. Plain SQL of built-in functions that every
-- SQLite since 3.38 allows inside triggers under trusted_schema=OFF.

-- name: capture_insert
CREATE TRIGGER {{name}} AFTER INSERT ON {{table}}
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying)
BEGIN
  INSERT INTO sync_queue(id, entity_type, entity_id, action, payload)
  SELECT {{id}}, {{entity}}, {{new_key}}, 'CREATE', {{new_row}}
  FROM ({{clock}});
END

-- name: capture_update
CREATE TRIGGER {{name}} AFTER UPDATE ON {{table}}
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying) AND {{same_key}} AND ({{changed}})
BEGIN
  INSERT INTO sync_queue(id, entity_type, entity_id, action, payload, base)
  SELECT {{id}}, {{entity}}, {{new_key}}, 'UPDATE', {{new_row}}, {{base}}
  FROM ({{clock}});
END

-- name: capture_rekey
CREATE TRIGGER {{name}} AFTER UPDATE ON {{table}}
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying) AND NOT ({{same_key}})
BEGIN
  INSERT INTO sync_queue(id, entity_type, entity_id, action, payload)
  SELECT {{id}}, {{entity}}, {{old_key}}, 'DELETE', {{old_row}}
  FROM ({{clock}});
  INSERT INTO sync_queue(id, entity_type, entity_id, action, payload)
  SELECT {{id}}, {{entity}}, {{new_key}}, 'CREATE', {{new_row}}
  FROM ({{clock}});
END

-- name: capture_delete
CREATE TRIGGER {{name}} AFTER DELETE ON {{table}}
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying)
BEGIN
  INSERT INTO sync_queue(id, entity_type, entity_id, action, payload)
  SELECT {{id}}, {{entity}}, {{old_key}}, 'DELETE', {{old_row}}
  FROM ({{clock}});
END

-- name: capture_id
-- A UUIDv7: 48 bits of milliseconds, then the queue's next rowid as a counter of 26 bits, then 48 random bits.
printf('%08x-%04x-7%03x-%04x-%012x', ms >> 16, ms & 65535, n >> 14 & 4095, n & 16383 | 32768, random() & 281474976710655)

-- name: capture_clock
SELECT CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER) AS ms, ifnull((SELECT max(rowid) FROM sync_queue), 0) AS n

-- name: capture_escape
-- The slow way to write a text into JSON: quote and backslash, the 31 control characters one after
-- the other, then every NUL, which no text function gets past, as bytes.
(WITH RECURSIVE c(n, s) AS (
  SELECT 0, replace(replace({{value}}, '\', '\\'), '"', '\"')
  UNION ALL SELECT n + 1, replace(s, char(n + 1), printf('\u%04x', n + 1)) FROM c WHERE n < 31
), z(s) AS (
  SELECT CAST(s AS BLOB) FROM c WHERE n = 31
  UNION ALL SELECT substr(s, 1, instr(s, x'00') - 1) || CAST('\u0000' AS BLOB) || substr(s, instr(s, x'00') + 1) FROM z WHERE instr(s, x'00') > 0
) SELECT CAST(s AS TEXT) FROM z WHERE instr(CAST(s AS BLOB), x'00') = 0)
