/* Intake: rows of the server into a local table. See intake.h. */
#include "rows/intake.h"

#include <stdlib.h>
#include <string.h>

#include "rows/apply.h"
#include "rows/fingerprint.h"
#include "rows/key.h"
#include "rows/key_fit.h"
#include "rows/key_row.h"
#include "rows/mark.h"
#include "rows/stranger.h"
#include "rows/unique.h"
#include "rows/unsent.h"
#include "store/parking.h"

/* One member of a row: what the rows of one answer have in common, and the value in the row that is
** taken just now. */
typedef struct leadx_intake_member {
  leadx_slice name; /* raw, in the intake's names */
  leadx_slice value;
  int column; /* -1: nobody's here */
} leadx_intake_member;

struct leadx_intake {
  leadx_db *db;
  leadx_table *table;
  leadx_unsent *unsent;
  leadx_intake_member *members;
  int nmembers;
  char *names;
  int key_at[LEADX_KEY_COLUMNS], version_at,
      mark_at; /* which members are the key, the version, the mark of a soft delete; -1 for none */
  sqlite3_stmt *upsert; /* of rows with these members; made on first use */
  sqlite3_stmt *here; /* reads the key columns of a local row; made on first use */
  int *parameter_of; /* of each column in the upsert: its parameter, 0 when it is not bound */
  int watched; /* the application's triggers may change other tracked rows with each of these */
  int together; /* the caller judges the foreign keys of several rows */
  int clashed; /* it was a UNIQUE value of another row */
  unsigned char *is_unique; /* of each column: is it in a UNIQUE index? Read on first use */
  char reason[160]; /* why the local table refused the last row */
};

leadx_intake *leadx_intake_open(leadx_db *db, leadx_table *table, leadx_err *err) {
  leadx_intake *intake = sqlite3_malloc64(sizeof *intake);
  if (!intake) {
    leadx_err_nomem(err);
    return NULL;
  }
  memset(intake, 0, sizeof *intake);
  intake->db = db;
  intake->table = table;
  intake->unsent = leadx_unsent_open(db, table, 0, err);
  if (intake->unsent && leadx_apply_is_watched(db, table, &intake->watched, err) == SQLITE_OK)
    return intake;
  leadx_intake_close(intake);
  return NULL;
}

static void forget_members(leadx_intake *intake) {
  leadx_db_put(intake->db, intake->upsert);
  sqlite3_free(intake->members);
  sqlite3_free(intake->names);
  sqlite3_free(intake->parameter_of);
  intake->upsert = NULL;
  intake->members = NULL;
  intake->names = NULL;
  intake->parameter_of = NULL;
  intake->nmembers = 0;
}

void leadx_intake_close(leadx_intake *intake) {
  if (!intake) return;
  leadx_unsent_close(intake->unsent);
  forget_members(intake);
  leadx_db_put(intake->db, intake->here);
  sqlite3_free(intake->is_unique);
  sqlite3_free(intake);
}

/* ---- what is unsent ---- */

int leadx_intake_is_pending(const leadx_intake *intake, const char *key) {
  return leadx_unsent_has(intake->unsent, key);
}

int leadx_intake_look(leadx_intake *intake, leadx_err *err) {
  return leadx_unsent_look(intake->unsent, err);
}

int leadx_intake_begin(leadx_intake *intake, leadx_err *err) {
  int rc = leadx_unsent_look(intake->unsent, err);
  return rc == SQLITE_OK ? leadx_apply_begin(intake->db, err) : rc;
}

/* The upsert lets go of the rows' texts, which belong to the caller. */
int leadx_intake_end(leadx_intake *intake, leadx_err *err) {
  if (intake->upsert) sqlite3_clear_bindings(intake->upsert);
  return leadx_apply_end(intake->db, err);
}

/* ---- the members of a row ---- */

