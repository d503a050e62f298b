-- Capture: a row as JSON, outside of triggers.

-- name: capture_written
-- A row as an object, a key as an array, outside of triggers. LIMIT and WHERE keep the texts, which are looked at twice,
-- from being put together twice.
(SELECT CASE WHEN {{needs_escape}} OR {{unusual_class}} THEN {{slowly}} ELSE {{quick}} END
FROM (SELECT {{texts}} AS s LIMIT 1) WHERE s IS NOT NULL)

-- name: capture_needs_escape
-- Is there a control character (1 to 31), a quote, a backslash or a NUL, which ends a text for GLOB? The pattern is *[\x01-\x1f"\]*.
s GLOB '*[' || char(1, 45, 31, 34, 92) || ']*' OR instr(s, x'00')

-- name: capture_slowly
-- The same outside of triggers, for a list of columns.
-- Only leadx_list refers to anything outside: ALTER TABLE RENAME COLUMN loses its way in a WITH that does elsewhere.
(WITH RECURSIVE leadx_list(place, k, s) AS (VALUES {{listed}}),
    leadx_text(place, name, n, s) AS (
      SELECT place, substr(k, 2),
{{escaped_list}}
      UNION ALL
      SELECT place, name, {{escaped_step}}
    )
    SELECT '{{open}}' || group_concat(name || CAST(s AS TEXT)) || '{{close}}'
    FROM (SELECT name, s FROM leadx_text WHERE n = 33 OR (n = 32 AND instr(s, x'00') = 0) ORDER BY place))

-- name: capture_escaped_list
-- How far a value is (n), and the value with what is escaped at once.
        CASE WHEN typeof(s) = 'text' AND (s GLOB '*[' || char(1, 45, 8, 11, 12, 14, 45, 31) || ']*' OR instr(s, x'00')) THEN 0 ELSE 33 END,
        CASE typeof(s) WHEN 'null' THEN 'null' WHEN 'real' THEN {{real}} WHEN 'blob' THEN {{bytes}}
        WHEN 'integer' THEN CASE WHEN s IN (0, 1) AND substr(k, 1, 1) IN ('B', 'b') THEN CASE s WHEN 0 THEN 'false' ELSE 'true' END ELSE s END
        ELSE CASE WHEN k GLOB '*e' THEN '' ELSE '"' || replace(replace(replace(replace(replace(
          s, '\', '\\'), '"', '\"'), char(9), '\u0009'), char(10), '\u000a'), char(13), '\u000d') || '"' END END
      FROM leadx_list

-- name: capture_escaped_step
min(n + 1, 32), CASE WHEN n < 31 THEN replace(s, char(n + 1), printf('\u%04x', n + 1)) WHEN n = 31 THEN CAST(s AS BLOB)
        ELSE CAST(substr(s, 1, instr(s, x'00') - 1) || '\u0000' || substr(s, instr(s, x'00') + 1) AS BLOB) END
      FROM leadx_text WHERE n < 32 OR (n = 32 AND instr(s, x'00') > 0)
