/* What others changed, on its way here: plainly and by the server's function, compared with a loop
** that fetches the same pages and inserts their rows by a prepared statement. And pushing by the
** function, compared with bulk upserts. */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#define ROWS 50000
#define PAGE 1000
#define UPDATES 2000

/* ---- the server ---- */

static int filled;

static void need_rows(const bench *b, int n) {
  if (filled == n) return;
  bench_server_fill(b, n);
  filled = n;
}

static sqlite3 *pulling_device(const bench *b, const char *name, int called) {
  sqlite3 *db = bench_device(b, name, b->url);
  bench_exec(db, "SELECT leadx_track('customers', "
                 "'{\"mode\":\"pull\",\"columns\":{\"credit_limit\":{\"type\":\"decimal\"}}}')");
  if (called) bench_exec(db, "SELECT leadx_check('customers')");
  return db;
}

/* ---- leadx ---- */

static double pull_rows(const bench *b, int called) {
  if (called) bench_server_install(b);
  need_rows(b, ROWS);
  sqlite3 *db = pulling_device(b, "pull", called);
  double began = bench_now_ms();
  long long pulled = bench_json_int(db, "leadx_pull()", "pulled");
  double ms = bench_now_ms() - began;
  if (pulled != ROWS || bench_int(db, "SELECT count(*) FROM customers") != ROWS)
    bench_die("%lld of %d rows were pulled", pulled, ROWS);
  if (bench_int(db, "SELECT count(*) FROM leadx_places") != called)
    bench_die("the pull went the other way");
  bench_close(db);
  return ms;
}

static double pull_plainly(bench *b, int round) { return (void)round, pull_rows(b, 0); }
static double pull_by_call(bench *b, int round) { return (void)round, pull_rows(b, 1); }

/* ---- the bare loop ---- */

static void bind_value(sqlite3_stmt *stmt, int i, const cJSON *value) {
  if (cJSON_IsString(value)) sqlite3_bind_text(stmt, i, value->valuestring, -1, SQLITE_STATIC);
  else if (cJSON_IsBool(value)) sqlite3_bind_int(stmt, i, cJSON_IsTrue(value));
  else if (cJSON_IsNumber(value)) sqlite3_bind_double(stmt, i, value->valuedouble);
  else sqlite3_bind_null(stmt, i);
}

static const char *const columns[] = {"id",         "code",      "name",     "industry",
                                      "phone",      "city",      "latitude", "credit_limit",
                                      "tax_number", "is_active", "notes",    "updated_at"};

/* Inserts a page; returns its rows and notes the last one's version and id. */
static int insert_page(sqlite3 *db, sqlite3_stmt *stmt, const char *text, char version[64],
                       char id[64]) {
  cJSON *page = cJSON_Parse(text), *row;
  int n = 0;
  if (!cJSON_IsArray(page)) bench_die("the bare loop got %.200s", text);
  bench_exec(db, "BEGIN");
  cJSON_ArrayForEach(row, page) {
    for (int i = 0; i < 12; i++)
      bind_value(stmt, i + 1, cJSON_GetObjectItemCaseSensitive(row, columns[i]));
    if (sqlite3_step(stmt) != SQLITE_DONE) bench_die("insert: %s", sqlite3_errmsg(db));
    sqlite3_reset(stmt);
    snprintf(version, 64, "%s", cJSON_GetObjectItemCaseSensitive(row, "updated_at")->valuestring);
    snprintf(id, 64, "%s", cJSON_GetObjectItemCaseSensitive(row, "id")->valuestring);
    n++;
  }
  bench_exec(db, "COMMIT");
  cJSON_Delete(page);
  return n;
}

/* The address of the page behind a place; a "+" of the offset is %2B. */
static void page_url(char *out, size_t n, const char *version, const char *id) {
  char escaped[96] = "";
  size_t at = 0;
  for (const char *c = version; *c; c++)
    at += (size_t)snprintf(escaped + at, sizeof escaped - at, *c == '+' ? "%%2B" : "%c", *c);
  if (!*version) snprintf(out, n, "customers?select=*&order=updated_at.asc,id.asc&limit=%d", PAGE);
  else {
    snprintf(out, n,
             "customers?select=*&updated_at=gte.%s&or=(updated_at.gt.%s,id.gt.%s)&order=updated_at."
             "asc,id.asc&limit=%d",
             escaped, escaped, id, PAGE);
  }
}

static double pull_barely(bench *b, int round) {
  char version[64] = "", id[64] = "", url[512];
  sqlite3_stmt *stmt = NULL;
  int n = 1, all = 0;
  (void)round;
  need_rows(b, ROWS);
  sqlite3 *db = bench_device(b, "bare", NULL);
  double began = bench_now_ms();
  if (sqlite3_prepare_v2(db, "INSERT INTO customers VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", -1, &stmt,
                         NULL) != SQLITE_OK)
    bench_die("%s", sqlite3_errmsg(db));
  for (; n > 0; all += n) {
    page_url(url, sizeof url, version, id);
    char *text = bench_get(b, url);
    n = insert_page(db, stmt, text, version, id);
    free(text);
  }
  sqlite3_finalize(stmt);
  double ms = bench_now_ms() - began;
  bench_get(b, NULL);
  if (all != ROWS) bench_die("the bare loop fetched %d rows", all);
  bench_close(db);
  return ms;
}

