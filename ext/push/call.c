/* Calls of leadx_push(). See call.h. */
#include "push/call.h"

#include <string.h>

#include "push/cut.h"
#include "push/plan.h"
#include "push/settle.h"
#include "push/spell.h"
#include "rest/target.h"
#include "run/discover.h"

#define CALLS_IN_FLIGHT 2

/* ---- spelling ---- */

/* Two lanes of 64 bits that are mixed with each other. What comes in has random bits of its own
** (the queue's ids), so this has to keep them apart, and nothing more. */
typedef struct op_hash {
  uint64_t a, b;
} op_hash;

static uint64_t stir(uint64_t x) {
  x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
  return x ^ x >> 29;
}

static void hash_bytes(op_hash *hash, const char *z, size_t n) {
  for (size_t i = 0; i < n; i++) {
    hash->a = (hash->a ^ (unsigned char)z[i]) * 1099511628211u;
    hash->b = stir(hash->b + (unsigned char)z[i]);
  }
  /* So that the end of one text and the beginning of the next cannot be exchanged. */
  hash->a = stir(hash->a ^ hash->b ^ n);
}

/* The queue rows, the table, the action, the version and the row: all that tells one effect from
** another. An id that an application chose by itself may exist on another device, too; what it says
** there is something else. */
static void make_op(leadx_change *change, const char *item, size_t n) {
  op_hash hash = {0x9e3779b97f4a7c15u, 0xc2b2ae3d27d4eb4fu};
  for (int i = 0; i < change->nmembers; i++)
    hash_bytes(&hash, change->members[i].id, strlen(change->members[i].id));
  hash_bytes(&hash, item, n);
  uint64_t high = stir(hash.a + hash.b), low = stir(hash.b ^ high * 3);
  sqlite3_snprintf(sizeof change->op, change->op, "%08x-%04x-8%03x-%04x-%04x%08x",
                   (unsigned)(high >> 32), (unsigned)(high >> 16 & 0xffffu),
                   (unsigned)(high & 0xfffu), (unsigned)(0x8000u | (low >> 48 & 0x3fffu)),
                   (unsigned)(low >> 32 & 0xffffu), (unsigned)(low & 0xffffffffu));
}

/* What is asked of the server: a soft delete is an update there. */
static const char *action_of(const leadx_change *change) {
  if (change->action == LEADX_CREATE) return "CREATE";
  return change->action == LEADX_UPDATE || change->table->soft_delete ? "UPDATE" : "DELETE";
}

static void append_key(const leadx_change *change, sqlite3_str *out) {
  const leadx_table *table = change->table;
  for (int i = 0; i < table->nkey; i++) {
    sqlite3_str_appendall(out, i ? "," : "[");
    sqlite3_str_append(out, change->key_values[i].z, (int)change->key_values[i].n);
  }
  sqlite3_str_appendall(out, "]");
}

static void append_item(leadx_change *change, sqlite3_str *out) {
  const char *action = action_of(change);
  sqlite3_str_appendall(out, "{");
  int begin = sqlite3_str_length(out);
  sqlite3_str_appendall(out, "\"table\":");
  leadx_json_append_string(out, change->table->remote, strlen(change->table->remote));
  sqlite3_str_appendf(out, ",\"action\":\"%s\",\"key\":", action);
  append_key(change, out);
  sqlite3_str_appendall(out, ",\"version\":");
  if (change->version && change->action != LEADX_CREATE)
    leadx_json_append_string(out, change->version, strlen(change->version));
  else sqlite3_str_appendall(out, "null");
  if (action[0] != 'D') {
    sqlite3_str_appendall(out, ",\"row\":");
    if (change->action == LEADX_CREATE) leadx_change_append_object(change, 0, out);
    else leadx_spell_append_update(change, out);
  }
  const char *text = sqlite3_str_value(out);
  if (text) make_op(change, text + begin, (size_t)(sqlite3_str_length(out) - begin));
  sqlite3_str_appendf(out, ",\"op\":\"%s\"}", change->op);
}

