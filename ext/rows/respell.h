/* Keys that are written anew. A trigger writes what is cheap, and an application writes queue rows by
** hand, while statements compare an entity_id with a canonical key (rows/key.h). So what is unsent,
** parked or in question gets its canonical key before anything is compared: all of it when a sync
** begins, and what came since at the start of each of its write transactions. All of these are
** called inside the caller's write transaction. */
#ifndef LEADX_RESPELL_H
#define LEADX_RESPELL_H

#include "store/queue.h"
#include "store/tables.h"

/* Everything; in a file of an earlier version also what is known of rows, once. */
int leadx_respell(leadx_db *db, const leadx_tables *tables, leadx_err *err);

/* The rows of the queue with a greater rowid. */
int leadx_respell_behind(leadx_db *db, const leadx_tables *tables, int64_t rowid, leadx_err *err);

/* What was queued since the place that was the last one at the call before (zeros: never); everything
** where the queue is not the one that it was. The caller clears *seen in the end. */
int leadx_respell_new(leadx_db *db, const leadx_tables *tables, leadx_queue_place *seen,
                      leadx_err *err);

/* What is known of a table's rows, when the type of a key column has become another. */
int leadx_respell_known(leadx_db *db, const leadx_table *table, leadx_err *err);

#endif
