/* A salesperson's device in one process: an application that writes to its tables and calls
** leadx_sync(). The tests start it, kill it and start it again.
**
**   device FILE TAG SEED WRITES JOURNAL POINT [ROUNDS]
**
** Makes FILE if it is not there (with PRAGMA journal_mode=JOURNAL), then ROUNDS times (1) writes
** WRITES changes and syncs. At point POINT (0: never) it kills itself; points are what it does to
** its files, and both sides of each send() and recv(). TAG begins every name it writes, so that its
** rows can be told from others on the server, and SEED chooses among the rows.
**
** In the transaction of each change it notes what it did: `truth` has the rows as the user left
** them, `truth_ops` has every change. Prints a line per sync, {"state":…}, and at the end the
** number of points. Exit code 0 when nothing went wrong locally, 1 otherwise, with a message on
** stderr.
**
** LEADX_SO is the loadable file, for the form that is not linked with leadx itself. LEADX_URL,
** LEADX_APIKEY and LEADX_TOKEN name the server. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include <dlfcn.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "shim_vfs.h"

/* ---- points on the network ---- */

#define VISIBLE __attribute__((visibility("default")))
VISIBLE ssize_t send(int fd, const void *data, size_t n, int flags);
VISIBLE ssize_t recv(int fd, void *data, size_t n, int flags);

/* libcurl, loaded after this program, finds these two before libc's. */
ssize_t send(int fd, const void *data, size_t n, int flags) {
  static ssize_t (*real)(int, const void *, size_t, int);
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "send");
  shim_vfs_point();
  ssize_t sent = real(fd, data, n, flags);
  shim_vfs_point();
  return sent;
}

/* Only an answer is a point: how often one asks in vain depends on the clock. */
ssize_t recv(int fd, void *data, size_t n, int flags) {
  static ssize_t (*real)(int, void *, size_t, int);
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "recv");
  ssize_t received = real(fd, data, n, flags);
  if (received > 0) shim_vfs_point();
  return received;
}

/* ---- SQL ---- */

__attribute__((weak)) int sqlite3_leadx_init(sqlite3 *handle, char **error, const void *api);

static sqlite3 *db;
static long busy;

static int fail(const char *what, const char *why) {
  fprintf(stderr, "device: %s: %s\n", what, why ? why : "?");
  exit(1);
}

/* Runs a statement with up to four texts; the first column of the first row, to be freed, or NULL.
** Somebody else's transaction is waited for by asking again: the application has no busy
** handler. */
static char *ask(const char *sql, const char *a, const char *b, const char *c, const char *d) {
  const char *arguments[] = {a, b, c, d};
  sqlite3_stmt *stmt = NULL;
  int rc;
  while ((rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL)) == SQLITE_BUSY) sqlite3_sleep(1);
  if (rc != SQLITE_OK) fail(sql, sqlite3_errmsg(db));
  for (int i = 0; i < 4; i++) sqlite3_bind_text(stmt, i + 1, arguments[i], -1, SQLITE_STATIC);
  char *text = NULL;
  for (int tries = 0; ((rc = sqlite3_step(stmt)) & 0xff) == SQLITE_BUSY && tries < 20000; tries++) {
    sqlite3_reset(stmt);
    busy++;
    sqlite3_sleep(1);
  }
  if (rc == SQLITE_ROW && sqlite3_column_text(stmt, 0))
    text = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));
  if (rc != SQLITE_ROW && rc != SQLITE_DONE) fail(sql, sqlite3_errmsg(db));
  sqlite3_finalize(stmt);
  return text;
}

static void run(const char *sql, const char *a, const char *b, const char *c, const char *d) {
  sqlite3_free(ask(sql, a, b, c, d));
}

static void script(const char *sql) {
  char *message = NULL;
  if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) fail(sql, message);
}

static void load_leadx(void) {
  char *message = NULL;
  if (sqlite3_leadx_init) {
    if (sqlite3_leadx_init(db, &message, NULL) != SQLITE_OK) fail("load", message);
    return;
  }
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
  if (sqlite3_load_extension(db, getenv("LEADX_SO"), NULL, &message) != SQLITE_OK)
    fail("load", message);
}

/* ---- the application ---- */

static const char tables[] =
    "CREATE TABLE IF NOT EXISTS customers(id TEXT PRIMARY KEY, name TEXT NOT NULL, notes TEXT, "
    "tax_number INTEGER, updated_at TEXT);"
    "CREATE TABLE IF NOT EXISTS activities(id TEXT PRIMARY KEY, customer_id TEXT NOT NULL "
    "REFERENCES customers(id), kind TEXT NOT NULL,"
    "  subject TEXT NOT NULL, notes TEXT, updated_at TEXT);"
    "CREATE TABLE IF NOT EXISTS truth(key TEXT PRIMARY KEY, entity TEXT, parent TEXT, name TEXT, "
    "notes TEXT);"
    "CREATE TABLE IF NOT EXISTS truth_ops(n INTEGER PRIMARY KEY, key TEXT, action TEXT);";

