/* Settling. See settle.h.
**
** Nothing is acknowledged without the server's own row (or, for a table one may not read, its 201).
** A request that matched no row is never a success: the row is fetched and outcome.c says what it
** means.
** */
#include "push/settle.h"

#include <string.h>

#include "base/clock.h"
#include "base/instant.h"
#include "push/cut.h"
#include "push/outcome.h"
#include "push/plan.h"
#include "rows/apply.h"
#include "rows/fingerprint.h"
#include "rows/key.h"
#include "rows/key_value.h"
#include "rows/mark.h"
#include "run/learn.h"
#include "session/session.h"
#include "store/parking.h"
#include "store/settings.h"

/* How often one change may go back and forth with the server before it waits for the next sync. */
#define MAX_ROUNDS 6
/* After so many changes that were answered with other rows it is the server, and not their keys. */
#define MOST_STRANGE 8

static int add_job(leadx_push *push, leadx_job_kind kind, leadx_change *change, leadx_err *err) {
  return leadx_err_memory(err, leadx_cut_again(push, kind, change));
}

static int add_fetch(leadx_push *push, leadx_change *change, leadx_err *err) {
  return leadx_err_memory(err, leadx_cut_fetches(push, &change, 1));
}

/* ---- single outcomes ---- */

static void is_settled(leadx_push *push, leadx_change *change) {
  change->claimed = 0;
  push->run->tally.done += change->nmembers;
}

/* Writes down what was decided, once, and before it is carried out: a crash between the server's
** commit and our ack would leave no trace of it. */
static int record_audit(leadx_push *push, leadx_change *change, leadx_err *err) {
  if (!change->audit_contested) return SQLITE_OK;
  push->run->tally.conflicts++;
  int rc = leadx_outcome_record(leadx_pushing_db(push), change, change->audit_server,
                                change->audit_contested, change->audit_winner,
                                change->audit_winner ? "automatic" : NULL, err);
  sqlite3_free(change->audit_contested);
  change->audit_contested = NULL;
  return rc;
}

static int ack_members(leadx_push *push, leadx_change *change, const char *code, const char *note,
                       leadx_err *err) {
  char now[LEADX_INSTANT_BYTES];
  leadx_instant_format(leadx_clock_wall_us(), now);
  int rc = SQLITE_OK;
  for (int i = 0; i < change->nmembers && rc == SQLITE_OK; i++)
    rc = leadx_queue_ack(leadx_pushing_db(push), change->members[i].id, now, code, note, err);
  return rc;
}

/* Notes what both sides hold now. */
static int note_shared(leadx_push *push, const leadx_change *change, const char *version,
                       leadx_slice row, leadx_err *err) {
  leadx_db *db = leadx_pushing_db(push);
  leadx_table *table = change->table;
  size_t bytes = sizeof(uint32_t) * ((size_t)table->ncolumns + 1);
  uint32_t *local = sqlite3_malloc64(bytes), *parts = sqlite3_malloc64(bytes);
  int stands = 0;
  if (!local || !parts) leadx_err_nomem(err);
  if (err->rc == SQLITE_OK) leadx_fingerprint_local(db, table, change->key, local, &stands, err);
  if (err->rc == SQLITE_OK) leadx_change_shared(change, row, stands ? local : NULL, parts, err);
  if (err->rc == SQLITE_OK)
    leadx_fingerprint_set(db, table, change->key, version, row.n > 0, parts, err);
  sqlite3_free(local);
  sqlite3_free(parts);
  return err->rc;
}

/* What is known of the server's row after an ack: its version, or that it is gone. */
static int note_shadow(leadx_push *push, const leadx_change *change, leadx_slice row,
                       leadx_err *err) {
  const leadx_table *table = change->table;
  if (change->action == LEADX_DELETE && !table->soft_delete) {
    return leadx_shadow_forget(leadx_pushing_db(push), table->entity, change->key, err);
  }
  char *version = row.n ? leadx_version_of(table, row, err) : NULL;
  if (err->rc != SQLITE_OK) return err->rc;
  int rc = note_shared(push, change, version, row, err);
  sqlite3_free(version);
  /* A soft delete leaves a row on the server that is not here. */
  if (rc == SQLITE_OK && change->action == LEADX_DELETE)
    rc = leadx_shadow_mark(leadx_pushing_db(push), table->entity, change->key, LEADX_GONE, err);
  return rc;
}

/* The table was pushed: once per sync is enough to say so. */
static int note_pushed(leadx_push *push, leadx_table *table, leadx_err *err) {
  leadx_of_table *known = leadx_run_of(push->run, table);
  if (known->push_noted) return SQLITE_OK;
  known->push_noted = 1;
  return leadx_db_run(leadx_pushing_db(push), LEADX_SQL_SETTLE_SET_PUSHED, err, "t", table->name);
}

