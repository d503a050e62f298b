/* Reconcile: compares keys and versions with the server and repairs what a cursor cannot see: rows
** that were deleted or hidden, rows that became visible with an old stamp, a server restored from a
** backup. */
#ifndef LEADX_RECONCILE_H
#define LEADX_RECONCILE_H

#include "run/run.h"

/* For one table (NULL: all that pull). Pages over keys and versions only; rows that differ are
** fetched by key. tally.pulled counts what was changed or removed locally. */
int leadx_reconcile_run(leadx_run *run, const char *only_table, leadx_err *err);

#endif
