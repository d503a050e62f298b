/* Sign-in and refresh without a network: a run whose token is refused in the middle goes on with a
** new one, and rows stay whose they are. The model server takes tokens by name: this test is its
** gateway. */
#define _DEFAULT_SOURCE /* usleep */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/account.h"
#include "base/clock.h"
#include "fake_transport.h"
#include "pages.h"
#include "suites.h"

/* Claims {"sub":"ani"} and {"sub":"budi"}; what stands behind the last dot tells tokens of one user
** apart. */
#define ANI "e30.eyJzdWIiOiJhbmkifQ."
#define BUDI "e30.eyJzdWIiOiJidWRpIn0."

static model_server model;
static push_device device;
static int (*model_before)(void *ctx, leadx_request *req);

/* The gateway. */
static struct {
  char good[80]; /* the one token that is good; "" any */
  int spoil_after; /* the good token goes bad after so many requests; 0: never */
  int refused; /* requests that were answered 401 */
  int refreshes, logins; /* requests to Auth */
  int slow_ms; /* a refresh takes that long */
  int offline; /* Auth does not answer */
  long status; /* of Auth's next answers; 0: it grants */
  const char *answer; /* with that body */
  const char *grants; /* the user's part of the tokens it grants */
  int64_t expires_in;
  int64_t date_s; /* the server's Date */
  char refresh_token[32]; /* the last one that was sent */
} gate;

static pthread_mutex_t gate_mutex = PTHREAD_MUTEX_INITIALIZER;

static void read_refresh_token(const leadx_request *req) {
  const char *at = strstr(req->body, "\"refresh_token\":\"");
  if (at)
    snprintf(gate.refresh_token, sizeof gate.refresh_token, "%.*s", (int)strcspn(at + 17, "\""),
             at + 17);
}

static void grant(leadx_request *req) {
  char body[400];
  int n = ++gate.refreshes;
  snprintf(gate.good, sizeof gate.good, "%snew%d", gate.grants, n);
  snprintf(body, sizeof body,
           "{\"access_token\":\"%s\",\"token_type\":\"bearer\",\"expires_in\":%lld,\"refresh_"
           "token\":\"r%d\",\"user\":{}}",
           gate.good, (long long)gate.expires_in, n);
  fake_answer(req, 200, body);
}

static int auth_answers(leadx_request *req) {
  if (!strstr(req->url, "/auth/v1/")) return 0;
  pthread_mutex_lock(&gate_mutex);
  if (strstr(req->url, "grant_type=password")) gate.logins++;
  if (req->body) read_refresh_token(req);
  if (gate.slow_ms) usleep((unsigned)gate.slow_ms * 1000);
  if (gate.offline) fake_fail(req, LEADX_NET_OFFLINE, 7, "Failed to connect");
  else if (strstr(req->url, "/health")) fake_answer(req, 200, "{\"name\":\"GoTrue\"}");
  else if (gate.status) gate.refreshes++, fake_answer(req, gate.status, gate.answer);
  else grant(req);
  pthread_mutex_unlock(&gate_mutex);
  return 1;
}

static int stand_before(void *ctx, leadx_request *req) {
  char bearer[100];
  if (auth_answers(req)) return 1;
  snprintf(bearer, sizeof bearer, "Bearer %s", gate.good);
  const char *sent = fake_header(req, "Authorization");
  if (gate.good[0] && (!sent || strcmp(sent, bearer) != 0)) {
    gate.refused++;
    fake_answer(
        req, 401,
        "{\"code\":\"PGRST301\",\"details\":null,\"hint\":null,\"message\":\"JWT expired\"}");
    return 1;
  }
  if (gate.spoil_after > 0 && --gate.spoil_after == 0)
    snprintf(gate.good, sizeof gate.good, "(none)");
  return model_before ? model_before(ctx, req) : 0;
}

static void stand_behind(void *ctx, leadx_request *req) {
  (void)ctx;
  if (gate.date_s) req->date_s = gate.date_s;
}

static void set_token(const char *access, const char *refresh) {
  char *sql = sqlite3_mprintf("SELECT leadx_set_token(%Q, %Q)", access, refresh);
  device_text(&device, sql);
  sqlite3_free(sql);
}

static void set_up(void) {
  memset(&gate, 0, sizeof gate);
  gate.grants = ANI;
  gate.expires_in = 3600;
  model_open(&model);
  pages_open(&model);
  model_before = model.before;
  model.before = stand_before;
  model.after = stand_behind;
  device_open(&device, &model);
  device_run(&device, "CREATE TABLE customers(id TEXT PRIMARY KEY NOT NULL, name TEXT, updated_at "
                      "TEXT); SELECT leadx_track('customers')");
}

static void tear_down(void) {
  leadx_clock_use(NULL);
  device_close(&device);
  model_close(&model);
}

static void add_customers(int from, int to) {
  char sql[300];
  snprintf(sql, sizeof sql,
           "WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
           " INSERT INTO customers SELECT printf('c%%04d', i), 'name ' || i, NULL FROM n",
           from, to);
  device_run(&device, sql);
}

