/* Push: the outbox on its way to the server. See push.h.
**
** A push is passes over plans over stages over jobs. A pass takes a window of the queue and plans
** it; a stage is a run of changes that may go together; a job is one request. Within a stage, jobs
** are claimed in chunks (one short transaction), several are in flight, and whatever answers
** are there are settled together (one short transaction). Settling may make new jobs: a rejected
** batch is cut in two, rows that a request did not match are fetched.
*/
#include "push/push.h"

#include "base/clock.h"
#include "base/instant.h"
#include "push/call.h"
#include "push/cut.h"
#include "push/plan.h"
#include "push/settle.h"
#include "push/spell.h"
#include "push/taken.h"
#include "rows/apply.h"
#include "run/bulk.h"
#include "session/session.h"
#include "store/settings.h"

/* Unsent rows planned at a time: bounds memory, however long the queue is. */
#define WINDOW_ROWS 10000
/* Single-row requests claimed together, and in flight together. */
#define CHUNK_SINGLES 128
#define IN_FLIGHT_SINGLES 32
/* Batches in flight together; while they grow, what one of them meets the next one should know. */
#define IN_FLIGHT_GROWING 2
#define IN_FLIGHT_GROWN 3
/* Rows after which a settling transaction takes no further answer: the application's own writes
** wait meanwhile. */
#define SETTLE_ROWS 1000
/* The same, and of one request, for a sync that nobody waits for. */
#define BACKGROUND_ROWS 250
/* Passes that only retry rows which waited behind a parent. */
#define MAX_PASSES 200
/* A request that took less than this is quick, and the next batch may be larger. */
#define QUICK_MS 1500

/* ---- claiming ---- */

/* Claims one change and reads its payload; one that is nothing any more, or cannot be sent, is
** settled at once. */
static int claim_change(leadx_push *push, leadx_change *change, leadx_err *err) {
  leadx_db *db = &push->run->ctx->db;
  int rc = SQLITE_OK, present = 0;
  for (int i = 0; i < change->nmembers && rc == SQLITE_OK; i++) {
    int claimed = 0;
    rc = leadx_queue_claim(db, change->members[i].id, push->claimed_at, &claimed, err);
    present += claimed;
  }
  if (rc != SQLITE_OK || present == 0) return rc;
  change->claimed = 1;
  rc = leadx_change_load(db, change, err);
  if (rc == SQLITE_OK && change->aside) rc = leadx_change_step_aside(change, err);
  if (rc != SQLITE_OK) return rc;
  if (change->problem) return leadx_settle_fail(push, change, "payload", change->error, err);
  if (change->action == LEADX_NOTHING) return leadx_settle_nothing(push, change, err);
  if (change->action != LEADX_CREATE) change->deferred = 0;
  return SQLITE_OK;
}

static int claim_chunk(leadx_push *push, leadx_change *changes, int n, leadx_err *err) {
  leadx_db *db = &push->run->ctx->db;
  leadx_instant_format(leadx_clock_wall_us(), push->claimed_at);
  int rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = leadx_run_renew(push->run, err);
  for (int i = 0; i < n && rc == SQLITE_OK && !push->run->tally.lost_lease; i++) {
    if (!leadx_pushing_is_paused(push, changes[i].table)) rc = claim_change(push, &changes[i], err);
  }
  rc = leadx_db_end(db, rc, err);
  if (rc != SQLITE_OK) return rc;
  leadx_change **scratch = sqlite3_malloc64(sizeof *scratch * (size_t)n);
  rc = scratch ? leadx_cut_claimed(push, changes, n, scratch) : SQLITE_NOMEM;
  sqlite3_free(scratch);
  return leadx_err_memory(err, rc);
}

/* ---- sending ---- */

static leadx_request *make_request(leadx_push *push, const leadx_job *job, leadx_err *err) {
  const leadx_target *target = &push->run->target;
  switch (job->kind) {
    case LEADX_JOB_CREATE:
      return leadx_spell_create(target, job->changes, job->n, job->minimal, err);
    case LEADX_JOB_UPDATE: return leadx_spell_update(target, job->changes[0], err);
    case LEADX_JOB_DELETE: return leadx_spell_delete(target, job->changes[0], err);
    case LEADX_JOB_CALL: return leadx_call_request(target, job->changes, job->n, err);
    default: return leadx_spell_fetch(target, job->changes, job->n, err);
  }
}

