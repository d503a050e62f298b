/* The virtual tables, read and written through SQL on a file that leadx_schema_ensure() made. */
#define _DEFAULT_SOURCE /* setenv */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "session/ctx.h"
#include "store/schema.h"
#include "session/session.h"
#include "suites.h"
#include "api/vtab.h"

static char path[64];
static sqlite3 *handle;
static leadx_ctx *ctx; /* borrowed: the modules of the connection hold it */
static leadx_err err;

/* ---- the connection ---- */

static void open_with(int flags) {
  ck_assert_int_eq(sqlite3_open_v2(path, &handle, flags, NULL), SQLITE_OK);
  leadx_err_clear(&err);
  ctx = leadx_ctx_new(handle);
  ck_assert_ptr_nonnull(ctx);
  ck_assert_int_eq(leadx_vtab_register(ctx, &err), SQLITE_OK);
  leadx_ctx_unref(ctx);
}

static void open_file(void) { open_with(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE); }

static void close_file(void) {
  ck_assert_int_eq(sqlite3_close(handle), SQLITE_OK);
  handle = NULL;
}

static void set_up_empty(void) {
  unsetenv("SUPABASE_URL");
  snprintf(path, sizeof path, "/tmp/leadx_vtab_XXXXXX");
  int fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  close(fd);
  open_file();
}

static void tear_down(void) {
  if (handle) close_file();
  char name[80];
  snprintf(name, sizeof name, "%s-journal", path);
  unlink(name);
  unlink(path);
}

static void run(const char *sql) {
  char *message = NULL;
  int rc = sqlite3_exec(handle, sql, NULL, NULL, &message);
  ck_assert_msg(rc == SQLITE_OK, "%s: %s", sql, message ? message : "?");
}

static void make_tables(void) {
  ck_assert_msg(leadx_schema_ensure(&ctx->db, "test", &err) == SQLITE_OK, "%s", err.text);
  leadx_db_release(&ctx->db);
}

/* Two tracked tables and one queue row of every state. */
static void set_up(void) {
  set_up_empty();
  make_tables();
  run("INSERT INTO leadx_tables(table_name, entity, priority, options, columns, last_push_at, "
      "last_pull_at) VALUES"
      " ('activities', 'activity', 1, '{\"mode\":\"push\"}', '[]', '2024-05-01T08:00:00.000Z', "
      "'2024-05-01T08:00:01.000Z'),"
      " ('customers', 'customer', 3, '{}', '[]', NULL, NULL)");
  run("INSERT INTO sync_queue(id, entity_type, entity_id, action, payload, base, status, "
      "error_code, error_message, next_try_at,"
      " retry_count, created_at) VALUES"
      " ('q1', 'activity', 'a1', 'CREATE', '{\"id\":\"a1\"}', NULL, 'SYNCED', NULL, NULL, NULL, 0, "
      "'2024-01-01 00:00:01'),"
      " ('q2', 'activity', 'a2', 'CREATE', '{\"id\":\"a2\"}', NULL, 'PENDING', NULL, NULL, NULL, "
      "0, '2024-01-01 00:00:02'),"
      " ('q3', 'activity', 'a3', 'UPDATE', '{\"id\":\"a3\"}', '{\"x\":1}', 'FAILED', '23514', 'too "
      "long', NULL, 3, '2024-01-01 00:00:03'),"
      " ('q4', 'customer', 'c1', 'CREATE', '{\"id\":\"c1\"}', NULL, 'PENDING', '40001', 'busy', "
      "'2999-01-01T00:00:00.000Z', 2,"
      "  '2024-01-01 00:00:04'),"
      " ('q5', 'customer', 'c2', 'CREATE', '{\"id\":\"c2\"}', NULL, 'PENDING', '23503', 'no "
      "parent', NULL, 0, '2024-01-01 00:00:05'),"
      " ('q6', 'customer', 'c3', 'UPDATE', '{\"id\":\"c3\"}', NULL, 'PENDING', 'conflict', NULL, "
      "NULL, 0, '2024-01-01 00:00:06'),"
      " ('q7', 'unknown', 'u1', 'DELETE', '{\"id\":\"u1\"}', NULL, 'IN_PROGRESS', NULL, NULL, "
      "NULL, 0, '2024-01-01 00:00:07'),"
      " ('q8', 'customer', 'c4', 'UPDATE', '{\"id\":\"c4\"}', NULL, 'PENDING', '40001', 'busy', "
      "'2001-01-01T00:00:00.000Z', 1,"
      "  '2024-01-01 00:00:08')");
}

/* ---- asking ---- */

/* Appends one value; NULL shows as "~". */
static void append_value(sqlite3_str *out, sqlite3_stmt *stmt, int i) {
  const char *text = (const char *)sqlite3_column_text(stmt, i);
  sqlite3_str_appendf(out, "%s%s", i ? "|" : "", text ? text : "~");
}

