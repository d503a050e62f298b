/* Memory and disk that fail. A device's life (story.h) in which the n-th allocation of a step, or
** the n-th thing done to a file, fails, for every n. The step may fail, and says then that memory
** or the disk was the reason; done again it must work, and it must stand as if nothing had
** happened: same local rows, same server rows, same queue, the file whole, all memory given
** back. */
#define _DEFAULT_SOURCE /* setenv */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sanitized.h"
#include "shim_vfs.h"
#include "story.h"
#include "suites.h"

enum { MAX_STEPS = 64, TEXT_BYTES = 32768 };

static int seconds(void) {
  const char *text = getenv("LEADX_FAULTS_SECONDS");
  return text ? atoi(text) : 300;
}

/* How a walk over n goes: every one up to `every`, beyond that one in `stride`. LEADX_FAULTS_EVERY
** (make soak) is another `every` for all of them, and LEADX_FAULTS_SECONDS the time that one test
** may take. */
typedef struct walk {
  long every, stride;
} walk;

static long next_n(const walk *w, long n) {
  const char *every = getenv("LEADX_FAULTS_EVERY");
  return n < (every ? atol(every) : w->every) ? n + 1 : n + w->stride;
}

/* ---- allocations that fail ---- */

static sqlite3_mem_methods real_memory;
static long allocations, fail_at;
static int fails_from_there_on, has_failed;
static story told;

static int fails(void) {
  if (told.is_paused) return 0;
  allocations++;
  int failing = fail_at &&
                (allocations == fail_at || (fails_from_there_on && allocations > fail_at));
  has_failed |= failing;
  return failing;
}

static void *failing_malloc(int n) { return fails() ? NULL : real_memory.xMalloc(n); }
static void *failing_realloc(void *p, int n) { return fails() ? NULL : real_memory.xRealloc(p, n); }

static void arm_memory(long at, int from_there_on) {
  allocations = has_failed = 0;
  fail_at = at;
  fails_from_there_on = from_there_on;
}

/* Only a library that is shut down can be given another allocator. Nothing holds memory of it then
** but what leadx keeps for a process, which both allocators can free. */
static void install_memory(const sqlite3_mem_methods *methods, int lookaside_bytes,
                           int lookaside_slots) {
  ck_assert_int_eq(sqlite3_shutdown(), SQLITE_OK);
  ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_MALLOC, methods), SQLITE_OK);
  /* Small allocations of a connection would otherwise come from a pool that never fails. */
  ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, lookaside_bytes, lookaside_slots),
                   SQLITE_OK);
  ck_assert_int_eq(sqlite3_initialize(), SQLITE_OK);
}

static void set_up_memory(void) {
  sqlite3_initialize();
  ck_assert_int_eq(sqlite3_shutdown(), SQLITE_OK);
  ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory), SQLITE_OK);
  sqlite3_mem_methods failing = real_memory;
  failing.xMalloc = failing_malloc;
  failing.xRealloc = failing_realloc;
  arm_memory(0, 0);
  install_memory(&failing, 0, 0);
}

static void tear_down_memory(void) { install_memory(&real_memory, 1200, 40); }

/* ---- a life in which nothing fails ---- */

/* moments[i] and texts[i] are of before step i; the last text is of the end. */
static story_moment moments[MAX_STEPS];
static char texts[MAX_STEPS + 1][TEXT_BYTES], now[TEXT_BYTES];

static void learn(void) {
  story_begin(&told, ":memory:", NULL, "MEMORY");
  for (int i = 0; i < story_count; i++) {
    story_tell(&told, texts[i], TEXT_BYTES);
    if (i >= story_first_of_a_file) story_save(&told, &moments[i]);
    ck_assert_msg(story_steps[i].run(&told) == SQLITE_OK, "%s: %s", story_steps[i].name,
                  told.result);
  }
  story_tell(&told, texts[story_count], TEXT_BYTES);
  ck_assert_ptr_null(strstr(texts[story_count], "PENDING"));
  ck_assert_ptr_null(strstr(texts[story_count], "FAILED"));
  ck_assert_ptr_nonnull(strstr(texts[story_count], "server lists"));
  ck_assert_ptr_nonnull(strstr(texts[story_count], "conflict ["));
  story_end(&told);
}

