/* A queue that an application made, and rows that it puts there by itself: taken over, delivered,
** explained, or refused before a write of the user could fail for it. */
#include <stdio.h>
#include <string.h>

#include "fake_transport.h"
#include "pages.h"
#include "suites.h"
#include "tracked.h"

static model_server model;
static push_device device;
static tracked file;

static void set_up(void) {
  model_open(&model);
  pages_open(&model);
  device_open(&device, &model);
  device_run(&device, "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, a TEXT, b TEXT, updated_at "
                      "TEXT, is_pending INT, synced TEXT)");
}

static void set_up_tracked(void) {
  set_up();
  device_run(
      &device,
      "SELECT leadx_track('notes', '{\"pending\":\"is_pending\",\"synced_at\":\"synced\"}')");
}

static void tear_down(void) {
  device_close(&device);
  model_close(&model);
}

/* A file that leadx has left no trace in. */
static void set_up_fresh(void) {
  tracked_open(&file);
  tracked_run(&file, "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, a TEXT)");
}

static void tear_down_fresh(void) { tracked_close(&file); }

static void expect(const char *sql, const char *text) {
  const char *answer = device_text(&device, sql);
  ck_assert_msg(strcmp(answer, text) == 0, "%s: \"%s\", not \"%s\"", sql, answer, text);
}

/* ---- its shape ---- */

#define SEED(id, more) \
  "CREATE TABLE sync_queue(" id ", entity_type TEXT NOT NULL, entity_id TEXT NOT NULL, action " \
  "TEXT NOT NULL, payload TEXT NOT NULL, " \
  "status TEXT DEFAULT 'PENDING', retry_count INTEGER DEFAULT 0, error_message TEXT, created_at " \
  "TEXT DEFAULT CURRENT_TIMESTAMP, synced_at TEXT" more
#define KEY "id TEXT PRIMARY KEY"

static const struct shape {
  const char *sql, *reason; /* NULL: it is taken over */
} shapes[] = {
    {SEED(KEY, ")"), NULL},
    {SEED(KEY, ") STRICT"), NULL},
    {SEED(KEY, ", device TEXT, tries INT NOT NULL DEFAULT 0)"), NULL},
    {SEED(KEY, ", CHECK(action IN ('CREATE', 'UPDATE', 'DELETE')))"), NULL},
    {SEED(KEY, "); CREATE INDEX by_entity ON sync_queue(entity_type, entity_id)"), NULL},
    {SEED(KEY, ") WITHOUT ROWID"), "is WITHOUT ROWID"},
    {SEED("id INTEGER PRIMARY KEY", ")"), "datatype mismatch"},
    {SEED(KEY, ", device TEXT NOT NULL)"), "NOT NULL constraint failed: sync_queue.device"},
    {SEED(KEY, ", UNIQUE(entity_type, entity_id, created_at))"), "UNIQUE constraint failed"},
    {SEED(KEY, ", CHECK(action <> 'DELETE'))"), "CHECK constraint failed"},
    {SEED(KEY, ", CHECK(entity_type IN ('customer', 'pipeline')))"), "CHECK constraint failed"},
    {SEED(KEY, ", CHECK(status <> 'FAILED'))"), "CHECK constraint failed"},
};

/* A user's write never fails for the queue: what would refuse one is refused when the table is
** tracked. */
START_TEST(a_queue_that_would_refuse_a_user_s_write_is_refused_itself) {
  const char *reason = shapes[_i].reason;
  tracked_run(&file, "%s", shapes[_i].sql);
  if (reason) {
    const char *text = tracked_error(&file, "SELECT leadx_track('notes')");
    ck_assert_msg(strstr(text, reason) &&
                      strstr(text, "leadx_track: the table sync_queue that is already here"),
                  "%s", text);
    ck_assert_int_eq(
        tracked_int(&file, "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'leadx%%'"), 0);
  } else {
    tracked_run(&file, "SELECT leadx_track('notes')");
  }
  tracked_run(&file, "INSERT INTO notes(id) VALUES('n'); UPDATE notes SET a = 1; UPDATE notes SET "
                     "a = 2; DELETE FROM notes");
  ck_assert_int_eq(tracked_int(&file, "SELECT count(*) FROM sync_queue"), reason ? 0 : 4);
}
END_TEST

START_TEST(queueing_by_hand_makes_the_queue) {
  tracked_run(&file, "SELECT leadx_enqueue('customer', 'c', 'CREATE', '{\"name\":\"Ani\"}')");
  ck_assert_str_eq(
      tracked_text(&file, "SELECT entity_type || action || status || retry_count FROM sync_queue"),
      "customerCREATEPENDING0");
}
END_TEST

