/* PostgREST's dialect: how a request is spelled and what an answer means.
**
** An answer is judged in this order, each step a table or one rule:
**
**   1. the network    no complete answer, a bad certificate, too large, interrupted
**   2. 3xx            somebody in between; nothing it says counts
**   3. 2xx            right only when it is the JSON that was asked for
**   4. the code       SQLSTATE or PGRST…, from a JSON object's "code": the database spoke
**   5. the status     where there is no code or nobody knows it
**
** The rule behind the tables: a row is refused for good (ITEM) only on the word of PostgREST or
** PostgreSQL, never on that of a proxy, a gateway or a portal between us and them. Those have
** error pages, and no codes.
*/

/* explicit_bzero() is no part of POSIX; memset() at the end of a function is removed by
** optimisers. */
#define _DEFAULT_SOURCE

#include "rest/rest.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "base/secret.h"
#include "http/http.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

enum {
  MAX_RETRY_AFTER_S = 3600,
  MAX_HEADER_VALUE = 8192,
  MAX_TEXT_SHOWN = 200 /* of a body that is neither JSON nor HTML */
};

/* ---- what was answered ---- */

/* Who speaks, judged by the body: a bit each, so that a rule can name several. */
enum {
  BODY_CODE = 1, /* a JSON object with a "code": PostgREST or the database */
  BODY_JSON = 2, /* a JSON object without one: the gateway */
  BODY_HTML = 4, /* an error page: a proxy */
  BODY_OTHER = 8, /* nothing, or some text */
  BODY_NO_CODE = BODY_JSON | BODY_HTML | BODY_OTHER,
  BODY_ANY = BODY_CODE | BODY_NO_CODE
};

const char *leadx_class_name(leadx_class class_) {
  static const char *const names[] = {
      [LEADX_CLASS_OK] = "ok",
      [LEADX_CLASS_OFFLINE] = "offline",
      [LEADX_CLASS_TRUST] = "trust",
      [LEADX_CLASS_AUTH] = "auth",
      [LEADX_CLASS_THROTTLE] = "throttle",
      [LEADX_CLASS_SHRINK] = "shrink",
      [LEADX_CLASS_RETRY] = "retry",
      [LEADX_CLASS_DRIFT] = "drift",
      [LEADX_CLASS_ORDER] = "order",
      [LEADX_CLASS_DUPLICATE] = "duplicate",
      [LEADX_CLASS_ITEM] = "item",
      [LEADX_CLASS_PROTOCOL] = "protocol",
      [LEADX_CLASS_INTERRUPTED] = "interrupted",
  };
  return (size_t)class_ < COUNT(names) ? names[class_] : "unknown";
}

/* By the network. TOO_LARGE acknowledges nothing and fails nothing: a caller that asked for a page
** may ask for a smaller one. MISUSE is a bug or a bad setting; waiting does no harm to the data. */
static const struct {
  leadx_net net;
  leadx_class class_;
  const char *message;
} net_rules[] = {
    {LEADX_NET_OFFLINE, LEADX_CLASS_OFFLINE, "no answer from the server"},
    {LEADX_NET_UNTRUSTED, LEADX_CLASS_TRUST, "the server could not prove who it is"},
    {LEADX_NET_TOO_LARGE, LEADX_CLASS_PROTOCOL, "the answer is larger than max_response"},
    {LEADX_NET_INTERRUPTED, LEADX_CLASS_INTERRUPTED, "interrupted"},
    {LEADX_NET_MISUSE, LEADX_CLASS_PROTOCOL, "the request could not be sent"},
};

