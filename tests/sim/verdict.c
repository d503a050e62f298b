/* What is asked when all is quiet: does every device have what the server shows to its user, and
** where it does not, is a person told? See people.h. */
#include <string.h>

#include "people.h"

static people_rows here, there;

static int differs(const char *a, const char *b) { return a && b ? strcmp(a, b) != 0 : a != b; }

/* Rows that an application's trigger keeps out of the table are not missed. */
static int may_lack(const people_table *table) {
  return table->trigger == TRIGGER_TRIM || table->trigger == TRIGGER_REFUSE;
}

static const people_row *find(const people_rows *rows, const char *key) {
  for (int i = 0; i < rows->n; i++) {
    if (strcmp(rows->row[i].key, key) == 0) return &rows->row[i];
  }
  return NULL;
}

/* The first difference of a table in words; 0 when there is none. */
static int compare(sim_device *device, int t, char *words, size_t size) {
  const people_table *table = &device->world->people->device[device->number].schema.table[t];
  int found = 0;
  for (int i = 0; i < there.n && !found; i++) {
    const people_row *row = find(&here, there.row[i].key);
    if (!row && may_lack(table)) continue;
    if (!row)
      snprintf(words, size, "%s [%s] is on the server and not here", table->name, there.row[i].key);
    found = !row;
    for (int c = 0; row && c < table->ncolumns && !found; c++) {
      if (table->column[c].is_local || table->column[c].is_absent ||
          !differs(there.row[i].value[c], row->value[c]))
        continue;
      snprintf(words, size, "%s [%s].%s is %.60s on the server and %.60s here", table->name,
               row->key, table->column[c].name,
               there.row[i].value[c] ? there.row[i].value[c] : "null",
               row->value[c] ? row->value[c] : "null");
      found = 1;
    }
  }
  for (int i = 0; i < here.n && !found; i++) {
    if (find(&there, here.row[i].key)) continue;
    snprintf(words, size, "%s [%s] is here and not on the server", table->name, here.row[i].key);
    found = 1;
  }
  return found;
}

static int has_problems(sim_device *device) {
  sqlite3_stmt *stmt = NULL;
  int n = -1;
  sqlite3_prepare_v2(device->db, "SELECT count(*) FROM leadx_problems", -1, &stmt, NULL);
  if (stmt && sqlite3_step(stmt) == SQLITE_ROW) n = sqlite3_column_int(stmt, 0);
  sqlite3_finalize(stmt);
  return n;
}

/* Invariants 1 and 7: what differs, or waits, is a thing that a person is told about. */
void people_check_convergence(sim_device *device) {
  sim_world *world = device->world;
  char words[300] = "";
  int found = 0;
  for (int t = 0; t < world->people->schema.ntables && !found; t++) {
    people_rows_read(device, t, 0, &here);
    people_model_rows(world->people, t, world->people->device[device->number].user, &there);
    found = compare(device, t, words, sizeof words);
    people_rows_free(&here);
    people_rows_free(&there);
  }
  int64_t waiting = sim_device_int(device,
                                   "SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'");
  if (!found && !waiting) return;
  int problems = has_problems(device), is_ok = strcmp(device->state, "ok") == 0;
  if (problems > 0 && !is_ok) return;
  if (found)
    sim_fail(world, "convergence: device %d: %s; %d problems, state %s", device->number, words,
             problems, device->state);
  else
    sim_fail(world, "unseen: device %d has %lld rows that wait; %d problems, state %s",
             device->number, (long long)waiting, problems, device->state);
}
