/* Statements lent from a table, transactions, the guard. See db.h. */
#include "store/db.h"

#include <string.h>

#include "base/clock.h"
#include "base/hash.h"

/* How long leadx waits for another writer, and how long one nap is. */
#define BUSY_WAIT_MS 5000
#define BUSY_NAP_MS 5
/* The longest that a connection of our own leaves the file to others after a transaction. */
#define MOST_GIVEN_MS 50

sqlite3_stmt *leadx_db_get(leadx_db *db, int sql_id, leadx_err *err) {
  if (db->lent[sql_id]) {
    leadx_err_set(err, SQLITE_MISUSE, "leadx: statement %s is already in use",
                  leadx_sql_name[sql_id]);
    return NULL;
  }
  if (!db->stmt[sql_id]) {
    int rc = sqlite3_prepare_v3(db->handle, leadx_sql_text[sql_id], -1, SQLITE_PREPARE_PERSISTENT,
                                &db->stmt[sql_id], NULL);
    if (rc != SQLITE_OK) {
      leadx_err_db(err, db->handle, rc, leadx_sql_name[sql_id]);
      return NULL;
    }
  }
  db->lent[sql_id] = 1;
  return db->stmt[sql_id];
}

/* ---- assembled statements ---- */

/* The kept statement with that text that is not lent out, or NULL. */
static leadx_kept *find_kept(leadx_db *db, const char *sql) {
  for (int i = 0; i < LEADX_DB_KEPT; i++) {
    leadx_kept *kept = &db->kept[i];
    if (kept->stmt && !kept->lent && strcmp(sqlite3_sql(kept->stmt), sql) == 0) return kept;
  }
  return NULL;
}

/* The place of the statement that was lent out longest ago and came back, or NULL when all are
** out. */
static leadx_kept *oldest_kept(leadx_db *db) {
  leadx_kept *oldest = NULL;
  for (int i = 0; i < LEADX_DB_KEPT; i++) {
    leadx_kept *kept = &db->kept[i];
    if (!kept->lent && (!oldest || kept->used < oldest->used)) oldest = kept;
  }
  return oldest;
}

static sqlite3_stmt *lend_kept(leadx_db *db, const char *sql, leadx_err *err) {
  leadx_kept *kept = find_kept(db, sql);
  if (!kept) {
    sqlite3_stmt *stmt = leadx_db_prepare(db, sql, err);
    kept = stmt ? oldest_kept(db) : NULL;
    if (!kept) return stmt;
    sqlite3_finalize(kept->stmt);
    kept->stmt = stmt;
  }
  kept->lent = 1;
  kept->used = ++db->loans;
  return kept->stmt;
}

sqlite3_stmt *leadx_db_get_str(leadx_db *db, sqlite3_str *sql, leadx_err *err) {
  char *z = leadx_db_finish(sql, err);
  sqlite3_stmt *stmt = z ? lend_kept(db, z, err) : NULL;
  sqlite3_free(z);
  return stmt;
}

void leadx_db_put(leadx_db *db, sqlite3_stmt *stmt) {
  if (!stmt) return;
  sqlite3_reset(stmt);
  sqlite3_clear_bindings(stmt);
  for (int i = 0; i < LEADX_SQL_COUNT; i++) {
    if (db->stmt[i] == stmt) {
      db->lent[i] = 0;
      return;
    }
  }
  for (int i = 0; i < LEADX_DB_KEPT; i++) {
    if (db->kept[i].stmt == stmt) {
      db->kept[i].lent = 0;
      return;
    }
  }
  sqlite3_finalize(stmt); /* it was one more than are kept */
}

/* ---- undoing ---- */

enum { UNDO_ALL, UNDO_NESTED, END_NESTED, UNDO_COUNT };
static const char *const undo_sql[UNDO_COUNT] = {"ROLLBACK", "ROLLBACK TO leadx", "RELEASE leadx"};

