/* The file passes from one user to another. What no trigger saw was written while the file was the
** first one's, so it is found before the name changes: a row is sent in the name of the user who
** wrote it. */
#ifndef LEADX_HANDOVER_H
#define LEADX_HANDOVER_H

#include "store/db.h"

/* Finds the rows of all tracked tables that no trigger saw and queues them, whoever is the file's
** user. who begins the messages. Costs a look at each table's schema where every trigger stands.
** Inside a write transaction. */
int leadx_handover_find(leadx_db *db, const char *who, leadx_err *err);

/* The same ahead of leadx_handover(), where the file has another user than this: in many short write
** transactions, so that a writer of the application waits for one of them, whatever the tables' size.
** What is written between them and the handover is found there. Outside of a transaction. */
int leadx_handover_look(leadx_db *db, const char *who, const char *user, leadx_err *err);

/* The file is this user's from now on ("": nobody's): leadx_owner_adopt() after the look above,
** where the file had another user. Inside a write transaction. */
int leadx_handover(leadx_db *db, const char *who, const char *user, leadx_err *err);

#endif
