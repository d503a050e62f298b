/* A convergence simulation: several devices, each a real leadx on a database in memory, one model
** of the server, a network between them that loses, repeats and delays, and five invariants that
** are checked while it runs and when all is quiet again. Time is virtual and every choice comes
** from one seed, so a run that fails is run again with `leadx_sim --seed N --verbose`.
**
**   main.c       seeds, workers, mutants, what is printed
**   world.c      one run: its knobs, its steps, the calm at the end
**   device.c     a device: its database, its clock, what its user does
**   network.c    the transport between a device and the server, with its faults
**   server.c     the model of PostgREST over PostgreSQL
**   real.c       the real ones in its place (leadx_sim --real)
**   check.c      the invariants
**
** That is over two tables which are always the same. Each seed is run once more over tables of its
** own, with what people's programs do: see people.h.
** */
#ifndef LEADX_SIM_H
#define LEADX_SIM_H

#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>

#include "session/ctx.h"
#include "http/http.h"
#include "session/session.h"
#include "sync/sync.h"

enum { CUSTOMERS, PIPELINES, NTABLES };
enum {
  MAX_DEVICES = 8,
  MAX_ROWS = 400,
  MAX_COLUMNS = 4,
  MAX_QUEUE = 4096,
  KEPT_STATEMENTS = 128,
  VALUE_BYTES = 40,
  ID_BYTES = 37
};

/* Values travel and are compared as JSON texts; each write makes one that was never there
** before. */
typedef struct sim_value {
  char json[VALUE_BYTES];
} sim_value;

typedef struct sim_table {
  const char *name, *entity;
  int ncolumns;
  const char *column[MAX_COLUMNS];
  int is_text[MAX_COLUMNS];
  int parent_column; /* refers to customers(id); -1 for none */
  int has_deleted_at; /* locally, where deletes are soft */
} sim_table;
extern const sim_table sim_tables[NTABLES];

/* ---- the server ---- */

typedef struct sim_row {
  int exists;
  sim_value value[MAX_COLUMNS];
  int64_t version; /* microseconds */
  int64_t deleted_at; /* 0: it is not */
  unsigned hidden; /* a bit per device whose user may not see it */
} sim_row;

/* A transaction that was stamped and is not visible yet. */
typedef struct sim_slow {
  int64_t commits_at, stamp, saw_version; /* saw_version 0: an insert */
  int table, row, column;
  sim_value value[MAX_COLUMNS];
} sim_slow;

enum { MAX_SLOW = 16 };
enum { EVENT_INSERT = -1, EVENT_DELETE = -2, EVENT_RESTORE = -3 };

/* Everything that ever happened to the server's rows. */
typedef struct sim_event {
  int table, row;
  int column; /* or one of EVENT_… */
  int who; /* a device, -1 for the server's own users */
  int unasked; /* an INSERT that no unsent CREATE of that device stands for */
  int64_t at;
  sim_value value;
} sim_event;

typedef struct sim_server {
  sim_row row[NTABLES][MAX_ROWS];
  sim_row backup[NTABLES][MAX_ROWS];
  int has_backup;
  sim_slow slow[MAX_SLOW];
  int nslow;
  sim_event *events;
  int nevents, capacity;
  int nwrites; /* requests that changed a row */
} sim_server;

/* ---- devices ---- */

enum { WRITE_VALUE, WRITE_DELETE };

/* One column of one row that a device's user wrote, or a delete (column 0). */
typedef struct sim_write {
  int table, row, column, kind;
  int64_t rowid; /* of the queue row that stands for it */
  sim_value value;
} sim_write;

struct sim_world;
struct people; /* people.h */

/* A connection with the statements that are kept on it. */
typedef struct sim_connection {
  sqlite3 *db;
  sqlite3_stmt *kept[KEPT_STATEMENTS]; /* see sim_prepare() */
  leadx_db statements; /* of leadx, from one of its contexts to the next */
  char *beginning; /* SQL that empties the database: tracked, and nothing in it */
  int is_dead; /* its device died: nothing is committed until it starts again */
} sim_connection;

typedef struct sim_device {
  struct sim_world *world;
  int number;
  sim_connection *connection;
  sqlite3 *db; /* the connection's */
  leadx_ctx *ctx;
  leadx_transport *wire; /* to the real server; NULL with the model */
  int64_t skew_us; /* its clock minus the true time */
  int offline, token_expired;
  sim_write *writes;
  int nwrites, capacity;
  int last[NTABLES][MAX_ROWS][MAX_COLUMNS]; /* index + 1 of the newest write, 0: none */
  int deleted[NTABLES][MAX_ROWS]; /* index + 1 of its user's newest delete */
  unsigned char rejected[NTABLES][MAX_ROWS]; /* the server said no */
  unsigned char discarded[NTABLES][MAX_ROWS]; /* a person gave the change up */
  unsigned char once_hidden[NTABLES][MAX_ROWS];
  int is_syncing;
  int requests; /* of the current sync */
  int64_t changed; /* rows pushed and pulled by the last sync */
  char state[24]; /* of the last sync */
} sim_device;

