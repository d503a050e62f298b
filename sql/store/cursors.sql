-- Statements of cursors.c: how far each table was pulled is forgotten.

-- name: cursors_forget
DELETE FROM main.leadx_cursors WHERE entity = ?1

-- name: cursors_forget_places
DELETE FROM main.leadx_places WHERE entity = ?1
