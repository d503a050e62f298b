/* Pull: what others changed. See pull.h.
**
** A page is applied in short write transactions of some rows each; the place behind the last row of each
** is saved in the same transaction, so a crash anywhere goes on where it stopped. Every pull starts some
** seconds before the place it had reached, because a slow transaction of the server commits rows with
** an older stamp; rows that are known in that very version cost nothing.
*/
#include "pull.h"

#include <stdlib.h>
#include <string.h>

#include "change.h"
#include "clock.h"
#include "intake.h"
#include "page.h"
#include "session.h"
#include "settings.h"

/* Rows per write transaction: an application's own write waits no longer than that. */
#define STRETCH_ROWS 250
/* Parked rows fetched by key at a time. */
#define PARKED_KEYS 100
/* How far ahead of the server's clock a row's version may lie and still move the cursor. */
#define FUTURE_SLACK_US (300 * (int64_t)1000000)
/* A pull that was stopped between two pages for less than this goes on exactly there. */
#define RESUME_US (30 * (int64_t)1000000)

typedef struct leadx_pulling {
  leadx_run *run;
  leadx_table *table;
  leadx_intake *intake;
  leadx_place place;       /* behind the last row applied */
  leadx_place saved;       /* what the next pull starts from: never in the server's future */
  char *fingerprint;
  int64_t server_us;       /* the server's clock, 0 unknown */
  int incremental;         /* there was a place to start from */
  int64_t midway_us;       /* when the last pull stopped between two pages, 0 when it arrived */
} leadx_pulling;

/* ---- one request ---- */

static int may_ask(const leadx_run *run) {
  return run->tally.ended == LEADX_CLASS_OK && run->request_budget != 0 && !run->tally.lost_lease;
}

static void end_run(leadx_run *run, const leadx_verdict *verdict, const leadx_request *request, const leadx_table *table) {
  int drift = verdict->class_ == LEADX_CLASS_DRIFT || verdict->class_ == LEADX_CLASS_ITEM;
  sqlite3_snprintf(sizeof run->tally.message, run->tally.message, "pull of %s: %s%s%s", table->remote, verdict->code, verdict->code[0] ? " " : "",
                   verdict->message[0] ? verdict->message : request->error);
  if (drift) {
    run->tally.paused = 1; /* this table cannot be read; the others can */
    return;
  }
  run->tally.ended = verdict->class_ == LEADX_CLASS_SHRINK || verdict->class_ == LEADX_CLASS_RETRY ? LEADX_CLASS_THROTTLE : verdict->class_;
  run->tally.retry_after_s = request->retry_after_s;
}

leadx_request *leadx_pull_ask(leadx_run *run, leadx_request *request, leadx_slice *rows, leadx_class *class_, const leadx_table *table,
                              leadx_err *err) {
  *class_ = LEADX_CLASS_PROTOCOL;
  if (!request) return NULL;
  if (run->transport->start(run->transport, request, err) != SQLITE_OK) {
    leadx_request_free(request);
    return NULL;
  }
  run->tally.requests++;
  if (run->request_budget > 0) run->request_budget--;
  leadx_request *done = NULL;
  while (!done) done = run->transport->wait(run->transport, 1000);
  run->tally.bytes_in += done->bytes_in;
  run->tally.bytes_out += done->bytes_out;
  leadx_answer answer = {(int)done->net, done->status, done->content_type, done->answer, done->answer_bytes, 1};
  leadx_verdict verdict;
  leadx_rest_classify(&answer, &verdict);
  *class_ = verdict.class_;
  *rows = verdict.rows;
  if (verdict.class_ != LEADX_CLASS_OK) end_run(run, &verdict, done, table);
  return done;
}

/* ---- the cursor ---- */

/* Which columns are wanted: when a new one comes, the table is fetched again from the beginning. */
static char *make_fingerprint(const leadx_table *table) {
  sqlite3_str *text = sqlite3_str_new(NULL);
  for (int i = 0; i < table->ncolumns; i++) {
    sqlite3_str_appendf(text, "%s%s:%s", i ? "," : "", table->columns[i].remote, leadx_type_name(table->columns[i].type));
  }
  sqlite3_str_appendf(text, ";%s;%s", table->remote, table->filter ? table->filter : "");
  return sqlite3_str_finish(text);
}

static const char *user_of(const leadx_run *run) { return run->user ? run->user : ""; }

