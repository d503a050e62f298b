/* The push over a model of the server: batches, splitting, order, poison, what is acknowledged.
** Conflicts and replays are in test_replay.c. Names like B7 are the known ways to lose data that a
** test stands against. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_transport.h"
#include "push_device.h"
#include "suites.h"

static model_server model;
static push_device device;

static const char schema[] = "CREATE TABLE customers(id TEXT PRIMARY KEY NOT NULL, name TEXT, city "
                             "TEXT, code TEXT, updated_at TEXT);"
                             "CREATE TABLE activities(id TEXT PRIMARY KEY NOT NULL, customer_id "
                             "TEXT REFERENCES customers, previous_id TEXT REFERENCES activities,"
                             " subject TEXT, updated_at TEXT);"
                             "SELECT leadx_track('customers'), leadx_track('activities')";

static void set_up(void) {
  model_open(&model);
  model.references = "activities.customer_id>customers;activities.previous_id>activities";
  model.unique = "customers.code";
  device_open(&device, &model);
  device_run(&device, schema);
}

static void tear_down(void) {
  ck_assert_int_eq(model_unfiltered(&model), 0); /* B11: in every test of this file */
  device_close(&device);
  model_close(&model);
}

static void add_customers(int from, int to) {
  char sql[300];
  snprintf(sql, sizeof sql,
           "WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
           " INSERT INTO customers SELECT printf('c%%04d', i), 'name ' || i, 'Solo', NULL, "
           "'2024-01-01T00:00:00Z' FROM n",
           from, to);
  device_run(&device, sql);
}

static int queue_count(const char *where) {
  char sql[300];
  snprintf(sql, sizeof sql, "SELECT count(*) FROM sync_queue WHERE %s", where);
  return device_int(&device, sql);
}

/* A customer that both sides know. */
static void synced_customer(const char *id) {
  char sql[200];
  snprintf(sql, sizeof sql,
           "INSERT INTO customers VALUES ('%s', 'Ani', 'Solo', NULL, '2024-01-01T00:00:00Z')", id);
  device_run(&device, sql);
  ck_assert_str_eq(device_sync(&device), "ok");
  model_forget_log(&model);
}

/* ---- batches ---- */

/* B27 */
START_TEST(batches_begin_at_ten_and_double_while_the_link_keeps_up) {
  add_customers(1, 200);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model_count(&model, "customers"), 200);
  ck_assert_int_eq(queue_count("status = 'SYNCED' AND synced_at IS NOT NULL"), 200);
  int largest = 0, first = 0;
  for (int i = 0; i < model.n; i++) {
    int rows = 0;
    for (const char *at = model.log[i].body; (at = strstr(at, "\"id\":")) != NULL; at++) rows++;
    if (i == 0) first = rows;
    if (rows > largest) largest = rows;
  }
  ck_assert_int_eq(first, 10);
  ck_assert_int_ge(largest, 40);
  ck_assert_int_eq(device_result(&device, "pushed"), 200);
  ck_assert_int_eq(device_result(&device, "pending"), 0);
}
END_TEST

START_TEST(an_empty_queue_sends_nothing) {
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model.n, 0);
}
END_TEST

/* B7: _i is where in the batch the bad row stands. */
START_TEST(one_poison_row_in_fifty_costs_a_dozen_requests_and_nobody_else) {
  device_text(&device, "SELECT leadx_config('batch_size', '50')");
  add_customers(1, 50);
  char sql[100];
  snprintf(sql, sizeof sql,
           "UPDATE sync_queue SET payload = replace(payload, 'Solo', 'POISON') WHERE rowid = %d",
           _i + 1);
  device_run(&device, sql);
  model.poison = "POISON";
  ck_assert_str_eq(device_sync(&device), "partial");
  ck_assert_int_eq(model_count(&model, "customers"), 49);
  ck_assert_int_eq(queue_count("status = 'SYNCED'"), 49);
  ck_assert_int_eq(queue_count("status = 'FAILED' AND error_code = '23514' AND error_message LIKE "
                               "'%violates check%' AND retry_count = 0"),
                   1);
  ck_assert_int_le(device_result(&device, "requests") - 1, 12); /* 2 log2(50) + 1 */
}
END_TEST

