/* What people's programs do. Each statement of a user's is seen by an oracle: the tables before and
** behind it, compared, are what that user did. See people.h. */
#include <stdlib.h>
#include <string.h>

#include "people.h"

/* ---- the oracle ---- */

static people_rows before[PEOPLE_TABLES], after[PEOPLE_TABLES];

static people_device *of(sim_device *device) {
  return &device->world->people->device[device->number];
}

static const people_row *find(const people_rows *rows, const char *key) {
  for (int i = 0; i < rows->n; i++) {
    if (strcmp(rows->row[i].key, key) == 0) return &rows->row[i];
  }
  return NULL;
}

static int differs(const char *a, const char *b) { return a && b ? strcmp(a, b) != 0 : a != b; }

/* A row that stands after a statement of the user's: was, the same row before, or NULL. */
static void note_row(sim_device *device, int t, const people_row *was, const people_row *is) {
  sim_people *people = device->world->people;
  const people_table *table = &of(device)->schema.table[t];
  int user = of(device)->user, touched = !was;
  for (int c = 0; c < table->ncolumns; c++) {
    const people_column *column = &table->column[c];
    if (column->is_local || column->is_absent || (was && !differs(was->value[c], is->value[c])))
      continue;
    /* The server's names are what requests speak of. */
    people_note(people, user, t, is->key, column->remote, is->value[c]);
    touched = 1;
  }
  if (!touched) return;
  people_note(people, user, t, is->key, "*TOUCH", NULL);
  if (!was) people_note(people, user, t, is->key, "*INSERT", NULL);
  for (int c = 0; c < table->ncolumns; c++) {
    char name[24];
    snprintf(name, sizeof name, "=%s", table->column[c].remote);
    people_note(people, user, t, is->key, name, is->value[c]);
  }
}

static void note_differences(sim_device *device) {
  for (int t = 0; t < of(device)->schema.ntables; t++) {
    for (int i = 0; i < after[t].n && before[t].n >= 0; i++)
      note_row(device, t, find(&before[t], after[t].row[i].key), &after[t].row[i]);
    for (int i = 0; i < before[t].n && after[t].n >= 0; i++) {
      if (find(&after[t], before[t].row[i].key)) continue;
      people_note(device->world->people, of(device)->user, t, before[t].row[i].key, "*DELETE",
                  NULL);
      people_note(device->world->people, of(device)->user, t, before[t].row[i].key, "*TOUCH", NULL);
    }
  }
}

static void read_all(sim_device *device, people_rows *rows) {
  for (int t = 0; t < of(device)->schema.ntables; t++) people_rows_read(device, t, 1, &rows[t]);
}

static void free_all(sim_device *device, people_rows *rows) {
  for (int t = 0; t < of(device)->schema.ntables; t++) people_rows_free(&rows[t]);
}

/* Runs a user's statement, now and then on a connection that has never heard of leadx. What the
** table's own rules refuse is the user's affair. Takes sql over. */
static int act(sim_device *device, char *sql) {
  sqlite3 *db = sqlite3_get_autocommit(device->db) && sim_chance(device->world, 150)
                    ? of(device)->plain
                    : device->db;
  char *error = NULL;
  read_all(device, before);
  int rc = sqlite3_exec(db, sql, NULL, NULL, &error);
  sim_say(device->world, "device %d%s: %.130s -> %d %s", device->number,
          db == device->db ? "" : " (plain)", sql, rc, error ? error : "");
  /* A parent that is being rebuilt is not there for a moment. */
  int is_between = of(device)->piece && error && strstr(error, "no such table");
  if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_CONSTRAINT && !is_between)
    sim_fail(device->world, "a user's write failed: device %d: %.200s: %s", device->number, sql,
             error ? error : "?");
  read_all(device, after);
  note_differences(device);
  free_all(device, before);
  free_all(device, after);
  sqlite3_free(error);
  sqlite3_free(sql);
  return rc;
}

