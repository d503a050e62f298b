/* Pages and cursors, over a model of the server. What goes into the local table is in
** test_intake.c. Names like C2 are the known ways to lose data that a test stands against. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/instant.h"
#include "fake_transport.h"
#include "pages.h"
#include "suites.h"

static model_server model;
static push_device device;

static void set_up(void) {
  model_open(&model);
  pages_open(&model);
  device_open(&device, &model);
  device_run(&device, "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, body TEXT, updated_at "
                      "TEXT); SELECT leadx_track('notes')");
}

static void tear_down(void) {
  device_close(&device);
  model_close(&model);
}

static void setting(const char *name, const char *value) {
  char sql[100];
  snprintf(sql, sizeof sql, "SELECT leadx_config('%s', '%s')", name, value);
  device_text(&device, sql);
}

/* Rows from..to; `tie` of them at a time share a version. */
static void server_rows(int from, int to, int tie) {
  char sql[400];
  snprintf(sql, sizeof sql,
           "WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
           " INSERT INTO rows SELECT 'notes', printf('n%%05d', i), json_object('id', "
           "printf('n%%05d', i), 'body', 'b' || i, 'updated_at',"
           " printf('2024-01-%%02dT%%02d:%%02d:%%02d.%%06d+00:00', 1 + i / %d / 3600 / 24, i / %d "
           "/ 3600 %% 24, i / %d / 60 %% 60, i / %d %% 60, i / %d))"
           " FROM n",
           from, to, tie, tie, tie, tie, tie);
  run_on(model.db, sql);
}

static int local(const char *where) {
  char sql[200];
  snprintf(sql, sizeof sql, "SELECT count(*) FROM notes WHERE %s", where);
  return device_int(&device, sql);
}

static void same_as_server(void) {
  ck_assert_int_eq(local("1"), model_count(&model, "notes"));
  sqlite3_stmt *stmt = NULL;
  ck_assert_int_eq(
      sqlite3_prepare_v2(device.db, "SELECT id, body, updated_at FROM notes", -1, &stmt, NULL),
      SQLITE_OK);
  while (sqlite3_step(stmt) == SQLITE_ROW) {
    const char *id = (const char *)sqlite3_column_text(stmt, 0);
    ck_assert_str_eq((const char *)sqlite3_column_text(stmt, 1),
                     model_value(&model, "notes", id, "body"));
    const char *version = (const char *)sqlite3_column_text(stmt, 2);
    ck_assert_str_eq(version ? version : "", model_value(&model, "notes", id, "updated_at"));
  }
  sqlite3_finalize(stmt);
}

/* ---- pages ---- */

/* C2, C3, C13: rows in one answer, rows asked for, rows that share a version. */
static const struct paging {
  int cap, limit, tie, rows;
} pagings[] = {{1, 1000, 1, 40},   {7, 1000, 1, 100},     {7, 1000, 7, 100},
               {7, 1000, 21, 100}, {0, 10, 10, 100},      {0, 10, 30, 100},
               {0, 10, 15, 100},   {1000, 1000, 1, 2500}, {1000, 5000, 3000, 2500},
               {3, 2, 1, 20},      {0, 1000, 1, 1000},    {0, 250, 1, 251}};

START_TEST(every_row_comes_whatever_the_server_caps_and_however_many_share_a_version) {
  const struct paging *p = &pagings[_i];
  char limit[12];
  snprintf(limit, sizeof limit, "%d", p->limit);
  setting("page_size", limit);
  model.max_rows = p->cap;
  server_rows(1, p->rows, p->tie);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  same_as_server();
  ck_assert_int_eq(device_result(&device, "pulled"), p->rows);
  int page = p->cap && p->cap < p->limit ? p->cap : p->limit;
  ck_assert_int_eq(model.n, (p->rows + page - 1) / page +
                                2); /* an empty page, and one for rows without a version */
}
END_TEST

static void delete_some(leadx_request *req) {
  static int n;
  (void)req;
  char key[20];
  snprintf(key, sizeof key, "n%05d", ++n * 3);
  model_remove(&model, "notes", key);
}

