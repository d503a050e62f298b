/* A file of the tests with leadx on it, no network, and the oracle of capture: what the queue says,
** folded row by row over what stood in a table, must be what stands in it now. */
#ifndef LEADX_TRACKED_H
#define LEADX_TRACKED_H

#include <sqlite3.h>

#include "store/table.h"

typedef struct tracked {
  char path[64];
  sqlite3 *handle;
  leadx_db db; /* for calling modules directly */
  leadx_err err;
} tracked;

void tracked_open(tracked *file);
/* Closes and removes the file; everything must have been given back. */
void tracked_close(tracked *file);
/* Another connection to the same file, without leadx. The caller closes it. */
sqlite3 *tracked_second(const tracked *file);

/* Runs SQL (a printf format of sqlite3) that must work. */
void tracked_run(tracked *file, const char *fmt, ...);
/* Runs SQL that may fail; its result code. */
int tracked_try(tracked *file, const char *sql);
/* The error text of SQL that must fail. Borrowed until the next call. */
const char *tracked_error(tracked *file, const char *sql);
/* The first column of the first row as text, "" for NULL or no row. Borrowed for a few calls. */
const char *tracked_text(tracked *file, const char *fmt, ...);
sqlite3_int64 tracked_int(tracked *file, const char *fmt, ...);

/* The look at a tracked table that begins every sync (leadx_diff_table). */
void tracked_look(tracked *file, const char *table);
/* Marks everything queued as sent, and every row as known to the server in that version. */
void tracked_sent(tracked *file, const char *table);

/* ---- the oracle ---- */

/* What a table is known to hold: the payload of each key. */
typedef struct image {
  char **keys, **payloads;
  int n;
  sqlite3_int64 seen; /* queue rows up to this rowid are folded in */
} image;

void image_clear(image *is);
/* Begins with what the queue would say of the rows that are there. */
void image_begin(image *is, tracked *file, leadx_table *table);
/* Folds the queue rows since then of that entity; each UPDATE's base must be what changed.
** What is wrong, or NULL; a static buffer. */
const char *image_fold(image *is, tracked *file, const char *entity);
/* Is that exactly what the table holds, value by value? What is wrong, or NULL. */
const char *image_check(const image *is, tracked *file, const leadx_table *table);

/* Does a JSON value say exactly what an SQLite value is, for a column of that type? */
int value_says(leadx_type type, leadx_slice json, sqlite3_stmt *row, int column);

#endif
