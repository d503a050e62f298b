/* Keys. See key.h. */
#include "rows/key.h"

#include <string.h>

#include "rows/key_text.h"
#include "rows/key_value.h"
#include "rows/mark.h"

/* What is no key of the table stays as it is, and is refused where it is to be sent. */
char *leadx_key_read(const leadx_table *table, const char *text, leadx_speller by, leadx_err *err) {
  leadx_slice values[LEADX_KEY_COLUMNS];
  size_t n = strlen(text);
  leadx_key_text key = leadx_key_begin(table);
  if (table->nkey == 1) {
    leadx_key_value(key.out, leadx_key_column(table, 0)->type, by, text, n);
  } else if (leadx_key_open(table, text, n, values)) {
    for (int i = 0; i < table->nkey; i++)
      leadx_key_add_json(&key, leadx_key_column(table, i)->type, by, values[i]);
    sqlite3_str_appendall(key.out, "]");
  } else {
    sqlite3_str_append(key.out, text, (int)n);
  }
  return leadx_db_finish(key.out, err);
}

static char *key_of(const leadx_table *table, const leadx_slice *values, leadx_speller by,
                    leadx_err *err) {
  leadx_key_text key = leadx_key_begin(table);
  for (int i = 0; i < table->nkey; i++)
    leadx_key_add_json(&key, leadx_key_column(table, i)->type, by, values[i]);
  return leadx_key_end(&key, err);
}

char *leadx_key_of_values(const leadx_table *table, const leadx_slice *values, leadx_err *err) {
  return key_of(table, values, LEADX_BY_SERVER, err);
}

char *leadx_key_of_here(const leadx_table *table, const leadx_slice *values, leadx_err *err) {
  return key_of(table, values, LEADX_BY_DEVICE, err);
}

int leadx_key_identify(const leadx_table *table, leadx_slice row, char **key, char **version,
                       leadx_err *err) {
  const char *names[LEADX_KEY_COLUMNS + 1];
  leadx_slice values[LEADX_KEY_COLUMNS + 1];
  for (int i = 0; i < table->nkey; i++) names[i] = leadx_key_column(table, i)->remote;
  names[table->nkey] = table->version_remote;
  leadx_json_members(row, names, table->nkey + 1, values);
  *key = leadx_key_of_values(table, values, err);
  *version = leadx_version_text(values[table->nkey], err);
  return err->rc;
}

char *leadx_key_of_row(const leadx_table *table, leadx_slice row, leadx_err *err) {
  char *key = NULL, *version = NULL;
  leadx_key_identify(table, row, &key, &version, err);
  sqlite3_free(version);
  return key;
}

char *leadx_key_of_parent(const leadx_table *child, const leadx_reference *reference,
                          const leadx_table *parent, leadx_slice row, leadx_speller by,
                          leadx_err *err) {
  leadx_key_text key = leadx_key_begin(parent);
  if (reference->ncolumn != parent->nkey) key.is_absent = 1;
  for (int i = 0; i < reference->ncolumn && i < parent->nkey; i++) {
    const char *name = child->columns[reference->column[i]].remote;
    leadx_key_add_json(&key, leadx_key_column(parent, i)->type, by, leadx_json_member(row, name));
  }
  return leadx_key_end(&key, err);
}

int leadx_key_is_row(const leadx_table *table, const char *key, leadx_slice row, leadx_err *err) {
  char *theirs = leadx_key_of_row(table, row, err);
  int same = theirs && strcmp(theirs, key) == 0;
  sqlite3_free(theirs);
  return same;
}

/* A document with the values of a key: the array itself, or one around the only value. */
static char *key_document(const leadx_table *table, const char *key, leadx_err *err) {
  if (table->nkey > 1) {
    char *copy = sqlite3_mprintf("%s", key);
    if (!copy) leadx_err_nomem(err);
    return copy;
  }
  sqlite3_str *text = sqlite3_str_new(NULL);
  sqlite3_str_appendall(text, "[");
  if (leadx_key_is_bare(leadx_key_column(table, 0)->type, key, strlen(key)))
    sqlite3_str_appendall(text, key);
  else leadx_json_append_string(text, key, strlen(key));
  sqlite3_str_appendall(text, "]");
  return leadx_db_finish(text, err);
}

char *leadx_key_json(const leadx_table *table, const char *key, leadx_slice *values, int *n,
                     leadx_err *err) {
  char *document = key_document(table, key, err);
  *n = 0;
  if (!document || !key[0] || !leadx_key_open(table, document, strlen(document), values))
    return document;
  while (*n < table->nkey && leadx_json_kind_of(values[*n]) != LEADX_JSON_NULL) ++*n;
  return document;
}

int leadx_key_is_key(const leadx_table *table, const char *key) {
  leadx_slice values[LEADX_KEY_COLUMNS];
  if (table->nkey == 1) return key[0] != 0;
  if (!leadx_key_open(table, key, strlen(key), values)) return 0;
  for (int i = 0; i < table->nkey; i++) {
    leadx_json_kind kind = leadx_json_kind_of(values[i]);
    if (kind == LEADX_JSON_ARRAY || kind == LEADX_JSON_OBJECT || kind == LEADX_JSON_NULL) return 0;
  }
  return 1;
}
