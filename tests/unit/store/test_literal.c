/* Literals of a schema: each is what SQLite itself makes of it, and anything else is unknown. */
#include <stdio.h>
#include <string.h>

#include "suites.h"
#include "tracked.h"

/* ---- known ---- */

static const char *const known[] = {
    "5",
    "-5",
    "+5",
    "- 5",
    "0",
    "-0",
    "007",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "99999999999999999999",
    "0x10",
    "-0x10",
    "0xFFFFFFFFFFFFFFFF",
    "0X00000000000000001F",
    "1.5",
    ".5",
    "-.5",
    "5.",
    "1e3",
    "-1.25E-3",
    "'a'",
    "''",
    "'it''s'",
    "''''",
    "'a''''b'",
    "'-- no comment'",
    "'); DROP TABLE t; --'",
    "'\xc3\xa9'",
    "x''",
    "x'00ff'",
    "X'AbCd'",
    "NULL",
    "null",
    "TRUE",
    "false",
    "CURRENT_DATE",
    "(5)",
    "((5))",
    "( 'a' )",
    "(-5)",
    "(NULL)",
    "(true)",
    "word",
    "Word_2",
    "\"two words\"",
    "\"a\"\"b\"",
    "[in brackets]",
    "`ticks`",
    "(date('now'))",
};
enum { KNOWN = sizeof known / sizeof known[0] };

/* A row that SQLite filled by the DEFAULT holds what was read. */
START_TEST(a_literal_is_what_sqlite_makes_of_it) {
  tracked file;
  leadx_literal literal;
  sqlite3_stmt *stmt = NULL;
  tracked_open(&file);
  tracked_run(&file, "CREATE TABLE t(id INTEGER PRIMARY KEY, v DEFAULT %s)", known[_i]);
  tracked_run(&file, "INSERT INTO t(id) VALUES (1)");
  const char *sql = tracked_text(&file,
                                 "SELECT dflt_value FROM pragma_table_xinfo('t') WHERE name = 'v'");
  ck_assert_int_eq(leadx_literal_read(sql, &literal), SQLITE_OK);
  ck_assert_msg(leadx_literal_is_known(&literal), "%s", known[_i]);
  ck_assert_int_eq(
      sqlite3_prepare_v2(file.handle,
                         "SELECT v IS ?1 AND typeof(v) = typeof(?1), quote(v), quote(?1) FROM t",
                         -1, &stmt, NULL),
      SQLITE_OK);
  ck_assert_int_eq(leadx_literal_bind(&literal, stmt, 1), SQLITE_OK);
  ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
  ck_assert_msg(sqlite3_column_int(stmt, 0) == 1, "%s: %s here, %s there", known[_i],
                sqlite3_column_text(stmt, 2), sqlite3_column_text(stmt, 1));
  sqlite3_finalize(stmt);
  leadx_literal_clear(&literal);
  tracked_close(&file);
}
END_TEST

START_TEST(the_present_time_is_that_of_sqlite) {
  static const char *const forms[] = {"CURRENT_TIMESTAMP", "current_time", "(datetime('now'))",
                                      "(time('now'))"};
  for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
    tracked file;
    leadx_literal literal;
    sqlite3_stmt *stmt = NULL;
    tracked_open(&file);
    ck_assert_int_eq(leadx_literal_read(forms[i], &literal), SQLITE_OK);
    ck_assert(leadx_literal_is_known(&literal) && !leadx_literal_is_constant(&literal));
    ck_assert_int_eq(
        sqlite3_prepare_v2(
            file.handle,
            literal.kind == LEADX_LITERAL_TIMESTAMP
                ? "SELECT length(?1) = 19 AND abs(strftime('%s', ?1) - strftime('%s', 'now')) <= 5"
                : "SELECT length(?1) = 8 AND time(?1) = ?1",
            -1, &stmt, NULL),
        SQLITE_OK);
    ck_assert_int_eq(leadx_literal_bind(&literal, stmt, 1), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
    ck_assert_msg(sqlite3_column_int(stmt, 0) == 1, "%s", forms[i]);
    sqlite3_finalize(stmt);
    leadx_literal_clear(&literal);
    tracked_close(&file);
  }
}
END_TEST

/* ---- unknown ---- */

static const char *const unknown[] = {
    "leadx_configure('http://a','b')",
    "(f())",
    "1+1",
    "'a'||'b'",
    "'a",
    "a'",
    "'a'b'",
    "'abc''",
    "x'0'",
    "x'0g'",
    "x'00",
    "1;",
    "5 --",
    "5 /* five */",
    "- -5",
    "--5",
    "-'5'",
    "0x",
    "0xg",
    "0x11111111111111111",
    "-0x8000000000000000",
    "1_000",
    "1e",
    "datetime('now','localtime')",
    "datetime('now ')",
    "date()",
    "strftime('%s','now')",
    "(SELECT 1)",
    "abs(-1)",
    "\"a\" b",
    "a.b",
    "\"a",
    "[a]b]",
    "CAST(5 AS TEXT)",
    "",
    " ",
    "()",
    "(5",
    "5)",
    "(1)+(2)",
    "\xc3\xa9",
    "'a' COLLATE nocase",
    "NOT 1",
    "~5",
};
enum { UNKNOWN = sizeof unknown / sizeof unknown[0] };

START_TEST(an_expression_is_unknown) {
  leadx_literal literal;
  ck_assert_int_eq(leadx_literal_read(unknown[_i], &literal), SQLITE_OK);
  ck_assert_msg(literal.kind == LEADX_LITERAL_UNKNOWN && !literal.bytes, "%s", unknown[_i]);
  ck_assert(!leadx_literal_is_known(&literal) && !leadx_literal_is_constant(&literal));
}
END_TEST

START_TEST(no_default_says_null) {
  leadx_literal literal;
  ck_assert_int_eq(leadx_literal_read(NULL, &literal), SQLITE_OK);
  ck_assert(literal.kind == LEADX_LITERAL_NONE && leadx_literal_is_constant(&literal));
  ck_assert(!leadx_literal_is_known(&literal));
}
END_TEST

Suite *test_literal_suite(void) {
  Suite *suite = suite_create("literal");
  TCase *all = tcase_create("all");
  tcase_add_loop_test(all, a_literal_is_what_sqlite_makes_of_it, 0, KNOWN);
  tcase_add_test(all, the_present_time_is_that_of_sqlite);
  tcase_add_loop_test(all, an_expression_is_unknown, 0, UNKNOWN);
  tcase_add_test(all, no_default_says_null);
  suite_add_tcase(suite, all);
  return suite;
}
