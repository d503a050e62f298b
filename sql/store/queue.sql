-- Statements of queue.c: finding work, claiming it, settling it.

-- name: queue_mark_get
-- The mark, and the id of the row that stands there now.
SELECT m.rowid_below, m.id, (SELECT q.id FROM main.sync_queue q WHERE q.rowid = m.rowid_below) FROM main.leadx_mark m

-- name: queue_mark_set
INSERT INTO main.leadx_mark(one, rowid_below, id) VALUES (1, ?1, (SELECT id FROM main.sync_queue WHERE rowid = ?1))
ON CONFLICT(one) DO UPDATE SET rowid_below = excluded.rowid_below, id = excluded.id

-- name: queue_first_open
-- The first row above ?1 that is neither done nor listed as held.
-- The last column: can its id be listed? One that came since leadx_queue_recover() may have any.
SELECT rowid, id, status, error_code, next_try_at, typeof(id) = 'text' AND NOT instr(CAST(id AS BLOB), x'00') FROM main.sync_queue
WHERE rowid > ?1 AND status IS NOT 'SYNCED' AND id NOT IN (SELECT id FROM main.leadx_held)
ORDER BY rowid LIMIT 1

-- name: queue_hold
INSERT INTO main.leadx_held(id) VALUES (?1) ON CONFLICT DO NOTHING

-- name: queue_unhold_done
DELETE FROM main.leadx_held
WHERE id NOT IN (SELECT h.id FROM main.leadx_held h CROSS JOIN main.sync_queue q ON q.id = h.id WHERE q.status IS NOT 'SYNCED')

-- name: queue_last_below
SELECT max(rowid) FROM main.sync_queue WHERE rowid < ?1

-- name: queue_last
SELECT max(rowid) FROM main.sync_queue

-- name: queue_recover
-- What a crash left in flight goes back; sent_at stays and tells that the server may have it.
UPDATE main.sync_queue SET status = 'PENDING'
WHERE rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0) AND status = 'IN_PROGRESS'

-- name: queue_name_nameless
-- An application's row without an id, or with one that is no text to its end, could be neither claimed nor acknowledged,
-- and nobody could name it.
UPDATE main.sync_queue SET id = lower(hex(randomblob(16)))
WHERE (typeof(id) <> 'text' OR id = '' OR instr(CAST(id AS BLOB), x'00')) AND rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0)

-- name: queue_name_status
-- An application's row whose status is none of the four words would never move, and keep the mark from moving. None is PENDING, as the column's DEFAULT says.
UPDATE main.sync_queue SET
  status = CASE WHEN status IS NULL THEN 'PENDING' WHEN upper(status) IN ('PENDING', 'IN_PROGRESS', 'SYNCED', 'FAILED') THEN upper(status) ELSE 'FAILED' END,
  error_code = CASE WHEN upper(status) NOT IN ('PENDING', 'IN_PROGRESS', 'SYNCED', 'FAILED') THEN 'status' ELSE error_code END,
  error_message = CASE WHEN upper(status) NOT IN ('PENDING', 'IN_PROGRESS', 'SYNCED', 'FAILED')
    THEN 'unknown status "' || substr(CAST(status AS TEXT), 1, 20) || '"; it can be PENDING, IN_PROGRESS, SYNCED or FAILED' ELSE error_message END
WHERE ifnull(status, '') NOT IN ('PENDING', 'IN_PROGRESS', 'SYNCED', 'FAILED') AND rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0)

-- name: queue_has_unsent
-- Is anything of that row unsent, be it FAILED or waiting?
SELECT EXISTS (SELECT 1 FROM main.sync_queue WHERE rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0)
               AND status IS NOT 'SYNCED' AND entity_type = ?1 AND entity_id = ?2)
    OR EXISTS (SELECT 1 FROM main.leadx_held h CROSS JOIN main.sync_queue q ON q.id = h.id
               WHERE q.status IS NOT 'SYNCED' AND q.entity_type = ?1 AND q.entity_id = ?2)

-- name: queue_recover_held
UPDATE main.sync_queue SET status = 'PENDING' WHERE status = 'IN_PROGRESS' AND id IN (SELECT id FROM main.leadx_held)

