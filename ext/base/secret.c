/* See secret.h.
**
** A secret is known by the hashes of its windows: every LEADX_SECRET_RUN characters in a row, in two
** forms. The narrow form has letters and digits alone, so that nothing which splits a text hides it;
** the wide form has every visible byte, for passwords that are mostly signs. Capitals count as small
** letters in both.
**
** A text is searched in chunks, each in several views: as it stands, and decoded. A view remembers
** which bytes of the chunk each of its characters came from; those are overwritten.
*/

/* explicit_bzero() is no part of POSIX; memset() before free() is removed by optimisers. */
#define _DEFAULT_SOURCE

#include "base/secret.h"

#include <stdatomic.h>
#include <string.h>

#include "base/base64.h"
#include "base/host.h"
#include "base/number.h"

enum {
  FEWEST_CHARACTERS = 6,
  CHUNK = 1024, /* bytes searched at a time, */
  OVERLAP = 256, /* of which so many once more: room for a run in any of the codes */
  DEPTH = 2, /* codes inside each other */
  LAST_POINT = 0x10ffff,
  NOTHING = -1, /* what a line end stands for: it only splits a text */
  SHOWN = 6
};

typedef enum form { NARROW, WIDE, N_FORMS } form;

typedef struct leadx_secret leadx_secret;
struct leadx_secret {
  leadx_secret *next; /* the newest first */
  const void *holder;
  form form;
  size_t window; /* characters hashed together */
  size_t mask; /* slots - 1 */
  uint64_t slots[]; /* hashes, 0 where there is none */
};

static leadx_secret *all;
static atomic_int nknown;
static uint64_t keys[2];

static void enter(void) { leadx_mutex_enter(leadx_mutex_alloc(SQLITE_MUTEX_STATIC_APP2)); }
static void leave(void) { leadx_mutex_leave(leadx_mutex_alloc(SQLITE_MUTEX_STATIC_APP2)); }

/* ---- characters and their hashes ---- */

static int is_digit(unsigned char c) { return c >= '0' && c <= '9'; }

static int is_letter(unsigned char c) { return (c | 32) >= 'a' && (c | 32) <= 'z' && c < 128; }

static int belongs(form f, unsigned char c) {
  return f == NARROW ? is_digit(c) || is_letter(c) : c > 0x20 && c != 0x7f;
}

static unsigned char folded(unsigned char c) {
  return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 32) : c;
}

static uint64_t stir(uint64_t x) {
  x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
  x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
  return x ^ x >> 32;
}

/* Of at most LEADX_SECRET_RUN characters; never 0. */
static uint64_t hash_of(const unsigned char *z, size_t n) {
  uint64_t parts[2] = {0, 0};
  memcpy(parts, z, n);
  uint64_t hash = stir(stir(parts[0] ^ keys[0]) + (parts[1] ^ keys[1]) + n);
  return hash ? hash : 1;
}

static int has(const leadx_secret *secret, uint64_t hash) {
  size_t at = hash & secret->mask;
  for (; secret->slots[at]; at = (at + 1) & secret->mask) {
    if (secret->slots[at] == hash) return 1;
  }
  return 0;
}

static void put(leadx_secret *secret, uint64_t hash) {
  size_t at = hash & secret->mask;
  while (secret->slots[at] && secret->slots[at] != hash) at = (at + 1) & secret->mask;
  secret->slots[at] = hash;
}

/* ---- what is known ---- */

/* What the keys of a kind begin with is no secret. */
static const char *secret_part(const char *text) {
  static const char *const prefixes[] = {"sb_publishable_", "sb_secret_"};
  for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
    size_t n = strlen(prefixes[i]);
    if (strncmp(text, prefixes[i], n) == 0) return text + n;
  }
  return text;
}

static size_t count(form f, const char *text) {
  size_t n = 0;
  for (; *text; text++) n += (size_t)belongs(f, (unsigned char)*text);
  return n;
}

static void put_windows(leadx_secret *secret, const char *text) {
  unsigned char run[LEADX_SECRET_RUN];
  size_t n = 0;
  for (; *text; text++) {
    if (!belongs(secret->form, (unsigned char)*text)) continue;
    if (n == secret->window) memmove(run, run + 1, --n);
    run[n++] = folded((unsigned char)*text);
    if (n == secret->window) put(secret, hash_of(run, n));
  }
  explicit_bzero(run, sizeof run);
}

