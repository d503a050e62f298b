/* The net effect of one row's unsent changes. See change.h. */
#include "push/change.h"

#include <string.h>

#include "base/hash.h"
#include "base/instant.h"
#include "push/aside.h"
#include "rows/capture_row.h"
#include "rows/fingerprint.h"
#include "rows/key.h"

/* ---- folding actions ---- */

/* What follows from what stood so far (row) and the next change (column). A CREATE over a row that
** exists comes from REPLACE and is an UPDATE of everything. */
static const leadx_action fold_table[4][4] = {
    /* next:           nothing,        CREATE,       UPDATE,       DELETE      */
    [LEADX_NOTHING] = {LEADX_NOTHING, LEADX_CREATE, LEADX_UPDATE, LEADX_DELETE},
    [LEADX_CREATE] = {LEADX_CREATE, LEADX_CREATE, LEADX_CREATE, LEADX_NOTHING},
    [LEADX_UPDATE] = {LEADX_UPDATE, LEADX_UPDATE, LEADX_UPDATE, LEADX_DELETE},
    [LEADX_DELETE] = {LEADX_DELETE, LEADX_UPDATE, LEADX_UPDATE, LEADX_DELETE},
};

void leadx_change_fold(leadx_change *change) {
  leadx_action net = LEADX_NOTHING;
  change->sent = change->recreate = change->created_here = 0;
  for (int i = 0; i < change->nmembers; i++) {
    const leadx_member *member = &change->members[i];
    if ((net == LEADX_NOTHING || net == LEADX_UPDATE) && member->action == LEADX_CREATE)
      change->created_here = 1;
    if (net == LEADX_DELETE && member->action == LEADX_CREATE) change->recreate = 1;
    if (member->action == LEADX_DELETE) change->recreate = 0;
    if (member->sent) change->sent = 1;
    leadx_action next = fold_table[net][member->action];
    /* A CREATE that was on the wire may stand on the server: its DELETE has to go there too. */
    if (next == LEADX_NOTHING && change->sent) next = LEADX_DELETE;
    net = next;
  }
  change->action = net;
}

/* ---- reading payloads ---- */

int leadx_change_set_error(leadx_change *change, const char *fmt, const char *detail,
                           leadx_err *err) {
  sqlite3_free(change->error);
  change->error = sqlite3_mprintf(fmt, detail);
  return change->error ? SQLITE_OK : leadx_err_nomem(err);
}

static void cannot_send(leadx_change *change, const char *fmt, const char *detail, leadx_err *err) {
  if (change->problem) return;
  change->problem = 1;
  leadx_change_set_error(change, fmt, detail, err);
}

/* Keeps a document's text alive with the change. */
static char *keep_text(leadx_change *change, const char *text, size_t n) {
  char **more = sqlite3_realloc64(change->texts, sizeof *more * ((size_t)change->ntexts + 1));
  if (!more) return NULL;
  change->texts = more;
  char *copy = sqlite3_malloc64(n + 1);
  if (!copy) return NULL;
  memcpy(copy, text, n);
  copy[n] = 0;
  change->texts[change->ntexts++] = copy;
  return copy;
}

leadx_field *leadx_change_field(const leadx_change *change, int column) {
  /* Payloads list the columns in the table's order, so the guess is nearly always right. */
  if (column >= 0 && column < change->nfields && change->fields[column].column == column)
    return &change->fields[column];
  for (int i = 0; i < change->nfields; i++) {
    if (change->fields[i].column == column) return &change->fields[i];
  }
  return NULL;
}

static leadx_field *find_extra(leadx_change *change, leadx_slice name) {
  for (int i = 0; i < change->nfields; i++) {
    leadx_field *field = &change->fields[i];
    if (field->column < 0 && field->name.n == name.n && memcmp(field->name.z, name.z, name.n) == 0)
      return field;
  }
  return NULL;
}

/* The field of a member, made when it is new. NULL when out of memory. */
static leadx_field *need_field(leadx_change *change, leadx_slice name, int guess) {
  int column = leadx_table_member(change->table, name, guess);
  leadx_field *field = column >= 0 ? leadx_change_field(change, column) : find_extra(change, name);
  if (field) return field;
  if (change->nfields % 16 == 0) {
    leadx_field *more = sqlite3_realloc64(change->fields,
                                          sizeof *more * ((size_t)change->nfields + 16));
    if (!more) return NULL;
    change->fields = more;
  }
  field = &change->fields[change->nfields++];
  memset(field, 0, sizeof *field);
  field->name = name;
  field->column = column;
  return field;
}

