/* leadx_problems: what needs a person is seen, and its statement mends it or tries it again. */
#include <stdio.h>
#include <string.h>

#include "fake_transport.h"
#include "pages.h"
#include "suites.h"

static model_server model;
static push_device device;

static void set_up(void) {
  model_open(&model);
  pages_open(&model);
  device_open(&device, &model);
  device_run(&device, "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, name TEXT, n INTEGER, "
                      "updated_at TEXT); SELECT leadx_track('notes')");
}

static void tear_down(void) {
  device_close(&device);
  model_close(&model);
}

static void expect(const char *sql, const char *text) {
  const char *answer = device_text(&device, sql);
  ck_assert_msg(strcmp(answer, text) == 0, "%s: \"%s\", not \"%s\"", sql, answer, text);
}

/* Runs the statement of the one problem that there is. */
static void run_fix(void) {
  char fix[600];
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM leadx_problems"), 1);
  snprintf(fix, sizeof fix, "%s", device_text(&device, "SELECT fix FROM leadx_problems"));
  device_run(&device, fix);
}

START_TEST(all_is_well_without_a_problem) {
  device_run(&device, "INSERT INTO notes VALUES ('a', 'Ann', 1, NULL)");
  expect("SELECT count(*) FROM leadx_problems", "0");
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(device_result(&device, "problems"), 0);
  expect("SELECT count(*) FROM leadx_problems", "0");
}
END_TEST

START_TEST(a_failed_change_is_named_and_its_fix_sends_it_again) {
  model.poison = "\"n\":13";
  device_run(&device, "INSERT INTO notes VALUES ('a', 'Ann', 13, NULL), ('b', 'Bob', 2, NULL)");
  ck_assert_str_eq(device_both(&device), "partial");
  expect("SELECT kind || '|' || entity_type || '|' || entity_id || '|' || label || '|' || code "
         "FROM leadx_problems",
         "failed|notes|a|Ann|23514");
  expect("SELECT message IS NOT NULL AND since IS NOT NULL AND queue_id = (SELECT id FROM "
         "sync_queue WHERE status = 'FAILED') FROM leadx_problems",
         "1");
  model.poison = NULL;
  run_fix();
  expect("SELECT count(*) FROM leadx_problems", "0");
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_str_eq(model_value(&model, "notes", "a", "n"), "13");
}
END_TEST

/* A program that asks for an error and no state is told where it says what to do. */
START_TEST(a_strict_sync_names_the_table_of_problems) {
  leadx_sync_options options = {
      .who = "leadx_sync", .with_pull = 1, .request_budget = -1, .strict = 1};
  model.poison = "\"n\":13";
  device_run(&device, "INSERT INTO notes VALUES ('a', 'Ann', 13, NULL)");
  for (int i = 0; i < 2; i++) {
    ck_assert_ptr_null(device_sync_with(&device, options));
    ck_assert_msg(strstr(device.result, "leadx_sync: partial") == device.result &&
                      strstr(device.result, "; SELECT * FROM leadx_problems tells what to do"),
                  "%s", device.result);
  }
}
END_TEST

START_TEST(a_failure_of_yesterday_keeps_the_state_from_being_ok) {
  model.poison = "\"n\":13";
  device_run(&device, "INSERT INTO notes VALUES ('a', 'Ann', 13, NULL)");
  ck_assert_str_eq(device_both(&device), "partial");
  for (int i = 0; i < 2; i++) {
    ck_assert_str_eq(device_both(&device), "partial");
    ck_assert_int_eq(device_result(&device, "problems"), 1);
    ck_assert_int_eq(device_result(&device, "failed"), 0);
  }
  device_run(&device, "SELECT leadx_discard((SELECT queue_id FROM leadx_problems))");
  ck_assert_str_eq(device_both(&device), "ok");
}
END_TEST

START_TEST(an_open_conflict_is_named_and_its_fix_decides_it) {
  device_run(&device, "SELECT leadx_config('policy', 'manual')");
  model_put(&model, "notes", "a", "{\"id\":\"a\",\"name\":\"Ann\",\"n\":1}");
  ck_assert_str_eq(device_both(&device), "ok");
  device_run(&device, "UPDATE notes SET n = 2");
  model_put(&model, "notes", "a", "{\"id\":\"a\",\"name\":\"Ann\",\"n\":3}");
  ck_assert_str_eq(device_both(&device), "partial");
  expect("SELECT kind || '|' || label || '|' || message FROM leadx_problems",
         "conflict|Ann|changed here and on the server: n");
  run_fix();
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_str_eq(model_value(&model, "notes", "a", "n"), "2");
}
END_TEST

