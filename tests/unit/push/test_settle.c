/* What a change and the server's row do when they meet: cases that the simulation found, one test
** each. */
#include <stdio.h>
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
}

static void tear_down(void) {
  device_close(&device);
  model_close(&model);
}

static void expect(const char *sql, const char *text) {
  const char *answer = device_text(&device, sql);
  ck_assert_msg(strcmp(answer, text) == 0, "%s: \"%s\", not \"%s\"", sql, answer, text);
}

static void expect_server(const char *column, const char *text) {
  const char *value = model_value(&model, "notes", "n", column);
  ck_assert_msg(strcmp(value, text) == 0, "the server's %s: \"%s\", not \"%s\"", column, value,
                text);
}

/* A tracked table whose one row stands on both sides. */
static void begin(const char *options) {
  char sql[300];
  snprintf(sql, sizeof sql,
           "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, a TEXT, b TEXT, updated_at TEXT); "
           "SELECT leadx_track('notes', '%s')",
           options);
  device_run(&device, sql);
  model_put(&model, "notes", "n", "{\"id\":\"n\",\"a\":\"a0\",\"b\":\"b0\",\"deleted_at\":null}");
  ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT a || b FROM notes", "a0b0");
}

START_TEST(a_row_that_others_marked_as_deleted_goes_and_the_edit_stands_in_the_audit) {
  begin("{\"delete\":\"soft\",\"soft_delete\":\"deleted_at\"}");
  device_run(&device, "UPDATE notes SET a = 'a1'");
  model_put(
      &model, "notes", "n",
      "{\"id\":\"n\",\"a\":\"a0\",\"b\":\"b0\",\"deleted_at\":\"2026-01-01T00:00:00+00:00\"}");
  for (int i = 0; i < 2; i++) {
    ck_assert_str_eq(device_both(&device), "ok");
    expect("SELECT count(*) FROM notes", "0");
    expect("SELECT json_extract(client_payload, '$.a') || winner FROM sync_conflicts", "a1server");
    expect_server("a", "a0");
  }
}
END_TEST

/* The user edits the row once more while leadx asks what has become of it. */
static int edits_left;

static int edit_during_fetch(leadx_request *req) {
  if (edits_left > 0 && strstr(req->url, "id=in.")) {
    edits_left--;
    device_run(&device, "UPDATE notes SET b = 'b2'");
  }
  return 0;
}

/* A key that the user's table, and so the trigger, spells in another way than the server does: in
** capitals, and with capitals and small letters among each other. */
static const char *const spelled_here[] = {"019B76F7-DCBA-7000-8015-590D2E7357E0",
                                           "019b76F7-DCba-7000-8015-590d2e7357E0"};
#define SPELLED_THERE "019b76f7-dcba-7000-8015-590d2e7357e0"

/* The user edits the row while the answer to what was sent before is under way. */
static int edit_spelled(leadx_request *req) {
  if (edits_left > 0 && (strstr(req->url, "id=in.") || strcmp(req->method, "GET") == 0)) {
    edits_left--;
    device_run(&device, "UPDATE spelled SET a = 'a2'");
  }
  return 0;
}

static void begin_spelled(int i, const char *policy) {
  char sql[500];
  snprintf(sql, sizeof sql,
           "CREATE TABLE spelled(id TEXT PRIMARY KEY NOT NULL, a TEXT, updated_at TEXT); "
           "SELECT leadx_track('spelled', "
           "'{\"columns\":{\"id\":{\"type\":\"uuid\"}},\"policy\":\"%s\"}'); "
           "INSERT INTO spelled(id, a) VALUES ('%s', 'a0')",
           policy, spelled_here[i]);
  device_run(&device, sql);
  ck_assert_str_eq(device_both(&device), "ok");
}

static void change_there(const char *a) {
  char row[200];
  snprintf(row, sizeof row, "{\"id\":\"" SPELLED_THERE "\",\"a\":\"%s\"}", a);
  model_put(&model, "spelled", SPELLED_THERE, row);
}

START_TEST(an_edit_made_while_an_older_one_is_settled_stands_whatever_its_key_is_spelled) {
  begin_spelled(_i, "server");
  device_run(&device, "UPDATE spelled SET a = 'a1'");
  change_there("a9");
  edits_left = 1;
  pages_before = edit_spelled;
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(edits_left, 0);
  pages_before = NULL;
  expect("SELECT a FROM spelled", "a2");
}
END_TEST

