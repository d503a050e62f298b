/* See json.h. Stages, in the order of this file: UTF-8; the check, one pass over the document;
** walking, which trusts the check and only looks for brackets, commas and quotes; strings, read in
** pieces without a copy; numbers, as decimal digits; equality.
**
** Known cost: finding the end of an element scans it, so visiting a document level by level reads
** it once per level, 64 times at most. */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

/* ---- UTF-8 ---- */

static int is_continuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

/* The length of the well-formed sequence at z, or 0. The bounds of the second byte are those of
** the Unicode standard's table 3-7; they shut out overlong forms, surrogates and U+110000. */
static size_t utf8_length(const char *text, const char *end) {
  const unsigned char *z = (const unsigned char *)text;
  size_t room = (size_t)(end - text);
  if (z[0] < 0x80) return 1;
  if (z[0] < 0xC2 || z[0] > 0xF4) return 0;
  size_t length = z[0] < 0xE0 ? 2 : z[0] < 0xF0 ? 3 : 4;
  if (room < length) return 0;
  unsigned char low = z[0] == 0xE0 ? 0xA0 : z[0] == 0xF0 ? 0x90 : 0x80;
  unsigned char high = z[0] == 0xED ? 0x9F : z[0] == 0xF4 ? 0x8F : 0xBF;
  if (z[1] < low || z[1] > high) return 0;
  for (size_t i = 2; i < length; i++) {
    if (!is_continuation(z[i])) return 0;
  }
  return length;
}

int leadx_utf8_valid(const char *z, size_t n) {
  const char *end = z + n;
  while (z < end) {
    size_t length = utf8_length(z, end);
    if (length == 0) return 0;
    z += length;
  }
  return 1;
}

/* Writes the code point as UTF-8. Returns the number of bytes. */
static size_t utf8_put(char *out, unsigned point) {
  if (point < 0x80) {
    out[0] = (char)point;
    return 1;
  }
  if (point < 0x800) {
    out[0] = (char)(0xC0 | point >> 6);
    out[1] = (char)(0x80 | (point & 0x3F));
    return 2;
  }
  if (point < 0x10000) {
    out[0] = (char)(0xE0 | point >> 12);
    out[1] = (char)(0x80 | (point >> 6 & 0x3F));
    out[2] = (char)(0x80 | (point & 0x3F));
    return 3;
  }
  out[0] = (char)(0xF0 | point >> 18);
  out[1] = (char)(0x80 | (point >> 12 & 0x3F));
  out[2] = (char)(0x80 | (point >> 6 & 0x3F));
  out[3] = (char)(0x80 | (point & 0x3F));
  return 4;
}

/* ---- the check ---- */

typedef struct checker {
  const char *at, *end;
  size_t max_string;
  int depth;
  const char *problem;
} checker;

static int check_value(checker *c);

static int fail(checker *c, const char *problem) {
  c->problem = problem;
  return 1;
}

static int is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

static int is_digit(char c) { return c >= '0' && c <= '9'; }

static void skip_space(checker *c) {
  while (c->at < c->end && is_space(*c->at)) c->at++;
}

static int take(checker *c, char byte) {
  if (c->at == c->end || *c->at != byte) return 0;
  c->at++;
  return 1;
}

