/* What people decide about open conflicts, over a model of the server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_transport.h"
#include "pages.h"
#include "suites.h"

static model_server model;
static push_device device;

static void expect(const char *sql, const char *text) {
  const char *answer = device_text(&device, sql);
  ck_assert_msg(strcmp(answer, text) == 0, "%s: \"%s\", not \"%s\"", sql, answer, text);
}

static void server(const char *column, const char *text) {
  const char *value = model_value(&model, "notes", "n", column);
  ck_assert_msg(strcmp(value, text) == 0, "the server's %s: \"%s\", not \"%s\"", column, value,
                text);
}

/* A row that both sides changed: a and b on both (contested), c only on the server, d only here.
** Nobody touched e. */
static void set_up(void) {
  model_open(&model);
  pages_open(&model);
  device_open(&device, &model);
  device_run(&device, "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, a TEXT, b TEXT, c TEXT, d "
                      "TEXT, e TEXT, updated_at TEXT);"
                      "SELECT leadx_track('notes', '{\"policy\":\"manual\"}')");
  model_put(&model, "notes", "n",
            "{\"id\":\"n\",\"a\":\"a0\",\"b\":\"b0\",\"c\":\"c0\",\"d\":\"d0\",\"e\":\"e0\"}");
  ck_assert_str_eq(device_both(&device), "ok");
  device_run(&device, "UPDATE notes SET a = 'a1', b = 'b1', d = 'd1'");
  model_put(&model, "notes", "n",
            "{\"id\":\"n\",\"a\":\"a2\",\"b\":\"b2\",\"c\":\"c2\",\"d\":\"d0\",\"e\":\"e0\"}");
  ck_assert_str_eq(device_both(&device), "partial");
  expect("SELECT count(*) FROM sync_conflicts WHERE winner IS NULL", "1");
  expect("SELECT a || b || c || d || e FROM notes", "a1b1c0d1e0");
  server("a", "a2");
}

static void tear_down(void) {
  device_close(&device);
  model_close(&model);
}

static void resolve(const char *choice) {
  char sql[300];
  snprintf(sql, sizeof sql,
           "SELECT leadx_resolve(id, %s) FROM (SELECT id FROM sync_conflicts WHERE winner IS NULL)",
           choice);
  device_run(&device, sql);
}

/* After the next sync both sides have this, and nothing is left to do. */
static void ends(const char *a, const char *b, const char *c, const char *d, const char *e) {
  char row[60];
  for (int i = 0; i < 2; i++) {
    ck_assert_str_eq(device_both(&device), "ok");
    snprintf(row, sizeof row, "%s%s%s%s%s", a, b, c, d, e);
    expect("SELECT a || b || c || d || e FROM notes", row);
    expect("SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'", "0");
    expect("SELECT count(*) FROM sync_conflicts WHERE winner IS NULL", "0");
    expect("SELECT count(*) FROM sync_conflicts", "1");
  }
  server("a", a);
  server("b", b);
  server("c", c);
  server("d", d);
  server("e", e);
  ck_assert_int_eq(device_result(&device, "requests"), 1);
  ck_assert_str_eq(device_text(&device, "SELECT updated_at FROM notes"),
                   model_value(&model, "notes", "n", "updated_at"));
}

static const struct choice {
  const char *sql, *a, *b;
} choices[] = {{"'client'", "a1", "b1"},
               {"'server'", "a2", "b2"},
               {"'merge', '{\"a\":\"a3\",\"b\":\"b2\"}'", "a3", "b2"},
               {"'merge', '{\"b\":\"b1\",\"a\":\"a2\"}'", "a2", "b1"}};

/* The contested columns end as decided; what only one side changed is that side's, whatever the
** choice. */
START_TEST(a_decision_settles_the_contested_columns_and_keeps_the_others_edits) {
  const struct choice *choice = &choices[_i];
  resolve(choice->sql);
  ends(choice->a, choice->b, "c2", "d1", "e0");
}
END_TEST

/* An edit that was found by comparing names its columns and has no base. */
START_TEST(a_decision_about_an_edit_that_no_trigger_saw_leaves_what_only_the_server_changed) {
  static const char *const sides[] = {"'client'", "'server'"};
  resolve("'server'");
  ck_assert_str_eq(device_both(&device), "ok");
  device_run(&device, device_text(&device, "SELECT group_concat('DROP TRIGGER ' || name, ';') FROM "
                                           "sqlite_master WHERE tbl_name = 'notes'"
                                           " AND type = 'trigger'"));
  device_run(&device, "UPDATE notes SET a = 'a7'");
  model_put(&model, "notes", "n",
            "{\"id\":\"n\",\"a\":\"a8\",\"b\":\"b2\",\"c\":\"c8\",\"d\":\"d1\",\"e\":\"e0\"}");
  ck_assert_str_eq(device_both(&device), "partial");
  resolve(sides[_i]);
  ck_assert_str_eq(device_both(&device), "ok");
  server("a", _i ? "a8" : "a7");
  server("c", "c8");
  expect("SELECT a || c FROM notes", _i ? "a8c8" : "a7c8");
}
END_TEST

