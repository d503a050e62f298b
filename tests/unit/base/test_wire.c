/* Values between SQLite and the wire: what a declared type stands for, what equal means, what is
** sent, what is kept. */
#include <stdio.h>
#include <string.h>

#include "suites.h"
#include "base/wire.h"

static leadx_slice slice(const char *json) {
  leadx_slice value = {NULL, 0};
  const char *wrong = json[0] ? leadx_json_check(json, strlen(json), 0, &value, NULL) : NULL;
  ck_assert_msg(wrong == NULL, "%s: %s", json, wrong ? wrong : "");
  return value;
}

/* ---- types ---- */

static const struct declared {
  const char *text;
  leadx_type type;
} declareds[] = {
    {"", LEADX_TEXT},
    {"TEXT", LEADX_TEXT},
    {"VARCHAR(20)", LEADX_TEXT},
    {"INTEGER", LEADX_INTEGER},
    {"bigint", LEADX_INTEGER},
    {"REAL", LEADX_REAL},
    {"FLOAT", LEADX_REAL},
    {"DOUBLE PRECISION", LEADX_REAL},
    {"BOOLEAN", LEADX_BOOLEAN},
    {"bool", LEADX_BOOLEAN},
    {"JSON", LEADX_JSON},
    {"jsonb", LEADX_JSON},
    {"BLOB", LEADX_BLOB},
    {"bytea", LEADX_BLOB},
    {"UUID", LEADX_UUID},
    {"GUID", LEADX_UUID},
    {"DATE", LEADX_DATE},
    {"DATETIME", LEADX_TIMESTAMP},
    {"TIMESTAMPTZ", LEADX_TIMESTAMP},
    {"DECIMAL(18,2)", LEADX_DECIMAL},
    {"NUMERIC", LEADX_DECIMAL},
    {"MONEY", LEADX_DECIMAL},
};
enum { DECLAREDS = sizeof declareds / sizeof declareds[0] };

START_TEST(a_declared_type_stands_for_a_wire_type) {
  ck_assert_msg(leadx_type_of_declaration(declareds[_i].text) == declareds[_i].type, "%s is %s",
                declareds[_i].text, leadx_type_name(leadx_type_of_declaration(declareds[_i].text)));
}
END_TEST

START_TEST(no_declaration_is_text) {
  ck_assert_int_eq(leadx_type_of_declaration(NULL), LEADX_TEXT);
}
END_TEST

START_TEST(each_type_is_found_by_its_name) {
  for (int i = 0; i < LEADX_TYPE_COUNT; i++)
    ck_assert_int_eq(leadx_type_find(leadx_type_name((leadx_type)i)), i);
  ck_assert_int_eq(leadx_type_find("float"), -1);
  ck_assert_int_eq(leadx_type_find("Text"), -1);
}
END_TEST

/* ---- equal ---- */

