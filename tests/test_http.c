/* The transport against a server that fails on demand. Times are scaled down: what waits a minute
** in the field waits a quarter of a second here. */
#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "fake_transport.h"
#include "fault_server.h"
#include "rest.h"
#include "suites.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))
#define HTML_PAGE "<html><body>Welcome to the hotel</body></html>"

enum { TIMEOUT_MS = 300, MAX_RESPONSE = 1 << 20 };

static fault_server *server;
static leadx_transport *transport;
static int interrupts_after; /* how often the transport may ask before it is told to stop; 0: never */

static int interrupted(void *arg) {
  (void)arg;
  return interrupts_after > 0 && --interrupts_after == 0;
}

static leadx_transport *open_transport(int max_in_flight, int64_t max_response, long timeout_ms) {
  leadx_http_limits limits = {TIMEOUT_MS, timeout_ms, max_response, NULL, max_in_flight};
  leadx_err err;
  leadx_err_clear(&err);
  leadx_transport *opened = leadx_http_open(&limits, interrupted, NULL, &err);
  ck_assert_msg(opened != NULL, "%s", err.text);
  return opened;
}

static void set_up(void) {
  interrupts_after = 0;
  server = fault_server_start();
  ck_assert_ptr_nonnull(server);
  transport = open_transport(8, MAX_RESPONSE, TIMEOUT_MS);
}

static void tear_down(void) {
  int64_t from = leadx_clock_mono_ms();
  transport->free(transport);
  fault_server_stop(server);
  ck_assert_msg(leadx_clock_mono_ms() - from < 1000, "stopping takes too long");
}

/* ---- requests ---- */

static leadx_request *new_request(const char *method, const char *path, const char *body) {
  leadx_request *req = leadx_request_new(method);
  req->url = sqlite3_mprintf("%s%s", fault_server_url(server), path);
  ck_assert_int_eq(leadx_request_header(req, "apikey", "sb_publishable_canary"), SQLITE_OK);
  ck_assert_int_eq(leadx_request_header(req, "Authorization", "Bearer canary.token"), SQLITE_OK);
  if (body) {
    ck_assert_int_eq(leadx_request_header(req, "Content-Type", "application/json"), SQLITE_OK);
    req->body = sqlite3_mprintf("%s", body);
    req->body_bytes = strlen(body);
  }
  return req;
}

static void start(leadx_request *req) {
  leadx_err err;
  leadx_err_clear(&err);
  ck_assert_msg(transport->start(transport, req, &err) == SQLITE_OK, "%s", err.text);
}

static leadx_request *send_request(const char *method, const char *path, const char *body) {
  leadx_request *req = new_request(method, path, body);
  start(req);
  ck_assert_ptr_eq(transport->wait(transport, 10000), req);
  return req;
}

static leadx_request *get(const char *path) {
  return send_request("GET", path, NULL);
}

static leadx_class class_of(const leadx_request *req) {
  leadx_answer answer = {(int)req->net, req->status, req->content_type, req->answer, req->answer_bytes, 1};
  leadx_verdict verdict;
  leadx_rest_classify(&answer, &verdict);
  return verdict.class_;
}

static void answer_with(int status, const char *headers, const char *body) {
  fault_rule rule = {.kind = FAULT_ANSWER, .status = status, .headers = headers, .body = body};
  fault_server_clear(server);
  fault_server_add(server, &rule);
}

/* ---- every fault, with every method ---- */

static const struct { const char *method, *path, *body; } methods[] = {
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
  {{.kind = FAULT_SHORT_CLOSE, .body = "[{\"id\":1},{\"id\":2}]"}, ANSWERED, LEADX_CLASS_PROTOCOL},
  {{.status = 200, .body = HTML_PAGE}, ANSWERED, LEADX_CLASS_PROTOCOL},
  {{.status = 200, .headers = "Content-Type: text/plain", .body = "[]"}, ANSWERED, LEADX_CLASS_PROTOCOL},
  {{.status = 200, .body = "{\"id\":1}"}, ANSWERED, LEADX_CLASS_PROTOCOL},
  {{.status = 200, .body = "null"}, ANSWERED, LEADX_CLASS_PROTOCOL},
  {{.status = 200, .body = "[] and more"}, ANSWERED, LEADX_CLASS_PROTOCOL},
  {{.status = 200, .body = "[{\"id\":1}"}, ANSWERED, LEADX_CLASS_PROTOCOL},
  {{.status = 204}, ANSWERED, LEADX_CLASS_PROTOCOL},
  {{.kind = FAULT_NO_LENGTH, .headers = "Content-Type: application/json", .body = "x"}, ANSWERED, LEADX_CLASS_PROTOCOL},
  {{.kind = FAULT_TRAILER, .headers = "Content-Type: text/plain", .body = "[1]"}, ANSWERED, LEADX_CLASS_PROTOCOL},
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
  {{.status = 401, .headers = "WWW-Authenticate: Negotiate", .body = "{}"}, ANSWERED, LEADX_CLASS_AUTH},
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
  {{.status = 409, .body = "{\"code\":\"23503\",\"message\":\"no parent\"}"}, ANSWERED, LEADX_CLASS_ORDER},
  {{.status = 413}, ANSWERED, LEADX_CLASS_SHRINK},
  {{.status = 414}, ANSWERED, LEADX_CLASS_SHRINK},
  {{.status = 416}, ANSWERED, LEADX_CLASS_ITEM},
  {{.status = 420}, ANSWERED, LEADX_CLASS_THROTTLE},
  {{.status = 425}, ANSWERED, LEADX_CLASS_THROTTLE},
  {{.status = 429, .headers = "Retry-After: 7"}, ANSWERED, LEADX_CLASS_THROTTLE},
  {{.status = 431}, ANSWERED, LEADX_CLASS_SHRINK},
  {{.status = 500}, ANSWERED, LEADX_CLASS_RETRY},
  {{.status = 500, .body = "{\"code\":\"57014\",\"message\":\"timeout\"}"}, ANSWERED, LEADX_CLASS_SHRINK},
  {{.status = 500, .body = "{\"code\":\"40001\",\"message\":\"again\"}"}, ANSWERED, LEADX_CLASS_RETRY},
  {{.status = 502}, ANSWERED, LEADX_CLASS_THROTTLE},
  {{.status = 503}, ANSWERED, LEADX_CLASS_THROTTLE},
  {{.status = 504}, ANSWERED, LEADX_CLASS_THROTTLE},
  {{.status = 520}, ANSWERED, LEADX_CLASS_THROTTLE},
  {{.status = 540}, ANSWERED, LEADX_CLASS_THROTTLE},
  {{.status = 544}, ANSWERED, LEADX_CLASS_THROTTLE},
  {{.status = 999}, ANSWERED, LEADX_CLASS_PROTOCOL},
};

