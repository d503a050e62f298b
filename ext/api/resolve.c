/* Decisions by people. See resolve.h. */
#include "api/resolve.h"

#include <string.h>

#include "base/clock.h"
#include "base/instant.h"
#include "base/uuid.h"
#include "push/change.h"
#include "rows/apply.h"
#include "rows/capture_row.h"
#include "rows/fingerprint.h"
#include "rows/key_row.h"
#include "rows/mark.h"
#include "rows/respell.h"
#include "store/parking.h"
#include "store/queue.h"
#include "store/tables.h"

/* An open conflict as it stands in the file. */
typedef struct leadx_question {
  leadx_table *table;
  char *key, *client_text, *server_text, *contested_text, *base_text;
  leadx_slice client, server, contested, chosen;
  leadx_slice base; /* what both sides started from; empty where that is not known */
  unsigned char *edited; /* per column: 1 when an unsent change is about it */
  int deleted; /* the newest unsent change deletes the row */
  int without_references; /* the server's row refers to a row that is not here yet */
} leadx_question;

static void question_clear(leadx_question *question) {
  sqlite3_free(question->key);
  sqlite3_free(question->client_text);
  sqlite3_free(question->server_text);
  sqlite3_free(question->contested_text);
  sqlite3_free(question->base_text);
  sqlite3_free(question->edited);
  memset(question, 0, sizeof *question);
}

/* "" for NULL. */
static char *copy_column(sqlite3_stmt *stmt, int i, leadx_err *err) {
  const char *text = leadx_db_text(stmt, i, err);
  char *copy = sqlite3_mprintf("%s", text ? text : "");
  if (!copy) leadx_err_nomem(err);
  return copy;
}

static int is_json(const char *text, leadx_slice *value, leadx_json_kind kind) {
  return text && !leadx_json_check(text, strlen(text), 0, value, NULL) &&
         leadx_json_kind_of(*value) == kind;
}

/* Contested columns are names, and nothing else. */
static int are_names(leadx_slice array) {
  leadx_json_walk walk;
  leadx_slice name;
  leadx_json_walk_init(&walk, array);
  while (leadx_json_walk_element(&walk, &name)) {
    if (leadx_json_kind_of(name) != LEADX_JSON_STRING) return 0;
  }
  return 1;
}

/* The object that a text is; an empty slice when it is none. */
static leadx_slice object_of(const char *text) {
  leadx_slice value = {NULL, 0}, none = {NULL, 0};
  return is_json(text, &value, LEADX_JSON_OBJECT) ? value : none;
}

static int read_question(leadx_db *db, const leadx_tables *tables, const char *id,
                         leadx_question *question, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_CONFLICT_OPEN, err, "s", id);
  if (!stmt) return err->rc;
  int open = 0, found = leadx_db_next(db, stmt, err);
  if (found) {
    const char *entity = leadx_db_text(stmt, 0, err);
    open = sqlite3_column_type(stmt, 6) == SQLITE_NULL;
    question->table = leadx_tables_by_entity(tables, entity ? entity : "");
    question->key = copy_column(stmt, 1, err);
    question->client_text = copy_column(stmt, 3, err);
    question->server_text = copy_column(stmt, 4, err);
    question->contested_text = copy_column(stmt, 5, err);
    question->base_text = copy_column(stmt, 7, err);
  }
  leadx_db_put(db, stmt);
  if (err->rc != SQLITE_OK) return err->rc;
  if (!found) {
    leadx_err_set(err, SQLITE_ERROR,
                  "leadx_resolve: no conflict has the id \"%.40s\"; look in leadx_conflicts", id);
    return SQLITE_ERROR;
  }
  if (!open) {
    leadx_err_set(err, SQLITE_ERROR,
                  "leadx_resolve: this conflict is decided already; change the row itself");
    return SQLITE_ERROR;
  }
  if (!question->table) {
    leadx_err_set(err, SQLITE_ERROR, "leadx_resolve: the conflict's table is not tracked any more");
    return SQLITE_ERROR;
  }
  question->base = object_of(question->base_text);
  if (is_json(question->client_text, &question->client, LEADX_JSON_OBJECT) &&
      is_json(question->server_text, &question->server, LEADX_JSON_OBJECT) &&
      is_json(question->contested_text, &question->contested, LEADX_JSON_ARRAY) &&
      are_names(question->contested)) {
    return SQLITE_OK;
  }
  leadx_err_set(err, SQLITE_CORRUPT,
                "leadx_resolve: the conflict's row in sync_conflicts is damaged; leadx_discard() "
                "the change instead");
  return SQLITE_CORRUPT;
}

