/* See phone.h. */
#define _GNU_SOURCE /* environ */
#include "phone.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "http/http.h"
#include "suites.h"

int sqlite3_leadx_init(sqlite3 *handle, char **error, const void *api);

static const char *need_env(const char *name) {
  const char *value = getenv(name);
  ck_assert_msg(value != NULL, "%s is not set: run this through make test", name);
  return value;
}

/* The program that belongs to this one: leadx_test has device, leadx_test_asan has device_asan. */
static void name_program(char *out, size_t n) {
  char self[512];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  ck_assert_int_gt(length, 0);
  self[length] = 0;
  int is_sanitized = strstr(self, "_asan") != NULL;
  *strrchr(self, '/') = 0;
  snprintf(out, n, "%s/device%s", self, is_sanitized ? "_asan" : "");
}

void phone_init(phone *d, const char *url, const char *journal, int writes) {
  static int made;
  memset(d, 0, sizeof *d);
  snprintf(d->path, sizeof d->path, "/tmp/leadx_device_XXXXXX");
  int fd = mkstemp(d->path);
  ck_assert_int_ge(fd, 0);
  close(fd);
  snprintf(d->tag, sizeof d->tag, "device-%s-%d", d->path + strlen("/tmp/leadx_device_"), ++made);
  snprintf(d->url, sizeof d->url, "%s", url ? url : need_env("LEADX_URL"));
  d->journal = journal;
  d->writes = writes;
  d->rounds = 1;
}

void phone_remove(phone *d) {
  static const char *const suffixes[] = {"", "-journal", "-wal", "-shm", ".out"};
  char name[80];
  for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
    snprintf(name, sizeof name, "%s%s", d->path, suffixes[i]);
    unlink(name);
  }
}

/* ---- the process ---- */

pid_t phone_start(const phone *d, unsigned seed, long point) {
  char program[560], out[80], url[128], seed_text[16], writes[16], point_text[24], rounds[16];
  char *environment[1024];
  int n = 0;
  name_program(program, sizeof program);
  snprintf(out, sizeof out, "%s.out", d->path);
  snprintf(url, sizeof url, "LEADX_URL=%s", d->url);
  snprintf(seed_text, sizeof seed_text, "%u", seed);
  snprintf(writes, sizeof writes, "%d", d->writes);
  snprintf(point_text, sizeof point_text, "%ld", point);
  snprintf(rounds, sizeof rounds, "%d", d->rounds);
  char *const argv[] = {program,    (char *)d->path, (char *)d->tag,
                        seed_text,  writes,          (char *)d->journal,
                        point_text, rounds,          NULL};
  environment[n++] = url;
  for (char **entry = environ; *entry && n < 1022; entry++) {
    if (strncmp(*entry, "LEADX_URL=", 10) != 0) environment[n++] = *entry;
  }
  environment[n] = NULL;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  pid_t pid;
  ck_assert_msg(posix_spawn(&pid, program, &actions, NULL, argv, environment) == 0,
                "cannot start %s", program);
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

int phone_wait(const phone *d, pid_t pid) {
  int status;
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return 1;
  ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
                "%s: the device ended with status %x", d->tag, (unsigned)status);
  return 0;
}

long phone_points(const phone *d) {
  char name[80], line[512];
  long points = -1;
  snprintf(name, sizeof name, "%s.out", d->path);
  FILE *out = fopen(name, "r");
  ck_assert_ptr_nonnull(out);
  while (fgets(line, sizeof line, out)) sscanf(line, "{\"points\":%ld", &points);
  fclose(out);
  ck_assert_int_gt(points, 0);
  return points;
}

/* ---- asking ---- */

static sqlite3 *open_bare(const phone *d) {
  sqlite3 *db;
  ck_assert_int_eq(sqlite3_open(d->path, &db), SQLITE_OK);
  sqlite3_busy_timeout(db, 5000);
  return db;
}

sqlite3 *phone_open(const phone *d, const char *url) {
  sqlite3 *db = open_bare(d);
  ck_assert_int_eq(sqlite3_leadx_init(db, NULL, NULL), SQLITE_OK);
  char *sql = sqlite3_mprintf(
      "SELECT leadx_configure(%Q, %Q, '{\"timeout\":60}'), leadx_set_token(%Q)", url,
      need_env("LEADX_APIKEY"), need_env("LEADX_TOKEN"));
  sqlite3_free(phone_ask(db, sql));
  sqlite3_free(sql);
  return db;
}

char *phone_ask(sqlite3 *db, const char *sql) {
  sqlite3_stmt *stmt;
  ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql,
                sqlite3_errmsg(db));
  int rc = sqlite3_step(stmt);
  ck_assert_msg(rc == SQLITE_ROW || rc == SQLITE_DONE, "%s: %s", sql, sqlite3_errmsg(db));
  const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
  char *answer = sqlite3_mprintf("%s", text ? text : "");
  sqlite3_finalize(stmt);
  return answer;
}

static void expect(const phone *d, sqlite3 *db, const char *sql, const char *expected) {
  char *answer = phone_ask(db, sql);
  ck_assert_msg(strcmp(answer, expected) == 0, "%s %s: %s\nanswers %.800s", d->path, d->tag, sql,
                answer);
  sqlite3_free(answer);
}

