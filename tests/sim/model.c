/* PostgREST over the tables of a seed. A request becomes a statement of SQLite's, whose UNIQUE and
** REFERENCES stand for PostgreSQL's. Whatever is received must be what a user did, in that user's
** name. See people.h. */
#include <stdlib.h>
#include <string.h>

#include "people.h"
#include "push/aside.h"

static const people_column version_column = {
    .name = "updated_at", .remote = "updated_at", .kind = KIND_STAMP, .parent = -1};
static const people_column deleted_column = {
    .name = "deleted_at", .remote = "deleted_at", .kind = KIND_STAMP, .parent = -1};

/* ---- the book ---- */

static char *entry(int user, int table, const char *key, const char *column, const char *value) {
  return sqlite3_mprintf("%d\x1e%d\x1e%s\x1e%s\x1e%s", user, table, key, column,
                         value ? value : "\x1d");
}

static int with_entry(sqlite3_stmt *stmt, char *what) {
  sqlite3_bind_text(stmt, 1, what, -1, sqlite3_free);
  int found = sqlite3_step(stmt) == SQLITE_ROW;
  sqlite3_reset(stmt);
  return found;
}

void people_note(sim_people *people, int user, int table, const char *key, const char *column,
                 const char *value) {
  with_entry(people->note, entry(user, table, key, column, value));
}

int people_noted(sim_people *people, int user, int table, const char *key, const char *column,
                 const char *value) {
  return with_entry(people->ask, entry(user, table, key, column, value));
}

static void note_seen(sim_people *people, int table, const char *key, const char *column,
                      const char *value) {
  with_entry(people->note_seen, entry(-1, table, key, column, value));
}

int people_seen(sim_people *people, int table, const char *key, const char *column,
                const char *value) {
  return with_entry(people->ask_seen, entry(-1, table, key, column, value));
}

/* ---- statements ---- */

static int run(sim_world *world, const char *sql) {
  int rc = sqlite3_exec(world->people->server, sql, NULL, NULL, NULL);
  if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_CONSTRAINT)
    sim_fail(world, "the model: %.200s: %s", sql, sqlite3_errmsg(world->people->server));
  return rc;
}

static sqlite3_stmt *prepare(sim_world *world, const char *sql) {
  sqlite3_stmt *stmt = NULL;
  if (sqlite3_prepare_v2(world->people->server, sql, -1, &stmt, NULL) != SQLITE_OK)
    sim_fail(world, "the model: %.200s: %s", sql, sqlite3_errmsg(world->people->server));
  return stmt;
}

void people_model_open(sim_world *world) {
  sim_people *people = world->people;
  static const char book[] = "CREATE TABLE intent(what TEXT PRIMARY KEY) WITHOUT ROWID; CREATE "
                             "TABLE seen(what TEXT PRIMARY KEY) WITHOUT ROWID";
  sqlite3_open(":memory:", &people->server);
  sqlite3_extended_result_codes(people->server, 1);
  sqlite3_open(":memory:", &people->book);
  sqlite3_exec(people->book, book, NULL, NULL, NULL);
  sqlite3_prepare_v2(people->book, "INSERT OR IGNORE INTO intent VALUES (?1)", -1, &people->note,
                     NULL);
  sqlite3_prepare_v2(people->book, "SELECT 1 FROM intent WHERE what = ?1", -1, &people->ask, NULL);
  sqlite3_prepare_v2(people->book, "INSERT OR IGNORE INTO seen VALUES (?1)", -1, &people->note_seen,
                     NULL);
  sqlite3_prepare_v2(people->book, "SELECT 1 FROM seen WHERE what = ?1", -1, &people->ask_seen,
                     NULL);
  run(world, "PRAGMA foreign_keys = ON");
  for (int t = 0; t < people->schema.ntables; t++) {
    char *sql = people_server_ddl(&people->schema, t);
    run(world, sql);
    sqlite3_free(sql);
  }
}

void people_model_close(sim_people *people) {
  sqlite3_finalize(people->note);
  sqlite3_finalize(people->ask);
  sqlite3_finalize(people->note_seen);
  sqlite3_finalize(people->ask_seen);
  for (int i = 0; i < people->nasides; i++) sqlite3_free(people->aside[i]);
  sqlite3_close(people->book);
  sqlite3_close(people->server);
}

/* ---- what a request says ---- */

