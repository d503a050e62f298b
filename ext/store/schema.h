/* The tables of leadx in the file: made when first needed, migrated in one transaction, refused
** untouched when a newer leadx wrote them. */
#ifndef LEADX_SCHEMA_H
#define LEADX_SCHEMA_H

#include "store/db.h"

/* The format this code writes. 2: what is known of servers' functions, and the places of their
** pages. 3: leadx_cell, leadx_tables.changes, and since and refused of leadx_parked. */
#define LEADX_FORMAT 3

/* Creates or migrates what is missing, inside the caller's transaction or one of its own.
** A sync_queue that is already there is extended in place and keeps its rows; one that is not
** of the documented shape is an error that says which column is wrong. */
int leadx_schema_ensure(leadx_db *db, const char *who, leadx_err *err);

/* *present: do leadx's tables exist? Then they must be ours (leadx_schema_verify). A newer format, a
** view in the place of one of them and a file whose encoding is not UTF-8 are errors. Writes nothing,
** but brings tables of an older format to this one. */
int leadx_schema_open(leadx_db *db, const char *who, int *present, leadx_err *err);

/* Is everything in the file that bears one of our names, or hangs on one of our tables, what
** schema.sql makes, to the letter? A view in a table's place, a trigger that somebody added, a
** doctored one of ours: an error that names it. Of sync_queue, which may have come from somebody
** else, the documented columns are asked for. Reads only. The triggers on the user's tables are not
** looked at: capture.h makes them anew when they differ. */
int leadx_schema_verify(leadx_db *db, const char *who, leadx_err *err);

/* *there: has the file a table of that name? */
int leadx_schema_has(leadx_db *db, const char *name, int64_t *there, leadx_err *err);

/* The one table that leadx_check() needs where nothing is tracked yet. Inside a write transaction. */
int leadx_schema_ensure_checks(leadx_db *db, leadx_err *err);

#endif
