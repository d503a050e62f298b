/* The push against PostgreSQL and PostgREST, through the .so as a host loads it. The server is the
** one of scripts/server/server.sh; without it these tests fail. */
#define _GNU_SOURCE

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "live.h"
#include "suites.h"

static live_device device;

static void set_up(void) {
  live_wipe();
  live_open(&device, 0, NULL);
}

static void tear_down(void) { live_close(&device); }

#define C1 "c0000000-0000-4000-8000-000000000001"
#define P1 "b0000000-0000-4000-8000-000000000001"
#define A1 "a0000000-0000-4000-8000-000000000001"
#define S1 "50000000-0000-4000-8000-000000000001"

static int count_queue(const char *where) {
  char sql[200];
  snprintf(sql, sizeof sql, "SELECT count(*) FROM sync_queue WHERE %s", where);
  return live_int(device.db, sql);
}

static void one_customer(void) {
  live_run(device.db, "INSERT INTO customers(id, name, city, updated_at) VALUES ('" C1
                      "', 'Ani', 'Solo', '2024-01-01T00:00:00Z')");
  ck_assert_str_eq(live_push(&device), "ok");
}

static void write_all_four(sqlite3 *db) {
  live_run(
      db,
      "INSERT INTO settings VALUES ('" S1
      "', 'theme', '{\"n\":9007199254740993,\"a\":[1.10,null,true],\"t\":\"\\u00e9\"}', NULL);"
      "INSERT INTO customers(id, code, name, latitude, credit_limit, tax_number, founded_on, "
      "is_active, tags, notes, last_contacted_at)"
      " VALUES ('" C1 "', 'K-1', 'Toko \xc3\x89lan \xf0\x9f\x8d\x9c \"\\ '' x', "
      "-6.2000000000000001e-3, '1234567890123456.78', 9223372036854775807,"
      " '1999-12-31', 0, '[\"vip\",12345678901234567890]', '', '2024-02-29T23:59:59.123456+07:00');"
      "INSERT INTO pipelines(id, customer_id, title, stage, amount, details) VALUES"
      " ('" P1 "', '" C1 "', 'Renewal', 'WON', '0.10', '{\"x\":{\"y\":[]}}');"
      "INSERT INTO activities(id, customer_id, pipeline_id, kind, subject, scheduled_at, "
      "distance_m, signature) VALUES"
      " ('" A1 "', '" C1 "', '" P1
      "', 'CALL', 'Hi', '2024-03-01 08:00:00', -9223372036854775807, x'00ff10ab')");
}

static void assert_all_four(void) {
  ck_assert_str_eq(
      live_psql("select credit_limit, tax_number, founded_on, is_active, tags, notes = '', "
                "latitude = -6.2e-3,"
                " last_contacted_at = '2024-02-29T16:59:59.123456Z' from customers"),
      "1234567890123456.78|9223372036854775807|1999-12-31|f|[\"vip\", 12345678901234567890]|t|t|t");
  ck_assert_str_eq(live_psql("select name from customers"),
                   "Toko \xc3\x89lan \xf0\x9f\x8d\x9c \"\\ ' x");
  ck_assert_str_eq(live_psql("select value->>'n', value->'a', value->>'t' from settings"),
                   "9007199254740993|[1.10, null, true]|\xc3\xa9");
  ck_assert_str_eq(live_psql("select amount, details, stage from pipelines"),
                   "0.10|{\"x\": {\"y\": []}}|WON");
  ck_assert_str_eq(
      live_psql("select signature, distance_m, scheduled_at at time zone 'utc' from activities"),
      "\\x00ff10ab|-9223372036854775807|2024-03-01 08:00:00");
}

