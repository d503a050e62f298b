/* The lease: who syncs a file just now. One row in the file, so that it holds between processes. */
#ifndef LEADX_LEASE_H
#define LEADX_LEASE_H

#include "store/db.h"

#define LEADX_OWNER_BYTES 160

/* Names a new holder: the machine, the process, and a random part. */
void leadx_lease_owner(char owner[LEADX_OWNER_BYTES]);

/* Takes the lease for term_ms when nobody has it, or its holder's time is up, or its holder was a
** process of this machine that is no more (a crash must not park the file), or is `left`: a holder
** that is known to have ended without giving it back. *taken tells. */
int leadx_lease_take(leadx_db *db, const char *owner, const char *left, int64_t term_ms, int *taken,
                     leadx_err *err);
/* Does somebody else hold it just now, as far as one can tell? Reads only. */
int leadx_lease_is_held(leadx_db *db, const char *left, int64_t term_ms, int *held, leadx_err *err);
/* Has it for longer, until until_us. *kept: it is still the owner's. */
int leadx_lease_renew(leadx_db *db, const char *owner, int64_t until_us, int *kept, leadx_err *err);
/* Gives it back. It cannot when the disk fails, or when the connection was interrupted: until the
** host's own statement has ended, SQLite runs nothing else. Then the file has the owner of a lease
** that nobody holds. */
int leadx_lease_drop(leadx_db *db, const char *owner);

#endif
