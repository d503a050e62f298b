-- Statements of place.c: the cursor behind which the next page begins.

-- name: cursor_get
SELECT version, key, fingerprint, midway, began_us, anew FROM main.leadx_cursors WHERE origin = ?1 AND user = ?2 AND entity = ?3

-- name: cursor_set
INSERT INTO main.leadx_cursors(origin, user, entity, fingerprint, version, key, began_us, anew, midway) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1)
ON CONFLICT(origin, user, entity) DO UPDATE SET fingerprint = excluded.fingerprint, version = excluded.version, key = excluded.key,
  began_us = excluded.began_us, anew = excluded.anew, midway = 1

-- name: place_set
INSERT INTO main.leadx_places(origin, user, entity, fingerprint, place) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT(origin, user, entity) DO UPDATE SET fingerprint = excluded.fingerprint, place = excluded.place
