/* Rows that are hard on the way to the real server and back: texts that PostgreSQL cannot hold, a
** file that was copied to a second device, columns that SQLite computes. */
#include <stdio.h>
#include <string.h>

#include "live.h"
#include "suites.h"
#include "supabase.h"

static live_device device;

static void set_up(void) {
  live_wipe();
  live_open(&device, 0, NULL);
}

static void tear_down(void) { live_close(&device); }

/* ---- texts ---- */

/* SQL expressions of texts, and whether PostgreSQL can hold them. */
static const struct text {
  const char *sql;
  int can_be;
} texts[] = {
    {"''", 1},
    {"' '", 1},
    {"char(1, 2, 3, 4, 5, 6, 7, 8)", 1},
    {"char(9, 10, 11, 12, 13, 14, 31)", 1},
    {"char(127)", 1},
    {"char(128, 133, 159, 160, 173)", 1},
    {"'\"'", 1},
    {"'\\'", 1},
    {"'\\u0000'", 1},
    {"'\\\\\"\\n'", 1},
    {"'{\"a\":[1,2}'", 1},
    {"''' OR 1=1; --'", 1},
    {"'%s%n%%'", 1},
    {"'+%2B&?#/;='", 1},
    {"'a' || char(8232, 8233) || 'b'", 1},
    {"char(65279) || 'bom'", 1},
    {"char(65534, 65535)", 1},
    {"char(64976)", 1},
    {"char(1114109, 1114111)", 1},
    {"char(119070, 128640, 129318, 127997, 8205, 9794, 65039)", 1},
    {"char(101, 769, 803)", 1},
    {"char(8238) || 'right to left'", 1},
    {"char(55295, 57344)", 1},
    {"replace(printf('%10000s', ''), ' ', char(233))", 1},
    {"'a' || char(0) || 'b'", 0},
    {"char(0)", 0},
    {"char(0, 0, 34, 92, 0)", 0},
    {"CAST(x'80' AS TEXT)", 0},
    {"CAST(x'61ff62' AS TEXT)", 0},
    {"CAST(x'c080' AS TEXT)", 0},
    {"CAST(x'c1bf' AS TEXT)", 0},
    {"CAST(x'e08080' AS TEXT)", 0},
    {"CAST(x'eda080' AS TEXT)", 0},
    {"CAST(x'edb080' AS TEXT)", 0},
    {"CAST(x'eda080edb080' AS TEXT)", 0},
    {"CAST(x'f0808080' AS TEXT)", 0},
    {"CAST(x'f4908080' AS TEXT)", 0},
    {"CAST(x'f8888080' AS TEXT)", 0},
    {"CAST(x'e282' AS TEXT)", 0},
    {"CAST(x'f09f98' AS TEXT)", 0},
    {"CAST(x'22e228' AS TEXT)", 0},
    {"CAST(x'5cff' AS TEXT)", 0},
};
enum { TEXTS = sizeof texts / sizeof texts[0] };

static void insert_texts(void) {
  for (int i = 0; i < TEXTS; i++) {
    char sql[300];
    snprintf(sql, sizeof sql,
             "INSERT INTO customers(id, name, notes) VALUES "
             "(printf('c0000000-0000-4000-8000-%%012d', %d), '%d', %s)",
             i, i, texts[i].sql);
    live_run(device.db, sql);
  }
}

START_TEST(texts_arrive_to_the_byte_and_those_that_postgresql_cannot_hold_fail_alone) {
  insert_texts();
  ck_assert_str_eq(live_push(&device), "partial");
  for (int i = 0; i < TEXTS; i++) {
    char sql[300];
    snprintf(sql, sizeof sql,
             "SELECT status || ' ' || (ifnull(error_message, '') <> '') FROM sync_queue WHERE "
             "entity_id LIKE '%%-%012d'",
             i);
    const char *status = live_text(device.db, sql);
    ck_assert_msg(strcmp(status, texts[i].can_be ? "SYNCED 0" : "FAILED 1") == 0, "%s is %s",
                  texts[i].sql, status);
    snprintf(sql, sizeof sql,
             "SELECT lower(hex(substr(notes, 1, 200))) FROM customers WHERE name = '%d'", i);
    const char *here = live_text(device.db, sql);
    snprintf(sql, sizeof sql,
             "select encode(convert_to(left(notes, 200), 'UTF8'), 'hex') from customers where name "
             "= '%d'",
             i);
    const char *there = live_psql(sql);
    ck_assert_msg(strcmp(there, texts[i].can_be ? here : "") == 0, "%s arrived as \"%s\"",
                  texts[i].sql, there);
  }
}
END_TEST

/* The user mends them, and they go. */
START_TEST(a_text_that_failed_goes_when_it_is_mended) {
  insert_texts();
  live_push(&device);
  live_run(device.db, "UPDATE customers SET notes = 'mended' WHERE id IN (SELECT entity_id FROM "
                      "sync_queue WHERE status = 'FAILED')");
  ck_assert_str_eq(live_push(&device), "ok");
  ck_assert_int_eq(live_int(device.db, "SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'"),
                   0);
  char count[20];
  snprintf(count, sizeof count, "%d", TEXTS);
  ck_assert_str_eq(live_psql("select count(*) from customers"), count);
}
END_TEST

START_TEST(a_text_that_failed_is_no_concern_any_more_when_its_row_is_gone) {
  insert_texts();
  live_push(&device);
  live_run(device.db, "DELETE FROM customers");
  ck_assert_str_eq(live_push(&device), "ok");
  ck_assert_int_eq(live_int(device.db, "SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'"),
                   0);
  ck_assert_str_eq(live_psql("select count(*) from customers"), "0");
}
END_TEST

