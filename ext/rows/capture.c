/* Capture: triggers out. See capture.h.
**
** A table's triggers list its columns as cells into the views leadx_row_N and leadx_edit_N, whose
** INSTEAD OF triggers write the JSON (sql/rows/capture.sql). Such a pair of views stands in the file
** for each width N that some table needs; a table that is wider than the widest hands its columns
** over in parts. What costs in a trigger, and is avoided: INSERT ... SELECT into a view, or from the
** table that it writes (SQLite makes a temporary one), || (each one allocates), a value that is
** used often but is not NEW.x (copied for each use), and registers (cleared whenever the program
** runs). No part may ever be NULL, because that would abort the user's write.
**
** Outside of triggers a row is written in one of two ways that give the same text: quickly, by
** printf() over the columns, when no text needs an escape; else value by value, as the views do.
** */
#include "rows/capture.h"

#include <string.h>

#include "base/hash.h"
#include "rows/key_row.h"
#include "rows/key_sql.h"
#include "rows/unique.h"
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

/* Seconds or milliseconds since 1970 as the instant, or the number where there is none. */
static void append_instant(sqlite3_str *sql, const char *ref, leadx_type type) {
  if (type == LEADX_TIMESTAMP_S) {
    sqlite3_str_appendf(sql, "ifnull(strftime('%%Y-%%m-%%dT%%H:%%M:%%SZ', %s, 'unixepoch'), %s)",
                        ref, ref);
  } else {
    sqlite3_str_appendf(sql,
                        "ifnull(strftime('%%Y-%%m-%%dT%%H:%%M:%%S', (%s - (%s %% 1000 + 1000) %% "
                        "1000) / 1000, 'unixepoch') || printf('.%%03dZ', (%s %% 1000 + 1000) %% "
                        "1000), %s)",
                        ref, ref, ref, ref);
  }
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

/* Which columns of which row are written and how: as an object or as an array ("[" "]"). */
typedef struct writing {
  const leadx_table *table;
  const char *row;
  char open, close;
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
  if (!ref) leadx_err_spoil(sql);
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

static void part_unusual_class(const writing *what, sqlite3_str *sql, const leadx_column *column,
                               const char *ref) {
  (void)what;
  append_unusual_class(sql, column->type, ref);
}

/* A text that cannot be NULL spares the ifnull(); should it be NULL in spite of that, all texts
** are, and the slow way is taken. */
static void part_text(const writing *what, sqlite3_str *sql, const leadx_column *column,
                      const char *ref) {
  (void)what;
  int has_text = is_texty(column->type) || column->type == LEADX_DECIMAL;
  if (!has_text) {
    sqlite3_str_appendall(sql, "''");
    return;
  }
  sqlite3_str_appendf(sql, column->not_null ? "%s" : "ifnull(%s, '')", ref);
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
  if (!name) leadx_err_spoil(sql);
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

static void append_quickly(const writing *what, sqlite3_str *sql) {
  int n = what->table->ncolumns;
  for (int from = 0; from < n; from += CHAIN) {
    if (from > 0) sqlite3_str_appendall(sql, " || ");
    append_printf(what, sql, from, n - from > CHAIN ? from + CHAIN : n);
  }
}

/* ---- the slow way ---- */

/* A value on its way into a cell: what its class alone does not tell is written already. */
static void append_cell_value(sqlite3_str *sql, leadx_type type, const char *ref) {
  if (type == LEADX_UUID) {
    sqlite3_str_appendf(sql, "nullif(%s COLLATE BINARY, '')", ref);
  } else if (type == LEADX_TIMESTAMP_S || type == LEADX_TIMESTAMP_MS) {
    sqlite3_str_appendf(sql, "CASE typeof(%s) WHEN 'integer' THEN ", ref);
    append_instant(sql, ref, type);
    sqlite3_str_appendf(sql, " ELSE %s END", ref);
  } else {
    sqlite3_str_appendall(sql, ref);
  }
}

/* Each member's place, name and value without affinity. */
static void append_listed(const writing *what, sqlite3_str *sql) {
  for (int i = 0; i < what->table->ncolumns; i++) {
    const leadx_column *column = &what->table->columns[i];
    char *name = member_name(what, column), *ref = reference(what->row, column);
    if (!name || !ref) leadx_err_spoil(sql);
    sqlite3_str_appendf(sql, "%s(%d, '%c%q', +", i ? ", " : "", i,
                        column->type == LEADX_BOOLEAN ? 'B' : 'K', name ? name : "");
    append_cell_value(sql, column->type, ref ? ref : "NULL");
    sqlite3_str_appendall(sql, ")");
    sqlite3_free(name);
    sqlite3_free(ref);
  }
}

/* The holes of what is written value by value. */
static void fill_escaped(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  (void)arg;
#define HOLE(name) leadx_template_is(hole, n, name)
  if (HOLE("escaped_list"))
    leadx_template_append(sql, leadx_sql_text[LEADX_SQL_CAPTURE_ESCAPED_LIST], fill_escaped, NULL);
  if (HOLE("escaped_step"))
    sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_ESCAPED_STEP]);
  if (HOLE("real")) append_real(sql, "s");
  if (HOLE("bytes")) append_bytes(sql, "s");
#undef HOLE
}

static void fill_slowly(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  const writing *what = arg;
#define HOLE(name) leadx_template_is(hole, n, name)
  if (HOLE("listed")) append_listed(what, sql);
  if (HOLE("open")) sqlite3_str_appendchar(sql, 1, what->open);
  if (HOLE("close")) sqlite3_str_appendchar(sql, 1, what->close);
#undef HOLE
  fill_escaped(arg, sql, hole, n);
}

static void append_slowly(const writing *what, sqlite3_str *sql) {
  leadx_template_append(sql, leadx_sql_text[LEADX_SQL_CAPTURE_SLOWLY], fill_slowly, what);
}

static void fill_row(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  const writing *what = arg;
#define HOLE(name) leadx_template_is(hole, n, name)
  if (HOLE("needs_escape"))
    sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_NEEDS_ESCAPE]);
  if (HOLE("unusual_class")) append_columns(what, sql, "OR", part_unusual_class);
  if (HOLE("texts")) append_columns(what, sql, "||", part_text);
  if (HOLE("quick")) append_quickly(what, sql);
  if (HOLE("slowly")) append_slowly(what, sql);
