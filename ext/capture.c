/* Capture: triggers out. See capture.h.
**
** A row is written as JSON by concatenation, in one of two ways that give the same text. The quick way
** knows what each column usually holds; one look at the row (needs_escape, unusual_class) tells whether that is so and
** no text needs escaping. Otherwise the slow way lists the columns and writes them one by one
** (capture_slowly in sql/capture.sql). It stands once in a trigger, not once per column: SQLite clears
** all registers of a trigger's program whenever it runs. No part may ever be NULL, because that would
** make the payload NULL and abort the user's write.
*/
#include "capture.h"

#include <string.h>

#include "hash.h"

/* Long chains of || and OR are cut into parentheses of this many, so that 2,000 columns stay
** under SQLite's limit of 1,000 for the depth of an expression. */
#define CHAIN 24

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

/* ---- one value ---- */

#define GREATEST "1.7976931348623157e308"

/* Types whose columns usually hold text. */
static int is_texty(leadx_type type) {
  return type == LEADX_TEXT || type == LEADX_JSON || type == LEADX_UUID || type == LEADX_DATE || type == LEADX_TIMESTAMP;
}

/* A finite double. quote() writes 15 digits when SQLite reads the same double back from them, but SQLite's reading is
** not exact. It is where the double is a whole number divided by 1, 1000 or 100000000, because that division is;
** elsewhere 21 digits leave no doubt. */
static void append_finite(sqlite3_str *sql, const char *ref) {
  sqlite3_str_appendf(sql,
                      "CASE WHEN (round(%s) = %s AND abs(%s) < 1e15) OR (round(%s * 1e3) / 1e3 = %s AND abs(%s) < 1e12) OR "
                      "(round(%s * 1e8) / 1e8 = %s AND abs(%s) < 1e7) THEN quote(%s) ELSE printf('%%!.20e', %s) END",
                      ref, ref, ref, ref, ref, ref, ref, ref, ref, ref, ref);
}

