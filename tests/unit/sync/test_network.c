/* The network coming up, as the kernel tells it. Tests of the real one run in a child with a
** network of its own (a namespace, in which the loopback interface is all there is, and down), so
** nothing of the machine's is touched. */
#define _GNU_SOURCE
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "fault_server.h"
#include "sync/network.h"
#include "suites.h"

int sqlite3_leadx_init(sqlite3 *handle, char **error, const void *api);

/* What a child ends with; everything else is the line at which something was wrong. */
enum { FINE = 0, NOT_PERMITTED = 1 };
#define NEED(condition) \
  do { \
    if (!(condition)) return __LINE__; \
  } while (0)
/* In steps of 10 ms: a wait that is over before is over. */
#define MOST_STEPS 3000

/* Switches the loopback interface of this namespace. */
static int set_loopback(int up) {
  struct ifreq request;
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = -1;
  memset(&request, 0, sizeof request);
  strcpy(request.ifr_name, "lo");
  if (fd >= 0) rc = ioctl(fd, SIOCGIFFLAGS, &request);
  request.ifr_flags = (short)(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
  if (rc == 0) rc = ioctl(fd, SIOCSIFFLAGS, &request);
  if (fd >= 0) close(fd);
  return rc == 0;
}

static int leave_network(void) {
  return unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
}

/* Runs a test in a child with a network of its own. */
static void in_own_network(int (*run)(void)) {
  int status = 0;
  pid_t pid = fork();
  ck_assert_int_ge(pid, 0);
  if (pid == 0) _exit(leave_network() ? run() : NOT_PERMITTED);
  for (int i = 0; waitpid(pid, &status, WNOHANG) == 0; i++) {
    if (i == 2 * MOST_STEPS) kill(pid, SIGKILL);
    usleep(10000);
  }
  ck_assert_msg(WIFEXITED(status), "the child was killed by signal %d", WTERMSIG(status));
  if (WEXITSTATUS(status) == NOT_PERMITTED)
    fprintf(stderr, "network: this machine lets nobody have a network of their own; not tried\n");
  else
    ck_assert_msg(WEXITSTATUS(status) == FINE, "something was wrong at line %d",
                  WEXITSTATUS(status));
}

/* ---- the socket ---- */

static int heard(int fd) {
  for (int i = 0; i < MOST_STEPS; i++) {
    if (leadx_network_came_up(fd)) return 1;
    usleep(10000);
  }
  return 0;
}

/* Nothing is heard for 300 ms: what the kernel has to say of an interface that comes up may come in
** pieces. */
static int falls_silent(int fd) {
  int silent = 0;
  for (int i = 0; i < MOST_STEPS && silent < 30; i++) {
    silent = leadx_network_came_up(fd) ? 0 : silent + 1;
    usleep(10000);
  }
  return silent == 30;
}

static int hear_it_come_up(void) {
  int fd = leadx_network_open();
  NEED(fd >= 0 && !leadx_network_came_up(fd));
  NEED(set_loopback(1) && heard(fd));
  NEED(falls_silent(fd) && set_loopback(0));
  for (int i = 0; i < 10; i++) {
    NEED(!leadx_network_came_up(fd)); /* going down is no good news */
    usleep(10000);
  }
  NEED(set_loopback(1) && heard(fd));
  leadx_network_close(fd);
  return FINE;
}

START_TEST(an_interface_that_comes_up_is_heard_and_one_that_goes_down_is_not) {
  in_own_network(hear_it_come_up);
}
END_TEST

/* ---- its messages; a pair of sockets stands for the kernel ---- */

static int ends[2];

static void open_ends(void) { ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0); }

static void close_ends(void) {
  close(ends[0]);
  leadx_network_close(ends[1]);
}

/* One datagram of some messages. A length other than 0 is a lie about the last one's. */
typedef struct datagram {
  _Alignas(struct nlmsghdr) char bytes[512];
  size_t n;
} datagram;

static void add(datagram *d, int type, unsigned flags, unsigned length) {
  struct nlmsghdr *message = (struct nlmsghdr *)(void *)(d->bytes + d->n);
  struct ifinfomsg *link = NLMSG_DATA(message);
  message->nlmsg_type = (unsigned short)type;
  message->nlmsg_len = length ? length : NLMSG_LENGTH(sizeof *link);
  link->ifi_flags = flags;
  d->n += NLMSG_SPACE(sizeof *link);
}

static void say(const datagram *d) {
  ck_assert_int_eq(send(ends[0], d->bytes, d->n, 0), (ssize_t)d->n);
}

static const struct news {
  int type;
  unsigned flags, length;
  int is_good;
} news[] = {
    {RTM_NEWADDR, 0, 0, 1},
    {RTM_NEWLINK, IFF_UP | IFF_RUNNING, 0, 1},
    {RTM_NEWLINK, IFF_UP, 0, 0}, /* up, but the cable is out */
    {RTM_DELADDR, 0, 0, 0},
    {RTM_DELLINK, IFF_RUNNING, 0, 0},
    {RTM_NEWLINK, IFF_RUNNING, NLMSG_LENGTH(0), 0}, /* no room for what it should say */
    {RTM_NEWADDR, 0, 1, 0}, /* shorter than a message can be */
    {RTM_NEWADDR, 0, 4096, 0}, /* longer than what came */
};