#undef HOLE
}

/* ---- rows and keys ---- */

static writing whole_row(const leadx_table *table, const char *row) {
  return (writing){table, row, '{', '}'};
}

void leadx_capture_row(sqlite3_str *sql, const leadx_table *table, const char *row) {
  const writing what = whole_row(table, row);
  leadx_template_append(sql, leadx_sql_text[LEADX_SQL_CAPTURE_WRITTEN], fill_row, &what);
}

/* An absent key becomes '': such a change can never be delivered, but it is seen and said. */
static void append_key_text(sqlite3_str *sql, const char *ref) {
  sqlite3_str_appendf(sql,
                      "CASE typeof(%s) WHEN 'text' THEN %s WHEN 'null' THEN '' WHEN 'blob' THEN "
                      "'\\x' || lower(hex(%s)) WHEN 'real' THEN quote(%s) ELSE %s END",
                      ref, ref, ref, ref, ref);
}

void leadx_capture_key(sqlite3_str *sql, const leadx_table *table, const char *row) {
  leadx_key_sql(sql, table, row);
}

static void append_same_key(sqlite3_str *sql, const leadx_table *table) {
  for (int i = 0; i < table->nkey; i++) {
    if (i > 0) sqlite3_str_appendall(sql, " AND ");
    append_differs(sql, &table->columns[table->key[i]], "IS");
  }
}

char *leadx_capture_local(leadx_db *db, const leadx_table *table, const char *key, leadx_err *err) {
  char *name = sqlite3_mprintf("\"%w\"", table->name), *copy = NULL;
  sqlite3_str *sql = sqlite3_str_new(NULL);
  if (!name) leadx_err_spoil(sql);
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

void leadx_capture_clock(sqlite3_str *sql) {
  sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_CLOCK]);
}

/* ---- cells ---- */

/* How many cells the shared views have. A table takes the narrowest that holds its columns. */
static const int widths[] = {4, 8, 12, 16, 24, 32, 48, 64};
enum { WIDTHS = sizeof widths / sizeof widths[0], WIDEST = 64 };

static int is_wide(const leadx_table *table) { return table->ncolumns > WIDEST; }

static int width_of(const leadx_table *table) {
  int i = 0;
  while (i < WIDTHS - 1 && widths[i] < table->ncolumns) i++;
  return widths[i];
}

/* Does the value stand between quotes whatever it is? One that they do not fit is odd. */
static int is_quoted(const leadx_column *column) {
  switch (column->type) {
    case LEADX_INTEGER:
    case LEADX_REAL:
    case LEADX_BOOLEAN: return 0;
    case LEADX_DECIMAL: return column->affinity == LEADX_AFFINITY_TEXT;
    default: return 1;
  }
}

/* What the value of a boolean is to be part of its name for. */
static int is_in_name(const leadx_column *column) {
  return column->type == LEADX_BOOLEAN && column->key_position == 0;
}

/* "name": as JSON in sqlite3_malloc memory. */
static char *json_name(const leadx_column *column) {
  const writing what = {NULL, NULL, '{', '}'};
  return member_name(&what, column);
}

/* What stands before the value of column i of a whole row. */
static char *row_name(const leadx_table *table, int i) {
  char *name = json_name(&table->columns[i]);
  const char *before = i == 0 ? "{" : is_quoted(&table->columns[i - 1]) ? "\"," : ",";
  char *all = name ? sqlite3_mprintf("%s%s%s", before, name,
                                     is_quoted(&table->columns[i]) ? "\"" : "")
                   : NULL;
  sqlite3_free(name);
  return all;
}

static const char *row_tail(const leadx_table *table) {
  return is_quoted(&table->columns[table->ncolumns - 1]) ? "\"}" : "}";
}

