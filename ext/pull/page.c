/* The addresses of a pull. See page.h.
**
** updated_at=gte.T & or=(updated_at.gt.T,id.gt.I) reads an index on (updated_at, id); the same
** condition as a single or=() does not.
*/
#include "pull/page.h"

#include <string.h>

#include "rest/rest.h"
#include "rows/key.h"

void leadx_place_clear(leadx_place *place) {
  sqlite3_free(place->version);
  sqlite3_free(place->key);
  memset(place, 0, sizeof *place);
}

static const char *key_name(const leadx_table *table, int i) {
  return table->columns[table->key[i]].remote;
}

/* The values of a key as plain texts; the caller frees each. The builder that they are for fails for
** want of memory: a condition without them asks for other rows. */
static void key_values(sqlite3_str *url, const leadx_table *table, const char *key, char **values) {
  leadx_slice parts[LEADX_KEY_COLUMNS];
  leadx_err failed = {0};
  int n = 0;
  memset(values, 0, sizeof *values * LEADX_KEY_COLUMNS);
  char *document = leadx_key_json(table, key, parts, &n, &failed);
  for (int i = 0; i < n; i++) {
    if (leadx_json_text(parts[i], &values[i], NULL) == SQLITE_MISMATCH)
      values[i] = sqlite3_mprintf("%.*s", (int)parts[i].n, parts[i].z);
    if (!values[i]) leadx_err_spoil(url);
  }
  if (failed.rc != SQLITE_OK) leadx_err_spoil(url);
  sqlite3_free(document);
}

static void free_values(char **values) {
  for (int i = 0; i < LEADX_KEY_COLUMNS; i++) sqlite3_free(values[i]);
}

/* Inside or=(…): column.op.value */
static void append_condition(sqlite3_str *url, const char *column, const char *op,
                             const char *value) {
  leadx_rest_column(url, column);
  sqlite3_str_appendf(url, ".%s.", op);
  leadx_rest_in_element(url, 1, value ? value : "", value ? strlen(value) : 0);
}

/* (a,b,…) > (values…) as nested conditions, from column i on. */
static void append_key_after(sqlite3_str *url, const leadx_table *table, char *const *values,
                             int i) {
  append_condition(url, key_name(table, i), "gt", values[i]);
  if (i + 1 == table->nkey) return;
  sqlite3_str_appendall(url, ",and(");
  append_condition(url, key_name(table, i), "eq", values[i]);
  sqlite3_str_appendall(url, ",or(");
  append_key_after(url, table, values, i + 1);
  sqlite3_str_appendall(url, "))");
}

static void append_key_condition(sqlite3_str *url, const leadx_table *table, const char *key,
                                 const char *version) {
  char *values[LEADX_KEY_COLUMNS];
  key_values(url, table, key, values);
  sqlite3_str_appendall(url, "&or=(");
  if (version) {
    append_condition(url, table->version_remote, "gt", version);
    sqlite3_str_appendall(url, ",");
  }
  append_key_after(url, table, values, 0);
  sqlite3_str_appendall(url, ")");
  free_values(values);
}

static void append_order(sqlite3_str *url, const leadx_table *table, int by_version) {
  sqlite3_str_appendall(url, "&order=");
  if (by_version) {
    leadx_rest_column(url, table->version_remote);
    sqlite3_str_appendall(url, ".asc,");
  }
  for (int i = 0; i < table->nkey; i++) {
    sqlite3_str_appendall(url, i ? "," : "");
    leadx_rest_column(url, key_name(table, i));
    sqlite3_str_appendall(url, ".asc");
  }
}

static sqlite3_str *begin_url(const leadx_target *target, const leadx_table *table,
                              const char *select) {
  sqlite3_str *url = sqlite3_str_new(NULL);
  sqlite3_str_appendf(url, "%s/", target->url);
  leadx_rest_escape(url, table->remote, strlen(table->remote));
  sqlite3_str_appendf(url, "?select=%s", select ? select : "*");
  return url;
}

/* The table's own filter is PostgREST's language already; it was checked when the table was
** tracked. */
static void append_filter(sqlite3_str *url, const leadx_table *table) {
  if (table->filter) sqlite3_str_appendf(url, "&%s", table->filter);
}

