/* Rows of a page into the local table, stretch by stretch. See pulling.h. */
#include <string.h>

#include "base/clock.h"
#include "pull/pulling.h"
#include "rows/key.h"
#include "rows/key_value.h"
#include "store/parking.h"

/* A write transaction takes no further group after so many milliseconds: an application's own write
** waits no longer than that. */
#define STRETCH_MS 20

typedef struct leadx_stretch {
  leadx_json_walk walk;
  int left; /* rows of the page that have not had their turn */
  leadx_slice rows[LEADX_GROUP_ROWS]; /* those whose turn it is */
  int n;
} leadx_stretch;

/* Keeps in mind the rows that clashed with others here. */
static int note_clashes(leadx_pulling *pulling, const leadx_slice *rows, int n,
                        const unsigned char *clashes, leadx_err *err) {
  int rc = SQLITE_OK;
  for (int i = 0; i < n && rc == SQLITE_OK; i++) {
    if (clashes[i]) rc = leadx_clash_note(pulling, rows[i], err);
  }
  return rc;
}

/* Takes all rows in their order. *waiting: how many of them could not go in; clashes: which of them
** because of a UNIQUE value. */
static int take_all(leadx_pulling *pulling, const leadx_slice *rows, int n, int anew, int *count,
                    int *waiting, unsigned char *clashes, leadx_err *err) {
  int rc = SQLITE_OK;
  *count = *waiting = 0;
  leadx_intake_together(pulling->intake, 1);
  for (int i = 0; i < n && rc == SQLITE_OK; i++) {
    int changed = 0, waits = 0;
    rc = leadx_intake_row(pulling->intake, rows[i], anew, &changed, &waits, err);
    *count += changed;
    *waiting += waits;
    clashes[i] = waits && leadx_intake_clashed(pulling->intake);
  }
  leadx_intake_together(pulling->intake, 0);
  return rc;
}

/* Takes all rows as they come. *whole: they all went in, or foreign keys are not what kept any of
** them out. */
static int apply_in_order(leadx_pulling *pulling, const leadx_slice *rows, int n, int anew,
                          int *whole, leadx_err *err) {
  unsigned char clashes[LEADX_GROUP_ROWS] = {0};
  int count = 0, waiting = 0;
  int rc = take_all(pulling, rows, n, anew, &count, &waiting, clashes, err);
  *whole = leadx_intake_is_whole(pulling->intake) &&
           (waiting == 0 || !leadx_intake_has_foreign_keys(pulling->intake));
  if (!*whole || rc != SQLITE_OK) return rc;
  pulling->run->tally.pulled += count;
  return note_clashes(pulling, rows, n, clashes, err);
}

/* Takes all rows, foreign keys open until the last one is in. *whole: they all hold. The switch
** costs every statement of the connection, so it is not touched where the rows' order will do. */
static int apply_together(leadx_pulling *pulling, const leadx_slice *rows, int n, int anew,
                          int *whole, leadx_err *err) {
  unsigned char clashes[LEADX_GROUP_ROWS] = {0};
  int count = 0, waiting = 0;
  int rc = leadx_intake_defer(pulling->intake, err);
  if (rc == SQLITE_OK) rc = take_all(pulling, rows, n, anew, &count, &waiting, clashes, err);
  *whole = leadx_intake_is_whole(pulling->intake);
  if (*whole) pulling->run->tally.pulled += count;
  if (rc == SQLITE_OK && *whole) rc = note_clashes(pulling, rows, n, clashes, err);
  return rc == SQLITE_OK ? leadx_intake_enforce(pulling->intake, err) : rc;
}

