/* The background worker against the real server, over a road that can be closed: what wakes it,
** what it sends when, and what can be seen of it. */
#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "live.h"
#include "suites.h"

static live_device device;
static fault_server *road;
static int row;

static void set_up(void) {
  char url[LIVE_URL_BYTES];
  live_wipe();
  row = 0;
  road = live_road(url);
  live_open(&device, IS_SANITIZED, url);
}

static void tear_down(void) {
  live_close(&device);
  fault_server_stop(road);
}

static void start(const char *call) {
  live_run(device.db, call);
  live_wait(device.db, "SELECT count(*) > 0 FROM leadx_log WHERE trigger = 'start'",
            "1"); /* another process may have one too */
}

static void insert(sqlite3 *db) {
  char sql[200];
  snprintf(sql, sizeof sql,
           "INSERT INTO customers(id, name) VALUES ('c0000000-0000-4000-8000-%012d', 'n%d')", row,
           row);
  row++;
  live_run(db, sql);
}

#define UNSENT "SELECT count(*) FROM sync_queue WHERE status IS NOT 'SYNCED'"
static void wait_until_sent(void) { live_wait(device.db, UNSENT, "0"); }

static void expect_on_server(int n) {
  ck_assert_int_eq(atoi(live_psql("select count(*) from customers")), n);
}

/* The log has, or gets very soon, a sync of that kind. */
static void expect_logged(const char *trigger) {
  char sql[100];
  snprintf(sql, sizeof sql,
           "SELECT count(*) > 0 FROM leadx_log WHERE trigger = '%s' AND state = 'ok'", trigger);
  live_wait(device.db, sql, "1");
}

static void server_inserts(void) {
  char sql[300];
  snprintf(sql, sizeof sql,
           "insert into customers(id, owner_id, name) values "
           "('d0000000-0000-4000-8000-000000000001', '%s', 'of the server')",
           live_env("LEADX_USER_1"));
  live_psql(sql);
}

#define ARRIVED "SELECT count(*) FROM customers WHERE name = 'of the server'"

/* ---- the four events, and commits ---- */

START_TEST(what_is_written_on_any_connection_of_any_process_goes_by_itself) {
  char command[300];
  start("SELECT leadx_start()");
  if (_i == 0) insert(device.db);
  if (_i == 1) {
    sqlite3 *second = live_second(&device);
    insert(second);
    ck_assert_int_eq(sqlite3_close(second), SQLITE_OK);
  }
  if (_i == 2) {
    snprintf(command, sizeof command,
             "sqlite3 %s \"INSERT INTO customers(id, name) VALUES "
             "('c0000000-0000-4000-8000-000000000000', 'n0')\"",
             device.path);
    ck_assert_int_eq(system(command), 0);
  }
  wait_until_sent();
  expect_on_server(1);
  expect_logged("commit");
}
END_TEST

START_TEST(commits_are_seen_in_a_rollback_journal_too) {
  live_run(device.db, "PRAGMA journal_mode = DELETE");
  start("SELECT leadx_start()");
  for (int i = 0; i < 3; i++) {
    insert(device.db);
    wait_until_sent();
  }
  expect_on_server(3);
}
END_TEST

START_TEST(a_manual_refresh_sends_and_fetches) {
  start("SELECT leadx_start()");
  server_inserts();
  ck_assert_str_eq(live_text(device.db, "SELECT leadx_notify('refresh')"),
                   "{\"state\":\"notified\",\"event\":\"refresh\",\"worker\":true}");
  live_wait(device.db, ARRIVED, "1");
  expect_logged("refresh");
}
END_TEST

START_TEST(the_timer_sends_and_fetches) {
  start("SELECT leadx_start(0.4)");
  server_inserts();
  live_wait(device.db, ARRIVED, "1");
  expect_logged("timer");
}
END_TEST

