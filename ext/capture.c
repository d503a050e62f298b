/* Capture: triggers out. See capture.h.
**
** A row is written as JSON by concatenation. Per column the common case is one typeof() and one
** GLOB; what needs escaping takes the slow way (capture_escape in sql/capture.sql). No part may
** ever be NULL, because that would make the payload NULL and abort the user's write.
*/
#include "capture.h"

#include <string.h>

/* Long chains of || and OR are cut into parentheses of this many, so that 2,000 columns stay
** under SQLite's limit of 1,000 for the depth of an expression. */
#define CHAIN 24

/* Anything but the characters that stand for themselves in JSON: ] blank ! # to [ ^ to U+10FFFF. */
#define NEEDS_ESCAPE "*[^] -!#-[^-\xf4\x8f\xbf\xbf]*"

/* Appends a template with its {{holes}} filled by fill(arg, sql, hole). */
static void append_template(sqlite3_str *sql, const char *text, void (*fill)(const void *, sqlite3_str *, const char *, size_t),
                            const void *arg) {
  const char *open;
  while ((open = strstr(text, "{{")) != NULL) {
    const char *close = strstr(open, "}}");
    sqlite3_str_append(sql, text, (int)(open - text));
    fill(arg, sql, open + 2, (size_t)(close - open) - 2);
    text = close + 2;
  }
  sqlite3_str_appendall(sql, text);
}

static void fill_value(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  (void)hole;
  (void)n;
  sqlite3_str_appendall(sql, arg);
}

/* ---- one value ---- */

static void append_text(sqlite3_str *sql, const char *ref) {
  sqlite3_str_appendf(sql, "CASE WHEN %s NOT GLOB '" NEEDS_ESCAPE "' AND instr(%s, x'00') = 0 THEN '\"' || %s || '\"' ELSE '\"' || ", ref, ref,
                      ref);
  append_template(sql, leadx_sql_text[LEADX_SQL_CAPTURE_ESCAPE], fill_value, ref);
  sqlite3_str_appendall(sql, " || '\"' END");
}

/* quote() writes a double with 15 digits when they suffice and with 21 when they do not;
** PostgreSQL takes the infinities as strings. */
static void append_real(sqlite3_str *sql, const char *ref) {
  sqlite3_str_appendf(sql,
                      "CASE WHEN %s BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308 THEN quote(%s) WHEN %s > 0 "
                      "THEN '\"Infinity\"' ELSE '\"-Infinity\"' END",
                      ref, ref, ref);
}

static void append_integer(sqlite3_str *sql, const char *ref, leadx_type type) {
  if (type == LEADX_BOOLEAN) {
    sqlite3_str_appendf(sql, "CASE %s WHEN 0 THEN 'false' WHEN 1 THEN 'true' ELSE %s END", ref, ref);
  } else if (type == LEADX_TIMESTAMP_S) {
    sqlite3_str_appendf(sql, "ifnull('\"' || strftime('%%Y-%%m-%%dT%%H:%%M:%%SZ', %s, 'unixepoch') || '\"', %s)", ref, ref);
  } else if (type == LEADX_TIMESTAMP_MS) {
    sqlite3_str_appendf(sql,
                        "ifnull('\"' || strftime('%%Y-%%m-%%dT%%H:%%M:%%S', (%s - (%s %% 1000 + 1000) %% 1000) / 1000, 'unixepoch') "
                        "|| printf('.%%03dZ\"', (%s %% 1000 + 1000) %% 1000), %s)",
                        ref, ref, ref, ref);
  } else {
    sqlite3_str_appendall(sql, ref);
  }
}

/* The wire form of one value, whatever its storage class is. */
static void append_value(sqlite3_str *sql, const leadx_column *column, const char *ref) {
  sqlite3_str_appendf(sql, "CASE typeof(%s) WHEN 'null' THEN 'null' WHEN 'integer' THEN ", ref);
  append_integer(sql, ref, column->type);
  sqlite3_str_appendall(sql, " WHEN 'text' THEN ");
  if (column->type == LEADX_UUID) sqlite3_str_appendf(sql, "CASE WHEN %s = '' THEN 'null' ELSE ", ref);
  append_text(sql, ref);
  if (column->type == LEADX_UUID) sqlite3_str_appendall(sql, " END");
  sqlite3_str_appendall(sql, " WHEN 'real' THEN ");
  append_real(sql, ref);
  sqlite3_str_appendf(sql, " ELSE '\"\\\\x' || lower(hex(%s)) || '\"' END", ref);
}

