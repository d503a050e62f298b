/* Jobs: the units of a push that become one request each, and the two lists they wait in. */
#ifndef LEADX_JOB_H
#define LEADX_JOB_H

#include "http/request.h"
#include "push/change.h"

/* A CALL carries changes of any tables and actions to the server's function leadx_push(). */
typedef enum leadx_job_kind {
  LEADX_JOB_CREATE,
  LEADX_JOB_UPDATE,
  LEADX_JOB_DELETE,
  LEADX_JOB_FETCH,
  LEADX_JOB_CALL
} leadx_job_kind;

typedef struct leadx_job {
  struct leadx_job *next;
  leadx_job_kind kind;
  leadx_change **changes;
  int n;
  int minimal; /* CREATE: insert plainly, ask for nothing back */
  leadx_request *request; /* once it was started */
} leadx_job;

typedef struct leadx_jobs {
  leadx_job *first, **end;
  int n;
} leadx_jobs;

void leadx_jobs_init(leadx_jobs *jobs);
void leadx_jobs_clear(leadx_jobs *jobs);
/* Makes a job of n changes at the end of the list; SQLITE_NOMEM. */
int leadx_jobs_add(leadx_jobs *jobs, leadx_job_kind kind, leadx_change *const *changes, int n,
                   int minimal);
/* One more change for a job that has not started; SQLITE_NOMEM. */
int leadx_job_extend(leadx_job *job, leadx_change *change);
void leadx_jobs_append(leadx_jobs *jobs, leadx_job *job); /* takes the job over */
void leadx_jobs_prepend(
    leadx_jobs *jobs,
    leadx_jobs *first); /* puts all of another list before; that one is empty then */
leadx_job *leadx_jobs_take(leadx_jobs *jobs); /* the first one, NULL when empty */
void leadx_job_free(leadx_job *job);

#endif
