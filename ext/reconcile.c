/* Reconcile. See reconcile.h.
**
** The server's keys and versions are collected in a temporary table (it may spill to disk, so memory
** stays bounded), then the two sides are compared in SQL.
*/
#include "reconcile.h"

#include <string.h>

#include "change.h"
#include "intake.h"
#include "page.h"
#include "pull.h"
#include "settings.h"

/* Keys handled per request or write transaction. */
#define KEYS_AT_A_TIME 100
/* With more known rows than this, a server that shows none at all is not believed: a user who lost
** all rights sees exactly what an empty table shows. */
#define BELIEVABLE_LOSS 20

typedef struct leadx_reconciling {
  leadx_run *run;
  leadx_table *table;
  leadx_intake *intake;
} leadx_reconciling;

static int may_ask(const leadx_run *run) {
  return run->tally.ended == LEADX_CLASS_OK && run->request_budget != 0 && !run->tally.lost_lease;
}

/* ---- collecting ---- */

/* Notes the keys of a page; *last gets the last one (the caller frees it). */
static int see_rows(leadx_reconciling *job, leadx_slice rows, int *n, char **last, leadx_err *err) {
  leadx_json_walk walk;
  leadx_slice row;
  int rc = SQLITE_OK;
  leadx_json_walk_init(&walk, rows);
  for (*n = 0; rc == SQLITE_OK && leadx_json_walk_element(&walk, &row); ++*n) {
    char *key = leadx_intake_key(job->table, row), *version = leadx_change_version_of(job->table, row);
    if (key) rc = leadx_db_run(&job->run->ctx->db, LEADX_SQL_RECONCILE_SEE, err, "tt", key, version);
    else rc = leadx_err_set(err, SQLITE_ERROR, "reconcile of %s: a row came without its key", job->table->remote);
    sqlite3_free(version);
    sqlite3_free(*last);
    *last = key;
  }
  return rc;
}

/* Reads all keys and versions that the server shows. *complete: the last page was reached. */
static int collect(leadx_reconciling *job, int *complete, leadx_err *err) {
  leadx_run *run = job->run;
  int limit = (int)leadx_settings_int(run->ctx->settings, LEADX_PAGE_SIZE), rc = SQLITE_OK, n = 1;
  char *last = NULL;
  *complete = 0;
  while (rc == SQLITE_OK && n > 0 && may_ask(run)) {
    leadx_slice rows = {NULL, 0};
    leadx_class class_;
    leadx_request *done =
        leadx_pull_ask(run, leadx_page_keys_request(&run->target, job->table, last, limit, err), &rows, &class_, job->table, err);
    if (!done) {
      rc = err->rc;
      break;
    }
    if (class_ != LEADX_CLASS_OK) n = -1;
    else rc = see_rows(job, rows, &n, &last, err);
    leadx_request_free(done);
  }
  *complete = rc == SQLITE_OK && n == 0;
  sqlite3_free(last);
  return rc;
}

/* ---- comparing ---- */

/* The next keys of a comparison behind `after`; the caller frees each. */
static int next_keys(leadx_reconciling *job, int sql_id, const char *after, char **keys, int *n, leadx_err *err) {
  leadx_db *db = &job->run->ctx->db;
  sqlite3_stmt *stmt = leadx_db_get(db, sql_id, err);
  if (!stmt) return err->rc;
  sqlite3_bind_text(stmt, 1, job->table->entity, -1, SQLITE_TRANSIENT);
  sqlite3_bind_text(stmt, 2, after, -1, SQLITE_TRANSIENT);
  sqlite3_bind_int(stmt, 3, KEYS_AT_A_TIME);
  int rc;
  *n = 0;
  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && *n < KEYS_AT_A_TIME) {
    keys[*n] = sqlite3_mprintf("%s", (const char *)sqlite3_column_text(stmt, 0));
    if (!keys[*n]) break;
    ++*n;
  }
  leadx_db_put(db, stmt);
  if (rc == SQLITE_ROW) return leadx_err_nomem(err);
  return rc == SQLITE_DONE ? SQLITE_OK : leadx_err_db(err, db->handle, rc, "compare with the server");
}

/* One write transaction over some rows or keys. */
static int change_rows(leadx_reconciling *job, leadx_slice rows, char **gone, int ngone, leadx_err *err) {
  leadx_db *db = &job->run->ctx->db;
  leadx_json_walk walk;
  leadx_slice row;
  int changed = 0, parked = 0, rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = leadx_run_renew(job->run, err);
  if (rc == SQLITE_OK) rc = leadx_intake_begin(job->intake, err);
  leadx_json_walk_init(&walk, rows);
  while (rc == SQLITE_OK && rows.n && leadx_json_walk_element(&walk, &row)) {
    rc = leadx_intake_row(job->intake, row, 1, &changed, &parked, err);
    job->run->tally.pulled += changed;
  }
  for (int i = 0; i < ngone && rc == SQLITE_OK; i++) {
    rc = leadx_intake_remove(job->intake, gone[i], &changed, err);
    job->run->tally.pulled += changed;
  }
  if (rc == SQLITE_OK) rc = leadx_intake_end(job->intake, err);
  if (rc == SQLITE_OK) return leadx_db_commit(db, err);
  leadx_db_rollback(db);
  return rc;
}

