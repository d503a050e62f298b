/* See fuzz_input.h. */
#include "fuzz_input.h"

#include <string.h>

#include "base/json.h"
#include "fake_transport.h"
#include "fuzz.h"

#define COUNT(table) ((unsigned)(sizeof(table) / sizeof *(table)))

/* ---- bytes ---- */

unsigned fuzz_byte(fuzz_input *in) { return in->at < in->end ? *in->at++ : 0; }

unsigned fuzz_below(fuzz_input *in, unsigned n) { return fuzz_byte(in) % n; }

unsigned fuzz_two_bytes(fuzz_input *in) {
  unsigned high = fuzz_byte(in);
  return high << 8 | fuzz_byte(in);
}

/* ---- texts ---- */

static const char *const words[] = {
    "n1",
    "n2",
    "n3",
    "p1",
    "notes",
    "pairs",
    "bystander",
    "body",
    "id",
    "updated_at",
    "parent",
    "doc",
    "n",
    "key",
    "table",
    "version",
    "rows",
    "gone",
    "cursor",
    "more",
    "op",
    "status",
    "row",
    "code",
    "message",
    "CREATE",
    "UPDATE",
    "DELETE",
    "PENDING",
    "IN_PROGRESS",
    "SYNCED",
    "FAILED",
    "applied",
    "conflict",
    "replayed",
    "error",
    "client",
    "server",
    "merge",
    "timestamp",
    "manual",
    "prompt",
    "2026-01-02T03:04:05.678901+00:00",
    "2026-01-02 03:04:05",
    "infinity",
    "9999-12-31T23:59:59Z",
    "-1",
    "{}",
    "[]",
    "null",
    "[\"a\",1]",
    "[\"body\"]",
    "{\"body\":\"x\"}",
    "{\"id\":\"n1\",\"body\":\"theirs\",\"updated_at\":\"2026-01-02T03:04:05+00:00\"}",
    "23505",
    "23503",
    "42501",
    "57014",
    "PGRST204",
    "PGRST301",
    FUZZ_ROOT,
    "https://evil.example/rest/v1",
    FUZZ_KEY,
    FUZZ_TOKEN,
    "main.notes",
    "\"},\"tbl\":\"bystander",
    "id=eq.n1",
    "../../auth/v1/admin",
    "%0d%0ax: y",
    "text",
    "timestamp:s",
    "columns",
    "remote",
    "type",
    "user",
    "entity",
    "mode",
    "policy",
    "filter",
    "push",
    "pull",
    "soft",
    "0",
    "1",
};

static const char *const numbers[] = {
    "0",
    "-1",
    "1",
    "2147483647",
    "-2147483648",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "1e308",
    "-1e999",
    "0.1",
    "123456789012345678901234567890123456789012345678901234567890",
};

static void append_raw(fuzz_input *in, sqlite3_str *out, size_t n) {
  size_t left = (size_t)(in->end - in->at);
  if (n > left) n = left;
  if (n > 0) sqlite3_str_append(out, (const char *)in->at, (int)n);
  in->at += n;
}

static void append_json_text(fuzz_input *in, sqlite3_str *out) {
  sqlite3_str *text;
  char *raw;
  switch (fuzz_below(in, 6)) {
    case 0: sqlite3_str_appendf(out, "\"%s\"", "\\ud83d\\u0000\\n\\\"\\ud83d\\ude00"); return;
    case 1: /* a long one with an escape, which makes readers copy it */
      sqlite3_str_appendall(out, "\"");
      sqlite3_str_appendchar(out, (int)fuzz_byte(in) * 16, 'A');
      sqlite3_str_appendall(out, "\\n\"");
      return;
    case 2:
      text = sqlite3_str_new(NULL);
      append_raw(in, text, fuzz_below(in, 24));
      raw = sqlite3_str_finish(text);
      leadx_json_append_string(out, raw ? raw : "", raw ? strlen(raw) : 0);
      sqlite3_free(raw);
      return;
    default: {
      const char *word = words[fuzz_below(in, COUNT(words))];
      leadx_json_append_string(out, word, strlen(word));
    }
  }
}

