/* One virtual table module, driven by a table of tables. See vtab.h.
**
** A cursor prepares its entry's SELECT from sql/api/vtab.sql, steps it and hands out its columns.
** The statement lives as long as the cursor: SQLite closes every cursor before a connection can be
** closed, so nothing of leadx is ever in the way of sqlite3_close(). For the same reason, and
** because a host's function may read these tables while one of ours is at work, nothing here
** touches the statements of ctx->db; a call that needs some borrows from a leadx_db of its own.
** */
#include "api/vtab.h"

#include <string.h>

#include "api/label.h"
#include "api/resolve.h"
#include "base/instant.h"
#include "session/session.h"
#include "store/lease.h"
#include "store/queue.h"
#include "store/schema.h"
#include "store/settings.h"
#include "store/tables.h"

/* What xBestIndex tells xFilter: one bit per condition, one for costly columns. xFilter adds that
** no settled row is wanted, which the values of the conditions say. */
enum { PLAN_ROWID = 1 << 2, PLAN_COSTLY = 1 << 8, PLAN_OPEN = 1 << 9 };

#define NO_SQL (-1)

/* Columns of leadx_queue that this file speaks of by number. */
enum {
  QUEUE_ID,
  QUEUE_STATUS = 4,
  QUEUE_STATE = 5,
  QUEUE_PAYLOAD = 13,
  QUEUE_BASE = 14,
  QUEUE_COLUMNS = 15
};

/* Columns of leadx_problems that this file speaks of by number. */
enum { PROBLEM_ENTITY = 1, PROBLEM_KEY = 2, PROBLEM_LABEL = 3 };

/* A condition that leadx_queue learns of: the column of the virtual table (-1 is the rowid), the
** operator, and the text that is appended to the SELECT; the i-th has the bit 1 << i and the
** parameter ?(2 + i). One without a text is only looked at: settled is the word that the column has
** in a settled row, and a condition that such a row cannot meet spares reading the history. SQLite
** checks every condition again. */
static const struct condition {
  int column;
  int op;
  int is_unique;
  const char *sql;
  const char *settled;
} queue_conditions[] = {{QUEUE_ID, SQLITE_INDEX_CONSTRAINT_EQ, 1, "q.id = ?2", NULL},
                        {QUEUE_STATUS, SQLITE_INDEX_CONSTRAINT_EQ, 0, "q.status = ?3", "SYNCED"},
                        {-1, SQLITE_INDEX_CONSTRAINT_EQ, 1, "q.rowid = ?4", NULL},
                        {QUEUE_STATUS, SQLITE_INDEX_CONSTRAINT_NE, 0, NULL, "SYNCED"},
                        {QUEUE_STATUS, SQLITE_INDEX_CONSTRAINT_ISNOT, 0, NULL, "SYNCED"},
                        {QUEUE_STATE, SQLITE_INDEX_CONSTRAINT_EQ, 0, NULL, "synced"},
                        {QUEUE_STATE, SQLITE_INDEX_CONSTRAINT_NE, 0, NULL, "synced"},
                        {QUEUE_STATE, SQLITE_INDEX_CONSTRAINT_ISNOT, 0, NULL, "synced"}};

#define CONDITIONS ((int)(sizeof queue_conditions / sizeof queue_conditions[0]))

/* Which values of C an entry's SELECT takes besides ?1, "a costly column is wanted". */
typedef enum leadx_binding { BIND_NONE, BIND_USER, BIND_STATE } leadx_binding;

typedef struct leadx_vtab_entry {
  const char *name;
  const char *declaration;
  int sql_id;
  int sql_id_without_tables; /* NO_SQL: empty while the file has no table of leadx */
  const char *needs; /* a table that may be missing although the others are there, or NULL */
  int is_queue; /* can be written, takes conditions, has real rowids */
  leadx_binding binding;
  unsigned costly; /* bits of the columns that are left NULL unless wanted */
  int label_column; /* the column that is read from the row that the line is about; 0: none */
} leadx_vtab_entry;