static void append_nulls(sqlite3_str *sql, int n) {
  for (int i = 0; i < n; i++) sqlite3_str_appendall(sql, i ? ", NULL" : "NULL");
}

/* A boolean's cell: its value is part of the name, where it is one. */
static void append_boolean_cell(sqlite3_str *sql, const char *name, const char *ref) {
  sqlite3_str_appendf(sql,
                      "CASE +%s WHEN 1 THEN '%qtrue' WHEN 0 THEN '%qfalse' ELSE '%q' END, "
                      "CASE WHEN +%s IN (0, 1) THEN '' ELSE %s END",
                      ref, name, name, name, ref, ref);
}

static void append_row_cells(sqlite3_str *sql, const leadx_table *table, const char *row) {
  for (int i = 0; i < table->ncolumns; i++) {
    const leadx_column *column = &table->columns[i];
    char *name = row_name(table, i), *ref = reference(row, column);
    if (!name || !ref) leadx_err_spoil(sql);
    if (i > 0) sqlite3_str_appendall(sql, ", ");
    if (name && ref && is_in_name(column)) {
      append_boolean_cell(sql, name, ref);
    } else if (name && ref) {
      sqlite3_str_appendf(sql, "%Q, ", name);
      append_cell_value(sql, column->type, ref);
    }
    sqlite3_free(name);
    sqlite3_free(ref);
  }
  for (int i = table->ncolumns; i < width_of(table); i++)
    sqlite3_str_appendall(sql, ", NULL, NULL");
  sqlite3_str_appendf(sql, ", %Q", row_tail(table));
}

/* Appends how many quotes a row has whose texts have none. */
static void append_quotes(sqlite3_str *sql, const leadx_table *table) {
  int n = row_tail(table)[0] == '"';
  for (int i = 0; i < table->ncolumns; i++) {
    char *name = row_name(table, i);
    if (!name) leadx_err_spoil(sql);
    for (const char *z = name; z && *z; z++) n += *z == '"';
    sqlite3_free(name);
  }
  sqlite3_str_appendf(sql, "%d", n);
}

/* The condition that the value of a column is not what its quotes, or their absence, say. */
static void append_odd_value(sqlite3_str *sql, const leadx_column *column, const char *ref) {
  if (!is_quoted(column)) {
    sqlite3_str_appendf(sql, "%s >= ''", ref);
  } else if (column->type == LEADX_TIMESTAMP_S || column->type == LEADX_TIMESTAMP_MS) {
    const char *zeros = column->type == LEADX_TIMESTAMP_MS ? "000" : "";
    sqlite3_str_appendf(sql,
                        "typeof(%s) = 'real' OR %s NOT BETWEEN -62167219200%s AND "
                        "253402300799%s",
                        ref, ref, zeros, zeros);
  } else {
    sqlite3_str_appendf(sql, "%s < ''", ref);
  }
}

static void append_odd(sqlite3_str *sql, const leadx_table *table, const char *row) {
  int n = 0;
  for (int i = 0; i < table->ncolumns; i++) {
    const leadx_column *column = &table->columns[i];
    if (is_quoted(column) && column->affinity == LEADX_AFFINITY_TEXT &&
        column->type != LEADX_TIMESTAMP_S && column->type != LEADX_TIMESTAMP_MS)
      continue;
    char *ref = reference(row, column);
    if (!ref) leadx_err_spoil(sql);
    if (n++ > 0) sqlite3_str_appendall(sql, " OR ");
    append_odd_value(sql, column, ref ? ref : "NULL");
    sqlite3_free(ref);
  }
  if (n == 0) sqlite3_str_appendall(sql, "0");
}

/* The cells of the columns from..to-1 with the letter before their names (sql/rows/capture.sql,
** capture_edit_view). before NULL: all are to be written, and have one value. */
static void append_edit_cells(sqlite3_str *sql, const leadx_table *table, int from, int to,
                              const char *row, const char *before) {
  for (int i = from; i < to; i++) {
    const leadx_column *column = &table->columns[i];
    char *name = json_name(column), *now = reference(row, column);
    char *old = before ? reference(before, column) : NULL;
    if (!name || !now || (before && !old)) leadx_err_spoil(sql);
    int always = !before || column->key_position > 0, boolean = column->type == LEADX_BOOLEAN;
    sqlite3_str_appendf(sql, "%s'%c%q', ", i > from ? ", " : "",
                        always ? (boolean ? 'B' : 'K') : (boolean ? 'b' : 'v'), name ? name : "");
    append_cell_value(sql, column->type, now ? now : "NULL");
    sqlite3_str_appendall(sql, ", ");
    append_cell_value(sql, column->type, old ? old : "NULL");
    sqlite3_free(name);
    sqlite3_free(now);
    sqlite3_free(old);
  }
}

/* ---- whole triggers ---- */

enum {
  TRIGGER_INSERT,
  TRIGGER_UPDATE,
  TRIGGER_REKEY,
  TRIGGER_DELETE,
  TRIGGER_NOTE,
  TRIGGER_RENOTE,
  TRIGGER_TOOK,
  TRIGGER_RETOOK,
  TRIGGER_FORGET
};

