/* Addresses: where a request may go. See address.h. */
#include "http/address.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/sqlite.h"

/* ---- base URLs as text ---- */

const char *leadx_address_text_fault(const char *url) {
  const char *z, *colon;
  if (!url[0]) return "it is empty";
  if (strlen(url) > LEADX_ADDRESS_BYTES) return "it is longer than 2048 bytes";
  for (z = url; *z; z++) {
    unsigned char c = (unsigned char)*z;
    if (c <= 0x20 || c == 0x7f) return "it contains a blank or a control byte";
    if (c > 0x7f)
      return "it contains a non-ASCII byte (write the host in punycode, the path with %)";
  }
  if (strchr(url, '\\')) return "it contains a backslash";
  if (strchr(url, '?')) return "it contains a query";
  if (strchr(url, '#')) return "it contains a fragment";
  colon = strchr(url, ':');
  if (!colon || strncmp(colon, "://", 3) != 0) return "it lacks https://";
  if (colon[3] == '/') return "it has no host";
  /* curl decodes it, others do not. */
  if (memchr(colon + 3, '%', strcspn(colon + 3, "/"))) return "its host contains %";
  return NULL;
}

/* ---- parts ---- */

/* As curl_url() writes them: it turns 127.1, 0x7f000001 and [0::1] into these. */
static int is_loopback_host(const char *host) {
  static const char *const names[] = {"localhost", "127.0.0.1", "[::1]", "::1"};
  size_t i;
  for (i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcasecmp(host, names[i]) == 0) return 1;
  }
  return 0;
}

int leadx_address_has_scheme(const leadx_address *address, const char *scheme) {
  return address->scheme && address->host && strcmp(address->scheme, scheme) == 0;
}

int leadx_address_is_loopback(const leadx_address *address) {
  return address->host && !address->zone && is_loopback_host(address->host);
}

const char *leadx_address_fault(const leadx_address *address) {
  if (address->user || address->password) return "it contains a user name";
  if (address->zone) return "it contains a zone id";
  if (address->port && strcmp(address->port, "0") == 0) return "port 0 does not exist";
  if (leadx_address_has_scheme(address, "https")) return NULL;
  if (!leadx_address_has_scheme(address, "http")) return "only https is spoken here";
  return leadx_address_is_loopback(address) ? NULL : "http would send the keys in clear";
}

/* ---- one spelling per server ---- */

static int ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n > m && strcasecmp(text + n - m, end) == 0;
}

/* A project's own address serves several APIs; PostgREST is one of them. */
static int is_supabase_host(const char *host) {
  return ends_with(host, ".supabase.co") || ends_with(host, ".supabase.in") ||
         ends_with(host, ".supabase.net");
}

static void lower(char *z) {
  for (; *z; z++) *z = (char)tolower((unsigned char)*z);
}

char *leadx_address_base(leadx_address *address) {
  const char *path = address->path ? address->path : "";
  size_t npath = strlen(path);
  int is_project;
  while (npath > 0 && path[npath - 1] == '/') npath--;
  is_project = npath == 0 && is_supabase_host(address->host);
  lower(address->host);
  return sqlite3_mprintf("%s://%s%s%s%.*s%s", address->scheme, address->host,
                         address->port ? ":" : "", address->port ? address->port : "", (int)npath,
                         path, is_project ? "/rest/v1" : "");
}
