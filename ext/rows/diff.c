/* Rows that no trigger saw. See diff.h. */
#include "rows/diff.h"

#include <string.h>

#include "base/clock.h"
#include "base/uuid.h"
#include "rows/apply.h"
#include "rows/capture.h"
#include "rows/capture_row.h"
#include "rows/capture_shared.h"
#include "rows/fingerprint.h"
#include "rows/key_row.h"
#include "rows/key_sql.h"
#include "rows/spelling.h"
#include "rows/unsent.h"
#include "store/cursors.h"
#include "store/queue.h"
#include "store/template.h"

/* Rows looked at before the clock is; a write transaction takes no more of them after so many
** milliseconds. */
#define HANDFUL_ROWS 100
#define STRETCH_MS 20

/* ---- statements of a table ---- */

static void fill_hole(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  const leadx_table *table = arg;
  char *row = sqlite3_mprintf("\"%w\"", table->name);
  if (!row) leadx_err_spoil(sql);
#define HOLE(name) leadx_template_is(hole, n, name)
  if (HOLE("table")) sqlite3_str_appendall(sql, row ? row : "");
  if (HOLE("entity")) sqlite3_str_appendf(sql, "%Q", table->entity);
  if (HOLE("id")) leadx_capture_id(sql);
  if (HOLE("clock")) leadx_capture_clock(sql);
  if (HOLE("key")) leadx_key_sql(sql, table, row ? row : "NULL");
  if (HOLE("row")) leadx_capture_row(sql, table, row ? row : "NULL");
#undef HOLE
  sqlite3_free(row);
}

/* The row of a key, or those of its columns that the subset of the table has, as a trigger writes
** it; NULL without an error when it is not there. The caller frees. */
static char *write_row(leadx_db *db, const leadx_table *table, const leadx_table *subset,
                       const char *key, leadx_err *err) {
  char *name = sqlite3_mprintf("\"%w\"", table->name), *copy = NULL;
  sqlite3_str *sql = sqlite3_str_new(NULL);
  if (!name) leadx_err_spoil(sql);
  sqlite3_str_appendall(sql, "SELECT ");
  leadx_capture_row(sql, subset, name ? name : "NULL");
  sqlite3_str_appendf(sql, " FROM main.%s WHERE ", name ? name : "NULL");
  leadx_key_where(table, sql, 1);
  sqlite3_free(name);
  sqlite3_stmt *stmt = leadx_db_get_str(db, sql, err);
  if (!stmt) return NULL;
  int rc = leadx_key_bind(table, stmt, 1, key);
  const char *text = rc == SQLITE_OK && leadx_db_next(db, stmt, err) ? leadx_db_text(stmt, 0, err)
                                                                     : NULL;
  if (text && !(copy = sqlite3_mprintf("%s", text))) leadx_err_nomem(err);
  if (rc == SQLITE_NOMEM) leadx_err_nomem(err);
  leadx_db_put(db, stmt);
  return copy;
}

static int enqueue(leadx_db *db, const leadx_table *table, const leadx_table *subset,
                   const char *key, leadx_action action, leadx_err *err) {
  char id[LEADX_UUID_BYTES];
  char *row = write_row(db, table, subset, key, err);
  if (row && leadx_queue_make_id(db, id, err) == SQLITE_OK) {
    leadx_db_run(db, LEADX_SQL_DIFF_ENQUEUE, err, "ttttt", id, table->entity, key,
                 leadx_action_name(action), row);
  }
  sqlite3_free(row);
  return err->rc;
}

/* ---- one row ---- */

/* What a comparison needs. */
typedef struct leadx_looking {
  leadx_db *db;
  leadx_table *table;
  leadx_unsent *unsent;
  uint32_t *local, *known; /* room for a row each */
  uint32_t *filled; /* what each column is filled with when it is new: its DEFAULT */
  leadx_table subset; /* the table with some of its columns */
  int only_unsent; /* rows of which nothing is unsent are as they should be */
} leadx_looking;

static void clear_looking(leadx_looking *looking) {
  leadx_unsent_close(looking->unsent);
  sqlite3_free(looking->local);
  sqlite3_free(looking->known);
  sqlite3_free(looking->filled);
  sqlite3_free(looking->subset.columns);
}