static const leadx_vtab_entry entries[] = {
    {.name = "leadx_queue",
     .declaration = "CREATE TABLE x(id TEXT, entity_type TEXT, entity_id TEXT, action TEXT, status "
                    "TEXT, state TEXT,"
                    " priority INTEGER, retry_count INTEGER, next_try_at TEXT, error_code TEXT, "
                    "error_message TEXT,"
                    " created_at TEXT, synced_at TEXT, payload TEXT, base TEXT)",
     .sql_id = LEADX_SQL_VTAB_QUEUE,
     .sql_id_without_tables = NO_SQL,
     .is_queue = 1,
     .costly = 1u << QUEUE_PAYLOAD | 1u << QUEUE_BASE},
    {.name = "leadx_status",
     .declaration = "CREATE TABLE x(entity_type TEXT, table_name TEXT, mode TEXT, priority "
                    "INTEGER, pending INTEGER,"
                    " in_progress INTEGER, failed INTEGER, synced INTEGER, conflicts INTEGER, "
                    "oldest_pending_at TEXT,"
                    " last_push_at TEXT, last_pull_at TEXT, \"cursor\" TEXT, last_error TEXT,"
                    " parked INTEGER, changes INTEGER)",
     .sql_id = LEADX_SQL_VTAB_STATUS,
     .sql_id_without_tables = NO_SQL,
     .binding = BIND_USER,
     .costly = 1u << 7},
    {.name = "leadx_conflicts",
     .declaration = "CREATE TABLE x(id TEXT, entity_type TEXT, entity_id TEXT, \"column\" TEXT, "
                    "base, client, server,"
                    " client_updated_at TEXT, server_updated_at TEXT, winner TEXT, resolution "
                    "TEXT, detected_at TEXT,"
                    " resolved_at TEXT)",
     .sql_id = LEADX_SQL_VTAB_CONFLICTS,
     .sql_id_without_tables = NO_SQL},
    {.name = "leadx_log",
     .declaration =
         "CREATE TABLE x(at TEXT, \"trigger\" TEXT, state TEXT, pushed INTEGER, pulled INTEGER,"
         " conflicts INTEGER, failed INTEGER, requests INTEGER, bytes_out INTEGER, bytes_in "
         "INTEGER,"
         " ms INTEGER, error TEXT)",
     .sql_id = LEADX_SQL_VTAB_LOG,
     .sql_id_without_tables = NO_SQL},
    {.name = "leadx_state",
     .declaration =
         "CREATE TABLE x(online INTEGER, syncing INTEGER, phase TEXT, done INTEGER, total INTEGER,"
         " pending INTEGER, failed INTEGER, conflicts INTEGER, last_sync_at TEXT, next_sync_at "
         "TEXT,"
         " auth TEXT, message TEXT)",
     .sql_id = LEADX_SQL_VTAB_STATE,
     .sql_id_without_tables = LEADX_SQL_VTAB_STATE_WITHOUT_TABLES,
     .binding = BIND_STATE},
    {.name = "leadx_problems",
     .declaration = "CREATE TABLE x(kind TEXT, entity_type TEXT, entity_id TEXT, label TEXT,"
                    " since TEXT, code TEXT, message TEXT, fix TEXT, queue_id TEXT,"
                    " conflict_id TEXT)",
     .sql_id = LEADX_SQL_PROBLEM_LIST,
     .sql_id_without_tables = NO_SQL,
     .label_column = PROBLEM_LABEL},
    {.name = "leadx_checks",
     .declaration = "CREATE TABLE x(\"check\" TEXT, result TEXT, fix TEXT)",
     .sql_id = LEADX_SQL_VTAB_CHECKS,
     .sql_id_without_tables = NO_SQL,
     .needs = "leadx_check_results"},
};

/* What a module is registered with. */
typedef struct leadx_vtab_module {
  leadx_ctx *ctx;
  const leadx_vtab_entry *entry;
} leadx_vtab_module;

