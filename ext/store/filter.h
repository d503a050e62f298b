/* Texts of a table's options that become part of an address: what they may be. Judged decoded, for a
** gateway or PostgREST decodes them before it looks. Pure. */
#ifndef LEADX_FILTER_H
#define LEADX_FILTER_H

#include "base/sqlite.h"

/* The piece of a filter that an error names. */
#define LEADX_PIECE_BYTES 64

/* What keeps a text from being PostgREST's conditions on columns, joined by &: column=op.value,
** and=(…), or=(…), not.and=(…), not.or=(…); nothing that chooses other rows, columns, an order or a
** credential. NULL when it is, else a static text, and piece is where it is wrong, cut to fit. */
const char *leadx_filter_fault(const char *filter, char piece[LEADX_PIECE_BYTES]);

/* Can the name be one segment of a path, however often it is decoded on its way: no slash, no
** backslash, no control byte, and not dots alone? */
int leadx_filter_is_segment(const char *name);

#endif
