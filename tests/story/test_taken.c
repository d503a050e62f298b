/* UNIQUE values that change hands (T2): two rows exchange theirs, rows move one on along a column, a
** row takes what a deleted one had. Against the real server, plainly and with the functions of
** leadx_server_sql(). Needs the server of scripts/test.sh. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "live.h"
#include "suites.h"

static live_device ani, budi;
static fault_server *road; /* ani's way to the server */

static const char seat[] =
    "create table if not exists seat(id text primary key, code text not null unique, pos int "
    "unique, "
    "name text, parent text references seat deferrable, updated_at timestamptz not null default "
    "now());"
    "drop trigger if exists stamp on seat; create trigger stamp before insert or update on seat "
    "for "
    "each row execute function crm.stamp();"
    "alter table seat enable row level security; drop policy if exists seen on seat;"
    "create policy seen on seat to authenticated using (true) with check (true);"
    "grant all on seat to authenticated";

static void use_seat(live_device *device) {
  live_run(device->db,
           "SELECT leadx_untrack('customers'), leadx_untrack('pipelines'), "
           "leadx_untrack('activities'), leadx_untrack('settings');"
           "CREATE TABLE seat(id TEXT PRIMARY KEY NOT NULL, code TEXT NOT NULL UNIQUE, pos INTEGER "
           "UNIQUE, name TEXT, parent TEXT, updated_at TEXT);"
           "SELECT leadx_track('seat')");
  live_learn(device);
}

static void set_up(void) {
  if (strcmp(live_psql("select to_regclass('public.seat') is not null"), "t") != 0)
    live_psql_reload(seat);
  live_psql("truncate seat");
  char url[LIVE_URL_BYTES];
  road = live_road(url);
  live_open(&ani, 1, url);
  live_open(&budi, 1, NULL);
  use_seat(&ani);
  use_seat(&budi);
}

static void tear_down(void) {
  live_close(&ani);
  live_close(&budi);
  fault_server_stop(road);
}

/* A busy machine's server may ask to wait. */
static const char *sync_one(live_device *device) {
  const char *state = live_text(device->db, "SELECT leadx_sync() ->> 'state'");
  for (int i = 0; i < 60 && strcmp(state, "throttled") == 0; i++) {
    nanosleep(&(struct timespec){0, 200000000}, NULL);
    state = live_text(device->db, "SELECT leadx_sync() ->> 'state'");
  }
  return state;
}

/* Both know rows 1..n, whose code and position are their number. */
static void seats_that_both_know(int n) {
  char sql[200];
  snprintf(
      sql, sizeof sql,
      "insert into seat(id, code, pos, name) select 's' || lpad(i::text, 4, '0'), 'c' || i, i, "
      "'n' from generate_series(1, %d) i",
      n);
  live_psql(sql);
  ck_assert_str_eq(sync_one(&ani), "ok");
  ck_assert_str_eq(sync_one(&budi), "ok");
}

static void expect_server(const char *sql, const char *text) {
  ck_assert_str_eq(live_psql(sql), text);
}

static void nothing_is_left(live_device *device) {
  ck_assert_int_eq(live_int(device->db, "SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'"),
                   0);
  ck_assert_int_eq(live_int(device->db, "SELECT count(*) FROM leadx_problems"), 0);
  ck_assert_int_eq(live_int(device->db, "SELECT count(*) FROM sync_conflicts"), 0);
}

static const char seats[] = "select string_agg(code || '=' || pos, ',' order by id) from seat";

START_TEST(two_rows_that_exchange_a_value_here_land) {
  seats_that_both_know(3);
  live_run(
      ani.db,
      "BEGIN; UPDATE seat SET code = 'x' WHERE id = 's0001'; UPDATE seat SET code = 'c1' WHERE "
      "id = 's0002'; UPDATE seat SET code = 'c2', name = 'm' WHERE id = 's0001'; COMMIT");
  ck_assert_str_eq(sync_one(&ani), "ok");
  expect_server(seats, "c2=1,c1=2,c3=3");
  expect_server("select name from seat where id = 's0001'", "m");
  nothing_is_left(&ani);
  ck_assert_str_eq(sync_one(&ani), "ok");
  ck_assert_str_eq(
      live_text(ani.db, "SELECT group_concat(code) FROM (SELECT code FROM seat ORDER BY id)"),
      "c2,c1,c3");
}
END_TEST

START_TEST(three_rows_that_go_round_here_land_in_numbers_too) {
  seats_that_both_know(3);
  live_run(ani.db,
           "BEGIN; UPDATE seat SET pos = -pos; UPDATE seat SET pos = CASE id WHEN 's0001' THEN 2 "
           "WHEN 's0002' THEN 3 ELSE 1 END; COMMIT");
  ck_assert_str_eq(sync_one(&ani), "ok");
  expect_server(seats, "c1=2,c2=3,c3=1");
  nothing_is_left(&ani);
}
END_TEST

