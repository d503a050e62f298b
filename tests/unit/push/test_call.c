/* Pushing by the server's function: what each answer means for each kind of change, answers that
** are none, and what happens where the function is not there. The server is the model;
** test_replay.c and the suites of the real server have the same scenarios both ways. Names like B22
** are the known ways to lose data that a test stands against. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_transport.h"
#include "functions.h"
#include "pages.h"
#include "suites.h"

static model_server model;
static push_device device;

static void set_up(void) {
  model_open(&model);
  model.references = "activities.customer_id>customers";
  device_open(&device, &model);
  device_run(
      &device,
      "CREATE TABLE customers(id TEXT PRIMARY KEY NOT NULL, name TEXT, city TEXT, updated_at TEXT);"
      "CREATE TABLE activities(id TEXT PRIMARY KEY NOT NULL, customer_id TEXT REFERENCES "
      "customers, subject TEXT, updated_at TEXT);"
      "SELECT leadx_track('customers', '{\"policy\":\"server\"}'), leadx_track('activities')");
  functions_open(&model);
  functions_know(&device);
}

static void tear_down(void) {
  ck_assert_int_eq(model_unfiltered(&model), 0); /* B11 */
  device_close(&device);
  model_close(&model);
}

static int queue_count(const char *where) {
  char sql[300];
  snprintf(sql, sizeof sql, "SELECT count(*) FROM sync_queue WHERE %s", where);
  return device_int(&device, sql);
}

static int calls(void) { return model_seen(&model, "POST", "/rpc/leadx_push"); }
static int plain_writes(void) {
  return model_seen(&model, "POST", "/customers") + model_seen(&model, "PATCH", NULL) +
         model_seen(&model, "DELETE", NULL);
}

static int knows_functions(void) {
  return device_int(&device, "SELECT count(*) FROM leadx_servers WHERE installed IS NOT NULL");
}

/* ---- one answer, one change ---- */

static const char *const changes[] = {"INSERT INTO customers VALUES ('c1', 'Ani', 'Solo', NULL)",
                                      "UPDATE customers SET name = 'Budi'",
                                      "DELETE FROM customers"};
enum { CREATE, UPDATE, DELETE };

