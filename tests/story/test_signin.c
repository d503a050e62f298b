/* Sign-in against the real server: PostgREST judges the tokens, the SQL of
** scripts/server/auth_api.sql grants them as Supabase Auth does. A gateway that can be told to fail
** stands between. */
#define _GNU_SOURCE

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "live.h"
#include "suites.h"

static live_device device;
static fault_server *road;
static char road_url[LIVE_URL_BYTES];

#define REFRESH "/auth/v1/token?grant_type=refresh_token"

/* A device of user 1 that nobody has signed in on, on the road to the server. */
static void set_up(void) {
  live_wipe();
  live_psql(
      "delete from auth.sessions; update auth.users set banned_until = null, email_confirmed_at = "
      "now();"
      "update auth.config set jwt_exp_s = 3600, reuse_interval_s = 600, allow_parent_reuse = true");
  road = live_road(road_url);
  live_open(&device, 0, road_url);
  live_text(device.db, "SELECT leadx_logout()");
  fault_server_forget(road);
}

static void tear_down(void) {
  live_close(&device);
  fault_server_stop(road);
}

static const char *ask(const char *format, const char *a, const char *b) {
  char *sql = sqlite3_mprintf(format, a, b);
  const char *text = live_text(device.db, sql);
  sqlite3_free(sql);
  return text;
}

static const char *fails(const char *format, const char *a, const char *b) {
  char *sql = sqlite3_mprintf(format, a, b);
  const char *text = live_error(device.db, sql);
  sqlite3_free(sql);
  return text;
}

static void log_in(int user) {
  char email[20], password[20];
  snprintf(email, sizeof email, "LEADX_EMAIL_%d", user);
  snprintf(password, sizeof password, "LEADX_PASSWORD_%d", user);
  ask("SELECT leadx_login(%Q, %Q)", live_env(email), live_env(password));
}

static const char *refuse_login(void) {
  return fails("SELECT leadx_login(%Q, %Q)", live_env("LEADX_EMAIL_1"),
               live_env("LEADX_PASSWORD_1"));
}

static const char *sync_state(void) {
  return live_text(device.db, "SELECT json_extract(leadx_sync(), '$.state')");
}
static const char *message(void) { return live_text(device.db, "SELECT message FROM leadx_state"); }
static const char *auth(void) { return live_text(device.db, "SELECT auth FROM leadx_state"); }

static int count_queue(const char *where) {
  return atoi(ask("SELECT count(*) FROM sync_queue WHERE %s%s", where, ""));
}
static int on_server(void) { return atoi(live_psql("select count(*) from customers")); }

static void add_customers(int n, int user) {
  char name[20], *sql;
  snprintf(name, sizeof name, "LEADX_USER_%d", user);
  sql = sqlite3_mprintf(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
      " INSERT INTO customers(id, name, owner_id) SELECT leadx_uuid(), 'n' || i, %Q FROM n",
      n, live_env(name));
  live_run(device.db, sql);
  sqlite3_free(sql);
}

/* A token of user 1 that is no good any more. */
static const char *old_token(void) {
  static char token[2000];
  char command[300];
  snprintf(command, sizeof command, "scripts/server/server.sh token --exp -120 --dir '%s'",
           live_env("LEADX_SERVER_DIR"));
  FILE *pipe = popen(command, "r");
  ck_assert_ptr_nonnull(pipe);
  ck_assert_ptr_nonnull(fgets(token, sizeof token, pipe));
  pclose(pipe);
  token[strcspn(token, "\n")] = 0;
  return token;
}

/* A session of user 1 that began elsewhere: its refresh token. */
static const char *new_session(void) {
  char *sql = sqlite3_mprintf("with s as (insert into auth.sessions(user_id) values (%Q) returning "
                              "id) select auth.new_refresh_token(id, null) from s",
                              live_env("LEADX_USER_1"));
  const char *token = live_psql(sql);
  sqlite3_free(sql);
  return token;
}

static int refreshes(void) { return fault_server_seen(road, "POST", REFRESH); }

/* ---- signing in ---- */

