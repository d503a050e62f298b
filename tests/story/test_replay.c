/* Answers that get lost, requests that arrive twice, colleagues who write at the same time: the
** push over a model of the server. Names like B2 are the known ways to lose data that a test stands
** against. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/instant.h"
#include "fake_transport.h"
#include "functions.h"
#include "pages.h"
#include "suites.h"

static model_server model;
static push_device device;

static void set_up(void) {
  model_open(&model);
  device_open(&device, &model);
  device_run(
      &device,
      "CREATE TABLE customers(id TEXT PRIMARY KEY NOT NULL, name TEXT, city TEXT, updated_at TEXT);"
      "SELECT leadx_track('customers')");
}

/* The same with the functions of the server. */
static void set_up_called(void) {
  set_up();
  functions_open(&model);
  functions_know(&device);
}

static void tear_down(void) {
  ck_assert_int_eq(model_unfiltered(&model), 0); /* B11 */
  device_close(&device);
  model_close(&model);
}

static int queue_count(const char *where) {
  char sql[300];
  snprintf(sql, sizeof sql, "SELECT count(*) FROM sync_queue WHERE %s", where);
  return device_int(&device, sql);
}

static const char *on_server(const char *column) {
  return model_value(&model, "customers", "c1", column);
}
static const char *at_home(const char *column) {
  char sql[100];
  snprintf(sql, sizeof sql, "SELECT %s FROM customers WHERE id = 'c1'", column);
  return device_text(&device, sql);
}
static int conflicts(void) { return device_int(&device, "SELECT count(*) FROM sync_conflicts"); }

static void synced_customer(void) {
  device_run(&device, "INSERT INTO customers VALUES ('c1', 'Ani', 'Solo', NULL)");
  ck_assert_str_eq(device_sync(&device), "ok");
  model_forget_log(&model);
}

/* ---- faults ---- */

static int faults_left;

/* The server does it, and the answer is lost. */
static int lose_answer(void *ctx, leadx_request *req) {
  (void)ctx;
  if (strcmp(req->method, "GET") == 0 || faults_left-- <= 0) return 0;
  model_deliver(&model, req);
  fake_fail(req, LEADX_NET_OFFLINE, 52, "the answer was lost");
  return 1;
}

static int deliver_twice(void *ctx, leadx_request *req) {
  (void)ctx;
  if (strcmp(req->method, "GET") == 0) return 0;
  model_deliver(&model, req);
  model_deliver(&model, req);
  return 1;
}

static void lose_next_answer(void) {
  faults_left = 1;
  model.before = lose_answer;
  ck_assert_str_eq(device_sync(&device), "offline");
}

/* ---- replays ---- */

/* B1 */
START_TEST(a_create_whose_answer_was_lost_is_recognised_as_our_own) {
  device_run(&device, "INSERT INTO customers VALUES ('c1', 'Ani', 'Solo', NULL)");
  lose_next_answer();
  ck_assert_int_eq(queue_count("status = 'PENDING' AND retry_count = 0"), 1);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model_count(&model, "customers"), 1);
  ck_assert_int_eq(queue_count("status = 'SYNCED'"), 1);
  ck_assert_int_eq(conflicts(), 0);
}
END_TEST

/* B1, B5: what was edited after a lost answer. Each edit goes over the same lost CREATE. */
static const struct lost_edit {
  const char *sql, *name, *city;
} lost_edits[] = {
    {"UPDATE customers SET name = 'Budi'", "Budi", "Solo"},
    {"UPDATE customers SET name = 'Budi'; UPDATE customers SET name = 'Ani'", "Ani", "Solo"},
    {"DELETE FROM customers", "(no row)", "(no row)"},
    {"DELETE FROM customers; INSERT INTO customers VALUES ('c1', 'Citra', 'Bogor', NULL)", "Citra",
     "Bogor"},
};

START_TEST(an_edit_after_a_create_whose_answer_was_lost_wins) {
  /* The server's clock is ahead, so that its stamps look newer than any edit. */
  model.clock_us += (int64_t)3600 * 1000000;
  device_run(&device, "INSERT INTO customers VALUES ('c1', 'Ani', 'Solo', NULL)");
  lose_next_answer();
  device_run(&device, lost_edits[_i].sql);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(on_server("name"), lost_edits[_i].name);
  ck_assert_str_eq(on_server("city"), lost_edits[_i].city);
  ck_assert_int_eq(queue_count("status <> 'SYNCED'"), 0);
  ck_assert_int_eq(conflicts(), 0);
}
END_TEST

/* B1, B2 */
static const struct lost_edit update_edits[] = {
    {"SELECT 1", "Budi", "Solo"},
    {"UPDATE customers SET name = 'Citra'", "Citra", "Solo"},
    {"UPDATE customers SET name = 'Ani'", "Ani", "Solo"}, /* back to what the server had before */
    {"UPDATE customers SET city = 'Bogor'", "Budi", "Bogor"},
    {"DELETE FROM customers", "(no row)", "(no row)"},
    {"DELETE FROM customers; INSERT INTO customers VALUES ('c1', 'Dewi', 'Solo', NULL)", "Dewi",
     "Solo"},
};

