/* How far each table was pulled; the places themselves are read and written by pull/place.c. */
#ifndef LEADX_CURSORS_H
#define LEADX_CURSORS_H

#include "store/db.h"

/* The next pull of an entity begins at the beginning, and owes it no parked row. Inside the caller's
** write transaction. */
int leadx_cursors_forget(leadx_db *db, const char *entity, leadx_err *err);

#endif