START_TEST(rows_that_move_one_on_here_land) {
  seats_that_both_know(60);
  live_run(ani.db, "BEGIN; UPDATE seat SET pos = -pos; UPDATE seat SET pos = 1 - pos; COMMIT");
  ck_assert_str_eq(sync_one(&ani), "ok");
  expect_server("select count(*) from seat where code = 'c' || (pos - 1)", "60");
  nothing_is_left(&ani);
}
END_TEST

START_TEST(a_row_takes_what_a_deleted_one_had) {
  seats_that_both_know(2);
  live_run(ani.db, "BEGIN; DELETE FROM seat WHERE id = 's0001'; INSERT INTO seat(id, code, pos) "
                   "VALUES ('s0009', 'c1', 1); UPDATE seat SET pos = 7 WHERE id = 's0002'; INSERT "
                   "INTO seat(id, code, pos) VALUES ('s0010', 'c10', 2); COMMIT");
  ck_assert_str_eq(sync_one(&ani), "ok");
  expect_server(seats, "c2=7,c1=1,c10=2");
  nothing_is_left(&ani);
}
END_TEST

/* Nobody gives the value up: the row alone is FAILED, and what was taken aside is not seen. */
START_TEST(a_value_that_stays_another_s_is_that_row_s_failure) {
  seats_that_both_know(3);
  live_psql("insert into seat(id, code, pos) values ('other', 'taken', 50)");
  live_run(ani.db, "UPDATE seat SET code = 'taken' WHERE id = 's0001'; UPDATE seat SET name = 'ok' "
                   "WHERE id = 's0002'");
  ck_assert_str_eq(live_text(ani.db, "SELECT leadx_push() ->> 'state'"), "partial");
  expect_server("select string_agg(code, ',' order by id) from seat", "taken,c1,c2,c3");
  ck_assert_str_eq(live_text(ani.db,
                             "SELECT entity_id || error_code FROM sync_queue WHERE status = "
                             "'FAILED'"),
                   "s000123505");
  expect_server("select name from seat where id = 's0002'", "ok");
}
END_TEST

/* The answer to the n-th request that writes is lost, and the connection with it; the sync after that
** knows what became of it. */
START_TEST(whatever_answer_is_lost_on_the_way_the_next_sync_ends_it) {
  const char *method = live_is_served && _i % 2 ? "POST" : "PATCH";
  fault_rule lost = {.method = method,
                     .path = "/",
                     .from = 1 + _i / 2,
                     .to = 3 + _i / 2,
                     .kind = FAULT_FORWARD_LOSE};
  seats_that_both_know(4);
  live_run(
      ani.db,
      "BEGIN; UPDATE seat SET code = 'x' || code; UPDATE seat SET code = CASE id WHEN 's0001' "
      "THEN 'c2' WHEN 's0002' THEN 'c3' WHEN 's0003' THEN 'c1' ELSE 'c9' END, name = 'm'; COMMIT");
  fault_server_add(road, &lost);
  sync_one(&ani);
  fault_server_clear(road);
  for (int i = 0; i < 3; i++) sync_one(&ani);
  expect_server(seats, "c2=1,c3=2,c1=3,c9=4");
  expect_server("select string_agg(name, '') from seat", "mmmm");
  nothing_is_left(&ani);
  ck_assert_str_eq(
      live_text(ani.db, "SELECT group_concat(code) FROM (SELECT code FROM seat ORDER BY id)"),
      "c2,c3,c1,c9");
}
END_TEST

/* Codes and positions are dealt anew, each in an order of its own; some stay, some get a new one. */
START_TEST(values_that_are_dealt_anew_land) {
  char sql[300];
  seats_that_both_know(12);
  live_run(ani.db, "CREATE TEMP TABLE deal(id, code, pos)");
  snprintf(
      sql, sizeof sql,
      "INSERT INTO deal SELECT id, (SELECT code FROM seat b WHERE b.pos = (s.pos * %d + %d) %% 13),"
      " (s.pos * %d) %% 13 FROM seat s",
      2 + _i, 0, 12 - _i);
  live_run(ani.db, sql);
  live_run(ani.db,
           "BEGIN; UPDATE seat SET code = 'x' || code, pos = -pos; UPDATE seat SET (code, pos) = "
           "(SELECT code, pos FROM deal WHERE deal.id = seat.id); COMMIT");
  ck_assert_str_eq(sync_one(&ani), "ok");
  char *here = sqlite3_mprintf(
      "%s",
      live_text(ani.db, "SELECT group_concat(code || '=' || pos) FROM (SELECT code, pos FROM seat "
                        "ORDER BY id)"));
  ck_assert_str_eq(live_psql(seats), here);
  sqlite3_free(here);
  nothing_is_left(&ani);
}
END_TEST

/* ---- on the server ---- */

/* What the server's user did in one transaction, of which nobody sees the middle. */
static void deal_there(const char *pos) {
  char *sql = sqlite3_mprintf(
      "begin; update seat set pos = -pos, code = 'x' || code; update seat set pos "
      "= %s, code = 'c' || (%s); commit",
      pos, pos);
  live_psql(sql);
  sqlite3_free(sql);
}

