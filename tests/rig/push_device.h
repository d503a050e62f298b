/* A device of the tests: a database file with leadx on it, synced through a transport without a
** network. */
#ifndef LEADX_PUSH_DEVICE_H
#define LEADX_PUSH_DEVICE_H

#include <sqlite3.h>

#include "session/ctx.h"
#include "model_server.h"

typedef struct push_device {
  char path[64];
  sqlite3 *db;
  leadx_ctx *ctx;
  model_server *model;
  /* 1: it has not asked yet whether the model has functions; else it knows that there are none */
  int asks;
  char result[1200]; /* what the last sync said */
} push_device;

/* A new file with leadx loaded and configured for the model; nothing is tracked yet. */
void device_open(push_device *device, model_server *model);
/* Closes and removes the file; everything must have been given back. */
void device_close(push_device *device);
/* Another connection to the same file, without leadx. The caller closes it. */
sqlite3 *device_second(const push_device *device);

/* Runs SQL that must work. */
void device_run(push_device *device, const char *sql);
void run_on(sqlite3 *db, const char *sql);
/* The first column of the first row; "" for NULL or no row. Borrowed until some calls later. */
const char *device_text(push_device *device, const char *sql);
int device_int(push_device *device, const char *sql);
/* The error text of SQL that must fail. Borrowed likewise. */
const char *device_error(push_device *device, const char *sql);

/* Unless it asks by itself, the device knows what the model has installed: nothing, or what the
** test gave it before. Both kinds of sync call this. */
void device_prepare(push_device *device);

/* Syncs through the model; the state it ended with. The result stays in device->result. */
const char *device_sync(push_device *device);
/* A number of the last result. */
int device_result(push_device *device, const char *name);

#endif
