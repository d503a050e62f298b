/* The push against the real server over a bad road: answers lost, tokens expired, nobody there, two
** at once. */
#define _GNU_SOURCE

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "live.h"
#include "suites.h"

static live_device device;
static fault_server *road;

#define C1 "c0000000-0000-4000-8000-000000000001"

static void set_up(void) {
  char url[LIVE_URL_BYTES];
  live_wipe();
  road = live_road(url);
  live_open(&device, 0, url);
}

static void tear_down(void) {
  ck_assert_int_eq(fault_server_unfiltered(road), 0); /* B11 */
  live_close(&device);
  fault_server_stop(road);
}

static void configure(const char *url, const char *options) {
  char *sql = sqlite3_mprintf("SELECT leadx_configure(%Q, %Q, %Q), leadx_set_token(%Q)", url,
                              live_env("LEADX_APIKEY"), options, live_env("LEADX_TOKEN"));
  live_run(device.db, sql);
  sqlite3_free(sql);
}

static int count_queue(const char *where) {
  char sql[200];
  snprintf(sql, sizeof sql, "SELECT count(*) FROM sync_queue WHERE %s", where);
  return live_int(device.db, sql);
}

static void add_one(void) {
  live_run(device.db, "INSERT INTO customers(id, name, city) VALUES ('" C1 "', 'Ani', 'Solo')");
}

static void add_many(int n) {
  char sql[300];
  snprintf(sql, sizeof sql,
           "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
           " INSERT INTO customers(id, name) SELECT leadx_uuid(), 'n' || i FROM n",
           n);
  live_run(device.db, sql);
}

/* A rule for the requests that write: the plain ones of a method, or the function's. */
static fault_rule write_rule(const char *method, fault_kind kind) {
  fault_rule rule = {.method = live_is_served ? "POST" : method,
                     .path = live_is_served ? "/rest/v1/rpc/leadx_push" : NULL,
                     .kind = kind};
  return rule;
}

/* B1, B2, B3: how the answer gets lost, and the request that it is lost for. */
static const fault_kind losses[] = {FAULT_FORWARD_LOSE, FAULT_FORWARD_RESET, FAULT_FORWARD_HALF,
                                    FAULT_FORWARD_TWICE};
static const char *const methods[] = {"POST", "PATCH", "DELETE"};

START_TEST(an_answer_that_was_lost_leaves_neither_doubles_nor_conflicts) {
  if (_i >= 4) {
    add_one();
    ck_assert_str_eq(live_push(&device), "ok");
  }
  live_run(device.db, _i < 4   ? "INSERT INTO customers(id, name) VALUES ('" C1 "', 'Budi')"
                      : _i < 8 ? "UPDATE customers SET name = 'Budi'"
                               : "DELETE FROM customers");
  fault_rule rule = write_rule(methods[_i / 4], losses[_i % 4]);
  rule.from = 1;
  rule.to = 2;
  fault_server_add(road, &rule);
  live_push(&device);
  fault_server_clear(road);
  ck_assert_str_eq(live_push(&device), "ok");
  ck_assert_str_eq(live_psql("select string_agg(name, ',') from customers"), _i < 8 ? "Budi" : "");
  ck_assert_int_eq(count_queue("status <> 'SYNCED' OR retry_count > 0"), 0);
  ck_assert_int_eq(live_int(device.db, "SELECT count(*) FROM sync_conflicts"), 0);
}
END_TEST

static void *push_on_second(void *arg) {
  char *state = strdup(live_text(arg, "SELECT json_extract(leadx_push(), '$.state')"));
  return state;
}

/* B1, B16: the connection was kept, so libcurl tries again by itself, and reports that nobody can
** be reached. What had gone over the old connection was sent all the same. */
START_TEST(an_answer_that_was_lost_together_with_the_network_leaves_no_conflict) {
  pthread_t thread;
  void *state = NULL;
  add_many(40);
  live_run(device.db, "SELECT leadx_config('batch_max', 10)");
  fault_rule rule = write_rule("POST", FAULT_FORWARD_HELD);
  rule.from = 3; /* two travel at a time, and the third is the first that finds a connection */
  fault_server_add(road, &rule);
  ck_assert_int_eq(pthread_create(&thread, NULL, push_on_second, device.db), 0);
  for (int i = 0; i < 1000 && atoi(live_psql("select count(*) from customers")) < 30; i++)
    fault_sleep_ms(10);
  fault_server_refuse(road, 1);
  pthread_join(thread, &state);
  ck_assert_str_eq(state, "offline");
  free(state);
  fault_server_refuse(road, 0);
  fault_server_clear(road);
  live_run(device.db, "UPDATE customers SET name = name || '+'");
  ck_assert_str_eq(live_push(&device), "ok");
  ck_assert_int_eq(live_int(device.db, "SELECT count(*) FROM sync_conflicts"), 0);
  ck_assert_str_eq(live_psql("select count(*) from customers where name like '%+'"), "40");
}
END_TEST

