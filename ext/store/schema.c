/* The tables of leadx in the file. See schema.h. */
#include "store/schema.h"

#include <string.h>

#include "store/trap.h"

/* The documented columns, in their order: name and type. */
static const struct seed_column {
  const char *name, *type;
} seed_columns[] = {
    {"id", "TEXT"},
    {"entity_type", "TEXT"},
    {"entity_id", "TEXT"},
    {"action", "TEXT"},
    {"payload", "TEXT"},
    {"status", "TEXT"},
    {"retry_count", "INTEGER"},
    {"error_message", "TEXT"},
    {"created_at", "TEXT"},
    {"synced_at", "TEXT"},
};
#define SEED_COLUMNS ((int)(sizeof seed_columns / sizeof seed_columns[0]))

/* leadx's own columns, which follow. */
static const char *const own_columns[] = {"base", "next_try_at", "error_code", "sent_at", "owner"};
#define OWN_COLUMNS ((int)(sizeof own_columns / sizeof own_columns[0]))

/* The statements that make a file leadx's, in this order. */
static const int create_statements[] = {
    LEADX_SQL_SCHEMA_SYNC_QUEUE,    LEADX_SQL_SCHEMA_SETTINGS,  LEADX_SQL_SCHEMA_TABLES,
    LEADX_SQL_SCHEMA_APPLYING,      LEADX_SQL_SCHEMA_SHADOW,    LEADX_SQL_SCHEMA_MARK,
    LEADX_SQL_SCHEMA_HELD,          LEADX_SQL_SCHEMA_LEASE,     LEADX_SQL_SCHEMA_CURSORS,
    LEADX_SQL_SCHEMA_RUNS,          LEADX_SQL_SCHEMA_CONFLICTS, LEADX_SQL_SCHEMA_PARKED,
    LEADX_SQL_SCHEMA_CHECK_RESULTS, LEADX_SQL_SCHEMA_REVIVE,    LEADX_SQL_SCHEMA_SERVERS,
    LEADX_SQL_SCHEMA_PLACES,        LEADX_SQL_SCHEMA_UNWRITTEN, LEADX_SQL_SCHEMA_CELL,
    LEADX_SQL_SCHEMA_TAKEN,
};

/* What each format added to tables that are there already, in this order. */
static const struct step {
  int format, sql_id;
  const char *table, *column; /* added; NULL for a step that changes rows */
} steps[] = {
    {3, LEADX_SQL_SCHEMA_STEP_CHANGES, "leadx_tables", "changes"},
    {3, LEADX_SQL_SCHEMA_STEP_SINCE, "leadx_parked", "since"},
    {3, LEADX_SQL_SCHEMA_STEP_REFUSED, "leadx_parked", "refused"},
    {3, LEADX_SQL_SCHEMA_STEP_REFETCH, NULL, NULL},
};
#define STEPS (sizeof steps / sizeof steps[0])

/* ---- is it there? ---- */

/* What SQLite keeps of one of our statements: the text from the name on, behind "CREATE TABLE ". */
static const char *kept_text(const char *statement) {
  const char *name = strstr(statement, " main.");
  return name ? name + 6 : statement;
}

/* The statement that makes the object of that name; NULL when it is none of ours. */
static const char *own_statement(const char *name) {
  for (size_t i = 0; name && i < sizeof create_statements / sizeof create_statements[0]; i++) {
    const char *statement = leadx_sql_text[create_statements[i]], *kept = kept_text(statement);
    size_t n = strcspn(kept, " (\n");
    if (sqlite3_strnicmp(kept, name, (int)n) == 0 && strlen(name) == n) return statement;
  }
  return NULL;
}

/* A view in the place of one of our tables could be read for ever, and say what it likes. */
static int refuse_masks(leadx_db *db, const char *who, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_get(db, LEADX_SQL_SCHEMA_PAGELESS, err);
  if (!stmt) return err->rc;
  while (leadx_db_next(db, stmt, err)) {
    const char *name = leadx_db_text(stmt, 0, err);
    if (!own_statement(name)) continue;
    leadx_err_set(
        err, SQLITE_ERROR,
        "%s: %.60s is no table here, although leadx has a table of that name; rename or drop it",
        who, name);
    break;
  }
  leadx_db_put(db, stmt);
  return err->rc;
}

