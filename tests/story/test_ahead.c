/* What travels while something else is done: the next page while this one is applied, the next
** batch while the last one's answer is settled. When it is sent, when not, and what becomes of
** it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_transport.h"
#include "pages.h"
#include "suites.h"

static model_server model;
static push_device device;

/* ---- a transport that looks who uses it, and when ---- */

static leadx_transport watch, *below;
static int in_flight, commits_meanwhile, most_in_flight, starts;
static void (*before_start)(void);

static void expect_no_transaction(void) {
  ck_assert_msg(sqlite3_get_autocommit(device.db), "the network is used inside a transaction");
}

static int watch_start(leadx_transport *self, leadx_request *req, leadx_err *err) {
  (void)self;
  expect_no_transaction();
  starts++;
  if (before_start) before_start();
  int rc = below->start(below, req, err);
  if (rc == SQLITE_OK && ++in_flight > most_in_flight) most_in_flight = in_flight;
  return rc;
}

static leadx_request *watch_wait(leadx_transport *self, int timeout_ms) {
  (void)self;
  expect_no_transaction();
  leadx_request *done = below->wait(below, timeout_ms);
  if (done) in_flight--;
  return done;
}

static void watch_cancel(leadx_transport *self) {
  (void)self;
  below->cancel(below);
}

static void watch_free(leadx_transport *self) {
  (void)self;
  ck_assert_int_eq(in_flight, 0);
  below->free(below);
}

static leadx_transport *open_watch(void *arg, const leadx_http_limits *limits, leadx_err *err) {
  (void)arg, (void)limits, (void)err;
  below = fake_transport_open(model_respond, &model);
  watch = (leadx_transport){watch_start, watch_wait, watch_cancel, watch_free};
  return &watch;
}

static int note_commit(void *arg) {
  (void)arg;
  commits_meanwhile += in_flight > 0;
  return 0;
}

static const char *run_with(leadx_sync_options options) {
  static char result[1200];
  options.trigger = "test";
  options.open_transport = open_watch;
  in_flight = commits_meanwhile = most_in_flight = starts = 0;
  device_prepare(&device);
  leadx_err_clear(&device.ctx->err);
  char *text = leadx_sync_report(device.ctx, &options, &device.ctx->err);
  leadx_db_release(&device.ctx->db);
  snprintf(result, sizeof result, "%s", text ? text : device.ctx->err.text);
  sqlite3_free(text);
  return result;
}

static const char *run(int64_t budget) {
  return run_with((leadx_sync_options){
      .who = "leadx_pull", .without_push = 1, .with_pull = 1, .request_budget = budget});
}

static const char *push(void) {
  return run_with((leadx_sync_options){.who = "leadx_push", .request_budget = -1});
}

static void expect_state(const char *result, const char *state) {
  char wanted[60];
  snprintf(wanted, sizeof wanted, "\"state\":\"%s\"", state);
  ck_assert_msg(strstr(result, wanted) != NULL, "%s", result);
}

/* ---- the server's rows ---- */

static void set_up(void) {
  model_open(&model);
  pages_open(&model);
  device_open(&device, &model);
  device_run(&device, "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, body TEXT, updated_at "
                      "TEXT); SELECT leadx_track('notes')");
  device_text(&device, "SELECT leadx_config('page_size', '300')");
  sqlite3_commit_hook(device.db, note_commit, NULL);
}

static void tear_down(void) {
  before_start = NULL;
  sqlite3_commit_hook(device.db, NULL, NULL);
  device_close(&device);
  model_close(&model);
}

static void server_rows(int n, int body_bytes) {
  char sql[400];
  snprintf(sql, sizeof sql,
           "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
           " INSERT INTO rows SELECT 'notes', printf('n%%05d', i), json_object('id', "
           "printf('n%%05d', i), 'body', hex(zeroblob(%d)),"
           " 'updated_at', printf('2024-01-01T00:00:00.%%06d+00:00', i)) FROM n",
           n, body_bytes / 2);
  run_on(model.db, sql);
}

