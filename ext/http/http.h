/* The transport over libcurl; http.c is the only file that knows it. Nothing here knows PostgREST or
** SQLite files. */
#ifndef LEADX_HTTP_H
#define LEADX_HTTP_H

#include "http/transport.h"

/* The real one, on curl multi (HTTP/2 over TLS where the server speaks it, several HTTP/1.1
** connections otherwise). interrupted(arg), may be NULL, is asked at least every 100 ms; when it
** answers non-zero everything in flight ends as LEADX_NET_INTERRUPTED. NULL and an error on
** failure. */
leadx_transport *leadx_http_open(const leadx_http_limits *limits, int (*interrupted)(void *),
                                 void *arg, leadx_err *err);

/* Checks and normalises a base URL: https, or http when the host is literally localhost, 127.0.0.1
** or ::1; no user, query or fragment; no control bytes; no trailing slash; https://ref.supabase.co
** (and *.supabase.in, *.supabase.net) without a path gets /rest/v1. Returns sqlite3_malloc text, or
** NULL and an error that says what is allowed, prefixed with who ("leadx_configure"). */
char *leadx_http_base_url(const char *who, const char *url, leadx_err *err);

/* "libcurl/7.88.1 OpenSSL/3.0.15" – for leadx_debug(). Static. */
const char *leadx_http_version(void);

#endif
