/* Sessions: a list under one of SQLite's own application mutexes. See session.h. */
#define _DEFAULT_SOURCE /* explicit_bzero */
#include "session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doc.h"
#include "http.h"
#include "rest.h"

struct leadx_session {
  leadx_session *next;
  int nref;
  pid_t pid;      /* a child made by fork() begins with sessions of its own */
  char *filename; /* NULL: not shared */
  char *url, *apikey, *token, *refresh_token, *ca_file;
  char user[64];
  int allow_secret_key;
  leadx_progress progress;
  int64_t throttled_until_mono_ms;
  int64_t generation;
  int64_t next_sync_us;
  int batch;
  char left_lease[160];
};

static leadx_session *all_sessions;

static void enter(void) { sqlite3_mutex_enter(sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_APP1)); }
static void leave(void) { sqlite3_mutex_leave(sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_APP1)); }

static void free_secret(char *text) {
  if (text) explicit_bzero(text, strlen(text));
  sqlite3_free(text);
}

static char *copy_text(const char *text) { return text ? sqlite3_mprintf("%s", text) : NULL; }

static leadx_session *find(const char *filename) {
  for (leadx_session *s = all_sessions; s; s = s->next) {
    if (s->filename && strcmp(s->filename, filename) == 0 && s->pid == getpid()) return s;
  }
  return NULL;
}

static leadx_session *session_new(const char *filename) {
  leadx_session *session = sqlite3_malloc64(sizeof *session);
  if (!session) return NULL;
  memset(session, 0, sizeof *session);
  session->progress.online = -1;
  session->pid = getpid();
  session->filename = copy_text(filename);
  if (filename && !session->filename) {
    sqlite3_free(session);
    return NULL;
  }
  session->next = all_sessions;
  all_sessions = session;
  return session;
}

leadx_session *leadx_session_open(const char *filename) {
  if (filename && !*filename) filename = NULL;
  enter();
  leadx_session *session = filename ? find(filename) : NULL;
  if (!session) session = session_new(filename);
  if (session) session->nref++;
  leave();
  return session;
}

static void unlink_session(leadx_session *session) {
  leadx_session **at = &all_sessions;
  while (*at != session) at = &(*at)->next;
  *at = session->next;
}

void leadx_session_close(leadx_session *session) {
  if (!session) return;
  enter();
  int last = --session->nref == 0;
  if (last) unlink_session(session);
  leave();
  if (!last) return;
  free_secret(session->url);
  free_secret(session->apikey);
  free_secret(session->token);
  free_secret(session->refresh_token);
  sqlite3_free(session->ca_file);
  sqlite3_free(session->filename);
  sqlite3_free(session);
}

void leadx_credentials_clear(leadx_credentials *credentials) {
  free_secret(credentials->url);
  free_secret(credentials->apikey);
  free_secret(credentials->token);
  sqlite3_free(credentials->ca_file);
  memset(credentials, 0, sizeof *credentials);
}

static const char *environment_key(void) {
  const char *key = getenv("SUPABASE_PUBLISHABLE_KEY");
  return key && *key ? key : getenv("SUPABASE_ANON_KEY");
}

/* Copies under the mutex; 1 when a copy failed. */
static int copy_out(leadx_session *session, leadx_credentials *out) {
  enter();
  out->url = copy_text(session->url);
  out->apikey = copy_text(session->apikey);
  out->token = copy_text(session->token);
  out->ca_file = copy_text(session->ca_file);
  memcpy(out->user, session->user, sizeof out->user);
  out->allow_secret_key = session->allow_secret_key;
  int failed = (session->url && !out->url) || (session->apikey && !out->apikey) || (session->token && !out->token) ||
               (session->ca_file && !out->ca_file);
  leave();
  return failed;
}

int leadx_session_is_configured(leadx_session *session) {
  enter();
  int configured = session->url != NULL;
  leave();
  return configured;
}

