/* A server that lies through a whole sync: push, pull, the functions of the server's half,
** reconcile, check, sign-in.
**
** The input's first half is what a person does, the second half spoils the answers of the model server
** (fuzz_spoil). The file is in memory, with changes of every kind unsent. Promised: a row of a table
** changes only when some answer spoke of it, and those of no table that is not tracked; a queue row is
** SYNCED only after an answer that was a success, of JSON, to a request that spoke of it; every call ends
** after a bounded number of requests; the file is whole; key and token stand in none of
** leadx's words in it. */
#define _GNU_SOURCE /* memmem */
#include <string.h>

#include "fuzz.h"
#include "fuzz_server.h"

#define MAX_OPERATIONS 8
/* Requests of one call: there are two tables with a handful of rows. */
#define MOST_REQUESTS 400
/* As long a piece of a secret is the secret. */
#define PIECE 12
/* The person's own edit, in the table and in what is remembered of it. */
#define EDIT(table) "UPDATE " table " SET body = 'again' WHERE id = 'key-alpha';"

int sqlite3_leadx_init(sqlite3 *handle, char **error, const void *api);

static const char schema[] =
    "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, body TEXT, n INTEGER, doc JSON, parent TEXT "
    "REFERENCES notes, updated_at TEXT);"
    "CREATE TABLE pairs(a TEXT NOT NULL, b INTEGER NOT NULL, PRIMARY KEY (a, b));"
    "CREATE TABLE bystander(id TEXT PRIMARY KEY, secret TEXT); INSERT INTO bystander VALUES ('1', "
    "'untouched')";
static const char changes[] =
    "INSERT INTO notes(id, body, n) VALUES ('key-alpha', 'three', 3), ('key-beta', 'four', 4);"
    "UPDATE notes SET body = 'mine' WHERE id = 'n1'; DELETE FROM notes WHERE id = 'n2';"
    "INSERT INTO notes(id, body, parent) VALUES ('key-gamma', 'child', 'key-alpha');"
    "INSERT INTO pairs VALUES ('key-pair', 1)";

static unsigned char *honest;
static sqlite3_int64 honest_bytes;

typedef struct run {
  sqlite3 *db;
  fuzz_input in, answers;
  fuzz_server *server;
  sqlite3_str *said; /* every body that was delivered with a success */
  sqlite3_str
      *heard; /* URLs and bodies of the requests that those answered, with JSON or nothing */
  int has_escapes; /* a key may be spelt in a way that is not looked for */
  int may_conclude; /* reconcile was called, or a person discarded: rows go without being named */
} run;

static void must(sqlite3 *db, const char *sql) {
  FUZZ_CHECK(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql,
             sqlite3_errmsg(db));
}

static void make_honest(void) {
  sqlite3 *db;
  fuzz_input nothing = {NULL, NULL};
  FUZZ_CHECK(sqlite3_open(":memory:", &db) == SQLITE_OK &&
                 sqlite3_leadx_init(db, NULL, NULL) == SQLITE_OK,
             "open");
  must(db, schema);
  must(db, "SELECT leadx_track('notes'), leadx_track('pairs')");
  must(db, "SELECT leadx_configure('" FUZZ_ROOT "', '" FUZZ_KEY "')");
  fuzz_server_begin(&nothing, 0);
  must(db, "SELECT leadx_sync()");
  fuzz_server_end();
  must(db, changes);
  must(db, "DELETE FROM leadx_servers");
  honest = sqlite3_serialize(db, "main", &honest_bytes, 0);
  FUZZ_CHECK(honest != NULL && sqlite3_close(db) == SQLITE_OK, "serialize");
}

/* The first column of the first row, "" for none. The caller frees. */
static char *ask(run *r, const char *sql) {
  sqlite3_stmt *stmt = NULL;
  char *text = NULL;
  if (sqlite3_prepare_v2(r->db, sql, -1, &stmt, NULL) == SQLITE_OK &&
      sqlite3_step(stmt) == SQLITE_ROW)
    text = sqlite3_mprintf(
        "%s", sqlite3_column_text(stmt, 0) ? (const char *)sqlite3_column_text(stmt, 0) : "");
  sqlite3_finalize(stmt);
  return text ? text : sqlite3_mprintf("");
}

