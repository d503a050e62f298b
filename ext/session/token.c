/* Access tokens. See token.h. */
#define _DEFAULT_SOURCE /* explicit_bzero, strncasecmp */
#include "session/token.h"

#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "base/json.h"

/* Times beyond that are no times. */
#define LAST_SECOND 1e12

/* Decodes the middle part of a JWT. NULL when it is none. The caller wipes and frees. */
static char *decode_claims(const char *jwt, size_t *n) {
  const char *from = strchr(jwt, '.');
  const char *to = from ? strchr(from + 1, '.') : NULL;
  /* A token is in base64url without padding (RFC 7515): what is not is no token. */
  if (!to || strcspn(from + 1, "+/=") < (size_t)(to - from - 1)) return NULL;
  size_t nbase64 = (size_t)(to - from - 1);
  char *out = sqlite3_malloc64(nbase64 + 1);
  if (out && leadx_base64_decode(from + 1, nbase64, out, nbase64, n) == 0) return out;
  sqlite3_free(out);
  return NULL;
}

void leadx_token_project_of_url(const char *url, char project[LEADX_USER_BYTES]) {
  static const char *const domains[] = {".supabase.co", ".supabase.in", ".supabase.net"};
  const char *host = strstr(url, "://");
  project[0] = 0;
  if (!host) return;
  host += 3;
  size_t name = strcspn(host, "./:"), whole = strcspn(host, "/:");
  for (size_t i = 0; i < sizeof domains / sizeof domains[0] && name < LEADX_USER_BYTES; i++) {
    if (whole - name != strlen(domains[i]) ||
        strncasecmp(host + name, domains[i], whole - name) != 0)
      continue;
    sqlite3_snprintf((int)name + 1, project, "%s", host);
  }
}

/* A claim whole: a text, or a number as it is written; "" when there is none. 1 when it is something
** else, or is longer than what is compared, or a NUL would end it early: two of those could not be
** told apart. */
static int read_name(leadx_slice claim, char name[LEADX_USER_BYTES]) {
  leadx_json_kind kind = leadx_json_kind_of(claim);
  size_t n = claim.n;
  char *text = NULL;
  name[0] = 0;
  if (kind == LEADX_JSON_NONE || kind == LEADX_JSON_NULL) return 0;
  int rc = leadx_json_text(claim, &text, &n);
  if (rc != SQLITE_OK) n = claim.n;
  int is_whole = n < LEADX_USER_BYTES && (rc == SQLITE_OK || kind == LEADX_JSON_NUMBER);
  if (is_whole) memcpy(name, text ? text : claim.z, n);
  if (is_whole) name[n] = 0;
  sqlite3_free(text);
  return !is_whole || strlen(name) != n;
}

/* The last of equal members counts, as it does for PostgREST. */
static int read_claims(leadx_slice claims, leadx_token *token) {
  static const char *const names[] = {"sub", "ref", "iss", "exp"};
  leadx_slice found[4];
  char iss[LEADX_USER_BYTES];
  double exp = 0;
  leadx_json_members(claims, names, 4, found);
  if (leadx_json_double(found[3], &exp) == 0 && exp > 0 && exp < LAST_SECOND)
    token->expires_s = (int64_t)exp;
  if (read_name(found[0], token->user) || read_name(found[1], token->project)) return 1;
  if (!token->project[0] && read_name(found[2], iss) == 0)
    leadx_token_project_of_url(iss, token->project);
  return 0;
}

int leadx_token_read(const char *jwt, leadx_token *token) {
  size_t n = 0;
  char *json = decode_claims(jwt, &n);
  leadx_slice claims = {NULL, 0};
  int rc = 1;
  memset(token, 0, sizeof *token);
  if (json && !leadx_json_check(json, n, 0, &claims, NULL) &&
      leadx_json_kind_of(claims) == LEADX_JSON_OBJECT)
    rc = read_claims(claims, token) ? 2 : 0;
  if (rc) memset(token, 0, sizeof *token);
  if (json) explicit_bzero(json, n);
  sqlite3_free(json);
  return rc;
}
