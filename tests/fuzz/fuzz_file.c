/* A file that somebody prepared: opened, looked at, synced with a transport that has no network.
**
** The input is the attacker's: lines "@OFFSET HEX" overwrite bytes of an honest file, everything
** else is his SQL. Promised: no request leaves the server's root or goes to a table that is not
** tracked, and a change names its rows; nothing is applied to a table that is not tracked; every
** call ends, with an answer or an error. */
#define _GNU_SOURCE /* memmem */
#include "fuzz.h"

#include <string.h>

#include "fake_transport.h"
#include "sync/sync.h"

#define ROOT "https://fuzz.example/rest/v1/"
#define MAX_SQL 4000
#define MAX_STEPS \
  200 /* thousands of instructions of the attacker's own SQL, which may run for ever */

int sqlite3_leadx_init(sqlite3 *handle, char **error, const void *api);

/* Small, because the triggers of wide tables take longer to compile than all the rest. */
static const char schema[] =
    "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, body TEXT, updated_at TEXT); CREATE TABLE "
    "pairs(a TEXT NOT NULL, b INTEGER NOT NULL,"
    " PRIMARY KEY (a, b)); CREATE TABLE bystander(id TEXT PRIMARY KEY, secret TEXT); INSERT INTO "
    "bystander VALUES ('1', 'untouched');"
    "SELECT leadx_track('notes'), leadx_track('pairs'); INSERT INTO notes(id, body) VALUES ('n1', "
    "'one'); INSERT INTO pairs VALUES ('a', 1)";

static unsigned char *honest;
static sqlite3_int64 honest_bytes;

static void make_honest(void) {
  sqlite3 *db;
  FUZZ_CHECK(sqlite3_open(":memory:", &db) == SQLITE_OK &&
                 sqlite3_leadx_init(db, NULL, NULL) == SQLITE_OK,
             "open");
  FUZZ_CHECK(sqlite3_exec(db, schema, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
  honest = sqlite3_serialize(db, "main", &honest_bytes, 0);
  FUZZ_CHECK(honest != NULL && sqlite3_close(db) == SQLITE_OK, "serialize");
}

/* "@OFFSET HEX": overwrites bytes. */
static void patch(unsigned char *bytes, const char *line) {
  char *at;
  unsigned long offset = strtoul(line + 1, &at, 10);
  for (unsigned byte; sscanf(at, " %2x", &byte) == 1 && offset < (unsigned long)honest_bytes;
       offset++) {
    bytes[offset] = (unsigned char)byte;
    at += strspn(at, " ");
    at += strspn(at, "0123456789abcdefABCDEF") < 2 ? strlen(at) : 2;
  }
}

/* A database over a copy of the honest file; the copy is SQLite's to free. */
static sqlite3 *open_copy(const char *data, size_t n) {
  unsigned char *bytes = sqlite3_malloc64((sqlite3_uint64)honest_bytes);
  sqlite3 *db;
  FUZZ_CHECK(bytes && sqlite3_open(":memory:", &db) == SQLITE_OK, "memory");
  memcpy(bytes, honest, (size_t)honest_bytes);
  for (const char *at = data; at < data + n;) {
    char *line = fuzz_line(&at, data + n);
    if (line[0] == '@') patch(bytes, line);
    sqlite3_free(line);
  }
  sqlite3_deserialize(db, "main", bytes, honest_bytes, honest_bytes,
                      SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE);
  return db;
}

static int give_up(void *arg) { return ++*(int *)arg > MAX_STEPS; }

static void attack(sqlite3 *db, const char *data, size_t n) {
  char sql[MAX_SQL + 2] = "";
  size_t used = 0;
  int steps = 0;
  for (const char *at = data; at < data + n;) {
    char *line = fuzz_line(&at, data + n);
    size_t length = strlen(line);
    if (line[0] != '@' && used + length + 1 < MAX_SQL) {
      memcpy(sql + used, line, length);
      used += length;
      sql[used++] = '\n';
    }
    sqlite3_free(line);
  }
  sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1 << 20);
  sqlite3_exec(db, "PRAGMA writable_schema = ON; PRAGMA ignore_check_constraints = ON", NULL, NULL,
               NULL);
  sqlite3_progress_handler(db, 1000, give_up, &steps);
  sqlite3_exec(db, sql, NULL, NULL, NULL);
  sqlite3_progress_handler(db, 0, NULL, NULL);
  if (!sqlite3_get_autocommit(db)) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
  sqlite3_exec(db, "PRAGMA writable_schema = RESET; PRAGMA query_only = OFF", NULL, NULL, NULL);
}

/* Did the attacker's file say itself that the bystander is tracked? Then it is. */
static int is_chosen;

/* A pull that is given the same page for ever ends by itself; a count ends one that does not. */
static void respond(void *ctx, leadx_request *req) {
  int *requests = ctx;
  int is_change = strcmp(req->method, "PATCH") == 0 || strcmp(req->method, "DELETE") == 0;
  FUZZ_CHECK(strncmp(req->url, ROOT, strlen(ROOT)) == 0 && !strstr(req->url, "/../") &&
                 !strpbrk(req->url, "\r\n #"),
             "%s", req->url);
  FUZZ_CHECK(!strchr(req->url + strlen(ROOT), '/') ||
                 strchr(req->url, '?') < strchr(req->url + strlen(ROOT), '/') ||
                 strncmp(req->url + strlen(ROOT), "rpc/leadx_", 10) == 0,
             "%s", req->url);
  FUZZ_CHECK(!is_change || strstr(req->url, "=eq.") || strstr(req->url, "=is.null"), "%s %s",
             req->method, req->url);
  FUZZ_CHECK((is_chosen || !strstr(req->url, "v1/bystander")) && !strstr(req->url, "v1/leadx_") &&
                 !strstr(req->url, "v1/sqlite_"),
             "%s", req->url);
  FUZZ_CHECK(++*requests < 2000, "it does not end: %s", req->url);
  if (strcmp(req->method, "POST") == 0 && req->body) fake_answer(req, 201, req->body);
  else if (strcmp(req->method, "GET") == 0 && strstr(req->url, "?select=*") &&
           !strstr(req->url, "or=("))
    fake_answer(req, 200,
                "[{\"id\":\"n1\",\"a\":\"a\",\"b\":1,\"body\":\"theirs\",\"secret\":\"stolen\","
                "\"updated_at\":\"2026-01-02T03:04:05+00:00\"}]");
  else fake_answer(req, 200, "[]");
}

static leadx_transport *open_fake(void *arg, const leadx_http_limits *limits, leadx_err *err) {
  (void)limits, (void)err;
  return fake_transport_open(respond, arg);
}

static void read_all(sqlite3 *db) {
  static const char *const tables[] = {"leadx_queue", "leadx_status", "leadx_conflicts",
                                       "leadx_log",   "leadx_state",  "leadx_checks"};
  for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
    char sql[64];
    snprintf(sql, sizeof sql, "SELECT * FROM %s", tables[i]);
    sqlite3_exec(db, sql, NULL, NULL, NULL);
  }
}