/* B12 */
START_TEST(rows_with_other_columns_travel_in_requests_of_their_own) {
  device_text(&device, "SELECT leadx_enqueue('customer', 'p1', 'CREATE', '{\"name\":\"a\"}')");
  device_text(
      &device,
      "SELECT leadx_enqueue('customer', 'p2', 'CREATE', '{\"name\":\"b\",\"city\":\"Solo\"}')");
  device_text(&device, "SELECT leadx_enqueue('customer', 'p3', 'CREATE', '{\"name\":\"c\"}')");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model_count(&model, "customers"), 3);
  ck_assert_int_eq(model_seen(&model, "POST", "/customers"), 3); /* and none of them was refused */
  ck_assert_int_eq(model_seen(&model, NULL, "columns="), 0);
  ck_assert_int_eq(model_seen(&model, NULL, "\"city\":null"), 0);
}
END_TEST

/* ---- a table one may write but not read ---- */

/* B28 */
START_TEST(a_table_that_may_not_be_read_gets_plain_inserts) {
  model.write_only = 1;
  add_customers(1, 50);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model_count(&model, "customers"), 50);
  ck_assert_int_eq(queue_count("status = 'SYNCED'"), 50);
  /* Finding out costs a few requests, not one per row. */
  ck_assert_int_le(device_result(&device, "requests"), 20);
}
END_TEST

static int lose_minimal_answers(void *ctx, leadx_request *req) {
  (void)ctx;
  const char *prefer = fake_header(req, "Prefer");
  if (prefer && strncmp(prefer, "return=minimal", 14) == 0) {
    model_deliver(&model, req);
    fake_fail(req, LEADX_NET_OFFLINE, 52, "lost");
    return 1;
  }
  return 0;
}

/* B28, B1 */
START_TEST(a_plain_insert_whose_answer_was_lost_is_recognised_by_its_own_key) {
  model.write_only = 1;
  add_customers(1, 1);
  model.before = lose_minimal_answers;
  ck_assert_str_eq(device_sync(&device), "offline");
  model.before = NULL;
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(queue_count("status = 'SYNCED'"), 1);
}
END_TEST

static int deliver_twice(void *ctx, leadx_request *req) {
  (void)ctx;
  if (strcmp(req->method, "POST") != 0) return 0;
  model_deliver(&model, req);
  model_deliver(&model, req);
  return 1;
}

/* B3, B28 */
START_TEST(a_plain_insert_that_arrives_twice_is_one_insert) {
  model.write_only = 1;
  model.before = deliver_twice;
  add_customers(1, 1);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(queue_count("status = 'SYNCED'"), 1);
}
END_TEST

/* B28: the loser of another unique column is not taken for a replay, though it was sent before. */
START_TEST(a_plain_insert_with_a_taken_code_is_never_acknowledged) {
  model.write_only = 1;
  model_put(&model, "customers", "other", "{\"id\":\"other\",\"code\":\"K1\"}");
  device_run(&device, "INSERT INTO customers VALUES ('c1', 'Ani', 'Solo', 'K1', NULL); UPDATE "
                      "sync_queue SET sent_at = '2024-01-01T00:00:00Z'");
  ck_assert_str_eq(device_sync(&device), "partial");
  ck_assert_int_eq(queue_count("status = 'FAILED' AND error_code = '23505'"), 1);
}
END_TEST

static int deny_one(void *ctx, leadx_request *req) {
  (void)ctx;
  if (strcmp(req->method, "POST") != 0 || !strstr(req->body, "STRANGER")) return 0;
  fake_answer(req, 403,
              "{\"code\":\"42501\",\"message\":\"new row violates row-level security policy\"}");
  return 1;
}

