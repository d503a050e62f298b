/* The parked rows: rows of the server that could not go in, or whose state is asked for once more.
** Every pull fetches them by their keys until they fit. Whoever writes leadx_parked does it here.
**
** All of it inside the caller's write transaction. Functions return an SQLite code, and set err. */
#ifndef LEADX_PARKING_H
#define LEADX_PARKING_H

#include "store/db.h"

typedef enum leadx_parking {
  LEADX_REFETCH, /* nothing is wrong: the row is only fetched once more */
  LEADX_REFUSED /* this file kept the row out: a constraint, a trigger, a reference. A person has to
                ** do something; it stands in leadx_problems */
} leadx_parking;

/* Two reasons that are asked about later. A change is kept while the server does not show its row; a
** tombstone came for a row with an unsent change. */
#define LEADX_PARKED_HIDDEN "hidden while a local change is unsent"
#define LEADX_PARKED_BURIED "deleted on the server while a local change is unsent"

/* Parks a row, or gives one that is parked another reason; when it was parked first stays. The reason
** is for people, and not empty. */
int leadx_parking_add(leadx_db *db, const char *entity, const char *key, leadx_parking why,
                      const char *reason, leadx_err *err);
/* Parks the row of a change in the outbox that is about to be discarded. */
int leadx_parking_add_queued(leadx_db *db, const char *queue_id, leadx_err *err);
/* Parks the rows that the removal of one row has changed, as the outbox has them behind that
** rowid. */
int leadx_parking_add_effects(leadx_db *db, int64_t above, const char *entity, const char *key,
                              leadx_err *err);
/* The row is here, or gone: it is parked no longer. Nothing for one that is not parked. */
int leadx_parking_leave(leadx_db *db, const char *entity, const char *key, leadx_err *err);

/* A parked row is tried once more. Between _try and _leave_tried it may be parked again and keeps the
** time when that was done first; else it leaves. */
int leadx_parking_try(leadx_db *db, const char *entity, const char *key, leadx_err *err);
int leadx_parking_leave_tried(leadx_db *db, const char *entity, const char *key, leadx_err *err);

/* *yes: is the row parked as LEADX_PARKED_BURIED? */
int leadx_parking_is_buried(leadx_db *db, const char *entity, const char *key, int *yes,
                            leadx_err *err);
/* The server shows a row that is parked as LEADX_PARKED_HIDDEN, or says that it is deleted: the
** changes that were kept for it are ready again. */
int leadx_parking_revive(leadx_db *db, const char *entity, const char *key, leadx_err *err);

/* The parked keys behind one, in their order (column 0); is it parked as LEADX_PARKED_HIDDEN
** (column 1)? And the reason (column 2). Given back with leadx_db_put(); NULL after
** an error. */
sqlite3_stmt *leadx_parking_list(leadx_db *db, const char *entity, const char *after,
                                 leadx_err *err);
int leadx_parking_forget(leadx_db *db, const char *entity, leadx_err *err);
int leadx_parking_rename(leadx_db *db, const char *before, const char *entity, leadx_err *err);
/* Gives a parked row another spelling of its key. */
int leadx_parking_respell(leadx_db *db, const char *entity, const char *from, const char *to,
                          leadx_err *err);

#endif
