/* Pages of the server's function leadx_pull(). See pulling.h.
**
** The server ends a page before the oldest stamp that a transaction still open can give, so the
** next pull goes on exactly where the last one ended. Its cursor is kept to the letter, and saved
** with the last rows of its page; a crash in between fetches that page again. The plain place moves
** along, for a pull that has to do without the function.
**
** Deleted rows come as tombstones behind a place of their own inside the same cursor. What was
** never pulled this way begins with the tombstones since the oldest version known here: only a row
** that is known here can be missed here.
** */
#include <string.h>

#include "base/clock.h"
#include "base/instant.h"
#include "base/secret.h"
#include "pull/pulling.h"
#include "push/change.h"
#include "rest/target.h"
#include "rows/key.h"
#include "run/discover.h"
#include "store/settings.h"

/* Rows asked for at once, at most. */
#define MOST_PAGE_ROWS 10000
/* A cursor is some instants and a key; one that is longer is none. */
#define MAX_CURSOR_BYTES 16384

/* ---- where to begin ---- */

static void append_member(sqlite3_str *out, const char *name, leadx_slice value) {
  sqlite3_str_appendf(out, "%s\"%s\":%.*s", sqlite3_str_length(out) > 1 ? "," : "", name,
                      (int)value.n, value.z);
}

/* The place among the deleted rows alone, out of a stored cursor. */
static char *keep_gone(leadx_slice cursor, leadx_err *err) {
  leadx_slice at = leadx_json_member(cursor, "gone_at"), id = leadx_json_member(cursor, "gone_id");
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_appendall(out, "{");
  if (at.n) append_member(out, "gone_at", at);
  if (at.n && id.n) append_member(out, "gone_id", id);
  sqlite3_str_appendall(out, "}");
  return leadx_db_finish(out, err);
}

/* Takes a stored cursor: as it is, or, when the columns have changed and the rows are fetched
** again, without their place. What is no cursor counts as none. */
static int take_stored(leadx_pulling *pulling, const char *stored, const char *fingerprint,
                       leadx_err *err) {
  leadx_slice cursor = {NULL, 0};
  if (leadx_json_check(stored, strlen(stored), 0, &cursor, NULL) ||
      leadx_json_kind_of(cursor) != LEADX_JSON_OBJECT)
    return SQLITE_OK;
  int is_current = strcmp(fingerprint, pulling->fingerprint) == 0;
  if (!is_current) pulling->anew = 1;
  pulling->cursor = is_current ? sqlite3_mprintf("%.*s", (int)cursor.n, cursor.z)
                               : keep_gone(cursor, err);
  return pulling->cursor ? SQLITE_OK : leadx_err_nomem(err);
}

static int read_stored(leadx_pulling *pulling, leadx_err *err) {
  leadx_run *run = pulling->run;
  leadx_db *db = &run->ctx->db;
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_PLACE_GET, err, "sss", run->target.url,
                                      leadx_place_user(run), pulling->table->entity);
  if (!stmt) return err->rc;
  int found = leadx_db_next(db, stmt, err);
  const char *stored = found ? leadx_db_text(stmt, 0, err) : NULL,
             *fingerprint = found ? leadx_db_text(stmt, 1, err) : NULL;
  if (stored && fingerprint) take_stored(pulling, stored, fingerprint, err);
  leadx_db_put(db, stmt);
  return err->rc;
}

/* The oldest version known here, in µs; 0 when nothing is known. One that cannot be read is older
** than anything. */
static int find_oldest(leadx_pulling *pulling, int64_t *us, leadx_err *err) {
  leadx_db *db = &pulling->run->ctx->db;
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_CALL_OLDEST, err, "s", pulling->table->entity);
  if (!stmt) return err->rc;
  const char *oldest = leadx_db_next(db, stmt, err) ? leadx_db_text(stmt, 0, err) : NULL;
  *us = 0;
  if (oldest && (leadx_instant_parse(oldest, strlen(oldest), us) != 0 || *us < 1)) *us = 1;
  leadx_db_put(db, stmt);
  return err->rc;
}