leadx_request *leadx_call_request(const leadx_target *target, leadx_change *const *changes, int n,
                                  leadx_err *err) {
  sqlite3_str *args = sqlite3_str_new(NULL);
  for (int i = 0; i < n; i++) {
    sqlite3_str_appendall(args, i ? ",\n" : "{\"ops\":[");
    append_item(changes[i], args);
  }
  sqlite3_str_appendall(args, "]}");
  return leadx_target_call(target, "leadx_push", args, err);
}

/* ---- starting ---- */

int leadx_call_trim(leadx_push *push, leadx_job *job, leadx_err *err) {
  int kept = 0, rc = SQLITE_OK;
  for (int i = 0; i < job->n && rc == SQLITE_OK; i++) {
    leadx_change *change = job->changes[i];
    if (leadx_pushing_is_paused(push, change->table)) continue;
    if (leadx_pushing_is_served(push, change)) job->changes[kept++] = change;
    else rc = leadx_cut_plain(push, &change, 1);
  }
  job->n = kept;
  return leadx_err_memory(err, rc);
}

/* A change of the stage that all of the job's changes are of, or NULL. */
static const leadx_change *stage_of(const leadx_job *job) {
  for (int i = 1; i < job->n; i++) {
    if (!leadx_plan_is_same_stage(job->changes[0], job->changes[i])) return NULL;
  }
  return job->changes[0];
}

int leadx_call_may_start(const leadx_push *push, const leadx_job *job) {
  if (push->calls_in_flight == 0) return 1;
  const leadx_change *stage = push->calls_in_flight < CALLS_IN_FLIGHT && push->calling
                                  ? stage_of(job)
                                  : NULL;
  return stage && leadx_plan_is_same_stage(stage, push->calling);
}

void leadx_call_started(leadx_push *push, const leadx_job *job) {
  push->calls_in_flight++;
  push->calling = stage_of(job);
}

void leadx_call_ended(leadx_push *push) { push->calls_in_flight--; }

/* ---- reading ---- */

/* What became of one operation; the words are those of sql/server/rpc.sql. */
typedef enum call_status {
  CALL_APPLIED,
  CALL_REPLAYED,
  CALL_CONFLICT,
  CALL_GONE,
  CALL_ERROR,
  CALL_LATER /* not looked at, because the server's time was over */
} call_status;

typedef struct call_item {
  call_status status;
  leadx_slice
      row; /* the server's row as it is now; empty when it may not be read, or there is none */
  leadx_slice code, message; /* of an error, code also of what is gone; JSON strings, or empty */
} call_item;

static const char *const status_words[] = {"applied", "replayed", "conflict",
                                           "gone",    "error",    "later"};

static int read_status(leadx_slice value, call_status *status) {
  for (int i = 0; i < (int)(sizeof status_words / sizeof status_words[0]); i++) {
    *status = (call_status)i;
    if (leadx_json_is_text(value, status_words[i])) return 1;
  }
  return 0;
}

/* May an answer of that status come without a row: one that may not be read, that is gone, that an
** error left alone? */
static int may_lack_row(const leadx_change *change, call_status status) {
  if (status == CALL_APPLIED) return change->action == LEADX_CREATE;
  return status != CALL_CONFLICT;
}

static const char *read_item(leadx_slice answer, const leadx_change *change, call_item *item,
                             leadx_err *err) {
  memset(item, 0, sizeof *item);
  if (!leadx_json_is_text(leadx_json_member(answer, "op"), change->op))
    return "an operation that was not asked for";
  if (!read_status(leadx_json_member(answer, "status"), &item->status))
    return "a status that nobody knows";
  leadx_slice row = leadx_json_member(answer, "row");
  leadx_json_kind kind = leadx_json_kind_of(row);
  if (kind == LEADX_JSON_OBJECT) {
    if (!leadx_change_is_row(change, row, err)) return "a row that was not asked for";
    item->row = row;
  } else if (kind != LEADX_JSON_NULL || !may_lack_row(change, item->status)) {
    return "an operation without its row";
  }
  item->code = leadx_json_member(answer, "code");
  item->message = leadx_json_member(answer, "message");
  if (item->status == CALL_ERROR && leadx_json_kind_of(item->code) != LEADX_JSON_STRING)
    return "an error without a code";
  return NULL;
}

