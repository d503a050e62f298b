/* Rows of the server into local tables: what may not be overwritten, what refers to what, what does
** not fit. Pages and cursors are in test_pull.c. Names like C8 are the known ways to lose data that
** a test stands against. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_transport.h"
#include "pages.h"
#include "suites.h"

static model_server model;
static push_device device;

static void set_up(void) {
  model_open(&model);
  pages_open(&model);
  device_open(&device, &model);
  device_run(&device, "PRAGMA foreign_keys = ON");
}

static void tear_down(void) {
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM leadx_applying"), 0);
  device_close(&device);
  model_close(&model);
}

/* A pull that comes to its end, which is partial while something needs a person. */
static void pull(void) {
  const char *state = device_pull(&device, NULL);
  int problems = device_int(&device, "SELECT count(*) FROM leadx_problems");
  ck_assert_str_eq(state, problems ? "partial" : "ok");
}

static void put(const char *table, const char *doc) {
  static int second;
  char *stamped = sqlite3_mprintf("%.*s,\"updated_at\":\"2024-01-01T%02d:%02d:%02d.000001+00:00\"}",
                                  (int)strlen(doc) - 1, doc, second / 3600, second / 60 % 60,
                                  second % 60);
  second++;
  pages_put(&model, table, stamped);
  sqlite3_free(stamped);
}

static int queued(void) { return device_int(&device, "SELECT count(*) FROM sync_queue"); }
static const char *parked(void) {
  return device_text(
      &device,
      "SELECT group_concat(entity || ' ' || key || ': ' || reason, '; ') FROM leadx_parked");
}

static void expect(const char *sql, const char *text) {
  const char *answer = device_text(&device, sql);
  ck_assert_msg(strcmp(answer, text) == 0, "%s: \"%s\", not \"%s\"; parked %s", sql, answer, text,
                parked());
}

static void notes(void) {
  device_run(&device, "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, body TEXT, colour TEXT, "
                      "updated_at TEXT); SELECT leadx_track('notes')");
}

/* ---- keys ---- */

/* G11 */
START_TEST(a_row_keeps_its_capitals_and_so_do_references_to_it) {
  device_run(&device,
             "CREATE TABLE notes(id UUID PRIMARY KEY NOT NULL, body TEXT, updated_at TEXT); CREATE "
             "TABLE parts(id UUID PRIMARY KEY NOT NULL, note_id TEXT REFERENCES notes, body TEXT, "
             "updated_at TEXT); INSERT INTO notes(id) VALUES "
             "('A0000000-0000-4000-8000-00000000000F'); INSERT INTO parts(id) VALUES "
             "('B000000000004000800000000000000F'); SELECT leadx_track('notes'), "
             "leadx_track('parts')");
  put("notes", "{\"id\":\"a0000000-0000-4000-8000-00000000000f\",\"body\":\"x\"}");
  put("parts", "{\"id\":\"b0000000-0000-4000-8000-00000000000f\",\"note_id\":"
               "\"a0000000-0000-4000-8000-00000000000f\",\"body\":\"y\"}");
  pull();
  expect("SELECT group_concat(id || ' ' || body) FROM notes",
         "A0000000-0000-4000-8000-00000000000F x");
  expect("SELECT group_concat(id || ' ' || note_id || ' ' || body) FROM parts",
         "B000000000004000800000000000000F A0000000-0000-4000-8000-00000000000F y");
  expect("SELECT count(*) FROM pragma_foreign_key_check", "0");
}
END_TEST

/* ---- pending changes ---- */

/* B6, C14 */
START_TEST(a_row_with_an_unsent_change_is_not_overwritten_and_comes_later) {
  notes();
  put("notes", "{\"id\":\"a\",\"body\":\"one\",\"colour\":\"red\"}");
  pull();
  device_run(&device, "UPDATE notes SET body = 'mine' WHERE id = 'a'");
  put("notes", "{\"id\":\"a\",\"body\":\"one\",\"colour\":\"blue\"}");
  put("notes", "{\"id\":\"b\",\"body\":\"two\",\"colour\":\"red\"}");
  pull();
  expect("SELECT body || colour FROM notes WHERE id = 'a'", "minered");
  expect("SELECT body FROM notes WHERE id = 'b'", "two");
  expect("SELECT key FROM leadx_parked", "a");
  /* The other's edit of another column and ours both live. */
  ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT body || colour FROM notes WHERE id = 'a'", "mineblue");
  ck_assert_str_eq(model_value(&model, "notes", "a", "body"), "mine");
  ck_assert_str_eq(model_value(&model, "notes", "a", "colour"), "blue");
  expect("SELECT count(*) FROM leadx_parked", "0");
}
END_TEST

/* C14 */
START_TEST(a_delete_of_the_server_does_not_take_an_unsent_edit) {
  notes();
  put("notes", "{\"id\":\"a\",\"body\":\"one\"}");
  pull();
  device_run(&device, "UPDATE notes SET body = 'mine'");
  model_remove(&model, "notes", "a");
  ck_assert_str_eq(device_reconcile(&device), "ok");
  expect("SELECT body FROM notes", "mine");
}
END_TEST

