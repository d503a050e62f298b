/* The local row of a key: the condition that finds it however it is spelled, and the statements that
** read it. */
#ifndef LEADX_KEY_ROW_H
#define LEADX_KEY_ROW_H

#include "store/table.h"

/* Can a local row be spelled otherwise than its key? */
int leadx_key_varies(const leadx_table *table);

/* Appends a condition that holds for the local row of a key; first is the number of the first of
** the table's nkey parameters. */
void leadx_key_where(const leadx_table *table, sqlite3_str *sql, int first);
/* Binds a key to them. The key stays where it is until the statement has run. SQLITE_MISMATCH when
** it is none of the table. */
int leadx_key_bind(const leadx_table *table, sqlite3_stmt *stmt, int first, const char *key);

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

#endif