static int start_job(leadx_push *push, leadx_job *job, leadx_err *err) {
  job->request = make_request(push, job, err);
  if (!job->request) {
    leadx_job_free(job);
    return err->rc;
  }
  job->request->tag = job;
  int rc = push->run->transport->start(push->run->transport, job->request, err);
  if (rc != SQLITE_OK) {
    leadx_job_free(job);
    return rc;
  }
  for (int i = 0; i < job->n; i++) job->changes[i]->on_wire++;
  if (job->kind == LEADX_JOB_CALL) leadx_call_started(push, job);
  push->in_flight++;
  push->run->tally.requests++;
  if (push->run->request_budget > 0) push->run->request_budget--;
  return SQLITE_OK;
}

/* Rows in one request at most. What is settled together holds the application's writes up together,
** so what nobody waits for goes in smaller pieces. */
static int most_rows(const leadx_push *push) {
  int most = (int)leadx_settings_int(push->run->ctx->settings, LEADX_BATCH_MAX);
  return push->run->in_background && most > BACKGROUND_ROWS ? BACKGROUND_ROWS : most;
}

static int most_batches(const leadx_push *push) {
  return push->batch < most_rows(push) ? IN_FLIGHT_GROWING : IN_FLIGHT_GROWN;
}

/* Has the transport room for that job beside what is in flight? */
static int has_room(const leadx_push *push, const leadx_job *job) {
  if (job->kind == LEADX_JOB_CALL) return leadx_call_may_start(push, job);
  return push->in_flight < (job->kind == LEADX_JOB_CREATE ? most_batches(push) : IN_FLIGHT_SINGLES);
}

/* Starts a job, or what is left of it. */
static int start_taken(leadx_push *push, leadx_job *job, leadx_err *err) {
  const leadx_table *table = job->changes[0]->table;
  if (job->kind == LEADX_JOB_CALL && leadx_call_trim(push, job, err) != SQLITE_OK) job->n = 0;
  /* Changes of a paused table stay claimed and are released at the end. */
  if (job->n == 0 || leadx_pushing_is_paused(push, table)) {
    leadx_job_free(job);
    return err->rc;
  }
  if (job->kind == LEADX_JOB_CREATE && leadx_pushing_is_write_only(push, table)) job->minimal = 1;
  return start_job(push, job, err);
}

static int start_jobs(leadx_push *push, leadx_err *err) {
  int rc = SQLITE_OK;
  while (rc == SQLITE_OK && leadx_run_may_ask(push->run) && push->waiting.n > 0 &&
         !leadx_auth_is_due(push->run->auth) && has_room(push, push->waiting.first)) {
    rc = start_taken(push, leadx_jobs_take(&push->waiting), err);
  }
  return rc;
}

/* ---- settling ---- */

/* Batches grow while the link keeps up, and shrink when the server or the link does not. */
static void adapt_batch(leadx_push *push, const leadx_job *job, leadx_class class_, int64_t ms) {
  int most = most_rows(push);
  if (job->kind != LEADX_JOB_CREATE && job->kind != LEADX_JOB_CALL) return;
  if (class_ == LEADX_CLASS_OK && job->n >= push->batch && ms < QUICK_MS) push->batch *= 2;
  if (class_ == LEADX_CLASS_SHRINK || leadx_request_timed_out(job->request)) push->batch /= 2;
  if (push->batch > most) push->batch = most;
  if (push->batch < 1) push->batch = 1;
  leadx_session_set_batch(push->run->ctx->session, push->batch);
}

/* Takes finished requests off the transport: waits for the first, then takes what else is there. */
static int collect(leadx_push *push, leadx_jobs *done) {
  int timeout_ms = 500, rows = 0, most = push->run->in_background ? BACKGROUND_ROWS : SETTLE_ROWS;
  leadx_request *request;
  while (push->in_flight > 0 && rows < most &&
         (request = push->run->transport->wait(push->run->transport, timeout_ms)) != NULL) {
    leadx_job *job = request->tag;
    rows += job->n;
    if (job->kind == LEADX_JOB_CALL) leadx_call_ended(push);
    leadx_jobs_append(done, job);
    push->in_flight--;
    push->run->tally.bytes_out += request->bytes_out;
    push->run->tally.bytes_in += request->bytes_in;
    timeout_ms = 0;
  }
  return done->n;
}