-- name: queue_window
-- Unsent rows behind the mark and behind ?4, by age. ?1 now, ?2 the furthest a try may lie ahead (a clock that
-- jumped back must not park a row), ?3 how many. The last column is whose the row is; it is looked up with the row, so
-- that a user who signs in meanwhile gets nobody else's. Age and not priority, because whoever is referred to is older as a
-- rule: a window without the parents would be refused row by row. Within the window plan.c goes by priority.
SELECT q.rowid, q.id, q.entity_type, q.entity_id, q.action, q.status, q.retry_count,
       q.next_try_at > ?1 AND q.next_try_at <= ?2, q.error_code, q.sent_at IS NOT NULL, q.created_at,
       ifnull(q.owner, ifnull((SELECT value FROM main.leadx_settings WHERE key = 'user'), ''))
FROM main.sync_queue q
WHERE q.rowid > (SELECT max(rowid_below, ?4) FROM main.leadx_mark) AND q.status IN ('PENDING', 'IN_PROGRESS', 'FAILED')
  AND q.id NOT IN (SELECT id FROM main.leadx_held)
ORDER BY q.rowid LIMIT ?3

-- name: queue_window_passed
-- What earlier windows of the same sync left unsent, up to ?4: the later changes of those rows wait behind it.
SELECT q.rowid, q.id, q.entity_type, q.entity_id, q.action, q.status, q.retry_count,
       q.next_try_at > ?1 AND q.next_try_at <= ?2, q.error_code, q.sent_at IS NOT NULL, q.created_at,
       ifnull(q.owner, ifnull((SELECT value FROM main.leadx_settings WHERE key = 'user'), ''))
FROM main.sync_queue q
WHERE q.rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0) AND q.rowid <= ?4
  AND q.status IN ('PENDING', 'IN_PROGRESS', 'FAILED') AND q.id NOT IN (SELECT id FROM main.leadx_held)
ORDER BY q.rowid LIMIT ?3

-- name: queue_window_held
SELECT q.rowid, q.id, q.entity_type, q.entity_id, q.action, q.status, q.retry_count,
       q.next_try_at > ?1 AND q.next_try_at <= ?2, q.error_code, q.sent_at IS NOT NULL, q.created_at,
       ifnull(q.owner, ifnull((SELECT value FROM main.leadx_settings WHERE key = 'user'), ''))
FROM main.leadx_held h CROSS JOIN main.sync_queue q ON q.id = h.id
WHERE q.status IN ('PENDING', 'IN_PROGRESS', 'FAILED') ORDER BY q.rowid

-- name: queue_claim
UPDATE main.sync_queue SET status = 'IN_PROGRESS', sent_at = ifnull(sent_at, ?2)
WHERE id = ?1 AND status IS NOT 'SYNCED'

-- name: queue_ack
UPDATE main.sync_queue SET status = 'SYNCED', synced_at = ?2, error_message = ?3, error_code = ?4, next_try_at = NULL WHERE id = ?1

-- name: queue_release
-- Back to PENDING, nothing charged. ?2: the request provably never left, so the row was not sent by it.
UPDATE main.sync_queue SET status = 'PENDING', sent_at = CASE WHEN ?2 AND sent_at >= ?3 THEN NULL ELSE sent_at END
WHERE id = ?1 AND status = 'IN_PROGRESS'

-- name: queue_fail
UPDATE main.sync_queue SET status = 'FAILED', error_code = ?2, error_message = ?3, next_try_at = NULL
WHERE id = ?1 AND status IS NOT 'SYNCED'

-- name: queue_delay
-- Waits: for a time (?4), behind its parent, or for a decision (error_code says which). ?5 is what the try costs.
UPDATE main.sync_queue SET status = 'PENDING', error_code = ?2, error_message = ?3, next_try_at = ?4,
  retry_count = ifnull(retry_count, 0) + ?5
WHERE id = ?1 AND status IS NOT 'SYNCED'

-- name: queue_retry_one
UPDATE main.sync_queue SET status = 'PENDING', retry_count = 0, error_code = NULL, error_message = NULL, next_try_at = NULL
WHERE id = ?1 AND (status = 'FAILED' OR (status = 'PENDING' AND ifnull(error_code, '') NOT IN ('conflict', 'owner')))

-- name: queue_retry_all
UPDATE main.sync_queue SET status = 'PENDING', retry_count = 0, error_code = NULL, error_message = NULL, next_try_at = NULL
WHERE id IN (SELECT id FROM main.sync_queue WHERE rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0)
             AND (status = 'FAILED' OR (status = 'PENDING' AND next_try_at IS NOT NULL))
             UNION ALL
             SELECT q.id FROM main.leadx_held h CROSS JOIN main.sync_queue q ON q.id = h.id
             WHERE q.status = 'FAILED' OR (q.status = 'PENDING' AND q.next_try_at IS NOT NULL))