START_TEST(a_decision_is_about_edits_whatever_their_key_is_spelled) {
  begin_spelled(_i, "manual");
  device_run(&device, "UPDATE spelled SET a = 'a1'");
  change_there("a9");
  ck_assert_str_eq(device_both(&device), "partial");
  device_run(&device, "UPDATE spelled SET a = 'a2'");
  device_run(&device, "SELECT leadx_resolve(id, 'server') FROM sync_conflicts");
  expect("SELECT a FROM spelled", "a9");
  expect("SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'", "0");
}
END_TEST

START_TEST(a_question_ends_not_before_the_last_change_whatever_its_key_is_spelled) {
  begin_spelled(_i, "manual");
  device_run(&device, "UPDATE spelled SET a = 'a1'");
  change_there("a9");
  ck_assert_str_eq(device_both(&device), "partial");
  device_run(&device, "UPDATE spelled SET a = 'a2'");
  device_run(&device, "SELECT leadx_discard((SELECT id FROM sync_queue WHERE status <> 'SYNCED' "
                      "ORDER BY rowid LIMIT 1))");
  expect("SELECT count(*) FROM sync_conflicts WHERE winner IS NULL", "1");
}
END_TEST

/* As a pull leaves it that brings a tombstone of a row with an unsent change. */
static void bury(void) {
  model_remove(&model, "notes", "n");
  device_run(&device,
             "INSERT INTO leadx_parked(entity, key, refused, reason) VALUES ('notes', 'n', "
             "0, 'deleted on the server while a local change is unsent')");
}

START_TEST(an_edit_made_while_the_delete_is_met_is_neither_lost_nor_failed) {
  begin("{}");
  device_run(&device, "UPDATE notes SET a = 'a1'");
  bury();
  edits_left = 1;
  pages_before = edit_during_fetch;
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(edits_left, 0);
  expect("SELECT a || b FROM notes", "a1b2");
  ck_assert_str_eq(device_sync(&device), "ok");
  expect("SELECT count(*) FROM notes", "0");
  expect("SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'", "0");
  expect("SELECT count(*) FROM sync_conflicts WHERE json_extract(client_payload, '$.b') = 'b2'",
         "1");
}
END_TEST

START_TEST(a_row_that_was_replaced_and_then_deleted_is_deleted_on_the_server) {
  begin("{}");
  device_run(&device, "REPLACE INTO notes(id, a, b) VALUES ('n', 'a1', 'b1'); DELETE FROM notes");
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(model_count(&model, "notes"), 0);
}
END_TEST

/* The server does what is asked, and its answer to the n-th write from now is lost. */
static int lost_write;

static void lose_answer(void *ctx, leadx_request *req) {
  (void)ctx;
  if (strcmp(req->method, "GET") == 0 || lost_write == 0 || --lost_write > 0) return;
  fake_fail(req, LEADX_NET_OFFLINE, 56, "lost");
}

START_TEST(a_decision_is_written_down_once_though_its_answer_was_lost) {
  begin("{\"policy\":\"client\"}");
  device_run(&device, "UPDATE notes SET a = 'a1'");
  model_put(&model, "notes", "n", "{\"id\":\"n\",\"a\":\"a2\",\"b\":\"b0\"}");
  /* The first PATCH meets the conflict, the second carries the decision. */
  model.after = lose_answer;
  lost_write = 2;
  ck_assert_str_eq(device_sync(&device), "offline");
  ck_assert_int_eq(lost_write, 0);
  expect_server("a", "a1");
  ck_assert_str_eq(device_sync(&device), "ok");
  expect_server("a", "a1");
  expect("SELECT count(*) FROM sync_conflicts", "1");
}
END_TEST

START_TEST(what_others_changed_after_our_create_whose_answer_was_lost_stays) {
  device_run(&device,
             "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, a TEXT, b TEXT, updated_at TEXT);"
             "SELECT leadx_track('notes', '{\"policy\":\"client\"}'); INSERT INTO notes VALUES "
             "('n', 'a0', 'b0', NULL)");
  model.after = lose_answer;
  lost_write = 1;
  ck_assert_str_eq(device_sync(&device), "offline");
  model_put(&model, "notes", "n", "{\"id\":\"n\",\"a\":\"a0\",\"b\":\"b2\"}");
  device_run(&device, "UPDATE notes SET a = 'a1'");
  ck_assert_str_eq(device_both(&device), "ok");
  expect_server("a", "a1");
  expect_server("b", "b2");
  expect("SELECT a || b FROM notes", "a1b2");
  expect("SELECT count(*) FROM sync_conflicts", "0");
}
END_TEST

