/* Signing in and out. See account.h. */
#define _DEFAULT_SOURCE /* explicit_bzero */
#include "api/account.h"

#include <string.h>

#include "base/doc.h"
#include "base/instant.h"
#include "base/secret.h"
#include "rows/handover.h"
#include "session/auth.h"
#include "store/owner.h"
#include "store/schema.h"
#include "store/settings.h"

/* Nobody waits longer than that for a sign-out to be heard. */
#define LOGOUT_CONNECT_MS 3000
#define LOGOUT_MS 8000
/* More is no address and no password. */
#define MAX_EMAIL_BYTES 512
#define MAX_PASSWORD_BYTES 4096

/* ---- the network ---- */

static leadx_transport *open_transport(leadx_ctx *ctx, const leadx_credentials *credentials,
                                       int hurried, const leadx_opener *opener, leadx_err *err) {
  leadx_http_limits limits = leadx_line_limits(ctx, credentials, 1);
  if (hurried && limits.connect_timeout_ms > LOGOUT_CONNECT_MS)
    limits.connect_timeout_ms = LOGOUT_CONNECT_MS;
  if (hurried && limits.timeout_ms > LOGOUT_MS) limits.timeout_ms = LOGOUT_MS;
  return leadx_line_open(ctx, &limits, opener, err);
}

/* Sends one request on a transport of its own and waits; the caller frees what is returned. */
static leadx_request *ask(leadx_ctx *ctx, const leadx_credentials *credentials,
                          leadx_request *request, int hurried, const leadx_opener *opener,
                          leadx_err *err) {
  leadx_transport *transport = request ? open_transport(ctx, credentials, hurried, opener, err)
                                       : NULL;
  if (!transport) {
    leadx_request_free(request);
    return NULL;
  }
  leadx_request *done = leadx_transport_carry(transport, request, err);
  transport->free(transport);
  return done;
}

static leadx_target target_of(const leadx_credentials *credentials) {
  return (leadx_target){credentials->url, credentials->apikey, credentials->token, NULL};
}

/* ---- the file ---- */

/* The file becomes that user's, when it is leadx's and can be written. Another program's lock is
** waited for; none is needed when the file is that user's already. */
static int adopt(leadx_ctx *ctx, const char *who, const char *user, leadx_err *err) {
  leadx_db *db = &ctx->db;
  char before[LEADX_USER_BYTES];
  int present = 0, rc = leadx_schema_open(db, who, &present, err);
  if (rc != SQLITE_OK || !present || sqlite3_db_readonly(db->handle, "main") == 1) return rc;
  rc = leadx_owner_get(db, before, err);
  if (rc != SQLITE_OK || strcmp(before, user) == 0) return rc;
  int nested = !sqlite3_get_autocommit(db->handle);
  rc = nested ? leadx_db_nest_open(db, err) : leadx_handover_look(db, who, user, err);
  if (rc == SQLITE_OK && !nested) rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = leadx_handover(db, who, user, err);
  leadx_db_release(db);
  if (nested) return leadx_db_nest_close(db, rc, err);
  return leadx_db_end(db, rc, err);
}

/* ---- signing in ---- */

static char *describe(const char *email, const leadx_tokens *tokens, leadx_err *err) {
  leadx_doc *doc = leadx_doc_new_object();
  char at[LEADX_INSTANT_BYTES];
  if (doc) {
    leadx_doc_add_text(doc, "auth", leadx_auth_state_name(LEADX_AUTH_SIGNED_IN));
    leadx_doc_add_text(doc, "user", tokens->claims.user);
    if (email) leadx_doc_add_text(doc, "email", email);
    if (tokens->claims.expires_s > 0) {
      leadx_instant_format(tokens->claims.expires_s * 1000000, at);
      leadx_doc_add_text(doc, "expires_at", at);
    }
    if (tokens->expires_in_s > 0) leadx_doc_add_int(doc, "expires_in", tokens->expires_in_s);
    leadx_doc_add_bool(doc, "refreshes", tokens->refresh != NULL);
  }
  char *text = doc ? leadx_doc_print(doc) : NULL;
  leadx_doc_free(doc);
  if (!text) leadx_err_nomem(err);
  return text;
}

/* Checks what came, gives the file to the user, and only then puts the tokens into the session. */
static char *sign_in(leadx_ctx *ctx, const char *email, int64_t serial, leadx_tokens *tokens,
                     leadx_err *err) {
  static const char who[] = "leadx_login";
  leadx_token claims;
  if (leadx_session_check_token(ctx->session, who, tokens->access, &claims, err) != SQLITE_OK)
    return NULL;
  if (leadx_session_know(ctx->session, tokens) != SQLITE_OK) {
    leadx_err_nomem(err);
    return NULL;
  }
  char *text = describe(email, tokens, err);
  if (text && leadx_session_serial(ctx->session) == serial &&
      adopt(ctx, who, claims.user, err) == SQLITE_OK &&
      leadx_session_replace_tokens(ctx->session, serial, tokens)) {
    return text;
  }
  sqlite3_free(text);
  if (err->rc == SQLITE_OK) {
    leadx_err_set(err, SQLITE_ERROR,
                  "%s: the server or the user was changed meanwhile, and that stands; nothing was "
                  "changed here",
                  who);
  }
  return NULL;
}

