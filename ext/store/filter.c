/* See filter.h. */
#include "store/filter.h"

#include <string.h>

#include "base/number.h"

/* A text that is encoded more often was made to be misread. */
#define MOST_DECODINGS 4

/* Decodes z[0..n) to out, which has room for it and a terminator; what is no escape stays. Returns
** the length. *stray (may be NULL) becomes 1 for a % that begins none. */
static size_t decode(const char *z, size_t n, char *out, int *stray) {
  size_t used = 0;
  for (size_t i = 0; i < n; i++) {
    int high = i + 2 < n && z[i] == '%' ? leadx_number_hex(z[i + 1]) : -1;
    int low = high >= 0 ? leadx_number_hex(z[i + 2]) : -1;
    if (low >= 0) i += 2;
    else if (z[i] == '%' && stray) *stray = 1;
    out[used++] = (char)(low >= 0 ? high << 4 | low : z[i]);
  }
  out[used] = 0;
  return used;
}

static int is_control(char c) { return (unsigned char)c < 0x20 || c == 0x7f; }

static int has_control(const char *z, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (is_control(z[i])) return 1;
  }
  return 0;
}

/* ---- a segment of a path ---- */

static int is_plain_segment(const char *z, size_t n) {
  if (n == 0 || has_control(z, n) || memchr(z, '/', n) || memchr(z, '\\', n)) return 0;
  return strspn(z, ".") < n;
}

int leadx_filter_is_segment(const char *name) {
  size_t n = strlen(name), before;
  char *text = sqlite3_malloc64(n + 1);
  int ok = text != NULL, turn = 0;
  if (text) memcpy(text, name, n + 1);
  do {
    before = n;
    ok = ok && turn <= MOST_DECODINGS && is_plain_segment(text, n);
    if (ok) n = decode(text, n, text, NULL);
    turn++;
  } while (ok && n != before);
  sqlite3_free(text);
  return ok;
}

/* ---- a condition ---- */

static int is_one_of(const char *z, size_t n, const char *const *names) {
  for (; *names; names++) {
    if (strlen(*names) == n && sqlite3_strnicmp(*names, z, (int)n) == 0) return 1;
  }
  return 0;
}

/* What PostgREST, or a gateway in front of it, takes for itself. */
static const char *const reserved[] = {"select",  "order",       "limit", "offset",
                                       "columns", "on_conflict", "and",   "or",
                                       "not",     "apikey",      "jwt",   NULL};
static const char *const joins[] = {"and", "or", "not.and", "not.or", NULL};
static const char *const operators[] = {
    "eq",     "neq", "gt", "gte", "lt",    "lte",   "like",       "ilike", "match",
    "imatch", "in",  "is", "fts", "plfts", "phfts", "wfts",       "cs",    "cd",
    "ov",     "sl",  "sr", "nxr", "nxl",   "adj",   "isdistinct", NULL};

/* A column, or a path into a JSON column; a name of another form stands in quotes. */
static int is_column(const char *z, size_t n) {
  if (n >= 2 && z[0] == '"') return z[n - 1] == '"' && !memchr(z + 1, '"', n - 2);
  for (size_t i = 0; i < n; i++) {
    if (strchr(".,():\"'&=;?#/%\\*", z[i])) return 0;
  }
  return n > 0 && !is_one_of(z, n, reserved);
}

/* "not.", then an operator, perhaps with an argument ("eq(any)", "fts(english)"), then a point. */
static int is_comparison(const char *z) {
  if (sqlite3_strnicmp(z, "not.", 4) == 0) z += 4;
  size_t n = strspn(z, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
  if (!is_one_of(z, n, operators)) return 0;
  z += n;
  if (*z == '(') {
    n = strspn(z + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_");
    if (n == 0 || z[n + 1] != ')') return 0;
    z += n + 2;
  }
  return *z == '.';
}

/* A list in brackets that ends where the text does; texts in quotes may hold brackets. */
static int is_list(const char *z, size_t n) {
  int depth = 0, is_quoted = 0;
  for (size_t i = 0; i < n; i++) {
    if (is_quoted && z[i] == '\\' && i + 1 < n) i++;
    else if (z[i] == '"') is_quoted = !is_quoted;
    else if (!is_quoted) depth += (z[i] == '(') - (z[i] == ')');
    if (depth <= 0 && i + 1 < n) return 0;
  }
  return n > 2 && z[0] == '(' && depth == 0 && !is_quoted;
}

/* Both sides are decoded. */
static const char *fault_of(const char *name, size_t nname, const char *value, size_t nvalue) {
  if (has_control(name, nname) || has_control(value, nvalue)) return "it holds a control byte";
  if (is_one_of(name, nname, joins))
    return is_list(value, nvalue) ? NULL : "its list has no brackets of its own";
  if (!is_column(name, nname)) return "its name is no column";
  return is_comparison(value) ? NULL : "it compares with nothing";
}

static const char *condition_fault(const char *z, size_t n) {
  const char *equals = memchr(z, '=', n), *fault = NULL;
  int stray = 0;
  for (size_t i = 0; i < n; i++) {
    if (z[i] <= 0x20 || z[i] >= 0x7f || strchr("#;\\", z[i])) fault = "write this byte with %";
  }
  if (fault || !equals) return fault ? fault : "it compares with nothing";
  char *text = sqlite3_malloc64(n + 2);
  if (!text) return "there is no memory to look at it";
  size_t nname = decode(z, (size_t)(equals - z), text, &stray);
  char *value = text + nname + 1;
  size_t nvalue = decode(equals + 1, n - (size_t)(equals - z) - 1, value, &stray);
  fault = stray ? "a % begins no escape" : fault_of(text, nname, value, nvalue);
  sqlite3_free(text);
  return fault;
}

const char *leadx_filter_fault(const char *filter, char piece[LEADX_PIECE_BYTES]) {
  for (const char *z = filter;; z++) {
    size_t n = strcspn(z, "&");
    const char *fault = n ? condition_fault(z, n) : "it is empty";
    if (fault) {
      sqlite3_snprintf(LEADX_PIECE_BYTES, piece, "%.*s", (int)(n < 60 ? n : 60), z);
      return fault;
    }
    z += n;
    if (!*z) return NULL;
  }
}