/* A DEFAULT that leadx does not read stands for NULL: what the column holds then counts as written
** by somebody. */
static int read_defaults(leadx_looking *looking, leadx_err *err) {
  const leadx_table *table = looking->table;
  sqlite3_stmt *stmt = leadx_db_get(looking->db, LEADX_SQL_DIFF_VALUE, err);
  for (int i = 0; stmt && i < table->ncolumns && err->rc == SQLITE_OK; i++) {
    const leadx_literal *value = &table->columns[i].default_value;
    int rc = leadx_literal_is_constant(value) ? leadx_literal_bind(value, stmt, 1)
                                              : sqlite3_bind_null(stmt, 1);
    if (rc != SQLITE_OK) leadx_err_db(err, looking->db->handle, rc, "read a DEFAULT");
    else if (leadx_db_next(looking->db, stmt, err))
      looking->filled[i] = leadx_meaning_of_value(leadx_table_kind(table, i),
                                                  sqlite3_column_value(stmt, 0));
    sqlite3_reset(stmt);
  }
  leadx_db_put(looking->db, stmt);
  return err->rc;
}

static int begin_looking(leadx_looking *looking, leadx_db *db, leadx_table *table, leadx_err *err) {
  size_t n = (size_t)table->ncolumns + 1;
  *looking = (leadx_looking){.db = db, .table = table, .subset = *table};
  looking->local = sqlite3_malloc64(sizeof *looking->local * n);
  looking->known = sqlite3_malloc64(sizeof *looking->known * n);
  looking->subset.columns = sqlite3_malloc64(sizeof *table->columns * n);
  looking->filled = sqlite3_malloc64(sizeof *looking->filled * n);
  if (!looking->local || !looking->known || !looking->filled || !looking->subset.columns)
    return leadx_err_nomem(err);
  memset(looking->filled, 0, sizeof *looking->filled * n);
  looking->unsent = leadx_unsent_open(db, table, 1, err);
  return err->rc == SQLITE_OK ? read_defaults(looking, err) : err->rc;
}

/* Puts the columns that differ into the subset, with the key and the version. Returns how many
** differ. speaks: what is known of the row speaks of all columns that there were. */
static int find_differing(leadx_looking *looking, const uint32_t *said, int speaks) {
  const leadx_table *table = looking->table;
  int differing = 0, n = 0;
  for (int i = 0; i < table->ncolumns; i++) {
    uint32_t expected = said && said[i] ? said[i] : looking->known[i];
    /* A column that nothing is known of is new: what it was filled with nobody wrote. */
    if (!expected && speaks) expected = looking->filled[i];
    int differs = expected && expected != looking->local[i] && !table->columns[i].is_computed;
    differing += differs;
    if (differs || table->columns[i].key_position || i == table->version_column)
      looking->subset.columns[n++] = table->columns[i];
  }
  looking->subset.ncolumns = n;
  return differing;
}

static int compare_row(leadx_looking *looking, const char *key, const leadx_shadow *shadow,
                       leadx_err *err) {
  leadx_db *db = looking->db;
  leadx_table *table = looking->table;
  const uint32_t *said = NULL;
  leadx_action newest = leadx_unsent_newest(looking->unsent, key, &said);
  int readable = 0, confirmed = 0;
  if (leadx_fingerprint_read(db, table, shadow, looking->known, &readable, &confirmed, err))
    return err->rc;
  if (newest == LEADX_DELETE) return enqueue(db, table, table, key, LEADX_CREATE, err);
  if (newest == LEADX_NOTHING) {
    if (looking->only_unsent) return SQLITE_OK;
    if (!shadow->found || shadow->stand != LEADX_STANDS)
      return enqueue(db, table, table, key, LEADX_CREATE, err);
    /* Nothing was noted of it, in a way that this leadx reads: it begins with what is there. */
    if (!readable)
      return leadx_fingerprint_set(db, table, key, shadow->version, shadow->version != NULL,
                                   looking->local, err);
  }
  /* A row that is unsent and not known is one that was made here. */
  return find_differing(looking, said, readable || !shadow->found)
             ? enqueue(db, table, &looking->subset, key, LEADX_UPDATE, err)
             : SQLITE_OK;
}

