/* What needs a person: rows that failed, open conflicts, parked rows, paused tables. The virtual
** table leadx_problems lists them (problem_list in sql/store/problem.sql); a sync counts them. */
#ifndef LEADX_PROBLEM_H
#define LEADX_PROBLEM_H

#include "store/db.h"

/* *n: how many things of the file need a person whatever the last sync met. Reads no settled row of
** the queue. The tables of leadx must be there. */
int leadx_problem_count(leadx_db *db, int64_t *n, leadx_err *err);

#endif
