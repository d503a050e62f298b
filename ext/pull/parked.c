/* Rows that could not be applied, or not be removed, before: fetched again by key. See pulling.h. */
#include <string.h>

#include "pull/pulling.h"
#include "rows/key.h"
#include "rows/key_value.h"
#include "store/parking.h"

/* Rounds of the parked rows in one pull, at most: each brings some more of a long line of rows of
** which one waits for the other. */
#define MOST_ROUNDS 32

/* *raw: is the key as somebody else spelled it? Then it has its turn when the next sync has
** settled it. */
static int is_raw(const leadx_table *table, const char *key, int *raw, leadx_err *err) {
  char *canonical = leadx_key_read(table, key, LEADX_BY_DEVICE, err);
  *raw = canonical && strcmp(canonical, key) != 0;
  sqlite3_free(canonical);
  return err->rc;
}

/* Parked keys behind the last one looked at, as many as a URL holds; those with unsent changes stay
** parked and are passed over, unless the server hid them. The caller frees each. *last: there are none behind them. */
static int read_parked(leadx_pulling *pulling, char **keys, int *n, int *last, leadx_err *err) {
  leadx_db *db = &pulling->run->ctx->db;
  char too_large[LEADX_TOO_LARGE_BYTES];
  size_t bytes = 0;
  int rc = leadx_intake_look(pulling->intake, err);
  const char *after = pulling->after ? pulling->after : "";
  sqlite3_stmt *stmt = rc == SQLITE_OK ? leadx_parking_list(db, pulling->table->entity, after, err)
                                       : NULL;
  if (!stmt) return err->rc;
  *n = 0;
  *last = 1;
  leadx_run_too_large(pulling->run, too_large);
  while (leadx_db_next(db, stmt, err)) {
    const char *key = leadx_db_text(stmt, 0, err);
    if (!key) break;
    /* It comes by itself when it changes, and is asked for when max_response was changed. */
    const char *reason = leadx_db_text(stmt, 2, err);
    if (reason && strcmp(reason, too_large) == 0) continue;
    size_t more = leadx_page_key_bytes(pulling->table, key);
    int is_hidden = sqlite3_column_int(stmt, 1),
        waits = !is_hidden && leadx_intake_is_pending(pulling->intake, key);
    if (!waits && is_raw(pulling->table, key, &waits, err) != SQLITE_OK) break;
    if (waits) continue;
    *last = 0;
    if (*n == pulling->limit || (*n > 0 && bytes + more > LEADX_URL_BYTES)) break;
    if (!(keys[*n] = sqlite3_mprintf("%s", key))) break;
    bytes += more;
    ++*n;
    *last = 1;
  }
  leadx_db_put(db, stmt);
  return !*last && *n == 0 ? leadx_err_nomem(err) : err->rc;
}

/* The row of a key among those of an answer; an empty slice when it is not there. */
static leadx_slice find_row(const leadx_table *table, leadx_slice rows, const char *key,
                            leadx_err *err) {
  leadx_json_walk walk;
  leadx_slice row, none = {NULL, 0};
  leadx_json_walk_init(&walk, rows);
  while (leadx_json_walk_element(&walk, &row)) {
    char *theirs = leadx_key_of_row(table, row, err);
    int same = theirs && strcmp(theirs, key) == 0;
    sqlite3_free(theirs);
    if (same) return row;
  }
  return none;
}

/* Rows that came are taken, those that did not are removed. What cannot go in, or not go, stays
** parked. */
static int settle_parked(leadx_pulling *pulling, leadx_slice rows, char **keys, int n,
                         leadx_err *err) {
  leadx_slice come[LEADX_PARKED_KEYS];
  leadx_db *db = &pulling->run->ctx->db;
  const char *entity = pulling->table->entity;
  int ncome = 0, rc = SQLITE_OK;
  for (int i = 0; i < n && rc == SQLITE_OK; i++) {
    int changed = 0, refused = 0;
    leadx_slice row = find_row(pulling->table, rows, keys[i], err);
    if (err->rc != SQLITE_OK) return err->rc;
    /* A row that was hidden is shown again: the change that was kept for it goes out. */
    if (row.n) rc = leadx_parking_revive(db, entity, keys[i], err);
    if (row.n) come[ncome++] = row;
    else rc = leadx_intake_remove(pulling->intake, keys[i], &changed, &refused, err);
    pulling->run->tally.pulled += changed;
    if (rc == SQLITE_OK && !refused) rc = leadx_parking_try(db, entity, keys[i], err);
  }
  if (rc == SQLITE_OK) rc = leadx_stretch_apply_rows(pulling, come, ncome, 1, err);
  pulling->round.clashed += pulling->clashes.n;
  if (rc == SQLITE_OK) rc = leadx_clash_settle(pulling, err);
  leadx_clash_clear(pulling);
  for (int i = 0; i < n && rc == SQLITE_OK; i++)
    rc = leadx_parking_leave_tried(db, entity, keys[i], err);
  return rc;
}

