/* Cutting changes into jobs. See cut.h. */
#include "push/cut.h"

#include "push/spell.h"

/* Bytes of an operation beside the row that it carries, about. */
#define CALL_ITEM_BYTES 160

int leadx_cut_fetches(leadx_push *push, leadx_change *const *changes, int n) {
  for (int i = 0, end; i < n; i = end) {
    size_t bytes = 0;
    for (end = i;
         end < n && (end == i || bytes + leadx_spell_key_bytes(changes[end]) < LEADX_URL_BYTES);
         end++) {
      bytes += leadx_spell_key_bytes(changes[end]);
    }
    if (leadx_jobs_add(&push->waiting, LEADX_JOB_FETCH, changes + i, end - i, 0) != SQLITE_OK)
      return SQLITE_NOMEM;
  }
  return SQLITE_OK;
}

/* ---- plain ---- */

/* How many CREATEs from the first one on may share a request: of one table, with equal members,
** within the current batch size and a bounded body. */
static int count_alike(const leadx_push *push, leadx_change *const *changes, int n) {
  uint64_t shape = leadx_change_shape(changes[0]);
  size_t bytes = leadx_change_bytes(changes[0]);
  int end = 1;
  for (; end < n && end < push->batch; end++) {
    const leadx_change *next = changes[end];
    bytes += leadx_change_bytes(next);
    if (next->action != LEADX_CREATE || next->table != changes[0]->table ||
        bytes > LEADX_BODY_BYTES || leadx_change_shape(next) != shape)
      break;
  }
  return end;
}

int leadx_cut_plain(leadx_push *push, leadx_change *const *changes, int n) {
  for (int i = 0, end; i < n; i = end) {
    const leadx_change *first = changes[i];
    int creates = first->action == LEADX_CREATE;
    leadx_job_kind kind = creates ? LEADX_JOB_CREATE
                          : first->action == LEADX_UPDATE || first->table->soft_delete
                              ? LEADX_JOB_UPDATE
                              : LEADX_JOB_DELETE;
    end = creates ? i + count_alike(push, changes + i, n - i) : i + 1;
    int minimal = creates && leadx_pushing_is_write_only(push, first->table);
    if (leadx_jobs_add(&push->waiting, kind, changes + i, end - i, minimal) != SQLITE_OK)
      return SQLITE_NOMEM;
  }
  return SQLITE_OK;
}

/* ---- calls ---- */

static size_t item_bytes(const leadx_change *change) {
  return leadx_change_bytes(change) + CALL_ITEM_BYTES;
}

int leadx_cut_calls(leadx_push *push, leadx_change *const *changes, int n) {
  for (int i = 0, end; i < n; i = end) {
    size_t bytes = item_bytes(changes[i]);
    end = i + 1;
    /* The function answers with the row as it is then, and the answer would be as large again. */
    if (bytes > LEADX_BODY_BYTES && changes[i]->action != LEADX_DELETE) {
      if (leadx_cut_plain(push, &changes[i], 1) != SQLITE_OK) return SQLITE_NOMEM;
      continue;
    }
    for (end = i + 1; end < n && end - i < push->batch &&
                      (bytes += item_bytes(changes[end])) <= LEADX_BODY_BYTES;)
      end++;
    if (leadx_jobs_add(&push->waiting, LEADX_JOB_CALL, changes + i, end - i, 0) != SQLITE_OK)
      return SQLITE_NOMEM;
  }
  return SQLITE_OK;
}

/* The last job that waits, if it is a call with room for another change. */
static leadx_job *open_call(const leadx_push *push, const leadx_change *change) {
  leadx_job *last = push->waiting.first;
  while (last && last->next) last = last->next;
  if (!last || last->kind != LEADX_JOB_CALL || last->n >= push->batch) return NULL;
  size_t bytes = item_bytes(change);
  for (int i = 0; i < last->n; i++) bytes += item_bytes(last->changes[i]);
  return bytes <= LEADX_BODY_BYTES ? last : NULL;
}

int leadx_cut_again(leadx_push *push, leadx_job_kind kind, leadx_change *change) {
  if (!leadx_pushing_is_served(push, change))
    return leadx_jobs_add(&push->waiting, kind, &change, 1, 0);
  leadx_job *job = open_call(push, change);
  return job ? leadx_job_extend(job, change)
             : leadx_jobs_add(&push->waiting, LEADX_JOB_CALL, &change, 1, 0);
}

/* ---- what was claimed ---- */

/* An UPDATE or DELETE whose row's version is not known begins with a look at the row. */
static int needs_look(const leadx_change *change) {
  return !change->known && (change->action == LEADX_UPDATE || change->action == LEADX_DELETE);
}

/* Gathers the claimed changes that need a look, or those that do not; returns how many there
** are. */
static int gather(leadx_change *changes, int n, int looks, leadx_change **out) {
  int count = 0;
  for (int i = 0; i < n; i++) {
    if (changes[i].claimed && needs_look(&changes[i]) == looks) out[count++] = &changes[i];
  }
  return count;
}

/* Looks are of one table each. */
static int cut_looks(leadx_push *push, leadx_change *const *changes, int n) {
  int rc = SQLITE_OK;
  for (int i = 0, end; i < n && rc == SQLITE_OK; i = end) {
    for (end = i + 1; end < n && changes[end]->table == changes[i]->table;) end++;
    rc = leadx_cut_fetches(push, changes + i, end - i);
  }
  return rc;
}

int leadx_cut_claimed(leadx_push *push, leadx_change *changes, int n, leadx_change **scratch) {
  int rc = cut_looks(push, scratch, gather(changes, n, 1, scratch));
  int ready = gather(changes, n, 0, scratch);
  if (rc != SQLITE_OK) return rc;
  return leadx_pushing_is_served(push, changes) ? leadx_cut_calls(push, scratch, ready)
                                                : leadx_cut_plain(push, scratch, ready);
}
