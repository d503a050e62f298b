/* One sync. See sync.h. */
#include "sync/sync.h"

#include <string.h>

#include "base/clock.h"
#include "pull/pull.h"
#include "pull/reconcile.h"
#include "push/push.h"
#include "rows/diff.h"
#include "rows/handover.h"
#include "rows/respell.h"
#include "run/discover.h"
#include "run/learn.h"
#include "session/line.h"
#include "session/session.h"
#include "store/lease.h"
#include "store/owner.h"
#include "store/problem.h"
#include "store/schema.h"
#include "store/settings.h"
#include "store/tables.h"

/* How long a server may ask us to stay away. */
#define MAX_RETRY_AFTER_S 3600

/* Requests of a push that travel together at most. */
#define IN_FLIGHT 32

/* ---- the parts of a sync ---- */

static leadx_transport *open_transport(leadx_ctx *ctx, const leadx_sync_options *options,
                                       const leadx_credentials *credentials, leadx_err *err) {
  const leadx_opener opener = {options->open_transport, options->arg};
  leadx_http_limits limits = leadx_line_limits(ctx, credentials, IN_FLIGHT);
  return leadx_line_open(ctx, &limits, &opener, err);
}

/* Looks at the file before anything is sent: takes back what a crash left, notes whose the file is
** now, follows tables that were renamed, renews triggers that are missing or old: one short write
** transaction, which also proves that the file can be written. Then finds rows that no trigger
** saw, where there may be any. */
static int prepare_file(leadx_run *run, leadx_tables *tables, const char *who, leadx_err *err) {
  leadx_db *db = &run->ctx->db;
  int rc = run->user[0] ? leadx_handover_look(db, who, run->user, err) : SQLITE_OK;
  if (rc == SQLITE_OK) rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = leadx_queue_recover(db, err);
  if (rc == SQLITE_OK && run->user[0]) rc = leadx_handover(db, who, run->user, err);
  if (rc == SQLITE_OK) rc = leadx_respell_new(db, tables, &run->respelled, err);
  if (rc == SQLITE_OK) rc = leadx_diff_check_all(db, who, tables, err);
  if (rc == SQLITE_OK) rc = leadx_diff_missing(db, err);
  rc = leadx_db_end(db, rc, err);
  for (int i = 0; i < tables->n && rc == SQLITE_OK; i++)
    rc = leadx_diff_catch_up(db, tables->list[i], err);
  return rc;
}

static void show_end(leadx_ctx *ctx, const leadx_tally *tally) {
  int reachable = leadx_result_reached(tally), refused = tally->ended == LEADX_CLASS_AUTH;
  leadx_session_end_sync(ctx->session, reachable, tally->message);
  if (refused || reachable > 0) leadx_session_set_auth_required(ctx->session, refused);
}

static void note_throttle(leadx_ctx *ctx, const leadx_tally *tally) {
  if (tally->ended != LEADX_CLASS_THROTTLE || tally->retry_after_s <= 0) return;
  int64_t seconds = tally->retry_after_s > MAX_RETRY_AFTER_S ? MAX_RETRY_AFTER_S
                                                             : tally->retry_after_s;
  leadx_session_throttle(ctx->session, leadx_clock_mono_ms() + seconds * 1000);
}

/* One line in the log. The log is a courtesy: a sync that worked does not fail because of it. */
static void write_log(leadx_ctx *ctx, const leadx_sync_options *options,
                      const leadx_result *result) {
  const leadx_tally *tally = &result->tally;
  leadx_err ignored = {0};
  if (leadx_db_begin(&ctx->db, &ignored) != SQLITE_OK) return;
  leadx_db_run(&ctx->db, LEADX_SQL_RUN_ADD, &ignored, "ttiiiiiiiit", options->trigger,
               leadx_state_name(result->state), tally->pushed, tally->pulled, tally->conflicts,
               tally->failed, tally->requests, tally->bytes_out, tally->bytes_in, result->ms,
               tally->message[0] ? tally->message : NULL);
  leadx_db_run(&ctx->db, LEADX_SQL_RUN_TRIM, &ignored, "");
  leadx_db_commit(&ctx->db, &ignored);
}