static int is_json(run *r, const leadx_request *req) {
  sqlite3_stmt *stmt = NULL;
  int is = 0;
  if (sqlite3_prepare_v2(r->server->model.db, "SELECT json_valid(?1)", -1, &stmt, NULL) ==
      SQLITE_OK) {
    sqlite3_bind_text(stmt, 1, req->answer, (int)req->answer_bytes, SQLITE_STATIC);
    is = sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0);
  }
  sqlite3_finalize(stmt);
  return is;
}

static void see_request(void *ctx, const leadx_request *req) {
  run *r = ctx;
  FUZZ_CHECK(r->server->requests < MOST_REQUESTS, "it does not end: %s %s", req->method, req->url);
  FUZZ_CHECK(!strstr(req->url, "v1/bystander"), "%s", req->url);
  if (req->net != LEADX_NET_ANSWER) return;
  int is_success = req->status >= 200 && req->status < 300;
  /* An error may speak of a row as well; what it says is not taken for one. */
  if (req->answer && is_success) sqlite3_str_append(r->said, req->answer, (int)req->answer_bytes);
  if (req->answer && memmem(req->answer, req->answer_bytes, "\\u", 2)) r->has_escapes = 1;
  if (is_success && (req->answer_bytes == 0 || is_json(r, req)))
    sqlite3_str_appendf(r->heard, "%s\n%s\n%.*s\n", req->url, req->body ? req->body : "",
                        (int)req->answer_bytes, req->answer);
}

static void do_operation(run *r) {
  static const char *const calls[] = {
      "SELECT leadx_sync()",
      "SELECT leadx_push()",
      "SELECT leadx_pull()",
      "SELECT leadx_step()",
      "SELECT leadx_check()",
      "SELECT leadx_reconcile()",
      "SELECT leadx_login('a@b.example', 'a password')",
      "SELECT leadx_set_token('" FUZZ_TOKEN "', 'a refresh token')",
      "SELECT leadx_logout('force')",
      "SELECT leadx_retry()",
      "SELECT leadx_pull('notes')",
      "SELECT leadx_notify('foreground')",
      EDIT("notes") EDIT("was"),
      "UPDATE leadx_servers SET asked_us = 0",
      "SELECT leadx_resolve(id, 'client') FROM main.sync_conflicts",
      "SELECT * FROM leadx_queue, leadx_status, leadx_conflicts, leadx_state",
  };
  unsigned i = fuzz_below(&r->in, sizeof calls / sizeof calls[0]);
  r->server->requests = 0;
  r->may_conclude |= i == 5 || i == 14;
  sqlite3_exec(r->db, calls[i], NULL, NULL, NULL);
}

/* ---- what is promised ---- */

