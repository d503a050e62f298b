/* Tracking. See track.h. */
#include "api/track.h"

#include <string.h>

#include "api/account.h"
#include "base/doc.h"
#include "rows/capture.h"
#include "rows/diff.h"
#include "rows/fingerprint.h"
#include "store/cursors.h"
#include "store/describe.h"
#include "store/parking.h"
#include "store/queue.h"
#include "store/schema.h"
#include "store/shadow.h"
#include "store/tables.h"

/* ---- options that stand already ---- */

/* The options a table was tracked with; NULL (and no error) when it is not tracked. The caller
** frees. */
static char *stored_options(leadx_db *db, const char *name, leadx_err *err) {
  char *options = NULL;
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_TRACK_TRACKED_OPTIONS, err, "t", name);
  if (!stmt) return NULL;
  const char *text = leadx_db_next(db, stmt, err) ? leadx_db_text(stmt, 0, err) : NULL;
  if (text && !(options = sqlite3_mprintf("%s", text))) leadx_err_nomem(err);
  leadx_db_put(db, stmt);
  return options;
}

/* Puts the members of an object over those of another; a null takes one away. */
static void merge_members(leadx_doc *object, const leadx_doc *over) {
  for (const leadx_doc *o = leadx_doc_first(over); o; o = leadx_doc_next(o)) {
    leadx_doc_remove(object, leadx_doc_name(o));
    if (!leadx_doc_is_null(o)) leadx_doc_add(object, leadx_doc_name(o), leadx_doc_copy(o));
  }
}

/* The same for the option "columns", where a null is a word of its own, and what is said of a column
** has members. */
static void merge_columns(leadx_doc *columns, const leadx_doc *over) {
  for (const leadx_doc *o = leadx_doc_first(over); o; o = leadx_doc_next(o)) {
    const leadx_doc *before = leadx_doc_get(columns, leadx_doc_name(o));
    leadx_doc *one = NULL;
    if (leadx_doc_is_object(o)) {
      one = leadx_doc_is_object(before) ? leadx_doc_copy(before) : leadx_doc_new_object();
      merge_members(one, o);
    } else {
      one = leadx_doc_copy(o);
    }
    leadx_doc_remove(columns, leadx_doc_name(o));
    leadx_doc_add(columns, leadx_doc_name(o), one);
  }
}

static void merge(leadx_doc *options, const leadx_doc *over) {
  const leadx_doc *said = leadx_doc_get(over, "columns"),
                  *before = leadx_doc_get(options, "columns");
  leadx_doc *columns = NULL;
  if (leadx_doc_is_object(said)) {
    columns = leadx_doc_is_object(before) ? leadx_doc_copy(before) : leadx_doc_new_object();
    merge_columns(columns, said);
  }
  merge_members(options, over);
  if (!leadx_doc_is_object(said)) return;
  leadx_doc_remove(options, "columns");
  leadx_doc_add(options, "columns", columns);
}

/* The options that are in force (NULL: none yet) with others over them. What a sync has learned of the
** table stays. NULL (and no error) when one of them is no JSON object, which whoever reads them says.
** The caller frees. */
static char *merge_options(const char *stored, const char *options, leadx_err *err) {
  leadx_err ignored = {0};
  const char *below = stored ? stored : "{}";
  leadx_doc *doc = leadx_doc_parse("leadx_track", below, strlen(below), &ignored),
            *over = leadx_doc_parse("leadx_track", options, strlen(options), &ignored);
  char *merged = NULL;
  if (leadx_doc_is_object(doc) && leadx_doc_is_object(over)) {
    leadx_doc_remove(doc, "backfill");
    merge(doc, over);
    merged = leadx_doc_print(doc);
    if (!merged) leadx_err_nomem(err);
  } else if (ignored.rc == SQLITE_NOMEM) {
    leadx_err_nomem(err);
  }
  leadx_doc_free(doc);
  leadx_doc_free(over);
  return merged;
}

