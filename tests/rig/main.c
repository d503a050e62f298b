/* Runs the suites, bottom layer first. CK_RUN_SUITE, CK_RUN_CASE, CK_FORK and
** CK_VERBOSITY choose as Check's manual says; scripts/test.sh sets up the server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* A suite that is asked for and does not exist would otherwise pass with no check at all. */
static int is_known(const char *name) {
  for (int i = 0; i < N_ENTRIES; i++) {
    if (strcmp(entries[i].name, name) == 0) return 1;
  }
  fprintf(stderr, "no suite \"%s\"; there are:", name);
  for (int i = 0; i < N_ENTRIES; i++) fprintf(stderr, " %s", entries[i].name);
  fprintf(stderr, "\n");
  return 0;
}

int main(void) {
  const char *only = getenv("CK_RUN_SUITE");
  if (only && !is_known(only)) return EXIT_FAILURE;
  SRunner *runner = srunner_create(NULL);
  for (int i = 0; i < N_ENTRIES; i++) srunner_add_suite(runner, entries[i].suite());
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  int ran = srunner_ntests_run(runner);
  srunner_free(runner);
  if (ran == 0) fprintf(stderr, "no test was run\n");
  return failed == 0 && ran > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