static int look_at_row(leadx_looking *looking, const char *key, leadx_err *err) {
  leadx_shadow shadow = {0};
  int stands = 0;
  int rc = leadx_fingerprint_local(looking->db, looking->table, key, looking->local, &stands, err);
  if (rc == SQLITE_OK && stands)
    rc = leadx_shadow_get(looking->db, looking->table->entity, key, &shadow, err);
  if (rc == SQLITE_OK && stands) rc = compare_row(looking, key, &shadow, err);
  leadx_shadow_clear(&shadow);
  return rc;
}

/* ---- all rows, piece by piece ---- */

/* The place behind the last row that was looked at. */
typedef struct leadx_walk {
  char *order; /* the columns that rows are walked by, NULL: all at once */
  int n; /* how many they are */
  sqlite3_value *at[16];
  int is_begun, is_done;
} leadx_walk;

static void clear_walk(leadx_walk *walk) {
  sqlite3_free(walk->order);
  for (int i = 0; i < 16; i++) sqlite3_value_free(walk->at[i]);
  memset(walk, 0, sizeof *walk);
}

/* By rowid where there is one and a name of it that no column took, by the key where there is
** none. */
static int begin_walk(leadx_db *db, const leadx_table *table, leadx_walk *walk, leadx_err *err) {
  static const char *const names[] = {"rowid", "_rowid_", "oid"};
  sqlite3_str *order = sqlite3_str_new(NULL);
  memset(walk, 0, sizeof *walk);
  for (int i = 0; i < 3 && !table->without_rowid && walk->n == 0; i++) {
    int64_t taken = 0;
    if (leadx_db_int(db, LEADX_SQL_DIFF_HAS_COLUMN, err, &taken, "ss", table->name, names[i]))
      break;
    if (taken) continue;
    sqlite3_str_appendall(order, names[i]);
    walk->n = 1;
  }
  for (int i = 0; table->without_rowid && i < table->nkey; i++, walk->n++)
    sqlite3_str_appendf(order, "%s\"%w\"", i ? ", " : "", table->columns[table->key[i]].name);
  if (walk->n == 0) {
    sqlite3_free(sqlite3_str_finish(order));
    return err->rc;
  }
  walk->order = leadx_db_finish(order, err);
  return err->rc;
}

static sqlite3_stmt *prepare_walk(leadx_db *db, const leadx_table *table, const leadx_walk *walk,
                                  leadx_err *err) {
  char *name = sqlite3_mprintf("\"%w\"", table->name);
  sqlite3_str *sql = sqlite3_str_new(NULL);
  if (!name) leadx_err_spoil(sql);
  sqlite3_str_appendall(sql, "SELECT ");
  leadx_key_sql(sql, table, name ? name : "NULL");
  if (walk->order) sqlite3_str_appendf(sql, ", %s", walk->order);
  sqlite3_str_appendf(sql, " FROM main.%s", name ? name : "NULL");
  if (walk->is_begun) sqlite3_str_appendf(sql, " WHERE (%s) > (", walk->order);
  for (int i = 0; walk->is_begun && i < walk->n; i++)
    sqlite3_str_appendf(sql, "%s?%d%s", i ? ", " : "", i + 1, i == walk->n - 1 ? ")" : "");
  if (walk->order) sqlite3_str_appendf(sql, " ORDER BY %s LIMIT %d", walk->order, HANDFUL_ROWS);
  sqlite3_free(name);
  sqlite3_stmt *stmt = leadx_db_get_str(db, sql, err);
  for (int i = 0; stmt && walk->is_begun && i < walk->n; i++) {
    if (sqlite3_bind_value(stmt, i + 1, walk->at[i]) != SQLITE_OK) leadx_err_nomem(err);
  }
  return stmt;
}

static int note_place(leadx_walk *walk, sqlite3_stmt *row, leadx_err *err) {
  for (int i = 0; i < walk->n; i++) {
    sqlite3_value_free(walk->at[i]);
    walk->at[i] = sqlite3_value_dup(sqlite3_column_value(row, 1 + i));
    if (!walk->at[i]) return leadx_err_nomem(err);
  }
  walk->is_begun = 1;
  return SQLITE_OK;
}