typedef struct leadx_vtab {
  sqlite3_vtab base;
  leadx_ctx *ctx;
  const leadx_vtab_entry *entry;
} leadx_vtab;

typedef struct leadx_vtab_cursor {
  sqlite3_vtab_cursor base;
  sqlite3_stmt *stmt; /* NULL: not filtered yet, or there is nothing to read */
  int plan; /* what stmt was prepared for */
  int has_row;
  int64_t row; /* the number of the current row, the rowid of tables that have no other */
  leadx_tables tables; /* for labels; read when the first one is wanted */
  int has_tables;
} leadx_vtab_cursor;

/* Hands an error to SQLite as the table's message. */
static int vtab_fail(leadx_vtab *vtab, const leadx_err *err) {
  sqlite3_free(vtab->base.zErrMsg);
  vtab->base.zErrMsg = sqlite3_mprintf("%s", err->text);
  return err->rc;
}

/* Life of a table ------------------------------------------------------------------ */

static int vtab_connect(sqlite3 *handle, void *aux, int argc, const char *const *argv,
                        sqlite3_vtab **out, char **message) {
  (void)argc, (void)argv, (void)message;
  leadx_vtab_module *module = aux;
  leadx_vtab *vtab = sqlite3_malloc64(sizeof *vtab);
  if (!vtab) return SQLITE_NOMEM;
  memset(vtab, 0, sizeof *vtab);
  int rc = sqlite3_declare_vtab(handle, module->entry->declaration);
  if (rc == SQLITE_OK) rc = sqlite3_vtab_config(handle, SQLITE_VTAB_DIRECTONLY);
  if (rc != SQLITE_OK) {
    sqlite3_free(vtab);
    return rc;
  }
  vtab->ctx = leadx_ctx_ref(module->ctx);
  vtab->entry = module->entry;
  *out = &vtab->base;
  return SQLITE_OK;
}

static int vtab_disconnect(sqlite3_vtab *base) {
  leadx_vtab *vtab = (leadx_vtab *)base;
  leadx_ctx_unref(vtab->ctx);
  sqlite3_free(vtab);
  return SQLITE_OK;
}

/* Planning --------------------------------------------------------------------------- */

/* The condition that a constraint can be handed down as, or -1. */
static int find_condition(const leadx_vtab_entry *entry, sqlite3_index_info *info, int i) {
  if (!entry->is_queue || !info->aConstraint[i].usable) return -1;
  for (int c = 0; c < CONDITIONS; c++) {
    if (queue_conditions[c].column != info->aConstraint[i].iColumn ||
        queue_conditions[c].op != info->aConstraint[i].op)
      continue;
    /* The table's own columns compare bytewise; a NOCASE comparison must see all rows. */
    if (queue_conditions[c].column >= 0 &&
        sqlite3_stricmp(sqlite3_vtab_collation(info, i), "BINARY") != 0)
      return -1;
    return c;
  }
  return -1;
}

static int vtab_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  const leadx_vtab_entry *entry = ((leadx_vtab *)base)->entry;
  int of_condition[CONDITIONS];
  int argc = 0;
  for (int c = 0; c < CONDITIONS; c++) of_condition[c] = -1;
  for (int i = 0; i < info->nConstraint; i++) {
    int c = find_condition(entry, info, i);
    if (c >= 0 && of_condition[c] < 0) of_condition[c] = i;
  }
  info->idxNum = (info->colUsed & entry->costly) != 0 ? PLAN_COSTLY : 0;
  info->estimatedCost = 1e6;
  info->estimatedRows = 100000;
  for (int c = 0; c < CONDITIONS; c++) {
    if (of_condition[c] < 0) continue;
    info->idxNum |= 1 << c;
    info->aConstraintUsage[of_condition[c]].argvIndex = ++argc;
    if (queue_conditions[c].is_unique) {
      info->idxFlags |= SQLITE_INDEX_SCAN_UNIQUE;
      info->estimatedCost = 10;
      info->estimatedRows = 1;
    } else if (queue_conditions[c].sql && info->estimatedRows > 1) {
      info->estimatedCost = 5e5;
      info->estimatedRows = 1000;
    }
  }
  return SQLITE_OK;
}

