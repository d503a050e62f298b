/* Push: the outbox on its way to the server. One run claims, sends and settles; between claim and
** settlement no transaction is open. */
#ifndef LEADX_PUSH_H
#define LEADX_PUSH_H

#include "run/run.h"

/* Sends what is due. SQLITE_OK also when the network or the server stopped it (see tally.ended);
** an error only when the local database failed. */
int leadx_push_run(leadx_run *run, leadx_err *err);

#endif
