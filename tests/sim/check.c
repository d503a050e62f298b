/* The invariants. Agreement alone finds none of the bugs that lose data: every replica agrees on
** the wrong value.
**
**   1 convergence         in the end every device has what the server shows to its user
**   2 no lost update      what a user wrote last reached the server, or a conflict names it, or the
**   row was
**                         deleted by that user, or a person gave the change up
**   3 read your writes    whatever is unsent stands in the local table, at every step
**   4 no resurrection     a deleted row lives again only by a new INSERT; no value comes back
**                         that was overwritten
**   5 progress            the queue drains, nothing is FAILED that the server did not refuse, and
**   when all is
**                         quiet a sync is one request per table
**
** See sim.h. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

static int table_of(const char *entity) {
  return strcmp(entity, sim_tables[CUSTOMERS].entity) == 0 ? CUSTOMERS : PIPELINES;
}

/* ---- local rows ---- */

typedef struct local_row {
  int exists;
  sim_value value[MAX_COLUMNS];
  int64_t version;
} local_row;

static sqlite3_stmt *prepare_rows(sim_device *device, int table, const char *where) {
  char sql[300];
  snprintf(sql, sizeof sql, "SELECT id, updated_at, %s, %s FROM %s%s",
           device->world->knobs.rough || table == PIPELINES ? "NULL" : "deleted_at",
           table == CUSTOMERS ? "name, phone, score, note" : "customer_id, title, stage",
           sim_tables[table].name, where);
  return sim_prepare(device, sql, -1);
}

static void read_row(sqlite3_stmt *stmt, int table, local_row *row) {
  const char *version = (const char *)sqlite3_column_text(stmt, 1);
  memset(row, 0, sizeof *row);
  row->exists = sqlite3_column_type(stmt, 2) == SQLITE_NULL;
  row->version = version ? sim_stamp_parse(version, strlen(version)) : 0;
  for (int c = 0; c < sim_tables[table].ncolumns; c++) {
    const char *text = (const char *)sqlite3_column_text(stmt, 3 + c);
    snprintf(row->value[c].json, VALUE_BYTES,
             text && sim_tables[table].is_text[c] ? "\"%s\"" : "%s", text ? text : "null");
  }
}

/* ---- 3 read your writes ---- */

static void check_pending_row(sim_device *device, int table, int n, const unsigned char *unsent,
                              sqlite3_stmt *stmt) {
  local_row row = {0};
  char id[ID_BYTES];
  sim_id(n, id);
  sqlite3_bind_text(stmt, 1, id, -1, SQLITE_TRANSIENT);
  int there = sqlite3_step(stmt) == SQLITE_ROW, removed = device->deleted[table][n];
  if (there) read_row(stmt, table, &row);
  sqlite3_reset(stmt);
  for (int c = 0; c < sim_tables[table].ncolumns; c++) {
    int newest = device->last[table][n][c];
    if (newest == 0 || newest < removed) continue;
    const sim_write *write = &device->writes[newest - 1];
    if (!unsent[write->rowid] || (row.exists && strcmp(row.value[c].json, write->value.json) == 0))
      continue;
    sim_fail(device->world,
             "read your writes: device %d wrote %s %d.%s = %s, it is unsent, and the table says %s",
             device->number, sim_tables[table].name, n, sim_tables[table].column[c],
             write->value.json, row.exists ? row.value[c].json : "nothing");
  }
  if (removed && unsent[device->writes[removed - 1].rowid] && removed > device->last[table][n][1] &&
      row.exists) {
    sim_fail(device->world,
             "read your writes: device %d deleted %s %d, that is unsent, and the row is there",
             device->number, sim_tables[table].name, n);
  }
}

void sim_check_own_writes(sim_device *device) {
  unsigned char unsent[MAX_QUEUE] = {0};
  sqlite3_stmt *rows[NTABLES],
      *queue = sim_prepare(
          device, "SELECT rowid, entity_type, entity_id FROM sync_queue WHERE status <> 'SYNCED'",
          -1);
  for (int pass = 0; pass < 2; pass++) {
    for (int t = 0; pass == 1 && t < NTABLES; t++)
      rows[t] = prepare_rows(device, t, " WHERE id = ?1");
    while (sqlite3_step(queue) == SQLITE_ROW) {
      int64_t rowid = sqlite3_column_int64(queue, 0);
      int table = table_of((const char *)sqlite3_column_text(queue, 1));
      const char *key = (const char *)sqlite3_column_text(queue, 2);
      int n = sim_row_of(key, strlen(key));
      if (rowid < MAX_QUEUE) unsent[rowid] = 1;
      if (pass == 1 && n >= 0) check_pending_row(device, table, n, unsent, rows[table]);
    }
    sqlite3_reset(queue);
  }
}

