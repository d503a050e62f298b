/* A device: the real leadx on a database in memory, a clock of its own, and a user. See sim.h. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "session/session.h"
#include "people.h"
#include "sim.h"

int sqlite3_leadx_init(sqlite3 *db, char **error, const sqlite3_api_routines *api);

const sim_table sim_tables[NTABLES] = {
    {"customers", "customer", 4, {"name", "phone", "score", "note"}, {1, 1, 0, 1}, -1, 1},
    {"pipelines", "pipeline", 3, {"customer_id", "title", "stage", NULL}, {1, 1, 0, 0}, 0, 0},
};

/* ---- the clock ---- */

static sim_device *clock_device;

void sim_clock_of(sim_device *device) { clock_device = device; }

static int64_t wall_us(void *self) {
  (void)self;
  return clock_device ? clock_device->world->now_us + clock_device->skew_us : 0;
}

static int64_t mono_ms(void *self) {
  (void)self;
  return clock_device ? (clock_device->world->now_us - clock_device->world->began_us) / 1000 : 0;
}

/* SQLite's own clock, for CURRENT_TIMESTAMP and strftime() in triggers. */
static int vfs_time64(sqlite3_vfs *vfs, sqlite3_int64 *ms) {
  (void)vfs;
  *ms = wall_us(NULL) / 1000 + INT64_C(210866760000000);
  return SQLITE_OK;
}

static int vfs_time(sqlite3_vfs *vfs, double *days) {
  sqlite3_int64 ms;
  vfs_time64(vfs, &ms);
  *days = (double)ms / 86400000.0;
  return SQLITE_OK;
}

/* What seeds SQLite's generator when a run begins. */
static int vfs_randomness(sqlite3_vfs *vfs, int n, char *out) {
  (void)vfs;
  for (int i = 0; i < n; i++) out[i] = clock_device ? (char)sim_random(clock_device->world) : 0;
  return n;
}

void sim_clock_install(void) {
  static sqlite3_vfs vfs, memory;
  static const leadx_clock_source source = {wall_us, mono_ms, NULL};
  sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 512, 400);
  sqlite3_initialize();
  vfs = *sqlite3_vfs_find(NULL);
  vfs.pNext = NULL;
  vfs.zName = "leadx_sim";
  vfs.xCurrentTimeInt64 = vfs_time64;
  vfs.xCurrentTime = vfs_time;
  vfs.xRandomness = vfs_randomness;
  sqlite3_vfs_register(&vfs, 1);
  /* Files in memory that several connections have open, by the same clock. */
  memory = *sqlite3_vfs_find("memdb");
  memory.pNext = NULL;
  memory.zName = "leadx_mem";
  memory.xCurrentTimeInt64 = vfs_time64;
  memory.xCurrentTime = vfs_time;
  memory.xRandomness = vfs_randomness;
  sqlite3_vfs_register(&memory, 0);
  leadx_clock_use(&source);
}

/* ---- databases ---- */

/* Runs SQL that cannot fail unless the simulation is wrong. */
static void must(sim_device *device, const char *sql) {
  char *error = NULL;
  if (sqlite3_exec(device->db, sql, NULL, NULL, &error) != SQLITE_OK)
    sim_fail(device->world, "%.200s: %s", sql, error ? error : "?");
  sqlite3_free(error);
}

static sqlite3_stmt *prepare_kept(sim_connection *connection, const char *sql) {
  for (int i = 0; i < KEPT_STATEMENTS; i++) {
    if (connection->kept[i] && strcmp(sqlite3_sql(connection->kept[i]), sql) == 0)
      return connection->kept[i];
    if (connection->kept[i]) continue;
    if (sqlite3_prepare_v3(connection->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &connection->kept[i],
                           NULL) == SQLITE_OK)
      return connection->kept[i];
    break;
  }
  fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(connection->db));
  abort(); /* the simulation itself is wrong */
}

