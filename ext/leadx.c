/* leadx: the entry point. It checks the host, makes the connection's context, and registers
** functions and tables. Loading creates nothing in the file and sends nothing. */
#include <string.h>

#include "api/func.h"
#include "api/vtab.h"
#include "base/host.h"
#include "session/ctx.h"

#ifndef SQLITE_CORE
SQLITE_EXTENSION_INIT1
#endif

/* sqlite3_txn_state() and the JSON functions this is built on came with 3.34 and 3.38. */
#define OLDEST_SQLITE 3038000

#ifdef _WIN32
#define LEADX_EXPORT __declspec(dllexport)
#else
#define LEADX_EXPORT __attribute__((visibility("default")))
#endif

LEADX_EXPORT int sqlite3_leadx_init(sqlite3 *handle, char **error, const sqlite3_api_routines *api);

/* Is leadx registered on this connection already? leadx_version() is what is registered last. The
** error of a look that found nothing is cleared: what an automatic extension leaves on the
** connection makes sqlite3_open() fail. */
static int look_whether_loaded(sqlite3 *handle, int *loaded) {
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(handle, "SELECT leadx_version()", -1, &stmt, NULL);
  sqlite3_finalize(stmt);
  *loaded = rc == SQLITE_OK;
  if (rc == SQLITE_NOMEM) return rc;
  if (rc != SQLITE_OK) sqlite3_exec(handle, "", NULL, NULL, NULL);
  return SQLITE_OK;
}

static int register_all(sqlite3 *handle, char **error) {
  leadx_err err = {0};
  leadx_ctx *ctx = leadx_ctx_new(handle);
  if (!ctx) return SQLITE_NOMEM;
  int rc = leadx_vtab_register(ctx, &err);
  if (rc == SQLITE_OK) rc = leadx_func_register(ctx, &err);
  leadx_ctx_unref(ctx);
  if (rc != SQLITE_OK && error) *error = sqlite3_mprintf("%s", err.text);
  return rc;
}

#ifndef SQLITE_CORE
/* One copy of leadx.so speaks to one SQLite library: through the routines it was given first. A
** second library in the process has other routines, and memory of one must not be freed by the
** other. */
static int check_host(const sqlite3_api_routines *api, char **error) {
  static const sqlite3_api_routines *first;
  if (api->libversion_number() < OLDEST_SQLITE) {
    if (error)
      *error = api->mprintf(
          "leadx: needs SQLite 3.38 or later, this is %s; update the SQLite library of the program",
          api->libversion());
    return SQLITE_ERROR;
  }
  const char *lacking = leadx_host_lacks(api);
  if (lacking) {
    if (error)
      *error = api->mprintf("leadx: the program's SQLite was built with %s, and without what that "
                            "leaves out leadx cannot work; use another SQLite library",
                            lacking);
    return SQLITE_ERROR;
  }
  if (first && first != api) {
    if (error) {
      *error = api->mprintf("leadx: already in use by another SQLite library in this process (%s); "
                            "load a second copy of leadx.so under another "
                            "file name for this one",
                            first->libversion());
    }
    return SQLITE_ERROR;
  }
  first = api;
  return SQLITE_OK;
}
#endif

int sqlite3_leadx_init(sqlite3 *handle, char **error, const sqlite3_api_routines *api) {
  int loaded = 0, rc;
#ifndef SQLITE_CORE
  rc = check_host(api, error);
  if (rc != SQLITE_OK) return rc;
  SQLITE_EXTENSION_INIT2(api);
#else
  (void)api;
#endif
  rc = look_whether_loaded(handle, &loaded);
  return rc != SQLITE_OK || loaded ? rc : register_all(handle, error);
}