START_TEST(an_edit_after_an_update_whose_answer_was_lost_wins) {
  model.clock_us += (int64_t)3600 * 1000000;
  synced_customer();
  device_run(&device, "UPDATE customers SET name = 'Budi'");
  lose_next_answer();
  device_run(&device, update_edits[_i].sql);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(on_server("name"), update_edits[_i].name);
  ck_assert_str_eq(on_server("city"), update_edits[_i].city);
  ck_assert_int_eq(queue_count("status <> 'SYNCED'"), 0);
  ck_assert_int_eq(conflicts(), 0);
}
END_TEST

/* B2: the answer to our write was lost, then a colleague wrote; the replay must not undo that. */
START_TEST(a_replay_never_overwrites_what_a_colleague_wrote_since) {
  model.clock_us += (int64_t)3600 * 1000000;
  synced_customer();
  device_run(&device, "UPDATE customers SET name = 'Budi'");
  lose_next_answer();
  model_put(&model, "customers", "c1", "{\"id\":\"c1\",\"name\":\"Zul\",\"city\":\"Solo\"}");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(on_server("name"), "Zul");
  ck_assert_str_eq(at_home("name"), "Zul");
}
END_TEST

START_TEST(a_delete_whose_answer_was_lost_is_done) {
  synced_customer();
  device_run(&device, "DELETE FROM customers");
  lose_next_answer();
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(queue_count("status = 'SYNCED'"), 2);
}
END_TEST

/* B3: libcurl sends a request again on its own. */
START_TEST(requests_that_arrive_twice_change_nothing) {
  model.before = deliver_twice;
  device_run(
      &device,
      "INSERT INTO customers VALUES ('c1', 'Ani', 'Solo', NULL), ('c2', 'Eka', 'Solo', NULL)");
  ck_assert_str_eq(device_sync(&device), "ok");
  device_run(
      &device,
      "UPDATE customers SET name = 'Budi' WHERE id = 'c1'; DELETE FROM customers WHERE id = 'c2'");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(on_server("name"), "Budi");
  ck_assert_int_eq(model_count(&model, "customers"), 1);
  ck_assert_int_eq(queue_count("status = 'SYNCED'"), 4);
  ck_assert_int_eq(conflicts(), 0);
}
END_TEST

static int refuse_second(void *ctx, leadx_request *req) {
  (void)ctx;
  if (faults_left-- > 0) {
    model_deliver(&model, req);
    fake_fail(req, LEADX_NET_OFFLINE, 52, "the answer was lost");
  } else {
    fake_fail(req, LEADX_NET_OFFLINE, 7, "connection refused");
  }
  return 1;
}

/* B1, B16: one request of a sync never left, another did: what left stays marked. */
START_TEST(a_refused_connection_does_not_forget_what_another_request_carried) {
  device_run(
      &device,
      "INSERT INTO customers VALUES ('c1', 'Ani', 'Solo', NULL), ('c2', 'Eka', 'Solo', NULL)");
  device_text(&device, "SELECT leadx_config('batch_size', '1')");
  faults_left = 1;
  model.before = refuse_second;
  ck_assert_str_eq(device_sync(&device), "offline");
  ck_assert_int_ge(queue_count("sent_at IS NOT NULL"), 1);
  model.before = NULL;
  device_run(&device, "DELETE FROM customers");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model_count(&model, "customers"), 0);
}
END_TEST

static int refuse_all(void *ctx, leadx_request *req) {
  (void)ctx;
  fake_fail(req, LEADX_NET_OFFLINE, 7, "connection refused");
  return 1;
}

/* A connection that was kept took the request along when it died, and there was no other. */
static int lose_connection(void *ctx, leadx_request *req) {
  (void)ctx;
  if (strcmp(req->method, "GET") == 0 || faults_left-- <= 0) return 0;
  int64_t bytes = req->bytes_out;
  model_deliver(&model, req);
  fake_fail(req, LEADX_NET_OFFLINE, 7, "connection refused");
  req->bytes_out = bytes;
  return 1;
}

/* B1, B16 */
START_TEST(what_a_dead_connection_took_along_stays_marked_as_sent) {
  device_run(&device, "INSERT INTO customers VALUES ('c1', 'Ani', 'Solo', NULL)");
  faults_left = 1;
  model.before = lose_connection;
  ck_assert_str_eq(device_sync(&device), "offline");
  ck_assert_int_eq(queue_count("sent_at IS NOT NULL AND status = 'PENDING'"), 1);
  device_run(&device, "UPDATE customers SET name = 'Budi'");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(on_server("name"), "Budi");
  ck_assert_int_eq(conflicts(), 0);
}
END_TEST

