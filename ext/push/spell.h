/* The requests of a push: changes in, leadx_request out. Spelling only; nothing is sent or stored
** here. */
#ifndef LEADX_SPELL_H
#define LEADX_SPELL_H

#include "push/change.h"
#include "rest/target.h"

/* POST of n changes with equal members: inserts, ignoring keys that exist, and returns the rows;
** minimal inserts plainly and returns nothing (for tables that one may write but not read). NULL
** and an error when out of memory. */
leadx_request *leadx_spell_create(const leadx_target *target, leadx_change *const *changes, int n,
                                  int minimal, leadx_err *err);
/* PATCH of the changed columns (or the soft delete), on the condition of the known version; returns
** the row. */
leadx_request *leadx_spell_update(const leadx_target *target, const leadx_change *change,
                                  leadx_err *err);
/* DELETE on the condition of the known version; returns the row. */
leadx_request *leadx_spell_delete(const leadx_target *target, const leadx_change *change,
                                  leadx_err *err);
/* GET of the rows of n changes of one table. */
leadx_request *leadx_spell_fetch(const leadx_target *target, leadx_change *const *changes, int n,
                                 leadx_err *err);

/* Appends the object that an update carries: the changed columns, or the stamp of a soft delete. */
void leadx_spell_append_update(const leadx_change *change, sqlite3_str *out);

/* How many bytes a change's key takes in the URL of a fetch, at most. */
size_t leadx_spell_key_bytes(const leadx_change *change);

#endif
