/* Whose turn it is in a pull: parents first, small tables before the rest of large ones, and how
** much is to come. */
#include <stdio.h>
#include <string.h>

#include "fake_transport.h"
#include "pages.h"
#include "suites.h"
#include "pull/turns.h"
#include "store/tables.h"

/* ---- the order, by itself ---- */

static leadx_reference of_a[] = {{.parent_table = "a"}}, of_b[] = {{.parent_table = "B"}};
static leadx_table a = {.name = "a"}, b = {.name = "b"},
                   child = {.name = "child", .references = of_a, .nreferences = 1};
static leadx_table left = {.name = "a", .references = of_b, .nreferences = 1},
                   right = {.name = "b", .references = of_a, .nreferences = 1};

static const struct choice {
  const char *what;
  leadx_table *list[3];
  leadx_turn turns[3];
  int next;
} choices[] = {
    {"the first of those that have not begun", {&a, &b}, {{0}, {0}}, 0},
    {"one that has not begun before one that has", {&a, &b}, {{.is_begun = 1, .left = 1}, {0}}, 1},
    {"the smaller rest", {&a, &b}, {{.is_begun = 1, .left = 70}, {.is_begun = 1, .left = 7}}, 1},
    {"a known rest before an unknown one",
     {&a, &b},
     {{.is_begun = 1, .left = -1}, {.is_begun = 1, .left = 70}},
     1},
    {"the rest of a parent before its child", {&a, &child}, {{.is_begun = 1, .left = 70}, {0}}, 0},
    {"a child of what is done", {&child, &a}, {{0}, {.is_done = 1}}, 0},
    {"a parent that stands behind its child", {&child, &a}, {{0}, {0}}, 1},
    {"a circle begins somewhere", {&left, &right}, {{0}, {0}}, 0},
    {"a circle goes on", {&left, &right}, {{.is_done = 1}, {0}}, 1},
    {"nothing is left", {&a, &b}, {{.is_done = 1}, {.is_done = 1}}, -1},
};

static leadx_tables tables_of(const struct choice *c) {
  leadx_tables tables = {.list = (leadx_table **)c->list};
  while (tables.n < 3 && c->list[tables.n]) tables.n++;
  return tables;
}

START_TEST(parents_and_small_tables_come_first) {
  const struct choice *c = &choices[_i];
  leadx_tables tables = tables_of(c);
  int next = leadx_turns_next(&tables, c->turns);
  ck_assert_msg(next == c->next, "%s: %d, not %d", c->what, next, c->next);
}
END_TEST

START_TEST(a_table_waits_only_for_those_that_may_go_before_it) {
  static const int others[] = {1, 1, 1, 1, 0, 0, 1, 0, 0, 0};
  const struct choice *c = &choices[_i];
  leadx_tables tables = tables_of(c);
  int from = c->next < 0 || c->turns[0].is_done ? c->next : 0;
  if (from < 0) return;
  ck_assert_msg(leadx_turns_has_other(&tables, c->turns, from) == others[_i], "%s", c->what);
}
END_TEST

/* ---- a first pull ---- */

static model_server model;
static push_device device;

static void set_up(void) {
  model_open(&model);
  pages_open(&model);
  device_open(&device, &model);
  device_run(&device,
             "CREATE TABLE big(id TEXT PRIMARY KEY NOT NULL, updated_at TEXT); CREATE TABLE "
             "small(id TEXT PRIMARY KEY NOT NULL, updated_at TEXT);"
             "CREATE TABLE leaf(id TEXT PRIMARY KEY NOT NULL, big_id TEXT REFERENCES big(id), "
             "updated_at TEXT);"
             "SELECT leadx_track('big'); SELECT leadx_track('leaf'); SELECT leadx_track('small')");
  device_text(&device, "SELECT leadx_config('page_size', '10')");
}

static void tear_down(void) {
  device_close(&device);
  model_close(&model);
}

static void server_rows(const char *table, int n) {
  char sql[400];
  snprintf(sql, sizeof sql,
           "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT "
           "INTO rows SELECT '%s', printf('r%%05d', i),"
           " json_object('id', printf('r%%05d', i), 'updated_at', "
           "printf('2024-01-01T00:00:00.%%06d+00:00', i)%s) FROM n",
           n, table, strcmp(table, "leaf") == 0 ? ", 'big_id', printf('r%05d', i)" : "");
  run_on(model.db, sql);
}