/* What was shown is what was decided on: the decision goes out on that version at once, and the row
** has the server's stamp only when the server has the row. */
START_TEST(a_decision_for_the_client_is_one_request_on_the_version_that_was_shown) {
  char before[40];
  snprintf(before, sizeof before, "%s",
           device_text(&device, "SELECT ifnull(updated_at, '') FROM notes"));
  resolve("'client'");
  expect("SELECT ifnull(updated_at, '') FROM notes", before);
  model_forget_log(&model);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model.n, 1);
  ck_assert_int_eq(model_seen(&model, "PATCH", "updated_at=eq."), 1);
  expect("SELECT updated_at FROM notes", model_value(&model, "notes", "n", "updated_at"));
}
END_TEST

START_TEST(edits_made_while_the_question_is_open_are_kept) {
  const struct choice *choice = &choices[_i];
  device_run(&device, "UPDATE notes SET e = 'e5', d = 'd5'");
  ck_assert_str_eq(device_both(&device), "partial");
  server("e", "e0"); /* the row waits */
  resolve(choice->sql);
  ends(choice->a, choice->b, "c2", "d5", "e5");
}
END_TEST

START_TEST(an_edit_of_the_contested_column_itself_is_what_the_client_has) {
  device_run(&device, "UPDATE notes SET a = 'a6'");
  resolve("'client'");
  ends("a6", "b1", "c2", "d1", "e0");
}
END_TEST

START_TEST(a_row_deleted_while_the_question_is_open_ends_as_decided) {
  device_run(&device, "DELETE FROM notes");
  resolve(choices[_i].sql);
  ck_assert_str_eq(device_both(&device), "ok");
  int servers = strcmp(choices[_i].sql, "'server'") == 0;
  ck_assert_int_eq(model_count(&model, "notes"), servers);
  expect("SELECT count(*) FROM notes", servers ? "1" : "0");
  if (servers) expect("SELECT a || b || c || d || e FROM notes", "a2b2c2d0e0");
  expect("SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'", "0");
}
END_TEST

/* The server did it, and the answer is lost. */
static void lose_answer(void *ctx, leadx_request *req) {
  (void)ctx;
  if (strcmp(req->method, "POST") != 0) return;
  fake_fail(req, LEADX_NET_OFFLINE, 56, "the answer was lost");
  model.after = NULL;
}

/* A row made here, whose CREATE arrived unheard. Others changed it since, and so did we: what only
** they changed is theirs, although the CREATE speaks of it. */
START_TEST(a_decision_about_a_row_made_here_leaves_what_only_the_server_changed) {
  resolve("'server'"); /* the other row's question */
  device_run(&device, "INSERT INTO notes(id, a, b, c) VALUES ('m', 'a0', 'b0', 'c0')");
  model.after = lose_answer;
  ck_assert_str_eq(device_both(&device), "offline");
  device_run(&device, "UPDATE notes SET a = 'a1' WHERE id = 'm'");
  model_put(&model, "notes", "m",
            "{\"id\":\"m\",\"a\":\"a2\",\"b\":\"b0\",\"c\":\"c2\",\"d\":null,\"e\":null}");
  ck_assert_str_eq(device_both(&device), "partial");
  expect("SELECT \"column\" || base || client || server FROM leadx_conflicts WHERE winner IS NULL",
         "aa0a1a2");
  resolve(choices[_i].sql);
  ck_assert_str_eq(device_both(&device), "ok");
  const char *a = _i == 0 ? "a1" : "a2";
  ck_assert_str_eq(model_value(&model, "notes", "m", "a"), a);
  ck_assert_str_eq(model_value(&model, "notes", "m", "c"), "c2");
  expect("SELECT c FROM notes WHERE id = 'm'", "c2");
  expect("SELECT a FROM notes WHERE id = 'm'", a);
}
END_TEST

