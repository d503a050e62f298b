/* The outbox. See queue.h. */
#include "store/queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/instant.h"
#include "base/uuid.h"
#include "store/parking.h"
#include "store/tables.h"

/* How far ahead a next try can lie at most; anything later comes from a clock that jumped. */
#define FURTHEST_TRY_US ((int64_t)2 * 3600 * 1000000)

/* Of max_retries in settings.c. A count that is none counts as used up, or it would never end. */
#define MOST_RETRIES 1000

static const char *const action_names[] = {"", "CREATE", "UPDATE", "DELETE"};

const char *leadx_action_name(leadx_action action) { return action_names[action]; }

static leadx_action find_action(const char *name) {
  for (int i = LEADX_CREATE; i <= LEADX_DELETE; i++) {
    if (name && strcmp(action_names[i], name) == 0) return (leadx_action)i;
  }
  return LEADX_NOTHING;
}

/* CURRENT_TIMESTAMP cuts the fraction off, which would make an edit up to a second older than what
** it came after. The id's milliseconds may come out one lower than the clock's. */
int leadx_member_time(const leadx_member *member, int64_t *us) {
  int64_t made_us = leadx_uuid_ms(member->id) * 1000;
  if (leadx_instant_parse(member->created_at, strlen(member->created_at), us) != 0) return 1;
  if (made_us > *us && made_us < *us + 1000000) *us = made_us;
  return 0;
}

/* ---- the window ---- */

/* "" for NULL. */
static const char *column_text(sqlite3_stmt *stmt, int i, leadx_err *err) {
  const char *text = leadx_db_text(stmt, i, err);
  return text ? text : "";
}

/* Copies id, entity, key and creation time into one allocation. */
static int copy_names(leadx_member *member, sqlite3_stmt *row, leadx_err *err) {
  const char *from[4] = {column_text(row, 1, err), column_text(row, 2, err),
                         column_text(row, 3, err), column_text(row, 10, err)};
  /* Cut off at its NUL it would name another row. */
  if (strlen(from[2]) != (size_t)sqlite3_column_bytes(row, 3)) from[2] = "";
  size_t bytes[4], total = 0;
  for (int i = 0; i < 4; i++) total += bytes[i] = strlen(from[i]) + 1;
  char *at = err->rc == SQLITE_OK ? sqlite3_malloc64(total) : NULL;
  if (!at) return leadx_err_nomem(err);
  char **to[4] = {&member->id, &member->entity, &member->key, &member->created_at};
  for (int i = 0; i < 4; i++) {
    memcpy(at, from[i], bytes[i]);
    *to[i] = at;
    at += bytes[i];
  }
  return SQLITE_OK;
}

static int append_member(leadx_window *window, const leadx_tables *tables, const char *user,
                         sqlite3_stmt *row, leadx_err *err) {
  if (window->n == window->capacity) {
    int capacity = window->capacity ? window->capacity * 2 : 64;
    leadx_member *more = sqlite3_realloc64(window->members, sizeof *more * (size_t)capacity);
    if (!more) return leadx_err_nomem(err);
    window->members = more;
    window->capacity = capacity;
  }
  leadx_member *member = &window->members[window->n];
  memset(member, 0, sizeof *member);
  member->rowid = sqlite3_column_int64(row, 0);
  if (copy_names(member, row, err) != SQLITE_OK) return err->rc;
  member->table = leadx_tables_by_entity(tables, member->entity);
  member->action = find_action(column_text(row, 4, err));
  member->failed = strcmp(column_text(row, 5, err), "FAILED") == 0;
  if (sqlite3_column_type(row, 6) != SQLITE_NULL)
    member->retry_count = (int)leadx_db_number(row, 6, 0, MOST_RETRIES, MOST_RETRIES);
  member->delayed = sqlite3_column_int(row, 7);
  member->in_conflict = strcmp(column_text(row, 8, err), "conflict") == 0;
  member->sent = sqlite3_column_int(row, 9);
  member->foreign = strcmp(column_text(row, 11, err), user) != 0;
  member->explained = column_text(row, 8, err)[0] != 0;
  window->n++; /* its names are freed with the window, also when the rest could not be read */
  return err->rc;
}

