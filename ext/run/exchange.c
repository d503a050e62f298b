/* Requests one at a time. See exchange.h. */
#include "run/exchange.h"

#include <string.h>

#include "http/transport.h"
#include "rest/target.h"

void leadx_exchange_init(leadx_exchange *exchange, leadx_transport *transport, leadx_auth *auth) {
  memset(exchange, 0, sizeof *exchange);
  exchange->transport = transport;
  exchange->auth = auth;
}

/* Gives a request the token there is now. The request, or NULL and an error. */
static leadx_request *sign(const leadx_auth *auth, leadx_request *request, leadx_err *err) {
  if (leadx_target_sign(request, auth->target) == SQLITE_OK) return request;
  leadx_request_free(request);
  leadx_err_nomem(err);
  return NULL;
}

void leadx_exchange_send_ahead(leadx_exchange *exchange, leadx_request *request) {
  leadx_err ignored = {0};
  leadx_exchange_abandon(exchange);
  if (!request || leadx_auth_is_due(exchange->auth) ||
      exchange->transport->start(exchange->transport, request, &ignored) != SQLITE_OK)
    leadx_request_free(request);
  else exchange->ahead = request;
}

void leadx_exchange_listen(leadx_exchange *exchange) {
  if (exchange->ahead && !exchange->ahead_is_answered)
    exchange->ahead_is_answered = exchange->transport->wait(exchange->transport, 0) != NULL;
}

static leadx_request *receive_ahead(leadx_exchange *exchange) {
  leadx_request *done = exchange->ahead;
  while (!exchange->ahead_is_answered)
    exchange->ahead_is_answered = exchange->transport->wait(exchange->transport, 1000) != NULL;
  exchange->ahead = NULL;
  exchange->ahead_is_answered = 0;
  return done;
}

static void drop_ahead(leadx_exchange *exchange, leadx_request *done) {
  leadx_traffic_count(&exchange->beside, done);
  leadx_request_free(done);
}

void leadx_exchange_abandon(leadx_exchange *exchange) {
  if (!exchange->ahead) return;
  if (!exchange->ahead_is_answered) exchange->transport->cancel(exchange->transport);
  drop_ahead(exchange, receive_ahead(exchange));
}

static int is_same_request(const leadx_request *a, const leadx_request *b) {
  return strcmp(a->method, b->method) == 0 && strcmp(a->url, b->url) == 0 &&
         a->body_bytes == b->body_bytes &&
         (a->body_bytes == 0 || memcmp(a->body, b->body, a->body_bytes) == 0);
}

/* The answer to the request, if it was sent ahead. One that ran out of time while nobody listened
** says nothing. */
static leadx_request *take_ahead(leadx_exchange *exchange, const leadx_request *request) {
  if (!exchange->ahead || !is_same_request(exchange->ahead, request)) return NULL;
  leadx_request *done = receive_ahead(exchange);
  if (!leadx_request_timed_out(done)) return done;
  drop_ahead(exchange, done);
  return NULL;
}

/* Sends the request, unless it was sent ahead and its answer is there. */
static leadx_request *ask_once(leadx_exchange *exchange, leadx_request *request, leadx_err *err) {
  leadx_request *done = request ? take_ahead(exchange, request) : NULL;
  leadx_exchange_abandon(exchange);
  if (done) {
    leadx_request_free(request);
    return done;
  }
  if (request && leadx_auth_is_due(exchange->auth) && leadx_auth_refresh(exchange->auth))
    request = sign(exchange->auth, request, err);
  return leadx_transport_carry(exchange->transport, request, err);
}

leadx_request *leadx_exchange_ask(leadx_exchange *exchange, leadx_request *request, int wants_array,
                                  leadx_verdict *verdict, leadx_err *err) {
  for (leadx_request *done = ask_once(exchange, request, err);;
       done = leadx_transport_carry(exchange->transport, request, err)) {
    if (!done) return NULL;
    leadx_answer answer = leadx_rest_answer(done, wants_array);
    leadx_rest_classify(&answer, verdict);
    leadx_auth_note(exchange->auth, done, verdict);
    if (verdict->class_ != LEADX_CLASS_AUTH || !leadx_auth_refresh(exchange->auth)) return done;
    leadx_traffic_count(&exchange->beside, done);
    request = sign(exchange->auth, done, err);
  }
}
