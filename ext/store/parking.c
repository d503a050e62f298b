/* The parked rows. See parking.h. */
#include "store/parking.h"

int leadx_parking_add(leadx_db *db, const char *entity, const char *key, leadx_parking why,
                      const char *reason, leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_PARKING_ADD, err, "ttti", entity, key, reason,
                      (int64_t)(why == LEADX_REFUSED));
}

int leadx_parking_add_queued(leadx_db *db, const char *queue_id, leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_PARKING_ADD_QUEUED, err, "t", queue_id);
}

int leadx_parking_add_effects(leadx_db *db, int64_t above, const char *entity, const char *key,
                              leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_PARKING_ADD_EFFECTS, err, "itt", above, entity, key);
}

int leadx_parking_leave(leadx_db *db, const char *entity, const char *key, leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_PARKING_LEAVE, err, "tt", entity, key);
}

int leadx_parking_try(leadx_db *db, const char *entity, const char *key, leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_PARKING_TRY, err, "tt", entity, key);
}

int leadx_parking_leave_tried(leadx_db *db, const char *entity, const char *key, leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_PARKING_LEAVE_TRIED, err, "tt", entity, key);
}

int leadx_parking_is_buried(leadx_db *db, const char *entity, const char *key, int *yes,
                            leadx_err *err) {
  int64_t found = 0;
  int rc = leadx_db_int(db, LEADX_SQL_PARKING_IS_BURIED, err, &found, "tt", entity, key);
  *yes = found != 0;
  return rc;
}

int leadx_parking_revive(leadx_db *db, const char *entity, const char *key, leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_PARKING_REVIVE, err, "tt", entity, key);
}

sqlite3_stmt *leadx_parking_list(leadx_db *db, const char *entity, const char *after,
                                 leadx_err *err) {
  return leadx_db_query(db, LEADX_SQL_PARKING_LIST, err, "ss", entity, after);
}

int leadx_parking_forget(leadx_db *db, const char *entity, leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_PARKING_FORGET, err, "t", entity);
}

int leadx_parking_rename(leadx_db *db, const char *before, const char *entity, leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_PARKING_RENAME, err, "tt", before, entity);
}

int leadx_parking_respell(leadx_db *db, const char *entity, const char *from, const char *to,
                          leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_PARKING_RESPELL, err, "ttt", entity, from, to);
}
