/* Local spellings of uuids that no rule tells. See spelling.h. */
#include "rows/spelling.h"

#include "rows/key.h"

static const leadx_column *uuid_column(const leadx_table *table, int i) {
  const leadx_column *column = &table->columns[table->key[i]];
  return column->type == LEADX_UUID ? column : NULL;
}

/* Are there small letters and capitals in it? */
static int is_mixed(leadx_slice text) {
  int small = 0, capital = 0;
  for (size_t i = 0; i < text.n; i++) {
    small |= text.z[i] >= 'a' && text.z[i] <= 'f';
    capital |= text.z[i] >= 'A' && text.z[i] <= 'F';
  }
  return small && capital;
}

static int note_text(leadx_db *db, leadx_slice value, leadx_err *err) {
  char *text = NULL;
  if (!is_mixed(value)) return SQLITE_OK;
  int rc = leadx_json_text(value, &text, NULL);
  if (rc == SQLITE_OK) leadx_db_run(db, LEADX_SQL_SPELLING_NOTE, err, "t", text);
  else if (rc == SQLITE_NOMEM) leadx_err_nomem(err);
  sqlite3_free(text);
  return err->rc;
}

int leadx_spelling_note(leadx_db *db, const leadx_table *table, const char *entity_id,
                        leadx_err *err) {
  leadx_slice values[LEADX_KEY_COLUMNS];
  int n = 0;
  char *document = leadx_key_json(table, entity_id, values, &n, err);
  for (int i = 0; document && i < n && err->rc == SQLITE_OK; i++) {
    if (uuid_column(table, i)) note_text(db, values[i], err);
  }
  sqlite3_free(document);
  return err->rc;
}

/* The odd spellings that a column has. */
static sqlite3_stmt *select_odd(leadx_db *db, const leadx_table *table, const leadx_column *column,
                                leadx_err *err) {
  sqlite3_str *sql = sqlite3_str_new(NULL);
  const char *name = column->name;
  sqlite3_str_appendf(sql,
                      "SELECT \"%w\" FROM main.\"%w\" WHERE typeof(\"%w\") = 'text' AND \"%w\" <> "
                      "lower(\"%w\") AND \"%w\" <> upper(\"%w\")",
                      name, table->name, name, name, name, name, name);
  return leadx_db_get_str(db, sql, err);
}

static int note_column(leadx_db *db, const leadx_table *table, const leadx_column *column,
                       leadx_err *err) {
  sqlite3_stmt *stmt = select_odd(db, table, column, err);
  while (stmt && err->rc == SQLITE_OK && leadx_db_next(db, stmt, err)) {
    const char *text = leadx_db_text(stmt, 0, err);
    if (text) leadx_db_run(db, LEADX_SQL_SPELLING_NOTE, err, "t", text);
  }
  leadx_db_put(db, stmt);
  return err->rc;
}

int leadx_spelling_find(leadx_db *db, const leadx_table *table, int *found, leadx_err *err) {
  *found = 0;
  for (int i = 0; i < table->nkey && !*found && err->rc == SQLITE_OK; i++) {
    const leadx_column *column = uuid_column(table, i);
    sqlite3_stmt *stmt = column ? select_odd(db, table, column, err) : NULL;
    *found = stmt && leadx_db_next(db, stmt, err);
    leadx_db_put(db, stmt);
  }
  return err->rc;
}

int leadx_spelling_note_rows(leadx_db *db, const leadx_table *table, leadx_err *err) {
  for (int i = 0; i < table->nkey && err->rc == SQLITE_OK; i++) {
    const leadx_column *column = uuid_column(table, i);
    if (column) note_column(db, table, column, err);
  }
  return err->rc;
}
