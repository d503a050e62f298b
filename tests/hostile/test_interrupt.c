/* Ctrl-C in the shell and sqlite3_interrupt() end whatever uses the network at once and without
** loss, and the next sync need not wait for the lease of the one that was interrupted. */
#define _GNU_SOURCE

#include <fcntl.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "live.h"
#include "suites.h"

/* An interrupt ends a call within a second; a busy machine may take a while to notice that it did.
** What is not interrupted hangs for longer. */
#define AT_ONCE_MS 10000

static live_device device;
static fault_server *road;

static void set_up(void) {
  char url[LIVE_URL_BYTES];
  live_wipe();
  road = live_road(url);
  live_open(&device, IS_SANITIZED, url);
}

static void tear_down(void) {
  live_close(&device);
  fault_server_stop(road);
}

static void add_rows(void) {
  live_run(device.db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)"
                      " INSERT INTO customers(id, name) SELECT leadx_uuid(), 'n' || i FROM n");
}

/* From now on nobody is answered, once so many requests have been. */
static void hang_after(int answered) {
  fault_rule hang = {.from = answered + 1, .kind = FAULT_HANG};
  fault_server_forget(road);
  fault_server_add(road, &hang);
}

/* Everything is on the server once, by a sync that waits for nothing. */
static void expect_all_well(sqlite3 *db) {
  fault_server_clear(road);
  ck_assert_str_eq(live_text(db, "SELECT leadx_sync() ->> 'state'"), "ok");
  ck_assert_int_eq(live_int(db, "SELECT count(*) FROM sync_queue WHERE status IS NOT 'SYNCED'"), 0);
  ck_assert_int_eq(live_int(db, "SELECT count(*) FROM sync_conflicts"), 0);
  ck_assert_int_eq(live_int(db, "SELECT count(*) FROM customers"), 50);
  ck_assert_int_eq(atoi(live_psql("select count(*) from customers")), 50);
  ck_assert_str_eq(live_text(db, "SELECT syncing || ' ' || pending FROM leadx_state"), "0 0");
}

typedef struct situation {
  const char *call;
  int is_sent; /* the rows are on the server before */
  int answered; /* requests that get their answer before nobody does */
} situation;

/* The half that pulls begins when the push has had its answers; a batch of 50 takes three requests
** (10, 20, 20). */
static const situation situations[] = {
    {"SELECT leadx_sync()", 0, 0},      {"SELECT leadx_push()", 0, 0},
    {"SELECT leadx_push()", 0, 2},      {"SELECT leadx_pull()", 1, 0},
    {"SELECT leadx_reconcile()", 1, 0}, {"SELECT leadx_step()", 0, 0},
    {"SELECT leadx_sync()", 1, 0},      {"SELECT leadx_notify('refresh')", 0, 0},
    {"SELECT leadx_check()", 1, 0},
};
#define SITUATIONS ((int)(sizeof situations / sizeof situations[0]))

static const situation *prepare(int i) {
  add_rows();
  if (situations[i].is_sent)
    ck_assert_str_eq(live_text(device.db, "SELECT leadx_sync() ->> 'state'"), "ok");
  hang_after(situations[i].answered);
  return &situations[i];
}

/* ---- sqlite3_interrupt() ---- */

static int64_t interrupted_at;

static void *interrupt(void *arg) {
  const situation *is = arg;
  while (fault_server_count(road) <= is->answered) fault_sleep_ms(5);
  fault_sleep_ms(100);
  interrupted_at = fault_now_ms();
  sqlite3_interrupt(device.db);
  return NULL;
}

START_TEST(an_interrupt_ends_every_call_at_once_and_loses_nothing) {
  pthread_t thread;
  const situation *is = prepare(_i);
  ck_assert_int_eq(pthread_create(&thread, NULL, interrupt, (void *)is), 0);
  int rc = sqlite3_exec(device.db, is->call, NULL, NULL, NULL);
  int64_t ended = fault_now_ms();
  pthread_join(thread, NULL);
  ck_assert_msg(ended - interrupted_at < AT_ONCE_MS, "%s went on for %lld ms", is->call,
                (long long)(ended - interrupted_at));
  ck_assert_msg(rc == SQLITE_INTERRUPT, "%s: %d, %s", is->call, rc, sqlite3_errmsg(device.db));
  ck_assert_int_eq(live_int(device.db, "SELECT max(retry_count) FROM sync_queue"), 0);
  expect_all_well(device.db);
}
END_TEST

/* ---- Ctrl-C ---- */

/* A shell at a terminal of its own; what is typed to it comes back on `terminal` together with its
** answers. */
typedef struct shell {
  pid_t pid;
  int terminal;
  char seen[20000];
  size_t n;
} shell;

static shell term;

static void start_shell(void) {
  memset(&term, 0, sizeof term);
  term.pid = forkpty(&term.terminal, NULL, NULL, NULL);
  ck_assert_int_ge(term.pid, 0);
  if (term.pid == 0) {
    setenv("TERM", "dumb", 1);
    execlp("sqlite3", "sqlite3", "-interactive", device.path, (char *)NULL);
    _exit(127);
  }
  fcntl(term.terminal, F_SETFL, O_NONBLOCK);
}

