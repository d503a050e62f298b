/* The types of keys that only the server knows. See learn.h. */
#include "run/learn.h"

#include <string.h>

#include "rest/target.h"
#include "rows/key_fit.h"
#include "rows/respell.h"
#include "rows/spelling.h"

/* What no uuid is. */
#define NO_UUID "x"

static leadx_request *type_request(const leadx_target *target, const leadx_table *table,
                                   const leadx_column *column, leadx_err *err) {
  sqlite3_str *url = sqlite3_str_new(NULL);
  leadx_target_append_table(url, target, table);
  sqlite3_str_appendall(url, "?select=");
  leadx_rest_column(url, column->remote);
  leadx_rest_filter_eq(url, 0, column->remote, NO_UUID, strlen(NO_UUID));
  sqlite3_str_appendall(url, "&limit=1");
  return leadx_target_get(target, url, NULL, err);
}

/* The type that an answer proves, or -1. */
static int proven_type(const leadx_verdict *verdict) {
  if (verdict->class_ == LEADX_CLASS_OK) return LEADX_TEXT;
  int is_refused = strcmp(verdict->code, "22P02") == 0; /* invalid_text_representation */
  return is_refused && strstr(verdict->message, "uuid") ? LEADX_UUID : -1;
}

/* Keeps the type, and with it the keys of what is known. */
static int note(leadx_run *run, leadx_table *table, leadx_column *column, leadx_type type,
                leadx_err *err) {
  leadx_db *db = &run->ctx->db;
  int rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  column->type = type;
  column->is_settled = 1;
  rc = leadx_db_run(db, LEADX_SQL_LEARN_TYPE, err, "ttt", table->name, column->name,
                    leadx_type_name(type));
  if (rc == SQLITE_OK && type == LEADX_UUID) rc = leadx_spelling_note_rows(db, table, err);
  if (rc == SQLITE_OK && type == LEADX_UUID) rc = leadx_respell_known(db, table, err);
  leadx_queue_place_clear(&run->respelled);
  return leadx_db_end(db, rc, err);
}

static int ask(leadx_run *run, leadx_table *table, leadx_column *column, int *learned,
               leadx_err *err) {
  leadx_verdict verdict;
  column->is_doubted = 0;
  leadx_request *done = leadx_run_exchange(run, type_request(&run->target, table, column, err), 1,
                                           &verdict, err);
  if (!done) return err->rc;
  int type = proven_type(&verdict);
  leadx_request_free(done);
  if (type == LEADX_UUID) *learned = 1;
  return type < 0 ? SQLITE_OK : note(run, table, column, (leadx_type)type, err);
}

/* The rows of a table that was pulled before were compared with the server's; what was written since
** is in the queue. */
static int doubt_rows(leadx_run *run, leadx_table *table, leadx_err *err) {
  leadx_db *db = &run->ctx->db;
  int64_t pulled = 0;
  if (table->mode == LEADX_MODE_PUSH) return SQLITE_OK;
  int rc = leadx_db_int(db, LEADX_SQL_LEARN_IS_PULLED, err, &pulled, "t", table->entity);
  return rc == SQLITE_OK && !pulled ? leadx_key_doubt_rows(db, table, err) : rc;
}

int leadx_learn_types(leadx_run *run, int *learned, leadx_err *err) {
  *learned = 0;
  for (int i = 0; i < run->tables->n && err->rc == SQLITE_OK; i++) {
    leadx_table *table = run->tables->list[i];
    doubt_rows(run, table, err);
    for (int k = 0; k < table->nkey && err->rc == SQLITE_OK; k++) {
      leadx_column *column = &table->columns[table->key[k]];
      if (column->is_doubted && leadx_run_may_ask(run)) ask(run, table, column, learned, err);
    }
  }
  return err->rc;
}

int leadx_learn_computed(leadx_db *db, leadx_table *table, int column, leadx_err *err) {
  table->columns[column].is_computed = 1;
  return leadx_db_run(db, LEADX_SQL_LEARN_TYPE, err, "ttt", table->name,
                      table->columns[column].name, LEADX_LEARNED_COMPUTED);
}
