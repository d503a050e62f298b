/* Memory of which one allocation fails. See short_memory.h. */
#include "short_memory.h"

#include <check.h>
#include <sqlite3.h>

static sqlite3_mem_methods real;
static long left; /* allocations until the one that fails; 0: none does */
static int has_failed;

static int fails(void) {
  int now = left > 0 && --left == 0;
  has_failed |= now;
  return now;
}

static void *failing_malloc(int n) { return fails() ? NULL : real.xMalloc(n); }
static void *failing_realloc(void *p, int n) { return fails() ? NULL : real.xRealloc(p, n); }

void short_memory_begin(void) {
  sqlite3_shutdown();
  ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real), SQLITE_OK);
  sqlite3_mem_methods failing = real;
  failing.xMalloc = failing_malloc;
  failing.xRealloc = failing_realloc;
  ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_MALLOC, &failing), SQLITE_OK);
  ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK);
  short_memory_fail(0);
}

void short_memory_end(void) {
  sqlite3_shutdown();
  sqlite3_config(SQLITE_CONFIG_MALLOC, &real);
  sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 1200, 40);
}

void short_memory_fail(long nth) {
  left = nth;
  has_failed = 0;
}

int short_memory_failed(void) {
  left = 0;
  return has_failed;
}
