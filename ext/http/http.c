/* The transport on libcurl: the only file that knows it.
**
** A request becomes a transfer: an easy handle, its URL and its headers, made when the
** request is started and thrown away when it is done, so that no handle ever remembers a
** credential. What is worth keeping, the connections, lives in the multi handle. A transfer
** is on one of three lists:
**
**     waiting --(room below max_in_flight)--> active --(curl is done)--> done --> the caller
**
** Rules that hold here and nowhere else: https, or http to a loopback address that is checked
** again when the socket is made; no redirects (a custom apikey header would follow them to
** another origin); TLS always verified; every buffer has a limit, counted after decompression;
** an answer that is not complete is no answer, and none of its bytes reach the caller.
**
** Known: libcurl keeps copies of the headers it sends and does not wipe them; it sends a
** request again by itself when a kept connection dies before the first byte of the answer, so
** every request must be one that may arrive twice.
*/

/* explicit_bzero() is no part of POSIX; memset() before free() is removed by optimisers. */
#define _DEFAULT_SOURCE

#include "http/http.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/host.h"
#include "http/address.h"
#include "http/receive.h"

#ifndef LEADX_VERSION
#define LEADX_VERSION "0.1.0"
#endif

enum {
  MAX_CONNECTIONS = 8, /* HTTP/1.1; what browsers and servers are used to */
  GET_BUFFER_BYTES = 128 << 10, /* a page of rows is read in few pieces */
  UPLOAD_BUFFER_BYTES =
      1 << 20, /* a batch leaves in one piece, or it would wait until the caller waits */
  SMALL_BODY_BYTES = 64 << 10, /* fits in the buffer that libcurl has anyway */
  FEW_TRANSFERS = 2, /* each of so few is driven as soon as it is started */
  POLL_MS = 100, /* how long an interrupt may go unnoticed */
  LOW_SPEED_BYTES = 16,
  LOW_SPEED_SECONDS = 30,
  DEFAULT_CONNECT_MS = 10 * 1000,
  DEFAULT_TOTAL_MS = 60 * 1000,
  DEFAULT_RESPONSE_BYTES = 16 << 20,
  DEFAULT_IN_FLIGHT = 32
};

typedef struct transfer transfer;
typedef struct http http;

/* One request while the transport has it. */
struct transfer {
  transfer *prev, *next;
  http *http;
  leadx_request *req;
  CURL *easy;
  CURLU *url;
  struct curl_slist *headers;
  leadx_receive in; /* its answer, as far as it came */
  int is_plain; /* http: only a loopback address may be connected */
  int is_loopback;
  int is_out_of_memory; /* a callback of ours could not allocate */
  leadx_net net; /* what a callback of ours decided; LEADX_NET_ANSWER while nothing was */
  char error[CURL_ERROR_SIZE];
};

typedef struct transfer_list {
  transfer *first, *last;
} transfer_list;

struct http {
  leadx_transport base; /* first, so that the one pointer is the other */
  CURLM *multi;
  leadx_http_limits limits;
  char *ca_file;
  int (*interrupted)(void *);
  void *interrupted_arg;
  transfer_list waiting, active, done;
  int nactive;
  int was_interrupted; /* seen by a callback, which may not touch the other transfers itself */
};

/* ---- lists and time ---- */

static void list_append(transfer_list *list, transfer *t) {
  t->next = NULL;
  t->prev = list->last;
  if (list->last) list->last->next = t;
  else list->first = t;
  list->last = t;
}

static void list_remove(transfer_list *list, transfer *t) {
  if (t->prev) t->prev->next = t->next;
  else list->first = t->next;
  if (t->next) t->next->prev = t->prev;
  else list->last = t->prev;
  t->prev = t->next = NULL;
}