/* ---- the choice ---- */

static int is_contested(const leadx_question *question, const char *remote) {
  leadx_json_walk walk;
  leadx_slice name;
  leadx_json_walk_init(&walk, question->contested);
  while (leadx_json_walk_element(&walk, &name)) {
    if (leadx_json_string_is(name, remote, strlen(remote))) return 1;
  }
  return 0;
}

/* A merge names every contested column once and nothing else. */
static int check_merge(const leadx_question *question, leadx_err *err) {
  leadx_json_walk walk;
  leadx_slice name, value;
  int given = 0, wanted = 0, found = 0;
  leadx_json_walk_init(&walk, question->chosen);
  while (leadx_json_walk_member(&walk, &name, &value)) given++;
  leadx_json_walk_init(&walk, question->contested);
  for (; leadx_json_walk_element(&walk, &name); wanted++) {
    char *text;
    int rc = leadx_json_text(name, &text, NULL);
    if (rc == SQLITE_NOMEM) return leadx_err_nomem(err);
    found += rc == SQLITE_OK && leadx_json_member(question->chosen, text).n > 0;
    sqlite3_free(text);
  }
  if (given == wanted && found == wanted) return SQLITE_OK;
  return leadx_err_set(
      err, SQLITE_ERROR,
      "leadx_resolve: the values must be exactly those of the contested columns %s",
      question->contested_text);
}

/* The value a contested column ends with. */
static leadx_slice chosen_value(const leadx_question *question, const char *choice,
                                const char *remote) {
  if (strcmp(choice, "merge") == 0) return leadx_json_member(question->chosen, remote);
  return leadx_json_member(strcmp(choice, "server") == 0 ? question->server : question->client,
                           remote);
}

/* ---- carrying it out ---- */

/* The queue rows that waited are done with, whatever their ids are; what is left of them is queued
** anew. */
static int close_members(leadx_db *db, const leadx_question *question, leadx_err *err) {
  char now[LEADX_INSTANT_BYTES];
  leadx_instant_format(leadx_clock_wall_us(), now);
  return leadx_db_run(db, LEADX_SQL_CONFLICT_CLOSE_MEMBERS, err, "sss", question->table->entity,
                      question->key, now);
}

/* Is an unsent change about a column? An UPDATE says so by its base, or, where no trigger saw the
** edit, by naming it. A CREATE speaks of every column; where its value is what both sides started
** from, because it had arrived unheard, it edits nothing. */
static int is_about(const leadx_question *question, int column, int is_update, leadx_slice base,
                    leadx_slice payload, leadx_err *err) {
  const leadx_column *of = &question->table->columns[column];
  if (base.n) return leadx_json_member(base, of->remote).n > 0;
  leadx_slice started = leadx_json_member(question->base, of->remote),
              value = leadx_json_member(payload, of->remote);
  if (!value.n) return !is_update;
  return !started.n || !leadx_wire_equal(of->type, started, value, err);
}

/* Notes which columns the unsent changes are about: those that were asked about, and edits made
** since. */
static int read_edits(leadx_db *db, leadx_question *question, leadx_err *err) {
  const leadx_table *table = question->table;
  question->edited = sqlite3_malloc64((size_t)table->ncolumns + 1);
  if (!question->edited) return leadx_err_nomem(err);
  memset(question->edited, 0, (size_t)table->ncolumns + 1);
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_DECIDE_MEMBERS_CHANGES, err, "ss",
                                      table->entity, question->key);
  if (!stmt) return err->rc;
  while (leadx_db_next(db, stmt, err)) {
    const char *action = leadx_db_text(stmt, 0, err);
    leadx_slice base = object_of(leadx_db_text(stmt, 1, err)),
                payload = object_of(leadx_db_text(stmt, 2, err));
    int is_update = action && strcmp(action, "UPDATE") == 0;
    question->deleted = action && strcmp(action, "DELETE") == 0;
    for (int i = 0; i < table->ncolumns; i++)
      question->edited[i] |= (unsigned char)is_about(question, i, is_update, base, payload, err);
  }
  leadx_db_put(db, stmt);
  return err->rc;
}