typedef struct request {
  sim_device *device;
  leadx_request *req;
  int table, user;
  const people_table *t;
  sqlite3_str *where;
  char select[200], order[100], *text;
  int limit, broken;
} request;

static const people_column *column_of(const people_table *table, const char *name, size_t n) {
  if (n == 10 && memcmp(name, "updated_at", 10) == 0) return &version_column;
  if (n == 10 && memcmp(name, "deleted_at", 10) == 0) return &deleted_column;
  for (int c = 0; c < table->ncolumns; c++) {
    const people_column *column = &table->column[c];
    if (!column->is_local && strlen(column->remote) == n && memcmp(column->remote, name, n) == 0)
      return column;
  }
  return NULL;
}

static void append_comparison(request *r, const people_column *column, const char *op,
                              const char *text, size_t n) {
  int bad = 0;
  char *value = people_from_text(column, text, n, &bad), *literal = people_to_server(column, value);
  sqlite3_str_appendf(r->where, "%s %s %s", column->remote, op, literal);
  r->broken |= bad;
  sqlite3_free(value);
  sqlite3_free(literal);
}

/* A value of a list or of a tree: quoted, or as far as the next comma or bracket. */
static char *take_value(const char **at, size_t *n) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  if (**at == '"') {
    for (++*at; **at && **at != '"'; ++*at) {
      if (**at == '\\') ++*at;
      sqlite3_str_appendchar(out, 1, **at);
    }
    if (**at) ++*at;
  } else {
    for (; **at && **at != ',' && **at != ')'; ++*at) sqlite3_str_appendchar(out, 1, **at);
  }
  *n = (size_t)sqlite3_str_length(out);
  char *text = sqlite3_str_finish(out);
  return text ? text : sqlite3_mprintf("");
}

/* column.op.value; at stands behind it afterwards. */
static void take_leaf(request *r, const char **at) {
  static const struct {
    const char *name, *op;
  } ops[] = {{"eq.", "="}, {"gte.", ">="}, {"gt.", ">"}, {"lt.", "<"}, {"lte.", "<="}};
  const char *dot = strchr(*at, '.');
  const people_column *column = dot ? column_of(r->t, *at, (size_t)(dot - *at)) : NULL;
  for (size_t i = 0; column && i < sizeof ops / sizeof ops[0]; i++) {
    size_t n = strlen(ops[i].name);
    if (strncmp(dot + 1, ops[i].name, n) != 0) continue;
    *at = dot + 1 + n;
    char *value = take_value(at, &n);
    append_comparison(r, column, ops[i].op, value, n);
    sqlite3_free(value);
    return;
  }
  if (column && strncmp(dot + 1, "is.null", 7) == 0) {
    sqlite3_str_appendf(r->where, "%s IS NULL", column->remote);
    *at = dot + 8;
    return;
  }
  r->broken = 1;
}

/* "(a,b,…)" with AND or OR between them. */
static void take_tree(request *r, const char **at, const char *between) {
  int n = 0;
  sqlite3_str_appendall(r->where, "(");
  for (++*at; **at && **at != ')' && !r->broken; n++) {
    if (n > 0) sqlite3_str_appendf(r->where, " %s ", between);
    int is_and = strncmp(*at, "and(", 4) == 0, is_or = strncmp(*at, "or(", 3) == 0;
    if (is_and || is_or) {
      *at += is_and ? 3 : 2;
      take_tree(r, at, is_and ? "AND" : "OR");
    } else {
      take_leaf(r, at);
    }
    if (**at == ',') ++*at;
  }
  if (**at == ')') ++*at;
  sqlite3_str_appendall(r->where, ")");
}

static void take_in(request *r, const people_column *column, const char *at) {
  sqlite3_str_appendall(r->where, "(0");
  for (++at; *at && *at != ')';) {
    size_t n;
    char *value = take_value(&at, &n);
    sqlite3_str_appendall(r->where, " OR ");
    append_comparison(r, column, "=", value, n);
    sqlite3_free(value);
    if (*at == ',') at++;
  }
  sqlite3_str_appendall(r->where, ")");
}