/* By code; the first match wins, "*" ends a prefix, and a status other than 0 must be the answer's.
** What is not here is judged by its status. */
static const struct {
  const char *code;
  int status;
  leadx_class class_;
} code_rules[] = {
    /* PostgREST's own: connection, request, schema cache, token. */
    {"PGRST0*", 0, LEADX_CLASS_THROTTLE},
    {"PGRST106", 0, LEADX_CLASS_DRIFT}, /* the schema is not exposed */
    {"PGRST111", 0, LEADX_CLASS_RETRY}, /* response.headers set by a broken function */
    {"PGRST112", 0, LEADX_CLASS_RETRY}, /* response.status likewise */
    {"PGRST1*", 0, LEADX_CLASS_ITEM}, /* 102 in particular: the body cannot be read */
    {"PGRST2*", 0, LEADX_CLASS_DRIFT}, /* 202 function, 204 column, 205 table not in the cache */
    {"PGRST3*", 0, LEADX_CLASS_AUTH},
    {"PGRSTX*", 0, LEADX_CLASS_RETRY}, /* a bug in PostgREST */
    /* Too much at once. */
    {"57014", 0, LEADX_CLASS_SHRINK}, /* statement timeout */
    {"53400", 0, LEADX_CLASS_SHRINK}, /* configuration limit */
    {"54*", 0, LEADX_CLASS_SHRINK}, /* program limits */
    {"21000", 0, LEADX_CLASS_SHRINK}, /* one row twice in one upsert: apart, both land */
    /* Not now. */
    {"25006", 0, LEADX_CLASS_THROTTLE}, /* read-only: Supabase's answer to a full disk, a standby */
    {"08*", 0, LEADX_CLASS_RETRY},
    {"40*", 0, LEADX_CLASS_RETRY}, /* serialization, deadlock */
    {"53*", 0, LEADX_CLASS_RETRY},
    {"55*", 0, LEADX_CLASS_RETRY}, /* 55P03: lock not available */
    {"57*", 0, LEADX_CLASS_RETRY}, /* 57P01: shutting down */
    {"58*", 0, LEADX_CLASS_RETRY}, /* system errors */
    {"XX*", 0, LEADX_CLASS_RETRY}, /* internal errors */
    /* Who are you? */
    {"22023", 401, LEADX_CLASS_AUTH}, /* the token's role does not exist */
    {"28*", 0, LEADX_CLASS_AUTH},
    {"0P*", 0, LEADX_CLASS_AUTH},
    /* The server's schema is not the one we know; every row of the table would fail alike. */
    {"42501", 0, LEADX_CLASS_ITEM}, /* row level security, missing grants; 401 or 403 */
    {"42*", 0, LEADX_CLASS_DRIFT}, /* 42703 column, 42P01 table, 42883 function, 428C9 generated */
    {"3F000", 0, LEADX_CLASS_DRIFT},
    /* This row. */
    {"23503", 0, LEADX_CLASS_ORDER},
    {"23505", 0, LEADX_CLASS_DUPLICATE},
    {"22*", 0, LEADX_CLASS_ITEM},
    {"23*", 0, LEADX_CLASS_ITEM},
    {"27*", 0, LEADX_CLASS_ITEM},
    {"44*", 0, LEADX_CLASS_ITEM}, /* a view's check option */
    {"0A*", 0, LEADX_CLASS_ITEM},
    {"P0*", 0, LEADX_CLASS_ITEM}, /* RAISE EXCEPTION */
};

/* By status; the first match wins. */
static const struct {
  int from, to, bodies;
  leadx_class class_;
} status_rules[] = {
    {401, 401, BODY_ANY, LEADX_CLASS_AUTH},
    {402, 402, BODY_ANY, LEADX_CLASS_THROTTLE}, /* the project is restricted until somebody pays */
    {403, 403, BODY_NO_CODE, LEADX_CLASS_THROTTLE}, /* a firewall; PostgREST's own 403 has a code */
    {404, 404, BODY_NO_CODE, LEADX_CLASS_DRIFT},
    {406, 406, BODY_CODE | BODY_JSON, LEADX_CLASS_ITEM},
    {407, 408, BODY_ANY, LEADX_CLASS_THROTTLE},
    {413, 414, BODY_ANY, LEADX_CLASS_SHRINK},
    {420, 421, BODY_ANY, LEADX_CLASS_THROTTLE},
    {425, 425, BODY_ANY, LEADX_CLASS_THROTTLE},
    {429, 429, BODY_ANY, LEADX_CLASS_THROTTLE},
    {431, 431, BODY_ANY, LEADX_CLASS_SHRINK},
    {400, 499, BODY_CODE, LEADX_CLASS_ITEM},
    {400, 499, BODY_NO_CODE, LEADX_CLASS_PROTOCOL},
    {502, 504, BODY_ANY, LEADX_CLASS_THROTTLE},
    {520, 530, BODY_ANY, LEADX_CLASS_THROTTLE}, /* Cloudflare's */
    {540, 540, BODY_ANY, LEADX_CLASS_THROTTLE}, /* the project is paused */
    {544, 544, BODY_ANY, LEADX_CLASS_THROTTLE},
    {500, 599, BODY_HTML, LEADX_CLASS_THROTTLE}, /* a proxy's page: no row was looked at */
    {500, 599, BODY_ANY, LEADX_CLASS_RETRY},
};

