/* The local row of a key. See key_row.h. */
#include "rows/key_row.h"

#include <string.h>

#include "base/instant.h"
#include "base/number.h"
#include "rows/key.h"
#include "rows/key_text.h"

/* Types whose columns can spell one value in several ways. */
static int varies(leadx_type type) {
  return type == LEADX_UUID || type == LEADX_DECIMAL || type == LEADX_TIMESTAMP;
}

int leadx_key_varies(const leadx_table *table) {
  for (int i = 0; i < table->nkey; i++) {
    if (varies(leadx_key_column(table, i)->type)) return 1;
  }
  return 0;
}

/* A uuid in the four ways that programs write it, and as it was noted (rows/spelling.h); an index is
** used for each. */
#define UUID_FORMS \
  "\"%w\" IN (?%d, CASE WHEN length(?%d) = 36 THEN upper(?%d) ELSE ?%d END, " \
  "CASE WHEN length(?%d) = 36 THEN replace(?%d, '-', '') ELSE ?%d END, " \
  "CASE WHEN length(?%d) = 36 THEN upper(replace(?%d, '-', '')) ELSE ?%d END, " \
  "(SELECT value FROM main.leadx_settings WHERE key = 'uuid/' || ?%d))"

static void append_where(sqlite3_str *sql, const leadx_column *column, int p) {
  const char *name = column->name;
  switch (column->type) {
    case LEADX_UUID:
      sqlite3_str_appendf(sql, UUID_FORMS, name, p, p, p, p, p, p, p, p, p, p, p);
      break;
    case LEADX_DECIMAL:
    case LEADX_TIMESTAMP: /* an array of the usual forms is bound */
      sqlite3_str_appendf(sql, "\"%w\" IN (SELECT value FROM json_each(?%d))", name, p);
      break;
    case LEADX_TEXT:
    case LEADX_JSON: /* whatever the column's collation is */
      sqlite3_str_appendf(sql, "\"%w\" = ?%d AND \"%w\" = ?%d COLLATE BINARY", name, p, name, p);
      break;
    default: sqlite3_str_appendf(sql, "\"%w\" = ?%d", name, p);
  }
}

void leadx_key_where(const leadx_table *table, sqlite3_str *sql, int first) {
  for (int i = 0; i < table->nkey; i++) {
    if (i > 0) sqlite3_str_appendall(sql, " AND ");
    append_where(sql, leadx_key_column(table, i), first + i);
  }
}

/* ["1.5","1.50",…] */
static void append_decimal_forms(sqlite3_str *out, const char *z, size_t n) {
  const char *point = memchr(z, '.', n) ? "" : ".";
  sqlite3_str_appendall(out, "[");
  leadx_json_append_string(out, z, n);
  for (int zeros = 1; zeros <= 12; zeros++)
    sqlite3_str_appendf(out, ",\"%.*s%s%.*s\"", (int)n, z, point, zeros, "000000000000");
  sqlite3_str_appendall(out, "]");
}

/* The canonical instant with T or a blank, and with the zones that programs write for UTC; its
** fraction as it is, and with three and six digits. */
static void append_instant_forms(sqlite3_str *out, const char *z, size_t n) {
  static const char *const zones[] = {"Z", "+00:00", "+00", ""};
  const char *t = memchr(z, 'T', n);
  size_t date = t ? (size_t)(t - z) : 0, rest = n - date;
  sqlite3_str_appendall(out, "[");
  leadx_json_append_string(out, z, n);
  if (t && rest >= 10) {
    const char *fraction = t + 9;
    int digits = (int)rest - 10;
    for (int wanted = 0; wanted <= 7; wanted += wanted ? 3 : 4) {
      if (wanted && wanted < digits) continue;
      for (int i = 0; i < 8; i++) {
        sqlite3_str_appendf(out, ",\"%.*s%c%.*s%.*s", (int)date, z, i < 4 ? 'T' : ' ', 8, t + 1,
                            digits, fraction);
        if (wanted && digits == 0) sqlite3_str_appendall(out, ".");
        for (int more = digits ? digits : 1; more < wanted; more++) sqlite3_str_appendall(out, "0");
        sqlite3_str_appendf(out, "%s\"", zones[i % 4]);
      }
    }
  }
  sqlite3_str_appendall(out, "]");
}

static int bind_forms(sqlite3_stmt *stmt, int parameter, leadx_type type, const char *z, size_t n) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  leadx_slice checked;
  int is_odd = type == LEADX_DECIMAL ? (leadx_json_check(z, n, 0, &checked, NULL) ||
                                        leadx_json_kind_of(checked) != LEADX_JSON_NUMBER)
                                     : n < 20 || z[n - 1] != 'Z';
  if (is_odd) {
    sqlite3_str_appendall(out, "[");
    leadx_json_append_string(out, z, n);
    sqlite3_str_appendall(out, "]");
  } else if (type == LEADX_DECIMAL) {
    append_decimal_forms(out, z, n);
  } else {
    append_instant_forms(out, z, n);
  }
  int rc = sqlite3_str_errcode(out);
  char *text = sqlite3_str_finish(out);
  if (rc == SQLITE_OK && text) return sqlite3_bind_text(stmt, parameter, text, -1, sqlite3_free);
  sqlite3_free(text);
  return SQLITE_NOMEM;
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static int bind_bytes(sqlite3_stmt *stmt, int parameter, const char *z, size_t n) {
  unsigned char *bytes = sqlite3_malloc64(n / 2 + 1);
  if (!bytes) return SQLITE_NOMEM;
  leadx_key_value_read_bytes(z, n, bytes);
  return sqlite3_bind_blob64(stmt, parameter, bytes, n / 2 - 1, sqlite3_free);
}

