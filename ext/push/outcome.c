/* A change and the row that the server has instead. See outcome.h. */
#include "push/outcome.h"

#include <string.h>

#include "base/instant.h"
#include "base/uuid.h"
#include "push/conflict.h"
#include "rows/intake.h"
#include "rows/mark.h"

/* ---- the decision, column by column ---- */

/* Does the server's row have something that we sent in a CREATE nobody answered? One that has
** nothing of it is another's: the CREATE never arrived. */
static int is_of_our_making(const leadx_change *change, leadx_slice row, leadx_err *err) {
  for (int i = 0; change->action == LEADX_CREATE && i < change->nfields; i++) {
    const leadx_field *field = &change->fields[i];
    if (field->column < 0 || field->column == change->table->version_column ||
        change->table->columns[field->column].key_position > 0)
      continue;
    leadx_slice server = leadx_json_member(row, change->table->columns[field->column].remote);
    if (server.n && leadx_json_kind_of(server) != LEADX_JSON_NULL &&
        leadx_change_was_sent(change, field, server, err))
      return 1;
  }
  return 0;
}

/* Fills the candidates: every changed column but key and version. Values that mean the same for
** their type are made equal to the letter, so that the decision sees no difference. */
static int fill_columns(const leadx_change *change, leadx_slice row, leadx_conflict_column *columns,
                        int *fields, leadx_err *err) {
  const leadx_table *table = change->table;
  int n = 0, ours = is_of_our_making(change, row, err);
  for (int i = 0; i < change->nfields; i++) {
    const leadx_field *field = &change->fields[i];
    if (!field->changed || field->column < 0 || field->column == table->version_column) continue;
    if (table->columns[field->column].key_position > 0) continue;
    leadx_slice server = leadx_json_member(row, table->columns[field->column].remote);
    if (!server.n) continue;
    leadx_type type = table->columns[field->column].type;
    leadx_conflict_column *column = &columns[n];
    memset(column, 0, sizeof *column);
    column->name = table->columns[field->column].remote;
    column->base = field->base.n && leadx_wire_equal(type, field->base, server, err) ? server
                                                                                     : field->base;
    /* A write of ours whose answer was lost, or that a crash forgot, is no other device's. */
    if (leadx_change_was_sent(change, field, server, err)) column->base = server;
    /* Our own CREATE stands there: what the server has instead of its values, somebody else chose
    ** after it. */
    if (!column->base.n && ours)
      column->base = leadx_json_member(change->sent_rows[0], column->name);
    /* Our own CREATE may have gone out without its references; what is NULL there nobody else
    ** chose. */
    if (change->action == LEADX_CREATE && change->sent &&
        leadx_table_is_reference(table, field->column) &&
        leadx_json_kind_of(server) == LEADX_JSON_NULL) {
      column->base = server;
    }
    /* The value is not known that the edit started from, but that the server still has it is. */
    if (!column->base.n && leadx_change_is_unchanged(change, field, server, err))
      column->base = server;
    column->client = leadx_wire_equal(type, field->value, server, err) ? server : field->value;
    column->server = server;
    fields[n++] = i;
  }
  return n;
}

static leadx_conflict_instant server_time(const leadx_change *change, leadx_slice row) {
  leadx_conflict_instant instant = {0, 0};
  leadx_slice version = leadx_json_member(row, change->table->version_remote);
  int text = leadx_json_kind_of(version) == LEADX_JSON_STRING;
  if (version.n)
    instant.is_known = leadx_instant_parse(version.z + text, version.n - 2 * (size_t)text,
                                           &instant.us) == 0;
  return instant;
}

static leadx_policy policy_of(const leadx_change *change, const char *setting) {
  leadx_policy policy = LEADX_POLICY_TIMESTAMP;
  leadx_policy_parse(change->table->policy ? change->table->policy : setting, &policy);
  return policy;
}

static char *copy_slice(leadx_slice slice) {
  return sqlite3_mprintf("%.*s", (int)slice.n, slice.z);
}

/* The base of each compared column as a JSON object. It has to be kept before the decision:
** afterwards the server's row is the base of what goes on. */
static char *base_of(const leadx_conflict_column *columns, int n) {
  sqlite3_str *base = sqlite3_str_new(NULL);
  int members = 0;
  sqlite3_str_appendall(base, "{");
  for (int i = 0; i < n; i++) {
    if (!columns[i].base.n) continue;
    if (members++) sqlite3_str_appendall(base, ",");
    leadx_json_append_string(base, columns[i].name, strlen(columns[i].name));
    sqlite3_str_appendall(base, ":");
    sqlite3_str_append(base, columns[i].base.z, (int)columns[i].base.n);
  }
  sqlite3_str_appendall(base, "}");
  return sqlite3_str_finish(base);
}