/* A payload is put together byte by byte, and the capture triggers of a file of UTF-16, whose texts
** have other bytes, would never come to an end. */
static int check_encoding(leadx_db *db, const char *who, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_get(db, LEADX_SQL_SCHEMA_ENCODING, err);
  if (!stmt) return err->rc;
  const char *encoding = leadx_db_next(db, stmt, err) ? leadx_db_text(stmt, 0, err) : NULL;
  if (encoding && strcmp(encoding, "UTF-8") != 0) {
    leadx_err_set(err, SQLITE_ERROR,
                  "%s: the file's encoding is %.10s, and leadx needs UTF-8; copy it with: "
                  "sqlite3 OLD .dump | sqlite3 NEW",
                  who, encoding);
  }
  leadx_db_put(db, stmt);
  return err->rc;
}

int leadx_schema_has(leadx_db *db, const char *name, int64_t *there, leadx_err *err) {
  *there = 0;
  return leadx_db_int(db, LEADX_SQL_SCHEMA_HAS_TABLE, err, there, "t", name);
}

static int read_format(leadx_db *db, const char *who, int64_t *format, leadx_err *err) {
  int64_t there = 0;
  *format = 0;
  int rc = leadx_schema_has(db, "leadx_settings", &there, err);
  if (rc == SQLITE_OK && there) rc = leadx_db_int(db, LEADX_SQL_SCHEMA_FORMAT_GET, err, format, "");
  if (rc == SQLITE_OK && *format > LEADX_FORMAT) {
    rc = leadx_err_set(err, SQLITE_ERROR,
                       "%s: this file was written by a newer leadx (format %lld, this one knows "
                       "%d); use the newer leadx, nothing was changed",
                       who, (sqlite3_int64)*format, LEADX_FORMAT);
  }
  return rc;
}

/* *format: 0 while leadx has no tables here. */
static int probe(leadx_db *db, const char *who, int64_t *format, leadx_err *err) {
  *format = 0;
  int rc = refuse_masks(db, who, err);
  if (rc == SQLITE_OK) rc = read_format(db, who, format, err);
  return rc == SQLITE_OK && *format > 0 ? check_encoding(db, who, err) : rc;
}

/* Does a queue that somebody else made begin with the documented columns? *have gets the names of
** leadx's own columns that it already has, as bits. */
static int check_queue(leadx_db *db, const char *who, unsigned *have, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_get(db, LEADX_SQL_SCHEMA_QUEUE_COLUMNS, err);
  if (!stmt) return err->rc;
  unsigned seen = 0;
  int without_rowid = 0;
  *have = 0;
  while (leadx_db_next(db, stmt, err)) {
    const char *name = leadx_db_text(stmt, 0, err);
    without_rowid = sqlite3_column_int(stmt, 6);
    int is_generated = sqlite3_column_int(stmt, 5) != 0;
    for (int i = 0; name && i < SEED_COLUMNS; i++) {
      if (sqlite3_stricmp(name, seed_columns[i].name) == 0 && !is_generated) seen |= 1u << i;
    }
    for (int i = 0; name && i < OWN_COLUMNS; i++) {
      if (sqlite3_stricmp(name, own_columns[i]) == 0) *have |= 1u << i;
    }
  }
  leadx_db_put(db, stmt);
  int rc = err->rc;
  if (rc == SQLITE_OK && without_rowid) {
    rc = leadx_err_set(err, SQLITE_ERROR,
                       "%s: the table sync_queue that is already here is WITHOUT ROWID, and the "
                       "order of its rows is nowhere; rename that table, or "
                       "make it an ordinary one",
                       who);
  }
  for (int i = 0; rc == SQLITE_OK && i < SEED_COLUMNS; i++) {
    if (seen & 1u << i) continue;
    rc = leadx_err_set(err, SQLITE_ERROR,
                       "%s: the table sync_queue that is already here has no column \"%s\"; rename "
                       "that table, or give it the documented columns",
                       who, seed_columns[i].name);
  }
  return rc;
}