static int load_cursor(leadx_pulling *pulling, leadx_err *err) {
  leadx_run *run = pulling->run;
  sqlite3_stmt *stmt = leadx_db_get(&run->ctx->db, LEADX_SQL_CURSOR_GET, err);
  if (!stmt) return err->rc;
  sqlite3_bind_text(stmt, 1, run->target.url, -1, SQLITE_TRANSIENT);
  sqlite3_bind_text(stmt, 2, user_of(run), -1, SQLITE_TRANSIENT);
  sqlite3_bind_text(stmt, 3, pulling->table->entity, -1, SQLITE_TRANSIENT);
  int rc = sqlite3_step(stmt);
  if (rc == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(stmt, 2), pulling->fingerprint) == 0 &&
      sqlite3_column_type(stmt, 0) != SQLITE_NULL) {
    pulling->saved.version = sqlite3_mprintf("%s", (const char *)sqlite3_column_text(stmt, 0));
    pulling->saved.key = sqlite3_mprintf("%s", (const char *)sqlite3_column_text(stmt, 1));
    pulling->midway_us = sqlite3_column_int64(stmt, 3);
    pulling->incremental = pulling->saved.version != NULL && pulling->midway_us == 0;
  }
  leadx_db_put(&run->ctx->db, stmt);
  return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : leadx_err_db(err, run->ctx->db.handle, rc, "read the cursor");
}

/* May a pull that stopped between two pages go on exactly there? Yes while no slow transaction can have put rows
** behind it: shortly after, or when the place is far in the past. */
static int may_resume(const leadx_pulling *pulling, int64_t version_us, int64_t overlap_us) {
  int64_t now = leadx_clock_wall_us();
  if (pulling->midway_us == 0) return 0;
  return (now >= pulling->midway_us && now - pulling->midway_us < RESUME_US) || version_us < now - 2 * overlap_us - RESUME_US;
}

/* The place to start from: the saved one, the overlap earlier. A version that is no instant starts right there. */
static int start_place(leadx_pulling *pulling, leadx_err *err) {
  int64_t us = 0, overlap_us = leadx_settings_ms(pulling->run->ctx->settings, LEADX_OVERLAP) * 1000;
  const char *version = pulling->saved.version;
  if (!version) return SQLITE_OK;
  if (leadx_instant_parse(version, strlen(version), &us) == 0 && !may_resume(pulling, us, overlap_us)) {
    char text[LEADX_INSTANT_BYTES];
    leadx_instant_format(us - overlap_us, text);
    pulling->place.version = sqlite3_mprintf("%s", text);
  } else {
    pulling->place.version = sqlite3_mprintf("%s", version);
    pulling->place.key = sqlite3_mprintf("%s", pulling->saved.key);
  }
  return pulling->place.version ? SQLITE_OK : leadx_err_nomem(err);
}

static int save_cursor(leadx_pulling *pulling, leadx_err *err) {
  leadx_run *run = pulling->run;
  if (!pulling->saved.version) return SQLITE_OK;
  return leadx_db_run(&run->ctx->db, LEADX_SQL_CURSOR_SET, err, "tttttti", run->target.url, user_of(run), pulling->table->entity,
                      pulling->fingerprint, pulling->saved.version, pulling->saved.key, leadx_clock_wall_us());
}

/* Notes the place behind a row. A version in the server's own future would carry the cursor past rows to come. */
static int move_place(leadx_pulling *pulling, leadx_slice row, leadx_err *err) {
  char *version = leadx_change_version_of(pulling->table, row), *key = leadx_intake_key(pulling->table, row);
  int64_t us = 0;
  if (!key) {
    sqlite3_free(version);
    return leadx_err_set(err, SQLITE_ERROR, "pull of %s: a row came without its key", pulling->table->remote);
  }
  leadx_place_clear(&pulling->place);
  pulling->place.version = version;
  pulling->place.key = key;
  int future = version && pulling->server_us > 0 && leadx_instant_parse(version, strlen(version), &us) == 0 &&
               us > pulling->server_us + FUTURE_SLACK_US;
  if (!version || future) return SQLITE_OK;
  leadx_place_clear(&pulling->saved);
  pulling->saved.version = sqlite3_mprintf("%s", version);
  pulling->saved.key = sqlite3_mprintf("%s", key);
  return pulling->saved.version && pulling->saved.key ? SQLITE_OK : leadx_err_nomem(err);
}

/* ---- applying ---- */

/* Rows of a page are walked in stretches; retry holds those that may only need their parents to come first. */
typedef struct leadx_stretch {
  leadx_slice rows[STRETCH_ROWS];
  int n;
} leadx_stretch;