/* Reading ---------------------------------------------------------------------------- */

static int vtab_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out) {
  (void)base;
  leadx_vtab_cursor *cursor = sqlite3_malloc64(sizeof *cursor);
  if (!cursor) return SQLITE_NOMEM;
  memset(cursor, 0, sizeof *cursor);
  *out = &cursor->base;
  return SQLITE_OK;
}

static int vtab_close(sqlite3_vtab_cursor *base) {
  leadx_vtab_cursor *cursor = (leadx_vtab_cursor *)base;
  sqlite3_finalize(cursor->stmt);
  leadx_tables_clear(&cursor->tables);
  sqlite3_free(cursor);
  return SQLITE_OK;
}

/* *sql_id: the SELECT to run on the file as it is now, NO_SQL when there is nothing to read. */
static int choose_sql(const leadx_vtab_entry *entry, leadx_db *db, int *sql_id, leadx_err *err) {
  int present = 0;
  int rc = leadx_schema_open(db, entry->name, &present, err);
  if (rc == SQLITE_OK && present && entry->needs) {
    int64_t there = 0;
    rc = leadx_schema_has(db, entry->needs, &there, err);
    present = there != 0;
  }
  *sql_id = present ? entry->sql_id : entry->sql_id_without_tables;
  return rc;
}

/* Prepares the SELECT for a plan. *stmt stays NULL when there is nothing to read. */
static int prepare(leadx_vtab *vtab, int plan, sqlite3_stmt **stmt, leadx_err *err) {
  leadx_db db = {.handle = vtab->ctx->db.handle};
  int sql_id = NO_SQL;
  int rc = choose_sql(vtab->entry, &db, &sql_id, err);
  leadx_db_release(&db);
  if (rc != SQLITE_OK || sql_id == NO_SQL) return rc;
  sqlite3_str *sql = sqlite3_str_new(db.handle);
  sqlite3_str_appendall(sql, leadx_sql_text[sql_id]);
  const char *glue = "\nWHERE ";
  for (int c = 0; c < CONDITIONS; c++) {
    if (!(plan & 1 << c) || !queue_conditions[c].sql) continue;
    sqlite3_str_appendf(sql, "%s%s", glue, queue_conditions[c].sql);
    glue = " AND ";
  }
  if (plan & PLAN_OPEN)
    sqlite3_str_appendf(sql, "%s%s", glue, leadx_sql_text[LEADX_SQL_VTAB_QUEUE_OPEN]);
  *stmt = leadx_db_prepare_str(&db, sql, err);
  return *stmt ? SQLITE_OK : err->rc;
}

/* Binds a text that is NULL when empty. */
static int bind_text(sqlite3_stmt *stmt, int i, const char *text) {
  return text && *text ? sqlite3_bind_text(stmt, i, text, -1, SQLITE_TRANSIENT)
                       : sqlite3_bind_null(stmt, i);
}

/* Does another process sync the file? Only the lease tells. */
static int syncs_elsewhere(leadx_ctx *ctx) {
  leadx_db db = {.handle = ctx->db.handle};
  leadx_err quiet = {0};
  char left[LEADX_OWNER_BYTES];
  int present = 0, held = 0;
  leadx_session_left_lease(ctx->session, left, (int)sizeof left);
  if (leadx_schema_open(&db, "leadx_state", &present, &quiet) == SQLITE_OK && present) {
    leadx_lease_is_held(&db, left, leadx_settings_ms(ctx->settings, LEADX_LEASE), &held, &quiet);
  }
  leadx_db_release(&db);
  return held;
}