/* The rows of the user that have changed and that no answer named. */
static void check_rows(run *r) {
  static const char sql[] =
      "SELECT old.id FROM was old LEFT JOIN main.notes new USING (id) WHERE new.id IS NULL OR "
      "(old.body, old.n, old.doc, old.parent) IS NOT (new.body, new.n, new.doc, new.parent)";
  sqlite3_stmt *stmt = NULL;
  const char *said = sqlite3_str_value(r->said);
  size_t n = (size_t)sqlite3_str_length(r->said);
  if (r->has_escapes || r->may_conclude) return;
  FUZZ_CHECK(sqlite3_prepare_v2(r->db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s",
             sqlite3_errmsg(r->db));
  while (sqlite3_step(stmt) == SQLITE_ROW) {
    const char *id = (const char *)sqlite3_column_text(stmt, 0);
    FUZZ_CHECK(said && memmem(said, n, id, strlen(id)), "row %s changed, and no answer spoke of it",
               id);
  }
  sqlite3_finalize(stmt);
}

static void check_queue(run *r) {
  static const char sql[] =
      "SELECT entity_id FROM main.sync_queue WHERE status = 'SYNCED' AND id IN (SELECT id FROM "
      "unsent) GROUP BY entity_id HAVING count(*) = 1 AND entity_id NOT LIKE '[%'";
  sqlite3_stmt *stmt = NULL;
  const char *heard = sqlite3_str_value(r->heard);
  FUZZ_CHECK(sqlite3_prepare_v2(r->db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s",
             sqlite3_errmsg(r->db));
  while (!r->has_escapes && sqlite3_step(stmt) == SQLITE_ROW) {
    const char *id = (const char *)sqlite3_column_text(stmt, 0);
    FUZZ_CHECK(heard && strstr(heard, id), "the change of %s is SYNCED, and no answer says so", id);
  }
  sqlite3_finalize(stmt);
}

static void check_secret(const char *text, const char *secret) {
  for (size_t i = 0; i + PIECE <= strlen(secret); i++)
    FUZZ_CHECK(!memmem(text, strlen(text), secret + i, PIECE), "%.*s stands in %s", PIECE,
               secret + i, text);
}

/* The words of leadx's tables. A row of the server that holds the key in a value of its own is data, and so
** are the columns that keep rows, keys and versions to the letter. */
static void check_words(run *r) {
  static const char sql[] =
      "SELECT printf('SELECT group_concat(\"%w\", char(10)) FROM main.\"%w\"', c.name, t.name) "
      "FROM "
      "main.sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' AND (t.name LIKE "
      "'leadx~_%' ESCAPE '~' OR t.name LIKE 'sync~_%' ESCAPE '~') AND c.name NOT LIKE '%payload' "
      "AND "
      "c.name NOT IN ('base', 'key', 'version', 'entity_id', 'place', 'contested')";
  sqlite3_stmt *stmt = NULL;
  FUZZ_CHECK(sqlite3_prepare_v2(r->db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s",
             sqlite3_errmsg(r->db));
  while (sqlite3_step(stmt) == SQLITE_ROW) {
    char *text = ask(r, (const char *)sqlite3_column_text(stmt, 0));
    check_secret(text, &FUZZ_KEY[strlen("sb_publishable_")]);
    check_secret(text, strrchr(FUZZ_TOKEN, '.') + 1);
    sqlite3_free(text);
  }
  sqlite3_finalize(stmt);
}

static void check_file(run *r) {
  char *whole = ask(r, "PRAGMA integrity_check");
  FUZZ_CHECK(strcmp(whole, "ok") == 0, "%s", whole);
  sqlite3_free(whole);
  check_words(r);
}

static void check(run *r, size_t n) {
  char *secret = ask(r, "SELECT group_concat(id || secret) FROM bystander");
  FUZZ_CHECK(strcmp(secret, "1untouched") == 0, "%s", secret);
  sqlite3_free(secret);
  check_rows(r);
  check_queue(r);
  if (n % 4 == 0) check_file(r);
}

void fuzz_sync(const char *data, size_t n) {
  if (!honest) make_honest();
  const unsigned char *at = (const unsigned char *)data;
  size_t first = n ? at[0] % 12 : 0;
  if (first + 1 > n) first = n ? n - 1 : 0;
  run r = {.in = {at + (n > 0), at + (n > 0) + first}, .answers = {at + (n > 0) + first, at + n}};
  unsigned char *bytes = sqlite3_malloc64((sqlite3_uint64)honest_bytes);
  FUZZ_CHECK(bytes && sqlite3_open(":memory:", &r.db) == SQLITE_OK, "memory");
  memcpy(bytes, honest, (size_t)honest_bytes);
  sqlite3_deserialize(r.db, "main", bytes, honest_bytes, honest_bytes,
                      SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE);
  FUZZ_CHECK(sqlite3_leadx_init(r.db, NULL, NULL) == SQLITE_OK, "load");
  must(r.db, "SELECT leadx_configure('" FUZZ_ROOT "', '" FUZZ_KEY "')");
  must(r.db,
       "CREATE TEMP TABLE was AS SELECT * FROM notes WHERE id <> 'n2'; CREATE TEMP TABLE unsent AS "
       "SELECT id FROM sync_queue WHERE status <> 'SYNCED'");
  r.said = sqlite3_str_new(NULL);
  r.heard = sqlite3_str_new(NULL);
  r.server = fuzz_server_begin(&r.answers, fuzz_byte(&r.in) & 1);
  r.server->seen = see_request;
  r.server->ctx = &r;
  int operations = 0;
  do do_operation(&r);
  while (r.in.at < r.in.end && ++operations < MAX_OPERATIONS);
  check(&r, n);
  sqlite3_free(sqlite3_str_finish(r.said));
  sqlite3_free(sqlite3_str_finish(r.heard));
  FUZZ_CHECK(sqlite3_close(r.db) == SQLITE_OK, "something was left open");
  fuzz_server_end();
}
