/* Reads what a table is: options and live schema. See describe.h. */
#include "store/describe.h"

#include <string.h>

#include "base/doc.h"
#include "store/filter.h"

/* The entities that LeadX names; any other table is an entity of its own name. */
static const struct known_entity {
  const char *table, *entity;
  int priority;
} known_entities[] = {{"activities", "activity", 1},
                      {"pipelines", "pipeline", 2},
                      {"customers", "customer", 3},
                      {"settings", "setting", 4}};
#define DEFAULT_PRIORITY 3

static const char
    *const option_names[] = {"entity",  "remote",      "priority", "mode",     "version",
                             "delete",  "soft_delete", "policy",   "filter",   "columns",
                             "pending", "synced_at",   "backfill", "existing", "plain",
                             "learned"}; /* not for an application: what run/learn.c noted */
static const char *const mode_names[] = {"both", "push", "pull"};
static const char *const existing_names[] = {"keep", "push", "server"};
static const char *const policy_names[] = {"timestamp", "merge", "client", "server", "manual"};

/* Index of text in a list of names, or -1. */
static int find_name(const char *const *names, size_t n, const char *text) {
  for (size_t i = 0; i < n; i++) {
    if (strcmp(names[i], text) == 0) return (int)i;
  }
  return -1;
}
#define FIND_NAME(names, text) find_name((names), sizeof(names) / sizeof((names)[0]), (text))

/* NULL is a text that there was no memory for. */
static char *copy_text(const char *text, leadx_err *err) {
  char *copy = text ? sqlite3_mprintf("%s", text) : NULL;
  if (!copy) leadx_err_nomem(err);
  return copy;
}

/* ---- which tables can be tracked ---- */

static int refuse(leadx_err *err, const char *who, const char *name, const char *why) {
  return leadx_err_set(err, SQLITE_ERROR, "%s: table \"%.80s\" %s", who, name, why);
}

static int is_own_name(const char *name) {
  return sqlite3_strnicmp(name, "leadx_", 6) == 0 || sqlite3_stricmp(name, "sync_queue") == 0 ||
         sqlite3_stricmp(name, "sync_conflicts") == 0;
}

/* Judges the first row of table_kinds (main first). */
static int check_kind(leadx_err *err, const char *who, const char *name, const char *schema,
                      const char *type) {
  if (sqlite3_stricmp(schema, "temp") == 0) {
    return refuse(err, who, name,
                  "is a temporary table; its rows vanish with the connection, track a table of the "
                  "main database");
  }
  if (sqlite3_stricmp(schema, "main") != 0) {
    return refuse(err, who, name,
                  "is in an attached database; open that file itself and track the table there");
  }
  if (strcmp(type, "view") == 0)
    return refuse(err, who, name, "is a view; track the tables it reads from");
  if (strcmp(type, "virtual") == 0)
    return refuse(err, who, name,
                  "is a virtual table, which cannot have triggers; track an ordinary table");
  if (strcmp(type, "shadow") == 0)
    return refuse(err, who, name, "belongs to a virtual table; track an ordinary table");
  return SQLITE_OK;
}

static int check_trackable(leadx_db *db, const char *who, const char *name, leadx_table *table,
                           leadx_err *err) {
  if (sqlite3_strnicmp(name, "sqlite_", 7) == 0)
    return refuse(err, who, name, "is SQLite's own; track one of your tables");
  if (is_own_name(name)) return refuse(err, who, name, "is leadx's own; track one of your tables");
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_DESCRIBE_KINDS, err, "t", name);
  if (!stmt) return err->rc;
  if (leadx_db_next(db, stmt, err)) {
    const char *schema = leadx_db_text(stmt, 0, err), *type = leadx_db_text(stmt, 1, err);
    if (schema && type) check_kind(err, who, name, schema, type);
    table->without_rowid = sqlite3_column_int(stmt, 2);
  } else if (err->rc == SQLITE_OK) {
    refuse(err, who, name,
           "does not exist in the main database; check the name, or create it first");
  }
  leadx_db_put(db, stmt);
  return err->rc;
}