static int look_at_handful(leadx_looking *looking, leadx_walk *walk, leadx_err *err) {
  int n = 0;
  sqlite3_stmt *stmt = prepare_walk(looking->db, looking->table, walk, err);
  while (stmt && err->rc == SQLITE_OK && leadx_db_next(looking->db, stmt, err)) {
    const char *key = leadx_db_text(stmt, 0, err);
    if (key) look_at_row(looking, key, err);
    if (err->rc == SQLITE_OK) note_place(walk, stmt, err);
    n++;
  }
  leadx_db_put(looking->db, stmt);
  walk->is_done = n < HANDFUL_ROWS || !walk->order;
  return err->rc;
}

/* ---- rows that are not there ---- */

/* The place among the keys that count as standing. */
typedef struct leadx_missing {
  char *after;
  int any, is_done;
} leadx_missing;

/* A row that is not there any more. Nothing here tells why. */
static int note_missing(leadx_db *db, leadx_table *table, const char *key, int *any,
                        leadx_err *err) {
  leadx_shadow shadow = {0};
  int rc = leadx_shadow_get(db, table->entity, key, &shadow, err);
  if (rc == SQLITE_OK && shadow.version)
    rc = leadx_shadow_mark(db, table->entity, key, LEADX_MISSING, err);
  else if (rc == SQLITE_OK) rc = leadx_shadow_forget(db, table->entity, key, err);
  leadx_shadow_clear(&shadow);
  *any = 1;
  return rc;
}

static int miss_row(leadx_looking *looking, const char *key, int *any, leadx_err *err) {
  int stands = 0;
  const uint32_t *said = NULL;
  /* Its delete was seen, and is on its way. */
  if (leadx_unsent_newest(looking->unsent, key, &said) == LEADX_DELETE) return SQLITE_OK;
  int rc = leadx_fingerprint_local(looking->db, looking->table, key, looking->local, &stands, err);
  return rc == SQLITE_OK && !stands ? note_missing(looking->db, looking->table, key, any, err) : rc;
}

static int miss_handful(leadx_looking *looking, leadx_missing *missing, leadx_err *err) {
  int n = 0;
  char *keys[HANDFUL_ROWS];
  sqlite3_stmt *stmt = leadx_shadow_standing(
      looking->db, looking->table->entity, missing->after ? missing->after : "", HANDFUL_ROWS, err);
  while (stmt && leadx_db_next(looking->db, stmt, err)) {
    const char *key = leadx_db_text(stmt, 0, err);
    keys[n] = key ? sqlite3_mprintf("%s", key) : NULL;
    if (!keys[n]) leadx_err_nomem(err);
    else n++;
    if (err->rc != SQLITE_OK) break;
  }
  leadx_db_put(looking->db, stmt);
  for (int i = 0; i < n && err->rc == SQLITE_OK; i++)
    miss_row(looking, keys[i], &missing->any, err);
  missing->is_done = n < HANDFUL_ROWS;
  for (int i = 0; i + 1 < n; i++) sqlite3_free(keys[i]);
  if (n > 0) {
    sqlite3_free(missing->after);
    missing->after = keys[n - 1];
  }
  return err->rc;
}

/* The pull begins anew, and brings what is missing; what is known in its present version is passed
** over. */
static int fetch_again(leadx_db *db, const leadx_table *table, leadx_err *err) {
  return leadx_cursors_forget(db, table->entity, err);
}

/* ---- catching up ---- */

/* The comparison of one table on its way. */
typedef struct leadx_catching {
  leadx_looking looking;
  leadx_walk walk;
  leadx_missing missing;
  int64_t schema; /* the file's schema; another one makes the walk begin anew */
  int in_pieces;
} leadx_catching;

static int is_done(const leadx_catching *catching) {
  return catching->walk.is_done && catching->missing.is_done;
}

/* A VACUUM, say, may have given the rows other numbers. */
static int check_schema(leadx_catching *catching, leadx_err *err) {
  int64_t schema = 0;
  leadx_db *db = catching->looking.db;
  int rc = leadx_db_schema_version(db, &schema, err);
  if (rc != SQLITE_OK || schema == catching->schema) return rc;
  int was_begun = catching->walk.is_begun;
  catching->schema = schema;
  if (!was_begun) return SQLITE_OK;
  clear_walk(&catching->walk);
  return begin_walk(db, catching->looking.table, &catching->walk, err);
}

