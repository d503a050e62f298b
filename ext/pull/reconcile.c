/* Reconcile. See reconcile.h.
**
** The server's keys and versions are collected in a temporary table (it may spill to disk, so
** memory stays bounded), then the two sides are compared in SQL.
** */
#include "pull/reconcile.h"

#include <string.h>

#include "pull/page.h"
#include "pull/pull.h"
#include "pull/pulling.h"
#include "push/change.h"
#include "rows/diff.h"
#include "rows/intake.h"
#include "rows/key.h"
#include "rows/mark.h"
#include "store/parking.h"
#include "store/settings.h"

/* Keys handled per request or write transaction. */
#define KEYS_AT_A_TIME 100
/* With more known rows than this, a server that shows none at all is not believed: a user who lost
** all rights sees exactly what an empty table shows. */
#define BELIEVABLE_LOSS 20

typedef struct leadx_reconciling {
  leadx_run *run;
  leadx_table *table;
  leadx_intake *intake;
  int proven; /* rows the server was seen to answer at once */
} leadx_reconciling;

/* ---- collecting ---- */

static int see_key(leadx_reconciling *job, const char *key, const char *version, int deleted,
                   int *fresh, leadx_err *err) {
  leadx_db *db = &job->run->ctx->db;
  int rc = leadx_db_run(db, LEADX_SQL_RECONCILE_SEE, err, "tti", key, version, (int64_t)deleted);
  if (rc == SQLITE_OK) *fresh += sqlite3_changes(db->handle);
  return rc;
}

/* Notes the keys of a page; *last gets the last one (the caller frees it), *fresh how many had not
** been seen, -1 when one has no key. A row with the mark of a soft delete, where the local table
** has no column for it, counts as not there. */
static int see_rows(leadx_reconciling *job, leadx_slice rows, int *n, int *fresh, char **last,
                    leadx_err *err) {
  leadx_json_walk walk;
  leadx_slice row;
  int rc = leadx_intake_look(job->intake, err);
  leadx_json_walk_init(&walk, rows);
  for (*n = *fresh = 0; rc == SQLITE_OK && leadx_json_walk_element(&walk, &row); ++*n) {
    char *key = NULL, *version = NULL;
    rc = leadx_key_identify(job->table, row, &key, &version, err);
    int deleted = leadx_mark_drops_deleted(job->table) && leadx_mark_is_deleted(job->table, row);
    sqlite3_free(*last);
    *last = key;
    if (rc == SQLITE_OK && key) rc = see_key(job, key, version, deleted, fresh, err);
    sqlite3_free(version);
    if (!key) {
      *fresh = -1;
      break;
    }
  }
  return rc;
}

static void say_strange(leadx_reconciling *job) {
  leadx_run_end(job->run, LEADX_CLASS_PROTOCOL, -1,
                "reconcile of %s: the server answered rows that were not asked for, or none of "
                "them with a key; nothing was changed",
                job->table->remote);
}

/* Reads all keys and versions that the server shows. *complete: the last page was reached. */
static int collect(leadx_reconciling *job, int *complete, leadx_err *err) {
  leadx_run *run = job->run;
  int limit = (int)leadx_settings_int(run->ctx->settings, LEADX_PAGE_SIZE), rc = SQLITE_OK, n = 1,
      fresh = 0;
  char *last = NULL;
  *complete = 0;
  while (rc == SQLITE_OK && n != 0 && leadx_run_may_ask(run)) {
    leadx_slice rows = {NULL, 0};
    leadx_class class_;
    leadx_request *done = leadx_run_ask(
        run,
        leadx_page_keys_request(&run->target, job->table, last,
                                leadx_mark_drops_deleted(job->table), limit, err),
        limit > 1, &rows, &class_, job->table, err);
    if (!done) {
      rc = err->rc;
      break;
    }
    if (class_ == LEADX_CLASS_OK) rc = see_rows(job, rows, &n, &fresh, &last, err);
    leadx_request_free(done);
    if (class_ == LEADX_CLASS_SHRINK) limit = (limit + 1) / 2;
    else if (class_ != LEADX_CLASS_OK) break;
    /* Every row of a page lies behind the one before; a server that ignores that would send us in
    ** circles. */
    else if (rc == SQLITE_OK && (n > limit || fresh != n)) say_strange(job);
    if (n <= limit && n > job->proven) job->proven = n;
    *complete = rc == SQLITE_OK && class_ == LEADX_CLASS_OK && n == 0 && fresh == 0;
  }
  sqlite3_free(last);
  return rc;
}

/* ---- comparing ---- */