/* B7, B28: one forbidden row does not make the table look unreadable. */
START_TEST(a_forbidden_row_fails_alone_and_the_others_are_read_back) {
  add_customers(1, 20);
  device_run(
      &device,
      "UPDATE sync_queue SET payload = replace(payload, 'Solo', 'STRANGER') WHERE rowid = 7");
  model.before = deny_one;
  ck_assert_str_eq(device_sync(&device), "partial");
  ck_assert_int_eq(queue_count("status = 'FAILED' AND error_code = '42501'"), 1);
  ck_assert_int_eq(model_count(&model, "customers"), 19);
  ck_assert_int_eq(
      device_int(
          &device,
          "SELECT count(*) FROM leadx_shadow WHERE entity = 'customer' AND version IS NOT NULL"),
      19);
}
END_TEST

/* ---- updates and deletes ---- */

/* B10, B13 */
START_TEST(a_patch_carries_the_changed_columns_on_the_version_to_the_letter) {
  synced_customer("c1");
  char *version = sqlite3_mprintf("%s", model_value(&model, "customers", "c1", "updated_at"));
  device_run(&device, "UPDATE customers SET city = 'Bogor'");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model.n, 1);
  ck_assert_str_eq(model.log[0].method, "PATCH");
  ck_assert_str_eq(model.log[0].prefer, "return=representation");
  ck_assert_ptr_nonnull(strstr(model.log[0].body, "\"city\":\"Bogor\""));
  ck_assert_ptr_null(strstr(model.log[0].body, "\"name\""));
  ck_assert_ptr_null(strstr(model.log[0].body, "2024-01-01"));
  sqlite3_str *filter = sqlite3_str_new(NULL);
  sqlite3_str_appendall(filter, "updated_at=eq.");
  for (const char *c = version; *c; c++)
    sqlite3_str_appendf(filter, *c == ':' ? "%%3A" : *c == '+' ? "%%2B" : "%c", *c);
  char *text = sqlite3_str_finish(filter);
  ck_assert_msg(strstr(model.log[0].url, text) != NULL, "%s lacks %s", model.log[0].url, text);
  sqlite3_free(text);
  sqlite3_free(version);
}
END_TEST

START_TEST(a_delete_goes_out_on_its_version_and_is_done_when_the_row_is_gone) {
  synced_customer("c1");
  device_run(&device, "DELETE FROM customers");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model_count(&model, "customers"), 0);
  ck_assert_int_eq(model_seen(&model, "DELETE", "updated_at=eq."), 1);
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM leadx_shadow"), 0);
}
END_TEST

START_TEST(a_soft_delete_is_a_stamp_and_a_row_made_again_takes_it_off) {
  device_run(&device,
             "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, body TEXT); "
             "SELECT leadx_track('notes', '{\"delete\":\"soft\",\"soft_delete\":\"deleted_at\"}');"
             "INSERT INTO notes VALUES ('n1', 'a')");
  ck_assert_str_eq(device_sync(&device), "ok");
  device_run(&device, "DELETE FROM notes");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(model_value(&model, "notes", "n1", "deleted_at"), "now");
  device_run(&device, "INSERT INTO notes VALUES ('n1', 'b')");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(model_value(&model, "notes", "n1", "body"), "b");
  ck_assert_str_eq(model_value(&model, "notes", "n1", "deleted_at"), "");
}
END_TEST

START_TEST(composite_keys_travel_in_every_column) {
  model.key = "list_id,item_id";
  device_run(
      &device,
      "CREATE TABLE items(list_id TEXT, item_id TEXT, n INTEGER, PRIMARY KEY(list_id, item_id)) "
      "WITHOUT ROWID;"
      "SELECT leadx_track('items'); INSERT INTO items VALUES ('l1', 'a', 1), ('l1', 'b', 2)");
  ck_assert_str_eq(device_sync(&device), "ok");
  device_run(&device,
             "UPDATE items SET n = 9 WHERE item_id = 'a'; DELETE FROM items WHERE item_id = 'b'");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(model_value(&model, "items", "l1|a", "n"), "9");
  ck_assert_int_eq(model_count(&model, "items"), 1);
  for (int i = 0; i < model.n; i++) {
    if (model.log[i].method[0] == 'P' && model.log[i].method[1] == 'O') continue;
    ck_assert_ptr_nonnull(strstr(model.log[i].url, "list_id=eq.l1&item_id=eq."));
  }
}
END_TEST

