/* See http_rig.h. */
#include "http_rig.h"

#include <string.h>

#include "base/clock.h"

http_rig rig;

static int interrupted(void *arg) {
  (void)arg;
  return rig.interrupts_after > 0 && --rig.interrupts_after == 0;
}

leadx_transport *rig_transport(int max_in_flight, int64_t max_response, long timeout_ms) {
  leadx_http_limits limits = {RIG_PATIENCE_MS, timeout_ms, max_response, NULL, max_in_flight};
  leadx_err err;
  leadx_err_clear(&err);
  leadx_transport *opened = leadx_http_open(&limits, interrupted, NULL, &err);
  ck_assert_msg(opened != NULL, "%s", err.text);
  return opened;
}

void rig_hurry(void) {
  rig.transport->free(rig.transport);
  rig.transport = rig_transport(8, RIG_RESPONSE_BYTES, RIG_TIMEOUT_MS);
}

static void set_up(void) {
  rig.interrupts_after = 0;
  rig.server = fault_server_start();
  ck_assert_ptr_nonnull(rig.server);
  rig.transport = rig_transport(8, RIG_RESPONSE_BYTES, RIG_PATIENCE_MS);
}

static void tear_down(void) {
  int64_t from = leadx_clock_mono_ms();
  rig.transport->free(rig.transport);
  fault_server_stop(rig.server);
  ck_assert_msg(leadx_clock_mono_ms() - from < RIG_AT_ONCE_MS, "stopping takes too long");
}

TCase *rig_case(Suite *suite, const char *name) {
  TCase *tcase = tcase_create(name);
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_set_timeout(tcase, 30);
  suite_add_tcase(suite, tcase);
  return tcase;
}

leadx_request *rig_request(const char *method, const char *path, const char *body) {
  leadx_request *req = leadx_request_new(method);
  req->url = sqlite3_mprintf("%s%s", fault_server_url(rig.server), path);
  ck_assert_int_eq(leadx_request_header(req, "apikey", "sb_publishable_canary"), SQLITE_OK);
  ck_assert_int_eq(leadx_request_header(req, "Authorization", "Bearer canary.token"), SQLITE_OK);
  if (body) {
    ck_assert_int_eq(leadx_request_header(req, "Content-Type", "application/json"), SQLITE_OK);
    req->body = sqlite3_mprintf("%s", body);
    req->body_bytes = strlen(body);
  }
  return req;
}

void rig_start(leadx_request *req) {
  leadx_err err;
  leadx_err_clear(&err);
  ck_assert_msg(rig.transport->start(rig.transport, req, &err) == SQLITE_OK, "%s", err.text);
}

leadx_request *rig_send(const char *method, const char *path, const char *body) {
  leadx_request *req = rig_request(method, path, body);
  rig_start(req);
  ck_assert_ptr_eq(rig.transport->wait(rig.transport, RIG_PATIENCE_MS), req);
  return req;
}

leadx_request *rig_get(const char *path) { return rig_send("GET", path, NULL); }

leadx_class rig_class(const leadx_request *req) {
  leadx_answer answer = leadx_rest_answer(req, 1);
  leadx_verdict verdict;
  leadx_rest_classify(&answer, &verdict);
  return verdict.class_;
}

void rig_answer(int status, const char *headers, const char *body) {
  fault_rule rule = {.kind = FAULT_ANSWER, .status = status, .headers = headers, .body = body};
  fault_server_clear(rig.server);
  fault_server_add(rig.server, &rule);
}

void rig_no_answer(const leadx_request *req) {
  ck_assert_int_eq(req->status, 0);
  ck_assert_int_eq((int)req->answer_bytes, 0);
  ck_assert_str_eq(req->answer, "");
  ck_assert_str_eq(req->content_type, "");
  ck_assert_int_eq(req->retry_after_s, -1);
  ck_assert_str_ne(req->error, "");
  ck_assert_int_ne(req->curl_code, 0);
}

void rig_header(const fault_request *request, const char *name, const char *expected) {
  char value[256];
  int found = fault_header(request, name, value, sizeof value);
  ck_assert_msg(found == (expected != NULL), "%s", name);
  if (expected) ck_assert_str_eq(value, expected);
}