/* A byte that a string may hold and that needs no second look. */
static int is_plain(unsigned char byte) {
  return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

/* Are the eight bytes all plain? Each term sets the top bit of a byte that is the one looked for;
** a borrow can only reach bytes above a true match, so "none at all" is exact. */
static int are_plain(const char *z) {
  const uint64_t ones = UINT64_C(0x0101010101010101);
  uint64_t word;
  memcpy(&word, z, sizeof word);
  uint64_t quote = word ^ ones * '"';
  uint64_t backslash = word ^ ones * '\\';
  uint64_t odd = word | (word - ones * 0x20) | ((quote - ones) & ~quote) |
                 ((backslash - ones) & ~backslash);
  return (odd & ones * 0x80) == 0;
}

static const char *skip_plain(const char *z, const char *end) {
  while (end - z >= 8 && are_plain(z)) z += 8;
  while (z < end && is_plain((unsigned char)*z)) z++;
  return z;
}

/* The value of four hexadecimal digits, or -1. */
static int hex4(const char *z, const char *end) {
  if (end - z < 4) return -1;
  int value = 0;
  for (int i = 0; i < 4; i++) {
    char digit = z[i];
    int nibble = is_digit(digit)                ? digit - '0'
                 : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
                 : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                                : -1;
    if (nibble < 0) return -1;
    value = value << 4 | nibble;
  }
  return value;
}

static int is_high_surrogate(int unit) { return unit >= 0xD800 && unit <= 0xDBFF; }

static int is_low_surrogate(int unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

/* At the digits behind "\u". PostgreSQL refuses a surrogate without its partner, so do we. */
static int check_unicode_escape(checker *c) {
  int unit = hex4(c->at, c->end);
  if (unit < 0) return fail(c, "four hexadecimal digits must follow \\u");
  if (is_low_surrogate(unit)) return fail(c, "lone surrogate");
  c->at += 4;
  if (!is_high_surrogate(unit)) return 0;
  if (!take(c, '\\') || !take(c, 'u')) return fail(c, "lone surrogate");
  if (!is_low_surrogate(hex4(c->at, c->end))) return fail(c, "lone surrogate");
  c->at += 4;
  return 0;
}

static int check_escape(checker *c) {
  c->at++;
  if (take(c, 'u')) return check_unicode_escape(c);
  if (c->at == c->end) return fail(c, "unterminated string");
  if (*c->at == '\0' || !strchr("\"\\/bfnrt", *c->at)) return fail(c, "unknown escape");
  c->at++;
  return 0;
}

/* At a byte of a string that is not plain and not the closing quote. */
static int check_special_byte(checker *c) {
  if (*c->at == '\\') return check_escape(c);
  if ((unsigned char)*c->at < 0x20) return fail(c, "control character in a string");
  size_t length = utf8_length(c->at, c->end);
  if (length == 0) return fail(c, "invalid UTF-8");
  c->at += length;
  return 0;
}

static int check_string(checker *c) {
  if (!take(c, '"')) return fail(c, "expected a string");
  const char *start = c->at;
  for (;;) {
    c->at = skip_plain(c->at, c->end);
    if (c->at == c->end) return fail(c, "unterminated string");
    if (*c->at == '"') break;
    if (check_special_byte(c)) return 1;
  }
  if ((size_t)(c->at - start) > c->max_string) return fail(c, "string too long");
  c->at++;
  return 0;
}

static int check_digits(checker *c) {
  if (c->at == c->end || !is_digit(*c->at)) return fail(c, "expected a digit");
  while (c->at < c->end && is_digit(*c->at)) c->at++;
  return 0;
}

static int check_number(checker *c) {
  take(c, '-');
  if (take(c, '0')) {
    if (c->at < c->end && is_digit(*c->at)) return fail(c, "leading zero");
  } else if (check_digits(c)) {
    return 1;
  }
  if (take(c, '.') && check_digits(c)) return 1;
  if (take(c, 'e') || take(c, 'E')) {
    if (!take(c, '+')) take(c, '-');
    return check_digits(c);
  }
  return 0;
}

static int check_word(checker *c, const char *word) {
  size_t n = strlen(word);
  if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0) {
    return fail(c, "expected a value");
  }
  c->at += n;
  return 0;
}

/* Steps over the opening bracket. */
static int enter(checker *c) {
  if (c->depth == LEADX_JSON_MAX_DEPTH) return fail(c, "nested too deep");
  c->depth++;
  c->at++;
  skip_space(c);
  return 0;
}

static int leave(checker *c) {
  c->depth--;
  return 0;
}

static int check_array(checker *c) {
  if (enter(c)) return 1;
  if (take(c, ']')) return leave(c);
  do {
    if (check_value(c)) return 1;
  } while (take(c, ','));
  if (!take(c, ']')) return fail(c, "expected , or ]");
  return leave(c);
}

static int check_member(checker *c) {
  skip_space(c);
  if (check_string(c)) return 1;
  skip_space(c);
  if (!take(c, ':')) return fail(c, "expected :");
  return check_value(c);
}

static int check_object(checker *c) {
  if (enter(c)) return 1;
  if (take(c, '}')) return leave(c);
  do {
    if (check_member(c)) return 1;
  } while (take(c, ','));
  if (!take(c, '}')) return fail(c, "expected , or }");
  return leave(c);
}

static int check_bare_value(checker *c) {
  if (c->at == c->end) return fail(c, "unexpected end");
  switch (*c->at) {
    case '{': return check_object(c);
    case '[': return check_array(c);
    case '"': return check_string(c);
    case 't': return check_word(c, "true");
    case 'f': return check_word(c, "false");
    case 'n': return check_word(c, "null");
    default:
      if (*c->at != '-' && !is_digit(*c->at)) return fail(c, "expected a value");
      return check_number(c);
  }
}

/* A value and the white space around it. Recursion ends at LEADX_JSON_MAX_DEPTH. */
static int check_value(checker *c) {
  skip_space(c);
  if (check_bare_value(c)) return 1;
  skip_space(c);
  return 0;
}

static leadx_slice trimmed(const char *z, const char *end) {
  while (is_space(*z)) z++;
  while (is_space(end[-1])) end--;
  return (leadx_slice){z, (size_t)(end - z)};
}

const char *leadx_json_check(const char *z, size_t n, size_t max_string, leadx_slice *value,
                             size_t *at) {
  checker c = {.at = z, .end = z + n};
  c.max_string = max_string ? max_string : LEADX_JSON_MAX_STRING;
  if (check_value(&c) == 0 && c.at != c.end) fail(&c, "something follows the value");
  if (!c.problem) {
    *value = trimmed(z, c.end);
  } else if (at) {
    *at = (size_t)(c.at - z);
  }
  return c.problem;
}

/* ---- walking ---- */

static leadx_json_kind if_word(leadx_slice value, const char *word, leadx_json_kind kind) {
  return value.n == strlen(word) && memcmp(value.z, word, value.n) == 0 ? kind : LEADX_JSON_NONE;
}

static leadx_json_kind if_closed(leadx_slice value, char bracket, leadx_json_kind kind) {
  return value.n >= 2 && value.z[value.n - 1] == bracket ? kind : LEADX_JSON_NONE;
}

/* Both ends are looked at, so that a text which nobody has checked is not taken for a value by its
** first byte. */
leadx_json_kind leadx_json_kind_of(leadx_slice value) {
  if (value.n == 0) return LEADX_JSON_NONE;
  switch (value.z[0]) {
    case 'n': return if_word(value, "null", LEADX_JSON_NULL);
    case 'f': return if_word(value, "false", LEADX_JSON_FALSE);
    case 't': return if_word(value, "true", LEADX_JSON_TRUE);
    case '"': return if_closed(value, '"', LEADX_JSON_STRING);
    case '[': return if_closed(value, ']', LEADX_JSON_ARRAY);
    case '{': return if_closed(value, '}', LEADX_JSON_OBJECT);
    case '-': return value.n >= 2 && is_digit(value.z[1]) ? LEADX_JSON_NUMBER : LEADX_JSON_NONE;
    default: return is_digit(value.z[0]) ? LEADX_JSON_NUMBER : LEADX_JSON_NONE;
  }
}

/* From the opening quote to behind the closing one: the first that an even number of backslashes
** stands before. Without one it is the end. */
static const char *string_end(const char *z, const char *end) {
  const char *run;
  do {
    z++;
    z = memchr(z, '"', (size_t)(end - z));
    if (!z) return end;
    for (run = z; run[-1] == '\\';) run--;
  } while ((z - run) % 2 == 1);
  return z + 1;
}

static const char *container_end(const char *z, const char *end) {
  int depth = 0;
  do {
    switch (*z) {
      case '"': z = string_end(z, end); continue;
      case '[':
      case '{': depth++; break;
      case ']':
      case '}': depth--; break;
      default: break;
    }
    z++;
  } while (depth > 0 && z < end);
  return z;
}

/* A number or a word ends where the punctuation begins. */
static const char *scalar_end(const char *z, const char *end) {
  while (z < end && *z != ',' && *z != ']' && *z != '}' && !is_space(*z)) z++;
  return z;
}

static const char *value_end(const char *z, const char *end) {
  if (*z == '"') return string_end(z, end);
  if (*z == '[' || *z == '{') return container_end(z, end);
  return scalar_end(z, end);
}

static leadx_slice take_value(leadx_json_walk *walk) {
  const char *start = walk->at;
  walk->at = value_end(start, walk->end);
  return (leadx_slice){start, (size_t)(walk->at - start)};
}

static void skip_separators(leadx_json_walk *walk, char separator) {
  while (walk->at < walk->end && (is_space(*walk->at) || *walk->at == separator)) walk->at++;
}

void leadx_json_walk_init(leadx_json_walk *walk, leadx_slice container) {
  walk->kind = leadx_json_kind_of(container);
  int is_container = walk->kind == LEADX_JSON_ARRAY || walk->kind == LEADX_JSON_OBJECT;
  walk->at = is_container ? container.z + 1 : NULL;
  walk->end = is_container ? container.z + container.n - 1 : NULL;
}

static int is_over(leadx_json_walk *walk, leadx_json_kind kind) {
  if (walk->kind != kind) return 1;
  skip_separators(walk, ',');
  return walk->at == walk->end;
}

int leadx_json_walk_element(leadx_json_walk *walk, leadx_slice *value) {
  if (is_over(walk, LEADX_JSON_ARRAY)) return 0;
  *value = take_value(walk);
  return 1;
}

int leadx_json_walk_member(leadx_json_walk *walk, leadx_slice *key, leadx_slice *value) {
  if (is_over(walk, LEADX_JSON_OBJECT)) return 0;
  *key = take_value(walk);
  skip_separators(walk, ':');
  if (walk->at == walk->end) return 0;
  *value = take_value(walk);
  return 1;
}

void leadx_json_members(leadx_slice object, const char *const *names, int n, leadx_slice *values) {
  leadx_slice key, value;
  leadx_json_walk walk;
  memset(values, 0, sizeof *values * (size_t)n);
  if (leadx_json_kind_of(object) != LEADX_JSON_OBJECT) return;
  leadx_json_walk_init(&walk, object);
  while (leadx_json_walk_member(&walk, &key, &value)) {
    for (int i = 0; i < n; i++) {
      if (leadx_json_string_is(key, names[i], strlen(names[i]))) values[i] = value;
    }
  }
}

leadx_slice leadx_json_member(leadx_slice object, const char *name) {
  leadx_slice value;
  leadx_json_members(object, &name, 1, &value);
  return value;
}

/* ---- strings ---- */

/* A string read in pieces: runs of the document itself, and escapes decoded one by one. What is no
** string has none; an escape that its string cuts short ends it. */
typedef struct pieces {
  const char *at, *end;
  char decoded[4];
} pieces;

static pieces pieces_of(leadx_slice raw) {
  if (leadx_json_kind_of(raw) != LEADX_JSON_STRING) return (pieces){.at = NULL, .end = NULL};
  return (pieces){.at = raw.z + 1, .end = raw.z + raw.n - 1};
}

static char simple_escape(char letter) {
  switch (letter) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return letter;
  }
}

