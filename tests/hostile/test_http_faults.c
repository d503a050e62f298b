/* The transport and every fault that a server or the way to it can have, with every method. */
#include "http_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "live.h"

#define HTML_PAGE "<html><body>Welcome to the hotel</body></html>"

static const struct {
  const char *method, *path, *body;
} methods[] = {
    {"GET", "/rest/v1/customers?select=*", NULL},
    {"POST", "/rest/v1/customers", "[{\"id\":1}]"},
    {"PATCH", "/rest/v1/customers?id=eq.1", "{\"a\":2}"},
    {"DELETE", "/rest/v1/customers?id=eq.1", NULL},
};

typedef struct fault_case {
  fault_rule rule;
  leadx_net net;
  leadx_class class_;
} fault_case;

#define ANSWERED LEADX_NET_ANSWER
#define OFFLINE LEADX_NET_OFFLINE, LEADX_CLASS_OFFLINE
#define TOO_LARGE LEADX_NET_TOO_LARGE, LEADX_CLASS_PROTOCOL

static const fault_case faults[] = {
    /* No answer, or not all of it. */
    {{.kind = FAULT_RESET}, OFFLINE},
    {{.kind = FAULT_RESET_HEADERS}, OFFLINE},
    {{.kind = FAULT_RESET_BODY, .body = "[{\"id\":1},{\"id\":2},{\"id\":3}]"}, OFFLINE},
    {{.kind = FAULT_CLOSE}, OFFLINE},
    {{.kind = FAULT_CLOSE_HEADERS}, OFFLINE},
    {{.kind = FAULT_HANG}, OFFLINE},
    {{.kind = FAULT_HANG_BODY, .body = "[1,2,3,4,5,6]"}, OFFLINE},
    {{.kind = FAULT_DRIP, .n = 20}, OFFLINE},
    {{.kind = FAULT_SHORT_LENGTH}, OFFLINE},
    {{.kind = FAULT_SHORT_CHUNKED}, OFFLINE},
    {{.kind = FAULT_BAD_CHUNK}, OFFLINE},
    {{.kind = FAULT_BAD_LENGTH}, OFFLINE},
    {{.kind = FAULT_GARBAGE}, OFFLINE},
    {{.kind = FAULT_NO_STATUS}, OFFLINE},
    {{.kind = FAULT_NUL_HEADER}, OFFLINE},
    {{.kind = FAULT_GZIP_BROKEN, .body = "this is no gzip stream"}, OFFLINE},
    {{.kind = FAULT_FORWARD_NEVER}, OFFLINE},
    /* More than anybody asked for. */
    {{.kind = FAULT_MANY_HEADERS}, TOO_LARGE},
    {{.kind = FAULT_MANY_HEADERS, .n = 70000}, TOO_LARGE},
    {{.kind = FAULT_LONG_HEADER, .n = 70000}, TOO_LARGE},
    {{.kind = FAULT_BIG}, TOO_LARGE},
    {{.kind = FAULT_GZIP_BOMB}, TOO_LARGE},
    {{.kind = FAULT_DEPTH_BOMB}, ANSWERED, LEADX_CLASS_PROTOCOL},
    {{.kind = FAULT_DEPTH_BOMB, .n = 65}, ANSWERED, LEADX_CLASS_PROTOCOL},
    /* 2xx, and not what was asked for. */
    {{.kind = FAULT_SHORT_CLOSE, .body = "[{\"id\":1},{\"id\":2}]"},
     ANSWERED,
     LEADX_CLASS_PROTOCOL},
    {{.status = 200, .body = HTML_PAGE}, ANSWERED, LEADX_CLASS_PROTOCOL},
    {{.status = 200, .headers = "Content-Type: text/plain", .body = "[]"},
     ANSWERED,
     LEADX_CLASS_PROTOCOL},
    {{.status = 200, .body = "{\"id\":1}"}, ANSWERED, LEADX_CLASS_PROTOCOL},
    {{.status = 200, .body = "null"}, ANSWERED, LEADX_CLASS_PROTOCOL},
    {{.status = 200, .body = "[] and more"}, ANSWERED, LEADX_CLASS_PROTOCOL},
    {{.status = 200, .body = "[{\"id\":1}"}, ANSWERED, LEADX_CLASS_PROTOCOL},
    {{.status = 204}, ANSWERED, LEADX_CLASS_PROTOCOL},
    {{.kind = FAULT_NO_LENGTH, .headers = "Content-Type: application/json", .body = "x"},
     ANSWERED,
     LEADX_CLASS_PROTOCOL},
    {{.kind = FAULT_TRAILER, .headers = "Content-Type: text/plain", .body = "[1]"},
     ANSWERED,
     LEADX_CLASS_PROTOCOL},
    /* Right, in unusual forms. */
    {{.kind = FAULT_NO_LENGTH, .body = "[1,2,3]"}, ANSWERED, LEADX_CLASS_OK},
    {{.kind = FAULT_TRAILER, .body = "[1,2,3]"}, ANSWERED, LEADX_CLASS_OK},
    {{.status = 200}, ANSWERED, LEADX_CLASS_OK},
    {{.status = 201, .body = "[{\"id\":1}]"}, ANSWERED, LEADX_CLASS_OK},
    {{.status = 206}, ANSWERED, LEADX_CLASS_OK},
    {{.kind = FAULT_CHUNKED, .body = "[1,2,3]"}, ANSWERED, LEADX_CLASS_OK},
    {{.kind = FAULT_GZIP, .body = "[1,2,3]"}, ANSWERED, LEADX_CLASS_OK},
    {{.kind = FAULT_CONTINUE, .body = "[1,2,3]"}, ANSWERED, LEADX_CLASS_OK},
    /* Redirects. */
    {{.status = 301, .headers = "Location: /rest/v1/elsewhere"}, ANSWERED, LEADX_CLASS_TRUST},
    {{.status = 302, .headers = "Location: /rest/v1/elsewhere"}, ANSWERED, LEADX_CLASS_TRUST},
    {{.status = 303, .headers = "Location: /rest/v1/elsewhere"}, ANSWERED, LEADX_CLASS_TRUST},
    {{.status = 307, .headers = "Location: /rest/v1/elsewhere"}, ANSWERED, LEADX_CLASS_TRUST},
    {{.status = 308, .headers = "Location: /rest/v1/elsewhere"}, ANSWERED, LEADX_CLASS_TRUST},
    {{.status = 302, .headers = "Location: file:///etc/passwd"}, ANSWERED, LEADX_CLASS_TRUST},
    /* Statuses, with the bodies that go with them. */
    {{.status = 400}, ANSWERED, LEADX_CLASS_ITEM},
    {{.status = 401}, ANSWERED, LEADX_CLASS_AUTH},
    {{.status = 401, .headers = "WWW-Authenticate: Negotiate", .body = "{}"},
     ANSWERED,
     LEADX_CLASS_AUTH},
    {{.status = 402}, ANSWERED, LEADX_CLASS_THROTTLE},
    {{.status = 403}, ANSWERED, LEADX_CLASS_ITEM},
    {{.status = 403, .body = HTML_PAGE}, ANSWERED, LEADX_CLASS_THROTTLE},
    {{.status = 404}, ANSWERED, LEADX_CLASS_DRIFT},
    {{.status = 404, .body = HTML_PAGE}, ANSWERED, LEADX_CLASS_DRIFT},
    {{.status = 405}, ANSWERED, LEADX_CLASS_THROTTLE},
    {{.status = 406}, ANSWERED, LEADX_CLASS_ITEM},
    {{.status = 407, .headers = "Proxy-Authenticate: Basic"}, ANSWERED, LEADX_CLASS_THROTTLE},
    {{.status = 408}, ANSWERED, LEADX_CLASS_THROTTLE},
    {{.status = 409}, ANSWERED, LEADX_CLASS_DUPLICATE},
    {{.status = 409, .body = "{\"code\":\"23503\",\"message\":\"no parent\"}"},
     ANSWERED,
     LEADX_CLASS_ORDER},
    {{.status = 413}, ANSWERED, LEADX_CLASS_SHRINK},
    {{.status = 414}, ANSWERED, LEADX_CLASS_SHRINK},
    {{.status = 416}, ANSWERED, LEADX_CLASS_ITEM},
    {{.status = 420}, ANSWERED, LEADX_CLASS_THROTTLE},
    {{.status = 425}, ANSWERED, LEADX_CLASS_THROTTLE},
    {{.status = 429, .headers = "Retry-After: 7"}, ANSWERED, LEADX_CLASS_THROTTLE},
    {{.status = 431}, ANSWERED, LEADX_CLASS_SHRINK},
    {{.status = 500}, ANSWERED, LEADX_CLASS_RETRY},
    {{.status = 500, .body = "{\"code\":\"57014\",\"message\":\"timeout\"}"},
     ANSWERED,
     LEADX_CLASS_SHRINK},
    {{.status = 500, .body = "{\"code\":\"40001\",\"message\":\"again\"}"},
     ANSWERED,
     LEADX_CLASS_RETRY},
    {{.status = 502}, ANSWERED, LEADX_CLASS_THROTTLE},
    {{.status = 503}, ANSWERED, LEADX_CLASS_THROTTLE},
    {{.status = 504}, ANSWERED, LEADX_CLASS_THROTTLE},
    {{.status = 520}, ANSWERED, LEADX_CLASS_THROTTLE},
    {{.status = 540}, ANSWERED, LEADX_CLASS_THROTTLE},
    {{.status = 544}, ANSWERED, LEADX_CLASS_THROTTLE},
    {{.status = 999}, ANSWERED, LEADX_CLASS_PROTOCOL},
};

