/* One sync while it runs. See run.h. */
#include "run/run.h"

#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "rows/respell.h"
#include "session/session.h"
#include "store/lease.h"
#include "store/queue.h"
#include "store/settings.h"

/* ---- its tables ---- */

int leadx_run_know_tables(leadx_run *run, const leadx_tables *tables, leadx_err *err) {
  size_t bytes = sizeof *run->of_tables * ((size_t)tables->n + 1);
  sqlite3_free(run->of_tables);
  run->tables = tables;
  run->of_tables = sqlite3_malloc64(bytes);
  if (!run->of_tables) return leadx_err_nomem(err);
  memset(run->of_tables, 0, bytes);
  return SQLITE_OK;
}

leadx_of_table *leadx_run_of(const leadx_run *run, const leadx_table *table) {
  return &run->of_tables[table->place];
}

void leadx_run_clear(leadx_run *run) {
  leadx_queue_place_clear(&run->respelled);
  sqlite3_free(run->of_tables);
  run->of_tables = NULL;
}

/* ---- how it goes on, and how it ends ---- */

void leadx_run_trace(const leadx_run *run, const char *fmt, ...) {
  char line[256];
  va_list args;
  if (!run->trace.line) return;
  va_start(args, fmt);
  sqlite3_vsnprintf(sizeof line, line, fmt, args);
  va_end(args);
  run->trace.line(run->trace.arg, line);
}

void leadx_run_enter(leadx_run *run, const char *phase) {
  run->tally.phase = phase;
  run->tally.done = run->tally.total = 0;
  leadx_session_begin_phase(run->ctx->session, phase);
  leadx_run_trace(run, "%s", phase);
}

void leadx_run_end(leadx_run *run, leadx_class ended, int64_t retry_after_s, const char *fmt, ...) {
  leadx_tally *tally = &run->tally;
  va_list args;
  if (tally->ended != LEADX_CLASS_OK) return;
  tally->ended = ended;
  tally->retry_after_s = retry_after_s;
  va_start(args, fmt);
  if (*fmt) sqlite3_vsnprintf(sizeof tally->message, tally->message, fmt, args);
  va_end(args);
  leadx_run_trace(run, "ended: %s: %s", leadx_class_name(ended), tally->message);
}

void leadx_run_say(leadx_run *run, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  sqlite3_vsnprintf(sizeof run->tally.message, run->tally.message, fmt, args);
  va_end(args);
}

void leadx_run_show_progress(const leadx_run *run) {
  leadx_session_show_counts(run->ctx->session, run->tally.done, run->tally.total);
}

int leadx_run_may_ask(const leadx_run *run) {
  return run->tally.ended == LEADX_CLASS_OK && run->request_budget != 0 && !run->tally.lost_lease;
}

void leadx_run_refresh(leadx_run *run) {
  const leadx_auth *auth = run->auth;
  if (!leadx_auth_refresh(run->auth))
    leadx_run_end(run, auth->class_, auth->retry_after_s, "%s", auth->message);
}

int leadx_run_renew(leadx_run *run, leadx_err *err) {
  int64_t until = leadx_clock_wall_us() + leadx_settings_ms(run->ctx->settings, LEADX_LEASE) * 1000;
  int kept = 0, rc = leadx_lease_renew(&run->ctx->db, run->owner, until, &kept, err);
  if (rc == SQLITE_OK && !kept) {
    run->tally.lost_lease = 1;
    leadx_run_trace(run, "the lease is lost");
  }
  /* Whoever emptied the queue meanwhile made its numbers begin anew. */
  if (rc == SQLITE_OK) rc = leadx_queue_check_mark(&run->ctx->db, err);
  return rc == SQLITE_OK ? leadx_respell_new(&run->ctx->db, run->tables, &run->respelled, err) : rc;
}

/* ---- requests, one at a time ---- */

