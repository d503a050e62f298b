-- Statements about leadx_shadow: what is known of each row. gone is NULL or 0 where the row stands here; 1: deleted here, kept by
-- the server as deleted; 2: the file's triggers keep it out; 3: nobody saw it go, it is fetched again (leadx_stand of shadow.h).

-- name: shadow_get
SELECT version, gone, fingerprint FROM main.leadx_shadow WHERE entity = ?1 AND key = ?2

-- name: shadow_set
INSERT INTO main.leadx_shadow(entity, key, version, gone, fingerprint) VALUES (?1, ?2, ?3, nullif(?4, 0), ?5)
ON CONFLICT(entity, key) DO UPDATE SET version = excluded.version, gone = excluded.gone, fingerprint = excluded.fingerprint

-- name: shadow_mark
UPDATE main.leadx_shadow SET gone = nullif(?3, 0) WHERE entity = ?1 AND key = ?2

-- name: shadow_forget
DELETE FROM main.leadx_shadow WHERE entity = ?1 AND key = ?2

-- name: shadow_forget_entity
DELETE FROM main.leadx_shadow WHERE entity = ?1

-- name: shadow_forget_settled
-- What is known of rows of which nothing is unsent.
DELETE FROM main.leadx_shadow
WHERE entity = ?1 AND key NOT IN (SELECT entity_id FROM main.sync_queue WHERE entity_type = ?1 AND status IS NOT 'SYNCED')

-- name: shadow_standing
-- Keys that count as standing here, in pieces; see parked_list for the keys.
SELECT key FROM main.leadx_shadow WHERE entity = ?1 AND key > ?2 AND typeof(key) = 'text' AND NOT instr(CAST(key AS BLOB), x'00') AND ifnull(gone, 0) = 0 ORDER BY key LIMIT ?3

-- name: place_oldest
-- The oldest version known here, as the server wrote it: what was deleted before was never here.
SELECT min(version) FROM main.leadx_shadow WHERE entity = ?1 AND version IS NOT NULL

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

-- name: shadow_forget_effects
-- What the outbox has above a rowid as deleted.
DELETE FROM main.leadx_shadow
WHERE (entity, key) IN (SELECT entity_type, entity_id FROM main.sync_queue WHERE rowid > ?1 AND action = 'DELETE')

-- name: shadow_rename
UPDATE main.leadx_shadow SET entity = ?2 WHERE entity = ?1

-- name: shadow_respell
UPDATE OR REPLACE main.leadx_shadow SET key = ?3 WHERE entity = ?1 AND key = ?2
