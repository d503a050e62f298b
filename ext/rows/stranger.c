/* Rows that stood in a table before it was tracked. See stranger.h. */
#include "rows/stranger.h"

#include <string.h>

#include "base/uuid.h"
#include "rows/capture_row.h"
#include "rows/fingerprint.h"
#include "rows/mark.h"

/* Has the server never been heard of the row, which was there when the table was tracked? */
static int is_stranger(leadx_db *db, leadx_table *table, const char *key, uint32_t *parts,
                       leadx_err *err) {
  leadx_shadow shadow;
  int readable = 0, confirmed = 0;
  int rc = leadx_shadow_get(db, table->entity, key, &shadow, err);
  int is = rc == SQLITE_OK && shadow.found && !shadow.version;
  if (is) rc = leadx_fingerprint_read(db, table, &shadow, parts, &readable, &confirmed, err);
  leadx_shadow_clear(&shadow);
  return rc == SQLITE_OK && is && !confirmed;
}

/* Compares what the local row means with the server's values; both in the order of the columns. */
static int compare(const leadx_table *table, const uint32_t *parts, const leadx_slice *values,
                   sqlite3_str *names, leadx_err *err) {
  int differing = 0;
  if (names) sqlite3_str_appendall(names, "[");
  for (int i = 0; i < table->ncolumns && err->rc == SQLITE_OK; i++) {
    const leadx_column *column = &table->columns[i];
    if (!values[i].n || column->key_position || column->is_computed || i == table->version_column ||
        leadx_meaning_is(parts[i], leadx_table_kind(table, i), values[i], err))
      continue;
    if (names) sqlite3_str_appendall(names, differing ? "," : "");
    if (names) leadx_json_append_string(names, column->remote, strlen(column->remote));
    differing++;
  }
  if (names) sqlite3_str_appendall(names, "]");
  return differing;
}

int leadx_stranger_compare(leadx_db *db, leadx_table *table, const char *key, leadx_slice row,
                           int *stands, int *differing, sqlite3_str *names, leadx_err *err) {
  size_t n = (size_t)table->ncolumns + 1;
  uint32_t *parts = sqlite3_malloc64(sizeof *parts * n);
  leadx_slice *values = sqlite3_malloc64(sizeof *values * n);
  *stands = *differing = 0;
  if (!parts || !values) {
    leadx_err_nomem(err);
  } else if (leadx_fingerprint_local(db, table, key, parts, stands, err) == SQLITE_OK && *stands) {
    leadx_table_values(table, row, values);
    *differing = compare(table, parts, values, names, err);
  }
  sqlite3_free(parts);
  sqlite3_free(values);
  return err->rc;
}

static int note(leadx_db *db, leadx_table *table, const char *key, leadx_slice row,
                const char *contested, leadx_err *err) {
  char id[LEADX_UUID_BYTES];
  int64_t random = 0;
  sqlite3_randomness(sizeof random, &random);
  leadx_uuid_make(random & 0x3ffffff, id);
  char *mine = leadx_capture_local(db, table, key, err),
       *theirs = sqlite3_mprintf("%.*s", (int)row.n, row.z),
       *version = leadx_version_of(table, row, err);
  if (!theirs) leadx_err_nomem(err);
  int rc = err->rc;
  if (rc == SQLITE_OK)
    rc = leadx_db_run(db, LEADX_SQL_STRANGER_NOTE, err, "ttttttt", id, table->entity, key, mine,
                      theirs, contested, version);
  sqlite3_free(mine);
  sqlite3_free(theirs);
  sqlite3_free(version);
  return rc;
}

int leadx_stranger_meet(leadx_db *db, leadx_table *table, const char *key, leadx_slice row,
                        leadx_err *err) {
  uint32_t *parts = sqlite3_malloc64(sizeof *parts * ((size_t)table->ncolumns + 1));
  int stands = 0, differing = 0;
  if (!parts) return leadx_err_nomem(err);
  int is = is_stranger(db, table, key, parts, err);
  sqlite3_free(parts);
  if (!is || err->rc != SQLITE_OK) return err->rc;
  sqlite3_str *names = sqlite3_str_new(NULL);
  leadx_stranger_compare(db, table, key, row, &stands, &differing, names, err);
  char *contested = leadx_db_finish(names, err);
  if (differing && err->rc == SQLITE_OK) note(db, table, key, row, contested, err);
  sqlite3_free(contested);
  return err->rc;
}