static int load_part(leadx_db *db, int sql_id, const leadx_tables *tables, const char *user,
                     int64_t behind, int limit, leadx_window *window, leadx_err *err) {
  char now[LEADX_INSTANT_BYTES], furthest[LEADX_INSTANT_BYTES];
  int64_t us = leadx_clock_wall_us();
  leadx_instant_format(us, now);
  leadx_instant_format(us + FURTHEST_TRY_US, furthest);
  sqlite3_stmt *stmt = leadx_db_query(db, sql_id, err, "ss", now, furthest);
  if (!stmt) return err->rc;
  if (sqlite3_bind_parameter_count(stmt) > 2) {
    sqlite3_bind_int(stmt, 3, limit);
    sqlite3_bind_int64(stmt, 4, behind);
  }
  while (err->rc == SQLITE_OK && leadx_db_next(db, stmt, err))
    append_member(window, tables, user, stmt, err);
  leadx_db_put(db, stmt);
  return err->rc;
}

int leadx_window_load(leadx_db *db, const leadx_tables *tables, const char *user, int64_t behind,
                      int limit, leadx_window *window, leadx_err *err) {
  memset(window, 0, sizeof *window);
  int rc = load_part(db, LEADX_SQL_QUEUE_WINDOW_HELD, tables, user, behind, -1, window, err);
  if (rc == SQLITE_OK && behind > 0)
    rc = load_part(db, LEADX_SQL_QUEUE_WINDOW_PASSED, tables, user, behind, -1, window, err);
  int earlier = window->n;
  for (int i = 0; i < earlier; i++) window->members[i].passed = behind > 0;
  if (rc == SQLITE_OK)
    rc = load_part(db, LEADX_SQL_QUEUE_WINDOW, tables, user, behind, limit, window, err);
  window->truncated = window->n - earlier >= limit;
  if (window->n > earlier) window->last = window->members[window->n - 1].rowid;
  return rc;
}

void leadx_window_clear(leadx_window *window) {
  for (int i = 0; i < window->n; i++) {
    sqlite3_free(window->members[i].id);
    sqlite3_free(window->members[i].spelled);
  }
  sqlite3_free(window->members);
  memset(window, 0, sizeof *window);
}

/* ---- the mark ---- */

int leadx_queue_last_rowid(leadx_db *db, int64_t *rowid, leadx_err *err) {
  return leadx_db_int(db, LEADX_SQL_QUEUE_LAST, err, rowid, "");
}

int leadx_queue_mark(leadx_db *db, int64_t *rowid, leadx_err *err) {
  return leadx_db_int(db, LEADX_SQL_QUEUE_MARK_GET, err, rowid, "");
}

int leadx_queue_make_id(leadx_db *db, char id[LEADX_UUID_BYTES], leadx_err *err) {
  int64_t last = 0;
  int rc = leadx_queue_last_rowid(db, &last, err);
  leadx_uuid_make(last, id);
  return rc;
}

sqlite3_stmt *leadx_queue_read(leadx_db *db, const char *id, leadx_err *err) {
  return leadx_db_query(db, LEADX_SQL_QUEUE_READ, err, "s", id);
}

/* The row at the mark has to carry the id that was noted; the mark may have been taken away. */
int leadx_queue_check_mark(leadx_db *db, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_get(db, LEADX_SQL_QUEUE_MARK_GET, err);
  if (!stmt) return err->rc;
  int64_t below = 0;
  int intact = 1, found = leadx_db_next(db, stmt, err);
  if (found) {
    /* A mark that is no rowid would hide every row that stands above it. */
    below = leadx_db_number(stmt, 0, 0, INT64_MAX, -1);
    intact = below >= 0 && strcmp(column_text(stmt, 1, err), column_text(stmt, 2, err)) == 0 &&
             sqlite3_column_type(stmt, 2) != SQLITE_NULL;
  }
  leadx_db_put(db, stmt);
  if (err->rc != SQLITE_OK) return err->rc;
  if (found && (below == 0 || intact)) return SQLITE_OK;
  return leadx_db_run(db, LEADX_SQL_QUEUE_MARK_SET, err, "i", (int64_t)0);
}

int leadx_queue_recover(leadx_db *db, leadx_err *err) {
  int rc = leadx_queue_check_mark(db, err);
  if (rc == SQLITE_OK) rc = leadx_db_run(db, LEADX_SQL_QUEUE_NAME_NAMELESS, err, "");
  if (rc == SQLITE_OK) rc = leadx_db_run(db, LEADX_SQL_QUEUE_NAME_STATUS, err, "");
  if (rc == SQLITE_OK) rc = leadx_db_run(db, LEADX_SQL_QUEUE_RECOVER, err, "");
  if (rc == SQLITE_OK) rc = leadx_db_run(db, LEADX_SQL_QUEUE_RECOVER_HELD, err, "");
  return rc;
}

