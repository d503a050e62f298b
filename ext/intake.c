/* Intake: rows of the server into a local table. See intake.h. */
#include "intake.h"

#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "change.h"

struct leadx_intake {
  leadx_db *db;
  leadx_table *table;
  char **pending;          /* sorted keys with unsent changes */
  int npending, capacity;
  int64_t seen_rowid;      /* the queue was read up to here */
  int held_read;
  sqlite3_stmt *upsert;
  int *parameter_of;       /* of each column in the upsert: its parameter, 0 when the rows do not have it */
  int *order;              /* the column that the i-th member of a row stands for, -1 for none: rows are uniform */
  int norder;
  sqlite3_stmt *erase;
};

leadx_intake *leadx_intake_open(leadx_db *db, leadx_table *table, leadx_err *err) {
  leadx_intake *intake = sqlite3_malloc64(sizeof *intake);
  if (!intake) {
    leadx_err_nomem(err);
    return NULL;
  }
  memset(intake, 0, sizeof *intake);
  intake->db = db;
  intake->table = table;
  return intake;
}

static void drop_upsert(leadx_intake *intake) {
  sqlite3_finalize(intake->upsert);
  sqlite3_free(intake->parameter_of);
  sqlite3_free(intake->order);
  intake->upsert = NULL;
  intake->parameter_of = intake->order = NULL;
  intake->norder = 0;
}

void leadx_intake_close(leadx_intake *intake) {
  if (!intake) return;
  for (int i = 0; i < intake->npending; i++) sqlite3_free(intake->pending[i]);
  sqlite3_free(intake->pending);
  drop_upsert(intake);
  sqlite3_finalize(intake->erase);
  sqlite3_free(intake);
}

/* ---- what is unsent ---- */

static int compare_keys(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int add_pending(leadx_intake *intake, const char *key) {
  if (intake->npending == intake->capacity) {
    int capacity = intake->capacity ? intake->capacity * 2 : 64;
    char **more = sqlite3_realloc64(intake->pending, sizeof *more * (size_t)capacity);
    if (!more) return SQLITE_NOMEM;
    intake->pending = more;
    intake->capacity = capacity;
  }
  char *copy = sqlite3_mprintf("%s", key ? key : "");
  if (!copy) return SQLITE_NOMEM;
  intake->pending[intake->npending++] = copy;
  return SQLITE_OK;
}

/* Reads keys off a statement: (rowid, key) when with_rowid, else (key). */
static int read_keys(leadx_intake *intake, sqlite3_stmt *stmt, int with_rowid, leadx_err *err) {
  int rc;
  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    if (with_rowid && sqlite3_column_int64(stmt, 0) > intake->seen_rowid) intake->seen_rowid = sqlite3_column_int64(stmt, 0);
    if (add_pending(intake, (const char *)sqlite3_column_text(stmt, with_rowid)) != SQLITE_OK) return leadx_err_nomem(err);
  }
  return rc == SQLITE_DONE ? SQLITE_OK : leadx_err_db(err, intake->db->handle, rc, "read the unsent keys");
}

static int read_unsent(leadx_intake *intake, leadx_err *err) {
  int before = intake->npending, rc = SQLITE_OK;
  int64_t mark = 0;
  if (!intake->held_read) {
    rc = leadx_db_int(intake->db, LEADX_SQL_QUEUE_MARK_GET, err, &mark, "");
    if (intake->seen_rowid < mark) intake->seen_rowid = mark;
    sqlite3_stmt *held = rc == SQLITE_OK ? leadx_db_get(intake->db, LEADX_SQL_PULL_UNSENT_HELD, err) : NULL;
    if (!held) return err->rc;
    sqlite3_bind_text(held, 1, intake->table->entity, -1, SQLITE_STATIC);
    rc = read_keys(intake, held, 0, err);
    leadx_db_put(intake->db, held);
    intake->held_read = 1;
  }
  sqlite3_stmt *stmt = rc == SQLITE_OK ? leadx_db_get(intake->db, LEADX_SQL_PULL_UNSENT_KEYS, err) : NULL;
  if (!stmt) return err->rc;
  sqlite3_bind_int64(stmt, 1, intake->seen_rowid);
  sqlite3_bind_text(stmt, 2, intake->table->entity, -1, SQLITE_STATIC);
  rc = read_keys(intake, stmt, 1, err);
  leadx_db_put(intake->db, stmt);
  if (intake->npending > before) qsort(intake->pending, (size_t)intake->npending, sizeof *intake->pending, compare_keys);
  return rc;
}

