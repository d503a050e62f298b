/* The order of a push: changes made from the window's rows, sorted so that the most urgent entity
** goes first but never before the parent that it refers to. */
#ifndef LEADX_PLAN_H
#define LEADX_PLAN_H

#include "push/change.h"

typedef struct leadx_plan {
  leadx_change *changes; /* in sending order */
  int n;
  leadx_member *
      *rejects; /* rows that cannot be sent: unknown entity or action; borrowed from the window */
  int nrejects;
  leadx_member **
      /* rows of another user, and of this one behind them, that do not say so yet; borrowed
      ** likewise */
      behind;
  int nbehind;
  int waiting; /* changes left out because they wait for a time or a person */
} leadx_plan;

/* Groups the window's rows by their row, folds them, and orders them. The window must outlive the
** plan; its members are reordered. */
int leadx_plan_make(leadx_db *db, leadx_window *window, leadx_plan *plan, leadx_err *err);
void leadx_plan_clear(leadx_plan *plan);

/* May two changes be sent together, in any order among them: are they of one table, action,
** priority and level? */
int leadx_plan_is_same_stage(const leadx_change *a, const leadx_change *b);

/* The end (exclusive) of the stage that begins at i: changes of one table and one action that may
** be sent together, in any order among them. */
int leadx_plan_stage_end(const leadx_plan *plan, int i);

#endif
