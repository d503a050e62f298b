/* People's programs: runs over a schema that the seed makes up, with the statements that programs
** use, and a server whose tables are PostgreSQL's as SQLite can play them. The devices, their
** network and its faults are those of sim.h; the tables, the user's statements, the model of the
** server and the verdict are these:
**
**   schema.c     the tables of a seed, their values, and every form that a value has
**   model.c      PostgREST over those tables; what it receives must be what a user did
**   people.c     the devices: files, users, and one run from its beginning to its end
**   steps.c      what people's programs do
**   verdict.c    what is asked when all is quiet
** */
#ifndef LEADX_SIM_PEOPLE_H
#define LEADX_SIM_PEOPLE_H

#include "base/json.h"
#include "sim.h"

enum {
  PEOPLE_TABLES = 4,
  PEOPLE_COLUMNS = 8,
  PEOPLE_USERS = 3,
  PEOPLE_KEYS = 7, /* of each device, and of the server's own users */
  PEOPLE_ROWS = 120
};

/* The type of a column on the server, and its form in the file. */
typedef enum people_kind {
  KIND_TEXT,
  KIND_UUID,
  KIND_INTEGER,
  KIND_DECIMAL, /* numeric(12,2), every digit kept in a TEXT */
  KIND_REAL, /* numeric(12,2), a REAL in the file */
  KIND_EPOCH, /* timestamptz, whole seconds in an INTEGER */
  KIND_STAMP /* timestamptz, ISO text */
} people_kind;

/* What a trigger of the application does to the rows of a table. */
typedef enum people_trigger {
  TRIGGER_NONE,
  TRIGGER_TRIM,
  TRIGGER_REFUSE,
  TRIGGER_TOTAL
} people_trigger;

typedef struct people_column {
  char name[16];
  char remote[16]; /* its name on the server */
  people_kind kind;
  int is_capital; /* a uuid in capitals, in the file */
  int is_nocase, is_unique, is_local, is_computed;
  int is_absent; /* the file has no such column yet, or none any more */
  int parent; /* the table whose key it refers to; -1 for none */
  int cascades;
} people_column;

typedef struct people_table {
  char name[16];
  int ncolumns, nkey; /* the key's columns come first */
  people_column column[PEOPLE_COLUMNS];
  int is_soft, is_without_rowid;
  people_trigger trigger;
} people_table;

typedef struct people_schema {
  int ntables;
  people_table table[PEOPLE_TABLES];
} people_schema;

/* A row as both sides mean it: for each column a canonical text (digits of an integer, of
** hundredths or of microseconds; a uuid in small letters; a text itself), NULL for null. */
typedef struct people_row {
  char *key; /* the canonical texts of the key's columns, joined */
  char *value[PEOPLE_COLUMNS];
} people_row;

typedef struct people_rows {
  people_row row[PEOPLE_ROWS];
  int n;
} people_rows;

/* A device beyond what sim_device holds. */
typedef struct people_device {
  people_schema schema; /* its own: columns come, go and are renamed here alone */
  sqlite3 *plain; /* a connection to its file that has never heard of leadx */
  sqlite3 *saved; /* an older copy of the file */
  people_schema saved_schema;
  char name[32]; /* of its file */
  int user, keys; /* who is signed in; whose keys it makes */
  int tracked[PEOPLE_TABLES];
  int piece, piece_table; /* of a rebuild that is under way; 0: none */
  int was_restored;
} people_device;

enum { PEOPLE_ASIDES = 100 };

typedef struct people sim_people;
struct people {
  people_schema schema; /* the server's */
  sqlite3 *server;
  sqlite3 *book; /* intent(what): what users did; seen(what): what the server ever held */
  sqlite3_stmt *note, *ask, *note_seen, *ask_seen;
  int64_t clock_us;
  long nwrites;
  int nusers;
  int weight[32]; /* of the steps, see steps.c */
  people_device device[MAX_DEVICES];
  int restored;
  char *aside[PEOPLE_ASIDES]; /* each: SQL that counts the rows that have such a value */
  int nasides;
};

/* schema.c */
void people_schema_make(sim_world *world, people_schema *schema);
char *people_local_ddl(const people_schema *schema, int table, const char *name);
char *people_server_ddl(const people_schema *schema, int table);
char *people_track_sql(const people_schema *schema, int table, int backfill);
char *people_trigger_sql(const people_schema *schema, int table); /* NULL: it has none */
/* The key that number n stands for; values in out, the caller frees them. */
void people_key_of(const people_table *table, int n, char **out);
char *people_new_value(sim_world *world, const people_column *column);
char *people_join_key(const people_table *table, char *const *values);
/* Forms of a value. Each is sqlite3_malloc memory. */
char *people_to_literal(const people_column *column, const char *value); /* SQL, in the file */
char *people_to_server(const people_column *column, const char *value); /* SQL, on the server */
char *people_from_local(const people_column *column, sqlite3_stmt *stmt, int i);
char *people_to_json(const people_column *column, const char *value);
/* NULL is null; *bad is set when the server could not read it. */
char *people_from_json(const people_column *column, leadx_slice json, int *bad);
char *people_from_text(const people_column *column, const char *text, size_t n, int *bad);

/* model.c */
void people_model_open(sim_world *world);
void people_model_close(sim_people *people);
void people_model_answer(sim_device *device, leadx_request *req);
void people_model_write(sim_world *world); /* one of the server's own users does something */
void people_model_hide(sim_world *world, int show_all);
/* How many values of the server are still ones that were taken for a moment (push/aside.h). */
int people_model_asides_left(sim_people *people);
/* The rows of a table that a user may see. */
void people_model_rows(sim_people *people, int table, int user, people_rows *rows);
void people_note(sim_people *people, int user, int table, const char *key, const char *column,
                 const char *value);
int people_noted(sim_people *people, int user, int table, const char *key, const char *column,
                 const char *value);
int people_seen(sim_people *people, int table, const char *key, const char *column,
                const char *value);

/* people.c */
int people_run(sim_world *world);
void people_sign_in(sim_device *device);
void people_stop(sim_device *device); /* leadx ends; its connection is closed */
void people_start(sim_device *device);
void people_exec(sim_device *device, sqlite3 *db, const char *sql); /* what cannot fail */
/* with_marked: those that are softly deleted as well */
void people_rows_read(sim_device *device, int table, int with_marked, people_rows *rows);
void people_rows_free(people_rows *rows);
int people_user_of_token(const char *token);

/* steps.c */
int people_is_listed(const char *list, const char *name); /* with commas between the names */
void people_choose_weights(sim_world *world);
void people_step(sim_device *device);
void people_catch_up(sim_device *device); /* tracks every table again */
void people_finish(sim_device *device); /* ends a rebuild that is under way, tracks what is not */

/* verdict.c */
void people_check_unseen(sim_device *device);
void people_check_convergence(sim_device *device);

#endif