static const struct trigger_kind {
  const char *suffix, *event;
  int template_id;
} trigger_kinds[LEADX_TRIGGERS] = {
    [TRIGGER_INSERT] = {"insert", "INSERT", LEADX_SQL_CAPTURE_INSERT},
    [TRIGGER_UPDATE] = {"update", "UPDATE", LEADX_SQL_CAPTURE_UPDATE},
    [TRIGGER_REKEY] = {"rekey", NULL, -1}, /* format 2 had one */
    [TRIGGER_DELETE] = {"delete", "DELETE", LEADX_SQL_CAPTURE_DELETE},
    [TRIGGER_NOTE] = {"note", "INSERT", LEADX_SQL_CAPTURE_NOTE},
    [TRIGGER_RENOTE] = {"renote", "UPDATE", LEADX_SQL_CAPTURE_NOTE},
    [TRIGGER_TOOK] = {"took", "INSERT", LEADX_SQL_CAPTURE_TOOK},
    [TRIGGER_RETOOK] = {"retook", "UPDATE", LEADX_SQL_CAPTURE_TOOK},
    [TRIGGER_FORGET] = {"forget", "DELETE", LEADX_SQL_CAPTURE_FORGET}};

/* The text of a trigger; -1: there is none any more. */
static int template_of(const leadx_table *table, int which) {
  int id = trigger_kinds[which].template_id;
  return id >= 0 && which < TRIGGER_NOTE && is_wide(table) ? LEADX_SQL_CAPTURE_WIDE : id;
}

char *leadx_capture_name(const leadx_table *table, int which) {
  return sqlite3_mprintf("leadx_%s_%s", table->name, trigger_kinds[which].suffix);
}

/* One element of a composite key if no text needs an escape and no value is odd. */
static void append_key_element(sqlite3_str *sql, const leadx_column *column, const char *ref) {
  int quoted = is_quoted(column),
      fraction = column->type == LEADX_REAL || column->type == LEADX_DECIMAL;
  if (quoted) sqlite3_str_appendall(sql, "'\"' || ");
  if (!quoted && fraction) {
    sqlite3_str_appendf(sql, "CASE typeof(%s) WHEN 'real' THEN ", ref);
    append_finite(sql, ref);
    sqlite3_str_appendf(sql, " ELSE %s END", ref);
  } else {
    append_cell_value(sql, column->type, ref);
  }
  if (quoted) sqlite3_str_appendall(sql, " || '\"'");
}

/* A simple key as it is, or the text of a composite one if no text of it needs an escape; the view
** makes entity_id of it. */
static void append_key_quickly(sqlite3_str *sql, const leadx_table *table, const char *row) {
  if (table->nkey == 1) {
    sqlite3_str_appendf(sql, "%s.\"%w\"", row, table->columns[table->key[0]].name);
    return;
  }
  sqlite3_str_appendall(sql, "'[' || ");
  for (int i = 0; i < table->nkey; i++) {
    const leadx_column *column = &table->columns[table->key[i]];
    char *ref = reference(row, column);
    if (!ref) leadx_err_spoil(sql);
    if (i > 0) sqlite3_str_appendall(sql, " || ',' || ");
    append_key_element(sql, column, ref ? ref : "NULL");
    sqlite3_free(ref);
  }
  sqlite3_str_appendall(sql, " || ']'");
}

/* The places of a composite key's columns, in the key's order. */
static void append_key_places(sqlite3_str *sql, const leadx_table *table) {
  if (table->nkey == 1) {
    sqlite3_str_appendall(sql, "NULL");
    return;
  }
  sqlite3_str_appendall(sql, "' ");
  for (int i = 0; i < table->nkey; i++) sqlite3_str_appendf(sql, "%d ", table->key[i]);
  sqlite3_str_appendall(sql, "'");
}

/* Hands a wide table's columns over, as many at a time as a wide view would take. */
static void append_parts(sqlite3_str *sql, const leadx_table *table, const char *row,
                         const char *before) {
  for (int from = 0; from < table->ncolumns; from += WIDEST) {
    int to = table->ncolumns - from > WIDEST ? from + WIDEST : table->ncolumns;
    sqlite3_str_appendall(sql, "  INSERT INTO leadx_cell(place, k, v, w) VALUES ");
    for (int i = from; i < to; i++) {
      sqlite3_str_appendf(sql, "%s(%d, ", i > from ? ", " : "", i);
      append_edit_cells(sql, table, i, i + 1, row, before);
      sqlite3_str_appendall(sql, ")");
    }
    sqlite3_str_appendall(sql, ";\n");
  }
}

struct trigger_fill {
  const leadx_table *table;
  const char *name;
  int which;
};

/* The row under the key that an UPDATE took from it. */
static void append_wide_old(sqlite3_str *sql, const leadx_table *table) {
  sqlite3_str_appendf(sql, "  INSERT INTO leadx_slow VALUES (%Q, ", table->entity);
  append_key_quickly(sql, table, "OLD");
  sqlite3_str_appendall(sql, ", ");
  append_key_places(sql, table);
  sqlite3_str_appendall(sql, ", CASE WHEN NOT (");
  append_same_key(sql, table);
  sqlite3_str_appendall(sql, ") THEN 'DELETE' END, 1);\n");
}