static void book(sim_device *device, const char *sql) {
  sqlite3_exec(device->world->people->book, sql, NULL, NULL, NULL);
}

/* ---- rows and values ---- */

static int may_write(sim_device *device, int t) {
  return !(of(device)->piece && of(device)->piece_table == t);
}

static int some_table(sim_device *device) {
  int t = sim_below(device->world, of(device)->schema.ntables);
  return may_write(device, t) ? t : -1;
}

/* A copy of some row of a table: its values, for the caller to free. 0 when it has none. */
static int some_row(sim_device *device, int t, people_rows *one) {
  people_rows_read(device, t, 0, one);
  if (one->n <= 0) {
    one->n = 0;
    return 0;
  }
  int n = sim_below(device->world, one->n);
  people_row chosen = one->row[n];
  one->row[n] = one->row[0];
  one->row[0] = chosen;
  return 1;
}

static char *reference_value(sim_device *device, const people_column *column) {
  static people_rows parents;
  char *value = NULL;
  if (some_row(device, column->parent, &parents)) value = sqlite3_mprintf("%s", parents.row[0].key);
  people_rows_free(&parents);
  return value;
}

static char *new_value(sim_device *device, const people_column *column) {
  if (column->is_computed) return NULL;
  return column->parent >= 0 ? reference_value(device, column)
                             : people_new_value(device->world, column);
}

static char *where_key(const people_table *table, char *const *values) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  for (int i = 0; i < table->nkey; i++) {
    char *literal = people_to_literal(&table->column[i], values[i]);
    sqlite3_str_appendf(out, "%s%s = %s", i ? " AND " : "", table->column[i].name, literal);
    sqlite3_free(literal);
  }
  return sqlite3_str_finish(out);
}

/* "VERB INTO t(columns) VALUES (…)" of a whole row. */
static char *whole_row(const people_table *table, const char *verb, char *const *values) {
  sqlite3_str *names = sqlite3_str_new(NULL), *list = sqlite3_str_new(NULL);
  for (int c = 0, n = 0; c < table->ncolumns; c++) {
    if (table->column[c].is_absent) continue;
    char *literal = people_to_literal(&table->column[c], values[c]);
    sqlite3_str_appendf(names, "%s%s", n ? ", " : "", table->column[c].name);
    sqlite3_str_appendf(list, "%s%s", n++ ? ", " : "", literal);
    sqlite3_free(literal);
  }
  char *a = sqlite3_str_finish(names), *b = sqlite3_str_finish(list);
  char *sql = sqlite3_mprintf("%s INTO %s(%s) VALUES (%s)", verb, table->name, a, b);
  sqlite3_free(a);
  sqlite3_free(b);
  return sql;
}

static void make_row(sim_device *device, const people_table *table, char **values) {
  memset(values, 0, sizeof *values * PEOPLE_COLUMNS);
  people_key_of(table, of(device)->keys * PEOPLE_KEYS + sim_below(device->world, PEOPLE_KEYS),
                values);
  for (int c = table->nkey; c < table->ncolumns; c++)
    values[c] = new_value(device, &table->column[c]);
}

static void free_values(char **values) {
  for (int c = 0; c < PEOPLE_COLUMNS; c++) sqlite3_free(values[c]);
}

/* A column that a user changes; -1 for none. */
static int some_column(sim_device *device, const people_table *table) {
  for (int i = 0; i < 8; i++) {
    int c = table->nkey + sim_below(device->world, table->ncolumns - table->nkey);
    if (!table->column[c].is_absent && !table->column[c].is_computed) return c;
  }
  return -1;
}

static int unique_column(const people_table *table) {
  for (int c = 0; c < table->ncolumns; c++) {
    if (table->column[c].is_unique) return c;
  }
  return -1;
}

/* ---- statements ---- */

static people_rows picked;

static void insert_(sim_device *device, int t, const char *verb) {
  const people_table *table = &of(device)->schema.table[t];
  char *values[PEOPLE_COLUMNS];
  make_row(device, table, values);
  act(device, whole_row(table, verb, values));
  free_values(values);
}