/* A secret in one form: NULL and SQLITE_OK where it has too few characters of it. */
static int learn(const void *holder, form f, const char *text, leadx_secret **out) {
  size_t n = count(f, text), slots = 16;
  *out = NULL;
  if (n < (f == NARROW ? (size_t)LEADX_SECRET_RUN : (size_t)FEWEST_CHARACTERS)) return SQLITE_OK;
  while (slots < 2 * n) slots *= 2;
  size_t bytes = sizeof **out + slots * sizeof(*out)->slots[0];
  leadx_secret *secret = *out = sqlite3_malloc64(bytes);
  if (!secret) return SQLITE_NOMEM;
  memset(secret, 0, bytes);
  secret->holder = holder;
  secret->form = f;
  secret->window = n < LEADX_SECRET_RUN ? n : LEADX_SECRET_RUN;
  secret->mask = slots - 1;
  put_windows(secret, text);
  return SQLITE_OK;
}

/* Are they the same secret of the same holder? */
static int is_same(const leadx_secret *a, const leadx_secret *b) {
  return a->holder == b->holder && a->form == b->form && a->window == b->window &&
         a->mask == b->mask && memcmp(a->slots, b->slots, (a->mask + 1) * sizeof a->slots[0]) == 0;
}

/* Under the mutex: takes off the list what is the same, or one too many of its holder. */
static leadx_secret *take_off(const leadx_secret *fresh) {
  int held = 0;
  for (leadx_secret **at = &all; *at; at = &(*at)->next) {
    leadx_secret *one = *at;
    held += one->holder == fresh->holder && one->form == fresh->form;
    if (!is_same(one, fresh) && held < LEADX_SECRETS_HELD) continue;
    if (one->holder != fresh->holder || one->form != fresh->form) continue;
    *at = one->next;
    return one;
  }
  return NULL;
}

static void add(leadx_secret *fresh) {
  enter();
  leadx_secret *old = take_off(fresh);
  fresh->next = all;
  all = fresh;
  if (!old) atomic_fetch_add(&nknown, 1);
  leave();
  sqlite3_free(old);
}

static void make_keys(void) {
  enter();
  if (!keys[0]) sqlite3_randomness(sizeof keys, keys);
  keys[0] |= 1;
  leave();
}

int leadx_secret_know(const void *holder, const char *text) {
  leadx_secret *learned[N_FORMS] = {NULL, NULL};
  int rc = SQLITE_OK;
  if (!text) return SQLITE_OK;
  make_keys();
  for (int f = 0; f < N_FORMS && rc == SQLITE_OK; f++)
    rc = learn(holder, (form)f, secret_part(text), &learned[f]);
  for (int f = 0; f < N_FORMS; f++) {
    if (rc != SQLITE_OK) sqlite3_free(learned[f]);
    else if (learned[f]) add(learned[f]);
  }
  return rc;
}

void leadx_secret_forget(const void *holder) {
  leadx_secret *gone = NULL;
  if (atomic_load(&nknown) == 0) return;
  enter();
  for (leadx_secret **at = &all; *at;) {
    leadx_secret *one = *at;
    if (one->holder != holder) {
      at = &one->next;
      continue;
    }
    *at = one->next;
    one->next = gone;
    gone = one;
    atomic_fetch_sub(&nknown, 1);
  }
  leave();
  while (gone) {
    leadx_secret *next = gone->next;
    sqlite3_free(gone);
    gone = next;
  }
}

/* ---- views ---- */

/* Characters, and the bytes [from, to) of the chunk that each one came from. */
typedef struct view {
  int n;
  unsigned char z[CHUNK];
  uint16_t from[CHUNK], to[CHUNK];
} view;

/* Appends a character that came from in->z[first … last]. */
static void append(view *out, int c, const view *in, int first, int last) {
  if (out->n == CHUNK) return;
  out->z[out->n] = (unsigned char)c;
  out->from[out->n] = in->from[first];
  out->to[out->n] = in->to[last];
  out->n++;
}

/* The value of n digits of a base (8, 10 or 16) at z[at], or -1. */
static int number_at(const view *v, int at, int n, int base) {
  int value = 0;
  if (n < 1 || at + n > v->n) return -1;
  for (int i = 0; i < n; i++) {
    int digit = leadx_number_hex((char)v->z[at + i]);
    if (digit < 0 || digit >= base) return -1;
    value = value * base + digit;
    if (value > LAST_POINT) value = LAST_POINT;
  }
  return value;
}

static int digits_at(const view *v, int at, int base, int most) {
  int n = 0;
  while (n < most && number_at(v, at + n, 1, base) >= 0) n++;
  return n;
}

/* What no secret has in it becomes a blank. */
static int ascii(int point) { return point >= 0x20 && point < 0x7f ? point : ' '; }

