/* Fingerprints: what each known row held when everything of it was sent or queued, so that an edit
** that no trigger saw (a table rebuilt by the application loses its triggers) is found
** afterwards. */
#ifndef LEADX_FINGERPRINT_H
#define LEADX_FINGERPRINT_H

#include "store/table.h"

/* Appends the names of the columns that fingerprints are made of, in their order. */
void leadx_fingerprint_columns(const leadx_table *table, sqlite3_str *out);

/* Notes in the shadow that the server holds the row of that key in that version (NULL: unknown),
** and what the local row holds. Inside a write transaction. */
int leadx_fingerprint_note(leadx_db *db, leadx_table *table, const char *key, const char *version,
                           leadx_err *err);

/* Notes what every known row holds. Inside a write transaction. */
int leadx_fingerprint_all(leadx_db *db, const leadx_table *table, leadx_err *err);

/* Queues the rows that do not hold what was noted or queued of them. columns is the list that the
** fingerprints were made of; a column that came since counts as changed where it differs from its
** DEFAULT. Inside a write transaction. */
int leadx_fingerprint_compare(leadx_db *db, const leadx_table *table, const char *columns,
                              leadx_err *err);

#endif