/* The first row that is neither done nor held. *rowid 0 when there is none; *stays: it waits for
** something, so it can be listed and passed. The caller frees *id. */
static int first_open(leadx_db *db, int64_t above, int64_t *rowid, int *stays, char **id,
                      leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_QUEUE_FIRST_OPEN, err, "i", above);
  if (!stmt) return err->rc;
  *rowid = 0;
  if (leadx_db_next(db, stmt, err)) {
    *rowid = sqlite3_column_int64(stmt, 0);
    *id = sqlite3_mprintf("%s", column_text(stmt, 1, err));
    if (!*id) leadx_err_nomem(err);
    *stays = sqlite3_column_int(stmt, 5) && (strcmp(column_text(stmt, 2, err), "FAILED") == 0 ||
                                             sqlite3_column_type(stmt, 3) != SQLITE_NULL ||
                                             sqlite3_column_type(stmt, 4) != SQLITE_NULL);
  }
  leadx_db_put(db, stmt);
  return err->rc;
}

int leadx_queue_advance(leadx_db *db, leadx_err *err) {
  int64_t mark = 0, open = 0, below = 0;
  int stays = 0;
  int rc = leadx_queue_mark(db, &mark, err);
  if (rc == SQLITE_OK) rc = leadx_db_run(db, LEADX_SQL_QUEUE_UNHOLD_DONE, err, "");
  for (int passed = 1; rc == SQLITE_OK && passed;) {
    char *id = NULL;
    rc = first_open(db, open > 0 ? open : mark, &open, &stays, &id, err);
    passed = open != 0 && stays;
    if (rc == SQLITE_OK && passed) rc = leadx_db_run(db, LEADX_SQL_QUEUE_HOLD, err, "t", id);
    sqlite3_free(id);
  }
  if (rc == SQLITE_OK && open > 0)
    rc = leadx_db_int(db, LEADX_SQL_QUEUE_LAST_BELOW, err, &below, "i", open);
  if (rc == SQLITE_OK && open == 0) rc = leadx_queue_last_rowid(db, &below, err);
  if (rc == SQLITE_OK && below != mark)
    rc = leadx_db_run(db, LEADX_SQL_QUEUE_MARK_SET, err, "i", below);
  return rc;
}

/* ---- settling ---- */

int leadx_queue_claim(leadx_db *db, const char *id, const char *now, int *claimed, leadx_err *err) {
  int rc = leadx_db_run(db, LEADX_SQL_QUEUE_CLAIM, err, "tt", id, now);
  *claimed = rc == SQLITE_OK && sqlite3_changes(db->handle) == 1;
  return rc;
}

int leadx_queue_ack(leadx_db *db, const char *id, const char *now, const char *code,
                    const char *note, leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_QUEUE_ACK, err, "tttt", id, now, note, code);
}

int leadx_queue_release(leadx_db *db, const char *id, int never_left, const char *claimed_at,
                        leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_QUEUE_RELEASE, err, "tit", id, (int64_t)never_left, claimed_at);
}

int leadx_queue_fail(leadx_db *db, const char *id, const char *code, const char *message,
                     leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_QUEUE_FAIL, err, "ttt", id, code, message);
}

int leadx_queue_delay(leadx_db *db, const char *id, const char *code, const char *message,
                      const char *next_try_at, int charge, leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_QUEUE_DELAY, err, "tttti", id, code, message, next_try_at,
                      (int64_t)charge);
}

/* ---- somebody else's queue ---- */

/* Two rows that only their ids tell apart, and each status. No savepoint: to go back to one ends a
** SELECT around us. */
static int try_rows(leadx_db *db, const char *entity, leadx_action action, leadx_err *err) {
  static const char *const words[] = {"PENDING", "IN_PROGRESS", "FAILED", "SYNCED"};
  char id[LEADX_UUID_BYTES];
  leadx_uuid_make(0, id);
  int rc = leadx_db_run(db, LEADX_SQL_QUEUE_PROBE, err, "sss", id, entity, action_names[action]);
  for (size_t i = 0; i < sizeof words / sizeof words[0] && rc == SQLITE_OK; i++)
    rc = leadx_db_run(db, LEADX_SQL_QUEUE_PROBE_STATUS, err, "ss", id, words[i]);
  return rc == SQLITE_OK ? leadx_db_run(db, LEADX_SQL_QUEUE_PROBE_END, err, "s", id) : rc;
}