/* B16 */
START_TEST(what_never_left_is_not_marked_as_sent) {
  device_run(&device, "INSERT INTO customers VALUES ('c1', 'Ani', 'Solo', NULL)");
  model.before = refuse_all;
  ck_assert_str_eq(device_sync(&device), "offline");
  ck_assert_int_eq(queue_count("sent_at IS NULL AND status = 'PENDING'"), 1);
  device_run(&device, "DELETE FROM customers");
  model_forget_log(&model);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model.n, 0);
}
END_TEST

static long refused_with;
static int refuse_with(void *ctx, leadx_request *req) {
  (void)ctx;
  fake_answer(req, refused_with,
              refused_with == 401 ? "{\"code\":\"PGRST301\",\"message\":\"JWT expired\"}"
                                  : "{\"message\":\"slow down\"}");
  return 1;
}

/* A row that the server refused to look at is not there because of us: whoever made it meanwhile,
** and whatever we would have taken for our own, is a conflict and not a later edit of ours. */
START_TEST(what_was_refused_unseen_is_not_marked_as_sent) {
  static const long statuses[] = {401, 429};
  refused_with = statuses[_i];
  device_run(&device, "INSERT INTO customers VALUES ('c1', 'Ani', 'Solo', NULL)");
  model.before = refuse_with;
  device_sync(&device);
  ck_assert_int_eq(queue_count("sent_at IS NULL AND status = 'PENDING' AND retry_count = 0"), 1);
  /* An answer that was lost before stays one. */
  device_run(&device, "UPDATE sync_queue SET sent_at = '2020-01-01T00:00:00Z'");
  device_sync(&device);
  ck_assert_int_eq(queue_count("sent_at = '2020-01-01T00:00:00Z'"), 1);
}
END_TEST

/* B30: two copies of one file are two devices. */
START_TEST(the_same_row_made_on_two_devices_is_compared_and_not_swallowed) {
  model_put(&model, "customers", "c1", "{\"id\":\"c1\",\"name\":\"Ani\",\"city\":\"Solo\"}");
  device_run(&device, "INSERT INTO customers VALUES ('c1', 'Ani', 'Solo', NULL)");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(conflicts(), 0);
  model_put(&model, "customers", "c2", "{\"id\":\"c2\",\"name\":\"Eka\",\"city\":\"Solo\"}");
  device_text(&device, "SELECT leadx_config('policy', 'server')");
  device_run(&device, "INSERT INTO customers VALUES ('c2', 'other', 'Solo', NULL)");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM sync_conflicts WHERE winner = "
                                       "'server' AND client_payload LIKE '%other%'"),
                   1);
  ck_assert_str_eq(device_text(&device, "SELECT name FROM customers WHERE id = 'c2'"), "Eka");
}
END_TEST

/* ---- colleagues ---- */

/* B13 */
START_TEST(two_people_who_edit_two_columns_both_keep_their_edit) {
  synced_customer();
  model_put(&model, "customers", "c1", "{\"id\":\"c1\",\"name\":\"Zul\",\"city\":\"Solo\"}");
  device_run(&device, "UPDATE customers SET city = 'Bogor'");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(on_server("name"), "Zul");
  ck_assert_str_eq(on_server("city"), "Bogor");
  ck_assert_str_eq(at_home("name"), "Zul");
  ck_assert_int_eq(conflicts(), 0);
}
END_TEST

/* The seed's rule. offset: the server's edit in seconds after ours. */
static const struct timed {
  int offset_s;
  const char *name, *winner;
} timed[] = {{-100, "ours", "client"}, {100, "theirs", "server"}, {0, "theirs", NULL}};

START_TEST(the_newer_edit_of_one_column_wins_and_a_tie_asks) {
  synced_customer();
  device_run(&device, "UPDATE customers SET name = 'ours'; INSERT INTO customers VALUES ('c2', "
                      "'Eka', 'Solo', NULL)");
  device_run(&device,
             "UPDATE sync_queue SET created_at = '2030-01-01 00:00:00' WHERE status = 'PENDING'");
  int64_t edit_us = 0;
  ck_assert_int_eq(leadx_instant_parse("2030-01-01T00:00:00Z", 20, &edit_us), 0);
  model.clock_us = edit_us + (int64_t)timed[_i].offset_s * 1000000 - 1;
  model_put(&model, "customers", "c1", "{\"id\":\"c1\",\"name\":\"theirs\",\"city\":\"Solo\"}");
  device_sync(&device);
  ck_assert_str_eq(on_server("name"), timed[_i].name);
  ck_assert_str_eq(at_home("name"), timed[_i].winner && _i == 1 ? "theirs" : "ours");
  ck_assert_int_eq(device_result(&device, "conflicts"), 1);
  const char *winner = device_text(&device, "SELECT ifnull(winner, 'open') FROM sync_conflicts");
  ck_assert_str_eq(winner, timed[_i].winner ? timed[_i].winner : "open");
  ck_assert_int_eq(conflicts(), 1);
  ck_assert_int_eq(device_int(&device, "SELECT client_payload LIKE '%ours%' AND server_payload "
                                       "LIKE '%theirs%' FROM sync_conflicts"),
                   1);
  ck_assert_str_eq(device_text(&device, "SELECT \"column\" || ' ' || base || ' ' || client || ' ' "
                                        "|| server FROM leadx_conflicts"),
                   "name Ani ours theirs");
  /* Only that row is held. */
  ck_assert_str_eq(model_value(&model, "customers", "c2", "name"), "Eka");
  ck_assert_int_eq(queue_count("status = 'PENDING'"), timed[_i].winner ? 0 : 1);
}
END_TEST

