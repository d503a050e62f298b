/* The local table for one of the server's. See local_copy.h. */
#include "api/local_copy.h"

#include <string.h>

#include "base/wire.h"

/* ---- types ---- */

/* What stands for a type of the server's here, by its name without length and precision. */
static const struct server_type {
  const char *name;
  leadx_type type;
} server_types[] = {
    {"smallint", LEADX_INTEGER},
    {"integer", LEADX_INTEGER},
    {"bigint", LEADX_INTEGER},
    {"oid", LEADX_INTEGER},
    {"real", LEADX_REAL},
    {"double precision", LEADX_REAL},
    {"numeric", LEADX_DECIMAL},
    {"boolean", LEADX_BOOLEAN},
    {"json", LEADX_JSON},
    {"jsonb", LEADX_JSON},
    {"bytea", LEADX_BLOB},
    {"uuid", LEADX_UUID},
    {"date", LEADX_DATE},
    {"timestamp with time zone", LEADX_TIMESTAMP},
    {"timestamp without time zone", LEADX_TIMESTAMP},
};

/* How a column is declared so that leadx and SQLite both take it for what it is: the word that names
** the type, and one that gives the affinity. */
static const char *const declarations[LEADX_TYPE_COUNT] = {
    [LEADX_TEXT] = "TEXT",
    [LEADX_INTEGER] = "INTEGER",
    [LEADX_REAL] = "REAL",
    [LEADX_BOOLEAN] = "BOOLEAN",
    [LEADX_JSON] = "JSON TEXT",
    [LEADX_BLOB] = "BLOB",
    [LEADX_UUID] = "UUID TEXT",
    [LEADX_DECIMAL] = "DECIMAL TEXT",
    [LEADX_DATE] = "DATE TEXT",
    [LEADX_TIMESTAMP] = "TIMESTAMP TEXT",
    [LEADX_TIMESTAMP_S] = "INTEGER",
    [LEADX_TIMESTAMP_MS] = "INTEGER",
    [LEADX_TIMESTAMP_SQL] = "TIMESTAMP TEXT",
};

/* Is the name, up to a length in parentheses behind it, this one? "timestamp(3) with time zone" has
** its precision in the middle. */
static int is_type(const char *type, const char *name) {
  while (*type && *name) {
    if (*type == '(') {
      const char *end = strchr(type, ')');
      if (!end) return 0;
      type = end + 1;
      continue;
    }
    if (*type++ != *name++) return 0;
  }
  if (*type == '(') return strchr(type, ')') && !strchr(type, ')')[1] && !*name;
  return !*type && !*name;
}

static leadx_type type_of(const leadx_catalog_column *column) {
  size_t n = strlen(column->type);
  if (n > 2 && strcmp(column->type + n - 2, "[]") == 0) return LEADX_JSON;
  for (size_t i = 0; i < sizeof server_types / sizeof server_types[0]; i++) {
    if (is_type(column->type, server_types[i].name)) return server_types[i].type;
  }
  return LEADX_TEXT;
}

static int is_array(const leadx_catalog_column *column) {
  return strchr(column->type, '[') != NULL;
}

/* ---- options ---- */

/* What the application said of a column: its object, a null, or NULL. */
static const leadx_doc *said_of(const leadx_doc *options, const char *local) {
  return leadx_doc_get(leadx_doc_get(options, "columns"), local);
}

/* The type that the application named, else the server's. */
static leadx_type chosen_type(const leadx_doc *options, const char *local,
                              const leadx_catalog_column *column) {
  const char *named = leadx_doc_text(said_of(options, local), "type");
  int type = named ? leadx_type_find(named) : -1;
  return type >= 0 ? (leadx_type)type : type_of(column);
}

/* The columns of the option primary_key as indices; how many, or -1 when one is no column. */
static int chosen_key(const leadx_catalog_table *table, const leadx_doc *options, int *key) {
  const leadx_doc *names = leadx_doc_get(options, "primary_key");
  int n = 0;
  if (!names) {
    memcpy(key, table->key, sizeof *key * (size_t)table->nkey);
    return table->nkey;
  }
  for (const leadx_doc *e = leadx_doc_first(names); e; e = leadx_doc_next(e)) {
    int column = leadx_catalog_column_of(table, leadx_doc_string(e));
    if (column < 0 || n == LEADX_CATALOG_KEY) return -1;
    key[n++] = column;
  }
  return n;
}