/* GETs a path below the server's URL. The answer is sqlite3_malloc text. */
static char *server_get(const char *path) {
  leadx_err err = {0};
  leadx_http_limits limits = {20000, 20000, 16 << 20, NULL, 1};
  leadx_transport *transport = leadx_http_open(&limits, NULL, NULL, &err);
  leadx_request *req = leadx_request_new("GET");
  char bearer[1024];
  snprintf(bearer, sizeof bearer, "Bearer %s", need_env("LEADX_TOKEN"));
  req->url = sqlite3_mprintf("%s%s", need_env("LEADX_URL"), path);
  ck_assert_int_eq(leadx_request_header(req, "apikey", need_env("LEADX_APIKEY")), SQLITE_OK);
  ck_assert_int_eq(leadx_request_header(req, "Authorization", bearer), SQLITE_OK);
  ck_assert_int_eq(transport->start(transport, req, &err), SQLITE_OK);
  ck_assert_ptr_eq(transport->wait(transport, 30000), req);
  ck_assert_msg(req->status == 200, "GET %s: %ld %s %s", path, req->status, req->answer,
                req->error);
  char *answer = sqlite3_mprintf("%s", req->answer);
  leadx_request_free(req);
  transport->free(transport);
  return answer;
}

/* Reads the device's rows on the server into the temporary table `server`, columns as in
** `truth`. */
static void read_server(const phone *d, sqlite3 *db) {
  static const struct {
    const char *entity, *path, *row;
  } parts[] = {
      {"customer", "/customers?select=id,name,notes,tax_number&name=like.",
       "NULL, value ->> 'name', value ->> 'notes'"},
      {"activity", "/activities?select=id,customer_id,subject,notes&subject=like.",
       "value ->> 'customer_id', value ->> 'subject', value ->> 'notes'"},
  };
  ck_assert_int_eq(sqlite3_exec(db, "CREATE TEMP TABLE server(key, entity, parent, name, notes)",
                                NULL, NULL, NULL),
                   SQLITE_OK);
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    char *path = sqlite3_mprintf("%s%s%%20*&limit=1000", parts[i].path, d->tag);
    char *answer = server_get(path);
    char *sql = sqlite3_mprintf(
        "INSERT INTO server SELECT value ->> 'id', %Q, %s FROM json_each(%Q)", parts[i].entity,
        parts[i].row, answer);
    char *message = NULL;
    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &message) == SQLITE_OK, "%s: %s", message,
                  answer);
    sqlite3_free(sql);
    sqlite3_free(answer);
    sqlite3_free(path);
  }
}

/* ---- what must be true ---- */

#define DIFFERENCE(a, b) \
  "SELECT json_group_array(json_array(key, entity, parent, name, notes)) FROM (SELECT * FROM (" a \
  ") EXCEPT SELECT * FROM (" b "))"
#define TRUTH "SELECT key, entity, parent, name, notes FROM truth"
#define LOCAL \
  "SELECT id AS key, 'customer' AS entity, NULL AS parent, name, notes FROM customers " \
  "UNION ALL SELECT id, 'activity', customer_id, subject, notes FROM activities"
#define SERVER "SELECT key, entity, parent, name, notes FROM server"
/* Rows of which every change was acknowledged; a row that is deleted has no place in truth. */
#define SETTLED "(SELECT entity_id FROM sync_queue GROUP BY 1 HAVING min(status = 'SYNCED'))"

#define NONE(which) \
  "SELECT json_group_array(json_array(id, status, error_code, error_message)) FROM sync_queue " \
  "WHERE " which

static const char *const local_truths[][2] = {
    {"PRAGMA integrity_check", "ok"},
    {"SELECT count(*) FROM leadx_applying", "0"},
    {"SELECT json_group_array(json_array(n, a, b)) FROM (SELECT o.n, o.key || o.action AS a, "
     "q.entity_id || q.action AS b FROM truth_ops o "
     "LEFT JOIN (SELECT row_number() OVER (ORDER BY rowid) AS n, * FROM sync_queue) q ON q.n = o.n "
     "WHERE a IS NOT b)",
     "[]"},
    {"SELECT (SELECT count(*) FROM sync_queue) - (SELECT count(*) FROM truth_ops)", "0"},
    {DIFFERENCE(LOCAL, TRUTH), "[]"},
    {DIFFERENCE(TRUTH, LOCAL), "[]"},
    {"SELECT json_group_array(json_array(entity_id, contested)) FROM sync_conflicts", "[]"},
};

static int is_set_up(sqlite3 *db) {
  char *answer = phone_ask(
      db, "SELECT count(*) FROM sqlite_schema WHERE name IN ('truth', 'leadx_lease')");
  int is = strcmp(answer, "2") == 0;
  sqlite3_free(answer);
  return is;
}

void phone_check(const phone *d) {
  sqlite3 *db = open_bare(d);
  if (is_set_up(db)) {
    for (size_t i = 0; i < sizeof local_truths / sizeof local_truths[0]; i++)
      expect(d, db, local_truths[i][0], local_truths[i][1]);
    if (!d->is_lied_to) expect(d, db, NONE("status = 'FAILED'"), "[]");
    read_server(d, db);
    expect(d, db, DIFFERENCE(TRUTH " WHERE key IN " SETTLED, SERVER), "[]");
    expect(d, db, DIFFERENCE(SERVER " WHERE key IN " SETTLED, TRUTH), "[]");
  }
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

void phone_finish(const phone *d) {
  sqlite3 *db = phone_open(d, need_env("LEADX_URL"));
  if (is_set_up(db)) {
    sqlite3_free(phone_ask(db, "SELECT leadx_retry()"));
    char *result = phone_ask(db, "SELECT leadx_sync()");
    ck_assert_msg(strncmp(result, "{\"state\":\"ok\"", 13) == 0, "%s: %s", d->tag, result);
    sqlite3_free(result);
    expect(d, db, NONE("status <> 'SYNCED'"), "[]");
    read_server(d, db);
    expect(d, db, DIFFERENCE(TRUTH, SERVER), "[]");
    expect(d, db, DIFFERENCE(SERVER, TRUTH), "[]");
  }
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}