START_TEST(a_person_signs_in_and_the_rows_go_in_their_name) {
  add_customers(3, 1);
  ck_assert_str_eq(auth(), "signed_out");
  const char *answer = ask("SELECT leadx_login(%Q, %Q)", live_env("LEADX_EMAIL_1"),
                           live_env("LEADX_PASSWORD_1"));
  ck_assert_str_eq(ask("SELECT json_extract(%Q, '$.user')%s", answer, ""),
                   live_env("LEADX_USER_1"));
  ck_assert_str_eq(ask("SELECT json_extract(%Q, '$.expires_in')%s", answer, ""), "3600");
  ck_assert_str_eq(ask("SELECT julianday(json_extract(%Q, '$.expires_at')) BETWEEN "
                       "julianday('now', '+50 minutes') AND julianday('now', '+70 minutes')%s",
                       answer, ""),
                   "1");
  ck_assert_ptr_null(strstr(answer, "eyJ"));
  ck_assert_str_eq(auth(), "signed_in");
  ck_assert_str_eq(sync_state(), "ok");
  ck_assert_int_eq(on_server(), 3);
}
END_TEST

START_TEST(who_may_not_sign_in_is_told_why_and_nothing_changes) {
  ck_assert_str_eq(
      fails("SELECT leadx_login(%Q, %Q)", live_env("LEADX_EMAIL_1"), "wrong password"),
      "leadx_login: 400 invalid_credentials Invalid login credentials; check email and password");
  ck_assert_ptr_nonnull(
      strstr(fails("SELECT leadx_login(%Q, %Q)", "nobody@leadx.test", "x"), "invalid_credentials"));
  live_psql("update auth.users set email_confirmed_at = null where email like 'sari%'");
  ck_assert_ptr_nonnull(
      strstr(refuse_login(), "email_not_confirmed Email not confirmed; follow the link"));
  live_psql("update auth.users set banned_until = now() + interval '1 day', email_confirmed_at = "
            "now() where email like 'sari%'");
  ck_assert_ptr_nonnull(strstr(refuse_login(), "user_banned User is banned; ask whoever"));
  ck_assert_str_eq(auth(), "signed_out");
  ck_assert_str_eq(live_psql("select count(*) from auth.sessions"), "0");
}
END_TEST

static const struct trouble {
  fault_kind kind;
  int status;
  const char *says;
} troubles[] = {
    {FAULT_ANSWER, 429, "wait a while"},
    {FAULT_ANSWER, 503, "wait a while"},
    {FAULT_ANSWER, 404, "no Supabase Auth"},
    {FAULT_ANSWER, 302, "leadx_configure"},
    {FAULT_ANSWER, 401, "check the key"},
    {FAULT_RESET, 0, "try again when there is a network"},
    {FAULT_FORWARD_HALF, 0, "try again when"},
    {FAULT_DEPTH_BOMB, 200, "Supabase project"},
};
enum { N_TROUBLES = sizeof troubles / sizeof troubles[0] };

START_TEST(a_sign_in_over_a_bad_road_says_what_to_do_and_works_afterwards) {
  fault_rule rule = {
      .path = "/auth/v1/token", .kind = troubles[_i].kind, .status = troubles[_i].status};
  fault_server_add(road, &rule);
  const char *text = refuse_login();
  ck_assert_msg(strstr(text, troubles[_i].says) != NULL && strstr(text, "leadx_login: ") == text,
                "%s", text);
  ck_assert_str_eq(auth(), "signed_out");
  fault_server_clear(road);
  log_in(1);
  ck_assert_str_eq(auth(), "signed_in");
}
END_TEST

START_TEST(a_server_without_auth_says_so) {
  ask("SELECT leadx_configure(%Q, %Q)", live_env("LEADX_POSTGREST"), "key");
  ck_assert_ptr_nonnull(strstr(refuse_login(), "there is no Supabase Auth beside this server"));
}
END_TEST

START_TEST(what_was_refused_to_nobody_is_sent_when_somebody_signs_in) {
  add_customers(2, 1);
  ck_assert_str_eq(sync_state(), "partial");
  ck_assert_int_eq(count_queue("status = 'FAILED' AND error_code = '42501'"), 2);
  log_in(1);
  ck_assert_str_eq(sync_state(), "ok");
  ck_assert_int_eq(on_server(), 2);
}
END_TEST