sqlite3_stmt *sim_prepare(sim_device *device, const char *sql, int row) {
  sqlite3_stmt *stmt = prepare_kept(device->connection, sql);
  char id[ID_BYTES];
  sqlite3_reset(stmt);
  if (row >= 0) {
    sim_id(row, id);
    sqlite3_bind_text(stmt, 1, id, -1, SQLITE_TRANSIENT);
  }
  return stmt;
}

static int64_t row_int(sim_device *device, const char *sql, int row) {
  sqlite3_stmt *stmt = sim_prepare(device, sql, row);
  int64_t value = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
  sqlite3_reset(stmt);
  return value;
}

int64_t sim_device_int(sim_device *device, const char *sql) { return row_int(device, sql, -1); }

static const char customers_rough[] = "CREATE TABLE customers(id TEXT PRIMARY KEY NOT NULL, name "
                                      "TEXT NOT NULL, phone TEXT, score INTEGER, note TEXT,"
                                      " updated_at TIMESTAMP)";
static const char customers_soft[] = "CREATE TABLE customers(id TEXT PRIMARY KEY NOT NULL, name "
                                     "TEXT NOT NULL, phone TEXT, score INTEGER, note TEXT,"
                                     " updated_at TIMESTAMP, deleted_at TIMESTAMP)";

/* Nothing that is committed after the device died is on its disk. */
static int refuse_of_the_dead(void *connection) { return ((sim_connection *)connection)->is_dead; }

static void track(sim_device *device) {
  const sim_knobs *knobs = &device->world->knobs;
  must(device, knobs->rough ? customers_rough : customers_soft);
  must(device, "CREATE TABLE pipelines(id TEXT PRIMARY KEY NOT NULL, customer_id TEXT REFERENCES "
               "customers(id), title TEXT, stage INTEGER,"
               " updated_at TIMESTAMP)");
  const char *remote = device->world->is_real ? "sim_" : "", *kind = knobs->rough ? "hard" : "soft";
  char sql[300];
  for (int t = 0; t < NTABLES; t++) {
    snprintf(sql, sizeof sql,
             "SELECT leadx_track('%s', '{\"remote\":\"%s%s\",\"delete\":\"%s\"%s}')",
             sim_tables[t].name, remote, sim_tables[t].name, kind,
             knobs->rough ? "" : ",\"soft_delete\":\"deleted_at\"");
    must(device, sql);
  }
  must(device, knobs->foreign_keys ? "PRAGMA foreign_keys=ON" : "PRAGMA foreign_keys=OFF");
}

/* Appends the first column of every row of a query, each with a ';' behind it. */
static void append_texts(sim_device *device, const char *sql, sqlite3_str *out) {
  sqlite3_stmt *stmt = NULL;
  sqlite3_prepare_v2(device->db, sql, -1, &stmt, NULL);
  while (stmt && sqlite3_step(stmt) == SQLITE_ROW)
    sqlite3_str_appendf(out, "%s;", (const char *)sqlite3_column_text(stmt, 0));
  sqlite3_finalize(stmt);
}

/* The SQL that makes the database what it is now, whatever its tables have come to hold. Children
** go before their parents. */
static char *write_beginning(sim_device *device) {
  static const char tables[] =
      "FROM sqlite_schema t WHERE type = 'table' AND name <> 'leadx_applying' ORDER BY rowid DESC";
  sqlite3_str *queries = sqlite3_str_new(NULL), *script = sqlite3_str_new(NULL);
  char *deletes = sqlite3_mprintf("SELECT 'DELETE FROM ' || name %s", tables);
  char *inserts = sqlite3_mprintf("SELECT 'SELECT ''INSERT INTO ' || name || ' VALUES('' || ' || "
                                  "(SELECT group_concat('quote(\"' || name || '\")', '||'',''||')"
                                  " FROM pragma_table_info(t.name)) || '||'')'' FROM ' || name %s",
                                  tables);
  sqlite3_str_appendall(script, "BEGIN; INSERT INTO leadx_applying VALUES ('sim');");
  append_texts(device, deletes, script);
  append_texts(device, inserts, queries);
  char *text = sqlite3_str_finish(queries), *save = NULL;
  for (char *query = strtok_r(text, ";", &save); query; query = strtok_r(NULL, ";", &save))
    append_texts(device, query, script);
  sqlite3_str_appendall(script, "DELETE FROM leadx_applying; COMMIT");
  sqlite3_free(text);
  sqlite3_free(deletes);
  sqlite3_free(inserts);
  return sqlite3_str_finish(script);
}

