/* Capture: triggers out. See capture.h.
**
** A row is written as JSON in one of two ways that give the same text. The quick way is printf()
** over the columns: it knows what each column usually holds, and no text may need escaping. The
** slow way lists the columns and writes them one by one (capture_slowly in sql/rows/capture.sql). A
** trigger writes the quick way and hands all texts over in one to the view leadx_change, whose
** trigger looks through them and queues the row; only if they are not clean, a second step queues
** the row, written the slow way. What costs in a trigger, and is avoided here: INSERT ... SELECT
** that reads the table it writes (SQLite makes a temporary one), || (each one allocates), a value
** that is used often but is not NEW.x (copied for each use), and registers (cleared whenever the
** program runs). No part may ever be NULL, because that would abort the user's write.
** */
#include "rows/capture.h"

#include <string.h>

#include "base/hash.h"
#include "rows/key.h"
#include "store/template.h"

/* Long chains of || and OR are cut into parentheses of this many, so that 2,000 columns stay under
** SQLite's limit of 1,000 for the depth of an expression; and so many columns share a printf(),
** which may have 127 arguments. */
#define CHAIN 24

/* ---- one value ---- */

#define GREATEST "1.7976931348623157e308"

/* Types whose columns usually hold text. */
static int is_texty(leadx_type type) {
  return type == LEADX_TEXT || type == LEADX_JSON || type == LEADX_UUID || type == LEADX_DATE ||
         type == LEADX_TIMESTAMP;
}

/* A finite double. quote() writes 15 digits when SQLite reads the same double back from them, but
** SQLite's reading is not exact. It is where the double is a whole number divided by 1, 1000 or
** 100000000, because that division is; elsewhere 21 digits leave no doubt. */
static void append_finite(sqlite3_str *sql, const char *ref) {
  sqlite3_str_appendf(sql,
                      "CASE WHEN (abs(%s) < 1e7 AND round(%s * 1e8) / 1e8 = %s) OR (abs(%s) < 1e15 "
                      "AND round(%s) = %s) OR "
                      "(abs(%s) < 1e12 AND round(%s * 1e3) / 1e3 = %s) THEN quote(%s) ELSE "
                      "printf('%%!.20e', %s) END",
                      ref, ref, ref, ref, ref, ref, ref, ref, ref, ref, ref);
}

/* PostgreSQL takes the infinities as strings. */
static void append_real(sqlite3_str *sql, const char *ref) {
  sqlite3_str_appendf(sql,
                      "CASE WHEN %s > " GREATEST " THEN '\"Infinity\"' WHEN %s < -" GREATEST
                      " THEN '\"-Infinity\"' ELSE ",
                      ref, ref);
  append_finite(sql, ref);
  sqlite3_str_appendall(sql, " END");
}

static void append_integer(sqlite3_str *sql, const char *ref, leadx_type type) {
  if (type == LEADX_BOOLEAN) {
    sqlite3_str_appendf(sql, "CASE %s WHEN 0 THEN 'false' WHEN 1 THEN 'true' ELSE %s END", ref,
                        ref);
  } else if (type == LEADX_TIMESTAMP_S) {
    sqlite3_str_appendf(
        sql, "ifnull('\"' || strftime('%%Y-%%m-%%dT%%H:%%M:%%SZ', %s, 'unixepoch') || '\"', %s)",
        ref, ref);
  } else if (type == LEADX_TIMESTAMP_MS) {
    sqlite3_str_appendf(sql,
                        "ifnull('\"' || strftime('%%Y-%%m-%%dT%%H:%%M:%%S', (%s - (%s %% 1000 + "
                        "1000) %% 1000) / 1000, 'unixepoch') "
                        "|| printf('.%%03dZ\"', (%s %% 1000 + 1000) %% 1000), %s)",
                        ref, ref, ref, ref);
  } else {
    sqlite3_str_appendall(sql, ref);
  }
}

