/* The model of PostgREST over PostgreSQL: the requests that leadx sends, and no more. A request
** that is spelled in another way is a failure of the run, so that nothing is answered by guessing.
** See sim.h. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "people.h"
#include "sim.h"

enum { MAX_CONDITIONS = 128, MAX_BODY_ROWS = 64 };

typedef enum operator_ { OP_EQ, OP_GT, OP_GTE, OP_IS_NULL } operator_;
enum { FIELD_ID = -1, FIELD_VERSION = -2, FIELD_DELETED = -3, FIELD_NONE = -4 };

typedef struct condition {
  int field;
  operator_ op;
  char text[VALUE_BYTES + 24];
  int64_t us;
} condition;

/* A request, taken apart: conditions that must all hold, one list of which one must, keys. */
typedef struct query {
  int table;
  condition all[8], any[4];
  int nall, nany;
  int keys[MAX_CONDITIONS], nkeys, has_keys;
  int keys_only, by_version, limit;
  int broken;
} query;

/* ---- instants, as PostgreSQL writes and reads them ---- */

static int64_t days_from_civil(int64_t y, int m, int d) {
  y -= m <= 2;
  int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
  int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1,
          doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + doe - 719468;
}

static void stamp_format(int64_t us, char out[64]) {
  int64_t s = us / 1000000, days = s / 86400, z = days + 719468, era = z / 146097,
          doe = z - era * 146097;
  int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365,
          doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  int mp = (int)((5 * doy + 2) / 153), d = (int)(doy - (153 * mp + 2) / 5 + 1),
      m = mp < 10 ? mp + 3 : mp - 9, of_day = (int)(s % 86400);
  int n = snprintf(out, 64, "%04d-%02d-%02dT%02d:%02d:%02d.%06d", (int)(yoe + era * 400 + (m <= 2)),
                   m, d, of_day / 3600, of_day / 60 % 60, of_day % 60, (int)(us % 1000000));
  while (out[n - 1] == '0') n--;
  if (out[n - 1] == '.') n--;
  snprintf(out + n, 64 - (size_t)n, "+00:00");
}

int64_t sim_stamp_parse(const char *text, size_t n) {
  int y, mo, d, h, mi, s, used = 0, fraction = 0, digits = 0;
  char copy[64];
  snprintf(copy, sizeof copy, "%.*s", (int)n, text);
  if (sscanf(copy, "%4d-%2d-%2d%*1[T ]%2d:%2d:%2d%n", &y, &mo, &d, &h, &mi, &s, &used) != 6)
    return -1;
  const char *at = copy + used;
  if (*at == '.') {
    for (at++; *at >= '0' && *at <= '9' && digits < 6; at++, digits++)
      fraction = fraction * 10 + *at - '0';
  }
  for (; digits < 6; digits++) fraction *= 10;
  if (*at && strcmp(at, "Z") != 0 && strcmp(at, "+00:00") != 0) return -1;
  return (((days_from_civil(y, mo, d) * 24 + h) * 60 + mi) * 60 + s) * 1000000 + fraction;
}

/* ---- answers ---- */

static void fill_answer(leadx_request *req, long status, char *body) {
  sqlite3_free(req->answer);
  req->answer = body;
  req->answer_bytes = strlen(body);
  req->net = LEADX_NET_ANSWER;
  req->status = status;
  snprintf(req->content_type, sizeof req->content_type, "application/json; charset=utf-8");
}

void sim_answer(leadx_request *req, long status, const char *code, const char *message) {
  fill_answer(req, status,
              sqlite3_mprintf("{\"code\":\"%s\",\"details\":null,\"hint\":null,\"message\":\"%s\"}",
                              code, message));
}

