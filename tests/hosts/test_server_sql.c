/* The server's half: what leadx_server_sql() prints is run through psql on the real server, on
** tables that are made like LeadX CRM's (owner, team, policies), and then used as devices would. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "suites.h"
#include "supabase.h"

#define A "0190a000-0000-7000-8000-00000000000a"
#define B "0190a000-0000-7000-8000-00000000000b"
#define OP(n) "\"op\":\"0190b000-0000-4000-8000-0000000000" n "\""

static char *printed; /* what leadx_server_sql() printed */

/* srv_customers is customers with its policies, but for the stamp and the index that leadx
** brings. */
static void make_tables(void) {
  supabase_run(
      "create table public.srv_customers (like public.customers including defaults including "
      "constraints);"
      "alter table srv_customers add primary key (id); alter table srv_customers enable row level "
      "security;"
      "create policy own_insert on srv_customers for insert to authenticated with check (owner_id "
      "= (select auth.uid()));"
      "create policy own_delete on srv_customers for delete to authenticated using (owner_id = "
      "(select auth.uid()));"
      "create policy team_read on srv_customers for select to authenticated using (owner_id = any "
      "((select crm.colleagues())::uuid[]));"
      "create policy team_update on srv_customers for update to authenticated using (owner_id = "
      "any ((select crm.colleagues())::uuid[]));"
      "create table public.srv_notes (id uuid primary key, customer_id uuid references "
      "srv_customers, body text not null, seen timestamptz not null);"
      "create table public.\"srv_odd \"\"'n\" (\"a \"\"k\" int, b text, \"it's v\" timestamptz, n "
      "int, primary key (\"a \"\"k\", b));"
      "create table public.srv_inbox (id uuid primary key, body text, updated_at timestamptz);"
      "revoke all on srv_inbox from anon, authenticated; grant insert on srv_inbox to "
      "authenticated;"
      "insert into srv_notes (id, body, seen) values ('" B "', 'from the future', 'infinity')");
}

static sqlite3 *tracking_device(void) {
  sqlite3 *db = supabase_device(1);
  ask_device(
      db, "CREATE TABLE srv_customers(id TEXT PRIMARY KEY NOT NULL, name TEXT, updated_at TEXT)");
  ask_device(db, "CREATE TABLE srv_notes(id TEXT PRIMARY KEY NOT NULL, body TEXT, seen TEXT)");
  ask_device(db, "CREATE TABLE odd(\"a \"\"k\" INTEGER, b TEXT NOT NULL, n INTEGER, PRIMARY KEY "
                 "(\"a \"\"k\", b))");
  ask_device(db, "CREATE TABLE srv_inbox(id TEXT PRIMARY KEY NOT NULL, body TEXT)");
  ask_device(db, "SELECT leadx_track('srv_customers'), leadx_track('srv_notes', "
                 "'{\"version\":\"seen\"}'), leadx_track('srv_inbox'),"
                 " leadx_track('odd', '{\"remote\":\"srv_odd \\\"''n\",\"version\":\"it''s v\"}')");
  return db;
}

static void install(void) {
  supabase_uninstall();
  make_tables();
  sqlite3 *db = tracking_device();
  printed = sqlite3_mprintf("%s", ask_device(db, "SELECT leadx_server_sql()"));
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
  supabase_run(printed);
  supabase_reload();
}

static void uninstall(void) {
  supabase_uninstall();
  sqlite3_free(printed);
  printed = NULL;
}

static void empty_tables(void) {
  supabase_run("delete from srv_notes; delete from srv_customers; delete from srv_inbox; delete "
               "from \"srv_odd \"\"'n\"; delete from leadx.ops;"
               " delete from leadx_tombstones");
}

/* A customer of user 1, made by one operation. */
static void create_a(void) {
  const char *answer = supabase_call(
      1, "leadx_push",
      "{\"ops\":[{" OP("01") ",\"table\":\"srv_customers\",\"action\":\"CREATE\",\"key\":\"" A "\","
                             "\"row\":{\"id\":\"" A
                             "\",\"name\":\"Alpha\",\"updated_at\":\"2001-01-01\"}}]}");
  ck_assert_str_eq(json_at(answer, "$[0].status"), "applied");
}

