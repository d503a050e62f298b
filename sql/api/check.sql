-- Statements of check.c: what leadx_check() found.

-- name: check_clear
DELETE FROM main.leadx_check_results

-- name: check_add
INSERT INTO main.leadx_check_results("check", result, fix) VALUES (?1, ?2, ?3)

-- name: check_is_pulled
SELECT EXISTS (SELECT 1 FROM main.leadx_cursors WHERE entity = ?1) OR EXISTS (SELECT 1 FROM main.leadx_places WHERE entity = ?1)