/* Binds a canonical text as what the column keeps of it; z stays where it is, or is copied. */
static int bind_value(sqlite3_stmt *stmt, int parameter, leadx_type type, const char *z, size_t n,
                      void (*keep)(void *)) {
  leadx_slice value = {z, n}, checked;
  int64_t number = 0;
  double real = 0;
  int is_number = n && !leadx_json_check(z, n, 0, &checked, NULL) &&
                  leadx_json_kind_of(checked) == LEADX_JSON_NUMBER;
  switch (type) {
    case LEADX_INTEGER:
      if (is_number && leadx_json_int64(value, &number) == 0)
        return sqlite3_bind_int64(stmt, parameter, number);
      break;
    case LEADX_REAL:
      if (is_number && leadx_json_double(value, &real) == 0)
        return sqlite3_bind_double(stmt, parameter, real);
      if (n >= 8 && memcmp(z + n - 8, "Infinity", 8) == 0)
        return sqlite3_bind_double(stmt, parameter, *z == '-' ? -1e308 * 10 : 1e308 * 10);
      break;
    case LEADX_BOOLEAN:
      if (n == 4 && memcmp(z, "true", 4) == 0) return sqlite3_bind_int(stmt, parameter, 1);
      if (n == 5 && memcmp(z, "false", 5) == 0) return sqlite3_bind_int(stmt, parameter, 0);
      break;
    case LEADX_TIMESTAMP_S:
    case LEADX_TIMESTAMP_MS:
      if (!is_number && leadx_instant_parse(z, n, &number) == 0)
        return sqlite3_bind_int64(stmt, parameter,
                                  floor_div(number, type == LEADX_TIMESTAMP_S ? 1000000 : 1000));
      break;
    case LEADX_BLOB:
      if (leadx_number_is_bytea(z, n)) return bind_bytes(stmt, parameter, z, n);
      break;
    case LEADX_DECIMAL:
    case LEADX_TIMESTAMP: return bind_forms(stmt, parameter, type, z, n);
    default: break;
  }
  return sqlite3_bind_text64(stmt, parameter, z, n, keep, SQLITE_UTF8);
}

int leadx_key_bind(const leadx_table *table, sqlite3_stmt *stmt, int first, const char *key) {
  leadx_slice values[LEADX_KEY_COLUMNS];
  if (table->nkey == 1)
    return bind_value(stmt, first, leadx_key_column(table, 0)->type, key, strlen(key),
                      SQLITE_STATIC);
  if (!leadx_key_open(table, key, strlen(key), values)) return SQLITE_MISMATCH;
  for (int i = 0; i < table->nkey; i++) {
    size_t n = 0;
    leadx_json_kind kind = leadx_json_kind_of(values[i]);
    if (kind == LEADX_JSON_NULL) return SQLITE_MISMATCH;
    char *text = NULL;
    if (leadx_json_text(values[i], &text, &n) == SQLITE_MISMATCH)
      text = sqlite3_mprintf("%.*s", (int)(n = values[i].n), values[i].z);
    int rc = text ? bind_value(stmt, first + i, leadx_key_column(table, i)->type, text, n,
                               SQLITE_TRANSIENT)
                  : SQLITE_NOMEM;
    sqlite3_free(text);
    if (rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

sqlite3_stmt *leadx_key_select(leadx_db *db, const leadx_table *table, leadx_err *err) {
  sqlite3_str *sql = sqlite3_str_new(NULL);
  for (int i = 0; i < table->nkey; i++)
    sqlite3_str_appendf(sql, "%s\"%w\"", i ? ", " : "SELECT ", leadx_key_column(table, i)->name);
  sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE ", table->name);
  leadx_key_where(table, sql, 1);
  return leadx_db_get_str(db, sql, err);
}

int leadx_key_take(leadx_db *db, const leadx_table *table, sqlite3_stmt *select, const char *key,
                   sqlite3_stmt *into, const int *parameters, leadx_err *err) {
  int rc = leadx_key_bind(table, select, 1, key);
  if (rc == SQLITE_OK && leadx_db_next(db, select, err)) {
    for (int i = 0; i < table->nkey && rc == SQLITE_OK; i++) {
      if (parameters[i])
        rc = sqlite3_bind_value(into, parameters[i], sqlite3_column_value(select, i));
    }
  }
  sqlite3_reset(select);
  sqlite3_clear_bindings(select);
  if (rc == SQLITE_NOMEM) leadx_err_nomem(err);
  return err->rc;
}

int leadx_key_bind_parent(leadx_db *db, const leadx_table *parent, const leadx_slice *values,
                          sqlite3_stmt *into, const int *parameters, leadx_err *err) {
  char *key = leadx_key_of_values(parent, values, err);
  sqlite3_stmt *select = key ? leadx_key_select(db, parent, err) : NULL;
  if (select) leadx_key_take(db, parent, select, key, into, parameters, err);
  leadx_db_put(db, select);
  sqlite3_free(key);
  return err->rc;
}

int leadx_key_is_here(leadx_db *db, const leadx_table *table, const char *key, int *found,
                      leadx_err *err) {
  sqlite3_stmt *select = leadx_key_select(db, table, err);
  if (!select) return err->rc;
  int rc = leadx_key_bind(table, select, 1, key);
  if (rc == SQLITE_NOMEM) leadx_err_nomem(err);
  *found = rc == SQLITE_OK && leadx_db_next(db, select, err);
  leadx_db_put(db, select);
  return err->rc;
}