/* row: NULL for null, "real" for the model's. left: what became of the queue row; name: what the
** device has, "-" for nothing. */
static const struct outcome {
  int change;
  const char *status, *row, *code, *state, *left, *name;
  int plain;
} outcomes[] = {
    {CREATE, "applied",
     "{\"id\":\"c1\",\"name\":\"ANI\",\"city\":\"Solo\",\"updated_at\":\"2026-01-01T00:00:00+00:"
     "00\"}",
     NULL, "ok", "SYNCED", "ANI", 0},
    {CREATE, "applied", NULL, NULL, "ok", "SYNCED", "Ani", 0}, /* one may write but not read */
    {CREATE, "replayed",
     "{\"id\":\"c1\",\"name\":\"Ani\",\"updated_at\":\"2026-01-01T00:00:00+00:00\"}", NULL, "ok",
     "SYNCED", "Ani", 0},
    {CREATE, "replayed", NULL, NULL, "ok", "SYNCED", "Ani", 0},
    {CREATE, "conflict",
     "{\"id\":\"c1\",\"name\":\"Ani\",\"city\":\"Solo\",\"updated_at\":\"2026-01-01T00:00:00+00:"
     "00\"}",
     NULL, "ok", "SYNCED", "Ani", 0},
    {CREATE, "conflict",
     "{\"id\":\"c1\",\"name\":\"theirs\",\"city\":\"Solo\",\"updated_at\":\"2026-01-01T00:00:00+00:"
     "00\"}",
     NULL, "ok", "SYNCED", "theirs", 0},
    {CREATE, "conflict", NULL, NULL, "error", "PENDING", "Ani", 0},
    {CREATE, "gone", NULL, NULL, "partial", "FAILED forbidden", "Ani", 0},
    {CREATE, "error", NULL, "23514", "partial", "FAILED 23514", "Ani", 0},
    {CREATE, "error", NULL, "22P02", "partial", "FAILED 22P02", "Ani", 0},
    {CREATE, "error", NULL, "key", "partial", "FAILED key", "Ani", 0},
    {CREATE, "error", NULL, "forbidden", "partial", "FAILED forbidden", "Ani", 0},
    {CREATE, "error", NULL, "55P03", "ok", "PENDING 55P03 1", "Ani", 0},
    {CREATE, "later", NULL, NULL, "error", "PENDING", "Ani", 0}, /* it looked at nothing */
    {CREATE, "error", NULL, "P0001", "partial", "FAILED P0001", "Ani", 0},
    {CREATE, "error", NULL, "23503", "partial", "FAILED 23503", "Ani", 0},
    {CREATE, "error", NULL, "40001", "ok", "PENDING 40001 1", "Ani", 0},
    {CREATE, "error", NULL, "54000", "partial", "FAILED 54000", "Ani", 0},
    {CREATE, "error", NULL, "PT402", "throttled", "PENDING", "Ani", 0},
    {CREATE, "error", NULL, "25006", "throttled", "PENDING", "Ani", 0},
    {CREATE, "error", NULL, "23505", "ok", "SYNCED", "Ani",
     1}, /* whose key it is, the plain way finds out */
    {CREATE, "error", NULL, "42703", "ok", "SYNCED", "Ani", 1},
    {CREATE, "error", NULL, "42P01", "ok", "SYNCED", "Ani", 1},
    {CREATE, "error", NULL, "42501", "ok", "SYNCED", "Ani", 1},
    {UPDATE, "applied",
     "{\"id\":\"c1\",\"name\":\"BUDI\",\"city\":\"Solo\",\"updated_at\":\"2026-01-01T00:00:00+00:"
     "00\"}",
     NULL, "ok", "SYNCED", "BUDI", 0},
    {UPDATE, "applied", NULL, NULL, "error", "PENDING", "Budi", 0}, /* zero rows is never success */
    {UPDATE, "replayed",
     "{\"id\":\"c1\",\"name\":\"later\",\"city\":\"Solo\",\"updated_at\":\"2026-01-02T00:00:00+00:"
     "00\"}",
     NULL, "ok", "SYNCED", "later", 0},
    {UPDATE, "replayed", NULL, NULL, "ok", "SYNCED", "Budi", 0},
    {UPDATE, "conflict",
     "{\"id\":\"c1\",\"name\":\"theirs\",\"city\":\"Solo\",\"updated_at\":\"2026-01-02T00:00:00+00:"
     "00\"}",
     NULL, "ok", "SYNCED", "theirs", 0},
    {UPDATE, "conflict", "real", NULL, "partial", "FAILED forbidden", "Budi",
     0}, /* our version, and yet it did not go */
    {UPDATE, "conflict", NULL, NULL, "error", "PENDING", "Budi", 0},
    {UPDATE, "gone", NULL, NULL, "partial", "FAILED forbidden", "Budi", 0},
    {UPDATE, "gone", NULL, "deleted", "ok", "SYNCED deleted", "-", 0},
    {UPDATE, "error", NULL, "23514", "partial", "FAILED 23514", "Budi", 0},
    {UPDATE, "error", NULL, "23505", "partial", "FAILED 23505", "Budi", 0},
    {UPDATE, "error", NULL, "42501", "partial", "FAILED 42501", "Budi", 0},
    {UPDATE, "error", NULL, "40P01", "ok", "PENDING 40P01 1", "Budi", 0},
    {UPDATE, "error", NULL, "42703", "ok", "SYNCED", "Budi", 1},
    {DELETE, "applied", "real", NULL, "ok", "SYNCED", "-", 0},
    {DELETE, "applied", NULL, NULL, "error", "PENDING", "-", 0},
    {DELETE, "replayed", NULL, NULL, "ok", "SYNCED", "-", 0},
    {DELETE, "conflict", "real", NULL, "partial", "FAILED forbidden", "-", 0},
    {DELETE, "gone", NULL, NULL, "ok", "SYNCED", "-", 0},
    {DELETE, "error", NULL, "23503", "partial", "FAILED 23503", "-", 0},
    {DELETE, "error", NULL, "42P01", "ok", "SYNCED", "-", 1},
};

static int answers_left;