/* Another table with that entity would get this one's changes. */
static int check_entity_free(leadx_db *db, const leadx_table *table, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_TRACK_ENTITY_TAKEN, err, "ss", table->entity,
                                      table->name);
  if (!stmt) return err->rc;
  if (leadx_db_next(db, stmt, err)) {
    leadx_err_set(err, SQLITE_ERROR,
                  "leadx_track: the entity \"%.60s\" is table \"%.60s\" already; give this one "
                  "another \"entity\"",
                  table->entity, leadx_db_text(stmt, 0, err));
  }
  leadx_db_put(db, stmt);
  return err->rc;
}

/* *alone: the options ask for nothing else, and leave what the table was tracked with as it is. */
static int wants_backfill(const char *options, int *alone) {
  leadx_err ignored = {0};
  leadx_doc *doc = options ? leadx_doc_parse("leadx_track", options, strlen(options), &ignored)
                           : NULL;
  const leadx_doc *first = leadx_doc_is_object(doc) ? leadx_doc_first(doc) : NULL;
  const char *existing = leadx_doc_text(doc, "existing");
  int wants = leadx_doc_true(leadx_doc_get(doc, "backfill")) ||
              (existing && strcmp(existing, "push") == 0);
  *alone = wants && first && !leadx_doc_next(first);
  leadx_doc_free(doc);
  return wants;
}

/* ---- the form of timestamps ---- */

/* Is it YYYY-MM-DD HH:MM:SS, with a fraction or not, and without a zone? */
static int is_sql_form(const char *text) {
  static const char form[] = "dddd-dd-dd dd:dd:dd";
  for (size_t i = 0; form[i]; i++) {
    int digit = text[i] >= '0' && text[i] <= '9';
    if (form[i] == 'd' ? !digit : text[i] != form[i]) return 0;
  }
  const char *rest = text + sizeof form - 1;
  return !*rest || (*rest == '.' && strspn(rest + 1, "0123456789") == strlen(rest + 1));
}

/* Do the values that stand in a column have that form? One of them is looked at. */
static int has_sql_form(leadx_db *db, const leadx_table *table, const leadx_column *column,
                        int *yes, leadx_err *err) {
  sqlite3_str *sql = sqlite3_str_new(NULL);
  sqlite3_str_appendf(sql, "SELECT \"%w\" FROM main.\"%w\" WHERE typeof(\"%w\") = 'text' LIMIT 1",
                      column->name, table->name, column->name);
  sqlite3_stmt *stmt = leadx_db_prepare_str(db, sql, err);
  const char *text = stmt && leadx_db_next(db, stmt, err) ? leadx_db_text(stmt, 0, err) : NULL;
  *yes = text && is_sql_form(text);
  sqlite3_finalize(stmt);
  return err->rc;
}

/* A column of timestamps keeps the form that its values have: what was found is noted with the options,
** as if the server had said it. *noted is NULL when there is nothing to note; the caller frees. */
static int note_forms(leadx_db *db, leadx_table *table, const char *options, char **noted,
                      leadx_err *err) {
  leadx_doc *doc = NULL, *learned = NULL;
  for (int i = 0; i < table->ncolumns && err->rc == SQLITE_OK; i++) {
    leadx_column *column = &table->columns[i];
    int yes = 0;
    if (column->type != LEADX_TIMESTAMP || column->is_settled || column->is_sql_form) continue;
    if (has_sql_form(db, table, column, &yes, err) != SQLITE_OK || !yes) continue;
    column->is_sql_form = 1;
    if (!doc) {
      doc = leadx_doc_parse("leadx_track", options, strlen(options), err);
      const leadx_doc *before = leadx_doc_get(doc, "learned");
      learned = before ? leadx_doc_copy(before) : leadx_doc_new_object();
    }
    leadx_doc_remove(learned, column->name);
    leadx_doc_add_text(learned, column->name, leadx_type_name(LEADX_TIMESTAMP_SQL));
  }
  if (doc) {
    leadx_doc_remove(doc, "learned");
    leadx_doc_add(doc, "learned", learned);
    *noted = leadx_doc_print(doc);
    if (!*noted) leadx_err_nomem(err);
  } else {
    leadx_doc_free(learned);
  }
  leadx_doc_free(doc);
  return err->rc;
}

