/* Rows in: what the server has is written to the local table, with capture off. */
#ifndef LEADX_APPLY_H
#define LEADX_APPLY_H

#include "push/change.h"

/* The statements of one run, lent per table on first use. Begin with zeros. */
typedef struct leadx_apply {
  leadx_db *db; /* who lends */
  leadx_table *table; /* whose statement it is */
  char *columns; /* which columns it sets, as a signature */
  sqlite3_stmt *stmt;
  leadx_table *stamped; /* whose synced_at `stamp` sets */
  sqlite3_stmt *stamp;
} leadx_apply;
void leadx_apply_clear(leadx_apply *apply);

/* Turns capture off and on again inside one write transaction. */
int leadx_apply_begin(leadx_db *db, leadx_err *err);
int leadx_apply_end(leadx_db *db, leadx_err *err);

/* After an ack: writes what differs in the server's row (stamps, computed columns) to the local
** row, unless the row changed again since the change was queued; keeps the columns `pending` and
** `synced_at`. An empty row (the server returned none, or there was nothing to send) only does the
** latter. A row that is only here, or only there, is left to the next pull. Between begin and
** end. */
int leadx_apply_acked(leadx_db *db, leadx_apply *apply, const leadx_change *change, leadx_slice row,
                      leadx_err *err);

/* Clears the column `pending`, where the table has one, if nothing of the row is unsent any
** more. */
int leadx_apply_settled(leadx_db *db, const leadx_table *table, const char *key, leadx_err *err);

/* Removes a local row that the server does not show any more, with what hangs on it by the local
** foreign keys. *refused: why it stays, NULL when it is gone; a static text. It stays when other
** rows hold it, or when an unsent change of another row would go with it. Between begin and end. */
int leadx_apply_remove(leadx_db *db, const leadx_table *table, const char *key, int *changed,
                       const char **refused, leadx_err *err);
/* The same for a change whose row the server deleted; one that stays is looked at again by the next
** pull. */
int leadx_apply_deleted(leadx_db *db, const leadx_change *change, leadx_err *err);

#endif