static void take_filter(request *r, const char *name, const char *value) {
  const people_column *column = column_of(r->t, name, strlen(name));
  sqlite3_str_appendall(r->where, " AND ");
  if (strcmp(name, "or") == 0 || strcmp(name, "and") == 0) {
    take_tree(r, &value, name);
  } else if (!column) {
    r->broken = 1;
  } else if (strncmp(value, "in.", 3) == 0) {
    take_in(r, column, value + 3);
  } else if (strcmp(value, "is.null") == 0) {
    sqlite3_str_appendf(r->where, "%s IS NULL", column->remote);
  } else if (strncmp(value, "eq.", 3) == 0) {
    append_comparison(r, column, "=", value + 3, strlen(value + 3));
  } else if (strncmp(value, "gte.", 4) == 0) {
    append_comparison(r, column, ">=", value + 4, strlen(value + 4));
  } else {
    r->broken = 1;
  }
}

/* "a.asc,b.asc" as SQL has it. */
static void take_order(request *r, const char *value) {
  size_t n = 0;
  for (; *value && n + 8 < sizeof r->order; value++) {
    if (strncmp(value, ".asc", 4) == 0) value += 3;
    else r->order[n++] = *value;
  }
  r->order[n] = 0;
}

static int hex(char c) { return c <= '9' ? c - '0' : (c | 32) - 'a' + 10; }

static void decode(const char *from, size_t n, char *out) {
  for (size_t i = 0; i < n; i++) {
    int escaped = from[i] == '%' && i + 2 < n;
    *out++ = escaped ? (char)(hex(from[i + 1]) * 16 + hex(from[i + 2])) : from[i];
    i += escaped ? 2 : 0;
  }
  *out = 0;
}

static void take_parameter(request *r, const char *from, size_t n) {
  char name[40], *value = sqlite3_malloc64(n + 1);
  const char *equals = memchr(from, '=', n);
  size_t length = equals ? (size_t)(equals - from) : 0;
  r->broken |= !equals || length >= sizeof name;
  if (!r->broken) {
    snprintf(name, sizeof name, "%.*s", (int)length, from);
    decode(equals + 1, n - length - 1, value);
    if (strcmp(name, "select") == 0) snprintf(r->select, sizeof r->select, "%s", value);
    else if (strcmp(name, "order") == 0) take_order(r, value);
    else if (strcmp(name, "limit") == 0) r->limit = atoi(value);
    else if (strcmp(name, "on_conflict") != 0) take_filter(r, name, value);
  }
  sqlite3_free(value);
}

/* Whose name a request is in; -1: nobody's. */
static int user_of(const leadx_request *req) {
  for (int i = 0; i < req->nheaders; i++) {
    if (strncmp(req->headers[i], "Authorization: Bearer ", 22) == 0)
      return people_user_of_token(req->headers[i] + 22);
  }
  return -1;
}

static void take_apart(request *r) {
  const char *path = strstr(r->req->url, "/rest/v1/t"), *at = strchr(r->req->url, '?');
  const sim_people *people = r->device->world->people;
  r->table = path ? path[10] - '0' : -1;
  r->user = user_of(r->req);
  r->limit = 1000000;
  snprintf(r->select, sizeof r->select, "*");
  if (r->table < 0 || r->table >= people->schema.ntables) {
    r->broken = 1;
    return;
  }
  r->t = &people->schema.table[r->table];
  r->where = sqlite3_str_new(NULL);
  sqlite3_str_appendf(r->where, "NOT (hidden >> %d & 1)", r->user < 0 ? 31 : r->user);
  while (at && !r->broken) {
    const char *from = at + 1;
    at = strchr(from, '&');
    take_parameter(r, from, at ? (size_t)(at - from) : strlen(from));
  }
}

static int wants(const leadx_request *req, const char *what) {
  for (int i = 0; i < req->nheaders; i++) {
    if (strncmp(req->headers[i], "Prefer:", 7) == 0 && strstr(req->headers[i], what)) return 1;
  }
  return 0;
}

/* ---- answers ---- */

static void fill(leadx_request *req, long status, char *body) {
  sqlite3_free(req->answer);
  req->answer = body;
  req->answer_bytes = strlen(body);
  req->net = LEADX_NET_ANSWER;
  req->status = status;
  snprintf(req->content_type, sizeof req->content_type, "application/json; charset=utf-8");
}

/* The canonical text of a column of the server's. */
static char *canonical(sqlite3_stmt *stmt, int i) {
  const char *text = (const char *)sqlite3_column_text(stmt, i);
  return text ? sqlite3_mprintf("%s", text) : NULL;
}

