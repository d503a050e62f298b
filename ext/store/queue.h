/* The outbox: finding unsent rows, claiming them, settling them. The only module that
** writes sync_queue. What a change means is change.h's business, where it goes push.h's. */
#ifndef LEADX_QUEUE_H
#define LEADX_QUEUE_H

#include "base/uuid.h"
#include "store/tables.h"

typedef enum leadx_action { LEADX_NOTHING, LEADX_CREATE, LEADX_UPDATE, LEADX_DELETE } leadx_action;

const char *leadx_action_name(leadx_action action); /* 'CREATE' …; "" for LEADX_NOTHING */

/* One unsent queue row, without its payload. */
typedef struct leadx_member {
  int64_t rowid;
  char *id, *entity, *key; /* one allocation, beginning at id */
  char *spelled; /* the canonical key where it is another text; then key is this one */
  char *created_at;
  leadx_table *table; /* NULL: the entity is not tracked */
  leadx_action action; /* LEADX_NOTHING: not one of the three words */
  int failed; /* status FAILED */
  int in_conflict; /* waits for a person */
  int delayed; /* its next try lies ahead */
  int sent; /* was on the wire once: the server may have it */
  int foreign; /* belongs to another user than the one who syncs */
  int explained; /* says already why it is not gone (error_code) */
  int passed; /* an earlier window of this sync had it: not again before the next sweep */
  int retry_count;
} leadx_member;

/* The unsent rows a sync in the name of user ("": nobody) works on: all of them, or the oldest
** `limit` behind the rowid `behind` (a sweep goes from window to window), together with what the
** earlier windows of the sweep left. */
typedef struct leadx_window {
  leadx_member *members;
  int n, capacity;
  int truncated; /* there are more, */
  int64_t last; /* behind this rowid */
} leadx_window;

int leadx_window_load(leadx_db *db, const leadx_tables *tables, const char *user, int64_t behind,
                      int limit, leadx_window *window, leadx_err *err);
void leadx_window_clear(leadx_window *window);

/* Checks the low-water mark against the row it names: where the queue was emptied, renumbered or
** restored since, everything is looked at again. Inside the caller's write transaction. */
int leadx_queue_check_mark(leadx_db *db, leadx_err *err);
/* The same, and takes back what a crash left in flight.
** Inside the caller's write transaction. */
int leadx_queue_recover(leadx_db *db, leadx_err *err);
/* Moves the mark over everything settled and lists what stays behind. Inside a write
** transaction. */
int leadx_queue_advance(leadx_db *db, leadx_err *err);

/* The rowid of its last row, 0 when there is none. */
int leadx_queue_last_rowid(leadx_db *db, int64_t *rowid, leadx_err *err);
/* The rowid below which everything is settled or listed as held, as far as the file knows. */
int leadx_queue_mark(leadx_db *db, int64_t *rowid, leadx_err *err);
/* A new id, in the order of the ids that are there. */
int leadx_queue_make_id(leadx_db *db, char id[LEADX_UUID_BYTES], leadx_err *err);
/* Reads one row: action, payload, base, created_at. Not stepped yet; given back with
** leadx_db_put(). NULL on an error. */
sqlite3_stmt *leadx_queue_read(leadx_db *db, const char *id, leadx_err *err);

/* Settling one row; inside the caller's write transaction. now is ISO text. */
int leadx_queue_claim(leadx_db *db, const char *id, const char *now, int *claimed, leadx_err *err);
int leadx_queue_ack(leadx_db *db, const char *id, const char *now, const char *code,
                    const char *note, leadx_err *err);
/* never_left: no request with it can have reached the server. claimed_at: when this sync claimed
** the row. */
int leadx_queue_release(leadx_db *db, const char *id, int never_left, const char *claimed_at,
                        leadx_err *err);
int leadx_queue_fail(leadx_db *db, const char *id, const char *code, const char *message,
                     leadx_err *err);
/* Keeps it PENDING with a reason; next_try_at NULL waits without a time; charge is added to
** retry_count. */
int leadx_queue_delay(leadx_db *db, const char *id, const char *code, const char *message,
                      const char *next_try_at, int charge, leadx_err *err);

/* Does the queue take every row that the triggers of an entity would put into it, and every status?
** One that an application made may have rules of its own, and a user's write would fail for them.
** Nothing stays, unless it fails: inside a write transaction that is undone then. */
int leadx_queue_probe(leadx_db *db, const char *who, const char *entity, leadx_err *err);

/* What people do to the queue; each takes part in the caller's transaction. */
int leadx_queue_retry(leadx_db *db, const char *id, int64_t *changed,
                      leadx_err *err); /* NULL id: all */
int leadx_queue_discard(leadx_db *db, const char *id, leadx_err *err);
int leadx_queue_enqueue(leadx_db *db, const char *entity, const char *key, leadx_action action,
                        const char *payload, char id[LEADX_UUID_BYTES], leadx_err *err);
/* *last: the rowid of the n-th SYNCED row that is older than so many days, or of the last one where
** there are fewer; 0 where there is none. Looks at every settled row, but needs no write lock. */
int leadx_queue_purgeable(leadx_db *db, double synced_days, int n, int64_t *last, leadx_err *err);
/* Drops SYNCED rows older than so many days, up to that rowid, and closed conflicts. *dropped counts
** both. */
int leadx_queue_purge(leadx_db *db, double synced_days, double conflict_days, int64_t last,
                      int64_t *dropped, leadx_err *err);

typedef struct leadx_counts {
  int64_t pending, failed, conflicts;
} leadx_counts;
int leadx_queue_counts(leadx_db *db, leadx_counts *counts, leadx_err *err);
/* A place in the queue: the row that was its last one at some time. Zeros: no place. */
typedef struct leadx_queue_place {
  int is_known;
  int64_t rowid; /* 0: the queue was empty */
  char *id; /* of the row, NULL where the queue was empty; sqlite3_malloc */
} leadx_queue_place;
void leadx_queue_place_clear(leadx_queue_place *place);
/* The place of the last row, into *place, which the caller clears. */
int leadx_queue_last(leadx_db *db, leadx_queue_place *place, leadx_err *err);
/* *yes: is that row still where it was? Deletions and a VACUUM make the queue's numbers begin anew,
** and a number stands for another row then. */
int leadx_queue_stands(leadx_db *db, const leadx_queue_place *place, int *yes, leadx_err *err);

/* Is something of that row unsent? *yes is 1 or 0. The key is compared with entity_id as it stands
** there (rows/respell.h). */
int leadx_queue_has_unsent(leadx_db *db, const char *entity, const char *key, int64_t *yes,
                           leadx_err *err);
/* Unsent rows of one entity. */
int leadx_queue_unsent(leadx_db *db, const char *entity, int64_t *n, leadx_err *err);

/* When a change was queued: created_at, to the millisecond that the id knows. Returns 0, or 1 when
** nobody can tell. */
int leadx_member_time(const leadx_member *member, int64_t *us);

#endif
