/* A row as JSON, outside of triggers. See capture_row.h. */
#include "rows/capture_row.h"

#include <string.h>

#include "rows/capture_value.h"
#include "rows/key_row.h"
#include "rows/key_sql.h"
#include "store/template.h"

/* Long chains of || and OR are cut into parentheses of this many, so that 2,000 columns stay under
** SQLite's limit of 1,000 for the depth of an expression; and so many columns share a printf(),
** which may have 127 arguments. */
#define CHAIN 24
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

/* ---- a row ---- */

/* Which columns of which row are written and how: as an object or as an array ("[" "]"). */
typedef struct writing {
  const leadx_table *table;
  const char *row;
  char open, close;
} writing;

/* "name": as JSON, in sqlite3_malloc memory; nothing for an element of an array. */
static char *member_name(const writing *what, const leadx_column *column) {
  return what->open == '[' ? sqlite3_mprintf("") : leadx_capture_member(column);
}

typedef void append_part(const writing *what, sqlite3_str *sql, const leadx_column *column,
                         const char *ref);

/* Appends a part for a column. */
static void append_column(const writing *what, sqlite3_str *sql, int i, append_part *part) {
  const leadx_column *column = &what->table->columns[i];
  char *ref = leadx_capture_reference(what->row, column);
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
  leadx_capture_unusual(sql, column->type, ref);
}

/* A text that cannot be NULL spares the ifnull(); should it be NULL in spite of that, all texts
** are, and the slow way is taken. */
static void part_text(const writing *what, sqlite3_str *sql, const leadx_column *column,
                      const char *ref) {
  (void)what;
  int has_text = leadx_capture_is_texty(column->type) || column->type == LEADX_DECIMAL;
  if (!has_text) {
    sqlite3_str_appendall(sql, "''");
    return;
  }
  sqlite3_str_appendf(sql, column->not_null ? "%s" : "ifnull(%s, '')", ref);
}

/* ---- the quick way ---- */

/* Does a value of that column stand between quotes whatever it is? */
static int always_quoted(const leadx_column *column) {
  return column->not_null && leadx_capture_is_texty(column->type) && column->type != LEADX_UUID;
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
  sqlite3_str_appendall(sql, always_quoted(column)                  ? "\"%s\""
                             : leadx_capture_is_texty(column->type) ? "%s%s%s"
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
  } else if (leadx_capture_is_texty(column->type)) {
    sqlite3_str_appendf(sql,
                        "CASE WHEN %s IS NULL THEN 'null' ELSE '\"' END, %s, CASE WHEN %s IS NULL "
                        "THEN '' ELSE '\"' END",
                        ref, ref, ref);
  } else {
    leadx_capture_usual(sql, column->type, ref);
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

/* Each member's place, name and value without affinity. */
static void append_listed(const writing *what, sqlite3_str *sql) {
  for (int i = 0; i < what->table->ncolumns; i++) {
    const leadx_column *column = &what->table->columns[i];
    char *name = member_name(what, column), *ref = leadx_capture_reference(what->row, column);
    if (!name || !ref) leadx_err_spoil(sql);
    sqlite3_str_appendf(sql, "%s(%d, '%c%q', +", i ? ", " : "", i,
                        column->type == LEADX_BOOLEAN ? 'B' : 'K', name ? name : "");
    leadx_capture_cell(sql, column->type, ref ? ref : "NULL");
    sqlite3_str_appendall(sql, ")");
    sqlite3_free(name);
    sqlite3_free(ref);
  }
}

/* The holes of what is written value by value. */
void leadx_capture_escaped(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  (void)arg;
#define HOLE(name) leadx_template_is(hole, n, name)
  if (HOLE("escaped_list"))
    leadx_template_append(sql, leadx_sql_text[LEADX_SQL_CAPTURE_ESCAPED_LIST],
                          leadx_capture_escaped, NULL);
  if (HOLE("escaped_step"))
    sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_ESCAPED_STEP]);
  if (HOLE("real")) leadx_capture_real(sql, "s");
  if (HOLE("bytes")) leadx_capture_bytes(sql, "s");
#undef HOLE
}

static void fill_slowly(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  const writing *what = arg;
#define HOLE(name) leadx_template_is(hole, n, name)
  if (HOLE("listed")) append_listed(what, sql);
  if (HOLE("open")) sqlite3_str_appendchar(sql, 1, what->open);
  if (HOLE("close")) sqlite3_str_appendchar(sql, 1, what->close);
#undef HOLE
  leadx_capture_escaped(arg, sql, hole, n);
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
