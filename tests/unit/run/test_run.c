/* The states that a run goes through, and why it ends: what it tells its trace in some scripted
** syncs, word for word (tests/golden/run_trace.txt). */
#include <stdio.h>
#include <string.h>

#include "fake_transport.h"
#include "golden.h"
#include "pages.h"
#include "suites.h"

static model_server model;
static push_device device;
static char trace[8000];

static void set_up(void) {
  model_open(&model);
  pages_open(&model);
  device_open(&device, &model);
  device_run(&device,
             "CREATE TABLE lists(id TEXT PRIMARY KEY NOT NULL, name TEXT, updated_at TEXT);"
             "CREATE TABLE items(id TEXT PRIMARY KEY NOT NULL, list_id TEXT REFERENCES lists(id), "
             "name TEXT, updated_at TEXT);"
             "SELECT leadx_track('lists'), leadx_track('items')");
  trace[0] = 0;
}

static void tear_down(void) {
  device_close(&device);
  model_close(&model);
}

static void add_line(void *arg, const char *text) {
  size_t n = strlen(trace);
  (void)arg;
  ck_assert_uint_lt(n + strlen(text) + 8, sizeof trace);
  snprintf(trace + n, sizeof trace - n, "    %s\n", text);
}

static void say(const char *title) {
  size_t n = strlen(trace);
  snprintf(trace + n, sizeof trace - n, "%s%s\n", n ? "\n" : "", title);
}

/* One sync (budget < 0), or one step. */
static void sync_once(const char *title, int64_t budget) {
  leadx_sync_options options = {
      .who = "leadx_sync", .with_pull = 1, .request_budget = budget, .trace = {add_line, NULL}};
  say(title);
  ck_assert_ptr_nonnull(device_sync_with(&device, options));
}

static void reconcile(const char *title) {
  leadx_sync_options options = {.who = "leadx_reconcile",
                                .with_reconcile = 1,
                                .request_budget = -1,
                                .trace = {add_line, NULL}};
  say(title);
  ck_assert_ptr_nonnull(device_sync_with(&device, options));
}

static int no_network(void *ctx, leadx_request *req) {
  (void)ctx;
  fake_fail(req, LEADX_NET_OFFLINE, 6, "Could not resolve host");
  return 1;
}

static int refuse_token(void *ctx, leadx_request *req) {
  (void)ctx;
  fake_answer(req, 401, "{\"code\":\"PGRST301\",\"message\":\"JWT expired\"}");
  return 1;
}

static int is_overloaded(void *ctx, leadx_request *req) {
  (void)ctx;
  fake_answer(req, 429, "");
  req->retry_after_s = 0;
  return 1;
}

static int answer_strangers(leadx_request *req) {
  fake_answer(req, 200, "[{\"name\":\"no key\"}]");
  return 1;
}

/* Another connection takes the lease while the pull waits for its answer. */
static int take_lease(leadx_request *req) {
  (void)req;
  device_run(&device, "UPDATE leadx_lease SET owner = 'another'");
  return 0;
}

static void script(const char *title, int (*before)(void *ctx, leadx_request *req)) {
  int (*usual)(void *, leadx_request *) = model.before;
  model.before = before;
  sync_once(title, -1);
  model.before = usual;
}

START_TEST(every_transition_of_a_run_is_told_once) {
  pages_put(&model, "lists",
            "{\"id\":\"l1\",\"name\":\"one\",\"updated_at\":\"2024-01-01T00:00:00+00:00\"}");
  pages_put(&model, "items",
            "{\"id\":\"i1\",\"list_id\":\"l1\",\"name\":\"a\",\"updated_at\":null}");
  sync_once("the first sync of two tables", -1);
  device_run(&device, "INSERT INTO items(id, list_id, name) VALUES ('i2', 'l1', 'b')");
  sync_once("a change goes, nothing comes", -1);
  script("there is no network", no_network);
  device_run(&device, "UPDATE items SET name = 'c' WHERE id = 'i2'");
  script("no network for a change", no_network);
  script("the server refuses the key", refuse_token);
  script("the server is overloaded", is_overloaded);
  sync_once("the change goes after all", -1);
  pages_before = answer_strangers;
  sync_once("rows without keys", -1);
  pages_before = take_lease;
  pages_put(&model, "lists",
            "{\"id\":\"l2\",\"name\":\"two\",\"updated_at\":\"2099-01-02T00:00:00+00:00\"}");
  sync_once("another sync takes over", -1);
  pages_before = NULL;
  device_run(&device, "UPDATE leadx_lease SET owner = NULL, taken_us = NULL, expires_us = NULL");
  sync_once("one step", 1);
  sync_once("another step", 1);
  reconcile("reconcile");
  golden_expect("tests/golden/run_trace.txt", trace);
}
END_TEST

/* The first reason stands: what goes wrong afterwards is a consequence. */
START_TEST(a_run_ends_once) {
  leadx_run run = {.ctx = device.ctx, .trace = {add_line, NULL}};
  leadx_run_end(&run, LEADX_CLASS_OFFLINE, 7, "no route to %s", "host");
  leadx_run_end(&run, LEADX_CLASS_PROTOCOL, 9, "strange");
  ck_assert_int_eq(run.tally.ended, LEADX_CLASS_OFFLINE);
  ck_assert_int_eq(run.tally.retry_after_s, 7);
  ck_assert_str_eq(run.tally.message, "no route to host");
  ck_assert_str_eq(trace, "    ended: offline: no route to host\n");
  ck_assert_int_eq(leadx_run_may_ask(&run), 0);
}
END_TEST

Suite *test_run_suite(void) {
  Suite *suite = suite_create("run");
  TCase *tcase = tcase_create("states");
  suite_add_tcase(suite, tcase);
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_test(tcase, every_transition_of_a_run_is_told_once);
  tcase_add_test(tcase, a_run_ends_once);
  return suite;
}
