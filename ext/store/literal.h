/* Literals of a schema: what a column's DEFAULT says, read by leadx itself.
**
** The text of a DEFAULT belongs to whoever made the file and never becomes part of a statement. It
** is read here, once, and kept as a value; a text that is no plain literal is unknown, and nothing
** is concluded from it. */
#ifndef LEADX_LITERAL_H
#define LEADX_LITERAL_H

#include "base/sqlite.h"

typedef enum leadx_literal_kind {
  LEADX_LITERAL_NONE, /* no DEFAULT is declared, which says NULL */
  LEADX_LITERAL_UNKNOWN, /* an expression: what it gives is not known */
  LEADX_LITERAL_NULL,
  LEADX_LITERAL_INTEGER, /* TRUE and FALSE as well */
  LEADX_LITERAL_REAL,
  LEADX_LITERAL_TEXT,
  LEADX_LITERAL_BLOB,
  LEADX_LITERAL_TIMESTAMP, /* CURRENT_TIMESTAMP, datetime('now'): YYYY-MM-DD HH:MM:SS in UTC */
  LEADX_LITERAL_DATE, /* CURRENT_DATE, date('now') */
  LEADX_LITERAL_TIME /* CURRENT_TIME, time('now') */
} leadx_literal_kind;

typedef struct leadx_literal {
  leadx_literal_kind kind;
  int64_t integer;
  double real;
  char *bytes; /* of TEXT (terminated) and BLOB; owned */
  size_t n;
} leadx_literal;

/* Reads the DEFAULT of a column as pragma_table_xinfo shows it (without its outermost parentheses);
** NULL is LEADX_LITERAL_NONE. Numbers with a sign, hexadecimal ones, strings, blobs, names in the
** place of a string, NULL, TRUE, FALSE and the present time are known, in parentheses too.
** SQLITE_OK, also for what is unknown, or SQLITE_NOMEM. The caller clears *literal. */
int leadx_literal_read(const char *sql, leadx_literal *literal);
/* Frees what it owns and makes it LEADX_LITERAL_NONE. */
void leadx_literal_clear(leadx_literal *literal);

/* Is there a value that can be bound? Not so for NONE and UNKNOWN. */
int leadx_literal_is_known(const leadx_literal *literal);
/* Is it the same value for every row? Not so for UNKNOWN and the present time. */
int leadx_literal_is_constant(const leadx_literal *literal);

/* Binds the value, the present time as it is now. NONE binds NULL; UNKNOWN is SQLITE_MISMATCH. A
** text or blob stays the literal's until the statement has run. */
int leadx_literal_bind(const leadx_literal *literal, sqlite3_stmt *stmt, int parameter);

#endif
