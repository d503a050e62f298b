/* See fault_server.h. One thread accepts, one thread serves each connection. What a rule does is a row
** of a table: its name and a function that writes to the connection and says whether it stays open. */
#define _DEFAULT_SOURCE /* strncasecmp and friends, MSG_NOSIGNAL */

#include "fault_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  MAX_CONNECTIONS = 32,
  MAX_HEAD_BYTES = 256 << 10,
  MAX_BODY_BYTES = 64 << 20,
  SLICE_MS = 20 /* how long a thread sleeps before it looks whether the server stops */
};

typedef struct rule_entry {
  fault_rule rule;
  int matched;
  struct rule_entry *next;
} rule_entry;

typedef struct connection {
  fault_server *server;
  pthread_t thread;
  int fd;
  int number;
  int nrequests;
  int generation;
  int is_used;  /* the slot has a thread to join */
  int is_over;  /* that thread is about to return */
} connection;

struct fault_server {
  pthread_mutex_t mutex; /* everything below; never held while a socket is used */
  pthread_t acceptor;
  int has_acceptor;
  int listener;
  int port;
  int upstream;
  int is_stopping;
  int generation; /* connections of an older one end: the port was closed */
  int naccepted;
  char url[40];
  rule_entry *rules;
  fault_request **log;
  int nlog, log_room;
  connection connections[MAX_CONNECTIONS];
};

/* ---- buffers ---- */

typedef struct buffer {
  char *z;
  size_t n, room;
} buffer;

/* A test that cannot allocate has nothing to prove. */
static void *must(void *p) {
  if (!p) abort();
  return p;
}

static void buffer_add(buffer *b, const char *z, size_t n) {
  if (b->n + n + 1 > b->room) {
    b->room = (b->n + n + 1) * 2;
    b->z = must(realloc(b->z, b->room));
  }
  if (n > 0) memcpy(b->z + b->n, z, n);
  b->n += n;
  b->z[b->n] = '\0';
}

static void buffer_text(buffer *b, const char *z) {
  buffer_add(b, z, strlen(z));
}

static void buffer_byte(buffer *b, unsigned byte) {
  char c = (char)(unsigned char)byte;
  buffer_add(b, &c, 1);
}

static char *copy(const char *z, size_t n) {
  char *out = must(malloc(n + 1));
  if (n > 0) memcpy(out, z, n);
  out[n] = '\0';
  return out;
}

/* ---- time and sockets ---- */

