/* What tables a server has, as it says itself: in its OpenAPI document, or exactly, by the function
** leadx_describe() of the server's half.
**
** Everything in a catalog is the server's text: names that are longer than PostgreSQL's or hold
** control bytes are left out with their table, numbers are bounded, and a DEFAULT is read as a value
** or as one of a few known calls, or is unknown. */
#ifndef LEADX_CATALOG_H
#define LEADX_CATALOG_H

#include "base/doc.h"

enum {
  LEADX_CATALOG_TABLES = 2000,
  LEADX_CATALOG_COLUMNS = 1600, /* as many as a table of PostgreSQL can have */
  LEADX_CATALOG_KEY = 16,
  LEADX_CATALOG_REFERENCES = 64,
  LEADX_CATALOG_NAME_BYTES = 255 /* of a name; PostgreSQL's own limit is 63 unless it is rebuilt */
};

/* What fills a column of the server that a row does not name. */
typedef enum leadx_filling {
  LEADX_FILLED_NOT, /* nothing: it is NULL */
  LEADX_FILLED_SOMEHOW, /* a call that is not known here, or a sequence */
  LEADX_FILLED_NUMBER, /* value: a number as text */
  LEADX_FILLED_TEXT, /* value: the text */
  LEADX_FILLED_TRUE,
  LEADX_FILLED_FALSE,
  LEADX_FILLED_NOW,
  LEADX_FILLED_TODAY,
  LEADX_FILLED_UUID
} leadx_filling;

typedef struct leadx_catalog_column {
  const char *name; /* borrowed from the document, as all names here */
  const char
      *type; /* as PostgreSQL writes it: "character varying(20)", "integer[]", "public.mood" */
  int not_null;
  int is_computed; /* GENERATED ALWAYS: it cannot be written; 0 also where nobody knows */
  int is_identity; /* the server numbers it; 0 also where nobody knows */
  int length; /* of a text of bounded length; 0: none is known */
  leadx_filling filling;
  char *value; /* of NUMBER and TEXT; owned */
} leadx_catalog_column;

typedef struct leadx_catalog_reference {
  int n;
  int column[LEADX_CATALOG_KEY]; /* indices into the table's columns */
  const char *table;
  const char *target[LEADX_CATALOG_KEY];
  char on_delete; /* 'c' CASCADE, 'n' SET NULL, 0 nothing, or nobody knows */
} leadx_catalog_reference;

typedef struct leadx_catalog_table {
  const char *name;
  leadx_catalog_column *columns;
  int ncolumns;
  int key[LEADX_CATALOG_KEY]; /* indices into columns */
  int nkey; /* 0: it has none that is told (a view, say) */
  leadx_catalog_reference *references;
  int nreferences;
  int is_view; /* or anything else that has no primary key of its own */
  int is_writable; /* rows can be inserted or updated */
  const char *fault; /* static: why it cannot be used; NULL: it can */
} leadx_catalog_table;

typedef struct leadx_catalog {
  leadx_doc *doc; /* what it was read from; owned */
  leadx_catalog_table *tables;
  int n;
  int is_exact; /* by leadx_describe() */
} leadx_catalog;

/* Reads an answer of leadx_describe(), or an OpenAPI document; which of the two is told by is_exact.
** Takes doc over in every case. SQLITE_OK, SQLITE_ERROR with a text when it is neither, or
** SQLITE_NOMEM. The caller clears the catalog, which is empty after an error. */
int leadx_catalog_read(leadx_catalog *catalog, const char *who, leadx_doc *doc, int is_exact,
                       leadx_err *err);
void leadx_catalog_clear(leadx_catalog *catalog);

/* The table of exactly that name, or NULL. */
const leadx_catalog_table *leadx_catalog_find(const leadx_catalog *catalog, const char *name);
/* The index of the column of exactly that name, or -1. */
int leadx_catalog_column_of(const leadx_catalog_table *table, const char *name);

#endif
