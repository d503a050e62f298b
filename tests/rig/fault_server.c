/* See fault_server.h. One thread accepts, one thread serves each connection; the log and the
** rules. */
#define _DEFAULT_SOURCE /* strncasecmp and friends, MSG_NOSIGNAL */

#include "fault_parts.h"

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
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Ports from below those that the kernel hands to outgoing connections: while the port is closed,
** nobody gets it. */
enum {
  FIRST_PORT = 10000,
  PORTS = 10000,
  MAX_CONNECTIONS = 32,
  MAX_HEAD_BYTES = 256 << 10,
  MAX_BODY_BYTES = 64 << 20
};

typedef struct rule_entry {
  fault_rule rule;
  int matched;
  struct rule_entry *next;
} rule_entry;

struct fault_server {
  pthread_mutex_t mutex; /* everything below; never held while a socket is used */
  pthread_t acceptor;
  int has_acceptor;
  int listener;
  int is_accepting; /* the acceptor uses the listener just now */
  int port;
  /* the UDP port of that number: other fault servers leave a port alone whose other half is
  ** taken */
  int claim;
  int upstream;
  int is_stopping;
  int generation; /* connections of an older one end: the port was closed */
  int nreleased; /* how often held answers were let go */
  int nheld;
  int naccepted;
  char url[40];
  rule_entry *rules;
  fault_request **log;
  int nlog, log_room;
  fault_connection connections[MAX_CONNECTIONS];
};

/* ---- time and sockets ---- */