int leadx_queue_probe(leadx_db *db, const char *who, const char *entity, leadx_err *err) {
  leadx_err refusal = {0};
  for (int a = LEADX_CREATE; a <= LEADX_DELETE && refusal.rc == SQLITE_OK; a++)
    try_rows(db, entity, (leadx_action)a, &refusal);
  if (refusal.rc == SQLITE_OK) return SQLITE_OK;
  int primary = refusal.rc & 0xff;
  if (primary != SQLITE_CONSTRAINT && primary != SQLITE_MISMATCH)
    return leadx_err_set(err, refusal.rc, "%s", refusal.text);
  return leadx_err_set(err, SQLITE_ERROR,
                       "%s: the table sync_queue that is already here has rules that a write of "
                       "the application would fail for (%s); rename that "
                       "table, or give it the documented columns and no others that must be filled",
                       who, refusal.text);
}

/* ---- by hand ---- */

static int no_such_row(leadx_err *err, const char *who, const char *id) {
  return leadx_err_set(err, SQLITE_ERROR,
                       "%s: no queue row has the id \"%.40s\"; look in leadx_queue", who, id);
}

/* The status of a row, "" when there is none. */
static int read_status(leadx_db *db, const char *id, char status[16], leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_QUEUE_GET_STATUS, err, "s", id);
  if (!stmt) return err->rc;
  sqlite3_snprintf(16, status, "%s", leadx_db_next(db, stmt, err) ? column_text(stmt, 0, err) : "");
  leadx_db_put(db, stmt);
  return err->rc;
}

int leadx_queue_retry(leadx_db *db, const char *id, int64_t *changed, leadx_err *err) {
  char status[16] = "";
  int rc = id ? read_status(db, id, status, err) : SQLITE_OK;
  if (rc == SQLITE_OK && id && !status[0]) rc = no_such_row(err, "leadx_retry", id);
  if (rc == SQLITE_OK && id && strcmp(status, "SYNCED") == 0) {
    rc = leadx_err_set(err, SQLITE_ERROR,
                       "leadx_retry: the row is SYNCED, there is nothing to try again");
  }
  if (rc == SQLITE_OK && id) rc = leadx_db_run(db, LEADX_SQL_QUEUE_RETRY_ONE, err, "t", id);
  if (rc == SQLITE_OK && !id) rc = leadx_db_run(db, LEADX_SQL_QUEUE_NAME_NAMELESS, err, "");
  if (rc == SQLITE_OK && !id) rc = leadx_db_run(db, LEADX_SQL_QUEUE_RETRY_ALL, err, "");
  if (rc == SQLITE_OK && changed) *changed = sqlite3_changes(db->handle);
  return rc;
}

int leadx_queue_discard(leadx_db *db, const char *id, leadx_err *err) {
  char status[16] = "";
  int rc = read_status(db, id, status, err);
  if (rc != SQLITE_OK) return rc;
  if (!status[0]) return no_such_row(err, "leadx_discard", id);
  if (strcmp(status, "SYNCED") == 0) {
    return leadx_err_set(err, SQLITE_ERROR,
                         "leadx_discard: the row is SYNCED already; undo it with a new change");
  }
  if (strcmp(status, "IN_PROGRESS") == 0) {
    return leadx_err_set(
        err, SQLITE_BUSY,
        "leadx_discard: the row is being sent just now; try again when the sync has ended");
  }
  rc = leadx_db_run(db, LEADX_SQL_QUEUE_DISCARD_QUESTION, err, "t", id);
  if (rc == SQLITE_OK) rc = leadx_parking_add_queued(db, id, err);
  return rc == SQLITE_OK ? leadx_db_run(db, LEADX_SQL_QUEUE_DELETE, err, "t", id) : err->rc;
}

int leadx_queue_enqueue(leadx_db *db, const char *entity, const char *key, leadx_action action,
                        const char *payload, char id[LEADX_UUID_BYTES], leadx_err *err) {
  int rc = leadx_queue_make_id(db, id, err);
  if (rc == SQLITE_OK)
    rc = leadx_db_run(db, LEADX_SQL_QUEUE_ENQUEUE, err, "ttttt", id, entity, key,
                      leadx_action_name(action), payload);
  return rc;
}

