/* PostgREST's dialect: how a request is spelled and what an answer means.
** Pure: no handle, no clock, no database; a table of cases tests it whole. */
#ifndef LEADX_REST_H
#define LEADX_REST_H

#include "base/json.h"
#include "http/request.h"

/* What an answer means (design: decide by SQLSTATE or PGRST code first, then by HTTP status). */
typedef enum leadx_class {
  /* 2xx and a JSON body of the right kind, or an empty one where that was asked for */
  LEADX_CLASS_OK,
  LEADX_CLASS_OFFLINE, /* no answer; end, nothing charged, back off */
  LEADX_CLASS_TRUST, /* certificates, redirects; end, error state */
  LEADX_CLASS_AUTH, /* refresh once, else end with auth_required; nothing charged */
  LEADX_CLASS_THROTTLE, /* end, wait max(Retry-After ≤ 1 h, back-off); nothing charged */
  LEADX_CLASS_SHRINK, /* the batch is halved; alone it is ITEM */
  LEADX_CLASS_RETRY, /* the server evaluated and failed for now; alone: retry_count + 1 */
  /* the server's schema is not ours: the table pauses and says so; nothing charged */
  LEADX_CLASS_DRIFT,
  LEADX_CLASS_ORDER, /* 23503: waits behind its parent */
  LEADX_CLASS_DUPLICATE, /* 23505 */
  LEADX_CLASS_ITEM, /* the server rejected this row for good */
  LEADX_CLASS_PROTOCOL, /* 2xx that is not the JSON asked for; nothing acknowledged, back off */
  LEADX_CLASS_INTERRUPTED
} leadx_class;

const char *leadx_class_name(leadx_class class_);

/* The parts of an answer that decide. Slices/pointers are borrowed. */
typedef struct leadx_answer {
  int net; /* a leadx_net */
  long status;
  const char *content_type;
  const char *body;
  size_t body_bytes;
  int wants_array; /* 1: only a JSON array is what was asked for; 0: an empty body is fine too */
  const char *reason; /* why there was no answer, or NULL */
} leadx_answer;

typedef struct leadx_verdict {
  leadx_class class_;
  char code[16]; /* SQLSTATE or PGRST code; "" when the server gave none */
  char message[512]; /* server's message, details, hint: one line, capped, control bytes stripped */
  leadx_slice
      /* the checked array (of anything) when class_ is OK and there was one; borrowed from body */
      rows;
  leadx_slice value; /* the checked value of any kind likewise */
} leadx_verdict;

/* What a request that came back amounts to, for leadx_rest_classify(). Borrows from the request. */
leadx_answer leadx_rest_answer(const leadx_request *done, int wants_array);

/* Judges an answer; rest.c has the tables. LEADX_NET_TOO_LARGE is PROTOCOL: nothing was
** acknowledged and nothing failed; a caller that asked for many rows may ask for fewer. Never
** fails. */
void leadx_rest_classify(const leadx_answer *answer, leadx_verdict *verdict);

/* Judges a code and a message that stand in an answer for one of several operations (raw JSON
** strings), as leadx_rest_classify() judges them when they are the whole answer. */
void leadx_rest_judge(leadx_slice code, leadx_slice message, leadx_verdict *verdict);

/* A Content-Range: how many rows came, of how many ("0-999/5000"); a star where it does not say. */
typedef struct leadx_rest_range {
  int64_t came; /* rows in this answer; 0 when it does not say */
  int64_t total; /* rows there are; -1 when it does not say */
} leadx_rest_range;

/* Reads one; figures of more than 15 digits, or that contradict each other, are none. Returns 1
** when both are told. */
int leadx_rest_read_range(const char *text, leadx_rest_range *range);

/* Appends text percent-encoded (everything but unreserved characters; "+" is %2B). */
void leadx_rest_escape(sqlite3_str *url, const char *text, size_t n);

/* Appends the name of a column, wherever a URL has one (select, order, on_conflict, the name or a
** condition of a filter): quoted for PostgREST where it is more than letters, digits and _, or means
** something to PostgREST; encoded. */
void leadx_rest_column(sqlite3_str *url, const char *column);

/* Appends one filter "column=eq.value" with both sides encoded; a NULL value becomes "is.null".
** first says whether "?" or "&" goes before it. */
void leadx_rest_filter_eq(sqlite3_str *url, int first, const char *column, const char *value,
                          size_t n);

/* Appends one element of an in.(…) list: quoted for PostgREST where it needs to be, encoded. */
void leadx_rest_in_element(sqlite3_str *url, int first, const char *value, size_t n);

/* Is text usable as a header value (0x21–0x7e, so no blanks or control bytes), 1–8192 bytes? */
int leadx_rest_header_safe(const char *text);

/* Is the key one that bypasses row level security: sb_secret_…, or a JWT whose role is
** service_role? */
int leadx_rest_key_is_secret(const char *key);

/* Milliseconds to wait before try number n (0 is the first retry): base·2^n, capped, with up to 25
** % jitter taken from random. retry_after_s < 0 means none; it is honoured up to one hour. */
int64_t leadx_rest_backoff_ms(int n, int64_t base_ms, int64_t max_ms, int64_t retry_after_s,
                              uint32_t random);

#endif