/* C13 */
START_TEST(rows_deleted_between_two_pages_make_no_other_row_be_passed_over) {
  setting("page_size", "10");
  server_rows(1, 100, 1);
  pages_after = delete_some;
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  sqlite3_stmt *stmt = NULL;
  ck_assert_int_eq(sqlite3_prepare_v2(model.db, "SELECT key FROM rows", -1, &stmt, NULL),
                   SQLITE_OK);
  while (sqlite3_step(stmt) == SQLITE_ROW) {
    char where[60];
    snprintf(where, sizeof where, "id = '%s'", (const char *)sqlite3_column_text(stmt, 0));
    ck_assert_int_eq(local(where), 1);
  }
  sqlite3_finalize(stmt);
}
END_TEST

START_TEST(rows_without_a_version_come_with_the_first_pull) {
  static const int caps[] = {0, 1, 4, 5};
  model.max_rows = caps[_i];
  server_rows(1, 4, 1);
  for (int i = 0; i < 6; i++) {
    char doc[80];
    snprintf(doc, sizeof doc, "{\"id\":\"v%d\",\"body\":\"b\",\"updated_at\":null}", i);
    pages_put(&model, "notes", doc);
  }
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  same_as_server();
  server_rows(5, 5, 1);
  model_forget_log(&model);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  ck_assert_int_eq(local("id = 'n00005'"), 1);
}
END_TEST

static int refusals;

/* The page that is too big is asked for again, smaller and without a count: a photo per row must not keep a device from
** ever syncing. */
static int refuse_more_than_12(leadx_request *req) {
  int limit = atoi(strstr(req->url, "limit=") + 6);
  const char *prefer = fake_header(req, "Prefer");
  if (refusals == 0) ck_assert_str_eq(prefer ? prefer : "", "count=planned");
  else ck_assert_ptr_null(prefer);
  if (limit <= 12) return 0;
  if (strstr(device.result, "slow"))
    fake_answer(
        req, 500,
        "{\"code\":\"57014\",\"message\":\"canceling statement due to statement timeout\"}");
  else fake_fail(req, LEADX_NET_TOO_LARGE, 63, "larger than max_response");
  refusals++;
  return 1;
}

START_TEST(a_page_that_is_too_big_or_too_slow_is_asked_for_again_with_fewer_rows) {
  server_rows(1, 100, 1);
  pages_before = refuse_more_than_12;
  refusals = 0;
  snprintf(device.result, sizeof device.result, "%s", _i ? "slow" : "big");
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  same_as_server();
}
END_TEST

static int always_too_big(leadx_request *req) {
  fake_fail(req, LEADX_NET_TOO_LARGE, 63, "larger than max_response");
  return 1;
}

START_TEST(a_single_row_that_is_too_big_ends_the_pull_and_is_said) {
  server_rows(1, 3, 1);
  pages_before = always_too_big;
  ck_assert_str_ne(device_pull(&device, NULL), "ok");
  ck_assert_ptr_nonnull(strstr(device.result, "larger than"));
  ck_assert_int_le(model.n, 12);
}
END_TEST

/* ---- the cursor ---- */

static const char *cursor(const char *column) {
  char sql[100];
  snprintf(sql, sizeof sql, "SELECT %s FROM leadx_cursors WHERE entity = 'notes'", column);
  return device_text(&device, sql);
}

/* C6 */
START_TEST(the_cursor_is_the_servers_own_text) {
  static const char *const versions[] = {"2024-01-01T00:00:00.123456+00:00",
                                         "2024-01-01T07:00:00.1+07:00",
                                         "2024-01-01 00:00:00.123456+00"};
  char doc[120];
  snprintf(doc, sizeof doc, "{\"id\":\"n1\",\"body\":\"b\",\"updated_at\":\"%s\"}", versions[_i]);
  pages_put(&model, "notes", doc);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  ck_assert_str_eq(cursor("version"), versions[_i]);
  ck_assert_str_eq(device_text(&device, "SELECT version FROM leadx_shadow WHERE key = 'n1'"),
                   versions[_i]);
  ck_assert_str_eq(device_text(&device, "SELECT updated_at FROM notes"), versions[_i]);
}
END_TEST

/* Rows of the model as other devices write them, at the model's clock. */
static void write_now(const char *id, int seconds_ago) {
  char doc[160], version[LEADX_INSTANT_BYTES];
  leadx_instant_format(model.clock_us - seconds_ago * (int64_t)1000000, version);
  snprintf(doc, sizeof doc, "{\"id\":\"%s\",\"body\":\"%d\",\"updated_at\":\"%s\"}", id,
           seconds_ago, version);
  pages_put(&model, "notes", doc);
}