/* Name not found, no connection, and not a byte of the request was sent: libcurl says the same when
** a connection that it had kept died with the request and it could not make another. Or the server
** said that it did not look at it. */
static int was_unseen(const leadx_request *request) {
  int code = request->curl_code;
  if (request->net == LEADX_NET_ANSWER) return request->status == 401 || request->status == 429;
  return request->net == LEADX_NET_OFFLINE && request->bytes_out == 0 &&
         (code == 5 || code == 6 || code == 7);
}

static void note_unseen(const leadx_job *job) {
  if (!was_unseen(job->request)) return;
  for (int i = 0; i < job->n; i++) job->changes[i]->on_wire--;
}

/* Judges a finished job and settles its changes. *class_ gets the verdict. */
static int settle_job(leadx_push *push, leadx_job *job, leadx_class *class_, leadx_err *err) {
  const leadx_request *request = job->request;
  leadx_answer answer = leadx_rest_answer(request, !job->minimal);
  leadx_verdict verdict;
  leadx_rest_classify(&answer, &verdict);
  *class_ = verdict.class_;
  leadx_auth_note(push->run->auth, request, &verdict);
  note_unseen(job);
  if (job->kind == LEADX_JOB_CALL) {
    return verdict.class_ == LEADX_CLASS_OK
               ? leadx_call_settle(push, job, verdict.rows, class_, err)
               : leadx_call_refused(push, job, &verdict, err);
  }
  if (verdict.class_ == LEADX_CLASS_OK) return leadx_settle_good(push, job, &verdict, class_, err);
  return leadx_settle_bad(push, job, &verdict, err);
}

static int settle_all(leadx_push *push, leadx_jobs *done, leadx_err *err) {
  leadx_db *db = &push->run->ctx->db;
  int rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = leadx_run_renew(push->run, err);
  if (rc == SQLITE_OK) rc = leadx_apply_begin(db, err);
  for (leadx_job *job = done->first; job && rc == SQLITE_OK; job = job->next) {
    leadx_class class_ = LEADX_CLASS_OK;
    rc = settle_job(push, job, &class_, err);
    adapt_batch(push, job, class_, leadx_clock_mono_ms() - push->stage_began_ms);
  }
  if (rc == SQLITE_OK) rc = leadx_apply_end(db, err);
  return leadx_db_end(db, rc, err);
}

/* A commit that brings the ones before it to the disk. */
static int reach_disk(leadx_push *push, leadx_err *err) {
  leadx_db *db = &push->run->ctx->db;
  int rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = leadx_run_renew(push->run, err);
  return leadx_db_end(db, rc, err);
}

/* What is lost with the power is found again by the next sync, as if the answers had not come; but
** a decision that is carried out next would leave no trace. */
static int settle_jobs(leadx_push *push, leadx_jobs *done, leadx_err *err) {
  leadx_bulk before;
  int64_t conflicts = push->run->tally.conflicts;
  leadx_bulk_relax(&push->run->ctx->db, &before);
  int rc = settle_all(push, done, err);
  leadx_bulk_end(&push->run->ctx->db, &before);
  int is_decided = before.synchronous && push->run->tally.conflicts != conflicts &&
                   push->waiting.n > 0;
  return rc == SQLITE_OK && is_decided ? reach_disk(push, err) : rc;
}

/* The documents of what is settled are not needed any more; a stage may be as long as the
** window. */
static void unload_settled(const leadx_jobs *done) {
  for (const leadx_job *job = done->first; job; job = job->next) {
    for (int i = 0; i < job->n; i++) {
      if (!job->changes[i]->claimed) leadx_change_unload(job->changes[i]);
    }
  }
}

/* Waits for what is still in flight without settling it: its rows are sent again next time. */
static void abandon(leadx_push *push) {
  leadx_jobs done;
  leadx_jobs_init(&done);
  if (push->in_flight > 0) push->run->transport->cancel(push->run->transport);
  while (push->in_flight > 0 && collect(push, &done) >= 0 && done.n > 0) leadx_jobs_clear(&done);
  leadx_jobs_clear(&push->waiting);
}