static void fill_wide(const struct trigger_fill *fill, sqlite3_str *sql, const char *hole,
                      size_t n) {
  const leadx_table *table = fill->table;
  int is_update = fill->which == TRIGGER_UPDATE;
  const char *row = fill->which == TRIGGER_DELETE ? "OLD" : "NEW";
#define HOLE(name) leadx_template_is(hole, n, name)
  if (HOLE("event")) sqlite3_str_appendall(sql, trigger_kinds[fill->which].event);
  if (HOLE("parts")) append_parts(sql, table, row, is_update ? "OLD" : NULL);
  if (HOLE("wide_old") && is_update) append_wide_old(sql, table);
  if (HOLE("wide_key")) append_key_quickly(sql, table, row);
  if (HOLE("wide_action") && is_update) {
    sqlite3_str_appendall(sql, "CASE WHEN ");
    append_same_key(sql, table);
    sqlite3_str_appendall(sql, " THEN 'UPDATE' ELSE 'CREATE' END");
  }
  if (HOLE("wide_action") && fill->which == TRIGGER_INSERT) sqlite3_str_appendall(sql, "'CREATE'");
  if (HOLE("wide_action") && fill->which == TRIGGER_DELETE) sqlite3_str_appendall(sql, "'DELETE'");
#undef HOLE
}

static void fill_edit_cells(const leadx_table *table, sqlite3_str *sql) {
  append_edit_cells(sql, table, 0, table->ncolumns, "NEW", "OLD");
  for (int i = table->ncolumns; i < width_of(table); i++)
    sqlite3_str_appendall(sql, ", NULL, NULL, NULL");
}

static void fill_trigger(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  const struct trigger_fill *fill = arg;
  const leadx_table *table = fill->table;
#define HOLE(name) leadx_template_is(hole, n, name)
  if (HOLE("name")) sqlite3_str_appendf(sql, "\"%w\"", fill->name);
  if (HOLE("table")) sqlite3_str_appendf(sql, "\"%w\"", table->name);
  if (HOLE("entity")) sqlite3_str_appendf(sql, "%Q", table->entity);
  if (HOLE("width")) sqlite3_str_appendf(sql, "%d", width_of(table));
  if (HOLE("keys")) append_key_places(sql, table);
  if (HOLE("quotes")) append_quotes(sql, table);
  if (HOLE("new_key")) append_key_quickly(sql, table, "NEW");
  if (HOLE("old_key")) append_key_quickly(sql, table, "OLD");
  if (HOLE("new_odd")) append_odd(sql, table, "NEW");
  if (HOLE("old_odd")) append_odd(sql, table, "OLD");
  if (HOLE("new_cells")) append_row_cells(sql, table, "NEW");
  if (HOLE("old_cells")) append_row_cells(sql, table, "OLD");
  if (HOLE("edit_cells")) fill_edit_cells(table, sql);
  if (HOLE("same_key")) append_same_key(sql, table);
  if (HOLE("same") && table->nkey == 1) sqlite3_str_appendall(sql, "NULL");
  if (HOLE("same") && table->nkey > 1) append_same_key(sql, table);
#undef HOLE
  if (is_wide(table)) fill_wide(fill, sql, hole, n);
}

char *leadx_capture_trigger(const leadx_table *table, int which) {
  if (template_of(table, which) < 0) return NULL;
  char *name = leadx_capture_name(table, which);
  if (!name) return NULL;
  sqlite3_str *sql = sqlite3_str_new(NULL);
  struct trigger_fill fill = {table, name, which};
  leadx_template_append(sql, leadx_sql_text[template_of(table, which)], fill_trigger, &fill);
  sqlite3_free(name);
  return sqlite3_str_finish(sql);
}

/* ---- what REPLACE takes along ---- */

/* A trigger that notes rows that REPLACE may take along, or sees what became of them. */
typedef struct taking_fill {
  const leadx_table *table;
  const leadx_uniques *uniques;
  const char *name, *row; /* the quoted name of the table */
  int which;
} taking_fill;

static int is_edit(const taking_fill *fill) {
  return fill->which == TRIGGER_RENOTE || fill->which == TRIGGER_RETOOK;
}

/* A key that SQLite chooses is -1 before the row is written, and a note of it is the next row's. */
static int chooses_key(const taking_fill *fill) {
  return !is_edit(fill) && fill->table->integer_key;
}

static void append_new_key(const taking_fill *fill, sqlite3_str *sql) {
  if (chooses_key(fill)) sqlite3_str_appendall(sql, "ifnull(");
  append_key_quickly(sql, fill->table, "NEW");
  if (chooses_key(fill)) sqlite3_str_appendall(sql, ", -1)");
}

/* Is it a note of the row that is being written? */
static void append_is_new(const taking_fill *fill, sqlite3_str *sql) {
  sqlite3_str_appendall(sql,
                        chooses_key(fill) ? "leadx_taken.new IN (-1, " : "leadx_taken.new IS ");
  append_new_key(fill, sql);
  if (chooses_key(fill)) sqlite3_str_appendall(sql, ")");
}

