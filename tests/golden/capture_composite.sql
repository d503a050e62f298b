CREATE TRIGGER "leadx_order "" lines_delete" AFTER DELETE ON "order "" lines"
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying)
BEGIN
  INSERT INTO leadx_change VALUES ('it''s', printf('["%s",%s]', OLD."order", ifnull(OLD."n", 'null')), 'DELETE', printf('{"order":"%s","n":%s,"happened\"at":%s,"ms":%s}', OLD."order", ifnull(OLD."n", 'null'), ifnull(ifnull('"' || strftime('%Y-%m-%dT%H:%M:%SZ', OLD."at", 'unixepoch') || '"', OLD."at"), 'null'), ifnull(ifnull('"' || strftime('%Y-%m-%dT%H:%M:%S', (OLD."ms" - (OLD."ms" % 1000 + 1000) % 1000) / 1000, 'unixepoch') || printf('.%03dZ"', (OLD."ms" % 1000 + 1000) % 1000), OLD."ms"), 'null')), NULL, CASE WHEN (OLD."order" < '' OR OLD."order" >= x'' OR OLD."n" >= '' OR typeof(OLD."n") = 'real' OR OLD."at" >= '' OR typeof(OLD."at") = 'real' OR OLD."ms" >= '' OR typeof(OLD."ms") = 'real') THEN NULL ELSE (OLD."order" || '' || '' || '') END, CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER), ifnull((SELECT rowid FROM sync_queue ORDER BY rowid DESC LIMIT 1), 0));
  INSERT INTO sync_queue(id, entity_type, entity_id, action, payload)
  SELECT id, 'it''s', (WITH RECURSIVE leadx_list(place, name, type, s, counts) AS (VALUES (0, '', 'text', +OLD."order", 1), (1, '', 'integer', +OLD."n", 1)), leadx_text(place, name, n, s) AS (
      SELECT place, name, CASE WHEN typeof(s) = 'text' AND (s GLOB char(42, 91, 1, 45, 8, 11, 12, 14, 45, 31, 93, 42) OR instr(s, x'00')) THEN 0 ELSE 33 END,
        CASE typeof(s) WHEN 'null' THEN 'null' WHEN 'integer' THEN CASE type WHEN 'boolean' THEN CASE s WHEN 0 THEN 'false' WHEN 1 THEN 'true' ELSE s END WHEN 'timestamp:s' THEN ifnull('"' || strftime('%Y-%m-%dT%H:%M:%SZ', s, 'unixepoch') || '"', s) WHEN 'timestamp:ms' THEN ifnull('"' || strftime('%Y-%m-%dT%H:%M:%S', (s - (s % 1000 + 1000) % 1000) / 1000, 'unixepoch') || printf('.%03dZ"', (s % 1000 + 1000) % 1000), s) ELSE s END WHEN 'real' THEN CASE WHEN s > 1.7976931348623157e308 THEN '"Infinity"' WHEN s < -1.7976931348623157e308 THEN '"-Infinity"' ELSE CASE WHEN (abs(s) < 1e7 AND round(s * 1e8) / 1e8 = s) OR (abs(s) < 1e15 AND round(s) = s) OR (abs(s) < 1e12 AND round(s * 1e3) / 1e3 = s) THEN quote(s) ELSE printf('%!.20e', s) END END WHEN 'blob' THEN '"\\x' || lower(hex(s)) || '"'
        ELSE CASE WHEN type = 'uuid' AND length(s) = 0 AND hex(s) = '' THEN 'null' ELSE '"' || replace(replace(replace(replace(replace(
          s, '\', '\\'), '"', '\"'), char(9), '\u0009'), char(10), '\u000a'), char(13), '\u000d') || '"' END END
      FROM leadx_list WHERE counts
      UNION ALL
      SELECT place, name, min(n + 1, 32), CASE WHEN n < 31 THEN replace(s, char(n + 1), printf('\u%04x', n + 1)) WHEN n = 31 THEN CAST(s AS BLOB)
        ELSE CAST(substr(s, 1, instr(s, x'00') - 1) || '\u0000' || substr(s, instr(s, x'00') + 1) AS BLOB) END
      FROM leadx_text WHERE n < 32 OR (n = 32 AND instr(s, x'00') > 0)
    )
    SELECT '[' || group_concat(name || CAST(s AS TEXT)) || ']'
    FROM (SELECT name, s FROM leadx_text WHERE n = 33 OR (n = 32 AND instr(s, x'00') = 0) ORDER BY place)), 'DELETE', (WITH RECURSIVE leadx_list(place, name, type, s, counts) AS (VALUES (0, '"order":', 'text', +OLD."order", 1), (1, '"n":', 'integer', +OLD."n", 1), (2, '"happened\"at":', 'timestamp:s', +OLD."at", 1), (3, '"ms":', 'timestamp:ms', +OLD."ms", 1)), leadx_text(place, name, n, s) AS (
      SELECT place, name, CASE WHEN typeof(s) = 'text' AND (s GLOB char(42, 91, 1, 45, 8, 11, 12, 14, 45, 31, 93, 42) OR instr(s, x'00')) THEN 0 ELSE 33 END,
        CASE typeof(s) WHEN 'null' THEN 'null' WHEN 'integer' THEN CASE type WHEN 'boolean' THEN CASE s WHEN 0 THEN 'false' WHEN 1 THEN 'true' ELSE s END WHEN 'timestamp:s' THEN ifnull('"' || strftime('%Y-%m-%dT%H:%M:%SZ', s, 'unixepoch') || '"', s) WHEN 'timestamp:ms' THEN ifnull('"' || strftime('%Y-%m-%dT%H:%M:%S', (s - (s % 1000 + 1000) % 1000) / 1000, 'unixepoch') || printf('.%03dZ"', (s % 1000 + 1000) % 1000), s) ELSE s END WHEN 'real' THEN CASE WHEN s > 1.7976931348623157e308 THEN '"Infinity"' WHEN s < -1.7976931348623157e308 THEN '"-Infinity"' ELSE CASE WHEN (abs(s) < 1e7 AND round(s * 1e8) / 1e8 = s) OR (abs(s) < 1e15 AND round(s) = s) OR (abs(s) < 1e12 AND round(s * 1e3) / 1e3 = s) THEN quote(s) ELSE printf('%!.20e', s) END END WHEN 'blob' THEN '"\\x' || lower(hex(s)) || '"'
        ELSE CASE WHEN type = 'uuid' AND length(s) = 0 AND hex(s) = '' THEN 'null' ELSE '"' || replace(replace(replace(replace(replace(
          s, '\', '\\'), '"', '\"'), char(9), '\u0009'), char(10), '\u000a'), char(13), '\u000d') || '"' END END
      FROM leadx_list WHERE counts
      UNION ALL
      SELECT place, name, min(n + 1, 32), CASE WHEN n < 31 THEN replace(s, char(n + 1), printf('\u%04x', n + 1)) WHEN n = 31 THEN CAST(s AS BLOB)
        ELSE CAST(substr(s, 1, instr(s, x'00') - 1) || '\u0000' || substr(s, instr(s, x'00') + 1) AS BLOB) END
      FROM leadx_text WHERE n < 32 OR (n = 32 AND instr(s, x'00') > 0)
    )
    SELECT '{' || group_concat(name || CAST(s AS TEXT)) || '}'
    FROM (SELECT name, s FROM leadx_text WHERE n = 33 OR (n = 32 AND instr(s, x'00') = 0) ORDER BY place)) FROM leadx_unwritten;
  DELETE FROM leadx_unwritten WHERE id IS NOT NULL;
END;

CREATE TRIGGER "leadx_order "" lines_insert" AFTER INSERT ON "order "" lines"
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying)
BEGIN
  INSERT INTO leadx_change VALUES ('it''s', printf('["%s",%s]', NEW."order", ifnull(NEW."n", 'null')), 'CREATE', printf('{"order":"%s","n":%s,"happened\"at":%s,"ms":%s}', NEW."order", ifnull(NEW."n", 'null'), ifnull(ifnull('"' || strftime('%Y-%m-%dT%H:%M:%SZ', NEW."at", 'unixepoch') || '"', NEW."at"), 'null'), ifnull(ifnull('"' || strftime('%Y-%m-%dT%H:%M:%S', (NEW."ms" - (NEW."ms" % 1000 + 1000) % 1000) / 1000, 'unixepoch') || printf('.%03dZ"', (NEW."ms" % 1000 + 1000) % 1000), NEW."ms"), 'null')), NULL, CASE WHEN (NEW."order" < '' OR NEW."order" >= x'' OR NEW."n" >= '' OR typeof(NEW."n") = 'real' OR NEW."at" >= '' OR typeof(NEW."at") = 'real' OR NEW."ms" >= '' OR typeof(NEW."ms") = 'real') THEN NULL ELSE (NEW."order" || '' || '' || '') END, CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER), ifnull((SELECT rowid FROM sync_queue ORDER BY rowid DESC LIMIT 1), 0));
  INSERT INTO sync_queue(id, entity_type, entity_id, action, payload)
  SELECT id, 'it''s', (WITH RECURSIVE leadx_list(place, name, type, s, counts) AS (VALUES (0, '', 'text', +NEW."order", 1), (1, '', 'integer', +NEW."n", 1)), leadx_text(place, name, n, s) AS (
      SELECT place, name, CASE WHEN typeof(s) = 'text' AND (s GLOB char(42, 91, 1, 45, 8, 11, 12, 14, 45, 31, 93, 42) OR instr(s, x'00')) THEN 0 ELSE 33 END,
        CASE typeof(s) WHEN 'null' THEN 'null' WHEN 'integer' THEN CASE type WHEN 'boolean' THEN CASE s WHEN 0 THEN 'false' WHEN 1 THEN 'true' ELSE s END WHEN 'timestamp:s' THEN ifnull('"' || strftime('%Y-%m-%dT%H:%M:%SZ', s, 'unixepoch') || '"', s) WHEN 'timestamp:ms' THEN ifnull('"' || strftime('%Y-%m-%dT%H:%M:%S', (s - (s % 1000 + 1000) % 1000) / 1000, 'unixepoch') || printf('.%03dZ"', (s % 1000 + 1000) % 1000), s) ELSE s END WHEN 'real' THEN CASE WHEN s > 1.7976931348623157e308 THEN '"Infinity"' WHEN s < -1.7976931348623157e308 THEN '"-Infinity"' ELSE CASE WHEN (abs(s) < 1e7 AND round(s * 1e8) / 1e8 = s) OR (abs(s) < 1e15 AND round(s) = s) OR (abs(s) < 1e12 AND round(s * 1e3) / 1e3 = s) THEN quote(s) ELSE printf('%!.20e', s) END END WHEN 'blob' THEN '"\\x' || lower(hex(s)) || '"'
        ELSE CASE WHEN type = 'uuid' AND length(s) = 0 AND hex(s) = '' THEN 'null' ELSE '"' || replace(replace(replace(replace(replace(
          s, '\', '\\'), '"', '\"'), char(9), '\u0009'), char(10), '\u000a'), char(13), '\u000d') || '"' END END
      FROM leadx_list WHERE counts
      UNION ALL
      SELECT place, name, min(n + 1, 32), CASE WHEN n < 31 THEN replace(s, char(n + 1), printf('\u%04x', n + 1)) WHEN n = 31 THEN CAST(s AS BLOB)
        ELSE CAST(substr(s, 1, instr(s, x'00') - 1) || '\u0000' || substr(s, instr(s, x'00') + 1) AS BLOB) END
      FROM leadx_text WHERE n < 32 OR (n = 32 AND instr(s, x'00') > 0)
    )
    SELECT '[' || group_concat(name || CAST(s AS TEXT)) || ']'
    FROM (SELECT name, s FROM leadx_text WHERE n = 33 OR (n = 32 AND instr(s, x'00') = 0) ORDER BY place)), 'CREATE', (WITH RECURSIVE leadx_list(place, name, type, s, counts) AS (VALUES (0, '"order":', 'text', +NEW."order", 1), (1, '"n":', 'integer', +NEW."n", 1), (2, '"happened\"at":', 'timestamp:s', +NEW."at", 1), (3, '"ms":', 'timestamp:ms', +NEW."ms", 1)), leadx_text(place, name, n, s) AS (
      SELECT place, name, CASE WHEN typeof(s) = 'text' AND (s GLOB char(42, 91, 1, 45, 8, 11, 12, 14, 45, 31, 93, 42) OR instr(s, x'00')) THEN 0 ELSE 33 END,
        CASE typeof(s) WHEN 'null' THEN 'null' WHEN 'integer' THEN CASE type WHEN 'boolean' THEN CASE s WHEN 0 THEN 'false' WHEN 1 THEN 'true' ELSE s END WHEN 'timestamp:s' THEN ifnull('"' || strftime('%Y-%m-%dT%H:%M:%SZ', s, 'unixepoch') || '"', s) WHEN 'timestamp:ms' THEN ifnull('"' || strftime('%Y-%m-%dT%H:%M:%S', (s - (s % 1000 + 1000) % 1000) / 1000, 'unixepoch') || printf('.%03dZ"', (s % 1000 + 1000) % 1000), s) ELSE s END WHEN 'real' THEN CASE WHEN s > 1.7976931348623157e308 THEN '"Infinity"' WHEN s < -1.7976931348623157e308 THEN '"-Infinity"' ELSE CASE WHEN (abs(s) < 1e7 AND round(s * 1e8) / 1e8 = s) OR (abs(s) < 1e15 AND round(s) = s) OR (abs(s) < 1e12 AND round(s * 1e3) / 1e3 = s) THEN quote(s) ELSE printf('%!.20e', s) END END WHEN 'blob' THEN '"\\x' || lower(hex(s)) || '"'
        ELSE CASE WHEN type = 'uuid' AND length(s) = 0 AND hex(s) = '' THEN 'null' ELSE '"' || replace(replace(replace(replace(replace(
          s, '\', '\\'), '"', '\"'), char(9), '\u0009'), char(10), '\u000a'), char(13), '\u000d') || '"' END END
      FROM leadx_list WHERE counts
      UNION ALL
      SELECT place, name, min(n + 1, 32), CASE WHEN n < 31 THEN replace(s, char(n + 1), printf('\u%04x', n + 1)) WHEN n = 31 THEN CAST(s AS BLOB)
        ELSE CAST(substr(s, 1, instr(s, x'00') - 1) || '\u0000' || substr(s, instr(s, x'00') + 1) AS BLOB) END
      FROM leadx_text WHERE n < 32 OR (n = 32 AND instr(s, x'00') > 0)
    )
    SELECT '{' || group_concat(name || CAST(s AS TEXT)) || '}'
    FROM (SELECT name, s FROM leadx_text WHERE n = 33 OR (n = 32 AND instr(s, x'00') = 0) ORDER BY place)) FROM leadx_unwritten;
  DELETE FROM leadx_unwritten WHERE id IS NOT NULL;
END;

CREATE TRIGGER "leadx_order "" lines_rekey" AFTER UPDATE OF "order", "n" ON "order "" lines"
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying) AND NOT (OLD."order" COLLATE BINARY IS NEW."order" AND OLD."n" COLLATE BINARY IS NEW."n")
BEGIN
  INSERT INTO leadx_change VALUES ('it''s', printf('["%s",%s]', OLD."order", ifnull(OLD."n", 'null')), 'DELETE', printf('{"order":"%s","n":%s,"happened\"at":%s,"ms":%s}', OLD."order", ifnull(OLD."n", 'null'), ifnull(ifnull('"' || strftime('%Y-%m-%dT%H:%M:%SZ', OLD."at", 'unixepoch') || '"', OLD."at"), 'null'), ifnull(ifnull('"' || strftime('%Y-%m-%dT%H:%M:%S', (OLD."ms" - (OLD."ms" % 1000 + 1000) % 1000) / 1000, 'unixepoch') || printf('.%03dZ"', (OLD."ms" % 1000 + 1000) % 1000), OLD."ms"), 'null')), NULL, CASE WHEN (OLD."order" < '' OR OLD."order" >= x'' OR OLD."n" >= '' OR typeof(OLD."n") = 'real' OR OLD."at" >= '' OR typeof(OLD."at") = 'real' OR OLD."ms" >= '' OR typeof(OLD."ms") = 'real') THEN NULL ELSE (OLD."order" || '' || '' || '') END, CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER), ifnull((SELECT rowid FROM sync_queue ORDER BY rowid DESC LIMIT 1), 0));
  INSERT INTO sync_queue(id, entity_type, entity_id, action, payload)
  SELECT id, 'it''s', (WITH RECURSIVE leadx_list(place, name, type, s, counts) AS (VALUES (0, '', 'text', +OLD."order", 1), (1, '', 'integer', +OLD."n", 1)), leadx_text(place, name, n, s) AS (
      SELECT place, name, CASE WHEN typeof(s) = 'text' AND (s GLOB char(42, 91, 1, 45, 8, 11, 12, 14, 45, 31, 93, 42) OR instr(s, x'00')) THEN 0 ELSE 33 END,
        CASE typeof(s) WHEN 'null' THEN 'null' WHEN 'integer' THEN CASE type WHEN 'boolean' THEN CASE s WHEN 0 THEN 'false' WHEN 1 THEN 'true' ELSE s END WHEN 'timestamp:s' THEN ifnull('"' || strftime('%Y-%m-%dT%H:%M:%SZ', s, 'unixepoch') || '"', s) WHEN 'timestamp:ms' THEN ifnull('"' || strftime('%Y-%m-%dT%H:%M:%S', (s - (s % 1000 + 1000) % 1000) / 1000, 'unixepoch') || printf('.%03dZ"', (s % 1000 + 1000) % 1000), s) ELSE s END WHEN 'real' THEN CASE WHEN s > 1.7976931348623157e308 THEN '"Infinity"' WHEN s < -1.7976931348623157e308 THEN '"-Infinity"' ELSE CASE WHEN (abs(s) < 1e7 AND round(s * 1e8) / 1e8 = s) OR (abs(s) < 1e15 AND round(s) = s) OR (abs(s) < 1e12 AND round(s * 1e3) / 1e3 = s) THEN quote(s) ELSE printf('%!.20e', s) END END WHEN 'blob' THEN '"\\x' || lower(hex(s)) || '"'
        ELSE CASE WHEN type = 'uuid' AND length(s) = 0 AND hex(s) = '' THEN 'null' ELSE '"' || replace(replace(replace(replace(replace(
          s, '\', '\\'), '"', '\"'), char(9), '\u0009'), char(10), '\u000a'), char(13), '\u000d') || '"' END END
      FROM leadx_list WHERE counts
      UNION ALL
      SELECT place, name, min(n + 1, 32), CASE WHEN n < 31 THEN replace(s, char(n + 1), printf('\u%04x', n + 1)) WHEN n = 31 THEN CAST(s AS BLOB)
        ELSE CAST(substr(s, 1, instr(s, x'00') - 1) || '\u0000' || substr(s, instr(s, x'00') + 1) AS BLOB) END
      FROM leadx_text WHERE n < 32 OR (n = 32 AND instr(s, x'00') > 0)
    )
    SELECT '[' || group_concat(name || CAST(s AS TEXT)) || ']'
    FROM (SELECT name, s FROM leadx_text WHERE n = 33 OR (n = 32 AND instr(s, x'00') = 0) ORDER BY place)), 'DELETE', (WITH RECURSIVE leadx_list(place, name, type, s, counts) AS (VALUES (0, '"order":', 'text', +OLD."order", 1), (1, '"n":', 'integer', +OLD."n", 1), (2, '"happened\"at":', 'timestamp:s', +OLD."at", 1), (3, '"ms":', 'timestamp:ms', +OLD."ms", 1)), leadx_text(place, name, n, s) AS (
      SELECT place, name, CASE WHEN typeof(s) = 'text' AND (s GLOB char(42, 91, 1, 45, 8, 11, 12, 14, 45, 31, 93, 42) OR instr(s, x'00')) THEN 0 ELSE 33 END,
        CASE typeof(s) WHEN 'null' THEN 'null' WHEN 'integer' THEN CASE type WHEN 'boolean' THEN CASE s WHEN 0 THEN 'false' WHEN 1 THEN 'true' ELSE s END WHEN 'timestamp:s' THEN ifnull('"' || strftime('%Y-%m-%dT%H:%M:%SZ', s, 'unixepoch') || '"', s) WHEN 'timestamp:ms' THEN ifnull('"' || strftime('%Y-%m-%dT%H:%M:%S', (s - (s % 1000 + 1000) % 1000) / 1000, 'unixepoch') || printf('.%03dZ"', (s % 1000 + 1000) % 1000), s) ELSE s END WHEN 'real' THEN CASE WHEN s > 1.7976931348623157e308 THEN '"Infinity"' WHEN s < -1.7976931348623157e308 THEN '"-Infinity"' ELSE CASE WHEN (abs(s) < 1e7 AND round(s * 1e8) / 1e8 = s) OR (abs(s) < 1e15 AND round(s) = s) OR (abs(s) < 1e12 AND round(s * 1e3) / 1e3 = s) THEN quote(s) ELSE printf('%!.20e', s) END END WHEN 'blob' THEN '"\\x' || lower(hex(s)) || '"'
        ELSE CASE WHEN type = 'uuid' AND length(s) = 0 AND hex(s) = '' THEN 'null' ELSE '"' || replace(replace(replace(replace(replace(
          s, '\', '\\'), '"', '\"'), char(9), '\u0009'), char(10), '\u000a'), char(13), '\u000d') || '"' END END
      FROM leadx_list WHERE counts
      UNION ALL
      SELECT place, name, min(n + 1, 32), CASE WHEN n < 31 THEN replace(s, char(n + 1), printf('\u%04x', n + 1)) WHEN n = 31 THEN CAST(s AS BLOB)
        ELSE CAST(substr(s, 1, instr(s, x'00') - 1) || '\u0000' || substr(s, instr(s, x'00') + 1) AS BLOB) END
      FROM leadx_text WHERE n < 32 OR (n = 32 AND instr(s, x'00') > 0)
    )
    SELECT '{' || group_concat(name || CAST(s AS TEXT)) || '}'
    FROM (SELECT name, s FROM leadx_text WHERE n = 33 OR (n = 32 AND instr(s, x'00') = 0) ORDER BY place)) FROM leadx_unwritten;
  DELETE FROM leadx_unwritten WHERE id IS NOT NULL;
  INSERT INTO leadx_change VALUES ('it''s', printf('["%s",%s]', NEW."order", ifnull(NEW."n", 'null')), 'CREATE', printf('{"order":"%s","n":%s,"happened\"at":%s,"ms":%s}', NEW."order", ifnull(NEW."n", 'null'), ifnull(ifnull('"' || strftime('%Y-%m-%dT%H:%M:%SZ', NEW."at", 'unixepoch') || '"', NEW."at"), 'null'), ifnull(ifnull('"' || strftime('%Y-%m-%dT%H:%M:%S', (NEW."ms" - (NEW."ms" % 1000 + 1000) % 1000) / 1000, 'unixepoch') || printf('.%03dZ"', (NEW."ms" % 1000 + 1000) % 1000), NEW."ms"), 'null')), NULL, CASE WHEN (NEW."order" < '' OR NEW."order" >= x'' OR NEW."n" >= '' OR typeof(NEW."n") = 'real' OR NEW."at" >= '' OR typeof(NEW."at") = 'real' OR NEW."ms" >= '' OR typeof(NEW."ms") = 'real') THEN NULL ELSE (NEW."order" || '' || '' || '') END, CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER), ifnull((SELECT rowid FROM sync_queue ORDER BY rowid DESC LIMIT 1), 0));
  INSERT INTO sync_queue(id, entity_type, entity_id, action, payload)
  SELECT id, 'it''s', (WITH RECURSIVE leadx_list(place, name, type, s, counts) AS (VALUES (0, '', 'text', +NEW."order", 1), (1, '', 'integer', +NEW."n", 1)), leadx_text(place, name, n, s) AS (
      SELECT place, name, CASE WHEN typeof(s) = 'text' AND (s GLOB char(42, 91, 1, 45, 8, 11, 12, 14, 45, 31, 93, 42) OR instr(s, x'00')) THEN 0 ELSE 33 END,
        CASE typeof(s) WHEN 'null' THEN 'null' WHEN 'integer' THEN CASE type WHEN 'boolean' THEN CASE s WHEN 0 THEN 'false' WHEN 1 THEN 'true' ELSE s END WHEN 'timestamp:s' THEN ifnull('"' || strftime('%Y-%m-%dT%H:%M:%SZ', s, 'unixepoch') || '"', s) WHEN 'timestamp:ms' THEN ifnull('"' || strftime('%Y-%m-%dT%H:%M:%S', (s - (s % 1000 + 1000) % 1000) / 1000, 'unixepoch') || printf('.%03dZ"', (s % 1000 + 1000) % 1000), s) ELSE s END WHEN 'real' THEN CASE WHEN s > 1.7976931348623157e308 THEN '"Infinity"' WHEN s < -1.7976931348623157e308 THEN '"-Infinity"' ELSE CASE WHEN (abs(s) < 1e7 AND round(s * 1e8) / 1e8 = s) OR (abs(s) < 1e15 AND round(s) = s) OR (abs(s) < 1e12 AND round(s * 1e3) / 1e3 = s) THEN quote(s) ELSE printf('%!.20e', s) END END WHEN 'blob' THEN '"\\x' || lower(hex(s)) || '"'
        ELSE CASE WHEN type = 'uuid' AND length(s) = 0 AND hex(s) = '' THEN 'null' ELSE '"' || replace(replace(replace(replace(replace(
          s, '\', '\\'), '"', '\"'), char(9), '\u0009'), char(10), '\u000a'), char(13), '\u000d') || '"' END END
      FROM leadx_list WHERE counts
      UNION ALL
      SELECT place, name, min(n + 1, 32), CASE WHEN n < 31 THEN replace(s, char(n + 1), printf('\u%04x', n + 1)) WHEN n = 31 THEN CAST(s AS BLOB)
        ELSE CAST(substr(s, 1, instr(s, x'00') - 1) || '\u0000' || substr(s, instr(s, x'00') + 1) AS BLOB) END
      FROM leadx_text WHERE n < 32 OR (n = 32 AND instr(s, x'00') > 0)
    )
    SELECT '[' || group_concat(name || CAST(s AS TEXT)) || ']'
    FROM (SELECT name, s FROM leadx_text WHERE n = 33 OR (n = 32 AND instr(s, x'00') = 0) ORDER BY place)), 'CREATE', (WITH RECURSIVE leadx_list(place, name, type, s, counts) AS (VALUES (0, '"order":', 'text', +NEW."order", 1), (1, '"n":', 'integer', +NEW."n", 1), (2, '"happened\"at":', 'timestamp:s', +NEW."at", 1), (3, '"ms":', 'timestamp:ms', +NEW."ms", 1)), leadx_text(place, name, n, s) AS (
      SELECT place, name, CASE WHEN typeof(s) = 'text' AND (s GLOB char(42, 91, 1, 45, 8, 11, 12, 14, 45, 31, 93, 42) OR instr(s, x'00')) THEN 0 ELSE 33 END,
        CASE typeof(s) WHEN 'null' THEN 'null' WHEN 'integer' THEN CASE type WHEN 'boolean' THEN CASE s WHEN 0 THEN 'false' WHEN 1 THEN 'true' ELSE s END WHEN 'timestamp:s' THEN ifnull('"' || strftime('%Y-%m-%dT%H:%M:%SZ', s, 'unixepoch') || '"', s) WHEN 'timestamp:ms' THEN ifnull('"' || strftime('%Y-%m-%dT%H:%M:%S', (s - (s % 1000 + 1000) % 1000) / 1000, 'unixepoch') || printf('.%03dZ"', (s % 1000 + 1000) % 1000), s) ELSE s END WHEN 'real' THEN CASE WHEN s > 1.7976931348623157e308 THEN '"Infinity"' WHEN s < -1.7976931348623157e308 THEN '"-Infinity"' ELSE CASE WHEN (abs(s) < 1e7 AND round(s * 1e8) / 1e8 = s) OR (abs(s) < 1e15 AND round(s) = s) OR (abs(s) < 1e12 AND round(s * 1e3) / 1e3 = s) THEN quote(s) ELSE printf('%!.20e', s) END END WHEN 'blob' THEN '"\\x' || lower(hex(s)) || '"'
        ELSE CASE WHEN type = 'uuid' AND length(s) = 0 AND hex(s) = '' THEN 'null' ELSE '"' || replace(replace(replace(replace(replace(
          s, '\', '\\'), '"', '\"'), char(9), '\u0009'), char(10), '\u000a'), char(13), '\u000d') || '"' END END
      FROM leadx_list WHERE counts
      UNION ALL
      SELECT place, name, min(n + 1, 32), CASE WHEN n < 31 THEN replace(s, char(n + 1), printf('\u%04x', n + 1)) WHEN n = 31 THEN CAST(s AS BLOB)
        ELSE CAST(substr(s, 1, instr(s, x'00') - 1) || '\u0000' || substr(s, instr(s, x'00') + 1) AS BLOB) END
      FROM leadx_text WHERE n < 32 OR (n = 32 AND instr(s, x'00') > 0)
    )
    SELECT '{' || group_concat(name || CAST(s AS TEXT)) || '}'
    FROM (SELECT name, s FROM leadx_text WHERE n = 33 OR (n = 32 AND instr(s, x'00') = 0) ORDER BY place)) FROM leadx_unwritten;
  DELETE FROM leadx_unwritten WHERE id IS NOT NULL;
END;

CREATE TRIGGER "leadx_order "" lines_update" AFTER UPDATE ON "order "" lines"
WHEN NOT EXISTS (SELECT 1 FROM leadx_applying) AND OLD."order" COLLATE BINARY IS NEW."order" AND OLD."n" COLLATE BINARY IS NEW."n" AND ((OLD."order" COLLATE BINARY IS NOT NEW."order" OR OLD."n" COLLATE BINARY IS NOT NEW."n" OR OLD."at" COLLATE BINARY IS NOT NEW."at" OR OLD."ms" COLLATE BINARY IS NOT NEW."ms"))
BEGIN
  INSERT INTO leadx_change VALUES ('it''s', printf('["%s",%s]', NEW."order", ifnull(NEW."n", 'null')), 'UPDATE', printf('{"order":"%s","n":%s,"happened\"at":%s,"ms":%s}', NEW."order", ifnull(NEW."n", 'null'), ifnull(ifnull('"' || strftime('%Y-%m-%dT%H:%M:%SZ', NEW."at", 'unixepoch') || '"', NEW."at"), 'null'), ifnull(ifnull('"' || strftime('%Y-%m-%dT%H:%M:%S', (NEW."ms" - (NEW."ms" % 1000 + 1000) % 1000) / 1000, 'unixepoch') || printf('.%03dZ"', (NEW."ms" % 1000 + 1000) % 1000), NEW."ms"), 'null')), printf('{%s}', substr(printf('%s%s%s%s', CASE WHEN OLD."order" COLLATE BINARY IS NOT NEW."order" THEN printf(',"order":"%s"', OLD."order") ELSE '' END, CASE WHEN OLD."n" COLLATE BINARY IS NOT NEW."n" THEN printf(',"n":%s', ifnull(OLD."n", 'null')) ELSE '' END, CASE WHEN OLD."at" COLLATE BINARY IS NOT NEW."at" THEN printf(',"happened\"at":%s', ifnull(ifnull('"' || strftime('%Y-%m-%dT%H:%M:%SZ', OLD."at", 'unixepoch') || '"', OLD."at"), 'null')) ELSE '' END, CASE WHEN OLD."ms" COLLATE BINARY IS NOT NEW."ms" THEN printf(',"ms":%s', ifnull(ifnull('"' || strftime('%Y-%m-%dT%H:%M:%S', (OLD."ms" - (OLD."ms" % 1000 + 1000) % 1000) / 1000, 'unixepoch') || printf('.%03dZ"', (OLD."ms" % 1000 + 1000) % 1000), OLD."ms"), 'null')) ELSE '' END), 2)), CASE WHEN (NEW."order" < '' OR NEW."order" >= x'' OR NEW."n" >= '' OR typeof(NEW."n") = 'real' OR NEW."at" >= '' OR typeof(NEW."at") = 'real' OR NEW."ms" >= '' OR typeof(NEW."ms") = 'real') OR (OLD."order" < '' OR OLD."order" >= x'' OR OLD."n" >= '' OR typeof(OLD."n") = 'real' OR OLD."at" >= '' OR typeof(OLD."at") = 'real' OR OLD."ms" >= '' OR typeof(OLD."ms") = 'real') THEN NULL ELSE (NEW."order" || '' || '' || '') || (CASE WHEN OLD."order" COLLATE BINARY IS NOT NEW."order" THEN OLD."order" ELSE '' END || '' || '' || '') END, CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER), ifnull((SELECT rowid FROM sync_queue ORDER BY rowid DESC LIMIT 1), 0));
  INSERT INTO sync_queue(id, entity_type, entity_id, action, payload, base)
  SELECT id, 'it''s', (WITH RECURSIVE leadx_list(place, name, type, s, counts) AS (VALUES (0, '', 'text', +NEW."order", 1), (1, '', 'integer', +NEW."n", 1)), leadx_text(place, name, n, s) AS (
      SELECT place, name, CASE WHEN typeof(s) = 'text' AND (s GLOB char(42, 91, 1, 45, 8, 11, 12, 14, 45, 31, 93, 42) OR instr(s, x'00')) THEN 0 ELSE 33 END,
        CASE typeof(s) WHEN 'null' THEN 'null' WHEN 'integer' THEN CASE type WHEN 'boolean' THEN CASE s WHEN 0 THEN 'false' WHEN 1 THEN 'true' ELSE s END WHEN 'timestamp:s' THEN ifnull('"' || strftime('%Y-%m-%dT%H:%M:%SZ', s, 'unixepoch') || '"', s) WHEN 'timestamp:ms' THEN ifnull('"' || strftime('%Y-%m-%dT%H:%M:%S', (s - (s % 1000 + 1000) % 1000) / 1000, 'unixepoch') || printf('.%03dZ"', (s % 1000 + 1000) % 1000), s) ELSE s END WHEN 'real' THEN CASE WHEN s > 1.7976931348623157e308 THEN '"Infinity"' WHEN s < -1.7976931348623157e308 THEN '"-Infinity"' ELSE CASE WHEN (abs(s) < 1e7 AND round(s * 1e8) / 1e8 = s) OR (abs(s) < 1e15 AND round(s) = s) OR (abs(s) < 1e12 AND round(s * 1e3) / 1e3 = s) THEN quote(s) ELSE printf('%!.20e', s) END END WHEN 'blob' THEN '"\\x' || lower(hex(s)) || '"'
        ELSE CASE WHEN type = 'uuid' AND length(s) = 0 AND hex(s) = '' THEN 'null' ELSE '"' || replace(replace(replace(replace(replace(
          s, '\', '\\'), '"', '\"'), char(9), '\u0009'), char(10), '\u000a'), char(13), '\u000d') || '"' END END
      FROM leadx_list WHERE counts
      UNION ALL
      SELECT place, name, min(n + 1, 32), CASE WHEN n < 31 THEN replace(s, char(n + 1), printf('\u%04x', n + 1)) WHEN n = 31 THEN CAST(s AS BLOB)
        ELSE CAST(substr(s, 1, instr(s, x'00') - 1) || '\u0000' || substr(s, instr(s, x'00') + 1) AS BLOB) END
      FROM leadx_text WHERE n < 32 OR (n = 32 AND instr(s, x'00') > 0)
    )
    SELECT '[' || group_concat(name || CAST(s AS TEXT)) || ']'
    FROM (SELECT name, s FROM leadx_text WHERE n = 33 OR (n = 32 AND instr(s, x'00') = 0) ORDER BY place)), 'UPDATE', (WITH RECURSIVE leadx_list(place, name, type, s, counts) AS (VALUES (0, '"order":', 'text', +NEW."order", 1), (1, '"n":', 'integer', +NEW."n", 1), (2, '"happened\"at":', 'timestamp:s', +NEW."at", 1), (3, '"ms":', 'timestamp:ms', +NEW."ms", 1)), leadx_text(place, name, n, s) AS (
      SELECT place, name, CASE WHEN typeof(s) = 'text' AND (s GLOB char(42, 91, 1, 45, 8, 11, 12, 14, 45, 31, 93, 42) OR instr(s, x'00')) THEN 0 ELSE 33 END,
        CASE typeof(s) WHEN 'null' THEN 'null' WHEN 'integer' THEN CASE type WHEN 'boolean' THEN CASE s WHEN 0 THEN 'false' WHEN 1 THEN 'true' ELSE s END WHEN 'timestamp:s' THEN ifnull('"' || strftime('%Y-%m-%dT%H:%M:%SZ', s, 'unixepoch') || '"', s) WHEN 'timestamp:ms' THEN ifnull('"' || strftime('%Y-%m-%dT%H:%M:%S', (s - (s % 1000 + 1000) % 1000) / 1000, 'unixepoch') || printf('.%03dZ"', (s % 1000 + 1000) % 1000), s) ELSE s END WHEN 'real' THEN CASE WHEN s > 1.7976931348623157e308 THEN '"Infinity"' WHEN s < -1.7976931348623157e308 THEN '"-Infinity"' ELSE CASE WHEN (abs(s) < 1e7 AND round(s * 1e8) / 1e8 = s) OR (abs(s) < 1e15 AND round(s) = s) OR (abs(s) < 1e12 AND round(s * 1e3) / 1e3 = s) THEN quote(s) ELSE printf('%!.20e', s) END END WHEN 'blob' THEN '"\\x' || lower(hex(s)) || '"'
        ELSE CASE WHEN type = 'uuid' AND length(s) = 0 AND hex(s) = '' THEN 'null' ELSE '"' || replace(replace(replace(replace(replace(
          s, '\', '\\'), '"', '\"'), char(9), '\u0009'), char(10), '\u000a'), char(13), '\u000d') || '"' END END
      FROM leadx_list WHERE counts
      UNION ALL
      SELECT place, name, min(n + 1, 32), CASE WHEN n < 31 THEN replace(s, char(n + 1), printf('\u%04x', n + 1)) WHEN n = 31 THEN CAST(s AS BLOB)
        ELSE CAST(substr(s, 1, instr(s, x'00') - 1) || '\u0000' || substr(s, instr(s, x'00') + 1) AS BLOB) END
      FROM leadx_text WHERE n < 32 OR (n = 32 AND instr(s, x'00') > 0)
    )
    SELECT '{' || group_concat(name || CAST(s AS TEXT)) || '}'
    FROM (SELECT name, s FROM leadx_text WHERE n = 33 OR (n = 32 AND instr(s, x'00') = 0) ORDER BY place)), (WITH RECURSIVE leadx_list(place, name, type, s, counts) AS (VALUES (0, '"order":', 'text', +OLD."order", OLD."order" COLLATE BINARY IS NOT NEW."order"), (1, '"n":', 'integer', +OLD."n", OLD."n" COLLATE BINARY IS NOT NEW."n"), (2, '"happened\"at":', 'timestamp:s', +OLD."at", OLD."at" COLLATE BINARY IS NOT NEW."at"), (3, '"ms":', 'timestamp:ms', +OLD."ms", OLD."ms" COLLATE BINARY IS NOT NEW."ms")), leadx_text(place, name, n, s) AS (
      SELECT place, name, CASE WHEN typeof(s) = 'text' AND (s GLOB char(42, 91, 1, 45, 8, 11, 12, 14, 45, 31, 93, 42) OR instr(s, x'00')) THEN 0 ELSE 33 END,
        CASE typeof(s) WHEN 'null' THEN 'null' WHEN 'integer' THEN CASE type WHEN 'boolean' THEN CASE s WHEN 0 THEN 'false' WHEN 1 THEN 'true' ELSE s END WHEN 'timestamp:s' THEN ifnull('"' || strftime('%Y-%m-%dT%H:%M:%SZ', s, 'unixepoch') || '"', s) WHEN 'timestamp:ms' THEN ifnull('"' || strftime('%Y-%m-%dT%H:%M:%S', (s - (s % 1000 + 1000) % 1000) / 1000, 'unixepoch') || printf('.%03dZ"', (s % 1000 + 1000) % 1000), s) ELSE s END WHEN 'real' THEN CASE WHEN s > 1.7976931348623157e308 THEN '"Infinity"' WHEN s < -1.7976931348623157e308 THEN '"-Infinity"' ELSE CASE WHEN (abs(s) < 1e7 AND round(s * 1e8) / 1e8 = s) OR (abs(s) < 1e15 AND round(s) = s) OR (abs(s) < 1e12 AND round(s * 1e3) / 1e3 = s) THEN quote(s) ELSE printf('%!.20e', s) END END WHEN 'blob' THEN '"\\x' || lower(hex(s)) || '"'
        ELSE CASE WHEN type = 'uuid' AND length(s) = 0 AND hex(s) = '' THEN 'null' ELSE '"' || replace(replace(replace(replace(replace(
          s, '\', '\\'), '"', '\"'), char(9), '\u0009'), char(10), '\u000a'), char(13), '\u000d') || '"' END END
      FROM leadx_list WHERE counts
      UNION ALL
      SELECT place, name, min(n + 1, 32), CASE WHEN n < 31 THEN replace(s, char(n + 1), printf('\u%04x', n + 1)) WHEN n = 31 THEN CAST(s AS BLOB)
        ELSE CAST(substr(s, 1, instr(s, x'00') - 1) || '\u0000' || substr(s, instr(s, x'00') + 1) AS BLOB) END
      FROM leadx_text WHERE n < 32 OR (n = 32 AND instr(s, x'00') > 0)
    )
    SELECT '{' || group_concat(name || CAST(s AS TEXT)) || '}'
    FROM (SELECT name, s FROM leadx_text WHERE n = 33 OR (n = 32 AND instr(s, x'00') = 0) ORDER BY place)) FROM leadx_unwritten;
  DELETE FROM leadx_unwritten WHERE id IS NOT NULL;
END;