static int queue_count(const char *where) {
  char sql[300];
  snprintf(sql, sizeof sql, "SELECT count(*) FROM sync_queue WHERE %s", where);
  return device_int(&device, sql);
}

static const char *auth(void) { return device_text(&device, "SELECT auth FROM leadx_state"); }
static const char *message(void) { return device_text(&device, "SELECT message FROM leadx_state"); }

/* ---- tokens ---- */

START_TEST(a_token_of_another_project_is_refused_and_changes_nothing) {
  device_text(&device,
              "SELECT leadx_configure('https://mine.supabase.co', 'sb_publishable_model')");
  set_token(ANI "x", NULL);
  /* {"sub":"ani","iss":"https://other.supabase.co/auth/v1"} */
  const char *error = device_error(
      &device, "SELECT "
               "leadx_set_token('e30."
               "eyJzdWIiOiJhbmkiLCJpc3MiOiJodHRwczovL290aGVyLnN1cGFiYXNlLmNvL2F1dGgvdjEifQ.x')");
  ck_assert_ptr_nonnull(strstr(error, "for the project other, and the server is mine"));
  ck_assert_str_eq(auth(), "signed_in");
}
END_TEST

/* ---- in the middle of a run ---- */

/* B17. _i: how many requests the first token is good for. */
START_TEST(a_token_that_expires_mid_batch_is_renewed_once_and_the_push_goes_on) {
  set_token(ANI "old", "r0");
  snprintf(gate.good, sizeof gate.good, ANI "old");
  gate.spoil_after = _i;
  if (_i == 0) snprintf(gate.good, sizeof gate.good, "(none)");
  add_customers(1, 700);
  device_run(&device, "UPDATE customers SET name = name || '!' WHERE id <= 'c0040'");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(gate.refreshes, 1);
  ck_assert_int_ge(gate.refused, 1);
  ck_assert_str_eq(gate.refresh_token, "r0");
  ck_assert_int_eq(model_count(&model, "customers"), 700);
  ck_assert_int_eq(queue_count("status = 'SYNCED' AND retry_count = 0 AND error_code IS NULL"),
                   740);
  ck_assert_int_eq(device_result(&device, "pushed"), 740);
  /* Singles now, many in flight at once. */
  gate.spoil_after = _i + 1;
  device_run(&device, "UPDATE customers SET name = name || '?' WHERE id <= 'c0100'");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(gate.refreshes, 2);
  ck_assert_str_eq(gate.refresh_token, "r1");
  ck_assert_int_eq(queue_count("status = 'SYNCED' AND retry_count = 0"), 840);
  ck_assert_str_eq(model_value(&model, "customers", "c0100", "name"), "name 100?");
  ck_assert_str_eq(auth(), "signed_in");
}
END_TEST

/* _i as above. */
START_TEST(a_token_that_expires_between_two_pages_is_renewed_and_the_pull_goes_on) {
  for (int i = 0; i < 50; i++) {
    char doc[120];
    snprintf(doc, sizeof doc,
             "{\"id\":\"s%02d\",\"name\":\"n\",\"updated_at\":\"2024-01-01T00:00:%02d+00:00\"}", i,
             i);
    pages_put(&model, "customers", doc);
  }
  device_text(&device, "SELECT leadx_config('page_size', '10')");
  set_token(ANI "old", "r0");
  snprintf(gate.good, sizeof gate.good, ANI "old");
  gate.spoil_after = _i;
  if (_i == 0) snprintf(gate.good, sizeof gate.good, "(none)");
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  ck_assert_int_eq(gate.refreshes, 1);
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM customers"), 50);
  gate.spoil_after = _i + 1;
  ck_assert_str_eq(device_reconcile(&device), "ok");
  ck_assert_int_eq(gate.refreshes, 2);
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM customers"), 50);
}
END_TEST

START_TEST(steps_of_one_request_find_the_new_token_and_come_to_an_end) {
  set_token(ANI "old", "r0");
  snprintf(gate.good, sizeof gate.good, "(none)");
  add_customers(1, 30);
  leadx_sync_options options = {.who = "leadx_step", .with_pull = 1, .request_budget = 1};
  for (int steps = 0, more = 1; more; steps++) {
    ck_assert_int_lt(steps, 40);
    ck_assert_str_eq(device_sync_with(&device, options), "ok");
    more = device_result(&device, "more");
    ck_assert_int_le(device_result(&device, "requests"),
                     1 + (gate.refreshes == 1)); /* the refresh is one beside it */
  }
  ck_assert_int_eq(gate.refreshes, 1);
  ck_assert_int_eq(model_count(&model, "customers"), 30);
  ck_assert_int_eq(queue_count("status <> 'SYNCED'"), 0);
}
END_TEST

START_TEST(a_dead_refresh_token_ends_in_auth_required_and_is_not_tried_again) {
  set_token(ANI "old", "r0");
  snprintf(gate.good, sizeof gate.good, "(none)");
  gate.status = 400;
  gate.answer = "{\"code\":\"refresh_token_already_used\",\"message\":\"Invalid Refresh Token: "
                "Already Used\"}";
  add_customers(1, 30);
  for (int i = 0; i < 3; i++) ck_assert_str_eq(device_both(&device), "auth_required");
  ck_assert_int_eq(gate.refreshes, 1);
  ck_assert_int_eq(queue_count("status = 'PENDING' AND retry_count = 0"), 30);
  ck_assert_str_eq(auth(), "auth_required");
  ck_assert_ptr_nonnull(strstr(message(), "leadx_login()"));
  gate.status = 0;
  snprintf(gate.good, sizeof gate.good, ANI "fresh");
  set_token(ANI "fresh", NULL);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(auth(), "signed_in");
}
END_TEST

