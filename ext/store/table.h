/* A tracked table: what its options and the live schema say about it, in one structure.
** Nothing is stored twice: leadx_tables holds the options, everything else is read from
** pragma_table_xinfo each time. */
#ifndef LEADX_TABLE_H
#define LEADX_TABLE_H

#include "base/meaning.h"
#include "store/db.h"
#include "store/literal.h"

/* What stands in the place of a type in the option "learned" of a column that the server computes. */
#define LEADX_LEARNED_COMPUTED "computed"

typedef enum leadx_mode { LEADX_MODE_BOTH, LEADX_MODE_PUSH, LEADX_MODE_PULL } leadx_mode;

typedef struct leadx_column {
  char *name; /* local */
  char *remote; /* on the server */
  leadx_type type;
  int key_position; /* 1… within the primary key, 0 when not part of it */
  int not_null;
  leadx_literal default_value; /* what its DEFAULT says; the text itself is not kept */
  int is_numeric; /* its affinity makes numbers of texts that look like one */
  leadx_affinity affinity;
  int is_settled; /* an option names its type, or the server has */
  int is_sql_form; /* of a timestamp: values of the server are written as SQLite's functions write them */
  int is_computed; /* the server computes it: it is read and never sent */
  int is_doubted; /* a key here is a uuid if it is one there (key.h); the server has not been asked */
} leadx_column;

/* A foreign key of the local table whose parent is tracked too (composite ones count by their
** columns). */
typedef struct leadx_reference {
  char *parent_table;
  struct leadx_table *parent; /* NULL when it is not tracked; of the same leadx_tables */
  int ncolumn;
  int column[8]; /* indices into columns; once the parent is known in the order of its key */
  char *target[8]; /* the parent's columns that they refer to; NULL: those of its key */
} leadx_reference;

/* What a connection remembers of a table from one look at its rows to the next. It is no part of the
** description: only rows/diff.c and rows/fingerprint.c know what it says. */
typedef struct leadx_memory {
  /* of diff.c: stands for the triggers on it when they were found to be right; 0: not looked at yet */
  uint64_t triggers;
  int is_due; /* of diff.c: its rows have to be compared */
  sqlite3_stmt *reader; /* of fingerprint.c: reads one row; made on first use */
  uint32_t list; /* of fingerprint.c: stands for the list of its columns; 0: not looked at yet */
  int list_noted; /* of fingerprint.c: the file knows that list */
} leadx_memory;

typedef struct leadx_table {
  char *name, *entity, *remote;
  int priority;
  leadx_mode mode;
  char *version; /* local name of the version column; the remote name when there is no local one */
  char *version_remote;
  int version_column; /* index into columns, -1 when the local table has none */
  int soft_delete; /* deletes are sent as a stamp in soft_delete_column */
  char *soft_delete_column; /* remote name, NULL when there is none */
  char *policy; /* NULL: the setting */
  char *filter;
  char *pending, *synced_at; /* local-only columns kept for the UI, NULL when not asked for */
  leadx_column *columns; /* what is sent and received, in the table's order */
  int ncolumns;
  int *by_remote; /* indices of all columns in the order of their remote names' bytes */
  int key[16]; /* indices of the primary key's columns, in key order */
  int nkey;
  leadx_reference *references;
  int nreferences;
  struct leadx_table *
      *among; /* the tables that it was loaded with, itself among them; NULL: it alone */
  int namong, place; /* how many they are, and which of them it is */
  int has_unique; /* a UNIQUE besides the key: REPLACE can remove another row without a trigger */
  int without_rowid, integer_key;
  char *warnings; /* JSON array or NULL */
  leadx_memory *memory; /* what this connection remembers of it */
} leadx_table;

/* How values of the server are bound for the column. */
leadx_type leadx_column_form(const leadx_column *column);

void leadx_reference_clear(leadx_reference *reference);
void leadx_table_free(leadx_table *table); /* accepts NULL */

/* Index of the column with that remote name, or -1. */
int leadx_table_find_remote(const leadx_table *table, const char *remote, size_t n);

/* Index of the column that a member's raw name stands for, or -1; guess (any number) is where it is
** expected. A row of a million members that stand for nothing is looked at as fast as any other. */
int leadx_table_member(const leadx_table *table, leadx_slice name, int guess);

/* What two values of the column are compared as: its type, or uuid where it refers to one. */
leadx_type leadx_table_compared_as(const leadx_table *table, int column);

/* The values of a row's object in the order of the table's columns, empty where it has none; values
** has room for them. One walk over the row, which nearly always lists the columns in the table's
** order. */
void leadx_table_values(const leadx_table *table, leadx_slice row, leadx_slice *values);

/* What decides the meaning of a column's values. */
leadx_kind leadx_table_kind(const leadx_table *table, int column);

/* Is the column part of a foreign key? */
int leadx_table_is_reference(const leadx_table *table, int column);

#endif
