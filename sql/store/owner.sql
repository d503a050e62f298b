-- Statements of owner.c: whose the rows of the queue are. leadx_settings remembers the file's user under 'user', '' after
-- a sign-out; a row whose owner is NULL belongs to that user.

-- name: owner_get
SELECT value FROM main.leadx_settings WHERE key = 'user'

-- name: owner_set
INSERT INTO main.leadx_settings(key, value) VALUES ('user', ?1) ON CONFLICT(key) DO UPDATE SET value = excluded.value

-- name: owner_stamp
-- Unsent rows that nobody's name is on yet belong to the user who goes.
UPDATE main.sync_queue SET owner = ?1
WHERE owner IS NULL AND status IS NOT 'SYNCED' AND id IN (
  SELECT id FROM main.sync_queue WHERE rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0) UNION ALL SELECT id FROM main.leadx_held)

-- name: owner_welcome
UPDATE main.sync_queue SET error_code = NULL, error_message = NULL
WHERE owner = ?1 AND error_code = 'owner' AND id IN (
  SELECT id FROM main.sync_queue WHERE rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0) UNION ALL SELECT id FROM main.leadx_held)

-- name: owner_retry
-- What the server refused to nobody is tried again in the name of somebody.
UPDATE main.sync_queue SET status = 'PENDING', retry_count = 0, error_code = NULL, error_message = NULL
WHERE owner IS NULL AND status = 'FAILED' AND error_code IN ('42501', 'forbidden') AND id IN (
  SELECT id FROM main.sync_queue WHERE rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0) UNION ALL SELECT id FROM main.leadx_held)

-- name: owner_note
-- Says of the rows of everybody but ?1 why they wait. What has another reason keeps it.
UPDATE main.sync_queue SET error_code = 'owner', error_message = 'belongs to the user ' || owner || '; it is sent when that user signs in'
WHERE owner IS NOT ?1 AND owner IS NOT NULL AND error_code IS NULL AND status IN ('PENDING', 'IN_PROGRESS') AND id IN (
  SELECT id FROM main.sync_queue WHERE rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0) UNION ALL SELECT id FROM main.leadx_held)

-- name: owner_forget_cursors
-- What others were shown is not what this user is: the next pull begins at the beginning.
DELETE FROM main.leadx_cursors WHERE user IS NOT ?1

-- name: owner_unsent
-- How many unsent rows are this user's.
SELECT count(*) FROM main.sync_queue
WHERE ifnull(owner, ?1) = ?1 AND status IS NOT 'SYNCED' AND id IN (
  SELECT id FROM main.sync_queue WHERE rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0) UNION ALL SELECT id FROM main.leadx_held)

-- name: owner_waiting
-- How many unsent rows belong to others than ?1.
SELECT count(*) FROM main.sync_queue
WHERE owner IS NOT NULL AND owner <> ?1 AND status IN ('PENDING', 'IN_PROGRESS') AND id IN (
  SELECT id FROM main.sync_queue WHERE rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0) UNION ALL SELECT id FROM main.leadx_held)

-- name: owner_take
-- Unsent rows of the user ?2, or (where that is NULL) nobody's, become ?1's; what the server refused to those is tried again.
UPDATE main.sync_queue SET owner = ?1,
  status = CASE WHEN status = 'FAILED' AND error_code IN ('42501', 'forbidden') THEN 'PENDING' ELSE status END,
  error_code = CASE WHEN error_code IN ('42501', 'forbidden', 'owner') THEN NULL ELSE error_code END,
  error_message = CASE WHEN error_code IN ('42501', 'forbidden', 'owner') THEN NULL ELSE error_message END
WHERE owner IS ?2 AND owner IS NOT ?1 AND status IS NOT 'SYNCED' AND id IN (
  SELECT id FROM main.sync_queue WHERE rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0) UNION ALL SELECT id FROM main.leadx_held)
