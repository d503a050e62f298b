-- Statements of settings.c: the settings that the file keeps.

-- name: settings_load
-- What is noted under a key with a slash is no setting.
SELECT key, value FROM main.leadx_settings WHERE instr(key, '/') = 0

-- name: settings_store
INSERT INTO main.leadx_settings(key, value) VALUES (?1, ?2)
ON CONFLICT(key) DO UPDATE SET value = excluded.value