/* ---- classification ---- */

static int code_matches(const char *rule, const char *code) {
  size_t n = strlen(rule);
  if (rule[n - 1] == '*') return strncmp(rule, code, n - 1) == 0;
  return strcmp(rule, code) == 0;
}

/* Answers 1 when the code decides. */
static int class_of_code(const char *code, long status, leadx_class *class_) {
  size_t i;
  for (i = 0; code[0] && i < COUNT(code_rules); i++) {
    if (code_rules[i].status && code_rules[i].status != status) continue;
    if (!code_matches(code_rules[i].code, code)) continue;
    *class_ = code_rules[i].class_;
    return 1;
  }
  return 0;
}

static leadx_class class_of_status(long status, int body) {
  size_t i;
  for (i = 0; i < COUNT(status_rules); i++) {
    if (status < status_rules[i].from || status > status_rules[i].to) continue;
    if (status_rules[i].bodies & body) return status_rules[i].class_;
  }
  return LEADX_CLASS_PROTOCOL;
}

/* application/json, application/vnd.pgrst.object+json; … */
static int is_json_type(const char *type) {
  size_t n = type ? strcspn(type, "; \t") : 0;
  if (n == 16 && strncasecmp(type, "application/json", 16) == 0) return 1;
  return n > 17 && strncasecmp(type, "application/", 12) == 0 &&
         strncasecmp(type + n - 5, "+json", 5) == 0;
}

static int is_html(const leadx_answer *answer) {
  size_t i = 0;
  if (answer->content_type && strncasecmp(answer->content_type, "text/html", 9) == 0) return 1;
  while (i < answer->body_bytes && strchr(" \t\r\n", answer->body[i])) i++;
  return i < answer->body_bytes && answer->body[i] == '<';
}

/* ---- messages ---- */

/* The length of the character at z, of valid UTF-8. */
static size_t character_bytes(const char *z, size_t n) {
  unsigned char c = (unsigned char)z[0];
  size_t length = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
  return length <= n ? length : n;
}

/* Blanks, and what has no place in one line: control characters, C1 included, which terminals
** obey. */
static int is_gap(const char *z, size_t length) {
  unsigned char c = (unsigned char)z[0];
  if (length == 1) return c <= 0x20 || c == 0x7f;
  return length == 2 && c == 0xc2 && (unsigned char)z[1] < 0xa0;
}

/* Words of the server while they are put together; more than that is never shown. They are scrubbed
** whole, and cut after it. */
typedef struct line {
  size_t n;
  char text[4096];
} line;

/* Appends a character when all of it fits. */
static int line_put(line *l, const char *z, size_t length) {
  if (l->n + length > sizeof l->text) return 0;
  memcpy(l->text + l->n, z, length);
  l->n += length;
  return 1;
}

/* Appends the separator, if there is something before it, and valid UTF-8 text: one line, gaps a
** single blank, none at either end, cut between characters. */
static void line_append(line *l, const char *separator, const char *text, size_t n) {
  size_t i, length;
  int has_gap = 0, has_begun = 0;
  if (l->n == 0) separator = "";
  for (i = 0; i < n; i += length) {
    length = character_bytes(text + i, n - i);
    if (is_gap(text + i, length)) {
      has_gap = has_begun;
      continue;
    }
    if (!has_begun && !line_put(l, separator, strlen(separator))) return;
    if (has_gap && !line_put(l, " ", 1)) return;
    if (!line_put(l, text + i, length)) return;
    has_gap = 0;
    has_begun = 1;
  }
}

/* Appends a raw string behind what there is. Anything but a string is passed over. */
static int line_append_raw(line *l, leadx_slice raw) {
  size_t n = 0;
  char *text;
  if (raw.n <= 2 || leadx_json_text(raw, &text, &n) != SQLITE_OK) return 0;
  line_append(l, "; ", text, n);
  explicit_bzero(text, n);
  sqlite3_free(text);
  return 1;
}

/* At most limit bytes of a text, not cut inside a character. */
static size_t shown_bytes(const char *text, size_t n, size_t limit) {
  if (n <= limit) return n;
  for (n = limit; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80; n--) continue;
  return n;
}

/* The way of every word of the server into a message: without secrets, then as much as fits. */
static void message_take(leadx_verdict *verdict, line *l) {
  leadx_secret_scrub(l->text, l->n);
  size_t n = shown_bytes(l->text, l->n, sizeof verdict->message - 1);
  memcpy(verdict->message, l->text, n);
  verdict->message[n] = 0;
}

