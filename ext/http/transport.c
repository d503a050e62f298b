/* What every transport does alike. See transport.h. */
#include "http/transport.h"

/* How long one wait for an answer takes; a transport looks in between whether it is interrupted. */
#define WAIT_MS 1000

leadx_request *leadx_transport_carry(leadx_transport *transport, leadx_request *request,
                                     leadx_err *err) {
  if (!request) return NULL;
  if (transport->start(transport, request, err) != SQLITE_OK) {
    leadx_request_free(request);
    return NULL;
  }
  leadx_request *done = NULL;
  while (!done) done = transport->wait(transport, WAIT_MS);
  return done;
}

void leadx_traffic_count(leadx_traffic *traffic, const leadx_request *done) {
  traffic->requests++;
  traffic->bytes_out += done->bytes_out;
  traffic->bytes_in += done->bytes_in;
}
