/* Rows behind a version and a key, page by page. See pulling.h.
**
** In a pull from the beginning, rows that have no version follow, by key: no condition on versions
** reaches those. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "pull/pulling.h"
#include "rows/key.h"
#include "store/parking.h"
#include "store/settings.h"
#include "store/shadow.h"

/* How many rows there were behind the place, as the server counted or guessed; -1 when it did not
** say ("0-4/5"). */
static int64_t total_of(const leadx_request *request) {
  leadx_rest_range range;
  leadx_rest_read_range(request->content_range, &range);
  return range.total;
}

static void expect_rows(leadx_pulling *pulling, int64_t rows) {
  if (rows < 0 || rows > LEADX_MOST_ROWS) return;
  pulling->turn->left = rows;
  pulling->run->tally.total += rows;
}

/* A page is in. Goes on to rows without a version where there may be some that this pull has not
** seen, or arrives. */
static int end_page(leadx_pulling *pulling, int count, int complete, leadx_err *err) {
  if (count > 0 && !complete) {
    /* Rows without a version stand behind all others. */
    if (!pulling->place.version) leadx_pulling_enter(pulling, LEADX_WITHOUT_VERSION);
    return SQLITE_OK;
  }
  int none_at_all = pulling->is_first && !pulling->place.version;
  if (pulling->phase == LEADX_WITHOUT_VERSION || !pulling->from_beginning || none_at_all)
    return leadx_pulling_arrive(pulling, err);
  leadx_pulling_enter(pulling, LEADX_WITHOUT_VERSION);
  leadx_place_clear(&pulling->place);
  pulling->place.key = sqlite3_mprintf("");
  return pulling->place.key ? SQLITE_OK : leadx_err_nomem(err);
}

/* The next page begins behind the last row of this one. */
static void send_ahead(leadx_pulling *pulling, leadx_slice last) {
  leadx_err ignored = {0};
  leadx_place next = {NULL, NULL};
  leadx_request *request = NULL;
  if (leadx_place_set(&next, pulling->table, last, &ignored) == SQLITE_OK) {
    request = leadx_page_request(&pulling->run->target, pulling->table, &next, pulling->limit, NULL,
                                 &ignored);
  }
  leadx_place_clear(&next);
  leadx_exchange_send_ahead(&pulling->run->exchange, request);
}

/* The first page of a pull that goes on where the last one ended, or of a table that nothing is
** here of. */
static int is_continued(const leadx_pulling *pulling) {
  return pulling->is_first && !pulling->from_beginning;
}

static int is_news(const leadx_pulling *pulling) {
  return pulling->is_first && pulling->from_beginning && !pulling->turn->is_begun;
}

/* NULL, or what is strange about some rows that were asked for behind the place. */
static const char *judge(leadx_pulling *pulling, leadx_slice rows, int *count, leadx_slice *last,
                         leadx_err *err) {
  const char *strange = leadx_examine_rows(pulling, rows, NULL, pulling->limit, count, last, err);
  leadx_place next = {NULL, NULL};
  if (strange || *count == 0 || err->rc != SQLITE_OK) return strange;
  if (leadx_place_set(&next, pulling->table, *last, err) == SQLITE_OK &&
      leadx_pulling_is_circling(pulling, next.version, next.key))
    strange = "pages that lead in a circle";
  leadx_place_clear(&next);
  return strange;
}

/* Applies the rows of a page that is as it should be, and goes on behind them. */
static int take_page(leadx_pulling *pulling, const leadx_request *done, leadx_slice rows, int count,
                     leadx_slice last, leadx_err *err) {
  /* Only a count that was exact tells that these were all: a server may cap rows silently. */
  int rc = SQLITE_OK, complete = is_continued(pulling) && total_of(done) == count;
  if (is_news(pulling)) expect_rows(pulling, total_of(done));
  if (!complete && !pulling->may_wait && leadx_pulling_may_ask_ahead(pulling, done, count))
    send_ahead(pulling, last);
  if (count > 0) rc = leadx_stretch_apply(pulling, rows, count, err);
  leadx_pulling_count_rows(pulling, count);
  if (rc == SQLITE_OK && !pulling->run->tally.lost_lease)
    rc = end_page(pulling, count, complete, err);
  pulling->is_first = 0;
  return rc;
}

/* The few rows since the last pull are counted, because a count tells that they were all. Of a whole
** table the planner's guess will do: a count of what a policy shows may take longer than the rows. */
static const char *how_to_count(const leadx_pulling *pulling) {
  if (pulling->is_costly) return NULL;
  return is_continued(pulling) ? "exact" : is_news(pulling) ? "planned" : NULL;
}

/* ---- a row that is too large ---- */

