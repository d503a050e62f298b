/* The server's half among other people's things: rights, policies, triggers and roles that are not
** leadx's. What leadx_server_sql() prints is run on the real server and changes nothing of them,
** shows nobody what they hide, says "applied" for nothing, and takes a bounded time. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "suites.h"
#include "supabase.h"

#define A "0190a000-0000-7000-8000-00000000000a"
#define B "0190a000-0000-7000-8000-00000000000b"
#define SARI "11111111-1111-4111-8111-111111111111"

static char *printed; /* what leadx_server_sql() printed */

static const char tables[] =
    "create table public.srv_deals (id uuid primary key, owner_id uuid default auth.uid(), title "
    "text unique, hidden boolean, amount int, updated_at timestamptz not null default now());"
    "alter table srv_deals enable row level security;"
    "create policy own on srv_deals to authenticated using (owner_id = (select auth.uid())) with "
    "check (owner_id = (select auth.uid()));"
    "create table public.srv_parts (id uuid primary key, title text, secret text, updated_at "
    "timestamptz not null default now());"
    "revoke all on srv_parts from anon, authenticated, service_role;"
    "grant select (id, title, updated_at), insert (id, title), update (title) on srv_parts to "
    "authenticated;"
    "alter table srv_parts enable row level security; create policy all_of_it on srv_parts to "
    "authenticated using (true) with check (true);"
    "create table public.srv_prices (id uuid primary key, title text, updated_at timestamptz not "
    "null default now());"
    "revoke all on srv_prices from anon, authenticated; grant select on srv_prices to "
    "authenticated;"
    "alter table srv_prices enable row level security; create policy all_of_it on srv_prices to "
    "authenticated using (true) with check (true);"
    "create table public.srv_box (id uuid primary key, title text, updated_at timestamptz);"
    "revoke all on srv_box from anon, authenticated; grant insert on srv_box to authenticated;"
    "create table public.srv_elsewhere (id uuid, title text)";

static sqlite3 *tracking_device(void) {
  static const char *const names[] = {"srv_deals", "srv_parts", "srv_prices", "srv_box"};
  sqlite3 *db = supabase_device(1);
  for (int i = 0; i < 4; i++) {
    char sql[200];
    snprintf(sql, sizeof sql,
             "CREATE TABLE %s(id TEXT PRIMARY KEY NOT NULL, title TEXT, updated_at TEXT)",
             names[i]);
    ask_device(db, sql);
    snprintf(sql, sizeof sql, "SELECT leadx_track('%s')", names[i]);
    ask_device(db, sql);
  }
  return db;
}

static void install(void) {
  supabase_uninstall();
  supabase_run(tables);
  sqlite3 *db = tracking_device();
  printed = sqlite3_mprintf("%s", ask_device(db, "SELECT leadx_server_sql()"));
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
  supabase_run(printed);
  supabase_reload();
}

static void uninstall(void) {
  supabase_uninstall();
  supabase_run("drop schema if exists srv_app cascade");
  sqlite3_free(printed);
  printed = NULL;
}

static void empty_tables(void) {
  supabase_run("set client_min_messages = error; drop schema if exists srv_app cascade; create "
               "schema srv_app; grant usage on schema srv_app to anon, authenticated;"
               "delete from srv_deals; delete from srv_parts; delete from srv_prices; delete from "
               "srv_box; delete from srv_elsewhere; delete from leadx.ops; delete from "
               "leadx_tombstones");
}

/* One operation as JSON; row NULL: none. n makes op and, with {n} as its key, the row its own. */
static char *operation(int n, const char *table, const char *action, const char *key,
                       const char *row) {
  return sqlite3_mprintf(
      "{\"op\":\"0190b000-0000-4000-8000-%012d\",\"table\":\"%s\",\"action\":\"%s\",\"key\":\"%s\"%"
      "s%s}",
      n, table, action, key, row ? ",\"row\":" : "", row ? row : "");
}

/* The answer to one operation of user 1. */
static const char *push(int n, const char *table, const char *action, const char *key,
                        const char *row) {
  char *item = operation(n, table, action, key, row);
  char *arguments = sqlite3_mprintf("{\"ops\":[%s]}", item);
  const char *answer = supabase_call(1, "leadx_push", arguments);
  sqlite3_free(item);
  sqlite3_free(arguments);
  return json_at(answer, "$[0]");
}