/* B10 with composite keys: the row is asked for by all of its key. */
START_TEST(a_composite_row_that_was_not_matched_is_fetched_by_its_whole_key) {
  model.key = "list_id,item_id";
  device_run(
      &device,
      "CREATE TABLE items(list_id TEXT, item_id TEXT, n INTEGER, PRIMARY KEY(list_id, item_id)) "
      "WITHOUT ROWID;"
      "SELECT leadx_track('items'); INSERT INTO items VALUES ('l1', 'a', 1), ('l1', 'b', 1)");
  ck_assert_str_eq(device_sync(&device), "ok");
  model_put(&model, "items", "l1|a", "{\"list_id\":\"l1\",\"item_id\":\"a\",\"n\":5}");
  device_run(&device, "UPDATE items SET n = 5");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model_seen(&model, "GET", "?or=(and("), 1);
  ck_assert_int_eq(queue_count("status = 'SYNCED'"), 4);
}
END_TEST

/* ---- order ---- */

/* B9 */
START_TEST(a_child_whose_parent_is_queued_behind_a_poison_parent_waits_for_it) {
  add_customers(1, 1);
  device_run(&device, "UPDATE sync_queue SET payload = replace(payload, 'Solo', 'POISON');"
                      "INSERT INTO activities VALUES ('a1', 'c0001', NULL, 's', NULL)");
  model.poison = "POISON";
  ck_assert_str_eq(device_sync(&device), "partial");
  ck_assert_int_eq(
      queue_count("entity_type = 'activity' AND status = 'PENDING' AND error_code = '23503'"), 1);
  model.poison = NULL;
  device_text(&device, "SELECT leadx_retry()");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(queue_count("status = 'SYNCED'"), 2);
}
END_TEST

/* B9: the planner does not know this parent, so the server says so, and a later pass of the same
** sync delivers. */
START_TEST(a_child_refused_for_its_parent_lands_behind_it_in_the_same_sync) {
  model.references = "customers.city>activities";
  device_run(&device, "UPDATE leadx_tables SET priority = 9 WHERE entity = 'activity'");
  device_run(&device, "SELECT leadx_track('activities', '{\"priority\":5}'), "
                      "leadx_track('customers', '{\"priority\":1}')");
  device_run(&device, "INSERT INTO customers VALUES ('c1', 'Ani', 'a1', NULL, NULL); INSERT INTO "
                      "activities VALUES ('a1', NULL, NULL, 's', NULL)");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(queue_count("status = 'SYNCED'"), 2);
  ck_assert_int_eq(model_seen(&model, "POST", "/customers"), 2);
}
END_TEST

/* B9 */
START_TEST(two_rows_that_refer_to_each_other_are_inserted_and_then_joined) {
  device_run(
      &device,
      "CREATE TABLE pairs(id TEXT PRIMARY KEY NOT NULL, other TEXT REFERENCES couples, n INT, "
      "updated_at TEXT);"
      "CREATE TABLE couples(id TEXT PRIMARY KEY NOT NULL, pair TEXT REFERENCES pairs, n INT, "
      "updated_at TEXT);"
      "SELECT leadx_track('pairs'), leadx_track('couples'); BEGIN; PRAGMA defer_foreign_keys = 1;"
      "INSERT INTO pairs VALUES ('p', 'q', 1, NULL); INSERT INTO couples VALUES ('q', 'p', 2, "
      "NULL); COMMIT");
  model.references = "pairs.other>couples;couples.pair>pairs";
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(model_value(&model, "pairs", "p", "other"), "q");
  ck_assert_str_eq(model_value(&model, "couples", "q", "pair"), "p");
  ck_assert_int_eq(queue_count("status = 'SYNCED'"), 2);
}
END_TEST

