/* One run with people's programs: files that several connections have open, users who sign in and
** out, steps, calm, verdict. See people.h. */
#include "people.h"

#include <stdlib.h>
#include <string.h>

int sqlite3_leadx_init(sqlite3 *db, char **error, const sqlite3_api_routines *api);

#define SECOND INT64_C(1000000)
#define JANUARY_2026 (INT64_C(1767225600) * SECOND)
enum { ROUNDS = 16, DECIDE_FROM = 3, DISCARD_FROM = 5 };

/* ---- users ---- */

/* A token that nobody signed: who it is for, and a time far off. */
static void token_of(int user, char out[200]) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  char claims[100];
  size_t n = 0;
  snprintf(claims, sizeof claims,
           "{\"sub\":\"user-%d\",\"role\":\"authenticated\",\"exp\":4102444800}", user);
  while (strlen(claims) % 3) strcat(claims, " ");
  n = (size_t)snprintf(out, 200, "eyJhbGciOiJIUzI1NiJ9.");
  for (size_t i = 0; i < strlen(claims); i += 3) {
    unsigned bits = (unsigned)claims[i] << 16 | (unsigned)claims[i + 1] << 8 |
                    (unsigned)claims[i + 2];
    for (int k = 18; k >= 0; k -= 6) out[n++] = digits[bits >> k & 63];
  }
  snprintf(out + n, 200 - n, ".c2ln");
}

int people_user_of_token(const char *token) {
  char mine[200];
  for (int user = 0; user < PEOPLE_USERS; user++) {
    token_of(user, mine);
    if (strcmp(mine, token) == 0) return user;
  }
  return -1;
}

/* ---- files and connections ---- */

void people_exec(sim_device *device, sqlite3 *db, const char *sql) {
  char *error = NULL;
  if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
    sim_fail(device->world, "device %d: %.300s: %s", device->number, sql, error ? error : "?");
  sqlite3_free(error);
}

static sqlite3 *open_file(sim_device *device, const char *name) {
  sqlite3 *db = NULL;
  if (sqlite3_open_v2(name, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI,
                      "leadx_mem") != SQLITE_OK)
    sim_fail(device->world, "%s: %s", name, sqlite3_errmsg(db));
  return db;
}

static int refuse_of_the_dead(void *connection) { return ((sim_connection *)connection)->is_dead; }

void people_sign_in(sim_device *device) {
  char sql[300], token[200];
  token_of(device->world->people->device[device->number].user, token);
  snprintf(sql, sizeof sql, "SELECT leadx_set_token('%s')", token);
  people_exec(device, device->db, sql);
}

void people_start(sim_device *device) {
  sim_connection *connection = device->connection;
  connection->is_dead = 0;
  connection->db = device->db = open_file(device,
                                          device->world->people->device[device->number].name);
  sqlite3_leadx_init(device->db, NULL, NULL);
  sqlite3_commit_hook(device->db, refuse_of_the_dead, connection);
  device->ctx = leadx_ctx_new(device->db);
  people_exec(device, device->db,
              "SELECT leadx_configure('https://sim.example/rest/v1', 'sb_publishable_sim')");
  people_exec(device, device->db,
              device->world->knobs.foreign_keys ? "PRAGMA foreign_keys=ON"
                                                : "PRAGMA foreign_keys=OFF");
  people_exec(device, device->db,
              device->world->seed % 2 ? "PRAGMA recursive_triggers=ON"
                                      : "PRAGMA recursive_triggers=OFF");
}

void people_stop(sim_device *device) {
  sim_connection *connection = device->connection;
  for (int i = 0; i < KEPT_STATEMENTS; i++) sqlite3_finalize(connection->kept[i]);
  memset(connection->kept, 0, sizeof connection->kept);
  if (!sqlite3_get_autocommit(device->db)) sqlite3_exec(device->db, "ROLLBACK", NULL, NULL, NULL);
  leadx_ctx_unref(device->ctx);
  device->ctx = NULL;
  if (sqlite3_close(device->db) != SQLITE_OK)
    sim_fail(device->world, "sqlite3_close: %s: %.100s", sqlite3_errmsg(device->db),
             sqlite3_next_stmt(device->db, NULL) ? sqlite3_sql(sqlite3_next_stmt(device->db, NULL))
                                                 : "");
  device->db = connection->db = NULL;
}

