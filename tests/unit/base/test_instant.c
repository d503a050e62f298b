#include <string.h>

#include "base/clock.h"
#include "base/instant.h"
#include "suites.h"

#define S INT64_C(1000000)
#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

/* 2026-01-02T03:04:05Z */
#define MOMENT INT64_C(1767323045)

typedef struct instant_case {
  const char *text;
  int64_t us;
} instant_case;

static const instant_case rfc3339[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"2026-01-02T03:04:05Z", MOMENT *S},
    {"2026-01-02t03:04:05z", MOMENT *S},
    {"2026-01-02T03:04:05+00:00", MOMENT *S},
    {"2026-01-02T03:04:05-00:00", MOMENT *S},
    {"2026-01-02T10:04:05+07:00", MOMENT *S},
    {"2026-01-02T10:04:05+0700", MOMENT *S},
    {"2026-01-02T10:04:05+07", MOMENT *S},
    {"2026-01-01T19:34:05-07:30", MOMENT *S},
    {"2026-01-01T19:34:05-0730", MOMENT *S},
    {"2026-01-01T20:04:05-07", MOMENT *S},
    {"2026-01-03T03:03:05+23:59", MOMENT *S},
    {"1969-12-31T23:59:59Z", -1 * S},
    {"1969-12-31T23:59:59.999999Z", -1},
    {"0001-01-01T00:00:00Z", INT64_C(-62135596800) * S},
    {"0000-03-01T00:00:00Z", INT64_C(-62162035200) * S},
    {"9999-12-31T23:59:59.999999Z", INT64_C(253402300800) * S - 1},
    {"12026-01-01T00:00:00+00:00", INT64_C(317336745600) * S},
    {"294246-12-31T23:59:59Z", INT64_C(9223371244799) * S},
    {"2038-01-19T03:14:08Z", (INT64_C(1) << 31) * S},
    {"2000-02-29T00:00:00Z", INT64_C(951782400) * S},
    {"2024-02-29T12:00:00Z", INT64_C(1709208000) * S},
};

static const instant_case fractions[] = {
    {"2026-01-02T03:04:05.1Z", MOMENT *S + 100000},
    {"2026-01-02T03:04:05.12Z", MOMENT *S + 120000},
    {"2026-01-02T03:04:05.123Z", MOMENT *S + 123000},
    {"2026-01-02T03:04:05.1234Z", MOMENT *S + 123400},
    {"2026-01-02T03:04:05.12345Z", MOMENT *S + 123450},
    {"2026-01-02T03:04:05.123456Z", MOMENT *S + 123456},
    {"2026-01-02T03:04:05.1234564Z", MOMENT *S + 123456},
    {"2026-01-02T03:04:05.1234565Z", MOMENT *S + 123457},
    {"2026-01-02T03:04:05.12345649Z", MOMENT *S + 123456},
    {"2026-01-02T03:04:05.123456500Z", MOMENT *S + 123457},
    {"2026-01-02T03:04:05.123456499Z", MOMENT *S + 123456},
    {"2026-01-02T03:04:05.9999995Z", (MOMENT + 1) * S},
    {"2026-01-02T03:04:05.000000000Z", MOMENT *S},
    {"2026-01-02 03:04:05.123456+00", MOMENT *S + 123456},
};

static const instant_case sqlite_forms[] = {
    {"2026-01-02", INT64_C(1767312000) * S},  {"2026-01-02 03:04", (MOMENT - 5) * S},
    {"2026-01-02T03:04", (MOMENT - 5) * S},   {"2026-01-02 03:04:05", MOMENT *S},
    {"2026-01-02T03:04:05", MOMENT *S},       {"2026-01-02 03:04:05.123", MOMENT *S + 123000},
    {"2026-01-02 03:04:05+00:00", MOMENT *S}, {"2026-01-02 10:04:05 +07:00", MOMENT *S},
    {"2026-01-02 03:04:05 Z", MOMENT *S},     {"2026-01-02 10:04+07:00", (MOMENT - 5) * S},
};

static const instant_case epochs[] = {
    {"0", 0},
    {"-0", 0},
    {"1", 1 * S},
    {"2026", 2026 * S},
    {"-1", -1 * S},
    {"1767323045", MOMENT *S},
    {"1767323045123", MOMENT *S + 123000},
    {"99999999999", INT64_C(99999999999) * S},
    {"100000000000", INT64_C(100000000000) * 1000},
    {"-99999999999", INT64_C(-99999999999) * S},
    {"-100000000000", INT64_C(-100000000000) * 1000},
    {"0000000000000000000001", 1 * S},
    {"9223372036854775", INT64_C(9223372036854775) * 1000},
};

