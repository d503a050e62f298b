/* Local spellings of uuids that no rule tells. A statement finds a row by the canonical key, and
** tries the usual forms of a uuid (small letters, capitals, each with and without dashes), for each
** of which an index is used. One with small letters and capitals among each other is found because
** it was noted here (leadx_settings, 'uuid/' and the canonical text). leadx_key_where() reads it. */
#ifndef LEADX_SPELLING_H
#define LEADX_SPELLING_H

#include "store/table.h"

/* Notes what an entity_id that stands in the queue as its trigger wrote it tells of the local row.
** Inside a write transaction. */
int leadx_spelling_note(leadx_db *db, const leadx_table *table, const char *entity_id,
                        leadx_err *err);

/* *found: has a row of the table anything to note? One look at each, if its key has a uuid. */
int leadx_spelling_find(leadx_db *db, const leadx_table *table, int *found, leadx_err *err);

/* Notes what all rows of a table tell: one look at each. Inside a write transaction. */
int leadx_spelling_note_rows(leadx_db *db, const leadx_table *table, leadx_err *err);

#endif
