/* leadx_check(): what it says of a server that lacks this or that. Each test spoils one thing on
** the real server, on tables of its own, and looks for the finding and, where there is one, runs
** the statement that mends it. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "suites.h"
#include "supabase.h"

static sqlite3 *db;

static void install(void) {
  supabase_uninstall();
  supabase_run("create table public.srv_tasks (id uuid primary key, owner_id uuid not null default "
               "auth.uid(), title text, amount numeric(18,2), done boolean,"
               " updated_at timestamptz not null default now());"
               "alter table srv_tasks enable row level security;"
               "create policy own on srv_tasks to authenticated using (owner_id = (select "
               "auth.uid())) with check (owner_id = (select auth.uid()))");
  supabase_reload();
}

static void open_device(void) {
  db = supabase_device(1);
  ask_device(db, "CREATE TABLE srv_tasks(id TEXT PRIMARY KEY NOT NULL, title TEXT, amount DECIMAL, "
                 "done BOOLEAN, updated_at TIMESTAMP)");
  ask_device(db, "SELECT leadx_track('srv_tasks')");
}

static void close_device(void) { ck_assert_int_eq(sqlite3_close(db), SQLITE_OK); }

/* Runs a check; the result of one of its findings, "" when there is none. */
static const char *result_of(const char *what) {
  char sql[200];
  ask_device(db, "SELECT leadx_check()");
  snprintf(sql, sizeof sql, "SELECT result FROM leadx_checks WHERE \"check\" = '%s'", what);
  return ask_device(db, sql);
}

static const char *fix_of(const char *what) {
  char sql[200];
  snprintf(sql, sizeof sql,
           "SELECT fix FROM leadx_checks WHERE \"check\" = '%s' AND fix IS NOT NULL", what);
  return ask_device(db, sql);
}

static void expect_start(const char *what, const char *start) {
  const char *result = result_of(what);
  ck_assert_msg(strncmp(result, start, strlen(start)) == 0, "%s is \"%s\", not \"%s…\"", what,
                result, start);
}

/* The same, once PostgREST has read the schema again, as a fix tells it to: it does so by and
** by. */
static void expect_start_soon(const char *what, const char *start) {
  for (int i = 0; i < 200 && strncmp(result_of(what), start, strlen(start)) != 0; i++)
    sqlite3_sleep(50);
  expect_start(what, start);
}

static const char *count_of(const char *pattern) {
  char sql[200];
  snprintf(sql, sizeof sql,
           "SELECT count(*) FROM leadx_checks WHERE \"check\" || ': ' || result LIKE '%s'",
           pattern);
  return ask_device(db, sql);
}

/* One thing spoiled, where it shows, and what is said of it. PostgREST knows columns from its cache
** and asks for the rest. */
typedef struct damage {
  const char *sql, *check, *result;
  int is_cached;
} damage;

static const damage damages[] = {
    {"drop trigger zzz_leadx_stamp on srv_tasks", "srv_tasks: stamp", "missing", 0},
    {"alter table srv_tasks disable trigger zzz_leadx_stamp", "srv_tasks: stamp", "missing", 0},
    {"drop trigger zzz_leadx_bury on srv_tasks", "srv_tasks: tombstones", "missing", 0},
    {"drop index srv_tasks_updated_at_id_idx", "srv_tasks: index", "missing", 0},
    {"alter table srv_tasks disable row level security", "srv_tasks: rls", "error", 0},
    {"revoke update, delete on srv_tasks from authenticated", "srv_tasks: grants",
     "missing: this role may not update, delete", 0},
    {"revoke all on srv_tasks from authenticated", "srv_tasks: table", "error", 0},
    {"alter table srv_tasks drop column title", "srv_tasks: columns",
     "missing: the server has no column \"title\"", 1},
    {"drop trigger zzz_leadx_stamp on srv_tasks; alter table srv_tasks drop column updated_at",
     "srv_tasks: version", "missing", 1},
};

static void forget_cached(const damage *done) {
  if (done->is_cached) supabase_reload();
}

