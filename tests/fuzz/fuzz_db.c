/* See fuzz.h. */
#include "fuzz.h"
#include "store/tables.h"

#include <string.h>

int sqlite3_leadx_init(sqlite3 *handle, char **error, const void *api);

static const char schema[] =
    "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, body TEXT NOT NULL DEFAULT 'none', n "
    "INTEGER, x REAL, flag BOOLEAN, doc JSON, raw BLOB,"
    " u TEXT, price DECIMAL TEXT, day DATE TEXT, at DATETIME TEXT, s INTEGER, ms INTEGER, parent "
    "TEXT REFERENCES notes, deleted_at TEXT, updated_at TEXT);"
    "CREATE TABLE pairs(a TEXT NOT NULL, b INTEGER NOT NULL, v, updated_at TEXT, PRIMARY KEY (a, "
    "b));"
    "CREATE TABLE bystander(id TEXT PRIMARY KEY, secret TEXT); INSERT INTO bystander VALUES ('1', "
    "'untouched');"
    "SELECT leadx_track('notes', "
    "'{\"columns\":{\"u\":{\"type\":\"uuid\"},\"s\":{\"type\":\"timestamp:s\"},\"ms\":{\"type\":"
    "\"timestamp:ms\"}}}'),"
    " leadx_track('pairs');"
    "INSERT INTO notes(id, body, n) VALUES ('n1', 'one', 1), ('n2', 'two', 2); INSERT INTO pairs "
    "VALUES ('a', 1, 'v', NULL)";

static fuzz_db *kept;

int fuzz_outer_steps;

static void must(int ok, const char *what) { FUZZ_CHECK(ok, "%s", what); }

fuzz_db *fuzz_open(void) {
  if (kept) return kept;
  kept = calloc(1, sizeof *kept);
  must(kept && sqlite3_open(":memory:", &kept->handle) == SQLITE_OK, "open");
  must(sqlite3_leadx_init(kept->handle, NULL, NULL) == SQLITE_OK, "load");
  must(sqlite3_exec(kept->handle, schema, NULL, NULL, NULL) == SQLITE_OK,
       sqlite3_errmsg(kept->handle));
  must(sqlite3_exec(kept->handle, "DELETE FROM sync_queue", NULL, NULL, NULL) == SQLITE_OK,
       sqlite3_errmsg(kept->handle));
  kept->db.handle = kept->handle;
  must(leadx_tables_load(&kept->db, "fuzz", &kept->tables, &kept->err) == SQLITE_OK,
       kept->err.text);
  return kept;
}

void fuzz_close(void) {
  if (!kept) return;
  leadx_tables_clear(&kept->tables);
  leadx_db_release(&kept->db);
  must(sqlite3_close(kept->handle) == SQLITE_OK, "close");
  free(kept);
  kept = NULL;
}

char *fuzz_line(const char **at, const char *end) {
  const char *from = *at, *stop = from < end ? memchr(from, '\n', (size_t)(end - from)) : NULL;
  if (!stop) stop = end;
  *at = stop < end ? stop + 1 : end;
  char *line = sqlite3_malloc64((sqlite3_uint64)(stop - from) + 1);
  must(line != NULL, "memory");
  if (stop > from) memcpy(line, from, (size_t)(stop - from));
  line[stop - from] = 0;
  return line;
}
