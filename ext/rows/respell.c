/* Keys that are written anew. See respell.h. */
#include "rows/respell.h"

#include <string.h>

#include "rows/key.h"
#include "rows/key_fit.h"
#include "rows/key_value.h"
#include "rows/spelling.h"
#include "store/parking.h"
#include "store/shadow.h"
#include "store/tables.h"

/* A key that is to be written otherwise. */
typedef struct respelling {
  struct respelling *next;
  char place; /* the first letter of what respell_unsent calls it; k: what is known of rows */
  int64_t rowid;
  char *entity, *from, *to;
} respelling;

static void free_respellings(respelling *list) {
  while (list) {
    respelling *next = list->next;
    sqlite3_free(list->entity);
    sqlite3_free(list->from);
    sqlite3_free(list->to);
    sqlite3_free(list);
    list = next;
  }
}

/* Is every text of the table's key its own canonical form? */
static int is_plain(const leadx_table *table) {
  leadx_type type = table->columns[table->key[0]].type;
  return table->nkey == 1 && (type == LEADX_TEXT || type == LEADX_JSON || type == LEADX_DATE);
}

/* Adds what a row (place, rowid, entity, key) has to become, if anything; takes over `to`. */
static int add_respelling(respelling **list, char place, int64_t rowid, const char *entity,
                          const char *from, char *to, leadx_err *err) {
  respelling *fresh = strcmp(from, to) == 0 ? NULL : sqlite3_malloc64(sizeof *fresh);
  if (!fresh) {
    int same = strcmp(from, to) == 0;
    sqlite3_free(to);
    return same ? SQLITE_OK : leadx_err_nomem(err);
  }
  *fresh = (respelling){
      *list, place, rowid, sqlite3_mprintf("%s", entity), sqlite3_mprintf("%s", from), to};
  *list = fresh;
  return fresh->entity && fresh->from ? SQLITE_OK : leadx_err_nomem(err);
}

static int find_respelling(leadx_db *db, const leadx_tables *tables, sqlite3_stmt *row,
                           respelling **list, leadx_err *err) {
  const char *place = leadx_db_text(row, 0, err), *entity = leadx_db_text(row, 2, err),
             *key = leadx_db_text(row, 3, err);
  if (!place || !entity || !key) return err->rc;
  leadx_table *table = leadx_tables_by_entity(tables, entity);
  if (!table || strlen(key) != (size_t)sqlite3_column_bytes(row, 3)) return SQLITE_OK;
  leadx_key_doubt(table, key);
  if (is_plain(table) || leadx_spelling_note(db, table, key, err) != SQLITE_OK) return err->rc;
  char *to = leadx_key_read(table, key, LEADX_BY_DEVICE, err);
  return to ? add_respelling(list, place[0], sqlite3_column_int64(row, 1), entity, key, to, err)
            : err->rc;
}

static int respell(leadx_db *db, const respelling *list, leadx_err *err) {
  int rc = err->rc;
  for (; list && rc == SQLITE_OK; list = list->next) {
    const char *entity = list->entity, *from = list->from, *to = list->to;
    switch (list->place) {
      case 'p': rc = leadx_parking_respell(db, entity, from, to, err); break;
      case 'k': rc = leadx_shadow_respell(db, entity, from, to, err); break;
      case 'q': rc = leadx_db_run(db, LEADX_SQL_RESPELL_QUEUE, err, "it", list->rowid, to); break;
      default: rc = leadx_db_run(db, LEADX_SQL_RESPELL_CONFLICT, err, "it", list->rowid, to);
    }
  }
  return rc;
}

int leadx_respell_known(leadx_db *db, const leadx_table *table, leadx_err *err) {
  respelling *list = NULL;
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_RESPELL_KNOWN, err, "s", table->entity);
  while (stmt && err->rc == SQLITE_OK && leadx_db_next(db, stmt, err)) {
    const char *key = leadx_db_text(stmt, 0, err);
    char *to = key ? leadx_key_read(table, key, LEADX_BY_DEVICE, err) : NULL;
    if (to) add_respelling(&list, 'k', 0, table->entity, key, to, err);
  }
  leadx_db_put(db, stmt);
  int rc = respell(db, list, err);
  free_respellings(list);
  return rc;
}

/* Earlier versions noted keys as the local row spelled them. */
static int settle_old(leadx_db *db, const leadx_tables *tables, leadx_err *err) {
  int64_t settled = 0;
  int rc = leadx_db_int(db, LEADX_SQL_RESPELL_IS_DONE, err, &settled, "");
  if (rc != SQLITE_OK || settled) return rc;
  for (int i = 0; i < tables->n && rc == SQLITE_OK; i++) {
    if (!is_plain(tables->list[i])) rc = leadx_respell_known(db, tables->list[i], err);
  }
  return rc == SQLITE_OK ? leadx_db_run(db, LEADX_SQL_RESPELL_DONE, err, "") : rc;
}

/* Respells what the statement's rows say; takes over the statement. */
static int respell_all(leadx_db *db, const leadx_tables *tables, sqlite3_stmt *stmt,
                       leadx_err *err) {
  respelling *list = NULL;
  if (!stmt) return err->rc;
  while (err->rc == SQLITE_OK && leadx_db_next(db, stmt, err))
    find_respelling(db, tables, stmt, &list, err);
  leadx_db_put(db, stmt);
  int rc = respell(db, list, err);
  free_respellings(list);
  return rc;
}

int leadx_respell(leadx_db *db, const leadx_tables *tables, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_get(db, LEADX_SQL_RESPELL_UNSENT, err);
  int rc = respell_all(db, tables, stmt, err);
  return rc == SQLITE_OK ? settle_old(db, tables, err) : rc;
}

int leadx_respell_behind(leadx_db *db, const leadx_tables *tables, int64_t rowid, leadx_err *err) {
  return respell_all(db, tables, leadx_db_query(db, LEADX_SQL_RESPELL_BEHIND, err, "i", rowid),
                     err);
}

int leadx_respell_new(leadx_db *db, const leadx_tables *tables, leadx_queue_place *seen,
                      leadx_err *err) {
  leadx_queue_place last = {0};
  int same = 0, rc = leadx_queue_stands(db, seen, &same, err);
  if (rc == SQLITE_OK) rc = leadx_queue_last(db, &last, err);
  if (rc == SQLITE_OK && !same) rc = leadx_respell(db, tables, err);
  else if (rc == SQLITE_OK && last.rowid > seen->rowid)
    rc = leadx_respell_behind(db, tables, seen->rowid, err);
  if (rc != SQLITE_OK) {
    leadx_queue_place_clear(&last);
    return rc;
  }
  leadx_queue_place_clear(seen);
  *seen = last;
  return SQLITE_OK;
}