/* More than one transaction takes goes, and nothing that is younger or open. */
START_TEST(what_is_older_than_the_retention_goes_and_nothing_else) {
  live_run(
      device.db,
      "CREATE TEMP VIEW settled AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
      "WHERE i < 1200) SELECT 'old' || i AS id, '-8 days' AS since FROM n UNION ALL SELECT "
      "'young', '-6 days'");
  live_run(
      device.db,
      "INSERT INTO sync_queue(id, entity_type, entity_id, action, payload, status, synced_at) "
      "SELECT id, 'customer', id, 'UPDATE', '{}', 'SYNCED', datetime('now', since) FROM settled");
  live_run(
      device.db,
      "INSERT INTO sync_conflicts(id, entity_type, entity_id, action, detected_at, winner, "
      "resolved_at) VALUES ('closed', 'customer', 'x', 'UPDATE', '', 'server', datetime('now', "
      "'-31 days')), ('open', 'customer', 'x', 'UPDATE', '', NULL, NULL), ('recent', 'customer', "
      "'x', 'UPDATE', '', 'server', datetime('now', '-29 days'))");
  start("SELECT leadx_start()");
  live_wait(device.db, "SELECT count(*) FROM sync_queue WHERE id LIKE 'old%'", "0");
  live_wait(device.db, "SELECT group_concat(id) FROM (SELECT id FROM sync_conflicts ORDER BY id)",
            "open,recent");
  ck_assert_str_eq(live_text(device.db, "SELECT count(*) FROM sync_queue WHERE id = 'young'"), "1");
}
END_TEST

START_TEST(in_the_background_nothing_goes_until_the_application_is_in_the_foreground) {
  start("SELECT leadx_start()");
  live_run(device.db, "SELECT leadx_notify('background')");
  insert(device.db);
  fault_sleep_ms(1500);
  expect_on_server(0);
  live_run(device.db, "SELECT leadx_notify('foreground')");
  wait_until_sent();
  expect_logged("foreground");
  expect_on_server(1);
}
END_TEST

START_TEST(a_server_that_is_back_gets_everything_within_five_seconds) {
  start("SELECT leadx_start()");
  ck_assert_int_eq(fault_server_refuse(road, 1), 0);
  for (int i = 0; i < 30; i++) insert(device.db);
  live_wait(device.db, "SELECT online FROM leadx_state", "0");
  fault_sleep_ms(2500);
  ck_assert_int_eq(live_int(device.db, "SELECT count(*) FROM leadx_log WHERE state = 'offline'"),
                   1); /* probes write nothing */
  ck_assert_int_eq(fault_server_refuse(road, 0), 0);
  int ms = 20 * live_wait(device.db, UNSENT,
                          "0"); /* counted in naps, which a busy machine makes longer */
  ck_assert_msg(ms < (IS_SANITIZED ? 10000 : 5000), "%d ms", ms);
  expect_logged("online");
  ck_assert_int_eq(live_int(device.db, "SELECT online FROM leadx_state"), 1);
  ck_assert_int_eq(live_int(device.db, "SELECT max(retry_count) FROM sync_queue"), 0);
  expect_on_server(30);
}
END_TEST

/* _i: it says so while nothing happens, or while a sync runs, which then ends well. */
START_TEST(what_the_application_says_of_the_network_is_believed) {
  fault_rule held = {.method = "GET", .kind = FAULT_FORWARD_HELD};
  if (_i == 1) fault_server_add(road, &held);
  live_run(device.db, "SELECT leadx_start()");
  live_wait(device.db,
            _i == 1 ? "SELECT syncing FROM leadx_state"
                    : "SELECT online AND NOT syncing FROM leadx_state",
            "1");
  while (_i == 1 && fault_server_count(road) == 0) fault_sleep_ms(5);
  live_run(device.db, "SELECT leadx_notify('offline')");
  fault_server_clear(road);
  live_wait(device.db, "SELECT count(*) FROM leadx_log WHERE state = 'ok'", "1");
  insert(device.db);
  fault_sleep_ms(1200);
  expect_on_server(0);
  live_wait(device.db,
            "SELECT online || ' ' || pending || ' ' || (next_sync_at IS NULL) FROM leadx_state",
            "0 1 1");
  live_run(device.db, "SELECT leadx_notify('online')");
  wait_until_sent();
  expect_logged("online");
  ck_assert_int_eq(live_int(device.db, "SELECT online FROM leadx_state"), 1);
}
END_TEST

/* ---- no hammering ---- */

