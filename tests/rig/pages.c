/* See pages.h. */
#include "pages.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/instant.h"
#include "fake_transport.h"

int (*pages_before)(leadx_request *req);
void (*pages_after)(leadx_request *req);
int64_t pages_skew_s, pages_guess;

/* ---- values ---- */

/* What a value is compared by: instants as microseconds, digits as numbers, the rest as text. */
static void ord(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc;
  int64_t us;
  const char *text = (const char *)sqlite3_value_text(argv[0]);
  if (!text) return;
  size_t n = strlen(text);
  if (n > 0 && n < 19 && text[strspn(text, "0123456789")] == 0)
    sqlite3_result_int64(context, atoll(text));
  else if (n >= 19 && text[4] == '-' && leadx_instant_parse(text, n, &us) == 0)
    sqlite3_result_int64(context, us);
  else if (strcmp(text, "infinity") == 0) sqlite3_result_int64(context, INT64_MAX);
  else sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}

static int hex(char c) { return c <= '9' ? c - '0' : (c | 32) - 'a' + 10; }

static char *decode(const char *from, size_t n) {
  char *out = malloc(n + 1), *to = out;
  for (size_t i = 0; i < n; i++) {
    ck_assert_msg(from[i] != '+' && from[i] != ' ', "a blank or plus that is not escaped: %s",
                  from); /* C5 */
    if (from[i] == '%') {
      *to++ = (char)(hex(from[i + 1]) * 16 + hex(from[i + 2]));
      i += 2;
    } else {
      *to++ = from[i];
    }
  }
  *to = 0;
  return out;
}

/* ---- conditions: "column.op.value" and "and(…)", translated to SQL ---- */

/* Copies up to one of the stops, unquoting; moves *at. */
static char *take_text(const char **at, const char *stops) {
  char *out = malloc(strlen(*at) + 1), *to = out;
  if (**at == '"') {
    for (++*at; **at && **at != '"'; ++*at) {
      if (**at == '\\') ++*at;
      *to++ = **at;
    }
    ck_assert_int_eq(**at, '"');
    ++*at;
  } else {
    while (**at && !strchr(stops, **at)) *to++ = *(*at)++;
  }
  *to = 0;
  return out;
}

static void append_test(sqlite3_str *sql, const char *column, const char *op, const char **at,
                        const char *stops) {
  static const char *const ops[][2] = {{"eq", "="}, {"gt", ">"}, {"gte", ">="}, {"lt", "<"}};
  if (strcmp(op, "in") == 0) {
    ck_assert_int_eq(*(*at)++, '(');
    sqlite3_str_appendf(sql, "lower(json_extract(doc, '$.\"%w\"')) IN (", column);
    for (int i = 0; **at != ')'; i++) {
      if (i > 0) ck_assert_int_eq(*(*at)++, ',');
      char *value = take_text(at, ",)");
      sqlite3_str_appendf(sql, "%slower(%Q)", i ? "," : "", value);
      free(value);
    }
    ++*at;
    sqlite3_str_appendall(sql, ")");
    return;
  }
  char *value = take_text(at, stops);
  if (strcmp(op, "is") == 0) {
    ck_assert_str_eq(value, "null");
    sqlite3_str_appendf(sql, "json_extract(doc, '$.\"%w\"') IS NULL", column);
  }
  for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
    if (strcmp(op, ops[i][0]) == 0)
      sqlite3_str_appendf(sql, "ord(json_extract(doc, '$.\"%w\"')) %s ord(%Q)", column, ops[i][1],
                          value);
  }
  free(value);
}

static void append_tree(sqlite3_str *sql, const char **at, const char *op);

static void append_node(sqlite3_str *sql, const char **at) {
  if (strncmp(*at, "and(", 4) == 0 || strncmp(*at, "or(", 3) == 0) {
    const char *op = **at == 'a' ? " AND " : " OR ";
    *at = strchr(*at, '(');
    append_tree(sql, at, op);
    return;
  }
  char *column = take_text(at, ".");
  ck_assert_int_eq(*(*at)++, '.');
  char *op = take_text(at, ".");
  ck_assert_int_eq(*(*at)++, '.');
  append_test(sql, column, op, at, ",)");
  free(column);
  free(op);
}

static void append_tree(sqlite3_str *sql, const char **at, const char *op) {
  ck_assert_int_eq(*(*at)++, '(');
  sqlite3_str_appendall(sql, "(");
  append_node(sql, at);
  while (**at == ',') {
    ++*at;
    sqlite3_str_appendall(sql, op);
    append_node(sql, at);
  }
  ck_assert_int_eq(*(*at)++, ')');
  sqlite3_str_appendall(sql, ")");
}