/* Takes over the spelling that the schema has. */
static int read_real_name(leadx_db *db, const char *name, leadx_table *table, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_DESCRIBE_REAL_NAME, err, "t", name);
  if (!stmt) return err->rc;
  const char *found = leadx_db_next(db, stmt, err) ? leadx_db_text(stmt, 0, err) : NULL;
  if (err->rc == SQLITE_OK) table->name = copy_text(found ? found : name, err);
  leadx_db_put(db, stmt);
  return table->name ? SQLITE_OK : err->rc;
}

/* ---- options ---- */

static int check_option_names(const leadx_doc *options, const char *who, leadx_err *err) {
  for (const leadx_doc *o = leadx_doc_first(options); o; o = leadx_doc_next(o)) {
    if (FIND_NAME(option_names, leadx_doc_name(o)) >= 0) continue;
    return leadx_err_set(err, SQLITE_ERROR,
                         "%s: unknown option \"%.40s\"; allowed are entity, remote, priority, "
                         "mode, version, delete, soft_delete, policy, filter, "
                         "columns, pending, synced_at, existing, backfill, plain",
                         who, leadx_doc_name(o));
  }
  return SQLITE_OK;
}

/* Copies a text option to *out; absent or null leaves it alone. */
static int take_text(const leadx_doc *options, const char *name, const char *who, char **out,
                     leadx_err *err) {
  const leadx_doc *value = leadx_doc_get(options, name);
  if (!value || leadx_doc_is_null(value)) return SQLITE_OK;
  const char *text = leadx_doc_string(value);
  if (!text || !*text)
    return leadx_err_set(err, SQLITE_ERROR, "%s: option \"%s\" must be a text that is not empty",
                         who, name);
  sqlite3_free(*out);
  *out = copy_text(text, err);
  return *out ? SQLITE_OK : err->rc;
}

static int bad_choice(leadx_err *err, const char *who, const char *option, const char *allowed) {
  return leadx_err_set(err, SQLITE_ERROR, "%s: option \"%s\" must be one of %s", who, option,
                       allowed);
}

static int take_choices(leadx_table *table, const leadx_doc *options, const char *who,
                        leadx_err *err) {
  const char *mode = leadx_doc_text(options, "mode"), *del = leadx_doc_text(options, "delete");
  if (leadx_doc_get(options, "mode")) {
    int i = mode ? FIND_NAME(mode_names, mode) : -1;
    if (i < 0) return bad_choice(err, who, "mode", "both, push, pull");
    table->mode = (leadx_mode)i;
  }
  if (leadx_doc_get(options, "delete")) {
    if (!del || (strcmp(del, "hard") != 0 && strcmp(del, "soft") != 0))
      return bad_choice(err, who, "delete", "hard, soft");
    table->soft_delete = strcmp(del, "soft") == 0;
  }
  if (table->policy && FIND_NAME(policy_names, table->policy) < 0) {
    return bad_choice(err, who, "policy", "timestamp, merge, client, server, manual");
  }
  const char *existing = leadx_doc_text(options, "existing");
  if (leadx_doc_get(options, "existing") && (!existing || FIND_NAME(existing_names, existing) < 0))
    return bad_choice(err, who, "existing", "keep, push, server");
  const leadx_doc *priority = leadx_doc_get(options, "priority");
  if (priority) {
    double n = leadx_doc_number(priority);
    if (!leadx_doc_is_number(priority) || n < 1 || n > 1000 || n != (double)(int)n) {
      return leadx_err_set(err, SQLITE_ERROR,
                           "%s: option \"priority\" must be a whole number from 1 (first) to 1000",
                           who);
    }
    table->priority = (int)n;
  }
  static const char *const flags[] = {"backfill", "plain"};
  for (size_t i = 0; i < 2; i++) {
    const leadx_doc *flag = leadx_doc_get(options, flags[i]);
    if (flag && !leadx_doc_is_bool(flag)) return bad_choice(err, who, flags[i], "true, false");
  }
  return SQLITE_OK;
}

/* The remote name becomes one segment of a path. Encoding does not help where a gateway decodes
** before it looks for "..": whoever wrote the file could then reach the server's other services in
** the user's name. Refused with a code of its own, so that a file's own option is not taken for that
** of a table that was dropped. */
static int check_remote(const leadx_table *table, const char *who, leadx_err *err) {
  if (leadx_filter_is_segment(table->remote)) return SQLITE_OK;
  return leadx_err_set(err, SQLITE_AUTH,
                       "%s: table \"%.80s\" cannot be \"%.80s\" on the server; name it in the "
                       "option \"remote\", without / \\ or control bytes, encoded or not",
                       who, table->name, table->remote);
}