/* Answers the first call as the outcome says. */
static int answer_one(void *ctx, leadx_request *req) {
  const struct outcome *o = ctx;
  sqlite3_stmt *stmt = NULL;
  if (!strstr(req->url, "/rpc/leadx_push") || answers_left-- <= 0) return 0;
  ck_assert_int_eq(sqlite3_prepare_v2(model.db,
                                      "SELECT json_group_array(json_object('op', value ->> 'op', "
                                      "'status', ?2, 'row', json(iif(?3 = 'real',"
                                      " (SELECT doc FROM rows), ?3)), 'code', ?4, 'message', 'says "
                                      "the server')) FROM json_each(?1, '$.ops')",
                                      -1, &stmt, NULL),
                   SQLITE_OK);
  sqlite3_bind_text(stmt, 1, req->body, -1, SQLITE_STATIC);
  sqlite3_bind_text(stmt, 2, o->status, -1, SQLITE_STATIC);
  sqlite3_bind_text(stmt, 3, o->row, -1, SQLITE_STATIC);
  sqlite3_bind_text(stmt, 4, o->code, -1, SQLITE_STATIC);
  ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
  char *answer = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));
  sqlite3_finalize(stmt);
  fake_answer(req, 200, answer);
  sqlite3_free(answer);
  return 1;
}

START_TEST(every_answer_means_for_every_change_what_the_plain_way_would) {
  const struct outcome *o = &outcomes[_i];
  char left[60];
  if (o->change != CREATE) {
    device_run(&device, changes[CREATE]);
    ck_assert_str_eq(device_sync(&device), "ok");
    model_forget_log(&model);
  }
  device_run(&device, changes[o->change]);
  answers_left = 1;
  model.before = answer_one;
  model.ctx = (void *)(uintptr_t)o;
  ck_assert_str_eq(device_sync(&device), o->state);
  snprintf(left, sizeof left, "%s",
           device_text(&device, "SELECT trim(status || ' ' || ifnull(error_code, '') || ' ' || "
                                "iif(retry_count, retry_count, ''))"
                                " FROM sync_queue ORDER BY rowid DESC LIMIT 1"));
  ck_assert_str_eq(left, o->left);
  ck_assert_str_eq(device_text(&device, "SELECT ifnull((SELECT name FROM customers), '-')"),
                   o->name);
  ck_assert_int_eq(plain_writes() > 0, o->plain);
  ck_assert_int_eq(queue_count("status = 'IN_PROGRESS'"), 0);
}
END_TEST

/* The first operation is done and every other one put off, so often. */
static int put_off_the_rest(void *ctx, leadx_request *req) {
  (void)ctx;
  if (!strstr(req->url, "/rpc/leadx_push") || answers_left-- <= 0) return 0;
  char *whole = sqlite3_mprintf("%s", req->body);
  sqlite3_stmt *stmt = NULL;
  ck_assert_int_eq(
      sqlite3_prepare_v2(model.db,
                         "SELECT json_object('ops', json_array(json(?1 -> '$.ops[0]'))), "
                         "(SELECT group_concat(json_object('op', value ->> 'op', 'status', "
                         "'later', 'row', NULL), ',') FROM json_each(?1, '$.ops') WHERE key > 0)",
                         -1, &stmt, NULL),
      SQLITE_OK);
  sqlite3_bind_text(stmt, 1, whole, -1, SQLITE_STATIC);
  ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
  sqlite3_free(req->body);
  req->body = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));
  req->body_bytes = strlen(req->body);
  model.functions(&model, req);
  char *answer = sqlite3_mprintf("%.*s,%s]", (int)(strrchr(req->answer, ']') - req->answer),
                                 req->answer, sqlite3_column_text(stmt, 1));
  fake_answer(req, 200, answer);
  sqlite3_free(answer);
  sqlite3_finalize(stmt);
  sqlite3_free(whole);
  return 1;
}

START_TEST(what_the_server_put_off_is_sent_again_at_once_and_charged_nothing) {
  device_run(&device, "INSERT INTO customers WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i "
                      "+ 1 FROM n WHERE i < 5) SELECT 'c' || i, 'Ani', 'Solo', NULL FROM n");
  answers_left = 3;
  model.before = put_off_the_rest;
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(queue_count("status = 'SYNCED' AND retry_count = 0"), 5);
  ck_assert_int_eq(model_count(&model, "customers"), 5);
  ck_assert_int_eq(calls(), 4);
  ck_assert_int_eq(plain_writes(), 0);
}
END_TEST

