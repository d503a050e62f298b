/* Base64 (RFC 4648), of either alphabet: the one with + and /, and the one of URLs with - and _. */
#ifndef LEADX_BASE64_H
#define LEADX_BASE64_H

#include <stddef.h>

/* The six bits that a character stands for, or -1. */
int leadx_base64_digit(unsigned char c);

/* Decodes text[0..n) into out; *used is the number of bytes then. The padding at the end may be
** missing or there. Returns 0; 1 when a character is none of base64, or nout is too small: *used is
** 0 then, and out may hold the beginning. */
int leadx_base64_decode(const char *text, size_t n, char *out, size_t nout, size_t *used);

#endif
