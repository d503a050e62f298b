/* One push on its way. See pushing.h. */
#include "push/pushing.h"

void leadx_pushing_clear(leadx_push *push) {
  leadx_jobs_clear(&push->waiting);
  leadx_write_back_clear(&push->write_back);
}

leadx_db *leadx_pushing_db(const leadx_push *push) { return &push->run->ctx->db; }

int leadx_pushing_has_table(const leadx_some_tables *tables, const leadx_table *table) {
  for (int i = 0; i < tables->n; i++) {
    if (tables->list[i] == table) return 1;
  }
  return 0;
}

void leadx_pushing_note_table(leadx_some_tables *tables, leadx_table *table) {
  if (!leadx_pushing_has_table(tables, table) && tables->n < LEADX_PUSH_TABLES)
    tables->list[tables->n++] = table;
}

int leadx_pushing_is_served(const leadx_push *push, const leadx_change *change) {
  return leadx_run_of(push->run, change->table)->served;
}

int leadx_pushing_is_paused(const leadx_push *push, const leadx_table *table) {
  return leadx_pushing_has_table(&push->paused, table);
}
int leadx_pushing_is_write_only(const leadx_push *push, const leadx_table *table) {
  return leadx_pushing_has_table(&push->write_only, table);
}

int leadx_pushing_split(leadx_push *push, const leadx_job *job, leadx_err *err) {
  int half = (job->n + 1) / 2;
  int rc = leadx_jobs_add(&push->waiting, job->kind, job->changes, half, job->minimal);
  if (rc == SQLITE_OK)
    rc = leadx_jobs_add(&push->waiting, job->kind, job->changes + half, job->n - half,
                        job->minimal);
  return leadx_err_memory(err, rc);
}

int leadx_pushing_ask_again(leadx_push *push, const leadx_job *job, leadx_err *err) {
  int rc = leadx_jobs_add(&push->waiting, job->kind, job->changes, job->n, job->minimal);
  return leadx_err_memory(err, rc);
}