static void append_row(const request *r, sqlite3_stmt *stmt, sqlite3_str *out) {
  sqlite3_str_appendall(out, sqlite3_str_length(out) > 1 ? ",{" : "{");
  for (int i = 0, n = 0; i < sqlite3_column_count(stmt); i++) {
    const char *name = sqlite3_column_name(stmt, i);
    const people_column *column = column_of(r->t, name, strlen(name));
    if (!column) continue;
    char *value = canonical(stmt, i), *json = people_to_json(column, value);
    sqlite3_str_appendf(out, "%s\"%s\":%s", n++ ? "," : "", name, json);
    sqlite3_free(value);
    sqlite3_free(json);
  }
  sqlite3_str_appendall(out, "}");
}

/* Appends the rows of a query, at most limit; answers how many there were. */
static int append_rows(request *r, const char *sql, int limit, sqlite3_str *out) {
  sqlite3_stmt *stmt = prepare(r->device->world, sql);
  int n = 0;
  for (; stmt && sqlite3_step(stmt) == SQLITE_ROW; n++)
    if (n < limit) append_row(r, stmt, out);
  sqlite3_finalize(stmt);
  return n;
}

static void get(request *r) {
  int limit = r->limit < r->device->world->knobs.row_cap ? r->limit
                                                         : r->device->world->knobs.row_cap;
  sqlite3_str *out = sqlite3_str_new(NULL);
  char *sql = sqlite3_mprintf("SELECT %s FROM %s WHERE %s%s%s", r->select, r->t->name,
                              sqlite3_str_value(r->where), r->order[0] ? " ORDER BY " : "",
                              r->order);
  sqlite3_str_appendall(out, "[");
  int n = append_rows(r, sql, limit, out), shown = n < limit ? n : limit,
      counts = wants(r->req, "count=");
  sqlite3_str_appendall(out, "]");
  if (counts && shown)
    snprintf(r->req->content_range, sizeof r->req->content_range, "0-%d/%d", shown - 1, n);
  else if (counts) snprintf(r->req->content_range, sizeof r->req->content_range, "*/%d", n);
  fill(r->req, counts && shown < n ? 206 : 200, sqlite3_str_finish(out));
  sqlite3_free(sql);
}

/* ---- writing ---- */

/* A row of a body: canonical values by column. */
typedef struct given {
  int has[PEOPLE_COLUMNS];
  char *value[PEOPLE_COLUMNS];
  int has_mark, is_marked; /* deleted_at */
} given;

static void free_given(given *one) {
  for (int c = 0; c < PEOPLE_COLUMNS; c++) sqlite3_free(one->value[c]);
}

/* NULL, or the code of what is wrong with it. */
static const char *take_given(const request *r, leadx_slice object, given *out) {
  leadx_json_walk walk;
  leadx_slice name, value;
  memset(out, 0, sizeof *out);
  leadx_json_walk_init(&walk, object);
  while (leadx_json_walk_member(&walk, &name, &value)) {
    const people_column *column = column_of(r->t, name.z + 1, name.n - 2);
    int bad = 0;
    if (!column) return "PGRST204";
    if (column == &version_column) continue;
    if (column == &deleted_column) {
      out->has_mark = 1;
      out->is_marked = leadx_json_kind_of(value) != LEADX_JSON_NULL;
      continue;
    }
    int c = (int)(column - r->t->column);
    out->has[c] = 1;
    out->value[c] = people_from_json(column, value, &bad);
    if (bad) return "22P02";
  }
  return NULL;
}

static int64_t next_stamp(sim_world *world) {
  sim_people *people = world->people;
  people->clock_us = world->now_us > people->clock_us ? world->now_us : people->clock_us + 1;
  return people->clock_us;
}

/* The one thing that invariant 6 says: somebody did this, and it is in that one's name. */
static int is_known(request *r, const char *key, const char *column, const char *value) {
  sim_people *people = r->device->world->people;
  if (people_noted(people, r->user, r->table, key, column, value)) return 1;
  /* A row that comes back whole brings values along that others gave it, or that user before. */
  if (*column == '=')
    return people_noted(people, r->user, r->table, key, column + 1, value) ||
           people_seen(people, r->table, key, column + 1, value);
  return strcmp(column, "*INSERT") == 0 &&
         people_noted(people, r->user, r->table, key, "*TOUCH", NULL);
}

