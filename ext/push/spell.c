/* The requests of a push. See spell.h. */
#include "push/spell.h"

#include <string.h>

#include "rest/rest.h"

/* ---- addresses ---- */

/* The bytes of a key's value as a filter needs them: strings unescaped. */
static void append_plain(sqlite3_str *out, leadx_slice value) {
  if (leadx_json_kind_of(value) == LEADX_JSON_STRING) {
    leadx_json_unescape(value, out);
  } else {
    sqlite3_str_append(out, value.z, (int)value.n);
  }
}

/* Ends such a text after its use in a URL. One that is cut short for want of memory would name
** another row. */
static void end_plain(sqlite3_str *value, sqlite3_str *url) {
  if (sqlite3_str_errcode(value) != SQLITE_OK) leadx_err_spoil(url);
  sqlite3_free(sqlite3_str_finish(value));
}

/* One condition per key column. A request without its key's condition would reach every row, so
** this is the only place where PATCH and DELETE get their address. */
static void append_key_filter(sqlite3_str *url, const leadx_change *change) {
  const leadx_table *table = change->table;
  for (int i = 0; i < table->nkey; i++) {
    sqlite3_str *value = sqlite3_str_new(NULL);
    append_plain(value, change->key_values[i]);
    const char *text = sqlite3_str_value(value);
    leadx_rest_filter_eq(url, i == 0, table->columns[table->key[i]].remote, text ? text : "",
                         (size_t)sqlite3_str_length(value));
    end_plain(value, url);
  }
}

static void append_version_filter(sqlite3_str *url, const leadx_change *change) {
  if (change->version)
    leadx_rest_filter_eq(url, 0, change->table->version_remote, change->version,
                         strlen(change->version));
}

/* Of a row that is larger than what is sent together the answer need not bring everything back: it says
** which row it is, and of which version. */
static int is_large(const leadx_change *change) {
  return change->narrow || leadx_change_bytes(change) > LEADX_BODY_BYTES;
}

static void append_select(sqlite3_str *url, const leadx_change *change) {
  const leadx_table *table = change->table;
  sqlite3_str_appendall(url, "&select=");
  for (int i = 0; i < table->nkey; i++) {
    leadx_rest_column(url, table->columns[table->key[i]].remote);
    sqlite3_str_appendall(url, ",");
  }
  leadx_rest_column(url, table->version_remote);
}

/* A look at such a row tells what the server has of the change. */
static void append_select_sent(sqlite3_str *url, const leadx_change *change) {
  append_select(url, change);
  for (int i = 0; i < change->nfields; i++) {
    const leadx_field *field = &change->fields[i];
    if (field->column < 0 || field->column == change->table->version_column) continue;
    if (!field->changed || change->table->columns[field->column].key_position) continue;
    sqlite3_str_appendall(url, ",");
    leadx_rest_column(url, change->table->columns[field->column].remote);
  }
}

/* ---- the four requests ---- */

leadx_request *leadx_spell_create(const leadx_target *target, leadx_change *const *changes, int n,
                                  int minimal, leadx_err *err) {
  const leadx_table *table = changes[0]->table;
  sqlite3_str *url = sqlite3_str_new(NULL), *body = sqlite3_str_new(NULL);
  leadx_target_append_table(url, target, table);
  for (int i = 0; i < table->nkey && !minimal; i++) {
    const char *remote = table->columns[table->key[i]].remote;
    sqlite3_str_appendall(url, i == 0 ? "?on_conflict=" : ",");
    leadx_rest_column(url, remote);
  }
  if (!minimal && n == 1 && is_large(changes[0])) append_select(url, changes[0]);
  sqlite3_str_appendall(body, "[");
  for (int i = 0; i < n; i++) {
    if (i > 0) sqlite3_str_appendall(body, ",\n");
    leadx_change_append_object(changes[i], 0, body);
  }
  sqlite3_str_appendall(body, "]");
  return leadx_target_request(target, "POST", url, body,
                              minimal ? "return=minimal,count=exact"
                                      : "resolution=ignore-duplicates,return=representation",
                              err);
}

