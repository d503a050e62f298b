/* Supabase Auth's dialect: how it is asked, what its answers mean, and which project a token is
** for. */
#include <stdio.h>
#include <string.h>

#include "fake_transport.h"
#include "base/secret.h"
#include "session/grant.h"
#include "suites.h"
#include "session/token.h"

/* Claims {"sub":"ani"}. */
#define ANI "e30.eyJzdWIiOiJhbmkifQ."

/* ---- spelling ---- */

static const struct root_case {
  const char *rest, *auth;
} roots[] = {
    {"https://abc.supabase.co/rest/v1", "https://abc.supabase.co/auth/v1"},
    {"https://host/prefix/rest/v1", "https://host/prefix/auth/v1"},
    {"http://127.0.0.1:3000", "http://127.0.0.1:3000/auth/v1"},
    {"https://api.example.com/postgrest", "https://api.example.com/auth/v1"},
    {"https://host/rest/v1x", "https://host/auth/v1"},
};
enum { N_ROOTS = sizeof roots / sizeof roots[0] };

START_TEST(auth_stands_beside_the_rest_root_or_at_the_origin) {
  char *root = leadx_grant_root(roots[_i].rest);
  ck_assert_str_eq(root, roots[_i].auth);
  sqlite3_free(root);
}
END_TEST

static const leadx_target target = {"https://host/rest/v1", "sb_publishable_k", "t.o.k", NULL};

START_TEST(a_sign_in_is_a_post_with_the_key_and_a_body_that_nothing_can_break) {
  leadx_err err = {0};
  leadx_request *req = leadx_grant_password_request(&target, "a\"b@c", "p\\w\n\x01é", &err);
  ck_assert_ptr_nonnull(req);
  ck_assert_str_eq(req->method, "POST");
  ck_assert_str_eq(req->url, "https://host/auth/v1/token?grant_type=password");
  ck_assert_str_eq(req->body,
                   "{\"email\":\"a\\u0022b@c\",\"password\":\"p\\u005cw\\u000a\\u0001é\"}");
  ck_assert_uint_eq(req->body_bytes, strlen(req->body));
  ck_assert_str_eq(fake_header(req, "apikey"), "sb_publishable_k");
  ck_assert_str_eq(fake_header(req, "Content-Type"), "application/json");
  ck_assert_ptr_null(fake_header(req, "Authorization"));
  leadx_request_free(req);
}
END_TEST

START_TEST(a_refresh_sends_the_refresh_token_and_not_the_old_access_token) {
  leadx_err err = {0};
  leadx_request *req = leadx_grant_refresh_request(&target, "r-1", &err);
  ck_assert_str_eq(req->url, "https://host/auth/v1/token?grant_type=refresh_token");
  ck_assert_str_eq(req->body, "{\"refresh_token\":\"r-1\"}");
  ck_assert_ptr_null(fake_header(req, "Authorization"));
  leadx_request_free(req);
}
END_TEST

START_TEST(a_sign_out_ends_this_session_alone_in_the_name_of_its_token) {
  leadx_err err = {0};
  leadx_request *req = leadx_grant_logout_request(&target, &err);
  ck_assert_str_eq(req->method, "POST");
  ck_assert_str_eq(req->url, "https://host/auth/v1/logout?scope=local");
  ck_assert_str_eq(fake_header(req, "Authorization"), "Bearer t.o.k");
  leadx_request_free(req);
}
END_TEST

START_TEST(a_request_that_is_signed_anew_has_one_token) {
  leadx_err err = {0};
  leadx_target anew = target, nobody = target;
  anew.token = "n.e.w";
  nobody.token = NULL;
  leadx_request *req = leadx_grant_logout_request(&target, &err);
  int n = req->nheaders;
  ck_assert_int_eq(leadx_target_sign(req, &anew), SQLITE_OK);
  ck_assert_str_eq(fake_header(req, "Authorization"), "Bearer n.e.w");
  ck_assert_int_eq(req->nheaders, n);
  ck_assert_int_eq(leadx_target_sign(req, &nobody), SQLITE_OK);
  ck_assert_ptr_null(fake_header(req, "Authorization"));
  ck_assert_str_eq(fake_header(req, "apikey"), "sb_publishable_k");
  leadx_request_free(req);
}
END_TEST