/* Opens a queue text as an object whose slices live as long as the change. An empty slice when it
** is none. */
static leadx_slice open_object(leadx_change *change, const char *text, const char *what,
                               leadx_err *err) {
  leadx_slice value = {NULL, 0}, none = {NULL, 0};
  char *copy = keep_text(change, text, strlen(text));
  if (!copy) {
    leadx_err_nomem(err);
    return none;
  }
  const char *wrong = leadx_json_check(copy, strlen(copy), 0, &value, NULL);
  if (!wrong && leadx_json_kind_of(value) == LEADX_JSON_OBJECT) return value;
  if (what) cannot_send(change, what, wrong ? wrong : "it is no object", err);
  return none;
}

static int is_key(const leadx_change *change, const leadx_field *field) {
  return field->column >= 0 && change->table->columns[field->column].key_position > 0;
}

enum { TAKE_VALUE = 1, TAKE_CHANGED = 2, TAKE_BASE = 4 };

/* As many columns as a table of PostgreSQL can have: what has more members is no row of one. */
#define MOST_MEMBERS 1600

/* Takes a document's members into the fields. */
static int take_members(leadx_change *change, leadx_slice object, int how, leadx_err *err) {
  leadx_json_walk walk;
  leadx_slice name, value;
  leadx_json_walk_init(&walk, object);
  for (int i = 0; leadx_json_walk_member(&walk, &name, &value); i++) {
    leadx_field *field = i < MOST_MEMBERS ? need_field(change, name, i) : NULL;
    if (i == MOST_MEMBERS) {
      cannot_send(change, "the payload %s", "has more members than a table can have columns", err);
      return err->rc;
    }
    if (!field) return leadx_err_nomem(err);
    /* The oldest base wins: it is what the server is known to have had. */
    if ((how & TAKE_BASE) && !field->changed && !field->base.n) field->base = value;
    if (how & TAKE_VALUE) field->value = value;
    if ((how & TAKE_CHANGED) && !is_key(change, field)) field->changed = 1;
  }
  return SQLITE_OK;
}

static int note_sent_row(leadx_change *change, leadx_slice row, leadx_err *err) {
  leadx_slice *more = sqlite3_realloc64(change->sent_rows,
                                        sizeof *more * ((size_t)change->nsent_rows + 1));
  if (!more) return leadx_err_nomem(err);
  change->sent_rows = more;
  more[change->nsent_rows++] = row;
  return SQLITE_OK;
}

/* What an unreadable payload's UPDATE changed, so that a later one can speak for it. */
static int take_base_alone(leadx_change *change, const char *base, leadx_err *err) {
  leadx_slice old = base ? open_object(change, base, NULL, err) : (leadx_slice){NULL, 0};
  if (err->rc != SQLITE_OK || !old.n) return err->rc;
  int rc = take_members(change, old, TAKE_BASE, err);
  return rc == SQLITE_OK ? take_members(change, old, TAKE_CHANGED, err) : rc;
}

/* payload NULL is one that cannot be read. */
static int take_member(leadx_change *change, const leadx_member *member, const char *payload,
                       const char *base, leadx_err *err) {
  leadx_action action = member->action;
  leadx_slice row = {NULL, 0};
  if (payload) row = open_object(change, payload, "the payload is not a JSON object: %s", err);
  if (err->rc != SQLITE_OK) return err->rc;
  if (!row.n) return take_base_alone(change, base, err);
  if (action == LEADX_DELETE) return take_members(change, row, TAKE_BASE, err);
  if (member->sent && note_sent_row(change, row, err) != SQLITE_OK) return err->rc;
  change->newest_payload = row.z; /* what follows the object is at most white space */
  if (action == LEADX_CREATE || !base)
    return take_members(change, row, TAKE_VALUE | TAKE_CHANGED, err);
  leadx_slice old = open_object(change, base, NULL, err);
  int rc = err->rc;
  if (rc == SQLITE_OK && !old.n) return take_members(change, row, TAKE_VALUE | TAKE_CHANGED, err);
  if (rc == SQLITE_OK) rc = take_members(change, row, TAKE_VALUE, err);
  if (rc == SQLITE_OK) rc = take_members(change, old, TAKE_BASE, err);
  if (rc == SQLITE_OK) rc = take_members(change, old, TAKE_CHANGED, err);
  return rc;
}