/* B9 */
START_TEST(a_chain_of_two_hundred_rows_each_referring_to_the_last_lands_in_one_sync) {
  device_run(&device,
             "WITH RECURSIVE n(i) AS (SELECT 200 UNION ALL SELECT i - 1 FROM n WHERE i > 1)"
             " INSERT INTO activities SELECT 'a' || i, NULL, CASE WHEN i > 1 THEN 'a' || (i - 1) "
             "END, 's', NULL FROM n");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model_count(&model, "activities"), 200);
  ck_assert_int_eq(queue_count("status = 'SYNCED'"), 200);
}
END_TEST

/* B9 */
START_TEST(an_orphan_fails_with_the_reason_whatever_else_waits) {
  add_customers(1, 1);
  device_run(&device, "UPDATE sync_queue SET payload = replace(payload, 'Solo', 'POISON')");
  model.poison = "POISON";
  ck_assert_str_eq(device_sync(&device), "partial");
  device_run(&device, "INSERT INTO activities VALUES ('a1', 'nobody', NULL, 's', NULL)");
  ck_assert_str_eq(device_sync(&device), "partial");
  ck_assert_int_eq(
      queue_count("entity_type = 'activity' AND status = 'FAILED' AND error_code = '23503'"), 1);
}
END_TEST

static int drift_customers(void *ctx, leadx_request *req) {
  (void)ctx;
  if (!strstr(req->url, "/customers")) return 0;
  fake_answer(req, 400,
              "{\"code\":\"PGRST204\",\"message\":\"Could not find the 'city' column of "
              "'customers' in the schema cache\"}");
  return 1;
}

/* B29, B9: only the orphan is an orphan; the paused table's rows wait. */
START_TEST(a_paused_table_keeps_its_rows_though_an_orphan_fails) {
  add_customers(1, 3);
  device_run(&device, "INSERT INTO activities VALUES ('a1', 'nobody', NULL, 's', NULL)");
  model.before = drift_customers;
  ck_assert_str_eq(device_sync(&device), "partial");
  ck_assert_int_eq(
      queue_count("entity_type = 'customer' AND status = 'PENDING' AND retry_count = 0"), 3);
  ck_assert_int_eq(queue_count("entity_type = 'activity' AND status = 'FAILED'"), 1);
  ck_assert_ptr_nonnull(strstr(
      device_text(&device, "SELECT last_error FROM leadx_status WHERE entity_type = 'customer'"),
      "PGRST204"));
  model.before = NULL;
  ck_assert_str_eq(device_sync(&device), "partial");
  ck_assert_int_eq(queue_count("entity_type = 'customer' AND status = 'SYNCED'"), 3);
}
END_TEST

static int drift_on_extra(void *ctx, leadx_request *req) {
  (void)ctx;
  if (!req->body || !strstr(req->body, "\"colour\"")) return 0;
  fake_answer(req, 400,
              "{\"code\":\"PGRST204\",\"message\":\"Could not find the 'colour' column\"}");
  return 1;
}

/* B7, B29 */
START_TEST(a_column_that_only_an_application_s_own_payload_has_does_not_pause_the_table) {
  device_text(
      &device,
      "SELECT leadx_enqueue('customer', 'x1', 'CREATE', '{\"name\":\"a\",\"colour\":\"red\"}')");
  add_customers(1, 3);
  model.before = drift_on_extra;
  ck_assert_str_eq(device_sync(&device), "partial");
  ck_assert_int_eq(
      queue_count("entity_id = 'x1' AND status = 'FAILED' AND error_code = 'PGRST204'"), 1);
  ck_assert_int_eq(queue_count("status = 'SYNCED'"), 3);
}
END_TEST

