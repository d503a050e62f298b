/* A tracked table, once it is described. See table.h. */
#include "store/table.h"

#include <string.h>

leadx_type leadx_column_form(const leadx_column *column) {
  return column->is_sql_form && column->type == LEADX_TIMESTAMP ? LEADX_TIMESTAMP_SQL
                                                                : column->type;
}

void leadx_reference_clear(leadx_reference *reference) {
  for (int i = 0; i < 8; i++) sqlite3_free(reference->target[i]);
  sqlite3_free(reference->parent_table);
}

void leadx_table_free(leadx_table *table) {
  if (!table) return;
  for (int i = 0; i < table->ncolumns; i++) {
    sqlite3_free(table->columns[i].name);
    sqlite3_free(table->columns[i].remote);
    leadx_literal_clear(&table->columns[i].default_value);
  }
  for (int i = 0; i < table->nreferences; i++) leadx_reference_clear(&table->references[i]);
  char *texts[] = {table->name,      table->entity,         table->remote,
                   table->version,   table->version_remote, table->soft_delete_column,
                   table->policy,    table->filter,         table->pending,
                   table->synced_at, table->warnings};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) sqlite3_free(texts[i]);
  if (table->memory) sqlite3_finalize(table->memory->reader);
  sqlite3_free(table->memory);
  sqlite3_free(table->columns);
  sqlite3_free(table->by_remote);
  sqlite3_free(table->references);
  sqlite3_free(table);
}

int leadx_table_find_remote(const leadx_table *table, const char *remote, size_t n) {
  for (int i = 0; i < table->ncolumns; i++) {
    if (strlen(table->columns[i].remote) == n && memcmp(table->columns[i].remote, remote, n) == 0)
      return i;
  }
  return -1;
}

int leadx_table_member(const leadx_table *table, leadx_slice name, int guess) {
  int low = 0, high = table->by_remote ? table->ncolumns : 0;
  if (guess >= 0 && guess < table->ncolumns) {
    const char *expected = table->columns[guess].remote;
    if (leadx_json_string_is(name, expected, strlen(expected))) return guess;
  }
  while (low < high) {
    int middle = low + (high - low) / 2, column = table->by_remote[middle];
    const char *remote = table->columns[column].remote;
    int order = leadx_json_string_order(name, remote, strlen(remote));
    if (order == 0) return column;
    if (order > 0) low = middle + 1;
    else high = middle;
  }
  return -1;
}

leadx_type leadx_table_compared_as(const leadx_table *table, int column) {
  for (int r = 0; r < table->nreferences && table->columns[column].type == LEADX_TEXT; r++) {
    const leadx_reference *reference = &table->references[r];
    for (int i = 0; reference->parent && i < reference->ncolumn; i++) {
      if (i < reference->parent->nkey && reference->column[i] == column)
        return reference->parent->columns[reference->parent->key[i]].type == LEADX_UUID
                   ? LEADX_UUID
                   : LEADX_TEXT;
    }
  }
  return table->columns[column].type;
}

void leadx_table_values(const leadx_table *table, leadx_slice row, leadx_slice *values) {
  leadx_slice name, value;
  leadx_json_walk walk;
  memset(values, 0, sizeof *values * (size_t)table->ncolumns);
  if (leadx_json_kind_of(row) != LEADX_JSON_OBJECT) return;
  leadx_json_walk_init(&walk, row);
  for (int next = 0; leadx_json_walk_member(&walk, &name, &value);) {
    int column = leadx_table_member(table, name, next);
    if (column < 0) continue;
    values[column] = value;
    next = column + 1;
  }
}

leadx_kind leadx_table_kind(const leadx_table *table, int column) {
  return (leadx_kind){leadx_table_compared_as(table, column), table->columns[column].affinity};
}

int leadx_table_is_reference(const leadx_table *table, int column) {
  for (int r = 0; r < table->nreferences; r++) {
    for (int i = 0; i < table->references[r].ncolumn; i++) {
      if (table->references[r].column[i] == column) return 1;
    }
  }
  return 0;
}