static const struct pair {
  leadx_type type;
  const char *a, *b;
  int equal;
} pairs[] = {
    {LEADX_TEXT, "\"a\"", "\"a\"", 1},
    {LEADX_TEXT, "\"a\"", "\"\\u0061\"", 1},
    {LEADX_TEXT, "\"a\"", "\"A\"", 0},
    {LEADX_TEXT, "\"1\"", "1", 0},
    {LEADX_TEXT, "null", "\"\"", 0},
    {LEADX_TEXT, "null", "null", 1},
    {LEADX_INTEGER, "1", "1.0", 1},
    {LEADX_INTEGER, "1", "\"1\"", 1},
    {LEADX_INTEGER, "9223372036854775807", "9223372036854775806", 0},
    {LEADX_INTEGER, "9007199254740993", "9007199254740992", 0},
    {LEADX_INTEGER, "null", "0", 0},
    {LEADX_REAL, "0.1", "0.1000000000000000055511151231257827", 1},
    {LEADX_REAL, "0.30000000000000004", "0.3", 0},
    {LEADX_REAL, "1.0", "1", 1},
    {LEADX_REAL, "\"Infinity\"", "\"Infinity\"", 1},
    {LEADX_REAL, "\"Infinity\"", "\"-Infinity\"", 0},
    {LEADX_BOOLEAN, "true", "true", 1},
    {LEADX_BOOLEAN, "true", "false", 0},
    {LEADX_BOOLEAN, "false", "null", 0},
    {LEADX_DECIMAL, "\"12.50\"", "12.5", 1},
    {LEADX_DECIMAL, "\"12345678901234567890.123456789\"", "12345678901234567890.123456789", 1},
    {LEADX_DECIMAL, "\"12345678901234567890.123456789\"", "12345678901234567890.123456788", 0},
    {LEADX_DECIMAL, "\"abc\"", "12.5", 0},
    {LEADX_UUID, "\"0190ABCD-0000-7000-8000-000000000001\"",
     "\"0190abcd-0000-7000-8000-000000000001\"", 1},
    {LEADX_UUID, "\"0190abcd-0000-7000-8000-000000000002\"",
     "\"0190abcd-0000-7000-8000-000000000001\"", 0},
    {LEADX_BLOB, "\"\\\\x00FF\"", "\"\\\\x00ff\"", 1},
    {LEADX_JSON, "\"{\\\"a\\\":[1,2],\\\"b\\\":9007199254740993}\"",
     "{\"b\": 9007199254740993, \"a\": [1, 2]}", 1},
    {LEADX_JSON, "\"{\\\"b\\\":9007199254740993}\"", "{\"b\":9007199254740992}", 0},
    {LEADX_JSON, "\"no json\"", "\"no json\"", 1},
    {LEADX_JSON, "\"1\"", "1", 1},
    {LEADX_TIMESTAMP, "\"2024-05-01 08:00:00\"", "\"2024-05-01T08:00:00+00:00\"", 1},
    {LEADX_TIMESTAMP, "\"2024-05-01T15:00:00+07:00\"", "\"2024-05-01T08:00:00+00:00\"", 1},
    {LEADX_TIMESTAMP, "\"2024-05-01T08:00:00.000001Z\"", "\"2024-05-01T08:00:00Z\"", 0},
    {LEADX_TIMESTAMP, "\"soon\"", "\"2024-05-01T08:00:00Z\"", 0},
    {LEADX_TIMESTAMP_S, "\"2024-05-01T08:00:00Z\"", "\"2024-05-01T08:00:00+00:00\"", 1},
    {LEADX_TIMESTAMP_MS, "\"2024-05-01T08:00:00.123Z\"", "\"2024-05-01T08:00:00.123+00:00\"", 1},
    {LEADX_TIMESTAMP_S, "\"2024-05-01T08:00:00Z\"", "1714550400",
     1}, /* the server's column counts seconds as well */
    {LEADX_TIMESTAMP_MS, "\"2024-05-01T08:00:00.123Z\"", "1714550400123", 1},
    {LEADX_TIMESTAMP_MS, "\"2024-05-01T08:00:00.124Z\"", "1714550400123", 0},
    {LEADX_DATE, "\"2024-05-01\"", "\"2024-05-01\"", 1},
    {LEADX_DATE, "\"2024-05-01\"", "\"2024-05-02\"", 0},
};
enum { PAIRS = sizeof pairs / sizeof pairs[0] };

START_TEST(two_values_are_equal_as_the_type_means_it) {
  const struct pair *p = &pairs[_i];
  leadx_slice a = slice(p->a), b = slice(p->b);
  leadx_err err = {0};
  ck_assert_msg(leadx_wire_equal(p->type, a, b, &err) == p->equal, "%s: %s and %s",
                leadx_type_name(p->type), p->a, p->b);
  ck_assert_msg(leadx_wire_equal(p->type, b, a, &err) == p->equal, "%s: %s and %s",
                leadx_type_name(p->type), p->b, p->a);
}
END_TEST

/* ---- send ---- */

