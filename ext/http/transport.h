/* A transport: requests in, answers out. The real one is http.c's; tests put scripted ones in its
** place. */
#ifndef LEADX_TRANSPORT_H
#define LEADX_TRANSPORT_H

#include "http/request.h"

typedef struct leadx_http_limits {
  long connect_timeout_ms, timeout_ms;
  int64_t max_response_bytes; /* counted after decompression */
  const char *ca_file; /* NULL: the system's. Copied. */
  int max_in_flight; /* concurrent transfers the transport may open; the rest queue up */
} leadx_http_limits;

typedef struct leadx_transport leadx_transport;
struct leadx_transport {
  /* Puts a request in flight. On an error the request was not taken. */
  int (*start)(leadx_transport *self, leadx_request *req, leadx_err *err);
  /* Waits up to timeout_ms for one request to be done. Returns it, or NULL when the time is up
  ** or nothing is in flight. A request that failed is returned too: look at its net. */
  leadx_request *(*wait)(leadx_transport *self, int timeout_ms);
  /* Gives up everything in flight; afterwards wait() returns each as LEADX_NET_INTERRUPTED. */
  void (*cancel)(leadx_transport *self);
  /* Frees the transport. Nothing may be in flight. */
  void (*free)(leadx_transport *self);
};

/* Sends one request while nothing else is in flight, and waits for its answer. Takes the request
** over, which may be NULL after an error; the caller frees what is returned. NULL and an error when
** it could not be started. */
leadx_request *leadx_transport_carry(leadx_transport *transport, leadx_request *request,
                                     leadx_err *err);

/* What went over the network. */
typedef struct leadx_traffic {
  int64_t requests, bytes_out, bytes_in;
} leadx_traffic;
void leadx_traffic_count(leadx_traffic *traffic, const leadx_request *done);

#endif
