/* What the triggers of all tables share: the views that they hand their cells to, and the INSTEAD OF
** triggers of these, which write the JSON. */
#ifndef LEADX_CAPTURE_SHARED_H
#define LEADX_CAPTURE_SHARED_H

#include "store/db.h"

/* A shared view or trigger: the format of its name, of which %d is the width. */
typedef struct leadx_shared {
  const char *name;
  int template_id, is_view, for_wide; /* for_wide: tables of any width need it */
} leadx_shared;

/* The i-th in the order in which they are made; NULL behind the last. */
const leadx_shared *leadx_shared_object(int i);
/* Appends the statement that makes it. */
void leadx_shared_text(sqlite3_str *sql, const leadx_shared *object, int width);

/* Appends an expression that yields a new queue id: a UUIDv7 whose text order follows time and,
** within a millisecond, the order of the queue. */
void leadx_capture_id(sqlite3_str *sql);
/* Appends the SELECT that such an id is made of: the time in ms, and the queue's last rowid n. */
void leadx_capture_clock(sqlite3_str *sql);

#endif