/* It is tried at every pull, and was parked only once. */
START_TEST(a_parked_row_says_since_when_whatever_is_tried) {
  device_run(&device, "CREATE TABLE since(at TEXT); CREATE TRIGGER guard BEFORE INSERT ON notes "
                      "BEGIN SELECT RAISE(ABORT, 'not today'); END");
  model_put(&model, "notes", "a", "{\"id\":\"a\",\"name\":\"Ann\",\"n\":1}");
  ck_assert_str_eq(device_both(&device), "partial");
  expect("SELECT since > strftime('%Y-%m-%d', 'now') FROM leadx_problems", "1");
  device_run(&device, "UPDATE leadx_parked SET since = '2026-01-02T03:04:05.678Z'");
  for (int i = 0; i < 2; i++) ck_assert_str_eq(device_both(&device), "partial");
  expect("SELECT since FROM leadx_problems", "2026-01-02T03:04:05.678Z");
  model_put(&model, "notes", "a", "{\"id\":\"a\",\"name\":\"Ann again\",\"n\":1}");
  ck_assert_str_eq(device_both(&device), "partial");
  expect("SELECT since FROM leadx_problems", "2026-01-02T03:04:05.678Z");
}
END_TEST

START_TEST(a_row_that_is_only_fetched_once_more_is_no_problem) {
  model_put(&model, "notes", "a", "{\"id\":\"a\",\"name\":\"Ann\",\"n\":1}");
  ck_assert_str_eq(device_both(&device), "ok");
  device_run(&device, "UPDATE notes SET n = 2; SELECT leadx_discard((SELECT id FROM sync_queue "
                      "WHERE status = 'PENDING'))");
  expect("SELECT count(*) || group_concat(reason || refused) FROM leadx_parked", "1discarded0");
  expect("SELECT count(*) FROM leadx_problems", "0");
  expect("SELECT parked FROM leadx_status", "0");
  ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT n FROM notes", "1");
  expect("SELECT count(*) FROM leadx_parked", "0");
}
END_TEST

START_TEST(changes_grow_by_one_for_each_row_that_a_pull_changed) {
  model_put(&model, "notes", "a", "{\"id\":\"a\",\"name\":\"Ann\",\"n\":1}");
  model_put(&model, "notes", "b", "{\"id\":\"b\",\"name\":\"Bob\",\"n\":1}");
  expect("SELECT changes FROM leadx_status", "0");
  ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT changes FROM leadx_status", "2");
  device_run(&device, "UPDATE notes SET n = 2 WHERE id = 'a'");
  ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT changes FROM leadx_status", "2");
  model_put(&model, "notes", "b", "{\"id\":\"b\",\"name\":\"Bob\",\"n\":3}");
  ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT changes FROM leadx_status", "3");
  model_remove(&model, "notes", "b");
  ck_assert_str_eq(device_reconcile(&device), "ok");
  expect("SELECT changes || ' ' || (SELECT count(*) FROM notes) FROM leadx_status", "4 1");
  ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT changes FROM leadx_status", "4");
}
END_TEST

START_TEST(a_row_that_was_parked_counts_as_changed_when_it_goes_in) {
  device_run(&device, "CREATE TRIGGER guard BEFORE INSERT ON notes BEGIN SELECT RAISE(ABORT, 'not "
                      "today'); END");
  model_put(&model, "notes", "a", "{\"id\":\"a\",\"name\":\"Ann\",\"n\":1}");
  ck_assert_str_eq(device_both(&device), "partial");
  expect("SELECT changes || parked FROM leadx_status", "01");
  device_run(&device, "DROP TRIGGER guard");
  ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT (changes > 0) || parked FROM leadx_status", "10");
}
END_TEST

