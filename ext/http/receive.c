/* Receiving an answer, under limits. See receive.h. */

/* explicit_bzero() is no part of POSIX; memset() before free() is removed by optimisers. */
#define _DEFAULT_SOURCE

#include "http/receive.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/instant.h"

enum {
  FIRST_ANSWER_BYTES = 4 << 10,
  WIPED_BYTES = 64 << 10, /* no grant is longer */
  MAX_HEADER_BYTES = 64 << 10,
  MAX_RETRY_AFTER_S = 999999999 /* more digits than that are no use to anybody */
};

/* ---- beginning and end ---- */

static void forget_headers(leadx_receive *in) {
  leadx_request *req = in->req;
  req->content_type[0] = req->content_range[0] = req->preference_applied[0] = 0;
  req->date_s = 0;
  in->retry_after[0] = 0;
  in->has_header_end = in->has_length = 0;
}

int leadx_receive_begin(leadx_receive *in, leadx_request *req, int64_t max_bytes) {
  char *answer = sqlite3_malloc64(FIRST_ANSWER_BYTES);
  if (!answer) return SQLITE_NOMEM;
  if (req->answer) explicit_bzero(req->answer, req->answer_bytes);
  sqlite3_free(req->answer);
  answer[0] = 0;
  req->answer = answer;
  req->answer_bytes = 0;
  req->net = LEADX_NET_OFFLINE;
  req->curl_code = 0;
  req->status = 0;
  req->retry_after_s = -1;
  req->bytes_out = req->bytes_in = 0;
  req->error[0] = 0;
  memset(in, 0, sizeof *in);
  in->req = req;
  in->max_bytes = max_bytes;
  in->capacity = FIRST_ANSWER_BYTES;
  forget_headers(in);
  return SQLITE_OK;
}

void leadx_receive_discard(leadx_receive *in) {
  leadx_request *req = in->req;
  explicit_bzero(req->answer, req->answer_bytes);
  req->answer[0] = 0;
  req->answer_bytes = 0;
  req->status = 0;
  forget_headers(in);
}

int leadx_receive_is_complete(const leadx_receive *in, long status, int is_framed) {
  if (!in->has_header_end || status < 200) return 0;
  if (status > 299 || status == 204 || in->req->answer_bytes > 0) return 1;
  return in->has_length || is_framed;
}

/* Reads decimal seconds. Returns -1 when the text is something else. */
static int64_t read_seconds(const char *text) {
  int64_t n = 0;
  const char *z = text;
  for (; isdigit((unsigned char)*z); z++) {
    n = n * 10 + (*z - '0');
    if (n > MAX_RETRY_AFTER_S) n = MAX_RETRY_AFTER_S;
  }
  return z == text || *z ? -1 : n;
}

/* Seconds to wait by a Retry-After header (seconds or an HTTP date), -1 when it says nothing
** readable. A date is compared with the server's own clock where it told the time (date_s is not
** 0): ours may be years off. */
static int64_t retry_after_s(const char *text, int64_t date_s) {
  int64_t at, now;
  int64_t seconds = read_seconds(text);
  if (seconds >= 0 || leadx_instant_http_date(text, strlen(text), &at) != 0) return seconds;
  now = date_s ? date_s : leadx_clock_wall_us() / 1000000;
  if (at <= now) return 0;
  return at - now < MAX_RETRY_AFTER_S ? at - now : MAX_RETRY_AFTER_S;
}

void leadx_receive_finish(leadx_receive *in, long status) {
  in->req->status = status;
  in->req->retry_after_s = retry_after_s(in->retry_after, in->req->date_s);
}

/* ---- the body ---- */

/* A larger block for what came so far. What a small answer leaves behind when it moves is wiped,
** for it may grant a token; large ones are pages of rows. */
static char *grow(leadx_request *req, size_t capacity) {
  if (capacity > WIPED_BYTES) return sqlite3_realloc64(req->answer, capacity);
  char *grown = sqlite3_malloc64(capacity);
  if (!grown) return NULL;
  memcpy(grown, req->answer, req->answer_bytes + 1);
  explicit_bzero(req->answer, req->answer_bytes);
  sqlite3_free(req->answer);
  return grown;
}