/* B2 */
START_TEST(a_replay_does_not_undo_a_colleague) {
  add_one();
  ck_assert_str_eq(live_push(&device), "ok");
  live_run(device.db, "UPDATE customers SET name = 'mine'; UPDATE sync_queue SET created_at = "
                      "'2020-01-01 00:00:00' WHERE status = 'PENDING'");
  fault_rule rule = write_rule("PATCH", FAULT_FORWARD_HALF);
  fault_server_add(road, &rule);
  ck_assert_str_eq(live_push(&device), "offline");
  live_psql("update customers set name = 'theirs'");
  fault_server_clear(road);
  ck_assert_str_eq(live_push(&device), "ok");
  ck_assert_str_eq(live_psql("select name from customers"), "theirs");
  ck_assert_str_eq(live_text(device.db, "SELECT name FROM customers"), "theirs");
}
END_TEST

/* B17 */
START_TEST(an_expired_token_stops_and_charges_nothing) {
  add_one();
  char command[400], token[2000] = "";
  snprintf(command, sizeof command, "scripts/server/server.sh token --exp -120 --dir '%s'",
           live_env("LEADX_SERVER_DIR"));
  FILE *pipe = popen(command, "r");
  ck_assert_ptr_nonnull(pipe);
  ck_assert_ptr_nonnull(fgets(token, sizeof token, pipe));
  pclose(pipe);
  token[strcspn(token, "\n")] = 0;
  char *sql = sqlite3_mprintf("SELECT leadx_set_token(%Q)", token);
  live_run(device.db, sql);
  sqlite3_free(sql);
  for (int i = 0; i < 5; i++) ck_assert_str_eq(live_push(&device), "auth_required");
  ck_assert_int_eq(count_queue("status = 'PENDING' AND retry_count = 0"), 1);
  sql = sqlite3_mprintf("SELECT leadx_set_token(%Q)", live_env("LEADX_TOKEN"));
  live_run(device.db, sql);
  sqlite3_free(sql);
  ck_assert_str_eq(live_push(&device), "ok");
}
END_TEST

/* B8 */
START_TEST(a_server_that_is_not_there_costs_nothing_however_often) {
  add_one();
  fault_server_refuse(road, 1);
  for (int i = 0; i < 100; i++) ck_assert_str_eq(live_push(&device), "offline");
  ck_assert_int_eq(count_queue("status = 'PENDING' AND retry_count = 0 AND sent_at IS NULL"), 1);
  fault_server_refuse(road, 0);
  ck_assert_str_eq(live_push(&device), "ok");
  ck_assert_str_eq(live_psql("select count(*) from customers"), "1");
}
END_TEST

START_TEST(https_is_trusted_through_its_authority_and_not_otherwise) {
  add_one();
  configure(live_env("LEADX_URL_TLS"), "{}");
  ck_assert_str_eq(live_push(&device), "error");
  ck_assert_int_eq(count_queue("status = 'PENDING' AND retry_count = 0"), 1);
  char *options = sqlite3_mprintf("{\"ca_file\":\"%w\"}", live_env("LEADX_CA"));
  configure(live_env("LEADX_URL_TLS"), options);
  sqlite3_free(options);
  ck_assert_str_eq(live_push(&device), "ok");
  ck_assert_str_eq(live_psql("select count(*) from customers"), "1");
}
END_TEST

START_TEST(http_to_another_machine_is_refused) {
  ck_assert_ptr_nonnull(strstr(
      live_error(device.db, "SELECT leadx_configure('http://example.com', 'sb_publishable_x')"),
      "https"));
}
END_TEST