/* The server's row refers to one that no pull has brought yet. Whatever is chosen is carried out,
** and the reference comes with what it refers to. */
START_TEST(a_decision_for_a_row_that_refers_to_one_not_here_yet_is_carried_out) {
  device_run(&device, "PRAGMA foreign_keys=ON; CREATE TABLE lines(id TEXT PRIMARY KEY NOT NULL, "
                      "note TEXT REFERENCES notes(id), x TEXT, y TEXT, updated_at TEXT);"
                      "SELECT leadx_track('lines', '{\"policy\":\"manual\"}')");
  resolve("'server'"); /* the other row's question */
  model_put(&model, "lines", "l", "{\"id\":\"l\",\"note\":\"n\",\"x\":\"x0\",\"y\":\"y0\"}");
  ck_assert_str_eq(device_both(&device), "ok");
  device_run(&device, "UPDATE lines SET x = 'x1', y = 'y1'");
  model_put(&model, "notes", "late", "{\"id\":\"late\",\"a\":\"a\"}");
  model_put(&model, "lines", "l", "{\"id\":\"l\",\"note\":\"late\",\"x\":\"x2\",\"y\":\"y0\"}");
  device_sync(&device); /* the push alone meets the conflict */
  resolve(choices[_i].sql);
  const char *x = _i == 0 ? "x1" : "x2";
  for (int i = 0; i < 2; i++) ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT note || x || y FROM lines", _i == 0 ? "latex1y1" : "latex2y1");
  ck_assert_str_eq(model_value(&model, "lines", "l", "note"), "late");
  ck_assert_str_eq(model_value(&model, "lines", "l", "x"), x);
  ck_assert_str_eq(model_value(&model, "lines", "l", "y"), "y1");
  expect("SELECT count(*) FROM leadx_parked", "0");
}
END_TEST

/* Two more people changed the row since: what was decided on the version shown meets them as any
** edit does. */
START_TEST(a_decision_on_a_version_that_has_passed_is_a_new_question) {
  model_put(&model, "notes", "n",
            "{\"id\":\"n\",\"a\":\"a7\",\"b\":\"b2\",\"c\":\"c7\",\"d\":\"d0\",\"e\":\"e0\"}");
  resolve("'client'");
  ck_assert_str_eq(device_both(&device), "partial");
  server("a", "a7");
  expect("SELECT contested FROM sync_conflicts WHERE winner IS NULL", "[\"a\"]");
}
END_TEST

START_TEST(a_question_holds_its_row_alone) {
  device_run(&device, "INSERT INTO notes(id, a) VALUES ('other', 'x')");
  ck_assert_str_eq(device_both(&device), "partial");
  ck_assert_str_eq(model_value(&model, "notes", "other", "a"), "x");
  expect("SELECT count(*) FROM sync_conflicts", "1");
}
END_TEST

static const struct wrong {
  const char *arguments, *says;
} wrongs[] = {
    {"'nobody', 'client'", "no conflict has the id"},
    {"id, 'mine'", "must be 'client', 'server' or 'merge'"},
    {"id, 'CLIENT'", "must be 'client', 'server' or 'merge'"},
    {"id, NULL", "leadx_resolve"},
    {"id, 'merge'", "takes the final values"},
    {"id, 'client', '{}'", "takes the final values"},
    {"id, 'merge', '[]'", "must be a JSON object"},
    {"id, 'merge', '{'", "must be a JSON object"},
    {"id, 'merge', '{\"a\":1}'", "exactly those of the contested columns"},
    {"id, 'merge', '{\"a\":1,\"b\":2,\"c\":3}'", "exactly those of the contested columns"},
    {"id, 'merge', '{\"a\":1,\"A\":2}'", "exactly those of the contested columns"},
    {"id, 'merge', '{\"a\":1,\"a\":2}'", "exactly those of the contested columns"},
};

START_TEST(a_wrong_call_says_so_and_changes_nothing) {
  char sql[300];
  snprintf(sql, sizeof sql, "SELECT leadx_resolve(%s) FROM (SELECT id FROM sync_conflicts)",
           wrongs[_i].arguments);
  const char *error = device_error(&device, sql);
  ck_assert_msg(strstr(error, wrongs[_i].says) != NULL, "%s", error);
  expect("SELECT count(*) FROM sync_conflicts WHERE winner IS NULL", "1");
  expect("SELECT a || b || c || d FROM notes", "a1b1c0d1");
}
END_TEST

START_TEST(a_conflict_is_decided_once) {
  resolve("'server'");
  ck_assert_ptr_nonnull(
      strstr(device_error(&device, "SELECT leadx_resolve(id, 'client') FROM sync_conflicts"),
             "decided already"));
}
END_TEST

START_TEST(a_conflict_of_a_table_that_is_not_tracked_any_more_cannot_be_decided) {
  device_run(&device, "SELECT leadx_untrack('notes')");
  ck_assert_ptr_nonnull(
      strstr(device_error(&device, "SELECT leadx_resolve(id, 'client') FROM sync_conflicts"),
             "not tracked"));
}
END_TEST