/* ---- rows of its own ---- */

START_TEST(a_row_of_any_id_and_status_goes_or_says_why_and_holds_nobody_up) {
  device_run(&device, "INSERT INTO sync_queue(id, entity_type, entity_id, action, payload, status)"
                      " SELECT column1, 'notes', lower(hex(randomblob(8))), 'CREATE', "
                      "iif(length(column1) = 100, '{', '{}'), column2 FROM (VALUES"
                      " (x'00ff', 'PENDING'), ('a' || char(0) || 'b', 'PENDING'), "
                      "(printf('%0100d', 1), 'PENDING'), ('none', NULL),"
                      " ('small', 'pending'), ('long', 'FAILED '), ('odd', 'DONE'))");
  ck_assert_str_eq(device_sync(&device), "partial");
  expect("SELECT count(*) FROM sync_queue WHERE status = 'SYNCED'", "4");
  expect("SELECT group_concat(error_code) FROM leadx_queue WHERE state = 'failed'",
         "payload,status,status");
  expect("SELECT error_message FROM sync_queue WHERE id = 'odd'",
         "unknown status \"DONE\"; it can be PENDING, IN_PROGRESS, SYNCED or FAILED");
  expect("SELECT rowid_below FROM leadx_mark", "7");
  device_run(&device, "SELECT leadx_retry('odd')");
  ck_assert_str_eq(device_sync(&device), "partial");
  ck_assert_int_eq(model_count(&model, "notes"), 5);
}
END_TEST

START_TEST(an_update_queued_by_hand_reaches_the_local_row) {
  device_run(&device, "INSERT INTO notes(id, a, is_pending) VALUES('n', 'a0', 1)");
  ck_assert_str_eq(device_sync(&device), "ok");
  device_run(&device, "UPDATE notes SET is_pending = 1; SELECT leadx_enqueue('notes', 'n', "
                      "'UPDATE', '{\"a\":\"a1\"}')");
  ck_assert_str_eq(device_sync(&device), "ok");
  expect("SELECT a || is_pending FROM notes WHERE synced IS NOT NULL", "a10");
  ck_assert_str_eq(device_text(&device, "SELECT updated_at FROM notes"),
                   model_value(&model, "notes", "n", "updated_at"));
}
END_TEST

/* A later change of the same row is what the user sees. */
START_TEST(an_update_queued_by_hand_keeps_off_a_later_edit) {
  device_run(&device, "INSERT INTO notes(id, a) VALUES('n', 'a0')");
  ck_assert_str_eq(device_sync(&device), "ok");
  device_run(&device, "SELECT leadx_enqueue('notes', 'n', 'UPDATE', '{\"a\":\"a1\"}'); UPDATE "
                      "notes SET b = 'b2', is_pending = 1;"
                      "UPDATE sync_queue SET next_try_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', "
                      "'+1 hour') WHERE base IS NOT NULL");
  device_sync(&device);
  expect("SELECT ifnull(a, '') || b || is_pending FROM notes", "a0b21");
}
END_TEST

START_TEST(a_row_queued_by_hand_alone_comes_with_the_next_pull) {
  device_run(&device,
             "SELECT leadx_enqueue('notes', 'n', 'CREATE', '{\"id\":\"n\",\"a\":\"a1\"}')");
  ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT a FROM notes", "a1");
  device_run(&device, "SELECT leadx_enqueue('notes', 'n', 'DELETE', '{}')");
  ck_assert_str_eq(device_both(&device), "ok");
  expect("SELECT count(*) FROM notes", "0");
  expect("SELECT count(*) FROM leadx_parked", "0");
}
END_TEST

START_TEST(what_is_queued_before_anything_is_tracked_waits_for_its_table) {
  device_run(&device, "SELECT leadx_enqueue('notes', 'n', 'CREATE', '{\"a\":\"a1\"}')");
  ck_assert_str_eq(device_sync(&device), "partial");
  expect("SELECT error_message FROM sync_queue WHERE status = 'FAILED'",
         "unknown entity \"notes\"; call leadx_track() for its table");
  device_run(&device, "SELECT leadx_track('notes')");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(model_value(&model, "notes", "n", "a"), "a1");
  ck_assert_ptr_nonnull(
      strstr(device_error(&device, "SELECT leadx_enqueue('note', 'n', 'CREATE', '{}')"),
             "unknown entity \"note\"; tracked are notes"));
}
END_TEST

/* ---- the column `pending` ---- */