/* All rows: columns parted by "|", rows by ";". The caller frees. */
static char *all_rows(const char *sql) {
  sqlite3_stmt *stmt = NULL;
  ck_assert_msg(sqlite3_prepare_v2(handle, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql,
                sqlite3_errmsg(handle));
  sqlite3_str *out = sqlite3_str_new(NULL);
  int rc;
  for (int n = 0; (rc = sqlite3_step(stmt)) == SQLITE_ROW; n++) {
    if (n) sqlite3_str_appendall(out, ";");
    for (int i = 0; i < sqlite3_column_count(stmt); i++) append_value(out, stmt, i);
  }
  ck_assert_msg(rc == SQLITE_DONE, "%s: %s", sql, sqlite3_errmsg(handle));
  sqlite3_finalize(stmt);
  char *text = sqlite3_str_finish(out);
  return text ? text : sqlite3_mprintf("");
}

static void expect(const char *sql, const char *rows) {
  char *got = all_rows(sql);
  ck_assert_msg(strcmp(got, rows) == 0, "%s\n  gives  %s\n  not    %s", sql, got, rows);
  sqlite3_free(got);
}

/* The statement fails and its message has all of the part. */
static void refuse(const char *sql, const char *part) {
  char *message = NULL;
  int rc = sqlite3_exec(handle, sql, NULL, NULL, &message);
  ck_assert_msg(rc != SQLITE_OK, "%s is not refused", sql);
  ck_assert_msg(message && strstr(message, part), "%s: \"%s\" lacks \"%s\"", sql,
                message ? message : "", part);
  sqlite3_free(message);
}

static const char *const names[] = {"leadx_queue", "leadx_status", "leadx_conflicts",
                                    "leadx_log",   "leadx_checks", "leadx_problems",
                                    "leadx_state"};
enum { NAMES = sizeof names / sizeof names[0], EMPTY_NAMES = NAMES - 1 };

/* ---- without tables ---- */

START_TEST(vtab_is_empty_in_a_file_without_leadx) {
  char *sql = sqlite3_mprintf("SELECT count(*) FROM %s", names[_i]);
  expect(sql, _i < EMPTY_NAMES ? "0" : "1");
  sqlite3_free(sql);
  expect("SELECT count(*) FROM sqlite_schema", "0");
}
END_TEST

START_TEST(vtab_state_has_one_row_without_tables) {
  expect("SELECT * FROM leadx_state", "~|0|~|0|0|0|0|0|~|~|none|~");
}
END_TEST

START_TEST(vtab_sees_tables_that_another_connection_made) {
  expect("SELECT count(*) FROM leadx_status", "0");
  sqlite3 *first = handle;
  open_file();
  make_tables();
  run("INSERT INTO leadx_tables(table_name, entity, options, columns) VALUES ('t', 't', '{}', "
      "'[]')");
  close_file();
  handle = first;
  expect("SELECT entity_type FROM leadx_status", "t");
}
END_TEST

START_TEST(vtab_writes_nothing_to_a_file_without_leadx) {
  run("UPDATE leadx_queue SET status = 'PENDING'");
  run("DELETE FROM leadx_queue");
  refuse("INSERT INTO leadx_queue(id) VALUES ('x')", "leadx_enqueue(");
  expect("SELECT count(*) FROM sqlite_schema", "0");
}
END_TEST

START_TEST(vtab_ignores_a_queue_that_leadx_has_not_taken_over) {
  run("CREATE TABLE sync_queue(id TEXT PRIMARY KEY, status TEXT)");
  run("INSERT INTO sync_queue VALUES ('x', 'PENDING')");
  expect("SELECT count(*) FROM leadx_queue", "0");
  expect("SELECT pending FROM leadx_state", "0");
}
END_TEST

START_TEST(vtab_has_the_documented_columns) {
  static const char *const columns[NAMES] = {
      "id;entity_type;entity_id;action;status;state;priority;retry_count;next_try_at;error_code;"
      "error_message;created_at;synced_at;"
      "payload;base",
      "entity_type;table_name;mode;priority;pending;in_progress;failed;synced;conflicts;oldest_"
      "pending_at;last_push_at;"
      "last_pull_at;cursor;last_error;parked;changes",
      "id;entity_type;entity_id;column;base;client;server;client_updated_at;server_updated_at;"
      "winner;resolution;detected_at;"
      "resolved_at",
      "at;trigger;state;pushed;pulled;conflicts;failed;requests;bytes_out;bytes_in;ms;error",
      "check;result;fix",
      "kind;entity_type;entity_id;label;since;code;message;fix;queue_id;conflict_id",
      "online;syncing;phase;done;total;pending;failed;conflicts;last_sync_at;next_sync_at;auth;"
      "message",
  };
  char *sql = sqlite3_mprintf("SELECT name FROM pragma_table_xinfo('%s')", names[_i]);
  expect(sql, columns[_i]);
  sqlite3_free(sql);
}
END_TEST

START_TEST(vtab_refuses_a_file_of_a_newer_format) {
  make_tables();
  run("UPDATE leadx_settings SET value = '99' WHERE key = 'format'");
  refuse("SELECT * FROM leadx_queue", "leadx_queue: this file was written by a newer leadx");
  refuse("SELECT * FROM leadx_state", "leadx_state: this file was written by a newer leadx");
}
END_TEST

/* ---- leadx_queue ---- */

START_TEST(vtab_queue_says_why_a_row_is_not_gone_yet) {
  expect("SELECT id, state FROM leadx_queue",
         "q1|synced;q2|ready;q3|failed;q4|waiting;q5|blocked;q6|conflict;q7|ready;q8|ready");
}
END_TEST

START_TEST(vtab_queue_shows_every_column) {
  expect("SELECT * FROM leadx_queue WHERE id = 'q3'",
         "q3|activity|a3|UPDATE|FAILED|failed|1|3|~|23514|too long|2024-01-01 "
         "00:00:03|~|{\"id\":\"a3\"}|{\"x\":1}");
}
END_TEST

START_TEST(vtab_queue_takes_the_priority_of_the_entity) {
  expect("SELECT id, priority FROM leadx_queue WHERE id IN ('q2', 'q4', 'q7')", "q2|1;q4|3;q7|3");
}
END_TEST

START_TEST(vtab_queue_finds_one_row_by_its_id) {
  sqlite3_stmt *stmt = NULL;
  ck_assert_int_eq(
      sqlite3_prepare_v2(handle, "EXPLAIN QUERY PLAN SELECT * FROM leadx_queue WHERE id = 'q2'", -1,
                         &stmt, NULL),
      SQLITE_OK);
  ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
  ck_assert_ptr_nonnull(strstr((const char *)sqlite3_column_text(stmt, 3), "INDEX 257:"));
  sqlite3_finalize(stmt);
  expect("SELECT entity_id FROM leadx_queue WHERE id = 'q2'", "a2");
  expect("SELECT entity_id FROM leadx_queue WHERE id = 'q2' AND status = 'SYNCED'", "");
  expect("SELECT id FROM leadx_queue WHERE rowid = 3", "q3");
  expect("SELECT id FROM leadx_queue WHERE id = NULL", "");
}
END_TEST

START_TEST(vtab_queue_compares_as_the_statement_says) {
  expect("SELECT id FROM leadx_queue WHERE id = 'Q2' COLLATE NOCASE", "q2");
  expect("SELECT id FROM leadx_queue WHERE id = 'q2' OR status = 'FAILED' OR rowid = 4",
         "q2;q3;q4");
  expect("SELECT id FROM leadx_queue WHERE status IN ('FAILED', 'IN_PROGRESS') ORDER BY id",
         "q3;q7");
  expect("SELECT a.id, b.id FROM leadx_queue a JOIN leadx_queue b ON a.id = b.id WHERE b.status = "
         "'FAILED'",
         "q3|q3");
  expect("SELECT status, count(*) FROM leadx_queue GROUP BY status ORDER BY 1",
         "FAILED|1;IN_PROGRESS|1;PENDING|5;SYNCED|1");
}
END_TEST

START_TEST(vtab_queue_payload_is_there_when_it_is_asked_for) {
  expect("SELECT length(payload) FROM leadx_queue WHERE id = 'q2'", "11");
  expect("SELECT count(*) FROM leadx_queue WHERE payload LIKE '%a2%'", "1");
  expect("SELECT id FROM leadx_queue WHERE base IS NOT NULL", "q3");
}
END_TEST

START_TEST(vtab_queue_update_retries_a_failed_row) {
  run("UPDATE leadx_queue SET status = 'PENDING' WHERE id = 'q3'");
  expect("SELECT status, retry_count, error_code, error_message, next_try_at, payload, base FROM "
         "sync_queue WHERE id = 'q3'",
         "PENDING|0|~|~|~|{\"id\":\"a3\"}|{\"x\":1}");
  expect("SELECT state FROM leadx_queue WHERE id = 'q3'", "ready");
}
END_TEST

START_TEST(vtab_queue_update_retries_a_waiting_row) {
  run("UPDATE leadx_queue SET status = 'PENDING' WHERE state = 'waiting'");
  expect("SELECT status, retry_count, error_code, next_try_at FROM sync_queue WHERE id = 'q4'",
         "PENDING|0|~|~");
}
END_TEST

START_TEST(vtab_queue_update_retries_many_rows) {
  run("UPDATE leadx_queue SET status = 'PENDING' WHERE state IN ('failed', 'waiting', 'ready', "
      "'blocked') AND status <> 'IN_PROGRESS'");
  expect("SELECT count(*) FROM sync_queue WHERE status = 'PENDING' AND error_code IS NULL", "5");
}
END_TEST

START_TEST(vtab_queue_update_from_another_table_works) {
  run("CREATE TABLE chosen(id TEXT)");
  run("INSERT INTO chosen VALUES ('q3'), ('q4')");
  run("UPDATE leadx_queue SET status = 'PENDING' FROM chosen WHERE chosen.id = leadx_queue.id");
  expect("SELECT id, status, retry_count FROM sync_queue WHERE id IN ('q3', 'q4')",
         "q3|PENDING|0;q4|PENDING|0");
}
END_TEST

START_TEST(vtab_queue_update_refuses_what_cannot_be_retried) {
  refuse("UPDATE leadx_queue SET status = 'PENDING' WHERE id = 'q1'",
         "row q1 cannot be retried: it has been sent already");
  refuse("UPDATE leadx_queue SET status = 'PENDING' WHERE id = 'q7'", "it is being sent just now");
  refuse("UPDATE leadx_queue SET status = 'PENDING' WHERE id = 'q6'", "leadx_resolve()");
}
END_TEST

START_TEST(vtab_queue_update_refuses_other_values) {
  refuse("UPDATE leadx_queue SET status = 'SYNCED' WHERE id = 'q3'",
         "status can only be set to 'PENDING'");
  refuse("UPDATE leadx_queue SET status = 'pending' WHERE id = 'q3'",
         "status can only be set to 'PENDING'");
  refuse("UPDATE leadx_queue SET status = NULL WHERE id = 'q3'",
         "status can only be set to 'PENDING'");
}
END_TEST

START_TEST(vtab_queue_update_refuses_other_columns) {
  static const char *const columns[] = {"id",    "payload",     "base",      "priority",
                                        "state", "retry_count", "created_at"};
  for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
    char *sql = sqlite3_mprintf(
        "UPDATE leadx_queue SET status = 'PENDING', %s = 'x' WHERE id = 'q3'", columns[i]);
    char *part = sqlite3_mprintf("the column %s cannot be changed; allowed are", columns[i]);
    refuse(sql, part);
    sqlite3_free(part);
    sqlite3_free(sql);
  }
  refuse("UPDATE leadx_queue SET rowid = 100 WHERE id = 'q3'", "rowid cannot be changed");
  refuse("UPDATE leadx_queue SET payload = NULL WHERE id = 'q3'",
         "the column payload cannot be changed");
  expect("SELECT status FROM sync_queue WHERE id = 'q3'", "FAILED");
}
END_TEST

