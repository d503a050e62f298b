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

#include "store/table.h"

enum { LEADX_KEY_COLUMNS = 16 };

/* Who wrote a text: a number of this device was a double or an integer here, one of the server may
** be longer. */
typedef enum leadx_speller { LEADX_BY_DEVICE, LEADX_BY_SERVER } leadx_speller;

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

/* Why the local columns cannot hold the key as it is, NULL when they can; static. */
const char *leadx_key_misfit(const leadx_table *table, const char *key);

/* Can a local row be spelled otherwise than its key? */
int leadx_key_varies(const leadx_table *table);

/* Appends a condition that holds for the local row of a key; first is the number of the first of
** the table's nkey parameters. */
void leadx_key_where(const leadx_table *table, sqlite3_str *sql, int first);
/* Binds a key to them. The key stays where it is until the statement has run. SQLITE_MISMATCH when
** it is none of the table. */
int leadx_key_bind(const leadx_table *table, sqlite3_stmt *stmt, int first, const char *key);

/* Could the server spell this key otherwise, because a column of texts here is a uuid there? Marks
** the columns of which that is so (is_doubted) unless their type is settled. leadx_respell() does it
** for what it reads. */
void leadx_key_doubt(leadx_table *table, const char *key);
/* The same for the rows of the table. */
int leadx_key_doubt_rows(leadx_db *db, leadx_table *table, leadx_err *err);

/* *found: is the local row of that key here? */
int leadx_key_is_here(leadx_db *db, const leadx_table *table, const char *key, int *found,
                      leadx_err *err);
/* Lends a statement that reads the key columns of the row with the key that is bound to it. */
sqlite3_stmt *leadx_key_select(leadx_db *db, const leadx_table *table, leadx_err *err);
/* Runs it for a key, and binds what the local row has to the parameters of another statement, where
** they are not 0. Nothing when the row is not here. */
int leadx_key_take(leadx_db *db, const leadx_table *table, sqlite3_stmt *select, const char *key,
                   sqlite3_stmt *into, const int *parameters, leadx_err *err);
/* The same for the parent whose key a server's row names (its values in key order). */
int leadx_key_bind_parent(leadx_db *db, const leadx_table *parent, const leadx_slice *values,
                          sqlite3_stmt *into, const int *parameters, leadx_err *err);

/* Appends an expression that yields the canonical key of a local row; row is the quoted name of the
** table. It calls a function of ours: it is for our own statements, never for a trigger. */
void leadx_key_sql(sqlite3_str *sql, const leadx_table *table, const char *row);
/* The same of a column or an expression that holds an entity_id. */
void leadx_key_sql_read(sqlite3_str *sql, const leadx_table *table, const char *entity_id);
/* Registers what they call. */
int leadx_key_register(sqlite3 *handle);

#endif
