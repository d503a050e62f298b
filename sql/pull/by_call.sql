-- Statements of by_call.c: the place in the tombstones of the server's function.

-- name: place_get
SELECT place, fingerprint FROM main.leadx_places WHERE origin = ?1 AND user = ?2 AND entity = ?3

-- name: call_forget
DELETE FROM main.leadx_places WHERE origin = ?1 AND user = ?2 AND entity = ?3

-- name: call_oldest
-- The oldest version known here, as the server wrote it: what was deleted before was never here.
SELECT min(version) FROM main.leadx_shadow WHERE entity = ?1 AND version IS NOT NULL
