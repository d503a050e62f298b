/* Capture. See capture.h. */
#include "rows/capture.h"

#include <string.h>

#include "base/hash.h"
#include "rows/capture_cell.h"
#include "rows/capture_shared.h"
#include "rows/capture_taking.h"
#include "rows/capture_trigger.h"

/* *same: does the trigger or view of that name stand in the file with exactly that text? */
static int trigger_stands(leadx_db *db, const char *name, const char *sql, int *same, int *exists,
                          leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_CAPTURE_TRIGGER_SQL, err, "t", name);
  if (!stmt) return err->rc;
  *exists = leadx_db_next(db, stmt, err);
  const char *text = *exists ? leadx_db_text(stmt, 0, err) : NULL;
  *same = text && strcmp(text, sql) == 0;
  leadx_db_put(db, stmt);
  return err->rc;
}

static int drop_trigger(leadx_db *db, const char *name, leadx_err *err) {
  char *sql = sqlite3_mprintf("DROP TRIGGER IF EXISTS main.\"%w\"", name);
  if (!sql) return leadx_err_nomem(err);
  int rc = leadx_db_exec(db, sql, err);
  sqlite3_free(sql);
  return rc;
}

/* Makes the trigger be that text (NULL: out of memory), or not be there if the text is empty. */
static int install_text(leadx_db *db, const leadx_table *table, int which, char *sql, int *renewed,
                        leadx_err *err) {
  int same = 0, exists = 0, is_made = sql && sql[0];
  char *name = leadx_capture_name(table, which);
  int rc = name && sql ? trigger_stands(db, name, sql, &same, &exists, err) : leadx_err_nomem(err);
  if (rc == SQLITE_OK && (exists || is_made) && !same) {
    *renewed = 1;
    if (exists) rc = drop_trigger(db, name, err);
    if (rc == SQLITE_OK && is_made) rc = leadx_db_exec(db, sql, err);
  }
  sqlite3_free(name);
  sqlite3_free(sql);
  return rc;
}

static int install_one(leadx_db *db, const leadx_table *table, int which, int *renewed,
                       leadx_err *err) {
  return install_text(db, table, which, leadx_capture_trigger(table, which), renewed, err);
}

/* The triggers that see what REPLACE takes along, of a table from which it can take something. They
** come last, because SQLite runs the newest trigger first and their DELETE frees what the row that
** is written needs. What they missed cannot be found by comparing, so nobody has to be told. */
static int install_taking(leadx_db *db, const leadx_table *table, leadx_err *err) {
  leadx_uniques uniques;
  int renewed = 0, rc = leadx_uniques_read(db, table, &uniques, err);
  for (int i = LEADX_TRIGGER_NOTE; i < LEADX_TRIGGERS && rc == SQLITE_OK; i++)
    rc = install_text(db, table, i,
                      uniques.n ? leadx_capture_taking(table, &uniques, i) : sqlite3_mprintf(""),
                      &renewed, err);
  leadx_uniques_clear(&uniques);
  return rc == SQLITE_OK ? leadx_db_run(db, LEADX_SQL_CAPTURE_NOTES_CLEAR, err, "t", table->entity)
                         : rc;
}

/* Lends a statement about the table's triggers: ?1 is its name, ?2 to ?10 are the names of ours. */
static sqlite3_stmt *query_triggers(leadx_db *db, const leadx_table *table, int sql_id,
                                    leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_query(db, sql_id, err, "s", table->name);
  if (!stmt) return NULL;
  int rc = SQLITE_OK;
  for (int i = 0; i < LEADX_TRIGGERS && rc == SQLITE_OK; i++) {
    char *name = leadx_capture_name(table, i);
    rc = name ? sqlite3_bind_text(stmt, 2 + i, name, -1, sqlite3_free) : SQLITE_NOMEM;
  }
  if (rc == SQLITE_OK) return stmt;
  leadx_err_nomem(err);
  leadx_db_put(db, stmt);
  return NULL;
}

/* The name of a trigger of ours that bears another table's name, in sqlite3_malloc memory; NULL
** when there is none. */
static char *find_stray(leadx_db *db, const leadx_table *table, leadx_err *err) {
  sqlite3_stmt *stmt = query_triggers(db, table, LEADX_SQL_CAPTURE_STRAY_TRIGGER, err);
  if (!stmt) return NULL;
  char *found = NULL;
  if (leadx_db_next(db, stmt, err)) {
    const char *name = leadx_db_text(stmt, 0, err);
    found = name ? sqlite3_mprintf("%s", name) : NULL;
    if (!found) leadx_err_nomem(err);
  }
  leadx_db_put(db, stmt);
  return found;
}

/* A table that was renamed brought its old triggers along, which would queue everything twice. One
** whose entry in the schema has another name than its text is no trigger of that name to SQLite,
** and stays. */
static int drop_strays(leadx_db *db, const leadx_table *table, leadx_err *err) {
  char *name, *before = NULL;
  while (err->rc == SQLITE_OK && (name = find_stray(db, table, err)) != NULL) {
    if (before && strcmp(before, name) == 0) {
      leadx_err_set(err, SQLITE_CORRUPT,
                    "table \"%s\": its trigger \"%.60s\" cannot be dropped, because the file's "
                    "schema is damaged; copy your own tables to a new file and track them there",
                    table->name, name);
    } else {
      drop_trigger(db, name, err);
    }
    sqlite3_free(before);
    before = name;
  }
  sqlite3_free(before);
  return err->rc;
}

