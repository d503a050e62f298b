/* Two devices of two colleagues against the real server: who wins, what both end with, and what is
** no conflict at all. Names like C11 are the known ways to lose data that a test stands against.
** Needs the server of scripts/test.sh. */
#define _DEFAULT_SOURCE /* usleep */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "live.h"
#include "suites.h"

static live_device ani, budi;

/* A table whose triggers stamp the version and rewrite a column, and whose rows can be hidden from
** one person. */
static const char lab[] =
    "create table if not exists lab(id text primary key, a text, b text, n numeric(18,2), j jsonb, "
    "shout text, at timestamptz,"
    " hidden_from uuid, updated_at timestamptz not null default now());"
    "create or replace function lab_shout() returns trigger language plpgsql as 'begin new.shout "
    ":= upper(new.shout); return new; end';"
    "drop trigger if exists shout on lab; create trigger shout before insert or update on lab for "
    "each row execute function lab_shout();"
    "drop trigger if exists stamp on lab; create trigger stamp before insert or update on lab for "
    "each row execute function crm.stamp();"
    "alter table lab enable row level security; drop policy if exists seen on lab;"
    "create policy seen on lab to authenticated using (hidden_from is distinct from auth.uid()) "
    "with check (true);"
    "grant all on lab to authenticated";

/* As the superuser, past the triggers: what a restored backup or an administrator does. */
static void server_run(const char *sql) {
  char *silent = sqlite3_mprintf("set session_replication_role = replica; %s", sql);
  live_psql(silent);
  sqlite3_free(silent);
}

static void use_lab(live_device *device, const char *type, const char *options) {
  char *sql = sqlite3_mprintf("SELECT leadx_untrack('customers'), leadx_untrack('pipelines'), "
                              "leadx_untrack('activities'), leadx_untrack('settings');"
                              "CREATE TABLE lab(id TEXT PRIMARY KEY NOT NULL, a TEXT, b TEXT, n "
                              "DECIMAL, j JSON, shout TEXT, at %s, updated_at %s);"
                              "SELECT leadx_track('lab', %Q)",
                              type, type, options);
  live_run(device->db, sql);
  sqlite3_free(sql);
  live_learn(device); /* what was tracked since is asked for */
}

static void open_both(const char *type, const char *options) {
  use_lab(&ani, type, options);
  use_lab(&budi, type, options);
}

static void set_up(void) {
  if (strcmp(live_psql("select to_regclass('public.lab') is not null"), "t") != 0)
    live_psql_reload(lab);
  live_psql("truncate lab");
  live_open(&ani, 1, NULL);
  live_open(&budi, 1, NULL);
  char *sql = sqlite3_mprintf("SELECT leadx_set_token(%Q)", live_env("LEADX_TOKEN_2"));
  live_run(budi.db, sql);
  sqlite3_free(sql);
}

static void tear_down(void) {
  live_close(&ani);
  live_close(&budi);
}

/* Is that the state of a sync that came to its end? It is partial while something needs a person. */
static void expect_end(live_device *device, const char *state) {
  int problems = live_int(device->db, "SELECT count(*) FROM leadx_problems");
  ck_assert_str_eq(state, problems ? "partial" : "ok");
}

/* Push, then pull. */
static void sync_one(live_device *device) {
  expect_end(device, live_push(device));
  expect_end(device, live_text(device->db, "SELECT leadx_pull() ->> 'state'"));
}

static const char *reconcile(live_device *device) {
  return live_text(device->db, "SELECT leadx_reconcile() ->> 'state'");
}

static void expect(live_device *device, const char *sql, const char *text) {
  const char *answer = live_text(device->db, sql);
  ck_assert_msg(strcmp(answer, text) == 0, "%s has \"%s\" for %s, not \"%s\"",
                device == &ani ? "ani" : "budi", answer, sql, text);
}

static int conflicts(void) {
  return live_int(ani.db, "SELECT count(*) FROM sync_conflicts") +
         live_int(budi.db, "SELECT count(*) FROM sync_conflicts");
}

