/* The server deletes or hides a row that other rows refer to here: what the local foreign keys take
** along must not be an unsent change, nor become a delete of ours. C14 of the known ways to lose
** data. */
#include <stdio.h>
#include <string.h>

#include "pages.h"
#include "suites.h"

static model_server model;
static push_device device;

static void set_up(void) {
  model_open(&model);
  model.references = "orders.customer_id>customers;lines.order_id>orders";
  pages_open(&model);
  device_open(&device, &model);
}

static void tear_down(void) {
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM leadx_applying"), 0);
  device_close(&device);
  model_close(&model);
}

static void expect(const char *sql, const char *text) {
  const char *answer = device_text(&device, sql);
  ck_assert_msg(
      strcmp(answer, text) == 0, "%s: \"%s\", not \"%s\"; parked %s", sql, answer, text,
      device_text(
          &device,
          "SELECT group_concat(entity || ' ' || key || ': ' || reason, '; ') FROM leadx_parked"));
}

static const char *const actions[] = {"CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT",
                                      "NO ACTION"};
enum { CASCADE, SET_NULL, SET_DEFAULT, RESTRICT, NO_ACTION };

/* A customer with an order that has a line, on both sides. */
static void family(const char *action, int foreign_keys) {
  char sql[700];
  snprintf(sql, sizeof sql,
           "PRAGMA foreign_keys=%d; CREATE TABLE customers(id TEXT PRIMARY KEY NOT NULL, name "
           "TEXT, updated_at TEXT);"
           "CREATE TABLE orders(id TEXT PRIMARY KEY NOT NULL, customer_id TEXT REFERENCES "
           "customers(id) ON DELETE %s, note TEXT, updated_at TEXT);"
           "CREATE TABLE lines(id TEXT PRIMARY KEY NOT NULL, order_id TEXT REFERENCES orders(id) "
           "ON DELETE %s, n INTEGER, updated_at TEXT);"
           "SELECT leadx_track('customers'), leadx_track('orders'), leadx_track('lines')",
           foreign_keys, action, action);
  device_run(&device, sql);
  model_put(&model, "customers", "c", "{\"id\":\"c\",\"name\":\"Ani\"}");
  model_put(&model, "orders", "o", "{\"id\":\"o\",\"customer_id\":\"c\",\"note\":\"old\"}");
  model_put(&model, "lines", "l", "{\"id\":\"l\",\"order_id\":\"o\",\"n\":1}");
  ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT (SELECT count(*) FROM customers) || (SELECT count(*) FROM orders) || (SELECT "
         "count(*) FROM lines)",
         "111");
}

/* The server deletes the customer and all that hangs on it. */
static void all_deleted(void) {
  model_remove(&model, "lines", "l");
  model_remove(&model, "orders", "o");
  model_remove(&model, "customers", "c");
}

/* A tombstone came of that row, which has an unsent change. */
static void bury(const char *entity, const char *key) {
  char sql[200];
  snprintf(
      sql, sizeof sql,
      "INSERT OR REPLACE INTO leadx_parked(entity, key, refused, reason) VALUES ('%s', '%s', 0, "
      "'deleted on the server while a local change is unsent')",
      entity, key);
  device_run(&device, sql);
}

/* Nothing waits, nothing is parked, and the next sync finds nothing to do. */
static void is_quiet(void) {
  expect("SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'", "0");
  expect("SELECT count(*) FROM leadx_parked", "0");
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(device_result(&device, "requests"), 3);
}

/* Whatever the local foreign keys say, an unsent edit of a row below stays until it has met its own
** delete, and stands in the audit then; after that everything goes. */
START_TEST(an_unsent_edit_below_a_deleted_row_is_not_taken_along) {
  family(actions[_i], 1);
  device_run(&device, "UPDATE orders SET note = 'mine'");
  all_deleted();
  device_reconcile(&device);
  expect("SELECT note || customer_id FROM orders", "minec");
  expect("SELECT count(*) FROM customers", "1");
  bury("orders", "o");
  for (int i = 0; i < 3; i++) ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT client_payload ->> 'note' || winner FROM sync_conflicts", "mineserver");
  ck_assert_str_eq(device_reconcile(&device), "ok");
  ck_assert_str_eq(device_reconcile(&device), "ok");
  ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT (SELECT count(*) FROM customers) || (SELECT count(*) FROM orders) || (SELECT "
         "count(*) FROM lines)",
         "000");
  is_quiet();
}
END_TEST

