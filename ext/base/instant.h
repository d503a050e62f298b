/* Instants in the formats that databases and HTTP write them in, as microseconds since 1970-01-01
** UTC. Pure, but that the two-digit year of an HTTP date is read by the wall clock. */
#ifndef LEADX_INSTANT_H
#define LEADX_INSTANT_H

#include <stddef.h>
#include <stdint.h>

#define LEADX_INSTANT_BYTES 40

/* Reads an instant: RFC 3339 with 0–9 fraction digits and Z, ±hh:mm, ±hhmm or ±hh;
** SQLite's own text forms (date, date and time, with blank or T; UTC when no offset is given);
** a decimal integer, which is epoch seconds or milliseconds by its size (|n| < 10^11 is seconds).
** Leap second 60 and 24:00:00 are read as PostgreSQL reads them (the next second; the next day).
** Fraction digits past the sixth are rounded half up (PostgreSQL goes through a double, so that an
** exact half may come out one microsecond lower there).
** Returns 0 and the microseconds since 1970 UTC; 1 when the text is none of these
** (including infinity, BC, trailing bytes, month 13), leaving *us alone. */
int leadx_instant_parse(const char *text, size_t n, int64_t *us);

/* Writes "YYYY-MM-DDTHH:MM:SS.ffffffZ"; years outside 0000–9999 get as many digits as they need. */
void leadx_instant_format(int64_t us, char out[LEADX_INSTANT_BYTES]);

/* Reads the date of an HTTP header (RFC 9110 section 5.6.7, all three forms).
** Returns 0 and seconds since 1970, or 1. */
int leadx_instant_http_date(const char *text, size_t n, int64_t *epoch_s);

#endif
