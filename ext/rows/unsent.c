/* Unsent changes by row. See unsent.h. */
#include "rows/unsent.h"

#include <string.h>

#include "base/hash.h"
#include "rows/key.h"
#include "rows/key_value.h"

typedef struct leadx_entry {
  char *key; /* NULL: a free place */
  leadx_action newest;
  uint32_t *parts; /* NULL without values */
} leadx_entry;

struct leadx_unsent {
  leadx_db *db;
  const leadx_table *table;
  int with_values;
  leadx_entry *entries; /* an open hash table; its size is a power of two */
  size_t n, size;
  leadx_queue_place seen; /* the queue was read up to here */
};

leadx_unsent *leadx_unsent_open(leadx_db *db, const leadx_table *table, int with_values,
                                leadx_err *err) {
  leadx_unsent *unsent = sqlite3_malloc64(sizeof *unsent);
  if (!unsent) {
    leadx_err_nomem(err);
    return NULL;
  }
  memset(unsent, 0, sizeof *unsent);
  unsent->db = db;
  unsent->table = table;
  unsent->with_values = with_values;
  return unsent;
}

static void forget_all(leadx_unsent *unsent) {
  for (size_t i = 0; i < unsent->size; i++) {
    sqlite3_free(unsent->entries[i].key);
    sqlite3_free(unsent->entries[i].parts);
  }
  sqlite3_free(unsent->entries);
  leadx_queue_place_clear(&unsent->seen);
  unsent->entries = NULL;
  unsent->n = unsent->size = 0;
}

void leadx_unsent_close(leadx_unsent *unsent) {
  if (!unsent) return;
  forget_all(unsent);
  sqlite3_free(unsent);
}

/* ---- the table of keys ---- */

/* The place of a key, or the free one where it belongs. */
static leadx_entry *find_place(leadx_entry *entries, size_t size, const char *key) {
  size_t i = (size_t)leadx_hash(LEADX_HASH_SEED, key, strlen(key)) & (size - 1);
  while (entries[i].key && strcmp(entries[i].key, key) != 0) i = (i + 1) & (size - 1);
  return &entries[i];
}

static int grow(leadx_unsent *unsent) {
  size_t size = unsent->size ? unsent->size * 2 : 64;
  leadx_entry *more = sqlite3_malloc64(sizeof *more * size);
  if (!more) return SQLITE_NOMEM;
  memset(more, 0, sizeof *more * size);
  for (size_t i = 0; i < unsent->size; i++) {
    if (unsent->entries[i].key)
      *find_place(more, size, unsent->entries[i].key) = unsent->entries[i];
  }
  sqlite3_free(unsent->entries);
  unsent->entries = more;
  unsent->size = size;
  return SQLITE_OK;
}

static leadx_entry *need_entry(leadx_unsent *unsent, const char *key, leadx_err *err) {
  if (unsent->n * 2 >= unsent->size && grow(unsent) != SQLITE_OK) {
    leadx_err_nomem(err);
    return NULL;
  }
  leadx_entry *entry = find_place(unsent->entries, unsent->size, key);
  if (entry->key) return entry;
  size_t bytes = sizeof *entry->parts * ((size_t)unsent->table->ncolumns + 1);
  entry->parts = unsent->with_values ? sqlite3_malloc64(bytes) : NULL;
  if (entry->parts) memset(entry->parts, 0, bytes);
  entry->key = unsent->with_values && !entry->parts ? NULL : sqlite3_mprintf("%s", key);
  if (!entry->key) {
    sqlite3_free(entry->parts);
    entry->parts = NULL;
    leadx_err_nomem(err);
    return NULL;
  }
  unsent->n++;
  return entry;
}

/* ---- what changes say ---- */

/* 1 for want of memory. What is no object says nothing. */
static int take_payload(const leadx_table *table, leadx_entry *entry, const char *payload) {
  leadx_slice row;
  if (leadx_json_check(payload, strlen(payload), 0, &row, NULL) ||
      leadx_json_kind_of(row) != LEADX_JSON_OBJECT)
    return 0;
  leadx_slice *values = sqlite3_malloc64(sizeof *values * ((size_t)table->ncolumns + 1));
  if (!values) return 1;
  int failed = 0;
  leadx_table_values(table, row, values);
  for (int i = 0; i < table->ncolumns; i++) {
    if (!values[i].n) continue;
    entry->parts[i] = leadx_meaning_of_queued(leadx_table_kind(table, i), values[i]);
    failed |= !entry->parts[i];
  }
  sqlite3_free(values);
  return failed;
}

