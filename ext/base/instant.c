/* See instant.h. The calendar arithmetic is Howard Hinnant's days_from_civil and its inverse: years
** are counted from 1 March, so that the leap day is the last day of its year.
**
** No strptime, timegm or locale: those differ between C libraries and follow the host's
** settings. */
#include "base/instant.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define SECOND_US INT64_C(1000000)
#define DAY_S INT64_C(86400)
#define DAY_US (DAY_S * SECOND_US)

/* The last whole year that fits into int64 microseconds, offset included. */
#define YEAR_MAX 294246

/* ---- the calendar ---- */

typedef struct civil {
  int64_t year;
  int month, day; /* 1–12, 1–31 */
  int hour, minute, second;
  int fraction_us;
} civil;

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && a < 0); }

static int64_t days_from_civil(int64_t year, int month, int day) {
  if (month <= 2) year--;
  int64_t era = floor_div(year, 400);
  int64_t year_of_era = year - era * 400;
  int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

static void civil_from_days(int64_t days, civil *date) {
  days += 719468;
  int64_t era = floor_div(days, 146097);
  int64_t day_of_era = days - era * 146097;
  int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t month = (5 * day_of_year + 2) / 153; /* 0 is March */
  date->day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
  date->month = (int)(month < 10 ? month + 3 : month - 9);
  date->year = year_of_era + era * 400 + (date->month <= 2);
}

static int days_in_month(int64_t year, int month) {
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return days[month - 1] + (month == 2 && is_leap);
}

/* PostgreSQL's rule for the edges: second 60 and hour 24 may be written, and the time of day
** may reach 24:00:00 but not pass it. */
static int civil_to_us(const civil *c, int64_t *us) {
  if (c->year > YEAR_MAX || c->month < 1 || c->month > 12) return 1;
  if (c->day < 1 || c->day > days_in_month(c->year, c->month)) return 1;
  if (c->hour > 24 || c->minute > 59 || c->second > 60) return 1;
  int64_t time_us = (c->hour * 3600 + c->minute * 60 + c->second) * SECOND_US + c->fraction_us;
  if (time_us > DAY_US) return 1;
  *us = days_from_civil(c->year, c->month, c->day) * DAY_US + time_us;
  return 0;
}

/* ---- reading ---- */

typedef struct reader {
  const char *at, *end;
} reader;

static int is_digit(char c) { return c >= '0' && c <= '9'; }

static char peek(const reader *r) { return r->at < r->end ? *r->at : '\0'; }

/* Takes the next byte if it is c. Returns 1 when it was. */
static int accept(reader *r, char c) {
  if (r->at == r->end || *r->at != c) return 0;
  r->at++;
  return 1;
}

/* Takes between min and max digits. Returns 0, or 1 when there are fewer. */
static int read_digits(reader *r, int min, int max, int *value) {
  int n = 0;
  *value = 0;
  while (n < max && is_digit(peek(r))) {
    *value = *value * 10 + (*r->at++ - '0');
    n++;
  }
  return n < min;
}

/* Four digits by RFC 3339, up to six because PostgreSQL's calendar goes that far. */
static int read_date(reader *r, civil *c) {
  int year;
  if (read_digits(r, 4, 6, &year) || !accept(r, '-')) return 1;
  c->year = year;
  return read_digits(r, 2, 2, &c->month) || !accept(r, '-') || read_digits(r, 2, 2, &c->day);
}

static int read_clock_time(reader *r, civil *c) {
  return read_digits(r, 2, 2, &c->hour) || !accept(r, ':') || read_digits(r, 2, 2, &c->minute) ||
         !accept(r, ':') || read_digits(r, 2, 2, &c->second);
}

/* One to nine digits after the point. The result may be a whole second after rounding. */
static int read_fraction(reader *r, int *us) {
  const char *start = r->at;
  int nanoseconds;
  if (read_digits(r, 1, 9, &nanoseconds)) return 1;
  for (int64_t n = r->at - start; n < 9; n++) nanoseconds *= 10;
  *us = (nanoseconds + 500) / 1000;
  return 0;
}

/* SQLite writes "HH:MM" too, without seconds. */
static int read_time_of_day(reader *r, civil *c) {
  if (read_digits(r, 2, 2, &c->hour) || !accept(r, ':')) return 1;
  if (read_digits(r, 2, 2, &c->minute)) return 1;
  if (!accept(r, ':')) return 0;
  if (read_digits(r, 2, 2, &c->second)) return 1;
  return accept(r, '.') ? read_fraction(r, &c->fraction_us) : 0;
}

/* Z, ±hh, ±hhmm, ±hh:mm, or nothing, which is UTC. SQLite allows a blank before it. */
static int read_offset(reader *r, int *offset_s) {
  *offset_s = 0;
  if (r->at == r->end) return 0;
  accept(r, ' ');
  if (accept(r, 'Z') || accept(r, 'z')) return 0;
  char sign = peek(r);
  int hours, minutes = 0;
  if (!accept(r, '+') && !accept(r, '-')) return 1;
  if (read_digits(r, 2, 2, &hours) || hours > 23) return 1;
  if ((accept(r, ':') || r->at < r->end) && read_digits(r, 2, 2, &minutes)) return 1;
  if (minutes > 59) return 1;
  *offset_s = (hours * 3600 + minutes * 60) * (sign == '-' ? -1 : 1);
  return 0;
}

static int parse_calendar(const char *text, size_t n, int64_t *us) {
  reader r = {text, text + n};
  civil c = {0};
  int offset_s = 0;
  int64_t local_us;
  if (read_date(&r, &c)) return 1;
  if (accept(&r, 'T') || accept(&r, 't') || accept(&r, ' ')) {
    if (read_time_of_day(&r, &c) || read_offset(&r, &offset_s)) return 1;
  }
  if (r.at != r.end || civil_to_us(&c, &local_us)) return 1;
  *us = local_us - offset_s * SECOND_US;
  return 0;
}

/* Below 10^11 a number is seconds (the year 5138), from there on milliseconds (March 1973). */
static int parse_epoch(const char *text, size_t n, int64_t *us) {
  const int64_t first_ms = INT64_C(100000000000);
  reader r = {text, text + n};
  int is_negative = accept(&r, '-');
  int64_t value = 0;
  if (r.at == r.end) return 1;
  for (; is_digit(peek(&r)); r.at++) {
    value = value * 10 + (*r.at - '0');
    if (value > INT64_MAX / 1000) return 1;
  }
  if (r.at != r.end) return 1;
  if (is_negative) value = -value;
  int is_seconds = value > -first_ms && value < first_ms;
  *us = value * (is_seconds ? SECOND_US : 1000);
  return 0;
}

int leadx_instant_parse(const char *text, size_t n, int64_t *us) {
  return parse_calendar(text, n, us) && parse_epoch(text, n, us);
}

/* ---- writing ---- */

void leadx_instant_format(int64_t us, char out[LEADX_INSTANT_BYTES]) {
  civil c;
  int64_t days = floor_div(us, DAY_US);
  civil_from_days(days, &c);
  /* The remainder, not us - days * DAY_US: that product overflows on the first day of int64. */
  int64_t time_us = us % DAY_US;
  if (time_us < 0) time_us += DAY_US;
  int time_s = (int)(time_us / SECOND_US);
  int width = c.year < 0 ? 5 : 4;
  snprintf(out, LEADX_INSTANT_BYTES, "%0*lld-%02d-%02dT%02d:%02d:%02d.%06dZ", width,
           (long long)c.year, c.month, c.day, time_s / 3600, time_s / 60 % 60, time_s % 60,
           (int)(time_us % SECOND_US));
}

/* ---- the dates of HTTP ---- */

static const char *const month_names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const day_names[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
static const char *const long_day_names[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                             "Friday", "Saturday", "Sunday"};

/* Takes one of the names. Returns its position, or -1. */
static int read_name(reader *r, const char *const *names, int count) {
  for (int i = 0; i < count; i++) {
    size_t n = strlen(names[i]);
    if ((size_t)(r->end - r->at) >= n && memcmp(r->at, names[i], n) == 0) {
      r->at += n;
      return i;
    }
  }
  return -1;
}

/* RFC 9110: a two-digit year that seems more than 50 years ahead is the one before. */
static int64_t full_year(int two_digits) {
  civil today;
  civil_from_days(floor_div(leadx_clock_wall_us(), DAY_US), &today);
  int64_t year = today.year - today.year % 100 + two_digits;
  if (year <= today.year - 50) year += 100;
  if (year > today.year + 50) year -= 100;
  return year;
}

/* Reads what one letter of a form stands for; any other letter stands for itself. */
static int read_http_field(reader *r, char field, civil *c) {
  int number;
  switch (field) {
    case 'a': return read_name(r, day_names, 7) < 0;
    case 'A': return read_name(r, long_day_names, 7) < 0;
    case 'b': return (c->month = read_name(r, month_names, 12) + 1) == 0;
    case 'd': return read_digits(r, 2, 2, &c->day);
    case 'e': return accept(r, ' ') ? read_digits(r, 1, 1, &c->day) : read_digits(r, 2, 2, &c->day);
    case 't': return read_clock_time(r, c);
    case 'y':
      if (read_digits(r, 2, 2, &number)) return 1;
      c->year = full_year(number);
      return 0;
    case 'Y':
      if (read_digits(r, 4, 4, &number)) return 1;
      c->year = number;
      return 0;
    default: return !accept(r, field);
  }
}

static int read_http_form(reader r, const char *form, int64_t *us) {
  civil c = {0};
  for (; *form; form++) {
    if (read_http_field(&r, *form, &c)) return 1;
  }
  return r.at != r.end || civil_to_us(&c, us);
}

int leadx_instant_http_date(const char *text, size_t n, int64_t *epoch_s) {
  static const char *const forms[] = {
      "a, d b Y t GMT", /* IMF-fixdate: Sun, 06 Nov 1994 08:49:37 GMT */
      "A, d-b-y t GMT", /* RFC 850: Sunday, 06-Nov-94 08:49:37 GMT */
      "a b e t Y", /* asctime: Sun Nov  6 08:49:37 1994 */
  };
  for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
    int64_t us;
    if (read_http_form((reader){text, text + n}, forms[i], &us) == 0) {
      *epoch_s = floor_div(us, SECOND_US);
      return 0;
    }
  }
  return 1;
}
