/* What the SQL functions refuse: the text says who, what and what to do instead, and nothing is
** changed. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "suites.h"
#include "tracked.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))
#define CONFIGURE "SELECT leadx_configure('https://model.example/rest/v1', 'sb_publishable_key', "

static tracked file;

static void set_up(void) {
  tracked_open(&file);
  tracked_run(
      &file,
      "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, body TEXT); SELECT leadx_track('notes');"
      "SELECT leadx_configure('https://first.example/rest/v1', 'sb_publishable_first')");
}

static void tear_down(void) { tracked_close(&file); }

static const struct refusal {
  const char *sql, *says;
} refusals[] = {
    {CONFIGURE "'[]')", "leadx_configure: the options must be a JSON object"},
    {CONFIGURE "'{\"batch_size\":20,\"nonsense\":1}')",
     "leadx_configure: unknown setting \"nonsense\"; allowed are batch_size"},
    {CONFIGURE "'{\"batch_size\":20,\"max_retries\":-1}')", "max_retries"},
    {CONFIGURE "'{\"batch_size\":20,\"max_retries\":[1]}')", "max_retries"},
    {CONFIGURE "'{\"batch_size\":20,\"ca_file\":1}')",
     "leadx_configure: ca_file must be the path of a PEM file, as text"},
    {CONFIGURE "'{\"batch_size\":20,\"allow_secret_key\":\"yes\"}')",
     "leadx_configure: allow_secret_key must be true or false"},
    {CONFIGURE "'{\"batch_size\":20')", "leadx_configure"},
    {"SELECT leadx_config('nonsense', 1)", "unknown setting \"nonsense\""},
    {"SELECT leadx_enqueue('notes', 'n1', 'BOIL', '{}')",
     "leadx_enqueue: the action \"BOIL\" must be 'CREATE', 'UPDATE' or 'DELETE'"},
    {"SELECT leadx_enqueue('notes', 'n1', 'create', '{}')",
     "leadx_enqueue: the action \"create\" must be"},
    {"SELECT leadx_enqueue('notes', 'n1', NULL, '{}')", "'CREATE', 'UPDATE' or 'DELETE'"},
    {"SELECT leadx_enqueue('notes', '', 'CREATE', '{}')",
     "leadx_enqueue: argument 2 must be the row's key"},
    {"SELECT leadx_enqueue('notes', NULL, 'CREATE', '{}')",
     "leadx_enqueue: argument 2 must be the row's key"},
    {"SELECT leadx_enqueue('notes', 'n1', 'CREATE', '{\"id\":}')",
     "leadx_enqueue: the payload is not JSON: expected a value at byte 6"},
    {"SELECT leadx_enqueue('notes', 'n1', 'CREATE', '[]')",
     "leadx_enqueue: the payload must be a JSON object with the row's columns"},
    {"SELECT leadx_enqueue('notes', 'n1', 'CREATE', NULL)", "the row as a JSON object"},
    {"SELECT leadx_enqueue('other', 'n1', 'CREATE', '{}')",
     "leadx_enqueue: unknown entity \"other\"; tracked are notes; call leadx_track() for its "
     "table"},
    {"SELECT leadx_sync('{\"strickt\":true}')",
     "leadx_sync: the only option is {\"strict\":true} (or false)"},
    {"SELECT leadx_sync('{\"strict\":1}')", "leadx_sync: the only option is"},
    {"SELECT leadx_sync('[]')", "leadx_sync: the only option is"},
    {"SELECT leadx_push('{\"strict\"')", "leadx_push"},
    {"SELECT leadx_retry('nobody')",
     "leadx_retry: no queue row has the id \"nobody\"; look in leadx_queue"},
    {"SELECT leadx_discard('nobody')",
     "leadx_discard: no queue row has the id \"nobody\"; look in leadx_queue"},
};

static void expect_untouched(const char *sql) {
  ck_assert_msg(strcmp(tracked_text(&file, "SELECT leadx_config('url')"),
                       "https://first.example/rest/v1") == 0,
                "%s: the address has changed", sql);
  ck_assert_msg(strcmp(tracked_text(&file, "SELECT leadx_config('batch_size')"), "10") == 0,
                "%s: the batch has changed", sql);
  ck_assert_msg(tracked_int(&file, "SELECT count(*) FROM sync_queue") == 0,
                "%s: something is queued", sql);
}

START_TEST(what_cannot_be_done_is_refused_whole_with_the_reason) {
  const struct refusal *r = &refusals[_i];
  const char *error = tracked_error(&file, r->sql);
  ck_assert_msg(strstr(error, r->says) != NULL, "%s: %s", r->sql, error);
  expect_untouched(r->sql);
}
END_TEST

/* What an application enqueues by itself is a row of the queue like any other. */
START_TEST(what_is_enqueued_by_hand_is_queued_under_the_id_that_is_answered) {
  char id[40];
  snprintf(
      id, sizeof id, "%s",
      tracked_text(&file, "SELECT leadx_enqueue('notes', 'n1', 'UPDATE', '{\"body\":\"b\"}')"));
  ck_assert_str_eq(tracked_text(&file,
                                "SELECT entity_type || entity_id || action || status || payload "
                                "FROM sync_queue WHERE id = %Q",
                                id),
                   "notesn1UPDATEPENDING{\"body\":\"b\"}");
}
END_TEST

int sqlite3_leadx_init(sqlite3 *handle, char **error, const void *api);

START_TEST(a_file_that_cannot_be_written_is_not_tracked_and_the_advice_is_to_open_it_for_writing) {
  sqlite3 *reader = NULL;
  char *error = NULL;
  tracked_run(&file, "VACUUM INTO '%s.bare'", file.path);
  char *path = sqlite3_mprintf("%s.bare", file.path);
  ck_assert_int_eq(sqlite3_open(path, &reader), SQLITE_OK);
  ck_assert_int_eq(
      sqlite3_exec(reader, "DROP TABLE leadx_settings; DROP TABLE leadx_tables", NULL, NULL, NULL),
      SQLITE_OK);
  sqlite3_close(reader);
  ck_assert_int_eq(sqlite3_open_v2(path, &reader, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
  ck_assert_int_eq(sqlite3_leadx_init(reader, NULL, NULL), SQLITE_OK);
  ck_assert_int_ne(sqlite3_exec(reader, "SELECT leadx_track('notes')", NULL, NULL, &error),
                   SQLITE_OK);
  ck_assert_str_eq(error, "leadx_track: the database is read-only; open it for writing");
  sqlite3_free(error);
  ck_assert_int_eq(sqlite3_close(reader), SQLITE_OK);
  unlink(path);
  sqlite3_free(path);
}
END_TEST

Suite *test_func_suite(void) {
  Suite *suite = suite_create("func");
  TCase *tcase = tcase_create("arguments");
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_loop_test(tcase, what_cannot_be_done_is_refused_whole_with_the_reason, 0,
                      COUNT(refusals));
  tcase_add_test(
      tcase, a_file_that_cannot_be_written_is_not_tracked_and_the_advice_is_to_open_it_for_writing);
  tcase_add_test(tcase, what_is_enqueued_by_hand_is_queued_under_the_id_that_is_answered);
  suite_add_tcase(suite, tcase);
  return suite;
}