/* A value that leadx takes for a moment while two rows exchange theirs (push/aside.h), of one of the
** device's own changes of that table. It is kept in mind, because it must not stay. */
static int is_aside(request *r, const char *column, const char *value) {
  sim_people *people = r->device->world->people;
  sqlite3_stmt *stmt = NULL;
  int is = 0;
  if (!value ||
      sqlite3_prepare_v2(r->device->db, "SELECT id FROM sync_queue WHERE status <> 'SYNCED'", -1,
                         &stmt, NULL) != SQLITE_OK)
    return 0;
  while (!is && sqlite3_step(stmt) == SQLITE_ROW) {
    const char *id = (const char *)sqlite3_column_text(stmt, 0);
    char *number = leadx_aside_value(LEADX_INTEGER, id), *text = sqlite3_mprintf("leadx:%s", id);
    is = strcmp(value, number) == 0 || strcmp(value, text) == 0 || strcmp(value, id) == 0;
    sqlite3_free(number);
    sqlite3_free(text);
  }
  sqlite3_finalize(stmt);
  if (is && people->nasides < PEOPLE_ASIDES) {
    people->aside[people->nasides++] = sqlite3_mprintf(
        "SELECT count(*) FROM %s WHERE CAST(%s AS TEXT) = %Q", r->t->name, column, value);
  }
  return is;
}

int people_model_asides_left(sim_people *people) {
  int left = 0;
  for (int i = 0; i < people->nasides; i++) {
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(people->server, people->aside[i], -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
      left += sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
  }
  return left;
}

static void check_provenance(request *r, const char *key, const char *what, const char *column,
                             const char *value) {
  if (is_known(r, key, column, value) || is_aside(r, column, value)) return;
  sim_fail(r->device->world,
           "provenance: device %d, in the name of user %d: %s of %s [%s].%s = %.60s, and that user "
           "never did it",
           r->device->number, r->user, what, r->t->name, key, column, value ? value : "null");
}

static void refuse(request *r, int rc) {
  const char *message = sqlite3_errmsg(r->device->world->people->server);
  if (rc == SQLITE_CONSTRAINT_FOREIGNKEY)
    sim_answer(r->req, 409, "23503", "violates foreign key constraint");
  else if (rc == SQLITE_CONSTRAINT_NOTNULL)
    sim_answer(r->req, 400, "23502", "null value violates not-null constraint");
  else if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY)
    sim_answer(r->req, 409, "23505", "duplicate key value violates unique constraint");
  else sim_fail(r->device->world, "the model: %s", message);
}

static void note_values(request *r, const char *key, const given *one) {
  for (int c = 0; c < r->t->ncolumns; c++) {
    if (one->has[c])
      note_seen(r->device->world->people, r->table, key, r->t->column[c].name, one->value[c]);
  }
}

static int insert_one(request *r, const given *one, int ignore, sqlite3_str *out) {
  sim_world *world = r->device->world;
  sqlite3_str *names = sqlite3_str_new(NULL), *values = sqlite3_str_new(NULL);
  char *key = people_join_key(r->t, one->value);
  check_provenance(r, key, "INSERT", "*INSERT", NULL);
  for (int c = 0; c < r->t->ncolumns; c++) {
    const people_column *column = &r->t->column[c];
    if (!one->has[c] || column->is_computed) continue;
    char *literal = people_to_server(column, one->value[c]);
    char name[24];
    snprintf(name, sizeof name, "=%s", column->name);
    if (c >= r->t->nkey && one->value[c]) check_provenance(r, key, "INSERT", name, one->value[c]);
    sqlite3_str_appendf(names, "%s, ", column->remote);
    sqlite3_str_appendf(values, "%s, ", literal);
    sqlite3_free(literal);
  }
  int has_made = column_of(r->t, "made", 4) != NULL;
  int64_t stamp = next_stamp(world);
  char *sql = sqlite3_mprintf("INSERT INTO %s(%supdated_at%s) VALUES(%s%lld%s)%s", r->t->name,
                              sqlite3_str_value(names), has_made ? ", made" : "",
                              sqlite3_str_value(values), (long long)stamp, has_made ? ", 1" : "",
                              "");
  int rc = run(world, sql), changed = rc == SQLITE_OK;
  char *pick = sqlite3_mprintf("SELECT * FROM %s WHERE updated_at = %lld", r->t->name,
                               (long long)stamp);
  if (changed) append_rows(r, pick, 1, out);
  if (changed) note_values(r, key, one);
  world->people->nwrites += changed;
  if (rc == SQLITE_CONSTRAINT_PRIMARYKEY && ignore) rc = SQLITE_OK;
  if (world->verbose) sim_say(world, "  server: %.140s -> %d", sql, rc);
  sqlite3_free(pick);
  sqlite3_free(sql);
  sqlite3_free(key);
  sqlite3_free(sqlite3_str_finish(names));
  sqlite3_free(sqlite3_str_finish(values));
  return rc;
}