/* Of one digit, or at the end of what a machine holds. */
static void append_number(fuzz_input *in, sqlite3_str *out) {
  unsigned n = fuzz_below(in, 2 * COUNT(numbers));
  if (n < COUNT(numbers)) sqlite3_str_appendall(out, numbers[n]);
  else sqlite3_str_appendf(out, "%u", n % 10);
}

static void append_json(fuzz_input *in, sqlite3_str *out, int depth) {
  static const char *const constants[] = {"null", "true", "false", "\"\""};
  unsigned kind = fuzz_below(in, 12), n;
  if (depth > 4 && kind > 5) kind -= 6;
  switch (kind) {
    case 0:
    case 1: sqlite3_str_appendall(out, constants[fuzz_below(in, COUNT(constants))]); break;
    case 2: append_number(in, out); break;
    case 3:
    case 4:
    case 5: append_json_text(in, out); break;
    case 6: /* nested as deep as it goes */
      n = fuzz_byte(in);
      for (unsigned i = 0; i < n; i++) sqlite3_str_appendall(out, "[");
      for (unsigned i = 0; i < n; i++) sqlite3_str_appendall(out, "]");
      break;
    case 7:
    case 8:
    case 9:
      sqlite3_str_appendall(out, "[");
      n = fuzz_below(in, 5);
      for (unsigned i = 0; i < n; i++) {
        if (i > 0) sqlite3_str_appendall(out, ",");
        append_json(in, out, depth + 1);
      }
      sqlite3_str_appendall(out, "]");
      break;
    default:
      sqlite3_str_appendall(out, "{");
      n = fuzz_below(in, 6);
      for (unsigned i = 0; i < n; i++) {
        if (i > 0) sqlite3_str_appendall(out, ",");
        append_json_text(in, out);
        sqlite3_str_appendall(out, ":");
        append_json(in, out, depth + 1);
      }
      sqlite3_str_appendall(out, "}");
  }
}

static char *finish(sqlite3_str *out, size_t *n) {
  *n = (size_t)sqlite3_str_length(out);
  char *text = sqlite3_str_finish(out);
  if (!text) text = sqlite3_mprintf("");
  FUZZ_CHECK(text != NULL, "memory");
  return text;
}

char *fuzz_json(fuzz_input *in) {
  size_t n;
  sqlite3_str *out = sqlite3_str_new(NULL);
  append_json(in, out, 0);
  return finish(out, &n);
}

char *fuzz_text(fuzz_input *in, size_t *n) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  switch (fuzz_below(in, 10)) {
    case 0:
    case 1:
    case 2: sqlite3_str_appendall(out, words[fuzz_below(in, COUNT(words))]); break;
    case 3: append_raw(in, out, fuzz_below(in, 32)); break;
    case 4:
      sqlite3_str_appendall(out, words[fuzz_below(in, COUNT(words))]);
      append_raw(in, out, fuzz_below(in, 16));
      break;
    case 5:
      sqlite3_str_appendchar(out, (int)fuzz_byte(in) * 16, (char)('A' + fuzz_below(in, 26)));
      break;
    case 6: sqlite3_str_appendall(out, numbers[fuzz_below(in, COUNT(numbers))]); break;
    case 7:
      sqlite3_str_appendall(out, words[fuzz_below(in, COUNT(words))]);
      sqlite3_str_append(out, "\0z", 2);
      break;
    default: append_json(in, out, 0);
  }
  return finish(out, n);
}