static void expect(const char *answer, const char *status, const char *code) {
  ck_assert_msg(strcmp(json_at(answer, "$.status"), status) == 0 &&
                    strcmp(json_at(answer, "$.code"), code) == 0,
                "not %s %s: %s", status, code, answer);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- S3: rights ---- */

static const char rights[] =
    "select string_agg(relname || coalesce(relacl::text, '') || relrowsecurity || (select "
    "coalesce(string_agg(attname || attacl::text, ' ' order by attnum), '') from pg_attribute "
    "where attrelid = c.oid) || (select count(*) from pg_policy where polrelid = c.oid), ' ' order "
    "by relname) from pg_class c where relname like 'srv\\_%' and relkind = 'r'";

START_TEST(the_text_changes_no_right_on_a_table_and_no_policy) {
  char *before = sqlite3_mprintf("%s", supabase_run(rights));
  supabase_run(printed);
  ck_assert_str_eq(supabase_run(rights), before);
  ck_assert_ptr_nonnull(strstr(before, "authenticated=r/"));
  sqlite3_free(before);
}
END_TEST

START_TEST(a_read_only_table_stays_read_only) {
  expect(push(1, "srv_prices", "CREATE", A, "{\"id\":\"" A "\",\"title\":\"x\"}"), "error",
         "42501");
  ck_assert_int_eq(supabase_int("select count(*) from srv_prices"), 0);
}
END_TEST

START_TEST(what_is_granted_for_some_columns_is_pushed_and_pulled_by_them) {
  const char *made = push(2, "srv_parts", "CREATE", A,
                          "{\"id\":\"" A "\",\"title\":\"x\",\"updated_at\":\"now\"}");
  expect(made, "applied", "");
  ck_assert_str_eq(json_at(made, "$.row.title"), "x");
  made = push(3, "srv_parts", "UPDATE", A, "{\"title\":\"y\",\"updated_at\":\"now\"}");
  expect(made, "applied", "");
  ck_assert_str_eq(json_at(made, "$.row.title"), "y");
  expect(push(4, "srv_parts", "UPDATE", A, "{\"secret\":\"y\"}"), "error", "42501");
  supabase_run("update srv_parts set secret = 'hush'");
  const char *page = supabase_call(1, "leadx_pull", "{\"tbl\":\"srv_parts\"}");
  ck_assert_str_eq(json_at(page, "$.rows[0].title"), "y");
  ck_assert_ptr_null(strstr(page, "hush"));
}
END_TEST

START_TEST(the_check_recommends_the_grants_that_are_lacking) {
  sqlite3 *db = tracking_device();
  ask_device(db, "SELECT leadx_check()");
  ck_assert_str_eq(
      ask_device(db, "SELECT fix FROM leadx_checks WHERE \"check\" = 'srv_prices: grants'"),
      "grant insert, update, delete on \"public\".\"srv_prices\" to \"authenticated\";");
  ck_assert_str_eq(
      ask_device(db, "SELECT fix FROM leadx_checks WHERE \"check\" = 'srv_parts: grants'"),
      "grant update (\"id\"), delete on \"public\".\"srv_parts\" to \"authenticated\";");
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}
END_TEST

START_TEST(nobody_may_call_what_only_the_owner_needs) {
  ck_assert_str_eq(
      supabase_run("select coalesce(string_agg(p.proname || ' ' || r.rolname, ',' order by 1), '') "
                   "from pg_proc p, pg_roles r where p.pronamespace = 'leadx'::regnamespace and "
                   "p.proname in ('stamp', 'bury', 'protect', 'let_in', 'register') and r.rolname "
                   "in ('anon', 'authenticated', 'service_role') and has_function_privilege(r.oid, "
                   "p.oid, 'execute')"),
      "");
  ck_assert_str_eq(
      supabase_run("select has_table_privilege('authenticated', 'leadx_tombstones', 'select') || "
                   "' ' || has_column_privilege('authenticated', 'leadx_tombstones', 'scope', "
                   "'select') || ' ' || has_column_privilege('anon', 'leadx_tombstones', 'key', "
                   "'select')"),
      "false false true");
}
END_TEST

/* ---- T17: other roles, another owner ---- */

START_TEST(an_owner_who_is_no_superuser_runs_it_where_supabases_roles_are_not) {
  supabase_run(
      "set client_min_messages = error;"
      "drop schema leadx cascade; drop table leadx_tombstones; drop function if exists "
      "leadx_push(jsonb), leadx_pull(text, jsonb, int), leadx_installed(), leadx_describe();"
      "create role srv_owner; create role srv_web; grant create on database leadx to "
      "srv_owner; grant create, usage on schema public to srv_owner; grant usage on "
      "schema public to srv_web;"
      "alter table srv_deals owner to srv_owner; alter table srv_parts owner to "
      "srv_owner; alter table srv_prices owner to srv_owner; alter table srv_box owner to "
      "srv_owner;"
      "alter table srv_deals force row level security; grant select, delete on srv_deals "
      "to srv_web;"
      "create policy web on srv_deals to srv_web using (not hidden);"
      "insert into srv_deals (id, hidden) values ('" A "', false), ('" B "', true);"
      "alter role service_role rename to srv_was_service; alter role anon rename to "
      "srv_was_anon; alter role authenticated rename to srv_was_authenticated");
  int first = 0, second = 0, use = 0;
  char *script = sqlite3_mprintf("set client_min_messages = error; set role srv_owner; %s",
                                 printed);
  char *words = supabase_try(script, &first);
  sqlite3_free(supabase_try(script, &second));
  char *seen = supabase_try(
      "set role srv_web; select leadx_pull('srv_deals') -> 'rows' -> 0 ->> 'id', "
      "json_array_length(leadx_pull('srv_deals') -> 'rows'); delete from srv_deals; reset role; "
      "delete from srv_deals; set role srv_owner; select count(*) from leadx_tombstones; set role "
      "srv_web; select string_agg(key, ',') from leadx_tombstones",
      &use);
  supabase_run("alter role srv_was_service rename to service_role; alter role srv_was_anon rename "
               "to anon; alter role srv_was_authenticated rename to authenticated");
  ck_assert_msg(first == 0 && second == 0, "%s", words);
  ck_assert_str_eq(seen, A "|1\n2\n" A);
  sqlite3_free(seen);
  sqlite3_free(words);
  sqlite3_free(script);
  supabase_run(
      "set client_min_messages = error; drop schema leadx cascade; drop table "
      "leadx_tombstones; drop function if exists leadx_push(jsonb), leadx_pull(text, jsonb, int), "
      "leadx_installed(), leadx_describe(); alter table srv_deals no force row level security; "
      "drop policy "
      "web on srv_deals; reassign owned by srv_owner to postgres; drop owned by "
      "srv_owner, srv_web; drop role srv_owner, srv_web");
  supabase_run(printed);
  supabase_reload();
}
END_TEST

/* ---- S7: tombstones ---- */

/* The keys that a user is shown. */
static const char *shown_to(int user) {
  return supabase_get(user, "leadx_tombstones?select=key&order=id");
}

START_TEST(a_policy_that_takes_the_whole_row_shows_its_tombstones_to_those_it_shows_the_row) {
  supabase_run("create function srv_app.visible(srv_deals) returns boolean language sql stable as "
               "$$ select coalesce($1.title, '') <> '' and $1.owner_id = auth.uid() $$;"
               "alter policy own on srv_deals using (srv_app.visible(srv_deals))");
  supabase_run(printed);
  supabase_run("insert into srv_deals (id, owner_id, title) values ('" A "', '" SARI "', 'x'), ('" B
               "', '" SARI "', ''); delete from srv_deals");
  ck_assert_str_eq(shown_to(1), "[{\"key\":\"" A "\"}]");
  ck_assert_str_eq(shown_to(2), "[]");
  ck_assert_str_eq(shown_to(0), "[]");
  supabase_run("alter table srv_deals add column later text");
  ck_assert_str_eq(shown_to(1), "[]");
  supabase_run("alter table srv_deals drop column later; alter policy own on srv_deals using "
               "(owner_id = (select auth.uid()))");
  supabase_run(printed);
}
END_TEST

START_TEST(a_tombstone_without_a_column_that_a_policy_began_to_use_is_shown_to_nobody) {
  supabase_run("insert into srv_deals (id, owner_id, hidden) values ('" A "', '" SARI
               "', true); delete from srv_deals");
  ck_assert_str_eq(shown_to(1), "[{\"key\":\"" A "\"}]");
  supabase_run("alter policy own on srv_deals using (owner_id = (select auth.uid()) and hidden is "
               "not true)");
  ck_assert_str_eq(shown_to(1), "[]"); /* before the text is run again, and afterwards */
  supabase_run(printed);
  ck_assert_str_eq(shown_to(1), "[]");
  supabase_run("insert into srv_deals (id, owner_id) values ('" B "', '" SARI
               "'); delete from srv_deals");
  ck_assert_str_eq(shown_to(1), "[{\"key\":\"" B "\"}]");
  ck_assert_str_eq(shown_to(2), "[]");
  supabase_run("alter policy own on srv_deals using (owner_id = (select auth.uid()))");
  supabase_run(printed);
}
END_TEST

START_TEST(after_a_policy_was_changed_deleted_rows_wait_until_the_text_is_run_again) {
  supabase_run("insert into srv_deals (id, owner_id) values ('" A "', '" SARI "')");
  const char *page = supabase_call(1, "leadx_pull", "{\"tbl\":\"srv_deals\"}");
  char *arguments = sqlite3_mprintf("{\"tbl\":\"srv_deals\",\"after\":%s}",
                                    json_at(page, "$.cursor"));
  supabase_run("alter policy own on srv_deals using (owner_id = (select auth.uid()) and true); "
               "delete from srv_deals");
  page = supabase_call(1, "leadx_pull", arguments);
  sqlite3_free(arguments);
  ck_assert_str_eq(json_at(page, "$.gone"), "[]");
  ck_assert_str_eq(json_at(supabase_call(1, "leadx_installed", "{}"), "$.srv_deals.current"), "0");
  arguments = sqlite3_mprintf("{\"tbl\":\"srv_deals\",\"after\":%s}", json_at(page, "$.cursor"));
  supabase_run(printed);
  ck_assert_str_eq(json_at(supabase_call(1, "leadx_pull", arguments), "$.gone"), "[\"" A "\"]");
  sqlite3_free(arguments);
  supabase_run("alter policy own on srv_deals using (owner_id = (select auth.uid()))");
  supabase_run(printed);
}
END_TEST

START_TEST(a_policy_without_a_condition_for_reading_shows_nothing) {
  supabase_run("create policy anybody on srv_deals for all to public with check (false)");
  supabase_run(printed);
  supabase_run("insert into srv_deals (id, owner_id) values ('" A "', '" SARI
               "'); delete from srv_deals");
  ck_assert_str_eq(shown_to(2), "[]");
  ck_assert_str_eq(shown_to(0), "[]");
  ck_assert_str_eq(shown_to(1), "[{\"key\":\"" A "\"}]");
  supabase_run("drop policy anybody on srv_deals");
  supabase_run(printed);
}
END_TEST

START_TEST(who_may_not_read_the_key_is_shown_no_tombstone) {
  supabase_run("insert into srv_box (id) values ('" A "'); insert into srv_prices (id) values ('" B
               "'); delete from srv_box; delete from srv_prices");
  ck_assert_str_eq(shown_to(1), "[{\"key\":\"" B "\"}]");
  ck_assert_str_eq(shown_to(0), "[]");
}
END_TEST

/* ---- A1: applied means written and seen ---- */

/* What a trigger or a rule of the server does, and what a CREATE is then. */
static const struct trick {
  const char *sql, *undo, *status, *code;
  int left; /* rows in srv_deals afterwards */
} tricks[] = {
    {"create function srv_app.f() returns trigger language plpgsql as $$ begin return null; end $$;"
     "create trigger srv_t before insert on srv_deals for each row execute function srv_app.f()",
     NULL, "error", "forbidden", 0},
    {"create function srv_app.f() returns trigger language plpgsql as $$ begin new.id := "
     "'0190ffff-0000-7000-8000-' || right(new.id::text, 12); return new; end $$;"
     "create trigger srv_t before insert on srv_deals for each row execute function srv_app.f()",
     NULL, "error", "key", 0},
    {"grant all on srv_elsewhere to authenticated; create function srv_app.f() returns trigger "
     "language plpgsql as $$ begin insert into public.srv_elsewhere values (new.id, new.title); "
     "return null; end $$;"
     "create trigger srv_t before insert on srv_deals for each row execute function srv_app.f()",
     NULL, "error", "forbidden", 0},
    {"create rule srv_r as on insert to srv_deals do instead nothing",
     "drop rule srv_r on srv_deals", "error", "forbidden", 0},
    {"grant all on srv_elsewhere to authenticated; create rule srv_r as on insert to srv_deals do "
     "instead insert into srv_elsewhere values (new.id, new.title)",
     "drop rule srv_r on srv_deals", "error", "forbidden", 0},
    {"alter policy own on srv_deals using (false)",
     "alter policy own on srv_deals using (owner_id = (select auth.uid()))", "applied", "", 4},
};

START_TEST(a_create_is_applied_only_when_its_row_stands) {
  const struct trick *trick = &tricks[_i];
  supabase_run(trick->sql);
  char *items[4];
  for (int i = 0; i < 4; i++) {
    char key[40], row[100];
    snprintf(key, sizeof key, "0190a000-0000-7000-8000-%012d", i);
    snprintf(row, sizeof row, "{\"id\":\"%s\",\"title\":\"t%d\"}", key, i);
    items[i] = operation(100 + i, "srv_deals", "CREATE", key, row);
  }
  /* One alone, and three together. */
  char *one = sqlite3_mprintf("{\"ops\":[%s]}", items[0]);
  char *three = sqlite3_mprintf("{\"ops\":[%s,%s,%s]}", items[1], items[2], items[3]);
  const char *answer = supabase_call(1, "leadx_push", one);
  expect(json_at(answer, "$[0]"), trick->status, trick->code);
  answer = supabase_call(1, "leadx_push", three);
  for (int i = 0; i < 3; i++) {
    char path[16];
    snprintf(path, sizeof path, "$[%d]", i);
    expect(json_at(answer, path), trick->status, trick->code);
  }
  supabase_run("set client_min_messages = error; drop schema srv_app cascade; create schema "
               "srv_app; revoke all on srv_elsewhere from authenticated");
  if (trick->undo) supabase_run(trick->undo);
  ck_assert_int_eq(supabase_int("select count(*) from srv_deals"), trick->left);
  ck_assert_int_eq(supabase_int("select count(*) from srv_elsewhere"), 0);
  ck_assert_int_eq(supabase_int("select count(*) from leadx.ops"), trick->left);
  for (int i = 0; i < 4; i++) sqlite3_free(items[i]);
  sqlite3_free(one);
  sqlite3_free(three);
}
END_TEST

START_TEST(an_update_and_a_delete_that_a_trigger_swallowed_are_not_applied) {
  supabase_run("insert into srv_deals (id, owner_id, title) values ('" A "', '" SARI "', 'x');"
               "create function srv_app.f() returns trigger language plpgsql as $$ begin return "
               "null; end $$;"
               "create trigger srv_t before update or delete on srv_deals for each row execute "
               "function srv_app.f()");
  expect(push(1, "srv_deals", "UPDATE", A, "{\"title\":\"y\"}"), "conflict", "");
  expect(push(2, "srv_deals", "DELETE", A, NULL), "conflict", "");
  supabase_run("drop trigger srv_t on srv_deals; create or replace function srv_app.f() returns "
               "trigger language plpgsql as $$ begin new.id := '" B "'; return new; end $$;"
               "create trigger srv_t before update on srv_deals for each row execute function "
               "srv_app.f()");
  expect(push(3, "srv_deals", "UPDATE", A, "{\"title\":\"y\"}"), "error", "key");
  supabase_run("drop trigger srv_t on srv_deals");
  ck_assert_str_eq(supabase_run("select id || title from srv_deals"), A "x");
}
END_TEST

START_TEST(rows_that_may_not_be_read_are_counted) {
  expect(push(1, "srv_box", "CREATE", A, "{\"id\":\"" A "\",\"title\":\"x\"}"), "applied", "");
  supabase_run("create function srv_app.f() returns trigger language plpgsql as $$ begin return "
               "null; end $$;"
               "create trigger srv_t before insert on srv_box for each row execute function "
               "srv_app.f()");
  expect(push(2, "srv_box", "CREATE", B, "{\"id\":\"" B "\",\"title\":\"x\"}"), "error",
         "forbidden");
  supabase_run("drop trigger srv_t on srv_box");
}
END_TEST

START_TEST(a_create_without_a_key_gets_the_servers_and_a_replay_the_same) {
  supabase_run("alter table srv_deals alter column id set default gen_random_uuid()");
  const char *ops = "{\"ops\":[{\"op\":\"0190b000-0000-4000-8000-000000000001\",\"table\":\"srv_"
                    "deals\",\"action\":\"CREATE\",\"key\":null,\"row\":{\"title\":\"x\"}}]}";
  const char *first = supabase_call(1, "leadx_push", ops),
             *second = supabase_call(1, "leadx_push", ops);
  expect(json_at(first, "$[0]"), "applied", "");
  expect(json_at(second, "$[0]"), "replayed", "");
  ck_assert_str_eq(json_at(second, "$[0].row.id"), json_at(first, "$[0].row.id"));
  ck_assert_int_eq((int)strlen(json_at(first, "$[0].row.id")), 36);
  ck_assert_int_eq(supabase_int("select count(*) from srv_deals"), 1);
}
END_TEST

/* ---- S11: other people's functions ---- */

START_TEST(triggers_and_policies_run_under_the_search_path_of_the_request) {
  supabase_run("create table public.srv_log (said text); grant all on srv_log to authenticated;"
               "create function srv_app.f() returns trigger language plpgsql as $$ begin insert "
               "into srv_log values (current_setting('search_path')); return new; end $$;"
               "create trigger srv_t after insert or update on srv_deals for each row execute "
               "function srv_app.f();"
               "create function srv_app.readable(o uuid) returns boolean language plpgsql stable "
               "as $$ begin return exists (select 1 from srv_log) and o = auth.uid(); end $$;"
               "create policy more on srv_deals as restrictive for select to authenticated using "
               "(srv_app.readable(owner_id))");
  supabase_run(printed);
  expect(push(1, "srv_deals", "CREATE", A, "{\"id\":\"" A "\",\"title\":\"x\"}"), "applied", "");
  expect(push(2, "srv_deals", "UPDATE", A, "{\"title\":\"y\"}"), "applied", "");
  ck_assert_str_eq(
      json_at(supabase_call(1, "leadx_pull", "{\"tbl\":\"srv_deals\"}"), "$.rows[0].title"), "y");
  ck_assert_str_eq(
      supabase_run("select count(*) from srv_log where said like '%public%' and said not like "
                   "'%pg_catalog%'"),
      "2");
  supabase_run("drop policy more on srv_deals; drop trigger srv_t on srv_deals; drop table "
               "srv_log");
  supabase_run(printed);
}
END_TEST

START_TEST(the_functions_call_nothing_that_somebody_put_into_the_path) {
  supabase_run(
      "create function srv_app.count(bigint) returns bigint language plpgsql as $$ begin raise "
      "'caught'; end $$; create function srv_app.json_agg(json) returns json language plpgsql as "
      "$$ begin raise 'caught'; end $$; create function srv_app.row_to_json(srv_deals) returns "
      "json language plpgsql as $$ begin raise 'caught'; end $$;"
      "create function srv_app.push(jsonb, text) returns json language plpgsql as $$ begin raise "
      "'caught'; end $$; create function srv_app.current_setting(text) returns text language "
      "plpgsql as $$ begin raise 'caught'; end $$;"
      "insert into srv_deals (id, owner_id) values ('" A "', '" SARI "')");
  ck_assert_str_eq(
      supabase_run("set search_path = srv_app, public, pg_catalog; set request.jwt.claims = "
                   "'{\"sub\":\"" SARI "\"}'; set role authenticated;"
                   "select public.leadx_push('[{\"op\":\"0190b000-0000-4000-8000-000000000001\","
                   "\"table\":\"srv_deals\",\"action\":\"UPDATE\",\"key\":\"" A
                   "\",\"row\":{\"title\":\"y\"}}]') -> 0 ->> 'status'; select "
                   "public.leadx_pull('srv_deals') -> 'rows' -> 0 ->> 'title'"),
      "applied\ny");
}
END_TEST

START_TEST(a_limit_beyond_the_servers_is_bounded_and_said) {
  supabase_run("insert into srv_deals (id, owner_id, title) select gen_random_uuid(), '" SARI
               "', 'n' || i from generate_series(1, 1200) i");
  const char *page = supabase_call(1, "leadx_pull", "{\"tbl\":\"srv_deals\",\"lim\":9000}");
  ck_assert_str_eq(json_at(page, "$.lim"), "1000");
  ck_assert_str_eq(json_at(page, "$.more"), "1");
  ck_assert_str_ne(json_at(page, "$.rows[999]"), "");
  ck_assert_str_eq(json_at(page, "$.rows[1000]"), "");
  ck_assert_str_eq(supabase_run("set pgrst.db_max_rows = '7'; select leadx_pull('srv_deals', null, "
                                "1000) ->> 'lim', json_array_length(leadx_pull('srv_deals') -> "
                                "'rows')"),
                   "7|7");
  sqlite3 *db = tracking_device();
  ask_device(db, "SELECT leadx_config('page_size', 5000)");
  ask_device(db, "SELECT leadx_check()");
  ck_assert_str_eq(ask_device(db, "SELECT json_extract(leadx_pull('srv_deals'), '$.state')"), "ok");
  ck_assert_str_eq(ask_device(db, "SELECT count(*) FROM srv_deals"), "1200");
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}
END_TEST

START_TEST(nobody_is_told_of_a_table_that_he_may_not_touch) {
  ck_assert_str_eq(supabase_call(0, "leadx_installed", "{}"), "{}");
  const char *mine = supabase_call(1, "leadx_installed", "{}");
  ck_assert_str_eq(json_at(mine, "$.srv_deals.select"), "1");
  ck_assert_str_eq(json_at(mine, "$.srv_parts.select"), "[\"id\",\"title\",\"updated_at\"]");
  ck_assert_str_eq(json_at(mine, "$.srv_box.insert"), "1");
}
END_TEST

START_TEST(operations_of_those_who_never_come_back_are_forgotten) {
  supabase_run("insert into leadx.ops (owner, op, at) select 'somebody', gen_random_uuid(), now() "
               "- interval '31 days' from generate_series(1, 2500)");
  expect(push(1, "srv_deals", "CREATE", A, "{\"id\":\"" A "\",\"title\":\"x\"}"), "applied", "");
  ck_assert_int_eq(supabase_int("select count(*) from leadx.ops where owner = 'somebody'"), 500);
  supabase_call(2, "leadx_push", "{\"ops\":[]}");
  ck_assert_int_eq(supabase_int("select count(*) from leadx.ops"), 1);
}
END_TEST

/* ---- S9: bounded ---- */

START_TEST(a_row_of_unknown_members_is_refused_at_once) {
  sqlite3_str *row = sqlite3_str_new(NULL);
  sqlite3_str_appendf(row, "{\"id\":\"%s\"", A);
  for (int i = 0; i < 32000; i++) sqlite3_str_appendf(row, ",\"unknown_member_%d\":%d", i, i);
  sqlite3_str_appendall(row, "}");
  char *text = sqlite3_str_finish(row);
  double began = seconds();
  expect(push(1, "srv_wide", "CREATE", A, text), "error", "42703");
  ck_assert_msg(seconds() - began < 2, "%.1f s", seconds() - began);
  sqlite3_free(text);
}
END_TEST

/* A row of 14 MB in so many columns is made and deleted; how long that took. */
static double write_large(int op, int columns) {
  int bytes = 14000000 / columns;
  sqlite3_str *row = sqlite3_str_new(NULL);
  char *value = sqlite3_malloc(bytes + 1);
  memset(value, 'v', (size_t)bytes);
  value[bytes] = 0;
  sqlite3_str_appendf(row, "{\"id\":\"%s\"", A);
  for (int i = 1; i <= columns; i++) sqlite3_str_appendf(row, ",\"c%d\":\"%s\"", i, value);
  sqlite3_str_appendall(row, "}");
  char *text = sqlite3_str_finish(row);
  double began = seconds();
  expect(push(op, "srv_wide", "CREATE", A, text), "applied", "");
  expect(push(op + 1, "srv_wide", "DELETE", A, NULL), "applied", "");
  double took = seconds() - began;
  sqlite3_free(text);
  sqlite3_free(value);
  return took;
}

/* However many the columns are: nothing looks at the whole row once for each of them, not even the
** tombstone of a policy that looks at many. */
START_TEST(a_large_row_is_written_and_buried_at_once_however_many_columns_it_has) {
  supabase_run("update leadx.tables set scope = array(select ('c' || i)::name from "
               "generate_series(1, 400) i) where name = 'srv_wide'");
  double one = write_large(1, 1), many = write_large(3, 400);
  supabase_run("update leadx.tables set scope = '{}' where name = 'srv_wide'");
  ck_assert_msg(many < 3 * one + 2, "%.1f s in one column, %.1f s in 400", one, many);
}
END_TEST

/* n operations that a CHECK refuses, each alone; how long the call took. */
static double push_bad(int n) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_appendall(out, "{\"ops\":[");
  for (int i = 0; i < n; i++) {
    char key[40], row[120];
    snprintf(key, sizeof key, "0190a000-0000-7000-8000-%012d", i);
    snprintf(row, sizeof row, "{\"id\":\"%s\",\"title\":\"t%d\",\"amount\":\"bad\"}", key, i);
    char *item = operation(i, "srv_deals", "CREATE", key, row);
    sqlite3_str_appendf(out, "%s%s", i ? "," : "", item);
    sqlite3_free(item);
  }
  sqlite3_str_appendall(out, "]}");
  char *text = sqlite3_str_finish(out);
  double began = seconds();
  const char *answer = supabase_call(1, "leadx_push", text);
  double took = seconds() - began;
  char last[24];
  snprintf(last, sizeof last, "$[%d].status", n - 1);
  expect(json_at(answer, "$[0]"), "error", "22P02");
  ck_assert_str_ne(json_at(answer, last), "");
  sqlite3_free(text);
  return took;
}

