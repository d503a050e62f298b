/* The order of a push, from queues made by hand. B9 is the way to lose data that this stands
** against. */
#include <stdio.h>
#include <string.h>

#include "push/plan.h"
#include "push_device.h"
#include "suites.h"
#include "store/tables.h"

static sqlite3 *handle;
static leadx_db db;
static leadx_err err;
static leadx_tables tables;
static leadx_window window;
static leadx_plan plan;
static char order[4000];

int sqlite3_leadx_init(sqlite3 *handle, char **error, const void *api);

static void set_up(void) {
  memset(&db, 0, sizeof db);
  leadx_err_clear(&err);
  ck_assert_int_eq(sqlite3_open(":memory:", &handle), SQLITE_OK);
  ck_assert_int_eq(sqlite3_leadx_init(handle, NULL, NULL), SQLITE_OK);
  db.handle = handle;
  run_on(
      handle,
      "CREATE TABLE customers(id TEXT PRIMARY KEY NOT NULL, name TEXT);"
      "CREATE TABLE pipelines(id TEXT PRIMARY KEY NOT NULL, customer_id TEXT REFERENCES customers, "
      "amount INT);"
      "CREATE TABLE activities(id TEXT PRIMARY KEY NOT NULL, customer_id TEXT REFERENCES customers,"
      " pipeline_id TEXT REFERENCES pipelines, previous_id TEXT REFERENCES activities);"
      "CREATE TABLE settings(id TEXT PRIMARY KEY NOT NULL, value TEXT);"
      "CREATE TABLE eggs(id TEXT PRIMARY KEY NOT NULL, hen TEXT REFERENCES hens);"
      "CREATE TABLE hens(id TEXT PRIMARY KEY NOT NULL, egg TEXT REFERENCES eggs);"
      "CREATE TABLE lines(a TEXT, b TEXT, PRIMARY KEY(a, b));"
      "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, a TEXT, b TEXT, FOREIGN KEY(a, b) "
      "REFERENCES lines(a, b));"
      "SELECT leadx_track('*'); PRAGMA foreign_keys = OFF");
}

static void tear_down(void) {
  leadx_plan_clear(&plan);
  leadx_window_clear(&window);
  leadx_tables_clear(&tables);
  leadx_db_release(&db);
  ck_assert_int_eq(sqlite3_close(handle), SQLITE_OK);
}

/* Plans the queue and answers the order as "CREATE c1 | UPDATE a1". */
static const char *planned_behind(const char *sql, int64_t behind) {
  leadx_plan_clear(&plan);
  leadx_window_clear(&window);
  leadx_tables_clear(&tables);
  run_on(handle, sql);
  ck_assert_msg(leadx_tables_load(&db, "test", &tables, &err) == SQLITE_OK, "%s", err.text);
  ck_assert_msg(leadx_window_load(&db, &tables, "", behind, 10000, &window, &err) == SQLITE_OK,
                "%s", err.text);
  ck_assert_msg(leadx_plan_make(&db, &window, &plan, &err) == SQLITE_OK, "%s", err.text);
  order[0] = 0;
  for (int i = 0; i < plan.n && strlen(order) < sizeof order - 100; i++) {
    snprintf(order + strlen(order), 100, "%s%s %s", i ? " | " : "",
             leadx_action_name(plan.changes[i].action), plan.changes[i].key);
  }
  return order;
}

static const char *planned(const char *sql) { return planned_behind(sql, 0); }

