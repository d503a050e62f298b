/* Turns: the order in which a pull takes the tables. Parents come before those that refer to them;
** of those that are fetched for the first time every one has a page before the large ones go on, so
** that small tables are here first. Pure. */
#ifndef LEADX_TURNS_H
#define LEADX_TURNS_H

#include "store/tables.h"

typedef struct leadx_turn {
  int is_done; /* all of it is here, or it cannot be read */
  int is_begun; /* its first page is here, and there is more */
  int64_t done, left; /* rows that came, and that are on the server still; left < 0: not known */
} leadx_turn;

/* Whose turn it is: an index into the tables, -1 when all are done. A circle of references has to
** begin somewhere. */
int leadx_turns_next(const leadx_tables *tables, const leadx_turn *turns);
/* May another table go before i, which is not done? */
int leadx_turns_has_other(const leadx_tables *tables, const leadx_turn *turns, int i);

#endif
