/* Supabase Auth's dialect: how a sign-in, a refresh and a sign-out are spelled, and what an answer
** to them means. No handle, no database, no state. */
#ifndef LEADX_GRANT_H
#define LEADX_GRANT_H

#include "rest/rest.h"
#include "rest/target.h"
#include "session/session.h"

typedef enum leadx_grant_kind { LEADX_GRANT_PASSWORD, LEADX_GRANT_REFRESH } leadx_grant_kind;

/* The root of Auth beside a PostgREST root: https://host/rest/v1 has https://host/auth/v1, whatever
** stands before /rest/v1; any other root has /auth/v1 of its origin. sqlite3_malloc text; NULL when
** out of memory. */
char *leadx_grant_root(const char *rest_url);

/* Requests; NULL and out-of-memory in err. A body with a password or a token is one block, which
** leadx_request_free() wipes. */
leadx_request *leadx_grant_password_request(const leadx_target *target, const char *email,
                                            const char *password, leadx_err *err);
leadx_request *leadx_grant_refresh_request(const leadx_target *target, const char *refresh_token,
                                           leadx_err *err);
/* Ends this device's session alone, in the name of the target's token. */
leadx_request *leadx_grant_logout_request(const leadx_target *target, leadx_err *err);
/* A question that changes nothing: any answer shows that there is a way to the server. */
leadx_request *leadx_grant_health_request(const leadx_target *target, leadx_err *err);

/* What an answer to a grant means. */
typedef struct leadx_grant {
  leadx_class class_; /* OK, AUTH (refused), OFFLINE, TRUST, THROTTLE, PROTOCOL or INTERRUPTED */
  int is_final; /* the refresh token will never do again */
  char code[48]; /* Auth's own word for it, "" when it gave none */
  char message[512]; /* "status code the server's words; what to do" */
  int64_t retry_after_s; /* -1 when it said nothing */
  leadx_tokens tokens; /* when class_ is OK, with their claims */
} leadx_grant;

/* Judges the answer. What was sent, password or refresh token, is known as a secret (secret.h), so
** that the message does not repeat it. Never fails; the caller clears. */
void leadx_grant_read(leadx_grant_kind kind, const leadx_request *done, leadx_grant *grant);
void leadx_grant_clear(leadx_grant *grant);

#endif