/* ---- answers that are none ---- */

/* B22, B23, B24: %s is the op that was sent. */
static const char *const strange_answers[] = {
    "[]",
    "[{\"op\":\"%s\",\"status\":\"applied\",\"row\":null},{\"op\":\"%s\",\"status\":\"applied\","
    "\"row\":null}]",
    "[{\"op\":\"00000000-0000-4000-8000-000000000000\",\"status\":\"applied\",\"row\":null}]",
    "[{\"status\":\"applied\",\"row\":null}]",
    "[{\"op\":\"%s\",\"row\":null}]",
    "[{\"op\":\"%s\",\"status\":\"done\",\"row\":null}]",
    "[{\"op\":\"%s\",\"status\":true,\"row\":null}]",
    "[{\"op\":\"%s\",\"status\":\"applied\"}]",
    "[{\"op\":\"%s\",\"status\":\"applied\",\"row\":{\"id\":\"stranger\"}}]",
    "[{\"op\":\"%s\",\"status\":\"applied\",\"row\":[]}]",
    "[{\"op\":\"%s\",\"status\":\"error\",\"row\":null}]",
    "[null]",
    "[[]]",
    "{\"op\":\"%s\",\"status\":\"applied\",\"row\":null}",
    "null",
    "",
    "[{\"op\":\"%s\",\"status\":\"applied\",\"row\":null}] trailing",
    "[{\"op\":\"%s\",\"status\":\"applied\",\"row\":nu",
    "<html>Welcome to the hotel</html>",
};

static char sent_op[40];

static int answer_strangely(void *ctx, leadx_request *req) {
  const char *at = req->body ? strstr(req->body, "\"op\":\"") : NULL;
  if (!at) return 0;
  snprintf(sent_op, sizeof sent_op, "%.36s", at + 6);
  char *answer = sqlite3_mprintf(ctx, sent_op, sent_op);
  fake_answer_bytes(req, 200, *answer == '<' ? "text/html" : "application/json", answer,
                    strlen(answer));
  sqlite3_free(answer);
  return 1;
}

START_TEST(
    an_answer_that_is_not_the_function_s_acknowledges_nothing_and_the_next_sync_does_without_it) {
  device_run(&device, changes[CREATE]);
  model.before = answer_strangely;
  model.ctx = (void *)(uintptr_t)strange_answers[_i];
  ck_assert_str_eq(device_sync(&device), "error");
  ck_assert_int_eq(queue_count("status = 'PENDING' AND retry_count = 0"), 1);
  ck_assert_int_eq(knows_functions(), 0);
  model.before = NULL;
  model_forget_log(&model);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(calls(), 0);
  ck_assert_str_eq(model_value(&model, "customers", "c1", "name"), "Ani");
}
END_TEST

/* ---- the call as a whole ---- */

static const struct refusal {
  long status;
  const char *body;
  int unusable; /* it is not asked for again */
} refusals[] = {
    {404,
     "{\"code\":\"PGRST202\",\"message\":\"Could not find the function public.leadx_push(ops) in "
     "the schema cache\"}",
     1},
    {404, "<html>not found</html>", 1},
    {404, "{\"code\":\"42883\",\"message\":\"function leadx.uid() does not exist\"}", 1},
    {403, "{\"code\":\"42501\",\"message\":\"permission denied for function leadx_push\"}", 1},
    {400, "{\"code\":\"22P05\",\"message\":\"unsupported Unicode escape sequence\"}", 0},
    {400, "{\"code\":\"P0001\",\"message\":\"no\"}", 0},
    {500, "{\"code\":\"XX000\",\"message\":\"cache lookup failed\"}", 0},
    {409, "{\"code\":\"23503\",\"message\":\"deferred\"}", 0},
};

static int refuse_calls(void *ctx, leadx_request *req) {
  const struct refusal *r = ctx;
  if (!strstr(req->url, "/rpc/leadx_push")) return 0;
  fake_answer_bytes(req, r->status, *r->body == '<' ? "text/html" : "application/json", r->body,
                    strlen(r->body));
  return 1;
}