START_TEST(vtab_queue_update_to_the_same_value_changes_nothing) {
  run("UPDATE leadx_queue SET payload = payload, base = base, retry_count = retry_count, status = "
      "status WHERE id = 'q3'");
  expect("SELECT status, retry_count FROM sync_queue WHERE id = 'q3'", "FAILED|3");
}
END_TEST

START_TEST(vtab_queue_update_is_undone_as_a_whole) {
  refuse("UPDATE leadx_queue SET status = 'PENDING' WHERE id IN ('q3', 'q7')", "it is being sent");
  expect("SELECT status FROM sync_queue WHERE id = 'q3'", "FAILED");
  run("BEGIN");
  run("UPDATE leadx_queue SET status = 'PENDING' WHERE id = 'q3'");
  refuse("UPDATE leadx_queue SET status = 'PENDING' WHERE id IN ('q4', 'q7')", "it is being sent");
  expect("SELECT id, status, retry_count FROM sync_queue WHERE id IN ('q3', 'q4')",
         "q3|PENDING|0;q4|PENDING|2");
  run("ROLLBACK");
  expect("SELECT status FROM sync_queue WHERE id = 'q3'", "FAILED");
}
END_TEST

START_TEST(vtab_queue_delete_discards_unsent_rows) {
  run("DELETE FROM leadx_queue WHERE state IN ('failed', 'waiting')");
  expect("SELECT group_concat(id, ' ') FROM sync_queue", "q1 q2 q5 q6 q7 q8");
  run("DELETE FROM leadx_queue WHERE id = 'q2'");
  expect("SELECT count(*) FROM sync_queue WHERE id = 'q2'", "0");
}
END_TEST