static void message_set(leadx_verdict *verdict, const char *text) {
  sqlite3_snprintf((int)sizeof verdict->message, verdict->message, "%s", text);
}

/* PostgREST says message, details and hint; the gateway and Auth have names of their own. */
static void message_from_object(leadx_verdict *verdict, leadx_slice object) {
  static const char *const names[] = {"message", "msg", "error_description", "error"};
  line l;
  size_t i;
  l.n = 0;
  for (i = 0; i < COUNT(names); i++) {
    if (line_append_raw(&l, leadx_json_member(object, names[i]))) break;
  }
  line_append_raw(&l, leadx_json_member(object, "details"));
  line_append_raw(&l, leadx_json_member(object, "hint"));
  message_take(verdict, &l);
}

/* A code is a short string of letters and digits, and no piece of a secret; Auth's numeric "code" repeats the status. */
static void take_code(leadx_verdict *verdict, leadx_slice raw) {
  size_t i, n = raw.n >= 2 ? raw.n - 2 : 0;
  if (leadx_json_kind_of(raw) != LEADX_JSON_STRING || n == 0 || n >= sizeof verdict->code) return;
  for (i = 1; i <= n; i++) {
    char c = raw.z[i];
    if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'))
      return;
  }
  if (leadx_secret_is_in(raw.z + 1, n)) return;
  memcpy(verdict->code, raw.z + 1, n);
  verdict->code[n] = 0;
}

static void message_from_text(leadx_verdict *verdict, const leadx_answer *answer) {
  size_t n = shown_bytes(answer->body, answer->body_bytes, MAX_TEXT_SHOWN);
  if (is_html(answer)) {
    message_set(verdict, "HTML page instead of JSON");
  } else if (n == 0) {
    message_set(verdict, "empty answer");
  } else {
    line l;
    l.n = 0;
    line_append(&l, "", "text instead of JSON", 20);
    if (leadx_utf8_valid(answer->body, n)) line_append(&l, ": ", answer->body, n);
    message_take(verdict, &l);
  }
}

leadx_answer leadx_rest_answer(const leadx_request *done, int wants_array) {
  return (leadx_answer){.net = (int)done->net,
                        .status = done->status,
                        .content_type = done->content_type,
                        .body = done->answer,
                        .body_bytes = done->answer_bytes,
                        .wants_array = wants_array,
                        .reason = leadx_request_reason(done)};
}

/* ---- the three kinds of answers ---- */

static void classify_net(const leadx_answer *answer, leadx_verdict *verdict) {
  verdict->class_ = LEADX_CLASS_OFFLINE;
  for (size_t i = 0; i < COUNT(net_rules); i++) {
    if ((int)net_rules[i].net != answer->net) continue;
    verdict->class_ = net_rules[i].class_;
    sqlite3_snprintf((int)sizeof verdict->message, verdict->message, "%s%s%s", net_rules[i].message,
                     answer->reason ? ": " : "", answer->reason ? answer->reason : "");
  }
}

/* Says OK on positive evidence only: the declared type, one whole JSON value, nothing behind it. */
static void classify_success(const leadx_answer *answer, leadx_verdict *verdict) {
  leadx_slice value = {NULL, 0};
  const char *fault;
  size_t at = 0;
  int may_be_empty = answer->status == 200 || answer->status == 201 || answer->status == 204;
  verdict->class_ = LEADX_CLASS_PROTOCOL;
  if (answer->body_bytes == 0) {
    if (!answer->wants_array && may_be_empty) verdict->class_ = LEADX_CLASS_OK;
    else message_set(verdict, "empty answer where rows were asked for");
    return;
  }
  if (!is_json_type(answer->content_type)) {
    message_from_text(verdict, answer);
    return;
  }
  fault = leadx_json_check(answer->body, answer->body_bytes, 0, &value, &at);
  if (fault) {
    sqlite3_snprintf((int)sizeof verdict->message, verdict->message,
                     "the answer is not JSON: %s at byte %lld", fault, (sqlite3_int64)at);
    return;
  }
  verdict->value = value;
  if (leadx_json_kind_of(value) == LEADX_JSON_ARRAY) verdict->rows = value;
  else if (answer->wants_array) {
    message_set(verdict, "JSON that is no array where rows were asked for");
    return;
  }
  verdict->class_ = LEADX_CLASS_OK;
}