START_TEST(bad_operations_cost_a_part_of_the_statement_timeout) {
  double few = push_bad(250), many = push_bad(1000), most = push_bad(2000);
  ck_assert_msg(many < 6 && most < 6, "%.2f s, %.2f s, %.2f s", few, many, most);
  ck_assert_msg(many < 12 * few + 1, "%.2f s for 250, %.2f s for 1000", few, many);
}
END_TEST

START_TEST(what_the_time_does_not_suffice_for_is_put_off) {
  supabase_run("create function srv_app.f() returns trigger language plpgsql as $$ begin perform "
               "pg_sleep(0.1); return new; end $$;"
               "create trigger srv_t before insert on srv_deals for each row execute function "
               "srv_app.f()");
  ck_assert_str_eq(
      supabase_run("set statement_timeout = '1s'; set request.jwt.claims = '{\"sub\":\"" SARI
                   "\"}'; set role authenticated;"
                   "select (select string_agg(distinct e ->> 'status', ',' order by e ->> "
                   "'status') from json_array_elements(leadx_push((select "
                   "jsonb_agg(jsonb_build_object('op', gen_random_uuid(), 'table', 'srv_deals', "
                   "'action', case i % 2 when 0 then 'CREATE' else 'DELETE' end, 'key', id, 'row', "
                   "jsonb_build_object('id', id))) from (select i, gen_random_uuid() id from "
                   "generate_series(1, 40) i) x))) e)"),
      "applied,gone,later");
  supabase_run("drop trigger srv_t on srv_deals");
  ck_assert_int_lt(supabase_int("select count(*) from srv_deals"), 10);
}
END_TEST

