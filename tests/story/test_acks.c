/* What is an acknowledgement, and what is none: rows that the server hides, keeps out, or writes
** under another key, and whose rows they are. Against the real server, plainly and with the
** functions of leadx_server_sql(). Needs the server of scripts/test.sh. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "live.h"
#include "suites.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static live_device ani, budi;

static const char ack[] =
    "create table if not exists ack(id uuid primary key, a text, b text, owner_id uuid default "
    "auth.uid(), hidden_from uuid, updated_at timestamptz not null default now());"
    "create table if not exists ack_elsewhere(id uuid, a text);"
    "drop trigger if exists stamp on ack; create trigger stamp before insert or update on ack for "
    "each row execute function crm.stamp();"
    "alter table ack enable row level security; drop policy if exists seen on ack;"
    "create policy seen on ack to authenticated using (hidden_from is distinct from auth.uid()) "
    "with check (true);"
    "grant all on ack, ack_elsewhere to authenticated";

/* As the superuser, past the triggers: no version changes. */
static void server_run(const char *sql) {
  char *silent = sqlite3_mprintf("set session_replication_role = replica; %s", sql);
  live_psql(silent);
  sqlite3_free(silent);
}

static void sign_in(live_device *device, const char *token) {
  char *sql = sqlite3_mprintf("SELECT leadx_set_token(%Q)", live_env(token));
  live_run(device->db, sql);
  sqlite3_free(sql);
}

static void use_ack(live_device *device) {
  live_run(device->db,
           "SELECT leadx_untrack('customers'), leadx_untrack('pipelines'), "
           "leadx_untrack('activities'), leadx_untrack('settings');"
           "CREATE TABLE ack(id TEXT PRIMARY KEY NOT NULL, a TEXT, b TEXT, updated_at TEXT);"
           "SELECT leadx_track('ack', '{\"columns\":{\"id\":{\"type\":\"uuid\"}}}')");
  live_learn(device);
}

static void set_up(void) {
  if (strcmp(live_psql("select to_regclass('public.ack') is not null"), "t") != 0)
    live_psql_reload(ack);
  live_psql("drop trigger if exists trick on ack; drop function if exists ack_trick(); drop policy "
            "if exists unseen on ack; truncate ack, ack_elsewhere");
  live_open(&ani, 1, NULL);
  live_open(&budi, 1, NULL);
  use_ack(&ani);
  use_ack(&budi);
  sign_in(&budi, "LEADX_TOKEN_2");
}

static void tear_down(void) {
  live_close(&ani);
  live_close(&budi);
}

static const char *sync_one(live_device *device) {
  return live_text(device->db, "SELECT leadx_sync() ->> 'state'");
}

static void expect(live_device *device, const char *sql, const char *text) {
  const char *answer = live_text(device->db, sql);
  ck_assert_msg(strcmp(answer, text) == 0, "%s has \"%s\" for %s, not \"%s\"",
                device == &ani ? "ani" : "budi", answer, sql, text);
}

/* Both know that many rows. */
static void rows_that_both_know(int n) {
  char sql[200];
  snprintf(sql, sizeof sql,
           "insert into ack(id, a, b) select md5(i::text)::uuid, 'a', 'b' from generate_series(1, "
           "%d) i",
           n);
  live_psql(sql);
  ck_assert_str_eq(sync_one(&ani), "ok");
  ck_assert_str_eq(sync_one(&budi), "ok");
}

static void hide(int hidden) {
  char sql[160];
  snprintf(sql, sizeof sql, "update ack set hidden_from = %s%s%s", hidden ? "'" : "",
           hidden ? live_env("LEADX_USER_2") : "null", hidden ? "'" : "");
  server_run(sql);
}

/* ---- rows that are hidden ---- */

