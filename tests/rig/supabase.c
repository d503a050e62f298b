/* See supabase.h. */
#define _DEFAULT_SOURCE /* popen, mkstemp */
#include "supabase.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int sqlite3_leadx_init(sqlite3 *handle, char **error, const void *api);

enum { LENT = 24 };

/* Texts that are lent: the oldest is freed when its place is needed again. */
static const char *lend(char *text) {
  static char *lent[LENT];
  static int next;
  next = (next + 1) % LENT;
  sqlite3_free(lent[next]);
  lent[next] = text;
  ck_assert_ptr_nonnull(text);
  return text;
}

const char *need_environment(const char *name) {
  const char *value = getenv(name);
  ck_assert_msg(value && *value, "%s is not set: run through scripts/test.sh", name);
  return value;
}

static char *read_all(FILE *stream) {
  sqlite3_str *text = sqlite3_str_new(NULL);
  char buffer[4096];
  size_t n;
  while ((n = fread(buffer, 1, sizeof buffer, stream)) > 0)
    sqlite3_str_append(text, buffer, (int)n);
  char *all = sqlite3_str_finish(text);
  return all ? all : sqlite3_mprintf("");
}

/* Text goes to programs through a file, so that no shell reads it. */
static void write_file(char path[32], const char *text) {
  strcpy(path, "/tmp/leadx_test_XXXXXX");
  int fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
  close(fd);
}

static char *run_command(const char *command, int *exit_code) {
  FILE *pipe = popen(command, "r");
  ck_assert_ptr_nonnull(pipe);
  char *text = read_all(pipe);
  *exit_code = WEXITSTATUS(pclose(pipe));
  return text;
}

char *supabase_try(const char *sql, int *exit_code) {
  char path[32];
  write_file(path, sql);
  char *command = sqlite3_mprintf(
      "scripts/server/server.sh psql --dir '%s' -q -A -t -v ON_ERROR_STOP=1 2>&1 <%s",
      need_environment("LEADX_SERVER_DIR"), path);
  char *text = run_command(command, exit_code);
  size_t n = strlen(text);
  while (n > 0 && text[n - 1] == '\n') text[--n] = 0;
  sqlite3_free(command);
  unlink(path);
  return text;
}

const char *supabase_run(const char *sql) {
  int exit_code = 0;
  const char *text = lend(supabase_try(sql, &exit_code));
  ck_assert_msg(exit_code == 0, "psql: %s", text);
  return text;
}

int supabase_int(const char *sql) { return atoi(supabase_run(sql)); }

void supabase_reload(void) {
  int exit_code = 0;
  char *command = sqlite3_mprintf("scripts/server/server.sh reload --dir '%s' 2>&1",
                                  need_environment("LEADX_SERVER_DIR"));
  const char *text = lend(run_command(command, &exit_code));
  sqlite3_free(command);
  ck_assert_msg(exit_code == 0, "reload: %s", text);
}

FILE *supabase_session(void) {
  char *command = sqlite3_mprintf(
      "scripts/server/server.sh psql --dir '%s' -q -v ON_ERROR_STOP=1 >/dev/null",
      need_environment("LEADX_SERVER_DIR"));
  FILE *pipe = popen(command, "w");
  sqlite3_free(command);
  ck_assert_ptr_nonnull(pipe);
  return pipe;
}

static const char *token_of(int user) {
  static const char *const names[] = {"LEADX_ANON_JWT", "LEADX_TOKEN", "LEADX_TOKEN_2",
                                      "LEADX_TOKEN_3"};
  return need_environment(names[user]);
}

/* body NULL: GET. */
static const char *curl(int user, const char *path, const char *body) {
  char file[32] = "";
  int exit_code = 0;
  if (body) write_file(file, body);
  char *command = sqlite3_mprintf(
      "curl -q -s -m 20 --noproxy '*' '%s/%s' -H 'apikey: %s' -H 'Authorization: Bearer %s' %s%s "
      "%s",
      need_environment("LEADX_URL"), path, need_environment("LEADX_APIKEY"), token_of(user),
      body ? "--data-binary @" : "", file, body ? "-H 'Content-Type: application/json'" : "");
  const char *text = lend(run_command(command, &exit_code));
  sqlite3_free(command);
  if (body) unlink(file);
  ck_assert_msg(exit_code == 0, "curl of %s ended with %d", path, exit_code);
  return text;
}

const char *supabase_call(int user, const char *function, const char *arguments) {
  char path[80];
  snprintf(path, sizeof path, "rpc/%s", function);
  return curl(user, path, arguments);
}

const char *supabase_get(int user, const char *path) { return curl(user, path, NULL); }

const char *json_at(const char *json, const char *path) {
  sqlite3 *db = NULL;
  sqlite3_stmt *stmt = NULL;
  ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
  ck_assert_int_eq(sqlite3_prepare_v2(db, "SELECT json_extract(?1, ?2)", -1, &stmt, NULL),
                   SQLITE_OK);
  sqlite3_bind_text(stmt, 1, json, -1, SQLITE_STATIC);
  sqlite3_bind_text(stmt, 2, path, -1, SQLITE_STATIC);
  ck_assert_msg(sqlite3_step(stmt) == SQLITE_ROW, "%s of %.300s", path, json);
  const char *text = (const char *)sqlite3_column_text(stmt, 0);
  const char *copy = lend(sqlite3_mprintf("%s", text ? text : ""));
  sqlite3_finalize(stmt);
  sqlite3_close(db);
  return copy;
}

const char *ask_device(sqlite3 *db, const char *sql) {
  sqlite3_stmt *stmt = NULL;
  ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql,
                sqlite3_errmsg(db));
  int rc = sqlite3_step(stmt);
  ck_assert_msg(rc == SQLITE_ROW || rc == SQLITE_DONE, "%s: %s", sql, sqlite3_errmsg(db));
  const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
  const char *copy = lend(sqlite3_mprintf("%s", text ? text : ""));
  sqlite3_finalize(stmt);
  return copy;
}

const char *device_refusal(sqlite3 *db, const char *sql) {
  ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK, "%s was not refused", sql);
  return lend(sqlite3_mprintf("%s", sqlite3_errmsg(db)));
}

sqlite3 *supabase_device(int user) {
  sqlite3 *db = NULL;
  ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
  ck_assert_int_eq(sqlite3_leadx_init(db, NULL, NULL), SQLITE_OK);
  char *sql = sqlite3_mprintf("SELECT leadx_configure(%Q, %Q)", need_environment("LEADX_URL"),
                              need_environment("LEADX_APIKEY"));
  ask_device(db, sql);
  sqlite3_free(sql);
  sql = sqlite3_mprintf("SELECT leadx_set_token(%Q)", token_of(user));
  if (user > 0) ask_device(db, sql);
  sqlite3_free(sql);
  return db;
}

void supabase_uninstall(void) {
  supabase_run(
      "set client_min_messages = error;"
      "drop schema if exists leadx cascade;"
      "drop table if exists leadx_tombstones;"
      "drop function if exists leadx_push(jsonb), leadx_pull(text, jsonb, int), leadx_installed(), "
      "leadx_describe();"
      "do $$ declare t text; begin for t in select quote_ident(relname) from pg_class where "
      "relnamespace = 'public'::regnamespace"
      " and relkind = 'r' and relname like 'srv\\_%' loop execute 'drop table ' || t || ' "
      "cascade'; end loop; end $$");
  supabase_reload();
}