/* ---- nothing changed ---- */

/* Kilobytes of a pull that brings nothing, both directions, headers included; one request. */
static double idle_kb(const bench *b, int called) {
  if (called) bench_server_install(b);
  need_rows(b, ROWS);
  sqlite3 *db = pulling_device(b, "idle", called);
  bench_exec(db, "SELECT leadx_pull()");
  bench_exec(db, "SELECT leadx_pull()");
  long long requests = bench_int(db, "SELECT requests FROM leadx_log ORDER BY rowid DESC LIMIT 1");
  long long bytes = bench_int(
      db, "SELECT bytes_out + bytes_in FROM leadx_log ORDER BY rowid DESC LIMIT 1");
  if (requests != 1) bench_die("an idle pull made %lld requests", requests);
  bench_close(db);
  return (double)bytes / 1024;
}

static double idle_plainly(bench *b, int round) { return (void)round, idle_kb(b, 0); }
static double idle_by_call(bench *b, int round) { return (void)round, idle_kb(b, 1); }
static double nothing(bench *b, int round) { return (void)b, (void)round, 0; }

/* ---- memory ---- */

static double baseline_mb;

int bench_pull_file(bench *b, const char *name) {
  sqlite3 *db = bench_reopen(b, name, b->url);
  bench_int(db, "SELECT count(*) FROM customers");
  double before = bench_status_mb("VmRSS"), began = bench_now_ms();
  long long pulled = bench_json_int(db, "leadx_pull()", "pulled");
  printf("%lld %.3f %.3f %.0f\n", pulled, before, bench_status_mb("VmHWM"), bench_now_ms() - began);
  bench_close(db);
  return 0;
}

static double pull_many(bench *b, int round) {
  char command[2048];
  double peak = 0, ms = 0;
  long long pulled = 0;
  (void)round;
  need_rows(b, b->pull_rows);
  bench_close(pulling_device(b, "many", 0));
  snprintf(command, sizeof command, "'%s' --pull-file many", b->self);
  FILE *pipe = popen(command, "r");
  if (!pipe || fscanf(pipe, "%lld %lf %lf %lf", &pulled, &baseline_mb, &peak, &ms) != 4 ||
      pclose(pipe) != 0)
    bench_die("the second process failed");
  if (pulled != b->pull_rows) bench_die("%lld of %d rows were pulled", pulled, b->pull_rows);
  fprintf(stderr, "bench: %d rows were pulled in %.1f s, %.0f rows/s\n", b->pull_rows, ms / 1000,
          b->pull_rows / ms * 1000);
  return peak;
}

static double baseline(bench *b, int round) { return (void)b, (void)round, baseline_mb; }

/* ---- edits by leadx_push() ---- */

static double call_updates(bench *b, int round) {
  bench_server_install(b);
  filled = 0;
  sqlite3 *db = round == 0 ? bench_device(b, "called", b->url) : bench_reopen(b, "called", b->url);
  if (round == 0) {
    bench_server_empty(b);
    bench_exec(db, "BEGIN");
    bench_fill(db, UPDATES);
    bench_exec(db, "COMMIT; SELECT leadx_check('customers')");
    if (bench_json_int(db, "leadx_push()", "pushed") != UPDATES)
      bench_die("the rows to be updated did not reach the server");
  }
  bench_exec(
      db, "UPDATE customers SET phone = '+62 811 ' || rowid, notes = 'Called back in round ' || %d",
      round);
  double began = bench_now_ms();
  long long pushed = bench_json_int(db, "leadx_push()", "pushed");
  double ms = bench_now_ms() - began;
  if (pushed != UPDATES) bench_die("%lld updates were pushed", pushed);
  if (bench_int(db, "SELECT requests FROM leadx_log ORDER BY rowid DESC LIMIT 1") > 20)
    bench_die("the push went the plain way");
  bench_close(db);
  return ms;
}

/* The rate that PostgREST itself reaches: whole rows in one upsert, on rows of its own. */
static double upsert_rows(bench *b, int round) {
  (void)round;
  return bench_upsert_loop(b, 2 * UPDATES, UPDATES, 1000);
}

const bench_case bench_pull_cases[] = {
    {"pull: 50,000 rows; bare: the same pages, prepared INSERT", BENCH_SPEED, 0.7, "ms", 0,
     pull_plainly, pull_barely},
    {"pull: nothing changed, bytes both ways; bare: none", BENCH_EXTRA, 10, "KB", 1, idle_plainly,
     nothing},
    {"pull: a large table, peak memory; bare: before the pull", BENCH_EXTRA, 25, "MB", 1, pull_many,
     baseline},
    {"pull by leadx_pull(): 50,000 rows; bare: plain pages", BENCH_SPEED, 0.7, "ms", 0,
     pull_by_call, pull_barely},
    {"pull by leadx_pull(): nothing changed; bare: none", BENCH_EXTRA, 10, "KB", 1, idle_by_call,
     nothing},
    {"push by leadx_push(): 2,000 UPDATEs; bare: bulk upserts", BENCH_SPEED, 0.5, "ms", 0,
     call_updates, upsert_rows},
    {0},
};
