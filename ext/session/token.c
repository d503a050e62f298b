/* Access tokens. See token.h. */
#define _DEFAULT_SOURCE /* explicit_bzero, strncasecmp */
#include "session/token.h"

#include <string.h>
#include <strings.h>

#include "base/doc.h"

/* Times beyond that are no times. */
#define LAST_SECOND 1e12

/* Decodes the base64url of a JWT's middle part. NULL when it is none. The caller frees. */
static char *decode_claims(const char *jwt, size_t *n) {
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const char *from = strchr(jwt, '.');
  const char *to = from ? strchr(from + 1, '.') : NULL;
  if (!to) return NULL;
  char *out = sqlite3_malloc64((sqlite3_uint64)(to - from) + 1);
  if (!out) return NULL;
  unsigned bits = 0;
  int nbits = 0;
  *n = 0;
  for (const char *p = from + 1; p < to; p++) {
    const char *digit = memchr(alphabet, *p, 64);
    if (!digit) {
      sqlite3_free(out);
      return NULL;
    }
    bits = (bits << 6 | (unsigned)(digit - alphabet)) & 0xffffu;
    nbits += 6;
    if (nbits >= 8) {
      nbits -= 8;
      out[(*n)++] = (char)(bits >> nbits & 0xffu);
    }
  }
  return out;
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

static void read_claims(const leadx_doc *claims, leadx_token *token) {
  const char *sub = leadx_doc_text(claims, "sub"), *ref = leadx_doc_text(claims, "ref"),
             *iss = leadx_doc_text(claims, "iss");
  double exp = leadx_doc_number(leadx_doc_get(claims, "exp"));
  sqlite3_snprintf((int)sizeof token->user, token->user, "%s", sub ? sub : "");
  token->expires_s = exp > 0 && exp < LAST_SECOND ? (int64_t)exp : 0;
  if (ref) sqlite3_snprintf((int)sizeof token->project, token->project, "%s", ref);
  else if (iss) leadx_token_project_of_url(iss, token->project);
}

int leadx_token_read(const char *jwt, leadx_token *token) {
  size_t n = 0;
  char *json = decode_claims(jwt, &n);
  leadx_err quiet = {0};
  leadx_doc *claims = json ? leadx_doc_parse("token", json, n, &quiet) : NULL;
  int readable = claims && leadx_doc_is_object(claims);
  memset(token, 0, sizeof *token);
  if (readable) read_claims(claims, token);
  leadx_doc_free(claims);
  if (json) explicit_bzero(json, n);
  sqlite3_free(json);
  return !readable;
}
