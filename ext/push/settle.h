/* Settling: what an answer means for the rows of a request, written in one transaction. */
#ifndef LEADX_SETTLE_H
#define LEADX_SETTLE_H

#include "push/plan.h"
#include "push/pushing.h"

/* What an answer to one change means, between apply_begin and apply_end of a write transaction. New
** jobs go to push->waiting.
**
** The server has the change: it is acknowledged, with every row of the outbox that it stands for. row
** is the server's, empty when it returns none. */
int leadx_settle_ack(leadx_push *push, leadx_change *change, leadx_slice row, leadx_err *err);
/* The server has that row instead, or (an empty slice) none: a conflict is decided. */
int leadx_settle_fetched(leadx_push *push, leadx_change *change, leadx_slice row, leadx_err *err);
/* A request came to nothing, for the reason of the verdict. */
int leadx_settle_bad(leadx_push *push, leadx_job *job, const leadx_verdict *verdict,
                     leadx_err *err);

/* A plain request was answered with rows: each is matched to its change. *class_ becomes PROTOCOL
** when one of them was not asked for. */
int leadx_settle_good(leadx_push *push, leadx_job *job, const leadx_verdict *verdict,
                      leadx_class *class_, leadx_err *err);

/* Settling without an answer, inside a write transaction. */
int leadx_settle_fail(leadx_push *push, leadx_change *change, const char *code, const char *message,
                      leadx_err *err);
int leadx_settle_nothing(leadx_push *push, leadx_change *change, leadx_err *err);
int leadx_settle_release(leadx_push *push, leadx_change *change, leadx_err *err);
int leadx_settle_reject(leadx_push *push, const leadx_member *member, leadx_err *err);

/* Nothing moves any more: rows of the plan that still wait for parents which are neither queued nor
** on the server are FAILED. Makes its own transaction. */
int leadx_settle_orphans(leadx_push *push, const leadx_plan *plan, leadx_err *err);
/* The same: those that still wait for a UNIQUE value which another row has are FAILED. */
int leadx_settle_taken(leadx_push *push, leadx_plan *plan, leadx_err *err);

#endif
