/* Values between SQLite and the wire. See wire.h. */
#include "base/wire.h"

#include <string.h>

#include "base/instant.h"
#include "base/number.h"

static const char *const type_names[LEADX_TYPE_COUNT] = {
    [LEADX_TEXT] = "text",
    [LEADX_INTEGER] = "integer",
    [LEADX_REAL] = "real",
    [LEADX_BOOLEAN] = "boolean",
    [LEADX_JSON] = "json",
    [LEADX_BLOB] = "blob",
    [LEADX_UUID] = "uuid",
    [LEADX_DECIMAL] = "decimal",
    [LEADX_DATE] = "date",
    [LEADX_TIMESTAMP] = "timestamp",
    [LEADX_TIMESTAMP_S] = "timestamp:s",
    [LEADX_TIMESTAMP_MS] = "timestamp:ms",
    [LEADX_TIMESTAMP_SQL] = "timestamp:sql",
};

/* A declared type stands for the first of these that it contains. */
static const struct declaration {
  const char *part;
  leadx_type type;
} declarations[] = {
    {"BOOL", LEADX_BOOLEAN},  {"JSON", LEADX_JSON},           {"UUID", LEADX_UUID},
    {"GUID", LEADX_UUID},     {"TIMESTAMP", LEADX_TIMESTAMP}, {"DATETIME", LEADX_TIMESTAMP},
    {"DATE", LEADX_DATE},     {"DEC", LEADX_DECIMAL},         {"NUMERIC", LEADX_DECIMAL},
    {"MONEY", LEADX_DECIMAL}, {"BLOB", LEADX_BLOB},           {"BYTEA", LEADX_BLOB},
    {"INT", LEADX_INTEGER},   {"REAL", LEADX_REAL},           {"FLOA", LEADX_REAL},
    {"DOUB", LEADX_REAL},
};

const char *leadx_type_name(leadx_type type) { return type_names[type]; }

int leadx_type_find(const char *name) {
  for (int i = 0; i < LEADX_TYPE_COUNT; i++) {
    if (strcmp(type_names[i], name) == 0) return i;
  }
  return -1;
}

leadx_type leadx_type_of_declaration(const char *declared) {
  for (size_t i = 0; declared && i < sizeof declarations / sizeof declarations[0]; i++) {
    size_t n = strlen(declarations[i].part);
    for (const char *at = declared; strlen(at) >= n; at++) {
      if (sqlite3_strnicmp(at, declarations[i].part, (int)n) == 0) return declarations[i].type;
    }
  }
  return LEADX_TEXT;
}

static int is_timestamp(leadx_type type) {
  return type == LEADX_TIMESTAMP || type == LEADX_TIMESTAMP_S || type == LEADX_TIMESTAMP_MS ||
         type == LEADX_TIMESTAMP_SQL;
}

/* SQLite's text form carries no offset and means UTC. A zone is a Z, or a sign after the time
** began. */
static int lacks_offset(leadx_slice raw) {
  size_t n = raw.n - 2;
  const char *z = raw.z + 1;
  if (n < 16 || !(z[10] == ' ' || z[10] == 'T' || z[10] == 't') || z[13] != ':') return 0;
  for (size_t i = 16; i < n; i++) {
    if (!strchr("0123456789:.", z[i])) return 0;
  }
  return 1;
}

/* The JSON text a trigger wrote as a string; *text stays NULL when it is no JSON. The caller frees.
** SQLITE_OK or SQLITE_NOMEM. */
static int unwrap_json(leadx_slice value, char **text, leadx_slice *inner) {
  size_t n = 0;
  int rc = leadx_json_text(value, text, &n);
  if (rc != SQLITE_OK) return rc == SQLITE_NOMEM ? rc : SQLITE_OK;
  if (!leadx_json_check(*text, n, 0, inner, NULL)) return SQLITE_OK;
  sqlite3_free(*text);
  *text = NULL;
  return SQLITE_OK;
}

void leadx_wire_send(sqlite3_str *out, leadx_type type, leadx_slice value) {
  int is_string = leadx_json_kind_of(value) == LEADX_JSON_STRING;
  if (is_string && type == LEADX_JSON) {
    leadx_slice inner = {NULL, 0};
    char *text = NULL;
    if (unwrap_json(value, &text, &inner) != SQLITE_OK) leadx_err_spoil(out);
    if (text) {
      sqlite3_str_append(out, inner.z, (int)inner.n);
      sqlite3_free(text);
      return;
    }
  }
  if (is_string && is_timestamp(type) && lacks_offset(value)) {
    sqlite3_str_append(out, value.z, (int)value.n - 1);
    sqlite3_str_appendall(out, "Z\"");
    return;
  }
  sqlite3_str_append(out, value.z, (int)value.n);
}

/* Reads a string or number slice as an instant. */
static int read_instant(leadx_slice value, int64_t *us) {
  if (leadx_json_kind_of(value) == LEADX_JSON_STRING)
    return leadx_instant_parse(value.z + 1, value.n - 2, us);
  return leadx_instant_parse(value.z, value.n, us);
}

