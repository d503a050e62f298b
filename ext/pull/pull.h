/* Pull: what others changed, page by page behind a cursor that is the server's own text. */
#ifndef LEADX_PULL_H
#define LEADX_PULL_H

#include "push/push.h"

/* Fetches and applies what changed since the last pull, for one table (NULL: all that pull),
** parents first. SQLITE_OK also when the network or the server stopped it (see
** run->tally.ended). */
int leadx_pull_run(leadx_run *run, const char *only_table, leadx_err *err);

/* Sends one request and waits for its answer, counting it in the tally. Takes the request over,
** which may be NULL after an error. The caller frees what it answers; NULL and an error when it
** could not be started. *verdict judges it. */
leadx_request *leadx_pull_exchange(leadx_run *run, leadx_request *request, int wants_array,
                                   leadx_verdict *verdict, leadx_err *err);

/* Is it worth while to ask for the next page before this one of so many rows is applied? Not for a
** few rows, nor where somebody counts the requests, nor when two such answers could be too much to
** hold. No transaction waits for what leadx_auth_send_ahead() sends: it is between two of them that
** anybody listens. */
int leadx_pull_may_ask_ahead(const leadx_run *run, const leadx_request *done, int count);

/* The run ends because of that verdict (or, where it concerns one table, goes on without it). */
void leadx_pull_stop(leadx_run *run, const leadx_verdict *verdict, const leadx_request *request,
                     const leadx_table *table);

/* Was it too many bytes, too long a statement, or a link on which they do not arrive in time? */
int leadx_pull_is_too_much(const leadx_request *done, leadx_class class_);

/* The same with the answer judged. The caller frees; NULL and an error when it could not be
** started. *rows is the checked array; *class_ says how it went. may_shrink: fewer rows can be
** asked for, so an answer that was too big or took too long is LEADX_CLASS_SHRINK and ends
** nothing. */
leadx_request *leadx_pull_ask(leadx_run *run, leadx_request *request, int may_shrink,
                              leadx_slice *rows, leadx_class *class_, const leadx_table *table,
                              leadx_err *err);

/* May another request be sent? */
int leadx_pull_may_ask(const leadx_run *run);

/* A parked row went in after all. Inside a write transaction. */
int leadx_pull_unpark(leadx_run *run, const leadx_table *table, const char *key, leadx_err *err);

/* Servers cap the rows of an answer silently: may those of the n keys asked for that did not come
** be called gone? *proven is how many rows the server has been seen to answer at once; it grows. */
int leadx_pull_is_believable(int asked, int came, int *proven);

#endif