/* Is it a matter of time? */
static int is_slow(fault_kind kind) {
  return kind == FAULT_HANG || kind == FAULT_HANG_BODY || kind == FAULT_DRIP;
}

/* The transport that has met the fault goes on. One that hurries gets some tries, since a busy
** machine may be slower than it. */
static void expect_answer(int m, int tries) {
  leadx_class class_ = LEADX_CLASS_OFFLINE;
  for (int i = 0; i < tries && class_ == LEADX_CLASS_OFFLINE; i++) {
    leadx_request *req = rig_send(methods[m].method, methods[m].path, methods[m].body);
    class_ = rig_class(req);
    leadx_request_free(req);
  }
  ck_assert_int_eq(class_, LEADX_CLASS_OK);
}

START_TEST(a_fault_becomes_a_class_and_the_next_request_works) {
  const fault_case *fault = &faults[_i / COUNT(methods)];
  int m = _i % COUNT(methods);
  fault_server_add(rig.server, &fault->rule);
  if (is_slow(fault->rule.kind)) rig_hurry();
  int64_t from = leadx_clock_mono_ms();
  leadx_request *req = rig_send(methods[m].method, methods[m].path, methods[m].body);
  ck_assert_msg(req->net == fault->net && rig_class(req) == fault->class_,
                "%s %s %d: net %d, %s (curl %d: %s)", methods[m].method,
                fault_kind_name(fault->rule.kind), fault->rule.status, (int)req->net,
                leadx_class_name(rig_class(req)), req->curl_code, req->error);
  if (req->net != LEADX_NET_ANSWER) rig_no_answer(req);
  if (req->net == LEADX_NET_ANSWER && fault->rule.status)
    ck_assert_int_eq(req->status, fault->rule.status);
  ck_assert_msg(leadx_clock_mono_ms() - from < RIG_AT_ONCE_MS, "takes too long");
  ck_assert_int_eq(strlen(req->answer), req->answer_bytes);
  leadx_request_free(req);

  fault_server_clear(rig.server);
  expect_answer(m, is_slow(fault->rule.kind) ? 30 : 1);
  ck_assert_int_eq(fault_server_count(rig.server),
                   fault_server_seen(rig.server, methods[m].method, methods[m].path));
}
END_TEST