int64_t fault_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void fault_sleep_ms(long ms) {
  struct timespec left = {ms / 1000, ms % 1000 * 1000000L};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

int fault_is_ending(fault_connection *c) {
  fault_server *server = c->server;
  pthread_mutex_lock(&server->mutex);
  int ending = server->is_stopping || server->generation != c->generation;
  pthread_mutex_unlock(&server->mutex);
  return ending;
}

static int is_held(fault_connection *c, int counts) {
  pthread_mutex_lock(&c->server->mutex);
  int held = c->nreleased == c->server->nreleased;
  c->server->nheld += counts;
  pthread_mutex_unlock(&c->server->mutex);
  return held;
}

void fault_hold(fault_connection *c) {
  for (is_held(c, 1); is_held(c, 0) && !fault_is_ending(c);) fault_sleep_ms(FAULT_SLICE_MS);
  is_held(c, -1);
}

void fault_pause_ms(fault_connection *c, long ms) {
  for (; ms > 0 && !fault_is_ending(c); ms -= FAULT_SLICE_MS)
    fault_sleep_ms(ms < FAULT_SLICE_MS ? ms : FAULT_SLICE_MS);
}

int fault_send_all(int fd, const char *z, size_t n) {
  while (n > 0) {
    ssize_t sent = send(fd, z, n, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return 0;
    z += sent;
    n -= (size_t)sent;
  }
  return 1;
}

static struct sockaddr_in loopback(int port) {
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons((uint16_t)port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static int claim_port(int port) {
  struct sockaddr_in address = loopback(port);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  if (fd >= 0) close(fd);
  return -1;
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

int fault_connect(int port) {
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

static char *copy(const char *z, size_t n) {
  char *out = fault_must(malloc(n + 1));
  if (n > 0) memcpy(out, z, n);
  out[n] = '\0';
  return out;
}

/* Appends what comes. Returns 0 at the end of the connection or of the server. */
static int receive_some(fault_connection *c, fault_buffer *in) {
  for (;;) {
    struct pollfd poll_for = {c->fd, POLLIN, 0};
    char piece[64 << 10];
    if (fault_is_ending(c)) return 0;
    if (poll(&poll_for, 1, FAULT_SLICE_MS) <= 0) continue;
    ssize_t n = recv(c->fd, piece, sizeof piece, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return 0;
    fault_buffer_add(in, piece, (size_t)n);
    return 1;
  }
}

int fault_header(const fault_request *request, const char *name, char *out, size_t nout) {
  return fault_find_header(request->headers, name, out, nout);
}

static fault_request *request_parse(const char *head, size_t nhead) {
  fault_request *request = fault_must(calloc(1, sizeof *request));
  const char *line_end = strstr(head, "\r\n");
  const char *space = strchr(head, ' ');
  const char *second = space ? strchr(space + 1, ' ') : NULL;
  if (!line_end || !second || second > line_end) second = space = line_end = head;
  request->method = copy(head, (size_t)(space - head));
  request->target = copy(space < second ? space + 1 : space,
                         space < second ? (size_t)(second - space - 1) : 0);
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
  if (!fault_find_header(headers, "Content-Length", value, sizeof value)) return 0;
  unsigned long n = strtoul(value, NULL, 10);
  return n <= MAX_BODY_BYTES ? n : MAX_BODY_BYTES;
}

/* Reads one request; what came behind it stays in the buffer. NULL at the end. */
static fault_request *request_read(fault_connection *c, fault_buffer *in) {
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
  request->at_ms = fault_now_ms();
  return request;
}

/* ---- the log ---- */

static void log_add(fault_server *server, fault_request *request) {
  pthread_mutex_lock(&server->mutex);
  if (server->nlog == server->log_room) {
    server->log_room = server->log_room * 2 + 16;
    server->log = fault_must(realloc(server->log, sizeof *server->log * (size_t)server->log_room));
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

/* ---- rules ---- */

static int rule_matches(rule_entry *entry, const fault_request *request) {
  if (!is_like(request, entry->rule.method, entry->rule.path)) return 0;
  entry->matched++;
  if (entry->rule.from > 0 && entry->matched < entry->rule.from) return 0;
  return entry->rule.to <= 0 || entry->matched <= entry->rule.to;
}

/* The rule for a request, copied, so that it may be taken away while it acts. */
static fault_rule rule_for(fault_connection *c, const fault_request *request) {
  fault_server *server = c->server;
  fault_rule rule;
  memset(&rule, 0, sizeof rule);
  pthread_mutex_lock(&server->mutex);
  c->nreleased = server->nreleased;
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
  rule_entry *entry = fault_must(calloc(1, sizeof *entry));
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
  server->nreleased++;
  pthread_mutex_unlock(&server->mutex);
}

void fault_server_release(fault_server *server) {
  pthread_mutex_lock(&server->mutex);
  server->nreleased++;
  pthread_mutex_unlock(&server->mutex);
}

void fault_server_set(fault_server *server, fault_kind kind, int status) {
  fault_rule rule = {.kind = kind, .status = status};
  fault_server_clear(server);
  fault_server_add(server, &rule);
}

int fault_server_held(fault_server *server) {
  pthread_mutex_lock(&server->mutex);
  int n = server->nheld;
  pthread_mutex_unlock(&server->mutex);
  return n;
}

int fault_upstream_port(fault_server *server) {
  pthread_mutex_lock(&server->mutex);
  int port = server->upstream;
  pthread_mutex_unlock(&server->mutex);
  return port;
}

void fault_server_upstream(fault_server *server, int port) {
  pthread_mutex_lock(&server->mutex);
  server->upstream = port;
  pthread_mutex_unlock(&server->mutex);
}

/* ---- threads ---- */

static int serve_one(fault_connection *c, fault_buffer *in) {
  fault_request *request = request_read(c, in);
  if (!request) return 0;
  log_add(c->server, request);
  fault_rule rule = rule_for(c, request);
  fault_exchange x = {c, request, &rule, {rule.status, rule.headers, rule.body, rule.body_bytes}};
  fault_answer_complete(&x.answer);
  char last[16];
  int is_last = fault_header(request, "Connection", last, sizeof last) &&
                strcasecmp(last, "close") == 0;
  return fault_act(&x) && !is_last;
}

static void *connection_main(void *arg) {
  fault_connection *c = arg;
  fault_buffer in = {0};
  prctl(PR_SET_NAME, FAULT_THREAD);
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
static fault_connection *slot_take(fault_server *server) {
  for (int i = 0; i < MAX_CONNECTIONS; i++) {
    fault_connection *c = &server->connections[i];
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
  fault_connection *c = slot_take(server);
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

/* Lends the listener, -1 while the port is closed. Returns 0 when the server stops. */
static int take_listener(fault_server *server, int *fd) {
  pthread_mutex_lock(&server->mutex);
  int goes_on = !server->is_stopping;
  *fd = server->listener;
  server->is_accepting = goes_on && *fd >= 0;
  pthread_mutex_unlock(&server->mutex);
  return goes_on;
}

static void give_listener_back(fault_server *server) {
  pthread_mutex_lock(&server->mutex);
  server->is_accepting = 0;
  pthread_mutex_unlock(&server->mutex);
}

static void accept_one(fault_server *server, int listener) {
  struct pollfd poll_for = {listener, POLLIN, 0};
  if (poll(&poll_for, 1, FAULT_SLICE_MS) <= 0) return;
  int fd = accept(listener, NULL, NULL);
  if (fd >= 0) serve(server, fd);
}

static void *acceptor_main(void *arg) {
  fault_server *server = arg;
  prctl(PR_SET_NAME, FAULT_THREAD);
  for (int listener; take_listener(server, &listener); give_listener_back(server)) {
    if (listener >= 0) accept_one(server, listener);
    else fault_sleep_ms(FAULT_SLICE_MS);
  }
  return NULL;
}

/* ---- life ---- */

/* A port that nobody else has, and its listener. */
static void find_port(fault_server *server) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  unsigned start = (unsigned)now.tv_nsec ^ (unsigned)getpid();
  for (unsigned i = 0; i < PORTS && server->listener < 0; i++) {
    server->port = FIRST_PORT + (int)((start + i) % PORTS);
    server->claim = claim_port(server->port);
    if (server->claim < 0) continue;
    server->listener = listen_on(server->port);
    if (server->listener >= 0) return;
    close(server->claim);
    server->claim = -1;
  }
}

fault_server *fault_server_start(void) {
  fault_server *server = fault_must(calloc(1, sizeof *server));
  pthread_mutex_init(&server->mutex, NULL);
  server->listener = server->claim = -1;
  find_port(server);
  snprintf(server->url, sizeof server->url, "http://127.0.0.1:%d", server->port);
  server->has_acceptor = server->listener >= 0 &&
                         pthread_create(&server->acceptor, NULL, acceptor_main, server) == 0;
  if (server->has_acceptor) return server;
  fault_server_stop(server);
  return NULL;
}

/* A thread that waits in recv(), or in send() to a client that does not read, is woken by this. */
static void shut_connections(fault_server *server) {
  pthread_mutex_lock(&server->mutex);
  for (int i = 0; i < MAX_CONNECTIONS; i++) {
    fault_connection *c = &server->connections[i];
    if (c->is_used && !c->is_over) shutdown(c->fd, SHUT_RDWR);
  }
  pthread_mutex_unlock(&server->mutex);
}

static void join_connections(fault_server *server) {
  shut_connections(server);
  for (int i = 0; i < MAX_CONNECTIONS; i++) {
    fault_connection *c = &server->connections[i];
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
  if (server->claim >= 0) close(server->claim);
  fault_server_clear(server);
  fault_server_forget(server);
  free(server->log);
  pthread_mutex_destroy(&server->mutex);
  free(server);
}

int fault_server_port(const fault_server *server) { return server->port; }

const char *fault_server_url(const fault_server *server) { return server->url; }

static int is_busy(fault_server *server) {
  pthread_mutex_lock(&server->mutex);
  int busy = server->is_accepting;
  for (int i = 0; i < MAX_CONNECTIONS; i++)
    busy |= server->connections[i].is_used && !server->connections[i].is_over;
  pthread_mutex_unlock(&server->mutex);
  return busy;
}

/* Connections of an older generation end by themselves, at the next slice. */
static void close_listener(fault_server *server) {
  pthread_mutex_lock(&server->mutex);
  int fd = server->listener;
  server->listener = -1;
  server->generation++;
  pthread_mutex_unlock(&server->mutex);
  for (shutdown(fd, SHUT_RDWR); is_busy(server); fault_sleep_ms(1)) shut_connections(server);
  close(fd);
}

int fault_server_refuse(fault_server *server, int on) {
  pthread_mutex_lock(&server->mutex);
  int is_open = server->listener >= 0;
  pthread_mutex_unlock(&server->mutex);
  if (on && is_open) close_listener(server);
  if (on || is_open) return 0;
  int fd = listen_on(server->port);
  pthread_mutex_lock(&server->mutex);
  server->listener = fd;
  pthread_mutex_unlock(&server->mutex);
  return fd < 0;
}
