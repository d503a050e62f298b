/* The transport: what it sends, what it keeps of an answer, many requests at once, and whom it
** trusts. */
#include "http_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* ---- what goes over the wire ---- */

START_TEST(a_request_says_what_it_must_and_no_more) {
  leadx_request *req = rig_send("PATCH", "/rest/v1/a%20b?id=eq.%2B1", "{\"a\":1}");
  leadx_request_free(req);
  const fault_request *seen = fault_server_get(rig.server, 0);
  ck_assert_str_eq(seen->method, "PATCH");
  ck_assert_str_eq(seen->target, "/rest/v1/a%20b?id=eq.%2B1");
  ck_assert_str_eq(seen->body, "{\"a\":1}");
  rig_header(seen, "apikey", "sb_publishable_canary");
  rig_header(seen, "Authorization", "Bearer canary.token");
  rig_header(seen, "Content-Type", "application/json");
  rig_header(seen, "User-Agent", "leadx/0.1.0 (+sqlite)");
  rig_header(seen, "Accept-Encoding", "gzip");
  rig_header(seen, "Expect", NULL);
  rig_header(seen, "Cookie", NULL);
  rig_header(seen, "Referer", NULL);
}
END_TEST

START_TEST(a_body_without_a_type_is_not_called_a_form) {
  leadx_request *req = rig_request("POST", "/rpc/f", NULL);
  rig_start(req);
  ck_assert_ptr_eq(rig.transport->wait(rig.transport, RIG_PATIENCE_MS), req);
  leadx_request_free(req);
  rig_header(fault_server_get(rig.server, 0), "Content-Type", NULL);
  rig_header(fault_server_get(rig.server, 0), "Content-Length", "0");
}
END_TEST

START_TEST(a_body_may_hold_any_byte) {
  leadx_request *req = rig_request("POST", "/rest/v1/t", NULL);
  req->body = sqlite3_malloc64(1 << 20);
  req->body_bytes = 1 << 20;
  for (int i = 0; i < 1 << 20; i++) req->body[i] = (char)(unsigned char)(i * 7);
  rig_start(req);
  ck_assert_ptr_eq(rig.transport->wait(rig.transport, RIG_PATIENCE_MS), req);
  ck_assert_int_eq((int)fault_server_get(rig.server, 0)->body_bytes, 1 << 20);
  ck_assert_mem_eq(fault_server_get(rig.server, 0)->body, req->body, req->body_bytes);
  leadx_request_free(req);
}
END_TEST

START_TEST(no_cookie_comes_back) {
  rig_answer(200, "Set-Cookie: a=b; Path=/", "[]");
  leadx_request_free(rig_get("/"));
  leadx_request_free(rig_get("/"));
  rig_header(fault_server_get(rig.server, 1), "Cookie", NULL);
}
END_TEST

START_TEST(no_password_is_taken_from_the_environment) {
  setenv("HTTP_PROXY", "http://127.0.0.1:1", 1);
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
  leadx_request *req = rig_get("/");
  ck_assert_int_eq(req->net, LEADX_NET_ANSWER);
  leadx_request_free(req);
  unsetenv("HTTP_PROXY");
  unsetenv("http_proxy");
  unsetenv("ALL_PROXY");
}
END_TEST

static const char *const bad_values[] = {
    "k\r\nX-Evil: injected",
    "k\nX-Evil: injected",
    "k\rX",
    "a\x01z",
    "tab\there",
    "\x7f",
    "\x1b[31m",
};

START_TEST(a_header_cannot_become_two) {
  leadx_request *req = leadx_request_new("GET");
  ck_assert_int_eq(leadx_request_header(req, "apikey", bad_values[_i]), SQLITE_MISUSE);
  ck_assert_int_eq(req->nheaders, 0);
  ck_assert_int_eq(leadx_request_header(req, "a: b\r\nc", "v"), SQLITE_MISUSE);
  ck_assert_int_eq(leadx_request_header(req, "", "v"), SQLITE_MISUSE);
  ck_assert_int_eq(leadx_request_header(req, "a", NULL), SQLITE_MISUSE);
  ck_assert_int_eq(leadx_request_header(req, NULL, "v"), SQLITE_MISUSE);
  ck_assert_int_eq(leadx_request_header(req, "Prefer", "return=representation, count=exact"),
                   SQLITE_OK);
  ck_assert_str_eq(req->headers[0], "Prefer: return=representation, count=exact");
  leadx_request_free(req);
}
END_TEST

/* ---- what is read from an answer's header ---- */