/* A CREATE that nobody answered, and a row of the same key that has nothing of it (a restored
** backup, another device): it never arrived, and what stands there is a conflict in every
** column. */
START_TEST(a_row_that_has_nothing_of_our_create_is_not_taken_for_ours) {
  device_run(&device,
             "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, a TEXT, b TEXT, updated_at TEXT);"
             "SELECT leadx_track('notes', '{\"policy\":\"server\"}'); INSERT INTO notes VALUES "
             "('n', 'a0', 'b0', NULL)");
  model.after = lose_answer;
  lost_write = 1;
  ck_assert_str_eq(device_sync(&device), "offline");
  model_put(&model, "notes", "n", "{\"id\":\"n\",\"a\":\"a8\",\"b\":\"b8\"}");
  device_run(&device, "UPDATE notes SET a = 'a1'");
  ck_assert_str_eq(device_both(&device), "ok");
  expect_server("a", "a8");
  expect("SELECT a || b FROM notes", "a8b8");
  expect("SELECT group_concat(\"column\" || client || server, ' ') FROM leadx_conflicts",
         "aa1a8 bb0b8");
}
END_TEST

/* A deleted row that was made again here, and that another one deleted once more in between. Nobody
** looks at the values of a deleted row: they are no conflict, whoever would win it, and the row is
** there afterwards on both sides. */
START_TEST(a_row_made_again_over_a_deleted_one_meets_no_conflict) {
  static const char *const policies[] = {"server", "timestamp", "manual"};
  char options[200];
  snprintf(options, sizeof options,
           "{\"delete\":\"soft\",\"soft_delete\":\"deleted_at\",\"policy\":\"%s\"}", policies[_i]);
  begin(options);
  device_run(&device, "DELETE FROM notes");
  ck_assert_str_eq(device_both(&device), "ok");
  model_put(&model, "notes", "n",
            "{\"id\":\"n\",\"a\":\"a2\",\"b\":\"b0\",\"deleted_at\":\"2030-01-01T00:00:00Z\"}");
  device_run(&device, "INSERT INTO notes VALUES ('n', 'a3', 'b0', NULL)");
  ck_assert_str_eq(device_both(&device), "ok");
  expect_server("a", "a3");
  expect_server("deleted_at", "");
  expect("SELECT a || b FROM notes", "a3b0");
  expect("SELECT count(*) FROM sync_conflicts", "0");
  expect("SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'", "0");
}
END_TEST

START_TEST(a_row_that_others_refer_to_here_is_removed_when_they_are_gone) {
  begin("{}");
  device_run(&device, "PRAGMA foreign_keys=ON; CREATE TABLE lines(id TEXT PRIMARY KEY NOT NULL, "
                      "note_id TEXT REFERENCES notes(id));"
                      "INSERT INTO lines VALUES ('l', 'n'); UPDATE notes SET a = 'a1'");
  bury();
  ck_assert_str_eq(device_both(&device), "partial");
  expect("SELECT count(*) FROM notes", "1");
  device_run(&device, "DELETE FROM lines");
  ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT count(*) FROM notes", "0");
}
END_TEST

START_TEST(what_an_answer_could_not_write_back_comes_with_the_next_pull) {
  device_run(
      &device,
      "PRAGMA foreign_keys=ON; CREATE TABLE tags(id TEXT PRIMARY KEY NOT NULL, updated_at TEXT);"
      "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, a TEXT, b TEXT REFERENCES tags(id), "
      "updated_at TEXT);"
      "SELECT leadx_track('tags'), leadx_track('notes')");
  model_put(&model, "notes", "n", "{\"id\":\"n\",\"a\":\"a0\",\"b\":null}");
  ck_assert_str_eq(device_both(&device), "ok");
  device_run(&device, "UPDATE notes SET a = 'a1'");
  model_put(&model, "tags", "t", "{\"id\":\"t\"}");
  model_put(&model, "notes", "n", "{\"id\":\"n\",\"a\":\"a0\",\"b\":\"t\"}");
  ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT a || b FROM notes", "a1t");
}
END_TEST

/* Stands before the writes; the model's own hook before the rest. */
static int (*read_pages)(void *ctx, leadx_request *req);
static int writes;

static int write_between(void *ctx, leadx_request *req) {
  if (strcmp(req->method, "PATCH") == 0 && ++writes == 2)
    model_put(&model, "notes", "n", "{\"id\":\"n\",\"a\":\"a2\",\"b\":\"b9\",\"deleted_at\":null}");
  return read_pages(ctx, req);
}