static void pass_time(int seconds) { model.clock_us += seconds * (int64_t)1000000; }

/* C1: stamped 140 s before it was committed, while younger rows were pulled already. */
START_TEST(a_row_that_was_committed_late_is_found_by_the_overlap) {
  write_now("a", 5);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  pass_time(30);
  write_now("b", 0);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  pass_time(100);
  write_now("slow", 140);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  same_as_server();
}
END_TEST

/* C1: the same while a long first pull reads on: what counts is when the pull began. */
static void commit_late(leadx_request *req) {
  (void)req;
  pass_time(30);
  if (model.n == 3) write_now("slow", 135);
  if (model.n == 5) write_now("young", 0);
}

START_TEST(a_row_that_was_committed_late_during_a_long_pull_is_found_by_the_next_one) {
  setting("page_size", "10");
  for (int i = 0; i < 60; i++) {
    char id[16];
    snprintf(id, sizeof id, "r%02d", i);
    write_now(id, 70 - i);
  }
  pages_after = commit_late;
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  ck_assert_int_eq(local("id = 'young'"), 1);
  ck_assert_int_eq(local("id = 'slow'"), 0);
  pages_after = NULL;
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  same_as_server();
}
END_TEST

START_TEST(an_idle_round_is_one_request_and_transfers_nothing_whatever_the_table_holds) {
  server_rows(1, 3000, 1);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  for (int i = 0; i < 3; i++) {
    ck_assert_str_eq(device_both(&device), "ok");
    ck_assert_int_eq(device_result(&device, "requests"), 1);
    ck_assert_int_eq(device_result(&device, "pulled"), 0);
  }
  ck_assert_int_lt(
      device_int(&device, "SELECT bytes_in + bytes_out FROM leadx_log ORDER BY at DESC LIMIT 1"),
      10000);
}
END_TEST

/* C7 */
START_TEST(what_was_pulled_is_not_queued) {
  server_rows(1, 500, 1);
  ck_assert_str_eq(device_both(&device), "ok");
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM sync_queue"), 0);
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM leadx_applying"), 0);
  ck_assert_int_eq(model_seen(&model, "POST", NULL) + model_seen(&model, "PATCH", NULL), 0);
}
END_TEST

/* C4 */
START_TEST(a_version_in_the_future_does_not_carry_the_cursor_away) {
  static const char *const futures[] = {"2999-01-01T00:00:00+00:00", "infinity"};
  char doc[120];
  write_now("a", 200);
  snprintf(doc, sizeof doc, "{\"id\":\"z\",\"body\":\"f\",\"updated_at\":\"%s\"}", futures[_i]);
  pages_put(&model, "notes", doc);
  for (int i = 0; i < 3; i++) {
    char id[16];
    snprintf(id, sizeof id, "b%d", i);
    ck_assert_str_eq(device_pull(&device, NULL), "ok");
    pass_time(100);
    write_now(id, 0);
  }
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  same_as_server();
}
END_TEST

static void interrupt_late(leadx_request *req) {
  (void)req;
  if (model.n == 3) sqlite3_interrupt(device.db);
}

/* C10: the third page's transaction fails; nothing of it is there, nor is the cursor behind it. */
START_TEST(a_page_that_could_not_be_committed_comes_again) {
  setting("page_size", "10");
  server_rows(1, 50, 1);
  run_on(device.db, "CREATE TRIGGER boom AFTER INSERT ON notes WHEN NEW.id = 'n00025' AND (SELECT "
                    "count(*) FROM notes) < 40 BEGIN SELECT RAISE(ROLLBACK, 'no'); END");
  leadx_sync_options options = {
      .who = "leadx_pull", .without_push = 1, .with_pull = 1, .request_budget = -1};
  device_sync_with(&device, options);
  ck_assert_int_eq(local("1"), 20);
  ck_assert_str_eq(cursor("key"), "n00020");
  run_on(device.db, "DROP TRIGGER boom");
  pages_after = interrupt_late;
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  same_as_server();
}
END_TEST

static int go_offline(leadx_request *req) {
  if (model.n < 3) return 0;
  fake_fail(req, LEADX_NET_OFFLINE, 7, "no route");
  return 1;
}