START_TEST(a_refresh_without_a_network_is_offline_and_keeps_the_refresh_token) {
  set_token(ANI "old", "r0");
  snprintf(gate.good, sizeof gate.good, "(none)");
  gate.offline = 1;
  add_customers(1, 3);
  ck_assert_str_eq(device_sync(&device), "offline");
  gate.offline = 0;
  gate.status = 503;
  gate.answer = "";
  ck_assert_str_eq(device_sync(&device), "throttled");
  ck_assert_str_eq(auth(), "signed_in");
  gate.status = 0;
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(gate.refresh_token, "r0");
  ck_assert_int_eq(queue_count("status = 'SYNCED' AND retry_count = 0"), 3);
}
END_TEST

/* A server whose own clock is wrong refuses what its Auth has just made. */
START_TEST(a_new_token_that_is_refused_too_ends_the_sync_after_one_refresh) {
  set_token(ANI "old", "r0");
  add_customers(1, 30);
  for (int i = 1; i <= 3; i++) {
    gate.grants = ANI;
    snprintf(gate.good, sizeof gate.good, "(none)");
    gate.status = 200;
    gate.answer = "{\"access_token\":\"" ANI "unloved\",\"refresh_token\":\"rx\",\"expires_in\":0}";
    ck_assert_str_eq(device_both(&device), "auth_required");
    ck_assert_int_eq(gate.refreshes, i);
  }
  ck_assert_int_eq(queue_count("status = 'PENDING' AND retry_count = 0"), 30);
}
END_TEST

START_TEST(a_token_of_somebody_else_is_not_taken_for_a_refreshed_one) {
  set_token(ANI "old", "r0");
  snprintf(gate.good, sizeof gate.good, "(none)");
  gate.grants = BUDI;
  add_customers(1, 3);
  ck_assert_str_eq(device_sync(&device),
                   "error"); /* as any answer that is not what was asked for */
  ck_assert_int_eq(model_count(&model, "customers"), 0);
  ck_assert_ptr_nonnull(strstr(message(), "another user"));
}
END_TEST

START_TEST(without_a_refresh_token_a_refused_one_says_what_to_do) {
  set_token(ANI "old", NULL);
  snprintf(gate.good, sizeof gate.good, "(none)");
  add_customers(1, 3);
  leadx_sync_options options = {
      .who = "leadx_sync", .with_pull = 1, .request_budget = -1, .strict = 1};
  ck_assert_ptr_null(device_sync_with(&device, options));
  ck_assert_msg(
      strstr(device.result,
             "leadx_sync: 401 PGRST301 JWT expired; call leadx_set_token() with a fresh token") ==
          device.result,
      "%s", device.result);
  ck_assert_int_eq(gate.refreshes, 0);
}
END_TEST

/* ---- clocks ---- */

/* S8: {"sub":"u…ua"} and {"sub":"u…ub"}, whose first 63 bytes are the same. */
static const char one_of_two[] =
    "e30.eyJzdWIiOiJ1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1"
    "dXV1dXV1dXV1dXV1dXVhIn0.s";
static const char other_of_two[] =
    "e30.eyJzdWIiOiJ1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1"
    "dXV1dXV1dXV1dXV1dXViIn0.s";

START_TEST(two_users_whose_names_begin_alike_are_two_users) {
  set_token(one_of_two, NULL);
  device_run(&device, "INSERT INTO customers(id) VALUES ('alike')");
  set_token(other_of_two, NULL);
  device_sync(&device);
  ck_assert_str_eq(model_value(&model, "customers", "alike", "id"), "(no row)");
  ck_assert_int_eq(
      device_int(&device, "SELECT count(*) FROM sync_queue WHERE entity_id = 'alike' AND status = "
                          "'PENDING' AND length(owner) = 64"),
      1);
  set_token(one_of_two, NULL);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(model_value(&model, "customers", "alike", "id"), "alike");
}
END_TEST

static int64_t wall_off_us, mono_off_ms;
static leadx_clock_source shifted;

static int64_t shifted_wall(void *self) {
  struct timespec now;
  (void)self;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 + wall_off_us;
}

static int64_t shifted_mono(void *self) {
  struct timespec now;
  (void)self;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + mono_off_ms;
}

static void use_shifted_clock(void) {
  wall_off_us = mono_off_ms = 0;
  shifted = (leadx_clock_source){shifted_wall, shifted_mono, NULL};
  leadx_clock_use(&shifted);
}