/* At the digits behind "\u"; the check has seen to it that surrogates come in pairs. -1 where it was
** not asked. */
static int read_code_point(pieces *p) {
  int unit = hex4(p->at, p->end);
  if (unit < 0) return -1;
  p->at += 4;
  if (!is_high_surrogate(unit)) return unit;
  int low = p->end - p->at >= 6 ? hex4(p->at + 2, p->end) : -1;
  if (!is_low_surrogate(low)) return -1;
  p->at += 6;
  return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
}

static leadx_slice decode_escape(pieces *p) {
  char letter = p->end - p->at >= 2 ? p->at[1] : '\0';
  int point = (unsigned char)simple_escape(letter);
  p->at += letter ? 2 : 0;
  if (letter == 'u') point = read_code_point(p);
  if (!letter || point < 0) {
    p->at = p->end;
    return (leadx_slice){NULL, 0};
  }
  return (leadx_slice){p->decoded, utf8_put(p->decoded, (unsigned)point)};
}

/* The next piece, valid until the one after it; empty at the end. */
static leadx_slice next_piece(pieces *p) {
  if (p->at == p->end) return (leadx_slice){NULL, 0};
  if (*p->at == '\\') return decode_escape(p);
  const char *start = p->at;
  const char *stop = memchr(start, '\\', (size_t)(p->end - start));
  p->at = stop ? stop : p->end;
  return (leadx_slice){start, (size_t)(p->at - start)};
}