/* ---- one GET ---- */

typedef struct question {
  sqlite3_str *where;
  char *order, *select;
  int limit;
} question;

static void append_order(question *q, const char *value) {
  sqlite3_str *order = sqlite3_str_new(NULL);
  char *copy = strdup(value), *save = NULL;
  for (char *one = strtok_r(copy, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
    ck_assert_ptr_nonnull(strstr(one, ".asc"));
    *strstr(one, ".asc") = 0;
    sqlite3_str_appendf(order, ", ord(json_extract(doc, '$.\"%w\"')) NULLS LAST", one);
  }
  free(copy);
  sqlite3_free(q->order);
  q->order = sqlite3_str_finish(order);
}

static void take_parameter(question *q, const char *name, const char *value) {
  const char *at = value;
  if (strcmp(name, "select") == 0) {
    sqlite3_free(q->select);
    q->select = sqlite3_mprintf("%s", value);
  } else if (strcmp(name, "order") == 0) {
    append_order(q, value);
  } else if (strcmp(name, "limit") == 0) {
    q->limit = atoi(value);
  } else if (strcmp(name, "or") == 0) {
    sqlite3_str_appendall(q->where, " AND ");
    append_tree(q->where, &at, " OR ");
    ck_assert_int_eq(*at, 0);
  } else {
    char *op = take_text(&at, ".");
    ck_assert_int_eq(*at++, '.');
    sqlite3_str_appendall(q->where, " AND ");
    append_test(q->where, name, op, &at, "");
    free(op);
  }
}

static void parse(question *q, const char *query) {
  while (query) {
    const char *from = query + 1, *equals = strchr(from, '=');
    query = strchr(from, '&');
    ck_assert_ptr_nonnull(equals);
    char *name = decode(from, (size_t)(equals - from));
    char *value = decode(equals + 1, query ? (size_t)(query - equals) - 1 : strlen(equals + 1));
    take_parameter(q, name, value);
    free(name);
    free(value);
  }
}

static int64_t ask_int(sqlite3 *db, const char *sql) {
  sqlite3_stmt *stmt = NULL;
  ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql,
                sqlite3_errmsg(db));
  ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
  int64_t n = sqlite3_column_int64(stmt, 0);
  sqlite3_finalize(stmt);
  return n;
}