START_TEST(vtab_queue_delete_keeps_what_was_sent) {
  refuse("DELETE FROM leadx_queue WHERE id = 'q1'", "SYNCED");
  refuse("DELETE FROM leadx_queue", "SYNCED");
  refuse("DELETE FROM leadx_queue WHERE id = 'q7'", "being sent");
  expect("SELECT count(*) FROM sync_queue", "8");
}
END_TEST

START_TEST(vtab_queue_insert_names_the_function) {
  refuse("INSERT INTO leadx_queue(id, entity_type) VALUES ('x', 'y')",
         "leadx_enqueue(entity_type, entity_id, action, payload)");
}
END_TEST

START_TEST(vtab_queue_row_without_an_id_stays_alone) {
  run("INSERT INTO sync_queue(id, entity_type, entity_id, action, payload, status) VALUES (NULL, "
      "'n', 'n', 'CREATE', '{}', 'FAILED')");
  refuse("UPDATE leadx_queue SET status = 'PENDING' WHERE id IS NULL", "whose id is no text");
  refuse("DELETE FROM leadx_queue WHERE id IS NULL", "whose id is no text");
  expect("SELECT count(*) FROM sync_queue WHERE status = 'FAILED'", "2");
}
END_TEST

/* ---- the tables that are only read ---- */