static int local_rows(void) { return device_int(&device, "SELECT count(*) FROM notes"); }

/* ---- tests ---- */

START_TEST(the_next_page_is_asked_for_before_this_one_is_applied) {
  server_rows(750, 20);
  expect_state(run(-1), "ok");
  ck_assert_int_eq(local_rows(), 750);
  ck_assert_int_eq(commits_meanwhile, 2);
  ck_assert_int_eq(most_in_flight, 1);
  /* Three pages, the empty one, the empty one of rows without a version: none that was not asked
  ** for before. */
  ck_assert_int_eq(model_seen(&model, "GET", "/notes?"), 5);
}
END_TEST

START_TEST(a_step_sends_nothing_ahead) {
  server_rows(750, 20);
  for (int i = 0; i < 3; i++) run(1);
  ck_assert_int_eq(local_rows(), 750);
  ck_assert_int_eq(commits_meanwhile, 0);
}
END_TEST

/* Two of them in memory would be too much; and few rows are in before an answer could come. */
START_TEST(behind_a_page_of_many_bytes_or_few_rows_nothing_is_sent_before_it_is_applied) {
  static const struct page {
    const char *size;
    int rows, bytes;
  } pages[] = {{"300", 600, 20000}, {"100", 300, 20}};
  char sql[80];
  snprintf(sql, sizeof sql, "SELECT leadx_config('page_size', '%s')", pages[_i].size);
  device_text(&device, sql);
  server_rows(pages[_i].rows, pages[_i].bytes);
  expect_state(run(-1), "ok");
  ck_assert_int_eq(local_rows(), pages[_i].rows);
  ck_assert_int_eq(commits_meanwhile, 0);
}
END_TEST

static int time_out_once(leadx_request *req) {
  static int done;
  if (done || !strstr(req->url, "n00300")) return 0;
  done = 1;
  fake_fail(req, LEADX_NET_OFFLINE, 28, "time-out");
  return 1;
}

START_TEST(what_ran_out_of_time_while_nobody_listened_is_asked_for_again) {
  server_rows(750, 20);
  pages_before = time_out_once;
  expect_state(run(-1), "ok");
  ck_assert_int_eq(local_rows(), 750);
  ck_assert_int_eq(model_seen(&model, "GET", "/notes?"), 6);
}
END_TEST

static int lose_the_network(leadx_request *req) {
  if (!strstr(req->url, "n00300")) return 0;
  fake_fail(req, LEADX_NET_OFFLINE, 7, "no route");
  return 1;
}

START_TEST(a_page_that_does_not_come_keeps_the_one_before_it) {
  server_rows(750, 20);
  pages_before = lose_the_network;
  expect_state(run(-1), "offline");
  ck_assert_int_eq(local_rows(), 300);
  pages_before = NULL;
  expect_state(run(-1), "ok");
  ck_assert_int_eq(local_rows(), 750);
}
END_TEST

START_TEST(a_page_that_cannot_be_applied_gives_the_next_one_up) {
  server_rows(750, 20);
  run_on(device.db, "CREATE TRIGGER boom AFTER INSERT ON notes WHEN NEW.id = 'n00005' BEGIN SELECT "
                    "RAISE(ROLLBACK, 'no'); END");
  ck_assert_ptr_null(strstr(run(-1), "\"state\""));
  ck_assert_int_eq(local_rows(), 0);
  ck_assert_int_eq(most_in_flight, 1);
  run_on(device.db, "DROP TRIGGER boom");
  expect_state(run(-1), "ok");
  ck_assert_int_eq(local_rows(), 750);
}
END_TEST

/* ---- the connection meanwhile ---- */

static int synchronous_meanwhile;

static void look_at_the_connection(leadx_request *req) {
  (void)req;
  synchronous_meanwhile = device_int(&device, "PRAGMA synchronous");
}