/* The filter stands in the address as it is: conditions alone, and nothing that ends them early. */
static int check_filter(const leadx_table *table, const char *who, leadx_err *err) {
  char piece[LEADX_PIECE_BYTES];
  const char *fault = table->filter ? leadx_filter_fault(table->filter, piece) : NULL;
  if (!fault) return SQLITE_OK;
  return leadx_err_set(err, SQLITE_AUTH,
                       "%s: option \"filter\" must be PostgREST conditions joined by &, e.g. "
                       "status=eq.open&city=in.(Solo,Bogor), percent-encoded where "
                       "an address needs it; \"%s\" is none: %s",
                       who, piece, fault);
}

static int take_defaults(leadx_table *table, leadx_err *err) {
  table->priority = DEFAULT_PRIORITY;
  const char *entity = table->name;
  for (size_t i = 0; i < sizeof known_entities / sizeof known_entities[0]; i++) {
    if (sqlite3_stricmp(table->name, known_entities[i].table) != 0) continue;
    entity = known_entities[i].entity;
    table->priority = known_entities[i].priority;
  }
  table->entity = copy_text(entity, err);
  table->remote = copy_text(table->name, err);
  table->version = copy_text("updated_at", err);
  return err->rc;
}

static int take_options(leadx_table *table, const leadx_doc *options, const char *who,
                        leadx_err *err) {
  int rc = take_defaults(table, err);
  if (rc != SQLITE_OK || !options) return rc;
  if (!leadx_doc_is_object(options)) {
    return leadx_err_set(err, SQLITE_ERROR,
                         "%s: the options must be a JSON object, e.g. {\"priority\":1}", who);
  }
  rc = check_option_names(options, who, err);
  if (rc == SQLITE_OK) rc = take_text(options, "entity", who, &table->entity, err);
  if (rc == SQLITE_OK) rc = take_text(options, "remote", who, &table->remote, err);
  if (rc == SQLITE_OK) rc = take_text(options, "version", who, &table->version, err);
  if (rc == SQLITE_OK) rc = take_text(options, "soft_delete", who, &table->soft_delete_column, err);
  if (rc == SQLITE_OK) rc = take_text(options, "policy", who, &table->policy, err);
  if (rc == SQLITE_OK) rc = take_text(options, "filter", who, &table->filter, err);
  if (rc == SQLITE_OK) rc = take_text(options, "pending", who, &table->pending, err);
  if (rc == SQLITE_OK) rc = take_text(options, "synced_at", who, &table->synced_at, err);
  if (rc == SQLITE_OK) rc = check_filter(table, who, err);
  if (rc == SQLITE_OK) rc = take_choices(table, options, who, err);
  return rc;
}

/* ---- columns ---- */

/* timestamp:sql is a timestamp that is written in a way of its own. */
static void take_type(leadx_column *column, leadx_type type) {
  column->is_sql_form = type == LEADX_TIMESTAMP_SQL;
  column->type = column->is_sql_form ? LEADX_TIMESTAMP : type;
}

/* The member "mode" of a column's object. A key that is not sent would name no row. */
static int take_column_mode(const leadx_doc *mode, const char *who, leadx_column *column,
                            leadx_err *err) {
  const char *text = leadx_doc_string(mode);
  if (!mode || leadx_doc_is_null(mode)) return SQLITE_OK;
  column->is_computed = text && strcmp(text, "pull") == 0;
  if (!column->is_computed && (!text || strcmp(text, "both") != 0))
    return leadx_err_set(err, SQLITE_ERROR,
                         "%s: option \"columns\": the mode of \"%.60s\" must be both, or pull for "
                         "a column that the server computes",
                         who, column->name);
  if (!column->is_computed || column->key_position == 0) return SQLITE_OK;
  return leadx_err_set(err, SQLITE_ERROR,
                       "%s: option \"columns\": \"%.60s\" is part of the primary key, which is "
                       "always sent; its mode cannot be pull",
                       who, column->name);
}

