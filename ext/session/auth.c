/* The token of one run. See auth.h. */
#define _DEFAULT_SOURCE /* explicit_bzero */
#include "session/auth.h"

#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "store/settings.h"

/* How often a connection looks whether another one's refresh is done. */
#define LOOK_MS 20

void leadx_auth_init(leadx_auth *auth, leadx_ctx *ctx, leadx_transport *transport,
                     leadx_credentials *credentials, leadx_target *target) {
  memset(auth, 0, sizeof *auth);
  auth->ctx = ctx;
  auth->transport = transport;
  auth->credentials = credentials;
  auth->target = target;
  auth->class_ = LEADX_CLASS_AUTH;
  auth->retry_after_s = -1;
}

int leadx_auth_is_due(const leadx_auth *auth) {
  const leadx_credentials *credentials = auth->credentials;
  if (auth->is_refused) return 1;
  if (!credentials->can_refresh || auth->is_spent || auth->is_fresh ||
      credentials->renew_mono_ms == 0)
    return 0;
  return leadx_clock_mono_ms() >= credentials->renew_mono_ms;
}

/* ---- what answers tell ---- */

/* What to do about a refusal, by what was refused. */
static const char *advice(const leadx_auth *auth, const leadx_verdict *verdict) {
  if (!auth->credentials->token)
    return "nobody is signed in; call leadx_login(email, password) or leadx_set_token()";
  if (!verdict->code[0])
    return "check the key in leadx_configure(url, apikey), else call leadx_set_token() with a "
           "fresh token or leadx_login()";
  if (strstr(verdict->message, "JWSInvalidSignature") ||
      strstr(verdict->message, "No suitable key")) {
    return "the token was made by another project, or its keys have changed; call "
           "leadx_set_token() with one of this project or leadx_login()";
  }
  return "call leadx_set_token() with a fresh token or leadx_login()";
}

static void note_refusal(leadx_auth *auth, const leadx_request *done,
                         const leadx_verdict *verdict) {
  auth->is_refused = 1;
  if (auth->is_spent) return; /* why there is no better token is known */
  auth->class_ = LEADX_CLASS_AUTH;
  auth->retry_after_s = -1;
  sqlite3_snprintf(sizeof auth->message, auth->message, "%ld %s%s%s; %s", done->status,
                   verdict->code, verdict->code[0] ? " " : "", verdict->message,
                   advice(auth, verdict));
}

/* Of a token that the application brought only its end is known, by the server's clock: how long it
** is until then. */
static void note_time(leadx_auth *auth, int64_t server_s) {
  if (auth->knows_time || server_s <= 0) return;
  auth->knows_time = 1;
  auth->credentials->renew_mono_ms = leadx_session_note_time(auth->ctx->session,
                                                             auth->credentials->serial, server_s);
}

void leadx_auth_note(leadx_auth *auth, const leadx_request *done, const leadx_verdict *verdict) {
  note_time(auth, done->date_s);
  if (verdict->class_ == LEADX_CLASS_AUTH) note_refusal(auth, done, verdict);
  else if (done->net == LEADX_NET_ANSWER) auth->is_fresh = 0;
}

/* ---- refreshing ---- */

static int fail(leadx_auth *auth, leadx_class class_, const char *message) {
  auth->is_spent = 1;
  auth->class_ = class_;
  sqlite3_snprintf(sizeof auth->message, auth->message, "%s", message);
  return 0;
}

/* Takes what the session has now. 0 when that is somebody else's, whose rows this run must not
** send. */
static int take_token(leadx_auth *auth) {
  leadx_credentials now;
  leadx_err err = {0};
  if (leadx_session_credentials(auth->ctx->session, "leadx", &now, &err) != SQLITE_OK)
    return fail(auth, LEADX_CLASS_INTERRUPTED, err.text);
  leadx_credentials *own = auth->credentials;
  int same = now.token && strcmp(now.user, own->user) == 0 && strcmp(now.url, own->url) == 0;
  if (same) {
    char *old = own->token;
    own->token = now.token;
    now.token = old;
    own->serial = now.serial;
    own->can_refresh = now.can_refresh;
    own->renew_mono_ms = now.renew_mono_ms;
    auth->target->token = own->token;
    auth->is_fresh = 1;
    auth->is_refused = 0;
  }
  leadx_credentials_clear(&now);
  return same ? 1
              : fail(auth, LEADX_CLASS_INTERRUPTED,
                     "somebody else has signed in, or this user out, meanwhile; sync again");
}

