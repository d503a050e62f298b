-- Statements of fingerprint.c. The lists of columns that fingerprints were made of stand in leadx_settings, each under its own hash.

-- name: fingerprint_list_add
INSERT INTO main.leadx_settings(key, value) VALUES ('columns/' || ?1, ?2) ON CONFLICT DO NOTHING

-- name: fingerprint_list_get
SELECT value FROM main.leadx_settings WHERE key = 'columns/' || ?1
