/* The server that fails on demand and the scripted transport do what other suites take for
** granted. */
#include "http_rig.h"

#include <string.h>

#include "fake_transport.h"

START_TEST(a_lost_acknowledgement_reaches_the_upstream) {
  static const struct {
    fault_kind kind;
    int delivered, answered;
  } forwards[] = {
      {FAULT_FORWARD, 1, 1},      {FAULT_FORWARD_LOSE, 1, 0},  {FAULT_FORWARD_RESET, 1, 0},
      {FAULT_FORWARD_HALF, 1, 0}, {FAULT_FORWARD_TWICE, 2, 1}, {FAULT_FORWARD_NEVER, 0, 0},
  };
  fault_server *upstream = fault_server_start();
  fault_rule rule = {.status = 201,
                     .headers = "Content-Range: 0-0/*\r\nContent-Type: application/json",
                     .body = "[{\"id\":1}]"};
  fault_server_add(upstream, &rule);
  fault_server_upstream(rig.server, fault_server_port(upstream));
  for (int i = 0; i < COUNT(forwards); i++) {
    fault_server_forget(upstream);
    fault_server_set(rig.server, forwards[i].kind, 0);
    /* On a kept connection curl would send it again. */
    rig.transport->free(rig.transport);
    rig.transport = rig_transport(1, RIG_RESPONSE_BYTES, RIG_PATIENCE_MS);
    leadx_request *req = rig_send("POST", "/rest/v1/t?x=1", "[{\"id\":1}]");
    ck_assert_int_eq(fault_server_count(upstream), forwards[i].delivered);
    ck_assert_int_eq(req->net, forwards[i].answered ? LEADX_NET_ANSWER : LEADX_NET_OFFLINE);
    if (forwards[i].answered) {
      ck_assert_int_eq(req->status, 201);
      ck_assert_str_eq(req->answer, "[{\"id\":1}]");
      ck_assert_str_eq(req->content_range, "0-0/*");
      const fault_request *seen = fault_server_get(upstream, 0);
      ck_assert_str_eq(seen->target, "/rest/v1/t?x=1");
      ck_assert_str_eq(seen->body, "[{\"id\":1}]");
      rig_header(seen, "apikey", "sb_publishable_canary");
    }
    leadx_request_free(req);
  }
  fault_server_stop(upstream);
  leadx_request *req = rig_get("/");
  ck_assert_int_eq(rig_class(req), LEADX_CLASS_OFFLINE);
  leadx_request_free(req);
  fault_server_set(rig.server, FAULT_FORWARD, 0);
  req = rig_get("/");
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
  fault_server_add(rig.server, &second);
  fault_server_add(rig.server, &callback);
  for (int i = 0; i < COUNT(expected); i++) {
    leadx_request *req = rig_get("/abc");
    ck_assert_int_eq(req->status, expected[i]);
    leadx_request_free(req);
  }
  leadx_request *req = rig_send("POST", "/bad", "[7]");
  ck_assert_int_eq(req->status, 400);
  ck_assert_str_eq(req->answer, "[7]");
  leadx_request_free(req);
  req = rig_send("DELETE", "/a", NULL);
  leadx_request_free(req);
  ck_assert_int_eq(fault_server_seen(rig.server, "GET", "/abc"), 4);
  ck_assert_int_eq(fault_server_unfiltered(rig.server), 1);
  fault_server_forget(rig.server);
  ck_assert_int_eq(fault_server_count(rig.server), 0);
  ck_assert_ptr_null(fault_server_get(rig.server, 0));
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
  ck_assert_int_eq(rig_class(a), LEADX_CLASS_OK);
  leadx_request_free(a);
  leadx_request_free(b);
  leadx_request_free(c);
  fake->free(fake);
}
END_TEST

Suite *test_harness_suite(void) {
  Suite *suite = suite_create("harness");
  TCase *fake_case = tcase_create("fake");
  tcase_add_test(fake_case, the_fake_answers_as_told);
  suite_add_tcase(suite, fake_case);
  TCase *server_case = rig_case(suite, "server");
  tcase_add_test(server_case, a_lost_acknowledgement_reaches_the_upstream);
  tcase_add_test(server_case, rules_are_tried_in_order_and_count);
  return suite;
}