START_TEST(a_refused_token_is_not_tried_again_before_there_is_a_new_one) {
  char *sql = sqlite3_mprintf("SELECT leadx_set_token(%Q)", live_env("LEADX_TOKEN"));
  fault_rule rule = {.kind = FAULT_ANSWER,
                     .status = 401,
                     .body = "{\"code\":\"PGRST301\",\"message\":\"JWT expired\"}"};
  fault_server_add(road, &rule);
  live_run(device.db, "SELECT leadx_start()");
  live_wait(device.db, "SELECT state FROM leadx_log ORDER BY rowid DESC LIMIT 1", "auth_required");
  int before = fault_server_count(road);
  for (int i = 0; i < 5; i++) {
    insert(device.db);
    fault_sleep_ms(300);
  }
  ck_assert_int_eq(fault_server_count(road), before);
  fault_server_clear(road);
  live_run(device.db, sql);
  sqlite3_free(sql);
  wait_until_sent();
  expect_logged("token");
}
END_TEST

START_TEST(a_server_that_wants_time_gets_it) {
  fault_rule rule = {.to = 1, .kind = FAULT_ANSWER, .status = 503, .headers = "Retry-After: 3"};
  fault_server_add(road, &rule);
  live_run(device.db, "SELECT leadx_start()");
  live_wait(device.db, "SELECT state FROM leadx_log ORDER BY rowid DESC LIMIT 1", "throttled");
  insert(device.db);
  wait_until_sent();
  expect_on_server(1);
  ck_assert_int_ge(fault_server_get(road, 1)->at_ms - fault_server_get(road, 0)->at_ms, 3000);
}
END_TEST

START_TEST(a_table_that_the_server_does_not_know_is_no_reason_to_run_in_circles) {
  live_run(device.db, "CREATE TABLE strangers(id TEXT PRIMARY KEY NOT NULL, updated_at TEXT); "
                      "SELECT leadx_track('strangers')");
  start("SELECT leadx_start()");
  live_run(device.db, "INSERT INTO strangers(id) VALUES ('a')");
  live_wait(device.db, "SELECT count(*) > 0 FROM leadx_log WHERE trigger = 'commit'", "1");
  int before = live_int(device.db, "SELECT count(*) FROM leadx_log");
  fault_sleep_ms(2000);
  ck_assert_int_eq(live_int(device.db, "SELECT count(*) FROM leadx_log"), before);
  ck_assert_int_eq(live_int(device.db, UNSENT), 1);
}
END_TEST

/* ---- being seen ---- */

#define PUSHING(how_far) \
  "SELECT syncing AND phase = 'push' AND total = 100 AND done < 100 AND " how_far \
  " FROM leadx_state"

START_TEST(a_sync_can_be_watched_from_every_connection) {
  char further[200];
  sqlite3 *watcher = live_second(&device);
  fault_rule held = {.method = "POST", .from = 3, .kind = FAULT_FORWARD_HELD};
  fault_server_add(road, &held);
  live_run(device.db, "SELECT leadx_config('batch_max', 10)");
  for (int i = 0; i < 100; i++) insert(device.db);
  live_run(device.db, "SELECT leadx_start()");
  live_wait(watcher, PUSHING("done > 0"), "1");
  int done = live_int(watcher, "SELECT done FROM leadx_state");
  snprintf(further, sizeof further, PUSHING("done > %d"), done);
  /* What comes after a release is held again. */
  for (int i = 0; i < 2000 && !live_int(watcher, further); i++) {
    fault_server_release(road);
    fault_sleep_ms(20);
  }
  ck_assert_int_eq(live_int(watcher, further), 1);
  fault_server_clear(road);
  live_wait(watcher, UNSENT, "0");
  live_wait(watcher, "SELECT syncing FROM leadx_state", "0");
  live_wait(watcher, "SELECT count(*) FROM leadx_log WHERE pushed = 100 AND state = 'ok'", "1");
  live_wait(watcher,
            "SELECT abs(strftime('%s', next_sync_at) - strftime('%s', 'now') - 300) < 20 FROM "
            "leadx_state",
            "1");
  ck_assert_int_eq(sqlite3_close(watcher), SQLITE_OK);
}
END_TEST

