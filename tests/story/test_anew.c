/* Tables that are made anew, rebuilt, trimmed, renamed or written while nobody looks, and rows that
** are replaced: what reaches the real server is what somebody did, and nothing else. Each story is
** told twice, plainly and with the server's functions. Names like G1 are the known ways to lose data
** that a test stands against. */
#include <stdio.h>
#include <string.h>

#include "live.h"
#include "suites.h"
#include "supabase.h"

static live_device device;

/* Customers with these columns, to be rebuilt without writing all of them out. */
#define COLUMNS \
  "id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, city TEXT, notes TEXT, updated_at TEXT"
#define ID(n) "'c0000000-0000-4000-8000-00000000000" n "'"

/* Three customers of the server, pulled into a table of five columns. */
static void set_up(void) {
  live_wipe();
  live_open(&device, 0, NULL);
  live_run(device.db, "SELECT leadx_untrack('customers'); PRAGMA foreign_keys = OFF; DROP TABLE "
                      "customers; CREATE TABLE customers(" COLUMNS
                      "); SELECT leadx_track('customers', '{\"delete\":\"hard\"}')");
  live_learn(&device);
  live_run(device.db, "INSERT INTO customers(id, name, city, notes) VALUES(" ID(
                          "1") ", 'ani', "
                               "'Solo', 'n1'), (" ID("2") ", 'budi', 'Pati', 'n2'), (" ID(
                                   "3") ", 'cici', 'Tuban', 'n3')");
  ck_assert_str_eq(live_text(device.db, "SELECT leadx_sync() ->> 'state'"), "ok");
  live_run(device.db, "DELETE FROM sync_queue WHERE status = 'SYNCED'");
}

static void tear_down(void) { live_close(&device); }

static void sync_ok(void) {
  const char *result = live_text(device.db, "SELECT leadx_sync()");
  ck_assert_msg(strstr(result, "\"state\":\"ok\"") != NULL, "%s", result);
}

static void expect_local(const char *rows) {
  ck_assert_str_eq(live_text(device.db, "SELECT group_concat(name || '/' || city || '/' || notes) "
                                        "FROM (SELECT * FROM customers ORDER BY id)"),
                   rows);
}

static void expect_server(const char *rows) {
  ck_assert_str_eq(live_psql("select string_agg(name || '/' || city || '/' || notes, ',' order by "
                             "id) from customers"),
                   rows);
}

static void expect_both(const char *rows) {
  expect_server(rows);
  expect_local(rows);
}

#define ALL "ani/Solo/n1,budi/Pati/n2,cici/Tuban/n3"

/* G1: a destructive migration, and each piece of a rebuild that a sync may come between. */
START_TEST(a_table_that_is_made_anew_is_filled_again_and_nothing_is_deleted) {
  static const char *const remakes[] = {
      "DROP TABLE customers; CREATE TABLE customers(" COLUMNS ")",
      "ALTER TABLE customers RENAME TO old_customers; CREATE TABLE customers(" COLUMNS ")",
      "DROP TABLE customers; CREATE TABLE customers(" COLUMNS "); VACUUM",
      "DROP TABLE customers; CREATE TABLE customers(notes TEXT, id TEXT PRIMARY KEY NOT NULL, name "
      "TEXT NOT NULL, city TEXT, extra TEXT, updated_at TEXT)",
      "DROP TRIGGER leadx_customers_delete; DELETE FROM customers",
  };
  live_run(device.db, remakes[_i]);
  live_text(device.db, "SELECT leadx_sync()");
  expect_both(ALL);
  sync_ok();
  expect_both(ALL);
}
END_TEST

/* G6: a rebuild changes one column of every row, a colleague has changed another one. */
START_TEST(a_rebuild_sends_the_columns_that_it_changed_and_no_others) {
  live_psql("update customers set city = 'Blora', updated_at = now() where name = 'budi'");
  live_run(device.db,
           "BEGIN; CREATE TABLE made(" COLUMNS "); INSERT INTO made SELECT id, upper(name), city, "
           "notes, updated_at FROM customers; DROP TABLE customers; ALTER TABLE made RENAME TO "
           "customers; COMMIT");
  sync_ok();
  expect_both("ANI/Solo/n1,BUDI/Blora/n2,CICI/Tuban/n3");
  ck_assert_int_eq(
      live_int(device.db, "SELECT count(*) FROM sync_queue WHERE payload LIKE '%city%'"), 0);
}
END_TEST

/* G5, G13: how a trigger saw the row that REPLACE takes away is nobody's concern. */
static void be_recursive(int on) {
  live_run(device.db, on ? "PRAGMA recursive_triggers = ON" : "PRAGMA recursive_triggers = OFF");
}