static int bind_state(leadx_ctx *ctx, sqlite3_stmt *stmt) {
  leadx_session *session = ctx->session;
  leadx_progress progress;
  char user[LEADX_USER_BYTES], next_sync[LEADX_INSTANT_BYTES] = "";
  leadx_session_get_progress(session, &progress);
  if (leadx_session_next_sync(session))
    leadx_instant_format(leadx_session_next_sync(session), next_sync);
  int rc = progress.online < 0 ? SQLITE_OK : sqlite3_bind_int(stmt, 1, progress.online);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int(stmt, 2, progress.syncing || syncs_elsewhere(ctx));
  if (rc == SQLITE_OK) rc = bind_text(stmt, 3, progress.phase);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 4, progress.done);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 5, progress.total);
  if (rc == SQLITE_OK)
    rc = bind_text(stmt, 6, leadx_auth_state_name(leadx_session_auth_state(session, user)));
  if (rc == SQLITE_OK) rc = bind_text(stmt, 7, progress.message);
  if (rc == SQLITE_OK) rc = bind_text(stmt, 8, next_sync);
  return rc;
}

static int bind_parameters(leadx_vtab *vtab, sqlite3_stmt *stmt, int plan, sqlite3_value **argv) {
  if (vtab->entry->binding == BIND_STATE) return bind_state(vtab->ctx, stmt);
  int rc = SQLITE_OK;
  if (vtab->entry->costly) rc = sqlite3_bind_int(stmt, 1, (plan & PLAN_COSTLY) != 0);
  if (rc == SQLITE_OK && vtab->entry->binding == BIND_USER) {
    char user[LEADX_USER_BYTES];
    leadx_session_auth_state(vtab->ctx->session, user);
    rc = sqlite3_bind_text(stmt, 2, user, -1, SQLITE_TRANSIENT);
  }
  for (int c = 0; rc == SQLITE_OK && c < CONDITIONS; c++) {
    if (!(plan & 1 << c)) continue;
    if (queue_conditions[c].sql) rc = sqlite3_bind_value(stmt, 2 + c, *argv);
    argv++;
  }
  return rc;
}

static int vtab_next(sqlite3_vtab_cursor *base) {
  leadx_vtab_cursor *cursor = (leadx_vtab_cursor *)base;
  leadx_vtab *vtab = (leadx_vtab *)base->pVtab;
  int rc = sqlite3_step(cursor->stmt);
  cursor->has_row = rc == SQLITE_ROW;
  cursor->row++;
  if (rc == SQLITE_ROW || rc == SQLITE_DONE) return SQLITE_OK;
  leadx_err err = {0};
  leadx_err_db(&err, vtab->ctx->db.handle, rc, vtab->entry->name);
  return vtab_fail(vtab, &err);
}

/* Do the values of a plan's conditions say that no settled row is wanted? */
static int wants_open(int plan, sqlite3_value **argv) {
  for (int c = 0; c < CONDITIONS; c++) {
    if (!(plan & 1 << c)) continue;
    const char *settled = queue_conditions[c].settled;
    const char *value = settled ? (const char *)sqlite3_value_text(*argv) : NULL;
    argv++;
    if (!value) continue;
    int is_settled = strcmp(value, settled) == 0;
    if (queue_conditions[c].op == SQLITE_INDEX_CONSTRAINT_EQ ? !is_settled : is_settled) return 1;
  }
  return 0;
}

static int vtab_filter(sqlite3_vtab_cursor *base, int plan, const char *text, int argc,
                       sqlite3_value **argv) {
  (void)text, (void)argc;
  leadx_vtab_cursor *cursor = (leadx_vtab_cursor *)base;
  leadx_vtab *vtab = (leadx_vtab *)base->pVtab;
  leadx_err err = {0};
  if (leadx_ctx_guard_fork(vtab->ctx, vtab->entry->name, &err) != SQLITE_OK)
    return vtab_fail(vtab, &err);
  if (vtab->entry->is_queue && wants_open(plan, argv)) plan |= PLAN_OPEN;
  if (cursor->stmt && cursor->plan != plan) {
    sqlite3_finalize(cursor->stmt);
    cursor->stmt = NULL;
  }
  cursor->plan = plan;
  cursor->has_row = 0;
  cursor->row = 0;
  int rc = SQLITE_OK;
  if (cursor->stmt) {
    sqlite3_reset(cursor->stmt); /* its error, if any, was reported when it arose */
  } else {
    rc = prepare(vtab, plan, &cursor->stmt, &err);
    if (rc == SQLITE_OK && !cursor->stmt) return SQLITE_OK;
  }
  if (rc == SQLITE_OK) {
    rc = bind_parameters(vtab, cursor->stmt, plan, argv);
    if (rc != SQLITE_OK) leadx_err_db(&err, vtab->ctx->db.handle, rc, vtab->entry->name);
  }
  return rc == SQLITE_OK ? vtab_next(base) : vtab_fail(vtab, &err);
}