/* ---- the text ---- */

START_TEST(the_text_runs_through_psql_again_and_again_unchanged) {
  const char *first = supabase_run(printed), *second = supabase_run(printed);
  ck_assert_ptr_nonnull(strstr(
      first,
      "srv_customers: stamped (updated_at), indexed, tombstones kept, row level security on"));
  ck_assert_ptr_nonnull(strstr(
      second, "srv_notes: stamped (seen), indexed, tombstones kept, row level security OFF"));
  ck_assert_ptr_nonnull(strstr(second, "row level security is off for public.srv_notes"));
  ck_assert_int_eq(
      supabase_int("select count(*) from pg_index where indrelid = 'srv_customers'::regclass"), 2);
  ck_assert_int_eq(supabase_int("select count(*) from pg_trigger where tgrelid = "
                                "'srv_customers'::regclass and not tgisinternal"),
                   2);
  ck_assert_int_eq(
      supabase_int("select count(*) from pg_policy where polrelid = 'leadx_tombstones'::regclass"),
      4);
}
END_TEST

START_TEST(the_text_for_one_table_is_about_that_table) {
  sqlite3 *db = tracking_device();
  const char *one = ask_device(db, "SELECT leadx_server_sql('srv_notes')");
  ck_assert_ptr_nonnull(strstr(one, "\"public\".\"srv_notes\""));
  ck_assert_ptr_null(strstr(one, "srv_customers"));
  ck_assert_ptr_null(strstr(one, "{{"));
  ck_assert_ptr_nonnull(
      strstr(device_refusal(db, "SELECT leadx_server_sql('nothing')"), "is not tracked"));
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}
END_TEST

START_TEST(a_name_that_could_end_a_comment_is_refused) {
  sqlite3 *db = supabase_device(1);
  ask_device(db, "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL)");
  ask_device(db, "SELECT leadx_track('t', '{\"version\":\"v*/ drop schema public; /*\"}')");
  ck_assert_ptr_nonnull(
      strstr(device_refusal(db, "SELECT leadx_server_sql()"), "cannot be written in a comment"));
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}
END_TEST

START_TEST(without_a_table_there_is_nothing_to_print) {
  sqlite3 *db = supabase_device(1);
  ck_assert_ptr_nonnull(
      strstr(device_refusal(db, "SELECT leadx_server_sql()"), "nothing is tracked"));
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}
END_TEST

START_TEST(a_version_column_that_is_no_timestamp_is_refused_and_nothing_stays) {
  int exit_code = 0;
  supabase_run("create table srv_bad (id int primary key, updated_at bigint)");
  sqlite3 *db = supabase_device(1);
  ask_device(db, "CREATE TABLE srv_bad(id INTEGER PRIMARY KEY, updated_at INTEGER)");
  ask_device(db, "SELECT leadx_track('srv_bad')");
  char *words = supabase_try(ask_device(db, "SELECT leadx_server_sql()"), &exit_code);
  ck_assert_int_ne(exit_code, 0);
  ck_assert_ptr_nonnull(strstr(words, "must be a timestamptz"));
  ck_assert_int_eq(
      supabase_int("select count(*) from pg_trigger where tgrelid = 'srv_bad'::regclass"), 0);
  sqlite3_free(words);
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}
END_TEST

/* ---- stamps and index ---- */

START_TEST(what_the_client_says_about_the_version_is_never_kept) {
  supabase_run("insert into srv_customers (id, owner_id, name, updated_at) values ('" A
               "', gen_random_uuid(), 'a', '2001-01-01'),"
               " ('" B "', gen_random_uuid(), 'b', 'infinity')");
  ck_assert_int_eq(supabase_int("select count(*) from srv_customers where updated_at between "
                                "clock_timestamp() - interval '1 minute' and clock_timestamp()"),
                   2);
  supabase_run("create temp table before as select id, updated_at from srv_customers;"
               "update srv_customers set updated_at = '2001-01-01';"
               "do $$ begin assert (select count(*) = 2 from before b join srv_customers s using "
               "(id) where s.updated_at > b.updated_at); end $$");
}
END_TEST

