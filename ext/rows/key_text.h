/* A key in the making, value by value: the canonical text itself, or the elements of an array. Of the
** modules key, key_row, key_fit and key_sql alone. */
#ifndef LEADX_KEY_TEXT_H
#define LEADX_KEY_TEXT_H

#include "rows/key.h"

typedef struct leadx_key_text {
  sqlite3_str *out;
  int is_array, n;
  int is_absent; /* one of its values is NULL, or has a NUL byte */
} leadx_key_text;

leadx_key_text leadx_key_begin(const leadx_table *table);
/* Adds a value that is written as n bytes. */
void leadx_key_add(leadx_key_text *key, leadx_type type, leadx_speller by, const char *z, size_t n);
void leadx_key_add_null(leadx_key_text *key);
/* Adds a JSON value. */
void leadx_key_add_json(leadx_key_text *key, leadx_type type, leadx_speller by, leadx_slice value);
/* Ends the key, in sqlite3_malloc memory; NULL without an error when one of its values is absent, or
** when it is empty. */
char *leadx_key_end(leadx_key_text *key, leadx_err *err);

/* Does the canonical text stand in an array without quotes? */
int leadx_key_is_bare(leadx_type type, const char *z, size_t n);
/* Opens an array of exactly the table's number of values: slices of the text. 1 when it is one. */
int leadx_key_open(const leadx_table *table, const char *text, size_t n, leadx_slice *values);
/* The i-th column of the table's key. */
const leadx_column *leadx_key_column(const leadx_table *table, int i);

#endif