static int run_stretch(leadx_catching *catching, leadx_err *err) {
  leadx_looking *looking = &catching->looking;
  int64_t began_ms = leadx_clock_mono_ms();
  int rc = check_schema(catching, err);
  if (rc == SQLITE_OK) rc = leadx_unsent_look(looking->unsent, err);
  do {
    if (rc == SQLITE_OK && !is_done(catching))
      rc = catching->walk.is_done ? miss_handful(looking, &catching->missing, err)
                                  : look_at_handful(looking, &catching->walk, err);
  } while (rc == SQLITE_OK && !is_done(catching) &&
           !(catching->in_pieces && leadx_clock_mono_ms() - began_ms >= STRETCH_MS));
  if (rc == SQLITE_OK && is_done(catching) && catching->missing.any)
    rc = fetch_again(looking->db, looking->table, err);
  return rc == SQLITE_OK && is_done(catching) ? leadx_diff_settle(looking->db, looking->table, err)
                                              : rc;
}

static int run_piece(leadx_catching *catching, leadx_err *err) {
  leadx_db *db = catching->looking.db;
  if (!catching->in_pieces) return run_stretch(catching, err);
  int rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = run_stretch(catching, err);
  if (rc == SQLITE_OK) return leadx_db_commit(db, err);
  leadx_db_rollback(db);
  return rc;
}

/* Inside the caller's write transaction, or in one of its own, which is only taken where there is
** something to note: the triggers see what is written from now on. */
static int note_spellings(leadx_db *db, const leadx_table *table, int alone, leadx_err *err) {
  int found = 0;
  if (!alone) return leadx_spelling_note_rows(db, table, err);
  int rc = leadx_spelling_find(db, table, &found, err);
  if (rc == SQLITE_OK && found) rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK || !found) return rc;
  rc = leadx_spelling_note_rows(db, table, err);
  return leadx_db_end(db, rc, err);
}

static int compare(leadx_db *db, leadx_table *table, int in_pieces, int only_unsent,
                   leadx_err *err) {
  leadx_catching catching = {.in_pieces = in_pieces};
  int rc = begin_looking(&catching.looking, db, table, err);
  catching.looking.only_unsent = only_unsent;
  if (rc == SQLITE_OK) rc = note_spellings(db, table, in_pieces, err);
  /* Nothing is written to a table that only pulls. */
  catching.walk.is_done = table->mode == LEADX_MODE_PULL;
  catching.missing.is_done = only_unsent;
  if (rc == SQLITE_OK) rc = leadx_db_schema_version(db, &catching.schema, err);
  if (rc == SQLITE_OK && !catching.walk.is_done) rc = begin_walk(db, table, &catching.walk, err);
  while (rc == SQLITE_OK && !is_done(&catching)) rc = run_piece(&catching, err);
  clear_looking(&catching.looking);
  clear_walk(&catching.walk);
  sqlite3_free(catching.missing.after);
  return rc;
}

int leadx_diff_catch_up(leadx_db *db, leadx_table *table, leadx_err *err) {
  return table->memory->is_due ? compare(db, table, 1, 0, err) : SQLITE_OK;
}

/* ---- is a table due? ---- */

/* What tells this table from one that was made in its place, with its triggers. A table that only
** pulls has none, and a new table in the old one's page looks like it: there any change of the
** schema counts. */
static int identify(leadx_db *db, const leadx_table *table, char text[48], leadx_err *err) {
  uint64_t hash = 0;
  int64_t schema = 0;
  int rc = leadx_capture_hash(db, table, &hash, err);
  if (rc == SQLITE_OK && table->mode == LEADX_MODE_PULL)
    rc = leadx_db_schema_version(db, &schema, err);
  sqlite3_snprintf(48, text, "%016llx %lld", (sqlite3_uint64)hash, (sqlite3_int64)schema);
  return rc;
}

