/* One table's pull on its way; shared by the files that make it up, and by nobody else.
**
** A page is the rows of one answer. A stretch is what one write transaction takes of a page. A group
** is the rows of a stretch that are applied between two looks at the clock. */
#ifndef LEADX_PULLING_H
#define LEADX_PULLING_H

#include "pull/page.h"
#include "pull/pull.h"
#include "pull/turns.h"
#include "rows/intake.h"

/* What a table's pull goes through; pull.c has the step of each. The numbers stand in the temporary
** table of single steps. */
typedef enum leadx_phase {
  LEADX_BY_VERSION, /* rows behind a version and a key (by_version.c) */
  LEADX_WITHOUT_VERSION, /* rows that have no version, by key (by_version.c) */
  LEADX_PARKED, /* rows that could not be applied before, by key (parked.c) */
  LEADX_PULLED, /* the end */
  LEADX_BY_CALL /* pages of the server's function leadx_pull(), in place of BY_VERSION (by_call.c) */
} leadx_phase;

/* Parked rows fetched by key at a time. */
#define LEADX_PARKED_KEYS 100
/* No table has more rows; a larger figure is none. */
#define LEADX_MOST_ROWS ((int64_t)1 << 50)

/* Rows of the page at hand that were refused because another row here has one of their UNIQUE
** values; slices of the page. */
typedef struct leadx_clashes {
  leadx_slice *rows;
  int n, room;
} leadx_clashes;

/* One round of the parked rows: how many went in, and how many clashed with others that may go in
** later in it; and which round it is. */
typedef struct leadx_round {
  int64_t moved, clashed;
  int number;
} leadx_round;

typedef struct leadx_pulling {
  leadx_run *run;
  leadx_table *table;
  leadx_intake *intake;
  leadx_phase phase; /* set by leadx_pulling_enter() */
  leadx_place place; /* behind the last row applied */
  leadx_place saved; /* what the next pull starts from: never in the server's future */
  char *cursor; /* of the server's function: where the next page begins; NULL: at the beginning */
  leadx_slice gone; /* keys of deleted rows that the next stretch removes first */
  leadx_clashes clashes;
  leadx_slice next_cursor; /* saved with the last stretch of a page */
  char *after; /* the last parked key that was looked at */
  leadx_round round; /* of looking at the parked rows */
  int limit; /* rows asked for at once */
  int proven; /* rows the server was seen to answer at once */
  uint64_t mark; /* a place where this pull was, and how many pages it is kept for: see */
  int64_t kept, kept_for; /* leadx_pulling_is_circling() */
  char *fingerprint; /* of the wanted columns and the filter */
  int64_t server_us; /* the server's clock, 0 unknown */
  int64_t began_us; /* the same when this pull began */
  int is_first; /* no page has come yet */
  int from_beginning; /* there was no place to start from */
  int midway; /* the last pull stopped between two pages */
  int anew; /* take rows whose version is known, too: the columns have changed */
  int failed; /* the table cannot be read */
  int is_costly; /* a page was too slow or too large: nobody is asked to count as well */
  leadx_turn *turn; /* how far this table has come among the others */
  int may_wait; /* other tables may go before the rest of this one */
} leadx_pulling;

/* ---- pulling.c ---- */

/* Goes on to a phase. */
void leadx_pulling_enter(leadx_pulling *pulling, leadx_phase phase);
/* Is it worth while to ask for the next page before this one of so many rows is applied? Not for a
** few rows, nor where somebody counts the requests, nor when two such answers could be too much to
** hold. No transaction waits for what leadx_exchange_send_ahead() sends: it is listened for between
** two of them. */
int leadx_pulling_may_ask_ahead(const leadx_pulling *pulling, const leadx_request *done, int count);
/* Was this pull at that place before, where its next page begins? Versions that nobody can compare, and
** cursors in the server's own words, could lead in a circle for ever. One place is remembered, for one
** page, then another for two, four, eight …: a circle of any length is noticed before it was gone
** round four times. */
int leadx_pulling_is_circling(leadx_pulling *pulling, const char *version, const char *key);
/* The last page was reached: the next pull starts before this one began. */
int leadx_pulling_arrive(leadx_pulling *pulling, leadx_err *err);
/* Notes the server's clock when a request was sent. */
void leadx_pulling_note_time(leadx_pulling *pulling, const leadx_request *done, int64_t took_ms);
/* So many rows have come: counts them for progress, and as an answer that the server can give. */
void leadx_pulling_count_rows(leadx_pulling *pulling, int count);
/* Nothing of a strange answer is applied, and the run ends. */
void leadx_pulling_say_strange(leadx_pulling *pulling, const char *strange);
/* Counts the local rows that were changed since so many were (tally.pulled) in the table's changes, in
** the write transaction that changed them. */
int leadx_pulling_note_changes(leadx_run *run, const leadx_table *table, int64_t before,
                               leadx_err *err);

/* ---- place.c: where a pull begins, and what is saved of it ---- */

/* Finds the place that the last pull saved, and the one where this pull begins. */
int leadx_place_load(leadx_pulling *pulling, leadx_err *err);
/* The place of a row; it is cleared before. */
int leadx_place_set(leadx_place *place, const leadx_table *table, leadx_slice row, leadx_err *err);
/* Moves behind the last of some rows. Inside the transaction that applies them. */
int leadx_place_move(leadx_pulling *pulling, const leadx_slice *rows, int n, leadx_err *err);
/* Saves the place; likewise. */
int leadx_place_save(leadx_pulling *pulling, leadx_err *err);
/* Saves the cursor of the server's function, where a page brought one; likewise. */
int leadx_place_save_cursor(leadx_pulling *pulling, leadx_err *err);
/* The user whose places they are; "" for nobody. */
const char *leadx_place_user(const leadx_run *run);

/* ---- stretch.c ---- */

/* Applies the count rows of a page in stretches, each with the place behind it. */
int leadx_stretch_apply(leadx_pulling *pulling, leadx_slice rows, int count, leadx_err *err);
/* Applies some rows, at most LEADX_GROUP_ROWS, whatever order their references ask for; one whose
** parent is not here is parked. anew: also those whose version is known. Inside a write
** transaction, between leadx_intake_begin() and _end(). */
int leadx_stretch_apply_rows(leadx_pulling *pulling, const leadx_slice *rows, int n, int anew,
                             leadx_err *err);
/* Rows of a group. */
#define LEADX_GROUP_ROWS 250

/* ---- clash.c: rows that exchange UNIQUE values ---- */

/* Keeps in mind a row that was refused because another row here has one of its UNIQUE values; as long
** as the page is there. */
int leadx_clash_note(leadx_pulling *pulling, leadx_slice row, leadx_err *err);
/* Takes those rows all together, where they exchange what they have among each other. Inside a write
** transaction, between leadx_intake_begin() and _end(). */
int leadx_clash_settle(leadx_pulling *pulling, leadx_err *err);
void leadx_clash_clear(leadx_pulling *pulling);

/* ---- the steps of the phases: one request each, and what it brings ---- */

int leadx_by_version_step(leadx_pulling *pulling, leadx_err *err);
int leadx_parked_step(leadx_pulling *pulling, leadx_err *err);
/* Enters BY_CALL, and finds the cursor to begin behind, where the server's function serves the
** table. Once the plain place is known. */
int leadx_by_call_begin(leadx_pulling *pulling, leadx_err *err);
/* A server that has no such function (any more) leaves the phase BY_VERSION. */
int leadx_by_call_step(leadx_pulling *pulling, leadx_err *err);

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