/* B25, B26 */
START_TEST(all_four_tables_arrive_exactly_and_stay_exact_at_home) {
  write_all_four(device.db);
  const char *before = live_text(device.db,
                                 "SELECT quote(credit_limit) || quote(tax_number) || "
                                 "quote(latitude) || quote(notes) || quote(name)"
                                 " || quote(founded_on) || quote(is_active) FROM customers");
  ck_assert_str_eq(live_push(&device), "ok");
  assert_all_four();
  ck_assert_int_eq(count_queue("status = 'SYNCED'"), 4);
  ck_assert_str_eq(live_text(device.db, "SELECT quote(credit_limit) || quote(tax_number) || "
                                        "quote(latitude) || quote(notes) || quote(name)"
                                        " || quote(founded_on) || quote(is_active) FROM customers"),
                   before);
  ck_assert_str_eq(live_text(device.db, "SELECT quote(signature) FROM activities"), "X'00FF10AB'");
  /* The server's stamp came back, and wrote nothing into the queue. */
  ck_assert_int_eq(live_int(device.db, "SELECT count(*) FROM customers WHERE updated_at > '2024'"),
                   1);
  ck_assert_int_eq(live_int(device.db, "SELECT count(*) FROM sync_queue"), 4);
}
END_TEST

/* The same with leadx linked into the program. */
START_TEST(the_static_form_delivers_the_same) {
  live_device linked;
  live_open(&linked, 1, NULL);
  write_all_four(linked.db);
  ck_assert_str_eq(live_push(&linked), "ok");
  assert_all_four();
  live_close(&linked);
}
END_TEST

START_TEST(edits_and_deletes_follow) {
  write_all_four(device.db);
  ck_assert_str_eq(live_push(&device), "ok");
  live_run(device.db, "UPDATE customers SET city = 'Bogor', tags = '[]'; DELETE FROM activities; "
                      "UPDATE pipelines SET amount = '99999999.99'");
  ck_assert_str_eq(live_push(&device), "ok");
  ck_assert_str_eq(live_psql("select city, tags, credit_limit from customers"),
                   "Bogor|[]|1234567890123456.78");
  ck_assert_str_eq(live_psql("select amount from pipelines"), "99999999.99");
  ck_assert_str_eq(live_psql("select count(*) from activities"), "0");
  live_run(device.db, "DELETE FROM pipelines; DELETE FROM customers; DELETE FROM settings");
  ck_assert_str_eq(live_push(&device), "ok");
  ck_assert_str_eq(live_psql("select count(*) from customers"), "0");
  ck_assert_int_eq(count_queue("status <> 'SYNCED'"), 0);
}
END_TEST

START_TEST(a_soft_delete_stamps_the_row) {
  live_run(
      device.db,
      "SELECT leadx_track('customers', '{\"delete\":\"soft\",\"soft_delete\":\"deleted_at\"}')");
  one_customer();
  live_run(device.db, "DELETE FROM customers");
  ck_assert_str_eq(live_push(&device), "ok");
  ck_assert_str_eq(live_psql("select deleted_at > now() - interval '1 minute' from customers"),
                   "t");
  live_run(device.db, "INSERT INTO customers(id, name) VALUES ('" C1 "', 'again')");
  ck_assert_str_eq(live_push(&device), "ok");
  ck_assert_str_eq(live_psql("select name, deleted_at is null from customers"), "again|t");
}
END_TEST

/* The gateway's log has the requests in the order of their end. */
START_TEST(the_gateway_sees_the_seed_s_priorities) {
  live_run(device.db,
           "INSERT INTO settings(id, key) VALUES ('" S1
           "', 'k'); INSERT INTO customers(id, name) VALUES ('" C1 "', 'Ani');"
           "INSERT INTO activities(id, subject) VALUES ('" A1 "', 'urgent');"
           "INSERT INTO pipelines(id, customer_id, title) VALUES ('" P1 "', '" C1 "', 'p')");
  char path[300];
  snprintf(path, sizeof path, "%s/log/access.log", live_env("LEADX_SERVER_LIVE"));
  FILE *log = fopen(path, "r");
  ck_assert_ptr_nonnull(log);
  fseek(log, 0, SEEK_END);
  ck_assert_str_eq(live_push(&device), "ok");
  char line[2000] = "", order[200] = "";
  /* An answer may be here before its line is there. The last one is what a new device asks for at
  ** the end of its sync. */
  for (int naps = 0; naps < 1000 && !strstr(line, "leadx_installed"); naps++) {
    while (fgets(line, sizeof line, log) && !strstr(line, "leadx_installed")) {
      char *at = strstr(line, "POST /rest/v1/");
      if (at) strncat(order, at + 14, strcspn(at + 14, "? ")), strcat(order, " ");
    }
    clearerr(log);
    sqlite3_sleep(10);
  }
  fclose(log);
  ck_assert_str_eq(order, "activities customers pipelines settings ");
}
END_TEST