/* What "columns" says of one column. *local_only for null. */
static int take_column_option(const leadx_doc *said, const char *who, leadx_column *column,
                              int *local_only, leadx_err *err) {
  *local_only = leadx_doc_is_null(said);
  if (*local_only) return SQLITE_OK;
  if (!leadx_doc_is_object(said)) {
    return leadx_err_set(err, SQLITE_ERROR,
                         "%s: option \"columns\": \"%.60s\" must be null (local only) or "
                         "{\"remote\":\"name\",\"type\":\"…\",\"mode\":\"pull\"}",
                         who, column->name);
  }
  static const char *const members[] = {"remote", "type", "mode"};
  for (const leadx_doc *o = leadx_doc_first(said); o; o = leadx_doc_next(o)) {
    if (FIND_NAME(members, leadx_doc_name(o)) >= 0) continue;
    return leadx_err_set(
        err, SQLITE_ERROR,
        "%s: option \"columns\": unknown \"%.40s\" of \"%.60s\"; allowed are remote, type, mode",
        who, leadx_doc_name(o), column->name);
  }
  int rc = take_text(said, "remote", who, &column->remote, err);
  if (rc == SQLITE_OK) rc = take_column_mode(leadx_doc_get(said, "mode"), who, column, err);
  const leadx_doc *type = leadx_doc_get(said, "type");
  if (rc != SQLITE_OK || !type) return rc;
  int found = leadx_doc_string(type) ? leadx_type_find(leadx_doc_string(type)) : -1;
  if (found < 0) {
    return leadx_err_set(err, SQLITE_ERROR,
                         "%s: option \"columns\": the type of \"%.60s\" must be one of text, "
                         "integer, real, boolean, json, blob, uuid, decimal, date, "
                         "timestamp, timestamp:s, timestamp:ms, timestamp:sql",
                         who, column->name);
  }
  take_type(column, (leadx_type)found);
  column->is_settled = 1;
  return SQLITE_OK;
}

/* The type that the server named when it was asked, unless the application has named one. */
static void take_learned(const leadx_doc *options, leadx_column *column) {
  const leadx_doc *type = leadx_doc_get(leadx_doc_get(options, "learned"), column->name);
  if (leadx_doc_string(type) && strcmp(leadx_doc_string(type), LEADX_LEARNED_COMPUTED) == 0 &&
      column->key_position == 0)
    column->is_computed = 1;
  int found = leadx_doc_string(type) ? leadx_type_find(leadx_doc_string(type)) : -1;
  if (found == LEADX_TIMESTAMP_SQL && column->type == LEADX_TIMESTAMP && !column->is_settled)
    column->is_sql_form = 1;
  if (found < 0 || column->is_settled || column->type != LEADX_TEXT || found == LEADX_TIMESTAMP_SQL)
    return;
  column->type = (leadx_type)found;
  column->is_settled = 1;
}

/* Does SQLite make a number of a text that looks like one, by the column's declared type? */
static int has_numeric_affinity(const char *declared) {
  static const char *const parts[] = {"INT", "CHAR", "CLOB", "TEXT", "BLOB"};
  if (!declared || !*declared) return 0;
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    for (const char *at = declared; *at; at++) {
      if (sqlite3_strnicmp(at, parts[i], (int)strlen(parts[i])) == 0) return i == 0;
    }
  }
  return 1;
}

static int is_ui_column(const leadx_table *table, const char *name) {
  return (table->pending && sqlite3_stricmp(table->pending, name) == 0) ||
         (table->synced_at && sqlite3_stricmp(table->synced_at, name) == 0);
}