static int read_members(leadx_db *db, leadx_change *change, leadx_err *err) {
  int rc = SQLITE_OK;
  for (int i = 0; i < change->nmembers && rc == SQLITE_OK; i++) {
    sqlite3_stmt *stmt = leadx_queue_read(db, change->members[i].id, err);
    if (!stmt) return err->rc;
    /* One that was discarded by hand in the meantime is not there: the rest of the change stands
    ** without it. */
    if (leadx_db_next(db, stmt, err)) {
      const char *payload = leadx_db_text(stmt, 1, err), *base = leadx_db_text(stmt, 2, err);
      int whole = payload && strlen(payload) == (size_t)sqlite3_column_bytes(stmt, 1);
      if (!whole && err->rc == SQLITE_OK)
        cannot_send(change, "the payload %s", "has a NUL byte or is NULL", err);
      if (err->rc == SQLITE_OK)
        take_member(change, &change->members[i], whole ? payload : NULL, base, err);
    }
    rc = err->rc;
    leadx_db_put(db, stmt);
  }
  return rc;
}

/* A column that the server computes was queued with the row that it belongs to; it is not sent. */
void leadx_change_drop_computed(leadx_change *change) {
  int kept = 0;
  for (int i = 0; i < change->nfields; i++) {
    int column = change->fields[i].column;
    if (column >= 0 && change->table->columns[column].is_computed) continue;
    change->fields[kept++] = change->fields[i];
  }
  change->nfields = kept;
}

int leadx_change_drop_null(leadx_change *change, int column) {
  leadx_field *field = column >= 0 ? leadx_change_field(change, column) : NULL;
  if (!field || leadx_json_kind_of(field->value) != LEADX_JSON_NULL) return 0;
  int behind = change->nfields - (int)(field - change->fields) - 1;
  memmove(field, field + 1, sizeof *field * (size_t)behind);
  change->nfields--;
  return 1;
}

/* ---- the order ---- */

/* Is every member of a payload what the local row has? An UPDATE's payload has only some. */
static int is_part_of(leadx_slice payload, leadx_slice local) {
  leadx_json_walk mine, theirs;
  leadx_slice name, value, other, is;
  leadx_json_walk_init(&theirs, local);
  leadx_json_walk_init(&mine, payload);
  while (leadx_json_walk_member(&mine, &name, &value)) {
    int found = 0;
    while (!found && leadx_json_walk_member(&theirs, &other, &is))
      found = name.n == other.n && memcmp(name.z, other.z, name.n) == 0;
    if (!found || value.n != is.n || memcmp(value.z, is.z, is.n) != 0) return 0;
  }
  return 1;
}

/* *same: does that member say what the local row is? Both list the columns in the table's order. */
static int says_local(leadx_db *db, const leadx_member *member, const char *local, int *same,
                      leadx_err *err) {
  leadx_slice mine, theirs;
  sqlite3_stmt *stmt = leadx_queue_read(db, member->id, err);
  if (!stmt) return err->rc;
  const char *payload = leadx_db_next(db, stmt, err) ? leadx_db_text(stmt, 1, err) : NULL;
  *same = member->action != LEADX_DELETE && payload &&
          !leadx_json_check(payload, strlen(payload), 0, &mine, NULL) &&
          !leadx_json_check(local, strlen(local), 0, &theirs, NULL) &&
          leadx_json_kind_of(mine) == LEADX_JSON_OBJECT && is_part_of(mine, theirs);
  leadx_db_put(db, stmt);
  return err->rc;
}

/* SQLite runs the newest trigger of a table first. What an application's trigger, made after ours,
** writes into the row that it watches is captured before the write that it answers. The local row
** tells which member was the last in truth. */
static int put_in_order(leadx_db *db, leadx_change *change, leadx_err *err) {
  int last = change->nmembers - 1, same = 0;
  if (last < 1) return SQLITE_OK;
  char *local = leadx_capture_local(db, change->table, change->key, err);
  for (int i = last; local && i >= 0 && err->rc == SQLITE_OK && !same; i--) {
    if (says_local(db, &change->members[i], local, &same, err) != SQLITE_OK || !same) continue;
    leadx_member newest = change->members[i];
    memmove(&change->members[i], &change->members[i + 1], sizeof newest * (size_t)(last - i));
    change->members[last] = newest;
  }
  sqlite3_free(local);
  return err->rc;
}