/* Reads the answer (a checked array) into items, which has room for n. NULL, or what is strange
** about it: then nothing of it counts. */
static const char *read_answer(leadx_slice array, leadx_change *const *changes, int n,
                               call_item *items, leadx_err *err) {
  leadx_json_walk walk;
  leadx_slice answer;
  int i = 0;
  leadx_json_walk_init(&walk, array);
  while (leadx_json_walk_element(&walk, &answer)) {
    if (i == n) return "more answers than there were operations";
    const char *strange = read_item(answer, changes[i], &items[i], err);
    if (strange) return strange;
    i++;
  }
  if (i < n) return "fewer answers than there were operations";
  /* Who puts off the first one would put it off for ever. */
  return items[0].status == CALL_LATER ? "that it looked at no operation" : NULL;
}

/* ---- an answer for each operation ---- */

/* The request that would have carried the change plainly. */
static leadx_job_kind plain_kind(const leadx_change *change) {
  if (change->action == LEADX_CREATE) return LEADX_JOB_CREATE;
  return change->action == LEADX_UPDATE || change->table->soft_delete ? LEADX_JOB_UPDATE
                                                                      : LEADX_JOB_DELETE;
}

/* The server evaluated one operation and refused it. A table that is not what it was, and a key
** that is taken by a row one cannot see, are told apart by the plain way; the rest is judged as
** that would be. */
static int settle_error(leadx_push *push, const leadx_job *job, leadx_change *change,
                        const call_item *item, leadx_err *err) {
  leadx_verdict verdict;
  leadx_rest_judge(item->code, item->message, &verdict);
  int unclear = verdict.class_ == LEADX_CLASS_DRIFT ||
                (verdict.class_ == LEADX_CLASS_DUPLICATE && change->action == LEADX_CREATE);
  if (unclear) return leadx_err_memory(err, leadx_cut_plain(push, &change, 1));
  leadx_job one = *job;
  one.kind = plain_kind(change);
  one.changes = &change;
  one.n = 1;
  return leadx_settle_bad(push, &one, &verdict, err);
}

static int settle_item(leadx_push *push, const leadx_job *job, leadx_change *change,
                       const call_item *item, leadx_err *err) {
  switch (item->status) {
    case CALL_APPLIED:
    case CALL_REPLAYED: return leadx_settle_ack(push, change, item->row, err);
    case CALL_GONE:
      change->buried = leadx_json_is_text(item->code, "deleted");
      return leadx_settle_fetched(push, change, item->row, err);
    case CALL_CONFLICT: return leadx_settle_fetched(push, change, item->row, err);
    default: return settle_error(push, job, change, item, err);
  }
}

/* An answer of another form than the function's acknowledges nothing; the next sync does without
** the function. */
static int end_strangely(leadx_push *push, const char *strange, leadx_err *err) {
  leadx_run_end(push->run, LEADX_CLASS_PROTOCOL, -1,
                "leadx_push of the server answered %s; nothing was acknowledged", strange);
  return leadx_discover_forget(push->run, err);
}

/* What the server did not look at goes once more, before whatever waits, because it may wait for
** it. */
static int send_again(leadx_push *push, const leadx_job *job, const call_item *items,
                      leadx_err *err) {
  leadx_change **late = sqlite3_malloc64(sizeof *late * (size_t)job->n);
  leadx_jobs again;
  int n = 0;
  if (!late) return leadx_err_nomem(err);
  for (int i = 0; i < job->n; i++) {
    if (items[i].status != CALL_LATER) continue;
    job->changes[i]->on_wire--;
    late[n++] = job->changes[i];
  }
  leadx_jobs_init(&again);
  int rc = n > 0 ? leadx_jobs_add(&again, LEADX_JOB_CALL, late, n, 0) : SQLITE_OK;
  leadx_jobs_prepend(&push->waiting, &again);
  sqlite3_free(late);
  return rc == SQLITE_OK ? SQLITE_OK : leadx_err_nomem(err);
}