/* Not leadx_clock_mono_ms(): the network runs in real time, also where a test's clock stands
** still. */
static int64_t real_ms(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- libcurl, once per process ---- */

static char curl_version_text[128];

/* The lock is SQLite's, because pthread belongs to another file. curl_global_cleanup() is never
** called: the host may be using libcurl too. */
static int curl_start(void) {
  static int is_started;
  sqlite3_mutex *mutex = leadx_mutex_alloc(SQLITE_MUTEX_STATIC_APP3);
  int ok;
  leadx_mutex_enter(mutex);
  if (!is_started && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) is_started = 1;
  ok = is_started;
  leadx_mutex_leave(mutex);
  return ok;
}

const char *leadx_http_version(void) {
  sqlite3_mutex *mutex = leadx_mutex_alloc(SQLITE_MUTEX_STATIC_APP3);
  const curl_version_info_data *info;
  if (!curl_start()) return "libcurl could not start";
  leadx_mutex_enter(mutex);
  info = curl_version_info(CURLVERSION_NOW);
  sqlite3_snprintf((int)sizeof curl_version_text, curl_version_text, "libcurl/%s %s", info->version,
                   info->ssl_version ? info->ssl_version : "without TLS");
  leadx_mutex_leave(mutex);
  return curl_version_text;
}

/* ---- URLs ---- */

static char *url_part(CURLU *url, CURLUPart part, int *is_out_of_memory) {
  char *text = NULL;
  CURLUcode code = curl_url_get(url, part, &text, CURLU_NO_DEFAULT_PORT);
  if (code == CURLUE_OUT_OF_MEMORY) *is_out_of_memory = 1;
  return code == CURLUE_OK ? text : NULL;
}

static void address_clear(leadx_address *address) {
  curl_free(address->scheme);
  curl_free(address->host);
  curl_free(address->port);
  curl_free(address->path);
  curl_free(address->user);
  curl_free(address->password);
  curl_free(address->zone);
  memset(address, 0, sizeof *address);
}

/* A part may be missing for want of memory: SQLITE_NOMEM then. The parts are curl's, for
** address_clear(). */
static int address_read(CURLU *url, leadx_address *address) {
  int is_out_of_memory = 0;
  address->scheme = url_part(url, CURLUPART_SCHEME, &is_out_of_memory);
  address->host = url_part(url, CURLUPART_HOST, &is_out_of_memory);
  address->port = url_part(url, CURLUPART_PORT, &is_out_of_memory);
  address->path = url_part(url, CURLUPART_PATH, &is_out_of_memory);
  address->user = url_part(url, CURLUPART_USER, &is_out_of_memory);
  address->password = url_part(url, CURLUPART_PASSWORD, &is_out_of_memory);
  address->zone = url_part(url, CURLUPART_ZONEID, &is_out_of_memory);
  return is_out_of_memory ? SQLITE_NOMEM : SQLITE_OK;
}

/* Parses a URL into its parts. Returns SQLITE_OK, SQLITE_NOMEM, or SQLITE_MISUSE and what is wrong
** with it. */
static int address_parse(CURLU *url, const char *text, leadx_address *address, const char **fault) {
  memset(address, 0, sizeof *address);
  switch (curl_url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER)) {
    case CURLUE_OK: break;
    case CURLUE_OUT_OF_MEMORY: return SQLITE_NOMEM;
    case CURLUE_USER_NOT_ALLOWED: *fault = "it contains a user name"; return SQLITE_MISUSE;
    case CURLUE_UNSUPPORTED_SCHEME: *fault = "only https is spoken here"; return SQLITE_MISUSE;
    default: *fault = "it is no valid URL"; return SQLITE_MISUSE;
  }
  if (address_read(url, address) != SQLITE_OK) return SQLITE_NOMEM;
  *fault = leadx_address_fault(address);
  return *fault ? SQLITE_MISUSE : SQLITE_OK;
}

/* Parses url and writes its normal form to *out. The same results. */
static int base_url_normalise(const char *url, char **out, const char **fault) {
  CURLU *parsed = curl_url();
  leadx_address address;
  int rc;
  if (!parsed) return SQLITE_NOMEM;
  rc = address_parse(parsed, url, &address, fault);
  if (rc == SQLITE_OK) *out = leadx_address_base(&address);
  address_clear(&address);
  curl_url_cleanup(parsed);
  return rc == SQLITE_OK && !*out ? SQLITE_NOMEM : rc;
}

