/* Devices of the tests that speak to the real server of scripts/server/server.sh. */
#ifndef LEADX_LIVE_H
#define LEADX_LIVE_H

#include <sqlite3.h>

#include "fault_server.h"
#include "sanitized.h"

enum { LIVE_URL_BYTES = 120 };

typedef struct live_device {
  char path[64], url[LIVE_URL_BYTES];
  sqlite3 *db;
  /* leadx is linked in; else the .so of LEADX_SO, as hosts have it. A sanitizer sees threads of
  ** the first alone */
  int linked;
} live_device;

/* An environment variable that must be there: a test against the real server never passes without
** one. */
const char *live_env(const char *name);

/* Opens a new file with the four LeadX tables tracked, configured for url (NULL: LEADX_URL) in the
** name of user 1. */
void live_open(live_device *device, int linked, const char *url);
void live_close(live_device *device);
/* A fault server on the way to the real one, and the URL for devices that shall take it. The caller
** stops it. */
fault_server *live_road(char url[LIVE_URL_BYTES]);
/* Puts leadx on a connection: the one that is linked in, or the .so. What one of the two was told
** the other does not know. */
void live_load(sqlite3 *db, int linked);
/* Another connection to the same file with leadx on it. */
sqlite3 *live_second(const live_device *device);

/* ---- both ways: the same scenarios, plainly and with the functions of leadx_server_sql() on the
** server ---- */

/* Devices opened from now on use the functions (live_serve() was called). */
extern int live_is_served;
/* Installs the functions for what the device tracks; and takes them away again. */
void live_serve(const live_device *device);
void live_unserve(void);
/* As an unchecked fixture, together with live_unserve(): for the four tables. */
void live_serve_all(void);
/* The device knows what the server has, as if it had asked, when it has something. live_open()
** calls it. */
void live_learn(const live_device *device);

void live_run(sqlite3 *db, const char *sql);
/* The first value as text; "" for NULL. One of a few buffers. */
const char *live_text(sqlite3 *db, const char *sql);
int live_int(sqlite3 *db, const char *sql);
const char *live_error(sqlite3 *db, const char *sql);
/* Waits until the first value is that text, however busy the machine is. How many naps of 20 ms it
** took. */
int live_wait(sqlite3 *db, const char *sql, const char *value);
/* leadx_push() and its state. */
const char *live_push(live_device *device);

/* Runs SQL on the server as the superuser; the output without its last newline. */
const char *live_psql(const char *sql);
/* The same, and PostgREST reads the schema again. */
void live_psql_reload(const char *sql);
/* Removes all rows on the server. */
void live_wipe(void);

#endif
