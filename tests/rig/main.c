/* Runs the suites, bottom layer first, and says of each how many checks it made and how long it
** took. LEADX_SUITES names the suites to run, with blanks between them; without it all run.
** CK_RUN_SUITE, CK_RUN_CASE, CK_FORK and CK_VERBOSITY choose as Check's manual says;
** scripts/test.sh sets up the server. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "suites.h"

typedef struct entry {
  const char *name;
  Suite *(*suite)(void);
} entry;

static const entry entries[] = {
#define LEADX_SUITE(module) {#module, test_##module##_suite},
#include "suites.def"
#undef LEADX_SUITE
};

enum { N_ENTRIES = sizeof entries / sizeof entries[0] };

/* What all suites amount to. */
typedef struct totals {
  int checks, failures, errors;
} totals;

static int is_suite(const char *name, size_t n) {
  for (int i = 0; i < N_ENTRIES; i++) {
    if (strlen(entries[i].name) == n && memcmp(entries[i].name, name, n) == 0) return 1;
  }
  return 0;
}

/* A suite that is asked for and does not exist would otherwise pass with no check at all. */
static int are_known(const char *names) {
  for (const char *name = names + strspn(names, " "); *name; name += strspn(name, " ")) {
    size_t n = strcspn(name, " ");
    if (!is_suite(name, n)) {
      fprintf(stderr, "no suite \"%.*s\"; there are:", (int)n, name);
      for (int i = 0; i < N_ENTRIES; i++) fprintf(stderr, " %s", entries[i].name);
      fprintf(stderr, "\n");
      return 0;
    }
    name += n;
  }
  return 1;
}

static int is_wanted(const char *wanted, const char *name) {
  size_t n = strlen(name);
  if (!wanted) return 1;
  for (const char *at = wanted; (at = strstr(at, name)) != NULL; at += n) {
    if ((at == wanted || at[-1] == ' ') && (at[n] == ' ' || at[n] == 0)) return 1;
  }
  return 0;
}

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int count_errors(SRunner *runner) {
  int n = srunner_ntests_failed(runner), errors = 0;
  TestResult **results = srunner_failures(runner);
  for (int i = 0; i < n; i++) errors += tr_rtype(results[i]) == CK_ERROR;
  free(results);
  return errors;
}

static void run_suite(const entry *e, int place, int of, totals *all) {
  double began = now_s();
  SRunner *runner = srunner_create(e->suite());
  srunner_run_all(runner, getenv("CK_VERBOSITY") ? CK_ENV : CK_SILENT);
  int checks = srunner_ntests_run(runner), failed = srunner_ntests_failed(runner);
  int errors = count_errors(runner);
  printf("[%2d/%d] %-18s %4d checks, %d failed, %.1f s\n", place, of, e->name, checks, failed,
         now_s() - began);
  if (failed && !getenv("CK_VERBOSITY")) srunner_print(runner, CK_NORMAL);
  fflush(stdout);
  srunner_free(runner);
  all->checks += checks;
  all->failures += failed - errors;
  all->errors += errors;
}

int main(void) {
  const char *only = getenv("CK_RUN_SUITE");
  const char *wanted = only ? only : getenv("LEADX_SUITES");
  totals all = {0, 0, 0};
  int of = 0, place = 0;
  if (wanted && !are_known(wanted)) return EXIT_FAILURE;
  for (int i = 0; i < N_ENTRIES; i++) of += is_wanted(wanted, entries[i].name);
  for (int i = 0; i < N_ENTRIES; i++) {
    if (is_wanted(wanted, entries[i].name)) run_suite(&entries[i], ++place, of, &all);
  }
  int failed = all.failures + all.errors;
  printf("%d%%: Checks: %d, Failures: %d, Errors: %d\n",
         all.checks ? (all.checks - failed) * 100 / all.checks : 0, all.checks, all.failures,
         all.errors);
  if (all.checks == 0) fprintf(stderr, "no test was run\n");
  return failed == 0 && all.checks > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