START_TEST(a_sign_in_that_comes_too_often_is_told_how_long_to_wait) {
  fault_rule rule = {
      .path = "/auth/v1/token",
      .kind = FAULT_ANSWER,
      .status = 429,
      .headers = "Retry-After: 42",
      .body = "{\"code\":\"over_request_rate_limit\",\"message\":\"Request rate limit reached\"}"};
  fault_server_add(road, &rule);
  ck_assert_str_eq(refuse_login(), "leadx_login: 429 over_request_rate_limit Request rate limit "
                                   "reached; wait 42 s, then try again");
}
END_TEST

/* ---- refreshing ---- */

START_TEST(an_expired_token_is_renewed_when_postgrest_refuses_it) {
  ask("SELECT leadx_set_token(%Q, %Q)", old_token(), new_session());
  add_customers(3, 1);
  ck_assert_str_eq(sync_state(), "ok");
  ck_assert_int_eq(on_server(), 3);
  ck_assert_int_eq(refreshes(), 1);
  /* The next one follows from the rotated token. */
  for (int i = 0; i < 2; i++) {
    fault_rule rule = {.path = "/rest/v1/customers",
                       .from = 1,
                       .to = 1,
                       .status = 401,
                       .body = "{\"code\":\"PGRST301\",\"message\":\"JWT expired\"}"};
    fault_server_clear(road);
    fault_server_add(road, &rule);
    ck_assert_str_eq(sync_state(), "ok");
  }
  ck_assert_int_eq(refreshes(), 3);
  ck_assert_str_eq(live_psql("select count(*) from auth.refresh_tokens where not revoked"), "1");
  ck_assert_str_eq(live_psql("select count(distinct session_id) from auth.refresh_tokens"), "1");
}
END_TEST

/* B17. _i says which requests come too late: the first one, or some of those that are in flight
** together. PostgREST 13 calls it PGRST303. */
START_TEST(a_token_that_expires_in_the_middle_of_a_batch_loses_and_doubles_nothing) {
  static const char *const bodies[] = {"{\"code\":\"PGRST301\",\"message\":\"JWT expired\"}",
                                       "{\"code\":\"PGRST303\",\"message\":\"JWT expired\"}"};
  log_in(1);
  add_customers(200, 1);
  ck_assert_str_eq(sync_state(), "ok");
  live_run(device.db,
           "UPDATE customers SET city = 'Solo'; DELETE FROM customers WHERE name = 'n7'");
  add_customers(30, 1);
  fault_rule rule = {.path = "/rest/v1/",
                     .from = 1 + _i * 17,
                     .to = (_i ? 3 : 1) + _i * 17,
                     .status = 401,
                     .body = bodies[_i % 2]};
  fault_server_add(road, &rule);
  ck_assert_str_eq(sync_state(), "ok");
  ck_assert_int_ge(refreshes(), 1);
  ck_assert_int_eq(count_queue("status <> 'SYNCED' OR retry_count > 0 OR error_code IS NOT NULL"),
                   0);
  ck_assert_str_eq(
      live_psql("select count(*), count(*) filter (where city = 'Solo') from customers"),
      "229|199");
  ck_assert_int_eq(fault_server_unfiltered(road), 0);
}
END_TEST

/* The same through the server's functions: _i is the call, or the page, that comes too late. */
START_TEST(a_call_of_the_servers_functions_goes_once_more_with_the_new_token) {
  log_in(1);
  add_customers(200, 1);
  fault_rule rule = {.path = "/rest/v1/rpc/",
                     .from = 1 + _i,
                     .to = 1 + _i,
                     .status = 401,
                     .body = "{\"code\":\"PGRST301\",\"message\":\"JWT expired\"}"};
  fault_server_add(road, &rule);
  live_run(device.db, "UPDATE customers SET city = 'Solo' WHERE name <= 'n150'");
  ck_assert_str_eq(sync_state(), "ok");
  ck_assert_int_eq(refreshes(), 1);
  ck_assert_int_gt(fault_server_seen(road, "POST", "/rest/v1/rpc/leadx_push"), 0);
  ck_assert_int_eq(count_queue("status <> 'SYNCED' OR retry_count > 0 OR error_code IS NOT NULL"),
                   0);
  ck_assert_int_eq(on_server(), 200);
  live_run(device.db, "UPDATE customers SET city = 'Bogor'");
  log_in(2);
  ck_assert_str_eq(sync_state(), "ok");
  ck_assert_str_eq(live_psql("select count(*) from customers where city = 'Bogor'"),
                   "0"); /* they are sari's to send */
}
END_TEST