/* What does not concern an answer that never came, or came in part, or was too large. */
static void check_no_answer(const leadx_request *req) {
  ck_assert_int_eq(req->status, 0);
  ck_assert_int_eq((int)req->answer_bytes, 0);
  ck_assert_str_eq(req->answer, "");
  ck_assert_str_eq(req->content_type, "");
  ck_assert_int_eq(req->retry_after_s, -1);
  ck_assert_str_ne(req->error, "");
  ck_assert_int_ne(req->curl_code, 0);
}

START_TEST(a_fault_becomes_a_class_and_the_next_request_works) {
  const fault_case *fault = &faults[_i / COUNT(methods)];
  int m = _i % COUNT(methods);
  fault_server_add(server, &fault->rule);
  int64_t from = leadx_clock_mono_ms();
  leadx_request *req = send_request(methods[m].method, methods[m].path, methods[m].body);
  ck_assert_msg(req->net == fault->net && class_of(req) == fault->class_, "%s %s %d: net %d, %s (curl %d: %s)",
                methods[m].method, fault_kind_name(fault->rule.kind), fault->rule.status, (int)req->net,
                leadx_class_name(class_of(req)), req->curl_code, req->error);
  if (req->net != LEADX_NET_ANSWER) check_no_answer(req);
  if (req->net == LEADX_NET_ANSWER && fault->rule.status) ck_assert_int_eq(req->status, fault->rule.status);
  ck_assert_msg(leadx_clock_mono_ms() - from < TIMEOUT_MS + 700, "takes too long");
  ck_assert_int_eq(strlen(req->answer), req->answer_bytes);
  leadx_request_free(req);

  fault_server_clear(server);
  req = send_request(methods[m].method, methods[m].path, methods[m].body);
  ck_assert_int_eq(class_of(req), LEADX_CLASS_OK);
  leadx_request_free(req);
  ck_assert_int_eq(fault_server_count(server), fault_server_seen(server, methods[m].method, methods[m].path));
}
END_TEST

/* curl may tell "out of memory" of a line over its own limit; either way nothing is taken from it. */
START_TEST(an_endless_header_line_is_no_answer) {
  fault_rule rule = {.kind = FAULT_LONG_HEADER, .n = 4 << 20};
  fault_server_add(server, &rule);
  leadx_request *req = get("/");
  ck_assert_int_ne(req->net, LEADX_NET_ANSWER);
  check_no_answer(req);
  leadx_request_free(req);
}
END_TEST

START_TEST(a_closed_port_is_offline_and_opens_again) {
  leadx_request *req = get("/");
  ck_assert_int_eq(class_of(req), LEADX_CLASS_OK);
  leadx_request_free(req);
  fault_server_refuse(server, 1);
  req = get("/");
  ck_assert_int_eq(req->net, LEADX_NET_OFFLINE);
  check_no_answer(req);
  leadx_request_free(req);
  ck_assert_int_eq(fault_server_refuse(server, 0), 0);
  req = get("/");
  ck_assert_int_eq(class_of(req), LEADX_CLASS_OK);
  leadx_request_free(req);
}
END_TEST

/* Some resolvers send such names to a page of theirs, which then has the wrong certificate. */
START_TEST(a_name_that_does_not_exist_is_no_answer) {
  leadx_request *req = leadx_request_new("GET");
  req->url = sqlite3_mprintf("https://nobody.invalid/rest/v1/x");
  start(req);
  ck_assert_ptr_eq(transport->wait(transport, 10000), req);
  ck_assert(req->net == LEADX_NET_OFFLINE || req->net == LEADX_NET_UNTRUSTED);
  check_no_answer(req);
  leadx_request_free(req);
}
END_TEST

/* https to a server that speaks something else: no fall back to http, ever. */
START_TEST(https_never_falls_back_to_http) {
  leadx_request *req = leadx_request_new("GET");
  req->url = sqlite3_mprintf("https://127.0.0.1:%d/", fault_server_port(server));
  start(req);
  ck_assert_ptr_eq(transport->wait(transport, 10000), req);
  ck_assert_int_eq(req->net, LEADX_NET_OFFLINE);
  ck_assert_int_eq(fault_server_count(server), 0);
  leadx_request_free(req);
}
END_TEST

START_TEST(a_ca_file_that_cannot_be_read_is_untrusted) {
  leadx_http_limits limits = {TIMEOUT_MS, TIMEOUT_MS, 0, "/nonexistent/ca.pem", 1};
  leadx_err err;
  leadx_err_clear(&err);
  leadx_transport *t = leadx_http_open(&limits, NULL, NULL, &err);
  leadx_request *req = leadx_request_new("GET");
  req->url = sqlite3_mprintf("https://127.0.0.1:%d/", fault_server_port(server));
  ck_assert_int_eq(t->start(t, req, &err), SQLITE_OK);
  ck_assert_ptr_eq(t->wait(t, 10000), req);
  ck_assert_int_eq(req->net, LEADX_NET_UNTRUSTED);
  leadx_request_free(req);
  t->free(t);
}
END_TEST

/* curl is content with both. The first line of an answer, or its header, proves nothing: where an empty
** body is a success, cutting the connection in the right place would be one. */
START_TEST(an_answer_cut_before_its_body_is_no_answer) {
  fault_rule cut = {.kind = FAULT_CLOSE_HEADERS};
  fault_rule empty = {.kind = FAULT_NO_LENGTH, .status = 201, .headers = "Preference-Applied: return=minimal", .body = ""};
  const fault_rule *rules[] = {&cut, &empty};
  for (int i = 0; i < COUNT(rules); i++) {
    fault_server_clear(server);
    fault_server_add(server, rules[i]);
    leadx_request *req = send_request("PATCH", "/t?id=eq.1", "{}");
    ck_assert_int_eq(req->net, LEADX_NET_OFFLINE);
    check_no_answer(req);
    leadx_request_free(req);
  }
}
END_TEST

