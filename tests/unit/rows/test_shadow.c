/* What leadx knows of the server's rows: a row that the server keeps as deleted is not missed here,
** and what was pushed is said. */
#include "push_device.h"
#include "suites.h"

static model_server model;
static push_device device;

static void open_device(void) {
  model_open(&model);
  device_open(&device, &model);
  device_run(
      &device,
      "CREATE TABLE customers(id TEXT PRIMARY KEY, code TEXT UNIQUE, name TEXT, updated_at TEXT)");
}

static void close_device(void) {
  device_close(&device);
  model_close(&model);
}

/* The second unique column makes every sync look for rows that REPLACE removed. */
START_TEST(a_soft_delete_is_sent_once) {
  device_run(
      &device,
      "SELECT leadx_track('customers', '{\"delete\":\"soft\",\"soft_delete\":\"deleted_at\"}')");
  device_run(&device, "INSERT INTO customers(id, code) VALUES ('a', 'A'), ('b', 'B')");
  ck_assert_str_eq(device_sync(&device), "ok");
  device_run(&device, "DELETE FROM customers WHERE id = 'a'");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(device_result(&device, "pushed"), 1);
  for (int i = 0; i < 3; i++) {
    device_run(&device, "UPDATE customers SET name = name || 'x' WHERE id = 'b'");
    device_run(&device, "UPDATE customers SET name = ifnull(name, '') || 'y' WHERE id = 'b'");
    ck_assert_str_eq(device_sync(&device), "ok");
  }
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM sync_queue WHERE action = 'DELETE'"),
                   1);
}
END_TEST

START_TEST(the_status_tells_when_a_table_was_pushed) {
  device_run(&device, "SELECT leadx_track('customers')");
  ck_assert_str_eq(device_text(&device, "SELECT ifnull(last_push_at, 'never') FROM leadx_status"),
                   "never");
  device_run(&device, "INSERT INTO customers(id, code) VALUES ('a', 'A')");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(device_int(&device, "SELECT last_push_at >= '2020' FROM leadx_status"), 1);
  /* A connection keeps what it knows of its tables from one sync to the next, but not that this was
  ** said. */
  device_run(&device, "CREATE TEMP TABLE first AS SELECT last_push_at AS at FROM leadx_status; "
                      "INSERT INTO customers(id, code) VALUES ('b', 'B')");
  sqlite3_sleep(5);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(device_int(&device, "SELECT last_push_at > at FROM leadx_status, first"), 1);
}
END_TEST

Suite *test_shadow_suite(void) {
  Suite *suite = suite_create("shadow");
  TCase *tc = tcase_create("shadow");
  tcase_add_checked_fixture(tc, open_device, close_device);
  tcase_add_test(tc, a_soft_delete_is_sent_once);
  tcase_add_test(tc, the_status_tells_when_a_table_was_pushed);
  suite_add_tcase(suite, tc);
  return suite;
}
