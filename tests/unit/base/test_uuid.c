#include <string.h>

#include "base/clock.h"
#include "base/uuid.h"
#include "suites.h"

static int64_t fixed_us = INT64_C(1767323045678000);

static int64_t fixed_wall(void *self) { return *(int64_t *)self; }

static int64_t fixed_mono(void *self) { return *(int64_t *)self / 1000; }

static const leadx_clock_source fixed_clock = {fixed_wall, fixed_mono, &fixed_us};

static void make_at(int64_t ms, int64_t counter, char id[LEADX_UUID_BYTES]) {
  fixed_us = ms * 1000;
  leadx_clock_use(&fixed_clock);
  leadx_uuid_make(counter, id);
  leadx_clock_use(NULL);
}

START_TEST(a_uuid_has_version_7_the_variant_and_its_milliseconds) {
  char id[LEADX_UUID_BYTES];
  make_at(INT64_C(1767323045678), 0, id);
  ck_assert_uint_eq(strlen(id), 36);
  ck_assert_int_eq(strspn(id, "0123456789abcdef-"), 36);
  ck_assert_int_eq(id[14], '7');
  ck_assert_ptr_nonnull(strchr("89ab", id[19]));
  ck_assert_int_eq(leadx_uuid_ms(id), INT64_C(1767323045678));
}
END_TEST

START_TEST(uuids_sort_by_millisecond_and_then_by_counter) {
  char a[LEADX_UUID_BYTES], b[LEADX_UUID_BYTES], c[LEADX_UUID_BYTES], d[LEADX_UUID_BYTES];
  make_at(1000, 0x3fff, a);
  make_at(1000, 0x4000, b);
  make_at(1000, 0x3ffffff, c);
  make_at(1001, 0, d);
  ck_assert_str_lt(a, b);
  ck_assert_str_lt(b, c);
  ck_assert_str_lt(c, d);
}
END_TEST

START_TEST(no_milliseconds_are_read_from_any_other_text) {
  static const char *const others[] = {
      "",
      "0190163d-8694-739b-aea5-966c26f8ad9", /* a digit less */
      "0190163d-8694-739b-aea5-966c26f8ad911", /* one more */
      "0190163d-8694-439b-aea5-966c26f8ad91", /* version 4 */
      "0190163d+8694-739b-aea5-966c26f8ad91",
      "0190163g-8694-739b-aea5-966c26f8ad91",
  };
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
    ck_assert_int_eq(leadx_uuid_ms(others[i]), -1);
  ck_assert_int_eq(leadx_uuid_ms("0190163d-8694-739b-aea5-966c26f8ad91"), INT64_C(0x190163d8694));
}
END_TEST

Suite *test_uuid_suite(void) {
  Suite *suite = suite_create("uuid");
  TCase *tc = tcase_create("uuid");
  tcase_add_test(tc, a_uuid_has_version_7_the_variant_and_its_milliseconds);
  tcase_add_test(tc, uuids_sort_by_millisecond_and_then_by_counter);
  tcase_add_test(tc, no_milliseconds_are_read_from_any_other_text);
  suite_add_tcase(suite, tc);
  return suite;
}