static const struct sending {
  leadx_type type;
  const char *queued, *sent;
} sendings[] = {
    {LEADX_TEXT, "\"{}\"", "\"{}\""},
    {LEADX_JSON, "\"{\\\"a\\\":[1,12345678901234567890]}\"", "{\"a\":[1,12345678901234567890]}"},
    {LEADX_JSON, "\"no json\"", "\"no json\""},
    {LEADX_JSON, "\"null\"", "null"},
    {LEADX_JSON, "null", "null"},
    {LEADX_JSON, "5", "5"},
    {LEADX_TIMESTAMP, "\"2024-05-01 08:00:00\"", "\"2024-05-01 08:00:00Z\""},
    {LEADX_TIMESTAMP, "\"2024-05-01T08:00:00.123\"", "\"2024-05-01T08:00:00.123Z\""},
    {LEADX_TIMESTAMP, "\"2024-05-01T08:00\"", "\"2024-05-01T08:00Z\""},
    {LEADX_TIMESTAMP, "\"2024-05-01T08:00:00+07:00\"", "\"2024-05-01T08:00:00+07:00\""},
    {LEADX_TIMESTAMP, "\"2024-05-01T08:00:00-07\"", "\"2024-05-01T08:00:00-07\""},
    {LEADX_TIMESTAMP, "\"2024-05-01T08:00:00Z\"", "\"2024-05-01T08:00:00Z\""},
    {LEADX_TIMESTAMP, "\"2024-05-01\"", "\"2024-05-01\""},
    {LEADX_TIMESTAMP, "\"\"", "\"\""},
    {LEADX_TEXT, "\"2024-05-01 08:00:00\"", "\"2024-05-01 08:00:00\""},
    {LEADX_INTEGER, "9223372036854775807", "9223372036854775807"},
};
enum { SENDINGS = sizeof sendings / sizeof sendings[0] };

START_TEST(a_queued_value_is_sent_as_the_type_wants_it) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  leadx_wire_send(out, sendings[_i].type, slice(sendings[_i].queued));
  char *text = sqlite3_str_finish(out);
  ck_assert_str_eq(text, sendings[_i].sent);
  sqlite3_free(text);
}
END_TEST

/* ---- bind ---- */

static const struct binding {
  leadx_type type;
  const char *json, *kept; /* quote() of what is bound */
} bindings[] = {
    {LEADX_TEXT, "\"a\\u0000b\"", "'a"},
    {LEADX_TEXT, "\"\\ud83d\\ude80\\n\"", "'\xf0\x9f\x9a\x80\n'"},
    {LEADX_TEXT, "12.50", "'12.50'"},
    {LEADX_TEXT, "{\"a\": 1}", "'{\"a\": 1}'"},
    {LEADX_TEXT, "true", "1"},
    {LEADX_TEXT, "null", "NULL"},
    {LEADX_INTEGER, "9223372036854775807", "9223372036854775807"},
    {LEADX_INTEGER, "-9223372036854775808", "-9223372036854775808"},
    {LEADX_INTEGER, "9223372036854775808", "'9223372036854775808'"},
    {LEADX_REAL, "1", "1.0"},
    {LEADX_REAL, "0.1", "0.1"},
    {LEADX_REAL, "\"Infinity\"", "Inf"},
    {LEADX_REAL, "\"-Infinity\"", "-Inf"},
    {LEADX_REAL, "\"NaN\"", "'NaN'"},
    {LEADX_BOOLEAN, "true", "1"},
    {LEADX_BOOLEAN, "false", "0"},
    {LEADX_JSON, "true", "'true'"},
    {LEADX_JSON, "5.0", "'5.0'"},
    {LEADX_JSON, "\"x\"", "'\"x\"'"},
    {LEADX_JSON, "[1, 2]", "'[1, 2]'"},
    {LEADX_DECIMAL, "12345678901234567890.123456789", "'12345678901234567890.123456789'"},
    {LEADX_DECIMAL, "\"1.50\"", "'1.50'"},
    {LEADX_BLOB, "\"\\\\x00ff\"", "X'00FF'"},
    {LEADX_BLOB, "\"\\\\x\"", "X''"},
    {LEADX_BLOB, "\"\\\\x0g\"", "'\\x0g'"},
    {LEADX_BLOB, "\"\\\\x012\"", "'\\x012'"},
    {LEADX_BLOB, "\"text\"", "'text'"},
    {LEADX_UUID, "\"0190\"", "'0190'"},
    {LEADX_DATE, "\"2024-05-01\"", "'2024-05-01'"},
    {LEADX_TIMESTAMP, "\"2024-05-01T08:00:00.123456+00:00\"", "'2024-05-01T08:00:00.123456+00:00'"},
    {LEADX_TIMESTAMP_S, "\"2024-05-01T08:00:00+00:00\"", "1714550400"},
    {LEADX_TIMESTAMP_S, "\"1969-12-31T23:59:59.5Z\"", "-1"},
    {LEADX_TIMESTAMP_MS, "\"1969-12-31T23:59:59.9995Z\"", "-1"},
    {LEADX_TIMESTAMP_MS, "\"2024-05-01T08:00:00.007Z\"", "1714550400007"},
    {LEADX_TIMESTAMP_S, "\"soon\"", "'soon'"},
    {LEADX_TIMESTAMP_SQL, "\"2024-05-01T08:00:00+00:00\"", "'2024-05-01 08:00:00'"},
    {LEADX_TIMESTAMP_SQL, "\"2024-05-01T08:00:00.5+07:00\"", "'2024-05-01 01:00:00.500000'"},
    {LEADX_TIMESTAMP_SQL, "\"2024-05-01T08:00:00.123456+00:00\"", "'2024-05-01 08:00:00.123456'"},
    {LEADX_TIMESTAMP_SQL, "\"2024-05-01T08:00:00.000000Z\"", "'2024-05-01 08:00:00'"},
    {LEADX_TIMESTAMP_SQL, "\"infinity\"", "'infinity'"},
    {LEADX_TIMESTAMP_SQL, "\"12024-05-01T08:00:00+00:00\"", "'12024-05-01T08:00:00+00:00'"},
};
enum { BINDINGS = sizeof bindings / sizeof bindings[0] };

