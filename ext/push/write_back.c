/* What follows an acknowledgement in the local table. See write_back.h. */
#include "push/write_back.h"

#include <string.h>

#include "rows/apply.h"
#include "rows/capture_row.h"
#include "rows/key.h"
#include "rows/key_row.h"
#include "store/parking.h"

void leadx_write_back_clear(leadx_write_back *back) {
  leadx_db_put(back->db, back->stmt);
  leadx_db_put(back->db, back->stamp);
  sqlite3_free(back->columns);
  memset(back, 0, sizeof *back);
}

/* The server's values in the order of the table's columns, empty where it has none. One walk over
** the row, which nearly always lists the columns in the table's order. The caller frees. */
static leadx_slice *read_row(const leadx_table *table, leadx_slice row) {
  leadx_slice *values = sqlite3_malloc64(sizeof *values * ((size_t)table->ncolumns + 1));
  if (values) leadx_table_values(table, row, values);
  return values;
}

/* Was every column queued, as a trigger does? */
static int is_whole(const leadx_change *change) {
  for (int i = 0; i < change->table->ncolumns; i++) {
    const leadx_field *field = leadx_change_field(change, i);
    if (!field || !field->value.n) return 0;
  }
  return 1;
}

/* Which columns of the server's row the local row does not have yet, as text of '0' and '1'. What
** the local row has is known only if all of it was queued. */
static char *differing_columns(const leadx_change *change, int whole, const leadx_slice *values,
                               int *count, leadx_err *err) {
  const leadx_table *table = change->table;
  char *mask = sqlite3_malloc64((size_t)table->ncolumns + 1);
  if (!mask) {
    leadx_err_nomem(err);
    return NULL;
  }
  *count = 0;
  for (int i = 0; i < table->ncolumns; i++) {
    leadx_slice theirs = values[i];
    const leadx_field *field = leadx_change_field(change, i);
    int known = theirs.n && table->columns[i].key_position == 0;
    int null_refused = leadx_json_kind_of(theirs) == LEADX_JSON_NULL && table->columns[i].not_null;
    int differs = known && !null_refused &&
                  !(whole &&
                    leadx_wire_equal(leadx_table_compared_as(table, i), field->value, theirs, err));
    mask[i] = differs ? '1' : '0';
    *count += differs;
  }
  mask[table->ncolumns] = 0;
  if (err->rc == SQLITE_OK) return mask;
  sqlite3_free(mask);
  return NULL;
}

/* Where the parameters of a write-back begin: payload, flags, key, what was queued, what is set. */
enum { PAYLOAD_PARAMETER = 1, IS_WHOLE_PARAMETER, ANYWAY_PARAMETER, KEY_PARAMETER };

/* Columns joined by one chain of ANDs: SQLite bounds how deep an expression may be. */
#define CHAIN_LENGTH 100

/* Every column is what was queued, by the comparison with which the triggers look for changes. */
static void append_as_queued(sqlite3_str *sql, const leadx_table *table) {
  for (int i = 0; i < table->ncolumns; i++) {
    const char *joint = i == 0 ? "(" : i % CHAIN_LENGTH == 0 ? ") AND (" : " AND ";
    sqlite3_str_appendf(sql, "%s\"%w\" COLLATE BINARY IS ?%d", joint, table->columns[i].name,
                        KEY_PARAMETER + table->nkey + i);
  }
  sqlite3_str_appendall(sql, ")");
}