/* libcurl does this by itself; the protocol above must bear it. */
START_TEST(a_post_is_sent_again_when_a_kept_connection_dies) {
  fault_server_set(server, FAULT_CLOSE_REUSED, 0);
  leadx_request *req = send_request("POST", "/rest/v1/t", "[]");
  leadx_request_free(req);
  req = send_request("POST", "/rest/v1/t", "[1]");
  ck_assert_int_eq(req->net, LEADX_NET_ANSWER);
  leadx_request_free(req);
  ck_assert_int_eq(fault_server_count(server), 3);
  ck_assert_str_eq(fault_server_get(server, 1)->body, "[1]");
  ck_assert_str_eq(fault_server_get(server, 2)->body, "[1]");
}
END_TEST

/* ---- redirects keep the keys at home ---- */

START_TEST(a_redirect_carries_nothing_to_another_origin) {
  static const int statuses[] = {301, 302, 303, 307, 308};
  fault_server *other = fault_server_start();
  char location[80];
  snprintf(location, sizeof location, "Location: %s/steal", fault_server_url(other));
  for (int i = 0; i < COUNT(statuses); i++) {
    answer_with(statuses[i], location, "");
    leadx_request *req = send_request("POST", "/rest/v1/t", "[{\"secret\":1}]");
    ck_assert_int_eq(req->status, statuses[i]);
    ck_assert_int_eq(class_of(req), LEADX_CLASS_TRUST);
    leadx_request_free(req);
  }
  ck_assert_int_eq(fault_server_count(other), 0);
  ck_assert_int_eq(fault_server_connections(other), 0);
  fault_server_stop(other);
}
END_TEST

/* ---- what goes over the wire ---- */

static void check_header(const fault_request *request, const char *name, const char *expected) {
  char value[256];
  int found = fault_header(request, name, value, sizeof value);
  ck_assert_msg(found == (expected != NULL), "%s", name);
  if (expected) ck_assert_str_eq(value, expected);
}

START_TEST(a_request_says_what_it_must_and_no_more) {
  leadx_request *req = send_request("PATCH", "/rest/v1/a%20b?id=eq.%2B1", "{\"a\":1}");
  leadx_request_free(req);
  const fault_request *seen = fault_server_get(server, 0);
  ck_assert_str_eq(seen->method, "PATCH");
  ck_assert_str_eq(seen->target, "/rest/v1/a%20b?id=eq.%2B1");
  ck_assert_str_eq(seen->body, "{\"a\":1}");
  check_header(seen, "apikey", "sb_publishable_canary");
  check_header(seen, "Authorization", "Bearer canary.token");
  check_header(seen, "Content-Type", "application/json");
  check_header(seen, "User-Agent", "leadx/0.1.0 (+sqlite)");
  check_header(seen, "Accept-Encoding", "gzip");
  check_header(seen, "Expect", NULL);
  check_header(seen, "Cookie", NULL);
  check_header(seen, "Referer", NULL);
}
END_TEST

START_TEST(a_body_without_a_type_is_not_called_a_form) {
  leadx_request *req = new_request("POST", "/rpc/f", NULL);
  start(req);
  ck_assert_ptr_eq(transport->wait(transport, 10000), req);
  leadx_request_free(req);
  check_header(fault_server_get(server, 0), "Content-Type", NULL);
  check_header(fault_server_get(server, 0), "Content-Length", "0");
}
END_TEST

START_TEST(a_body_may_hold_any_byte) {
  leadx_request *req = new_request("POST", "/rest/v1/t", NULL);
  req->body = sqlite3_malloc64(1 << 20);
  req->body_bytes = 1 << 20;
  for (int i = 0; i < 1 << 20; i++) req->body[i] = (char)(unsigned char)(i * 7);
  start(req);
  ck_assert_ptr_eq(transport->wait(transport, 10000), req);
  ck_assert_int_eq((int)fault_server_get(server, 0)->body_bytes, 1 << 20);
  ck_assert_mem_eq(fault_server_get(server, 0)->body, req->body, req->body_bytes);
  leadx_request_free(req);
}
END_TEST

START_TEST(no_cookie_comes_back) {
  answer_with(200, "Set-Cookie: a=b; Path=/", "[]");
  leadx_request_free(get("/"));
  leadx_request_free(get("/"));
  check_header(fault_server_get(server, 1), "Cookie", NULL);
}
END_TEST

START_TEST(no_password_is_taken_from_the_environment) {
  setenv("HTTP_PROXY", "http://127.0.0.1:1", 1);
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
  leadx_request *req = get("/");
  ck_assert_int_eq(req->net, LEADX_NET_ANSWER);
  leadx_request_free(req);
  unsetenv("HTTP_PROXY");
  unsetenv("http_proxy");
  unsetenv("ALL_PROXY");
}
END_TEST

static const char *const bad_values[] = {
  "k\r\nX-Evil: injected", "k\nX-Evil: injected", "k\rX", "a\x01z", "tab\there", "\x7f", "\x1b[31m",
};

START_TEST(a_header_cannot_become_two) {
  leadx_request *req = leadx_request_new("GET");
  ck_assert_int_eq(leadx_request_header(req, "apikey", bad_values[_i]), SQLITE_MISUSE);
  ck_assert_int_eq(req->nheaders, 0);
  ck_assert_int_eq(leadx_request_header(req, "a: b\r\nc", "v"), SQLITE_MISUSE);
  ck_assert_int_eq(leadx_request_header(req, "", "v"), SQLITE_MISUSE);
  ck_assert_int_eq(leadx_request_header(req, "a", NULL), SQLITE_MISUSE);
  ck_assert_int_eq(leadx_request_header(req, NULL, "v"), SQLITE_MISUSE);
  ck_assert_int_eq(leadx_request_header(req, "Prefer", "return=representation, count=exact"), SQLITE_OK);
  ck_assert_str_eq(req->headers[0], "Prefer: return=representation, count=exact");
  leadx_request_free(req);
}
END_TEST

/* ---- what is read from an answer's header ---- */

START_TEST(the_headers_that_matter_are_kept) {
  answer_with(200, "content-TYPE: application/json; charset=utf-8\r\nContent-Range:   0-9/*  \r\n"
              "Preference-Applied: return=representation\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT", "[]");
  leadx_request *req = get("/");
  ck_assert_str_eq(req->content_type, "application/json; charset=utf-8");
  ck_assert_str_eq(req->content_range, "0-9/*");
  ck_assert_str_eq(req->preference_applied, "return=representation");
  ck_assert_int_eq(req->date_s, 784111777);
  ck_assert_int_eq(req->retry_after_s, -1);
  ck_assert_str_eq(req->error, "");
  leadx_request_free(req);
}
END_TEST

