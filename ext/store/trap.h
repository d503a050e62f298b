/* Traps that SQLite does not see: before 3.44 a CHECK may call a function that is for direct use only
** (writefile() of the shell, for one), and it runs for every row that is written, by us as well. */
#ifndef LEADX_TRAP_H
#define LEADX_TRAP_H

#include "store/db.h"

/* Refuses a file that has a table with such a CHECK, whoever writes to it. leadx's own functions say
** no by themselves. */
int leadx_trap_check(leadx_db *db, const char *who, leadx_err *err);

/* Does SQL call a function of the names, each between two line ends, in small letters? *call gets the
** name as it is written, at most n bytes with the NUL. */
int leadx_trap_calls(const char *sql, const char *names, char *call, size_t n);

#endif
