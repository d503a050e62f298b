/* See story.h. */
#define _DEFAULT_SOURCE /* setenv */
#include "story.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/ctx.h"
#include "fake_transport.h"
#include "pages.h"
#include "sync/sync.h"

int sqlite3_leadx_init(sqlite3 *handle, char **error, const void *api);

static int run(story *s, const char *sql) {
  int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
  if (rc != SQLITE_OK) rc = sqlite3_extended_errcode(s->db);
  snprintf(s->result, sizeof s->result, "%s", sqlite3_errmsg(s->db));
  s->is_paused++;
  if (!sqlite3_get_autocommit(s->db)) sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
  s->is_paused--;
  return rc;
}

/* ---- setting up ---- */

static int open_file(story *s) {
  char sql[100];
  int rc = sqlite3_open_v2(s->file, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, s->vfs);
  snprintf(sql, sizeof sql, "PRAGMA journal_mode=%s", s->journal);
  if (rc == SQLITE_OK) rc = run(s, sql);
  if (rc == SQLITE_OK) return SQLITE_OK;
  sqlite3_close(s->db);
  s->db = NULL;
  return rc;
}

static int load(story *s) {
  char *message = NULL;
  int rc = sqlite3_leadx_init(s->db, &message, NULL);
  sqlite3_free(message);
  return rc;
}

static int configure(story *s) {
  return run(s, "SELECT leadx_configure('http://127.0.0.1:9/rest/v1', 'key', "
                "'{\"batch_size\":2}'), leadx_set_token(NULL)");
}

static int track(story *s) {
  return run(s, "BEGIN IMMEDIATE;"
                "CREATE TABLE lists(id TEXT PRIMARY KEY, title TEXT, updated_at TEXT);"
                "CREATE TABLE notes(id TEXT PRIMARY KEY, list TEXT REFERENCES lists(id), text "
                "TEXT, n REAL, b BLOB, dirty INTEGER DEFAULT 0, at TEXT);"
                "SELECT leadx_track('lists', '{\"policy\":\"manual\"}'), leadx_track('notes', "
                "'{\"pending\":\"dirty\",\"synced_at\":\"at\",\"mode\":\"push\"}');"
                "COMMIT");
}

/* ---- what the user writes ---- */

static int write_first(story *s) {
  return run(s, "BEGIN IMMEDIATE;"
                "INSERT INTO lists(id, title) VALUES ('l1', 'one'), ('l2', 'two \"\\ é');"
                "INSERT INTO notes(id, list, text, n, b) VALUES ('n1', 'l1', 'a', 0.1, x'00ff'), "
                "('n2', 'l2', 'b', 1e300, NULL), ('n3', 'l1', 'c', -2, x'');"
                "UPDATE notes SET text = 'a2' WHERE id = 'n1';"
                "COMMIT");
}

static int write_then(story *s) {
  return run(s, "BEGIN IMMEDIATE;"
                "UPDATE notes SET text = 'a3', n = n + 1;"
                "DELETE FROM notes WHERE id = 'n3';"
                "UPDATE lists SET title = 'uno' WHERE id = 'l1';"
                "INSERT INTO lists(id, title) VALUES ('l3', 'three');"
                "COMMIT");
}

static int write_against(story *s) {
  return run(s, "UPDATE lists SET title = title || ' mine' WHERE title NOT LIKE '% mine'");
}

/* Without the triggers, as a program does that rebuilds a table. */
static int write_unseen(story *s) {
  return run(s,
             "BEGIN IMMEDIATE;"
             "CREATE TABLE other(id TEXT PRIMARY KEY, title TEXT, updated_at TEXT);"
             "INSERT INTO other SELECT id, iif(id = 'l3', 'unseen', title), updated_at FROM lists;"
             "INSERT INTO other(id, title) VALUES ('l7', 'unseen too');"
             "DROP TABLE lists; ALTER TABLE other RENAME TO lists;"
             "COMMIT");
}

/* ---- what others write ---- */

static int others_edit(story *s) {
  model_put(&s->model, "lists", "l1", "{\"id\":\"l1\",\"title\":\"theirs\"}");
  model_put(&s->model, "lists", "l4", "{\"id\":\"l4\",\"title\":\"fourth\"}");
  return SQLITE_OK;
}

static int others_delete(story *s) {
  model_remove(&s->model, "lists", "l4");
  model_put(&s->model, "lists", "l1", "{\"id\":\"l1\",\"title\":\"newer\"}");
  model_put(&s->model, "lists", "l5", "{\"id\":\"l5\",\"title\":null}");
  return SQLITE_OK;
}

/* ---- leadx ---- */

static void respond(void *ctx, leadx_request *req) {
  story *s = ctx;
  s->is_paused++;
  model_respond(&s->model, req);
  s->is_paused--;
}

