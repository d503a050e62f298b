/* Values of any size (T1): they go out where the server takes them, and come in where max_response lets
** them; one that is too large is that row's matter alone. Against the real server, plainly and with the
** functions of leadx_server_sql(). Needs the server of scripts/test.sh. */
#include <stdio.h>
#include <string.h>

#include "live.h"
#include "suites.h"

static live_device ani, budi;

static const char sheet[] =
    "create table if not exists sheet(id text primary key, v text, n int, updated_at timestamptz "
    "not null "
    "default now());"
    "drop trigger if exists stamp on sheet; create trigger stamp before insert or update on sheet "
    "for each "
    "row execute function crm.stamp();"
    "alter table sheet enable row level security; drop policy if exists seen on sheet;"
    "create policy seen on sheet to authenticated using (true) with check (true);"
    "grant all on sheet to authenticated";

static void use_sheet(live_device *device) {
  live_run(device->db,
           "SELECT leadx_untrack('customers'), leadx_untrack('pipelines'), "
           "leadx_untrack('activities'), leadx_untrack('settings');"
           "CREATE TABLE sheet(id TEXT PRIMARY KEY NOT NULL, v TEXT, n INTEGER, updated_at TEXT);"
           "SELECT leadx_track('sheet'), leadx_config('overlap', 0)");
  live_learn(device);
}

static void set_up(void) {
  if (strcmp(live_psql("select to_regclass('public.sheet') is not null"), "t") != 0)
    live_psql_reload(sheet);
  live_psql("truncate sheet");
  live_open(&ani, 1, NULL);
  live_open(&budi, 1, NULL);
  use_sheet(&ani);
  use_sheet(&budi);
}

static void tear_down(void) {
  live_close(&ani);
  live_close(&budi);
}

static void write_large(live_device *device, const char *sql, int megabytes) {
  sqlite3_stmt *stmt = NULL;
  int bytes = megabytes * 1000000;
  char *value = sqlite3_malloc(bytes);
  ck_assert_ptr_nonnull(value);
  memset(value, 'v', (size_t)bytes);
  ck_assert_int_eq(sqlite3_prepare_v2(device->db, sql, -1, &stmt, NULL), SQLITE_OK);
  sqlite3_bind_text(stmt, 1, value, bytes, sqlite3_free);
  ck_assert_int_eq(sqlite3_step(stmt), SQLITE_DONE);
  sqlite3_finalize(stmt);
}

static const char *sync_one(live_device *device) {
  return live_text(device->db, "SELECT leadx_sync() ->> 'state'");
}

static const char lengths[] = "select string_agg(id || length(v), ',' order by id) from sheet";

START_TEST(large_values_go_out_with_the_small_ones_and_once) {
  live_run(ani.db, "SELECT leadx_config('max_response', 4000000)");
  write_large(&ani, "INSERT INTO sheet(id, v) VALUES ('a', ?1)", 3);
  live_run(ani.db, "INSERT INTO sheet(id, v) VALUES ('b', 'small')");
  write_large(&ani, "INSERT INTO sheet(id, v) VALUES ('c', ?1)", 7);
  ck_assert_str_eq(sync_one(&ani), "ok");
  ck_assert_str_eq(live_psql(lengths), "a3000000,b5,c7000000");
  write_large(&ani, "UPDATE sheet SET v = ?1 WHERE id = 'b'", 5);
  ck_assert_str_eq(sync_one(&ani), "ok");
  ck_assert_str_eq(live_psql(lengths), "a3000000,b5000000,c7000000");
  ck_assert_int_eq(live_int(ani.db, "SELECT count(*) FROM leadx_problems"), 0);
  ck_assert_int_lt(live_int(ani.db, "SELECT leadx_sync() ->> 'requests'"), 40);
  ck_assert_int_lt(live_int(ani.db, "SELECT bytes_out FROM leadx_log ORDER BY rowid DESC LIMIT 1"),
                   100000);
  live_run(ani.db, "UPDATE sheet SET n = 7 WHERE id = 'c'");
  ck_assert_str_eq(sync_one(&ani), "ok");
  ck_assert_str_eq(live_psql("select n || ' ' || length(v) from sheet where id = 'c'"),
                   "7 7000000");
}
END_TEST

START_TEST(a_row_that_is_too_large_waits_alone_until_it_may_come) {
  live_psql("insert into sheet(id, v, n) select 's' || i, 's', i from generate_series(1, 40) i;"
            "insert into sheet(id, v) values ('m', repeat('m', 3000000));"
            "insert into sheet(id, v, n) select 't' || i, 't', i from generate_series(1, 40) i");
  live_run(budi.db, "SELECT leadx_config('max_response', 1000000)");
  ck_assert_str_eq(sync_one(&budi), "partial");
  ck_assert_int_eq(live_int(budi.db, "SELECT count(*) FROM sheet"), 80);
  ck_assert_str_eq(live_text(budi.db, "SELECT kind || entity_id FROM leadx_problems"), "parkedm");
  ck_assert_ptr_nonnull(strstr(live_text(budi.db, "SELECT message FROM leadx_problems"),
                               "leadx_config('max_response'"));
  /* What is known to be too large is not fetched again. */
  ck_assert_str_eq(sync_one(&budi), "partial");
  ck_assert_int_eq(live_int(budi.db, "SELECT leadx_sync() ->> 'requests'"), 1);
  live_psql("update sheet set n = 1 where id = 's1'");
  ck_assert_str_eq(sync_one(&budi), "partial");
  ck_assert_str_eq(live_text(budi.db, "SELECT n FROM sheet WHERE id = 's1'"), "1");
  live_run(budi.db, "SELECT leadx_config('max_response', 8000000)");
  ck_assert_str_eq(sync_one(&budi), "ok");
  ck_assert_int_eq(live_int(budi.db, "SELECT length(v) FROM sheet WHERE id = 'm'"), 3000000);
  ck_assert_int_eq(live_int(budi.db, "SELECT count(*) FROM leadx_problems"), 0);
}
END_TEST

static void serve(void) {
  set_up();
  live_serve(&ani);
  tear_down();
}

static TCase *scenarios(const char *name) {
  TCase *tcase = tcase_create(name);
  tcase_set_timeout(tcase, 120);
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_test(tcase, large_values_go_out_with_the_small_ones_and_once);
  tcase_add_test(tcase, a_row_that_is_too_large_waits_alone_until_it_may_come);
  return tcase;
}

Suite *test_large_suite(void) {
  Suite *suite = suite_create("large");
  TCase *plain = scenarios("plain"), *called = scenarios("called");
  suite_add_tcase(suite, plain);
  tcase_add_unchecked_fixture(called, serve, live_unserve);
  suite_add_tcase(suite, called);
  return suite;
}
