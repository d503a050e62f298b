/* Rows in: what the server has is written to the local table, with capture off. */
#ifndef LEADX_APPLY_H
#define LEADX_APPLY_H

#include "store/table.h"

/* Turns capture off and on again inside one write transaction. */
int leadx_apply_begin(leadx_db *db, leadx_err *err);
int leadx_apply_end(leadx_db *db, leadx_err *err);

/* Did the local table's own rules refuse a row? rc of sqlite3_step(). */
int leadx_apply_is_refusal(int rc);

/* Clears the column `pending`, where the table has one, if nothing of the row is unsent any
** more. */
int leadx_apply_settled(leadx_db *db, const leadx_table *table, const char *key, leadx_err *err);

/* Do the application's own triggers change other tracked rows when one of this table is written? Asked
** once, not for each row. */
int leadx_apply_is_watched(leadx_db *db, const leadx_table *table, int *yes, leadx_err *err);

/* Around one write to such a table, between begin and end: what the application's triggers change in
** other tracked rows is not queued, and those rows are fetched again. *before is handed over. */
int leadx_apply_watch(leadx_db *db, int64_t *before, leadx_err *err);
int leadx_apply_watched(leadx_db *db, const leadx_table *table, const char *key, int64_t before,
                        leadx_err *err);

/* Removes a local row that the server does not show any more, with what hangs on it by the local
** foreign keys. *refused: why it stays, NULL when it is gone; a static text. It stays when other
** rows hold it, or when an unsent change of another row would go with it. Between begin and end. */
int leadx_apply_remove(leadx_db *db, const leadx_table *table, const char *key, int *changed,
                       const char **refused, leadx_err *err);

#endif
