/* What make bench is made of: cases that run leadx and its bare counterpart in turn, and what
** they share. Every figure is a ratio (or a difference) within one run on one machine. */
#ifndef LEADX_BENCH_H
#define LEADX_BENCH_H

#include <stddef.h>

#include <sqlite3.h>

/* Where things are and how much of them; from the environment and the command line. */
typedef struct bench {
  const char *so, *url, *apikey, *token; /* the extension; the server and who speaks to it */
  const char *server_dir; /* of scripts/server/server.sh */
  const char *folder; /* for database files; emptied by scripts/quality/bench.sh */
  const char *self; /* this program, to be started again for memory and start-up */
  const char *only; /* run the cases whose name contains this */
  int rounds;
  int queue_rows; /* of the long queue */
  int pull_rows; /* of the large table */
  int best_batch; /* of the bare loop; found once, before it is compared */
} bench;

/* One row of the table that is printed. Each side returns its milliseconds (or megabytes), timed
** inside, so that what it prepares is not counted. */
typedef enum bench_kind { BENCH_COST, BENCH_SPEED, BENCH_EXTRA } bench_kind;
typedef struct bench_case {
  const char *name;
  bench_kind kind; /* leadx/bare at most, bare/leadx at least, leadx-bare at most the goal */
  double goal;
  const char *unit;
  int rounds; /* 0: as many as the command line says */
  double (*leadx)(bench *b, int round);
  double (*bare)(bench *b, int round);
} bench_case;

extern const bench_case bench_capture_cases[], bench_push_cases[], bench_idle_cases[],
    bench_lock_cases[], bench_pull_cases[]; /* each ends with NULL */

/* Says why and ends the program: a benchmark that measures something else than it says is worse
** than none. */
_Noreturn void bench_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

double bench_now_ms(void);
double bench_median(double *values, int n);

/* ---- devices: database files with the table `customers` of twelve columns ---- */

/* A new file of that name in WAL mode; leadx is loaded and configured when url is not NULL. */
sqlite3 *bench_device(const bench *b, const char *name, const char *url);
/* A file that is there already. */
sqlite3 *bench_reopen(const bench *b, const char *name, const char *url);
void bench_close(sqlite3 *db);
void bench_exec(sqlite3 *db, const char *fmt, ...); /* SQL with the holes of sqlite3_mprintf() */
/* The first column of the first row as an integer; of a text, what follows the given name in a JSON
** result. */
long long bench_int(sqlite3 *db, const char *sql);
long long bench_json_int(sqlite3 *db, const char *sql, const char *name);
/* Inserts n rows, in the caller's transaction or each in its own. */
void bench_fill(sqlite3 *db, int n);
/* The id of row i (0 to n-1), always the same one. */
void bench_uuid(int i, char out[37]);
/* Row i as JSON, as PostgREST takes it; returns its length. */
int bench_row_json(int i, char *out, size_t n);

/* ---- the server, by bare libcurl ---- */

void bench_server_empty(const bench *b); /* customers: no rows, statistics as of a fresh table */
long long bench_server_count(const bench *b);
/* Milliseconds for rows first to first+n-1, in sequential POSTs of a batch each or sequential
** PATCHes. */
double bench_post_loop(const bench *b, int first, int n, int batch);
double bench_patch_loop(const bench *b, const char *url, int first, int n, int round);
/* The same rows whole, over what stands there, in sequential POSTs that merge duplicates. */
double bench_upsert_loop(const bench *b, int first, int n, int batch);
/* What the server answers for an address under its root, by a connection that is kept; the caller
** frees. NULL: ends it. */
char *bench_get(const bench *b, const char *path);
/* Fills customers with n rows of the first user; nothing else is there afterwards. */
void bench_server_fill(const bench *b, int n);
/* Runs leadx_server_sql() for customers there, once. */
void bench_server_install(const bench *b);

/* ---- a link with a round trip of its own ---- */

/* Starts a process that hands every byte on to the server's address, what goes up delayed by
** delay_ms. Returns the URL to use instead, valid until bench_link_stop(). */
const char *bench_link_start(const bench *b, int delay_ms);
void bench_link_stop(void);

/* ---- what a second process does ---- */

double bench_status_mb(const char *name); /* of this process, by its name in /proc/self/status */
int bench_pull_file(bench *b, const char *name); /* the same as: */
int bench_push_file(
    bench *b, const char *name); /* prints the resident megabytes before a push, and its peak */

#endif
