/* Rows in. See apply.h. */
#include "rows/apply.h"

#include <string.h>

#include "rows/key_row.h"
#include "rows/respell.h"
#include "store/parking.h"
#include "store/queue.h"
#include "store/shadow.h"
#include "store/tables.h"

int leadx_apply_begin(leadx_db *db, leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_APPLYING_ON, err, "");
}
int leadx_apply_end(leadx_db *db, leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_APPLYING_OFF, err, "");
}

/* A server value that the local table's own rules refuse must not undo the ack: the row keeps what
** it has. */
int leadx_apply_is_refusal(int rc) {
  return (rc & 0xff) == SQLITE_CONSTRAINT || (rc & 0xff) == SQLITE_MISMATCH;
}

int leadx_apply_settled(leadx_db *db, const leadx_table *table, const char *key, leadx_err *err) {
  int64_t unsent = 0;
  if (!table->pending ||
      leadx_queue_has_unsent(db, table->entity, key, &unsent, err) != SQLITE_OK || unsent)
    return err->rc;
  sqlite3_str *sql = sqlite3_str_new(NULL);
  sqlite3_str_appendf(sql, "UPDATE main.\"%w\" SET \"%w\" = 0 WHERE ", table->name, table->pending);
  leadx_key_where(table, sql, 1);
  sqlite3_stmt *stmt = leadx_db_get_str(db, sql, err);
  if (!stmt) return err->rc;
  int rc = leadx_key_bind(table, stmt, 1, key);
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  leadx_db_put(db, stmt);
  return rc == SQLITE_DONE || leadx_apply_is_refusal(rc)
             ? SQLITE_OK
             : leadx_err_db(err, db->handle, rc, "clear the pending column");
}

/* ---- deleted on the server ---- */

static int has_foreign_keys(const leadx_db *db) {
  int on = 0;
  sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_FKEY, -1, &on);
  return on;
}

/* Deletes the row. *refused: why the local table's rules, or its triggers, do not let it go. A
** trigger that rolls the whole transaction back has taken what came before along, which is an
** error. */
static int delete_row(leadx_db *db, const leadx_table *table, const char *key, int *changed,
                      const char **refused, leadx_err *err) {
  sqlite3_str *sql = sqlite3_str_new(NULL);
  sqlite3_str_appendf(sql, "DELETE FROM main.\"%w\" WHERE ", table->name);
  leadx_key_where(table, sql, 1);
  sqlite3_stmt *stmt = leadx_db_get_str(db, sql, err);
  if (!stmt) return err->rc;
  int rc = leadx_key_bind(table, stmt, 1, key);
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  leadx_db_put(db, stmt);
  if (rc == SQLITE_DONE) *changed = sqlite3_changes(db->handle) > 0;
  else if (leadx_apply_is_refusal(rc) && !sqlite3_get_autocommit(db->handle))
    *refused = "other rows refer to it, or a rule of the table keeps it";
  else return leadx_err_db(err, db->handle, rc, "remove a row the server deleted");
  return SQLITE_OK;
}

/* The keys that the triggers queued behind `before` are compared with those of other rows. */
static int respell_effects(leadx_db *db, const leadx_table *table, int64_t before, leadx_err *err) {
  const leadx_tables tables = {.list = table->among, .n = table->namong};
  return leadx_respell_behind(db, &tables, before, err);
}

/* What the removal did to other rows, as the triggers wrote it down behind `before`, is no wish of
** anybody here: it is taken out of the queue, and the server's state of those rows is fetched. Their keys have been
** respelled. */
static int take_back_effects(leadx_db *db, const leadx_table *table, const char *key,
                             int64_t before, leadx_err *err) {
  int rc = leadx_shadow_forget_effects(db, before, err);
  if (rc == SQLITE_OK) rc = leadx_parking_add_effects(db, before, table->entity, key, err);
  return rc == SQLITE_OK ? leadx_db_run(db, LEADX_SQL_REMOVAL_UNQUEUE, err, "i", before) : rc;
}

int leadx_apply_is_watched(leadx_db *db, const leadx_table *table, int *yes, leadx_err *err) {
  int64_t watched = 0;
  int rc = leadx_db_int(db, LEADX_SQL_APPLY_IS_WATCHED, err, &watched, "s", table->name);
  *yes = watched != 0;
  return rc;
}

int leadx_apply_watch(leadx_db *db, int64_t *before, leadx_err *err) {
  int rc = leadx_queue_last_rowid(db, before, err);
  return rc == SQLITE_OK ? leadx_apply_end(db, err) : rc;
}

int leadx_apply_watched(leadx_db *db, const leadx_table *table, const char *key, int64_t before,
                        leadx_err *err) {
  int rc = leadx_apply_begin(db, err);
  if (rc == SQLITE_OK) rc = respell_effects(db, table, before, err);
  return rc == SQLITE_OK ? take_back_effects(db, table, key, before, err) : rc;
}

/* Foreign keys may take other rows along, at any depth, or change them. The triggers see all of it,
** so capture is on meanwhile. */
static int delete_watched(leadx_db *db, const leadx_table *table, const char *key, int *changed,
                          const char **refused, leadx_err *err) {
  int64_t before = 0, robbed = 0;
  int rc = leadx_apply_watch(db, &before, err);
  if (rc == SQLITE_OK) rc = delete_row(db, table, key, changed, refused, err);
  if (rc == SQLITE_OK) rc = leadx_apply_begin(db, err);
  if (rc == SQLITE_OK) rc = respell_effects(db, table, before, err);
  if (rc == SQLITE_OK) rc = leadx_db_int(db, LEADX_SQL_REMOVAL_ROBS, err, &robbed, "i", before);
  if (rc == SQLITE_OK && robbed) *refused = "a row that refers to it has an unsent change";
  return rc == SQLITE_OK && !robbed ? take_back_effects(db, table, key, before, err) : rc;
}

int leadx_apply_remove(leadx_db *db, const leadx_table *table, const char *key, int *changed,
                       const char **refused, leadx_err *err) {
  *changed = 0;
  *refused = NULL;
  int watched = has_foreign_keys(db);
  if (!watched && leadx_apply_is_watched(db, table, &watched, err) != SQLITE_OK) return err->rc;
  if (!watched) {
    int rc = delete_row(db, table, key, changed, refused, err);
    return rc == SQLITE_OK && !*refused ? leadx_shadow_forget(db, table->entity, key, err) : rc;
  }
  int rc = leadx_db_exec(db, "SAVEPOINT leadx_removal", err);
  if (rc == SQLITE_OK) rc = delete_watched(db, table, key, changed, refused, err);
  if (rc == SQLITE_OK && *refused) *changed = 0;
  if (rc == SQLITE_OK && *refused) rc = leadx_db_exec(db, "ROLLBACK TO leadx_removal", err);
  /* What is not here any more must not look like a row that was deleted here without a trigger. */
  if (rc == SQLITE_OK && !*refused) rc = leadx_shadow_forget(db, table->entity, key, err);
  return rc == SQLITE_OK ? leadx_db_exec(db, "RELEASE leadx_removal", err) : rc;
}
