/* One table's pull on its way; shared by the files that make it up, and by nobody else. */
#ifndef LEADX_PULLING_H
#define LEADX_PULLING_H

#include "rows/intake.h"
#include "pull/page.h"
#include "pull/pull.h"
#include "pull/turns.h"

/* BY_CALL reads the pages of the server's function (by_call.c), the others plain PostgREST
** (pull.c). */
typedef enum leadx_phase {
  LEADX_BY_VERSION,
  LEADX_WITHOUT_VERSION,
  LEADX_PARKED,
  LEADX_PULLED,
  LEADX_BY_CALL
} leadx_phase;

/* No table has more; a larger figure is none. */
#define LEADX_MOST_ROWS ((int64_t)1 << 50)
/* Parked rows fetched by key at a time. */
#define LEADX_PARKED_KEYS 100

typedef struct leadx_pulling {
  leadx_run *run;
  leadx_table *table;
  leadx_intake *intake;
  leadx_phase phase;
  leadx_place place; /* behind the last row applied */
  leadx_place saved; /* what the next pull starts from: never in the server's future */
  char *cursor; /* of the server's function: where the next page begins; NULL: at the beginning */
  leadx_slice gone; /* keys of deleted rows that the next stretch removes first */
  leadx_slice next_cursor; /* saved with the last stretch of a page */
  char *after; /* the last parked key that was looked at */
  int limit; /* rows asked for at once */
  int proven; /* rows the server was seen to answer at once */
  char *fingerprint;
  int64_t server_us; /* the server's clock, 0 unknown */
  int64_t began_us; /* the same when this pull began */
  int is_first; /* no page has come yet */
  int from_beginning; /* there was no place to start from */
  int midway; /* the last pull stopped between two pages */
  int anew; /* take rows whose version is known, too: the columns have changed */
  int failed; /* the table cannot be read */
  leadx_turn *turn; /* how far this table has come among the others */
  int may_wait; /* other tables may go before the rest of this one */
} leadx_pulling;

/* ---- pull.c ---- */

/* Applies the count rows of a page in stretches, each with the place behind it. */
int leadx_pulling_apply(leadx_pulling *pulling, leadx_slice rows, int count, leadx_err *err);
/* The last page was reached: the next pull starts before this one began. */
int leadx_pulling_arrive(leadx_pulling *pulling, leadx_err *err);
/* Notes the server's clock when a request was sent. */
void leadx_pulling_note_time(leadx_pulling *pulling, const leadx_request *done, int64_t took_ms);
void leadx_pulling_show_progress(leadx_pulling *pulling, int count);
/* Nothing of a strange answer is applied, and the run ends. */
void leadx_pulling_say_strange(leadx_pulling *pulling, const char *strange);

/* ---- by_call.c: pages of the server's function ---- */

/* Finds the cursor to begin behind. Once the plain place is known. */
int leadx_by_call_begin(leadx_pulling *pulling, leadx_err *err);
/* Asks for the next page and applies it. A server that has no such function (any more) leaves the
** phase BY_VERSION. */
int leadx_by_call_page(leadx_pulling *pulling, leadx_err *err);
/* Inside the transaction of a stretch: what a page brings beside its rows. */
int leadx_by_call_remove(leadx_pulling *pulling, leadx_err *err);
int leadx_by_call_save(leadx_pulling *pulling, leadx_err *err);

/* ---- stepping.c: where a pull in single steps goes on; nothing for one that takes no steps
** ---- */

int leadx_stepping_begin(const leadx_run *run, leadx_err *err);
/* How far the steps so far have brought a table. */
int leadx_stepping_load_turn(leadx_run *run, const leadx_table *table, leadx_turn *turn,
                             leadx_err *err);
/* Goes on where the last step of this table stopped; notes where this one did. */
int leadx_stepping_load(leadx_pulling *pulling, leadx_err *err);
int leadx_stepping_save(leadx_pulling *pulling, leadx_err *err);
/* All tables have arrived: the next step begins another round. */
int leadx_stepping_end(const leadx_run *run, leadx_err *err);

/* ---- examine.c: is it what was asked for? ---- */

/* What is strange about some rows, or NULL. asked: n entity_ids of which they must be, or NULL:
** then at most limit rows behind the place. *n gets the number of rows, *last the last one. Without
** the memory to look there is an error, and the rows say nothing. */
const char *leadx_examine_rows(const leadx_pulling *pulling, leadx_slice rows, char *const *asked,
                               int limit, int *n, leadx_slice *last, leadx_err *err);

#endif
