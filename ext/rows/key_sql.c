/* Keys inside statements. See key_sql.h. */
#include "rows/key_sql.h"

#include <string.h>

#include "rows/key.h"
#include "rows/key_text.h"
#include "rows/key_value.h"

/* The types of a key as letters: a statement's text says everything that its function needs. */
static void append_types(sqlite3_str *sql, const leadx_table *table) {
  sqlite3_str_appendall(sql, "'");
  for (int i = 0; i < table->nkey; i++)
    sqlite3_str_appendchar(sql, 1, (char)('a' + (int)leadx_key_column(table, i)->type));
  sqlite3_str_appendall(sql, "'");
}

void leadx_key_sql(sqlite3_str *sql, const leadx_table *table, const char *row) {
  sqlite3_str_appendall(sql, "leadx_key_of(");
  append_types(sql, table);
  for (int i = 0; i < table->nkey; i++)
    sqlite3_str_appendf(sql, ", %s.\"%w\"", row, leadx_key_column(table, i)->name);
  sqlite3_str_appendall(sql, ")");
}

void leadx_key_sql_read(sqlite3_str *sql, const leadx_table *table, const char *entity_id) {
  sqlite3_str_appendall(sql, "leadx_key_read(");
  append_types(sql, table);
  sqlite3_str_appendf(sql, ", %s)", entity_id);
}

/* A table of which nothing is known but the types of its key. */
typedef struct key_types {
  leadx_table table;
  leadx_column columns[LEADX_KEY_COLUMNS];
} key_types;

static int take_types(key_types *types, sqlite3_value *letters) {
  const char *text = (const char *)sqlite3_value_text(letters);
  memset(types, 0, sizeof *types);
  types->table.columns = types->columns;
  for (int i = 0; text && text[i]; i++) {
    int type = text[i] - 'a';
    if (i == LEADX_KEY_COLUMNS || type < 0 || type >= LEADX_TYPE_COUNT) return 0;
    types->columns[i].type = (leadx_type)type;
    types->table.key[types->table.nkey++] = i;
  }
  return types->table.nkey > 0;
}

static void key_add_value(leadx_key_text *key, leadx_type type, sqlite3_value *value) {
  sqlite3_str *text;
  const void *bytes;
  int n;
  switch (sqlite3_value_type(value)) {
    case SQLITE_NULL: leadx_key_add_null(key); return;
    case SQLITE_FLOAT:
      text = sqlite3_str_new(NULL);
      leadx_key_value_double(text, sqlite3_value_double(value));
      break;
    case SQLITE_BLOB:
      text = sqlite3_str_new(NULL);
      bytes = sqlite3_value_blob(value);
      n = sqlite3_value_bytes(value);
      if (n > 0 && !bytes) leadx_err_spoil(key->out);
      else leadx_key_value_bytes(text, bytes, (size_t)n);
      break;
    default: {
      const char *z = (const char *)sqlite3_value_text(value);
      if (z) leadx_key_add(key, type, LEADX_BY_DEVICE, z, (size_t)sqlite3_value_bytes(value));
      else leadx_err_spoil(key->out);
      return;
    }
  }
  leadx_key_add(key, type, LEADX_BY_DEVICE, sqlite3_str_value(text),
                (size_t)sqlite3_str_length(text));
  if (sqlite3_str_errcode(text) != SQLITE_OK) leadx_err_spoil(key->out);
  sqlite3_free(sqlite3_str_finish(text));
}

static void answer(sqlite3_context *context, char *text, const leadx_err *err) {
  if (err->rc != SQLITE_OK) sqlite3_result_error_nomem(context);
  else if (text) sqlite3_result_text(context, text, -1, sqlite3_free);
  else sqlite3_result_text(context, "", 0, SQLITE_STATIC);
}

/* leadx_key_of(types, value, …): '' for a key that is none. */
static void answer_key_of(sqlite3_context *context, int argc, sqlite3_value **argv) {
  key_types types;
  leadx_err err = {0};
  if (argc < 1 || !take_types(&types, argv[0]) || types.table.nkey != argc - 1) {
    sqlite3_result_error(context, "leadx_key_of: for leadx's own statements only", -1);
    return;
  }
  leadx_key_text key = leadx_key_begin(&types.table);
  for (int i = 1; i < argc; i++) key_add_value(&key, types.columns[i - 1].type, argv[i]);
  char *text = leadx_key_end(&key, &err);
  answer(context, text, &err);
}

/* leadx_key_read(types, entity_id) */
static void answer_key_read(sqlite3_context *context, int argc, sqlite3_value **argv) {
  key_types types;
  leadx_err err = {0};
  const char *text = argc == 2 ? (const char *)sqlite3_value_text(argv[1]) : NULL;
  if (argc != 2 || !take_types(&types, argv[0])) {
    sqlite3_result_error(context, "leadx_key_read: for leadx's own statements only", -1);
    return;
  }
  int is_whole = text && strlen(text) == (size_t)sqlite3_value_bytes(argv[1]);
  char *key = leadx_key_read(&types.table, is_whole ? text : "", LEADX_BY_DEVICE, &err);
  answer(context, key, &err);
}

int leadx_key_register(sqlite3 *handle) {
  int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY;
  int rc = sqlite3_create_function_v2(handle, "leadx_key_of", -1, flags, NULL, answer_key_of, NULL,
                                      NULL, NULL);
  if (rc != SQLITE_OK) return rc;
  return sqlite3_create_function_v2(handle, "leadx_key_read", 2, flags, NULL, answer_key_read, NULL,
                                    NULL, NULL);
}