START_TEST(vtab_status_counts_per_entity) {
  expect("SELECT * FROM leadx_status",
         "activity|activities|push|1|1|0|1|1|0|2024-01-01 "
         "00:00:02|2024-05-01T08:00:00.000Z|2024-05-01T08:00:01.000Z|~|too long|0|0;"
         "customer|customers|both|3|4|0|0|0|0|2024-01-01 00:00:04|~|~|~|~|0|0");
}
END_TEST

START_TEST(vtab_status_counts_below_the_mark_what_is_held) {
  run("INSERT INTO leadx_held VALUES ('q3'), ('q8')");
  run("UPDATE leadx_mark SET rowid_below = 3, id = 'q3'");
  expect("SELECT pending, in_progress, failed, synced, oldest_pending_at FROM leadx_status",
         "0|0|1|1|~;4|0|0|0|2024-01-01 00:00:04");
  expect("SELECT pending, failed FROM leadx_state", "5|1");
}
END_TEST

START_TEST(vtab_status_does_not_trust_a_mark_of_another_queue) {
  run("UPDATE leadx_mark SET rowid_below = 8, id = 'gone'");
  expect("SELECT pending FROM leadx_status", "1;4");
  expect("SELECT pending, failed FROM leadx_state", "6|1");
  run("DELETE FROM leadx_mark");
  expect("SELECT pending, failed FROM leadx_state", "6|1");
}
END_TEST

START_TEST(vtab_status_says_the_last_error) {
  run("UPDATE leadx_tables SET last_error = 'PGRST205 no such table' WHERE entity = 'activity'");
  run("UPDATE sync_queue SET status = 'FAILED' WHERE id IN ('q4', 'q5')");
  expect("SELECT last_error FROM leadx_status", "PGRST205 no such table;no parent");
}
END_TEST

START_TEST(vtab_status_shows_conflicts_and_cursor) {
  run("INSERT INTO sync_conflicts(id, entity_type, entity_id, action, detected_at, winner) VALUES"
      " ('k1', 'customer', 'c', 'UPDATE', 'now', NULL), ('k2', 'customer', 'c', 'UPDATE', 'now', "
      "'server')");
  run("INSERT INTO leadx_cursors(origin, user, entity, fingerprint, version) VALUES"
      " ('o', '', 'customer', 'f', '2024-01-01T00:00:00+00:00'), ('o', 'somebody', 'customer', "
      "'f', '2025-01-01T00:00:00+00:00')");
  expect("SELECT conflicts, cursor FROM leadx_status WHERE entity_type = 'customer'",
         "1|2024-01-01T00:00:00+00:00");
}
END_TEST

START_TEST(vtab_conflicts_has_one_row_per_column) {
  run("INSERT INTO sync_conflicts(id, entity_type, entity_id, action, base, client_payload, "
      "server_payload, contested, client_updated_at,"
      " server_updated_at, detected_at) VALUES ('k1', 'customer', 'c1', 'UPDATE',"
      " '{\"name\":\"a\",\"n\":9007199254740993,\"tags\":[1],\"o''\\\"x\":null}',"
      " '{\"name\":\"b\",\"n\":9223372036854775807,\"tags\":[1,2],\"o''\\\"x\":true}',"
      " '{\"name\":\"c\",\"n\":-1,\"tags\":{\"k\":1},\"o''\\\"x\":1.5}', "
      "'[\"name\",\"n\",\"tags\",\"o''\\\"x\"]', 'ct', 'st', 'dt')");
  expect("SELECT id, entity_type, entity_id, \"column\", base, client, server FROM leadx_conflicts",
         "k1|customer|c1|name|a|b|c;"
         "k1|customer|c1|n|9007199254740993|9223372036854775807|-1;"
         "k1|customer|c1|tags|[1]|[1,2]|{\"k\":1};"
         "k1|customer|c1|o'\"x|~|1|1.5");
  expect("SELECT DISTINCT client_updated_at, server_updated_at, winner, resolution, detected_at, "
         "resolved_at FROM leadx_conflicts",
         "ct|st|~|~|dt|~");
  expect("SELECT typeof(client) FROM leadx_conflicts WHERE \"column\" = 'n'", "integer");
}
END_TEST