/* A payload that cannot be read is made up for by the local row where that can be: the user has mended
** it. It is sent whole. */
static int take_mended(leadx_db *db, leadx_change *change, leadx_err *err) {
  leadx_slice row;
  if (!change->problem || change->nmembers < 2 || change->action == LEADX_DELETE) return SQLITE_OK;
  char *local = leadx_capture_local(db, change->table, change->key, err);
  int is_read = local && !leadx_json_check(local, strlen(local), 0, &row, NULL);
  if (is_read) {
    row = open_object(change, local, NULL, err);
    change->problem = !row.n;
    if (row.n) take_members(change, row, TAKE_VALUE | TAKE_CHANGED, err);
  }
  sqlite3_free(local);
  return err->rc;
}

/* ---- the key ---- */

/* A payload of another row would be answered with a row that was not asked for, which ends the
** sync. */
static int payload_has_key(const leadx_change *change) {
  const leadx_table *table = change->table;
  leadx_slice values[LEADX_KEY_COLUMNS];
  leadx_err failed = {0};
  for (int i = 0; i < table->nkey; i++) {
    const leadx_field *field = leadx_change_field(change, table->key[i]);
    values[i] = field && field->value.n ? field->value : change->key_values[i];
  }
  char *key = leadx_key_of_here(table, values, &failed);
  int same = key && strcmp(key, change->key) == 0;
  sqlite3_free(key);
  return same;
}

static int build_key(leadx_change *change, leadx_err *err) {
  const leadx_table *table = change->table;
  size_t bytes = sizeof *change->key_values * LEADX_KEY_COLUMNS;
  int n = 0;
  change->key_values = sqlite3_malloc64(bytes);
  if (!change->key_values) return leadx_err_nomem(err);
  memset(change->key_values, 0, bytes);
  change->key_text = leadx_key_json(table, change->key, change->key_values, &n, err);
  if (!change->key_text) return err->rc;
  if (!change->key[0]) {
    cannot_send(change, "the primary key is NULL or empty%s; give the row a key", "", err);
  } else if (n < table->nkey) {
    cannot_send(change, "entity_id \"%.60s\" is not the key's JSON array", change->key, err);
  } else if (!payload_has_key(change)) {
    cannot_send(change, "the payload's primary key is not its entity_id \"%.60s\"", change->key,
                err);
  }
  return err->rc;
}

/* ---- what only the payloads tell ---- */

static int has_create(const leadx_change *change) {
  for (int i = 0; i < change->nmembers; i++) {
    if (change->members[i].action == LEADX_CREATE) return 1;
  }
  return 0;
}

/* What is known of the columns, when it was noted as the row was sent or received. */
static int read_meanings(leadx_db *db, leadx_change *change, const leadx_shadow *shadow,
                         leadx_err *err) {
  int readable = 0, confirmed = 0;
  change->meanings = sqlite3_malloc64(sizeof *change->meanings *
                                      ((size_t)change->table->ncolumns + 1));
  if (!change->meanings) return leadx_err_nomem(err);
  int rc = leadx_fingerprint_read(db, change->table, shadow, change->meanings, &readable,
                                  &confirmed, err);
  if (readable && confirmed) return rc;
  sqlite3_free(change->meanings);
  change->meanings = NULL;
  return rc;
}

static int read_shadow(leadx_db *db, leadx_change *change, leadx_err *err) {
  leadx_shadow shadow;
  int rc = leadx_shadow_get(db, change->table->entity, change->key, &shadow, err);
  if (rc == SQLITE_OK && shadow.found && shadow.stand != LEADX_KEPT_OUT) {
    rc = read_meanings(db, change, &shadow, err);
    change->known = shadow.version != NULL;
    change->is_stranger = !shadow.version && !change->meanings && shadow.stand == LEADX_STANDS;
    change->undelete = change->table->soft_delete && change->action == LEADX_CREATE &&
                       shadow.version && shadow.stand == LEADX_GONE;
    change->is_missing = shadow.stand == LEADX_MISSING;
    change->version = shadow.version;
    shadow.version = NULL;
  }
  leadx_shadow_clear(&shadow);
  return rc;
}

static leadx_type field_type(const leadx_change *change, const leadx_field *field) {
  return field->column >= 0 ? leadx_table_compared_as(change->table, field->column) : LEADX_TEXT;
}

static int is_version(const leadx_change *change, const leadx_field *field) {
  const char *remote = change->table->version_remote;
  return leadx_json_string_is(field->name, remote, strlen(remote));
}