START_TEST(a_value_of_the_server_is_kept_as_the_type_keeps_it) {
  sqlite3 *db = NULL;
  sqlite3_stmt *stmt = NULL;
  ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
  ck_assert_int_eq(sqlite3_prepare_v2(db, "SELECT quote(?1)", -1, &stmt, NULL), SQLITE_OK);
  for (int lent = 0; lent < 2; lent++) {
    int (*bind)(sqlite3_stmt *, int, leadx_type, leadx_slice) = lent ? leadx_wire_lend
                                                                     : leadx_wire_bind;
    ck_assert_int_eq(bind(stmt, 1, bindings[_i].type, slice(bindings[_i].json)), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
    const char *got = (const char *)sqlite3_column_text(stmt, 0);
    ck_assert_msg(strncmp(got, bindings[_i].kept, strlen(bindings[_i].kept)) == 0, "%s %s: %s",
                  leadx_type_name(bindings[_i].type), bindings[_i].json, got);
    sqlite3_reset(stmt);
  }
  sqlite3_finalize(stmt);
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}
END_TEST

START_TEST(a_value_that_is_absent_is_no_value) {
  leadx_slice none = {NULL, 0};
  ck_assert_int_eq(leadx_wire_bind(NULL, 1, LEADX_TEXT, none), SQLITE_MISMATCH);
}
END_TEST

Suite *test_wire_suite(void) {
  Suite *suite = suite_create("wire");
  TCase *tc = tcase_create("wire");
  tcase_add_loop_test(tc, a_declared_type_stands_for_a_wire_type, 0, DECLAREDS);
  tcase_add_test(tc, no_declaration_is_text);
  tcase_add_test(tc, each_type_is_found_by_its_name);
  tcase_add_loop_test(tc, two_values_are_equal_as_the_type_means_it, 0, PAIRS);
  tcase_add_loop_test(tc, a_queued_value_is_sent_as_the_type_wants_it, 0, SENDINGS);
  tcase_add_loop_test(tc, a_value_of_the_server_is_kept_as_the_type_keeps_it, 0, BINDINGS);
  tcase_add_test(tc, a_value_that_is_absent_is_no_value);
  suite_add_tcase(suite, tc);
  return suite;
}