/* ---- one table ---- */

static int store(leadx_db *db, const leadx_table *table, const char *options, leadx_err *err) {
  sqlite3_str *columns = sqlite3_str_new(NULL);
  leadx_fingerprint_columns(table, columns);
  char *text = leadx_db_finish(columns, err);
  if (!text) return err->rc;
  int rc = leadx_db_run(db, LEADX_SQL_TRACK_STORE, err, "ttitt", table->name, table->entity,
                        (int64_t)table->priority, options, text);
  sqlite3_free(text);
  return rc;
}

/* Everything that is known of an entity and can be fetched again. */
static int forget_known(leadx_db *db, const char *entity, leadx_err *err) {
  int rc = leadx_shadow_forget_entity(db, entity, err);
  return rc == SQLITE_OK ? leadx_cursors_forget(db, entity, err) : rc;
}

/* The table gets another entity: what is unsent, known and open goes with it. */
static int rename_entity(leadx_db *db, const leadx_table *table, leadx_err *err) {
  static const int statements[] = {LEADX_SQL_TRACK_RENAME_QUEUED, LEADX_SQL_TRACK_RENAME_CONFLICTS,
                                   LEADX_SQL_TRACK_RENAME};
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_TRACK_ENTITY_BEFORE, err, "ss", table->name,
                                      table->entity);
  if (!stmt) return err->rc;
  const char *found = leadx_db_next(db, stmt, err) ? leadx_db_text(stmt, 0, err) : NULL;
  char *before = found ? sqlite3_mprintf("%s", found) : NULL;
  if (found && !before) leadx_err_nomem(err);
  leadx_db_put(db, stmt);
  if (before) forget_known(db, table->entity, err);
  for (size_t i = 0; before && i < sizeof statements / sizeof statements[0] && err->rc == SQLITE_OK;
       i++) {
    leadx_db_run(db, statements[i], err, "tt", before, table->entity);
  }
  if (before && err->rc == SQLITE_OK) leadx_shadow_rename(db, before, table->entity, err);
  if (before && err->rc == SQLITE_OK) leadx_parking_rename(db, before, table->entity, err);
  if (before && err->rc == SQLITE_OK) forget_known(db, before, err);
  sqlite3_free(before);
  return err->rc;
}

/* The checks have passed: write it down, note or queue the rows that are there, make the triggers.
** A table that was tracked before, perhaps under another name, first catches up with what no
** trigger saw. */
static int track(leadx_db *db, leadx_table *table, const char *options, int backfill,
                 leadx_err *err) {
  int64_t before = 0;
  int rc = leadx_queue_probe(db, "leadx_track", table->entity, err);
  if (rc == SQLITE_OK)
    rc = leadx_db_run(db, LEADX_SQL_TRACK_TAKE_OVER, err, "tt", table->name, table->entity);
  if (rc == SQLITE_OK) rc = check_entity_free(db, table, err);
  if (rc == SQLITE_OK) rc = rename_entity(db, table, err);
  if (rc == SQLITE_OK) rc = leadx_db_run(db, LEADX_SQL_TRACK_REVIVE, err, "t", table->entity);
  if (rc == SQLITE_OK)
    rc = leadx_db_int(db, LEADX_SQL_TRACK_TRACKED_AS, err, &before, "tt", table->name,
                      table->entity);
  if (rc == SQLITE_OK && before) rc = leadx_diff_table(db, table, err);
  /* What the server said of its functions says nothing of a new table. */
  if (rc == SQLITE_OK && !before) rc = leadx_db_run(db, LEADX_SQL_TRACK_ASK_AGAIN, err, "");
  if (rc == SQLITE_OK) rc = store(db, table, options, err);
  if (rc == SQLITE_OK) rc = leadx_capture_install(db, table, NULL, err);
  if (rc == SQLITE_OK && (!before || backfill) && table->mode != LEADX_MODE_PULL)
    rc = leadx_diff_begin(db, table, backfill, err);
  return rc;
}

