/* What a process knows and a file must not: the server's address, the keys, the tokens.
** One session per process and file, shared by all its connections; a file without a name
** (:memory:, temporary) has one per connection. All memory that held a secret is wiped. */
#ifndef LEADX_SESSION_H
#define LEADX_SESSION_H

#include "base/err.h"
#include "session/token.h"

typedef struct leadx_session leadx_session;

/* Opens or joins the session of a file; NULL when out of memory. */
leadx_session *leadx_session_open(const char *filename);
void leadx_session_close(leadx_session *session); /* accepts NULL */

/* The credentials of one moment: a copy that the caller clears. Texts are sqlite3_malloc or
** NULL. */
typedef struct leadx_credentials {
  char *url, *apikey, *token, *ca_file;
  char user[LEADX_USER_BYTES]; /* the token's sub, "" without a token */
  int allow_secret_key;
  int can_refresh; /* there is a refresh token, */
  int64_t
      /* and from this monotonic millisecond on it should be used; 0: nobody knows yet */
      renew_mono_ms;
  int64_t serial; /* which of the session's tokens this is */
} leadx_credentials;

/* Copies the credentials out; when nothing was configured, the environment is asked first
** (SUPABASE_URL with SUPABASE_PUBLISHABLE_KEY or SUPABASE_ANON_KEY). who names the caller in
** errors. */
int leadx_session_credentials(leadx_session *session, const char *who, leadx_credentials *out,
                              leadx_err *err);
void leadx_credentials_clear(leadx_credentials *credentials);

/* Sets server and key. NULL url: from the environment. Another origin than before forgets the
** tokens. */
int leadx_session_configure(leadx_session *session, const char *url, const char *apikey,
                            const char *ca_file, int allow_secret_key, leadx_err *err);
int leadx_session_is_configured(leadx_session *session);

/* ---- tokens ---- */

/* What a sign-in brings. sqlite3_malloc texts or NULL. */
typedef struct leadx_tokens {
  char *access, *refresh;
  int64_t expires_in_s; /* counted from now; 0 when it was not told */
  leadx_token claims; /* of the access token */
} leadx_tokens;
void leadx_tokens_clear(leadx_tokens *tokens); /* wipes them */
/* Copies two texts (refresh may be NULL) in; 1 when out of memory. */
int leadx_tokens_copy(leadx_tokens *tokens, const char *access, const char *refresh);

/* Is it an access token that can be used here: a JWT, not for a service role (unless those are
** allowed), not of another project than the server's where that can be told? who names the caller
** in errors. */
int leadx_session_check_token(leadx_session *session, const char *who, const char *access,
                              leadx_token *claims, leadx_err *err);

/* Makes tokens known as secrets (secret.h), which the session remembers until it is closed. Before
** they are put into it: what a server says of them must not be shown. SQLITE_NOMEM. */
int leadx_session_know(leadx_session *session, const leadx_tokens *tokens);

/* Which of the session's tokens is the present one; it grows with every change, of the server as
** well. */
int64_t leadx_session_serial(leadx_session *session);

#define LEADX_ANY_SERIAL ((int64_t)-1)
/* Puts new tokens in place of those with that serial, or (NULL) forgets them. Returns 1; 0 when
** somebody else has changed them meanwhile, which stands. Takes the texts over, whatever it
** returns. */
int leadx_session_replace_tokens(leadx_session *session, int64_t serial, leadx_tokens *tokens);

/* One refresh at a time: refresh tokens are good for one use. */
typedef enum leadx_refresh_turn {
  /* go ahead, then leadx_session_end_refresh(); *refresh_token is a copy to be wiped */
  LEADX_REFRESH_MINE,
  LEADX_REFRESH_WAIT, /* another connection is at it */
  LEADX_REFRESH_NEWER, /* the session has another token than that serial */
  LEADX_REFRESH_NONE, /* there is no refresh token */
  LEADX_REFRESH_NOMEM
} leadx_refresh_turn;
/* A refresh that began longer ago than patience_ms is given up by everybody: its thread is gone (a
** fork). */
leadx_refresh_turn leadx_session_begin_refresh(leadx_session *session, int64_t serial,
                                               int64_t patience_ms, char **refresh_token);
/* tokens NULL: nothing came, the old ones stay; is_final: the refresh token is of no use any more.
** Else as replace_tokens. */
int leadx_session_end_refresh(leadx_session *session, int64_t serial, leadx_tokens *tokens,
                              int is_final);

/* The server's own time, from an answer: from now on it is known when the token with that serial
** expires, whatever this device's clock says. Returns the monotonic millisecond from which on it
** should be renewed; 0: not known. */
int64_t leadx_session_note_time(leadx_session *session, int64_t serial, int64_t server_s);

/* Who requests speak for. */
typedef enum leadx_auth_state {
  LEADX_AUTH_NONE,
  LEADX_AUTH_SIGNED_OUT,
  LEADX_AUTH_SIGNED_IN,
  LEADX_AUTH_REQUIRED
} leadx_auth_state;
/* *user gets the token's user, "" without one. */
leadx_auth_state leadx_session_auth_state(leadx_session *session, char user[LEADX_USER_BYTES]);
const char *leadx_auth_state_name(
    leadx_auth_state state); /* 'none' 'signed_out' 'signed_in' 'auth_required' */
/* A sync found that somebody has to sign in, or that nobody has to. */
void leadx_session_set_auth_required(leadx_session *session, int required);

/* ---- what the connections of a process can see of a sync that one of them runs ---- */

typedef struct leadx_progress {
  int syncing;
  int online; /* 1 the last contact succeeded, 0 it failed, -1 there was none yet */
  char phase[16];
  int64_t done, total;
  char message[256];
} leadx_progress;
void leadx_session_get_progress(leadx_session *session, leadx_progress *progress);
/* Each changes its part of it and leaves the rest to others, who may be at it at the same time. */
/* A sync is at that phase; its counts begin at 0. */
void leadx_session_begin_phase(leadx_session *session, const char *phase);
void leadx_session_show_counts(leadx_session *session, int64_t done, int64_t total);
/* No sync runs any more. online: as above, -1 leaves it as it is. */
void leadx_session_end_sync(leadx_session *session, int online, const char *message);
/* The application says that there is no network. A sync that runs goes on. */
void leadx_session_show_offline(leadx_session *session, const char *message);

/* A server that said "not before": the monotonic millisecond until which nothing is sent. */
void leadx_session_throttle(leadx_session *session, int64_t until_mono_ms);
int64_t leadx_session_throttled_until(leadx_session *session);

/* The holder of a lease that ended without giving it back, "" when there is none: the next sync of
** this process need not wait for the lease to run out. owner has LEADX_OWNER_BYTES at most. */
void leadx_session_leave_lease(leadx_session *session, const char *owner);
void leadx_session_left_lease(leadx_session *session, char *owner, int nowner);

/* Grows with every change of server, key or token: whoever was refused may try again. */
int64_t leadx_session_generation(leadx_session *session);

/* When the worker of the file syncs next, in microseconds since 1970; 0: not known. */
void leadx_session_set_next_sync(leadx_session *session, int64_t wall_us);
int64_t leadx_session_next_sync(leadx_session *session);

/* The batch size that worked last, so that steps and syncs go on from there; 0 means none yet. */
void leadx_session_set_batch(leadx_session *session, int size);
int leadx_session_batch(leadx_session *session);

#endif
