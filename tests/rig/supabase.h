/* The real server from the other side: its database through psql, its functions through curl. For
** tests of what leadx_server_sql() installs. Needs the server of scripts/test.sh. */
#ifndef LEADX_SUPABASE_H
#define LEADX_SUPABASE_H

#include <sqlite3.h>
#include <stdio.h>

/* Runs SQL as the database's owner, stopping at the first error; what psql printed (unaligned, no
** headers), and its exit code. sqlite3_malloc text. */
char *supabase_try(const char *sql, int *exit_code);
/* The same for SQL that must work. Borrowed until some calls later. */
const char *supabase_run(const char *sql);
int supabase_int(const char *sql);
/* PostgREST reads the schema again. */
void supabase_reload(void);

/* A session of its own, to be written to; ends with pclose(). */
FILE *supabase_session(void);

/* Calls a function as user 1, 2 or 3 (0: nobody); the answer. Borrowed until some calls later. */
const char *supabase_call(int user, const char *function, const char *arguments);
/* An address under the REST root, read by a user. Borrowed likewise. */
const char *supabase_get(int user, const char *path);

/* A value of a JSON text by SQLite's path; "" when there is none. Borrowed likewise. */
const char *json_at(const char *json, const char *path);

/* A database in memory with leadx, configured for the server as that user; nothing is tracked. */
sqlite3 *supabase_device(int user);
/* The first column of the first row; "" for none. Borrowed likewise. */
const char *ask_device(sqlite3 *db, const char *sql);
/* The error text of SQL that must fail. Borrowed likewise. */
const char *device_refusal(sqlite3 *db, const char *sql);

/* Removes what leadx_server_sql() installed, and every table whose name begins with srv_. */
void supabase_uninstall(void);

const char *need_environment(const char *name);

#endif