START_TEST(a_version_column_of_another_name_is_stamped_too) {
  supabase_run("insert into srv_notes (id, body, seen) values ('" A "', 'x', '2001-01-01')");
  supabase_run("insert into \"srv_odd \"\"'n\" values (1, 'b', null, 7)");
  ck_assert_int_eq(supabase_int("select count(*) from srv_notes where seen > clock_timestamp() - "
                                "interval '1 minute' and body = 'x'"),
                   1);
  ck_assert_int_eq(supabase_int("select count(*) from \"srv_odd \"\"'n\" where \"it's v\" > "
                                "clock_timestamp() - interval '1 minute' and n = 7"),
                   1);
}
END_TEST

START_TEST(rows_from_the_future_or_without_a_version_are_mended_when_the_text_is_run) {
  supabase_run("insert into srv_notes values ('" A
               "', null, 'x', now()); alter table srv_notes disable trigger user;"
               "update srv_notes set seen = 'infinity'; alter table srv_notes enable trigger user");
  ck_assert_ptr_nonnull(strstr(supabase_run(printed),
                               "srv_notes: stamped (seen), indexed, tombstones kept, row "
                               "level security OFF, 1 rows got a new version"));
  ck_assert_int_eq(supabase_int("select count(*) from srv_notes where seen > clock_timestamp()"),
                   0);
}
END_TEST

START_TEST(an_index_on_version_and_key_is_made_and_used) {
  supabase_run("insert into srv_customers (owner_id, id, name) select gen_random_uuid(), "
               "gen_random_uuid(), 'n' from generate_series(1, 2000); analyze srv_customers");
  const char *plan = supabase_run("explain select * from srv_customers where updated_at >= now() "
                                  "and (updated_at > now() or id > '" A "')"
                                  " order by updated_at, id limit 10");
  ck_assert_msg(strstr(plan, "srv_customers_updated_at_id_idx"), "%s", plan);
}
END_TEST

/* ---- pushing ---- */