START_TEST(a_row_that_is_locked_by_somebody_does_not_stop_the_others) {
  supabase_run("insert into srv_deals (id, owner_id) values ('" A "', '" SARI "'), ('" B "', '" SARI
               "')");
  FILE *other = supabase_session();
  fprintf(other, "begin; select 1 from srv_deals where id = '" A "' for update; select "
                 "pg_advisory_lock(4711);\n");
  fflush(other);
  while (supabase_int("select count(*) from pg_locks where locktype = 'advisory' and objid = "
                      "4711") == 0)
    nanosleep(&(struct timespec){0, 20000000}, NULL);
  char *locked = operation(1, "srv_deals", "UPDATE", A, "{\"title\":\"x\"}"),
       *open = operation(2, "srv_deals", "UPDATE", B, "{\"title\":\"y\"}");
  char *arguments = sqlite3_mprintf("{\"ops\":[%s,%s]}", locked, open);
  const char *answer = supabase_call(1, "leadx_push", arguments);
  expect(json_at(answer, "$[0]"), "error", "55P03");
  expect(json_at(answer, "$[1]"), "applied", "");
  fprintf(other, "rollback;\n");
  ck_assert_int_eq(pclose(other), 0);
  sqlite3_free(locked);
  sqlite3_free(open);
  sqlite3_free(arguments);
}
END_TEST

