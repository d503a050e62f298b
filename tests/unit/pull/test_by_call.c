/* Pulling by the server's function: its pages, its cursor, deleted rows, answers that are none; and
** how a device finds out that a server has the functions. The server is the model. Names like C12
** are the known ways to lose data that a test stands against. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/instant.h"
#include "fake_transport.h"
#include "functions.h"
#include "pages.h"
#include "suites.h"

static model_server model;
static push_device device;

/* Stands before the functions; 1: it has answered. */
static int (*instead)(leadx_request *req);

static void answer(model_server *server, leadx_request *req) {
  if (!instead || !instead(req)) functions_respond(server, req);
}

static void set_up(void) {
  model_open(&model);
  pages_open(&model);
  device_open(&device, &model);
  functions_open(&model);
  model.functions = answer;
  instead = NULL;
}

static void tear_down(void) {
  device_close(&device);
  model_close(&model);
}

static void expect(const char *sql, const char *text) {
  const char *answer = device_text(&device, sql);
  ck_assert_msg(strcmp(answer, text) == 0, "%s: \"%s\", not \"%s\"", sql, answer, text);
}

static void track_notes(const char *options) {
  char sql[300];
  snprintf(sql, sizeof sql,
           "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, body TEXT, updated_at TEXT); SELECT "
           "leadx_track('notes', '%s')",
           options);
  device_run(&device, sql);
  functions_know(&device);
}

static void put_notes(int from, int to) {
  char key[20], doc[80];
  for (int i = from; i <= to; i++) {
    snprintf(key, sizeof key, "n%03d", i);
    snprintf(doc, sizeof doc, "{\"id\":\"n%03d\",\"body\":\"b%d\"}", i, i);
    model_put(&model, "notes", key, doc);
  }
}

static int calls(void) { return model_seen(&model, "POST", "/rpc/leadx_pull"); }
static const char *cursor(void) { return device_text(&device, "SELECT place FROM leadx_places"); }

/* ---- pages ---- */

START_TEST(pages_follow_the_server_s_cursor_and_an_idle_pull_is_one_request) {
  track_notes("{}");
  put_notes(1, 25);
  device_run(&device, "SELECT leadx_config('page_size', '10')");
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  ck_assert_int_eq(calls(), 3);
  expect("SELECT count(*) || max(body) FROM notes", "25b9");
  expect("SELECT count(*) FROM sync_queue", "0");
  char *place = strdup(cursor());
  model_forget_log(&model);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  ck_assert_int_eq(model.n, 1);
  ck_assert(strstr(model.log[0].body, place) != NULL); /* to the letter */
  ck_assert_str_eq(cursor(), place);
  free(place);
  put_notes(26, 26);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  expect("SELECT count(*) FROM notes", "26");
  ck_assert_int_eq(calls(), 2);
}
END_TEST

/* C10: the cursor is saved with the rows, so an interruption between two pages goes on where it
** stopped. */
static int pages_left;
static int stop_midway(leadx_request *req) {
  if (pages_left-- > 0) return 0;
  fake_fail(req, LEADX_NET_OFFLINE, 56, "reset");
  return 1;
}

START_TEST(a_pull_that_is_cut_off_goes_on_behind_the_last_page_it_applied) {
  track_notes("{}");
  put_notes(1, 30);
  device_run(&device, "SELECT leadx_config('page_size', '10')");
  instead = stop_midway;
  pages_left = 2;
  ck_assert_str_eq(device_pull(&device, NULL), "offline");
  expect("SELECT count(*) FROM notes", "20");
  instead = NULL;
  model_forget_log(&model);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  expect("SELECT count(*) FROM notes", "30");
  ck_assert(strstr(model.log[0].body, "n020") != NULL);
}
END_TEST

START_TEST(single_steps_end_where_a_whole_pull_does) {
  track_notes("{}");
  put_notes(1, 25);
  device_run(&device, "SELECT leadx_config('page_size', '10')");
  int steps = 1;
  while (device_step(&device) && steps < 20) steps++;
  ck_assert_int_eq(steps, 3);
  expect("SELECT count(*) FROM notes", "25");
}
END_TEST

