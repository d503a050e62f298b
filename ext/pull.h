/* Pull: what others changed, page by page behind a cursor that is the server's own text. */
#ifndef LEADX_PULL_H
#define LEADX_PULL_H

#include "push.h"

/* Fetches and applies what changed since the last pull, for one table (NULL: all that pull), parents first.
** SQLITE_OK also when the network or the server stopped it (see run->tally.ended). */
int leadx_pull_run(leadx_run *run, const char *only_table, leadx_err *err);

/* Sends one request and waits for its answer, counting it in the tally. The caller frees; NULL and an error when it
** could not be started, NULL without one when the run is over. *rows is the checked array; *class_ says how it went. */
leadx_request *leadx_pull_ask(leadx_run *run, leadx_request *request, leadx_slice *rows, leadx_class *class_, const leadx_table *table,
                              leadx_err *err);

/* A parked row went in after all. Inside a write transaction. */
int leadx_pull_unpark(leadx_run *run, const leadx_table *table, leadx_slice row, leadx_err *err);

#endif