int leadx_copy_judge(const leadx_catalog_table *table, const leadx_doc *options, char **why) {
  const char *version = leadx_doc_text(options, "version"), *mode = leadx_doc_text(options, "mode");
  int key[LEADX_CATALOG_KEY];
  *why = NULL;
  if (!version) version = "updated_at";
  int n = table->fault ? 0 : chosen_key(table, options, key);
  int needs_version = !mode || strcmp(mode, "push") != 0;
  if (table->fault) {
    *why = sqlite3_mprintf("%s; make the local table by hand and call leadx_track()", table->fault);
  } else if (n < 0) {
    *why = sqlite3_mprintf("lacks a column of the option \"primary_key\"; name the server's");
  } else if (n == 0) {
    *why = sqlite3_mprintf("has no primary key that the server tells of; name its columns in the "
                           "option \"primary_key\", e.g. {\"primary_key\":[\"id\"]}");
  } else if (needs_version && leadx_catalog_column_of(table, version) < 0) {
    *why = sqlite3_mprintf("has no column \"%.60s\", by which changes are found; name another one "
                           "in the option \"version\", or add it on the server: alter table \"%w\" "
                           "add column \"%w\" timestamptz not null default now();",
                           version, table->name, version);
  } else {
    return SQLITE_OK;
  }
  return *why ? SQLITE_OK : SQLITE_NOMEM;
}

/* ---- names ---- */

static int is_reserved(const char *name) {
  return sqlite3_strnicmp(name, "sqlite_", 7) == 0 || sqlite3_strnicmp(name, "leadx_", 6) == 0 ||
         sqlite3_stricmp(name, "sync_queue") == 0 || sqlite3_stricmp(name, "sync_conflicts") == 0;
}

int leadx_copy_is_taken(leadx_db *db, const char *name, int *taken, leadx_err *err) {
  int64_t there = 0;
  int rc = leadx_db_int(db, LEADX_SQL_LOCAL_COPY_TAKEN, err, &there, "t", name);
  *taken = there != 0;
  return rc;
}

static int is_planned(const leadx_copies *copies, const char *name) {
  for (int i = 0; i < copies->n; i++) {
    if (sqlite3_stricmp(copies->list[i].name, name) == 0) return 1;
  }
  return 0;
}

/* A name that SQLite does not take, or that another table of this call has but for capitals, gets a
** number. */
static int name_table(const leadx_copies *copies, leadx_copy *copy, leadx_db *db, leadx_err *err) {
  const char *wanted = copy->table->name;
  for (int i = 1; err->rc == SQLITE_OK; i++) {
    int there = 0;
    sqlite3_free(copy->name);
    copy->name = i > 1                 ? sqlite3_mprintf("%s_%d", wanted, i)
                 : is_reserved(wanted) ? sqlite3_mprintf("server_%s", wanted)
                                       : sqlite3_mprintf("%s", wanted);
    if (!copy->name) return leadx_err_nomem(err);
    if (is_reserved(copy->name) || is_planned(copies, copy->name)) continue;
    if (leadx_copy_is_taken(db, copy->name, &there, err) == SQLITE_OK && !there) break;
  }
  return err->rc;
}

/* Columns that differ in capitals alone are one for SQLite: the second gets a number. */
static int name_column(leadx_copy *copy, int column) {
  const char *wanted = copy->table->columns[column].name;
  for (int i = 1; i <= copy->table->ncolumns + 1; i++) {
    int taken = 0;
    char *name = i > 1 ? sqlite3_mprintf("%s_%d", wanted, i) : sqlite3_mprintf("%s", wanted);
    if (!name) return SQLITE_NOMEM;
    /* A number must not take the name of a column that comes later. */
    for (int c = 0; c < copy->table->ncolumns && !taken; c++) {
      const char *other = c < column ? copy->columns[c]
                          : i > 1    ? copy->table->columns[c].name
                                     : NULL;
      taken = other && sqlite3_stricmp(other, name) == 0;
    }
    copy->columns[column] = name;
    if (!taken) return SQLITE_OK;
    sqlite3_free(name);
    copy->columns[column] = NULL;
  }
  return SQLITE_NOMEM;
}

