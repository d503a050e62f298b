-- Statements of settings.c: the settings that the file keeps.

-- name: settings_load
SELECT key, value FROM main.leadx_settings

-- name: settings_store
INSERT INTO main.leadx_settings(key, value) VALUES (?1, ?2)
ON CONFLICT(key) DO UPDATE SET value = excluded.value