static void as_on_the_server(live_device *device) {
  char *there = sqlite3_mprintf("%s", live_psql(seats));
  ck_assert_str_eq(live_text(device->db,
                             "SELECT group_concat(code || '=' || pos) FROM (SELECT code, pos "
                             "FROM seat ORDER BY id)"),
                   there);
  sqlite3_free(there);
  nothing_is_left(device);
  ck_assert_int_eq(live_int(device->db, "SELECT count(*) FROM sync_queue"), 0);
}

static const struct {
  int rows;
  const char *pos; /* of the one that was -pos */
} deals[] = {{2, "3 + pos"}, /* an exchange */
             {3, "1 + (-pos) % 3"}, /* a round */
             {60, "1 - pos"}, /* one on */
             {60, "60 + pos"}, /* one back, to 0, and all turned round */
             {400, "1 + (-pos) % 400"}, /* a round of more than a stretch takes */
             {450, "1 - pos"}};

START_TEST(what_is_dealt_anew_there_comes_in) {
  seats_that_both_know(deals[_i].rows);
  deal_there(deals[_i].pos);
  ck_assert_str_eq(sync_one(&ani), "ok");
  as_on_the_server(&ani);
}
END_TEST

/* Rows that move one on, in more pages than one: the first pages wait for the last one. */
START_TEST(a_line_of_many_pages_comes_in) {
  seats_that_both_know(300);
  live_run(ani.db, "SELECT leadx_config('page_size', 40)");
  deal_there("1 - pos");
  ck_assert_str_eq(sync_one(&ani), "ok");
  as_on_the_server(&ani);
}
END_TEST

/* A row that was edited here keeps its value, and the one that wants it waits and is shown. */
START_TEST(an_unsent_edit_is_not_pushed_aside) {
  seats_that_both_know(2);
  live_run(ani.db, "UPDATE seat SET name = 'mine' WHERE id = 's0002'");
  deal_there("3 + pos");
  live_text(ani.db, "SELECT leadx_pull()");
  ck_assert_str_eq(live_text(ani.db, "SELECT code || name FROM seat WHERE id = 's0002'"), "c2mine");
  ck_assert_str_eq(live_text(ani.db, "SELECT code FROM seat WHERE id = 's0001'"), "c1");
  for (int i = 0; i < 2; i++) sync_one(&ani);
  expect_server("select string_agg(code || name, ',' order by id) from seat", "c2n,c1mine");
  ck_assert_str_eq(live_text(ani.db,
                             "SELECT group_concat(code || name) FROM (SELECT * FROM seat ORDER BY "
                             "id)"),
                   "c2n,c1mine");
}
END_TEST

/* Two exchange; a third wants what a row has here that was edited. Nobody is left standing aside. */
START_TEST(who_cannot_take_its_own_goes_back) {
  seats_that_both_know(4);
  live_run(ani.db, "UPDATE seat SET name = 'mine' WHERE id = 's0004'");
  deal_there("CASE -pos WHEN 1 THEN 2 WHEN 2 THEN 1 WHEN 3 THEN 4 ELSE 3 END");
  live_text(ani.db, "SELECT leadx_pull()");
  ck_assert_str_eq(
      live_text(ani.db,
                "SELECT group_concat(code || '=' || pos) FROM (SELECT * FROM seat ORDER BY id)"),
      "c2=2,c1=1,c3=3,c4=4");
  for (int i = 0; i < 2; i++) sync_one(&ani);
  ck_assert_str_eq(
      live_text(ani.db,
                "SELECT group_concat(code || '=' || pos || name) FROM (SELECT * FROM seat ORDER BY "
                "id)"),
      "c2=2n,c1=1n,c4=4n,c3=3mine");
}
END_TEST

static void serve(void) {
  set_up();
  live_serve(&ani);
  tear_down();
}

static TCase *scenarios(const char *name) {
  TCase *tcase = tcase_create(name);
  tcase_set_timeout(tcase, 60);
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_test(tcase, two_rows_that_exchange_a_value_here_land);
  tcase_add_test(tcase, three_rows_that_go_round_here_land_in_numbers_too);
  tcase_add_test(tcase, rows_that_move_one_on_here_land);
  tcase_add_test(tcase, a_row_takes_what_a_deleted_one_had);
  tcase_add_test(tcase, a_value_that_stays_another_s_is_that_row_s_failure);
  tcase_add_loop_test(tcase, whatever_answer_is_lost_on_the_way_the_next_sync_ends_it, 0, 14);
  tcase_add_loop_test(tcase, values_that_are_dealt_anew_land, 0, 6);
  tcase_add_loop_test(tcase, what_is_dealt_anew_there_comes_in, 0,
                      (int)(sizeof deals / sizeof *deals));
  tcase_add_test(tcase, a_line_of_many_pages_comes_in);
  tcase_add_test(tcase, who_cannot_take_its_own_goes_back);
  tcase_add_test(tcase, an_unsent_edit_is_not_pushed_aside);
  return tcase;
}

Suite *test_taken_suite(void) {
  Suite *suite = suite_create("taken");
  TCase *plain = scenarios("plain"), *called = scenarios("called");
  suite_add_tcase(suite, plain);
  tcase_add_unchecked_fixture(called, serve, live_unserve);
  suite_add_tcase(suite, called);
  return suite;
}
