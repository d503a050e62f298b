-- Statements of tables.c.

-- name: tables_tracked
SELECT table_name, entity, priority, options FROM main.leadx_tables ORDER BY priority, table_name
