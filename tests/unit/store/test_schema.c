/* Files of an older format. */
#include <string.h>

#include "fake_transport.h"
#include "pages.h"
#include "suites.h"

static model_server model;
static push_device device;

/* Makes the file what format 2 made of it. */
static void make_older(void) {
  device_run(
      &device,
      "CREATE TEMP TABLE kept AS SELECT table_name, entity, priority, options, columns, "
      "last_push_at, last_pull_at, last_error FROM leadx_tables;"
      "DROP TABLE leadx_tables; DROP TABLE leadx_parked;"
      "CREATE TABLE leadx_tables (\n  table_name TEXT PRIMARY KEY NOT NULL,\n  entity TEXT NOT "
      "NULL UNIQUE,\n  priority INTEGER NOT NULL DEFAULT 3,\n  options TEXT NOT NULL,\n  "
      "columns TEXT NOT NULL,\n  last_push_at TEXT,\n  last_pull_at TEXT,\n  last_error "
      "TEXT\n) WITHOUT ROWID;"
      "CREATE TABLE leadx_parked (\n  entity TEXT NOT NULL,\n  key TEXT NOT NULL,\n  reason "
      "TEXT NOT NULL,\n  PRIMARY KEY (entity, key)\n) WITHOUT ROWID;"
      "INSERT INTO leadx_tables SELECT * FROM kept; DROP TABLE kept;"
      "INSERT INTO leadx_parked VALUES ('notes', 'a', 'discarded'), ('notes', 'b', 'CHECK "
      "constraint failed');"
      "UPDATE leadx_settings SET value = 2 WHERE key = 'format'");
}

static void set_up(void) {
  model_open(&model);
  pages_open(&model);
  device_open(&device, &model);
  device_run(&device,
             "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, name TEXT, updated_at TEXT);"
             "SELECT leadx_track('notes')");
  make_older();
}

static void tear_down(void) {
  device_close(&device);
  model_close(&model);
}

static void expect(const char *sql, const char *text) {
  const char *answer = device_text(&device, sql);
  ck_assert_msg(strcmp(answer, text) == 0, "%s: \"%s\", not \"%s\"", sql, answer, text);
}

START_TEST(a_question_brings_an_older_file_to_this_format) {
  expect("SELECT entity_type || parked || changes FROM leadx_status", "notes10");
  expect("SELECT value FROM leadx_settings WHERE key = 'format'", "3");
}
END_TEST

START_TEST(what_was_parked_before_keeps_its_meaning) {
  expect("SELECT group_concat(entity_id || ifnull(since, '-')) FROM leadx_problems", "b-");
  expect("SELECT group_concat(key || refused || reason) FROM leadx_parked",
         "a0discarded,b1CHECK constraint failed");
}
END_TEST

START_TEST(an_older_file_syncs) {
  model_put(&model, "notes", "b", "{\"id\":\"b\",\"name\":\"Bob\"}");
  ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT changes > 0 FROM leadx_status", "1");
  expect("SELECT count(*) FROM leadx_parked", "0");
}
END_TEST

/* The steps write to the tables that they change. */
START_TEST(no_trigger_on_an_older_table_runs_while_it_is_changed) {
  device_run(&device, "CREATE TABLE spoils(x); CREATE TRIGGER theirs AFTER UPDATE ON leadx_parked "
                      "BEGIN INSERT INTO spoils VALUES (1); SELECT RAISE(FAIL, 'it ran'); END");
  char *message = NULL;
  ck_assert_int_ne(sqlite3_exec(device.db, "SELECT * FROM leadx_status", NULL, NULL, &message),
                   SQLITE_OK);
  ck_assert_msg(strstr(message, "\"theirs\"") != NULL, "%s", message);
  sqlite3_free(message);
  expect("SELECT count(*) FROM spoils", "0");
  expect("SELECT value FROM leadx_settings WHERE key = 'format'", "2");
}
END_TEST

Suite *test_schema_suite(void) {
  Suite *suite = suite_create("schema");
  TCase *tcase = tcase_create("schema");
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_test(tcase, a_question_brings_an_older_file_to_this_format);
  tcase_add_test(tcase, what_was_parked_before_keeps_its_meaning);
  tcase_add_test(tcase, an_older_file_syncs);
  tcase_add_test(tcase, no_trigger_on_an_older_table_runs_while_it_is_changed);
  suite_add_tcase(suite, tcase);
  return suite;
}