/* C18: a column that came is fetched, and what was deleted before is not forgotten. */
START_TEST(a_new_column_fetches_the_rows_again_and_keeps_the_place_among_the_deleted) {
  track_notes("{}");
  put_notes(1, 3);
  model_remove(&model, "notes", "n003");
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  put_notes(3, 3);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  device_run(&device, "ALTER TABLE notes ADD COLUMN extra TEXT; SELECT leadx_track('notes')");
  functions_know(&device);
  run_on(model.db, "UPDATE rows SET doc = json_set(doc, '$.extra', 'e')");
  model_remove(&model, "notes", "n002");
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  expect("SELECT group_concat(id || extra) FROM notes", "n001e,n003e");
}
END_TEST

/* PostgREST's language cannot be given to a function. */
START_TEST(a_table_with_a_filter_is_read_plainly) {
  track_notes("{\"filter\":\"body=eq.b2\"}");
  put_notes(1, 3);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  expect("SELECT group_concat(id) FROM notes", "n002");
  ck_assert_int_eq(calls(), 0);
}
END_TEST

/* ---- taking over from the plain way, and giving back ---- */

START_TEST(the_function_goes_on_where_the_plain_way_was) {
  track_notes("{}");
  device_run(&device, "UPDATE leadx_servers SET installed = NULL");
  put_notes(1, 5);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  ck_assert_int_eq(calls(), 0);
  model_remove(&model, "notes", "n002"); /* the plain way does not see it */
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  expect("SELECT count(*) FROM notes", "5");
  functions_know(&device);
  put_notes(6, 6);
  model_forget_log(&model);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  expect("SELECT count(*) || min(body) || max(id) FROM notes", "5b1n006");
  ck_assert_int_eq(device_result(&device, "pulled"),
                   2); /* one row, one delete; the others are known */
}
END_TEST

/* The plain way begins at an instant, the function behind a row: what was committed late with that
** very stamp is not passed over. */
START_TEST(a_row_of_the_very_instant_at_which_the_plain_way_would_begin_is_found) {
  char from[LEADX_INSTANT_BYTES], doc[100];
  track_notes("{}");
  device_run(&device, "UPDATE leadx_servers SET installed = NULL");
  put_notes(1, 3);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  sqlite3_int64 began_us = atoll(device_text(&device, "SELECT began_us FROM leadx_cursors"));
  ck_assert_int_gt(began_us, 0);
  leadx_instant_format(began_us - INT64_C(150000000), from);
  snprintf(doc, sizeof doc, "{\"id\":\"late\",\"body\":\"late\",\"updated_at\":\"%s\"}", from);
  pages_put(&model, "notes", doc);
  functions_know(&device);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  expect("SELECT count(*) FROM notes WHERE id = 'late'", "1");
}
END_TEST

static int third_page_is_lost(leadx_request *req) {
  if (model.n < 3) return 0;
  fake_fail(req, LEADX_NET_OFFLINE, 56, "reset");
  return 1;
}

/* A plain pull that was cut off stands behind a row, not at an instant: nothing before it comes
** again, and nothing is passed over, though all rows are of one instant. */
START_TEST(the_function_goes_on_behind_the_very_row_where_the_plain_way_was_cut_off) {
  track_notes("{}");
  device_run(&device,
             "UPDATE leadx_servers SET installed = NULL; SELECT leadx_config('page_size', '10')");
  put_notes(1, 30);
  run_on(model.db,
         "UPDATE rows SET doc = json_set(doc, '$.updated_at', '2024-01-01T00:00:00.000001+00:00')");
  pages_before = third_page_is_lost;
  ck_assert_str_eq(device_pull(&device, NULL), "offline");
  expect("SELECT count(*) FROM notes", "20");
  pages_before = NULL;
  functions_know(&device);
  model_forget_log(&model);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  ck_assert(strstr(model.log[0].body,
                   "\"version\":\"2024-01-01T00:00:00.000001+00:00\",\"key\":[\"n020\"]") != NULL);
  ck_assert(strstr(model.log[0].body, "\"gone_at\":\"2023-12-31T23:57:30.000001Z\"") !=
            NULL); /* the overlap before the oldest row known here */
  expect("SELECT count(*) FROM notes", "30");
  ck_assert_int_eq(device_result(&device, "pulled"), 10);
}
END_TEST

