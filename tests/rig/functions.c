/* See functions.h. */
#include "functions.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/instant.h"
#include "fake_transport.h"
#include "rest/rest.h"

/* ---- SQL ---- */

static void instant(sqlite3_context *context, int n, sqlite3_value **values) {
  const char *text = (const char *)sqlite3_value_text(values[0]);
  int64_t us = 0;
  (void)n;
  if (text && leadx_instant_parse(text, strlen(text), &us) == 0) sqlite3_result_int64(context, us);
}

/* The first value of a question with up to three texts, in sqlite3_malloc memory; NULL for none. */
static char *ask(model_server *model, const char *sql, const char *a, const char *b,
                 const char *c) {
  const char *texts[] = {a, b, c};
  sqlite3_stmt *stmt = NULL;
  ck_assert_msg(sqlite3_prepare_v2(model->db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql,
                sqlite3_errmsg(model->db));
  for (int i = 0; i < sqlite3_bind_parameter_count(stmt); i++)
    sqlite3_bind_text(stmt, i + 1, texts[i], -1, SQLITE_TRANSIENT);
  int rc = sqlite3_step(stmt);
  ck_assert_msg(rc == SQLITE_ROW || rc == SQLITE_DONE, "%s: %s", sql, sqlite3_errmsg(model->db));
  const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
  char *copy = text ? sqlite3_mprintf("%s", text) : NULL;
  sqlite3_finalize(stmt);
  return copy;
}

/* A part of a JSON text: as a value (->>) or as JSON (->). */
static char *value_at(model_server *model, const char *json, const char *path) {
  return ask(model, "SELECT ?1 ->> ?2", json, path, NULL);
}
static char *json_at_path(model_server *model, const char *json, const char *path) {
  return ask(model, "SELECT ?1 -> ?2", json, path, NULL);
}

/* ---- leadx_push ---- */

typedef struct operation {
  char *op, *table, *action, *version, *row, *where;
} operation;

static void append_conditions(model_server *model, const char *item, sqlite3_str *where) {
  char *columns = strdup(model->key), path[20];
  int i = 0;
  for (char *column = strtok(columns, ","); column; column = strtok(NULL, ","), i++) {
    snprintf(path, sizeof path, "$.key[%d]", i);
    char *value = value_at(model, item, path);
    ck_assert_ptr_nonnull(value);
    leadx_rest_filter_eq(where, i == 0, column, value, strlen(value));
    sqlite3_free(value);
  }
  free(columns);
}

static operation read_operation(model_server *model, const char *item) {
  sqlite3_str *where = sqlite3_str_new(NULL);
  append_conditions(model, item, where);
  return (operation){value_at(model, item, "$.op"),      value_at(model, item, "$.table"),
                     value_at(model, item, "$.action"),  value_at(model, item, "$.version"),
                     json_at_path(model, item, "$.row"), sqlite3_str_finish(where)};
}

static void free_operation(operation *o) {
  sqlite3_free(o->op);
  sqlite3_free(o->table);
  sqlite3_free(o->action);
  sqlite3_free(o->version);
  sqlite3_free(o->row);
  sqlite3_free(o->where);
}

/* Asks the model as PostgREST would be asked. */
static leadx_request *ask_plainly(model_server *model, const operation *o, const char *method) {
  leadx_request *req = leadx_request_new(method);
  sqlite3_str *url = sqlite3_str_new(NULL);
  int create = strcmp(method, "POST") == 0;
  sqlite3_str_appendf(url, "https://model.example/rest/v1/%s%s", o->table,
                      create ? "?on_conflict=" : o->where);
  if (create) sqlite3_str_appendall(url, model->key);
  if (o->version && strcmp(method, "GET") != 0 && !create)
    leadx_rest_filter_eq(url, 0, model->version, o->version, strlen(o->version));
  req->url = sqlite3_str_finish(url);
  if (o->row && strcmp(method, "GET") != 0)
    req->body = create ? sqlite3_mprintf("[%s]", o->row) : sqlite3_mprintf("%s", o->row);
  req->body_bytes = req->body ? strlen(req->body) : 0;
  leadx_request_header(req, "Prefer",
                       create && model->write_only ? "return=minimal"
                       : create ? "resolution=ignore-duplicates,return=representation"
                                : "return=representation");
  model_deliver(model, req);
  return req;
}

/* The row as it is now, as JSON; NULL when it is not there or may not be read. */
static char *visible_row(model_server *model, const operation *o) {
  leadx_request *req = ask_plainly(model, o, "GET");
  char *row = req->status == 200 ? json_at_path(model, req->answer, "$[0]") : NULL;
  leadx_request_free(req);
  return row;
}

static void append_answer(sqlite3_str *out, const operation *o, const char *status, const char *row,
                          const char *code, const char *message) {
  sqlite3_str_appendf(out, "%s{\"op\":\"%s\",\"status\":\"%s\",\"row\":%s,\"code\":",
                      sqlite3_str_length(out) > 1 ? "," : "", o->op, status, row ? row : "null");
  if (code) leadx_json_append_string(out, code, strlen(code));
  else sqlite3_str_appendall(out, "null");
  sqlite3_str_appendall(out, ",\"message\":");
  if (message) leadx_json_append_string(out, message, strlen(message));
  else sqlite3_str_appendall(out, "null");
  sqlite3_str_appendall(out, "}");
}

static void perform(model_server *model, const operation *o, sqlite3_str *out) {
  int create = strcmp(o->action, "CREATE") == 0;
  leadx_request *req = ask_plainly(model, o,
                                   create                             ? "POST"
                                   : strcmp(o->action, "UPDATE") == 0 ? "PATCH"
                                                                      : "DELETE");
  if (req->status >= 300) {
    char *code = value_at(model, req->answer, "$.code"),
         *message = value_at(model, req->answer, "$.message");
    append_answer(out, o, "error", NULL, code, message);
    sqlite3_free(code);
    sqlite3_free(message);
  } else {
    char *row = req->answer_bytes ? json_at_path(model, req->answer, "$[0]") : NULL;
    int applied = row != NULL || (create && model->write_only);
    if (applied) sqlite3_free(ask(model, "INSERT INTO ops VALUES (?1)", o->op, NULL, NULL));
    else row = visible_row(model, o);
    append_answer(out, o, applied ? "applied" : row ? "conflict" : "gone", row, NULL, NULL);
    sqlite3_free(row);
  }
  leadx_request_free(req);
}

static void push(model_server *model, leadx_request *req) {
  sqlite3_stmt *items = NULL;
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_appendall(out, "[");
  ck_assert_int_eq(
      sqlite3_prepare_v2(model->db, "SELECT value FROM json_each(?1, '$.ops')", -1, &items, NULL),
      SQLITE_OK);
  sqlite3_bind_text(items, 1, req->body, -1, SQLITE_STATIC);
  while (sqlite3_step(items) == SQLITE_ROW) {
    operation o = read_operation(model, (const char *)sqlite3_column_text(items, 0));
    char *known = ask(model, "SELECT op FROM ops WHERE op = ?1", o.op, NULL, NULL);
    char *row = known ? visible_row(model, &o) : NULL;
    if (known) append_answer(out, &o, "replayed", row, NULL, NULL);
    else perform(model, &o, out);
    sqlite3_free(row);
    sqlite3_free(known);
    free_operation(&o);
  }
  sqlite3_finalize(items);
  sqlite3_str_appendall(out, "]");
  char *answer = sqlite3_str_finish(out);
  fake_answer(req, 200, answer);
  sqlite3_free(answer);
}

/* ---- leadx_pull ---- */

static void pull(model_server *model, leadx_request *req) {
  char *tbl = value_at(model, req->body, "$.tbl"),
       *after = json_at_path(model, req->body, "$.after"),
       *lim = value_at(model, req->body, "$.lim");
  char *from = ask(model,
                   "SELECT ifnull(?1 ->> '$.gone_id', iif(?1 ->> '$.gone_at' IS NULL, (SELECT "
                   "ifnull(max(id), 0) FROM graves), 0))",
                   after, NULL, NULL);
  sqlite3_free(ask(model, "DROP TABLE IF EXISTS page", NULL, NULL, NULL));
  sqlite3_free(ask(model, "CREATE TEMP TABLE page(n INTEGER PRIMARY KEY, key, version, doc)", NULL,
                   NULL, NULL));
  sqlite3_free(ask(model,
                   "INSERT INTO page(key, version, doc) SELECT key, doc ->> '$.updated_at', doc "
                   "FROM rows WHERE tbl = ?1 AND (?2 ->> '$.version' IS NULL OR"
                   " (instant(doc ->> '$.updated_at'), key) > (instant(?2 ->> '$.version'), "
                   "ifnull(?2 ->> '$.key[0]', '~')))"
                   " ORDER BY instant(doc ->> '$.updated_at'), key LIMIT ?3",
                   tbl, after, lim));
  char *rows = ask(model, "SELECT json_group_array(json(doc)) FROM page", NULL, NULL, NULL);
  char *gone = ask(model,
                   "SELECT json_group_array(key) FROM (SELECT key FROM graves g WHERE tbl = ?1 AND "
                   "id > ?2 AND NOT EXISTS"
                   " (SELECT 1 FROM rows r WHERE r.tbl = g.tbl AND r.key = g.key) ORDER BY id)",
                   tbl, from, NULL);
  char *place = ask(model,
                    "SELECT json_patch(ifnull(?1, '{}'), ifnull((SELECT json_object('version', "
                    "version, 'key', json_array(key)) FROM page"
                    " ORDER BY n DESC LIMIT 1), '{}'))",
                    after, NULL, NULL);
  char *cursor = ask(model,
                     "SELECT json_set(?1, '$.gone_at', ifnull(?1 ->> '$.gone_at', 'x'), "
                     "'$.gone_id', (SELECT max(?2, ifnull(max(id), 0))"
                     " FROM graves WHERE tbl = ?3))",
                     place, from, tbl);
  char *more = ask(model,
                   "SELECT iif((SELECT count(*) FROM page) = CAST(?1 AS INTEGER), 'true', 'false')",
                   lim, NULL, NULL);
  char *answer = sqlite3_mprintf("{\"rows\":%s,\"gone\":%s,\"cursor\":%s,\"more\":%s}", rows, gone,
                                 cursor, more);
  fake_answer(req, 200, answer);
  char *const all[] = {tbl, after, lim, from, rows, gone, place, cursor, more, answer};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) sqlite3_free(all[i]);
}

