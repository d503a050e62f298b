-- Statements of check.c: what leadx_check() found.

-- name: check_clear
DELETE FROM main.leadx_check_results

-- name: check_add
INSERT INTO main.leadx_check_results("check", result, fix) VALUES (?1, ?2, ?3)