/* No escape is shorter than what it stands for, so most strings are told apart by their length or
** first byte. */
int leadx_json_string_is(leadx_slice raw, const char *text, size_t n) {
  if (leadx_json_kind_of(raw) != LEADX_JSON_STRING) return 0;
  if (raw.n < n + 2 || (n > 0 && raw.z[1] != *text && raw.z[1] != '\\')) return 0;
  pieces p = pieces_of(raw);
  leadx_slice piece;
  while ((piece = next_piece(&p)).n > 0) {
    if (piece.n > n || memcmp(piece.z, text, piece.n) != 0) return 0;
    text += piece.n;
    n -= piece.n;
  }
  return n == 0;
}

int leadx_json_string_order(leadx_slice raw, const char *text, size_t n) {
  pieces p = pieces_of(raw);
  leadx_slice piece;
  while ((piece = next_piece(&p)).n > 0) {
    size_t shared = piece.n < n ? piece.n : n;
    int order = memcmp(piece.z, text, shared);
    if (order != 0 || piece.n > n) return order != 0 ? order : 1;
    text += shared;
    n -= shared;
  }
  return n > 0 ? -1 : 0;
}

int leadx_json_is_text(leadx_slice value, const char *text) {
  return leadx_json_kind_of(value) == LEADX_JSON_STRING &&
         leadx_json_string_is(value, text, strlen(text));
}