/* ---- who may do what ---- */

static const char *as_stranger(const char *sql) {
  char whole[600];
  snprintf(whole, sizeof whole,
           "insert into customers(id, owner_id, name) values ('" C1 "', '%s', 'hers'); %s",
           live_env("LEADX_USER_3"), sql);
  return live_psql(whole);
}

/* B10, B18: a row of somebody else's is hidden: neither an update nor a delete is ever taken for
** done. */
START_TEST(rows_that_rls_hides_are_not_acknowledged) {
  as_stranger("");
  live_run(device.db,
           "SELECT leadx_enqueue('customer', '" C1 "', 'UPDATE', '{\"name\":\"mine\"}')");
  ck_assert_str_eq(live_push(&device), "partial");
  ck_assert_int_eq(count_queue("status = 'FAILED' AND error_code = 'forbidden'"), 1);
  ck_assert_str_eq(live_psql("select name from customers"), "hers");
}
END_TEST

/* B10: a colleague's row may be read and edited but not deleted. */
START_TEST(a_delete_that_rls_does_not_allow_fails_as_forbidden) {
  one_customer();
  char sql[200];
  snprintf(sql, sizeof sql, "update customers set owner_id = '%s'", live_env("LEADX_USER_2"));
  live_psql(sql);
  live_run(device.db, "DELETE FROM customers");
  ck_assert_str_eq(live_push(&device), "partial");
  ck_assert_int_eq(count_queue("status = 'FAILED' AND error_code = 'forbidden'"), 1);
  ck_assert_str_eq(live_psql("select count(*) from customers"), "1");
}
END_TEST

/* B7, B18: an insert in somebody else's name. */
START_TEST(a_row_in_another_s_name_fails_alone) {
  char sql[300];
  snprintf(sql, sizeof sql,
           "INSERT INTO customers(id, owner_id, name) VALUES ('" C1 "', '%s', 'x')",
           live_env("LEADX_USER_3"));
  live_run(device.db, sql);
  live_run(device.db,
           "UPDATE customers SET notes = NULL; INSERT INTO settings(id, key) VALUES ('" S1
           "', 'k')");
  ck_assert_str_eq(live_push(&device), "partial");
  ck_assert_int_eq(count_queue("status = 'FAILED' AND error_code = '42501'"), 1);
  ck_assert_str_eq(live_psql("select count(*) from settings"), "1");
}
END_TEST

/* B15 */
START_TEST(an_update_of_a_row_that_is_gone_does_not_bring_it_back) {
  one_customer();
  live_psql("delete from customers");
  live_run(device.db, "UPDATE customers SET name = 'Budi'");
  /* Only a tombstone tells it from a row that is hidden. */
  ck_assert_str_eq(live_push(&device), live_is_served ? "ok" : "partial");
  ck_assert_str_eq(live_psql("select count(*) from customers"), "0");
  if (!live_is_served)
    ck_assert_int_eq(count_queue("status = 'FAILED' AND error_code = 'forbidden'"), 1);
  else
    ck_assert_int_eq(
        live_int(device.db,
                 "SELECT count(*) FROM sync_conflicts WHERE client_payload LIKE '%Budi%'"),
        1);
}
END_TEST

/* B13 */
START_TEST(two_people_and_two_columns) {
  one_customer();
  live_psql("update customers set phone = '0812'");
  live_run(device.db, "UPDATE customers SET city = 'Medan'");
  ck_assert_str_eq(live_push(&device), "ok");
  ck_assert_str_eq(live_psql("select phone, city from customers"), "0812|Medan");
  ck_assert_str_eq(live_text(device.db, "SELECT phone FROM customers"), "0812");
}
END_TEST

/* B7 */
START_TEST(a_row_the_server_s_rules_refuse_fails_with_their_words) {
  live_run(device.db, "INSERT INTO customers(id, name) VALUES ('" C1
                      "', ''); INSERT INTO customers(id, name) SELECT leadx_uuid(), 'n' || value"
                      " FROM json_each('[1,2,3,4,5,6,7,8,9,10,11,12]')");
  ck_assert_str_eq(live_push(&device), "partial");
  ck_assert_int_eq(count_queue("status = 'FAILED' AND error_code = '23514' AND error_message LIKE "
                               "'%customers_name_check%'"),
                   1);
  ck_assert_str_eq(live_psql("select count(*) from customers"), "12");
}
END_TEST

