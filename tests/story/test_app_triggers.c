/* Triggers of the application that write into the rows they watch. SQLite runs the newest trigger
** of a table first, and temporary ones before all others, so that what they write may be captured
** before the write that it answers. */
#include <string.h>

#include "push_device.h"
#include "suites.h"

static model_server model;
static push_device device;

static void set_up(void) {
  model_open(&model);
  device_open(&device, &model);
  device_run(&device, "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, name TEXT, slug TEXT, "
                      "updated_at TEXT); SELECT leadx_track('notes')");
}

static void tear_down(void) {
  device_close(&device);
  model_close(&model);
}

static void expect(const char *sql, const char *text) {
  const char *answer = device_text(&device, sql);
  ck_assert_msg(strcmp(answer, text) == 0, "%s: \"%s\", not \"%s\"", sql, answer, text);
}

/* Pushes; everything has been sent, and both sides have that slug ("(no row)" for neither has the
** row). */
static void expect_both(const char *slug) {
  ck_assert_str_eq(device_sync(&device), "ok");
  expect("SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'", "0");
  expect("SELECT ifnull((SELECT slug FROM notes), '(no row)')", slug);
  ck_assert_str_eq(model_value(&model, "notes", "n", "slug"), slug);
}

/* The triggers, as part of the file (0) or of the connection (1). */
static void add_triggers(int temporary) {
  char sql[600];
  sqlite3_snprintf(sizeof sql, sql,
                   "CREATE %s TRIGGER made AFTER INSERT ON notes BEGIN UPDATE notes SET slug = "
                   "lower(NEW.name) WHERE id = NEW.id; END;"
                   "CREATE %s TRIGGER named AFTER UPDATE OF name ON notes BEGIN UPDATE notes SET "
                   "slug = lower(NEW.name) WHERE id = NEW.id; END;"
                   "CREATE %s TRIGGER kept AFTER DELETE ON notes WHEN OLD.name <> 'Kept' BEGIN "
                   "INSERT INTO notes(id, name) VALUES(OLD.id, 'Kept'); END",
                   temporary ? "TEMP" : "", temporary ? "TEMP" : "", temporary ? "TEMP" : "");
  device_run(&device, sql);
}

START_TEST(what_a_trigger_writes_into_its_row_arrives) {
  add_triggers(_i);
  device_run(&device, "INSERT INTO notes(id, name) VALUES('n', 'A')");
  expect("SELECT group_concat(action) FROM (SELECT action FROM sync_queue ORDER BY rowid)",
         "UPDATE,CREATE");
  expect_both("a");
  device_run(&device, "UPDATE notes SET name = 'B'; UPDATE notes SET name = 'C'");
  expect_both("c");
  device_run(&device, "DELETE FROM notes");
  expect_both("kept");
  device_run(&device, "DELETE FROM notes");
  expect_both("(no row)");
}
END_TEST

START_TEST(a_row_that_came_and_went_between_two_syncs_is_nothing) {
  add_triggers(_i);
  device_run(&device, "INSERT INTO notes(id, name) VALUES('n', 'A'); UPDATE notes SET name = 'B'; "
                      "DELETE FROM notes; DELETE FROM notes");
  expect_both("(no row)");
}
END_TEST

/* The nested write keeps the base of the write around it: somebody else's edit of another column is
** no conflict. */
START_TEST(what_a_trigger_writes_is_no_conflict) {
  device_run(&device, "INSERT INTO notes(id, name, slug) VALUES('n', 'A', 'a')");
  expect_both("a");
  add_triggers(_i);
  device_run(&device, "UPDATE notes SET name = 'B'");
  model_put(&model, "notes", "n", "{\"id\":\"n\",\"name\":\"A\",\"slug\":\"a\",\"more\":1}");
  expect_both("b");
  ck_assert_str_eq(model_value(&model, "notes", "n", "name"), "B");
  expect("SELECT count(*) FROM sync_conflicts", "0");
}
END_TEST

START_TEST(after_the_next_look_the_order_is_that_of_the_writes) {
  add_triggers(0);
  expect_both("(no row)");
  expect("SELECT max(rowid) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'notes' AND "
         "name NOT LIKE 'leadx%' "
         "AND rowid > (SELECT min(rowid) FROM sqlite_schema WHERE name LIKE 'leadx_notes_%')",
         "");
  device_run(&device, "INSERT INTO notes(id, name) VALUES('n', 'A')");
  expect("SELECT group_concat(action) FROM (SELECT action FROM sync_queue ORDER BY rowid)",
         "CREATE,UPDATE");
  expect_both("a");
}
END_TEST

Suite *test_app_triggers_suite(void) {
  Suite *suite = suite_create("app_triggers");
  TCase *tc = tcase_create("app_triggers");
  tcase_add_checked_fixture(tc, set_up, tear_down);
  tcase_add_loop_test(tc, what_a_trigger_writes_into_its_row_arrives, 0, 2);
  tcase_add_loop_test(tc, a_row_that_came_and_went_between_two_syncs_is_nothing, 0, 2);
  tcase_add_loop_test(tc, what_a_trigger_writes_is_no_conflict, 0, 2);
  tcase_add_test(tc, after_the_next_look_the_order_is_that_of_the_writes);
  suite_add_tcase(suite, tc);
  return suite;
}
