/* One value of a row as SQL, for triggers and for statements of ours. All but the last two append an
** expression; ref is what the value is called in it. Of the modules whose names begin with capture. */
#ifndef LEADX_CAPTURE_VALUE_H
#define LEADX_CAPTURE_VALUE_H

#include "store/table.h"

/* The greatest finite double. */
#define LEADX_GREATEST "1.7976931348623157e308"

/* Do columns of that type usually hold text? */
int leadx_capture_is_texty(leadx_type type);

/* A finite double in JSON. */
void leadx_capture_finite(sqlite3_str *sql, const char *ref);
/* Any double: PostgreSQL takes the infinities as strings. */
void leadx_capture_real(sqlite3_str *sql, const char *ref);
/* A blob as a JSON string, of \\x and hexadecimal digits. */
void leadx_capture_bytes(sqlite3_str *sql, const char *ref);
/* The JSON of a value of the usual storage class, of a column that is not texty; something when it
** is of another. */
void leadx_capture_usual(sqlite3_str *sql, leadx_type type, const char *ref);
/* Is the value of an unusual storage class? Numbers sort before all texts, and these before all
** blobs. NULL for NULL. */
void leadx_capture_unusual(sqlite3_str *sql, leadx_type type, const char *ref);
/* A value on its way into a cell: what its class alone does not tell is written already. */
void leadx_capture_cell(sqlite3_str *sql, leadx_type type, const char *ref);

/* "NEW"."name", in sqlite3_malloc memory; NULL when out of memory. */
char *leadx_capture_reference(const char *row, const leadx_column *column);
/* "name": as JSON, the same way. */
char *leadx_capture_member(const leadx_column *column);

#endif