START_TEST(each_operation_has_its_own_answer_and_a_bad_one_takes_nothing_with_it) {
  static const char *const expected[][2] = {
      {"applied", ""},    {"conflict", ""}, {"conflict", ""},   {"error", "23514"},
      {"error", "42703"}, {"gone", ""},     {"error", "42P01"}, {"error", "22023"},
      {"error", "22P02"}, {"applied", ""}};
  const char *answer = supabase_call(
      1, "leadx_push",
      "{\"ops\":[{" OP(
          "11") ",\"table\":\"srv_customers\",\"action\":\"CREATE\",\"key\":\"" A
                "\",\"row\":{\"id\":\"" A "\",\"name\":\"A\"}},"
                "{" OP(
                    "12") ",\"table\":\"srv_customers\",\"action\":\"CREATE\",\"key\":\"" A
                          "\",\"row\":{\"id\":\"" A "\",\"name\":\"B\"}},"
                          "{" OP(
                              "13") ",\"table\":\"srv_customers\",\"action\":\"UPDATE\",\"key\":["
                                    "\"" A
                                    "\"],\"version\":\"2001-01-01\",\"row\":{\"name\":\"C\"}},"
                                    "{" OP(
                                        "14") ",\"table\":\"srv_customers\",\"action\":\"UPDATE\","
                                              "\"key\":[\"" A "\"],\"row\":{\"name\":\"\"}},"
                                              "{" OP(
                                                  "15") ",\"table\":\"srv_customers\",\"action\":"
                                                        "\"UPDATE\",\"key\":[\"" A
                                                        "\"],\"row\":{\"na\\\"me\":\"D\"}},"
                                                        "{" OP(
                                                            "16") ",\"table\":\"srv_customers\","
                                                                  "\"action\":\"DELETE\",\"key\":["
                                                                  "\"" B "\"]},"
                                                                  "{" OP(
                                                                      "17") ",\"table\":\"auth."
                                                                            "users\",\"action\":"
                                                                            "\"DELETE\",\"key\":["
                                                                            "\"" B "\"]},"
                                                                            "{" OP(
                                                                                "18") ",\"table\":"
                                                                                      "\"srv_"
                                                                                      "customers\","
                                                                                      "\"action\":"
                                                                                      "\"DROP\","
                                                                                      "\"key\":["
                                                                                      "\"" B "\"]},"
                                                                                      "{" OP(
                                                                                          "19") ","
                                                                                                "\""
                                                                                                "ta"
                                                                                                "bl"
                                                                                                "e"
                                                                                                "\""
                                                                                                ":"
                                                                                                "\""
                                                                                                "sr"
                                                                                                "v_"
                                                                                                "cu"
                                                                                                "st"
                                                                                                "om"
                                                                                                "er"
                                                                                                "s"
                                                                                                "\""
                                                                                                ","
                                                                                                "\""
                                                                                                "ac"
                                                                                                "ti"
                                                                                                "on"
                                                                                                "\""
                                                                                                ":"
                                                                                                "\""
                                                                                                "DE"
                                                                                                "LE"
                                                                                                "TE"
                                                                                                "\""
                                                                                                ","
                                                                                                "\""
                                                                                                "ke"
                                                                                                "y"
                                                                                                "\""
                                                                                                ":["
                                                                                                "\""
                                                                                                "' "
                                                                                                "or"
                                                                                                " t"
                                                                                                "ru"
                                                                                                "e "
                                                                                                "--"
                                                                                                "\""
                                                                                                "]}"
                                                                                                ","
                                                                                                "{" OP(
                                                                                                    "20") ",\"table\":\"srv_customers\",\"action\":\"UPDATE\",\"key\":\"" A
                                                                                                          "\",\"row\":{\"tax_number\":9007199254740993,\"credit_limit\":12345678901234.56}}]}");
  for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
    char status[24], code[24];
    snprintf(status, sizeof status, "$[%d].status", (int)i);
    snprintf(code, sizeof code, "$[%d].code", (int)i);
    ck_assert_msg(strcmp(json_at(answer, status), expected[i][0]) == 0 &&
                      strcmp(json_at(answer, code), expected[i][1]) == 0,
                  "%d: %s %s: %s", (int)i, json_at(answer, status), json_at(answer, code), answer);
  }
  ck_assert_str_eq(json_at(answer, "$[2].row.name"), "A");
  ck_assert_str_eq(json_at(answer, "$[9].row.tax_number"), "9007199254740993");
  ck_assert_str_eq(
      supabase_run("select name || tax_number || ' ' || credit_limit from srv_customers"),
      "A9007199254740993 12345678901234.56");
}
END_TEST

/* n operations of one shape on the rows 0 to n-1; the one at `bad` breaks a rule. */
static const char *alike(const char *action, int round, int n, int bad) {
  static char text[20000];
  size_t used = (size_t)snprintf(text, sizeof text, "{\"ops\":[");
  for (int i = 0; i < n; i++) {
    used += (size_t)snprintf(text + used, sizeof text - used,
                             "%s{\"op\":\"0190c000-0000-4000-8000-%06d%06d\",\"table\":\"srv_"
                             "customers\",\"action\":\"%s\","
                             "\"key\":\"0190a000-0000-7000-8000-%012d\",\"row\":{\"id\":\"0190a000-"
                             "0000-7000-8000-%012d\",\"name\":\"%s\"}}",
                             i ? "," : "", round, i, action, i, i, i == bad ? "" : action);
  }
  snprintf(text + used, sizeof text - used, "]}");
  return text;
}