/* Has the table's row the key of another one, byte by byte? */
static void append_has_key_of(const taking_fill *fill, sqlite3_str *sql, const char *other) {
  const leadx_table *table = fill->table;
  for (int i = 0; i < table->nkey; i++) {
    const char *name = table->columns[table->key[i]].name;
    sqlite3_str_appendf(sql, "%s%s.\"%w\" COLLATE BINARY IS %s.\"%w\"", i ? " AND " : "", fill->row,
                        name, other, name);
  }
}

/* One column of the keys of the rows that a unique index finds. */
static void append_note(const taking_fill *fill, sqlite3_str *sql, const char *match, int column) {
  const leadx_table *table = fill->table;
  const leadx_column *part = &table->columns[column];
  char *name = json_name(part), *ref = reference(fill->row, part);
  if (!name || !ref) leadx_err_spoil(sql);
  sqlite3_str_appendf(sql, "%Q, ", table->entity);
  append_new_key(fill, sql);
  sqlite3_str_appendall(sql, ", ");
  append_key_quickly(sql, table, fill->row);
  sqlite3_str_appendf(sql, ", %d, '%c%q', ", column, part->type == LEADX_BOOLEAN ? 'B' : 'K',
                      name ? name : "");
  append_cell_value(sql, part->type, ref ? ref : "NULL");
  sqlite3_str_appendf(sql, ", %s FROM %s WHERE (%s) AND NOT (", ref ? ref : "NULL", fill->row,
                      match);
  append_has_key_of(fill, sql, "NEW");
  sqlite3_str_appendall(sql, ")");
  if (is_edit(fill)) {
    sqlite3_str_appendall(sql, " AND NOT (");
    append_has_key_of(fill, sql, "OLD");
    sqlite3_str_appendall(sql, ")");
  }
  sqlite3_free(name);
  sqlite3_free(ref);
}

static void append_notes(const taking_fill *fill, sqlite3_str *sql) {
  for (int i = 0; i < fill->uniques->n; i++) {
    sqlite3_str_appendall(sql, "  INSERT INTO leadx_taken(entity, new, old, place, k, v, raw)");
    for (int k = 0; k < fill->table->nkey; k++) {
      sqlite3_str_appendall(sql, k ? "\n    UNION ALL SELECT " : " SELECT ");
      append_note(fill, sql, fill->uniques->match[i], fill->table->key[k]);
    }
    sqlite3_str_appendall(sql, ";\n");
  }
}

/* Is the table's row the one that is noted? Compared as its column compares first, so that an index
** finds it. */
static void append_stands(const taking_fill *fill, sqlite3_str *sql) {
  const leadx_table *table = fill->table;
  for (int i = 0; i < table->nkey; i++) {
    const char *name = table->columns[table->key[i]].name;
    char *noted = table->nkey == 1
                      ? sqlite3_mprintf("leadx_taken.raw")
                      : sqlite3_mprintf(
                            "(SELECT leadx_note.raw FROM leadx_taken leadx_note WHERE "
                            "leadx_note.entity = leadx_taken.entity AND leadx_note.new IS "
                            "leadx_taken.new AND leadx_note.old IS leadx_taken.old AND "
                            "leadx_note.place = %d)",
                            table->key[i]);
    if (!noted) leadx_err_spoil(sql);
    sqlite3_str_appendf(sql, "%s%s.\"%w\" IS %s AND %s.\"%w\" COLLATE BINARY IS %s",
                        i ? " AND " : "", fill->row, name, noted ? noted : "NULL", fill->row, name,
                        noted ? noted : "NULL");
    sqlite3_free(noted);
  }
}

/* The row whose key changes has a DELETE of its old one, whoever notes it. */
static void append_moved(const taking_fill *fill, sqlite3_str *sql) {
  if (!is_edit(fill)) return;
  sqlite3_str_appendf(sql, "  DELETE FROM leadx_taken WHERE entity = %Q AND old IS ",
                      fill->table->entity);
  append_key_quickly(sql, fill->table, "OLD");
  sqlite3_str_appendall(sql, " AND NOT (");
  append_same_key(sql, fill->table);
  sqlite3_str_appendall(sql, ");\n");
}

static void fill_taking(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  const taking_fill *fill = arg;
#define HOLE(name) leadx_template_is(hole, n, name)
  if (HOLE("name")) sqlite3_str_appendf(sql, "\"%w\"", fill->name);
  if (HOLE("table")) sqlite3_str_appendall(sql, fill->row);
  if (HOLE("entity")) sqlite3_str_appendf(sql, "%Q", fill->table->entity);
  if (HOLE("event")) sqlite3_str_appendall(sql, trigger_kinds[fill->which].event);
  if (HOLE("of") && is_edit(fill)) sqlite3_str_appendall(sql, fill->uniques->of);
  if (HOLE("is_new")) append_is_new(fill, sql);
  if (HOLE("notes")) append_notes(fill, sql);
  if (HOLE("stands")) append_stands(fill, sql);
  if (HOLE("moved")) append_moved(fill, sql);
  if (HOLE("keys")) append_key_places(sql, fill->table);
  if (HOLE("old_key")) append_key_quickly(sql, fill->table, "OLD");
#undef HOLE
}

