/* Keys that the local columns cannot keep, or may spell otherwise. See key_fit.h. */
#include "rows/key_fit.h"

#include <string.h>

#include "base/instant.h"
#include "rows/key.h"
#include "rows/key_sql.h"
#include "rows/key_text.h"
#include "rows/key_value.h"

/* ---- what does not fit ---- */

/* Does a column of numbers make of the text exactly what it says? One that is no number stays a
** text there. */
static int fits_number(leadx_type type, const char *z, size_t n) {
  if (!leadx_key_value_is_decimal(z, n)) return 1;
  sqlite3_str *out = sqlite3_str_new(NULL);
  int64_t number = 0;
  int is_int64 = leadx_json_int64((leadx_slice){z, n}, &number) == 0;
  if (!is_int64) leadx_key_value(out, LEADX_REAL, LEADX_BY_DEVICE, z, n);
  const char *text = sqlite3_str_value(out);
  int fits = is_int64 ? z[0] != '0' || n == 1
                      : text && (size_t)sqlite3_str_length(out) == n && memcmp(text, z, n) == 0;
  if (type == LEADX_INTEGER && !is_int64) fits = 0;
  sqlite3_free(sqlite3_str_finish(out));
  return fits;
}

static int fits(const leadx_column *column, const char *z, size_t n) {
  int64_t us = 0;
  switch (column->type) {
    case LEADX_TIMESTAMP_S:
    case LEADX_TIMESTAMP_MS:
      if (leadx_instant_parse(z, n, &us) != 0) return 1;
      return us % (column->type == LEADX_TIMESTAMP_S ? 1000000 : 1000) == 0;
    case LEADX_INTEGER:
    case LEADX_REAL:
    case LEADX_BOOLEAN: return fits_number(column->type, z, n);
    case LEADX_BLOB: return 1;
    default: return !column->is_numeric || fits_number(column->type, z, n);
  }
}

const char *leadx_key_misfit(const leadx_table *table, const char *key) {
  static const char reason[] = "the local column cannot keep this key exactly";
  leadx_slice values[LEADX_KEY_COLUMNS];
  if (table->nkey == 1) return fits(leadx_key_column(table, 0), key, strlen(key)) ? NULL : reason;
  if (!leadx_key_open(table, key, strlen(key), values)) return NULL;
  for (int i = 0; i < table->nkey; i++) {
    size_t quote = leadx_json_kind_of(values[i]) == LEADX_JSON_STRING;
    if (!fits(leadx_key_column(table, i), values[i].z + quote, values[i].n - 2 * quote))
      return reason;
  }
  return NULL;
}

/* ---- texts that may be uuids ---- */

static int is_doubtful(const leadx_column *column) {
  return column->type == LEADX_TEXT && !column->is_settled && !column->is_doubted;
}

static int has_doubtful(const leadx_table *table) {
  for (int i = 0; i < table->nkey; i++) {
    if (is_doubtful(leadx_key_column(table, i))) return 1;
  }
  return 0;
}

static void doubt(leadx_column *column, const char *z, size_t n) {
  char uuid[LEADX_UUID_BYTES];
  if (is_doubtful(column) && leadx_key_value_uuid(z, n, uuid))
    column->is_doubted = n != strlen(uuid) || memcmp(uuid, z, n) != 0;
}

void leadx_key_doubt(leadx_table *table, const char *key) {
  leadx_slice values[LEADX_KEY_COLUMNS];
  if (!has_doubtful(table)) return;
  if (table->nkey == 1) {
    doubt(&table->columns[table->key[0]], key, strlen(key));
  } else if (leadx_key_open(table, key, strlen(key), values)) {
    for (int i = 0; i < table->nkey; i++) {
      if (leadx_json_kind_of(values[i]) == LEADX_JSON_STRING)
        doubt(&table->columns[table->key[i]], values[i].z + 1, values[i].n - 2);
    }
  }
}

int leadx_key_doubt_rows(leadx_db *db, leadx_table *table, leadx_err *err) {
  if (!has_doubtful(table)) return SQLITE_OK;
  sqlite3_str *sql = sqlite3_str_new(NULL);
  sqlite3_str_appendall(sql, "SELECT ");
  leadx_key_sql(sql, table, "t");
  sqlite3_str_appendf(sql, " FROM main.\"%w\" t", table->name);
  sqlite3_stmt *stmt = leadx_db_get_str(db, sql, err);
  while (stmt && has_doubtful(table) && leadx_db_next(db, stmt, err)) {
    const char *key = leadx_db_text(stmt, 0, err);
    if (key) leadx_key_doubt(table, key);
  }
  leadx_db_put(db, stmt);
  return err->rc;
}
