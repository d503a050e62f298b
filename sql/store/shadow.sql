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

-- name: shadow_forget_effects
-- What the outbox has above a rowid as deleted.
DELETE FROM main.leadx_shadow
WHERE (entity, key) IN (SELECT entity_type, entity_id FROM main.sync_queue WHERE rowid > ?1 AND action = 'DELETE')

-- name: shadow_rename
UPDATE main.leadx_shadow SET entity = ?2 WHERE entity = ?1

-- name: shadow_respell
UPDATE OR REPLACE main.leadx_shadow SET key = ?3 WHERE entity = ?1 AND key = ?2
