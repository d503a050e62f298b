/* libFuzzer's side: FUZZ_TARGET is the function of fuzz.h that this program is for. */
#include <check.h>
#include <stdint.h>

#include "fuzz.h"

/* What the rig says through Check is said here without it: there is no test that it would be part
** of. */
void _mark_point(const char *file, int line) { (void)file, (void)line; }

void _ck_assert_failed(const char *file, int line, const char *expression, const char *text, ...) {
  fprintf(stderr, "fuzz: %s:%d: %s %s\n", file, line, expression, text ? text : "");
  abort();
}

/* See memory.c. */
void fuzz_use_pool(void);
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* One thread uses a connection, and nobody asks for the memory in use: less to do for each of SQLite's
** many allocations, each of which a sanitizer watches. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  FUZZ_CHECK(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK &&
                 sqlite3_config(SQLITE_CONFIG_MULTITHREAD) == SQLITE_OK,
             "config");
  fuzz_use_pool();
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  FUZZ_TARGET((const char *)data, n);
  return 0;
}