char *leadx_http_base_url(const char *who, const char *url, leadx_err *err) {
  const char *fault = url ? leadx_address_text_fault(url) : "it is NULL";
  char *out = NULL;
  int rc = fault ? SQLITE_MISUSE : base_url_normalise(url, &out, &fault);
  if (rc == SQLITE_MISUSE) {
    /* The URL itself is not repeated: it may hold a password. */
    leadx_err_set(
        err, SQLITE_ERROR,
        "%s: this URL cannot be used, %s; use https://host[:port][/path], or http for localhost, "
        "127.0.0.1 or [::1]",
        who, fault);
  } else if (rc != SQLITE_OK) {
    leadx_err_nomem(err);
  }
  return out;
}

/* ---- what curl calls back ---- */

static int is_interrupted(const http *h) {
  return h->interrupted && h->interrupted(h->interrupted_arg);
}

static int on_progress(void *arg, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal,
                       curl_off_t ulnow) {
  transfer *t = arg;
  (void)dltotal, (void)dlnow, (void)ultotal, (void)ulnow;
  if (!t->http->was_interrupted && !is_interrupted(t->http)) return 0;
  t->http->was_interrupted = 1;
  t->net = LEADX_NET_INTERRUPTED;
  return 1;
}

static int is_loopback_address(const struct curl_sockaddr *address) {
  if (address->family == AF_INET) {
    struct sockaddr_in in;
    memcpy(&in, &address->addr, sizeof in);
    return (ntohl(in.sin_addr.s_addr) >> 24) == 127;
  }
  if (address->family == AF_INET6 && address->addrlen >= sizeof(struct sockaddr_in6)) {
    struct sockaddr_in6 in6;
    /* curl declares addr as a bare sockaddr and allocates room for the longer ones behind it. */
    memcpy(&in6, (const char *)address + offsetof(struct curl_sockaddr, addr), sizeof in6);
    return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
  }
  return 0;
}

