/* SQLite as leadx uses it: statements lent from a table, transactions, and the guard that keeps
** network functions out of other people's transactions.
**
** Statements are prepared on first use and kept until leadx_db_release(), which every SQL function
** calls before it returns. Those whose text was assembled are kept likewise, the most recent ones.
** So nothing of leadx is ever open when a host calls sqlite3_close(), and closing needs no
** terminate call.
** */
#ifndef LEADX_DB_H
#define LEADX_DB_H

#include "base/err.h"
#include "sql_text.h"

/* How many assembled statements are kept. */
enum { LEADX_DB_KEPT = 24 };

typedef struct leadx_kept {
  sqlite3_stmt *stmt;
  int lent;
  uint64_t used; /* when it was lent last, counted in loans */
} leadx_kept;

typedef struct leadx_db {
  sqlite3 *handle;
  sqlite3_stmt *stmt[LEADX_SQL_COUNT];
  unsigned char lent[LEADX_SQL_COUNT];
  leadx_kept kept[LEADX_DB_KEPT];
  uint64_t loans; /* of assembled statements so far */
  sqlite3_stmt *undo
      /* ROLLBACK and its nested kin, prepared before what they undo: out of memory, they still
      ** run */
      [3];
  int (*stopping)(void *
                      /* not NULL: who is asked whether to give up, in place of the connection (see
          ** leadx_db_interrupted) */
                      arg);
  void *stopping_arg;
  int64_t
      began_ms; /* of the write transaction; kept where `stopping` is set, see leadx_db_commit() */
} leadx_db;

/* Lends a named statement, NULL and an error when it cannot be prepared.
** A statement that is already lent is a bug and answers SQLITE_MISUSE. */
sqlite3_stmt *leadx_db_get(leadx_db *db, int sql_id, leadx_err *err);
/* The same with its parameters bound, kinds as for leadx_db_run(): a parameter that could not be
** bound would be NULL, and a question about NULL has another answer. */
sqlite3_stmt *leadx_db_query(leadx_db *db, int sql_id, leadx_err *err, const char *kinds, ...);
/* The next row of a lent statement: 1 when there is one; 0 at the end and when it failed, which is
** in err. */
int leadx_db_next(leadx_db *db, sqlite3_stmt *stmt, leadx_err *err);
/* A column as text, NULL for NULL. NULL and an error when there is no memory for it. */
const char *leadx_db_text(sqlite3_stmt *stmt, int column, leadx_err *err);
/* Hashes the columns of a row as texts on top of what was hashed before. */
uint64_t leadx_db_hash_row(sqlite3_stmt *stmt, uint64_t hash, leadx_err *err);
/* Lends a statement whose text was assembled; the builder is taken over in every case. Worth it for
** one on a tracked table: compiling it compiles the table's triggers. */
sqlite3_stmt *leadx_db_get_str(leadx_db *db, sqlite3_str *sql, leadx_err *err);
/* Gives a lent statement back: reset, bindings cleared. Accepts NULL. */
void leadx_db_put(leadx_db *db, sqlite3_stmt *stmt);
/* Finalizes all statements. */
void leadx_db_release(leadx_db *db);

/* Runs a named statement that returns no row. kinds has one letter per parameter: t text (const
** char *, NULL binds NULL), s the same that stays where it is until the statement is given back, i
** int64_t, d double, n NULL (takes no argument). */
int leadx_db_run(leadx_db *db, int sql_id, leadx_err *err, const char *kinds, ...);
/* The same for one integer answer; *out stays when there is no row or it is NULL. */
int leadx_db_int(leadx_db *db, int sql_id, leadx_err *err, int64_t *out, const char *kinds, ...);

/* A number in a column of the file: otherwise, when what stands there is no integer or lies outside
** least … most. Counts, times and sizes of the file are read here: a file may hold anything. */
int64_t leadx_db_number(sqlite3_stmt *stmt, int column, int64_t least, int64_t most,
                        int64_t otherwise);
/* The same for a time in microseconds since 1970; 0 when it is none between 1970 and 9999. */
int64_t leadx_db_time_us(sqlite3_stmt *stmt, int column);

/* Prepares text that was assembled; the caller finalizes. */
sqlite3_stmt *leadx_db_prepare(leadx_db *db, const char *sql, leadx_err *err);
/* Prepares and clears a builder: takes it over in every case. */
sqlite3_stmt *leadx_db_prepare_str(leadx_db *db, sqlite3_str *sql, leadx_err *err);
int leadx_db_exec(leadx_db *db, const char *sql, leadx_err *err);
/* A PRAGMA inside a transaction: what undoes the transaction is ready again behind it. */
int leadx_db_pragma(leadx_db *db, const char *sql, leadx_err *err);
/* Ends a builder; NULL and out-of-memory in err on failure. The caller frees the text. */
char *leadx_db_finish(sqlite3_str *text, leadx_err *err);

/* BEGIN IMMEDIATE, waiting up to five seconds for another writer whatever the host's busy
** handler says (it is put to sleep in between, not replaced). */
int leadx_db_begin(leadx_db *db, leadx_err *err);
/* COMMIT, waiting the same way; rolls back when it cannot. A connection of our own then leaves the
** file alone for as long as it had it, so that a writer of the host, who looks for his turn now and
** then, gets it. */
int leadx_db_commit(leadx_db *db, leadx_err *err);
/* The end of what leadx_db_begin() began: COMMIT where rc is SQLITE_OK, else ROLLBACK. Returns the
** final code. */
int leadx_db_end(leadx_db *db, int rc, leadx_err *err);
/* ROLLBACK if a transaction is open; the recorded error stays. */
void leadx_db_rollback(leadx_db *db);

/* A nested step of the caller's transaction (or a transaction of its own):
** on rc != SQLITE_OK everything since open is undone. Returns the final code. */
int leadx_db_nest_open(leadx_db *db, leadx_err *err);
int leadx_db_nest_close(leadx_db *db, int rc, leadx_err *err);

/* Refuses (with a text that advises COMMIT) when the connection is inside a
** transaction or inside another statement that reads. */
int leadx_db_guard(leadx_db *db, const char *who, leadx_err *err);

/* Refuses when a writing statement of the connection is running, which is how a CHECK constraint
** would call us (SQLite before 3.44 lets it, in spite of SQLITE_DIRECTONLY). */
int leadx_db_guard_write(leadx_db *db, const char *who, leadx_err *err);

/* Has sqlite3_interrupt() been called on the connection while our statement runs? A connection of
** our own has no statement of a host around ours; it is asked through db->stopping. */
int leadx_db_interrupted(leadx_db *db);

/* Counts the changes of the file's schema. */
int leadx_db_schema_version(leadx_db *db, int64_t *version, leadx_err *err);

#endif
