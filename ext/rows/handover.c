/* The file passes from one user to another. See handover.h. */
#include "rows/handover.h"

#include <string.h>

#include "rows/diff.h"
#include "store/owner.h"
#include "store/tables.h"

int leadx_handover_find(leadx_db *db, const char *who, leadx_err *err) {
  leadx_tables tables = {0};
  int renamed = 0;
  int rc = leadx_diff_follow(db, 1, &renamed, err);
  if (rc == SQLITE_OK) rc = leadx_tables_load(db, who, &tables, err);
  for (int i = 0; i < tables.n && rc == SQLITE_OK; i++)
    rc = leadx_diff_table(db, tables.list[i], err);
  if (rc == SQLITE_OK) rc = leadx_diff_end(db, err);
  leadx_tables_clear(&tables);
  return rc;
}

static int look_in_pieces(leadx_db *db, const char *who, leadx_err *err) {
  leadx_tables tables = {0};
  int rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = leadx_tables_load(db, who, &tables, err);
  if (rc == SQLITE_OK) rc = leadx_diff_check_all(db, who, &tables, err);
  rc = leadx_db_end(db, rc, err);
  for (int i = 0; i < tables.n && rc == SQLITE_OK; i++)
    rc = leadx_diff_catch_up(db, tables.list[i], err);
  leadx_tables_clear(&tables);
  return rc;
}

int leadx_handover_look(leadx_db *db, const char *who, const char *user, leadx_err *err) {
  char before[LEADX_USER_BYTES];
  int rc = leadx_owner_get(db, before, err);
  return rc == SQLITE_OK && before[0] && strcmp(before, user) != 0 ? look_in_pieces(db, who, err)
                                                                   : rc;
}

int leadx_handover(leadx_db *db, const char *who, const char *user, leadx_err *err) {
  char before[LEADX_USER_BYTES];
  int rc = leadx_owner_get(db, before, err);
  if (rc != SQLITE_OK || strcmp(before, user) == 0) return rc;
  if (before[0]) rc = leadx_handover_find(db, who, err);
  return rc == SQLITE_OK ? leadx_owner_adopt(db, user, err) : rc;
}