START_TEST(an_interrupted_pull_goes_on_where_it_stopped) {
  setting("page_size", "10");
  server_rows(1, 50, 1);
  pages_before = go_offline;
  ck_assert_str_eq(device_pull(&device, NULL), "offline");
  ck_assert_int_eq(local("1"), 20);
  pages_before = NULL;
  model_forget_log(&model);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  same_as_server();
  ck_assert_int_eq(device_result(&device, "pulled"), 30);
  ck_assert_ptr_nonnull(strstr(pages_url(&model, 0), "id.gt.n00020"));
}
END_TEST

static int second_page_is_lost(leadx_request *req) {
  if (model.n < 2) return 0;
  fake_fail(req, LEADX_NET_OFFLINE, 56, "reset");
  return 1;
}

/* A pull that was cut off goes on behind a row of the present, not behind one whose version lies
** ahead of the server's clock. */
START_TEST(a_version_in_the_future_is_no_place_to_go_on_from) {
  static const char *const futures[] = {"2999-01-01T00:00:00+00:00", "infinity"};
  char doc[120];
  setting("page_size", "2");
  write_now("a", 200);
  for (int i = 0; i < 3; i++) {
    snprintf(doc, sizeof doc, "{\"id\":\"z%d\",\"body\":\"f\",\"updated_at\":\"%s\"}", i,
             futures[_i]);
    pages_put(&model, "notes", doc);
  }
  pages_before = second_page_is_lost;
  ck_assert_str_eq(device_pull(&device, NULL), "offline");
  ck_assert_int_eq(local("1"), 2);
  pages_before = NULL;
  write_now("b", 0);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  same_as_server();
}
END_TEST

static void lose_lease(leadx_request *req) {
  (void)req;
  if (model.n != 2) return;
  sqlite3 *other = device_second(&device);
  run_on(other, "UPDATE leadx_lease SET owner = 'another'");
  sqlite3_close(other);
}

/* Another sync has taken over while a page was on its way: what that one does is not undone with
** older rows. */
START_TEST(a_pull_whose_lease_is_gone_applies_nothing_more) {
  setting("page_size", "10");
  server_rows(1, 30, 1);
  pages_after = lose_lease;
  ck_assert_str_eq(device_pull(&device, NULL), "busy");
  ck_assert_int_eq(local("1"), 10);
  ck_assert_int_eq(model.n, 2);
  ck_assert_ptr_nonnull(strstr(device_text(&device, "SELECT key FROM leadx_cursors"), "n00010"));
}
END_TEST

/* A version may be a number that counts changes: 10 comes behind 9. */
START_TEST(a_version_that_counts_is_a_place_like_any_other) {
  char doc[60];
  device_run(&device, "CREATE TABLE counts(id TEXT PRIMARY KEY NOT NULL, rev INTEGER); SELECT "
                      "leadx_untrack('notes'), leadx_track('counts', '{\"version\":\"rev\"}')");
  model.version = "rev";
  setting("page_size", "4");
  for (int i = 1; i <= 25; i++) {
    snprintf(doc, sizeof doc, "{\"id\":\"c%d\",\"rev\":%d}", i, i);
    pages_put(&model, "counts", doc);
  }
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM counts WHERE id = 'c' || rev"), 25);
  ck_assert_str_eq(device_text(&device, "SELECT version FROM leadx_cursors"), "25");
  pages_put(&model, "counts", "{\"id\":\"c7\",\"rev\":26}");
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  ck_assert_int_eq(device_int(&device, "SELECT rev FROM counts WHERE id = 'c7'"), 26);
  ck_assert_int_eq(device_result(&device, "pulled"), 1);
}
END_TEST

/* C17 */
START_TEST(another_user_and_another_server_have_cursors_of_their_own) {
  server_rows(1, 20, 1);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  device_text(&device, "SELECT leadx_set_token('eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJidWRpIn0.x')");
  model_forget_log(&model);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  ck_assert_ptr_null(strstr(pages_url(&model, 0), "gte"));
  device_text(&device,
              "SELECT leadx_configure('https://other.example/rest/v1', 'sb_publishable_model')");
  device_text(&device, "SELECT leadx_set_token('eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJidWRpIn0.x')");
  model_forget_log(&model);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  ck_assert_ptr_null(strstr(pages_url(&model, 0), "gte"));
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM leadx_cursors WHERE user = 'budi'"),
                   2);
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM leadx_cursors"),
                   2); /* nobody's is forgotten */
  same_as_server();
}
END_TEST