START_TEST(a_row_with_an_open_question_waits_and_is_asked_about_once) {
  device_text(&device, "SELECT leadx_config('policy', 'manual')");
  synced_customer();
  model_put(&model, "customers", "c1", "{\"id\":\"c1\",\"name\":\"theirs\",\"city\":\"Solo\"}");
  device_run(&device, "UPDATE customers SET name = 'ours'");
  device_sync(&device);
  ck_assert_str_eq(device_text(&device, "SELECT state FROM leadx_queue WHERE status = 'PENDING'"),
                   "conflict");
  device_run(&device, "UPDATE customers SET name = 'ours again'");
  model_forget_log(&model);
  device_sync(&device);
  device_sync(&device);
  ck_assert_int_eq(model.n, 0);
  ck_assert_int_eq(conflicts(), 1);
  ck_assert_int_eq(queue_count("status = 'PENDING'"), 2);
}
END_TEST

static model_server *race_model;
static int colleague_writes_between(void *ctx, leadx_request *req) {
  (void)ctx;
  if (strcmp(req->method, "GET") == 0 || faults_left-- <= 0) return 0;
  char doc[100];
  snprintf(doc, sizeof doc, "{\"id\":\"c1\",\"name\":\"Ani\",\"city\":\"city %d\"}", faults_left);
  model_put(race_model, "customers", "c1", doc);
  return 0;
}

/* A colleague who writes before each of our tries: we go on a few rounds, then leave it for the
** next sync. */
START_TEST(a_row_that_changes_at_every_try_is_left_for_later_and_not_forced) {
  synced_customer();
  race_model = &model;
  faults_left = 100;
  model.before = colleague_writes_between;
  device_run(&device, "UPDATE customers SET name = 'Budi'");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(queue_count("status = 'PENDING' AND retry_count = 0"), 1);
  ck_assert_int_le(model.n, 20);
  model.before = NULL;
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(on_server("name"), "Budi");
  ck_assert_str_eq(at_home("city"), on_server("city"));
}
END_TEST

/* ---- gone, hidden, resurrected ---- */

/* B10, B15 */
START_TEST(an_edit_of_a_row_deleted_on_the_server_does_not_raise_it_from_the_dead) {
  synced_customer();
  model_remove(&model, "customers", "c1");
  device_run(&device, "UPDATE customers SET name = 'Budi';"
                      "INSERT INTO leadx_parked(entity, key, refused, reason) VALUES ('customer', "
                      "'c1', 0, 'deleted on the server while a local change is unsent')");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model_count(&model, "customers"), 0);
  ck_assert_int_eq(model_seen(&model, "POST", "/customers"), 0);
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM customers"), 0);
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM sync_conflicts WHERE client_payload "
                                       "LIKE '%Budi%' AND winner = 'server'"),
                   1);
  ck_assert_int_eq(queue_count("error_code = 'deleted' AND status = 'SYNCED'"), 1);
}
END_TEST

/* G4: without a tombstone nobody can tell a row that is gone from one that is hidden. */
START_TEST(an_edit_of_a_row_that_is_not_shown_is_kept) {
  synced_customer();
  model_remove(&model, "customers", "c1");
  device_run(&device, "UPDATE customers SET name = 'Budi'");
  for (int i = 0; i < 2; i++) ck_assert_str_eq(device_sync(&device), "partial");
  ck_assert_str_eq(at_home("name"), "Budi");
  ck_assert_int_eq(conflicts(), 0);
  ck_assert_int_eq(queue_count("error_code = 'forbidden' AND status = 'FAILED'"), 1);
}
END_TEST

/* A row that was deleted here and made again is wanted, whoever deleted it on the server. */
START_TEST(a_row_made_again_is_inserted_when_the_server_has_none) {
  synced_customer();
  model_remove(&model, "customers", "c1");
  device_run(&device,
             "DELETE FROM customers; INSERT INTO customers VALUES ('c1', 'Citra', 'Bogor', NULL)");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(on_server("name"), "Citra");
  ck_assert_str_eq(on_server("city"), "Bogor");
  ck_assert_str_eq(at_home("name"), "Citra");
  ck_assert_int_eq(queue_count("status <> 'SYNCED'"), 0);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(conflicts(), 0);
}
END_TEST