START_TEST(vtab_conflicts_shows_conflicts_without_columns) {
  run("INSERT INTO sync_conflicts(id, entity_type, entity_id, action, client_payload, contested, "
      "detected_at, winner) VALUES"
      " ('k1', 'customer', 'c1', 'DELETE', '{\"name\":1}', '[]', 'dt', 'server'),"
      " ('k2', 'customer', 'c2', 'DELETE', NULL, NULL, 'dt', NULL),"
      " ('k3', 'customer', 'c3', 'UPDATE', 'broken {', 'not json', 'dt', NULL),"
      " ('k4', 'customer', 'c4', 'UPDATE', 'broken {', '[\"name\"]', 'dt', NULL)");
  expect("SELECT id, \"column\", client, winner FROM leadx_conflicts",
         "k1|~|~|server;k2|~|~|~;k3|~|~|~;k4|name|~|~");
}
END_TEST

START_TEST(vtab_log_shows_the_newest_last) {
  run("INSERT INTO leadx_runs(at, trigger, state, pushed, error) VALUES ('t1', 'call', 'ok', 2, "
      "NULL), ('t2', 'timer', 'offline', 0, 'no route')");
  expect("SELECT at, \"trigger\", state, pushed, ms, error FROM leadx_log",
         "t1|call|ok|2|0|~;t2|timer|offline|0|0|no route");
  expect("SELECT last_sync_at, message FROM leadx_state", "t1|no route");
}
END_TEST

START_TEST(vtab_state_shows_the_session) {
  leadx_session_end_sync(ctx->session, 1, "sending");
  leadx_session_begin_phase(ctx->session, "push");
  leadx_session_show_counts(ctx->session, 3, 7);
  run("INSERT INTO sync_conflicts(id, entity_type, entity_id, action, detected_at) VALUES ('k', "
      "'customer', 'c', 'UPDATE', 'now')");
  expect("SELECT * FROM leadx_state", "1|1|push|3|7|6|1|1|~|~|none|sending");
}
END_TEST

START_TEST(vtab_state_says_who_asks) {
  expect("SELECT auth FROM leadx_state", "none");
  ck_assert_int_eq(leadx_session_configure(ctx->session, "https://example.supabase.co",
                                           "sb_publishable_x", NULL, 0, &err),
                   SQLITE_OK);
  expect("SELECT auth FROM leadx_state", "signed_out");
  /* The claims are {"sub":"u1"}. */
  leadx_tokens tokens = {.claims = {.user = "u1"}};
  ck_assert_int_eq(leadx_tokens_copy(&tokens, "e30.eyJzdWIiOiJ1MSJ9.x", NULL), 0);
  ck_assert_int_eq(leadx_session_replace_tokens(ctx->session, LEADX_ANY_SERIAL, &tokens), 1);
  expect("SELECT auth FROM leadx_state", "signed_in");
  run("INSERT INTO leadx_cursors(origin, user, entity, fingerprint, version) VALUES ('o', 'u1', "
      "'customer', 'f', '1'), ('o', 'u2', 'customer', 'f', '2')");
  expect("SELECT cursor FROM leadx_status WHERE entity_type = 'customer'", "1");
}
END_TEST

START_TEST(vtab_checks_shows_what_a_check_left) {
  expect("SELECT count(*) FROM leadx_checks", "0");
  run("CREATE TABLE IF NOT EXISTS leadx_check_results(\"check\" TEXT, result TEXT, fix TEXT)");
  run("INSERT INTO leadx_check_results VALUES ('stamping trigger', 'missing', 'run "
      "leadx_server_sql()')");
  expect("SELECT * FROM leadx_checks", "stamping trigger|missing|run leadx_server_sql()");
}
END_TEST

START_TEST(vtab_other_tables_cannot_be_written) {
  if (_i == 0) return; /* leadx_queue */
  char *sql = sqlite3_mprintf("DELETE FROM %s", names[_i]);
  refuse(sql, "may not be modified");
  sqlite3_free(sql);
}
END_TEST

/* ---- surroundings ---- */

START_TEST(vtab_does_not_hold_the_connection_open) {
  char *sql = sqlite3_mprintf("SELECT * FROM %s", names[_i]);
  sqlite3_stmt *stmt = NULL;
  ck_assert_int_eq(sqlite3_prepare_v2(handle, sql, -1, &stmt, NULL), SQLITE_OK);
  sqlite3_free(sql);
  sqlite3_step(stmt);
  ck_assert_int_eq(sqlite3_close(handle), SQLITE_BUSY);
  sqlite3_finalize(stmt);
  close_file();
}
END_TEST

START_TEST(vtab_is_usable_after_a_refused_close) {
  sqlite3_stmt *stmt = NULL;
  ck_assert_int_eq(sqlite3_prepare_v2(handle, "SELECT id FROM leadx_queue", -1, &stmt, NULL),
                   SQLITE_OK);
  ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
  ck_assert_int_eq(sqlite3_close(handle), SQLITE_BUSY);
  ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
  sqlite3_finalize(stmt);
  expect("SELECT count(*) FROM leadx_queue", "8");
}
END_TEST