/* The host's name was loopback; here is the address that it became. A hosts file or a resolver
** that sends "localhost" elsewhere gets no key in clear. A kept connection was checked when it
** was made. Sockets do not survive exec(): the host's children have no business with them. */
static curl_socket_t on_open_socket(void *arg, curlsocktype purpose,
                                    struct curl_sockaddr *address) {
  transfer *t = arg;
  int fd;
  (void)purpose;
  if (t->is_plain && !is_loopback_address(address)) {
    t->net = LEADX_NET_UNTRUSTED;
    return CURL_SOCKET_BAD;
  }
  fd = socket(address->family, address->socktype, address->protocol);
  if (fd < 0) return CURL_SOCKET_BAD;
  (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
  return fd;
}

/* What ends a transfer when its answer cannot be taken. */
static size_t taken(transfer *t, int rc, size_t n) {
  if (rc == SQLITE_OK) return n;
  if (rc == SQLITE_TOOBIG) t->net = LEADX_NET_TOO_LARGE;
  else t->is_out_of_memory = 1;
  return CURL_WRITEFUNC_ERROR;
}

/* Receives decoded bytes, so the cap also holds for what a small gzip stream swells to. */
static size_t on_body(char *data, size_t size, size_t count, void *arg) {
  transfer *t = arg;
  return taken(t, leadx_receive_body(&t->in, data, size * count), size * count);
}

static size_t on_header(char *line, size_t size, size_t count, void *arg) {
  transfer *t = arg;
  return taken(t, leadx_receive_header(&t->in, line, size * count), size * count);
}

/* ---- making a transfer ---- */

static void headers_free(struct curl_slist *headers) {
  struct curl_slist *node;
  for (node = headers; node; node = node->next) explicit_bzero(node->data, strlen(node->data));
  curl_slist_free_all(headers);
}

static void transfer_free(transfer *t) {
  if (!t) return;
  curl_easy_cleanup(t->easy);
  headers_free(t->headers);
  curl_url_cleanup(t->url);
  sqlite3_free(t);
}

static int add_header(transfer *t, const char *line) {
  struct curl_slist *grown = curl_slist_append(t->headers, line);
  if (!grown) return SQLITE_NOMEM;
  t->headers = grown;
  return SQLITE_OK;
}

static int has_header(const leadx_request *req, const char *name) {
  size_t n = strlen(name);
  int i;
  for (i = 0; i < req->nheaders; i++) {
    if (strncasecmp(req->headers[i], name, n) == 0 && req->headers[i][n] == ':') return 1;
  }
  return 0;
}

/* The caller's headers; without the "Expect: 100-continue" that costs a round trip and the
** form Content-Type that curl adds to a body of its own accord. */
static int set_headers(transfer *t) {
  int rc = add_header(t, "Expect:");
  int i;
  for (i = 0; rc == SQLITE_OK && i < t->req->nheaders; i++) rc = add_header(t, t->req->headers[i]);
  if (rc == SQLITE_OK && !has_header(t->req, "Content-Type")) rc = add_header(t, "Content-Type:");
  return rc;
}

/* What every transfer has. None of it is a setting: nothing a database says can weaken it. */
static const struct {
  CURLoption option;
  long value;
} fixed_options[] = {
    {CURLOPT_NOSIGNAL, 1}, /* the process and its signals are the host's */
    {CURLOPT_NOPROGRESS, 0}, /* the progress callback is how a transfer is interrupted */
    {CURLOPT_FOLLOWLOCATION, 0},
    {CURLOPT_SSL_VERIFYPEER, 1},
    {CURLOPT_SSL_VERIFYHOST, 2},
    {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
    {CURLOPT_NETRC, CURL_NETRC_IGNORED}, /* a file in the home directory chooses no credential */
    {CURLOPT_UNRESTRICTED_AUTH, 0},
    {CURLOPT_DISALLOW_USERNAME_IN_URL, 1},
    {CURLOPT_HTTP09_ALLOWED, 0},
    {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS},
    {CURLOPT_TCP_NODELAY, 1},
    {CURLOPT_TCP_KEEPALIVE, 1},
    {CURLOPT_LOW_SPEED_LIMIT, LOW_SPEED_BYTES},
    {CURLOPT_LOW_SPEED_TIME, LOW_SPEED_SECONDS},
#if LIBCURL_VERSION_NUM >= 0x075700
    {CURLOPT_QUICK_EXIT, 1}, /* giving up does not wait for a resolver that hangs */
#endif
};

static CURLcode set_fixed_options(CURL *easy) {
  CURLcode code = CURLE_OK;
  size_t i;
  for (i = 0; code == CURLE_OK && i < sizeof fixed_options / sizeof *fixed_options; i++) {
    code = curl_easy_setopt(easy, fixed_options[i].option, fixed_options[i].value);
  }
  return code;
}

static CURLcode set_callbacks(transfer *t) {
  CURL *easy = t->easy;
  CURLcode code = curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
  if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
  if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
  if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_XFERINFODATA, t);
  if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
  if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t);
  if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
  if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
  return code;
}

/* gzip is asked for because rows of JSON shrink to a fifth or less on the slow links that
** matter; the cap counts what they swell to. */
static CURLcode set_connection(transfer *t) {
  const leadx_http_limits *limits = &t->http->limits;
  CURL *easy = t->easy;
  CURLcode code = curl_easy_setopt(easy, CURLOPT_CURLU, t->url);
  if (code == CURLE_OK)
    code = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, t->is_plain ? "http" : "https");
  /* No redirect is followed; this is the narrowest list that libcurl takes ("" is an error to
  ** it). */
  if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "https");
  if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_DEFAULT_PROTOCOL, "https");
  if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
  if (code == CURLE_OK)
    code = curl_easy_setopt(easy, CURLOPT_USERAGENT, "leadx/" LEADX_VERSION " (+sqlite)");
  if (code == CURLE_OK)
    code = curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, limits->connect_timeout_ms);
  if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, limits->timeout_ms);
  if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_PIPEWAIT, t->is_plain ? 0L : 1L);
  /* What is on this machine is reached directly, whatever the environment says of proxies. */
  if (code == CURLE_OK && t->is_loopback) code = curl_easy_setopt(easy, CURLOPT_PROXY, "");
  if (code == CURLE_OK && t->http->ca_file)
    code = curl_easy_setopt(easy, CURLOPT_CAINFO, t->http->ca_file);
  return code;
}

