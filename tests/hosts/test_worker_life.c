/* The background worker's life: closed, stopped, forked and left at any moment, it neither hangs
** nor crashes nor leaves a thread, a descriptor or a row behind. */
#define _GNU_SOURCE

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "live.h"
#include "suites.h"

#if IS_SANITIZED
#define SHARE \
  5 /* a sanitizer makes everything slower, and sees with fewer what others see with many */
#else
#define SHARE 1
#endif

/* A stop takes two seconds at most. What the machine does meanwhile is not counted; what hangs
** would take 30 s. */
#define STOP_MS 10000

static live_device device;
static fault_server *road;
static char url[LIVE_URL_BYTES];
static unsigned seed;

static long random_up_to(long most) { return rand_r(&seed) % (most + 1); }

static void set_up(void) {
  const char *given = getenv("LEADX_TEST_SEED");
  seed = given ? (unsigned)atoi(given) : (unsigned)(fault_now_ms() ^ getpid());
  fprintf(stderr, "LEADX_TEST_SEED=%u\n", seed);
  live_wipe();
  road = live_road(url);
  live_open(&device, IS_SANITIZED, url);
}

static void tear_down(void) {
  live_close(&device);
  fault_server_stop(road);
}

/* Is it a thread of the fault server, or a descriptor of the device's file? SQLite keeps those for
** the next connection when the file has locks. */
static int is_no_matter(const char *path) {
  char text[300], comm[320];
  ssize_t length = readlink(path, text, sizeof text - 1);
  text[length > 0 ? length : 0] = 0;
  if (length > 0) return strncmp(text, device.path, strlen(device.path)) == 0;
  snprintf(comm, sizeof comm, "%s/comm", path);
  FILE *file = fopen(comm, "r");
  int is = file && fgets(text, sizeof text, file) && strcmp(text, FAULT_THREAD "\n") == 0;
  if (file) fclose(file);
  return is;
}

/* The threads ("task") or descriptors ("fd") of this process. */
static int count_own(const char *what) {
  char path[300];
  int n = 0;
  struct dirent *entry;
  snprintf(path, sizeof path, "/proc/self/%s", what);
  DIR *dir = opendir(path);
  ck_assert_ptr_nonnull(dir);
  while ((entry = readdir(dir)) != NULL) {
    snprintf(path, sizeof path, "/proc/self/%s/%s", what, entry->d_name);
    n += !is_no_matter(path);
  }
  closedir(dir);
  return n;
}

/* A thread that has ended is seen for a moment longer. Who waits for a writer would wait for longer
** than this. */
static void expect_no_more(const char *what, int before) {
  for (int i = 0; i < 300 && count_own(what) > before; i++) fault_sleep_ms(10);
  ck_assert_int_le(count_own(what), before);
}

/* The fault server's own descriptors are not what is counted. */
static void end_connections(void) {
  ck_assert_int_eq(fault_server_refuse(road, 1), 0);
  ck_assert_int_eq(fault_server_refuse(road, 0), 0);
}

static sqlite3 *open_another(void) {
  sqlite3 *db = live_second(&device);
  char *sql = sqlite3_mprintf("SELECT leadx_configure(%Q, %Q), leadx_set_token(%Q)", url,
                              live_env("LEADX_APIKEY"), live_env("LEADX_TOKEN"));
  live_run(db, "PRAGMA synchronous = OFF");
  live_run(db, sql);
  sqlite3_free(sql);
  return db;
}

/* What libcurl and TLS open with the first request (the system's randomness, for one) they keep. */
static void warm_up(void) {
  live_run(device.db, "SELECT leadx_sync(), leadx_start(), leadx_stop()");
  end_connections();
}

static void insert(sqlite3 *db, int row) {
  char sql[200];
  snprintf(sql, sizeof sql,
           "INSERT INTO customers(id, name) VALUES ('c0000000-0000-4000-8000-%012d', 'n%d')", row,
           row);
  live_run(db, sql);
}