START_TEST(a_bare_server_is_told_what_it_lacks_and_the_text_gives_it) {
  install();
  expect_start("server", "ok");
  expect_start("tls", "ok: not encrypted");
  expect_start("apikey", "ok");
  expect_start("token", "ok: user 11111111-1111-4111-8111-111111111111, expires in ");
  expect_start("clock", "ok");
  expect_start("functions", "missing");
  ck_assert_ptr_nonnull(strstr(fix_of("functions"), "leadx_server_sql()"));
  expect_start("srv_tasks: table", "ok");
  expect_start("srv_tasks: columns", "ok");
  expect_start("srv_tasks: types", "ok");
  expect_start("srv_tasks: stamp", "warning");
  expect_start("srv_tasks: tombstones", "warning");
  ck_assert_str_eq(fix_of("srv_tasks: stamp"),
                   "SELECT leadx_server_sql('srv_tasks'); -- and run what it prints on the server");
  supabase_run(ask_device(db, "SELECT leadx_server_sql()"));
  supabase_reload();
  ask_device(db, "SELECT leadx_check()");
  ck_assert_str_eq(ask_device(db, "SELECT group_concat(\"check\" || ' ' || result) FROM "
                                  "leadx_checks WHERE result NOT LIKE 'ok%'"),
                   "");
  ck_assert_str_eq(ask_device(db, "SELECT count(*) FROM leadx_checks"), "16");
  ck_assert_str_eq(ask_device(db, "SELECT json_array_length(leadx_check())"), "16");
}
END_TEST

START_TEST(a_thing_that_was_spoiled_is_found_and_its_fix_mends_it) {
  const damage *done = &damages[_i];
  if (!strstr(supabase_run("select string_agg(tgname, ' ') from pg_trigger where tgrelid = "
                           "'srv_tasks'::regclass"),
              "zzz_leadx_bury")) {
    supabase_run(ask_device(db, "SELECT leadx_server_sql()"));
    supabase_reload();
  }
  supabase_run(done->sql);
  forget_cached(done);
  expect_start(done->check, done->result);
  ck_assert_str_eq(count_of("%: missing: %"), strncmp(done->result, "missing", 7) == 0 ? "1" : "0");
  supabase_run(fix_of(done->check));
  expect_start_soon(done->check, "ok");
}
END_TEST

/* Text that nobody fills, and columns that the server fills itself. */
#define REQUIRED_COLUMNS \
  "alter table srv_tasks add column branch text not null, add column kind text not null default " \
  "'new'," \
  " add column tags jsonb not null default '[]', add column labels text[] not null default '{}'"
#define FILLED_BY_CALLS \
  ", add column luck integer not null default floor(random() * 10), add column n bigint " \
  "generated always as identity"

static void expect_branch_alone(void) {
  ask_device(db, "SELECT leadx_check()");
  ck_assert_str_eq(count_of("srv_tasks: columns: warning: the server requires \"branch\"%"), "1");
  ck_assert_str_eq(count_of("%requires%"), "1");
}

static void mend_branch(void) {
  supabase_run(fix_of("srv_tasks: columns"));
  for (int i = 0; i < 200 && strcmp(count_of("%branch%"), "0") != 0; i++) {
    ask_device(db, "SELECT leadx_check()");
    sqlite3_sleep(50);
  }
  ck_assert_str_eq(count_of("%branch%"), "0");
}

START_TEST(a_column_that_the_server_requires_is_named) {
  install();
  supabase_run(REQUIRED_COLUMNS);
  supabase_reload();
  expect_branch_alone();
  mend_branch();
  install();
}
END_TEST

START_TEST(a_server_that_has_the_functions_knows_to_the_last_which_columns_it_requires) {
  install();
  supabase_run(REQUIRED_COLUMNS FILLED_BY_CALLS);
  supabase_run(ask_device(db, "SELECT leadx_server_sql()"));
  supabase_reload();
  expect_branch_alone();
  mend_branch();
  install();
}
END_TEST

START_TEST(what_is_installed_for_another_version_or_key_is_not_in_force) {
  install();
  supabase_run("alter table srv_tasks add column seen_at timestamptz");
  supabase_run(ask_device(db, "SELECT leadx_server_sql()"));
  supabase_reload();
  expect_start_soon("srv_tasks: stamp", "ok");
  ask_device(db, "SELECT leadx_track('srv_tasks', "
                 "'{\"version\":\"seen_at\",\"columns\":{\"updated_at\":null}}')");
  expect_start("srv_tasks: stamp", "warning");
  supabase_run(fix_of("srv_tasks: stamp"));
  expect_start("srv_tasks: stamp", "ok");
  install();
}
END_TEST

