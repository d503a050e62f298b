/* What belongs to one connection: its statements, its error carrier, its settings, its session.
** Made by the entry point, shared by all SQL functions and virtual tables of the connection,
** freed with the last of them. */
#ifndef LEADX_CTX_H
#define LEADX_CTX_H

#include "db.h"

struct leadx_session;
struct leadx_settings;

typedef struct leadx_ctx {
  int nref;
  leadx_db db;
  leadx_err err;
  struct leadx_session *session;   /* shared with the process's other connections to the file */
  struct leadx_settings *settings; /* this file's settings, read again by every call */
} leadx_ctx;

/* NULL when out of memory. The new context has one reference. */
leadx_ctx *leadx_ctx_new(sqlite3 *handle);
leadx_ctx *leadx_ctx_ref(leadx_ctx *ctx);
void leadx_ctx_unref(leadx_ctx *ctx);

#endif