static void thirty_customers(void) {
  device_run(&device, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30)"
                      " INSERT INTO customers SELECT 'c' || i, 'Ani', 'Solo', NULL FROM n; INSERT "
                      "INTO activities VALUES ('a1', 'c30', 's', NULL)");
}

START_TEST(what_the_function_cannot_do_goes_the_plain_way_in_the_same_sync) {
  const struct refusal *r = &refusals[_i];
  thirty_customers();
  model.before = refuse_calls;
  model.ctx = (void *)(uintptr_t)r;
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(queue_count("status = 'SYNCED' AND retry_count = 0"), 31);
  ck_assert_int_eq(model_count(&model, "customers") + model_count(&model, "activities"), 31);
  ck_assert_int_eq(knows_functions(), !r->unusable);
  if (r->unusable) ck_assert_int_le(calls(), 2);
}
END_TEST

/* A call carries rows of all tables; a plain request those of one, though another table may look
** the same. */
START_TEST(the_plain_way_mixes_no_two_tables) {
  device_run(&device, "CREATE TABLE leads(id TEXT PRIMARY KEY NOT NULL, name TEXT, city TEXT, "
                      "updated_at TEXT); SELECT leadx_track('leads');");
  functions_know(&device);
  device_run(&device, "INSERT INTO customers VALUES ('c1', 'Ani', 'Solo', NULL); INSERT INTO leads "
                      "VALUES ('l1', 'Ani', 'Solo', NULL), ('l2', 'Ani', 'Solo', NULL)");
  model.before = refuse_calls;
  model.ctx = (void *)(uintptr_t)&refusals[0];
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(calls(), 1);
  ck_assert_int_eq(model_count(&model, "customers"), 1);
  ck_assert_int_eq(model_count(&model, "leads"), 2);
}
END_TEST

/* B19, B21 */
static int refuse_many(void *ctx, leadx_request *req) {
  int items = 0;
  if (!strstr(req->url, "/rpc/leadx_push")) return 0;
  for (const char *at = req->body; (at = strstr(at, "\"op\":")) != NULL; at++) items++;
  if (items <= 3) return 0;
  if (*(int *)ctx)
    fake_answer(
        req, 500,
        "{\"code\":\"57014\",\"message\":\"canceling statement due to statement timeout\"}");
  else fake_answer_bytes(req, 413, "text/html", "<html>", 6);
  return 1;
}

START_TEST(a_call_that_is_too_slow_or_too_large_is_halved_in_the_plan_s_order) {
  thirty_customers();
  model.before = refuse_many;
  model.ctx = &_i;
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(queue_count("status = 'SYNCED' AND retry_count = 0"), 31);
  ck_assert_int_eq(plain_writes(), 0);
}
END_TEST

/* ---- what is sent ---- */

static size_t longest_body(void) {
  size_t longest = 0;
  for (int i = 0; i < model.n; i++) {
    size_t n = model.log[i].body ? strlen(model.log[i].body) : 0;
    if (n > longest) longest = n;
  }
  return longest;
}

/* Six rows of 300 kB: made, then edited while a colleague touches them all, so that all go once
** more. 1: the plain way. */
START_TEST(no_body_is_longer_than_a_mebibyte) {
  char doc[60];
  if (_i) device_run(&device, "UPDATE leadx_servers SET installed = NULL");
  device_run(
      &device,
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6)"
      " INSERT INTO activities SELECT 'a' || i, NULL, printf('%.*c', 300000, 'x'), NULL FROM n");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model_count(&model, "activities"), 6);
  for (int i = 1; i <= 6; i++) {
    snprintf(doc, sizeof doc, "a%d", i);
    char *row = sqlite3_mprintf("{\"id\":\"a%d\",\"customer_id\":null,\"subject\":\"%.*c\"}", i,
                                300000, 'x');
    model_put(&model, "activities", doc, row);
    sqlite3_free(row);
  }
  device_run(&device, "UPDATE activities SET subject = printf('%.*c', 300000, 'y')");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(queue_count("status <> 'SYNCED'"), 0);
  ck_assert_int_eq(model_value(&model, "activities", "a6", "subject")[0], 'y');
  ck_assert_uint_le(longest_body(), 1 << 20);
  ck_assert_uint_gt(longest_body(), _i ? 600000 : 900000); /* and no row goes alone that need not */
}
END_TEST

