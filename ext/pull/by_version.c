/* Rows behind a version and a key, page by page. See pulling.h.
**
** In a pull from the beginning, rows that have no version follow, by key: no condition on versions
** reaches those. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "pull/pulling.h"

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
                                      pulling->limit > 1, &rows, &class_, pulling->table, err);
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
  } else if (class_ == LEADX_CLASS_SHRINK) {
    pulling->limit = (pulling->limit + 1) / 2;
    pulling->is_costly = 1;
  } else {
    pulling->failed = 1;
  }
  leadx_request_free(done);
  return rc;
}
