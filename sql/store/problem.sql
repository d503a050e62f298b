-- Statements of problem.c: what needs a person, read from where it stands. Rows of the queue at or below the mark are
-- settled or listed in leadx_held, so a long history costs nothing; a mark whose row is not the one that stood there does
-- not count. Rows that are only to be fetched once more are no problem.

-- name: problem_counts
-- What outlasts a sync: FAILED rows and such of another status, open conflicts, parked rows, paused tables.
WITH
mark(below) AS (
  SELECT ifnull((SELECT m.rowid_below FROM main.leadx_mark m
                 WHERE m.id IS (SELECT q.id FROM main.sync_queue q WHERE q.rowid = m.rowid_below)), 0))
SELECT
  (SELECT count(*) FROM main.sync_queue WHERE rowid > (SELECT below FROM mark)
     AND (status IS NULL OR status NOT IN ('PENDING', 'IN_PROGRESS', 'SYNCED')))
  + (SELECT count(*) FROM main.leadx_held h CROSS JOIN main.sync_queue q ON q.id = h.id
     WHERE q.rowid <= (SELECT below FROM mark) AND (q.status IS NULL OR q.status NOT IN ('PENDING', 'IN_PROGRESS', 'SYNCED')))
  + (SELECT count(*) FROM main.sync_conflicts WHERE winner IS NULL)
  + (SELECT count(*) FROM main.leadx_parked WHERE refused)
  + (SELECT count(*) FROM main.leadx_tables WHERE last_error IS NOT NULL)
