/* Fingerprints of rows. See fingerprint.h.
**
** A fingerprint is a byte that says who noted it, 32 bits that stand for the list of columns, then
** 32 bits for each column's value. The lists are kept, so that what was noted before a column came
** or went still speaks for the others.
** */
#include "rows/fingerprint.h"

#include <string.h>

#include "base/hash.h"
#include "rows/key_row.h"

#define PART 4 /* bytes per column, and for the list */
#define HEAD (1 + PART)
enum { CONFIRMED = 'C', LOCAL = 'L' };

static uint32_t hash_list(const char *list) {
  uint64_t hash = leadx_hash(LEADX_HASH_SEED, list, strlen(list));
  return (uint32_t)(hash >> 32 ^ hash);
}

void leadx_fingerprint_columns(const leadx_table *table, sqlite3_str *out) {
  for (int i = 0; i < table->ncolumns; i++)
    sqlite3_str_appendf(out, "%s\"%w\"", i ? "," : "", table->columns[i].name);
}

/* The hash of the table's own list. */
static int find_list(leadx_db *db, leadx_table *table, int will_note, leadx_err *err) {
  if (table->memory->list_noted || (table->memory->list && !will_note)) return SQLITE_OK;
  sqlite3_str *text = sqlite3_str_new(NULL);
  leadx_fingerprint_columns(table, text);
  char *list = leadx_db_finish(text, err);
  if (!list) return err->rc;
  table->memory->list = hash_list(list);
  if (will_note)
    leadx_db_run(db, LEADX_SQL_FINGERPRINT_LIST_ADD, err, "it", (int64_t)table->memory->list, list);
  table->memory->list_noted = will_note && err->rc == SQLITE_OK;
  sqlite3_free(list);
  return err->rc;
}

/* ---- the local row ---- */

/* The statement that reads one row, kept with the table. */
static sqlite3_stmt *reader(leadx_db *db, leadx_table *table, leadx_err *err) {
  if (table->memory->reader) return table->memory->reader;
  sqlite3_str *sql = sqlite3_str_new(NULL);
  for (int i = 0; i < table->ncolumns; i++)
    sqlite3_str_appendf(sql, "%s \"%w\"", i ? "," : "SELECT", table->columns[i].name);
  sqlite3_str_appendf(sql, " FROM main.\"%w\" WHERE ", table->name);
  leadx_key_where(table, sql, 1);
  table->memory->reader = leadx_db_prepare_str(db, sql, err);
  return table->memory->reader;
}

int leadx_fingerprint_local(leadx_db *db, leadx_table *table, const char *key, uint32_t *parts,
                            int *stands, leadx_err *err) {
  sqlite3_stmt *row = reader(db, table, err);
  *stands = 0;
  if (!row) return err->rc;
  int rc = leadx_key_bind(table, row, 1, key);
  if (rc == SQLITE_OK) rc = sqlite3_step(row);
  *stands = rc == SQLITE_ROW;
  for (int i = 0; i < table->ncolumns && rc == SQLITE_ROW; i++) {
    parts[i] = leadx_meaning_of_value(leadx_table_kind(table, i), sqlite3_column_value(row, i));
    if (!parts[i]) leadx_err_nomem(err);
  }
  if (rc != SQLITE_ROW && rc != SQLITE_DONE && rc != SQLITE_MISMATCH)
    leadx_err_db(err, db->handle, rc, "read a row");
  sqlite3_reset(row);
  sqlite3_clear_bindings(row);
  return err->rc;
}

/* ---- what is known ---- */

/* For each column of the table: its place in a list of names, or -1. */
static void find_places(const leadx_table *table, const char *list, int *places) {
  for (int i = 0; i < table->ncolumns; i++) places[i] = -1;
  char *name = sqlite3_malloc64(strlen(list) + 1);
  for (int place = 0; name && *list == '"'; place++) {
    size_t n = 0;
    for (list++; *list && !(list[0] == '"' && list[1] != '"'); list++) {
      if (*list == '"') list++;
      name[n++] = *list;
    }
    name[n] = 0;
    if (*list) list++;
    if (*list == ',') list++;
    for (int i = 0; i < table->ncolumns; i++) {
      if (places[i] < 0 && sqlite3_stricmp(table->columns[i].name, name) == 0) places[i] = place;
    }
  }
  sqlite3_free(name);
}

/* The same for the list of that hash. *found: it is one that was noted. */
static int read_places(leadx_db *db, const leadx_table *table, uint32_t list, int *places,
                       int *found, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_FINGERPRINT_LIST_GET, err, "i", (int64_t)list);
  if (!stmt) return err->rc;
  const char *names = leadx_db_next(db, stmt, err) ? leadx_db_text(stmt, 0, err) : NULL;
  *found = names && hash_list(names) == list;
  if (*found) find_places(table, names, places);
  leadx_db_put(db, stmt);
  return err->rc;
}