static int is_key(const leadx_copy *copy, int column) {
  for (int i = 0; i < copy->nkey; i++) {
    if (copy->key[i] == column) return 1;
  }
  return 0;
}

static int name_columns(const leadx_copies *copies, leadx_copy *copy) {
  size_t bytes = sizeof *copy->columns * ((size_t)copy->table->ncolumns + 1);
  copy->columns = sqlite3_malloc64(bytes);
  if (!copy->columns) return SQLITE_NOMEM;
  memset(copy->columns, 0, bytes);
  for (int i = 0; i < copy->table->ncolumns; i++) {
    if (name_column(copy, i) != SQLITE_OK) return SQLITE_NOMEM;
    if (is_key(copy, i) || !leadx_doc_is_null(said_of(copies->options, copy->columns[i]))) continue;
    sqlite3_free(copy->columns[i]);
    copy->columns[i] = NULL;
  }
  return SQLITE_OK;
}

static void clear_copy(leadx_copy *copy) {
  for (int i = 0; copy->columns && i < copy->table->ncolumns; i++) sqlite3_free(copy->columns[i]);
  sqlite3_free(copy->columns);
  sqlite3_free(copy->name);
}

int leadx_copies_add(leadx_copies *copies, const leadx_catalog_table *table, leadx_db *db,
                     leadx_err *err) {
  leadx_copy copy = {.table = table};
  leadx_copy *more = sqlite3_realloc64(copies->list, sizeof *more * ((size_t)copies->n + 1));
  if (!more) return leadx_err_nomem(err);
  copies->list = more;
  copy.nkey = chosen_key(table, copies->options, copy.key);
  int rc = name_table(copies, &copy, db, err);
  if (rc == SQLITE_OK) rc = leadx_err_memory(err, name_columns(copies, &copy));
  if (rc == SQLITE_OK) more[copies->n++] = copy;
  else clear_copy(&copy);
  return rc;
}

void leadx_copies_clear(leadx_copies *copies) {
  for (int i = 0; i < copies->n; i++) clear_copy(&copies->list[i]);
  sqlite3_free(copies->list);
  copies->list = NULL;
  copies->n = 0;
}

/* ---- references ---- */

static const leadx_copy *find_copy(const leadx_copies *copies, const char *remote) {
  for (int i = 0; i < copies->n; i++) {
    if (strcmp(copies->list[i].table->name, remote) == 0) return &copies->list[i];
  }
  return NULL;
}

static const leadx_table *find_tracked(const leadx_copies *copies, const char *remote) {
  for (int i = 0; copies->tracked && i < copies->tracked->n; i++) {
    if (strcmp(copies->tracked->list[i]->remote, remote) == 0) return copies->tracked->list[i];
  }
  return NULL;
}

/* The parent of a reference as it stands here: its table, its columns. A parent that is not here, or
** whose key here is another one, is none: SQLite would refuse every row. */
typedef struct parent {
  const char *table;
  const char *column[LEADX_CATALOG_KEY];
} parent;

static int is_parent_copy(const leadx_copy *copy, const leadx_catalog_reference *reference,
                          parent *found) {
  if (!copy || copy->nkey != reference->n) return 0;
  found->table = copy->name;
  for (int i = 0; i < reference->n; i++) {
    int column = leadx_catalog_column_of(copy->table, reference->target[i]);
    if (column < 0 || !is_key(copy, column)) return 0;
    found->column[i] = copy->columns[column];
  }
  return 1;
}

static int is_parent_tracked(const leadx_table *table, const leadx_catalog_reference *reference,
                             parent *found) {
  if (!table || table->nkey != reference->n) return 0;
  found->table = table->name;
  for (int i = 0; i < reference->n; i++) {
    int column = leadx_table_find_remote(table, reference->target[i], strlen(reference->target[i]));
    if (column < 0 || table->columns[column].key_position == 0) return 0;
    found->column[i] = table->columns[column].name;
  }
  return 1;
}