int leadx_intake_is_pending(const leadx_intake *intake, const char *key) {
  return intake->npending > 0 && bsearch(&key, intake->pending, (size_t)intake->npending, sizeof *intake->pending, compare_keys) != NULL;
}

int leadx_intake_begin(leadx_intake *intake, leadx_err *err) {
  int rc = read_unsent(intake, err);
  return rc == SQLITE_OK ? leadx_apply_begin(intake->db, err) : rc;
}

int leadx_intake_end(leadx_intake *intake, leadx_err *err) { return leadx_apply_end(intake->db, err); }

/* ---- the key ---- */

char *leadx_intake_key(const leadx_table *table, leadx_slice row) {
  sqlite3_str *key = sqlite3_str_new(NULL);
  int complete = 1;
  if (table->nkey > 1) sqlite3_str_appendall(key, "[");
  for (int i = 0; i < table->nkey; i++) {
    leadx_slice value = leadx_json_member(row, table->columns[table->key[i]].remote);
    leadx_json_kind kind = leadx_json_kind_of(value);
    if (kind == LEADX_JSON_NONE || kind == LEADX_JSON_NULL) complete = 0;
    if (table->nkey > 1 && i > 0) sqlite3_str_appendall(key, ",");
    if (table->nkey == 1 && kind == LEADX_JSON_STRING) leadx_json_unescape(value, key);
    else sqlite3_str_append(key, value.z ? value.z : "", (int)value.n);
  }
  if (table->nkey > 1) sqlite3_str_appendall(key, "]");
  char *text = sqlite3_str_finish(key);
  if (complete && text && *text) return text;
  sqlite3_free(text);
  return NULL;
}

/* ---- the upsert ---- */

/* Learns which member of a row is which column; rows of one answer all have the same members. */
static int learn_order(leadx_intake *intake, leadx_slice row, leadx_err *err) {
  leadx_json_walk walk;
  leadx_slice name, value;
  int n = 0;
  leadx_json_walk_init(&walk, row);
  while (leadx_json_walk_member(&walk, &name, &value)) n++;
  intake->order = sqlite3_malloc64(sizeof(int) * ((size_t)n + 1));
  intake->parameter_of = sqlite3_malloc64(sizeof(int) * ((size_t)intake->table->ncolumns + 1));
  if (!intake->order || !intake->parameter_of) return leadx_err_nomem(err);
  memset(intake->parameter_of, 0, sizeof(int) * ((size_t)intake->table->ncolumns + 1));
  leadx_json_walk_init(&walk, row);
  while (leadx_json_walk_member(&walk, &name, &value)) {
    int column = -1;
    for (int i = 0; i < intake->table->ncolumns && column < 0; i++) {
      const char *remote = intake->table->columns[i].remote;
      if (leadx_json_string_is(name, remote, strlen(remote))) column = i;
    }
    intake->order[intake->norder++] = column;
  }
  return SQLITE_OK;
}

static int prepare_upsert(leadx_intake *intake, leadx_err *err) {
  const leadx_table *table = intake->table;
  sqlite3_str *sql = sqlite3_str_new(NULL), *values = sqlite3_str_new(NULL), *updates = sqlite3_str_new(NULL);
  int n = 0, nupdates = 0;
  for (int i = 0; i < intake->norder; i++) {
    int column = intake->order[i];
    if (column < 0 || intake->parameter_of[column]) continue;
    intake->parameter_of[column] = ++n;
    sqlite3_str_appendf(sql, "%s\"%w\"", n > 1 ? "," : "", table->columns[column].name);
    sqlite3_str_appendf(values, "%s?%d", n > 1 ? "," : "", n);
    if (table->columns[column].key_position == 0) {
      sqlite3_str_appendf(updates, "%s\"%w\"=excluded.\"%w\"", nupdates++ ? "," : "", table->columns[column].name, table->columns[column].name);
    }
  }
  char *columns = sqlite3_str_finish(sql), *places = sqlite3_str_finish(values), *sets = sqlite3_str_finish(updates);
  sqlite3_str *whole = sqlite3_str_new(NULL);
  sqlite3_str_appendf(whole, "INSERT INTO main.\"%w\"(%s) VALUES(%s) ON CONFLICT(", table->name, columns ? columns : "", places ? places : "");
  for (int i = 0; i < table->nkey; i++) sqlite3_str_appendf(whole, "%s\"%w\"", i ? "," : "", table->columns[table->key[i]].name);
  if (sets) sqlite3_str_appendf(whole, ") DO UPDATE SET %s", sets);
  else sqlite3_str_appendall(whole, ") DO NOTHING");
  sqlite3_free(columns);
  sqlite3_free(places);
  sqlite3_free(sets);
  intake->upsert = leadx_db_prepare_str(intake->db, whole, err);
  return intake->upsert ? SQLITE_OK : err->rc;
}

