/* Fingerprints of rows. See fingerprint.h.
**
** A fingerprint is 32 bits that stand for the list of columns, then 32 bits for each column's
** value. One number for the whole row would be of no use after a column was dropped.
** */
#include "rows/fingerprint.h"

#include <string.h>

#include "rows/capture.h"
#include "rows/key.h"
#include "base/hash.h"
#include "store/queue.h"

#define PART 4 /* bytes per column, and for the list */

/* The parameter of the first column's DEFAULT where rows are compared; the entity is the first. */
enum { DEFAULT_PARAMETER = 2 };

/* A row to be compared: what it says on the wire, what was noted and queued of it, then the
** columns, then whether each has what its DEFAULT says. */
enum { COLUMN_KEY, COLUMN_ROW, COLUMN_NOTED, COLUMN_ACTION, COLUMN_PAYLOAD, COLUMN_FIRST };

static uint32_t hash_bytes(uint64_t seed, const void *bytes, size_t n) {
  uint64_t hash = leadx_hash(seed, bytes, n);
  return (uint32_t)(hash >> 32 ^ hash);
}

/* The storage class counts: '5' and 5 differ on the wire. */
static uint32_t hash_value(sqlite3_value *value) {
  int type = sqlite3_value_type(value);
  uint64_t seed = LEADX_HASH_SEED + (uint64_t)type;
  if (type == SQLITE_INTEGER) {
    int64_t n = sqlite3_value_int64(value);
    return hash_bytes(seed, &n, sizeof n);
  }
  if (type == SQLITE_FLOAT) {
    double x = sqlite3_value_double(value);
    return hash_bytes(seed, &x, sizeof x);
  }
  const void *bytes = type == SQLITE_NULL ? NULL : sqlite3_value_blob(value);
  return hash_bytes(seed, bytes, bytes ? (size_t)sqlite3_value_bytes(value) : 0);
}

static uint32_t hash_text(const char *text) {
  return hash_bytes(LEADX_HASH_SEED, text, strlen(text));
}

void leadx_fingerprint_columns(const leadx_table *table, sqlite3_str *out) {
  for (int i = 0; i < table->ncolumns; i++)
    sqlite3_str_appendf(out, "%s\"%w\"", i ? "," : "", table->columns[i].name);
}

static int list_columns(const leadx_table *table, char **list, leadx_err *err) {
  sqlite3_str *text = sqlite3_str_new(NULL);
  leadx_fingerprint_columns(table, text);
  *list = leadx_db_finish(text, err);
  return *list ? SQLITE_OK : err->rc;
}

/* Makes the fingerprint of the row that a statement stands on, whose columns begin at first. The
** caller frees. */
static unsigned char *make(const leadx_table *table, uint32_t list, sqlite3_stmt *row, int first,
                           int *n) {
  *n = PART * (table->ncolumns + 1);
  unsigned char *bytes = sqlite3_malloc(*n);
  if (!bytes) return NULL;
  memcpy(bytes, &list, PART);
  for (int i = 0; i < table->ncolumns; i++) {
    uint32_t part = hash_value(sqlite3_column_value(row, first + i));
    memcpy(bytes + PART * (size_t)(i + 1), &part, PART);
  }
  return bytes;
}

static void append_columns(sqlite3_str *sql, const leadx_table *table) {
  for (int i = 0; i < table->ncolumns; i++)
    sqlite3_str_appendf(sql, ", \"%w\".\"%w\"", table->name, table->columns[i].name);
}

/* Does a statement of that table and what is known of it have no more columns than SQLite allows?
** Rows of a table that is wider are not compared. */
static int is_narrow(leadx_db *db, const leadx_table *table) {
  return 2 * table->ncolumns + COLUMN_FIRST <= sqlite3_limit(db->handle, SQLITE_LIMIT_COLUMN, -1);
}

/* ---- one row ---- */

/* The statement that reads one row, kept with the table. */
static sqlite3_stmt *reader(leadx_db *db, leadx_table *table, leadx_err *err) {
  char *list = NULL;
  if (table->reader) return table->reader;
  if (list_columns(table, &list, err) != SQLITE_OK) return NULL;
  table->reader_list = hash_text(list);
  sqlite3_free(list);
  sqlite3_str *sql = sqlite3_str_new(NULL);
  sqlite3_str_appendall(sql, "SELECT 1");
  append_columns(sql, table);
  sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE ", table->name);
  leadx_key_where(table, sql, 1);
  table->reader = leadx_db_prepare_str(db, sql, err);
  return table->reader;
}

static int store(leadx_db *db, const leadx_table *table, const char *key, const char *version,
                 unsigned char *bytes, int n, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_FINGERPRINT_SET, err, "sss", table->entity, key,
                                      version);
  if (!stmt) {
    sqlite3_free(bytes);
    return err->rc;
  }
  int rc = bytes ? sqlite3_bind_blob(stmt, 4, bytes, n, sqlite3_free) : SQLITE_OK;
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  leadx_db_put(db, stmt);
  return rc == SQLITE_DONE ? SQLITE_OK : leadx_err_db(err, db->handle, rc, "note a row");
}