/* "NEW"."name", in sqlite3_malloc memory. */
static char *reference(const char *row, const leadx_column *column) { return sqlite3_mprintf("%s.\"%w\"", row, column->name); }

static void append_column(sqlite3_str *sql, const leadx_column *column, const char *row) {
  char *ref = reference(row, column);
  append_value(sql, column, ref ? ref : "NULL");
  sqlite3_free(ref);
}

/* ,"name": as an SQL string literal. */
static void append_member_name(sqlite3_str *sql, const leadx_column *column, int comma) {
  sqlite3_str *json = sqlite3_str_new(NULL);
  leadx_json_append_string(json, column->remote, strlen(column->remote));
  char *name = sqlite3_str_finish(json);
  sqlite3_str_appendf(sql, "'%s%q:'", comma ? "," : "", name ? name : "");
  sqlite3_free(name);
}

/* ---- chains ---- */

/* Opens the i-th link of a chain of n: the operator, and a parenthesis at the start of each group. */
static void chain_open(sqlite3_str *sql, int i, const char *op) {
  if (i > 0) sqlite3_str_appendf(sql, " %s ", op);
  if (i % CHAIN == 0) sqlite3_str_appendall(sql, "(");
}
static void chain_close(sqlite3_str *sql, int i, int n) {
  if (i % CHAIN == CHAIN - 1 || i == n - 1) sqlite3_str_appendall(sql, ")");
}

void leadx_capture_row(sqlite3_str *sql, const leadx_table *table, const char *row) {
  sqlite3_str_appendall(sql, "'{' || ");
  for (int i = 0; i < table->ncolumns; i++) {
    chain_open(sql, i, "||");
    append_member_name(sql, &table->columns[i], i > 0);
    sqlite3_str_appendall(sql, " || ");
    append_column(sql, &table->columns[i], row);
    chain_close(sql, i, table->ncolumns);
  }
  sqlite3_str_appendall(sql, " || '}'");
}

void leadx_capture_key(sqlite3_str *sql, const leadx_table *table, const char *row) {
  if (table->nkey == 1) {
    const leadx_column *column = &table->columns[table->key[0]];
    char *ref = reference(row, column);
    /* An absent key becomes '': such a change can never be delivered, but it is seen and said. */
    sqlite3_str_appendf(sql, "CASE typeof(%s) WHEN 'null' THEN '' WHEN 'blob' THEN '\\x' || lower(hex(%s)) WHEN 'real' THEN quote(%s) ELSE %s END",
                        ref, ref, ref, ref);
    sqlite3_free(ref);
    return;
  }
  sqlite3_str_appendall(sql, "'[' || ");
  for (int i = 0; i < table->nkey; i++) {
    if (i > 0) sqlite3_str_appendall(sql, " || ',' || ");
    append_column(sql, &table->columns[table->key[i]], row);
  }
  sqlite3_str_appendall(sql, " || ']'");
}

/* OLD.x IS NOT NEW.x byte by byte, whatever collation the column has. */
static void append_differs(sqlite3_str *sql, const leadx_column *column, const char *op) {
  sqlite3_str_appendf(sql, "OLD.\"%w\" COLLATE BINARY %s NEW.\"%w\"", column->name, op, column->name);
}

static void append_same_key(sqlite3_str *sql, const leadx_table *table) {
  for (int i = 0; i < table->nkey; i++) {
    if (i > 0) sqlite3_str_appendall(sql, " AND ");
    append_differs(sql, &table->columns[table->key[i]], "IS");
  }
}

static void append_changed(sqlite3_str *sql, const leadx_table *table) {
  for (int i = 0; i < table->ncolumns; i++) {
    chain_open(sql, i, "OR");
    append_differs(sql, &table->columns[i], "IS NOT");
    chain_close(sql, i, table->ncolumns);
  }
}

/* The old values of exactly the columns that changed. */
static void append_base(sqlite3_str *sql, const leadx_table *table) {
  sqlite3_str_appendall(sql, "'{' || substr(");
  for (int i = 0; i < table->ncolumns; i++) {
    chain_open(sql, i, "||");
    sqlite3_str_appendall(sql, "CASE WHEN ");
    append_differs(sql, &table->columns[i], "IS NOT");
    sqlite3_str_appendall(sql, " THEN ");
    append_member_name(sql, &table->columns[i], 1);
    sqlite3_str_appendall(sql, " || ");
    append_column(sql, &table->columns[i], "OLD");
    sqlite3_str_appendall(sql, " ELSE '' END");
    chain_close(sql, i, table->ncolumns);
  }
  sqlite3_str_appendall(sql, ", 2) || '}'");
}

void leadx_capture_id(sqlite3_str *sql) { sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_ID]); }

