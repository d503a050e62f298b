/* The rows of one table that have unsent changes, and what these say. Kept up to date by reading
** only what was queued since, for as long as the queue is the one that was read: rows that were
** deleted from it, or a VACUUM, make its numbers begin anew, and then all of it is read again. */
#ifndef LEADX_UNSENT_H
#define LEADX_UNSENT_H

#include "store/queue.h"

typedef struct leadx_unsent leadx_unsent;

/* with_values: the values that the changes say are kept as well. NULL on error. */
leadx_unsent *leadx_unsent_open(leadx_db *db, const leadx_table *table, int with_values,
                                leadx_err *err);
void leadx_unsent_close(leadx_unsent *unsent); /* accepts NULL */

/* Reads what was queued since the last look. */
int leadx_unsent_look(leadx_unsent *unsent, leadx_err *err);

/* Had that row an unsent change at the last look, or at one before? */
int leadx_unsent_has(const leadx_unsent *unsent, const char *key);

/* The newest change of that row, LEADX_NOTHING when there is none, and the meaning of each column
** that the changes name, 0 where they name none (meaning.h). Only with_values; borrowed. */
leadx_action leadx_unsent_newest(const leadx_unsent *unsent, const char *key,
                                 const uint32_t **parts);

#endif
