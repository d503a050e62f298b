/* Which addresses may be spoken to: base URLs as they are configured, and the URLs of requests. */
#include "http/address.h"

#include <string.h>

#include "http_rig.h"

/* ---- base URLs ---- */

static const struct {
  const char *url, *expected;
} base_urls[] = {
    {"https://abcd.supabase.co", "https://abcd.supabase.co/rest/v1"},
    {"https://abcd.supabase.co/", "https://abcd.supabase.co/rest/v1"},
    {"https://abcd.supabase.co///", "https://abcd.supabase.co/rest/v1"},
    {"https://abcd.supabase.co/rest/v1", "https://abcd.supabase.co/rest/v1"},
    {"https://abcd.supabase.co/rest/v1/", "https://abcd.supabase.co/rest/v1"},
    {"https://abcd.supabase.co/other", "https://abcd.supabase.co/other"},
    {"https://abcd.supabase.in", "https://abcd.supabase.in/rest/v1"},
    {"https://abcd.supabase.net", "https://abcd.supabase.net/rest/v1"},
    {"HTTPS://ABCD.Supabase.CO", "https://abcd.supabase.co/rest/v1"},
    {"https://supabase.co", "https://supabase.co"},
    {"https://.supabase.co", "https://.supabase.co"},
    {"https://evilsupabase.co", "https://evilsupabase.co"},
    {"https://abcd.supabase.co.evil.com", "https://abcd.supabase.co.evil.com"},
    {"https://db.example.com", "https://db.example.com"},
    {"https://db.example.com/", "https://db.example.com"},
    {"https://DB.Example.com/API/", "https://db.example.com/API"},
    {"https://db.example.com:443/x", "https://db.example.com/x"},
    {"https://db.example.com:8443/x", "https://db.example.com:8443/x"},
    {"https://10.0.0.1", "https://10.0.0.1"},
    {"https://[2001:db8::1]:3000/", "https://[2001:db8::1]:3000"},
    {"https://a.example/x/../y", "https://a.example/y"},
    {"https://a.example/rest/v1/../../x", "https://a.example/x"},
    {"https://a.example/../../..", "https://a.example"},
    {"https://a.example/a%20b", "https://a.example/a%20b"},
    {"http://localhost", "http://localhost"},
    {"http://localhost:3000/", "http://localhost:3000"},
    {"http://LOCALHOST:3000", "http://localhost:3000"},
    {"http://127.0.0.1:3000", "http://127.0.0.1:3000"},
    {"http://127.0.0.1:80/x", "http://127.0.0.1/x"},
    {"http://[::1]:3000", "http://[::1]:3000"},
    {"http://[0:0:0:0:0:0:0:1]:3000", "http://[::1]:3000"},
    {"http://127.1:3000", "http://127.0.0.1:3000"},
    {"http://0x7f000001", "http://127.0.0.1"},
    {"http://2130706433", "http://127.0.0.1"},
    {"http://0177.0.0.1", "http://127.0.0.1"},
    {"https://localhost:8443", "https://localhost:8443"},
    /* Refused. */
    {NULL, NULL},
    {"", NULL},
    {" ", NULL},
    {"abcd.supabase.co", NULL},
    {"//abcd.supabase.co", NULL},
    {"/rest/v1", NULL},
    {"https:", NULL},
    {"https:/abcd.supabase.co", NULL},
    {"https://", NULL},
    {"https:///rest/v1", NULL},
    {"https:///example.com", NULL},
    {"https:////example.com", NULL},
    {"a:b://example.com", NULL},
    {"https://:443", NULL},
    {"http://abcd.supabase.co", NULL},
    {"http://example.com", NULL},
    {"http://10.0.0.1", NULL},
    {"http://192.168.1.1:3000", NULL},
    {"http://127.0.0.2", NULL},
    {"http://0.0.0.0", NULL},
    {"http://[::]", NULL},
    {"http://[::ffff:127.0.0.1]", NULL},
    {"http://[::1%25lo]", NULL},
    {"https://[fe80::1%25eth0]", NULL},
    {"http://localhost.evil.com", NULL},
    {"http://127.0.0.1.evil.com", NULL},
    {"http://localhost@evil.com", NULL},
    {"http://evil.com#localhost", NULL},
    {"http://evil.com?localhost", NULL},
    {"http://evil.com\\@localhost", NULL},
    {"https://user@example.com", NULL},
    {"https://user:secret@example.com", NULL},
    {"https://@example.com", NULL},
    {"https://:@example.com", NULL},
    {"https://good.co@evil.com", NULL},
    {"https://evil.com\\@good.co", NULL},
    {"https://good.co\\.evil.com", NULL},
    {"https://example.com/a\\b", NULL},
    {"https://example.com?x=1", NULL},
    {"https://example.com?", NULL},
    {"https://example.com#f", NULL},
    {"https://example.com/#", NULL},
    {"https://example.com/\r\nX-Evil: 1", NULL},
    {"https://example.com/\nX", NULL},
    {"https://exam\tple.com", NULL},
    {"https://exa mple.com", NULL},
    {" https://example.com", NULL},
    {"https://example.com ", NULL},
    {"https://example.com/\x01", NULL},
    {"https://example.com/\x7f", NULL},
    {"https://ex\xc3\xa4mple.com", NULL},
    {"https://example.com/\xc3\xa4", NULL},
    {"https://example.com:0", NULL},
    {"https://example.com:99999", NULL},
    {"https://example.com:port", NULL},
    {"https://[::1", NULL},
    {"https://ref.su%abase.co", NULL},
    {"https://good.co%2eevil.com", NULL},
    {"https://user%40good.co", NULL},
    {"https://example.com%3a80", NULL},
    {"file:///etc/passwd", NULL},
    {"file://localhost/etc/passwd", NULL},
    {"ftp://localhost/", NULL},
    {"gopher://127.0.0.1:3000/", NULL},
    {"ws://localhost", NULL},
    {"wss://example.com", NULL},
    {"httpss://example.com", NULL},
    {"javascript:alert(1)", NULL},
    {"postgres://localhost/db", NULL},
};

