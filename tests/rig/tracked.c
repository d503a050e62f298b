/* Files with tracked tables, and the oracle of capture. See tracked.h. */
#include "tracked.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rows/diff.h"
#include "store/tables.h"

int sqlite3_leadx_init(sqlite3 *handle, char **error, const sqlite3_api_routines *api);

/* ---- the file ---- */

void tracked_open(tracked *file) {
  memset(file, 0, sizeof *file);
  snprintf(file->path, sizeof file->path, "/tmp/leadx_tracked_XXXXXX");
  int fd = mkstemp(file->path);
  ck_assert_int_ge(fd, 0);
  close(fd);
  ck_assert_int_eq(sqlite3_open(file->path, &file->handle), SQLITE_OK);
  ck_assert_int_eq(sqlite3_leadx_init(file->handle, NULL, NULL), SQLITE_OK);
  file->db.handle = file->handle;
  tracked_run(file, "PRAGMA synchronous = OFF");
}

void tracked_close(tracked *file) {
  char name[80];
  leadx_db_release(&file->db);
  ck_assert_int_eq(sqlite3_close(file->handle), SQLITE_OK);
  static const char *const tails[] = {"", "-wal", "-shm", "-journal"};
  for (int i = 0; i < 4; i++) {
    snprintf(name, sizeof name, "%s%s", file->path, tails[i]);
    unlink(name);
  }
}

sqlite3 *tracked_second(const tracked *file) {
  sqlite3 *db = NULL;
  ck_assert_int_eq(sqlite3_open(file->path, &db), SQLITE_OK);
  return db;
}

static char *format(const char *fmt, va_list args) {
  char *sql = sqlite3_vmprintf(fmt, args);
  ck_assert_ptr_nonnull(sql);
  return sql;
}

void tracked_run(tracked *file, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *sql = format(fmt, args), *message = NULL;
  va_end(args);
  int rc = sqlite3_exec(file->handle, sql, NULL, NULL, &message);
  ck_assert_msg(rc == SQLITE_OK, "%.300s: %s", sql, message ? message : "?");
  sqlite3_free(sql);
}

int tracked_try(tracked *file, const char *sql) {
  return sqlite3_exec(file->handle, sql, NULL, NULL, NULL);
}

const char *tracked_error(tracked *file, const char *sql) {
  static char text[800];
  char *message = NULL;
  int rc = sqlite3_exec(file->handle, sql, NULL, NULL, &message);
  ck_assert_msg(rc != SQLITE_OK, "%s is not refused", sql);
  snprintf(text, sizeof text, "%s", message ? message : "");
  sqlite3_free(message);
  return text;
}

static const char *ask(tracked *file, char *sql) {
  static char *kept[8];
  static int next;
  sqlite3_stmt *stmt = NULL;
  ck_assert_msg(sqlite3_prepare_v2(file->handle, sql, -1, &stmt, NULL) == SQLITE_OK, "%.300s: %s",
                sql, sqlite3_errmsg(file->handle));
  int rc = sqlite3_step(stmt);
  ck_assert_msg(rc == SQLITE_ROW || rc == SQLITE_DONE, "%.300s: %s", sql,
                sqlite3_errmsg(file->handle));
  char **slot = &kept[next++ % 8];
  sqlite3_free(*slot);
  const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
  *slot = sqlite3_mprintf("%s", text ? text : "");
  sqlite3_finalize(stmt);
  sqlite3_free(sql);
  return *slot;
}

const char *tracked_text(tracked *file, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *sql = format(fmt, args);
  va_end(args);
  return ask(file, sql);
}

sqlite3_int64 tracked_int(tracked *file, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *sql = format(fmt, args);
  va_end(args);
  return strtoll(ask(file, sql), NULL, 10);
}

void tracked_look(tracked *file, const char *table) {
  leadx_tables tables;
  leadx_err_clear(&file->err);
  ck_assert_msg(leadx_tables_load(&file->db, "test", &tables, &file->err) == SQLITE_OK, "%s",
                file->err.text);
  leadx_table *known = leadx_tables_by_name(&tables, table);
  ck_assert_msg(known != NULL, "%s is not tracked", table);
  ck_assert_int_eq(leadx_db_begin(&file->db, &file->err), SQLITE_OK);
  ck_assert_msg(leadx_diff_table(&file->db, known, &file->err) == SQLITE_OK, "%s", file->err.text);
  ck_assert_int_eq(leadx_db_commit(&file->db, &file->err), SQLITE_OK);
  leadx_tables_clear(&tables);
  leadx_db_release(&file->db);
}

