/* The canonical text of one value of a key. See key_value.h. */
#include "rows/key_value.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

#include "base/instant.h"
#include "base/json.h"
#include "base/number.h"

#define UUID_CHARS (LEADX_UUID_BYTES - 1)
/* A number whose plain form would have more digits than this stays as it is written. */
#define MOST_DIGITS 1200

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

void leadx_key_value_double(sqlite3_str *out, double x) {
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

int leadx_key_value_is_decimal(const char *z, size_t n) {
  decimal_text d;
  return read_decimal(z, n, &d);
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
    if (read_double(z, n, &x)) leadx_key_value_double(out, x);
    else append_decimal(out, &d);
  } else if (!append_decimal(out, &d)) {
    sqlite3_str_append(out, z, (int)n);
  }
}

/* ---- one value: the other types ---- */

int leadx_key_value_uuid(const char *z, size_t n, char out[LEADX_UUID_BYTES]) {
  int has_dashes = n == UUID_CHARS, at = 0;
  if (n != 32 && !has_dashes) return 0;
  for (size_t i = 0; i < n; i++) {
    int dash_here = at == 8 || at == 13 || at == 18 || at == 23;
    if (dash_here) {
      out[at++] = '-';
      if (has_dashes && z[i] != '-') return 0;
      if (has_dashes) continue;
    }
    int value = leadx_number_hex(z[i]);
    if (value < 0) return 0;
    out[at++] = "0123456789abcdef"[value];
  }
  out[UUID_CHARS] = 0;
  return at == UUID_CHARS;
}

static void append_uuid(sqlite3_str *out, const char *z, size_t n) {
  char uuid[LEADX_UUID_BYTES];
  if (leadx_key_value_uuid(z, n, uuid)) sqlite3_str_appendall(out, uuid);
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

void leadx_key_value_bytes(sqlite3_str *out, const unsigned char *bytes, size_t n) {
  static const char digits[] = "0123456789abcdef";
  sqlite3_str_appendall(out, "\\x");
  for (size_t i = 0; i < n; i++) {
    sqlite3_str_appendchar(out, 1, digits[bytes[i] >> 4]);
    sqlite3_str_appendchar(out, 1, digits[bytes[i] & 15]);
  }
}

static void append_bytes(sqlite3_str *out, const char *z, size_t n) {
  if (!leadx_number_is_bytea(z, n)) {
    sqlite3_str_append(out, z, (int)n);
    return;
  }
  sqlite3_str_appendall(out, "\\x");
  for (size_t i = 2; i < n; i++)
    sqlite3_str_appendchar(out, 1, "0123456789abcdef"[leadx_number_hex(z[i]) & 15]);
}

void leadx_key_value_read_bytes(const char *z, size_t n, unsigned char *bytes) {
  for (size_t i = 2; i < n; i += 2)
    bytes[i / 2 - 1] = (unsigned char)((leadx_number_hex(z[i]) & 15) << 4 |
                                       (leadx_number_hex(z[i + 1]) & 15));
}

void leadx_key_value(sqlite3_str *out, leadx_type type, leadx_speller by, const char *z, size_t n) {
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