/* Keeps a change PENDING for a reason. */
static int delay(leadx_push *push, leadx_change *change, const char *code, const char *message,
                 const char *next_try_at, int charge, leadx_err *err) {
  int rc = SQLITE_OK;
  for (int i = 0; i < change->nmembers && rc == SQLITE_OK; i++) {
    rc = leadx_queue_delay(leadx_pushing_db(push), change->members[i].id, code, message,
                           next_try_at, charge, err);
  }
  change->claimed = 0;
  return rc;
}

static int note_taken(leadx_change *change, const char *message, leadx_err *err) {
  sqlite3_free(change->taken);
  change->taken = sqlite3_mprintf("%s", message);
  return change->taken ? SQLITE_OK : leadx_err_nomem(err);
}

/* The row has stepped aside: what the server has now is known, and the change itself is still to be
** sent. */
static int note_aside(leadx_push *push, leadx_change *change, leadx_slice row, leadx_err *err) {
  static const char waits[] = "its value goes to another row first";
  int rc = note_shadow(push, change, row, err);
  change->aside = 0;
  if (rc == SQLITE_OK) rc = note_taken(change, waits, err);
  return rc == SQLITE_OK ? delay(push, change, "23505", waits, NULL, 0, err) : rc;
}

/* The server has the change: acknowledge every queue row of it. row is the server's, empty when it
** returns none. */
int leadx_settle_ack(leadx_push *push, leadx_change *change, leadx_slice row, leadx_err *err) {
  if (change->aside) return note_aside(push, change, row, err);
  if (change->deferred && leadx_change_take_deferred(change) > 0) {
    /* The row stands, its references follow; only then is the change done. */
    sqlite3_free(change->version);
    change->version = row.n ? leadx_version_of(change->table, row, err) : NULL;
    if (err->rc != SQLITE_OK) return err->rc;
    change->action = LEADX_UPDATE;
    return add_job(push, LEADX_JOB_UPDATE, change, err);
  }
  int rc = ack_members(push, change, NULL, NULL, err);
  if (rc == SQLITE_OK) rc = note_pushed(push, change->table, err);
  if (rc == SQLITE_OK)
    rc = leadx_write_back_acked(leadx_pushing_db(push), &push->write_back, change, row, err);
  if (rc == SQLITE_OK) rc = note_shadow(push, change, row, err);
  push->run->tally.pushed += change->nmembers;
  is_settled(push, change);
  return rc;
}

int leadx_settle_nothing(leadx_push *push, leadx_change *change, leadx_err *err) {
  int rc = ack_members(push, change, NULL, NULL, err);
  if (rc == SQLITE_OK) rc = leadx_apply_begin(leadx_pushing_db(push), err);
  if (rc == SQLITE_OK)
    rc = leadx_write_back_acked(leadx_pushing_db(push), &push->write_back, change,
                                (leadx_slice){NULL, 0}, err);
  if (rc == SQLITE_OK) rc = leadx_apply_end(leadx_pushing_db(push), err);
  if (rc == SQLITE_OK && change->is_missing)
    rc = leadx_shadow_mark(leadx_pushing_db(push), change->table->entity, change->key, LEADX_STANDS,
                           err);
  is_settled(push, change);
  return rc;
}

int leadx_settle_fail(leadx_push *push, leadx_change *change, const char *code, const char *message,
                      leadx_err *err) {
  int rc = SQLITE_OK;
  for (int i = 0; i < change->nmembers && rc == SQLITE_OK; i++) {
    rc = leadx_queue_fail(leadx_pushing_db(push), change->members[i].id, code, message, err);
  }
  push->run->tally.failed += change->nmembers;
  leadx_run_say(push->run, "%s: %s", change->table->entity, message);
  is_settled(push, change);
  return rc;
}

int leadx_settle_release(leadx_push *push, leadx_change *change, leadx_err *err) {
  int rc = SQLITE_OK;
  for (int i = 0; i < change->nmembers && rc == SQLITE_OK; i++) {
    rc = leadx_queue_release(leadx_pushing_db(push), change->members[i].id, change->on_wire == 0,
                             push->claimed_at, err);
  }
  change->claimed = 0;
  return rc;
}

int leadx_settle_reject(leadx_push *push, const leadx_member *member, leadx_err *err) {
  char message[160];
  const char *code = member->table ? "action" : "entity";
  if (member->table) {
    sqlite3_snprintf(sizeof message, message,
                     "unknown action; only CREATE, UPDATE and DELETE can be delivered");
  } else {
    sqlite3_snprintf(sizeof message, message,
                     "unknown entity \"%.60s\"; call leadx_track() for its table", member->entity);
  }
  push->run->tally.failed++;
  leadx_run_say(push->run, "%s", message);
  return leadx_queue_fail(leadx_pushing_db(push), member->id, code, message, err);
}

