/* Keys: the one text that names a row, whoever spells it.
**
** The trigger, the server's JSON, a tombstone, leadx_enqueue(), a queue row written by hand and the
** local table may spell one key in several ways. What is compared, noted in leadx_shadow, asked of
** the server and written into a request is the canonical text:
**
**   text, json   the bytes as they are: every odd byte, line end and letter's case counts
**   uuid         lower case with dashes, when it is a uuid (with or without dashes, in any case);
**                any other text as it is
**   integer      its digits, over the whole range of int64 and beyond
**   decimal      its exact value without zeros that say nothing: 1.00, 1.0 and 1 are "1"
**   real         the same of the fewest digits that read back as the same double; what the server
**                says is taken exactly, because its numeric may have more digits than a double
**   boolean      true, false
**   date         the text as it is
**   timestamp    the instant in UTC, YYYY-MM-DDTHH:MM:SS, a fraction where there is one, Z; the same
**                for timestamp:s and timestamp:ms, which are integers here
**   blob         \x and lower-case hexadecimal digits
**   NULL         is no key: the text is empty, and such a row is never sent
**
** A text that is not what its column's type says (an infinity, 'k1' in a uuid column) is taken as
** it is. NUL ends no key: a text with one is no key, because PostgreSQL cannot hold it.
**
** The key of several columns is a JSON array without blanks of the canonical texts: numbers and
** booleans bare, everything else a string with the escapes of leadx_json_append_string().
**
** The local row keeps its own spelling: leadx_key_where() finds it by any of those that are usual,
** and a pulled row is written under it. Two rows of the server whose keys are different texts are
** never taken for one, even where the local column would (NOCASE, a numeric type, an integer of
** seconds): leadx_key_misfit() and the condition of the upsert keep the second one out. */
#ifndef LEADX_KEY_H
#define LEADX_KEY_H

#include "rows/key_fit.h"
#include "rows/key_row.h"
#include "rows/key_value.h"
#include "store/table.h"

enum { LEADX_KEY_COLUMNS = 16 };

/* All functions that return a text return sqlite3_malloc memory, or NULL and out-of-memory in err. */

/* The canonical text of an entity_id or of a tombstone's key. */
char *leadx_key_read(const leadx_table *table, const char *text, leadx_speller by, leadx_err *err);
/* The key of a server's row (a checked object); NULL without an error when a key column is missing
** or NULL. */
char *leadx_key_of_row(const leadx_table *table, leadx_slice row, leadx_err *err);
/* The same of the key's values in key order. */
char *leadx_key_of_values(const leadx_table *table, const leadx_slice *values, leadx_err *err);
/* The same of values that this device wrote. */
char *leadx_key_of_here(const leadx_table *table, const leadx_slice *values, leadx_err *err);
/* The key of a row and its version, NULL where it has none. The caller frees both, also after an
** error. */
int leadx_key_identify(const leadx_table *table, leadx_slice row, char **key, char **version,
                       leadx_err *err);
/* The key of the parent that a document names; NULL without an error when a column of the reference
** is missing or NULL. */
char *leadx_key_of_parent(const leadx_table *child, const leadx_reference *reference,
                          const leadx_table *parent, leadx_slice row, leadx_speller by,
                          leadx_err *err);

/* Is the text a key of the table: the right number of values, none of them NULL? */
int leadx_key_is_key(const leadx_table *table, const char *key);
/* Does a server's row have that key? */
int leadx_key_is_row(const leadx_table *table, const char *key, leadx_slice row, leadx_err *err);
/* The values of a key as JSON, one for each key column: slices of the text that is returned, of
** which *n were found (fewer than the table has when the text is no key of it, none when one of
** them is NULL or empty). */
char *leadx_key_json(const leadx_table *table, const char *key, leadx_slice *values, int *n,
                     leadx_err *err);

#endif