/* ---- 5 progress ---- */

void sim_check_failed(sim_device *device) {
  sqlite3_stmt *stmt = sim_prepare(device,
                                   "SELECT entity_type, entity_id, action, error_code, "
                                   "error_message FROM sync_queue WHERE status = 'FAILED'",
                                   -1);
  while (sqlite3_step(stmt) == SQLITE_ROW) {
    int table = table_of((const char *)sqlite3_column_text(stmt, 0));
    const char *key = (const char *)sqlite3_column_text(stmt, 1);
    int n = sim_row_of(key, strlen(key));
    const char *code = (const char *)sqlite3_column_text(stmt, 3);
    if (n >= 0 && (device->rejected[table][n] || device->once_hidden[table][n])) continue;
    /* Without tombstones nobody can tell a row that is gone from one that is hidden. */
    if (n >= 0 && !device->world->server->row[table][n].exists && code &&
        strcmp(code, "forbidden") == 0)
      continue;
    sim_fail(device->world,
             "progress: device %d: a %s of %s %d is FAILED, and the server never refused it: %s %s",
             device->number, (const char *)sqlite3_column_text(stmt, 2), sim_tables[table].name, n,
             (const char *)sqlite3_column_text(stmt, 3),
             (const char *)sqlite3_column_text(stmt, 4));
  }
  sqlite3_reset(stmt);
}

/* ---- 1 convergence ---- */

static void compare_row(sim_device *device, int table, int n, const local_row *local) {
  sim_world *world = device->world;
  const sim_row *row = &world->server->row[table][n];
  const char *name = sim_tables[table].name;
  int shown = row->exists && !row->deleted_at && !(row->hidden >> device->number & 1);
  if (shown != local->exists)
    sim_fail(world, "convergence: device %d: %s %d is %s on the server and %s here", device->number,
             name, n, shown ? "there" : "absent", local->exists ? "there" : "absent");
  if (!shown || !local->exists) return;
  for (int c = 0; c < sim_tables[table].ncolumns; c++) {
    if (strcmp(row->value[c].json, local->value[c].json) == 0) continue;
    sim_fail(world, "convergence: device %d: %s %d.%s is %s on the server and %s here",
             device->number, name, n, sim_tables[table].column[c], row->value[c].json,
             local->value[c].json);
  }
  if (row->version != local->version)
    sim_fail(world, "convergence: device %d: %s %d has another updated_at than on the server",
             device->number, name, n);
}

static void check_convergence(sim_device *device) {
  static local_row local[MAX_ROWS];
  for (int t = 0; t < NTABLES; t++) {
    memset(local, 0, sizeof local);
    sqlite3_stmt *stmt = prepare_rows(device, t, "");
    while (sqlite3_step(stmt) == SQLITE_ROW) {
      const char *id = (const char *)sqlite3_column_text(stmt, 0);
      int n = sim_row_of(id, strlen(id));
      if (n >= 0) read_row(stmt, t, &local[n]);
      else
        sim_fail(device->world, "convergence: device %d has a row %s of nobody", device->number,
                 id);
    }
    sqlite3_reset(stmt);
    for (int n = 0; n < device->world->nrows[t]; n++) compare_row(device, t, n, &local[n]);
  }
}

/* ---- 2 no lost update ---- */

static int reached_history(const sim_world *world, int table, int n, int column,
                           const sim_value *value) {
  for (int i = 0; i < world->server->nevents; i++) {
    const sim_event *event = &world->server->events[i];
    if (event->table == table && event->row == n && event->column == column &&
        strcmp(event->value.json, value->json) == 0)
      return 1;
  }
  return 0;
}

/* Is there a record of a conflict, or of the row's deletion by others, that holds this value? */
static int is_recorded(sim_device *device, int table, int n, int column, const sim_value *value) {
  sqlite3_stmt *stmt = sim_prepare(
      device,
      "SELECT EXISTS (SELECT 1 FROM sync_conflicts WHERE entity_id = ?1 AND "
      "json_quote(json_extract(client_payload, '$.' || ?2)) = ?3"
      " AND (contested = '[]' OR EXISTS (SELECT 1 FROM json_each(contested) WHERE value = ?2)))",
      n);
  sqlite3_bind_text(stmt, 2, sim_tables[table].column[column], -1, SQLITE_STATIC);
  sqlite3_bind_text(stmt, 3, value->json, -1, SQLITE_TRANSIENT);
  int recorded = sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0);
  sqlite3_reset(stmt);
  return recorded;
}