/* ---- whole triggers ---- */

static const struct trigger_kind {
  const char *suffix;
  int template_id;
} trigger_kinds[LEADX_TRIGGERS] = {{"insert", LEADX_SQL_CAPTURE_INSERT},
                                   {"update", LEADX_SQL_CAPTURE_UPDATE},
                                   {"rekey", LEADX_SQL_CAPTURE_REKEY},
                                   {"delete", LEADX_SQL_CAPTURE_DELETE}};

char *leadx_capture_name(const leadx_table *table, int which) {
  return sqlite3_mprintf("leadx_%s_%s", table->name, trigger_kinds[which].suffix);
}

struct trigger_fill {
  const leadx_table *table;
  const char *name;
};

static void fill_trigger(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  const struct trigger_fill *fill = arg;
  const leadx_table *table = fill->table;
#define HOLE(text) (n == sizeof text - 1 && memcmp(hole, text, n) == 0)
  if (HOLE("name")) sqlite3_str_appendf(sql, "\"%w\"", fill->name);
  if (HOLE("table")) sqlite3_str_appendf(sql, "\"%w\"", table->name);
  if (HOLE("entity")) sqlite3_str_appendf(sql, "%Q", table->entity);
  if (HOLE("id")) leadx_capture_id(sql);
  if (HOLE("clock")) sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_CLOCK]);
  if (HOLE("new_key")) leadx_capture_key(sql, table, "NEW");
  if (HOLE("old_key")) leadx_capture_key(sql, table, "OLD");
  if (HOLE("new_row")) leadx_capture_row(sql, table, "NEW");
  if (HOLE("old_row")) leadx_capture_row(sql, table, "OLD");
  if (HOLE("same_key")) append_same_key(sql, table);
  if (HOLE("changed")) append_changed(sql, table);
  if (HOLE("base")) append_base(sql, table);
#undef HOLE
}

char *leadx_capture_trigger(const leadx_table *table, int which) {
  char *name = leadx_capture_name(table, which);
  if (!name) return NULL;
  sqlite3_str *sql = sqlite3_str_new(NULL);
  struct trigger_fill fill = {table, name};
  append_template(sql, leadx_sql_text[trigger_kinds[which].template_id], fill_trigger, &fill);
  sqlite3_free(name);
  return sqlite3_str_finish(sql);
}

/* ---- in the file ---- */

/* *same: does the trigger of that name stand in the file with exactly that text? */
static int trigger_stands(leadx_db *db, const char *name, const char *sql, int *same, int *exists, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_get(db, LEADX_SQL_TABLE_TRIGGER_SQL, err);
  if (!stmt) return err->rc;
  sqlite3_bind_text(stmt, 1, name, -1, SQLITE_TRANSIENT);
  int rc = sqlite3_step(stmt);
  *exists = rc == SQLITE_ROW;
  const char *text = *exists ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
  *same = text && strcmp(text, sql) == 0;
  leadx_db_put(db, stmt);
  if (rc == SQLITE_ROW || rc == SQLITE_DONE) return SQLITE_OK;
  return leadx_err_db(err, db->handle, rc, "look at the triggers");
}

static int drop_trigger(leadx_db *db, const char *name, leadx_err *err) {
  char *sql = sqlite3_mprintf("DROP TRIGGER IF EXISTS main.\"%w\"", name);
  if (!sql) return leadx_err_nomem(err);
  int rc = leadx_db_exec(db, sql, err);
  sqlite3_free(sql);
  return rc;
}

static int install_one(leadx_db *db, const leadx_table *table, int which, int *renewed, leadx_err *err) {
  char *name = leadx_capture_name(table, which), *sql = leadx_capture_trigger(table, which);
  int same = 0, exists = 0;
  int rc = name && sql ? trigger_stands(db, name, sql, &same, &exists, err) : leadx_err_nomem(err);
  if (rc == SQLITE_OK && !same) {
    *renewed = 1;
    if (exists) rc = drop_trigger(db, name, err);
    if (rc == SQLITE_OK) rc = leadx_db_exec(db, sql, err);
  }
  sqlite3_free(name);
  sqlite3_free(sql);
  return rc;
}

int leadx_capture_install(leadx_db *db, const leadx_table *table, int *renewed, leadx_err *err) {
  int fresh = 0, rc = SQLITE_OK;
  if (table->mode == LEADX_MODE_PULL) {
    rc = leadx_capture_remove(db, table->name, err);
  } else {
    for (int i = 0; i < LEADX_TRIGGERS && rc == SQLITE_OK; i++) rc = install_one(db, table, i, &fresh, err);
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
