/* Texts of a table's options that become part of an address. */
#include <string.h>

#include "store/filter.h"
#include "suites.h"

static const char *const good[] = {
    "status=eq.open",
    "status=eq.open&city=in.(Solo,Bogor)",
    "a=not.is.null",
    "name=ilike.*ani%25",
    "name=like(any).%7BO*,P*%7D",
    "body=fts(english).cat%20and%20dog",
    "data-%3E%3Ecity=eq.Solo",
    "data->>city=eq.Solo",
    "first%20name=eq.Ani",
    "%22a.b%22=eq.1",
    "or=(a.eq.1,b.gt.2)",
    "and=(a.gt.1,or(b.is.null,c.eq.%22(%22))",
    "not.or=(a.eq.1,b.eq.2)",
    "tags=cs.%7Bnew%7D",
    "note=eq.a%26b%3Dc",
    "n=isdistinct.5",
};

START_TEST(conditions_on_columns_are_a_filter) {
  char piece[LEADX_PIECE_BYTES] = "";
  const char *fault = leadx_filter_fault(good[_i], piece);
  ck_assert_msg(fault == NULL, "%s: %s at %s", good[_i], fault, piece);
}
END_TEST

static const char *const bad[] = {
    "",
    "&",
    "a=eq.1&",
    "&a=eq.1",
    "a=eq.1&&b=eq.2",
    "a",
    "=eq.1",
    "a=",
    "a=1",
    "a=eq",
    "a=equals.1",
    "a=not.1",
    "order=a.asc",
    "order=eq.1",
    "ORDER=eq.1",
    "%6frder=eq.1",
    "%6Frder=a.desc",
    "o%72der=eq.1",
    "%2573elect=eq.1",
    "select=*",
    "select=eq.1",
    "s%65lect=eq.*",
    "limit=eq.1",
    "offset=eq.1",
    "columns=eq.1",
    "on_conflict=eq.id",
    "apikey=eq.x",
    "ApiKey=eq.x",
    "%61pikey=eq.x",
    "a=eq.1&apikey=eq.x",
    "users.order=eq.1",
    "users.limit=eq.1",
    "a=eq.1;order=a",
    "a=eq.1#",
    "a=eq.1\\",
    "a=eq.1%0d%0aX: y",
    "a=eq.1%00",
    "a%0a=eq.1",
    "a=eq.1%",
    "a=eq.%zz",
    "a = eq.1",
    "a=eq.\xC3\xA4",
    "or=a.eq.1",
    "or=()",
    "or=(a.eq.1",
    "or=(a.eq.1)&b",
    "or=(a.eq.1))(b.eq.2)",
    "or=(a.eq.1),order=(b)",
    "or=(a.eq.%22)",
    "and(a)=eq.1",
    "a(b)=eq.1",
    "a,b=eq.1",
    "*=eq.1",
    "a?b=eq.1",
    "a%26order=eq.1",
    "a%3Dorder=eq.1",
    "%22=eq.1",
    "%22a%22b%22=eq.1",
};

START_TEST(anything_else_is_named) {
  char piece[LEADX_PIECE_BYTES] = "untouched";
  ck_assert_msg(leadx_filter_fault(bad[_i], piece) != NULL, "%s", bad[_i]);
  ck_assert_msg(strstr(bad[_i], piece) != NULL, "%s: %s", bad[_i], piece);
}
END_TEST

static const struct segment {
  const char *name;
  int is_one;
} segments[] = {
    {"notes", 1},    {"my notes", 1},
    {"100%", 1},     {"50%25", 1},
    {"..a", 1},      {"caf\xC3\xA9", 1},
    {"a%20b", 1},    {"", 0},
    {".", 0},        {"..", 0},
    {"...", 0},      {"a/b", 0},
    {"a\\b", 0},     {"a\nb", 0},
    {"%2e%2e", 0},   {"%2E.", 0},
    {"%2f", 0},      {"a%2Fb", 0},
    {"a%5cb", 0},    {"a%00b", 0},
    {"a%0d%0ab", 0}, {"%252e%252e", 0},
    {"%25252fa", 0}, {"%25%32%66", 0},
    {"a%7f", 0},     {"%2525252525252525252f", 0},
};

START_TEST(a_segment_stays_one_however_often_it_is_decoded) {
  ck_assert_msg(leadx_filter_is_segment(segments[_i].name) == segments[_i].is_one, "%s",
                segments[_i].name);
}
END_TEST

Suite *test_filter_suite(void) {
  Suite *suite = suite_create("filter");
  TCase *tc = tcase_create("filter");
  tcase_add_loop_test(tc, conditions_on_columns_are_a_filter, 0, sizeof good / sizeof good[0]);
  tcase_add_loop_test(tc, anything_else_is_named, 0, sizeof bad / sizeof bad[0]);
  tcase_add_loop_test(tc, a_segment_stays_one_however_often_it_is_decoded, 0,
                      sizeof segments / sizeof segments[0]);
  suite_add_tcase(suite, tc);
  return suite;
}
