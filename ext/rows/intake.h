/* Intake: rows of the server into a local table, in bulk. One intake per table and run.
**
** A row goes in when nothing of it is unsent; otherwise, and when the local table refuses it, its
** key is parked and the row is fetched again at later pulls. Nothing is ever written over a pending
** change. */
#ifndef LEADX_INTAKE_H
#define LEADX_INTAKE_H

#include "store/table.h"

typedef struct leadx_intake leadx_intake;

leadx_intake *leadx_intake_open(leadx_db *db, leadx_table *table,
                                leadx_err *err); /* NULL on error */
void leadx_intake_close(leadx_intake *intake); /* accepts NULL */

/* Begins and ends a stretch of rows inside the caller's write transaction: capture is off in
** between, and what was queued since the last stretch is known. */
int leadx_intake_begin(leadx_intake *intake, leadx_err *err);
int leadx_intake_end(leadx_intake *intake, leadx_err *err);

/* Takes one row (a checked object). A version that is known already is passed over, unless anew
** says that the local row may have strayed from it. *changed: the local row is another one now;
** *parked: it could not go in. */
int leadx_intake_row(leadx_intake *intake, leadx_slice row, int anew, int *changed, int *parked,
                     leadx_err *err);

/* Was the last row refused because another row here has one of its UNIQUE values? */
int leadx_intake_clashed(const leadx_intake *intake);

/* Gives the local row of a server's row other UNIQUE values, which nobody has, until the server's are
** written over it in the same transaction. *stepped is 0 when that cannot be: it is not here, something
** of it is unsent, a rule of the table forbids it. */
int leadx_intake_step_aside(leadx_intake *intake, leadx_slice row, int *stepped, leadx_err *err);

/* Removes the local row that the server does not have any more. *refused: something of it is
** unsent, or other rows need it. */
int leadx_intake_remove(leadx_intake *intake, const char *key, int *changed, int *refused,
                        leadx_err *err);

/* together: the rows that follow may break a deferred foreign key for a while; the caller asks
** leadx_intake_is_whole() behind the last of them. Otherwise each row is refused at once when a parent
** that it refers to is not here. */
void leadx_intake_together(leadx_intake *intake, int together);
/* Does the connection enforce foreign keys? */
int leadx_intake_has_foreign_keys(const leadx_intake *intake);
/* Foreign keys within a stretch: deferred until enforced again or the end of the transaction. Is
** every one of them satisfied just now? */
int leadx_intake_defer(leadx_intake *intake, leadx_err *err);
int leadx_intake_enforce(leadx_intake *intake, leadx_err *err);
int leadx_intake_is_whole(const leadx_intake *intake);

/* Reads what was queued since; begin() does so too. */
int leadx_intake_look(leadx_intake *intake, leadx_err *err);

/* Is something of that row unsent? As of begin() or look(). */
int leadx_intake_is_pending(const leadx_intake *intake, const char *key);

#endif