START_TEST(the_place_among_keys_of_several_columns_is_taken_over_as_well) {
  char key[20], doc[100];
  model.key = "a,b";
  device_run(&device, "CREATE TABLE pairs(a TEXT NOT NULL, b TEXT NOT NULL, updated_at TEXT, "
                      "PRIMARY KEY(a, b)); SELECT leadx_track('pairs');"
                      "SELECT leadx_config('page_size', '10')");
  for (int i = 1; i <= 30; i++) {
    snprintf(key, sizeof key, "a|%02d", i);
    snprintf(doc, sizeof doc, "{\"a\":\"a\",\"b\":\"%02d\"}", i);
    model_put(&model, "pairs", key, doc);
  }
  run_on(model.db,
         "UPDATE rows SET doc = json_set(doc, '$.updated_at', '2024-01-01T00:00:00.000001+00:00')");
  pages_before = third_page_is_lost;
  ck_assert_str_eq(device_pull(&device, NULL), "offline");
  pages_before = NULL;
  functions_know(&device);
  model_forget_log(&model);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  ck_assert(strstr(model.log[0].body, "\"key\":[\"a\",\"20\"]") != NULL);
  expect("SELECT count(*) FROM pairs", "30");
  ck_assert_int_eq(device_result(&device, "pulled"), 10);
}
END_TEST

/* A file that somebody sends: its place goes on as it likes. */
static const char *const pasted[] = {"[\"a\",\"20\"]},\"tbl\":\"other\",\"x\":{\"y\":[]",
                                     "null},\"tbl\":\"other\",\"lim\":1",
                                     "[\"a\",\"20\",\"more\"]",
                                     "[\"a\"]",
                                     "[\"a\",{\"b\":1}]",
                                     "a",
                                     ""};

START_TEST(a_place_of_the_file_that_is_no_key_counts_as_none) {
  char doc[100];
  model.key = "a,b";
  device_run(&device, "CREATE TABLE pairs(a TEXT NOT NULL, b TEXT NOT NULL, updated_at TEXT, "
                      "PRIMARY KEY(a, b)); SELECT leadx_track('pairs')");
  snprintf(doc, sizeof doc, "{\"a\":\"a\",\"b\":\"1\"}");
  model_put(&model, "pairs", "a|1", doc);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  device_run(&device, "DELETE FROM leadx_places");
  char *sql = sqlite3_mprintf("UPDATE leadx_cursors SET midway = 1, key = %Q", pasted[_i]);
  device_run(&device, sql);
  sqlite3_free(sql);
  functions_know(&device);
  model_forget_log(&model);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  for (int i = 0; i < model.n; i++) {
    const char *body = model.log[i].body ? model.log[i].body : "";
    ck_assert_msg(!strstr(body, "other") && !strstr(model.log[i].url, "other"), "%s", body);
    ck_assert_msg(!strstr(body, "\"key\""), "%s", body);
  }
  expect("SELECT count(*) FROM pairs", "1");
}
END_TEST

/* Long pages are asked for while the one before is applied: nothing comes twice, and a cut-off
** passes nothing over. */
START_TEST(a_page_that_travels_ahead_is_the_one_behind_the_cursor) {
  track_notes("{}");
  put_notes(1, 900);
  device_run(&device, "SELECT leadx_config('page_size', '300')");
  instead = stop_midway;
  pages_left = 2;
  ck_assert_str_eq(device_pull(&device, NULL), "offline");
  expect("SELECT count(*) FROM notes", "600");
  instead = NULL;
  model_forget_log(&model);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  expect("SELECT count(*) FROM notes", "900");
  ck_assert_int_eq(device_result(&device, "pulled"), 300);
  ck_assert_int_le(calls(), 2);
}
END_TEST

/* A clock on which everything takes 25 ms: a page is applied in several transactions. */
static int64_t slow_wall_us(void *self) {
  (void)self;
  return INT64_C(1767258000000000);
}
static int64_t slow_mono_ms(void *self) {
  static int64_t ms;
  (void)self;
  return ms += 25;
}

/* C10: the cursor of a page is saved with its last rows, not with its first. */
START_TEST(a_page_that_breaks_off_between_two_transactions_comes_again) {
  static const leadx_clock_source slow = {slow_wall_us, slow_mono_ms, NULL};
  leadx_sync_options options = {
      .who = "leadx_pull", .without_push = 1, .with_pull = 1, .request_budget = -1};
  track_notes("{}");
  put_notes(1, 600);
  device_run(&device, "CREATE TRIGGER breaks BEFORE INSERT ON notes WHEN NEW.id = 'n400' BEGIN "
                      "SELECT RAISE(ROLLBACK, 'no'); END");
  leadx_clock_use(&slow);
  const char *state = device_sync_with(&device, options);
  leadx_clock_use(NULL);
  ck_assert_ptr_null(state);
  expect("SELECT count(*) FROM notes", "250");
  device_run(&device, "DROP TRIGGER breaks");
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  expect("SELECT count(*) FROM notes", "600");
}
END_TEST