static int has_columns(const leadx_copy *copy, const leadx_catalog_reference *reference) {
  for (int i = 0; i < reference->n; i++) {
    if (!copy->columns[reference->column[i]]) return 0;
  }
  return 1;
}

static int find_parent(const leadx_copies *copies, const leadx_copy *copy,
                       const leadx_catalog_reference *reference, parent *found) {
  return has_columns(copy, reference) &&
         (is_parent_copy(find_copy(copies, reference->table), reference, found) ||
          is_parent_tracked(find_tracked(copies, reference->table), reference, found));
}

/* Does the copy refer to one of those from `first` on, other than itself? */
static int waits(const leadx_copies *copies, const leadx_copy *copy, int first) {
  for (int r = 0; r < copy->table->nreferences; r++) {
    for (int i = first; i < copies->n; i++) {
      const leadx_copy *other = &copies->list[i];
      if (other->table != copy->table &&
          strcmp(other->table->name, copy->table->references[r].table) == 0)
        return 1;
    }
  }
  return 0;
}

/* Of a circle, the first of the list goes first. */
void leadx_copies_sort(leadx_copies *copies) {
  for (int done = 0; done < copies->n; done++) {
    int next = done;
    while (next < copies->n && waits(copies, &copies->list[next], done)) next++;
    if (next == copies->n) next = done;
    leadx_copy copy = copies->list[next];
    memmove(&copies->list[done + 1], &copies->list[done], sizeof copy * (size_t)(next - done));
    copies->list[done] = copy;
  }
}

/* ---- the statement ---- */

/* The present moment as a column of that type has it; NULL: there is no such form. */
static const char *now_as(leadx_type type) {
  switch (type) {
    case LEADX_TIMESTAMP: return "(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))";
    case LEADX_TIMESTAMP_S: return "(CAST(strftime('%s', 'now') AS INTEGER))";
    case LEADX_TIMESTAMP_MS: return "(CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))";
    case LEADX_TIMESTAMP_SQL: return "CURRENT_TIMESTAMP";
    case LEADX_DATE: return "(date('now'))";
    default: return NULL;
  }
}

#define NEW_UUID \
  "(lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), " \
  "2) || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || " \
  "hex(randomblob(6))))"

/* What fills a column here that the server fills there: a value that was read as one, or an
** expression of ours; never the server's text. Appends nothing, and returns 0, where there is none. */
static int append_default(sqlite3_str *sql, const leadx_catalog_column *column, leadx_type type) {
  const char *now = now_as(type);
  int is_empty_array = is_array(column) && column->value && strcmp(column->value, "{}") == 0;
  int is_text = column->filling == LEADX_FILLED_TEXT && type != LEADX_BLOB && !is_array(column) &&
                type != LEADX_TIMESTAMP && type != LEADX_TIMESTAMP_S &&
                type != LEADX_TIMESTAMP_MS && type != LEADX_TIMESTAMP_SQL && type != LEADX_BOOLEAN;
  if (is_empty_array) sqlite3_str_appendall(sql, " DEFAULT '[]'");
  else if (is_text) sqlite3_str_appendf(sql, " DEFAULT %Q", column->value);
  else if (column->filling == LEADX_FILLED_NUMBER && type == LEADX_DECIMAL)
    sqlite3_str_appendf(sql, " DEFAULT %Q", column->value);
  else if (column->filling == LEADX_FILLED_NUMBER && (type == LEADX_INTEGER || type == LEADX_REAL))
    sqlite3_str_appendf(sql, " DEFAULT %s", column->value);
  else if (column->filling == LEADX_FILLED_TRUE && type == LEADX_BOOLEAN)
    sqlite3_str_appendall(sql, " DEFAULT 1");
  else if (column->filling == LEADX_FILLED_FALSE && type == LEADX_BOOLEAN)
    sqlite3_str_appendall(sql, " DEFAULT 0");
  else if (column->filling == LEADX_FILLED_UUID && (type == LEADX_UUID || type == LEADX_TEXT))
    sqlite3_str_appendall(sql, " DEFAULT " NEW_UUID);
  else if (now && (column->filling == LEADX_FILLED_NOW ||
                   (column->filling == LEADX_FILLED_TODAY && type == LEADX_DATE))) {
    sqlite3_str_appendall(sql, " DEFAULT ");
    sqlite3_str_appendall(sql, now);
  } else return 0;
  return 1;
}