START_TEST(a_session_that_the_server_has_ended_asks_for_a_new_sign_in) {
  log_in(1);
  add_customers(2, 1);
  live_psql("delete from auth.sessions");
  fault_rule rule = {.path = "/rest/v1/",
                     .status = 401,
                     .body = "{\"code\":\"PGRST301\",\"message\":\"JWT expired\"}"};
  fault_server_add(road, &rule);
  for (int i = 0; i < 3; i++) ck_assert_str_eq(sync_state(), "auth_required");
  ck_assert_int_eq(refreshes(), 1);
  ck_assert_str_eq(auth(), "auth_required");
  fault_server_clear(road);
  ck_assert_int_eq(count_queue("status = 'PENDING' AND retry_count = 0"), 2);
  log_in(1);
  ck_assert_str_eq(sync_state(), "ok");
  ck_assert_int_eq(on_server(), 2);
}
END_TEST

START_TEST(a_refresh_token_that_somebody_else_has_used_ends_the_session_and_says_so) {
  const char *refresh = new_session();
  live_psql("update auth.config set reuse_interval_s = 0, allow_parent_reuse = false");
  ask("SELECT leadx_set_token(%Q, %Q)", old_token(), refresh);
  add_customers(2, 1);
  /* The thief comes first. */
  char *sql = sqlite3_mprintf("select auth.refresh_grant(json_build_object('refresh_token', "
                              "%Q)::jsonb) is not null; select pg_sleep(0.05)",
                              refresh);
  live_psql(sql);
  sqlite3_free(sql);
  ck_assert_str_eq(sync_state(), "auth_required");
  ck_assert_msg(strstr(message(), "refresh_token_already_used") &&
                    strstr(message(), "somebody else has used this refresh token"),
                "%s", message());
  ck_assert_str_eq(live_psql("select count(*) from auth.refresh_tokens where not revoked"),
                   "0"); /* the thief's is dead too */
  ck_assert_int_eq(count_queue("status = 'PENDING' AND retry_count = 0"), 2);
}
END_TEST

/* Two processes (here: files) with one refresh token: the second one is given what the first one
** got, as long as the server takes the two for one client. */
START_TEST(two_holders_of_one_refresh_token_both_go_on_within_the_grace) {
  live_device other;
  const char *token = old_token(), *refresh = new_session();
  live_open(&other, 0, road_url);
  char *sql = sqlite3_mprintf("SELECT leadx_set_token(%Q, %Q)", token, refresh);
  live_text(device.db, sql);
  live_text(other.db, sql);
  sqlite3_free(sql);
  ck_assert_str_eq(sync_state(), "ok");
  ck_assert_str_eq(live_text(other.db, "SELECT json_extract(leadx_sync(), '$.state')"), "ok");
  ck_assert_int_eq(refreshes(), 2);
  live_close(&other);
}
END_TEST

START_TEST(a_token_that_is_about_to_expire_is_renewed_before_it_is_refused) {
  live_psql("update auth.config set jwt_exp_s = 2");
  log_in(1);
  add_customers(1, 1);
  fault_sleep_ms(1900);
  live_psql("update auth.config set jwt_exp_s = 3600");
  ck_assert_str_eq(sync_state(), "ok");
  ck_assert_int_eq(refreshes(), 1);
  ck_assert_str_eq(fault_server_get(road, 1)->target,
                   REFRESH); /* after the sign-in, before anything else */
  ck_assert_int_eq(on_server(), 1);
}
END_TEST

START_TEST(a_check_renews_the_token_too) {
  ask("SELECT leadx_set_token(%Q, %Q)", old_token(), new_session());
  live_text(device.db, "SELECT leadx_check('settings')");
  ck_assert_int_eq(refreshes(), 1);
  ck_assert_ptr_nonnull(
      strstr(live_text(device.db, "SELECT result FROM leadx_checks WHERE \"check\" = 'token'"),
             "ok: user"));
}
END_TEST