static leadx_slice advanced(leadx_slice slice, size_t n) {
  return (leadx_slice){slice.z + n, slice.n - n};
}

/* Orders two raw strings by their unescaped bytes. */
static int string_compare(leadx_slice a, leadx_slice b) {
  pieces a_pieces = pieces_of(a), b_pieces = pieces_of(b);
  leadx_slice x = {NULL, 0}, y = {NULL, 0};
  for (;;) {
    if (x.n == 0) x = next_piece(&a_pieces);
    if (y.n == 0) y = next_piece(&b_pieces);
    if (x.n == 0 || y.n == 0) return (x.n > 0) - (y.n > 0);
    size_t n = x.n < y.n ? x.n : y.n;
    int order = memcmp(x.z, y.z, n);
    if (order != 0) return order;
    x = advanced(x, n);
    y = advanced(y, n);
  }
}

int leadx_json_unescape(leadx_slice raw, sqlite3_str *out) {
  pieces p = pieces_of(raw);
  leadx_slice piece;
  while ((piece = next_piece(&p)).n > 0) sqlite3_str_append(out, piece.z, (int)piece.n);
  return leadx_json_kind_of(raw) != LEADX_JSON_STRING;
}

uint64_t leadx_json_hash(uint64_t hash, leadx_slice raw) {
  leadx_hashing hashing = {.hash = hash};
  pieces p = pieces_of(raw);
  leadx_slice piece;
  while ((piece = next_piece(&p)).n > 0) leadx_hashing_add(&hashing, piece.z, piece.n);
  return leadx_hashing_end(&hashing);
}

/* No escape is shorter than what it stands for, and the quotes leave room for the terminator. */
int leadx_json_text(leadx_slice raw, char **text, size_t *n) {
  *text = NULL;
  if (n) *n = 0;
  if (leadx_json_kind_of(raw) != LEADX_JSON_STRING) return SQLITE_MISMATCH;
  char *at = *text = sqlite3_malloc64(raw.n);
  if (!at) return SQLITE_NOMEM;
  pieces p = pieces_of(raw);
  leadx_slice piece;
  while ((piece = next_piece(&p)).n > 0) {
    memcpy(at, piece.z, piece.n);
    at += piece.n;
  }
  *at = '\0';
  if (n) *n = (size_t)(at - *text);
  return SQLITE_OK;
}

/* At a byte that cannot stand in a string as it is. Returns how many bytes it wrote for. */
static size_t append_special(sqlite3_str *out, const char *z, const char *end) {
  unsigned char byte = (unsigned char)*z;
  const char *letter = byte ? strchr("\"\"\\\\\bb\ff\nn\rr\tt", byte) : NULL;
  if (byte >= 0x80) {
    size_t length = utf8_length(z, end);
    if (length > 0) {
      sqlite3_str_append(out, z, (int)length);
      return length;
    }
    sqlite3_str_appendall(out, "\xEF\xBF\xBD");
  } else if (letter) {
    sqlite3_str_appendf(out, "\\%c", letter[1]);
  } else {
    sqlite3_str_appendf(out, "\\u%04x", byte);
  }
  return 1;
}