/* Both devices have what the server has, and nothing waits. */
static void both_have(const char *a, const char *b) {
  char row[60];
  snprintf(row, sizeof row, "%s|%s", a, b);
  ck_assert_str_eq(live_psql("select a || '|' || b from lab where id = 'r'"), row);
  for (live_device *device = &ani;; device = &budi) {
    sync_one(device);
    expect(device, "SELECT a || '|' || b FROM lab WHERE id = 'r'", row);
    expect(device, "SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'", "0");
    expect(device, "SELECT updated_at FROM lab WHERE id = 'r'",
           live_psql("select to_json(updated_at) #>> '{}' from lab where id = 'r'"));
    if (device == &budi) break;
  }
}

static void edit(live_device *device, const char *assignments) {
  char sql[200];
  usleep(5000); /* the server's stamp has microseconds, this one milliseconds */
  snprintf(
      sql, sizeof sql,
      "UPDATE lab SET %s, updated_at = strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ', 'now') WHERE id = 'r'",
      assignments);
  live_run(device->db, sql);
  usleep(5000);
}

static void a_row_that_both_know(const char *policy) {
  char options[60];
  snprintf(options, sizeof options, "{\"policy\":\"%s\"}", policy);
  open_both("TEXT", options);
  live_run(
      ani.db,
      "INSERT INTO lab(id, a, b, updated_at) VALUES ('r', 'a0', 'b0', '2024-01-01T00:00:00Z')");
  sync_one(&ani);
  sync_one(&budi);
  expect(&budi, "SELECT a || b FROM lab", "a0b0");
}

/* ---- who wins ---- */

/* late: the second one's edit was made after the first one's had reached the server. */
static const struct outcome {
  const char *policy;
  int late;
  const char *a;
} outcomes[] = {{"timestamp", 0, "ani"}, {"timestamp", 1, "budi"}, {"merge", 0, "ani"},
                {"merge", 1, "budi"},    {"client", 0, "budi"},    {"client", 1, "budi"},
                {"server", 0, "ani"},    {"server", 1, "ani"},     {"manual", 0, "budi"},
                {"manual", 1, "ani"}};

/* The same column on both sides is decided, the other column is kept, both end the same. */
START_TEST(two_who_edit_one_row_both_end_with_what_the_policy_says) {
  const struct outcome *o = &outcomes[_i];
  a_row_that_both_know(o->policy);
  if (!o->late) edit(&budi, "a = 'budi', b = 'kept'");
  edit(&ani, "a = 'ani'");
  sync_one(&ani);
  if (o->late) edit(&budi, "a = 'budi', b = 'kept'");
  sync_one(&budi);
  if (strcmp(o->policy, "manual") == 0) {
    expect(&budi, "SELECT contested FROM sync_conflicts WHERE winner IS NULL", "[\"a\"]");
    expect(&budi, "SELECT a || b FROM lab", "budikept");
    live_run(budi.db, o->late ? "SELECT leadx_resolve(id, 'server') FROM sync_conflicts"
                              : "SELECT leadx_resolve(id, 'client') FROM sync_conflicts");
    sync_one(&budi);
  }
  both_have(o->a, "kept");
  ck_assert_int_eq(conflicts(), 1);
  expect(&budi,
         "SELECT client_payload ->> 'a' || '/' || (server_payload ->> 'a') || (winner IS NULL) "
         "FROM sync_conflicts",
         "budi/ani0");
}
END_TEST

/* The queue's created_at has whole seconds; which of two edits of one second is the newer one is
** told all the same. */
START_TEST(an_edit_that_no_application_stamps_is_as_new_as_its_moment) {
  a_row_that_both_know("timestamp");
  live_run(ani.db, "UPDATE lab SET a = 'ani'");
  sync_one(&ani);
  usleep(5000); /* the two clocks are one, but read to the millisecond */
  live_run(budi.db, "UPDATE lab SET a = 'budi', b = 'kept'");
  sync_one(&budi);
  both_have("budi", "kept");
  expect(&budi, "SELECT winner FROM sync_conflicts", "client");
}
END_TEST

START_TEST(two_who_edit_two_columns_both_keep_their_edit_without_a_conflict) {
  a_row_that_both_know("manual");
  edit(&budi, "b = 'budi'");
  edit(&ani, "a = 'ani'");
  sync_one(&ani);
  sync_one(&budi);
  both_have("ani", "budi");
  ck_assert_int_eq(conflicts(), 0);
}
END_TEST