static void expect_rows(int big, int small, int leaf) {
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM big"), big);
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM small"), small);
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM leaf"), leaf);
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM leadx_parked"), 0);
}

/* The first (or last) request for a table; -1: none. */
static int request_for(const char *table, int last) {
  char text[40];
  int found = -1;
  snprintf(text, sizeof text, "/%s?", table);
  for (int i = 0; i < model.n && (last || found < 0); i++) {
    if (strstr(pages_url(&model, i), text)) found = i;
  }
  return found;
}

START_TEST(small_tables_are_here_before_the_rest_of_a_large_one) {
  server_rows("big", 45);
  server_rows("small", 3);
  server_rows("leaf", 15);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  expect_rows(45, 3, 15);
  ck_assert_int_eq(request_for("big", 0), 0);
  ck_assert_int_eq(request_for("small", 0), 1);
  ck_assert_int_lt(request_for("small", 1), request_for("big", 1));
  ck_assert_int_gt(request_for("leaf", 0), request_for("big", 1));
  /* Nothing was asked for twice: the pages, an empty one, one for rows without a version. */
  ck_assert_int_eq(model_seen(&model, "GET", "/big?"), 5 + 1 + 1);
}
END_TEST

START_TEST(a_table_that_is_pulled_by_itself_waits_for_nobody) {
  server_rows("big", 45);
  server_rows("small", 3);
  ck_assert_str_eq(device_pull(&device, "big"), "ok");
  expect_rows(45, 0, 0);
  ck_assert_int_eq(request_for("small", 0), -1);
}
END_TEST

/* What the server guesses is no more than a guess: 0 is right, -35 names the very size of the first
** page. */
static const int guesses[] = {0, 7, -7, -35, -45, 1000000};

START_TEST(steps_tell_how_much_there_is_and_a_wrong_guess_ends_nothing) {
  int before = 0, steps = 0, more = 1;
  server_rows("big", 45);
  server_rows("small", 3);
  server_rows("leaf", 15);
  pages_guess = guesses[_i];
  while (more && steps < 60) {
    more = device_step(&device);
    int done = device_result(&device, "done"), total = device_result(&device, "total");
    if (++steps == 2) ck_assert_int_eq(done, 10 + 3);
    if (steps == 2 && pages_guess == 0) ck_assert_int_eq(total, 45 + 3);
    ck_assert_msg(done >= before && done <= total, "step %d: %d after %d, of %d", steps, done,
                  before, total);
    before = done;
  }
  expect_rows(45, 3, 15);
  ck_assert_int_eq(before, 45 + 3 + 15);
  ck_assert_int_eq(device_result(&device, "total"), before);
}
END_TEST

START_TEST(a_first_pull_that_was_cut_off_goes_on_and_takes_its_turns) {
  server_rows("big", 45);
  server_rows("small", 3);
  for (int i = 0; i < 3; i++) device_step(&device);
  device_run(&device, "DROP TABLE temp.leadx_stepping");
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  expect_rows(45, 3, 0);
  ck_assert_int_eq(model_seen(&model, "GET", "/big?"), 5 + 1 + 1);
}
END_TEST

Suite *test_turns_suite(void) {
  Suite *suite = suite_create("turns");
  TCase *order = tcase_create("order"), *first = tcase_create("first");
  int n = (int)(sizeof choices / sizeof choices[0]);
  tcase_add_loop_test(order, parents_and_small_tables_come_first, 0, n);
  tcase_add_loop_test(order, a_table_waits_only_for_those_that_may_go_before_it, 0, n);
  suite_add_tcase(suite, order);
  tcase_add_checked_fixture(first, set_up, tear_down);
  tcase_add_test(first, small_tables_are_here_before_the_rest_of_a_large_one);
  tcase_add_test(first, a_table_that_is_pulled_by_itself_waits_for_nobody);
  tcase_add_loop_test(first, steps_tell_how_much_there_is_and_a_wrong_guess_ends_nothing, 0,
                      (int)(sizeof guesses / sizeof guesses[0]));
  tcase_add_test(first, a_first_pull_that_was_cut_off_goes_on_and_takes_its_turns);
  suite_add_tcase(suite, first);
  return suite;
}