static void append_instant(sqlite3_str *out, const char *name, int64_t us) {
  char text[LEADX_INSTANT_BYTES];
  leadx_instant_format(us, text);
  sqlite3_str_appendf(out, "%s\"%s\":\"%s\"", sqlite3_str_length(out) > 1 ? "," : "", name, text);
}

/* The key of the plain place as the function's cursor has it: an array; it is one of the table
** (leadx_key_is_key), so that no text of a file goes on behind it. */
static void append_key(sqlite3_str *out, const leadx_table *table, const char *key,
                       leadx_err *err) {
  leadx_slice values[LEADX_KEY_COLUMNS];
  int n = 0;
  char *document = leadx_key_json(table, key, values, &n, err);
  sqlite3_str_appendf(out, ",\"key\":%s", n == table->nkey ? document : "null");
  sqlite3_free(document);
}

/* A cursor that takes over from the plain place. Without a key the place is the beginning of an
** instant, and the function reads what lies behind its cursor: it is the instant before. */
static char *take_over(const leadx_pulling *pulling, int64_t oldest_us, leadx_err *err) {
  const leadx_place *place = &pulling->place;
  int64_t overlap_us = leadx_settings_ms(pulling->run->ctx->settings, LEADX_OVERLAP) * 1000, us = 0;
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_appendall(out, "{");
  if (place->version && place->key && leadx_key_is_key(pulling->table, place->key)) {
    sqlite3_str_appendall(out, "\"version\":");
    leadx_json_append_string(out, place->version, strlen(place->version));
    append_key(out, pulling->table, place->key, err);
  } else if (place->version &&
             leadx_instant_parse(place->version, strlen(place->version), &us) == 0) {
    append_instant(out, "version", us - 1);
  }
  if (oldest_us > 0)
    append_instant(out, "gone_at", oldest_us > overlap_us ? oldest_us - overlap_us : 0);
  sqlite3_str_appendall(out, "}");
  return leadx_db_finish(out, err);
}

/* PostgREST's filters cannot be given to a function, so a table that has one is read plainly. */
int leadx_by_call_begin(leadx_pulling *pulling, leadx_err *err) {
  int64_t oldest_us = 0;
  if (!leadx_run_of(pulling->run, pulling->table)->served || pulling->table->filter)
    return SQLITE_OK;
  leadx_pulling_enter(pulling, LEADX_BY_CALL);
  int rc = read_stored(pulling, err);
  if (rc != SQLITE_OK || pulling->cursor) return rc;
  rc = find_oldest(pulling, &oldest_us, err);
  if (rc != SQLITE_OK) return rc;
  pulling->cursor = take_over(pulling, oldest_us, err);
  return err->rc;
}

/* ---- the function ---- */

typedef struct call_page {
  leadx_slice rows; /* an array */
  leadx_slice gone; /* an array of the keys of rows that were deleted: strings */
  int ngone;
  leadx_slice cursor; /* an object in the server's own words: where the next page begins */
  int has_more;
} call_page;

/* A request for the page behind a cursor (NULL: from the beginning). */
static leadx_request *page_request(const leadx_target *target, const leadx_table *table,
                                   const char *cursor, int limit, leadx_err *err) {
  sqlite3_str *args = sqlite3_str_new(NULL);
  sqlite3_str_appendall(args, "{\"tbl\":");
  leadx_json_append_string(args, table->remote, strlen(table->remote));
  sqlite3_str_appendf(args, ",\"after\":%s,\"lim\":%d}", cursor ? cursor : "null", limit);
  return leadx_target_call(target, "leadx_pull", args, err);
}

/* Counts the keys; -1 when one of them is no text. */
static int count_gone(leadx_slice gone) {
  leadx_json_walk walk;
  leadx_slice key;
  int n = 0;
  leadx_json_walk_init(&walk, gone);
  for (; leadx_json_walk_element(&walk, &key); n++) {
    if (leadx_json_kind_of(key) != LEADX_JSON_STRING || key.n <= 2) return -1;
  }
  return n;
}

static int is_same(leadx_slice value, const char *text) {
  return text && strlen(text) == value.n && memcmp(text, value.z, value.n) == 0;
}