int leadx_session_credentials(leadx_session *session, const char *who, leadx_credentials *out, leadx_err *err) {
  memset(out, 0, sizeof *out);
  if (!leadx_session_is_configured(session)) {
    const char *url = getenv("SUPABASE_URL");
    if (!url || !*url) {
      return leadx_err_set(err, SQLITE_ERROR, "%s: no server is set; call leadx_configure(url, apikey) first", who);
    }
    int rc = leadx_session_configure(session, NULL, NULL, NULL, 0, err);
    if (rc != SQLITE_OK) return rc;
  }
  if (copy_out(session, out)) {
    leadx_credentials_clear(out);
    return leadx_err_nomem(err);
  }
  return SQLITE_OK;
}

/* Length of "scheme://host:port". */
static size_t origin_length(const char *url) {
  const char *host = strstr(url, "://");
  return host ? (size_t)(host - url) + 3 + strcspn(host + 3, "/") : strlen(url);
}

static int same_origin(const char *a, const char *b) {
  return a && b && origin_length(a) == origin_length(b) && strncmp(a, b, origin_length(a)) == 0;
}

static void forget_token(leadx_session *session) {
  free_secret(session->token);
  free_secret(session->refresh_token);
  session->token = session->refresh_token = NULL;
  session->user[0] = 0;
}

static int check_key(const char *apikey, int allow_secret_key, leadx_err *err) {
  if (!apikey || !*apikey) {
    return leadx_err_set(err, SQLITE_ERROR,
                         "leadx_configure: the key is empty; pass the project's publishable key (sb_publishable_…) or its anon key");
  }
  if (!leadx_rest_header_safe(apikey)) {
    return leadx_err_set(err, SQLITE_ERROR,
                         "leadx_configure: the key has a byte that no header may carry (only printable ASCII without blanks is allowed)");
  }
  if (!allow_secret_key && leadx_rest_key_is_secret(apikey)) {
    return leadx_err_set(err, SQLITE_ERROR,
                         "leadx_configure: this is a secret key (sb_secret_… or service_role), which bypasses row level security and does "
                         "not belong on a user's device; pass the publishable key, or {\"allow_secret_key\":true} on a server");
  }
  return SQLITE_OK;
}

int leadx_session_configure(leadx_session *session, const char *url, const char *apikey, const char *ca_file, int allow_secret_key,
                            leadx_err *err) {
  if (!url) {
    url = getenv("SUPABASE_URL");
    apikey = environment_key();
    if (!url || !*url || !apikey || !*apikey) {
      return leadx_err_set(err, SQLITE_ERROR,
                           "leadx_configure: SUPABASE_URL and SUPABASE_PUBLISHABLE_KEY (or SUPABASE_ANON_KEY) are not both set in the "
                           "environment; set them or call leadx_configure(url, apikey)");
    }
  }
  int rc = check_key(apikey, allow_secret_key, err);
  if (rc != SQLITE_OK) return rc;
  char *base = leadx_http_base_url("leadx_configure", url, err);
  if (!base) return err->rc;
  char *key = copy_text(apikey), *ca = copy_text(ca_file);
  if (!key || (ca_file && !ca)) {
    sqlite3_free(base);
    free_secret(key);
    sqlite3_free(ca);
    return leadx_err_nomem(err);
  }
  enter();
  if (!same_origin(session->url, base)) forget_token(session);
  free_secret(session->url);
  free_secret(session->apikey);
  sqlite3_free(session->ca_file);
  session->url = base;
  session->apikey = key;
  session->ca_file = ca;
  session->allow_secret_key = allow_secret_key;
  session->throttled_until_mono_ms = 0;
  session->generation++;
  leave();
  return SQLITE_OK;
}

