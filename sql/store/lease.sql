-- Statements of lease.c: one sync at a time has the file.

-- name: lease_get
SELECT owner, taken_us, expires_us FROM main.leadx_lease WHERE one = 1

-- name: lease_take
INSERT INTO main.leadx_lease(one, owner, taken_us, expires_us) VALUES (1, ?1, ?2, ?3)
ON CONFLICT(one) DO UPDATE SET owner = excluded.owner, taken_us = excluded.taken_us, expires_us = excluded.expires_us

-- name: lease_drop
UPDATE main.leadx_lease SET owner = NULL, taken_us = NULL, expires_us = NULL WHERE owner = ?1

-- name: lease_renew
UPDATE main.leadx_lease SET expires_us = ?2 WHERE owner = ?1