/* An integer of a column whose type is known when it is written only. */
static void append_integer_by_type(sqlite3_str *sql, const char *ref) {
  static const leadx_type types[] = {LEADX_BOOLEAN, LEADX_TIMESTAMP_S, LEADX_TIMESTAMP_MS};
  sqlite3_str_appendall(sql, "CASE type");
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    sqlite3_str_appendf(sql, " WHEN %Q THEN ", leadx_type_name(types[i]));
    append_integer(sql, ref, types[i]);
  }
  sqlite3_str_appendf(sql, " ELSE %s END", ref);
}

static void append_bytes(sqlite3_str *sql, const char *ref) {
  sqlite3_str_appendf(sql, "'\"\\\\x' || lower(hex(%s)) || '\"'", ref);
}

/* The wire form of a value of the usual storage class, of a column that is not texty; something
** when it is of another. */
static void append_usual(sqlite3_str *sql, leadx_type type, const char *ref) {
  if (type == LEADX_BLOB) {
    sqlite3_str_appendf(sql, "CASE WHEN %s IS NULL THEN 'null' ELSE ", ref);
    append_bytes(sql, ref);
    sqlite3_str_appendall(sql, " END");
  } else if (type == LEADX_REAL || type == LEADX_DECIMAL) {
    sqlite3_str_appendf(sql,
                        "CASE typeof(%s) WHEN 'null' THEN 'null' WHEN 'text' THEN '\"' || %s || "
                        "'\"' WHEN 'integer' THEN %s ELSE ",
                        ref, ref, ref);
    append_finite(sql, ref);
    sqlite3_str_appendall(sql, " END");
  } else {
    sqlite3_str_appendall(sql, "ifnull(");
    append_integer(sql, ref, type);
    sqlite3_str_appendall(sql, ", 'null')");
  }
}

/* Is the value of an unusual storage class? Numbers sort before all texts, and these before all
** blobs. NULL for NULL. */
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
static char *reference(const char *row, const leadx_column *column) {
  return sqlite3_mprintf("%s.\"%w\"", row, column->name);
}

/* ---- chains ---- */

/* Opens the i-th link of a chain of n: the operator, and a parenthesis at the start of each
** group. */
static void chain_open(sqlite3_str *sql, int i, const char *op) {
  if (i > 0) sqlite3_str_appendf(sql, " %s ", op);
  if (i % CHAIN == 0) sqlite3_str_appendall(sql, "(");
}
static void chain_close(sqlite3_str *sql, int i, int n) {
  if (i % CHAIN == CHAIN - 1 || i == n - 1) sqlite3_str_appendall(sql, ")");
}

/* OLD.x IS NOT NEW.x byte by byte, whatever collation the column has. */
static void append_differs(sqlite3_str *sql, const leadx_column *column, const char *op) {
  sqlite3_str_appendf(sql, "OLD.\"%w\" COLLATE BINARY %s NEW.\"%w\"", column->name, op,
                      column->name);
}

/* ---- a row ---- */

/* Which columns of which row are written and how: an object or an array ("[" "]"), of all columns
** or those that changed. */
typedef struct writing {
  const leadx_table *table;
  const char *row;
  char open, close;
  int changed_only;
} writing;

/* "name": as JSON, in sqlite3_malloc memory; nothing for an element of an array. */
static char *member_name(const writing *what, const leadx_column *column) {
  if (what->open == '[') return sqlite3_mprintf("");
  sqlite3_str *json = sqlite3_str_new(NULL);
  leadx_json_append_string(json, column->remote, strlen(column->remote));
  sqlite3_str_appendall(json, ":");
  return sqlite3_str_finish(json);
}

typedef void append_part(const writing *what, sqlite3_str *sql, const leadx_column *column,
                         const char *ref);

/* Appends a part for a column. */
static void append_column(const writing *what, sqlite3_str *sql, int i, append_part *part) {
  const leadx_column *column = &what->table->columns[i];
  char *ref = reference(what->row, column);
  if (!ref) leadx_db_spoil(sql);
  part(what, sql, column, ref ? ref : "NULL");
  sqlite3_free(ref);
}

