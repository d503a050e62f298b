/* Values through the triggers' text: nothing is lost, nothing aborts a write, and a payload is
** always JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suites.h"
#include "tracked.h"

static tracked file;

static void set_up(void) { tracked_open(&file); }
static void tear_down(void) { tracked_close(&file); }

/* ---- reading one payload ---- */

static char *payload;

/* The newest payload, checked. */
static leadx_slice newest_payload(void) {
  sqlite3_stmt *stmt = NULL;
  leadx_slice whole = {NULL, 0};
  ck_assert_int_eq(sqlite3_prepare_v2(file.handle,
                                      "SELECT payload FROM sync_queue ORDER BY rowid DESC LIMIT 1",
                                      -1, &stmt, NULL),
                   SQLITE_OK);
  ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
  sqlite3_free(payload);
  payload = sqlite3_mprintf("%s", (const char *)sqlite3_column_text(stmt, 0));
  size_t n = (size_t)sqlite3_column_bytes(stmt, 0);
  sqlite3_finalize(stmt);
  ck_assert_uint_eq(strlen(payload), n);
  const char *wrong = leadx_json_check(payload, n, 0, &whole, NULL);
  ck_assert_msg(wrong == NULL, "%s: %.300s", wrong ? wrong : "", payload);
  return whole;
}

static leadx_slice newest_value(void) { return leadx_json_member(newest_payload(), "v"); }

/* A table t(id, v) whose v is declared so; every write is an UPDATE of its one row. */
static void make_table(const char *declared, const char *type) {
  tracked_run(&file, "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, v %s)", declared);
  if (type)
    tracked_run(&file, "SELECT leadx_track('t', '{\"columns\":{\"v\":{\"type\":\"%s\"}}}')", type);
  else tracked_run(&file, "SELECT leadx_track('t')");
}

static void write_sql(const char *value) {
  tracked_run(&file, "INSERT OR REPLACE INTO t VALUES('k', %s)", value);
}

static void expect(const char *value, const char *json) {
  write_sql(value);
  leadx_slice got = newest_value();
  ck_assert_msg(got.n == strlen(json) && memcmp(got.z, json, got.n) == 0, "%s: %.*s, not %s", value,
                (int)got.n, got.z, json);
}

/* ---- every class in every type ---- */

static const char *const declarations[] = {"TEXT",          "INTEGER",
                                           "REAL",          "NUMERIC",
                                           "BLOB",          "",
                                           "BOOLEAN",       "JSON",
                                           "UUID",          "DATE",
                                           "DATETIME",      "TIMESTAMP",
                                           "DECIMAL(18,2)", "VARCHAR(20) COLLATE NOCASE",
                                           "DOUBLE"};
static const char *const literals[] = {"NULL",
                                       "0",
                                       "1",
                                       "-1",
                                       "2",
                                       "9223372036854775807",
                                       "-9223372036854775807 - 1",
                                       "0.1 + 0.2",
                                       "1e300",
                                       "-2.5",
                                       "9e999",
                                       "-9e999",
                                       "''",
                                       "'plain'",
                                       "'\"quoted\\'",
                                       "char(10)",
                                       "char(1, 2, 31, 127, 128)",
                                       "'a' || char(0) || 'b'",
                                       "char(0)",
                                       "x''",
                                       "x'00ff5c22'",
                                       "x'61'",
                                       "'12e3'",
                                       "'0012'",
                                       "char(65533, 1114111, 128640)",
                                       "'null'",
                                       "'2024-05-01'",
                                       "' '"};
enum {
  DECLARATIONS = sizeof declarations / sizeof declarations[0],
  LITERALS = sizeof literals / sizeof literals[0]
};

