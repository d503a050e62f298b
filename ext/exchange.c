/* An exchange: one request and its answer, as data. See exchange.h. */

/* explicit_bzero() is no part of POSIX; memset() before free() is removed by optimisers. */
#define _DEFAULT_SOURCE

#include "exchange.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "clock.h"

/* More digits than that are no use to anybody. */
#define MAX_RETRY_AFTER_S 999999999

/* ---- requests ---- */

leadx_request *leadx_request_new(const char *method) {
  leadx_request *req = sqlite3_malloc64(sizeof *req);
  if (!req) return NULL;
  memset(req, 0, sizeof *req);
  req->method = method;
  req->retry_after_s = -1;
  return req;
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

int leadx_request_reset(leadx_request *req) {
  char *answer = sqlite3_malloc64(LEADX_FIRST_ANSWER_BYTES);
  if (!answer) return SQLITE_NOMEM;
  free_wiped(req->answer, req->answer_bytes);
  answer[0] = 0;
  req->answer = answer;
  req->answer_bytes = 0;
  req->net = LEADX_NET_OFFLINE;
  req->curl_code = 0;
  req->status = 0;
  req->retry_after_s = -1;
  req->date_s = 0;
  req->bytes_out = req->bytes_in = 0;
  req->content_type[0] = req->content_range[0] = req->preference_applied[0] = 0;
  req->error[0] = 0;
  return SQLITE_OK;
}

/* ---- answers ---- */

void leadx_exchange_copy(char *out, size_t nout, const char *text, size_t n) {
  size_t i;
  if (n > nout - 1) n = nout - 1;
  for (i = 0; i < n; i++) {
    unsigned char c = (unsigned char)text[i];
    out[i] = c >= 0x20 && c < 0x7f ? text[i] : '?';
  }
  out[n] = 0;
}

void leadx_exchange_keep_header(leadx_request *req, char retry_after[LEADX_RETRY_AFTER_BYTES], const char *name, size_t nname,
                                const char *value, size_t nvalue) {
  const struct { const char *name; char *out; size_t nout; } kept[] = {
    {"content-type", req->content_type, sizeof req->content_type},
    {"content-range", req->content_range, sizeof req->content_range},
    {"preference-applied", req->preference_applied, sizeof req->preference_applied},
    {"retry-after", retry_after, LEADX_RETRY_AFTER_BYTES},
  };
  size_t i;
  for (i = 0; i < sizeof kept / sizeof *kept; i++) {
    if (strlen(kept[i].name) == nname && strncasecmp(kept[i].name, name, nname) == 0) {
      leadx_exchange_copy(kept[i].out, kept[i].nout, value, nvalue);
      return;
    }
  }
  if (nname == 4 && strncasecmp(name, "date", 4) == 0) {
    int64_t at = 0;
    if (leadx_instant_http_date(value, nvalue, &at) == 0) req->date_s = at;
  }
}

static int64_t read_seconds(const char *text) {
  int64_t n = 0;
  const char *z = text;
  for (; isdigit((unsigned char)*z); z++) {
    n = n * 10 + (*z - '0');
    if (n > MAX_RETRY_AFTER_S) n = MAX_RETRY_AFTER_S;
  }
  return z == text || *z ? -1 : n;
}

/* A date is compared with the server's own clock where it told the time: ours may be years off. */
int64_t leadx_exchange_retry_after(const char *text, int64_t date_s) {
  int64_t at, now;
  int64_t seconds = read_seconds(text);
  if (seconds >= 0 || leadx_instant_http_date(text, strlen(text), &at) != 0) return seconds;
  now = date_s ? date_s : leadx_clock_wall_us() / 1000000;
  if (at <= now) return 0;
  return at - now < MAX_RETRY_AFTER_S ? at - now : MAX_RETRY_AFTER_S;
}
