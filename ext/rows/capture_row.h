/* A row as JSON, outside of triggers. It is written in one of two ways that give the same text:
** quickly, by printf() over the columns, when no text needs an escape; else value by value, as the
** triggers' views do. */
#ifndef LEADX_CAPTURE_ROW_H
#define LEADX_CAPTURE_ROW_H

#include "store/table.h"

/* Appends an expression that yields the row as a JSON object in wire form; row is the quoted name of
** the table. */
void leadx_capture_row(sqlite3_str *sql, const leadx_table *table, const char *row);
/* The local row of a key as a trigger would write it, in sqlite3_malloc memory; NULL without an
** error when it is not there. */
char *leadx_capture_local(leadx_db *db, const leadx_table *table, const char *key, leadx_err *err);
/* Fills the holes of what is written value by value: an argument of leadx_template_append(). */
void leadx_capture_escaped(const void *arg, sqlite3_str *sql, const char *hole, size_t n);

#endif
