/* Fingerprints: what each known row held, column by column, when it was last sent or received. An
** edit that no trigger saw is found by them, REPLACE of a known row sends what it changed, and a
** server's row is told from the one that an edit started from, though its values are not kept.
**
** What is known of a row is one number per column (meaning.h), 0 where nothing is known. */
#ifndef LEADX_FINGERPRINT_H
#define LEADX_FINGERPRINT_H

#include "store/shadow.h"
#include "store/table.h"

/* Appends the names of the columns that fingerprints are made of, in their order. */
void leadx_fingerprint_columns(const leadx_table *table, sqlite3_str *out);

/* Reads the local row's meanings; parts has room for table->ncolumns. *stands: is it there? */
int leadx_fingerprint_local(leadx_db *db, leadx_table *table, const char *key, uint32_t *parts,
                            int *stands, leadx_err *err);

/* What a fingerprint says of the table's present columns, in parts. *readable: it says something.
** *confirmed: it was noted when the row was sent or received, and not only when it was tracked. */
int leadx_fingerprint_read(leadx_db *db, leadx_table *table, const leadx_shadow *shadow,
                           uint32_t *parts, int *readable, int *confirmed, leadx_err *err);

/* Notes that the server holds the row of that key in that version (NULL: unknown), and what the
** local row holds. A row that does not stand in the local table afterwards, because the file's
** triggers kept it out, is noted as such. Inside a write transaction. */
int leadx_fingerprint_note(leadx_db *db, leadx_table *table, const char *key, const char *version,
                           leadx_err *err);

/* The same for a row of which something may be unsent: what the server's row says is what both know.
** Inside a write transaction. */
int leadx_fingerprint_note_server(leadx_db *db, leadx_table *table, const char *key,
                                  const char *version, leadx_slice row, leadx_err *err);

/* Notes meanings that the caller found. Inside a write transaction. */
int leadx_fingerprint_set(leadx_db *db, leadx_table *table, const char *key, const char *version,
                          int confirmed, const uint32_t *parts, leadx_err *err);

#endif
