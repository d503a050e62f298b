/* Hosts whose SQLite was built without something: leadx.so is given a table of routines in which
** one pointer is NULL, and each function of the reference is called. No object of leadx that is
** linked with this program takes part. */
#define _DEFAULT_SOURCE /* mkstemp */
#include <dlfcn.h>
#include <sqlite3ext.h>
/* The types are the extension's, the functions are the library's: this is the host. */
#undef SQLITE_EXTENSION_INIT1
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suites.h"

typedef int (*init_function)(sqlite3 *handle, char **error, const sqlite3_api_routines *api);

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static const struct optional {
  const char *name, *option;
  size_t offset;
} optional[] = {
#define OPTIONAL(name, member, option) {#name, option, offsetof(sqlite3_api_routines, member)},
#include "optional_api.def"
#undef OPTIONAL
};

/* The library's own table, which it shows to extensions only. */
static const sqlite3_api_routines *real;
/* What leadx is given. One copy of leadx.so knows one table, so it is always this one. */
static sqlite3_api_routines doctored;
static char path[64];
static sqlite3 *db;

static int look_at_table(sqlite3 *handle, char **error, const sqlite3_api_routines *api) {
  (void)handle;
  (void)error;
  real = api;
  return SQLITE_OK;
}

static void set_up(void) {
  unsetenv("SUPABASE_URL");
  ck_assert_int_eq(sqlite3_auto_extension((void (*)(void))look_at_table), SQLITE_OK);
  snprintf(path, sizeof path, "/tmp/leadx_optional_XXXXXX");
  int fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  close(fd);
  ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
  ck_assert_ptr_nonnull(real);
  doctored = *real;
}

static void tear_down(void) {
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
  unlink(path);
}

static void take_away(const struct optional *routine) {
  memset((char *)&doctored + routine->offset, 0, sizeof(void (*)(void)));
}

static int is_gone(const char *option) {
  for (int i = 0; i < COUNT(optional); i++) {
    void (*pointer)(void);
    memcpy(&pointer, (const char *)&doctored + optional[i].offset, sizeof pointer);
    if (!pointer && strcmp(optional[i].option, option) == 0) return 1;
  }
  return 0;
}

static int load(char **error) {
  const char *name = getenv("LEADX_SO");
  ck_assert_msg(name != NULL, "LEADX_SO is not set: run this through make test");
  void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  ck_assert_msg(library != NULL, "%s", dlerror());
  init_function init;
  *(void **)&init = dlsym(library, "sqlite3_leadx_init");
  ck_assert(init != NULL);
  return init(db, error, &doctored);
}

/* The first column of the first row, or the error's text. */
static const char *ask(const char *sql) {
  static char answer[1024];
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  const char *text = rc == SQLITE_ROW    ? (const char *)sqlite3_column_text(stmt, 0)
                     : rc == SQLITE_DONE ? ""
                                         : sqlite3_errmsg(db);
  snprintf(answer, sizeof answer, "%s", text ? text : "");
  sqlite3_finalize(stmt);
  return answer;
}

static void set_up_leadx(void) {
  ask("SELECT leadx_configure('http://127.0.0.1:9/rest/v1', 'sb_publishable_none')");
  ck_assert_str_eq(ask("SELECT json_extract(leadx_track('notes'), '$.table')"), "notes");
}

static void make_tracked_file(void) {
  ask("PRAGMA synchronous = OFF");
  ask("CREATE TABLE notes(id TEXT PRIMARY KEY, body TEXT)");
  set_up_leadx();
  ask("INSERT INTO notes VALUES ('1', 'a')");
  ck_assert_str_eq(ask("SELECT count(*) FROM leadx_queue"), "1");
}