/* Takes the rows one by one; one that refers to a later one goes in on the next round, one without
** its parent is parked. */
static int apply_apart(leadx_pulling *pulling, const leadx_slice *rows, int n, int anew,
                       leadx_err *err) {
  unsigned char waiting[LEADX_GROUP_ROWS], clashes[LEADX_GROUP_ROWS] = {0};
  int rc = SQLITE_OK, left = n, before = n + 1;
  memset(waiting, 1, sizeof waiting);
  for (int round = 0; left > 0 && left < before && rc == SQLITE_OK; round++) {
    before = left;
    for (int i = 0; i < n && rc == SQLITE_OK; i++) {
      int changed = 0, waits = 0;
      if (!waiting[i]) continue;
      rc = leadx_intake_row(pulling->intake, rows[i], anew, &changed, &waits, err);
      pulling->run->tally.pulled += changed;
      clashes[i] = waits && leadx_intake_clashed(pulling->intake);
      if (waits) continue;
      waiting[i] = 0;
      left--;
      if (round == 0 || rc != SQLITE_OK) continue;
      char *key = leadx_key_of_row(pulling->table, rows[i], err);
      rc = key ? leadx_parking_leave(&pulling->run->ctx->db, pulling->table->entity, key, err)
               : leadx_err_nomem(err);
      sqlite3_free(key);
    }
  }
  return rc == SQLITE_OK ? note_clashes(pulling, rows, n, clashes, err) : rc;
}

int leadx_stretch_apply_rows(leadx_pulling *pulling, const leadx_slice *rows, int n, int anew,
                             leadx_err *err) {
  leadx_db *db = &pulling->run->ctx->db;
  int whole = 0;
  if (pulling->table->nreferences == 0) return apply_apart(pulling, rows, n, anew, err);
  int rc = leadx_db_exec(db, "SAVEPOINT leadx_rows", err);
  if (rc == SQLITE_OK) rc = apply_in_order(pulling, rows, n, anew, &whole, err);
  if (rc == SQLITE_OK && !whole) rc = leadx_db_exec(db, "ROLLBACK TO leadx_rows", err);
  if (rc == SQLITE_OK && !whole) rc = apply_together(pulling, rows, n, anew, &whole, err);
  if (rc == SQLITE_OK && !whole) rc = leadx_db_exec(db, "ROLLBACK TO leadx_rows", err);
  if (rc == SQLITE_OK && !whole) rc = apply_apart(pulling, rows, n, anew, err);
  return rc == SQLITE_OK ? leadx_db_exec(db, "RELEASE leadx_rows", err) : rc;
}

/* ---- deleted rows ---- */

/* The key of a tombstone: a text, or, for several columns, an array as PostgreSQL writes it, with
** blanks. The caller frees; NULL when out of memory. */
static char *read_key(const leadx_pulling *pulling, leadx_slice raw, leadx_err *err) {
  char *text = NULL;
  if (leadx_json_text(raw, &text, NULL) != SQLITE_OK) leadx_err_nomem(err);
  char *key = text ? leadx_key_read(pulling->table, text, LEADX_BY_SERVER, err) : NULL;
  sqlite3_free(text);
  return key;
}

/* Removes one row. What cannot go yet, because something of it is unsent or others refer to it, is
** parked: later pulls ask for it by its key, so nothing depends on this tombstone any more. */
static int remove_row(leadx_pulling *pulling, const char *key, leadx_err *err) {
  leadx_run *run = pulling->run;
  int changed = 0, refused = 0;
  int rc = leadx_intake_remove(pulling->intake, key, &changed, &refused, err);
  run->tally.pulled += changed;
  if (rc != SQLITE_OK || !refused) return rc;
  int pending = leadx_intake_is_pending(pulling->intake, key);
  if (!pending) leadx_run_of(run, pulling->table)->held_back = 1;
  /* Not hidden, but deleted: the change that was kept meets the delete. */
  rc = leadx_parking_revive(&run->ctx->db, pulling->table->entity, key, err);
  if (rc != SQLITE_OK) return rc;
  return leadx_parking_add(
      &run->ctx->db, pulling->table->entity, key, pending ? LEADX_REFETCH : LEADX_REFUSED,
      pending ? LEADX_PARKED_BURIED : "deleted on the server, still referred to here", err);
}

/* Removes the rows that the page says are deleted. */
static int remove_gone(leadx_pulling *pulling, leadx_err *err) {
  leadx_json_walk walk;
  leadx_slice raw;
  int rc = SQLITE_OK;
  if (!pulling->gone.n) return SQLITE_OK;
  leadx_json_walk_init(&walk, pulling->gone);
  while (rc == SQLITE_OK && leadx_json_walk_element(&walk, &raw)) {
    char *key = read_key(pulling, raw, err);
    rc = key && *key ? remove_row(pulling, key, err) : err->rc;
    sqlite3_free(key);
  }
  pulling->gone = (leadx_slice){NULL, 0};
  return rc;
}