/* What was decided about a column; an empty slice leaves it. The client's choice is the row as it
** is now, with the edits made since the question; what only the server changed is the server's. */
static leadx_slice decided_value(const leadx_question *question, const char *choice, int column,
                                 int with_version) {
  const leadx_table *table = question->table;
  const char *remote = table->columns[column].remote;
  leadx_slice none = {NULL, 0}, theirs = leadx_json_member(question->server, remote);
  if (table->columns[column].key_position > 0) return none;
  if (column == table->version_column) return with_version ? theirs : none;
  if (is_contested(question, remote))
    return strcmp(choice, "client") == 0 ? none : chosen_value(question, choice, remote);
  int refused = table->columns[column].not_null && leadx_json_kind_of(theirs) == LEADX_JSON_NULL;
  return question->edited[column] || refused ? none : theirs;
}

/* Is it a reference of the server's that the pull will bring, because what it refers to is not here
** yet? */
static int is_left_to_pull(const leadx_question *question, const char *choice, int column) {
  if (!question->without_references || !leadx_table_is_reference(question->table, column)) return 0;
  leadx_slice theirs = leadx_json_member(question->server, question->table->columns[column].remote);
  return theirs.n && decided_value(question, choice, column, 0).z == theirs.z;
}

/* What a column of the local row becomes now; an empty slice leaves it. */
static leadx_slice final_value(const leadx_question *question, const char *choice, int column,
                               int with_version) {
  leadx_slice none = {NULL, 0};
  return is_left_to_pull(question, choice, column)
             ? none
             : decided_value(question, choice, column, with_version);
}

/* Writes the decision into the local row, capture off. *dangles (unless NULL): a foreign key
** refused it, and nothing is written. */
static int write_local(leadx_db *db, const leadx_question *question, const char *choice,
                       int with_version, int *dangles, leadx_err *err) {
  const leadx_table *table = question->table;
  sqlite3_str *sql = sqlite3_str_new(NULL);
  int n = 0;
  sqlite3_str_appendf(sql, "UPDATE main.\"%w\" SET ", table->name);
  for (int i = 0; i < table->ncolumns; i++) {
    if (!final_value(question, choice, i, with_version).n) continue;
    n++;
    sqlite3_str_appendf(sql, "%s\"%w\" = ?%d", n > 1 ? ", " : "", table->columns[i].name, n);
  }
  sqlite3_str_appendall(sql, " WHERE ");
  leadx_key_where(table, sql, n + 1);
  if (n == 0) {
    sqlite3_free(sqlite3_str_finish(sql));
    return SQLITE_OK;
  }
  sqlite3_stmt *stmt = leadx_db_prepare_str(db, sql, err);
  if (!stmt) return err->rc;
  int rc = SQLITE_OK, parameter = 0;
  for (int i = 0; i < table->ncolumns && rc == SQLITE_OK; i++) {
    leadx_slice value = final_value(question, choice, i, with_version);
    if (value.n)
      rc = leadx_wire_bind(stmt, ++parameter, leadx_column_form(&table->columns[i]), value);
  }
  if (rc == SQLITE_OK) rc = leadx_key_bind(table, stmt, n + 1, question->key);
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  sqlite3_finalize(stmt);
  if (rc == SQLITE_DONE) return SQLITE_OK;
  if (!dangles || sqlite3_extended_errcode(db->handle) != SQLITE_CONSTRAINT_FOREIGNKEY)
    return leadx_err_db(err, db->handle, rc, "write the decision");
  *dangles = 1;
  return SQLITE_OK;
}