START_TEST(a_long_header_is_cut_and_its_bytes_are_plain) {
  char headers[600] = "Content-Range: ";
  memset(headers + 15, 'x', 500);
  strcpy(headers + 515, "\r\nPreference-Applied: a\x1b[31m\xc3\xa9z");
  answer_with(200, headers, "[]");
  leadx_request *req = get("/");
  ck_assert_int_eq(strlen(req->content_range), sizeof req->content_range - 1);
  ck_assert_str_eq(req->preference_applied, "a?[31m??z");
  leadx_request_free(req);
}
END_TEST

START_TEST(hints_before_the_answer_are_not_the_answer) {
  fault_server_set(server, FAULT_CONTINUE, 200);
  leadx_request *req = get("/");
  ck_assert_int_eq(req->status, 200);
  ck_assert_str_eq(req->content_type, "application/json; charset=utf-8");
  ck_assert_int_eq(req->retry_after_s, -1);
  leadx_request_free(req);
}
END_TEST

static const struct { const char *headers; int64_t seconds; } retry_afters[] = {
  {"Retry-After: 7", 7},
  {"retry-after:0", 0},
  {"Retry-After: 3600 ", 3600},
  {"Retry-After: 99999999999999999999999", 999999999},
  {"Retry-After: -1", -1},
  {"Retry-After: 1.5", -1},
  {"Retry-After: soon", -1},
  {"Retry-After:", -1},
  {"Retry-After: 7s", -1},
  {"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:50:37 GMT", 60},
  {"Retry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT", 60},
  {"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:49:00 GMT", 0},
  {"Retry-After: Sun, 06 Nov 1994 08:49:37 GMT", 0},
  {"Retry-After: Sunday, 06-Nov-94 08:49:37 GMT", 0},
  {"Retry-After: Sun Nov  6 08:49:37 1994", 0},
  {"Retry-After: Sun, 99 Nov 1994 08:49:37 GMT", -1},
  {"Date: nonsense\r\nRetry-After: 12", 12},
};

START_TEST(retry_after_is_seconds_or_a_date) {
  answer_with(503, retry_afters[_i].headers, "{}");
  leadx_request *req = get("/");
  ck_assert_int_eq(req->status, 503);
  ck_assert_int_eq(req->retry_after_s, retry_afters[_i].seconds);
  leadx_request_free(req);
}
END_TEST

/* ---- caps ---- */

START_TEST(an_answer_may_be_exactly_as_large_as_the_cap) {
  char *body = malloc(20001);
  memset(body, ' ', 20000);
  body[0] = '[';
  body[19999] = ']';
  body[20000] = '\0';
  for (int over = 0; over <= 1; over++) {
    leadx_transport *t = open_transport(1, 20000 - over, TIMEOUT_MS);
    fault_rule rule = {.kind = FAULT_GZIP, .body = body};
    leadx_err err;
    leadx_err_clear(&err);
    for (int zipped = 0; zipped <= 1; zipped++) {
      rule.kind = zipped ? FAULT_GZIP : FAULT_ANSWER;
      fault_server_clear(server);
      fault_server_add(server, &rule);
      leadx_request *req = new_request("GET", "/", NULL);
      ck_assert_int_eq(t->start(t, req, &err), SQLITE_OK);
      ck_assert_ptr_eq(t->wait(t, 10000), req);
      ck_assert_int_eq(req->net, over ? LEADX_NET_TOO_LARGE : LEADX_NET_ANSWER);
      ck_assert_int_eq((int)req->answer_bytes, over ? 0 : 20000);
      leadx_request_free(req);
    }
    t->free(t);
  }
  free(body);
}
END_TEST

START_TEST(bytes_are_counted_as_they_travel) {
  answer_with(200, NULL, "[1,2,3]");
  leadx_request *req = send_request("POST", "/rest/v1/t", "[{\"id\":1}]");
  ck_assert(req->bytes_in > 7 && req->bytes_in < 500);
  ck_assert(req->bytes_out > 10 && req->bytes_out < 1000);
  int64_t small = req->bytes_out;
  leadx_request_free(req);
  char body[5001];
  memset(body, ' ', 5000);
  body[5000] = '\0';
  req = send_request("POST", "/rest/v1/t", body);
  /* The body's bytes and the longer Content-Length, each counted once. */
  ck_assert_int_eq(req->bytes_out, small + 4990 + 2);
  leadx_request_free(req);
}
END_TEST

START_TEST(inflated_bytes_are_not_wire_bytes) {
  char body[9001];
  memset(body, ' ', 9000);
  body[0] = '[';
  body[8999] = ']';
  body[9000] = '\0';
  fault_rule rule = {.kind = FAULT_GZIP, .body = body};
  fault_server_add(server, &rule);
  leadx_request *req = get("/");
  ck_assert_int_eq((int)req->answer_bytes, 9000);
  ck_assert(req->bytes_in > 9000); /* a stored block is no smaller */
  leadx_request_free(req);
}
END_TEST

/* ---- many at once, waiting, giving up ---- */

enum { MANY = 100 };

static void finish_all(leadx_request **requests, int n, leadx_net net) {
  int seen = 0;
  for (; seen < n; seen++) {
    leadx_request *req = transport->wait(transport, 10000);
    ck_assert_ptr_nonnull(req);
    ck_assert_int_eq(req->net, net);
    ck_assert_ptr_nonnull(req->answer);
    int i = (int)(intptr_t)req->tag;
    ck_assert_ptr_eq(requests[i], req);
    requests[i] = NULL;
    leadx_request_free(req);
  }
  ck_assert_ptr_null(transport->wait(transport, 10000));
}

static void start_many(leadx_request **requests, int n) {
  for (int i = 0; i < n; i++) {
    char path[40];
    snprintf(path, sizeof path, "/rest/v1/t?id=eq.%d", i);
    requests[i] = new_request("PATCH", path, "{\"a\":1}");
    requests[i]->tag = (void *)(intptr_t)i;
    start(requests[i]);
  }
}

START_TEST(many_requests_share_few_connections) {
  leadx_request *requests[MANY];
  transport->free(transport);
  transport = open_transport(MANY, MAX_RESPONSE, 5000);
  start_many(requests, MANY);
  finish_all(requests, MANY, LEADX_NET_ANSWER);
  ck_assert_int_eq(fault_server_count(server), MANY);
  ck_assert_msg(fault_server_connections(server) <= 8, "%d", fault_server_connections(server));
  ck_assert_int_eq(fault_server_unfiltered(server), 0);
}
END_TEST

