/* Tracking: begin, refresh and end the capture of a table. */
#ifndef LEADX_TRACK_H
#define LEADX_TRACK_H

#include "base/doc.h"
#include "session/ctx.h"

/* leadx_track(name, options): name '*' means every table with a primary key. JSON in sqlite3_malloc
** memory, NULL and an error on refusal, with nothing changed. Takes part in the caller's
** transaction. */
char *leadx_track_table(leadx_ctx *ctx, const char *name, const char *options, leadx_err *err);
/* The same for one table, inside a step that the caller has opened (leadx_db_nest_open) and in which
** leadx's tables exist. The caller frees the document. */
leadx_doc *leadx_track_within(leadx_ctx *ctx, const char *name, const char *options,
                              leadx_err *err);
/* leadx_untrack(name). The result says how many queue rows are still unsent. */
char *leadx_untrack_table(leadx_ctx *ctx, const char *name, leadx_err *err);

#endif
