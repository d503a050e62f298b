/* Literals of a schema. See literal.h. */
#include "store/literal.h"

#include <string.h>

#include "base/clock.h"
#include "base/instant.h"
#include "base/number.h"

/* A text without the white space and the parentheses around it. */
typedef struct span {
  const char *z;
  size_t n;
} span;

static int is_space(char c) { return c != '\0' && strchr(" \t\n\f\r", c) != NULL; }

static span trim(span text) {
  for (; text.n && is_space(text.z[0]); text.n--) text.z++;
  while (text.n && is_space(text.z[text.n - 1])) text.n--;
  return text;
}

/* Is the last parenthesis the partner of the first? Quoted ones are not looked for: a text that has
** any is judged as a whole afterwards, and fails there. */
static int is_enclosed(span text) {
  int depth = 0;
  if (text.n < 2 || text.z[0] != '(' || text.z[text.n - 1] != ')') return 0;
  for (size_t i = 0; i < text.n; i++) {
    if (text.z[i] == '(') depth++;
    if (text.z[i] == ')' && --depth == 0) return i == text.n - 1;
  }
  return 0;
}

static int is_word(span text, const char *word) {
  return strlen(word) == text.n && sqlite3_strnicmp(text.z, word, (int)text.n) == 0;
}

/* ---- the kinds ---- */

/* Words, and the forms of the present time that mean the same. */
static const struct word {
  const char *text;
  leadx_literal_kind kind;
  int integer;
} words[] = {
    {"NULL", LEADX_LITERAL_NULL, 0},
    {"TRUE", LEADX_LITERAL_INTEGER, 1},
    {"FALSE", LEADX_LITERAL_INTEGER, 0},
    {"CURRENT_TIMESTAMP", LEADX_LITERAL_TIMESTAMP, 0},
    {"CURRENT_DATE", LEADX_LITERAL_DATE, 0},
    {"CURRENT_TIME", LEADX_LITERAL_TIME, 0},
    {"datetime('now')", LEADX_LITERAL_TIMESTAMP, 0},
    {"date('now')", LEADX_LITERAL_DATE, 0},
    {"time('now')", LEADX_LITERAL_TIME, 0},
};

static int read_word(span text, leadx_literal *literal) {
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (!is_word(text, words[i].text)) continue;
    literal->kind = words[i].kind;
    literal->integer = words[i].integer;
    return 1;
  }
  return 0;
}

/* At most 16 digits, which are the bits of the number. */
static int read_hex(span digits, int is_negative, leadx_literal *literal) {
  uint64_t bits = 0;
  while (digits.n > 1 && digits.z[0] == '0') {
    digits.z++;
    digits.n--;
  }
  if (digits.n == 0 || digits.n > 16) return 0;
  for (size_t i = 0; i < digits.n; i++) {
    int digit = leadx_number_hex(digits.z[i]);
    if (digit < 0) return 0;
    bits = bits << 4 | (uint64_t)digit;
  }
  if (is_negative && bits == (uint64_t)1 << 63) return 0; /* SQLite refuses it */
  literal->integer = (int64_t)(is_negative ? 0 - bits : bits);
  literal->kind = LEADX_LITERAL_INTEGER;
  return 1;
}

/* A sign may stand apart from its digits. An integer beyond int64 is a real to SQLite. */
static int read_number(span text, leadx_literal *literal) {
  int is_signed = text.n > 0 && (text.z[0] == '-' || text.z[0] == '+');
  int is_negative = is_signed && text.z[0] == '-';
  span digits = is_signed ? trim((span){text.z + 1, text.n - 1}) : text;
  if (digits.n == 0 || digits.z[0] == '-' || digits.z[0] == '+') return 0;
  if (digits.n > 2 && digits.z[0] == '0' && (digits.z[1] == 'x' || digits.z[1] == 'X'))
    return read_hex((span){digits.z + 2, digits.n - 2}, is_negative, literal);
  if (leadx_number_int64(digits.z, digits.n, &literal->integer) == 0) {
    if (is_negative) literal->integer = -literal->integer;
    literal->kind = LEADX_LITERAL_INTEGER;
    return 1;
  }
  if (leadx_number_double(digits.z, digits.n, &literal->real) != 0) return 0;
  literal->kind = LEADX_LITERAL_REAL;
  if (is_negative) literal->real = -literal->real;
  if (is_negative && is_word(digits, "9223372036854775808")) {
    literal->kind = LEADX_LITERAL_INTEGER;
    literal->integer = INT64_MIN;
  }
  return 1;
}

/* A text between quotes, which stand twice where they are meant; open and close differ for
** [names]. 0 when the quotes are not those of the whole text, and, with *rc, out of memory. */
static int read_quoted(span text, char open, char close, leadx_literal *literal, int *rc) {
  size_t n = 0;
  if (text.n < 2 || text.z[0] != open || text.z[text.n - 1] != close) return 0;
  char *bytes = sqlite3_malloc64(text.n);
  if (!bytes) *rc = SQLITE_NOMEM;
  for (size_t at = 1; bytes && at < text.n - 1; at++) {
    if (text.z[at] == close && (open != close || ++at == text.n - 1 || text.z[at] != close)) {
      sqlite3_free(bytes);
      return 0;
    }
    bytes[n++] = text.z[at];
  }
  if (!bytes) return 0;
  bytes[n] = '\0';
  literal->kind = LEADX_LITERAL_TEXT;
  literal->bytes = bytes;
  literal->n = n;
  return 1;
}