/* The type that an error declares is not asked about: some gateways declare none. */
static void classify_failure(const leadx_answer *answer, leadx_verdict *verdict) {
  leadx_slice value = {NULL, 0};
  int body = is_html(answer) ? BODY_HTML : BODY_OTHER;
  if (answer->body_bytes > 0 &&
      !leadx_json_check(answer->body, answer->body_bytes, 0, &value, NULL) &&
      leadx_json_kind_of(value) == LEADX_JSON_OBJECT) {
    take_code(verdict, leadx_json_member(value, "code"));
    message_from_object(verdict, value);
    body = verdict->code[0] ? BODY_CODE : BODY_JSON;
  }
  if (!verdict->message[0]) {
    if (body & (BODY_CODE | BODY_JSON)) message_set(verdict, "the server gave no reason");
    else message_from_text(verdict, answer);
  }
  if (class_of_code(verdict->code, answer->status, &verdict->class_)) return;
  verdict->class_ = class_of_status(answer->status, body);
}

void leadx_rest_classify(const leadx_answer *answer, leadx_verdict *verdict) {
  memset(verdict, 0, sizeof *verdict);
  if (answer->net != LEADX_NET_ANSWER) {
    classify_net(answer, verdict);
  } else if (answer->status >= 300 && answer->status <= 399) {
    verdict->class_ = LEADX_CLASS_TRUST;
    message_set(verdict, "the server redirects elsewhere; leadx does not follow with your keys");
  } else if (answer->status >= 200 && answer->status <= 299) {
    classify_success(answer, verdict);
  } else {
    classify_failure(answer, verdict);
  }
}

/* The status that PostgREST would have answered with: a function may raise one itself, as PT409. */
static long status_of(const char *code) {
  if (strncmp(code, "PT", 2) == 0 && code[2] >= '4' && code[2] <= '5' && strlen(code) == 5)
    return strtol(code + 2, NULL, 10);
  return 400;
}

void leadx_rest_judge(leadx_slice code, leadx_slice message, leadx_verdict *verdict) {
  memset(verdict, 0, sizeof *verdict);
  take_code(verdict, code);
  line l;
  l.n = 0;
  line_append_raw(&l, message);
  message_take(verdict, &l);
  if (!verdict->message[0]) message_set(verdict, "the server gave no reason");
  long status = status_of(verdict->code);
  if (class_of_code(verdict->code, status, &verdict->class_)) return;
  verdict->class_ = class_of_status(status, BODY_CODE);
}

/* ---- Content-Range ---- */

/* The digits at *z, at most 15 of them; -1 for anything else. */
static int64_t read_rows(const char **z) {
  int64_t n = 0;
  int digits = 0;
  for (; **z >= '0' && **z <= '9'; ++*z, digits++) {
    if (digits < 15) n = n * 10 + (**z - '0');
  }
  return digits >= 1 && digits <= 15 ? n : -1;
}

int leadx_rest_read_range(const char *text, leadx_rest_range *range) {
  const char *z = text;
  range->came = 0;
  range->total = -1;
  if (*z == '*') {
    z++;
  } else {
    int64_t from = read_rows(&z);
    if (from < 0 || *z++ != '-') return 0;
    int64_t to = read_rows(&z);
    if (to < from) return 0;
    range->came = to - from + 1;
  }
  if (*z++ != '/') return 0;
  range->total = read_rows(&z);
  if (*z) range->total = -1;
  return range->came > 0 && range->total >= 0;
}

/* ---- URLs ---- */