static void connect(sim_device *device) {
  sim_connection *connection = device->connection;
  uint64_t random = device->world->random;
  sqlite3_open(":memory:", &connection->db);
  device->db = connection->db;
  /* Chance that goes into this is not the world's: a seed must run alike whichever came before
  ** it. */
  device->world->random = 0;
  sqlite3_randomness(0, NULL);
  sqlite3_leadx_init(connection->db, NULL, NULL);
  sqlite3_commit_hook(connection->db, refuse_of_the_dead, connection);
  track(device);
  connection->beginning = write_beginning(device);
  device->world->random = random;
}

/* A connection serves many runs: compiling statements on tables with triggers is most of what a new
** one costs. */
static sim_connection *need_connection(const sim_device *device) {
  static sim_connection connections[2][2][MAX_DEVICES];
  const sim_knobs *knobs = &device->world->knobs;
  return &connections[knobs->rough][knobs->foreign_keys][device->number];
}

/* leadx as a program that starts has it, but for statements that are compiled already. */
static void start(sim_device *device) {
  leadx_err err = {0};
  device->ctx = leadx_ctx_new(device->db);
  device->connection->statements.handle = device->db;
  device->ctx->db = device->connection->statements;
  if (device->world->is_real) sim_real_configure(device);
  else
    leadx_session_configure(device->ctx->session, "https://sim.example/rest/v1",
                            "sb_publishable_sim", NULL, 0, &err);
  if (err.rc != SQLITE_OK) sim_fail(device->world, "%s", err.text);
}

/* Is it one of the statements that stay for the next run? What is lent out still was forgotten by
** leadx. */
static int is_expected(const sim_connection *connection, const sqlite3_stmt *stmt) {
  const leadx_db *statements = &connection->statements;
  for (int i = 0; i < KEPT_STATEMENTS; i++) {
    if (connection->kept[i] == stmt) return 1;
  }
  for (int i = 0; i < LEADX_SQL_COUNT; i++) {
    if (statements->stmt[i] == stmt) return !statements->lent[i];
  }
  for (int i = 0; i < LEADX_DB_KEPT; i++) {
    if (statements->kept[i].stmt == stmt) return !statements->kept[i].lent;
  }
  return stmt == statements->undo[0] || stmt == statements->undo[1] || stmt == statements->undo[2];
}

/* Ends leadx as a program that ends does. Nothing may be left that would keep a host from closing
** its connection. */
static void stop(sim_device *device) {
  device->connection->statements = device->ctx->db;
  memset(&device->ctx->db, 0, sizeof device->ctx->db);
  leadx_ctx_unref(device->ctx);
  device->ctx = NULL;
  for (sqlite3_stmt *stmt = sqlite3_next_stmt(device->db, NULL); stmt;
       stmt = sqlite3_next_stmt(device->db, stmt)) {
    if (!is_expected(device->connection, stmt))
      sim_fail(device->world, "a statement was left open: %.100s", sqlite3_sql(stmt));
  }
  if (!sqlite3_get_autocommit(device->db))
    sim_fail(device->world, "%s", "a transaction was left open");
}

void sim_device_open(sim_device *device) {
  const sim_knobs *knobs = &device->world->knobs;
  const char *overlap = knobs->mutant == MUTANT_NO_OVERLAP      ? "0"
                        : knobs->mutant == MUTANT_SMALL_OVERLAP ? "20"
                                                                : "150";
  char sql[200];
  sim_clock_of(device);
  device->connection = need_connection(device);
  if (!device->connection->db) connect(device);
  device->db = device->connection->db;
  must(device, device->connection->beginning);
  snprintf(sql, sizeof sql,
           "SELECT leadx_config('policy', '%s'), leadx_config('overlap', '%s'), "
           "leadx_config('page_size', '50')",
           knobs->policy, overlap);
  must(device, sql);
  start(device);
}