START_TEST(a_type_that_does_not_fit_is_named_and_its_fix_is_a_call) {
  ask_device(db, "SELECT leadx_track('srv_tasks', "
                 "'{\"priority\":7,\"columns\":{\"done\":{\"type\":\"integer\"}}}')");
  expect_start("srv_tasks: types", "warning: \"done\" is integer here and boolean on the server");
  ask_device(db, fix_of("srv_tasks: types"));
  expect_start("srv_tasks: types", "ok");
  ck_assert_str_eq(ask_device(db, "SELECT priority FROM leadx_tables"), "7");
}
END_TEST

START_TEST(a_table_that_is_not_there_gets_a_create_table) {
  ask_device(db, "CREATE TABLE \"srv_it''s\"(id TEXT PRIMARY KEY NOT NULL, n INTEGER, j JSON)");
  ask_device(db, "SELECT leadx_track('srv_it''''s')");
  expect_start("srv_it''''s: table", "missing");
  supabase_run(fix_of("srv_it''''s: table"));
  expect_start_soon("srv_it''''s: table", "ok");
  ck_assert_str_eq(
      supabase_run(
          "select count(*) from information_schema.columns where table_name = 'srv_it''''s'"),
      "4");
}
END_TEST

START_TEST(versions_that_clients_set_are_found) {
  install();
  supabase_run("insert into srv_tasks (id, owner_id, updated_at) values (gen_random_uuid(), "
               "'11111111-1111-4111-8111-111111111111', now() + interval '1 year')");
  expect_start("srv_tasks: version", "error: \"updated_at\" of the newest row is ");
  supabase_run("update srv_tasks set updated_at = 'infinity'");
  expect_start("srv_tasks: version",
               "error: \"updated_at\" is \"infinity\", which is no moment in time");
  supabase_run("alter table srv_tasks alter column updated_at drop not null; update srv_tasks set "
               "updated_at = null");
  expect_start("srv_tasks: version", "error: there are rows without \"updated_at\"");
  supabase_run("update srv_tasks set updated_at = now()");
  expect_start("srv_tasks: version", "ok: the newest is 2");
  supabase_run("delete from srv_tasks");
}
END_TEST

START_TEST(answers_that_are_cut_are_told_with_the_page_size_that_fits) {
  ask_device(db, "SELECT leadx_config('page_size', 5000)");
  supabase_run("insert into srv_tasks (id, owner_id) select gen_random_uuid(), "
               "'11111111-1111-4111-8111-111111111111' from generate_series(1, 1500)");
  expect_start("srv_tasks: rows", "warning: the server cuts answers at 1000 rows");
  ask_device(db, fix_of("srv_tasks: rows"));
  expect_start("srv_tasks: rows", "ok");
  supabase_run("delete from srv_tasks");
}
END_TEST

START_TEST(a_wrong_key_and_a_wrong_token_are_told_apart) {
  char *sql = sqlite3_mprintf("SELECT leadx_configure(%Q, 'sb_publishable_wrong')",
                              need_environment("LEADX_URL"));
  ask_device(db, sql);
  sqlite3_free(sql);
  expect_start("apikey", "error: the server refuses the key");
  expect_start("srv_tasks: table", "");
  ck_assert_str_eq(result_of("token"), "");
  sql = sqlite3_mprintf("SELECT leadx_configure(%Q, %Q)", need_environment("LEADX_URL"),
                        need_environment("LEADX_APIKEY"));
  ask_device(db, sql);
  sqlite3_free(sql);
  ask_device(db, "SELECT leadx_set_token('eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl')");
  expect_start("apikey", "ok");
  expect_start("token", "error: the server refuses the token: PGRST301");
  ask_device(db, "SELECT leadx_set_token(NULL)");
  expect_start("token", "warning: nobody is signed in");
}
END_TEST

START_TEST(no_server_is_one_finding_and_no_error) {
  char *sql = sqlite3_mprintf("SELECT leadx_configure('http://127.0.0.1:9/', %Q)",
                              need_environment("LEADX_APIKEY"));
  ask_device(db, sql);
  sqlite3_free(sql);
  expect_start("server", "error: ");
  ck_assert_str_eq(ask_device(db, "SELECT count(*) FROM leadx_checks"), "1");
}
END_TEST

