/* Keys. See key.h. */
#include "rows/key.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

#include "base/instant.h"
#include "rows/mark.h"
#include "store/parking.h"
#include "store/shadow.h"

/* A number whose plain form would have more digits than this stays as it is written. */
#define MOST_DIGITS 1200
#define UUID_CHARS 36

/* ---- one value: numbers ---- */

/* A decimal number in a text: digits, of which `whole` stand before the point. */
typedef struct decimal_text {
  const char *digits; /* a point may stand among them */
  int count, whole; /* of digits */
  int exponent, is_negative;
} decimal_text;

static int is_digit(char c) { return c >= '0' && c <= '9'; }

static char digit_at(const decimal_text *d, int i) {
  if (i < 0 || i >= d->count) return '0';
  return d->digits[i < d->whole ? i : i + 1];
}

/* Reads [sign] digits [. digits] [e exponent] to the end. 1 when it is that. */
static int read_decimal(const char *z, size_t n, decimal_text *d) {
  const char *end = z + n;
  int after = 0;
  memset(d, 0, sizeof *d);
  if (n > MOST_DIGITS) return 0;
  if (z < end && (*z == '-' || *z == '+')) d->is_negative = *z++ == '-';
  d->digits = z;
  while (z < end && is_digit(*z)) z++;
  d->whole = d->count = (int)(z - d->digits);
  if (z < end && *z == '.') {
    for (z++; z < end && is_digit(*z); z++) after++;
    d->count += after;
  }
  if (d->count == 0) return 0;
  if (z == end) return 1;
  if (*z != 'e' && *z != 'E') return 0;
  int is_negative = 0;
  if (++z < end && (*z == '-' || *z == '+')) is_negative = *z++ == '-';
  if (z == end || end - z > 5) return 0;
  for (; z < end; z++) {
    if (!is_digit(*z)) return 0;
    d->exponent = d->exponent * 10 + (*z - '0');
  }
  if (is_negative) d->exponent = -d->exponent;
  return 1;
}

/* Appends a decimal number without exponent and without zeros that say nothing. 0 when it would be
** too long. */
static int append_decimal(sqlite3_str *out, const decimal_text *d) {
  int first = 0, last = d->count - 1, point = d->whole + d->exponent;
  while (first < d->count && digit_at(d, first) == '0') first++;
  while (last >= first && digit_at(d, last) == '0') last--;
  if (last < first) {
    sqlite3_str_appendall(out, "0");
    return 1;
  }
  int from = point < first ? point : first, to = point > last + 1 ? point : last + 1;
  if (to - from > MOST_DIGITS) return 0;
  if (d->is_negative) sqlite3_str_appendall(out, "-");
  if (point <= first) sqlite3_str_appendall(out, "0");
  for (int i = from; i < to; i++) {
    if (i == point) sqlite3_str_appendall(out, ".");
    sqlite3_str_appendchar(out, 1, digit_at(d, i));
  }
  return 1;
}

/* The fewest digits that read back as the same double. */
static void append_double(sqlite3_str *out, double x) {
  char text[40];
  decimal_text d;
  if (x > DBL_MAX || x < -DBL_MAX) {
    sqlite3_str_appendall(out, x > 0 ? "Infinity" : "-Infinity");
    return;
  }
  for (int digits = 1; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*e", digits - 1, x);
    for (char *c = text; *c; c++) {
      if (!is_digit(*c) && !strchr("+-e", *c)) *c = '.'; /* the point of the host's locale */
    }
    double back = 0;
    int failed = leadx_json_double((leadx_slice){text, strlen(text)}, &back);
    if (failed || (!(back < x) && !(back > x))) break;
  }
  if (!read_decimal(text, strlen(text), &d) || !append_decimal(out, &d))
    sqlite3_str_appendall(out, text);
}

static int is_infinite(const char *z, size_t n) {
  return n >= 3 && n <= 4 && sqlite3_strnicmp(z + n - 3, "inf", 3) == 0;
}

