/* The functions of the server's half over the model server: leadx_push() on top of its plain
** requests, leadx_pull() on top of its rows, with operations that are remembered and tombstones. */
#ifndef LEADX_FUNCTIONS_H
#define LEADX_FUNCTIONS_H

#include "push_device.h"

/* The model has the functions from now on. */
void functions_open(model_server *model);
/* What they answer; a test may put a function of its own in model->functions before it. */
void functions_respond(model_server *model, leadx_request *req);
/* The device knows of them, for every table that it tracks just now; the model's key columns are
** theirs. */
void functions_know(push_device *device);

#endif