void sim_device_close(sim_device *device) {
  stop(device);
  if (device->wire) device->wire->free(device->wire);
  device->wire = NULL;
  device->db = NULL;
}

void sim_device_restart(sim_device *device) {
  if (device->world->people) {
    people_stop(device);
    people_start(device);
    people_sign_in(device);
    return;
  }
  stop(device);
  device->connection->is_dead = 0;
  start(device);
}

/* ---- what the user does ---- */

static void log_write(sim_device *device, int table, int row, int column, int kind, int64_t rowid,
                      const sim_value *value) {
  if (device->nwrites == device->capacity) {
    device->capacity = device->capacity ? device->capacity * 2 : 256;
    device->writes = realloc(device->writes, sizeof *device->writes * (size_t)device->capacity);
  }
  sim_write *write = &device->writes[device->nwrites++];
  memset(write, 0, sizeof *write);
  write->table = table;
  write->row = row;
  write->column = column;
  write->kind = kind;
  write->rowid = rowid;
  if (value) write->value = *value;
}

static int64_t newest_queue_row(sim_device *device) {
  return sim_device_int(device, "SELECT max(rowid) FROM sync_queue");
}

static void bind_value(sqlite3_stmt *stmt, int parameter, const sim_value *value) {
  size_t n = strlen(value->json);
  if (value->json[0] == '"')
    sqlite3_bind_text(stmt, parameter, value->json + 1, (int)n - 2, SQLITE_TRANSIENT);
  else if (strcmp(value->json, "null") == 0) sqlite3_bind_null(stmt, parameter);
  else sqlite3_bind_int64(stmt, parameter, atoll(value->json));
}

/* Runs one statement with values and an id behind them; 1 when it changed a row. A refusal of the
** table's own rules is the user's affair. */
static int apply(sim_device *device, const char *sql, const sim_value *values, const int *columns,
                 int n, int row) {
  sqlite3_stmt *stmt = sim_prepare(device, sql, -1);
  char id[ID_BYTES];
  for (int i = 0; i < n; i++) bind_value(stmt, i + 1, &values[columns[i]]);
  sim_id(row, id);
  sqlite3_bind_text(stmt, n + 1, id, -1, SQLITE_TRANSIENT);
  int rc = sqlite3_step(stmt), changed = sqlite3_changes(device->db);
  sqlite3_reset(stmt);
  if (rc != SQLITE_DONE && (rc & 0xff) != SQLITE_CONSTRAINT)
    sim_fail(device->world, "a user's write failed: %s: %s", sql, sqlite3_errmsg(device->db));
  return rc == SQLITE_DONE && changed > 0;
}

static void say_write(sim_device *device, const char *verb, int table, int row,
                      const sim_value *value) {
  sim_say(device->world, "device %d: %s %s %d %s", device->number, verb, sim_tables[table].name,
          row, value ? value->json : "");
}

static const int all_columns[MAX_COLUMNS] = {0, 1, 2, 3};
#define STAMP "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"

static void log_row(sim_device *device, int table, int row, const sim_value *values) {
  int64_t rowid = newest_queue_row(device);
  for (int c = 0; c < sim_tables[table].ncolumns; c++)
    log_write(device, table, row, c, WRITE_VALUE, rowid, &values[c]);
}

