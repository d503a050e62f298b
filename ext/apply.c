/* Rows in. See apply.h. */
#include "apply.h"

#include <string.h>

#include "capture.h"

void leadx_apply_clear(leadx_apply *apply) {
  sqlite3_finalize(apply->stmt);
  sqlite3_free(apply->columns);
  memset(apply, 0, sizeof *apply);
}

int leadx_apply_begin(leadx_db *db, leadx_err *err) { return leadx_db_run(db, LEADX_SQL_APPLYING_ON, err, ""); }
int leadx_apply_end(leadx_db *db, leadx_err *err) { return leadx_db_run(db, LEADX_SQL_APPLYING_OFF, err, ""); }

/* ---- after an ack ---- */

/* Which columns of the server's row the local row does not have yet, as text of '0' and '1'. */
static char *differing_columns(const leadx_change *change, leadx_slice row, int *count) {
  const leadx_table *table = change->table;
  char *mask = sqlite3_malloc64((size_t)table->ncolumns + 1);
  if (!mask) return NULL;
  *count = 0;
  for (int i = 0; i < table->ncolumns; i++) {
    leadx_slice theirs = leadx_json_member(row, table->columns[i].remote);
    const leadx_field *field = leadx_change_field(change, i);
    int known = theirs.n && table->columns[i].key_position == 0;
    int null_refused = leadx_json_kind_of(theirs) == LEADX_JSON_NULL && table->columns[i].not_null;
    int differs = known && !null_refused && !(field && field->value.n && leadx_wire_equal(table->columns[i].type, field->value, theirs));
    mask[i] = differs ? '1' : '0';
    *count += differs;
  }
  mask[table->ncolumns] = 0;
  return mask;
}

/* UPDATE t SET the differing columns [, pending = 0] WHERE key AND the row is still as it was queued.
** Parameters: the payload, the key, the columns. */
static sqlite3_stmt *prepare_write_back(leadx_db *db, const leadx_table *table, const char *mask, leadx_err *err) {
  sqlite3_str *sql = sqlite3_str_new(NULL);
  int n = 0, parameter = 2 + table->nkey;
  char *row = sqlite3_mprintf("\"%w\"", table->name);
  sqlite3_str_appendf(sql, "UPDATE main.\"%w\" SET ", table->name);
  for (int i = 0; i < table->ncolumns; i++) {
    if (mask[i] == '1') sqlite3_str_appendf(sql, "%s\"%w\" = ?%d", n++ ? ", " : "", table->columns[i].name, parameter++);
  }
  if (table->pending) sqlite3_str_appendf(sql, "%s\"%w\" = 0", n ? ", " : "", table->pending);
  sqlite3_str_appendall(sql, " WHERE ");
  leadx_table_where_key(table, sql, 2);
  sqlite3_str_appendall(sql, " AND ?1 = ");
  leadx_capture_row(sql, table, row ? row : "NULL");
  sqlite3_free(row);
  return leadx_db_prepare_str(db, sql, err);
}

/* The statement for that table and those columns, kept for the next row. */
static sqlite3_stmt *write_back_statement(leadx_db *db, leadx_apply *apply, leadx_table *table, char *mask, leadx_err *err) {
  if (apply->stmt && apply->table == table && strcmp(apply->columns, mask) == 0) {
    sqlite3_free(mask);
    return apply->stmt;
  }
  leadx_apply_clear(apply);
  apply->table = table;
  apply->columns = mask;
  apply->stmt = prepare_write_back(db, table, mask, err);
  return apply->stmt;
}

static int bind_columns(sqlite3_stmt *stmt, const leadx_table *table, const char *mask, leadx_slice row) {
  int parameter = 2 + table->nkey, rc = SQLITE_OK;
  for (int i = 0; i < table->ncolumns && rc == SQLITE_OK; i++) {
    if (mask[i] == '1') rc = leadx_wire_bind(stmt, parameter++, table->columns[i].type, leadx_json_member(row, table->columns[i].remote));
  }
  return rc;
}

/* A server value that the local table's own rules refuse must not undo the ack: the row keeps what it has. */
static int is_refusal(int rc) { return (rc & 0xff) == SQLITE_CONSTRAINT || (rc & 0xff) == SQLITE_MISMATCH; }

static int write_back(leadx_db *db, leadx_apply *apply, const leadx_change *change, leadx_slice row, leadx_err *err) {
  leadx_table *table = change->table;
  int count = 0;
  char *mask = differing_columns(change, row, &count);
  if (!mask) return leadx_err_nomem(err);
  if (count == 0 && !table->pending) {
    sqlite3_free(mask);
    return SQLITE_OK;
  }
  sqlite3_stmt *stmt = write_back_statement(db, apply, table, mask, err);
  if (!stmt) return err->rc;
  sqlite3_bind_text(stmt, 1, change->newest_payload, -1, SQLITE_STATIC);
  int rc = leadx_table_bind_key(table, stmt, 2, change->key);
  if (rc == SQLITE_OK) rc = bind_columns(stmt, table, apply->columns, row);
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  sqlite3_reset(stmt);
  sqlite3_clear_bindings(stmt);
  if (rc == SQLITE_DONE || is_refusal(rc)) return SQLITE_OK;
  return leadx_err_db(err, db->handle, rc, "write the server's row back");
}

static int stamp_synced(leadx_db *db, const leadx_change *change, leadx_err *err) {
  const leadx_table *table = change->table;
  sqlite3_str *sql = sqlite3_str_new(NULL);
  sqlite3_str_appendf(sql, "UPDATE main.\"%w\" SET \"%w\" = strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ', 'now') WHERE ", table->name, table->synced_at);
  leadx_table_where_key(table, sql, 1);
  sqlite3_stmt *stmt = leadx_db_prepare_str(db, sql, err);
  if (!stmt) return err->rc;
  int rc = leadx_table_bind_key(table, stmt, 1, change->key);
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  sqlite3_finalize(stmt);
  if (rc == SQLITE_DONE || is_refusal(rc)) return SQLITE_OK;
  return leadx_err_db(err, db->handle, rc, "stamp the synced row");
}

int leadx_apply_acked(leadx_db *db, leadx_apply *apply, const leadx_change *change, leadx_slice row, leadx_err *err) {
  int rc = SQLITE_OK;
  if (change->action == LEADX_DELETE || !change->newest_payload) return SQLITE_OK;
  rc = write_back(db, apply, change, row, err);
  if (rc == SQLITE_OK && change->table->synced_at) rc = stamp_synced(db, change, err);
  return rc;
}

/* ---- deleted on the server ---- */

int leadx_apply_deleted(leadx_db *db, const leadx_change *change, leadx_err *err) {
  sqlite3_str *sql = sqlite3_str_new(NULL);
  sqlite3_str_appendf(sql, "DELETE FROM main.\"%w\" WHERE ", change->table->name);
  leadx_table_where_key(change->table, sql, 1);
  sqlite3_stmt *stmt = leadx_db_prepare_str(db, sql, err);
  if (!stmt) return err->rc;
  int rc = leadx_table_bind_key(change->table, stmt, 1, change->key);
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  sqlite3_finalize(stmt);
  if (rc == SQLITE_DONE || is_refusal(rc)) return SQLITE_OK;
  return leadx_err_db(err, db->handle, rc, "remove the local row");
}