/* Adds the column of the current row of table_columns unless it stays local. */
static int add_column(leadx_table *table, sqlite3_stmt *row, const leadx_doc *options,
                      const char *who, leadx_err *err) {
  const char *name = leadx_db_text(row, 0, err);
  if (!name) return err->rc;
  int position = sqlite3_column_int(row, 4);
  if (sqlite3_column_int(row, 5) != 0 || is_ui_column(table, name)) return SQLITE_OK;
  leadx_column *column = &table->columns[table->ncolumns];
  memset(column, 0, sizeof *column);
  column->name = copy_text(name, err);
  column->remote = copy_text(name, err);
  column->type = leadx_type_of_declaration(leadx_db_text(row, 1, err));
  column->is_numeric = has_numeric_affinity(leadx_db_text(row, 1, err));
  column->not_null = sqlite3_column_int(row, 2);
  column->affinity = leadx_affinity_of_declaration(leadx_db_text(row, 1, err));
  column->key_position = position;
  table->ncolumns++;
  if (leadx_literal_read(leadx_db_text(row, 3, err), &column->default_value) != SQLITE_OK)
    leadx_err_nomem(err);
  if (err->rc != SQLITE_OK) return err->rc;
  int local_only = 0;
  const leadx_doc *mine = leadx_doc_get(leadx_doc_get(options, "columns"), name);
  int rc = mine ? take_column_option(mine, who, column, &local_only, err) : SQLITE_OK;
  take_learned(options, column);
  /* Rows that were made here have the form of CURRENT_TIMESTAMP: two forms in one column would neither
  ** compare nor sort. */
  if (!column->is_settled && column->type == LEADX_TIMESTAMP &&
      column->default_value.kind == LEADX_LITERAL_TIMESTAMP)
    column->is_sql_form = 1;
  if (rc != SQLITE_OK || !local_only) return rc;
  if (position > 0) {
    return leadx_err_set(
        err, SQLITE_ERROR,
        "%s: option \"columns\": \"%.60s\" is part of the primary key and cannot be local only",
        who, name);
  }
  sqlite3_free(column->name);
  sqlite3_free(column->remote);
  leadx_literal_clear(&column->default_value);
  table->ncolumns--;
  return SQLITE_OK;
}

sqlite3_stmt *leadx_describe_columns(leadx_db *db, const char *name, leadx_err *err) {
  return leadx_db_query(db, LEADX_SQL_DESCRIBE_COLUMNS, err, "s", name);
}

static int count_columns(leadx_db *db, const leadx_table *table, int *n, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_describe_columns(db, table->name, err);
  if (!stmt) return err->rc;
  for (*n = 0; leadx_db_next(db, stmt, err);) ++*n;
  leadx_db_put(db, stmt);
  return err->rc;
}

/* Every name in "columns", "pending" and "synced_at" must be a column. */
static int check_column_names(leadx_db *db, leadx_table *table, const leadx_doc *said,
                              const char *who, leadx_err *err) {
  const char *missing = NULL;
  for (const leadx_doc *c = leadx_doc_first(said); c || !missing;
       c = c ? leadx_doc_next(c) : NULL) {
    sqlite3_stmt *stmt = leadx_describe_columns(db, table->name, err);
    if (!stmt) return err->rc;
    int found = c == NULL, pending = table->pending == NULL, synced = table->synced_at == NULL;
    while (leadx_db_next(db, stmt, err)) {
      const char *name = leadx_db_text(stmt, 0, err);
      if (!name) break;
      if (c && strcmp(name, leadx_doc_name(c)) == 0) found = 1;
      if (table->pending && sqlite3_stricmp(name, table->pending) == 0) pending = 1;
      if (table->synced_at && sqlite3_stricmp(name, table->synced_at) == 0) synced = 1;
    }
    leadx_db_put(db, stmt);
    if (err->rc != SQLITE_OK) return err->rc;
    missing = !found     ? leadx_doc_name(c)
              : !pending ? table->pending
              : !synced  ? table->synced_at
                         : NULL;
    if (missing || !c) break;
  }
  if (!missing) return SQLITE_OK;
  return leadx_err_set(err, SQLITE_ERROR,
                       "%s: table \"%.80s\" has no column \"%.60s\"; check the options", who,
                       table->name, missing);
}

static int read_columns(leadx_db *db, leadx_table *table, const leadx_doc *options, const char *who,
                        leadx_err *err) {
  const leadx_doc *said = options ? leadx_doc_get(options, "columns") : NULL;
  if (said && !leadx_doc_is_object(said)) {
    return leadx_err_set(
        err, SQLITE_ERROR,
        "%s: option \"columns\" must be a JSON object with the local columns' names", who);
  }
  int n = 0;
  int rc = check_column_names(db, table, said, who, err);
  if (rc == SQLITE_OK) rc = count_columns(db, table, &n, err);
  if (rc != SQLITE_OK) return rc;
  table->columns = sqlite3_malloc64(sizeof *table->columns * ((size_t)n + 1));
  if (!table->columns) return leadx_err_nomem(err);
  sqlite3_stmt *stmt = leadx_describe_columns(db, table->name, err);
  if (!stmt) return err->rc;
  while (err->rc == SQLITE_OK && leadx_db_next(db, stmt, err))
    add_column(table, stmt, options, who, err);
  leadx_db_put(db, stmt);
  return err->rc;
}