/* ---- meaning ---- */

enum { P = LEADX_GRANT_PASSWORD, R = LEADX_GRANT_REFRESH };

static const struct answer_case {
  int kind;
  long status;
  const char *type, *body;
  leadx_class class_;
  int is_final;
  const char *says;
} answers[] = {
    {P, 400, "json", "{\"code\":\"invalid_credentials\",\"message\":\"Invalid login credentials\"}",
     LEADX_CLASS_AUTH, 0,
     "400 invalid_credentials Invalid login credentials; check email and password"},
    {P, 400, "json",
     "{\"code\":400,\"error_code\":\"invalid_credentials\",\"msg\":\"Invalid login credentials\"}",
     LEADX_CLASS_AUTH, 0, "check email"},
    {P, 400, "json",
     "{\"error\":\"invalid_grant\",\"error_description\":\"Invalid login credentials\"}",
     LEADX_CLASS_AUTH, 0, "check email"},
    {P, 400, "json", "{\"code\":\"email_not_confirmed\",\"message\":\"Email not confirmed\"}",
     LEADX_CLASS_AUTH, 0, "confirmation mail"},
    {P, 400, "json", "{\"code\":\"user_banned\",\"message\":\"User is banned\"}", LEADX_CLASS_AUTH,
     0, "lift the ban"},
    {P, 422, "json",
     "{\"code\":\"email_provider_disabled\",\"message\":\"Email logins are disabled\"}",
     LEADX_CLASS_AUTH, 0, "leadx_set_token()"},
    {P, 400, "json", "{\"code\":\"captcha_failed\",\"message\":\"captcha\"}", LEADX_CLASS_AUTH, 0,
     "leadx_set_token()"},
    {P, 429, "json",
     "{\"code\":\"over_request_rate_limit\",\"message\":\"Request rate limit reached\"}",
     LEADX_CLASS_THROTTLE, 0, "wait a while"},
    {P, 429, "html", "<html>slow down</html>", LEADX_CLASS_THROTTLE, 0, "wait a while"},
    {P, 401, "json", "{\"message\":\"Invalid API key\"}", LEADX_CLASS_AUTH, 0, "check the key"},
    {P, 404, "json", "{\"message\":\"no Route matched with those values\"}", LEADX_CLASS_AUTH, 0,
     "no Supabase Auth"},
    {P, 404, "html", "<html>nginx</html>", LEADX_CLASS_AUTH, 0, "no Supabase Auth"},
    {P, 307, "html", "", LEADX_CLASS_TRUST, 0, "leadx_configure"},
    {P, 500, "json", "{\"code\":\"unexpected_failure\",\"message\":\"Database error\"}",
     LEADX_CLASS_THROTTLE, 0, "try again"},
    {P, 503, "html", "<html>", LEADX_CLASS_THROTTLE, 0, "try again"},
    {P, 200, "html", "<html>captive portal</html>", LEADX_CLASS_PROTOCOL, 0, "Supabase project"},
    {P, 200, "json", "[]", LEADX_CLASS_PROTOCOL, 0, "no access token"},
    {P, 200, "json", "{\"access_token\":\"no jwt\"}", LEADX_CLASS_PROTOCOL, 0, "no access token"},
    {P, 200, "json", "{\"access_token\":\"e30.e30.x", LEADX_CLASS_PROTOCOL, 0,
     "not what Supabase Auth says"},
    {P, 200, "text", "{\"access_token\":\"" ANI "x\"}", LEADX_CLASS_PROTOCOL, 0,
     "not what Supabase Auth says"},
    {P, 200, "json", "{\"access_token\":\"" ANI "x\"}", LEADX_CLASS_OK, 0, ""},
    {P, 200, "json", "{\"access_token\":\"" ANI "x\\u000a\"}", LEADX_CLASS_PROTOCOL, 0,
     "no access token"}, /* no token has an escape */
    {R, 400, "json",
     "{\"code\":\"refresh_token_not_found\",\"message\":\"Invalid Refresh Token: Refresh Token Not "
     "Found\"}",
     LEADX_CLASS_AUTH, 1, "leadx_login()"},
    {R, 400, "json",
     "{\"code\":\"refresh_token_already_used\",\"message\":\"Invalid Refresh Token: Already "
     "Used\"}",
     LEADX_CLASS_AUTH, 1, "somebody else has used"},
    {R, 400, "json",
     "{\"error\":\"invalid_grant\",\"error_description\":\"Invalid Refresh Token\"}",
     LEADX_CLASS_AUTH, 1, "leadx_login()"},
    {R, 403, "json", "{\"code\":\"session_not_found\",\"message\":\"gone\"}", LEADX_CLASS_AUTH, 1,
     "leadx_login()"},
    {R, 400, "json", "{\"code\":\"user_banned\",\"message\":\"User is banned\"}", LEADX_CLASS_AUTH,
     1, "lift the ban"},
    {R, 401, "json", "{\"message\":\"Invalid API key\"}", LEADX_CLASS_AUTH, 0, "check the key"},
    {R, 502, "html", "<html>", LEADX_CLASS_THROTTLE, 0, "try again"},
    {R, 400, "html", "<html>firewall</html>", LEADX_CLASS_AUTH, 0, "Supabase project"},
};
enum { N_ANSWERS = sizeof answers / sizeof answers[0] };

