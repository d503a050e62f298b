/* Whose the rows of the queue are. See owner.h; the statements are sql/store/owner.sql. */
#include "store/owner.h"

#include <string.h>

int leadx_owner_get(leadx_db *db, char user[LEADX_USER_BYTES], leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_OWNER_GET, err, "");
  user[0] = 0;
  if (!stmt) return err->rc;
  const char *text = leadx_db_next(db, stmt, err) ? leadx_db_text(stmt, 0, err) : NULL;
  if (text && strlen(text) >= LEADX_USER_BYTES)
    leadx_err_set(err, SQLITE_CORRUPT,
                  "leadx: the user that the file names is longer than %d bytes, which nobody is; "
                  "DELETE FROM leadx_settings WHERE key = 'user', and sign in",
                  LEADX_USER_BYTES - 1);
  else sqlite3_snprintf(LEADX_USER_BYTES, user, "%s", text ? text : "");
  leadx_db_put(db, stmt);
  return err->rc;
}

int leadx_owner_adopt(leadx_db *db, const char *user, leadx_err *err) {
  char before[LEADX_USER_BYTES];
  int rc = leadx_owner_get(db, before, err);
  if (rc != SQLITE_OK || strcmp(before, user) == 0) return rc;
  rc = leadx_queue_check_mark(db, err);
  if (rc == SQLITE_OK && before[0]) rc = leadx_db_run(db, LEADX_SQL_OWNER_STAMP, err, "t", before);
  if (rc == SQLITE_OK && !before[0]) rc = leadx_db_run(db, LEADX_SQL_OWNER_RETRY, err, "");
  if (rc == SQLITE_OK) rc = leadx_db_run(db, LEADX_SQL_OWNER_SET, err, "t", user);
  if (rc == SQLITE_OK) rc = leadx_db_run(db, LEADX_SQL_OWNER_WELCOME, err, "t", user);
  if (rc == SQLITE_OK) rc = leadx_db_run(db, LEADX_SQL_OWNER_NOTE, err, "t", user);
  if (rc == SQLITE_OK) rc = leadx_db_run(db, LEADX_SQL_OWNER_FORGET_CURSORS, err, "t", user);
  return rc;
}

int leadx_owner_take(leadx_db *db, const char *user, const char *from, int64_t *n, leadx_err *err) {
  char before[LEADX_USER_BYTES];
  *n = 0;
  if (leadx_owner_get(db, before, err) != SQLITE_OK || leadx_queue_check_mark(db, err) != SQLITE_OK)
    return err->rc;
  /* Rows without a name of their own are the file's user's, who may be somebody. */
  int is_nobodys = !from && !before[0], rc = SQLITE_OK;
  if (!is_nobodys) rc = leadx_owner_adopt(db, user, err);
  if (rc == SQLITE_OK && (from || is_nobodys)) {
    rc = leadx_db_run(db, LEADX_SQL_OWNER_TAKE, err, "ts", user, from);
    *n = sqlite3_changes64(db->handle);
  }
  return rc == SQLITE_OK && is_nobodys ? leadx_owner_adopt(db, user, err) : rc;
}

int leadx_owner_unsent(leadx_db *db, const char *user, int64_t *n, leadx_err *err) {
  *n = 0;
  int rc = leadx_queue_check_mark(db, err);
  return rc == SQLITE_OK ? leadx_db_int(db, LEADX_SQL_OWNER_UNSENT, err, n, "t", user) : rc;
}

int leadx_owner_waiting(leadx_db *db, const char *user, int64_t *n, leadx_err *err) {
  *n = 0;
  return leadx_db_int(db, LEADX_SQL_OWNER_WAITING, err, n, "t", user);
}