/* ---- a stage ---- */

/* Changes that may go together, of which those before `next` have had their turn. They are all
** served by the server's function, or none is; where that changes on the way, the stage ends
** early. */
typedef struct leadx_stage {
  leadx_change *changes;
  int n, next, served;
} leadx_stage;

static int goes_in_batches(const leadx_push *push, const leadx_change *change) {
  return leadx_pushing_is_served(push, change) || change->action == LEADX_CREATE;
}

static int has_next(const leadx_push *push, const leadx_stage *stage) {
  return stage->next < stage->n &&
         leadx_pushing_is_served(push, &stage->changes[stage->next]) == stage->served;
}

/* Claims the next chunk and puts it on the wire. */
static int claim_next(leadx_push *push, leadx_stage *stage, leadx_err *err) {
  leadx_change *changes = stage->changes + stage->next;
  int take = goes_in_batches(push, changes) ? push->batch : CHUNK_SINGLES,
      left = stage->n - stage->next;
  if (take > left) take = left;
  int rc = claim_chunk(push, changes, take, err);
  stage->next += take;
  return rc == SQLITE_OK ? start_jobs(push, err) : rc;
}

/* May another chunk be claimed? While batches grow, one goes at a time, because the next one may be
** twice as large; the last one need not wait for that. A call costs the server more than its way
** there and back, so it is never alone. */
static int may_claim(const leadx_push *push, const leadx_stage *stage) {
  if (!goes_in_batches(push, &stage->changes[0])) return push->in_flight < IN_FLIGHT_SINGLES;
  int grows = !stage->served && push->batch < most_rows(push) &&
              stage->n - stage->next > push->batch;
  return push->in_flight < (grows ? 1 : most_batches(push));
}

/* Sees to it that the server has as much to do as it may have: a batch travels while the next one
** is claimed. */
static int keep_busy(leadx_push *push, leadx_stage *stage, leadx_err *err) {
  int rc = SQLITE_OK;
  while (rc == SQLITE_OK && leadx_run_may_ask(push->run) && push->waiting.n == 0 &&
         has_next(push, stage) && may_claim(push, stage))
    rc = claim_next(push, stage, err);
  return rc;
}

/* Does every answer look as if the next ones will be like it? */
static int are_good(const leadx_jobs *done) {
  for (const leadx_job *job = done->first; job; job = job->next) {
    if (job->request->net != LEADX_NET_ANSWER || job->request->status < 200 ||
        job->request->status > 299)
      return 0;
  }
  return 1;
}

/* Settles what was answered. The server goes on with the next batch meanwhile, where the answers
** are no reason to stop. */
static int settle_done(leadx_push *push, leadx_stage *stage, leadx_jobs *done, leadx_err *err) {
  int rc = SQLITE_OK;
  if (are_good(done)) {
    for (leadx_job *job = done->first; job; job = job->next)
      adapt_batch(push, job, LEADX_CLASS_OK, leadx_clock_mono_ms() - push->stage_began_ms);
    rc = keep_busy(push, stage, err);
  }
  if (rc == SQLITE_OK) rc = settle_jobs(push, done, err);
  if (rc == SQLITE_OK) unload_settled(done);
  return rc;
}

/* One turn of a stage: start what can be started, settle what is there. While a new token is needed
** nothing is started, and once all answers are in, it is asked for. */
static int turn(leadx_push *push, leadx_stage *stage, leadx_err *err) {
  leadx_jobs done;
  leadx_jobs_init(&done);
  if (push->in_flight == 0) leadx_run_refresh(push->run);
  push->stage_began_ms = leadx_clock_mono_ms();
  int rc = start_jobs(push, err);
  if (rc == SQLITE_OK && collect(push, &done) > 0) rc = settle_done(push, stage, &done, err);
  leadx_jobs_clear(&done);
  leadx_run_show_progress(push->run);
  return rc;
}

