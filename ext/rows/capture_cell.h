/* The cells of a trigger: what it hands to the views that all tables share. Such views stand in the
** file for each width that some table needs; a table that is wider than the widest hands its columns
** over in parts. */
#ifndef LEADX_CAPTURE_CELL_H
#define LEADX_CAPTURE_CELL_H

#include "store/table.h"

enum { LEADX_CAPTURE_WIDEST = 64 };

int leadx_capture_is_wide(const leadx_table *table);
/* How many cells the views have that a table uses. */
int leadx_capture_width(const leadx_table *table);

/* All others append a piece of SQL; row is NEW, OLD, or the quoted name of the table. */

/* The cells of a whole row. */
void leadx_capture_row_cells(sqlite3_str *sql, const leadx_table *table, const char *row);
/* How many quotes a row has whose texts have none. */
void leadx_capture_quotes(sqlite3_str *sql, const leadx_table *table);
/* The condition that some value is not what its quotes, or their absence, say. */
void leadx_capture_odd(sqlite3_str *sql, const leadx_table *table, const char *row);
/* The cells of the columns from..to-1 with the letter before their names (sql/rows/capture_shared.sql,
** capture_edit_view). before NULL: all are to be written, and have one value. */
void leadx_capture_edit_cells(sqlite3_str *sql, const leadx_table *table, int from, int to,
                              const char *row, const char *before);
/* A simple key as it is, or the text of a composite one if no text of it needs an escape; the view
** makes entity_id of it. */
void leadx_capture_key_cell(sqlite3_str *sql, const leadx_table *table, const char *row);
/* The places of a composite key's columns, in the key's order. */
void leadx_capture_key_places(sqlite3_str *sql, const leadx_table *table);
/* The condition that OLD and NEW have one key, byte by byte, whatever its collation. */
void leadx_capture_same_key(sqlite3_str *sql, const leadx_table *table);
/* A list of n NULLs. */
void leadx_capture_nulls(sqlite3_str *sql, int n);

#endif
