/* What is checked when a table is tracked is checked again when a file is first used: a file that
** came from somewhere else is refused by whatever is called first, within a second, and keeps every
** byte. */
#define _DEFAULT_SOURCE
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "suites.h"

int sqlite3_leadx_init(sqlite3 *handle, char **error, const void *api);

static char path[64], other[80];
static sqlite3 *db;

static void run(sqlite3 *handle, const char *sql) {
  char *message = NULL;
  ck_assert_msg(sqlite3_exec(handle, sql, NULL, NULL, &message) == SQLITE_OK, "%.200s: %s", sql,
                message ? message : "?");
}

/* The first value of a statement that may fail, or the error's text. */
static const char *ask(const char *sql) {
  static char answer[2048];
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

static void open_with_leadx(const char *name) {
  ck_assert_int_eq(sqlite3_open(name, &db), SQLITE_OK);
  ck_assert_int_eq(sqlite3_leadx_init(db, NULL, NULL), SQLITE_OK);
}

static void set_up(void) {
  static const char *const variables[] = {"SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY",
                                          "SUPABASE_ANON_KEY"};
  for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) unsetenv(variables[i]);
  snprintf(path, sizeof path, "/tmp/leadx_first_use_XXXXXX");
  int fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  close(fd);
  snprintf(other, sizeof other, "%s-16", path);
  open_with_leadx(path);
  run(db, "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, body TEXT, updated_at TEXT);"
          "SELECT leadx_track('notes'); INSERT INTO notes VALUES ('n1', 'one', NULL);"
          "INSERT INTO sync_conflicts(id, entity_type, entity_id, action, detected_at) VALUES "
          "('c1', 'notes', 'n1', 'UPDATE', '2026-01-01')");
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

static void tear_down(void) {
  unlink(path);
  unlink(other);
}

/* ---- a file of UTF-16 ---- */

static void copy_rows(sqlite3 *from, sqlite3 *to, const char *table) {
  char sql[200];
  sqlite3_stmt *rows = NULL, *insert = NULL;
  snprintf(sql, sizeof sql, "SELECT * FROM \"%s\"", table);
  ck_assert_int_eq(sqlite3_prepare_v2(from, sql, -1, &rows, NULL), SQLITE_OK);
  int n = sqlite3_column_count(rows);
  int at = snprintf(sql, sizeof sql, "INSERT INTO \"%s\" VALUES (?", table);
  for (int i = 1; i < n; i++) at += snprintf(sql + at, sizeof sql - (size_t)at, ",?");
  snprintf(sql + at, sizeof sql - (size_t)at, ")");
  ck_assert_msg(sqlite3_prepare_v2(to, sql, -1, &insert, NULL) == SQLITE_OK, "%s", sql);
  while (sqlite3_step(rows) == SQLITE_ROW) {
    for (int i = 0; i < n; i++) sqlite3_bind_value(insert, i + 1, sqlite3_column_value(rows, i));
    ck_assert_int_eq(sqlite3_step(insert), SQLITE_DONE);
    sqlite3_reset(insert);
  }
  sqlite3_finalize(rows);
  sqlite3_finalize(insert);
}

/* The same tables, rows and triggers in another encoding. */
static void make_copy(const char *encoding) {
  sqlite3 *from, *to;
  sqlite3_stmt *objects = NULL;
  char sql[64];
  ck_assert_int_eq(sqlite3_open(path, &from), SQLITE_OK);
  ck_assert_int_eq(sqlite3_open(other, &to), SQLITE_OK);
  snprintf(sql, sizeof sql, "PRAGMA encoding = \"%s\"", encoding);
  run(to, sql);
  for (int triggers = 0; triggers < 2; triggers++) {
    ck_assert_int_eq(sqlite3_prepare_v2(from,
                                        "SELECT type, name, sql FROM sqlite_schema WHERE sql NOT "
                                        "NULL AND (type = 'trigger') = ?1 ORDER BY rowid",
                                        -1, &objects, NULL),
                     SQLITE_OK);
    sqlite3_bind_int(objects, 1, triggers);
    while (sqlite3_step(objects) == SQLITE_ROW) {
      run(to, (const char *)sqlite3_column_text(objects, 2));
      if (strcmp((const char *)sqlite3_column_text(objects, 0), "table") == 0)
        copy_rows(from, to, (const char *)sqlite3_column_text(objects, 1));
    }
    sqlite3_finalize(objects);
  }
  ck_assert_int_eq(sqlite3_close(from), SQLITE_OK);
  ck_assert_int_eq(sqlite3_close(to), SQLITE_OK);
}

/* ---- every way in ---- */

static const char *const entries[] = {
    "SELECT leadx_sync()",
    "SELECT leadx_push()",
    "SELECT leadx_pull()",
    "SELECT leadx_pull('notes')",
    "SELECT leadx_step()",
    "SELECT leadx_reconcile()",
    "SELECT leadx_check()",
    "SELECT leadx_enqueue('notes', 'n2', 'CREATE', '{\"id\":\"n2\"}')",
    "SELECT leadx_retry()",
    "SELECT leadx_discard('x')",
    "SELECT leadx_resolve('c1', 'client')",
    "SELECT leadx_purge()",
    "SELECT leadx_track('notes')",
    "SELECT leadx_track('*')",
    "SELECT leadx_untrack('notes')",
    "SELECT leadx_start()",
    "SELECT leadx_notify('refresh')",
    "SELECT leadx_server_sql()",
    "SELECT leadx_configure('http://127.0.0.1:9/rest/v1', 'sb_publishable_mine')",
    "SELECT leadx_config('batch_size', '5')",
    "SELECT leadx_config('batch_size')",
    "SELECT id FROM leadx_queue",
    "UPDATE leadx_queue SET status = 'PENDING'",
    "DELETE FROM leadx_queue",
    "SELECT entity_type FROM leadx_status",
    "SELECT id FROM leadx_conflicts",
    "SELECT at FROM leadx_log",
};
enum { ENTRIES = sizeof entries / sizeof entries[0] };

static sqlite3_int64 file_hash(const char *name) {
  sqlite3_int64 hash = 0;
  int fd = open(name, O_RDONLY);
  unsigned char bytes[4096];
  for (ssize_t n; (n = read(fd, bytes, sizeof bytes)) > 0;) {
    for (ssize_t i = 0; i < n; i++)
      hash = (sqlite3_int64)((unsigned long long)hash * 31u + bytes[i]);
  }
  close(fd);
  return hash;
}

static double now_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Each entry is the first thing that a process does with the file. */
static void check_entries(const char *name, const char *said) {
  sqlite3_int64 before = file_hash(name);
  for (int i = 0; i < ENTRIES; i++) {
    open_with_leadx(name);
    if (strstr(entries[i], "leadx_configure") == NULL)
      ask("SELECT leadx_configure('http://127.0.0.1:9/rest/v1', 'sb_publishable_mine')");
    double began = now_s();
    const char *answer = ask(entries[i]);
    double took = now_s() - began;
    ck_assert_msg(strncmp(answer, "leadx_", 6) == 0 && strstr(answer, said), "%s: %s", entries[i],
                  answer);
    ck_assert_msg(took < 1, "%s: %.1f s", entries[i], took);
    ck_assert_msg(sqlite3_close(db) == SQLITE_OK, "%s", entries[i]);
    ck_assert_msg(file_hash(name) == before, "%s wrote to the file", entries[i]);
  }
}

START_TEST(a_file_of_utf16_is_refused_by_whatever_is_called_first) {
  make_copy(_i ? "UTF-16be" : "UTF-16le");
  check_entries(other, _i ? "the file's encoding is UTF-16be, and leadx needs UTF-8; copy it with: "
                            "sqlite3 OLD .dump | sqlite3 NEW"
                          : "the file's encoding is UTF-16le, and leadx needs UTF-8");
}
END_TEST

static const struct {
  const char *sql, *said;
} doctorings[] = {
    {"CREATE TRIGGER t AFTER UPDATE ON sync_queue BEGIN SELECT 1; END",
     "the trigger \"t\" on leadx's table sync_queue is not leadx's"},
    {"ALTER TABLE sync_queue RENAME TO q; CREATE VIEW sync_queue AS SELECT * FROM q",
     "sync_queue is no table here"},
    {"DROP TABLE leadx_held; CREATE TABLE leadx_held(id TEXT PRIMARY KEY NOT NULL, x AS (hex(id)))",
     "table \"leadx_held\" is not as leadx makes it"},
    {"CREATE UNIQUE INDEX u ON leadx_shadow(key)", "index \"u\" is not as leadx makes it"},
    /* SQLite before 3.44 runs these for each row that anybody writes. */
    {"PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = rtrim(sql, ')') || ', CHECK "
     "(load_extension(id) IS NULL))' WHERE name = 'sync_queue'",
     "the table \"sync_queue\" has a CHECK that calls load_extension()"},
    {"PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = rtrim(sql, ')') || ', CHECK "
     "(\"Load_Extension\" /* ( */ -- \n ((''/tmp/x''))))' WHERE name = 'notes'",
     "the table \"notes\" has a CHECK that calls load_extension()"},
    {"CREATE TABLE trap(x, CHECK ([load_extension](x) > 0)); CREATE TRIGGER spring AFTER INSERT ON "
     "notes BEGIN INSERT INTO trap VALUES ('/tmp/x'); END",
     "the table \"trap\" has a CHECK that calls load_extension()"},
};
enum { DOCTORINGS = sizeof doctorings / sizeof doctorings[0] };

/* Words and texts are no calls, nor are functions that a schema may call. */
START_TEST(a_check_of_the_application_s_own_is_no_trap) {
  ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
  run(db,
      "CREATE TABLE mine(id TEXT PRIMARY KEY NOT NULL, load_extension TEXT CHECK "
      "(length(load_extension) < 9 AND load_extension IN ('load_extension(1)', 'a')), n INTEGER "
      "CHECK (n IN (0, 1)), CONSTRAINT \"load_extension (\" CHECK (id <> 'writefile('));");
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
  open_with_leadx(path);
  const char *answer = ask("SELECT leadx_track('mine')");
  ck_assert_msg(strncmp(answer, "{\"table\":\"mine\"", 15) == 0, "%s", answer);
  run(db, "INSERT INTO mine VALUES ('m', 'a', 1)");
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}
END_TEST

START_TEST(a_doctored_file_is_refused_by_whatever_is_called_first) {
  ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
  run(db, doctorings[_i].sql);
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
  check_entries(path, doctorings[_i].said);
}
END_TEST

/* The entry in the schema has one name and its text another, so that no DROP TRIGGER finds it. */
START_TEST(a_trigger_of_two_names_does_not_keep_a_sync_for_ever) {
  ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
  run(db, "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES ('trigger', "
          "'leadx_notes_zz', 'notes', 0, 'CREATE TRIGGER other AFTER INSERT ON notes BEGIN SELECT "
          "1; END')");
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
  open_with_leadx(path);
  ask("SELECT leadx_configure('http://127.0.0.1:9/rest/v1', 'sb_publishable_mine')");
  double began = now_s();
  const char *answer = ask("SELECT leadx_sync()");
  ck_assert_msg(strstr(answer, "leadx_notes_zz") || strstr(answer, "malformed"), "%s", answer);
  ck_assert_msg(now_s() - began < 1, "%s after %.1f s", answer, now_s() - began);
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}
END_TEST

Suite *test_first_use_suite(void) {
  Suite *suite = suite_create("first_use");
  TCase *files = tcase_create("files");
  tcase_add_checked_fixture(files, set_up, tear_down);
  tcase_set_timeout(files, 30);
  tcase_add_loop_test(files, a_file_of_utf16_is_refused_by_whatever_is_called_first, 0, 2);
  tcase_add_loop_test(files, a_doctored_file_is_refused_by_whatever_is_called_first, 0, DOCTORINGS);
  tcase_add_test(files, a_check_of_the_application_s_own_is_no_trap);
  tcase_add_test(files, a_trigger_of_two_names_does_not_keep_a_sync_for_ever);
  suite_add_tcase(suite, files);
  return suite;
}
