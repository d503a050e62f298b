/* Where a table's pull begins, and what is saved of it. See pulling.h.
**
** The place behind the last row is saved in the transaction that applies the row, so a crash
** anywhere goes on where it stopped. A pull starts some seconds before the last one began, because a
** slow transaction of the server commits rows with an older stamp; rows that are known in that very
** version cost nothing. */
#include <string.h>

#include "base/instant.h"
#include "pull/pulling.h"
#include "push/change.h"
#include "rows/key.h"
#include "rows/mark.h"
#include "store/settings.h"

/* How far ahead of the server's clock a row's version may lie and still move the cursor. */
#define FUTURE_SLACK_US (300 * (int64_t)1000000)

/* Which columns are wanted: when a new one comes, the table is fetched again from the beginning. */
static char *make_fingerprint(const leadx_table *table) {
  sqlite3_str *text = sqlite3_str_new(NULL);
  for (int i = 0; i < table->ncolumns; i++) {
    sqlite3_str_appendf(text, "%s%s:%s", i ? "," : "", table->columns[i].remote,
                        leadx_type_name(table->columns[i].type));
  }
  sqlite3_str_appendf(text, ";%s;%s", table->remote, table->filter ? table->filter : "");
  return sqlite3_str_finish(text);
}

const char *leadx_place_user(const leadx_run *run) { return run->user ? run->user : ""; }

static int load_cursor(leadx_pulling *pulling, leadx_err *err) {
  leadx_run *run = pulling->run;
  leadx_db *db = &run->ctx->db;
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_CURSOR_GET, err, "sss", run->target.url,
                                      leadx_place_user(run), pulling->table->entity);
  if (!stmt) return err->rc;
  int found = leadx_db_next(db, stmt, err);
  const char *fingerprint = found ? leadx_db_text(stmt, 2, err) : NULL;
  const char *version = fingerprint ? leadx_db_text(stmt, 0, err) : NULL,
             *key = fingerprint ? leadx_db_text(stmt, 1, err) : NULL;
  pulling->from_beginning = 1;
  /* A place that is none, in a file that somebody made, is as good as one of other columns. */
  int is_place = fingerprint && version && key && leadx_key_is_key(pulling->table, key);
  if (fingerprint && (!is_place || strcmp(fingerprint, pulling->fingerprint) != 0)) {
    pulling->anew = 1;
  } else if (fingerprint) {
    pulling->saved.version = sqlite3_mprintf("%s", version);
    pulling->saved.key = sqlite3_mprintf("%s", key);
    pulling->midway = (int)leadx_db_number(stmt, 3, 0, 1, 0);
    pulling->began_us = leadx_db_time_us(stmt, 4);
    pulling->anew = (int)leadx_db_number(stmt, 5, 0, 1, 1);
    pulling->from_beginning = pulling->midway;
    if (!pulling->saved.version || !pulling->saved.key) leadx_err_nomem(err);
  }
  leadx_db_put(db, stmt);
  return err->rc;
}

static int is_integer(const char *text) { return text[strspn(text, "0123456789")] == 0; }

/* The place to start from. A pull that stopped midway goes on exactly there. Else it begins the
** overlap before the last pull began: whatever was stamped earlier had been committed when that one
** read it. A version that is a number counts changes, not time. */
static int start_place(leadx_pulling *pulling, leadx_err *err) {
  int64_t us = 0, overlap_us = leadx_settings_ms(pulling->run->ctx->settings, LEADX_OVERLAP) * 1000;
  const char *version = pulling->saved.version;
  if (!version) return SQLITE_OK;
  int exact = pulling->midway || is_integer(version) ||
              leadx_instant_parse(version, strlen(version), &us) != 0;
  int64_t from_us = (pulling->began_us ? pulling->began_us : us) - overlap_us;
  if (exact || from_us > us) {
    pulling->place.version = sqlite3_mprintf("%s", version);
    pulling->place.key = sqlite3_mprintf("%s", pulling->saved.key);
    return pulling->place.version && pulling->place.key ? SQLITE_OK : leadx_err_nomem(err);
  }
  char text[LEADX_INSTANT_BYTES];
  leadx_instant_format(from_us, text);
  pulling->place.version = sqlite3_mprintf("%s", text);
  return pulling->place.version ? SQLITE_OK : leadx_err_nomem(err);
}

int leadx_place_load(leadx_pulling *pulling, leadx_err *err) {
  pulling->fingerprint = make_fingerprint(pulling->table);
  int rc = pulling->fingerprint ? load_cursor(pulling, err) : leadx_err_nomem(err);
  return rc == SQLITE_OK ? start_place(pulling, err) : rc;
}

int leadx_place_save(leadx_pulling *pulling, leadx_err *err) {
  leadx_run *run = pulling->run;
  if (!pulling->saved.version) return SQLITE_OK;
  return leadx_db_run(&run->ctx->db, LEADX_SQL_CURSOR_SET, err, "ttttttii", run->target.url,
                      leadx_place_user(run), pulling->table->entity, pulling->fingerprint,
                      pulling->saved.version, pulling->saved.key, pulling->began_us,
                      (int64_t)pulling->anew);
}

/* May the cursor stand on that version? In the server's own future, or at infinity, it would be
** carried past rows to come. */
static int may_save(const leadx_pulling *pulling, const char *version) {
  int64_t us = 0;
  if (is_integer(version)) return 1;
  if (leadx_instant_parse(version, strlen(version), &us) != 0) return 0;
  return pulling->server_us == 0 || us <= pulling->server_us + FUTURE_SLACK_US;
}

int leadx_place_set(leadx_place *place, const leadx_table *table, leadx_slice row, leadx_err *err) {
  leadx_place_clear(place);
  int rc = leadx_key_identify(table, row, &place->key, &place->version, err);
  return rc != SQLITE_OK || place->key ? rc : leadx_err_nomem(err);
}

/* Notes the place behind the last of some rows, and behind the last one that the cursor may stand
** on. */
int leadx_place_move(leadx_pulling *pulling, const leadx_slice *rows, int n, leadx_err *err) {
  int rc = n > 0 ? leadx_place_set(&pulling->place, pulling->table, rows[n - 1], err) : SQLITE_OK;
  for (int i = n - 1; i >= 0 && rc == SQLITE_OK; i--) {
    char *version = leadx_version_of(pulling->table, rows[i], err);
    rc = err->rc;
    int stands = version && may_save(pulling, version);
    sqlite3_free(version);
    if (stands) return leadx_place_set(&pulling->saved, pulling->table, rows[i], err);
  }
  return rc;
}

int leadx_place_save_cursor(leadx_pulling *pulling, leadx_err *err) {
  leadx_run *run = pulling->run;
  if (!pulling->next_cursor.n) return SQLITE_OK;
  char *text = sqlite3_mprintf("%.*s", (int)pulling->next_cursor.n, pulling->next_cursor.z);
  if (!text) return leadx_err_nomem(err);
  sqlite3_free(pulling->cursor);
  pulling->cursor = text;
  return leadx_db_run(&run->ctx->db, LEADX_SQL_PLACE_SET, err, "ttttt", run->target.url,
                      leadx_place_user(run), pulling->table->entity, pulling->fingerprint, text);
}