/* B15, the other order: our delete, their edit. The delete wins, what it lost is kept. */
START_TEST(a_delete_wins_over_an_edit_that_came_first_and_keeps_it_in_the_audit) {
  synced_customer();
  model_put(&model, "customers", "c1", "{\"id\":\"c1\",\"name\":\"theirs\",\"city\":\"Solo\"}");
  device_run(&device, "DELETE FROM customers");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model_count(&model, "customers"), 0);
  ck_assert_int_eq(
      device_int(&device,
                 "SELECT count(*) FROM sync_conflicts WHERE server_payload LIKE '%theirs%'"),
      1);
}
END_TEST

/* B10: a row this device never saw on the server, and the server does not show. */
START_TEST(an_update_of_a_row_the_server_never_showed_fails_as_forbidden) {
  device_text(&device, "SELECT leadx_enqueue('customer', 'c9', 'UPDATE', '{\"name\":\"x\"}')");
  ck_assert_str_eq(device_sync(&device), "partial");
  ck_assert_int_eq(queue_count("status = 'FAILED' AND error_code = 'forbidden'"), 1);
  ck_assert_int_eq(model_count(&model, "customers"), 0);
}
END_TEST

static int read_only_row(void *ctx, leadx_request *req) {
  (void)ctx;
  if (strcmp(req->method, "GET") == 0) return 0;
  fake_answer(req, 200, "[]");
  return 1;
}

/* B10: 200 and no row, though the row is there in the very version we named. _i: update or
** delete. */
START_TEST(a_row_one_may_read_but_not_write_fails_as_forbidden) {
  synced_customer();
  model.before = read_only_row;
  device_run(&device, _i ? "DELETE FROM customers" : "UPDATE customers SET name = 'Budi'");
  ck_assert_str_eq(device_sync(&device), "partial");
  ck_assert_int_eq(queue_count("status = 'FAILED' AND error_code = 'forbidden'"), 1);
  ck_assert_str_eq(on_server("name"), "Ani");
}
END_TEST

/* B10: a server that shows a few rows at a time must not make the others look deleted. */
START_TEST(a_fetch_that_was_cut_short_deletes_nothing) {
  device_run(&device, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)"
                      " INSERT INTO customers SELECT 'r' || i, 'Ani', 'Solo', NULL FROM n");
  ck_assert_str_eq(device_sync(&device), "ok");
  /* The shadow was lost, so each row is looked at before it is written. */
  device_run(&device, "UPDATE leadx_shadow SET version = NULL; UPDATE customers SET name = 'Budi'");
  model.max_rows = 7;
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(queue_count("status = 'SYNCED'"), 40);
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM customers"), 20);
  ck_assert_str_eq(model_value(&model, "customers", "r20", "name"), "Budi");
}
END_TEST

/* B14, B2: an update without a known version looks first, and keeps what a colleague wrote. */
START_TEST(an_update_without_a_known_version_looks_first) {
  synced_customer();
  device_run(&device, "UPDATE leadx_shadow SET version = NULL");
  model_put(&model, "customers", "c1", "{\"id\":\"c1\",\"name\":\"Ani\",\"city\":\"Medan\"}");
  device_run(&device,
             "DELETE FROM customers; INSERT INTO customers VALUES ('c1', 'Budi', 'Solo', NULL)");
  device_sync(&device);
  ck_assert_str_eq(model.log[0].method, "GET");
  ck_assert_int_eq(model_seen(&model, "PATCH", "updated_at=eq."),
                   model_seen(&model, "PATCH", NULL));
}
END_TEST

/* ---- answers that are none ---- */

/* B22, B23, B24, B26: nothing is acknowledged, nothing is charged. */
static const struct bad_answer {
  long status;
  const char *type, *body;
} bad_answers[] = {
    {200, "text/html", "<html>Welcome to the hotel</html>"},
    {201, "application/json", ""},
    {200, "application/json", "[{\"id\":\"c1\",\"name\":\"An"},
    {201, "application/json", "[{\"id\":\"c1\"}] trailing"},
    {201, "application/json", "{\"id\":\"c1\"}"},
    {201, "application/json", "null"},
    {201, "application/json",
     "[{\"id\":\"c1\"},{\"id\":\"stranger\"}]"}, /* a row nobody asked for */
    {201, "application/json", "[{\"id\":\"c1\"},{\"id\":\"c1\"}]"},
    {201, "application/json", "[{\"name\":\"Ani\"}]"},
    {201, "application/json", "[{\"ID\":\"c1\"}]"},
    {201, "application/json", "[{\"id\":\"c1\\u0000\"}]"},
    {204, "", ""},
};

static int answer_badly(void *ctx, leadx_request *req) {
  const struct bad_answer *bad = ctx;
  fake_answer_bytes(req, bad->status, bad->type, bad->body, strlen(bad->body));
  return 1;
}

