/* By which words a person knows a row: its name, title or code. */
#ifndef LEADX_LABEL_H
#define LEADX_LABEL_H

#include "store/tables.h"

/* The text of the first of the columns name, title, code, subject and label that the entity's table
** has and that is not empty in the row with that key, at most 80 characters of it. In
** sqlite3_malloc memory; NULL when there is no such row, column or text, or no memory. */
char *leadx_label_of(leadx_db *db, const leadx_tables *tables, const char *entity, const char *key);

#endif