void leadx_json_append_string(sqlite3_str *out, const char *text, size_t n) {
  const char *end = text + n;
  sqlite3_str_appendchar(out, 1, '"');
  while (text < end) {
    const char *stop = skip_plain(text, end);
    sqlite3_str_append(out, text, (int)(stop - text));
    text = stop;
    if (text < end) text += append_special(out, text, end);
  }
  sqlite3_str_appendchar(out, 1, '"');
}

/* ---- numbers ---- */

int leadx_json_int64(leadx_slice number, int64_t *out) {
  if (leadx_json_kind_of(number) != LEADX_JSON_NUMBER) return 1;
  const char *z = number.z, *end = number.z + number.n;
  int is_negative = *z == '-';
  /* Counted downwards, because the least int64 has no positive counterpart. */
  int64_t value = 0;
  for (z += is_negative; z < end; z++) {
    if (!is_digit(*z)) return 1;
    int digit = *z - '0';
    if (value < (INT64_MIN + digit) / 10) return 1;
    value = value * 10 - digit;
  }
  if (!is_negative && value == INT64_MIN) return 1;
  *out = is_negative ? value : -value;
  return 0;
}

/* A number as ±0.d1d2d3… × 10^exponent, d1 and the last digit not zero: equal numbers have equal
** parts. Zero has no digits. The digits stay in the document, where a point may stand among
** them. */
typedef struct decimal {
  int is_negative;
  const char *digits, *end;
  int64_t exponent;
  int is_huge; /* the written exponent has no exact place in exponent */
} decimal;

/* Far beyond any double or numeric, and far from overflow when the digits are added. */
#define EXPONENT_MAX INT64_C(100000000000000000)

static int64_t read_exponent(const char *z, const char *end) {
  int is_negative = *z == '-';
  int64_t value = 0;
  if (!is_digit(*z)) z++;
  for (; z < end && value < EXPONENT_MAX; z++) value = value * 10 + (*z - '0');
  if (value > EXPONENT_MAX) value = EXPONENT_MAX;
  return is_negative ? -value : value;
}

static int is_zero_or_point(char c) { return c == '0' || c == '.'; }

static decimal decimal_of(leadx_slice number) {
  decimal d = {.is_negative = number.z[0] == '-'};
  const char *z = number.z + d.is_negative, *end = number.z + number.n;
  const char *e = z;
  while (e < end && *e != 'e' && *e != 'E') e++;
  const char *point = memchr(z, '.', (size_t)(e - z));
  int64_t written = e < end ? read_exponent(e + 1, end) : 0;

  d.digits = z;
  d.end = e;
  while (d.digits < d.end && is_zero_or_point(*d.digits)) d.digits++;
  while (d.end > d.digits && is_zero_or_point(d.end[-1])) d.end--;
  if (d.digits == d.end) return (decimal){.digits = z, .end = z};

  if (!point) point = e;
  /* Behind the point the zeros skipped count negative; the point itself is no digit. */
  d.exponent = point - d.digits + (d.digits > point) + written;
  d.is_huge = written >= EXPONENT_MAX || written <= -EXPONENT_MAX;
  return d;
}

/* The next digit, or '\0' at the end. */
static char next_digit(decimal *d) {
  if (d->digits < d->end && *d->digits == '.') d->digits++;
  return d->digits < d->end ? *d->digits++ : '\0';
}

static int same_bytes(leadx_slice a, leadx_slice b) {
  return a.n == b.n && memcmp(a.z, b.z, a.n) == 0;
}

static int numbers_equal(leadx_slice a, leadx_slice b) {
  decimal x = decimal_of(a), y = decimal_of(b);
  if (x.is_huge || y.is_huge) return same_bytes(a, b);
  if (x.is_negative != y.is_negative || x.exponent != y.exponent) return 0;
  for (;;) {
    char digit = next_digit(&x);
    if (digit != next_digit(&y)) return 0;
    if (digit == '\0') return 1;
  }
}

/* strtod reads the point of the host's locale. Digits and an exponent need no point, so the number
** is handed over as 0.d1d2d3… × 10^e in that form. No more than 767 digits can matter to a
** double; a last 1 stands for any that follow, to keep a value off the middle between two. */
int leadx_json_double(leadx_slice number, double *out) {
  enum { DIGITS = 770 };
  char text[DIGITS + 32], digit;
  if (leadx_json_kind_of(number) != LEADX_JSON_NUMBER) return 1;
  decimal d = decimal_of(number);
  int n = 0;
  while (n < DIGITS && (digit = next_digit(&d)) != '\0') text[n++] = digit;
  *out = number.z[0] == '-' ? -0.0 : 0.0;
  if (n == 0) return 0;
  if (next_digit(&d) != '\0') text[n++] = '1';
  sqlite3_snprintf(30, text + n, "e%lld", (long long)(d.exponent - n));
  double value = strtod(text, NULL);
  *out = d.is_negative ? -value : value;
  return 0;
}