START_TEST(every_answer_of_auth_has_a_meaning_and_says_what_to_do) {
  const struct answer_case *c = &answers[_i];
  leadx_request *req = leadx_request_new("POST");
  leadx_grant grant;
  char type[40];
  snprintf(type, sizeof type, "%s/%s", strcmp(c->type, "json") == 0 ? "application" : "text",
           strcmp(c->type, "text") == 0 ? "plain" : c->type);
  fake_answer_bytes(req, c->status, type, c->body, strlen(c->body));
  leadx_grant_read((leadx_grant_kind)c->kind, req, &grant);
  ck_assert_msg(grant.class_ == c->class_, "%ld %s: %s, %s", c->status, c->body,
                leadx_class_name(grant.class_), grant.message);
  ck_assert_int_eq(grant.is_final, c->is_final);
  ck_assert_msg(strstr(grant.message, c->says) != NULL, "%s", grant.message);
  ck_assert_ptr_null(strstr(grant.message, "eyJ"));
  ck_assert_int_eq(grant.tokens.access != NULL, c->class_ == LEADX_CLASS_OK);
  leadx_grant_clear(&grant);
  leadx_request_free(req);
}
END_TEST

START_TEST(no_answer_is_offline_and_keeps_its_reason) {
  leadx_request *req = leadx_request_new("POST");
  leadx_grant grant;
  fake_fail(req, LEADX_NET_OFFLINE, 6, "Could not resolve host");
  leadx_grant_read(LEADX_GRANT_REFRESH, req, &grant);
  ck_assert_int_eq(grant.class_, LEADX_CLASS_OFFLINE);
  ck_assert_str_eq(grant.message, "Could not resolve host; try again when there is a network");
  leadx_grant_clear(&grant);
  leadx_request_free(req);
}
END_TEST