void fuzz_bind(fuzz_input *in, sqlite3_stmt *stmt, int parameter) {
  size_t n;
  char *text;
  switch (fuzz_below(in, 8)) {
    case 0: sqlite3_bind_null(stmt, parameter); break;
    case 1: sqlite3_bind_int64(stmt, parameter, (signed char)fuzz_byte(in)); break;
    case 2: {
      const char *number = numbers[fuzz_below(in, COUNT(numbers))];
      sqlite3_bind_int64(stmt, parameter, strtoll(number, NULL, 10));
      break;
    }
    case 3:
      sqlite3_bind_double(stmt, parameter, strtod(numbers[fuzz_below(in, COUNT(numbers))], NULL));
      break;
    case 4:
      text = fuzz_text(in, &n);
      sqlite3_bind_blob(stmt, parameter, text, (int)n, sqlite3_free);
      break;
    default:
      text = fuzz_text(in, &n);
      sqlite3_bind_text(stmt, parameter, text, (int)n, sqlite3_free);
  }
}

/* ---- the server ---- */

static void (*network)(void *ctx, leadx_request *req);
static void *network_ctx;

leadx_transport *__real_leadx_http_open(const leadx_http_limits *limits, int (*interrupted)(void *),
                                        void *arg, leadx_err *err);
leadx_transport *__wrap_leadx_http_open(const leadx_http_limits *limits, int (*interrupted)(void *),
                                        void *arg, leadx_err *err);

/* The linker puts it in the place of leadx_http_open() (tests/fuzz/fuzz.mk). */
leadx_transport *__wrap_leadx_http_open(const leadx_http_limits *limits, int (*interrupted)(void *),
                                        void *arg, leadx_err *err) {
  if (!network) return __real_leadx_http_open(limits, interrupted, arg, err);
  return fake_transport_open(network, network_ctx);
}

void fuzz_network(void (*respond)(void *ctx, leadx_request *req), void *ctx) {
  network = respond;
  network_ctx = ctx;
}

static void replace_body(leadx_request *req, char *body, size_t n) {
  char type[sizeof req->content_type];
  memcpy(type, req->content_type, sizeof type);
  fake_answer_bytes(req, req->status ? req->status : 200, type[0] ? type : "application/json", body,
                    n);
  sqlite3_free(body);
}

/* The body with the i-th of its values changed by an SQL function of JSON. */
static void change_value(fuzz_input *in, sqlite3 *scratch, leadx_request *req, const char *sql) {
  unsigned i = fuzz_byte(in);
  sqlite3_stmt *stmt = NULL;
  char *json = fuzz_json(in);
  FUZZ_CHECK(sqlite3_prepare_v2(scratch, sql, -1, &stmt, NULL) == SQLITE_OK, "%s",
             sqlite3_errmsg(scratch));
  sqlite3_bind_text(stmt, 1, req->answer, -1, SQLITE_STATIC);
  sqlite3_bind_int(stmt, 2, (int)i);
  if (sqlite3_bind_parameter_count(stmt) > 2) sqlite3_bind_text(stmt, 3, json, -1, SQLITE_STATIC);
  char *body = sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_text(stmt, 0)
                   ? sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0))
                   : NULL;
  sqlite3_finalize(stmt);
  sqlite3_free(json);
  if (body) replace_body(req, body, strlen(body));
}

static void change_bytes(fuzz_input *in, leadx_request *req) {
  size_t n = req->answer_bytes;
  if (n == 0) return;
  for (unsigned i = fuzz_below(in, 4) + 1; i > 0; i--) {
    size_t at = fuzz_two_bytes(in) % n;
    req->answer[at] = (char)fuzz_byte(in);
  }
}

static void insert_text(fuzz_input *in, leadx_request *req) {
  size_t n, at = req->answer_bytes ? fuzz_two_bytes(in) % req->answer_bytes : 0;
  char *text = fuzz_text(in, &n);
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_append(out, req->answer ? req->answer : "", (int)at);
  sqlite3_str_append(out, text, (int)n);
  sqlite3_str_append(out, req->answer ? req->answer + at : "", (int)(req->answer_bytes - at));
  sqlite3_free(text);
  char *body = finish(out, &n);
  replace_body(req, body, n);
}