static void write_from_elsewhere(leadx_request *req) {
  (void)req;
  if (model.n != 2) return;
  sqlite3 *other = device_second(&device);
  run_on(other, "UPDATE notes SET body = 'typed' WHERE id IN ('r001', 'r350')");
  sqlite3_close(other);
}

/* C7, C19: between two pages another connection writes a row that was pulled and one that is to
** come. */
START_TEST(an_application_that_writes_meanwhile_is_captured_and_kept) {
  notes();
  device_run(&device,
             "INSERT INTO notes VALUES ('r350', 'old', NULL, NULL); DELETE FROM sync_queue");
  device_text(&device, "SELECT leadx_config('page_size', '300')");
  for (int i = 0; i < 400; i++) {
    char doc[60];
    snprintf(doc, sizeof doc, "{\"id\":\"r%03d\",\"body\":\"server\"}", i);
    put("notes", doc);
  }
  pages_after = write_from_elsewhere;
  pull();
  expect("SELECT group_concat(id) FROM notes WHERE body = 'typed'", "r350,r001");
  expect("SELECT group_concat(entity_id || action) FROM sync_queue", "r350UPDATE,r001UPDATE");
  expect("SELECT count(*) FROM notes", "400");
}
END_TEST

START_TEST(a_discarded_change_gives_way_to_the_servers_state) {
  notes();
  put("notes", "{\"id\":\"changed\",\"body\":\"server\"}");
  put("notes", "{\"id\":\"deleted\",\"body\":\"server\"}");
  pull();
  device_run(
      &device,
      "UPDATE notes SET body = 'mine' WHERE id = 'changed'; DELETE FROM notes WHERE id = 'deleted';"
      "INSERT INTO notes VALUES ('made', 'mine', NULL, NULL)");
  device_run(&device, "SELECT leadx_discard(id) FROM (SELECT id FROM sync_queue ORDER BY rowid)");
  for (int i = 0; i < 2; i++) {
    ck_assert_str_eq(device_both(&device), "ok");
    expect("SELECT group_concat(id || body) FROM (SELECT * FROM notes ORDER BY id)",
           "changedserver,deletedserver");
    expect("SELECT count(*) FROM leadx_parked", "0");
  }
  ck_assert_int_eq(queued(), 0);
}
END_TEST

/* C3 for rows by key: what a capped answer leaves out is not gone. */
START_TEST(parked_rows_that_a_capped_answer_leaves_out_are_not_taken_for_deleted) {
  notes();
  for (int i = 0; i < 30; i++) {
    char doc[60];
    snprintf(doc, sizeof doc, "{\"id\":\"r%02d\",\"body\":\"server\"}", i);
    put("notes", doc);
  }
  pull();
  device_run(&device, "INSERT INTO notes VALUES ('none', 'stray', NULL, NULL); DELETE FROM "
                      "sync_queue; UPDATE notes SET body = 'mine';"
                      "SELECT leadx_discard(id) FROM (SELECT id FROM sync_queue ORDER BY rowid)");
  model.max_rows = 7;
  pull();
  expect("SELECT count(*) FROM notes WHERE body = 'server'", "30");
  expect("SELECT count(*) FROM notes", "30");
  expect("SELECT count(*) FROM leadx_parked", "0");
}
END_TEST

static int most_keys;

static int has_too_many_keys(leadx_request *req) {
  int keys = 1;
  const char *list = strstr(req->url, "=in.(");
  for (const char *at = list ? list : ""; *at; at++) keys += *at == ',';
  if (!list || keys <= most_keys) return 0;
  fake_answer(req, most_keys ? 500 : 403,
              most_keys ? "{\"code\":\"57014\",\"message\":\"timeout\"}"
                        : "{\"code\":\"42501\",\"message\":\"denied\"}");
  return 1;
}

/* 0: the server lets nobody read them by key. */
START_TEST(too_many_parked_rows_come_in_smaller_parts_and_stay_while_they_cannot_be_read) {
  most_keys = _i;
  notes();
  for (int i = 0; i < 20; i++) {
    char doc[60];
    snprintf(doc, sizeof doc, "{\"id\":\"r%02d\",\"body\":\"server\"}", i);
    put("notes", doc);
  }
  pull();
  device_run(&device, "UPDATE notes SET body = 'mine'; SELECT leadx_discard(id) FROM (SELECT id "
                      "FROM sync_queue ORDER BY rowid)");
  pages_before = has_too_many_keys;
  ck_assert_str_eq(device_pull(&device, NULL), most_keys ? "ok" : "partial");
  expect("SELECT count(*) FROM leadx_parked", most_keys ? "0" : "20");
  expect("SELECT count(*) FROM notes WHERE body = 'server'", most_keys ? "20" : "0");
  expect("SELECT count(*) FROM notes", "20");
  pages_before = NULL;
  pull();
  expect("SELECT count(*) FROM notes WHERE body = 'server'", "20");
}
END_TEST

static int answer_another(leadx_request *req) {
  if (!strstr(req->url, "=in.(")) return 0;
  fake_answer(req, 200,
              "[{\"id\":\"r1\",\"body\":\"a lie\",\"updated_at\":\"2024-01-01T00:00:00Z\"}]");
  return 1;
}

