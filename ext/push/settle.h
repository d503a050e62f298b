/* Settling: what an answer means for the rows of a request, written in one transaction. */
#ifndef LEADX_SETTLE_H
#define LEADX_SETTLE_H

#include "rows/apply.h"
#include "push/job.h"
#include "push/plan.h"
#include "push/push.h"
#include "store/queue.h"

/* How many tables can be out of the ordinary in one push; more are merely found out again. */
#define LEADX_PUSH_TABLES 64

/* The state of one push; made by push.c, worked on by both. */
typedef struct leadx_push {
  leadx_run *run;
  leadx_jobs waiting; /* jobs not started yet */
  int in_flight;
  int batch; /* rows per request of several, for now */
  int calls_in_flight; /* requests to the server's function among those in flight */
  const leadx_change *
      /* a change of the stage that all of the last one's are of; NULL when they are of several */
      calling;
  int waits_for_parent; /* changes this sweep left waiting behind a parent */
  int sweep_moved; /* this sweep settled something */
  int64_t behind; /* the sweep is past this rowid */
  int64_t stage_began_ms;
  char claimed_at[40];
  leadx_apply apply;
  leadx_table *paused[LEADX_PUSH_TABLES]; /* tables the server's schema does not fit */
  int npaused;
  leadx_table *write_only[LEADX_PUSH_TABLES]; /* tables that one may insert into but not read */
  int nwrite_only;
  leadx_table *probed
      [LEADX_PUSH_TABLES]; /* tables of which a denied batch sent one row ahead, to find that out */
  int nprobed;
} leadx_push;

void leadx_push_clear(leadx_push *push);
int leadx_push_is_paused(const leadx_push *push, const leadx_table *table);
int leadx_push_is_write_only(const leadx_push *push, const leadx_table *table);

/* Judges a finished job and settles its changes; new jobs go to push->waiting. *class_ gets the
** verdict. Between apply_begin and apply_end of a write transaction. */
int leadx_settle_job(leadx_push *push, leadx_job *job, leadx_class *class_, leadx_err *err);

/* Parts of it, for those who judge answers of another form: the server has the change (row is its
** own, empty when it returns none); the server has that row instead, or (empty) none; a request
** came to nothing. */
int leadx_settle_ack(leadx_push *push, leadx_change *change, leadx_slice row, leadx_err *err);
int leadx_settle_fetched(leadx_push *push, leadx_change *change, leadx_slice row, leadx_err *err);
int leadx_settle_bad(leadx_push *push, leadx_job *job, const leadx_verdict *verdict,
                     leadx_err *err);

/* Settling without an answer, inside a write transaction. */
int leadx_settle_fail(leadx_push *push, leadx_change *change, const char *code, const char *message,
                      leadx_err *err);
int leadx_settle_nothing(leadx_push *push, leadx_change *change, leadx_err *err);
int leadx_settle_release(leadx_push *push, leadx_change *change, leadx_err *err);
int leadx_settle_reject(leadx_push *push, const leadx_member *member, leadx_err *err);

/* Nothing moves any more: rows of the plan that still wait for parents which are neither queued nor
** on the server are FAILED. Makes its own transaction. */
int leadx_settle_orphans(leadx_push *push, const leadx_plan *plan, leadx_err *err);

#endif