/* C14 */
START_TEST(an_edit_of_a_row_that_the_other_deleted_is_kept_in_the_audit) {
  a_row_that_both_know("timestamp");
  edit(&budi, "a = 'lost'");
  live_run(ani.db, "DELETE FROM lab");
  sync_one(&ani);
  sync_one(&budi);
  ck_assert_str_eq(live_psql("select count(*) from lab"), "0");
  if (!live_is_served) { /* without tombstones the row may as well be hidden: the edit is kept */
    expect(&budi, "SELECT status || error_code FROM sync_queue", "FAILEDforbidden");
    return;
  }
  expect(&budi, "SELECT count(*) FROM lab", "0");
  expect(&budi, "SELECT client_payload ->> 'a' || winner FROM sync_conflicts", "lostserver");
}
END_TEST

START_TEST(a_delete_of_a_row_that_the_other_edited_wins_and_keeps_the_edit_in_the_audit) {
  a_row_that_both_know("timestamp");
  live_run(budi.db, "DELETE FROM lab");
  edit(&ani, "a = 'lost'");
  sync_one(&ani);
  sync_one(&budi);
  ck_assert_str_eq(live_psql("select count(*) from lab"), "0");
  expect(&budi, "SELECT server_payload ->> 'a' || winner FROM sync_conflicts", "lostclient");
  ck_assert_str_eq(reconcile(&ani), "ok"); /* C12 */
  expect(&ani, "SELECT count(*) FROM lab", "0");
}
END_TEST

/* ---- no false alarms ---- */

static const struct format {
  const char *type, *options, *now;
} formats[] = {{"INTEGER",
                "{\"policy\":\"manual\",\"columns\":{\"at\":{\"type\":\"timestamp:s\"},\"updated_"
                "at\":{\"type\":\"timestamp:s\"}}}",
                "unixepoch()"},
               {"INTEGER",
                "{\"policy\":\"manual\",\"columns\":{\"at\":{\"type\":\"timestamp:ms\"},\"updated_"
                "at\":{\"type\":\"timestamp:ms\"}}}",
                "unixepoch() * 1000 + 7"},
               {"DATETIME", "{\"policy\":\"manual\"}", "datetime('now')"},
               {"TIMESTAMP", "{\"policy\":\"manual\"}", "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"}};

/* C15, D: local times of less precision, rounded numbers, reordered JSON and rewritten columns: no
** conflict, no echo. */
START_TEST(what_the_server_writes_differently_is_no_conflict) {
  const struct format *f = &formats[_i];
  char sql[300];
  open_both(f->type, f->options);
  snprintf(sql, sizeof sql,
           "INSERT INTO lab VALUES ('r', 'a0', 'b0', '1.005', "
           "'{\"b\":[1.0,{\"y\":1,\"x\":2}],\"a\":null}', 'hello', %s, %s)",
           f->now, f->now);
  live_run(ani.db, sql);
  for (int i = 1; i <= 3; i++) {
    sync_one(&ani);
    sync_one(&budi);
    snprintf(sql, sizeof sql,
             "UPDATE lab SET a = 'a%d', shout = 'loud %d', n = '2.34%d', updated_at = %s", i, i, i,
             f->now);
    live_run((i % 2 ? budi : ani).db, sql);
    sync_one(i % 2 ? &budi : &ani);
  }
  sync_one(&ani);
  sync_one(&budi);
  ck_assert_int_eq(conflicts(), 0);
  for (live_device *device = &ani;; device = &budi) {
    expect(device, "SELECT a || shout || n || json_extract(j, '$.b[1].x') FROM lab",
           "a3LOUD 32.342");
    expect(device, "SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'", "0");
    expect(device, "SELECT (SELECT leadx_push() ->> 'requests') || (leadx_pull() ->> 'requests')",
           "01");
    if (device == &budi) break;
  }
  ck_assert_str_eq(live_text(ani.db, "SELECT at || updated_at FROM lab"),
                   live_text(budi.db, "SELECT at || updated_at FROM lab"));
}
END_TEST

