/* What the host's SQLite may have been built without, and what it calls a database.
**
** A routine that a build leaves out (SQLITE_OMIT_…, SQLITE_THREADSAFE=0) is a NULL pointer in the
** table that an extension is given, and a call of it ends the process. Each one that leadx uses is
** asked for here and nowhere else; scripts/audit.sh compares the calls of ext/ with
** tests/hosts/optional_api.def, the list of those that may be missing. */
#ifndef LEADX_HOST_H
#define LEADX_HOST_H

#include "base/sqlite.h"

#ifndef SQLITE_CORE
/* What leadx cannot do without and this build lacks: a static text, the name of the build's option,
** or NULL. Asked at load, before any other routine of the table is called. */
const char *leadx_host_lacks(const sqlite3_api_routines *api);
#endif

/* Asks stop(arg) every so many steps of the connection's statements, and ends a statement when it
** answers non-zero. Where the build has no progress handler nothing is asked: a statement then runs
** to its end, or until sqlite3_interrupt(). */
void leadx_host_watch(sqlite3 *handle, int steps, int (*stop)(void *), void *arg);

/* The path by which another connection of the process reaches the database; "" where none can: it is
** temporary, in memory, or made of bytes, which SQLite gives a name as well,
** the same to each. */
const char *leadx_host_path(sqlite3 *handle);

/* SQLite's mutexes, as the routines of those names. In a build without them, whose host may use
** SQLite from one thread only, alloc gives NULL and the others do nothing; try answers
** SQLITE_OK. */
sqlite3_mutex *leadx_mutex_alloc(int kind);
void leadx_mutex_free(sqlite3_mutex *mutex);
void leadx_mutex_enter(sqlite3_mutex *mutex);
int leadx_mutex_try(sqlite3_mutex *mutex);
void leadx_mutex_leave(sqlite3_mutex *mutex);

#endif
