/* One request and its answer, as data. Made and read everywhere, carried by a
** transport. */
#ifndef LEADX_REQUEST_H
#define LEADX_REQUEST_H

#include "base/err.h"

/* What became of a request as far as the network is concerned. */
typedef enum leadx_net {
  /* a complete HTTP answer with a status from 200 up; a header without its end, or an
  ** empty 2xx whose end is only the end of the connection, is none */
  LEADX_NET_ANSWER,
  /* no (complete) answer: curl 5 6 7 16 18 28 35 52 55 56 92 and their kind;
  ** 27 (curl has no memory) too: nothing was learned */
  LEADX_NET_OFFLINE,
  /* certificate errors; a connection that is not loopback though http was allowed */
  LEADX_NET_UNTRUSTED,
  LEADX_NET_TOO_LARGE, /* the answer went over a cap (decoded bytes, header bytes) */
  LEADX_NET_INTERRUPTED, /* the host interrupted us */
  /* the request itself cannot be sent (bad URL); a bug or bad settings. start() takes it,
  ** wait() returns it */
  LEADX_NET_MISUSE
} leadx_net;

/* One request and, once it is done, its answer. Made, owned and freed by the caller;
** lent to the transport between start() and the wait() that returns it. */
typedef struct leadx_request {
  const char *method; /* static: "GET" "POST" "PATCH" "DELETE" */
  char *url; /* sqlite3_malloc, absolute */
  char **headers; /* sqlite3_malloc array of sqlite3_malloc "Name: value", nheaders long */
  int nheaders;
  char *body; /* sqlite3_malloc or NULL */
  size_t body_bytes;
  void *tag; /* the caller's */

  leadx_net net;
  int curl_code; /* CURLcode, for messages */
  long status; /* 0 without an answer */
  char *
      /* decoded body, sqlite3_malloc, terminated; when done "" rather than NULL, and "" without an
      ** answer */
      answer;
  size_t answer_bytes;
  char content_type[96];
  char content_range[48];
  char preference_applied[160];
  int64_t
      /* seconds from now, from seconds or an HTTP date; -1 when absent or unreadable */
      retry_after_s;
  int64_t date_s; /* the server's Date as epoch seconds; 0 when absent */
  int64_t bytes_out, bytes_in; /* on the wire as curl counts them, compressed: headers and bodies */
  char error[256]; /* curl's words, no control bytes */
} leadx_request;

leadx_request *leadx_request_new(const char *method); /* NULL when out of memory */
/* Adds "name: value". The value must be free of bytes < 0x20 or 0x7f; SQLITE_MISUSE otherwise,
** SQLITE_NOMEM. */
int leadx_request_header(leadx_request *req, const char *name, const char *value);
void leadx_request_free(leadx_request *req); /* accepts NULL; wipes headers before freeing */

/* Was there no answer because it took too long? */
int leadx_request_timed_out(const leadx_request *req);

/* Why there was no answer, in words that are the same at every run ("the connection was refused");
** NULL when there was one, or libcurl's code has no words here. Static. */
const char *leadx_request_reason(const leadx_request *req);

/* Copies text of the network: what is not printable ASCII becomes '?', what is too long is cut, and
** secrets are overwritten (secret.h). */
void leadx_request_copy(char *out, size_t nout, const char *text, size_t n);

#endif