static void expect_all_on_server(int n) {
  fault_server_clear(road);
  live_run(device.db, "SELECT leadx_stop()");
  ck_assert_str_eq(live_text(device.db, "SELECT leadx_sync() ->> 'state'"), "ok");
  ck_assert_int_eq(
      live_int(device.db, "SELECT count(*) FROM sync_queue WHERE status IS NOT 'SYNCED'"), 0);
  ck_assert_int_eq(live_int(device.db, "SELECT count(*) FROM sync_conflicts"), 0);
  ck_assert_int_eq(atoi(live_psql("select count(*) from customers")), n);
}

START_TEST(a_close_at_any_moment_ends_the_worker_and_loses_nothing) {
  enum { POINTS = 200 / SHARE };
  int64_t longest = 0;
  fault_rule slow = {.kind = FAULT_FORWARD_SLOW, .n = 10};
  fault_server_add(road, &slow);
  warm_up();
  int threads = count_own("task"), files = count_own("fd");
  for (int i = 0; i < POINTS; i++) {
    sqlite3 *db = open_another();
    insert(db, i);
    live_run(db, "SELECT leadx_start()");
    fault_sleep_ms(random_up_to(80));
    int64_t began = fault_now_ms();
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    if (fault_now_ms() - began > longest) longest = fault_now_ms() - began;
  }
  ck_assert_msg(longest < STOP_MS, "%lld ms", (long long)longest);
  end_connections();
  expect_no_more("task", threads);
  expect_no_more("fd", files);
  expect_all_on_server(POINTS);
}
END_TEST

static void *storm(void *arg) {
  unsigned own = seed + (unsigned)(size_t)arg;
  sqlite3 *db = open_another();
  for (int i = 0; i < 125 / SHARE; i++) {
    live_run(db, "SELECT leadx_start()");
    if (rand_r(&own) % 4 == 0) fault_sleep_ms(rand_r(&own) % 20);
    if (rand_r(&own) % 8 == 0) live_run(db, "SELECT leadx_notify('refresh')");
    live_run(db, "SELECT leadx_stop()");
  }
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
  return NULL;
}