/* ---- T4: a forgotten transaction ---- */

/* An open transaction that began so many seconds ago and has a stamp from then: its triggers are
** off, so what they would have done is done here. */
static FILE *forgotten(int seconds_ago, const char *stamp) {
  FILE *session = supabase_session();
  fprintf(session,
          "begin; set local session_replication_role = replica;"
          "select pg_advisory_xact_lock_shared(hashtext('leadx srv_deals'), (extract(epoch from "
          "now()) - 1700000000)::int - %d);"
          "insert into srv_deals (id, owner_id, title, updated_at) values ('" A "', '" SARI
          "', 'late', %s);\n",
          seconds_ago, stamp);
  fflush(session);
  while (supabase_int("select count(*) from pg_locks where locktype = 'advisory' and objsubid = 2 "
                      "and mode = 'ShareLock'") == 0)
    nanosleep(&(struct timespec){0, 20000000}, NULL);
  return session;
}

static const char *pull(const char *table, const char *after) {
  char *arguments = sqlite3_mprintf("{\"tbl\":\"%s\",\"after\":%s}", table, after);
  const char *page = supabase_call(1, "leadx_pull", arguments);
  sqlite3_free(arguments);
  return page;
}

START_TEST(an_open_transaction_holds_back_its_own_table_alone) {
  FILE *open = forgotten(20, "clock_timestamp()");
  supabase_run("insert into srv_deals (id, owner_id, title) values ('" B "', '" SARI
               "', 'held'); insert into srv_prices (id) values ('" A "')");
  ck_assert_str_eq(json_at(pull("srv_deals", "null"), "$.rows"), "[]");
  ck_assert_str_eq(json_at(pull("srv_prices", "null"), "$.rows[0].id"), A);
  fprintf(open, "commit;\n");
  ck_assert_int_eq(pclose(open), 0);
  ck_assert_str_ne(json_at(pull("srv_deals", "null"), "$.rows[1].id"), "");
}
END_TEST