/* An application's trigger that is newer than ours runs before them, and what it writes would be
** captured before the write that it answers: ours are made anew, as the newest. */
static int drop_overtaken(leadx_db *db, const leadx_table *table, leadx_err *err) {
  sqlite3_stmt *stmt = query_triggers(db, table, LEADX_SQL_CAPTURE_TRIGGER_BEFORE_OURS, err);
  if (!stmt) return err->rc;
  int overtaken = leadx_db_next(db, stmt, err) && sqlite3_column_int(stmt, 0);
  leadx_db_put(db, stmt);
  return overtaken ? leadx_capture_remove(db, table->name, err) : err->rc;
}

int leadx_capture_hash(leadx_db *db, const leadx_table *table, uint64_t *hash, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_CAPTURE_TRIGGERS, err, "s", table->name);
  if (!stmt) return err->rc;
  *hash = LEADX_HASH_SEED;
  while (leadx_db_next(db, stmt, err)) *hash = leadx_db_hash_row(stmt, *hash, err);
  leadx_db_put(db, stmt);
  return err->rc;
}

/* A shared object of that width. */
typedef struct shared {
  const leadx_shared *kind;
  char *name, *sql;
  int same, exists;
} shared;

static int look_at_shared(leadx_db *db, const leadx_shared *kind, int width, shared *object,
                          leadx_err *err) {
  sqlite3_str *text = sqlite3_str_new(NULL);
  memset(object, 0, sizeof *object);
  object->kind = kind;
  leadx_shared_text(text, kind, width);
  object->sql = leadx_db_finish(text, err);
  object->name = sqlite3_mprintf(kind->name, width);
  if (!object->name) leadx_err_nomem(err);
  if (err->rc != SQLITE_OK) return err->rc;
  return trigger_stands(db, object->name, object->sql, &object->same, &object->exists, err);
}

static int make_shared(leadx_db *db, const shared *object, leadx_err *err) {
  char *drop = sqlite3_mprintf("DROP %s IF EXISTS main.%s",
                               object->kind->is_view ? "VIEW" : "TRIGGER", object->name);
  int rc = drop ? leadx_db_exec(db, drop, err) : leadx_err_nomem(err);
  sqlite3_free(drop);
  return rc == SQLITE_OK ? leadx_db_exec(db, object->sql, err) : rc;
}

/* The views that a table's triggers hand their changes to, and the triggers of these. *renewed: were
** they not what they should be? Without one of them a write fails; with another text it may be lost,
** of whatever table it is. A view takes its triggers along. */
static int install_shared(leadx_db *db, const leadx_table *table, int *renewed, leadx_err *err) {
  int rc = SQLITE_OK, width = leadx_capture_width(table);
  const leadx_shared *kind;
  for (int i = 0; rc == SQLITE_OK && (kind = leadx_shared_object(i)) != NULL; i++) {
    shared object;
    if (leadx_capture_is_wide(table) && !kind->for_wide) continue;
    rc = look_at_shared(db, kind, width, &object, err);
    if (rc == SQLITE_OK && !object.same) {
      *renewed |= object.exists;
      if (object.exists) rc = leadx_db_run(db, LEADX_SQL_CAPTURE_CATCH_UP, err, "");
      if (rc == SQLITE_OK) rc = make_shared(db, &object, err);
    }
    sqlite3_free(object.name);
    sqlite3_free(object.sql);
  }
  return rc;
}

static int drop_old_view(leadx_db *db, leadx_err *err) {
  int64_t is_left = 0;
  int rc = leadx_db_int(db, LEADX_SQL_CAPTURE_HAS_OLD_VIEW, err, &is_left, "");
  return rc == SQLITE_OK && is_left ? leadx_db_exec(db, "DROP VIEW main.leadx_change", err) : rc;
}

int leadx_capture_install(leadx_db *db, const leadx_table *table, int *renewed, leadx_err *err) {
  int fresh = 0, rc = drop_strays(db, table, err);
  if (rc == SQLITE_OK && table->mode == LEADX_MODE_PULL) {
    rc = leadx_capture_remove(db, table->name, err);
  } else {
    if (rc == SQLITE_OK) rc = install_shared(db, table, &fresh, err);
    if (rc == SQLITE_OK) rc = drop_overtaken(db, table, err);
    for (int i = 0; i < LEADX_TRIGGER_NOTE && rc == SQLITE_OK; i++)
      rc = install_one(db, table, i, &fresh, err);
    if (rc == SQLITE_OK) rc = install_taking(db, table, err);
    if (rc == SQLITE_OK && fresh) rc = drop_old_view(db, err);
  }
  if (renewed) *renewed = fresh;
  return rc;
}

int leadx_capture_remove(leadx_db *db, const char *table_name, leadx_err *err) {
  leadx_table named = {.name = (char *)(uintptr_t)table_name};
  int rc = SQLITE_OK;
  for (int i = 0; i < LEADX_TRIGGERS && rc == SQLITE_OK; i++) {
    char *name = leadx_capture_name(&named, i);
    rc = name ? drop_trigger(db, name, err) : leadx_err_nomem(err);
    sqlite3_free(name);
  }
  return rc;
}
