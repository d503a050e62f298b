/* Calls of the server's function leadx_push(): when one may start, and what its answer means for
** its changes. What the function cannot do goes the plain way, whose answers have the last word. */
#ifndef LEADX_CALL_H
#define LEADX_CALL_H

#include "push/pushing.h"

/* POST of n changes of any tables and actions. Each gets its op: an id that stands for this very
** effect of these very queue rows on that version, so what is sent again after a lost answer bears
** the same one, and whatever else is sent another. NULL and an error when out of memory. */
leadx_request *leadx_call_request(const leadx_target *target, leadx_change *const *changes, int n,
                                  leadx_err *err);

/* Takes out of a call what is not to be called any more: changes of paused tables (they stay
** claimed and are released at the end), and changes of tables that are not served any more, which
** get plain jobs. */
int leadx_call_trim(leadx_push *push, leadx_job *job, leadx_err *err);

/* May the call start now? A second call travels beside the first only when the changes of both are of
** one stage: then no row of it can refer to a row that the first has yet to insert. */
int leadx_call_may_start(const leadx_push *push, const leadx_job *job);
/* Counts a call as in flight, and as answered. */
void leadx_call_started(leadx_push *push, const leadx_job *job);
void leadx_call_ended(leadx_push *push);

/* Settles each change by its item of the array that the server answered. */
int leadx_call_settle(leadx_push *push, leadx_job *job, leadx_slice array, leadx_class *class_,
                      leadx_err *err);
/* Settles a call that was refused as a whole: it is halved, sent again, or sent without the function. */
int leadx_call_refused(leadx_push *push, leadx_job *job, const leadx_verdict *verdict,
                       leadx_err *err);

#endif