START_TEST(a_row_that_no_parked_key_asked_for_changes_nothing) {
  notes();
  put("notes", "{\"id\":\"r0\",\"body\":\"server\"}");
  put("notes", "{\"id\":\"r1\",\"body\":\"server\"}");
  pull();
  device_run(
      &device,
      "UPDATE notes SET body = 'mine' WHERE id = 'r0'; SELECT leadx_discard(id) FROM sync_queue");
  pages_before = answer_another;
  ck_assert_str_eq(device_pull(&device, NULL), "error");
  ck_assert_ptr_nonnull(strstr(device.result, "not asked for"));
  expect("SELECT group_concat(body) FROM (SELECT body FROM notes ORDER BY id)", "mine,server");
  expect("SELECT group_concat(key) FROM leadx_parked", "r0");
  pages_before = NULL;
  pull();
  expect("SELECT group_concat(body) FROM notes", "server,server");
}
END_TEST

/* ---- foreign keys ---- */

static void families(void) {
  device_run(&device, "CREATE TABLE customers(id TEXT PRIMARY KEY NOT NULL, name TEXT, code TEXT "
                      "UNIQUE, updated_at TEXT);"
                      "CREATE TABLE activities(id TEXT PRIMARY KEY NOT NULL, customer_id TEXT "
                      "REFERENCES customers ON DELETE CASCADE,"
                      " previous_id TEXT REFERENCES activities, next_id TEXT REFERENCES "
                      "activities, updated_at TEXT);"
                      "SELECT leadx_track('activities'), leadx_track('customers')");
}

/* C9 */
START_TEST(parents_come_before_children_and_rows_of_one_table_in_any_order) {
  families();
  put("activities",
      "{\"id\":\"a1\",\"customer_id\":\"c1\",\"previous_id\":\"a2\",\"next_id\":null}");
  put("activities",
      /* a circle with a1 */
      "{\"id\":\"a2\",\"customer_id\":\"c1\",\"previous_id\":\"a3\",\"next_id\":\"a1\"}");
  put("activities",
      /* and one with itself */
      "{\"id\":\"a3\",\"customer_id\":null,\"previous_id\":\"a3\",\"next_id\":null}");
  put("customers", "{\"id\":\"c1\",\"name\":\"Ani\",\"code\":null}");
  pull();
  expect("SELECT count(*) FROM activities", "3");
  expect("SELECT count(*) FROM leadx_parked", "0");
  expect("SELECT count(*) FROM pragma_foreign_key_check", "0");
}
END_TEST

/* C9 */
START_TEST(an_orphan_is_parked_without_stopping_others_and_comes_back_by_itself) {
  families();
  put("activities",
      "{\"id\":\"a1\",\"customer_id\":\"missing\",\"previous_id\":null,\"next_id\":null}");
  put("activities", "{\"id\":\"a2\",\"customer_id\":null,\"previous_id\":\"a3\",\"next_id\":null}");
  put("activities", "{\"id\":\"a3\",\"customer_id\":null,\"previous_id\":null,\"next_id\":null}");
  pull();
  expect("SELECT group_concat(id) FROM (SELECT id FROM activities ORDER BY id)", "a2,a3");
  ck_assert_str_eq(parked(), "activity a1: FOREIGN KEY constraint failed");
  put("customers", "{\"id\":\"missing\",\"name\":\"late\",\"code\":null}");
  pull();
  expect("SELECT count(*) FROM activities", "3");
  expect("SELECT count(*) FROM leadx_parked", "0");
}
END_TEST

/* C9: a key that is only looked at when the transaction ends must not keep the whole page out. */
START_TEST(an_orphan_under_a_deferred_key_is_parked_as_well) {
  device_run(&device, "PRAGMA foreign_keys=ON; CREATE TABLE customers(id TEXT PRIMARY KEY NOT "
                      "NULL, name TEXT, updated_at TEXT);"
                      "CREATE TABLE orders(id TEXT PRIMARY KEY NOT NULL, customer_id TEXT "
                      "REFERENCES customers(id) DEFERRABLE INITIALLY DEFERRED, updated_at TEXT);"
                      "SELECT leadx_track('customers'), leadx_track('orders')");
  put("customers", "{\"id\":\"c1\",\"name\":\"Ani\"}");
  put("orders", "{\"id\":\"o1\",\"customer_id\":\"c1\"}");
  put("orders", "{\"id\":\"o2\",\"customer_id\":\"c2\"}");
  put("orders", "{\"id\":\"o3\",\"customer_id\":\"c1\"}");
  pull();
  expect("SELECT group_concat(id) FROM (SELECT id FROM orders ORDER BY id)", "o1,o3");
  expect("SELECT key FROM leadx_parked", "o2");
  put("customers", "{\"id\":\"c2\",\"name\":\"Budi\"}");
  pull();
  expect("SELECT group_concat(id) FROM (SELECT id FROM orders ORDER BY id)", "o1,o2,o3");
  expect("SELECT count(*) FROM leadx_parked", "0");
}
END_TEST

