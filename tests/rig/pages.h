/* The reading half of the model server: filters, and(…)/or(…), order, limit, select and count as
** PostgREST has them, over the same rows; and devices that pull from it. */
#ifndef LEADX_PAGES_H
#define LEADX_PAGES_H

#include "push_device.h"
#include "sync/sync.h"

/* Makes the model answer every GET this way, capped at model->max_rows. */
void pages_open(model_server *model);

/* Stands before (1: it answered) and behind every GET until the next pages_open(); NULL for
** none. */
extern int (*pages_before)(leadx_request *req);
extern void (*pages_after)(leadx_request *req);
/* Seconds that the server's Date is from the clock of its rows. */
extern int64_t pages_skew_s;
/* How far off the server is when it estimates a count; 0 with every pages_open(). */
extern int64_t pages_guess;

/* Puts a row as it stands in doc, version and all; its key is its "id" (or the model's key
** columns). */
void pages_put(model_server *model, const char *table, const char *doc);

/* One pull (NULL: of all tables), one sync, one step, one reconcile: the state it ended with. */
const char *device_pull(push_device *device, const char *table);
const char *device_both(push_device *device);
const char *device_reconcile(push_device *device);
/* A step of one request; answers "more". */
int device_step(push_device *device);
/* The same with options of the test's own; NULL when it failed, with the reason in
** device->result. */
const char *device_sync_with(push_device *device, leadx_sync_options options);

/* The URL of the i-th request of the log, "" out of range. */
const char *pages_url(const model_server *model, int i);

#endif
