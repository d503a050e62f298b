/* Local tables made after the server's. */
#ifndef LEADX_CLONE_H
#define LEADX_CLONE_H

#include "session/line.h"

/* leadx_clone(name, options): asks the server what its table is, makes one like it here and tracks
** it; name '*' means every table that this user may read. JSON in sqlite3_malloc memory: for each
** table what leadx_track() says of it, and its SQL; with {"dry_run":true} that alone. NULL and an
** error on refusal, with nothing changed. Refuses inside a transaction. opener may be NULL. */
char *leadx_clone(leadx_ctx *ctx, const char *name, const char *options, const leadx_opener *opener,
                  leadx_err *err);

#endif