/* A queue longer than a window, whose oldest rows can go nowhere. */
START_TEST(rows_beyond_a_window_of_failed_ones_are_reached) {
  device_run(
      &device,
      "BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20050)"
      " INSERT INTO activities SELECT 'a' || i, NULL, NULL, 's', NULL FROM n; COMMIT;"
      "UPDATE sync_queue SET status = 'FAILED' WHERE entity_type = 'activity';"
      "INSERT INTO customers VALUES ('c1', 'Ani', 'Solo', NULL, NULL); UPDATE activities SET "
      "subject = 't' WHERE id = 'a7'");
  ck_assert_str_eq(device_sync(&device), "partial");
  ck_assert_int_eq(model_count(&model, "customers"), 1);
  /* An edit in the second window of a row that is stuck in the first waits for the next sync, and
  ** goes with it then. */
  ck_assert_str_eq(device_sync(&device), "partial");
  ck_assert_str_eq(model_value(&model, "activities", "a7", "subject"), "t");
  ck_assert_int_eq(queue_count("status = 'FAILED'"), 20049);
}
END_TEST

/* ---- bad rows of an application's own ---- */

START_TEST(rows_that_say_nonsense_fail_with_the_reason_and_the_rest_goes_on) {
  device_run(
      &device,
      "INSERT INTO sync_queue(id, entity_type, entity_id, action, payload) VALUES"
      " ('b1', 'customer', 'x1', 'CREATE', '{\"name\":'), ('b2', 'martian', 'x2', 'CREATE', '{}'),"
      " ('b3', 'customer', 'x3', 'UPSERT', '{}'), ('b4', 'customer', '', 'CREATE', "
      "'{\"name\":\"a\"}'),"
      " ('b5', 'customer', 'x5', 'CREATE', '[1]'), ('b6', 'customer', 'x6', 'CREATE', "
      "'{\"id\":\"other\",\"name\":\"a\"}'),"
      " ('b7', 'customer', 'x7', 'CREATE', 'null')");
  device_run(&device, "INSERT INTO sync_queue(id, entity_type, entity_id, action, payload) VALUES "
                      "(NULL, 'customer', 'x8', 'CREATE', '{\"name\":\"h\"}')");
  add_customers(1, 3);
  ck_assert_str_eq(device_sync(&device), "partial");
  ck_assert_int_eq(model_count(&model, "customers"), 4);
  ck_assert_int_eq(queue_count("status = 'SYNCED'"), 4);
  ck_assert_int_eq(queue_count("status = 'FAILED' AND error_message <> '' AND error_code <> ''"),
                   7);
  ck_assert_ptr_nonnull(strstr(
      device_text(&device, "SELECT error_message FROM leadx_queue WHERE id = 'b2'"), "martian"));
  ck_assert_ptr_nonnull(
      strstr(device_text(&device, "SELECT error_message FROM leadx_queue WHERE id = 'b3'"),
             "CREATE, UPDATE and DELETE"));
  ck_assert_ptr_nonnull(
      strstr(device_text(&device, "SELECT error_message FROM leadx_queue WHERE id = 'b4'"),
             "NULL or empty"));
  ck_assert_ptr_nonnull(strstr(
      device_text(&device, "SELECT error_message FROM leadx_queue WHERE id = 'b6'"), "entity_id"));
  /* And a second sync does not try them again. */
  model_forget_log(&model);
  ck_assert_str_eq(device_sync(&device), "partial");
  ck_assert_int_eq(model.n, 0);
}
END_TEST

/* ---- write-back ---- */

static void computed_column(void *ctx, leadx_request *req) {
  (void)ctx;
  if (!req->answer || strcmp(req->method, "GET") == 0) return;
  char *at = strstr(req->answer, "\"Solo\"");
  for (; at; at = strstr(at, "\"Solo\"")) memcpy(at, "\"SOLO\"", 6);
}

