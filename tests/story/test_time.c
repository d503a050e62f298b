/* Clocks that are wrong and times in every spelling, over a model of the server. Section D of the
** known ways to lose data; the spellings themselves are in test_clock.c. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "fake_transport.h"
#include "pages.h"
#include "suites.h"

static model_server model;
static push_device device;
static int64_t skew_us, waited_ms;

#define YEAR_US (INT64_C(365) * 86400 * 1000000)
#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))

static int64_t wall_us(void *self) {
  (void)self;
  return INT64_C(1767258000) * 1000000 + skew_us; /* 2026-01-01T09:00:00Z */
}

static int64_t mono_ms(void *self) {
  static int64_t ms;
  (void)self;
  return ++ms + waited_ms;
}

static void set_up(void) {
  static const leadx_clock_source source = {wall_us, mono_ms, NULL};
  skew_us = waited_ms = 0;
  leadx_clock_use(&source);
  model_open(&model);
  pages_open(&model);
  model.clock_us = wall_us(NULL);
  device_open(&device, &model);
}

static void tear_down(void) {
  device_close(&device);
  model_close(&model);
  leadx_clock_use(NULL);
}

static void expect(const char *sql, const char *text) {
  const char *answer = device_text(&device, sql);
  ck_assert_msg(strcmp(answer, text) == 0, "%s: \"%s\", not \"%s\"", sql, answer, text);
}

static void begin(const char *type) {
  char sql[200];
  snprintf(sql, sizeof sql,
           "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, body TEXT, updated_at %s); SELECT "
           "leadx_track('notes')",
           type);
  device_run(&device, sql);
  model_put(&model, "notes", "n", "{\"id\":\"n\",\"body\":\"old\"}");
  ck_assert_str_eq(device_both(&device), "ok");
}

/* A row that waits is sent when its time has come, and at once when only a clock that jumped can
** have set its time. */
static const struct wait_case {
  const char *next_try_at;
  int sent;
} waits[] = {{"2026-01-01T08:59:59.000000Z", 1},
             {"2026-01-01T09:00:30.000000Z", 0},
             {"2027-01-01T09:00:00.000000Z", 1},
             {"2036-01-01T09:00:00.000000Z", 1},
             {"1996-01-01T09:00:00.000000Z", 1}};

START_TEST(a_clock_that_jumped_parks_no_row) {
  char sql[200];
  begin("TEXT");
  device_run(&device, "UPDATE notes SET body = 'new'");
  snprintf(sql, sizeof sql, "UPDATE sync_queue SET next_try_at = '%s'", waits[_i].next_try_at);
  device_run(&device, sql);
  device_sync(&device);
  ck_assert_str_eq(model_value(&model, "notes", "n", "body"), waits[_i].sent ? "new" : "old");
}
END_TEST

/* The device's clock decides nothing but who is newer: whatever it jumps to, what is written
** arrives, and what others write comes. */
START_TEST(a_clock_ten_years_off_delivers_and_fetches) {
  static const int64_t jumps[] = {10 * YEAR_US, -10 * YEAR_US, 0, -100 * YEAR_US};
  begin("TEXT");
  for (int i = 0; i < COUNT(jumps); i++) {
    char sql[200], id[16], doc[60];
    skew_us = jumps[i];
    snprintf(sql, sizeof sql, "INSERT INTO notes VALUES ('d%d', 'mine', NULL)", i);
    device_run(&device, sql);
    snprintf(id, sizeof id, "s%d", i);
    snprintf(doc, sizeof doc, "{\"id\":\"%s\",\"body\":\"theirs\"}", id);
    model_put(&model, "notes", id, doc);
    ck_assert_str_eq(device_both(&device), "ok");
    snprintf(id, sizeof id, "d%d", i);
    ck_assert_str_eq(model_value(&model, "notes", id, "body"), "mine");
    snprintf(sql, sizeof sql, "SELECT count(*) FROM notes WHERE id = 's%d' AND body = 'theirs'", i);
    expect(sql, "1");
    expect("SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'", "0");
  }
}
END_TEST

