/* The life of a connection's context. See ctx.h. */
#include "session/ctx.h"

#include <string.h>
#include <unistd.h>

#include "base/host.h"
#include "rows/key_sql.h"
#include "session/session.h"
#include "store/settings.h"
#include "store/tables.h"

leadx_ctx *leadx_ctx_new(sqlite3 *handle) {
  leadx_ctx *ctx = sqlite3_malloc64(sizeof *ctx);
  if (!ctx) return NULL;
  memset(ctx, 0, sizeof *ctx);
  ctx->nref = 1;
  ctx->pid = (int)getpid();
  ctx->db.handle = handle;
  ctx->settings = leadx_settings_new();
  ctx->session = leadx_session_open(leadx_host_path(handle));
  ctx->tables = sqlite3_malloc64(sizeof *ctx->tables);
  if (ctx->tables) memset(ctx->tables, 0, sizeof *ctx->tables);
  int rc = leadx_key_register(handle);
  if (ctx->settings && ctx->session && ctx->tables && rc == SQLITE_OK) return ctx;
  leadx_ctx_unref(ctx);
  return NULL;
}

leadx_ctx *leadx_ctx_ref(leadx_ctx *ctx) {
  ctx->nref++;
  return ctx;
}

void leadx_ctx_unref(leadx_ctx *ctx) {
  if (--ctx->nref > 0) return;
  int is_forked = ctx->pid != (int)getpid();
  if (ctx->on_close && !is_forked) ctx->on_close(ctx);
  leadx_db_release(&ctx->db);
  if (!is_forked) leadx_session_close(ctx->session);
  leadx_settings_free(ctx->settings);
  if (ctx->tables) leadx_tables_clear(ctx->tables);
  sqlite3_free(ctx->tables);
  sqlite3_free(ctx);
}

int leadx_ctx_guard_fork(const leadx_ctx *ctx, const char *who, leadx_err *err) {
  if (ctx->pid == (int)getpid()) return SQLITE_OK;
  return leadx_err_set(err, SQLITE_MISUSE,
                       "%s: this process was forked from the one that opened the connection "
                       "(process %d), which cannot be used here; open the database "
                       "again in this process",
                       who, ctx->pid);
}
