/* Jobs. See job.h. */
#include "push/job.h"

#include <string.h>

void leadx_jobs_init(leadx_jobs *jobs) {
  jobs->first = NULL;
  jobs->end = &jobs->first;
  jobs->n = 0;
}

void leadx_job_free(leadx_job *job) {
  if (!job) return;
  leadx_request_free(job->request);
  sqlite3_free(job->changes);
  sqlite3_free(job);
}

void leadx_jobs_clear(leadx_jobs *jobs) {
  leadx_job *job;
  while ((job = leadx_jobs_take(jobs)) != NULL) leadx_job_free(job);
}

void leadx_jobs_append(leadx_jobs *jobs, leadx_job *job) {
  job->next = NULL;
  *jobs->end = job;
  jobs->end = &job->next;
  jobs->n++;
}

int leadx_jobs_add(leadx_jobs *jobs, leadx_job_kind kind, leadx_change *const *changes, int n,
                   int minimal) {
  leadx_job *job = sqlite3_malloc64(sizeof *job);
  leadx_change **copy = sqlite3_malloc64(sizeof *copy * (size_t)n);
  if (!job || !copy) {
    sqlite3_free(job);
    sqlite3_free(copy);
    return SQLITE_NOMEM;
  }
  memset(job, 0, sizeof *job);
  memcpy(copy, changes, sizeof *copy * (size_t)n);
  job->kind = kind;
  job->changes = copy;
  job->n = n;
  job->minimal = minimal;
  leadx_jobs_append(jobs, job);
  return SQLITE_OK;
}

int leadx_job_extend(leadx_job *job, leadx_change *change) {
  leadx_change **more = sqlite3_realloc64(job->changes, sizeof *more * ((size_t)job->n + 1));
  if (!more) return SQLITE_NOMEM;
  job->changes = more;
  more[job->n++] = change;
  return SQLITE_OK;
}

void leadx_jobs_prepend(leadx_jobs *jobs, leadx_jobs *first) {
  if (!first->first) return;
  *first->end = jobs->first;
  if (!jobs->first) jobs->end = first->end;
  jobs->first = first->first;
  jobs->n += first->n;
  leadx_jobs_init(first);
}

leadx_job *leadx_jobs_take(leadx_jobs *jobs) {
  leadx_job *job = jobs->first;
  if (!job) return NULL;
  jobs->first = job->next;
  if (!jobs->first) jobs->end = &jobs->first;
  jobs->n--;
  return job;
}
