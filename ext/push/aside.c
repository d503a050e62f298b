/* A value to step aside to. See aside.h. */
#include "push/aside.h"

#include <string.h>

#include "base/hash.h"

/* Fits the smallest type that numbers of rows have, but for smallint. */
#define MOST 0x3fffffff

char *leadx_aside_value(leadx_type type, const char *id) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  uint64_t hash = leadx_hash(LEADX_HASH_SEED, id, strlen(id));
  switch (type) {
    case LEADX_TEXT: {
      char *text = sqlite3_mprintf("leadx:%s", id);
      if (text) leadx_json_append_string(out, text, strlen(text));
      else leadx_err_spoil(out);
      sqlite3_free(text);
      break;
    }
    case LEADX_UUID: leadx_json_append_string(out, id, strlen(id)); break;
    case LEADX_INTEGER:
    case LEADX_REAL:
    case LEADX_DECIMAL:
      sqlite3_str_appendf(out, "-%d", 1 + (int)((hash ^ hash >> 32) & MOST));
      break;
    default: break;
  }
  int failed = sqlite3_str_errcode(out) != SQLITE_OK;
  char *value = sqlite3_str_finish(out);
  if (!failed) return value;
  sqlite3_free(value);
  return NULL;
}

int leadx_aside_is(leadx_type type, const char *id, leadx_slice value, leadx_err *err) {
  char *own = leadx_aside_value(type, id);
  int is = own && leadx_wire_equal(type, (leadx_slice){own, strlen(own)}, value, err);
  sqlite3_free(own);
  return is;
}
