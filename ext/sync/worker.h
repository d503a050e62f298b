/* The background worker: one thread per file and process, with a connection of its own, that syncs
** by the schedule of schedule.h. The only module that knows threads.
**
** It ends on leadx_worker_stop(), when the last connection that started it is closed, and at the
** process's exit, each within two seconds. A child made by fork() has none. It looks for commits by
** the time stamps of the file and by reading the queue, so it sees those of every connection and
** process and takes no hook of the host. */
#ifndef LEADX_WORKER_H
#define LEADX_WORKER_H

#include "session/ctx.h"

/* Starts it for the connection's file: seconds between two periodic syncs, or 0 for the setting
** `interval`. When there is one already, it also belongs to this connection from now on, and takes
** a given number of seconds over. {"state":"started"|"running","interval":…} in sqlite3_malloc
** memory; NULL and an error for a file that cannot be synced from a thread (in memory, temporary,
** read-only, locked, encrypted) or is not set up. */
char *leadx_worker_start(leadx_ctx *ctx, double seconds, leadx_err *err);

/* Stops it, whoever started it. {"state":"stopped"|"not running"}. */
char *leadx_worker_stop(leadx_ctx *ctx, leadx_err *err);

/* The application's word: 'online', 'offline', 'foreground', 'background', 'refresh'. With a worker
** it is told: {"state":"notified","event":…,"worker":true}. Without one, what asks for a sync runs
** it here and answers like leadx_sync(); the others are noted. */
char *leadx_worker_notify(leadx_ctx *ctx, const char *event, leadx_err *err);

#endif