START_TEST(an_address_without_postgrest_is_told_and_no_table_is_called_missing) {
  char *sql = sqlite3_mprintf("SELECT leadx_configure(replace(%Q, '/rest/v1', '/elsewhere'), %Q)",
                              need_environment("LEADX_URL"), need_environment("LEADX_APIKEY"));
  ask_device(db, sql);
  sqlite3_free(sql);
  expect_start("server", "error: no PostgREST is at this address");
  ck_assert_str_eq(ask_device(db, "SELECT count(*) FROM leadx_checks WHERE \"check\" LIKE '%: %'"),
                   "0");
}
END_TEST

START_TEST(a_server_that_does_not_describe_itself_is_asked_for_the_columns) {
  install();
  supabase_run("alter table srv_tasks drop column title, drop column done");
  supabase_run("alter role authenticator set pgrst.openapi_mode = 'disabled'");
  supabase_reload();
  ask_device(db, "SELECT leadx_check()");
  ck_assert_str_eq(count_of("srv_tasks: columns: missing: the server has no column \"title\"%"),
                   "1");
  ck_assert_str_eq(count_of("srv_tasks: columns: missing: the server has no column \"done\"%"),
                   "1");
  ck_assert_str_eq(count_of("srv_tasks: columns: %"), "2");
  supabase_run(ask_device(db, "SELECT group_concat(fix, ' ') FROM leadx_checks WHERE result LIKE "
                              "'missing: the server has no column%'"));
  expect_start_soon("srv_tasks: columns",
                    "ok: the server has all 5 (their types it does not tell)");
  supabase_run("alter role authenticator reset pgrst.openapi_mode");
  supabase_reload();
}
END_TEST

START_TEST(a_certificate_that_nobody_vouches_for_is_told_and_the_ca_file_mends_it) {
  char *sql = sqlite3_mprintf("SELECT leadx_configure(%Q, %Q)", need_environment("LEADX_URL_TLS"),
                              need_environment("LEADX_APIKEY"));
  ask_device(db, sql);
  sqlite3_free(sql);
  expect_start("tls", "error: the server could not prove who it is");
  ck_assert_ptr_nonnull(strstr(fix_of("tls"), "ca_file"));
  sql = sqlite3_mprintf("SELECT leadx_configure(%Q, %Q, json_object('ca_file', %Q))",
                        need_environment("LEADX_URL_TLS"), need_environment("LEADX_APIKEY"),
                        need_environment("LEADX_CA"));
  ask_device(db, sql);
  sqlite3_free(sql);
  expect_start("tls", "ok: encrypted");
}
END_TEST

/* ---- clocks ---- */