/* PostgreSQL takes the infinities as strings. */
static void append_real(sqlite3_str *sql, const char *ref) {
  sqlite3_str_appendf(sql, "CASE WHEN %s > " GREATEST " THEN '\"Infinity\"' WHEN %s < -" GREATEST " THEN '\"-Infinity\"' ELSE ", ref, ref);
  append_finite(sql, ref);
  sqlite3_str_appendall(sql, " END");
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

static void append_bytes(sqlite3_str *sql, const char *ref) { sqlite3_str_appendf(sql, "'\"\\\\x' || lower(hex(%s)) || '\"'", ref); }

/* The wire form of a value of any storage class; NULL for a text. */
static void append_any(sqlite3_str *sql, leadx_type type, const char *ref) {
  sqlite3_str_appendf(sql, "CASE typeof(%s) WHEN 'null' THEN 'null' WHEN 'integer' THEN ", ref);
  append_integer(sql, ref, type);
  sqlite3_str_appendall(sql, " WHEN 'real' THEN ");
  append_real(sql, ref);
  sqlite3_str_appendall(sql, " WHEN 'blob' THEN ");
  append_bytes(sql, ref);
  if (type == LEADX_UUID) sqlite3_str_appendf(sql, " ELSE CASE WHEN length(%s) = 0 AND hex(%s) = '' THEN 'null' END", ref, ref);
  sqlite3_str_appendall(sql, " END");
}

/* The wire form of a value of the usual storage class, or NULL. */
static void append_usual(sqlite3_str *sql, leadx_type type, const char *ref) {
  if (type == LEADX_UUID) {
    sqlite3_str_appendf(sql, "ifnull('\"' || nullif(%s COLLATE BINARY, '') || '\"', 'null')", ref);
  } else if (is_texty(type)) {
    sqlite3_str_appendf(sql, "ifnull('\"' || %s || '\"', 'null')", ref);
  } else if (type == LEADX_BLOB) {
    sqlite3_str_appendf(sql, "CASE WHEN %s IS NULL THEN 'null' ELSE ", ref);
    append_bytes(sql, ref);
    sqlite3_str_appendall(sql, " END");
  } else if (type == LEADX_REAL || type == LEADX_DECIMAL) {
    sqlite3_str_appendf(sql, "CASE typeof(%s) WHEN 'null' THEN 'null' WHEN 'text' THEN '\"' || %s || '\"' WHEN 'integer' THEN %s ELSE ", ref, ref, ref);
    append_finite(sql, ref);
    sqlite3_str_appendall(sql, " END");
  } else {
    sqlite3_str_appendall(sql, "ifnull(");
    append_integer(sql, ref, type);
    sqlite3_str_appendall(sql, ", 'null')");
  }
}

/* Is the value of an unusual storage class? Numbers sort before all texts, and these before all blobs. NULL for NULL. */
static void append_unusual_class(sqlite3_str *sql, leadx_type type, const char *ref) {
  if (is_texty(type)) {
    sqlite3_str_appendf(sql, "%s < '' OR %s >= x''", ref, ref);
  } else if (type == LEADX_BLOB) {
    sqlite3_str_appendf(sql, "%s < x''", ref);
  } else if (type == LEADX_REAL) {
    sqlite3_str_appendf(sql, "%s > " GREATEST " OR %s < -" GREATEST, ref, ref);
  } else if (type == LEADX_DECIMAL) {
    sqlite3_str_appendf(sql, "%s >= x'' OR %s = 9e999 OR %s = -9e999", ref, ref, ref);
  } else {
    sqlite3_str_appendf(sql, "%s >= '' OR typeof(%s) = 'real'", ref, ref);
  }
}

/* "NEW"."name", in sqlite3_malloc memory. */
static char *reference(const char *row, const leadx_column *column) { return sqlite3_mprintf("%s.\"%w\"", row, column->name); }

/* ---- chains ---- */

/* Opens the i-th link of a chain of n: the operator, and a parenthesis at the start of each group. */
static void chain_open(sqlite3_str *sql, int i, const char *op) {
  if (i > 0) sqlite3_str_appendf(sql, " %s ", op);
  if (i % CHAIN == 0) sqlite3_str_appendall(sql, "(");
}
static void chain_close(sqlite3_str *sql, int i, int n) {
  if (i % CHAIN == CHAIN - 1 || i == n - 1) sqlite3_str_appendall(sql, ")");
}

/* OLD.x IS NOT NEW.x byte by byte, whatever collation the column has. */
static void append_differs(sqlite3_str *sql, const leadx_column *column, const char *op) {
  sqlite3_str_appendf(sql, "OLD.\"%w\" COLLATE BINARY %s NEW.\"%w\"", column->name, op, column->name);
}

/* ---- a row ---- */

/* Which columns of which row are written: all, or those that changed. */
typedef struct writing {
  const leadx_table *table;
  const char *row;
  int changed_only;
  int unnamed; /* elements of an array, not members of an object */
} writing;

/* ,"name": as an SQL string literal. */
static void append_member_name(const writing *what, sqlite3_str *sql, const leadx_column *column, int comma) {
  sqlite3_str *json = sqlite3_str_new(NULL);
  if (!what->unnamed) {
    leadx_json_append_string(json, column->remote, strlen(column->remote));
    sqlite3_str_appendall(json, ":");
  }
  char *name = sqlite3_str_finish(json);
  if (!name && !what->unnamed) leadx_db_spoil(sql);
  sqlite3_str_appendf(sql, "'%s%q'", comma ? "," : "", name ? name : "");
  sqlite3_free(name);
}

typedef void append_part(const writing *what, sqlite3_str *sql, const leadx_column *column, const char *ref, int i);

/* Appends a part for every column, as one chain. */
static void append_columns(const writing *what, sqlite3_str *sql, const char *op, append_part *part) {
  for (int i = 0; i < what->table->ncolumns; i++) {
    const leadx_column *column = &what->table->columns[i];
    char *ref = reference(what->row, column);
    if (!ref) leadx_db_spoil(sql);
    chain_open(sql, i, op);
    part(what, sql, column, ref ? ref : "NULL", i);
    chain_close(sql, i, what->table->ncolumns);
    sqlite3_free(ref);
  }
}

static void append_when_changed(const writing *what, sqlite3_str *sql, const leadx_column *column) {
  if (!what->changed_only) return;
  sqlite3_str_appendall(sql, "CASE WHEN ");
  append_differs(sql, column, "IS NOT");
  sqlite3_str_appendall(sql, " THEN ");
}

static void append_else_nothing(const writing *what, sqlite3_str *sql) {
  if (what->changed_only) sqlite3_str_appendall(sql, " ELSE '' END");
}

static void part_usual(const writing *what, sqlite3_str *sql, const leadx_column *column, const char *ref, int i) {
  append_when_changed(what, sql, column);
  append_member_name(what, sql, column, what->changed_only || i > 0);
  sqlite3_str_appendall(sql, " || ");
  append_usual(sql, column->type, ref);
  append_else_nothing(what, sql);
}

static void part_unusual_class(const writing *what, sqlite3_str *sql, const leadx_column *column, const char *ref, int i) {
  (void)what;
  (void)i;
  append_unusual_class(sql, column->type, ref);
}

static void part_text(const writing *what, sqlite3_str *sql, const leadx_column *column, const char *ref, int i) {
  (void)i;
  int has_text = is_texty(column->type) || column->type == LEADX_DECIMAL;
  if (!has_text) {
    sqlite3_str_appendall(sql, "''");
    return;
  }
  append_when_changed(what, sql, column);
  sqlite3_str_appendf(sql, "ifnull(%s, '')", ref);
  append_else_nothing(what, sql);
}

/* The slow way's list: each member's place and name, its value unless that is a text, the text, and whether it counts. */
static void append_listed(const writing *what, sqlite3_str *sql) {
  sqlite3_str_appendall(sql, "VALUES ");
  for (int i = 0; i < what->table->ncolumns; i++) {
    const leadx_column *column = &what->table->columns[i];
    char *ref = reference(what->row, column);
    if (!ref) leadx_db_spoil(sql);
    sqlite3_str_appendf(sql, "%s(%d, ", i ? ", " : "", i);
    append_member_name(what, sql, column, 0);
    sqlite3_str_appendall(sql, ", ");
    append_any(sql, column->type, ref ? ref : "NULL");
    sqlite3_str_appendf(sql, ", %s, ", ref ? ref : "NULL");
    if (what->changed_only) append_differs(sql, column, "IS NOT");
    else sqlite3_str_appendall(sql, "1");
    sqlite3_str_appendall(sql, ")");
    sqlite3_free(ref);
  }
}

static void fill_row(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  const writing *what = arg;
#define HOLE(text) (n == sizeof(text) - 1 && memcmp(hole, text, n) == 0)
  if (HOLE("needs_escape")) sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_NEEDS_ESCAPE]);
  if (HOLE("unusual_class")) append_columns(what, sql, "OR", part_unusual_class);
  if (HOLE("texts")) append_columns(what, sql, "||", part_text);
  if (HOLE("listed")) append_listed(what, sql);
  if (HOLE("quick")) append_columns(what, sql, "||", part_usual);
  if (HOLE("slowly")) append_template(sql, leadx_sql_text[LEADX_SQL_CAPTURE_SLOWLY], fill_row, what);