/* What NEW holds is what is stored but for 1.0, which an INTEGER or NUMERIC column keeps as 1. */
START_TEST(each_storage_class_in_each_declared_type_is_exact) {
  make_table(declarations[_i], NULL);
  leadx_type type = leadx_type_of_declaration(declarations[_i]);
  for (int i = 0; i < LITERALS; i++) {
    write_sql(literals[i]);
    sqlite3_stmt *stmt = NULL;
    ck_assert_int_eq(sqlite3_prepare_v2(file.handle, "SELECT v FROM t", -1, &stmt, NULL),
                     SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
    leadx_slice value = newest_value();
    ck_assert_msg(value_says(type, value, stmt, 0), "%s in %s: %.*s", literals[i], declarations[_i],
                  (int)value.n, value.z);
    sqlite3_finalize(stmt);
  }
}
END_TEST

START_TEST(an_update_records_the_old_value_of_each_class_as_base) {
  make_table(declarations[_i], NULL);
  write_sql("'before'");
  for (int i = 0; i < LITERALS; i++) {
    const char *before = tracked_text(&file,
                                      "SELECT payload FROM sync_queue ORDER BY rowid DESC LIMIT 1");
    sqlite3_int64 queued = tracked_int(&file, "SELECT count(*) FROM sync_queue");
    tracked_run(&file, "UPDATE t SET v = %s", literals[i]);
    if (tracked_int(&file, "SELECT count(*) FROM sync_queue") == queued) continue;
    leadx_slice old, base;
    const char *text = tracked_text(&file,
                                    "SELECT base FROM sync_queue ORDER BY rowid DESC LIMIT 1");
    ck_assert_msg(leadx_json_check(text, strlen(text), 0, &base, NULL) == NULL, "%s", text);
    ck_assert(leadx_json_check(before, strlen(before), 0, &old, NULL) == NULL);
    ck_assert_msg(leadx_json_equal(leadx_json_member(old, "v"), leadx_json_member(base, "v")),
                  "%s: %s after %s", literals[i], text, before);
    ck_assert_uint_eq(leadx_json_member(base, "id").n, 0);
  }
}
END_TEST

/* ---- doubles ---- */

static uint64_t random_bits(void) {
  static uint64_t x = 88172645463325252u;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return x;
}

static double from_bits(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* Inserts doubles in one transaction; how many payloads do not read back as the same bits. */
static int count_wrong(const double *values, int n, double *example) {
  sqlite3_stmt *write = NULL, *read = NULL;
  int wrong = 0;
  tracked_run(&file, "DELETE FROM sync_queue; BEGIN");
  ck_assert_int_eq(
      sqlite3_prepare_v2(file.handle, "INSERT INTO t VALUES(?1, ?2)", -1, &write, NULL), SQLITE_OK);
  for (int i = 0; i < n; i++) {
    sqlite3_bind_int(write, 1, i);
    sqlite3_bind_double(write, 2, values[i]);
    ck_assert_int_eq(sqlite3_step(write), SQLITE_DONE);
    sqlite3_reset(write);
  }
  sqlite3_finalize(write);
  tracked_run(&file, "COMMIT");
  ck_assert_int_eq(sqlite3_prepare_v2(file.handle, "SELECT payload FROM sync_queue ORDER BY rowid",
                                      -1, &read, NULL),
                   SQLITE_OK);
  for (int i = 0; i < n; i++) {
    ck_assert_int_eq(sqlite3_step(read), SQLITE_ROW);
    const char *text = (const char *)sqlite3_column_text(read, 0),
               *number = strstr(text, "\"v\":") + 4;
    double got = strtod(number, NULL);
    if (memcmp(&got, &values[i], sizeof got) == 0) continue;
    *example = values[i];
    wrong++;
  }
  sqlite3_finalize(read);
  return wrong;
}

enum { DOUBLES = 100000 };

START_TEST(a_hundred_thousand_random_doubles_keep_every_bit) {
  static double values[DOUBLES];
  double example = 0;
  make_table("REAL", NULL);
  for (int i = 0; i < DOUBLES; i++) {
    do {
      values[i] = i % 4 == 0 ? (double)(int64_t)random_bits() / 1000.0 : from_bits(random_bits());
    } while (!(values[i] > -1.7976931348623157e308 && values[i] < 1.7976931348623157e308));
  }
  int wrong = count_wrong(values, DOUBLES, &example);
  ck_assert_msg(wrong == 0, "%d of %d, e.g. %.17g", wrong, DOUBLES, example);
}
END_TEST

START_TEST(doubles_at_the_edges_keep_every_bit) {
  static const double values[] = {0.0,
                                  1.0,
                                  -1.0,
                                  0.1,
                                  0.1 + 0.2,
                                  1.0 / 3,
                                  123456789012345.67,
                                  4.9406564584124654e-324,
                                  2.2250738585072011e-308,
                                  2.2250738585072014e-308,
                                  1.7976931348623157e308,
                                  -1.7976931348623157e308,
                                  9007199254740993.0,
                                  1e15,
                                  1e16,
                                  1e17,
                                  1e22,
                                  1e23,
                                  5e-324,
                                  1e-5,
                                  1e21,
                                  0.3,
                                  2.5e-8,
                                  9.5,
                                  4503599627370496.5,
                                  1844674407370955161.5,
                                  1.0000000000000002,
                                  0.99999999999999989,
                                  1e100,
                                  1.23456789012345e-300};
  double example = 0;
  make_table("REAL", NULL);
  int wrong = count_wrong(values, (int)(sizeof values / sizeof values[0]), &example);
  ck_assert_msg(wrong == 0, "%d, e.g. %.17g", wrong, example);
}
END_TEST

START_TEST(infinities_travel_as_the_words_that_postgresql_reads) {
  make_table("REAL", NULL);
  expect("9e999", "\"Infinity\"");
  expect("-9e999", "\"-Infinity\"");
}
END_TEST

/* ---- texts ---- */

/* Writes bytes as they are. */
static void write_text(const char *text, int n) {
  sqlite3_stmt *stmt = NULL;
  ck_assert_int_eq(
      sqlite3_prepare_v2(file.handle, "INSERT OR REPLACE INTO t VALUES('k', ?1)", -1, &stmt, NULL),
      SQLITE_OK);
  sqlite3_bind_text(stmt, 1, text, n, SQLITE_STATIC);
  ck_assert_msg(sqlite3_step(stmt) == SQLITE_DONE, "%s", sqlite3_errmsg(file.handle));
  sqlite3_finalize(stmt);
}

static int encode(unsigned c, char *out) {
  if (c < 0x80) return out[0] = (char)c, 1;
  if (c < 0x800) return out[0] = (char)(0xc0 | c >> 6), out[1] = (char)(0x80 | (c & 63)), 2;
  if (c < 0x10000)
    return out[0] = (char)(0xe0 | c >> 12), out[1] = (char)(0x80 | (c >> 6 & 63)),
           out[2] = (char)(0x80 | (c & 63)), 3;
  out[0] = (char)(0xf0 | c >> 18);
  out[1] = (char)(0x80 | (c >> 12 & 63));
  out[2] = (char)(0x80 | (c >> 6 & 63));
  out[3] = (char)(0x80 | (c & 63));
  return 4;
}

START_TEST(every_unicode_character_survives) {
  static char text[4 * 4096];
  make_table("TEXT", NULL);
  for (unsigned from = 0; from < 0x110000; from += 4096) {
    int n = 0;
    for (unsigned c = from; c < from + 4096; c++) {
      if (c < 0xd800 || c > 0xdfff) n += encode(c, text + n);
    }
    write_text(text, n);
    leadx_slice value = newest_value();
    ck_assert_msg(leadx_json_string_is(value, text, (size_t)n), "U+%04X to U+%04X", from,
                  from + 4095);
  }
}
END_TEST

START_TEST(each_control_character_quote_and_backslash_is_escaped_alone) {
  make_table("TEXT", NULL);
  for (int c = 0; c < 128; c++) {
    char text[3] = {'a', (char)c, 'z'};
    write_text(text, 3);
    ck_assert_msg(leadx_json_string_is(newest_value(), text, 3), "byte %d: %s", c, payload);
  }
}
END_TEST

/* Bytes that are no UTF-8 go through as they are: the write stands, and the payload is refused when
** it is read. */
START_TEST(bytes_that_are_no_utf8_neither_abort_the_write_nor_pass_as_json) {
  static const char *const bad[] = {"\xff", "a\xc3", "\xed\xa0\x80", "\xf8\x88\x80\x80\x80",
                                    "ok \xc0\xaf \"q\""};
  leadx_slice whole;
  make_table("TEXT", NULL);
  write_text(bad[_i], -1);
  const char *text = tracked_text(&file, "SELECT payload FROM sync_queue");
  ck_assert_ptr_nonnull(leadx_json_check(text, strlen(text), 0, &whole, NULL));
  ck_assert_int_eq(tracked_int(&file, "SELECT count(*) FROM t"), 1);
}
END_TEST

START_TEST(a_long_text_with_many_escapes_survives) {
  make_table("TEXT", NULL);
  int n = 200000;
  char *text = malloc((size_t)n);
  for (int i = 0; i < n; i++)
    text[i] = (char)(i % 3 == 0 ? '"' : i % 101 == 0 ? 0 : i % 7 == 0 ? '\\' : 'x');
  write_text(text, n);
  ck_assert(leadx_json_string_is(newest_value(), text, (size_t)n));
  free(text);
}
END_TEST

/* ---- the types ---- */

static const struct wire_case {
  const char *declared, *type, *value, *json;
} wire_cases[] = {
    {"BOOLEAN", NULL, "1", "true"},
    {"BOOLEAN", NULL, "0", "false"},
    {"BOOLEAN", NULL, "2", "2"},
    {"BOOLEAN", NULL, "NULL", "null"},
    {"INTEGER", "timestamp:s", "0", "\"1970-01-01T00:00:00Z\""},
    {"INTEGER", "timestamp:s", "-1", "\"1969-12-31T23:59:59Z\""},
    {"INTEGER", "timestamp:s", "1714550400", "\"2024-05-01T08:00:00Z\""},
    {"INTEGER", "timestamp:s", "253402300799", "\"9999-12-31T23:59:59Z\""},
    {"INTEGER", "timestamp:s", "9223372036854775807", "9223372036854775807"},
    {"INTEGER", "timestamp:ms", "0", "\"1970-01-01T00:00:00.000Z\""},
    {"INTEGER", "timestamp:ms", "-1", "\"1969-12-31T23:59:59.999Z\""},
    {"INTEGER", "timestamp:ms", "-1000", "\"1969-12-31T23:59:59.000Z\""},
    {"INTEGER", "timestamp:ms", "1714550400007", "\"2024-05-01T08:00:00.007Z\""},
    {"INTEGER", "timestamp:ms", "253402300799999", "\"9999-12-31T23:59:59.999Z\""},
    {"INTEGER", "timestamp:ms", "NULL", "null"},
    {"TEXT", "uuid", "''", "null"},
    {"TEXT", "uuid", "'0190'", "\"0190\""},
    {"TEXT", "uuid", "'\"'", "\"\\\"\""},
    {"TEXT", "decimal", "'12345678901234567890.123456789'", "\"12345678901234567890.123456789\""},
    {"TEXT", "decimal", "'1\"'", "\"1\\\"\""},
    {"NUMERIC", NULL, "12.5", "12.5"},
    {"NUMERIC", NULL, "12", "12"},
    {"TEXT", "json", "'{\"a\":[1,2]}'", "\"{\\\"a\\\":[1,2]}\""},
    {"BLOB", NULL, "x'0102ff'", "\"\\\\x0102ff\""},
    {"BLOB", NULL, "'text'", "\"text\""},
    {"TEXT", "timestamp", "'2024-05-01 08:00:00'", "\"2024-05-01 08:00:00\""},
    {"DATETIME", NULL, "1714550400", "1714550400"},
    {"TEXT", "integer", "'5'", "\"5\""},
};
enum { WIRE_CASES = sizeof wire_cases / sizeof wire_cases[0] };

START_TEST(a_value_takes_the_wire_form_of_its_columns_type) {
  make_table(wire_cases[_i].declared, wire_cases[_i].type);
  expect(wire_cases[_i].value, wire_cases[_i].json);
}
END_TEST

Suite *test_capture_values_suite(void) {
  Suite *suite = suite_create("capture_values");
  TCase *tc = tcase_create("values");
  tcase_add_checked_fixture(tc, set_up, tear_down);
  tcase_set_timeout(tc, 60);
  tcase_add_loop_test(tc, each_storage_class_in_each_declared_type_is_exact, 0, DECLARATIONS);
  tcase_add_loop_test(tc, an_update_records_the_old_value_of_each_class_as_base, 0, DECLARATIONS);
  tcase_add_test(tc, a_hundred_thousand_random_doubles_keep_every_bit);
  tcase_add_test(tc, doubles_at_the_edges_keep_every_bit);
  tcase_add_test(tc, infinities_travel_as_the_words_that_postgresql_reads);
  tcase_add_test(tc, every_unicode_character_survives);
  tcase_add_test(tc, each_control_character_quote_and_backslash_is_escaped_alone);
  tcase_add_loop_test(tc, bytes_that_are_no_utf8_neither_abort_the_write_nor_pass_as_json, 0, 5);
  tcase_add_test(tc, a_long_text_with_many_escapes_survives);
  tcase_add_loop_test(tc, a_value_takes_the_wire_form_of_its_columns_type, 0, WIRE_CASES);
  suite_add_tcase(suite, tc);
  return suite;
}