/* Reads a decimal number as the nearest double; it may be written as no JSON number is (+.5). */
static int read_double(const char *z, size_t n, double *x) {
  sqlite3_str *json = sqlite3_str_new(NULL);
  size_t sign = *z == '-' || *z == '+';
  sqlite3_str_appendall(json, *z == '-' ? "-" : "");
  while (sign < n && z[sign] == '0' && sign + 1 < n && is_digit(z[sign + 1])) sign++;
  sqlite3_str_appendall(json, z[sign] == '.' ? "0" : "");
  for (size_t i = sign; i < n; i++) {
    sqlite3_str_appendchar(json, 1, z[i]);
    if (z[i] == '.' && (i + 1 == n || !is_digit(z[i + 1]))) sqlite3_str_appendall(json, "0");
  }
  const char *text = sqlite3_str_value(json);
  int read = text && leadx_json_double((leadx_slice){text, strlen(text)}, x) == 0;
  sqlite3_free(sqlite3_str_finish(json));
  return read;
}

/* A double of this device is told by the fewest digits; what the server says may be no double. */
static void append_number(sqlite3_str *out, leadx_type type, leadx_speller by, const char *z,
                          size_t n) {
  decimal_text d;
  int is_double = type == LEADX_REAL && by == LEADX_BY_DEVICE;
  if (is_double && is_infinite(z, n)) {
    sqlite3_str_appendall(out, *z == '-' ? "-Infinity" : "Infinity");
  } else if (!read_decimal(z, n, &d)) {
    sqlite3_str_append(out, z, (int)n);
  } else if (is_double) {
    double x = 0;
    if (read_double(z, n, &x)) append_double(out, x);
    else append_decimal(out, &d);
  } else if (!append_decimal(out, &d)) {
    sqlite3_str_append(out, z, (int)n);
  }
}

/* ---- one value: the other types ---- */

static int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Reads a uuid with or without dashes, in any case. 1 when it is one. */
static int read_uuid(const char *z, size_t n, char out[UUID_CHARS + 1]) {
  int has_dashes = n == UUID_CHARS, at = 0;
  if (n != 32 && !has_dashes) return 0;
  for (size_t i = 0; i < n; i++) {
    int dash_here = at == 8 || at == 13 || at == 18 || at == 23;
    if (dash_here) {
      out[at++] = '-';
      if (has_dashes && z[i] != '-') return 0;
      if (has_dashes) continue;
    }
    int value = hex_value(z[i]);
    if (value < 0) return 0;
    out[at++] = "0123456789abcdef"[value];
  }
  out[UUID_CHARS] = 0;
  return at == UUID_CHARS;
}

static void append_uuid(sqlite3_str *out, const char *z, size_t n) {
  char uuid[UUID_CHARS + 1];
  if (read_uuid(z, n, uuid)) sqlite3_str_appendall(out, uuid);
  else sqlite3_str_append(out, z, (int)n);
}

/* Reads an instant: what a column of seconds or milliseconds holds, or what the server writes. */
static int read_instant(leadx_type type, const char *z, size_t n, int64_t *us) {
  int64_t number = 0, unit = type == LEADX_TIMESTAMP_S ? 1000000 : 1000;
  if (type != LEADX_TIMESTAMP && n && leadx_json_int64((leadx_slice){z, n}, &number) == 0) {
    if (number > INT64_MAX / unit || number < INT64_MIN / unit) return 0;
    *us = number * unit;
    return 1;
  }
  return leadx_instant_parse(z, n, us) == 0;
}

static void append_instant(sqlite3_str *out, leadx_type type, const char *z, size_t n) {
  char text[LEADX_INSTANT_BYTES];
  int64_t us = 0;
  if (!read_instant(type, z, n, &us)) {
    sqlite3_str_append(out, z, (int)n);
    return;
  }
  leadx_instant_format(us, text);
  size_t end = strlen(text) - 1; /* before the Z */
  while (text[end - 1] == '0' && us % 1000000 != 0) end--;
  if (us % 1000000 == 0) end -= 7;
  sqlite3_str_append(out, text, (int)end);
  sqlite3_str_appendall(out, "Z");
}