static uint32_t meaning_of_queued(leadx_kind kind, leadx_slice value, leadx_err *err) {
  uint32_t meaning = leadx_meaning_of_queued(kind, value);
  if (!meaning) leadx_err_nomem(err);
  return meaning;
}

/* May another value of the field have been on the wire? A sent change that is not in the queue any
** more may have been any. */
static int was_sent_otherwise(const leadx_change *change, const leadx_field *field,
                              leadx_err *err) {
  int nsent = 0;
  for (int i = 0; i < change->nmembers; i++)
    nsent += change->members[i].sent && change->members[i].action != LEADX_DELETE;
  if (change->nsent_rows < nsent || (nsent && field->column < 0)) return 1;
  for (int i = 0; i < change->nsent_rows; i++) {
    const char *name = change->table->columns[field->column].remote;
    leadx_slice sent = leadx_json_member(change->sent_rows[i], name);
    if (sent.n && !leadx_wire_equal(field_type(change, field), sent, field->value, err)) return 1;
  }
  return 0;
}

/* Does the field say what it began with: its base, or else what was last sent or received? */
static int is_as_before(const leadx_change *change, const leadx_field *field, leadx_err *err) {
  if (field->base.n)
    return leadx_wire_equal(field_type(change, field), field->base, field->value, err);
  uint32_t known = change->meanings && field->column >= 0 ? change->meanings[field->column] : 0;
  return known && meaning_of_queued(leadx_table_kind(change->table, field->column), field->value,
                                    err) == known;
}

/* Columns that came back to where they started need not be sent, unless something else was on the
** wire. Of a row that REPLACE wrote, or that was written while no trigger looked, only what was
** known before tells what that is. */
static int drop_unchanged(leadx_change *change, leadx_err *err) {
  int changed = 0;
  for (int i = 0; i < change->nfields; i++) {
    leadx_field *field = &change->fields[i];
    if (!field->value.n || (field->changed && is_as_before(change, field, err) &&
                            !was_sent_otherwise(change, field, err)))
      field->changed = 0;
    changed |= field->changed;
  }
  if (!changed && change->action == LEADX_UPDATE && !change->problem && !change->undelete)
    change->action = LEADX_NOTHING;
  return err->rc;
}

/* The edit's own time: the version column when the application stamped it, else when the newest
** change was queued. */
static void read_client_time(leadx_change *change) {
  leadx_field *field = change->table->version_column >= 0
                           ? leadx_change_field(change, change->table->version_column)
                           : NULL;
  leadx_slice v = field && (field->changed || change->action == LEADX_CREATE)
                      ? field->value
                      : (leadx_slice){NULL, 0};
  int text = leadx_json_kind_of(v) == LEADX_JSON_STRING, failed;
  if (v.n && leadx_json_kind_of(v) != LEADX_JSON_NULL)
    failed = leadx_instant_parse(v.z + text, v.n - 2 * (size_t)text, &change->client_us);
  else failed = leadx_member_time(&change->members[change->nmembers - 1], &change->client_us);
  change->client_us_known = !failed;
}

/* The first edit of a row that was here before the table was tracked sends the row whole, as a CREATE:
** the server need not have it, and where it has one of that key, the two are compared. */
static int make_whole(leadx_db *db, leadx_change *change, leadx_err *err) {
  leadx_json_walk walk;
  leadx_slice name, value, row = {NULL, 0};
  char *local = leadx_capture_local(db, change->table, change->key, err);
  if (local) row = open_object(change, local, NULL, err);
  sqlite3_free(local);
  if (!row.n) return err->rc;
  leadx_json_walk_init(&walk, row);
  for (int i = 0; leadx_json_walk_member(&walk, &name, &value); i++) {
    leadx_field *field = need_field(change, name, i);
    if (!field) return leadx_err_nomem(err);
    if (!field->value.n) field->value = value;
    field->changed = !is_key(change, field);
  }
  leadx_change_drop_computed(change);
  change->action = LEADX_CREATE;
  return SQLITE_OK;
}