static void post(request *r, leadx_slice body) {
  sim_world *world = r->device->world;
  leadx_json_walk walk;
  leadx_slice one;
  int rc = SQLITE_OK, ignore = wants(r->req, "ignore-duplicates");
  const char *wrong = NULL;
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_appendall(out, "[");
  run(world, "BEGIN");
  leadx_json_walk_init(&walk, body);
  while (rc == SQLITE_OK && !wrong && !world->failed && leadx_json_walk_element(&walk, &one)) {
    given row;
    wrong = take_given(r, one, &row);
    if (!wrong) rc = insert_one(r, &row, ignore, out);
    free_given(&row);
  }
  sqlite3_str_appendall(out, "]");
  char *rows = sqlite3_str_finish(out);
  if (wrong || rc != SQLITE_OK) {
    if (wrong) sim_answer(r->req, 400, wrong, "the body cannot be taken");
    else refuse(r, rc);
    sqlite3_free(rows);
    run(world, "ROLLBACK");
    return;
  }
  run(world, "COMMIT");
  fill(r->req, 201, rows);
}

/* The key that a PATCH or DELETE names, whatever else it asks; NULL when it names none. */
static char *named_key(request *r) {
  char *values[PEOPLE_COLUMNS] = {0}, *key = NULL;
  int n = 0;
  for (int i = 0; i < r->t->nkey; i++) {
    char name[40];
    snprintf(name, sizeof name, "%s=eq.", r->t->column[i].remote);
    const char *at = strchr(r->req->url, '?');
    while (at && strncmp(at + 1, name, strlen(name)) != 0) at = strchr(at + 1, '&');
    if (!at) continue;
    const char *from = at + 1 + strlen(name), *end = strchr(from, '&');
    size_t length = end ? (size_t)(end - from) : strlen(from);
    char *text = sqlite3_malloc64(length + 1);
    int bad = 0;
    decode(from, length, text);
    values[i] = people_from_text(&r->t->column[i], text, strlen(text), &bad);
    n += !bad;
    sqlite3_free(text);
  }
  if (n == r->t->nkey) key = people_join_key(r->t, values);
  for (int i = 0; i < r->t->nkey; i++) sqlite3_free(values[i]);
  if (!key) sim_fail(r->device->world, "a %s without a key: %.200s", r->req->method, r->req->url);
  return key;
}

static void patch_one(request *r, const char *key, const given *one) {
  sim_world *world = r->device->world;
  sqlite3_str *set = sqlite3_str_new(NULL), *out = sqlite3_str_new(NULL);
  int64_t stamp = next_stamp(world);
  for (int c = 0; c < r->t->ncolumns; c++) {
    const people_column *column = &r->t->column[c];
    if (!one->has[c] || column->is_computed) continue;
    if (c >= r->t->nkey) check_provenance(r, key, "UPDATE", column->name, one->value[c]);
    char *literal = people_to_server(column, one->value[c]);
    sqlite3_str_appendf(set, "%s = %s, ", column->remote, literal);
    sqlite3_free(literal);
  }
  if (one->has_mark && one->is_marked) check_provenance(r, key, "DELETE", "*DELETE", NULL);
  if (one->has_mark)
    sqlite3_str_appendf(set, one->is_marked ? "deleted_at = %lld, " : "deleted_at = NULL, ",
                        (long long)stamp);
  if (column_of(r->t, "made", 4)) sqlite3_str_appendall(set, "made = made + 1, ");
  char *sql = sqlite3_mprintf("UPDATE %s SET %supdated_at = %lld WHERE %s", r->t->name,
                              sqlite3_str_value(set), (long long)stamp,
                              sqlite3_str_value(r->where));
  char *pick = sqlite3_mprintf("SELECT * FROM %s WHERE updated_at = %lld", r->t->name,
                               (long long)stamp);
  int rc = run(world, sql);
  if (world->verbose) sim_say(world, "  server: %.140s -> %d", sql, rc);
  sqlite3_str_appendall(out, "[");
  if (rc == SQLITE_OK && append_rows(r, pick, 1, out)) {
    note_values(r, key, one);
    world->people->nwrites++;
  }
  sqlite3_str_appendall(out, "]");
  char *rows = sqlite3_str_finish(out);
  if (rc == SQLITE_OK) fill(r->req, 200, rows);
  else sqlite3_free(rows), refuse(r, rc);
  sqlite3_free(sql);
  sqlite3_free(pick);
  sqlite3_free(sqlite3_str_finish(set));
}