/* curl does not copy the body; it is lent until the request is done. */
static CURLcode set_method(transfer *t) {
  const leadx_request *req = t->req;
  CURL *easy = t->easy;
  int is_get = strcmp(req->method, "GET") == 0;
  int has_body = req->body || strcmp(req->method, "POST") == 0;
  CURLcode code = curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
  if (code == CURLE_OK && is_get)
    code = curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)GET_BUFFER_BYTES);
  if (code == CURLE_OK && has_body) {
    code = curl_easy_setopt(easy, CURLOPT_POSTFIELDS, req->body ? req->body : "");
    if (code == CURLE_OK) {
      code = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                              (curl_off_t)(req->body ? req->body_bytes : 0));
    }
    if (code == CURLE_OK && req->body && req->body_bytes > SMALL_BODY_BYTES) {
      code = curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER_BYTES);
    }
  }
  if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, req->method);
  if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);
  return code;
}

/* Parses the URL, once; curl is given the result, so that nobody reads it a second time and
** differently. Returns SQLITE_OK, SQLITE_NOMEM, or SQLITE_MISUSE and what is wrong. */
static int set_url(transfer *t, const char **fault) {
  leadx_address address;
  int rc;
  *fault = t->req->url ? NULL : "it is NULL";
  if (*fault) return SQLITE_MISUSE;
  rc = address_parse(t->url, t->req->url, &address, fault);
  t->is_plain = leadx_address_has_scheme(&address, "http");
  t->is_loopback = leadx_address_is_loopback(&address);
  address_clear(&address);
  return rc;
}

static int set_options(transfer *t) {
  CURLcode code;
  if (set_headers(t) != SQLITE_OK) return SQLITE_NOMEM;
  code = set_fixed_options(t->easy);
  if (code == CURLE_OK) code = set_callbacks(t);
  if (code == CURLE_OK) code = set_connection(t);
  if (code == CURLE_OK) code = set_method(t);
  if (code == CURLE_OK) return SQLITE_OK;
  return code == CURLE_OUT_OF_MEMORY ? SQLITE_NOMEM : SQLITE_ERROR;
}

static transfer *transfer_new(http *h, leadx_request *req) {
  transfer *t = sqlite3_malloc64(sizeof *t);
  if (!t) return NULL;
  memset(t, 0, sizeof *t);
  t->http = h;
  t->req = req;
  t->net = LEADX_NET_ANSWER;
  t->easy = curl_easy_init();
  t->url = curl_url();
  if (t->easy && t->url &&
      leadx_receive_begin(&t->in, req, h->limits.max_response_bytes) == SQLITE_OK)
    return t;
  transfer_free(t);
  return NULL;
}

/* ---- ending a transfer ---- */

/* Everything that is not here means that no complete answer came: offline. That includes 1, which
** is what curl says of a server that does not speak HTTP, and 3, which is what it says when it has
** no memory to copy a URL (the URL's scheme and form were checked before), and 27: out of
** memory. */
static const struct {
  CURLcode code;
  leadx_net net;
} net_of_code[] = {
    {CURLE_OK, LEADX_NET_ANSWER},
    {CURLE_ABORTED_BY_CALLBACK, LEADX_NET_INTERRUPTED},
    {CURLE_FILESIZE_EXCEEDED, LEADX_NET_TOO_LARGE},
    {CURLE_PEER_FAILED_VERIFICATION, LEADX_NET_UNTRUSTED},
    {CURLE_SSL_CERTPROBLEM, LEADX_NET_UNTRUSTED},
    {CURLE_SSL_CIPHER, LEADX_NET_UNTRUSTED},
    {CURLE_SSL_CACERT_BADFILE, LEADX_NET_UNTRUSTED},
    {CURLE_SSL_CRL_BADFILE, LEADX_NET_UNTRUSTED},
    {CURLE_SSL_ISSUER_ERROR, LEADX_NET_UNTRUSTED},
    {CURLE_SSL_PINNEDPUBKEYNOTMATCH, LEADX_NET_UNTRUSTED},
    {CURLE_SSL_INVALIDCERTSTATUS, LEADX_NET_UNTRUSTED},
    {CURLE_SSL_CLIENTCERT, LEADX_NET_UNTRUSTED},
    {CURLE_USE_SSL_FAILED, LEADX_NET_UNTRUSTED},
    {CURLE_FAILED_INIT, LEADX_NET_MISUSE},
    {CURLE_NOT_BUILT_IN, LEADX_NET_MISUSE},
    {CURLE_BAD_FUNCTION_ARGUMENT, LEADX_NET_MISUSE},
    {CURLE_UNKNOWN_OPTION, LEADX_NET_MISUSE},
};

