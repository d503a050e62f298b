/* By which words a person knows a row. See label.h. */
#include "api/label.h"

#include "rows/key_row.h"
#include "store/tables.h"

static const char *const label_columns[] = {"name", "title", "code", "subject", "label"};
#define LABEL_COLUMNS (sizeof label_columns / sizeof label_columns[0])

/* Appends the column's text, or '' so that the next one counts. */
static void append_column(sqlite3_str *sql, const leadx_column *column) {
  sqlite3_str_appendf(sql, "nullif(substr(\"%w\", 1, 80), ''), ", column->name);
}

/* SELECT coalesce(…) of the table's label columns, in their order of preference; how many. */
static int append_labels(sqlite3_str *sql, const leadx_table *table) {
  int n = 0;
  sqlite3_str_appendall(sql, "SELECT coalesce(");
  for (size_t i = 0; i < LABEL_COLUMNS; i++) {
    for (int c = 0; c < table->ncolumns; c++) {
      if (sqlite3_stricmp(table->columns[c].name, label_columns[i]) != 0) continue;
      append_column(sql, &table->columns[c]);
      n++;
    }
  }
  sqlite3_str_appendf(sql, "NULL, NULL) FROM main.\"%w\" WHERE ", table->name);
  return n;
}

static char *read_label(sqlite3_stmt *stmt, const leadx_table *table, const char *key) {
  char *label = NULL;
  if (leadx_key_bind(table, stmt, 1, key) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
    const unsigned char *text = sqlite3_column_text(stmt, 0);
    if (text) label = sqlite3_mprintf("%s", text);
  }
  sqlite3_finalize(stmt);
  return label;
}

char *leadx_label_of(leadx_db *db, const leadx_tables *tables, const char *entity,
                     const char *key) {
  leadx_err quiet = {0};
  const leadx_table *table = leadx_tables_by_entity(tables, entity);
  if (!table) return NULL;
  sqlite3_str *sql = sqlite3_str_new(NULL);
  if (append_labels(sql, table) == 0) {
    sqlite3_free(sqlite3_str_finish(sql));
    return NULL;
  }
  leadx_key_where(table, sql, 1);
  sqlite3_stmt *stmt = leadx_db_prepare_str(db, sql, &quiet);
  return stmt ? read_label(stmt, table, key) : NULL;
}
