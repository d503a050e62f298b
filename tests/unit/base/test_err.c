#include <string.h>

#include "base/err.h"
#include "suites.h"

START_TEST(err_keeps_the_first_error) {
  leadx_err err;
  leadx_err_clear(&err);
  ck_assert_int_eq(leadx_err_set(&err, SQLITE_BUSY, "first: %d", 1), SQLITE_BUSY);
  ck_assert_int_eq(leadx_err_set(&err, SQLITE_FULL, "second"), SQLITE_BUSY);
  ck_assert_int_eq(leadx_err_nomem(&err), SQLITE_BUSY);
  ck_assert_str_eq(err.text, "first: 1");
}
END_TEST

START_TEST(err_is_empty_after_clear) {
  leadx_err err;
  leadx_err_clear(&err);
  leadx_err_set(&err, SQLITE_BUSY, "first");
  leadx_err_clear(&err);
  ck_assert_int_eq(err.rc, SQLITE_OK);
  ck_assert_str_eq(err.text, "");
  ck_assert_int_eq(leadx_err_set(&err, SQLITE_FULL, "second"), SQLITE_FULL);
  ck_assert_str_eq(err.text, "second");
}
END_TEST

START_TEST(err_never_records_ok) {
  leadx_err err;
  leadx_err_clear(&err);
  ck_assert_int_eq(leadx_err_set(&err, SQLITE_OK, "odd"), SQLITE_ERROR);
  ck_assert_int_eq(err.rc, SQLITE_ERROR);
}
END_TEST

START_TEST(err_formats_as_sqlite_does) {
  leadx_err err;
  leadx_err_clear(&err);
  leadx_err_set(&err, SQLITE_ERROR, "table \"%w\", value '%q', %lld", "a\"b", "it's",
                (sqlite3_int64)1 << 40);
  ck_assert_str_eq(err.text, "table \"a\"\"b\", value 'it''s', 1099511627776");
}
END_TEST

START_TEST(err_says_out_of_memory_without_memory) {
  leadx_err err;
  leadx_err_clear(&err);
  ck_assert_int_eq(leadx_err_nomem(&err), SQLITE_NOMEM);
  ck_assert_str_eq(err.text, "out of memory");
}
END_TEST

START_TEST(err_repeats_what_the_connection_says) {
  leadx_err err;
  sqlite3 *db;
  leadx_err_clear(&err);
  ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
  int rc = sqlite3_exec(db, "SELECT * FROM nowhere", NULL, NULL, NULL);
  ck_assert_int_eq(leadx_err_db(&err, db, rc, "reading the queue"), SQLITE_ERROR);
  ck_assert_str_eq(err.text, "reading the queue: no such table: nowhere");
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}
END_TEST

START_TEST(err_records_lost_memory_of_a_connection_as_such) {
  leadx_err err;
  leadx_err_clear(&err);
  ck_assert_int_eq(leadx_err_db(&err, NULL, SQLITE_NOMEM, "reading"), SQLITE_NOMEM);
  ck_assert_str_eq(err.text, "out of memory");
}
END_TEST

START_TEST(err_says_what_to_do_where_sqlite_does_not) {
  leadx_err err;
  leadx_err_clear(&err);
  ck_assert_int_eq(leadx_err_db(&err, NULL, SQLITE_READONLY_DBMOVED, "writing"),
                   SQLITE_READONLY_DBMOVED);
  ck_assert_ptr_nonnull(strstr(err.text, "; open the file for writing"));
  leadx_err_clear(&err);
  leadx_err_db(&err, NULL, SQLITE_FULL, "writing");
  ck_assert_ptr_nonnull(strstr(err.text, "make room and try again"));
}
END_TEST

/* One to four bytes per character, and every offset at which the buffer can cut one. */
static const char *const characters[] = {"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};

START_TEST(err_never_cuts_a_character) {
  const char *character = characters[_i / 4];
  size_t width = strlen(character), buffer = sizeof((leadx_err *)0)->text;
  char text[1024] = "xxx";
  size_t n = (size_t)(_i % 4);
  while (n < sizeof text - width) {
    memcpy(text + n, character, width);
    n += width;
  }
  leadx_err err;
  leadx_err_clear(&err);
  leadx_err_set(&err, SQLITE_ERROR, "%.*s", (int)n, text);
  size_t kept = strlen(err.text);
  ck_assert_uint_lt(kept, buffer);
  ck_assert_uint_ge(kept + width, buffer);
  ck_assert_uint_eq((kept - (size_t)(_i % 4)) % width, 0);
}
END_TEST

Suite *test_err_suite(void) {
  Suite *suite = suite_create("err");
  TCase *tc = tcase_create("err");
  tcase_add_test(tc, err_keeps_the_first_error);
  tcase_add_test(tc, err_is_empty_after_clear);
  tcase_add_test(tc, err_never_records_ok);
  tcase_add_test(tc, err_formats_as_sqlite_does);
  tcase_add_test(tc, err_says_out_of_memory_without_memory);
  tcase_add_test(tc, err_repeats_what_the_connection_says);
  tcase_add_test(tc, err_records_lost_memory_of_a_connection_as_such);
  tcase_add_test(tc, err_says_what_to_do_where_sqlite_does_not);
  tcase_add_loop_test(tc, err_never_cuts_a_character, 0, 16);
  suite_add_tcase(suite, tc);
  return suite;
}