-- name: queue_get_status
SELECT status, entity_type, entity_id FROM main.sync_queue WHERE id = ?1

-- name: queue_delete
DELETE FROM main.sync_queue WHERE id = ?1

-- name: queue_discard_question
-- An open conflict is about the changes of its row; when the last of them is given up, the server's row stands.
UPDATE main.sync_conflicts SET winner = 'server', resolution = 'discarded', resolved_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
WHERE winner IS NULL AND (entity_type, entity_id) IN (SELECT entity_type, entity_id FROM main.sync_queue WHERE id = ?1)
  AND NOT EXISTS (SELECT 1 FROM main.sync_queue q WHERE q.rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0)
    AND q.entity_type = sync_conflicts.entity_type AND q.entity_id = sync_conflicts.entity_id AND q.status IS NOT 'SYNCED' AND q.id <> ?1)
  AND NOT EXISTS (SELECT 1 FROM main.leadx_held h CROSS JOIN main.sync_queue q ON q.id = h.id
    WHERE q.entity_type = sync_conflicts.entity_type AND q.entity_id = sync_conflicts.entity_id AND q.status IS NOT 'SYNCED' AND q.id <> ?1)

-- name: queue_probe
INSERT INTO main.sync_queue(id, entity_type, entity_id, action, payload, base) VALUES (?1, ?2, ?1, ?3, '{}', '{}'), (?1 || '+', ?2, ?1, ?3, '{}', '{}')

-- name: queue_probe_status
UPDATE main.sync_queue SET status = ?2, retry_count = 1, error_code = '', error_message = '', next_try_at = '', synced_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
  sent_at = '', owner = '' WHERE id = ?1

-- name: queue_probe_end
DELETE FROM main.sync_queue WHERE id IN (?1, ?1 || '+')

-- name: queue_enqueue
INSERT INTO main.sync_queue(id, entity_type, entity_id, action, payload) VALUES (?1, ?2, ?3, ?4, ?5)

-- name: queue_counts
-- Unsent rows: pending, failed; above the mark and held.
SELECT ifnull(sum(status IN ('PENDING', 'IN_PROGRESS')), 0), ifnull(sum(status = 'FAILED'), 0) FROM (
  SELECT status FROM main.sync_queue WHERE rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0) AND id NOT IN (SELECT id FROM main.leadx_held)
  UNION ALL
  SELECT q.status FROM main.leadx_held h CROSS JOIN main.sync_queue q ON q.id = h.id)

-- name: queue_purge
-- No row behind ?2. A queue that an application made may keep its times as numbers.
DELETE FROM main.sync_queue WHERE rowid <= min(?2, ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0)) AND status = 'SYNCED'
  AND julianday(ifnull(synced_at, created_at), 'auto') < julianday('now') - ?1

-- name: queue_purgeable
-- The last of the first ?2 rows that queue_purge would drop.
SELECT max(rowid) FROM (SELECT rowid FROM main.sync_queue WHERE rowid <= ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0) AND status = 'SYNCED'
  AND julianday(ifnull(synced_at, created_at), 'auto') < julianday('now') - ?1 ORDER BY rowid LIMIT ?2)

-- name: queue_unsent_of_table
SELECT count(*) FROM (
  SELECT entity_type, status FROM main.sync_queue WHERE rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m WHERE m.id IS (SELECT i.id FROM main.sync_queue i WHERE i.rowid = m.rowid_below)), 0)
    AND id NOT IN (SELECT id FROM main.leadx_held)
  UNION ALL
  SELECT q.entity_type, q.status FROM main.leadx_held h CROSS JOIN main.sync_queue q ON q.id = h.id)
WHERE entity_type = ?1 AND status IS NOT 'SYNCED'

-- name: queue_open_conflicts
SELECT count(*) FROM main.sync_conflicts WHERE winner IS NULL

-- name: conflict_purge
DELETE FROM main.sync_conflicts WHERE winner IS NOT NULL AND julianday(resolved_at) < julianday('now') - ?1

-- name: queue_last_place
SELECT rowid, id FROM main.sync_queue ORDER BY rowid DESC LIMIT 1

-- name: queue_stands
SELECT 1 FROM main.sync_queue WHERE rowid = ?1 AND id = ?2

-- name: queue_read
SELECT action, payload, base, created_at FROM main.sync_queue WHERE id = ?1