/* Decodes the base64url of a JWT's middle part. NULL when it is none. The caller frees. */
static char *decode_claims(const char *token, size_t *n) {
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const char *from = strchr(token, '.');
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

/* Who the token speaks for: its sub, copied to user. */
static int read_subject(const char *token, char user[64], leadx_err *err) {
  size_t n = 0;
  char *json = decode_claims(token, &n);
  leadx_err quiet = {0};
  leadx_doc *claims = json ? leadx_doc_parse("leadx_set_token", json, n, &quiet) : NULL;
  const char *sub = claims ? leadx_doc_text(claims, "sub") : NULL;
  int ok = claims && leadx_doc_is_object(claims);
  if (ok) sqlite3_snprintf(64, user, "%s", sub ? sub : "");
  leadx_doc_free(claims);
  if (json) explicit_bzero(json, n);
  sqlite3_free(json);
  if (ok) return SQLITE_OK;
  return leadx_err_set(err, SQLITE_ERROR,
                       "leadx_set_token: this is no JWT (three parts with dots, the second one JSON); pass the user's access token");
}

int64_t leadx_session_token_expiry(const char *token) {
  size_t n = 0;
  char *json = decode_claims(token, &n);
  leadx_err quiet = {0};
  leadx_doc *claims = json ? leadx_doc_parse("token", json, n, &quiet) : NULL;
  double exp = leadx_doc_number(leadx_doc_get(claims, "exp"));
  leadx_doc_free(claims);
  if (json) explicit_bzero(json, n);
  sqlite3_free(json);
  return exp > 0 && exp < 1e12 ? (int64_t)exp : 0;
}

int leadx_session_set_token(leadx_session *session, const char *token, const char *refresh_token, leadx_err *err) {
  char user[64] = "";
  if (token && !leadx_rest_header_safe(token)) {
    return leadx_err_set(err, SQLITE_ERROR, "leadx_set_token: the token has a byte that no header may carry, or is empty");
  }
  if (token && read_subject(token, user, err) != SQLITE_OK) return err->rc;
  char *access = copy_text(token), *refresh = copy_text(refresh_token);
  if ((token && !access) || (refresh_token && !refresh)) {
    free_secret(access);
    free_secret(refresh);
    return leadx_err_nomem(err);
  }
  enter();
  int secret = token && !session->allow_secret_key && leadx_rest_key_is_secret(token);
  if (!secret) {
    forget_token(session);
    session->token = access;
    session->refresh_token = refresh;
    memcpy(session->user, user, sizeof user);
    session->generation++;
  }
  leave();
  if (!secret) return SQLITE_OK;
  free_secret(access);
  free_secret(refresh);
  return leadx_err_set(err, SQLITE_ERROR,
                       "leadx_set_token: this token has the role service_role, which bypasses row level security; pass a user's token");
}

void leadx_session_set_progress(leadx_session *session, const leadx_progress *progress) {
  enter();
  session->progress = *progress;
  leave();
}

void leadx_session_get_progress(leadx_session *session, leadx_progress *progress) {
  enter();
  *progress = session->progress;
  leave();
}

void leadx_session_throttle(leadx_session *session, int64_t until_mono_ms) {
  enter();
  session->throttled_until_mono_ms = until_mono_ms;
  leave();
}

int64_t leadx_session_throttled_until(leadx_session *session) {
  enter();
  int64_t until = session->throttled_until_mono_ms;
  leave();
  return until;
}

void leadx_session_leave_lease(leadx_session *session, const char *owner) {
  enter();
  sqlite3_snprintf(sizeof session->left_lease, session->left_lease, "%s", owner);
  leave();
}

void leadx_session_left_lease(leadx_session *session, char *owner, int nowner) {
  enter();
  sqlite3_snprintf(nowner, owner, "%s", session->left_lease);
  leave();
}

int64_t leadx_session_generation(leadx_session *session) {
  enter();
  int64_t generation = session->generation;
  leave();
  return generation;
}

void leadx_session_set_next_sync(leadx_session *session, int64_t wall_us) {
  enter();
  session->next_sync_us = wall_us;
  leave();
}

int64_t leadx_session_next_sync(leadx_session *session) {
  enter();
  int64_t wall_us = session->next_sync_us;
  leave();
  return wall_us;
}

void leadx_session_set_batch(leadx_session *session, int size) {
  enter();
  session->batch = size;
  leave();
}

int leadx_session_batch(leadx_session *session) {
  enter();
  int size = session->batch;
  leave();
  return size;
}