START_TEST(a_server_that_repeats_the_password_is_not_quoted) {
  leadx_request *req = leadx_request_new("POST");
  leadx_grant grant;
  fake_answer(req, 400, "{\"code\":\"weak_password\",\"message\":\"hunter2 is weak\"}");
  ck_assert_int_eq(leadx_secret_know(&grant, "hunter2"), SQLITE_OK);
  leadx_grant_read(LEADX_GRANT_PASSWORD, req, &grant);
  leadx_secret_forget(&grant);
  ck_assert_ptr_null(strstr(grant.message, "hunter2"));
  ck_assert_ptr_nonnull(strstr(grant.message, "******* is weak"));
  leadx_grant_clear(&grant);
  leadx_request_free(req);
}
END_TEST

/* ---- tokens ---- */

static const struct project_case {
  const char *url, *project;
} projects[] = {
    {"https://abc.supabase.co/auth/v1", "abc"},
    {"https://ABC.supabase.in", "ABC"},
    {"https://abc.supabase.co:443/x", "abc"},
    {"https://supabase.co", ""},
    {"https://a.b.supabase.co", ""},
    {"https://abc.supabase.co.evil.com", ""},
    {"http://127.0.0.1:54321/auth/v1", ""},
    {"supabase", ""},
    {"https://localhost/auth/v1", ""},
    {"https://abc.supabase.c", ""},
};
enum { N_PROJECTS = sizeof projects / sizeof projects[0] };

START_TEST(a_project_is_told_by_a_hosted_address_alone) {
  char project[LEADX_USER_BYTES];
  leadx_token_project_of_url(projects[_i].url, project);
  ck_assert_str_eq(project, projects[_i].project);
}
END_TEST

/* {"sub":"a>?~b","exp":1767258000}, whose base64url has both odd letters; and what is no token. */
static const struct token_case {
  const char *jwt, *user; /* NULL: it cannot be read */
  int64_t expires_s;
} token_cases[] = {
    {"h.eyJzdWIiOiJhPj9-YiIsImV4cCI6MTc2NzI1ODAwMH0.s", "a>?~b", 1767258000},
    {"h.eyJzdWIiOiI_Pz8_IiwiZXhwIjoxZTMwfQ.s", "????", 0}, /* "exp":1e30 is no time */
    {"h.eyJzdWIiOiJhPj9+YiIsImV4cCI6MTc2NzI1ODAwMH0.s", NULL, 0},
    {"h.eyJzdWIiOiJhPj9-YiIsImV4cCI6MTc2NzI1ODAwMH0=.s", NULL, 0},
    {"h.WyJzdWIiXQ.s", NULL, 0}, /* ["sub"] */
    {"h.e30", NULL, 0},
    {"none", NULL, 0},
};
enum { N_TOKENS = sizeof token_cases / sizeof token_cases[0] };

/* A JWT with these claims. */
static const char *jwt_of(const char *claims) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  static char jwt[4000];
  size_t n = strlen(claims), at = 2;
  memcpy(jwt, "h.", 2);
  for (size_t i = 0; i < n; i += 3) {
    unsigned v = (unsigned)(unsigned char)claims[i] << 16;
    if (i + 1 < n) v |= (unsigned)(unsigned char)claims[i + 1] << 8;
    if (i + 2 < n) v |= (unsigned char)claims[i + 2];
    for (size_t k = 0; k < 4 && i + k <= n; k++) jwt[at++] = digits[v >> (18 - 6 * k) & 63];
  }
  memcpy(jwt + at, ".s", 3);
  return jwt;
}

