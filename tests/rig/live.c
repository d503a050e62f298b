/* See live.h. */
#define _GNU_SOURCE /* popen, mkstemp */

#include "live.h"
#include "supabase.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int sqlite3_leadx_init(sqlite3 *handle, char **error, const void *api);

static const char tables[] =
    "CREATE TABLE customers(id TEXT PRIMARY KEY NOT NULL, owner_id TEXT DEFAULT %Q, code TEXT, "
    "name TEXT NOT NULL, industry TEXT, phone TEXT,"
    " city TEXT, latitude REAL, credit_limit DECIMAL_TEXT DEFAULT '0', tax_number INTEGER, "
    "founded_on DATE_TEXT, is_active BOOLEAN NOT NULL DEFAULT 1,"
    " tags JSON_TEXT DEFAULT '[]', notes TEXT, last_contacted_at TIMESTAMP_TEXT, updated_at TEXT);"
    "CREATE TABLE pipelines(id TEXT PRIMARY KEY NOT NULL, customer_id TEXT REFERENCES customers, "
    "title TEXT, stage TEXT DEFAULT 'NEW',"
    " amount DECIMAL_TEXT DEFAULT '0', details JSON_TEXT, updated_at TEXT);"
    "CREATE TABLE activities(id TEXT PRIMARY KEY NOT NULL, customer_id TEXT REFERENCES customers, "
    "pipeline_id TEXT REFERENCES pipelines,"
    " rescheduled_from TEXT REFERENCES activities, kind TEXT DEFAULT 'VISIT', subject TEXT, "
    "scheduled_at TIMESTAMP_TEXT, distance_m INTEGER,"
    " signature BLOB, updated_at TEXT);"
    "CREATE TABLE settings(id TEXT PRIMARY KEY NOT NULL, key TEXT, value JSON_TEXT, updated_at "
    "TEXT);"
    "SELECT leadx_track('*', '{\"delete\":\"hard\"}')";

const char *live_env(const char *name) {
  const char *value = getenv(name);
  ck_assert_msg(value && *value,
                "%s is not set; run the tests with make test, which starts the server", name);
  return value;
}

void live_run(sqlite3 *db, const char *sql) {
  char *message = NULL;
  int rc = sqlite3_exec(db, sql, NULL, NULL, &message);
  ck_assert_msg(rc == SQLITE_OK, "%s: %s", sql, message ? message : "?");
}

static char *keep(const char *text) {
  static _Thread_local char kept[8][4000];
  static _Thread_local int next;
  char *slot = kept[next++ % 8];
  snprintf(slot, sizeof kept[0], "%s", text ? text : "");
  return slot;
}

const char *live_text(sqlite3 *db, const char *sql) {
  sqlite3_stmt *stmt = NULL;
  ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql,
                sqlite3_errmsg(db));
  int rc = sqlite3_step(stmt);
  ck_assert_msg(rc == SQLITE_ROW || rc == SQLITE_DONE, "%s: %s", sql, sqlite3_errmsg(db));
  const char *text = keep(rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : "");
  sqlite3_finalize(stmt);
  return text;
}

int live_int(sqlite3 *db, const char *sql) { return atoi(live_text(db, sql)); }

const char *live_error(sqlite3 *db, const char *sql) {
  char *message = NULL;
  ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK, "%s: should have failed",
                sql);
  const char *text = keep(message);
  sqlite3_free(message);
  return text;
}

int live_wait(sqlite3 *db, const char *sql, const char *value) {
  enum { PATIENCE_MS = 40000 };
  int64_t began = fault_now_ms();
  int naps = 0;
  for (; strcmp(live_text(db, sql), value) != 0; naps++) {
    ck_assert_msg(fault_now_ms() - began < PATIENCE_MS, "%s: still \"%s\" after %d ms", sql,
                  live_text(db, sql), PATIENCE_MS);
    fault_sleep_ms(20);
  }
  return naps;
}

void live_load(sqlite3 *db, int linked) {
  char *error = NULL;
  sqlite3_busy_timeout(db, 5000);
  if (linked) {
    ck_assert_int_eq(sqlite3_leadx_init(db, &error, NULL), SQLITE_OK);
  } else {
    sqlite3_enable_load_extension(db, 1);
    int rc = sqlite3_load_extension(db, live_env("LEADX_SO"), "sqlite3_leadx_init", &error);
    ck_assert_msg(rc == SQLITE_OK, "%s", error ? error : "?");
  }
}