/* *ran is how many changes have had their turn. */
static int run_stage(leadx_push *push, leadx_change *changes, int n, int *ran, leadx_err *err) {
  leadx_stage stage = {changes, n, 0, leadx_pushing_is_served(push, changes)};
  int rc = SQLITE_OK;
  while (rc == SQLITE_OK &&
         (push->in_flight > 0 ||
          (leadx_run_may_ask(push->run) && (push->waiting.n > 0 || has_next(push, &stage))))) {
    rc = keep_busy(push, &stage, err);
    if (rc == SQLITE_OK) rc = turn(push, &stage, err);
  }
  if (has_next(push, &stage) || push->waiting.n > 0) push->run->tally.more = 1;
  *ran = stage.next;
  return rc;
}

/* ---- passes ---- */

/* Puts everything claimed and not settled back; what provably never left loses its mark of having
** been sent. */
static int release_all(leadx_push *push, leadx_plan *plan, leadx_err *err) {
  leadx_db *db = &push->run->ctx->db;
  int any = 0, rc;
  for (int i = 0; i < plan->n && !any; i++) any = plan->changes[i].claimed;
  if (!any) return SQLITE_OK;
  rc = leadx_db_begin(db, err);
  for (int i = 0; i < plan->n && rc == SQLITE_OK; i++) {
    if (plan->changes[i].claimed) rc = leadx_settle_release(push, &plan->changes[i], err);
  }
  return leadx_db_end(db, rc, err);
}

/* Rows that say what nobody can do are FAILED with the reason. */
static int fail_rejects(leadx_push *push, const leadx_plan *plan, leadx_err *err) {
  leadx_db *db = &push->run->ctx->db;
  if (plan->nrejects == 0) return SQLITE_OK;
  int rc = leadx_db_begin(db, err);
  for (int i = 0; i < plan->nrejects && rc == SQLITE_OK; i++)
    rc = leadx_settle_reject(push, plan->rejects[i], err);
  return leadx_db_end(db, rc, err);
}

/* Rows that wait for another user say so. */
static int explain_behind(leadx_push *push, const leadx_plan *plan, leadx_err *err) {
  leadx_db *db = &push->run->ctx->db;
  if (plan->nbehind == 0) return SQLITE_OK;
  int rc = leadx_db_begin(db, err);
  for (int i = 0; i < plan->nbehind && rc == SQLITE_OK; i++) {
    const char *why = plan->behind[i]->foreign
                          ? "belongs to another user; it is sent when that user signs in"
                          : "waits behind a change of the same row that belongs to another user";
    rc = leadx_queue_delay(db, plan->behind[i]->id, "owner", why, NULL, 0, err);
  }
  return leadx_db_end(db, rc, err);
}

/* What the server's function takes may go together whatever it is: it does one after the other, in
** the plan's order. */
static int stage_end(const leadx_push *push, const leadx_plan *plan, int i) {
  if (!leadx_pushing_is_served(push, &plan->changes[i])) return leadx_plan_stage_end(plan, i);
  int end = i + 1;
  while (end < plan->n && leadx_pushing_is_served(push, &plan->changes[end])) end++;
  return end;
}

/* Sends the changes from `first` on, of which each may need what the one before it gives up: a call of
** the server's function takes many, plain requests go one at a time. */
static int run_in_order(leadx_push *push, leadx_plan *plan, int first, leadx_err *err) {
  int rc = SQLITE_OK;
  for (int i = first; i < plan->n; i++) {
    sqlite3_free(plan->changes[i].taken);
    plan->changes[i].taken = NULL;
  }
  for (int i = first, ran; i < plan->n && rc == SQLITE_OK && leadx_run_may_ask(push->run);
       i += ran) {
    int is_served = leadx_pushing_is_served(push, &plan->changes[i]);
    rc = run_stage(push, plan->changes + i, is_served ? stage_end(push, plan, i) - i : 1, &ran,
                   err);
    if (ran == 0) break;
  }
  return rc;
}

