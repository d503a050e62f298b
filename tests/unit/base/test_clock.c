#include "base/clock.h"
#include "suites.h"

/* 2026-01-02T03:04:05Z */
#define MOMENT INT64_C(1767323045)
#define S INT64_C(1000000)

static int64_t fixed_wall(void *self) { return *(int64_t *)self; }

static int64_t fixed_mono(void *self) { return *(int64_t *)self / 1000; }

static int64_t fixed_now = MOMENT * S;
static const leadx_clock_source fixed_clock = {fixed_wall, fixed_mono, &fixed_now};

START_TEST(clock_can_be_replaced_and_brought_back) {
  leadx_clock_use(&fixed_clock);
  ck_assert_int_eq(leadx_clock_wall_us(), MOMENT * S);
  ck_assert_int_eq(leadx_clock_mono_ms(), MOMENT * 1000);
  leadx_clock_use(NULL);
  ck_assert_int_gt(leadx_clock_wall_us(), MOMENT * S - 365 * 86400 * S);
}
END_TEST

START_TEST(clock_monotonic_never_goes_back) {
  int64_t last = leadx_clock_mono_ms();
  for (int i = 0; i < 1000; i++) {
    int64_t now = leadx_clock_mono_ms();
    ck_assert_int_ge(now, last);
    last = now;
  }
}
END_TEST

Suite *test_clock_suite(void) {
  Suite *suite = suite_create("clock");
  TCase *tc = tcase_create("clock");
  tcase_add_test(tc, clock_can_be_replaced_and_brought_back);
  tcase_add_test(tc, clock_monotonic_never_goes_back);
  suite_add_tcase(suite, tc);
  return suite;
}
