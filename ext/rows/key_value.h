/* The canonical text of one value of a key; key.h has the table of what that is for each type. */
#ifndef LEADX_KEY_VALUE_H
#define LEADX_KEY_VALUE_H

#include "base/uuid.h"
#include "base/wire.h"

/* Who wrote a text: a number of this device was a double or an integer here, one of the server may
** be longer. */
typedef enum leadx_speller { LEADX_BY_DEVICE, LEADX_BY_SERVER } leadx_speller;

/* All of them append to a string, whose error is the caller's to ask for. */

/* The canonical text of a value that is written as n bytes. */
void leadx_key_value(sqlite3_str *out, leadx_type type, leadx_speller by, const char *z, size_t n);
/* The same of a double: the fewest digits that read back as it. */
void leadx_key_value_double(sqlite3_str *out, double x);
/* The same of bytes. */
void leadx_key_value_bytes(sqlite3_str *out, const unsigned char *bytes, size_t n);

/* Is the text a decimal number, with an exponent or without? */
int leadx_key_value_is_decimal(const char *z, size_t n);
/* Reads a uuid with or without dashes, in any case. 1 when it is one. */
int leadx_key_value_uuid(const char *z, size_t n, char out[LEADX_UUID_BYTES]);
/* The n / 2 - 1 bytes of a text that leadx_number_is_bytea() takes. */
void leadx_key_value_read_bytes(const char *z, size_t n, unsigned char *bytes);

#endif
