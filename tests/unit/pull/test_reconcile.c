/* Reconcile: what a cursor cannot see is found by listing every key, and nothing is believed that
** was not proven. Names like C12 are the known ways to lose data that a test stands against. */
#include <stdio.h>
#include <string.h>

#include "fake_transport.h"
#include "pages.h"
#include "suites.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static model_server model;
static push_device device;

static void set_up(void) {
  model_open(&model);
  pages_open(&model);
  device_open(&device, &model);
  device_run(&device, "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, body TEXT, updated_at "
                      "TEXT); SELECT leadx_track('notes')");
}

static void tear_down(void) {
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM leadx_applying"), 0);
  device_close(&device);
  model_close(&model);
}

static void expect(const char *sql, const char *text) {
  const char *answer = device_text(&device, sql);
  ck_assert_msg(strcmp(answer, text) == 0, "%s: \"%s\", not \"%s\"; %s", sql, answer, text,
                device.result);
}

/* Rows r00… of the server, pulled. */
static void known_rows(int n) {
  char doc[100];
  for (int i = 0; i < n; i++) {
    snprintf(
        doc, sizeof doc,
        "{\"id\":\"r%02d\",\"body\":\"one\",\"updated_at\":\"2024-01-01T00:00:%02d.000001+00:00\"}",
        i, i);
    pages_put(&model, "notes", doc);
  }
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  model_forget_log(&model);
}

/* The server is restored from a backup: every row is another one, with an older version. */
static void restore(int n) {
  char doc[100];
  for (int i = 0; i < n; i++) {
    snprintf(doc, sizeof doc,
             "{\"id\":\"r%02d\",\"body\":\"restored\",\"updated_at\":\"2002-01-01T00:00:00Z\"}", i);
    pages_put(&model, "notes", doc);
  }
}

static int asks_for_rows(const leadx_request *req) { return strstr(req->url, "=in.(") != NULL; }

/* ---- what is found ---- */

START_TEST(what_a_cursor_cannot_see_is_found_and_repaired) {
  static const int caps[] = {0, 1, 7};
  model.max_rows = caps[_i];
  known_rows(30);
  device_run(&device, "INSERT INTO notes VALUES ('unsent', 'mine', NULL)");
  model_remove(&model, "notes", "r03"); /* C12 */
  pages_put(
      &model, "notes",
      "{\"id\":\"revealed\",\"body\":\"old\",\"updated_at\":\"2001-01-01T00:00:00Z\"}"); /* C11 */
  pages_put(&model, "notes", "{\"id\":\"blank\",\"body\":\"none\",\"updated_at\":null}");
  for (int i = 10; i < 20; i++) { /* C16: restored from a backup */
    char doc[100];
    snprintf(doc, sizeof doc,
             "{\"id\":\"r%02d\",\"body\":\"restored\",\"updated_at\":\"2002-01-01T00:00:00Z\"}", i);
    pages_put(&model, "notes", doc);
  }
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  expect("SELECT count(*) FROM notes WHERE body = 'restored'", "0");
  ck_assert_str_eq(device_reconcile(&device), "ok");
  ck_assert_int_eq(device_result(&device, "pulled"), 13);
  expect("SELECT count(*) FROM notes WHERE id = 'r03'", "0");
  expect("SELECT group_concat(body) FROM (SELECT body FROM notes WHERE id IN ('revealed', 'blank', "
         "'unsent') ORDER BY id)",
         "none,old,mine");
  expect("SELECT count(*) FROM notes WHERE body = 'restored'", "10");
  expect("SELECT count(*) FROM sync_queue", "1");
  ck_assert_str_eq(device_reconcile(&device), "ok");
  ck_assert_int_eq(device_result(&device, "pulled"), 0);
}
END_TEST

/* ---- what is not believed ---- */

static int show_nothing(leadx_request *req) {
  fake_answer(req, 200, "[]");
  return 1;
}

START_TEST(an_empty_listing_of_many_known_rows_is_not_believed) {
  known_rows(30);
  pages_before = show_nothing;
  ck_assert_str_eq(device_reconcile(&device), "partial");
  ck_assert_ptr_nonnull(strstr(device.result, "shows none of 30 known rows"));
  expect("SELECT count(*) FROM notes", "30");
}
END_TEST

/* Rows behind the place where the listing broke off were not seen, and are no less there. */
static int break_off(leadx_request *req) {
  if (model.n < 3) return 0;
  fake_fail(req, LEADX_NET_OFFLINE, 56, "reset");
  return 1;
}

START_TEST(a_listing_that_breaks_off_removes_nothing) {
  known_rows(40);
  device_run(&device, "SELECT leadx_config('page_size', '10')");
  model_remove(&model, "notes", "r03");
  pages_before = break_off;
  ck_assert_str_eq(device_reconcile(&device), "offline");
  expect("SELECT count(*) FROM notes", "40");
  pages_before = NULL;
  ck_assert_str_eq(device_reconcile(&device), "ok");
  expect("SELECT count(*) || (SELECT count(*) FROM notes WHERE id = 'r03') FROM notes", "390");
}
END_TEST

