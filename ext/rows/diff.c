/* Rows that no trigger saw. See diff.h. */
#include "rows/diff.h"

#include <string.h>

#include "rows/capture.h"
#include "rows/fingerprint.h"
#include "store/template.h"

/* What the statements of a table are filled from. */
typedef struct diff_fill {
  const leadx_table *table;
  const char *known; /* a further condition on the rows that are known */
} diff_fill;

static void fill_hole(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  const diff_fill *fill = arg;
  const leadx_table *table = fill->table;
  char *row = sqlite3_mprintf("\"%w\"", table->name);
  if (!row) leadx_db_spoil(sql);
#define HOLE(name) leadx_template_is(hole, n, name)
  if (HOLE("table")) sqlite3_str_appendall(sql, row ? row : "");
  if (HOLE("entity")) sqlite3_str_appendf(sql, "%Q", table->entity);
  if (HOLE("id")) leadx_capture_id(sql);
  if (HOLE("clock")) sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_CLOCK]);
  if (HOLE("key")) leadx_capture_key(sql, table, row ? row : "NULL");
  if (HOLE("row")) leadx_capture_row(sql, table, row ? row : "NULL");
  if (HOLE("known")) sqlite3_str_appendall(sql, fill->known);
#undef HOLE
  sqlite3_free(row);
}

/* Runs a statement of sql/rows/diff.sql for a table. */
static int run_template(leadx_db *db, const leadx_table *table, int sql_id, const char *known,
                        leadx_err *err) {
  const diff_fill fill = {table, known};
  sqlite3_str *sql = sqlite3_str_new(NULL);
  leadx_template_append(sql, leadx_sql_text[sql_id], fill_hole, &fill);
  char *z = leadx_db_finish(sql, err);
  int rc = z ? leadx_db_exec(db, z, err) : err->rc;
  sqlite3_free(z);
  return rc;
}

int leadx_diff_begin(leadx_db *db, const leadx_table *table, int backfill, leadx_err *err) {
  if (backfill)
    return run_template(db, table, LEADX_SQL_DIFF_BACKFILL, "AND version IS NOT NULL", err);
  int rc = run_template(db, table, LEADX_SQL_DIFF_NOTE_ROWS, "", err);
  return rc == SQLITE_OK ? leadx_fingerprint_all(db, table, err) : rc;
}

/* The columns that the table was tracked with; the caller frees. */
static char *tracked_columns(leadx_db *db, const leadx_table *table, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_FINGERPRINT_COLUMNS, err, "s", table->name);
  if (!stmt) return NULL;
  const char *text = leadx_db_next(db, stmt, err) ? leadx_db_text(stmt, 0, err) : NULL;
  char *columns = err->rc == SQLITE_OK ? sqlite3_mprintf("%s", text ? text : "") : NULL;
  leadx_db_put(db, stmt);
  if (!columns) leadx_err_nomem(err);
  return columns;
}

static int compare(leadx_db *db, const leadx_table *table, leadx_err *err) {
  char *columns = tracked_columns(db, table, err);
  int rc = columns ? leadx_fingerprint_compare(db, table, columns, err) : err->rc;
  sqlite3_free(columns);
  return rc;
}

/* What is queued from now on is in terms of the columns of now. */
static int note_columns(leadx_db *db, const leadx_table *table, leadx_err *err) {
  sqlite3_str *text = sqlite3_str_new(NULL);
  leadx_fingerprint_columns(table, text);
  char *columns = leadx_db_finish(text, err);
  int rc = columns ? leadx_db_run(db, LEADX_SQL_FINGERPRINT_COLUMNS_SET, err, "tt", table->name,
                                  columns)
                   : err->rc;
  sqlite3_free(columns);
  return rc == SQLITE_OK ? leadx_fingerprint_all(db, table, err) : rc;
}

/* Triggers were missing or old: whatever was written meanwhile is found by comparing every row. */
static int catch_up(leadx_db *db, const leadx_table *table, leadx_err *err) {
  int rc = run_template(db, table, LEADX_SQL_DIFF_BACKFILL, "", err);
  if (rc == SQLITE_OK) rc = compare(db, table, err);
  if (rc == SQLITE_OK) rc = run_template(db, table, LEADX_SQL_DIFF_DELETED, "", err);
  return rc == SQLITE_OK ? note_columns(db, table, err) : rc;
}

/* Looks at the triggers; *renewed: they were missing or old. Writing out what they should be takes
** far longer than reading what they are, so that is done once, and again when they are not what
** they were then. */
static int check_triggers(leadx_db *db, leadx_table *table, int *renewed, leadx_err *err) {
  uint64_t triggers = 0;
  int rc = leadx_capture_hash(db, table, &triggers, err);
  if (rc != SQLITE_OK || triggers == table->triggers) return rc;
  rc = leadx_capture_install(db, table, renewed, err);
  if (rc == SQLITE_OK && !*renewed) table->triggers = triggers;
  return rc;
}

int leadx_diff_table(leadx_db *db, leadx_table *table, leadx_err *err) {
  int renewed = 0;
  int64_t unsent = 0, is_due = 0;
  if (table->mode == LEADX_MODE_PULL) return SQLITE_OK;
  int rc = check_triggers(db, table, &renewed, err);
  if (rc == SQLITE_OK) rc = leadx_db_int(db, LEADX_SQL_DIFF_IS_DUE, err, &is_due, "");
  if (rc == SQLITE_OK && (renewed || is_due)) return catch_up(db, table, err);
  /* REPLACE removes another row only over a second unique constraint, and only with a write that
  ** was captured. */
  if (rc == SQLITE_OK && table->has_unique)
    rc = leadx_db_int(db, LEADX_SQL_QUEUE_UNSENT_OF_ENTITY, err, &unsent, "t", table->entity);
  if (rc == SQLITE_OK && unsent) rc = run_template(db, table, LEADX_SQL_DIFF_DELETED, "", err);
  return rc;
}

int leadx_diff_end(leadx_db *db, leadx_err *err) {
  int rc = leadx_db_run(db, LEADX_SQL_APPLYING_OFF, err, "");
  return rc == SQLITE_OK ? leadx_db_run(db, LEADX_SQL_DIFF_IS_DONE, err, "") : rc;
}

int leadx_diff_forget_absent(leadx_db *db, const leadx_table *table, leadx_err *err) {
  return run_template(db, table, LEADX_SQL_DIFF_FORGET_ABSENT, "", err);
}

int leadx_diff_missing(leadx_db *db, leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_TABLE_NOTE_GONE, err, "");
}
