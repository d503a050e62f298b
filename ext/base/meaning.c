/* The meaning of a value. See meaning.h.
**
** Every value becomes one of a few forms first: nothing, a number, an instant, text, bytes, JSON.
** Each form is hashed under a letter of its own, so that '5' and 5 are told apart where the wire
** tells them apart, and are one where it does not.
** */
#include "base/meaning.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/instant.h"
#include "base/number.h"

/* So many decimal digits survive the way through a double and back. */
#define SAFE_DIGITS 15
/* Seconds of the years 0000 to 9999, the instants that are written as such. */
#define FIRST_SECOND INT64_C(-62167219200)
#define LAST_SECOND INT64_C(253402300799)

/* ---- affinity ---- */

static int contains(const char *text, const char *part) {
  size_t n = strlen(part);
  for (; strlen(text) >= n; text++) {
    if (sqlite3_strnicmp(text, part, (int)n) == 0) return 1;
  }
  return 0;
}

/* In the order in which SQLite looks. */
leadx_affinity leadx_affinity_of_declaration(const char *declared) {
  static const struct {
    const char *part;
    leadx_affinity affinity;
  } parts[] = {{"INT", LEADX_AFFINITY_NUMERIC}, {"CHAR", LEADX_AFFINITY_TEXT},
               {"CLOB", LEADX_AFFINITY_TEXT},   {"TEXT", LEADX_AFFINITY_TEXT},
               {"BLOB", LEADX_AFFINITY_NONE},   {"REAL", LEADX_AFFINITY_REAL},
               {"FLOA", LEADX_AFFINITY_REAL},   {"DOUB", LEADX_AFFINITY_REAL}};
  if (!declared || !*declared) return LEADX_AFFINITY_NONE;
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    if (contains(declared, parts[i].part)) return parts[i].affinity;
  }
  return LEADX_AFFINITY_NUMERIC;
}

static int is_numeric(leadx_kind kind) {
  return kind.affinity == LEADX_AFFINITY_NUMERIC || kind.affinity == LEADX_AFFINITY_REAL;
}

/* ---- hashes ---- */

