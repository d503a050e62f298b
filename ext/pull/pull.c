/* Pull: what others changed. See pull.h.
**
** A page is applied in short write transactions of some rows each, as many as fit into their time;
** the place behind the last row of each is saved in the same transaction, so a crash anywhere goes
** on where it stopped. A pull starts some seconds before the last one began, because a slow
** transaction of the server commits rows with an older stamp; rows that are known in that very
** version cost nothing.
**
** A table goes through phases: rows by version and key (or, where the server has leadx_pull(), the
** pages of that); in a pull from the beginning, rows that have no version (no condition on versions
** reaches those); rows that could not be applied before.
** */
#include "pull/pull.h"

#include <stdlib.h>
#include <string.h>

#include "run/bulk.h"
#include "push/change.h"
#include "base/clock.h"
#include "pull/pulling.h"
#include "session/session.h"
#include "store/settings.h"

/* Rows applied at a time; a write transaction takes no more of them after so many milliseconds: an
** application's own write waits no longer than that. */
#define HANDFUL_ROWS 250
#define STRETCH_MS 20
/* An answer of more bytes is applied before the next one is asked for: there would be two in
** memory. */
#define AHEAD_BYTES (4 << 20)
/* How far ahead of the server's clock a row's version may lie and still move the cursor. */
#define FUTURE_SLACK_US (300 * (int64_t)1000000)

int leadx_pull_may_ask_ahead(const leadx_run *run, const leadx_request *done, int count) {
  return run->request_budget < 0 && count >= HANDFUL_ROWS && done->answer_bytes <= AHEAD_BYTES;
}

int leadx_pull_is_believable(int asked, int came, int *proven) {
  int believable = came == 0 || came == asked || asked <= *proven;
  if (came > *proven) *proven = came;
  return believable;
}

/* ---- the cursor ---- */

/* Which columns are wanted: when a new one comes, the table is fetched again from the beginning. */
static char *make_fingerprint(const leadx_table *table) {
  sqlite3_str *text = sqlite3_str_new(NULL);
  for (int i = 0; i < table->ncolumns; i++) {
    sqlite3_str_appendf(text, "%s%s:%s", i ? "," : "", table->columns[i].remote,
                        leadx_type_name(table->columns[i].type));
  }
  sqlite3_str_appendf(text, ";%s;%s", table->remote, table->filter ? table->filter : "");
  return sqlite3_str_finish(text);
}

static const char *user_of(const leadx_run *run) { return run->user ? run->user : ""; }

static int load_cursor(leadx_pulling *pulling, leadx_err *err) {
  leadx_run *run = pulling->run;
  leadx_db *db = &run->ctx->db;
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_CURSOR_GET, err, "sss", run->target.url,
                                      user_of(run), pulling->table->entity);
  if (!stmt) return err->rc;
  int found = leadx_db_next(db, stmt, err);
  const char *fingerprint = found ? leadx_db_text(stmt, 2, err) : NULL;
  pulling->from_beginning = 1;
  if (fingerprint && strcmp(fingerprint, pulling->fingerprint) != 0) {
    pulling->anew = 1;
  } else if (fingerprint) {
    const char *version = leadx_db_text(stmt, 0, err), *key = leadx_db_text(stmt, 1, err);
    pulling->saved.version = sqlite3_mprintf("%s", version);
    pulling->saved.key = sqlite3_mprintf("%s", key);
    pulling->midway = (int)leadx_db_number(stmt, 3, 0, 1, 0);
    pulling->began_us = leadx_db_time_us(stmt, 4);
    pulling->anew = (int)leadx_db_number(stmt, 5, 0, 1, 1);
    pulling->from_beginning = pulling->midway;
    if (!pulling->saved.version || !pulling->saved.key) leadx_err_nomem(err);
  }
  leadx_db_put(db, stmt);
  return err->rc;
}

static int is_integer(const char *text) { return text[strspn(text, "0123456789")] == 0; }

