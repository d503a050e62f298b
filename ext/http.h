/* The transport: requests in, answers out. http.c is the only file that knows libcurl;
** tests put scripted transports in its place. Nothing here knows PostgREST or SQLite files. */
#ifndef LEADX_HTTP_H
#define LEADX_HTTP_H

#include "err.h"

/* What became of a request as far as the network is concerned. */
typedef enum leadx_net {
  LEADX_NET_ANSWER,      /* a complete HTTP answer with a status from 200 up; a header without its end, or an
                         ** empty 2xx whose end is only the end of the connection, is none */
  LEADX_NET_OFFLINE,     /* no (complete) answer: curl 5 6 7 16 18 28 35 52 55 56 92 and their kind;
                         ** 27 (curl has no memory) too: nothing was learned */
  LEADX_NET_UNTRUSTED,   /* certificate errors; a connection that is not loopback though http was allowed */
  LEADX_NET_TOO_LARGE,   /* the answer went over a cap (decoded bytes, header bytes) */
  LEADX_NET_INTERRUPTED, /* the host interrupted us */
  LEADX_NET_MISUSE       /* the request itself cannot be sent (bad URL); a bug or bad settings. start() takes it,
                         ** wait() returns it */
} leadx_net;

/* One request and, once it is done, its answer. Made, owned and freed by the caller;
** lent to the transport between start() and the wait() that returns it. */
typedef struct leadx_request {
  const char *method;   /* static: "GET" "POST" "PATCH" "DELETE" */
  char *url;            /* sqlite3_malloc, absolute */
  char **headers;       /* sqlite3_malloc array of sqlite3_malloc "Name: value", nheaders long */
  int nheaders;
  char *body;           /* sqlite3_malloc or NULL */
  size_t body_bytes;
  void *tag;            /* the caller's */

  leadx_net net;
  int curl_code;        /* CURLcode, for messages */
  long status;          /* 0 without an answer */
  char *answer;         /* decoded body, sqlite3_malloc, terminated; when done "" rather than NULL, and "" without an answer */
  size_t answer_bytes;
  char content_type[96];
  char content_range[48];
  char preference_applied[160];
  int64_t retry_after_s;/* seconds from now, from seconds or an HTTP date; -1 when absent or unreadable */
  int64_t date_s;       /* the server's Date as epoch seconds; 0 when absent */
  int64_t bytes_out, bytes_in; /* on the wire as curl counts them, compressed: headers and bodies */
  char error[256];      /* curl's words, no control bytes */
} leadx_request;

leadx_request *leadx_request_new(const char *method);   /* NULL when out of memory */
/* Adds "name: value". The value must be free of bytes < 0x20 or 0x7f; SQLITE_MISUSE otherwise, SQLITE_NOMEM. */
int leadx_request_header(leadx_request *req, const char *name, const char *value);
void leadx_request_free(leadx_request *req);            /* accepts NULL; wipes headers before freeing */

typedef struct leadx_http_limits {
  long connect_timeout_ms, timeout_ms;
  int64_t max_response_bytes;  /* counted after decompression */
  const char *ca_file;         /* NULL: the system's. Copied. */
  int max_in_flight;           /* concurrent transfers the transport may open; the rest queue up */
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

/* The real one, on curl multi (HTTP/2 over TLS where the server speaks it, several HTTP/1.1
** connections otherwise). interrupted(arg), may be NULL, is asked at least every 100 ms; when it
** answers non-zero everything in flight ends as LEADX_NET_INTERRUPTED. NULL and an error on failure. */
leadx_transport *leadx_http_open(const leadx_http_limits *limits, int (*interrupted)(void *), void *arg,
                                 leadx_err *err);

/* Checks and normalises a base URL: https, or http when the host is literally localhost, 127.0.0.1
** or ::1; no user, query or fragment; no control bytes; no trailing slash; https://ref.supabase.co
** (and *.supabase.in, *.supabase.net) without a path gets /rest/v1. Returns sqlite3_malloc text, or NULL and an error
** that says what is allowed, prefixed with who ("leadx_configure"). */
char *leadx_http_base_url(const char *who, const char *url, leadx_err *err);

/* "libcurl/7.88.1 OpenSSL/3.0.15" – for leadx_debug(). Static. */
const char *leadx_http_version(void);

#endif