/* C18 */
START_TEST(a_new_local_column_is_fetched_for_rows_that_were_known) {
  setting("page_size", "3");
  for (int i = 0; i < 10; i++) {
    char doc[140];
    snprintf(doc, sizeof doc,
             "{\"id\":\"c%d\",\"body\":\"b\",\"colour\":\"red "
             "%d\",\"updated_at\":\"2024-01-01T00:00:0%d+00:00\"}",
             i, i, i);
    pages_put(&model, "notes", doc);
  }
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  device_run(&device, "ALTER TABLE notes ADD COLUMN colour TEXT; SELECT leadx_track('notes')");
  pages_before = go_offline; /* midway, it goes on taking known rows */
  model_forget_log(&model);
  ck_assert_str_eq(device_pull(&device, NULL), "offline");
  pages_before = NULL;
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  ck_assert_int_eq(local("colour = 'red ' || substr(id, 2)"), 10);
  model_forget_log(&model);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  ck_assert_int_eq(model.n, 1);
  ck_assert_int_eq(device_result(&device, "pulled"), 0);
}
END_TEST

START_TEST(a_table_that_is_tracked_again_is_pulled_from_the_beginning) {
  server_rows(1, 20, 1);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  device_run(&device, "SELECT leadx_untrack('notes')");
  server_rows(21, 21, 1);
  device_run(&device,
             "UPDATE notes SET body = 'stray' WHERE id = 'n00003'; SELECT leadx_track('notes')");
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  same_as_server();
}
END_TEST

/* ---- strange answers ---- */

static const char *strange_body;
static int answer_strangely(leadx_request *req) {
  fake_answer(req, 200, strange_body);
  return 1;
}

#define ROW(id, at) \
  "{\"id\":\"" id "\",\"body\":\"x\",\"updated_at\":\"2024-02-0" at "T00:00:00+00:00\"}"

static const struct strange {
  const char *body, *says;
} stranges[] = {
    {"{\"id\":\"x\"}", ""},
    {"null", ""},
    {"[1]", "no row"},
    {"[" ROW("x1", "1") ",[]]", "no row"},
    {"[" ROW("x1", "1") ",{\"body\":\"y\"}]", "without its key"},
    {"[{\"id\":null,\"body\":\"y\"}]", "without its key"},
    {"[{\"ID\":\"x\",\"body\":\"y\"}]", "without its key"},
    {"[" ROW("x1", "1") "," ROW("x1", "1") "]", "twice"},
    {"[" ROW("x1", "1") "," ROW("x2", "2") "," ROW("x3", "3") "," ROW("x4", "4") "]", "more rows"},
    {"[" ROW("x1", "2") "," ROW("x2", "1") "]", "another order"},
    {"[{\"id\":\"old\",\"updated_at\":\"2020-01-01T00:00:00Z\"}]", "another order"},
    {"[" ROW("x1", "1") "", ""},
    {"[" ROW("x1", "1") "] []", ""},
    {"[{\"id\":\"\\ud800\"}]", ""},
    {"<html>welcome to the hotel</html>", ""},
};

/* Nothing is applied, the cursor stays, the message says what came. */
START_TEST(a_strange_answer_changes_nothing_and_is_said) {
  setting("page_size", "3");
  server_rows(1, 2, 1);
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  const char *before = cursor("version || key || midway");
  strange_body = stranges[_i].body;
  pages_before = answer_strangely;
  ck_assert_str_eq(device_pull(&device, NULL), "error");
  ck_assert_msg(strstr(device.result, "pull of notes: ") &&
                    strstr(device.result, stranges[_i].says),
                "%s", device.result);
  ck_assert_str_eq(cursor("version || key || midway"), before);
  pages_before = NULL;
  same_as_server();
}
END_TEST

START_TEST(an_answer_too_deep_changes_nothing) {
  static char body[300];
  snprintf(body, sizeof body, "[{\"id\":\"x\",\"body\":0}]");
  char *at = strstr(body, "0}]");
  memset(at, '[', 70);
  memset(at + 70, ']', 70);
  strcpy(at + 140, "}]");
  strange_body = body;
  pages_before = answer_strangely;
  ck_assert_str_eq(device_pull(&device, NULL), "error");
  ck_assert_msg(strstr(device.result, "\"message\":\"pull of notes: ") != NULL, "%s",
                device.result);
  ck_assert_int_eq(local("1"), 0);
}
END_TEST

