/* What a sync did and how it ended: the value that leadx_sync_run() returns, and its JSON form. */
#ifndef LEADX_RESULT_H
#define LEADX_RESULT_H

#include "run/run.h"

typedef enum leadx_state {
  LEADX_STATE_OK,
  LEADX_STATE_PARTIAL, /* something in the file needs a person, or the run did not come to its end */
  LEADX_STATE_OFFLINE, /* nobody answered */
  LEADX_STATE_ERROR, /* somebody answered, but not what was asked */
  LEADX_STATE_BUSY, /* another sync of the file has the lease */
  LEADX_STATE_AUTH_REQUIRED,
  LEADX_STATE_THROTTLED /* the server asked to wait */
} leadx_state;

const char *leadx_state_name(leadx_state state); /* "ok", "partial", … */

typedef struct leadx_result {
  leadx_state state;
  leadx_tally tally;
  int64_t problems; /* how many things of the file need a person: problem.h */
  int64_t pending; /* rows of the outbox that still wait */
  int64_t ms; /* how long it took */
  int is_bounded; /* a step: the JSON says whether there is more, and how far it is */
} leadx_result;

/* The state that a run's tally amounts to, in a file with so many problems. */
leadx_state leadx_result_judge(const leadx_tally *tally, int64_t problems);
/* Was the server reached? 1, 0, or -1 when it was not asked. */
int leadx_result_reached(const leadx_tally *tally);
/* {"state":…,"pushed":…,…} in sqlite3_malloc memory; NULL when out of memory. */
char *leadx_result_print(const leadx_result *result, leadx_err *err);

#endif