/* ---- the result ---- */

/* A caller that asked for it gets an error instead of a state other than ok. */
static int refuse_state(const leadx_sync_options *options, const leadx_result *result,
                        leadx_err *err) {
  const leadx_tally *tally = &result->tally;
  int says_all = tally->ended == LEADX_CLASS_AUTH;
  const char *where = result->problems > 0 && !says_all
                          ? "; SELECT * FROM leadx_problems tells what to do"
                          : "";
  return leadx_err_set(err, SQLITE_ERROR, "%s: %s%s%s%s", options->who,
                       says_all ? "" : leadx_state_name(result->state),
                       tally->message[0] && !says_all ? ": " : "", tally->message, where);
}

static int finish(const leadx_sync_options *options, const leadx_run *run, int64_t began_ms,
                  leadx_result *result, leadx_err *err) {
  leadx_ctx *ctx = run->ctx;
  leadx_counts counts = {0, 0, 0};
  int64_t problems = 0;
  int rc = leadx_problem_count(&ctx->db, &problems, err);
  if (rc != SQLITE_OK) return rc;
  *result = (leadx_result){.state = leadx_result_judge(&run->tally, problems),
                           .tally = run->tally,
                           .problems = problems,
                           .ms = leadx_clock_mono_ms() - began_ms,
                           .is_bounded = options->request_budget >= 0};
  leadx_run_trace(run, "state: %s", leadx_state_name(result->state));
  write_log(ctx, options, result);
  if (options->strict && result->state != LEADX_STATE_OK) return refuse_state(options, result, err);
  rc = leadx_queue_counts(&ctx->db, &counts, err);
  result->pending = counts.pending;
  return rc;
}

/* ---- one sync under the lease ---- */

/* Push, then pull. A bounded run that spent its requests on the push leaves the pull for the next
** call. */
static int run_halves(const leadx_sync_options *options, leadx_run *run, leadx_err *err) {
  int rc = SQLITE_OK;
  if (options->with_reconcile) {
    leadx_run_enter(run, "reconcile");
    return leadx_reconcile_run(run, options->only_table, err);
  }
  leadx_run_enter(run, "push");
  if (!options->without_push) rc = leadx_push_run(run, err);
  if (!options->with_pull || rc != SQLITE_OK || run->tally.ended != LEADX_CLASS_OK) return rc;
  if (run->request_budget == 0 || run->tally.more) {
    run->tally.more = 1;
    return rc;
  }
  leadx_run_enter(run, "pull");
  return leadx_pull_run(run, options->only_table, err);
}

/* Sees to it that the keys in the file are the server's. The tables are read anew when the type of
** one of them has become known. */
static int learn_keys(const leadx_sync_options *options, leadx_run *run, leadx_tables *tables,
                      leadx_err *err) {
  int learned = 0;
  int rc = leadx_learn_types(run, &learned, err);
  if (rc != SQLITE_OK || !learned) return rc;
  leadx_tables_rest(tables);
  rc = leadx_tables_refresh(&run->ctx->db, options->who, tables, err);
  return rc == SQLITE_OK ? prepare_file(run, tables, options->who, err) : rc;
}

/* The work itself, by what is known of the server's functions, and at its end the question about
** them. */
static int run_work(const leadx_sync_options *options, leadx_run *run, leadx_tables *tables,
                    leadx_err *err) {
  int rc = learn_keys(options, run, tables, err);
  if (rc == SQLITE_OK) rc = leadx_run_know_tables(run, tables, err);
  if (rc == SQLITE_OK) rc = leadx_discover_load(run, err);
  if (rc == SQLITE_OK) rc = run_halves(options, run, err);
  return rc == SQLITE_OK && !options->with_reconcile ? leadx_discover_ask(run, err) : rc;
}