/* Answers come in any order, here the last one first: what has to go before has been answered when
** the rest leaves. */
static leadx_transport *open_contrary(void *arg, const leadx_http_limits *limits, leadx_err *err) {
  (void)arg, (void)limits, (void)err;
  leadx_transport *transport = fake_transport_open(model_respond, &model);
  fake_transport_order(transport, FAKE_LAST_IN_FIRST_OUT, 0);
  return transport;
}

START_TEST(children_leave_when_their_parents_call_has_been_answered) {
  leadx_sync_options options = {.who = "leadx_push",
                                .trigger = "test",
                                .open_transport = open_contrary,
                                .request_budget = -1};
  device_run(&device,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)"
             " INSERT INTO customers SELECT 'c' || i, 'Ani', 'Solo', NULL FROM n;"
             "INSERT INTO activities SELECT 'a' || substr(id, 2), id, 's', NULL FROM customers");
  device_prepare(&device);
  sqlite3_free(leadx_sync_report(device.ctx, &options, &device.ctx->err));
  leadx_db_release(&device.ctx->db);
  ck_assert_int_eq(device.ctx->err.rc, SQLITE_OK);
  ck_assert_int_eq(queue_count("status = 'SYNCED' AND retry_count = 0"), 200);
  int last_parent = 0, first_child = model.n;
  for (int i = model.n - 1; i >= 0; i--) {
    if (!strstr(model.log[i].url, "/rpc/leadx_push")) continue;
    if (last_parent == 0 && strstr(model.log[i].body, "\"table\":\"customers\"")) last_parent = i;
    if (strstr(model.log[i].body, "\"table\":\"activities\"")) first_child = i;
  }
  ck_assert_int_le(last_parent, first_child);
}
END_TEST

/* Parents, children, edits and deletes in one round trip, in the order in which they have to
** happen. */
START_TEST(one_call_carries_a_mixed_batch_parents_first) {
  device_run(
      &device,
      "INSERT INTO customers VALUES ('old', 'Ani', 'Solo', NULL), ('gone', 'Ani', 'Solo', NULL);"
      "INSERT INTO activities VALUES ('a0', 'gone', 's', NULL)");
  ck_assert_str_eq(device_sync(&device), "ok");
  model_forget_log(&model);
  device_run(&device, "INSERT INTO activities VALUES ('a1', 'new', 's', NULL); INSERT INTO "
                      "customers VALUES ('new', 'Ani', 'Solo', NULL);"
                      "UPDATE customers SET name = 'Budi' WHERE id = 'old'; DELETE FROM customers "
                      "WHERE id = 'gone'; DELETE FROM activities WHERE id = 'a0'");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model.n, 1);
  ck_assert_int_eq(queue_count("status <> 'SYNCED'"), 0);
  const char *body = model.log[0].body;
  ck_assert(strstr(body, "\"new\"") < strstr(body, "\"a1\""));
  ck_assert(strstr(body, "[\"a0\"]") < strstr(body, "[\"gone\"]"));
  ck_assert_int_eq(model_count(&model, "customers"), 2);
  ck_assert_int_eq(model_count(&model, "activities"), 1);
}
END_TEST

static int lose_answer(void *ctx, leadx_request *req) {
  if (!strstr(req->url, "/rpc/leadx_push")) return 0;
  snprintf(ctx, 40, "%.36s", strstr(req->body, "\"op\":\"") + 6);
  model_deliver(&model, req);
  fake_fail(req, LEADX_NET_OFFLINE, 52, "the answer was lost");
  return 1;
}

/* B1, B2, B30: the same effect is sent again by the same name, and any other by another. */
START_TEST(what_is_sent_again_bears_the_same_op_and_what_joined_it_another) {
  char first[40], second[40], third[40];
  model.before = lose_answer;
  device_run(&device, changes[CREATE]);
  model.ctx = first;
  ck_assert_str_eq(device_sync(&device), "offline");
  model.ctx = second;
  ck_assert_str_eq(device_sync(&device), "offline");
  ck_assert_str_eq(first, second);
  device_run(&device, changes[UPDATE]);
  model.ctx = third;
  ck_assert_str_eq(device_sync(&device), "offline");
  ck_assert_str_ne(first, third);
  model.before = NULL;
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(model_value(&model, "customers", "c1", "name"), "Budi");
  ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM sync_conflicts"), 0);
}
END_TEST