START_TEST(the_headers_that_matter_are_kept) {
  rig_answer(200,
             "content-TYPE: application/json; charset=utf-8\r\nContent-Range:   0-9/*  \r\n"
             "Preference-Applied: return=representation\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT",
             "[]");
  leadx_request *req = rig_get("/");
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
  rig_answer(200, headers, "[]");
  leadx_request *req = rig_get("/");
  ck_assert_int_eq(strlen(req->content_range), sizeof req->content_range - 1);
  ck_assert_str_eq(req->preference_applied, "a?[31m??z");
  leadx_request_free(req);
}
END_TEST

START_TEST(hints_before_the_answer_are_not_the_answer) {
  fault_server_set(rig.server, FAULT_CONTINUE, 200);
  leadx_request *req = rig_get("/");
  ck_assert_int_eq(req->status, 200);
  ck_assert_str_eq(req->content_type, "application/json; charset=utf-8");
  ck_assert_int_eq(req->retry_after_s, -1);
  leadx_request_free(req);
}
END_TEST

static const struct {
  const char *headers;
  int64_t seconds;
} retry_afters[] = {
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
  rig_answer(503, retry_afters[_i].headers, "{}");
  leadx_request *req = rig_get("/");
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
    leadx_transport *t = rig_transport(1, 20000 - over, RIG_PATIENCE_MS);
    fault_rule rule = {.kind = FAULT_GZIP, .body = body};
    leadx_err err;
    leadx_err_clear(&err);
    for (int zipped = 0; zipped <= 1; zipped++) {
      rule.kind = zipped ? FAULT_GZIP : FAULT_ANSWER;
      fault_server_clear(rig.server);
      fault_server_add(rig.server, &rule);
      leadx_request *req = rig_request("GET", "/", NULL);
      ck_assert_int_eq(t->start(t, req, &err), SQLITE_OK);
      ck_assert_ptr_eq(t->wait(t, RIG_PATIENCE_MS), req);
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
  rig_answer(200, NULL, "[1,2,3]");
  leadx_request *req = rig_send("POST", "/rest/v1/t", "[{\"id\":1}]");
  ck_assert(req->bytes_in > 7 && req->bytes_in < 500);
  ck_assert(req->bytes_out > 10 && req->bytes_out < 1000);
  int64_t small = req->bytes_out;
  leadx_request_free(req);
  char body[5001];
  memset(body, ' ', 5000);
  body[5000] = '\0';
  req = rig_send("POST", "/rest/v1/t", body);
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
  fault_server_add(rig.server, &rule);
  leadx_request *req = rig_get("/");
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
    leadx_request *req = rig.transport->wait(rig.transport, RIG_PATIENCE_MS);
    ck_assert_ptr_nonnull(req);
    ck_assert_int_eq(req->net, net);
    ck_assert_ptr_nonnull(req->answer);
    int i = (int)(intptr_t)req->tag;
    ck_assert_ptr_eq(requests[i], req);
    requests[i] = NULL;
    leadx_request_free(req);
  }
  ck_assert_ptr_null(rig.transport->wait(rig.transport, RIG_PATIENCE_MS));
}

static void start_many(leadx_request **requests, int n) {
  for (int i = 0; i < n; i++) {
    char path[40];
    snprintf(path, sizeof path, "/rest/v1/t?id=eq.%d", i);
    requests[i] = rig_request("PATCH", path, "{\"a\":1}");
    requests[i]->tag = (void *)(intptr_t)i;
    rig_start(requests[i]);
  }
}

START_TEST(many_requests_share_few_connections) {
  leadx_request *requests[MANY];
  rig.transport->free(rig.transport);
  rig.transport = rig_transport(MANY, RIG_RESPONSE_BYTES, RIG_PATIENCE_MS);
  start_many(requests, MANY);
  finish_all(requests, MANY, LEADX_NET_ANSWER);
  ck_assert_int_eq(fault_server_count(rig.server), MANY);
  ck_assert_msg(fault_server_connections(rig.server) <= 8, "%d",
                fault_server_connections(rig.server));
  ck_assert_int_eq(fault_server_unfiltered(rig.server), 0);
}
END_TEST

START_TEST(no_more_are_in_flight_than_allowed) {
  leadx_request *requests[MANY];
  rig.transport->free(rig.transport);
  rig.transport = rig_transport(1, RIG_RESPONSE_BYTES, RIG_PATIENCE_MS);
  start_many(requests, MANY);
  finish_all(requests, MANY, LEADX_NET_ANSWER);
  ck_assert_int_eq(fault_server_connections(rig.server), 1);
  for (int i = 0; i < MANY; i++) {
    char target[40];
    snprintf(target, sizeof target, "/rest/v1/t?id=eq.%d", i);
    ck_assert_str_eq(fault_server_get(rig.server, i)->target, target);
  }
}
END_TEST

