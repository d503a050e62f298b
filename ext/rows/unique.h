/* The unique values of a table besides its key: by them REPLACE takes along another row than that of
** the same key. */
#ifndef LEADX_UNIQUE_H
#define LEADX_UNIQUE_H

#include "store/table.h"

typedef struct leadx_uniques {
  char **match; /* of each: SQL that finds the rows of the table that have the values of NEW */
  int n;
  char *of; /* " OF ..." with the columns whose UPDATE can change one; "" when any column can */
} leadx_uniques;

/* Reads them; to be cleared whatever comes back. An explicit rowid is one of them where there are
** others. An index whose text is not understood with certainty is left out. */
int leadx_uniques_read(leadx_db *db, const leadx_table *table, leadx_uniques *uniques,
                       leadx_err *err);
void leadx_uniques_clear(leadx_uniques *uniques);

/* Marks which of the table's columns, in their order, are terms of a UNIQUE index; those of the key are
** not marked. mask has room for them. */
int leadx_uniques_columns(leadx_db *db, const leadx_table *table, unsigned char *mask,
                          leadx_err *err);

#endif
