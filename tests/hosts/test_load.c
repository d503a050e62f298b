/* The loadable file itself, as a host meets it: LEADX_SO through sqlite3_load_extension(). No
** object of leadx that is linked with this program takes part. */
#define _DEFAULT_SOURCE /* popen */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sqlite3ext.h>
/* The types are the extension's, the functions are the library's: this is the host. */
#undef SQLITE_EXTENSION_INIT1
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "suites.h"

static char path[64];
static sqlite3 *db;

static const char *so(void) {
  const char *name = getenv("LEADX_SO");
  ck_assert_msg(name != NULL, "LEADX_SO is not set: run this through make test");
  return name;
}

/* ---- the connection ---- */

static void set_up(void) {
  unsetenv("SUPABASE_URL");
  snprintf(path, sizeof path, "/tmp/leadx_load_XXXXXX");
  int fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  close(fd);
  db = NULL;
}

static void close_db(void) {
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
  db = NULL;
}

static void tear_down(void) {
  if (db) close_db();
  unlink(path);
}

static void open_bare(const char *name, int flags) {
  int rc = sqlite3_open_v2(name, &db, flags, NULL);
  ck_assert_msg(rc == SQLITE_OK, "open: %s", sqlite3_errmsg(db));
}

static void load(void) {
  char *message = NULL;
  ck_assert_int_eq(sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL),
                   SQLITE_OK);
  int rc = sqlite3_load_extension(db, so(), NULL, &message);
  ck_assert_msg(rc == SQLITE_OK, "load: %s", message ? message : "?");
}

static void open_loaded(const char *name) {
  open_bare(name, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  load();
}

static void run(const char *sql) {
  char *message = NULL;
  ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &message) == SQLITE_OK, "%s: %s", sql,
                message ? message : "?");
}

/* The first column of the first row, or the error's text. */
static const char *ask(const char *sql) {
  static char answer[512];
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

static void make_tracked_file(void) {
  open_loaded(path);
  run("CREATE TABLE notes(id TEXT PRIMARY KEY, text TEXT); CREATE TABLE other(id TEXT PRIMARY "
      "KEY)");
  run("SELECT leadx_configure('http://127.0.0.1:9', 'key'), leadx_track('notes')");
  run("INSERT INTO notes VALUES ('1', 'a'), ('2', 'b')");
}

/* ---- loading ---- */

START_TEST(it_loads_into_memory_and_into_a_file) {
  const char *names[] = {":memory:", path, ""};
  open_loaded(names[_i]);
  ck_assert_int_eq(strncmp(ask("SELECT leadx_version()"), "v0.", 3), 0);
  ck_assert_str_eq(ask("SELECT count(*) FROM leadx_queue"), "0");
  close_db();
}
END_TEST

/* A function cannot be redefined while a statement that runs uses it; so this also shows that
** nothing is redefined. */
START_TEST(a_second_load_on_one_connection_changes_nothing) {
  sqlite3_stmt *stmt;
  open_loaded(path);
  ck_assert_int_eq(sqlite3_prepare_v2(db, "SELECT leadx_version() UNION ALL SELECT leadx_uuid()",
                                      -1, &stmt, NULL),
                   SQLITE_OK);
  ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
  load();
  ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
  ck_assert_int_eq(sqlite3_finalize(stmt), SQLITE_OK);
}
END_TEST

static int count_descriptors(int *sockets) {
  char name[300], target[300];
  int n = 0;
  DIR *folder = opendir("/proc/self/fd");
  ck_assert_ptr_nonnull(folder);
  *sockets = 0;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL; n++) {
    snprintf(name, sizeof name, "/proc/self/fd/%s", entry->d_name);
    ssize_t length = readlink(name, target, sizeof target - 1);
    target[length > 0 ? length : 0] = 0;
    *sockets += strncmp(target, "socket:", 7) == 0;
  }
  closedir(folder);
  return n;
}

