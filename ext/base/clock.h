/* Time that passes: the wall clock and the monotonic clock, which tests can replace. */
#ifndef LEADX_CLOCK_H
#define LEADX_CLOCK_H

#include <stdint.h>

typedef struct leadx_clock_source {
  int64_t (*wall_us)(void *self); /* microseconds since 1970-01-01 UTC */
  int64_t (*mono_ms)(void *self); /* milliseconds, never goes back */
  void *self;
} leadx_clock_source;

/* Replaces both clocks (a simulation's virtual time); NULL brings the real ones back. */
void leadx_clock_use(const leadx_clock_source *source);

int64_t leadx_clock_wall_us(void);
int64_t leadx_clock_mono_ms(void);

#endif