/* B9: 409 is 23503 here and 23505 there. */
START_TEST(a_taken_code_and_a_missing_parent_are_told_apart) {
  live_psql("insert into customers(owner_id, code, name) select id, 'K-1', 'first' from auth.users "
            "where email like 'sari%'");
  live_run(device.db,
           "PRAGMA foreign_keys = OFF; INSERT INTO customers(id, code, name) VALUES ('" C1
           "', 'K-1', 'second');"
           "INSERT INTO pipelines(id, customer_id, title) VALUES ('" P1
           "', 'dddddddd-0000-4000-8000-000000000001', 'orphan')");
  ck_assert_str_eq(live_push(&device), "partial");
  ck_assert_int_eq(
      count_queue("entity_type = 'customer' AND status = 'FAILED' AND error_code = '23505'"), 1);
  ck_assert_int_eq(
      count_queue("entity_type = 'pipeline' AND status = 'FAILED' AND error_code = '23503'"), 1);
}
END_TEST

/* ---- the server changes ---- */

/* B29 */
START_TEST(a_dropped_column_pauses_its_table_and_nothing_else) {
  live_psql_reload("alter table settings rename column value to val");
  live_run(device.db, "INSERT INTO settings(id, key, value) VALUES ('" S1
                      "', 'k', '1'); INSERT INTO customers(id, name) VALUES ('" C1 "', 'Ani')");
  const char *state = live_push(&device);
  int waiting = count_queue("status = 'PENDING' AND retry_count = 0 AND entity_type = 'setting'");
  const char *said = live_text(device.db,
                               "SELECT last_error FROM leadx_status WHERE entity_type = 'setting'");
  live_psql_reload("alter table settings rename column val to value");
  ck_assert_str_eq(state, "partial");
  ck_assert_int_eq(waiting, 1);
  ck_assert_msg(strstr(said, "PGRST204") != NULL, "%s", said);
  ck_assert_str_eq(live_psql("select count(*) from customers"), "1");
  ck_assert_str_eq(live_push(&device), "ok");
  ck_assert_int_eq(count_queue("status <> 'SYNCED'"), 0);
}
END_TEST

/* B19: 57014 for more than three rows. */
START_TEST(a_statement_timeout_makes_smaller_batches) {
  live_psql("create function crm.slow() returns trigger language plpgsql as $$ begin"
            " if (select count(*) from rows) > 3 then raise exception 'too slow' using errcode = "
            "'57014'; end if; return null; end $$;"
            "create trigger slow after insert on customers referencing new table as rows for each "
            "statement execute function crm.slow()");
  live_run(device.db, "INSERT INTO customers(id, name) SELECT leadx_uuid(), 'n' || value FROM "
                      "json_each('[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]')");
  const char *state = live_push(&device);
  live_psql("drop trigger slow on customers; drop function crm.slow()");
  ck_assert_str_eq(state, "ok");
  ck_assert_str_eq(live_psql("select count(*) from customers"), "15");
  ck_assert_int_eq(count_queue("status = 'SYNCED' AND retry_count = 0"), 15);
}
END_TEST

/* Any twelve characters in a row of it are too much. */
static void expect_nowhere(const char *secret, const char *name) {
  static char bytes[8 << 20];
  FILE *file = fopen(name, "rb");
  if (!file) return;
  size_t n = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  ck_assert_uint_lt(n, sizeof bytes);
  for (size_t i = strncmp(secret, "sb_publishable_", 15) ? 0 : 15; i + 12 <= strlen(secret); i++)
    ck_assert_msg(!memmem(bytes, n, secret + i, 12), "%s holds %.12s", name, secret + i);
}