/* A column that the server fills in a way that is not known here may be NULL until it has been there. */
static void append_column(sqlite3_str *sql, const leadx_copies *copies, const leadx_copy *copy,
                          int column) {
  const leadx_catalog_column *theirs = &copy->table->columns[column];
  leadx_type type = chosen_type(copies->options, copy->columns[column], theirs);
  int key = is_key(copy, column);
  sqlite3_str *tail = sqlite3_str_new(NULL);
  int filled = theirs->is_computed ? 0 : append_default(tail, theirs, type);
  int is_given = theirs->not_null && (theirs->filling == LEADX_FILLED_NOT || filled);
  int is_rowid = key && copy->nkey == 1 && type == LEADX_INTEGER;
  sqlite3_str_appendf(sql, "\"%w\" ", copy->columns[column]);
  if (type == LEADX_TEXT && theirs->length > 0)
    sqlite3_str_appendf(sql, "VARCHAR(%d)", theirs->length);
  else sqlite3_str_appendall(sql, declarations[type]);
  if (!is_rowid && (key || is_given)) sqlite3_str_appendall(sql, " NOT NULL");
  if (sqlite3_str_errcode(tail) != SQLITE_OK) leadx_err_spoil(sql);
  char *text = sqlite3_str_finish(tail);
  if (text && !is_rowid) sqlite3_str_appendall(sql, text);
  sqlite3_free(text);
}

static void append_reference(sqlite3_str *sql, const leadx_copies *copies, const leadx_copy *copy,
                             const leadx_catalog_reference *reference) {
  parent found;
  if (!find_parent(copies, copy, reference, &found)) return;
  sqlite3_str_appendall(sql, ",\n  FOREIGN KEY (");
  for (int i = 0; i < reference->n; i++)
    sqlite3_str_appendf(sql, "%s\"%w\"", i ? ", " : "", copy->columns[reference->column[i]]);
  sqlite3_str_appendf(sql, ") REFERENCES \"%w\" (", found.table);
  for (int i = 0; i < reference->n; i++)
    sqlite3_str_appendf(sql, "%s\"%w\"", i ? ", " : "", found.column[i]);
  sqlite3_str_appendall(sql, ")");
  if (reference->on_delete == 'c') sqlite3_str_appendall(sql, " ON DELETE CASCADE");
  if (reference->on_delete == 'n') sqlite3_str_appendall(sql, " ON DELETE SET NULL");
}

char *leadx_copy_sql(const leadx_copies *copies, const leadx_copy *copy, leadx_err *err) {
  sqlite3_str *sql = sqlite3_str_new(NULL);
  sqlite3_str_appendf(sql, "CREATE TABLE main.\"%w\" (\n", copy->name);
  for (int i = 0; i < copy->table->ncolumns; i++) {
    if (!copy->columns[i]) continue;
    sqlite3_str_appendall(sql, "  ");
    append_column(sql, copies, copy, i);
    sqlite3_str_appendall(sql, ",\n");
  }
  sqlite3_str_appendall(sql, "  PRIMARY KEY (");
  for (int i = 0; i < copy->nkey; i++)
    sqlite3_str_appendf(sql, "%s\"%w\"", i ? ", " : "", copy->columns[copy->key[i]]);
  sqlite3_str_appendall(sql, ")");
  for (int r = 0; r < copy->table->nreferences; r++)
    append_reference(sql, copies, copy, &copy->table->references[r]);
  sqlite3_str_appendall(sql, "\n)");
  return leadx_db_finish(sql, err);
}

/* ---- the options ---- */