/* UPDATE t SET the differing columns [, pending = 0] WHERE key AND the row is still as it was
** queued: column by column, or, for the few values that one cannot read back from the payload, by
** writing the payload anew and comparing the texts, which takes twenty times as long. Or anyway. */
static sqlite3_stmt *prepare_write_back(leadx_db *db, const leadx_table *table, const char *mask,
                                        leadx_err *err) {
  sqlite3_str *sql = sqlite3_str_new(NULL);
  int n = 0, parameter = KEY_PARAMETER + table->nkey + table->ncolumns;
  char *row = sqlite3_mprintf("\"%w\"", table->name);
  if (!row) leadx_err_spoil(sql);
  sqlite3_str_appendf(sql, "UPDATE main.\"%w\" SET ", table->name);
  for (int i = 0; i < table->ncolumns; i++) {
    if (mask[i] == '1')
      sqlite3_str_appendf(sql, "%s\"%w\" = ?%d", n++ ? ", " : "", table->columns[i].name,
                          parameter++);
  }
  if (table->pending) sqlite3_str_appendf(sql, "%s\"%w\" = 0", n ? ", " : "", table->pending);
  sqlite3_str_appendall(sql, " WHERE ");
  leadx_key_where(table, sql, KEY_PARAMETER);
  sqlite3_str_appendf(sql, " AND (?%d OR (?%d AND ", ANYWAY_PARAMETER, IS_WHOLE_PARAMETER);
  append_as_queued(sql, table);
  sqlite3_str_appendf(sql, ") OR ?%d = ", PAYLOAD_PARAMETER);
  leadx_capture_row(sql, table, row ? row : "NULL");
  sqlite3_str_appendall(sql, ")");
  sqlite3_free(row);
  return leadx_db_get_str(db, sql, err);
}

/* The statement for that table and those columns, kept for the next row. */
static sqlite3_stmt *write_back_statement(leadx_db *db, leadx_write_back *back, leadx_table *table,
                                          char *mask, leadx_err *err) {
  if (back->stmt && back->table == table && strcmp(back->columns, mask) == 0) {
    sqlite3_free(mask);
    return back->stmt;
  }
  leadx_db_put(db, back->stmt);
  sqlite3_free(back->columns);
  back->db = db;
  back->table = table;
  back->columns = mask;
  back->stmt = leadx_apply_is_watched(db, table, &back->watched, err) == SQLITE_OK
                   ? prepare_write_back(db, table, mask, err)
                   : NULL;
  return back->stmt;
}

/* Binds what a trigger wrote into a payload as what stood in the column. A value that comes out
** otherwise (an infinity, a BLOB in a text column) only makes the comparison fail. */
static int bind_queued(sqlite3_stmt *stmt, int parameter, leadx_type type, leadx_slice value) {
  int is_string = leadx_json_kind_of(value) == LEADX_JSON_STRING;
  if (is_string && type == LEADX_BLOB) return leadx_wire_bind(stmt, parameter, type, value);
  return leadx_wire_lend(stmt, parameter, is_string ? LEADX_TEXT : LEADX_INTEGER, value);
}

static int bind_all_queued(sqlite3_stmt *stmt, const leadx_change *change, int whole) {
  const leadx_table *table = change->table;
  int rc = sqlite3_bind_int(stmt, IS_WHOLE_PARAMETER, whole);
  for (int i = 0; i < table->ncolumns && rc == SQLITE_OK; i++) {
    const leadx_field *field = leadx_change_field(change, i);
    if (field && field->value.n)
      rc = bind_queued(stmt, KEY_PARAMETER + table->nkey + i, table->columns[i].type, field->value);
  }
  return rc;
}

static int bind_columns(sqlite3_stmt *stmt, const leadx_table *table, const char *mask,
                        const leadx_slice *values) {
  int parameter = KEY_PARAMETER + table->nkey + table->ncolumns, rc = SQLITE_OK;
  for (int i = 0; i < table->ncolumns && rc == SQLITE_OK; i++) {
    if (mask[i] == '1')
      rc = leadx_wire_lend(stmt, parameter++, leadx_column_form(&table->columns[i]), values[i]);
  }
  return rc;
}

/* What became of the server's row: it went in, or had nothing new; the local row is not what was
** queued any more; the table's rules refused it. */
typedef enum write_back_end { WRITTEN, LEFT, REFUSED } write_back_end;

/* The parameter of a column that is set, 0 for any other. */
static int parameter_of(const leadx_table *table, const char *mask, int column) {
  int parameter = KEY_PARAMETER + table->nkey + table->ncolumns;
  for (int i = 0; i < column; i++) parameter += mask[i] == '1';
  return mask[column] == '1' ? parameter : 0;
}

