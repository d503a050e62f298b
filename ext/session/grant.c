/* Supabase Auth's dialect. See grant.h.
**
** An error is judged by Auth's own word for it, which stands in "code" (API 2024-01-01),
** "error_code" (before) or "error" (long before); where there is none, as any other answer of the
** server, by its status.
** */
#define _DEFAULT_SOURCE /* explicit_bzero */
#include "session/grant.h"

#include <string.h>

#include "base/secret.h"

#define REST_ROOT "/rest/v1"
#define AUTH_ROOT "/auth/v1"
/* A token that says it lives longer than ten years says nothing. */
#define LONGEST_LIFE_S ((int64_t)3650 * 86400)

/* ---- spelling ---- */

char *leadx_grant_root(const char *rest_url) {
  size_t n = strlen(rest_url), tail = strlen(REST_ROOT);
  if (n > tail && strcmp(rest_url + n - tail, REST_ROOT) == 0)
    return sqlite3_mprintf("%.*s" AUTH_ROOT, (int)(n - tail), rest_url);
  const char *host = strstr(rest_url, "://");
  int origin = host ? (int)(host - rest_url) + 3 + (int)strcspn(host + 3, "/") : (int)n;
  return sqlite3_mprintf("%.*s" AUTH_ROOT, origin, rest_url);
}

/* Appends text as the inside of a JSON string; at most six bytes for each one. Returns the new
** end. */
static char *put_escaped(char *at, const char *text) {
  static const char digits[] = "0123456789abcdef";
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (c >= 0x20 && c != '"' && c != '\\') {
      *at++ = (char)c;
      continue;
    }
    memcpy(at, "\\u00", 4);
    at[4] = digits[c >> 4];
    at[5] = digits[c & 15];
    at += 6;
  }
  return at;
}

static char *put(char *at, const char *text) {
  size_t n = strlen(text);
  memcpy(at, text, n);
  return at + n;
}

static char *put_member(char *at, const char *name, const char *value) {
  at = put(put(put(at, "\""), name), "\":\"");
  return put(put_escaped(at, value), "\"");
}

/* The body {name: value}, or of two members; in one block, so that no piece of a secret stays in
** another. */
static int set_body(leadx_request *request, const char *name, const char *value, const char *second,
                    const char *second_value) {
  size_t most = 16 + strlen(name) + strlen(second) + 6 * (strlen(value) + strlen(second_value));
  char *body = sqlite3_malloc64(most), *at = body;
  if (!body) return SQLITE_NOMEM;
  at = put_member(put(at, "{"), name, value);
  if (*second) at = put_member(put(at, ","), second, second_value);
  at = put(at, "}");
  *at = 0;
  request->body = body;
  request->body_bytes = (size_t)(at - body);
  return SQLITE_OK;
}

static int add_headers(leadx_request *request, const leadx_target *target) {
  int rc = leadx_request_header(request, "apikey", target->apikey);
  if (rc == SQLITE_OK) rc = leadx_request_header(request, "Accept", "application/json");
  if (rc == SQLITE_OK) rc = leadx_request_header(request, "X-Supabase-Api-Version", "2024-01-01");
  if (rc == SQLITE_OK && strcmp(request->method, "POST") == 0)
    rc = leadx_request_header(request, "Content-Type", "application/json");
  return rc;
}

/* A request to Auth without a body. */
static leadx_request *begin(const leadx_target *target, const char *method, const char *path,
                            leadx_err *err) {
  leadx_request *request = leadx_request_new(method);
  char *root = leadx_grant_root(target->url);
  if (request && root) request->url = sqlite3_mprintf("%s/%s", root, path);
  sqlite3_free(root);
  if (request && request->url && add_headers(request, target) == SQLITE_OK) return request;
  leadx_request_free(request);
  leadx_err_nomem(err);
  return NULL;
}

static leadx_request *finish(leadx_request *request, int rc, leadx_err *err) {
  if (!request || rc == SQLITE_OK) return request;
  leadx_request_free(request);
  leadx_err_nomem(err);
  return NULL;
}

leadx_request *leadx_grant_password_request(const leadx_target *target, const char *email,
                                            const char *password, leadx_err *err) {
  leadx_request *request = begin(target, "POST", "token?grant_type=password", err);
  return finish(request,
                request ? set_body(request, "email", email, "password", password) : SQLITE_OK, err);
}

leadx_request *leadx_grant_refresh_request(const leadx_target *target, const char *refresh_token,
                                           leadx_err *err) {
  leadx_request *request = begin(target, "POST", "token?grant_type=refresh_token", err);
  return finish(request,
                request ? set_body(request, "refresh_token", refresh_token, "", "") : SQLITE_OK,
                err);
}

leadx_request *leadx_grant_logout_request(const leadx_target *target, leadx_err *err) {
  leadx_request *request = begin(target, "POST", "logout?scope=local", err);
  return finish(request, request ? leadx_target_sign(request, target) : SQLITE_OK, err);
}