static const instant_case edges[] = {
    {"2016-12-31T23:59:60Z", INT64_C(1483228800) * S},
    {"2026-01-02T03:04:60Z", (MOMENT + 55) * S},
    {"2026-01-02T03:04:60.5Z", (MOMENT + 55) * S + 500000},
    {"2026-01-01T24:00:00Z", INT64_C(1767312000) * S},
    {"2026-01-01T24:00:00.000Z", INT64_C(1767312000) * S},
    {"2026-01-01 24:00", INT64_C(1767312000) * S},
    {"2025-12-31T24:00:00-07:00", INT64_C(1767250800) * S},
    {"2024-02-28T24:00:00Z", INT64_C(1709164800) * S},
    {"2025-12-31T23:59:59.9999999Z", INT64_C(1767225600) * S},
};

static const char *const refused[] = {
    "",
    " ",
    "now",
    "infinity",
    "-infinity",
    "NULL",
    "0044-03-15 BC",
    "2026-01-02T03:04:05Z BC",
    "2026-13-01",
    "2026-00-01",
    "2026-01-00",
    "2026-01-32",
    "2026-02-29",
    "2100-02-29",
    "2026-04-31",
    "2026-01",
    "26-01-02T00:00:00Z",
    "2026-1-2",
    "2026/01/02",
    "-2026-01-02",
    "+2026-01-02",
    "1234567-01-01",
    "294247-01-01T00:00:00Z",
    "2026-01-02T",
    "2026-01-02 ",
    "2026-01-02Z",
    "2026-01-02T25:00:00Z",
    "2026-01-02T23:60:00Z",
    "2026-01-02T23:59:61Z",
    "2026-01-02T24:00:01Z",
    "2026-01-02T24:01:00Z",
    "2026-01-02T24:00:00.000001Z",
    "2026-12-31T23:59:60.5Z",
    "2026-01-02T3:04:05Z",
    "2026-01-02T03:04:05.Z",
    "2026-01-02T03:04:05.",
    "2026-01-02T03:04:05.1234567890Z",
    "2026-01-02T03:04:05,5Z",
    "2026-01-02T03:04.5Z",
    "2026-01-02T03:04:05+",
    "2026-01-02T03:04:05+7",
    "2026-01-02T03:04:05+070",
    "2026-01-02T03:04:05+07:",
    "2026-01-02T03:04:05+07:0",
    "2026-01-02T03:04:05+24:00",
    "2026-01-02T03:04:05+07:60",
    "2026-01-02T03:04:05+07:00:12",
    "2026-01-02T03:04:05ZZ",
    "2026-01-02T03:04:05Z ",
    " 2026-01-02T03:04:05Z",
    "2026-01-02  03:04:05",
    "2026-01-02 03:04:05 ",
    "2026-01-02 03:04:05 UTC",
    "03:04:05",
    "2026-01-02T03:04:05Asia/Jakarta",
    "-",
    "--1",
    "+1",
    "1.5",
    "1e9",
    "0x10",
    "12 ",
    "1_000",
    "9223372036854776",
    "99999999999999999999999999",
    "\xD9\xA1\xD9\xA2",
};

static void check_case(const instant_case *c) {
  int64_t us = -42;
  ck_assert_msg(leadx_instant_parse(c->text, strlen(c->text), &us) == 0, "refused %s", c->text);
  ck_assert_msg(us == c->us, "%s: %lld, expected %lld", c->text, (long long)us, (long long)c->us);
}

START_TEST(instant_reads_rfc3339_with_offset) { check_case(&rfc3339[_i]); }
END_TEST

START_TEST(instant_rounds_fractions_half_up) { check_case(&fractions[_i]); }
END_TEST

START_TEST(instant_reads_what_sqlite_writes_as_utc) { check_case(&sqlite_forms[_i]); }
END_TEST

START_TEST(instant_tells_seconds_from_milliseconds) { check_case(&epochs[_i]); }
END_TEST

START_TEST(instant_reads_leap_second_and_midnight_as_postgresql_does) { check_case(&edges[_i]); }
END_TEST

START_TEST(instant_refuses_everything_else) {
  int64_t us = -42;
  ck_assert_msg(leadx_instant_parse(refused[_i], strlen(refused[_i]), &us) == 1, "read %s",
                refused[_i]);
  ck_assert_int_eq(us, -42);
}
END_TEST

START_TEST(instant_stops_at_its_length) {
  int64_t us;
  ck_assert_int_eq(leadx_instant_parse("2026-01-02T03:04:05Zgarbage", 20, &us), 0);
  ck_assert_int_eq(us, MOMENT * S);
  ck_assert_int_eq(leadx_instant_parse("2026-01-02T03:04:05Z\0", 21, &us), 1);
}
END_TEST

/* ---- writing ---- */

