/* What the triggers cost the application's own writes. */
#include "bench.h"

#define ROWS 100000
#define COMMITS 400

/* A device with or without triggers. The network is not used. */
static sqlite3 *device(const bench *b, int tracked) {
  return bench_device(b, tracked ? "tracked" : "bare", tracked ? b->url : NULL);
}

static double insert(const bench *b, int tracked) {
  sqlite3 *db = device(b, tracked);
  double began = bench_now_ms();
  bench_exec(db, "BEGIN");
  bench_fill(db, ROWS);
  bench_exec(db, "COMMIT");
  double ms = bench_now_ms() - began;
  if (tracked && bench_int(db, "SELECT count(*) FROM sync_queue") != ROWS)
    bench_die("not every INSERT was captured");
  bench_close(db);
  return ms;
}

/* One statement: SQLite keeps its journal of a statement once, and not for each row. */
static double insert_select(const bench *b, int tracked) {
  sqlite3 *db = bench_device(b, "source", NULL);
  bench_exec(db, "BEGIN");
  bench_fill(db, ROWS);
  bench_exec(db, "COMMIT");
  bench_close(db);
  db = device(b, tracked);
  bench_exec(db, "ATTACH '%q/source.db' AS source", b->folder);
  double began = bench_now_ms();
  bench_exec(db, "INSERT INTO main.customers SELECT * FROM source.customers");
  double ms = bench_now_ms() - began;
  if (tracked && bench_int(db, "SELECT count(*) FROM sync_queue") != ROWS)
    bench_die("not every row of INSERT ... SELECT was captured");
  bench_exec(db, "DETACH source");
  bench_close(db);
  return ms;
}

static void update_all(sqlite3 *db) {
  sqlite3_stmt *stmt;
  char id[37];
  if (sqlite3_prepare_v2(db, "UPDATE customers SET phone = ?2, notes = ?3 WHERE id = ?1", -1, &stmt,
                         NULL) != SQLITE_OK) {
    bench_die("update: %s", sqlite3_errmsg(db));
  }
  for (int i = 0; i < ROWS; i++) {
    bench_uuid(i, id);
    sqlite3_bind_text(stmt, 1, id, 36, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, "+62 811 000 111", -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 3,
                      "Called back, the quotation is out and the visit is on Monday at ten.", -1,
                      SQLITE_STATIC);
    if (sqlite3_step(stmt) != SQLITE_DONE) bench_die("update: %s", sqlite3_errmsg(db));
    sqlite3_reset(stmt);
  }
  sqlite3_finalize(stmt);
}

static double update(const bench *b, int tracked) {
  sqlite3 *db = device(b, 0);
  bench_exec(db, "BEGIN");
  bench_fill(db, ROWS);
  bench_exec(db, "COMMIT");
  bench_close(db);
  db = bench_reopen(b, "bare", tracked ? b->url : NULL);
  if (tracked) bench_exec(db, "SELECT leadx_track('customers', '{\"mode\":\"push\"}')");
  bench_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)");
  double began = bench_now_ms();
  bench_exec(db, "BEGIN");
  update_all(db);
  bench_exec(db, "COMMIT");
  double ms = bench_now_ms() - began;
  if (tracked && bench_int(db, "SELECT count(*) FROM sync_queue") != ROWS)
    bench_die("not every UPDATE was captured");
  bench_close(db);
  return ms;
}

static double commit(const bench *b, int tracked) {
  sqlite3 *db = device(b, tracked);
  double began = bench_now_ms();
  bench_fill(db, COMMITS);
  double ms = bench_now_ms() - began;
  bench_close(db);
  return ms / COMMITS;
}

static double insert_tracked(bench *b, int round) { return (void)round, insert(b, 1); }
static double insert_bare(bench *b, int round) { return (void)round, insert(b, 0); }
static double select_tracked(bench *b, int round) { return (void)round, insert_select(b, 1); }
static double select_bare(bench *b, int round) { return (void)round, insert_select(b, 0); }
static double update_tracked(bench *b, int round) { return (void)round, update(b, 1); }
static double update_bare(bench *b, int round) { return (void)round, update(b, 0); }
static double commit_tracked(bench *b, int round) { return (void)round, commit(b, 1); }
static double commit_bare(bench *b, int round) { return (void)round, commit(b, 0); }

const bench_case bench_capture_cases[] = {
    {"capture: 100,000 INSERTs of 12 columns, one transaction", BENCH_COST, 2.5, "ms", 0,
     insert_tracked, insert_bare},
    {"capture: 100,000 rows of 12 columns by INSERT ... SELECT", BENCH_COST, 2.5, "ms", 0,
     select_tracked, select_bare},
    {"capture: 100,000 UPDATEs of 12 columns, one transaction", BENCH_COST, 2.5, "ms", 0,
     update_tracked, update_bare},
    {"capture: autocommit INSERT, WAL, synchronous=FULL", BENCH_COST, 1.25, "ms", 9, commit_tracked,
     commit_bare},
    {0},
};