static int is_word(const char *z, size_t n, const char *const *words) {
  for (; *words; words++) {
    if (strlen(*words) == n && sqlite3_strnicmp(z, *words, (int)n) == 0) return 1;
  }
  return 0;
}

static void append_boolean(sqlite3_str *out, const char *z, size_t n) {
  static const char *const yes[] = {"1", "true", "t", NULL}, *const no[] = {"0", "false", "f",
                                                                            NULL};
  if (is_word(z, n, yes)) sqlite3_str_appendall(out, "true");
  else if (is_word(z, n, no)) sqlite3_str_appendall(out, "false");
  else sqlite3_str_append(out, z, (int)n);
}

static int is_hex_text(const char *z, size_t n) {
  if (n < 2 || n % 2 || z[0] != '\\' || z[1] != 'x') return 0;
  for (size_t i = 2; i < n; i++) {
    if (hex_value(z[i]) < 0) return 0;
  }
  return 1;
}

static void append_hex(sqlite3_str *out, const unsigned char *bytes, size_t n) {
  static const char digits[] = "0123456789abcdef";
  sqlite3_str_appendall(out, "\\x");
  for (size_t i = 0; i < n; i++) {
    sqlite3_str_appendchar(out, 1, digits[bytes[i] >> 4]);
    sqlite3_str_appendchar(out, 1, digits[bytes[i] & 15]);
  }
}

static void append_bytes(sqlite3_str *out, const char *z, size_t n) {
  if (!is_hex_text(z, n)) {
    sqlite3_str_append(out, z, (int)n);
    return;
  }
  sqlite3_str_appendall(out, "\\x");
  for (size_t i = 2; i < n; i++)
    sqlite3_str_appendchar(out, 1, "0123456789abcdef"[hex_value(z[i]) & 15]);
}

/* Appends the canonical text of a value. */
static void append_text(sqlite3_str *out, leadx_type type, leadx_speller by, const char *z,
                        size_t n) {
  switch (type) {
    case LEADX_INTEGER:
    case LEADX_REAL:
    case LEADX_DECIMAL: append_number(out, type, by, z, n); break;
    case LEADX_BOOLEAN: append_boolean(out, z, n); break;
    case LEADX_UUID: append_uuid(out, z, n); break;
    case LEADX_TIMESTAMP:
    case LEADX_TIMESTAMP_S:
    case LEADX_TIMESTAMP_MS: append_instant(out, type, z, n); break;
    case LEADX_BLOB: append_bytes(out, z, n); break;
    default: sqlite3_str_append(out, z, (int)n);
  }
}

/* ---- several values ---- */

/* A key in the making: the text itself, or the elements of an array. */
typedef struct key_text {
  sqlite3_str *out;
  int is_array, n;
  int is_absent; /* one of its values is NULL, or has a NUL byte */
} key_text;

static key_text key_begin(const leadx_table *table) {
  return (key_text){sqlite3_str_new(NULL), table->nkey > 1, 0, 0};
}

static int is_bare(leadx_type type, const char *z, size_t n) {
  leadx_slice value;
  if (n == 0) return 0;
  if (type == LEADX_BOOLEAN)
    return (n == 4 && memcmp(z, "true", 4) == 0) || (n == 5 && memcmp(z, "false", 5) == 0);
  return (type == LEADX_INTEGER || type == LEADX_REAL || type == LEADX_DECIMAL) &&
         (is_digit(*z) || *z == '-') && !leadx_json_check(z, n, 0, &value, NULL) &&
         leadx_json_kind_of(value) == LEADX_JSON_NUMBER;
}

static void key_add(key_text *key, leadx_type type, leadx_speller by, const char *z, size_t n) {
  if (n && memchr(z, 0, n)) key->is_absent = 1;
  if (!key->is_array) {
    append_text(key->out, type, by, z, n);
    return;
  }
  sqlite3_str *text = sqlite3_str_new(NULL);
  append_text(text, type, by, z, n);
  const char *value = sqlite3_str_value(text);
  size_t bytes = (size_t)sqlite3_str_length(text);
  sqlite3_str_appendall(key->out, key->n++ ? "," : "[");
  if (is_bare(type, value, bytes)) sqlite3_str_append(key->out, value, (int)bytes);
  else leadx_json_append_string(key->out, value ? value : "", bytes);
  if (sqlite3_str_errcode(text) != SQLITE_OK) leadx_err_spoil(key->out);
  sqlite3_free(sqlite3_str_finish(text));
}

