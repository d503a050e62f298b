/* A program that leadx works in starts others: none of leadx's descriptors is seen by them. */
#define _DEFAULT_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "suites.h"

int sqlite3_leadx_init(sqlite3 *handle, char **error, const void *api);

static char path[64];

static void run(sqlite3 *db, const char *sql) {
  char *message = NULL;
  ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &message) == SQLITE_OK, "%.200s: %s", sql,
                message ? message : "?");
}

/* A server that takes connections and never says anything; its port. */
static int listen_silently(int *port) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t n = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
  ck_assert_int_eq(listen(fd, 16), 0);
  ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &n), 0);
  *port = ntohs(address.sin_port);
  return fd;
}

/* What a program that is started now sees, a line each: "socket:[81]", "/tmp/file". What this one was
** itself started with (make's pipes, a log) is seen as well. */
static void list_of_child(char *list, size_t n) {
  char command[200], name[80];
  snprintf(name, sizeof name, "%s-fds", path);
  snprintf(command, sizeof command,
           "for f in /proc/self/fd/*; do readlink \"$f\"; done 2>/dev/null > %s", name);
  ck_assert_int_ne(system(command), -1);
  int fd = open(name, O_RDONLY | O_CLOEXEC);
  ssize_t got = read(fd, list, n - 1);
  ck_assert_int_gt(got, 0);
  list[got] = 0;
  close(fd);
  unlink(name);
}

/* Is it one that leadx may have opened: a socket, a pipe, a poll's, a file of the database? */
static int may_be_of_leadx(const char *line) {
  static const char *const kinds[] = {"socket:", "pipe:", "anon_inode:"};
  for (int i = 0; i < 3; i++) {
    if (strncmp(line, kinds[i], strlen(kinds[i])) == 0) return 1;
  }
  return strncmp(line, path, strlen(path)) == 0 && !strstr(line, "-fds");
}

START_TEST(a_program_that_is_started_sees_no_descriptor_of_leadx) {
  char before[4096], during[4096], sql[200];
  sqlite3 *db;
  int port = 0, server = listen_silently(&port);
  snprintf(path, sizeof path, "/tmp/leadx_descriptors_XXXXXX");
  int fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  close(fd);
  ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
  ck_assert_int_eq(sqlite3_leadx_init(db, NULL, NULL), SQLITE_OK);
  run(db, "PRAGMA journal_mode = WAL; CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, body TEXT, "
          "updated_at TEXT); SELECT leadx_track('notes')");
  snprintf(sql, sizeof sql,
           "SELECT leadx_configure('http://127.0.0.1:%d/rest/v1', 'sb_publishable_x', "
           "'{\"timeout\":20}'); INSERT INTO notes VALUES ('n', 'x', NULL)",
           port);
  run(db, sql);
  list_of_child(before, sizeof before);
  run(db, "SELECT leadx_start(0.1)");
  struct pollfd asked = {.fd = server, .events = POLLIN};
  ck_assert_int_eq(poll(&asked, 1, 10000), 1);
  list_of_child(during, sizeof during);
  run(db, "SELECT leadx_stop()");
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
  close(server);
  unlink(path);
  for (char *line = strtok(during, "\n"); line; line = strtok(NULL, "\n"))
    ck_assert_msg(!may_be_of_leadx(line) || strstr(before, line), "%s is seen", line);
}
END_TEST

Suite *test_descriptors_suite(void) {
  Suite *suite = suite_create("descriptors");
  TCase *all = tcase_create("all");
  tcase_set_timeout(all, 40);
  tcase_add_test(all, a_program_that_is_started_sees_no_descriptor_of_leadx);
  suite_add_tcase(suite, all);
  return suite;
}