/* _i: the device's clock is ten years ahead, or behind, or right. */
START_TEST(a_token_is_renewed_by_its_age_whatever_the_clock_says) {
  use_shifted_clock();
  wall_off_us = (_i - 1) * INT64_C(315360000) * 1000000;
  set_token(ANI "old", "r0");
  snprintf(gate.good, sizeof gate.good, "(none)");
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(gate.refreshes, 1);
  for (int i = 0; i < 3; i++) {
    add_customers(i + 1, i + 1);
    ck_assert_str_eq(device_both(&device), "ok");
  }
  ck_assert_int_eq(gate.refreshes, 1);
  mono_off_ms += 3500 * 1000; /* not yet */
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(gate.refreshes, 1);
  mono_off_ms += 50 * 1000; /* the last minute: nobody has to be refused first */
  gate.refused = 0;
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(gate.refreshes, 2);
  ck_assert_int_eq(gate.refused, 0);
}
END_TEST

/* {"sub":"ani","exp":2000000000}; the server says that it is half an hour to that. */
START_TEST(the_age_of_a_token_from_elsewhere_is_told_by_the_servers_clock) {
  use_shifted_clock();
  gate.date_s = 2000000000 - 1800;
  set_token("e30.eyJzdWIiOiJhbmkiLCJleHAiOjIwMDAwMDAwMDB9.x", "r0");
  snprintf(gate.good, sizeof gate.good, "e30.eyJzdWIiOiJhbmkiLCJleHAiOjIwMDAwMDAwMDB9.x");
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(gate.refreshes, 0);
  mono_off_ms += 1750 * 1000;
  gate.date_s += 1750;
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(gate.refreshes, 1);
  ck_assert_int_eq(gate.refused, 0);
}
END_TEST

/* Another connection learns that the refresh token is dead after this run has taken its copy of the
** token. */
START_TEST(a_refresh_token_that_died_meanwhile_ends_the_run_and_not_in_a_circle) {
  leadx_session *session = device.ctx->session;
  leadx_credentials credentials;
  leadx_verdict verdict;
  leadx_auth run_auth;
  leadx_err err = {0};
  char *refresh_token = NULL;
  use_shifted_clock();
  snprintf(gate.good, sizeof gate.good, "(none)");
  set_token(ANI "old", "r0");
  ck_assert_int_eq(leadx_session_credentials(session, "test", &credentials, &err), SQLITE_OK);
  credentials.renew_mono_ms = 1; /* due */
  ck_assert_int_eq(leadx_session_begin_refresh(session, credentials.serial, 5000, &refresh_token),
                   LEADX_REFRESH_MINE);
  leadx_session_end_refresh(session, credentials.serial, NULL, 1);
  sqlite3_free(refresh_token);
  leadx_target own = {credentials.url, credentials.apikey, credentials.token, NULL};
  leadx_transport *transport = fake_transport_open(model_respond, &model);
  leadx_auth_init(&run_auth, device.ctx, transport, &credentials, &own);
  ck_assert_int_eq(leadx_auth_is_due(&run_auth), 1);
  leadx_exchange exchange;
  leadx_exchange_init(&exchange, transport, &run_auth);
  leadx_request *done = leadx_exchange_ask(&exchange, leadx_grant_logout_request(&own, &err), 0,
                                           &verdict, &err);
  leadx_request_free(done);
  fake_answer((done = leadx_request_new("GET")), 401,
              "{\"code\":\"PGRST301\",\"message\":\"JWT expired\"}");
  verdict = (leadx_verdict){
      .class_ = LEADX_CLASS_AUTH, .code = "PGRST301", .message = "JWT expired"};
  leadx_auth_note(&run_auth, done, &verdict);
  ck_assert_int_eq(leadx_auth_refresh(&run_auth), 0);
  ck_assert_int_eq(run_auth.class_, LEADX_CLASS_AUTH);
  ck_assert_ptr_nonnull(
      strstr(run_auth.message, "401 PGRST301 JWT expired; call leadx_set_token()"));
  leadx_request_free(done);
  transport->free(transport);
  leadx_credentials_clear(&credentials);
}
END_TEST

START_TEST(a_token_that_lives_no_time_is_renewed_once_a_request_at_most) {
  set_token(ANI "old", "r0");
  snprintf(gate.good, sizeof gate.good, "(none)");
  gate.expires_in = 1;
  use_shifted_clock();
  add_customers(1, 5);
  ck_assert_str_eq(device_both(&device), "ok");
  mono_off_ms += 60000;
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_le(gate.refreshes, 2 + device_result(&device, "requests"));
  /* One that could not be renewed in time is good as long as the server takes it. */
  gate.status = 503;
  gate.answer = "";
  mono_off_ms += 60000;
  add_customers(6, 6);
  ck_assert_str_eq(device_both(&device), "ok");
}
END_TEST

/* ---- several connections ---- */

enum { AT_ONCE = 4 };

typedef struct refresher {
  pthread_t thread;
  leadx_ctx *ctx;
  leadx_credentials credentials;
  leadx_target target;
  leadx_transport *transport;
  leadx_auth auth;
  int ok;
} refresher;

static void *refresh_now(void *arg) {
  refresher *r = arg;
  r->ok = leadx_auth_refresh(&r->auth);
  return NULL;
}

static void gate_respond(void *ctx, leadx_request *req) {
  (void)ctx;
  if (!auth_answers(req)) fake_answer(req, 200, "[]");
}

