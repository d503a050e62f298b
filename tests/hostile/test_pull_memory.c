/* Memory while a large table is pulled: bounded by one page, whatever the table holds. In a process
** of its own, so that nothing else is measured. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_transport.h"
#include "pages.h"
#include "sanitized.h"
#include "suites.h"

/* A sanitizer keeps what was freed, so that only what leadx and SQLite themselves hold can be
** measured there. */
enum { ROWS = IS_SANITIZED ? 30000 : 200000, PAGE = 1000, MOST_KB = 25 * 1024 };

/* A server that makes its rows up as they are asked for. */
static void answer(void *arg, leadx_request *req) {
  static char body[PAGE * 320];
  int *next = arg, n = 2;
  body[0] = '[';
  body[1] = ' ';
  for (int i = 0; i < PAGE && *next < ROWS; i++, ++*next) {
    n += snprintf(body + n, sizeof body - (size_t)n,
                  "%s{\"id\":\"01890000-0000-7000-8000-%012d\",\"name\":\"customer number "
                  "%d\",\"city\":\"Surakarta\",\"credit\":%d.25,\"notes\":"
                  "\"a text of some length that a person wrote after a "
                  "visit\",\"updated_at\":\"2024-01-%02dT%02d:%02d:%02d.%06d+00:00\"}",
                  i ? "," : "", *next, *next, *next, 1 + *next / 86400, *next / 3600 % 24,
                  *next / 60 % 60, *next % 60, *next);
  }
  snprintf(body + n, sizeof body - (size_t)n, "]");
  fake_answer(req, 200, body);
}

static leadx_transport *open_source(void *arg, const leadx_http_limits *limits, leadx_err *err) {
  (void)limits;
  (void)err;
  return fake_transport_open(answer, arg);
}

/* A line of /proc/self/status in kilobytes. */
static long read_kb(const char *name) {
  char line[200];
  long kb = -1;
  FILE *file = fopen("/proc/self/status", "r");
  while (file && fgets(line, sizeof line, file)) {
    if (strncmp(line, name, strlen(name)) == 0) sscanf(line + strlen(name), ": %ld", &kb);
  }
  if (file) fclose(file);
  return kb;
}

/* In the child: pulls all, tells the peaks over what was there before, in kilobytes: of the
** process, and of what was allocated through SQLite, as everything of leadx is. */
static void measure(int out) {
  model_server model = {.key = "id"};
  push_device device;
  int next = 0;
  device_open(&device, &model);
  device_run(&device, "CREATE TABLE customers(id TEXT PRIMARY KEY NOT NULL, name TEXT, city TEXT, "
                      "credit REAL, notes TEXT, updated_at TEXT);"
                      "SELECT leadx_track('customers')");
  long before = read_kb("VmRSS"), held = (long)(sqlite3_memory_used() / 1024);
  sqlite3_memory_highwater(1);
  leadx_sync_options options = {.who = "leadx_pull",
                                .trigger = "test",
                                .without_push = 1,
                                .with_pull = 1,
                                .request_budget = -1,
                                .open_transport = open_source,
                                .arg = &next};
  char *result = leadx_sync_report(device.ctx, &options, &device.ctx->err);
  long numbers[3] = {read_kb("VmHWM") - before, (long)(sqlite3_memory_highwater(0) / 1024) - held,
                     0};
  sqlite3_free(result);
  leadx_db_release(&device.ctx->db);
  numbers[2] = device_int(&device, "SELECT count(*) FROM customers");
  device_close(&device);
  if (write(out, numbers, sizeof numbers) != (ssize_t)sizeof numbers) _exit(1);
}

START_TEST(a_large_table_takes_the_memory_of_one_page) {
  int ends[2];
  long numbers[3] = {0, 0, 0};
  ck_assert_int_eq(pipe(ends), 0);
  pid_t pid = fork();
  ck_assert_int_ge(pid, 0);
  if (pid == 0) {
    measure(ends[1]);
    _exit(0);
  }
  close(ends[1]);
  ck_assert_int_eq(read(ends[0], numbers, sizeof numbers), (ssize_t)sizeof numbers);
  close(ends[0]);
  int status;
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  ck_assert_int_eq(numbers[2], ROWS);
  ck_assert_msg(IS_SANITIZED || numbers[0] < MOST_KB, "%ld KB over the baseline", numbers[0]);
  ck_assert_msg(numbers[1] > 0 && numbers[1] < MOST_KB, "%ld KB allocated over the baseline",
                numbers[1]);
}
END_TEST

Suite *test_pull_memory_suite(void) {
  Suite *suite = suite_create("pull_memory");
  TCase *tcase = tcase_create("memory");
  tcase_set_timeout(tcase, 60);
  tcase_add_test(tcase, a_large_table_takes_the_memory_of_one_page);
  suite_add_tcase(suite, tcase);
  return suite;
}
