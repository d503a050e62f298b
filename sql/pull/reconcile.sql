-- Statements of reconcile.c: the keys that the server listed beside those that are known here.

-- name: reconcile_begin
CREATE TEMP TABLE IF NOT EXISTS leadx_seen(key TEXT PRIMARY KEY, version TEXT, deleted INTEGER) WITHOUT ROWID

-- name: reconcile_clear
DELETE FROM temp.leadx_seen

-- name: reconcile_see
INSERT INTO temp.leadx_seen(key, version, deleted) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING

-- name: reconcile_count_seen
SELECT count(*) FROM temp.leadx_seen

-- name: reconcile_differing
-- Keys whose version here is not the server's: new ones, changed ones.
SELECT s.key FROM temp.leadx_seen s LEFT JOIN main.leadx_shadow h ON h.entity = ?1 AND h.key = s.key
WHERE s.key > ?2 AND NOT s.deleted AND (h.key IS NULL OR h.version IS NOT s.version OR h.gone = 3) ORDER BY s.key LIMIT ?3

-- name: reconcile_vanished
-- Rows that the server once confirmed and does not show any more; see parked_list for the keys.
SELECT h.key FROM main.leadx_shadow h
WHERE h.entity = ?1 AND h.key > ?2 AND typeof(h.key) = 'text' AND NOT instr(CAST(h.key AS BLOB), x'00') AND h.version IS NOT NULL AND h.key NOT IN (SELECT key FROM temp.leadx_seen WHERE NOT deleted)
ORDER BY h.key LIMIT ?3

-- name: reconcile_count_known
SELECT count(*) FROM main.leadx_shadow WHERE entity = ?1 AND version IS NOT NULL