START_TEST(a_replace_sends_what_it_changed_and_leaves_a_colleague_s_edit) {
  be_recursive(_i);
  live_psql("update customers set city = 'Blora', updated_at = now() where name = 'budi'");
  live_run(device.db, "REPLACE INTO customers SELECT id, name, city, notes || '!', updated_at FROM "
                      "customers");
  sync_ok();
  expect_both("ani/Solo/n1!,budi/Blora/n2!,cici/Tuban/n3!");
}
END_TEST

START_TEST(a_replace_that_changes_nothing_sends_nothing) {
  be_recursive(_i);
  char before[60];
  snprintf(before, sizeof before, "%s", live_psql("select max(updated_at) from customers"));
  live_run(device.db, "REPLACE INTO customers SELECT * FROM customers");
  ck_assert_int_eq(live_int(device.db, "SELECT leadx_push() ->> 'requests'"), 0);
  ck_assert_int_eq(live_int(device.db, "SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'"),
                   0);
  ck_assert_str_eq(live_psql("select max(updated_at) from customers"), before);
  sync_ok();
  expect_both(ALL);
}
END_TEST

/* The same column on both sides is a conflict, which the policy decides, with both values kept. */
START_TEST(a_replace_of_what_a_colleague_changed_too_is_a_conflict) {
  be_recursive(_i);
  live_psql("update customers set notes = 'theirs', updated_at = now() where name = 'budi'");
  live_run(device.db, "REPLACE INTO customers SELECT id, name, city, 'mine', updated_at FROM "
                      "customers WHERE name = 'budi'");
  live_text(device.db, "SELECT leadx_sync()");
  ck_assert_int_eq(live_int(device.db, "SELECT count(*) FROM sync_conflicts"), 1);
  ck_assert_str_eq(live_text(device.db, "SELECT contested FROM sync_conflicts"), "[\"notes\"]");
}
END_TEST

/* G13: REPLACE says that the row shall be there. */
START_TEST(a_replace_of_a_row_that_the_server_deleted_makes_it_again) {
  be_recursive(_i);
  live_psql("delete from customers where name = 'budi'");
  live_run(device.db, "REPLACE INTO customers SELECT id, name, city, 'again', updated_at FROM "
                      "customers WHERE name = 'budi'");
  sync_ok();
  expect_both("ani/Solo/n1,budi/Pati/again,cici/Tuban/n3");
}
END_TEST

/* A2: the row that REPLACE takes along by a unique value goes on the server too, and before the row
** that takes the value there. */
START_TEST(a_replace_takes_a_row_along_on_the_server_too) {
  static const char *const replaces[] = {
      "REPLACE INTO customers(id, name, city, notes, code) VALUES(" ID("9") ", 'new', 'Tegal', "
                                                                            "'n9', 'P-1')",
      "INSERT INTO customers(id, name, city, notes, code) VALUES(" ID(
          "9") ", 'new', 'Tegal', 'n9', "
               "'P-9'); SELECT leadx_sync(); UPDATE OR REPLACE customers SET code = 'P-1' WHERE "
               "name = 'new'",
  };
  be_recursive(_i & 1);
  live_run(device.db,
           "DROP TABLE customers; CREATE TABLE customers(" COLUMNS ", code TEXT UNIQUE)");
  live_text(device.db, "SELECT leadx_sync()");
  sync_ok();
  live_run(device.db, "UPDATE customers SET code = 'P-1' WHERE name = 'ani'");
  sync_ok();
  live_run(device.db, replaces[_i >> 1]);
  sync_ok();
  expect_both("budi/Pati/n2,cici/Tuban/n3,new/Tegal/n9");
  sync_ok();
  expect_both("budi/Pati/n2,cici/Tuban/n3,new/Tegal/n9");
  ck_assert_str_eq(live_psql("select code from customers where name = 'new'"), "P-1");
}
END_TEST

/* G3: what the application's triggers keep out, or trim, is not known, and never deleted. */
START_TEST(rows_that_a_trigger_keeps_out_or_trims_stay_on_the_server) {
  live_run(
      device.db,
      _i ? "CREATE TRIGGER trim_customers AFTER INSERT ON customers BEGIN DELETE FROM customers "
           "WHERE id < NEW.id; END"
         : "CREATE TRIGGER keep_out BEFORE INSERT ON customers WHEN NEW.city = 'Kudus' BEGIN "
           "SELECT RAISE(IGNORE); END");
  live_psql(
      "insert into customers(id, owner_id, name, city, notes) select "
      "'c0000000-0000-4000-8000-000000000009', owner_id, 'dedi', 'Kudus', 'n9' from customers "
      "limit 1");
  live_text(device.db, "SELECT leadx_pull()");
  live_run(device.db, "UPDATE customers SET notes = notes || '?'");
  live_text(device.db, "SELECT leadx_sync()");
  live_run(device.db,
           "DROP TRIGGER leadx_customers_update; UPDATE customers SET notes = notes || '?'");
  live_text(device.db, "SELECT leadx_sync()");
  ck_assert_str_eq(live_psql("select count(*) from customers"), "4");
  live_text(device.db, "SELECT leadx_pull()");
  ck_assert_int_eq(live_int(device.db, "SELECT leadx_pull() ->> 'pulled'"), 0);
}
END_TEST