/* G4 */
START_TEST(edits_of_rows_that_are_hidden_are_kept_and_go_out_when_the_rights_are_back) {
  rows_that_both_know(40);
  live_run(budi.db, "UPDATE ack SET a = 'mine'");
  hide(1);
  ck_assert_str_eq(sync_one(&budi), "partial");
  expect(&budi,
         "SELECT count(*) FROM sync_queue WHERE status = 'FAILED' AND error_code = 'forbidden'",
         "40");
  expect(&budi, "SELECT count(*) FROM leadx_problems WHERE kind = 'failed' AND code = 'forbidden'",
         "40");
  ck_assert_str_eq(live_text(budi.db, "SELECT leadx_reconcile() ->> 'state'"), "partial");
  expect(&budi, "SELECT count(*) FROM ack WHERE a = 'mine'", "40");
  ck_assert_str_eq(sync_one(&budi), "partial");
  expect(&budi, "SELECT count(*) FROM sync_conflicts", "0");
  hide(0);
  sync_one(&budi);
  ck_assert_str_eq(sync_one(&budi), "ok");
  expect(&budi, "SELECT count(*) FROM sync_queue WHERE status = 'SYNCED' AND error_code IS NULL",
         "40");
  ck_assert_str_eq(live_psql("select count(*) from ack where a = 'mine'"), "40");
  expect(&budi, "SELECT count(*) FROM leadx_problems", "0");
}
END_TEST

/* Its fix sends it again; what is given up goes by the next pull, as the row does. */
START_TEST(a_kept_edit_is_sent_again_by_its_fix_or_given_up) {
  char fix[300];
  rows_that_both_know(2);
  live_run(budi.db, "UPDATE ack SET a = 'mine'");
  hide(1);
  ck_assert_str_eq(sync_one(&budi), "partial");
  snprintf(fix, sizeof fix, "%s", live_text(budi.db, "SELECT fix FROM leadx_problems LIMIT 1"));
  live_run(budi.db, fix);
  expect(&budi, "SELECT count(*) FROM sync_queue WHERE status = 'PENDING'", "1");
  ck_assert_str_eq(sync_one(&budi), "partial");
  expect(&budi, "SELECT count(*) FROM sync_queue WHERE status = 'FAILED'", "2");
  live_run(budi.db, "SELECT leadx_discard(id) FROM sync_queue WHERE status = 'FAILED'");
  ck_assert_str_eq(sync_one(&budi), "ok");
  expect(&budi, "SELECT count(*) FROM ack", "0");
  ck_assert_str_eq(live_psql("select count(*) from ack where a = 'a'"), "2");
}
END_TEST

/* Only a tombstone tells a row that is gone from one that is hidden. */
START_TEST(an_edit_of_a_deleted_row_meets_the_delete_where_a_tombstone_says_so) {
  rows_that_both_know(3);
  live_run(budi.db, "UPDATE ack SET a = 'lost'");
  live_psql("delete from ack");
  const char *state = sync_one(&budi);
  if (live_is_served) {
    ck_assert_str_eq(state, "ok");
    expect(&budi, "SELECT count(*) FROM ack", "0");
    expect(&budi, "SELECT count(*) || max(winner) FROM sync_conflicts", "3server");
    expect(&budi, "SELECT count(*) FROM sync_queue WHERE error_code = 'deleted'", "3");
  } else {
    ck_assert_str_eq(state, "partial");
    expect(&budi, "SELECT count(*) FROM ack WHERE a = 'lost'", "3");
    expect(&budi, "SELECT count(*) FROM sync_queue WHERE status = 'FAILED'", "3");
  }
}
END_TEST

/* The row was found hidden before its tombstone came. */
START_TEST(a_tombstone_that_comes_later_ends_what_was_kept) {
  rows_that_both_know(3);
  live_run(budi.db, "UPDATE ack SET a = 'lost'");
  hide(1);
  ck_assert_str_eq(sync_one(&budi), "partial");
  hide(0);
  live_psql("delete from ack");
  sync_one(&budi);
  ck_assert_str_eq(sync_one(&budi), "ok");
  expect(&budi, "SELECT count(*) FROM ack", "0");
  expect(&budi, "SELECT count(*) || max(winner) FROM sync_conflicts", "3server");
}
END_TEST

/* ---- rows that the server keeps out, or writes elsewhere ---- */

#define FUNCTION "create function ack_trick() returns trigger language plpgsql as $$ begin "
#define TRIGGER \
  " end $$; create trigger trick before insert on ack for each row execute function " \
  "ack_trick()"

static const struct trick {
  const char *sql, *status, *code;
  int left, elsewhere; /* rows on the server afterwards */
} tricks[] = {
    {FUNCTION "return null;" TRIGGER, "FAILED", "forbidden", 0, 0},
    {FUNCTION "insert into ack_elsewhere values (new.id, new.a); return null;" TRIGGER, "FAILED",
     "forbidden", 0, -1},
    {FUNCTION "new.id := gen_random_uuid(); return new;" TRIGGER, "FAILED", "key", -1, 0},
    {"create policy unseen on ack as restrictive for select to authenticated using (false)",
     "SYNCED", "", 3, 0}};