/* Nothing of the row is unsent any more, though nothing was acknowledged. */
START_TEST(pending_is_cleared_when_the_last_change_is_discarded) {
  device_run(
      &device,
      "INSERT INTO notes(id, a, is_pending) VALUES('n', 'a0', 1); UPDATE notes SET a = 'a1'");
  device_run(&device, "SELECT leadx_discard(id) FROM sync_queue WHERE action = 'UPDATE'");
  expect("SELECT is_pending FROM notes", "1");
  device_run(&device, _i ? "DELETE FROM leadx_queue" : "SELECT leadx_discard(id) FROM sync_queue");
  expect("SELECT is_pending FROM notes", "0");
}
END_TEST

START_TEST(pending_is_cleared_when_the_server_s_row_is_chosen) {
  device_run(&device,
             "SELECT leadx_config('policy', 'manual'); INSERT INTO notes(id, a) VALUES('n', 'a0')");
  ck_assert_str_eq(device_both(&device), "ok");
  device_run(&device, "UPDATE notes SET a = 'a1', is_pending = 1");
  model_put(&model, "notes", "n", "{\"id\":\"n\",\"a\":\"a2\",\"b\":null}");
  ck_assert_str_eq(device_both(&device), "partial");
  expect("SELECT a || is_pending FROM notes", "a11");
  device_run(&device,
             "SELECT leadx_resolve(id, 'server') FROM sync_conflicts WHERE winner IS NULL");
  expect("SELECT a || is_pending FROM notes", "a20");
}
END_TEST

/* ---- a key that the server spells otherwise ---- */

static void spell_otherwise(void *ctx, leadx_request *req) {
  (void)ctx;
  if (!(req->body && strstr(req->body, "odd")) && !strstr(req->url, "odd")) return;
  for (char *at = req->answer; at && (at = strstr(at, "\"id\":\"odd\"")) != NULL; at++)
    memcpy(at, "\"id\":\"o-d\"", 10);
}

START_TEST(a_key_that_the_server_spells_otherwise_keeps_nobody_else_back) {
  model.after = spell_otherwise;
  device_run(&device, "INSERT INTO notes(id, a) SELECT 'n' || value, 'a' FROM "
                      "json_each('[1,2,3,4,5,6,7]'); INSERT INTO notes(id) VALUES('odd');"
                      "UPDATE notes SET b = 'b' WHERE id = 'n7'");
  for (int i = 0; i < 2; i++) {
    ck_assert_str_eq(device_both(&device), "partial");
    expect("SELECT entity_id || status || retry_count || error_code FROM sync_queue WHERE status "
           "<> 'SYNCED'",
           "oddFAILED0key");
    expect("SELECT kind || entity_id FROM leadx_problems", "keyodd");
  }
  model_put(&model, "notes", "other", "{\"id\":\"other\"}");
  ck_assert_str_eq(device_both(&device), "partial");
  ck_assert_msg(device_int(&device, "SELECT count(*) FROM notes WHERE id = 'other'") == 1, "%s",
                device.result);
  model.after = NULL;
  run_on(device.db, "SELECT leadx_retry((SELECT queue_id FROM leadx_problems))");
  ck_assert_str_eq(device_both(&device), "ok");
}
END_TEST

Suite *test_own_queue_suite(void) {
  Suite *suite = suite_create("own_queue");
  TCase *shape = tcase_create("shape"), *early = tcase_create("early"),
        *rows = tcase_create("rows");
#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))
  tcase_add_checked_fixture(shape, set_up_fresh, tear_down_fresh);
  tcase_add_loop_test(shape, a_queue_that_would_refuse_a_user_s_write_is_refused_itself, 0,
                      COUNT(shapes));
  tcase_add_test(shape, queueing_by_hand_makes_the_queue);
  suite_add_tcase(suite, shape);
  tcase_add_checked_fixture(early, set_up, tear_down);
  tcase_add_test(early, what_is_queued_before_anything_is_tracked_waits_for_its_table);
  suite_add_tcase(suite, early);
  tcase_add_checked_fixture(rows, set_up_tracked, tear_down);
  tcase_add_test(rows, a_row_of_any_id_and_status_goes_or_says_why_and_holds_nobody_up);
  tcase_add_test(rows, an_update_queued_by_hand_reaches_the_local_row);
  tcase_add_test(rows, an_update_queued_by_hand_keeps_off_a_later_edit);
  tcase_add_test(rows, a_row_queued_by_hand_alone_comes_with_the_next_pull);
  tcase_add_loop_test(rows, pending_is_cleared_when_the_last_change_is_discarded, 0, 2);
  tcase_add_test(rows, pending_is_cleared_when_the_server_s_row_is_chosen);
  tcase_add_test(rows, a_key_that_the_server_spells_otherwise_keeps_nobody_else_back);
  suite_add_tcase(suite, rows);
  return suite;
}