/* Anew each time: a PRAGMA or a temporary table since makes SQLite compile a statement again when
** it runs, which takes memory. */
static int prepare_undo(leadx_db *db, leadx_err *err) {
  int rc = SQLITE_OK;
  for (int i = 0; i < UNDO_COUNT && rc == SQLITE_OK; i++) {
    sqlite3_finalize(db->undo[i]);
    db->undo[i] = NULL;
    rc = sqlite3_prepare_v3(db->handle, undo_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &db->undo[i],
                            NULL);
  }
  return rc == SQLITE_OK ? rc : leadx_err_db(err, db->handle, rc, "prepare to undo");
}

static void undo(leadx_db *db, int which) {
  if (db->undo[which]) {
    sqlite3_step(db->undo[which]);
    sqlite3_reset(db->undo[which]);
  } else {
    sqlite3_exec(db->handle, undo_sql[which], NULL, NULL, NULL); /* released since */
  }
}

void leadx_db_release(leadx_db *db) {
  for (int i = 0; i < UNDO_COUNT; i++) {
    sqlite3_finalize(db->undo[i]);
    db->undo[i] = NULL;
  }
  for (int i = 0; i < LEADX_SQL_COUNT; i++) {
    sqlite3_finalize(db->stmt[i]);
    db->stmt[i] = NULL;
    db->lent[i] = 0;
  }
  for (int i = 0; i < LEADX_DB_KEPT; i++) {
    sqlite3_finalize(db->kept[i].stmt);
    memset(&db->kept[i], 0, sizeof db->kept[i]);
  }
}

static int bind_all(sqlite3_stmt *stmt, const char *kinds, va_list args) {
  int rc = SQLITE_OK;
  for (int i = 1; *kinds && rc == SQLITE_OK; kinds++, i++) {
    if (*kinds == 't' || *kinds == 's') {
      rc = sqlite3_bind_text(stmt, i, va_arg(args, const char *), -1,
                             *kinds == 't' ? SQLITE_TRANSIENT : SQLITE_STATIC);
    } else if (*kinds == 'i') {
      rc = sqlite3_bind_int64(stmt, i, va_arg(args, int64_t));
    } else if (*kinds == 'd') {
      rc = sqlite3_bind_double(stmt, i, va_arg(args, double));
    } else {
      rc = sqlite3_bind_null(stmt, i);
    }
  }
  return rc;
}

sqlite3_stmt *leadx_db_query(leadx_db *db, int sql_id, leadx_err *err, const char *kinds, ...) {
  sqlite3_stmt *stmt = leadx_db_get(db, sql_id, err);
  if (!stmt) return NULL;
  va_list args;
  va_start(args, kinds);
  int rc = bind_all(stmt, kinds, args);
  va_end(args);
  if (rc == SQLITE_OK) return stmt;
  leadx_err_db(err, db->handle, rc, leadx_sql_name[sql_id]);
  leadx_db_put(db, stmt);
  return NULL;
}

static const char *name_of(const leadx_db *db, const sqlite3_stmt *stmt) {
  int i = 0;
  while (i < LEADX_SQL_COUNT && db->stmt[i] != stmt) i++;
  return i < LEADX_SQL_COUNT ? leadx_sql_name[i] : "read";
}

int leadx_db_next(leadx_db *db, sqlite3_stmt *stmt, leadx_err *err) {
  int rc = sqlite3_step(stmt);
  if (rc != SQLITE_ROW && rc != SQLITE_DONE) leadx_err_db(err, db->handle, rc, name_of(db, stmt));
  return rc == SQLITE_ROW;
}

const char *leadx_db_text(sqlite3_stmt *stmt, int column, leadx_err *err) {
  if (sqlite3_column_type(stmt, column) == SQLITE_NULL) return NULL;
  const char *text = (const char *)sqlite3_column_text(stmt, column);
  if (!text) leadx_err_nomem(err);
  return text;
}

uint64_t leadx_db_hash_row(sqlite3_stmt *stmt, uint64_t hash, leadx_err *err) {
  for (int i = 0; i < sqlite3_column_count(stmt); i++) {
    const char *text = leadx_db_text(stmt, i, err);
    /* The closing NUL tells where one text ends. */
    if (text) hash = leadx_hash(hash, text, (size_t)sqlite3_column_bytes(stmt, i) + 1);
  }
  return hash;
}

