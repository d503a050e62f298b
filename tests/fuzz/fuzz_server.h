/* The server of the fuzz targets: the model of the rig behind a network that the input spoils. */
#ifndef LEADX_FUZZ_SERVER_H
#define LEADX_FUZZ_SERVER_H

#include "fuzz_input.h"
#include "model_server.h"

typedef struct fuzz_server {
  model_server model;
  fuzz_input *answers; /* what spoils them */
  int has_functions; /* leadx_push() and leadx_pull() are installed */
  int requests; /* since the last begin, or since a target set it to 0 */
  /* Sees each request with the answer that it gets. May be NULL. */
  void (*seen)(void *ctx, const leadx_request *req);
  void *ctx;
} fuzz_server;

/* A server with rows of `notes` and `pairs`, as it was at the first call; every transport of leadx
** leads to it. */
fuzz_server *fuzz_server_begin(fuzz_input *answers, int has_functions);
/* Undoes what was written, and takes the transports back. */
void fuzz_server_end(void);
/* Frees it; the next begin makes a new one. */
void fuzz_server_close(void);

/* A promise about every request: it stays below the server's root, and a change names its rows. */
void fuzz_check_request(const leadx_request *req);

#endif
