/* Push: the outbox on its way to the server. One run claims, sends and settles; between claim and
** settlement no transaction is open. */
#ifndef LEADX_PUSH_H
#define LEADX_PUSH_H

#include "session/auth.h"
#include "session/ctx.h"
#include "http/http.h"
#include "push/spell.h"
#include "rest/rest.h"
#include "store/table.h"

/* What a run did; shared by push and pull. */
typedef struct leadx_tally {
  int64_t pushed, pulled, conflicts, failed, requests, bytes_out, bytes_in;
  leadx_class ended; /* LEADX_CLASS_OK, or why the run stopped early */
  int64_t retry_after_s; /* of the answer that stopped it; -1 when it said nothing */
  char message[640]; /* why it stopped, or the newest trouble; "" when all is well */
  int paused; /* a table was left out because the server's schema is not ours */
  int more; /* the request budget ran out before the work did */
  int64_t done, total; /* changes settled and found, for progress */
  int lost_lease;
  int strange; /* changes whose answer was another row than theirs */
  const char *phase; /* "push" or "pull": how far it came; static */
} leadx_tally;

typedef struct leadx_run {
  leadx_ctx *ctx;
  const leadx_tables *tables;
  leadx_target target;
  leadx_transport *transport;
  leadx_auth *auth; /* of the target's token */
  const char *owner; /* of the lease */
  const char *user; /* whose token it is: its sub, "" without one */
  int64_t request_budget; /* how many requests may still be started; < 0: no limit */
  int in_background; /* nobody waits for it: it gives way to the application */
  leadx_tally tally;
} leadx_run;

/* Sends what is due. SQLITE_OK also when the network or the server stopped it (see tally.ended);
** an error only when the local database failed. */
int leadx_push_run(leadx_run *run, leadx_err *err);

/* Sees to a token that can be used, with nothing in flight and no transaction open; ends the run
** where there is none. */
void leadx_run_refresh(leadx_run *run);

/* Takes the lease again for another term; tally.lost_lease when somebody else has it.
** Inside a write transaction. */
int leadx_run_renew(leadx_run *run, leadx_err *err);

#endif