/* S4: what a trigger of the server says of the request that it belongs to. */
START_TEST(a_server_that_raises_with_the_request_s_headers_gives_no_key_and_no_token_away) {
  static const char *const words[] = {
      "current_setting('request.headers')", "to_json(current_setting('request.headers'))::text",
      "encode(current_setting('request.headers')::bytea, 'base64')",
      "encode(current_setting('request.headers')::bytea, 'hex')",
      "regexp_replace(current_setting('request.headers'), '(.{7})', E'\\\\1\\n', 'g')"};
  char sql[700], wal[100];
  int failed = 0;
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    snprintf(sql, sizeof sql,
             "create or replace function crm.tell() returns trigger language plpgsql as $$ begin "
             "raise exception '%%', %s using detail = %s; end $$;"
             "drop trigger if exists tell on customers; create trigger tell before insert on "
             "customers for each row execute function crm.tell()",
             words[i], words[i]);
    live_psql(sql);
    live_run(device.db, "INSERT INTO customers(id, name) VALUES (leadx_uuid(), 'n')");
    live_push(&device);
    failed = count_queue("status = 'FAILED' AND error_code = 'P0001' AND error_message LIKE '%*%'");
    if (failed != (int)i + 1) break;
  }
  const char *said = live_text(device.db, "SELECT group_concat(error_message) FROM sync_queue");
  live_psql("drop trigger tell on customers; drop function crm.tell()");
  ck_assert_msg(failed == 5, "%d: %s", failed, said);
  snprintf(wal, sizeof wal, "%s-wal", device.path);
  const char *secrets[] = {live_env("LEADX_TOKEN"), live_env("LEADX_APIKEY")};
  for (int i = 0; i < 2; i++) {
    expect_nowhere(secrets[i], device.path);
    expect_nowhere(secrets[i], wal);
  }
}
END_TEST

/* B28 */
START_TEST(a_table_that_may_only_be_inserted_into_is_delivered) {
  live_psql("alter policy own_read on settings using (false)");
  live_run(device.db, "INSERT INTO settings(id, key) SELECT leadx_uuid(), 'k' || value FROM "
                      "json_each('[1,2,3,4,5,6,7,8,9,10,11,12]')");
  const char *state = live_push(&device);
  live_psql("alter policy own_read on settings using (owner_id = (select auth.uid()))");
  ck_assert_str_eq(state, "ok");
  ck_assert_str_eq(live_psql("select count(*) from settings"), "12");
  ck_assert_int_eq(count_queue("status = 'SYNCED'"), 12);
}
END_TEST

/* ---- the functions of the server ---- */

static TCase *scenarios(const char *name) {
  TCase *tcase = tcase_create(name);
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_test(tcase, all_four_tables_arrive_exactly_and_stay_exact_at_home);
  tcase_add_test(tcase, the_static_form_delivers_the_same);
  tcase_add_test(tcase, edits_and_deletes_follow);
  tcase_add_test(tcase, a_soft_delete_stamps_the_row);
  tcase_add_test(tcase, rows_that_rls_hides_are_not_acknowledged);
  tcase_add_test(tcase, a_delete_that_rls_does_not_allow_fails_as_forbidden);
  tcase_add_test(tcase, a_row_in_another_s_name_fails_alone);
  tcase_add_test(tcase, an_update_of_a_row_that_is_gone_does_not_bring_it_back);
  tcase_add_test(tcase, two_people_and_two_columns);
  tcase_add_test(tcase, a_row_the_server_s_rules_refuse_fails_with_their_words);
  tcase_add_test(tcase, a_taken_code_and_a_missing_parent_are_told_apart);
  tcase_add_test(tcase, a_dropped_column_pauses_its_table_and_nothing_else);
  tcase_add_test(tcase, a_statement_timeout_makes_smaller_batches);
  tcase_add_test(tcase,
                 a_server_that_raises_with_the_request_s_headers_gives_no_key_and_no_token_away);
  tcase_add_test(tcase, a_table_that_may_only_be_inserted_into_is_delivered);
  return tcase;
}

Suite *test_server_suite(void) {
  Suite *suite = suite_create("server");
  TCase *plain = scenarios("plain"), *called = scenarios("called");
  tcase_add_test(plain, the_gateway_sees_the_seed_s_priorities);
  suite_add_tcase(suite, plain);
  tcase_add_unchecked_fixture(called, live_serve_all, live_unserve);
  suite_add_tcase(suite, called);
  return suite;
}