START_TEST(a_base_url_is_normalised_or_refused) {
  leadx_err err;
  leadx_err_clear(&err);
  char *url = leadx_http_base_url("leadx_configure", base_urls[_i].url, &err);
  const char *shown = base_urls[_i].url ? base_urls[_i].url : "NULL";
  if (base_urls[_i].expected) {
    ck_assert_msg(url != NULL, "%s: %s", shown, err.text);
    ck_assert_str_eq(url, base_urls[_i].expected);
    ck_assert_int_eq(err.rc, SQLITE_OK);
    char *again = leadx_http_base_url("leadx_configure", url, &err);
    ck_assert_str_eq(again, url);
    sqlite3_free(again);
  } else {
    ck_assert_msg(url == NULL, "%s became %s", shown, url);
    ck_assert_int_eq(err.rc, SQLITE_ERROR);
    ck_assert_msg(strncmp(err.text, "leadx_configure: ", 17) == 0, "%s", err.text);
    ck_assert_msg(strstr(err.text, "use https://") != NULL, "%s", err.text);
    ck_assert_msg(strstr(err.text, "secret") == NULL, "%s", err.text);
  }
  sqlite3_free(url);
}
END_TEST

START_TEST(a_base_url_has_a_limit) {
  char url[3000] = "https://example.com/";
  leadx_err err;
  leadx_err_clear(&err);
  memset(url + 20, 'x', 2028);
  url[2048] = '\0';
  char *ok = leadx_http_base_url("w", url, &err);
  ck_assert_ptr_nonnull(ok);
  sqlite3_free(ok);
  strcat(url, "x");
  ck_assert_ptr_null(leadx_http_base_url("w", url, &err));
}
END_TEST

/* ---- what the module itself refuses, whatever the parser behind it would say ---- */

static const struct {
  const char *url, *fault;
} text_faults[] = {
    {"https://example.com/x", NULL},
    {"", "it is empty"},
    {"https://exa mple.com", "it contains a blank or a control byte"},
    {"https://example.com/\x1f", "it contains a blank or a control byte"},
    {"https://example.com/\x7f", "it contains a blank or a control byte"},
    {"https://example.com/a\\b", "it contains a backslash"},
    {"https://example.com?x", "it contains a query"},
    {"https://example.com#x", "it contains a fragment"},
    {"example.com", "it lacks https://"},
    {"https:///x", "it has no host"},
    {"https://a%2eb/x", "its host contains %"},
};