static leadx_net net_of(CURLcode code) {
  size_t i;
  for (i = 0; i < sizeof net_of_code / sizeof *net_of_code; i++) {
    if (net_of_code[i].code == code) return net_of_code[i].net;
  }
  return LEADX_NET_OFFLINE;
}

static void count_bytes(transfer *t) {
  curl_off_t up = 0, down = 0;
  long sent = 0, received = 0;
  curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &up);
  curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
  curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &sent);
  curl_easy_getinfo(t->easy, CURLINFO_HEADER_SIZE, &received);
  /* A body that left together with the header is in both figures. */
  t->req->bytes_out = sent > up ? sent : sent + up;
  t->req->bytes_in = down + received;
}

static const char *net_text(leadx_net net) {
  switch (net) {
    case LEADX_NET_INTERRUPTED: return "interrupted";
    case LEADX_NET_TOO_LARGE: return "the answer is larger than allowed";
    case LEADX_NET_UNTRUSTED: return "the address behind this name is not loopback";
    default: return "";
  }
}

/* curl calls an answer complete also when the connection ended inside the header. */
static int is_complete(const transfer *t, long status) {
  long version = 0;
  curl_easy_getinfo(t->easy, CURLINFO_HTTP_VERSION, &version);
  return leadx_receive_is_complete(&t->in, status, version > CURL_HTTP_VERSION_1_1);
}

/* Fills in the request's answer. A callback's own decision outranks curl's code, which only
** says that a callback stopped the transfer. */
static void transfer_settle(transfer *t, CURLcode code) {
  leadx_request *req = t->req;
  const char *text = t->error;
  long status = 0;
  curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
  if (t->is_out_of_memory) code = CURLE_OUT_OF_MEMORY;
  if (code == CURLE_OK && !is_complete(t, status)) code = CURLE_PARTIAL_FILE;
  req->curl_code = (int)code;
  req->net = t->net != LEADX_NET_ANSWER ? t->net : net_of(code);
  count_bytes(t);
  if (req->net == LEADX_NET_ANSWER) {
    leadx_receive_finish(&t->in, status);
    return;
  }
  leadx_receive_discard(&t->in);
  if (t->net != LEADX_NET_ANSWER) text = net_text(t->net);
  if (!text[0] || t->is_out_of_memory) text = curl_easy_strerror(code);
  leadx_request_copy(req->error, sizeof req->error, text, strlen(text));
}

/* Frees what curl holds for a transfer that is off every list, and hands it to the caller's
** list. */
static void transfer_done(http *h, transfer *t) {
  curl_easy_cleanup(t->easy);
  t->easy = NULL;
  list_append(&h->done, t);
}

static void transfer_end(http *h, transfer *t, CURLcode code) {
  curl_multi_remove_handle(h->multi, t->easy);
  list_remove(&h->active, t);
  h->nactive--;
  transfer_settle(t, code);
  transfer_done(h, t);
}