START_TEST(a_server_that_ignores_the_condition_does_not_send_us_in_circles) {
  setting("page_size", "3");
  strange_body = "[" ROW("x1", "1") "," ROW("x2", "1") "," ROW("x3", "1") "]";
  pages_before = answer_strangely;
  ck_assert_str_eq(device_pull(&device, NULL), "error");
  ck_assert_int_le(model.n, 3);
  ck_assert_ptr_nonnull(strstr(device.result, "not asked for"));
}
END_TEST

/* Rows that lie behind each other by no order that anybody knows: of three pages each leads to the
** next, and the last to the first. */
static int rounds_have_versions;
static int answer_in_rounds(leadx_request *req) {
  char version[16] = "null", body[120];
  int here = model.n % 3;
  if (rounds_have_versions) snprintf(version, sizeof version, "\"v%d\"", here);
  snprintf(body, sizeof body, "[{\"id\":\"r%d\",\"body\":\"x\",\"updated_at\":%s}]", here, version);
  if (model.n > 40) fake_fail(req, LEADX_NET_OFFLINE, 56, "for ever");
  else fake_answer(req, 200, body);
  return 1;
}

START_TEST(pages_that_lead_in_a_circle_end_the_pull) {
  rounds_have_versions = _i;
  pages_before = answer_in_rounds;
  ck_assert_str_eq(device_pull(&device, NULL), "error");
  ck_assert_msg(strstr(device.result, "pages that lead in a circle") != NULL, "%s", device.result);
  ck_assert_int_le(model.n, 12);
}
END_TEST

/* Steps have no more memory than what one of them leaves to the next. */
START_TEST(pages_that_lead_in_a_circle_end_the_steps_too) {
  int steps = 1;
  rounds_have_versions = _i;
  pages_before = answer_in_rounds;
  while (device_step(&device) && steps < 30) steps++;
  ck_assert_msg(strstr(device.result, "pages that lead in a circle") != NULL, "%s", device.result);
  ck_assert_int_le(steps, 12);
  pages_before = NULL; /* a server that mends its ways is believed */
  for (steps = 1; device_step(&device) && steps < 30;) steps++;
  ck_assert_msg(strstr(device.result, "\"state\":\"error\"") == NULL, "%s", device.result);
  ck_assert_int_lt(steps, 30);
}
END_TEST

/* The page that a step could not apply is asked for again, and leads to the same place. */
START_TEST(a_step_whose_lease_is_gone_has_been_nowhere) {
  int steps = 1;
  setting("page_size", "10");
  server_rows(1, 35, 1);
  ck_assert_int_eq(device_step(&device), 1);
  pages_after = lose_lease;
  device_step(&device);
  ck_assert_ptr_nonnull(strstr(device.result, "\"state\":\"busy\""));
  pages_after = NULL;
  device_run(&device, "DELETE FROM leadx_lease");
  while (device_step(&device) && steps < 30) steps++;
  ck_assert_msg(strstr(device.result, "\"state\":\"ok\"") != NULL, "%s", device.result);
  same_as_server();
}
END_TEST

/* S9: the seconds of the processor that a pull takes of one row with members that nobody has. */
static char *crowded_row;
static int answer_crowded_row(leadx_request *req) {
  fake_answer(req, 200, strstr(req->url, "updated_at=") ? "[]" : crowded_row);
  return 1;
}

static double pull_crowded_row(const char *table) {
  pages_before = answer_crowded_row;
  clock_t began = clock();
  ck_assert_str_eq(device_pull(&device, table), "ok");
  return (double)(clock() - began) / CLOCKS_PER_SEC;
}

START_TEST(a_row_of_members_that_nobody_has_costs_no_more_where_there_are_many_columns) {
  sqlite3_str *columns = sqlite3_str_new(NULL), *row = sqlite3_str_new(NULL);
  sqlite3_str_appendall(columns, "CREATE TABLE wide(id TEXT PRIMARY KEY NOT NULL, updated_at TEXT");
  for (int i = 0; i < 600; i++) sqlite3_str_appendf(columns, ", m%04d TEXT", i);
  sqlite3_str_appendall(columns, "); SELECT leadx_track('wide')");
  sqlite3_str_appendall(row, "[{");
  for (int i = 0; i < 150000; i++) sqlite3_str_appendf(row, "\"m%d\":1,", i);
  sqlite3_str_appendall(row, "\"m\\u0030599\":\"spelled\",\"id\":\"c\","
                             "\"updated_at\":\"2024-01-01T00:00:00Z\"}]");
  char *sql = sqlite3_str_finish(columns);
  crowded_row = sqlite3_str_finish(row);
  device_run(&device, sql);
  double narrow = pull_crowded_row("notes"), wide = pull_crowded_row("wide");
  ck_assert_msg(wide < 6 * narrow + 0.3, "%.2f s, and %.2f s in a wide table", narrow, wide);
  ck_assert_str_eq(device_text(&device, "SELECT m0599 FROM wide"), "spelled");
  sqlite3_free(sql);
  sqlite3_free(crowded_row);
}
END_TEST

