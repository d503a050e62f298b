-- What the virtual tables show; vtab.c says which table shows which entry. ?1 tells whether a column
-- is wanted that costs more than the others. Rows at or below the mark are SYNCED or listed in
-- leadx_held, so a long history is read only by those who ask for it. A mark whose row is not the
-- one that stood there does not count: the queue was emptied or restored.

-- name: vtab_queue
-- The conditions that vtab.c pushes down follow this text. Costly: payload and base. The rowid is the last column.
SELECT q.id, q.entity_type, q.entity_id, q.action, q.status,
  CASE
    WHEN q.status = 'SYNCED' THEN 'synced'
    WHEN q.status = 'FAILED' THEN 'failed'
    WHEN q.status = 'IN_PROGRESS' THEN 'ready'
    WHEN q.status IS NOT 'PENDING' THEN NULL
    WHEN q.error_code = 'conflict' THEN 'conflict'
    WHEN q.error_code = 'owner' THEN 'waiting'
    WHEN q.error_code = '23503' THEN 'blocked'
    WHEN q.next_try_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now') THEN 'waiting'
    ELSE 'ready'
  END AS state,
  ifnull(t.priority, 3) AS priority, q.retry_count, q.next_try_at, q.error_code, q.error_message, q.created_at, q.synced_at,
  CASE WHEN ?1 THEN q.payload END AS payload, CASE WHEN ?1 THEN q.base END AS base, q.rowid
FROM main.sync_queue q LEFT JOIN main.leadx_tables t ON t.entity = q.entity_type

-- name: vtab_queue_open
-- What a condition that no settled row meets adds: only rows above the mark and those that are held are read.
(q.rowid > ifnull((SELECT m.rowid_below FROM main.leadx_mark m
                   WHERE m.id IS (SELECT s.id FROM main.sync_queue s WHERE s.rowid = m.rowid_below)), 0)
 OR q.id IN (SELECT h.id FROM main.leadx_held h))

-- name: vtab_status
-- Costly: synced, the only count that needs the whole history.
WITH
mark(below) AS (
  SELECT ifnull((SELECT m.rowid_below FROM main.leadx_mark m
                 WHERE m.id IS (SELECT q.id FROM main.sync_queue q WHERE q.rowid = m.rowid_below)), 0)),
unsent(entity, status, created_at, failed_rowid) AS (
  SELECT entity_type, status, created_at, CASE WHEN status = 'FAILED' THEN rowid END FROM main.sync_queue
  WHERE rowid > (SELECT below FROM mark) AND status IN ('PENDING', 'IN_PROGRESS', 'FAILED')
  UNION ALL
  SELECT q.entity_type, q.status, q.created_at, CASE WHEN q.status = 'FAILED' THEN q.rowid END
  FROM main.leadx_held h CROSS JOIN main.sync_queue q ON q.id = h.id
  WHERE q.rowid <= (SELECT below FROM mark) AND q.status IN ('PENDING', 'IN_PROGRESS', 'FAILED')),
work(entity, pending, in_progress, failed, oldest_pending_at, failed_rowid) AS MATERIALIZED (
  SELECT entity, sum(status = 'PENDING'), sum(status = 'IN_PROGRESS'), sum(status = 'FAILED'),
    min(CASE WHEN status = 'PENDING' THEN created_at END), max(failed_rowid)
  FROM unsent GROUP BY entity),
history(entity, synced) AS MATERIALIZED (
  SELECT entity_type, count(*) FROM main.sync_queue WHERE ?1 AND status = 'SYNCED' GROUP BY entity_type),
open(entity, conflicts) AS MATERIALIZED (
  SELECT entity_type, count(*) FROM main.sync_conflicts WHERE winner IS NULL GROUP BY entity_type)
SELECT t.entity, t.table_name,
  CASE WHEN json_valid(t.options) THEN ifnull(json_extract(t.options, '$.mode'), 'both') ELSE 'both' END,
  t.priority, ifnull(w.pending, 0), ifnull(w.in_progress, 0), ifnull(w.failed, 0), ifnull(s.synced, 0),
  ifnull(o.conflicts, 0), w.oldest_pending_at, t.last_push_at, t.last_pull_at,
  (SELECT c.version FROM main.leadx_cursors c WHERE c.entity = t.entity ORDER BY c.user = ?2 DESC, c.version DESC LIMIT 1),
  ifnull(t.last_error, (SELECT q.error_message FROM main.sync_queue q WHERE q.rowid = w.failed_rowid)),
  (SELECT count(*) FROM main.leadx_parked p WHERE p.entity = t.entity AND p.refused),
  t.changes
FROM main.leadx_tables t
LEFT JOIN work w ON w.entity = t.entity
LEFT JOIN history s ON s.entity = t.entity
LEFT JOIN open o ON o.entity = t.entity
ORDER BY t.priority, t.table_name

-- name: vtab_conflicts
-- Values are looked up by key and not by path, because a path cannot spell every column name.
SELECT c.id, c.entity_type, c.entity_id, n.value,
  (SELECT value FROM json_each(CASE WHEN json_valid(c.base) THEN c.base END) WHERE key = n.value),
  (SELECT value FROM json_each(CASE WHEN json_valid(c.client_payload) THEN c.client_payload END) WHERE key = n.value),
  (SELECT value FROM json_each(CASE WHEN json_valid(c.server_payload) THEN c.server_payload END) WHERE key = n.value),
  c.client_updated_at, c.server_updated_at, c.winner, c.resolution, c.detected_at, c.resolved_at
FROM main.sync_conflicts c
LEFT JOIN json_each(CASE WHEN json_valid(c.contested) AND json_type(c.contested) = 'array' THEN c.contested END) n
ORDER BY c.rowid, n.id

-- name: vtab_log
SELECT at, trigger, state, pushed, pulled, conflicts, failed, requests, bytes_out, bytes_in, ms, error
FROM main.leadx_runs ORDER BY n

-- name: vtab_checks
SELECT "check", result, fix FROM main.leadx_check_results ORDER BY rowid

-- name: vtab_state
-- What the session knows: ?1 online, ?2 syncing, ?3 phase, ?4 done, ?5 total, ?6 auth, ?7 message, ?8 when the worker syncs next.
WITH
mark(below) AS (
  SELECT ifnull((SELECT m.rowid_below FROM main.leadx_mark m
                 WHERE m.id IS (SELECT q.id FROM main.sync_queue q WHERE q.rowid = m.rowid_below)), 0)),
unsent(status) AS (
  SELECT status FROM main.sync_queue WHERE rowid > (SELECT below FROM mark)
  UNION ALL
  SELECT q.status FROM main.leadx_held h CROSS JOIN main.sync_queue q ON q.id = h.id
  WHERE q.rowid <= (SELECT below FROM mark)),
counts(pending, failed) AS (
  SELECT ifnull(sum(status IN ('PENDING', 'IN_PROGRESS')), 0), ifnull(sum(status = 'FAILED'), 0) FROM unsent)
SELECT ?1, ?2, ?3, ?4, ?5, counts.pending, counts.failed,
  (SELECT count(*) FROM main.sync_conflicts WHERE winner IS NULL),
  (SELECT at FROM main.leadx_runs WHERE state IN ('ok', 'partial') ORDER BY n DESC LIMIT 1),
  ?8, ?6, ifnull(?7, (SELECT error FROM main.leadx_runs ORDER BY n DESC LIMIT 1))
FROM counts

-- name: vtab_state_without_tables
SELECT ?1, ?2, ?3, ?4, ?5, 0, 0, 0, NULL, ?8, ?6, ?7

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