static int vtab_eof(sqlite3_vtab_cursor *base) { return !((leadx_vtab_cursor *)base)->has_row; }

/* Answers with the words of the row that the current line is about; 0 when it has none. */
static int result_label(leadx_vtab *vtab, leadx_vtab_cursor *cursor, sqlite3_context *out) {
  leadx_db db = {.handle = vtab->ctx->db.handle};
  leadx_err quiet = {0};
  const char *entity = leadx_db_text(cursor->stmt, PROBLEM_ENTITY, &quiet);
  const char *key = leadx_db_text(cursor->stmt, PROBLEM_KEY, &quiet);
  char *label = NULL;
  if (entity && key && !cursor->has_tables)
    cursor->has_tables = leadx_tables_load(&db, vtab->entry->name, &cursor->tables, &quiet) ==
                         SQLITE_OK;
  if (cursor->has_tables && entity && key)
    label = leadx_label_of(&db, &cursor->tables, entity, key);
  leadx_db_release(&db);
  if (label) sqlite3_result_text(out, label, -1, sqlite3_free);
  return label != NULL;
}

static int vtab_column(sqlite3_vtab_cursor *base, sqlite3_context *out, int i) {
  /* An UPDATE asks for the columns it leaves alone; without an answer xUpdate knows them as
  ** such. */
  leadx_vtab *vtab = (leadx_vtab *)base->pVtab;
  if (sqlite3_vtab_nochange(out)) return SQLITE_OK;
  if (i > 0 && i == vtab->entry->label_column && result_label(vtab, (leadx_vtab_cursor *)base, out))
    return SQLITE_OK;
  sqlite3_result_value(out, sqlite3_column_value(((leadx_vtab_cursor *)base)->stmt, i));
  return SQLITE_OK;
}

static int vtab_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid) {
  leadx_vtab_cursor *cursor = (leadx_vtab_cursor *)base;
  int is_queue = ((leadx_vtab *)base->pVtab)->entry->is_queue;
  *rowid = is_queue ? sqlite3_column_int64(cursor->stmt, QUEUE_COLUMNS) : cursor->row;
  return SQLITE_OK;
}

/* Writing leadx_queue ---------------------------------------------------------------- */

#define ALLOWED \
  "allowed are UPDATE leadx_queue SET status = 'PENDING', which retries a row, and DELETE, which " \
  "discards it"

/* Is the value a statement gives for column i the one the row has? */
static int is_same(sqlite3_value *value, sqlite3_stmt *row, int i) {
  int type = sqlite3_column_type(row, i);
  if (sqlite3_value_type(value) != type) return 0;
  if (type == SQLITE_NULL) return 1;
  const void *a = sqlite3_value_blob(value), *b = sqlite3_column_blob(row, i);
  int n = sqlite3_value_bytes(value);
  return n == sqlite3_column_bytes(row, i) && (n == 0 || (a && b && memcmp(a, b, (size_t)n) == 0));
}