void fault_sleep_ms(long ms) {
  struct timespec left = {ms / 1000, ms % 1000 * 1000000L};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

static int is_ending(connection *c) {
  fault_server *server = c->server;
  pthread_mutex_lock(&server->mutex);
  int ending = server->is_stopping || server->generation != c->generation;
  pthread_mutex_unlock(&server->mutex);
  return ending;
}

/* Sleeps in slices, so that stopping does not wait for it. */
static void pause_ms(connection *c, long ms) {
  for (; ms > 0 && !is_ending(c); ms -= SLICE_MS) fault_sleep_ms(ms < SLICE_MS ? ms : SLICE_MS);
}

/* Returns 0 when the client is gone. */
static int send_all(int fd, const char *z, size_t n) {
  while (n > 0) {
    ssize_t sent = send(fd, z, n, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return 0;
    z += sent;
    n -= (size_t)sent;
  }
  return 1;
}

/* The next close() sends a reset instead of an end. */
static void arm_reset(int fd) {
  struct linger linger = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static struct sockaddr_in loopback(int port) {
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons((uint16_t)port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static int listen_on(int port) {
  struct sockaddr_in address = loopback(port);
  int on = 1;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 64) == 0) return fd;
  close(fd);
  return -1;
}

static int connect_to(int port) {
  struct sockaddr_in address = loopback(port);
  int on = 1;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) return -1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

/* ---- reading a request ---- */

/* Appends what comes. Returns 0 at the end of the connection or of the server. */
static int receive_some(connection *c, buffer *in) {
  for (;;) {
    struct pollfd poll_for = {c->fd, POLLIN, 0};
    char piece[64 << 10];
    if (is_ending(c)) return 0;
    if (poll(&poll_for, 1, SLICE_MS) <= 0) continue;
    ssize_t n = recv(c->fd, piece, sizeof piece, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return 0;
    buffer_add(in, piece, (size_t)n);
    return 1;
  }
}

/* Finds a header's value in CRLF lines. */
static int find_header(const char *headers, const char *name, char *out, size_t nout) {
  size_t nname = strlen(name);
  for (const char *line = headers; line && *line; line = strstr(line, "\r\n")) {
    if (line[0] == '\r') line += 2;
    if (strncasecmp(line, name, nname) == 0 && line[nname] == ':') {
      const char *value = line + nname + 1;
      while (*value == ' ') value++;
      size_t n = strcspn(value, "\r\n");
      snprintf(out, nout, "%.*s", (int)n, value);
      return 1;
    }
  }
  return 0;
}

int fault_header(const fault_request *request, const char *name, char *out, size_t nout) {
  return find_header(request->headers, name, out, nout);
}

static fault_request *request_parse(const char *head, size_t nhead) {
  fault_request *request = must(calloc(1, sizeof *request));
  const char *line_end = strstr(head, "\r\n");
  const char *space = strchr(head, ' ');
  const char *second = space ? strchr(space + 1, ' ') : NULL;
  if (!line_end || !second || second > line_end) second = space = line_end = head;
  request->method = copy(head, (size_t)(space - head));
  request->target = copy(space < second ? space + 1 : space, space < second ? (size_t)(second - space - 1) : 0);
  const char *headers = line_end == head ? head : line_end + 2;
  request->headers = copy(headers, (size_t)(head + nhead - 2 - headers));
  return request;
}

static void request_free(fault_request *request) {
  if (!request) return;
  free(request->method);
  free(request->target);
  free(request->headers);
  free(request->body);
  free(request);
}

static size_t content_length(const char *headers) {
  char value[32];
  if (!find_header(headers, "Content-Length", value, sizeof value)) return 0;
  unsigned long n = strtoul(value, NULL, 10);
  return n <= MAX_BODY_BYTES ? n : MAX_BODY_BYTES;
}

/* Reads one request; what came behind it stays in the buffer. NULL at the end. */
static fault_request *request_read(connection *c, buffer *in) {
  char *end;
  while (!in->z || !(end = strstr(in->z, "\r\n\r\n"))) {
    if (in->n > MAX_HEAD_BYTES || !receive_some(c, in)) return NULL;
  }
  size_t nhead = (size_t)(end - in->z) + 4;
  fault_request *request = request_parse(in->z, nhead);
  size_t nbody = content_length(request->headers);
  while (in->n < nhead + nbody) {
    if (!receive_some(c, in)) {
      request_free(request);
      return NULL;
    }
  }
  request->body = copy(in->z + nhead, nbody);
  request->body_bytes = nbody;
  in->n -= nhead + nbody;
  memmove(in->z, in->z + nhead + nbody, in->n + 1);
  request->connection = c->number;
  request->on_connection = ++c->nrequests;
  return request;
}

/* ---- the log ---- */

static void log_add(fault_server *server, fault_request *request) {
  pthread_mutex_lock(&server->mutex);
  if (server->nlog == server->log_room) {
    server->log_room = server->log_room * 2 + 16;
    server->log = must(realloc(server->log, sizeof *server->log * (size_t)server->log_room));
  }
  server->log[server->nlog++] = request;
  pthread_mutex_unlock(&server->mutex);
}

int fault_server_count(fault_server *server) {
  pthread_mutex_lock(&server->mutex);
  int n = server->nlog;
  pthread_mutex_unlock(&server->mutex);
  return n;
}

const fault_request *fault_server_get(fault_server *server, int i) {
  pthread_mutex_lock(&server->mutex);
  fault_request *request = i >= 0 && i < server->nlog ? server->log[i] : NULL;
  pthread_mutex_unlock(&server->mutex);
  return request;
}

void fault_server_forget(fault_server *server) {
  pthread_mutex_lock(&server->mutex);
  for (int i = 0; i < server->nlog; i++) request_free(server->log[i]);
  server->nlog = 0;
  pthread_mutex_unlock(&server->mutex);
}

static int is_like(const fault_request *request, const char *method, const char *path) {
  if (method && strcmp(method, request->method) != 0) return 0;
  return !path || strncmp(path, request->target, strlen(path)) == 0;
}

int fault_server_seen(fault_server *server, const char *method, const char *path) {
  int n = 0;
  pthread_mutex_lock(&server->mutex);
  for (int i = 0; i < server->nlog; i++) n += is_like(server->log[i], method, path);
  pthread_mutex_unlock(&server->mutex);
  return n;
}

static int is_unfiltered(const fault_request *request) {
  if (strcmp(request->method, "PATCH") != 0 && strcmp(request->method, "DELETE") != 0) return 0;
  const char *query = strchr(request->target, '?');
  return !query || (!strstr(query, "=eq.") && !strstr(query, "=in."));
}

int fault_server_unfiltered(fault_server *server) {
  int n = 0;
  pthread_mutex_lock(&server->mutex);
  for (int i = 0; i < server->nlog; i++) n += is_unfiltered(server->log[i]);
  pthread_mutex_unlock(&server->mutex);
  return n;
}

int fault_server_connections(fault_server *server) {
  pthread_mutex_lock(&server->mutex);
  int n = server->naccepted;
  pthread_mutex_unlock(&server->mutex);
  return n;
}

/* ---- answers ---- */

static const struct { int status; const char *reason, *body; } statuses[] = {
  {200, "OK", "[]"},
  {201, "Created", "[]"},
  {204, "No Content", ""},
  {206, "Partial Content", "[]"},
  {301, "Moved Permanently", ""},
  {302, "Found", ""},
  {303, "See Other", ""},
  {307, "Temporary Redirect", ""},
  {308, "Permanent Redirect", ""},
  {400, "Bad Request", "{\"code\":\"PGRST102\",\"details\":null,\"hint\":null,\"message\":\"Empty or invalid json\"}"},
  {401, "Unauthorized", "{\"code\":\"PGRST301\",\"details\":null,\"hint\":null,\"message\":\"JWT expired\"}"},
  {402, "Payment Required", "{\"message\":\"Service for this project is restricted\"}"},
  {403, "Forbidden", "{\"code\":\"42501\",\"details\":null,\"hint\":null,\"message\":\"new row violates row-level security policy for table \\\"customers\\\"\"}"},
  {404, "Not Found", "{\"code\":\"42P01\",\"details\":null,\"hint\":null,\"message\":\"relation \\\"public.nope\\\" does not exist\"}"},
  {405, "Method Not Allowed", "{\"code\":\"25006\",\"details\":null,\"hint\":null,\"message\":\"cannot execute INSERT in a read-only transaction\"}"},
  {406, "Not Acceptable", "{\"code\":\"PGRST116\",\"details\":\"The result contains 0 rows\",\"hint\":null,\"message\":\"JSON object requested, multiple (or no) rows returned\"}"},
  {408, "Request Timeout", ""},
  {409, "Conflict", "{\"code\":\"23505\",\"details\":\"Key (id)=(1) already exists.\",\"hint\":null,\"message\":\"duplicate key value violates unique constraint \\\"customers_pkey\\\"\"}"},
  {413, "Request Entity Too Large", "<html><head><title>413 Request Entity Too Large</title></head></html>"},
  {414, "URI Too Long", ""},
  {416, "Range Not Satisfiable", "{\"code\":\"PGRST103\",\"details\":null,\"hint\":null,\"message\":\"Requested range not satisfiable\"}"},
  {420, "Enhance Your Calm", "{\"message\":\"slow down\"}"},
  {425, "Too Early", ""},
  {429, "Too Many Requests", "{\"message\":\"API rate limit exceeded\"}"},
  {431, "Request Header Fields Too Large", ""},
  {500, "Internal Server Error", "{\"code\":\"XX000\",\"details\":null,\"hint\":null,\"message\":\"internal error\"}"},
  {502, "Bad Gateway", "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"},
  {503, "Service Unavailable", "{\"code\":\"PGRST000\",\"details\":null,\"hint\":null,\"message\":\"Database connection error. Retrying the connection.\"}"},
  {504, "Gateway Timeout", "<html><head><title>504 Gateway Time-out</title></head></html>"},
  {520, "Unknown Error", "<html>error code: 520</html>"},
  {540, "Project Paused", "{\"message\":\"project paused\"}"},
  {544, "Project API Gateway Timeout", "{\"message\":\"project api gateway timeout\"}"},
};

static const char *reason_of(int status) {
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
    if (statuses[i].status == status) return statuses[i].reason;
  }
  return "Whatever";
}

const char *fault_body(int status) {
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
    if (statuses[i].status == status) return statuses[i].body;
  }
  return "";
}

/* What a rule makes of a request: an answer in parts, and the means to send them. */
typedef struct exchange {
  connection *c;
  const fault_request *request;
  const fault_rule *rule;
  fault_answer answer;
} exchange;

static void answer_complete(fault_answer *answer) {
  if (answer->status == 0) answer->status = 200;
  if (!answer->body) answer->body = fault_body(answer->status);
  if (answer->body_bytes == 0) answer->body_bytes = strlen(answer->body);
}

static const char *type_of(const fault_answer *answer) {
  char value[8];
  if (answer->headers && find_header(answer->headers, "Content-Type", value, sizeof value)) return "";
  if (answer->body_bytes == 0) return "";
  return answer->body[0] == '<' ? "Content-Type: text/html\r\n" : "Content-Type: application/json; charset=utf-8\r\n";
}

/* The header up to and with its empty line; extra lines end in CRLF. */
static void head(buffer *out, const fault_answer *answer, const char *extra) {
  char line[96];
  snprintf(line, sizeof line, "HTTP/1.1 %d %s\r\n", answer->status, reason_of(answer->status));
  buffer_text(out, line);
  buffer_text(out, type_of(answer));
  if (answer->headers) {
    buffer_text(out, answer->headers);
    buffer_text(out, "\r\n");
  }
  buffer_text(out, extra);
  buffer_text(out, "\r\n");
}

static void whole(buffer *out, const fault_answer *answer) {
  char length[64] = "";
  if (answer->status != 204) snprintf(length, sizeof length, "Content-Length: %zu\r\n", answer->body_bytes);
  head(out, answer, length);
  if (answer->status != 204) buffer_add(out, answer->body, answer->body_bytes);
}

static int send_buffer(exchange *x, buffer *out) {
  int ok = send_all(x->c->fd, out->z, out->n);
  free(out->z);
  memset(out, 0, sizeof *out);
  return ok;
}

static int send_text(exchange *x, const char *text) {
  return send_all(x->c->fd, text, strlen(text));
}

static long rule_n(const exchange *x, long otherwise) {
  return x->rule->n > 0 ? x->rule->n : otherwise;
}

/* ---- what faults do: 1 keeps the connection ---- */

static int do_answer(exchange *x) {
  buffer out = {0};
  whole(&out, &x->answer);
  return send_buffer(x, &out);
}

static int do_callback(exchange *x) {
  memset(&x->answer, 0, sizeof x->answer);
  x->rule->respond(x->rule->ctx, x->request, &x->answer);
  answer_complete(&x->answer);
  return do_answer(x);
}

static int do_reset(exchange *x) {
  arm_reset(x->c->fd);
  return 0;
}

/* Sends the first part of the right answer; what is left out is the fault. A reset overtakes bytes that the
** client has not read yet, so it gets the time to read them. */
static int send_part(exchange *x, size_t n, int reset) {
  buffer out = {0};
  whole(&out, &x->answer);
  send_all(x->c->fd, out.z, n < out.n ? n : out.n);
  free(out.z);
  if (reset) {
    pause_ms(x->c, SLICE_MS);
    arm_reset(x->c->fd);
  }
  return 0;
}

/* To the middle of the body: the header and half of what follows it. */
static size_t body_middle(exchange *x) {
  buffer out = {0};
  whole(&out, &x->answer);
  size_t n = out.n - x->answer.body_bytes + x->answer.body_bytes / 2;
  free(out.z);
  return n;
}

static int do_reset_headers(exchange *x) { return send_part(x, 24, 1); }
static int do_reset_body(exchange *x) { return send_part(x, body_middle(x), 1); }
static int do_close(exchange *x) { (void)x; return 0; }
static int do_close_reused(exchange *x) { return x->request->on_connection > 1 ? 0 : do_answer(x); }
static int do_close_headers(exchange *x) { return send_part(x, 24, 0); }

static int do_hang(exchange *x) {
  pause_ms(x->c, rule_n(x, 3000));
  return 0;
}

static int do_hang_body(exchange *x) {
  send_part(x, body_middle(x), 0);
  return do_hang(x);
}

static int do_drip(exchange *x) {
  buffer out = {0};
  int ok = 1;
  whole(&out, &x->answer);
  for (size_t i = 0; ok && i < out.n; i++) {
    ok = send_all(x->c->fd, out.z + i, 1) && !is_ending(x->c);
    fault_sleep_ms(rule_n(x, 20));
  }
  free(out.z);
  return ok;
}

static int do_short_length(exchange *x) {
  buffer out = {0};
  char length[64];
  snprintf(length, sizeof length, "Content-Length: %zu\r\n", x->answer.body_bytes + 100);
  head(&out, &x->answer, length);
  buffer_add(&out, x->answer.body, x->answer.body_bytes);
  send_buffer(x, &out);
  return 0;
}

static void chunk(buffer *out, const char *z, size_t n) {
  char size[32];
  if (n == 0) return;
  snprintf(size, sizeof size, "%zx\r\n", n);
  buffer_text(out, size);
  buffer_add(out, z, n);
  buffer_text(out, "\r\n");
}

static void chunked(buffer *out, const fault_answer *answer) {
  size_t half = answer->body_bytes / 2;
  head(out, answer, "Transfer-Encoding: chunked\r\n");
  chunk(out, answer->body, half);
  chunk(out, answer->body + half, answer->body_bytes - half);
}

static int do_chunked(exchange *x) {
  buffer out = {0};
  chunked(&out, &x->answer);
  buffer_text(&out, "0\r\n\r\n");
  return send_buffer(x, &out);
}

static int do_short_chunked(exchange *x) {
  buffer out = {0};
  chunked(&out, &x->answer);
  send_buffer(x, &out);
  return 0;
}

static int do_bad_chunk(exchange *x) {
  buffer out = {0};
  chunked(&out, &x->answer);
  buffer_text(&out, "zz\r\n\r\n");
  send_buffer(x, &out);
  return 0;
}

static int do_short_close(exchange *x) {
  buffer out = {0};
  buffer_text(&out, "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n");
  buffer_add(&out, x->answer.body, x->answer.body_bytes / 2);
  send_buffer(x, &out);
  return 0;
}

static int do_no_length(exchange *x) {
  buffer out = {0};
  head(&out, &x->answer, "Connection: close\r\n");
  buffer_add(&out, x->answer.body, x->answer.body_bytes);
  send_buffer(x, &out);
  return 0;
}

/* Says in a trailer what belongs into the header. */
static int do_trailer(exchange *x) {
  buffer out = {0};
  chunked(&out, &x->answer);
  buffer_text(&out, "0\r\nContent-Type: application/json\r\nRetry-After: 99\r\n\r\n");
  return send_buffer(x, &out);
}

static int do_bad_length(exchange *x) {
  send_text(x, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: -5\r\n\r\n[]");
  return 0;
}

static int do_garbage(exchange *x) {
  static const char bytes[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\xff\xfe garbage\r\n\r\n\r\n";
  send_all(x->c->fd, bytes, sizeof bytes - 1);
  return 0;
}

static int do_no_status(exchange *x) {
  send_all(x->c->fd, x->answer.body, x->answer.body_bytes);
  return 0;
}

static int do_nul_header(exchange *x) {
  static const char bytes[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-N: a\0b\r\nContent-Length: 2\r\n\r\n[]";
  return send_all(x->c->fd, bytes, sizeof bytes - 1);
}

static int do_many_headers(exchange *x) {
  buffer out = {0};
  char line[] = "X-Filler: 0123456789012345678901234567890123456789012345\r\n";
  buffer_text(&out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n");
  while (out.n < (size_t)rule_n(x, 256 << 10)) buffer_text(&out, line);
  buffer_text(&out, "Content-Length: 2\r\n\r\n[]");
  return send_buffer(x, &out);
}

static int do_long_header(exchange *x) {
  buffer out = {0};
  buffer_text(&out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Long: ");
  while (out.n < (size_t)rule_n(x, 256 << 10)) buffer_text(&out, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
  buffer_text(&out, "\r\nContent-Length: 2\r\n\r\n[]");
  return send_buffer(x, &out);
}

static int do_continue(exchange *x) {
  if (!send_text(x, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Type: text/html\r\nRetry-After: 99\r\n\r\n")) return 0;
  return do_answer(x);
}

/* A valid JSON array of one long string, in chunks. */
static int do_big(exchange *x) {
  enum { PIECE = 64 << 10 };
  buffer out = {0};
  fault_answer answer = {200, NULL, "x", 1};
  char *piece = must(malloc(PIECE));
  int ok;
  memset(piece, 'x', PIECE);
  head(&out, &answer, "Transfer-Encoding: chunked\r\n");
  chunk(&out, "[\"", 2);
  ok = send_buffer(x, &out);
  for (long left = rule_n(x, 64L << 20); ok && left > 0; left -= PIECE) {
    chunk(&out, piece, PIECE);
    ok = send_buffer(x, &out) && !is_ending(x->c);
  }
  free(piece);
  chunk(&out, "\"]", 2);
  buffer_text(&out, "0\r\n\r\n");
  return ok ? send_buffer(x, &out) : (free(out.z), 0);
}

/* ---- gzip, by hand: the tests need no library for it ---- */

static uint32_t crc32_of(const char *z, size_t n) {
  uint32_t crc = 0xffffffffu;
  for (size_t i = 0; i < n; i++) {
    crc ^= (unsigned char)z[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}

static void little_endian(buffer *out, uint32_t n, int bytes) {
  for (; bytes > 0; bytes--, n >>= 8) buffer_byte(out, n & 0xff);
}

static void gzip_head(buffer *out) {
  buffer_add(out, "\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
}

/* One stored block: at most 65535 bytes. */
static void gzip_stored(buffer *out, const char *z, size_t n) {
  if (n > 65535) abort();
  gzip_head(out);
  buffer_byte(out, 1);
  little_endian(out, (uint32_t)n, 2);
  little_endian(out, ~(uint32_t)n, 2);
  buffer_add(out, z, n);
  little_endian(out, crc32_of(z, n), 4);
  little_endian(out, (uint32_t)n, 4);
}

typedef struct bit_writer {
  buffer *out;
  uint32_t bits;
  int nbits;
} bit_writer;

static void put_bit(bit_writer *w, unsigned bit) {
  w->bits |= bit << w->nbits;
  if (++w->nbits < 8) return;
  buffer_byte(w->out, w->bits);
  w->bits = 0;
  w->nbits = 0;
}

/* Huffman codes come with their highest bit first. */
static void put_code(bit_writer *w, unsigned code, int nbits) {
  while (nbits-- > 0) put_bit(w, code >> nbits & 1);
}

/* A fixed Huffman block: "[", one blank, then blank after blank as copies of 258 bytes in 13 bits each, "]". The
** checksum is left out; nobody gets that far. */
static void gzip_bomb(buffer *out, long n) {
  bit_writer w = {out, 0, 0};
  gzip_head(out);
  put_bit(&w, 1);
  put_bit(&w, 1);
  put_bit(&w, 0);
  put_code(&w, 0x30 + '[', 8);
  put_code(&w, 0x30 + ' ', 8);
  for (long done = 0; done < n; done += 258) {
    put_code(&w, 0xc5, 8);
    put_code(&w, 0, 5);
  }
  put_code(&w, 0x30 + ']', 8);
  put_code(&w, 0, 7);
  while (w.nbits > 0) put_bit(&w, 0);
  buffer_add(out, "\0\0\0\0\0\0\0\0", 8);
}

static int send_gzip(exchange *x, buffer *zipped) {
  buffer out = {0};
  char extra[96];
  snprintf(extra, sizeof extra, "Content-Encoding: gzip\r\nContent-Length: %zu\r\n", zipped->n);
  head(&out, &x->answer, extra);
  buffer_add(&out, zipped->z, zipped->n);
  free(zipped->z);
  return send_buffer(x, &out);
}

static int do_gzip(exchange *x) {
  buffer zipped = {0};
  gzip_stored(&zipped, x->answer.body, x->answer.body_bytes);
  return send_gzip(x, &zipped);
}

static int do_gzip_broken(exchange *x) {
  buffer zipped = {0};
  buffer_add(&zipped, x->answer.body, x->answer.body_bytes);
  return send_gzip(x, &zipped);
}

static int do_gzip_bomb(exchange *x) {
  buffer zipped = {0};
  gzip_bomb(&zipped, rule_n(x, 64L << 20));
  return send_gzip(x, &zipped);
}

static int do_depth_bomb(exchange *x) {
  buffer body = {0};
  long n = rule_n(x, 100000);
  for (long i = 0; i < n; i++) buffer_byte(&body, '[');
  for (long i = 0; i < n; i++) buffer_byte(&body, ']');
  x->answer.body = body.z;
  x->answer.body_bytes = body.n;
  int keep = do_answer(x);
  free(body.z);
  return keep;
}

/* ---- forwarding ---- */

/* Headers that belong to one connection and not to the message. */
static int is_hop_header(const char *line) {
  static const char *const names[] = {"Connection:", "Keep-Alive:", "Transfer-Encoding:", "Content-Length:", "Expect:"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strncasecmp(line, names[i], strlen(names[i])) == 0) return 1;
  }
  return 0;
}

static void copy_headers(buffer *out, const char *headers, size_t n) {
  const char *end = headers + n;
  while (headers < end) {
    const char *next = strstr(headers, "\r\n");
    next = next && next + 2 <= end ? next + 2 : end;
    if (!is_hop_header(headers)) buffer_add(out, headers, (size_t)(next - headers));
    headers = next;
  }
}

/* HTTP/1.0, so that the answer comes in one piece that ends with the connection. */
static void upstream_request(buffer *out, const fault_request *request) {
  char length[64];
  buffer_text(out, request->method);
  buffer_text(out, " ");
  buffer_text(out, request->target);
  buffer_text(out, " HTTP/1.0\r\n");
  copy_headers(out, request->headers, strlen(request->headers));
  if (request->body_bytes > 0) {
    snprintf(length, sizeof length, "Content-Length: %zu\r\n", request->body_bytes);
    buffer_text(out, length);
  }
  buffer_text(out, "Connection: close\r\n\r\n");
  buffer_add(out, request->body, request->body_bytes);
}

static void read_to_end(connection *c, int fd, buffer *in) {
  for (;;) {
    struct pollfd poll_for = {fd, POLLIN, 0};
    char piece[64 << 10];
    if (is_ending(c)) return;
    if (poll(&poll_for, 1, SLICE_MS) <= 0) continue;
    ssize_t n = recv(fd, piece, sizeof piece, 0);
    if (n <= 0) return;
    buffer_add(in, piece, (size_t)n);
  }
}

/* Hands the request over and writes the answer to out as it has to go to the client. Returns 0
** when the upstream did not answer. */
static int exchange_upstream(exchange *x, buffer *out) {
  buffer request = {0}, in = {0};
  pthread_mutex_lock(&x->c->server->mutex);
  int port = x->c->server->upstream;
  pthread_mutex_unlock(&x->c->server->mutex);
  int fd = port ? connect_to(port) : -1;
  if (fd < 0) return 0;
  upstream_request(&request, x->request);
  if (send_all(fd, request.z, request.n)) read_to_end(x->c, fd, &in);
  close(fd);
  free(request.z);
  const char *end = in.z ? strstr(in.z, "\r\n\r\n") : NULL;
  const char *line_end = end ? strstr(in.z, "\r\n") : NULL;
  if (end && strncmp(in.z, "HTTP/1.", 7) == 0) {
    char length[64];
    size_t nbody = in.n - (size_t)(end + 4 - in.z);
    buffer_text(out, "HTTP/1.1");
    buffer_add(out, in.z + 8, (size_t)(line_end + 2 - (in.z + 8)));
    if (line_end < end) copy_headers(out, line_end + 2, (size_t)(end - line_end));
    if (strncmp(in.z + 8, " 204", 4) != 0) {
      snprintf(length, sizeof length, "Content-Length: %zu\r\n", nbody);
      buffer_text(out, length);
    }
    buffer_text(out, "\r\n");
    buffer_add(out, end + 4, nbody);
  }
  free(in.z);
  return out->n > 0;
}

/* Nobody is there: what a gateway says then. */
static int no_upstream(exchange *x) {
  x->answer = (fault_answer){502, NULL, NULL, 0};
  answer_complete(&x->answer);
  return do_answer(x);
}

static int do_forward(exchange *x) {
  buffer out = {0};
  if (!exchange_upstream(x, &out)) return no_upstream(x);
  return send_buffer(x, &out);
}

static int do_forward_lose(exchange *x) {
  buffer out = {0};
  exchange_upstream(x, &out);
  free(out.z);
  return 0;
}

static int do_forward_reset(exchange *x) {
  do_forward_lose(x);
  return do_reset(x);
}

static int do_forward_half(exchange *x) {
  buffer out = {0};
  if (exchange_upstream(x, &out)) out.n = out.n * 3 / 4;
  if (out.n > 0) send_buffer(x, &out);
  return 0;
}

static int do_forward_twice(exchange *x) {
  do_forward_lose(x);
  return do_forward(x);
}

static int do_forward_slow(exchange *x) {
  buffer out = {0};
  if (!exchange_upstream(x, &out)) return no_upstream(x);
  pause_ms(x->c, rule_n(x, 1000));
  return send_buffer(x, &out);
}

static const struct { const char *name; int (*act)(exchange *x); } kinds[] = {
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
  [FAULT_FORWARD_NEVER] = {"forward_never", do_close},
};

const char *fault_kind_name(fault_kind kind) {
  return kinds[kind].name;
}

/* ---- rules ---- */

static int rule_matches(rule_entry *entry, const fault_request *request) {
  if (!is_like(request, entry->rule.method, entry->rule.path)) return 0;
  entry->matched++;
  if (entry->rule.from > 0 && entry->matched < entry->rule.from) return 0;
  return entry->rule.to <= 0 || entry->matched <= entry->rule.to;
}

/* The rule for a request, copied, so that it may be taken away while it acts. */
static fault_rule rule_for(fault_server *server, const fault_request *request) {
  fault_rule rule;
  memset(&rule, 0, sizeof rule);
  pthread_mutex_lock(&server->mutex);
  rule.kind = server->upstream ? FAULT_FORWARD : FAULT_ANSWER;
  for (rule_entry *entry = server->rules; entry; entry = entry->next) {
    if (!rule_matches(entry, request)) continue;
    rule = entry->rule;
    break;
  }
  pthread_mutex_unlock(&server->mutex);
  return rule;
}

void fault_server_add(fault_server *server, const fault_rule *rule) {
  rule_entry *entry = must(calloc(1, sizeof *entry));
  entry->rule = *rule;
  pthread_mutex_lock(&server->mutex);
  rule_entry **at = &server->rules;
  while (*at) at = &(*at)->next;
  *at = entry;
  pthread_mutex_unlock(&server->mutex);
}

void fault_server_clear(fault_server *server) {
  pthread_mutex_lock(&server->mutex);
  while (server->rules) {
    rule_entry *next = server->rules->next;
    free(server->rules);
    server->rules = next;
  }
  pthread_mutex_unlock(&server->mutex);
}

void fault_server_set(fault_server *server, fault_kind kind, int status) {
  fault_rule rule = {.kind = kind, .status = status};
  fault_server_clear(server);
  fault_server_add(server, &rule);
}

void fault_server_upstream(fault_server *server, int port) {
  pthread_mutex_lock(&server->mutex);
  server->upstream = port;
  pthread_mutex_unlock(&server->mutex);
}

/* ---- threads ---- */

static int serve_one(connection *c, buffer *in) {
  fault_request *request = request_read(c, in);
  if (!request) return 0;
  log_add(c->server, request);
  fault_rule rule = rule_for(c->server, request);
  exchange x = {c, request, &rule, {rule.status, rule.headers, rule.body, rule.body_bytes}};
  answer_complete(&x.answer);
  char last[16];
  int is_last = fault_header(request, "Connection", last, sizeof last) && strcasecmp(last, "close") == 0;
  return kinds[rule.kind].act(&x) && !is_last;
}

static void *connection_main(void *arg) {
  connection *c = arg;
  buffer in = {0};
  while (serve_one(c, &in)) continue;
  free(in.z);
  /* Together, so that stop() never shuts down a descriptor that is somebody else's by now. */
  pthread_mutex_lock(&c->server->mutex);
  close(c->fd);
  c->is_over = 1;
  pthread_mutex_unlock(&c->server->mutex);
  return NULL;
}

/* A free slot, after joining the thread that last used it. NULL when all are busy. */
static connection *slot_take(fault_server *server) {
  for (int i = 0; i < MAX_CONNECTIONS; i++) {
    connection *c = &server->connections[i];
    pthread_mutex_lock(&server->mutex);
    int is_free = !c->is_used || c->is_over;
    int is_joinable = c->is_used && c->is_over;
    pthread_mutex_unlock(&server->mutex);
    if (!is_free) continue;
    if (is_joinable) pthread_join(c->thread, NULL);
    pthread_mutex_lock(&server->mutex);
    memset(c, 0, sizeof *c);
    pthread_mutex_unlock(&server->mutex);
    return c;
  }
  return NULL;
}

static void serve(fault_server *server, int fd) {
  connection *c = slot_take(server);
  int on = 1;
  if (!c) {
    close(fd);
    return;
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  c->server = server;
  c->fd = fd;
  pthread_mutex_lock(&server->mutex);
  c->number = ++server->naccepted;
  c->generation = server->generation;
  pthread_mutex_unlock(&server->mutex);
  pthread_t thread;
  int is_started = pthread_create(&thread, NULL, connection_main, c) == 0;
  pthread_mutex_lock(&server->mutex);
  c->thread = thread;
  c->is_used = is_started;
  pthread_mutex_unlock(&server->mutex);
  if (!is_started) close(fd);
}

static int listener_of(fault_server *server, int *is_stopping) {
  pthread_mutex_lock(&server->mutex);
  int fd = server->listener;
  *is_stopping = server->is_stopping;
  pthread_mutex_unlock(&server->mutex);
  return fd;
}

static void *acceptor_main(void *arg) {
  fault_server *server = arg;
  for (;;) {
    int is_stopping;
    struct pollfd poll_for = {listener_of(server, &is_stopping), POLLIN, 0};
    if (is_stopping) return NULL;
    if (poll_for.fd < 0 || poll(&poll_for, 1, SLICE_MS) <= 0) {
      if (poll_for.fd < 0) fault_sleep_ms(SLICE_MS);
      continue;
    }
    int fd = accept(poll_for.fd, NULL, NULL);
    if (fd >= 0) serve(server, fd);
  }
}

/* ---- life ---- */

static int port_of(int fd) {
  struct sockaddr_in address;
  socklen_t n = sizeof address;
  return getsockname(fd, (struct sockaddr *)&address, &n) == 0 ? ntohs(address.sin_port) : 0;
}

fault_server *fault_server_start(void) {
  fault_server *server = must(calloc(1, sizeof *server));
  pthread_mutex_init(&server->mutex, NULL);
  server->listener = listen_on(0);
  if (server->listener >= 0) {
    server->port = port_of(server->listener);
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%d", server->port);
    server->has_acceptor = pthread_create(&server->acceptor, NULL, acceptor_main, server) == 0;
  }
  if (server->has_acceptor) return server;
  fault_server_stop(server);
  return NULL;
}

/* A thread that waits in recv(), or in send() to a client that does not read, is woken by this. */
static void shut_connections(fault_server *server) {
  pthread_mutex_lock(&server->mutex);
  for (int i = 0; i < MAX_CONNECTIONS; i++) {
    connection *c = &server->connections[i];
    if (c->is_used && !c->is_over) shutdown(c->fd, SHUT_RDWR);
  }
  pthread_mutex_unlock(&server->mutex);
}

static void join_connections(fault_server *server) {
  shut_connections(server);
  for (int i = 0; i < MAX_CONNECTIONS; i++) {
    connection *c = &server->connections[i];
    if (c->is_used) pthread_join(c->thread, NULL);
    c->is_used = 0;
  }
}

void fault_server_stop(fault_server *server) {
  if (!server) return;
  pthread_mutex_lock(&server->mutex);
  server->is_stopping = 1;
  pthread_mutex_unlock(&server->mutex);
  if (server->has_acceptor) pthread_join(server->acceptor, NULL);
  join_connections(server);
  if (server->listener >= 0) close(server->listener);
  fault_server_clear(server);
  fault_server_forget(server);
  free(server->log);
  pthread_mutex_destroy(&server->mutex);
  free(server);
}

int fault_server_port(const fault_server *server) {
  return server->port;
}

const char *fault_server_url(const fault_server *server) {
  return server->url;
}

static void close_listener(fault_server *server) {
  pthread_mutex_lock(&server->mutex);
  int fd = server->listener;
  server->listener = -1;
  server->generation++;
  pthread_mutex_unlock(&server->mutex);
  /* The acceptor polls a copy of the descriptor for one slice at most; it must not be somebody
  ** else's by then. */
  shutdown(fd, SHUT_RDWR);
  fault_sleep_ms(2 * SLICE_MS);
  close(fd);
  shut_connections(server);
}

int fault_server_refuse(fault_server *server, int on) {
  int is_stopping;
  int fd = listener_of(server, &is_stopping);
  if (on) {
    if (fd >= 0) close_listener(server);
    return 0;
  }
  if (fd >= 0) return 0;
  fd = listen_on(server->port);
  pthread_mutex_lock(&server->mutex);
  server->listener = fd;
  pthread_mutex_unlock(&server->mutex);
  return fd < 0;
}