void live_open(live_device *device, int linked, const char *url) {
  snprintf(device->path, sizeof device->path, "/tmp/leadx_live_XXXXXX");
  int fd = mkstemp(device->path);
  ck_assert_int_ge(fd, 0);
  close(fd);
  device->linked = linked;
  snprintf(device->url, sizeof device->url, "%s", url ? url : live_env("LEADX_URL"));
  ck_assert_int_eq(sqlite3_open(device->path, &device->db), SQLITE_OK);
  live_run(device->db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF");
  live_load(device->db, linked);
  char *sql = sqlite3_mprintf(
      "SELECT leadx_configure(%Q, %Q, '{\"backoff\":0}'), leadx_set_token(%Q)", device->url,
      live_env("LEADX_APIKEY"), live_env("LEADX_TOKEN"));
  live_run(device->db, sql);
  sqlite3_free(sql);
  sql = sqlite3_mprintf(tables, live_env("LEADX_USER_1"));
  live_run(device->db, sql);
  sqlite3_free(sql);
  live_run(device->db,
           "SELECT leadx_track('customers', "
           "'{\"columns\":{\"credit_limit\":{\"type\":\"decimal\"},\"tags\":{\"type\":\"json\"},"
           "\"founded_on\":{\"type\":\"date\"},\"last_contacted_at\":{\"type\":\"timestamp\"}}}')");
  live_learn(device);
}

int live_is_served;
static char installed[4000]; /* what leadx_installed() says */

void live_serve(const live_device *device) {
  sqlite3_stmt *stmt = NULL;
  ck_assert_int_eq(sqlite3_prepare_v2(device->db, "SELECT leadx_server_sql()", -1, &stmt, NULL),
                   SQLITE_OK);
  ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
  char *sql = sqlite3_mprintf("set client_min_messages = error; %s", sqlite3_column_text(stmt, 0));
  supabase_run(sql);
  sqlite3_free(sql);
  sqlite3_finalize(stmt);
  supabase_reload();
  snprintf(installed, sizeof installed, "%s", supabase_run("select leadx_installed()"));
  live_is_served = 1;
}

void live_serve_all(void) {
  live_device installer;
  live_open(&installer, 1, NULL);
  live_serve(&installer);
  live_close(&installer);
}

void live_unserve(void) {
  live_is_served = 0;
  supabase_uninstall();
}

void live_learn(const live_device *device) {
  if (!live_is_served) return;
  char *sql = sqlite3_mprintf(
      "INSERT OR REPLACE INTO leadx_servers VALUES (%Q, '', unixepoch() * 1000000, %Q)",
      device->url, installed);
  live_run(device->db, sql);
  sqlite3_free(sql);
}

fault_server *live_road(char url[LIVE_URL_BYTES]) {
  int port = 0;
  fault_server *road = fault_server_start();
  ck_assert_ptr_nonnull(road);
  ck_assert_int_eq(sscanf(live_env("LEADX_URL"), "http://127.0.0.1:%d/", &port), 1);
  fault_server_upstream(road, port);
  snprintf(url, LIVE_URL_BYTES, "%s/rest/v1", fault_server_url(road));
  return road;
}

void live_close(live_device *device) {
  static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
  ck_assert_int_eq(sqlite3_close(device->db), SQLITE_OK);
  for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
    char name[80];
    snprintf(name, sizeof name, "%s%s", device->path, suffixes[i]);
    unlink(name);
  }
}

sqlite3 *live_second(const live_device *device) {
  sqlite3 *db = NULL;
  ck_assert_int_eq(sqlite3_open(device->path, &db), SQLITE_OK);
  live_load(db, device->linked);
  return db;
}

const char *live_push(live_device *device) {
  return live_text(device->db, "SELECT json_extract(leadx_push(), '$.state')");
}

static const char *read_command(const char *command) {
  char text[4000];
  FILE *pipe = popen(command, "r");
  ck_assert_ptr_nonnull(pipe);
  size_t n = fread(text, 1, sizeof text - 1, pipe);
  int rc = pclose(pipe);
  text[n] = 0;
  ck_assert_msg(rc == 0, "%s: %s", command, text);
  while (n > 0 && text[n - 1] == '\n') text[--n] = 0;
  return keep(text);
}

/* The SQL travels through a file, so that no shell reads it; a variable would be set while threads
** read the environment. */
const char *live_psql(const char *sql) {
  char path[] = "/tmp/leadx_sql_XXXXXX", command[100];
  live_env("PGHOST");
  int fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(write(fd, sql, strlen(sql)), (ssize_t)strlen(sql));
  close(fd);
  snprintf(command, sizeof command, "psql -XAtq -v ON_ERROR_STOP=1 2>&1 <%s", path);
  const char *text = read_command(command);
  unlink(path);
  return text;
}

void live_psql_reload(const char *sql) {
  char command[300];
  live_psql(sql);
  snprintf(command, sizeof command, "scripts/server/server.sh reload --dir '%s' 2>&1",
           live_env("LEADX_SERVER_DIR"));
  read_command(command);
}

void live_wipe(void) { live_psql("truncate customers, pipelines, activities, settings cascade"); }