START_TEST(five_hundred_starts_and_stops_on_four_connections_leave_nothing_behind) {
  pthread_t threads[4];
  insert(device.db, 0);
  warm_up();
  ck_assert_int_eq(fault_server_refuse(road, 1),
                   0); /* what is in flight is the other test's matter */
  int before = count_own("task"), files = count_own("fd");
  for (size_t i = 0; i < 4; i++)
    ck_assert_int_eq(pthread_create(&threads[i], NULL, storm, (void *)i), 0);
  for (size_t i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  ck_assert_str_eq(live_text(device.db, "SELECT leadx_stop()"), "{\"state\":\"not running\"}");
  expect_no_more("task", before);
  expect_no_more("fd", files);
  ck_assert_int_eq(fault_server_refuse(road, 0), 0);
  expect_all_on_server(1);
}
END_TEST

START_TEST(a_server_that_hangs_does_not_hold_up_a_stop) {
  fault_rule hang = {.kind = FAULT_HANG};
  fault_server_add(road, &hang);
  int threads = count_own("task");
  live_run(device.db, "SELECT leadx_start()");
  while (fault_server_count(road) == 0) fault_sleep_ms(10);
  int64_t began = fault_now_ms();
  live_run(device.db, "SELECT leadx_stop()");
  ck_assert_int_lt(fault_now_ms() - began, STOP_MS);
  expect_no_more("task", threads); /* it was not left to itself */
}
END_TEST

START_TEST(a_writer_that_holds_the_file_does_not_hold_up_a_stop) {
  sqlite3 *writer = live_second(&device);
  insert(device.db, 0);
  live_run(writer, "BEGIN IMMEDIATE");
  int threads = count_own("task");
  live_run(device.db, "SELECT leadx_start()");
  fault_sleep_ms(200);
  int64_t began = fault_now_ms();
  live_run(device.db, "SELECT leadx_stop()");
  ck_assert_int_lt(fault_now_ms() - began, STOP_MS);
  expect_no_more("task", threads);
  live_run(writer, "COMMIT");
  ck_assert_int_eq(sqlite3_close(writer), SQLITE_OK);
  expect_all_on_server(1);
}
END_TEST

START_TEST(a_close_that_is_refused_leaves_the_worker_running) {
  sqlite3 *db = open_another();
  sqlite3_stmt *stmt = NULL;
  live_run(db, "SELECT leadx_start()");
  ck_assert_int_eq(sqlite3_prepare_v2(db, "SELECT count(*) FROM customers", -1, &stmt, NULL),
                   SQLITE_OK);
  ck_assert_int_eq(sqlite3_close(db), SQLITE_BUSY);
  ck_assert_str_eq(live_text(db, "SELECT leadx_start()"),
                   "{\"state\":\"running\",\"interval\":300}");
  ck_assert_int_eq(sqlite3_close_v2(db), SQLITE_OK); /* closed for good with its last statement */
  sqlite3_finalize(stmt);
  ck_assert_str_eq(live_text(device.db, "SELECT leadx_stop()"), "{\"state\":\"not running\"}");
}
END_TEST

/* ---- fork() ---- */

typedef struct call {
  char sql[200];
} call;

/* Every function with every number of arguments, every table: what a child may try. */
static int list_calls(call *calls, int most) {
  int n = 0;
  sqlite3_stmt *stmt = NULL;
  sqlite3_prepare_v2(device.db,
                     "SELECT name, narg FROM pragma_function_list WHERE name LIKE 'leadx_%' AND "
                     "name NOT LIKE 'leadx_key_%' UNION "
                     "SELECT name, -1 FROM pragma_module_list"
                     " WHERE name LIKE 'leadx_%'",
                     -1, &stmt, NULL);
  while (sqlite3_step(stmt) == SQLITE_ROW && n < most) {
    static const char *const arguments[] = {"", "1", "1, 2", "1, 2, 3", "1, 2, 3, 4"};
    const char *name = (const char *)sqlite3_column_text(stmt, 0);
    int narg = sqlite3_column_int(stmt, 1);
    if (narg < 0) snprintf(calls[n++].sql, sizeof calls->sql, "SELECT * FROM %s", name);
    else snprintf(calls[n++].sql, sizeof calls->sql, "SELECT %s(%s)", name, arguments[narg]);
  }
  sqlite3_finalize(stmt);
  return n;
}

/* What the child finds wrong, as its exit code; Check's assertions belong to the parent. */
static int try_in_child(const call *calls, int n) {
  for (int i = 0; i < n; i++) {
    char *error = NULL;
    int rc = sqlite3_exec(device.db, calls[i].sql, NULL, NULL, &error);
    if (rc != SQLITE_MISUSE || !error || !strstr(error, "was forked")) return 10 + i;
    sqlite3_free(error);
  }
  return sqlite3_close(device.db) == SQLITE_OK ? 0 : 1;
}

/* The child's exit code; a child that hangs is killed and fails the test. */
static int wait_for_child(pid_t pid) {
  int status = 0;
  int64_t began = fault_now_ms();
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (fault_now_ms() - began > 30000) kill(pid, SIGKILL);
    fault_sleep_ms(2);
  }
  ck_assert_msg(WIFEXITED(status), "the child was killed by signal %d", WTERMSIG(status));
  return WEXITSTATUS(status);
}

START_TEST(a_child_of_fork_is_told_so_by_everything_and_may_close) {
  static call calls[80];
  int n = list_calls(calls, 80), rows = 0;
  ck_assert_int_gt(n, 40);
  fault_rule slow = {.kind = FAULT_FORWARD_SLOW, .n = 5};
  fault_server_add(road, &slow);
  live_run(device.db, "SELECT leadx_start(0.1)");
  for (int i = 0; i < 60 / SHARE; i++) {
    insert(device.db, rows++);
    live_run(device.db, "SELECT leadx_notify('refresh')");
    fault_sleep_ms(random_up_to(60));
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) _exit(try_in_child(calls, n));
    int code = wait_for_child(pid);
    ck_assert_msg(code == 0, "%s: exit code %d",
                  code >= 10 ? calls[code - 10].sql : "sqlite3_close", code);
  }
  expect_all_on_server(rows);
}
END_TEST

/* The address sanitizer allocates behind locks of its own, which a child gets as its parent's
** threads had them. */
#define CAN_FORK (!IS_SANITIZED || IS_THREAD_SANITIZED)

/* The thread sanitizer does not know that a child's threads are not its parent's, and stops at the
** first that looks the same. */
#if IS_THREAD_SANITIZED
#define WORK "SELECT leadx_sync()"
#else
#define WORK "SELECT leadx_start()"
#endif

