-- Statements of sync.c: the log of syncs.

-- name: run_add
INSERT INTO main.leadx_runs(at, trigger, state, pushed, pulled, conflicts, failed, requests, bytes_out, bytes_in, ms, error)
VALUES (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)

-- name: run_trim
DELETE FROM main.leadx_runs WHERE n <= (SELECT max(n) FROM main.leadx_runs) - 1000