/* Every function and every number of arguments, the arguments plausible for most. What they answer
** is no matter here: that they answer is. The functions of rows/key are no reference's: leadx's own
** statements call them. */
static void call_all(void) {
  static const char *const arguments[] = {"", "'notes'", "'notes', '{}'", "'notes', '1', '{}'",
                                          "'notes', '1', 'UPDATE', '{\"id\":\"1\"}'"};
  sqlite3_stmt *functions = NULL;
  int called = 0;
  ck_assert_int_eq(sqlite3_prepare_v2(db,
                                      "SELECT DISTINCT name, narg FROM pragma_function_list WHERE "
                                      "name LIKE 'leadx~_%' ESCAPE '~' AND name NOT LIKE "
                                      "'leadx~_key~_%' ESCAPE '~' ORDER BY name, narg",
                                      -1, &functions, NULL),
                   SQLITE_OK);
  char calls[200][160];
  while (sqlite3_step(functions) == SQLITE_ROW && called < 200) {
    int n = sqlite3_column_int(functions, 1);
    ck_assert(n >= 0 && n < COUNT(arguments));
    snprintf(calls[called++], sizeof calls[0], "SELECT %s(%s)", sqlite3_column_text(functions, 0),
             arguments[n]);
  }
  sqlite3_finalize(functions);
  ck_assert_int_ge(called, 30);
  for (int i = 0; i < called; i++) ask(calls[i]);
}

static void read_all(void) {
  static const char *const tables[] = {"leadx_queue", "leadx_status", "leadx_conflicts",
                                       "leadx_log",   "leadx_state",  "leadx_checks"};
  char sql[80];
  for (int i = 0; i < COUNT(tables); i++) {
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", tables[i]);
    ck_assert_msg(atoi(ask(sql)) >= 0, "%s", ask(sql));
  }
}

static void check_file(const char *what) {
  char *error = NULL;
  int rc = load(&error);
  if (is_gone("SQLITE_OMIT_VIRTUALTABLE") && rc != SQLITE_OK) {
    ck_assert_msg(error && strstr(error, "SQLITE_OMIT_VIRTUALTABLE"), "%s", error ? error : "?");
    sqlite3_free(error);
    return;
  }
  ck_assert_msg(rc == SQLITE_OK, "without %s: %s", what, error ? error : "?");
  make_tracked_file();
  call_all();
  read_all();
  /* The worker's thread, too: it works, or says why it cannot. */
  set_up_leadx();
  const char *answer = ask("SELECT leadx_start(60)");
  if (is_gone("SQLITE_THREADSAFE=0"))
    ck_assert_msg(strstr(answer, "locks switched off") != NULL, "%s", answer);
  else ck_assert_msg(strstr(answer, "started") != NULL, "without %s: %s", what, answer);
  ask("INSERT INTO notes VALUES ('2', 'b')");
  sqlite3_sleep(50);
  /* fork() takes the locks that a child would find held. */
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) _exit(0);
  ck_assert_int_eq(waitpid(child, NULL, 0), child);
  ask("SELECT leadx_stop()");
}

START_TEST(every_function_answers_without_a_routine_that_a_build_may_leave_out) {
  take_away(&optional[_i]);
  check_file(optional[_i].name);
}
END_TEST

/* As a build does it: all that the option of the i-th routine takes away, at once. */
START_TEST(every_function_answers_without_all_that_an_option_leaves_out) {
  const char *option = optional[_i].option;
  if (_i > 0 && strcmp(optional[_i - 1].option, option) == 0) return;
  for (int i = 0; i < COUNT(optional); i++) {
    if (strcmp(optional[i].option, option) == 0) take_away(&optional[i]);
  }
  check_file(option);
}
END_TEST

START_TEST(a_build_without_anything_that_can_be_left_out_but_virtual_tables_works) {
  for (int i = 0; i < COUNT(optional); i++) {
    if (strcmp(optional[i].option, "SQLITE_OMIT_VIRTUALTABLE") != 0) take_away(&optional[i]);
  }
  check_file("all of it");
}
END_TEST

Suite *test_optional_api_suite(void) {
  Suite *suite = suite_create("optional_api");
  TCase *host = tcase_create("host");
  tcase_add_checked_fixture(host, set_up, tear_down);
  tcase_set_timeout(host, 30);
  tcase_add_loop_test(host, every_function_answers_without_a_routine_that_a_build_may_leave_out, 0,
                      COUNT(optional));
  tcase_add_loop_test(host, every_function_answers_without_all_that_an_option_leaves_out, 0,
                      COUNT(optional));
  tcase_add_test(host, a_build_without_anything_that_can_be_left_out_but_virtual_tables_works);
  suite_add_tcase(suite, host);
  return suite;
}
