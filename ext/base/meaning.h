/* What a value means, as a number: two values that say the same for a column of that type have the
** same number, whether they stand in the local table, in a queued payload or in the server's row.
** What is known of a row is kept as such numbers (fingerprint.h), 32 bits a column: enough to tell
** that a value is another one, of no use for reading it. */
#ifndef LEADX_MEANING_H
#define LEADX_MEANING_H

#include "base/wire.h"

/* What SQLite makes of the values that are written to a column: nothing, texts of numbers, numbers
** of texts that look like them (integers where they are whole, or always doubles). */
typedef enum leadx_affinity {
  LEADX_AFFINITY_NONE,
  LEADX_AFFINITY_TEXT,
  LEADX_AFFINITY_NUMERIC,
  LEADX_AFFINITY_REAL
} leadx_affinity;

/* The affinity of a declared type ("" for none). */
leadx_affinity leadx_affinity_of_declaration(const char *declared);

/* The kind of a column, as far as it decides what its values mean. */
typedef struct leadx_kind {
  leadx_type type;
  leadx_affinity affinity;
} leadx_kind;

/* Of a local value. Never 0: that number is free to stand for "not known". */
uint32_t leadx_meaning_of_value(leadx_kind kind, sqlite3_value *value);

/* Of a value that a trigger wrote into a payload, and of one that the server sent: what the local
** column holds when it is written there. They differ where the wire cannot tell two local values
** apart (a number for a text column is a number in the queue and becomes a text from the server).
** For want of memory 0. */
uint32_t leadx_meaning_of_queued(leadx_kind kind, leadx_slice value);
uint32_t leadx_meaning_of_server(leadx_kind kind, leadx_slice value);

/* Does the server's value mean what that number stands for, whichever way it came to be known?
** Without the memory to look there is an error, and the answer says nothing. */
int leadx_meaning_is(uint32_t known, leadx_kind kind, leadx_slice server, leadx_err *err);

#endif