/* Does the row have the members that the upsert was made for, in that order? */
static int fits_order(const leadx_intake *intake, leadx_slice row) {
  leadx_json_walk walk;
  leadx_slice name, value;
  int i = 0;
  leadx_json_walk_init(&walk, row);
  for (; leadx_json_walk_member(&walk, &name, &value); i++) {
    if (i >= intake->norder) return 0;
    int column = intake->order[i];
    if (column < 0) continue;
    const char *remote = intake->table->columns[column].remote;
    if (!leadx_json_string_is(name, remote, strlen(remote))) return 0;
  }
  return i == intake->norder;
}

static int need_upsert(leadx_intake *intake, leadx_slice row, leadx_err *err) {
  if (intake->upsert && fits_order(intake, row)) return SQLITE_OK;
  drop_upsert(intake);
  int rc = learn_order(intake, row, err);
  return rc == SQLITE_OK ? prepare_upsert(intake, err) : rc;
}

/* NULL for a NOT NULL column: its DEFAULT, else '' for text; SQLITE_MISMATCH when there is neither. */
static int bind_missing(leadx_intake *intake, int parameter, const leadx_column *column) {
  if (column->default_sql) {
    sqlite3_stmt *stmt = NULL;
    char *sql = sqlite3_mprintf("SELECT %s", column->default_sql);
    int rc = sql ? sqlite3_prepare_v2(intake->db->handle, sql, -1, &stmt, NULL) : SQLITE_NOMEM;
    sqlite3_free(sql);
    if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) rc = sqlite3_bind_value(intake->upsert, parameter, sqlite3_column_value(stmt, 0));
    sqlite3_finalize(stmt);
    return rc;
  }
  if (column->type == LEADX_TEXT) return sqlite3_bind_text(intake->upsert, parameter, "", 0, SQLITE_STATIC);
  return SQLITE_MISMATCH;
}

static int bind_row(leadx_intake *intake, leadx_slice row) {
  leadx_json_walk walk;
  leadx_slice name, value;
  int rc = SQLITE_OK;
  leadx_json_walk_init(&walk, row);
  for (int i = 0; rc == SQLITE_OK && leadx_json_walk_member(&walk, &name, &value); i++) {
    int index = intake->order[i];
    if (index < 0) continue;
    const leadx_column *column = &intake->table->columns[index];
    int missing = column->not_null && leadx_json_kind_of(value) == LEADX_JSON_NULL;
    rc = missing ? bind_missing(intake, intake->parameter_of[index], column)
                 : leadx_wire_bind(intake->upsert, intake->parameter_of[index], column->type, value);
  }
  return rc;
}

/* Refused by the local table's own rules, as opposed to a broken or busy file. */
static int is_refusal(int rc) { return (rc & 0xff) == SQLITE_CONSTRAINT || (rc & 0xff) == SQLITE_MISMATCH || (rc & 0xff) == SQLITE_TOOBIG; }

static int upsert(leadx_intake *intake, leadx_slice row, const char **refused, leadx_err *err) {
  int rc = need_upsert(intake, row, err);
  if (rc != SQLITE_OK) return rc;
  rc = bind_row(intake, row);
  if (rc == SQLITE_OK) rc = sqlite3_step(intake->upsert);
  sqlite3_reset(intake->upsert);
  if (rc == SQLITE_DONE) return SQLITE_OK;
  if (!is_refusal(rc)) return leadx_err_db(err, intake->db->handle, rc, "apply a row of the server");
  *refused = (rc & 0xff) == SQLITE_MISMATCH ? "a NULL of the server does not fit a NOT NULL column" : sqlite3_errmsg(intake->db->handle);
  return SQLITE_OK;
}

/* ---- rows ---- */

static int park(leadx_intake *intake, const char *key, const char *reason, int *parked, leadx_err *err) {
  *parked = 1;
  return leadx_db_run(intake->db, LEADX_SQL_PARKED_ADD, err, "ttt", intake->table->entity, key, reason);
}