/* INSERT or REPLACE of a whole row. */
static void put(sim_device *device, const char *verb, int table, int row, const sim_value *values) {
  static const char *const columns[NTABLES] = {
      "customers(name, phone, score, note, id, updated_at) VALUES (?1, ?2, ?3, ?4, ?5",
      "pipelines(customer_id, title, stage, id, updated_at) VALUES (?1, ?2, ?3, ?4"};
  char sql[300];
  snprintf(sql, sizeof sql, "%s INTO %s, %s)", verb, columns[table],
           device->world->knobs.app_stamps ? STAMP : "NULL");
  if (!apply(device, sql, values, all_columns, sim_tables[table].ncolumns, row)) return;
  log_row(device, table, row, values);
  say_write(device, verb, table, row, &values[1]);
}

/* Is the row in the local table, and not marked as deleted? */
static int is_local(sim_device *device, int table, int row) {
  static const char *const asks[] = {
      "SELECT EXISTS (SELECT 1 FROM customers WHERE id = ?1)",
      "SELECT EXISTS (SELECT 1 FROM customers WHERE id = ?1 AND deleted_at IS NULL)",
      "SELECT EXISTS (SELECT 1 FROM pipelines WHERE id = ?1)"};
  return (int)row_int(device, asks[table == PIPELINES ? 2 : !device->world->knobs.rough], row);
}

static int some_local(sim_device *device, int table) {
  sim_world *world = device->world;
  for (int i = 0; i < 4 && world->nrows[table] > 0; i++) {
    int row = sim_below(world, world->nrows[table]);
    if (is_local(device, table, row)) return row;
  }
  return -1;
}

static int new_values(sim_device *device, int table, sim_value *values) {
  for (int c = 0; c < sim_tables[table].ncolumns; c++) {
    values[c] = sim_new_value(device->world, table, c, device->number);
    if (c != sim_tables[table].parent_column) continue;
    int parent = some_local(device, CUSTOMERS);
    char id[ID_BYTES];
    if (parent < 0) return 0;
    sim_id(parent, id);
    snprintf(values[c].json, VALUE_BYTES, "\"%s\"", id);
  }
  return 1;
}

static void insert_new(sim_device *device, int table) {
  sim_value values[MAX_COLUMNS];
  if (device->world->nrows[table] == MAX_ROWS || !new_values(device, table, values)) return;
  put(device, "INSERT", table, device->world->nrows[table]++, values);
}

/* A row that this user deleted comes back with other values. */
static void insert_again(sim_device *device, int table) {
  sim_value values[MAX_COLUMNS];
  for (int i = device->nwrites - 1; i >= 0; i--) {
    const sim_write *write = &device->writes[i];
    if (write->kind != WRITE_DELETE || write->table != table || is_local(device, table, write->row))
      continue;
    int row = write->row;
    if (new_values(device, table, values)) put(device, "INSERT", table, row, values);
    return;
  }
}

static void replace(sim_device *device, int table) {
  sim_value values[MAX_COLUMNS];
  int row = some_local(device, table);
  if (row >= 0 && new_values(device, table, values)) put(device, "REPLACE", table, row, values);
}

static void update(sim_device *device, int table, int several) {
  sim_world *world = device->world;
  int row = some_local(device, table), columns[MAX_COLUMNS], n = 0,
      first = sim_tables[table].parent_column + 1;
  char sql[300] = "";
  if (row < 0) return;
  snprintf(sql, sizeof sql, "UPDATE %s SET ", sim_tables[table].name);
  sim_value values[MAX_COLUMNS];
  for (int c = first; c < sim_tables[table].ncolumns; c++) {
    if (!several && c != first && n == 0 && c < sim_tables[table].ncolumns - 1 &&
        sim_chance(world, 500))
      continue;
    if (!several && n == 0 && c < sim_tables[table].ncolumns - 1 && sim_chance(world, 500))
      continue;
    if (!several && n == 1) break;
    if (several && n > 0 && sim_chance(world, 400)) continue;
    values[c] = sim_new_value(world, table, c, device->number);
    columns[n++] = c;
    snprintf(sql + strlen(sql), sizeof sql - strlen(sql), "%s%s = ?%d", n > 1 ? ", " : "",
             sim_tables[table].column[c], n);
  }
  snprintf(sql + strlen(sql), sizeof sql - strlen(sql), "%s WHERE id = ?%d",
           world->knobs.app_stamps ? ", updated_at = " STAMP : "", n + 1);
  if (!apply(device, sql, values, columns, n, row)) return;
  int64_t rowid = newest_queue_row(device);
  for (int i = 0; i < n; i++) {
    log_write(device, table, row, columns[i], WRITE_VALUE, rowid, &values[columns[i]]);
    say_write(device, sim_tables[table].column[columns[i]], table, row, &values[columns[i]]);
  }
}