static int fetch_rows(leadx_reconciling *job, char **keys, int n, leadx_err *err) {
  leadx_run *run = job->run;
  leadx_slice rows = {NULL, 0};
  leadx_class class_;
  leadx_request *done = leadx_pull_ask(run, leadx_page_rows_request(&run->target, job->table, keys, n, err), &rows, &class_, job->table, err);
  if (!done) return err->rc;
  int rc = class_ == LEADX_CLASS_OK ? change_rows(job, rows, NULL, 0, err) : SQLITE_OK;
  leadx_request_free(done);
  return rc;
}

/* Walks one comparison: rows that differ are fetched, rows that vanished are removed. */
static int repair(leadx_reconciling *job, int sql_id, leadx_err *err) {
  char *keys[KEYS_AT_A_TIME], *after = sqlite3_mprintf("");
  int n = 0, rc = after ? SQLITE_OK : leadx_err_nomem(err);
  do {
    n = 0;
    if (rc == SQLITE_OK) rc = next_keys(job, sql_id, after, keys, &n, err);
    if (rc == SQLITE_OK && n > 0) {
      rc = sql_id == LEADX_SQL_RECONCILE_DIFFERING ? fetch_rows(job, keys, n, err)
                                                   : change_rows(job, (leadx_slice){NULL, 0}, keys, n, err);
    }
    sqlite3_free(after);
    after = n > 0 ? sqlite3_mprintf("%s", keys[n - 1]) : NULL;
    for (int i = 0; i < n; i++) sqlite3_free(keys[i]);
  } while (rc == SQLITE_OK && n > 0 && after && may_ask(job->run));
  sqlite3_free(after);
  return rc;
}

/* Is the server's picture believable? */
static int is_believable(leadx_reconciling *job, int *believable, leadx_err *err) {
  leadx_db *db = &job->run->ctx->db;
  int64_t seen = 0, known = 0;
  int rc = leadx_db_int(db, LEADX_SQL_RECONCILE_COUNT_SEEN, err, &seen, "");
  if (rc == SQLITE_OK) rc = leadx_db_int(db, LEADX_SQL_RECONCILE_COUNT_KNOWN, err, &known, "t", job->table->entity);
  *believable = seen > 0 || known <= BELIEVABLE_LOSS;
  if (rc == SQLITE_OK && !*believable) {
    job->run->tally.paused = 1;
    sqlite3_snprintf(sizeof job->run->tally.message, job->run->tally.message,
                     "reconcile of %s: the server shows none of %lld known rows, as it would to a user without rights; nothing was removed", job->table->remote,
                     (sqlite3_int64)known);
  }
  return rc;
}

static int reconcile_table(leadx_run *run, leadx_table *table, leadx_err *err) {
  leadx_reconciling job = {run, table, leadx_intake_open(&run->ctx->db, table, err)};
  leadx_db *db = &run->ctx->db;
  int complete = 0, believable = 0;
  int rc = job.intake ? leadx_db_exec(db, leadx_sql_text[LEADX_SQL_RECONCILE_BEGIN], err) : err->rc;
  if (rc == SQLITE_OK) rc = leadx_db_run(db, LEADX_SQL_RECONCILE_CLEAR, err, "");
  if (rc == SQLITE_OK) rc = collect(&job, &complete, err);
  if (rc == SQLITE_OK && complete) rc = repair(&job, LEADX_SQL_RECONCILE_DIFFERING, err);
  if (rc == SQLITE_OK && complete) rc = is_believable(&job, &believable, err);
  if (rc == SQLITE_OK && complete && believable) rc = repair(&job, LEADX_SQL_RECONCILE_VANISHED, err);
  if (rc == SQLITE_OK) rc = leadx_db_run(db, LEADX_SQL_RECONCILE_CLEAR, err, "");
  leadx_intake_close(job.intake);
  return rc;
}

int leadx_reconcile_run(leadx_run *run, const char *only_table, leadx_err *err) {
  int rc = SQLITE_OK;
  for (int i = 0; i < run->tables->n && rc == SQLITE_OK && may_ask(run); i++) {
    leadx_table *table = run->tables->list[i];
    if (table->mode == LEADX_MODE_PUSH || (only_table && sqlite3_stricmp(only_table, table->name) != 0)) continue;
    rc = reconcile_table(run, table, err);
  }
  return rc;
}