/* C8 */
START_TEST(a_collision_on_another_unique_column_is_parked_and_replaces_nothing) {
  device_run(&device, _i ? "CREATE TABLE customers(id TEXT PRIMARY KEY NOT NULL, code TEXT UNIQUE "
                           "ON CONFLICT REPLACE, updated_at TEXT)"
                         : "CREATE TABLE customers(id TEXT PRIMARY KEY NOT NULL, code TEXT UNIQUE, "
                           "updated_at TEXT)");
  device_run(&device, "CREATE TABLE activities(id TEXT PRIMARY KEY NOT NULL, customer_id TEXT "
                      "REFERENCES customers ON DELETE CASCADE, updated_at TEXT);"
                      "SELECT leadx_track('customers'), leadx_track('activities');"
                      "INSERT INTO customers VALUES ('mine', 'K1', NULL); INSERT INTO activities "
                      "VALUES ('child', 'mine', NULL)");
  put("customers", "{\"id\":\"theirs\",\"code\":\"K1\"}");
  put("customers", "{\"id\":\"other\",\"code\":\"K2\"}");
  pull();
  expect("SELECT group_concat(id) FROM (SELECT id FROM customers ORDER BY id)", "mine,other");
  expect("SELECT count(*) FROM activities", "1");
  ck_assert_str_eq(parked(), "customer theirs: UNIQUE constraint failed: customers.code");
  /* Once the code is free, the row comes. */
  device_run(&device, "UPDATE customers SET code = 'K3' WHERE id = 'mine'");
  pull();
  expect("SELECT count(*) FROM customers", "3");
  expect("SELECT count(*) FROM activities", "1");
}
END_TEST

/* ---- values ---- */

START_TEST(null_for_a_column_that_takes_none_becomes_its_default_or_an_empty_text_or_waits) {
  device_run(&device, "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, d INTEGER NOT NULL DEFAULT "
                      "'42', s TEXT NOT NULL, n INTEGER, updated_at TEXT);"
                      "CREATE TABLE u(id TEXT PRIMARY KEY NOT NULL, n INTEGER NOT NULL, updated_at "
                      "TEXT); SELECT leadx_track('t'), leadx_track('u')");
  put("t", "{\"id\":\"a\",\"d\":null,\"s\":null,\"n\":null}");
  put("t", "{\"id\":\"b\",\"d\":7,\"s\":\"x\",\"n\":1}");
  put("t", "{\"id\":\"c\",\"d\":null,\"s\":\"y\",\"n\":2}");
  put("u", "{\"id\":\"a\",\"n\":null}");
  put("u", "{\"id\":\"b\",\"n\":1}");
  pull();
  expect("SELECT group_concat(id || d || '<' || s || '>' || ifnull(n, '-'), ' ') FROM t",
         "a42<>- b7<x>1 c42<y>2");
  expect("SELECT group_concat(id) FROM u", "b");
  ck_assert_str_eq(parked(), "u a: a NULL of the server does not fit a NOT NULL column");
  put("t", "{\"id\":\"b\",\"d\":null,\"s\":\"z\",\"n\":1}");
  put("u", "{\"id\":\"a\",\"n\":5}");
  pull();
  expect("SELECT d || s FROM t WHERE id = 'b'", "42z");
  expect("SELECT n FROM u WHERE id = 'a'", "5");
}
END_TEST

static int defaults_run;
static void count_default(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc;
  (void)argv;
  defaults_run++;
  sqlite3_result_int(context, 1);
}

/* A file must not make us call anything, whatever the host allows to its schema. */
START_TEST(a_default_that_is_no_literal_never_runs) {
  sqlite3_create_function(device.db, "secret", 0, SQLITE_UTF8, NULL, count_default, NULL, NULL);
  device_run(&device, "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, d INTEGER NOT NULL DEFAULT "
                      "(secret()), updated_at TEXT);"
                      "CREATE TABLE u(id TEXT PRIMARY KEY NOT NULL, d TEXT NOT NULL DEFAULT "
                      "(secret() || 'x'), updated_at TEXT); SELECT leadx_track('t'), "
                      "leadx_track('u')");
  put("t", "{\"id\":\"a\",\"d\":null}");
  put("t", "{\"id\":\"b\",\"d\":7}");
  put("u", "{\"id\":\"a\",\"d\":null}");
  pull();
  ck_assert_int_eq(defaults_run, 0);
  expect("SELECT group_concat(id || d) FROM t", "b7");
  expect("SELECT id || '<' || d || '>' FROM u", "a<>");
  ck_assert_str_eq(parked(), "t a: a NULL of the server does not fit a NOT NULL column");
}
END_TEST

/* C18 */
START_TEST(columns_that_only_one_side_has_are_left_alone) {
  device_run(&device,
             "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, a TEXT, twice TEXT AS (a || a) STORED, "
             "later TEXT AS (a) VIRTUAL, mine TEXT DEFAULT 'local',"
             " updated_at TEXT); SELECT leadx_track('t', '{\"columns\":{\"mine\":null}}')");
  put("t", "{\"id\":\"r\",\"a\":\"x\",\"unknown\":{\"deep\":[1]},\"twice\":\"server\",\"mine\":"
           "\"server\"}");
  pull();
  expect("SELECT a || twice || later || mine FROM t", "xxxxlocal");
  device_run(&device, "UPDATE t SET mine = 'edited'");
  put("t",
      /* members in another order */
      "{\"id\":\"r\",\"unknown\":1,\"a\":\"y\",\"mine\":\"server\"}");
  pull();
  expect("SELECT a || twice || mine FROM t", "yyyedited");
  ck_assert_int_eq(queued(), 0);
}
END_TEST