static void insert_new(sim_device *device, int t) { insert_(device, t, "INSERT"); }
static void insert_or_ignore(sim_device *device, int t) { insert_(device, t, "INSERT OR IGNORE"); }
static void insert_or_replace(sim_device *device, int t) {
  insert_(device, t, "INSERT OR REPLACE");
}

static void insert_many(sim_device *device, int t) {
  const people_table *table = &of(device)->schema.table[t];
  char *all = NULL;
  for (int n = 2 + sim_below(device->world, 3); n > 0; n--) {
    char *values[PEOPLE_COLUMNS];
    make_row(device, table, values);
    char *one = whole_row(table, "INSERT OR IGNORE", values);
    char *joined = all ? sqlite3_mprintf("%s, %s", all, strstr(one, " VALUES ") + 8)
                       : sqlite3_mprintf("%s", one);
    sqlite3_free(all);
    sqlite3_free(one);
    all = joined;
    free_values(values);
  }
  act(device, all);
}

static void upsert(sim_device *device, int t) {
  const people_table *table = &of(device)->schema.table[t];
  char *values[PEOPLE_COLUMNS];
  make_row(device, table, values);
  char *one = whole_row(table, "INSERT", values);
  act(device, sqlite3_mprintf("%s ON CONFLICT(%s%s) DO UPDATE SET a = excluded.a", one,
                              table->nkey > 1 ? "ka, " : "", table->nkey > 1 ? "kb" : "ka"));
  sqlite3_free(one);
  free_values(values);
}

static void update_one(sim_device *device, int t) {
  const people_table *table = &of(device)->schema.table[t];
  int c = some_column(device, table);
  int may_replace = !people_is_listed(device->world->without, "replace");
  if (c >= 0 && some_row(device, t, &picked)) {
    char *where = where_key(table, picked.row[0].value),
         *value = new_value(device, &table->column[c]),
         *literal = people_to_literal(&table->column[c], value);
    /* Said, even where it says what stands there already, in another spelling. */
    people_note(device->world->people, of(device)->user, t, picked.row[0].key,
                table->column[c].remote, value);
    act(device,
        sqlite3_mprintf("UPDATE%s %s SET %s = %s WHERE %s",
                        may_replace && table->column[c].is_unique && sim_chance(device->world, 300)
                            ? " OR REPLACE"
                            : "",
                        table->name, table->column[c].name, literal, where));
    sqlite3_free(where);
    sqlite3_free(value);
    sqlite3_free(literal);
  }
  people_rows_free(&picked);
}

static void update_many(sim_device *device, int t) {
  const people_table *table = &of(device)->schema.table[t];
  act(device, sqlite3_mprintf("UPDATE %s SET a = a || '%d' WHERE length(a) %% 2 = %d%s",
                              table->name, ++device->world->counter, sim_below(device->world, 2),
                              table->is_soft ? " AND deleted_at IS NULL" : ""));
}

static void delete_one(sim_device *device, int t) {
  const people_table *table = &of(device)->schema.table[t];
  if (some_row(device, t, &picked)) {
    char *where = where_key(table, picked.row[0].value);
    act(device, sqlite3_mprintf("DELETE FROM %s WHERE %s", table->name, where));
    sqlite3_free(where);
  }
  people_rows_free(&picked);
}

/* A whole row written over itself, with one column changed, or with none. */
static void replace_known(sim_device *device, int t) {
  const people_table *table = &of(device)->schema.table[t];
  int c = some_column(device, table);
  if (c >= 0 && some_row(device, t, &picked)) {
    if (sim_chance(device->world, 700)) {
      sqlite3_free(picked.row[0].value[c]);
      picked.row[0].value[c] = new_value(device, &table->column[c]);
    }
    act(device, whole_row(table, "REPLACE", picked.row[0].value));
  }
  people_rows_free(&picked);
}