/* Appends a part for every column, as one chain. */
static void append_columns(const writing *what, sqlite3_str *sql, const char *op,
                           append_part *part) {
  for (int i = 0; i < what->table->ncolumns; i++) {
    chain_open(sql, i, op);
    append_column(what, sql, i, part);
    chain_close(sql, i, what->table->ncolumns);
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

static void part_unusual_class(const writing *what, sqlite3_str *sql, const leadx_column *column,
                               const char *ref) {
  (void)what;
  append_unusual_class(sql, column->type, ref);
}

/* A text that cannot be NULL spares the ifnull(); should it be NULL in spite of that, all texts
** are, and the slow way is taken. */
static void part_text(const writing *what, sqlite3_str *sql, const leadx_column *column,
                      const char *ref) {
  int has_text = is_texty(column->type) || column->type == LEADX_DECIMAL;
  if (!has_text) {
    sqlite3_str_appendall(sql, "''");
    return;
  }
  append_when_changed(what, sql, column);
  sqlite3_str_appendf(sql, column->not_null ? "%s" : "ifnull(%s, '')", ref);
  append_else_nothing(what, sql);
}

/* ---- the quick way ---- */

/* Does a value of that column stand between quotes whatever it is? */
static int always_quoted(const leadx_column *column) {
  return column->not_null && is_texty(column->type) && column->type != LEADX_UUID;
}

/* Text as a piece of a format of printf() in an SQL string literal. */
static void append_format(sqlite3_str *sql, const char *text) {
  for (; *text; text++) {
    if (*text == '%' || *text == '\'') sqlite3_str_appendchar(sql, 1, *text);
    sqlite3_str_appendchar(sql, 1, *text);
  }
}

/* What stands for a column in the format. */
static void append_conversion(const writing *what, sqlite3_str *sql, const leadx_column *column,
                              int comma) {
  char *name = member_name(what, column);
  if (!name) leadx_db_spoil(sql);
  if (comma) sqlite3_str_appendall(sql, ",");
  append_format(sql, name ? name : "");
  sqlite3_str_appendall(sql, always_quoted(column)    ? "\"%s\""
                             : is_texty(column->type) ? "%s%s%s"
                                                      : "%s");
  sqlite3_free(name);
}

/* The arguments of its conversions. A text that may be absent has three: the quotes, or null in
** place of the first. */
static void part_arguments(const writing *what, sqlite3_str *sql, const leadx_column *column,
                           const char *ref) {
  (void)what;
  sqlite3_str_appendall(sql, ", ");
  if (always_quoted(column)) {
    sqlite3_str_appendall(sql, ref);
  } else if (column->type == LEADX_UUID) {
    sqlite3_str_appendf(
        sql,
        "CASE WHEN nullif(%s COLLATE BINARY, '') IS NULL THEN 'null' ELSE '\"' END, %s, "
        "CASE WHEN nullif(%s COLLATE BINARY, '') IS NULL THEN '' ELSE '\"' END",
        ref, ref, ref);
  } else if (is_texty(column->type)) {
    sqlite3_str_appendf(sql,
                        "CASE WHEN %s IS NULL THEN 'null' ELSE '\"' END, %s, CASE WHEN %s IS NULL "
                        "THEN '' ELSE '\"' END",
                        ref, ref, ref);
  } else {
    append_usual(sql, column->type, ref);
  }
}

/* The columns from..to-1 as one printf(). */
static void append_printf(const writing *what, sqlite3_str *sql, int from, int to) {
  int last = what->table->ncolumns;
  sqlite3_str_appendall(sql, "printf('");
  if (from == 0) sqlite3_str_appendchar(sql, 1, what->open);
  for (int i = from; i < to; i++) append_conversion(what, sql, &what->table->columns[i], i > 0);
  if (to == last) sqlite3_str_appendchar(sql, 1, what->close);
  sqlite3_str_appendall(sql, "'");
  for (int i = from; i < to; i++) append_column(what, sql, i, part_arguments);
  sqlite3_str_appendall(sql, ")");
}

/* The member ,"name":value if the column changed, else nothing. */
static void part_changed_member(const writing *what, sqlite3_str *sql, const leadx_column *column,
                                const char *ref) {
  sqlite3_str_appendall(sql, ", ");
  append_when_changed(what, sql, column);
  sqlite3_str_appendall(sql, "printf('");
  append_conversion(what, sql, column, 1);
  sqlite3_str_appendall(sql, "'");
  part_arguments(what, sql, column, ref);
  sqlite3_str_appendall(sql, ")");
  append_else_nothing(what, sql);
}

/* The changed ones of the columns from..to-1, each with a comma before it. */
static void append_printf_changed(const writing *what, sqlite3_str *sql, int from, int to) {
  sqlite3_str_appendall(sql, "printf('");
  for (int i = from; i < to; i++) sqlite3_str_appendall(sql, "%s");
  sqlite3_str_appendall(sql, "'");
  for (int i = from; i < to; i++) append_column(what, sql, i, part_changed_member);
  sqlite3_str_appendall(sql, ")");
}

static void append_quickly(const writing *what, sqlite3_str *sql) {
  int n = what->table->ncolumns;
  if (what->changed_only) sqlite3_str_appendall(sql, "printf('{%s}', substr(");
  for (int from = 0; from < n; from += CHAIN) {
    int to = n - from > CHAIN ? from + CHAIN : n;
    if (from > 0) sqlite3_str_appendall(sql, " || ");
    (what->changed_only ? append_printf_changed : append_printf)(what, sql, from, to);
  }
  if (what->changed_only) sqlite3_str_appendall(sql, ", 2))");
}

/* ---- the slow way ---- */

/* The list: each member's place and name, its column's type, its value without affinity, and
** whether it counts. */
static void append_listed(const writing *what, sqlite3_str *sql) {
  for (int i = 0; i < what->table->ncolumns; i++) {
    const leadx_column *column = &what->table->columns[i];
    char *name = member_name(what, column);
    if (!name) leadx_db_spoil(sql);
    sqlite3_str_appendf(sql, "%s(%d, %Q, %Q, +%s.\"%w\", ", i ? ", " : "", i, name ? name : "",
                        leadx_type_name(column->type), what->row, column->name);
    if (what->changed_only) append_differs(sql, column, "IS NOT");
    else sqlite3_str_appendall(sql, "1");
    sqlite3_str_appendall(sql, ")");
    sqlite3_free(name);
  }
}

static void append_slowly(const writing *what, sqlite3_str *sql);

static void fill_row(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  const writing *what = arg;
#define HOLE(name) leadx_template_is(hole, n, name)
  if (HOLE("needs_escape"))
    sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_NEEDS_ESCAPE]);
  if (HOLE("unusual_class")) append_columns(what, sql, "OR", part_unusual_class);
  if (HOLE("texts")) append_columns(what, sql, "||", part_text);
  if (HOLE("quick")) append_quickly(what, sql);
  if (HOLE("slowly")) append_slowly(what, sql);
  if (HOLE("listed")) append_listed(what, sql);
  if (HOLE("integer")) append_integer_by_type(sql, "s");
  if (HOLE("real")) append_real(sql, "s");
  if (HOLE("bytes")) append_bytes(sql, "s");
  if (HOLE("open")) sqlite3_str_appendchar(sql, 1, what->open);
  if (HOLE("close")) sqlite3_str_appendchar(sql, 1, what->close);
#undef HOLE
}

