/* A server on the loopback that fails on demand: HTTP/1.1, in threads of the test's own process.
**
**   fault_server *server = fault_server_start();
**   fault_rule rule = {.method = "PATCH", .path = "/customers", .from = 2, .to = 2,
**                      .kind = FAULT_ANSWER, .status = 503, .headers = "Retry-After: 7"};
**   fault_server_add(server, &rule);
**   ... fault_server_url(server) is "http://127.0.0.1:PORT" ...
**   fault_server_stop(server);
**
** Rules are tried in the order of being added; the first one that matches answers. A request
** that no rule matches is forwarded when there is an upstream and answered 200 "[]" otherwise.
** Every request is logged whole, before it is answered. */
#ifndef LEADX_FAULT_SERVER_H
#define LEADX_FAULT_SERVER_H

#include <stddef.h>
#include <stdint.h>

typedef struct fault_server fault_server;

/* libcurl sends a request again by itself when a connection that was kept dies before the first
** byte of the answer. So a rule that closes or resets once (.to = 1) may be healed unseen, and one
** request is delivered twice; FAULT_FORWARD_HALF, and rules without an end, are not healed. */

/* One request as it came. Strings are terminated and live until the log is cleared or the server
** stopped. */
typedef struct fault_request {
  char *method;
  char *target; /* path and query, as sent */
  char *headers; /* all header lines, each with its CRLF */
  char *body;
  size_t body_bytes;
  int connection; /* which connection brought it, from 1 */
  int on_connection; /* which request on that connection it was, from 1 */
  int64_t at_ms; /* when it had come, by the monotonic clock */
} fault_request;

typedef struct fault_answer {
  int status;
  const char *
      /* "Name: value" lines separated by CRLF, or NULL; Content-Type: application/json unless it
      ** is among them */
      headers;
  const char *body; /* NULL: none */
  size_t body_bytes; /* 0: strlen(body) */
} fault_answer;

typedef enum fault_kind {
  FAULT_ANSWER, /* status, headers, body; a body is made up where none is given (see fault_body) */
  FAULT_CALLBACK, /* respond(ctx, request, answer) */
  /* the connection */
  FAULT_RESET, /* reset after the request was read */
  FAULT_RESET_HEADERS, /* reset in the middle of the header */
  FAULT_RESET_BODY, /* reset in the middle of the body */
  FAULT_CLOSE, /* closed in good order without an answer */
  FAULT_CLOSE_REUSED, /* the same, but only on a connection that was used before; else an answer */
  FAULT_CLOSE_HEADERS, /* closed in the middle of the header */
  FAULT_HANG, /* nothing for n milliseconds (default 30000), then closed */
  FAULT_HANG_BODY, /* half of the answer, then nothing for n milliseconds */
  FAULT_DRIP, /* the answer, a byte every n milliseconds (default 20) */
  /* the form of the answer */
  FAULT_SHORT_LENGTH, /* Content-Length says more than comes */
  FAULT_SHORT_CHUNKED, /* the last chunk is missing */
  FAULT_SHORT_CLOSE, /* HTTP/1.0 without a length, half of the body: looks complete */
  FAULT_NO_LENGTH, /* the whole answer, ended by closing the connection */
  FAULT_TRAILER, /* in chunks, with a Content-Type and a Retry-After behind the body */
  FAULT_BAD_CHUNK, /* a chunk size that is no number */
  FAULT_BAD_LENGTH, /* Content-Length: -5 */
  FAULT_GARBAGE, /* bytes that are no HTTP */
  FAULT_NO_STATUS, /* a body with no header (HTTP/0.9) */
  FAULT_NUL_HEADER, /* a header line with a NUL byte */
  FAULT_MANY_HEADERS, /* n bytes of header lines (default 256 KiB) */
  FAULT_LONG_HEADER, /* one header line of n bytes (default 256 KiB) */
  FAULT_CONTINUE, /* 100 and 103 with headers of their own before the answer */
  FAULT_CHUNKED, /* the answer in chunks, right */
  FAULT_BIG, /* 200 and n bytes (default 64 MiB) in chunks, no Content-Length */
  FAULT_GZIP, /* the answer, gzipped, right */
  FAULT_GZIP_BROKEN, /* Content-Encoding: gzip, and it is none */
  FAULT_GZIP_BOMB, /* a valid array that swells to n bytes (default 64 MiB) */
  FAULT_DEPTH_BOMB, /* 200 and an array n deep (default 100000) */
  /* with an upstream */
  FAULT_FORWARD, /* hand it over and return the answer */
  FAULT_FORWARD_LOSE, /* hand it over, then close without an answer: the acknowledgement is lost */
  FAULT_FORWARD_RESET, /* the same with a reset */
  FAULT_FORWARD_HALF, /* hand it over, then half of the answer, then closed */
  FAULT_FORWARD_TWICE, /* hand it over twice, return the second answer */
  FAULT_FORWARD_SLOW, /* hand it over, return the answer after n milliseconds (default 1000) */
  FAULT_FORWARD_HELD, /* hand it over, return the answer after fault_server_release() or _clear() */
  FAULT_FORWARD_NEVER /* closed without handing it over */
} fault_kind;