#undef HOLE
}

void leadx_capture_row(sqlite3_str *sql, const leadx_table *table, const char *row) {
  const writing what = {table, row, 0, 0};
  append_template(sql, leadx_sql_text[LEADX_SQL_CAPTURE_ROW], fill_row, &what);
}

/* The old values of exactly the columns that changed. */
static void append_base(sqlite3_str *sql, const leadx_table *table) {
  const writing what = {table, "OLD", 1, 0};
  append_template(sql, leadx_sql_text[LEADX_SQL_CAPTURE_BASE], fill_row, &what);
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
  leadx_table keys = *table;
  leadx_column columns[sizeof table->key / sizeof table->key[0]];
  for (int i = 0; i < table->nkey; i++) columns[i] = table->columns[table->key[i]];
  keys.columns = columns;
  keys.ncolumns = table->nkey;
  const writing what = {&keys, row, 0, 1};
  append_template(sql, leadx_sql_text[LEADX_SQL_CAPTURE_KEYS], fill_row, &what);
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

/* The columns whose UPDATE can change the key: those of the key, and the names of the rowid. */
static void append_key_columns(sqlite3_str *sql, const leadx_table *table) {
  for (int i = 0; i < table->nkey; i++) sqlite3_str_appendf(sql, "%s\"%w\"", i ? ", " : "", table->columns[table->key[i]].name);
  if (!table->without_rowid) sqlite3_str_appendall(sql, ", rowid, _rowid_, oid");
}

struct trigger_fill {
  const leadx_table *table;
  const char *name;
};

static void fill_trigger(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  const struct trigger_fill *fill = arg;
  const leadx_table *table = fill->table;
#define HOLE(text) (n == sizeof(text) - 1 && memcmp(hole, text, n) == 0)
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
  if (HOLE("key_columns")) append_key_columns(sql, table);
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
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_TABLE_TRIGGER_SQL, err, "t", name);
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

/* The name of a trigger of ours that bears another table's name, in sqlite3_malloc memory; NULL when there is none. */
static char *find_stray(leadx_db *db, const leadx_table *table, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_TABLE_STRAY_TRIGGER, err, "s", table->name);
  if (!stmt) return NULL;
  char *found = NULL;
  int rc = SQLITE_OK;
  for (int i = 0; i < LEADX_TRIGGERS && rc == SQLITE_OK; i++) {
    char *name = leadx_capture_name(table, i);
    rc = name ? sqlite3_bind_text(stmt, 2 + i, name, -1, sqlite3_free) : SQLITE_NOMEM;
  }
  if (rc != SQLITE_OK) leadx_err_nomem(err);
  if (rc == SQLITE_OK && leadx_db_next(db, stmt, err)) {
    const char *name = leadx_db_text(stmt, 0, err);
    found = name ? sqlite3_mprintf("%s", name) : NULL;
    if (!found) leadx_err_nomem(err);
  }
  leadx_db_put(db, stmt);
  return found;
}

/* A table that was renamed brought its old triggers along, which would queue everything twice. */
static int drop_strays(leadx_db *db, const leadx_table *table, leadx_err *err) {
  char *name;
  while (err->rc == SQLITE_OK && (name = find_stray(db, table, err)) != NULL) {
    drop_trigger(db, name, err);
    sqlite3_free(name);
  }
  return err->rc;
}

int leadx_capture_hash(leadx_db *db, const leadx_table *table, uint64_t *hash, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_TABLE_TRIGGERS, err, "s", table->name);
  if (!stmt) return err->rc;
  *hash = LEADX_HASH_SEED;
  while (leadx_db_next(db, stmt, err)) *hash = leadx_db_hash_row(stmt, *hash, err);
  leadx_db_put(db, stmt);
  return err->rc;
}

int leadx_capture_install(leadx_db *db, const leadx_table *table, int *renewed, leadx_err *err) {
  int fresh = 0, rc = drop_strays(db, table, err);
  if (rc == SQLITE_OK && table->mode == LEADX_MODE_PULL) {
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