static void open_device(sim_device *device) {
  static int files;
  sim_people *people = device->world->people;
  people_device *mine = &people->device[device->number];
  const char *overlap = device->world->knobs.mutant == MUTANT_NO_OVERLAP ? "0" : "150";
  char sql[200];
  sim_clock_of(device);
  mine->schema = people->schema;
  mine->keys = device->number;
  mine->user = sim_below(device->world, people->nusers);
  snprintf(mine->name, sizeof mine->name, "file:/people-%d", ++files);
  device->connection = calloc(1, sizeof *device->connection);
  mine->plain = open_file(device, mine->name);
  people_start(device);
  for (int t = 0; t < people->schema.ntables && !device->world->failed; t++) {
    char *ddl = people_local_ddl(&mine->schema, t, mine->schema.table[t].name),
         *track = people_track_sql(&mine->schema, t, 0),
         *trigger = people_trigger_sql(&mine->schema, t);
    people_exec(device, device->db, ddl);
    if (trigger) people_exec(device, device->db, trigger);
    people_exec(device, device->db, track);
    mine->tracked[t] = 1;
    sqlite3_free(ddl);
    sqlite3_free(track);
    sqlite3_free(trigger);
  }
  snprintf(sql, sizeof sql,
           "SELECT leadx_config('policy', '%s'), leadx_config('overlap', '%s'), "
           "leadx_config('page_size', '50')",
           device->world->knobs.policy, overlap);
  people_exec(device, device->db, sql);
  people_sign_in(device);
}

static void close_device(sim_device *device) {
  people_device *mine = &device->world->people->device[device->number];
  if (!device->connection) return;
  if (device->db) people_stop(device);
  sqlite3_close(mine->plain);
  sqlite3_close(mine->saved);
  free(device->connection);
}

/* ---- rows ---- */

void people_rows_free(people_rows *rows) {
  for (int i = 0; i < rows->n; i++) {
    sqlite3_free(rows->row[i].key);
    for (int c = 0; c < PEOPLE_COLUMNS; c++) sqlite3_free(rows->row[i].value[c]);
  }
  rows->n = 0;
}

/* n is -1 when there is no such table just now. */
void people_rows_read(sim_device *device, int t, int with_marked, people_rows *rows) {
  const people_table *table = &device->world->people->device[device->number].schema.table[t];
  sqlite3_str *sql = sqlite3_str_new(NULL);
  sqlite3_stmt *stmt = NULL;
  sqlite3_str_appendall(sql, "SELECT ");
  for (int c = 0; c < table->ncolumns; c++)
    sqlite3_str_appendf(sql, "%s%s", c ? ", " : "",
                        table->column[c].is_absent ? "NULL" : table->column[c].name);
  sqlite3_str_appendf(sql, " FROM %s%s", table->name,
                      table->is_soft && !with_marked ? " WHERE deleted_at IS NULL" : "");
  char *text = sqlite3_str_finish(sql);
  rows->n = sqlite3_prepare_v2(device->db, text, -1, &stmt, NULL) == SQLITE_OK ? 0 : -1;
  for (; stmt && rows->n < PEOPLE_ROWS && sqlite3_step(stmt) == SQLITE_ROW; rows->n++) {
    people_row *row = &rows->row[rows->n];
    memset(row, 0, sizeof *row);
    for (int c = 0; c < table->ncolumns; c++)
      row->value[c] = people_from_local(&table->column[c], stmt, c);
    row->key = people_join_key(table, row->value);
  }
  sqlite3_finalize(stmt);
  sqlite3_free(text);
}

/* ---- one run ---- */

/* Rows that a trigger keeps out come with every pull that sees them. */
static int keeps_out(const sim_people *people) {
  for (int t = 0; t < people->schema.ntables; t++) {
    people_trigger trigger = people->schema.table[t].trigger;
    if (trigger == TRIGGER_TRIM || trigger == TRIGGER_REFUSE) return 1;
  }
  return 0;
}

static void choose_knobs(sim_world *world) {
  static const char *const policies[] = {"timestamp", "timestamp", "merge",
                                         "client",    "server",    "manual"};
  sim_knobs *knobs = &world->knobs;
  knobs->devices = 2 + sim_chance(world, 400);
  knobs->steps = 40;
  knobs->rough = sim_chance(world, 500);
  knobs->foreign_keys = sim_chance(world, 500);
  knobs->faults = sim_chance(world, 400) ? 0 : 10 + sim_below(world, 120);
  knobs->row_cap = sim_chance(world, 300) ? 3 : 1000;
  knobs->policy = policies[sim_below(world, 6)];
  world->people->nusers = sim_chance(world, 600) ? 1 : 1 + sim_below(world, PEOPLE_USERS);
}

/* A question about a table that is being rebuilt waits. */
static void decide(sim_device *device) {
  if (!device->world->people->device[device->number].piece) sim_device_decide(device);
}

static void step(sim_world *world) {
  sim_device *device = &world->device[sim_below(world, world->knobs.devices)];
  int what = sim_below(world, 1000);
  world->now_us += sim_below(world, 40) * SECOND + sim_below(world, 1000000);
  sim_clock_of(device);
  if (what < 580) people_step(device);
  else if (what < 820) sim_device_sync(device, 0);
  else if (what < 920) people_model_write(world);
  else if (what < 945) device->offline = !device->offline;
  else if (what < 955) people_stop(device), people_start(device), people_sign_in(device);
  else if (what < 970 && world->knobs.rough) people_model_hide(world, 0);
  else if (what < 985 && world->knobs.rough) sim_device_sync(device, 1);
  else if (what < 990) decide(device);
  else sim_device_sync(device, 0);
  device->token_expired = 0;
}