static leadx_doc *describe(const leadx_table *table) {
  leadx_doc *doc = leadx_doc_new_object(), *key = leadx_doc_new_array();
  if (!doc || !key) {
    leadx_doc_free(doc);
    leadx_doc_free(key);
    return NULL;
  }
  leadx_doc_add_text(doc, "table", table->name);
  leadx_doc_add_text(doc, "entity", table->entity);
  leadx_doc_add_int(doc, "columns", table->ncolumns);
  for (int i = 0; i < table->nkey; i++)
    leadx_doc_push_text(key, table->columns[table->key[i]].name);
  leadx_doc_add(doc, "primary_key", key);
  leadx_err ignored = {0};
  leadx_doc *warnings = table->warnings ? leadx_doc_parse("leadx_track", table->warnings,
                                                          strlen(table->warnings), &ignored)
                                        : NULL;
  if (warnings) leadx_doc_add(doc, "warnings", warnings);
  return doc;
}

/* Tracks or refreshes one table; NULL and an error on refusal. */
leadx_doc *leadx_track_within(leadx_ctx *ctx, const char *name, const char *options,
                              leadx_err *err) {
  leadx_db *db = &ctx->db;
  int renamed = 0;
  leadx_diff_follow(db, 0, &renamed, err);
  char *stored = err->rc == SQLITE_OK ? stored_options(db, name, err) : NULL;
  if (err->rc != SQLITE_OK) return NULL;
  int alone = 0, backfill = wants_backfill(options, &alone);
  const char *effective = options && !(alone && stored) ? options : stored ? stored : "{}";
  char *merged = options && effective == options ? merge_options(stored, options, err) : NULL;
  if (merged) effective = merged;
  leadx_table *table = err->rc == SQLITE_OK
                           ? leadx_describe(db, "leadx_track", name, effective, err)
                           : NULL;
  leadx_doc *result = NULL;
  char *noted = NULL;
  if (table && note_forms(db, table, effective, &noted, err) == SQLITE_OK &&
      track(db, table, noted ? noted : effective, backfill, err) == SQLITE_OK) {
    result = describe(table);
    if (!result) leadx_err_nomem(err);
  }
  leadx_table_free(table);
  sqlite3_free(noted);
  sqlite3_free(stored);
  sqlite3_free(merged);
  return result;
}

/* ---- all tables ---- */

/* The result has a word about a table that '*' leaves alone. */
static leadx_doc *leave_out(const char *name) {
  leadx_doc *one = leadx_doc_new_object();
  char *why = sqlite3_mprintf("a framework keeps it for itself; leadx_track('%q') tracks it", name);
  if (one && why) {
    leadx_doc_add_text(one, "table", name);
    leadx_doc_add_text(one, "left_out", why);
  }
  sqlite3_free(why);
  return one;
}

/* One that is tracked already, by its name, stays so. */
static leadx_doc *track_or_leave(leadx_ctx *ctx, const char *name, const char *options,
                                 leadx_err *err) {
  char *stored = leadx_describe_is_housekeeping(name) ? stored_options(&ctx->db, name, err) : NULL;
  int leaves = !stored && leadx_describe_is_housekeeping(name);
  sqlite3_free(stored);
  if (err->rc != SQLITE_OK) return NULL;
  return leaves ? leave_out(name) : leadx_track_within(ctx, name, options, err);
}

static leadx_doc *track_all(leadx_ctx *ctx, const char *options, leadx_err *err) {
  char **names = leadx_describe_candidates(&ctx->db, err);
  leadx_doc *list = leadx_doc_new_array();
  if (!names || !list) leadx_err_nomem(err);
  for (int i = 0; names && names[i] && err->rc == SQLITE_OK; i++) {
    leadx_doc *one = track_or_leave(ctx, names[i], options, err);
    if (one) leadx_doc_push(list, one);
  }
  for (int i = 0; names && names[i]; i++) sqlite3_free(names[i]);
  sqlite3_free(names);
  if (err->rc == SQLITE_OK) return list;
  leadx_doc_free(list);
  return NULL;
}