/* Reads the row's values where it has the members of the last one, in that order. */
static int read_alike(leadx_intake *intake, leadx_slice row) {
  leadx_json_walk walk;
  leadx_slice name, value;
  int i = 0;
  leadx_json_walk_init(&walk, row);
  for (; leadx_json_walk_member(&walk, &name, &value); i++) {
    if (i == intake->nmembers) return 0;
    leadx_intake_member *member = &intake->members[i];
    if (name.n != member->name.n || memcmp(name.z, member->name.z, name.n) != 0) return 0;
    member->value = value;
  }
  return i > 0 && i == intake->nmembers;
}

static int make_room(leadx_intake *intake, leadx_slice row, leadx_err *err) {
  leadx_json_walk walk;
  leadx_slice name, value;
  size_t n = 0, bytes = 0,
         places = sizeof *intake->parameter_of * ((size_t)intake->table->ncolumns + 1);
  leadx_json_walk_init(&walk, row);
  for (; leadx_json_walk_member(&walk, &name, &value); n++) bytes += name.n;
  intake->members = sqlite3_malloc64(sizeof *intake->members * n + 1);
  intake->names = sqlite3_malloc64(bytes + 1);
  intake->parameter_of = sqlite3_malloc64(places);
  if (!intake->members || !intake->names || !intake->parameter_of) return leadx_err_nomem(err);
  memset(intake->parameter_of, 0, places);
  return SQLITE_OK;
}

static int is_name(leadx_slice name, const char *wanted) {
  return wanted && leadx_json_string_is(name, wanted, strlen(wanted));
}

/* Notes what a member is besides a column's value. Of a name that stands twice the last one
** counts. */
static void find_place(leadx_intake *intake, int i) {
  const leadx_table *table = intake->table;
  const leadx_intake_member *member = &intake->members[i];
  for (int k = 0; k < table->nkey; k++) {
    if (member->column == table->key[k]) intake->key_at[k] = i;
  }
  if (is_name(member->name, table->version_remote)) intake->version_at = i;
  if (is_name(member->name, table->soft_delete_column)) intake->mark_at = i;
}

/* Learns the members of a row that is not like the last one, and reads its values. */
static int learn(leadx_intake *intake, leadx_slice row, leadx_err *err) {
  leadx_json_walk walk;
  leadx_slice name, value;
  forget_members(intake);
  if (make_room(intake, row, err) != SQLITE_OK) return err->rc;
  char *names = intake->names;
  for (int k = 0; k < intake->table->nkey; k++) intake->key_at[k] = -1;
  intake->version_at = intake->mark_at = -1;
  leadx_json_walk_init(&walk, row);
  while (leadx_json_walk_member(&walk, &name, &value)) {
    memcpy(names, name.z, name.n);
    intake->members[intake->nmembers] = (leadx_intake_member){
        {names, name.n}, value, leadx_table_member(intake->table, name, intake->nmembers)};
    names += name.n;
    find_place(intake, intake->nmembers++);
  }
  return SQLITE_OK;
}

static leadx_slice value_at(const leadx_intake *intake, int i) {
  return i >= 0 ? intake->members[i].value : (leadx_slice){NULL, 0};
}

/* Reads a row: its values, its key and its version. */
static int read_row(leadx_intake *intake, leadx_slice row, char **key, char **version,
                    leadx_err *err) {
  leadx_slice parts[LEADX_KEY_COLUMNS];
  if (!read_alike(intake, row) && learn(intake, row, err) != SQLITE_OK) return err->rc;
  for (int k = 0; k < intake->table->nkey; k++) parts[k] = value_at(intake, intake->key_at[k]);
  *key = leadx_key_of_values(intake->table, parts, err);
  *version = leadx_version_text(value_at(intake, intake->version_at), err);
  return err->rc;
}

/* ---- the upsert ---- */

/* Another row of the server may have a key that the local column takes for the same (NOCASE): it
** must not be written over the one that is here. */
static void append_same_text(sqlite3_str *sql, const leadx_table *table) {
  int n = 0;
  for (int i = 0; i < table->nkey; i++) {
    const leadx_column *column = &table->columns[table->key[i]];
    if (column->type != LEADX_TEXT && column->type != LEADX_JSON) continue;
    sqlite3_str_appendf(sql, " %s \"%w\".\"%w\" = excluded.\"%w\" COLLATE BINARY",
                        n++ ? "AND" : "WHERE", table->name, column->name, column->name);
  }
}

