/* Fuzz targets: functions that take any bytes and must neither crash nor break a promise. libFuzzer
** drives them (driver.c, `make fuzz`); the suite "fuzz" replays what is kept in corpus/NAME, so
** that every finding stays found. */
#ifndef LEADX_FUZZ_H
#define LEADX_FUZZ_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/tables.h"

/* One per file fuzz_NAME.c, whose head says what the bytes stand for and what is promised. */
void fuzz_answer(const char *data, size_t n);
void fuzz_instant(const char *data, size_t n);
void fuzz_config(const char *data, size_t n);
void fuzz_request(const char *data, size_t n);
void fuzz_file(const char *data, size_t n);
void fuzz_sync(const char *data, size_t n);

/* A promise; what is broken is printed, and the process aborts where a debugger finds the input. */
#define FUZZ_CHECK(condition, ...) \
  do { \
    if (!(condition)) { \
      fprintf(stderr, "fuzz: " #condition " does not hold: " __VA_ARGS__); \
      fprintf(stderr, "\n"); \
      abort(); \
    } \
  } while (0)

/* ---- what targets share ---- */

/* A database in memory with two tracked tables, `notes` (a column of every type) and `pairs` (a key
** of two columns), made at the first call and kept. Every target leaves it as it was, by
** ROLLBACK. */
typedef struct fuzz_db {
  sqlite3 *handle;
  leadx_db db;
  leadx_err err;
  leadx_tables tables;
} fuzz_db;
fuzz_db *fuzz_open(void);
/* Gives it back; the next fuzz_open() makes a new one. */
void fuzz_close(void);

/* How many steps around one another are the target's own: what statements make in those, leadx does
** not read, and no sanitizer needs to watch it (memory.c). */
extern int fuzz_outer_steps;

/* Cuts the next line off the input: its text, terminated, in sqlite3_malloc memory; "" at the
** end. */
char *fuzz_line(const char **at, const char *end);

#endif
