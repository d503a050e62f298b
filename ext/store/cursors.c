/* How far each table was pulled. See cursors.h. */
#include "store/cursors.h"

#include "store/parking.h"

int leadx_cursors_forget(leadx_db *db, const char *entity, leadx_err *err) {
  int rc = leadx_db_run(db, LEADX_SQL_CURSORS_FORGET, err, "t", entity);
  if (rc == SQLITE_OK) rc = leadx_db_run(db, LEADX_SQL_CURSORS_FORGET_PLACES, err, "t", entity);
  return rc == SQLITE_OK ? leadx_parking_forget(db, entity, err) : rc;
}