/* ---- equality ---- */

typedef struct member {
  leadx_slice key, value;
} member;

typedef struct members {
  member *list; /* sorted by key, each key once */
  size_t count;
} members;

/* Equal keys keep the order in which they stand in the document. */
static int member_compare(const void *a, const void *b) {
  const member *x = a, *y = b;
  int order = string_compare(x->key, y->key);
  return order != 0 ? order : (x->key.z > y->key.z) - (x->key.z < y->key.z);
}

static size_t member_count(leadx_slice object) {
  leadx_slice key, value;
  leadx_json_walk walk;
  size_t count = 0;
  leadx_json_walk_init(&walk, object);
  while (leadx_json_walk_member(&walk, &key, &value)) count++;
  return count;
}

/* Of each run of equal keys only the last stays. */
static void keep_last_of_each_key(members *m) {
  size_t kept = 0;
  for (size_t i = 0; i < m->count; i++) {
    int is_repeated = i + 1 < m->count && string_compare(m->list[i].key, m->list[i + 1].key) == 0;
    if (!is_repeated) m->list[kept++] = m->list[i];
  }
  m->count = kept;
}

/* Returns 0, or 1 when out of memory. An empty object needs none, but gets a byte all the same,
** so that NULL means one thing. */
static int members_init(members *m, leadx_slice object) {
  leadx_json_walk walk;
  m->count = member_count(object);
  m->list = sqlite3_malloc64(m->count * sizeof *m->list + 1);
  if (!m->list) return 1;
  leadx_json_walk_init(&walk, object);
  for (size_t i = 0; leadx_json_walk_member(&walk, &m->list[i].key, &m->list[i].value);) i++;
  qsort(m->list, m->count, sizeof *m->list, member_compare);
  keep_last_of_each_key(m);
  return 0;
}

static int members_equal(const members *a, const members *b) {
  if (a->count != b->count) return 0;
  for (size_t i = 0; i < a->count; i++) {
    if (string_compare(a->list[i].key, b->list[i].key) != 0) return 0;
    if (!leadx_json_equal(a->list[i].value, b->list[i].value)) return 0;
  }
  return 1;
}

/* Sorted lists, because looking each key up would let a server's answer with a million keys take
** hours. Without memory the answer is "different", which asks a person instead of dropping an
** edit. */
static int objects_equal(leadx_slice a, leadx_slice b) {
  members x = {NULL, 0}, y = {NULL, 0};
  int is_equal = 0;
  if (members_init(&x, a) == 0 && members_init(&y, b) == 0) is_equal = members_equal(&x, &y);
  sqlite3_free(x.list);
  sqlite3_free(y.list);
  return is_equal;
}

static int arrays_equal(leadx_slice a, leadx_slice b) {
  leadx_json_walk x, y;
  leadx_slice left, right;
  leadx_json_walk_init(&x, a);
  leadx_json_walk_init(&y, b);
  for (;;) {
    int has_left = leadx_json_walk_element(&x, &left);
    int has_right = leadx_json_walk_element(&y, &right);
    if (has_left != has_right) return 0;
    if (!has_left) return 1;
    if (!leadx_json_equal(left, right)) return 0;
  }
}

int leadx_json_equal(leadx_slice a, leadx_slice b) {
  leadx_json_kind kind = leadx_json_kind_of(a);
  if (kind != leadx_json_kind_of(b)) return 0;
  if (a.n == 0 || b.n == 0) return a.n == b.n;
  if (same_bytes(a, b)) return 1;
  switch (kind) {
    case LEADX_JSON_NUMBER: return numbers_equal(a, b);
    case LEADX_JSON_STRING: return string_compare(a, b) == 0;
    case LEADX_JSON_ARRAY: return arrays_equal(a, b);
    case LEADX_JSON_OBJECT: return objects_equal(a, b);
    case LEADX_JSON_NONE: return 0; /* two texts that are no values */
    default: return 1;
  }
}