static int is_empty_array(leadx_slice array) {
  leadx_json_walk walk;
  leadx_slice element;
  leadx_json_walk_init(&walk, array);
  return !leadx_json_walk_element(&walk, &element);
}

/* Reads the answer (a checked value) to a request for that many rows. NULL, or what is strange about
** it. */
static const char *read_page(leadx_slice answer, const char *cursor, int limit, call_page *page) {
  leadx_slice more = leadx_json_member(answer, "more");
  memset(page, 0, sizeof *page);
  page->rows = leadx_json_member(answer, "rows");
  page->gone = leadx_json_member(answer, "gone");
  page->cursor = leadx_json_member(answer, "cursor");
  page->has_more = leadx_json_kind_of(more) == LEADX_JSON_TRUE;
  if (leadx_json_kind_of(page->rows) != LEADX_JSON_ARRAY ||
      leadx_json_kind_of(page->gone) != LEADX_JSON_ARRAY)
    return "something that is no page";
  if (leadx_json_kind_of(page->cursor) != LEADX_JSON_OBJECT || page->cursor.n > MAX_CURSOR_BYTES)
    return "a page without a cursor";
  if (leadx_secret_is_in(page->cursor.z, page->cursor.n)) return "a cursor that repeats a secret";
  if (!page->has_more && leadx_json_kind_of(more) != LEADX_JSON_FALSE)
    return "a page that does not say whether it is the last";
  page->ngone = count_gone(page->gone);
  if (page->ngone < 0) return "a deleted row without its key";
  if (page->ngone > limit) return "more deleted rows than were asked for";
  /* A server that sends us to where we are would send us in circles. */
  if (page->has_more &&
      (is_same(page->cursor, cursor) || (page->ngone == 0 && is_empty_array(page->rows))))
    return "the same place again";
  return NULL;
}

/* ---- pages ---- */

static int is_new(const leadx_pulling *pulling, leadx_slice cursor) {
  return strlen(pulling->cursor) != cursor.n || memcmp(pulling->cursor, cursor.z, cursor.n) != 0;
}

/* NULL, or what is strange about where the next page is said to begin. */
static const char *judge_way(leadx_pulling *pulling, const call_page *page, leadx_err *err) {
  if (!page->has_more) return NULL;
  char *cursor = sqlite3_mprintf("%.*s", (int)page->cursor.n, page->cursor.z);
  if (!cursor) leadx_err_nomem(err);
  int circles = cursor && leadx_pulling_is_circling(pulling, NULL, cursor);
  sqlite3_free(cursor);
  return circles ? "pages that lead in a circle" : NULL;
}

/* The next page begins where this one's cursor says. */
static void send_ahead(leadx_pulling *pulling, const call_page *page, int limit) {
  leadx_err ignored = {0};
  char *cursor = sqlite3_mprintf("%.*s", (int)page->cursor.n, page->cursor.z);
  leadx_request *request =
      cursor ? page_request(&pulling->run->target, pulling->table, cursor, limit, &ignored) : NULL;
  sqlite3_free(cursor);
  leadx_exchange_send_ahead(&pulling->run->exchange, request);
}

static int apply(leadx_pulling *pulling, const call_page *page, int count, leadx_err *err) {
  int moved = is_new(pulling, page->cursor), rc = SQLITE_OK;
  pulling->gone = page->ngone ? page->gone : (leadx_slice){NULL, 0};
  pulling->next_cursor = moved ? page->cursor : (leadx_slice){NULL, 0};
  if (moved || count + page->ngone > 0) rc = leadx_stretch_apply(pulling, page->rows, count, err);
  pulling->gone = pulling->next_cursor = (leadx_slice){NULL, 0};
  leadx_pulling_count_rows(pulling, count);
  pulling->is_first = 0;
  return rc == SQLITE_OK && !page->has_more && !pulling->run->tally.lost_lease
             ? leadx_pulling_arrive(pulling, err)
             : rc;
}

/* The function answers otherwise than it does: nothing is applied, and the next sync does without
** it. */
static int end_strangely(leadx_pulling *pulling, const char *strange, leadx_err *err) {
  leadx_pulling_say_strange(pulling, strange);
  return leadx_discover_forget(pulling->run, err);
}

