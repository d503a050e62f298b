/* SQLite as leadx sees it: through the extension API, so that one leadx.so works with
** whatever SQLite library the host brings; or directly with -DSQLITE_CORE (static form). */
#ifndef LEADX_SQLITE_H
#define LEADX_SQLITE_H

#include <stddef.h>
#include <stdint.h>

#include <sqlite3ext.h>

#ifndef SQLITE_CORE
extern const sqlite3_api_routines *sqlite3_api;
#endif

#endif