START_TEST(no_more_are_in_flight_than_allowed) {
  leadx_request *requests[MANY];
  transport->free(transport);
  transport = open_transport(1, MAX_RESPONSE, 5000);
  start_many(requests, MANY);
  finish_all(requests, MANY, LEADX_NET_ANSWER);
  ck_assert_int_eq(fault_server_connections(server), 1);
  for (int i = 0; i < MANY; i++) {
    char target[40];
    snprintf(target, sizeof target, "/rest/v1/t?id=eq.%d", i);
    ck_assert_str_eq(fault_server_get(server, i)->target, target);
  }
}
END_TEST

START_TEST(a_connection_is_kept_between_requests) {
  for (int i = 0; i < 10; i++) leadx_request_free(get("/"));
  ck_assert_int_eq(fault_server_connections(server), 1);
}
END_TEST

START_TEST(a_lone_request_leaves_at_once) {
  leadx_request_free(get("/warm"));
  leadx_request *req = new_request("GET", "/now", NULL);
  start(req);
  for (int i = 0; i < 100 && !fault_server_seen(server, "GET", "/now"); i++) fault_sleep_ms(5);
  ck_assert_int_eq(fault_server_seen(server, "GET", "/now"), 1);
  ck_assert_ptr_eq(transport->wait(transport, 10000), req);
  leadx_request_free(req);
}
END_TEST

START_TEST(wait_returns_when_its_time_is_up) {
  fault_server_set(server, FAULT_HANG, 0);
  leadx_request *req = new_request("GET", "/", NULL);
  start(req);
  int64_t from = leadx_clock_mono_ms();
  ck_assert_ptr_null(transport->wait(transport, 0));
  ck_assert_ptr_null(transport->wait(transport, 50));
  int64_t took = leadx_clock_mono_ms() - from;
  ck_assert_msg(took >= 45 && took < 250, "%d", (int)took);
  ck_assert_ptr_eq(transport->wait(transport, 10000), req);
  ck_assert_int_eq(req->net, LEADX_NET_OFFLINE);
  leadx_request_free(req);
}
END_TEST

START_TEST(wait_with_nothing_in_flight_returns_at_once) {
  int64_t from = leadx_clock_mono_ms();
  ck_assert_ptr_null(transport->wait(transport, 10000));
  ck_assert(leadx_clock_mono_ms() - from < 500);
}
END_TEST

START_TEST(cancel_gives_up_everything) {
  leadx_request *requests[20];
  fault_server_set(server, FAULT_HANG, 0);
  start_many(requests, 20);
  ck_assert_ptr_null(transport->wait(transport, 20));
  transport->cancel(transport);
  int64_t from = leadx_clock_mono_ms();
  finish_all(requests, 20, LEADX_NET_INTERRUPTED);
  ck_assert(leadx_clock_mono_ms() - from < 500);
  fault_server_clear(server);
  leadx_request *req = get("/");
  ck_assert_int_eq(req->net, LEADX_NET_ANSWER);
  leadx_request_free(req);
}
END_TEST

START_TEST(cancel_keeps_what_is_already_answered) {
  leadx_request *first = new_request("GET", "/", NULL);
  leadx_request *second = new_request("GET", "/slow", NULL);
  fault_rule rule = {.path = "/slow", .kind = FAULT_HANG};
  fault_server_add(server, &rule);
  start(first);
  start(second);
  ck_assert_ptr_eq(transport->wait(transport, 10000), first);
  transport->cancel(transport);
  ck_assert_ptr_eq(transport->wait(transport, 10000), second);
  ck_assert_int_eq(first->net, LEADX_NET_ANSWER);
  ck_assert_int_eq(second->net, LEADX_NET_INTERRUPTED);
  leadx_request_free(first);
  leadx_request_free(second);
}
END_TEST

START_TEST(an_interrupt_ends_everything_soon) {
  leadx_request *requests[20];
  transport->free(transport);
  transport = open_transport(8, MAX_RESPONSE, 20000);
  fault_server_set(server, FAULT_HANG, 0);
  start_many(requests, 20);
  /* The first answer may come to any of the places that ask. */
  interrupts_after = 1 + _i;
  int64_t from = leadx_clock_mono_ms();
  finish_all(requests, 20, LEADX_NET_INTERRUPTED);
  ck_assert_msg(leadx_clock_mono_ms() - from < 2000, "takes too long");
}
END_TEST

START_TEST(an_interrupt_stops_a_long_answer) {
  transport->free(transport);
  transport = open_transport(8, (int64_t)256 << 20, 20000);
  fault_server_set(server, FAULT_BIG, 0);
  interrupts_after = 3;
  leadx_request *req = get("/");
  ck_assert_int_eq(req->net, LEADX_NET_INTERRUPTED);
  check_no_answer(req);
  leadx_request_free(req);
}
END_TEST

START_TEST(free_gives_up_what_is_still_in_flight) {
  leadx_transport *t = open_transport(2, MAX_RESPONSE, 20000);
  leadx_request *requests[4];
  leadx_err err;
  leadx_err_clear(&err);
  fault_server_set(server, FAULT_HANG, 0);
  for (int i = 0; i < 4; i++) {
    requests[i] = new_request("GET", "/", NULL);
    ck_assert_int_eq(t->start(t, requests[i], &err), SQLITE_OK);
  }
  ck_assert_ptr_null(t->wait(t, 10));
  t->free(t);
  for (int i = 0; i < 4; i++) leadx_request_free(requests[i]);
}
END_TEST

START_TEST(a_request_can_be_sent_again) {
  answer_with(401, "Retry-After: 5", NULL);
  leadx_request *req = get("/");
  ck_assert_int_eq(req->status, 401);
  answer_with(200, NULL, "[1]");
  start(req);
  ck_assert_ptr_eq(transport->wait(transport, 10000), req);
  ck_assert_int_eq(req->status, 200);
  ck_assert_str_eq(req->answer, "[1]");
  ck_assert_int_eq(req->retry_after_s, -1);
  leadx_request_free(req);
}
END_TEST

/* ---- URLs of requests ---- */

static const char *const bad_urls[] = {
  "http://example.com/", "http://10.0.0.1/", "http://127.0.0.1.example.com/", "http://0.0.0.0/", "ftp://127.0.0.1/",
  "file:///etc/passwd", "gopher://127.0.0.1/", "127.0.0.1/", "", "https://", "https://user:pass@127.0.0.1/",
  "http://127.0.0.1@example.com/", "https://exa mple.com/", "https://127.0.0.1/\r\nX: y", "dict://127.0.0.1/",
  "scp://127.0.0.1/x", "ws://127.0.0.1/", "http://[::1%25lo]/", "http://localhost.example.com/",
};

