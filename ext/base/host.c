/* What the host's SQLite may have been built without. See host.h. */
#include "base/host.h"

#include <string.h>

/* Is the routine there? With SQLITE_CORE the linker has answered already. */
#ifndef SQLITE_CORE
#define HAS(routine) (sqlite3_api->routine != NULL)
#else
#define HAS(routine) 1
#endif

#ifndef SQLITE_CORE
/* Without virtual tables there are no table-valued pragmas either, by which every table is
** described. */
const char *leadx_host_lacks(const sqlite3_api_routines *api) {
  if (!api->create_module_v2 || !api->declare_vtab || !api->vtab_config || !api->vtab_collation ||
      !api->vtab_nochange || !api->value_nochange)
    return "SQLITE_OMIT_VIRTUALTABLE";
  return NULL;
}
#endif

void leadx_host_watch(sqlite3 *handle, int steps, int (*stop)(void *), void *arg) {
  if (HAS(progress_handler)) sqlite3_progress_handler(handle, steps, stop, arg);
}

/* SQLite's own file system of memory, which shares what has an absolute name. */
static int is_private_memory(const sqlite3_vfs *vfs, const char *path) {
  return strcmp(vfs->zName, "memdb") == 0 && path[0] != '/' && path[0] != '\\';
}

const char *leadx_host_path(sqlite3 *handle) {
  const char *path = sqlite3_db_filename(handle, "main");
  sqlite3_vfs *vfs = NULL;
  sqlite3_file_control(handle, "main", SQLITE_FCNTL_VFS_POINTER, &vfs);
  return !path || (vfs && is_private_memory(vfs, path)) ? "" : path;
}

/* They are there together or not at all; one alone would be entered and never left. */
static int has_mutexes(void) {
  return HAS(mutex_alloc) && HAS(mutex_free) && HAS(mutex_enter) && HAS(mutex_try) &&
         HAS(mutex_leave);
}

sqlite3_mutex *leadx_mutex_alloc(int kind) {
  return has_mutexes() ? sqlite3_mutex_alloc(kind) : NULL;
}

void leadx_mutex_free(sqlite3_mutex *mutex) {
  if (has_mutexes()) sqlite3_mutex_free(mutex);
}

void leadx_mutex_enter(sqlite3_mutex *mutex) {
  if (has_mutexes()) sqlite3_mutex_enter(mutex);
}

int leadx_mutex_try(sqlite3_mutex *mutex) {
  return has_mutexes() ? sqlite3_mutex_try(mutex) : SQLITE_OK;
}

void leadx_mutex_leave(sqlite3_mutex *mutex) {
  if (has_mutexes()) sqlite3_mutex_leave(mutex);
}