/* Puts waiting transfers on the wire while there is room. */
static void launch(http *h) {
  while (h->waiting.first && h->nactive < h->limits.max_in_flight) {
    transfer *t = h->waiting.first;
    list_remove(&h->waiting, t);
    if (curl_multi_add_handle(h->multi, t->easy) == CURLM_OK) {
      list_append(&h->active, t);
      h->nactive++;
    } else {
      transfer_settle(t, CURLE_OUT_OF_MEMORY);
      transfer_done(h, t);
    }
  }
}

/* Moves what curl finished to the done list. */
static void collect(http *h) {
  CURLMsg *msg;
  int left;
  while ((msg = curl_multi_info_read(h->multi, &left)) != NULL) {
    CURLcode code = msg->data.result;
    transfer *t = NULL;
    if (msg->msg != CURLMSG_DONE) continue;
    curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &t);
    transfer_end(h, t, code);
  }
}

/* ---- the transport ---- */

static void http_cancel(leadx_transport *self) {
  http *h = (http *)self;
  collect(h);
  while (h->active.first) {
    h->active.first->net = LEADX_NET_INTERRUPTED;
    transfer_end(h, h->active.first, CURLE_ABORTED_BY_CALLBACK);
  }
  while (h->waiting.first) {
    transfer *t = h->waiting.first;
    list_remove(&h->waiting, t);
    t->net = LEADX_NET_INTERRUPTED;
    transfer_settle(t, CURLE_ABORTED_BY_CALLBACK);
    transfer_done(h, t);
  }
}

/* Lets curl do what can be done without waiting. An interrupt seen meanwhile, or a multi handle
** that failed, ends everything in flight. */
static void perform(http *h) {
  int running;
  CURLMcode code = curl_multi_perform(h->multi, &running);
  if (code != CURLM_OK || h->was_interrupted) http_cancel(&h->base);
  h->was_interrupted = 0;
}

/* A request that cannot be sent is done at once; the caller hears of it where it hears of
** everything. */
static void refuse(http *h, transfer *t, const char *fault) {
  t->req->net = LEADX_NET_MISUSE;
  t->req->curl_code = CURLE_URL_MALFORMAT;
  sqlite3_snprintf((int)sizeof t->req->error, t->req->error, "this URL cannot be used, %s", fault);
  transfer_done(h, t);
}

static int http_start(leadx_transport *self, leadx_request *req, leadx_err *err) {
  http *h = (http *)self;
  transfer *t = transfer_new(h, req);
  const char *fault = NULL;
  int rc;
  if (!t) return leadx_err_nomem(err);
  rc = set_url(t, &fault);
  if (rc == SQLITE_MISUSE) {
    refuse(h, t, fault);
    return SQLITE_OK;
  }
  if (rc == SQLITE_OK) rc = set_options(t);
  if (rc != SQLITE_OK) {
    transfer_free(t);
    if (rc == SQLITE_NOMEM) return leadx_err_nomem(err);
    return leadx_err_set(
        err, rc, "leadx: this libcurl lacks an option that safety depends on; use 7.85 or newer");
  }
  list_append(&h->waiting, t);
  /* One of few leaves at once, so that the caller may work while it travels; among many,
  ** the next wait() drives them all together. */
  launch(h);
  if (h->nactive <= FEW_TRANSFERS) perform(h);
  return SQLITE_OK;
}

static leadx_request *take_done(http *h) {
  transfer *t = h->done.first;
  leadx_request *req = t->req;
  list_remove(&h->done, t);
  transfer_free(t);
  return req;
}

static leadx_request *http_wait(leadx_transport *self, int timeout_ms) {
  http *h = (http *)self;
  int64_t deadline = real_ms() + timeout_ms;
  for (;;) {
    int64_t left;
    if (h->done.first) return take_done(h);
    if (!h->active.first && !h->waiting.first) return NULL;
    if (is_interrupted(h)) {
      http_cancel(self);
      continue;
    }
    launch(h);
    perform(h);
    collect(h);
    if (h->done.first) continue;
    left = deadline - real_ms();
    if (left <= 0) return NULL;
    curl_multi_poll(h->multi, NULL, 0, left < POLL_MS ? (int)left : POLL_MS, NULL);
  }
}

