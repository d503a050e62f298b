/* The local table for one of the server's: its name, its SQL and the options that it is tracked with.
** Texts only; nothing is run. */
#ifndef LEADX_LOCAL_COPY_H
#define LEADX_LOCAL_COPY_H

#include "rest/catalog.h"
#include "store/tables.h"

/* Tables that are to be made together, and those that the file has already. */
typedef struct leadx_copies {
  const leadx_catalog *catalog; /* borrowed */
  const leadx_doc *options; /* what the application said: an object or NULL; borrowed */
  const leadx_tables *tracked; /* of the file; borrowed */
  struct leadx_copy *list; /* in an order in which parents go before what refers to them */
  int n;
} leadx_copies;

typedef struct leadx_copy {
  const leadx_catalog_table *table;
  char *name; /* of the local table */
  char **columns; /* local names of the server's columns, NULL: left out; as many as it has */
  int key[LEADX_CATALOG_KEY]; /* indices of the server's columns */
  int nkey;
} leadx_copy;

/* Why the server's table cannot be copied, with what to do, in sqlite3_malloc memory; *why is NULL
** when it can. SQLITE_OK or SQLITE_NOMEM. options as above. */
int leadx_copy_judge(const leadx_catalog_table *table, const leadx_doc *options, char **why);

/* *taken: is there anything of that name in the file, whatever its capitals? */
int leadx_copy_is_taken(leadx_db *db, const char *name, int *taken, leadx_err *err);

/* Adds a table that was judged well, under a name that is free. */
int leadx_copies_add(leadx_copies *copies, const leadx_catalog_table *table, leadx_db *db,
                     leadx_err *err);
/* Puts the list in order. */
void leadx_copies_sort(leadx_copies *copies);
void leadx_copies_clear(leadx_copies *copies);

/* CREATE TABLE for a copy, in sqlite3_malloc memory. */
char *leadx_copy_sql(const leadx_copies *copies, const leadx_copy *copy, leadx_err *err);
/* The options for leadx_track(), JSON in sqlite3_malloc memory: the application's, completed. */
char *leadx_copy_options(const leadx_copies *copies, const leadx_copy *copy, leadx_err *err);

#endif
