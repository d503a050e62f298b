/* A value to step aside to: what a row has in a UNIQUE column for a moment, while another row takes
** its place. It is made of the change's own id, so that nobody else has it, and so that it is known
** again after a crash. */
#ifndef LEADX_ASIDE_H
#define LEADX_ASIDE_H

#include "base/wire.h"

/* The JSON of that value for a column of a type, in sqlite3_malloc memory: "leadx:ID" for texts, the
** id itself for a uuid, a negative number for numbers. NULL where there is none (other types), or when
** out of memory. id is that of the change's oldest queue row. */
char *leadx_aside_value(leadx_type type, const char *id);

/* Is a JSON value that one? */
int leadx_aside_is(leadx_type type, const char *id, leadx_slice value, leadx_err *err);

#endif