static void key_add_null(key_text *key) {
  key->is_absent = 1;
  if (key->is_array) sqlite3_str_appendall(key->out, key->n++ ? ",null" : "[null");
}

/* The same of a JSON value. */
static void key_add_json(key_text *key, leadx_type type, leadx_speller by, leadx_slice value) {
  leadx_json_kind kind = leadx_json_kind_of(value);
  if (kind == LEADX_JSON_NONE || kind == LEADX_JSON_NULL) {
    key_add_null(key);
  } else if (kind != LEADX_JSON_STRING) {
    key_add(key, type, by, value.z, value.n);
  } else if (!memchr(value.z, '\\', value.n)) {
    /* A text of the server that looks like a number is a text, and '01' is not '1' there. */
    int is_text = by == LEADX_BY_SERVER && type == LEADX_INTEGER;
    key_add(key, is_text ? LEADX_TEXT : type, by, value.z + 1, value.n - 2);
  } else {
    size_t n = 0;
    char *text = NULL;
    if (leadx_json_text(value, &text, &n) == SQLITE_OK) key_add(key, type, by, text, n);
    else leadx_err_spoil(key->out);
    sqlite3_free(text);
  }
}

/* Ends a key. One that is absent: NULL without an error. */
static char *key_end(key_text *key, leadx_err *err) {
  if (key->is_array) sqlite3_str_appendall(key->out, key->n ? "]" : "[]");
  char *text = leadx_db_finish(key->out, err);
  if (text && *text && !key->is_absent) return text;
  sqlite3_free(text);
  return NULL;
}

static const leadx_column *key_column(const leadx_table *table, int i) {
  return &table->columns[table->key[i]];
}

/* ---- reading ---- */

/* Opens an array of exactly the table's number of values. 1 when it is one. */
static int open_array(const leadx_table *table, const char *text, size_t n, leadx_slice *values) {
  leadx_slice array, value;
  leadx_json_walk walk;
  int count = 0;
  if (leadx_json_check(text, n, 0, &array, NULL) || leadx_json_kind_of(array) != LEADX_JSON_ARRAY)
    return 0;
  leadx_json_walk_init(&walk, array);
  while (leadx_json_walk_element(&walk, &value)) {
    if (count == table->nkey) return 0;
    values[count++] = value;
  }
  return count == table->nkey;
}

/* What is no key of the table stays as it is, and is refused where it is to be sent. */
char *leadx_key_read(const leadx_table *table, const char *text, leadx_speller by, leadx_err *err) {
  leadx_slice values[LEADX_KEY_COLUMNS];
  size_t n = strlen(text);
  key_text key = key_begin(table);
  if (table->nkey == 1) {
    append_text(key.out, key_column(table, 0)->type, by, text, n);
  } else if (open_array(table, text, n, values)) {
    for (int i = 0; i < table->nkey; i++)
      key_add_json(&key, key_column(table, i)->type, by, values[i]);
    sqlite3_str_appendall(key.out, "]");
  } else {
    sqlite3_str_append(key.out, text, (int)n);
  }
  return leadx_db_finish(key.out, err);
}

static char *key_of(const leadx_table *table, const leadx_slice *values, leadx_speller by,
                    leadx_err *err) {
  key_text key = key_begin(table);
  for (int i = 0; i < table->nkey; i++)
    key_add_json(&key, key_column(table, i)->type, by, values[i]);
  return key_end(&key, err);
}

char *leadx_key_of_values(const leadx_table *table, const leadx_slice *values, leadx_err *err) {
  return key_of(table, values, LEADX_BY_SERVER, err);
}

char *leadx_key_of_here(const leadx_table *table, const leadx_slice *values, leadx_err *err) {
  return key_of(table, values, LEADX_BY_DEVICE, err);
}