int leadx_change_load(leadx_db *db, leadx_change *change, leadx_err *err) {
  leadx_change_unload(change);
  int rc = put_in_order(db, change, err);
  leadx_change_fold(change);
  if (rc == SQLITE_OK) rc = read_members(db, change, err);
  if (rc == SQLITE_OK) rc = take_mended(db, change, err);
  leadx_change_drop_computed(change);
  /* What a row held that is gone since is nobody's concern. */
  if (change->nmembers > 1 && (change->action == LEADX_DELETE || change->action == LEADX_NOTHING))
    change->problem = 0;
  if (rc == SQLITE_OK) rc = build_key(change, err);
  if (rc == SQLITE_OK) rc = read_shadow(db, change, err);
  if (rc != SQLITE_OK) return rc;
  if (change->is_stranger && change->action == LEADX_UPDATE && make_whole(db, change, err))
    return err->rc;
  /* Nobody but this device has heard of the row. */
  if (change->is_stranger && change->action == LEADX_DELETE) change->created_here = 1;
  /* A CREATE of a row that the server has is a REPLACE, of which a trigger may have seen the DELETE
  ** or not, as the connection is set. Either way it says that the row shall be there. */
  if (change->action == LEADX_CREATE && (change->known || change->meanings)) {
    change->action = LEADX_UPDATE;
    change->recreate = 1;
  }
  /* An UPDATE that was captured before the CREATE that it followed: the server need not have the
  ** row. */
  if (change->action == LEADX_UPDATE && !change->known && has_create(change)) change->recreate = 1;
  /* The CREATE that a DELETE took back was a REPLACE of a row that the server has. */
  if (change->action == LEADX_NOTHING && (change->known || change->meanings))
    change->action = LEADX_DELETE;
  if (change->action == LEADX_UPDATE && drop_unchanged(change, err) != SQLITE_OK) return err->rc;
  read_client_time(change);
  return SQLITE_OK;
}

void leadx_change_unload(leadx_change *change) {
  for (int i = 0; i < change->ntexts; i++) sqlite3_free(change->texts[i]);
  sqlite3_free(change->texts);
  sqlite3_free(change->fields);
  sqlite3_free(change->sent_rows);
  sqlite3_free(change->key_values);
  sqlite3_free(change->key_text);
  sqlite3_free(change->version);
  sqlite3_free(change->meanings);
  sqlite3_free(change->error);
  sqlite3_free(change->audit_server);
  sqlite3_free(change->audit_contested);
  sqlite3_free(change->audit_base);
  change->texts = NULL;
  change->fields = NULL;
  change->sent_rows = change->key_values = NULL;
  change->meanings = NULL;
  change->key_text = change->version = change->error = change->audit_server =
      change->audit_contested = change->audit_base = NULL;
  change->audit_winner = change->newest_payload = NULL;
  change->ntexts = change->nfields = change->nsent_rows = change->undelete = change->known =
      change->is_missing = change->is_stranger = change->problem = change->buried =
          change->rekeyed = 0;
}

/* ---- comparing with the server's row ---- */

int leadx_change_is_row(const leadx_change *change, leadx_slice row, leadx_err *err) {
  return leadx_key_is_row(change->table, change->key, row, err);
}

leadx_slice leadx_change_keep(leadx_change *change, leadx_slice slice) {
  char *copy = keep_text(change, slice.z, slice.n);
  return (leadx_slice){copy, copy ? slice.n : 0};
}

int leadx_change_has_extras(const leadx_change *change) {
  for (int i = 0; i < change->nfields; i++) {
    if (change->fields[i].column < 0 && change->fields[i].changed) return 1;
  }
  return 0;
}

int leadx_change_satisfied(const leadx_change *change, leadx_slice row, leadx_err *err) {
  leadx_json_walk walk;
  leadx_slice name, theirs;
  leadx_json_walk_init(&walk, row);
  int wanted = 0, met = 0;
  for (int i = 0; i < change->nfields; i++) {
    const leadx_field *field = &change->fields[i];
    wanted += field->changed && !is_version(change, field) && !is_key(change, field);
  }
  for (int i = 0; leadx_json_walk_member(&walk, &name, &theirs); i++) {
    int column = leadx_table_member(change->table, name, i);
    const leadx_field *field = column >= 0 ? leadx_change_field(change, column)
                                           : find_extra((leadx_change *)(uintptr_t)change, name);
    if (!field || !field->changed || is_version(change, field) || is_key(change, field)) continue;
    if (!leadx_wire_equal(field_type(change, field), field->value, theirs, err)) return 0;
    met++;
  }
  return met == wanted;
}