/* S8: whoever has the same beginning is somebody else. */
START_TEST(a_user_is_read_whole_or_not_at_all) {
  char claims[1000], name[400];
  leadx_token one, other;
  for (int n = 50; n < LEADX_USER_BYTES; n += 41) {
    memset(name, 'u', sizeof name);
    name[n - 1] = 0;
    snprintf(claims, sizeof claims, "{\"sub\":\"%sa\"}", name);
    ck_assert_int_eq(leadx_token_read(jwt_of(claims), &one), 0);
    snprintf(claims, sizeof claims, "{\"sub\":\"%sb\"}", name);
    ck_assert_int_eq(leadx_token_read(jwt_of(claims), &other), 0);
    ck_assert_uint_eq(strlen(one.user), (size_t)n);
    ck_assert_str_ne(one.user, other.user);
  }
  memset(name, 'u', sizeof name);
  name[LEADX_USER_BYTES] = 0;
  snprintf(claims, sizeof claims, "{\"sub\":\"%s\"}", name);
  ck_assert_int_eq(leadx_token_read(jwt_of(claims), &one), 2);
  ck_assert_str_eq(one.user, "");
  snprintf(claims, sizeof claims, "{\"sub\":\"a\",\"ref\":\"%s\"}", name);
  ck_assert_int_eq(leadx_token_read(jwt_of(claims), &one), 2);
}
END_TEST

static const struct name_case {
  const char *claims;
  int rc;
  const char *user;
} names[] = {
    {"{\"sub\":\"a\\u0000b\"}", 2, ""},
    {"{\"sub\":[\"a\"]}", 2, ""},
    {"{\"sub\":{\"id\":1}}", 2, ""},
    {"{\"sub\":true}", 2, ""},
    {"{\"sub\":123}", 0, "123"},
    {"{\"sub\":124}", 0, "124"},
    {"{\"sub\":null}", 0, ""},
    {"{}", 0, ""},
    {"{\"sub\":\"first\",\"sub\":\"last\"}", 0, "last"},
    {"{\"Sub\":\"a\"}", 0, ""},
    {"{\"sub\":\"caf\\u00e9\"}", 0, "caf\xC3\xA9"},
};

START_TEST(a_user_is_a_text_or_a_number_and_the_last_one_counts) {
  leadx_token token;
  ck_assert_int_eq(leadx_token_read(jwt_of(names[_i].claims), &token), names[_i].rc);
  ck_assert_str_eq(token.user, names[_i].user);
}
END_TEST

START_TEST(a_token_says_whose_it_is_and_until_when) {
  const struct token_case *c = &token_cases[_i];
  leadx_token token;
  ck_assert_int_eq(leadx_token_read(c->jwt, &token), c->user == NULL);
  ck_assert_str_eq(token.user, c->user ? c->user : "");
  ck_assert_int_eq(token.expires_s, c->expires_s);
}
END_TEST

Suite *test_grant_suite(void) {
  Suite *suite = suite_create("grant");
  TCase *tcase = tcase_create("dialect");
  suite_add_tcase(suite, tcase);
  tcase_add_loop_test(tcase, auth_stands_beside_the_rest_root_or_at_the_origin, 0, N_ROOTS);
  tcase_add_test(tcase, a_sign_in_is_a_post_with_the_key_and_a_body_that_nothing_can_break);
  tcase_add_test(tcase, a_refresh_sends_the_refresh_token_and_not_the_old_access_token);
  tcase_add_test(tcase, a_sign_out_ends_this_session_alone_in_the_name_of_its_token);
  tcase_add_test(tcase, a_request_that_is_signed_anew_has_one_token);
  tcase_add_loop_test(tcase, every_answer_of_auth_has_a_meaning_and_says_what_to_do, 0, N_ANSWERS);
  tcase_add_test(tcase, no_answer_is_offline_and_keeps_its_reason);
  tcase_add_test(tcase, a_server_that_repeats_the_password_is_not_quoted);
  tcase_add_loop_test(tcase, a_project_is_told_by_a_hosted_address_alone, 0, N_PROJECTS);
  tcase_add_test(tcase, a_user_is_read_whole_or_not_at_all);
  tcase_add_loop_test(tcase, a_user_is_a_text_or_a_number_and_the_last_one_counts, 0,
                      (int)(sizeof names / sizeof names[0]));
  tcase_add_loop_test(tcase, a_token_says_whose_it_is_and_until_when, 0, N_TOKENS);
  return suite;
}