/* What a change does to a table, to the truth about it, and what it is called. ?1 the key, ?2 a
** parent's key, ?3 and ?4 texts. `which` chooses the row; a change for which there is no row is
** left out. */
static const struct change {
  const char *action, *which, *sql, *truth;
} changes[] = {
    {"CREATE", NULL,
     "INSERT INTO customers(id, name, notes, tax_number) VALUES (?1, ?3, ?4, length(?4))",
     "INSERT INTO truth VALUES (?1, 'customer', NULL, ?3, ?4)"},
    {"CREATE", NULL,
     "INSERT INTO activities(id, customer_id, kind, subject, notes) VALUES (?1, ?2, 'CALL', ?3, "
     "?4)",
     "INSERT INTO truth VALUES (?1, 'activity', ?2, ?3, ?4)"},
    {"UPDATE", "SELECT key FROM truth WHERE entity = 'customer'",
     "UPDATE customers SET notes = ?4, tax_number = length(?4) WHERE id = ?1",
     "UPDATE truth SET notes = ?4 WHERE key = ?1"},
    {"UPDATE", "SELECT key FROM truth WHERE entity = 'activity'",
     "UPDATE activities SET notes = ?4, subject = ?3 WHERE id = ?1",
     "UPDATE truth SET notes = ?4, name = ?3 WHERE key = ?1"},
    {"DELETE", "SELECT key FROM truth WHERE entity = 'activity'",
     "DELETE FROM activities WHERE id = ?1", "DELETE FROM truth WHERE key = ?1"},
    {"DELETE",
     "SELECT key FROM truth t WHERE entity = 'customer' AND NOT EXISTS (SELECT 1 FROM truth c "
     "WHERE c.parent = t.key)",
     "DELETE FROM customers WHERE id = ?1", "DELETE FROM truth WHERE key = ?1"},
};

/* Every kind of change comes up at a fixed place, so that point n is at about the same place
** whatever the seed. */
static const int order[] = {0, 1, 2, 0, 3, 1, 4, 2, 0, 5};

static const char new_key[] = "SELECT lower(printf('%s-%s-4%s-8%s-%s', hex(randomblob(4)), "
                              "hex(randomblob(2)), substr(hex(randomblob(2)), 2),"
                              " substr(hex(randomblob(2)), 2), hex(randomblob(6))))";

static char *pick(const char *which, unsigned random) {
  char *sql = sqlite3_mprintf(
      "SELECT key FROM (%s ORDER BY key) LIMIT 1 OFFSET %u %% max(1, (SELECT count(*) FROM (%s)))",
      which, random, which);
  char *key = ask(sql, NULL, NULL, NULL, NULL);
  sqlite3_free(sql);
  return key;
}

static void write_change(int i, const char *tag, unsigned random) {
  const struct change *change = &changes[order[(unsigned)i % (sizeof order / sizeof order[0])]];
  run("BEGIN IMMEDIATE", NULL, NULL, NULL, NULL);
  char *key = change->which ? pick(change->which, random) : ask(new_key, NULL, NULL, NULL, NULL);
  char *parent = pick("SELECT key FROM truth WHERE entity = 'customer'", random);
  char *name = sqlite3_mprintf("%s \"%u\" \\ é 漢", tag, random);
  char *notes = ask("SELECT ?1 || (SELECT count(*) FROM truth_ops) || ' ' || hex(randomblob(6))",
                    "n\t\n", NULL, NULL, NULL);
  if (key) {
    run(change->sql, key, parent, name, notes);
    run(change->truth, key, parent, name, notes);
    run("INSERT INTO truth_ops(key, action) VALUES (?1, ?2)", key, change->action, NULL, NULL);
  }
  run("COMMIT", NULL, NULL, NULL, NULL);
  sqlite3_free(key);
  sqlite3_free(parent);
  sqlite3_free(name);
  sqlite3_free(notes);
}

static void open_file(const char *path, const char *journal) {
  if (shim_vfs_register() != SQLITE_OK) fail("vfs", "?");
  if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, SHIM_VFS) != SQLITE_OK)
    fail(path, sqlite3_errmsg(db));
  char *mode = sqlite3_mprintf("PRAGMA journal_mode=%s", journal);
  run(mode, NULL, NULL, NULL, NULL);
  sqlite3_free(mode);
  script("PRAGMA foreign_keys=ON; PRAGMA synchronous=FULL");
  load_leadx();
  run("SELECT leadx_configure(?1, ?2, '{\"timeout\":3,\"connect_timeout\":2}')",
      getenv("LEADX_URL"), getenv("LEADX_APIKEY"), NULL, NULL);
  run("SELECT leadx_set_token(?1)", getenv("LEADX_TOKEN"), NULL, NULL, NULL);
  run("BEGIN IMMEDIATE", NULL, NULL, NULL, NULL);
  script(tables);
  /* Others' rows of this server are no business of the tests that start this program. */
  run("SELECT leadx_track('customers', '{\"mode\":\"push\"}')", NULL, NULL, NULL, NULL);
  run("SELECT leadx_track('activities', '{\"mode\":\"push\"}')", NULL, NULL, NULL, NULL);
  run("COMMIT", NULL, NULL, NULL, NULL);
}

int main(int argc, char **argv) {
  if (argc < 7) return fail("usage", "device FILE TAG SEED WRITES JOURNAL POINT [ROUNDS]");
  unsigned random = (unsigned)strtoul(argv[3], NULL, 10);
  int writes = atoi(argv[4]), rounds = argc > 7 ? atoi(argv[7]) : 1;
  shim_vfs_arm(SHIM_CHANGES | SHIM_OWN, atol(argv[6]), SHIM_DIE);
  open_file(argv[1], argv[5]);
  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < writes; i++) {
      random = random * 1664525u + 1013904223u;
      write_change(i, argv[2], random >> 8);
    }
    char *result = ask("SELECT leadx_sync()", NULL, NULL, NULL, NULL);
    printf("%s\n", result ? result : "?");
    fflush(stdout);
    sqlite3_free(result);
  }
  int rc = sqlite3_close(db);
  printf("{\"points\":%ld,\"busy\":%ld,\"close\":%d}\n", shim_vfs_count(), busy, rc);
  return rc == SQLITE_OK ? 0 : 1;
}