START_TEST(a_url_that_is_not_ours_is_never_fetched) {
  leadx_request *req = leadx_request_new("GET");
  req->url = sqlite3_mprintf("%s", bad_urls[_i]);
  start(req);
  ck_assert_ptr_eq(transport->wait(transport, 10000), req);
  ck_assert_msg(req->net == LEADX_NET_MISUSE, "%s: net %d, curl %d", bad_urls[_i], (int)req->net, req->curl_code);
  check_no_answer(req);
  leadx_request_free(req);
}
END_TEST

START_TEST(a_request_without_a_url_is_misuse) {
  leadx_request *req = leadx_request_new("GET");
  start(req);
  ck_assert_ptr_eq(transport->wait(transport, 10000), req);
  ck_assert_int_eq(req->net, LEADX_NET_MISUSE);
  leadx_request_free(req);
}
END_TEST

/* ---- base URLs ---- */

static const struct { const char *url, *expected; } base_urls[] = {
  {"https://abcd.supabase.co", "https://abcd.supabase.co/rest/v1"},
  {"https://abcd.supabase.co/", "https://abcd.supabase.co/rest/v1"},
  {"https://abcd.supabase.co///", "https://abcd.supabase.co/rest/v1"},
  {"https://abcd.supabase.co/rest/v1", "https://abcd.supabase.co/rest/v1"},
  {"https://abcd.supabase.co/rest/v1/", "https://abcd.supabase.co/rest/v1"},
  {"https://abcd.supabase.co/other", "https://abcd.supabase.co/other"},
  {"https://abcd.supabase.in", "https://abcd.supabase.in/rest/v1"},
  {"https://abcd.supabase.net", "https://abcd.supabase.net/rest/v1"},
  {"HTTPS://ABCD.Supabase.CO", "https://abcd.supabase.co/rest/v1"},
  {"https://supabase.co", "https://supabase.co"},
  {"https://evilsupabase.co", "https://evilsupabase.co"},
  {"https://abcd.supabase.co.evil.com", "https://abcd.supabase.co.evil.com"},
  {"https://db.example.com", "https://db.example.com"},
  {"https://db.example.com/", "https://db.example.com"},
  {"https://DB.Example.com/API/", "https://db.example.com/API"},
  {"https://db.example.com:443/x", "https://db.example.com/x"},
  {"https://db.example.com:8443/x", "https://db.example.com:8443/x"},
  {"https://10.0.0.1", "https://10.0.0.1"},
  {"https://[2001:db8::1]:3000/", "https://[2001:db8::1]:3000"},
  {"https://a.example/x/../y", "https://a.example/y"},
  {"https://a.example/rest/v1/../../x", "https://a.example/x"},
  {"https://a.example/../../..", "https://a.example"},
  {"https://a.example/a%20b", "https://a.example/a%20b"},
  {"http://localhost", "http://localhost"},
  {"http://localhost:3000/", "http://localhost:3000"},
  {"http://LOCALHOST:3000", "http://localhost:3000"},
  {"http://127.0.0.1:3000", "http://127.0.0.1:3000"},
  {"http://127.0.0.1:80/x", "http://127.0.0.1/x"},
  {"http://[::1]:3000", "http://[::1]:3000"},
  {"http://[0:0:0:0:0:0:0:1]:3000", "http://[::1]:3000"},
  {"http://127.1:3000", "http://127.0.0.1:3000"},
  {"http://0x7f000001", "http://127.0.0.1"},
  {"http://2130706433", "http://127.0.0.1"},
  {"http://0177.0.0.1", "http://127.0.0.1"},
  {"https://localhost:8443", "https://localhost:8443"},
  /* Refused. */
  {NULL, NULL},
  {"", NULL},
  {" ", NULL},
  {"abcd.supabase.co", NULL},
  {"//abcd.supabase.co", NULL},
  {"/rest/v1", NULL},
  {"https:", NULL},
  {"https:/abcd.supabase.co", NULL},
  {"https://", NULL},
  {"https:///rest/v1", NULL},
  {"https:///example.com", NULL},
  {"https:////example.com", NULL},
  {"a:b://example.com", NULL},
  {"https://:443", NULL},
  {"http://abcd.supabase.co", NULL},
  {"http://example.com", NULL},
  {"http://10.0.0.1", NULL},
  {"http://192.168.1.1:3000", NULL},
  {"http://127.0.0.2", NULL},
  {"http://0.0.0.0", NULL},
  {"http://[::]", NULL},
  {"http://[::ffff:127.0.0.1]", NULL},
  {"http://[::1%25lo]", NULL},
  {"https://[fe80::1%25eth0]", NULL},
  {"http://localhost.evil.com", NULL},
  {"http://127.0.0.1.evil.com", NULL},
  {"http://localhost@evil.com", NULL},
  {"http://evil.com#localhost", NULL},
  {"http://evil.com?localhost", NULL},
  {"http://evil.com\\@localhost", NULL},
  {"https://user@example.com", NULL},
  {"https://user:secret@example.com", NULL},
  {"https://@example.com", NULL},
  {"https://:@example.com", NULL},
  {"https://good.co@evil.com", NULL},
  {"https://evil.com\\@good.co", NULL},
  {"https://good.co\\.evil.com", NULL},
  {"https://example.com/a\\b", NULL},
  {"https://example.com?x=1", NULL},
  {"https://example.com?", NULL},
  {"https://example.com#f", NULL},
  {"https://example.com/#", NULL},
  {"https://example.com/\r\nX-Evil: 1", NULL},
  {"https://example.com/\nX", NULL},
  {"https://exam\tple.com", NULL},
  {"https://exa mple.com", NULL},
  {" https://example.com", NULL},
  {"https://example.com ", NULL},
  {"https://example.com/\x01", NULL},
  {"https://example.com/\x7f", NULL},
  {"https://ex\xc3\xa4mple.com", NULL},
  {"https://example.com/\xc3\xa4", NULL},
  {"https://example.com:0", NULL},
  {"https://example.com:99999", NULL},
  {"https://example.com:port", NULL},
  {"https://[::1", NULL},
  {"file:///etc/passwd", NULL},
  {"file://localhost/etc/passwd", NULL},
  {"ftp://localhost/", NULL},
  {"gopher://127.0.0.1:3000/", NULL},
  {"ws://localhost", NULL},
  {"wss://example.com", NULL},
  {"httpss://example.com", NULL},
  {"javascript:alert(1)", NULL},
  {"postgres://localhost/db", NULL},
};

