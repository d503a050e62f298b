/* One run: knobs and steps out of a seed, then calm, then the verdict. See sim.h. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim.h"

/* Rounds of syncs after which a queue must be empty. */
enum { MAX_ROUNDS = 14, DECIDE_FROM = 3 };

#define SECOND INT64_C(1000000)
#define YEAR (INT64_C(365) * 86400 * SECOND)
#define JANUARY_2026 (INT64_C(1767225600) * SECOND)

/* ---- chance ---- */

uint32_t sim_random(sim_world *world) {
  uint64_t z = world->random += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return (uint32_t)((z ^ z >> 31) >> 16);
}

int sim_below(sim_world *world, int n) { return (int)(sim_random(world) % (uint32_t)n); }
int sim_chance(sim_world *world, int mille) { return sim_below(world, 1000) < mille; }

/* ---- names and values ---- */

void sim_id(int row, char out[ID_BYTES]) {
  uint32_t h = (uint32_t)row * 2654435761u; /* one to one, and in no order */
  snprintf(out, ID_BYTES, "%08x-0000-4000-8000-%012x", (unsigned)(h ^ h >> 15), (unsigned)row);
}

int sim_row_of(const char *id, size_t n) {
  char mine[ID_BYTES];
  if (n != ID_BYTES - 1) return -1;
  long row = strtol(id + 24, NULL, 16);
  if (row < 0 || row >= MAX_ROWS) return -1;
  sim_id((int)row, mine);
  return memcmp(mine, id, n) == 0 ? (int)row : -1;
}

sim_value sim_new_value(sim_world *world, int table, int column, int who) {
  sim_value value;
  int n = ++world->counter;
  if (!sim_tables[table].is_text[column]) snprintf(value.json, VALUE_BYTES, "%d", n);
  else if (who < 0) snprintf(value.json, VALUE_BYTES, "\"server %d\"", n);
  else snprintf(value.json, VALUE_BYTES, "\"device %d: %d\"", who, n);
  return value;
}

/* ---- what happened ---- */

void sim_say(sim_world *world, const char *fmt, ...) {
  va_list list;
  char *line = world->trail[world->ntrail++ % 24];
  va_start(list, fmt);
  vsnprintf(line, sizeof world->trail[0], fmt, list);
  va_end(list);
  if (world->verbose) printf("%4d %s\n", world->step, line);
}

void sim_fail(sim_world *world, const char *fmt, ...) {
  va_list list;
  if (world->failed) return;
  world->failed = 1;
  va_start(list, fmt);
  vsnprintf(world->failure, sizeof world->failure, fmt, list);
  va_end(list);
  if (world->verbose) printf("%4d VIOLATION %s\n", world->step, world->failure);
}

/* ---- the beginning ---- */

static void choose_knobs(sim_world *world) {
  static const char *const policies[] = {"timestamp", "timestamp", "merge",
                                         "client",    "server",    "manual"};
  sim_knobs *knobs = &world->knobs;
  knobs->rough = sim_chance(world, 400);
  knobs->foreign_keys =
      knobs->rough &&
      sim_chance(world, 500); /* a soft delete leaves orphans behind on the device that made it */
  knobs->app_stamps = sim_chance(world, 400);
  knobs->faults = sim_chance(world, 200) ? 0 : 20 + sim_below(world, 220);
  knobs->clock_jumps = sim_chance(world, 300);
  knobs->row_cap = sim_chance(world, 300) ? 3 : 7;
  knobs->policy = policies[sim_below(world, 6)];
}

static void open_devices(sim_world *world) {
  for (int d = 0; d < MAX_DEVICES; d++) {
    world->device[d].world = world;
    world->device[d].number = d;
  }
  for (int d = 0; d < world->knobs.devices && !world->failed; d++) {
    sim_device *device = &world->device[d];
    device->skew_us = sim_chance(world, 700) ? sim_below(world, 4000) * INT64_C(1000) - 2 * SECOND
                                             : (sim_below(world, 14400) - 7200) * SECOND;
    sim_device_open(device);
  }
  sqlite3_randomness(0, NULL); /* from here on SQLite's generator follows the seed */
}

/* ---- steps ---- */

static void jump_clock(sim_device *device) {
  device->skew_us += sim_chance(device->world, 500) ? YEAR : -YEAR;
  sim_say(device->world, "device %d: its clock jumps to %+lld s", device->number,
          (long long)(device->skew_us / SECOND));
}

static void change_weather(sim_device *device) {
  if (device->offline || device->token_expired) {
    device->offline = device->token_expired = 0;
    return;
  }
  device->offline = 1;
  sim_say(device->world, "device %d: offline", device->number);
}