/* What was decided is not decided anew, and not written down twice, because the row changed
** elsewhere meanwhile. */
START_TEST(a_column_that_was_decided_is_not_contested_again_when_another_one_changes) {
  begin("{\"policy\":\"client\"}");
  device_run(&device, "UPDATE notes SET a = 'a1'");
  model_put(&model, "notes", "n", "{\"id\":\"n\",\"a\":\"a2\",\"b\":\"b0\",\"deleted_at\":null}");
  read_pages = model.before;
  model.before = write_between;
  writes = 0;
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(writes, 3);
  expect_server("a", "a1");
  expect_server("b", "b9");
  expect("SELECT a || b FROM notes", "a1b9");
  expect("SELECT count(*) || min(contested) FROM sync_conflicts", "1[\"a\"]");
}
END_TEST

static int lose_the_answer(void *ctx, leadx_request *req) {
  if (strcmp(req->method, "POST") != 0) return read_pages(ctx, req);
  model_deliver(&model, req);
  fake_fail(req, LEADX_NET_OFFLINE, 52, "the answer was lost");
  return 1;
}

/* The mark came after our CREATE, which had arrived: it is a delete and not a row to be made
** again. */
START_TEST(a_row_deleted_by_others_after_our_create_arrived_unheard_stays_deleted) {
  begin("{\"delete\":\"soft\",\"soft_delete\":\"deleted_at\"}");
  device_run(&device, "INSERT INTO notes(id, a) VALUES ('m', 'mine')");
  read_pages = model.before;
  model.before = lose_the_answer;
  ck_assert_str_eq(device_sync(&device), "offline");
  model.before = read_pages;
  model_put(
      &model, "notes", "m",
      "{\"id\":\"m\",\"a\":\"mine\",\"b\":null,\"deleted_at\":\"2026-01-01T00:00:00+00:00\"}");
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_str_eq(model_value(&model, "notes", "m", "deleted_at"), "2026-01-01T00:00:00+00:00");
  expect("SELECT group_concat(id) FROM notes", "n");
  expect("SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'", "0");
}
END_TEST

static int take_lease_over(void *ctx, leadx_request *req) {
  if (strcmp(req->method, "POST") == 0 && ++writes == 1) {
    sqlite3 *other = device_second(&device);
    run_on(other, "UPDATE leadx_lease SET owner = 'another'");
    sqlite3_close(other);
  }
  return read_pages(ctx, req);
}

/* Another sync believes this one dead: what it sends from now on, this one does not send as
** well. */
START_TEST(a_push_whose_lease_is_gone_sends_nothing_more) {
  begin("{}");
  device_run(&device, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
                      "200) INSERT INTO notes(id, a) SELECT 'r' || i, 'x' FROM n");
  read_pages = model.before;
  model.before = take_lease_over;
  writes = 0;
  ck_assert_str_eq(device_sync(&device), "busy");
  ck_assert_int_le(writes, 3); /* what was on its way already */
  ck_assert_int_lt(model_count(&model, "notes"), 201);
  model.before = read_pages;
  device_run(&device, "UPDATE leadx_lease SET owner = NULL");
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(model_count(&model, "notes"), 201);
  expect("SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'", "0");
}
END_TEST

/* ---- edits while an edit is on its way ---- */

static int patches;

/* The row is edited, and edited back, while its second PATCH is on its way. */
static void edit_there_and_back(void *ctx, leadx_request *req) {
  (void)ctx;
  if (strcmp(req->method, "PATCH") != 0 || ++patches != 2) return;
  sqlite3 *second = device_second(&device);
  run_on(second, "UPDATE notes SET a = 'a2'");
  run_on(second, "UPDATE notes SET a = 'a1'");
  ck_assert_int_eq(sqlite3_close(second), SQLITE_OK);
}

/* G8: what the answer brought beside the edit is not known here, and is fetched. */
START_TEST(what_came_beside_an_edit_that_was_edited_there_and_back_is_fetched) {
  begin("{\"policy\":\"merge\"}");
  patches = 0;
  model.after = edit_there_and_back;
  device_run(&device, "UPDATE notes SET a = 'a1'");
  model_put(&model, "notes", "n", "{\"id\":\"n\",\"a\":\"a0\",\"b\":\"b9\",\"deleted_at\":null}");
  device_both(&device);
  model.after = NULL;
  ck_assert_int_eq(patches, 2);
  ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT a || b FROM notes", "a1b9");
  expect("SELECT count(*) FROM leadx_parked", "0");
  expect("SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'", "0");
}
END_TEST

/* ---- triggers of the application ---- */