START_TEST(an_unsent_edit_two_levels_below_is_not_taken_along) {
  family("CASCADE", 1);
  device_run(&device, "UPDATE lines SET n = 7");
  all_deleted();
  device_reconcile(&device);
  expect("SELECT n || order_id FROM lines", "7o");
  expect("SELECT count(*) FROM customers", "1");
  bury("lines", "l");
  for (int i = 0; i < 3; i++) ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT client_payload ->> 'n' || winner FROM sync_conflicts", "7server");
}
END_TEST

/* A new row below: the server refuses it, which is said, and it stays for a person to decide. */
START_TEST(an_unsent_new_row_below_a_deleted_one_stays_and_is_said) {
  family(actions[_i], 1);
  device_run(&device, "INSERT INTO orders VALUES ('new', 'c', 'mine', NULL)");
  all_deleted();
  device_reconcile(&device);
  for (int i = 0; i < 3; i++) device_both(&device);
  expect("SELECT note || customer_id FROM orders WHERE id = 'new'", "minec");
  expect("SELECT action || ' ' || status FROM sync_queue WHERE entity_id = 'new'", "CREATE FAILED");
  expect("SELECT count(*) FROM sync_queue WHERE action = 'DELETE'", "0");
  /* Given up, it goes, and its parent with it. */
  device_run(&device,
             "SELECT leadx_discard(id) FROM (SELECT id FROM sync_queue WHERE entity_id = 'new')");
  for (int i = 0; i < 2; i++) {
    ck_assert_str_eq(device_both(&device), "ok");
    ck_assert_str_eq(device_reconcile(&device), "ok");
  }
  expect("SELECT (SELECT count(*) FROM customers) || (SELECT count(*) FROM orders) || (SELECT "
         "count(*) FROM lines)",
         "000");
}
END_TEST

/* The customer is hidden from this person and its order is not: what the local keys do to the order
** is no wish of the person's, and the order is whole again when the customer comes back. */
START_TEST(what_a_removal_takes_along_is_not_deleted_on_the_server) {
  family(actions[_i], 1);
  model_remove(&model, "customers", "c");
  device_reconcile(&device);
  for (int i = 0; i < 2; i++) device_both(&device);
  ck_assert_int_eq(model_count(&model, "orders"), 1);
  ck_assert_int_eq(model_count(&model, "lines"), 1);
  ck_assert_str_eq(model_value(&model, "orders", "o", "customer_id"), "c");
  expect("SELECT count(*) FROM sync_queue", "0");
  expect("SELECT count(*) FROM sync_conflicts", "0");
  model_put(&model, "customers", "c", "{\"id\":\"c\",\"name\":\"Ani again\"}");
  for (int i = 0; i < 2; i++) ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT name || note || n FROM customers JOIN orders ON customer_id = customers.id JOIN "
         "lines ON order_id = orders.id",
         "Ani againold1");
  is_quiet();
}
END_TEST

/* C8: a row of the server goes over the one that is here and not in its place, so nothing that
** refers to it moves. */
START_TEST(an_edit_of_a_row_that_is_pulled_leaves_what_refers_to_it) {
  family(actions[_i], 1);
  device_run(&device, "UPDATE orders SET note = 'mine'");
  model_put(&model, "customers", "c", "{\"id\":\"c\",\"name\":\"Budi\"}");
  ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT name || note || n FROM customers JOIN orders ON customer_id = customers.id JOIN "
         "lines ON order_id = orders.id",
         "Budimine1");
  expect("SELECT count(*) FROM sync_queue", "1");
}
END_TEST