START_TEST(a_parked_row_is_named_and_its_fix_fetches_it_once_the_cause_is_gone) {
  device_run(&device, "CREATE TABLE gate(shut INTEGER); INSERT INTO gate VALUES (1);"
                      "CREATE TRIGGER guard BEFORE INSERT ON notes WHEN (SELECT shut FROM gate) "
                      "BEGIN SELECT RAISE(ABORT, 'not today'); END");
  model_put(&model, "notes", "a", "{\"id\":\"a\",\"name\":\"Ann\",\"n\":1}");
  ck_assert_str_eq(device_both(&device), "partial");
  expect("SELECT kind || '|' || entity_type || '|' || entity_id FROM leadx_problems",
         "parked|notes|a");
  expect("SELECT message LIKE '%not today%' FROM leadx_problems", "1");
  expect("SELECT parked FROM leadx_status", "1");
  device_run(&device, "DELETE FROM gate; INSERT INTO gate VALUES (0)");
  ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT count(*) FROM leadx_problems", "0");
  expect("SELECT name FROM notes", "Ann");
}
END_TEST

START_TEST(a_row_of_the_queue_with_another_word_as_status_is_seen_and_can_be_sent) {
  device_run(&device, "INSERT INTO notes VALUES ('a', 'Ann', 1, NULL);"
                      "UPDATE sync_queue SET status = 'DONE'");
  expect("SELECT kind || '|' || code FROM leadx_problems", "failed|status");
  run_fix();
  expect("SELECT count(*) FROM leadx_problems", "0");
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_str_eq(model_value(&model, "notes", "a", "name"), "Ann");
}
END_TEST

static int count_steps(void *n) {
  ++*(int *)n;
  return 0;
}

/* How many hundreds of steps of SQLite's machine a statement takes. */
static int steps_of(const char *sql) {
  int n = 0;
  sqlite3_progress_handler(device.db, 100, count_steps, &n);
  device_run(&device, sql);
  sqlite3_progress_handler(device.db, 0, NULL, NULL);
  return n;
}

static const char *const filters[] = {
    "status <> 'SYNCED'", "status IS NOT 'SYNCED'",          "status = 'FAILED'",
    "state = 'ready'",    "status IN ('PENDING', 'FAILED')", "state <> 'synced'"};

START_TEST(a_filter_that_no_settled_row_meets_reads_no_settled_row) {
  char sql[200];
  snprintf(sql, sizeof sql, "SELECT count(*) FROM leadx_queue WHERE %s", filters[_i]);
  device_run(&device, "INSERT INTO notes VALUES ('a', 'Ann', 1, NULL)");
  ck_assert_str_eq(device_both(&device), "ok");
  int before = steps_of(sql);
  device_run(&device,
             "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 5000) "
             "INSERT INTO sync_queue(id, entity_type, entity_id, action, payload, status) "
             "SELECT 'k' || i, 'notes', 'a', 'UPDATE', '{}', 'SYNCED' FROM c;"
             "UPDATE notes SET n = 2");
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_le(steps_of(sql), before + 20);
  ck_assert_int_gt(steps_of("SELECT count(*) FROM leadx_queue WHERE status = 'SYNCED'"), 300);
}
END_TEST

Suite *test_problems_suite(void) {
  Suite *suite = suite_create("problems");
  TCase *tcase = tcase_create("problems");
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_test(tcase, all_is_well_without_a_problem);
  tcase_add_test(tcase, a_failed_change_is_named_and_its_fix_sends_it_again);
  tcase_add_test(tcase, a_strict_sync_names_the_table_of_problems);
  tcase_add_test(tcase, a_failure_of_yesterday_keeps_the_state_from_being_ok);
  tcase_add_test(tcase, an_open_conflict_is_named_and_its_fix_decides_it);
  tcase_add_test(tcase, a_parked_row_is_named_and_its_fix_fetches_it_once_the_cause_is_gone);
  tcase_add_test(tcase, a_parked_row_says_since_when_whatever_is_tried);
  tcase_add_test(tcase, a_row_that_is_only_fetched_once_more_is_no_problem);
  tcase_add_test(tcase, changes_grow_by_one_for_each_row_that_a_pull_changed);
  tcase_add_test(tcase, a_row_that_was_parked_counts_as_changed_when_it_goes_in);
  tcase_add_test(tcase, a_row_of_the_queue_with_another_word_as_status_is_seen_and_can_be_sent);
  tcase_add_loop_test(tcase, a_filter_that_no_settled_row_meets_reads_no_settled_row, 0,
                      (int)(sizeof filters / sizeof filters[0]));
  suite_add_tcase(suite, tcase);
  return suite;
}