static char *log_in(leadx_ctx *ctx, const char *email, const char *password,
                    const leadx_credentials *credentials, const leadx_opener *opener,
                    leadx_err *err) {
  leadx_target target = target_of(credentials);
  leadx_request *done = ask(ctx, credentials,
                            leadx_grant_password_request(&target, email, password, err), 0, opener,
                            err);
  leadx_grant grant;
  char *text = NULL;
  if (!done) return NULL;
  leadx_grant_read(LEADX_GRANT_PASSWORD, done, &grant);
  leadx_request_free(done);
  if (grant.class_ == LEADX_CLASS_OK)
    text = sign_in(ctx, email, credentials->serial, &grant.tokens, err);
  else
    leadx_err_set(err, grant.class_ == LEADX_CLASS_INTERRUPTED ? SQLITE_INTERRUPT : SQLITE_ERROR,
                  "leadx_login: %s", grant.message);
  leadx_grant_clear(&grant);
  return text;
}

char *leadx_account_login(leadx_ctx *ctx, const char *email, const char *password,
                          const leadx_opener *opener, leadx_err *err) {
  leadx_credentials credentials;
  if (leadx_db_guard(&ctx->db, "leadx_login", err) != SQLITE_OK) return NULL;
  if (strlen(email) > MAX_EMAIL_BYTES || strlen(password) > MAX_PASSWORD_BYTES) {
    leadx_err_set(err, SQLITE_ERROR,
                  "leadx_login: an email of more than %d bytes or a password of more than %d is "
                  "none; check the arguments",
                  MAX_EMAIL_BYTES, MAX_PASSWORD_BYTES);
    return NULL;
  }
  if (leadx_settings_load(ctx->settings, &ctx->db, err) != SQLITE_OK) return NULL;
  if (leadx_session_credentials(ctx->session, "leadx_login", &credentials, err) != SQLITE_OK)
    return NULL;
  char *text = NULL;
  if (leadx_secret_know(&credentials, password) == SQLITE_OK)
    text = log_in(ctx, email, password, &credentials, opener, err);
  else leadx_err_nomem(err);
  leadx_secret_forget(&credentials);
  leadx_credentials_clear(&credentials);
  return text;
}

/* ---- signing out ---- */

/* Whose sign-out it is: the token's user, or, when this process has none, the file's. */
static int find_user(leadx_ctx *ctx, int present, char user[LEADX_USER_BYTES], leadx_err *err) {
  leadx_session_auth_state(ctx->session, user);
  if (user[0] || !present) return SQLITE_OK;
  return leadx_owner_get(&ctx->db, user, err);
}

static int refuse_unsent(int64_t unsent, leadx_err *err) {
  return leadx_err_set(err, SQLITE_ERROR,
                       "leadx_logout: unsent changes of this user: %lld; call leadx_sync() first, "
                       "or leave them here until this user signs in again with "
                       "leadx_logout(1)",
                       (sqlite3_int64)unsent);
}

/* One transaction: nothing is queued between the count and the end, and what no trigger saw has been
** found before, but for the last moment's. */
static int give_up_file(leadx_ctx *ctx, const char *user, int force, int64_t *unsent,
                        leadx_err *err) {
  leadx_db *db = &ctx->db;
  int rc = leadx_handover_look(db, "leadx_logout", "", err);
  if (rc == SQLITE_OK) rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = user[0] ? leadx_handover(db, "leadx_logout", user, err) : SQLITE_OK;
  if (rc == SQLITE_OK) rc = leadx_handover_find(db, "leadx_logout", err);
  if (rc == SQLITE_OK) rc = leadx_owner_unsent(db, user, unsent, err);
  if (rc == SQLITE_OK && user[0] && *unsent > 0 && !force) rc = refuse_unsent(*unsent, err);
  if (rc == SQLITE_OK) rc = leadx_owner_adopt(db, "", err);
  return leadx_db_end(db, rc, err);
}

/* Tells the server. 1 when it heard. A token that it does not know any more counts as ended. */
static int revoke(leadx_ctx *ctx, const leadx_credentials *credentials,
                  const leadx_opener *opener) {
  leadx_err quiet = {0};
  leadx_target target = target_of(credentials);
  leadx_request *done = ask(ctx, credentials, leadx_grant_logout_request(&target, &quiet), 1,
                            opener, &quiet);
  int heard = done && done->net == LEADX_NET_ANSWER &&
              (done->status / 100 == 2 || done->status == 401 || done->status == 403 ||
               done->status == 404);
  leadx_request_free(done);
  return heard;
}