static int apply_rows(leadx_pulling *pulling, const leadx_stretch *stretch, leadx_err *err) {
  int rc = SQLITE_OK, left = stretch->n;
  unsigned char parked[STRETCH_ROWS];
  memset(parked, 1, sizeof parked);
  /* A row that refers to a later row of the same stretch goes in on the next round. */
  for (int round = 0; left > 0 && round < 4 && rc == SQLITE_OK; round++) {
    int before = left;
    for (int i = 0; i < stretch->n && rc == SQLITE_OK; i++) {
      int changed = 0, waits = 0;
      if (!parked[i]) continue;
      rc = leadx_intake_row(pulling->intake, stretch->rows[i], 0, &changed, &waits, err);
      pulling->run->tally.pulled += changed;
      if (waits) continue;
      parked[i] = 0;
      left--;
      if (rc == SQLITE_OK && round > 0) rc = leadx_pull_unpark(pulling->run, pulling->table, stretch->rows[i], err);
    }
    if (left == before) break;
  }
  return rc;
}

static int apply_stretch(leadx_pulling *pulling, const leadx_stretch *stretch, int moves, leadx_err *err) {
  leadx_db *db = &pulling->run->ctx->db;
  int rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = leadx_run_renew(pulling->run, err);
  if (rc == SQLITE_OK) rc = leadx_intake_begin(pulling->intake, err);
  if (rc == SQLITE_OK) rc = apply_rows(pulling, stretch, err);
  if (rc == SQLITE_OK) rc = leadx_intake_end(pulling->intake, err);
  for (int i = 0; moves && i < stretch->n && rc == SQLITE_OK; i++) rc = move_place(pulling, stretch->rows[i], err);
  if (rc == SQLITE_OK && moves) rc = save_cursor(pulling, err);
  if (rc == SQLITE_OK) return leadx_db_commit(db, err);
  leadx_db_rollback(db);
  return rc;
}

/* Is every element an object with a key, and are there no more than were asked for? Nothing of a strange page is applied. */
static int is_strange(const leadx_pulling *pulling, leadx_slice rows, int limit) {
  leadx_json_walk walk;
  leadx_slice row;
  int n = 0;
  leadx_json_walk_init(&walk, rows);
  while (leadx_json_walk_element(&walk, &row)) {
    if (leadx_json_kind_of(row) != LEADX_JSON_OBJECT) return 1;
    char *key = leadx_intake_key(pulling->table, row);
    sqlite3_free(key);
    if (!key || ++n > limit) return 1;
  }
  return 0;
}

static int apply_page(leadx_pulling *pulling, leadx_slice rows, int moves, int *count, leadx_err *err) {
  leadx_json_walk walk;
  leadx_stretch stretch;
  int rc = SQLITE_OK, more = 1;
  *count = 0;
  leadx_json_walk_init(&walk, rows);
  while (rc == SQLITE_OK && more) {
    stretch.n = 0;
    while (stretch.n < STRETCH_ROWS && (more = leadx_json_walk_element(&walk, &stretch.rows[stretch.n]))) stretch.n++;
    if (stretch.n == 0) break;
    rc = apply_stretch(pulling, &stretch, moves, err);
    *count += stretch.n;
  }
  return rc;
}

/* ---- pages ---- */

static void say_strange(leadx_pulling *pulling) {
  leadx_tally *tally = &pulling->run->tally;
  tally->ended = LEADX_CLASS_PROTOCOL;
  sqlite3_snprintf(sizeof tally->message, tally->message,
                   "pull of %s: the server answered rows of another shape or more than were asked for; nothing was applied", pulling->table->remote);
}

static void show_progress(leadx_pulling *pulling, int count) {
  leadx_progress progress;
  leadx_session_get_progress(pulling->run->ctx->session, &progress);
  progress.done += count;
  if (progress.total < progress.done) progress.total = progress.done;
  leadx_session_set_progress(pulling->run->ctx->session, &progress);
}

/* Did the answer say that these were all? ("0-4/5"; a server that caps rows silently says no such thing.) */
static int is_complete(const leadx_request *request, int count) {
  const char *slash = strchr(request->content_range, '/');
  return slash && slash[1] >= '0' && slash[1] <= '9' && strtol(slash + 1, NULL, 10) == count;
}

/* One page. *more: there may be another. */
static int pull_page(leadx_pulling *pulling, int first, int *more, leadx_err *err) {
  leadx_run *run = pulling->run;
  int limit = (int)leadx_settings_int(run->ctx->settings, LEADX_PAGE_SIZE), count = 0;
  int counted = first && pulling->incremental;
  leadx_slice rows = {NULL, 0};
  leadx_class class_;
  leadx_request *done = leadx_pull_ask(run, leadx_page_request(&run->target, pulling->table, &pulling->place, limit, counted, err), &rows, &class_,
                                       pulling->table, err);
  *more = 0;
  if (!done) return err->rc;
  int rc = SQLITE_OK;
  if (class_ == LEADX_CLASS_OK && is_strange(pulling, rows, limit)) {
    say_strange(pulling);
  } else if (class_ == LEADX_CLASS_OK) {
    pulling->server_us = done->date_s * 1000000;
    rc = apply_page(pulling, rows, 1, &count, err);
    show_progress(pulling, count);
    *more = count > 0 && !(counted && is_complete(done, count));
  }
  leadx_request_free(done);
  return rc;
}