/* ---- stretches ---- */

static int apply_group(leadx_pulling *pulling, leadx_stretch *stretch, leadx_err *err) {
  for (stretch->n = 0; stretch->n < LEADX_GROUP_ROWS && stretch->left > 0;
       stretch->n++, stretch->left--) {
    leadx_json_walk_element(&stretch->walk, &stretch->rows[stretch->n]);
  }
  int rc = leadx_stretch_apply_rows(pulling, stretch->rows, stretch->n, pulling->anew, err);
  return rc == SQLITE_OK ? leadx_place_move(pulling, stretch->rows, stretch->n, err) : rc;
}

static int apply_groups(leadx_pulling *pulling, leadx_stretch *stretch, leadx_err *err) {
  int64_t began_ms = leadx_clock_mono_ms();
  int rc = remove_gone(pulling, err);
  do {
    if (rc == SQLITE_OK) rc = apply_group(pulling, stretch, err);
  } while (rc == SQLITE_OK && stretch->left > 0 && leadx_clock_mono_ms() - began_ms < STRETCH_MS);
  return rc;
}

static int apply_stretch(leadx_pulling *pulling, leadx_stretch *stretch, leadx_err *err) {
  leadx_db *db = &pulling->run->ctx->db;
  int64_t before = pulling->run->tally.pulled;
  int rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = leadx_run_renew(pulling->run, err);
  if (rc == SQLITE_OK && pulling->run->tally.lost_lease) {
    leadx_db_rollback(db); /* another sync has taken over */
    return SQLITE_OK;
  }
  if (rc == SQLITE_OK) rc = leadx_intake_begin(pulling->intake, err);
  if (rc == SQLITE_OK) rc = apply_groups(pulling, stretch, err);
  if (rc == SQLITE_OK) rc = leadx_intake_end(pulling->intake, err);
  if (rc == SQLITE_OK) rc = leadx_pulling_note_changes(pulling->run, pulling->table, before, err);
  if (rc == SQLITE_OK) rc = leadx_place_save(pulling, err);
  if (rc == SQLITE_OK && stretch->left == 0) rc = leadx_place_save_cursor(pulling, err);
  return leadx_db_end(db, rc, err);
}

/* What clashed on the way, in a transaction of its own. */
static int settle_clashes(leadx_pulling *pulling, leadx_err *err) {
  leadx_db *db = &pulling->run->ctx->db;
  int64_t before = pulling->run->tally.pulled;
  if (pulling->clashes.n < 2) return SQLITE_OK;
  int rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = leadx_run_renew(pulling->run, err);
  if (rc == SQLITE_OK && pulling->run->tally.lost_lease) {
    leadx_db_rollback(db);
    return SQLITE_OK;
  }
  if (rc == SQLITE_OK) rc = leadx_intake_begin(pulling->intake, err);
  if (rc == SQLITE_OK) rc = leadx_clash_settle(pulling, err);
  if (rc == SQLITE_OK) rc = leadx_intake_end(pulling->intake, err);
  if (rc == SQLITE_OK) rc = leadx_pulling_note_changes(pulling->run, pulling->table, before, err);
  return leadx_db_end(db, rc, err);
}

int leadx_stretch_apply(leadx_pulling *pulling, leadx_slice rows, int count, leadx_err *err) {
  leadx_stretch stretch = {.left = count};
  int rc;
  leadx_json_walk_init(&stretch.walk, rows);
  do {
    rc = apply_stretch(pulling, &stretch, err);
    leadx_exchange_listen(&pulling->run->exchange);
  } while (rc == SQLITE_OK && stretch.left > 0 && !pulling->run->tally.lost_lease);
  if (rc == SQLITE_OK && !pulling->run->tally.lost_lease) rc = settle_clashes(pulling, err);
  leadx_clash_clear(pulling);
  return rc;
}
