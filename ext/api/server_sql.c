/* The server's half as SQL text. See server_sql.h; the texts are sql/server/. */
#include "api/server_sql.h"

#include <string.h>

#include "store/template.h"

/* The holes of the templates. */
enum {
  HOLE_SCHEMA,
  HOLE_SCHEMA_TEXT,
  HOLE_TABLE,
  HOLE_TITLE,
  HOLE_TABLE_TEXT,
  HOLE_NAME_TEXT,
  HOLE_VERSION,
  HOLE_VERSION_TEXT,
  HOLE_KEYS_TEXT,
  HOLE_TOMBSTONES_TEXT,
  HOLE_COLUMN,
  HOLE_TYPE,
  HOLE_RIGHTS,
  HOLE_ROLE,
  HOLES
};

static const char *const hole_names[HOLES] = {
    "schema",    "schema_text", "table",        "title",     "table_text",
    "name_text", "version",     "version_text", "keys_text", "tombstones_text",
    "column",    "type",        "rights",       "role"};

/* arg: the values of the holes; one that has none stays empty. */
static void fill_hole(const void *arg, sqlite3_str *out, const char *hole, size_t n) {
  char *const *values = arg;
  for (int i = 0; i < HOLES; i++) {
    if (values[i] && leadx_template_is(hole, n, hole_names[i]))
      sqlite3_str_appendall(out, values[i]);
  }
}

/* Appends a template with its holes filled. */
static void append_filled(sqlite3_str *out, int sql_id, char *const *values) {
  leadx_template_append(out, leadx_sql_text[sql_id], fill_hole, values);
}

/* The same as a part of a longer text. */
static void append_part(sqlite3_str *out, int sql_id, char *const *values) {
  append_filled(out, sql_id, values);
  sqlite3_str_appendall(out, "\n\n");
}

static void clear_values(char **values) {
  for (int i = 0; i < HOLES; i++) sqlite3_free(values[i]);
}

/* Names are quoted as identifiers and literals wherever they stand; some stand in comments too,
** which they must not end. */
static int check_name(const char *name, leadx_err *err) {
  int odd = strstr(name, "*/") || strstr(name, "/*");
  for (const char *c = name; *c && !odd; c++) odd = (unsigned char)*c < 0x20 || *c == 0x7f;
  if (!odd) return SQLITE_OK;
  return leadx_err_set(err, SQLITE_ERROR,
                       "leadx_server_sql: the name \"%.60s\" cannot be written in a comment; "
                       "rename it on the server",
                       name);
}

static int check_names(const leadx_table *table, leadx_err *err) {
  int rc = check_name(table->remote, err);
  if (rc == SQLITE_OK) rc = check_name(table->version_remote, err);
  for (int i = 0; i < table->nkey && rc == SQLITE_OK; i++)
    rc = check_name(table->columns[table->key[i]].remote, err);
  return rc;
}

static int fill_schema(char **values, const char *schema, leadx_err *err) {
  values[HOLE_SCHEMA] = sqlite3_mprintf("\"%w\"", schema);
  values[HOLE_SCHEMA_TEXT] = values[HOLE_SCHEMA] ? sqlite3_mprintf("%Q", values[HOLE_SCHEMA])
                                                 : NULL;
  values[HOLE_TOMBSTONES_TEXT] = sqlite3_mprintf("'\"%w\".leadx_tombstones'", schema);
  return values[HOLE_SCHEMA_TEXT] && values[HOLE_TOMBSTONES_TEXT] ? SQLITE_OK
                                                                  : leadx_err_nomem(err);
}

static int fill_table(char **values, const leadx_table *table, const char *schema, leadx_err *err) {
  sqlite3_str *keys = sqlite3_str_new(NULL);
  for (int i = 0; i < table->nkey; i++)
    sqlite3_str_appendf(keys, "%s%Q", i ? ", " : "", table->columns[table->key[i]].remote);
  values[HOLE_KEYS_TEXT] = leadx_db_finish(keys, err);
  values[HOLE_TABLE] = sqlite3_mprintf("\"%w\".\"%w\"", schema, table->remote);
  values[HOLE_TITLE] = sqlite3_mprintf("%s", table->remote);
  values[HOLE_TABLE_TEXT] = values[HOLE_TABLE] ? sqlite3_mprintf("%Q", values[HOLE_TABLE]) : NULL;
  values[HOLE_NAME_TEXT] = sqlite3_mprintf("%Q", table->remote);
  values[HOLE_VERSION] = sqlite3_mprintf("\"%w\"", table->version_remote);
  values[HOLE_VERSION_TEXT] = sqlite3_mprintf("%Q", table->version_remote);
  for (int i = HOLE_TABLE; i <= HOLE_KEYS_TEXT; i++) {
    if (!values[i]) return leadx_err_nomem(err);
  }
  return fill_schema(values, schema, err);
}

static int append_table(sqlite3_str *out, const leadx_table *table, const char *schema,
                        leadx_err *err) {
  char *values[HOLES] = {NULL};
  int rc = check_names(table, err);
  if (rc == SQLITE_OK) rc = fill_table(values, table, schema, err);
  if (rc == SQLITE_OK) {
    append_part(out, LEADX_SQL_SERVER_TABLE, values);
    append_part(out, LEADX_SQL_SERVER_TABLE_RLS, values);
  }
  clear_values(values);
  return rc;
}

