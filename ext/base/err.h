/* The one error carrier of leadx.
**
** An error is recorded where it is born and the first one wins, so that a failing
** clean-up cannot hide the reason. The text lives in a fixed buffer, which means that
** running out of memory can be reported without memory. Texts read
** "who: what happened; what to do", lower case, no full stop, never a token, a key
** (whatever the parts of a text, it is scrubbed: secret.h) or a row's value.
*/
#ifndef LEADX_ERR_H
#define LEADX_ERR_H

#include <stdarg.h>

#include "base/sqlite.h"

typedef struct leadx_err {
  int rc; /* SQLITE_OK while nothing went wrong */
  char text[640]; /* UTF-8, always terminated */
} leadx_err;

/* Forgets what was recorded. */
void leadx_err_clear(leadx_err *err);

/* Records rc and a printf-style text (sqlite3_vsnprintf formats: %w %q %s %lld …) unless
** an error is already recorded. Returns the recorded code, never SQLITE_OK. */
int leadx_err_set(leadx_err *err, int rc, const char *fmt, ...);

/* Records SQLITE_NOMEM. */
int leadx_err_nomem(leadx_err *err);
/* The code of a function that can only lack memory: SQLITE_OK, or records that. */
int leadx_err_memory(leadx_err *err, int rc);
/* Makes a builder fail for good. For a caller that lacks memory for a piece of the text: a text
** without that piece could still be SQL, or JSON, and say something else. */
void leadx_err_spoil(sqlite3_str *text);

/* Records what the connection says of its last failure: "doing: message".
** rc is the code the failing call returned; SQLITE_NOMEM is recorded as such. */
int leadx_err_db(leadx_err *err, sqlite3 *db, int rc, const char *doing);

#endif
