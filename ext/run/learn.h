/* The types of keys that only the server knows.
**
** A column that is declared TEXT here may be a uuid there, and an application may write its ids in
** capitals or without dashes. The server spells them its own way, so one row would have two keys.
** Where such a key stands in the queue, or in a table that was never pulled, the server is asked,
** once for each column: a condition that no uuid satisfies is refused by a uuid column in words of
** its own. What it answers is kept with the table's options ("learned"), as if the application had
** named the type. A column of texts stays one: two texts that differ in case are two keys.
**
** A question that is not answered changes nothing; the next sync asks again. */
#ifndef LEADX_LEARN_H
#define LEADX_LEARN_H

#include "run/run.h"

/* Asks about the columns in doubt (leadx_key_doubt()) and keeps the answers. *learned: a column is
** a uuid, so the tables have to be read anew and their queue be settled again. Without a
** transaction; costs no request when nothing is in doubt. */
int leadx_learn_types(leadx_run *run, int *learned, leadx_err *err);

/* Keeps that the server computes the column, as it has said: it is not sent any more. In a
** transaction. */
int leadx_learn_computed(leadx_db *db, leadx_table *table, int column, leadx_err *err);

#endif
