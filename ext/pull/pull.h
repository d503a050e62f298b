/* Pull: what others changed, page by page behind a cursor that is the server's own text. */
#ifndef LEADX_PULL_H
#define LEADX_PULL_H

#include "run/run.h"

/* Fetches and applies what changed since the last pull, for one table (NULL: all that pull),
** parents first. SQLITE_OK also when the network or the server stopped it (see
** run->tally.ended). */
int leadx_pull_run(leadx_run *run, const char *only_table, leadx_err *err);

#endif