static const struct refusal {
  long status;
  const char *body;
  int unusable; /* the function itself is the matter */
} refusals[] = {
    {404, "{\"code\":\"PGRST202\",\"message\":\"Could not find the function\"}", 1},
    {404, "<html>", 1},
    {404, "{\"code\":\"42P01\",\"message\":\"table \\\"notes\\\" is not registered\"}", 0},
    {403, "{\"code\":\"42501\",\"message\":\"permission denied for function leadx_pull\"}", 1},
    {400,
     "{\"code\":\"0A000\",\"message\":\"leadx_pull needs the isolation level read committed\"}", 0},
    {500, "{\"code\":\"XX000\",\"message\":\"cache lookup failed\"}", 0},
};
static const struct refusal *refusal;

static int refuse(leadx_request *req) {
  fake_answer_bytes(req, refusal->status, *refusal->body == '<' ? "text/html" : "application/json",
                    refusal->body, strlen(refusal->body));
  return 1;
}

START_TEST(what_the_function_cannot_read_is_read_plainly_in_the_same_pull) {
  track_notes("{}");
  put_notes(1, 5);
  refusal = &refusals[_i];
  instead = refuse;
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  expect("SELECT count(*) FROM notes", "5");
  ck_assert_int_eq(calls(), 1);
  expect("SELECT count(*) FROM leadx_servers WHERE installed IS NOT NULL",
         refusal->unusable ? "0" : "1");
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  ck_assert_int_eq(calls(), refusal->unusable ? 1 : 2);
}
END_TEST

/* Too many bytes for one answer, or too long a statement: fewer rows at a time. */
static int is_large(leadx_request *req) {
  const char *at = strstr(req->body, "\"lim\":");
  if (!at || atoi(at + 6) <= 5) return 0;
  if (atoi(at + 6) > 20) fake_fail(req, LEADX_NET_TOO_LARGE, 0, "too large");
  else
    fake_answer(
        req, 500,
        "{\"code\":\"57014\",\"message\":\"canceling statement due to statement timeout\"}");
  return 1;
}

START_TEST(a_page_that_is_too_big_or_too_slow_is_asked_for_again_with_fewer_rows) {
  track_notes("{}");
  put_notes(1, 12);
  instead = is_large;
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  expect("SELECT count(*) FROM notes", "12");
  ck_assert_int_eq(model_seen(&model, "GET", NULL), 0);
}
END_TEST

/* ---- deleted rows ---- */

static const char family[] =
    "PRAGMA foreign_keys = ON; CREATE TABLE parents(id TEXT PRIMARY KEY NOT NULL, updated_at TEXT);"
    "CREATE TABLE children(id TEXT PRIMARY KEY NOT NULL, parent_id TEXT REFERENCES parents, "
    "updated_at TEXT);"
    "SELECT leadx_track('parents'), leadx_track('children')";

/* C12: the parents' page comes first, and their row cannot go while the child is here. */
START_TEST(deleted_children_and_parents_go_in_one_pull) {
  device_run(&device, family);
  functions_know(&device);
  model_put(&model, "parents", "p", "{\"id\":\"p\"}");
  model_put(&model, "children", "c", "{\"id\":\"c\",\"parent_id\":\"p\"}");
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  expect("SELECT (SELECT count(*) FROM parents) || (SELECT count(*) FROM children)", "11");
  model_remove(&model, "children", "c");
  model_remove(&model, "parents", "p");
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  expect("SELECT (SELECT count(*) FROM parents) || (SELECT count(*) FROM children)", "00");
  expect("SELECT count(*) FROM leadx_parked", "0");
  expect("SELECT count(*) FROM sync_queue", "0");
  model_forget_log(&model);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  ck_assert_int_eq(model.n, 2);
}
END_TEST

/* A parent whose child is new here stays, and is tried again until it can go. */
START_TEST(a_deleted_row_that_others_need_here_waits_for_them) {
  device_run(&device, family);
  functions_know(&device);
  model_put(&model, "parents", "p", "{\"id\":\"p\"}");
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  device_run(&device, "INSERT INTO children VALUES ('mine', 'p', NULL)");
  model_remove(&model, "parents", "p");
  ck_assert_str_eq(device_pull(&device, NULL), "partial");
  expect("SELECT count(*) FROM parents", "1");
  device_run(&device, "DELETE FROM children");
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  expect("SELECT count(*) FROM parents", "0");
}
END_TEST

