/* Several at once on one file: two processes and four threads sync while the application writes
** without a busy handler. One sends, the others are told `busy`; nothing is sent twice. And what
** cannot be acknowledged is not sent at all. */
#define _DEFAULT_SOURCE /* usleep */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "live.h"
#include "phone.h"
#include "suites.h"

enum { THREADS = 4, PROCESSES = 2, SYNCS = 12 };

static fault_server *server;
static char url[LIVE_URL_BYTES];
static phone d;

static void set_up(void) {
  server = live_road(url);
  phone_init(&d, url, "WAL", 3);
}

static void tear_down(void) {
  fault_server_stop(server);
  phone_remove(&d);
}

/* ---- together ---- */

static atomic_int oks, busies, others;

/* Failures are counted and not asserted: a thread is no place for an assertion. */
static void *sync_in_a_thread(void *db) {
  for (int i = 0; i < SYNCS; i++) {
    char *result = phone_ask(db, "SELECT leadx_sync() ->> 'state'");
    if (strcmp(result, "ok") == 0) oks++;
    else if (strcmp(result, "busy") == 0) busies++;
    else others++;
    sqlite3_free(result);
    usleep(2000);
  }
  return NULL;
}

/* How many POSTs had this row is what the access log says. */
static void no_row_was_created_twice(sqlite3 *db) {
  sqlite3_stmt *stmt;
  ck_assert_int_eq(
      sqlite3_prepare_v2(db, "SELECT DISTINCT entity_id FROM sync_queue WHERE action = 'CREATE'",
                         -1, &stmt, NULL),
      SQLITE_OK);
  int rows = 0;
  for (; sqlite3_step(stmt) == SQLITE_ROW; rows++) {
    char member[80];
    int posted = 0;
    snprintf(member, sizeof member, "\"id\":\"%s\"", (const char *)sqlite3_column_text(stmt, 0));
    for (int i = 0; i < fault_server_count(server); i++) {
      const fault_request *request = fault_server_get(server, i);
      posted += strcmp(request->method, "POST") == 0 && request->body &&
                strstr(request->body, member) != NULL;
    }
    ck_assert_msg(posted <= 1, "%s was sent %d times", member, posted);
  }
  ck_assert_int_gt(rows, 20);
  ck_assert_int_eq(sqlite3_finalize(stmt), SQLITE_OK);
}

START_TEST(two_processes_and_four_threads_never_send_a_row_twice) {
  pthread_t threads[THREADS];
  sqlite3 *connections[THREADS];
  pid_t pids[PROCESSES];
  ck_assert_int_eq(phone_wait(&d, phone_start(&d, 1, 0)), 0);
  oks = busies = others = 0;
  for (int i = 0; i < THREADS; i++) connections[i] = phone_open(&d, url);
  /* Each process is an application that writes, with no busy handler, as well as one that syncs. */
  d.rounds = SYNCS;
  for (int i = 0; i < PROCESSES; i++) pids[i] = phone_start(&d, (unsigned)i + 2, 0);
  for (int i = 0; i < THREADS; i++)
    ck_assert_int_eq(pthread_create(&threads[i], NULL, sync_in_a_thread, connections[i]), 0);
  for (int i = 0; i < THREADS; i++) ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
  for (int i = 0; i < PROCESSES; i++) ck_assert_int_eq(phone_wait(&d, pids[i]), 0);
  ck_assert_int_eq(others, 0);
  ck_assert_int_eq(oks + busies, THREADS * SYNCS);
  ck_assert_int_gt(oks, 0);
  phone_check(&d);
  phone_finish(&d);
  no_row_was_created_twice(connections[0]);
  for (int i = 0; i < THREADS; i++) ck_assert_int_eq(sqlite3_close(connections[i]), SQLITE_OK);
}
END_TEST

START_TEST(a_second_sync_is_busy_while_the_first_waits_for_its_answer) {
  pthread_t thread;
  ck_assert_int_eq(phone_wait(&d, phone_start(&d, 1, 0)), 0);
  fault_rule held = {.method = "POST", .kind = FAULT_FORWARD_HELD};
  fault_server_add(server, &held);
  sqlite3 *first = phone_open(&d, url), *second = phone_open(&d, url);
  sqlite3_free(phone_ask(first, "INSERT INTO customers(id, name) VALUES (leadx_uuid(), 'slow')"));
  oks = busies = others = 0;
  int seen = fault_server_seen(server, "POST", NULL);
  ck_assert_int_eq(pthread_create(&thread, NULL, sync_in_a_thread, first), 0);
  while (fault_server_seen(server, "POST", NULL) == seen) usleep(5000);
  char *state = phone_ask(second, "SELECT leadx_sync() ->> 'state'");
  ck_assert_str_eq(state, "busy");
  sqlite3_free(state);
  /* The user's writes do not wait for the network either. */
  sqlite3_busy_timeout(second, 0);
  sqlite3_free(phone_ask(second, "UPDATE customers SET notes = 'meanwhile' WHERE name = 'slow'"));
  fault_server_clear(server);
  ck_assert_int_eq(pthread_join(thread, NULL), 0);
  ck_assert_int_eq(others, 0);
  ck_assert_int_eq(sqlite3_close(first), SQLITE_OK);
  ck_assert_int_eq(sqlite3_close(second), SQLITE_OK);
}
END_TEST

/* ---- nothing can be written ---- */

static const struct obstacle {
  const char *sql;
} obstacles[] = {{"PRAGMA query_only = 1"}, {"PRAGMA max_page_count = 1"}};

START_TEST(a_file_that_cannot_be_written_is_said_before_anything_is_sent) {
  ck_assert_int_eq(phone_wait(&d, phone_start(&d, 1, 0)), 0);
  sqlite3 *db = phone_open(&d, url);
  sqlite3_free(phone_ask(db, "INSERT INTO customers(id, name) VALUES (leadx_uuid(), 'unsent')"));
  sqlite3_free(phone_ask(db, obstacles[_i].sql));
  fault_server_forget(server);
  sqlite3_stmt *stmt;
  ck_assert_int_eq(sqlite3_prepare_v2(db, "SELECT leadx_sync()", -1, &stmt, NULL), SQLITE_OK);
  int rc = sqlite3_step(stmt);
  const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0)
                                      : sqlite3_errmsg(db);
  if (_i == 0) {
    ck_assert_int_eq(rc, SQLITE_READONLY);
    ck_assert_msg(strstr(text, "read") != NULL, "%s", text);
    ck_assert_int_eq(fault_server_count(server), 0);
  } else {
    /* Room enough for the bookkeeping is no reason to refuse; but then the row is acknowledged as
    ** well. */
    ck_assert_msg(rc == SQLITE_ROW ? strstr(text, "\"pending\":0") != NULL
                                   : fault_server_count(server) == 0,
                  "%d %s", rc, text);
  }
  sqlite3_finalize(stmt);
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}
END_TEST

Suite *test_company_suite(void) {
  Suite *suite = suite_create("company");
  TCase *together = tcase_create("together");
  tcase_set_timeout(together, 120);
  tcase_add_checked_fixture(together, set_up, tear_down);
  tcase_add_test(together, two_processes_and_four_threads_never_send_a_row_twice);
  tcase_add_test(together, a_second_sync_is_busy_while_the_first_waits_for_its_answer);
  tcase_add_loop_test(together, a_file_that_cannot_be_written_is_said_before_anything_is_sent, 0,
                      2);
  suite_add_tcase(suite, together);
  return suite;
}