static int wait_for_parent(leadx_push *push, leadx_change *change, const leadx_verdict *verdict,
                           leadx_err *err) {
  push->waits_for_parent++;
  change->orphaned = 1;
  return delay(push, change, "23503", verdict->message, NULL, 0, err);
}

/* The server evaluated the change and failed for now: charge a retry, FAILED after the last. The
** newest edit's tries count, so that an edit of a row that FAILED has all of its own. */
static int charge(leadx_push *push, leadx_change *change, const leadx_verdict *verdict,
                  leadx_err *err) {
  const leadx_settings *settings = push->run->ctx->settings;
  int retries = change->members[change->nmembers - 1].retry_count;
  if (retries >= leadx_settings_int(settings, LEADX_MAX_RETRIES))
    return leadx_settle_fail(push, change, verdict->code, verdict->message, err);
  uint32_t random = 0;
  char at[LEADX_INSTANT_BYTES];
  sqlite3_randomness(sizeof random, &random);
  int64_t ms = leadx_rest_backoff_ms(retries, leadx_settings_ms(settings, LEADX_BACKOFF),
                                     leadx_settings_ms(settings, LEADX_BACKOFF_MAX), -1, random);
  leadx_instant_format(leadx_clock_wall_us() + ms * 1000, at);
  leadx_run_say(push->run, "%s: %s", change->table->entity, verdict->message);
  return delay(push, change, verdict->code, verdict->message, at, 1, err);
}

/* Another row has a UNIQUE value that the change asks for, and may be about to give it up. A step,
** which is one request, tries again later. */
static int wait_for_value(leadx_push *push, leadx_change *change, const leadx_verdict *verdict,
                          leadx_err *err) {
  if (push->run->request_budget >= 0) return charge(push, change, verdict, err);
  if (note_taken(change, verdict->message, err) != SQLITE_OK) return err->rc;
  return delay(push, change, verdict->code, verdict->message, NULL, 0, err);
}

/* The same of a CREATE whose own key is free, as a look has told since. */
static int wait_for_value_of(leadx_push *push, leadx_change *change, leadx_err *err) {
  leadx_verdict verdict = {.class_ = LEADX_CLASS_DUPLICATE, .code = "23505"};
  sqlite3_snprintf(sizeof verdict.message, verdict.message, "%s", change->error);
  return wait_for_value(push, change, &verdict, err);
}

/* An open question: the row waits, the question stands in sync_conflicts. */
static int ask(leadx_push *push, leadx_change *change, leadx_err *err) {
  push->run->tally.conflicts++;
  int rc = leadx_outcome_record(leadx_pushing_db(push), change, change->audit_server,
                                change->audit_contested, NULL, NULL, err);
  if (rc != SQLITE_OK) return rc;
  return delay(push, change, "conflict", "changed on the server too; decide with leadx_resolve()",
               NULL, 0, err);
}

/* Was the row edited again while its change was on the way? */
static int has_later_edits(leadx_push *push, const leadx_change *change, int *later,
                           leadx_err *err) {
  leadx_db *db = leadx_pushing_db(push);
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_SETTLE_MEMBERS, err, "ss",
                                      change->table->entity, change->key);
  if (!stmt) return err->rc;
  *later = leadx_db_next(db, stmt, err);
  leadx_db_put(db, stmt);
  return err->rc;
}

/* The server deleted the row while we edited it: its delete wins, the edit is kept in the audit. A
** row that was edited again stays until that edit has met the delete as well. */
static int accept_delete(leadx_push *push, leadx_change *change, leadx_err *err) {
  int later = 0;
  push->run->tally.conflicts++;
  int rc = leadx_outcome_record(leadx_pushing_db(push), change, NULL, "[]", "server",
                                "deleted on the server", err);
  if (rc == SQLITE_OK)
    rc = ack_members(push, change, "deleted",
                     "the server deleted this row; the edit is kept in sync_conflicts", err);
  if (rc == SQLITE_OK) rc = has_later_edits(push, change, &later, err);
  if (rc == SQLITE_OK && !later) rc = leadx_write_back_deleted(leadx_pushing_db(push), change, err);
  is_settled(push, change);
  return rc;
}

static int forbid(leadx_push *push, leadx_change *change, leadx_err *err) {
  return leadx_settle_fail(push, change, "forbidden",
                           "the server shows this row to the user, but does not let the user "
                           "change it",
                           err);
}