/* The file is somebody's, and nobody is signed in. As nobody one would be shown nothing, and it
** would look as if all rows were gone: so nothing is sent or fetched. Whether there is a network is
** still worth knowing. */
static void knock(leadx_run *run, const char *file_user) {
  leadx_verdict verdict;
  leadx_err quiet = {0};
  leadx_request *done = leadx_run_exchange(run, leadx_grant_health_request(&run->target, &quiet), 0,
                                           &verdict, &quiet);
  if (done && done->net != LEADX_NET_ANSWER) {
    leadx_run_end(run, verdict.class_, -1, "%s", verdict.message);
  } else {
    leadx_run_end(run, LEADX_CLASS_AUTH, -1,
                  "this file is used by the user %s, and nobody is signed in; call "
                  "leadx_login() or leadx_set_token(), or leadx_logout() to "
                  "give the file up",
                  file_user);
  }
  leadx_request_free(done);
}

/* Nothing went wrong, and yet it is not what was hoped for: other users' changes wait in the queue,
** nothing is tracked, or nothing came because nobody is signed in. */
static int tell_waiting(leadx_run *run, leadx_err *err) {
  int64_t n = 0;
  if (run->tally.message[0]) return SQLITE_OK;
  if (run->tables->n == 0) {
    leadx_run_say(run, "no table is tracked in this file; call leadx_track(table) or "
                       "leadx_clone(table)");
    return SQLITE_OK;
  }
  if (!run->user[0] && run->tally.ended == LEADX_CLASS_OK && run->tally.requests > 0 &&
      run->tally.pushed + run->tally.pulled == 0) {
    leadx_run_say(run, "nobody is signed in, so only what the key alone may read or write counts; "
                       "call leadx_login(email, password) or leadx_set_token()");
    return SQLITE_OK;
  }
  int rc = leadx_owner_waiting(&run->ctx->db, run->user, &n, err);
  if (n > 0) {
    leadx_run_say(run, "changes of other users wait until those sign in: %lld", (sqlite3_int64)n);
  }
  return rc;
}

static void count_beside(leadx_tally *tally, const leadx_traffic *traffic) {
  tally->requests += traffic->requests;
  tally->bytes_out += traffic->bytes_out;
  tally->bytes_in += traffic->bytes_in;
}

static int run_leased(leadx_ctx *ctx, const leadx_sync_options *options, leadx_run *run,
                      leadx_tables *tables, leadx_credentials *credentials, leadx_err *err) {
  char file_user[LEADX_USER_BYTES];
  leadx_auth *auth = run->auth;
  int rc = prepare_file(run, tables, options->who, err);
  if (rc == SQLITE_OK) rc = leadx_owner_get(&ctx->db, file_user, err);
  if (rc != SQLITE_OK) return rc;
  run->transport = open_transport(ctx, options, credentials, err);
  if (!run->transport) return err->rc;
  leadx_auth_init(auth, ctx, run->transport, credentials, &run->target);
  leadx_exchange_init(&run->exchange, run->transport, auth);
  if (!credentials->user[0] && file_user[0]) knock(run, file_user);
  else rc = run_work(options, run, tables, err);
  count_beside(&run->tally, &auth->traffic);
  count_beside(&run->tally, &run->exchange.beside);
  if (rc == SQLITE_OK) rc = tell_waiting(run, err);
  show_end(ctx, &run->tally);
  run->transport->free(run->transport);
  return rc;
}

/* Is there anything that keeps us from beginning? Says so in the tally. */
static int is_throttled(leadx_run *run) {
  int64_t left_ms = leadx_session_throttled_until(run->ctx->session) - leadx_clock_mono_ms();
  if (left_ms <= 0) return 0;
  leadx_run_end(run, LEADX_CLASS_THROTTLE, -1, "the server asked to wait another %lld s",
                (sqlite3_int64)(left_ms + 999) / 1000);
  return 1;
}