/* B6 */
START_TEST(the_server_s_row_reaches_the_local_row_without_an_echo) {
  device_run(&device, "CREATE TABLE seen(n); CREATE TRIGGER watch AFTER UPDATE ON customers BEGIN "
                      "INSERT INTO seen VALUES (1); END");
  model.after = computed_column;
  add_customers(1, 12);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM customers WHERE city = 'SOLO'"), 12);
  ck_assert_str_eq(device_text(&device, "SELECT updated_at FROM customers WHERE id = 'c0012'"),
                   model_value(&model, "customers", "c0012", "updated_at"));
  ck_assert_int_eq(queue_count("status <> 'SYNCED'"), 0);
  ck_assert_int_eq(queue_count("1"), 12);
}
END_TEST

static sqlite3 *second;
static const char *edit;

static int edit_in_flight(void *ctx, leadx_request *req) {
  (void)ctx;
  (void)req;
  if (edit) run_on(second, edit);
  edit = NULL;
  return 0;
}

/* B5, B6 */
START_TEST(an_edit_made_while_the_row_is_in_flight_is_kept_and_sent_next) {
  second = device_second(&device);
  edit = "UPDATE customers SET name = 'later', city = 'Medan' WHERE id = 'c0001'";
  model.before = edit_in_flight;
  add_customers(1, 2);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(device_text(&device, "SELECT name || city FROM customers WHERE id = 'c0001'"),
                   "laterMedan");
  ck_assert_int_eq(queue_count("status = 'PENDING'"), 1);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(model_value(&model, "customers", "c0001", "city"), "Medan");
  ck_assert_int_eq(queue_count("status = 'SYNCED'"), 3);
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM sync_conflicts"), 0);
  sqlite3_close(second);
}
END_TEST

/* B5, B16: the row is deleted while its CREATE is in flight, and made again. _i chooses. */
START_TEST(a_row_deleted_while_its_create_is_in_flight_goes_from_the_server_too) {
  second = device_second(&device);
  edit = _i ? "DELETE FROM customers; INSERT INTO customers VALUES ('c0001', 'again', 'Solo', "
              "NULL, NULL)"
            : "DELETE FROM customers";
  model.before = edit_in_flight;
  add_customers(1, 1);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(model_value(&model, "customers", "c0001", "name"), _i ? "again" : "(no row)");
  ck_assert_int_eq(queue_count("status <> 'SYNCED'"), 0);
  sqlite3_close(second);
}
END_TEST

static void track_with_marks(void) {
  device_run(
      &device,
      "CREATE TABLE leads(id TEXT PRIMARY KEY NOT NULL, name TEXT, is_pending INT DEFAULT 0, "
      "synced TEXT);"
      "SELECT leadx_track('leads', '{\"pending\":\"is_pending\",\"synced_at\":\"synced\"}')");
}

START_TEST(pending_is_cleared_and_synced_at_stamped_with_the_ack) {
  track_with_marks();
  device_run(&device, "INSERT INTO leads VALUES ('l1', 'a', 1, NULL), ('l2', 'b', 1, NULL)");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model_seen(&model, NULL, "is_pending"), 0);
  ck_assert_int_eq(
      device_int(&device, "SELECT count(*) FROM leads WHERE is_pending = 0 AND synced LIKE '20%'"),
      2);
  ck_assert_int_eq(queue_count("1"), 2);
}
END_TEST

START_TEST(pending_stays_while_a_later_edit_is_unsent) {
  track_with_marks();
  second = device_second(&device);
  edit = "UPDATE leads SET name = 'later', is_pending = 1";
  model.before = edit_in_flight;
  device_run(&device, "INSERT INTO leads VALUES ('l1', 'a', 1, NULL)");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(device_int(&device, "SELECT is_pending FROM leads"), 1);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(device_int(&device, "SELECT is_pending FROM leads"), 0);
  sqlite3_close(second);
}
END_TEST

START_TEST(pending_is_cleared_when_there_was_nothing_to_send_after_all) {
  track_with_marks();
  device_run(&device, "INSERT INTO leads VALUES ('l1', 'a', 0, NULL)");
  ck_assert_str_eq(device_sync(&device), "ok");
  device_run(&device, "UPDATE leads SET name = 'b', is_pending = 1; UPDATE leads SET name = 'a'");
  model_forget_log(&model);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model.n, 0);
  ck_assert_int_eq(device_int(&device, "SELECT is_pending FROM leads"), 0);
}
END_TEST