START_TEST(a_connection_is_kept_between_requests) {
  for (int i = 0; i < 10; i++) leadx_request_free(rig_get("/"));
  ck_assert_int_eq(fault_server_connections(rig.server), 1);
}
END_TEST

START_TEST(a_lone_request_leaves_at_once) {
  leadx_request_free(rig_get("/warm"));
  leadx_request *req = rig_request("GET", "/now", NULL);
  rig_start(req);
  for (int i = 0; i < RIG_AT_ONCE_MS / 5 && !fault_server_seen(rig.server, "GET", "/now"); i++)
    fault_sleep_ms(5);
  ck_assert_int_eq(fault_server_seen(rig.server, "GET", "/now"), 1);
  ck_assert_ptr_eq(rig.transport->wait(rig.transport, RIG_PATIENCE_MS), req);
  leadx_request_free(req);
}
END_TEST

START_TEST(wait_returns_when_its_time_is_up) {
  fault_server_set(rig.server, FAULT_HANG, 0);
  leadx_request *req = rig_request("GET", "/", NULL);
  rig_start(req);
  int64_t from = leadx_clock_mono_ms();
  ck_assert_ptr_null(rig.transport->wait(rig.transport, 0));
  ck_assert_ptr_null(rig.transport->wait(rig.transport, 50));
  int64_t took = leadx_clock_mono_ms() - from;
  ck_assert_msg(took >= 45 && took < RIG_AT_ONCE_MS, "%d", (int)took);
  rig.transport->cancel(rig.transport);
  ck_assert_ptr_eq(rig.transport->wait(rig.transport, RIG_PATIENCE_MS), req);
  ck_assert_int_eq(req->net, LEADX_NET_INTERRUPTED);
  leadx_request_free(req);
}
END_TEST

START_TEST(wait_with_nothing_in_flight_returns_at_once) {
  int64_t from = leadx_clock_mono_ms();
  ck_assert_ptr_null(rig.transport->wait(rig.transport, RIG_PATIENCE_MS));
  ck_assert(leadx_clock_mono_ms() - from < RIG_AT_ONCE_MS);
}
END_TEST

START_TEST(cancel_gives_up_everything) {
  leadx_request *requests[20];
  fault_server_set(rig.server, FAULT_HANG, 0);
  start_many(requests, 20);
  ck_assert_ptr_null(rig.transport->wait(rig.transport, 20));
  rig.transport->cancel(rig.transport);
  int64_t from = leadx_clock_mono_ms();
  finish_all(requests, 20, LEADX_NET_INTERRUPTED);
  ck_assert(leadx_clock_mono_ms() - from < RIG_AT_ONCE_MS);
  fault_server_clear(rig.server);
  leadx_request *req = rig_get("/");
  ck_assert_int_eq(req->net, LEADX_NET_ANSWER);
  leadx_request_free(req);
}
END_TEST

START_TEST(cancel_keeps_what_is_already_answered) {
  leadx_request *first = rig_request("GET", "/", NULL);
  leadx_request *second = rig_request("GET", "/slow", NULL);
  fault_rule rule = {.path = "/slow", .kind = FAULT_HANG};
  fault_server_add(rig.server, &rule);
  rig_start(first);
  rig_start(second);
  ck_assert_ptr_eq(rig.transport->wait(rig.transport, RIG_PATIENCE_MS), first);
  rig.transport->cancel(rig.transport);
  ck_assert_ptr_eq(rig.transport->wait(rig.transport, RIG_PATIENCE_MS), second);
  ck_assert_int_eq(first->net, LEADX_NET_ANSWER);
  ck_assert_int_eq(second->net, LEADX_NET_INTERRUPTED);
  leadx_request_free(first);
  leadx_request_free(second);
}
END_TEST

START_TEST(an_interrupt_ends_everything_soon) {
  leadx_request *requests[20];
  fault_server_set(rig.server, FAULT_HANG, 0);
  start_many(requests, 20);
  /* The first answer may come to any of the places that ask. */
  rig.interrupts_after = 1 + _i;
  int64_t from = leadx_clock_mono_ms();
  finish_all(requests, 20, LEADX_NET_INTERRUPTED);
  ck_assert_msg(leadx_clock_mono_ms() - from < RIG_AT_ONCE_MS, "takes too long");
}
END_TEST

START_TEST(an_interrupt_stops_a_long_answer) {
  rig.transport->free(rig.transport);
  rig.transport = rig_transport(8, (int64_t)256 << 20, RIG_PATIENCE_MS);
  fault_server_set(rig.server, FAULT_BIG, 0);
  rig.interrupts_after = 3;
  leadx_request *req = rig_get("/");
  ck_assert_int_eq(req->net, LEADX_NET_INTERRUPTED);
  rig_no_answer(req);
  leadx_request_free(req);
}
END_TEST