START_TEST(an_answer_that_is_not_the_rows_asked_for_acknowledges_nothing) {
  device_run(&device, "INSERT INTO customers VALUES ('c1', 'Ani', 'Solo', NULL)");
  model.before = answer_badly;
  model.ctx = (void *)(uintptr_t)&bad_answers[_i];
  ck_assert_str_eq(device_sync(&device), "error");
  ck_assert_int_eq(queue_count("status = 'PENDING' AND retry_count = 0"), 1);
  model.before = NULL;
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(on_server("name"), "Ani");
}
END_TEST

/* ---- what costs a retry, and what does not ---- */

/* B8, B17, B18, B20 */
static const struct free_fault {
  long status;
  const char *body, *state;
} free_faults[] = {
    {0, NULL, "offline"},
    {401, "{\"code\":\"PGRST301\",\"message\":\"JWT expired\"}", "auth_required"},
    {401, "{\"code\":\"PGRST303\",\"message\":\"JWT expired\"}", "auth_required"},
    {401, "{\"message\":\"No API key found\"}", "auth_required"},
    {429, "{\"message\":\"slow down\"}", "throttled"},
    {503, "{\"code\":\"PGRST001\",\"message\":\"no connection\"}", "throttled"},
    {502, "<html>bad gateway</html>", "throttled"},
    {540, "{\"message\":\"project paused\"}", "throttled"},
};

static int fail_freely(void *ctx, leadx_request *req) {
  const struct free_fault *fault = ctx;
  if (fault->status == 0) fake_fail(req, LEADX_NET_OFFLINE, 28, "timed out");
  else fake_answer(req, fault->status, fault->body);
  return 1;
}

START_TEST(a_hundred_tries_that_nobody_evaluated_cost_nothing) {
  const struct free_fault *fault = &free_faults[_i];
  device_run(&device, "INSERT INTO customers VALUES ('c1', 'Ani', 'Solo', NULL)");
  model.before = fail_freely;
  model.ctx = (void *)(uintptr_t)fault;
  for (int i = 0; i < 100; i++) ck_assert_str_eq(device_sync(&device), fault->state);
  ck_assert_int_eq(queue_count("status = 'PENDING' AND retry_count = 0 AND next_try_at IS NULL"),
                   1);
  model.before = NULL;
  /* A server that asked for patience gets it; another configure forgets that. */
  device_text(&device,
              "SELECT leadx_configure('https://model.example/rest/v1', 'sb_publishable_model')");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(queue_count("status = 'SYNCED'"), 1);
}
END_TEST

static int start_that_fails;

static leadx_transport *open_failing(void *arg, const leadx_http_limits *limits, leadx_err *err) {
  (void)arg, (void)limits, (void)err;
  leadx_transport *transport = fake_transport_open(model_respond, &model);
  fake_transport_fail_start(transport, start_that_fails, SQLITE_NOMEM);
  return transport;
}

/* One whole sync (or, 1, a reconcile) whose n-th request never gets on its way. */
static int sync_that_fails_at(int n, int reconcile) {
  leadx_sync_options options = {.who = "leadx_sync",
                                .trigger = "test",
                                .open_transport = open_failing,
                                .without_push = reconcile,
                                .with_pull = !reconcile,
                                .with_reconcile = reconcile,
                                .request_budget = -1};
  start_that_fails = n;
  device_prepare(&device);
  leadx_err_clear(&device.ctx->err);
  char *result = leadx_sync_report(device.ctx, &options, &device.ctx->err);
  leadx_db_release(&device.ctx->db);
  sqlite3_free(result);
  return result == NULL;
}

/* No memory for a request, be it the first or the last: the error is said, nothing is lost, and the
** next sync does it all. */
START_TEST(a_request_that_cannot_be_started_loses_nothing) {
  int failed = 1, n = 0;
  pages_open(&model);
  for (n = 1; failed && n < 60; n++) {
    char sql[300];
    snprintf(sql, sizeof sql,
             "INSERT INTO customers SELECT 'r%d-' || value, 'Ani', 'Solo', NULL FROM "
             "json_each('[1,2,3,4,5,6,7,8,9,10,11,12]');"
             "UPDATE customers SET city = 'Bogor' WHERE id LIKE 'r%d-_'",
             n, n - 1);
    device_run(&device, sql);
    failed = sync_that_fails_at(n, _i);
    if (failed) ck_assert_int_eq(device.ctx->err.rc, SQLITE_NOMEM);
    ck_assert_str_eq(device_both(&device), "ok");
    ck_assert_int_eq(queue_count("status <> 'SYNCED'"), 0);
    ck_assert_int_eq(model_count(&model, "customers"), 12 * n);
    ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM customers"), 12 * n);
    ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM customers WHERE city = 'Bogor'"),
                     9 * (n - 1));
  }
  ck_assert_int_gt(n, 2);
  ck_assert_int_eq(conflicts(), 0);
}
END_TEST

static int fails_for_now(void *ctx, leadx_request *req) {
  (void)ctx;
  if (!req->body || !strstr(req->body, "c1")) return 0;
  fake_answer(req, 500, "{\"code\":\"40001\",\"message\":\"could not serialize access\"}");
  return 1;
}