START_TEST(the_worker_renews_the_token_by_itself) {
  ask("SELECT leadx_set_token(%Q, %Q)", old_token(), new_session());
  live_text(device.db, "SELECT leadx_start()");
  add_customers(2, 1);
  live_wait(device.db, "SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'", "0");
  live_text(device.db, "SELECT leadx_stop()");
  ck_assert_int_eq(on_server(), 2);
  ck_assert_int_eq(refreshes(), 1);
}
END_TEST

/* ---- tokens of others ---- */

START_TEST(a_token_that_another_project_signed_is_explained) {
  char token[2000];
  snprintf(token, sizeof token, "%s", live_env("LEADX_TOKEN"));
  size_t n = strlen(token);
  token[n - 10] = token[n - 10] == 'A' ? 'B' : 'A';
  ask("SELECT leadx_set_token(%Q)%s", token, "");
  add_customers(1, 1);
  ck_assert_str_eq(sync_state(), "auth_required");
  ck_assert_msg(strstr(message(), "made by another project") && strstr(message(), "401 PGRST301"),
                "%s", message());
  ck_assert_int_eq(count_queue("status = 'PENDING' AND retry_count = 0"), 1);
}
END_TEST

/* C17 */
START_TEST(unsent_rows_of_one_person_wait_until_that_person_signs_in_again) {
  log_in(1);
  add_customers(2, 1);
  log_in(2);
  add_customers(1, 2);
  ck_assert_str_eq(sync_state(), "ok");
  ck_assert_str_eq(live_psql("select string_agg(distinct owner_id::text, ',') from customers"),
                   live_env("LEADX_USER_2"));
  ck_assert_int_eq(count_queue("status = 'PENDING'"), 2);
  ck_assert_str_eq(
      ask("SELECT count(*) FROM leadx_queue WHERE state = 'waiting' AND error_message LIKE %Q%s",
          "belongs to the user %", ""),
      "2");
  ck_assert_str_eq(live_text(device.db, "SELECT pending FROM leadx_state"), "2");
  ck_assert_str_eq(live_text(device.db, "SELECT count(*) FROM customers"),
                   "3"); /* and nothing took them away */
  log_in(1);
  ck_assert_str_eq(sync_state(), "ok");
  ck_assert_int_eq(on_server(), 3);
  ck_assert_int_eq(count_queue("status <> 'SYNCED'"), 0);
}
END_TEST

/* ---- signing out ---- */

START_TEST(a_sign_out_ends_the_session_on_the_server) {
  log_in(1);
  add_customers(1, 1);
  ck_assert_ptr_nonnull(
      strstr(fails("SELECT leadx_logout()%s%s", "", ""), "unsent changes of this user: 1"));
  ck_assert_str_eq(live_psql("select count(*) from auth.sessions"), "1");
  ck_assert_str_eq(sync_state(), "ok");
  ck_assert_str_eq(live_text(device.db, "SELECT json_extract(leadx_logout(), '$.revoked')"), "1");
  ck_assert_str_eq(live_psql("select count(*) from auth.sessions"), "0");
  ck_assert_str_eq(auth(), "signed_out");
  ck_assert_str_eq(live_text(device.db, "SELECT leadx_config('token')"), "");
}
END_TEST

START_TEST(a_forced_sign_out_works_offline_and_loses_nothing) {
  log_in(1);
  add_customers(2, 1);
  fault_server_refuse(road, 1);
  ck_assert_str_eq(live_text(device.db, "SELECT json_extract(leadx_logout(1), '$.unsent')"), "2");
  ck_assert_str_eq(auth(), "signed_out");
  fault_server_refuse(road, 0);
  ck_assert_str_eq(sync_state(), "ok"); /* as nobody, which sends none of them */
  ck_assert_int_eq(on_server(), 0);
  log_in(1);
  ck_assert_str_eq(sync_state(), "ok");
  ck_assert_int_eq(on_server(), 2);
}
END_TEST

/* ---- nothing is written down ---- */

static void expect_nowhere(const char *secret) {
  static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
  for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
    char path[100];
    snprintf(path, sizeof path, "%s%s", device.path, suffixes[i]);
    FILE *file = fopen(path, "rb");
    if (!file) continue;
    static char bytes[4 << 20];
    size_t n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    ck_assert_uint_lt(n, sizeof bytes);
    ck_assert_msg(memmem(bytes, n, secret, strlen(secret)) == NULL, "%s holds a secret", path);
  }
}

