/* Single steps: a pull that makes one request at a time goes on where the last one stopped. See
** pulling.h.
**
** Steps note where they are in a temporary table. A pull that takes no steps makes none: a change
** of the schema, be it the temporary one, costs every statement of the connection. */
#include "pull/pulling.h"

#define MOST_LIMIT 100000 /* of page_size in settings.c */

static int is_stepping(const leadx_run *run) { return run->request_budget >= 0; }

int leadx_stepping_begin(const leadx_run *run, leadx_err *err) {
  if (!is_stepping(run)) return SQLITE_OK;
  return leadx_db_exec(&run->ctx->db, leadx_sql_text[LEADX_SQL_STEPPING_BEGIN], err);
}

int leadx_stepping_load_turn(leadx_run *run, const leadx_table *table, leadx_turn *turn,
                             leadx_err *err) {
  leadx_db *db = &run->ctx->db;
  if (!is_stepping(run)) return SQLITE_OK;
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_STEPPING_GET, err, "s", table->entity);
  if (stmt && leadx_db_next(db, stmt, err)) {
    turn->done = leadx_db_number(stmt, 4, 0, LEADX_MOST_ROWS, 0);
    turn->left = leadx_db_number(stmt, 5, -1, LEADX_MOST_ROWS, -1);
    /* A table that the last step came to without a request left has not begun. */
    turn->is_begun = leadx_db_number(stmt, 0, 0, LEADX_BY_CALL, LEADX_PULLED) != LEADX_PULLED &&
                     (turn->done > 0 || turn->left >= 0);
    run->tally.done += turn->done;
    run->tally.total += turn->done + (turn->left > 0 ? turn->left : 0);
  }
  leadx_db_put(db, stmt);
  return err->rc;
}

int leadx_stepping_end(const leadx_run *run, leadx_err *err) {
  leadx_db *db = &run->ctx->db;
  if (sqlite3_table_column_metadata(db->handle, "temp", "leadx_stepping", NULL, NULL, NULL, NULL,
                                    NULL, NULL) != SQLITE_OK)
    return SQLITE_OK;
  return leadx_db_run(db, LEADX_SQL_STEPPING_CLEAR, err, "");
}

/* Goes on where the last step of this table stopped. */
static int take_step(leadx_pulling *pulling, leadx_phase phase, const char *version,
                     const char *after, int limit, leadx_err *err) {
  leadx_pulling_enter(pulling, phase);
  pulling->limit = limit;
  if (phase == LEADX_PARKED && limit < LEADX_PARKED_KEYS) pulling->proven = limit;
  if (!after) return SQLITE_OK;
  if (phase != LEADX_PARKED) leadx_place_clear(&pulling->place);
  char **to = phase == LEADX_PARKED ? &pulling->after : &pulling->place.key;
  *to = sqlite3_mprintf("%s", after);
  if (version) pulling->place.version = sqlite3_mprintf("%s", version);
  return *to && (!version || pulling->place.version) ? SQLITE_OK : leadx_err_nomem(err);
}

int leadx_stepping_load(leadx_pulling *pulling, leadx_err *err) {
  leadx_db *db = &pulling->run->ctx->db;
  if (!is_stepping(pulling->run)) return SQLITE_OK;
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_STEPPING_GET, err, "s", pulling->table->entity);
  if (!stmt) return err->rc;
  if (leadx_db_next(db, stmt, err)) {
    const char *version = leadx_db_text(stmt, 1, err), *after = leadx_db_text(stmt, 2, err);
    int phase = (int)leadx_db_number(stmt, 0, 0, LEADX_BY_CALL, LEADX_BY_VERSION);
    int limit = (int)leadx_db_number(stmt, 3, 1, MOST_LIMIT, 1);
    pulling->mark = (uint64_t)leadx_db_number(stmt, 6, INT64_MIN, INT64_MAX, 0);
    pulling->kept = leadx_db_number(stmt, 7, 0, INT64_MAX / 2, 0);
    pulling->kept_for = leadx_db_number(stmt, 8, 0, INT64_MAX / 2, 0);
    if (err->rc == SQLITE_OK) take_step(pulling, (leadx_phase)phase, version, after, limit, err);
  }
  leadx_db_put(db, stmt);
  return err->rc;
}

int leadx_stepping_save(leadx_pulling *pulling, leadx_err *err) {
  int parked = pulling->phase == LEADX_PARKED;
  if (!is_stepping(pulling->run)) return SQLITE_OK;
  /* A page that was not applied leads to its place once more. */
  if (pulling->run->tally.ended != LEADX_CLASS_OK || pulling->run->tally.lost_lease)
    pulling->kept = pulling->kept_for = 0;
  return leadx_db_run(
      &pulling->run->ctx->db, LEADX_SQL_STEPPING_SET, err, "tittiiiiii", pulling->table->entity,
      (int64_t)pulling->phase, parked ? NULL : pulling->place.version,
      parked ? pulling->after : pulling->place.key, (int64_t)pulling->limit, pulling->turn->done,
      pulling->turn->left, (int64_t)pulling->mark, pulling->kept, pulling->kept_for);
}
