/* How long the background worker keeps the application from writing: its holds of the write lock,
** seen from below SQLite, while it sends and fetches; and what a writer without patience meets
** meanwhile. */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROWS 20000
#define MOST_HOLDS 200000
#define MOST_MS 120000

/* ---- a VFS that times the write lock of the WAL ---- */

/* The lock of index 0 is the writer's (see "WAL-index" in SQLite's file format). */
#define WRITE_LOCK 0

static sqlite3_vfs *system_vfs, watching_vfs;
static const sqlite3_io_methods *system_methods;
static sqlite3_io_methods watching_methods;
static _Thread_local int is_application;
static _Thread_local double locked_at, cpu_locked_at;
static double holds[MOST_HOLDS],
    cpu_holds
        [MOST_HOLDS]; /* by the clock; and what the thread did of it, the same on a busy machine */
static int nholds;

static double cpu_ms(void) {
  struct timespec ts;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int watch_lock(sqlite3_file *file, int offset, int n, int flags) {
  int is_writer = offset == WRITE_LOCK && (flags & SQLITE_SHM_EXCLUSIVE) && !is_application;
  if (is_writer && (flags & SQLITE_SHM_UNLOCK) && nholds < MOST_HOLDS) {
    cpu_holds[nholds] = cpu_ms() - cpu_locked_at;
    holds[nholds++] = bench_now_ms() - locked_at;
  }
  int rc = system_methods->xShmLock(file, offset, n, flags);
  if (is_writer && (flags & SQLITE_SHM_LOCK) && rc == SQLITE_OK) {
    locked_at = bench_now_ms();
    cpu_locked_at = cpu_ms();
  }
  return rc;
}

/* The file stays the system's; only the table of its methods is another one, with one entry
** replaced. */
static int watch_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out) {
  (void)vfs;
  int rc = system_vfs->xOpen(system_vfs, name, file, flags, out);
  if (rc == SQLITE_OK && (flags & SQLITE_OPEN_MAIN_DB)) {
    if (!system_methods) {
      system_methods = file->pMethods;
      watching_methods = *system_methods;
      watching_methods.xShmLock = watch_lock;
    }
    file->pMethods = &watching_methods;
  }
  return rc;
}

static void watch(int on) {
  if (!system_vfs) {
    system_vfs = sqlite3_vfs_find(NULL);
    watching_vfs = *system_vfs;
    watching_vfs.zName = "watching";
    watching_vfs.xOpen = watch_open;
  }
  if (on) sqlite3_vfs_register(&watching_vfs, 1);
  else sqlite3_vfs_unregister(&watching_vfs);
  is_application = on;
}

/* ---- the application and its worker ----
**
** The worker leaves the file alone for as long as it had it, so a writer that never waits is
** refused half of the time at most, while there is much to send, and one that waits a little always
** gets its turn. */

static void nap(long ms) {
  struct timespec ts = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&ts, NULL);
}

typedef struct writer {
  int written, refused;
} writer;

/* Writes a hundred times a second until the worker is done; what was refused is not tried again. */
static writer write_beside(sqlite3 *db, int patience_ms, const char *is_done) {
  writer result = {0, 0};
  double began = bench_now_ms();
  sqlite3_busy_timeout(db, patience_ms);
  while (bench_int(db, is_done) == 0) {
    if (bench_now_ms() - began > MOST_MS)
      bench_die("the worker is not done after %d s: %s", MOST_MS / 1000, is_done);
    int rc = sqlite3_exec(db, "INSERT INTO notes(text) VALUES ('of the application')", NULL, NULL,
                          NULL);
    if (rc == SQLITE_OK) result.written++;
    else if (rc == SQLITE_BUSY) result.refused++;
    else bench_die("%s", sqlite3_errmsg(db));
    nap(10);
  }
  sqlite3_busy_timeout(db, 5000);
  return result;
}

/* A device with 20,000 rows sends them, an empty one fetches them; the worker does it while the
** application writes. */
static writer send_and_fetch(bench *b, int patience_ms) {
  static const char track[] =
      "SELECT leadx_track('customers', '{\"columns\":{\"credit_limit\":{\"type\":\"decimal\"}}}');"
      "CREATE TABLE notes(text); SELECT leadx_start()";
  bench_server_empty(b);
  watch(1);
  nholds = 0;
  sqlite3 *sender = bench_device(b, "lock_sender", b->url);
  bench_fill(sender, ROWS);
  bench_exec(sender, "%s", track);
  writer sent = write_beside(
      sender, patience_ms, "SELECT NOT EXISTS (SELECT 1 FROM sync_queue WHERE status <> 'SYNCED')");
  bench_close(sender);
  sqlite3 *receiver = bench_device(b, "lock_receiver", b->url);
  bench_exec(receiver, "%s", track);
  char done[80];
  snprintf(done, sizeof done, "SELECT count(*) = %d FROM customers", ROWS);
  writer fetched = write_beside(receiver, patience_ms, done);
  bench_close(receiver);
  watch(0);
  return (writer){sent.written + fetched.written, sent.refused + fetched.refused};
}

static int compare_doubles(const void *a, const void *b) {
  const double *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

static double hold_p99(bench *b, int round) {
  (void)round;
  send_and_fetch(b, 5000);
  if (nholds == 0) bench_die("the worker held no lock");
  qsort(holds, (size_t)nholds, sizeof *holds, compare_doubles);
  qsort(cpu_holds, (size_t)nholds, sizeof *cpu_holds, compare_doubles);
  printf("# %d holds of the write lock, ms: median %.2f, p99 %.2f, longest %.2f; of the processor: "
         "%.2f, %.2f, %.2f\n",
         nholds, holds[nholds / 2], holds[nholds * 99 / 100], holds[nholds - 1],
         cpu_holds[nholds / 2], cpu_holds[nholds * 99 / 100], cpu_holds[nholds - 1]);
  return holds[nholds * 99 / 100];
}

static double refused_percent(bench *b, int patience_ms) {
  writer result = send_and_fetch(b, patience_ms);
  printf("# %d writes, %d refused\n", result.written, result.refused);
  return 100.0 * result.refused / (result.written + result.refused);
}

static double refused_at_once(bench *b, int round) { return (void)round, refused_percent(b, 0); }
static double refused_patient(bench *b, int round) { return (void)round, refused_percent(b, 250); }
static double nothing(bench *b, int round) { return (void)b, (void)round, 0; }

const bench_case bench_lock_cases[] = {
    {"write lock held by the worker, p99, 20,000 rows each way", BENCH_EXTRA, 50, "ms", 1, hold_p99,
     nothing},
    {"application's writes refused meanwhile, busy_timeout 0", BENCH_EXTRA, 50, "%", 1,
     refused_at_once, nothing},
    {"application's writes refused meanwhile, busy_timeout 250", BENCH_EXTRA, 0, "%", 1,
     refused_patient, nothing},
    {0},
};