void leadx_spell_append_update(const leadx_change *change, sqlite3_str *out) {
  if (change->action != LEADX_DELETE) {
    leadx_change_append_object(change, 1, out);
    return;
  }
  sqlite3_str_appendall(out, "{");
  leadx_json_append_string(out, change->table->soft_delete_column,
                           strlen(change->table->soft_delete_column));
  sqlite3_str_appendall(out, ":\"now\"}");
}

leadx_request *leadx_spell_update(const leadx_target *target, const leadx_change *change,
                                  leadx_err *err) {
  sqlite3_str *url = sqlite3_str_new(NULL), *body = sqlite3_str_new(NULL);
  leadx_target_append_table(url, target, change->table);
  append_key_filter(url, change);
  append_version_filter(url, change);
  if (is_large(change)) append_select(url, change);
  leadx_spell_append_update(change, body);
  return leadx_target_request(target, "PATCH", url, body, "return=representation", err);
}

leadx_request *leadx_spell_delete(const leadx_target *target, const leadx_change *change,
                                  leadx_err *err) {
  sqlite3_str *url = sqlite3_str_new(NULL);
  leadx_target_append_table(url, target, change->table);
  append_key_filter(url, change);
  append_version_filter(url, change);
  return leadx_target_request(target, "DELETE", url, NULL, "return=representation", err);
}

static void append_in_list(sqlite3_str *url, leadx_change *const *changes, int n) {
  const leadx_table *table = changes[0]->table;
  const char *remote = table->columns[table->key[0]].remote;
  sqlite3_str_appendall(url, "?");
  leadx_rest_column(url, remote);
  sqlite3_str_appendall(url, "=in.(");
  for (int i = 0; i < n; i++) {
    sqlite3_str *value = sqlite3_str_new(NULL);
    append_plain(value, changes[i]->key_values[0]);
    const char *text = sqlite3_str_value(value);
    leadx_rest_in_element(url, i == 0, text ? text : "", (size_t)sqlite3_str_length(value));
    end_plain(value, url);
  }
  sqlite3_str_appendall(url, ")");
}

/* Composite keys: or=(and(a.eq.1,b.eq.2),…). */
static void append_or_list(sqlite3_str *url, leadx_change *const *changes, int n) {
  const leadx_table *table = changes[0]->table;
  sqlite3_str_appendall(url, "?or=(");
  for (int i = 0; i < n; i++) {
    sqlite3_str_appendf(url, "%sand(", i ? "," : "");
    for (int k = 0; k < table->nkey; k++) {
      const char *remote = table->columns[table->key[k]].remote;
      sqlite3_str *value = sqlite3_str_new(NULL);
      append_plain(value, changes[i]->key_values[k]);
      const char *text = sqlite3_str_value(value);
      if (k > 0) sqlite3_str_appendall(url, ",");
      leadx_rest_column(url, remote);
      sqlite3_str_appendall(url, ".eq.");
      leadx_rest_in_element(url, 1, text ? text : "", (size_t)sqlite3_str_length(value));
      end_plain(value, url);
    }
    sqlite3_str_appendall(url, ")");
  }
  sqlite3_str_appendall(url, ")");
}

leadx_request *leadx_spell_fetch(const leadx_target *target, leadx_change *const *changes, int n,
                                 leadx_err *err) {
  sqlite3_str *url = sqlite3_str_new(NULL);
  leadx_target_append_table(url, target, changes[0]->table);
  if (changes[0]->table->nkey == 1) {
    append_in_list(url, changes, n);
  } else {
    append_or_list(url, changes, n);
  }
  if (n == 1 && changes[0]->narrow) append_select_sent(url, changes[0]);
  return leadx_target_request(target, "GET", url, NULL, NULL, err);
}

size_t leadx_spell_key_bytes(const leadx_change *change) {
  size_t names = 0;
  for (int i = 0; change->table->nkey > 1 && i < change->table->nkey; i++) {
    names += strlen(change->table->columns[change->table->key[i]].remote) * 3 + 8;
  }
  return names + strlen(change->key) * 3 + 8;
}