START_TEST(a_text_that_is_no_address_is_refused_before_it_is_parsed) {
  const char *fault = leadx_address_text_fault(text_faults[_i].url);
  if (text_faults[_i].fault) ck_assert_pstr_eq(fault, text_faults[_i].fault);
  else ck_assert_ptr_null(fault);
}
END_TEST

START_TEST(each_part_that_may_not_be_there_is_refused_by_itself) {
  char https[] = "https", http[] = "http", ftp[] = "ftp", host[] = "localhost", part[] = "x",
       zero[] = "0";
  leadx_address whole = {.scheme = http, .host = host}, one = whole;
  ck_assert_ptr_null(leadx_address_fault(&one));
  one.user = part;
  ck_assert_str_eq(leadx_address_fault(&one), "it contains a user name");
  one = whole, one.password = part;
  ck_assert_str_eq(leadx_address_fault(&one), "it contains a user name");
  one = whole, one.zone = part;
  ck_assert_str_eq(leadx_address_fault(&one), "it contains a zone id");
  ck_assert_int_eq(leadx_address_is_loopback(&one), 0);
  one = whole, one.port = zero;
  ck_assert_str_eq(leadx_address_fault(&one), "port 0 does not exist");
  one = whole, one.scheme = ftp;
  ck_assert_str_eq(leadx_address_fault(&one), "only https is spoken here");
  one = whole, one.host = part;
  ck_assert_str_eq(leadx_address_fault(&one), "http would send the keys in clear");
  one.scheme = https;
  ck_assert_ptr_null(leadx_address_fault(&one));
}
END_TEST

/* ---- URLs of requests ---- */

static const char *const bad_urls[] = {
    "http://example.com/",
    "http://10.0.0.1/",
    "http://127.0.0.1.example.com/",
    "http://0.0.0.0/",
    "ftp://127.0.0.1/",
    "file:///etc/passwd",
    "gopher://127.0.0.1/",
    "127.0.0.1/",
    "",
    "https://",
    "https://user:pass@127.0.0.1/",
    "http://127.0.0.1@example.com/",
    "https://exa mple.com/",
    "https://127.0.0.1/\r\nX: y",
    "dict://127.0.0.1/",
    "scp://127.0.0.1/x",
    "ws://127.0.0.1/",
    "http://[::1%25lo]/",
    "http://localhost.example.com/",
};

START_TEST(a_url_that_is_not_ours_is_never_fetched) {
  leadx_request *req = leadx_request_new("GET");
  req->url = sqlite3_mprintf("%s", bad_urls[_i]);
  rig_start(req);
  ck_assert_ptr_eq(rig.transport->wait(rig.transport, RIG_PATIENCE_MS), req);
  ck_assert_msg(req->net == LEADX_NET_MISUSE, "%s: net %d, curl %d", bad_urls[_i], (int)req->net,
                req->curl_code);
  rig_no_answer(req);
  leadx_request_free(req);
}
END_TEST

START_TEST(a_request_without_a_url_is_misuse) {
  leadx_request *req = leadx_request_new("GET");
  rig_start(req);
  ck_assert_ptr_eq(rig.transport->wait(rig.transport, RIG_PATIENCE_MS), req);
  ck_assert_int_eq(req->net, LEADX_NET_MISUSE);
  leadx_request_free(req);
}
END_TEST

Suite *test_address_suite(void) {
  Suite *suite = suite_create("address");
  TCase *base_case = tcase_create("base");
  tcase_add_loop_test(base_case, a_base_url_is_normalised_or_refused, 0, COUNT(base_urls));
  tcase_add_test(base_case, a_base_url_has_a_limit);
  tcase_add_loop_test(base_case, a_text_that_is_no_address_is_refused_before_it_is_parsed, 0,
                      COUNT(text_faults));
  tcase_add_test(base_case, each_part_that_may_not_be_there_is_refused_by_itself);
  suite_add_tcase(suite, base_case);
  TCase *request_case = rig_case(suite, "request");
  tcase_add_loop_test(request_case, a_url_that_is_not_ours_is_never_fetched, 0, COUNT(bad_urls));
  tcase_add_test(request_case, a_request_without_a_url_is_misuse);
  return suite;
}