static const struct mode {
  const char *journal, *synchronous;
  int meanwhile, behind;
} modes[] = {
    {"wal", "FULL", 1, 2}, {"wal", "EXTRA", 1, 3}, {"wal", "OFF", 0, 0}, {"delete", "FULL", 2, 2}};

START_TEST(pages_need_not_reach_the_disk_one_by_one_and_the_setting_comes_back) {
  char sql[120];
  snprintf(sql, sizeof sql,
           "PRAGMA journal_mode = %s; PRAGMA synchronous = %s; PRAGMA cache_size = 100",
           modes[_i].journal, modes[_i].synchronous);
  device_run(&device, sql);
  server_rows(750, 20);
  pages_after = look_at_the_connection;
  expect_state(run(-1), "ok");
  ck_assert_int_eq(synchronous_meanwhile, modes[_i].meanwhile);
  ck_assert_int_eq(device_int(&device, "PRAGMA synchronous"), modes[_i].behind);
  ck_assert_int_eq(device_int(&device, "PRAGMA cache_size"), 100);
}
END_TEST

/* ---- batches ---- */

/* Batches of ten rows, which may get as large as that. */
static void queue_rows(int n, const char *batch_max) {
  char sql[200];
  snprintf(sql, sizeof sql, "SELECT leadx_config('batch_max', '%s')", batch_max);
  device_text(&device, sql);
  snprintf(sql, sizeof sql,
           "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT "
           "INTO notes SELECT printf('m%%05d', i), 'b', NULL FROM n",
           n);
  device_run(&device, sql);
}

static int synced(void) {
  return device_int(&device, "SELECT count(*) FROM sync_queue WHERE status = 'SYNCED'");
}

static int synced_at_start[20];

static void note_synced(void) {
  if (starts < 20) synced_at_start[starts] = synced();
}

START_TEST(the_next_batches_leave_before_the_answers_are_settled) {
  queue_rows(60, "10");
  before_start = note_synced;
  expect_state(push(), "ok");
  ck_assert_int_eq(synced(), 60);
  ck_assert_int_eq(most_in_flight, 3);
  ck_assert_int_eq(starts, 6);
  /* The first three were answered at once, and all of the rest had left when they were settled. */
  for (int i = 4; i <= 6; i++) ck_assert_int_eq(synced_at_start[i], 0);
}
END_TEST

static int in_flight_at_start[20];

static void note_in_flight(void) {
  if (starts < 20) in_flight_at_start[starts] = in_flight;
}

/* 10, 20, 40 and what is left. */
START_TEST(while_batches_grow_one_goes_at_a_time_and_the_last_one_does_not_wait) {
  queue_rows(100, "1000");
  before_start = note_in_flight;
  expect_state(push(), "ok");
  ck_assert_int_eq(synced(), 100);
  ck_assert_int_eq(starts, 4);
  for (int i = 1; i <= 4; i++) ck_assert_int_eq(in_flight_at_start[i], i == 4);
}
END_TEST

static int refuse_for_now(leadx_request *req) {
  fake_answer(req, 503, "{\"code\":\"PGRST001\",\"message\":\"no connection\"}");
  return 1;
}

static int spoil(void *ctx, leadx_request *req) { return (void)ctx, refuse_for_now(req); }

START_TEST(behind_a_bad_answer_no_batch_leaves) {
  queue_rows(60, "10");
  model.before = spoil;
  expect_state(push(), "throttled");
  ck_assert_int_eq(starts, 3);
  ck_assert_int_eq(synced(), 0);
  ck_assert_int_eq(
      device_int(&device,
                 "SELECT count(*) FROM sync_queue WHERE status = 'PENDING' AND retry_count = 0"),
      60);
  model.before = NULL;
  expect_state(push(), "ok");
  ck_assert_int_eq(model_count(&model, "notes"), 60);
}
END_TEST

static int level, claims, acks;