int leadx_change_was_sent(const leadx_change *change, const leadx_field *field, leadx_slice theirs,
                          leadx_err *err) {
  char *name = field->column < 0 ? NULL : change->table->columns[field->column].remote;
  for (int i = 0; name && i < change->nsent_rows; i++) {
    leadx_slice ours = leadx_json_member(change->sent_rows[i], name);
    if (ours.n && leadx_wire_equal(field_type(change, field), ours, theirs, err)) return 1;
  }
  return name && change->nsent_rows > 0 &&
         leadx_aside_is(field_type(change, field), change->members[0].id, theirs, err);
}

int leadx_change_step_aside(leadx_change *change, leadx_err *err) {
  leadx_field *field = leadx_change_field(change, change->aside - 1);
  char *value = field ? leadx_aside_value(field_type(change, field), change->members[0].id) : NULL;
  if (!value) return field ? leadx_err_nomem(err) : SQLITE_OK;
  leadx_slice kept = leadx_change_keep(change, (leadx_slice){value, strlen(value)});
  sqlite3_free(value);
  if (!kept.n) return leadx_err_nomem(err);
  for (int i = 0; i < change->nfields; i++) change->fields[i].changed = 0;
  field->value = kept;
  field->changed = 1;
  return SQLITE_OK;
}

int leadx_change_is_unchanged(const leadx_change *change, const leadx_field *field,
                              leadx_slice theirs, leadx_err *err) {
  return change->meanings && field->column >= 0 &&
         leadx_meaning_is(change->meanings[field->column],
                          leadx_table_kind(change->table, field->column), theirs, err);
}

/* What both know of a column: the local value when it is one that the server has or had, for then
** it is spelled as it is here; else what was sent, and for a column that was not, what was known. */
static uint32_t shared_part(const leadx_change *change, int column, leadx_slice theirs,
                            const uint32_t *local, leadx_err *err) {
  const leadx_field *field = leadx_change_field(change, column);
  leadx_kind kind = leadx_table_kind(change->table, column);
  int is_sent = field && field->value.n && (field->changed || change->action == LEADX_CREATE);
  uint32_t sent = is_sent ? meaning_of_queued(kind, field->value, err) : 0;
  uint32_t known = change->meanings ? change->meanings[column] : 0;
  if (local && leadx_meaning_is(local[column], kind, theirs, err)) return local[column];
  if (is_sent) return sent;
  return known;
}

int leadx_change_shared(const leadx_change *change, leadx_slice row, const uint32_t *local,
                        uint32_t *parts, leadx_err *err) {
  const leadx_table *table = change->table;
  leadx_slice *values = sqlite3_malloc64(sizeof *values * ((size_t)table->ncolumns + 1));
  if (!values) return leadx_err_nomem(err);
  leadx_table_values(table, row, values);
  for (int i = 0; i < table->ncolumns; i++)
    parts[i] = shared_part(change, i, values[i], local, err);
  sqlite3_free(values);
  return err->rc;
}

static int is_sent_row(const leadx_table *table, leadx_slice ours, leadx_slice row,
                       leadx_err *err) {
  for (int i = 0; i < table->ncolumns; i++) {
    const leadx_column *column = &table->columns[i];
    if (i == table->version_column || column->key_position > 0 || column->is_computed) continue;
    leadx_slice mine = leadx_json_member(ours, column->remote),
                theirs = leadx_json_member(row, column->remote);
    if (mine.n && theirs.n &&
        !leadx_wire_equal(leadx_table_compared_as(table, i), mine, theirs, err))
      return 0;
  }
  return 1;
}

int leadx_change_is_own_row(const leadx_change *change, leadx_slice row, leadx_err *err) {
  for (int i = 0; i < change->nsent_rows; i++) {
    if (is_sent_row(change->table, change->sent_rows[i], row, err)) return 1;
  }
  return 0;
}

/* ---- writing ---- */

static void append_now(const leadx_change *change, const leadx_field *field, sqlite3_str *out) {
  leadx_type type = field_type(change, field);
  if (type == LEADX_INTEGER || type == LEADX_REAL) {
    leadx_wire_send(out, type,
                    field->value); /* a counting version is the application's own affair */
  } else {
    sqlite3_str_appendall(out, "\"now\"");
  }
}

/* Is the field a reference that the local table allows to be NULL? */
static int is_deferrable(const leadx_change *change, const leadx_field *field) {
  const leadx_table *table = change->table;
  if (field->column < 0 || table->columns[field->column].not_null || is_key(change, field))
    return 0;
  return leadx_table_is_reference(table, field->column);
}