/* curl may tell "out of memory" of a line over its own limit; either way nothing is taken from
** it. */
START_TEST(an_endless_header_line_is_no_answer) {
  fault_rule rule = {.kind = FAULT_LONG_HEADER, .n = 4 << 20};
  fault_server_add(rig.server, &rule);
  leadx_request *req = rig_get("/");
  ck_assert_int_ne(req->net, LEADX_NET_ANSWER);
  rig_no_answer(req);
  leadx_request_free(req);
}
END_TEST

START_TEST(a_closed_port_is_offline_and_opens_again) {
  leadx_request *req = rig_get("/");
  ck_assert_int_eq(rig_class(req), LEADX_CLASS_OK);
  leadx_request_free(req);
  fault_server_refuse(rig.server, 1);
  req = rig_get("/");
  ck_assert_int_eq(req->net, LEADX_NET_OFFLINE);
  ck_assert_int_eq(req->bytes_out, 0);
  rig_no_answer(req);
  leadx_request_free(req);
  ck_assert_int_eq(fault_server_refuse(rig.server, 0), 0);
  req = rig_get("/");
  ck_assert_int_eq(rig_class(req), LEADX_CLASS_OK);
  leadx_request_free(req);
}
END_TEST

/* Some resolvers send such names to a page of theirs, which then has the wrong certificate. */
START_TEST(a_name_that_does_not_exist_is_no_answer) {
  rig_hurry();
  leadx_request *req = leadx_request_new("GET");
  req->url = sqlite3_mprintf("https://nobody.invalid/rest/v1/x");
  rig_start(req);
  ck_assert_ptr_eq(rig.transport->wait(rig.transport, RIG_PATIENCE_MS), req);
  ck_assert(req->net == LEADX_NET_OFFLINE || req->net == LEADX_NET_UNTRUSTED);
  rig_no_answer(req);
  leadx_request_free(req);
}
END_TEST

