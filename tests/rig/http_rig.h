/* A transport and a server that fails on demand, fresh for every test. The transport waits as long
** as a busy machine may need; a test of what times out takes another, for which a minute in the
** field is a third of a second. */
#ifndef LEADX_HTTP_RIG_H
#define LEADX_HTTP_RIG_H

#include "fault_server.h"
#include "http/http.h"
#include "rest/rest.h"
#include "suites.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

enum { RIG_TIMEOUT_MS = 300, RIG_PATIENCE_MS = 25000, RIG_RESPONSE_BYTES = 1 << 20 };
/* What is done at once takes this long at most, however busy the machine is; what hangs would take
** longer. */
enum { RIG_AT_ONCE_MS = 10000 };

/* The test's own, between set-up and tear-down. */
typedef struct http_rig {
  fault_server *server;
  leadx_transport *transport;
  int interrupts_after; /* how often a transport may ask before it is told to stop; 0: never */
} http_rig;

extern http_rig rig;

/* A case whose tests have the rig; added to the suite. */
TCase *rig_case(Suite *suite, const char *name);

/* Another transport, which asks the rig whether it is interrupted. The caller frees it. */
leadx_transport *rig_transport(int max_in_flight, int64_t max_response, long timeout_ms);

/* The rig's transport is replaced by one that gives up after RIG_TIMEOUT_MS. */
void rig_hurry(void);

/* A request to the rig's server with keys, and a body unless it is NULL. The caller frees it. */
leadx_request *rig_request(const char *method, const char *path, const char *body);
void rig_start(leadx_request *req);
/* Made, sent and answered, or not. */
leadx_request *rig_send(const char *method, const char *path, const char *body);
leadx_request *rig_get(const char *path);

/* The server's only answer from now on. headers and body as in fault_rule. */
void rig_answer(int status, const char *headers, const char *body);

/* What rest.h makes of an answer. */
leadx_class rig_class(const leadx_request *req);
/* Asserts that nothing is left of an answer that never came, or came in part, or was too large. */
void rig_no_answer(const leadx_request *req);
/* Asserts that the server saw this header (NULL: that it saw none of that name). */
void rig_header(const fault_request *request, const char *name, const char *expected);

#endif