/* As the victim does: two syncs, by a context of its own that can be given the transport. */
static void sync_twice(sqlite3 *db) {
  int requests = 0;
  leadx_ctx *ctx = leadx_ctx_new(db);
  FUZZ_CHECK(ctx != NULL, "memory");
  for (int i = 0; i < 2; i++) {
    leadx_sync_options options = {.who = "leadx_sync",
                                  .trigger = "fuzz",
                                  .with_pull = 1,
                                  .request_budget = -1,
                                  .open_transport = open_fake,
                                  .arg = &requests};
    leadx_err_clear(&ctx->err);
    char *result = leadx_sync_report(ctx, &options, &ctx->err);
    FUZZ_CHECK((result != NULL) != (ctx->err.rc != SQLITE_OK),
               "neither an answer nor an error, or both: %s", ctx->err.text);
    sqlite3_free(result);
    leadx_db_release(&ctx->db);
  }
  leadx_ctx_unref(ctx);
}

/* The bystander's rows, all in one text; NULL when they cannot be read. */
static char *bystander(sqlite3 *db) {
  sqlite3_stmt *stmt = NULL;
  char *text = NULL;
  if (sqlite3_prepare_v2(db, "SELECT group_concat(quote(id) || quote(secret)) FROM main.bystander",
                         -1, &stmt, NULL) == SQLITE_OK &&
      sqlite3_step(stmt) == SQLITE_ROW) {
    text = sqlite3_mprintf(
        "%s", sqlite3_column_text(stmt, 0) ? (const char *)sqlite3_column_text(stmt, 0) : "");
  }
  sqlite3_finalize(stmt);
  return text;
}

void fuzz_file(const char *data, size_t n) {
  if (!honest) make_honest();
  sqlite3 *db = open_copy(data, n);
  attack(db, data, n);
  if (sqlite3_leadx_init(db, NULL, NULL) == SQLITE_OK) {
    int is_application = memmem(data, n, "ON notes", 8) || memmem(data, n, "ON pairs", 8);
    is_chosen = memmem(data, n, "leadx_tables", 12) || memmem(data, n, "sqlite_schema", 13) ||
                memchr(data, '@', n);
    char *before = bystander(db);
    read_all(db);
    sqlite3_exec(db, "SELECT leadx_configure('https://fuzz.example', 'sb_publishable_fuzz')", NULL,
                 NULL, NULL);
    sqlite3_exec(db,
                 "SELECT leadx_configure('https://fuzz.example/rest/v1', 'sb_publishable_fuzz')",
                 NULL, NULL, NULL);
    sync_twice(db);
    read_all(db);
    char *after = bystander(db);
    /* A trigger of the file on a tracked table does what the application's own would do. */
    FUZZ_CHECK(is_application || is_chosen || !before || !after || strcmp(before, after) == 0,
               "%s became %s", before, after);
    sqlite3_free(before);
    sqlite3_free(after);
  }
  FUZZ_CHECK(sqlite3_close(db) == SQLITE_OK, "something was left open");
}