/* The place to start from. A pull that stopped midway goes on exactly there. Else it begins the
** overlap before the last pull began: whatever was stamped earlier had been committed when that one
** read it. A version that is a number counts changes, not time. */
static int start_place(leadx_pulling *pulling, leadx_err *err) {
  int64_t us = 0, overlap_us = leadx_settings_ms(pulling->run->ctx->settings, LEADX_OVERLAP) * 1000;
  const char *version = pulling->saved.version;
  if (!version) return SQLITE_OK;
  int exact = pulling->midway || is_integer(version) ||
              leadx_instant_parse(version, strlen(version), &us) != 0;
  int64_t from_us = (pulling->began_us ? pulling->began_us : us) - overlap_us;
  if (exact || from_us > us) {
    pulling->place.version = sqlite3_mprintf("%s", version);
    pulling->place.key = sqlite3_mprintf("%s", pulling->saved.key);
    return pulling->place.version && pulling->place.key ? SQLITE_OK : leadx_err_nomem(err);
  }
  char text[LEADX_INSTANT_BYTES];
  leadx_instant_format(from_us, text);
  pulling->place.version = sqlite3_mprintf("%s", text);
  return pulling->place.version ? SQLITE_OK : leadx_err_nomem(err);
}

static int save_cursor(leadx_pulling *pulling, leadx_err *err) {
  leadx_run *run = pulling->run;
  if (!pulling->saved.version) return SQLITE_OK;
  return leadx_db_run(&run->ctx->db, LEADX_SQL_CURSOR_SET, err, "ttttttii", run->target.url,
                      user_of(run), pulling->table->entity, pulling->fingerprint,
                      pulling->saved.version, pulling->saved.key, pulling->began_us,
                      (int64_t)pulling->anew);
}

/* May the cursor stand on that version? In the server's own future, or at infinity, it would be
** carried past rows to come. */
static int may_save(const leadx_pulling *pulling, const char *version) {
  int64_t us = 0;
  if (is_integer(version)) return 1;
  if (leadx_instant_parse(version, strlen(version), &us) != 0) return 0;
  return pulling->server_us == 0 || us <= pulling->server_us + FUTURE_SLACK_US;
}

static int set_place(leadx_place *place, const leadx_table *table, leadx_slice row,
                     leadx_err *err) {
  leadx_place_clear(place);
  int rc = leadx_intake_identify(table, row, &place->key, &place->version, err);
  return rc != SQLITE_OK || place->key ? rc : leadx_err_nomem(err);
}

/* Notes the place behind the last of some rows, and behind the last one that the cursor may stand
** on. */
static int move_place(leadx_pulling *pulling, const leadx_slice *rows, int n, leadx_err *err) {
  int rc = n > 0 ? set_place(&pulling->place, pulling->table, rows[n - 1], err) : SQLITE_OK;
  for (int i = n - 1; i >= 0 && rc == SQLITE_OK; i--) {
    char *version = leadx_change_version_of(pulling->table, rows[i], err);
    rc = err->rc;
    int stands = version && may_save(pulling, version);
    sqlite3_free(version);
    if (stands) return set_place(&pulling->saved, pulling->table, rows[i], err);
  }
  return rc;
}

/* ---- applying ---- */

typedef struct leadx_stretch {
  leadx_json_walk walk;
  int left; /* rows of the page that have not had their turn */
  leadx_slice rows[HANDFUL_ROWS]; /* those whose turn it is */
  int n;
} leadx_stretch;

/* Takes all rows in their order. *waiting: how many of them could not go in. */
static int take_all(leadx_pulling *pulling, const leadx_slice *rows, int n, int anew, int *count,
                    int *waiting, leadx_err *err) {
  int rc = SQLITE_OK;
  *count = *waiting = 0;
  leadx_intake_together(pulling->intake, 1);
  for (int i = 0; i < n && rc == SQLITE_OK; i++) {
    int changed = 0, waits = 0;
    rc = leadx_intake_row(pulling->intake, rows[i], anew, &changed, &waits, err);
    *count += changed;
    *waiting += waits;
  }
  leadx_intake_together(pulling->intake, 0);
  return rc;
}