/* A1, A2: left -1: plainly one for each row, for nothing else tells that it came to stand. */
START_TEST(a_row_that_was_not_written_as_it_was_sent_is_not_acknowledged_nor_sent_again) {
  const struct trick *trick = &tricks[_i];
  char expected[60];
  live_psql(trick->sql);
  live_run(ani.db, "INSERT INTO ack(id, a) VALUES (leadx_uuid(), 'x'), (leadx_uuid(), 'y'), "
                   "(leadx_uuid(), 'z')");
  int failed = strcmp(trick->status, "FAILED") == 0;
  ck_assert_str_eq(live_push(&ani), failed ? "partial" : "ok");
  snprintf(expected, sizeof expected, "3%s%s", trick->status, trick->code);
  for (int i = 0; i < 3; i++) {
    expect(&ani,
           "SELECT count(*) || max(status) || ifnull(max(error_code), '') FROM sync_queue WHERE "
           "action = 'CREATE' GROUP BY status, error_code",
           expected);
    ck_assert_int_eq(atoi(live_psql("select count(*) from ack")), trick->left >= 0 ? trick->left
                                                                  : live_is_served ? 0
                                                                                   : 3);
    ck_assert_int_eq(atoi(live_psql("select count(*) from ack_elsewhere")), trick->elsewhere >= 0
                                                                                ? trick->elsewhere
                                                                            : live_is_served ? 0
                                                                                             : 3);
    const char *state = sync_one(&ani);
    ck_assert_msg(strcmp(state, failed ? "partial" : "ok") == 0, "%s: %s", state,
                  live_text(ani.db, "SELECT error FROM leadx_log ORDER BY at DESC"));
  }
}
END_TEST

/* Rows that may be written and not read are counted. */
START_TEST(a_row_of_a_table_that_may_not_be_read_counts_when_it_was_written) {
  live_psql("revoke select on ack from authenticated");
  live_run(ani.db, "INSERT INTO ack(id, a) VALUES (leadx_uuid(), 'x'), (leadx_uuid(), 'y')");
  live_push(&ani);
  expect(&ani, "SELECT count(*) FROM sync_queue WHERE status = 'SYNCED'", "2");
  live_psql("create function ack_trick() returns trigger language plpgsql as $$ begin return null; "
            "end $$; create trigger trick before insert on ack for each row execute function "
            "ack_trick()");
  live_run(ani.db, "INSERT INTO ack(id, a) VALUES (leadx_uuid(), 'v'), (leadx_uuid(), 'w')");
  live_push(&ani);
  live_psql("grant select on ack to authenticated");
  expect(&ani,
         "SELECT count(*) FROM sync_queue WHERE status = 'FAILED' AND error_code = 'forbidden'",
         "2");
  ck_assert_str_eq(live_psql("select count(*) from ack"), "2");
}
END_TEST

/* T10: under a key that is no uuid there is no row to fetch, nor one to delete. */
START_TEST(a_row_whose_key_the_server_cannot_read_goes_when_it_is_given_up_or_deleted) {
  live_run(ani.db, "INSERT INTO ack(id, a) VALUES ('one', 'x'), ('two', 'y')");
  ck_assert_str_eq(sync_one(&ani), "partial");
  expect(&ani, "SELECT count(*) FROM sync_queue WHERE status = 'FAILED'", "2");
  live_run(ani.db, "DELETE FROM ack WHERE id = 'two'");
  sync_one(&ani);
  expect(&ani, "SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'", "1");
  live_run(ani.db, "SELECT leadx_discard(id) FROM sync_queue WHERE status = 'FAILED'");
  for (int i = 0; i < 2; i++) ck_assert_str_eq(sync_one(&ani), "ok");
  expect(&ani, "SELECT count(*) FROM ack", "0");
}
END_TEST

/* ---- whose rows they are ---- */