/* A program that imports what it has exported. */
static void replace_all(sim_device *device, int t) {
  const people_table *table = &of(device)->schema.table[t];
  act(device, sqlite3_mprintf("REPLACE INTO %s SELECT * FROM %s%s", table->name, table->name,
                              table->is_soft ? " WHERE deleted_at IS NULL" : ""));
}

static void change_key(sim_device *device, int t) {
  const people_table *table = &of(device)->schema.table[t];
  char *values[PEOPLE_COLUMNS];
  make_row(device, table, values);
  if (some_row(device, t, &picked)) {
    char *where = where_key(table, picked.row[0].value);
    sqlite3_str *set = sqlite3_str_new(NULL);
    for (int i = 0; i < table->nkey; i++) {
      char *literal = people_to_literal(&table->column[i], values[i]);
      sqlite3_str_appendf(set, "%s%s = %s", i ? ", " : "", table->column[i].name, literal);
      sqlite3_free(literal);
    }
    char *text = sqlite3_str_finish(set);
    act(device, sqlite3_mprintf("UPDATE %s SET %s WHERE %s", table->name, text, where));
    sqlite3_free(text);
    sqlite3_free(where);
  }
  people_rows_free(&picked);
  free_values(values);
}

static void swap_unique(sim_device *device, int t) {
  const people_table *table = &of(device)->schema.table[t];
  int c = unique_column(table);
  if (c >= 0 && some_row(device, t, &picked) && picked.n > 1 && picked.row[0].value[c] &&
      picked.row[1].value[c]) {
    const people_column *column = &table->column[c];
    char *where[2], *literal[2];
    for (int i = 0; i < 2; i++) {
      where[i] = where_key(table, picked.row[i].value);
      literal[i] = people_to_literal(column, picked.row[i].value[c]);
    }
    people_exec(device, device->db, "BEGIN");
    act(device,
        sqlite3_mprintf("UPDATE %s SET %s = NULL WHERE %s", table->name, column->name, where[0]));
    act(device, sqlite3_mprintf("UPDATE %s SET %s = %s WHERE %s", table->name, column->name,
                                literal[0], where[1]));
    act(device, sqlite3_mprintf("UPDATE %s SET %s = %s WHERE %s", table->name, column->name,
                                literal[1], where[0]));
    people_exec(device, device->db, "COMMIT");
    for (int i = 0; i < 2; i++) {
      sqlite3_free(where[i]);
      sqlite3_free(literal[i]);
    }
  }
  people_rows_free(&picked);
}

/* ---- files, tables, users ---- */

static void off_keys(sim_device *device) {
  people_exec(device, device->db, "PRAGMA foreign_keys=OFF");
}

static void on_keys(sim_device *device) {
  if (device->world->knobs.foreign_keys) people_exec(device, device->db, "PRAGMA foreign_keys=ON");
}

static void exec_format(sim_device *device, char *sql) {
  sim_say(device->world, "device %d: %.140s", device->number, sql);
  people_exec(device, device->db, sql);
  sqlite3_free(sql);
}

static void make_table(sim_device *device, int t, const char *name) {
  exec_format(device, people_local_ddl(&of(device)->schema, t, name));
}

static void make_app_trigger(sim_device *device, int t) {
  char *trigger = people_trigger_sql(&of(device)->schema, t);
  if (trigger) exec_format(device, trigger);
}

static void drop_and_create(sim_device *device, int t) {
  off_keys(device);
  exec_format(device, sqlite3_mprintf("DROP TABLE %s", of(device)->schema.table[t].name));
  make_table(device, t, of(device)->schema.table[t].name);
  make_app_trigger(device, t);
  on_keys(device);
}

static char *column_list(const people_table *table) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  for (int c = 0; c < table->ncolumns; c++) {
    if (!table->column[c].is_absent) sqlite3_str_appendf(out, "%s, ", table->column[c].name);
  }
  sqlite3_str_appendf(out, "updated_at%s", table->is_soft ? ", deleted_at" : "");
  return sqlite3_str_finish(out);
}