static int find_local(const leadx_table *table, const char *name) {
  for (int i = 0; i < table->ncolumns; i++) {
    if (sqlite3_stricmp(table->columns[i].name, name) == 0) return i;
  }
  return -1;
}

static int read_key(leadx_table *table, const char *who, leadx_err *err) {
  int limit = (int)(sizeof table->key / sizeof table->key[0]);
  for (int position = 1; position <= limit; position++) {
    for (int i = 0; i < table->ncolumns; i++) {
      if (table->columns[i].key_position == position) table->key[table->nkey++] = i;
    }
    if (table->nkey < position) break;
  }
  if (table->nkey == 0)
    return refuse(err, who, table->name, "has no primary key; add one, e.g. id TEXT PRIMARY KEY");
  for (int i = 0; i < table->ncolumns; i++) {
    if (table->columns[i].key_position > limit)
      return refuse(err, who, table->name, "has a primary key of more than 16 columns; use fewer");
  }
  table->integer_key = table->nkey == 1 && table->columns[table->key[0]].type == LEADX_INTEGER;
  return SQLITE_OK;
}

/* Puts a column among those before it: there are at most some thousands, and most come in no order. */
static void sort_in(const leadx_table *table, int n, int column) {
  int low = 0, high = n;
  while (low < high) {
    int middle = low + (high - low) / 2;
    const char *other = table->columns[table->by_remote[middle]].remote;
    if (strcmp(other, table->columns[column].remote) <= 0) low = middle + 1;
    else high = middle;
  }
  memmove(table->by_remote + low + 1, table->by_remote + low,
          sizeof *table->by_remote * (size_t)(n - low));
  table->by_remote[low] = column;
}

static int sort_names(leadx_table *table, leadx_err *err) {
  table->by_remote = sqlite3_malloc64(sizeof *table->by_remote * ((size_t)table->ncolumns + 1));
  if (!table->by_remote) return leadx_err_nomem(err);
  for (int i = 0; i < table->ncolumns; i++) sort_in(table, i, i);
  return SQLITE_OK;
}

/* Two local columns for one of the server's: one of them would be lost on the way. */
static int check_remote_names(const leadx_table *table, const char *who, leadx_err *err) {
  for (int i = 0; i < table->ncolumns; i++) {
    const char *remote = table->columns[i].remote;
    int other = leadx_table_find_remote(table, remote, strlen(remote));
    if (other == i) continue;
    return leadx_err_set(
        err, SQLITE_ERROR,
        "%s: option \"columns\": \"%.60s\" and \"%.60s\" are both \"%.60s\" on the server", who,
        table->columns[other].name, table->columns[i].name, remote);
  }
  return SQLITE_OK;
}

/* Which columns the version and the soft delete are, locally and on the server. */
static int resolve_roles(leadx_table *table, const char *who, leadx_err *err) {
  table->version_column = find_local(table, table->version);
  table->version_remote = copy_text(
      table->version_column >= 0 ? table->columns[table->version_column].remote : table->version,
      err);
  int local = find_local(table,
                         table->soft_delete_column ? table->soft_delete_column : "deleted_at");
  if (local >= 0) {
    sqlite3_free(table->soft_delete_column);
    table->soft_delete_column = copy_text(table->columns[local].remote, err);
  }
  if (err->rc == SQLITE_OK && table->soft_delete && !table->soft_delete_column) {
    return refuse(err, who, table->name,
                  "has no column deleted_at; name one in the option \"soft_delete\", or use "
                  "\"delete\":\"hard\"");
  }
  return err->rc;
}

/* ---- references and unique constraints ---- */

