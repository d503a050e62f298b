/* A transport without a network: what a request is answered is a function of the test's. */
#ifndef LEADX_FAKE_TRANSPORT_H
#define LEADX_FAKE_TRANSPORT_H

#include "http/http.h"

/* In which order requests that are in flight together are done. */
typedef enum fake_order {
  FAKE_FIRST_IN_FIRST_OUT,
  FAKE_LAST_IN_FIRST_OUT,
  FAKE_SHUFFLED
} fake_order;

/* respond() is called by wait(), with the request as it was sent and no answer yet; it calls one of
** the fake_* functions below, or fills in the answer itself. NULL respond answers 200 "[]". */
leadx_transport *fake_transport_open(void (*respond)(void *ctx, leadx_request *req), void *ctx);

/* The n-th start() from now (1 is the next one) fails with rc and takes nothing. 0: none does. */
void fake_transport_fail_start(leadx_transport *transport, int n, int rc);
/* seed is for FAKE_SHUFFLED. */
void fake_transport_order(leadx_transport *transport, fake_order order, uint32_t seed);
/* The n-th wait() from now (1 is the next one) returns NULL, as when the time is up. 0: none
** does. */
void fake_transport_idle(leadx_transport *transport, int n);

int fake_transport_starts(const leadx_transport *transport); /* requests taken so far */
int fake_transport_in_flight(const leadx_transport *transport);

/* Answers: a status with a JSON body ("" for none); a body of any type; no answer at all. */
void fake_answer(leadx_request *req, long status, const char *json);
void fake_answer_bytes(leadx_request *req, long status, const char *content_type, const char *body,
                       size_t n);
void fake_fail(leadx_request *req, leadx_net net, int curl_code, const char *error);

/* The value of a request's header, or NULL. */
const char *fake_header(const leadx_request *req, const char *name);

#endif