/* JSON has no order of members, and a server may leave some out: no row gets what the row before it
** had. */
START_TEST(rows_of_one_answer_may_have_other_members_in_another_order) {
  device_run(&device, "CREATE TABLE pairs(id TEXT PRIMARY KEY NOT NULL, aa TEXT, bb TEXT, "
                      "updated_at TEXT); SELECT leadx_track('pairs')");
  pages_put(&model, "pairs",
            "{\"id\":\"1\",\"updated_at\":\"2024-01-01T00:00:01Z\",\"aa\":\"a1\",\"bb\":\"b1\"}");
  pages_put(&model, "pairs",
            "{\"id\":\"2\",\"updated_at\":\"2024-01-01T00:00:02Z\",\"bb\":\"b2\",\"aa\":\"a2\"}");
  pages_put(&model, "pairs",
            "{\"id\":\"3\",\"updated_at\":\"2024-01-01T00:00:03Z\",\"bb\":\"b3\"}");
  pages_put(&model, "pairs", "{\"id\":\"4\",\"updated_at\":\"2024-01-01T00:00:04Z\"}");
  pages_put(&model, "pairs",
            "{\"id\":\"5\",\"updated_at\":\"2024-01-01T00:00:05Z\",\"aa\":\"a5\",\"cc\":\"c5\"}");
  pull();
  expect("SELECT group_concat(id || ifnull(aa, '-') || ifnull(bb, '-'), ' ') FROM (SELECT * FROM "
         "pairs ORDER BY id)",
         "1a1b1 2a2b2 3-b3 4-- 5a5-");
}
END_TEST

static void spoil(void *ctx, leadx_request *req) {
  (void)ctx;
  char *at = req->answer ? strstr(req->answer, "\"one\"") : NULL;
  if (at && strcmp(req->method, "POST") == 0) memcpy(at, "\"BAD\"", 5);
}

/* The server took the row and made something of it that the local table does not take: the ack
** stands, and the pull looks again. */
START_TEST(what_the_server_made_of_a_pushed_row_waits_until_it_fits) {
  device_run(&device, "CREATE TABLE fits(id TEXT PRIMARY KEY NOT NULL, body TEXT CHECK (body <> "
                      "'BAD'), updated_at TEXT); SELECT leadx_track('fits');"
                      "INSERT INTO fits(id, body) VALUES ('f', 'one')");
  model.after = spoil;
  ck_assert_str_eq(device_sync(&device), "partial");
  expect("SELECT status FROM sync_queue", "SYNCED");
  expect("SELECT body FROM fits", "one");
  expect("SELECT entity || key FROM leadx_parked", "fitsf");
  model.after = NULL;
  pull();
  expect("SELECT count(*) FROM leadx_parked", "0");
  expect("SELECT body || (updated_at IS NOT NULL) FROM fits", "one1");
}
END_TEST

static void answer_null(void *ctx, leadx_request *req) {
  (void)ctx;
  char *at = req->answer ? strstr(req->answer, "\"one\"") : NULL;
  if (at && strcmp(req->method, "POST") == 0) memcpy(at, "null ", 5);
}

/* The server has nothing where the local column must have something: that column keeps what it has,
** the others get the server's. */
START_TEST(a_null_in_the_answer_to_a_push_keeps_no_other_column_from_its_value) {
  device_run(&device, "CREATE TABLE filled(id TEXT PRIMARY KEY NOT NULL, body TEXT NOT NULL, "
                      "updated_at TEXT); SELECT leadx_track('filled');"
                      "INSERT INTO filled(id, body) VALUES ('f', 'one')");
  model.after = answer_null;
  ck_assert_str_eq(device_sync(&device), "ok");
  expect("SELECT body || (updated_at IS NOT NULL) FROM filled", "one1");
  expect("SELECT count(*) FROM leadx_parked", "0");
}
END_TEST