/* Somebody who never heard of leadx writes, from a process without it. */
START_TEST(rows_written_without_the_extension_are_delivered) {
  add_one();
  ck_assert_str_eq(live_push(&device), "ok");
  sqlite3 *plain = NULL;
  ck_assert_int_eq(sqlite3_open(device.path, &plain), SQLITE_OK);
  live_run(
      plain,
      "UPDATE customers SET city = 'Bogor'; INSERT INTO pipelines(id, customer_id, title) VALUES"
      " ('b0000000-0000-4000-8000-000000000001', '" C1 "', 'from plain')");
  ck_assert_int_eq(sqlite3_close(plain), SQLITE_OK);
  ck_assert_str_eq(live_push(&device), "ok");
  ck_assert_str_eq(live_psql("select city, title from customers, pipelines"), "Bogor|from plain");
}
END_TEST

/* Two connections: the one gets to work, the other is told. */
START_TEST(a_second_sync_of_the_same_file_is_told_that_one_is_running) {
  sqlite3 *second = live_second(&device);
  add_one();
  fault_rule rule = {.kind = FAULT_FORWARD_HELD};
  fault_server_add(road, &rule);
  pthread_t thread;
  ck_assert_int_eq(pthread_create(&thread, NULL, push_on_second, second), 0);
  while (fault_server_count(road) == 0) fault_sleep_ms(5);
  ck_assert_str_eq(live_push(&device), "busy");
  fault_server_clear(road);
  void *state = NULL;
  pthread_join(thread, &state);
  ck_assert_str_eq(state, "ok");
  free(state);
  ck_assert_int_eq(fault_server_seen(road, "POST", NULL), 1);
  ck_assert_int_eq(sqlite3_close(second), SQLITE_OK);
}
END_TEST

static void *push_often(void *arg) {
  for (int i = 0; i < 10; i++) live_text(arg, "SELECT leadx_push()");
  return NULL;
}

/* Several at once on one file never do work twice: every row is in exactly one request. */
START_TEST(several_at_once_never_send_a_row_twice) {
  enum { N = 3, ROWS = 120 };
  sqlite3 *db[N];
  pthread_t threads[N];
  add_many(ROWS);
  for (int i = 0; i < N; i++) db[i] = live_second(&device);
  for (int i = 0; i < N; i++)
    ck_assert_int_eq(pthread_create(&threads[i], NULL, push_often, db[i]), 0);
  for (int i = 0; i < N; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < N; i++) ck_assert_int_eq(sqlite3_close(db[i]), SQLITE_OK);
  int rows = 0;
  for (int i = 0; i < fault_server_count(road); i++) {
    for (const char *at = fault_server_get(road, i)->body;
         at && (at = strstr(at, "\"id\":")) != NULL; at++)
      rows++;
  }
  ck_assert_int_eq(rows, ROWS);
  ck_assert_str_eq(live_psql("select count(*) from customers"), "120");
  ck_assert_int_eq(count_queue("status = 'SYNCED'"), ROWS);
}
END_TEST

/* Both ways. */
static TCase *losing_answers(const char *name) {
  TCase *tcase = tcase_create(name);
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_loop_test(tcase, an_answer_that_was_lost_leaves_neither_doubles_nor_conflicts, 0, 12);
  tcase_add_test(tcase, an_answer_that_was_lost_together_with_the_network_leaves_no_conflict);
  tcase_add_test(tcase, a_replay_does_not_undo_a_colleague);
  return tcase;
}

Suite *test_server_faults_suite(void) {
  Suite *suite = suite_create("server_faults");
  TCase *tcase = losing_answers("plain"), *called = losing_answers("called");
  tcase_add_test(tcase, an_expired_token_stops_and_charges_nothing);
  tcase_add_test(tcase, a_server_that_is_not_there_costs_nothing_however_often);
  tcase_add_test(tcase, https_is_trusted_through_its_authority_and_not_otherwise);
  tcase_add_test(tcase, http_to_another_machine_is_refused);
  tcase_add_test(tcase, rows_written_without_the_extension_are_delivered);
  tcase_add_test(tcase, a_second_sync_of_the_same_file_is_told_that_one_is_running);
  tcase_add_test(tcase, several_at_once_never_send_a_row_twice);
  suite_add_tcase(suite, tcase);
  tcase_add_unchecked_fixture(called, live_serve_all, live_unserve);
  suite_add_tcase(suite, called);
  return suite;
}
