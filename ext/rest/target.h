/* Requests to one PostgREST root in one user's name: address, headers, body. Spelling only; nothing
** is sent or stored here. */
#ifndef LEADX_TARGET_H
#define LEADX_TARGET_H

#include "http/request.h"
#include "store/table.h"

/* The server's root, the project's key, the user's token (NULL: nobody is signed in) and the schema
** ("" or NULL: the server's first). All borrowed. */
typedef struct leadx_target {
  const char *url, *apikey, *token, *schema;
} leadx_target;

/* One URL is kept under this many bytes (servers and gateways refuse longer ones from about 8
** KB). */
#define LEADX_URL_BYTES 7000
/* One body is kept under this many bytes. */
#define LEADX_BODY_BYTES (1u << 20)

/* Appends "root/table", escaped. */
void leadx_target_append_table(sqlite3_str *url, const leadx_target *target,
                               const leadx_table *table);

/* A request with the target's headers. Takes url and body (NULL: none) over in every case; prefer is
** the value of the Prefer header, NULL for none. The caller frees the request; NULL and
** out-of-memory in err. */
leadx_request *leadx_target_request(const leadx_target *target, const char *method,
                                    sqlite3_str *url, sqlite3_str *body, const char *prefer,
                                    leadx_err *err);
/* GET of a ready address; takes url over in every case. prefer may be NULL. */
leadx_request *leadx_target_get(const leadx_target *target, sqlite3_str *url, const char *prefer,
                                leadx_err *err);
/* POST to a function of the server; args is a JSON object, taken over. */
leadx_request *leadx_target_call(const leadx_target *target, const char *function,
                                 sqlite3_str *args, leadx_err *err);

/* Replaces the token of a request by the target's, so that it can be sent again. SQLITE_NOMEM. */
int leadx_target_sign(leadx_request *request, const leadx_target *target);

#endif
