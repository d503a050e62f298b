/* Capture: the triggers of a table in the file. They are plain SQL with built-in functions that are
** allowed under trusted_schema=OFF in every SQLite since 3.38, hence without the JSON functions (unsafe
** inside triggers before 3.44).
**
** What costs in a trigger, and is avoided: INSERT ... SELECT into a view, or from the table that it
** writes (SQLite makes a temporary one), || (each one allocates), a value that is used often but is not
** NEW.x (copied for each use), and registers (cleared whenever the program runs). No part may ever be
** NULL, because that would abort the user's write. */
#ifndef LEADX_CAPTURE_H
#define LEADX_CAPTURE_H

#include "store/table.h"

/* A number that stands for the triggers that are on the table, ours and others, and for what ours
** hand their changes to. */
int leadx_capture_hash(leadx_db *db, const leadx_table *table, uint64_t *hash, leadx_err *err);
/* Makes the table's triggers be exactly what they should be. *renewed (may be NULL) tells whether
** any was missing or different. mode pull has none. */
int leadx_capture_install(leadx_db *db, const leadx_table *table, int *renewed, leadx_err *err);
/* Drops all triggers of that table name that leadx made. */
int leadx_capture_remove(leadx_db *db, const char *table_name, leadx_err *err);

#endif
