/* Keys inside statements of ours: SQL functions that give the canonical text. */
#ifndef LEADX_KEY_SQL_H
#define LEADX_KEY_SQL_H

#include "store/table.h"

/* Appends an expression that yields the canonical key of a local row; row is the quoted name of the
** table. It calls a function of ours: it is for our own statements, never for a trigger. */
void leadx_key_sql(sqlite3_str *sql, const leadx_table *table, const char *row);
/* The same of a column or an expression that holds an entity_id. */
void leadx_key_sql_read(sqlite3_str *sql, const leadx_table *table, const char *entity_id);
/* Registers what they call. */
int leadx_key_register(sqlite3 *handle);

#endif