/* Notes the contested columns, their bases and who won them, for the audit. */
static int note_decision(leadx_change *change, leadx_slice row,
                         const leadx_conflict_column *columns, int n, int ask, leadx_err *err) {
  sqlite3_str *names = sqlite3_str_new(NULL);
  int client = 0, server = 0;
  sqlite3_str_appendall(names, "[");
  for (int i = 0; i < n; i++) {
    if (!columns[i].is_contested) continue;
    if (client + server > 0) sqlite3_str_appendall(names, ",");
    leadx_json_append_string(names, columns[i].name, strlen(columns[i].name));
    if (columns[i].take == LEADX_TAKE_CLIENT) client++;
    else server++;
  }
  sqlite3_str_appendall(names, "]");
  sqlite3_free(change->audit_contested);
  sqlite3_free(change->audit_server);
  sqlite3_free(change->audit_base);
  change->audit_contested = sqlite3_str_finish(names);
  change->audit_server = copy_slice(row);
  change->audit_base = base_of(columns, n);
  change->audit_winner = ask ? NULL : client && server ? "merge" : client ? "client" : "server";
  return change->audit_contested && change->audit_server && change->audit_base
             ? SQLITE_OK
             : leadx_err_nomem(err);
}

static int decide_columns(leadx_change *change, leadx_slice row, leadx_policy policy,
                          leadx_conflict_column *columns, int *fields, leadx_step *step,
                          leadx_err *err) {
  int n = fill_columns(change, row, columns, fields, err);
  if (err->rc != SQLITE_OK) return err->rc;
  leadx_conflict_instant client = {change->client_us_known, change->client_us};
  leadx_conflict_summary summary = leadx_conflict_decide(policy, client, server_time(change, row),
                                                         columns, (size_t)n);
  if (summary.has_contested &&
      note_decision(change, row, columns, n, summary.has_ask, err) != SQLITE_OK)
    return err->rc;
  if (summary.has_ask) {
    *step = LEADX_STEP_ASK;
    return SQLITE_OK;
  }
  int left = 0;
  for (int i = 0; i < n; i++) {
    leadx_field *field = &change->fields[fields[i]];
    int same = leadx_json_equal(columns[i].client, columns[i].server);
    field->changed = columns[i].take == LEADX_TAKE_CLIENT && !same;
    field->base = columns[i].server;
    left += field->changed;
  }
  *step = left ? LEADX_STEP_UPDATE : LEADX_STEP_ACK;
  return SQLITE_OK;
}

static int resolve_write(leadx_change *change, leadx_slice row, const char *policy,
                         leadx_step *step, leadx_err *err) {
  size_t n = (size_t)change->nfields + 1;
  leadx_conflict_column *columns = sqlite3_malloc64(sizeof *columns * n);
  int *fields = sqlite3_malloc64(sizeof *fields * n);
  /* What the server has becomes the base of the next round, when its answer is gone. */
  row = leadx_change_keep(change, row);
  int rc = columns && fields && row.n
               ? decide_columns(change, row, policy_of(change, policy), columns, fields, step, err)
               : leadx_err_nomem(err);
  sqlite3_free(columns);
  sqlite3_free(fields);
  return rc;
}

/* ---- the three kinds of change ---- */

/* A row that is not shown may be gone or hidden from this user; only a tombstone tells. An edit is
** kept until one does. What a DELETE asks for is so, as far as this user can see, and it may have
** been an earlier one of ours. */
static leadx_step resolve_absent(const leadx_change *change) {
  if (change->recreate) return LEADX_STEP_CREATE;
  if (change->action == LEADX_DELETE)
    return change->known || change->created_here ? LEADX_STEP_ACK : LEADX_STEP_FORBID;
  return change->buried && change->action == LEADX_UPDATE ? LEADX_STEP_GONE : LEADX_STEP_FORBID;
}

/* The row is there, though our DELETE matched nothing: it changed since (the delete wins, what it
** lost goes to the audit, unless it was our own), or it is not ours to delete. */
static int resolve_delete(leadx_change *change, leadx_slice row, int same_version, leadx_step *step,
                          leadx_err *err) {
  *step = same_version ? LEADX_STEP_FORBID : LEADX_STEP_DELETE;
  if (same_version || !change->version || leadx_change_is_own_row(change, row, err)) return err->rc;
  if (err->rc != SQLITE_OK) return err->rc;
  sqlite3_free(change->audit_server);
  sqlite3_free(change->audit_contested);
  change->audit_server = copy_slice(row);
  change->audit_contested = sqlite3_mprintf("[]");
  change->audit_winner = "client";
  return change->audit_server && change->audit_contested ? SQLITE_OK : leadx_err_nomem(err);
}