/* ---- parked rows ---- */

int leadx_pull_unpark(leadx_run *run, const leadx_table *table, leadx_slice row, leadx_err *err) {
  char *key = leadx_intake_key(table, row);
  int rc = key ? leadx_db_run(&run->ctx->db, LEADX_SQL_PARKED_DROP, err, "tt", table->entity, key) : SQLITE_OK;
  sqlite3_free(key);
  return rc;
}

/* Keys parked behind `after`, at most PARKED_KEYS; the caller frees each. */
static int read_parked(leadx_pulling *pulling, const char *after, char **keys, int *n, leadx_err *err) {
  leadx_db *db = &pulling->run->ctx->db;
  sqlite3_stmt *stmt = leadx_db_get(db, LEADX_SQL_PARKED_LIST, err);
  if (!stmt) return err->rc;
  sqlite3_bind_text(stmt, 1, pulling->table->entity, -1, SQLITE_TRANSIENT);
  sqlite3_bind_text(stmt, 2, after, -1, SQLITE_TRANSIENT);
  sqlite3_bind_int(stmt, 3, PARKED_KEYS);
  *n = 0;
  while (sqlite3_step(stmt) == SQLITE_ROW && *n < PARKED_KEYS) {
    keys[*n] = sqlite3_mprintf("%s", (const char *)sqlite3_column_text(stmt, 0));
    if (!keys[*n]) leadx_err_nomem(err);
    else ++*n;
  }
  leadx_db_put(db, stmt);
  return err->rc;
}

static leadx_slice find_row(const leadx_table *table, leadx_slice rows, const char *key) {
  leadx_json_walk walk;
  leadx_slice row, none = {NULL, 0};
  leadx_json_walk_init(&walk, rows);
  while (leadx_json_walk_element(&walk, &row)) {
    char *theirs = leadx_intake_key(table, row);
    int same = theirs && strcmp(theirs, key) == 0;
    sqlite3_free(theirs);
    if (same) return row;
  }
  return none;
}

/* A parked row: applied when the server still shows it, removed when it does not. It stays parked while something of it is unsent. */
static int settle_parked(leadx_pulling *pulling, leadx_slice rows, const char *key, leadx_err *err) {
  leadx_slice row = find_row(pulling->table, rows, key);
  int changed = 0, parked = 0, rc;
  if (leadx_intake_is_pending(pulling->intake, key)) return SQLITE_OK;
  if (row.n) rc = leadx_intake_row(pulling->intake, row, 1, &changed, &parked, err);
  else rc = leadx_intake_remove(pulling->intake, key, &changed, err);
  pulling->run->tally.pulled += changed;
  if (rc == SQLITE_OK && !parked) {
    rc = leadx_db_run(&pulling->run->ctx->db, LEADX_SQL_PARKED_DROP, err, "tt", pulling->table->entity, key);
  }
  return rc;
}

static int apply_parked(leadx_pulling *pulling, leadx_slice rows, char **keys, int n, leadx_err *err) {
  leadx_db *db = &pulling->run->ctx->db;
  int rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = leadx_run_renew(pulling->run, err);
  if (rc == SQLITE_OK) rc = leadx_intake_begin(pulling->intake, err);
  for (int i = 0; i < n && rc == SQLITE_OK; i++) rc = settle_parked(pulling, rows, keys[i], err);
  if (rc == SQLITE_OK) rc = leadx_intake_end(pulling->intake, err);
  if (rc == SQLITE_OK) return leadx_db_commit(db, err);
  leadx_db_rollback(db);
  return rc;
}

static int fetch_parked(leadx_pulling *pulling, char **keys, int n, leadx_err *err) {
  leadx_run *run = pulling->run;
  leadx_slice rows = {NULL, 0};
  leadx_class class_;
  leadx_request *done =
      leadx_pull_ask(run, leadx_page_rows_request(&run->target, pulling->table, keys, n, err), &rows, &class_, pulling->table, err);
  if (!done) return err->rc;
  int rc = SQLITE_OK;
  if (class_ == LEADX_CLASS_OK && is_strange(pulling, rows, n)) say_strange(pulling);
  else if (class_ == LEADX_CLASS_OK) rc = apply_parked(pulling, rows, keys, n, err);
  leadx_request_free(done);
  return rc;
}