static uint32_t part_at(const leadx_shadow *shadow, int place) {
  uint32_t part = 0;
  int at = HEAD + PART * place;
  if (place >= 0 && at + PART <= shadow->fingerprint_bytes)
    memcpy(&part, shadow->fingerprint + at, PART);
  return part;
}

static int read_elsewhere(leadx_db *db, const leadx_table *table, const leadx_shadow *shadow,
                          uint32_t list, uint32_t *parts, int *readable, leadx_err *err) {
  int *places = sqlite3_malloc64(sizeof *places * ((size_t)table->ncolumns + 1));
  if (!places) return leadx_err_nomem(err);
  int rc = read_places(db, table, list, places, readable, err);
  for (int i = 0; i < table->ncolumns && *readable; i++) parts[i] = part_at(shadow, places[i]);
  sqlite3_free(places);
  return rc;
}

int leadx_fingerprint_read(leadx_db *db, leadx_table *table, const leadx_shadow *shadow,
                           uint32_t *parts, int *readable, int *confirmed, leadx_err *err) {
  uint32_t list = 0;
  *readable = *confirmed = 0;
  memset(parts, 0, sizeof *parts * (size_t)table->ncolumns);
  if (shadow->fingerprint_bytes < HEAD || shadow->fingerprint_bytes % PART != 1) return SQLITE_OK;
  if (shadow->fingerprint[0] != CONFIRMED && shadow->fingerprint[0] != LOCAL) return SQLITE_OK;
  if (find_list(db, table, 0, err) != SQLITE_OK) return err->rc;
  memcpy(&list, shadow->fingerprint + 1, PART);
  *confirmed = shadow->fingerprint[0] == CONFIRMED;
  if (list != table->memory->list)
    return read_elsewhere(db, table, shadow, list, parts, readable, err);
  *readable = 1;
  for (int i = 0; i < table->ncolumns; i++) parts[i] = part_at(shadow, i);
  return SQLITE_OK;
}

/* ---- noting ---- */

static int set(leadx_db *db, leadx_table *table, const char *key, leadx_stand stand,
               const char *version, int confirmed, const uint32_t *parts, leadx_err *err) {
  int n = HEAD + PART * table->ncolumns;
  unsigned char *bytes = sqlite3_malloc(n);
  if (!bytes) return leadx_err_nomem(err);
  int rc = find_list(db, table, 1, err);
  bytes[0] = confirmed ? CONFIRMED : LOCAL;
  memcpy(bytes + 1, &table->memory->list, PART);
  memcpy(bytes + HEAD, parts, PART * (size_t)table->ncolumns);
  if (rc == SQLITE_OK) rc = leadx_shadow_set(db, table->entity, key, stand, version, bytes, n, err);
  sqlite3_free(bytes);
  return rc;
}

int leadx_fingerprint_set(leadx_db *db, leadx_table *table, const char *key, const char *version,
                          int confirmed, const uint32_t *parts, leadx_err *err) {
  return set(db, table, key, LEADX_STANDS, version, confirmed, parts, err);
}

int leadx_fingerprint_note(leadx_db *db, leadx_table *table, const char *key, const char *version,
                           leadx_err *err) {
  uint32_t *parts = sqlite3_malloc64(sizeof *parts * ((size_t)table->ncolumns + 1));
  if (!parts) return leadx_err_nomem(err);
  int stands = 0, rc = leadx_fingerprint_local(db, table, key, parts, &stands, err);
  if (rc == SQLITE_OK && stands) rc = set(db, table, key, LEADX_STANDS, version, 1, parts, err);
  else if (rc == SQLITE_OK)
    rc = leadx_shadow_set(db, table->entity, key, LEADX_KEPT_OUT, version, NULL, 0, err);
  sqlite3_free(parts);
  return rc;
}

int leadx_fingerprint_note_server(leadx_db *db, leadx_table *table, const char *key,
                                  const char *version, leadx_slice row, leadx_err *err) {
  size_t n = (size_t)table->ncolumns + 1;
  uint32_t *parts = sqlite3_malloc64(sizeof *parts * n);
  leadx_slice *values = sqlite3_malloc64(sizeof *values * n);
  int stands = 0;
  if (!parts || !values) leadx_err_nomem(err);
  else if (leadx_fingerprint_local(db, table, key, parts, &stands, err) == SQLITE_OK) {
    leadx_table_values(table, row, values);
    for (int i = 0; i < table->ncolumns; i++) {
      leadx_kind kind = leadx_table_kind(table, i);
      if (!stands || !leadx_meaning_is(parts[i], kind, values[i], err))
        parts[i] = leadx_meaning_of_server(kind, values[i]);
      if (values[i].n && !parts[i]) leadx_err_nomem(err);
    }
    if (err->rc == SQLITE_OK) set(db, table, key, LEADX_STANDS, version, 1, parts, err);
  }
  sqlite3_free(parts);
  sqlite3_free(values);
  return err->rc;
}