static char *taking_trigger(const leadx_table *table, const leadx_uniques *uniques, int which) {
  char *name = leadx_capture_name(table, which), *row = sqlite3_mprintf("\"%w\"", table->name);
  sqlite3_str *sql = sqlite3_str_new(NULL);
  if (name && row) {
    const taking_fill fill = {table, uniques, name, row, which};
    leadx_template_append(sql, leadx_sql_text[trigger_kinds[which].template_id], fill_taking,
                          &fill);
  } else {
    leadx_err_spoil(sql);
  }
  sqlite3_free(name);
  sqlite3_free(row);
  return sqlite3_str_finish(sql);
}

/* ---- what all tables share ---- */

/* Does NEW.texts hold what must be escaped? One GLOB per character, because SQLite finds one by
** strcspn() and a set of them by recursion. The line ends and the end of file, which programs might
** change in a file of SQL, are not written out. */
static void append_escapes(sqlite3_str *sql) {
  sqlite3_str_appendall(sql, "NEW.texts GLOB '*\\*'");
  for (int c = 2; c < 32; c++) {
    int is_delicate = c == '\n' || c == '\r' || c == 0x1a;
    sqlite3_str_appendf(
        sql, is_delicate ? " OR NEW.texts GLOB char(42, %d, 42)" : " OR NEW.texts GLOB '*%c*'", c);
  }
}

/* A list over the cells of a view: for each i, format with i in the place of each %d (at most
** three). */
static void append_each(sqlite3_str *sql, int width, const char *format) {
  for (int i = 0; i < width; i++) {
    if (i > 0) sqlite3_str_appendall(sql, ", ");
    sqlite3_str_appendf(sql, format, i, i, i, i);
  }
}

/* A shared object that is being written: its width, and the name that stands for a value. */
typedef struct shared_fill {
  int width;
  const char *value;
} shared_fill;

static void fill_value(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  const shared_fill *fill = arg;
  if (leadx_template_is(hole, n, "v")) sqlite3_str_appendall(sql, fill->value);
  if (leadx_template_is(hole, n, "finite")) append_finite(sql, fill->value);
  if (leadx_template_is(hole, n, "number"))
    leadx_template_append(sql, leadx_sql_text[LEADX_SQL_CAPTURE_NUMBER], fill_value, fill);
}

static void append_value_template(sqlite3_str *sql, int sql_id, const char *value) {
  const shared_fill fill = {0, value};
  leadx_template_append(sql, leadx_sql_text[sql_id], fill_value, &fill);
}

#define CHANGED "(v IS NOT w OR (v < '' AND typeof(v) <> typeof(w)))"
#define WRITTEN "(k < 'a' OR " CHANGED ")"

/* The members of the cells, of which one value is written. */
static void fill_members(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  const shared_fill *fill = arg;
#define HOLE(name) leadx_template_is(hole, n, name)
  if (HOLE("value")) sqlite3_str_appendall(sql, fill->value);
  if (HOLE("written")) sqlite3_str_appendall(sql, WRITTEN);
  if (HOLE("changed")) sqlite3_str_appendall(sql, CHANGED);
#undef HOLE
  fill_escaped(NULL, sql, hole, n);
}

static void append_members(sqlite3_str *sql, const char *value) {
  const shared_fill fill = {0, value};
  leadx_template_append(sql, leadx_sql_text[LEADX_SQL_CAPTURE_MEMBERS], fill_members, &fill);
}

static void fill_cells(const shared_fill *fill, sqlite3_str *sql, const char *hole, size_t n) {
  int width = fill->width;
#define HOLE(name) leadx_template_is(hole, n, name)
  if (HOLE("width")) sqlite3_str_appendf(sql, "%d", width);
  if (HOLE("row_names")) append_each(sql, width, "k%d, v%d");
  if (HOLE("row_nulls")) append_nulls(sql, 2 * width + 7);
  if (HOLE("row_cells")) append_each(sql, width, "(NEW.k%d, NEW.v%d)");
  if (HOLE("edit_names")) append_each(sql, width, "k%d, v%d, w%d");
  if (HOLE("edit_nulls")) append_nulls(sql, 3 * width + 5);
  if (HOLE("placed_row_cells")) append_each(sql, width, "(%d, NEW.k%d, NEW.v%d)");
  if (HOLE("placed_edit_cells")) append_each(sql, width, "(%d, NEW.k%d, NEW.v%d, NEW.w%d)");
  if (HOLE("edit_cells")) {
    sqlite3_str_appendall(sql, "WITH leadx_list(k, v, w) AS (VALUES ");
    append_each(sql, width, "(NEW.k%d, NEW.v%d, NEW.w%d)");
    sqlite3_str_appendall(sql, ") SELECT k, v, w FROM leadx_list");
  }
#undef HOLE
}

