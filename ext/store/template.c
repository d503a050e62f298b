/* Templates. See template.h. */
#include "store/template.h"

#include <string.h>

void leadx_template_append(sqlite3_str *out, const char *text, leadx_template_fill *fill,
                           const void *arg) {
  const char *open;
  while ((open = strstr(text, "{{")) != NULL) {
    const char *close = strstr(open, "}}");
    sqlite3_str_append(out, text, (int)(open - text));
    fill(arg, out, open + 2, (size_t)(close - open) - 2);
    text = close + 2;
  }
  sqlite3_str_appendall(out, text);
}

int leadx_template_is(const char *hole, size_t n, const char *name) {
  return strlen(name) == n && memcmp(hole, name, n) == 0;
}