/* Re-anchors the mark after rows below it were deleted. */
static int anchor_mark(leadx_db *db, leadx_err *err) {
  int64_t mark = 0, below = 0;
  int rc = leadx_queue_mark(db, &mark, err);
  if (rc == SQLITE_OK)
    rc = leadx_db_int(db, LEADX_SQL_QUEUE_LAST_BELOW, err, &below, "i",
                      mark < INT64_MAX ? mark + 1 : mark);
  if (rc == SQLITE_OK) rc = leadx_db_run(db, LEADX_SQL_QUEUE_MARK_SET, err, "i", below);
  return rc;
}

int leadx_queue_purgeable(leadx_db *db, double synced_days, int n, int64_t *last, leadx_err *err) {
  *last = 0;
  return leadx_db_int(db, LEADX_SQL_QUEUE_PURGEABLE, err, last, "di", synced_days, (int64_t)n);
}

int leadx_queue_purge(leadx_db *db, double synced_days, double conflict_days, int64_t last,
                      int64_t *dropped, leadx_err *err) {
  *dropped = 0;
  int rc = leadx_queue_check_mark(db, err);
  if (rc == SQLITE_OK) rc = leadx_queue_advance(db, err);
  if (rc == SQLITE_OK) rc = leadx_db_run(db, LEADX_SQL_QUEUE_PURGE, err, "di", synced_days, last);
  if (rc == SQLITE_OK) *dropped = sqlite3_changes64(db->handle);
  if (rc == SQLITE_OK) rc = leadx_db_run(db, LEADX_SQL_CONFLICT_PURGE, err, "d", conflict_days);
  if (rc == SQLITE_OK) *dropped += sqlite3_changes64(db->handle);
  return rc == SQLITE_OK ? anchor_mark(db, err) : rc;
}

int leadx_queue_counts(leadx_db *db, leadx_counts *counts, leadx_err *err) {
  memset(counts, 0, sizeof *counts);
  sqlite3_stmt *stmt = leadx_db_get(db, LEADX_SQL_QUEUE_COUNTS, err);
  if (!stmt) return err->rc;
  int rc = sqlite3_step(stmt);
  if (rc == SQLITE_ROW) {
    counts->pending = sqlite3_column_int64(stmt, 0);
    counts->failed = sqlite3_column_int64(stmt, 1);
    rc = SQLITE_OK;
  } else {
    leadx_err_db(err, db->handle, rc, "count the queue");
  }
  leadx_db_put(db, stmt);
  if (rc == SQLITE_OK)
    rc = leadx_db_int(db, LEADX_SQL_QUEUE_OPEN_CONFLICTS, err, &counts->conflicts, "");
  return rc;
}

void leadx_queue_place_clear(leadx_queue_place *place) {
  sqlite3_free(place->id);
  memset(place, 0, sizeof *place);
}

int leadx_queue_last(leadx_db *db, leadx_queue_place *place, leadx_err *err) {
  *place = (leadx_queue_place){.is_known = 1};
  sqlite3_stmt *stmt = leadx_db_get(db, LEADX_SQL_QUEUE_LAST_PLACE, err);
  if (!stmt) return err->rc;
  if (leadx_db_next(db, stmt, err)) {
    const char *text = leadx_db_text(stmt, 1, err);
    place->rowid = sqlite3_column_int64(stmt, 0);
    place->id = sqlite3_mprintf("%s", text ? text : "");
    if (!place->id) leadx_err_nomem(err);
  }
  leadx_db_put(db, stmt);
  return err->rc;
}

int leadx_queue_stands(leadx_db *db, const leadx_queue_place *place, int *yes, leadx_err *err) {
  int64_t stands = place->is_known;
  if (place->id)
    leadx_db_int(db, LEADX_SQL_QUEUE_STANDS, err, &stands, "is", place->rowid, place->id);
  *yes = stands != 0;
  return err->rc;
}

int leadx_queue_has_unsent(leadx_db *db, const char *entity, const char *key, int64_t *yes,
                           leadx_err *err) {
  *yes = 0;
  return leadx_db_int(db, LEADX_SQL_QUEUE_HAS_UNSENT, err, yes, "ss", entity, key);
}

int leadx_queue_unsent(leadx_db *db, const char *entity, int64_t *n, leadx_err *err) {
  *n = 0;
  return leadx_db_int(db, LEADX_SQL_QUEUE_UNSENT_OF_TABLE, err, n, "t", entity);
}