static void say_error(fuzz_input *in, leadx_request *req) {
  static const char *const codes[] = {
      "23505",    "23503",    "23502",    "23514",    "22P02",    "42501",    "57014", "40001",
      "PGRST204", "PGRST205", "PGRST102", "PGRST301", "PGRST303", "PGRST002", "P0001", "42P01"};
  size_t n;
  char *text = fuzz_text(in, &n);
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_appendf(out, "{\"code\":\"%s\",\"details\":null,\"hint\":null,\"message\":",
                      codes[fuzz_below(in, COUNT(codes))]);
  leadx_json_append_string(out, text, strlen(text));
  sqlite3_str_appendall(out, "}");
  sqlite3_free(text);
  char *body = finish(out, &n);
  if (req->status < 300) req->status = 400;
  replace_body(req, body, n);
}

static void change_header(fuzz_input *in, leadx_request *req) {
  static const char *const ranges[] = {
      "*/0", "0-0/1", "0-24/3573458", "*/-1", "0-999/*", "9223372036854775807-1/0", "x"};
  static const int64_t seconds[] = {0, 1, -1, 3600, 999999999, 1767322800, 253402300799};
  sqlite3_snprintf((int)sizeof req->content_range, req->content_range, "%s",
                   ranges[fuzz_below(in, COUNT(ranges))]);
  req->retry_after_s = seconds[fuzz_below(in, 5)];
  req->date_s = seconds[fuzz_below(in, COUNT(seconds))];
}

void fuzz_spoil(fuzz_input *in, sqlite3 *scratch, leadx_request *req) {
  static const short statuses[] = {200, 201, 202, 204, 206, 207, 300, 302, 304,
                                   400, 401, 403, 404, 406, 408, 409, 412, 413,
                                   416, 425, 429, 500, 502, 503, 504, 520, 999};
  static const struct {
    leadx_net net;
    int curl_code;
  } failures[] = {{LEADX_NET_OFFLINE, 7},    {LEADX_NET_OFFLINE, 28},   {LEADX_NET_OFFLINE, 56},
                  {LEADX_NET_UNTRUSTED, 60}, {LEADX_NET_TOO_LARGE, 63}, {LEADX_NET_MISUSE, 3}};
  unsigned i;
  char *json;
  if (!req->answer) return;
  switch (fuzz_below(in, 16)) {
    case 4: req->status = statuses[fuzz_below(in, COUNT(statuses))]; break;
    case 5:
      sqlite3_snprintf((int)sizeof req->content_type, req->content_type, "%s",
                       fuzz_byte(in) & 1 ? "text/html" : "");
      break;
    case 6:
      json = fuzz_json(in);
      replace_body(req, json, strlen(json));
      break;
    case 7: change_bytes(in, req); break;
    case 8:
      if (req->answer_bytes)
        req->answer[req->answer_bytes = fuzz_two_bytes(in) % req->answer_bytes] = 0;
      break;
    case 9: insert_text(in, req); break;
    case 10:
      i = fuzz_below(in, COUNT(failures));
      fake_fail(req, failures[i].net, failures[i].curl_code, "fuzzed");
      break;
    case 11: say_error(in, req); break;
    case 12:
      change_value(in, scratch, req,
                   "SELECT json_set(?1, (SELECT fullkey FROM json_tree(?1) LIMIT 1 OFFSET ?2), "
                   "json(?3)) WHERE json_valid(?1)");
      break;
    case 13:
      change_value(in, scratch, req,
                   "SELECT json_remove(?1, (SELECT fullkey FROM json_tree(?1) LIMIT 1 OFFSET 1 + "
                   "?2)) WHERE json_valid(?1)");
      break;
    case 14: change_header(in, req); break;
    case 15:
      change_value(in, scratch, req,
                   "SELECT json_insert(?1, '$[#]', json((SELECT value FROM json_each(?1) LIMIT 1 "
                   "OFFSET ?2))) WHERE json_valid(?1) AND json_type(?1) = 'array'");
      break;
    default: break;
  }
}