static void append_slowly(const writing *what, sqlite3_str *sql) {
  leadx_template_append(sql, leadx_sql_text[LEADX_SQL_CAPTURE_SLOWLY], fill_row, what);
}

/* ---- rows and keys ---- */

static writing whole_row(const leadx_table *table, const char *row) {
  return (writing){table, row, '{', '}', 0};
}

/* The old values of exactly the columns that changed. */
static writing changed_columns(const leadx_table *table) {
  return (writing){table, "OLD", '{', '}', 1};
}

/* A table whose columns are those of the key. */
typedef struct key_columns {
  leadx_table table;
  leadx_column columns[16];
} key_columns;

static writing key_array(const leadx_table *table, const char *row, key_columns *keys) {
  keys->table = *table;
  for (int i = 0; i < table->nkey; i++) keys->columns[i] = table->columns[table->key[i]];
  keys->table.columns = keys->columns;
  keys->table.ncolumns = table->nkey;
  return (writing){&keys->table, row, '[', ']', 0};
}

void leadx_capture_row(sqlite3_str *sql, const leadx_table *table, const char *row) {
  const writing what = whole_row(table, row);
  leadx_template_append(sql, leadx_sql_text[LEADX_SQL_CAPTURE_WRITTEN], fill_row, &what);
}