START_TEST(loading_creates_nothing_and_opens_no_socket) {
  struct stat before, after;
  int sockets_before, sockets_after;
  open_bare(path, SQLITE_OPEN_READWRITE);
  int descriptors = count_descriptors(&sockets_before);
  ck_assert_int_eq(stat(path, &before), 0);
  load();
  ck_assert_int_eq(stat(path, &after), 0);
  ck_assert_int_eq(count_descriptors(&sockets_after), descriptors);
  ck_assert_int_eq(sockets_after, sockets_before);
  ck_assert_int_eq(after.st_size, before.st_size);
  ck_assert_int_eq(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
  ck_assert_str_eq(ask("SELECT count(*) FROM sqlite_schema"), "0");
  ck_assert_str_eq(ask("SELECT count(*) FROM temp.sqlite_schema"), "0");
}
END_TEST

START_TEST(a_read_only_file_can_be_read_and_refuses_the_rest_with_the_reason) {
  make_tracked_file();
  close_db();
  open_bare(path, SQLITE_OPEN_READONLY);
  load();
  ck_assert_str_eq(ask("SELECT count(*) FROM leadx_queue"), "2");
  ck_assert_str_eq(ask("SELECT pending FROM leadx_status"), "2");
  run("SELECT leadx_configure('http://127.0.0.1:9', 'key')");
  ck_assert_ptr_nonnull(strstr(ask("SELECT leadx_sync()"), "read-only"));
  ck_assert_ptr_nonnull(strstr(ask("SELECT leadx_track('other')"), "open the file for writing"));
  ck_assert_ptr_nonnull(
      strstr(ask("SELECT leadx_config('batch_size', '20')"), "open the file for writing"));
  close_db();
}
END_TEST

START_TEST(a_thousand_connections_leave_nothing_behind) {
  int sockets;
  open_loaded(path);
  close_db();
  int descriptors = count_descriptors(&sockets);
  sqlite3_int64 bytes = sqlite3_memory_used();
  for (int i = 0; i < 1000; i++) {
    open_loaded(path);
    ck_assert_str_eq(ask("SELECT count(*) FROM leadx_state"), "1");
    close_db();
  }
  ck_assert_int_eq(count_descriptors(&sockets), descriptors);
  ck_assert_int_eq(sqlite3_memory_used(), bytes);
}
END_TEST

/* ---- closing ---- */

/* Every function with every number of arguments: all NULL, which most of them refuse. */
START_TEST(close_is_ok_right_after_any_call) {
  char sql[4096] = "";
  make_tracked_file();
  run("CREATE TEMP TABLE calls AS SELECT name, narg, row_number() OVER (ORDER BY name, narg) AS n "
      "FROM pragma_function_list WHERE name LIKE 'leadx\\_%' ESCAPE '\\'");
  int calls = atoi(ask("SELECT count(*) FROM calls"));
  ck_assert_int_ge(calls, 20);
  char names[64][1024];
  ck_assert_int_le(calls, 64);
  for (int i = 0; i < calls; i++) {
    snprintf(sql, sizeof sql,
             "SELECT printf('SELECT %%s(%%s)', name, CASE narg WHEN 0 THEN '' ELSE 'NULL' || "
             "replace(hex(zeroblob(narg - 1)), '00', ', NULL') END) "
             "FROM calls WHERE n = %d",
             i + 1);
    snprintf(names[i], sizeof names[i], "%s", ask(sql));
  }
  close_db();
  for (int i = 0; i < calls; i++) {
    open_loaded(path);
    run("SELECT leadx_configure('http://127.0.0.1:9', 'key')");
    ask(names[i]);
    ck_assert_msg(sqlite3_close(db) == SQLITE_OK, "close after %s", names[i]);
    db = NULL;
  }
}
END_TEST

START_TEST(close_is_ok_after_every_table_was_read_halfway) {
  make_tracked_file();
  run("SELECT leadx_sync()");
  run("CREATE TEMP TABLE modules AS SELECT name, row_number() OVER (ORDER BY name) AS n FROM "
      "pragma_module_list WHERE name LIKE 'leadx\\_%' ESCAPE '\\'");
  int modules = atoi(ask("SELECT count(*) FROM modules"));
  ck_assert_int_ge(modules, 6);
  char names[16][64];
  for (int i = 0; i < modules && i < 16; i++) {
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT name FROM modules WHERE n = %d", i + 1);
    snprintf(names[i], sizeof names[i], "%s", ask(sql));
  }
  close_db();
  for (int i = 0; i < modules && i < 16; i++) {
    char sql[200];
    sqlite3_stmt *stmt;
    open_loaded(path);
    snprintf(sql, sizeof sql, "SELECT a.*, b.* FROM %.63s a, %.63s b", names[i], names[i]);
    ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    ck_assert_int_ge(sqlite3_step(stmt), SQLITE_ROW);
    /* A close that is refused, because of the host's own statement, takes nothing away. */
    ck_assert_int_eq(sqlite3_close(db), SQLITE_BUSY);
    ck_assert_int_eq(sqlite3_finalize(stmt), SQLITE_OK);
    ck_assert_str_ne(ask("SELECT count(*) FROM leadx_queue"), "0");
    ck_assert_msg(sqlite3_close(db) == SQLITE_OK, "close after reading %s", names[i]);
    db = NULL;
  }
}
END_TEST

typedef int (*init_function)(sqlite3 *, char **, const sqlite3_api_routines *);

/* The init function, and the routines that the library hands to extensions. */
static init_function find_init(void) {
  void *library = dlopen(so(), RTLD_NOW | RTLD_LOCAL);
  init_function init = NULL;
  ck_assert_msg(library != NULL, "%s", dlerror());
  *(void **)&init = dlsym(library, "sqlite3_leadx_init");
  ck_assert_msg(init != NULL, "%s", dlerror());
  return init;
}

START_TEST(it_can_be_an_automatic_extension) {
  init_function init = find_init();
  ck_assert_int_eq(sqlite3_auto_extension((void (*)(void))init), SQLITE_OK);
  for (int i = 0; i < 3; i++) {
    open_bare(path, SQLITE_OPEN_READWRITE);
    ck_assert_int_eq(strncmp(ask("SELECT leadx_version()"), "v0.", 3), 0);
    close_db();
  }
  ck_assert_int_eq(sqlite3_cancel_auto_extension((void (*)(void))init), 1);
  open_bare(path, SQLITE_OPEN_READWRITE);
  ck_assert_ptr_nonnull(strstr(ask("SELECT leadx_version()"), "no such function"));
}
END_TEST

/* ---- hosts that it does not fit ---- */

static const sqlite3_api_routines *routines;

static int catch_routines(sqlite3 *handle, char **error, const sqlite3_api_routines *api) {
  (void)handle;
  (void)error;
  routines = api;
  return SQLITE_OK;
}

/* A copy of the routines, as another SQLite library in this process would have them. */
static sqlite3_api_routines copy_routines(void) {
  ck_assert_int_eq(sqlite3_auto_extension((void (*)(void))catch_routines), SQLITE_OK);
  open_bare(path, SQLITE_OPEN_READWRITE);
  ck_assert_int_eq(sqlite3_cancel_auto_extension((void (*)(void))catch_routines), 1);
  ck_assert_ptr_nonnull(routines);
  return *routines;
}

static int number_of_3_37(void) { return 3037002; }
static const char *text_of_3_37(void) { return "3.37.2"; }

START_TEST(a_host_that_is_too_old_is_told_so) {
  sqlite3_api_routines old = copy_routines();
  char *message = NULL;
  old.libversion_number = number_of_3_37;
  old.libversion = text_of_3_37;
  ck_assert_int_eq(find_init()(db, &message, &old), SQLITE_ERROR);
  ck_assert_ptr_nonnull(message);
  ck_assert_msg(strstr(message, "3.38") && strstr(message, "3.37.2"), "%s", message);
  sqlite3_free(message);
  ck_assert_int_eq(find_init()(db, NULL, &old), SQLITE_ERROR);
  ck_assert_ptr_nonnull(strstr(ask("SELECT leadx_version()"), "no such function"));
  /* The host may load it all the same once it is a newer one. */
  load();
}
END_TEST

START_TEST(a_second_library_in_the_process_is_refused_with_the_reason) {
  sqlite3_api_routines second = copy_routines();
  char *message = NULL;
  load();
  ck_assert_int_eq(find_init()(db, &message, &second), SQLITE_ERROR);
  ck_assert_msg(message && strstr(message, "another SQLite library"), "%s",
                message ? message : "?");
  sqlite3_free(message);
  ck_assert_int_eq(strncmp(ask("SELECT leadx_version()"), "v0.", 3), 0);
}
END_TEST

/* ---- in other programs ---- */

/* Runs a command; its output, both streams, must begin like this and it must end well. */
static void expect_output(const char *command, const char *expected) {
  char line[4096], out[8192] = "";
  FILE *pipe = popen(command, "r");
  ck_assert_ptr_nonnull(pipe);
  while (fgets(line, sizeof line, pipe)) {
    if (strlen(out) + strlen(line) < sizeof out) strcat(out, line);
  }
  int status = pclose(pipe);
  ck_assert_msg(status == 0, "%s\nended with %d and said: %s", command, status, out);
  ck_assert_msg(strncmp(out, expected, strlen(expected)) == 0, "%s\nsaid: %s", command, out);
}

START_TEST(it_exports_its_init_function_and_nothing_else) {
  char command[512];
  snprintf(command, sizeof command,
           "nm -D --defined-only '%s' | sed 's/^[0-9a-f]* //' | tr '\\n' '|'", so());
  expect_output(command, "T sqlite3_leadx_init|");
  snprintf(command, sizeof command, "nm -D --defined-only '%s' | wc -l", so());
  expect_output(command, "1\n");
}
END_TEST

#define PYTHON_OPEN \
  "import os, sqlite3\n" \
  "db = sqlite3.connect(os.environ['FILE'])\n" \
  "db.enable_load_extension(True)\n" \
  "db.load_extension(os.environ['LEADX_SO'])\n"

/* What a Python program does, and what it prints. */
static const struct program {
  const char *code, *output;
} programs[] = {
    {PYTHON_OPEN
     "print(db.execute('select leadx_version()').fetchone()[0][:3]); db.close(); print('closed')",
     "v0.\nclosed\n"},
    {PYTHON_OPEN "rows = db.execute('select * from leadx_queue'); print(len(rows.fetchone()))",
     "15\n"},
    {PYTHON_OPEN "db.execute('select leadx_uuid()'); print('left open')", "left open\n"},
    {PYTHON_OPEN
     "db.execute(\"select leadx_configure('http://127.0.0.1:9', 'k')\"); db.execute(\"select "
     "leadx_track('notes')\"); db.commit()\n"
     "print(db.execute('select leadx_sync()').fetchone()[0][:18]); del db; print('dropped')",
     "{\"state\":\"offline\"\ndropped\n"},
    {PYTHON_OPEN "import threading\n"
                 "def work():\n"
                 "  own = sqlite3.connect(os.environ['FILE']); own.enable_load_extension(True); "
                 "own.load_extension(os.environ['LEADX_SO'])\n"
                 "  [own.execute('select * from leadx_status').fetchall() for i in range(50)]\n"
                 "threads = [threading.Thread(target=work) for i in range(4)]\n"
                 "[t.start() for t in threads]; [t.join() for t in threads]; print('joined')",
     "joined\n"},
    /* A second SQLite library, a real one, with symbols of its own. */
    {PYTHON_OPEN
     "import ctypes, ctypes.util, shutil, tempfile\n"
     "copy = tempfile.NamedTemporaryFile(suffix='.so'); lib = [l.split()[-1] for l in "
     "open('/proc/self/maps') if 'libsqlite3' in l][0]\n"
     "shutil.copyfile(lib, copy.name); c = ctypes.CDLL(copy.name, mode=os.RTLD_NOW | "
     "os.RTLD_DEEPBIND)\n"
     "h = ctypes.c_void_p(); e = ctypes.c_char_p(); assert c.sqlite3_open(b':memory:', "
     "ctypes.byref(h)) == 0\n"
     "assert c.sqlite3_enable_load_extension(h, 1) == 0\n"
     "print(c.sqlite3_load_extension(h, os.environ['LEADX_SO'].encode(), None, ctypes.byref(e)), "
     "e.value.decode())\n"
     "assert c.sqlite3_close(h) == 0; assert db.execute('select leadx_version()').fetchone()",
     "1 error during initialization: leadx: already in use by another SQLite library in this "
     "process"},
};

START_TEST(python_loads_it_and_ends_well) {
  char command[4096], code[] = "/tmp/leadx_code_XXXXXX";
  make_tracked_file();
  close_db();
  int fd = mkstemp(code);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(write(fd, programs[_i].code, strlen(programs[_i].code)),
                   (ssize_t)strlen(programs[_i].code));
  close(fd);
  snprintf(command, sizeof command, "FILE='%s' /usr/bin/python3 '%s' 2>&1", path, code);
  expect_output(command, programs[_i].output);
  unlink(code);
}
END_TEST

Suite *test_load_suite(void) {
  Suite *suite = suite_create("load");
  TCase *loading = tcase_create("loading");
  tcase_add_checked_fixture(loading, set_up, tear_down);
  tcase_add_loop_test(loading, it_loads_into_memory_and_into_a_file, 0, 3);
  tcase_add_test(loading, a_second_load_on_one_connection_changes_nothing);
  tcase_add_test(loading, loading_creates_nothing_and_opens_no_socket);
  tcase_add_test(loading, a_read_only_file_can_be_read_and_refuses_the_rest_with_the_reason);
  tcase_add_test(loading, a_thousand_connections_leave_nothing_behind);
  suite_add_tcase(suite, loading);
  TCase *closing = tcase_create("closing");
  tcase_add_checked_fixture(closing, set_up, tear_down);
  tcase_add_test(closing, close_is_ok_right_after_any_call);
  tcase_add_test(closing, close_is_ok_after_every_table_was_read_halfway);
  tcase_add_test(closing, it_can_be_an_automatic_extension);
  suite_add_tcase(suite, closing);
  TCase *hosts = tcase_create("hosts");
  tcase_add_checked_fixture(hosts, set_up, tear_down);
  tcase_add_test(hosts, a_host_that_is_too_old_is_told_so);
  tcase_add_test(hosts, a_second_library_in_the_process_is_refused_with_the_reason);
  tcase_add_test(hosts, it_exports_its_init_function_and_nothing_else);
  tcase_add_loop_test(hosts, python_loads_it_and_ends_well, 0,
                      sizeof programs / sizeof programs[0]);
  suite_add_tcase(suite, hosts);
  return suite;
}
