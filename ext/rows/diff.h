/* Rows that no trigger saw: written while triggers were missing or silenced, or in a table that was
** made anew.
**
** What is found goes one way only. A row that is there and not known is a CREATE, a column that
** differs from what was last sent or received is an UPDATE of that column. A row that is known and
** not there was perhaps deleted, and perhaps the table was dropped, or is being rebuilt: it is
** fetched again. Only a trigger that saw a row go makes a DELETE. */
#ifndef LEADX_DIFF_H
#define LEADX_DIFF_H

#include "store/tables.h"

/* The look at one tracked table that begins every sync: renews triggers that are missing, old or
** doctored, and notes for leadx_diff_catch_up() whether its rows have to be compared: because of
** that, or because the table is not the one that it was. Costs the same however many rows there are.
** Inside a write transaction. */
int leadx_diff_check(leadx_db *db, leadx_table *table, leadx_err *err);

/* The same of all tables, with what comes before and after: those that were renamed are followed, and
** then read anew for who (the name that begins the messages), and leadx_diff_end() is called. Inside a
** write transaction. */
int leadx_diff_check_all(leadx_db *db, const char *who, leadx_tables *tables, leadx_err *err);

/* Compares the rows of a table that is due, a few at a time in write transactions of their own: a
** writer of the application waits for one of them, whatever the table's size. Outside of a
** transaction. */
int leadx_diff_catch_up(leadx_db *db, leadx_table *table, leadx_err *err);

/* Both at once, inside the caller's write transaction. */
int leadx_diff_table(leadx_db *db, leadx_table *table, leadx_err *err);

/* Takes away what a file may have that keeps the triggers silent (leadx itself never leaves it
** behind), and the note that what they share had to be renewed. leadx_diff_check() finds a table due
** while either is there, so this comes after the last table. Inside a write transaction. */
int leadx_diff_end(leadx_db *db, leadx_err *err);

/* Forgets the rows of a table that only pulls and that are not here any more: no trigger tells that
** a foreign key took them along, and while they count as known nothing fetches them. Inside a write
** transaction. */
int leadx_diff_forget_absent(leadx_db *db, leadx_table *table, leadx_err *err);

/* Follows tables that were renamed: their triggers moved along and say so. What is unsent and known
** goes with the entity, which stays. keeps_remote: the server's table stays the one that it was, as
** nothing here says otherwise; else it is the new name's. *n: how many. Inside a write
** transaction. */
int leadx_diff_follow(leadx_db *db, int keeps_remote, int *n, leadx_err *err);

/* Says in leadx_status which tracked tables are not there any more. Inside a write transaction. */
int leadx_diff_missing(leadx_db *db, leadx_err *err);

/* Tracking begins: notes the rows that are there as known, or (backfill) queues them as CREATE. What
** is unsent from an earlier time is compared with the rows. */
int leadx_diff_begin(leadx_db *db, leadx_table *table, int backfill, leadx_err *err);

/* Forgets which table and triggers the rows were in step with: the next look finds them due. */
int leadx_diff_forget(leadx_db *db, const char *entity, leadx_err *err);

/* The rows are in step with the table and the triggers that are there now. */
int leadx_diff_settle(leadx_db *db, leadx_table *table, leadx_err *err);

#endif