static char *describe_logout(const char *user, int64_t unsent, int revoked, leadx_err *err) {
  leadx_doc *doc = leadx_doc_new_object();
  if (doc) {
    leadx_doc_add_text(doc, "auth", leadx_auth_state_name(LEADX_AUTH_SIGNED_OUT));
    leadx_doc_add_text(doc, "user", user[0] ? user : NULL);
    leadx_doc_add_int(doc, "unsent", unsent);
    leadx_doc_add_bool(doc, "revoked", revoked);
  }
  char *text = doc ? leadx_doc_print(doc) : NULL;
  leadx_doc_free(doc);
  if (!text) leadx_err_nomem(err);
  return text;
}

char *leadx_account_logout(leadx_ctx *ctx, int force, const leadx_opener *opener, leadx_err *err) {
  static const char who[] = "leadx_logout";
  char user[LEADX_USER_BYTES];
  leadx_credentials credentials;
  leadx_err quiet = {0};
  int present = 0, revoked = 0;
  int64_t unsent = 0;
  if (leadx_db_guard(&ctx->db, who, err) != SQLITE_OK ||
      leadx_schema_open(&ctx->db, who, &present, err) != SQLITE_OK)
    return NULL;
  if (leadx_settings_load(ctx->settings, &ctx->db, err) != SQLITE_OK ||
      find_user(ctx, present, user, err) != SQLITE_OK)
    return NULL;
  int writable = sqlite3_db_readonly(ctx->db.handle, "main") != 1;
  if (present && writable && give_up_file(ctx, user, force, &unsent, err) != SQLITE_OK) return NULL;
  leadx_db_release(&ctx->db);
  int known = leadx_session_credentials(ctx->session, who, &credentials, &quiet) == SQLITE_OK;
  leadx_session_replace_tokens(ctx->session, LEADX_ANY_SERIAL, NULL);
  if (known && credentials.token) revoked = revoke(ctx, &credentials, opener);
  if (known) leadx_credentials_clear(&credentials);
  return describe_logout(user, unsent, revoked, err);
}

/* ---- tokens from elsewhere ---- */

char *leadx_account_set_token(leadx_ctx *ctx, const char *access, const char *refresh,
                              leadx_err *err) {
  static const char who[] = "leadx_set_token";
  leadx_tokens tokens = {0};
  if (!access) {
    leadx_session_replace_tokens(ctx->session, LEADX_ANY_SERIAL, NULL);
    return sqlite3_mprintf("{\"auth\":\"%s\"}", leadx_auth_state_name(LEADX_AUTH_SIGNED_OUT));
  }
  if (leadx_session_check_token(ctx->session, who, access, &tokens.claims, err) != SQLITE_OK)
    return NULL;
  if (leadx_tokens_copy(&tokens, access, refresh) ||
      leadx_session_know(ctx->session, &tokens) != SQLITE_OK) {
    leadx_tokens_clear(&tokens);
    leadx_err_nomem(err);
    return NULL;
  }
  char *text = describe(NULL, &tokens, err);
  if (text && tokens.claims.user[0] && adopt(ctx, who, tokens.claims.user, err) != SQLITE_OK) {
    sqlite3_free(text);
    text = NULL;
  }
  if (text) leadx_session_replace_tokens(ctx->session, LEADX_ANY_SERIAL, &tokens);
  leadx_tokens_clear(&tokens);
  return text;
}

/* ---- whose the rows are ---- */

int leadx_account_own(leadx_ctx *ctx, leadx_err *err) {
  char user[LEADX_USER_BYTES], before[LEADX_USER_BYTES];
  leadx_session_auth_state(ctx->session, user);
  if (!user[0] || leadx_owner_get(&ctx->db, before, err) != SQLITE_OK || before[0]) return err->rc;
  return leadx_owner_adopt(&ctx->db, user, err);
}

/* What no trigger saw is the user's whose file it was until now. */
static int find_unseen(leadx_db *db, const char *who, const char *user, leadx_err *err) {
  char before[LEADX_USER_BYTES];
  int rc = leadx_owner_get(db, before, err);
  return rc == SQLITE_OK && before[0] && strcmp(before, user) != 0
             ? leadx_handover_find(db, who, err)
             : rc;
}

int leadx_account_adopt(leadx_ctx *ctx, const char *from, int64_t *n, leadx_err *err) {
  static const char who[] = "leadx_adopt";
  char user[LEADX_USER_BYTES];
  int present = 0;
  *n = 0;
  int rc = leadx_schema_open(&ctx->db, who, &present, err);
  if (rc != SQLITE_OK) return rc;
  leadx_session_auth_state(ctx->session, user);
  if (!present)
    return leadx_err_set(err, SQLITE_ERROR,
                         "%s: nothing is tracked in this file; call leadx_track(table) first", who);
  if (!user[0])
    return leadx_err_set(err, SQLITE_ERROR,
                         "%s: nobody is signed in who could take the changes over; call "
                         "leadx_login() or leadx_set_token() first",
                         who);
  rc = leadx_db_nest_open(&ctx->db, err);
  if (rc != SQLITE_OK) return rc;
  rc = find_unseen(&ctx->db, who, user, err);
  if (rc == SQLITE_OK) rc = leadx_owner_take(&ctx->db, user, from, n, err);
  leadx_db_release(&ctx->db);
  return leadx_db_nest_close(&ctx->db, rc, err);
}
