/* Sessions: a list under one of SQLite's own application mutexes. See session.h. */
#define _DEFAULT_SOURCE /* explicit_bzero */
#include "session/session.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/host.h"
#include "base/secret.h"
#include "http/http.h"
#include "rest/rest.h"

/* A token is renewed when a tenth of its life is left, at most so long before its end. */
#define RENEW_EARLY_MS 60000
/* A server's word about a token's life counts up to ten years. */
#define LONGEST_LIFE_S ((int64_t)3650 * 86400)

struct leadx_session {
  leadx_session *next;
  int nref;
  pid_t pid; /* a child made by fork() begins with sessions of its own */
  char *filename; /* NULL: not shared */
  char *url, *apikey, *token, *refresh_token, *ca_file;
  leadx_token claims; /* of the token */
  int64_t renew_mono_ms; /* when to renew it; 0: not known */
  int64_t serial;
  int64_t nconfigured;
  int64_t refreshing_since_mono_ms; /* 0: nobody refreshes */
  int auth_required;
  int allow_secret_key;
  leadx_progress progress;
  int64_t throttled_until_mono_ms;
  int64_t next_sync_us;
  int batch;
  char left_lease[160];
};

static leadx_session *all_sessions;

static void enter(void) { leadx_mutex_enter(leadx_mutex_alloc(SQLITE_MUTEX_STATIC_APP1)); }
static void leave(void) { leadx_mutex_leave(leadx_mutex_alloc(SQLITE_MUTEX_STATIC_APP1)); }

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
  session->filename = leadx_secret_copy(filename);
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
  leadx_secret_forget(session);
  leadx_secret_free(session->url);
  leadx_secret_free(session->apikey);
  leadx_secret_free(session->token);
  leadx_secret_free(session->refresh_token);
  sqlite3_free(session->ca_file);
  sqlite3_free(session->filename);
  sqlite3_free(session);
}

void leadx_tokens_clear(leadx_tokens *tokens) {
  leadx_secret_free(tokens->access);
  leadx_secret_free(tokens->refresh);
  memset(tokens, 0, sizeof *tokens);
}

int leadx_tokens_copy(leadx_tokens *tokens, const char *access, const char *refresh) {
  tokens->access = leadx_secret_copy(access);
  tokens->refresh = leadx_secret_copy(refresh);
  if (tokens->access && (tokens->refresh || !refresh)) return 0;
  leadx_tokens_clear(tokens);
  return 1;
}

void leadx_credentials_clear(leadx_credentials *credentials) {
  leadx_secret_free(credentials->url);
  leadx_secret_free(credentials->apikey);
  leadx_secret_free(credentials->token);
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
  out->url = leadx_secret_copy(session->url);
  out->apikey = leadx_secret_copy(session->apikey);
  out->token = leadx_secret_copy(session->token);
  out->ca_file = leadx_secret_copy(session->ca_file);
  memcpy(out->user, session->claims.user, sizeof out->user);
  out->allow_secret_key = session->allow_secret_key;
  out->can_refresh = session->token && session->refresh_token;
  out->renew_mono_ms = session->renew_mono_ms;
  out->serial = session->serial;
  int failed = (session->url && !out->url) || (session->apikey && !out->apikey) ||
               (session->token && !out->token) || (session->ca_file && !out->ca_file);
  leave();
  return failed;
}

int leadx_session_is_configured(leadx_session *session) {
  enter();
  int configured = session->url != NULL;
  leave();
  return configured;
}

