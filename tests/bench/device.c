/* Database files with LeadX customers in them. */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char schema[] = "CREATE TABLE customers(id TEXT PRIMARY KEY NOT NULL, code TEXT, name "
                             "TEXT NOT NULL, industry TEXT, phone TEXT, city TEXT,"
                             " latitude REAL, credit_limit DECIMAL_TEXT, tax_number INTEGER, "
                             "is_active BOOLEAN NOT NULL DEFAULT 1, notes TEXT, updated_at TEXT)";

static const char *const industries[] = {"Manufacturing", "Retail", "Logistics", "Agriculture",
                                         "Hospitality"};
static const char *const cities[] = {"Jakarta", "Surabaya", "Bandung",
                                     "Medan",   "Makassar", "Denpasar"};

static uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

/* Random as apps make them: such keys stand in no order. */
void bench_uuid(int i, char out[37]) {
  uint64_t high = mix((uint64_t)i + 1), low = mix(high);
  snprintf(out, 37, "%08x-%04x-4%03x-a%03x-%012llx", (unsigned)(high >> 32),
           (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xfff), (unsigned)(low >> 48 & 0xfff),
           (unsigned long long)(low & UINT64_C(0xffffffffffff)));
}

int bench_row_json(int i, char *out, size_t n) {
  char id[37];
  bench_uuid(i, id);
  return snprintf(out, n,
                  "{\"id\":\"%s\",\"code\":\"C-%08d\",\"name\":\"PT Pelanggan Nusantara "
                  "%d\",\"industry\":\"%s\",\"phone\":\"+62 21 %07d\","
                  "\"city\":\"%s\",\"latitude\":%.6f,\"credit_limit\":\"%d.50\",\"tax_number\":%"
                  "lld,\"is_active\":true,"
                  "\"notes\":\"Met at the trade fair; wants a quotation for unit %d before the end "
                  "of the quarter.\",\"updated_at\":\"now\"}",
                  id, i, i, industries[i % 5], i, cities[i % 6], -6.2 + i * 1e-6, 1000000 + i,
                  10000000000LL + i, i);
}

static void check(sqlite3 *db, int rc, const char *what) {
  if (rc != SQLITE_OK && rc != SQLITE_DONE && rc != SQLITE_ROW)
    bench_die("%s: %s", what, sqlite3_errmsg(db));
}

void bench_exec(sqlite3 *db, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *sql = sqlite3_vmprintf(fmt, args);
  va_end(args);
  check(db, sqlite3_exec(db, sql, NULL, NULL, NULL), sql);
  sqlite3_free(sql);
}

long long bench_int(sqlite3 *db, const char *sql) {
  sqlite3_stmt *stmt;
  check(db, sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), sql);
  check(db, sqlite3_step(stmt), sql);
  long long n = sqlite3_column_int64(stmt, 0);
  sqlite3_finalize(stmt);
  return n;
}

long long bench_json_int(sqlite3 *db, const char *sql, const char *name) {
  char *wrapped = sqlite3_mprintf("SELECT json_extract((%s), '$.%s')", sql, name);
  long long n = bench_int(db, wrapped);
  sqlite3_free(wrapped);
  return n;
}

sqlite3 *bench_reopen(const bench *b, const char *name, const char *url) {
  char path[1024];
  sqlite3 *db;
  snprintf(path, sizeof path, "%s/%s.db", b->folder, name);
  check(NULL, sqlite3_open(path, &db), "open");
  bench_exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  if (!url) return db;
  char *message = NULL;
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
  if (sqlite3_load_extension(db, b->so, NULL, &message) != SQLITE_OK)
    bench_die("load %s: %s", b->so, message);
  bench_exec(db, "SELECT leadx_configure(%Q, %Q); SELECT leadx_set_token(%Q)", url, b->apikey,
             b->token);
  return db;
}

sqlite3 *bench_device(const bench *b, const char *name, const char *url) {
  static const char *const suffixes[] = {"", "-wal", "-shm"};
  char path[1024];
  for (int i = 0; i < 3; i++) {
    snprintf(path, sizeof path, "%s/%s.db%s", b->folder, name, suffixes[i]);
    unlink(path);
  }
  sqlite3 *db = bench_reopen(b, name, url);
  bench_exec(db, "%s", schema);
  if (url)
    bench_exec(db, "SELECT leadx_track('customers', "
                   "'{\"mode\":\"push\",\"columns\":{\"credit_limit\":{\"type\":\"decimal\"}}}')");
  return db;
}

void bench_close(sqlite3 *db) {
  if (sqlite3_close(db) != SQLITE_OK) bench_die("close: %s", sqlite3_errmsg(db));
}

static void bind_row(sqlite3_stmt *stmt, int i) {
  char id[37], text[160];
  bench_uuid(i, id);
  sqlite3_bind_text(stmt, 1, id, 36, SQLITE_TRANSIENT);
  snprintf(text, sizeof text, "C-%08d", i);
  sqlite3_bind_text(stmt, 2, text, -1, SQLITE_TRANSIENT);
  snprintf(text, sizeof text, "PT Pelanggan Nusantara %d", i);
  sqlite3_bind_text(stmt, 3, text, -1, SQLITE_TRANSIENT);
  sqlite3_bind_text(stmt, 4, industries[i % 5], -1, SQLITE_STATIC);
  snprintf(text, sizeof text, "+62 21 %07d", i);
  sqlite3_bind_text(stmt, 5, text, -1, SQLITE_TRANSIENT);
  sqlite3_bind_text(stmt, 6, cities[i % 6], -1, SQLITE_STATIC);
  sqlite3_bind_double(stmt, 7, -6.2 + i * 1e-6);
  snprintf(text, sizeof text, "%d.50", 1000000 + i);
  sqlite3_bind_text(stmt, 8, text, -1, SQLITE_TRANSIENT);
  sqlite3_bind_int64(stmt, 9, 10000000000LL + i);
  sqlite3_bind_int(stmt, 10, 1);
  snprintf(text, sizeof text,
           "Met at the trade fair; wants a quotation for unit %d before the end of the quarter.",
           i);
  sqlite3_bind_text(stmt, 11, text, -1, SQLITE_TRANSIENT);
  sqlite3_bind_text(stmt, 12, "2026-01-05T08:15:30.000Z", -1, SQLITE_STATIC);
}

void bench_fill(sqlite3 *db, int n) {
  sqlite3_stmt *stmt;
  check(db,
        sqlite3_prepare_v2(db, "INSERT INTO customers VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", -1, &stmt,
                           NULL),
        "insert");
  for (int i = 0; i < n; i++) {
    bind_row(stmt, i);
    check(db, sqlite3_step(stmt), "insert");
    sqlite3_reset(stmt);
  }
  sqlite3_finalize(stmt);
}