static void patch(request *r, leadx_slice body) {
  given one;
  char *key = named_key(r);
  const char *wrong = key ? take_given(r, body, &one) : "PGRST102";
  if (wrong) sim_answer(r->req, 400, wrong, "the body cannot be taken");
  else patch_one(r, key, &one);
  if (key) free_given(&one);
  sqlite3_free(key);
}

static void delete_(request *r) {
  sim_world *world = r->device->world;
  char *key = named_key(r);
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_appendall(out, "[");
  if (key) check_provenance(r, key, "DELETE", "*DELETE", NULL);
  char *pick = sqlite3_mprintf("SELECT * FROM %s WHERE %s", r->t->name,
                               sqlite3_str_value(r->where));
  char *sql = sqlite3_mprintf("DELETE FROM %s WHERE %s", r->t->name, sqlite3_str_value(r->where));
  int n = append_rows(r, pick, 1, out), rc = key ? run(world, sql) : SQLITE_OK;
  if (world->verbose) sim_say(world, "  server: %.140s -> %d", sql, rc);
  sqlite3_str_appendall(out, "]");
  char *rows = sqlite3_str_finish(out);
  world->people->nwrites += n > 0 && rc == SQLITE_OK;
  if (rc == SQLITE_OK) fill(r->req, 200, rows);
  else sqlite3_free(rows), refuse(r, rc);
  sqlite3_free(pick);
  sqlite3_free(sql);
  sqlite3_free(key);
}

static void answer(request *r) {
  leadx_slice body = {NULL, 0};
  const char *method = r->req->method;
  if (r->req->body) leadx_json_check(r->req->body, r->req->body_bytes, 0, &body, NULL);
  if (r->user < 0) sim_answer(r->req, 401, "42501", "permission denied");
  else if (strcmp(method, "GET") == 0) get(r);
  else if (strcmp(method, "POST") == 0) post(r, body);
  else if (strcmp(method, "PATCH") == 0) patch(r, body);
  else delete_(r);
}

void people_model_answer(sim_device *device, leadx_request *req) {
  request r = {.device = device, .req = req};
  if (strstr(req->url, "/rest/v1/rpc/")) {
    sim_answer(req, 404, "PGRST202", "Could not find the function in the schema cache");
    return;
  }
  take_apart(&r);
  req->date_s = device->world->now_us / 1000000;
  if (r.broken) sim_fail(device->world, "the model cannot read %.300s", req->url);
  if (device->world->failed) sim_answer(req, 400, "PGRST100", "the run is over");
  else answer(&r);
  sqlite3_free(sqlite3_str_finish(r.where));
}

/* ---- what the server's own users do ---- */

void people_model_rows(sim_people *people, int t, int user, people_rows *rows) {
  const people_table *table = &people->schema.table[t];
  sqlite3_str *sql = sqlite3_str_new(NULL);
  sqlite3_stmt *stmt = NULL;
  sqlite3_str_appendall(sql, "SELECT ");
  for (int c = 0; c < table->ncolumns; c++)
    sqlite3_str_appendf(sql, "%s%s", c ? ", " : "",
                        table->column[c].is_local ? "NULL" : table->column[c].remote);
  sqlite3_str_appendf(sql, " FROM %s WHERE deleted_at IS NULL AND NOT (hidden >> %d & 1)",
                      table->name, user);
  char *text = sqlite3_str_finish(sql);
  sqlite3_prepare_v2(people->server, text, -1, &stmt, NULL);
  for (rows->n = 0; stmt && rows->n < PEOPLE_ROWS && sqlite3_step(stmt) == SQLITE_ROW; rows->n++) {
    people_row *row = &rows->row[rows->n];
    memset(row, 0, sizeof *row);
    for (int c = 0; c < table->ncolumns; c++) row->value[c] = canonical(stmt, c);
    row->key = people_join_key(table, row->value);
  }
  sqlite3_finalize(stmt);
  sqlite3_free(text);
}