/* An absent key becomes '': such a change can never be delivered, but it is seen and said. */
static void append_simple_key(sqlite3_str *sql, const leadx_table *table, const char *row) {
  char *ref = reference(row, &table->columns[table->key[0]]);
  if (!ref) leadx_db_spoil(sql);
  sqlite3_str_appendf(sql,
                      "CASE typeof(%s) WHEN 'null' THEN '' WHEN 'blob' THEN '\\x' || "
                      "lower(hex(%s)) WHEN 'real' THEN quote(%s) ELSE %s END",
                      ref, ref, ref, ref);
  sqlite3_free(ref);
}

void leadx_capture_key(sqlite3_str *sql, const leadx_table *table, const char *row) {
  leadx_key_sql(sql, table, row);
}

/* The key as it is if no text of the row needs escaping. */
static void append_key_quickly(sqlite3_str *sql, const leadx_table *table, const char *row) {
  if (table->nkey == 1) {
    append_simple_key(sql, table, row);
    return;
  }
  key_columns keys;
  const writing what = key_array(table, row, &keys);
  append_quickly(&what, sql);
}

/* The key, whatever its texts are. */
static void append_key_slowly(sqlite3_str *sql, const leadx_table *table, const char *row) {
  if (table->nkey == 1) {
    append_simple_key(sql, table, row);
    return;
  }
  key_columns keys;
  const writing what = key_array(table, row, &keys);
  append_slowly(&what, sql);
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

/* All texts that are written, NULL when there is a value of an unusual class. old_too: with those
** that changed. */
static void append_texts(sqlite3_str *sql, const leadx_table *table, const char *row, int old_too) {
  const writing what = whole_row(table, row), old = changed_columns(table);
  sqlite3_str_appendall(sql, "CASE WHEN ");
  append_columns(&what, sql, "OR", part_unusual_class);
  if (old_too) {
    sqlite3_str_appendall(sql, " OR ");
    append_columns(&old, sql, "OR", part_unusual_class);
  }
  sqlite3_str_appendall(sql, " THEN NULL ELSE ");
  append_columns(&what, sql, "||", part_text);
  if (old_too) {
    sqlite3_str_appendall(sql, " || ");
    append_columns(&old, sql, "||", part_text);
  }
  sqlite3_str_appendall(sql, " END");
}

char *leadx_capture_local(leadx_db *db, const leadx_table *table, const char *key, leadx_err *err) {
  char *name = sqlite3_mprintf("\"%w\"", table->name), *copy = NULL;
  sqlite3_str *sql = sqlite3_str_new(NULL);
  if (!name) leadx_db_spoil(sql);
  sqlite3_str_appendall(sql, "SELECT ");
  leadx_capture_row(sql, table, name ? name : "NULL");
  sqlite3_str_appendf(sql, " FROM main.%s WHERE ", name ? name : "NULL");
  leadx_key_where(table, sql, 1);
  sqlite3_free(name);
  sqlite3_stmt *stmt = leadx_db_get_str(db, sql, err);
  if (!stmt) return NULL;
  int rc = leadx_key_bind(table, stmt, 1, key);
  const char *text = rc == SQLITE_OK && leadx_db_next(db, stmt, err) ? leadx_db_text(stmt, 0, err)
                                                                     : NULL;
  if (text && !(copy = sqlite3_mprintf("%s", text))) leadx_err_nomem(err);
  if (rc != SQLITE_OK && rc != SQLITE_MISMATCH)
    leadx_err_db(err, db->handle, rc, "read the local row");
  leadx_db_put(db, stmt);
  return copy;
}

void leadx_capture_id(sqlite3_str *sql) {
  sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_ID]);
}

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
  for (int i = 0; i < table->nkey; i++)
    sqlite3_str_appendf(sql, "%s\"%w\"", i ? ", " : "", table->columns[table->key[i]].name);
  if (!table->without_rowid) sqlite3_str_appendall(sql, ", rowid, _rowid_, oid");
}

