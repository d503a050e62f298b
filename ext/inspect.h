/* The check: asks the server whether it can do its part, and says for everything that is missing which statement
** mends it. It sends reads only, and changes nothing but the list of its own findings. */
#ifndef LEADX_INSPECT_H
#define LEADX_INSPECT_H

#include "ctx.h"
#include "http.h"

typedef struct leadx_inspect_options {
  const char *only_table; /* NULL: all */
  /* For tests: makes the transport in place of the real one; NULL for the real one. */
  leadx_transport *(*open_transport)(void *arg, const leadx_http_limits *limits, leadx_err *err);
  void *arg;
} leadx_inspect_options;

/* leadx_check([table]): [{"check","result","fix"},…] in sqlite3_malloc memory, kept in leadx_check_results too. A result
** begins with ok, missing, warning or error. NULL and an error only when nothing could be asked at all because of
** this side: inside a transaction, nothing tracked, no server set, no memory. */
char *leadx_inspect(leadx_ctx *ctx, const leadx_inspect_options *options, leadx_err *err);

#endif
