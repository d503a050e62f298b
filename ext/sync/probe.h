/* A sign of life: does anybody answer at the server's address? Costs the server next to nothing and
** the file no write. */
#ifndef LEADX_PROBE_H
#define LEADX_PROBE_H

#include "session/ctx.h"

/* Asks once, for a few seconds at most. No key and no token travel; whatever status comes back is
** an answer, what an untrusted server says is none. SQLITE_OK unless something failed on our
** side. */
int leadx_probe(leadx_ctx *ctx, int *answered, leadx_err *err);

#endif
