/* Signing in and out: what a person does, with the server, the session and the file. */
#ifndef LEADX_ACCOUNT_H
#define LEADX_ACCOUNT_H

#include "session/line.h"

/* Each returns a JSON text in sqlite3_malloc memory, never with a token in it, or NULL and an error
** that says what to do; then nothing has changed. */

/* Asks Supabase Auth for tokens. Refuses inside a transaction. */
char *leadx_account_login(leadx_ctx *ctx, const char *email, const char *password,
                          const leadx_opener *opener, leadx_err *err);
/* Forgets the tokens and gives the file up; tells the server when it can be reached. Refuses inside
** a transaction and while rows of the user are unsent, unless forced: then they stay, and wait for
** that user. */
char *leadx_account_logout(leadx_ctx *ctx, int force, const leadx_opener *opener, leadx_err *err);
/* Takes tokens that the application got elsewhere; NULL access forgets those there are. Takes part
** in the caller's transaction. */
char *leadx_account_set_token(leadx_ctx *ctx, const char *access, const char *refresh,
                              leadx_err *err);

/* A file that has no user yet is the signed-in user's from now on: to be called by whoever makes
** leadx's tables, inside that transaction. Nothing happens while nobody is signed in. */
int leadx_account_own(leadx_ctx *ctx, leadx_err *err);

/* Makes the unsent rows of `from` (NULL: of nobody) those of the user who is signed in; *n is how
** many. Takes part in the caller's transaction. SQLITE_ERROR while nobody is signed in, or nothing is
** tracked. */
int leadx_account_adopt(leadx_ctx *ctx, const char *from, int64_t *n, leadx_err *err);

#endif
