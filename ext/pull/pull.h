/* Pull: what others changed, page by page behind a cursor that is the server's own text. */
#ifndef LEADX_PULL_H
#define LEADX_PULL_H

#include "run/run.h"

/* Fetches and applies what changed since the last pull, for one table (NULL: all that pull),
** parents first. SQLITE_OK also when the network or the server stopped it (see
** run->tally.ended). */
int leadx_pull_run(leadx_run *run, const char *only_table, leadx_err *err);

/* Is it worth while to ask for the next page before this one of so many rows is applied? Not for a
** few rows, nor where somebody counts the requests, nor when two such answers could be too much to
** hold. No transaction waits for what leadx_exchange_send_ahead() sends: it is between two of them that
** anybody listens. */
int leadx_pull_may_ask_ahead(const leadx_run *run, const leadx_request *done, int count);

/* A parked row went in after all. Inside a write transaction. */
int leadx_pull_unpark(leadx_run *run, const leadx_table *table, const char *key, leadx_err *err);

/* Servers cap the rows of an answer silently: may those of the n keys asked for that did not come
** be called gone? *proven is how many rows the server has been seen to answer at once; it grows. */
int leadx_pull_is_believable(int asked, int came, int *proven);

#endif