/* Did somebody mark the row as deleted, which this change does not undo? Its delete wins then, as a
** row that is gone would. A CREATE undoes the mark that it finds, unless it was on the wire before:
** then it was deleted after it. */
static int is_gone(leadx_change *change, leadx_slice row) {
  const leadx_table *table = change->table;
  if (!leadx_mark_is_deleted(table, row)) return 0;
  if (change->action == LEADX_CREATE && !change->sent) change->undelete = 1;
  if (change->undelete) return 0;
  int column = leadx_table_find_remote(table, table->soft_delete_column,
                                       strlen(table->soft_delete_column));
  const leadx_field *field = column >= 0 ? leadx_change_field(change, column) : NULL;
  return change->action == LEADX_CREATE || !field || !field->changed;
}

/* Takes over the fetched version. *same: it is the one we made our request conditional on. */
static int take_version(leadx_change *change, leadx_slice row, int *same, leadx_err *err) {
  char *version = leadx_version_of(change->table, row, err);
  *same = change->version && version && strcmp(change->version, version) == 0;
  /* Without a version column nothing tells a stale write from a forbidden one; the second round
  ** does. */
  if (!version && change->rounds > 1) *same = 1;
  sqlite3_free(change->version);
  change->version = version;
  change->known = 1;
  return err->rc;
}

int leadx_outcome_fetched(leadx_change *change, leadx_slice row, const char *policy,
                          leadx_step *step, leadx_err *err) {
  int same_version = 0, had_version = change->version != NULL;
  if (!row.n) {
    *step = resolve_absent(change);
    return SQLITE_OK;
  }
  if (take_version(change, row, &same_version, err) != SQLITE_OK) return err->rc;
  if (change->action == LEADX_DELETE) {
    if (had_version || change->rounds > 1)
      return resolve_delete(change, row, same_version, step, err);
    *step = LEADX_STEP_DELETE;
    return SQLITE_OK;
  }
  if (is_gone(change, row)) {
    *step = LEADX_STEP_GONE;
    return SQLITE_OK;
  }
  /* The row is made again over one that is deleted, whatever it held: its values contest none of
  ** ours. */
  if (change->undelete && !same_version && leadx_mark_is_deleted(change->table, row)) {
    *step = LEADX_STEP_UPDATE;
    return SQLITE_OK;
  }
  if (leadx_change_satisfied(change, row, err)) {
    *step = LEADX_STEP_ACK;
    return err->rc;
  }
  if (err->rc != SQLITE_OK) return err->rc;
  if (same_version) {
    *step = LEADX_STEP_FORBID;
    return SQLITE_OK;
  }
  return resolve_write(change, row, policy, step, err);
}

/* ---- the audit ---- */

int leadx_outcome_record(leadx_db *db, const leadx_change *change, const char *server,
                         const char *contested, const char *winner, const char *resolution,
                         leadx_err *err) {
  char id[LEADX_UUID_BYTES], client_at[LEADX_INSTANT_BYTES] = "";
  leadx_uuid_make(change->members[0].rowid, id);
  if (change->client_us_known) leadx_instant_format(change->client_us, client_at);
  sqlite3_str *client = sqlite3_str_new(NULL), *base = sqlite3_str_new(NULL);
  leadx_change_append_client(change, client);
  if (change->audit_base) sqlite3_str_appendall(base, change->audit_base);
  else leadx_change_append_base(change, base);
  char *client_text = leadx_db_finish(client, err), *base_text = leadx_db_finish(base, err);
  leadx_slice row = {NULL, 0};
  char *server_at = NULL;
  if (server && !leadx_json_check(server, strlen(server), 0, &row, NULL))
    server_at = leadx_version_of(change->table, row, err);
  int rc = client_text && base_text
               ? leadx_db_run(db, LEADX_SQL_CONFLICT_ADD, err, "tttttttttttt", id,
                              change->table->entity, change->key, leadx_action_name(change->action),
                              client_text, server, base_text, contested ? contested : "[]",
                              client_at[0] ? client_at : NULL, server_at, winner, resolution)
               : err->rc;
  sqlite3_free(client_text);
  sqlite3_free(base_text);
  sqlite3_free(server_at);
  return rc;
}
