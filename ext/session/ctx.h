/* What belongs to one connection: its statements, its error carrier, its settings, its session.
** Made by the entry point, shared by all SQL functions and virtual tables of the connection,
** freed with the last of them. */
#ifndef LEADX_CTX_H
#define LEADX_CTX_H

#include "store/db.h"
#include "store/tables.h"

struct leadx_session;
struct leadx_settings;
struct leadx_tables;

typedef struct leadx_ctx {
  int nref;
  int pid; /* of the process that opened the connection */
  leadx_db db;
  leadx_err err;
  struct leadx_session *session; /* shared with the process's other connections to the file */
  struct leadx_settings *settings; /* this file's settings, read again by every call */
  struct leadx_tables
      *tables; /* the tracked tables as the last sync knew them; empty while one runs */
  void (*on_close)(
      struct leadx_ctx
          *ctx); /* not NULL: called when the connection is closed, before anything is freed */
} leadx_ctx;

/* NULL when out of memory. The new context has one reference. */
leadx_ctx *leadx_ctx_new(sqlite3 *handle);
leadx_ctx *leadx_ctx_ref(leadx_ctx *ctx);
void leadx_ctx_unref(leadx_ctx *ctx);

/* Refuses (SQLITE_MISUSE) in a child made by fork(): SQLite's connections, and our threads and
** locks, are the parent's. There, the last unref frees nothing that is shared with them. */
int leadx_ctx_guard_fork(const leadx_ctx *ctx, const char *who, leadx_err *err);

#endif
