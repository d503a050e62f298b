/* See base64.h. */
#include "base/base64.h"

int leadx_base64_digit(unsigned char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

int leadx_base64_decode(const char *text, size_t n, char *out, size_t nout, size_t *used) {
  unsigned bits = 0;
  size_t written = 0;
  int nbits = 0;
  *used = 0;
  while (n > 0 && text[n - 1] == '=') n--;
  for (size_t i = 0; i < n; i++) {
    int digit = leadx_base64_digit((unsigned char)text[i]);
    if (digit < 0) return 1;
    bits = (bits << 6 | (unsigned)digit) & 0xffffu;
    nbits += 6;
    if (nbits < 8) continue;
    nbits -= 8;
    if (written == nout) return 1;
    out[written++] = (char)(bits >> nbits & 0xffu);
  }
  *used = written;
  return 0;
}