/* Takes all rows as they come. *whole: they all went in, or foreign keys are not what kept any of
** them out. */
static int apply_in_order(leadx_pulling *pulling, const leadx_slice *rows, int n, int anew,
                          int *whole, leadx_err *err) {
  int count = 0, waiting = 0;
  int rc = take_all(pulling, rows, n, anew, &count, &waiting, err);
  *whole = leadx_intake_is_whole(pulling->intake) &&
           (waiting == 0 || !leadx_intake_has_foreign_keys(pulling->intake));
  if (*whole) pulling->run->tally.pulled += count;
  return rc;
}

/* Takes all rows, foreign keys open until the last one is in. *whole: they all hold. The switch
** costs every statement of the connection, so it is not touched where the rows' order will do. */
static int apply_together(leadx_pulling *pulling, const leadx_slice *rows, int n, int anew,
                          int *whole, leadx_err *err) {
  int count = 0, waiting = 0;
  int rc = leadx_intake_defer(pulling->intake, err);
  if (rc == SQLITE_OK) rc = take_all(pulling, rows, n, anew, &count, &waiting, err);
  *whole = leadx_intake_is_whole(pulling->intake);
  if (*whole) pulling->run->tally.pulled += count;
  return rc == SQLITE_OK ? leadx_intake_enforce(pulling->intake, err) : rc;
}

/* Takes the rows one by one; one that refers to a later one goes in on the next round, one without
** its parent is parked. */
static int apply_apart(leadx_pulling *pulling, const leadx_slice *rows, int n, int anew,
                       leadx_err *err) {
  unsigned char waiting[HANDFUL_ROWS];
  int rc = SQLITE_OK, left = n, before = n + 1;
  memset(waiting, 1, sizeof waiting);
  for (int round = 0; left > 0 && left < before && rc == SQLITE_OK; round++) {
    before = left;
    for (int i = 0; i < n && rc == SQLITE_OK; i++) {
      int changed = 0, waits = 0;
      if (!waiting[i]) continue;
      rc = leadx_intake_row(pulling->intake, rows[i], anew, &changed, &waits, err);
      pulling->run->tally.pulled += changed;
      if (waits) continue;
      waiting[i] = 0;
      left--;
      if (round == 0 || rc != SQLITE_OK) continue;
      char *key = leadx_intake_key(pulling->table, rows[i], err);
      rc = key ? leadx_pull_unpark(pulling->run, pulling->table, key, err) : leadx_err_nomem(err);
      sqlite3_free(key);
    }
  }
  return rc;
}