START_TEST(password_and_tokens_are_in_no_file_table_or_text) {
  const char *wrong = fails("SELECT leadx_login(%Q, %Q)", live_env("LEADX_EMAIL_1"),
                            "canary-password-1");
  ck_assert_ptr_null(strstr(wrong, "canary"));
  log_in(1);
  add_customers(20, 1);
  ck_assert_str_eq(sync_state(), "ok");
  ask("SELECT leadx_set_token(%Q, %Q)", old_token(), new_session());
  ck_assert_str_eq(sync_state(), "ok");
  fault_rule rule = {.path = "/rest/v1/",
                     .status = 401,
                     .body = "{\"code\":\"PGRST301\",\"message\":\"JWT expired\"}"};
  fault_server_add(road, &rule);
  live_psql("delete from auth.sessions");
  ck_assert_str_eq(sync_state(), "auth_required");
  fails("SELECT leadx_sync(%Q)%s", "{\"strict\":true}", "");
  const char *refresh_tokens[] = {"canary-password-1", live_env("LEADX_PASSWORD_1"), "eyJ",
                                  live_env("LEADX_APIKEY")};
  for (int i = 0; i < 4; i++) expect_nowhere(refresh_tokens[i]);
  ck_assert_str_eq(live_text(device.db, "SELECT count(*) FROM leadx_log WHERE error LIKE '%eyJ%'"),
                   "0");
  /* What the server kept of the refresh tokens is nowhere here. */
  log_in(1);
  char list[2000], *at = list;
  snprintf(list, sizeof list, "%s",
           live_psql("select string_agg(token, ',') from auth.refresh_tokens"));
  for (char *token; (token = strsep(&at, ",")) != NULL;) expect_nowhere(token);
  ck_assert_ptr_null(strstr(message(), "eyJ"));
}
END_TEST

static void add_served(Suite *suite) {
  TCase *tcase = tcase_create("functions");
  suite_add_tcase(suite, tcase);
  tcase_add_unchecked_fixture(tcase, live_serve_all, live_unserve);
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_loop_test(tcase, a_call_of_the_servers_functions_goes_once_more_with_the_new_token, 0,
                      3);
}

Suite *test_signin_suite(void) {
  Suite *suite = suite_create("signin");
  TCase *tcase = tcase_create("server");
  suite_add_tcase(suite, tcase);
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_test(tcase, a_person_signs_in_and_the_rows_go_in_their_name);
  tcase_add_test(tcase, who_may_not_sign_in_is_told_why_and_nothing_changes);
  tcase_add_loop_test(tcase, a_sign_in_over_a_bad_road_says_what_to_do_and_works_afterwards, 0,
                      N_TROUBLES);
  tcase_add_test(tcase, a_server_without_auth_says_so);
  tcase_add_test(tcase, what_was_refused_to_nobody_is_sent_when_somebody_signs_in);
  tcase_add_test(tcase, a_sign_in_that_comes_too_often_is_told_how_long_to_wait);
  tcase_add_test(tcase, an_expired_token_is_renewed_when_postgrest_refuses_it);
  tcase_add_loop_test(
      tcase, a_token_that_expires_in_the_middle_of_a_batch_loses_and_doubles_nothing, 0, 5);
  tcase_add_test(tcase, a_session_that_the_server_has_ended_asks_for_a_new_sign_in);
  tcase_add_test(tcase, a_refresh_token_that_somebody_else_has_used_ends_the_session_and_says_so);
  tcase_add_test(tcase, two_holders_of_one_refresh_token_both_go_on_within_the_grace);
  tcase_add_test(tcase, a_token_that_is_about_to_expire_is_renewed_before_it_is_refused);
  tcase_add_test(tcase, a_check_renews_the_token_too);
  tcase_add_test(tcase, the_worker_renews_the_token_by_itself);
  tcase_add_test(tcase, a_token_that_another_project_signed_is_explained);
  tcase_add_test(tcase, unsent_rows_of_one_person_wait_until_that_person_signs_in_again);
  tcase_add_test(tcase, a_sign_out_ends_the_session_on_the_server);
  tcase_add_test(tcase, a_forced_sign_out_works_offline_and_loses_nothing);
  tcase_add_test(tcase, password_and_tokens_are_in_no_file_table_or_text);
  add_served(suite);
  return suite;
}