static const struct plan_case {
  const char *sql, *order;
} cases[] = {
    /* priority, then age */
    {"INSERT INTO settings VALUES ('s1', 1); INSERT INTO customers VALUES ('c1', 1); INSERT INTO "
     "pipelines VALUES ('p1', NULL, 1);"
     "INSERT INTO activities VALUES ('a1', NULL, NULL, NULL)",
     "CREATE a1 | CREATE p1 | CREATE c1 | CREATE s1"},
    {"INSERT INTO customers VALUES ('c2', 1), ('c1', 1), ('c3', 1)",
     "CREATE c2 | CREATE c1 | CREATE c3"},
    /* a parent is lifted before its child, through two generations, and nobody else is */
    {"INSERT INTO customers VALUES ('c9', 1), ('c1', 1); INSERT INTO activities VALUES ('a1', "
     "'c1', NULL, NULL)",
     "CREATE c1 | CREATE a1 | CREATE c9"},
    {"INSERT INTO customers VALUES ('c9', 1), ('c1', 1); INSERT INTO pipelines VALUES ('p9', NULL, "
     "1), ('p1', 'c1', 1);"
     "INSERT INTO activities VALUES ('a1', NULL, 'p1', NULL), ('a2', NULL, NULL, NULL)",
     "CREATE a2 | CREATE c1 | CREATE p1 | CREATE a1 | CREATE p9 | CREATE c9"},
    /* an UPDATE that begins to refer to a new parent waits for it */
    {"INSERT INTO activities VALUES ('a1', NULL, NULL, NULL); UPDATE sync_queue SET status = "
     "'SYNCED';"
     "INSERT INTO customers VALUES ('c1', 1); UPDATE activities SET customer_id = 'c1'",
     "CREATE c1 | UPDATE a1"},
    /* children's deletes before their parents', whatever the age */
    {"INSERT INTO customers VALUES ('c1', 1); INSERT INTO pipelines VALUES ('p1', 'c1', 1); INSERT "
     "INTO activities VALUES ('a1', 'c1', 'p1', NULL);"
     "UPDATE sync_queue SET status = 'SYNCED'; DELETE FROM customers; DELETE FROM pipelines; "
     "DELETE FROM activities",
     "DELETE a1 | DELETE p1 | DELETE c1"},
    /* who lets go of a parent goes before the parent's delete */
    {"INSERT INTO settings VALUES ('s1', 1); INSERT INTO customers VALUES ('c1', 1); INSERT INTO "
     "pipelines VALUES ('p1', 'c1', 1);"
     "UPDATE sync_queue SET status = 'SYNCED'; DELETE FROM customers; UPDATE pipelines SET "
     "customer_id = NULL",
     "UPDATE p1 | DELETE c1"},
    /* references within one table */
    {"INSERT INTO activities VALUES ('a3', NULL, NULL, 'a2'), ('a2', NULL, NULL, 'a1'), ('a1', "
     "NULL, NULL, NULL)",
     "CREATE a1 | CREATE a2 | CREATE a3"},
    {"INSERT INTO activities VALUES ('a1', NULL, NULL, 'a1')", "CREATE a1"},
    /* composite references */
    {"INSERT INTO notes VALUES ('n1', 'x', 'y'); INSERT INTO lines VALUES ('x', 'y')",
     "CREATE [\"x\",\"y\"] | CREATE n1"},
    /* what comes to nothing is in the plan and is settled without a request */
    {"INSERT INTO customers VALUES ('c1', 1); DELETE FROM customers", " c1"},
    /* deletes free the unique values that others take */
    {"INSERT INTO customers VALUES ('c1', 1); UPDATE sync_queue SET status = 'SYNCED';"
     "INSERT INTO customers VALUES ('c2', 1); DELETE FROM customers WHERE id = 'c1'",
     "DELETE c1 | CREATE c2"},
    {"SELECT 1", ""},
};

/* B9 */
START_TEST(a_queue_goes_out_in_the_order_of_need) {
  ck_assert_str_eq(planned(cases[_i].sql), cases[_i].order);
}
END_TEST

/* B9 */
START_TEST(rows_in_a_circle_end) {
  planned("INSERT INTO eggs VALUES ('e1', 'h1'); INSERT INTO hens VALUES ('h1', 'e1')");
  ck_assert_int_eq(plan.n, 2);
  planned("INSERT INTO activities VALUES ('a1', NULL, NULL, 'a3'), ('a2', NULL, NULL, 'a1'), "
          "('a3', NULL, NULL, 'a2')");
  ck_assert_int_eq(plan.n, 5);
}
END_TEST

/* B9: deeper than any stack of calls should go; each row still stands behind the one it refers to.
** _i: the names go up the chain or down. */
START_TEST(a_chain_of_a_thousand_ends_in_order) {
  planned(_i ? "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i - 1 FROM n WHERE i > 1)"
               " INSERT INTO activities SELECT printf('%04d', i), NULL, NULL, CASE WHEN i > 1 THEN "
               "printf('%04d', i - 1) END FROM n"
             : "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
               " INSERT INTO activities SELECT printf('%04d', i), NULL, NULL, CASE WHEN i < 1000 "
               "THEN printf('%04d', i + 1) END FROM n");
  ck_assert_int_eq(plan.n, 1000);
  for (int i = 1; i < plan.n; i++) {
    int order_of_two = strcmp(plan.changes[i - 1].key, plan.changes[i].key);
    ck_assert(_i ? order_of_two < 0 : order_of_two > 0);
  }
}
END_TEST

START_TEST(a_stage_is_one_table_one_action_and_one_level) {
  planned("INSERT INTO customers VALUES ('c1', 1), ('c2', 1); INSERT INTO activities VALUES ('a1', "
          "'c1', NULL, NULL), ('a2', 'c2', NULL, 'a1')");
  ck_assert_int_eq(plan.n, 4);
  ck_assert_int_eq(leadx_plan_stage_end(&plan, 0), 2);
  ck_assert_int_eq(leadx_plan_stage_end(&plan, 2), 3);
  ck_assert_int_eq(leadx_plan_stage_end(&plan, 3), 4);
}
END_TEST