/* ---- reconcile ---- */

static void many_rows(int n) {
  char sql[160];
  open_both("TEXT", "{}");
  snprintf(sql, sizeof sql,
           "insert into lab(id, a, b) select 'r' || i, 'a', 'b' from generate_series(1, %d) i", n);
  live_psql(sql);
  sync_one(&ani);
  sync_one(&budi);
}

/* C11 */
START_TEST(rows_that_are_hidden_from_one_person_go_and_come_back) {
  char sql[160];
  many_rows(30);
  snprintf(sql, sizeof sql, "update lab set hidden_from = '%s' where id in ('r3', 'r4')",
           live_env("LEADX_USER_2"));
  server_run(sql);
  sync_one(&budi);
  expect(&budi, "SELECT count(*) FROM lab", "30");
  ck_assert_str_eq(reconcile(&budi), "ok");
  ck_assert_str_eq(reconcile(&ani), "ok");
  expect(&budi, "SELECT count(*) FROM lab", "28");
  expect(&ani, "SELECT count(*) FROM lab", "30");
  server_run("update lab set hidden_from = null");
  sync_one(&budi);
  ck_assert_str_eq(reconcile(&budi), "ok");
  expect(&budi, "SELECT count(*) FROM lab", "30");
  expect(&budi, "SELECT count(*) FROM sync_queue", "0");
}
END_TEST

START_TEST(a_server_that_shows_nothing_any_more_is_not_believed) {
  char sql[120];
  many_rows(30);
  snprintf(sql, sizeof sql, "update lab set hidden_from = '%s'", live_env("LEADX_USER_2"));
  server_run(sql);
  ck_assert_str_eq(reconcile(&budi), "partial");
  expect(&budi, "SELECT count(*) FROM lab", "30");
}
END_TEST

/* C12, C16 */
START_TEST(a_server_that_was_restored_from_a_backup_is_followed) {
  many_rows(30);
  live_run(ani.db, "UPDATE lab SET a = 'new'");
  sync_one(&ani);
  sync_one(&budi);
  expect(&budi, "SELECT count(*) FROM lab WHERE a = 'new'", "30");
  server_run("delete from lab where id in ('r1', 'r2'); update lab set a = 'old', updated_at = "
             "'2024-01-01T00:00:00Z'");
  sync_one(&budi);
  ck_assert_str_eq(reconcile(&budi), "ok");
  expect(&budi, "SELECT count(*) || '/' || sum(a = 'old') FROM lab", "28/28");
  live_run(budi.db, "UPDATE lab SET a = 'again' WHERE id = 'r5'");
  sync_one(&budi);
  ck_assert_str_eq(live_psql("select a from lab where id = 'r5'"), "again");
  ck_assert_int_eq(live_int(budi.db, "SELECT count(*) FROM sync_conflicts"), 0);
}
END_TEST

/* C2, C3 with the server's own cap of 1000 rows and a tie of 2500. */
START_TEST(thousands_of_rows_of_one_transaction_arrive) {
  open_both("TEXT", "{}");
  live_text(ani.db, "SELECT leadx_config('page_size', '5000')");
  server_run("insert into lab(id, a, updated_at) select 'r' || i, 'a', now() from "
             "generate_series(1, 2500) i");
  sync_one(&ani);
  expect(&ani, "SELECT count(*) || '/' || count(DISTINCT updated_at) FROM lab", "2500/1");
}
END_TEST

/* ---- with the functions of the server ---- */

static void serve(void) {
  set_up();
  open_both("TEXT", "{}");
  live_serve(&ani);
  tear_down();
}

/* C12: no reconcile is needed, and an idle pull stays one request. */
START_TEST(hard_deletes_of_a_colleague_arrive_by_themselves) {
  many_rows(300);
  live_run(ani.db, "DELETE FROM lab WHERE CAST(substr(id, 2) AS INTEGER) <= 120");
  sync_one(&ani);
  live_psql("delete from lab where id = 'r300'"); /* an administrator's leaves one, too */
  sync_one(&budi);
  expect(&budi, "SELECT count(*) || min(id) FROM lab", "179r121");
  sync_one(&ani);
  expect(&ani, "SELECT count(*) FROM lab", "179");
  expect(&budi, "SELECT leadx_pull() ->> 'requests'", "1");
  expect(&budi, "SELECT count(*) FROM sync_queue", "0");
}
END_TEST