/* The server's edit is of 09:00:00.000002Z. Compared as texts or numbers, each of these would come
** out otherwise. */
static const struct spelling {
  const char *type, *stamp, *winner;
} spellings[] = {
    {"TEXT", "'2026-01-01 10:00:00'", "client"},
    {"TEXT", "'2026-01-01 08:00:00'", "server"},
    {"TEXT", "'2026-01-01T09:00:00.5Z'", "client"},
    {"TEXT", "'2026-01-01T09:00:00Z'", "server"},
    {"TEXT", "'2026-01-01T15:59:00+07:00'", "server"},
    {"TEXT", "'2026-01-01T16:01:00+07:00'", "client"},
    {"TEXT", "'2026-01-01T02:01:00-07'", "client"},
    {"TEXT", "'2026-01-01T09:00:00.000002Z'", "open"},
    {"INTEGER", "1767258001", "client"},
    {"INTEGER", "1767258000", "server"},
    {"INTEGER", "1767258000001", "client"},
    {"TEXT", "'2025-12-31T24:00:00Z'", "server"},
    {"TEXT", "'2026-01-01T08:59:60Z'", "server"},
    /* What cannot be read is no older: a person is asked. */
    {"TEXT", "'yesterday'", "open"},
    {"TEXT", "'infinity'", "open"},
    {"TEXT", "''", "open"},
    {"TEXT", "'0044-03-15 BC'", "open"},
};

START_TEST(edits_are_compared_as_instants_and_what_cannot_be_read_is_asked) {
  const struct spelling *s = &spellings[_i];
  char sql[200];
  begin(s->type);
  model.clock_us = wall_us(NULL) + 1;
  snprintf(sql, sizeof sql, "UPDATE notes SET body = 'mine', updated_at = %s", s->stamp);
  device_run(&device, sql);
  model_put(&model, "notes", "n", "{\"id\":\"n\",\"body\":\"theirs\"}");
  device_both(&device);
  expect("SELECT ifnull(winner, 'open') FROM sync_conflicts", s->winner);
  ck_assert_str_eq(model_value(&model, "notes", "n", "body"),
                   strcmp(s->winner, "client") == 0 ? "mine" : "theirs");
}
END_TEST

static int64_t patience_s;

static int ask_for_patience(void *ctx, leadx_request *req) {
  (void)ctx;
  fake_answer(req, 429, "{\"message\":\"slow down\"}");
  req->retry_after_s = patience_s;
  return 1;
}

/* What the server asks for is kept to, by the clock that nobody sets; an hour is the most. */
START_TEST(a_server_that_asks_for_patience_is_left_alone_for_that_long) {
  static const int64_t asked_s[] = {30, 3600, 86400};
  begin("TEXT");
  device_run(&device, "UPDATE notes SET body = 'new'");
  patience_s = asked_s[_i];
  model.before = ask_for_patience;
  ck_assert_str_eq(device_sync(&device), "throttled");
  model_forget_log(&model);
  waited_ms += (patience_s > 3600 ? 3600 : patience_s) * 1000 - 1000;
  skew_us = YEAR_US;
  ck_assert_str_eq(device_sync(&device), "throttled");
  ck_assert_ptr_nonnull(strstr(device.result, "asked to wait another 1 s"));
  ck_assert_int_eq(model.n, 0);
  pages_open(&model); /* it is itself again */
  waited_ms += 1000;
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(model_value(&model, "notes", "n", "body"), "new");
}
END_TEST

Suite *test_time_suite(void) {
  Suite *suite = suite_create("time");
  TCase *tcase = tcase_create("time");
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_loop_test(tcase, a_clock_that_jumped_parks_no_row, 0, COUNT(waits));
  tcase_add_test(tcase, a_clock_ten_years_off_delivers_and_fetches);
  tcase_add_loop_test(tcase, a_server_that_asks_for_patience_is_left_alone_for_that_long, 0, 3);
  tcase_add_loop_test(tcase, edits_are_compared_as_instants_and_what_cannot_be_read_is_asked, 0,
                      COUNT(spellings));
  suite_add_tcase(suite, tcase);
  return suite;
}