static int extend_queue(leadx_db *db, const char *who, leadx_err *err) {
  unsigned have = 0;
  int rc = check_queue(db, who, &have, err);
  for (int i = 0; rc == SQLITE_OK && i < OWN_COLUMNS; i++) {
    if (have & 1u << i) continue;
    char sql[96];
    sqlite3_snprintf(sizeof sql, sql, "ALTER TABLE main.sync_queue ADD COLUMN %s TEXT",
                     own_columns[i]);
    rc = leadx_db_exec(db, sql, err);
  }
  return rc;
}

static int has_column(leadx_db *db, const struct step *step) {
  return step->column &&
         sqlite3_table_column_metadata(db->handle, "main", step->table, step->column, NULL, NULL,
                                       NULL, NULL, NULL) == SQLITE_OK;
}

/* Brings the tables of a file of that format to this one. */
static int take_steps(leadx_db *db, int64_t format, leadx_err *err) {
  for (size_t i = 0; i < STEPS && err->rc == SQLITE_OK; i++) {
    if (format < steps[i].format && !has_column(db, &steps[i]))
      leadx_db_exec(db, leadx_sql_text[steps[i].sql_id], err);
  }
  return err->rc;
}

/* format: of the tables that are there; 0 for none. */
static int create_all(leadx_db *db, const char *who, int64_t format, leadx_err *err) {
  int64_t had_queue = 0;
  int rc = format > 0 ? take_steps(db, format, err) : SQLITE_OK;
  if (rc == SQLITE_OK) rc = leadx_schema_has(db, "sync_queue", &had_queue, err);
  if (rc == SQLITE_OK && had_queue) rc = extend_queue(db, who, err);
  for (size_t i = 0; rc == SQLITE_OK && i < sizeof create_statements / sizeof create_statements[0];
       i++) {
    rc = leadx_db_exec(db, leadx_sql_text[create_statements[i]], err);
  }
  if (rc == SQLITE_OK) rc = leadx_db_run(db, LEADX_SQL_SCHEMA_MARK_INIT, err, "");
  if (rc == SQLITE_OK) rc = leadx_db_run(db, LEADX_SQL_SCHEMA_LEASE_INIT, err, "");
  if (rc == SQLITE_OK)
    rc = leadx_db_run(db, LEADX_SQL_SCHEMA_FORMAT_SET, err, "i", (int64_t)LEADX_FORMAT);
  return rc;
}

/* ---- is it ours? ---- */

/* Is the text of an object, as the file has it, what SQLite keeps of our statement? */
static int is_to_the_letter(const char *statement, const char *sql) {
  size_t verb = strncmp(statement, "CREATE TRIGGER ", 15) == 0 ? 15 : 13;
  return sql && strncmp(sql, statement, verb) == 0 && strcmp(sql + verb, kept_text(statement)) == 0;
}

/* Does a table lack what a format after that one added to it? */
static int is_before(int64_t format, const char *table) {
  for (size_t i = 0; i < STEPS; i++) {
    if (format < steps[i].format && steps[i].table && sqlite3_stricmp(steps[i].table, table) == 0)
      return 1;
  }
  return 0;
}

/* May an object stand on one of our tables, or under one of our names, in a file of that format? The
** queue may have come from
** somebody else, and may have indices that refuse no row; check_queue() looks at its columns. */
static int may_stand(int64_t format, const char *type, const char *name, const char *table,
                     const char *sql) {
  int of_queue = sqlite3_stricmp(table, "sync_queue") == 0;
  const char *own = own_statement(name);
  if (strcmp(type, "index") == 0)
    return !sql || (of_queue && sqlite3_strnicmp(sql, "CREATE INDEX ", 13) == 0);
  if (own && strcmp(type, "table") == 0 && (of_queue || is_before(format, table)))
    return sql && sqlite3_strnicmp(sql, "CREATE TABLE ", 13) == 0;
  return own && is_to_the_letter(own, sql);
}

