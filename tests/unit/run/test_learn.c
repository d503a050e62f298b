/* Ids in capitals in a column of texts (Swift's uuidString): where the server's column is a uuid they
** are one row on both sides, and where it is a text two texts that differ in case stay two rows. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "fake_transport.h"
#include "pages.h"
#include "suites.h"

#define CAPITAL "A0000000-0000-4000-8000-00000000000"
#define SMALL "a0000000-0000-4000-8000-00000000000"

static model_server model;
static push_device device;
static int (*usual)(void *ctx, leadx_request *req);
static int answers; /* the question about a type; 0: with the status that says so */

static size_t uuid_at(const char *z) {
  size_t n = 0;
  for (; n < 36; n++) {
    int dash_here = n == 8 || n == 13 || n == 18 || n == 23;
    if (dash_here ? z[n] != '-' : !isxdigit((unsigned char)z[n])) return 0;
  }
  return n;
}

/* As PostgreSQL reads them. */
static void spell_uuids(char *text) {
  while (text && *text) {
    size_t n = uuid_at(text);
    for (size_t i = 0; i < n; i++) text[i] = (char)tolower((unsigned char)text[i]);
    text += n ? n : 1;
  }
}

static int is_question(const leadx_request *req) { return strstr(req->url, "=eq.x") != NULL; }

/* A server whose keys, and what refers to them, are of the type uuid. */
static int has_uuids(void *ctx, leadx_request *req) {
  if (is_question(req)) {
    if (answers)
      fake_answer(
          req, 400,
          "{\"code\":\"22P02\",\"message\":\"invalid input syntax for type uuid: \\\"x\\\"\"}");
    else fake_answer(req, 403, "{\"code\":\"42501\",\"message\":\"permission denied\"}");
    return 1;
  }
  spell_uuids(req->url);
  spell_uuids(req->body);
  return usual(ctx, req);
}

static void set_up(void) {
  model_open(&model);
  device_open(&device, &model);
  pages_open(&model);
  usual = model.before;
  model.before = has_uuids;
  answers = 1;
  device_run(&device,
             "CREATE TABLE lists(id TEXT PRIMARY KEY NOT NULL, name TEXT, updated_at TEXT);"
             "CREATE TABLE items(id TEXT PRIMARY KEY NOT NULL, list_id TEXT REFERENCES lists(id), "
             "name TEXT, updated_at TEXT)");
}

static void tear_down(void) {
  device_close(&device);
  model_close(&model);
}

static void track(void) {
  device_run(&device, "SELECT leadx_track('lists'), leadx_track('items')");
}

static int questions(void) { return model_seen(&model, "GET", "=eq.x"); }

static void expect_ok(void) {
  const char *state = device_both(&device);
  ck_assert_msg(strcmp(state, "ok") == 0, "%s; %s", device.result,
                device_text(&device, "SELECT group_concat(entity_id || ' ' || "
                                     "ifnull(error_message, '')) FROM sync_queue"));
}

START_TEST(an_id_in_capitals_is_one_row_on_both_sides) {
  track();
  device_run(&device, "INSERT INTO lists VALUES ('" CAPITAL "1', 'one', NULL)");
  expect_ok();
  ck_assert_str_eq(device_text(&device, "SELECT entity_id FROM sync_queue"), SMALL "1");
  expect_ok();
  ck_assert_int_eq(questions(), 1);
  ck_assert_str_eq(model_value(&model, "lists", SMALL "1", "name"), "one");
  model_put(&model, "lists", SMALL "1", "{\"id\":\"" SMALL "1\",\"name\":\"theirs\"}");
  expect_ok();
  ck_assert_str_eq(device_text(&device, "SELECT group_concat(id || name) FROM lists"),
                   CAPITAL "1theirs");
  device_run(&device, "UPDATE lists SET name = 'ours'");
  expect_ok();
  ck_assert_str_eq(model_value(&model, "lists", SMALL "1", "name"), "ours");
  ck_assert_int_eq(model_count(&model, "lists"), 1);
  ck_assert_int_eq(questions(), 1);
}
END_TEST

/* The same application starts again, and names no type. */
START_TEST(what_was_learned_outlives_another_track) {
  track();
  device_run(&device, "INSERT INTO lists VALUES ('" CAPITAL "1', 'one', NULL)");
  expect_ok();
  device_run(&device, "SELECT leadx_track('lists', '{}')");
  device_run(&device, "SELECT leadx_track('lists', '{\"priority\":1}')");
  device_run(&device, "UPDATE lists SET name = 'two'");
  expect_ok();
  ck_assert_int_eq(questions(), 1);
  ck_assert_str_eq(model_value(&model, "lists", SMALL "1", "name"), "two");
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM sync_queue"), 2);
}
END_TEST