/* Nobody can tell a hidden row from one that is gone. The edit is kept; the next pulls ask for the
** row, and when it is shown again the edit goes out. */
static int keep_hidden(leadx_push *push, leadx_change *change, leadx_err *err) {
  if (change->rekeyed)
    return leadx_settle_fail(push, change, "key",
                             "the server wrote this row under another key; it is not sent again by "
                             "itself",
                             err);
  if (change->action != LEADX_CREATE && change->table->mode != LEADX_MODE_PUSH &&
      leadx_parking_add(leadx_pushing_db(push), change->table->entity, change->key, LEADX_REFETCH,
                        LEADX_PARKED_HIDDEN, err) != SQLITE_OK)
    return err->rc;
  return leadx_settle_fail(push, change, "forbidden",
                           change->action == LEADX_CREATE
                               ? "the server kept this row out, or does not show it to the user; "
                                 "it is not sent again by itself"
                               : "the server does not show this row to the user any more; the "
                                 "change is kept and sent when the row is shown again",
                           err);
}

/* Did a pull bring the row's tombstone, and leave the row for its unsent change's sake? */
static int look_for_tombstone(leadx_push *push, leadx_change *change, leadx_err *err) {
  int yes = 0;
  int rc = leadx_parking_is_buried(leadx_pushing_db(push), change->table->entity, change->key, &yes,
                                   err);
  if (yes) change->buried = 1;
  return rc;
}

/* ---- matching rows to changes ---- */

/* The change a row belongs to, or -1; answers nearly always come in the order of the request. */
static int find_row_owner(const leadx_job *job, leadx_slice row, int guess, leadx_err *err) {
  char *key = job->n ? leadx_key_of_row(job->changes[0]->table, row, err) : NULL;
  int owner = -1;
  if (key && guess < job->n && strcmp(job->changes[guess]->key, key) == 0) owner = guess;
  for (int i = 0; key && i < job->n && owner < 0; i++) {
    if (strcmp(job->changes[i]->key, key) == 0) owner = i;
  }
  sqlite3_free(key);
  return owner;
}

/* Has the row a whole key, if another one than was asked for? */
static int has_key(const leadx_table *table, leadx_slice row) {
  for (int i = 0; i < table->nkey; i++) {
    leadx_slice value = leadx_json_member(row, table->columns[table->key[i]].remote);
    leadx_json_kind kind = leadx_json_kind_of(value);
    if (kind != LEADX_JSON_STRING && kind != LEADX_JSON_NUMBER) return 0;
    /* PostgreSQL has no text with a NUL. */
    for (size_t k = 0; k + 6 <= value.n; k++) {
      if (memcmp(value.z + k, "\\u0000", 6) == 0) return 0;
    }
  }
  return 1;
}

/* Gives every change its row; rows has room for job->n. How many rows there are besides that nobody
** asked for; more than the job has changes when one came twice, or has no key. What could not be read
** for want of memory is an error, and says nothing about the answer. */
static int match_rows(const leadx_job *job, leadx_slice array, leadx_slice *rows, leadx_err *err) {
  leadx_json_walk walk;
  leadx_slice row;
  int strange = 0;
  memset(rows, 0, sizeof *rows * (size_t)job->n);
  leadx_json_walk_init(&walk, array);
  for (int next = 0; leadx_json_walk_element(&walk, &row);) {
    int owner = find_row_owner(job, row, next, err);
    if (err->rc != SQLITE_OK) return 0;
    if (owner >= 0 ? rows[owner].n > 0 : !has_key(job->changes[0]->table, row)) return job->n + 1;
    if (owner >= 0) rows[owner] = row;
    strange += owner < 0;
    next = owner + 1;
  }
  return strange;
}

/* ---- a good answer ---- */

static int take_step(leadx_push *push, leadx_change *change, leadx_slice row, leadx_step step,
                     leadx_err *err) {
  if (step != LEADX_STEP_ASK && record_audit(push, change, err) != SQLITE_OK) return err->rc;
  switch (step) {
    case LEADX_STEP_ACK: return leadx_settle_ack(push, change, row, err);
    case LEADX_STEP_UPDATE:
      change->action = LEADX_UPDATE;
      change->deferred = 0;
      return add_job(push, LEADX_JOB_UPDATE, change, err);
    case LEADX_STEP_CREATE:
      change->action = LEADX_CREATE;
      change->recreate = 0;
      return add_job(push, LEADX_JOB_CREATE, change, err);
    case LEADX_STEP_DELETE:
      return add_job(push, change->table->soft_delete ? LEADX_JOB_UPDATE : LEADX_JOB_DELETE, change,
                     err);
    case LEADX_STEP_GONE: return accept_delete(push, change, err);
    case LEADX_STEP_ASK: return ask(push, change, err);
    default: return row.n ? forbid(push, change, err) : keep_hidden(push, change, err);
  }
}