/* References that are set are spelled as the parent's local row is. */
static int bind_parents(leadx_db *db, sqlite3_stmt *stmt, const leadx_table *table,
                        const char *mask, const leadx_slice *values, leadx_err *err) {
  for (int r = 0; r < table->nreferences && err->rc == SQLITE_OK; r++) {
    const leadx_reference *reference = &table->references[r];
    leadx_slice named[LEADX_KEY_COLUMNS];
    int parameters[LEADX_KEY_COLUMNS], are_set = 0;
    if (!reference->parent || !leadx_key_varies(reference->parent)) continue;
    for (int i = 0; i < reference->ncolumn; i++) {
      named[i] = values[reference->column[i]];
      parameters[i] = parameter_of(table, mask, reference->column[i]);
      are_set |= parameters[i];
    }
    if (are_set) leadx_key_bind_parent(db, reference->parent, named, stmt, parameters, err);
  }
  return err->rc;
}

/* What an application queued by itself need not say what the local row holds: then only a later
** change keeps the server's row out. *end: what became of it. */
static int write_back_values(leadx_db *db, leadx_write_back *back, const leadx_change *change,
                             const leadx_slice *values, write_back_end *end, leadx_err *err) {
  leadx_table *table = change->table;
  int64_t later = 1, before = 0;
  int count = 0, whole = is_whole(change);
  *end = WRITTEN;
  char *mask = differing_columns(change, whole, values, &count, err);
  if (!mask) return err->rc;
  if (count == 0 && !table->pending) {
    sqlite3_free(mask);
    return SQLITE_OK;
  }
  sqlite3_stmt *stmt = write_back_statement(db, back, table, mask, err);
  if (!stmt ||
      (!whole && leadx_queue_has_unsent(db, table->entity, change->key, &later, err) != SQLITE_OK))
    return err->rc;
  int rc = sqlite3_bind_text(stmt, PAYLOAD_PARAMETER, change->newest_payload, -1, SQLITE_STATIC);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int(stmt, ANYWAY_PARAMETER, !later);
  if (rc == SQLITE_OK) rc = leadx_key_bind(table, stmt, KEY_PARAMETER, change->key);
  if (rc == SQLITE_OK) rc = bind_all_queued(stmt, change, whole);
  if (rc == SQLITE_OK) rc = bind_columns(stmt, table, back->columns, values);
  if (rc == SQLITE_OK) rc = bind_parents(db, stmt, table, back->columns, values, err);
  if (rc == SQLITE_OK && back->watched) rc = leadx_apply_watch(db, &before, err);
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  if (rc != SQLITE_DONE) *end = REFUSED;
  else if (sqlite3_changes(db->handle) == 0) *end = LEFT;
  sqlite3_reset(stmt);
  sqlite3_clear_bindings(stmt);
  if (back->watched && !sqlite3_get_autocommit(db->handle) &&
      leadx_apply_watched(db, table, change->key, before, err) != SQLITE_OK)
    return err->rc;
  /* The pull tries again: a parent that has not come yet may be all that is missing. */
  if (leadx_apply_is_refusal(rc))
    return leadx_parking_add(db, table->entity, change->key, LEADX_REFUSED,
                             "the server's row did not fit after the ack", err);
  if (rc == SQLITE_DONE) return SQLITE_OK;
  return leadx_err_db(err, db->handle, rc, "write the server's row back");
}

static int write_back(leadx_db *db, leadx_write_back *back, const leadx_change *change,
                      leadx_slice row, write_back_end *end, leadx_err *err) {
  leadx_slice *values = read_row(change->table, row);
  if (!values) return leadx_err_nomem(err);
  int rc = write_back_values(db, back, change, values, end, err);
  sqlite3_free(values);
  return rc;
}