/* Parks the row, unless it is here in that very version (it was made here). */
static int park_large(leadx_pulling *pulling, const char *key, const char *version,
                      leadx_err *err) {
  leadx_db *db = &pulling->run->ctx->db;
  char reason[LEADX_TOO_LARGE_BYTES];
  int is_unheard = 0, same = 0;
  int rc = leadx_shadow_look(db, pulling->table->entity, key, version, &is_unheard, &same, err);
  if (rc != SQLITE_OK || same) return rc;
  leadx_run_too_large(pulling->run, reason);
  return leadx_parking_add(db, pulling->table->entity, key, LEADX_REFUSED, reason, err);
}

/* Goes on behind the row, which has only its key and its version. */
static int pass_over(leadx_pulling *pulling, leadx_slice row, leadx_err *err) {
  leadx_db *db = &pulling->run->ctx->db;
  char *key = NULL, *version = NULL;
  leadx_key_identify(pulling->table, row, &key, &version, err);
  int rc = key && err->rc == SQLITE_OK ? leadx_db_begin(db, err) : err->rc;
  if (key && rc == SQLITE_OK) {
    rc = leadx_run_renew(pulling->run, err);
    if (rc == SQLITE_OK) rc = park_large(pulling, key, version, err);
    if (rc == SQLITE_OK) rc = leadx_place_move(pulling, &row, 1, err);
    if (rc == SQLITE_OK) rc = leadx_place_save(pulling, err);
    rc = leadx_db_end(db, rc, err);
  }
  sqlite3_free(key);
  sqlite3_free(version);
  return rc;
}

/* One row alone is more than an answer may have: its key and its version are asked for. */
static int skip_large(leadx_pulling *pulling, leadx_err *err) {
  leadx_run *run = pulling->run;
  leadx_slice rows = {NULL, 0}, last = {NULL, 0};
  leadx_class class_;
  int count = 0;
  leadx_request *done = leadx_run_ask(
      run, leadx_page_head_request(&run->target, pulling->table, &pulling->place, err), 0, &rows,
      &class_, pulling->table, err);
  if (!done) return err->rc;
  const char *strange = class_ == LEADX_CLASS_OK ? judge(pulling, rows, &count, &last, err) : NULL;
  int rc = err->rc;
  if (strange) leadx_pulling_say_strange(pulling, strange);
  else if (rc == SQLITE_OK && class_ == LEADX_CLASS_OK && count > 0)
    rc = pass_over(pulling, last, err);
  else pulling->failed = rc != SQLITE_OK || class_ != LEADX_CLASS_OK;
  leadx_request_free(done);
  return rc;
}

/* Less is asked for; and more again, once it works. */
static int shrink(leadx_pulling *pulling, const leadx_request *done, leadx_err *err) {
  pulling->is_costly = 1;
  if (pulling->limit > 1) {
    pulling->limit = (pulling->limit + 1) / 2;
    return SQLITE_OK;
  }
  if (done->net == LEADX_NET_TOO_LARGE) return skip_large(pulling, err);
  leadx_run_give_up(pulling->run, done, pulling->table);
  pulling->failed = 1;
  return SQLITE_OK;
}

static void grow(leadx_pulling *pulling) {
  int most = (int)leadx_settings_int(pulling->run->ctx->settings, LEADX_PAGE_SIZE);
  if (pulling->limit < most) pulling->limit = pulling->limit > most / 2 ? most : 2 * pulling->limit;
}

int leadx_by_version_step(leadx_pulling *pulling, leadx_err *err) {
  leadx_run *run = pulling->run;
  const char *count_how = how_to_count(pulling);
  int count = 0;
  int64_t began_ms = leadx_clock_mono_ms();
  leadx_slice rows = {NULL, 0}, last = {NULL, 0};
  leadx_class class_;
  leadx_request *done = leadx_run_ask(run,
                                      leadx_page_request(&run->target, pulling->table,
                                                         &pulling->place, pulling->limit, count_how,
                                                         err),
                                      1, &rows, &class_, pulling->table, err);
  if (!done) return err->rc;
  const char *strange = class_ == LEADX_CLASS_OK ? judge(pulling, rows, &count, &last, err) : NULL;
  int rc = err->rc;
  if (rc != SQLITE_OK) {
    pulling->failed = 1; /* no memory to look at the answer */
  } else if (strange) {
    leadx_pulling_say_strange(pulling, strange);
  } else if (class_ == LEADX_CLASS_OK) {
    leadx_pulling_note_time(pulling, done, leadx_clock_mono_ms() - began_ms);
    rc = take_page(pulling, done, rows, count, last, err);
    if (pulling->is_costly) grow(pulling);
  } else if (class_ == LEADX_CLASS_SHRINK) {
    rc = shrink(pulling, done, err);
  } else {
    pulling->failed = 1;
  }
  leadx_request_free(done);
  return rc;
}