static void sync_until_due(const char *state) {
  struct timespec nap = {0, 20000000};
  nanosleep(&nap, NULL);
  ck_assert_str_eq(device_sync(&device), state);
}

/* B8, B19: as the seed counts: three retries, the fourth failure is the last. */
START_TEST(a_row_the_server_fails_on_four_times_is_failed_and_the_others_land) {
  device_run(
      &device,
      "INSERT INTO customers VALUES ('c1', 'Ani', 'Solo', NULL), ('c2', 'Eka', 'Solo', NULL)");
  model.before = fails_for_now;
  for (int i = 1; i <= 3; i++) {
    sync_until_due("ok");
    char where[100];
    snprintf(
        where, sizeof where,
        "entity_id = 'c1' AND status = 'PENDING' AND retry_count = %d AND error_code = '40001'", i);
    ck_assert_int_eq(queue_count(where), 1);
  }
  sync_until_due("partial");
  ck_assert_int_eq(queue_count("entity_id = 'c1' AND status = 'FAILED'"), 1);
  ck_assert_str_eq(model_value(&model, "customers", "c2", "name"), "Eka");
  /* FAILED stays FAILED, whatever the server does. */
  model.before = NULL;
  model_forget_log(&model);
  sync_until_due("partial");
  ck_assert_int_eq(model.n, 0);
}
END_TEST

/* B8: each way back to life. A new edit has its own retries. */
static const char *const revivals[] = {
    "UPDATE customers SET name = 'Ani' || '' , city = 'Bogor'",
    "SELECT leadx_retry()",
    "SELECT leadx_retry((SELECT id FROM sync_queue WHERE status = 'FAILED'))",
    "UPDATE leadx_queue SET status = 'PENDING' WHERE status = 'FAILED'",
    "UPDATE sync_queue SET status = 'PENDING' WHERE status = 'FAILED'",
};

START_TEST(a_failed_row_is_brought_back_by_an_edit_a_retry_or_an_update) {
  device_run(&device, "INSERT INTO customers VALUES ('c1', 'Ani', 'Solo', NULL)");
  model.poison = "Ani";
  ck_assert_str_eq(device_sync(&device), "partial");
  model.poison = NULL;
  device_run(&device, "UPDATE sync_queue SET retry_count = 3");
  model.before = fails_for_now;
  device_run(&device, revivals[_i]);
  if (_i == 0) {
    ck_assert_str_eq(device_sync(&device), "ok");
    ck_assert_int_eq(queue_count("status = 'PENDING' AND retry_count = 1"), 1);
  }
  model.before = NULL;
  sync_until_due("ok");
  ck_assert_int_eq(queue_count("status <> 'SYNCED'"), 0);
  ck_assert_str_eq(on_server("name"), "Ani");
}
END_TEST

static int too_slow(void *ctx, leadx_request *req) {
  (void)ctx;
  int rows = 0;
  for (const char *at = req->body; at && (at = strstr(at, "\"id\":")) != NULL; at++) rows++;
  if (rows <= 3) return 0;
  fake_answer(req, 500,
              "{\"code\":\"57014\",\"message\":\"canceling statement due to statement timeout\"}");
  return 1;
}

static int too_large(void *ctx, leadx_request *req) {
  if (!too_slow(ctx, req)) return 0;
  fake_answer(req, 413, "");
  return 1;
}

/* B19, B21 */
START_TEST(a_batch_that_is_too_slow_or_too_large_is_halved_and_costs_nothing) {
  device_run(&device, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)"
                      " INSERT INTO customers SELECT 'r' || i, 'Ani', 'Solo', NULL FROM n");
  model.before = _i ? too_large : too_slow;
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(queue_count("status = 'SYNCED' AND retry_count = 0"), 40);
}
END_TEST

/* PostgREST before 12.2 refuses max-affected; a transaction's end that is not allowed is passed
** over in silence. */
START_TEST(no_request_asks_for_what_old_servers_refuse) {
  device_run(&device,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)"
             " INSERT INTO customers SELECT 'r' || i, 'Ani', 'Solo', printf('%50000s', '') FROM n");
  ck_assert_str_eq(device_sync(&device), "ok");
  device_run(
      &device,
      "UPDATE customers SET name = 'Budi' WHERE id = 'r1'; DELETE FROM customers WHERE id = 'r2'");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(queue_count("status = 'SYNCED' AND action IN ('UPDATE', 'DELETE')"), 2);
  for (int i = 0; i < model.n; i++) {
    ck_assert_msg(!model.log[i].prefer || (!strstr(model.log[i].prefer, "max-affected") &&
                                           !strstr(model.log[i].prefer, "tx=") &&
                                           !strstr(model.log[i].prefer, "handling")),
                  "%s", model.log[i].prefer);
    /* A gateway takes a megabyte at most. */
    ck_assert_uint_le(strlen(model.log[i].body), 1048576);
  }
}
END_TEST