/* OR ABORT, because a UNIQUE of the local table may say ON CONFLICT REPLACE, and that would remove
** another row. */
static int prepare_upsert(leadx_intake *intake, leadx_err *err) {
  const leadx_table *table = intake->table;
  sqlite3_str *sql = sqlite3_str_new(NULL), *values = sqlite3_str_new(NULL),
              *updates = sqlite3_str_new(NULL);
  int n = 0, nupdates = 0;
  /* Not the first attempt, when the table's schema refused an earlier row. */
  memset(intake->parameter_of, 0, sizeof *intake->parameter_of * (size_t)table->ncolumns);
  for (int i = 0; i < intake->nmembers; i++) {
    int column = intake->members[i].column;
    if (column < 0 || intake->parameter_of[column]) continue;
    const char *name = table->columns[column].name;
    if (table->columns[column].key_position == 0)
      sqlite3_str_appendf(updates, "%s\"%w\"=excluded.\"%w\"", nupdates++ ? "," : "", name, name);
    intake->parameter_of[column] = ++n;
    sqlite3_str_appendf(sql, "%s\"%w\"", n > 1 ? "," : "", name);
    sqlite3_str_appendf(values, "%s?%d", n > 1 ? "," : "", n);
  }
  char *columns = sqlite3_str_finish(sql), *places = sqlite3_str_finish(values),
       *sets = sqlite3_str_finish(updates);
  sqlite3_str *whole = sqlite3_str_new(NULL);
  if (!columns || !places || (nupdates > 0 && !sets)) leadx_err_spoil(whole);
  sqlite3_str_appendf(whole, "INSERT OR ABORT INTO main.\"%w\"(%s) VALUES(%s) ON CONFLICT(",
                      table->name, columns ? columns : "", places ? places : "");
  for (int i = 0; i < table->nkey; i++)
    sqlite3_str_appendf(whole, "%s\"%w\"", i ? "," : "", table->columns[table->key[i]].name);
  if (sets) sqlite3_str_appendf(whole, ") DO UPDATE SET %s", sets);
  else sqlite3_str_appendall(whole, ") DO NOTHING");
  if (sets) append_same_text(whole, table);
  sqlite3_free(columns);
  sqlite3_free(places);
  sqlite3_free(sets);
  intake->upsert = leadx_db_get_str(intake->db, whole, err);
  return intake->upsert ? SQLITE_OK : err->rc;
}

/* A NULL of the server for a local NOT NULL column becomes the column's DEFAULT, as a value: a text
** of the schema that is no literal is not evaluated for this. Without one a text is empty. */
static int bind_absent(leadx_intake *intake, const leadx_column *column, int parameter) {
  const leadx_literal *value = &column->default_value;
  if (leadx_literal_is_known(value)) return leadx_literal_bind(value, intake->upsert, parameter);
  return column->type == LEADX_TEXT
             ? sqlite3_bind_text(intake->upsert, parameter, "", 0, SQLITE_STATIC)
             : SQLITE_MISMATCH;
}

static int bind_member(leadx_intake *intake, int index, leadx_slice value) {
  const leadx_column *column = &intake->table->columns[index];
  int parameter = intake->parameter_of[index];
  if (leadx_json_kind_of(value) == LEADX_JSON_NULL && column->not_null)
    return bind_absent(intake, column, parameter);
  return leadx_wire_lend(intake->upsert, parameter, leadx_column_form(column), value);
}

/* The value that a row of this answer has in a column, empty when it has none. */
static leadx_slice value_of(const leadx_intake *intake, int column) {
  for (int i = 0; i < intake->nmembers; i++) {
    if (intake->members[i].column == column) return intake->members[i].value;
  }
  return (leadx_slice){NULL, 0};
}