static int equal_instants(leadx_slice a, leadx_slice b) {
  int64_t ta = 0, tb = 0;
  return read_instant(a, &ta) == 0 && read_instant(b, &tb) == 0 && ta == tb;
}

/* The number inside a string or number slice, or an empty slice. */
static leadx_slice number_in(leadx_slice value) {
  leadx_slice none = {NULL, 0}, checked;
  if (leadx_json_kind_of(value) == LEADX_JSON_NUMBER) return value;
  if (leadx_json_kind_of(value) != LEADX_JSON_STRING || value.n < 3) return none;
  leadx_slice inner = {value.z + 1, value.n - 2};
  if (leadx_json_check(inner.z, inner.n, 0, &checked, NULL)) return none;
  return leadx_json_kind_of(checked) == LEADX_JSON_NUMBER ? checked : none;
}

static int equal_numbers(leadx_slice a, leadx_slice b) {
  leadx_slice na = number_in(a), nb = number_in(b);
  return na.n && nb.n && leadx_json_equal(na, nb);
}

/* Two doubles may be written differently ("0.1", "0.10000000000000001"); they are equal when they
** read equal. */
static int equal_doubles(leadx_slice a, leadx_slice b) {
  leadx_slice na = number_in(a), nb = number_in(b);
  if (!na.n || !nb.n) return 0;
  double x, y;
  if (leadx_json_double(na, &x) || leadx_json_double(nb, &y)) return 0;
  return !(x < y) && !(x > y);
}

static int equal_ignoring_case(leadx_slice a, leadx_slice b) {
  return leadx_json_kind_of(a) == LEADX_JSON_STRING && leadx_json_kind_of(b) == LEADX_JSON_STRING &&
         a.n == b.n && sqlite3_strnicmp(a.z, b.z, (int)a.n) == 0;
}

static int equal_json(leadx_slice a, leadx_slice b, leadx_err *err) {
  leadx_slice ia = a, ib = b;
  char *ta, *tb;
  leadx_err_memory(err, unwrap_json(a, &ta, &ia));
  leadx_err_memory(err, unwrap_json(b, &tb, &ib));
  int equal = leadx_json_equal(ia, ib);
  sqlite3_free(ta);
  sqlite3_free(tb);
  return equal;
}

int leadx_wire_equal(leadx_type type, leadx_slice a, leadx_slice b, leadx_err *err) {
  if (leadx_json_equal(a, b)) return 1;
  if (leadx_json_kind_of(a) == LEADX_JSON_NULL || leadx_json_kind_of(b) == LEADX_JSON_NULL)
    return 0;
  switch (type) {
    case LEADX_TIMESTAMP:
    case LEADX_TIMESTAMP_S:
    case LEADX_TIMESTAMP_MS:
    case LEADX_TIMESTAMP_SQL: return equal_instants(a, b);
    case LEADX_DECIMAL:
    case LEADX_INTEGER: return equal_numbers(a, b);
    case LEADX_REAL: return equal_doubles(a, b);
    case LEADX_UUID:
    case LEADX_BLOB: return equal_ignoring_case(a, b);
    case LEADX_JSON: return equal_json(a, b, err);
    default: return 0;
  }
}

static int bind_raw_text(sqlite3_stmt *stmt, int parameter, leadx_slice raw) {
  return sqlite3_bind_text(stmt, parameter, raw.z, (int)raw.n, SQLITE_TRANSIENT);
}

static int bind_string(sqlite3_stmt *stmt, int parameter, leadx_slice value) {
  size_t n = 0;
  char *text;
  int rc = leadx_json_text(value, &text, &n);
  if (rc != SQLITE_OK) return rc;
  return sqlite3_bind_text64(stmt, parameter, text, n, sqlite3_free, SQLITE_UTF8);
}

/* bytea comes as "\\x6869": in JSON the backslash is doubled. */
static int bind_bytea(sqlite3_stmt *stmt, int parameter, leadx_slice value) {
  if (value.n < 5 || memcmp(value.z, "\"\\\\x", 4) != 0 || value.n % 2 == 0)
    return bind_string(stmt, parameter, value);
  size_t n = (value.n - 5) / 2;
  unsigned char *bytes = sqlite3_malloc64(n + 1);
  if (!bytes) return SQLITE_NOMEM;
  for (size_t i = 0; i < n; i++) {
    int high = leadx_number_hex(value.z[4 + 2 * i]), low = leadx_number_hex(value.z[5 + 2 * i]);
    if (high < 0 || low < 0) {
      sqlite3_free(bytes);
      return bind_string(stmt, parameter, value);
    }
    bytes[i] = (unsigned char)(high << 4 | low);
  }
  return sqlite3_bind_blob64(stmt, parameter, bytes, n, sqlite3_free);
}