/* An application's trigger that rolls everything back takes what came before along. What comes
** behind it must not go into the file as if the application had written it. 1: foreign keys are
** off. */
START_TEST(a_trigger_that_rolls_back_a_removal_ends_the_pull_and_nothing_is_captured) {
  leadx_sync_options options = {
      .who = "leadx_pull", .without_push = 1, .with_pull = 1, .request_budget = -1};
  if (_i) device_run(&device, "PRAGMA foreign_keys = OFF");
  device_run(
      &device,
      "CREATE TABLE gone(id TEXT PRIMARY KEY NOT NULL, v TEXT, updated_at TEXT); SELECT "
      "leadx_track('gone', '{\"soft_delete\":\"deleted\"}');"
      "CREATE TRIGGER keeps BEFORE DELETE ON gone BEGIN SELECT RAISE(ROLLBACK, 'never'); END");
  for (int deleted = 0; deleted < 2; deleted++) {
    put("gone", "{\"id\":\"a\",\"v\":\"1\",\"deleted\":false}");
    put("gone", deleted ? "{\"id\":\"b\",\"v\":\"1\",\"deleted\":true}"
                        : "{\"id\":\"b\",\"v\":\"1\",\"deleted\":false}");
    put("gone", deleted ? "{\"id\":\"c\",\"v\":\"2\",\"deleted\":false}"
                        : "{\"id\":\"c\",\"v\":\"1\",\"deleted\":false}");
    if (deleted) ck_assert_ptr_null(device_sync_with(&device, options));
    else pull();
  }
  expect("SELECT group_concat(id || v) FROM (SELECT * FROM gone ORDER BY id)", "a1,b1,c1");
  ck_assert_int_eq(queued(), 0);
  expect("SELECT count(*) FROM leadx_applying", "0");
  device_run(&device, "DROP TRIGGER keeps");
  pull();
  expect("SELECT group_concat(id || v) FROM (SELECT * FROM gone ORDER BY id)", "a1,c2");
  ck_assert_int_eq(queued(), 0);
}
END_TEST

START_TEST(values_arrive_exactly) {
  device_run(&device,
             "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, i INTEGER, r REAL, d DECIMAL, b BLOB, j "
             "JSON, o BOOLEAN, s TEXT, e INTEGER, updated_at TEXT);"
             "SELECT leadx_track('t', '{\"columns\":{\"e\":{\"type\":\"timestamp:s\"}}}')");
  put("t", "{\"id\":\"r\",\"i\":9007199254740993,\"r\":0.1,\"d\":12,\"b\":\"\\\\x00ff\",\"j\":{"
           "\"b\":1,\"a\":[true]},\"o\":true,"
           "\"s\":\"\\ud83d\\ude00 \\\"q\\\"\",\"e\":\"2024-01-01T00:00:01.5+00:00\"}");
  pull();
  expect("SELECT i || '|' || r || '|' || hex(b) || '|' || json(j) || '|' || o || '|' || s || '|' "
         "|| e FROM t",
         "9007199254740993|0.1|00FF|{\"b\":1,\"a\":[true]}|1|\xf0\x9f\x98\x80 \"q\"|1704067201");
}
END_TEST

/* ---- deletes ---- */

START_TEST(a_soft_delete_marks_the_local_row_or_removes_it) {
  device_run(&device,
             "CREATE TABLE kept(id TEXT PRIMARY KEY NOT NULL, updated_at TEXT, deleted_at TEXT); "
             "SELECT leadx_track('kept');"
             "CREATE TABLE gone(id TEXT PRIMARY KEY NOT NULL, code TEXT UNIQUE, updated_at TEXT);"
             "SELECT leadx_track('gone', '{\"soft_delete\":\"deleted_at\"}')");
  for (int deleted = 0; deleted < 2; deleted++) {
    const char *doc = deleted ? "{\"id\":\"r\",\"deleted_at\":\"2024-01-01T00:00:00Z\"}"
                              : "{\"id\":\"r\",\"deleted_at\":null}";
    put("kept", doc);
    put("gone", doc);
    put("gone", "{\"id\":\"stays\",\"deleted_at\":null}");
    pull();
    expect("SELECT deleted_at IS NOT NULL FROM kept", deleted ? "1" : "0");
    expect("SELECT count(*) FROM gone", deleted ? "1" : "2");
  }
  pull();
  ck_assert_int_eq(device_result(&device, "pulled"), 0);
  /* A later change of the table must not find the row missing and send a delete of our own. */
  device_run(&device, "UPDATE gone SET code = 'x'");
  ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT group_concat(action) FROM sync_queue", "UPDATE");
  ck_assert_str_eq(device_reconcile(&device), "ok");
  ck_assert_int_eq(device_result(&device, "pulled"), 0);
}
END_TEST

/* ---- keys ---- */

START_TEST(a_mark_that_is_false_is_none) {
  device_run(&device, "CREATE TABLE gone(id TEXT PRIMARY KEY NOT NULL, updated_at TEXT); SELECT "
                      "leadx_track('gone', '{\"soft_delete\":\"deleted\"}')");
  put("gone", "{\"id\":\"a\",\"deleted\":false}");
  put("gone", "{\"id\":\"b\",\"deleted\":true}");
  put("gone", "{\"id\":\"c\",\"deleted\":null}");
  pull();
  expect("SELECT group_concat(id) FROM (SELECT id FROM gone ORDER BY id)", "a,c");
}
END_TEST

/* The server keeps the row, marked; here it is gone, and stays so. */
START_TEST(a_row_that_was_softly_deleted_here_does_not_come_back) {
  device_run(&device,
             "CREATE TABLE kept(id TEXT PRIMARY KEY NOT NULL, updated_at TEXT, deleted_at TEXT);"
             "SELECT leadx_track('kept', '{\"delete\":\"soft\"}'); INSERT INTO kept(id) VALUES "
             "('r'), ('stays')");
  ck_assert_str_eq(device_both(&device), "ok");
  device_run(&device, "DELETE FROM kept WHERE id = 'r'");
  for (int i = 0; i < 3; i++) {
    ck_assert_str_eq(i < 2 ? device_both(&device) : device_reconcile(&device), "ok");
    ck_assert_int_eq(model_count(&model, "kept"), 2);
    expect("SELECT group_concat(id) FROM kept", "stays");
  }
}
END_TEST

