/* Addresses: where a request may go. Rules only, on text and on the parts of a parsed URL; http.c,
** which knows libcurl, does the parsing. Nothing here resolves a name or opens a socket. */
#ifndef LEADX_ADDRESS_H
#define LEADX_ADDRESS_H

/* The longest base URL, in bytes; nobody types a longer one. */
#define LEADX_ADDRESS_BYTES 2048

/* A URL's parts as curl_url_get() writes them; NULL for one that it does not have, and a default
** port counts as none. Borrowed. */
typedef struct leadx_address {
  char *scheme, *host, *port, *path, *user, *password, *zone;
} leadx_address;

/* What can be seen in a base URL's text before anybody parses it, so that two parsers that disagree
** (backslashes, "@", blanks) cannot both be right. Returns what is wrong, or NULL. Static. */
const char *leadx_address_text_fault(const char *url);

/* What forbids sending a request there, or NULL: https, or http where the host is literally
** localhost, 127.0.0.1 or ::1; no user, no zone. Holds for base URLs and for every request's own.
** Static. */
const char *leadx_address_fault(const leadx_address *address);

int leadx_address_has_scheme(const leadx_address *address, const char *scheme);
/* Is the host spelled as one of the names of this machine? What it becomes is checked when the
** socket is made. */
int leadx_address_is_loopback(const leadx_address *address);

/* Puts the parts together again, in one spelling per server: lower-case host (changed in place), no
** default port, no trailing slash, /rest/v1 for a project of Supabase without a path.
** sqlite3_malloc text, or NULL when out of memory. */
char *leadx_address_base(leadx_address *address);

#endif
