/* Capture: the triggers, and the SQL expression that writes a row as JSON.
** Plain SQL with built-in functions that are allowed under trusted_schema=OFF in every
** SQLite since 3.38, hence without the JSON functions (unsafe inside triggers before 3.44). */
#ifndef LEADX_CAPTURE_H
#define LEADX_CAPTURE_H

#include "store/table.h"

/* Appends an expression that yields the row as a JSON object in wire form; row is "NEW", "OLD" or
** the quoted name of the table. */
void leadx_capture_row(sqlite3_str *sql, const leadx_table *table, const char *row);
/* Appends an expression that yields the row's entity_id. */
void leadx_capture_key(sqlite3_str *sql, const leadx_table *table, const char *row);
/* The local row of a key as a trigger would write it, in sqlite3_malloc memory; NULL without an
** error when it is not there. */
char *leadx_capture_local(leadx_db *db, const leadx_table *table, const char *key, leadx_err *err);
/* Appends an expression that yields a new queue id: a UUIDv7 whose text order follows time and,
** within a millisecond, the order of the queue. */
void leadx_capture_id(sqlite3_str *sql);

/* Appends the SELECT that such an id is made of: the time in ms, and the queue's last rowid n. */
void leadx_capture_clock(sqlite3_str *sql);

#define LEADX_TRIGGERS 9
/* The trigger's name (insert, update, rekey, delete; note, renote, took, retook, forget, which are for
** what REPLACE takes along) in sqlite3_malloc memory. */
char *leadx_capture_name(const leadx_table *table, int which);
/* The whole CREATE TRIGGER statement of one of the first four in sqlite3_malloc memory; NULL when out
** of memory. */
char *leadx_capture_trigger(const leadx_table *table, int which);

/* A number that stands for the triggers that are on the table, ours and others, and for what ours
** hand their changes to. */
int leadx_capture_hash(leadx_db *db, const leadx_table *table, uint64_t *hash, leadx_err *err);
/* Makes the table's triggers be exactly what they should be. *renewed (may be NULL) tells whether
** any was missing or different. mode pull has none. */
int leadx_capture_install(leadx_db *db, const leadx_table *table, int *renewed, leadx_err *err);
/* Drops all triggers of that table name that leadx made. */
int leadx_capture_remove(leadx_db *db, const char *table_name, leadx_err *err);

#endif