int leadx_settle_fetched(leadx_push *push, leadx_change *change, leadx_slice row, leadx_err *err) {
  leadx_step step = LEADX_STEP_FORBID;
  if (++change->rounds > MAX_ROUNDS) return leadx_settle_release(push, change, err);
  /* A 23505 that is not about our own key: another unique column is taken. */
  if (!row.n && change->error && change->action == LEADX_CREATE)
    return wait_for_value_of(push, change, err);
  int rc = row.n ? SQLITE_OK : look_for_tombstone(push, change, err);
  if (rc == SQLITE_OK)
    rc = leadx_outcome_fetched(change, row, push->run->ctx->settings->text[LEADX_POLICY], &step,
                               err);
  return rc == SQLITE_OK ? take_step(push, change, row, step, err) : rc;
}

/* Did none of the rows that were asked for come? Servers cap an answer without a word, so a row is
** known to be gone only when the answer is empty. */
static int is_empty_answer(const leadx_job *job, const leadx_slice *rows) {
  for (int i = 0; i < job->n; i++) {
    if (rows[i].n) return 0;
  }
  return 1;
}

static int settle_rows(leadx_push *push, const leadx_job *job, const leadx_slice *rows,
                       leadx_err *err) {
  int rc = SQLITE_OK, absent = is_empty_answer(job, rows);
  for (int i = 0; i < job->n && rc == SQLITE_OK; i++) {
    if (job->kind == LEADX_JOB_FETCH && (rows[i].n || absent)) {
      rc = leadx_settle_fetched(push, job->changes[i], rows[i], err);
    } else if (job->kind != LEADX_JOB_FETCH && rows[i].n) {
      rc = leadx_settle_ack(push, job->changes[i], rows[i], err);
    }
  }
  return rc;
}

/* Rows that may not be read are counted: those that a trigger or a rule of the server kept out are
** missing, and which ones nobody can tell. A server that does not count is believed. */
static int settle_counted(leadx_push *push, const leadx_job *job, leadx_err *err) {
  leadx_rest_range range;
  int rc = SQLITE_OK;
  leadx_pushing_note_table(&push->write_only, job->changes[0]->table);
  leadx_rest_read_range(job->request->content_range, &range);
  int kept_out = range.total >= 0 && range.total < job->n;
  for (int i = 0; i < job->n && rc == SQLITE_OK; i++) {
    rc = kept_out ? leadx_settle_fail(push, job->changes[i], "forbidden",
                                      job->n == 1 ? "the server kept this row out"
                                                  : "the server kept out some of the rows that "
                                                    "were sent together, and does not show which",
                                      err)
                  : leadx_settle_ack(push, job->changes[i], (leadx_slice){NULL, 0}, err);
  }
  return rc;
}

/* Fetches what a write, or a fetch that was cut short, did not return. */
static int fetch_missing(leadx_push *push, const leadx_job *job, const leadx_slice *rows,
                         leadx_err *err) {
  if (job->kind == LEADX_JOB_FETCH && is_empty_answer(job, rows)) return SQLITE_OK;
  leadx_change **missing = sqlite3_malloc64(sizeof *missing * (size_t)job->n);
  if (!missing) return leadx_err_nomem(err);
  int n = 0;
  for (int i = 0; i < job->n; i++) {
    if (!rows[i].n) missing[n++] = job->changes[i];
  }
  int rc = n > 0 ? leadx_cut_fetches(push, missing, n) : SQLITE_OK;
  sqlite3_free(missing);
  return leadx_err_memory(err, rc);
}

static int count_matched(const leadx_job *job, const leadx_slice *rows) {
  int n = 0;
  for (int i = 0; i < job->n; i++) n += rows[i].n > 0;
  return n;
}

/* The server wrote rows under keys of its own. They stand, and each more request would make another
** one: what came under its key is acknowledged, the others are looked for once. */
static int settle_rekeyed(leadx_push *push, const leadx_job *job, const leadx_slice *rows,
                          leadx_err *err) {
  for (int i = 0; i < job->n; i++) job->changes[i]->rekeyed = !rows[i].n;
  int rc = settle_rows(push, job, rows, err);
  return rc == SQLITE_OK ? fetch_missing(push, job, rows, err) : rc;
}

/* Rows that were not asked for acknowledge nothing. One in the place of another may be that row
** under a key that the server spells otherwise (a uuid without its dashes): that change comes to
** stand alone, and the others go on. */
static int settle_strange(leadx_push *push, leadx_job *job, int may_be_ours, leadx_err *err) {
  leadx_change *change = job->changes[0];
  if (may_be_ours && job->n > 1) return leadx_pushing_split(push, job, err);
  leadx_run_say(push->run,
                "%s: the server answered rows that were not asked for; nothing was acknowledged",
                change->table->remote);
  if (may_be_ours && (change->rekeyed || ++push->run->tally.strange <= MOST_STRANGE)) {
    return leadx_settle_fail(push, change, "key",
                             "the server answered a row of another key; does it spell this key "
                             "otherwise, or give keys of its own?",
                             err);
  }
  leadx_run_end(push->run, LEADX_CLASS_PROTOCOL, -1, "");
  return SQLITE_OK;
}