static int note_statement(unsigned what, void *arg, void *stmt, void *text) {
  const char *sql = text;
  (void)what, (void)arg, (void)stmt;
  if (strncmp(sql, "PRAGMA main.synchronous = ", 26) == 0) level = atoi(sql + 26);
  claims += level == 2 && strstr(sql, "SET status = 'IN_PROGRESS'") != NULL;
  acks += level == 1 && strstr(sql, "SET status = 'SYNCED'") != NULL;
  return 0;
}

/* What may have been sent must be known after a power cut; that an answer came need not be. */
START_TEST(a_claim_reaches_the_disk_and_an_ack_may_come_later) {
  device_run(&device, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  queue_rows(30, "10");
  level = 2;
  claims = acks = 0;
  sqlite3_trace_v2(device.db, SQLITE_TRACE_STMT, note_statement, NULL);
  expect_state(push(), "ok");
  sqlite3_trace_v2(device.db, 0, NULL, NULL);
  ck_assert_int_eq(claims, 30);
  ck_assert_int_eq(acks, 30);
  ck_assert_int_eq(level, 2);
}
END_TEST

static int decided, undurable;

static int note_decision(unsigned what, void *arg, void *stmt, void *text) {
  const char *sql = text;
  note_statement(what, arg, stmt, text);
  if (strstr(sql, "INSERT INTO main.sync_conflicts")) decided = undurable = 1;
  if (strcmp(sql, "COMMIT") == 0 && level == 2) undurable = 0;
  return 0;
}

static void expect_durable(void) {
  ck_assert_msg(!undurable, "a decision is carried out that a power cut may take");
}

START_TEST(a_decision_reaches_the_disk_before_it_is_carried_out) {
  device_run(&device, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  device_text(&device, "SELECT leadx_track('notes', '{\"policy\":\"client\"}')");
  server_rows(1, 2);
  expect_state(run(-1), "ok");
  device_run(&device, "UPDATE notes SET body = 'mine'");
  model_put(&model, "notes", "n00001", "{\"id\":\"n00001\",\"body\":\"theirs\"}");
  level = 2;
  decided = undurable = 0;
  before_start = expect_durable;
  sqlite3_trace_v2(device.db, SQLITE_TRACE_STMT, note_decision, NULL);
  expect_state(push(), "ok");
  sqlite3_trace_v2(device.db, 0, NULL, NULL);
  ck_assert_int_eq(decided, 1);
  ck_assert_str_eq(model_value(&model, "notes", "n00001", "body"), "mine");
}
END_TEST

Suite *test_ahead_suite(void) {
  Suite *suite = suite_create("ahead");
  TCase *tc = tcase_create("ahead");
  tcase_add_checked_fixture(tc, set_up, tear_down);
  tcase_add_test(tc, the_next_batches_leave_before_the_answers_are_settled);
  tcase_add_test(tc, while_batches_grow_one_goes_at_a_time_and_the_last_one_does_not_wait);
  tcase_add_test(tc, behind_a_bad_answer_no_batch_leaves);
  tcase_add_test(tc, a_claim_reaches_the_disk_and_an_ack_may_come_later);
  tcase_add_test(tc, a_decision_reaches_the_disk_before_it_is_carried_out);
  tcase_add_test(tc, the_next_page_is_asked_for_before_this_one_is_applied);
  tcase_add_test(tc, a_step_sends_nothing_ahead);
  tcase_add_loop_test(
      tc, behind_a_page_of_many_bytes_or_few_rows_nothing_is_sent_before_it_is_applied, 0, 2);
  tcase_add_test(tc, what_ran_out_of_time_while_nobody_listened_is_asked_for_again);
  tcase_add_test(tc, a_page_that_does_not_come_keeps_the_one_before_it);
  tcase_add_test(tc, a_page_that_cannot_be_applied_gives_the_next_one_up);
  tcase_add_loop_test(tc, pages_need_not_reach_the_disk_one_by_one_and_the_setting_comes_back, 0,
                      (int)(sizeof modes / sizeof modes[0]));
  suite_add_tcase(suite, tc);
  return suite;
}