START_TEST(another_process_sees_that_a_sync_runs) {
  char command[300];
  fault_rule held = {.method = "POST", .kind = FAULT_FORWARD_HELD};
  fault_server_add(road, &held);
  insert(device.db);
  live_run(device.db, "SELECT leadx_start()");
  live_wait(device.db, "SELECT syncing FROM leadx_state", "1");
  snprintf(command, sizeof command,
           "test \"$(sqlite3 %s '.load %s' 'SELECT syncing, pending FROM leadx_state')\" = '1|1'",
           device.path, live_env("LEADX_SO"));
  ck_assert_int_eq(system(command), 0);
  fault_server_clear(road);
  wait_until_sent();
  live_wait(device.db, "SELECT syncing FROM leadx_state", "0");
  snprintf(command, sizeof command,
           "test \"$(sqlite3 %s '.load %s' 'SELECT syncing, pending FROM leadx_state')\" = '0|0'",
           device.path, live_env("LEADX_SO"));
  ck_assert_int_eq(system(command), 0);
}
END_TEST

static int count_text(const char *text, const char *part) {
  int n = 0;
  for (; text && (text = strstr(text, part)) != NULL; text++) n++;
  return n;
}

START_TEST(what_goes_in_the_background_goes_in_pieces_and_lets_the_application_write) {
  live_run(device.db,
           "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)"
           " INSERT INTO customers(id, name) SELECT leadx_uuid(), 'n' || i FROM n");
  sqlite3_busy_timeout(device.db,
                       1000); /* whoever waits a moment gets his turn: none of these may fail */
  live_run(device.db, "SELECT leadx_start()");
  while (live_int(device.db, "SELECT count(*) FROM sync_queue WHERE status = 'SYNCED'") < 1500) {
    insert(device.db);
    fault_sleep_ms(10);
  }
  int largest = 0;
  for (int i = 0; i < fault_server_count(road); i++) {
    int rows = count_text(fault_server_get(road, i)->body, "\"name\":");
    if (rows > largest) largest = rows;
  }
  ck_assert_int_gt(largest, 100);
  ck_assert_int_le(largest, 250);
}
END_TEST

/* ---- starting and stopping ---- */

START_TEST(started_twice_runs_once_and_takes_the_new_interval) {
  ck_assert_str_eq(live_text(device.db, "SELECT leadx_start()"),
                   "{\"state\":\"started\",\"interval\":300}");
  ck_assert_str_eq(live_text(device.db, "SELECT leadx_start()"),
                   "{\"state\":\"running\",\"interval\":300}");
  ck_assert_str_eq(live_text(device.db, "SELECT leadx_start(0.5)"),
                   "{\"state\":\"running\",\"interval\":0.5}");
  live_wait(device.db, "SELECT count(*) > 0 FROM leadx_log WHERE trigger = 'timer'", "1");
  ck_assert_int_eq(live_int(device.db, "SELECT count(*) FROM leadx_log WHERE trigger = 'start'"),
                   1);
  ck_assert_str_eq(live_text(device.db, "SELECT leadx_stop()"), "{\"state\":\"stopped\"}");
  ck_assert_str_eq(live_text(device.db, "SELECT leadx_stop()"), "{\"state\":\"not running\"}");
}
END_TEST

START_TEST(the_setting_interval_is_read_again_by_each_sync) {
  live_run(device.db, "SELECT leadx_config('interval', 0.3)");
  start("SELECT leadx_start()");
  live_wait(device.db, "SELECT count(*) > 1 FROM leadx_log WHERE trigger = 'timer'", "1");
  live_run(device.db, "SELECT leadx_config('interval', 300), leadx_notify('refresh')");
  live_wait(device.db, "SELECT count(*) > 0 FROM leadx_log WHERE trigger = 'refresh'", "1");
  live_wait(device.db,
            "SELECT strftime('%s', next_sync_at) - strftime('%s', 'now') > 200 FROM leadx_state",
            "1");
  int before = live_int(device.db, "SELECT count(*) FROM leadx_log");
  fault_sleep_ms(900);
  ck_assert_int_eq(live_int(device.db, "SELECT count(*) FROM leadx_log"), before);
}
END_TEST

START_TEST(the_worker_lives_as_long_as_one_of_those_who_started_it) {
  sqlite3 *second = live_second(&device);
  start("SELECT leadx_start()");
  ck_assert_str_eq(live_text(second, "SELECT leadx_start()"),
                   "{\"state\":\"running\",\"interval\":300}");
  ck_assert_int_eq(sqlite3_close(second), SQLITE_OK);
  insert(device.db);
  wait_until_sent();
  second = live_second(&device);
  live_run(second, "SELECT leadx_start()");
  live_run(device.db, "SELECT leadx_stop()");
  live_run(second, "SELECT leadx_start()");
  ck_assert_int_eq(sqlite3_close(second), SQLITE_OK); /* was the only one to start this one */
  ck_assert_str_eq(live_text(device.db, "SELECT leadx_stop()"), "{\"state\":\"not running\"}");
}
END_TEST

