/* The lease. See lease.h. */
#include "store/lease.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/uuid.h"
#include "store/queue.h"

/* A host name has 64 bytes at most, "pid:[4026531836]" fewer than 32; whole, for another machine's
** lease must not look like that of a process which has ended here. */
#define MACHINE_BYTES 100

/* Names the machine as its processes see each other: host name and, on Linux, the namespace of
** process ids. */
static void name_machine(char out[MACHINE_BYTES]) {
  char host[65] = "", space[32] = "";
  gethostname(host, sizeof host - 1);
  ssize_t n = readlink("/proc/self/ns/pid", space, sizeof space - 1);
  space[n > 0 ? n : 0] = 0;
  sqlite3_snprintf(MACHINE_BYTES, out, "%s/%s", host, space);
}

void leadx_lease_owner(char owner[LEADX_OWNER_BYTES]) {
  char machine[MACHINE_BYTES], id[LEADX_UUID_BYTES];
  name_machine(machine);
  leadx_uuid_make(0, id);
  sqlite3_snprintf(LEADX_OWNER_BYTES, owner, "%s %d %s", machine, (int)getpid(), id);
}

/* Has a process of this machine ended? One that nobody has waited for (a container without an init
** never does) still has a number, but no program any more. */
static int has_ended(pid_t pid) {
  char path[40], program[8];
  if (kill(pid, 0) != 0) return errno == ESRCH;
  sqlite3_snprintf((int)sizeof path, path, "/proc/%d/exe", (int)pid);
  return readlink("/proc/self/exe", program, sizeof program) > 0 &&
         readlink(path, program, sizeof program) < 0 && errno == ENOENT;
}

/* Was the holder a process of this machine that has ended? */
static int is_dead(const char *owner) {
  char machine[MACHINE_BYTES];
  name_machine(machine);
  size_t n = strlen(machine);
  if (strncmp(owner, machine, n) != 0 || owner[n] != ' ') return 0;
  long pid = strtol(owner + n + 1, NULL, 10);
  return pid > 0 && pid <= INT_MAX && has_ended((pid_t)pid);
}

/* Is somebody's lease still good? A lease that ends further ahead than one term from now, or began
** in the future, was written by a clock that has jumped since. */
int leadx_lease_is_held(leadx_db *db, const char *left, int64_t term_ms, int *held,
                        leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_get(db, LEADX_SQL_LEASE_GET, err);
  if (!stmt) return err->rc;
  int64_t now = leadx_clock_wall_us();
  const char *owner = leadx_db_next(db, stmt, err) ? leadx_db_text(stmt, 0, err) : NULL;
  *held = 0;
  if (owner) {
    int64_t taken = leadx_db_time_us(stmt, 1), expires = leadx_db_time_us(stmt, 2);
    int jumped = taken > now + 1000000 || expires > now + 10 * term_ms * 1000;
    *held = expires > now && !jumped && strcmp(owner, left) != 0 && !is_dead(owner);
  }
  leadx_db_put(db, stmt);
  return err->rc;
}

int leadx_lease_take(leadx_db *db, const char *owner, const char *left, int64_t term_ms, int *taken,
                     leadx_err *err) {
  int held = 1;
  *taken = 0;
  int rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = leadx_lease_is_held(db, left, term_ms, &held, err);
  if (rc == SQLITE_OK && !held) {
    int64_t now = leadx_clock_wall_us();
    rc = leadx_db_run(db, LEADX_SQL_LEASE_TAKE, err, "tii", owner, now, now + term_ms * 1000);
  }
  rc = leadx_db_end(db, rc, err);
  *taken = rc == SQLITE_OK && !held;
  return rc;
}

static int drop_once(leadx_db *db, const char *owner) {
  leadx_err ignored = {0};
  int rc = leadx_db_begin(db, &ignored);
  if (rc == SQLITE_OK) rc = leadx_db_run(db, LEADX_SQL_LEASE_DROP, &ignored, "t", owner);
  return leadx_db_end(db, rc, &ignored);
}

int leadx_lease_renew(leadx_db *db, const char *owner, int64_t until_us, int *kept,
                      leadx_err *err) {
  int rc = leadx_db_run(db, LEADX_SQL_LEASE_RENEW, err, "ti", owner, until_us);
  *kept = rc == SQLITE_OK && sqlite3_changes(db->handle) > 0;
  return rc;
}

/* Twice, so that one failure of memory or disk does not park the file until the lease runs out. */
int leadx_lease_drop(leadx_db *db, const char *owner) {
  int rc = drop_once(db, owner);
  return rc == SQLITE_OK ? rc : drop_once(db, owner);
}