/* The row, or the members that select names. */
static char *projection(const char *select) {
  if (!select || strcmp(select, "*") == 0) return sqlite3_mprintf("doc");
  sqlite3_str *sql = sqlite3_str_new(NULL);
  char *copy = strdup(select), *save = NULL;
  sqlite3_str_appendall(sql, "json_object(");
  for (char *one = strtok_r(copy, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
    sqlite3_str_appendf(sql, "%s%Q, json_extract(doc, '$.\"%w\"')", one == copy ? "" : ",", one,
                        one);
  }
  free(copy);
  sqlite3_str_appendall(sql, ")");
  return sqlite3_str_finish(sql);
}

static void answer(model_server *model, leadx_request *req, question *q, const char *table) {
  int cap = model->max_rows && (q->limit == 0 || model->max_rows < q->limit) ? model->max_rows
            : q->limit                                                       ? q->limit
                                                                             : -1,
      n = 0;
  char *where = sqlite3_str_finish(q->where), *columns = projection(q->select);
  char *sql = sqlite3_mprintf("SELECT %s FROM rows WHERE tbl = %Q%s ORDER BY 1 = 1%s LIMIT %d",
                              columns, table, where ? where : "", q->order ? q->order : "", cap);
  char *count = sqlite3_mprintf("SELECT count(*) FROM rows WHERE tbl = %Q%s", table,
                                where ? where : "");
  sqlite3_stmt *stmt = NULL;
  ck_assert_msg(sqlite3_prepare_v2(model->db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql,
                sqlite3_errmsg(model->db));
  sqlite3_str *body = sqlite3_str_new(NULL);
  sqlite3_str_appendall(body, "[");
  for (; sqlite3_step(stmt) == SQLITE_ROW; n++)
    sqlite3_str_appendf(body, "%s%s", n ? ",\n " : "", (const char *)sqlite3_column_text(stmt, 0));
  sqlite3_finalize(stmt);
  sqlite3_str_appendall(body, "]");
  char *text = sqlite3_str_finish(body);
  fake_answer(req, 200, text);
  const char *prefer = fake_header(req, "Prefer");
  if (prefer && strstr(prefer, "count=")) {
    long long total = ask_int(model->db, count) + (strstr(prefer, "planned") ? pages_guess : 0);
    if (n > 0) snprintf(req->content_range, sizeof req->content_range, "0-%d/%lld", n - 1, total);
    else snprintf(req->content_range, sizeof req->content_range, "*/%lld", total);
  }
  sqlite3_free(text);
  sqlite3_free(where);
  sqlite3_free(columns);
  sqlite3_free(sql);
  sqlite3_free(count);
}

static int get(void *ctx, leadx_request *req) {
  model_server *model = ctx;
  if (strcmp(req->method, "GET") != 0 || strstr(req->url, "/rest/v1/rpc/")) return 0;
  if (!pages_before || !pages_before(req)) {
    const char *path = strstr(req->url, "/rest/v1/") + 9, *query = strchr(path, '?');
    char *table = decode(path, query ? (size_t)(query - path) : strlen(path));
    question q = {sqlite3_str_new(NULL), NULL, NULL, 0};
    parse(&q, query);
    answer(model, req, &q, table);
    sqlite3_free(q.order);
    sqlite3_free(q.select);
    free(table);
  }
  req->date_s = model->clock_us / 1000000 + pages_skew_s;
  if (pages_after) pages_after(req);
  return 1;
}

void pages_open(model_server *model) {
  model->before = get;
  model->ctx = model;
  pages_before = NULL;
  pages_after = NULL;
  pages_skew_s = pages_guess = 0;
  ck_assert_int_eq(sqlite3_create_function(model->db, "ord", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
                                           NULL, ord, NULL, NULL),
                   SQLITE_OK);
}

void pages_put(model_server *model, const char *table, const char *doc) {
  sqlite3_str *key = sqlite3_str_new(NULL);
  char *copy = strdup(model->key), *save = NULL;
  for (char *one = strtok_r(copy, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
    sqlite3_str_appendf(key, "%slower(json_extract(%Q, '$.%w'))", one == copy ? "" : "|| '|' ||",
                        doc, one);
  }
  char *expression = sqlite3_str_finish(key);
  char *sql = sqlite3_mprintf(
      "INSERT OR REPLACE INTO rows(tbl, key, doc) VALUES (%Q, %s, json(%Q))", table, expression,
      doc);
  run_on(model->db, sql);
  sqlite3_free(sql);
  sqlite3_free(expression);
  free(copy);
}

/* ---- devices ---- */

static leadx_transport *open_model(void *arg, const leadx_http_limits *limits, leadx_err *err) {
  push_device *device = arg;
  (void)limits;
  (void)err;
  return fake_transport_open(model_respond, device->model);
}

const char *device_sync_with(push_device *device, leadx_sync_options options) {
  options.trigger = "test";
  options.open_transport = open_model;
  options.arg = device;
  device_prepare(device);
  leadx_err_clear(&device->ctx->err);
  char *result = leadx_sync_report(device->ctx, &options, &device->ctx->err);
  leadx_db_release(&device->ctx->db);
  snprintf(device->result, sizeof device->result, "%s", result ? result : device->ctx->err.text);
  sqlite3_free(result);
  if (!result) return NULL;
  char *sql = sqlite3_mprintf("SELECT json_extract(%Q, '$.state')", device->result);
  const char *state = device_text(device, sql);
  sqlite3_free(sql);
  return state;
}

static const char *must(push_device *device, const char *state) {
  ck_assert_msg(state != NULL, "%s", device->result);
  return state;
}

const char *device_pull(push_device *device, const char *table) {
  leadx_sync_options options = {.who = "leadx_pull",
                                .without_push = 1,
                                .with_pull = 1,
                                .only_table = table,
                                .request_budget = -1};
  return must(device, device_sync_with(device, options));
}

const char *device_both(push_device *device) {
  leadx_sync_options options = {.who = "leadx_sync", .with_pull = 1, .request_budget = -1};
  return must(device, device_sync_with(device, options));
}

const char *device_reconcile(push_device *device) {
  leadx_sync_options options = {
      .who = "leadx_reconcile", .without_push = 1, .with_reconcile = 1, .request_budget = -1};
  return must(device, device_sync_with(device, options));
}

int device_step(push_device *device) {
  leadx_sync_options options = {.who = "leadx_step", .with_pull = 1, .request_budget = 1};
  must(device, device_sync_with(device, options));
  ck_assert_int_le(device_result(device, "requests"), 1);
  return device_result(device, "more");
}

const char *pages_url(const model_server *model, int i) {
  return i >= 0 && i < model->n ? model->log[i].url : "";
}
