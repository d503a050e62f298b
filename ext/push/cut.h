/* Cutting: claimed changes into jobs, each a request of bounded size. New jobs go to the end of
** push->waiting. All answer SQLITE_OK or SQLITE_NOMEM. */
#ifndef LEADX_CUT_H
#define LEADX_CUT_H

#include "push/pushing.h"

/* Jobs for those of n changes that are claimed: a look at the row where a change needs its version
** and does not know it; else a call of the server's function where it serves the tables, plain
** requests where it does not. All n are served, or none. scratch has room for n. */
int leadx_cut_claimed(leadx_push *push, leadx_change *changes, int n, leadx_change **scratch);

/* Calls of the server's function, in the changes' order. */
int leadx_cut_calls(leadx_push *push, leadx_change *const *changes, int n);

/* Plain PostgREST: POSTs of CREATEs with equal members, one PATCH or DELETE for each other
** change. */
int leadx_cut_plain(leadx_push *push, leadx_change *const *changes, int n);

/* GETs of the rows of n changes of one table, each within one URL. */
int leadx_cut_fetches(leadx_push *push, leadx_change *const *changes, int n);

/* One more request for a change that has been sent before and is not done: as a call where its
** table is served (together with others that wait to be called), else as the plain request of that
** kind. */
int leadx_cut_again(leadx_push *push, leadx_job_kind kind, leadx_change *change);

#endif
