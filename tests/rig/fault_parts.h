/* What the parts of the fault server share: fault_server.c (threads, log, rules), fault_acts.c
** (what a rule does) and fault_bytes.c (what goes over the wire). For them alone; tests include
** fault_server.h. */
#ifndef LEADX_FAULT_PARTS_H
#define LEADX_FAULT_PARTS_H

#include <pthread.h>

#include "fault_server.h"

enum {
  FAULT_SLICE_MS = 20 /* how long a thread sleeps before it looks whether the server stops */
};

typedef struct fault_connection {
  fault_server *server;
  pthread_t thread;
  int fd;
  int number;
  int nrequests;
  int generation;
  int nreleased; /* the server's when its rule was chosen */
  int is_used; /* the slot has a thread to join */
  int is_over; /* that thread is about to return */
} fault_connection;

/* What a rule makes of a request: an answer in parts, and the means to send them. */
typedef struct fault_exchange {
  fault_connection *c;
  const fault_request *request;
  const fault_rule *rule;
  fault_answer answer;
} fault_exchange;

/* ---- fault_server.c ---- */

/* Does the connection end because the server stops or its port was closed? */
int fault_is_ending(fault_connection *c);
/* Sleeps in slices, so that stopping does not wait for it. */
void fault_pause_ms(fault_connection *c, long ms);
/* Sleeps until held answers are let go. */
void fault_hold(fault_connection *c);
/* Returns 0 when the client is gone. */
int fault_send_all(int fd, const char *z, size_t n);
/* A socket to a port of the loopback, -1 when nobody is there. */
int fault_connect(int port);
/* Where requests are forwarded to; 0: nowhere. */
int fault_upstream_port(fault_server *server);

/* ---- fault_acts.c ---- */

/* Does what the exchange's rule says. Returns 1 when the connection stays open. */
int fault_act(fault_exchange *x);

/* ---- fault_bytes.c ---- */

/* Text that grows; always terminated once something was added. Freed with free(b.z). */
typedef struct fault_buffer {
  char *z;
  size_t n, room;
} fault_buffer;

/* A test that cannot allocate has nothing to prove: aborts on NULL. */
void *fault_must(void *p);
void fault_buffer_add(fault_buffer *b, const char *z, size_t n);
void fault_buffer_text(fault_buffer *b, const char *z);
void fault_buffer_byte(fault_buffer *b, unsigned byte);

/* Finds a header's value in CRLF lines. */
int fault_find_header(const char *headers, const char *name, char *out, size_t nout);

/* Gives the answer the status and the body that it lacks. */
void fault_answer_complete(fault_answer *answer);
/* The header up to and with its empty line; extra lines end in CRLF. */
void fault_answer_head(fault_buffer *out, const fault_answer *answer, const char *extra);
/* Header, length and body. */
void fault_answer_whole(fault_buffer *out, const fault_answer *answer);

/* gzip: one stored block, at most 65535 bytes; and a small stream that swells to n bytes of a valid
** array. */
void fault_gzip_stored(fault_buffer *out, const char *z, size_t n);
void fault_gzip_bomb(fault_buffer *out, long n);

#endif