/* Every bit of the hash has its say in every bit of the number. */
static uint32_t fold(uint64_t hash) {
  hash = (hash ^ hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
  hash = (hash ^ hash >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
  uint32_t part = (uint32_t)(hash >> 32);
  return part ? part : 1;
}

static uint64_t hash_form(char form, const void *bytes, size_t n) {
  return leadx_hash(leadx_hash(LEADX_HASH_SEED, &form, 1), bytes, n);
}

/* ---- numbers ---- */

/* A decimal number whatever its spelling: the digits between the first and the last that is not 0,
** and where the point stands before them. */
static uint64_t hash_decimal(const char *z, size_t n) {
  uint64_t hash = LEADX_HASH_SEED;
  int64_t point = 0, exponent = 0, zeros = 0, digits = 0;
  size_t i = z[0] == '-' || z[0] == '+';
  int is_fraction = 0;
  for (; i < n && z[i] != 'e' && z[i] != 'E'; i++) {
    if (z[i] == '.') {
      is_fraction = 1;
      continue;
    }
    if (!digits && z[i] == '0') {
      point -= is_fraction;
      continue;
    }
    point += !is_fraction;
    if (z[i] == '0') {
      zeros++;
      continue;
    }
    for (; zeros > 0; zeros--) hash = leadx_hash(hash, "0", 1);
    hash = leadx_hash(hash, &z[i], 1);
    digits++;
  }
  if (i < n) exponent = strtoll(z + i + 1, NULL, 10);
  if (!digits) return hash_form('d', "", 0);
  point = exponent > INT64_MAX / 2 || exponent < INT64_MIN / 2 ? exponent : point + exponent;
  hash = leadx_hash(hash, &point, sizeof point);
  return leadx_hash(leadx_hash(hash, z[0] == '-' ? "-" : "+", 1), "d", 1);
}

/* How many digits of a number's text count, leading zeros aside; more than can be safe when its
** exponent is beyond a double's. */
static int count_digits(const char *z, size_t n) {
  int digits = 0;
  for (size_t i = 0; i < n; i++) {
    if (z[i] == 'e' || z[i] == 'E') {
      long exponent = strtol(z + i + 1, NULL, 10);
      return exponent > 290 || exponent < -290 ? SAFE_DIGITS + 1 : digits;
    }
    digits += z[i] >= '0' && z[i] <= '9' && (digits || z[i] != '0');
  }
  return digits;
}

static uint64_t hash_text(leadx_kind kind, const char *z, size_t n);

static uint64_t hash_int(int64_t n) { return hash_form('i', &n, sizeof n); }

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

/* An instant with the precision that the column has. */
static uint64_t hash_instant(leadx_kind kind, int64_t us) {
  int64_t unit = kind.type == LEADX_TIMESTAMP_S    ? 1000000
                 : kind.type == LEADX_TIMESTAMP_MS ? 1000
                                                   : 1;
  us = floor_div(us, unit);
  return hash_form('u', &us, sizeof us);
}

/* A number of an epoch column, where it is one of an instant that the wire has a text for. */
static int is_epoch(leadx_kind kind, int64_t n, uint64_t *hash) {
  int64_t per_second = kind.type == LEADX_TIMESTAMP_S    ? 1
                       : kind.type == LEADX_TIMESTAMP_MS ? 1000
                                                         : 0;
  if (!per_second || n < FIRST_SECOND * per_second || n >= (LAST_SECOND + 1) * per_second) return 0;
  *hash = hash_instant(kind, n * (1000000 / per_second));
  return 1;
}

/* A whole number is one whatever class SQLite keeps it in. SQLite's own reading of a long decimal
** text is not exact in the last digit, so a decimal counts with the digits that are. */
static uint64_t hash_double(leadx_kind kind, double x) {
  if (x > 1.7976931348623157e308) return hash_text(kind, "Infinity", 8);
  if (x < -1.7976931348623157e308) return hash_text(kind, "-Infinity", 9);
  if (x >= -9223372036854775808.0 && x < 9223372036854775808.0 && !((double)(int64_t)x < x) &&
      !((double)(int64_t)x > x)) {
    uint64_t hash = 0;
    return is_epoch(kind, (int64_t)x, &hash) ? hash : hash_int((int64_t)x);
  }
  if (kind.type == LEADX_DECIMAL) {
    char text[40];
    sqlite3_snprintf(sizeof text, text, "%.15g", x);
    leadx_number_double(text, strlen(text), &x); /* strtod() reads the point of the host's locale */
  }
  return hash_form('f', &x, sizeof x);
}

static uint64_t hash_whole(leadx_kind kind, int64_t n) {
  int is_double = kind.type == LEADX_REAL || kind.affinity == LEADX_AFFINITY_REAL;
  return is_double ? hash_double(kind, (double)n) : hash_int(n);
}

/* is_text: it is kept as its digits, unless the column makes a number of them. */
static uint64_t hash_number(leadx_kind kind, leadx_slice number, int is_text) {
  int64_t n = 0;
  if (leadx_json_int64(number, &n) == 0) return hash_whole(kind, n);
  int is_exact = is_text && !is_numeric(kind) &&
                 (kind.type == LEADX_DECIMAL || kind.type == LEADX_INTEGER ||
                  kind.type == LEADX_JSON);
  if (is_exact && count_digits(number.z, number.n) > SAFE_DIGITS)
    return hash_decimal(number.z, number.n);
  double x = 0;
  leadx_json_double(number, &x);
  return hash_double(kind, x);
}

/* ---- JSON ---- */

static uint64_t hash_json(leadx_slice value);

static uint64_t hash_string(leadx_slice raw) {
  if (!memchr(raw.z, '\\', raw.n)) return hash_form('s', raw.z + 1, raw.n - 2);
  return leadx_json_hash(hash_form('s', "", 0), raw);
}

/* Objects are equal whatever the order of their members, and of a name that stands twice the last
** one counts: the members' hashes are added up. */
static uint64_t hash_object(leadx_slice object) {
  leadx_json_walk walk, rest;
  leadx_slice name, value, later, ignored;
  uint64_t sum = 0;
  leadx_json_walk_init(&walk, object);
  while (leadx_json_walk_member(&walk, &name, &value)) {
    uint64_t pair[2] = {hash_string(name), hash_json(value)};
    int stands_again = 0;
    rest = walk;
    while (object.n < 4096 && !stands_again && leadx_json_walk_member(&rest, &later, &ignored))
      stands_again = later.n == name.n && memcmp(later.z, name.z, name.n) == 0;
    if (!stands_again) sum += hash_form('m', pair, sizeof pair);
  }
  return hash_form('o', &sum, sizeof sum);
}

/* As deep as leadx_json_check() lets a document be. */
static uint64_t hash_json(leadx_slice value) {
  leadx_json_walk walk;
  leadx_slice element;
  uint64_t hash = 0;
  switch (leadx_json_kind_of(value)) {
    case LEADX_JSON_NUMBER: return hash_decimal(value.z, value.n);
    case LEADX_JSON_STRING: return hash_string(value);
    case LEADX_JSON_OBJECT: return hash_object(value);
    case LEADX_JSON_ARRAY:
      leadx_json_walk_init(&walk, value);
      for (hash = hash_form('a', "", 0); leadx_json_walk_element(&walk, &element);) {
        uint64_t part = hash_json(element);
        hash = leadx_hash(hash, &part, sizeof part);
      }
      return hash;
    default: return hash_form('w', value.z, value.n);
  }
}

/* ---- local values ---- */

/* Bytes, and the text that says them, are one on the wire. */
static uint64_t hash_bytes(leadx_kind kind, const unsigned char *z, size_t n) {
  static const char digits[] = "0123456789abcdef";
  char prefix[2] = {'\\', 'x'};
  if (kind.type == LEADX_BLOB) return hash_form('b', z, n);
  uint64_t hash = hash_form('t', prefix, 2);
  for (size_t i = 0; i < n; i++) {
    char pair[2] = {digits[z[i] >> 4], digits[z[i] & 15]};
    hash = leadx_hash(hash, pair, 2);
  }
  return hash;
}

/* Of a column of bytes. */
static uint64_t hash_bytea_text(const char *z, size_t n) {
  leadx_hashing hashing = {.hash = hash_form('b', "", 0)};
  for (size_t i = 2; i < n; i += 2) {
    unsigned char byte = (unsigned char)((unsigned)leadx_number_hex(z[i]) << 4 |
                                         (unsigned)leadx_number_hex(z[i + 1]));
    leadx_hashing_add(&hashing, &byte, 1);
  }
  return leadx_hashing_end(&hashing);
}

static uint64_t hash_lowered(const char *z, size_t n) {
  char small[64];
  if (n > sizeof small) return hash_form('t', z, n);
  for (size_t i = 0; i < n; i++) small[i] = (char)(z[i] >= 'A' && z[i] <= 'Z' ? z[i] + 32 : z[i]);
  return hash_form('t', small, n);
}

static uint64_t hash_null(void) { return hash_form('n', "", 0); }

static uint64_t hash_json_text(leadx_kind kind, const char *z, size_t n) {
  leadx_slice value;
  if (leadx_json_check(z, n, 0, &value, NULL)) return hash_form('t', z, n);
  if (leadx_json_kind_of(value) == LEADX_JSON_NUMBER) return hash_number(kind, value, 1);
  return leadx_json_kind_of(value) == LEADX_JSON_NULL ? hash_null() : hash_json(value);
}

static uint64_t hash_integer(leadx_kind kind, int64_t n);

static uint64_t hash_text(leadx_kind kind, const char *z, size_t n) {
  int is_number = is_numeric(kind) || kind.type == LEADX_INTEGER || kind.type == LEADX_REAL ||
                  kind.type == LEADX_DECIMAL;
  int64_t us = 0, whole = 0;
  leadx_slice value, digits = {z, n};
  switch (kind.type) {
    case LEADX_UUID:
      if (n == 0) return hash_null();
      break;
    case LEADX_JSON: return hash_json_text(kind, z, n);
    case LEADX_BLOB:
      if (leadx_number_is_bytea(z, n)) return hash_bytea_text(z, n);
      break;
    case LEADX_TIMESTAMP:
    case LEADX_TIMESTAMP_S:
    case LEADX_TIMESTAMP_MS:
      if (n >= 10 && z[4] == '-' && leadx_instant_parse(z, n, &us) == 0)
        return hash_instant(kind, us);
      if (kind.type != LEADX_TIMESTAMP && n && n < 20 &&
          (z[0] == '-' || (z[0] >= '0' && z[0] <= '9')) && leadx_json_int64(digits, &whole) == 0)
        return hash_integer(kind, whole);
      break;
    default: break;
  }
  if (is_number && n && !leadx_json_check(z, n, 0, &value, NULL) &&
      leadx_json_kind_of(value) == LEADX_JSON_NUMBER)
    return hash_number(kind, value, 1);
  return kind.type == LEADX_UUID ? hash_lowered(z, n) : hash_form('t', z, n);
}

static uint64_t hash_integer(leadx_kind kind, int64_t n) {
  uint64_t hash = 0;
  return is_epoch(kind, n, &hash) ? hash : hash_whole(kind, n);
}

uint32_t leadx_meaning_of_value(leadx_kind kind, sqlite3_value *value) {
  const void *bytes;
  switch (sqlite3_value_type(value)) {
    case SQLITE_NULL: return fold(hash_null());
    case SQLITE_INTEGER: return fold(hash_integer(kind, sqlite3_value_int64(value)));
    case SQLITE_FLOAT: return fold(hash_double(kind, sqlite3_value_double(value)));
    case SQLITE_BLOB:
      bytes = sqlite3_value_blob(value);
      return fold(hash_bytes(kind, bytes, bytes ? (size_t)sqlite3_value_bytes(value) : 0));
    default:
      bytes = sqlite3_value_text(value);
      return bytes ? fold(hash_text(kind, bytes, (size_t)sqlite3_value_bytes(value))) : 0;
  }
}

/* ---- values of the wire ---- */

static uint32_t of_string(leadx_kind kind, leadx_slice value) {
  if (!memchr(value.z, '\\', value.n)) return fold(hash_text(kind, value.z + 1, value.n - 2));
  size_t n = 0;
  char *text = NULL;
  uint32_t part = leadx_json_text(value, &text, &n) == SQLITE_OK ? fold(hash_text(kind, text, n))
                                                                 : 0;
  sqlite3_free(text);
  return part;
}

/* A number that is written to a column of text becomes the text that SQLite makes of it. */
static uint32_t of_rendered(leadx_kind kind, leadx_slice value) {
  char text[40];
  int64_t n = 0;
  double x = 0;
  int is_whole = leadx_json_int64(value, &n) == 0 && kind.type != LEADX_REAL;
  leadx_json_double(value, &x);
  if (is_whole) sqlite3_snprintf(sizeof text, text, "%lld", (sqlite3_int64)n);
  else sqlite3_snprintf(sizeof text, text, "%!.15g", x);
  return fold(hash_text(kind, text, strlen(text)));
}

static uint32_t of_number(leadx_kind kind, leadx_slice value, int queued) {
  int64_t n = 0;
  int is_whole = leadx_json_int64(value, &n) == 0;
  /* Kept as its digits, as leadx_wire_bind() does. */
  int is_raw = kind.type == LEADX_TEXT || kind.type == LEADX_DECIMAL || kind.type == LEADX_JSON ||
               (kind.type == LEADX_INTEGER && !is_whole);
  if (!queued && is_raw) return fold(hash_text(kind, value.z, value.n));
  if (!queued && kind.affinity == LEADX_AFFINITY_TEXT) return of_rendered(kind, value);
  return fold(is_whole ? hash_integer(kind, n) : hash_number(kind, value, 0));
}

static uint32_t of_truth(leadx_kind kind, int is_true, int queued) {
  if (!queued && kind.affinity == LEADX_AFFINITY_TEXT)
    return fold(hash_text(kind, is_true ? "1" : "0", 1));
  return fold(hash_integer(kind, is_true));
}

static uint32_t of_wire(leadx_kind kind, leadx_slice value, int queued) {
  leadx_json_kind what = leadx_json_kind_of(value);
  if (what == LEADX_JSON_NONE) return 0;
  if (what == LEADX_JSON_NULL) return fold(hash_null());
  /* The server's JSON is stored as its text, a JSON string with its quotes; a trigger puts the
  ** stored text into a string of its own. */
  if (kind.type == LEADX_JSON && !queued) return fold(hash_text(kind, value.z, value.n));
  if (what == LEADX_JSON_STRING) return of_string(kind, value);
  if (what == LEADX_JSON_NUMBER) return of_number(kind, value, queued);
  if (what == LEADX_JSON_TRUE || what == LEADX_JSON_FALSE)
    return of_truth(kind, what == LEADX_JSON_TRUE, queued);
  return fold(hash_text(kind, value.z, value.n));
}

uint32_t leadx_meaning_of_queued(leadx_kind kind, leadx_slice value) {
  return of_wire(kind, value, 1);
}

uint32_t leadx_meaning_of_server(leadx_kind kind, leadx_slice value) {
  return of_wire(kind, value, 0);
}

int leadx_meaning_is(uint32_t known, leadx_kind kind, leadx_slice server, leadx_err *err) {
  uint32_t sent = leadx_meaning_of_server(kind, server),
           queued = leadx_meaning_of_queued(kind, server);
  if (server.n && (!sent || !queued)) leadx_err_nomem(err);
  return known && (known == sent || known == queued);
}
