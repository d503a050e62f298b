/* The tables that show what leadx does: leadx_queue, leadx_status, leadx_conflicts, leadx_log,
** leadx_state, leadx_checks. Eponymous virtual tables: there right after loading, never in the
** file. Reading them sends nothing and writes nothing; views and triggers may not use them. */
#ifndef LEADX_VTAB_H
#define LEADX_VTAB_H

#include "session/ctx.h"

/* Registers the tables on ctx's connection. Each module and each connected table holds a reference
** to ctx. */
int leadx_vtab_register(leadx_ctx *ctx, leadx_err *err);

#endif