START_TEST(a_base_url_is_normalised_or_refused) {
  leadx_err err;
  leadx_err_clear(&err);
  char *url = leadx_http_base_url("leadx_configure", base_urls[_i].url, &err);
  const char *shown = base_urls[_i].url ? base_urls[_i].url : "NULL";
  if (base_urls[_i].expected) {
    ck_assert_msg(url != NULL, "%s: %s", shown, err.text);
    ck_assert_str_eq(url, base_urls[_i].expected);
    ck_assert_int_eq(err.rc, SQLITE_OK);
    char *again = leadx_http_base_url("leadx_configure", url, &err);
    ck_assert_str_eq(again, url);
    sqlite3_free(again);
  } else {
    ck_assert_msg(url == NULL, "%s became %s", shown, url);
    ck_assert_int_eq(err.rc, SQLITE_ERROR);
    ck_assert_msg(strncmp(err.text, "leadx_configure: ", 17) == 0, "%s", err.text);
    ck_assert_msg(strstr(err.text, "use https://") != NULL, "%s", err.text);
    ck_assert_msg(strstr(err.text, "secret") == NULL, "%s", err.text);
  }
  sqlite3_free(url);
}
END_TEST

START_TEST(a_base_url_has_a_limit) {
  char url[3000] = "https://example.com/";
  leadx_err err;
  leadx_err_clear(&err);
  memset(url + 20, 'x', 2028);
  url[2048] = '\0';
  char *ok = leadx_http_base_url("w", url, &err);
  ck_assert_ptr_nonnull(ok);
  sqlite3_free(ok);
  strcat(url, "x");
  ck_assert_ptr_null(leadx_http_base_url("w", url, &err));
}
END_TEST

START_TEST(the_version_names_the_library) {
  ck_assert_msg(strncmp(leadx_http_version(), "libcurl/", 8) == 0, "%s", leadx_http_version());
}
END_TEST

/* ---- the server and the fake themselves ---- */

START_TEST(a_lost_acknowledgement_reaches_the_upstream) {
  static const struct { fault_kind kind; int delivered, answered; } forwards[] = {
    {FAULT_FORWARD, 1, 1}, {FAULT_FORWARD_LOSE, 1, 0}, {FAULT_FORWARD_RESET, 1, 0}, {FAULT_FORWARD_HALF, 1, 0},
    {FAULT_FORWARD_TWICE, 2, 1}, {FAULT_FORWARD_NEVER, 0, 0},
  };
  fault_server *upstream = fault_server_start();
  fault_rule rule = {.status = 201, .headers = "Content-Range: 0-0/*\r\nContent-Type: application/json", .body = "[{\"id\":1}]"};
  fault_server_add(upstream, &rule);
  fault_server_upstream(server, fault_server_port(upstream));
  for (int i = 0; i < COUNT(forwards); i++) {
    fault_server_forget(upstream);
    fault_server_set(server, forwards[i].kind, 0);
    /* On a kept connection curl would send it again. */
    transport->free(transport);
    transport = open_transport(1, MAX_RESPONSE, TIMEOUT_MS);
    leadx_request *req = send_request("POST", "/rest/v1/t?x=1", "[{\"id\":1}]");
    ck_assert_int_eq(fault_server_count(upstream), forwards[i].delivered);
    ck_assert_int_eq(req->net, forwards[i].answered ? LEADX_NET_ANSWER : LEADX_NET_OFFLINE);
    if (forwards[i].answered) {
      ck_assert_int_eq(req->status, 201);
      ck_assert_str_eq(req->answer, "[{\"id\":1}]");
      ck_assert_str_eq(req->content_range, "0-0/*");
      const fault_request *seen = fault_server_get(upstream, 0);
      ck_assert_str_eq(seen->target, "/rest/v1/t?x=1");
      ck_assert_str_eq(seen->body, "[{\"id\":1}]");
      check_header(seen, "apikey", "sb_publishable_canary");
    }
    leadx_request_free(req);
  }
  fault_server_stop(upstream);
  leadx_request *req = get("/");
  ck_assert_int_eq(class_of(req), LEADX_CLASS_OFFLINE);
  leadx_request_free(req);
  fault_server_set(server, FAULT_FORWARD, 0);
  req = get("/");
  ck_assert_int_eq(req->status, 502);
  leadx_request_free(req);
}
END_TEST

static void respond_with_target(void *ctx, const fault_request *request, fault_answer *answer) {
  (void)ctx;
  answer->status = strstr(request->target, "bad") ? 400 : 200;
  answer->body = request->body_bytes > 0 ? request->body : "[\"empty\"]";
}

START_TEST(rules_are_tried_in_order_and_count) {
  fault_rule second = {.method = "GET", .path = "/a", .from = 2, .to = 3, .status = 503};
  fault_rule callback = {.method = "POST", .kind = FAULT_CALLBACK, .respond = respond_with_target};
  static const long expected[] = {200, 503, 503, 200};
  fault_server_add(server, &second);
  fault_server_add(server, &callback);
  for (int i = 0; i < COUNT(expected); i++) {
    leadx_request *req = get("/abc");
    ck_assert_int_eq(req->status, expected[i]);
    leadx_request_free(req);
  }
  leadx_request *req = send_request("POST", "/bad", "[7]");
  ck_assert_int_eq(req->status, 400);
  ck_assert_str_eq(req->answer, "[7]");
  leadx_request_free(req);
  req = send_request("DELETE", "/a", NULL);
  leadx_request_free(req);
  ck_assert_int_eq(fault_server_seen(server, "GET", "/abc"), 4);
  ck_assert_int_eq(fault_server_unfiltered(server), 1);
  fault_server_forget(server);
  ck_assert_int_eq(fault_server_count(server), 0);
  ck_assert_ptr_null(fault_server_get(server, 0));
}
END_TEST

static void answer_by_url(void *ctx, leadx_request *req) {
  ++*(int *)ctx;
  if (strstr(req->url, "offline")) fake_fail(req, LEADX_NET_OFFLINE, 7, "refused");
  else if (!strstr(req->url, "silent")) fake_answer(req, 201, "[1]");
}

static leadx_request *fake_request(const char *url) {
  leadx_request *req = leadx_request_new("GET");
  req->url = sqlite3_mprintf("%s", url);
  leadx_request_header(req, "Prefer", "count=exact");
  return req;
}