static const instant_case written[] = {
    {"1970-01-01T00:00:00.000000Z", 0},
    {"2026-01-02T03:04:05.123456Z", MOMENT *S + 123456},
    {"1969-12-31T23:59:59.999999Z", -1},
    {"0001-01-01T00:00:00.000000Z", INT64_C(-62135596800) * S},
    {"0000-03-01T00:00:00.000000Z", INT64_C(-62162035200) * S},
    {"-0001-12-31T00:00:00.000000Z", INT64_C(-62167305600) * S},
    {"9999-12-31T23:59:59.999999Z", INT64_C(253402300800) * S - 1},
    {"10000-01-01T00:00:00.000000Z", INT64_C(253402300800) * S},
    {"2000-02-29T23:59:59.000000Z", INT64_C(951868799) * S},
    {"294247-01-10T04:00:54.775807Z", INT64_MAX},
    {"-290308-12-21T19:59:05.224192Z", INT64_MIN},
};

START_TEST(instant_writes_microseconds_utc) {
  char text[LEADX_INSTANT_BYTES];
  leadx_instant_format(written[_i].us, text);
  ck_assert_str_eq(text, written[_i].text);
}
END_TEST

START_TEST(instant_reads_back_what_it_wrote) {
  uint64_t seed = 88172645463325252u;
  for (int i = 0; i < 100000; i++) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    /* Years 0 to 9999. */
    int64_t us = (int64_t)(seed % 315569520000000000u) - INT64_C(62167219200) * S, back;
    char text[LEADX_INSTANT_BYTES];
    leadx_instant_format(us, text);
    ck_assert_int_eq(leadx_instant_parse(text, strlen(text), &back), 0);
    ck_assert_int_eq(us, back);
  }
}
END_TEST

/* ---- HTTP ---- */

static const instant_case http_dates[] = {
    {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
    {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
    {"Sun Nov  6 08:49:37 1994", 784111777},
    {"Wed Nov 16 08:49:37 1994", 784975777},
    {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
    {"Fri, 31 Dec 9999 23:59:59 GMT", INT64_C(253402300799)},
    {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800},
    {"Wednesday, 01-Jan-70 00:00:00 GMT", INT64_C(3155760000)},
    {"Saturday, 01-Jan-77 00:00:00 GMT", 220924800},
};

static const char *const refused_http_dates[] = {
    "",
    "120",
    "Sun",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49:37 UTC",
    "Sun, 06 Nov 1994 08:49:37 GMT ",
    "Sun, 6 Nov 1994 08:49:37 GMT",
    "Sun, 06 nov 1994 08:49:37 GMT",
    "Sun, 31 Feb 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 25:49:37 GMT",
    "06 Nov 1994 08:49:37 GMT",
    "Xxx, 06 Nov 1994 08:49:37 GMT",
    "Sun, 06-Nov-94 08:49:37 GMT",
    "Sun Nov 6 08:49:37 1994",
    "1994-11-06T08:49:37Z",
};

static int64_t fixed_wall(void *self) { return *(int64_t *)self; }

static int64_t fixed_mono(void *self) { return *(int64_t *)self / 1000; }

static int64_t fixed_now = MOMENT * S;
static const leadx_clock_source fixed_clock = {fixed_wall, fixed_mono, &fixed_now};

START_TEST(http_date_reads_all_three_forms) {
  int64_t epoch_s;
  leadx_clock_use(&fixed_clock);
  const instant_case *c = &http_dates[_i];
  ck_assert_int_eq(leadx_instant_http_date(c->text, strlen(c->text), &epoch_s), 0);
  ck_assert_int_eq(epoch_s, c->us);
  leadx_clock_use(NULL);
}
END_TEST

START_TEST(http_date_refuses_everything_else) {
  int64_t epoch_s = -42;
  const char *text = refused_http_dates[_i];
  ck_assert_int_eq(leadx_instant_http_date(text, strlen(text), &epoch_s), 1);
  ck_assert_int_eq(epoch_s, -42);
}
END_TEST

Suite *test_instant_suite(void) {
  Suite *suite = suite_create("instant");
  TCase *tc = tcase_create("instant");
  tcase_add_loop_test(tc, instant_reads_rfc3339_with_offset, 0, COUNT(rfc3339));
  tcase_add_loop_test(tc, instant_rounds_fractions_half_up, 0, COUNT(fractions));
  tcase_add_loop_test(tc, instant_reads_what_sqlite_writes_as_utc, 0, COUNT(sqlite_forms));
  tcase_add_loop_test(tc, instant_tells_seconds_from_milliseconds, 0, COUNT(epochs));
  tcase_add_loop_test(tc, instant_reads_leap_second_and_midnight_as_postgresql_does, 0,
                      COUNT(edges));
  tcase_add_loop_test(tc, instant_refuses_everything_else, 0, COUNT(refused));
  tcase_add_test(tc, instant_stops_at_its_length);
  tcase_add_loop_test(tc, instant_writes_microseconds_utc, 0, COUNT(written));
  tcase_add_test(tc, instant_reads_back_what_it_wrote);
  tcase_add_loop_test(tc, http_date_reads_all_three_forms, 0, COUNT(http_dates));
  tcase_add_loop_test(tc, http_date_refuses_everything_else, 0, COUNT(refused_http_dates));
  suite_add_tcase(suite, tc);
  return suite;
}