/* An escape at v->z[i]: its bytes, and what it stands for. 0 when it is none. */
static int backslash_at(const view *v, int i, int *c) {
  unsigned char letter = i + 1 < v->n ? v->z[i + 1] : 0;
  int hex = letter == 'u' ? 4 : letter == 'U' ? 8 : letter == 'x' ? 2 : 0;
  int octal = digits_at(v, i + 1, 8, 3);
  if (!letter) return 0;
  if (hex && number_at(v, i + 2, hex, 16) >= 0) {
    *c = ascii(number_at(v, i + 2, hex, 16));
    return 2 + hex;
  }
  if (octal == 3) {
    *c = ascii(number_at(v, i + 1, octal, 8));
    return 1 + octal;
  }
  *c = strchr("abefnrtv0", letter) ? NOTHING : letter;
  return 2;
}

static int percent_at(const view *v, int i, int *c) {
  if (number_at(v, i + 1, 2, 16) < 0) return 0;
  *c = ascii(number_at(v, i + 1, 2, 16));
  return 3;
}

static int entity_at(const view *v, int i, int *c) {
  static const struct {
    const char *name;
    char c;
  } named[] = {{"amp;", '&'}, {"lt;", '<'}, {"gt;", '>'}, {"quot;", '"'}, {"apos;", '\''}};
  for (size_t k = 0; k < sizeof named / sizeof named[0]; k++) {
    int n = (int)strlen(named[k].name);
    if (i + 1 + n > v->n || memcmp(v->z + i + 1, named[k].name, (size_t)n) != 0) continue;
    *c = (unsigned char)named[k].c;
    return 1 + n;
  }
  if (i + 2 >= v->n || v->z[i + 1] != '#') return 0;
  int is_hex = (v->z[i + 2] | 32) == 'x', base = is_hex ? 16 : 10, at = i + 2 + is_hex;
  int n = digits_at(v, at, base, 7);
  if (n == 0) return 0;
  *c = ascii(number_at(v, at, n, base));
  return at + n - i + (at + n < v->n && v->z[at + n] == ';');
}

/* "=41" of mails, and the "=" at the end of a line that goes on in the next; lines may have been
** joined by blanks. */
static int quoted_at(const view *v, int i, int *c) {
  if (i + 1 < v->n && strchr("\n\r ", v->z[i + 1]) && v->z[i + 1]) {
    *c = NOTHING;
    return 2;
  }
  return percent_at(v, i, c);
}

static int escape_at(const view *v, int i, int is_mail, int *c) {
  switch (v->z[i]) {
    case '\\': return is_mail ? 0 : backslash_at(v, i, c);
    case '%': return is_mail ? 0 : percent_at(v, i, c);
    case '&': return is_mail ? 0 : entity_at(v, i, c);
    case '=': return is_mail ? quoted_at(v, i, c) : 0;
    default: return 0;
  }
}

/* Returns whether there was an escape at all. */
static int decode_escapes(const view *in, int is_mail, view *out) {
  int found = 0;
  out->n = 0;
  for (int i = 0; i < in->n;) {
    int c = in->z[i], n = escape_at(in, i, is_mail, &c);
    found |= n > 0;
    if (c != NOTHING) append(out, c, in, i, n ? i + n - 1 : i);
    i += n ? n : 1;
  }
  return found;
}

static int digit_of(unsigned char c, int bits) {
  return bits == 6 ? leadx_base64_digit(c) : leadx_number_hex((char)c);
}

/* A garbled text has no run of characters as long as the shortest secret; nobody looks into it. */
static int is_readable(const view *v) {
  int run = 0;
  for (int i = 0; i < v->n && run < FEWEST_CHARACTERS; i++)
    run = v->z[i] >= 0x20 && v->z[i] < 0x7f ? run + 1 : 0;
  return run >= FEWEST_CHARACTERS;
}

/* Digits of 6 bits (base64, of either alphabet) or 4 (hexadecimal), the first few of each run of
** them left out: where a text was glued to others its bytes begin elsewhere. */
static int decode_digits(const view *in, int bits, int skipped, view *out) {
  uint32_t value = 0;
  int nbits = 0, left_out = 0, first = 0;
  out->n = 0;
  for (int i = 0; i < in->n; i++) {
    int digit = digit_of(in->z[i], bits);
    if (in->z[i] <= 0x20) continue; /* lines are folded */
    if (digit < 0) {
      nbits = left_out = 0;
    } else if (left_out < skipped) {
      left_out++;
    } else {
      value = (value << bits | (uint32_t)digit) & 0xffffu;
      if (nbits == 0) first = i;
      nbits += bits;
      if (nbits < 8) continue;
      nbits -= 8;
      append(out, (int)(value >> nbits & 0xffu), in, first, i);
      first = i;
    }
  }
  return is_readable(out);
}

