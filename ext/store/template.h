/* Templates: SQL texts of sql/ with {{holes}} that are filled per table. */
#ifndef LEADX_TEMPLATE_H
#define LEADX_TEMPLATE_H

#include <stddef.h>

#include "base/sqlite.h"

/* Appends what belongs into the hole of that name (n bytes, not terminated); nothing for a name that
** it does not know. */
typedef void leadx_template_fill(const void *arg, sqlite3_str *out, const char *hole, size_t n);

/* Appends a template, each {{hole}} filled by fill(arg, out, hole, n). */
void leadx_template_append(sqlite3_str *out, const char *text, leadx_template_fill *fill,
                           const void *arg);

/* Is that the hole of that name? */
int leadx_template_is(const char *hole, size_t n, const char *name);

#endif
