/* See clock.h. */
#include "base/clock.h"

#include <stddef.h>
#include <time.h>

static int64_t real_wall_us(void *self) {
  (void)self;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t real_mono_ms(void *self) {
  (void)self;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const leadx_clock_source real_clock = {real_wall_us, real_mono_ms, NULL};

/* Replaced before threads exist and never while they run, hence no lock. */
static leadx_clock_source clock_source = {real_wall_us, real_mono_ms, NULL};

void leadx_clock_use(const leadx_clock_source *source) {
  clock_source = source ? *source : real_clock;
}

int64_t leadx_clock_wall_us(void) { return clock_source.wall_us(clock_source.self); }

int64_t leadx_clock_mono_ms(void) { return clock_source.mono_ms(clock_source.self); }