uint64_t leadx_change_shape(const leadx_change *change) {
  uint64_t hash = LEADX_HASH_SEED;
  for (int i = 0; i < change->nfields; i++) {
    const leadx_field *field = &change->fields[i];
    if (!field->value.n || (change->deferred && is_deferrable(change, field))) continue;
    hash = leadx_hash(hash, field->name.z, field->name.n);
  }
  return hash;
}

size_t leadx_change_bytes(const leadx_change *change) {
  size_t bytes = 2;
  for (int i = 0; i < change->nfields; i++)
    bytes += change->fields[i].name.n + change->fields[i].value.n + 2;
  return bytes;
}

int leadx_change_take_deferred(leadx_change *change) {
  int n = 0;
  change->deferred = 0;
  for (int i = 0; i < change->nfields; i++) {
    leadx_field *field = &change->fields[i];
    field->changed = is_deferrable(change, field) && field->value.n &&
                     leadx_json_kind_of(field->value) != LEADX_JSON_NULL;
    n += field->changed;
  }
  return n;
}

/* The version column travels although the edit did not touch it, unless it is a number, which only
** the application can count. */
static int needs_now(const leadx_change *change) {
  const leadx_table *table = change->table;
  if (table->version_column < 0) return 0;
  const leadx_field *field = leadx_change_field(change, table->version_column);
  leadx_type type = table->columns[table->version_column].type;
  return !(field && field->value.n) && type != LEADX_INTEGER && type != LEADX_REAL;
}

void leadx_change_append_object(const leadx_change *change, int changed_only, sqlite3_str *out) {
  int n = 0;
  sqlite3_str_appendall(out, "{");
  for (int i = 0; i < change->nfields; i++) {
    const leadx_field *field = &change->fields[i];
    if (!field->value.n) continue;
    int version = is_version(change, field);
    if (change->deferred && is_deferrable(change, field)) continue;
    if (changed_only && !version && (!field->changed || is_key(change, field))) continue;
    sqlite3_str_appendf(out, "%s", n++ ? "," : "");
    sqlite3_str_append(out, field->name.z, (int)field->name.n);
    sqlite3_str_appendall(out, ":");
    if (version) {
      append_now(change, field, out);
    } else {
      leadx_wire_send(out, field_type(change, field), field->value);
    }
  }
  if (changed_only && needs_now(change)) {
    sqlite3_str_appendf(out, "%s", n++ ? "," : "");
    leadx_json_append_string(out, change->table->version_remote,
                             strlen(change->table->version_remote));
    sqlite3_str_appendall(out, ":\"now\"");
  }
  if (changed_only && change->undelete &&
      leadx_table_find_remote(change->table, change->table->soft_delete_column,
                              strlen(change->table->soft_delete_column)) < 0) {
    sqlite3_str_appendf(out, "%s", n++ ? "," : "");
    leadx_json_append_string(out, change->table->soft_delete_column,
                             strlen(change->table->soft_delete_column));
    sqlite3_str_appendall(out, ":null");
  }
  /* An application's own payload may leave out the key. */
  for (int i = 0; !changed_only && i < change->table->nkey; i++) {
    const leadx_column *column = &change->table->columns[change->table->key[i]];
    const leadx_field *field = leadx_change_field(change, change->table->key[i]);
    if (field && field->value.n) continue;
    sqlite3_str_appendf(out, "%s", n++ ? "," : "");
    leadx_json_append_string(out, column->remote, strlen(column->remote));
    sqlite3_str_appendall(out, ":");
    sqlite3_str_append(out, change->key_values[i].z, (int)change->key_values[i].n);
  }
  sqlite3_str_appendall(out, "}");
}

static void append_fields(const leadx_change *change, int base, sqlite3_str *out) {
  int n = 0;
  sqlite3_str_appendall(out, "{");
  for (int i = 0; i < change->nfields; i++) {
    const leadx_field *field = &change->fields[i];
    leadx_slice value = base ? field->base : field->value;
    if (!value.n) continue;
    sqlite3_str_appendf(out, "%s", n++ ? "," : "");
    sqlite3_str_append(out, field->name.z, (int)field->name.n);
    sqlite3_str_appendall(out, ":");
    sqlite3_str_append(out, value.z, (int)value.n);
  }
  sqlite3_str_appendall(out, "}");
}

void leadx_change_append_client(const leadx_change *change, sqlite3_str *out) {
  append_fields(change, 0, out);
}
void leadx_change_append_base(const leadx_change *change, sqlite3_str *out) {
  append_fields(change, 1, out);
}