typedef struct fault_rule {
  const char *method; /* NULL: any */
  const char *path; /* prefix of path and query; NULL: any */
  int from,
      /* of the requests that come as far as this rule and match, which ones; from 1; 0 is open */
      to;
  fault_kind kind;
  int status; /* 0: 200 */
  const char *headers; /* as in fault_answer; borrowed, like body */
  const char *body;
  size_t body_bytes; /* 0: strlen(body) */
  long n; /* milliseconds or bytes, see the kind; 0: its default */
  void (*respond)(void *ctx, const fault_request *request,
                  fault_answer *answer); /* in the connection's thread */
  void *ctx;
} fault_rule;

/* What its threads are called, for who counts those of his process. */
#define FAULT_THREAD "fault"

/* Listens on a free port of 127.0.0.1. NULL when that fails. */
fault_server *fault_server_start(void);
/* Ends all connections, joins all threads (as soon as the upstream has answered) and frees
** everything. Accepts NULL. */
void fault_server_stop(fault_server *server);

int fault_server_port(const fault_server *server);
const char *fault_server_url(const fault_server *server);

/* Requests are forwarded to http://127.0.0.1:port. 0: to nobody. */
void fault_server_upstream(fault_server *server, int port);

/* Adds a copy of the rule behind the others; clear takes all of them away. */
void fault_server_add(fault_server *server, const fault_rule *rule);
void fault_server_clear(fault_server *server);
/* Answers that are held now go; later ones are held again. clear() lets them go, too. */
void fault_server_release(fault_server *server);
/* How many are held just now. */
int fault_server_held(fault_server *server);
/* Only this rule from now on, for every request: {.kind = kind, .status = status}. */
void fault_server_set(fault_server *server, fault_kind kind, int status);

/* 1: the port is closed, connections are refused and those there have ended; 0: it is open again.
** Returns 0 when that worked. */
int fault_server_refuse(fault_server *server, int on);

/* The log. get() is borrowed until forget() or stop(); NULL out of range. */
int fault_server_count(fault_server *server);
const fault_request *fault_server_get(fault_server *server, int i);
void fault_server_forget(fault_server *server);
/* How many of them had this method (NULL: any) and a target that starts like this (NULL: any)? */
int fault_server_seen(fault_server *server, const char *method, const char *path);
/* How many PATCH and DELETE requests had no "=eq." and no "=in." in their query? Never right. */
int fault_server_unfiltered(fault_server *server);
/* Connections accepted so far. */
int fault_server_connections(fault_server *server);

/* Copies the value of a request's header to out, cut to fit. Returns 0 when there is none. */
int fault_header(const fault_request *request, const char *name, char *out, size_t nout);

/* The body that PostgREST or the gateway in front of it sends with this status: JSON with a code,
** {"message"} or HTML. */
const char *fault_body(int status);

/* For names in messages: "reset", "short_length", … */
const char *fault_kind_name(fault_kind kind);

/* The monotonic clock; and a sleep that no signal shortens. */
int64_t fault_now_ms(void);
void fault_sleep_ms(long ms);

#endif