static void http_free(leadx_transport *self) {
  http *h = (http *)self;
  if (!h) return;
  if (h->multi) http_cancel(self);
  while (h->done.first) take_done(h);
  curl_multi_cleanup(h->multi);
  sqlite3_free(h->ca_file);
  sqlite3_free(h);
}

/* No limit is ever absent: what the caller leaves out has a default. */
static leadx_http_limits complete_limits(const leadx_http_limits *given) {
  leadx_http_limits limits = *given;
  if (limits.connect_timeout_ms <= 0) limits.connect_timeout_ms = DEFAULT_CONNECT_MS;
  if (limits.timeout_ms <= 0) limits.timeout_ms = DEFAULT_TOTAL_MS;
  if (limits.max_response_bytes <= 0) limits.max_response_bytes = DEFAULT_RESPONSE_BYTES;
  if (limits.max_response_bytes > INT32_MAX - 1) limits.max_response_bytes = INT32_MAX - 1;
  if (limits.max_in_flight <= 0) limits.max_in_flight = DEFAULT_IN_FLIGHT;
  return limits;
}

/* The lowest two descriptors that are free just now: a pair that is made next gets them. */
static int free_pair(int pair[2]) {
  for (int i = 0; i < 2; i++) pair[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  for (int i = 0; i < 2; i++) {
    if (pair[i] >= 0) close(pair[i]);
  }
  return pair[0] >= 0 && pair[1] >= 0;
}

static int is_local_socket(int fd) {
  struct sockaddr_storage address;
  socklen_t n = sizeof address;
  return getsockname(fd, (struct sockaddr *)&address, &n) == 0 && address.ss_family == AF_UNIX;
}

/* A multi handle has a pair of sockets by which it is woken up, and libcurl before 8.13 lets it
** survive exec() and tells nobody its numbers. Another thread may have got one of them meanwhile:
** only what is a local socket and is woken by this very handle is taken for it. */
static CURLM *new_multi(void) {
  int pair[2], is_known = free_pair(pair);
  CURLM *multi = curl_multi_init();
  if (!multi || !is_known || !is_local_socket(pair[0]) || !is_local_socket(pair[1])) return multi;
  struct pollfd woken = {.fd = pair[0], .events = POLLIN};
  if (poll(&woken, 1, 0) != 0 || curl_multi_wakeup(multi) != CURLM_OK || poll(&woken, 1, 0) != 1)
    return multi;
  (void)fcntl(pair[0], F_SETFD, FD_CLOEXEC);
  (void)fcntl(pair[1], F_SETFD, FD_CLOEXEC);
  return multi;
}

static int multi_set_up(http *h) {
  long connections = h->limits.max_in_flight < MAX_CONNECTIONS ? h->limits.max_in_flight
                                                               : MAX_CONNECTIONS;
  h->multi = new_multi();
  if (!h->multi) return 0;
  return curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX) == CURLM_OK &&
         curl_multi_setopt(h->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections) == CURLM_OK &&
         curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, connections) == CURLM_OK;
}

leadx_transport *leadx_http_open(const leadx_http_limits *limits, int (*interrupted)(void *),
                                 void *arg, leadx_err *err) {
  http *h;
  if (!curl_start()) {
    leadx_err_set(err, SQLITE_ERROR, "leadx: libcurl could not start");
    return NULL;
  }
  h = sqlite3_malloc64(sizeof *h);
  if (!h) {
    leadx_err_nomem(err);
    return NULL;
  }
  memset(h, 0, sizeof *h);
  h->base.start = http_start;
  h->base.wait = http_wait;
  h->base.cancel = http_cancel;
  h->base.free = http_free;
  h->limits = complete_limits(limits);
  h->interrupted = interrupted;
  h->interrupted_arg = arg;
  if (limits->ca_file) h->ca_file = sqlite3_mprintf("%s", limits->ca_file);
  h->limits.ca_file = h->ca_file;
  if ((limits->ca_file && !h->ca_file) || !multi_set_up(h)) {
    leadx_err_nomem(err);
    http_free(&h->base);
    return NULL;
  }
  return &h->base;
}
