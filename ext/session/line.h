/* The line to a server: a transport within the limits that the file's settings name. */
#ifndef LEADX_LINE_H
#define LEADX_LINE_H

#include "http/transport.h"
#include "session/ctx.h"
#include "session/session.h"

/* For tests: makes the transport in place of the real one. NULL: the real one. */
typedef struct leadx_opener {
  leadx_transport *(*open)(void *arg, const leadx_http_limits *limits, leadx_err *err);
  void *arg;
} leadx_opener;

/* The limits of the settings, for so many requests in flight. The name of the file of certificates is
** borrowed from the credentials. */
leadx_http_limits leadx_line_limits(const leadx_ctx *ctx, const leadx_credentials *credentials,
                                    int max_in_flight);
/* A transport that gives up when the connection is interrupted. opener may be NULL. The caller frees
** it; NULL and an error. */
leadx_transport *leadx_line_open(leadx_ctx *ctx, const leadx_http_limits *limits,
                                 const leadx_opener *opener, leadx_err *err);

#endif
