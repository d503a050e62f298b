/* All tracked tables. See tables.h. */
#include "store/tables.h"

#include <string.h>

#include "base/hash.h"
#include "store/describe.h"

static int push_table(leadx_tables *tables, leadx_table *table, leadx_err *err) {
  leadx_table **more = sqlite3_realloc64(tables->list, sizeof *more * ((size_t)tables->n + 1));
  if (!more) {
    leadx_table_free(table);
    return leadx_err_nomem(err);
  }
  tables->list = more;
  tables->list[tables->n++] = table;
  return SQLITE_OK;
}

/* Puts a reference's columns in the order of the parent's key. 1 when it refers to that key. */
static int order_columns(leadx_reference *reference, const leadx_table *parent) {
  int ordered[8] = {0}, n = reference->ncolumn;
  if (n != parent->nkey) return 0;
  for (int i = 0; i < n; i++) {
    int place = i;
    for (int k = 0; k < n && reference->target[i]; k++) {
      const char *name = parent->columns[parent->key[k]].name;
      place = k;
      if (sqlite3_stricmp(name, reference->target[i]) == 0) break;
      place = -1;
    }
    if (place < 0) return 0;
    ordered[place] = reference->column[i];
  }
  memcpy(reference->column, ordered, sizeof ordered);
  return 1;
}

/* Tells the tables of each other: who is whose parent, and which there are. */
static void introduce(const leadx_tables *tables) {
  for (int i = 0; i < tables->n; i++) {
    leadx_table *table = tables->list[i];
    table->among = tables->list;
    table->namong = tables->n;
    table->place = i;
    for (int r = 0; r < table->nreferences; r++) {
      leadx_reference *reference = &table->references[r];
      leadx_table *parent = leadx_tables_by_name(tables, reference->parent_table);
      if (parent && order_columns(reference, parent)) reference->parent = parent;
    }
  }
}

int leadx_tables_load(leadx_db *db, const char *who, leadx_tables *tables, leadx_err *err) {
  memset(tables, 0, sizeof *tables);
  sqlite3_stmt *stmt = leadx_db_get(db, LEADX_SQL_TABLES_TRACKED, err);
  if (!stmt) return err->rc;
  while (err->rc == SQLITE_OK && leadx_db_next(db, stmt, err)) {
    leadx_err gone = {0};
    const char *name = leadx_db_text(stmt, 0, err), *options = leadx_db_text(stmt, 3, err);
    leadx_table *table = err->rc == SQLITE_OK ? leadx_describe(db, who, name, options, &gone)
                                              : NULL;
    /* A tracked table that was dropped since: its queue rows wait, everything else goes on. But a
    ** schema that could not be read says nothing about the table, and its rows must not be FAILED
    ** for it. */
    if (!table && gone.rc == SQLITE_ERROR) continue;
    if (table) push_table(tables, table, err);
    else leadx_err_set(err, gone.rc, "%s", gone.text);
  }
  leadx_db_put(db, stmt);
  if (err->rc != SQLITE_OK) leadx_tables_clear(tables);
  introduce(tables);
  return err->rc;
}

/* What the description of the tracked tables depends on: the schema's cookie and the rows of
** leadx_tables. Never 0. */
static int read_as_of(leadx_db *db, uint64_t *as_of, leadx_err *err) {
  int64_t cookie = 0;
  int rc = leadx_db_schema_version(db, &cookie, err);
  sqlite3_stmt *stmt = rc == SQLITE_OK ? leadx_db_get(db, LEADX_SQL_TABLES_TRACKED, err) : NULL;
  if (!stmt) return err->rc;
  uint64_t hash = leadx_hash(LEADX_HASH_SEED, &cookie, sizeof cookie);
  while (leadx_db_next(db, stmt, err)) hash = leadx_db_hash_row(stmt, hash, err);
  leadx_db_put(db, stmt);
  *as_of = hash ? hash : 1;
  return err->rc;
}

int leadx_tables_refresh(leadx_db *db, const char *who, leadx_tables *tables, leadx_err *err) {
  uint64_t as_of = 0;
  int rc = read_as_of(db, &as_of, err);
  if (rc == SQLITE_OK && tables->as_of == as_of) return SQLITE_OK;
  leadx_tables_clear(tables);
  if (rc == SQLITE_OK) rc = leadx_tables_load(db, who, tables, err);
  if (rc == SQLITE_OK) tables->as_of = as_of;
  return rc;
}

void leadx_tables_rest(leadx_tables *tables) {
  for (int i = 0; i < tables->n; i++) {
    leadx_memory *memory = tables->list[i]->memory;
    sqlite3_finalize(memory->reader);
    memory->reader = NULL;
    memory->list_noted = 0;
  }
}

void leadx_tables_clear(leadx_tables *tables) {
  for (int i = 0; i < tables->n; i++) leadx_table_free(tables->list[i]);
  sqlite3_free(tables->list);
  memset(tables, 0, sizeof *tables);
}

leadx_table *leadx_tables_by_entity(const leadx_tables *tables, const char *entity) {
  for (int i = 0; i < tables->n; i++) {
    if (strcmp(tables->list[i]->entity, entity) == 0) return tables->list[i];
  }
  return NULL;
}

leadx_table *leadx_tables_by_name(const leadx_tables *tables, const char *name) {
  for (int i = 0; i < tables->n; i++) {
    if (sqlite3_stricmp(tables->list[i]->name, name) == 0) return tables->list[i];
  }
  return NULL;
}