static int apply_rows(leadx_pulling *pulling, const leadx_slice *rows, int n, int anew,
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

static int apply_handful(leadx_pulling *pulling, leadx_stretch *stretch, leadx_err *err) {
  for (stretch->n = 0; stretch->n < HANDFUL_ROWS && stretch->left > 0;
       stretch->n++, stretch->left--) {
    leadx_json_walk_element(&stretch->walk, &stretch->rows[stretch->n]);
  }
  int rc = apply_rows(pulling, stretch->rows, stretch->n, pulling->anew, err);
  return rc == SQLITE_OK ? move_place(pulling, stretch->rows, stretch->n, err) : rc;
}

static int apply_handfuls(leadx_pulling *pulling, leadx_stretch *stretch, leadx_err *err) {
  int64_t began_ms = leadx_clock_mono_ms();
  int rc = leadx_by_call_remove(pulling, err);
  do {
    if (rc == SQLITE_OK) rc = apply_handful(pulling, stretch, err);
  } while (rc == SQLITE_OK && stretch->left > 0 && leadx_clock_mono_ms() - began_ms < STRETCH_MS);
  return rc;
}

static int apply_stretch(leadx_pulling *pulling, leadx_stretch *stretch, leadx_err *err) {
  leadx_db *db = &pulling->run->ctx->db;
  int rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = leadx_run_renew(pulling->run, err);
  if (rc == SQLITE_OK && pulling->run->tally.lost_lease) {
    leadx_db_rollback(db); /* another sync has taken over */
    return SQLITE_OK;
  }
  if (rc == SQLITE_OK) rc = leadx_intake_begin(pulling->intake, err);
  if (rc == SQLITE_OK) rc = apply_handfuls(pulling, stretch, err);
  if (rc == SQLITE_OK) rc = leadx_intake_end(pulling->intake, err);
  if (rc == SQLITE_OK) rc = save_cursor(pulling, err);
  if (rc == SQLITE_OK && stretch->left == 0) rc = leadx_by_call_save(pulling, err);
  if (rc == SQLITE_OK) return leadx_db_commit(db, err);
  leadx_db_rollback(db);
  return rc;
}

int leadx_pulling_apply(leadx_pulling *pulling, leadx_slice rows, int count, leadx_err *err) {
  leadx_stretch stretch = {.left = count};
  int rc;
  leadx_json_walk_init(&stretch.walk, rows);
  do {
    rc = apply_stretch(pulling, &stretch, err);
    leadx_exchange_listen(&pulling->run->exchange);
  } while (rc == SQLITE_OK && stretch.left > 0 && !pulling->run->tally.lost_lease);
  return rc;
}

/* ---- pages ---- */

void leadx_pulling_say_strange(leadx_pulling *pulling, const char *strange) {
  leadx_run_end(pulling->run, LEADX_CLASS_PROTOCOL, -1,
                "pull of %s: the server answered %s; nothing of the answer was applied",
                pulling->table->remote, strange);
}

void leadx_pulling_show_progress(leadx_pulling *pulling, int count) {
  leadx_turn *turn = pulling->turn;
  int64_t expected = turn->left < 0 ? 0 : count < turn->left ? count : turn->left;
  turn->left -= expected;
  turn->done += count;
  pulling->run->tally.done += count;
  pulling->run->tally.total += count - expected;
  leadx_run_show_progress(pulling->run);
}

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

/* The server's clock when a request was sent: its Date is a whole second, of the answer. */
void leadx_pulling_note_time(leadx_pulling *pulling, const leadx_request *done, int64_t took_ms) {
  pulling->server_us = done->date_s * 1000000;
  if (pulling->is_first && !pulling->midway)
    pulling->began_us = done->date_s ? pulling->server_us - took_ms * 1000 : 0;
}

static void begin_parked(leadx_pulling *pulling) {
  pulling->phase = LEADX_PARKED;
  pulling->limit = LEADX_PARKED_KEYS;
}

/* The last page was reached: the next pull starts before this one began. */
int leadx_pulling_arrive(leadx_pulling *pulling, leadx_err *err) {
  leadx_run *run = pulling->run;
  begin_parked(pulling);
  /* What others here refer to cannot be removed before they are: it has its turn at the end. */
  if (pulling->table->held_back) pulling->phase = LEADX_PULLED;
  int rc = leadx_db_run(&run->ctx->db, LEADX_SQL_CURSOR_ARRIVE, err, "ttti", run->target.url,
                        user_of(run), pulling->table->entity, pulling->began_us);
  if (rc == SQLITE_OK)
    rc = leadx_db_run(&run->ctx->db, LEADX_SQL_PULL_SET_PULLED, err, "t", pulling->table->name);
  return rc;
}

/* A page is in. Goes on to rows without a version where there may be some that this pull has not
** seen, or arrives. */
static int end_page(leadx_pulling *pulling, int count, int complete, leadx_err *err) {
  if (count > 0 && !complete) {
    /* Rows without a version stand behind all others. */
    if (!pulling->place.version) pulling->phase = LEADX_WITHOUT_VERSION;
    return SQLITE_OK;
  }
  int none_at_all = pulling->is_first && !pulling->place.version;
  if (pulling->phase == LEADX_WITHOUT_VERSION || !pulling->from_beginning || none_at_all)
    return leadx_pulling_arrive(pulling, err);
  pulling->phase = LEADX_WITHOUT_VERSION;
  leadx_place_clear(&pulling->place);
  pulling->place.key = sqlite3_mprintf("");
  return pulling->place.key ? SQLITE_OK : leadx_err_nomem(err);
}

/* The next page begins behind the last row of this one. */
static void send_ahead(leadx_pulling *pulling, leadx_slice last) {
  leadx_err ignored = {0};
  leadx_place next = {NULL, NULL};
  leadx_request *request = NULL;
  if (set_place(&next, pulling->table, last, &ignored) == SQLITE_OK) {
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

/* Applies the rows of a page that is as it should be, and goes on behind them. */
static int take_page(leadx_pulling *pulling, const leadx_request *done, leadx_slice rows, int count,
                     leadx_slice last, leadx_err *err) {
  /* Only a count that was exact tells that these were all: a server may cap rows silently. */
  int rc = SQLITE_OK, complete = is_continued(pulling) && total_of(done) == count;
  if (is_news(pulling)) expect_rows(pulling, total_of(done));
  if (!complete && !pulling->may_wait && leadx_pull_may_ask_ahead(pulling->run, done, count))
    send_ahead(pulling, last);
  if (count > 0) rc = leadx_pulling_apply(pulling, rows, count, err);
  leadx_pulling_show_progress(pulling, count);
  if (count > pulling->proven) pulling->proven = count;
  if (rc == SQLITE_OK && !pulling->run->tally.lost_lease)
    rc = end_page(pulling, count, complete, err);
  pulling->is_first = 0;
  return rc;
}

static int pull_page(leadx_pulling *pulling, leadx_err *err) {
  leadx_run *run = pulling->run;
  const char *count_how = is_continued(pulling) ? "exact" : is_news(pulling) ? "estimated" : NULL;
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
  const char *strange = class_ == LEADX_CLASS_OK
                            ? leadx_examine_rows(pulling, rows, NULL, pulling->limit, &count, &last,
                                                 err)
                            : NULL;
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
  } else {
    pulling->failed = 1;
  }
  leadx_request_free(done);
  return rc;
}

/* ---- parked rows ---- */

int leadx_pull_unpark(leadx_run *run, const leadx_table *table, const char *key, leadx_err *err) {
  return leadx_db_run(&run->ctx->db, LEADX_SQL_PARKED_DROP, err, "tt", table->entity, key);
}

/* Parked keys behind the last one looked at, as many as a URL holds; those with unsent changes stay
** parked and are passed over. The caller frees each. *last: there are none behind them. */
static int read_parked(leadx_pulling *pulling, char **keys, int *n, int *last, leadx_err *err) {
  leadx_db *db = &pulling->run->ctx->db;
  size_t bytes = 0;
  int rc = leadx_intake_look(pulling->intake, err);
  const char *after = pulling->after ? pulling->after : "";
  sqlite3_stmt *stmt = rc == SQLITE_OK ? leadx_db_query(db, LEADX_SQL_PARKED_LIST, err, "ss",
                                                        pulling->table->entity, after)
                                       : NULL;
  if (!stmt) return err->rc;
  *n = 0;
  *last = 1;
  while (leadx_db_next(db, stmt, err)) {
    const char *key = leadx_db_text(stmt, 0, err);
    if (!key) break;
    size_t more = leadx_page_key_bytes(pulling->table, key);
    if (leadx_intake_is_pending(pulling->intake, key)) continue;
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
    char *theirs = leadx_intake_key(table, row, err);
    int same = theirs && leadx_intake_same_key(table, theirs, key);
    sqlite3_free(theirs);
    if (same) return row;
  }
  return none;
}

/* Rows that came are taken, those that did not are removed. Every key is unparked first: what
** cannot go in parks itself again. */
static int settle_parked(leadx_pulling *pulling, leadx_slice rows, char **keys, int n,
                         leadx_err *err) {
  leadx_slice come[LEADX_PARKED_KEYS];
  int ncome = 0, rc = SQLITE_OK;
  for (int i = 0; i < n && rc == SQLITE_OK; i++) {
    int changed = 0, refused = 0;
    leadx_slice row = find_row(pulling->table, rows, keys[i], err);
    if (err->rc != SQLITE_OK) return err->rc;
    if (row.n) come[ncome++] = row;
    else rc = leadx_intake_remove(pulling->intake, keys[i], &changed, &refused, err);
    pulling->run->tally.pulled += changed;
    if (rc == SQLITE_OK && !refused)
      rc = leadx_pull_unpark(pulling->run, pulling->table, keys[i], err);
  }
  return rc == SQLITE_OK ? apply_rows(pulling, come, ncome, 1, err) : rc;
}

static int apply_parked(leadx_pulling *pulling, leadx_slice rows, char **keys, int n,
                        leadx_err *err) {
  leadx_db *db = &pulling->run->ctx->db;
  int rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = leadx_run_renew(pulling->run, err);
  if (rc == SQLITE_OK) rc = leadx_intake_begin(pulling->intake, err);
  if (rc == SQLITE_OK) rc = settle_parked(pulling, rows, keys, n, err);
  if (rc == SQLITE_OK) rc = leadx_intake_end(pulling->intake, err);
  if (rc == SQLITE_OK) return leadx_db_commit(db, err);
  leadx_db_rollback(db);
  return rc;
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
  if (!leadx_pull_is_believable(n, count, &pulling->proven)) {
    pulling->limit = pulling->proven;
    return SQLITE_OK;
  }
  int rc = apply_parked(pulling, rows, keys, n, err);
  if (last) pulling->phase = LEADX_PULLED;
  sqlite3_free(pulling->after);
  pulling->after = sqlite3_mprintf("%s", keys[n - 1]);
  return rc == SQLITE_OK && !pulling->after ? leadx_err_nomem(err) : rc;
}

static int fetch_parked(leadx_pulling *pulling, char **keys, int n, int last, leadx_err *err) {
  leadx_run *run = pulling->run;
  leadx_slice rows = {NULL, 0};
  leadx_class class_;
  int rc = SQLITE_OK;
  leadx_request *done = leadx_run_ask(
      run, leadx_page_rows_request(&run->target, pulling->table, keys, n, err), n > 1, &rows,
      &class_, pulling->table, err);
  if (!done) return err->rc;
  if (class_ == LEADX_CLASS_OK) rc = take_parked(pulling, rows, keys, n, last, err);
  else if (class_ == LEADX_CLASS_SHRINK) pulling->limit = (n + 1) / 2;
  else pulling->failed = 1;
  leadx_request_free(done);
  return rc;
}

static int pull_parked(leadx_pulling *pulling, leadx_err *err) {
  char *keys[LEADX_PARKED_KEYS];
  int n = 0, last = 0;
  int rc = read_parked(pulling, keys, &n, &last, err);
  if (rc == SQLITE_OK && n == 0) pulling->phase = LEADX_PULLED;
  else if (rc == SQLITE_OK && leadx_run_may_ask(pulling->run))
    rc = fetch_parked(pulling, keys, n, last, err);
  for (int i = 0; i < n; i++) sqlite3_free(keys[i]);
  return rc;
}

/* ---- tables ---- */

static int pull_on(leadx_pulling *pulling, leadx_err *err) {
  switch (pulling->phase) {
    case LEADX_PARKED: return pull_parked(pulling, err);
    case LEADX_BY_CALL: return leadx_by_call_page(pulling, err);
    default: return pull_page(pulling, err);
  }
}

/* Have other tables their turn now? The first page of a first pull is here, and there are more to
** come. */
static int has_to_wait(const leadx_pulling *pulling) {
  const leadx_tally *tally = &pulling->run->tally;
  int is_well = !pulling->failed && tally->ended == LEADX_CLASS_OK && !tally->lost_lease;
  return pulling->may_wait && is_well && pulling->from_beginning && !pulling->is_first &&
         pulling->phase == LEADX_BY_VERSION && pulling->turn->left != 0;
}

/* The server's guess was too high. */
static void forget_expected(leadx_pulling *pulling) {
  if (pulling->turn->left > 0) pulling->run->tally.total -= pulling->turn->left;
  pulling->turn->left = 0;
  leadx_run_show_progress(pulling->run);
}

static int pull_phases(leadx_pulling *pulling, leadx_err *err) {
  int rc = SQLITE_OK;
  pulling->is_first = pulling->phase == LEADX_BY_VERSION || pulling->phase == LEADX_BY_CALL;
  while (rc == SQLITE_OK && pulling->phase != LEADX_PULLED && !pulling->failed) {
    if (pulling->phase != LEADX_PARKED && !leadx_run_may_ask(pulling->run)) break;
    if (pulling->phase == LEADX_PARKED && pulling->run->tally.ended != LEADX_CLASS_OK) break;
    int parked = pulling->phase == LEADX_PARKED;
    rc = pull_on(pulling, err);
    if (parked && pulling->phase == LEADX_PARKED && !leadx_run_may_ask(pulling->run)) break;
    if (rc == SQLITE_OK && has_to_wait(pulling)) break;
  }
  /* A table that cannot be read must not keep the steps from ending. */
  if (pulling->failed && pulling->run->tally.ended == LEADX_CLASS_OK) pulling->phase = LEADX_PULLED;
  pulling->turn->is_begun = has_to_wait(pulling);
  pulling->turn->is_done = !pulling->turn->is_begun;
  if (pulling->phase != LEADX_PULLED && !pulling->turn->is_begun) pulling->run->tally.more = 1;
  if (pulling->phase == LEADX_PULLED) forget_expected(pulling);
  return rc == SQLITE_OK ? leadx_stepping_save(pulling, err) : rc;
}

/* Finds where the table's pull begins, or goes on. */
static int begin_table(leadx_pulling *pulling, leadx_err *err) {
  pulling->fingerprint = make_fingerprint(pulling->table);
  int rc = pulling->fingerprint ? load_cursor(pulling, err) : leadx_err_nomem(err);
  if (rc == SQLITE_OK) rc = start_place(pulling, err);
  if (rc == SQLITE_OK) rc = leadx_by_call_begin(pulling, err);
  if (rc == SQLITE_OK) rc = leadx_stepping_load(pulling, err);
  /* The last step went by the server's function, which has gone since. */
  if (pulling->phase == LEADX_BY_CALL && !pulling->cursor) pulling->phase = LEADX_BY_VERSION;
  return rc;
}

static int run_table(leadx_pulling *given, int only_parked, leadx_err *err) {
  leadx_run *run = given->run;
  leadx_pulling pulling = *given;
  pulling.limit = (int)leadx_settings_int(run->ctx->settings, LEADX_PAGE_SIZE);
  pulling.intake = leadx_intake_open(&run->ctx->db, pulling.table, err);
  int rc = pulling.intake ? begin_table(&pulling, err) : err->rc;
  if (only_parked) begin_parked(&pulling);
  if (rc == SQLITE_OK) rc = pull_phases(&pulling, err);
  leadx_exchange_abandon(&run->exchange);
  leadx_place_clear(&pulling.place);
  leadx_place_clear(&pulling.saved);
  sqlite3_free(pulling.cursor);
  sqlite3_free(pulling.after);
  sqlite3_free(pulling.fingerprint);
  leadx_intake_close(pulling.intake);
  return rc;
}

/* Pulls a table to its end, or (may_wait) until others have their turn. */
static int pull_table(leadx_run *run, leadx_table *table, leadx_turn *turn, int may_wait,
                      leadx_err *err) {
  leadx_pulling pulling = {.run = run, .table = table, .turn = turn, .may_wait = may_wait};
  return run_table(&pulling, 0, err);
}

/* Nothing but the rows that could not be applied, or not be removed, before. */
static int pull_parked_again(leadx_run *run, leadx_table *table, leadx_err *err) {
  leadx_turn turn = {0};
  leadx_pulling pulling = {.run = run, .table = table, .turn = &turn};
  return run_table(&pulling, 1, err);
}

static int is_wanted(const leadx_table *table, const char *only_table) {
  return table->mode != LEADX_MODE_PUSH &&
         (!only_table || sqlite3_stricmp(only_table, table->name) == 0);
}

/* Rows that were deleted on the server while others here referred to them: those others have gone
** meanwhile, children before parents. order: the tables in the order in which they were pulled. */
static int pull_held_back(leadx_run *run, const int *order, int n, leadx_err *err) {
  int rc = SQLITE_OK;
  for (int i = n - 1; i >= 0 && rc == SQLITE_OK && leadx_run_may_ask(run); i--) {
    leadx_table *table = run->tables->list[order[i]];
    if (table->held_back) rc = pull_parked_again(run, table, err);
    table->held_back = 0;
  }
  return rc;
}

/* What each table's turn begins with; those that are not wanted have had theirs. */
static int begin_turns(leadx_run *run, const char *only_table, leadx_turn *turns, leadx_err *err) {
  memset(turns, 0, sizeof *turns * (size_t)run->tables->n);
  int rc = leadx_stepping_begin(run, err);
  for (int i = 0; i < run->tables->n && rc == SQLITE_OK; i++) {
    turns[i].left = -1;
    turns[i].is_done = !is_wanted(run->tables->list[i], only_table);
    if (!turns[i].is_done) rc = leadx_stepping_load_turn(run, run->tables->list[i], &turns[i], err);
  }
  if (rc == SQLITE_OK) leadx_run_show_progress(run);
  return rc;
}

static int is_going_on(const leadx_run *run) {
  return run->tally.ended == LEADX_CLASS_OK && !run->tally.more;
}

/* order has room for all tables. */
static int take_turns(leadx_run *run, const char *only_table, leadx_turn *turns, int *order,
                      leadx_err *err) {
  int n = 0, rc = begin_turns(run, only_table, turns, err);
  for (int i;
       rc == SQLITE_OK && is_going_on(run) && (i = leadx_turns_next(run->tables, turns)) >= 0;) {
    int may_wait = !turns[i].is_begun && leadx_turns_has_other(run->tables, turns, i);
    rc = pull_table(run, run->tables->list[i], &turns[i], may_wait, err);
    if (turns[i].is_done) order[n++] = i;
  }
  if (rc == SQLITE_OK && is_going_on(run)) rc = pull_held_back(run, order, n, err);
  return rc == SQLITE_OK && is_going_on(run) ? leadx_stepping_end(run, err) : rc;
}

static int pull_tables(leadx_run *run, const char *only_table, leadx_err *err) {
  size_t n = (size_t)run->tables->n;
  leadx_turn *turns = sqlite3_malloc64((sizeof *turns + sizeof(int)) * n + 1);
  if (!turns) return leadx_err_nomem(err);
  int rc = take_turns(run, only_table, turns, (int *)(turns + n), err);
  sqlite3_free(turns);
  return rc;
}

int leadx_pull_run(leadx_run *run, const char *only_table, leadx_err *err) {
  leadx_bulk before;
  /* What is lost of a page goes together with the cursor that says it is here, and is fetched
  ** again. */
  leadx_bulk_begin(&run->ctx->db, &before);
  int rc = pull_tables(run, only_table, err);
  leadx_bulk_end(&run->ctx->db, &before);
  return rc;
}