/* The server's values of the columns in which the local row differs from it; NULL when there are
** none. */
static char *difference(const leadx_question *question, const char *choice, leadx_slice local,
                        leadx_err *err) {
  const leadx_table *table = question->table;
  sqlite3_str *base = sqlite3_str_new(NULL);
  int n = 0;
  for (int i = 0; i < table->ncolumns; i++) {
    const leadx_column *column = &table->columns[i];
    leadx_slice theirs = leadx_json_member(question->server, column->remote),
                mine = leadx_json_member(local, column->remote);
    if (!theirs.n || !mine.n || i == table->version_column ||
        leadx_wire_equal(column->type, mine, theirs, err))
      continue;
    if (is_left_to_pull(question, choice, i)) continue;
    sqlite3_str_appendall(base, n++ ? "," : "{");
    leadx_json_append_string(base, column->remote, strlen(column->remote));
    sqlite3_str_appendf(base, ":%.*s", (int)theirs.n, theirs.z);
  }
  if (n > 0) sqlite3_str_appendall(base, "}");
  char *text = leadx_db_finish(base, err);
  if (n > 0 || !text) return text;
  sqlite3_free(text);
  return NULL;
}

/* Queues what the server does not have yet, on the version that was shown. *left: there is
** something. */
static int queue_rest(leadx_db *db, const leadx_question *question, const char *choice, int *left,
                      leadx_err *err) {
  leadx_slice local;
  char *row = leadx_capture_local(db, question->table, question->key, err);
  int rc = err->rc;
  *left = 0;
  if (row && is_json(row, &local, LEADX_JSON_OBJECT)) {
    char *base = difference(question, choice, local, err);
    char id[LEADX_UUID_BYTES];
    rc = err->rc;
    if (base && rc == SQLITE_OK) rc = leadx_queue_make_id(db, id, err);
    if (base && rc == SQLITE_OK) {
      rc = leadx_db_run(db, LEADX_SQL_DECIDE_ENQUEUE_UPDATE, err, "ttttt", id,
                        question->table->entity, question->key, row, base);
      *left = 1;
    }
    sqlite3_free(base);
  }
  sqlite3_free(row);
  return rc;
}

static int note_version(leadx_db *db, const leadx_question *question, leadx_err *err) {
  char *version = leadx_version_of(question->table, question->server, err);
  int rc = err->rc == SQLITE_OK ? leadx_fingerprint_note_server(db, question->table, question->key,
                                                                version, question->server, err)
                                : err->rc;
  sqlite3_free(version);
  return rc;
}

/* The row was deleted here while the question was open: the delete goes on, unless the server's row
** is chosen, which the next pull fetches. */
static int settle_deleted(leadx_db *db, const leadx_question *question, const char *choice,
                          leadx_err *err) {
  char id[LEADX_UUID_BYTES];
  if (strcmp(choice, "server") == 0) {
    return leadx_parking_add(db, question->table->entity, question->key, LEADX_REFETCH,
                             "decided for the server", err);
  }
  int rc = leadx_queue_make_id(db, id, err);
  return rc == SQLITE_OK ? leadx_db_run(db, LEADX_SQL_DECIDE_ENQUEUE_DELETE, err, "ttt", id,
                                        question->table->entity, question->key)
                         : rc;
}

/* The server's row may refer to one that no pull has brought yet: the rest is written, and the next
** pull brings both. */
static int write_decision(leadx_db *db, leadx_question *question, const char *choice,
                          leadx_err *err) {
  int rc = write_local(db, question, choice, 0, &question->without_references, err);
  if (rc != SQLITE_OK || !question->without_references) return rc;
  rc = write_local(db, question, choice, 0, NULL, err);
  if (rc != SQLITE_OK) return rc;
  return leadx_parking_add(db, question->table->entity, question->key, LEADX_REFUSED,
                           "the row that it refers to is not here yet", err);
}