/* Did a person choose the server's value of this column? It goes over edits made while the question
** was open too. */
static int was_given_up(sim_device *device, int table, int n, int column) {
  sqlite3_stmt *stmt = sim_prepare(
      device,
      "SELECT EXISTS (SELECT 1 FROM sync_conflicts WHERE entity_id = ?1 AND winner = 'server' AND "
      "resolution = 'by hand'"
      " AND EXISTS (SELECT 1 FROM json_each(contested) WHERE value = ?2))",
      n);
  sqlite3_bind_text(stmt, 2, sim_tables[table].column[column], -1, SQLITE_STATIC);
  int given_up = sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0);
  sqlite3_reset(stmt);
  return given_up;
}

static void check_write(sim_device *device, int table, int n, int column) {
  int newest = device->last[table][n][column];
  if (newest == 0 || newest < device->deleted[table][n] || device->discarded[table][n]) return;
  const sim_write *write = &device->writes[newest - 1];
  if (reached_history(device->world, table, n, column, &write->value)) return;
  if (is_recorded(device, table, n, column, &write->value) ||
      was_given_up(device, table, n, column))
    return;
  sim_fail(device->world,
           "lost update: device %d wrote %s %d.%s = %s; the server never had it and no conflict "
           "names it",
           device->number, sim_tables[table].name, n, sim_tables[table].column[column],
           write->value.json);
}

static void check_lost_updates(sim_device *device) {
  for (int t = 0; t < NTABLES; t++) {
    for (int n = 0; n < device->world->nrows[t]; n++) {
      for (int c = 0; c < sim_tables[t].ncolumns; c++) check_write(device, t, n, c);
    }
  }
}

/* ---- 4 no resurrection, no stale overwrite ---- */

/* Was it decided, by the policy or a person, that this device's value stands? */
static int was_decided(sim_world *world, const sim_event *event) {
  for (int d = 0; d < world->knobs.devices; d++) {
    if (is_recorded(&world->device[d], event->table, event->row, event->column, &event->value))
      return 1;
  }
  return 0;
}

/* References have values of their own, which do come again. */
static int is_unique_value(const sim_event *event) {
  return event->column >= 0 && event->column != sim_tables[event->table].parent_column;
}

/* The value of a cell before the event i wrote it, NULL where nothing had. */
static const char *stood_before(const sim_world *world, int i) {
  const sim_event *event = &world->server->events[i];
  for (int k = i - 1; k >= 0; k--) {
    const sim_event *before = &world->server->events[k];
    if (before->table == event->table && before->row == event->row &&
        before->column == event->column)
      return before->value.json;
  }
  return NULL;
}

/* Did one device write the same value over the same value twice? Somebody brought the first value
** back in between, so the server that a device with a lost answer finds is the one that its user
** edited: no client can tell the two apart. */
static int is_same_edit(const sim_world *world, int first, int second) {
  const sim_event *event = world->server->events;
  if (event[first].who != event[second].who) return 0;
  const char *was = stood_before(world, first), *is = stood_before(world, second);
  return was != NULL && is != NULL && strcmp(was, is) == 0;
}

static void check_return(sim_world *world, int i) {
  const sim_event *event = &world->server->events[i];
  for (int k = i - 1; k >= 0; k--) {
    const sim_event *before = &world->server->events[k];
    if (before->column == EVENT_RESTORE) return;
    /* Without op ids on the server, a CREATE whose answer was lost and whose row was deleted since
    ** is made again. */
    if (before->column == EVENT_DELETE && before->table == event->table &&
        before->row == event->row)
      return;
    if (before->table != event->table || before->row != event->row ||
        before->column != event->column)
      continue;
    if (strcmp(before->value.json, event->value.json) != 0) continue;
    if (was_decided(world, event) || is_same_edit(world, k, i)) return;
    sim_fail(world, "stale overwrite: %s %d.%s = %s came back after it had been overwritten",
             sim_tables[event->table].name, event->row,
             sim_tables[event->table].column[event->column], event->value.json);
    return;
  }
}

static void check_history(sim_world *world) {
  for (int i = 0; i < world->server->nevents && !world->failed; i++) {
    const sim_event *event = &world->server->events[i];
    if (event->column == EVENT_INSERT && event->unasked) {
      sim_fail(world,
               "resurrection: %s %d was inserted by device %d, whose user did not ask for it",
               sim_tables[event->table].name, event->row, event->who);
    }
    if (is_unique_value(event)) check_return(world, i);
  }
}

void sim_check_end(sim_world *world) {
  for (int d = 0; d < world->knobs.devices && !world->failed; d++) {
    check_lost_updates(&world->device[d]);
    check_convergence(&world->device[d]);
  }
  check_history(world);
}