/* C14 */
START_TEST(a_tombstone_never_goes_over_an_unsent_edit) {
  track_notes("{}");
  put_notes(1, 2);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  device_run(&device, "UPDATE notes SET body = 'mine' WHERE id = 'n001'");
  model_remove(&model, "notes", "n001");
  model_remove(&model, "notes", "n002");
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  expect("SELECT group_concat(id || body) FROM notes", "n001mine");
  ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT count(*) FROM notes", "0");
  expect("SELECT json_extract(client_payload, '$.body') || winner FROM sync_conflicts",
         "mineserver");
  expect("SELECT count(*) FROM leadx_parked", "0");
}
END_TEST

/* A composite key's tombstone is PostgreSQL's array, with blanks; a uuid that was written here in
** capitals keeps them. */
static int bury_by_hand(leadx_request *req) {
  const char *tbl = strstr(req->body, "\"tbl\":\"pairs\"")
                        ? "[\"[\\\"a\\\", \\\"b\\\"]\"]"
                        : "[\"5a71ca00-0000-4000-8000-00000000abcd\"]";
  char answer_text[200];
  snprintf(answer_text, sizeof answer_text,
           "{\"rows\":[],\"gone\":%s,\"cursor\":{\"gone_id\":1},\"more\":false}", tbl);
  fake_answer(req, 200, answer_text);
  return 1;
}

START_TEST(the_keys_of_deleted_rows_are_spelled_as_they_are_here) {
  device_run(
      &device,
      "CREATE TABLE pairs(x TEXT, y TEXT, updated_at TEXT, PRIMARY KEY (x, y)) WITHOUT ROWID;"
      "CREATE TABLE named(id UUID TEXT PRIMARY KEY NOT NULL, updated_at TEXT); SELECT "
      "leadx_track('pairs'), leadx_track('named')");
  functions_know(&device);
  device_run(&device,
             "UPDATE leadx_servers SET installed = json_set(installed, '$.pairs.keys', "
             "json('[\"x\",\"y\"]'));"
             "INSERT INTO leadx_applying VALUES ('test'); INSERT INTO pairs VALUES ('a', 'b', "
             "NULL), ('a', 'c', NULL);"
             "INSERT INTO named VALUES ('5A71CA00-0000-4000-8000-00000000ABCD', NULL); DELETE FROM "
             "leadx_applying;"
             "INSERT INTO leadx_shadow(entity, key, version) VALUES ('pairs', '[\"a\",\"b\"]', "
             "'2026-01-01T00:00:00+00:00'),"
             " ('named', '5A71CA00-0000-4000-8000-00000000ABCD', '2026-01-01T00:00:00+00:00')");
  instead = bury_by_hand;
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  expect("SELECT group_concat(x || y) FROM pairs", "ac");
  expect("SELECT count(*) FROM named", "0");
}
END_TEST

/* ---- answers that are none ---- */

#define ROW "{\"id\":\"n009\",\"body\":\"evil\",\"updated_at\":\"2099-01-01T00:00:00+00:00\"}"
#define GOOD "\"cursor\":{\"gone_id\":9},\"more\":false}"

