/* Keys that the local columns cannot keep as they are, and keys of texts that are uuids on the server. */
#ifndef LEADX_KEY_FIT_H
#define LEADX_KEY_FIT_H

#include "store/table.h"

/* Why the local columns cannot hold the key as it is, NULL when they can; static. */
const char *leadx_key_misfit(const leadx_table *table, const char *key);

/* Could the server spell this key otherwise, because a column of texts here is a uuid there? Marks
** the columns of which that is so (is_doubted) unless their type is settled. leadx_respell() does it
** for what it reads. */
void leadx_key_doubt(leadx_table *table, const char *key);
/* The same for the rows of the table. */
int leadx_key_doubt_rows(leadx_db *db, leadx_table *table, leadx_err *err);

#endif