START_TEST(a_connection_that_did_not_start_the_worker_may_close) {
  sqlite3 *second = live_second(&device);
  start("SELECT leadx_start()");
  ck_assert_int_eq(sqlite3_close(second), SQLITE_OK);
  insert(device.db);
  wait_until_sent();
}
END_TEST

static void expect_error(sqlite3 *db, const char *sql, const char *text) {
  const char *error = live_error(db, sql);
  ck_assert_msg(strstr(error, text) != NULL, "%s: \"%s\" does not say \"%s\"", sql, error, text);
}

static sqlite3 *open_other(const char *name, int flags) {
  sqlite3 *db = NULL;
  ck_assert_int_eq(sqlite3_open_v2(name, &db, flags | SQLITE_OPEN_URI, NULL), SQLITE_OK);
  sqlite3_enable_load_extension(db, 1);
  ck_assert_int_eq(sqlite3_load_extension(db, live_env("LEADX_SO"), "sqlite3_leadx_init", NULL),
                   SQLITE_OK);
  return db;
}

/* A database made of bytes, on which leadx is loaded afterwards. SQLite calls each of them "x". */
static sqlite3 *open_bytes(void) {
  sqlite3 *db = NULL;
  sqlite3_int64 n = 0;
  ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
  ck_assert_int_eq(sqlite3_exec(db, "CREATE TABLE t(id TEXT PRIMARY KEY)", NULL, NULL, NULL),
                   SQLITE_OK);
  unsigned char *bytes = sqlite3_serialize(db, "main", &n, 0);
  ck_assert_int_eq(
      sqlite3_deserialize(db, "main", bytes, n, n,
                          SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE),
      SQLITE_OK);
  sqlite3_enable_load_extension(db, 1);
  ck_assert_int_eq(sqlite3_load_extension(db, live_env("LEADX_SO"), "sqlite3_leadx_init", NULL),
                   SQLITE_OK);
  return db;
}

/* What one was told of a server and a user, another one must not use. */
START_TEST(databases_made_of_bytes_share_no_server_and_no_worker) {
  sqlite3 *one = open_bytes(), *other = open_bytes();
  live_text(one,
            "SELECT leadx_configure('https://one.example/rest/v1', 'sb_publishable_one12345')");
  live_text(one, "SELECT leadx_track('t')");
  live_text(other, "SELECT leadx_track('t')");
  expect_error(other, "SELECT leadx_sync()", "leadx_configure");
  expect_error(one, "SELECT leadx_start()", "in memory or temporary");
  ck_assert_int_eq(sqlite3_close(one), SQLITE_OK);
  ck_assert_int_eq(sqlite3_close(other), SQLITE_OK);
}
END_TEST