/* The twelve steps of sqlite.org, a program's other statements and syncs between them: the new table
** beside the old one (pieces 1 to 3), or the old one moved out of the way (4 and 5). */
static void rebuild_piece(sim_device *device, int t) {
  people_device *mine = of(device);
  if (mine->piece) t = mine->piece_table;
  const char *name = mine->schema.table[t].name;
  char other[24], *list = column_list(&mine->schema.table[t]);
  off_keys(device);
  people_exec(device, device->db, "PRAGMA legacy_alter_table=ON");
  snprintf(other, sizeof other, "%s_%s", mine->piece >= 4 || mine->piece == 0 ? "old" : "new",
           name);
  switch (mine->piece) {
    case 0:
      mine->piece_table = t;
      mine->piece = sim_chance(device->world, 500) ? 1 : 4;
      if (mine->piece == 1) snprintf(other, sizeof other, "new_%s", name);
      else exec_format(device, sqlite3_mprintf("ALTER TABLE %s RENAME TO %s", name, other));
      make_table(device, t, mine->piece == 1 ? other : name);
      break;
    case 1:
      exec_format(device, sqlite3_mprintf(
                              "BEGIN; INSERT INTO %s(%s) SELECT %s FROM %s; DROP TABLE %s; COMMIT",
                              other, list, list, name, name));
      mine->piece = 2;
      break;
    case 2:
      exec_format(device, sqlite3_mprintf("ALTER TABLE %s RENAME TO %s", other, name));
      make_app_trigger(device, t);
      mine->piece = 0;
      break;
    default:
      exec_format(
          device,
          sqlite3_mprintf(
              "BEGIN; INSERT OR IGNORE INTO %s(%s) SELECT %s FROM %s; DROP TABLE %s; COMMIT", name,
              list, list, other, other));
      make_app_trigger(device, t);
      mine->piece = 0;
      break;
  }
  people_exec(device, device->db, "PRAGMA legacy_alter_table=OFF");
  on_keys(device);
  sqlite3_free(list);
}

/* Whoever asks for a backfill says all of every row that is here, also of those that others have
** changed or deleted since. */
static void note_backfill(sim_device *device, int t, const people_row *row) {
  sim_people *people = device->world->people;
  const people_table *table = &of(device)->schema.table[t];
  people_note(people, of(device)->user, t, row->key, "*INSERT", NULL);
  if (table->is_soft) people_note(people, of(device)->user, t, row->key, "*DELETE", NULL);
  for (int c = table->nkey; c < table->ncolumns; c++)
    people_note(people, of(device)->user, t, row->key, table->column[c].name, row->value[c]);
}

static void track(sim_device *device, int t, int backfill) {
  people_rows_read(device, t, 1, &picked);
  for (int i = 0; i < picked.n && backfill; i++) note_backfill(device, t, &picked.row[i]);
  people_rows_free(&picked);
  exec_format(device, people_track_sql(&of(device)->schema, t, backfill));
  of(device)->tracked[t] = 1;
}

static void add_column(sim_device *device, int t) {
  people_table *table = &of(device)->schema.table[t];
  people_column *column = &table->column[table->ncolumns - 1];
  if (!column->is_absent) return;
  exec_format(device,
              sqlite3_mprintf("ALTER TABLE %s ADD COLUMN %s TEXT", table->name, column->name));
  column->is_absent = 0;
  if (sim_chance(device->world, 500)) track(device, t, 0);
}

static void rename_column(sim_device *device, int t) {
  people_table *table = &of(device)->schema.table[t];
  people_column *column = NULL;
  for (int c = 0; c < table->ncolumns; c++) {
    if (strcmp(table->column[c].name, "b") == 0) column = &table->column[c];
  }
  if (!column) return;
  exec_format(device, sqlite3_mprintf("ALTER TABLE %s RENAME COLUMN b TO bb", table->name));
  snprintf(column->name, sizeof column->name, "bb");
  track(device, t, 0);
}