int leadx_call_settle(leadx_push *push, leadx_job *job, leadx_slice array, leadx_class *class_,
                      leadx_err *err) {
  call_item *items = sqlite3_malloc64(sizeof *items * (size_t)job->n);
  if (!items) return leadx_err_nomem(err);
  const char *strange = read_answer(array, job->changes, job->n, items, err);
  int rc = err->rc; /* what could not be read for want of memory says nothing about the answer */
  if (rc == SQLITE_OK && strange) {
    *class_ = LEADX_CLASS_PROTOCOL;
    rc = end_strangely(push, strange, err);
  }
  for (int i = 0; i < job->n && rc == SQLITE_OK && !strange; i++) {
    if (items[i].status != CALL_LATER) rc = settle_item(push, job, job->changes[i], &items[i], err);
  }
  if (rc == SQLITE_OK && !strange) rc = send_again(push, job, items, err);
  sqlite3_free(items);
  return rc;
}

/* ---- no answer for any of them ---- */

/* The halves go before whatever waits, because it may wait for them. */
static int halve(leadx_push *push, const leadx_job *job, leadx_err *err) {
  leadx_jobs halves;
  int half = (job->n + 1) / 2;
  leadx_jobs_init(&halves);
  int rc = leadx_jobs_add(&halves, LEADX_JOB_CALL, job->changes, half, 0);
  if (rc == SQLITE_OK)
    rc = leadx_jobs_add(&halves, LEADX_JOB_CALL, job->changes + half, job->n - half, 0);
  leadx_jobs_prepend(&push->waiting, &halves);
  return leadx_err_memory(err, rc);
}

/* The token is seen to before anything else is sent; then the call goes once more, where it was. */
static int put_back(leadx_push *push, const leadx_job *job, leadx_err *err) {
  leadx_jobs again;
  leadx_jobs_init(&again);
  int rc = leadx_jobs_add(&again, LEADX_JOB_CALL, job->changes, job->n, 0);
  leadx_jobs_prepend(&push->waiting, &again);
  return leadx_err_memory(err, rc);
}

/* Is the function not there, not to be called by this user, or broken? */
static int is_unusable(const leadx_verdict *verdict) {
  return verdict->class_ == LEADX_CLASS_DRIFT || strcmp(verdict->code, "42501") == 0;
}

int leadx_call_refused(leadx_push *push, leadx_job *job, const leadx_verdict *verdict,
                       leadx_err *err) {
  int is_too_large = job->request->net == LEADX_NET_TOO_LARGE;
  if (is_too_large && job->n > 1) return halve(push, job, err);
  if (is_too_large) return leadx_err_memory(err, leadx_cut_plain(push, job->changes, 1));
  switch (verdict->class_) {
    case LEADX_CLASS_SHRINK:
      if (job->n > 1) return halve(push, job, err);
      break;
    case LEADX_CLASS_AUTH: return put_back(push, job, err);
    case LEADX_CLASS_RETRY:
    case LEADX_CLASS_DRIFT:
    case LEADX_CLASS_ORDER:
    case LEADX_CLASS_DUPLICATE:
    case LEADX_CLASS_ITEM: break;
    case LEADX_CLASS_PROTOCOL:
      if (leadx_discover_forget(push->run, err) != SQLITE_OK) return err->rc;
      return leadx_settle_bad(push, job, verdict, err);
    default: return leadx_settle_bad(push, job, verdict, err);
  }
  if (is_unusable(verdict) && leadx_discover_forget(push->run, err) != SQLITE_OK) return err->rc;
  return leadx_err_memory(err, leadx_cut_plain(push, job->changes, job->n));
}
