/* See err.h. Nothing here allocates. */
#include "base/err.h"

#include <string.h>

#include "base/secret.h"

void leadx_err_clear(leadx_err *err) {
  err->rc = SQLITE_OK;
  err->text[0] = '\0';
}

/* A text that filled the buffer may end in the middle of a UTF-8 sequence; that piece goes,
** because SQLite hands the text to hosts that refuse broken UTF-8. */
static void drop_cut_sequence(char *text, size_t n) {
  size_t start = n;
  while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80) start--;
  if (start == 0) return;
  unsigned char lead = (unsigned char)text[start - 1];
  size_t have = n - (start - 1);
  size_t need = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (have < need) text[start - 1] = '\0';
}

static void write_text(leadx_err *err, const char *fmt, va_list args) {
  sqlite3_vsnprintf((int)sizeof err->text, err->text, fmt, args);
  size_t n = strlen(err->text);
  if (n == sizeof err->text - 1) drop_cut_sequence(err->text, n);
  leadx_secret_scrub(err->text, strlen(err->text));
}

int leadx_err_set(leadx_err *err, int rc, const char *fmt, ...) {
  if (err->rc != SQLITE_OK) return err->rc;
  err->rc = rc == SQLITE_OK ? SQLITE_ERROR : rc;
  va_list args;
  va_start(args, fmt);
  write_text(err, fmt, args);
  va_end(args);
  return err->rc;
}

int leadx_err_nomem(leadx_err *err) { return leadx_err_set(err, SQLITE_NOMEM, "out of memory"); }

/* What the user can do, where SQLite's own words do not say it. */
static const struct advice {
  int primary;
  const char *text;
} advices[] = {
    {SQLITE_READONLY, "; open the file for writing"},
    {SQLITE_FULL, "; nothing was changed, make room and try again"},
    {SQLITE_BUSY, "; another connection is writing, try again"},
};

static const char *advice_for(int rc) {
  for (size_t i = 0; i < sizeof advices / sizeof advices[0]; i++) {
    if (advices[i].primary == (rc & 0xff)) return advices[i].text;
  }
  return "";
}

int leadx_err_memory(leadx_err *err, int rc) {
  return rc == SQLITE_OK ? SQLITE_OK : leadx_err_nomem(err);
}

void leadx_err_spoil(sqlite3_str *text) {
  /* More than any text may hold; SQLite's builders keep their first error. */
  sqlite3_str_appendchar(text, 0x7fffffff, ' ');
}

int leadx_err_db(leadx_err *err, sqlite3 *db, int rc, const char *doing) {
  if (rc == SQLITE_NOMEM) return leadx_err_nomem(err);
  return leadx_err_set(err, rc, "%s: %s%s", doing, sqlite3_errmsg(db), advice_for(rc));
}