static const int shared_parts[] = {LEADX_SQL_SERVER_BEGIN,      LEADX_SQL_SERVER_STAMP,
                                   LEADX_SQL_SERVER_TOMBSTONES, LEADX_SQL_SERVER_REGISTER,
                                   LEADX_SQL_SERVER_PUSH,       LEADX_SQL_SERVER_PULL,
                                   LEADX_SQL_SERVER_INSTALLED,  LEADX_SQL_SERVER_DESCRIBE};

char *leadx_server_sql(const leadx_tables *tables, const leadx_table *only, const char *schema,
                       leadx_err *err) {
  char *values[HOLES] = {NULL};
  const char *where = *schema ? schema : "public";
  sqlite3_str *out = sqlite3_str_new(NULL);
  int rc = fill_schema(values, where, err);
  for (size_t i = 0; i < sizeof shared_parts / sizeof shared_parts[0] && rc == SQLITE_OK; i++)
    append_part(out, shared_parts[i], values);
  for (int i = 0; i < tables->n && rc == SQLITE_OK; i++) {
    if (!only || only == tables->list[i]) rc = append_table(out, tables->list[i], where, err);
  }
  if (rc == SQLITE_OK) append_part(out, LEADX_SQL_SERVER_END, values);
  clear_values(values);
  if (rc == SQLITE_OK) return leadx_db_finish(out, err);
  sqlite3_free(sqlite3_str_finish(out));
  return NULL;
}

/* The statement of a template for a table, with values that the caller has begun; clears them. */
static char *fill(int sql_id, char **values, const leadx_table *table, const char *schema,
                  leadx_err *err) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  int rc = check_names(table, err);
  if (rc == SQLITE_OK) rc = fill_table(values, table, *schema ? schema : "public", err);
  if (rc == SQLITE_OK) append_filled(out, sql_id, values);
  clear_values(values);
  if (rc == SQLITE_OK) return leadx_db_finish(out, err);
  sqlite3_free(sqlite3_str_finish(out));
  return NULL;
}

char *leadx_server_sql_fix(int sql_id, const leadx_table *table, const char *column,
                           const char *type, const char *schema, leadx_err *err) {
  char *values[HOLES] = {NULL};
  if (column) values[HOLE_COLUMN] = sqlite3_mprintf("\"%w\"", column);
  if (type) values[HOLE_TYPE] = sqlite3_mprintf("%s", type);
  return fill(sql_id, values, table, schema, err);
}

char *leadx_server_sql_grant(const leadx_table *table, const char *rights, const char *role,
                             const char *schema, leadx_err *err) {
  char *values[HOLES] = {NULL};
  values[HOLE_RIGHTS] = sqlite3_mprintf("%s", rights);
  values[HOLE_ROLE] = sqlite3_mprintf("\"%w\"", role);
  if (!values[HOLE_RIGHTS] || !values[HOLE_ROLE]) {
    clear_values(values);
    leadx_err_nomem(err);
    return NULL;
  }
  return fill(LEADX_SQL_SERVER_FIX_GRANT, values, table, schema, err);
}

static const char *const server_types[LEADX_TYPE_COUNT] = {
    [LEADX_TEXT] = "text",
    [LEADX_INTEGER] = "bigint",
    [LEADX_REAL] = "double precision",
    [LEADX_BOOLEAN] = "boolean",
    [LEADX_JSON] = "jsonb",
    [LEADX_BLOB] = "bytea",
    [LEADX_UUID] = "uuid",
    [LEADX_DECIMAL] = "numeric",
    [LEADX_DATE] = "date",
    [LEADX_TIMESTAMP] = "timestamptz",
    [LEADX_TIMESTAMP_S] = "timestamptz",
    [LEADX_TIMESTAMP_MS] = "timestamptz",
    [LEADX_TIMESTAMP_SQL] = "timestamptz",
};

const char *leadx_server_sql_type(leadx_type type) { return server_types[type]; }

char *leadx_server_sql_create(const leadx_table *table, const char *schema, leadx_err *err) {
  sqlite3_str *sql = sqlite3_str_new(NULL);
  sqlite3_str_appendf(sql, "create table \"%w\".\"%w\" (", *schema ? schema : "public",
                      table->remote);
  for (int i = 0; i < table->ncolumns; i++) {
    const leadx_column *column = &table->columns[i];
    int is_version = i == table->version_column;
    sqlite3_str_appendf(sql, "\"%w\" %s%s, ", column->remote,
                        is_version ? "timestamptz" : server_types[column->type],
                        is_version ? " not null default now()" : "");
  }
  if (table->version_column < 0)
    sqlite3_str_appendf(sql, "\"%w\" timestamptz not null default now(), ", table->version_remote);
  sqlite3_str_appendall(sql, "primary key (");
  for (int i = 0; i < table->nkey; i++)
    sqlite3_str_appendf(sql, "%s\"%w\"", i ? ", " : "", table->columns[table->key[i]].remote);
  sqlite3_str_appendall(sql, "));\nnotify pgrst, 'reload schema';");
  return leadx_db_finish(sql, err);
}