void tracked_sent(tracked *file, const char *table) {
  leadx_tables tables;
  leadx_err_clear(&file->err);
  ck_assert_int_eq(leadx_tables_load(&file->db, "test", &tables, &file->err), SQLITE_OK);
  leadx_table *known = leadx_tables_by_name(&tables, table);
  tracked_run(file, "DELETE FROM sync_queue WHERE entity_type = %Q", known->entity);
  tracked_run(file, "DELETE FROM leadx_shadow WHERE entity = %Q", known->entity);
  ck_assert_int_eq(leadx_diff_begin(&file->db, known, 0, &file->err), SQLITE_OK);
  tracked_run(file,
              "UPDATE leadx_shadow SET version = '2024-01-01T00:00:00+00:00' WHERE entity = %Q",
              known->entity);
  leadx_tables_clear(&tables);
  leadx_db_release(&file->db);
}

/* ---- values ---- */

static int says_text(leadx_slice json, const char *text, size_t n) {
  return leadx_json_kind_of(json) == LEADX_JSON_STRING && leadx_json_string_is(json, text, n);
}

static int says_real(leadx_slice json, double value) {
  if (value > 1.7976931348623157e308) return says_text(json, "Infinity", 8);
  if (value < -1.7976931348623157e308) return says_text(json, "-Infinity", 9);
  if (leadx_json_kind_of(json) != LEADX_JSON_NUMBER) return 0;
  double read = strtod(json.z, NULL);
  return memcmp(&read, &value, sizeof read) == 0;
}

static int says_blob(leadx_slice json, const unsigned char *bytes, int n) {
  if (leadx_json_kind_of(json) != LEADX_JSON_STRING || json.n != 5 + 2 * (size_t)n) return 0;
  if (memcmp(json.z, "\"\\\\x", 4) != 0) return 0;
  for (int i = 0; i < n; i++) {
    char hex[3];
    snprintf(hex, sizeof hex, "%02x", bytes[i]);
    if (memcmp(json.z + 4 + 2 * i, hex, 2) != 0) return 0;
  }
  return 1;
}

static int says_integer(leadx_type type, leadx_slice json, sqlite3_int64 value) {
  int64_t read = 0;
  if (type == LEADX_BOOLEAN && value == 0) return leadx_json_kind_of(json) == LEADX_JSON_FALSE;
  if (type == LEADX_BOOLEAN && value == 1) return leadx_json_kind_of(json) == LEADX_JSON_TRUE;
  return leadx_json_kind_of(json) == LEADX_JSON_NUMBER && leadx_json_int64(json, &read) == 0 &&
         read == value;
}

int value_says(leadx_type type, leadx_slice json, sqlite3_stmt *row, int column) {
  switch (sqlite3_column_type(row, column)) {
    case SQLITE_NULL: return leadx_json_kind_of(json) == LEADX_JSON_NULL;
    case SQLITE_INTEGER: return says_integer(type, json, sqlite3_column_int64(row, column));
    case SQLITE_FLOAT: return says_real(json, sqlite3_column_double(row, column));
    case SQLITE_BLOB:
      return says_blob(json, sqlite3_column_blob(row, column), sqlite3_column_bytes(row, column));
    default: {
      const char *text = (const char *)sqlite3_column_text(row, column);
      size_t n = (size_t)sqlite3_column_bytes(row, column);
      if (type == LEADX_UUID && n == 0) return leadx_json_kind_of(json) == LEADX_JSON_NULL;
      return says_text(json, text, n);
    }
  }
}

/* ---- images ---- */

static char complaint[700];

void image_clear(image *is) {
  for (int i = 0; i < is->n; i++) {
    sqlite3_free(is->keys[i]);
    sqlite3_free(is->payloads[i]);
  }
  free(is->keys);
  free(is->payloads);
  memset(is, 0, sizeof *is);
}

static int find_key(const image *is, const char *key) {
  for (int i = 0; i < is->n; i++) {
    if (strcmp(is->keys[i], key) == 0) return i;
  }
  return -1;
}