/* Met by the push: our edit of the customer finds it gone, and its order has an edit of its own. */
START_TEST(a_delete_that_the_push_meets_takes_no_unsent_edit_along) {
  family("CASCADE", 1);
  device_run(&device, "UPDATE customers SET name = 'mine'; UPDATE orders SET note = 'mine'");
  model_remove(&model, "lines", "l");
  model_remove(&model, "orders", "o");
  model_remove(&model, "customers", "c");
  bury("customer", "c");
  bury("orders", "o");
  for (int i = 0; i < 3; i++) ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT group_concat(entity_type || (client_payload ->> 'name') || winner) FROM "
         "sync_conflicts WHERE entity_type = 'customer'",
         "customermineserver");
  expect("SELECT count(*) FROM sync_conflicts WHERE entity_type = 'orders' AND client_payload ->> "
         "'note' = 'mine'",
         "1");
  expect("SELECT (SELECT count(*) FROM customers) || (SELECT count(*) FROM orders)", "00");
}
END_TEST

/* A table that is only read has no triggers, so nothing tells what a foreign key took along;
** comparing does. */
START_TEST(what_was_taken_along_of_a_table_that_only_pulls_comes_back_with_a_reconcile) {
  family("CASCADE", 1);
  device_run(&device, "SELECT leadx_track('lines', '{\"mode\":\"pull\"}')");
  model_remove(&model, "customers", "c");
  device_reconcile(&device);
  expect("SELECT (SELECT count(*) FROM orders) || (SELECT count(*) FROM lines)", "00");
  model_put(&model, "customers", "c", "{\"id\":\"c\",\"name\":\"Ani again\"}");
  for (int i = 0; i < 2; i++) ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_str_eq(device_reconcile(&device), "ok");
  expect("SELECT name || note || n FROM customers JOIN orders ON customer_id = customers.id JOIN "
         "lines ON order_id = orders.id",
         "Ani againold1");
  is_quiet();
}
END_TEST

/* What would fetch it again never runs for such a table. */
START_TEST(nothing_of_a_table_that_only_pushes_waits_to_be_fetched) {
  family(actions[_i], 1);
  device_run(&device, "SELECT leadx_track('lines', '{\"mode\":\"push\"}')");
  model_remove(&model, "orders", "o");
  for (int i = 0; i < 2; i++) device_reconcile(&device);
  expect("SELECT count(*) FROM leadx_parked WHERE entity = 'lines'", "0");
  expect("SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'", "0");
}
END_TEST

START_TEST(without_foreign_keys_a_removal_touches_no_other_row) {
  family(actions[_i], 0);
  model.references = NULL; /* the customer is hidden, not gone */
  device_run(&device, "UPDATE orders SET note = 'mine'");
  model_remove(&model, "customers", "c");
  ck_assert_str_eq(device_reconcile(&device), "ok");
  expect("SELECT (SELECT count(*) FROM customers) || customer_id || note FROM orders", "0cmine");
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_str_eq(model_value(&model, "orders", "o", "note"), "mine");
}
END_TEST

Suite *test_cascade_suite(void) {
  Suite *suite = suite_create("cascade");
  TCase *tcase = tcase_create("cascade");
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_loop_test(tcase, an_unsent_edit_below_a_deleted_row_is_not_taken_along, CASCADE,
                      NO_ACTION + 1);
  tcase_add_test(tcase, an_unsent_edit_two_levels_below_is_not_taken_along);
  tcase_add_loop_test(tcase, an_unsent_new_row_below_a_deleted_one_stays_and_is_said, CASCADE,
                      NO_ACTION + 1);
  tcase_add_loop_test(tcase, what_a_removal_takes_along_is_not_deleted_on_the_server, CASCADE,
                      NO_ACTION + 1);
  tcase_add_loop_test(tcase, an_edit_of_a_row_that_is_pulled_leaves_what_refers_to_it, CASCADE,
                      NO_ACTION + 1);
  tcase_add_test(tcase,
                 what_was_taken_along_of_a_table_that_only_pulls_comes_back_with_a_reconcile);
  tcase_add_loop_test(tcase, nothing_of_a_table_that_only_pushes_waits_to_be_fetched, CASCADE,
                      SET_DEFAULT + 1);
  tcase_add_test(tcase, a_delete_that_the_push_meets_takes_no_unsent_edit_along);
  tcase_add_loop_test(tcase, without_foreign_keys_a_removal_touches_no_other_row, CASCADE,
                      NO_ACTION + 1);
  suite_add_tcase(suite, tcase);
  return suite;
}
