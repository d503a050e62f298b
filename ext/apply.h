/* Rows in: what the server has is written to the local table, with capture off. */
#ifndef LEADX_APPLY_H
#define LEADX_APPLY_H

#include "change.h"

/* The statements of one run, lent per table on first use. Begin with zeros. */
typedef struct leadx_apply {
  leadx_db *db;            /* who lends */
  leadx_table *table;      /* whose statement it is */
  char *columns;           /* which columns it sets, as a signature */
  sqlite3_stmt *stmt;
  leadx_table *stamped;    /* whose synced_at `stamp` sets */
  sqlite3_stmt *stamp;
} leadx_apply;
void leadx_apply_clear(leadx_apply *apply);

/* Turns capture off and on again inside one write transaction. */
int leadx_apply_begin(leadx_db *db, leadx_err *err);
int leadx_apply_end(leadx_db *db, leadx_err *err);

/* After an ack: writes what differs in the server's row (stamps, computed columns) to the local row,
** unless the row changed again since the change was queued; keeps the columns `pending` and
** `synced_at`. An empty row (the server returned none, or there was nothing to send) only does the latter.
** Between begin and end. */
int leadx_apply_acked(leadx_db *db, leadx_apply *apply, const leadx_change *change, leadx_slice row, leadx_err *err);

/* Removes the local row of a change whose row the server deleted; a row that children still refer to stays. */
int leadx_apply_deleted(leadx_db *db, const leadx_change *change, leadx_err *err);

#endif
