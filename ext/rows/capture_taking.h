/* What REPLACE takes along: a BEFORE trigger notes the rows that a unique index finds, an AFTER
** trigger sees what became of them. */
#ifndef LEADX_CAPTURE_TAKING_H
#define LEADX_CAPTURE_TAKING_H

#include "rows/unique.h"
#include "store/table.h"

/* The whole CREATE TRIGGER statement of one of the last five in sqlite3_malloc memory; NULL when out
** of memory. */
char *leadx_capture_taking(const leadx_table *table, const leadx_uniques *uniques, int which);

#endif