START_TEST(many_operations_of_one_shape_land_but_for_the_bad_one_wherever_it_stands) {
  static const char *const actions[] = {"CREATE", "UPDATE"};
  for (int a = 0; a < 2; a++) {
    int bad = a == 0 ? 17 : 0;
    char *answer = sqlite3_mprintf("%s",
                                   supabase_call(1, "leadx_push", alike(actions[a], a, 40, bad)));
    for (int i = 0; i < 40; i++) {
      char status[24], id[24], expected[40];
      snprintf(status, sizeof status, "$[%d].status", i);
      snprintf(id, sizeof id, "$[%d].row.id", i);
      snprintf(expected, sizeof expected, "0190a000-0000-7000-8000-%012d", i);
      int fails = i == bad || (a == 1 && i == 17);
      ck_assert_msg(strcmp(json_at(answer, status), i == bad ? "error"
                                                    : fails  ? "gone"
                                                             : "applied") == 0,
                    "%d: %s", i, answer);
      ck_assert_str_eq(json_at(answer, id), fails ? "" : expected);
    }
    sqlite3_free(answer);
  }
  ck_assert_int_eq(supabase_int("select count(*) from srv_customers where name = 'UPDATE'"), 38);
  ck_assert_str_eq(
      json_at(supabase_call(1, "leadx_push", alike("UPDATE", 1, 40, 0)), "$[39].status"),
      "replayed");
}
END_TEST

START_TEST(each_of_many_operations_is_held_to_its_own_version) {
  char text[600];
  supabase_run("insert into srv_customers (id, owner_id, name) values ('" A
               "', '11111111-1111-4111-8111-111111111111', 'a'),"
               " ('" B "', '11111111-1111-4111-8111-111111111111', 'b')");
  const char *version = supabase_run("select to_jsonb(updated_at) from srv_customers where id = '" A
                                     "'");
  snprintf(text, sizeof text,
           "{\"ops\":[{" OP(
               "61") ",\"table\":\"srv_customers\",\"action\":\"UPDATE\",\"key\":\"" A
                     "\",\"version\":%s,\"row\":{\"name\":\"A\"}},"
                     "{" OP("62") ",\"table\":\"srv_customers\",\"action\":\"UPDATE\",\"key\":\"" B
                                  "\",\"version\":\"2001-01-01\",\"row\":{\"name\":\"B\"}}]}",
           version);
  const char *answer = supabase_call(1, "leadx_push", text);
  ck_assert_str_eq(json_at(answer, "$[0].status"), "applied");
  ck_assert_str_eq(json_at(answer, "$[1].status"), "conflict");
  ck_assert_str_eq(supabase_run("select string_agg(name, '' order by id) from srv_customers"),
                   "Ab");
}
END_TEST

START_TEST(an_operation_that_was_applied_is_recognised_when_it_comes_again) {
  create_a();
  const char *update =
      "{\"ops\":[{" OP("21") ",\"table\":\"srv_customers\",\"action\":\"UPDATE\",\"key\":\"" A
                             "\",\"row\":{\"name\":\"Beta\"}}]}";
  ck_assert_str_eq(json_at(supabase_call(1, "leadx_push", update), "$[0].status"), "applied");
  supabase_run("update srv_customers set name = 'newer, by a colleague'");
  const char *again = supabase_call(1, "leadx_push", update);
  ck_assert_str_eq(json_at(again, "$[0].status"), "replayed");
  ck_assert_str_eq(json_at(again, "$[0].row.name"), "newer, by a colleague");
  ck_assert_str_eq(supabase_run("select name from srv_customers"), "newer, by a colleague");
}
END_TEST

START_TEST(an_operation_that_failed_is_not_remembered) {
  create_a();
  const char *early =
      "{\"ops\":[{" OP("22") ",\"table\":\"srv_customers\",\"action\":\"UPDATE\",\"key\":\"" B
                             "\",\"row\":{\"name\":\"Beta\"}}]}";
  ck_assert_str_eq(json_at(supabase_call(1, "leadx_push", early), "$[0].status"), "gone");
  supabase_run("insert into srv_customers (id, owner_id, name) values ('" B
               "', '11111111-1111-4111-8111-111111111111', 'b')");
  ck_assert_str_eq(json_at(supabase_call(1, "leadx_push", early), "$[0].status"), "applied");
}
END_TEST

