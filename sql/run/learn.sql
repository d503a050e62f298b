-- Statements of learn.c: the types of keys that the server named.

-- name: learn_type
UPDATE main.leadx_tables SET options = json_patch(options, json_object('learned', json_object(?2, ?3)))
WHERE table_name = ?1

-- name: learn_is_pulled
SELECT EXISTS (SELECT 1 FROM main.leadx_cursors WHERE entity = ?1) OR EXISTS (SELECT 1 FROM main.leadx_places WHERE entity = ?1)