static void drop_column(sim_device *device, int t) {
  people_table *table = &of(device)->schema.table[t];
  people_column *column = &table->column[table->ncolumns - 1];
  if (column->is_absent || column->is_local || strcmp(column->name, "late") != 0) return;
  exec_format(device, sqlite3_mprintf("SELECT leadx_untrack('%s'); ALTER TABLE %s DROP COLUMN late",
                                      table->name, table->name));
  column->is_absent = 1;
  track(device, t, 0);
}

static void purge(sim_device *device, int t) {
  (void)t;
  exec_format(device, sqlite3_mprintf("DELETE FROM sync_queue WHERE status = 'SYNCED'%s",
                                      sim_chance(device->world, 500) ? "; VACUUM" : ""));
}

static void vacuum(sim_device *device, int t) {
  (void)t;
  exec_format(device, sqlite3_mprintf("VACUUM"));
}

static void copy_file(sim_device *device, sqlite3 *from, sqlite3 *to) {
  sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
  int rc = backup ? sqlite3_backup_step(backup, -1) : SQLITE_ERROR;
  sqlite3_backup_finish(backup);
  if (rc != SQLITE_DONE)
    sim_fail(device->world, "a file cannot be copied: %d %s", rc, sqlite3_errmsg(to));
}

static void adopt_state(people_device *to, const people_device *from) {
  to->schema = from->schema;
  to->piece = from->piece;
  to->piece_table = from->piece_table;
  memcpy(to->tracked, from->tracked, sizeof to->tracked);
}

/* Takes a copy of the file, or puts the one that was taken back. */
static void restore(sim_device *device, int t) {
  people_device *mine = of(device);
  (void)t;
  if (mine->piece) return;
  if (!mine->saved) {
    sqlite3_open(":memory:", &mine->saved);
    copy_file(device, mine->plain, mine->saved);
    mine->saved_schema = mine->schema;
    return;
  }
  sim_say(device->world, "device %d: an older copy of its file is put back", device->number);
  people_stop(device);
  copy_file(device, mine->saved, mine->plain);
  mine->schema = mine->saved_schema;
  mine->was_restored = 1;
  people_start(device);
  people_sign_in(device);
}

/* The file of another device is copied to this one. */
static void clone_file(sim_device *device, int t) {
  sim_world *world = device->world;
  int from = sim_below(world, world->knobs.devices);
  people_device *mine = of(device), *other = &world->people->device[from];
  (void)t;
  if (from == device->number || other->piece) return;
  /* While the other one runs its sync, its user does not copy files. */
  sim_say(world, "device %d: gets a copy of the file of device %d", device->number, from);
  people_stop(device);
  copy_file(device, other->plain, mine->plain);
  adopt_state(mine, other);
  mine->user = other->user;
  mine->was_restored = 1;
  people_start(device);
  people_sign_in(device);
}

/* What was written while triggers were missing is found by whoever tracks or syncs next: the program
** does so before another user comes. */
void people_catch_up(sim_device *device) {
  for (int t = 0; t < of(device)->schema.ntables && device->world->people->nusers > 1; t++) {
    if (may_write(device, t)) track(device, t, 0);
  }
}

static void untrack_and_track(sim_device *device, int t) {
  exec_format(device,
              sqlite3_mprintf("SELECT leadx_untrack('%s')", of(device)->schema.table[t].name));
  if (sim_chance(device->world, 600)) update_one(device, t);
  if (sim_chance(device->world, 300)) insert_new(device, t);
  track(device, t, 1);
}

static void another_user(sim_device *device, int t) {
  (void)t;
  if (device->world->people->nusers < 2) return;
  people_catch_up(device);
  of(device)->user = sim_below(device->world, device->world->people->nusers);
  sim_say(device->world, "device %d: user %d signs in", device->number, of(device)->user);
  people_sign_in(device);
}

/* ---- steps ---- */

