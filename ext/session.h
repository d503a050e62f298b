/* What a process knows and a file must not: the server's address, the keys, the tokens.
** One session per process and file, shared by all its connections; a file without a name
** (:memory:, temporary) has one per connection. All memory that held a secret is wiped. */
#ifndef LEADX_SESSION_H
#define LEADX_SESSION_H

#include "err.h"

typedef struct leadx_session leadx_session;

/* Opens or joins the session of a file; NULL when out of memory. */
leadx_session *leadx_session_open(const char *filename);
void leadx_session_close(leadx_session *session); /* accepts NULL */

/* The credentials of one moment: a copy that the caller clears. Texts are sqlite3_malloc or NULL. */
typedef struct leadx_credentials {
  char *url, *apikey, *token, *ca_file;
  char user[64]; /* the token's sub, "" without a token */
  int allow_secret_key;
} leadx_credentials;

/* Copies the credentials out; when nothing was configured, the environment is asked first
** (SUPABASE_URL with SUPABASE_PUBLISHABLE_KEY or SUPABASE_ANON_KEY). who names the caller in errors. */
int leadx_session_credentials(leadx_session *session, const char *who, leadx_credentials *out, leadx_err *err);
void leadx_credentials_clear(leadx_credentials *credentials);

/* Sets server and key. NULL url: from the environment. Another origin than before forgets the token. */
int leadx_session_configure(leadx_session *session, const char *url, const char *apikey, const char *ca_file, int allow_secret_key,
                            leadx_err *err);
/* Sets or (NULL) forgets the access token; a JWT of another shape or for a service role is refused. */
int leadx_session_set_token(leadx_session *session, const char *token, const char *refresh_token, leadx_err *err);
/* When a JWT expires, in epoch seconds; 0 when it does not say. */
int64_t leadx_session_token_expiry(const char *token);
int leadx_session_is_configured(leadx_session *session);

/* What the connections of a process can see of a sync that one of them runs. */
typedef struct leadx_progress {
  int syncing;
  int online; /* 1 the last contact succeeded, 0 it failed, -1 there was none yet */
  char phase[16];
  int64_t done, total;
  char message[256];
} leadx_progress;
void leadx_session_set_progress(leadx_session *session, const leadx_progress *progress);
void leadx_session_get_progress(leadx_session *session, leadx_progress *progress);

/* A server that said "not before": the monotonic millisecond until which nothing is sent. */
void leadx_session_throttle(leadx_session *session, int64_t until_mono_ms);
int64_t leadx_session_throttled_until(leadx_session *session);

/* The holder of a lease that ended without giving it back, "" when there is none: the next sync of this process need
** not wait for the lease to run out. owner has LEADX_OWNER_BYTES at most. */
void leadx_session_leave_lease(leadx_session *session, const char *owner);
void leadx_session_left_lease(leadx_session *session, char *owner, int nowner);

/* Changes whenever server, key or token change: whoever was refused may try again. */
int64_t leadx_session_generation(leadx_session *session);

/* When the worker of the file syncs next, in microseconds since 1970; 0: not known. */
void leadx_session_set_next_sync(leadx_session *session, int64_t wall_us);
int64_t leadx_session_next_sync(leadx_session *session);

/* The batch size that worked last, so that steps and syncs go on from there; 0 means none yet. */
void leadx_session_set_batch(leadx_session *session, int size);
int leadx_session_batch(leadx_session *session);

#endif