static int settle_row(leadx_db *db, leadx_question *question, const char *choice, leadx_err *err) {
  int left = 0;
  int rc = leadx_apply_begin(db, err);
  if (rc == SQLITE_OK) rc = write_decision(db, question, choice, err);
  if (rc == SQLITE_OK) rc = queue_rest(db, question, choice, &left, err);
  if (rc == SQLITE_OK && !left) rc = write_local(db, question, choice, 1, NULL, err);
  if (rc == SQLITE_OK && !left) rc = leadx_apply_settled(db, question->table, question->key, err);
  return rc == SQLITE_OK ? leadx_apply_end(db, err) : rc;
}

static int carry_out(leadx_db *db, leadx_question *question, const char *id, const char *choice,
                     leadx_err *err) {
  int rc = read_edits(db, question, err);
  if (rc == SQLITE_OK) rc = close_members(db, question, err);
  if (rc == SQLITE_OK) rc = note_version(db, question, err);
  if (rc == SQLITE_OK)
    rc = question->deleted ? settle_deleted(db, question, choice, err)
                           : settle_row(db, question, choice, err);
  if (rc == SQLITE_OK)
    rc = leadx_db_run(db, LEADX_SQL_CONFLICT_CLOSE, err, "ttt", id, choice, "by hand");
  return rc;
}

/* ---- discarded changes ---- */

/* What follows a discarded change goes by whether its row has others, which may be spelled
** otherwise. *key is the row's; the caller frees it. NULL without an error when its table is not
** tracked. */
static const leadx_table *find_discarded(leadx_db *db, leadx_tables *tables, const char *id,
                                         char **key, leadx_err *err) {
  const leadx_table *table = NULL;
  if (leadx_tables_refresh(db, "leadx_discard", tables, err) != SQLITE_OK ||
      leadx_respell(db, tables, err) != SQLITE_OK)
    return NULL;
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_DISCARD_ROW, err, "s", id);
  if (stmt && leadx_db_next(db, stmt, err)) {
    const char *entity = leadx_db_text(stmt, 0, err), *found = leadx_db_text(stmt, 1, err);
    if (found && !(*key = sqlite3_mprintf("%s", found))) leadx_err_nomem(err);
    if (entity && *key) table = leadx_tables_by_entity(tables, entity);
  }
  leadx_db_put(db, stmt);
  return table;
}

int leadx_resolve_discard(leadx_db *db, leadx_tables *tables, const char *id, leadx_err *err) {
  char *key = NULL;
  const leadx_table *table = NULL;
  int64_t compared = 0;
  int rc = leadx_db_int(db, LEADX_SQL_DISCARD_COMPARES, err, &compared, "s", id);
  if (rc == SQLITE_OK && compared) table = find_discarded(db, tables, id, &key, err);
  rc = err->rc == SQLITE_OK ? leadx_queue_discard(db, id, err) : err->rc;
  if (rc == SQLITE_OK && table) rc = leadx_apply_settled(db, table, key, err);
  sqlite3_free(key);
  return rc;
}

/* ---- decisions ---- */

int leadx_resolve_conflict(leadx_db *db, const leadx_tables *tables, const char *id,
                           const char *choice, const char *json, leadx_err *err) {
  leadx_question question;
  memset(&question, 0, sizeof question);
  int merge = strcmp(choice, "merge") == 0;
  if (!merge && strcmp(choice, "client") != 0 && strcmp(choice, "server") != 0) {
    return leadx_err_set(
        err, SQLITE_ERROR,
        "leadx_resolve: the choice \"%.20s\" must be 'client', 'server' or 'merge'", choice);
  }
  if (merge != (json != NULL)) {
    return leadx_err_set(err, SQLITE_ERROR,
                         "leadx_resolve: 'merge' takes the final values of the contested columns "
                         "as a JSON object, the others take none");
  }
  if (merge && !is_json(json, &question.chosen, LEADX_JSON_OBJECT)) {
    return leadx_err_set(
        err, SQLITE_ERROR,
        "leadx_resolve: the values must be a JSON object of the contested columns");
  }
  if (leadx_respell(db, tables, err) != SQLITE_OK) return err->rc;
  int rc = read_question(db, tables, id, &question, err);
  if (rc == SQLITE_OK && merge) rc = check_merge(&question, err);
  if (rc == SQLITE_OK && question.table) rc = carry_out(db, &question, id, choice, err);
  question_clear(&question);
  return rc;
}
