/* Runs the cases, leadx and bare in turn, and prints the table. */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_ROUNDS 99

_Noreturn void bench_die(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  fputs("bench: ", stderr);
  vfprintf(stderr, fmt, args);
  fputc('\n', stderr);
  va_end(args);
  bench_link_stop();
  exit(1);
}

double bench_now_ms(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int compare_doubles(const void *a, const void *b) {
  const double *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

double bench_median(double *values, int n) {
  qsort(values, (size_t)n, sizeof *values, compare_doubles);
  return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* ---- one case ---- */

static void print_result(const bench_case *c, double leadx, double bare) {
  double ratio = c->kind == BENCH_COST    ? leadx / bare
                 : c->kind == BENCH_SPEED ? bare / leadx
                                          : leadx - bare;
  int reached = c->kind == BENCH_SPEED ? ratio >= c->goal : ratio <= c->goal;
  char figure[32], goal[32];
  int is_extra = c->kind == BENCH_EXTRA;
  snprintf(figure, sizeof figure, is_extra ? "%+.2f %s" : "%.2f x", ratio, c->unit);
  snprintf(goal, sizeof goal, is_extra ? "%s %.0f %s" : "%s %.2f x",
           c->kind == BENCH_SPEED ? ">=" : "<=", c->goal, c->unit);
  printf("%-58s %10.2f %10.2f %-4s %10s %10s  %s\n", c->name, leadx, bare, c->unit, figure, goal,
         reached ? "reached" : "NOT REACHED");
  fflush(stdout);
}

/* A B A B …: what the machine does meanwhile hits both. A first round warms caches and is not
** counted. */
static void run_case(bench *b, const bench_case *c) {
  double leadx[MAX_ROUNDS], bare[MAX_ROUNDS];
  int rounds = c->rounds ? c->rounds : b->rounds;
  for (int i = rounds > 1 ? -1 : 0; i < rounds; i++) {
    double a = c->leadx(b, i + 1), z = c->bare(b, i + 1);
    if (i >= 0) leadx[i] = a, bare[i] = z;
  }
  print_result(c, bench_median(leadx, rounds), bench_median(bare, rounds));
}

static void run_cases(bench *b, const bench_case *cases) {
  for (; cases->name; cases++) {
    if (!b->only || strstr(cases->name, b->only)) run_case(b, cases);
  }
}

/* ---- command line ---- */

static const char *need_env(const char *name) {
  const char *value = getenv(name);
  if (!value || !*value) bench_die("%s is not set; run it by scripts/quality/bench.sh", name);
  return value;
}

static int read_count(const char *text, int most) {
  long n = text ? strtol(text, NULL, 10) : 0;
  if (n < 1 || n > most)
    bench_die("a number from 1 to %d is expected, not \"%s\"", most, text ? text : "");
  return (int)n;
}

int main(int argc, char **argv) {
  bench b = {.rounds = 5, .queue_rows = 100000, .pull_rows = 100000, .self = argv[0]};
  const char *push_file = NULL, *pull_file = NULL;
  for (int i = 1; i < argc; i += 2) {
    const char *value = i + 1 < argc ? argv[i + 1] : NULL;
    if (strcmp(argv[i], "--rounds") == 0) b.rounds = read_count(value, MAX_ROUNDS);
    else if (strcmp(argv[i], "--queue-rows") == 0) b.queue_rows = read_count(value, 10000000);
    else if (strcmp(argv[i], "--pull-rows") == 0) b.pull_rows = read_count(value, 10000000);
    else if (strcmp(argv[i], "--only") == 0) b.only = value;
    else if (strcmp(argv[i], "--push-file") == 0) push_file = value;
    else if (strcmp(argv[i], "--pull-file") == 0) pull_file = value;
    else bench_die("unknown option %s", argv[i]);
  }
  b.so = need_env("LEADX_SO");
  b.url = need_env("LEADX_URL");
  b.apikey = need_env("LEADX_APIKEY");
  b.token = need_env("LEADX_TOKEN");
  b.server_dir = need_env("LEADX_SERVER_DIR");
  b.folder = need_env("LEADX_BENCH_DIR");
  if (push_file) return bench_push_file(&b, push_file);
  if (pull_file) return bench_pull_file(&b, pull_file);
  printf("%-58s %10s %10s %-4s %10s %10s\n", "what (medians, leadx and bare in turn)", "leadx",
         "bare", "", "result", "goal");
  run_cases(&b, bench_capture_cases);
  run_cases(&b, bench_push_cases);
  run_cases(&b, bench_idle_cases);
  run_cases(&b, bench_lock_cases);
  run_cases(&b, bench_pull_cases); /* last: the server's functions are installed on the way */
  bench_link_stop();
  return 0;
}