static void delete_(sim_device *device, int table) {
  static const char *const statements[NTABLES] = {"DELETE FROM customers WHERE id = ?1",
                                                  "DELETE FROM pipelines WHERE id = ?1"};
  int row = some_local(device, table);
  if (row < 0 || !apply(device, statements[table], NULL, NULL, 0, row)) return;
  log_write(device, table, row, 0, WRITE_DELETE, newest_queue_row(device), NULL);
  say_write(device, "DELETE", table, row, NULL);
}

/* The row gets another key: the old one is deleted, the new one inserted, with new values so that
** the two can be told apart. */
static void rekey(sim_device *device) {
  static const char rekeys[] =
      "UPDATE pipelines SET id = ?5, customer_id = ?1, title = ?2, stage = ?3 WHERE id = ?4";
  sim_world *world = device->world;
  int row = some_local(device, PIPELINES), fresh = world->nrows[PIPELINES];
  if (row < 0 || fresh == MAX_ROWS) return;
  sim_value values[MAX_COLUMNS];
  char id[ID_BYTES];
  if (!new_values(device, PIPELINES, values)) return;
  sim_id(fresh, id);
  sqlite3_stmt *stmt = sim_prepare(device, rekeys, -1);
  sqlite3_bind_text(stmt, 5, id, -1, SQLITE_TRANSIENT);
  if (!apply(device, rekeys, values, all_columns, 3, row)) return;
  world->nrows[PIPELINES]++;
  log_write(device, PIPELINES, row, 0, WRITE_DELETE, newest_queue_row(device) - 1, NULL);
  log_row(device, PIPELINES, fresh, values);
  say_write(device, "another key for", PIPELINES, row, &values[1]);
}

static void one_write(sim_device *device) {
  sim_world *world = device->world;
  int table = sim_below(world, NTABLES), what = sim_below(world, 100);
  if (what < 28) insert_new(device, table);
  else if (what < 66) update(device, table, 0);
  else if (what < 80) update(device, table, 1);
  else if (what < 90) delete_(device, table);
  else if (what < 95) insert_again(device, table);
  else if (what < 98) replace(device, table);
  else rekey(device);
}

/* The newest writes, per column; done after a statement or transaction stands. */
static void index_writes(sim_device *device, int from) {
  for (int i = from; i < device->nwrites; i++) {
    const sim_write *write = &device->writes[i];
    if (write->kind == WRITE_DELETE) device->deleted[write->table][write->row] = i + 1;
    else device->last[write->table][write->row][write->column] = i + 1;
  }
}

void sim_device_write(sim_device *device) {
  int before = device->nwrites;
  sim_clock_of(device);
  if (device->world->people) {
    people_step(device);
    return;
  }
  if (sim_chance(device->world, 800)) {
    one_write(device);
  } else {
    must(device, "BEGIN");
    for (int n = 2 + sim_below(device->world, 4); n > 0; n--) one_write(device);
    if (sim_chance(device->world, 150)) {
      must(device, "ROLLBACK");
      device->nwrites = before;
      sim_say(device->world, "device %d: rolled back", device->number);
    } else {
      must(device, "COMMIT");
    }
  }
  index_writes(device, before);
}

/* ---- syncs ---- */

static int64_t member_int(leadx_slice object, const char *name) {
  int64_t n = 0;
  leadx_slice value = leadx_json_member(object, name);
  if (value.n) leadx_json_int64(value, &n);
  return n;
}