static const struct strange {
  const char *body, *says;
} strange_answers[] = {
    {"[]", "no page"},
    {"null", "no page"},
    {"[" ROW "]", "no page"},
    {"{\"rows\":[" ROW "],\"gone\":[],"
     "\"more\":false}",
     "without a cursor"},
    {"{\"rows\":[" ROW "],\"gone\":[],\"cursor\":\"x\",\"more\":false}", "without a cursor"},
    {"{\"rows\":[" ROW "],\"gone\":[],\"cursor\":{}}", "the last"},
    {"{\"rows\":[" ROW "],\"gone\":[],\"cursor\":{},\"more\":1}", "the last"},
    {"{\"rows\":{},\"gone\":[]," GOOD, "no page"},
    {"{\"rows\":[" ROW "]," GOOD, "no page"},
    {"{\"rows\":[" ROW "],\"gone\":[null]," GOOD, "without its key"},
    {"{\"rows\":[" ROW "],\"gone\":[7]," GOOD, "without its key"},
    {"{\"rows\":[" ROW "],\"gone\":[\"\"]," GOOD, "without its key"},
    {"{\"rows\":[" ROW "],\"gone\":[\"a\",\"b\",\"c\",\"d\"]," GOOD, "more deleted rows"},
    {"{\"rows\":[" ROW "," ROW "],\"gone\":[]," GOOD, "a row twice"},
    {"{\"rows\":[7],\"gone\":[]," GOOD, "no row"},
    {"{\"rows\":[{\"body\":\"evil\"}],\"gone\":[]," GOOD, "without its key"},
    {"{\"rows\":[{\"id\":\"a\"},{\"id\":\"b\"},{\"id\":\"c\"},{\"id\":\"d\"}],\"gone\":[]," GOOD,
     "more rows"},
    {"{\"rows\":[{\"id\":\"a\",\"updated_at\":\"2020-01-01T00:00:00+00:00\"}],\"gone\":[]," GOOD,
     "another order"},
    {"{\"rows\":[],\"gone\":[],\"cursor\":{\"gone_id\":9},\"more\":true}", "the same place"},
    {"{\"rows\":[" ROW "],\"gone\":[]," GOOD " trailing", ""},
    {"{\"rows\":[" ROW "],\"gone\":[\"n001\"],\"cur", ""},
    {"", "no page"},
    {"<html>Welcome</html>", "HTML"},
};
static const struct strange *strange;

static int answer_strangely(leadx_request *req) {
  fake_answer_bytes(req, 200, *strange->body == '<' ? "text/html" : "application/json",
                    strange->body, strlen(strange->body));
  return 1;
}

START_TEST(
    of_a_page_that_is_not_the_function_s_nothing_is_applied_and_the_next_pull_does_without_it) {
  track_notes("{}");
  put_notes(1, 2);
  device_run(&device, "SELECT leadx_config('page_size', '3')");
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  char *place = strdup(cursor());
  strange = &strange_answers[_i];
  instead = answer_strangely;
  ck_assert_str_eq(device_pull(&device, NULL), "error");
  ck_assert_msg(strstr(device.result, strange->says) != NULL, "%s", device.result);
  expect("SELECT group_concat(id) FROM notes", "n001,n002");
  ck_assert_str_eq(cursor(), place);
  free(place);
  put_notes(3, 3);
  ck_assert_str_eq(device_pull(&device, NULL), "ok"); /* plainly */
  expect("SELECT count(*) FROM notes", "3");
}
END_TEST

/* Cursors that differ from each other, and come round: 2, 4, 8 or 16 of them. */
static int round_bits;
static int answer_in_rounds(leadx_request *req) {
  char body[120];
  int here = model.n % (1 << round_bits);
  snprintf(body, sizeof body,
           "{\"rows\":[],\"gone\":[\"g%d\"],\"cursor\":{\"gone_id\":%d},\"more\":true}", here,
           here);
  if (model.n > 100) fake_fail(req, LEADX_NET_OFFLINE, 56, "for ever");
  else fake_answer(req, 200, body);
  return 1;
}

START_TEST(cursors_that_lead_in_a_circle_end_the_pull_and_the_next_does_without_them) {
  track_notes("{}");
  put_notes(1, 2);
  round_bits = _i;
  instead = answer_in_rounds;
  ck_assert_str_eq(device_pull(&device, NULL), "error");
  ck_assert_msg(strstr(device.result, "pages that lead in a circle") != NULL, "%s", device.result);
  ck_assert_int_le(model.n, 4 << _i);
  ck_assert_str_eq(device_pull(&device, NULL), "ok"); /* plainly */
  expect("SELECT count(*) FROM notes", "2");
}
END_TEST

START_TEST(cursors_that_lead_in_a_circle_end_the_steps_too) {
  int steps = 1;
  track_notes("{}");
  put_notes(1, 2);
  round_bits = _i;
  instead = answer_in_rounds;
  while (device_step(&device) && steps < 90) steps++;
  ck_assert_msg(strstr(device.result, "pages that lead in a circle") != NULL, "%s", device.result);
  ck_assert_int_le(steps, 4 << _i);
  for (steps = 1; device_step(&device) && steps < 20;) steps++; /* plainly */
  expect("SELECT count(*) FROM notes", "2");
}
END_TEST

static const struct free_fault {
  long status;
  const char *body, *state;
} free_faults[] = {
    {0, NULL, "offline"},
    {401, "{\"code\":\"PGRST301\",\"message\":\"JWT expired\"}", "auth_required"},
    {429, "{\"message\":\"slow down\"}", "throttled"},
    {503, "{\"code\":\"PGRST001\",\"message\":\"no connection\"}", "throttled"},
    {302, "", "error"},
};
static const struct free_fault *fault;