/* References are spelled as the parent's local row is. */
static int bind_references(leadx_intake *intake, leadx_err *err) {
  const leadx_table *table = intake->table;
  int rc = SQLITE_OK;
  for (int r = 0; r < table->nreferences && rc == SQLITE_OK; r++) {
    const leadx_reference *reference = &table->references[r];
    leadx_slice values[LEADX_KEY_COLUMNS];
    int parameters[LEADX_KEY_COLUMNS];
    if (!reference->parent || !leadx_key_varies(reference->parent)) continue;
    for (int i = 0; i < reference->ncolumn; i++) {
      values[i] = value_of(intake, reference->column[i]);
      parameters[i] = intake->parameter_of[reference->column[i]];
    }
    rc = leadx_key_bind_parent(intake->db, reference->parent, values, intake->upsert, parameters,
                               err);
  }
  return rc;
}

/* The local row's own key columns, where they can be spelled otherwise than the server does. */
static int bind_own_key(leadx_intake *intake, const char *key, leadx_err *err) {
  const leadx_table *table = intake->table;
  if (!leadx_key_varies(table)) return SQLITE_OK;
  if (!intake->here) intake->here = leadx_key_select(intake->db, table, err);
  if (!intake->here) return err->rc;
  int parameters[LEADX_KEY_COLUMNS];
  for (int i = 0; i < table->nkey; i++) parameters[i] = intake->parameter_of[table->key[i]];
  return leadx_key_take(intake->db, table, intake->here, key, intake->upsert, parameters, err);
}

static int bind_row(leadx_intake *intake, const char *key, leadx_err *err) {
  int rc = SQLITE_OK;
  for (int i = 0; i < intake->nmembers && rc == SQLITE_OK; i++) {
    const leadx_intake_member *member = &intake->members[i];
    if (member->column >= 0) rc = bind_member(intake, member->column, member->value);
  }
  if (rc == SQLITE_OK) rc = bind_own_key(intake, key, err);
  return rc == SQLITE_OK ? bind_references(intake, err) : rc;
}

/* Refused by the local table's own rules, as opposed to a broken or busy file. An expression of the
** schema may fail (SQLITE_ERROR), or may not run at all. A trigger that rolls the whole transaction
** back has taken the rows before it along, and what follows would be captured. */
static int is_refusal(const leadx_intake *intake, int rc) {
  int refused = (rc & 0xff) == SQLITE_CONSTRAINT || (rc & 0xff) == SQLITE_MISMATCH ||
                (rc & 0xff) == SQLITE_TOOBIG || rc == SQLITE_ERROR;
  return refused && !sqlite3_get_autocommit(intake->db->handle);
}

/* A schema whose text may not run (a DEFAULT or a CHECK that calls what is for direct use only)
** refuses every row of the table, and no row of another one. */
static int get_upsert(leadx_intake *intake, const char **refused, leadx_err *err) {
  leadx_err failed = {0};
  int rc = intake->upsert ? SQLITE_OK : prepare_upsert(intake, &failed);
  if (rc == SQLITE_OK) return rc;
  if (!is_refusal(intake, rc)) return leadx_err_set(err, rc, "%s", failed.text);
  sqlite3_snprintf((int)sizeof intake->reason, intake->reason, "%s", failed.text);
  *refused = intake->reason;
  return SQLITE_OK;
}

/* A statement that changed nothing, although it went well, has met a row whose key the local table
** takes for this one, or a trigger that ignores what it inserts, although the row stands here: the
** row keeps what it had, and must not count as known. A table of nothing but its key has nothing to
** write. */
static int keeps_out_twin(leadx_intake *intake, const char *key, int64_t written,
                          const char **refused, leadx_err *err) {
  int found = 0;
  if (written > 0) return SQLITE_OK;
  int rc = leadx_key_is_here(intake->db, intake->table, key, &found, err);
  if (rc == SQLITE_OK && !found)
    *refused = "the local table takes its key for that of another row (or a trigger kept it out)";
  else if (rc == SQLITE_OK && intake->table->ncolumns > intake->table->nkey)
    *refused = "a trigger of the application ignored it, and the row here is as it was";
  return rc;
}

