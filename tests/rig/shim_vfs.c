/* See shim_vfs.h. Nothing is flushed for real: a process that is killed loses nothing that it
** has written, and tests are many times faster without. */
#define _DEFAULT_SOURCE /* kill */
#include "shim_vfs.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static atomic_long counted;
static _Atomic unsigned counted_kinds;
static atomic_long fault_at;
static shim_fault fault_kind;

void shim_vfs_arm(unsigned kinds, long at, shim_fault fault) {
  fault_kind = fault;
  atomic_store(&fault_at, at);
  atomic_store(&counted, 0);
  atomic_store(&counted_kinds, kinds);
}

long shim_vfs_count(void) { return atomic_load(&counted); }

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* Counts a point; 1 when it is the one that meets its fault. */
static int is_hit(unsigned kind) {
  if (!(atomic_load(&counted_kinds) & kind)) return 0;
  return atomic_fetch_add(&counted, 1) + 1 == atomic_load(&fault_at);
}

static int meets(unsigned kind, int error) {
  if (!is_hit(kind)) return SQLITE_OK;
  if (fault_kind == SHIM_DIE) die();
  return error;
}

void shim_vfs_point(void) { meets(SHIM_OWN, SQLITE_OK); }

/* ---- files ---- */

typedef struct shim_file {
  sqlite3_file base;
  sqlite3_file *real; /* behind this struct, in the same memory */
} shim_file;

static sqlite3_file *real_of(sqlite3_file *file) { return ((shim_file *)file)->real; }

static int shim_close(sqlite3_file *file) {
  sqlite3_file *real = real_of(file);
  return real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int shim_read(sqlite3_file *file, void *out, int n, sqlite3_int64 at) {
  int rc = meets(SHIM_READ, SQLITE_IOERR_READ);
  return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xRead(real_of(file), out, n, at);
}

/* A write fails like a full disk, whose first half may be on it already. */
static int shim_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 at) {
  sqlite3_file *real = real_of(file);
  if (!is_hit(SHIM_WRITE)) return real->pMethods->xWrite(real, data, n, at);
  if (atomic_load(&fault_at) % 2) real->pMethods->xWrite(real, data, n / 2, at);
  if (fault_kind == SHIM_DIE) die();
  return SQLITE_FULL;
}

static int shim_truncate(sqlite3_file *file, sqlite3_int64 size) {
  int rc = meets(SHIM_RESIZE, SQLITE_IOERR_TRUNCATE);
  return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int shim_sync(sqlite3_file *file, int flags) {
  (void)file;
  (void)flags;
  return meets(SHIM_SYNC, SQLITE_IOERR_FSYNC);
}

static int shim_file_size(sqlite3_file *file, sqlite3_int64 *size) {
  return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int shim_lock(sqlite3_file *file, int level) {
  int rc = meets(SHIM_LOCK, SQLITE_BUSY);
  return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xLock(real_of(file), level);
}

static int shim_unlock(sqlite3_file *file, int level) {
  return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int shim_check_lock(sqlite3_file *file, int *out) {
  return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int shim_control(sqlite3_file *file, int op, void *arg) {
  return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int shim_sector_size(sqlite3_file *file) {
  return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int shim_characteristics(sqlite3_file *file) {
  return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int shim_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **out) {
  return real_of(file)->pMethods->xShmMap(real_of(file), region, size, extend, out);
}

static int shim_shm_lock(sqlite3_file *file, int offset, int n, int flags) {
  int rc = flags & SQLITE_SHM_LOCK ? meets(SHIM_LOCK, SQLITE_BUSY) : SQLITE_OK;
  return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}

static void shim_shm_barrier(sqlite3_file *file) {
  real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int shim_shm_unmap(sqlite3_file *file, int remove) {
  return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

static const sqlite3_io_methods shim_methods = {2,
                                                shim_close,
                                                shim_read,
                                                shim_write,
                                                shim_truncate,
                                                shim_sync,
                                                shim_file_size,
                                                shim_lock,
                                                shim_unlock,
                                                shim_check_lock,
                                                shim_control,
                                                shim_sector_size,
                                                shim_characteristics,
                                                shim_shm_map,
                                                shim_shm_lock,
                                                shim_shm_barrier,
                                                shim_shm_unmap,
                                                NULL,
                                                NULL};

/* ---- the VFS ---- */

static sqlite3_vfs *real_vfs;
static sqlite3_vfs shim;

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                     int *out_flags) {
  shim_file *opened = (shim_file *)file;
  (void)vfs;
  opened->real = (sqlite3_file *)&opened[1];
  opened->real->pMethods = NULL;
  int rc = real_vfs->xOpen(real_vfs, name, opened->real, flags, out_flags);
  file->pMethods = opened->real->pMethods ? &shim_methods : NULL;
  return rc;
}

static int shim_delete(sqlite3_vfs *vfs, const char *name, int sync_folder) {
  (void)vfs;
  (void)sync_folder;
  int rc = meets(SHIM_RESIZE, SQLITE_IOERR_DELETE);
  return rc != SQLITE_OK ? rc : real_vfs->xDelete(real_vfs, name, 0);
}

int shim_vfs_register(void) {
  int rc = sqlite3_initialize();
  if (rc != SQLITE_OK || sqlite3_vfs_find(SHIM_VFS)) return rc;
  real_vfs = sqlite3_vfs_find("unix");
  if (!real_vfs) return SQLITE_ERROR;
  shim = *real_vfs;
  shim.pNext = NULL;
  shim.zName = SHIM_VFS;
  shim.szOsFile += (int)sizeof(shim_file);
  shim.xOpen = shim_open;
  shim.xDelete = shim_delete;
  return sqlite3_vfs_register(&shim, 0);
}
