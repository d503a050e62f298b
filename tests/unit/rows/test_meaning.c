/* What a value means is one number, whether it stands in the table, in a payload as a trigger wrote
** it, or comes from the server; and values that the wire tells apart have different ones. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "rows/capture_row.h"
#include "suites.h"
#include "tracked.h"
#include "store/describe.h"

static tracked file;
static leadx_err err;

static void set_up(void) { tracked_open(&file); }
static void tear_down(void) { tracked_close(&file); }

/* Declared types, and the option that makes the column of that type. */
static const char *const declared[] = {"",         "TEXT", "INTEGER",   "REAL",
                                       "NUMERIC",  "BLOB", "UUID",      "BOOLEAN",
                                       "DATETIME", "DATE", "JSON_TEXT", "TEXT_UUID"};
static const char *const types[] = {"text", "integer",   "real",        "boolean",
                                    "json", "blob",      "uuid",        "decimal",
                                    "date", "timestamp", "timestamp:s", "timestamp:ms"};
static const char *const values[] = {"NULL",
                                     "''",
                                     "'a'",
                                     "'A'",
                                     "'a\"b\\c'",
                                     "'line' || char(10) || char(9) || char(1)",
                                     "0",
                                     "1",
                                     "-1",
                                     "5",
                                     "'5'",
                                     "5.5",
                                     "'5.5'",
                                     "'5.50'",
                                     "'0005'",
                                     "'1e2'",
                                     "9223372036854775807",
                                     "-9223372036854775807 - 1",
                                     "0.1",
                                     "0.1 + 0.2",
                                     "1e300",
                                     "-1e-300",
                                     "9e999",
                                     "-9e999",
                                     "123456789012345678",
                                     "'12345678901234567.89'",
                                     "'12345678901234567.8'",
                                     "x''",
                                     "x'00ff'",
                                     "'\\x00ff'",
                                     "'2024-05-06T07:08:09.123456+00:00'",
                                     "'2024-05-06 07:08:09'",
                                     "'2024-05-06'",
                                     "1714979289",
                                     "1714979289123",
                                     "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'",
                                     "'{\"a\": 1, \"b\":[1,2]}'",
                                     "'{\"b\":[1.0,2], \"a\":1}'",
                                     "'null'",
                                     "'\"x\"'",
                                     "'[1, {}]'",
                                     "'{broken'",
                                     "'Infinity'",
                                     "'-0'",
                                     "-0.0",
                                     "'true'"};
enum {
  DECLARED = sizeof declared / sizeof *declared,
  TYPES = sizeof types / sizeof *types,
  VALUES = sizeof values / sizeof *values
};

static leadx_table *describe(int d, int t) {
  char options[80];
  tracked_run(&file, "DROP TABLE IF EXISTS v; CREATE TABLE v(id INTEGER PRIMARY KEY, v %s)",
              declared[d]);
  snprintf(options, sizeof options, "{\"columns\":{\"v\":{\"type\":\"%s\"}}}", types[t]);
  leadx_err_clear(&file.err);
  leadx_table *table = leadx_describe(&file.db, "test", "v", options, &file.err);
  ck_assert_msg(table != NULL, "%s", file.err.text);
  for (int i = 0; i < VALUES; i++) tracked_run(&file, "INSERT INTO v VALUES(%d, %s)", i, values[i]);
  return table;
}

/* The value as it stands, and as the trigger writes it. */
static sqlite3_stmt *read_rows(const leadx_table *table) {
  sqlite3_stmt *stmt = NULL;
  sqlite3_str *sql = sqlite3_str_new(NULL);
  sqlite3_str_appendall(sql, "SELECT v, ");
  leadx_capture_row(sql, table, "v");
  sqlite3_str_appendall(sql, ", typeof(v) || quote(v) FROM v ORDER BY id");
  char *text = sqlite3_str_finish(sql);
  ck_assert_int_eq(sqlite3_prepare_v2(file.handle, text, -1, &stmt, NULL), SQLITE_OK);
  sqlite3_free(text);
  return stmt;
}

static leadx_slice payload_value(sqlite3_stmt *stmt) {
  leadx_slice row;
  const char *text = (const char *)sqlite3_column_text(stmt, 1);
  ck_assert_msg(leadx_json_check(text, strlen(text), 0, &row, NULL) == NULL, "%s", text);
  return leadx_json_member(row, "v");
}

START_TEST(a_value_means_the_same_in_the_table_and_in_a_payload) {
  for (int t = 0; t < TYPES; t++) {
    leadx_table *table = describe(_i, t);
    sqlite3_stmt *stmt = read_rows(table);
    leadx_kind kind = leadx_table_kind(table, 1);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
      uint32_t local = leadx_meaning_of_value(kind, sqlite3_column_value(stmt, 0));
      ck_assert_uint_ne(local, 0);
      ck_assert_msg(local == leadx_meaning_of_queued(kind, payload_value(stmt)), "%s %s: %s is %s",
                    declared[_i], types[t], sqlite3_column_text(stmt, 2),
                    sqlite3_column_text(stmt, 1));
    }
    sqlite3_finalize(stmt);
    leadx_table_free(table);
  }
  leadx_db_release(&file.db);
}
END_TEST

