/* A key in the making. See key_text.h. */
#include "rows/key_text.h"

#include <string.h>

#include "rows/key_value.h"

leadx_key_text leadx_key_begin(const leadx_table *table) {
  return (leadx_key_text){sqlite3_str_new(NULL), table->nkey > 1, 0, 0};
}

int leadx_key_is_bare(leadx_type type, const char *z, size_t n) {
  leadx_slice value;
  if (n == 0) return 0;
  if (type == LEADX_BOOLEAN)
    return (n == 4 && memcmp(z, "true", 4) == 0) || (n == 5 && memcmp(z, "false", 5) == 0);
  return (type == LEADX_INTEGER || type == LEADX_REAL || type == LEADX_DECIMAL) &&
         leadx_json_kind_of((leadx_slice){z, n}) == LEADX_JSON_NUMBER &&
         !leadx_json_check(z, n, 0, &value, NULL);
}

void leadx_key_add(leadx_key_text *key, leadx_type type, leadx_speller by, const char *z,
                   size_t n) {
  if (n && memchr(z, 0, n)) key->is_absent = 1;
  if (!key->is_array) {
    leadx_key_value(key->out, type, by, z, n);
    return;
  }
  sqlite3_str *text = sqlite3_str_new(NULL);
  leadx_key_value(text, type, by, z, n);
  const char *value = sqlite3_str_value(text);
  size_t bytes = (size_t)sqlite3_str_length(text);
  sqlite3_str_appendall(key->out, key->n++ ? "," : "[");
  if (leadx_key_is_bare(type, value, bytes)) sqlite3_str_append(key->out, value, (int)bytes);
  else leadx_json_append_string(key->out, value ? value : "", bytes);
  if (sqlite3_str_errcode(text) != SQLITE_OK) leadx_err_spoil(key->out);
  sqlite3_free(sqlite3_str_finish(text));
}

void leadx_key_add_null(leadx_key_text *key) {
  key->is_absent = 1;
  if (key->is_array) sqlite3_str_appendall(key->out, key->n++ ? ",null" : "[null");
}

/* The same of a JSON value. */
void leadx_key_add_json(leadx_key_text *key, leadx_type type, leadx_speller by, leadx_slice value) {
  leadx_json_kind kind = leadx_json_kind_of(value);
  if (kind == LEADX_JSON_NONE || kind == LEADX_JSON_NULL) {
    leadx_key_add_null(key);
  } else if (kind != LEADX_JSON_STRING) {
    leadx_key_add(key, type, by, value.z, value.n);
  } else if (!memchr(value.z, '\\', value.n)) {
    /* A text of the server that looks like a number is a text, and '01' is not '1' there. */
    int is_text = by == LEADX_BY_SERVER && type == LEADX_INTEGER;
    leadx_key_add(key, is_text ? LEADX_TEXT : type, by, value.z + 1, value.n - 2);
  } else {
    size_t n = 0;
    char *text = NULL;
    if (leadx_json_text(value, &text, &n) == SQLITE_OK) leadx_key_add(key, type, by, text, n);
    else leadx_err_spoil(key->out);
    sqlite3_free(text);
  }
}

/* Ends a key. One that is absent: NULL without an error. */
char *leadx_key_end(leadx_key_text *key, leadx_err *err) {
  if (key->is_array) sqlite3_str_appendall(key->out, key->n ? "]" : "[]");
  char *text = leadx_db_finish(key->out, err);
  if (text && *text && !key->is_absent) return text;
  sqlite3_free(text);
  return NULL;
}

const leadx_column *leadx_key_column(const leadx_table *table, int i) {
  return &table->columns[table->key[i]];
}

/* Opens an array of exactly the table's number of values. 1 when it is one. */
int leadx_key_open(const leadx_table *table, const char *text, size_t n, leadx_slice *values) {
  leadx_slice array, value;
  leadx_json_walk walk;
  int count = 0;
  if (leadx_json_check(text, n, 0, &array, NULL) || leadx_json_kind_of(array) != LEADX_JSON_ARRAY)
    return 0;
  leadx_json_walk_init(&walk, array);
  while (leadx_json_walk_element(&walk, &value)) {
    if (count == table->nkey) return 0;
    values[count++] = value;
  }
  return count == table->nkey;
}