int leadx_diff_settle(leadx_db *db, leadx_table *table, leadx_err *err) {
  char text[48];
  int rc = identify(db, table, text, err);
  if (rc == SQLITE_OK)
    rc = leadx_db_run(db, LEADX_SQL_DIFF_LOOKED_SET, err, "tt", table->entity, text);
  if (rc == SQLITE_OK) table->memory->is_due = 0;
  return rc;
}

static int is_due(leadx_db *db, const leadx_table *table, int *due, leadx_err *err) {
  char text[48];
  if (identify(db, table, text, err) != SQLITE_OK) return err->rc;
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_DIFF_LOOKED_GET, err, "s", table->entity);
  if (!stmt) return err->rc;
  const char *looked = leadx_db_next(db, stmt, err) ? leadx_db_text(stmt, 0, err) : NULL;
  *due = !looked || strcmp(looked, text) != 0;
  leadx_db_put(db, stmt);
  return err->rc;
}

/* Looks at the triggers. Writing out what they should be takes far longer than reading what they
** are, so that is done once, and again when they are not what they were then. */
static int check_triggers(leadx_db *db, leadx_table *table, leadx_err *err) {
  uint64_t triggers = 0;
  int renewed = 0;
  if (table->mode == LEADX_MODE_PULL) return SQLITE_OK;
  int rc = leadx_capture_hash(db, table, &triggers, err);
  if (rc != SQLITE_OK || triggers == table->memory->triggers) return rc;
  rc = leadx_capture_install(db, table, &renewed, err);
  if (rc == SQLITE_OK && !renewed) table->memory->triggers = triggers;
  /* They may look just as they did. */
  return rc == SQLITE_OK && renewed ? leadx_diff_forget(db, table->entity, err) : rc;
}

int leadx_diff_forget(leadx_db *db, const char *entity, leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_DIFF_LOOKED_FORGET, err, "t", entity);
}

int leadx_diff_check(leadx_db *db, leadx_table *table, leadx_err *err) {
  int64_t all = 0;
  int rc = check_triggers(db, table, err);
  if (rc == SQLITE_OK) rc = leadx_db_int(db, LEADX_SQL_DIFF_IS_DUE, err, &all, "");
  if (rc == SQLITE_OK && all) rc = leadx_db_run(db, LEADX_SQL_DIFF_ALL_DUE, err, "");
  return rc == SQLITE_OK ? is_due(db, table, &table->memory->is_due, err) : rc;
}

int leadx_diff_table(leadx_db *db, leadx_table *table, leadx_err *err) {
  int rc = leadx_diff_check(db, table, err);
  return rc == SQLITE_OK && table->memory->is_due ? compare(db, table, 0, 0, err) : rc;
}

int leadx_diff_end(leadx_db *db, leadx_err *err) {
  int rc = leadx_apply_end(db, err);
  return rc == SQLITE_OK ? leadx_db_run(db, LEADX_SQL_DIFF_IS_DONE, err, "") : rc;
}

/* ---- tracking begins ---- */

/* Every row that is there when tracking begins is known, though the server has not confirmed it. */
static int note_row(leadx_looking *looking, const char *key, leadx_err *err) {
  leadx_shadow shadow = {0};
  int stands = 0;
  int rc = leadx_shadow_get(looking->db, looking->table->entity, key, &shadow, err);
  if (rc == SQLITE_OK && !shadow.found)
    rc = leadx_fingerprint_local(looking->db, looking->table, key, looking->local, &stands, err);
  leadx_shadow_clear(&shadow);
  return rc == SQLITE_OK && stands
             ? leadx_fingerprint_set(looking->db, looking->table, key, NULL, 0, looking->local, err)
             : rc;
}

static int note_rows(leadx_db *db, leadx_table *table, leadx_err *err) {
  leadx_looking looking;
  leadx_walk all = {0};
  int rc = begin_looking(&looking, db, table, err);
  if (rc == SQLITE_OK) rc = leadx_spelling_note_rows(db, table, err);
  sqlite3_stmt *stmt = rc == SQLITE_OK ? prepare_walk(db, table, &all, err) : NULL;
  while (stmt && err->rc == SQLITE_OK && leadx_db_next(db, stmt, err)) {
    const char *key = leadx_db_text(stmt, 0, err);
    if (key) note_row(&looking, key, err);
  }
  leadx_db_put(db, stmt);
  clear_looking(&looking);
  return err->rc;
}