/* The same page for ever; a row without its key; more rows than a page has. */
static const char *const strange_listings[] = {
    "[{\"id\":\"r00\",\"updated_at\":null}]",
    "[{\"id\":\"r00\",\"updated_at\":null},{\"updated_at\":null}]",
    "[{\"id\":null,\"updated_at\":null}]",
    "[{\"id\":\"r00\"},{\"id\":\"r01\"},{\"id\":\"r02\"},{\"id\":\"r03\"}]",
};
static const char *answered;

static int answer_listing(leadx_request *req) {
  fake_answer(req, 200, answered);
  return 1;
}

START_TEST(a_strange_listing_changes_nothing_and_is_said) {
  known_rows(10);
  device_run(&device, "SELECT leadx_config('page_size', '3')");
  answered = strange_listings[_i];
  pages_before = answer_listing;
  ck_assert_str_eq(device_reconcile(&device), "error");
  ck_assert_ptr_nonnull(strstr(device.result, "not asked for"));
  expect("SELECT count(*) FROM notes WHERE body = 'one'", "10");
}
END_TEST

/* A row of another key, one row twice, more rows than keys. */
static const char *const strange_rows[] = {
    "[{\"id\":\"other\",\"body\":\"lie\",\"updated_at\":null}]",
    "[{\"id\":\"r00\",\"body\":\"lie\",\"updated_at\":null},{\"id\":\"r00\",\"body\":\"lie\","
    "\"updated_at\":null},"
    "{\"id\":\"r00\",\"body\":\"lie\",\"updated_at\":null}]",
    "[{\"body\":\"lie\"}]",
};

static int answer_rows(leadx_request *req) {
  if (!asks_for_rows(req)) return 0;
  fake_answer(req, 200, answered);
  return 1;
}

START_TEST(rows_that_were_not_asked_for_change_nothing_and_are_said) {
  known_rows(3);
  restore(2);
  model_remove(&model, "notes", "r02");
  answered = strange_rows[_i];
  pages_before = answer_rows;
  ck_assert_str_eq(device_reconcile(&device), "error");
  ck_assert_ptr_nonnull(strstr(device.result, "not asked for"));
  expect("SELECT count(*) FROM notes WHERE body = 'one'", "3");
  expect("SELECT count(*) FROM notes", "3");
}
END_TEST

/* ---- what the server cannot do at once ---- */

static int most_rows;

static int is_too_much(leadx_request *req) {
  const char *limit = strstr(req->url, "&limit=");
  int rows = 1;
  if (limit) sscanf(limit, "&limit=%d", &rows);
  for (const char *at = asks_for_rows(req) ? req->url : ""; *at; at++) rows += *at == ',';
  if (rows <= most_rows) return 0;
  fake_answer(req, 500,
              "{\"code\":\"57014\",\"message\":\"canceling statement due to statement timeout\"}");
  return 1;
}

START_TEST(what_is_too_much_at_once_is_asked_for_in_smaller_parts) {
  most_rows = _i;
  known_rows(20);
  restore(20);
  model_remove(&model, "notes", "r07");
  pages_before = is_too_much;
  ck_assert_str_eq(device_reconcile(&device), "ok");
  expect("SELECT count(*) FROM notes WHERE body = 'restored'", "19");
  expect("SELECT count(*) FROM notes", "19");
}
END_TEST

/* ---- somebody else has taken over ---- */

static void lose_lease(leadx_request *req) {
  if (!asks_for_rows(req)) return;
  sqlite3 *other = device_second(&device);
  run_on(other, "UPDATE leadx_lease SET owner = 'another'");
  sqlite3_close(other);
}

START_TEST(a_reconcile_whose_lease_is_gone_changes_nothing_more) {
  known_rows(3);
  restore(3);
  model_remove(&model, "notes", "r02");
  pages_after = lose_lease;
  ck_assert_str_eq(device_reconcile(&device), "busy");
  expect("SELECT count(*) FROM notes WHERE body = 'one'", "3");
}
END_TEST

Suite *test_reconcile_suite(void) {
  Suite *suite = suite_create("reconcile");
  TCase *tcase = tcase_create("rows");
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_loop_test(tcase, what_a_cursor_cannot_see_is_found_and_repaired, 0, 3);
  tcase_add_test(tcase, an_empty_listing_of_many_known_rows_is_not_believed);
  tcase_add_test(tcase, a_listing_that_breaks_off_removes_nothing);
  tcase_add_loop_test(tcase, a_strange_listing_changes_nothing_and_is_said, 0,
                      COUNT(strange_listings));
  tcase_add_loop_test(tcase, rows_that_were_not_asked_for_change_nothing_and_are_said, 0,
                      COUNT(strange_rows));
  tcase_add_loop_test(tcase, what_is_too_much_at_once_is_asked_for_in_smaller_parts, 1, 8);
  tcase_add_test(tcase, a_reconcile_whose_lease_is_gone_changes_nothing_more);
  suite_add_tcase(suite, tcase);
  return suite;
}
