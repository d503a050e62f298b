/* Ids of any form: whatever stands as the id of a queue row, of a conflict, as a key or an owner,
** every function works on it or says why not, and nothing waits for a row that it cannot name. */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "suites.h"
#include "tracked.h"

static tracked file;

static void set_up(void) {
  tracked_open(&file);
  tracked_run(&file,
              "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, body TEXT, updated_at TEXT); "
              "SELECT leadx_track('notes'); INSERT INTO notes VALUES ('n1', 'mine', NULL), "
              "('n2', 'two', NULL)");
}
static void tear_down(void) { tracked_close(&file); }

/* SQL expressions. */
static const char *const ids[] = {
    "printf('%070d', 7)",
    "replace(hex(zeroblob(500000)), '0', 'x')",
    "CAST('a blob' AS BLOB)",
    "zeroblob(16)",
    "'before' || char(0) || 'behind'",
    "''",
    "NULL",
    "42",
    "2.5",
    "'it''s \"quoted\" \\ and { : }'",
    "'%s%n%w{{id}}'",
    "char(10, 13, 27)",
    "char(128512)",
    "CAST(x'ff80' AS TEXT)",
};
enum { IDS = sizeof ids / sizeof ids[0] };

#define CONFLICT \
  "INSERT INTO sync_conflicts(id, entity_type, entity_id, action, client_payload, " \
  "server_payload, base, contested, detected_at) VALUES ('c1', 'notes', 'n1', 'UPDATE', " \
  "'{\"id\":\"n1\",\"body\":\"mine\"}', '{\"id\":\"n1\",\"body\":\"theirs\",\"updated_at\":" \
  "\"2026-01-02T03:04:05+00:00\"}', '{\"body\":\"old\"}', '[\"body\"]', '2026-01-01')"

/* A row that waits for a decision, with that id. */
static void put_waiting(const char *id) {
  tracked_run(&file,
              "UPDATE sync_queue SET id = %s, status = 'PENDING', error_code = 'conflict' "
              "WHERE entity_id = 'n1'",
              id);
  tracked_run(&file, CONFLICT);
}

START_TEST(a_conflict_is_decided_whatever_the_ids_of_its_rows) {
  static const char *const choices[] = {"'client'", "'server'", "'merge', '{\"body\":\"both\"}'"};
  for (int c = 0; c < 3; c++) {
    if (c) set_up();
    put_waiting(ids[_i]);
    tracked_run(&file, "SELECT leadx_resolve('c1', %s)", choices[c]);
    ck_assert_str_eq(tracked_text(&file, "SELECT body FROM notes WHERE id = 'n1'"), c == 0 ? "mine"
                                                                                    : c == 1
                                                                                        ? "theirs"
                                                                                        : "both");
    ck_assert_int_eq(tracked_int(&file,
                                 "SELECT count(*) FROM sync_queue WHERE entity_id = 'n1' AND "
                                 "error_code = 'resolved' AND status = 'SYNCED'"),
                     1);
    ck_assert_int_eq(tracked_int(&file, "SELECT count(*) FROM sync_conflicts WHERE winner IS NULL"),
                     0);
    if (c < 2) tear_down();
  }
}
END_TEST

/* Each says JSON, or an error of its own; the row is still there, or gone because it was asked. */
START_TEST(every_function_works_on_an_id_or_says_why) {
  static const char *const calls[] = {
      "SELECT leadx_retry(id) FROM sync_queue WHERE entity_id = 'n1'",
      "SELECT leadx_discard(id) FROM (SELECT id FROM sync_queue WHERE entity_id = 'n1' LIMIT 1)",
      "SELECT leadx_resolve((SELECT id FROM sync_queue WHERE entity_id = 'n1'), 'client')",
      "UPDATE leadx_queue SET status = 'PENDING' WHERE entity_id = 'n1'",
      "DELETE FROM leadx_queue WHERE entity_id = 'n1'",
      "SELECT leadx_retry()",
      "SELECT leadx_purge(0)",
  };
  for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
    if (i) set_up();
    tracked_run(&file, "UPDATE sync_queue SET id = %s, status = 'FAILED' WHERE entity_id = 'n1'",
                ids[_i]);
    if (tracked_try(&file, calls[i]) != SQLITE_OK) {
      const char *message = tracked_error(&file, calls[i]);
      ck_assert_msg(strncmp(message, "leadx_", 6) == 0, "%s: %s", calls[i], message);
      ck_assert_int_eq(tracked_int(&file, "SELECT count(*) FROM sync_queue WHERE entity_id = 'n1' "
                                          "AND status = 'FAILED'"),
                       1);
    }
    if (i + 1 < sizeof calls / sizeof calls[0]) tear_down();
  }
}
END_TEST