static char *print_and_free(leadx_doc *doc, leadx_err *err) {
  char *text = doc ? leadx_doc_print(doc) : NULL;
  leadx_doc_free(doc);
  if (!text && err->rc == SQLITE_OK) leadx_err_nomem(err);
  return text;
}

char *leadx_track_table(leadx_ctx *ctx, const char *name, const char *options, leadx_err *err) {
  int rc = leadx_db_nest_open(&ctx->db, err);
  if (rc != SQLITE_OK) return NULL;
  leadx_doc *result = NULL;
  rc = leadx_schema_ensure(&ctx->db, "leadx_track", err);
  if (rc == SQLITE_OK) rc = leadx_account_own(ctx, err);
  if (rc == SQLITE_OK)
    result = strcmp(name, "*") == 0 ? track_all(ctx, options, err)
                                    : leadx_track_within(ctx, name, options, err);
  leadx_db_release(&ctx->db);
  if (leadx_db_nest_close(&ctx->db, err->rc, err) == SQLITE_OK) return print_and_free(result, err);
  leadx_doc_free(result);
  return NULL;
}

/* ---- the end ---- */

/* Tracked again, the table is pulled from the beginning: nothing of what it holds is known any more,
** but of rows that wait to be sent what they held before. */
static int forget_settled(leadx_db *db, const char *entity, leadx_err *err) {
  int rc = leadx_shadow_forget_settled(db, entity, err);
  if (rc == SQLITE_OK) rc = leadx_cursors_forget(db, entity, err);
  return rc == SQLITE_OK ? leadx_diff_forget(db, entity, err) : rc;
}

static int forget(leadx_db *db, const leadx_table *known, const char *name, leadx_err *err) {
  int rc = leadx_capture_remove(db, known ? known->name : name, err);
  if (rc == SQLITE_OK && known) rc = forget_settled(db, known->entity, err);
  if (rc == SQLITE_OK) rc = leadx_db_run(db, LEADX_SQL_TRACK_FORGET, err, "t", name);
  return rc;
}

char *leadx_untrack_table(leadx_ctx *ctx, const char *name, leadx_err *err) {
  leadx_db *db = &ctx->db;
  int present = 0;
  int64_t unsent = 0;
  leadx_tables tables = {NULL, 0, 0};
  char *stored = NULL;
  int rc = leadx_schema_open(db, "leadx_untrack", &present, err);
  if (rc == SQLITE_OK && present) stored = stored_options(db, name, err);
  if (err->rc == SQLITE_OK && !stored) {
    leadx_err_set(
        err, SQLITE_ERROR,
        "leadx_untrack: table \"%.80s\" is not tracked; leadx_status lists the tables that are",
        name);
  }
  sqlite3_free(stored);
  if (err->rc == SQLITE_OK) leadx_tables_load(db, "leadx_untrack", &tables, err);
  if (err->rc != SQLITE_OK || leadx_db_nest_open(db, err) != SQLITE_OK) {
    leadx_tables_clear(&tables);
    return NULL;
  }
  const leadx_table *known = leadx_tables_by_name(&tables, name);
  if (known) leadx_queue_unsent(db, known->entity, &unsent, err);
  if (err->rc == SQLITE_OK) leadx_schema_ensure(db, "leadx_untrack", err);
  if (err->rc == SQLITE_OK) forget(db, known, name, err);
  leadx_db_release(db);
  leadx_db_nest_close(db, err->rc, err);
  leadx_doc *doc = err->rc == SQLITE_OK ? leadx_doc_new_object() : NULL;
  if (doc) {
    leadx_doc_add_text(doc, "table", known ? known->name : name);
    leadx_doc_add_bool(doc, "tracked", 0);
    leadx_doc_add_int(doc, "unsent", unsent);
  }
  leadx_tables_clear(&tables);
  return err->rc == SQLITE_OK ? print_and_free(doc, err) : NULL;
}