static const char *const damages[] = {
    "client_payload = '{'", "server_payload = '[]'",         "contested = '{}'",
    "contested = '[1]'",    "contested = '[\"a\",[\"b\"]]'", "contested = '[null,true]'"};

START_TEST(a_conflict_whose_record_is_damaged_is_left_open_and_says_so) {
  char sql[100];
  snprintf(sql, sizeof sql, "UPDATE sync_conflicts SET %s", damages[_i]);
  device_run(&device, sql);
  ck_assert_ptr_nonnull(
      strstr(device_error(&device, "SELECT leadx_resolve(id, 'client') FROM sync_conflicts"),
             "is damaged; leadx_discard() the change instead"));
  expect("SELECT count(*) FROM sync_conflicts WHERE winner IS NULL", "1");
  expect("SELECT count(*) FROM sync_queue WHERE error_code = 'conflict'", "1");
  expect("SELECT a || b || c || d FROM notes", "a1b1c0d1");
}
END_TEST

/* A file that somebody sends: what is read as a name is as long as the file likes. */
START_TEST(a_contested_number_among_texts_is_no_name_however_it_is_decided) {
  device_run(&device, "UPDATE sync_conflicts SET contested = "
                      "'[1,\"' || replace(hex(zeroblob(50000)), '00', 'A') || '\\n\"]'");
  static const char *const answers[] = {"'client'", "'server'", "'merge', '{\"a\":1,\"b\":2}'"};
  for (int i = 0; i < 3; i++) {
    char sql[200];
    snprintf(sql, sizeof sql, "SELECT leadx_resolve(id, %s) FROM sync_conflicts", answers[i]);
    ck_assert_ptr_nonnull(strstr(device_error(&device, sql), "is damaged"));
  }
  expect("SELECT count(*) FROM sync_conflicts WHERE winner IS NULL", "1");
}
END_TEST

START_TEST(a_decision_is_undone_with_the_callers_transaction) {
  const char *before = device_text(
      &device, "SELECT group_concat(status || ifnull(error_code, '')) FROM sync_queue");
  device_run(&device, "BEGIN");
  resolve("'merge', '{\"a\":\"a3\",\"b\":\"b3\"}'");
  expect("SELECT a || b || c FROM notes", "a3b3c2");
  device_run(&device, "ROLLBACK");
  expect("SELECT a || b || c FROM notes", "a1b1c0");
  ck_assert_str_eq(
      device_text(&device, "SELECT group_concat(status || ifnull(error_code, '')) FROM sync_queue"),
      before);
  resolve("'server'");
  ends("a2", "b2", "c2", "d1", "e0");
}
END_TEST

Suite *test_resolve_suite(void) {
  Suite *suite = suite_create("resolve");
  TCase *tcase = tcase_create("decisions");
  int nchoices = (int)(sizeof choices / sizeof choices[0]);
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_loop_test(tcase, a_decision_settles_the_contested_columns_and_keeps_the_others_edits, 0,
                      nchoices);
  tcase_add_loop_test(
      tcase, a_decision_about_an_edit_that_no_trigger_saw_leaves_what_only_the_server_changed, 0,
      2);
  tcase_add_test(tcase, a_decision_for_the_client_is_one_request_on_the_version_that_was_shown);
  tcase_add_loop_test(tcase, edits_made_while_the_question_is_open_are_kept, 0, nchoices);
  tcase_add_test(tcase, an_edit_of_the_contested_column_itself_is_what_the_client_has);
  tcase_add_loop_test(tcase, a_row_deleted_while_the_question_is_open_ends_as_decided, 0, nchoices);
  tcase_add_loop_test(tcase, a_decision_about_a_row_made_here_leaves_what_only_the_server_changed,
                      0, 2);
  tcase_add_loop_test(tcase, a_decision_for_a_row_that_refers_to_one_not_here_yet_is_carried_out, 0,
                      2);
  tcase_add_test(tcase, a_decision_on_a_version_that_has_passed_is_a_new_question);
  tcase_add_test(tcase, a_question_holds_its_row_alone);
  tcase_add_loop_test(tcase, a_wrong_call_says_so_and_changes_nothing, 0,
                      (int)(sizeof wrongs / sizeof wrongs[0]));
  tcase_add_test(tcase, a_conflict_is_decided_once);
  tcase_add_test(tcase, a_conflict_of_a_table_that_is_not_tracked_any_more_cannot_be_decided);
  tcase_add_loop_test(tcase, a_conflict_whose_record_is_damaged_is_left_open_and_says_so, 0, 6);
  tcase_add_test(tcase, a_contested_number_among_texts_is_no_name_however_it_is_decided);
  tcase_add_test(tcase, a_decision_is_undone_with_the_callers_transaction);
  suite_add_tcase(suite, tcase);
  return suite;
}
