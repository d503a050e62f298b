/* A VFS in front of SQLite's own that counts what a program does to its files, and at the n-th
** of these points fails once or kills the process. The process may have points of its own, in
** the same count: device.c puts one on each side of everything it sends and receives. */
#ifndef LEADX_SHIM_VFS_H
#define LEADX_SHIM_VFS_H

#define SHIM_WRITE 1u
#define SHIM_SYNC 2u
#define SHIM_LOCK 4u /* taking a lock, of a file or of a WAL index; never giving one back */
#define SHIM_RESIZE 8u /* truncating, and deleting a journal */
#define SHIM_READ 16u
#define SHIM_OWN 32u /* shim_vfs_point() */
#define SHIM_CHANGES (SHIM_WRITE | SHIM_SYNC | SHIM_RESIZE)

typedef enum shim_fault {
  SHIM_FAIL, /* the point answers with an I/O error, SQLITE_FULL or SQLITE_BUSY, once */
  SHIM_DIE /* SIGKILL; of a write, every other time half of it is done before */
} shim_fault;

#define SHIM_VFS "shim"

/* Registers the VFS under the name SHIM_VFS. An SQLite result code. */
int shim_vfs_register(void);

/* Counts from zero again, only points of these kinds; the at-th one (0: none) meets the fault. */
void shim_vfs_arm(unsigned kinds, long at, shim_fault fault);
long shim_vfs_count(void);

void shim_vfs_point(void);

#endif