START_TEST(an_address_or_a_running_interface_is_good_news_and_the_rest_is_not) {
  datagram d = {.n = 0};
  add(&d, news[_i].type, news[_i].flags, news[_i].length);
  say(&d);
  ck_assert_int_eq(leadx_network_came_up(ends[1]), news[_i].is_good);
  ck_assert_int_eq(leadx_network_came_up(ends[1]), 0); /* it was told once */
}
END_TEST

START_TEST(good_news_is_found_behind_any_other) {
  datagram bad = {.n = 0}, mixed = {.n = 0};
  add(&bad, RTM_DELADDR, 0, 0);
  add(&mixed, RTM_NEWLINK, 0, 0);
  add(&mixed, RTM_NEWADDR, 0, 0);
  ck_assert_int_eq(leadx_network_came_up(ends[1]), 0);
  say(&bad);
  say(&mixed);
  say(&bad);
  ck_assert_int_eq(leadx_network_came_up(ends[1]), 1);
}
END_TEST

START_TEST(where_there_is_nothing_to_listen_to_nothing_is_told) {
  int fd = leadx_network_open();
  ck_assert_int_ge(fd, -1);
  leadx_network_close(fd);
  ck_assert_int_eq(leadx_network_came_up(-1), 0);
  leadx_network_close(-1);
}
END_TEST

/* ---- the worker ---- */

static const char *text(sqlite3 *db, const char *sql) {
  static char answer[300];
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  snprintf(answer, sizeof answer, "%s",
           rc == SQLITE_ROW && sqlite3_column_text(stmt, 0)
               ? (const char *)sqlite3_column_text(stmt, 0)
               : sqlite3_errmsg(db));
  sqlite3_finalize(stmt);
  return answer;
}

static int comes(sqlite3 *db, const char *sql, const char *answer) {
  for (int i = 0; i < MOST_STEPS; i++) {
    if (strcmp(text(db, sql), answer) == 0) return 1;
    usleep(10000);
  }
  return 0;
}

static int configure(sqlite3 *db, const char *url) {
  char *sql = sqlite3_mprintf("SELECT leadx_configure(%Q, 'key') ->> 'apikey'", url);
  int done = strstr(text(db, sql), "…") != NULL;
  sqlite3_free(sql);
  return done;
}

#define LOGGED(trigger, state) \
  "SELECT count(*) > 0 FROM leadx_log WHERE trigger = '" trigger "' AND state = '" state "'"

/* The application has said that there is no network, so the worker's next look would be due in five
** minutes. */
static int wake(sqlite3 *db) {
  fault_server *server = set_loopback(1)
                             ? fault_server_start()
                             : NULL; /* its address is there only while the interface is up */
  NEED(server && set_loopback(0) && configure(db, fault_server_url(server)));
  text(db, "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, updated_at TEXT)");
  text(db, "SELECT leadx_track('notes')");
  NEED(strcmp(text(db, "SELECT leadx_start() ->> 'state'"), "started") == 0);
  NEED(comes(db, LOGGED("start", "offline"), "1"));
  text(db, "SELECT leadx_notify('offline')");
  NEED(set_loopback(1));
  NEED(comes(db, LOGGED("online", "ok"), "1"));
  NEED(strcmp(text(db, "SELECT online FROM leadx_state"), "1") == 0);
  NEED(sqlite3_close(db) == SQLITE_OK);
  fault_server_stop(server);
  return FINE;
}

static int wake_worker(void) {
  char path[] = "/tmp/leadx_network_XXXXXX";
  sqlite3 *db = NULL;
  int fd = mkstemp(path);
  NEED(fd >= 0);
  close(fd);
  NEED(sqlite3_open(path, &db) == SQLITE_OK && sqlite3_leadx_init(db, NULL, NULL) == SQLITE_OK);
  int code = wake(db);
  unlink(path);
  return code;
}

START_TEST(the_worker_wakes_when_an_interface_comes_up) { in_own_network(wake_worker); }
END_TEST

Suite *test_network_suite(void) {
  Suite *suite = suite_create("network");
  TCase *tcase = tcase_create("network");
  tcase_set_timeout(tcase, 100);
  tcase_add_test(tcase, an_interface_that_comes_up_is_heard_and_one_that_goes_down_is_not);
  tcase_add_test(tcase, the_worker_wakes_when_an_interface_comes_up);
  suite_add_tcase(suite, tcase);
  TCase *messages = tcase_create("messages");
  tcase_add_checked_fixture(messages, open_ends, close_ends);
  tcase_add_loop_test(messages, an_address_or_a_running_interface_is_good_news_and_the_rest_is_not,
                      0, sizeof news / sizeof news[0]);
  tcase_add_test(messages, good_news_is_found_behind_any_other);
  tcase_add_test(messages, where_there_is_nothing_to_listen_to_nothing_is_told);
  suite_add_tcase(suite, messages);
  return suite;
}
