/* A link with a round trip of its own: a process that hands bytes on between loopback connections,
** what goes to the server a fixed time later. Connections do not wait for each other, nor do
** requests on one connection. */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_PAIRS 64
#define CHUNK_BYTES 65536

/* Bytes on their way, oldest first. */
typedef struct chunk {
  struct chunk *next;
  double due_ms;
  size_t n, sent;
  char bytes[];
} chunk;

typedef struct lane {
  int from, to;
  int delay_ms;
  int at_end; /* nothing more comes from `from` */
  chunk *first, **end;
} lane;

typedef struct pair {
  int is_open;
  lane up, down;
} pair;

static pid_t link_pid;
static char link_url[256];

static void lane_init(lane *l, int from, int to, int delay_ms) {
  *l = (lane){.from = from, .to = to, .delay_ms = delay_ms};
  l->end = &l->first;
}

static void take_bytes(lane *l) {
  chunk *c = malloc(sizeof *c + CHUNK_BYTES);
  ssize_t n = c ? read(l->from, c->bytes, CHUNK_BYTES) : 0;
  if (n <= 0) {
    free(c);
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) l->at_end = 1;
    return;
  }
  c->next = NULL;
  c->due_ms = bench_now_ms() + l->delay_ms;
  c->n = (size_t)n;
  c->sent = 0;
  *l->end = c;
  l->end = &c->next;
}

/* Hands on what is due. Returns the milliseconds until the next bytes are, -1 when there are
** none. */
static double give_bytes(lane *l) {
  while (l->first) {
    chunk *c = l->first;
    double left = c->due_ms - bench_now_ms();
    if (left > 0) return left;
    ssize_t n = send(l->to, c->bytes + c->sent, c->n - c->sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) l->at_end = 1;
    if (n < 0) return 1;
    c->sent += (size_t)n;
    if (c->sent < c->n) return 1;
    l->first = c->next;
    if (!l->first) l->end = &l->first;
    free(c);
  }
  return -1;
}

static void close_pair(pair *p) {
  lane *lanes[] = {&p->up, &p->down};
  for (int i = 0; i < 2; i++) {
    for (chunk *c = lanes[i]->first, *next; c; c = next) {
      next = c->next;
      free(c);
    }
  }
  close(p->up.from);
  close(p->up.to);
  p->is_open = 0;
}

static void open_pair(pair *pairs, int listener, const struct sockaddr_in *server, int delay_ms) {
  int client = accept(listener, NULL, NULL), i = 0;
  while (i < MAX_PAIRS && pairs[i].is_open) i++;
  int up = client >= 0 ? socket(AF_INET, SOCK_STREAM, 0) : -1;
  if (i == MAX_PAIRS || up < 0 ||
      connect(up, (const struct sockaddr *)server, sizeof *server) != 0) {
    if (client >= 0) close(client);
    if (up >= 0) close(up);
    return;
  }
  (void)fcntl(client, F_SETFL, O_NONBLOCK);
  (void)fcntl(up, F_SETFL, O_NONBLOCK);
  pairs[i].is_open = 1;
  lane_init(&pairs[i].up, client, up, delay_ms);
  lane_init(&pairs[i].down, up, client, 0);
}

static int poll_ms(double next) { return next < 0 ? 1000 : next < 1 ? 1 : (int)next + 1; }

static void serve(int listener, const struct sockaddr_in *server, int delay_ms) {
  static pair pairs[MAX_PAIRS];
  for (double next = -1;;) {
    struct pollfd fds[1 + 2 * MAX_PAIRS] = {{.fd = listener, .events = POLLIN}};
    for (int i = 0; i < MAX_PAIRS; i++) {
      fds[1 + 2 * i] = (struct pollfd){.fd = pairs[i].is_open ? pairs[i].up.from : -1,
                                       .events = POLLIN};
      fds[2 + 2 * i] = (struct pollfd){.fd = pairs[i].is_open ? pairs[i].down.from : -1,
                                       .events = POLLIN};
    }
    poll(fds, 1 + 2 * MAX_PAIRS, poll_ms(next));
    next = -1;
    if (fds[0].revents) open_pair(pairs, listener, server, delay_ms);
    for (int i = 0; i < MAX_PAIRS; i++) {
      if (!pairs[i].is_open) continue;
      lane *lanes[] = {&pairs[i].up, &pairs[i].down};
      for (int k = 0; k < 2; k++) {
        if (fds[1 + 2 * i + k].revents) take_bytes(lanes[k]);
        double left = give_bytes(lanes[k]);
        if (left >= 0 && (next < 0 || left < next)) next = left;
      }
      if (lanes[1]->at_end || (lanes[0]->at_end && !lanes[0]->first)) close_pair(&pairs[i]);
    }
  }
}

static int listen_on_loopback(int *port) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t n = sizeof at;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 64) != 0 ||
      getsockname(fd, (struct sockaddr *)&at, &n) != 0) {
    bench_die("cannot listen on the loopback interface");
  }
  *port = ntohs(at.sin_port);
  return fd;
}

const char *bench_link_start(const bench *b, int delay_ms) {
  int port = 0, server_port = 0;
  char path[128] = "";
  if (link_pid > 0) return link_url;
  if (sscanf(b->url, "http://127.0.0.1:%d%127s", &server_port, path) < 1)
    bench_die("the server is not http on 127.0.0.1: %s", b->url);
  struct sockaddr_in server = {.sin_family = AF_INET,
                               .sin_addr = {htonl(INADDR_LOOPBACK)},
                               .sin_port = htons((uint16_t)server_port)};
  int listener = listen_on_loopback(&port);
  link_pid = fork();
  if (link_pid < 0) bench_die("cannot fork");
  if (link_pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    serve(listener, &server, delay_ms);
  }
  close(listener);
  snprintf(link_url, sizeof link_url, "http://127.0.0.1:%d%s", port, path);
  return link_url;
}

void bench_link_stop(void) {
  if (link_pid <= 0) return;
  kill(link_pid, SIGTERM);
  waitpid(link_pid, NULL, 0);
  link_pid = 0;
}
