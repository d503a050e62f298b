/* All tracked tables: loaded together, so that they know of each other, and kept from one sync to the
** next while nothing has changed that they depend on. */
#ifndef LEADX_TABLES_H
#define LEADX_TABLES_H

#include "store/table.h"

/* All tracked tables, by priority. */
typedef struct leadx_tables {
  leadx_table **list;
  int n;
  uint64_t as_of; /* stands for the schema and the options that they were read from */
} leadx_tables;
int leadx_tables_load(leadx_db *db, const char *who, leadx_tables *tables, leadx_err *err);
/* The same for tables that were loaded before (or zeros): reads them again only when the schema or
** an option has changed since. Descriptions are half of what an idle sync costs. */
int leadx_tables_refresh(leadx_db *db, const char *who, leadx_tables *tables, leadx_err *err);
/* Ends their use by one run: they hold no statement any more and can be refreshed by another. */
void leadx_tables_rest(leadx_tables *tables);
void leadx_tables_clear(leadx_tables *tables);
leadx_table *leadx_tables_by_entity(const leadx_tables *tables, const char *entity);
leadx_table *leadx_tables_by_name(const leadx_tables *tables, const char *name);

#endif