START_TEST(row_level_security_holds_for_every_operation) {
  create_a();
  const char *answer = supabase_call(
      3, "leadx_push",
      "{\"ops\":[{" OP(
          "31") ",\"table\":\"srv_customers\",\"action\":\"UPDATE\",\"key\":\"" A
                "\",\"row\":{\"name\":\"stolen\"}},"
                "{" OP(
                    "32") ",\"table\":\"srv_customers\",\"action\":\"DELETE\",\"key\":\"" A "\"},"
                          "{" OP("33") ",\"table\":\"srv_customers\",\"action\":\"CREATE\",\"key\":"
                                       "\"" A "\",\"row\":{\"id\":\"" A "\",\"name\":\"taken\"}},"
                                       "{" OP("34") ",\"table\":\"srv_customers\",\"action\":"
                                                    "\"CREATE\",\"key\":\"" B
                                                    "\",\"row\":{\"id\":\"" B "\",\"name\":\"x\","
                                                    "\"owner_id\":\"11111111-1111-4111-8111-"
                                                    "111111111111\"}}]}");
  ck_assert_str_eq(json_at(answer, "$[0].status"), "gone");
  ck_assert_str_eq(json_at(answer, "$[1].status"), "gone");
  ck_assert_str_eq(json_at(answer, "$[2].code"), "23505");
  ck_assert_str_eq(json_at(answer, "$[2].row"), "");
  ck_assert_str_eq(json_at(answer, "$[3].code"), "42501");
  ck_assert_str_eq(
      json_at(
          supabase_call(2, "leadx_push",
                        "{\"ops\":[{" OP(
                            "35") ",\"table\":\"srv_customers\",\"action\":\"DELETE\",\"key\":\"" A
                                  "\"}]}"),
          "$[0].status"),
      "conflict");
  ck_assert_str_eq(supabase_run("select count(*) || max(name) from srv_customers"), "1Alpha");
  ck_assert_str_eq(
      json_at(
          supabase_call(0, "leadx_push",
                        "{\"ops\":[{" OP(
                            "36") ",\"table\":\"srv_customers\",\"action\":\"DELETE\",\"key\":\"" A
                                  "\"}]}"),
          "$[0].status"),
      "gone");
}
END_TEST

START_TEST(a_table_that_may_be_written_but_not_read_can_be_written) {
  const char *answer = supabase_call(
      1, "leadx_push",
      "{\"ops\":[{" OP("41") ",\"table\":\"srv_inbox\",\"action\":\"CREATE\",\"key\":\"" A
                             "\",\"row\":{\"id\":\"" A "\",\"body\":\"x\"}},"
                             "{" OP(
                                 "42") ",\"table\":\"srv_inbox\",\"action\":\"UPDATE\",\"key\":\"" A
                                       "\",\"row\":{\"body\":\"y\"}}]}");
  ck_assert_str_eq(json_at(answer, "$[0].status"), "applied");
  ck_assert_str_eq(json_at(answer, "$[1].code"), "42501");
  ck_assert_str_eq(supabase_run("select body from srv_inbox"), "x");
}
END_TEST

START_TEST(a_composite_key_and_odd_names_are_no_obstacle) {
  const char *answer = supabase_call(
      1, "leadx_push",
      "{\"ops\":[{" OP(
          "51") ",\"table\":\"srv_odd "
                "\\\"'n\",\"action\":\"CREATE\",\"key\":[1,\"x'y\"],\"row\":{\"a "
                "\\\"k\":1,\"b\":\"x'y\",\"n\":1}},"
                "{" OP(
                    "52") ",\"table\":\"srv_odd "
                          "\\\"'n\",\"action\":\"UPDATE\",\"key\":[1,\"x'y\"],\"row\":{\"n\":2}},"
                          "{" OP("53") ",\"table\":\"srv_odd "
                                       "\\\"'n\",\"action\":\"UPDATE\",\"key\":[1],\"row\":{\"n\":"
                                       "3}}]}");
  ck_assert_str_eq(json_at(answer, "$[0].status"), "applied");
  ck_assert_str_eq(json_at(answer, "$[1].row.n"), "2");
  ck_assert_str_eq(json_at(answer, "$[2].code"), "22023");
}
END_TEST

