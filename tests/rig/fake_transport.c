/* See fake_transport.h. Requests in flight stand in an array, in the order of their start. */
#define _DEFAULT_SOURCE /* strncasecmp */

#include "fake_transport.h"

#include <string.h>
#include <strings.h>

enum { MAX_IN_FLIGHT = 4096 };

typedef struct fake {
  leadx_transport base; /* first, so that the one pointer is the other */
  void (*respond)(void *ctx, leadx_request *req);
  void *ctx;
  fake_order order;
  uint32_t random;
  int fail_start_in, fail_start_rc;
  int idle_in;
  int nstarts;
  int is_cancelled; /* how many of those in flight were given up */
  int n;
  leadx_request *in_flight[MAX_IN_FLIGHT];
} fake;

/* Answers 1 when a countdown that was set comes to its end. */
static int counts_down(int *in) {
  if (*in == 0) return 0;
  return --*in == 0;
}

static void forget_answer(leadx_request *req) {
  sqlite3_free(req->answer);
  req->answer = NULL;
  req->answer_bytes = 0;
  req->net = LEADX_NET_OFFLINE;
  req->curl_code = 0;
  req->status = 0;
  req->retry_after_s = -1;
  req->date_s = 0;
  req->bytes_in = 0;
  req->bytes_out = (int64_t)req->body_bytes;
  req->content_type[0] = req->content_range[0] = req->preference_applied[0] = req->error[0] = '\0';
}

static int fake_start(leadx_transport *self, leadx_request *req, leadx_err *err) {
  fake *f = (fake *)self;
  if (counts_down(&f->fail_start_in)) {
    if (f->fail_start_rc == SQLITE_NOMEM) return leadx_err_nomem(err);
    return leadx_err_set(err, f->fail_start_rc, "fake: start fails as told");
  }
  if (f->n == MAX_IN_FLIGHT)
    return leadx_err_set(err, SQLITE_FULL, "fake: too many requests in flight");
  forget_answer(req);
  f->in_flight[f->n++] = req;
  f->nstarts++;
  return SQLITE_OK;
}

/* xorshift32: the same seed, the same order, on every machine. */
static uint32_t next_random(fake *f) {
  uint32_t x = f->random;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  f->random = x;
  return x;
}

static int choose(fake *f) {
  switch (f->order) {
    case FAKE_LAST_IN_FIRST_OUT: return f->n - 1;
    case FAKE_SHUFFLED: return (int)(next_random(f) % (uint32_t)f->n);
    default: return 0;
  }
}

static leadx_request *take(fake *f, int i) {
  leadx_request *req = f->in_flight[i];
  f->n--;
  memmove(&f->in_flight[i], &f->in_flight[i + 1], sizeof f->in_flight[0] * (size_t)(f->n - i));
  return req;
}

static leadx_request *fake_wait(leadx_transport *self, int timeout_ms) {
  fake *f = (fake *)self;
  (void)timeout_ms;
  if (counts_down(&f->idle_in) || f->n == 0) return NULL;
  if (f->is_cancelled > 0) {
    leadx_request *req = take(f, 0);
    f->is_cancelled--;
    fake_fail(req, LEADX_NET_INTERRUPTED, 42, "interrupted");
    return req;
  }
  leadx_request *req = take(f, choose(f));
  if (f->respond) f->respond(f->ctx, req);
  else fake_answer(req, 200, "[]");
  if (!req->answer) fake_fail(req, req->net, req->curl_code, req->error);
  return req;
}

static void fake_cancel(leadx_transport *self) {
  fake *f = (fake *)self;
  f->is_cancelled = f->n;
}

static void fake_free(leadx_transport *self) { sqlite3_free(self); }

leadx_transport *fake_transport_open(void (*respond)(void *ctx, leadx_request *req), void *ctx) {
  fake *f = sqlite3_malloc64(sizeof *f);
  if (!f) return NULL;
  memset(f, 0, sizeof *f);
  f->base.start = fake_start;
  f->base.wait = fake_wait;
  f->base.cancel = fake_cancel;
  f->base.free = fake_free;
  f->respond = respond;
  f->ctx = ctx;
  f->random = 1;
  return &f->base;
}

void fake_transport_fail_start(leadx_transport *transport, int n, int rc) {
  fake *f = (fake *)transport;
  f->fail_start_in = n;
  f->fail_start_rc = rc;
}

void fake_transport_order(leadx_transport *transport, fake_order order, uint32_t seed) {
  fake *f = (fake *)transport;
  f->order = order;
  f->random = seed ? seed : 1;
}

void fake_transport_idle(leadx_transport *transport, int n) { ((fake *)transport)->idle_in = n; }

int fake_transport_starts(const leadx_transport *transport) {
  return ((const fake *)transport)->nstarts;
}

int fake_transport_in_flight(const leadx_transport *transport) {
  return ((const fake *)transport)->n;
}

/* A test that makes allocations fail may make this one fail: then nothing was answered. */
void fake_answer_bytes(leadx_request *req, long status, const char *content_type, const char *body,
                       size_t n) {
  char *answer = sqlite3_malloc64(n + 1);
  if (!answer) {
    fake_fail(req, LEADX_NET_OFFLINE, 27, "out of memory");
    return;
  }
  if (n > 0) memcpy(answer, body, n);
  answer[n] = '\0';
  sqlite3_free(req->answer);
  req->answer = answer;
  req->answer_bytes = n;
  req->net = LEADX_NET_ANSWER;
  req->status = status;
  req->bytes_in = (int64_t)n;
  sqlite3_snprintf((int)sizeof req->content_type, req->content_type, "%s", content_type);
}

void fake_answer(leadx_request *req, long status, const char *json) {
  size_t n = strlen(json);
  fake_answer_bytes(req, status, n > 0 ? "application/json; charset=utf-8" : "", json, n);
}

/* The one byte of the empty answer is asked for until it is there: a request that is done has an
** answer. */
void fake_fail(leadx_request *req, leadx_net net, int curl_code, const char *error) {
  char text[sizeof req->error];
  sqlite3_snprintf((int)sizeof text, text, "%s", error);
  sqlite3_free(req->answer);
  req->answer = NULL;
  for (int i = 0; i < 100 && !req->answer; i++) req->answer = sqlite3_malloc64(1);
  if (req->answer) req->answer[0] = '\0';
  req->answer_bytes = 0;
  req->net = net;
  req->curl_code = curl_code;
  if (curl_code >= 5 && curl_code <= 7) req->bytes_out = 0; /* nobody was reached */
  req->status = 0;
  memcpy(req->error, text, sizeof text);
}

const char *fake_header(const leadx_request *req, const char *name) {
  size_t n = strlen(name);
  for (int i = 0; i < req->nheaders; i++) {
    const char *line = req->headers[i];
    if (strncasecmp(line, name, n) != 0 || line[n] != ':') continue;
    line += n + 1;
    while (*line == ' ') line++;
    return line;
  }
  return NULL;
}