START_TEST(keys_of_several_columns_and_integer_keys_meet_their_rows) {
  device_run(&device, "CREATE TABLE two(a TEXT NOT NULL, b INTEGER NOT NULL, v TEXT, updated_at "
                      "TEXT, PRIMARY KEY(b, a)) WITHOUT ROWID;"
                      "CREATE TABLE counted(id INTEGER PRIMARY KEY, v TEXT, updated_at TEXT); "
                      "SELECT leadx_track('counted')");
  put("counted", "{\"id\":5,\"v\":\"server\"}");
  pull();
  device_run(&device, "UPDATE counted SET v = 'mine'");
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_str_eq(model_value(&model, "counted", "5", "v"), "mine");
  model.key = "b,a";
  device_run(&device, "SELECT leadx_untrack('counted'), leadx_track('two')");
  for (int i = 0; i < 12; i++) {
    char doc[80];
    snprintf(doc, sizeof doc, "{\"a\":\"say \\\"%d\\\"\",\"b\":%d,\"v\":\"server\"}", i % 3, i);
    put("two", doc);
  }
  model.max_rows = 5;
  pull();
  expect("SELECT count(*) FROM two", "12");
  device_run(&device, "UPDATE two SET v = 'mine'; SELECT leadx_discard(id) FROM (SELECT id FROM "
                      "sync_queue WHERE status = 'PENDING' ORDER BY rowid)");
  pull();
  expect("SELECT count(*) FROM two WHERE v = 'server'", "12");
}
END_TEST

START_TEST(a_row_that_stands_and_whose_change_a_trigger_ignores_is_not_taken_for_known) {
  device_run(&device, "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, a TEXT, updated_at TEXT);"
                      "CREATE TRIGGER no_seven BEFORE INSERT ON notes WHEN NEW.a LIKE '%7' BEGIN "
                      "SELECT RAISE(IGNORE); END; SELECT leadx_track('notes')");
  put("notes", "{\"id\":\"k\",\"a\":\"1\"}");
  pull();
  put("notes", "{\"id\":\"k\",\"a\":\"17\"}");
  pull();
  ck_assert_str_eq(device_text(&device, "SELECT a FROM notes"), "1");
  ck_assert_str_eq(device_text(&device, "SELECT kind || entity_id FROM leadx_problems"), "parkedk");
  device_run(&device, "DROP TRIGGER no_seven");
  pull();
  ck_assert_str_eq(device_text(&device, "SELECT a FROM notes"), "17");
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM leadx_problems"), 0);
  ck_assert_int_eq(queued(), 0);
}
END_TEST

START_TEST(a_key_of_bytes_meets_its_row) {
  device_run(&device, "CREATE TABLE blobs(id BLOB PRIMARY KEY NOT NULL, v TEXT, updated_at TEXT); "
                      "SELECT leadx_track('blobs');"
                      "INSERT INTO blobs(id, v) VALUES (x'00ff', 'mine'), (x'', 'empty')");
  ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT group_concat(hex(id) || v || (updated_at IS NOT NULL)) FROM (SELECT * FROM blobs "
         "ORDER BY v DESC)",
         "00FFmine1,empty1");
  model_put(&model, "blobs", "\\x00ff", "{\"id\":\"\\\\x00ff\",\"v\":\"theirs\"}");
  pull();
  expect("SELECT group_concat(hex(id) || v) FROM (SELECT * FROM blobs ORDER BY v DESC)",
         "00FFtheirs,empty");
  model_remove(&model, "blobs", "\\x00ff");
  ck_assert_str_eq(device_reconcile(&device), "ok");
  expect("SELECT group_concat(hex(id) || v) FROM blobs", "empty");
}
END_TEST

/* Swift and others write uuids in capitals; PostgreSQL answers in small letters. */
START_TEST(a_uuid_in_capitals_is_the_same_row) {
#define BIG "AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE"
#define SMALL "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
  device_run(
      &device,
      "CREATE TABLE c(id UUID PRIMARY KEY NOT NULL, v TEXT, updated_at TEXT);"
      "CREATE TABLE k(id UUID PRIMARY KEY NOT NULL, c_id UUID REFERENCES c, updated_at TEXT);"
      "SELECT leadx_track('c'), leadx_track('k'); INSERT INTO c VALUES ('" BIG "', 'mine', NULL)");
  put("c", "{\"id\":\"" SMALL "\",\"v\":\"mine\"}"); /* our own row, whose answer was lost */
  pull();
  expect("SELECT count(*) FROM c", "1");
  ck_assert_str_eq(device_both(&device), "ok");
  put("c", "{\"id\":\"" SMALL "\",\"v\":\"theirs\"}");
  put("k", "{\"id\":\"11111111-bbbb-4ccc-8ddd-eeeeeeeeeeee\",\"c_id\":\"" SMALL "\"}");
  pull();
  expect("SELECT group_concat(id || v) FROM c", BIG "theirs");
  expect("SELECT c_id FROM k", BIG);
  device_run(
      &device,
      "UPDATE c SET v = 'mine'; SELECT leadx_discard(id) FROM sync_queue WHERE status = 'PENDING'");
  pull();
  expect("SELECT group_concat(id || v) FROM c", BIG "theirs");
  ck_assert_str_eq(device_reconcile(&device), "ok");
  expect("SELECT group_concat(id || v) FROM c", BIG "theirs");
}
END_TEST