START_TEST(a_column_of_texts_stays_one) {
  model.before = usual;
  track();
  device_run(&device, "INSERT INTO lists VALUES ('" CAPITAL "1', 'large', NULL)");
  expect_ok();
  device_run(&device, "INSERT INTO lists VALUES ('" CAPITAL "2', 'more', NULL)");
  expect_ok();
  ck_assert_int_eq(questions(), 1);
  ck_assert_str_eq(device_text(&device, "SELECT group_concat(key) FROM leadx_shadow"),
                   CAPITAL "1," CAPITAL "2");
}
END_TEST

START_TEST(nothing_is_asked_where_no_uuid_is_spelled_otherwise) {
  track();
  device_run(&device, "INSERT INTO lists VALUES ('" SMALL "1', 'a', NULL), ('A0', 'b', NULL), "
                      "('A0000000-0000-4000-8000_000000000001', 'c', NULL)");
  expect_ok();
  ck_assert_int_eq(questions(), 0);
}
END_TEST

/* Nor where the application has named it. */
START_TEST(nothing_is_asked_where_the_type_is_named) {
  device_run(&device, "SELECT leadx_track('lists', '{\"columns\":{\"id\":{\"type\":\"text\"}}}')");
  model.before = usual;
  device_run(&device, "INSERT INTO lists VALUES ('" CAPITAL "1', 'a', NULL)");
  expect_ok();
  ck_assert_int_eq(questions(), 0);
}
END_TEST

/* They came by another way, and are not in the queue. */
START_TEST(rows_that_were_here_before_are_found_by_the_first_pull) {
  device_run(&device, "INSERT INTO lists VALUES ('" CAPITAL "1', 'before', NULL)");
  model_put(&model, "lists", SMALL "1", "{\"id\":\"" SMALL "1\",\"name\":\"theirs\"}");
  track();
  expect_ok();
  ck_assert_int_eq(questions(), 1);
  ck_assert_str_eq(device_text(&device, "SELECT group_concat(id) FROM lists"), CAPITAL "1");
  ck_assert_int_eq(model_count(&model, "lists"), 1);
}
END_TEST

START_TEST(a_child_names_its_parent_in_capitals) {
  model.references = "items.list_id>lists";
  track();
  device_run(&device, "PRAGMA foreign_keys = ON; BEGIN; INSERT INTO lists VALUES ('" CAPITAL
                      "1', 'one', NULL); INSERT INTO items VALUES ('i1', '" CAPITAL
                      "1', 'child', NULL); COMMIT");
  expect_ok();
  model_put(&model, "items", "i2",
            "{\"id\":\"i2\",\"list_id\":\"" SMALL "1\",\"name\":\"theirs\"}");
  model_put(&model, "items", "i1", "{\"id\":\"i1\",\"list_id\":\"" SMALL "1\",\"name\":\"edit\"}");
  expect_ok();
  ck_assert_str_eq(
      device_text(&device, "SELECT group_concat(id || name || list_id) FROM items ORDER BY id"),
      "i1edit" CAPITAL "1,i2theirs" CAPITAL "1");
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM sync_conflicts"), 0);
}
END_TEST

/* The server moves the child as it takes it: to a parent that is spelled in capitals here. */
static void move_child(void *ctx, leadx_request *req) {
  (void)ctx;
  char *at = strcmp(req->method, "POST") == 0 && req->answer ? strstr(req->answer, SMALL "1")
                                                             : NULL;
  if (at && strstr(req->url, "/items")) at[35] = '2';
}

START_TEST(a_parent_that_the_server_named_in_the_answer_is_spelled_as_here) {
  track();
  device_run(&device, "PRAGMA foreign_keys = ON; INSERT INTO lists VALUES ('" CAPITAL
                      "1', 'one', NULL), ('" CAPITAL "2', 'two', NULL)");
  expect_ok();
  model.after = move_child;
  device_run(&device, "INSERT INTO items VALUES ('i1', '" CAPITAL "1', 'child', NULL)");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(device_text(&device, "SELECT list_id FROM items"), CAPITAL "2");
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM leadx_parked"), 0);
}
END_TEST

