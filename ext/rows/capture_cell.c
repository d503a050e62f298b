/* The cells of a trigger. See capture_cell.h. */
#include "rows/capture_cell.h"

#include <string.h>

#include "rows/capture_value.h"

/* How many cells the shared views have. A table takes the narrowest that holds its columns. */
static const int widths[] = {4, 8, 12, 16, 24, 32, 48, 64};
enum { WIDTHS = sizeof widths / sizeof widths[0], WIDEST = LEADX_CAPTURE_WIDEST };

int leadx_capture_is_wide(const leadx_table *table) {
  return table->ncolumns > LEADX_CAPTURE_WIDEST;
}

int leadx_capture_width(const leadx_table *table) {
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

/* What stands before the value of column i of a whole row. */
static char *row_name(const leadx_table *table, int i) {
  char *name = leadx_capture_member(&table->columns[i]);
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

void leadx_capture_nulls(sqlite3_str *sql, int n) {
  for (int i = 0; i < n; i++) sqlite3_str_appendall(sql, i ? ", NULL" : "NULL");
}

/* A boolean's cell: its value is part of the name, where it is one. */
static void append_boolean_cell(sqlite3_str *sql, const char *name, const char *ref) {
  sqlite3_str_appendf(sql,
                      "CASE +%s WHEN 1 THEN '%qtrue' WHEN 0 THEN '%qfalse' ELSE '%q' END, "
                      "CASE WHEN +%s IN (0, 1) THEN '' ELSE %s END",
                      ref, name, name, name, ref, ref);
}

void leadx_capture_row_cells(sqlite3_str *sql, const leadx_table *table, const char *row) {
  for (int i = 0; i < table->ncolumns; i++) {
    const leadx_column *column = &table->columns[i];
    char *name = row_name(table, i), *ref = leadx_capture_reference(row, column);
    if (!name || !ref) leadx_err_spoil(sql);
    if (i > 0) sqlite3_str_appendall(sql, ", ");
    if (name && ref && is_in_name(column)) {
      append_boolean_cell(sql, name, ref);
    } else if (name && ref) {
      sqlite3_str_appendf(sql, "%Q, ", name);
      leadx_capture_cell(sql, column->type, ref);
    }
    sqlite3_free(name);
    sqlite3_free(ref);
  }
  for (int i = table->ncolumns; i < leadx_capture_width(table); i++)
    sqlite3_str_appendall(sql, ", NULL, NULL");
  sqlite3_str_appendf(sql, ", %Q", row_tail(table));
}

/* Appends how many quotes a row has whose texts have none. */
void leadx_capture_quotes(sqlite3_str *sql, const leadx_table *table) {
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

void leadx_capture_odd(sqlite3_str *sql, const leadx_table *table, const char *row) {
  int n = 0;
  for (int i = 0; i < table->ncolumns; i++) {
    const leadx_column *column = &table->columns[i];
    if (is_quoted(column) && column->affinity == LEADX_AFFINITY_TEXT &&
        column->type != LEADX_TIMESTAMP_S && column->type != LEADX_TIMESTAMP_MS)
      continue;
    char *ref = leadx_capture_reference(row, column);
    if (!ref) leadx_err_spoil(sql);
    if (n++ > 0) sqlite3_str_appendall(sql, " OR ");
    append_odd_value(sql, column, ref ? ref : "NULL");
    sqlite3_free(ref);
  }
  if (n == 0) sqlite3_str_appendall(sql, "0");
}

/* The cells of the columns from..to-1 with the letter before their names (sql/rows/capture_shared.sql,
** capture_edit_view). before NULL: all are to be written, and have one value. */
void leadx_capture_edit_cells(sqlite3_str *sql, const leadx_table *table, int from, int to,
                              const char *row, const char *before) {
  for (int i = from; i < to; i++) {
    const leadx_column *column = &table->columns[i];
    char *name = leadx_capture_member(column), *now = leadx_capture_reference(row, column);
    char *old = before ? leadx_capture_reference(before, column) : NULL;
    if (!name || !now || (before && !old)) leadx_err_spoil(sql);
    int always = !before || column->key_position > 0, boolean = column->type == LEADX_BOOLEAN;
    sqlite3_str_appendf(sql, "%s'%c%q', ", i > from ? ", " : "",
                        always ? (boolean ? 'B' : 'K') : (boolean ? 'b' : 'v'), name ? name : "");
    leadx_capture_cell(sql, column->type, now ? now : "NULL");
    sqlite3_str_appendall(sql, ", ");
    leadx_capture_cell(sql, column->type, old ? old : "NULL");
    sqlite3_free(name);
    sqlite3_free(now);
    sqlite3_free(old);
  }
}
/* One element of a composite key if no text needs an escape and no value is odd. */
static void append_key_element(sqlite3_str *sql, const leadx_column *column, const char *ref) {
  int quoted = is_quoted(column),
      fraction = column->type == LEADX_REAL || column->type == LEADX_DECIMAL;
  if (quoted) sqlite3_str_appendall(sql, "'\"' || ");
  if (!quoted && fraction) {
    sqlite3_str_appendf(sql, "CASE typeof(%s) WHEN 'real' THEN ", ref);
    leadx_capture_finite(sql, ref);
    sqlite3_str_appendf(sql, " ELSE %s END", ref);
  } else {
    leadx_capture_cell(sql, column->type, ref);
  }
  if (quoted) sqlite3_str_appendall(sql, " || '\"'");
}

/* A simple key as it is, or the text of a composite one if no text of it needs an escape; the view
** makes entity_id of it. */
void leadx_capture_key_cell(sqlite3_str *sql, const leadx_table *table, const char *row) {
  if (table->nkey == 1) {
    sqlite3_str_appendf(sql, "%s.\"%w\"", row, table->columns[table->key[0]].name);
    return;
  }
  sqlite3_str_appendall(sql, "'[' || ");
  for (int i = 0; i < table->nkey; i++) {
    const leadx_column *column = &table->columns[table->key[i]];
    char *ref = leadx_capture_reference(row, column);
    if (!ref) leadx_err_spoil(sql);
    if (i > 0) sqlite3_str_appendall(sql, " || ',' || ");
    append_key_element(sql, column, ref ? ref : "NULL");
    sqlite3_free(ref);
  }
  sqlite3_str_appendall(sql, " || ']'");
}

/* The places of a composite key's columns, in the key's order. */
void leadx_capture_key_places(sqlite3_str *sql, const leadx_table *table) {
  if (table->nkey == 1) {
    sqlite3_str_appendall(sql, "NULL");
    return;
  }
  sqlite3_str_appendall(sql, "' ");
  for (int i = 0; i < table->nkey; i++) sqlite3_str_appendf(sql, "%d ", table->key[i]);
  sqlite3_str_appendall(sql, "'");
}

void leadx_capture_same_key(sqlite3_str *sql, const leadx_table *table) {
  for (int i = 0; i < table->nkey; i++) {
    const char *name = table->columns[table->key[i]].name;
    sqlite3_str_appendf(sql, "%sOLD.\"%w\" COLLATE BINARY IS NEW.\"%w\"", i ? " AND " : "", name,
                        name);
  }
}