/* What a server may send for a column. */
static const char *const sent[] = {"null",
                                   "true",
                                   "false",
                                   "0",
                                   "1",
                                   "5",
                                   "5.5",
                                   "5.50",
                                   "1e2",
                                   "0.1",
                                   "0.30000000000000004",
                                   "12345678901234567.89",
                                   "9223372036854775807",
                                   "92233720368547758070",
                                   "\"a\"",
                                   "\"A\\u000a\\\"\"",
                                   "\"5\"",
                                   "\"5.50\"",
                                   "\"2024-05-06T07:08:09.123456+00:00\"",
                                   "\"2024-05-06T07:08:09+07:00\"",
                                   "\"2024-05-06\"",
                                   "\"\\\\x00ff\"",
                                   "\"Infinity\"",
                                   "\"\"",
                                   "{\"a\": 1, \"b\": [1, 2]}",
                                   "[1, {}]",
                                   "\"null\"",
                                   "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"",
                                   "-0",
                                   "\"-Infinity\""};
enum { SENT = sizeof sent / sizeof *sent };

/* A server sends instants as such, and an infinity to a column of text is the user's own affair. */
static int is_sensible(leadx_kind kind, leadx_slice value) {
  int is_instant = value.n > 20,
      is_epoch = kind.type == LEADX_TIMESTAMP_S || kind.type == LEADX_TIMESTAMP_MS;
  if (is_epoch) return is_instant || leadx_json_kind_of(value) == LEADX_JSON_NULL;
  return !(kind.affinity == LEADX_AFFINITY_TEXT && kind.type == LEADX_REAL &&
           memchr(value.z, 'I', value.n));
}

START_TEST(a_value_of_the_server_means_what_the_table_holds_of_it) {
  for (int t = 0; t < TYPES; t++) {
    leadx_table *table = describe(_i, t);
    leadx_kind kind = leadx_table_kind(table, 1);
    for (int i = 0; i < SENT; i++) {
      leadx_slice value = {sent[i], strlen(sent[i])};
      if (!is_sensible(kind, value)) continue;
      sqlite3_stmt *stmt = NULL;
      sqlite3_prepare_v2(file.handle, "UPDATE v SET v = ?1 WHERE id = 0", -1, &stmt, NULL);
      ck_assert_int_eq(leadx_wire_bind(stmt, 1, kind.type, value), SQLITE_OK);
      ck_assert_int_eq(sqlite3_step(stmt), SQLITE_DONE);
      sqlite3_finalize(stmt);
      stmt = read_rows(table);
      ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
      uint32_t local = leadx_meaning_of_value(kind, sqlite3_column_value(stmt, 0));
      ck_assert_msg(local == leadx_meaning_of_server(kind, value), "%s %s: %s became %s",
                    declared[_i], types[t], sent[i], sqlite3_column_text(stmt, 2));
      ck_assert(leadx_meaning_is(local, kind, value, &err));
      sqlite3_finalize(stmt);
    }
    leadx_table_free(table);
  }
  leadx_db_release(&file.db);
}
END_TEST

/* Two values of one column whose payloads say different things are two values, and two that say the
** same are one. */
START_TEST(values_are_told_apart_where_the_wire_tells_them_apart) {
  for (int t = 0; t < TYPES; t++) {
    leadx_table *table = describe(_i, t);
    leadx_kind kind = leadx_table_kind(table, 1);
    char *payloads[VALUES];
    uint32_t parts[VALUES];
    sqlite3_stmt *stmt = read_rows(table);
    for (int i = 0; i < VALUES; i++) {
      ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
      leadx_slice value = payload_value(stmt);
      payloads[i] = sqlite3_mprintf("%.*s", (int)value.n, value.z);
      parts[i] = leadx_meaning_of_value(kind, sqlite3_column_value(stmt, 0));
    }
    sqlite3_finalize(stmt);
    for (int i = 0; i < VALUES; i++) {
      for (int j = 0; j < i; j++) {
        leadx_slice a = {payloads[i], strlen(payloads[i])}, b = {payloads[j], strlen(payloads[j])};
        int may_be_one = leadx_wire_equal(kind.type, a, b, &err) ||
                         kind.type == LEADX_TIMESTAMP_S || kind.type == LEADX_TIMESTAMP_MS ||
                         kind.type == LEADX_REAL || kind.type == LEADX_BOOLEAN ||
                         (kind.type == LEADX_JSON && b.z[0] == 'n') ||
                         (kind.type == LEADX_JSON && strstr(a.z, "null")) ||
                         kind.affinity >= LEADX_AFFINITY_NUMERIC;
        ck_assert_msg(parts[i] != parts[j] || may_be_one, "%s %s: %s and %s", declared[_i],
                      types[t], payloads[i], payloads[j]);
      }
    }
    for (int i = 0; i < VALUES; i++) sqlite3_free(payloads[i]);
    leadx_table_free(table);
  }
  leadx_db_release(&file.db);
}
END_TEST

Suite *test_meaning_suite(void) {
  Suite *suite = suite_create("meaning");
  TCase *tcase = tcase_create("meaning");
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_loop_test(tcase, a_value_means_the_same_in_the_table_and_in_a_payload, 0, DECLARED);
  tcase_add_loop_test(tcase, a_value_of_the_server_means_what_the_table_holds_of_it, 0, DECLARED);
  tcase_add_loop_test(tcase, values_are_told_apart_where_the_wire_tells_them_apart, 0, DECLARED);
  suite_add_tcase(suite, tcase);
  return suite;
}