static int add_reference(leadx_table *table, sqlite3_stmt *row, int *last_id, leadx_err *err) {
  int id = sqlite3_column_int(row, 0);
  if (id != *last_id) {
    leadx_reference *more = sqlite3_realloc64(table->references,
                                              sizeof *more * ((size_t)table->nreferences + 1));
    if (!more) return leadx_err_nomem(err);
    table->references = more;
    leadx_reference *fresh = &more[table->nreferences];
    memset(fresh, 0, sizeof *fresh);
    fresh->parent_table = copy_text(leadx_db_text(row, 1, err), err);
    if (!fresh->parent_table) return err->rc;
    table->nreferences++;
    *last_id = id;
  }
  leadx_reference *reference = &table->references[table->nreferences - 1];
  const char *name = leadx_db_text(row, 2, err);
  if (!name) return err->rc;
  int column = find_local(table, name);
  /* A local-only or ninth column means the reference cannot be followed; the server's own check
  ** remains. */
  if (column < 0 || reference->ncolumn >= 8) {
    reference->ncolumn = 9;
  } else if (reference->ncolumn < 8) {
    const char *target = leadx_db_text(row, 3, err);
    if (target) reference->target[reference->ncolumn] = copy_text(target, err);
    reference->column[reference->ncolumn++] = column;
  }
  return err->rc;
}

static int read_references(leadx_db *db, leadx_table *table, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_DESCRIBE_REFERENCES, err, "s", table->name);
  if (!stmt) return err->rc;
  int last_id = -1;
  while (err->rc == SQLITE_OK && leadx_db_next(db, stmt, err))
    add_reference(table, stmt, &last_id, err);
  leadx_db_put(db, stmt);
  int kept = 0;
  for (int i = 0; i < table->nreferences; i++) {
    if (table->references[i].ncolumn <= 8) {
      table->references[kept++] = table->references[i];
    } else {
      leadx_reference_clear(&table->references[i]);
    }
  }
  table->nreferences = kept;
  return err->rc;
}

static int read_unique(leadx_db *db, leadx_table *table, leadx_err *err) {
  int64_t n = 0;
  int rc = leadx_db_int(db, LEADX_SQL_DESCRIBE_HAS_UNIQUE, err, &n, "t", table->name);
  table->has_unique = n > 0;
  return rc;
}

/* ---- warnings ---- */

/* Affinity of a declared type, as SQLite determines it: is it NUMERIC? */
static int is_numeric_affinity(const char *declared) {
  static const char *const others[] = {"INT",  "CHAR", "CLOB", "TEXT",
                                       "BLOB", "REAL", "FLOA", "DOUB"};
  if (!declared || !*declared) return 0;
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    for (const char *at = declared; *at; at++) {
      if (sqlite3_strnicmp(at, others[i], (int)strlen(others[i])) == 0) return 0;
    }
  }
  return 1;
}

static int collect_warnings(leadx_db *db, leadx_table *table, leadx_err *err) {
  leadx_doc *list = leadx_doc_new_array();
  if (!list) return leadx_err_nomem(err);
  if (table->integer_key)
    leadx_doc_push_text(list, "the primary key is an integer: two devices will make the same one; "
                              "use a UUID (leadx_uuid())");
  sqlite3_stmt *stmt = leadx_describe_columns(db, table->name, err);
  while (stmt && leadx_db_next(db, stmt, err)) {
    const char *declared = leadx_db_text(stmt, 1, err);
    if (sqlite3_column_int(stmt, 4) > 0 && is_numeric_affinity(declared)) {
      leadx_doc_push_text(list, "a column of the primary key is declared with a type of NUMERIC "
                                "affinity, which turns text such as 12e3 into a "
                                "number; declare it TEXT");
    }
    if (declared && sqlite3_column_int(stmt, 4) == 0 && is_numeric_affinity(declared) &&
        leadx_type_of_declaration(declared) == LEADX_DECIMAL) {
      leadx_doc_push_text(list, "a DECIMAL or NUMERIC column keeps 15 digits in SQLite; declare it "
                                "TEXT with type decimal to keep every digit");
    }
  }
  leadx_db_put(db, stmt);
  if (leadx_doc_first(list)) table->warnings = leadx_doc_print(list);
  leadx_doc_free(list);
  return err->rc;
}

/* ---- putting it together ---- */

