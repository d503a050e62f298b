/* The shadow. See shadow.h. */
#include "store/shadow.h"

#include <string.h>

int leadx_shadow_get(leadx_db *db, const char *entity, const char *key, leadx_shadow *shadow,
                     leadx_err *err) {
  memset(shadow, 0, sizeof *shadow);
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_SHADOW_GET, err, "ss", entity, key);
  if (!stmt) return err->rc;
  if (leadx_db_next(db, stmt, err)) {
    const char *version = leadx_db_text(stmt, 0, err);
    int n = sqlite3_column_type(stmt, 2) == SQLITE_BLOB ? sqlite3_column_bytes(stmt, 2) : 0;
    shadow->found = 1;
    shadow->stand = (leadx_stand)sqlite3_column_int(stmt, 1);
    if (version) shadow->version = sqlite3_mprintf("%s", version);
    if (n > 0) shadow->fingerprint = sqlite3_malloc(n);
    if ((version && !shadow->version) || (n > 0 && !shadow->fingerprint)) leadx_err_nomem(err);
    if (shadow->fingerprint) memcpy(shadow->fingerprint, sqlite3_column_blob(stmt, 2), (size_t)n);
    shadow->fingerprint_bytes = shadow->fingerprint ? n : 0;
  }
  leadx_db_put(db, stmt);
  return err->rc;
}

void leadx_shadow_clear(leadx_shadow *shadow) {
  sqlite3_free(shadow->version);
  sqlite3_free(shadow->fingerprint);
  memset(shadow, 0, sizeof *shadow);
}

int leadx_shadow_look(leadx_db *db, const char *entity, const char *key, const char *version,
                      int *is_unheard, int *same, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_SHADOW_GET, err, "ss", entity, key);
  if (!stmt) return err->rc;
  int is_known = leadx_db_next(db, stmt, err);
  const char *mine = is_known ? leadx_db_text(stmt, 0, err) : NULL;
  *is_unheard = is_known && !mine;
  *same = mine && version && strcmp(mine, version) == 0 &&
          sqlite3_column_int(stmt, 1) != LEADX_MISSING;
  leadx_db_put(db, stmt);
  return err->rc;
}

int leadx_shadow_set(leadx_db *db, const char *entity, const char *key, leadx_stand stand,
                     const char *version, const void *fingerprint, int bytes, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_SHADOW_SET, err, "sssi", entity, key, version,
                                      (int64_t)stand);
  if (!stmt) return err->rc;
  int rc = fingerprint ? sqlite3_bind_blob(stmt, 5, fingerprint, bytes, SQLITE_STATIC) : SQLITE_OK;
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  leadx_db_put(db, stmt);
  return rc == SQLITE_DONE ? SQLITE_OK : leadx_err_db(err, db->handle, rc, "note a row");
}

int leadx_shadow_mark(leadx_db *db, const char *entity, const char *key, leadx_stand stand,
                      leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_SHADOW_MARK, err, "ssi", entity, key, (int64_t)stand);
}

int leadx_shadow_forget(leadx_db *db, const char *entity, const char *key, leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_SHADOW_FORGET, err, "ss", entity, key);
}

int leadx_shadow_forget_entity(leadx_db *db, const char *entity, leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_SHADOW_FORGET_ENTITY, err, "t", entity);
}

int leadx_shadow_forget_settled(leadx_db *db, const char *entity, leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_SHADOW_FORGET_SETTLED, err, "t", entity);
}

int leadx_shadow_forget_effects(leadx_db *db, int64_t above, leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_SHADOW_FORGET_EFFECTS, err, "i", above);
}

int leadx_shadow_rename(leadx_db *db, const char *before, const char *entity, leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_SHADOW_RENAME, err, "tt", before, entity);
}

sqlite3_stmt *leadx_shadow_standing(leadx_db *db, const char *entity, const char *after, int most,
                                    leadx_err *err) {
  return leadx_db_query(db, LEADX_SQL_SHADOW_STANDING, err, "tti", entity, after, (int64_t)most);
}

int leadx_shadow_respell(leadx_db *db, const char *entity, const char *from, const char *to,
                         leadx_err *err) {
  return leadx_db_run(db, LEADX_SQL_SHADOW_RESPELL, err, "ttt", entity, from, to);
}
