/* The marks of a server's row: its version, and that it was deleted. */
#ifndef LEADX_MARK_H
#define LEADX_MARK_H

#include "store/table.h"

/* The server's version inside its row, sqlite3_malloc or NULL; for want of memory NULL and an
** error. */
char *leadx_version_of(const leadx_table *table, leadx_slice row, leadx_err *err);
/* The same of that member's value. */
char *leadx_version_text(leadx_slice version, leadx_err *err);

/* Does the value of the soft delete's column say that the row is deleted? */
int leadx_mark_says_deleted(leadx_slice mark);
/* Does the server's row bear the mark of a soft delete? */
int leadx_mark_is_deleted(const leadx_table *table, leadx_slice row);
/* Does a soft delete of the server remove the local row, because it has no column for the mark? */
int leadx_mark_drops_deleted(const leadx_table *table);

#endif