/* G7: the queue's numbers begin anew in the middle of a file's life. */
START_TEST(an_edit_is_seen_whatever_became_of_the_queue_s_numbers) {
  static const char *const upheavals[] = {"DELETE FROM sync_queue WHERE status = 'SYNCED'",
                                          "DELETE FROM sync_queue WHERE status = 'SYNCED'; VACUUM",
                                          "SELECT leadx_purge(0); VACUUM"};
  live_run(device.db, "UPDATE customers SET notes = 'x'; UPDATE customers SET notes = 'y'");
  sync_ok();
  live_run(device.db, upheavals[_i]);
  live_run(device.db, "UPDATE customers SET notes = 'z' WHERE name = 'ani'");
  live_psql("update customers set city = 'Blora', updated_at = now() where name = 'ani'");
  sync_ok();
  expect_both("ani/Blora/z,budi/Pati/y,cici/Tuban/y");
}
END_TEST

/* G12: an edit while the table is not tracked, of a row that has an older one to send. */
START_TEST(an_edit_between_untrack_and_track_of_an_unsent_row_is_sent) {
  live_run(device.db,
           "UPDATE customers SET notes = 'first' WHERE name = 'ani'; SELECT "
           "leadx_untrack('customers'); UPDATE customers SET notes = 'second' WHERE name "
           "= 'ani'; UPDATE customers SET city = 'Demak' WHERE name = 'ani'");
  live_run(device.db,
           _i ? "SELECT leadx_track('customers', '{\"delete\":\"hard\",\"backfill\":true}')"
              : "SELECT leadx_track('customers', '{\"delete\":\"hard\"}')");
  sync_ok();
  expect_both("ani/Demak/second,budi/Pati/n2,cici/Tuban/n3");
}
END_TEST

/* O3: the triggers moved along with the table and say what it is called now. */
START_TEST(an_unsent_edit_follows_a_table_that_was_renamed) {
  live_run(device.db,
           "UPDATE customers SET notes = 'before' WHERE name = 'ani'; ALTER TABLE "
           "customers RENAME TO clients; UPDATE clients SET notes = 'after' WHERE name = "
           "'budi'");
  if (_i) live_run(device.db, "SELECT leadx_track('clients', '{\"remote\":\"customers\"}')");
  sync_ok();
  expect_server("ani/Solo/before,budi/Pati/after,cici/Tuban/n3");
  live_run(device.db, "UPDATE clients SET notes = 'later' WHERE name = 'cici'");
  sync_ok();
  expect_server("ani/Solo/before,budi/Pati/after,cici/Tuban/later");
}
END_TEST

static void add_stories(TCase *tcase) {
  tcase_set_timeout(tcase, 60);
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_loop_test(tcase, a_table_that_is_made_anew_is_filled_again_and_nothing_is_deleted, 0,
                      5);
  tcase_add_test(tcase, a_rebuild_sends_the_columns_that_it_changed_and_no_others);
  tcase_add_loop_test(tcase, a_replace_sends_what_it_changed_and_leaves_a_colleague_s_edit, 0, 2);
  tcase_add_loop_test(tcase, a_replace_that_changes_nothing_sends_nothing, 0, 2);
  tcase_add_loop_test(tcase, a_replace_of_what_a_colleague_changed_too_is_a_conflict, 0, 2);
  tcase_add_loop_test(tcase, a_replace_of_a_row_that_the_server_deleted_makes_it_again, 0, 2);
  tcase_add_loop_test(tcase, a_replace_takes_a_row_along_on_the_server_too, 0, 4);
  tcase_add_loop_test(tcase, rows_that_a_trigger_keeps_out_or_trims_stay_on_the_server, 0, 2);
  tcase_add_loop_test(tcase, an_edit_is_seen_whatever_became_of_the_queue_s_numbers, 0, 3);
  tcase_add_loop_test(tcase, an_edit_between_untrack_and_track_of_an_unsent_row_is_sent, 0, 2);
  tcase_add_loop_test(tcase, an_unsent_edit_follows_a_table_that_was_renamed, 0, 2);
}

Suite *test_anew_suite(void) {
  Suite *suite = suite_create("anew");
  TCase *plain = tcase_create("plain"), *served = tcase_create("served");
  add_stories(plain);
  suite_add_tcase(suite, plain);
  tcase_add_unchecked_fixture(served, live_serve_all, live_unserve);
  add_stories(served);
  suite_add_tcase(suite, served);
  return suite;
}