START_TEST(of_several_connections_one_refreshes_and_all_have_the_new_token) {
  refresher list[AT_ONCE];
  sqlite3 *db[AT_ONCE];
  leadx_err err = {0};
  gate.slow_ms = 100;
  set_token(ANI "old", "r0");
  for (int i = 0; i < AT_ONCE; i++) {
    refresher *r = &list[i];
    memset(r, 0, sizeof *r);
    db[i] = device_second(&device);
    r->ctx = leadx_ctx_new(db[i]);
    ck_assert_int_eq(leadx_session_credentials(r->ctx->session, "test", &r->credentials, &err),
                     SQLITE_OK);
    r->target = (leadx_target){r->credentials.url, r->credentials.apikey, r->credentials.token,
                               NULL};
    r->transport = fake_transport_open(gate_respond, NULL);
    leadx_auth_init(&r->auth, r->ctx, r->transport, &r->credentials, &r->target);
    r->auth.is_refused = 1;
  }
  for (int i = 0; i < AT_ONCE; i++)
    ck_assert_int_eq(pthread_create(&list[i].thread, NULL, refresh_now, &list[i]), 0);
  for (int i = 0; i < AT_ONCE; i++) ck_assert_int_eq(pthread_join(list[i].thread, NULL), 0);
  ck_assert_int_eq(gate.refreshes, 1);
  for (int i = 0; i < AT_ONCE; i++) {
    ck_assert_int_eq(list[i].ok, 1);
    ck_assert_str_eq(list[i].target.token, ANI "new1");
    list[i].transport->free(list[i].transport);
    leadx_credentials_clear(&list[i].credentials);
    leadx_ctx_unref(list[i].ctx);
    ck_assert_int_eq(sqlite3_close(db[i]), SQLITE_OK);
  }
}
END_TEST

/* A thread that is gone (a fork) does not keep the others waiting for ever. */
START_TEST(a_refresh_that_never_ends_is_given_up) {
  char *refresh_token = NULL, *other = NULL;
  leadx_session *session = device.ctx->session;
  use_shifted_clock();
  set_token(ANI "old", "r0");
  int64_t serial = leadx_session_serial(session);
  ck_assert_int_eq(leadx_session_begin_refresh(session, serial, 5000, &refresh_token),
                   LEADX_REFRESH_MINE);
  ck_assert_int_eq(leadx_session_begin_refresh(session, serial, 5000, &other), LEADX_REFRESH_WAIT);
  mono_off_ms += 6000;
  ck_assert_int_eq(leadx_session_begin_refresh(session, serial, 5000, &other), LEADX_REFRESH_MINE);
  leadx_session_end_refresh(session, serial, NULL, 0);
  sqlite3_free(refresh_token);
  sqlite3_free(other);
}
END_TEST

/* ---- signing in and out ---- */

static leadx_transport *open_gate(void *arg, const leadx_http_limits *limits, leadx_err *err) {
  (void)arg;
  (void)limits;
  (void)err;
  return fake_transport_open(gate_respond, NULL);
}
static const leadx_opener opener = {open_gate, NULL};

static const char *log_in(const char *password) {
  static char text[700];
  leadx_err_clear(&device.ctx->err);
  char *result = leadx_account_login(device.ctx, "ani@leadx.test", password, &opener,
                                     &device.ctx->err);
  leadx_db_release(&device.ctx->db);
  snprintf(text, sizeof text, "%s", result ? result : device.ctx->err.text);
  sqlite3_free(result);
  return text;
}

START_TEST(a_sign_in_answers_user_and_expiry_and_no_token) {
  const char *text = log_in("pw");
  ck_assert_str_eq(text, "{\"auth\":\"signed_in\",\"user\":\"ani\",\"email\":\"ani@leadx.test\","
                         "\"expires_in\":3600,\"refreshes\":true}");
  ck_assert_str_eq(auth(), "signed_in");
  add_customers(1, 3);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(gate.refused, 0);
}
END_TEST

START_TEST(a_sign_in_that_fails_changes_nothing) {
  set_token(ANI "old", "r0");
  snprintf(gate.good, sizeof gate.good, ANI "old");
  gate.status = 400;
  gate.answer = "{\"code\":\"invalid_credentials\",\"message\":\"Invalid login credentials\"}";
  ck_assert_str_eq(
      log_in("pw"),
      "leadx_login: 400 invalid_credentials Invalid login credentials; check email and password");
  gate.offline = 1;
  ck_assert_str_eq(log_in("pw"),
                   "leadx_login: Failed to connect; try again when there is a network");
  gate.offline = gate.status = 0;
  add_customers(1, 3);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(device_text(&device, "SELECT value FROM leadx_settings WHERE key = 'user'"),
                   "ani");
}
END_TEST