/* ---- pulling ---- */

/* The arguments of the next pull. */
static const char *after(const char *page, int limit) {
  static char text[1024];
  snprintf(text, sizeof text, "{\"tbl\":\"srv_customers\",\"lim\":%d,\"after\":%s}", limit,
           json_at(page, "$.cursor"));
  return text;
}

START_TEST(a_deleted_row_leaves_a_tombstone_for_those_who_could_read_it) {
  create_a();
  const char *page = supabase_call(1, "leadx_pull", "{\"tbl\":\"srv_customers\"}");
  ck_assert_str_eq(json_at(page, "$.rows[0].name"), "Alpha");
  supabase_run("delete from srv_customers");
  const char *arguments = after(page, 100);
  ck_assert_str_eq(json_at(supabase_call(1, "leadx_pull", arguments), "$.gone"), "[\"" A "\"]");
  ck_assert_str_eq(json_at(supabase_call(2, "leadx_pull", arguments), "$.gone"), "[\"" A "\"]");
  ck_assert_str_eq(json_at(supabase_call(3, "leadx_pull", arguments), "$.gone"), "[]");
  ck_assert_str_eq(supabase_get(3, "leadx_tombstones?select=key"), "[]");
  ck_assert_str_eq(supabase_get(2, "leadx_tombstones?select=key"), "[{\"key\":\"" A "\"}]");
  ck_assert_str_eq(json_at(supabase_get(2, "leadx_tombstones?select=scope"), "$.code"), "42501");
}
END_TEST

START_TEST(a_row_that_was_created_again_is_not_gone) {
  create_a();
  const char *page = supabase_call(1, "leadx_pull", "{\"tbl\":\"srv_customers\"}");
  supabase_run(
      "delete from srv_customers; insert into srv_customers (id, owner_id, name) values ('" A
      "', '11111111-1111-4111-8111-111111111111', 'again')");
  const char *next = supabase_call(1, "leadx_pull", after(page, 100));
  ck_assert_str_eq(json_at(next, "$.gone"), "[]");
  ck_assert_str_eq(json_at(next, "$.rows[0].name"), "again");
}
END_TEST

START_TEST(tombstones_follow_the_policies_when_the_text_is_run_again) {
  create_a();
  supabase_run("drop policy team_read on srv_customers; create policy team_read on srv_customers "
               "for select to authenticated using (owner_id = (select auth.uid()))");
  supabase_run(printed);
  supabase_run("delete from srv_customers");
  ck_assert_str_eq(supabase_get(2, "leadx_tombstones?select=key"), "[]");
  ck_assert_str_eq(supabase_get(1, "leadx_tombstones?select=key"), "[{\"key\":\"" A "\"}]");
  supabase_run("drop policy team_read on srv_customers;"
               "create policy team_read on srv_customers for select to authenticated using "
               "(owner_id = any ((select crm.colleagues())::uuid[]))");
  supabase_run(printed);
}
END_TEST

START_TEST(a_slow_transaction_is_never_missed) {
  FILE *slow = supabase_session();
  fprintf(slow, "begin; insert into srv_customers (id, owner_id, name) values ('" A
                "', '11111111-1111-4111-8111-111111111111', 'slow');\n");
  fflush(slow);
  for (int i = 0; supabase_int("select count(*) from pg_locks where locktype = 'advisory' and "
                               "objsubid = 2") == 0;
       i++) {
    ck_assert_int_lt(i, 100);
    nanosleep(&(struct timespec){0, 50000000}, NULL);
  }
  supabase_run("insert into srv_customers (id, owner_id, name) values ('" B
               "', '11111111-1111-4111-8111-111111111111', 'fast')");
  const char *early = supabase_call(1, "leadx_pull", "{\"tbl\":\"srv_customers\"}");
  ck_assert_str_eq(json_at(early, "$.rows"), "[]");
  fprintf(slow, "commit;\n");
  ck_assert_int_eq(pclose(slow), 0);
  const char *late = supabase_call(1, "leadx_pull", after(early, 100));
  ck_assert_str_eq(json_at(late, "$.rows[0].name"), "slow");
  ck_assert_str_eq(json_at(late, "$.rows[1].name"), "fast");
  ck_assert_str_eq(json_at(supabase_call(1, "leadx_pull", after(late, 100)), "$.rows"), "[]");
}
END_TEST