static int has_local(leadx_db *db, const leadx_change *change, int *yes, leadx_err *err) {
  sqlite3_str *sql = sqlite3_str_new(NULL);
  sqlite3_str_appendf(sql, "SELECT 1 FROM main.\"%w\" WHERE ", change->table->name);
  leadx_key_where(change->table, sql, 1);
  sqlite3_stmt *stmt = leadx_db_get_str(db, sql, err);
  if (!stmt) return err->rc;
  int rc = leadx_key_bind(change->table, stmt, 1, change->key);
  if (rc == SQLITE_NOMEM) leadx_err_nomem(err);
  *yes = rc == SQLITE_OK && leadx_db_next(db, stmt, err);
  leadx_db_put(db, stmt);
  return err->rc;
}

/* The server's row was not written to the local one, which was edited again meanwhile or is not
** there: what it has beside the edit is not known here until a pull fetches it. */
static int leave_to_pull(leadx_db *db, const leadx_change *change, leadx_err *err) {
  if (change->table->mode == LEADX_MODE_PUSH) return SQLITE_OK;
  return leadx_parking_add(db, change->table->entity, change->key, LEADX_REFETCH,
                           "what was sent was not the local row", err);
}

/* An application may queue a DELETE of what stands in its own table still. A later change may be why
** it does. */
static int leave_deleted(leadx_db *db, const leadx_change *change, leadx_err *err) {
  int is_here = 0;
  int64_t unsent = 0;
  if (has_local(db, change, &is_here, err) != SQLITE_OK || !is_here) return err->rc;
  if (leadx_queue_has_unsent(db, change->table->entity, change->key, &unsent, err) != SQLITE_OK ||
      unsent)
    return err->rc;
  return leave_to_pull(db, change, err);
}

static sqlite3_stmt *stamp_statement(leadx_db *db, leadx_write_back *back, leadx_table *table,
                                     leadx_err *err) {
  if (back->stamp && back->stamped == table) return back->stamp;
  leadx_db_put(db, back->stamp);
  sqlite3_str *sql = sqlite3_str_new(NULL);
  sqlite3_str_appendf(
      sql, "UPDATE main.\"%w\" SET \"%w\" = strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ', 'now') WHERE ",
      table->name, table->synced_at);
  leadx_key_where(table, sql, 1);
  back->db = db;
  back->stamped = table;
  back->stamp = leadx_db_get_str(db, sql, err);
  return back->stamp;
}

static int stamp_synced(leadx_db *db, leadx_write_back *back, const leadx_change *change,
                        leadx_err *err) {
  sqlite3_stmt *stmt = stamp_statement(db, back, change->table, err);
  if (!stmt) return err->rc;
  int rc = leadx_key_bind(change->table, stmt, 1, change->key);
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  sqlite3_reset(stmt);
  sqlite3_clear_bindings(stmt);
  if (rc == SQLITE_DONE || leadx_apply_is_refusal(rc)) return SQLITE_OK;
  return leadx_err_db(err, db->handle, rc, "stamp the synced row");
}

int leadx_write_back_acked(leadx_db *db, leadx_write_back *back, const leadx_change *change,
                           leadx_slice row, leadx_err *err) {
  write_back_end end = WRITTEN;
  if (change->action == LEADX_DELETE) return leave_deleted(db, change, err);
  if (!change->newest_payload) return SQLITE_OK;
  int rc = write_back(db, back, change, row, &end, err);
  if (rc == SQLITE_OK && end != WRITTEN)
    rc = leadx_apply_settled(db, change->table, change->key, err);
  if (rc == SQLITE_OK && end == LEFT && row.n) rc = leave_to_pull(db, change, err);
  if (rc == SQLITE_OK && change->table->synced_at) rc = stamp_synced(db, back, change, err);
  return rc;
}

int leadx_write_back_deleted(leadx_db *db, const leadx_change *change, leadx_err *err) {
  const char *refused = NULL;
  int changed = 0, rc = leadx_apply_remove(db, change->table, change->key, &changed, &refused, err);
  /* Rows that refer to it hold it: the next pull looks again, and until then it counts as known. */
  if (rc == SQLITE_OK && refused)
    rc = leadx_parking_add(db, change->table->entity, change->key, LEADX_REFUSED, refused, err);
  return rc;
}