START_TEST(free_gives_up_what_is_still_in_flight) {
  leadx_transport *t = rig_transport(2, RIG_RESPONSE_BYTES, RIG_PATIENCE_MS);
  leadx_request *requests[4];
  leadx_err err;
  leadx_err_clear(&err);
  fault_server_set(rig.server, FAULT_HANG, 0);
  for (int i = 0; i < 4; i++) {
    requests[i] = rig_request("GET", "/", NULL);
    ck_assert_int_eq(t->start(t, requests[i], &err), SQLITE_OK);
  }
  ck_assert_ptr_null(t->wait(t, 10));
  t->free(t);
  for (int i = 0; i < 4; i++) leadx_request_free(requests[i]);
}
END_TEST

START_TEST(a_request_can_be_sent_again) {
  rig_answer(401, "Retry-After: 5", NULL);
  leadx_request *req = rig_get("/");
  ck_assert_int_eq(req->status, 401);
  rig_answer(200, NULL, "[1]");
  rig_start(req);
  ck_assert_ptr_eq(rig.transport->wait(rig.transport, RIG_PATIENCE_MS), req);
  ck_assert_int_eq(req->status, 200);
  ck_assert_str_eq(req->answer, "[1]");
  ck_assert_int_eq(req->retry_after_s, -1);
  leadx_request_free(req);
}
END_TEST

/* ---- trust ---- */

START_TEST(a_redirect_carries_nothing_to_another_origin) {
  static const int statuses[] = {301, 302, 303, 307, 308};
  fault_server *other = fault_server_start();
  char location[80];
  snprintf(location, sizeof location, "Location: %s/steal", fault_server_url(other));
  for (int i = 0; i < COUNT(statuses); i++) {
    rig_answer(statuses[i], location, "");
    leadx_request *req = rig_send("POST", "/rest/v1/t", "[{\"secret\":1}]");
    ck_assert_int_eq(req->status, statuses[i]);
    ck_assert_int_eq(rig_class(req), LEADX_CLASS_TRUST);
    leadx_request_free(req);
  }
  ck_assert_int_eq(fault_server_count(other), 0);
  ck_assert_int_eq(fault_server_connections(other), 0);
  fault_server_stop(other);
}
END_TEST

/* https to a server that speaks something else: no fall back to http, ever. */
START_TEST(https_never_falls_back_to_http) {
  rig_hurry();
  leadx_request *req = leadx_request_new("GET");
  req->url = sqlite3_mprintf("https://127.0.0.1:%d/", fault_server_port(rig.server));
  rig_start(req);
  ck_assert_ptr_eq(rig.transport->wait(rig.transport, RIG_PATIENCE_MS), req);
  ck_assert_int_eq(req->net, LEADX_NET_OFFLINE);
  ck_assert_int_eq(fault_server_count(rig.server), 0);
  leadx_request_free(req);
}
END_TEST

START_TEST(a_ca_file_that_cannot_be_read_is_untrusted) {
  leadx_http_limits limits = {RIG_PATIENCE_MS, RIG_PATIENCE_MS, 0, "/nonexistent/ca.pem", 1};
  leadx_err err;
  leadx_err_clear(&err);
  leadx_transport *t = leadx_http_open(&limits, NULL, NULL, &err);
  leadx_request *req = leadx_request_new("GET");
  req->url = sqlite3_mprintf("https://127.0.0.1:%d/", fault_server_port(rig.server));
  ck_assert_int_eq(t->start(t, req, &err), SQLITE_OK);
  ck_assert_ptr_eq(t->wait(t, RIG_PATIENCE_MS), req);
  ck_assert_int_eq(req->net, LEADX_NET_UNTRUSTED);
  leadx_request_free(req);
  t->free(t);
}
END_TEST

/* ---- the library ---- */

START_TEST(the_version_names_the_library) {
  ck_assert_msg(strncmp(leadx_http_version(), "libcurl/", 8) == 0, "%s", leadx_http_version());
}
END_TEST

Suite *test_http_suite(void) {
  Suite *suite = suite_create("http");

  TCase *plain_case = tcase_create("plain");
  tcase_add_test(plain_case, the_version_names_the_library);
  tcase_add_loop_test(plain_case, a_header_cannot_become_two, 0, COUNT(bad_values));
  suite_add_tcase(suite, plain_case);

  TCase *wire_case = rig_case(suite, "wire");
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

  TCase *flight_case = rig_case(suite, "flight");
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

  TCase *trust_case = rig_case(suite, "trust");
  tcase_add_test(trust_case, a_redirect_carries_nothing_to_another_origin);
  tcase_add_test(trust_case, https_never_falls_back_to_http);
  tcase_add_test(trust_case, a_ca_file_that_cannot_be_read_is_untrusted);
  return suite;
}