static leadx_doc *copy_doc(const leadx_doc *piece, leadx_err *err) {
  leadx_doc *copy = leadx_doc_copy(piece);
  if (!copy) leadx_err_nomem(err);
  return copy;
}

static void add_copy(leadx_doc *object, const char *name, const leadx_doc *piece, leadx_err *err) {
  leadx_doc *copy = copy_doc(piece, err);
  if (copy) leadx_doc_add(object, name, copy);
}

/* What the option "columns" says of a column: the application's words, and what they leave open. */
static leadx_doc *column_option(const leadx_copy *copy, int column, const leadx_doc *said,
                                leadx_err *err) {
  const leadx_catalog_column *theirs = &copy->table->columns[column];
  leadx_doc *object = said ? copy_doc(said, err) : leadx_doc_new_object();
  if (!object || !leadx_doc_is_object(object)) {
    if (!object) leadx_err_nomem(err);
    return object;
  }
  if (!leadx_doc_get(object, "remote") && strcmp(copy->columns[column], theirs->name) != 0)
    leadx_doc_add_text(object, "remote", theirs->name);
  if (!leadx_doc_get(object, "mode") && theirs->is_computed && !is_key(copy, column))
    leadx_doc_add_text(object, "mode", "pull");
  return object;
}

/* Adds the application's words about columns that the table does not have, so that they are refused. */
static void add_unknown_columns(leadx_doc *columns, const leadx_copy *copy, const leadx_doc *said,
                                leadx_err *err) {
  for (const leadx_doc *o = leadx_doc_first(said); o; o = leadx_doc_next(o)) {
    int known = leadx_catalog_column_of(copy->table, leadx_doc_name(o)) >= 0;
    for (int i = 0; i < copy->table->ncolumns && !known; i++)
      known = copy->columns[i] && strcmp(copy->columns[i], leadx_doc_name(o)) == 0;
    if (!known) add_copy(columns, leadx_doc_name(o), o, err);
  }
}

static void add_columns(leadx_doc *options, const leadx_copies *copies, const leadx_copy *copy,
                        leadx_err *err) {
  const leadx_doc *said = leadx_doc_get(copies->options, "columns");
  leadx_doc *columns = leadx_doc_new_object();
  if (!columns) {
    leadx_err_nomem(err);
    return;
  }
  for (int i = 0; i < copy->table->ncolumns && err->rc == SQLITE_OK; i++) {
    if (!copy->columns[i]) continue;
    leadx_doc *one = column_option(copy, i, said_of(copies->options, copy->columns[i]), err);
    if (one && (!leadx_doc_is_object(one) || leadx_doc_first(one)))
      leadx_doc_add(columns, copy->columns[i], one);
    else leadx_doc_free(one);
  }
  add_unknown_columns(columns, copy, said, err);
  if (leadx_doc_first(columns)) leadx_doc_add(options, "columns", columns);
  else leadx_doc_free(columns);
}

char *leadx_copy_options(const leadx_copies *copies, const leadx_copy *copy, leadx_err *err) {
  leadx_doc *options = leadx_doc_new_object();
  if (!options) leadx_err_nomem(err);
  for (const leadx_doc *o = leadx_doc_first(copies->options); o && err->rc == SQLITE_OK;
       o = leadx_doc_next(o)) {
    const char *name = leadx_doc_name(o);
    if (strcmp(name, "dry_run") == 0 || strcmp(name, "primary_key") == 0) continue;
    if (strcmp(name, "columns") == 0 && leadx_doc_is_object(o)) continue;
    add_copy(options, name, o, err);
  }
  if (err->rc == SQLITE_OK) {
    if (!leadx_doc_get(copies->options, "remote") && strcmp(copy->name, copy->table->name) != 0)
      leadx_doc_add_text(options, "remote", copy->table->name);
    if (!leadx_doc_get(copies->options, "mode") && !copy->table->is_writable)
      leadx_doc_add_text(options, "mode", "pull");
    add_columns(options, copies, copy, err);
  }
  char *text = err->rc == SQLITE_OK ? leadx_doc_print(options) : NULL;
  if (!text && err->rc == SQLITE_OK) leadx_err_nomem(err);
  leadx_doc_free(options);
  return text;
}
