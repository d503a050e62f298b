/* Values between SQLite and the wire: the column types, and what equal means for each.
** Pure but for binding to statements. */
#ifndef LEADX_WIRE_H
#define LEADX_WIRE_H

#include "base/err.h"
#include "base/json.h"

typedef enum leadx_type {
  LEADX_TEXT,
  LEADX_INTEGER,
  LEADX_REAL,
  LEADX_BOOLEAN,
  LEADX_JSON,
  LEADX_BLOB,
  LEADX_UUID,
  LEADX_DECIMAL,
  LEADX_DATE,
  LEADX_TIMESTAMP,
  LEADX_TIMESTAMP_S,
  LEADX_TIMESTAMP_MS,
  LEADX_TIMESTAMP_SQL, /* how LEADX_TIMESTAMP is written here (table.h); no column has it as its type */
  LEADX_TYPE_COUNT
} leadx_type;

const char *leadx_type_name(leadx_type type);
/* The type of that name, or -1. */
int leadx_type_find(const char *name);
/* The type a declared SQL type stands for ("" for none). */
leadx_type leadx_type_of_declaration(const char *declared);

/* Appends the value a request carries for a queued value: JSON columns unwrapped from the string
** that the trigger wrote, timestamps without an offset marked as the UTC that SQLite means. The
** builder fails for want of memory. */
void leadx_wire_send(sqlite3_str *out, leadx_type type, leadx_slice value);

/* Do two wire values say the same for a column of that type? (timestamps as instants, decimals by
** value whether they come as text or number, uuids whatever their case, JSON whatever its
** layout.) Without the memory to look there is an error, and the answer says nothing. */
int leadx_wire_equal(leadx_type type, leadx_slice a, leadx_slice b, leadx_err *err);

/* Binds a server's value to a local column of that type. SQLITE_MISMATCH when it cannot be kept
** exactly. */
int leadx_wire_bind(sqlite3_stmt *stmt, int parameter, leadx_type type, leadx_slice value);
/* The same, and a text that needs no decoding is not copied: it stays where it is until the
** statement has run. */
int leadx_wire_lend(sqlite3_stmt *stmt, int parameter, leadx_type type, leadx_slice value);

#endif
