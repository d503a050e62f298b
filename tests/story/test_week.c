/* A week in the life of a device whose application calls leadx_start() when it starts and never
** speaks of leadx again: it writes, loses the network, meets a server that is busy, resets, loses
** answers and lets tokens expire, is closed in the evening or killed, and is started again wherever
** it happens to be. A week is LEADX_WEEK_SECONDS long. */
#define _GNU_SOURCE

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "live.h"
#include "suites.h"

#if IS_SANITIZED
#define WEEK_SECONDS 7 /* the application runs in a shell, which no sanitizer watches */
#else
#define WEEK_SECONDS 20
#endif

static live_device device; /* only read by the test, but for setting it up */
static fault_server *road;
static unsigned seed;
static int next_row;

static int chance(int of) { return rand_r(&seed) % of == 0; }

static void set_up(void) {
  char url[LIVE_URL_BYTES];
  const char *given = getenv("LEADX_TEST_SEED");
  seed = given ? (unsigned)atoi(given) : (unsigned)(fault_now_ms() ^ getpid());
  fprintf(stderr, "LEADX_TEST_SEED=%u\n", seed);
  live_wipe();
  live_psql("update auth.config set jwt_exp_s = 3");
  road = live_road(url);
  live_open(&device, 1, url);
  next_row = 0;
}

static void tear_down(void) {
  live_psql("update auth.config set jwt_exp_s = 3600");
  live_close(&device);
  fault_server_stop(road);
}

/* ---- the application ---- */

static pid_t app;
static FILE *to_app;

static void tell(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vfprintf(to_app, format, args);
  va_end(args);
  fflush(to_app);
}

/* However long it takes: nobody signs in through a storm. */
static void wait_for_app(void) {
  char up[80];
  snprintf(up, sizeof up, "%s.up", device.path);
  while (access(up, F_OK) != 0) {
    ck_assert_int_eq(waitpid(app, NULL, WNOHANG), 0);
    fault_sleep_ms(5);
  }
  unlink(up);
}

/* In the morning it signs in, or has a token from yesterday when there is no network to sign in
** by. */
static void start_app(int is_offline) {
  int ends[2];
  ck_assert_int_eq(pipe(ends), 0);
  app = fork();
  ck_assert_int_ge(app, 0);
  if (app == 0) {
    dup2(ends[0], 0);
    close(ends[0]);
    close(ends[1]);
    if (!freopen("/dev/null", "w", stdout)) _exit(126);
    execlp("sqlite3", "sqlite3", device.path, (char *)NULL);
    _exit(127);
  }
  close(ends[0]);
  to_app = fdopen(ends[1], "w");
  ck_assert_ptr_nonnull(to_app);
  tell(".timeout 5000\n.load %s\nSELECT leadx_configure('%s/rest/v1', '%s');\n",
       live_env("LEADX_SO"), fault_server_url(road), live_env("LEADX_APIKEY"));
  if (is_offline) tell("SELECT leadx_set_token('%s');\n", live_env("LEADX_TOKEN"));
  else
    tell("SELECT leadx_login('%s', '%s');\n", live_env("LEADX_EMAIL_1"),
         live_env("LEADX_PASSWORD_1"));
  tell("SELECT leadx_start(1.5);\n.shell touch %s.up\n", device.path);
  wait_for_app();
}

static void end_app(int by_force) {
  int status = 0;
  int64_t began = fault_now_ms();
  if (by_force) kill(app, SIGKILL);
  fclose(to_app);
  while (waitpid(app, &status, WNOHANG) == 0) {
    ck_assert_msg(fault_now_ms() - began < 40000, "the application does not end");
    fault_sleep_ms(5);
  }
  ck_assert_msg(by_force || WIFEXITED(status), "the application ended with %x", (unsigned)status);
}

/* One of the things that a person does. */
static void work(void) {
  int row = next_row > 0 ? rand_r(&seed) % next_row : 0;
  switch (rand_r(&seed) % 4) {
    case 0:
      tell("UPDATE customers SET name = name || '+' WHERE id = 'c0000000-0000-4000-8000-%012d';\n",
           row);
      break;
    case 1:
      if (chance(4))
        tell("DELETE FROM customers WHERE id = 'c0000000-0000-4000-8000-%012d';\n", row);
      break;
    default:
      tell("INSERT INTO customers(id, name) VALUES ('c0000000-0000-4000-8000-%012d', 'n');\n",
           next_row++);
  }
}

/* ---- the road ---- */

static const fault_rule weather[] = {
    {.kind = FAULT_FORWARD},
    {.to = 3, .kind = FAULT_FORWARD_LOSE},
    {.to = 2, .kind = FAULT_FORWARD_RESET},
    {.to = 2, .kind = FAULT_ANSWER, .status = 503, .headers = "Retry-After: 1"},
    {.to = 1,
     .path = "/rest/v1",
     .kind = FAULT_ANSWER,
     .status = 401,
     .body = "{\"code\":\"PGRST301\",\"message\":\"JWT expired\"}"},
    {.to = 2, .kind = FAULT_ANSWER, .status = 502},
    {.kind = FAULT_FORWARD_SLOW, .n = 150},
    {.to = 1, .kind = FAULT_HANG, .n = 700},
};