static char *key_literals(const people_table *table, char *const *values, const char *between) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  for (int i = 0; i < table->nkey; i++) {
    char *literal = people_to_server(&table->column[i], values[i]);
    if (*between == ',') sqlite3_str_appendf(out, "%s%s", i ? ", " : "", literal);
    else sqlite3_str_appendf(out, "%s%s = %s", i ? " AND " : "", table->column[i].remote, literal);
    sqlite3_free(literal);
  }
  return sqlite3_str_finish(out);
}

/* Runs a statement on one column of one row as a user of the web application would. */
static void change_row(sim_world *world, int t, int what) {
  sim_people *people = world->people;
  const people_table *table = &people->schema.table[t];
  int c = table->nkey + sim_below(world, table->ncolumns - table->nkey);
  int n = sim_below(world, PEOPLE_KEYS * (world->knobs.devices + 1));
  const people_column *column = &table->column[c];
  char *key[PEOPLE_COLUMNS] = {0}, *sql;
  if (what < 30) n = PEOPLE_KEYS * world->knobs.devices + sim_below(world, PEOPLE_KEYS);
  people_key_of(table, n, key);
  char *joined = people_join_key(table, key), *where = key_literals(table, key, "AND"),
       *list = key_literals(table, key, ",");
  char *value = column->parent >= 0 || column->is_local || column->is_computed
                    ? NULL
                    : people_new_value(world, column);
  char *literal = people_to_server(column, value);
  if (what < 30) {
    sqlite3_str *names = sqlite3_str_new(NULL);
    for (int i = 0; i < table->nkey; i++)
      sqlite3_str_appendf(names, "%s, ", table->column[i].remote);
    char *name_list = sqlite3_str_finish(names), into[24] = "";
    if (value) snprintf(into, sizeof into, "%s, ", column->remote);
    sql = sqlite3_mprintf("INSERT OR IGNORE INTO %s(%s%supdated_at) VALUES (%s%s%s, %lld)",
                          table->name, name_list, into, list, value ? ", " : "",
                          value ? literal : "", (long long)next_stamp(world));
    sqlite3_free(name_list);
  } else if (what < 85 || (!table->is_soft && !world->knobs.rough)) {
    sql = value ? sqlite3_mprintf("UPDATE OR IGNORE %s SET %s = %s, updated_at = %lld WHERE %s",
                                  table->name, column->remote, literal,
                                  (long long)next_stamp(world), where)
                : sqlite3_mprintf("SELECT 1");
  } else if (table->is_soft) {
    sql = sqlite3_mprintf("UPDATE %s SET deleted_at = %lld, updated_at = %lld WHERE %s",
                          table->name, (long long)world->now_us, (long long)next_stamp(world),
                          where);
  } else {
    sql = sqlite3_mprintf("DELETE FROM %s WHERE %s", table->name, where);
  }
  if (run(world, sql) == SQLITE_OK && sqlite3_changes(people->server) > 0)
    sim_say(world, "server: %.140s", sql);
  note_seen(people, t, joined, column->name, value);
  sqlite3_free(sql);
  sqlite3_free(value);
  sqlite3_free(literal);
  sqlite3_free(joined);
  sqlite3_free(where);
  sqlite3_free(list);
  for (int i = 0; i < table->nkey; i++) sqlite3_free(key[i]);
}

void people_model_write(sim_world *world) {
  int t = sim_below(world, world->people->schema.ntables);
  for (int n = 1 + sim_below(world, 4); n > 0; n--) change_row(world, t, sim_below(world, 100));
}

/* Rights are taken from a user, for some rows or all of a table, or given back. */
void people_model_hide(sim_world *world, int show_all) {
  int user = sim_below(world, world->people->nusers),
      t = sim_below(world, world->people->schema.ntables);
  char sql[200];
  for (int i = 0; i < world->people->schema.ntables; i++) {
    if (!show_all && i != t) continue;
    if (show_all) snprintf(sql, sizeof sql, "UPDATE t%d SET hidden = 0", i);
    else if (sim_chance(world, 500))
      snprintf(sql, sizeof sql, "UPDATE t%d SET hidden = hidden & ~%d", i, 1 << user);
    else
      snprintf(sql, sizeof sql, "UPDATE t%d SET hidden = hidden | %d WHERE rowid %% 3 = %d", i,
               1 << user, sim_below(world, 3));
    run(world, sql);
    sim_say(world, "server: %s", sql);
  }
}
