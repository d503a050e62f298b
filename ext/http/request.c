/* One request and its answer, as data. See request.h. */

/* explicit_bzero() is no part of POSIX; memset() before free() is removed by optimisers. */
#define _DEFAULT_SOURCE

#include "http/request.h"

#include <ctype.h>
#include <string.h>

#include "base/secret.h"

leadx_request *leadx_request_new(const char *method) {
  leadx_request *req = sqlite3_malloc64(sizeof *req);
  if (!req) return NULL;
  memset(req, 0, sizeof *req);
  req->method = method;
  req->retry_after_s = -1;
  return req;
}

/* libcurl's code for it. */
#define TIMED_OUT 28

int leadx_request_timed_out(const leadx_request *req) {
  return req->net == LEADX_NET_OFFLINE && req->curl_code == TIMED_OUT;
}

static int is_token(const char *name) {
  const char *z = name;
  for (; *z; z++) {
    if (!isalnum((unsigned char)*z) && !strchr("-_", *z)) return 0;
  }
  return z > name;
}

static int has_control_bytes(const char *text) {
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (c < 0x20 || c == 0x7f) return 1;
  }
  return 0;
}

/* The line is assembled in one block of its final size: a printing function would leave
** pieces of a token in the blocks that it outgrew. */
int leadx_request_header(leadx_request *req, const char *name, const char *value) {
  size_t nname, nvalue;
  char *line, **grown;
  if (!name || !value || !is_token(name) || has_control_bytes(value)) return SQLITE_MISUSE;
  grown = sqlite3_realloc64(req->headers, sizeof *grown * ((size_t)req->nheaders + 1));
  if (!grown) return SQLITE_NOMEM;
  req->headers = grown;
  nname = strlen(name);
  nvalue = strlen(value);
  line = sqlite3_malloc64(nname + 2 + nvalue + 1);
  if (!line) return SQLITE_NOMEM;
  memcpy(line, name, nname);
  memcpy(line + nname, ": ", 2);
  memcpy(line + nname + 2, value, nvalue + 1);
  req->headers[req->nheaders++] = line;
  return SQLITE_OK;
}

static void free_wiped(char *z, size_t n) {
  if (z) explicit_bzero(z, n);
  sqlite3_free(z);
}

/* Bodies are wiped as well: a login sends a password and is answered with tokens. */
void leadx_request_free(leadx_request *req) {
  int i;
  if (!req) return;
  for (i = 0; i < req->nheaders; i++) free_wiped(req->headers[i], strlen(req->headers[i]));
  sqlite3_free(req->headers);
  sqlite3_free(req->url);
  free_wiped(req->body, req->body_bytes);
  free_wiped(req->answer, req->answer_bytes);
  sqlite3_free(req);
}

void leadx_request_copy(char *out, size_t nout, const char *text, size_t n) {
  size_t i;
  if (n > nout - 1) n = nout - 1;
  for (i = 0; i < n; i++) {
    unsigned char c = (unsigned char)text[i];
    out[i] = c >= 0x20 && c < 0x7f ? text[i] : '?';
  }
  out[n] = 0;
  leadx_secret_scrub(out, n);
}

/* libcurl's codes for an answer that did not come; its own words hold numbers that differ from run to
** run, and this file does not know libcurl. */
static const struct reason {
  int curl_code;
  const char *words;
} reasons[] = {
    {5, "the proxy's name is not known"},
    {6, "the name of the server's host is not known (DNS)"},
    {7, "the connection was refused, or there is no way to the server"},
    {TIMED_OUT, "it took too long"},
    {35, "no secure connection came about"},
    {52, "the connection was closed before an answer"},
    {55, "the connection was cut off"},
    {56, "the connection was cut off"},
    {18, "the answer broke off"},
    {92, "the answer broke off"},
    {97, "the proxy did not let it pass"},
};

const char *leadx_request_reason(const leadx_request *req) {
  if (req->net != LEADX_NET_OFFLINE) return NULL;
  for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
    if (reasons[i].curl_code == req->curl_code) return reasons[i].words;
  }
  return NULL;
}
