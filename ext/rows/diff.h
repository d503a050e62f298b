/* Rows that no trigger saw: what REPLACE removed silently, what was written while triggers were
** missing. */
#ifndef LEADX_DIFF_H
#define LEADX_DIFF_H

#include "store/table.h"

/* The look at one tracked table that begins every sync: renews triggers that are missing, old or
** doctored, and queues what no trigger saw. Costs nothing while nothing of the table is unsent.
** Inside a write transaction. */
int leadx_diff_table(leadx_db *db, leadx_table *table, leadx_err *err);

/* Takes away what a file may have that keeps the triggers silent (leadx itself never leaves it
** behind), and the note that what they share had to be renewed. leadx_diff_table() compares the
** rows while either is there, so this comes after the last table. Inside a write transaction. */
int leadx_diff_end(leadx_db *db, leadx_err *err);

/* Forgets the rows of a table that only pulls and that are not here any more: no trigger tells that
** a foreign key took them along, and while they count as known nothing fetches them. Inside a write
** transaction. */
int leadx_diff_forget_absent(leadx_db *db, const leadx_table *table, leadx_err *err);

/* Says in leadx_status which tracked tables are not there any more. Inside a write transaction. */
int leadx_diff_missing(leadx_db *db, leadx_err *err);

/* Tracking begins: notes the rows that are there as known, or (backfill) queues them as CREATE. */
int leadx_diff_begin(leadx_db *db, const leadx_table *table, int backfill, leadx_err *err);

#endif