START_TEST(a_sign_in_keeps_out_of_transactions_and_takes_no_nonsense) {
  device_run(&device, "BEGIN");
  ck_assert_ptr_nonnull(
      strstr(device_error(&device, "SELECT leadx_login('a', 'b')"), "COMMIT first"));
  ck_assert_ptr_nonnull(strstr(device_error(&device, "SELECT leadx_logout()"), "COMMIT first"));
  device_run(&device, "COMMIT");
  ck_assert_ptr_nonnull(strstr(device_error(&device, "SELECT leadx_login('a', '')"),
                               "argument 2 must be the password"));
  ck_assert_ptr_nonnull(
      strstr(device_error(&device, "SELECT leadx_login(NULL, 'b')"), "argument 1"));
  ck_assert_ptr_nonnull(
      strstr(device_error(&device, "SELECT leadx_login('a', printf('%.5000c', 'x'))"), "4096"));
  ck_assert_ptr_nonnull(
      strstr(device_error(&device, "SELECT leadx_logout('maybe')"), "must be 0 or 1"));
}
END_TEST

/* ---- whose the rows are ---- */

static void switch_to(const char *token) {
  gate.good[0] = 0;
  set_token(token, NULL);
}

/* C17 */
START_TEST(rows_of_one_user_are_never_sent_as_another) {
  switch_to(ANI "1");
  add_customers(1, 3);
  switch_to(BUDI "1");
  add_customers(11, 12);
  device_run(&device, "UPDATE customers SET name = 'of budi' WHERE id = 'c0002'");
  snprintf(gate.good, sizeof gate.good, BUDI "1");
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(model_count(&model, "customers"), 2);
  ck_assert_int_eq(device_result(&device, "pushed"), 2);
  ck_assert_int_eq(device_result(&device, "pending"), 4);
  ck_assert_str_eq(message(), "changes of other users wait until those sign in: 3");
  ck_assert_int_eq(
      device_int(&device,
                 "SELECT count(*) FROM leadx_queue WHERE state = 'waiting' AND error_code = 'owner'"
                 " AND error_message LIKE 'belongs to the user ani%'"),
      3);
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM leadx_queue WHERE state = 'waiting' "
                                       "AND error_message LIKE 'waits behind%'"),
                   1);
  snprintf(gate.good, sizeof gate.good, ANI "2");
  set_token(ANI "2", NULL);
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(model_count(&model, "customers"), 5);
  ck_assert_str_eq(model_value(&model, "customers", "c0002", "name"), "name 2");
  ck_assert_str_eq(device_text(&device, "SELECT name FROM customers WHERE id = 'c0002'"),
                   "of budi");
  snprintf(gate.good, sizeof gate.good, BUDI "2");
  set_token(BUDI "2", NULL);
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_str_eq(model_value(&model, "customers", "c0002", "name"), "of budi");
  ck_assert_int_eq(queue_count("status = 'SYNCED' AND error_code IS NULL"), 6);
}
END_TEST

static const char *log_out(int force) {
  static char text[700];
  leadx_err_clear(&device.ctx->err);
  char *result = leadx_account_logout(device.ctx, force, &opener, &device.ctx->err);
  leadx_db_release(&device.ctx->db);
  snprintf(text, sizeof text, "%s", result ? result : device.ctx->err.text);
  sqlite3_free(result);
  return text;
}

/* A migration tool that rebuilds a table leaves its triggers behind. */
static void drop_triggers(void) {
  const char *drops = device_text(
      &device, "SELECT group_concat('DROP TRIGGER ' || name, ';') FROM sqlite_master "
               "WHERE type = 'trigger' AND tbl_name = 'customers'");
  device_run(&device, drops);
}

static int queued; /* in the transaction that is open */

static void count_queued(void *arg, int what, const char *schema, const char *table,
                         sqlite3_int64 rowid) {
  (void)arg, (void)schema, (void)rowid;
  queued += what == SQLITE_INSERT && strcmp(table, "sync_queue") == 0;
}

static int note_commit(void *last) {
  *(int *)last = queued;
  queued = 0;
  return 0;
}

START_TEST(what_no_trigger_saw_is_of_the_user_who_wrote_it) {
  switch_to(ANI "1");
  add_customers(1, 1);
  drop_triggers();
  add_customers(2, 2);
  switch_to(BUDI "1");
  add_customers(3, 3);
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(model_count(&model, "customers"), 1);
  ck_assert_int_eq(queue_count("owner = 'ani' AND status = 'PENDING'"), 2);
  switch_to(ANI "2");
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(model_count(&model, "customers"), 3);
}
END_TEST

START_TEST(a_sign_out_counts_what_no_trigger_saw) {
  switch_to(ANI "1");
  drop_triggers();
  add_customers(1, 1);
  ck_assert_ptr_nonnull(strstr(log_out(0), "unsent changes of this user: 1"));
  ck_assert_ptr_nonnull(strstr(log_out(1), "\"unsent\":1"));
  ck_assert_int_eq(queue_count("owner = 'ani' AND status = 'PENDING'"), 1);
}
END_TEST

START_TEST(what_no_trigger_saw_is_not_taken_along_by_an_adoption) {
  int64_t taken = 0;
  switch_to(BUDI "1");
  device_run(&device, "UPDATE leadx_settings SET value = 'ani' WHERE key = 'user'");
  drop_triggers();
  add_customers(1, 1);
  ck_assert_int_eq(leadx_account_adopt(device.ctx, NULL, &taken, &device.ctx->err), SQLITE_OK);
  ck_assert_int_eq(taken, 0);
  ck_assert_int_eq(queue_count("owner = 'ani' AND status = 'PENDING'"), 1);
}
END_TEST