/* A file that knew nobody when A signed in, and then had its first table tracked and row written. */
static void a_row_of_ani_in_budis_session(live_device *device) {
  char *sql = sqlite3_mprintf("SELECT leadx_configure(%Q, %Q)", live_env("LEADX_URL"),
                              live_env("LEADX_APIKEY"));
  ck_assert_int_eq(sqlite3_open(":memory:", &device->db), SQLITE_OK);
  live_load(device->db, 1);
  live_run(device->db, sql);
  sqlite3_free(sql);
  sign_in(device, "LEADX_TOKEN");
  live_run(device->db,
           "CREATE TABLE ack(id TEXT PRIMARY KEY NOT NULL, a TEXT, b TEXT, updated_at TEXT);"
           "SELECT leadx_track('ack', '{\"columns\":{\"id\":{\"type\":\"uuid\"}}}');"
           "INSERT INTO ack(id, a) VALUES (leadx_uuid(), 'x')");
  sign_in(device, "LEADX_TOKEN_2");
}

/* A4 */
START_TEST(a_row_is_its_writer_s_from_the_first_one_on) {
  live_device device;
  a_row_of_ani_in_budis_session(&device);
  sync_one(&device);
  ck_assert_str_eq(live_psql("select count(*) from ack"), "0");
  ck_assert_str_eq(live_text(device.db, "SELECT kind || queue_id IS NULL FROM leadx_problems"),
                   "1");
  sign_in(&device, "LEADX_TOKEN");
  ck_assert_str_eq(sync_one(&device), "ok");
  ck_assert_str_eq(live_psql("select owner_id from ack"), live_env("LEADX_USER_1"));
  ck_assert_int_eq(sqlite3_close(device.db), SQLITE_OK);
}
END_TEST

START_TEST(the_fix_of_an_owner_s_problem_adopts_the_rows) {
  live_device device;
  char fix[300];
  a_row_of_ani_in_budis_session(&device);
  sync_one(&device);
  ck_assert_str_eq(live_text(device.db, "SELECT kind FROM leadx_problems"), "owner");
  snprintf(fix, sizeof fix, "%s", live_text(device.db, "SELECT fix FROM leadx_problems"));
  live_run(device.db, "BEGIN");
  ck_assert_str_eq(live_text(device.db, fix), "{\"adopted\":1}");
  live_run(device.db, "ROLLBACK");
  ck_assert_str_eq(live_text(device.db, "SELECT kind FROM leadx_problems"), "owner");
  ck_assert_str_eq(live_text(device.db, fix), "{\"adopted\":1}");
  ck_assert_str_eq(live_text(device.db, fix), "{\"adopted\":0}");
  ck_assert_str_eq(live_text(device.db, "SELECT leadx_adopt()"), "{\"adopted\":0}");
  ck_assert_str_eq(sync_one(&device), "ok");
  ck_assert_str_eq(live_psql("select owner_id from ack"), live_env("LEADX_USER_2"));
  live_run(device.db, "SELECT leadx_set_token(NULL)");
  ck_assert_ptr_nonnull(strstr(live_error(device.db, fix), "leadx_adopt: nobody is signed in"));
  ck_assert_int_eq(sqlite3_close(device.db), SQLITE_OK);
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
  tcase_add_test(tcase, edits_of_rows_that_are_hidden_are_kept_and_go_out_when_the_rights_are_back);
  tcase_add_test(tcase, a_kept_edit_is_sent_again_by_its_fix_or_given_up);
  tcase_add_test(tcase, an_edit_of_a_deleted_row_meets_the_delete_where_a_tombstone_says_so);
  tcase_add_loop_test(tcase,
                      a_row_that_was_not_written_as_it_was_sent_is_not_acknowledged_nor_sent_again,
                      0, COUNT(tricks));
  tcase_add_test(tcase, a_row_whose_key_the_server_cannot_read_goes_when_it_is_given_up_or_deleted);
  tcase_add_test(tcase, a_row_of_a_table_that_may_not_be_read_counts_when_it_was_written);
  return tcase;
}

Suite *test_acks_suite(void) {
  Suite *suite = suite_create("acks");
  TCase *plain = scenarios("plain"), *called = scenarios("called");
  tcase_add_test(plain, a_row_is_its_writer_s_from_the_first_one_on);
  tcase_add_test(plain, the_fix_of_an_owner_s_problem_adopts_the_rows);
  suite_add_tcase(suite, plain);
  tcase_add_unchecked_fixture(called, serve, live_unserve);
  tcase_add_test(called, a_tombstone_that_comes_later_ends_what_was_kept);
  suite_add_tcase(suite, called);
  return suite;
}