static void fill_shared(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  fill_cells(arg, sql, hole, n);
#define HOLE(name) leadx_template_is(hole, n, name)
  if (HOLE("changed")) sqlite3_str_appendall(sql, CHANGED);
  if (HOLE("same")) sqlite3_str_appendall(sql, "ifnull(NEW.same, NEW.old_id IS NEW.entity_id)");
  if (HOLE("members")) append_members(sql, "CASE WHEN NEW.old THEN w ELSE v END");
  if (HOLE("infinite"))
    sqlite3_str_appendall(sql, "(v < '' AND (v > " GREATEST " OR v < -" GREATEST
                               ")) OR (w < '' AND (w > " GREATEST " OR w < -" GREATEST "))");
  if (HOLE("written")) sqlite3_str_appendall(sql, WRITTEN);
  if (HOLE("number")) append_value_template(sql, LEADX_SQL_CAPTURE_NUMBER, "v");
  if (HOLE("v_quickly")) append_value_template(sql, LEADX_SQL_CAPTURE_VALUE, "v");
  if (HOLE("w_quickly")) append_value_template(sql, LEADX_SQL_CAPTURE_VALUE, "w");
  if (HOLE("ms")) sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_MS]);
  if (HOLE("n")) sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_N]);
  if (HOLE("id")) sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_ID]);
  if (HOLE("clock")) leadx_capture_clock(sql);
  if (HOLE("record_id")) sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_RECORD_ID]);
  if (HOLE("nul_mark")) sqlite3_str_appendall(sql, "'*\x01*'");
  if (HOLE("nulls"))
    sqlite3_str_appendall(sql, "replace(replace(NEW.texts, '\":\"' || x'01ff' || '\"', "
                               "'\":null'), '\":' || x'01ff', '\":null')");
  if (HOLE("escapes")) append_escapes(sql);
  if (HOLE("entity_id")) append_key_text(sql, "NEW.entity_id");
#undef HOLE
}

/* The shared objects in the order in which they are made: name (with the width) and template. */
static const struct shared_object {
  const char *name;
  int template_id, is_view, for_wide;
} shared_objects[] = {
    {"leadx_slow", LEADX_SQL_CAPTURE_SLOW_VIEW, 1, 1},
    {"leadx_slow_queue", LEADX_SQL_CAPTURE_SLOW, 0, 1},
    {"leadx_took", LEADX_SQL_CAPTURE_TOOK_VIEW, 1, 1},
    {"leadx_took_queue", LEADX_SQL_CAPTURE_TOOK_QUEUE, 0, 1},
    {"leadx_record", LEADX_SQL_CAPTURE_RECORD_VIEW, 1, 0},
    {"leadx_record_queue", LEADX_SQL_CAPTURE_RECORD, 0, 0},
    {"leadx_row_%d", LEADX_SQL_CAPTURE_ROW_VIEW, 1, 0},
    {"leadx_row_%d_queue", LEADX_SQL_CAPTURE_ROW, 0, 0},
    {"leadx_edit_%d", LEADX_SQL_CAPTURE_EDIT_VIEW, 1, 0},
    {"leadx_edit_%d_queue", LEADX_SQL_CAPTURE_EDIT, 0, 0},
};

/* ---- in the file ---- */

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
  int is_made = template_of(table, which) >= 0;
  return install_text(db, table, which,
                      is_made ? leadx_capture_trigger(table, which) : sqlite3_mprintf(""), renewed,
                      err);
}

/* The triggers that see what REPLACE takes along, of a table from which it can take something. They
** come last, because SQLite runs the newest trigger first and their DELETE frees what the row that
** is written needs. What they missed cannot be found by comparing, so nobody has to be told. */
static int install_taking(leadx_db *db, const leadx_table *table, leadx_err *err) {
  leadx_uniques uniques;
  int renewed = 0, rc = leadx_uniques_read(db, table, &uniques, err);
  for (int i = TRIGGER_NOTE; i < LEADX_TRIGGERS && rc == SQLITE_OK; i++)
    rc = install_text(db, table, i,
                      uniques.n ? taking_trigger(table, &uniques, i) : sqlite3_mprintf(""),
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
  const struct shared_object *kind;
  char *name, *sql;
  int same, exists;
} shared;

static int look_at_shared(leadx_db *db, const struct shared_object *kind, int width, shared *object,
                          leadx_err *err) {
  const shared_fill fill = {width, "v"};
  sqlite3_str *text = sqlite3_str_new(NULL);
  memset(object, 0, sizeof *object);
  object->kind = kind;
  leadx_template_append(text, leadx_sql_text[kind->template_id], fill_shared, &fill);
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
  int rc = SQLITE_OK, width = width_of(table);
  for (size_t i = 0; rc == SQLITE_OK && i < sizeof shared_objects / sizeof shared_objects[0]; i++) {
    const struct shared_object *kind = &shared_objects[i];
    shared object;
    if (is_wide(table) && !kind->for_wide) continue;
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
    for (int i = 0; i < TRIGGER_NOTE && rc == SQLITE_OK; i++)
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
