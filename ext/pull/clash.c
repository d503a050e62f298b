/* Rows of the server that exchange UNIQUE values. See pulling.h.
**
** Each row alone is refused, because another one here still has its value. Together they fit: all of
** them step aside first, to values that nobody has, and then take their own. A row that stepped aside
** and cannot take its own after that is a reason to put everything back, and to try without it. */
#include <string.h>

#include "pull/pulling.h"
#include "rows/key.h"
#include "store/parking.h"

/* After so many tries without one row more the rest waits for the next pull. */
#define MOST_TRIES 8

int leadx_clash_note(leadx_pulling *pulling, leadx_slice row, leadx_err *err) {
  leadx_clashes *clashes = &pulling->clashes;
  if (clashes->n == clashes->room) {
    int room = clashes->room ? 2 * clashes->room : 64;
    leadx_slice *more = sqlite3_realloc64(clashes->rows, sizeof *more * (size_t)room);
    if (!more) return leadx_err_nomem(err);
    clashes->rows = more;
    clashes->room = room;
  }
  clashes->rows[clashes->n++] = row;
  return SQLITE_OK;
}

void leadx_clash_clear(leadx_pulling *pulling) {
  sqlite3_free(pulling->clashes.rows);
  pulling->clashes = (leadx_clashes){0};
}

/* What became of each row in a try. */
typedef struct fates {
  unsigned char *is_left_out, *has_stepped, *waits;
} fates;

static int step_aside(leadx_pulling *pulling, fates *f, int *any, leadx_err *err) {
  int rc = SQLITE_OK;
  *any = 0;
  for (int i = 0; i < pulling->clashes.n && rc == SQLITE_OK; i++) {
    int stepped = 0;
    if (f->is_left_out[i]) continue;
    rc = leadx_intake_step_aside(pulling->intake, pulling->clashes.rows[i], &stepped, err);
    f->has_stepped[i] = (unsigned char)stepped;
    f->waits[i] = 1;
    *any |= stepped;
  }
  return rc;
}

static int take(leadx_pulling *pulling, fates *f, leadx_err *err) {
  int rc = SQLITE_OK;
  for (int i = 0; i < pulling->clashes.n && rc == SQLITE_OK; i++) {
    int changed = 0, waits = 0;
    if (f->is_left_out[i]) continue;
    rc = leadx_intake_row(pulling->intake, pulling->clashes.rows[i], 1, &changed, &waits, err);
    pulling->run->tally.pulled += changed;
    f->waits[i] = (unsigned char)waits;
    char *key = rc == SQLITE_OK && !waits
                    ? leadx_key_of_row(pulling->table, pulling->clashes.rows[i], err)
                    : NULL;
    if (key) rc = leadx_parking_leave(&pulling->run->ctx->db, pulling->table->entity, key, err);
    sqlite3_free(key);
  }
  return rc;
}

/* How many stepped aside and have not come back; they are left out from now on. */
static int leave_out(const leadx_pulling *pulling, fates *f) {
  int n = 0;
  for (int i = 0; i < pulling->clashes.n; i++) {
    if (f->is_left_out[i] || !f->has_stepped[i] || !f->waits[i]) continue;
    f->is_left_out[i] = 1;
    n++;
  }
  return n;
}

/* *again: some rows could not, and without them the others may. */
static int try_once(leadx_pulling *pulling, fates *f, int *again, leadx_err *err) {
  leadx_db *db = &pulling->run->ctx->db;
  int64_t pulled = pulling->run->tally.pulled;
  int any = 0, rc = leadx_db_exec(db, "SAVEPOINT leadx_clash", err);
  *again = 0;
  if (rc == SQLITE_OK) rc = step_aside(pulling, f, &any, err);
  if (rc == SQLITE_OK && any) rc = take(pulling, f, err);
  if (rc == SQLITE_OK && any && leave_out(pulling, f) > 0) {
    rc = leadx_db_exec(db, "ROLLBACK TO leadx_clash", err);
    pulling->run->tally.pulled = pulled;
    *again = 1;
  }
  return rc == SQLITE_OK ? leadx_db_exec(db, "RELEASE leadx_clash", err) : rc;
}

int leadx_clash_settle(leadx_pulling *pulling, leadx_err *err) {
  size_t n = (size_t)pulling->clashes.n;
  if (n < 2) return SQLITE_OK; /* an exchange takes two */
  unsigned char *bytes = sqlite3_malloc64(3 * n);
  if (!bytes) return leadx_err_nomem(err);
  memset(bytes, 0, 3 * n);
  fates f = {bytes, bytes + n, bytes + 2 * n};
  int again = 1, rc = SQLITE_OK;
  for (int i = 0; again && rc == SQLITE_OK && i < MOST_TRIES; i++)
    rc = try_once(pulling, &f, &again, err);
  sqlite3_free(bytes);
  return rc;
}