/* T11: the transaction in which the user changes finds nothing more. */
START_TEST(what_no_trigger_saw_is_found_before_the_user_changes) {
  int last = -1;
  switch_to(ANI "1");
  drop_triggers();
  add_customers(1, 900);
  sqlite3_commit_hook(device.db, note_commit, &last);
  sqlite3_update_hook(device.db, count_queued, NULL);
  switch_to(BUDI "1");
  sqlite3_commit_hook(device.db, NULL, NULL);
  sqlite3_update_hook(device.db, NULL, NULL);
  ck_assert_int_eq(queue_count("owner = 'ani' AND status = 'PENDING'"), 900);
  ck_assert_int_eq(last, 0);
}
END_TEST

START_TEST(the_pull_of_another_user_leaves_unsent_rows_alone) {
  switch_to(ANI "1");
  add_customers(1, 1);
  ck_assert_str_eq(device_both(&device), "ok");
  device_run(&device, "UPDATE customers SET name = 'unsent of ani' WHERE id = 'c0001'");
  switch_to(BUDI "1");
  model_put(&model, "customers", "c0001", "{\"id\":\"c0001\",\"name\":\"server\"}");
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_str_eq(device_reconcile(&device), "ok");
  ck_assert_str_eq(device_text(&device, "SELECT name FROM customers"), "unsent of ani");
  ck_assert_int_eq(queue_count("status = 'PENDING'"), 1);
}
END_TEST

START_TEST(what_was_written_before_the_first_sign_in_is_the_first_users) {
  add_customers(1, 2);
  switch_to(ANI "1");
  add_customers(3, 3);
  snprintf(gate.good, sizeof gate.good, ANI "1");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model_count(&model, "customers"), 3);
}
END_TEST

START_TEST(a_new_user_pulls_from_the_beginning_and_so_does_one_who_comes_back) {
  pages_put(&model, "customers",
            "{\"id\":\"s1\",\"name\":\"n\",\"updated_at\":\"2024-01-01T00:00:00+00:00\"}");
  const char *const tokens[] = {ANI "1", BUDI "1", ANI "2"};
  for (int i = 0; i < 3; i++) {
    switch_to(tokens[i]);
    model_forget_log(&model);
    ck_assert_str_eq(device_pull(&device, NULL), "ok");
    ck_assert_ptr_null(strstr(pages_url(&model, 0), "gte"));
  }
  model_forget_log(&model);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  ck_assert_ptr_nonnull(strstr(pages_url(&model, 0), "gte"));
}
END_TEST

/* As nobody one is shown nothing: everything would look deleted. */
START_TEST(a_file_that_has_a_user_is_not_synced_as_nobody) {
  switch_to(ANI "1");
  add_customers(1, 2);
  device_text(&device, "SELECT leadx_set_token(NULL)");
  model_forget_log(&model);
  ck_assert_str_eq(device_both(&device), "auth_required");
  ck_assert_str_eq(device_reconcile(&device), "auth_required");
  ck_assert_int_eq(model_seen(&model, NULL, "/customers"), 0);
  ck_assert_str_eq(auth(), "auth_required");
  ck_assert_ptr_nonnull(strstr(message(), "used by the user ani, and nobody is signed in"));
  gate.offline = 1;
  ck_assert_str_eq(device_both(&device), "offline");
}
END_TEST

START_TEST(a_sign_out_waits_for_unsent_rows_and_a_forced_one_keeps_them_for_their_user) {
  switch_to(ANI "1");
  add_customers(1, 2);
  ck_assert_ptr_nonnull(
      strstr(log_out(0), "unsent changes of this user: 2; call leadx_sync() first"));
  ck_assert_str_eq(auth(), "signed_in");
  gate.offline = 1;
  ck_assert_str_eq(log_out(1),
                   "{\"auth\":\"signed_out\",\"user\":\"ani\",\"unsent\":2,\"revoked\":false}");
  ck_assert_str_eq(auth(), "signed_out");
  add_customers(3, 3); /* whoever signs in next */
  ck_assert_int_eq(
      device_int(&device, "SELECT count(*) FROM leadx_queue WHERE error_code = 'owner'"), 2);
  switch_to(BUDI "1");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model_count(&model, "customers"), 1);
  gate.offline = 0;
  ck_assert_ptr_nonnull(strstr(log_out(0), "\"unsent\":0,\"revoked\":true"));
  switch_to(ANI "2");
  snprintf(gate.good, sizeof gate.good, "(none)");
  ck_assert_str_eq(device_sync(&device), "auth_required");
  ck_assert_int_eq(
      device_int(&device, "SELECT count(*) FROM leadx_queue WHERE error_code = 'owner'"),
      0); /* they wait for nobody any more */
  gate.good[0] = 0;
  switch_to(ANI "3");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model_count(&model, "customers"), 3);
  ck_assert_int_eq(queue_count("status = 'SYNCED'"), 3);
}
END_TEST