static int64_t unsent(sim_device *device) {
  return sim_device_int(device, "SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'");
}

/* Everybody who left something unsent on a device signs in there once more. */
static void sync_for_all(sim_device *device, int reconcile) {
  people_device *mine = &device->world->people->device[device->number];
  int me = mine->user;
  int64_t changed = 0;
  for (int i = device->world->people->nusers - 1; i >= 0 && !device->world->failed; i--) {
    mine->user = (me + i) % device->world->people->nusers;
    if (device->world->people->nusers > 1) people_sign_in(device);
    sim_device_sync(device, reconcile);
    changed += device->changed;
  }
  device->changed = changed;
}

static int round_of_syncs(sim_world *world, int round, int reconcile) {
  int busy = 0;
  for (int d = 0; d < world->knobs.devices && !world->failed; d++) {
    sim_device *device = &world->device[d];
    world->now_us += 5 * SECOND;
    sim_clock_of(device);
    if (round >= DECIDE_FROM) sim_device_decide(device);
    if (!world->failed) sync_for_all(device, reconcile);
    if (!world->failed && unsent(device)) busy = 1;
    if ((device->changed && !keeps_out(world->people)) ||
        (strcmp(device->state, "ok") && strcmp(device->state, "partial")))
      busy = 1;
  }
  world->now_us += 600 * SECOND;
  return busy;
}

static void settle_down(sim_world *world, int reconcile) {
  int busy = 1, round = 0;
  for (; busy && round < ROUNDS && !world->failed; round++)
    busy = round_of_syncs(world, round, reconcile && round < 2) || round < DECIDE_FROM;
  for (int d = 0; d < world->knobs.devices && !world->failed && busy; d++)
    sim_fail(world,
             "progress: after %d rounds device %d has %lld unsent rows, state %s, and moved %lld",
             round, d, (long long)unsent(&world->device[d]), world->device[d].state,
             (long long)world->device[d].changed);
}

/* When all is quiet, a sync changes nothing anywhere. */
static void check_idle(sim_world *world) {
  long writes = world->people->nwrites;
  world->knobs.row_cap = 1000;
  for (int d = 0; d < world->knobs.devices && !world->failed; d++) {
    sim_clock_of(&world->device[d]);
    sim_device_sync(&world->device[d], 0);
    if (!world->failed && (world->people->nwrites != writes ||
                           (world->device[d].changed && !keeps_out(world->people))))
      sim_fail(world, "progress: an idle sync of device %d changed %lld rows here and %ld there", d,
               (long long)world->device[d].changed, world->people->nwrites - writes);
  }
}

static void quiesce(sim_world *world) {
  world->calm = 1;
  world->step = 9999;
  sim_say(world, "calm");
  if (world->knobs.rough) people_model_hide(world, 1);
  for (int d = 0; d < world->knobs.devices && !world->failed; d++) {
    sim_clock_of(&world->device[d]);
    world->device[d].offline = world->device[d].token_expired = 0;
    people_finish(&world->device[d]);
    people_catch_up(&world->device[d]);
  }
  world->now_us += 3700 * SECOND;
  settle_down(world, 0);
  if (!world->failed) settle_down(world, 1);
  if (!world->failed) check_idle(world);
  if (!world->failed && people_model_asides_left(world->people) > 0)
    sim_fail(world, "provenance: a value that was taken for a moment has stayed");
  for (int d = 0; d < world->knobs.devices && !world->failed; d++) {
    sim_clock_of(&world->device[d]);
    people_check_convergence(&world->device[d]);
  }
}

int people_run(sim_world *world) {
  world->random = world->seed * UINT64_C(0x2545f4914f6cdd1d) + 77;
  world->now_us = world->began_us = JANUARY_2026;
  world->people = calloc(1, sizeof *world->people);
  choose_knobs(world);
  people_schema_make(world, &world->people->schema);
  people_choose_weights(world);
  people_model_open(world);
  for (int d = 0; d < world->knobs.devices && !world->failed; d++) {
    world->device[d].world = world;
    world->device[d].number = d;
    world->device[d].skew_us = sim_below(world, 4000) * INT64_C(1000) - 2 * SECOND;
    open_device(&world->device[d]);
  }
  sqlite3_randomness(0, NULL);
  for (world->step = 1; world->step <= world->knobs.steps && !world->failed; world->step++)
    step(world);
  if (!world->failed) quiesce(world);
  for (int d = 0; d < world->knobs.devices; d++) close_device(&world->device[d]);
  people_model_close(world->people);
  free(world->people);
  world->people = NULL;
  sim_clock_of(NULL);
  return world->failed;
}
