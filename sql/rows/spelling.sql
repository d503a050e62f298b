-- Statements of spelling.c.

-- name: spelling_note
-- Of a uuid that is in one of the usual forms, and of a text that is none, nothing is noted.
INSERT INTO main.leadx_settings(key, value)
SELECT 'uuid/' || lower(CASE length(?1) WHEN 36 THEN ?1 ELSE
  substr(?1, 1, 8) || '-' || substr(?1, 9, 4) || '-' || substr(?1, 13, 4) || '-' || substr(?1, 17, 4) || '-' || substr(?1, 21) END), ?1
WHERE length(?1) IN (32, 36) AND ?1 <> lower(?1) AND ?1 <> upper(?1)
ON CONFLICT(key) DO UPDATE SET value = excluded.value