leadx_request *leadx_run_exchange(leadx_run *run, leadx_request *request, int wants_array,
                                  leadx_verdict *verdict, leadx_err *err) {
  leadx_request *done = leadx_exchange_ask(&run->exchange, request, wants_array, verdict, err);
  if (!done) return NULL;
  run->tally.requests++;
  if (run->request_budget > 0) run->request_budget--;
  run->tally.bytes_in += done->bytes_in;
  run->tally.bytes_out += done->bytes_out;
  return done;
}

int leadx_run_is_too_much(const leadx_request *done, leadx_class class_) {
  return class_ == LEADX_CLASS_SHRINK || done->net == LEADX_NET_TOO_LARGE ||
         (leadx_request_timed_out(done) && done->bytes_in > 0);
}

void leadx_run_stop(leadx_run *run, const leadx_verdict *verdict, const leadx_request *request,
                    const leadx_table *table) {
  const char *space = verdict->code[0] ? " " : "",
             *why = verdict->message[0] ? verdict->message : request->error;
  switch (verdict->class_) {
    case LEADX_CLASS_AUTH: leadx_run_refresh(run); return; /* tried before; says why it is no use */
    case LEADX_CLASS_DRIFT:
    case LEADX_CLASS_ITEM:
      leadx_run_say(run, "pull of %s: %s%s%s", table->remote, verdict->code, space, why);
      run->tally.paused = 1; /* this table cannot be read; the others can */
      return;
    case LEADX_CLASS_SHRINK:
    case LEADX_CLASS_RETRY:
      leadx_run_end(run, LEADX_CLASS_THROTTLE, request->retry_after_s, "pull of %s: %s%s%s",
                    table->remote, verdict->code, space, why);
      return;
    default:
      leadx_run_end(run, verdict->class_, request->retry_after_s, "pull of %s: %s%s%s",
                    table->remote, verdict->code, space, why);
  }
}

void leadx_run_too_large(const leadx_run *run, char reason[LEADX_TOO_LARGE_BYTES]) {
  sqlite3_snprintf(LEADX_TOO_LARGE_BYTES, reason,
                   "larger than max_response (%lld bytes); raise it with "
                   "leadx_config('max_response', bytes) and call leadx_pull()",
                   (sqlite3_int64)leadx_settings_int(run->ctx->settings, LEADX_MAX_RESPONSE));
}

void leadx_run_give_up(leadx_run *run, const leadx_request *done, const leadx_table *table) {
  leadx_verdict verdict;
  leadx_answer answer = leadx_rest_answer(done, 1);
  leadx_rest_classify(&answer, &verdict);
  leadx_run_stop(run, &verdict, done, table);
}

leadx_request *leadx_run_ask(leadx_run *run, leadx_request *request, int may_shrink,
                             leadx_slice *rows, leadx_class *class_, const leadx_table *table,
                             leadx_err *err) {
  return leadx_run_ask_for_keys(run, request, may_shrink, rows, class_, NULL, table, err);
}

leadx_request *leadx_run_ask_for_keys(leadx_run *run, leadx_request *request, int may_shrink,
                                      leadx_slice *rows, leadx_class *class_, int *misfits,
                                      const leadx_table *table, leadx_err *err) {
  *class_ = LEADX_CLASS_PROTOCOL;
  leadx_verdict verdict;
  leadx_request *done = leadx_run_exchange(run, request, 1, &verdict, err);
  if (!done) return NULL;
  *class_ = may_shrink && leadx_run_is_too_much(done, verdict.class_) ? LEADX_CLASS_SHRINK
                                                                      : verdict.class_;
  *rows = verdict.rows;
  if (misfits) *misfits = verdict.class_ == LEADX_CLASS_ITEM && strncmp(verdict.code, "22", 2) == 0;
  if (misfits && *misfits) {
    if (may_shrink) *class_ = LEADX_CLASS_SHRINK;
    return done;
  }
  if (verdict.class_ != LEADX_CLASS_OK && !(may_shrink && *class_ == LEADX_CLASS_SHRINK))
    leadx_run_stop(run, &verdict, done, table);
  return done;
}