static int take_change(const leadx_table *table, leadx_entry *entry, const char *action,
                       const char *payload) {
  static const leadx_action actions[] = {LEADX_CREATE, LEADX_UPDATE, LEADX_DELETE};
  leadx_action is = LEADX_NOTHING;
  for (int i = 0; i < 3; i++) {
    if (action && strcmp(action, leadx_action_name(actions[i])) == 0) is = actions[i];
  }
  if (is == LEADX_NOTHING) return 0;
  entry->newest = is;
  if (is == LEADX_DELETE) memset(entry->parts, 0, sizeof *entry->parts * (size_t)table->ncolumns);
  return is != LEADX_DELETE && payload ? take_payload(table, entry, payload) : 0;
}

/* ---- reading ---- */

static int take_rows(leadx_unsent *unsent, sqlite3_stmt *stmt, leadx_err *err) {
  while (leadx_db_next(unsent->db, stmt, err)) {
    const char *text = leadx_db_text(stmt, 0, err);
    char *key = err->rc == SQLITE_OK
                    ? leadx_key_read(unsent->table, text ? text : "", LEADX_BY_DEVICE, err)
                    : NULL;
    if (!key && err->rc == SQLITE_OK) leadx_err_nomem(err);
    leadx_entry *entry = key ? need_entry(unsent, key, err) : NULL;
    sqlite3_free(key);
    if (!entry) return err->rc;
    if (unsent->with_values &&
        take_change(unsent->table, entry, leadx_db_text(stmt, 1, err), leadx_db_text(stmt, 2, err)))
      return leadx_err_nomem(err);
  }
  return err->rc;
}

static int read_held(leadx_unsent *unsent, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_query(
      unsent->db, unsent->with_values ? LEADX_SQL_UNSENT_CHANGES_HELD : LEADX_SQL_UNSENT_KEYS_HELD,
      err, "s", unsent->table->entity);
  if (!stmt) return err->rc;
  int rc = take_rows(unsent, stmt, err);
  leadx_db_put(unsent->db, stmt);
  return rc;
}

/* Begins with an empty table behind the mark, after a look at whether that still stands. */
static int begin_anew(leadx_unsent *unsent, leadx_err *err) {
  forget_all(unsent);
  int rc = leadx_queue_check_mark(unsent->db, err);
  if (rc == SQLITE_OK) rc = leadx_queue_mark(unsent->db, &unsent->seen.rowid, err);
  if (rc == SQLITE_OK) rc = read_held(unsent, err);
  return rc;
}

int leadx_unsent_look(leadx_unsent *unsent, leadx_err *err) {
  leadx_db *db = unsent->db;
  leadx_queue_place last = {0};
  sqlite3_stmt *stmt = NULL;
  int same = 0, rc = leadx_queue_stands(db, &unsent->seen, &same, err);
  if (rc == SQLITE_OK && !same) rc = begin_anew(unsent, err);
  /* The last row before the new ones are read: those behind it may be read twice, which changes
  ** nothing. */
  if (rc == SQLITE_OK) rc = leadx_queue_last(db, &last, err);
  int statement = unsent->with_values ? LEADX_SQL_UNSENT_CHANGES : LEADX_SQL_UNSENT_KEYS;
  if (rc == SQLITE_OK)
    stmt = leadx_db_query(db, statement, err, "is", unsent->seen.rowid, unsent->table->entity);
  if (stmt) rc = take_rows(unsent, stmt, err);
  leadx_db_put(db, stmt);
  if (!stmt || rc != SQLITE_OK) {
    leadx_queue_place_clear(&last);
    return err->rc;
  }
  leadx_queue_place_clear(&unsent->seen);
  unsent->seen = last;
  return SQLITE_OK;
}

int leadx_unsent_has(const leadx_unsent *unsent, const char *key) {
  return unsent->n > 0 && find_place(unsent->entries, unsent->size, key)->key != NULL;
}

leadx_action leadx_unsent_newest(const leadx_unsent *unsent, const char *key,
                                 const uint32_t **parts) {
  const leadx_entry *entry = unsent->n ? find_place(unsent->entries, unsent->size, key) : NULL;
  *parts = entry && entry->key ? entry->parts : NULL;
  return entry && entry->key ? entry->newest : LEADX_NOTHING;
}