static void savepoint(sim_device *device, int t) {
  people_exec(device, device->db, "BEGIN");
  update_one(device, t);
  people_exec(device, device->db, "SAVEPOINT mine");
  book(device, "SAVEPOINT mine");
  insert_many(device, t);
  delete_one(device, t);
  book(device, "ROLLBACK TO mine; RELEASE mine");
  people_exec(device, device->db, "ROLLBACK TO mine; RELEASE mine");
  sim_say(device->world, "device %d: rolled back to the savepoint", device->number);
  update_one(device, t);
  people_exec(device, device->db, "COMMIT");
}

static void transaction(sim_device *device, int t) {
  static void (*const statements[])(sim_device *, int) = {insert_new, update_one, delete_one,
                                                          replace_known, upsert};
  int stands = sim_chance(device->world, 800);
  people_exec(device, device->db, "BEGIN");
  book(device, "SAVEPOINT mine");
  for (int n = 2 + sim_below(device->world, 4); n > 0; n--)
    statements[sim_below(device->world, 5)](device, t);
  book(device, stands ? "RELEASE mine" : "ROLLBACK TO mine; RELEASE mine");
  people_exec(device, device->db, stands ? "COMMIT" : "ROLLBACK");
  if (!stands) sim_say(device->world, "device %d: rolled back", device->number);
}

/* is_whole: not while a sync is under way on that device. */
static const struct {
  const char *name;
  int weight, is_whole;
  void (*act)(sim_device *, int);
} steps[] = {
    {"insert", 200, 0, insert_new},
    {"update", 200, 0, update_one},
    {"update-many", 40, 0, update_many},
    {"delete", 60, 0, delete_one},
    {"replace-known", 80, 0, replace_known},
    {"replace", 40, 0, insert_or_replace},
    {"ignore", 30, 0, insert_or_ignore},
    {"upsert", 40, 0, upsert},
    {"insert-many", 60, 0, insert_many},
    {"replace-all", 15, 0, replace_all},
    {"change-key", 30, 0, change_key},
    {"swap", 60, 0, swap_unique},
    {"savepoint", 30, 0, savepoint},
    {"transaction", 60, 0, transaction},
    {"rebuild", 60, 1, rebuild_piece},
    {"drop-create", 20, 1, drop_and_create},
    {"add-column", 20, 1, add_column},
    {"rename-column", 10, 1, rename_column},
    {"drop-column", 15, 1, drop_column},
    {"purge", 30, 0, purge},
    {"vacuum", 8, 1, vacuum},
    {"restore", 20, 1, restore},
    {"clone", 15, 1, clone_file},
    {"untrack", 15, 1, untrack_and_track},
    {"another-user", 30, 1, another_user},
};
enum { STEPS = sizeof steps / sizeof steps[0] };

/* Is the name one of a list with commas between? */
int people_is_listed(const char *list, const char *name) {
  size_t n = strlen(name);
  for (; list; list = strchr(list, ',') ? strchr(list, ',') + 1 : NULL) {
    if (strncmp(list, name, n) == 0 && (list[n] == ',' || list[n] == 0)) return 1;
  }
  return 0;
}

void people_choose_weights(sim_world *world) {
  for (int i = 0; i < STEPS; i++) {
    int is_chosen = i < 4 || sim_chance(world, 400);
    world->people->weight[i] = is_chosen && !people_is_listed(world->without, steps[i].name)
                                   ? steps[i].weight
                                   : 0;
  }
}

void people_step(sim_device *device) {
  sim_people *people = device->world->people;
  int total = 0, i = 0, in_sync = device->is_syncing, t = some_table(device);
  if (t < 0 && !in_sync) {
    rebuild_piece(device, 0);
    return;
  }
  for (int k = 0; k < STEPS; k++) total += in_sync && steps[k].is_whole ? 0 : people->weight[k];
  int chosen = sim_below(device->world, total);
  for (;; i++) {
    if (in_sync && steps[i].is_whole) continue;
    if (chosen < people->weight[i]) break;
    chosen -= people->weight[i];
  }
  if (t >= 0) steps[i].act(device, t);
}

void people_finish(sim_device *device) {
  while (of(device)->piece && !device->world->failed) rebuild_piece(device, 0);
}
