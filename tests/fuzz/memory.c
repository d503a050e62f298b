/* Memory of the fuzz programs. SQLite makes thousands of small allocations when it compiles, and a
** sanitizer that watches each makes everything several times slower. What SQLite takes for itself
** comes from a pool here; what leadx asks for, and what a step of a statement makes, which leadx
** reads, is memory that is watched. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <sanitizer/lsan_interface.h>

#include "fuzz.h"

#define POOL_BYTES ((size_t)48 << 20)
#define LARGEST 65536
#define CLASSES 64

void fuzz_use_pool(void);

void *__real_sqlite3_malloc64(sqlite3_uint64 n);
void *__real_sqlite3_realloc64(void *block, sqlite3_uint64 n);
int __real_sqlite3_step(sqlite3_stmt *stmt);
void *__wrap_sqlite3_malloc(int n);
void *__wrap_sqlite3_malloc64(sqlite3_uint64 n);
void *__wrap_sqlite3_realloc64(void *block, sqlite3_uint64 n);
int __wrap_sqlite3_step(sqlite3_stmt *stmt);
int __real_sqlite3_prepare_v2(sqlite3 *db, const char *sql, int n, sqlite3_stmt **out,
                              const char **rest);
int __real_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int n, unsigned flags,
                              sqlite3_stmt **out, const char **rest);
int __wrap_sqlite3_prepare_v2(sqlite3 *db, const char *sql, int n, sqlite3_stmt **out,
                              const char **rest);
int __wrap_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int n, unsigned flags,
                              sqlite3_stmt **out, const char **rest);

typedef struct block {
  struct block *next; /* while it is free */
} block;

static char *pool, *pool_at, *pool_end;
static block *free_blocks[CLASSES];
static int is_watched, depth;

/* Sizes of classes grow by a quarter. Sixteen bytes in front of a block say which one it is of. */
static size_t class_sizes[CLASSES];
static int nclasses;
static unsigned char class_of[LARGEST / 16 + 1];

static void make_classes(void) {
  for (size_t n = 16; n <= LARGEST; n = (n + n / 4 + 15) / 16 * 16) class_sizes[nclasses++] = n;
  class_sizes[nclasses - 1] = LARGEST;
  for (size_t i = 0, c = 0; i <= LARGEST / 16; i++) {
    while (class_sizes[c] < i * 16) c++;
    class_of[i] = (unsigned char)c;
  }
}

static int is_of_pool(const void *at) {
  return (const char *)at >= pool && (const char *)at < pool_end;
}

static int class_in_front(const void *at) { return *((const unsigned char *)at - 16); }

static void *take(int n) {
  if (is_watched || n > LARGEST) return malloc((size_t)n);
  int c = class_of[((size_t)n + 15) / 16];
  block *found = free_blocks[c];
  if (found) {
    free_blocks[c] = found->next;
    return found;
  }
  if (pool_end - pool_at < (ptrdiff_t)class_sizes[c] + 16) return malloc((size_t)n);
  char *at = pool_at + 16;
  pool_at = at + class_sizes[c];
  *(unsigned char *)(at - 16) = (unsigned char)c;
  return at;
}

static void give(void *at) {
  if (!is_of_pool(at)) {
    free(at);
    return;
  }
  block *returned = at;
  int c = class_in_front(at);
  returned->next = free_blocks[c];
  free_blocks[c] = returned;
}

static int size_of(void *at) {
  if (!at) return 0;
  return (int)(is_of_pool(at) ? class_sizes[class_in_front(at)] : malloc_usable_size(at));
}

static void *resize(void *at, int n) {
  if (!is_of_pool(at)) return realloc(at, (size_t)n);
  int had = size_of(at);
  if (!is_watched && n <= had) return at;
  void *copy = take(n);
  if (!copy) return NULL;
  memcpy(copy, at, (size_t)(n < had ? n : had));
  give(at);
  return copy;
}

/* Not at all: a block that is watched ends where it was asked to. */
static int round_up(int n) { return n; }
static int begin(void *arg) {
  (void)arg;
  return SQLITE_OK;
}
static void end(void *arg) { (void)arg; }

void fuzz_use_pool(void) {
  static sqlite3_mem_methods methods = {take, give, resize, size_of, round_up, begin, end, NULL};
  make_classes();
  pool = mmap(NULL, POOL_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
              -1, 0);
  FUZZ_CHECK(pool != MAP_FAILED, "no pool");
  /* What is watched is often known from here alone. */
  __lsan_register_root_region(pool, POOL_BYTES);
  pool_at = pool;
  pool_end = pool + POOL_BYTES;
  FUZZ_CHECK(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK, "config");
}

/* ---- what leadx calls: the linker puts these in the place of SQLite's ---- */

void *__wrap_sqlite3_malloc64(sqlite3_uint64 n) {
  int was = is_watched;
  is_watched = 1;
  void *at = __real_sqlite3_malloc64(n);
  is_watched = was;
  return at;
}

void *__wrap_sqlite3_malloc(int n) {
  return __wrap_sqlite3_malloc64(n > 0 ? (sqlite3_uint64)n : 0);
}

void *__wrap_sqlite3_realloc64(void *block, sqlite3_uint64 n) {
  int was = is_watched;
  is_watched = 1;
  void *at = __real_sqlite3_realloc64(block, n);
  is_watched = was;
  return at;
}

int __wrap_sqlite3_step(sqlite3_stmt *stmt) {
  int was = is_watched;
  is_watched = depth++ >= fuzz_outer_steps;
  int rc = __real_sqlite3_step(stmt);
  is_watched = was;
  depth--;
  return rc;
}

int __wrap_sqlite3_prepare_v2(sqlite3 *db, const char *sql, int n, sqlite3_stmt **out,
                              const char **rest) {
  int was = is_watched;
  is_watched = 0;
  int rc = __real_sqlite3_prepare_v2(db, sql, n, out, rest);
  is_watched = was;
  return rc;
}

int __wrap_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int n, unsigned flags,
                              sqlite3_stmt **out, const char **rest) {
  int was = is_watched;
  is_watched = 0;
  int rc = __real_sqlite3_prepare_v3(db, sql, n, flags, out, rest);
  is_watched = was;
  return rc;
}