/* Makes room for n more bytes and the terminator, doubling, never much beyond the cap. */
static int reserve(leadx_receive *in, size_t n) {
  size_t need = in->req->answer_bytes + n + 1;
  size_t capacity = in->capacity;
  char *grown;
  if (need <= capacity) return SQLITE_OK;
  while (capacity < need) capacity *= 2;
  if (capacity > (size_t)in->max_bytes + 1) capacity = (size_t)in->max_bytes + 1;
  grown = grow(in->req, capacity);
  if (!grown) return SQLITE_NOMEM;
  in->req->answer = grown;
  in->capacity = capacity;
  return SQLITE_OK;
}

int leadx_receive_body(leadx_receive *in, const char *data, size_t n) {
  leadx_request *req = in->req;
  if (n > (size_t)in->max_bytes - req->answer_bytes) return SQLITE_TOOBIG;
  if (reserve(in, n) != SQLITE_OK) return SQLITE_NOMEM;
  memcpy(req->answer + req->answer_bytes, data, n);
  req->answer_bytes += n;
  req->answer[req->answer_bytes] = 0;
  return SQLITE_OK;
}

/* ---- the header ---- */

static int is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static int is_named(const char *name, size_t nname, const char *expected) {
  return strlen(expected) == nname && strncasecmp(expected, name, nname) == 0;
}

/* Keeps a header if it is one that anybody asks for. */
static void keep_header(leadx_receive *in, const char *name, size_t nname, const char *value,
                        size_t nvalue) {
  leadx_request *req = in->req;
  const struct {
    const char *name;
    char *out;
    size_t nout;
  } kept[] = {
      {"content-type", req->content_type, sizeof req->content_type},
      {"content-range", req->content_range, sizeof req->content_range},
      {"preference-applied", req->preference_applied, sizeof req->preference_applied},
      {"retry-after", in->retry_after, sizeof in->retry_after},
  };
  int64_t at = 0;
  size_t i;
  for (i = 0; i < sizeof kept / sizeof *kept; i++) {
    if (is_named(name, nname, kept[i].name))
      leadx_request_copy(kept[i].out, kept[i].nout, value, nvalue);
  }
  if (is_named(name, nname, "content-length") || is_named(name, nname, "transfer-encoding"))
    in->has_length = 1;
  if (is_named(name, nname, "date") && leadx_instant_http_date(value, nvalue, &at) == 0)
    req->date_s = at;
}

/* Takes "name: value" apart; a line without a colon says nothing. */
static void split_header(leadx_receive *in, const char *line, size_t n) {
  const char *colon = memchr(line, ':', n);
  const char *value;
  size_t nvalue;
  if (!colon) return;
  value = colon + 1;
  nvalue = n - (size_t)(value - line);
  while (nvalue > 0 && is_blank(*value)) value++, nvalue--;
  while (nvalue > 0 && is_blank(value[nvalue - 1])) nvalue--;
  keep_header(in, line, (size_t)(colon - line), value, nvalue);
}

int leadx_receive_header(leadx_receive *in, const char *line, size_t n) {
  if (n > MAX_HEADER_BYTES - in->header_bytes) return SQLITE_TOOBIG;
  in->header_bytes += n;
  if (n >= 5 && memcmp(line, "HTTP/", 5) == 0) {
    /* A 1xx answer or a proxy's CONNECT answer comes first: what it said is not about the real
    ** one. */
    forget_headers(in);
  } else if (in->has_header_end) {
    /* What comes behind the empty line are trailers: too late to say what the answer is. */
    return SQLITE_OK;
  } else if (n > 0 && is_blank(line[0])) {
    in->has_header_end = line[0] == '\r' || line[0] == '\n';
  } else {
    split_header(in, line, n);
  }
  return SQLITE_OK;
}
