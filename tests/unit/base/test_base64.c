#include <string.h>

#include "base/base64.h"
#include "suites.h"

typedef struct base64_case {
  const char *text, *bytes;
} base64_case;

/* RFC 4648 section 10, and what sets the alphabets apart. */
static const base64_case read[] = {
    {"", ""},
    {"Zg==", "f"},
    {"Zm8=", "fo"},
    {"Zm9v", "foo"},
    {"Zm9vYg==", "foob"},
    {"Zm9vYmE=", "fooba"},
    {"Zm9vYmFy", "foobar"},
    {"+/+/", "\xfb\xff\xbf"},
    {"-_-_", "\xfb\xff\xbf"},
};

static void check_case(const char *text, size_t n, const char *bytes) {
  char out[16];
  size_t used = 99;
  ck_assert_int_eq(leadx_base64_decode(text, n, out, sizeof out, &used), 0);
  ck_assert_uint_eq(used, strlen(bytes));
  ck_assert_mem_eq(out, bytes, used);
}

START_TEST(base64_of_either_alphabet_is_read) {
  check_case(read[_i].text, strlen(read[_i].text), read[_i].bytes);
}
END_TEST

START_TEST(padding_may_be_missing) {
  check_case(read[_i].text, strcspn(read[_i].text, "="), read[_i].bytes);
}
END_TEST

START_TEST(what_is_no_base64_is_refused) {
  static const char *const others[] = {"Zm9v!", "Zm 9v", "Zm9v\n", "Zg==Zg", "Zm.9", "\xc3\xa9"};
  char out[16];
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    size_t used = 99;
    ck_assert_int_eq(leadx_base64_decode(others[i], strlen(others[i]), out, sizeof out, &used), 1);
    ck_assert_uint_eq(used, 0);
  }
}
END_TEST

START_TEST(nothing_is_written_behind_the_end) {
  char out[4] = "????";
  size_t used = 99;
  ck_assert_int_eq(leadx_base64_decode("Zm9vYmFy", 8, out, 3, &used), 1);
  ck_assert_uint_eq(used, 0);
  ck_assert_int_eq(out[3], '?');
  ck_assert_int_eq(leadx_base64_decode("Zm9v", 4, out, 3, &used), 0);
  ck_assert_uint_eq(used, 3);
  ck_assert_int_eq(out[3], '?');
}
END_TEST

Suite *test_base64_suite(void) {
  int n = (int)(sizeof read / sizeof read[0]);
  Suite *suite = suite_create("base64");
  TCase *tc = tcase_create("base64");
  tcase_add_loop_test(tc, base64_of_either_alphabet_is_read, 0, n);
  tcase_add_loop_test(tc, padding_may_be_missing, 0, n);
  tcase_add_test(tc, what_is_no_base64_is_refused);
  tcase_add_test(tc, nothing_is_written_behind_the_end);
  suite_add_tcase(suite, tc);
  return suite;
}
