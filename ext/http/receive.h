/* Receiving: header lines and decoded bytes in, piece by piece; a request's answer out, under
** limits. For transports; knows no network library. */
#ifndef LEADX_RECEIVE_H
#define LEADX_RECEIVE_H

#include "http/request.h"

/* What is known of an answer while it arrives. */
typedef struct leadx_receive {
  leadx_request *req; /* borrowed; the answer is written there */
  int64_t max_bytes; /* of the body, decoded */
  size_t capacity; /* of req->answer */
  size_t header_bytes; /* so far, of all lines, those of 1xx answers included */
  int has_header_end; /* the empty line behind the header came */
  int has_length; /* the header says where the body ends */
  char retry_after[64]; /* as sent; it may be a date, which needs the Date header to be read */
} leadx_receive;

/* Makes the request look as if it had never been sent; its answer is "" rather than NULL
** afterwards. SQLITE_NOMEM. */
int leadx_receive_begin(leadx_receive *in, leadx_request *req, int64_t max_bytes);

/* Takes one line of the header, status lines and the empty one included, of any bytes.
** SQLITE_TOOBIG when there are more than 64 KiB of them. */
int leadx_receive_header(leadx_receive *in, const char *line, size_t n);

/* Takes the next bytes of the body. SQLITE_TOOBIG beyond max_bytes, SQLITE_NOMEM; the bytes are not
** taken then. */
int leadx_receive_body(leadx_receive *in, const char *data, size_t n);

/* Is what the connection's end left a complete answer? Not when it ended inside the header, nor
** when nothing says that an empty body is all there was: such a 200 would acknowledge what nobody
** got. is_framed: the protocol itself marks the end (HTTP/2). */
int leadx_receive_is_complete(const leadx_receive *in, long status, int is_framed);

/* The answer is complete: status, and what needs the whole header to be read. */
void leadx_receive_finish(leadx_receive *in, long status);

/* Half an answer is no answer: its bytes, status and headers are forgotten. */
void leadx_receive_discard(leadx_receive *in);

#endif
