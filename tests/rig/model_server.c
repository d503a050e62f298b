/* See model_server.h. The rows live in an SQLite database in memory, so that JSON is SQLite's
** business. */
#define _GNU_SOURCE /* strcasestr */

#include "model_server.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/instant.h"
#include "fake_transport.h"

enum { MAX_FILTERS = 8, TEXT = 512 };

typedef struct filter {
  char column[64], value[TEXT];
} filter;

typedef struct call {
  model_server *model;
  leadx_request *req;
  char table[64];
  filter eq[MAX_FILTERS];
  int neq;
  char *in; /* the decoded value of an in.(…) or or=(…) parameter */
  int refused;
} call;

/* ---- SQL ---- */

static sqlite3_stmt *prepare(model_server *model, const char *sql) {
  sqlite3_stmt *stmt = NULL;
  ck_assert_msg(sqlite3_prepare_v2(model->db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql,
                sqlite3_errmsg(model->db));
  return stmt;
}

/* Binds texts and runs; answers the first column of the first row in malloc memory, or NULL. */
static char *ask(model_server *model, const char *sql, const char *a, const char *b,
                 const char *c) {
  const char *texts[] = {a, b, c};
  sqlite3_stmt *stmt = prepare(model, sql);
  for (int i = 0; i < sqlite3_bind_parameter_count(stmt); i++)
    sqlite3_bind_text(stmt, i + 1, texts[i], -1, SQLITE_TRANSIENT);
  int rc = sqlite3_step(stmt);
  ck_assert_msg(rc == SQLITE_ROW || rc == SQLITE_DONE, "%s: %s", sql, sqlite3_errmsg(model->db));
  const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
  char *copy = text ? strdup(text) : NULL;
  sqlite3_finalize(stmt);
  return copy;
}

static void run(model_server *model, const char *sql, const char *a, const char *b, const char *c) {
  free(ask(model, sql, a, b, c));
}

/* The row's key: its key columns joined with '|'. */
static char *key_of(model_server *model, const char *doc) {
  char *copy = strdup(model->key), *key = strdup("");
  for (char *column = strtok(copy, ","); column; column = strtok(NULL, ",")) {
    char path[80];
    snprintf(path, sizeof path, "$.%s", column);
    char *value = ask(model, "SELECT lower(ifnull(json_extract(?1, ?2), ''))", doc, path, NULL);
    char *more = malloc(strlen(key) + strlen(value) + 2);
    sprintf(more, "%s%s%s", key, *key ? "|" : "", value);
    free(key);
    free(value);
    key = more;
  }
  free(copy);
  return key;
}

static void next_version(model_server *model, char out[LEADX_INSTANT_BYTES + 8]) {
  leadx_instant_format(++model->clock_us, out);
  out[strlen(out) - 1] = 0;
  strcat(out, "+00:00");
}

/* Every row has every column of its table, as in PostgreSQL: what a document does not name is null.
** Columns are noted before the savepoint of a write, so that they stay when it is rolled back. */
static void note_columns(model_server *model, const char *table, const char *rows) {
  run(model,
      "INSERT OR IGNORE INTO columns(tbl, name) SELECT ?1, j.key FROM json_each(?2) e, "
      "json_each(e.value) j",
      table, rows, NULL);
}

/* Fills the row of that key; NULL: all of them. */
static void fill_columns(model_server *model, const char *table, const char *key) {
  sqlite3_stmt *stmt = prepare(model, "SELECT '$.' || name FROM columns WHERE tbl = ?1");
  sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
  while (sqlite3_step(stmt) == SQLITE_ROW) {
    run(model,
        "UPDATE rows SET doc = json_insert(doc, ?3, NULL) WHERE tbl = ?1 AND (?2 IS NULL OR key = "
        "?2)",
        table, key, (const char *)sqlite3_column_text(stmt, 0));
  }
  sqlite3_finalize(stmt);
}

/* Puts a document over what stands there, stamped. */
static void store(model_server *model, const char *table, const char *key, const char *doc) {
  char version[LEADX_INSTANT_BYTES + 8], path[80];
  next_version(model, version);
  run(model,
      "INSERT INTO rows(tbl, key, doc) VALUES (?1, ?2, ?3) ON CONFLICT(tbl, key) DO UPDATE SET doc "
      "= excluded.doc",
      table, key, doc);
  fill_columns(model, table, key);
  if (!model->version) return;
  snprintf(path, sizeof path, "$.%s", model->version);
  sqlite3_stmt *stmt = prepare(
      model, "UPDATE rows SET doc = json_set(doc, ?3, ?4) WHERE tbl = ?1 AND key = ?2");
  sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
  sqlite3_bind_text(stmt, 2, key, -1, SQLITE_STATIC);
  sqlite3_bind_text(stmt, 3, path, -1, SQLITE_STATIC);
  sqlite3_bind_text(stmt, 4, version, -1, SQLITE_STATIC);
  ck_assert_int_eq(sqlite3_step(stmt), SQLITE_DONE);
  sqlite3_finalize(stmt);
}

/* ---- errors ---- */

static void refuse(call *c, long status, const char *code, const char *message) {
  char body[400];
  if (c->refused) return;
  c->refused = 1;
  snprintf(body, sizeof body, "{\"code\":\"%s\",\"details\":null,\"hint\":null,\"message\":\"%s\"}",
           code, message);
  fake_answer(c->req, status, body);
}

/* ---- the address ---- */

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

static void take_parameter(call *c, const char *at, size_t n) {
  const char *equals = memchr(at, '=', n);
  ck_assert_ptr_nonnull(equals);
  size_t name = (size_t)(equals - at), left = n - name - 1;
  const char *value = equals + 1;
  if (strncmp(value, "eq.", 3) == 0) {
    ck_assert_int_lt(c->neq, MAX_FILTERS);
    decode(at, name, c->eq[c->neq].column, sizeof c->eq[0].column);
    decode(value + 3, left - 3, c->eq[c->neq].value, sizeof c->eq[0].value);
    c->neq++;
  } else if (strncmp(value, "in.(", 4) == 0 || strncmp(at, "or=(", 4) == 0) {
    c->in = malloc(left + 1);
    decode(value, left, c->in, left + 1);
  }
}

static void parse(call *c) {
  const char *path = strstr(c->req->url, "/rest/v1/") + 9, *query = strchr(path, '?');
  decode(path, query ? (size_t)(query - path) : strlen(path), c->table, sizeof c->table);
  while (query) {
    const char *from = query + 1;
    query = strchr(from, '&');
    take_parameter(c, from, query ? (size_t)(query - from) : strlen(from));
  }
}

/* ---- constraints ---- */

static int exists(model_server *model, const char *table, const char *key) {
  char *found = ask(model, "SELECT 1 FROM rows WHERE tbl = ?1 AND key = ?2", table, key, NULL);
  free(found);
  return found != NULL;
}

/* Calls back for each foreign key "child.column>parent". */
static void each_reference(call *c,
                           void (*check)(call *, const char *, const char *, const char *,
                                         const char *),
                           const char *arg) {
  char *copy = c->model->references ? strdup(c->model->references) : NULL, *save = NULL;
  for (char *one = copy ? strtok_r(copy, ";", &save) : NULL; one;
       one = strtok_r(NULL, ";", &save)) {
    char child[64], column[64], parent[64];
    ck_assert_int_eq(sscanf(one, "%63[^.].%63[^>]>%63s", child, column, parent), 3);
    check(c, child, column, parent, arg);
  }
  free(copy);
}

/* After the statement, as PostgreSQL checks: rows of one INSERT may refer to each other. */
static void check_parent(call *c, const char *child, const char *column, const char *parent,
                         const char *doc) {
  char path[80];
  if (strcmp(child, c->table) != 0) return;
  snprintf(path, sizeof path, "$.%s", column);
  char *key = ask(c->model, "SELECT lower(json_extract(?1, ?2))", doc, path, NULL);
  if (key && !exists(c->model, parent, key))
    refuse(c, 409, "23503", "violates foreign key constraint");
  free(key);
}

static void check_children(call *c, const char *child, const char *column, const char *parent,
                           const char *key) {
  char path[80];
  if (strcmp(parent, c->table) != 0) return;
  snprintf(path, sizeof path, "$.%s", column);
  char *found = ask(c->model,
                    "SELECT 1 FROM rows WHERE tbl = ?1 AND lower(json_extract(doc, ?2)) = ?3",
                    child, path, key);
  if (found) refuse(c, 409, "23503", "is still referenced from another table");
  free(found);
}

static void check_unique(call *c, const char *key, const char *doc) {
  char table[64], column[64], path[80];
  if (!c->model->unique) return;
  ck_assert_int_eq(sscanf(c->model->unique, "%63[^.].%63s", table, column), 2);
  if (strcmp(table, c->table) != 0) return;
  snprintf(path, sizeof path, "$.%s", column);
  char *value = ask(c->model, "SELECT json_extract(?1, ?2)", doc, path, NULL);
  sqlite3_stmt *stmt = prepare(
      c->model, "SELECT 1 FROM rows WHERE tbl = ?1 AND key <> ?2 AND json_extract(doc, ?3) = ?4");
  sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
  sqlite3_bind_text(stmt, 2, key, -1, SQLITE_STATIC);
  sqlite3_bind_text(stmt, 3, path, -1, SQLITE_STATIC);
  sqlite3_bind_text(stmt, 4, value, -1, SQLITE_STATIC);
  if (sqlite3_step(stmt) == SQLITE_ROW)
    refuse(c, 409, "23505",
           "duplicate key value violates unique constraint \\\"customers_code_key\\\"");
  sqlite3_finalize(stmt);
  free(value);
}

static void check_row(call *c, const char *key, const char *doc) {
  if (c->model->poison && strstr(doc, c->model->poison))
    refuse(c, 400, "23514", "violates check constraint");
  check_unique(c, key, doc);
  each_reference(c, check_parent, doc);
}

/* ---- the four methods ---- */

static void append(char **list, const char *doc) {
  size_t n = strlen(*list);
  *list = realloc(*list, n + strlen(doc) + 3);
  sprintf(*list + n, "%s%s", n > 1 ? "," : "", doc);
}

static void append_stored(call *c, char **list, const char *key) {
  char *doc = ask(c->model, "SELECT doc FROM rows WHERE tbl = ?1 AND key = ?2", c->table, key,
                  NULL);
  append(list, doc);
  free(doc);
}

/* Ends a write: all of it or nothing, and the rows where they were asked for. */
static void end_write(call *c, char *rows, long status) {
  const char *prefer = fake_header(c->req, "Prefer");
  run(c->model, c->refused ? "ROLLBACK TO w" : "RELEASE w", NULL, NULL, NULL);
  if (c->refused) {
    run(c->model, "RELEASE w", NULL, NULL, NULL);
  } else if (prefer && strstr(prefer, "return=representation")) {
    append(&rows, "");
    size_t n = strlen(rows);
    if (rows[n - 1] == ',') rows[n - 1] = 0;
    rows = realloc(rows, n + 2);
    strcat(rows, "]");
    fake_answer(c->req, status, rows);
  } else {
    fake_answer(c->req, status, "");
  }
  free(rows);
}

static void insert_one(call *c, const char *doc, int ignore, char **rows) {
  char *key = key_of(c->model, doc);
  if (exists(c->model, c->table, key)) {
    if (!ignore)
      refuse(c, 409, "23505", "duplicate key value violates unique constraint \\\"t_pkey\\\"");
  } else {
    store(c->model, c->table, key, doc);
    append_stored(c, rows, key);
  }
  free(key);
}

static void post(call *c) {
  const char *prefer = fake_header(c->req, "Prefer");
  int ignore = prefer && strstr(prefer, "ignore-duplicates");
  char *rows = strdup("["), *key;
  if (c->model->write_only && (ignore || strstr(prefer, "representation"))) {
    refuse(c, 403, "42501", "permission denied for table");
    free(rows);
    return;
  }
  note_columns(c->model, c->table, c->req->body);
  if (sqlite3_changes(c->model->db) > 0) fill_columns(c->model, c->table, NULL);
  run(c->model, "SAVEPOINT w", NULL, NULL, NULL);
  sqlite3_stmt *each = prepare(
      c->model,
      "SELECT value, (SELECT group_concat(key) FROM json_each(e.value)) FROM json_each(?1) e");
  sqlite3_bind_text(each, 1, c->req->body, -1, SQLITE_STATIC);
  char *shape = NULL;
  while (sqlite3_step(each) == SQLITE_ROW) {
    const char *members = (const char *)sqlite3_column_text(each, 1);
    if (shape && strcmp(shape, members) != 0)
      refuse(c, 400, "PGRST102", "All object keys must match");
    if (!shape) shape = strdup(members);
    insert_one(c, (const char *)sqlite3_column_text(each, 0), ignore, &rows);
  }
  sqlite3_reset(each);
  while (sqlite3_step(each) == SQLITE_ROW) {
    const char *doc = (const char *)sqlite3_column_text(each, 0);
    key = key_of(c->model, doc);
    check_row(c, key, doc);
    free(key);
  }
  sqlite3_finalize(each);
  free(shape);
  end_write(c, rows, 201);
}

static int matches(call *c, const char *doc) {
  for (int i = 0; i < c->neq; i++) {
    char path[80];
    snprintf(path, sizeof path, "$.%s", c->eq[i].column);
    char *value = ask(c->model, "SELECT json_extract(?1, ?2)", doc, path, NULL);
    int same = value && sqlite3_stricmp(value, c->eq[i].value) == 0;
    free(value);
    if (!same) return 0;
  }
  return 1;
}

/* The row that the filters of a PATCH or DELETE reach: a filter without a key would reach many, and
** the log tells. */
static char *find_target(call *c) {
  char *found = NULL;
  sqlite3_stmt *stmt = prepare(c->model, "SELECT key, doc FROM rows WHERE tbl = ?1");
  sqlite3_bind_text(stmt, 1, c->table, -1, SQLITE_STATIC);
  while (!found && sqlite3_step(stmt) == SQLITE_ROW) {
    if (matches(c, (const char *)sqlite3_column_text(stmt, 1)))
      found = strdup((const char *)sqlite3_column_text(stmt, 0));
  }
  sqlite3_finalize(stmt);
  return found;
}

static void patch(call *c) {
  char *key = find_target(c), *rows = strdup("[");
  run(c->model, "SAVEPOINT w", NULL, NULL, NULL);
  if (key) {
    char *doc = ask(c->model,
                    "WITH RECURSIVE m(n, k, v) AS (SELECT row_number() OVER (), key, "
                    "json_quote(iif(type IN ('object','array'), json(value),"
                    " iif(type = 'true', json('true'), iif(type = 'false', json('false'), "
                    "value)))) FROM json_each(?3)),"
                    " d(n, doc) AS (SELECT 0, (SELECT doc FROM rows WHERE tbl = ?1 AND key = ?2)"
                    " UNION ALL SELECT m.n, json_set(d.doc, '$.' || m.k, json(m.v)) FROM d JOIN m "
                    "ON m.n = d.n + 1)"
                    " SELECT doc FROM d ORDER BY n DESC LIMIT 1",
                    c->table, key, c->req->body);
    store(c->model, c->table, key, doc);
    check_row(c, key, doc);
    append_stored(c, &rows, key);
    free(doc);
  }
  free(key);
  end_write(c, rows, 200);
}

static void delete_(call *c) {
  char *key = find_target(c), *rows = strdup("[");
  run(c->model, "SAVEPOINT w", NULL, NULL, NULL);
  if (key) {
    each_reference(c, check_children, key);
    append_stored(c, &rows, key);
    run(c->model, "DELETE FROM rows WHERE tbl = ?1 AND key = ?2", c->table, key, NULL);
  }
  free(key);
  end_write(c, rows, 200);
}

/* Is the row one of those that in.(…) or or=(and(…),…) names? Keys in tests have no commas. */
static int is_named(const char *list, const char *key) {
  char *copy = strdup(key), *save = NULL;
  int all = 1;
  if (list[0] == 'i') {
    char first[TEXT];
    snprintf(first, sizeof first, "%s", key);
    const char *at = list;
    size_t n = strlen(first);
    all = 0;
    while (!all && (at = strcasestr(at, first)) != NULL) {
      all = strchr("(,\"", at[-1]) && strchr("),\"", at[n]);
      at++;
    }
  } else {
    for (char *part = strtok_r(copy, "|", &save); part && all; part = strtok_r(NULL, "|", &save))
      all = strcasestr(list, part) != NULL;
  }
  free(copy);
  return all;
}

static void get(call *c) {
  char *rows = strdup("[");
  int n = 0;
  if (c->model->write_only) refuse(c, 403, "42501", "permission denied for table");
  sqlite3_stmt *stmt = prepare(c->model, "SELECT key, doc FROM rows WHERE tbl = ?1 ORDER BY key");
  sqlite3_bind_text(stmt, 1, c->table, -1, SQLITE_STATIC);
  while (!c->refused && sqlite3_step(stmt) == SQLITE_ROW &&
         (c->model->max_rows == 0 || n < c->model->max_rows)) {
    if (c->in ? !is_named(c->in, (const char *)sqlite3_column_text(stmt, 0))
              : !matches(c, (const char *)sqlite3_column_text(stmt, 1)))
      continue;
    append(&rows, (const char *)sqlite3_column_text(stmt, 1));
    n++;
  }
  sqlite3_finalize(stmt);
  rows = realloc(rows, strlen(rows) + 2);
  strcat(rows, "]");
  if (!c->refused) fake_answer(c->req, 200, rows);
  free(rows);
}

void model_deliver(model_server *model, leadx_request *req) {
  call c = {.model = model, .req = req};
  if (strstr(req->url, "/rest/v1/rpc/")) {
    if (model->functions) model->functions(model, req);
    else refuse(&c, 404, "PGRST202", "Could not find the function in the schema cache");
    return;
  }
  parse(&c);
  if (strcmp(req->method, "POST") == 0) post(&c);
  else if (strcmp(req->method, "PATCH") == 0) patch(&c);
  else if (strcmp(req->method, "DELETE") == 0) delete_(&c);
  else get(&c);
  free(c.in);
}

static void note(model_server *model, const leadx_request *req) {
  const char *prefer = fake_header(req, "Prefer");
  model->log = realloc(model->log, sizeof *model->log * (size_t)(model->n + 1));
  model->log[model->n++] = (model_request){req->method, strdup(req->url),
                                           strdup(req->body ? req->body : ""),
                                           strdup(prefer ? prefer : "")};
}

void model_respond(void *ctx, leadx_request *req) {
  model_server *model = ctx;
  note(model, req);
  if (!model->before || !model->before(model->ctx, req)) model_deliver(model, req);
  if (model->after) model->after(model->ctx, req);
}

/* ---- for tests ---- */

void model_open(model_server *model) {
  memset(model, 0, sizeof *model);
  model->key = "id";
  model->version = "updated_at";
  model->clock_us = leadx_clock_wall_us();
  ck_assert_int_eq(sqlite3_open(":memory:", &model->db), SQLITE_OK);
  run(model, "CREATE TABLE rows(tbl TEXT, key TEXT, doc TEXT, PRIMARY KEY(tbl, key)) WITHOUT ROWID",
      NULL, NULL, NULL);
  run(model, "CREATE TABLE columns(tbl TEXT, name TEXT, PRIMARY KEY(tbl, name)) WITHOUT ROWID",
      NULL, NULL, NULL);
}

void model_forget_log(model_server *model) {
  for (int i = 0; i < model->n; i++) {
    free(model->log[i].url);
    free(model->log[i].body);
    free(model->log[i].prefer);
  }
  model->n = 0;
}

void model_close(model_server *model) {
  model_forget_log(model);
  free(model->log);
  sqlite3_close(model->db);
}

void model_put(model_server *model, const char *table, const char *key, const char *doc) {
  store(model, table, key, doc);
}

void model_remove(model_server *model, const char *table, const char *key) {
  run(model, "DELETE FROM rows WHERE tbl = ?1 AND key = ?2", table, key, NULL);
}

const char *model_value(model_server *model, const char *table, const char *key,
                        const char *column) {
  static char value[TEXT];
  char path[80];
  snprintf(path, sizeof path, "$.%s", column);
  char *text = ask(model,
                   "SELECT ifnull(json_extract(doc, ?3), '') FROM rows WHERE tbl = ?1 AND key = ?2",
                   table, key, path);
  snprintf(value, sizeof value, "%s", text ? text : "(no row)");
  free(text);
  return value;
}

int model_count(model_server *model, const char *table) {
  char *n = ask(model, "SELECT count(*) FROM rows WHERE tbl = ?1", table, NULL, NULL);
  int count = atoi(n);
  free(n);
  return count;
}

int model_seen(const model_server *model, const char *method, const char *text) {
  int seen = 0;
  for (int i = 0; i < model->n; i++) {
    const model_request *r = &model->log[i];
    seen += (!method || strcmp(r->method, method) == 0) &&
            (!text || strstr(r->url, text) || strstr(r->body, text));
  }
  return seen;
}

int model_unfiltered(const model_server *model) {
  int n = 0;
  for (int i = 0; i < model->n; i++) {
    const model_request *r = &model->log[i];
    char first[80];
    snprintf(first, sizeof first, "?%.*s=eq.", (int)strcspn(model->key, ","), model->key);
    n += (strcmp(r->method, "PATCH") == 0 || strcmp(r->method, "DELETE") == 0) &&
         !strstr(r->url, first);
  }
  return n;
}
