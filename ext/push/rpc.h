/* The functions of the server's half (leadx_server_sql()): how their calls are spelled and their
** answers are read. Spelling and reading only; nothing is sent or stored here. */
#ifndef LEADX_RPC_H
#define LEADX_RPC_H

#include "push/spell.h"

/* ---- leadx_push(): a mixed batch in one round trip ---- */

/* What became of one operation; the words are those of sql/server/rpc.sql. */
typedef enum leadx_rpc_status {
  LEADX_RPC_APPLIED,
  LEADX_RPC_REPLAYED,
  LEADX_RPC_CONFLICT,
  LEADX_RPC_GONE,
  LEADX_RPC_ERROR
} leadx_rpc_status;

typedef struct leadx_rpc_item {
  leadx_rpc_status status;
  leadx_slice
      row; /* the server's row as it is now; empty when it may not be read, or there is none */
  leadx_slice code, message; /* of an error; raw JSON strings, or empty */
} leadx_rpc_item;

/* Bytes of an operation beside the row that it carries, about. */
#define LEADX_RPC_ITEM_BYTES 160

/* POST of n changes of any tables and actions. Each gets its op: an id that stands for this very
** effect of these very queue rows on that version, so what is sent again after a lost answer bears
** the same one, and whatever else is sent another. NULL and an error when out of memory. */
leadx_request *leadx_rpc_push(const leadx_target *target, leadx_change *const *changes, int n,
                              leadx_err *err);

/* Reads the answer (a checked array) into items, which has room for n. NULL, or what is strange
** about it: then nothing of it counts. */
const char *leadx_rpc_read_push(leadx_slice array, leadx_change *const *changes, int n,
                                leadx_rpc_item *items);

/* ---- leadx_pull(): a page up to what can not change behind it any more ---- */

/* Rows asked for at once, at most. */
#define LEADX_RPC_PAGE_ROWS 10000

typedef struct leadx_rpc_page {
  leadx_slice rows; /* an array */
  leadx_slice gone; /* an array of the keys of rows that were deleted: strings */
  int ngone;
  leadx_slice cursor; /* an object in the server's own words: where the next page begins */
  int has_more;
} leadx_rpc_page;

/* The page behind a cursor (NULL: from the beginning). */
leadx_request *leadx_rpc_pull(const leadx_target *target, const leadx_table *table,
                              const char *cursor, int limit, leadx_err *err);

/* Reads the answer (a checked value) to a request for that many rows. NULL, or what is strange
** about it. */
const char *leadx_rpc_read_pull(leadx_slice answer, const char *cursor, int limit,
                                leadx_rpc_page *page);

/* ---- leadx_installed(): is it there? ---- */

leadx_request *leadx_rpc_ask(const leadx_target *target, leadx_err *err);

/* Does an answer of leadx_installed() say that the functions serve the table as we know it: stamped
** in the same column, tombstones kept, the same key? */
int leadx_rpc_serves(leadx_slice installed, const leadx_table *table);

#endif
