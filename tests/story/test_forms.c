/* Timestamps as ORMs write them, on the real server: a column keeps one form, whatever comes from the
** server, so that programs can read, compare and sort it. */
#include <stdlib.h>
#include <string.h>

#include "suites.h"
#include "supabase.h"

static sqlite3 *db;

static void install(void) {
  supabase_uninstall();
  supabase_run("create table srv_forms (id text primary key, at timestamptz, made timestamptz, "
               "updated_at timestamptz not null default now());"
               "alter table srv_forms enable row level security; create policy p on srv_forms to "
               "authenticated using (true) with check (true); grant all on srv_forms to "
               "authenticated");
  supabase_reload();
}

static void open_device(void) { db = supabase_device(1); }

static void close_device(void) {
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
  supabase_run("delete from srv_forms");
}

static void expect(const char *sql, const char *text) {
  ck_assert_str_eq(ask_device(db, sql), text);
}

/* Every value that is not NULL has SQLite's form. */
#define ODD(column) \
  "SELECT count(*) FROM srv_forms WHERE " column " IS NOT NULL AND " column \
  " NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9]' " \
  "AND " column " NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] " \
  "[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]'"

/* How the form becomes known: by a value that stands there, by the option, by the DEFAULT. */
static const char *const beginnings[] = {
    "CREATE TABLE srv_forms(id TEXT PRIMARY KEY NOT NULL, at DATETIME, made DATETIME, updated_at "
    "DATETIME); INSERT INTO srv_forms VALUES ('old', '2026-12-01 02:01:54.402144', '2026-12-01 "
    "02:01:54', '2026-12-01 02:01:54.402144'); SELECT leadx_track('srv_forms')",
    "CREATE TABLE srv_forms(id TEXT PRIMARY KEY NOT NULL, at TEXT, made TEXT, updated_at TEXT); "
    "SELECT leadx_track('srv_forms', '{\"columns\":{\"at\":{\"type\":\"timestamp:sql\"},\"made\":"
    "{\"type\":\"timestamp:sql\"},\"updated_at\":{\"type\":\"timestamp:sql\"}}}')",
    "CREATE TABLE srv_forms(id TEXT PRIMARY KEY NOT NULL, at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, "
    "made TIMESTAMP DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP); "
    "SELECT leadx_track('srv_forms')",
};

static void begin(const char *sql) {
  char *error = NULL;
  ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &error) == SQLITE_OK, "%s", error);
}

START_TEST(what_comes_from_the_server_has_the_form_that_the_column_has) {
  begin(beginnings[_i]);
  ask_device(db, "INSERT INTO srv_forms(id, at, made, updated_at) VALUES ('mine', '2026-12-01 "
                 "08:00:00.000007', '2026-12-01 08:00:00', '2026-12-01 08:00:00')");
  supabase_run("insert into srv_forms (id, at, made) values ('theirs', '2026-12-01 "
               "09:30:00.5+07', '2026-12-01 09:30:00+00')");
  expect("SELECT leadx_sync() ->> 'state'", "ok");
  expect(ODD("at"), "0");
  expect(ODD("made"), "0");
  expect(ODD("updated_at"), "0");
  expect("SELECT at || '|' || made FROM srv_forms WHERE id = 'theirs'",
         "2026-12-01 02:30:00.500000|2026-12-01 09:30:00");
  expect("SELECT at FROM srv_forms WHERE id = 'mine'", "2026-12-01 08:00:00.000007");
  ck_assert_str_eq(supabase_run("set timezone = 'UTC'; select at from srv_forms where id = 'mine'"),
                   "2026-12-01 08:00:00.000007+00");
  /* An instant of the server to the microsecond, and nothing to send. */
  expect("SELECT leadx_sync() ->> 'pushed'", "0");
  ck_assert_str_eq(supabase_run("select count(*) from srv_forms where id in ('mine', 'theirs')"),
                   "2");
}
END_TEST

START_TEST(an_edit_of_another_column_does_not_touch_a_timestamp) {
  begin(beginnings[_i]);
  supabase_run("insert into srv_forms (id, at) values ('theirs', '2026-12-01 09:30:00.123456+00')");
  expect("SELECT leadx_sync() ->> 'state'", "ok");
  ask_device(db, "UPDATE srv_forms SET made = '2026-12-02 00:00:00' WHERE id = 'theirs'");
  expect("SELECT group_concat(key) FROM sync_queue, json_each(base) WHERE status = 'PENDING'",
         "made");
  expect("SELECT leadx_sync() ->> 'state'", "ok");
  ck_assert_str_eq(supabase_run("set timezone = 'UTC'; select at, made from srv_forms where id = "
                                "'theirs'"),
                   "2026-12-01 09:30:00.123456+00|2026-12-02 00:00:00+00");
  expect(ODD("at"), "0");
  expect(ODD("updated_at"), "0");
  expect("SELECT count(*) FROM sync_conflicts", "0");
}
END_TEST

START_TEST(a_column_whose_values_have_a_zone_keeps_the_servers_spelling) {
  begin(
      "CREATE TABLE srv_forms(id TEXT PRIMARY KEY NOT NULL, at DATETIME, made DATETIME, updated_at "
      "DATETIME); INSERT INTO srv_forms(id, at) VALUES ('old', '2026-12-01T02:01:54Z'); SELECT "
      "leadx_track('srv_forms')");
  supabase_run("insert into srv_forms (id, at) values ('theirs', '2026-12-01 09:30:00+00')");
  expect("SELECT leadx_sync() ->> 'state'", "ok");
  expect("SELECT at FROM srv_forms WHERE id = 'theirs'", "2026-12-01T09:30:00+00:00");
}
END_TEST

START_TEST(a_form_that_was_found_stays_when_the_table_is_tracked_again) {
  begin(beginnings[0]);
  begin("UPDATE srv_forms SET at = NULL, made = NULL, updated_at = NULL; SELECT "
        "leadx_track('srv_forms', '{\"priority\":1}')");
  supabase_run("insert into srv_forms (id, at) values ('theirs', '2026-12-01 09:30:00+00')");
  expect("SELECT leadx_sync() ->> 'state'", "ok");
  expect("SELECT at FROM srv_forms WHERE id = 'theirs'", "2026-12-01 09:30:00");
}
END_TEST

Suite *test_forms_suite(void) {
  Suite *suite = suite_create("forms");
  TCase *tcase = tcase_create("forms");
  tcase_add_unchecked_fixture(tcase, install, supabase_uninstall);
  tcase_add_checked_fixture(tcase, open_device, close_device);
  tcase_add_loop_test(tcase, what_comes_from_the_server_has_the_form_that_the_column_has, 0, 3);
  tcase_add_loop_test(tcase, an_edit_of_another_column_does_not_touch_a_timestamp, 0, 3);
  tcase_add_test(tcase, a_column_whose_values_have_a_zone_keeps_the_servers_spelling);
  tcase_add_test(tcase, a_form_that_was_found_stays_when_the_table_is_tracked_again);
  suite_add_tcase(suite, tcase);
  return suite;
}
