/* Requests to one PostgREST root. See target.h. */
#define _DEFAULT_SOURCE /* explicit_bzero */
#include "rest/target.h"

#include <string.h>

#include "rest/rest.h"

void leadx_target_append_table(sqlite3_str *url, const leadx_target *target,
                               const leadx_table *table) {
  sqlite3_str_appendall(url, target->url);
  sqlite3_str_appendall(url, "/");
  leadx_rest_escape(url, table->remote, strlen(table->remote));
}

static int add_bearer(leadx_request *request, const char *token) {
  char *value = sqlite3_mprintf("Bearer %s", token);
  if (!value) return SQLITE_NOMEM;
  int rc = leadx_request_header(request, "Authorization", value);
  explicit_bzero(value, strlen(value));
  sqlite3_free(value);
  return rc;
}

int leadx_target_sign(leadx_request *request, const leadx_target *target) {
  static const char name[] = "Authorization: ";
  for (int i = 0; i < request->nheaders; i++) {
    if (strncmp(request->headers[i], name, sizeof name - 1) != 0) continue;
    explicit_bzero(request->headers[i], strlen(request->headers[i]));
    sqlite3_free(request->headers[i]);
    request->headers[i] = request->headers[--request->nheaders];
    break;
  }
  return target->token ? add_bearer(request, target->token) : SQLITE_OK;
}

/* A publishable key goes in apikey alone; the gateway knows what to do without a user's token. */
static int add_headers(leadx_request *request, const leadx_target *target, const char *prefer) {
  int rc = leadx_request_header(request, "apikey", target->apikey);
  if (rc == SQLITE_OK && target->token) rc = add_bearer(request, target->token);
  if (rc == SQLITE_OK) rc = leadx_request_header(request, "Accept", "application/json");
  if (rc == SQLITE_OK && prefer) rc = leadx_request_header(request, "Prefer", prefer);
  if (rc == SQLITE_OK && request->body)
    rc = leadx_request_header(request, "Content-Type", "application/json");
  if (rc == SQLITE_OK && target->schema && *target->schema) {
    rc = leadx_request_header(
        request, strcmp(request->method, "GET") == 0 ? "Accept-Profile" : "Content-Profile",
        target->schema);
  }
  return rc;
}

leadx_request *leadx_target_request(const leadx_target *target, const char *method,
                                    sqlite3_str *url, sqlite3_str *body, const char *prefer,
                                    leadx_err *err) {
  leadx_request *request = leadx_request_new(method);
  int broken = sqlite3_str_errcode(url) != SQLITE_OK ||
               (body && sqlite3_str_errcode(body) != SQLITE_OK);
  size_t bytes = body ? (size_t)sqlite3_str_length(body) : 0;
  char *url_text = sqlite3_str_finish(url), *body_text = body ? sqlite3_str_finish(body) : NULL;
  if (request) {
    request->url = url_text;
    request->body = body_text;
    request->body_bytes = bytes;
    if (!broken && url_text && add_headers(request, target, prefer) == SQLITE_OK) return request;
    leadx_request_free(request);
  } else {
    sqlite3_free(url_text);
    sqlite3_free(body_text);
  }
  leadx_err_nomem(err);
  return NULL;
}

leadx_request *leadx_target_get(const leadx_target *target, sqlite3_str *url, const char *prefer,
                                leadx_err *err) {
  return leadx_target_request(target, "GET", url, NULL, prefer, err);
}

leadx_request *leadx_target_call(const leadx_target *target, const char *function,
                                 sqlite3_str *args, leadx_err *err) {
  sqlite3_str *url = sqlite3_str_new(NULL);
  sqlite3_str_appendf(url, "%s/rpc/%s", target->url, function);
  return leadx_target_request(target, "POST", url, args, NULL, err);
}
