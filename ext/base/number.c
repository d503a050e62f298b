/* Numbers as text. See number.h. */
#include "base/number.h"

#include <string.h>

#include "base/json.h"

enum { MOST_CHARACTERS = 400 };

static size_t count_digits(const char *z, size_t n) {
  size_t digits = 0;
  while (digits < n && z[digits] >= '0' && z[digits] <= '9') digits++;
  return digits;
}

static size_t sign_of(const char *z, size_t n) { return n > 0 && (*z == '-' || *z == '+'); }

/* The length of an exponent with its letter; 0 where there is none, or no whole one. */
static size_t exponent_of(const char *z, size_t n) {
  if (n < 2 || (*z != 'e' && *z != 'E')) return 0;
  size_t before = 1 + sign_of(z + 1, n - 1);
  size_t digits = count_digits(z + before, n - before);
  return digits ? before + digits : 0;
}

/* JSON asks for digits on both sides of the point and knows no plus in front. */
int leadx_number_double(const char *z, size_t n, double *out) {
  char text[MOST_CHARACTERS + 4];
  if (n > MOST_CHARACTERS) return 1;
  size_t at = sign_of(z, n), to = 0;
  if (at && *z == '-') text[to++] = '-';
  size_t whole = count_digits(z + at, n - at);
  if (whole == 0) text[to++] = '0';
  memcpy(text + to, z + at, whole);
  to += whole;
  at += whole;
  size_t point = at < n && z[at] == '.', fraction = 0;
  if (point) fraction = count_digits(z + at + 1, n - at - 1);
  if (whole + fraction == 0) return 1;
  if (fraction) {
    memcpy(text + to, z + at, fraction + 1);
    to += fraction + 1;
  }
  at += point + fraction;
  size_t exponent = exponent_of(z + at, n - at);
  if (at + exponent != n) return 1;
  memcpy(text + to, z + at, exponent);
  return leadx_json_double((leadx_slice){text, to + exponent}, out);
}

int leadx_number_int64(const char *z, size_t n, int64_t *out) {
  size_t sign = sign_of(z, n);
  int is_negative = sign && *z == '-';
  uint64_t limit = is_negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX, value = 0;
  if (sign == n) return 1;
  for (size_t i = sign; i < n; i++) {
    if (z[i] < '0' || z[i] > '9') return 1;
    uint64_t digit = (uint64_t)(z[i] - '0');
    if (value > (limit - digit) / 10) return 1;
    value = value * 10 + digit;
  }
  *out = is_negative ? (int64_t)(0 - value) : (int64_t)value;
  return 0;
}

int leadx_number_hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

int leadx_number_is_bytea(const char *z, size_t n) {
  if (n < 2 || n % 2 || z[0] != '\\' || z[1] != 'x') return 0;
  for (size_t i = 2; i < n; i++) {
    if (leadx_number_hex(z[i]) < 0) return 0;
  }
  return 1;
}