START_TEST(a_forgotten_transaction_holds_nothing_back_and_what_it_commits_late_still_comes) {
  FILE *open = forgotten(600, "clock_timestamp() - interval '300 seconds'");
  supabase_run("insert into srv_deals (id, owner_id, title) values ('" B "', '" SARI "', 'new')");
  const char *page = pull("srv_deals", "null");
  ck_assert_str_eq(json_at(page, "$.rows[0].title"), "new");
  page = pull("srv_deals", json_at(page, "$.cursor"));
  ck_assert_str_eq(json_at(page, "$.rows"), "[]");
  fprintf(open, "commit;\n");
  ck_assert_int_eq(pclose(open), 0);
  page = pull("srv_deals", json_at(page, "$.cursor"));
  ck_assert_str_eq(json_at(page, "$.rows[0].title"), "late");
  ck_assert_str_eq(json_at(page, "$.rows[1].title"), "new");
  ck_assert_str_eq(json_at(pull("srv_deals", json_at(page, "$.cursor")), "$.rows"), "[]");
}
END_TEST

/* ---- an upgrade ---- */

/* What the text was before: leadx's tables without their later columns, functions with a search
** path of their own, others that are no more. */
START_TEST(an_earlier_form_is_replaced_and_its_data_stay) {
  supabase_run("insert into srv_deals (id, owner_id) values ('" A "', '" SARI
               "'); delete from srv_deals;"
               "insert into leadx.ops (owner, op) values ('" SARI
               "', '0190b000-0000-4000-8000-000000000009');"
               "alter table leadx.ops drop column key; alter table leadx.tables drop column whole, "
               "drop column policies; create index ops_at on leadx.ops (owner, at);"
               "create function leadx.settled_until() returns timestamptz language sql as $$ "
               "select now() $$; create function leadx.apply(jsonb) returns json language sql as "
               "$$ select null::json $$;"
               "create or replace function leadx_push(ops jsonb) returns json language plpgsql set "
               "search_path = pg_catalog as $$ begin return null; end $$;"
               "create or replace trigger zzz_leadx_bury after delete on srv_deals for each row "
               "execute function leadx.bury();"
               "grant all on leadx_tombstones to anon");
  supabase_run(printed);
  supabase_reload();
  ck_assert_str_eq(shown_to(1), "[{\"key\":\"" A "\"}]");
  expect(push(9, "srv_deals", "UPDATE", A, "{\"title\":\"y\"}"), "replayed", "");
  ck_assert_int_eq(supabase_int("select count(*) from pg_proc where pronamespace = "
                                "'leadx'::regnamespace and proname in ('settled_until')"),
                   0);
  ck_assert_str_eq(supabase_run("select proconfig is null from pg_proc where proname = "
                                "'leadx_push'"),
                   "t");
  ck_assert_str_eq(supabase_run("select has_table_privilege('anon', 'leadx_tombstones', 'insert')"),
                   "f");
}
END_TEST

