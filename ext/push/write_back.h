/* What follows an acknowledgement in the local table: the server's row is written back, or removed. */
#ifndef LEADX_WRITE_BACK_H
#define LEADX_WRITE_BACK_H

#include "push/change.h"

/* The statements of one run, lent per table on first use. Begin with zeros. */
typedef struct leadx_write_back {
  leadx_db *db; /* who lends */
  leadx_table *table; /* whose statement it is */
  char *columns; /* which columns it sets, as a signature */
  sqlite3_stmt *stmt;
  int watched; /* the application's triggers may change other tracked rows with it */
  leadx_table *stamped; /* whose synced_at `stamp` sets */
  sqlite3_stmt *stamp;
} leadx_write_back;
void leadx_write_back_clear(leadx_write_back *back);

/* After an ack: writes what differs in the server's row (stamps, computed columns) to the local
** row, unless the row changed again since the change was queued; keeps the columns `pending` and
** `synced_at`. An empty row (the server returned none, or there was nothing to send) only does the
** latter. A row that is only here, or only there, is left to the next pull. Between begin and
** end. */
int leadx_write_back_acked(leadx_db *db, leadx_write_back *back, const leadx_change *change,
                           leadx_slice row, leadx_err *err);

/* The server deleted the row of the change: removes the local row. One that stays because other rows
** refer to it is parked for the next pull. Between leadx_apply_begin() and _end(). */
int leadx_write_back_deleted(leadx_db *db, const leadx_change *change, leadx_err *err);

#endif