/* The result of sqlite3_step(), with the reason where the table refused the row. *written: how many
** rows changed. What the application's triggers do with the row runs, and does not count as anybody's
** change of other rows. */
static int step_upsert(leadx_intake *intake, const char *key, int64_t *written, leadx_err *err) {
  sqlite3 *handle = intake->db->handle;
  int64_t before = 0;
  if (intake->watched && leadx_apply_watch(intake->db, &before, err) != SQLITE_OK) return err->rc;
  *written = -(int64_t)sqlite3_total_changes(handle);
  int rc = sqlite3_step(intake->upsert);
  *written += sqlite3_total_changes(handle);
  if (rc != SQLITE_DONE)
    sqlite3_snprintf((int)sizeof intake->reason, intake->reason, "%s", sqlite3_errmsg(handle));
  if (rc != SQLITE_DONE)
    intake->clashed = sqlite3_extended_errcode(handle) == SQLITE_CONSTRAINT_UNIQUE;
  sqlite3_reset(intake->upsert);
  if (rc != SQLITE_DONE && !is_refusal(intake, rc))
    return leadx_err_db(err, handle, rc, "apply a row of the server");
  if (intake->watched) leadx_apply_watched(intake->db, intake->table, key, before, err);
  return rc;
}

static int upsert(leadx_intake *intake, const char *key, const char **refused, leadx_err *err) {
  int64_t written = 0;
  int rc = get_upsert(intake, refused, err);
  if (rc != SQLITE_OK || *refused) return rc;
  rc = bind_row(intake, key, err);
  if (err->rc != SQLITE_OK) return err->rc;
  if (rc != SQLITE_OK && !is_refusal(intake, rc))
    return leadx_err_db(err, intake->db->handle, rc, "apply a row of the server");
  if (rc == SQLITE_OK) rc = step_upsert(intake, key, &written, err);
  else
    sqlite3_snprintf((int)sizeof intake->reason, intake->reason,
                     "a NULL of the server does not fit a NOT NULL column");
  if (err->rc != SQLITE_OK) return err->rc;
  if (rc == SQLITE_DONE) return keeps_out_twin(intake, key, written, refused, err);
  *refused = intake->reason;
  return SQLITE_OK;
}

/* The same for a row that has to fit by itself. */
static int upsert_alone(leadx_intake *intake, const char *key, const char **refused,
                        leadx_err *err) {
  if (intake->together || intake->table->nreferences == 0 || !leadx_intake_has_foreign_keys(intake))
    return upsert(intake, key, refused, err);
  int rc = leadx_db_exec(intake->db, "SAVEPOINT leadx_row", err);
  if (rc == SQLITE_OK) rc = upsert(intake, key, refused, err);
  if (rc == SQLITE_OK && !*refused && !leadx_intake_is_whole(intake)) {
    rc = leadx_db_exec(intake->db, "ROLLBACK TO leadx_row", err);
    *refused = "it refers to a row that is not here";
  }
  return rc == SQLITE_OK ? leadx_db_exec(intake->db, "RELEASE leadx_row", err) : rc;
}

/* ---- rows ---- */

static int park(leadx_intake *intake, const char *key, leadx_parking why, const char *reason,
                int *parked, leadx_err *err) {
  *parked = 1;
  return leadx_parking_add(intake->db, intake->table->entity, key, why, reason, err);
}

/* A row that waits for its unsent change. One that the server hid, and shows now, lets the change go
** out. */
static int keep_back(leadx_intake *intake, const char *key, const char *reason, int *parked,
                     leadx_err *err) {
  int rc = leadx_parking_revive(intake->db, intake->table->entity, key, err);
  return rc == SQLITE_OK ? park(intake, key, LEADX_REFETCH, reason, parked, err) : rc;
}