/* curl is content with both. The first line of an answer, or its header, proves nothing: where an
** empty body is a success, cutting the connection in the right place would be one. */
START_TEST(an_answer_cut_before_its_body_is_no_answer) {
  fault_rule cut = {.kind = FAULT_CLOSE_HEADERS};
  fault_rule empty = {.kind = FAULT_NO_LENGTH,
                      .status = 201,
                      .headers = "Preference-Applied: return=minimal",
                      .body = ""};
  const fault_rule *rules[] = {&cut, &empty};
  for (int i = 0; i < COUNT(rules); i++) {
    fault_server_clear(rig.server);
    fault_server_add(rig.server, rules[i]);
    leadx_request *req = rig_send("PATCH", "/t?id=eq.1", "{}");
    ck_assert_int_eq(req->net, LEADX_NET_OFFLINE);
    rig_no_answer(req);
    leadx_request_free(req);
  }
}
END_TEST

/* libcurl does this by itself; the protocol above must bear it. */
START_TEST(a_post_is_sent_again_when_a_kept_connection_dies) {
  fault_server_set(rig.server, FAULT_CLOSE_REUSED, 0);
  leadx_request *req = rig_send("POST", "/rest/v1/t", "[]");
  leadx_request_free(req);
  req = rig_send("POST", "/rest/v1/t", "[1]");
  ck_assert_int_eq(req->net, LEADX_NET_ANSWER);
  leadx_request_free(req);
  ck_assert_int_eq(fault_server_count(rig.server), 3);
  ck_assert_str_eq(fault_server_get(rig.server, 1)->body, "[1]");
  ck_assert_str_eq(fault_server_get(rig.server, 2)->body, "[1]");
}
END_TEST

/* ---- a whole push ---- */

/* What makes a request of that method, given a number. */
static const struct act {
  const char *method, *before, *write;
} acts[] = {
    {"POST", "SELECT %d", "INSERT INTO customers(id, name) VALUES (leadx_uuid(), 'row %d')"},
    {"PATCH", "INSERT INTO customers(id, name) SELECT leadx_uuid(), 'row' WHERE %d = 0",
     "UPDATE customers SET notes = 'edit %d'"},
    {"DELETE", "INSERT INTO customers(id, name) VALUES (leadx_uuid(), 'row %d')",
     "DELETE FROM customers WHERE name = 'row %d'"},
};

static void run_numbered(sqlite3 *db, const char *format, int n) {
  char *sql = sqlite3_mprintf(format, n);
  live_run(db, sql);
  sqlite3_free(sql);
}