static int bind_number(sqlite3_stmt *stmt, int parameter, leadx_type type, leadx_slice value) {
  int64_t n = 0;
  double x = 0;
  if (type == LEADX_DECIMAL || type == LEADX_TEXT) return bind_raw_text(stmt, parameter, value);
  if (leadx_json_int64(value, &n) == 0) {
    if (type == LEADX_REAL) return sqlite3_bind_double(stmt, parameter, (double)n);
    return sqlite3_bind_int64(stmt, parameter, n);
  }
  /* An integer beyond int64 would lose digits as a double; as text it keeps them. */
  if (type == LEADX_INTEGER) return bind_raw_text(stmt, parameter, value);
  if (leadx_json_double(value, &x)) return SQLITE_MISMATCH;
  return sqlite3_bind_double(stmt, parameter, x);
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static int bind_instant(sqlite3_stmt *stmt, int parameter, leadx_type type, leadx_slice value) {
  int64_t us = 0;
  if (type == LEADX_TIMESTAMP || read_instant(value, &us) != 0)
    return bind_string(stmt, parameter, value);
  return sqlite3_bind_int64(stmt, parameter,
                            floor_div(us, type == LEADX_TIMESTAMP_S ? 1000000 : 1000));
}

/* YYYY-MM-DD HH:MM:SS in UTC, with no fraction or six digits of it: what SQLite's functions and most
** programs write. What is no instant with a year of four digits stays as it is. */
static int bind_sql_instant(sqlite3_stmt *stmt, int parameter, leadx_slice value) {
  char text[LEADX_INSTANT_BYTES];
  int64_t us = 0;
  if (read_instant(value, &us) != 0) return bind_string(stmt, parameter, value);
  leadx_instant_format(us, text);
  if (strlen(text) != 27) return bind_string(stmt, parameter, value);
  text[10] = ' ';
  return sqlite3_bind_text(stmt, parameter, text, us % 1000000 ? 26 : 19, SQLITE_TRANSIENT);
}

static int bind_infinity(sqlite3_stmt *stmt, int parameter, leadx_slice value) {
  if (leadx_json_string_is(value, "Infinity", 8))
    return sqlite3_bind_double(stmt, parameter, 1e308 * 10);
  if (leadx_json_string_is(value, "-Infinity", 9))
    return sqlite3_bind_double(stmt, parameter, -1e308 * 10);
  return bind_string(stmt, parameter, value);
}

static int bind_text_value(sqlite3_stmt *stmt, int parameter, leadx_type type, leadx_slice value) {
  switch (type) {
    case LEADX_JSON: return bind_raw_text(stmt, parameter, value);
    case LEADX_BLOB: return bind_bytea(stmt, parameter, value);
    case LEADX_REAL: return bind_infinity(stmt, parameter, value);
    case LEADX_TIMESTAMP:
    case LEADX_TIMESTAMP_S:
    case LEADX_TIMESTAMP_MS: return bind_instant(stmt, parameter, type, value);
    case LEADX_TIMESTAMP_SQL: return bind_sql_instant(stmt, parameter, value);
    default: return bind_string(stmt, parameter, value);
  }
}

/* Is the text between the quotes what a column of that type keeps? */
static int stands_as_it_is(leadx_type type, leadx_slice value) {
  switch (type) {
    case LEADX_JSON:
    case LEADX_BLOB:
    case LEADX_REAL:
    case LEADX_TIMESTAMP_S:
    case LEADX_TIMESTAMP_MS:
    case LEADX_TIMESTAMP_SQL: return 0;
    default:
      return leadx_json_kind_of(value) == LEADX_JSON_STRING && !memchr(value.z, '\\', value.n);
  }
}

int leadx_wire_lend(sqlite3_stmt *stmt, int parameter, leadx_type type, leadx_slice value) {
  if (!stands_as_it_is(type, value)) return leadx_wire_bind(stmt, parameter, type, value);
  return sqlite3_bind_text(stmt, parameter, value.z + 1, (int)value.n - 2, SQLITE_STATIC);
}

int leadx_wire_bind(sqlite3_stmt *stmt, int parameter, leadx_type type, leadx_slice value) {
  switch (leadx_json_kind_of(value)) {
    case LEADX_JSON_NONE: return SQLITE_MISMATCH;
    case LEADX_JSON_NULL: return sqlite3_bind_null(stmt, parameter);
    case LEADX_JSON_STRING: return bind_text_value(stmt, parameter, type, value);
    case LEADX_JSON_NUMBER:
      return type == LEADX_JSON ? bind_raw_text(stmt, parameter, value)
                                : bind_number(stmt, parameter, type, value);
    case LEADX_JSON_TRUE:
    case LEADX_JSON_FALSE:
      if (type == LEADX_JSON) return bind_raw_text(stmt, parameter, value);
      return sqlite3_bind_int(stmt, parameter, leadx_json_kind_of(value) == LEADX_JSON_TRUE);
    default: return bind_raw_text(stmt, parameter, value);
  }
}