/* A name that stands in the place of a string is one. */
static int read_name(span text, leadx_literal *literal, int *rc) {
  if (read_quoted(text, '"', '"', literal, rc) || *rc != SQLITE_OK) return 1;
  if (read_quoted(text, '`', '`', literal, rc) || *rc != SQLITE_OK) return 1;
  if (read_quoted(text, '[', ']', literal, rc) || *rc != SQLITE_OK) return 1;
  for (size_t i = 0; i < text.n; i++) {
    char c = text.z[i];
    int is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (!is_letter && (i == 0 || c < '0' || c > '9')) return 0;
  }
  if (text.n == 0) return 0;
  literal->bytes = sqlite3_malloc64(text.n + 1);
  if (!literal->bytes) {
    *rc = SQLITE_NOMEM;
    return 0;
  }
  memcpy(literal->bytes, text.z, text.n);
  literal->bytes[text.n] = '\0';
  literal->kind = LEADX_LITERAL_TEXT;
  literal->n = text.n;
  return 1;
}

static int read_blob(span text, leadx_literal *literal, int *rc) {
  if (text.n < 3 || (text.z[0] != 'x' && text.z[0] != 'X') || text.z[1] != '\'' ||
      text.z[text.n - 1] != '\'' || text.n % 2 == 0)
    return 0;
  literal->n = (text.n - 3) / 2;
  for (size_t i = 0; i < 2 * literal->n; i++) {
    if (leadx_number_hex(text.z[2 + i]) < 0) return 0;
  }
  literal->bytes = sqlite3_malloc64(literal->n + 1);
  if (!literal->bytes) {
    *rc = SQLITE_NOMEM;
    return 0;
  }
  for (size_t i = 0; i < literal->n; i++)
    literal->bytes[i] = (char)(leadx_number_hex(text.z[2 + 2 * i]) << 4 |
                               leadx_number_hex(text.z[3 + 2 * i]));
  literal->kind = LEADX_LITERAL_BLOB;
  return 1;
}

int leadx_literal_read(const char *sql, leadx_literal *literal) {
  int rc = SQLITE_OK;
  memset(literal, 0, sizeof *literal);
  if (!sql) return SQLITE_OK;
  span text = trim((span){sql, strlen(sql)});
  while (is_enclosed(text)) text = trim((span){text.z + 1, text.n - 2});
  int is_known = read_word(text, literal) || read_number(text, literal) ||
                 read_quoted(text, '\'', '\'', literal, &rc) ||
                 (rc == SQLITE_OK && read_blob(text, literal, &rc)) ||
                 (rc == SQLITE_OK && read_name(text, literal, &rc));
  if (!is_known) literal->kind = LEADX_LITERAL_UNKNOWN;
  return rc;
}

void leadx_literal_clear(leadx_literal *literal) {
  sqlite3_free(literal->bytes);
  memset(literal, 0, sizeof *literal);
}

/* ---- using it ---- */

static int is_present_time(const leadx_literal *literal) {
  return literal->kind == LEADX_LITERAL_TIMESTAMP || literal->kind == LEADX_LITERAL_DATE ||
         literal->kind == LEADX_LITERAL_TIME;
}

int leadx_literal_is_known(const leadx_literal *literal) {
  return literal->kind != LEADX_LITERAL_NONE && literal->kind != LEADX_LITERAL_UNKNOWN;
}

int leadx_literal_is_constant(const leadx_literal *literal) {
  return literal->kind != LEADX_LITERAL_UNKNOWN && !is_present_time(literal);
}

/* As SQLite writes the present time: seconds, a blank, UTC. */
static int bind_present_time(const leadx_literal *literal, sqlite3_stmt *stmt, int parameter) {
  enum { DATE_BYTES = 10, TIME_AT = 11, TIME_BYTES = 8, SECONDS = 19 };
  char now[LEADX_INSTANT_BYTES];
  leadx_instant_format(leadx_clock_wall_us(), now);
  now[DATE_BYTES] = ' ';
  const char *from = literal->kind == LEADX_LITERAL_TIME ? now + TIME_AT : now;
  int n = literal->kind == LEADX_LITERAL_TIME   ? TIME_BYTES
          : literal->kind == LEADX_LITERAL_DATE ? DATE_BYTES
                                                : SECONDS;
  return sqlite3_bind_text(stmt, parameter, from, n, SQLITE_TRANSIENT);
}

int leadx_literal_bind(const leadx_literal *literal, sqlite3_stmt *stmt, int parameter) {
  if (is_present_time(literal)) return bind_present_time(literal, stmt, parameter);
  switch (literal->kind) {
    case LEADX_LITERAL_INTEGER: return sqlite3_bind_int64(stmt, parameter, literal->integer);
    case LEADX_LITERAL_REAL: return sqlite3_bind_double(stmt, parameter, literal->real);
    case LEADX_LITERAL_TEXT:
      return sqlite3_bind_text64(stmt, parameter, literal->bytes, literal->n, SQLITE_STATIC,
                                 SQLITE_UTF8);
    case LEADX_LITERAL_BLOB:
      return sqlite3_bind_blob64(stmt, parameter, literal->bytes, literal->n, SQLITE_STATIC);
    case LEADX_LITERAL_UNKNOWN: return SQLITE_MISMATCH;
    default: return sqlite3_bind_null(stmt, parameter);
  }
}