static int64_t an_hour_late(void *self) {
  (void)self;
  return (int64_t)(time(NULL) - 3600) * 1000000;
}
static int64_t some_ms(void *self) {
  struct timespec now;
  (void)self;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

START_TEST(a_clock_that_is_wrong_is_told) {
  const leadx_clock_source source = {an_hour_late, some_ms, NULL};
  leadx_clock_use(&source);
  const char *result = result_of("clock");
  leadx_clock_use(NULL);
  ck_assert_msg(strncmp(result, "warning: this device is 36", 26) == 0 ||
                    strncmp(result, "warning: this device is 35", 26) == 0,
                "%s", result);
  ck_assert_ptr_nonnull(strstr(result, "behind"));
}
END_TEST

/* ---- where it refuses ---- */

START_TEST(a_check_refuses_inside_a_transaction_and_a_table_that_is_not_tracked) {
  ask_device(db, "BEGIN");
  ck_assert_ptr_nonnull(strstr(device_refusal(db, "SELECT leadx_check()"), "COMMIT"));
  ask_device(db, "COMMIT");
  ck_assert_ptr_nonnull(
      strstr(device_refusal(db, "SELECT leadx_check('nothing')"), "is not tracked"));
}
END_TEST

static void fill_both(void) {
  supabase_run(
      "insert into srv_tasks (id, owner_id, title, done) select "
      "('5a71ca00-0000-4000-8000-00000000000' || n)::uuid, "
      "'11111111-1111-4111-8111-111111111111', 't' || n, false from generate_series(1, 4) n");
  ask_device(db, "SELECT leadx_untrack('srv_tasks')");
  ask_device(db, "DELETE FROM srv_tasks");
  /* Equal though spelt otherwise, different, and only here. */
  ask_device(db, "INSERT INTO srv_tasks(id, title, done) VALUES "
                 "('5A71CA00-0000-4000-8000-000000000001', 't1', 0),"
                 "('5a71ca00-0000-4000-8000-000000000002', 'mine', 0),"
                 "('5a71ca00-0000-4000-8000-000000000009', 't9', 0)");
}

START_TEST(rows_that_are_here_already_are_counted_before_anything_moves) {
  fill_both();
  ask_device(db, "SELECT leadx_track('srv_tasks', '{\"columns\":{\"id\":{\"type\":\"uuid\"}}}')");
  expect_start("srv_tasks: existing",
               "warning: 1 rows are equal here and there, 1 different, 1 only "
               "here, 2 only there; the first pull takes the server's");
  ck_assert_str_eq(ask_device(db, "SELECT count(*) FROM srv_tasks"), "3");
  /* The fix sends what is only here; what differs meets the server as an edit does. */
  ask_device(db, fix_of("srv_tasks: existing"));
  ask_device(db, "SELECT leadx_sync()");
  ck_assert_str_eq(supabase_run("select title from srv_tasks where id = "
                                "'5a71ca00-0000-4000-8000-000000000009'"),
                   "t9");
  ck_assert_str_eq(result_of("srv_tasks: existing"), "");
  supabase_run("delete from srv_tasks");
}
END_TEST

static const char *const existings[] = {"{}", "{\"existing\":\"keep\"}",
                                        "{\"existing\":\"server\"}"};

START_TEST(a_first_pull_overwrites_no_row_without_keeping_both) {
  char *sql = sqlite3_mprintf("SELECT leadx_track('srv_tasks', json_patch(%Q, "
                              "'{\"columns\":{\"id\":{\"type\":\"uuid\"}}}'))",
                              existings[_i]);
  fill_both();
  ask_device(db, sql);
  sqlite3_free(sql);
  ck_assert_str_eq(ask_device(db, "SELECT leadx_sync() ->> 'state'"), "ok");
  ck_assert_str_eq(ask_device(db,
                              "SELECT group_concat(title, ' ') FROM (SELECT title FROM srv_tasks "
                              "ORDER BY lower(id))"),
                   "t1 t2 t3 t4 t9");
  /* Equal rows are simply taken as known. */
  ck_assert_str_eq(
      ask_device(db, "SELECT group_concat(entity_id || (client_payload ->> 'title') || "
                     "(server_payload ->> 'title') || contested || winner) FROM sync_conflicts"),
      "5a71ca00-0000-4000-8000-000000000002minet2[\"title\"]server");
  ck_assert_str_eq(ask_device(db, "SELECT leadx_sync() ->> 'state'"), "ok");
  ck_assert_str_eq(ask_device(db, "SELECT count(*) FROM sync_conflicts"), "1");
  ck_assert_str_eq(supabase_run("select count(*) from srv_tasks"), "4");
  supabase_run("delete from srv_tasks");
}
END_TEST

/* The second time with the server's functions. */
START_TEST(a_row_that_was_here_is_sent_whole_once_it_is_edited_and_meets_the_servers_openly) {
  if (_i) {
    supabase_run(ask_device(db, "SELECT leadx_server_sql()"));
    supabase_reload();
  }
  fill_both();
  ask_device(db, "INSERT INTO srv_tasks(id, title, done) VALUES "
                 "('5a71ca00-0000-4000-8000-00000000000a', 'never sent', 0)");
  ask_device(db, "SELECT leadx_track('srv_tasks', '{\"columns\":{\"id\":{\"type\":\"uuid\"}}}')");
  if (_i) ask_device(db, "SELECT leadx_check()");
  ask_device(db, "UPDATE srv_tasks SET amount = '5.00' WHERE title IN ('mine', 't9')");
  ask_device(db, "DELETE FROM srv_tasks WHERE title = 'never sent'");
  ck_assert_str_eq(ask_device(db, "SELECT leadx_sync() ->> 'state'"), "ok");
  ck_assert_str_eq(supabase_run("select title, amount, done from srv_tasks where id = "
                                "'5a71ca00-0000-4000-8000-000000000009'"),
                   "t9|5.00|f");
  ck_assert_str_eq(supabase_run("select amount from srv_tasks where id = "
                                "'5a71ca00-0000-4000-8000-000000000002'"),
                   "5.00");
  ck_assert_str_eq(ask_device(db, "SELECT group_concat((client_payload ->> 'title') || ' ' || "
                                  "(server_payload ->> 'title')) FROM sync_conflicts"),
                   "mine t2");
  ck_assert_str_eq(ask_device(db, "SELECT count(*) FROM leadx_problems"), "0");
  ck_assert_str_eq(ask_device(db, "SELECT count(*) FROM leadx_queue WHERE status <> 'SYNCED'"),
                   "0");
  install();
}
END_TEST

START_TEST(a_check_before_anything_is_tracked_tells_of_the_server_and_its_tables) {
  for (int user = 0; user < 2; user++) {
    sqlite3 *mine = db;
    db = supabase_device(user);
    expect_start("server", "ok");
    expect_start("apikey", "ok");
    expect_start("token", user ? "ok: user" : "warning: nobody is signed in");
    expect_start("functions", "");
    expect_start("tables", "warning: nothing is tracked in this file");
    if (user) ck_assert_ptr_nonnull(strstr(result_of("tables"), "srv_tasks"));
    if (user) ck_assert_ptr_nonnull(strstr(fix_of("tables"), "leadx_clone('*')"));
    ck_assert_str_eq(ask_device(db, "SELECT count(*) FROM leadx_tables"), "0");
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    db = mine;
  }
}
END_TEST

START_TEST(one_table_is_checked_alone) {
  ask_device(db, "CREATE TABLE srv_other(id TEXT PRIMARY KEY NOT NULL)");
  ask_device(db, "SELECT leadx_track('srv_other')");
  ask_device(db, "SELECT leadx_check('srv_tasks')");
  ck_assert_str_eq(
      ask_device(db, "SELECT count(*) > 0 FROM leadx_checks WHERE \"check\" LIKE 'srv_tasks: %'"),
      "1");
  ck_assert_str_eq(
      ask_device(db, "SELECT count(*) FROM leadx_checks WHERE \"check\" LIKE 'srv_other: %'"), "0");
}
END_TEST

START_TEST(no_key_and_no_token_is_in_the_findings) {
  ask_device(db, "SELECT leadx_check()");
  const char *all = ask_device(
      db, "SELECT group_concat(\"check\" || result || ifnull(fix, '')) FROM leadx_checks");
  ck_assert_ptr_null(strstr(all, need_environment("LEADX_APIKEY")));
  ck_assert_ptr_null(strstr(all, need_environment("LEADX_TOKEN")));
}
END_TEST

Suite *test_check_suite(void) {
  const TTest *const tests[] = {
      a_bare_server_is_told_what_it_lacks_and_the_text_gives_it,
      a_column_that_the_server_requires_is_named,
      a_server_that_has_the_functions_knows_to_the_last_which_columns_it_requires,
      what_is_installed_for_another_version_or_key_is_not_in_force,
      a_type_that_does_not_fit_is_named_and_its_fix_is_a_call,
      a_table_that_is_not_there_gets_a_create_table,
      versions_that_clients_set_are_found,
      answers_that_are_cut_are_told_with_the_page_size_that_fits,
      a_wrong_key_and_a_wrong_token_are_told_apart,
      no_server_is_one_finding_and_no_error,
      an_address_without_postgrest_is_told_and_no_table_is_called_missing,
      a_server_that_does_not_describe_itself_is_asked_for_the_columns,
      a_certificate_that_nobody_vouches_for_is_told_and_the_ca_file_mends_it,
      a_clock_that_is_wrong_is_told,
      a_check_refuses_inside_a_transaction_and_a_table_that_is_not_tracked,
      a_check_before_anything_is_tracked_tells_of_the_server_and_its_tables,
      rows_that_are_here_already_are_counted_before_anything_moves,
      one_table_is_checked_alone,
      no_key_and_no_token_is_in_the_findings,
  };
  Suite *suite = suite_create("check");
  TCase *tcase = tcase_create("check");
  tcase_add_unchecked_fixture(tcase, install, supabase_uninstall);
  tcase_add_checked_fixture(tcase, open_device, close_device);
  for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(tcase, tests[i]);
  tcase_add_loop_test(
      tcase, a_row_that_was_here_is_sent_whole_once_it_is_edited_and_meets_the_servers_openly, 0,
      2);
  tcase_add_loop_test(tcase, a_first_pull_overwrites_no_row_without_keeping_both, 0,
                      (int)(sizeof existings / sizeof existings[0]));
  tcase_add_loop_test(tcase, a_thing_that_was_spoiled_is_found_and_its_fix_mends_it, 0,
                      (int)(sizeof damages / sizeof damages[0]));
  suite_add_tcase(suite, tcase);
  return suite;
}