/* G9: what a trigger makes of a pulled row in other rows is neither kept nor sent. */
START_TEST(a_total_that_a_trigger_keeps_does_not_count_pulled_rows_twice) {
  device_run(&device,
             "CREATE TABLE ord(id TEXT PRIMARY KEY NOT NULL, total INTEGER, updated_at TEXT);"
             "CREATE TABLE item(id TEXT PRIMARY KEY NOT NULL, ord TEXT, amount INTEGER, updated_at "
             "TEXT); SELECT leadx_track('ord'), leadx_track('item');"
             "CREATE TRIGGER sum AFTER INSERT ON item BEGIN UPDATE ord SET total = total + "
             "NEW.amount WHERE id = NEW.ord; END");
  model_put(&model, "ord", "o", "{\"id\":\"o\",\"total\":5}");
  ck_assert_str_eq(device_both(&device), "ok");
  model_put(&model, "item", "i", "{\"id\":\"i\",\"ord\":\"o\",\"amount\":5}");
  for (int i = 0; i < 2; i++) ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT total FROM ord", "5");
  expect("SELECT count(*) FROM sync_queue", "0");
  device_run(&device, "INSERT INTO item VALUES ('j', 'o', 2, NULL)");
  for (int i = 0; i < 2; i++) ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT total FROM ord", "7");
  ck_assert_str_eq(model_value(&model, "ord", "o", "total"), "7");
}
END_TEST

/* T10 */
START_TEST(a_question_ends_with_the_last_change_that_it_is_about) {
  begin("{\"policy\":\"manual\"}");
  device_run(&device, "UPDATE notes SET a = 'a1'");
  model_put(&model, "notes", "n", "{\"id\":\"n\",\"a\":\"a9\",\"b\":\"b0\",\"deleted_at\":null}");
  ck_assert_str_eq(device_both(&device), "partial");
  expect("SELECT count(*) FROM sync_conflicts WHERE winner IS NULL", "1");
  device_run(&device, "SELECT leadx_discard(id) FROM sync_queue WHERE status <> 'SYNCED'");
  expect("SELECT winner || resolution FROM sync_conflicts", "serverdiscarded");
  ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT a FROM notes", "a9");
}
END_TEST

Suite *test_settle_suite(void);
Suite *test_settle_suite(void) {
  Suite *suite = suite_create("settle");
  TCase *meeting = tcase_create("meeting");
  tcase_add_checked_fixture(meeting, set_up, tear_down);
  tcase_add_test(meeting,
                 a_row_that_others_marked_as_deleted_goes_and_the_edit_stands_in_the_audit);
  tcase_add_test(meeting, an_edit_made_while_the_delete_is_met_is_neither_lost_nor_failed);
  tcase_add_test(meeting, a_row_that_was_replaced_and_then_deleted_is_deleted_on_the_server);
  tcase_add_test(meeting, a_decision_is_written_down_once_though_its_answer_was_lost);
  tcase_add_test(meeting, what_others_changed_after_our_create_whose_answer_was_lost_stays);
  tcase_add_test(meeting, a_row_that_has_nothing_of_our_create_is_not_taken_for_ours);
  tcase_add_test(meeting,
                 a_column_that_was_decided_is_not_contested_again_when_another_one_changes);
  tcase_add_test(meeting, a_row_deleted_by_others_after_our_create_arrived_unheard_stays_deleted);
  tcase_add_test(meeting, a_push_whose_lease_is_gone_sends_nothing_more);
  tcase_add_test(meeting, a_row_that_others_refer_to_here_is_removed_when_they_are_gone);
  tcase_add_test(meeting, what_an_answer_could_not_write_back_comes_with_the_next_pull);
  tcase_add_test(meeting, what_came_beside_an_edit_that_was_edited_there_and_back_is_fetched);
  tcase_add_test(meeting, a_total_that_a_trigger_keeps_does_not_count_pulled_rows_twice);
  tcase_add_test(meeting, a_question_ends_with_the_last_change_that_it_is_about);
  tcase_add_loop_test(
      meeting, an_edit_made_while_an_older_one_is_settled_stands_whatever_its_key_is_spelled, 0, 2);
  tcase_add_loop_test(meeting, a_decision_is_about_edits_whatever_their_key_is_spelled, 0, 2);
  tcase_add_loop_test(meeting,
                      a_question_ends_not_before_the_last_change_whatever_its_key_is_spelled, 0, 2);
  tcase_add_loop_test(meeting, a_row_made_again_over_a_deleted_one_meets_no_conflict, 0, 3);
  suite_add_tcase(suite, meeting);
  return suite;
}
