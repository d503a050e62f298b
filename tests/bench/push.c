/* The outbox on its way, compared with loops that know neither queue nor conflict. */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CREATES 10000
#define UPDATES 2000
#define PATCHES \
  200 /* of the sequential loop: 2,000 would take 45 s a round; its rate is what counts */
#define ROUND_TRIP_MS 20

static void expect_rows(const bench *b, long long n) {
  long long got = bench_server_count(b);
  if (got != n) bench_die("%lld rows are on the server, not %lld", got, n);
}

static double push_creates(bench *b, int round) {
  (void)round;
  sqlite3 *db = bench_device(b, "creates", b->url);
  bench_exec(db, "BEGIN");
  bench_fill(db, CREATES);
  bench_exec(db, "COMMIT");
  bench_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)");
  bench_server_empty(b);
  double began = bench_now_ms();
  long long pushed = bench_json_int(db, "leadx_push()", "pushed");
  double ms = bench_now_ms() - began;
  if (pushed != CREATES) bench_die("%lld rows were pushed", pushed);
  expect_rows(b, CREATES);
  bench_close(db);
  return ms;
}

/* The bare loop may choose its batch; three tries each, the best median wins. */
static int find_best_batch(bench *b) {
  static const int batches[] = {500, 1000, 2000, 5000};
  double best_ms = 0;
  for (int i = 0; i < 4; i++) {
    double ms[3];
    for (int k = 0; k < 3; k++) {
      bench_server_empty(b);
      ms[k] = bench_post_loop(b, 0, CREATES, batches[i]);
    }
    double median = bench_median(ms, 3);
    if (i == 0 || median < best_ms) best_ms = median, b->best_batch = batches[i];
  }
  fprintf(stderr, "bench: the bare loop is fastest with %d rows a request\n", b->best_batch);
  return b->best_batch;
}

static double post_creates(bench *b, int round) {
  (void)round;
  if (!b->best_batch) find_best_batch(b);
  bench_server_empty(b);
  double ms = bench_post_loop(b, 0, CREATES, b->best_batch);
  expect_rows(b, CREATES);
  return ms;
}

/* The rows stand on the server and on the device; what is timed is the push of one edit each. */
static double push_updates(bench *b, int round) {
  sqlite3 *db;
  if (round == 0) {
    bench_server_empty(b);
    db = bench_device(b, "updates", b->url);
    bench_exec(db, "BEGIN");
    bench_fill(db, UPDATES);
    bench_exec(db, "COMMIT");
    if (bench_json_int(db, "leadx_push()", "pushed") != UPDATES)
      bench_die("the rows to be updated did not reach the server");
    bench_close(db);
  }
  db = bench_reopen(b, "updates", bench_link_start(b, ROUND_TRIP_MS));
  bench_exec(
      db, "UPDATE customers SET phone = '+62 811 ' || rowid, notes = 'Called back in round ' || %d",
      round);
  double began = bench_now_ms();
  long long pushed = bench_json_int(db, "leadx_push()", "pushed");
  double ms = bench_now_ms() - began;
  if (pushed != UPDATES) bench_die("%lld updates were pushed", pushed);
  bench_close(db);
  return ms / UPDATES;
}

/* On rows of its own: the device would see conflicts in those that it pushed. */
static double patch_loop(bench *b, int round) {
  if (round == 0) bench_post_loop(b, UPDATES, PATCHES, PATCHES);
  return bench_patch_loop(b, bench_link_start(b, ROUND_TRIP_MS), UPDATES, PATCHES, round) / PATCHES;
}

/* ---- a long queue in bounded memory ---- */

double bench_status_mb(const char *name) {
  char line[256];
  double kb = 0;
  FILE *f = fopen("/proc/self/status", "r");
  while (f && fgets(line, sizeof line, f)) {
    if (strncmp(line, name, strlen(name)) == 0) kb = strtod(line + strlen(name) + 1, NULL);
  }
  if (f) fclose(f);
  return kb / 1024;
}

int bench_push_file(bench *b, const char *name) {
  sqlite3 *db = bench_reopen(b, name, b->url);
  bench_int(db, "SELECT count(*) FROM customers");
  double before = bench_status_mb("VmRSS"), began = bench_now_ms();
  long long pushed = bench_json_int(db, "leadx_push()", "pushed");
  double ms = bench_now_ms() - began;
  printf("%lld %.3f %.3f %.0f\n", pushed, before, bench_status_mb("VmHWM"), ms);
  bench_close(db);
  return 0;
}

static double baseline_mb;

static double push_long_queue(bench *b, int round) {
  char command[2048];
  double peak = 0, ms = 0;
  long long pushed = 0;
  (void)round;
  sqlite3 *db = bench_device(b, "long", b->url);
  bench_exec(db, "BEGIN");
  bench_fill(db, b->queue_rows);
  bench_exec(db, "COMMIT");
  bench_close(db);
  bench_server_empty(b);
  snprintf(command, sizeof command, "'%s' --push-file long", b->self);
  FILE *pipe = popen(command, "r");
  if (!pipe || fscanf(pipe, "%lld %lf %lf %lf", &pushed, &baseline_mb, &peak, &ms) != 4 ||
      pclose(pipe) != 0)
    bench_die("the second process failed");
  if (pushed != b->queue_rows) bench_die("%lld of %d rows were pushed", pushed, b->queue_rows);
  expect_rows(b, b->queue_rows);
  fprintf(stderr, "bench: a queue of %d rows was pushed in %.1f s, %.0f rows/s\n", b->queue_rows,
          ms / 1000, b->queue_rows / ms * 1000);
  return peak;
}

static double baseline(bench *b, int round) { return (void)b, (void)round, baseline_mb; }

const bench_case bench_push_cases[] = {
    {"push: 10,000 CREATEs; bare: POSTs of prepared JSON", BENCH_SPEED, 0.7, "ms", 0, push_creates,
     post_creates},
    {"push: 2,000 UPDATEs, 20 ms round trip; bare: PATCH loop", BENCH_SPEED, 5, "ms", 0,
     push_updates, patch_loop},
    {"push: a long queue, peak memory; bare: before the push", BENCH_EXTRA, 25, "MB", 1,
     push_long_queue, baseline},
    {0},
};