int leadx_db_run(leadx_db *db, int sql_id, leadx_err *err, const char *kinds, ...) {
  sqlite3_stmt *stmt = leadx_db_get(db, sql_id, err);
  if (!stmt) return err->rc;
  va_list args;
  va_start(args, kinds);
  int rc = bind_all(stmt, kinds, args);
  va_end(args);
  if (rc == SQLITE_OK) {
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_DONE || rc == SQLITE_ROW) rc = SQLITE_OK;
  }
  if (rc != SQLITE_OK) leadx_err_db(err, db->handle, rc, leadx_sql_name[sql_id]);
  leadx_db_put(db, stmt);
  return rc;
}

int leadx_db_int(leadx_db *db, int sql_id, leadx_err *err, int64_t *out, const char *kinds, ...) {
  sqlite3_stmt *stmt = leadx_db_get(db, sql_id, err);
  if (!stmt) return err->rc;
  va_list args;
  va_start(args, kinds);
  int rc = bind_all(stmt, kinds, args);
  va_end(args);
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  if (rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
    *out = sqlite3_column_int64(stmt, 0);
  if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
    rc = SQLITE_OK;
  } else {
    leadx_err_db(err, db->handle, rc, leadx_sql_name[sql_id]);
  }
  leadx_db_put(db, stmt);
  return rc;
}

int64_t leadx_db_number(sqlite3_stmt *stmt, int column, int64_t least, int64_t most,
                        int64_t otherwise) {
  if (sqlite3_column_type(stmt, column) != SQLITE_INTEGER) return otherwise;
  int64_t n = sqlite3_column_int64(stmt, column);
  return n >= least && n <= most ? n : otherwise;
}

/* The last microsecond of 9999. */
#define LAST_US (INT64_C(253402300800) * 1000000 - 1)

int64_t leadx_db_time_us(sqlite3_stmt *stmt, int column) {
  return leadx_db_number(stmt, column, 0, LAST_US, 0);
}

sqlite3_stmt *leadx_db_prepare(leadx_db *db, const char *sql, leadx_err *err) {
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL);
  if (rc != SQLITE_OK) leadx_err_db(err, db->handle, rc, "prepare");
  return stmt;
}

char *leadx_db_finish(sqlite3_str *text, leadx_err *err) {
  int rc = sqlite3_str_errcode(text);
  char *z = sqlite3_str_finish(text);
  if (z && rc == SQLITE_OK) return z;
  /* An empty builder finishes as NULL, which callers would take for a failure. */
  if (rc == SQLITE_OK) z = sqlite3_mprintf("");
  if (rc == SQLITE_OK && z) return z;
  sqlite3_free(z);
  /* Too big is what leadx_err_spoil() makes of a text that lacks a piece, too. */
  leadx_err_set(err, SQLITE_NOMEM,
                rc == SQLITE_TOOBIG
                    ? "out of memory, or a text that grew over SQLite's length limit"
                    : "out of memory");
  return NULL;
}

sqlite3_stmt *leadx_db_prepare_str(leadx_db *db, sqlite3_str *sql, leadx_err *err) {
  char *z = leadx_db_finish(sql, err);
  sqlite3_stmt *stmt = z ? leadx_db_prepare(db, z, err) : NULL;
  sqlite3_free(z);
  return stmt;
}

int leadx_db_exec(leadx_db *db, const char *sql, leadx_err *err) {
  int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
  if (rc != SQLITE_OK) leadx_err_db(err, db->handle, rc, "exec");
  return rc;
}

int leadx_db_pragma(leadx_db *db, const char *sql, leadx_err *err) {
  int rc = leadx_db_exec(db, sql, err);
  return rc == SQLITE_OK ? prepare_undo(db, err) : rc;
}

