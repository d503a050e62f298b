/* The server's half as SQL text: stamps, indexes, tombstones and the functions that devices call,
** for the tables that are tracked. Texts only; nothing is sent. */
#ifndef LEADX_SERVER_SQL_H
#define LEADX_SERVER_SQL_H

#include "store/tables.h"

/* The whole text for one tracked table (NULL: for all), to be run on the server as often as one
** likes. schema is the server's schema, "" for public. sqlite3_malloc text; NULL and an error when
** a name cannot be written safely. */
char *leadx_server_sql(const leadx_tables *tables, const leadx_table *only, const char *schema,
                       leadx_err *err);

/* One statement that mends something, a template of sql/server/ (LEADX_SQL_SERVER_FIX_… or
** LEADX_SQL_SERVER_TABLE) for a table; column and type may be NULL where it has no such hole. */
char *leadx_server_sql_fix(int sql_id, const leadx_table *table, const char *column,
                           const char *type, const char *schema, leadx_err *err);
/* GRANT of rights (SQL: verbs, with quoted columns in brackets) on a table to a role. */
char *leadx_server_sql_grant(const leadx_table *table, const char *rights, const char *role,
                             const char *schema, leadx_err *err);
/* CREATE TABLE for the server, with the columns that are sent. */
char *leadx_server_sql_create(const leadx_table *table, const char *schema, leadx_err *err);
/* The server's usual type for values of ours. Static. */
const char *leadx_server_sql_type(leadx_type type);

#endif
