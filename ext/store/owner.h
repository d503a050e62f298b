/* Whose the rows of the queue are. The triggers are plain SQL and know no user, so a row has no
** owner of its own until the user changes: the file remembers who uses it, and who goes leaves a
** name on what is unsent. A row is sent in the name of its owner or not at all. */
#ifndef LEADX_OWNER_H
#define LEADX_OWNER_H

#include "base/user.h"
#include "store/queue.h"

/* The file's user; "" when it has none (never signed in, or signed out). */
int leadx_owner_get(leadx_db *db, char user[LEADX_USER_BYTES], leadx_err *err);

/* The file is this user's from now on ("" : nobody's). Unsent rows without an owner become the
** one's who had it; where nobody had it they are the new user's, and what the server refused to
** nobody is tried again. Rows that the user left here earlier are ready again. Cursors of others
** are forgotten. Nothing happens when the user is the same. Inside the caller's write
** transaction. */
int leadx_owner_adopt(leadx_db *db, const char *user, leadx_err *err);

/* The file is `user`'s from now on, and so are the unsent rows of `from` (NULL: of nobody); *n is how
** many those were. Inside the caller's write transaction. */
int leadx_owner_take(leadx_db *db, const char *user, const char *from, int64_t *n, leadx_err *err);

/* Unsent rows of that user, who is the file's. */
int leadx_owner_unsent(leadx_db *db, const char *user, int64_t *n, leadx_err *err);
/* Unsent rows that wait for somebody else than that user. */
int leadx_owner_waiting(leadx_db *db, const char *user, int64_t *n, leadx_err *err);

#endif