/* A machine that is busy may be too slow for the short time that a request has here. */
static void push_until_ok(live_device *device) {
  const char *state = "";
  for (int i = 0; i < 20 && strcmp(state, "ok") != 0; i++) {
    live_text(device->db, "SELECT leadx_retry()");
    state = live_push(device);
  }
  ck_assert_str_eq(state, "ok");
  ck_assert_int_eq(live_int(device->db, "SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'"),
                   0);
}

static void meet(live_device *device, const fault_case *fault, const struct act *act, int n) {
  fault_rule rule = fault->rule;
  rule.method = act->method;
  rule.path = "/rest/v1/customers";
  run_numbered(device->db, act->before, n);
  push_until_ok(device);
  run_numbered(device->db, act->write, n);
  fault_server_add(rig.server, &rule);
  live_push(device);
  fault_server_clear(rig.server);
  /* Nothing was committed, so nothing is acknowledged; and only what was evaluated costs a try. */
  ck_assert_msg(live_int(device->db,
                         "SELECT count(*) FROM sync_queue WHERE status IN ('PENDING', 'FAILED')") ==
                    1,
                "%s %s %d was acknowledged", act->method, fault_kind_name(rule.kind), rule.status);
  if (fault->class_ != LEADX_CLASS_RETRY)
    ck_assert_int_eq(
        live_int(device->db, "SELECT max(retry_count) FROM sync_queue WHERE status <> 'SYNCED'"),
        0);
  /* A server that asked for patience is asked again at once: configuring forgets that. */
  char *sql = sqlite3_mprintf("SELECT leadx_configure('%s/rest/v1', %Q)",
                              fault_server_url(rig.server), live_env("LEADX_APIKEY"));
  live_run(device->db, sql);
  sqlite3_free(sql);
  push_until_ok(device);
}

START_TEST(a_push_that_meets_a_fault_loses_nothing_and_the_next_one_delivers) {
  live_device device;
  char url[96], rows[20];
  int port = 0;
  ck_assert_int_eq(sscanf(live_env("LEADX_URL"), "http://127.0.0.1:%d/", &port), 1);
  fault_server_upstream(rig.server, port);
  snprintf(url, sizeof url, "%s/rest/v1", fault_server_url(rig.server));
  live_wipe();
  live_open(&device, 1, url);
  live_text(device.db, "SELECT leadx_config('timeout', 0.5), leadx_config('max_response', "
                       "1048576), leadx_config('backoff_max', 0)");
  for (int i = 0; i < COUNT(faults); i++) meet(&device, &faults[i], &acts[_i], i);
  snprintf(rows, sizeof rows, "%d", live_int(device.db, "SELECT count(*) FROM customers"));
  ck_assert_str_eq(live_psql("select count(*) from customers"), rows);
  ck_assert_str_eq(live_psql("select max(notes) from customers"),
                   live_text(device.db, "SELECT max(notes) FROM customers"));
  ck_assert_int_eq(live_int(device.db, "SELECT count(*) FROM sync_conflicts"), 0);
  ck_assert_int_eq(fault_server_unfiltered(rig.server), 0);
  live_close(&device);
}
END_TEST

Suite *test_http_faults_suite(void) {
  Suite *suite = suite_create("http_faults");
  TCase *tcase = rig_case(suite, "fault");
  tcase_add_loop_test(tcase, a_fault_becomes_a_class_and_the_next_request_works, 0,
                      COUNT(faults) * COUNT(methods));
  tcase_add_test(tcase, an_endless_header_line_is_no_answer);
  tcase_add_test(tcase, a_closed_port_is_offline_and_opens_again);
  tcase_add_test(tcase, a_name_that_does_not_exist_is_no_answer);
  tcase_add_test(tcase, an_answer_cut_before_its_body_is_no_answer);
  tcase_add_test(tcase, a_post_is_sent_again_when_a_kept_connection_dies);
  TCase *whole = rig_case(suite, "push");
  tcase_set_timeout(whole, 180);
  tcase_add_loop_test(whole, a_push_that_meets_a_fault_loses_nothing_and_the_next_one_delivers, 0,
                      COUNT(acts));
  return suite;
}