/* A soft delete marks the local row where it has the column, and removes it where it has not. */
static int take_row(leadx_intake *intake, leadx_slice row, const char *key, const char *version,
                    int anew, int *changed, int *parked, leadx_err *err) {
  const char *refused = NULL;
  int known = 0, is_unheard = 0;
  int rc = leadx_shadow_look(intake->db, intake->table->entity, key, version, &is_unheard, &known,
                             err);
  if (rc != SQLITE_OK || (known && !anew)) return rc;
  if (leadx_intake_is_pending(intake, key))
    return keep_back(intake, key, "a local change is unsent", parked, err);
  const char *misfit = leadx_key_misfit(intake->table, key);
  if (misfit) return park(intake, key, LEADX_REFUSED, misfit, parked, err);
  if (is_unheard && leadx_stranger_meet(intake->db, intake->table, key, row, err) != SQLITE_OK)
    return err->rc;
  int removes = leadx_mark_says_deleted(value_at(intake, intake->mark_at)) &&
                leadx_mark_drops_deleted(intake->table);
  rc = removes ? leadx_apply_remove(intake->db, intake->table, key, changed, &refused, err)
               : upsert_alone(intake, key, &refused, err);
  if (rc != SQLITE_OK) return rc;
  if (refused) return park(intake, key, LEADX_REFUSED, refused, parked, err);
  if (removes) return SQLITE_OK;
  *changed = 1;
  return leadx_fingerprint_note(intake->db, intake->table, key, version, err);
}

int leadx_intake_row(leadx_intake *intake, leadx_slice row, int anew, int *changed, int *parked,
                     leadx_err *err) {
  char *key = NULL, *version = NULL;
  *changed = *parked = intake->clashed = 0;
  int rc = read_row(intake, row, &key, &version, err);
  if (rc == SQLITE_OK)
    rc = key ? take_row(intake, row, key, version, anew, changed, parked, err)
             : leadx_err_set(err, SQLITE_ERROR, "table \"%s\": the server's row has no \"%s\"",
                             intake->table->name,
                             intake->table->columns[intake->table->key[0]].remote);
  sqlite3_free(key);
  sqlite3_free(version);
  return rc;
}

int leadx_intake_remove(leadx_intake *intake, const char *key, int *changed, int *refused,
                        leadx_err *err) {
  const char *reason = NULL;
  *changed = *refused = 0;
  if (leadx_intake_is_pending(intake, key)) {
    *refused = 1;
    return SQLITE_OK;
  }
  int rc = leadx_apply_remove(intake->db, intake->table, key, changed, &reason, err);
  *refused = reason != NULL;
  return rc;
}

/* ---- rows that exchange UNIQUE values ---- */

int leadx_intake_clashed(const leadx_intake *intake) { return intake->clashed; }

static int read_uniques(leadx_intake *intake, leadx_err *err) {
  if (intake->is_unique) return SQLITE_OK;
  intake->is_unique = sqlite3_malloc64((size_t)intake->table->ncolumns + 1);
  if (!intake->is_unique) return leadx_err_nomem(err);
  return leadx_uniques_columns(intake->db, intake->table, intake->is_unique, err);
}

/* A value that nobody has: none at all where the column may be empty. */
static int bind_aside(sqlite3_stmt *stmt, int parameter, const leadx_column *column) {
  unsigned char bytes[16];
  if (!column->not_null) return sqlite3_bind_null(stmt, parameter);
  sqlite3_randomness(sizeof bytes, bytes);
  if (column->affinity == LEADX_AFFINITY_NONE)
    return sqlite3_bind_blob(stmt, parameter, bytes, sizeof bytes, SQLITE_TRANSIENT);
  if (column->affinity != LEADX_AFFINITY_TEXT) {
    int64_t number = 0;
    memcpy(&number, bytes, sizeof number);
    return sqlite3_bind_int64(stmt, parameter, number | INT64_MIN);
  }
  char *text = sqlite3_mprintf("leadx:%08x%08x%08x", bytes[0] << 16 | bytes[1] << 8 | bytes[2],
                               bytes[3] << 16 | bytes[4] << 8 | bytes[5],
                               bytes[6] << 16 | bytes[7] << 8 | bytes[8]);
  return text ? sqlite3_bind_text(stmt, parameter, text, -1, sqlite3_free) : SQLITE_NOMEM;
}