/* ---- the world ---- */

/* Mutants that need no other program: the network, the model or a setting plays them. */
typedef enum sim_mutant {
  MUTANT_NONE,
  MUTANT_NO_OVERLAP,
  MUTANT_SMALL_OVERLAP,
  MUTANT_UPSERT,
  MUTANT_NO_VERSION
} sim_mutant;

typedef struct sim_knobs {
  int devices, steps;
  int rough; /* hard deletes, RLS flips, restores; the end needs leadx_reconcile() */
  int foreign_keys; /* PRAGMA on the devices */
  int app_stamps; /* the application writes updated_at itself, by the device's clock */
  int faults; /* per mille of the requests */
  int clock_jumps; /* by a year */
  int row_cap;
  const char *policy;
  sim_mutant mutant;
} sim_knobs;

typedef struct sim_world {
  uint64_t seed, random;
  int verbose, is_real;
  struct people *people; /* NULL in a run over the fixed tables */
  int people_ran; /* it is, or was, such a run */
  const char *without; /* names of people's steps that are left out, NULL for none */
  sim_knobs knobs;
  int64_t now_us, began_us; /* the true time */
  sim_server *server;
  sim_device device[MAX_DEVICES];
  int nrows[NTABLES];
  int counter; /* makes values unique */
  int step;
  int calm; /* no faults any more */
  int was_restored;
  int failed;
  char failure[400];
  char trail[24][160]; /* the last things that happened */
  int ntrail;
  long syncs, requests, crashes, conflicts;
} sim_world;

/* world.c */
uint32_t sim_random(sim_world *world);
int sim_below(sim_world *world, int n); /* 0 … n-1 */
int sim_chance(sim_world *world, int mille);
void sim_say(sim_world *world, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Notes the first violation. */
void sim_fail(sim_world *world, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_id(int row, char out[ID_BYTES]); /* a row's uuid; the order of ids is not that of rows */
int sim_row_of(const char *id, size_t n); /* -1: none of ours */
sim_value sim_new_value(sim_world *world, int table, int column, int who);
int sim_run(sim_world *world); /* one seed; 0 when all invariants held */

/* device.c */
void sim_clock_install(void); /* once per process */
void sim_clock_of(sim_device *device); /* whose clock SQLite and leadx read from now on */
void sim_device_open(sim_device *device); /* its tables are there, tracked and empty */
void sim_device_close(sim_device *device);
void sim_device_restart(sim_device *device); /* the program ended, or died, and starts again */
void sim_device_write(sim_device *device); /* its user does something */
void sim_device_sync(sim_device *device, int reconcile);
void sim_device_decide(
    sim_device *device); /* its user answers open conflicts and gives up what was refused */
int64_t sim_device_int(sim_device *device, const char *sql);
/* A statement that the device keeps, with the id of a row bound to ?1 (row < 0: nothing is). The
** caller resets it. */
sqlite3_stmt *sim_prepare(sim_device *device, const char *sql, int row);

/* network.c */
leadx_transport *sim_network_open(void *device, const leadx_http_limits *limits, leadx_err *err);

/* server.c */
void sim_server_answer(sim_device *device, leadx_request *req);
void sim_server_write(sim_world *world); /* one of its own users does something */
void sim_server_tick(sim_world *world, int all); /* commits what is due, or all */
void sim_server_hide(sim_world *world);
void sim_server_restore(sim_world *world);
void sim_server_note(sim_world *world, int table, int row, int column, int who,
                     const sim_value *value); /* an event of the history */
void sim_answer(leadx_request *req, long status, const char *code, const char *message);
int64_t sim_stamp_parse(const char *text, size_t n); /* -1: unreadable */

/* real.c: a server as scripts/server/server.sh starts it, found through its variables */
void sim_real_prepare(
    void); /* once per process: its tables, and the trigger that writes the history */
void sim_real_begin(sim_world *world); /* empties them */
void sim_real_configure(sim_device *device);
void sim_real_answer(sim_device *device, leadx_request *req);
void sim_real_write(sim_world *world); /* one of its own users does something */
void sim_real_load(
    sim_world *world); /* reads rows and history into the model's structures, to be checked */

/* check.c */
void sim_check_own_writes(sim_device *device);
void sim_check_failed(sim_device *device);
void sim_check_end(sim_world *world);

#endif