/* A child that does as SQLite wants it has a worker of its own. */
static int work_in_child(void) {
  sqlite3 *db = open_another();
  insert(db, 1);
  live_run(db, WORK);
  for (int i = 0;
       i < 2500 && live_int(db, "SELECT count(*) FROM sync_queue WHERE status IS NOT 'SYNCED'") > 0;
       i++)
    fault_sleep_ms(10);
  int left = live_int(db, "SELECT count(*) FROM sync_queue WHERE status IS NOT 'SYNCED'");
  return sqlite3_close(db) == SQLITE_OK && left == 0 ? 0 : 1;
}

START_TEST(a_child_that_opens_the_file_anew_has_a_worker_of_its_own) {
  /* A worker that waits for an answer has no lock of the file, which would be the child's for
  ** ever. */
  fault_rule held = {.kind = FAULT_FORWARD_HELD};
  fault_server_add(road, &held);
  live_run(device.db, "SELECT leadx_start()");
  while (fault_server_held(road) == 0) fault_sleep_ms(5);
  snprintf(url, sizeof url, "%s",
           live_env("LEADX_URL")); /* the fault server's threads are the parent's */
  pid_t pid = fork();
  ck_assert_int_ge(pid, 0);
  if (pid == 0) _exit(work_in_child());
  fault_server_clear(road);
  ck_assert_int_eq(wait_for_child(pid), 0);
  insert(device.db, 2);
  expect_all_on_server(2);
}
END_TEST

/* ---- the end of the process ---- */

START_TEST(a_process_may_end_while_its_worker_works) {
  char command[1200];
  const char *server = _i % 2 ? live_env("LEADX_URL_TLS") : url;
  fault_rule slow = {.kind = FAULT_FORWARD_SLOW, .n = 50};
  fault_server_add(road, &slow);
  for (int i = 0; i < 8; i++) {
    insert(device.db, i);
    /* With a code, .exit calls exit() at once and closes nothing. */
    snprintf(command, sizeof command,
             "sqlite3 %s '.load %s' \"SELECT leadx_configure('%s', '%s', "
             "'{\\\"ca_file\\\":\\\"%s\\\"}'), leadx_set_token('%s'), leadx_start()\""
             " '.shell sleep 0.%02ld' '.exit 7' >/dev/null",
             device.path, live_env("LEADX_SO"), server, live_env("LEADX_APIKEY"),
             live_env("LEADX_CA"), live_env("LEADX_TOKEN"), random_up_to(15));
    int64_t began = fault_now_ms();
    int status = system(command);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 7, "status %x", (unsigned)status);
    ck_assert_int_lt(fault_now_ms() - began, STOP_MS);
  }
  expect_all_on_server(8);
}
END_TEST

Suite *test_worker_life_suite(void) {
  Suite *suite = suite_create("worker_life");
  TCase *stops = tcase_create("stops");
  tcase_add_checked_fixture(stops, set_up, tear_down);
  tcase_add_test(stops, a_close_at_any_moment_ends_the_worker_and_loses_nothing);
  tcase_add_test(stops, five_hundred_starts_and_stops_on_four_connections_leave_nothing_behind);
  tcase_add_test(stops, a_server_that_hangs_does_not_hold_up_a_stop);
  tcase_add_test(stops, a_writer_that_holds_the_file_does_not_hold_up_a_stop);
  tcase_add_test(stops, a_close_that_is_refused_leaves_the_worker_running);
  suite_add_tcase(suite, stops);
  if (CAN_FORK) {
    TCase *forks = tcase_create("forks");
    tcase_add_checked_fixture(forks, set_up, tear_down);
    tcase_add_test(forks, a_child_of_fork_is_told_so_by_everything_and_may_close);
    tcase_add_test(forks, a_child_that_opens_the_file_anew_has_a_worker_of_its_own);
    suite_add_tcase(suite, forks);
  }
  TCase *ends = tcase_create("ends");
  tcase_add_checked_fixture(ends, set_up, tear_down);
  tcase_add_loop_test(ends, a_process_may_end_while_its_worker_works, 0, 2);
  suite_add_tcase(suite, ends);
  return suite;
}