/* The next keys of a comparison behind `after`; the caller frees each. */
static int next_keys(leadx_reconciling *job, int sql_id, const char *after, int limit, char **keys,
                     int *n, leadx_err *err) {
  leadx_db *db = &job->run->ctx->db;
  sqlite3_stmt *stmt = leadx_db_query(db, sql_id, err, "ssi", job->table->entity, after,
                                      (int64_t)limit);
  if (!stmt) return err->rc;
  size_t bytes = 0;
  *n = 0;
  while (leadx_db_next(db, stmt, err)) {
    const char *key = leadx_db_text(stmt, 0, err);
    if (!key) break;
    bytes += leadx_page_key_bytes(job->table, key);
    if (*n > 0 && bytes > LEADX_URL_BYTES) break;
    if (!(keys[*n] = sqlite3_mprintf("%s", key))) leadx_err_nomem(err);
    else ++*n;
  }
  leadx_db_put(db, stmt);
  return err->rc;
}

/* One write transaction over some rows or keys. */
static int change_rows(leadx_reconciling *job, leadx_slice rows, char **gone, int ngone,
                       leadx_err *err) {
  leadx_db *db = &job->run->ctx->db;
  leadx_json_walk walk;
  leadx_slice row;
  int64_t before = job->run->tally.pulled;
  int changed = 0, refused = 0, rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = leadx_run_renew(job->run, err);
  if (rc == SQLITE_OK && job->run->tally.lost_lease) {
    leadx_db_rollback(db); /* another sync has taken over */
    return SQLITE_OK;
  }
  if (rc == SQLITE_OK) rc = leadx_intake_begin(job->intake, err);
  leadx_json_walk_init(&walk, rows);
  while (rc == SQLITE_OK && rows.n && leadx_json_walk_element(&walk, &row)) {
    rc = leadx_intake_row(job->intake, row, 1, &changed, &refused, err);
    job->run->tally.pulled += changed;
  }
  for (int i = 0; i < ngone && rc == SQLITE_OK; i++) {
    rc = leadx_intake_remove(job->intake, gone[i], &changed, &refused, err);
    job->run->tally.pulled += changed;
  }
  if (rc == SQLITE_OK) rc = leadx_intake_end(job->intake, err);
  if (rc == SQLITE_OK) rc = leadx_pulling_note_changes(job->run, job->table, before, err);
  return leadx_db_end(db, rc, err);
}

/* Counts the rows of an answer; -1 when one of them is none of those asked for. */
static int count_rows(const leadx_reconciling *job, leadx_slice rows, char **keys, int n,
                      leadx_err *err) {
  leadx_json_walk walk;
  leadx_slice row;
  int count = 0;
  leadx_json_walk_init(&walk, rows);
  while (leadx_json_walk_element(&walk, &row)) {
    char *key = leadx_key_of_row(job->table, row, err);
    int asked = 0;
    for (int i = 0; key && i < n && !asked; i++) asked = strcmp(keys[i], key) == 0;
    sqlite3_free(key);
    if (!asked || count == n) return -1;
    count++;
  }
  return count;
}

/* One row alone is more than an answer may have. */
static int park_large(leadx_reconciling *job, const char *key, leadx_err *err) {
  leadx_db *db = &job->run->ctx->db;
  char reason[LEADX_TOO_LARGE_BYTES];
  leadx_run_too_large(job->run, reason);
  int rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = leadx_parking_add(db, job->table->entity, key, LEADX_REFUSED, reason, err);
  return leadx_db_end(db, rc, err);
}

/* Fetches rows by key and takes them. *again: the server may have left some out; ask for fewer
** (*limit). */
static int fetch_rows(leadx_reconciling *job, char **keys, int n, int *limit, int *again,
                      leadx_err *err) {
  leadx_run *run = job->run;
  leadx_slice rows = {NULL, 0};
  leadx_class class_;
  int rc = SQLITE_OK;
  leadx_request *done = leadx_run_ask(
      run, leadx_page_rows_request(&run->target, job->table, keys, n, err), 1, &rows, &class_,
      job->table, err);
  if (!done) return err->rc;
  int count = class_ == LEADX_CLASS_OK ? count_rows(job, rows, keys, n, err) : 0;
  *again = 0;
  if (err->rc != SQLITE_OK) {
    rc = err->rc; /* no memory to look at the answer */
  } else if (class_ == LEADX_CLASS_SHRINK && n > 1) {
    *limit = (n + 1) / 2;
    *again = 1;
  } else if (class_ == LEADX_CLASS_SHRINK && done->net == LEADX_NET_TOO_LARGE) {
    rc = park_large(job, keys[0], err);
    *limit = KEYS_AT_A_TIME;
  } else if (class_ == LEADX_CLASS_SHRINK) {
    leadx_run_give_up(run, done, job->table);
  } else if (count < 0) {
    say_strange(job);
  } else if (class_ == LEADX_CLASS_OK && leadx_page_is_believable(n, count, &job->proven)) {
    rc = change_rows(job, rows, NULL, 0, err);
  } else if (class_ == LEADX_CLASS_OK) {
    *limit = job->proven;
    *again = 1;
  }
  leadx_request_free(done);
  return rc;
}

