/* A change and the row that the server has instead: what to do, and what goes into the audit. */
#ifndef LEADX_OUTCOME_H
#define LEADX_OUTCOME_H

#include "push/change.h"

typedef enum leadx_step {
  LEADX_STEP_ACK, /* the server has what the change wants (or a decision made it so) */
  LEADX_STEP_UPDATE, /* PATCH what is left, on the fetched version */
  LEADX_STEP_CREATE, /* the row is gone and stands to be made again */
  LEADX_STEP_DELETE, /* DELETE again, on the fetched version */
  LEADX_STEP_GONE, /* the server deleted the row: its delete wins, the edit goes to the audit */
  LEADX_STEP_FORBID, /* the server does not let this user do it */
  LEADX_STEP_ASK /* a person decides; the row waits */
} leadx_step;

/* Decides for a change whose request matched no row (or whose key existed already), given the
** fetched row (an empty slice when the server shows none). A fetched row's version becomes the
** change's. policy is the setting's name where the table has none of its own. */
int leadx_outcome_fetched(leadx_change *change, leadx_slice row, const char *policy,
                          leadx_step *step, leadx_err *err);

/* Writes the audit of a decision (or, winner NULL, an open question) into sync_conflicts. */
int leadx_outcome_record(leadx_db *db, const leadx_change *change, const char *server,
                         const char *contested, const char *winner, const char *resolution,
                         leadx_err *err);

#endif