static void forget(void) {
  for (int i = 0; i < story_count; i++) story_forget(&moments[i]);
}

/* How many bytes two texts have in common at their beginning, back to the start of a line. */
static size_t common(const char *a, const char *b) {
  size_t n = 0, line = 0;
  for (; a[n] && a[n] == b[n]; n++) {
    if (a[n] == '\n') line = n + 1;
  }
  return line;
}

/* Does it stand as it should after that many steps? Says where it begins to differ: the whole is
** longer than a message of Check may be. */
static void compare(const char *what, int failing, long n, int steps) {
  story_tell(&told, now, TEXT_BYTES);
  size_t at = common(now, texts[steps]);
  ck_assert_msg(strcmp(now, texts[steps]) == 0,
                "%s %ld failed in \"%s\"; after \"%s\" it should stand\n%.400s\nbut it "
                "stands\n%.400s",
                what, n, story_steps[failing].name, story_steps[steps - 1].name, texts[steps] + at,
                now + at);
}

/* ---- memory ---- */

static int is_nomem(int rc) { return rc == SQLITE_NOMEM || rc == SQLITE_IOERR_NOMEM; }

/* The step with its n-th allocation failing, and again when it failed. *had: it had so many. */
static void fail_in(int step, long n, int from_there_on, int *had) {
  arm_memory(n, from_there_on);
  int rc = story_steps[step].run(&told);
  *had = has_failed;
  arm_memory(0, 0);
  ck_assert_msg(rc == SQLITE_OK || (*had && is_nomem(rc)),
                "\"%s\" with allocation %ld failing: %d %s", story_steps[step].name, n, rc,
                told.result);
  /* Without any memory the lease cannot be given back; it runs out. */
  if (rc != SQLITE_OK && from_there_on && told.db)
    sqlite3_exec(told.db, "UPDATE leadx_lease SET owner = NULL", NULL, NULL, NULL);
  if (rc != SQLITE_OK) rc = story_steps[step].run(&told);
  ck_assert_msg(rc == SQLITE_OK, "\"%s\" after its allocation %ld failed: %d %s",
                story_steps[step].name, n, rc, told.result);
  compare("allocation", step, n, step + 1);
}

/* A life with the n-th allocation of one step failing; to its end only for some n. 0 when the step
** has fewer. */
static int live_with_failing_memory(int step, long n, int to_the_end) {
  int had = 0;
  sqlite3_int64 bytes = sqlite3_memory_used();
  story_begin(&told, ":memory:", NULL, "MEMORY");
  if (moments[step].device) story_reopen(&told, &moments[step]);
  for (int i = 0; i < step && !moments[step].device; i++)
    ck_assert_int_eq(story_steps[i].run(&told), SQLITE_OK);
  fail_in(step, n, n % 5 == 0, &had);
  for (int i = step + 1; i < story_count && to_the_end; i++) {
    int rc = story_steps[i].run(&told);
    ck_assert_msg(rc == SQLITE_OK, "\"%s\" after allocation %ld failed in \"%s\": %d %s",
                  story_steps[i].name, n, story_steps[step].name, rc, told.result);
    compare("allocation", step, n, i + 1);
  }
  story_end(&told);
  ck_assert_msg(sqlite3_memory_used() == bytes, "allocation %ld failing in \"%s\" leaks %lld bytes",
                n, story_steps[step].name, (long long)(sqlite3_memory_used() - bytes));
  return had;
}