/* Walks one comparison: rows that differ are fetched, rows that vanished are removed. Every round
** lies behind the one before. */
static int repair(leadx_reconciling *job, int sql_id, leadx_err *err) {
  char *keys[KEYS_AT_A_TIME], *after = sqlite3_mprintf("");
  int n = 0, limit = KEYS_AT_A_TIME, again = 0, rc = after ? SQLITE_OK : leadx_err_nomem(err);
  do {
    n = again = 0;
    if (rc == SQLITE_OK) rc = next_keys(job, sql_id, after, limit, keys, &n, err);
    if (rc == SQLITE_OK && n > 0) {
      rc = sql_id == LEADX_SQL_RECONCILE_DIFFERING
               ? fetch_rows(job, keys, n, &limit, &again, err)
               : change_rows(job, (leadx_slice){NULL, 0}, keys, n, err);
    }
    if (n > 0 && !again) {
      if (after && strcmp(keys[n - 1], after) <= 0 && rc == SQLITE_OK)
        rc = leadx_err_set(err, SQLITE_CORRUPT,
                           "table \"%s\": the keys that leadx noted of it are out of order; copy "
                           "your own tables to a new file and track them there",
                           job->table->name);
      sqlite3_free(after);
      after = sqlite3_mprintf("%s", keys[n - 1]);
    }
    for (int i = 0; i < n; i++) sqlite3_free(keys[i]);
  } while (rc == SQLITE_OK && n > 0 && after && leadx_run_may_ask(job->run));
  sqlite3_free(after);
  return rc;
}

/* Is the server's picture believable? */
static int is_believable(leadx_reconciling *job, int *believable, leadx_err *err) {
  leadx_db *db = &job->run->ctx->db;
  int64_t seen = 0, known = 0;
  int rc = leadx_db_int(db, LEADX_SQL_RECONCILE_COUNT_SEEN, err, &seen, "");
  if (rc == SQLITE_OK)
    rc = leadx_db_int(db, LEADX_SQL_RECONCILE_COUNT_KNOWN, err, &known, "t", job->table->entity);
  *believable = seen > 0 || known <= BELIEVABLE_LOSS;
  if (rc == SQLITE_OK && !*believable) {
    job->run->tally.paused = 1;
    leadx_run_say(job->run,
                  "reconcile of %s: the server shows none of %lld known rows, as it would to a "
                  "user without rights; nothing was removed",
                  job->table->remote, (sqlite3_int64)known);
  }
  return rc;
}

static int forget_absent(leadx_reconciling *job, leadx_err *err) {
  leadx_db *db = &job->run->ctx->db;
  if (job->table->mode != LEADX_MODE_PULL) return SQLITE_OK;
  int rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = leadx_diff_forget_absent(db, job->table, err);
  return leadx_db_end(db, rc, err);
}

static int reconcile_table(leadx_run *run, leadx_table *table, leadx_err *err) {
  leadx_reconciling job = {run, table, leadx_intake_open(&run->ctx->db, table, err), 0};
  leadx_db *db = &run->ctx->db;
  int complete = 0, believable = 0;
  int rc = job.intake ? leadx_db_exec(db, leadx_sql_text[LEADX_SQL_RECONCILE_BEGIN], err) : err->rc;
  if (rc == SQLITE_OK) rc = leadx_db_run(db, LEADX_SQL_RECONCILE_CLEAR, err, "");
  if (rc == SQLITE_OK) rc = forget_absent(&job, err);
  if (rc == SQLITE_OK) rc = collect(&job, &complete, err);
  if (rc == SQLITE_OK && complete) rc = repair(&job, LEADX_SQL_RECONCILE_DIFFERING, err);
  if (rc == SQLITE_OK && complete) rc = is_believable(&job, &believable, err);
  /* A server that answered strangely meanwhile is not believed in what it left out either. */
  if (rc == SQLITE_OK && complete && believable && leadx_run_may_ask(run))
    rc = repair(&job, LEADX_SQL_RECONCILE_VANISHED, err);
  if (rc == SQLITE_OK) rc = leadx_db_run(db, LEADX_SQL_RECONCILE_CLEAR, err, "");
  leadx_intake_close(job.intake);
  return rc;
}

int leadx_reconcile_run(leadx_run *run, const char *only_table, leadx_err *err) {
  int rc = SQLITE_OK;
  for (int i = 0; i < run->tables->n && rc == SQLITE_OK && leadx_run_may_ask(run); i++) {
    leadx_table *table = run->tables->list[i];
    if (table->mode == LEADX_MODE_PUSH ||
        (only_table && sqlite3_stricmp(only_table, table->name) != 0))
      continue;
    rc = reconcile_table(run, table, err);
  }
  return rc;
}
