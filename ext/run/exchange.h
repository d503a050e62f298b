/* Requests that are sent one at a time and waited for, each with a token that the server takes.
**
** An exchange refreshes the token before a request when that is due, and sends the request once more
** when the server refused the token and there is a new one. The next request can be sent ahead, so
** that it travels while the caller does something else. */
#ifndef LEADX_EXCHANGE_H
#define LEADX_EXCHANGE_H

#include "session/auth.h"

typedef struct leadx_exchange {
  leadx_transport *transport; /* borrowed */
  leadx_auth *auth; /* borrowed */
  leadx_request *ahead; /* sent ahead; lent to the transport until it is answered */
  int ahead_is_answered;
  leadx_traffic beside; /* what was sent beside the answers that the caller got */
} leadx_exchange;

void leadx_exchange_init(leadx_exchange *exchange, leadx_transport *transport, leadx_auth *auth);

/* Sends one request and waits for its answer. Takes the request over, which may be NULL after an
** error; the caller frees what is returned. NULL and an error when it could not be sent. *verdict
** judges the answer: LEADX_CLASS_AUTH when the token was refused and could not be renewed
** (auth->message says why). No transaction is open. */
leadx_request *leadx_exchange_ask(leadx_exchange *exchange, leadx_request *request, int wants_array,
                                  leadx_verdict *verdict, leadx_err *err);

/* Sends the request that will be asked for next. Takes the request over, which may be NULL. An
** exchange of the very same request then gets its answer; any other one gives it up, and so does
** abandon(). Where it cannot be sent, or a refresh is due, nothing happens: it is sent when it is
** asked for. */
void leadx_exchange_send_ahead(leadx_exchange *exchange, leadx_request *request);
/* Reads what there is of the answer, without waiting. No transaction is open. */
void leadx_exchange_listen(leadx_exchange *exchange);
/* Gives up what was sent ahead. */
void leadx_exchange_abandon(leadx_exchange *exchange);

#endif