struct trigger_fill {
  const leadx_table *table;
  const char *name;
};

static void fill_trigger(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  const struct trigger_fill *fill = arg;
  const leadx_table *table = fill->table;
  const writing new_row = whole_row(table, "NEW"), old_row = whole_row(table, "OLD"),
                base = changed_columns(table);
#define HOLE(name) leadx_template_is(hole, n, name)
  if (HOLE("name")) sqlite3_str_appendf(sql, "\"%w\"", fill->name);
  if (HOLE("table")) sqlite3_str_appendf(sql, "\"%w\"", table->name);
  if (HOLE("entity")) sqlite3_str_appendf(sql, "%Q", table->entity);
  if (HOLE("ms")) sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_MS]);
  if (HOLE("n")) sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_N]);
  if (HOLE("new_key")) append_key_quickly(sql, table, "NEW");
  if (HOLE("old_key")) append_key_quickly(sql, table, "OLD");
  if (HOLE("new_key_slowly")) append_key_slowly(sql, table, "NEW");
  if (HOLE("old_key_slowly")) append_key_slowly(sql, table, "OLD");
  if (HOLE("new_row")) append_quickly(&new_row, sql);
  if (HOLE("old_row")) append_quickly(&old_row, sql);
  if (HOLE("new_row_slowly")) append_slowly(&new_row, sql);
  if (HOLE("old_row_slowly")) append_slowly(&old_row, sql);
  if (HOLE("base")) append_quickly(&base, sql);
  if (HOLE("base_slowly")) append_slowly(&base, sql);
  if (HOLE("new_texts")) append_texts(sql, table, "NEW", 0);
  if (HOLE("old_texts")) append_texts(sql, table, "OLD", 0);
  if (HOLE("both_texts")) append_texts(sql, table, "NEW", 1);
  if (HOLE("same_key")) append_same_key(sql, table);
  if (HOLE("changed")) append_changed(sql, table);
  if (HOLE("key_columns")) append_key_columns(sql, table);
#undef HOLE
}

char *leadx_capture_trigger(const leadx_table *table, int which) {
  char *name = leadx_capture_name(table, which);
  if (!name) return NULL;
  sqlite3_str *sql = sqlite3_str_new(NULL);
  struct trigger_fill fill = {table, name};
  leadx_template_append(sql, leadx_sql_text[trigger_kinds[which].template_id], fill_trigger, &fill);
  sqlite3_free(name);
  return sqlite3_str_finish(sql);
}

/* Does NEW.texts hold what must be escaped? One GLOB per character, because SQLite finds one by
** strcspn() and a set of them by recursion. The line ends and the end of file, which programs might
** change in a file of SQL, are not written out. */
static void append_escapes(sqlite3_str *sql) {
  sqlite3_str_appendall(sql, "NEW.texts GLOB '*\"*' OR NEW.texts GLOB '*\\*'");
  for (int c = 1; c < 32; c++) {
    int is_delicate = c == '\n' || c == '\r' || c == 0x1a;
    sqlite3_str_appendf(
        sql, is_delicate ? " OR NEW.texts GLOB char(42, %d, 42)" : " OR NEW.texts GLOB '*%c*'", c);
  }
}

static void fill_queue(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  (void)arg;
#define HOLE(name) leadx_template_is(hole, n, name)
  if (HOLE("id")) sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_CHANGE_ID]);
  if (HOLE("n")) sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_N]);
  if (HOLE("escapes")) append_escapes(sql);