int leadx_key_identify(const leadx_table *table, leadx_slice row, char **key, char **version,
                       leadx_err *err) {
  const char *names[LEADX_KEY_COLUMNS + 1];
  leadx_slice values[LEADX_KEY_COLUMNS + 1];
  for (int i = 0; i < table->nkey; i++) names[i] = key_column(table, i)->remote;
  names[table->nkey] = table->version_remote;
  leadx_json_members(row, names, table->nkey + 1, values);
  *key = leadx_key_of_values(table, values, err);
  *version = leadx_version_text(values[table->nkey], err);
  return err->rc;
}

char *leadx_key_of_row(const leadx_table *table, leadx_slice row, leadx_err *err) {
  char *key = NULL, *version = NULL;
  leadx_key_identify(table, row, &key, &version, err);
  sqlite3_free(version);
  return key;
}

char *leadx_key_of_parent(const leadx_table *child, const leadx_reference *reference,
                          const leadx_table *parent, leadx_slice row, leadx_speller by,
                          leadx_err *err) {
  key_text key = key_begin(parent);
  if (reference->ncolumn != parent->nkey) key.is_absent = 1;
  for (int i = 0; i < reference->ncolumn && i < parent->nkey; i++) {
    const char *name = child->columns[reference->column[i]].remote;
    key_add_json(&key, key_column(parent, i)->type, by, leadx_json_member(row, name));
  }
  return key_end(&key, err);
}

int leadx_key_is_row(const leadx_table *table, const char *key, leadx_slice row, leadx_err *err) {
  char *theirs = leadx_key_of_row(table, row, err);
  int same = theirs && strcmp(theirs, key) == 0;
  sqlite3_free(theirs);
  return same;
}

/* A document with the values of a key: the array itself, or one around the only value. */
static char *key_document(const leadx_table *table, const char *key, leadx_err *err) {
  if (table->nkey > 1) {
    char *copy = sqlite3_mprintf("%s", key);
    if (!copy) leadx_err_nomem(err);
    return copy;
  }
  sqlite3_str *text = sqlite3_str_new(NULL);
  sqlite3_str_appendall(text, "[");
  if (is_bare(key_column(table, 0)->type, key, strlen(key))) sqlite3_str_appendall(text, key);
  else leadx_json_append_string(text, key, strlen(key));
  sqlite3_str_appendall(text, "]");
  return leadx_db_finish(text, err);
}

char *leadx_key_json(const leadx_table *table, const char *key, leadx_slice *values, int *n,
                     leadx_err *err) {
  char *document = key_document(table, key, err);
  *n = 0;
  if (!document || !key[0] || !open_array(table, document, strlen(document), values))
    return document;
  while (*n < table->nkey && leadx_json_kind_of(values[*n]) != LEADX_JSON_NULL) ++*n;
  return document;
}

int leadx_key_is_key(const leadx_table *table, const char *key) {
  leadx_slice values[LEADX_KEY_COLUMNS];
  if (table->nkey == 1) return key[0] != 0;
  if (!open_array(table, key, strlen(key), values)) return 0;
  for (int i = 0; i < table->nkey; i++) {
    leadx_json_kind kind = leadx_json_kind_of(values[i]);
    if (kind == LEADX_JSON_ARRAY || kind == LEADX_JSON_OBJECT || kind == LEADX_JSON_NULL) return 0;
  }
  return 1;
}

/* ---- the local row ---- */

/* Types whose columns can spell one value in several ways. */
static int varies(leadx_type type) {
  return type == LEADX_UUID || type == LEADX_DECIMAL || type == LEADX_TIMESTAMP;
}

