/* One push on its way; shared by the files that make it up, and by nobody else. */
#ifndef LEADX_PUSHING_H
#define LEADX_PUSHING_H

#include "push/job.h"
#include "push/push.h"
#include "push/write_back.h"

/* How many tables can be out of the ordinary in one push; more are merely found out again. */
#define LEADX_PUSH_TABLES 64

typedef struct leadx_some_tables {
  leadx_table *list[LEADX_PUSH_TABLES];
  int n;
} leadx_some_tables;

typedef struct leadx_push {
  leadx_run *run;
  leadx_jobs waiting; /* jobs not started yet */
  int in_flight;
  int batch; /* rows per request of several, for now */
  int calls_in_flight; /* requests to the server's function among those in flight */
  /* a change of the stage that all changes of the last call are of; NULL when they are of several */
  const leadx_change *calling;
  int waits_for_parent; /* changes this sweep left waiting behind a parent */
  int sweep_moved; /* this sweep settled something */
  int64_t behind; /* the sweep is past this rowid */
  int64_t stage_began_ms;
  char claimed_at[40];
  leadx_write_back write_back;
  leadx_some_tables paused; /* the server's schema does not fit them */
  leadx_some_tables write_only; /* one may insert into them but not read them */
  leadx_some_tables probed; /* a denied batch sent one row ahead, to find that out */
} leadx_push;

void leadx_pushing_clear(leadx_push *push);
leadx_db *leadx_pushing_db(const leadx_push *push);

int leadx_pushing_has_table(const leadx_some_tables *tables, const leadx_table *table);
void leadx_pushing_note_table(leadx_some_tables *tables, leadx_table *table);
/* Does the server's function take the change? */
int leadx_pushing_is_served(const leadx_push *push, const leadx_change *change);
int leadx_pushing_is_paused(const leadx_push *push, const leadx_table *table);
int leadx_pushing_is_write_only(const leadx_push *push, const leadx_table *table);

/* A batch that was refused is cut in two, so that the rows at fault come to stand alone. New jobs go
** to the end of push->waiting. */
int leadx_pushing_split(leadx_push *push, const leadx_job *job, leadx_err *err);
/* The server refused the token, not the rows: the job waits for a new one. */
int leadx_pushing_ask_again(leadx_push *push, const leadx_job *job, leadx_err *err);

#endif
