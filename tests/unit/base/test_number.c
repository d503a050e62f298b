/* Numbers as text: what is one. (hosts/test_locale.c: that the host's locale has no say.) */
#include <string.h>

#include "base/number.h"
#include "suites.h"

static const struct real {
  const char *text;
  double value;
} reals[] = {
    {"0", 0},
    {"5", 5},
    {"-5", -5},
    {"+5", 5},
    {"0.5", 0.5},
    {".5", 0.5},
    {"-.5", -0.5},
    {"5.", 5},
    {"5.e2", 500},
    {"1e3", 1000},
    {"1.5e-3", 1e-3 * 1.5},
    {"1E+2", 100},
    {"007", 7},
    {"0.1", 0.1},
    {"123456789.125", 123456789.125},
};
enum { REALS = sizeof reals / sizeof reals[0] };

START_TEST(a_number_is_read_with_a_point) {
  double got = -1;
  ck_assert_int_eq(leadx_number_double(reals[_i].text, strlen(reals[_i].text), &got), 0);
  ck_assert_msg(got == reals[_i].value, "%s gives %.17g", reals[_i].text, got);
}
END_TEST

static const char *const others[] = {
    "",     " ",   ".",   "-",   "+",   "e5",    "1e",    "1e+",  "1 ", " 1", "1,5",
    "0x10", "inf", "nan", "1_0", "--1", "1.2.3", "1e5.5", "five", "1-", "-.", "\xd9\xa1"};
enum { OTHERS = sizeof others / sizeof others[0] };

START_TEST(anything_else_is_no_number) {
  double real = 7;
  int64_t integer = 7;
  ck_assert_msg(leadx_number_double(others[_i], strlen(others[_i]), &real) == 1, "%s", others[_i]);
  ck_assert_msg(leadx_number_int64(others[_i], strlen(others[_i]), &integer) == 1, "%s",
                others[_i]);
  ck_assert(real == 7 && integer == 7);
}
END_TEST

START_TEST(integers_end_where_int64_ends) {
  static const struct {
    const char *text;
    int refused;
    int64_t value;
  } all[] = {{"9223372036854775807", 0, INT64_MAX},
             {"9223372036854775808", 1, 0},
             {"-9223372036854775808", 0, INT64_MIN},
             {"-9223372036854775809", 1, 0},
             {"+12", 0, 12},
             {"-0", 0, 0},
             {"00012", 0, 12},
             {"1.0", 1, 0},
             {"99999999999999999999999999", 1, 0}};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    int64_t got = 0;
    ck_assert_msg(leadx_number_int64(all[i].text, strlen(all[i].text), &got) == all[i].refused,
                  "%s", all[i].text);
    ck_assert_msg(got == all[i].value, "%s gives %lld", all[i].text, (long long)got);
  }
}
END_TEST

START_TEST(a_number_of_thousands_of_digits_is_refused) {
  char text[5000];
  double got = 0;
  memset(text, '9', sizeof text);
  ck_assert_int_eq(leadx_number_double(text, sizeof text, &got), 1);
  ck_assert_int_eq(leadx_number_double(text, 400, &got), 0);
}
END_TEST

Suite *test_number_suite(void) {
  Suite *suite = suite_create("number");
  TCase *all = tcase_create("all");
  tcase_add_loop_test(all, a_number_is_read_with_a_point, 0, REALS);
  tcase_add_loop_test(all, anything_else_is_no_number, 0, OTHERS);
  tcase_add_test(all, integers_end_where_int64_ends);
  tcase_add_test(all, a_number_of_thousands_of_digits_is_refused);
  suite_add_tcase(suite, all);
  return suite;
}