/* B30: an application that numbers its queue rows itself does so on every device. */
START_TEST(ids_that_two_devices_chose_alike_are_no_replay) {
  push_device other;
  static const char *const rows[] = {
      "INSERT INTO sync_queue(id, entity_type, entity_id, action, payload) VALUES"
      " ('1', 'customer', 'x1', 'CREATE', '{\"id\":\"x1\",\"name\":\"Ani\"}')",
      "INSERT INTO sync_queue(id, entity_type, entity_id, action, payload) VALUES"
      " ('1', 'customer', 'x2', 'CREATE', '{\"id\":\"x2\",\"name\":\"Budi\"}')"};
  device_open(&other, &model);
  device_run(&other, "CREATE TABLE customers(id TEXT PRIMARY KEY NOT NULL, name TEXT, city TEXT, "
                     "updated_at TEXT); SELECT leadx_track('customers')");
  functions_know(&other);
  device_run(&device, rows[0]);
  device_run(&other, rows[1]);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_str_eq(device_sync(&other), "ok");
  ck_assert_int_eq(model_count(&model, "customers"), 2);
  device_close(&other);
}
END_TEST

START_TEST(calls_begin_at_ten_and_double_while_the_link_keeps_up) {
  device_run(&device,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)"
             " INSERT INTO customers SELECT 'c' || i, 'Ani', 'Solo', NULL FROM n");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(queue_count("status = 'SYNCED'"), 200);
  ck_assert_int_eq(plain_writes(), 0);
  ck_assert_int_le(calls(), 8);
}
END_TEST

/* A table that is not registered goes the plain way while the other one is called. */
START_TEST(a_table_the_function_does_not_serve_goes_plainly_beside_one_it_serves) {
  device_run(&device, "UPDATE leadx_servers SET installed = json_remove(installed, '$.customers')");
  thirty_customers();
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(queue_count("status = 'SYNCED'"), 31);
  ck_assert_int_gt(model_seen(&model, "POST", "/customers"), 0);
  ck_assert_int_eq(model_seen(&model, "POST", "/activities"), 0);
  ck_assert_int_eq(calls(), 1);
}
END_TEST

Suite *test_call_suite(void) {
  Suite *suite = suite_create("call");
  TCase *tcase = tcase_create("call");
  tcase_add_checked_fixture(tcase, set_up, tear_down);
#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))
  tcase_add_loop_test(tcase, every_answer_means_for_every_change_what_the_plain_way_would, 0,
                      COUNT(outcomes));
  tcase_add_test(tcase, what_the_server_put_off_is_sent_again_at_once_and_charged_nothing);
  tcase_add_loop_test(
      tcase,
      an_answer_that_is_not_the_function_s_acknowledges_nothing_and_the_next_sync_does_without_it,
      0, COUNT(strange_answers));
  tcase_add_test(tcase, the_plain_way_mixes_no_two_tables);
  tcase_add_loop_test(tcase, what_the_function_cannot_do_goes_the_plain_way_in_the_same_sync, 0,
                      COUNT(refusals));
  tcase_add_loop_test(tcase, a_call_that_is_too_slow_or_too_large_is_halved_in_the_plan_s_order, 0,
                      2);
  tcase_add_loop_test(tcase, no_body_is_longer_than_a_mebibyte, 0, 2);
  tcase_add_test(tcase, children_leave_when_their_parents_call_has_been_answered);
  tcase_add_test(tcase, one_call_carries_a_mixed_batch_parents_first);
  tcase_add_test(tcase, what_is_sent_again_bears_the_same_op_and_what_joined_it_another);
  tcase_add_test(tcase, ids_that_two_devices_chose_alike_are_no_replay);
  tcase_add_test(tcase, calls_begin_at_ten_and_double_while_the_link_keeps_up);
  tcase_add_test(tcase, a_table_the_function_does_not_serve_goes_plainly_beside_one_it_serves);
  suite_add_tcase(suite, tcase);
  return suite;
}
