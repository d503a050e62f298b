-- Statements of problem.c: what needs a person, read from where it stands. Rows of the queue at or below the mark are
-- settled or listed in leadx_held, so a long history costs nothing; a mark whose row is not the one that stood there does
-- not count. Rows that are only to be fetched once more are no problem.

-- name: problem_list
-- One row for each, newest first. The virtual table puts the row's own words in place of label, where the row is here.
WITH
mark(below) AS (
  SELECT ifnull((SELECT m.rowid_below FROM main.leadx_mark m
                 WHERE m.id IS (SELECT q.id FROM main.sync_queue q WHERE q.rowid = m.rowid_below)), 0)),
open(id, entity_type, entity_id, status, error_code, error_message, created_at, owner, payload) AS (
  SELECT id, entity_type, entity_id, status, error_code, error_message, created_at, owner, payload FROM main.sync_queue
  WHERE rowid > (SELECT below FROM mark)
  UNION ALL
  SELECT q.id, q.entity_type, q.entity_id, q.status, q.error_code, q.error_message, q.created_at, q.owner, q.payload
  FROM main.leadx_held h CROSS JOIN main.sync_queue q ON q.id = h.id
  WHERE q.rowid <= (SELECT below FROM mark)),
last_run(at, state, error) AS (SELECT at, state, error FROM main.leadx_runs ORDER BY n DESC LIMIT 1)
SELECT kind, entity_type, entity_id,
  CASE WHEN json_valid(said) THEN coalesce(said ->> '$.name', said ->> '$.title', said ->> '$.code') END AS label,
  since, code, message, fix, queue_id, conflict_id FROM (
  SELECT CASE error_code WHEN 'key' THEN 'key' ELSE 'failed' END AS kind, entity_type, entity_id, created_at AS since,
    error_code AS code, error_message AS message,
    'SELECT leadx_retry(' || quote(id) || '); -- or give the change up: SELECT leadx_discard(' || quote(id) || ');' AS fix,
    id AS queue_id, NULL AS conflict_id, payload AS said
  FROM open WHERE status = 'FAILED'
  UNION ALL
  SELECT 'failed', entity_type, entity_id, created_at, 'status', 'its status is ' || quote(status) || ', which is no word of the queue; it is not sent',
    'UPDATE sync_queue SET status = ''PENDING'' WHERE id IS ' || quote(id) || ';', id, NULL, payload
  FROM open WHERE status IS NULL OR status NOT IN ('PENDING', 'IN_PROGRESS', 'SYNCED', 'FAILED')
  UNION ALL
  SELECT 'owner', NULL, NULL, min(created_at), 'owner',
    'changes of the user ' || owner || ' wait until that user signs in: ' || count(*),
    'SELECT leadx_adopt(' || quote(owner) || '); -- makes them yours; else sign in as that user',
    NULL, NULL, NULL
  FROM open WHERE error_code = 'owner' AND status IN ('PENDING', 'IN_PROGRESS') GROUP BY owner
  UNION ALL
  SELECT CASE resolution WHEN 'key' THEN 'key' ELSE 'conflict' END, entity_type, entity_id, detected_at, 'conflict',
    CASE WHEN json_valid(contested) AND json_type(contested) = 'array' AND json_array_length(contested) > 0
      THEN 'changed here and on the server: ' || (SELECT group_concat(value, ', ') FROM json_each(contested))
      ELSE 'changed here and on the server' END,
    'SELECT leadx_resolve(' || quote(id) || ', ''client''); -- or ''server'', or ''merge'' with the final values',
    NULL, id, coalesce(client_payload, server_payload)
  FROM main.sync_conflicts WHERE winner IS NULL
  UNION ALL
  SELECT 'parked', p.entity, p.key, p.since, 'parked', 'the server''s row does not fit here: ' || p.reason,
    'SELECT leadx_pull(' || quote(ifnull(t.table_name, p.entity)) || '); -- once what the message says is mended',
    NULL, NULL, NULL
  FROM main.leadx_parked p LEFT JOIN main.leadx_tables t ON t.entity = p.entity
  WHERE p.refused
  UNION ALL
  SELECT 'paused', t.entity, NULL, coalesce(t.last_pull_at, t.last_push_at), 'paused', t.last_error,
    CASE WHEN t.table_name COLLATE NOCASE IN (SELECT name FROM main.sqlite_schema WHERE type = 'table')
      THEN 'SELECT leadx_check(' || quote(t.table_name) || '); -- names what mends it; then SELECT leadx_sync();'
      ELSE 'SELECT leadx_untrack(' || quote(t.table_name) || ');' END,
    NULL, NULL, NULL
  FROM main.leadx_tables t WHERE t.last_error IS NOT NULL
  UNION ALL
  SELECT 'auth', NULL, NULL, at, 'auth_required', error, 'SELECT leadx_login(''email'', ''password''); -- or leadx_set_token()', NULL, NULL, NULL
  FROM last_run WHERE state = 'auth_required'
  UNION ALL
  SELECT 'server', NULL, NULL, at, 'error', error, 'SELECT leadx_check(); -- then SELECT leadx_sync();', NULL, NULL, NULL
  FROM last_run WHERE state = 'error')
ORDER BY since DESC

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