int leadx_fingerprint_note(leadx_db *db, leadx_table *table, const char *key, const char *version,
                           leadx_err *err) {
  unsigned char *bytes = NULL;
  int n = 0;
  if (!is_narrow(db, table)) return store(db, table, key, version, NULL, 0, err);
  sqlite3_stmt *row = reader(db, table, err);
  if (!row) return err->rc;
  int rc = leadx_key_bind(table, row, 1, key);
  if (rc == SQLITE_OK) rc = sqlite3_step(row);
  if (rc == SQLITE_ROW) {
    bytes = make(table, table->reader_list, row, 1, &n);
    if (!bytes) leadx_err_nomem(err);
  } else if (rc != SQLITE_DONE && rc != SQLITE_MISMATCH) {
    leadx_err_db(err, db->handle, rc, "read a row");
  }
  sqlite3_reset(row);
  sqlite3_clear_bindings(row);
  if (err->rc == SQLITE_OK) return store(db, table, key, version, bytes, n, err);
  sqlite3_free(bytes);
  return err->rc;
}

/* ---- all rows ---- */

static sqlite3_stmt *prepare_all(leadx_db *db, const leadx_table *table, leadx_err *err) {
  sqlite3_str *sql = sqlite3_str_new(NULL);
  char *row = sqlite3_mprintf("\"%w\"", table->name);
  if (!row) leadx_db_spoil(sql);
  sqlite3_str_appendall(sql, "SELECT ");
  leadx_capture_key(sql, table, row ? row : "NULL");
  append_columns(sql, table);
  sqlite3_str_appendf(sql, " FROM main.%s", row ? row : "NULL");
  sqlite3_free(row);
  return leadx_db_prepare_str(db, sql, err);
}

static int refresh(leadx_db *db, const leadx_table *table, uint32_t list, sqlite3_stmt *row,
                   leadx_err *err) {
  int n = 0;
  unsigned char *bytes = make(table, list, row, 1, &n);
  sqlite3_stmt *stmt =
      bytes ? leadx_db_query(db, LEADX_SQL_FINGERPRINT_REFRESH, err, "s", table->entity) : NULL;
  if (!stmt) {
    sqlite3_free(bytes);
    return err->rc == SQLITE_OK ? leadx_err_nomem(err) : err->rc;
  }
  int rc = sqlite3_bind_blob(stmt, 3, bytes, n, sqlite3_free);
  if (rc == SQLITE_OK) rc = sqlite3_bind_value(stmt, 2, sqlite3_column_value(row, 0));
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  leadx_db_put(db, stmt);
  return rc == SQLITE_DONE ? SQLITE_OK : leadx_err_db(err, db->handle, rc, "note a row");
}

int leadx_fingerprint_all(leadx_db *db, const leadx_table *table, leadx_err *err) {
  char *list = NULL;
  if (!is_narrow(db, table)) return SQLITE_OK;
  if (list_columns(table, &list, err) != SQLITE_OK) return err->rc;
  sqlite3_stmt *row = prepare_all(db, table, err);
  int rc = row ? SQLITE_ROW : err->rc;
  while (row && (rc = sqlite3_step(row)) == SQLITE_ROW &&
         refresh(db, table, hash_text(list), row, err) == SQLITE_OK)
    continue;
  if (rc != SQLITE_ROW && rc != SQLITE_DONE && err->rc == SQLITE_OK)
    leadx_err_db(err, db->handle, rc, "read the rows");
  sqlite3_finalize(row);
  sqlite3_free(list);
  return err->rc;
}

/* ---- comparing ---- */

/* For each column of the table: its place in the list that the fingerprints were made of, or -1. */
static void find_places(const leadx_table *table, const char *list, int *places) {
  for (int i = 0; i < table->ncolumns; i++) places[i] = -1;
  char *name = sqlite3_malloc64(strlen(list) + 1);
  for (int place = 0; name && *list == '"'; place++) {
    size_t n = 0;
    for (list++; *list && !(list[0] == '"' && list[1] != '"'); list++) {
      if (*list == '"') list++;
      name[n++] = *list;
    }
    name[n] = 0;
    if (*list) list++;
    if (*list == ',') list++;
    for (int i = 0; i < table->ncolumns; i++) {
      if (sqlite3_stricmp(table->columns[i].name, name) == 0) places[i] = place;
    }
  }
  sqlite3_free(name);
}