static int apply_parked(leadx_pulling *pulling, leadx_slice rows, char **keys, int n,
                        leadx_err *err) {
  leadx_db *db = &pulling->run->ctx->db;
  int64_t before = pulling->run->tally.pulled;
  int rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = leadx_run_renew(pulling->run, err);
  if (rc == SQLITE_OK) rc = leadx_intake_begin(pulling->intake, err);
  if (rc == SQLITE_OK) rc = settle_parked(pulling, rows, keys, n, err);
  if (rc == SQLITE_OK) rc = leadx_intake_end(pulling->intake, err);
  if (rc == SQLITE_OK) rc = leadx_pulling_note_changes(pulling->run, pulling->table, before, err);
  return leadx_db_end(db, rc, err);
}

/* A round is through. Where rows clashed with others, and some went in, another one may bring more. A
** step is one request, and the next pull looks again anyway. */
static void end_round(leadx_pulling *pulling) {
  const leadx_round *round = &pulling->round;
  int again = round->moved > 0 && round->clashed > 0 && round->number < MOST_ROUNDS &&
              pulling->run->request_budget < 0;
  pulling->round = (leadx_round){.number = round->number + 1};
  sqlite3_free(pulling->after);
  pulling->after = NULL;
  if (!again) leadx_pulling_enter(pulling, LEADX_PULLED);
}

/* Goes on behind a key. */
static int pass(leadx_pulling *pulling, const char *key, int last, leadx_err *err) {
  if (last) {
    end_round(pulling);
    return SQLITE_OK;
  }
  sqlite3_free(pulling->after);
  pulling->after = sqlite3_mprintf("%s", key);
  return pulling->after ? SQLITE_OK : leadx_err_nomem(err);
}

static int take_parked(leadx_pulling *pulling, leadx_slice rows, char **keys, int n, int last,
                       leadx_err *err) {
  int count = 0;
  leadx_slice at;
  const char *strange = leadx_examine_rows(pulling, rows, keys, n, &count, &at, err);
  if (err->rc != SQLITE_OK) return err->rc;
  if (strange) {
    leadx_pulling_say_strange(pulling, strange);
    return SQLITE_OK;
  }
  if (!leadx_page_is_believable(n, count, &pulling->proven)) {
    pulling->limit = pulling->proven;
    return SQLITE_OK;
  }
  int64_t before = pulling->run->tally.pulled;
  int rc = apply_parked(pulling, rows, keys, n, err);
  pulling->round.moved += pulling->run->tally.pulled - before;
  return rc == SQLITE_OK ? pass(pulling, keys[n - 1], last, err) : rc;
}

/* One row alone is more than an answer may have: it stays parked, for that reason. */
static int leave_large(leadx_pulling *pulling, const char *key, int last, leadx_err *err) {
  leadx_db *db = &pulling->run->ctx->db;
  char reason[LEADX_TOO_LARGE_BYTES];
  leadx_run_too_large(pulling->run, reason);
  int rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = leadx_parking_add(db, pulling->table->entity, key, LEADX_REFUSED, reason, err);
  rc = leadx_db_end(db, rc, err);
  pulling->limit = LEADX_PARKED_KEYS;
  return rc == SQLITE_OK ? pass(pulling, key, last, err) : rc;
}

/* A key that the server cannot read (22P02: it is no uuid) is no row's there. */
static int fetch_parked(leadx_pulling *pulling, char **keys, int n, int last, leadx_err *err) {
  leadx_run *run = pulling->run;
  leadx_slice rows = {NULL, 0};
  leadx_class class_;
  int rc = SQLITE_OK, misfits = 0;
  leadx_request *done = leadx_run_ask_for_keys(
      run, leadx_page_rows_request(&run->target, pulling->table, keys, n, err), 1, &rows, &class_,
      &misfits, pulling->table, err);
  if (!done) return err->rc;
  if (class_ == LEADX_CLASS_OK || (misfits && n == 1))
    rc = take_parked(pulling, misfits ? (leadx_slice){"[]", 2} : rows, keys, n, last, err);
  else if (class_ == LEADX_CLASS_SHRINK && n > 1) pulling->limit = (n + 1) / 2;
  else if (class_ == LEADX_CLASS_SHRINK && done->net == LEADX_NET_TOO_LARGE)
    rc = leave_large(pulling, keys[0], last, err);
  else if (class_ == LEADX_CLASS_SHRINK) leadx_run_give_up(run, done, pulling->table);
  else pulling->failed = 1;
  leadx_request_free(done);
  return rc;
}

int leadx_parked_step(leadx_pulling *pulling, leadx_err *err) {
  char *keys[LEADX_PARKED_KEYS];
  int n = 0, last = 0;
  int rc = read_parked(pulling, keys, &n, &last, err);
  if (rc == SQLITE_OK && n == 0) end_round(pulling);
  else if (rc == SQLITE_OK && leadx_run_may_ask(pulling->run))
    rc = fetch_parked(pulling, keys, n, last, err);
  for (int i = 0; i < n; i++) sqlite3_free(keys[i]);
  return rc;
}