leadx_request *leadx_grant_health_request(const leadx_target *target, leadx_err *err) {
  return begin(target, "GET", "health", err);
}

/* ---- meaning ---- */

enum {
  PASSWORD = 1 << LEADX_GRANT_PASSWORD,
  REFRESH = 1 << LEADX_GRANT_REFRESH,
  ANY = PASSWORD | REFRESH
};

static const char sign_in_again[] =
    "sign in again with leadx_login(), or pass new tokens to leadx_set_token()";

/* By Auth's word; the first match wins. "final" ends the life of a refresh token. */
static const struct rule {
  const char *code;
  int kinds;
  leadx_class class_;
  int is_final;
  const char *advice;
} rules[] = {
    {"invalid_credentials", PASSWORD, LEADX_CLASS_AUTH, 0, "check email and password"},
    {"invalid_grant", PASSWORD, LEADX_CLASS_AUTH, 0, "check email and password"},
    {"email_not_confirmed", PASSWORD, LEADX_CLASS_AUTH, 0,
     "follow the link in the confirmation mail first"},
    {"phone_not_confirmed", PASSWORD, LEADX_CLASS_AUTH, 0, "confirm the number first"},
    {"user_banned", ANY, LEADX_CLASS_AUTH, 1, "ask whoever runs the server to lift the ban"},
    {"email_provider_disabled", PASSWORD, LEADX_CLASS_AUTH, 0,
     "the server lets nobody sign in by email; use leadx_set_token()"},
    {"provider_disabled", PASSWORD, LEADX_CLASS_AUTH, 0,
     "the server lets nobody sign in by email; use leadx_set_token()"},
    {"captcha_failed", PASSWORD, LEADX_CLASS_AUTH, 0,
     "the server wants a captcha, which cannot be shown here; sign in elsewhere and use "
     "leadx_set_token()"},
    {"over_request_rate_limit", ANY, LEADX_CLASS_THROTTLE, 0, "wait a while, then try again"},
    {"request_timeout", ANY, LEADX_CLASS_THROTTLE, 0, "try again"},
    {"refresh_token_already_used", REFRESH, LEADX_CLASS_AUTH, 1,
     "somebody else has used this refresh token, so the server has ended the session; sign in "
     "again with leadx_login()"},
    {"refresh_token_not_found", REFRESH, LEADX_CLASS_AUTH, 1, sign_in_again},
    {"invalid_grant", REFRESH, LEADX_CLASS_AUTH, 1, sign_in_again},
    {"invalid_credentials", REFRESH, LEADX_CLASS_AUTH, 1, sign_in_again},
    {"session_not_found", REFRESH, LEADX_CLASS_AUTH, 1, sign_in_again},
    {"session_expired", REFRESH, LEADX_CLASS_AUTH, 1, sign_in_again},
    {"user_not_found", REFRESH, LEADX_CLASS_AUTH, 1, sign_in_again},
};

/* By class, where Auth has no word that is known. */
static const char *advice_of(leadx_class class_, long status) {
  switch (class_) {
    case LEADX_CLASS_OFFLINE: return "try again when there is a network";
    case LEADX_CLASS_TRUST:
      return "check the address, the certificate and ca_file in leadx_configure()";
    case LEADX_CLASS_THROTTLE: return "wait a while, then try again";
    case LEADX_CLASS_INTERRUPTED: return "try again";
    default: break;
  }
  if (status == 404 || status == 405)
    return "there is no Supabase Auth beside this server; get a token elsewhere and use "
           "leadx_set_token()";
  if (status == 401 || status == 403) return "check the key in leadx_configure(url, apikey)";
  return "is this address a Supabase project? check leadx_configure(url, apikey)";
}

static const struct rule *find_rule(leadx_grant_kind kind, const char *code) {
  for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
    if ((rules[i].kinds & 1 << kind) && strcmp(rules[i].code, code) == 0) return &rules[i];
  }
  return NULL;
}

/* A word: letters and underscores, nothing else, and no piece of a secret. 1 when it was one. */
static int copy_word(leadx_slice raw, char *out, size_t nout) {
  size_t n = raw.n >= 2 ? raw.n - 2 : 0;
  if (leadx_json_kind_of(raw) != LEADX_JSON_STRING || n == 0 || n >= nout) return 0;
  for (size_t i = 1; i <= n; i++) {
    if (!((raw.z[i] >= 'a' && raw.z[i] <= 'z') || raw.z[i] == '_')) return 0;
  }
  if (leadx_secret_is_in(raw.z + 1, n)) return 0;
  memcpy(out, raw.z + 1, n);
  out[n] = 0;
  return 1;
}

static leadx_slice read_object(const leadx_request *done) {
  leadx_slice value = {NULL, 0};
  if (leadx_json_check(done->answer, done->answer_bytes, 0, &value, NULL) ||
      leadx_json_kind_of(value) != LEADX_JSON_OBJECT) {
    return (leadx_slice){NULL, 0};
  }
  return value;
}

