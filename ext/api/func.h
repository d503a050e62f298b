/* The SQL functions: arguments in, one JSON text out; no logic of their own. */
#ifndef LEADX_FUNC_H
#define LEADX_FUNC_H

#include "session/ctx.h"

/* One row per function, for registration and for the README's table. */
typedef struct leadx_function {
  const char *name;
  int min_args, max_args;
  const char *arguments, *purpose;
} leadx_function;
extern const leadx_function leadx_functions[];
extern const int leadx_nfunctions;

int leadx_func_register(leadx_ctx *ctx, leadx_err *err);

#endif
