/* Calls of leadx_push(). See call.h. */
#include "push/call.h"

#include <string.h>

#include "push/cut.h"
#include "run/discover.h"
#include "push/rpc.h"

#define CALLS_IN_FLIGHT 2

/* ---- starting ---- */

int leadx_call_trim(leadx_push *push, leadx_job *job, leadx_err *err) {
  int kept = 0, rc = SQLITE_OK;
  for (int i = 0; i < job->n && rc == SQLITE_OK; i++) {
    leadx_change *change = job->changes[i];
    if (leadx_push_is_paused(push, change->table)) continue;
    if (change->table->served) job->changes[kept++] = change;
    else rc = leadx_cut_plain(push, &change, 1);
  }
  job->n = kept;
  return rc == SQLITE_OK ? SQLITE_OK : leadx_err_nomem(err);
}

/* A change of the stage that all of the job's changes are of, or NULL. */
static const leadx_change *stage_of(const leadx_job *job) {
  for (int i = 1; i < job->n; i++) {
    if (!leadx_plan_is_same_stage(job->changes[0], job->changes[i])) return NULL;
  }
  return job->changes[0];
}

int leadx_call_may_start(const leadx_push *push, const leadx_job *job) {
  if (push->calls_in_flight == 0) return 1;
  const leadx_change *stage = push->calls_in_flight < CALLS_IN_FLIGHT && push->calling
                                  ? stage_of(job)
                                  : NULL;
  return stage && leadx_plan_is_same_stage(stage, push->calling);
}

void leadx_call_started(leadx_push *push, const leadx_job *job) {
  push->calls_in_flight++;
  push->calling = stage_of(job);
}

void leadx_call_ended(leadx_push *push) { push->calls_in_flight--; }

/* ---- an answer for each operation ---- */

/* The request that would have carried the change plainly. */
static leadx_job_kind plain_kind(const leadx_change *change) {
  if (change->action == LEADX_CREATE) return LEADX_JOB_CREATE;
  return change->action == LEADX_UPDATE || change->table->soft_delete ? LEADX_JOB_UPDATE
                                                                      : LEADX_JOB_DELETE;
}

/* The server evaluated one operation and refused it. A table that is not what it was, and a key
** that is taken by a row one cannot see, are told apart by the plain way; the rest is judged as
** that would be. */
static int settle_error(leadx_push *push, const leadx_job *job, leadx_change *change,
                        const leadx_rpc_item *item, leadx_err *err) {
  leadx_verdict verdict;
  leadx_rest_judge(item->code, item->message, &verdict);
  int unclear = verdict.class_ == LEADX_CLASS_DRIFT ||
                (verdict.class_ == LEADX_CLASS_DUPLICATE && change->action == LEADX_CREATE);
  if (unclear)
    return leadx_cut_plain(push, &change, 1) == SQLITE_OK ? SQLITE_OK : leadx_err_nomem(err);
  leadx_job one = *job;
  one.kind = plain_kind(change);
  one.changes = &change;
  one.n = 1;
  return leadx_settle_bad(push, &one, &verdict, err);
}

static int settle_item(leadx_push *push, const leadx_job *job, leadx_change *change,
                       const leadx_rpc_item *item, leadx_err *err) {
  switch (item->status) {
    case LEADX_RPC_APPLIED:
    case LEADX_RPC_REPLAYED: return leadx_settle_ack(push, change, item->row, err);
    case LEADX_RPC_CONFLICT:
    case LEADX_RPC_GONE: return leadx_settle_fetched(push, change, item->row, err);
    default: return settle_error(push, job, change, item, err);
  }
}

/* An answer of another form than the function's acknowledges nothing; the next sync does without
** the function. */
static int end_strangely(leadx_push *push, const char *strange, leadx_err *err) {
  leadx_tally *tally = &push->run->tally;
  tally->ended = LEADX_CLASS_PROTOCOL;
  sqlite3_snprintf(sizeof tally->message, tally->message,
                   "leadx_push of the server answered %s; nothing was acknowledged", strange);
  return leadx_discover_forget(push->run, err);
}

int leadx_call_settle(leadx_push *push, leadx_job *job, leadx_slice array, leadx_class *class_,
                      leadx_err *err) {
  leadx_rpc_item *items = sqlite3_malloc64(sizeof *items * (size_t)job->n);
  if (!items) return leadx_err_nomem(err);
  const char *strange = leadx_rpc_read_push(array, job->changes, job->n, items);
  int rc = SQLITE_OK;
  if (strange) {
    *class_ = LEADX_CLASS_PROTOCOL;
    rc = end_strangely(push, strange, err);
  }
  for (int i = 0; i < job->n && rc == SQLITE_OK && !strange; i++)
    rc = settle_item(push, job, job->changes[i], &items[i], err);
  sqlite3_free(items);
  return rc;
}

/* ---- no answer for any of them ---- */

/* The halves go before whatever waits, because it may wait for them. */
static int halve(leadx_push *push, const leadx_job *job, leadx_err *err) {
  leadx_jobs halves;
  int half = (job->n + 1) / 2;
  leadx_jobs_init(&halves);
  int rc = leadx_jobs_add(&halves, LEADX_JOB_CALL, job->changes, half, 0);
  if (rc == SQLITE_OK)
    rc = leadx_jobs_add(&halves, LEADX_JOB_CALL, job->changes + half, job->n - half, 0);
  leadx_jobs_prepend(&push->waiting, &halves);
  return rc == SQLITE_OK ? SQLITE_OK : leadx_err_nomem(err);
}

/* The token is seen to before anything else is sent; then the call goes once more, where it was. */
static int put_back(leadx_push *push, const leadx_job *job, leadx_err *err) {
  leadx_jobs again;
  leadx_jobs_init(&again);
  int rc = leadx_jobs_add(&again, LEADX_JOB_CALL, job->changes, job->n, 0);
  leadx_jobs_prepend(&push->waiting, &again);
  return rc == SQLITE_OK ? SQLITE_OK : leadx_err_nomem(err);
}

/* Is the function not there, not to be called by this user, or broken? */
static int is_unusable(const leadx_verdict *verdict) {
  return verdict->class_ == LEADX_CLASS_DRIFT || strcmp(verdict->code, "42501") == 0;
}

int leadx_call_refused(leadx_push *push, leadx_job *job, const leadx_verdict *verdict,
                       leadx_err *err) {
  switch (verdict->class_) {
    case LEADX_CLASS_SHRINK:
      if (job->n > 1) return halve(push, job, err);
      break;
    case LEADX_CLASS_AUTH: return put_back(push, job, err);
    case LEADX_CLASS_RETRY:
    case LEADX_CLASS_DRIFT:
    case LEADX_CLASS_ORDER:
    case LEADX_CLASS_DUPLICATE:
    case LEADX_CLASS_ITEM: break;
    case LEADX_CLASS_PROTOCOL:
      if (leadx_discover_forget(push->run, err) != SQLITE_OK) return err->rc;
      return leadx_settle_bad(push, job, verdict, err);
    default: return leadx_settle_bad(push, job, verdict, err);
  }
  if (is_unusable(verdict) && leadx_discover_forget(push->run, err) != SQLITE_OK) return err->rc;
  return leadx_cut_plain(push, job->changes, job->n) == SQLITE_OK ? SQLITE_OK
                                                                  : leadx_err_nomem(err);
}