static void change_weather(int is_offline) {
  fault_server_refuse(road, is_offline);
  fault_server_clear(road);
  fault_server_add(road, &weather[(size_t)rand_r(&seed) % (sizeof weather / sizeof weather[0])]);
}

/* A colleague edits what the device does not, and adds customers. */
static void colleague(int day) {
  char sql[400];
  snprintf(sql, sizeof sql,
           "update customers set city = 'day %d' where id = (select id from customers order by id "
           "limit 1);"
           "insert into customers(id, owner_id, name) values ('d0000000-0000-4000-8000-%012d', "
           "'%s', 'of a colleague')",
           day, day, live_env("LEADX_USER_1"));
  live_psql(sql);
}

static void live_a_day(int day, int64_t ms) {
  int is_offline = day % 2;
  fault_server_clear(road);
  fault_server_refuse(road, is_offline);
  start_app(is_offline);
  change_weather(is_offline);
  int64_t began = fault_now_ms(), changed = began;
  while (fault_now_ms() - began < ms) {
    work();
    fault_sleep_ms(20 + rand_r(&seed) % 40);
    if (fault_now_ms() - changed < ms / 5) continue;
    changed = fault_now_ms();
    change_weather(chance(3));
  }
  colleague(day);
}

/* ---- the end of the week ---- */

static const char *unsent(void) {
  return live_text(device.db,
                   "SELECT count(*) || ' of ' || (SELECT count(*) FROM sync_queue) || ' unsent: ' "
                   "|| ifnull(group_concat(DISTINCT status || ' ' ||"
                   " ifnull(error_code, '')), '') FROM sync_queue WHERE status IS NOT 'SYNCED'");
}

/* Is what one sees at a glance the same? */
static int is_same(void) {
  char *here = sqlite3_mprintf(
      "%s",
      live_text(
          device.db,
          "SELECT count(*) || ' ' || ifnull(sum(length(name)), 0) || ' ' || count(city) || ' ' ||"
          " count(CASE WHEN name = 'of a colleague' THEN 1 END) FROM customers"));
  const char *there = live_psql(
      "select count(*) || ' ' || coalesce(sum(length(name)), 0) || ' ' || count(city) || ' ' ||"
      " count(case when name = 'of a colleague' then 1 end) from customers");
  int same = strcmp(here, there) == 0;
  sqlite3_free(here);
  return same;
}

/* The same row by row. */
static void expect_same_rows(void) {
  char command[400];
  snprintf(command, sizeof command,
           "psql -XAtq -F '|' -c \"select id, name, coalesce(city, '') from customers order by "
           "id\" > %s.server",
           device.path);
  ck_assert_int_eq(system(command), 0);
  snprintf(command, sizeof command,
           "sqlite3 %s \"SELECT id, name, ifnull(city, '') FROM customers ORDER BY id\" | cmp - "
           "%s.server",
           device.path, device.path);
  int rc = system(command);
  snprintf(command, sizeof command, "%s.server", device.path);
  unlink(command);
  ck_assert_int_eq(rc, 0);
}

START_TEST(an_application_that_only_ever_writes_keeps_itself_in_sync_for_a_week) {
  const char *given = getenv("LEADX_WEEK_SECONDS");
  int64_t day_ms = (given ? atoi(given) : WEEK_SECONDS) * 1000 / 7;
  for (int day = 0; day < 7; day++) {
    live_a_day(day, day_ms);
    if (day < 6) end_app(chance(2));
  }
  fault_server_refuse(road, 0);
  fault_server_clear(road);
  int64_t began = fault_now_ms();
  while (strncmp(unsent(), "0 of", 4) != 0 || !is_same()) {
    ck_assert_msg(fault_now_ms() - began < 60000, "after a minute of good weather: %s", unsent());
    fault_sleep_ms(100);
  }
  expect_same_rows();
  ck_assert_int_ge(
      live_int(device.db, "SELECT count(*) FROM customers WHERE name = 'of a colleague'"), 7);
  ck_assert_int_eq(live_int(device.db, "SELECT count(*) FROM sync_queue WHERE retry_count > 0"), 0);
  ck_assert_int_gt(
      live_int(device.db, "SELECT count(*) FROM leadx_runs WHERE state = 'ok' AND pushed > 0"), 0);
  end_app(0);
  ck_assert_int_eq(fault_server_unfiltered(road), 0);
}
END_TEST

Suite *test_week_suite(void) {
  Suite *suite = suite_create("week");
  TCase *week = tcase_create("week");
  tcase_add_checked_fixture(week, set_up, tear_down);
  tcase_set_timeout(week, getenv("LEADX_WEEK_SECONDS") ? 86400 : 120);
  tcase_add_test(week, an_application_that_only_ever_writes_keeps_itself_in_sync_for_a_week);
  suite_add_tcase(suite, week);
  return suite;
}