static void read_code(const leadx_request *done, char *code, size_t n) {
  static const char *const names[] = {"code", "error_code", "error"};
  leadx_slice object = read_object(done);
  for (size_t i = 0; object.n && i < sizeof names / sizeof names[0]; i++) {
    if (copy_word(leadx_json_member(object, names[i]), code, n)) return;
  }
}

/* Classes of PostgREST that mean nothing here. */
static leadx_class plain_class(leadx_class class_, long status) {
  switch (class_) {
    case LEADX_CLASS_OFFLINE:
    case LEADX_CLASS_TRUST:
    case LEADX_CLASS_THROTTLE:
    case LEADX_CLASS_INTERRUPTED: return class_;
    case LEADX_CLASS_RETRY: return LEADX_CLASS_THROTTLE;
    default: return status >= 400 && status < 500 ? LEADX_CLASS_AUTH : LEADX_CLASS_PROTOCOL;
  }
}

static void write_message(leadx_grant *grant, const leadx_request *done, const char *words,
                          const char *advice) {
  char status[16] = "", wait[48];
  if (done->status >= 300) sqlite3_snprintf(sizeof status, status, "%ld ", done->status);
  if (grant->class_ == LEADX_CLASS_THROTTLE && done->retry_after_s > 0) {
    sqlite3_snprintf(sizeof wait, wait, "wait %lld s, then try again",
                     (sqlite3_int64)done->retry_after_s);
    advice = wait;
  }
  sqlite3_snprintf(sizeof grant->message, grant->message, "%s%s%s%.240s; %s", status, grant->code,
                   grant->code[0] ? " " : "", words, advice);
}

static void read_refusal(leadx_grant_kind kind, const leadx_request *done,
                         const leadx_verdict *verdict, leadx_grant *grant) {
  const char *words = verdict->class_ == LEADX_CLASS_OFFLINE && done->error[0] ? done->error
                                                                               : verdict->message;
  read_code(done, grant->code, sizeof grant->code);
  const struct rule *rule = find_rule(kind, grant->code);
  grant->class_ = rule ? rule->class_ : plain_class(verdict->class_, done->status);
  grant->is_final = rule && rule->is_final && kind == LEADX_GRANT_REFRESH;
  /* What came with a 2xx may hold tokens. */
  if (done->status >= 200 && done->status < 300)
    words = "the answer is not what Supabase Auth says";
  write_message(grant, done, words, rule ? rule->advice : advice_of(grant->class_, done->status));
}

/* A token in a block of its own. Tokens are plain ASCII, so that one with an escape is none. NULL
** when it is none, or when out of memory. */
static char *copy_token(leadx_slice raw) {
  size_t n = raw.n >= 2 ? raw.n - 2 : 0;
  if (leadx_json_kind_of(raw) != LEADX_JSON_STRING || n == 0 || memchr(raw.z, '\\', raw.n))
    return NULL;
  char *copy = sqlite3_malloc64(n + 1);
  if (!copy) return NULL;
  memcpy(copy, raw.z + 1, n);
  copy[n] = 0;
  return copy;
}

static void read_tokens(const leadx_request *done, leadx_grant *grant) {
  leadx_slice object = read_object(done);
  leadx_tokens *tokens = &grant->tokens;
  int64_t expires_in_s = 0;
  tokens->access = copy_token(leadx_json_member(object, "access_token"));
  tokens->refresh = copy_token(leadx_json_member(object, "refresh_token"));
  if (leadx_json_int64(leadx_json_member(object, "expires_in"), &expires_in_s) == 0 &&
      expires_in_s > 0 && expires_in_s <= LONGEST_LIFE_S)
    tokens->expires_in_s = expires_in_s;
  if (tokens->access && leadx_rest_header_safe(tokens->access) &&
      !leadx_token_read(tokens->access, &tokens->claims)) {
    grant->class_ = LEADX_CLASS_OK;
    return;
  }
  leadx_tokens_clear(tokens);
  grant->class_ = LEADX_CLASS_PROTOCOL;
  write_message(grant, done, "the answer holds no access token",
                advice_of(LEADX_CLASS_PROTOCOL, done->status));
}

void leadx_grant_read(leadx_grant_kind kind, const leadx_request *done, leadx_grant *grant) {
  leadx_answer answer = leadx_rest_answer(done, 0);
  leadx_verdict verdict;
  memset(grant, 0, sizeof *grant);
  grant->retry_after_s = done->retry_after_s;
  leadx_rest_classify(&answer, &verdict);
  if (verdict.class_ == LEADX_CLASS_OK) read_tokens(done, grant);
  else read_refusal(kind, done, &verdict, grant);
}

void leadx_grant_clear(leadx_grant *grant) {
  leadx_tokens_clear(&grant->tokens);
  memset(grant, 0, sizeof *grant);
}
