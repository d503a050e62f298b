/* The exact JSON reader: slices of a document, no numbers, no copies.
**
** Row values never pass through a double. A document is checked once, whole, with limits;
** after that its parts are slices [z, z+n) of the same memory and walking cannot fail.
** A slice of a string includes its quotes; a slice of a number is its digits as sent.
*/
#ifndef LEADX_JSON_H
#define LEADX_JSON_H

#include "base/sqlite.h"

typedef struct leadx_slice {
  const char *z;
  size_t n;
} leadx_slice;

typedef enum leadx_json_kind {
  LEADX_JSON_NONE, /* an empty slice: no such member */
  LEADX_JSON_NULL,
  LEADX_JSON_FALSE,
  LEADX_JSON_TRUE,
  LEADX_JSON_NUMBER,
  LEADX_JSON_STRING,
  LEADX_JSON_ARRAY,
  LEADX_JSON_OBJECT
} leadx_json_kind;

#define LEADX_JSON_MAX_DEPTH 64
#define LEADX_JSON_MAX_STRING ((size_t)1 << 30)

/* Checks that z[0..n) is exactly one JSON value (RFC 8259; white space around it is fine),
** valid UTF-8, no lone surrogate escapes, nested at most LEADX_JSON_MAX_DEPTH deep, no string
** over max_string bytes (0 means LEADX_JSON_MAX_STRING). On success *value is the value without
** the surrounding white space and NULL is returned; otherwise a static text that says what
** is wrong, and *at (may be NULL) the byte offset of it. */
const char *leadx_json_check(const char *z, size_t n, size_t max_string, leadx_slice *value,
                             size_t *at);

/* Everything below asks a slice what it is, by both of its ends: of a slice that is something else,
** nothing is read, and the answer is "not that" (NONE, 1, 0, SQLITE_MISMATCH, nothing appended). No
** function reads beyond a slice, even of a text that was never checked. */
leadx_json_kind leadx_json_kind_of(leadx_slice value);

/* Walks the elements of an array or the members of an object that was checked. */
typedef struct leadx_json_walk {
  const char *at, *end;
  leadx_json_kind kind; /* of the container: an object has no elements, an array no members */
} leadx_json_walk;
void leadx_json_walk_init(leadx_json_walk *walk, leadx_slice container);
/* The next element. Returns 1, or 0 at the end. */
int leadx_json_walk_element(leadx_json_walk *walk, leadx_slice *value);
/* The next member; key is the raw string with quotes. Returns 1, or 0 at the end. */
int leadx_json_walk_member(leadx_json_walk *walk, leadx_slice *key, leadx_slice *value);

/* The member of that (unescaped, exact) name; the last one wins where a name stands twice,
** as PostgreSQL's jsonb does. An empty slice when absent or when object is no object. */
leadx_slice leadx_json_member(leadx_slice object, const char *name);
/* The same for n names in one walk; values has room for n. */
void leadx_json_members(leadx_slice object, const char *const *names, int n, leadx_slice *values);

/* Does the raw string (with quotes) say exactly these bytes once unescaped? */
int leadx_json_string_is(leadx_slice raw, const char *text, size_t n);
/* The order of what the raw string says, and a text, by their bytes; what is no string says nothing. */
int leadx_json_string_order(leadx_slice raw, const char *text, size_t n);
/* Is the value a string of exactly that text? */
int leadx_json_is_text(leadx_slice value, const char *text);

/* Hashes the unescaped bytes of a raw string on top of what was hashed before, as leadx_hash() does
** those of one text. */
uint64_t leadx_json_hash(uint64_t hash, leadx_slice raw);

/* Appends the unescaped bytes of a raw string. "\u0000" becomes a NUL byte. Returns 0, or 1 when it
** is no string: nothing is appended. */
int leadx_json_unescape(leadx_slice raw, sqlite3_str *out);

/* Writes the unescaped text of a raw string to *text, in sqlite3_malloc memory, terminated, *n its
** length (may be NULL); the caller frees. SQLITE_MISMATCH when it is no string, SQLITE_NOMEM; *text
** is NULL then. */
int leadx_json_text(leadx_slice raw, char **text, size_t *n);

/* Appends text as a JSON string with quotes; bytes that are no UTF-8 become U+FFFD. */
void leadx_json_append_string(sqlite3_str *out, const char *text, size_t n);

/* Reads a number slice that is an integer within int64 (no fraction, no exponent).
** Returns 0, or 1 when it is something else. */
int leadx_json_int64(leadx_slice number, int64_t *out);

/* The nearest double of a number slice (the digits are exact, strtod rounds once). Returns 0, or 1
** when it is no number. */
int leadx_json_double(leadx_slice number, double *out);

/* Do two values mean the same to PostgreSQL? Numbers by value (1.0 = 1, 1e2 = 100, any number of
** digits), strings by their unescaped bytes, objects whatever the order of their keys, the last of
** equal keys counting. Two empty slices are equal. Out of memory answers "no". */
int leadx_json_equal(leadx_slice a, leadx_slice b);

/* Is z[0..n) valid UTF-8 (no surrogates, no overlong forms, nothing over U+10FFFF)? */
int leadx_utf8_valid(const char *z, size_t n);

#endif
