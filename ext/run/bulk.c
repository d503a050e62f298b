/* Pragmas for rows in bulk. See bulk.h. */
#include "run/bulk.h"

#include <string.h>

/* Pages of the file kept in memory, in KiB: every row is a random place in an index or two. */
#define CACHE_KIB 8192

enum { SYNCHRONOUS_NORMAL = 1 };

static void set_pragma(leadx_db *db, const char *name, int64_t value) {
  char sql[64];
  sqlite3_snprintf(sizeof sql, sql, "PRAGMA main.%s = %lld", name, (sqlite3_int64)value);
  sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
}

/* 0 when it cannot be read. */
static int64_t get_pragma(leadx_db *db, int sql_id) {
  leadx_err ignored = {0};
  int64_t value = 0;
  return leadx_db_int(db, sql_id, &ignored, &value, "") == SQLITE_OK ? value : 0;
}

/* Pages are counted negative in KiB, positive in pages. */
static int is_small(int64_t size) {
  return size < 0 ? size > -CACHE_KIB : size > 0 && size < CACHE_KIB / 4;
}

static int is_wal(leadx_db *db) {
  leadx_err ignored = {0};
  sqlite3_stmt *stmt = leadx_db_get(db, LEADX_SQL_BULK_JOURNAL_MODE, &ignored);
  if (!stmt) return 0;
  const char *mode = leadx_db_next(db, stmt, &ignored) ? leadx_db_text(stmt, 0, &ignored) : NULL;
  int yes = mode && strcmp(mode, "wal") == 0;
  leadx_db_put(db, stmt);
  return yes;
}

void leadx_bulk_relax(leadx_db *db, leadx_bulk *before) {
  int64_t synchronous = get_pragma(db, LEADX_SQL_BULK_SYNCHRONOUS);
  *before = (leadx_bulk){0, synchronous > SYNCHRONOUS_NORMAL && is_wal(db) ? synchronous : 0};
  if (before->synchronous) set_pragma(db, "synchronous", SYNCHRONOUS_NORMAL);
}

void leadx_bulk_begin(leadx_db *db, leadx_bulk *before) {
  int64_t size = get_pragma(db, LEADX_SQL_BULK_CACHE_SIZE);
  leadx_bulk_relax(db, before);
  before->cache_size = is_small(size) ? size : 0;
  if (before->cache_size) set_pragma(db, "cache_size", -CACHE_KIB);
}

void leadx_bulk_end(leadx_db *db, const leadx_bulk *before) {
  if (before->cache_size) set_pragma(db, "cache_size", before->cache_size);
  if (before->synchronous) set_pragma(db, "synchronous", before->synchronous);
}
