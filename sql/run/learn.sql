-- Statements of learn.c: the types of keys that the server named.

-- name: learn_type
UPDATE main.leadx_tables SET options = json_patch(options, json_object('learned', json_object(?2, ?3)))
WHERE table_name = ?1

-- name: learn_is_pulled
SELECT EXISTS (SELECT 1 FROM main.leadx_cursors WHERE entity = ?1) OR EXISTS (SELECT 1 FROM main.leadx_places WHERE entity = ?1)

-- name: learn_carry
-- New options of a table with what was learned of it.
SELECT json_patch(?2, json_object('learned', json(json_extract(options, '$.learned')))) FROM main.leadx_tables
WHERE table_name = ?1 COLLATE NOCASE AND json_valid(options) AND json_type(options, '$.learned') = 'object'
  AND json_valid(?2) AND json_type(?2) = 'object'