static leadx_request *page_request(const leadx_target *target, const leadx_table *table,
                                   const char *select, const leadx_place *after, int limit,
                                   const char *count, leadx_err *err) {
  sqlite3_str *url = begin_url(target, table, select);
  if (after->version) {
    sqlite3_str_appendall(url, "&");
    leadx_rest_column(url, table->version_remote);
    sqlite3_str_appendall(url, "=gte.");
    leadx_rest_escape(url, after->version, strlen(after->version));
  } else if (after->key) {
    sqlite3_str_appendall(url, "&");
    leadx_rest_column(url, table->version_remote);
    sqlite3_str_appendall(url, "=is.null");
  }
  if (after->key && after->key[0]) append_key_condition(url, table, after->key, after->version);
  append_filter(url, table);
  append_order(url, table, 1);
  sqlite3_str_appendf(url, "&limit=%d", limit);
  char prefer[32];
  sqlite3_snprintf(sizeof prefer, prefer, "count=%s", count ? count : "");
  return leadx_target_get(target, url, count ? prefer : NULL, err);
}

leadx_request *leadx_page_request(const leadx_target *target, const leadx_table *table,
                                  const leadx_place *after, int limit, const char *count,
                                  leadx_err *err) {
  return page_request(target, table, NULL, after, limit, count, err);
}

/* Appends the key's columns and the version. */
static void append_head(sqlite3_str *select, const leadx_table *table) {
  for (int i = 0; i < table->nkey; i++) {
    leadx_rest_column(select, key_name(table, i));
    sqlite3_str_appendall(select, ",");
  }
  leadx_rest_column(select, table->version_remote);
}

leadx_request *leadx_page_head_request(const leadx_target *target, const leadx_table *table,
                                       const leadx_place *after, leadx_err *err) {
  sqlite3_str *select = sqlite3_str_new(NULL);
  append_head(select, table);
  char *text = leadx_db_finish(select, err);
  leadx_request *request = text ? page_request(target, table, text, after, 1, NULL, err) : NULL;
  sqlite3_free(text);
  return request;
}

leadx_request *leadx_page_keys_request(const leadx_target *target, const leadx_table *table,
                                       const char *after_key, int with_mark, int limit,
                                       leadx_err *err) {
  sqlite3_str *select = sqlite3_str_new(NULL);
  append_head(select, table);
  if (with_mark) {
    sqlite3_str_appendall(select, ",");
    leadx_rest_column(select, table->soft_delete_column);
  }
  char *names = sqlite3_str_finish(select);
  sqlite3_str *url = begin_url(target, table, names);
  sqlite3_free(names);
  if (after_key) append_key_condition(url, table, after_key, NULL);
  append_filter(url, table);
  append_order(url, table, 0);
  sqlite3_str_appendf(url, "&limit=%d", limit);
  return leadx_target_get(target, url, NULL, err);
}

leadx_request *leadx_page_rows_request(const leadx_target *target, leadx_table *table,
                                       char *const *keys, int n, leadx_err *err) {
  sqlite3_str *url = begin_url(target, table, NULL);
  sqlite3_str_appendall(url, "&");
  if (table->nkey == 1) {
    leadx_rest_column(url, key_name(table, 0));
    sqlite3_str_appendall(url, "=in.(");
    for (int i = 0; i < n; i++) leadx_rest_in_element(url, i == 0, keys[i], strlen(keys[i]));
  } else {
    sqlite3_str_appendall(url, "or=(");
    for (int i = 0; i < n; i++) {
      char *values[LEADX_KEY_COLUMNS];
      key_values(url, table, keys[i], values);
      sqlite3_str_appendf(url, "%sand(", i ? "," : "");
      for (int k = 0; k < table->nkey; k++) {
        sqlite3_str_appendall(url, k ? "," : "");
        append_condition(url, key_name(table, k), "eq", values[k]);
      }
      sqlite3_str_appendall(url, ")");
      free_values(values);
    }
  }
  sqlite3_str_appendall(url, ")");
  append_filter(url, table);
  return leadx_target_get(target, url, NULL, err);
}

size_t leadx_page_key_bytes(const leadx_table *table, const char *key) {
  size_t names = 0;
  for (int i = 0; table->nkey > 1 && i < table->nkey; i++)
    names += strlen(key_name(table, i)) * 6 + 16;
  return names + strlen(key) * 3 + 16;
}

int leadx_page_is_believable(int asked, int came, int *proven) {
  int believable = came == 0 || came == asked || asked <= *proven;
  if (came > *proven) *proven = came;
  return believable;
}