static void put(image *is, const char *key, const char *payload) {
  int i = find_key(is, key);
  if (i < 0) {
    is->keys = realloc(is->keys, sizeof *is->keys * (size_t)(is->n + 1));
    is->payloads = realloc(is->payloads, sizeof *is->payloads * (size_t)(is->n + 1));
    i = is->n++;
    is->keys[i] = sqlite3_mprintf("%s", key);
  } else {
    sqlite3_free(is->payloads[i]);
  }
  is->payloads[i] = sqlite3_mprintf("%s", payload);
}

static void drop(image *is, const char *key) {
  int i = find_key(is, key);
  if (i < 0) return;
  sqlite3_free(is->keys[i]);
  sqlite3_free(is->payloads[i]);
  is->n--;
  is->keys[i] = is->keys[is->n];
  is->payloads[i] = is->payloads[is->n];
}

void image_begin(image *is, tracked *file, leadx_table *table) {
  tracked_run(file, "SAVEPOINT image; DELETE FROM leadx_shadow; DELETE FROM sync_queue");
  leadx_err_clear(&file->err);
  ck_assert_msg(leadx_diff_begin(&file->db, table, 1, &file->err) == SQLITE_OK, "%s",
                file->err.text);
  image_clear(is);
  const char *wrong = image_fold(is, file, table->entity);
  ck_assert_msg(wrong == NULL, "%s", wrong);
  tracked_run(file, "ROLLBACK TO image; RELEASE image");
  is->seen = tracked_int(file, "SELECT ifnull(max(rowid), 0) FROM sync_queue");
}

/* base has exactly the members in which old and fresh differ, with old's values. */
static const char *check_base(const char *key, const char *base, const char *old,
                              const char *fresh) {
  leadx_slice b, o, f, name, value;
  leadx_json_walk walk;
  int n = 0;
  if (!base || leadx_json_check(base, strlen(base), 0, &b, NULL))
    return "an UPDATE has no base that is JSON";
  leadx_json_check(old, strlen(old), 0, &o, NULL);
  leadx_json_check(fresh, strlen(fresh), 0, &f, NULL);
  leadx_json_walk_init(&walk, o);
  while (leadx_json_walk_member(&walk, &name, &value)) {
    char *text;
    ck_assert_int_eq(leadx_json_text(name, &text, NULL), SQLITE_OK);
    leadx_slice was = leadx_json_member(b, text), is = leadx_json_member(f, text);
    int differs = value.n != is.n || memcmp(value.z, is.z, is.n) != 0;
    int right = differs ? was.n == value.n && memcmp(was.z, value.z, was.n) == 0 : was.n == 0;
    n += differs;
    if (!right)
      snprintf(complaint, sizeof complaint, "row %.60s: the base is wrong at %.60s: %.200s", key,
               text, base);
    sqlite3_free(text);
    if (!right) return complaint;
  }
  return n > 0 ? NULL : "an UPDATE that changes nothing was queued";
}

/* The row that was, with the members that an UPDATE's payload has; sqlite3_malloc memory. */
static char *merge(const char *old, leadx_slice fresh) {
  leadx_slice o, name, value;
  leadx_json_walk walk;
  int n = 0;
  sqlite3_str *merged = sqlite3_str_new(NULL);
  leadx_json_check(old, strlen(old), 0, &o, NULL);
  leadx_json_walk_init(&walk, o);
  while (leadx_json_walk_member(&walk, &name, &value)) {
    char *text;
    ck_assert_int_eq(leadx_json_text(name, &text, NULL), SQLITE_OK);
    leadx_slice is = leadx_json_member(fresh, text);
    if (!is.n) is = value;
    sqlite3_str_appendf(merged, "%s%.*s:", n++ ? "," : "{", (int)name.n, name.z);
    sqlite3_str_append(merged, is.z, (int)is.n);
    sqlite3_free(text);
  }
  sqlite3_str_appendall(merged, "}");
  return sqlite3_str_finish(merged);
}

/* Has it no more members than a key, and each of them like the row that was there? */
static int is_part(leadx_slice part, const char *row) {
  leadx_slice name, value;
  leadx_json_walk walk;
  int n = 0;
  char *merged = merge(row, part);
  leadx_json_walk_init(&walk, part);
  while (leadx_json_walk_member(&walk, &name, &value)) n++;
  int same = merged && strcmp(merged, row) == 0;
  sqlite3_free(merged);
  return same && n <= 2;
}