static const struct wait_case {
  const char *set;
  int planned, waiting;
} waits[] = {
    {"status = 'FAILED'", 1, 1},
    {"error_code = 'conflict'", 1, 1},
    {"next_try_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+60 seconds')", 1, 1},
    {"next_try_at = '2001-01-01T00:00:00Z'", 2, 0},
    /* a clock that jumped cannot park a row */
    {"next_try_at = '2999-01-01T00:00:00Z'", 2, 0},
    {"status = 'SYNCED'", 1, 0},
    {"status = 'IN_PROGRESS'", 2, 0},
};

START_TEST(rows_that_wait_stay_behind_and_hold_nobody) {
  char sql[300];
  snprintf(sql, sizeof sql,
           "INSERT INTO customers VALUES ('c1', 1), ('c2', 1); UPDATE sync_queue SET %s WHERE "
           "entity_id = 'c1'",
           waits[_i].set);
  planned(sql);
  ck_assert_int_eq(plan.n, waits[_i].planned);
  ck_assert_int_eq(plan.waiting, waits[_i].waiting);
}
END_TEST

START_TEST(a_new_edit_takes_a_failed_row_along) {
  planned("INSERT INTO customers VALUES ('c1', 1); UPDATE sync_queue SET status = 'FAILED'; UPDATE "
          "customers SET name = 'b'");
  ck_assert_str_eq(order, "CREATE c1");
  ck_assert_int_eq(plan.changes[0].nmembers, 2);
}
END_TEST

/* What another user changed waits for that user, and so does what was built on it; what came before
** does not. */
START_TEST(rows_of_another_user_and_what_is_built_on_them_stay_behind) {
  planned("INSERT INTO customers VALUES ('c1', 1), ('c2', 1); UPDATE customers SET name = 'theirs' "
          "WHERE id = 'c1';"
          "UPDATE sync_queue SET owner = 'somebody' WHERE action = 'UPDATE'; UPDATE customers SET "
          "name = 'mine' WHERE id = 'c1'");
  ck_assert_str_eq(order, "CREATE c1 | CREATE c2");
  ck_assert_int_eq(plan.changes[0].nmembers, 1);
  ck_assert_int_eq(plan.nbehind, 2);
  ck_assert_int_eq(plan.waiting, 1);
}
END_TEST

/* A long queue is planned window by window: an edit whose row still waits in an earlier one does
** not overtake it. */
START_TEST(an_edit_does_not_overtake_a_change_of_its_row_in_an_earlier_window) {
  planned_behind("INSERT INTO customers VALUES ('c1', 1), ('c2', 1); UPDATE customers SET name = "
                 "'b' WHERE id = 'c1'; INSERT INTO customers VALUES ('c3', 1)",
                 2);
  ck_assert_str_eq(order, "CREATE c3");
  ck_assert_int_gt(plan.waiting, 0);
}
END_TEST

START_TEST(rows_that_nobody_can_deliver_are_put_aside_alone) {
  planned("INSERT INTO customers VALUES ('c1', 1); INSERT INTO sync_queue(id, entity_type, "
          "entity_id, action, payload) VALUES"
          " ('x1', 'martian', 'm', 'CREATE', '{}'), ('x2', 'customer', 'c1', 'create', '{}'), "
          "('x3', 'customer', 'c9', '', '{}');"
          "UPDATE customers SET name = 'b'");
  ck_assert_str_eq(order, "CREATE c1");
  ck_assert_int_eq(plan.changes[0].nmembers, 2);
  ck_assert_int_eq(plan.nrejects, 3);
}
END_TEST

Suite *test_plan_suite(void) {
  Suite *suite = suite_create("plan");
  TCase *tcase = tcase_create("plan");
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_loop_test(tcase, a_queue_goes_out_in_the_order_of_need, 0,
                      (int)(sizeof cases / sizeof cases[0]));
  tcase_add_test(tcase, rows_in_a_circle_end);
  tcase_add_loop_test(tcase, a_chain_of_a_thousand_ends_in_order, 0, 2);
  tcase_add_test(tcase, a_stage_is_one_table_one_action_and_one_level);
  tcase_add_loop_test(tcase, rows_that_wait_stay_behind_and_hold_nobody, 0,
                      (int)(sizeof waits / sizeof waits[0]));
  tcase_add_test(tcase, a_new_edit_takes_a_failed_row_along);
  tcase_add_test(tcase, rows_of_another_user_and_what_is_built_on_them_stay_behind);
  tcase_add_test(tcase, an_edit_does_not_overtake_a_change_of_its_row_in_an_earlier_window);
  tcase_add_test(tcase, rows_that_nobody_can_deliver_are_put_aside_alone);
  suite_add_tcase(suite, tcase);
  return suite;
}