/* Do we hold this very version of the row already? */
static int is_known_version(leadx_intake *intake, const char *key, const char *version, int *known, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_get(intake->db, LEADX_SQL_SHADOW_GET, err);
  if (!stmt) return err->rc;
  sqlite3_bind_text(stmt, 1, intake->table->entity, -1, SQLITE_STATIC);
  sqlite3_bind_text(stmt, 2, key, -1, SQLITE_STATIC);
  int rc = sqlite3_step(stmt);
  const char *mine = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
  *known = mine && version && strcmp(mine, version) == 0;
  leadx_db_put(intake->db, stmt);
  return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : leadx_err_db(err, intake->db->handle, rc, "read the shadow");
}

static int is_deleted(const leadx_table *table, leadx_slice row) {
  leadx_slice mark = table->soft_delete_column ? leadx_json_member(row, table->soft_delete_column) : (leadx_slice){NULL, 0};
  return mark.n && leadx_json_kind_of(mark) != LEADX_JSON_NULL && leadx_json_kind_of(mark) != LEADX_JSON_FALSE;
}

static int erase(leadx_intake *intake, const char *key, const char **refused, leadx_err *err) {
  if (!intake->erase) {
    sqlite3_str *sql = sqlite3_str_new(NULL);
    sqlite3_str_appendf(sql, "DELETE FROM main.\"%w\" WHERE ", intake->table->name);
    leadx_table_where_key(intake->table, sql, 1);
    intake->erase = leadx_db_prepare_str(intake->db, sql, err);
    if (!intake->erase) return err->rc;
  }
  int rc = leadx_table_bind_key(intake->table, intake->erase, 1, key);
  if (rc == SQLITE_OK) rc = sqlite3_step(intake->erase);
  sqlite3_reset(intake->erase);
  if (rc == SQLITE_DONE) return SQLITE_OK;
  if (!is_refusal(rc)) return leadx_err_db(err, intake->db->handle, rc, "remove a row the server deleted");
  *refused = sqlite3_errmsg(intake->db->handle);
  return SQLITE_OK;
}

/* A soft delete marks the local row where it has the column, and removes it where it has not. */
static int take(leadx_intake *intake, leadx_slice row, const char *key, const char **refused, leadx_err *err) {
  const leadx_table *table = intake->table;
  if (is_deleted(table, row) && leadx_table_find_remote(table, table->soft_delete_column, strlen(table->soft_delete_column)) < 0) {
    return erase(intake, key, refused, err);
  }
  return upsert(intake, row, refused, err);
}

static int take_row(leadx_intake *intake, leadx_slice row, const char *key, const char *version, int anew, int *changed, int *parked,
                    leadx_err *err) {
  const char *refused = NULL;
  int known = 0;
  int rc = is_known_version(intake, key, version, &known, err);
  if (rc != SQLITE_OK || (known && !anew)) return rc;
  if (leadx_intake_is_pending(intake, key)) return park(intake, key, "a local change is unsent", parked, err);
  rc = take(intake, row, key, &refused, err);
  if (rc != SQLITE_OK) return rc;
  if (refused) return park(intake, key, refused, parked, err);
  *changed = 1;
  return leadx_db_run(intake->db, LEADX_SQL_SHADOW_SET, err, "ttt", intake->table->entity, key, version);
}

int leadx_intake_row(leadx_intake *intake, leadx_slice row, int anew, int *changed, int *parked, leadx_err *err) {
  char *key = leadx_intake_key(intake->table, row), *version = leadx_change_version_of(intake->table, row);
  *changed = *parked = 0;
  int rc = key ? take_row(intake, row, key, version, anew, changed, parked, err)
               : leadx_err_set(err, SQLITE_ERROR, "table \"%s\": the server's row has no \"%s\"", intake->table->name,
                               intake->table->columns[intake->table->key[0]].remote);
  sqlite3_free(key);
  sqlite3_free(version);
  return rc;
}

int leadx_intake_remove(leadx_intake *intake, const char *key, int *changed, leadx_err *err) {
  const char *refused = NULL;
  *changed = 0;
  if (leadx_intake_is_pending(intake, key)) return SQLITE_OK;
  int rc = erase(intake, key, &refused, err);
  if (rc != SQLITE_OK || refused) return rc;
  *changed = 1;
  return leadx_db_run(intake->db, LEADX_SQL_SHADOW_FORGET, err, "tt", intake->table->entity, key);
}