START_TEST(a_key_of_two_columns_is_asked_about_by_column) {
  model.key = "list_id,n";
  device_run(&device,
             "CREATE TABLE places(list_id TEXT, n TEXT, name TEXT, updated_at TEXT, PRIMARY "
             "KEY(list_id, n)); SELECT leadx_track('places'); INSERT INTO places VALUES ('" CAPITAL
             "1', 'B', 'one', NULL)");
  expect_ok();
  device_run(&device, "UPDATE places SET name = 'two'");
  expect_ok();
  expect_ok();
  ck_assert_int_eq(questions(), 1);
  ck_assert_int_eq(model_count(&model, "places"), 1);
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM places"), 1);
  ck_assert_int_eq(
      device_int(&device, "SELECT count(*) FROM leadx_shadow WHERE key = '[\"" SMALL "1\",\"B\"]'"),
      1);
}
END_TEST

/* Keys that were noted before the type was known. */
START_TEST(what_is_known_gets_the_key_of_the_server) {
  track();
  device_run(&device, "INSERT INTO lists VALUES ('" CAPITAL "2', 'two', NULL); INSERT INTO "
                      "leadx_shadow(entity, key, version) SELECT entity_type, entity_id, "
                      "'2024-01-01T00:00:00+00:00' FROM sync_queue; DELETE FROM sync_queue; INSERT "
                      "INTO lists VALUES ('" CAPITAL "1', 'one', NULL)");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(device_text(&device, "SELECT group_concat(key) FROM leadx_shadow"),
                   SMALL "1," SMALL "2");
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM sync_queue"), 1);
}
END_TEST

/* Earlier versions noted keys as the local row spells them. */
START_TEST(a_file_of_an_earlier_version_gets_the_keys_of_the_server) {
  device_run(&device, "SELECT leadx_track('lists', '{\"columns\":{\"id\":{\"type\":\"uuid\"}}}'); "
                      "INSERT INTO lists VALUES ('" CAPITAL "1', 'one', NULL)");
  expect_ok();
  device_run(&device, "UPDATE leadx_shadow SET key = upper(key); DELETE FROM leadx_settings WHERE "
                      "key = 'keys'");
  expect_ok();
  ck_assert_str_eq(device_text(&device, "SELECT group_concat(key) FROM leadx_shadow"), SMALL "1");
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM sync_queue"), 1);
}
END_TEST

/* Whatever becomes of the row, the sync goes on; and the next one asks again. */
START_TEST(a_question_without_an_answer_holds_nothing_up) {
  answers = 0;
  track();
  device_run(&device, "INSERT INTO lists VALUES ('" CAPITAL "1', 'one', NULL); INSERT INTO items "
                      "VALUES ('i1', NULL, 'other', NULL)");
  model_put(&model, "items", "i2", "{\"id\":\"i2\",\"name\":\"theirs\"}");
  device_both(&device);
  ck_assert_str_eq(model_value(&model, "items", "i1", "name"), "other");
  ck_assert_msg(device_int(&device, "SELECT count(*) FROM items") == 2, "%s", device.result);
  ck_assert_int_eq(questions(), 1);
}
END_TEST

Suite *test_learn_suite(void) {
  Suite *suite = suite_create("learn");
  TCase *tcase = tcase_create("learn");
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_test(tcase, an_id_in_capitals_is_one_row_on_both_sides);
  tcase_add_test(tcase, what_was_learned_outlives_another_track);
  tcase_add_test(tcase, a_column_of_texts_stays_one);
  tcase_add_test(tcase, nothing_is_asked_where_no_uuid_is_spelled_otherwise);
  tcase_add_test(tcase, nothing_is_asked_where_the_type_is_named);
  tcase_add_test(tcase, rows_that_were_here_before_are_found_by_the_first_pull);
  tcase_add_test(tcase, a_child_names_its_parent_in_capitals);
  tcase_add_test(tcase, a_parent_that_the_server_named_in_the_answer_is_spelled_as_here);
  tcase_add_test(tcase, a_key_of_two_columns_is_asked_about_by_column);
  tcase_add_test(tcase, what_is_known_gets_the_key_of_the_server);
  tcase_add_test(tcase, a_file_of_an_earlier_version_gets_the_keys_of_the_server);
  tcase_add_test(tcase, a_question_without_an_answer_holds_nothing_up);
  suite_add_tcase(suite, tcase);
  return suite;
}