static leadx_transport *open_transport(void *arg, const leadx_http_limits *limits, leadx_err *err) {
  (void)limits;
  leadx_transport *transport = fake_transport_open(respond, arg);
  if (!transport) leadx_err_nomem(err);
  return transport;
}

static int sync_with(story *s, leadx_sync_options options) {
  leadx_ctx *ctx = leadx_ctx_new(s->db);
  s->result[0] = 0;
  if (!ctx) return SQLITE_NOMEM;
  options.who = "leadx_sync";
  options.trigger = "manual";
  options.request_budget = -1;
  options.open_transport = open_transport;
  options.arg = s;
  char *result = leadx_sync_report(ctx, &options, &ctx->err);
  int rc = result ? SQLITE_OK : ctx->err.rc;
  snprintf(s->result, sizeof s->result, "%s", result ? result : ctx->err.text);
  /* A sync has no other reason here to end otherwise than well, or with a question for a person; one
  ** that lacks memory or its disk says so by an error. */
  if (result)
    ck_assert_msg(strstr(result, "\"state\":\"ok\"") || (strstr(result, "\"state\":\"partial\"") &&
                                                         !strstr(result, "\"problems\":0")),
                  "%s", result);
  sqlite3_free(result);
  leadx_db_release(&ctx->db);
  leadx_ctx_unref(ctx);
  return rc;
}

static int push(story *s) { return sync_with(s, (leadx_sync_options){.with_pull = 0}); }
static int sync_both(story *s) { return sync_with(s, (leadx_sync_options){.with_pull = 1}); }
static int pull(story *s) {
  return sync_with(s, (leadx_sync_options){.without_push = 1, .with_pull = 1});
}
static int reconcile(story *s) {
  return sync_with(s, (leadx_sync_options){.without_push = 1, .with_reconcile = 1});
}

static int decide(story *s) {
  return run(s, "SELECT leadx_resolve(id, 'merge', '{\"title\":\"both\"}') FROM (SELECT id FROM "
                "sync_conflicts WHERE winner IS NULL)");
}

static int read_tables(story *s) {
  return run(s, "SELECT * FROM leadx_queue; SELECT * FROM leadx_status; SELECT * FROM "
                "leadx_conflicts; SELECT * FROM leadx_log;"
                "SELECT * FROM leadx_state; SELECT * FROM leadx_checks; SELECT "
                "leadx_config('policy'), leadx_debug(), leadx_uuid();"
                "SELECT leadx_server_sql(), leadx_server_sql('lists')");
}

static int manage(story *s) {
  return run(s, "BEGIN IMMEDIATE; SELECT leadx_enqueue('lists', 'l9', 'CREATE', "
                "'{\"id\":\"l9\"}'); SELECT leadx_retry();"
                "SELECT leadx_discard((SELECT id FROM sync_queue WHERE entity_id = 'l9'));"
                "SELECT leadx_purge(100), leadx_config('policy', 'merge'); COMMIT");
}

static int track_again(story *s) {
  return run(s, "BEGIN IMMEDIATE; ALTER TABLE notes ADD COLUMN more TEXT; SELECT leadx_track('*'), "
                "leadx_untrack('lists'); COMMIT");
}

const story_step story_steps[] = {{"open", open_file, 1},
                                  {"load", load, 1},
                                  {"configure", configure, 1},
                                  {"track", track, 1},
                                  {"write", write_first, 1},
                                  {"push", push, 1},
                                  {"write more", write_then, 1},
                                  {"push again", push, 1},
                                  {"others edit", others_edit, 0},
                                  {"write against them", write_against, 1},
                                  {"sync into a question", sync_both, 1},
                                  {"decide", decide, 1},
                                  {"sync the decision", sync_both, 1},
                                  {"others delete", others_delete, 0},
                                  {"pull", pull, 1},
                                  {"reconcile", reconcile, 1},
                                  {"write unseen", write_unseen, 1},
                                  {"push what was unseen", push, 1},
                                  {"read", read_tables, 1},
                                  {"manage", manage, 1},
                                  {"track again", track_again, 1}};
const int story_count = sizeof story_steps / sizeof story_steps[0];
const int story_first_of_a_file = 3;

/* ---- how it stands ---- */

static void append_rows(char *out, size_t n, sqlite3 *db, const char *table, const char *sql) {
  sqlite3_stmt *stmt;
  if (sqlite3_table_column_metadata(db, "main", table, NULL, NULL, NULL, NULL, NULL, NULL) !=
      SQLITE_OK)
    return;
  ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql,
                sqlite3_errmsg(db));
  while (sqlite3_step(stmt) == SQLITE_ROW) {
    size_t used = strlen(out);
    snprintf(out + used, n - used, "%s\n", (const char *)sqlite3_column_text(stmt, 0));
  }
  ck_assert_int_eq(sqlite3_finalize(stmt), SQLITE_OK);
}

