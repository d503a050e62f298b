/* Decisions by people: an open conflict is closed, and what follows is queued like any other
** change. */
#ifndef LEADX_RESOLVE_H
#define LEADX_RESOLVE_H

#include "store/tables.h"

/* leadx_resolve(): choice is "client", "server" or "merge" (json: final values of the contested
** columns, by their remote names). The local row gets what was chosen; what the server does not
** have yet is queued on the version it was shown with. Inside the caller's write transaction. */
int leadx_resolve_conflict(leadx_db *db, const leadx_tables *tables, const char *id,
                           const char *choice, const char *json, leadx_err *err);

/* leadx_discard() of one queue row; the local row's column `pending` is kept right. tables
** (zeros at first) are read anew where they are not the present ones. Inside the caller's write
** transaction. */
int leadx_resolve_discard(leadx_db *db, leadx_tables *tables, const char *id, leadx_err *err);

#endif
