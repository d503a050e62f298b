/* A sign of life. See probe.h. */
#include "sync/probe.h"

#include <string.h>

#include "http/http.h"
#include "rest/rest.h"
#include "session/session.h"
#include "store/tables.h"

/* Short: whoever waits for the network to come back asks again soon. */
#define CONNECT_MS 2500
#define TOTAL_MS 4000
#define MOST_BYTES 65536

static int interrupted(void *arg) { return leadx_db_interrupted(arg); }

/* No row of a tracked table: any server answers that fast, if only by asking for a key. NULL and an
** error. */
static char *make_url(leadx_ctx *ctx, const char *base, leadx_err *err) {
  leadx_tables tables;
  if (leadx_tables_load(&ctx->db, "leadx_start", &tables, err) != SQLITE_OK) return NULL;
  sqlite3_str *url = sqlite3_str_new(NULL);
  sqlite3_str_appendf(url, "%s/", base);
  if (tables.n > 0) {
    leadx_rest_escape(url, tables.list[0]->remote, strlen(tables.list[0]->remote));
    sqlite3_str_appendall(url, "?limit=0");
  }
  leadx_tables_clear(&tables);
  return leadx_db_finish(url, err);
}

static int ask(leadx_ctx *ctx, const char *base, leadx_transport *transport, int *answered,
               leadx_err *err) {
  leadx_request *request = leadx_request_new("GET"), *done = NULL;
  if (!request) return leadx_err_nomem(err);
  request->url = make_url(ctx, base, err);
  int rc = request->url ? transport->start(transport, request, err) : err->rc;
  while (rc == SQLITE_OK && !done) done = transport->wait(transport, TOTAL_MS);
  if (done) *answered = done->net == LEADX_NET_ANSWER || done->net == LEADX_NET_TOO_LARGE;
  leadx_request_free(request);
  return rc;
}

int leadx_probe(leadx_ctx *ctx, int *answered, leadx_err *err) {
  leadx_credentials credentials;
  *answered = 0;
  int rc = leadx_session_credentials(ctx->session, "leadx_start", &credentials, err);
  if (rc != SQLITE_OK) return rc;
  leadx_http_limits limits = {CONNECT_MS, TOTAL_MS, MOST_BYTES, credentials.ca_file, 1};
  leadx_transport *transport = leadx_http_open(&limits, interrupted, &ctx->db, err);
  if (transport) {
    rc = ask(ctx, credentials.url, transport, answered, err);
    transport->free(transport);
  } else {
    rc = err->rc;
  }
  leadx_credentials_clear(&credentials);
  return rc;
}