static void append_row(sim_world *world, int table, int n, int keys_only, sqlite3_str *out) {
  const sim_row *row = &world->server->row[table][n];
  char id[ID_BYTES], stamp[64];
  sim_id(n, id);
  stamp_format(row->version, stamp);
  sqlite3_str_appendf(out, "%s{\"id\":\"%s\",\"updated_at\":\"%s\"",
                      sqlite3_str_length(out) > 1 ? "," : "", id, stamp);
  for (int c = 0; !keys_only && c < sim_tables[table].ncolumns; c++) {
    sqlite3_str_appendf(out, ",\"%s\":%s", sim_tables[table].column[c], row->value[c].json);
  }
  if (row->deleted_at) stamp_format(row->deleted_at, stamp);
  if (!keys_only && row->deleted_at) sqlite3_str_appendf(out, ",\"deleted_at\":\"%s\"", stamp);
  if (!keys_only && !row->deleted_at) sqlite3_str_appendall(out, ",\"deleted_at\":null");
  sqlite3_str_appendall(out, "}");
}

static void answer_rows(leadx_request *req, long status, sqlite3_str *rows) {
  sqlite3_str_appendall(rows, "]");
  fill_answer(req, status, sqlite3_str_finish(rows));
}

/* ---- history ---- */

void sim_server_note(sim_world *world, int table, int row, int column, int who,
                     const sim_value *value) {
  sim_server *server = world->server;
  if (server->nevents == server->capacity) {
    server->capacity = server->capacity ? server->capacity * 2 : 1024;
    server->events = realloc(server->events, sizeof *server->events * (size_t)server->capacity);
  }
  sim_event *event = &server->events[server->nevents++];
  memset(event, 0, sizeof *event);
  event->table = table;
  event->row = row;
  event->column = column;
  event->who = who;
  event->at = world->now_us;
  if (value) event->value = *value;
  if (world->verbose && value)
    sim_say(world, "  server: %s %d.%s = %s (by %d)", sim_tables[table].name, row,
            sim_tables[table].column[column], value->json, who);
  else if (world->verbose)
    sim_say(world, "  server: %s %d %s (by %d)", sim_tables[table].name, row,
            column == EVENT_INSERT   ? "inserted"
            : column == EVENT_DELETE ? "deleted"
                                     : "restored",
            who);
}

static void set_value(sim_world *world, int table, int n, int column, int who,
                      const sim_value *value) {
  sim_row *row = &world->server->row[table][n];
  if (strcmp(row->value[column].json, value->json) == 0) return;
  row->value[column] = *value;
  sim_server_note(world, table, n, column, who, value);
}

/* clock_timestamp(): two rows may be stamped alike, one row never twice. */
static void stamp(sim_world *world, sim_row *row) {
  row->version = world->now_us > row->version ? world->now_us : row->version + 1;
}

/* Does the device hold a CREATE of that row which it does not know to be delivered, or did a person
** decide about it? */
static int is_asked_for(sim_device *device, int n) {
  sqlite3_stmt *stmt = sim_prepare(
      device,
      "SELECT EXISTS (SELECT 1 FROM sync_queue WHERE entity_id = ?1 AND action = 'CREATE' AND "
      "status <> 'SYNCED')"
      " OR EXISTS (SELECT 1 FROM sync_conflicts WHERE entity_id = ?1 AND resolution = 'by hand')",
      n);
  int asked = sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0);
  sqlite3_reset(stmt);
  return asked;
}

static void set_deleted(sim_world *world, int table, int n, int who, int64_t at) {
  sim_row *row = &world->server->row[table][n];
  if ((row->deleted_at != 0) == (at != 0)) return;
  row->deleted_at = at;
  sim_server_note(world, table, n, at ? EVENT_DELETE : EVENT_INSERT, who, NULL);
  if (!at && who >= 0)
    world->server->events[world->server->nevents - 1].unasked = !is_asked_for(&world->device[who],
                                                                              n);
}

/* ---- taking a request apart ---- */

static int hex(char c) { return c <= '9' ? c - '0' : (c | 32) - 'a' + 10; }