/* Changes whose UNIQUE value another row had (taken.h). */
static int run_taken(leadx_push *push, leadx_plan *plan, leadx_err *err) {
  int first, left;
  if (push->in_flight > 0 || push->waiting.n > 0 || !leadx_run_may_ask(push->run)) return SQLITE_OK;
  push->calling = NULL; /* the changes move */
  int rc = leadx_taken_order(&push->run->ctx->db, plan, &first, err);
  int chosen = rc == SQLITE_OK && leadx_taken_has_hope(plan, first);
  while (rc == SQLITE_OK && first < plan->n && chosen && leadx_run_may_ask(push->run)) {
    rc = run_in_order(push, plan, first, err);
    left = first;
    if (push->in_flight > 0 || push->waiting.n > 0) return rc;
    push->calling = NULL;
    if (rc == SQLITE_OK) rc = leadx_taken_order(&push->run->ctx->db, plan, &first, err);
    if (rc == SQLITE_OK && first == left)
      rc = leadx_taken_choose(&push->run->ctx->db, plan, first, &chosen, err);
  }
  return rc == SQLITE_OK && leadx_run_may_ask(push->run) && first < plan->n
             ? leadx_settle_taken(push, plan, err)
             : rc;
}

static int run_plan(leadx_push *push, leadx_plan *plan, leadx_err *err) {
  int rc = fail_rejects(push, plan, err);
  if (rc == SQLITE_OK) rc = explain_behind(push, plan, err);
  for (int i = 0; i < plan->n; i++) push->run->tally.total += plan->changes[i].nmembers;
  for (int i = 0, end, ran; i < plan->n && rc == SQLITE_OK && leadx_run_may_ask(push->run);
       i = end) {
    rc = run_stage(push, plan->changes + i, stage_end(push, plan, i) - i, &ran, err);
    end = i + ran;
    if (end < plan->n && push->run->request_budget == 0) push->run->tally.more = 1;
    /* A stage's documents are not needed any more; a long plan would keep them all. */
    for (int k = i; k < end; k++) {
      if (!plan->changes[k].claimed) leadx_change_unload(&plan->changes[k]);
    }
  }
  if (rc == SQLITE_OK) rc = run_taken(push, plan, err);
  abandon(push);
  /* The last request that a step may send was refused: the next step finds a new token. */
  if (push->run->auth->is_refused) leadx_run_refresh(push->run);
  if (rc == SQLITE_OK) rc = release_all(push, plan, err);
  return rc;
}

static int advance_mark(leadx_run *run, leadx_err *err) {
  int rc = leadx_db_begin(&run->ctx->db, err);
  if (rc == SQLITE_OK) rc = leadx_queue_advance(&run->ctx->db, err);
  return leadx_db_end(&run->ctx->db, rc, err);
}

/* One window of the queue. A sweep goes from window to window; when it is through, rows that waited
** behind a parent make another sweep worth while if anything moved. *again: there may be more to
** do. */
static int run_pass(leadx_push *push, int *again, leadx_err *err) {
  leadx_window window;
  leadx_plan plan = {0};
  int64_t settled = push->run->tally.done;
  int rc = leadx_window_load(&push->run->ctx->db, push->run->tables, push->run->user, push->behind,
                             WINDOW_ROWS, &window, err);
  if (rc == SQLITE_OK) rc = leadx_plan_make(&push->run->ctx->db, &window, &plan, err);
  if (rc == SQLITE_OK) rc = run_plan(push, &plan, err);
  push->sweep_moved |= push->run->tally.done > settled;
  *again = leadx_run_may_ask(push->run);
  push->behind = window.truncated ? window.last : 0;
  if (rc == SQLITE_OK && window.truncated) {
    rc = advance_mark(push->run, err);
  } else if (rc == SQLITE_OK && *again) {
    *again = push->waits_for_parent && push->sweep_moved;
    if (!*again && push->waits_for_parent) rc = leadx_settle_orphans(push, &plan, err);
    push->waits_for_parent = push->sweep_moved = 0;
  }
  leadx_plan_clear(&plan);
  leadx_window_clear(&window);
  return rc;
}

int leadx_push_run(leadx_run *run, leadx_err *err) {
  leadx_push push = {.run = run, .batch = leadx_session_batch(run->ctx->session)};
  int rc = SQLITE_OK, again = 1;
  if (push.batch < 1) push.batch = (int)leadx_settings_int(run->ctx->settings, LEADX_BATCH_SIZE);
  if (push.batch > most_rows(&push)) push.batch = most_rows(&push);
  leadx_jobs_init(&push.waiting);
  for (int pass = 0; again && rc == SQLITE_OK && pass < MAX_PASSES; pass++)
    rc = run_pass(&push, &again, err);
  leadx_pushing_clear(&push);
  return rc == SQLITE_OK ? advance_mark(run, err) : rc;
}