/* Runs BEGIN IMMEDIATE or COMMIT until it is not busy any more or the time is up. */
static int exec_waiting(leadx_db *db, const char *sql) {
  int64_t give_up = leadx_clock_mono_ms() + BUSY_WAIT_MS;
  int rc;
  while (((rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL)) & 0xff) == SQLITE_BUSY) {
    if (leadx_clock_mono_ms() >= give_up || (db->stopping && db->stopping(db->stopping_arg))) break;
    sqlite3_sleep(BUSY_NAP_MS);
  }
  return rc;
}

int leadx_db_begin(leadx_db *db, leadx_err *err) {
  int rc = prepare_undo(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = exec_waiting(db, "BEGIN IMMEDIATE");
  if (rc != SQLITE_OK) leadx_err_db(err, db->handle, rc, "begin");
  if (db->stopping) db->began_ms = leadx_clock_mono_ms();
  return rc;
}

static void give_way(const leadx_db *db) {
  if (!db->stopping || db->stopping(db->stopping_arg)) return;
  int64_t held_ms = leadx_clock_mono_ms() - db->began_ms;
  if (held_ms > 0) sqlite3_sleep(held_ms < MOST_GIVEN_MS ? (int)held_ms : MOST_GIVEN_MS);
}

int leadx_db_commit(leadx_db *db, leadx_err *err) {
  int rc = exec_waiting(db, "COMMIT");
  if (rc != SQLITE_OK) {
    leadx_err_db(err, db->handle, rc, "commit");
    leadx_db_rollback(db);
  }
  give_way(db);
  return rc;
}

void leadx_db_rollback(leadx_db *db) {
  if (!sqlite3_get_autocommit(db->handle)) undo(db, UNDO_ALL);
}

int leadx_db_end(leadx_db *db, int rc, leadx_err *err) {
  if (rc == SQLITE_OK) return leadx_db_commit(db, err);
  leadx_db_rollback(db);
  return rc;
}

int leadx_db_nest_open(leadx_db *db, leadx_err *err) {
  int rc = prepare_undo(db, err);
  return rc == SQLITE_OK ? leadx_db_exec(db, "SAVEPOINT leadx", err) : rc;
}

int leadx_db_nest_close(leadx_db *db, int rc, leadx_err *err) {
  if (rc == SQLITE_OK) rc = leadx_db_exec(db, "RELEASE leadx", err);
  if (rc != SQLITE_OK && !sqlite3_get_autocommit(db->handle)) {
    undo(db, UNDO_NESTED);
    undo(db, END_NESTED);
  }
  return rc;
}

int leadx_db_guard(leadx_db *db, const char *who, leadx_err *err) {
  if (sqlite3_get_autocommit(db->handle) && sqlite3_txn_state(db->handle, NULL) == SQLITE_TXN_NONE)
    return SQLITE_OK;
  return leadx_err_set(
      err, SQLITE_ERROR,
      "%s: cannot run inside a transaction or inside a statement that reads or writes tables; "
      "COMMIT first, then run SELECT %s() by itself",
      who, who);
}

int leadx_db_guard_write(leadx_db *db, const char *who, leadx_err *err) {
  for (sqlite3_stmt *stmt = sqlite3_next_stmt(db->handle, NULL); stmt;
       stmt = sqlite3_next_stmt(db->handle, stmt)) {
    if (!sqlite3_stmt_busy(stmt) || sqlite3_stmt_readonly(stmt)) continue;
    return leadx_err_set(
        err, SQLITE_ERROR,
        "%s: cannot run inside a statement that writes; run SELECT %s(…) by itself", who, who);
  }
  return SQLITE_OK;
}

int leadx_db_interrupted(leadx_db *db) {
  sqlite3_stmt *stmt = NULL;
  if (db->stopping) return db->stopping(db->stopping_arg);
  if (sqlite3_prepare_v2(db->handle, "SELECT 1", -1, &stmt, NULL) != SQLITE_OK) return 1;
  int interrupted = sqlite3_step(stmt) == SQLITE_INTERRUPT;
  sqlite3_finalize(stmt);
  return interrupted;
}

int leadx_db_schema_version(leadx_db *db, int64_t *version, leadx_err *err) {
  return leadx_db_int(db, LEADX_SQL_DB_SCHEMA_VERSION, err, version, "");
}