/* A row that the server has, spoiled and mended: only what was changed goes, and what a colleague
** changed stays. */
START_TEST(an_edit_that_could_not_be_sent_is_mended_by_the_next_one) {
  live_run(device.db, "INSERT INTO customers(id, name, city, notes) VALUES "
                      "('c0000000-0000-4000-8000-000000000001', 'a', 'Solo', 'n')");
  ck_assert_str_eq(live_push(&device), "ok");
  live_run(device.db, "UPDATE customers SET notes = CAST(x'ff' AS TEXT), city = 'Bandung'");
  ck_assert_str_eq(live_push(&device), "partial");
  live_psql("update customers set phone = '123'");
  live_run(device.db, "UPDATE customers SET notes = 'mended'");
  ck_assert_str_eq(live_push(&device), "ok");
  ck_assert_str_eq(live_psql("select name, city, notes, phone from customers"),
                   "a|Bandung|mended|123");
  ck_assert_int_eq(live_int(device.db, "SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'"),
                   0);
}
END_TEST

/* ---- a copied file ---- */

START_TEST(two_copies_of_one_file_both_deliver_what_is_written_on_them) {
  live_device copy = {.linked = 0};
  char sql[200];
  live_run(device.db, "INSERT INTO customers(id, name, city) VALUES "
                      "('c0000000-0000-4000-8000-000000000001', 'both', 'Solo'),"
                      " ('c0000000-0000-4000-8000-000000000002', 'unsent', 'Solo')");
  if (_i == 0) ck_assert_str_eq(live_push(&device), "ok");
  snprintf(copy.path, sizeof copy.path, "%.50s_copy", device.path);
  snprintf(sql, sizeof sql, "VACUUM INTO '%s'", copy.path);
  live_run(device.db, sql);
  copy.db = live_second(&copy);
  snprintf(sql, sizeof sql, "SELECT leadx_configure('%s', '%s', '{\"backoff\":0}')",
           live_env("LEADX_URL"), live_env("LEADX_APIKEY"));
  live_run(copy.db, sql);
  char *token = sqlite3_mprintf("SELECT leadx_set_token(%Q)", live_env("LEADX_TOKEN"));
  live_run(copy.db, token);
  sqlite3_free(token);
  /* The queues number their rows alike, and the rows differ. */
  live_run(device.db,
           "INSERT INTO customers(id, name) VALUES ('c0000000-0000-4000-8000-00000000000a', "
           "'mine'); UPDATE customers SET city = 'Bandung' WHERE name = 'both'");
  live_run(copy.db,
           "INSERT INTO customers(id, name) VALUES ('c0000000-0000-4000-8000-00000000000b', "
           "'theirs'); UPDATE customers SET notes = 'copied' WHERE name = 'both'");
  ck_assert_str_eq(live_push(&device), "ok");
  ck_assert_str_eq(live_push(&copy), "ok");
  ck_assert_str_eq(live_psql("select string_agg(name, ' ' order by name) from customers"),
                   "both mine theirs unsent");
  ck_assert_str_eq(live_psql("select city from customers where name = 'both'"), "Bandung");
  /* Of a row that both made, what reached the server was stamped after the other's edit: it wins,
  ** and the other is kept. */
  if (_i == 0)
    ck_assert_str_eq(live_psql("select notes from customers where name = 'both'"), "copied");
  else
    ck_assert_int_eq(live_int(copy.db, "SELECT count(*) FROM sync_conflicts WHERE client_payload "
                                       "LIKE '%copied%' AND winner = 'server'"),
                     1);
  ck_assert_int_eq(live_int(copy.db, "SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'"),
                   0);
  live_close(&copy);
}
END_TEST

/* ---- columns that SQLite computes ---- */

START_TEST(computed_columns_stay_at_home_and_follow_what_comes) {
  sqlite3 *db = supabase_device(1);
  live_run(db, "CREATE TABLE customers(id TEXT PRIMARY KEY NOT NULL, shout TEXT AS (upper(name)) "
               "STORED, name TEXT, label TEXT AS (name || '!'), updated_at TEXT);"
               "SELECT leadx_track('customers'); INSERT INTO customers(id, name) VALUES "
               "('c0000000-0000-4000-8000-000000000001', 'ani')");
  ck_assert_str_eq(live_text(db, "SELECT leadx_sync() ->> 'state'"), "ok");
  ck_assert_str_eq(live_psql("select name from customers"), "ani");
  live_psql("update customers set name = 'budi'");
  ck_assert_str_eq(live_text(db, "SELECT leadx_sync() ->> 'state'"), "ok");
  ck_assert_str_eq(live_text(db, "SELECT shout || label FROM customers"), "BUDIbudi!");
  live_run(db, "UPDATE customers SET name = 'cici'");
  ck_assert_str_eq(live_text(db, "SELECT leadx_sync() ->> 'state'"), "ok");
  ck_assert_str_eq(live_psql("select name from customers"), "cici");
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}
END_TEST

Suite *test_live_rows_suite(void) {
  Suite *suite = suite_create("live_rows");
  TCase *tcase = tcase_create("live_rows");
  tcase_set_timeout(tcase, 60);
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_test(tcase, texts_arrive_to_the_byte_and_those_that_postgresql_cannot_hold_fail_alone);
  tcase_add_test(tcase, a_text_that_failed_goes_when_it_is_mended);
  tcase_add_test(tcase, a_text_that_failed_is_no_concern_any_more_when_its_row_is_gone);
  tcase_add_test(tcase, an_edit_that_could_not_be_sent_is_mended_by_the_next_one);
  tcase_add_loop_test(tcase, two_copies_of_one_file_both_deliver_what_is_written_on_them, 0, 2);
  tcase_add_test(tcase, computed_columns_stay_at_home_and_follow_what_comes);
  suite_add_tcase(suite, tcase);
  return suite;
}