static void decode(const char *from, size_t n, char *out, size_t nout) {
  size_t k = 0;
  for (size_t i = 0; i < n && k + 1 < nout; i++) {
    if (from[i] == '%' && i + 2 < n) {
      out[k++] = (char)(hex(from[i + 1]) * 16 + hex(from[i + 2]));
      i += 2;
    } else {
      out[k++] = from[i];
    }
  }
  out[k] = 0;
}

static int field_of(int table, const char *name, size_t n) {
  if (n == 2 && memcmp(name, "id", 2) == 0) return FIELD_ID;
  if (n == 10 && memcmp(name, "updated_at", 10) == 0) return FIELD_VERSION;
  if (n == 10 && memcmp(name, "deleted_at", 10) == 0) return FIELD_DELETED;
  for (int c = 0; c < sim_tables[table].ncolumns; c++) {
    if (strlen(sim_tables[table].column[c]) == n &&
        memcmp(sim_tables[table].column[c], name, n) == 0)
      return c;
  }
  return FIELD_NONE;
}

/* "op.value", the value quoted or not. */
static void take_condition(query *q, condition *c, const char *name, size_t nname,
                           const char *text) {
  static const struct {
    const char *prefix;
    operator_ op;
  } ops[] = {{"eq.", OP_EQ}, {"gte.", OP_GTE}, {"gt.", OP_GT}, {"is.null", OP_IS_NULL}};
  c->field = field_of(q->table, name, nname);
  for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
    size_t n = strlen(ops[i].prefix);
    if (strncmp(text, ops[i].prefix, n) != 0) continue;
    int quoted = text[n] == '"';
    c->op = ops[i].op;
    snprintf(c->text, sizeof c->text, "%.*s", (int)(strlen(text) - n - 2 * (size_t)quoted),
             text + n + quoted);
    c->us = c->field == FIELD_VERSION && c->op != OP_IS_NULL
                ? sim_stamp_parse(c->text, strlen(c->text))
                : 0;
    if (c->field == FIELD_NONE || c->us < 0) q->broken = 1;
    return;
  }
  q->broken = 1;
}