/* A DEFAULT is compared as a value, under the column's affinity. One that is not known says nothing
** and stands for NULL: what the column holds then counts as written by somebody. */
static sqlite3_stmt *prepare_compare(leadx_db *db, const leadx_table *table, leadx_err *err) {
  sqlite3_str *sql = sqlite3_str_new(NULL);
  char *row = sqlite3_mprintf("\"%w\"", table->name);
  if (!row) leadx_db_spoil(sql);
  const char *name = row ? row : "NULL";
  sqlite3_str_appendf(sql, "WITH %s SELECT ", leadx_sql_text[LEADX_SQL_FINGERPRINT_NEWEST]);
  leadx_capture_key(sql, table, name);
  sqlite3_str_appendall(sql, ", ");
  leadx_capture_row(sql, table, name);
  sqlite3_str_appendall(sql,
                        ", leadx_known.fingerprint, leadx_newest.action, leadx_newest.payload");
  append_columns(sql, table);
  for (int i = 0; i < table->ncolumns; i++) {
    const leadx_column *column = &table->columns[i];
    sqlite3_str_appendf(sql, ", %s.\"%w\" COLLATE BINARY IS ?%d", name, column->name,
                        DEFAULT_PARAMETER + i);
  }
  sqlite3_str_appendf(sql,
                      " FROM main.%s LEFT JOIN main.leadx_shadow leadx_known ON leadx_known.entity "
                      "= ?1 AND leadx_known.key = ",
                      name);
  leadx_capture_key(sql, table, name);
  sqlite3_str_appendall(sql, " LEFT JOIN leadx_newest ON leadx_newest.key = ");
  leadx_capture_key(sql, table, name);
  sqlite3_free(row);
  sqlite3_stmt *stmt = leadx_db_prepare_str(db, sql, err);
  int rc = stmt ? sqlite3_bind_text(stmt, 1, table->entity, -1, SQLITE_STATIC) : SQLITE_OK;
  for (int i = 0; stmt && i < table->ncolumns && rc == SQLITE_OK; i++) {
    const leadx_literal *value = &table->columns[i].default_value;
    if (leadx_literal_is_constant(value))
      rc = leadx_literal_bind(value, stmt, DEFAULT_PARAMETER + i);
  }
  if (rc == SQLITE_OK) return stmt;
  leadx_err_db(err, db->handle, rc, "compare with the fingerprints");
  sqlite3_finalize(stmt);
  return NULL;
}

/* Does the row differ from its fingerprint? One that was made of another list says nothing. */
static int differs(const leadx_table *table, const int *places, uint32_t list, sqlite3_stmt *row) {
  const unsigned char *noted = sqlite3_column_blob(row, COLUMN_NOTED);
  int n = sqlite3_column_bytes(row, COLUMN_NOTED);
  if (!noted || n < PART || memcmp(noted, &list, PART) != 0) return 0;
  for (int i = 0; i < table->ncolumns; i++) {
    uint32_t now = hash_value(sqlite3_column_value(row, COLUMN_FIRST + i));
    if (places[i] < 0) {
      if (!sqlite3_column_int(row, COLUMN_FIRST + table->ncolumns + i)) return 1;
    } else if (PART * (places[i] + 2) > n ||
               memcmp(noted + PART * (size_t)(places[i] + 1), &now, PART) != 0) {
      return 1;
    }
  }
  return 0;
}

/* What has to be queued of a row: unsent changes speak for it while there are any. */
static leadx_action missing_action(const leadx_table *table, const int *places, uint32_t list,
                                   sqlite3_stmt *row, leadx_err *err) {
  const char *action = leadx_db_text(row, COLUMN_ACTION, err),
             *payload = leadx_db_text(row, COLUMN_PAYLOAD, err);
  const char *now = leadx_db_text(row, COLUMN_ROW, err);
  if (err->rc != SQLITE_OK) return LEADX_NOTHING;
  if (!action) return differs(table, places, list, row) ? LEADX_UPDATE : LEADX_NOTHING;
  if (strcmp(action, "DELETE") == 0) return LEADX_CREATE;
  return payload && now && strcmp(payload, now) == 0 ? LEADX_NOTHING : LEADX_UPDATE;
}

static int compare_rows(leadx_db *db, const leadx_table *table, const int *places, uint32_t list,
                        leadx_err *err) {
  sqlite3_stmt *row = prepare_compare(db, table, err);
  while (row && err->rc == SQLITE_OK && leadx_db_next(db, row, err)) {
    char id[37];
    leadx_action action = missing_action(table, places, list, row, err);
    if (action == LEADX_NOTHING) continue;
    const char *key = leadx_db_text(row, COLUMN_KEY, err),
               *now = leadx_db_text(row, COLUMN_ROW, err);
    if (err->rc == SQLITE_OK) leadx_queue_enqueue(db, table->entity, key, action, now, id, err);
  }
  sqlite3_finalize(row);
  return err->rc;
}

int leadx_fingerprint_compare(leadx_db *db, const leadx_table *table, const char *columns,
                              leadx_err *err) {
  if (!is_narrow(db, table)) return SQLITE_OK;
  int *places = sqlite3_malloc64(sizeof *places * ((size_t)table->ncolumns + 1));
  if (!places) return leadx_err_nomem(err);
  find_places(table, columns, places);
  int rc = compare_rows(db, table, places, hash_text(columns), err);
  sqlite3_free(places);
  return rc;
}