int leadx_key_varies(const leadx_table *table) {
  for (int i = 0; i < table->nkey; i++) {
    if (varies(key_column(table, i)->type)) return 1;
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
    append_where(sql, key_column(table, i), first + i);
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
  for (size_t i = 2; i < n; i += 2)
    bytes[i / 2 - 1] = (unsigned char)((hex_value(z[i]) & 15) << 4 | (hex_value(z[i + 1]) & 15));
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
      if (is_hex_text(z, n)) return bind_bytes(stmt, parameter, z, n);
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
    return bind_value(stmt, first, key_column(table, 0)->type, key, strlen(key), SQLITE_STATIC);
  if (!open_array(table, key, strlen(key), values)) return SQLITE_MISMATCH;
  for (int i = 0; i < table->nkey; i++) {
    size_t n = 0;
    leadx_json_kind kind = leadx_json_kind_of(values[i]);
    if (kind == LEADX_JSON_NULL) return SQLITE_MISMATCH;
    char *text = NULL;
    if (leadx_json_text(values[i], &text, &n) == SQLITE_MISMATCH)
      text = sqlite3_mprintf("%.*s", (int)(n = values[i].n), values[i].z);
    int rc = text ? bind_value(stmt, first + i, key_column(table, i)->type, text, n,
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
    sqlite3_str_appendf(sql, "%s\"%w\"", i ? ", " : "SELECT ", key_column(table, i)->name);
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

/* ---- what does not fit ---- */

/* Does a column of numbers make of the text exactly what it says? One that is no number stays a
** text there. */
static int fits_number(leadx_type type, const char *z, size_t n) {
  decimal_text d;
  if (!read_decimal(z, n, &d)) return 1;
  sqlite3_str *out = sqlite3_str_new(NULL);
  int64_t number = 0;
  int is_int64 = leadx_json_int64((leadx_slice){z, n}, &number) == 0;
  if (!is_int64) append_number(out, LEADX_REAL, LEADX_BY_DEVICE, z, n);
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
  if (table->nkey == 1) return fits(key_column(table, 0), key, strlen(key)) ? NULL : reason;
  if (!open_array(table, key, strlen(key), values)) return NULL;
  for (int i = 0; i < table->nkey; i++) {
    size_t quote = leadx_json_kind_of(values[i]) == LEADX_JSON_STRING;
    if (!fits(key_column(table, i), values[i].z + quote, values[i].n - 2 * quote)) return reason;
  }
  return NULL;
}

/* ---- texts that may be uuids ---- */

static int is_doubtful(const leadx_column *column) {
  return column->type == LEADX_TEXT && !column->is_settled && !column->is_doubted;
}

static int has_doubtful(const leadx_table *table) {
  for (int i = 0; i < table->nkey; i++) {
    if (is_doubtful(key_column(table, i))) return 1;
  }
  return 0;
}

static void doubt(leadx_column *column, const char *z, size_t n) {
  char uuid[UUID_CHARS + 1];
  if (is_doubtful(column) && read_uuid(z, n, uuid))
    column->is_doubted = n != UUID_CHARS || memcmp(uuid, z, n) != 0;
}

void leadx_key_doubt(leadx_table *table, const char *key) {
  leadx_slice values[LEADX_KEY_COLUMNS];
  if (!has_doubtful(table)) return;
  if (table->nkey == 1) {
    doubt(&table->columns[table->key[0]], key, strlen(key));
  } else if (open_array(table, key, strlen(key), values)) {
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

/* ---- inside SQL ---- */

/* The types of a key as letters: a statement's text says everything that its function needs. */
static void append_types(sqlite3_str *sql, const leadx_table *table) {
  sqlite3_str_appendall(sql, "'");
  for (int i = 0; i < table->nkey; i++)
    sqlite3_str_appendchar(sql, 1, (char)('a' + (int)key_column(table, i)->type));
  sqlite3_str_appendall(sql, "'");
}

void leadx_key_sql(sqlite3_str *sql, const leadx_table *table, const char *row) {
  sqlite3_str_appendall(sql, "leadx_key_of(");
  append_types(sql, table);
  for (int i = 0; i < table->nkey; i++)
    sqlite3_str_appendf(sql, ", %s.\"%w\"", row, key_column(table, i)->name);
  sqlite3_str_appendall(sql, ")");
}

void leadx_key_sql_read(sqlite3_str *sql, const leadx_table *table, const char *entity_id) {
  sqlite3_str_appendall(sql, "leadx_key_read(");
  append_types(sql, table);
  sqlite3_str_appendf(sql, ", %s)", entity_id);
}

/* A table of which nothing is known but the types of its key. */
typedef struct key_types {
  leadx_table table;
  leadx_column columns[LEADX_KEY_COLUMNS];
} key_types;

static int take_types(key_types *types, sqlite3_value *letters) {
  const char *text = (const char *)sqlite3_value_text(letters);
  memset(types, 0, sizeof *types);
  types->table.columns = types->columns;
  for (int i = 0; text && text[i]; i++) {
    int type = text[i] - 'a';
    if (i == LEADX_KEY_COLUMNS || type < 0 || type >= LEADX_TYPE_COUNT) return 0;
    types->columns[i].type = (leadx_type)type;
    types->table.key[types->table.nkey++] = i;
  }
  return types->table.nkey > 0;
}

static void key_add_value(key_text *key, leadx_type type, sqlite3_value *value) {
  sqlite3_str *text;
  const void *bytes;
  int n;
  switch (sqlite3_value_type(value)) {
    case SQLITE_NULL: key_add_null(key); return;
    case SQLITE_FLOAT:
      text = sqlite3_str_new(NULL);
      append_double(text, sqlite3_value_double(value));
      break;
    case SQLITE_BLOB:
      text = sqlite3_str_new(NULL);
      bytes = sqlite3_value_blob(value);
      n = sqlite3_value_bytes(value);
      if (n > 0 && !bytes) leadx_err_spoil(key->out);
      else append_hex(text, bytes, (size_t)n);
      break;
    default: {
      const char *z = (const char *)sqlite3_value_text(value);
      if (z) key_add(key, type, LEADX_BY_DEVICE, z, (size_t)sqlite3_value_bytes(value));
      else leadx_err_spoil(key->out);
      return;
    }
  }
  key_add(key, type, LEADX_BY_DEVICE, sqlite3_str_value(text), (size_t)sqlite3_str_length(text));
  if (sqlite3_str_errcode(text) != SQLITE_OK) leadx_err_spoil(key->out);
  sqlite3_free(sqlite3_str_finish(text));
}

static void answer(sqlite3_context *context, char *text, const leadx_err *err) {
  if (err->rc != SQLITE_OK) sqlite3_result_error_nomem(context);
  else if (text) sqlite3_result_text(context, text, -1, sqlite3_free);
  else sqlite3_result_text(context, "", 0, SQLITE_STATIC);
}

/* leadx_key_of(types, value, …): '' for a key that is none. */
static void answer_key_of(sqlite3_context *context, int argc, sqlite3_value **argv) {
  key_types types;
  leadx_err err = {0};
  if (argc < 1 || !take_types(&types, argv[0]) || types.table.nkey != argc - 1) {
    sqlite3_result_error(context, "leadx_key_of: for leadx's own statements only", -1);
    return;
  }
  key_text key = key_begin(&types.table);
  for (int i = 1; i < argc; i++) key_add_value(&key, types.columns[i - 1].type, argv[i]);
  char *text = key_end(&key, &err);
  answer(context, text, &err);
}

/* leadx_key_read(types, entity_id) */
static void answer_key_read(sqlite3_context *context, int argc, sqlite3_value **argv) {
  key_types types;
  leadx_err err = {0};
  const char *text = argc == 2 ? (const char *)sqlite3_value_text(argv[1]) : NULL;
  if (argc != 2 || !take_types(&types, argv[0])) {
    sqlite3_result_error(context, "leadx_key_read: for leadx's own statements only", -1);
    return;
  }
  int is_whole = text && strlen(text) == (size_t)sqlite3_value_bytes(argv[1]);
  char *key = leadx_key_read(&types.table, is_whole ? text : "", LEADX_BY_DEVICE, &err);
  answer(context, key, &err);
}

int leadx_key_register(sqlite3 *handle) {
  int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY;
  int rc = sqlite3_create_function_v2(handle, "leadx_key_of", -1, flags, NULL, answer_key_of, NULL,
                                      NULL, NULL);
  if (rc != SQLITE_OK) return rc;
  return sqlite3_create_function_v2(handle, "leadx_key_read", 2, flags, NULL, answer_key_read, NULL,
                                    NULL, NULL);
}