void story_tell(story *s, char *out, size_t n) {
  static const char *const questions[][2] = {
      {"sqlite_schema", "PRAGMA integrity_check"},
      {"sqlite_schema", "SELECT type || ' ' || name || ' ' || length(sql) FROM sqlite_schema WHERE "
                        "sql NOT NULL ORDER BY name"},
      {"lists",
       "SELECT 'local ' || json_array(id, title, updated_at IS NOT NULL) FROM lists ORDER BY id"},
      {"notes", "SELECT 'local ' || json_array(id, list, text, n, hex(b), dirty, at IS NOT NULL) "
                "FROM notes ORDER BY id"},
      {"sync_queue", "SELECT json_array(entity_type, entity_id, action, status, error_code, "
                     "retry_count) FROM sync_queue ORDER BY rowid"},
      {"sync_conflicts", "SELECT 'conflict ' || json_array(entity_id, contested, winner) FROM "
                         "sync_conflicts ORDER BY entity_id, contested"},
      {"leadx_held", "SELECT 'held ' || ifnull(q.entity_id || ' ' || q.status, '?') FROM "
                     "leadx_held h LEFT JOIN sync_queue q USING (id) ORDER BY q.rowid"},
      {"leadx_applying", "SELECT 'applying ' FROM leadx_applying"},
      {"leadx_lease", "SELECT 'lease ' || owner FROM leadx_lease WHERE owner IS NOT NULL"},
      {"leadx_parked", "SELECT 'parked ' || key || ' ' || reason FROM leadx_parked ORDER BY key"},
      {"leadx_shadow", "SELECT 'known ' || json_array(entity, key, version IS NOT NULL, gone, "
                       "hex(fingerprint)) FROM leadx_shadow ORDER BY entity, key"},
      {"leadx_cursors",
       "SELECT 'cursor ' || json_array(entity, midway, anew) FROM leadx_cursors ORDER BY entity"},
      {"leadx_tables", "SELECT 'tracked ' || json_array(table_name, entity, priority, options, "
                       "columns) FROM leadx_tables ORDER BY table_name"}};
  out[0] = 0;
  for (size_t i = 0; s->db && i < sizeof questions / sizeof questions[0]; i++)
    append_rows(out, n, s->db, questions[i][0], questions[i][1]);
  append_rows(out, n, s->model.db, "rows",
              "SELECT 'server ' || tbl || ' ' || json_remove(doc, '$.updated_at') FROM rows ORDER "
              "BY tbl, key");
}

/* ---- from begin to end ---- */

void story_begin(story *s, const char *file, const char *vfs, const char *journal) {
  memset(s, 0, sizeof *s);
  s->file = file;
  s->vfs = vfs;
  s->journal = journal;
  setenv("SUPABASE_URL", "http://127.0.0.1:9/rest/v1", 1);
  setenv("SUPABASE_PUBLISHABLE_KEY", "key", 1);
  model_open(&s->model);
  s->model.references = "notes.list>lists";
  s->model.clock_us = 1700000000000000; /* versions are part of what is told */
  pages_open(&s->model);
}

void story_end(story *s) {
  ck_assert_int_eq(sqlite3_close(s->db), SQLITE_OK);
  model_close(&s->model);
}

/* ---- moments ---- */

void story_save(story *s, story_moment *moment) {
  memset(moment, 0, sizeof *moment);
  moment->device = sqlite3_serialize(s->db, "main", &moment->device_bytes, 0);
  moment->server = sqlite3_serialize(s->model.db, "main", &moment->server_bytes, 0);
  ck_assert(moment->device && moment->server);
  moment->clock_us = s->model.clock_us;
}

static void put_file(sqlite3 *db, const unsigned char *bytes, sqlite3_int64 n) {
  unsigned char *copy = sqlite3_malloc64((sqlite3_uint64)n);
  ck_assert_ptr_nonnull(copy);
  memcpy(copy, bytes, (size_t)n);
  ck_assert_int_eq(
      sqlite3_deserialize(db, "main", copy, n, n,
                          SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE),
      SQLITE_OK);
}

void story_reopen(story *s, const story_moment *moment) {
  put_file(s->model.db, moment->server, moment->server_bytes);
  s->model.clock_us = moment->clock_us;
  ck_assert_int_eq(sqlite3_open(":memory:", &s->db), SQLITE_OK);
  put_file(s->db, moment->device, moment->device_bytes);
  ck_assert_int_eq(load(s), SQLITE_OK);
  ck_assert_int_eq(configure(s), SQLITE_OK);
}

void story_forget(story_moment *moment) {
  sqlite3_free(moment->device);
  sqlite3_free(moment->server);
  memset(moment, 0, sizeof *moment);
}
