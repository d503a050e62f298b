/* Numbers that stand as text in a setting, an option or a schema, read independent of the host's
** locale: the point is a point, whatever LC_NUMERIC says. Pure. (Numbers of a JSON document are
** json.h's.) */
#ifndef LEADX_NUMBER_H
#define LEADX_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* Reads z[0..n), whole: an optional sign, digits with at most one point, an optional exponent
** ("5", "-.5", "5.", "1e-3"). Returns 0 and the nearest double, or 1 for anything else (an empty
** text, white space, a word, a hexadecimal number, more than 400 characters). */
int leadx_number_double(const char *z, size_t n, double *out);

/* Reads z[0..n), whole: an optional sign and digits. Returns 0, or 1 for anything else and for what
** lies outside of int64. */
int leadx_number_int64(const char *z, size_t n, int64_t *out);

/* The value of a hexadecimal digit, or -1. */
int leadx_number_hex(char c);
/* Is the text how bytes are written on the wire: \x and pairs of such digits? */
int leadx_number_is_bytea(const char *z, size_t n);

#endif
