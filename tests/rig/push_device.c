/* See push_device.h. */
#include "push_device.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_transport.h"
#include "sync/sync.h"

int sqlite3_leadx_init(sqlite3 *handle, char **error, const void *api);

void run_on(sqlite3 *db, const char *sql) {
  char *message = NULL;
  int rc = sqlite3_exec(db, sql, NULL, NULL, &message);
  ck_assert_msg(rc == SQLITE_OK, "%s: %s", sql, message ? message : "?");
}

void device_run(push_device *device, const char *sql) { run_on(device->db, sql); }

/* A few results live side by side, so that one call can take two of them. */
static char *keep(const char *text) {
  static char kept[8][1200];
  static int next;
  char *slot = kept[next++ % 8];
  snprintf(slot, sizeof kept[0], "%s", text ? text : "");
  return slot;
}

const char *device_text(push_device *device, const char *sql) {
  sqlite3_stmt *stmt = NULL;
  ck_assert_msg(sqlite3_prepare_v2(device->db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql,
                sqlite3_errmsg(device->db));
  int rc = sqlite3_step(stmt);
  ck_assert_msg(rc == SQLITE_ROW || rc == SQLITE_DONE, "%s: %s", sql, sqlite3_errmsg(device->db));
  const char *text = keep(rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : "");
  sqlite3_finalize(stmt);
  return text;
}

int device_int(push_device *device, const char *sql) { return atoi(device_text(device, sql)); }

const char *device_error(push_device *device, const char *sql) {
  char *message = NULL;
  int rc = sqlite3_exec(device->db, sql, NULL, NULL, &message);
  ck_assert_msg(rc != SQLITE_OK, "%s: should have failed", sql);
  const char *text = keep(message);
  sqlite3_free(message);
  return text;
}

static void load(push_device *device) {
  char *error = NULL;
  ck_assert_msg(sqlite3_leadx_init(device->db, &error, NULL) == SQLITE_OK, "%s",
                error ? error : "?");
  device->ctx = leadx_ctx_new(device->db);
  ck_assert_ptr_nonnull(device->ctx);
  device_text(device, "SELECT leadx_configure('https://model.example/rest/v1', "
                      "'sb_publishable_model', '{\"backoff\":0}')");
}

void device_open(push_device *device, model_server *model) {
  memset(device, 0, sizeof *device);
  device->model = model;
  snprintf(device->path, sizeof device->path, "/tmp/leadx_push_XXXXXX");
  int fd = mkstemp(device->path);
  ck_assert_int_ge(fd, 0);
  close(fd);
  ck_assert_int_eq(sqlite3_open(device->path, &device->db), SQLITE_OK);
  /* Nothing here asks what survives a power failure. */
  device_run(device, "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF");
  load(device);
}

void device_close(push_device *device) {
  static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
  leadx_ctx_unref(device->ctx);
  ck_assert_int_eq(sqlite3_close(device->db), SQLITE_OK);
  for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
    char name[80];
    snprintf(name, sizeof name, "%s%s", device->path, suffixes[i]);
    unlink(name);
  }
}

sqlite3 *device_second(const push_device *device) {
  sqlite3 *db = NULL;
  ck_assert_int_eq(sqlite3_open(device->path, &db), SQLITE_OK);
  sqlite3_busy_timeout(db, 2000);
  return db;
}

static leadx_transport *open_model(void *arg, const leadx_http_limits *limits, leadx_err *err) {
  push_device *device = arg;
  (void)limits;
  (void)err;
  return fake_transport_open(model_respond, device->model);
}

void device_prepare(push_device *device) {
  if (device->asks ||
      device_int(device, "SELECT count(*) FROM sqlite_schema WHERE name = 'leadx_servers'") == 0)
    return;
  device_run(device, "INSERT OR IGNORE INTO leadx_servers(origin, schema, asked_us) VALUES"
                     " ('https://model.example/rest/v1', '', unixepoch() * 1000000)");
}

const char *device_sync(push_device *device) {
  device_prepare(device);
  leadx_sync_options options = {.who = "leadx_push",
                                .trigger = "test",
                                .request_budget = -1,
                                .open_transport = open_model,
                                .arg = device};
  leadx_err_clear(&device->ctx->err);
  char *result = leadx_sync_report(device->ctx, &options, &device->ctx->err);
  leadx_db_release(&device->ctx->db);
  ck_assert_msg(result != NULL, "%s", device->ctx->err.text);
  snprintf(device->result, sizeof device->result, "%s", result);
  sqlite3_free(result);
  char *sql = sqlite3_mprintf("SELECT json_extract(%Q, '$.state')", device->result);
  const char *state = device_text(device, sql);
  sqlite3_free(sql);
  return state;
}

int device_result(push_device *device, const char *name) {
  char *sql = sqlite3_mprintf("SELECT json_extract(%Q, '$.%s')", device->result, name);
  int n = device_int(device, sql);
  sqlite3_free(sql);
  return n;
}