static int is_alnum(unsigned char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static void escape_byte(sqlite3_str *url, unsigned char c) {
  static const char hex[] = "0123456789ABCDEF";
  if (is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~') {
    sqlite3_str_appendchar(url, 1, (char)c);
  } else {
    sqlite3_str_appendchar(url, 1, '%');
    sqlite3_str_appendchar(url, 1, hex[c >> 4]);
    sqlite3_str_appendchar(url, 1, hex[c & 15]);
  }
}

void leadx_rest_escape(sqlite3_str *url, const char *text, size_t n) {
  size_t i;
  for (i = 0; i < n; i++) escape_byte(url, (unsigned char)text[i]);
}

/* PostgREST's own quoting, which is inside the percent-encoding: "a\"b". */
static void escape_quoted(sqlite3_str *url, const char *text, size_t n) {
  size_t i;
  escape_byte(url, '"');
  for (i = 0; i < n; i++) {
    if (text[i] == '"' || text[i] == '\\') escape_byte(url, '\\');
    escape_byte(url, (unsigned char)text[i]);
  }
  escape_byte(url, '"');
}

static int consists_of(const char *text, size_t n, const char *others) {
  size_t i;
  for (i = 0; i < n; i++) {
    if (!is_alnum((unsigned char)text[i]) && !(text[i] && strchr(others, text[i]))) return 0;
  }
  return n > 0;
}

/* Parameters that PostgREST or the gateway in front of it take for themselves; a column of such a
** name is meant when it is quoted. */
static int is_reserved_parameter(const char *name) {
  static const char *const names[] = {"select",      "order", "limit", "offset", "columns",
                                      "on_conflict", "and",   "or",    "not",    "apikey"};
  size_t i;
  for (i = 0; i < COUNT(names); i++) {
    if (strcmp(name, names[i]) == 0) return 1;
  }
  return 0;
}

void leadx_rest_column(sqlite3_str *url, const char *column) {
  size_t n = strlen(column);
  if (consists_of(column, n, "_") && !is_reserved_parameter(column))
    leadx_rest_escape(url, column, n);
  else escape_quoted(url, column, n);
}

void leadx_rest_filter_eq(sqlite3_str *url, int first, const char *column, const char *value,
                          size_t n) {
  sqlite3_str_appendchar(url, 1, first ? '?' : '&');
  leadx_rest_column(url, column);
  if (!value) {
    sqlite3_str_appendall(url, "=is.null");
    return;
  }
  sqlite3_str_appendall(url, "=eq.");
  leadx_rest_escape(url, value, n);
}

void leadx_rest_in_element(sqlite3_str *url, int first, const char *value, size_t n) {
  if (!first) sqlite3_str_appendchar(url, 1, ',');
  if (consists_of(value, n, "_-.:")) leadx_rest_escape(url, value, n);
  else escape_quoted(url, value, n);
}

/* ---- keys and headers ---- */

int leadx_rest_header_safe(const char *text) {
  size_t n = 0;
  if (!text) return 0;
  for (; text[n]; n++) {
    unsigned char c = (unsigned char)text[n];
    if (n == MAX_HEADER_VALUE || c < 0x21 || c > 0x7e) return 0;
  }
  return n > 0;
}

/* Does the payload of this JWT say "role":"service_role"? It is decoded on the stack, where no
** failed allocation can let a key pass, and wiped. */
static int is_service_role_token(const char *key) {
  char payload[MAX_HEADER_VALUE];
  const char *from = strchr(key, '.');
  const char *to = from ? strchr(from + 1, '.') : NULL;
  leadx_slice claims, role;
  size_t n;
  int answer = 0;
  if (!to) return 0;
  if (leadx_base64_decode(from + 1, (size_t)(to - from - 1), payload, sizeof payload, &n) == 0 &&
      !leadx_json_check(payload, n, 0, &claims, NULL)) {
    role = leadx_json_member(claims, "role");
    answer = leadx_json_kind_of(role) == LEADX_JSON_STRING &&
             leadx_json_string_is(role, "service_role", 12);
  }
  explicit_bzero(payload, sizeof payload);
  return answer;
}

int leadx_rest_key_is_secret(const char *key) {
  if (!key) return 0;
  return strncmp(key, "sb_secret_", 10) == 0 || is_service_role_token(key);
}

/* ---- back-off ---- */

/* Jitter is taken off rather than put on, so that max_ms is a maximum and devices spread out there
** too. The server's Retry-After is a minimum. */
int64_t leadx_rest_backoff_ms(int n, int64_t base_ms, int64_t max_ms, int64_t retry_after_s,
                              uint32_t random) {
  int64_t wait = base_ms > 0 ? base_ms : 1;
  if (max_ms < 1) max_ms = 1;
  while (n-- > 0 && wait < max_ms) wait = wait > max_ms / 2 ? max_ms : wait * 2;
  if (wait > max_ms) wait = max_ms;
  int64_t most = wait / 4;
  wait -= (int64_t)((double)most * ((double)random / 4294967296.0));
  if (retry_after_s > MAX_RETRY_AFTER_S) retry_after_s = MAX_RETRY_AFTER_S;
  if (retry_after_s > 0 && wait < retry_after_s * 1000) wait = retry_after_s * 1000;
  return wait;
}
