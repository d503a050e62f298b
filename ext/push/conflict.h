/* The decision when a row changed on both sides. Pure: no handle, no clock, no database, no memory,
** so that a table of cases tests all of it.
**
** A conflict is found by comparing with the base, the version both sides started from; times only
** decide it. Each column falls into one of five cases, under every policy the same:
**
**   server = client                 no conflict, nothing left to send
**   only the client changed it      the client's value is kept
**   only the server changed it      the server's value is kept
**   both changed it, differently    contested: the policy decides
**   the base is not known           as if both had changed it
**
** So two people who edit two columns of one row both keep their edit, whatever the policy.
** Values are compared by meaning (leadx_json_equal): 1.0 is 1, and the order of keys is nothing. */
#ifndef LEADX_CONFLICT_H
#define LEADX_CONFLICT_H

#include "base/json.h"

/* What to do with a contested column. */
typedef enum leadx_policy {
  LEADX_POLICY_TIMESTAMP, /* the newer instant wins; the same instant asks */
  LEADX_POLICY_MERGE, /* what one side changed is kept; contested columns as TIMESTAMP */
  LEADX_POLICY_CLIENT,
  LEADX_POLICY_SERVER,
  LEADX_POLICY_MANUAL /* always asks */
} leadx_policy;

#define LEADX_POLICY_COUNT 5

/* The name as it stands in settings: "timestamp", "merge", "client", "server", "manual". */
const char *leadx_policy_name(leadx_policy policy);

/* Returns 0, or 1 when there is no policy of that name (exact), leaving *policy alone. */
int leadx_policy_parse(const char *name, leadx_policy *policy);

typedef enum leadx_take {
  LEADX_TAKE_SERVER, /* keep what the server has */
  LEADX_TAKE_CLIENT, /* send what the client has */
  LEADX_TAKE_ASK /* neither, until somebody decides */
} leadx_take;

const char *leadx_take_name(leadx_take take); /* "server", "client", "ask" */

typedef struct leadx_conflict_column {
  const char *name; /* not looked at; for the caller's audit */
  leadx_slice base; /* empty when no base is known */
  leadx_slice client; /* checked JSON values, as are the other two */
  leadx_slice server;
  int is_contested; /* out */
  leadx_take take; /* out */
} leadx_conflict_column;

/* When a side last changed the row. What could not be read as an instant is not known, and
** what is not known is never older. */
typedef struct leadx_conflict_instant {
  int is_known;
  int64_t us; /* since 1970 UTC */
} leadx_conflict_instant;

typedef struct leadx_conflict_summary {
  int has_contested; /* at least one column is contested: the audit gets an entry */
  int has_ask; /* at least one column waits for a person: the row is held */
} leadx_conflict_summary;

/* Decides every column: fills is_contested and take of columns[0..count). */
leadx_conflict_summary leadx_conflict_decide(leadx_policy policy, leadx_conflict_instant client,
                                             leadx_conflict_instant server,
                                             leadx_conflict_column *columns, size_t count);

#endif
