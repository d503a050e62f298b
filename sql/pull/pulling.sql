-- Statements of pulling.c: what a table has got to.

-- name: cursor_arrive
UPDATE main.leadx_cursors SET midway = 0, anew = 0, began_us = ?4 WHERE origin = ?1 AND user = ?2 AND entity = ?3

-- name: pull_changed
UPDATE main.leadx_tables SET changes = changes + ?2 WHERE table_name = ?1

-- name: pull_set_pulled
UPDATE main.leadx_tables SET last_pull_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE table_name = ?1
