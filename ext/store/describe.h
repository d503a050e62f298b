/* What a table of the file is: its kind, its columns and their types, its key and references as the
** live schema has them, and what its options say. */
#ifndef LEADX_DESCRIBE_H
#define LEADX_DESCRIBE_H

#include "store/table.h"

/* Describes a table for tracking: checks it (kind, schema, key), reads options (JSON object text or
** NULL) and fills in what they leave open. Every refusal says why and what to do. */
leadx_table *leadx_describe(leadx_db *db, const char *who, const char *name, const char *options,
                            leadx_err *err);

/* Reads the columns of a table of the file, hidden ones too: name, type, notnull, dflt_value, pk,
** hidden. Not stepped yet; given back with leadx_db_put(). NULL on an error. */
sqlite3_stmt *leadx_describe_columns(leadx_db *db, const char *name, leadx_err *err);

/* The names of a user's tables that can be tracked, for '*': a JSON-free NULL-terminated array.
** The caller frees each and the array. */
char **leadx_describe_candidates(leadx_db *db, leadx_err *err);

/* Is it the name of a table in which a framework, a library of databases or a tool of migrations keeps
** its own notes about this file? '*' leaves those alone. */
int leadx_describe_is_housekeeping(const char *name);

#endif