START_TEST(members_with_hostile_names_are_ignored) {
  pages_put(&model, "notes",
            "{\"id\":\"h\",\"body\":\"b\",\"updated_at\":\"2024-01-01T00:00:00Z\",\"id\\\"); DROP "
            "TABLE notes; --\":1,\"rowid\":7,\"\":2,"
            "\"sync_queue\":[],\"x\":{\"y\":1}}");
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  ck_assert_int_eq(local("id = 'h' AND body = 'b' AND rowid = 1"), 1);
}
END_TEST

/* ---- tables ---- */

static int no_such_table(leadx_request *req) {
  if (!strstr(req->url, "/absent")) return 0;
  fake_answer(req, 404, strange_body);
  return 1;
}

START_TEST(a_table_that_cannot_be_read_does_not_keep_others_back) {
  device_run(&device, "CREATE TABLE absent(id TEXT PRIMARY KEY NOT NULL, updated_at TEXT); SELECT "
                      "leadx_track('absent', '{\"priority\":1}')");
  server_rows(1, 5, 1);
  strange_body =
      "{\"code\":\"42P01\",\"message\":\"relation \\\"public.absent\\\" does not exist\"}";
  pages_before = no_such_table;
  ck_assert_str_eq(device_pull(&device, NULL), "partial");
  ck_assert_ptr_nonnull(strstr(device.result, "42P01"));
  same_as_server();
  ck_assert_str_eq(
      device_text(
          &device,
          "SELECT ifnull(last_pull_at, 'never') FROM leadx_tables WHERE table_name = 'absent'"),
      "never");
}
END_TEST

START_TEST(modes_filters_and_single_tables_are_respected) {
  device_run(&device,
             "CREATE TABLE out(id TEXT PRIMARY KEY NOT NULL, updated_at TEXT); SELECT "
             "leadx_track('out', '{\"mode\":\"push\"}');"
             "CREATE TABLE inn(id TEXT PRIMARY KEY NOT NULL, city TEXT, updated_at TEXT);"
             "SELECT leadx_track('inn', '{\"mode\":\"pull\",\"filter\":\"city=eq.Solo\"}')");
  pages_put(&model, "inn",
            "{\"id\":\"a\",\"city\":\"Solo\",\"updated_at\":\"2024-01-01T00:00:00Z\"}");
  pages_put(&model, "inn",
            "{\"id\":\"b\",\"city\":\"Bali\",\"updated_at\":\"2024-01-01T00:00:01Z\"}");
  ck_assert_str_eq(device_pull(&device, "inn"), "ok");
  ck_assert_int_eq(model_seen(&model, NULL, "/notes?"), 0);
  ck_assert_str_eq(device_text(&device, "SELECT group_concat(id) FROM inn"), "a");
  ck_assert_str_eq(device_pull(&device, NULL), "ok");
  ck_assert_int_gt(model_seen(&model, NULL, "/notes?"), 0);
  ck_assert_int_eq(model_seen(&model, NULL, "/out?"), 0);
}
END_TEST

/* ---- steps ---- */