static void make_wide(void) {
  supabase_run("do $$ begin execute 'create table public.srv_wide (id uuid primary key, updated_at "
               "timestamptz, ' || (select string_agg('c' || i || ' text', ', ') from "
               "generate_series(1, 500) i) || ')'; end $$; revoke all on srv_wide from anon");
  sqlite3 *db = supabase_device(1);
  ask_device(db, "CREATE TABLE srv_wide(id TEXT PRIMARY KEY NOT NULL, c1 TEXT)");
  ask_device(db, "SELECT leadx_track('srv_wide')");
  supabase_run(ask_device(db, "SELECT leadx_server_sql()"));
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

static void install_all(void) {
  install();
  make_wide();
}

Suite *test_server_half_suite(void) {
  const TTest *const tests[] = {
      the_text_changes_no_right_on_a_table_and_no_policy,
      a_read_only_table_stays_read_only,
      what_is_granted_for_some_columns_is_pushed_and_pulled_by_them,
      the_check_recommends_the_grants_that_are_lacking,
      nobody_may_call_what_only_the_owner_needs,
      a_policy_that_takes_the_whole_row_shows_its_tombstones_to_those_it_shows_the_row,
      a_tombstone_without_a_column_that_a_policy_began_to_use_is_shown_to_nobody,
      after_a_policy_was_changed_deleted_rows_wait_until_the_text_is_run_again,
      a_policy_without_a_condition_for_reading_shows_nothing,
      who_may_not_read_the_key_is_shown_no_tombstone,
      an_update_and_a_delete_that_a_trigger_swallowed_are_not_applied,
      rows_that_may_not_be_read_are_counted,
      a_create_without_a_key_gets_the_servers_and_a_replay_the_same,
      triggers_and_policies_run_under_the_search_path_of_the_request,
      the_functions_call_nothing_that_somebody_put_into_the_path,
      a_limit_beyond_the_servers_is_bounded_and_said,
      nobody_is_told_of_a_table_that_he_may_not_touch,
      operations_of_those_who_never_come_back_are_forgotten,
      a_row_of_unknown_members_is_refused_at_once,
      a_large_row_is_written_and_buried_at_once_however_many_columns_it_has,
      bad_operations_cost_a_part_of_the_statement_timeout,
      what_the_time_does_not_suffice_for_is_put_off,
      a_row_that_is_locked_by_somebody_does_not_stop_the_others,
      an_open_transaction_holds_back_its_own_table_alone,
      a_forgotten_transaction_holds_nothing_back_and_what_it_commits_late_still_comes,
      an_earlier_form_is_replaced_and_its_data_stay,
      an_owner_who_is_no_superuser_runs_it_where_supabases_roles_are_not,
  };
  Suite *suite = suite_create("server_half");
  TCase *tcase = tcase_create("server_half");
  tcase_add_unchecked_fixture(tcase, install_all, uninstall);
  tcase_add_checked_fixture(tcase, empty_tables, NULL);
  tcase_add_loop_test(tcase, a_create_is_applied_only_when_its_row_stands, 0,
                      sizeof tricks / sizeof tricks[0]);
  for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(tcase, tests[i]);
  suite_add_tcase(suite, tcase);
  return suite;
}
