-- The tables of leadx in the user's file, format 3. Each entry is one statement; schema.c runs
-- them in this order inside the caller's transaction. sync_queue begins with the ten columns of
-- the document that asked for leadx, to the letter; leadx's own columns follow, all nullable.

-- name: schema_sync_queue
CREATE TABLE IF NOT EXISTS main.sync_queue (
  id TEXT PRIMARY KEY,
  entity_type TEXT NOT NULL,
  entity_id TEXT NOT NULL,
  action TEXT NOT NULL,
  payload TEXT NOT NULL,
  status TEXT DEFAULT 'PENDING',
  retry_count INTEGER DEFAULT 0,
  error_message TEXT,
  created_at TEXT DEFAULT CURRENT_TIMESTAMP,
  synced_at TEXT,
  base TEXT,
  next_try_at TEXT,
  error_code TEXT,
  sent_at TEXT,
  owner TEXT
)

-- name: schema_settings
-- Settings of this file and small facts about it (format version, who used it last). Never a URL or a key.
CREATE TABLE IF NOT EXISTS main.leadx_settings (
  key TEXT PRIMARY KEY NOT NULL,
  value TEXT
) WITHOUT ROWID

-- name: schema_tables
-- One row per tracked table; options is the JSON given to leadx_track(), completed with what was inferred. changes grows
-- by one for each local row that a pull changed. Columns of a later format stand as ALTER TABLE leaves them.
CREATE TABLE IF NOT EXISTS main.leadx_tables (
  table_name TEXT PRIMARY KEY NOT NULL,
  entity TEXT NOT NULL UNIQUE,
  priority INTEGER NOT NULL DEFAULT 3,
  options TEXT NOT NULL,
  columns TEXT NOT NULL,
  last_push_at TEXT,
  last_pull_at TEXT,
  last_error TEXT
, changes INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID

-- name: schema_applying
-- While a row stands here, the triggers capture nothing. It is written and deleted within one
-- transaction, so no other connection ever sees it and a crash cannot leave it behind.
CREATE TABLE IF NOT EXISTS main.leadx_applying (
  reason TEXT
)

-- name: schema_unwritten
-- The queue id of a change that a trigger is about to write the slow way. It is written and deleted within one statement
-- of the user's.
CREATE TABLE IF NOT EXISTS main.leadx_unwritten (
  id TEXT
)

-- name: schema_cell
-- The columns of a change that is written value by value (sql/rows/capture.sql). Written and deleted within one statement of
-- the user's.
CREATE TABLE IF NOT EXISTS main.leadx_cell (
  place INTEGER,
  k TEXT,
  v,
  w
)

-- name: schema_taken
-- The keys of rows that a row that is being written (new) may take along by REPLACE, a row here for each column of such a key. What
-- a statement that failed leaves behind is removed when its row is written again, or by the next look at the table.
CREATE TABLE IF NOT EXISTS main.leadx_taken (
  entity TEXT,
  new,
  old,
  place INTEGER,
  k TEXT,
  v,
  raw
)

-- name: schema_shadow
-- The rows that are known, with their version as the server wrote it; NULL while the server has not confirmed the row.
-- gone: the server keeps the row as deleted, so it is not missed here. fingerprint: what the local row held when all of it was sent or queued.
CREATE TABLE IF NOT EXISTS main.leadx_shadow (
  entity TEXT NOT NULL,
  key TEXT NOT NULL,
  version TEXT,
  gone INTEGER,
  fingerprint BLOB,
  PRIMARY KEY (entity, key)
) WITHOUT ROWID

-- name: schema_mark
-- Every queue row up to this rowid is SYNCED or listed in leadx_held. id names the row that
-- stood there, so that a queue that was emptied, renumbered or restored is noticed.
CREATE TABLE IF NOT EXISTS main.leadx_mark (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  rowid_below INTEGER NOT NULL,
  id TEXT
)

-- name: schema_held
-- Queue rows at or below the mark that are not done: FAILED, waiting, in an open conflict, revived by hand.
CREATE TABLE IF NOT EXISTS main.leadx_held (
  id TEXT PRIMARY KEY NOT NULL
) WITHOUT ROWID

-- name: schema_lease
-- Who syncs this file just now. expires_us is wall-clock time; a taker clamps it, so a clock that jumps cannot park the file.
CREATE TABLE IF NOT EXISTS main.leadx_lease (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  owner TEXT,
  taken_us INTEGER,
  expires_us INTEGER
)

-- name: schema_cursors
-- How far each table was pulled, per server and user, in the server's own words. midway: a pull stopped between two
-- pages. began_us: the server's clock when that pull, or the last one that arrived, began. anew: rows are
-- taken although their version is known, because the columns have changed.
CREATE TABLE IF NOT EXISTS main.leadx_cursors (
  origin TEXT NOT NULL,
  user TEXT NOT NULL,
  entity TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  version TEXT,
  key TEXT,
  midway INTEGER NOT NULL DEFAULT 0,
  began_us INTEGER,
  anew INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (origin, user, entity)
) WITHOUT ROWID

-- name: schema_runs
-- One row per sync, oldest dropped beyond a thousand; shown by the table leadx_log.
CREATE TABLE IF NOT EXISTS main.leadx_runs (
  n INTEGER PRIMARY KEY,
  at TEXT NOT NULL,
  trigger TEXT NOT NULL,
  state TEXT NOT NULL,
  pushed INTEGER NOT NULL DEFAULT 0,
  pulled INTEGER NOT NULL DEFAULT 0,
  conflicts INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  requests INTEGER NOT NULL DEFAULT 0,
  bytes_out INTEGER NOT NULL DEFAULT 0,
  bytes_in INTEGER NOT NULL DEFAULT 0,
  ms INTEGER NOT NULL DEFAULT 0,
  error TEXT
)

-- name: schema_conflicts
-- The audit of every decision: what the client had, what the server had, what both started from, who won.
CREATE TABLE IF NOT EXISTS main.sync_conflicts (
  id TEXT PRIMARY KEY NOT NULL,
  entity_type TEXT NOT NULL,
  entity_id TEXT NOT NULL,
  action TEXT NOT NULL,
  client_payload TEXT,
  server_payload TEXT,
  base TEXT,
  contested TEXT,
  client_updated_at TEXT,
  server_updated_at TEXT,
  winner TEXT,
  resolution TEXT,
  detected_at TEXT NOT NULL,
  resolved_at TEXT
)

-- name: schema_revive
-- A queue row that somebody sets back to PENDING by plain SQL is found again although it is below the mark.
CREATE TRIGGER IF NOT EXISTS main.leadx_queue_revived AFTER UPDATE OF status ON sync_queue
WHEN NEW.status = 'PENDING' AND OLD.status IN ('SYNCED', 'FAILED')
BEGIN
  INSERT INTO leadx_held(id) VALUES (NEW.id) ON CONFLICT DO NOTHING;
END

-- name: schema_format_get
SELECT value FROM main.leadx_settings WHERE key = 'format'

-- name: schema_format_set
INSERT INTO main.leadx_settings(key, value) VALUES ('format', ?1)
ON CONFLICT(key) DO UPDATE SET value = excluded.value

-- name: schema_mark_init
INSERT INTO main.leadx_mark(one, rowid_below) VALUES (1, 0) ON CONFLICT DO NOTHING

-- name: schema_lease_init
INSERT INTO main.leadx_lease(one) VALUES (1) ON CONFLICT DO NOTHING

-- name: schema_encoding
SELECT encoding FROM pragma_encoding

-- name: schema_has_table
SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE

-- name: schema_pageless
-- Views and virtual tables have no page of their own.
SELECT name FROM main.sqlite_schema WHERE type IN ('table', 'view') AND ifnull(rootpage, 0) = 0

-- name: schema_own_objects
-- What hangs on a table that bears a name of ours, or bears one itself.
SELECT type, name, tbl_name, sql FROM main.sqlite_schema
WHERE lower(tbl_name) IN ('sync_queue', 'sync_conflicts') OR substr(lower(tbl_name), 1, 6) = 'leadx_' OR lower(name) = 'leadx_queue_revived'

-- name: schema_queue_columns
SELECT name, upper(type), "notnull", ifnull(dflt_value, ''), pk, hidden,
  (SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = 'sync_queue' COLLATE NOCASE) FROM pragma_table_xinfo('sync_queue', 'main') ORDER BY cid

-- name: schema_parked
-- Rows of the server that could not be applied (yet): fetched again by key at every pull until they fit. since: when
-- that was first so; refused: this file kept the row out, and a person has to do something.
CREATE TABLE IF NOT EXISTS main.leadx_parked (
  entity TEXT NOT NULL,
  key TEXT NOT NULL,
  reason TEXT NOT NULL, since TEXT, refused INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (entity, key)
) WITHOUT ROWID

-- name: schema_check_results
-- What the last leadx_check() found, in its order; shown by the table leadx_checks.
CREATE TABLE IF NOT EXISTS main.leadx_check_results (
  "check" TEXT NOT NULL,
  result TEXT NOT NULL,
  fix TEXT
)

-- name: schema_servers
-- What leadx_installed() answered, for each server and schema, and when; NULL where there is no such function.
CREATE TABLE IF NOT EXISTS main.leadx_servers (
  origin TEXT NOT NULL,
  schema TEXT NOT NULL,
  asked_us INTEGER NOT NULL,
  installed TEXT,
  PRIMARY KEY (origin, schema)
) WITHOUT ROWID

-- name: schema_places
-- Where leadx_pull() of the server goes on: its own cursor to the letter. What was pulled without it is in leadx_cursors.
CREATE TABLE IF NOT EXISTS main.leadx_places (
  origin TEXT NOT NULL,
  user TEXT NOT NULL,
  entity TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  place TEXT NOT NULL,
  PRIMARY KEY (origin, user, entity)
) WITHOUT ROWID

-- name: schema_step_changes
-- What a file of format 2 or before lacks.
ALTER TABLE main.leadx_tables ADD COLUMN changes INTEGER NOT NULL DEFAULT 0

-- name: schema_step_since
ALTER TABLE main.leadx_parked ADD COLUMN since TEXT

-- name: schema_step_refused
ALTER TABLE main.leadx_parked ADD COLUMN refused INTEGER NOT NULL DEFAULT 1

-- name: schema_step_refetch
-- The reasons of a file of format 2 for rows that were only to be fetched once more.
UPDATE main.leadx_parked SET refused = 0
WHERE reason IN ('discarded', 'a local change is unsent', 'a row that it refers to was removed',
  'deleted on the server while a local change is unsent', 'decided for the server', 'what was sent was not the local row',
  'hidden while a local change is unsent')