static int pull_parked(leadx_pulling *pulling, leadx_err *err) {
  char *keys[PARKED_KEYS], *after = sqlite3_mprintf("");
  int n = 0, rc = after ? SQLITE_OK : leadx_err_nomem(err);
  do {
    if (rc == SQLITE_OK) rc = read_parked(pulling, after, keys, &n, err);
    if (rc == SQLITE_OK && n > 0) rc = fetch_parked(pulling, keys, n, err);
    sqlite3_free(after);
    after = n > 0 ? sqlite3_mprintf("%s", keys[n - 1]) : NULL;
    for (int i = 0; i < n; i++) sqlite3_free(keys[i]);
  } while (rc == SQLITE_OK && n == PARKED_KEYS && may_ask(pulling->run) && after);
  sqlite3_free(after);
  return rc;
}

/* ---- tables ---- */

/* The last page was reached: the next pull starts the overlap earlier again. */
static int arrive(leadx_pulling *pulling, leadx_err *err) {
  leadx_run *run = pulling->run;
  int rc = leadx_db_run(&run->ctx->db, LEADX_SQL_CURSOR_ARRIVE, err, "ttt", run->target.url, user_of(run), pulling->table->entity);
  if (rc == SQLITE_OK) rc = leadx_db_run(&run->ctx->db, LEADX_SQL_PULL_SET_PULLED, err, "t", pulling->table->name);
  return rc;
}

static int pull_pages(leadx_pulling *pulling, leadx_err *err) {
  int more = 1, rc = SQLITE_OK;
  for (int first = 1; more && rc == SQLITE_OK && may_ask(pulling->run); first = 0) rc = pull_page(pulling, first, &more, err);
  if (more && pulling->run->request_budget == 0) pulling->run->tally.more = 1;
  if (rc == SQLITE_OK && !more && pulling->run->tally.ended == LEADX_CLASS_OK) rc = arrive(pulling, err);
  if (rc == SQLITE_OK && !more && may_ask(pulling->run)) rc = pull_parked(pulling, err);
  return rc;
}

static int pull_table(leadx_run *run, leadx_table *table, leadx_err *err) {
  leadx_pulling pulling = {.run = run, .table = table};
  pulling.intake = leadx_intake_open(&run->ctx->db, table, err);
  pulling.fingerprint = make_fingerprint(table);
  int rc = !pulling.intake ? err->rc : !pulling.fingerprint ? leadx_err_nomem(err) : load_cursor(&pulling, err);
  if (rc == SQLITE_OK) rc = start_place(&pulling, err);
  if (rc == SQLITE_OK) rc = pull_pages(&pulling, err);
  leadx_place_clear(&pulling.place);
  leadx_place_clear(&pulling.saved);
  sqlite3_free(pulling.fingerprint);
  leadx_intake_close(pulling.intake);
  return rc;
}

/* Are all the tables this one refers to done? */
static int parents_done(const leadx_tables *tables, const unsigned char *done, const leadx_table *table) {
  for (int r = 0; r < table->nreferences; r++) {
    for (int i = 0; i < tables->n; i++) {
      int parent = sqlite3_stricmp(tables->list[i]->name, table->references[r].parent_table) == 0;
      if (parent && tables->list[i] != table && !done[i]) return 0;
    }
  }
  return 1;
}

/* The next table: one whose parents are done, or (a circle) any. -1 at the end. */
static int next_table(const leadx_tables *tables, const unsigned char *done) {
  int any = -1;
  for (int i = 0; i < tables->n; i++) {
    if (done[i]) continue;
    if (parents_done(tables, done, tables->list[i])) return i;
    if (any < 0) any = i;
  }
  return any;
}

int leadx_pull_run(leadx_run *run, const char *only_table, leadx_err *err) {
  unsigned char *done = sqlite3_malloc64((size_t)run->tables->n + 1);
  if (!done) return leadx_err_nomem(err);
  memset(done, 0, (size_t)run->tables->n + 1);
  int rc = SQLITE_OK;
  for (int i; rc == SQLITE_OK && may_ask(run) && (i = next_table(run->tables, done)) >= 0;) {
    leadx_table *table = run->tables->list[i];
    done[i] = 1;
    if (table->mode == LEADX_MODE_PUSH || (only_table && sqlite3_stricmp(only_table, table->name) != 0)) continue;
    rc = pull_table(run, table, err);
  }
  sqlite3_free(done);
  return rc;
}
