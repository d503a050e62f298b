/* A timestamp, against a second reading of it that shares nothing with the first: a regular
** expression for the form, the C library's calendar for the value. The second part of the input,
** behind a newline, is an HTTP date.
**
** Promised: both readings agree on what is an instant and which; what is written reads back the
** same. */
#define _DEFAULT_SOURCE /* timegm */
#include "fuzz.h"

#include <regex.h>
#include <string.h>
#include <time.h>

#include "base/instant.h"

#define DATE "^([0-9]{4,6})-([0-9]{2})-([0-9]{2})"
#define TIME \
  "([Tt ]([0-9]{2}):([0-9]{2})(:([0-9]{2})([.]([0-9]{1,9}))?)?( " \
  "?([Zz]|([+-])([0-9]{2})(:?([0-9]{2}))?))?)?$"
enum {
  YEAR = 1,
  MONTH,
  DAY,
  TIME_PART,
  HOUR,
  MINUTE,
  SECONDS_PART,
  SECOND,
  FRACTION_PART,
  FRACTION,
  OFFSET_PART,
  OFFSET,
  SIGN,
  OFF_HOUR,
  OFF_MINUTE_PART,
  OFF_MINUTE,
  GROUPS
};

static regex_t calendar, epoch;

static long number(const char *text, const regmatch_t *group) {
  long n = 0;
  for (regoff_t i = group->rm_so; group->rm_so >= 0 && i < group->rm_eo; i++)
    n = n * 10 + (text[i] - '0');
  return n;
}

/* Hundredths of what PostgreSQL calls rounding: nine digits, half up. */
static int64_t fraction_us(const char *text, const regmatch_t *group) {
  char digits[10] = "000000000";
  if (group->rm_so < 0) return 0;
  memcpy(digits, text + group->rm_so, (size_t)(group->rm_eo - group->rm_so));
  return (strtol(digits, NULL, 10) + 500) / 1000;
}

static int days_of(int month, int year) {
  struct tm last = {.tm_year = year - 1900, .tm_mon = month, .tm_mday = 0};
  timegm(&last);
  return last.tm_mday;
}

/* The second reading. Returns 0 and the instant, or 1. */
static int read_calendar(const char *text, int64_t *us) {
  regmatch_t g[GROUPS];
  if (regexec(&calendar, text, GROUPS, g, 0) != 0) return 1;
  struct tm at = {.tm_year = (int)number(text, &g[YEAR]) - 1900,
                  .tm_mon = (int)number(text, &g[MONTH]) - 1,
                  .tm_mday = (int)number(text, &g[DAY])};
  if (number(text, &g[YEAR]) > 294246 || at.tm_mon < 0 || at.tm_mon > 11) return 1;
  if (at.tm_mday < 1 || at.tm_mday > days_of(at.tm_mon + 1, at.tm_year + 1900)) return 1;
  long hour = number(text, &g[HOUR]), minute = number(text, &g[MINUTE]),
       second = number(text, &g[SECOND]);
  long off_hour = number(text, &g[OFF_HOUR]), off_minute = number(text, &g[OFF_MINUTE]);
  int64_t day_us = ((hour * 60 + minute) * 60 + second) * INT64_C(1000000) +
                   fraction_us(text, &g[FRACTION]);
  if (hour > 24 || minute > 59 || second > 60 || off_hour > 23 || off_minute > 59 ||
      day_us > INT64_C(86400000000))
    return 1;
  int64_t offset_s = (off_hour * 60 + off_minute) * 60;
  if (g[SIGN].rm_so >= 0 && text[g[SIGN].rm_so] == '-') offset_s = -offset_s;
  *us = ((int64_t)timegm(&at) - offset_s) * 1000000 + day_us;
  return 0;
}

static int read_epoch(const char *text, int64_t *us) {
  regmatch_t g[2];
  if (regexec(&epoch, text, 2, g, 0) != 0) return 1;
  while (text[g[1].rm_so] == '0' && g[1].rm_eo - g[1].rm_so > 1) g[1].rm_so++;
  if (g[1].rm_eo - g[1].rm_so > 16) return 1;
  int64_t n = strtoll(text + g[1].rm_so, NULL, 10);
  if (n > INT64_MAX / 1000) return 1;
  int64_t unit = n >= INT64_C(100000000000) ? 1000 : 1000000;
  *us = (text[0] == '-' ? -n : n) * unit;
  return 0;
}

static int read_again(const char *text, size_t n, int64_t *us) {
  if (strlen(text) != n) return 1;
  return read_calendar(text, us) && read_epoch(text, us);
}

static void check_instant(const char *text, size_t n) {
  int64_t us = 0, again = 0, back = 0;
  char written[LEADX_INSTANT_BYTES];
  int is_none = leadx_instant_parse(text, n, &us);
  FUZZ_CHECK(is_none == read_again(text, n, &again), "one reading takes \"%s\", the other does not",
             text);
  if (is_none) return;
  FUZZ_CHECK(us == again, "\"%s\" is %lld and %lld", text, (long long)us, (long long)again);
  leadx_instant_format(us, written);
  if (us < 0 && written[0] == '-') return;
  /* The ten days past the last year that can be read can be counted to. */
  if (leadx_instant_parse(written, strlen(written), &back) != 0)
    FUZZ_CHECK(us >= INT64_C(9223371200000000000), "\"%s\"", written);
  else FUZZ_CHECK(back == us, "\"%s\" is written as \"%s\"", text, written);
}

/* No second reading here; a date that is read must lie where its four or two digits can reach. */
static void check_http_date(const char *text, size_t n) {
  int64_t seconds = 0;
  if (leadx_instant_http_date(text, n, &seconds) != 0) return;
  FUZZ_CHECK(seconds >= -INT64_C(62167305600) && seconds < INT64_C(253402387200), "\"%s\" is %lld",
             text, (long long)seconds);
}

void fuzz_instant(const char *data, size_t n) {
  static int is_ready;
  if (!is_ready) {
    FUZZ_CHECK(regcomp(&calendar, DATE TIME, REG_EXTENDED) == 0, "the expression");
    FUZZ_CHECK(regcomp(&epoch, "^-?([0-9]+)$", REG_EXTENDED) == 0, "the expression");
    is_ready = 1;
  }
  const char *at = data, *end = data + n;
  char *line = fuzz_line(&at, end);
  size_t nline = at == end && (n == 0 || end[-1] != '\n') ? n : (size_t)(at - data) - 1;
  check_instant(line, nline);
  char *date = fuzz_line(&at, end);
  check_http_date(date, strlen(date));
  sqlite3_free(date);
  sqlite3_free(line);
}
