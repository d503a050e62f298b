/* Discovery: does this server have the functions that leadx_server_sql() installs, and which tables
** do they serve?
**
** What it answered is kept in the file, so that a process that syncs once asks no more often than
** one that stays. It is asked at the end of a sync that went well, when there is no answer yet or
** it is old: the data has arrived by then, and whatever becomes of the question, nothing depends on
** it. A server that turns out not to have the functions (any more) when one is called says so by
** its answer, and the sync goes on without them. */
#ifndef LEADX_DISCOVER_H
#define LEADX_DISCOVER_H

#include "run/run.h"

/* Marks the tables of the run that are served, as far as is known. */
int leadx_discover_load(leadx_run *run, leadx_err *err);

/* The functions are not there, or not what they should be: nothing is served any more. Asked again
** some time later. */
int leadx_discover_forget(leadx_run *run, leadx_err *err);

/* Asks if it is time to. Without a transaction. */
int leadx_discover_ask(leadx_run *run, leadx_err *err);

/* Notes an answer of leadx_installed(), a checked object; an empty slice when the server has no
** such function. */
int leadx_discover_note(leadx_db *db, const leadx_target *target, leadx_slice installed,
                        leadx_err *err);

#endif
