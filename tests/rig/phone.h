/* A device in a process of its own (tests/tools/device.c), and what must be true of its file and of
** the server whatever happened to it. Needs the server of scripts/test.sh. */
#ifndef LEADX_PHONE_H
#define LEADX_PHONE_H

#include <sqlite3.h>
#include <sys/types.h>

typedef struct phone {
  char path[64]; /* the file */
  char tag[48]; /* begins the names of its rows on the server */
  char url[96]; /* of the server, or of what stands before it */
  const char *journal;
  int writes, rounds;
  /* its server says that rows cannot be changed when they can: they may be FAILED until they are
  ** retried */
  int is_lied_to;
} phone;

/* A new device without a file; url NULL is the real server. */
void phone_init(phone *d, const char *url, const char *journal, int writes);
/* Removes its file. Its rows stay on the server. */
void phone_remove(phone *d);

/* Starts the program; point 0 never kills itself. Its output goes to `<path>.out`. */
pid_t phone_start(const phone *d, unsigned seed, long point);
/* Waits for it; 1 when it was killed, 0 when it ended well. Anything else fails the test. */
int phone_wait(const phone *d, pid_t pid);
/* How many points its last run that was not killed went through. */
long phone_points(const phone *d);

/* After a kill: the file is whole, no write and no queue row is lost, the tables are what the user
** wrote, no conflict was seen; and what is marked SYNCED is on the server. */
void phone_check(const phone *d);
/* One more sync, in this process, against the real server; then everything is SYNCED and
** the server has exactly what the user wrote. */
void phone_finish(const phone *d);

/* A connection to the file, with leadx and the server of `url`. The caller closes it. */
sqlite3 *phone_open(const phone *d, const char *url);
/* The first column of the first row, as sqlite3_malloc text ("" for NULL or no row). */
char *phone_ask(sqlite3 *db, const char *sql);

#endif
