-- name: trap_tables
SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND sql LIKE '%check%'

-- name: trap_functions
-- 524288 is SQLITE_DIRECTONLY. leadx's own functions refuse to run from a CHECK.
SELECT char(10) || group_concat(name, char(10)) || char(10)
FROM (SELECT DISTINCT lower(name) AS name FROM pragma_function_list WHERE flags & 524288 AND name NOT LIKE 'leadx~_%' ESCAPE '~')