/* B21: no address is longer than the gateways take. */
START_TEST(fetches_of_many_rows_are_cut_to_short_addresses) {
  device_run(&device,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)"
             " INSERT INTO customers SELECT lower(hex(randomblob(16))) || '-' || i, 'Ani', 'Solo', "
             "NULL FROM n");
  ck_assert_str_eq(device_sync(&device), "ok");
  device_run(&device, "UPDATE leadx_shadow SET version = NULL; UPDATE customers SET name = 'Budi'");
  model_forget_log(&model);
  ck_assert_str_eq(device_sync(&device), "ok");
  for (int i = 0; i < model.n; i++) ck_assert_uint_lt(strlen(model.log[i].url), 8000);
  ck_assert_int_ge(model_seen(&model, "GET", NULL), 3);
  ck_assert_int_eq(queue_count("status = 'SYNCED'"), 600);
}
END_TEST

/* Plainly, and with the functions of the server: what the queue, the server and the device have in
** the end is the same. */
static TCase *scenarios(const char *name, void (*begin)(void)) {
  TCase *tcase = tcase_create(name);
  tcase_add_checked_fixture(tcase, begin, tear_down);
#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))
  tcase_add_test(tcase, a_create_whose_answer_was_lost_is_recognised_as_our_own);
  tcase_add_loop_test(tcase, an_edit_after_a_create_whose_answer_was_lost_wins, 0,
                      COUNT(lost_edits));
  tcase_add_loop_test(tcase, an_edit_after_an_update_whose_answer_was_lost_wins, 0,
                      COUNT(update_edits));
  tcase_add_test(tcase, a_replay_never_overwrites_what_a_colleague_wrote_since);
  tcase_add_test(tcase, a_delete_whose_answer_was_lost_is_done);
  tcase_add_test(tcase, requests_that_arrive_twice_change_nothing);
  tcase_add_test(tcase, a_refused_connection_does_not_forget_what_another_request_carried);
  tcase_add_test(tcase, what_a_dead_connection_took_along_stays_marked_as_sent);
  tcase_add_test(tcase, what_never_left_is_not_marked_as_sent);
  tcase_add_loop_test(tcase, what_was_refused_unseen_is_not_marked_as_sent, 0, 2);
  tcase_add_test(tcase, the_same_row_made_on_two_devices_is_compared_and_not_swallowed);
  tcase_add_test(tcase, two_people_who_edit_two_columns_both_keep_their_edit);
  tcase_add_loop_test(tcase, the_newer_edit_of_one_column_wins_and_a_tie_asks, 0, COUNT(timed));
  tcase_add_test(tcase, a_row_with_an_open_question_waits_and_is_asked_about_once);
  tcase_add_test(tcase, a_row_that_changes_at_every_try_is_left_for_later_and_not_forced);
  tcase_add_test(tcase, an_edit_of_a_row_deleted_on_the_server_does_not_raise_it_from_the_dead);
  tcase_add_test(tcase, an_edit_of_a_row_that_is_not_shown_is_kept);
  tcase_add_test(tcase, a_row_made_again_is_inserted_when_the_server_has_none);
  tcase_add_test(tcase, a_delete_wins_over_an_edit_that_came_first_and_keeps_it_in_the_audit);
  tcase_add_test(tcase, an_update_of_a_row_the_server_never_showed_fails_as_forbidden);
  tcase_add_test(tcase, a_fetch_that_was_cut_short_deletes_nothing);
  tcase_add_test(tcase, an_update_without_a_known_version_looks_first);
  tcase_add_loop_test(tcase, an_answer_that_is_not_the_rows_asked_for_acknowledges_nothing, 0,
                      COUNT(bad_answers));
  tcase_add_loop_test(tcase, a_request_that_cannot_be_started_loses_nothing, 0, 2);
  tcase_add_loop_test(tcase, a_hundred_tries_that_nobody_evaluated_cost_nothing, 0,
                      COUNT(free_faults));
  tcase_add_test(tcase, a_row_the_server_fails_on_four_times_is_failed_and_the_others_land);
  tcase_add_loop_test(tcase, a_failed_row_is_brought_back_by_an_edit_a_retry_or_an_update, 0,
                      COUNT(revivals));
  tcase_add_loop_test(tcase, a_batch_that_is_too_slow_or_too_large_is_halved_and_costs_nothing, 0,
                      2);
  tcase_add_test(tcase, no_request_asks_for_what_old_servers_refuse);
  tcase_add_test(tcase, fetches_of_many_rows_are_cut_to_short_addresses);
  return tcase;
}

Suite *test_replay_suite(void) {
  Suite *suite = suite_create("replay");
  TCase *plain = scenarios("plain", set_up);
  tcase_add_loop_test(plain, a_row_one_may_read_but_not_write_fails_as_forbidden, 0, 2);
  suite_add_tcase(suite, plain);
  suite_add_tcase(suite, scenarios("called", set_up_called));
  return suite;
}