int leadx_settle_good(leadx_push *push, leadx_job *job, const leadx_verdict *verdict,
                      leadx_class *class_, leadx_err *err) {
  leadx_slice *rows = sqlite3_malloc64(sizeof *rows * (size_t)job->n);
  if (!rows) return leadx_err_nomem(err);
  int strange = match_rows(job, verdict->rows, rows, err), rc = err->rc,
      may_be_ours = count_matched(job, rows) + strange <= job->n;
  if (rc != SQLITE_OK) {
    sqlite3_free(rows);
    return rc;
  }
  if (strange && may_be_ours && job->kind == LEADX_JOB_CREATE) {
    rc = settle_rekeyed(push, job, rows, err);
  } else if (strange) {
    *class_ = LEADX_CLASS_PROTOCOL;
    rc = settle_strange(push, job, may_be_ours, err);
  } else if (job->minimal) {
    rc = settle_counted(push, job, err);
  } else {
    rc = settle_rows(push, job, rows, err);
    if (rc == SQLITE_OK) rc = fetch_missing(push, job, rows, err);
  }
  sqlite3_free(rows);
  return rc;
}

/* ---- a bad answer ---- */

static int pause_table(leadx_push *push, const leadx_job *job, const leadx_verdict *verdict,
                       leadx_err *err) {
  leadx_table *table = job->changes[0]->table;
  leadx_pushing_note_table(&push->paused, table);
  push->run->tally.paused = 1;
  leadx_run_say(push->run, "table \"%s\" is paused: %s %s", table->remote, verdict->code,
                verdict->message);
  return leadx_db_run(leadx_pushing_db(push), LEADX_SQL_SETTLE_SET_ERROR, err, "tt", table->name,
                      push->run->tally.message);
}

/* A denied insert: it is the row, or the user may insert into this table but not read it. One row
** alone finds out, with a plain insert when its representation is denied too; once that worked, all
** go plainly. */
static int settle_denied(leadx_push *push, const leadx_job *job, leadx_err *err) {
  leadx_table *table = job->changes[0]->table;
  int rc;
  if (job->n == 1 || leadx_pushing_is_write_only(push, table)) {
    rc = leadx_jobs_add(&push->waiting, LEADX_JOB_CREATE, job->changes, job->n, 1);
  } else if (leadx_pushing_has_table(&push->probed, table)) {
    return leadx_pushing_split(push, job, err);
  } else {
    leadx_pushing_note_table(&push->probed, table);
    rc = leadx_jobs_add(&push->waiting, LEADX_JOB_CREATE, job->changes, 1, 0);
    if (rc == SQLITE_OK)
      rc = leadx_jobs_add(&push->waiting, LEADX_JOB_CREATE, job->changes + 1, job->n - 1, 0);
  }
  return leadx_err_memory(err, rc);
}

/* Does the server's message speak of the primary key: by the columns in its details, or, where row
** level security hides those, by the name that PostgreSQL gives a key's index? */
static int names_own_key(const leadx_table *table, const char *message, leadx_err *err) {
  sqlite3_str *columns = sqlite3_str_new(NULL);
  for (int i = 0; i < table->nkey; i++)
    sqlite3_str_appendf(columns, "%s%s", i ? ", " : "(", table->columns[table->key[i]].remote);
  sqlite3_str_appendall(columns, ")=(");
  char *text = leadx_db_finish(columns, err);
  int names = strstr(message, "_pkey") != NULL || (text && strstr(message, text) != NULL);
  sqlite3_free(text);
  return names;
}

/* One row alone, rejected because a key exists already. */
static int settle_duplicate(leadx_push *push, leadx_job *job, const leadx_verdict *verdict,
                            leadx_err *err) {
  leadx_change *change = job->changes[0];
  /* A table one may not read: its own key existing is our own replay, as far as anyone can tell. */
  int is_own = job->minimal && names_own_key(change->table, verdict->message, err);
  if (err->rc != SQLITE_OK) return err->rc;
  if (is_own) return leadx_settle_ack(push, change, (leadx_slice){NULL, 0}, err);
  if (job->minimal) return leadx_settle_fail(push, change, verdict->code, verdict->message, err);
  if (job->kind != LEADX_JOB_CREATE) return wait_for_value(push, change, verdict, err);
  int rc = leadx_change_set_error(change, "%s", verdict->message, err);
  return rc == SQLITE_OK ? add_fetch(push, change, err) : rc;
}