START_TEST(vtab_works_without_trusted_schema) {
  run("PRAGMA trusted_schema = OFF");
  for (int i = 0; i < NAMES; i++) {
    char *sql = sqlite3_mprintf("SELECT * FROM %s", names[i]);
    run(sql);
    sqlite3_free(sql);
  }
  run("UPDATE leadx_queue SET status = 'PENDING' WHERE id = 'q3'");
  run("DELETE FROM leadx_queue WHERE id = 'q4'");
}
END_TEST

START_TEST(vtab_is_refused_in_views_and_triggers) {
  run("CREATE VIEW seen AS SELECT * FROM leadx_queue");
  run("CREATE TABLE t(x)");
  run("CREATE TRIGGER reading AFTER INSERT ON t BEGIN INSERT INTO chosen SELECT id FROM "
      "leadx_queue; END");
  run("CREATE TRIGGER writing AFTER DELETE ON t BEGIN DELETE FROM leadx_queue; END");
  run("CREATE TABLE chosen(id)");
  refuse("SELECT * FROM seen", "unsafe use of virtual table");
  refuse("INSERT INTO t VALUES (1)", "unsafe use of virtual table");
  refuse("DELETE FROM t", "unsafe use of virtual table");
}
END_TEST

START_TEST(vtab_reads_a_file_that_cannot_be_written) {
  close_file();
  open_with(SQLITE_OPEN_READONLY);
  expect("SELECT count(*) FROM leadx_queue", "8");
  expect("SELECT pending, failed FROM leadx_state", "6|1");
  refuse("UPDATE leadx_queue SET status = 'PENDING' WHERE id = 'q3'", "readonly");
  refuse("DELETE FROM leadx_queue WHERE id = 'q3'", "readonly");
}
END_TEST

START_TEST(vtab_reads_its_own_file_and_no_namesake) {
  run("CREATE TEMP TABLE sync_queue(id, status)");
  run("ATTACH ':memory:' AS other");
  run("CREATE TABLE other.leadx_runs(n)");
  expect("SELECT count(*) FROM leadx_queue", "8");
  expect("SELECT count(*) FROM leadx_log", "0");
}
END_TEST

START_TEST(vtab_may_be_read_while_the_queue_is_written) {
  run("CREATE TABLE copied(id, status)");
  run("INSERT INTO copied SELECT id, status FROM leadx_queue");
  run("DELETE FROM sync_queue WHERE id IN (SELECT id FROM leadx_queue WHERE state = 'synced')");
  expect("SELECT count(*) FROM leadx_queue", "7");
}
END_TEST

/* Memory that is short from any allocation on is an error and never a crash or a leak. */
static int allocations_left; /* negative: no limit */
static sqlite3_mem_methods plain_memory;

static int is_short(void) {
  if (allocations_left > 0) allocations_left--;
  return allocations_left == 0;
}

static void *failing_malloc(int n) { return is_short() ? NULL : plain_memory.xMalloc(n); }
static void *failing_realloc(void *p, int n) {
  return is_short() ? NULL : plain_memory.xRealloc(p, n);
}

static void set_up_failing_memory(void) {
  allocations_left = -1;
  sqlite3_shutdown();
  ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain_memory), SQLITE_OK);
  sqlite3_mem_methods failing = plain_memory;
  failing.xMalloc = failing_malloc;
  failing.xRealloc = failing_realloc;
  ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_MALLOC, &failing), SQLITE_OK);
  ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK);
  set_up();
}

static void tear_down_failing_memory(void) {
  allocations_left = -1;
  tear_down();
  sqlite3_shutdown();
  sqlite3_config(SQLITE_CONFIG_MALLOC, &plain_memory);
}

START_TEST(vtab_survives_every_failing_allocation) {
  static const char *const statements[] = {
      "SELECT * FROM leadx_queue",
      "SELECT * FROM leadx_status",
      "SELECT * FROM leadx_conflicts",
      "SELECT * FROM leadx_state",
      "SELECT * FROM leadx_checks",
      "UPDATE leadx_queue SET status = 'PENDING' WHERE id = 'q3'",
      "DELETE FROM leadx_queue WHERE id = 'q4'",
  };
  run("INSERT INTO sync_conflicts(id, entity_type, entity_id, action, client_payload, contested, "
      "detected_at)"
      " VALUES ('k', 'customer', 'c', 'UPDATE', '{\"a\":1}', '[\"a\"]', 'now')");
  for (int n = 1;; n++) {
    ck_assert_int_lt(n, 20000);
    close_file();
    open_file();
    run("BEGIN");
    allocations_left = n;
    int rc = sqlite3_exec(handle, statements[_i], NULL, NULL, NULL);
    int reached = allocations_left == 0;
    allocations_left = -1;
    if (!sqlite3_get_autocommit(handle)) run("ROLLBACK");
    if (!reached) {
      ck_assert_int_eq(rc, SQLITE_OK);
      break;
    }
    ck_assert_msg(rc == SQLITE_OK || rc == SQLITE_NOMEM, "allocation %d: %d", n, rc);
  }
}
END_TEST

