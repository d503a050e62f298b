/* Bulk: what a connection is like while rows of the server come in by the thousand. Outside of
** transactions; a host that does not allow a pragma keeps what it has. In WAL mode a commit need
** not reach the disk by itself: a power cut takes the newest ones, which is as if they had not been
** made yet. Another commit, before or after, is as durable as ever: it brings the whole log to the
** disk. */
#ifndef LEADX_BULK_H
#define LEADX_BULK_H

#include "store/db.h"

/* What was there before; 0 for what was left alone. */
typedef struct leadx_bulk {
  int64_t cache_size, synchronous;
} leadx_bulk;

void leadx_bulk_begin(leadx_db *db, leadx_bulk *before);
/* The commits alone; memory stays as it is. */
void leadx_bulk_relax(leadx_db *db, leadx_bulk *before);
void leadx_bulk_end(leadx_db *db, const leadx_bulk *before);

#endif