/* *asked: does the UPDATE set the status to PENDING? Everything else it may set is refused. */
static int check_update(sqlite3_stmt *row, sqlite3_value **columns, int *asked, leadx_err *err) {
  *asked = 0;
  for (int i = 0; i < QUEUE_COLUMNS; i++) {
    if (sqlite3_value_nochange(columns[i])) continue;
    if (i == QUEUE_STATUS) {
      const char *status = (const char *)sqlite3_value_text(columns[i]);
      *asked = status && strcmp(status, "PENDING") == 0;
      if (*asked) continue;
    }
    if (is_same(columns[i], row, i)) continue;
    if (i == QUEUE_STATUS) {
      return leadx_err_set(err, SQLITE_CONSTRAINT,
                           "leadx_queue: status can only be set to 'PENDING', the other words are "
                           "leadx's own; " ALLOWED);
    }
    return leadx_err_set(err, SQLITE_CONSTRAINT,
                         "leadx_queue: the column %s cannot be changed; " ALLOWED,
                         sqlite3_column_name(row, i));
  }
  return SQLITE_OK;
}

/* Can the row be retried? The reason why not, or NULL. */
static const char *why_no_retry(sqlite3_stmt *row, leadx_err *err) {
  const char *status = leadx_db_text(row, QUEUE_STATUS, err),
             *state = leadx_db_text(row, QUEUE_STATE, err);
  if (!status || !state) return "its status is none of PENDING, IN_PROGRESS, SYNCED, FAILED";
  if (strcmp(status, "SYNCED") == 0)
    return "it has been sent already; change the row itself to send it again";
  if (strcmp(status, "IN_PROGRESS") == 0) return "it is being sent just now";
  if (strcmp(state, "conflict") == 0)
    return "it waits for a decision; see leadx_conflicts and call leadx_resolve()";
  return NULL;
}

/* Retries the row an UPDATE asks for. row is finalized in every case. */
static int update_row(leadx_db *db, sqlite3_stmt *row, sqlite3_value **argv, leadx_err *err) {
  int asked = 0;
  char *id = NULL;
  int rc = check_update(row, argv + 2, &asked, err);
  if (rc == SQLITE_OK && sqlite3_value_int64(argv[1]) != sqlite3_value_int64(argv[0])) {
    rc = leadx_err_set(err, SQLITE_CONSTRAINT,
                       "leadx_queue: the rowid cannot be changed; " ALLOWED);
  }
  if (rc == SQLITE_OK && asked) {
    const char *reason = why_no_retry(row, err), *text = leadx_db_text(row, QUEUE_ID, err);
    rc = err->rc;
    if (rc == SQLITE_OK && reason)
      rc = leadx_err_set(err, SQLITE_CONSTRAINT, "leadx_queue: row %s cannot be retried: %s",
                         text ? text : "without an id", reason);
    if (rc == SQLITE_OK && !reason && !(id = sqlite3_mprintf("%s", text)))
      rc = leadx_err_nomem(err);
  }
  sqlite3_finalize(row);
  int64_t changed = 0;
  if (rc == SQLITE_OK && id) rc = leadx_queue_retry(db, id, &changed, err);
  sqlite3_free(id);
  return rc;
}

/* Discards the row a DELETE asks for. row is finalized in every case. */
static int delete_row(leadx_db *db, leadx_tables *tables, sqlite3_stmt *row, leadx_err *err) {
  const char *text = leadx_db_text(row, QUEUE_ID, err);
  char *id = err->rc == SQLITE_OK ? sqlite3_mprintf("%s", text) : NULL;
  sqlite3_finalize(row);
  int rc = id ? leadx_resolve_discard(db, tables, id, err) : leadx_err_nomem(err);
  sqlite3_free(id);
  return rc;
}

/* Steps a statement to the row with that rowid; *row is NULL when it is gone, as the rows are that
** went together with an earlier one of the same DELETE. The caller finalizes. */
static int load_row(leadx_vtab *vtab, sqlite3_value *rowid, sqlite3_stmt **row, leadx_err *err) {
  sqlite3_stmt *stmt = NULL;
  *row = NULL;
  int rc = prepare(vtab, PLAN_ROWID | PLAN_COSTLY, &stmt, err);
  if (rc != SQLITE_OK || !stmt) return rc;
  rc = bind_parameters(vtab, stmt, PLAN_ROWID | PLAN_COSTLY, &rowid);
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  if (rc == SQLITE_ROW) {
    *row = stmt;
    return SQLITE_OK;
  }
  rc = rc == SQLITE_DONE ? SQLITE_OK : leadx_err_db(err, vtab->ctx->db.handle, rc, "leadx_queue");
  sqlite3_finalize(stmt);
  return rc;
}

