/* What the triggers cost the application's own writes. */
#include "bench.h"

#define ROWS 100000
#define COMMITS 400

/* What stands on the table customers: nothing, the ten lines that anyone would write, or leadx. */
enum { BARE, TRACKED, OUTBOX };

#define MEMBERS(row) \
  "json_object('id', " row ".id, 'code', " row ".code, 'name', " row ".name, 'industry', " row \
  ".industry, 'phone', " row ".phone, 'city', " row ".city, 'latitude', " row \
  ".latitude, 'credit_limit', " row ".credit_limit, 'tax_number', " row \
  ".tax_number, 'is_active', " row ".is_active, 'notes', " row ".notes, 'updated_at', " row \
  ".updated_at)"
#define OUTBOX_TRIGGER(event, action, row) \
  "CREATE TRIGGER outbox_" event " AFTER " event " ON customers BEGIN INSERT INTO sync_queue(id, " \
  "entity_type, entity_id, action, payload) VALUES(hex(randomblob(16)), 'customer', " row \
  ".id, '" action "', " MEMBERS(row) "); END;"

static const char outbox[] =
    "CREATE TABLE sync_queue(id TEXT PRIMARY KEY, entity_type TEXT NOT NULL, entity_id TEXT NOT "
    "NULL, action TEXT NOT NULL, payload TEXT NOT NULL, status TEXT DEFAULT 'PENDING', retry_count "
    "INTEGER DEFAULT 0, error_message TEXT, created_at TEXT DEFAULT CURRENT_TIMESTAMP, synced_at "
    "TEXT);" OUTBOX_TRIGGER("INSERT", "CREATE", "NEW") OUTBOX_TRIGGER("UPDATE", "UPDATE", "NEW")
        OUTBOX_TRIGGER("DELETE", "DELETE", "OLD");

/* A device with that on its table. The network is not used. */
static sqlite3 *device(const bench *b, int what) {
  sqlite3 *db = bench_device(b, what == TRACKED ? "tracked" : "bare",
                             what == TRACKED ? b->url : NULL);
  if (what == OUTBOX) bench_exec(db, "%s", outbox);
  return db;
}

static double insert(const bench *b, int what) {
  sqlite3 *db = device(b, what);
  double began = bench_now_ms();
  bench_exec(db, "BEGIN");
  bench_fill(db, ROWS);
  bench_exec(db, "COMMIT");
  double ms = bench_now_ms() - began;
  if (what != BARE && bench_int(db, "SELECT count(*) FROM sync_queue") != ROWS)
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

static void update_one_column(sqlite3 *db) {
  sqlite3_stmt *stmt;
  char id[37];
  if (sqlite3_prepare_v2(db, "UPDATE customers SET phone = ?2 WHERE id = ?1", -1, &stmt, NULL) !=
      SQLITE_OK)
    bench_die("update: %s", sqlite3_errmsg(db));
  for (int i = 0; i < ROWS; i++) {
    bench_uuid(i, id);
    sqlite3_bind_text(stmt, 1, id, 36, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, "+62 811 000 111", -1, SQLITE_STATIC);
    if (sqlite3_step(stmt) != SQLITE_DONE) bench_die("update: %s", sqlite3_errmsg(db));
    sqlite3_reset(stmt);
  }
  sqlite3_finalize(stmt);
}

/* After the same INSERTs, which are in the queue. */
static double update_column(const bench *b, int what) {
  sqlite3 *db = device(b, what);
  bench_exec(db, "BEGIN");
  bench_fill(db, ROWS);
  bench_exec(db, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
  double began = bench_now_ms();
  bench_exec(db, "BEGIN");
  update_one_column(db);
  bench_exec(db, "COMMIT");
  double ms = bench_now_ms() - began;
  bench_close(db);
  return ms;
}

/* The megabytes of the file after both. */
static double file_size(const bench *b, int what) {
  sqlite3 *db = device(b, what);
  bench_exec(db, "BEGIN");
  bench_fill(db, ROWS);
  update_one_column(db);
  bench_exec(db, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
  double mb = (double)bench_int(db, "SELECT page_count * page_size FROM pragma_page_count, "
                                    "pragma_page_size") /
              1e6;
  bench_close(db);
  return mb;
}

#define PREPARED 500

/* One statement of a program that keeps none: it is prepared anew. */
static double prepare_anew(const bench *b, int what, const char *fmt) {
  sqlite3 *db = device(b, what);
  bench_exec(db, "BEGIN");
  bench_fill(db, PREPARED);
  double began = bench_now_ms();
  for (int i = 0; i < PREPARED; i++) bench_exec(db, fmt, i);
  double ms = bench_now_ms() - began;
  bench_exec(db, "COMMIT");
  bench_close(db);
  return ms / PREPARED;
}

#define INSERT_ANEW "INSERT INTO customers(id, name, phone) VALUES('new-%d', 'n', '1')"
#define UPDATE_ANEW "UPDATE customers SET phone = 'x%d' WHERE code = 'C-00000007'"

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

static double insert_outbox(bench *b, int round) { return (void)round, insert(b, OUTBOX); }
static double column_tracked(bench *b, int round) { return (void)round, update_column(b, TRACKED); }
static double column_outbox(bench *b, int round) { return (void)round, update_column(b, OUTBOX); }
static double size_tracked(bench *b, int round) { return (void)round, file_size(b, TRACKED); }
static double size_outbox(bench *b, int round) { return (void)round, file_size(b, OUTBOX); }
static double anew_insert(bench *b, int round) {
  return (void)round, prepare_anew(b, TRACKED, INSERT_ANEW);
}
static double anew_insert_outbox(bench *b, int round) {
  return (void)round, prepare_anew(b, OUTBOX, INSERT_ANEW);
}
static double anew_update(bench *b, int round) {
  return (void)round, prepare_anew(b, TRACKED, UPDATE_ANEW);
}
static double anew_update_outbox(bench *b, int round) {
  return (void)round, prepare_anew(b, OUTBOX, UPDATE_ANEW);
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
    {"outbox: 100,000 INSERTs of 12 columns, one transaction", BENCH_COST, 1.0, "ms", 0,
     insert_tracked, insert_outbox},
    {"outbox: 100,000 UPDATEs of one column, one transaction", BENCH_COST, 1.3, "ms", 0,
     column_tracked, column_outbox},
    {"outbox: file after both", BENCH_COST, 1.0, "MB", 1, size_tracked, size_outbox},
    {"outbox: INSERT that is prepared anew", BENCH_COST, 2.0, "ms", 0, anew_insert,
     anew_insert_outbox},
    {"outbox: UPDATE that is prepared anew", BENCH_COST, 3.0, "ms", 0, anew_update,
     anew_update_outbox},
    {0},
};