START_TEST(what_a_function_says_of_an_id_is_json) {
  tracked_run(&file, "UPDATE sync_queue SET id = 'a \"quoted\" \\ id', status = 'FAILED' WHERE "
                     "entity_id = 'n1'");
  ck_assert_str_eq(tracked_text(&file, "SELECT json_extract(leadx_discard('a \"quoted\" \\ id'), "
                                       "'$.discarded')"),
                   "a \"quoted\" \\ id");
  put_waiting("'x'");
  tracked_run(&file, "UPDATE sync_conflicts SET id = 'c \"1\"'");
  ck_assert_str_eq(tracked_text(&file, "SELECT json_extract(leadx_resolve('c \"1\"', 'client'), "
                                       "'$.resolved')"),
                   "c \"1\"");
}
END_TEST

/* leadx_retry() and a sync give a row that cannot be named a name, so that it moves. */
START_TEST(a_row_that_cannot_be_named_is_retried_with_the_others) {
  tracked_run(&file,
              "UPDATE sync_queue SET id = %s, status = 'FAILED', retry_count = 3 WHERE "
              "entity_id = 'n1'",
              ids[_i]);
  tracked_run(&file, "SELECT leadx_retry()");
  ck_assert_int_eq(tracked_int(&file, "SELECT count(*) FROM sync_queue WHERE entity_id = 'n1' AND "
                                      "status = 'PENDING' AND retry_count = 0 AND typeof(id) = "
                                      "'text' AND id <> ''"),
                   1);
}
END_TEST

/* Keys of our own tables that are blobs, or have a NUL inside, are found behind themselves. */
START_TEST(a_shadow_key_of_any_form_ends_every_comparison) {
  int64_t n = 0;
  leadx_err err = {0};
  static const int statements[] = {LEADX_SQL_RECONCILE_VANISHED, LEADX_SQL_PARKING_LIST};
  tracked_run(&file, "INSERT INTO leadx_shadow(entity, key, version) VALUES ('notes', %s, 'v')",
              _i == 6 ? "'x'" : ids[_i]);
  tracked_run(&file, "INSERT INTO leadx_parked(entity, key, reason) VALUES ('notes', %s, 'v')",
              _i == 6 ? "'x'" : ids[_i]);
  tracked_run(&file, "CREATE TEMP TABLE leadx_seen(key TEXT PRIMARY KEY, version TEXT, deleted)");
  for (int s = 0; s < 2; s++) {
    char *after = sqlite3_mprintf("");
    for (n = 0; n < 10; n++) {
      sqlite3_stmt *stmt = leadx_db_query(&file.db, statements[s], &err, "ss", "notes", after);
      ck_assert_ptr_nonnull(stmt);
      if (s == 0) sqlite3_bind_int(stmt, 3, 1);
      if (!leadx_db_next(&file.db, stmt, &err)) {
        leadx_db_put(&file.db, stmt);
        break;
      }
      sqlite3_free(after);
      after = sqlite3_mprintf("%s", leadx_db_text(stmt, 0, &err));
      leadx_db_put(&file.db, stmt);
    }
    sqlite3_free(after);
    ck_assert_msg(n < 10, "%s", ids[_i]);
  }
  leadx_db_release(&file.db);
}
END_TEST

Suite *test_ids_suite(void) {
  Suite *suite = suite_create("ids");
  TCase *all = tcase_create("all");
  tcase_add_checked_fixture(all, set_up, tear_down);
  tcase_set_timeout(all, 20);
  tcase_add_loop_test(all, a_conflict_is_decided_whatever_the_ids_of_its_rows, 0, IDS);
  tcase_add_loop_test(all, every_function_works_on_an_id_or_says_why, 0, IDS);
  tcase_add_test(all, what_a_function_says_of_an_id_is_json);
  tcase_add_loop_test(all, a_row_that_cannot_be_named_is_retried_with_the_others, 0, IDS);
  tcase_add_loop_test(all, a_shadow_key_of_any_form_ends_every_comparison, 0, IDS);
  suite_add_tcase(suite, all);
  return suite;
}
