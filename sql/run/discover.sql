-- Statements of discover.c: what is known of each server's functions.

-- name: discover_get
SELECT asked_us, installed FROM main.leadx_servers WHERE origin = ?1 AND schema = ?2

-- name: discover_set
INSERT INTO main.leadx_servers(origin, schema, asked_us, installed) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT(origin, schema) DO UPDATE SET asked_us = excluded.asked_us, installed = excluded.installed
