/* One sync while it runs: what it needs, what it has done, and how it ends. Shared by discovery,
** push, pull and reconcile. */
#ifndef LEADX_RUN_H
#define LEADX_RUN_H

#include "rest/rest.h"
#include "run/exchange.h"
#include "session/ctx.h"
#include "store/queue.h"
#include "store/tables.h"

/* What a run did. */
typedef struct leadx_tally {
  int64_t pushed, pulled, conflicts, failed, requests, bytes_out, bytes_in;
  leadx_class ended; /* LEADX_CLASS_OK, or why the run stopped early; set by leadx_run_end() */
  int64_t retry_after_s; /* of the answer that stopped it; -1 when it said nothing */
  char message[640]; /* why it stopped, or the newest trouble; "" when all is well */
  int paused; /* a table was left out: the server's schema does not fit it, or it cannot be read */
  int more; /* the request budget ran out before the work did */
  int64_t done, total; /* changes or rows settled and found, for progress */
  int lost_lease; /* another sync has the lease */
  int strange; /* changes whose answer was another row than theirs */
  const char *phase; /* "push", "pull" or "reconcile": how far it came; static */
} leadx_tally;

/* A listener to the state of a run: one line for each transition. For tests. */
typedef struct leadx_trace {
  void (*line)(void *arg, const char *text); /* NULL: nobody listens */
  void *arg;
} leadx_trace;

/* What a run knows of one table. */
typedef struct leadx_of_table {
  int served; /* the server's functions serve it, as far as is known (discover.h) */
  int held_back; /* a row that the server deleted is still referred to; the run's end tries again */
  int push_noted; /* last_push_at is written */
} leadx_of_table;

typedef struct leadx_run {
  leadx_ctx *ctx;
  const leadx_tables *tables;
  leadx_of_table *of_tables; /* one for each of them */
  leadx_target target;
  leadx_transport *transport;
  leadx_auth *auth; /* of the target's token */
  leadx_exchange exchange; /* over that transport, with that token */
  const char *owner; /* of the lease */
  const char *user; /* whose token it is: its sub, "" without one */
  int64_t request_budget; /* how many requests may still be started; < 0: no limit */
  leadx_queue_place respelled; /* up to there the queue's keys are canonical */
  int in_background; /* nobody waits for it: it gives way to the application */
  leadx_tally tally;
  leadx_trace trace;
} leadx_run;

/* ---- its tables ---- */

/* The run works on those tables, of which nothing is known yet. leadx_run_clear() frees what is. */
int leadx_run_know_tables(leadx_run *run, const leadx_tables *tables, leadx_err *err);
/* What it knows of one of them. */
leadx_of_table *leadx_run_of(const leadx_run *run, const leadx_table *table);
void leadx_run_clear(leadx_run *run);

/* ---- how it goes on, and how it ends ---- */

/* A phase ("push", "pull", "reconcile"; static) begins: its counts begin anew. */
void leadx_run_enter(leadx_run *run, const char *phase);
/* Tells the trace of a transition; fmt as for sqlite3_mprintf(). */
void leadx_run_trace(const leadx_run *run, const char *fmt, ...);
/* Ends the run, for that reason. The only place that sets tally.ended; the first end stands.
** retry_after_s: of the answer, -1 where there is none. The message is kept; "" keeps the one there
** is. */
void leadx_run_end(leadx_run *run, leadx_class ended, int64_t retry_after_s, const char *fmt, ...);
/* Notes trouble that does not end the run. */
void leadx_run_say(leadx_run *run, const char *fmt, ...);
/* The counts of the tally as leadx_state shows them. */
void leadx_run_show_progress(const leadx_run *run);

/* May another request be sent: the run has not ended, has the lease, and has requests left? */
int leadx_run_may_ask(const leadx_run *run);
/* Sees to a token that can be used, with nothing in flight and no transaction open; ends the run
** where there is none. */
void leadx_run_refresh(leadx_run *run);
/* Begins a write transaction of the run: takes the lease again for another term (tally.lost_lease
** when somebody else has it), and gives what was queued meanwhile its canonical key. */
int leadx_run_renew(leadx_run *run, leadx_err *err);

/* ---- requests, one at a time ---- */

/* Sends one request and waits for its answer, counting it in the tally. Takes the request over,
** which may be NULL after an error. The caller frees what it answers; NULL and an error when it
** could not be started. *verdict judges it. */
leadx_request *leadx_run_exchange(leadx_run *run, leadx_request *request, int wants_array,
                                  leadx_verdict *verdict, leadx_err *err);
/* The same for an array of rows of a table. *rows is the checked array; *class_ says how it went; an
** answer that is not good ends the run, or concerns that table alone (leadx_run_stop()).
** may_shrink: fewer rows can be asked for, so an answer that was too big or took too long is
** LEADX_CLASS_SHRINK and ends nothing. */
leadx_request *leadx_run_ask(leadx_run *run, leadx_request *request, int may_shrink,
                             leadx_slice *rows, leadx_class *class_, const leadx_table *table,
                             leadx_err *err);
/* The same for rows that are named by their keys. *misfits (unless NULL): the server cannot read one of
** the keys, so that no row of it has that; this ends nothing, and fewer keys are LEADX_CLASS_SHRINK
** likewise. */
leadx_request *leadx_run_ask_for_keys(leadx_run *run, leadx_request *request, int may_shrink,
                                      leadx_slice *rows, leadx_class *class_, int *misfits,
                                      const leadx_table *table, leadx_err *err);
/* What was asked for was too much, and less cannot be asked for: leadx_run_stop() for that. */
void leadx_run_give_up(leadx_run *run, const leadx_request *done, const leadx_table *table);
/* Why a row is parked that is larger than an answer may be. */
#define LEADX_TOO_LARGE_BYTES 160
void leadx_run_too_large(const leadx_run *run, char reason[LEADX_TOO_LARGE_BYTES]);
/* The run ends because of that verdict, or, where it concerns one table, goes on without it. */
void leadx_run_stop(leadx_run *run, const leadx_verdict *verdict, const leadx_request *request,
                    const leadx_table *table);
/* Was it too many bytes, too long a statement, or a link on which they do not arrive in time? */
int leadx_run_is_too_much(const leadx_request *done, leadx_class class_);

#endif