/* Lends the UPDATE of the UNIQUE columns, with their values bound; NULL without an error when there
** are none. */
static sqlite3_stmt *prepare_aside(leadx_intake *intake, const char *key, leadx_err *err) {
  const leadx_table *table = intake->table;
  sqlite3_str *sql = sqlite3_str_new(NULL);
  int n = 0, rc = SQLITE_OK;
  sqlite3_str_appendf(sql, "UPDATE main.\"%w\" SET", table->name);
  for (int i = 0; i < table->ncolumns; i++) {
    if (!intake->is_unique[i]) continue;
    sqlite3_str_appendf(sql, "%s \"%w\" = ?%d", n ? "," : "", table->columns[i].name,
                        table->nkey + 1 + n);
    n++;
  }
  sqlite3_str_appendall(sql, " WHERE ");
  leadx_key_where(table, sql, 1);
  if (n == 0) {
    sqlite3_free(sqlite3_str_finish(sql));
    return NULL;
  }
  sqlite3_stmt *stmt = leadx_db_get_str(intake->db, sql, err);
  if (!stmt) return NULL;
  rc = leadx_key_bind(table, stmt, 1, key);
  for (int i = 0, parameter = table->nkey + 1; i < table->ncolumns && rc == SQLITE_OK; i++) {
    if (intake->is_unique[i]) rc = bind_aside(stmt, parameter++, &table->columns[i]);
  }
  if (rc == SQLITE_NOMEM) leadx_err_nomem(err);
  if (rc == SQLITE_OK) return stmt;
  leadx_db_put(intake->db, stmt);
  return NULL;
}

static int step_aside(leadx_intake *intake, sqlite3_stmt *stmt, const char *key, int *stepped,
                      leadx_err *err) {
  sqlite3 *handle = intake->db->handle;
  int64_t before = 0;
  if (intake->watched && leadx_apply_watch(intake->db, &before, err) != SQLITE_OK) return err->rc;
  int rc = sqlite3_step(stmt);
  *stepped = rc == SQLITE_DONE && sqlite3_changes(handle) > 0;
  if (rc != SQLITE_DONE && !is_refusal(intake, rc))
    leadx_err_db(err, handle, rc, "apply rows that exchange their values");
  sqlite3_reset(stmt);
  if (intake->watched && err->rc == SQLITE_OK)
    leadx_apply_watched(intake->db, intake->table, key, before, err);
  return err->rc;
}

int leadx_intake_step_aside(leadx_intake *intake, leadx_slice row, int *stepped, leadx_err *err) {
  *stepped = 0;
  char *key = leadx_key_of_row(intake->table, row, err);
  if (key && !leadx_intake_is_pending(intake, key) && read_uniques(intake, err) == SQLITE_OK) {
    sqlite3_stmt *stmt = prepare_aside(intake, key, err);
    if (stmt) step_aside(intake, stmt, key, stepped, err);
    leadx_db_put(intake->db, stmt);
  }
  sqlite3_free(key);
  return err->rc;
}

/* ---- foreign keys ---- */

void leadx_intake_together(leadx_intake *intake, int together) { intake->together = together; }

int leadx_intake_has_foreign_keys(const leadx_intake *intake) {
  int on = 0;
  sqlite3_db_config(intake->db->handle, SQLITE_DBCONFIG_ENABLE_FKEY, -1, &on);
  return on;
}

int leadx_intake_defer(leadx_intake *intake, leadx_err *err) {
  return leadx_db_pragma(intake->db, "PRAGMA defer_foreign_keys = 1", err);
}

int leadx_intake_is_whole(const leadx_intake *intake) {
  int open = 0, highest = 0;
  sqlite3_db_status(intake->db->handle, SQLITE_DBSTATUS_DEFERRED_FKS, &open, &highest, 0);
  return open == 0;
}

int leadx_intake_enforce(leadx_intake *intake, leadx_err *err) {
  return leadx_db_pragma(intake->db, "PRAGMA defer_foreign_keys = 0", err);
}
