/* UNIQUE values that change hands. A change that asks for a value which another row of the server
** still has is not at fault: that row may be about to give it up. It waits until the others of its
** plan have had their turn, and then goes behind the one that gives the value up. Of a circle one row
** steps aside first (aside.h). What still finds its value taken in the end is FAILED. */
#ifndef LEADX_TAKEN_H
#define LEADX_TAKEN_H

#include "push/plan.h"

/* Moves the plan's changes that wait for a value to its end, in an order in which each comes behind
** the one that has its value, as far as their bases tell. *first is where they begin. Nothing of the
** plan may be on its way. */
int leadx_taken_order(leadx_db *db, leadx_plan *plan, int *first, leadx_err *err);

/* May a value have come free: is there a change of the same table beside one of those that wait, which
** gives up what it has? Otherwise asking again is in vain. */
int leadx_taken_has_hope(const leadx_plan *plan, int first);

/* Chooses one of the changes from `first` on that wait for each other, and which can step aside: its
** field `aside` is set. *chosen is 0 when there is none. */
int leadx_taken_choose(leadx_db *db, leadx_plan *plan, int first, int *chosen, leadx_err *err);

#endif