static int describe(leadx_db *db, const char *who, const char *name, const leadx_doc *options,
                    leadx_table *table, leadx_err *err) {
  int rc = check_trackable(db, who, name, table, err);
  if (rc == SQLITE_OK) rc = read_real_name(db, name, table, err);
  if (rc == SQLITE_OK) rc = take_options(table, options, who, err);
  if (rc == SQLITE_OK) rc = check_remote(table, who, err);
  if (rc == SQLITE_OK) rc = read_columns(db, table, options, who, err);
  if (rc == SQLITE_OK) rc = sort_names(table, err);
  if (rc == SQLITE_OK && options && leadx_doc_get(options, "columns"))
    rc = check_remote_names(table, who, err);
  if (rc == SQLITE_OK) rc = read_key(table, who, err);
  if (rc == SQLITE_OK) rc = resolve_roles(table, who, err);
  if (rc == SQLITE_OK) rc = read_references(db, table, err);
  if (rc == SQLITE_OK) rc = read_unique(db, table, err);
  if (rc == SQLITE_OK) rc = collect_warnings(db, table, err);
  return rc;
}

/* A table of which nothing is known yet; NULL when out of memory. */
static leadx_table *new_table(void) {
  leadx_table *table = sqlite3_malloc64(sizeof *table);
  leadx_memory *memory = sqlite3_malloc64(sizeof *memory);
  if (!table || !memory) {
    sqlite3_free(table);
    sqlite3_free(memory);
    return NULL;
  }
  memset(table, 0, sizeof *table);
  memset(memory, 0, sizeof *memory);
  table->memory = memory;
  return table;
}

leadx_table *leadx_describe(leadx_db *db, const char *who, const char *name, const char *options,
                            leadx_err *err) {
  leadx_doc *doc = options ? leadx_doc_parse(who, options, strlen(options), err) : NULL;
  if (options && !doc) return NULL;
  leadx_table *table = new_table();
  if (table) {
    if (describe(db, who, name, doc, table, err) != SQLITE_OK) {
      leadx_table_free(table);
      table = NULL;
    }
  } else {
    leadx_err_nomem(err);
  }
  leadx_doc_free(doc);
  return table;
}

int leadx_describe_is_housekeeping(const char *name) {
  /* A star at the end stands for any rest; capitals do not count. */
  static const char *const patterns[] = {
      "android_metadata", /* Android */
      "room_master_table", /* Room */
      "room_table_modification_log",
      "grdb_migrations", /* GRDB */
      "z_primarykey", /* Core Data */
      "z_metadata",
      "z_modelcache",
      "alembic_version", /* Alembic */
      "django_migrations", /* Django */
      "django_content_type",
      "django_session",
      "migratehistory", /* Peewee */
      "aerich", /* Tortoise */
      "schema_migrations", /* Rails, Ecto, golang-migrate */
      "ar_internal_metadata",
      "knex_migrations*", /* knex */
      "sequelizemeta", /* Sequelize */
      "sequelizedata",
      "typeorm_metadata", /* TypeORM */
      "mikro_orm_migrations",
      "_prisma_migrations", /* Prisma */
      "__drizzle*", /* drizzle */
      "_sqlx_migrations", /* sqlx */
      "__diesel_schema_migrations", /* Diesel */
      "refinery_schema_history",
      "seaql_migrations",
      "__efmigrations*", /* Entity Framework */
      "versioninfo", /* FluentMigrator */
      "schemaversions", /* DbUp */
      "flyway_schema_history",
      "databasechangelog*", /* Liquibase */
      "goose_db_version",
      "gorp_migrations",
      "phinxlog",
      "doctrine_migration_versions",
  };
  for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
    size_t n = strcspn(patterns[i], "*");
    if (sqlite3_strnicmp(name, patterns[i], (int)n) == 0 && (patterns[i][n] == '*' || !name[n]))
      return 1;
  }
  return 0;
}

char **leadx_describe_candidates(leadx_db *db, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_get(db, LEADX_SQL_DESCRIBE_CANDIDATES, err);
  char **names = sqlite3_malloc64(sizeof *names);
  size_t n = 0;
  if (names) names[0] = NULL;
  while (stmt && names && err->rc == SQLITE_OK && leadx_db_next(db, stmt, err)) {
    const char *name = leadx_db_text(stmt, 0, err);
    char **more = name ? sqlite3_realloc64(names, sizeof *names * (n + 2)) : NULL;
    if (!more) leadx_err_nomem(err);
    if (!more) break;
    names = more;
    names[n] = copy_text(name, err);
    names[++n] = NULL;
  }
  leadx_db_put(db, stmt);
  return names;
}
