/* One sync: the lease, the look at the file, push, and the line in the log. */
#ifndef LEADX_SYNC_H
#define LEADX_SYNC_H

#include "http/transport.h"
#include "sync/result.h"

typedef struct leadx_sync_options {
  const char *who; /* the SQL function, for errors */
  const char *trigger; /* what the log says: 'manual', 'step', … */
  int without_push; /* the pull half alone */
  int with_pull; /* after the push, fetch what others changed */
  int with_reconcile; /* instead: compare everything with the server */
  const char *only_table; /* of a pull; NULL: all */
  int64_t request_budget; /* < 0: none */
  int strict; /* raise instead of a state other than ok */
  int in_background; /* nobody waits for it: it gives way to the application */
  /* For tests: makes the transport in place of the real one; NULL for the real one. */
  leadx_transport *(*open_transport)(void *arg, const leadx_http_limits *limits, leadx_err *err);
  void *arg;
  leadx_trace trace; /* likewise: hears of each transition */
} leadx_sync_options;

/* Runs it. SQLITE_OK and the result, whatever the network and the server made of it; an error when
** the local database failed, or strict was asked for. Refuses inside a transaction. */
int leadx_sync_run(leadx_ctx *ctx, const leadx_sync_options *options, leadx_result *result,
                   leadx_err *err);
/* The same, and prints the result (leadx_result_print()); NULL and an error. */
char *leadx_sync_report(leadx_ctx *ctx, const leadx_sync_options *options, leadx_err *err);

#endif