/* Asks the server for new tokens. */
static void ask(leadx_auth *auth, const char *refresh_token, leadx_grant *grant) {
  leadx_err err = {0};
  leadx_request *done = leadx_transport_carry(
      auth->transport, leadx_grant_refresh_request(auth->target, refresh_token, &err), &err);
  memset(grant, 0, sizeof *grant);
  if (!done) {
    grant->class_ = LEADX_CLASS_INTERRUPTED;
    sqlite3_snprintf(sizeof grant->message, grant->message, "%.500s", err.text);
    return;
  }
  leadx_traffic_count(&auth->traffic, done);
  leadx_grant_read(LEADX_GRANT_REFRESH, done, grant);
  leadx_request_free(done);
  if (grant->class_ != LEADX_CLASS_OK ||
      strcmp(grant->tokens.claims.user, auth->credentials->user) == 0)
    return;
  leadx_grant_clear(grant);
  grant->class_ = LEADX_CLASS_PROTOCOL;
  sqlite3_snprintf(sizeof grant->message, grant->message,
                   "the server answered a token of another user; nothing was taken");
}

/* It is this connection's turn: asks, and stores what comes at once, because the old refresh token
** is used up by now. */
static int refresh(leadx_auth *auth, char *refresh_token) {
  leadx_grant grant;
  ask(auth, refresh_token, &grant);
  leadx_secret_free(refresh_token);
  if (grant.class_ == LEADX_CLASS_OK &&
      leadx_session_know(auth->ctx->session, &grant.tokens) != SQLITE_OK) {
    leadx_grant_clear(&grant);
    grant.class_ = LEADX_CLASS_INTERRUPTED;
    sqlite3_snprintf(sizeof grant.message, grant.message, "out of memory");
  }
  int came = grant.class_ == LEADX_CLASS_OK, ok = 1;
  leadx_session_end_refresh(auth->ctx->session, auth->credentials->serial,
                            came ? &grant.tokens : NULL, grant.is_final);
  if (came) {
    ok = take_token(auth);
  } else {
    char message[640];
    sqlite3_snprintf(sizeof message, message, "the token could not be renewed: %s", grant.message);
    auth->retry_after_s = grant.retry_after_s;
    if (grant.is_final) auth->credentials->can_refresh = 0;
    ok = fail(auth, grant.class_, message);
  }
  leadx_grant_clear(&grant);
  return ok;
}

/* Waits for its turn, which may be as long as somebody else's requests may take. */
static int wait_and_refresh(leadx_auth *auth) {
  const leadx_settings *settings = auth->ctx->settings;
  int64_t patience_ms = leadx_settings_ms(settings, LEADX_CONNECT_TIMEOUT) +
                        leadx_settings_ms(settings, LEADX_TIMEOUT) + 1000;
  char *refresh_token = NULL;
  for (;;) {
    switch (leadx_session_begin_refresh(auth->ctx->session, auth->credentials->serial, patience_ms,
                                        &refresh_token)) {
      case LEADX_REFRESH_MINE: return refresh(auth, refresh_token);
      case LEADX_REFRESH_NEWER: return take_token(auth);
      case LEADX_REFRESH_NONE:
        auth->credentials->can_refresh = 0;
        return 0; /* what the server says of the old one stands */
      case LEADX_REFRESH_NOMEM: return fail(auth, LEADX_CLASS_INTERRUPTED, "out of memory");
      case LEADX_REFRESH_WAIT: break;
    }
    if (leadx_db_interrupted(&auth->ctx->db))
      return fail(auth, LEADX_CLASS_INTERRUPTED, "interrupted");
    sqlite3_sleep(LOOK_MS);
  }
}

int leadx_auth_refresh(leadx_auth *auth) {
  if (!leadx_auth_is_due(auth)) return 1;
  int refused = auth->is_refused;
  /* A new token that is refused like the old one will not be followed by a better one. */
  if (refused && (auth->is_spent || auth->is_fresh)) return 0;
  return wait_and_refresh(auth) || !refused;
}