static int run_backfill(leadx_db *db, const leadx_table *table, leadx_err *err) {
  sqlite3_str *sql = sqlite3_str_new(NULL);
  leadx_template_append(sql, leadx_sql_text[LEADX_SQL_DIFF_BACKFILL], fill_hole, table);
  char *z = leadx_db_finish(sql, err);
  int rc = z ? leadx_db_exec(db, z, err) : err->rc;
  sqlite3_free(z);
  return rc;
}

int leadx_diff_begin(leadx_db *db, leadx_table *table, int backfill, leadx_err *err) {
  int64_t unsent = 0;
  int rc = leadx_queue_unsent(db, table->entity, &unsent, err);
  if (rc == SQLITE_OK && unsent) rc = compare(db, table, 0, 1, err);
  if (rc == SQLITE_OK) rc = backfill ? run_backfill(db, table, err) : note_rows(db, table, err);
  return rc == SQLITE_OK ? leadx_diff_settle(db, table, err) : rc;
}

/* ---- tables that went ---- */

int leadx_diff_forget_absent(leadx_db *db, leadx_table *table, leadx_err *err) {
  leadx_looking looking;
  leadx_missing missing = {0};
  int rc = begin_looking(&looking, db, table, err);
  if (rc == SQLITE_OK) rc = leadx_unsent_look(looking.unsent, err);
  while (rc == SQLITE_OK && !missing.is_done) rc = miss_handful(&looking, &missing, err);
  clear_looking(&looking);
  sqlite3_free(missing.after);
  return rc;
}

/* One tracked table that has another name now: both names, in sqlite3_malloc memory. */
static int find_moved(leadx_db *db, int sql_id, char **from, char **to, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_get(db, sql_id, err);
  *from = *to = NULL;
  if (!stmt) return err->rc;
  if (leadx_db_next(db, stmt, err)) {
    const char *a = leadx_db_text(stmt, 0, err), *b = leadx_db_text(stmt, 1, err);
    *from = sqlite3_mprintf("%s", a ? a : "");
    *to = sqlite3_mprintf("%s", b ? b : "");
    if (!*from || !*to) leadx_err_nomem(err);
  }
  leadx_db_put(db, stmt);
  return err->rc;
}

static int follow(leadx_db *db, int sql_id, int keeps_remote, int *n, leadx_err *err) {
  int more = 1;
  while (more && err->rc == SQLITE_OK) {
    char *from = NULL, *to = NULL;
    find_moved(db, sql_id, &from, &to, err);
    more = err->rc == SQLITE_OK && from;
    if (more) leadx_db_run(db, LEADX_SQL_DIFF_NOTE_NAME, err, "tt", from, to);
    if (more && err->rc == SQLITE_OK)
      leadx_db_run(db, LEADX_SQL_DIFF_RENAME, err, "tti", from, to, (int64_t)keeps_remote);
    *n += more;
    sqlite3_free(from);
    sqlite3_free(to);
  }
  return err->rc;
}

int leadx_diff_follow(leadx_db *db, int keeps_remote, int *n, leadx_err *err) {
  *n = 0;
  int rc = follow(db, LEADX_SQL_DIFF_RENAMED, keeps_remote, n, err);
  return rc == SQLITE_OK ? follow(db, LEADX_SQL_DIFF_CAME_BACK, keeps_remote, n, err) : rc;
}

int leadx_diff_missing(leadx_db *db, leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_DIFF_NOTE_GONE, err, "");
}

int leadx_diff_check_all(leadx_db *db, const char *who, leadx_tables *tables, leadx_err *err) {
  int renamed = 0;
  int rc = leadx_diff_follow(db, 1, &renamed, err);
  if (rc == SQLITE_OK && renamed) rc = leadx_tables_refresh(db, who, tables, err);
  for (int i = 0; i < tables->n && rc == SQLITE_OK; i++)
    rc = leadx_diff_check(db, tables->list[i], err);
  return rc == SQLITE_OK ? leadx_diff_end(db, err) : rc;
}