START_TEST(a_file_that_no_thread_could_sync_is_refused) {
  static const char *const names[] = {":memory:", "", "file:x?mode=memory&cache=shared",
                                      "file:x?vfs=memdb"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    sqlite3 *db = open_other(names[i], SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    expect_error(db, "SELECT leadx_start()", "in memory or temporary");
    ck_assert_str_eq(live_text(db, "SELECT leadx_stop()"), "{\"state\":\"not running\"}");
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
  }
  sqlite3 *db = open_other(device.path, SQLITE_OPEN_READONLY);
  expect_error(db, "SELECT leadx_start()", "read-only");
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}
END_TEST

/* A file system of the host's, which looks at what the file's name says behind the "?". */
static sqlite3_vfs watching;
static int (*open_really)(sqlite3_vfs *vfs, const char *name, sqlite3_file *opened, int flags,
                          int *out);
static int opened_with_tag, opened_without;

static int open_watched(sqlite3_vfs *vfs, const char *name, sqlite3_file *opened, int flags,
                        int *out) {
  const char *tag = flags & SQLITE_OPEN_MAIN_DB ? sqlite3_uri_parameter(name, "tag") : "";
  opened_with_tag += tag && strcmp(tag, "50% & more") == 0;
  opened_without += !tag;
  return open_really(vfs, name, opened, flags, out);
}

/* An encryption's key, for one, may stand there. */
START_TEST(the_worker_opens_the_file_through_the_host_s_file_system_with_all_that_its_name_says) {
  char name[200];
  watching = *sqlite3_vfs_find(NULL);
  open_really = watching.xOpen;
  watching.zName = "watching";
  watching.xOpen = open_watched;
  ck_assert_int_eq(sqlite3_vfs_register(&watching, 0), SQLITE_OK);
  snprintf(name, sizeof name, "file:%s?vfs=watching&mode=rw&tag=50%%25%%20%%26%%20more&empty",
           device.path);
  sqlite3 *db = NULL;
  ck_assert_int_eq(sqlite3_open_v2(name, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, NULL),
                   SQLITE_OK);
  live_load(db, device.linked);
  live_run(db, "SELECT count(*) FROM customers");
  ck_assert_int_eq(opened_with_tag, 1);
  live_run(db, "SELECT leadx_start()");
  ck_assert_int_eq(opened_with_tag, 2);
  ck_assert_int_eq(opened_without, 0);
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
  sqlite3_vfs_unregister(&watching);
}
END_TEST

START_TEST(a_file_that_is_locked_for_one_connection_is_refused) {
  live_run(
      device.db,
      "PRAGMA journal_mode = DELETE; PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT");
  insert(device.db);
  expect_error(device.db, "SELECT leadx_start()", "second connection (database is locked)");
  live_run(device.db,
           "PRAGMA locking_mode = NORMAL; SELECT count(*) FROM customers; SELECT leadx_start()");
  wait_until_sent();
}
END_TEST

START_TEST(a_worker_that_could_do_nothing_is_not_started) {
  expect_error(device.db, "BEGIN; SELECT leadx_start()", "COMMIT first");
  live_run(device.db, "ROLLBACK");
  expect_error(device.db, "SELECT leadx_start('soon')", "a number of seconds from 0.1 to 86400");
  expect_error(device.db, "SELECT leadx_start(0)", "a number of seconds from 0.1 to 86400");
  expect_error(device.db, "SELECT leadx_notify('on')",
               "unknown event \"on\"; allowed are 'online', 'offline', 'foreground', 'background', "
               "'refresh'");
  expect_error(device.db, "SELECT leadx_notify(NULL)",
               "'online', 'offline', 'foreground', 'background', 'refresh'");
  expect_error(device.db, "BEGIN; SELECT leadx_notify('offline')", "COMMIT first");
  live_run(device.db, "ROLLBACK");
  char name[80];
  snprintf(name, sizeof name, "%s.new", device.path);
  sqlite3 *db = open_other(name, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  expect_error(db, "SELECT leadx_start()", "nothing is tracked");
  live_run(db,
           "CREATE TABLE settings(id TEXT PRIMARY KEY NOT NULL); SELECT leadx_track('settings')");
  expect_error(db, "SELECT leadx_start()", "leadx_configure");
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
  unlink(name);
}
END_TEST

START_TEST(without_a_worker_a_word_syncs_here_or_is_noted) {
  insert(device.db);
  ck_assert_str_eq(live_text(device.db, "SELECT leadx_notify('background')"),
                   "{\"state\":\"notified\",\"event\":\"background\",\"worker\":false}");
  ck_assert_str_eq(live_text(device.db, "SELECT leadx_notify('offline')"),
                   "{\"state\":\"notified\",\"event\":\"offline\",\"worker\":false}");
  ck_assert_str_eq(live_text(device.db, "SELECT online || pending FROM leadx_state"), "01");
  ck_assert_str_eq(
      live_text(
          device.db,
          "SELECT r ->> 'state' || (r ->> 'pushed') FROM (SELECT leadx_notify('online') AS r)"),
      "ok1");
  ck_assert_str_eq(live_text(device.db, "SELECT online || pending FROM leadx_state"), "10");
  ck_assert_str_eq(live_text(device.db, "SELECT leadx_notify('foreground') ->> 'state'"), "ok");
  ck_assert_str_eq(live_text(device.db, "SELECT leadx_notify('refresh') ->> 'state'"), "ok");
  ck_assert_str_eq(live_text(device.db, "SELECT group_concat(trigger) FROM leadx_log"),
                   "online,foreground,refresh");
}
END_TEST

START_TEST(two_processes_with_a_worker_each_send_everything_once) {
  char command[300];
  snprintf(command, sizeof command, "sqlite3 %s >/dev/null", device.path);
  FILE *other = popen(command, "w");
  ck_assert_ptr_nonnull(other);
  fprintf(other,
          ".timeout 5000\n.load %s\nSELECT leadx_configure('%s/rest/v1', '%s'), "
          "leadx_set_token('%s');\nSELECT leadx_start(1);\n",
          live_env("LEADX_SO"), fault_server_url(road), live_env("LEADX_APIKEY"),
          live_env("LEADX_TOKEN"));
  fflush(other);
  start("SELECT leadx_start(1)");
  for (int i = 0; i < 40; i++) {
    insert(device.db);
    fprintf(other,
            "INSERT INTO customers(id, name) VALUES ('e0000000-0000-4000-8000-%012d', 'other');\n",
            i);
    fflush(other);
    fault_sleep_ms(50);
  }
  live_wait(device.db, "SELECT count(*) FROM sync_queue WHERE status = 'SYNCED'", "80");
  ck_assert_int_eq(pclose(other), 0);
  expect_on_server(80);
  ck_assert_int_eq(live_int(device.db, "SELECT count(*) FROM sync_conflicts"), 0);
}
END_TEST

Suite *test_worker_suite(void) {
  Suite *suite = suite_create("worker");
  TCase *events = tcase_create("events");
  tcase_add_checked_fixture(events, set_up, tear_down);
  tcase_add_loop_test(events, what_is_written_on_any_connection_of_any_process_goes_by_itself, 0,
                      3);
  tcase_add_test(events, commits_are_seen_in_a_rollback_journal_too);
  tcase_add_test(events, a_manual_refresh_sends_and_fetches);
  tcase_add_test(events, the_timer_sends_and_fetches);
  tcase_add_test(events, what_is_older_than_the_retention_goes_and_nothing_else);
  tcase_add_test(events, in_the_background_nothing_goes_until_the_application_is_in_the_foreground);
  tcase_add_test(events, a_server_that_is_back_gets_everything_within_five_seconds);
  tcase_add_loop_test(events, what_the_application_says_of_the_network_is_believed, 0, 2);
  suite_add_tcase(suite, events);
  TCase *patience = tcase_create("patience");
  tcase_add_checked_fixture(patience, set_up, tear_down);
  tcase_add_test(patience, a_refused_token_is_not_tried_again_before_there_is_a_new_one);
  tcase_add_test(patience, a_server_that_wants_time_gets_it);
  tcase_add_test(patience, a_table_that_the_server_does_not_know_is_no_reason_to_run_in_circles);
  suite_add_tcase(suite, patience);
  TCase *seen = tcase_create("seen");
  tcase_add_checked_fixture(seen, set_up, tear_down);
  tcase_add_test(seen, a_sync_can_be_watched_from_every_connection);
  tcase_add_test(seen, another_process_sees_that_a_sync_runs);
  tcase_add_test(seen, what_goes_in_the_background_goes_in_pieces_and_lets_the_application_write);
  suite_add_tcase(suite, seen);
  TCase *life = tcase_create("life");
  tcase_add_checked_fixture(life, set_up, tear_down);
  tcase_add_test(life, started_twice_runs_once_and_takes_the_new_interval);
  tcase_add_test(life, the_setting_interval_is_read_again_by_each_sync);
  tcase_add_test(life, the_worker_lives_as_long_as_one_of_those_who_started_it);
  tcase_add_test(life, a_connection_that_did_not_start_the_worker_may_close);
  tcase_add_test(life, a_file_that_no_thread_could_sync_is_refused);
  tcase_add_test(life, databases_made_of_bytes_share_no_server_and_no_worker);
  tcase_add_test(
      life, the_worker_opens_the_file_through_the_host_s_file_system_with_all_that_its_name_says);
  tcase_add_test(life, a_file_that_is_locked_for_one_connection_is_refused);
  tcase_add_test(life, a_worker_that_could_do_nothing_is_not_started);
  tcase_add_test(life, without_a_worker_a_word_syncs_here_or_is_noted);
  tcase_add_test(life, two_processes_with_a_worker_each_send_everything_once);
  suite_add_tcase(suite, life);
  return suite;
}