/* The codes that a text is tried to be in. */
static int decode(int code, const view *in, view *out) {
  switch (code) {
    case 0: return decode_escapes(in, 0, out);
    case 1: return decode_escapes(in, 1, out);
    case 2: return decode_digits(in, 4, 0, out);
    case 3: return decode_digits(in, 4, 1, out);
    default: return decode_digits(in, 6, code - 4, out);
  }
}
#define N_CODES 8

/* ---- searching ---- */

typedef struct marks {
  int any;
  unsigned char is_marked[CHUNK];
} marks;

static void mark(marks *m, size_t from, size_t to) {
  memset(m->is_marked + from, 1, to - from);
  m->any = 1;
}

static void search_form(const view *v, form f, marks *m) {
  unsigned char z[CHUNK] = {0};
  uint16_t at[CHUNK] = {0};
  size_t n = 0;
  for (int i = 0; i < v->n; i++) {
    if (!belongs(f, v->z[i])) continue;
    z[n] = folded(v->z[i]);
    at[n++] = (uint16_t)i;
  }
  for (const leadx_secret *s = all; s; s = s->next) {
    for (size_t i = 0; s->form == f && n > 0 && i + s->window <= n; i++) {
      if (has(s, hash_of(z + i, s->window))) mark(m, v->from[at[i]], v->to[at[i + s->window - 1]]);
    }
  }
}

/* Ends at DEPTH. */
static void search(const view *v, int depth, marks *m) {
  view decoded;
  search_form(v, NARROW, m);
  search_form(v, WIDE, m);
  for (int code = 0; code < N_CODES && depth < DEPTH; code++) {
    if (decode(code, v, &decoded)) search(&decoded, depth + 1, m);
  }
}

static void search_chunk(const char *text, size_t n, marks *m) {
  view plain;
  plain.n = (int)n;
  memcpy(plain.z, text, n);
  for (size_t i = 0; i < n; i++) {
    plain.from[i] = (uint16_t)i;
    plain.to[i] = (uint16_t)(i + 1);
  }
  memset(m, 0, sizeof *m);
  search(&plain, 0, m);
}

/* A character goes as a whole. */
static void overwrite(char *text, size_t n, const marks *m) {
  for (size_t i = 0, length; i < n; i += length) {
    int is_marked = m->is_marked[i];
    for (length = 1; i + length < n && ((unsigned char)text[i + length] & 0xc0) == 0x80; length++)
      is_marked |= m->is_marked[i + length];
    if (is_marked) memset(text + i, '*', length);
  }
}

/* Searches a text, and overwrites it when it may: in is what is looked at. A chunk is overwritten
** only when the next one was searched, for they share a piece. */
static int go_over(const char *in, char *text, size_t n) {
  marks m[2];
  int found = 0, turn = 0;
  size_t at = 0, bytes = n < CHUNK ? n : CHUNK;
  if (n == 0 || atomic_load(&nknown) == 0) return 0;
  enter();
  search_chunk(in, bytes, &m[0]);
  for (;;) {
    size_t next = at + CHUNK - OVERLAP, rest = n > next ? n - next : 0;
    int is_last = at + bytes == n;
    if (!is_last) search_chunk(in + next, rest < CHUNK ? rest : CHUNK, &m[!turn]);
    found |= m[turn].any;
    if (text && m[turn].any) overwrite(text + at, bytes, &m[turn]);
    if (is_last) break;
    at = next;
    bytes = rest < CHUNK ? rest : CHUNK;
    turn = !turn;
  }
  leave();
  return found;
}

int leadx_secret_scrub(char *text, size_t n) { return go_over(text, text, n); }

int leadx_secret_is_in(const char *text, size_t n) { return go_over(text, NULL, n); }

/* ---- copies ---- */

char *leadx_secret_copy(const char *text) {
  size_t n = text ? strlen(text) + 1 : 0;
  char *copy = n ? sqlite3_malloc64(n) : NULL;
  if (copy) memcpy(copy, text, n);
  return copy;
}

void leadx_secret_free(char *text) {
  if (text) explicit_bzero(text, strlen(text));
  sqlite3_free(text);
}

char *leadx_secret_shorten(const char *text) {
  if (!text) return NULL;
  size_t half = strlen(text) / 2;
  return sqlite3_mprintf("%.*s…", half < SHOWN ? (int)half : SHOWN, text);
}