Suite *test_vtab_suite(void) {
  Suite *suite = suite_create("vtab");
  TCase *bare = tcase_create("without_tables");
  tcase_add_checked_fixture(bare, set_up_empty, tear_down);
  tcase_add_loop_test(bare, vtab_is_empty_in_a_file_without_leadx, 0, NAMES);
  tcase_add_test(bare, vtab_state_has_one_row_without_tables);
  tcase_add_test(bare, vtab_sees_tables_that_another_connection_made);
  tcase_add_test(bare, vtab_writes_nothing_to_a_file_without_leadx);
  tcase_add_test(bare, vtab_ignores_a_queue_that_leadx_has_not_taken_over);
  tcase_add_loop_test(bare, vtab_has_the_documented_columns, 0, NAMES);
  tcase_add_test(bare, vtab_refuses_a_file_of_a_newer_format);
  suite_add_tcase(suite, bare);

  TCase *queue = tcase_create("queue");
  tcase_add_checked_fixture(queue, set_up, tear_down);
  tcase_add_test(queue, vtab_queue_says_why_a_row_is_not_gone_yet);
  tcase_add_test(queue, vtab_queue_shows_every_column);
  tcase_add_test(queue, vtab_queue_takes_the_priority_of_the_entity);
  tcase_add_test(queue, vtab_queue_finds_one_row_by_its_id);
  tcase_add_test(queue, vtab_queue_compares_as_the_statement_says);
  tcase_add_test(queue, vtab_queue_payload_is_there_when_it_is_asked_for);
  tcase_add_test(queue, vtab_queue_update_retries_a_failed_row);
  tcase_add_test(queue, vtab_queue_update_retries_a_waiting_row);
  tcase_add_test(queue, vtab_queue_update_retries_many_rows);
  tcase_add_test(queue, vtab_queue_update_from_another_table_works);
  tcase_add_test(queue, vtab_queue_update_refuses_what_cannot_be_retried);
  tcase_add_test(queue, vtab_queue_update_refuses_other_values);
  tcase_add_test(queue, vtab_queue_update_refuses_other_columns);
  tcase_add_test(queue, vtab_queue_update_to_the_same_value_changes_nothing);
  tcase_add_test(queue, vtab_queue_update_is_undone_as_a_whole);
  tcase_add_test(queue, vtab_queue_delete_discards_unsent_rows);
  tcase_add_test(queue, vtab_queue_delete_keeps_what_was_sent);
  tcase_add_test(queue, vtab_queue_insert_names_the_function);
  tcase_add_test(queue, vtab_queue_row_without_an_id_stays_alone);
  suite_add_tcase(suite, queue);

  TCase *reading = tcase_create("reading");
  tcase_add_checked_fixture(reading, set_up, tear_down);
  tcase_add_test(reading, vtab_status_counts_per_entity);
  tcase_add_test(reading, vtab_status_counts_below_the_mark_what_is_held);
  tcase_add_test(reading, vtab_status_does_not_trust_a_mark_of_another_queue);
  tcase_add_test(reading, vtab_status_says_the_last_error);
  tcase_add_test(reading, vtab_status_shows_conflicts_and_cursor);
  tcase_add_test(reading, vtab_conflicts_has_one_row_per_column);
  tcase_add_test(reading, vtab_conflicts_shows_conflicts_without_columns);
  tcase_add_test(reading, vtab_log_shows_the_newest_last);
  tcase_add_test(reading, vtab_state_shows_the_session);
  tcase_add_test(reading, vtab_state_says_who_asks);
  tcase_add_test(reading, vtab_checks_shows_what_a_check_left);
  tcase_add_loop_test(reading, vtab_other_tables_cannot_be_written, 0, NAMES);
  suite_add_tcase(suite, reading);

  TCase *around = tcase_create("surroundings");
  tcase_add_checked_fixture(around, set_up, tear_down);
  tcase_add_loop_test(around, vtab_does_not_hold_the_connection_open, 0, NAMES);
  tcase_add_test(around, vtab_is_usable_after_a_refused_close);
  tcase_add_test(around, vtab_works_without_trusted_schema);
  tcase_add_test(around, vtab_is_refused_in_views_and_triggers);
  tcase_add_test(around, vtab_reads_a_file_that_cannot_be_written);
  tcase_add_test(around, vtab_reads_its_own_file_and_no_namesake);
  tcase_add_test(around, vtab_may_be_read_while_the_queue_is_written);
  suite_add_tcase(suite, around);

  TCase *memory = tcase_create("memory");
  tcase_set_timeout(memory, 120);
  tcase_add_checked_fixture(memory, set_up_failing_memory, tear_down_failing_memory);
  tcase_add_loop_test(memory, vtab_survives_every_failing_allocation, 0, 7);
  suite_add_tcase(suite, memory);
  return suite;
}