/* Judges one row of schema_own_objects. */
static int check_object(const char *who, int64_t format, sqlite3_stmt *row, leadx_err *err) {
  const char *type = leadx_db_text(row, 0, err), *name = leadx_db_text(row, 1, err);
  const char *table = leadx_db_text(row, 2, err), *sql = leadx_db_text(row, 3, err);
  if (err->rc != SQLITE_OK) return err->rc;
  if (type && name && table && !own_statement(table) && !own_statement(name)) return SQLITE_OK;
  if (type && name && table && may_stand(format, type, name, table, sql)) return SQLITE_OK;
  if (type && name && table && strcmp(type, "trigger") == 0 && !own_statement(name)) {
    return leadx_err_set(err, SQLITE_ERROR,
                         "%s: the trigger \"%.60s\" on leadx's table %.60s is not leadx's, so "
                         "nothing is sent from this file; drop it, or ask who "
                         "put it there",
                         who, name, table);
  }
  return leadx_err_set(err, SQLITE_ERROR,
                       "%s: %s \"%.60s\" is not as leadx makes it, so nothing is sent from this "
                       "file; copy your own tables to a new file and "
                       "track them there",
                       who, type ? type : "the object", name ? name : "without a name");
}

static int check_objects(leadx_db *db, const char *who, int64_t format, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_get(db, LEADX_SQL_SCHEMA_OWN_OBJECTS, err);
  if (!stmt) return err->rc;
  while (leadx_db_next(db, stmt, err) && check_object(who, format, stmt, err) == SQLITE_OK)
    continue;
  leadx_db_put(db, stmt);
  return err->rc;
}

int leadx_schema_verify(leadx_db *db, const char *who, leadx_err *err) {
  unsigned have = 0;
  int rc = check_objects(db, who, LEADX_FORMAT, err);
  if (rc == SQLITE_OK) rc = leadx_trap_check(db, who, err);
  return rc == SQLITE_OK ? check_queue(db, who, &have, err) : rc;
}

/* ---- making it ---- */

int leadx_schema_ensure(leadx_db *db, const char *who, leadx_err *err) {
  int64_t format = 0;
  int rc = check_encoding(db, who, err);
  if (rc == SQLITE_OK) rc = refuse_masks(db, who, err);
  if (rc == SQLITE_OK) rc = read_format(db, who, &format, err);
  if (rc == SQLITE_OK && format == LEADX_FORMAT) return leadx_schema_verify(db, who, err);
  if (rc != SQLITE_OK) return rc;
  if (sqlite3_db_readonly(db->handle, "main") == 1) {
    return leadx_err_set(err, SQLITE_READONLY, "%s: the database is read-only; open it for writing",
                         who);
  }
  rc = leadx_db_nest_open(db, err);
  if (rc != SQLITE_OK) return rc;
  /* What somebody hung on our tables must not run in the steps. */
  if (format > 0) rc = check_objects(db, who, format, err);
  if (rc == SQLITE_OK) rc = create_all(db, who, format, err);
  if (rc == SQLITE_OK) rc = leadx_schema_verify(db, who, err);
  return leadx_db_nest_close(db, rc, err);
}

int leadx_schema_open(leadx_db *db, const char *who, int *present, leadx_err *err) {
  int64_t format = 0;
  int rc = probe(db, who, &format, err);
  *present = rc == SQLITE_OK && format > 0;
  if (!*present) return rc;
  return format < LEADX_FORMAT ? leadx_schema_ensure(db, who, err)
                               : leadx_schema_verify(db, who, err);
}

int leadx_schema_ensure_checks(leadx_db *db, leadx_err *err) {
  return leadx_db_exec(db, leadx_sql_text[LEADX_SQL_SCHEMA_CHECK_RESULTS], err);
}