static void read_result(sim_device *device, const char *text) {
  leadx_slice result = {NULL, 0};
  if (leadx_json_check(text, strlen(text), 0, &result, NULL)) {
    sim_fail(device->world, "leadx_sync answered %.100s", text);
    return;
  }
  leadx_slice state = leadx_json_member(result, "state");
  device->changed = member_int(result, "pushed") + member_int(result, "pulled") +
                    member_int(result, "conflicts") + member_int(result, "failed");
  device->world->conflicts += member_int(result, "conflicts");
  snprintf(device->state, sizeof device->state, "%.*s", state.n >= 2 ? (int)state.n - 2 : 0,
           state.n >= 2 ? state.z + 1 : "");
  if (device->changed || device->world->verbose || !device->world->calm)
    sim_say(device->world, "device %d: synced %.200s", device->number, text);
}

void sim_device_sync(sim_device *device, int reconcile) {
  leadx_err err = {0};
  leadx_sync_options options = {.who = "leadx_sync",
                                .trigger = "sim",
                                .with_pull = 1,
                                .with_reconcile = reconcile,
                                .request_budget = -1,
                                .open_transport = sim_network_open,
                                .arg = device};
  sim_clock_of(device);
  device->requests = 0;
  device->changed = 0;
  device->world->syncs++;
  device->is_syncing = 1;
  char *result = leadx_sync_report(device->ctx, &options, &err);
  device->is_syncing = 0;
  device->world->requests += device->requests;
  if (device->connection->is_dead) {
    sim_say(device->world, "device %d: crashed and started again", device->number);
    device->world->crashes++;
    sim_device_restart(device);
  } else if (result) {
    read_result(device, result);
  } else {
    sim_fail(device->world, "leadx_sync failed: %s", err.text);
  }
  sqlite3_free(result);
}

/* ---- the person in front of it ---- */

/* The first text of a query, "" for none. */
static void first_text(sim_device *device, const char *sql, char out[64]) {
  sqlite3_stmt *stmt = NULL;
  sqlite3_prepare_v2(device->db, sql, -1, &stmt, NULL);
  out[0] = 0;
  if (stmt && sqlite3_step(stmt) == SQLITE_ROW)
    snprintf(out, 64, "%s", (const char *)sqlite3_column_text(stmt, 0));
  sqlite3_finalize(stmt);
}

static void note_discarded(sim_device *device, const char *id) {
  char sql[200], key[64], entity[64];
  snprintf(sql, sizeof sql, "SELECT entity_id FROM sync_queue WHERE id = '%s'", id);
  first_text(device, sql, key);
  snprintf(sql, sizeof sql, "SELECT entity_type FROM sync_queue WHERE id = '%s'", id);
  first_text(device, sql, entity);
  int row = sim_row_of(key, strlen(key));
  if (row >= 0) device->discarded[strcmp(entity, "customer") == 0 ? CUSTOMERS : PIPELINES][row] = 1;
}

void sim_device_decide(sim_device *device) {
  char id[64], sql[200];
  sim_clock_of(device);
  for (int i = 0; i < 200; i++) {
    first_text(device, "SELECT id FROM sync_conflicts WHERE winner IS NULL LIMIT 1", id);
    if (!id[0]) break;
    snprintf(sql, sizeof sql, "SELECT leadx_resolve('%s', '%s')", id,
             sim_chance(device->world, 500) ? "client" : "server");
    sim_say(device->world, "device %d: %s", device->number, sql);
    must(device, sql);
    if (device->world->failed) return;
  }
  for (int i = 0; i < 200; i++) {
    first_text(device,
               "SELECT id FROM sync_queue WHERE status = 'FAILED' ORDER BY rowid DESC LIMIT 1", id);
    if (!id[0]) break;
    note_discarded(device, id);
    snprintf(sql, sizeof sql, "SELECT leadx_discard('%s')", id);
    sim_say(device->world, "device %d: %s", device->number, sql);
    must(device, sql);
    if (device->world->failed) return;
  }
}