static void step(sim_world *world) {
  sim_device *device = &world->device[sim_below(world, world->knobs.devices)];
  const sim_knobs *knobs = &world->knobs;
  int what = sim_below(world, 1000);
  world->now_us += sim_chance(world, 300)
                       ? sim_below(world, 60) * SECOND + sim_below(world, 1000000)
                       : sim_below(world, 2000000);
  sim_server_tick(world, 0);
  if (what < 560) sim_device_write(device);
  else if (what < 840) sim_device_sync(device, 0);
  else if (what < 910) sim_server_write(world);
  else if (what < 950) change_weather(device);
  else if (what < 965) sim_device_restart(device);
  else if (what < 970) sim_device_decide(device);
  else if (what < 975 && knobs->clock_jumps) jump_clock(device);
  else if (what < 985 && knobs->rough && !world->is_real) sim_server_hide(world);
  else if (what < 988 && knobs->rough && !world->is_real) sim_server_restore(world);
  else if (what < 993 && knobs->rough) sim_device_sync(device, 1);
  else sim_device_sync(device, 0);
  sim_check_own_writes(device);
}

/* ---- the end ---- */

static int64_t unsent(sim_device *device) {
  return sim_device_int(device, "SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'");
}

/* A round of syncs; answers whether anything moved or is left. */
static int round_of_syncs(sim_world *world, int reconcile) {
  int busy = 0;
  for (int d = 0; d < world->knobs.devices && !world->failed; d++) {
    sim_device *device = &world->device[d];
    world->now_us += 5 * SECOND;
    sim_device_sync(device, reconcile);
    sim_check_own_writes(device);
    sim_check_failed(device);
    if (device->changed || unsent(device) ||
        (strcmp(device->state, "ok") && strcmp(device->state, "partial")))
      busy = 1;
  }
  world->now_us += 600 * SECOND; /* back-off, leases and slow transactions are over */
  return busy;
}

static void decide_all(sim_world *world) {
  for (int d = 0; d < world->knobs.devices && !world->failed; d++)
    sim_device_decide(&world->device[d]);
}

static void settle_down(sim_world *world) {
  int busy = 1;
  for (int round = 0; busy && round < MAX_ROUNDS && !world->failed; round++) {
    if (round >= DECIDE_FROM) decide_all(world);
    busy = round_of_syncs(world, 0) || round <= DECIDE_FROM;
  }
  for (int d = 0; d < world->knobs.devices && busy && !world->failed; d++) {
    sim_device *device = &world->device[d];
    if (unsent(device))
      sim_fail(world, "progress: device %d still has %lld unsent rows, state %s", d,
               (long long)unsent(device), device->state);
  }
  if (busy) sim_fail(world, "progress: rows still move after %d rounds", MAX_ROUNDS);
}

/* When all is quiet, a sync asks each table once and changes nothing anywhere. */
static void check_idle(sim_world *world) {
  int writes = world->server->nwrites;
  world->knobs.row_cap = 1000; /* the overlap alone may be more than one page of seven */
  for (int d = 0; d < world->knobs.devices && !world->failed; d++) {
    sim_device *device = &world->device[d];
    sim_device_sync(device, 0);
    if (device->requests <= NTABLES && device->changed == 0 && world->server->nwrites == writes)
      continue;
    sim_fail(
        world,
        "progress: an idle sync of device %d took %d requests, changed %lld rows here and %d there",
        d, device->requests, (long long)device->changed, world->server->nwrites - writes);
  }
}

static void quiesce(sim_world *world) {
  world->calm = 1;
  world->step = 9999;
  sim_say(world, "calm");
  for (int d = 0; d < world->knobs.devices; d++)
    world->device[d].offline = world->device[d].token_expired = 0;
  sim_server_tick(world, 1);
  world->now_us += 3700 * SECOND; /* a Retry-After, a lease, a back-off */
  settle_down(world);
  if (world->knobs.rough && !world->failed) {
    round_of_syncs(world, 1);
    settle_down(world);
  }
  if (!world->failed) check_idle(world);
  if (!world->failed && world->is_real) sim_real_load(world);
  if (!world->failed) sim_check_end(world);
}

static void tear_down(sim_world *world) {
  for (int d = 0; d < MAX_DEVICES; d++) {
    sim_device *device = &world->device[d];
    if (device->db) sim_device_close(device);
    free(device->writes);
  }
  free(world->server->events);
  free(world->server);
  sim_clock_of(NULL);
}

int sim_run(sim_world *world) {
  world->random = world->seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
  world->now_us = world->began_us = world->is_real ? (int64_t)time(NULL) * SECOND : JANUARY_2026;
  world->server = calloc(1, sizeof *world->server);
  choose_knobs(world);
  if (world->is_real) sim_real_begin(world);
  open_devices(world);
  for (world->step = 1; world->step <= world->knobs.steps && !world->failed; world->step++)
    step(world);
  if (!world->failed) quiesce(world);
  tear_down(world);
  return world->failed;
}