START_TEST(pending_is_cleared_on_a_table_that_may_not_be_read) {
  track_with_marks();
  model.write_only = 1;
  device_run(&device, "INSERT INTO leads VALUES ('l1', 'a', 1, NULL)");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(device_int(&device, "SELECT is_pending FROM leads"), 0);
}
END_TEST

Suite *test_push_suite(void) {
  Suite *suite = suite_create("push");
  TCase *tcase = tcase_create("push");
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_test(tcase, batches_begin_at_ten_and_double_while_the_link_keeps_up);
  tcase_add_test(tcase, an_empty_queue_sends_nothing);
  tcase_add_loop_test(tcase, one_poison_row_in_fifty_costs_a_dozen_requests_and_nobody_else, 0, 50);
  tcase_add_test(tcase, rows_with_other_columns_travel_in_requests_of_their_own);
  tcase_add_test(tcase, a_table_that_may_not_be_read_gets_plain_inserts);
  tcase_add_test(tcase, a_plain_insert_whose_answer_was_lost_is_recognised_by_its_own_key);
  tcase_add_test(tcase, a_plain_insert_that_arrives_twice_is_one_insert);
  tcase_add_test(tcase, a_plain_insert_with_a_taken_code_is_never_acknowledged);
  tcase_add_test(tcase, a_forbidden_row_fails_alone_and_the_others_are_read_back);
  tcase_add_test(tcase, a_patch_carries_the_changed_columns_on_the_version_to_the_letter);
  tcase_add_test(tcase, a_delete_goes_out_on_its_version_and_is_done_when_the_row_is_gone);
  tcase_add_test(tcase, a_soft_delete_is_a_stamp_and_a_row_made_again_takes_it_off);
  tcase_add_test(tcase, composite_keys_travel_in_every_column);
  tcase_add_test(tcase, a_composite_row_that_was_not_matched_is_fetched_by_its_whole_key);
  tcase_add_test(tcase, a_child_whose_parent_is_queued_behind_a_poison_parent_waits_for_it);
  tcase_add_test(tcase, a_child_refused_for_its_parent_lands_behind_it_in_the_same_sync);
  tcase_add_test(tcase, two_rows_that_refer_to_each_other_are_inserted_and_then_joined);
  tcase_add_test(tcase, a_chain_of_two_hundred_rows_each_referring_to_the_last_lands_in_one_sync);
  tcase_add_test(tcase, an_orphan_fails_with_the_reason_whatever_else_waits);
  tcase_add_test(tcase, a_paused_table_keeps_its_rows_though_an_orphan_fails);
  tcase_add_test(tcase,
                 a_column_that_only_an_application_s_own_payload_has_does_not_pause_the_table);
  tcase_add_test(tcase, rows_beyond_a_window_of_failed_ones_are_reached);
  tcase_add_test(tcase, rows_that_say_nonsense_fail_with_the_reason_and_the_rest_goes_on);
  tcase_add_test(tcase, the_server_s_row_reaches_the_local_row_without_an_echo);
  tcase_add_test(tcase, an_edit_made_while_the_row_is_in_flight_is_kept_and_sent_next);
  tcase_add_loop_test(tcase, a_row_deleted_while_its_create_is_in_flight_goes_from_the_server_too,
                      0, 2);
  tcase_add_test(tcase, pending_is_cleared_and_synced_at_stamped_with_the_ack);
  tcase_add_test(tcase, pending_stays_while_a_later_edit_is_unsent);
  tcase_add_test(tcase, pending_is_cleared_when_there_was_nothing_to_send_after_all);
  tcase_add_test(tcase, pending_is_cleared_on_a_table_that_may_not_be_read);
  suite_add_tcase(suite, tcase);
  return suite;
}