int leadx_session_credentials(leadx_session *session, const char *who, leadx_credentials *out,
                              leadx_err *err) {
  memset(out, 0, sizeof *out);
  if (!leadx_session_is_configured(session)) {
    const char *url = getenv("SUPABASE_URL");
    if (!url || !*url) {
      return leadx_err_set(err, SQLITE_ERROR,
                           "%s: no server is set; call leadx_configure(url, apikey) first", who);
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

static void forget_tokens(leadx_session *session) {
  leadx_secret_free(session->token);
  leadx_secret_free(session->refresh_token);
  session->token = session->refresh_token = NULL;
  memset(&session->claims, 0, sizeof session->claims);
  session->renew_mono_ms = 0;
  session->auth_required = 0;
  session->serial++;
}

/* A token that names its project is for that project's server. */
static int check_project(const char *who, const leadx_token *claims, const char *url,
                         leadx_err *err) {
  char project[LEADX_USER_BYTES] = "";
  if (url) leadx_token_project_of_url(url, project);
  if (!project[0] || !claims->project[0] || strcasecmp(project, claims->project) == 0)
    return SQLITE_OK;
  return leadx_err_set(err, SQLITE_ERROR,
                       "%s: this token is for the project %s, and the server is %s; sign in there, "
                       "or leadx_configure() the other",
                       who, claims->project, project);
}

static int check_key(const char *apikey, int allow_secret_key, leadx_err *err) {
  if (!apikey || !*apikey) {
    return leadx_err_set(err, SQLITE_ERROR,
                         "leadx_configure: the key is empty; pass the project's publishable key "
                         "(sb_publishable_…) or its anon key");
  }
  if (!leadx_rest_header_safe(apikey)) {
    return leadx_err_set(err, SQLITE_ERROR,
                         "leadx_configure: the key has a byte that no header may carry (only "
                         "printable ASCII without blanks is allowed)");
  }
  if (!allow_secret_key && leadx_rest_key_is_secret(apikey)) {
    return leadx_err_set(err, SQLITE_ERROR,
                         "leadx_configure: this is a secret key (sb_secret_… or service_role), "
                         "which bypasses row level security and does "
                         "not belong on a user's device; pass the publishable key, or "
                         "{\"allow_secret_key\":true} on a server");
  }
  return SQLITE_OK;
}

static void swap(char **a, char **b) {
  char *kept = *a;
  *a = *b;
  *b = kept;
}

/* Under the mutex. What was there before is handed back. */
static void put_server(leadx_session *session, char **url, char **apikey, char **ca_file,
                       int allow_secret_key) {
  if (session->url && !same_origin(session->url, *url)) forget_tokens(session);
  swap(&session->url, url);
  swap(&session->apikey, apikey);
  swap(&session->ca_file, ca_file);
  session->allow_secret_key = allow_secret_key;
  session->auth_required = 0;
  session->throttled_until_mono_ms = 0;
  session->nconfigured++;
}

int leadx_session_configure(leadx_session *session, const char *url, const char *apikey,
                            const char *ca_file, int allow_secret_key, leadx_err *err) {
  if (!url) {
    url = getenv("SUPABASE_URL");
    apikey = environment_key();
    if (!url || !*url || !apikey || !*apikey) {
      return leadx_err_set(err, SQLITE_ERROR,
                           "leadx_configure: SUPABASE_URL and SUPABASE_PUBLISHABLE_KEY (or "
                           "SUPABASE_ANON_KEY) are not both set in the "
                           "environment; set them or call leadx_configure(url, apikey)");
    }
  }
  int rc = check_key(apikey, allow_secret_key, err);
  if (rc != SQLITE_OK) return rc;
  char *base = leadx_http_base_url("leadx_configure", url, err);
  if (!base) return err->rc;
  char *key = leadx_secret_copy(apikey), *ca = leadx_secret_copy(ca_file);
  if (!key || (ca_file && !ca) || leadx_secret_know(session, key) != SQLITE_OK) {
    sqlite3_free(base);
    leadx_secret_free(key);
    sqlite3_free(ca);
    return leadx_err_nomem(err);
  }
  enter();
  /* A token that was set before any server belongs to the first one. */
  if (!session->url && session->token)
    rc = check_project("leadx_configure", &session->claims, base, err);
  if (rc == SQLITE_OK) put_server(session, &base, &key, &ca, allow_secret_key);
  leave();
  leadx_secret_free(base);
  leadx_secret_free(key);
  sqlite3_free(ca);
  return rc;
}

/* ---- tokens ---- */

int leadx_session_check_token(leadx_session *session, const char *who, const char *access,
                              leadx_token *claims, leadx_err *err) {
  if (!leadx_rest_header_safe(access)) {
    return leadx_err_set(err, SQLITE_ERROR,
                         "%s: the token has a byte that no header may carry, or is empty", who);
  }
  int rc = leadx_token_read(access, claims);
  if (rc == 2) {
    return leadx_err_set(err, SQLITE_ERROR,
                         "%s: the token's user (sub) or project (ref) is no text of at most %d "
                         "bytes, so nobody could tell it from another; pass a token whose is",
                         who, LEADX_USER_BYTES - 1);
  }
  if (rc) {
    return leadx_err_set(err, SQLITE_ERROR,
                         "%s: this is no JWT (three parts with dots, the second one JSON); pass "
                         "the user's access token",
                         who);
  }
  enter();
  int secret = !session->allow_secret_key && leadx_rest_key_is_secret(access);
  rc = secret ? SQLITE_OK : check_project(who, claims, session->url, err);
  leave();
  if (!secret) return rc;
  return leadx_err_set(err, SQLITE_ERROR,
                       "%s: this token has the role service_role, which bypasses row level "
                       "security; pass a user's token",
                       who);
}

int64_t leadx_session_serial(leadx_session *session) {
  enter();
  int64_t serial = session->serial;
  leave();
  return serial;
}

/* From when on a token that lives so long from now is renewed. */
static int64_t renewal(int64_t life_s) {
  if (life_s > LONGEST_LIFE_S) life_s = LONGEST_LIFE_S;
  int64_t life_ms = life_s > 0 ? life_s * 1000 : 0, early_ms = life_ms / 10;
  if (early_ms > RENEW_EARLY_MS) early_ms = RENEW_EARLY_MS;
  return leadx_clock_mono_ms() + life_ms - early_ms;
}

/* Under the mutex. Moves the texts out of tokens (NULL: none) unless the session has moved on. */
static int put_tokens(leadx_session *session, int64_t serial, leadx_tokens *tokens) {
  if (serial != LEADX_ANY_SERIAL && session->serial != serial) return 0;
  forget_tokens(session);
  if (!tokens) return 1;
  session->token = tokens->access;
  session->refresh_token = tokens->refresh;
  session->claims = tokens->claims;
  if (tokens->expires_in_s > 0) session->renew_mono_ms = renewal(tokens->expires_in_s);
  tokens->access = tokens->refresh = NULL;
  return 1;
}

int leadx_session_know(leadx_session *session, const leadx_tokens *tokens) {
  int rc = leadx_secret_know(session, tokens->access);
  return rc == SQLITE_OK ? leadx_secret_know(session, tokens->refresh) : rc;
}

int leadx_session_replace_tokens(leadx_session *session, int64_t serial, leadx_tokens *tokens) {
  enter();
  int done = put_tokens(session, serial, tokens);
  leave();
  if (tokens) leadx_tokens_clear(tokens);
  return done;
}

leadx_refresh_turn leadx_session_begin_refresh(leadx_session *session, int64_t serial,
                                               int64_t patience_ms, char **refresh_token) {
  leadx_refresh_turn turn = LEADX_REFRESH_MINE;
  int64_t now = leadx_clock_mono_ms();
  *refresh_token = NULL;
  enter();
  if (session->serial != serial) turn = LEADX_REFRESH_NEWER;
  else if (!session->token || !session->refresh_token) turn = LEADX_REFRESH_NONE;
  else if (session->refreshing_since_mono_ms &&
           now - session->refreshing_since_mono_ms < patience_ms)
    turn = LEADX_REFRESH_WAIT;
  else if (!(*refresh_token = leadx_secret_copy(session->refresh_token)))
    turn = LEADX_REFRESH_NOMEM;
  if (turn == LEADX_REFRESH_MINE) session->refreshing_since_mono_ms = now > 0 ? now : 1;
  leave();
  return turn;
}

int leadx_session_end_refresh(leadx_session *session, int64_t serial, leadx_tokens *tokens,
                              int is_final) {
  int done = 0;
  enter();
  session->refreshing_since_mono_ms = 0;
  if (tokens) {
    done = put_tokens(session, serial, tokens);
  } else if (is_final && session->serial == serial) {
    leadx_secret_free(session->refresh_token);
    session->refresh_token = NULL;
    session->auth_required = 1;
  }
  leave();
  if (tokens) leadx_tokens_clear(tokens);
  return done;
}

int64_t leadx_session_note_time(leadx_session *session, int64_t serial, int64_t server_s) {
  int64_t at = 0;
  enter();
  if (session->token && session->serial == serial) {
    if (server_s > 0 && session->renew_mono_ms == 0 && session->claims.expires_s > 0) {
      session->renew_mono_ms = renewal(session->claims.expires_s - server_s);
    }
    at = session->renew_mono_ms;
  }
  leave();
  return at;
}

const char *leadx_auth_state_name(leadx_auth_state state) {
  static const char *const names[] = {"none", "signed_out", "signed_in", "auth_required"};
  return names[state];
}

leadx_auth_state leadx_session_auth_state(leadx_session *session, char user[LEADX_USER_BYTES]) {
  const char *url = getenv("SUPABASE_URL");
  enter();
  leadx_auth_state state = session->auth_required          ? LEADX_AUTH_REQUIRED
                           : session->token                ? LEADX_AUTH_SIGNED_IN
                           : session->url || (url && *url) ? LEADX_AUTH_SIGNED_OUT
                                                           : LEADX_AUTH_NONE;
  memcpy(user, session->claims.user, LEADX_USER_BYTES);
  leave();
  return state;
}

void leadx_session_set_auth_required(leadx_session *session, int required) {
  enter();
  session->auth_required = required;
  leave();
}

/* ---- a sync, seen from outside ---- */

void leadx_session_get_progress(leadx_session *session, leadx_progress *progress) {
  enter();
  *progress = session->progress;
  leave();
}

void leadx_session_begin_phase(leadx_session *session, const char *phase) {
  enter();
  session->progress.syncing = 1;
  session->progress.done = session->progress.total = 0;
  sqlite3_snprintf(sizeof session->progress.phase, session->progress.phase, "%s", phase);
  leave();
}

void leadx_session_show_counts(leadx_session *session, int64_t done, int64_t total) {
  enter();
  session->progress.done = done;
  session->progress.total = total;
  leave();
}

void leadx_session_end_sync(leadx_session *session, int online, const char *message) {
  enter();
  session->progress.syncing = 0;
  session->progress.phase[0] = 0;
  if (online >= 0) session->progress.online = online;
  sqlite3_snprintf(sizeof session->progress.message, session->progress.message, "%s", message);
  leave();
}

void leadx_session_show_offline(leadx_session *session, const char *message) {
  enter();
  session->progress.online = 0;
  sqlite3_snprintf(sizeof session->progress.message, session->progress.message, "%s", message);
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
  int64_t generation = session->serial + session->nconfigured;
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
