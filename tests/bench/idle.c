/* What leadx costs where there is nothing to do. */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define HISTORY_ROWS 1000000
#define CALLS 20

/* ---- a sync with nothing to send ---- */

/* Two devices that differ in their history only; one round of CALLS syncs each. */
static sqlite3 *history_device(const bench *b, const char *name, int rows) {
  sqlite3 *db = bench_device(b, name, b->url);
  bench_exec(
      db,
      "INSERT INTO sync_queue(id, entity_type, entity_id, action, payload, status, synced_at)"
      " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT %d)"
      " SELECT printf('%%08x-0000-7000-8000-000000000000', i), 'customer', printf('%%036d', i), "
      "'UPDATE',"
      " '{\"name\":\"PT Pelanggan Nusantara\",\"city\":\"Jakarta\"}', 'SYNCED', "
      "'2026-01-05T08:15:30.000Z' FROM n",
      rows);
  if (bench_json_int(db, "leadx_sync()", "pending") != 0)
    bench_die("a queue without work has work");
  return db;
}

static double idle(const bench *b, sqlite3 **db, const char *name, int rows, const char *sql) {
  if (!*db) *db = history_device(b, name, rows);
  double began = bench_now_ms();
  for (int i = 0; i < CALLS; i++) bench_exec(*db, "SELECT %s", sql);
  return (bench_now_ms() - began) / CALLS;
}

static sqlite3 *with_history, *without_history;

static double idle_long(bench *b, int round) {
  return (void)round, idle(b, &with_history, "history", HISTORY_ROWS, "leadx_sync()");
}
static double idle_short(bench *b, int round) {
  return (void)round, idle(b, &without_history, "fresh", 1, "leadx_sync()");
}

/* ---- loading ---- */

/* Starts the shell and waits for its end. */
static double start_shell(const bench *b, int with_leadx) {
  char load[1024];
  snprintf(load, sizeof load, ".load %s", b->so);
  double began = bench_now_ms();
  pid_t pid = fork();
  if (pid == 0) {
    if (with_leadx)
      execlp("sqlite3", "sqlite3", "-cmd", load, ":memory:", "CREATE TABLE t(x)", (char *)NULL);
    else execlp("sqlite3", "sqlite3", ":memory:", "CREATE TABLE t(x)", (char *)NULL);
    _exit(127);
  }
  int status = 0;
  if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
    bench_die("the sqlite3 shell failed");
  return bench_now_ms() - began;
}

static double load(bench *b, int round) { return (void)round, start_shell(b, 1); }
static double no_load(bench *b, int round) { return (void)round, start_shell(b, 0); }

const bench_case bench_idle_cases[] = {
    {"leadx_sync(), queue empty, 1,000,000 SYNCED; bare: none", BENCH_COST, 1.1, "ms", 9, idle_long,
     idle_short},
    {"shell start with .load; bare: shell start", BENCH_EXTRA, 5, "ms", 31, load, no_load},
    {0},
};