/* Was the row made and deleted here, under a key that no row of the server can have? Then there is
** nothing to delete. */
static int was_never_there(const leadx_change *change, const leadx_verdict *verdict) {
  return change->action == LEADX_DELETE && change->created_here && !change->known &&
         verdict->class_ == LEADX_CLASS_ITEM && strncmp(verdict->code, "22", 2) == 0;
}

static int settle_alone(leadx_push *push, leadx_job *job, const leadx_verdict *verdict,
                        leadx_err *err) {
  leadx_change *change = job->changes[0];
  if (was_never_there(change, verdict))
    return leadx_settle_ack(push, change, (leadx_slice){NULL, 0}, err);
  switch (verdict->class_) {
    case LEADX_CLASS_RETRY: return charge(push, change, verdict, err);
    case LEADX_CLASS_ORDER:
      return change->action == LEADX_DELETE || job->kind != LEADX_JOB_FETCH
                 ? wait_for_parent(push, change, verdict, err)
                 : leadx_settle_fail(push, change, verdict->code, verdict->message, err);
    case LEADX_CLASS_DUPLICATE: return settle_duplicate(push, job, verdict, err);
    default: return leadx_settle_fail(push, change, verdict->code, verdict->message, err);
  }
}

/* The run ends here; what is in flight is given up, everything unsettled goes back. */
static void end_run(leadx_push *push, const leadx_job *job, const leadx_verdict *verdict) {
  leadx_run_end(push->run, verdict->class_, job->request->retry_after_s, "%s%s%s", verdict->code,
                verdict->code[0] ? " " : "", verdict->message);
}

/* A column of an application's own payload that neither side has is that row's fault, not the
** table's. */
static int is_own_mistake(const leadx_job *job, const leadx_verdict *verdict) {
  return (strcmp(verdict->code, "PGRST204") == 0 || strcmp(verdict->code, "42703") == 0) &&
         job->kind != LEADX_JOB_FETCH && leadx_change_has_extras(job->changes[0]);
}

static int is_denied_insert(const leadx_job *job, const leadx_verdict *verdict) {
  return job->kind == LEADX_JOB_CREATE && !job->minimal && verdict->class_ == LEADX_CLASS_ITEM &&
         strcmp(verdict->code, "42501") == 0;
}

/* The column of the table that the server's message names in double quotes, or -1. */
static int named_column(const leadx_table *table, const char *message) {
  const char *from = strstr(message, "column \""), *to = from ? strchr(from + 8, '"') : NULL;
  return to ? leadx_table_find_remote(table, from + 8, (size_t)(to - from - 8)) : -1;
}

/* A NULL that a NOT NULL column refuses was not chosen by anybody: the column's DEFAULT counts. Each
** column can be left out once, so this comes to an end. */
static int may_drop_null(leadx_job *job, const leadx_verdict *verdict) {
  return job->n == 1 && job->kind == LEADX_JOB_CREATE && strcmp(verdict->code, "23502") == 0 &&
         leadx_change_drop_null(job->changes[0],
                                named_column(job->changes[0]->table, verdict->message));
}

/* The column that the server computes, as it has just said, and that is known as such from now on;
** -1 when that is not what it said. A key is always sent. */
static int computed_column(const leadx_job *job, const leadx_verdict *verdict) {
  const leadx_table *table = job->changes[0]->table;
  int column = strcmp(verdict->code, "428C9") == 0 ? named_column(table, verdict->message) : -1;
  if (column < 0 || table->columns[column].is_computed || table->columns[column].key_position)
    return -1;
  return column;
}

static int leave_computed(leadx_push *push, leadx_job *job, int column, leadx_err *err) {
  leadx_table *table = job->changes[0]->table;
  int rc = leadx_learn_computed(leadx_pushing_db(push), table, column, err);
  for (int i = 0; i < job->n; i++) leadx_change_drop_computed(job->changes[i]);
  return rc == SQLITE_OK ? leadx_pushing_ask_again(push, job, err) : rc;
}

/* A row that is too large for the server, or whose answer is for us, is that row's matter alone, and is
** not sent again by itself. */
static int settle_too_large(leadx_push *push, const leadx_job *job, const leadx_verdict *verdict,
                            leadx_err *err) {
  const char *here = "the server's answer to this row is larger than max_response; raise it with "
                     "leadx_config('max_response', bytes), then retry";
  if (job->n > 1) return leadx_pushing_split(push, job, err);
  if (job->request->net == LEADX_NET_TOO_LARGE && !job->changes[0]->narrow) {
    /* It may have been done all the same: a look at what was sent tells. */
    job->changes[0]->narrow = 1;
    return add_fetch(push, job->changes[0], err);
  }
  return leadx_settle_fail(push, job->changes[0], "too_large",
                           job->request->net == LEADX_NET_TOO_LARGE ? here : verdict->message, err);
}

