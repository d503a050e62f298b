/* Strangers: rows that stood in a table before it was tracked, and of which the server has never been
** heard. A row of the server under the same key may be the same one, or somebody else's. */
#ifndef LEADX_STRANGER_H
#define LEADX_STRANGER_H

#include "store/table.h"

/* To be called before a row of the server (a checked object) is written over the local row of that
** key. Where that is a stranger and says anything else, both go into sync_conflicts, decided for the
** server. Inside a write transaction. */
int leadx_stranger_meet(leadx_db *db, leadx_table *table, const char *key, leadx_slice row,
                        leadx_err *err);

/* Compares a row of the server with the local one. *stands: there is a local one; *differing: how many
** columns say something else, the version and those that the server computes left out. Appends their
** remote names to names as a JSON array (NULL: not). */
int leadx_stranger_compare(leadx_db *db, leadx_table *table, const char *key, leadx_slice row,
                           int *stands, int *differing, sqlite3_str *names, leadx_err *err);

#endif
