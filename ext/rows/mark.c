/* The marks of a server's row. See mark.h. */
#include "rows/mark.h"

#include <string.h>

char *leadx_version_text(leadx_slice version, leadx_err *err) {
  char *text = NULL;
  switch (leadx_json_kind_of(version)) {
    case LEADX_JSON_STRING: leadx_json_text(version, &text, NULL); break;
    case LEADX_JSON_NUMBER: text = sqlite3_mprintf("%.*s", (int)version.n, version.z); break;
    default: return NULL;
  }
  if (!text) leadx_err_nomem(err);
  return text;
}

char *leadx_version_of(const leadx_table *table, leadx_slice row, leadx_err *err) {
  return leadx_version_text(leadx_json_member(row, table->version_remote), err);
}

int leadx_mark_says_deleted(leadx_slice mark) {
  leadx_json_kind kind = leadx_json_kind_of(mark);
  return kind != LEADX_JSON_NONE && kind != LEADX_JSON_NULL && kind != LEADX_JSON_FALSE;
}

int leadx_mark_is_deleted(const leadx_table *table, leadx_slice row) {
  return table->soft_delete_column &&
         leadx_mark_says_deleted(leadx_json_member(row, table->soft_delete_column));
}

int leadx_mark_drops_deleted(const leadx_table *table) {
  const char *column = table->soft_delete_column;
  return column && leadx_table_find_remote(table, column, strlen(column)) < 0;
}