int leadx_settle_bad(leadx_push *push, leadx_job *job, const leadx_verdict *verdict,
                     leadx_err *err) {
  if (job->request->net == LEADX_NET_TOO_LARGE || job->request->status == 413)
    return settle_too_large(push, job, verdict, err);
  int computed = computed_column(job, verdict);
  if (computed >= 0) return leave_computed(push, job, computed, err);
  if (may_drop_null(job, verdict)) return leadx_pushing_ask_again(push, job, err);
  switch (verdict->class_) {
    case LEADX_CLASS_DRIFT:
      if (!is_own_mistake(job, verdict)) return pause_table(push, job, verdict, err);
      return job->n > 1 ? leadx_pushing_split(push, job, err)
                        : settle_alone(push, job, verdict, err);
    case LEADX_CLASS_SHRINK:
    case LEADX_CLASS_RETRY:
    case LEADX_CLASS_ORDER:
    case LEADX_CLASS_DUPLICATE:
    case LEADX_CLASS_ITEM:
      if (is_denied_insert(job, verdict)) return settle_denied(push, job, err);
      if (job->n > 1) return leadx_pushing_split(push, job, err);
      return settle_alone(push, job, verdict, err);
    case LEADX_CLASS_AUTH: return leadx_pushing_ask_again(push, job, err);
    default: end_run(push, job, verdict); return SQLITE_OK;
  }
}

/* ---- rows whose parent never comes ---- */

/* May the parent that a change waits for still come: is it in the queue, FAILED or waiting itself?
** Where the local schema does not tell the parent (or children keep a DELETE waiting), anything
** else that is unsent may be it. */
static int may_come(leadx_push *push, leadx_change *change, int64_t others, int64_t *yes,
                    leadx_err *err) {
  const leadx_table *table = change->table;
  leadx_slice row = {NULL, 0};
  int known = 0, rc = leadx_change_load(leadx_pushing_db(push), change, err);
  *yes = 0;
  if (rc != SQLITE_OK) return rc;
  sqlite3_str *text = sqlite3_str_new(NULL);
  leadx_change_append_client(change, text);
  char *client = leadx_db_finish(text, err);
  if (!client) return err->rc;
  leadx_json_check(client, strlen(client), 0, &row, NULL);
  for (int r = 0; r < table->nreferences && row.n && rc == SQLITE_OK && !*yes; r++) {
    const leadx_reference *reference = &table->references[r];
    const leadx_table *parent = reference->parent;
    char *key = parent ? leadx_key_of_parent(table, reference, parent, row, LEADX_BY_DEVICE, err)
                       : NULL;
    if (err->rc != SQLITE_OK) return err->rc;
    if (key) rc = leadx_queue_has_unsent(leadx_pushing_db(push), parent->entity, key, yes, err);
    known |= key != NULL;
    sqlite3_free(key);
  }
  if (!known) *yes = others > 0;
  sqlite3_free(client);
  return rc;
}

static int settle_orphan(leadx_push *push, leadx_change *change, int64_t others, leadx_err *err) {
  int64_t yes = 0;
  int rc = may_come(push, change, others, &yes, err);
  if (rc != SQLITE_OK || yes) return rc;
  return leadx_settle_fail(push, change, "23503",
                           "it refers to a row that is neither in the queue nor on the server (or "
                           "rows on the server still refer to it)",
                           err);
}

int leadx_settle_taken(leadx_push *push, leadx_plan *plan, leadx_err *err) {
  leadx_db *db = leadx_pushing_db(push);
  int rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = leadx_run_renew(push->run, err);
  for (int i = 0; i < plan->n && rc == SQLITE_OK && !push->run->tally.lost_lease; i++) {
    leadx_change *change = &plan->changes[i];
    if (change->taken) rc = leadx_settle_fail(push, change, "23505", change->taken, err);
    sqlite3_free(change->taken);
    change->taken = NULL;
  }
  return leadx_db_end(db, rc, err);
}

int leadx_settle_orphans(leadx_push *push, const leadx_plan *plan, leadx_err *err) {
  leadx_counts counts;
  leadx_db *db = leadx_pushing_db(push);
  int64_t orphans = 0;
  for (int i = 0; i < plan->n; i++)
    orphans += plan->changes[i].orphaned ? plan->changes[i].nmembers : 0;
  int rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = leadx_run_renew(push->run, err);
  if (rc == SQLITE_OK) rc = leadx_queue_counts(db, &counts, err);
  for (int i = 0; i < plan->n && rc == SQLITE_OK; i++) {
    if (plan->changes[i].orphaned)
      rc = settle_orphan(push, &plan->changes[i], counts.pending + counts.failed - orphans, err);
  }
  return leadx_db_end(db, rc, err);
}