static const char *fold_row(image *is, sqlite3_stmt *row) {
  const char *key = (const char *)sqlite3_column_text(row, 1),
             *action = (const char *)sqlite3_column_text(row, 2);
  const char *payload = (const char *)sqlite3_column_text(row, 3),
             *base = (const char *)sqlite3_column_text(row, 4);
  leadx_slice whole;
  const char *wrong = leadx_json_check(payload, (size_t)sqlite3_column_bytes(row, 3), 0, &whole,
                                       NULL);
  int known = find_key(is, key);
  if (wrong || leadx_json_kind_of(whole) != LEADX_JSON_OBJECT) {
    snprintf(complaint, sizeof complaint, "row %.60s: the payload is not JSON: %s: %.300s", key,
             wrong ? wrong : "no object", payload);
    return complaint;
  }
  if (strcmp(action, "DELETE") == 0 && known < 0) return "a DELETE of a row that is not known";
  if (strcmp(action, "UPDATE") == 0 && known < 0) return "an UPDATE of a row that is not known";
  char *merged = strcmp(action, "UPDATE") == 0 ? merge(is->payloads[known], whole) : NULL;
  if (merged) payload = merged;
  if (merged && base) wrong = check_base(key, base, is->payloads[known], payload);
  if (strcmp(action, "DELETE") == 0 && known >= 0 && strcmp(payload, "{}") != 0 &&
      strcmp(payload, is->payloads[known]) != 0 && !is_part(whole, is->payloads[known])) {
    wrong = "a DELETE whose payload is not the row that was there";
  }
  if (strcmp(action, "DELETE") == 0) drop(is, key);
  else put(is, key, payload);
  sqlite3_free(merged);
  is->seen = sqlite3_column_int64(row, 0);
  return wrong;
}

const char *image_fold(image *is, tracked *file, const char *entity) {
  sqlite3_stmt *stmt = NULL;
  const char *wrong = NULL;
  ck_assert_int_eq(
      sqlite3_prepare_v2(file->handle,
                         "SELECT rowid, entity_id, action, payload, base FROM sync_queue"
                         " WHERE rowid > ?1 AND entity_type = ?2 ORDER BY rowid",
                         -1, &stmt, NULL),
      SQLITE_OK);
  sqlite3_bind_int64(stmt, 1, is->seen);
  sqlite3_bind_text(stmt, 2, entity, -1, SQLITE_STATIC);
  while (!wrong && sqlite3_step(stmt) == SQLITE_ROW) wrong = fold_row(is, stmt);
  sqlite3_finalize(stmt);
  return wrong;
}

/* The payload that says exactly what the row holds, or NULL. */
static const char *find_row(const image *is, const leadx_table *table, sqlite3_stmt *row) {
  for (int i = 0; i < is->n; i++) {
    leadx_slice object;
    int same = leadx_json_check(is->payloads[i], strlen(is->payloads[i]), 0, &object, NULL) == NULL;
    for (int c = 0; c < table->ncolumns && same; c++) {
      same = value_says(table->columns[c].type, leadx_json_member(object, table->columns[c].remote),
                        row, c);
    }
    if (same) return is->payloads[i];
  }
  return NULL;
}

const char *image_check(const image *is, tracked *file, const leadx_table *table) {
  sqlite3_str *sql = sqlite3_str_new(NULL);
  sqlite3_str_appendall(sql, "SELECT ");
  for (int c = 0; c < table->ncolumns; c++)
    sqlite3_str_appendf(sql, "%s\"%w\"", c ? ", " : "", table->columns[c].name);
  sqlite3_str_appendf(sql, " FROM main.\"%w\"", table->name);
  char *text = sqlite3_str_finish(sql);
  sqlite3_stmt *stmt = NULL;
  const char *wrong = NULL;
  int n = 0;
  ck_assert_int_eq(sqlite3_prepare_v2(file->handle, text, -1, &stmt, NULL), SQLITE_OK);
  for (; !wrong && sqlite3_step(stmt) == SQLITE_ROW; n++) {
    if (find_row(is, table, stmt)) continue;
    snprintf(complaint, sizeof complaint, "the row that begins with %.60s is not what was queued",
             (const char *)sqlite3_column_text(stmt, 0));
    wrong = complaint;
  }
  sqlite3_finalize(stmt);
  sqlite3_free(text);
  if (!wrong && n != is->n) {
    snprintf(complaint, sizeof complaint, "the table has %d rows, the queue leads to %d", n, is->n);
    wrong = complaint;
  }
  return wrong;
}
