/* The addresses of a pull: keyset pages on (version, key). Spelling only. */
#ifndef LEADX_PAGE_H
#define LEADX_PAGE_H

#include "rest/target.h"

/* A place in the order (version, key), in the server's own words. */
typedef struct leadx_place {
  char *version; /* NULL: at the very beginning, or (with a key) among rows without a version */
  char *
      /* entity_id; NULL: at the beginning of that version; "" without a version: before all rows
      ** without one */
      key;
} leadx_place;

/* The page after a place, in the order (version, key). count: how the server shall count the rows
** behind the place ("exact", "estimated"), or NULL: not at all. */
leadx_request *leadx_page_request(const leadx_target *target, const leadx_table *table,
                                  const leadx_place *after, int limit, const char *count,
                                  leadx_err *err);
/* Key and version alone of the row after a place. */
leadx_request *leadx_page_head_request(const leadx_target *target, const leadx_table *table,
                                       const leadx_place *after, leadx_err *err);
/* Keys and versions alone, in the order of the keys; with_mark: and the mark of a soft delete. */
leadx_request *leadx_page_keys_request(const leadx_target *target, const leadx_table *table,
                                       const char *after_key, int with_mark, int limit,
                                       leadx_err *err);
/* Rows by their keys (n entity_ids). */
leadx_request *leadx_page_rows_request(const leadx_target *target, leadx_table *table,
                                       char *const *keys, int n, leadx_err *err);

/* How many bytes one key takes in such a URL, at most. */
size_t leadx_page_key_bytes(const leadx_table *table, const char *key);

/* Servers cap the rows of an answer silently: may those of the n keys asked for that did not come
** be called gone? *proven is how many rows the server has been seen to answer at once; it grows. */
int leadx_page_is_believable(int asked, int came, int *proven);

void leadx_place_clear(leadx_place *place);

#endif
