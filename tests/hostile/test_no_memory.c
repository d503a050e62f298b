/* Want of memory is no answer: whatever allocation fails, a question of one module either has the
** answer that it has with memory, or an error. (test_faults lets whole syncs run out of memory.) */
#include <string.h>

#include "pull/page.h"
#include "rows/key.h"
#include "rows/unique.h"
#include "short_memory.h"
#include "suites.h"
#include "tracked.h"
#include "store/tables.h"

static tracked file;
static leadx_tables tables;

static void set_up(void) {
  short_memory_begin();
  tracked_open(&file);
  tracked_run(
      &file,
      "CREATE TABLE t(a TEXT NOT NULL, b TEXT NOT NULL, doc JSON, n INTEGER, PRIMARY KEY (a, b));"
      "CREATE UNIQUE INDEX t_1 ON t(n); CREATE UNIQUE INDEX t_2 ON t(lower(doc));"
      "CREATE UNIQUE INDEX t_3 ON t(a) WHERE n > 5");
  tracked_run(&file, "SELECT leadx_track('t')");
  ck_assert_int_eq(leadx_tables_load(&file.db, "test", &tables, &file.err), SQLITE_OK);
}

static void tear_down(void) {
  leadx_tables_clear(&tables);
  tracked_close(&file);
  short_memory_end();
}

static leadx_slice slice(const char *z) { return (leadx_slice){z, strlen(z)}; }

/* ---- questions: each answers with a text, or NULL and an error ---- */

static char *list_uniques(leadx_err *err) {
  leadx_uniques uniques;
  sqlite3_str *text = sqlite3_str_new(NULL);
  leadx_uniques_read(&file.db, tables.list[0], &uniques, err);
  for (int i = 0; i < uniques.n; i++) sqlite3_str_appendf(text, "%s;", uniques.match[i]);
  sqlite3_str_appendf(text, "%s", uniques.of ? uniques.of : "");
  leadx_uniques_clear(&uniques);
  leadx_db_release(&file.db);
  return leadx_db_finish(text, err);
}

static char *send_json(leadx_err *err) {
  sqlite3_str *text = sqlite3_str_new(NULL);
  leadx_wire_send(text, LEADX_JSON, slice("\"{\\\"a\\\":1}\""));
  return leadx_db_finish(text, err);
}

/* Two objects without the memory to sort their members are different on purpose, which asks a person
** instead of dropping an edit. */
static char *compare_json(leadx_err *err) {
  int equal = leadx_wire_equal(LEADX_JSON, slice("\"[\\\"a\\\"]\""), slice("[ \"a\" ]"), err);
  return sqlite3_mprintf("%d", equal);
}

static char *ask_for_rows(leadx_err *err) {
  static char *const keys[] = {"[\"x\\\"1\",\"y\"]", "[\"x2\",\"z\\\\\"]"};
  static const leadx_target target = {"https://x.example/rest/v1", "key", NULL, NULL};
  leadx_request *request = leadx_page_rows_request(&target, tables.list[0], keys, 2, err);
  char *url = request ? sqlite3_mprintf("%s", request->url) : NULL;
  leadx_request_free(request);
  return url;
}

static char *ask_for_page(leadx_err *err) {
  leadx_place place = {"2026-01-01T00:00:00Z", "[\"x\\\"1\",\"y\"]"};
  static const leadx_target target = {"https://x.example/rest/v1", "key", NULL, NULL};
  leadx_request *request = leadx_page_request(&target, tables.list[0], &place, 5, NULL, err);
  char *url = request ? sqlite3_mprintf("%s", request->url) : NULL;
  leadx_request_free(request);
  return url;
}

static char *mean(leadx_err *err) {
  leadx_kind kind = {LEADX_JSON, LEADX_AFFINITY_NUMERIC}, bytes = {LEADX_BLOB, LEADX_AFFINITY_NONE};
  uint32_t of_document = leadx_meaning_of_server(kind, slice("{\"a\\\"b\":[\"c\\\\d\"]}")),
           of_bytes = leadx_meaning_of_queued(bytes, slice("\"\\\\x00ff\"")),
           of_text = leadx_meaning_of_queued(kind, slice("\"{\\\"a\\\":\\\"\\\\\\\"\\\"}\""));
  if (!of_document || !of_bytes || !of_text) leadx_err_nomem(err);
  return sqlite3_mprintf("%u %u %u", of_document, of_bytes, of_text);
}

static char *find_key(leadx_err *err) {
  return leadx_key_of_row(tables.list[0], slice("{\"a\":\"x\\\"1\",\"b\":\"y\"}"), err);
}

static const struct question {
  const char *name;
  char *(*ask)(leadx_err *err);
} questions[] = {
    {"the unique values of a table", list_uniques},
    {"a document on its way", send_json},
    {"are two documents one", compare_json},
    {"rows by their keys", ask_for_rows},
    {"the rows behind a place", ask_for_page},
    {"the meaning of a value", mean},
    {"a row's key", find_key},
};
enum { QUESTIONS = sizeof questions / sizeof questions[0] };

START_TEST(a_question_has_its_answer_or_an_error_whatever_allocation_fails) {
  const struct question *q = &questions[_i];
  leadx_err err = {0};
  char *whole = q->ask(&err);
  ck_assert_msg(whole != NULL && err.rc == SQLITE_OK, "%s: %s", q->name, err.text);
  for (long n = 1; n < 3000; n++) {
    leadx_err_clear(&err);
    short_memory_fail(n);
    char *answer = q->ask(&err);
    int failed = short_memory_failed();
    ck_assert_msg(!answer || err.rc != SQLITE_OK || strcmp(answer, whole) == 0,
                  "%s, without allocation %ld: %s", q->name, n, answer);
    ck_assert_msg(failed || err.rc == SQLITE_OK, "%s: %s", q->name, err.text);
    sqlite3_free(answer);
    if (!failed) break;
  }
  sqlite3_free(whole);
}
END_TEST

Suite *test_no_memory_suite(void) {
  Suite *suite = suite_create("no_memory");
  TCase *tcase = tcase_create("questions");
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_loop_test(tcase, a_question_has_its_answer_or_an_error_whatever_allocation_fails, 0,
                      QUESTIONS);
  suite_add_tcase(suite, tcase);
  return suite;
}
