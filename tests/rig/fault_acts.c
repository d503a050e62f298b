/* What faults do. Each kind is a row of a table: its name and a function that writes to the
** connection and says whether it stays open. See fault_parts.h. */
#define _DEFAULT_SOURCE /* strncasecmp, MSG_NOSIGNAL */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fault_parts.h"

/* ---- sending ---- */

/* The next close() sends a reset instead of an end. */
static void arm_reset(int fd) {
  struct linger linger = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static int send_buffer(fault_exchange *x, fault_buffer *out) {
  int ok = fault_send_all(x->c->fd, out->z, out->n);
  free(out->z);
  memset(out, 0, sizeof *out);
  return ok;
}

static int send_text(fault_exchange *x, const char *text) {
  return fault_send_all(x->c->fd, text, strlen(text));
}

static long rule_n(const fault_exchange *x, long otherwise) {
  return x->rule->n > 0 ? x->rule->n : otherwise;
}

/* ---- what faults do: 1 keeps the connection ---- */

static int do_answer(fault_exchange *x) {
  fault_buffer out = {0};
  fault_answer_whole(&out, &x->answer);
  return send_buffer(x, &out);
}

static int do_callback(fault_exchange *x) {
  memset(&x->answer, 0, sizeof x->answer);
  x->rule->respond(x->rule->ctx, x->request, &x->answer);
  fault_answer_complete(&x->answer);
  return do_answer(x);
}

static int do_reset(fault_exchange *x) {
  arm_reset(x->c->fd);
  return 0;
}

/* Sends the first part of the right answer; what is left out is the fault. A reset overtakes bytes
** that the client has not read yet, so it gets the time to read them. */
static int send_part(fault_exchange *x, size_t n, int reset) {
  fault_buffer out = {0};
  fault_answer_whole(&out, &x->answer);
  fault_send_all(x->c->fd, out.z, n < out.n ? n : out.n);
  free(out.z);
  if (reset) {
    fault_pause_ms(x->c, FAULT_SLICE_MS);
    arm_reset(x->c->fd);
  }
  return 0;
}

/* To the middle of the body: the header and half of what follows it. */
static size_t body_middle(fault_exchange *x) {
  fault_buffer out = {0};
  fault_answer_whole(&out, &x->answer);
  size_t n = out.n - x->answer.body_bytes + x->answer.body_bytes / 2;
  free(out.z);
  return n;
}

static int do_reset_headers(fault_exchange *x) { return send_part(x, 24, 1); }
static int do_reset_body(fault_exchange *x) { return send_part(x, body_middle(x), 1); }
static int do_close(fault_exchange *x) {
  (void)x;
  return 0;
}
static int do_close_reused(fault_exchange *x) {
  return x->request->on_connection > 1 ? 0 : do_answer(x);
}
static int do_close_headers(fault_exchange *x) { return send_part(x, 24, 0); }

static int do_hang(fault_exchange *x) {
  fault_pause_ms(x->c, rule_n(x, 30000));
  return 0;
}

static int do_hang_body(fault_exchange *x) {
  send_part(x, body_middle(x), 0);
  return do_hang(x);
}

static int do_drip(fault_exchange *x) {
  fault_buffer out = {0};
  int ok = 1;
  fault_answer_whole(&out, &x->answer);
  for (size_t i = 0; ok && i < out.n; i++) {
    ok = fault_send_all(x->c->fd, out.z + i, 1) && !fault_is_ending(x->c);
    fault_sleep_ms(rule_n(x, 20));
  }
  free(out.z);
  return ok;
}

static int do_short_length(fault_exchange *x) {
  fault_buffer out = {0};
  char length[64];
  snprintf(length, sizeof length, "Content-Length: %zu\r\n", x->answer.body_bytes + 100);
  fault_answer_head(&out, &x->answer, length);
  fault_buffer_add(&out, x->answer.body, x->answer.body_bytes);
  send_buffer(x, &out);
  return 0;
}

static void chunk(fault_buffer *out, const char *z, size_t n) {
  char size[32];
  if (n == 0) return;
  snprintf(size, sizeof size, "%zx\r\n", n);
  fault_buffer_text(out, size);
  fault_buffer_add(out, z, n);
  fault_buffer_text(out, "\r\n");
}

static void chunked(fault_buffer *out, const fault_answer *answer) {
  size_t half = answer->body_bytes / 2;
  fault_answer_head(out, answer, "Transfer-Encoding: chunked\r\n");
  chunk(out, answer->body, half);
  chunk(out, answer->body + half, answer->body_bytes - half);
}

static int do_chunked(fault_exchange *x) {
  fault_buffer out = {0};
  chunked(&out, &x->answer);
  fault_buffer_text(&out, "0\r\n\r\n");
  return send_buffer(x, &out);
}

static int do_short_chunked(fault_exchange *x) {
  fault_buffer out = {0};
  chunked(&out, &x->answer);
  send_buffer(x, &out);
  return 0;
}

static int do_bad_chunk(fault_exchange *x) {
  fault_buffer out = {0};
  chunked(&out, &x->answer);
  fault_buffer_text(&out, "zz\r\n\r\n");
  send_buffer(x, &out);
  return 0;
}

static int do_short_close(fault_exchange *x) {
  fault_buffer out = {0};
  fault_buffer_text(&out, "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n");
  fault_buffer_add(&out, x->answer.body, x->answer.body_bytes / 2);
  send_buffer(x, &out);
  return 0;
}

static int do_no_length(fault_exchange *x) {
  fault_buffer out = {0};
  fault_answer_head(&out, &x->answer, "Connection: close\r\n");
  fault_buffer_add(&out, x->answer.body, x->answer.body_bytes);
  send_buffer(x, &out);
  return 0;
}

/* Says in a trailer what belongs into the header. */
static int do_trailer(fault_exchange *x) {
  fault_buffer out = {0};
  chunked(&out, &x->answer);
  fault_buffer_text(&out, "0\r\nContent-Type: application/json\r\nRetry-After: 99\r\n\r\n");
  return send_buffer(x, &out);
}

static int do_bad_length(fault_exchange *x) {
  send_text(x, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: -5\r\n\r\n[]");
  return 0;
}

static int do_garbage(fault_exchange *x) {
  static const char bytes[] =
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\xff\xfe garbage\r\n\r\n\r\n";
  fault_send_all(x->c->fd, bytes, sizeof bytes - 1);
  return 0;
}

static int do_no_status(fault_exchange *x) {
  fault_send_all(x->c->fd, x->answer.body, x->answer.body_bytes);
  return 0;
}

static int do_nul_header(fault_exchange *x) {
  static const char bytes[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-N: "
                              "a\0b\r\nContent-Length: 2\r\n\r\n[]";
  return fault_send_all(x->c->fd, bytes, sizeof bytes - 1);
}

static int do_many_headers(fault_exchange *x) {
  fault_buffer out = {0};
  char line[] = "X-Filler: 0123456789012345678901234567890123456789012345\r\n";
  fault_buffer_text(&out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n");
  while (out.n < (size_t)rule_n(x, 256 << 10)) fault_buffer_text(&out, line);
  fault_buffer_text(&out, "Content-Length: 2\r\n\r\n[]");
  return send_buffer(x, &out);
}

static int do_long_header(fault_exchange *x) {
  fault_buffer out = {0};
  fault_buffer_text(&out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Long: ");
  while (out.n < (size_t)rule_n(x, 256 << 10))
    fault_buffer_text(&out, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
  fault_buffer_text(&out, "\r\nContent-Length: 2\r\n\r\n[]");
  return send_buffer(x, &out);
}

static int do_continue(fault_exchange *x) {
  if (!send_text(x, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Type: "
                    "text/html\r\nRetry-After: 99\r\n\r\n"))
    return 0;
  return do_answer(x);
}

/* A valid JSON array of one long string, in chunks. */
static int do_big(fault_exchange *x) {
  enum { PIECE = 64 << 10 };
  fault_buffer out = {0};
  fault_answer answer = {200, NULL, "x", 1};
  char *piece = fault_must(malloc(PIECE));
  int ok;
  memset(piece, 'x', PIECE);
  fault_answer_head(&out, &answer, "Transfer-Encoding: chunked\r\n");
  chunk(&out, "[\"", 2);
  ok = send_buffer(x, &out);
  for (long left = rule_n(x, 64L << 20); ok && left > 0; left -= PIECE) {
    chunk(&out, piece, PIECE);
    ok = send_buffer(x, &out) && !fault_is_ending(x->c);
  }
  free(piece);
  chunk(&out, "\"]", 2);
  fault_buffer_text(&out, "0\r\n\r\n");
  return ok ? send_buffer(x, &out) : (free(out.z), 0);
}

/* ---- gzip ---- */

static int send_gzip(fault_exchange *x, fault_buffer *zipped) {
  fault_buffer out = {0};
  char extra[96];
  snprintf(extra, sizeof extra, "Content-Encoding: gzip\r\nContent-Length: %zu\r\n", zipped->n);
  fault_answer_head(&out, &x->answer, extra);
  fault_buffer_add(&out, zipped->z, zipped->n);
  free(zipped->z);
  return send_buffer(x, &out);
}

static int do_gzip(fault_exchange *x) {
  fault_buffer zipped = {0};
  fault_gzip_stored(&zipped, x->answer.body, x->answer.body_bytes);
  return send_gzip(x, &zipped);
}

static int do_gzip_broken(fault_exchange *x) {
  fault_buffer zipped = {0};
  fault_buffer_add(&zipped, x->answer.body, x->answer.body_bytes);
  return send_gzip(x, &zipped);
}

static int do_gzip_bomb(fault_exchange *x) {
  fault_buffer zipped = {0};
  fault_gzip_bomb(&zipped, rule_n(x, 64L << 20));
  return send_gzip(x, &zipped);
}

static int do_depth_bomb(fault_exchange *x) {
  fault_buffer body = {0};
  long n = rule_n(x, 100000);
  for (long i = 0; i < n; i++) fault_buffer_byte(&body, '[');
  for (long i = 0; i < n; i++) fault_buffer_byte(&body, ']');
  x->answer.body = body.z;
  x->answer.body_bytes = body.n;
  int keep = do_answer(x);
  free(body.z);
  return keep;
}

/* ---- forwarding ---- */

/* Headers that belong to one connection and not to the message. */
static int is_hop_header(const char *line) {
  static const char *const names[] = {
      "Connection:", "Keep-Alive:", "Transfer-Encoding:", "Content-Length:", "Expect:"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strncasecmp(line, names[i], strlen(names[i])) == 0) return 1;
  }
  return 0;
}

static void copy_headers(fault_buffer *out, const char *headers, size_t n) {
  const char *end = headers + n;
  while (headers < end) {
    const char *next = strstr(headers, "\r\n");
    next = next && next + 2 <= end ? next + 2 : end;
    if (!is_hop_header(headers)) fault_buffer_add(out, headers, (size_t)(next - headers));
    headers = next;
  }
}

/* HTTP/1.0, so that the answer comes in one piece that ends with the connection. */
static void upstream_request(fault_buffer *out, const fault_request *request) {
  char length[64];
  fault_buffer_text(out, request->method);
  fault_buffer_text(out, " ");
  fault_buffer_text(out, request->target);
  fault_buffer_text(out, " HTTP/1.0\r\n");
  copy_headers(out, request->headers, strlen(request->headers));
  if (request->body_bytes > 0) {
    snprintf(length, sizeof length, "Content-Length: %zu\r\n", request->body_bytes);
    fault_buffer_text(out, length);
  }
  fault_buffer_text(out, "Connection: close\r\n\r\n");
  fault_buffer_add(out, request->body, request->body_bytes);
}

/* An answer that nobody waits for any more is waited for here: the next test must not meet what
** this one sent. */
static void read_to_end(int fd, fault_buffer *in) {
  char piece[64 << 10];
  for (ssize_t n; (n = recv(fd, piece, sizeof piece, 0)) > 0 || (n < 0 && errno == EINTR);) {
    if (n > 0) fault_buffer_add(in, piece, (size_t)n);
  }
}

/* Hands the request over and writes the answer to out as it has to go to the client. Returns 0
** when the upstream did not answer. */
static int exchange_upstream(fault_exchange *x, fault_buffer *out) {
  fault_buffer request = {0}, in = {0};
  int port = fault_upstream_port(x->c->server);
  int fd = port ? fault_connect(port) : -1;
  if (fd < 0) return 0;
  upstream_request(&request, x->request);
  if (fault_send_all(fd, request.z, request.n)) read_to_end(fd, &in);
  close(fd);
  free(request.z);
  const char *end = in.z ? strstr(in.z, "\r\n\r\n") : NULL;
  const char *line_end = end ? strstr(in.z, "\r\n") : NULL;
  if (end && strncmp(in.z, "HTTP/1.", 7) == 0) {
    char length[64];
    size_t nbody = in.n - (size_t)(end + 4 - in.z);
    fault_buffer_text(out, "HTTP/1.1");
    fault_buffer_add(out, in.z + 8, (size_t)(line_end + 2 - (in.z + 8)));
    if (line_end < end) copy_headers(out, line_end + 2, (size_t)(end - line_end));
    if (strncmp(in.z + 8, " 204", 4) != 0) {
      snprintf(length, sizeof length, "Content-Length: %zu\r\n", nbody);
      fault_buffer_text(out, length);
    }
    fault_buffer_text(out, "\r\n");
    fault_buffer_add(out, end + 4, nbody);
  }
  free(in.z);
  return out->n > 0;
}

/* Nobody is there: what a gateway says then. */
static int no_upstream(fault_exchange *x) {
  x->answer = (fault_answer){502, NULL, NULL, 0};
  fault_answer_complete(&x->answer);
  return do_answer(x);
}

static int do_forward(fault_exchange *x) {
  fault_buffer out = {0};
  if (!exchange_upstream(x, &out)) return no_upstream(x);
  return send_buffer(x, &out);
}

static int do_forward_lose(fault_exchange *x) {
  fault_buffer out = {0};
  exchange_upstream(x, &out);
  free(out.z);
  return 0;
}

static int do_forward_reset(fault_exchange *x) {
  do_forward_lose(x);
  return do_reset(x);
}

static int do_forward_half(fault_exchange *x) {
  fault_buffer out = {0};
  if (exchange_upstream(x, &out)) out.n = out.n * 3 / 4;
  if (out.n > 0) send_buffer(x, &out);
  return 0;
}

static int do_forward_twice(fault_exchange *x) {
  do_forward_lose(x);
  return do_forward(x);
}

static int do_forward_slow(fault_exchange *x) {
  fault_buffer out = {0};
  if (!exchange_upstream(x, &out)) return no_upstream(x);
  fault_pause_ms(x->c, rule_n(x, 1000));
  return send_buffer(x, &out);
}

static int do_forward_held(fault_exchange *x) {
  fault_buffer out = {0};
  if (!exchange_upstream(x, &out)) return no_upstream(x);
  fault_hold(x->c);
  return send_buffer(x, &out);
}

static const struct {
  const char *name;
  int (*act)(fault_exchange *x);
} kinds[] = {
    [FAULT_ANSWER] = {"answer", do_answer},
    [FAULT_CALLBACK] = {"callback", do_callback},
    [FAULT_RESET] = {"reset", do_reset},
    [FAULT_RESET_HEADERS] = {"reset_headers", do_reset_headers},
    [FAULT_RESET_BODY] = {"reset_body", do_reset_body},
    [FAULT_CLOSE] = {"close", do_close},
    [FAULT_CLOSE_REUSED] = {"close_reused", do_close_reused},
    [FAULT_CLOSE_HEADERS] = {"close_headers", do_close_headers},
    [FAULT_HANG] = {"hang", do_hang},
    [FAULT_HANG_BODY] = {"hang_body", do_hang_body},
    [FAULT_DRIP] = {"drip", do_drip},
    [FAULT_SHORT_LENGTH] = {"short_length", do_short_length},
    [FAULT_SHORT_CHUNKED] = {"short_chunked", do_short_chunked},
    [FAULT_SHORT_CLOSE] = {"short_close", do_short_close},
    [FAULT_NO_LENGTH] = {"no_length", do_no_length},
    [FAULT_TRAILER] = {"trailer", do_trailer},
    [FAULT_BAD_CHUNK] = {"bad_chunk", do_bad_chunk},
    [FAULT_BAD_LENGTH] = {"bad_length", do_bad_length},
    [FAULT_GARBAGE] = {"garbage", do_garbage},
    [FAULT_NO_STATUS] = {"no_status", do_no_status},
    [FAULT_NUL_HEADER] = {"nul_header", do_nul_header},
    [FAULT_MANY_HEADERS] = {"many_headers", do_many_headers},
    [FAULT_LONG_HEADER] = {"long_header", do_long_header},
    [FAULT_CONTINUE] = {"continue", do_continue},
    [FAULT_CHUNKED] = {"chunked", do_chunked},
    [FAULT_BIG] = {"big", do_big},
    [FAULT_GZIP] = {"gzip", do_gzip},
    [FAULT_GZIP_BROKEN] = {"gzip_broken", do_gzip_broken},
    [FAULT_GZIP_BOMB] = {"gzip_bomb", do_gzip_bomb},
    [FAULT_DEPTH_BOMB] = {"depth_bomb", do_depth_bomb},
    [FAULT_FORWARD] = {"forward", do_forward},
    [FAULT_FORWARD_LOSE] = {"forward_lose", do_forward_lose},
    [FAULT_FORWARD_RESET] = {"forward_reset", do_forward_reset},
    [FAULT_FORWARD_HALF] = {"forward_half", do_forward_half},
    [FAULT_FORWARD_TWICE] = {"forward_twice", do_forward_twice},
    [FAULT_FORWARD_SLOW] = {"forward_slow", do_forward_slow},
    [FAULT_FORWARD_HELD] = {"forward_held", do_forward_held},
    [FAULT_FORWARD_NEVER] = {"forward_never", do_close},
};

const char *fault_kind_name(fault_kind kind) { return kinds[kind].name; }

int fault_act(fault_exchange *x) { return kinds[x->rule->kind].act(x); }