/* Its first sync is a plain one, and asks at its end; what was deleted before the second is no
** secret to that. */
START_TEST(a_device_finds_the_functions_by_itself_and_misses_no_delete_from_before) {
  live_is_served = 0;
  many_rows(20);
  expect(&budi, "SELECT installed ->> '$.lab.version' FROM leadx_servers", "updated_at");
  live_psql("delete from lab where id in ('r3', 'r4')");
  sync_one(&budi);
  expect(&budi, "SELECT count(*) FROM lab", "18");
}
END_TEST

/* C14: the tombstone waits behind the edit, which then meets the delete. */
START_TEST(a_tombstone_does_not_go_over_an_unsent_edit) {
  a_row_that_both_know("timestamp");
  live_run(ani.db, "DELETE FROM lab");
  sync_one(&ani);
  edit(&budi, "a = 'lost'");
  ck_assert_str_eq(live_text(budi.db, "SELECT leadx_pull() ->> 'state'"), "ok");
  expect(&budi, "SELECT a FROM lab", "lost");
  sync_one(&budi);
  expect(&budi, "SELECT count(*) FROM lab", "0");
  expect(&budi, "SELECT client_payload ->> 'a' || winner FROM sync_conflicts", "lostserver");
  expect(&budi, "SELECT count(*) FROM leadx_parked", "0");
}
END_TEST

/* A row that was deleted and made again is no deleted one, whichever device looks. */
START_TEST(a_row_that_was_made_again_stays) {
  a_row_that_both_know("timestamp");
  live_run(ani.db, "DELETE FROM lab");
  sync_one(&ani);
  live_run(ani.db, "INSERT INTO lab(id, a, b) VALUES ('r', 'a1', 'b1')");
  sync_one(&ani);
  both_have("a1", "b1");
  ck_assert_int_eq(conflicts(), 0);
}
END_TEST

static TCase *scenarios(const char *name) {
  TCase *tcase = tcase_create(name);
  tcase_set_timeout(tcase, 30);
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_loop_test(tcase, two_who_edit_one_row_both_end_with_what_the_policy_says, 0,
                      (int)(sizeof outcomes / sizeof outcomes[0]));
  tcase_add_test(tcase, an_edit_that_no_application_stamps_is_as_new_as_its_moment);
  tcase_add_test(tcase, two_who_edit_two_columns_both_keep_their_edit_without_a_conflict);
  tcase_add_test(tcase, an_edit_of_a_row_that_the_other_deleted_is_kept_in_the_audit);
  tcase_add_test(tcase,
                 a_delete_of_a_row_that_the_other_edited_wins_and_keeps_the_edit_in_the_audit);
  tcase_add_loop_test(tcase, what_the_server_writes_differently_is_no_conflict, 0,
                      (int)(sizeof formats / sizeof formats[0]));
  tcase_add_test(tcase, rows_that_are_hidden_from_one_person_go_and_come_back);
  tcase_add_test(tcase, a_server_that_shows_nothing_any_more_is_not_believed);
  tcase_add_test(tcase, a_server_that_was_restored_from_a_backup_is_followed);
  tcase_add_test(tcase, thousands_of_rows_of_one_transaction_arrive);
  return tcase;
}

Suite *test_two_devices_suite(void) {
  Suite *suite = suite_create("two_devices");
  TCase *called = scenarios("colleagues_called");
  suite_add_tcase(suite, scenarios("colleagues"));
  tcase_add_unchecked_fixture(called, serve, live_unserve);
  tcase_add_test(called, hard_deletes_of_a_colleague_arrive_by_themselves);
  tcase_add_test(called, a_device_finds_the_functions_by_itself_and_misses_no_delete_from_before);
  tcase_add_test(called, a_tombstone_does_not_go_over_an_unsent_edit);
  tcase_add_test(called, a_row_that_was_made_again_stays);
  suite_add_tcase(suite, called);
  return suite;
}
