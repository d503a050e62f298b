/* A test's child that ends by _exit() leaves what it counted, as one that returns does. The
** loadable file has counters of its own, and tells the program that loads it how they are kept. For
** `make coverage` only. */
#define _GNU_SOURCE /* syscall */
#include <sys/syscall.h>
#include <unistd.h>

void __gcov_dump(void); /* libgcov's */
__attribute__((weak)) void leadx_coverage_keep_also(void (*keep)(void));

#ifdef SQLITE_CORE

static void (*keep_counters_of_loaded)(void);

void leadx_coverage_keep_also(void (*keep)(void)) { keep_counters_of_loaded = keep; }

/* Found before libc's. */
void _exit(int status) {
  __gcov_dump();
  if (keep_counters_of_loaded) keep_counters_of_loaded();
  for (;;) syscall(SYS_exit_group, status);
}

#else

__attribute__((constructor)) static void tell_program(void) {
  if (leadx_coverage_keep_also) leadx_coverage_keep_also(__gcov_dump);
}

#endif