START_TEST(pages_neither_skip_nor_repeat_rows_that_share_a_version) {
  supabase_run("insert into srv_customers (id, owner_id, name) select gen_random_uuid(), "
               "'11111111-1111-4111-8111-111111111111', 'n' || i from generate_series(1, 35) i;"
               "alter table srv_customers disable trigger user; update srv_customers set "
               "updated_at = '2024-01-01T00:00:00.123456Z';"
               "alter table srv_customers enable trigger user");
  const char *page = supabase_call(1, "leadx_pull", "{\"tbl\":\"srv_customers\",\"lim\":10}");
  int rows = 0, pages = 0;
  while (atoi(json_at(page, "$.more"))) {
    rows += 10;
    ck_assert_int_lt(++pages, 10);
    page = supabase_call(1, "leadx_pull", after(page, 10));
  }
  ck_assert_int_eq(rows, 30);
  ck_assert_str_ne(json_at(page, "$.rows[4]"), "");
  ck_assert_str_eq(json_at(page, "$.rows[5]"), "");
}
END_TEST

START_TEST(a_table_that_is_not_registered_cannot_be_pulled) {
  ck_assert_str_eq(json_at(supabase_call(1, "leadx_pull", "{\"tbl\":\"customers\"}"), "$.code"),
                   "42P01");
  ck_assert_str_eq(
      json_at(supabase_call(1, "leadx_pull", "{\"tbl\":\"leadx_tombstones\"}"), "$.code"), "42P01");
}
END_TEST

Suite *test_server_sql_suite(void) {
  const TTest *const tests[] = {
      the_text_runs_through_psql_again_and_again_unchanged,
      the_text_for_one_table_is_about_that_table,
      a_name_that_could_end_a_comment_is_refused,
      without_a_table_there_is_nothing_to_print,
      a_version_column_that_is_no_timestamp_is_refused_and_nothing_stays,
      what_the_client_says_about_the_version_is_never_kept,
      a_version_column_of_another_name_is_stamped_too,
      rows_from_the_future_or_without_a_version_are_mended_when_the_text_is_run,
      an_index_on_version_and_key_is_made_and_used,
      each_operation_has_its_own_answer_and_a_bad_one_takes_nothing_with_it,
      many_operations_of_one_shape_land_but_for_the_bad_one_wherever_it_stands,
      each_of_many_operations_is_held_to_its_own_version,
      an_operation_that_was_applied_is_recognised_when_it_comes_again,
      an_operation_that_failed_is_not_remembered,
      row_level_security_holds_for_every_operation,
      a_table_that_may_be_written_but_not_read_can_be_written,
      a_composite_key_and_odd_names_are_no_obstacle,
      a_deleted_row_leaves_a_tombstone_for_those_who_could_read_it,
      a_row_that_was_created_again_is_not_gone,
      tombstones_follow_the_policies_when_the_text_is_run_again,
      a_slow_transaction_is_never_missed,
      pages_neither_skip_nor_repeat_rows_that_share_a_version,
      a_table_that_is_not_registered_cannot_be_pulled,
  };
  Suite *suite = suite_create("server_sql");
  TCase *tcase = tcase_create("server_sql");
  tcase_add_unchecked_fixture(tcase, install, uninstall);
  tcase_add_checked_fixture(tcase, empty_tables, NULL);
  for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(tcase, tests[i]);
  suite_add_tcase(suite, tcase);
  return suite;
}