static void type(const char *text) {
  ck_assert_int_eq(write(term.terminal, text, strlen(text)), (ssize_t)strlen(text));
}

/* Reads on until the text has come. */
static void read_until(const char *text) {
  int64_t began = fault_now_ms();
  term.n = 0;
  term.seen[0] = 0;
  while (!strstr(term.seen, text)) {
    ck_assert_msg(fault_now_ms() - began < 40000, "\"%s\" does not come, but: %s", text, term.seen);
    ssize_t n = read(term.terminal, term.seen + term.n, sizeof term.seen - 1 - term.n);
    if (n > 0) term.n += (size_t)n;
    else fault_sleep_ms(5);
    term.seen[term.n] = 0;
  }
}

static void end_shell(void) {
  int status = 0;
  type(".quit\n");
  while (waitpid(term.pid, &status, WNOHANG) == 0) {
    char rest[1000];
    while (read(term.terminal, rest, sizeof rest) > 0) continue;
    fault_sleep_ms(5);
  }
  close(term.terminal);
  /* 1 is what the shell says when any statement failed, and one was interrupted. */
  ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) <= 1, "the shell ended with %x",
                (unsigned)status);
}

START_TEST(ctrl_c_in_the_shell_ends_every_call_at_once_and_loses_nothing) {
  char line[2000];
  const situation *is = prepare(_i);
  start_shell();
  snprintf(line, sizeof line,
           ".timeout 5000\n.load %s\nSELECT leadx_configure('%s/rest/v1', '%s') IS NULL;\n",
           live_env("LEADX_SO"), fault_server_url(road), live_env("LEADX_APIKEY"));
  type(line);
  /* A terminal takes lines of 4096 bytes at most; a token is not that long. */
  snprintf(line, sizeof line, "SELECT leadx_set_token('%s') IS NULL, 'is ' || 'ready';\n",
           live_env("LEADX_TOKEN"));
  type(line);
  read_until("is ready");
  snprintf(line, sizeof line, "%s;\n", is->call);
  type(line);
  while (fault_server_count(road) <= is->answered) fault_sleep_ms(5);
  fault_sleep_ms(100);
  int64_t began = fault_now_ms();
  type("\003"); /* what the key sends: the terminal makes SIGINT of it */
  read_until("nterrupted");
  ck_assert_msg(fault_now_ms() - began < AT_ONCE_MS, "%s went on for %lld ms", is->call,
                (long long)(fault_now_ms() - began));
  fault_server_clear(road);
  type("SELECT 'then ' || (leadx_sync() ->> 'state');\n");
  read_until("then ok");
  end_shell();
  expect_all_well(device.db);
}
END_TEST

/* A shell that syncs; what it prints is nobody's matter. */
static pid_t start_sync(void) {
  char load[300], sync[2500];
  snprintf(load, sizeof load, ".load %s", live_env("LEADX_SO"));
  snprintf(sync, sizeof sync,
           "SELECT leadx_configure('%s/rest/v1', '%s'), leadx_set_token('%s'); SELECT leadx_sync()",
           fault_server_url(road), live_env("LEADX_APIKEY"), live_env("LEADX_TOKEN"));
  pid_t pid = fork();
  ck_assert_int_ge(pid, 0);
  if (pid == 0) {
    int nowhere = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++) dup2(nowhere, fd);
    execlp("sqlite3", "sqlite3", device.path, load, sync, (char *)NULL);
    _exit(127);
  }
  return pid;
}

START_TEST(a_shell_that_is_killed_leaves_nothing_that_others_wait_for) {
  add_rows();
  hang_after(0);
  pid_t pid = start_sync();
  while (fault_server_count(road) == 0) fault_sleep_ms(5);
  kill(pid, SIGKILL);
  ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
  fault_server_clear(road);
  ck_assert_str_eq(live_text(device.db, "SELECT leadx_sync() ->> 'state'"),
                   "ok"); /* the lease would last a minute */
  expect_all_well(device.db);
}
END_TEST

Suite *test_interrupt_suite(void) {
  Suite *suite = suite_create("interrupt");
  TCase *api = tcase_create("api");
  tcase_add_checked_fixture(api, set_up, tear_down);
  tcase_add_loop_test(api, an_interrupt_ends_every_call_at_once_and_loses_nothing, 0, SITUATIONS);
  suite_add_tcase(suite, api);
  TCase *keys = tcase_create("keys");
  tcase_add_checked_fixture(keys, set_up, tear_down);
  tcase_add_loop_test(keys, ctrl_c_in_the_shell_ends_every_call_at_once_and_loses_nothing, 0,
                      SITUATIONS);
  tcase_add_test(keys, a_shell_that_is_killed_leaves_nothing_that_others_wait_for);
  suite_add_tcase(suite, keys);
  return suite;
}