/* What a connection knows of its tables it keeps from one sync to the next: another connection
** changes them in between. */
START_TEST(what_another_connection_does_to_the_schema_is_seen_by_the_next_sync) {
  notes();
  put("notes", "{\"id\":\"a\",\"body\":\"one\",\"colour\":\"red\"}");
  for (int i = 0; i < 2; i++) ck_assert_str_eq(device_both(&device), "ok");
  sqlite3 *other = device_second(&device);
  run_on(other, "DROP TRIGGER leadx_notes_update; UPDATE notes SET body = 'unseen'");
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_str_eq(model_value(&model, "notes", "a", "body"), "unseen");
  run_on(other, "UPDATE notes SET body = 'seen'");
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_str_eq(model_value(&model, "notes", "a", "body"), "seen");
  run_on(other, "ALTER TABLE notes ADD COLUMN size TEXT; UPDATE notes SET size = 'large'");
  for (int i = 0; i < 2; i++) ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_str_eq(model_value(&model, "notes", "a", "size"), "large");
  run_on(other, "UPDATE leadx_tables SET options = json_set(options, '$.policy', 'manual'); UPDATE "
                "notes SET colour = 'mine'");
  put("notes", "{\"id\":\"a\",\"body\":\"seen\",\"colour\":\"theirs\",\"size\":\"large\"}");
  device_both(&device);
  expect("SELECT count(*) FROM sync_conflicts WHERE winner IS NULL", "1");
  run_on(other, "DROP TABLE notes");
  device_both(&device);
  expect("SELECT last_error LIKE '%is gone%' FROM leadx_tables", "1");
  sqlite3_close(other);
}
END_TEST

Suite *test_intake_suite(void) {
  Suite *suite = suite_create("intake");
  TCase *tcase = tcase_create("rows");
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_test(tcase, a_row_keeps_its_capitals_and_so_do_references_to_it);
  tcase_add_test(tcase, a_row_with_an_unsent_change_is_not_overwritten_and_comes_later);
  tcase_add_test(tcase, a_delete_of_the_server_does_not_take_an_unsent_edit);
  tcase_add_test(tcase, an_application_that_writes_meanwhile_is_captured_and_kept);
  tcase_add_test(tcase, a_discarded_change_gives_way_to_the_servers_state);
  tcase_add_loop_test(
      tcase, too_many_parked_rows_come_in_smaller_parts_and_stay_while_they_cannot_be_read, 0, 4);
  tcase_add_test(tcase, parked_rows_that_a_capped_answer_leaves_out_are_not_taken_for_deleted);
  tcase_add_test(tcase, parents_come_before_children_and_rows_of_one_table_in_any_order);
  tcase_add_test(tcase, an_orphan_is_parked_without_stopping_others_and_comes_back_by_itself);
  tcase_add_test(tcase, an_orphan_under_a_deferred_key_is_parked_as_well);
  tcase_add_loop_test(tcase, a_collision_on_another_unique_column_is_parked_and_replaces_nothing, 0,
                      2);
  tcase_add_test(tcase,
                 null_for_a_column_that_takes_none_becomes_its_default_or_an_empty_text_or_waits);
  tcase_add_test(tcase, a_default_that_is_no_literal_never_runs);
  tcase_add_test(tcase, columns_that_only_one_side_has_are_left_alone);
  tcase_add_test(tcase, values_arrive_exactly);
  tcase_add_test(tcase, a_soft_delete_marks_the_local_row_or_removes_it);
  tcase_add_test(tcase, rows_of_one_answer_may_have_other_members_in_another_order);
  tcase_add_test(tcase, what_the_server_made_of_a_pushed_row_waits_until_it_fits);
  tcase_add_test(tcase, a_null_in_the_answer_to_a_push_keeps_no_other_column_from_its_value);
  tcase_add_loop_test(
      tcase, a_trigger_that_rolls_back_a_removal_ends_the_pull_and_nothing_is_captured, 0, 2);
  tcase_add_test(tcase, a_mark_that_is_false_is_none);
  tcase_add_test(tcase, a_row_that_was_softly_deleted_here_does_not_come_back);
  tcase_add_test(tcase, keys_of_several_columns_and_integer_keys_meet_their_rows);
  tcase_add_test(tcase, a_row_that_no_parked_key_asked_for_changes_nothing);
  tcase_add_test(tcase, a_key_of_bytes_meets_its_row);
  tcase_add_test(tcase,
                 a_row_that_stands_and_whose_change_a_trigger_ignores_is_not_taken_for_known);
  tcase_add_test(tcase, a_uuid_in_capitals_is_the_same_row);
  tcase_add_test(tcase, what_another_connection_does_to_the_schema_is_seen_by_the_next_sync);
  suite_add_tcase(suite, tcase);
  return suite;
}