/* A person may try to hurry what is not his. */
START_TEST(a_retry_does_not_make_rows_of_another_user_ones_own) {
  switch_to(ANI "1");
  add_customers(1, 2);
  device_run(
      &device,
      "UPDATE sync_queue SET status = 'FAILED', error_code = '23514' WHERE entity_id = 'c0001'");
  switch_to(BUDI "1");
  device_text(&device, "SELECT leadx_retry()");
  device_text(&device, "SELECT leadx_retry((SELECT id FROM sync_queue WHERE entity_id = 'c0002'))");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model_count(&model, "customers"), 0);
  ck_assert_int_eq(
      device_int(
          &device,
          "SELECT count(*) FROM leadx_queue WHERE state = 'waiting' AND error_code = 'owner'"),
      2);
}
END_TEST

START_TEST(a_long_row_of_changes_of_another_user_is_passed_over_by_the_mark) {
  switch_to(ANI "1");
  add_customers(1, 500);
  switch_to(BUDI "1");
  add_customers(501, 502);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(
      device_int(&device,
                 "SELECT (SELECT max(rowid) FROM sync_queue) - rowid_below FROM leadx_mark"),
      0);
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM leadx_held"), 500);
  switch_to(ANI "2");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model_count(&model, "customers"), 502);
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM leadx_held"), 0);
}
END_TEST

/* ---- the suite ---- */

static TCase *with_device(Suite *suite, const char *name) {
  TCase *tcase = tcase_create(name);
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  suite_add_tcase(suite, tcase);
  return tcase;
}

static void add_refresh(Suite *suite) {
  TCase *tcase = with_device(suite, "refresh");
  tcase_add_loop_test(tcase, a_token_that_expires_mid_batch_is_renewed_once_and_the_push_goes_on, 0,
                      6);
  tcase_add_loop_test(tcase, a_token_that_expires_between_two_pages_is_renewed_and_the_pull_goes_on,
                      0, 5);
  tcase_add_test(tcase, steps_of_one_request_find_the_new_token_and_come_to_an_end);
  tcase_add_test(tcase, a_dead_refresh_token_ends_in_auth_required_and_is_not_tried_again);
  tcase_add_test(tcase, a_refresh_without_a_network_is_offline_and_keeps_the_refresh_token);
  tcase_add_test(tcase, a_new_token_that_is_refused_too_ends_the_sync_after_one_refresh);
  tcase_add_test(tcase, a_token_of_somebody_else_is_not_taken_for_a_refreshed_one);
  tcase_add_test(tcase, without_a_refresh_token_a_refused_one_says_what_to_do);
  tcase_add_loop_test(tcase, a_token_is_renewed_by_its_age_whatever_the_clock_says, 0, 3);
  tcase_add_test(tcase, the_age_of_a_token_from_elsewhere_is_told_by_the_servers_clock);
  tcase_add_test(tcase, a_refresh_token_that_died_meanwhile_ends_the_run_and_not_in_a_circle);
  tcase_add_test(tcase, a_token_that_lives_no_time_is_renewed_once_a_request_at_most);
  tcase_add_test(tcase, of_several_connections_one_refreshes_and_all_have_the_new_token);
  tcase_add_test(tcase, a_refresh_that_never_ends_is_given_up);
}

static void add_account(Suite *suite) {
  TCase *tcase = with_device(suite, "account");
  tcase_add_test(tcase, two_users_whose_names_begin_alike_are_two_users);
  tcase_add_test(tcase, a_token_of_another_project_is_refused_and_changes_nothing);
  tcase_add_test(tcase, a_sign_in_answers_user_and_expiry_and_no_token);
  tcase_add_test(tcase, a_sign_in_that_fails_changes_nothing);
  tcase_add_test(tcase, a_sign_in_keeps_out_of_transactions_and_takes_no_nonsense);
  tcase_add_test(tcase, rows_of_one_user_are_never_sent_as_another);
  tcase_add_test(tcase, what_no_trigger_saw_is_of_the_user_who_wrote_it);
  tcase_add_test(tcase, a_sign_out_counts_what_no_trigger_saw);
  tcase_add_test(tcase, what_no_trigger_saw_is_not_taken_along_by_an_adoption);
  tcase_add_test(tcase, what_no_trigger_saw_is_found_before_the_user_changes);
  tcase_add_test(tcase, the_pull_of_another_user_leaves_unsent_rows_alone);
  tcase_add_test(tcase, what_was_written_before_the_first_sign_in_is_the_first_users);
  tcase_add_test(tcase, a_new_user_pulls_from_the_beginning_and_so_does_one_who_comes_back);
  tcase_add_test(tcase, a_file_that_has_a_user_is_not_synced_as_nobody);
  tcase_add_test(tcase,
                 a_sign_out_waits_for_unsent_rows_and_a_forced_one_keeps_them_for_their_user);
  tcase_add_test(tcase, a_retry_does_not_make_rows_of_another_user_ones_own);
  tcase_add_test(tcase, a_long_row_of_changes_of_another_user_is_passed_over_by_the_mark);
}

Suite *test_auth_suite(void) {
  Suite *suite = suite_create("auth");
  add_refresh(suite);
  add_account(suite);
  return suite;
}