static void walk_over_memory(int step, const walk *w) {
  long runs = 0;
  if (!story_steps[step].is_ours) return;
  learn();
  for (long n = 1; live_with_failing_memory(step, n, runs % 40 == 39); n = next_n(w, n)) runs++;
  ck_assert_int_ge(runs, 2);
  forget();
}

START_TEST(any_allocation_may_fail) {
  static const walk w = {IS_SANITIZED ? 2 : 20, IS_SANITIZED ? 997 : 331};
  walk_over_memory(_i, &w);
}
END_TEST

/* ---- files ---- */

static char path[64];

static void remove_file(void) {
  static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};
  char name[80];
  for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
    snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
    unlink(name);
  }
}

static void set_up_file(void) {
  ck_assert_int_eq(shim_vfs_register(), SQLITE_OK);
  snprintf(path, sizeof path, "/tmp/leadx_faults_XXXXXX");
  int fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  close(fd);
}

static const struct disk {
  const char *journal;
  unsigned kinds;
} disks[] = {{"WAL", SHIM_CHANGES}, {"WAL", SHIM_LOCK},    {"DELETE", SHIM_CHANGES},
             {"DELETE", SHIM_LOCK}, {"DELETE", SHIM_READ}, {"WAL", SHIM_READ}};
enum { N_DISKS = sizeof disks / sizeof disks[0] };

static int is_disk_error(int rc) {
  static const int codes[] = {SQLITE_IOERR, SQLITE_FULL, SQLITE_BUSY, SQLITE_CANTOPEN,
                              SQLITE_CORRUPT};
  for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
    if ((rc & 0xff) == codes[i]) return 1;
  }
  return 0;
}

/* A life with the n-th point of a kind failing once. 0 when it has fewer. */
static int live_with_failing_disk(const struct disk *disk, long n) {
  int failing = 0;
  remove_file();
  story_begin(&told, path, SHIM_VFS, disk->journal);
  shim_vfs_arm(disk->kinds, n, SHIM_FAIL);
  for (int i = 0; i < story_count; i++) {
    int rc = story_steps[i].run(&told);
    if (rc != SQLITE_OK && shim_vfs_count() >= n && !failing) {
      failing = i;
      ck_assert_msg(is_disk_error(rc), "%s: \"%s\" with point %ld failing: %d %s", disk->journal,
                    story_steps[i].name, n, rc, told.result);
      rc = story_steps[i].run(&told);
    }
    ck_assert_msg(rc == SQLITE_OK, "%s: \"%s\" after point %ld failed: %d %s", disk->journal,
                  story_steps[i].name, n, rc, told.result);
  }
  int had = shim_vfs_count() >= n;
  shim_vfs_arm(0, 0, SHIM_FAIL);
  compare(disk->journal, failing, n, story_count);
  story_end(&told);
  return had;
}

START_TEST(any_access_to_the_file_may_fail_once) {
  static const walk w = {IS_SANITIZED ? 2 : 40, IS_SANITIZED ? 499 : 29};
  long runs = 0;
  learn();
  for (long n = 1; live_with_failing_disk(&disks[_i], n); n = next_n(&w, n)) runs++;
  ck_assert_int_ge(runs, 2);
  forget();
}
END_TEST

Suite *test_faults_suite(void) {
  Suite *suite = suite_create("faults");
  TCase *memory = tcase_create("memory");
  tcase_set_timeout(memory, seconds());
  tcase_add_checked_fixture(memory, set_up_memory, tear_down_memory);
  tcase_add_loop_test(memory, any_allocation_may_fail, 0, story_count);
  suite_add_tcase(suite, memory);
  TCase *disk = tcase_create("disk");
  tcase_set_timeout(disk, seconds());
  tcase_add_checked_fixture(disk, set_up_file, remove_file);
  tcase_add_loop_test(disk, any_access_to_the_file_may_fail_once, 0, N_DISKS);
  suite_add_tcase(suite, disk);
  return suite;
}