START_TEST(steps_send_one_request_each_and_end) {
  static const int caps[] = {0, 7, 1};
  model.max_rows = caps[_i];
  setting("page_size", "10");
  device_run(&device, "CREATE TABLE more(id TEXT PRIMARY KEY NOT NULL, updated_at TEXT); SELECT "
                      "leadx_track('more');"
                      "INSERT INTO notes VALUES ('mine', 'local', '2024-01-01T00:00:00Z')");
  server_rows(1, 35, 1);
  for (int i = 0; i < 12; i++) {
    char doc[80];
    snprintf(doc, sizeof doc, "{\"id\":\"m%02d\",\"updated_at\":%s}", i,
             i % 2 ? "null" : "\"2999-01-01T00:00:00Z\"");
    pages_put(&model, "more", doc);
  }
  device_run(
      &device,
      "INSERT INTO leadx_parked(entity, key, reason) SELECT 'notes', printf('n%05d', value), "
      "'discarded' FROM json_each('[1,2,3,4,5,6,7,8,9,10,11,12]')");
  for (int round = 0; round < 2; round++) {
    int steps = 1;
    while (device_step(&device) && steps < 120) steps++;
    ck_assert_int_lt(steps, 120);
    same_as_server();
    ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM more"), 12);
    ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM leadx_parked"), 0);
  }
}
END_TEST

Suite *test_pull_suite(void) {
  Suite *suite = suite_create("pull");
  TCase *pages = tcase_create("pages"), *cursors = tcase_create("cursor"),
        *answers = tcase_create("answers"), *tables = tcase_create("tables");
  TCase *all[] = {pages, cursors, answers, tables};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    tcase_add_checked_fixture(all[i], set_up, tear_down);
    suite_add_tcase(suite, all[i]);
  }
  tcase_add_loop_test(pages,
                      every_row_comes_whatever_the_server_caps_and_however_many_share_a_version, 0,
                      (int)(sizeof pagings / sizeof pagings[0]));
  tcase_add_test(pages, rows_deleted_between_two_pages_make_no_other_row_be_passed_over);
  tcase_add_loop_test(pages, rows_without_a_version_come_with_the_first_pull, 0, 4);
  tcase_add_loop_test(pages, a_page_that_is_too_big_or_too_slow_is_asked_for_again_with_fewer_rows,
                      0, 2);
  tcase_add_test(pages, a_single_row_that_is_too_big_ends_the_pull_and_is_said);
  tcase_add_loop_test(cursors, the_cursor_is_the_servers_own_text, 0, 3);
  tcase_add_test(cursors, a_row_that_was_committed_late_is_found_by_the_overlap);
  tcase_add_test(cursors,
                 a_row_that_was_committed_late_during_a_long_pull_is_found_by_the_next_one);
  tcase_add_test(cursors,
                 an_idle_round_is_one_request_and_transfers_nothing_whatever_the_table_holds);
  tcase_add_test(cursors, what_was_pulled_is_not_queued);
  tcase_add_loop_test(cursors, a_version_in_the_future_does_not_carry_the_cursor_away, 0, 2);
  tcase_add_test(cursors, a_page_that_could_not_be_committed_comes_again);
  tcase_add_test(cursors, an_interrupted_pull_goes_on_where_it_stopped);
  tcase_add_loop_test(cursors, a_version_in_the_future_is_no_place_to_go_on_from, 0, 2);
  tcase_add_test(cursors, a_version_that_counts_is_a_place_like_any_other);
  tcase_add_test(cursors, a_pull_whose_lease_is_gone_applies_nothing_more);
  tcase_add_test(cursors, another_user_and_another_server_have_cursors_of_their_own);
  tcase_add_test(cursors, a_new_local_column_is_fetched_for_rows_that_were_known);
  tcase_add_test(cursors, a_table_that_is_tracked_again_is_pulled_from_the_beginning);
  tcase_add_loop_test(answers, a_strange_answer_changes_nothing_and_is_said, 0,
                      (int)(sizeof stranges / sizeof stranges[0]));
  tcase_add_test(answers, an_answer_too_deep_changes_nothing);
  tcase_add_test(answers, a_server_that_ignores_the_condition_does_not_send_us_in_circles);
  tcase_add_loop_test(answers, pages_that_lead_in_a_circle_end_the_pull, 0, 2);
  tcase_add_loop_test(answers, pages_that_lead_in_a_circle_end_the_steps_too, 0, 2);
  tcase_add_test(answers, a_step_whose_lease_is_gone_has_been_nowhere);
  tcase_add_test(answers,
                 a_row_of_members_that_nobody_has_costs_no_more_where_there_are_many_columns);
  tcase_add_test(answers, members_with_hostile_names_are_ignored);
  tcase_add_test(tables, a_table_that_cannot_be_read_does_not_keep_others_back);
  tcase_add_test(tables, modes_filters_and_single_tables_are_respected);
  tcase_add_loop_test(tables, steps_send_one_request_each_and_end, 0, 3);
  return suite;
}