/* Is the id of a queue row a text by which the row is found? */
static int has_name(sqlite3_stmt *row, leadx_err *err) {
  if (sqlite3_column_type(row, QUEUE_ID) != SQLITE_TEXT) return 0;
  const char *id = leadx_db_text(row, QUEUE_ID, err);
  return id && *id && strlen(id) == (size_t)sqlite3_column_bytes(row, QUEUE_ID);
}

static int write_row(leadx_vtab *vtab, leadx_db *db, int argc, sqlite3_value **argv,
                     leadx_err *err) {
  if (sqlite3_value_type(argv[0]) == SQLITE_NULL) {
    return leadx_err_set(err, SQLITE_CONSTRAINT,
                         "leadx_queue: rows cannot be inserted here; call "
                         "leadx_enqueue(entity_type, entity_id, action, payload)");
  }
  sqlite3_stmt *row = NULL;
  int present = 0;
  int rc = leadx_schema_open(db, "leadx_queue", &present, err);
  if (rc == SQLITE_OK) rc = load_row(vtab, argv[0], &row, err);
  if (rc != SQLITE_OK || !row) return rc;
  if (!has_name(row, err)) {
    sqlite3_finalize(row);
    return leadx_err_set(
        err, SQLITE_CONSTRAINT,
        "leadx_queue: a row whose id is no text cannot be changed here; the next sync gives it "
        "one, or give it one in sync_queue first");
  }
  return argc == 1 ? delete_row(db, vtab->ctx->tables, row, err) : update_row(db, row, argv, err);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the signature is SQLite's. */
static int vtab_update(sqlite3_vtab *base, int argc, sqlite3_value **argv, sqlite3_int64 *rowid) {
  (void)rowid; /* nothing can be inserted */
  leadx_vtab *vtab = (leadx_vtab *)base;
  leadx_db db = {.handle = vtab->ctx->db.handle};
  leadx_err err = {0};
  int rc = write_row(vtab, &db, argc, argv, &err);
  leadx_db_release(&db);
  return rc == SQLITE_OK ? SQLITE_OK : vtab_fail(vtab, &err);
}

/* Registering ------------------------------------------------------------------------- */

/* Without xCreate a table is eponymous only: there is no CREATE VIRTUAL TABLE. */
#define READING_METHODS \
  .xConnect = vtab_connect, .xBestIndex = vtab_best_index, .xDisconnect = vtab_disconnect, \
  .xOpen = vtab_open, .xClose = vtab_close, .xFilter = vtab_filter, .xNext = vtab_next, \
  .xEof = vtab_eof, .xColumn = vtab_column, .xRowid = vtab_rowid

static const sqlite3_module reading_module = {READING_METHODS};
static const sqlite3_module writing_module = {READING_METHODS, .xUpdate = vtab_update};

static void module_free(void *aux) {
  leadx_vtab_module *module = aux;
  leadx_ctx_unref(module->ctx);
  sqlite3_free(module);
}

int leadx_vtab_register(leadx_ctx *ctx, leadx_err *err) {
  for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
    leadx_vtab_module *module = sqlite3_malloc64(sizeof *module);
    if (!module) return leadx_err_nomem(err);
    module->ctx = leadx_ctx_ref(ctx);
    module->entry = &entries[i];
    const sqlite3_module *methods = entries[i].is_queue ? &writing_module : &reading_module;
    /* SQLite calls module_free itself when it refuses. */
    int rc = sqlite3_create_module_v2(ctx->db.handle, entries[i].name, methods, module,
                                      module_free);
    if (rc != SQLITE_OK) return leadx_err_db(err, ctx->db.handle, rc, entries[i].name);
  }
  return SQLITE_OK;
}
