-- What the background worker asks its own connection.

-- name: worker_work
-- What could be sent now, were the last sync to be repeated: whether anything is newer than the rowid ?1, how much is older (counted to 1000),
-- and when the next waiting row may be tried. ?2 is now. A mark whose row is not the one that stood there does not count.
WITH
mark(below) AS (
  SELECT ifnull((SELECT m.rowid_below FROM main.leadx_mark m
                 WHERE m.id IS (SELECT q.id FROM main.sync_queue q WHERE q.rowid = m.rowid_below)), 0)),
waiting(next_try_at) AS MATERIALIZED (
  SELECT * FROM (
    SELECT q.next_try_at FROM main.sync_queue q
    WHERE q.rowid > (SELECT below FROM mark) AND q.rowid <= ?1 AND q.status = 'PENDING'
      AND q.error_code IS NOT 'conflict' AND q.error_code IS NOT '23503' AND q.id NOT IN (SELECT id FROM main.leadx_held)
    LIMIT 1000)
  UNION ALL
  SELECT q.next_try_at FROM main.leadx_held h CROSS JOIN main.sync_queue q ON q.id = h.id
  WHERE q.status = 'PENDING' AND q.error_code IS NOT 'conflict' AND q.error_code IS NOT '23503')
SELECT
  EXISTS (SELECT 1 FROM main.sync_queue WHERE rowid > (SELECT max(below, ?1) FROM mark) AND status = 'PENDING'),
  (SELECT count(*) FROM waiting WHERE next_try_at IS NULL OR next_try_at <= ?2),
  (SELECT min(next_try_at) FROM waiting WHERE next_try_at > ?2)