/* ---- for tests ---- */

void functions_respond(model_server *model, leadx_request *req) {
  if (strstr(req->url, "/rpc/leadx_push")) push(model, req);
  else if (strstr(req->url, "/rpc/leadx_pull")) pull(model, req);
  else fake_answer(req, 200, "{}");
  req->date_s = model->clock_us / 1000000;
}

void functions_open(model_server *model) {
  model->functions = functions_respond;
  ck_assert_int_eq(sqlite3_create_function(model->db, "instant", 1,
                                           SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, instant, NULL,
                                           NULL),
                   SQLITE_OK);
  run_on(model->db, "CREATE TABLE ops(op TEXT PRIMARY KEY); CREATE TABLE graves(id INTEGER PRIMARY "
                    "KEY, tbl TEXT, key TEXT);"
                    "CREATE TRIGGER bury AFTER DELETE ON rows BEGIN INSERT INTO graves(tbl, key) "
                    "VALUES (OLD.tbl, OLD.key); END");
}

void functions_know(push_device *device) {
  char *sql = sqlite3_mprintf("INSERT OR REPLACE INTO leadx_servers(origin, schema, asked_us, "
                              "installed) SELECT 'https://model.example/rest/v1', '',"
                              " unixepoch() * 1000000, json_group_object(table_name, "
                              "json_object('stamp', json('true'), 'tombstones', json('true'),"
                              " 'version', 'updated_at', 'keys', json('[\"' || replace(%Q, ',', "
                              "'\",\"') || '\"]'))) FROM leadx_tables",
                              device->model->key);
  device_run(device, sql);
  sqlite3_free(sql);
}