#undef HOLE
}

/* ---- in the file ---- */

/* *same: does the trigger or view of that name stand in the file with exactly that text? */
static int trigger_stands(leadx_db *db, const char *name, const char *sql, int *same, int *exists,
                          leadx_err *err) {
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

static int install_one(leadx_db *db, const leadx_table *table, int which, int *renewed,
                       leadx_err *err) {
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

/* Lends a statement about the table's triggers: ?1 is its name, ?2 to ?5 are the names of ours. */
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
  sqlite3_stmt *stmt = query_triggers(db, table, LEADX_SQL_TABLE_STRAY_TRIGGER, err);
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
  sqlite3_stmt *stmt = query_triggers(db, table, LEADX_SQL_TABLE_TRIGGER_BEFORE_OURS, err);
  if (!stmt) return err->rc;
  int overtaken = leadx_db_next(db, stmt, err) && sqlite3_column_int(stmt, 0);
  leadx_db_put(db, stmt);
  return overtaken ? leadx_capture_remove(db, table->name, err) : err->rc;
}

int leadx_capture_hash(leadx_db *db, const leadx_table *table, uint64_t *hash, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_TABLE_TRIGGERS, err, "s", table->name);
  if (!stmt) return err->rc;
  *hash = LEADX_HASH_SEED;
  while (leadx_db_next(db, stmt, err)) *hash = leadx_db_hash_row(stmt, *hash, err);
  leadx_db_put(db, stmt);
  return err->rc;
}

/* The view that all tables' triggers hand their changes to, and its trigger. *renewed: were they
** not what they should be? */
static int install_way_in(leadx_db *db, int *renewed, leadx_err *err) {
  static const char view[] = "leadx_change", trigger[] = "leadx_change_queue";
  int view_ok = 0, trigger_ok = 0, view_exists = 0, trigger_exists = 0;
  sqlite3_str *text = sqlite3_str_new(NULL);
  leadx_template_append(text, leadx_sql_text[LEADX_SQL_CAPTURE_QUEUE], fill_queue, NULL);
  char *sql = leadx_db_finish(text, err);
  if (!sql) return err->rc;
  int rc = trigger_stands(db, view, leadx_sql_text[LEADX_SQL_CAPTURE_VIEW], &view_ok, &view_exists,
                          err);
  if (rc == SQLITE_OK) rc = trigger_stands(db, trigger, sql, &trigger_ok, &trigger_exists, err);
  /* Without them a write fails; with others it may be lost, of whatever table it is. */
  if (rc == SQLITE_OK && ((view_exists && !view_ok) || (trigger_exists && !trigger_ok)))
    rc = leadx_db_run(db, LEADX_SQL_CAPTURE_CATCH_UP, err, "");
  if (rc == SQLITE_OK && !(view_ok && trigger_ok)) {
    *renewed = 1;
    rc = leadx_db_exec(db, "DROP VIEW IF EXISTS main.leadx_change", err);
    if (rc == SQLITE_OK) rc = leadx_db_exec(db, leadx_sql_text[LEADX_SQL_CAPTURE_VIEW], err);
    if (rc == SQLITE_OK) rc = leadx_db_exec(db, sql, err);
  }
  sqlite3_free(sql);
  return rc;
}

int leadx_capture_install(leadx_db *db, const leadx_table *table, int *renewed, leadx_err *err) {
  int fresh = 0, rc = drop_strays(db, table, err);
  if (rc == SQLITE_OK && table->mode == LEADX_MODE_PULL) {
    rc = leadx_capture_remove(db, table->name, err);
  } else {
    if (rc == SQLITE_OK) rc = install_way_in(db, &fresh, err);
    if (rc == SQLITE_OK) rc = drop_overtaken(db, table, err);
    for (int i = 0; i < LEADX_TRIGGERS && rc == SQLITE_OK; i++)
      rc = install_one(db, table, i, &fresh, err);
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