static int run_configured(leadx_ctx *ctx, const leadx_sync_options *options,
                          leadx_credentials *credentials, leadx_result *result, leadx_err *err) {
  char owner[LEADX_OWNER_BYTES], left[LEADX_OWNER_BYTES];
  int taken = 0;
  int64_t began_ms = leadx_clock_mono_ms();
  leadx_run run = {.ctx = ctx,
                   .owner = owner,
                   .user = credentials->user,
                   .request_budget = options->request_budget,
                   .in_background = options->in_background,
                   .trace = options->trace};
  run.target = (leadx_target){credentials->url, credentials->apikey, credentials->token,
                              ctx->settings->text[LEADX_SCHEMA]};
  run.tally.retry_after_s = -1;
  if (is_throttled(&run)) return finish(options, &run, began_ms, result, err);
  leadx_lease_owner(owner);
  leadx_session_left_lease(ctx->session, left, (int)sizeof left);
  int rc = leadx_lease_take(&ctx->db, owner, left, leadx_settings_ms(ctx->settings, LEADX_LEASE),
                            &taken, err);
  if (rc != SQLITE_OK) return rc;
  if (!taken) {
    run.tally.lost_lease = 1;
    leadx_run_say(&run, "another sync of this file is running");
    return finish(options, &run, began_ms, result, err);
  }
  /* The run owns the tables while it lasts: whatever the host does meanwhile on this connection,
  ** they stay as they are. */
  leadx_tables tables = *ctx->tables;
  memset(ctx->tables, 0, sizeof *ctx->tables);
  leadx_auth auth;
  run.tables = &tables;
  run.auth = &auth;
  rc = leadx_tables_refresh(&ctx->db, options->who, &tables, err);
  if (rc == SQLITE_OK) rc = run_leased(ctx, options, &run, &tables, credentials, err);
  leadx_tables_rest(&tables);
  leadx_run_clear(&run);
  *ctx->tables = tables;
  if (leadx_lease_drop(&ctx->db, owner) != SQLITE_OK)
    leadx_session_leave_lease(ctx->session, owner);
  note_throttle(ctx, &run.tally);
  return rc == SQLITE_OK ? finish(options, &run, began_ms, result, err) : rc;
}

int leadx_sync_run(leadx_ctx *ctx, const leadx_sync_options *options, leadx_result *result,
                   leadx_err *err) {
  leadx_credentials credentials;
  int present = 0;
  if (leadx_db_guard(&ctx->db, options->who, err) != SQLITE_OK) return err->rc;
  if (leadx_schema_open(&ctx->db, options->who, &present, err) != SQLITE_OK) return err->rc;
  if (!present) {
    return leadx_err_set(err, SQLITE_ERROR,
                         "%s: nothing is tracked in this file; call leadx_track(table) first",
                         options->who);
  }
  if (sqlite3_db_readonly(ctx->db.handle, "main") == 1) {
    leadx_err_set(
        err, SQLITE_READONLY,
        "%s: the database is read-only, so nothing could be acknowledged; open it for writing",
        options->who);
    return err->rc;
  }
  if (leadx_schema_ensure(&ctx->db, options->who, err) != SQLITE_OK) return err->rc;
  if (leadx_settings_load(ctx->settings, &ctx->db, err) != SQLITE_OK) return err->rc;
  if (leadx_session_credentials(ctx->session, options->who, &credentials, err) != SQLITE_OK)
    return err->rc;
  int rc = run_configured(ctx, options, &credentials, result, err);
  leadx_credentials_clear(&credentials);
  return rc;
}

char *leadx_sync_report(leadx_ctx *ctx, const leadx_sync_options *options, leadx_err *err) {
  leadx_result result;
  if (leadx_sync_run(ctx, options, &result, err) != SQLITE_OK) return NULL;
  return leadx_result_print(&result, err);
}