/* (a.gt.v,b.gt.w) */
static void take_any(query *q, char *list) {
  char *save = NULL;
  list[strlen(list) - 1] = 0;
  for (char *one = strtok_r(list + 1, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
    char *dot = strchr(one, '.');
    if (!dot || q->nany == 4) {
      q->broken = 1;
      return;
    }
    take_condition(q, &q->any[q->nany++], one, (size_t)(dot - one), dot + 1);
  }
}

static void take_keys(query *q, char *list) {
  char *save = NULL;
  q->has_keys = 1;
  list[strlen(list) - 1] = 0;
  for (char *one = strtok_r(list + 1, ",", &save); one && q->nkeys < MAX_CONDITIONS;
       one = strtok_r(NULL, ",", &save)) {
    int row = sim_row_of(one, strlen(one));
    if (row < 0) q->broken = 1;
    else q->keys[q->nkeys++] = row;
  }
}

static void take_parameter(query *q, const char *at, size_t n) {
  const char *equals = memchr(at, '=', n);
  static char value[16384];
  if (!equals) {
    q->broken = 1;
    return;
  }
  size_t name = (size_t)(equals - at);
  decode(equals + 1, n - name - 1, value, sizeof value);
  if (name == 6 && memcmp(at, "select", 6) == 0) q->keys_only = strcmp(value, "*") != 0;
  else if (name == 5 && memcmp(at, "order", 5) == 0)
    q->by_version = strncmp(value, "updated_at.asc", 14) == 0;
  else if (name == 5 && memcmp(at, "limit", 5) == 0) q->limit = atoi(value);
  else if (name == 11 && memcmp(at, "on_conflict", 11) == 0) q->broken |= strcmp(value, "id") != 0;
  else if (name == 2 && memcmp(at, "or", 2) == 0) take_any(q, value);
  else if (strncmp(value, "in.", 3) == 0) take_keys(q, value + 3);
  else if (q->nall == 8) q->broken = 1;
  else take_condition(q, &q->all[q->nall++], at, name, value);
}

static void take_apart(const leadx_request *req, query *q) {
  const char *path = strstr(req->url, "/rest/v1/"), *at = strchr(req->url, '?');
  memset(q, 0, sizeof *q);
  q->table = path && strncmp(path + 9, "customers", 9) == 0 ? CUSTOMERS : PIPELINES;
  q->limit = 1000000;
  while (at) {
    const char *from = at + 1;
    at = strchr(from, '&');
    take_parameter(q, from, at ? (size_t)(at - from) : strlen(from));
  }
}

/* ---- which rows ---- */

static int holds(const condition *c, const sim_row *row, int n) {
  char id[ID_BYTES];
  int order = 0;
  switch (c->field) {
    case FIELD_ID:
      sim_id(n, id);
      order = strcmp(id, c->text);
      break;
    case FIELD_VERSION:
      if (c->op == OP_IS_NULL) return 0;
      order = row->version < c->us ? -1 : row->version > c->us;
      break;
    default: return 0;
  }
  return c->op == OP_EQ ? order == 0 : c->op == OP_GT ? order > 0 : order >= 0;
}

static int is_chosen(const sim_device *device, const query *q, int n) {
  const sim_row *row = &device->world->server->row[q->table][n];
  int any = q->nany == 0, named = !q->has_keys;
  if (!row->exists || (row->hidden >> device->number & 1)) return 0;
  for (int i = 0; i < q->nall; i++) {
    if (!holds(&q->all[i], row, n)) return 0;
  }
  for (int i = 0; i < q->nany && !any; i++) any = holds(&q->any[i], row, n);
  for (int i = 0; i < q->nkeys && !named; i++) named = q->keys[i] == n;
  return any && named;
}

/* ---- GET ---- */

static const sim_row *sorted_rows;
static int sorted_by_version;

static int compare_rows(const void *a, const void *b) {
  int x = *(const int *)a, y = *(const int *)b;
  char ix[ID_BYTES], iy[ID_BYTES];
  if (sorted_by_version && sorted_rows[x].version != sorted_rows[y].version)
    return sorted_rows[x].version < sorted_rows[y].version ? -1 : 1;
  sim_id(x, ix);
  sim_id(y, iy);
  return strcmp(ix, iy);
}

static int wants(const leadx_request *req, const char *what) {
  for (int i = 0; i < req->nheaders; i++) {
    if (strncmp(req->headers[i], "Prefer:", 7) == 0 && strstr(req->headers[i], what)) return 1;
  }
  return 0;
}

static void get(sim_device *device, leadx_request *req, const query *q) {
  sim_world *world = device->world;
  int chosen[MAX_ROWS], n = 0;
  for (int i = 0; i < world->nrows[q->table]; i++) {
    if (is_chosen(device, q, i)) chosen[n++] = i;
  }
  sorted_rows = world->server->row[q->table];
  sorted_by_version = q->by_version;
  qsort(chosen, (size_t)n, sizeof *chosen, compare_rows);
  int shown = n < q->limit ? n : q->limit;
  if (shown > world->knobs.row_cap) shown = world->knobs.row_cap;
  sqlite3_str *rows = sqlite3_str_new(NULL);
  sqlite3_str_appendall(rows, "[");
  for (int i = 0; i < shown; i++) append_row(world, q->table, chosen[i], q->keys_only, rows);
  if (wants(req, "count=exact") && shown)
    snprintf(req->content_range, sizeof req->content_range, "0-%d/%d", shown - 1, n);
  else if (wants(req, "count=exact"))
    snprintf(req->content_range, sizeof req->content_range, "*/%d", n);
  answer_rows(req, wants(req, "count=exact") && shown < n ? 206 : 200, rows);
}

/* ---- writing ---- */

/* A row as a request's body gives it. */
typedef struct given {
  int row;
  int has[MAX_COLUMNS];
  sim_value value[MAX_COLUMNS];
  int has_deleted, is_deleted;
  int nmembers;
} given;

/* NULL, or the code of what is wrong with it. */
static const char *take_given(int table, leadx_slice object, given *out) {
  leadx_json_walk walk;
  leadx_slice name, value;
  memset(out, 0, sizeof *out);
  out->row = -1;
  leadx_json_walk_init(&walk, object);
  while (leadx_json_walk_member(&walk, &name, &value)) {
    int field = field_of(table, name.z + 1, name.n - 2);
    out->nmembers++;
    if (field == FIELD_NONE) return "PGRST204";
    if (field == FIELD_ID) out->row = sim_row_of(value.z + 1, value.n - 2);
    if (field == FIELD_DELETED) {
      out->has_deleted = 1;
      out->is_deleted = leadx_json_kind_of(value) != LEADX_JSON_NULL;
    }
    if (field < 0) continue;
    if (value.n >= VALUE_BYTES) return "22001";
    out->has[field] = 1;
    snprintf(out->value[field].json, VALUE_BYTES, "%.*s", (int)value.n, value.z);
  }
  return NULL;
}

/* Is there a parent on the server? No table of ours refers to itself. */
static int parent_of_values(sim_world *world, int table, const sim_value *values) {
  int column = sim_tables[table].parent_column;
  if (column < 0 || strcmp(values[column].json, "null") == 0) return 1;
  int parent = sim_row_of(values[column].json + 1, strlen(values[column].json) - 2);
  return parent >= 0 && world->server->row[CUSTOMERS][parent].exists;
}

static int parent_is_there(sim_world *world, int table, const given *one) {
  int column = sim_tables[table].parent_column;
  return column < 0 || !one->has[column] || parent_of_values(world, table, one->value);
}

static void apply_given(sim_device *device, int table, int n, const given *one) {
  sim_world *world = device->world;
  sim_row *row = &world->server->row[table][n];
  for (int c = 0; c < sim_tables[table].ncolumns; c++) {
    if (one->has[c]) set_value(world, table, n, c, device->number, &one->value[c]);
  }
  if (one->has_deleted)
    set_deleted(world, table, n, device->number, one->is_deleted ? world->now_us : 0);
  stamp(world, row);
  world->server->nwrites++;
}

static void insert_given(sim_device *device, int table, const given *one) {
  sim_world *world = device->world;
  sim_row *row = &world->server->row[table][one->row];
  unsigned hidden = row->hidden;
  int64_t version = row->version;
  memset(row, 0, sizeof *row);
  row->exists = 1;
  row->hidden = hidden;
  row->version = version; /* the next stamp is later than any the row has had */
  for (int c = 0; c < MAX_COLUMNS; c++) snprintf(row->value[c].json, VALUE_BYTES, "null");
  sim_server_note(world, table, one->row, EVENT_INSERT, device->number, NULL);
  world->server->events[world->server->nevents - 1].unasked = !is_asked_for(device, one->row);
  apply_given(device, table, one->row, one);
}

static int read_body(int table, const leadx_request *req, given *rows, int *n, const char **code) {
  leadx_slice value, one;
  leadx_json_walk walk;
  *n = 0;
  *code = "PGRST102";
  if (!req->body || leadx_json_check(req->body, req->body_bytes, 0, &value, NULL)) return 1;
  if (leadx_json_kind_of(value) == LEADX_JSON_OBJECT) {
    *n = 1;
    return (*code = take_given(table, value, &rows[0])) != NULL;
  }
  leadx_json_walk_init(&walk, value);
  while (leadx_json_walk_element(&walk, &one)) {
    if (*n == MAX_BODY_ROWS) return 1;
    const char *wrong = take_given(table, one, &rows[*n]);
    if (wrong) return (*code = wrong) != NULL;
    if (rows[*n].nmembers != rows[0].nmembers || rows[*n].row < 0) return 1;
    ++*n;
  }
  return 0;
}

static void post(sim_device *device, leadx_request *req, const query *q) {
  static given rows[MAX_BODY_ROWS];
  sim_world *world = device->world;
  int n = 0, ignore = wants(req, "ignore-duplicates");
  const char *code;
  if (read_body(q->table, req, rows, &n, &code)) {
    sim_answer(req, 400, code, "the body cannot be taken");
    return;
  }
  for (int i = 0; i < n; i++) {
    if (world->server->row[q->table][rows[i].row].exists) {
      if (ignore) continue;
      sim_answer(req, 409, "23505", "duplicate key value violates unique constraint");
      return;
    }
    if (!parent_is_there(world, q->table, &rows[i])) {
      sim_answer(req, 409, "23503", "insert violates foreign key constraint");
      return;
    }
  }
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_appendall(out, "[");
  for (int i = 0; i < n; i++) {
    if (world->server->row[q->table][rows[i].row].exists) continue;
    insert_given(device, q->table, &rows[i]);
    append_row(world, q->table, rows[i].row, 0, out);
  }
  if (wants(req, "return=representation")) {
    answer_rows(req, 201, out);
    return;
  }
  sqlite3_free(sqlite3_str_finish(out));
  fill_answer(req, 201, sqlite3_mprintf(""));
}

/* The one row that a PATCH or DELETE means. One without its key is not answered at all. */
static int find_target(sim_device *device, query *q, int *named) {
  sim_mutant mutant = device->world->knobs.mutant;
  *named = -1;
  for (int i = 0; i < q->nall; i++) {
    if (q->all[i].field == FIELD_ID && q->all[i].op == OP_EQ)
      *named = sim_row_of(q->all[i].text, strlen(q->all[i].text));
    if ((mutant == MUTANT_NO_VERSION || mutant == MUTANT_UPSERT) &&
        q->all[i].field == FIELD_VERSION) {
      q->all[i].op = OP_GTE;
      q->all[i].us = 0;
    }
  }
  if (*named < 0) {
    sim_fail(device->world, "a %s reaches every row", "PATCH or DELETE without a key");
    return -1;
  }
  return is_chosen(device, q, *named) ? *named : -1;
}

static void patch(sim_device *device, leadx_request *req, query *q) {
  static given rows[MAX_BODY_ROWS];
  int n = 0, named = -1, target = find_target(device, q, &named);
  const char *code;
  if (read_body(q->table, req, rows, &n, &code) || n != 1) {
    sim_answer(req, 400, code ? code : "PGRST102", "the body cannot be taken");
    return;
  }
  if (target >= 0 && !parent_is_there(device->world, q->table, &rows[0])) {
    sim_answer(req, 409, "23503", "update violates foreign key constraint");
    return;
  }
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_appendall(out, "[");
  if (target < 0 && named >= 0 && device->world->knobs.mutant == MUTANT_UPSERT &&
      !device->world->server->row[q->table][named].exists) {
    rows[0].row = target = named;
    insert_given(device, q->table, &rows[0]);
    append_row(device->world, q->table, target, 0, out);
  } else if (target >= 0) {
    apply_given(device, q->table, target, &rows[0]);
    append_row(device->world, q->table, target, 0, out);
  }
  answer_rows(req, 200, out);
}

static int has_children(sim_world *world, int parent) {
  char id[ID_BYTES];
  sim_id(parent, id);
  for (int n = 0; n < world->nrows[PIPELINES]; n++) {
    const sim_row *row = &world->server->row[PIPELINES][n];
    if (row->exists && strncmp(row->value[0].json + 1, id, ID_BYTES - 1) == 0) return 1;
  }
  return 0;
}

static void delete_(sim_device *device, leadx_request *req, query *q) {
  sim_world *world = device->world;
  int named = -1, target = find_target(device, q, &named);
  if (target >= 0 && q->table == CUSTOMERS && has_children(world, target)) {
    sim_answer(req, 409, "23503", "is still referenced from table pipelines");
    return;
  }
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_appendall(out, "[");
  if (target >= 0) {
    append_row(world, q->table, target, 0, out);
    world->server->row[q->table][target].exists = 0;
    sim_server_note(world, q->table, target, EVENT_DELETE, device->number, NULL);
    world->server->nwrites++;
  }
  answer_rows(req, 200, out);
}

void sim_server_answer(sim_device *device, leadx_request *req) {
  query q;
  if (device->world->people) {
    people_model_answer(device, req);
    return;
  }
  if (device->world->is_real) {
    sim_real_answer(device, req);
    return;
  }
  sim_server_tick(device->world, 0);
  if (strstr(req->url, "/rest/v1/rpc/")) {
    sim_answer(req, 404, "PGRST202", "Could not find the function in the schema cache");
    return;
  }
  take_apart(req, &q);
  req->date_s = device->world->now_us / 1000000;
  if (q.broken) sim_fail(device->world, "the model cannot read %s", req->url);
  if (device->world->failed) sim_answer(req, 400, "PGRST100", "the run is over");
  else if (strcmp(req->method, "POST") == 0) post(device, req, &q);
  else if (strcmp(req->method, "PATCH") == 0) patch(device, req, &q);
  else if (strcmp(req->method, "DELETE") == 0) delete_(device, req, &q);
  else get(device, req, &q);
}

/* ---- what the server's own users do ---- */

static void commit_slow(sim_world *world, const sim_slow *slow) {
  sim_row *row = &world->server->row[slow->table][slow->row];
  if (slow->saw_version && (!row->exists || row->version != slow->saw_version))
    return; /* it lost the race and rolled back */
  if (!slow->saw_version && !parent_of_values(world, slow->table, slow->value)) return;
  if (!slow->saw_version) {
    memset(row, 0, sizeof *row);
    row->exists = 1;
    sim_server_note(world, slow->table, slow->row, EVENT_INSERT, -1, NULL);
  }
  for (int c = 0; c < sim_tables[slow->table].ncolumns; c++) {
    if (!slow->saw_version || c == slow->column)
      set_value(world, slow->table, slow->row, c, -1, &slow->value[c]);
  }
  row->version = slow->stamp;
}

void sim_server_tick(sim_world *world, int all) {
  sim_server *server = world->server;
  int kept = 0;
  for (int i = 0; i < server->nslow; i++) {
    if (all || server->slow[i].commits_at <= world->now_us) commit_slow(world, &server->slow[i]);
    else server->slow[kept++] = server->slow[i];
  }
  server->nslow = kept;
}

static int some_row(sim_world *world, int table) {
  for (int i = 0; i < 6 && world->nrows[table] > 0; i++) {
    int n = sim_below(world, world->nrows[table]);
    if (world->server->row[table][n].exists && !world->server->row[table][n].deleted_at) return n;
  }
  return -1;
}

/* Makes the values of a new row; 0 when it would have no parent. */
static int new_values(sim_world *world, int table, sim_value *values) {
  for (int c = 0; c < sim_tables[table].ncolumns; c++) {
    values[c] = sim_new_value(world, table, c, -1);
    if (c != sim_tables[table].parent_column) continue;
    int parent = some_row(world, CUSTOMERS);
    char id[ID_BYTES];
    if (parent < 0) return 0;
    sim_id(parent, id);
    snprintf(values[c].json, VALUE_BYTES, "\"%s\"", id);
  }
  return 1;
}

/* A transaction that is stamped now; mostly it is visible at once, sometimes a good while later. */
static void begin_slow(sim_world *world, sim_slow slow) {
  sim_server *server = world->server;
  int64_t delay = sim_chance(world, 400) ? (1 + sim_below(world, 130)) * INT64_C(1000000) : 0;
  slow.commits_at = world->now_us + delay;
  if (server->nslow < MAX_SLOW) server->slow[server->nslow++] = slow;
  sim_server_tick(world, 0);
}

/* Several rows of one transaction have one stamp: more than fit on a page. */
static void import_rows(sim_world *world) {
  int n = 2 + sim_below(world, 12);
  for (int i = 0; i < n && world->nrows[CUSTOMERS] < MAX_ROWS && world->server->nslow < MAX_SLOW;
       i++) {
    sim_slow slow = {.stamp = world->now_us, .table = CUSTOMERS, .row = world->nrows[CUSTOMERS]};
    slow.commits_at = world->now_us;
    new_values(world, CUSTOMERS, slow.value);
    world->nrows[CUSTOMERS]++;
    world->server->slow[world->server->nslow++] = slow;
  }
  sim_server_tick(world, 0);
}

static void hard_delete(sim_world *world, int table, int n) {
  if (table == CUSTOMERS && has_children(world, n)) return;
  world->server->row[table][n].exists = 0;
  sim_server_note(world, table, n, EVENT_DELETE, -1, NULL);
}

void sim_server_write(sim_world *world) {
  if (world->is_real) {
    sim_real_write(world);
    return;
  }
  int table = sim_below(world, NTABLES), n = some_row(world, table), what = sim_below(world, 100);
  sim_slow slow = {.stamp = world->now_us, .table = table};
  if (what < 8) {
    import_rows(world);
  } else if (what < 35 && world->nrows[table] < MAX_ROWS) {
    if (!new_values(world, table, slow.value)) return;
    slow.row = world->nrows[table]++;
    begin_slow(world, slow);
  } else if (what < 85 && n >= 0) {
    sim_row *row = &world->server->row[table][n];
    slow.row = n;
    slow.column = table == CUSTOMERS ? sim_below(world, 4)
                                     : 1 + sim_below(world, sim_tables[table].ncolumns - 1);
    slow.value[slow.column] = sim_new_value(world, table, slow.column, -1);
    slow.saw_version = row->version;
    slow.stamp = world->now_us > row->version ? world->now_us : row->version + 1;
    begin_slow(world, slow);
  } else if (n >= 0 && world->knobs.rough) {
    hard_delete(world, table, n);
  } else if (n >= 0) {
    set_deleted(world, table, n, -1, world->now_us);
    stamp(world, &world->server->row[table][n]);
  }
}

/* Row level security lets a user see a row no more, or again. */
void sim_server_hide(sim_world *world) {
  int n = some_row(world, PIPELINES), who = sim_below(world, world->knobs.devices);
  if (n < 0) return;
  world->server->row[PIPELINES][n].hidden ^= 1u << who;
  world->device[who].once_hidden[PIPELINES][n] = 1;
  sim_say(world, "server: pipelines %d is %s device %d", n,
          world->server->row[PIPELINES][n].hidden >> who & 1 ? "hidden from" : "shown to", who);
}

static int is_shown_to_all(const sim_server *server, int table, int nrows) {
  for (int n = 0; n < nrows; n++) {
    const sim_row *row = &server->row[table][n];
    if (row->exists && !row->deleted_at && !row->hidden) return 1;
  }
  return 0;
}

/* Takes a backup, or puts the last one back. Versions never come again. A backup has something of
** each table: a server that shows none of many rows any more is not believed, and its devices keep
** theirs. */
void sim_server_restore(sim_world *world) {
  sim_server *server = world->server;
  for (int t = 0; t < NTABLES && !server->has_backup; t++) {
    if (!is_shown_to_all(server, t, world->nrows[t])) return;
  }
  if (!server->has_backup) {
    memcpy(server->backup, server->row, sizeof server->row);
    server->has_backup = 1;
    return;
  }
  memcpy(server->row, server->backup, sizeof server->row);
  server->nslow = 0;
  world->was_restored = 1;
  sim_server_note(world, 0, 0, EVENT_RESTORE, -1, NULL);
  sim_say(world, "server: restored from its backup");
}
