/* The token of one run: renewed before it expires and when the server refuses it, then the run goes
** on.
**
** A refresh uses the run's transport while nothing is in flight, and no transaction is open
** meanwhile. Of the connections of a process one refreshes, the others wait for what it brings. The
** device's clock is never asked: when a token expires is known from its life when it came, or from
** the server's own time. */
#ifndef LEADX_AUTH_H
#define LEADX_AUTH_H

#include "http/transport.h"
#include "session/ctx.h"
#include "session/grant.h"

typedef struct leadx_auth {
  leadx_ctx *ctx;
  leadx_transport *transport; /* borrowed */
  leadx_credentials *credentials; /* the run's own copy; its token is replaced */
  leadx_target *target; /* likewise */
  int is_refused; /* the server refused the token, and nothing was done about it yet */
  int is_fresh; /* it came in this run, and no answer has shown yet that it is good */
  int is_spent; /* a refresh failed in this run: not again */
  int knows_time; /* the session was told the server's time */
  /* Why there is no (new) token. */
  leadx_class class_;
  char message[640];
  int64_t retry_after_s;
  leadx_traffic traffic; /* its own requests */
} leadx_auth;

void leadx_auth_init(leadx_auth *auth, leadx_ctx *ctx, leadx_transport *transport,
                     leadx_credentials *credentials, leadx_target *target);

/* Should nothing be sent before a refresh: the token was refused, or is about to expire? */
int leadx_auth_is_due(const leadx_auth *auth);

/* Looks at what was answered: a refusal makes a refresh due, anything else shows that the token is
** good. Call it for every answer, with its verdict. */
void leadx_auth_note(leadx_auth *auth, const leadx_request *done, const leadx_verdict *verdict);

/* Sees to a token that can be used. 1: go on with target->token; 0: the run ends with class_ and
** message. Nothing is in flight and no transaction open. A token that is good for a while yet is
** kept when it cannot be renewed. */
int leadx_auth_refresh(leadx_auth *auth);

#endif
