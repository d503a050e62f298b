/* What needs a person. See problem.h. */
#include "store/problem.h"

int leadx_problem_count(leadx_db *db, int64_t *n, leadx_err *err) {
  return leadx_db_int(db, LEADX_SQL_PROBLEM_COUNTS, err, n, "");
}
