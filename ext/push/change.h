/* The net effect of everything unsent of one row: which request it is, and with which columns. */
#ifndef LEADX_CHANGE_H
#define LEADX_CHANGE_H

#include "store/queue.h"

/* One column (or an unknown member of an application's own payload) of a change. */
typedef struct leadx_field {
  leadx_slice name; /* raw, with quotes */
  int column; /* index into the table's columns, -1 when it has none of that remote name */
  leadx_slice value; /* what the client has now */
  leadx_slice base; /* what it started from; empty when unknown */
  int changed; /* is to be sent by an UPDATE */
} leadx_field;

typedef struct leadx_change {
  leadx_table *table;
  const char *key; /* entity_id, borrowed from the first member */
  leadx_member *members; /* borrowed from the window, oldest first */
  int nmembers;
  leadx_action action; /* the net effect */
  int recreate; /* an UPDATE that stands for DELETE + CREATE: when the row is gone it is a CREATE */
  int created_here; /* the server need not know the row for a DELETE to be done */
  int sent; /* some member was on the wire before */
  int64_t age; /* rowid of the oldest member */
  int priority, level; /* of the plan */

  /* Present after leadx_change_load(). */
  char **texts; /* the documents that the slices below lie in */
  int ntexts;
  leadx_field *fields;
  int nfields;
  leadx_slice
      *sent_rows; /* the payloads that were on the wire before: what the server may have of us */
  int nsent_rows;
  int undelete; /* makes a row again that the server may keep as deleted */
  int buried; /* a tombstone says that the server's row was deleted */
  int rekeyed; /* its CREATE was answered with a row of another key */
  const char
      *newest_payload; /* text of the newest member's payload, for comparing with the local row */
  leadx_slice *key_values; /* the key as JSON values */
  char *key_text; /* the document key_values lie in */
  char *version; /* the server's version as known, NULL when unknown */
  uint32_t *meanings; /* of each column when it was last sent or received, 0: not known (meaning.h);
                      ** NULL when nothing is known */
  int is_missing; /* the row was here, and nobody saw it go, before the change made it again */
  int is_stranger; /* the row was here when the table was tracked, and the server was never heard of it */
  int known; /* the server is known to hold the row */
  int64_t client_us; /* when the edit was made */
  int client_us_known;
  int problem; /* cannot be sent: error holds the reason */
  char *error; /* NULL: none */
  int claimed; /* IN_PROGRESS by this sync, not settled yet */
  /* on a circle of CREATEs: goes out without its references; they follow as an UPDATE */
  int deferred;
  int orphaned; /* the server refused it (23503): it waits behind its parent */
  char *taken; /* the server's words: another row has a UNIQUE value that it asks for (taken.h) */
  int aside; /* 1 + the column in which it takes a value of its own for a moment (aside.h), 0: none */
  uint64_t stepped; /* in which columns it has done so in this sync, a bit for each */
  int on_wire; /* requests of this sync that may have reached the server with it */
  char op
      [LEADX_UUID_BYTES]; /* what the server's function knew it by when it was sent last (call.h) */
  int narrow; /* its row is larger than an answer may have: what was sent is asked for alone */
  int rounds; /* how often it went back and forth with the server in this sync */
  char *audit_server; /* the server's row of a decided conflict, recorded with the ack */
  char *audit_contested; /* JSON array of column names */
  char *audit_base; /* JSON object: what both sides started from, where it is known */
  const char *audit_winner; /* 'client', 'server' or 'merge'; static */
} leadx_change;

/* Folds the members' actions (CREATE+UPDATE → CREATE, CREATE+DELETE → nothing, …) without reading
** payloads. */
void leadx_change_fold(leadx_change *change);

/* Reads payloads and bases and builds fields; settles what only they tell (an UPDATE back to the
** old values is nothing; a CREATE of a row the server has is an UPDATE). A payload that cannot be
** sent sets problem. SQLITE_OK even then. */
int leadx_change_load(leadx_db *db, leadx_change *change, leadx_err *err);
/* Frees what load() made; the change can be loaded again. */
void leadx_change_unload(leadx_change *change);

/* Notes why the change cannot go as it is. */
int leadx_change_set_error(leadx_change *change, const char *fmt, const char *detail,
                           leadx_err *err);

/* The field of that column, or NULL. */
leadx_field *leadx_change_field(const leadx_change *change, int column);

/* Is this the row of the change? row is a checked object from the server. */
int leadx_change_is_row(const leadx_change *change, leadx_slice row, leadx_err *err);

/* Copies a slice of an answer so that it lives as long as the change. An empty slice when out of
** memory. */
leadx_slice leadx_change_keep(leadx_change *change, leadx_slice slice);

/* Has it members that no column of the table stands for (an application's own payload)? */
int leadx_change_has_extras(const leadx_change *change);

/* Does the server's row hold everything the change wants (CREATE: every field; UPDATE: the changed
** ones)? */
int leadx_change_satisfied(const leadx_change *change, leadx_slice row, leadx_err *err);

/* Is the server's value of a field what was last sent or received? Then nobody changed it since. */
int leadx_change_is_unchanged(const leadx_change *change, const leadx_field *field,
                              leadx_slice theirs, leadx_err *err);

/* What both sides know of each column once the server has acknowledged the change. row is the
** server's, empty when it returns none; local are the meanings of the local row, which may have
** been edited again meanwhile, NULL when it is not there. parts has room for the table's columns. */
int leadx_change_shared(const leadx_change *change, leadx_slice row, const uint32_t *local,
                        uint32_t *parts, leadx_err *err);

/* Is the server's value of a field one that we sent before without hearing of it? Then nobody else
** chose it. */
int leadx_change_was_sent(const leadx_change *change, const leadx_field *field, leadx_slice theirs,
                          leadx_err *err);
/* The same for the whole row. */
int leadx_change_is_own_row(const leadx_change *change, leadx_slice row, leadx_err *err);

/* Makes it an UPDATE of that column alone, to the value of its own (aside.h), until it is loaded
** again. */
int leadx_change_step_aside(leadx_change *change, leadx_err *err);

/* Which members the object of a CREATE has, as a number: only objects of one shape share a
** request. */
uint64_t leadx_change_shape(const leadx_change *change);
/* About how many bytes the object takes. */
size_t leadx_change_bytes(const leadx_change *change);

/* Marks for sending only the references that a deferred CREATE left out; returns how many there
** are. */
int leadx_change_take_deferred(leadx_change *change);

/* Leaves out the columns that the server computes, once one has become known as such. */
void leadx_change_drop_computed(leadx_change *change);
/* Leaves out a column, where its value is a NULL, so that the server's DEFAULT counts. 1: it was left
** out. */
int leadx_change_drop_null(leadx_change *change, int column);

/* Appends the JSON object a request carries: all fields, or the changed ones. The version column
** travels as "now", which PostgreSQL reads as its own clock. */
void leadx_change_append_object(const leadx_change *change, int changed_only, sqlite3_str *out);

/* Appends the client's whole row as JSON, as it is in the queue (for the audit). */
void leadx_change_append_client(const leadx_change *change, sqlite3_str *out);
void leadx_change_append_base(const leadx_change *change, sqlite3_str *out);

#endif
