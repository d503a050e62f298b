/* Access tokens: what a JWT says of itself. Pure; nobody here can tell whether it is true, the
** server does. */
#ifndef LEADX_TOKEN_H
#define LEADX_TOKEN_H

#include "base/sqlite.h"
#include "base/user.h"

typedef struct leadx_token {
  char user[LEADX_USER_BYTES]; /* sub, whole; "" when it names nobody */
  int64_t expires_s; /* exp in epoch seconds, of the server's clock; 0 when it does not say */
  char project[LEADX_USER_BYTES]; /* the Supabase project that made it; "" when it does not tell */
} leadx_token;

/* Reads the claims. 0; 1 when it is no JWT: three parts with dots, the second one a JSON object; 2
** when its user or project is no text that can be compared whole: LEADX_USER_BYTES or longer, with a
** NUL, or neither text nor number. The token is empty then. */
int leadx_token_read(const char *jwt, leadx_token *token);

/* The project of a hosted Supabase address, "" for any other (a self-hosted server, a domain of
** one's own). */
void leadx_token_project_of_url(const char *url, char project[LEADX_USER_BYTES]);

#endif