START_TEST(the_fake_answers_as_told) {
  int calls = 0;
  leadx_transport *fake = fake_transport_open(answer_by_url, &calls);
  leadx_request *a = fake_request("a"), *b = fake_request("offline"), *c = fake_request("silent");
  leadx_err err;
  leadx_err_clear(&err);
  fake_transport_fail_start(fake, 2, SQLITE_NOMEM);
  fake_transport_order(fake, FAKE_LAST_IN_FIRST_OUT, 0);
  ck_assert_int_eq(fake->start(fake, a, &err), SQLITE_OK);
  ck_assert_int_eq(fake->start(fake, b, &err), SQLITE_NOMEM);
  leadx_err_clear(&err);
  ck_assert_int_eq(fake->start(fake, b, &err), SQLITE_OK);
  ck_assert_int_eq(fake->start(fake, c, &err), SQLITE_OK);
  ck_assert_int_eq(fake_transport_starts(fake), 3);
  ck_assert_int_eq(fake_transport_in_flight(fake), 3);
  fake_transport_idle(fake, 1);
  ck_assert_ptr_null(fake->wait(fake, 0));
  ck_assert_ptr_eq(fake->wait(fake, 0), c);
  ck_assert_ptr_eq(fake->wait(fake, 0), b);
  fake->cancel(fake);
  ck_assert_ptr_eq(fake->wait(fake, 0), a);
  ck_assert_int_eq(a->net, LEADX_NET_INTERRUPTED);
  ck_assert_int_eq(b->curl_code, 7);
  ck_assert_str_eq(b->error, "refused");
  ck_assert_str_eq(c->answer, "");
  ck_assert_int_eq(calls, 2);
  ck_assert_str_eq(fake_header(a, "prefer"), "count=exact");
  ck_assert_ptr_null(fake_header(a, "Pref"));
  ck_assert_int_eq(fake->start(fake, a, &err), SQLITE_OK);
  ck_assert_ptr_eq(fake->wait(fake, 0), a);
  ck_assert_int_eq(a->status, 201);
  ck_assert_int_eq(class_of(a), LEADX_CLASS_OK);
  leadx_request_free(a);
  leadx_request_free(b);
  leadx_request_free(c);
  fake->free(fake);
}
END_TEST

static TCase *server_case(Suite *suite, const char *name) {
  TCase *tcase = tcase_create(name);
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_set_timeout(tcase, 30);
  suite_add_tcase(suite, tcase);
  return tcase;
}

Suite *test_http_suite(void) {
  Suite *suite = suite_create("http");

  TCase *url_case = tcase_create("url");
  tcase_add_loop_test(url_case, a_base_url_is_normalised_or_refused, 0, COUNT(base_urls));
  tcase_add_test(url_case, a_base_url_has_a_limit);
  tcase_add_test(url_case, the_version_names_the_library);
  tcase_add_loop_test(url_case, a_header_cannot_become_two, 0, COUNT(bad_values));
  tcase_add_test(url_case, the_fake_answers_as_told);
  suite_add_tcase(suite, url_case);

  TCase *harness_case = server_case(suite, "harness");
  tcase_add_test(harness_case, rules_are_tried_in_order_and_count);
  tcase_add_test(harness_case, a_lost_acknowledgement_reaches_the_upstream);

  TCase *wire_case = server_case(suite, "wire");
  tcase_add_test(wire_case, a_request_says_what_it_must_and_no_more);
  tcase_add_test(wire_case, a_body_without_a_type_is_not_called_a_form);
  tcase_add_test(wire_case, a_body_may_hold_any_byte);
  tcase_add_test(wire_case, no_cookie_comes_back);
  tcase_add_test(wire_case, no_password_is_taken_from_the_environment);
  tcase_add_test(wire_case, the_headers_that_matter_are_kept);
  tcase_add_test(wire_case, a_long_header_is_cut_and_its_bytes_are_plain);
  tcase_add_test(wire_case, hints_before_the_answer_are_not_the_answer);
  tcase_add_loop_test(wire_case, retry_after_is_seconds_or_a_date, 0, COUNT(retry_afters));
  tcase_add_test(wire_case, an_answer_may_be_exactly_as_large_as_the_cap);
  tcase_add_test(wire_case, bytes_are_counted_as_they_travel);
  tcase_add_test(wire_case, inflated_bytes_are_not_wire_bytes);

  TCase *trust_case = server_case(suite, "trust");
  tcase_add_test(trust_case, a_redirect_carries_nothing_to_another_origin);
  tcase_add_test(trust_case, https_never_falls_back_to_http);
  tcase_add_test(trust_case, a_ca_file_that_cannot_be_read_is_untrusted);
  tcase_add_loop_test(trust_case, a_url_that_is_not_ours_is_never_fetched, 0, COUNT(bad_urls));
  tcase_add_test(trust_case, a_request_without_a_url_is_misuse);

  TCase *flight_case = server_case(suite, "flight");
  tcase_add_test(flight_case, many_requests_share_few_connections);
  tcase_add_test(flight_case, no_more_are_in_flight_than_allowed);
  tcase_add_test(flight_case, a_connection_is_kept_between_requests);
  tcase_add_test(flight_case, a_lone_request_leaves_at_once);
  tcase_add_test(flight_case, wait_returns_when_its_time_is_up);
  tcase_add_test(flight_case, wait_with_nothing_in_flight_returns_at_once);
  tcase_add_test(flight_case, cancel_gives_up_everything);
  tcase_add_test(flight_case, cancel_keeps_what_is_already_answered);
  tcase_add_loop_test(flight_case, an_interrupt_ends_everything_soon, 0, 6);
  tcase_add_test(flight_case, an_interrupt_stops_a_long_answer);
  tcase_add_test(flight_case, free_gives_up_what_is_still_in_flight);
  tcase_add_test(flight_case, a_request_can_be_sent_again);

  TCase *fault_case_ = server_case(suite, "fault");
  tcase_add_loop_test(fault_case_, a_fault_becomes_a_class_and_the_next_request_works, 0,
                      COUNT(faults) * COUNT(methods));
  tcase_add_test(fault_case_, an_answer_cut_before_its_body_is_no_answer);
  tcase_add_test(fault_case_, an_endless_header_line_is_no_answer);
  tcase_add_test(fault_case_, a_closed_port_is_offline_and_opens_again);
  tcase_add_test(fault_case_, a_name_that_does_not_exist_is_no_answer);
  tcase_add_test(fault_case_, a_post_is_sent_again_when_a_kept_connection_dies);
  return suite;
}
