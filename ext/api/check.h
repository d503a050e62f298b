/* The check: asks the server whether it can do its part, and says for everything that is missing
** which statement mends it. It sends reads only, and changes nothing but the list of its own
** findings. */
#ifndef LEADX_CHECK_H
#define LEADX_CHECK_H

#include "session/ctx.h"

/* leadx_check([table]), only_table NULL for all: [{"check","result","fix"},…] in sqlite3_malloc
** memory, kept in leadx_check_results too. A result begins with ok, missing, warning or error. NULL
** and an error only when nothing could be asked at all because of this side: inside a transaction,
** nothing tracked, no server set, no memory. */
char *leadx_inspect(leadx_ctx *ctx, const char *only_table, leadx_err *err);

#endif