static int take(leadx_pulling *pulling, const leadx_request *done, leadx_slice answer, int limit,
                int64_t took_ms, leadx_err *err) {
  call_page page;
  leadx_slice last;
  int count = 0;
  const char *strange = read_page(answer, pulling->cursor, limit, &page);
  if (!strange) strange = leadx_examine_rows(pulling, page.rows, NULL, limit, &count, &last, err);
  if (!strange && err->rc == SQLITE_OK) strange = judge_way(pulling, &page, err);
  if (err->rc != SQLITE_OK) return err->rc;
  if (strange) return end_strangely(pulling, strange, err);
  leadx_pulling_note_time(pulling, done, took_ms);
  if (page.has_more && leadx_pulling_may_ask_ahead(pulling, done, count))
    send_ahead(pulling, &page, limit);
  return apply(pulling, &page, count, err);
}

/* Plain PostgREST from here on: for this table, or, when the function itself is the matter, for
** all. */
static int do_without(leadx_pulling *pulling, const leadx_verdict *verdict, leadx_err *err) {
  leadx_pulling_enter(pulling, LEADX_BY_VERSION);
  leadx_run_of(pulling->run, pulling->table)->served = 0;
  int of_table = strcmp(verdict->code, "42P01") == 0;
  int of_function = !of_table &&
                    (verdict->class_ == LEADX_CLASS_DRIFT || strcmp(verdict->code, "42501") == 0);
  return of_function ? leadx_discover_forget(pulling->run, err) : SQLITE_OK;
}

/* One row alone is more than an answer may have, and the function cannot leave it out. This pull goes
** on plainly, and the next one asks the function from where that one ended. */
static int pass_large(leadx_pulling *pulling, const leadx_verdict *verdict, leadx_err *err) {
  leadx_run *run = pulling->run;
  int rc = leadx_db_run(&run->ctx->db, LEADX_SQL_CALL_FORGET, err, "sss", run->target.url,
                        leadx_place_user(run), pulling->table->entity);
  return rc == SQLITE_OK ? do_without(pulling, verdict, err) : rc;
}

static int refuse(leadx_pulling *pulling, const leadx_request *done, const leadx_verdict *verdict,
                  leadx_err *err) {
  if (leadx_run_is_too_much(done, verdict->class_) && pulling->limit > 1) {
    pulling->limit = (pulling->limit + 1) / 2;
    return SQLITE_OK;
  }
  if (done->net == LEADX_NET_TOO_LARGE) return pass_large(pulling, verdict, err);
  switch (verdict->class_) {
    case LEADX_CLASS_DRIFT:
    case LEADX_CLASS_ITEM:
    case LEADX_CLASS_RETRY:
    case LEADX_CLASS_ORDER:
    case LEADX_CLASS_DUPLICATE:
    case LEADX_CLASS_SHRINK: return do_without(pulling, verdict, err);
    default: break;
  }
  pulling->failed = 1;
  leadx_run_stop(pulling->run, verdict, done, pulling->table);
  return verdict->class_ == LEADX_CLASS_PROTOCOL ? leadx_discover_forget(pulling->run, err)
                                                 : SQLITE_OK;
}

int leadx_by_call_step(leadx_pulling *pulling, leadx_err *err) {
  leadx_run *run = pulling->run;
  leadx_verdict verdict;
  if (pulling->limit > MOST_PAGE_ROWS) pulling->limit = MOST_PAGE_ROWS;
  int limit = pulling->limit;
  int64_t began_ms = leadx_clock_mono_ms();
  leadx_request *done = leadx_run_exchange(
      run, page_request(&run->target, pulling->table, pulling->cursor, limit, err), 0, &verdict,
      err);
  if (!done) return err->rc;
  int rc = verdict.class_ == LEADX_CLASS_OK
               ? take(pulling, done, verdict.value, limit, leadx_clock_mono_ms() - began_ms, err)
               : refuse(pulling, done, &verdict, err);
  leadx_request_free(done);
  return rc;
}