static int fail_freely(leadx_request *req) {
  if (fault->status == 0) fake_fail(req, LEADX_NET_OFFLINE, 28, "timed out");
  else fake_answer(req, fault->status, fault->body);
  return 1;
}

/* It is the network's or the token's matter, and the function is still there. */
START_TEST(a_pull_that_nobody_evaluated_ends_and_keeps_what_is_known_of_the_function) {
  track_notes("{}");
  put_notes(1, 2);
  fault = &free_faults[_i];
  instead = fail_freely;
  ck_assert_str_eq(device_pull(&device, NULL), fault->state);
  expect("SELECT count(*) FROM leadx_servers WHERE installed IS NOT NULL", "1");
  instead = NULL;
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  expect("SELECT count(*) FROM notes", "2");
}
END_TEST

/* ---- finding out ---- */

static int questions(void) { return model_seen(&model, "GET", "/rpc/leadx_installed"); }

static int say_installed(leadx_request *req) {
  if (!strstr(req->url, "leadx_installed")) return 0;
  fake_answer(req, 200,
              "{\"notes\":{\"stamp\":true,\"tombstones\":true,\"version\":\"updated_at\",\"keys\":["
              "\"id\"]}}");
  return 1;
}

static void track_unknowing(void) {
  track_notes("{}");
  device_run(&device, "DELETE FROM leadx_servers");
  device.asks = 1;
}

START_TEST(a_device_asks_once_at_the_end_of_a_sync_that_went_well) {
  track_unknowing();
  put_notes(1, 2);
  instead = say_installed;
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_str_eq(pages_url(&model, model.n - 1),
                   "https://model.example/rest/v1/rpc/leadx_installed");
  ck_assert_int_eq(calls(), 0);
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(calls(), 1);
  ck_assert_int_eq(questions(), 1);
  /* The file knows, so another process does, and asks again at work after an hour, or when a table
  ** has come. */
  ck_assert_str_eq(device_both(&device), "ok");
  device_run(&device, "UPDATE leadx_servers SET asked_us = asked_us - 3601000000");
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(questions(), 1);
  put_notes(3, 3);
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(questions(), 2);
  device_run(&device, "CREATE TABLE more(id TEXT PRIMARY KEY NOT NULL, updated_at TEXT); SELECT "
                      "leadx_track('more')");
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(questions(), 3);
}
END_TEST

/* A clock that was set back must not keep the device from asking for a year. */
START_TEST(an_answer_from_the_future_is_asked_for_again) {
  track_unknowing();
  instead = say_installed;
  ck_assert_str_eq(device_both(&device), "ok");
  device_run(&device, "UPDATE leadx_servers SET asked_us = asked_us + 31536000000000");
  put_notes(1, 1);
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(questions(), 2);
}
END_TEST

static int offline(leadx_request *req) {
  fake_fail(req, LEADX_NET_OFFLINE, 7, "refused");
  return 1;
}

START_TEST(a_sync_with_other_cares_does_not_ask) {
  track_unknowing();
  pages_before = offline;
  ck_assert_str_eq(device_both(&device), "offline");
  pages_before = NULL;
  device_run(&device, "INSERT INTO sync_queue(id, entity_type, entity_id, action, payload) VALUES "
                      "('1', 'notes', 'n1', 'BOIL', '{}')");
  ck_assert_str_eq(device_both(&device), "partial");
  while (device_step(&device)) continue;
  ck_assert_int_eq(questions(), 0);
  device_run(&device, "DELETE FROM sync_queue");
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(questions(), 1);
}
END_TEST

/* A "no" may be mended while one works: at work it is asked again after five minutes, idle after an
** hour. */
static const char *const noes[] = {
    "[]",
    "{}",
    "null",
    "",
    "{\"notes\":{\"stamp\":false,\"tombstones\":true,\"version\":\"updated_at\",\"keys\":[\"id\"]}"
    "}",
    "{\"notes\":{\"stamp\":true,\"tombstones\":true,\"version\":\"at\",\"keys\":[\"id\"]}}",
    "{\"notes\":{\"stamp\":true,\"tombstones\":true,\"version\":\"updated_at\",\"keys\":[\"id\","
    "\"x\"]}}",
    "{\"notes\":true}",
    "<html>"};
static int no;

static int say_no(leadx_request *req) {
  fake_answer_bytes(req, 200, *noes[no] == '<' ? "text/html" : "application/json", noes[no],
                    strlen(noes[no]));
  return 1;
}

START_TEST(an_answer_that_is_no_yes_is_a_no) {
  track_unknowing();
  put_notes(1, 1);
  no = _i;
  instead = say_no;
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT count(*) FROM notes", "1");
  ck_assert_int_eq(questions(), 1);
  ck_assert_int_eq(calls(), 0);
}
END_TEST

START_TEST(a_no_is_asked_about_again_after_five_minutes_at_work_and_never_when_idle) {
  track_unknowing();
  model.functions = NULL;
  ck_assert_str_eq(device_both(&device), "ok");
  device_run(&device, "UPDATE leadx_servers SET asked_us = asked_us - 301000000");
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(questions(), 1);
  put_notes(1, 1);
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(questions(), 2);
  device_run(&device, "UPDATE leadx_servers SET asked_us = asked_us - 36001000000");
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(questions(), 2);
}
END_TEST

Suite *test_by_call_suite(void) {
  Suite *suite = suite_create("by_call");
  TCase *tcase = tcase_create("follow");
  tcase_add_checked_fixture(tcase, set_up, tear_down);
#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))
  tcase_add_test(tcase, pages_follow_the_server_s_cursor_and_an_idle_pull_is_one_request);
  tcase_add_test(tcase, a_pull_that_is_cut_off_goes_on_behind_the_last_page_it_applied);
  tcase_add_test(tcase, single_steps_end_where_a_whole_pull_does);
  tcase_add_test(tcase, a_new_column_fetches_the_rows_again_and_keeps_the_place_among_the_deleted);
  tcase_add_test(tcase, a_table_with_a_filter_is_read_plainly);
  tcase_add_test(tcase, the_function_goes_on_where_the_plain_way_was);
  tcase_add_test(tcase, a_row_of_the_very_instant_at_which_the_plain_way_would_begin_is_found);
  tcase_add_test(tcase, a_page_that_breaks_off_between_two_transactions_comes_again);
  tcase_add_test(tcase, the_place_among_keys_of_several_columns_is_taken_over_as_well);
  tcase_add_loop_test(tcase, a_place_of_the_file_that_is_no_key_counts_as_none, 0, 7);
  tcase_add_test(tcase, a_page_that_travels_ahead_is_the_one_behind_the_cursor);
  tcase_add_test(tcase, the_function_goes_on_behind_the_very_row_where_the_plain_way_was_cut_off);
  tcase_add_loop_test(tcase, what_the_function_cannot_read_is_read_plainly_in_the_same_pull, 0,
                      COUNT(refusals));
  tcase_add_test(tcase, a_page_that_is_too_big_or_too_slow_is_asked_for_again_with_fewer_rows);
  tcase_add_test(tcase, deleted_children_and_parents_go_in_one_pull);
  tcase_add_test(tcase, a_deleted_row_that_others_need_here_waits_for_them);
  tcase_add_test(tcase, a_tombstone_never_goes_over_an_unsent_edit);
  tcase_add_test(tcase, the_keys_of_deleted_rows_are_spelled_as_they_are_here);
  tcase_add_loop_test(
      tcase,
      of_a_page_that_is_not_the_function_s_nothing_is_applied_and_the_next_pull_does_without_it, 0,
      COUNT(strange_answers));
  tcase_add_loop_test(
      tcase, cursors_that_lead_in_a_circle_end_the_pull_and_the_next_does_without_them, 1, 5);
  tcase_add_loop_test(tcase, cursors_that_lead_in_a_circle_end_the_steps_too, 1, 5);
  tcase_add_loop_test(tcase,
                      a_pull_that_nobody_evaluated_ends_and_keeps_what_is_known_of_the_function, 0,
                      COUNT(free_faults));
  tcase_add_test(tcase, a_device_asks_once_at_the_end_of_a_sync_that_went_well);
  tcase_add_test(tcase, an_answer_from_the_future_is_asked_for_again);
  tcase_add_test(tcase, a_sync_with_other_cares_does_not_ask);
  tcase_add_loop_test(tcase, an_answer_that_is_no_yes_is_a_no, 0, COUNT(noes));
  tcase_add_test(tcase, a_no_is_asked_about_again_after_five_minutes_at_work_and_never_when_idle);
  suite_add_tcase(suite, tcase);
  return suite;
}
