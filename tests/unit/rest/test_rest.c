/* The dialect: every member of every class, URLs, keys, back-off. All of it is pure, so all of it
** is tables. */
#include "rest/rest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/http.h"
#include "suites.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))
#define JSON "application/json; charset=utf-8"
#define HTML_PAGE "<html><body>502 Bad Gateway</body></html>"

/* PostgREST's error body with a code. */
#define CODE(code) "{\"code\":\"" code "\",\"details\":null,\"hint\":null,\"message\":\"words\"}"

static leadx_verdict classify(long status, const char *type, const char *body, int wants_array) {
  leadx_answer answer = {LEADX_NET_ANSWER, status, type, body, strlen(body), wants_array, NULL};
  leadx_verdict verdict;
  leadx_rest_classify(&answer, &verdict);
  return verdict;
}

/* ---- failures by code and by status ---- */

static const struct failure {
  long status;
  const char *type, *body;
  leadx_class class_;
} failures[] = {
    /* Token. */
    {500, JSON, CODE("PGRST300"), LEADX_CLASS_AUTH},
    {401, JSON, CODE("PGRST301"), LEADX_CLASS_AUTH},
    {401, JSON, CODE("PGRST302"), LEADX_CLASS_AUTH},
    {401, JSON, CODE("PGRST303"), LEADX_CLASS_AUTH},
    {401, JSON, "{\"message\":\"No API key found in request\"}", LEADX_CLASS_AUTH},
    {401, JSON, "{\"message\":\"Invalid API key\",\"hint\":\"Double check your API key.\"}",
     LEADX_CLASS_AUTH},
    {401, "text/html", HTML_PAGE, LEADX_CLASS_AUTH},
    {401, "", "", LEADX_CLASS_AUTH},
    {401, JSON, CODE("22023"), LEADX_CLASS_AUTH},
    {403, JSON, CODE("28000"), LEADX_CLASS_AUTH},
    {403, JSON, CODE("28P01"), LEADX_CLASS_AUTH},
    {403, JSON, CODE("0P000"), LEADX_CLASS_AUTH},
    {401, JSON, CODE("WHAT9"), LEADX_CLASS_AUTH},
    /* Row level security speaks of a row, with either status. */
    {401, JSON, CODE("42501"), LEADX_CLASS_ITEM},
    {403, JSON, CODE("42501"), LEADX_CLASS_ITEM},
    /* Come back later. */
    {503, JSON, CODE("PGRST000"), LEADX_CLASS_THROTTLE},
    {503, JSON, CODE("PGRST001"), LEADX_CLASS_THROTTLE},
    {503, JSON, CODE("PGRST002"), LEADX_CLASS_THROTTLE},
    {504, JSON, CODE("PGRST003"), LEADX_CLASS_THROTTLE},
    {402, JSON, "{\"message\":\"Service for this project is restricted\"}", LEADX_CLASS_THROTTLE},
    {402, "", "", LEADX_CLASS_THROTTLE},
    {402, JSON, CODE("PT402"), LEADX_CLASS_THROTTLE},
    {407, "text/html", HTML_PAGE, LEADX_CLASS_THROTTLE},
    {408, "", "", LEADX_CLASS_THROTTLE},
    {420, JSON, "{\"message\":\"slow\"}", LEADX_CLASS_THROTTLE},
    {420, JSON, CODE("PT420"), LEADX_CLASS_THROTTLE},
    {421, "", "", LEADX_CLASS_THROTTLE},
    {425, "", "", LEADX_CLASS_THROTTLE},
    {429, JSON, "{\"message\":\"API rate limit exceeded\"}", LEADX_CLASS_THROTTLE},
    {429, JSON, CODE("PT429"), LEADX_CLASS_THROTTLE},
    {429, "text/plain", "Too many", LEADX_CLASS_THROTTLE},
    {502, "text/html", HTML_PAGE, LEADX_CLASS_THROTTLE},
    {502, JSON, "{}", LEADX_CLASS_THROTTLE},
    {503, "text/html", HTML_PAGE, LEADX_CLASS_THROTTLE},
    {503, "", "", LEADX_CLASS_THROTTLE},
    {504, "text/html", HTML_PAGE, LEADX_CLASS_THROTTLE},
    {504, JSON, "{\"message\":\"The upstream server is timing out\"}", LEADX_CLASS_THROTTLE},
    {520, "text/html", HTML_PAGE, LEADX_CLASS_THROTTLE},
    {521, "", "", LEADX_CLASS_THROTTLE},
    {522, "", "", LEADX_CLASS_THROTTLE},
    {523, "", "", LEADX_CLASS_THROTTLE},
    {524, "text/plain", "error code: 524", LEADX_CLASS_THROTTLE},
    {525, "", "", LEADX_CLASS_THROTTLE},
    {526, "", "", LEADX_CLASS_THROTTLE},
    {527, "", "", LEADX_CLASS_THROTTLE},
    {528, "", "", LEADX_CLASS_THROTTLE},
    {529, "", "", LEADX_CLASS_THROTTLE},
    {530, "", "", LEADX_CLASS_THROTTLE},
    {540, JSON, "{\"message\":\"project paused\"}", LEADX_CLASS_THROTTLE},
    {544, "", "", LEADX_CLASS_THROTTLE},
    {405, JSON, CODE("25006"), LEADX_CLASS_THROTTLE},
    {403, "text/html", HTML_PAGE, LEADX_CLASS_THROTTLE},
    {403, JSON, "{\"message\":\"You cannot consume this service\"}", LEADX_CLASS_THROTTLE},
    {403, "", "", LEADX_CLASS_THROTTLE},
    {500, "text/html", HTML_PAGE, LEADX_CLASS_THROTTLE},
    {500, "", "\r\n <!DOCTYPE html>", LEADX_CLASS_THROTTLE},
    {507, "text/html", HTML_PAGE, LEADX_CLASS_THROTTLE},
    /* Too much at once. */
    {413, "text/html", HTML_PAGE, LEADX_CLASS_SHRINK},
    {413, "", "", LEADX_CLASS_SHRINK},
    {413, JSON, "{\"message\":\"request entity too large\"}", LEADX_CLASS_SHRINK},
    {414, "", "", LEADX_CLASS_SHRINK},
    {431, "", "", LEADX_CLASS_SHRINK},
    {500, JSON, CODE("57014"), LEADX_CLASS_SHRINK},
    {504, JSON, CODE("57014"), LEADX_CLASS_SHRINK},
    {500, JSON, CODE("53400"), LEADX_CLASS_SHRINK},
    {500, JSON, CODE("54000"), LEADX_CLASS_SHRINK},
    {413, JSON, CODE("54001"), LEADX_CLASS_SHRINK},
    {500, JSON, CODE("54011"), LEADX_CLASS_SHRINK},
    {500, JSON, CODE("54023"), LEADX_CLASS_SHRINK},
    {400, JSON, CODE("21000"), LEADX_CLASS_SHRINK},
    {500, JSON, CODE("21000"), LEADX_CLASS_SHRINK},
    /* Evaluated, and failed for now. */
    {500, JSON, CODE("40001"), LEADX_CLASS_RETRY},
    {500, JSON, CODE("40P01"), LEADX_CLASS_RETRY},
    {500, JSON, CODE("55P03"), LEADX_CLASS_RETRY},
    {503, JSON, CODE("57P01"), LEADX_CLASS_RETRY},
    {500, JSON, CODE("57P02"), LEADX_CLASS_RETRY},
    {500, JSON, CODE("57P03"), LEADX_CLASS_RETRY},
    {503, JSON, CODE("08000"), LEADX_CLASS_RETRY},
    {503, JSON, CODE("08003"), LEADX_CLASS_RETRY},
    {503, JSON, CODE("08006"), LEADX_CLASS_RETRY},
    {503, JSON, CODE("08P01"), LEADX_CLASS_RETRY},
    {503, JSON, CODE("53000"), LEADX_CLASS_RETRY},
    {503, JSON, CODE("53100"), LEADX_CLASS_RETRY},
    {503, JSON, CODE("53200"), LEADX_CLASS_RETRY},
    {503, JSON, CODE("53300"), LEADX_CLASS_RETRY},
    {500, JSON, CODE("58030"), LEADX_CLASS_RETRY},
    {500, JSON, CODE("XX000"), LEADX_CLASS_RETRY},
    {500, JSON, CODE("XX001"), LEADX_CLASS_RETRY},
    {500, JSON, CODE("PGRSTX00"), LEADX_CLASS_RETRY},
    {500, JSON, CODE("PGRST111"), LEADX_CLASS_RETRY},
    {500, JSON, CODE("PGRST112"), LEADX_CLASS_RETRY},
    {500, JSON, CODE("39000"), LEADX_CLASS_RETRY},
    {500, JSON, "{\"message\":\"no code\"}", LEADX_CLASS_RETRY},
    {500, JSON, "{}", LEADX_CLASS_RETRY},
    {500, "", "", LEADX_CLASS_RETRY},
    {500, "text/plain", "Something went wrong", LEADX_CLASS_RETRY},
    {501, "", "", LEADX_CLASS_RETRY},
    {505, "", "", LEADX_CLASS_RETRY},
    {519, "", "", LEADX_CLASS_RETRY},
    {531, "", "", LEADX_CLASS_RETRY},
    {541, "", "", LEADX_CLASS_RETRY},
    {546, JSON, "{}", LEADX_CLASS_RETRY},
    {599, "", "", LEADX_CLASS_RETRY},
    /* The schema is another one. */
    {404, JSON, CODE("PGRST200"), LEADX_CLASS_DRIFT},
    {400, JSON, CODE("PGRST200"), LEADX_CLASS_DRIFT},
    {404, JSON, CODE("PGRST202"), LEADX_CLASS_DRIFT},
    {400, JSON, CODE("PGRST204"), LEADX_CLASS_DRIFT},
    {404, JSON, CODE("PGRST205"), LEADX_CLASS_DRIFT},
    {406, JSON, CODE("PGRST106"), LEADX_CLASS_DRIFT},
    {400, JSON, CODE("42703"), LEADX_CLASS_DRIFT},
    {404, JSON, CODE("42P01"), LEADX_CLASS_DRIFT},
    {404, JSON, CODE("42883"), LEADX_CLASS_DRIFT},
    {400, JSON, CODE("42P10"), LEADX_CLASS_DRIFT},
    {500, JSON, CODE("42P17"), LEADX_CLASS_DRIFT},
    {400, JSON, CODE("428C9"), LEADX_CLASS_DRIFT},
    {400, JSON, CODE("42804"), LEADX_CLASS_DRIFT},
    {400, JSON, CODE("3F000"), LEADX_CLASS_DRIFT},
    {404, "text/html", HTML_PAGE, LEADX_CLASS_DRIFT},
    {404, "", "", LEADX_CLASS_DRIFT},
    {404, JSON, "{}", LEADX_CLASS_DRIFT},
    {404, JSON, "{\"message\":\"no Route matched with those values\"}", LEADX_CLASS_DRIFT},
    /* Order and duplicates share a status. */
    {409, JSON, CODE("23503"), LEADX_CLASS_ORDER},
    {409, JSON, CODE("23505"), LEADX_CLASS_DUPLICATE},
    {500, JSON, CODE("23505"), LEADX_CLASS_DUPLICATE},
    /* This row. */
    {400, JSON, CODE("22P02"), LEADX_CLASS_ITEM},
    {400, JSON, CODE("22P05"), LEADX_CLASS_ITEM},
    {400, JSON, CODE("22001"), LEADX_CLASS_ITEM},
    {400, JSON, CODE("22003"), LEADX_CLASS_ITEM},
    {400, JSON, CODE("22007"), LEADX_CLASS_ITEM},
    {400, JSON, CODE("22008"), LEADX_CLASS_ITEM},
    {400, JSON, CODE("22023"), LEADX_CLASS_ITEM},
    {400, JSON, CODE("23502"), LEADX_CLASS_ITEM},
    {400, JSON, CODE("23514"), LEADX_CLASS_ITEM},
    {400, JSON, CODE("23P01"), LEADX_CLASS_ITEM},
    {400, JSON, CODE("P0001"), LEADX_CLASS_ITEM},
    {500, JSON, CODE("P0002"), LEADX_CLASS_ITEM},
    {400, JSON, CODE("44000"), LEADX_CLASS_ITEM},
    {400, JSON, CODE("27000"), LEADX_CLASS_ITEM},
    {400, JSON, CODE("0A000"), LEADX_CLASS_ITEM},
    {400, JSON, CODE("PGRST100"), LEADX_CLASS_ITEM},
    {400, JSON, CODE("PGRST102"), LEADX_CLASS_ITEM},
    {416, JSON, CODE("PGRST103"), LEADX_CLASS_ITEM},
    {415, JSON, CODE("PGRST107"), LEADX_CLASS_ITEM},
    {406, JSON, CODE("PGRST116"), LEADX_CLASS_ITEM},
    {400, JSON, CODE("PGRST122"), LEADX_CLASS_ITEM},
    {406, JSON, "{\"message\":\"not acceptable\"}", LEADX_CLASS_ITEM},
    {400, JSON, CODE("MYERR"), LEADX_CLASS_ITEM},
    {403, JSON, CODE("123"), LEADX_CLASS_ITEM},
    {404, JSON, CODE("PT404"), LEADX_CLASS_ITEM},
    {418, JSON, CODE("PT418"), LEADX_CLASS_ITEM},
    {400, "", CODE("23502"), LEADX_CLASS_ITEM},
    /* Somebody in between, who knows nothing of rows. */
    {400, "text/html", HTML_PAGE, LEADX_CLASS_PROTOCOL},
    {400, "", "", LEADX_CLASS_PROTOCOL},
    {400, JSON, "{}", LEADX_CLASS_PROTOCOL},
    {400, JSON, "{\"message\":\"gateway\"}", LEADX_CLASS_PROTOCOL},
    {400, JSON, "{\"code\":400,\"msg\":\"numbers are no codes\"}", LEADX_CLASS_PROTOCOL},
    {400, JSON, "{\"code\":\"\",\"message\":\"empty\"}", LEADX_CLASS_PROTOCOL},
    {400, JSON, "{\"code\":\"23502\",\"message\":\"cut", LEADX_CLASS_PROTOCOL},
    {400, JSON, "[{\"code\":\"23502\"}]", LEADX_CLASS_PROTOCOL},
    {400, JSON, CODE("23502") "x", LEADX_CLASS_PROTOCOL},
    {405, "text/html", HTML_PAGE, LEADX_CLASS_PROTOCOL},
    {406, "text/html", HTML_PAGE, LEADX_CLASS_PROTOCOL},
    {409, "text/plain", "conflict", LEADX_CLASS_PROTOCOL},
    {410, "", "", LEADX_CLASS_PROTOCOL},
    {411, "text/html", HTML_PAGE, LEADX_CLASS_PROTOCOL},
    {451, "text/html", HTML_PAGE, LEADX_CLASS_PROTOCOL},
    {100, "", "", LEADX_CLASS_PROTOCOL},
    {600, "", "", LEADX_CLASS_PROTOCOL},
    {999, JSON, "[]", LEADX_CLASS_PROTOCOL},
    {0, "", "", LEADX_CLASS_PROTOCOL},
};

START_TEST(a_failure_has_the_class_of_its_code_or_status) {
  const struct failure *f = &failures[_i];
  for (int wants_array = 0; wants_array <= 1; wants_array++) {
    leadx_verdict verdict = classify(f->status, f->type, f->body, wants_array);
    ck_assert_msg(verdict.class_ == f->class_, "%ld %s: %s, expected %s", f->status, f->body,
                  leadx_class_name(verdict.class_), leadx_class_name(f->class_));
    ck_assert_msg(verdict.message[0] != '\0', "%ld %s: no message", f->status, f->body);
    ck_assert_ptr_null(verdict.rows.z);
  }
}
END_TEST

/* ---- success ---- */

static const struct success {
  long status;
  const char *type, *body;
  int wants_array;
  leadx_class class_;
  int has_rows;
} successes[] = {
    {200, JSON, "[]", 1, LEADX_CLASS_OK, 1},
    {200, JSON, "[{\"id\":1}]", 1, LEADX_CLASS_OK, 1},
    {200, JSON, " [1,2]\r\n", 1, LEADX_CLASS_OK, 1},
    {201, JSON, "[{\"id\":1}]", 1, LEADX_CLASS_OK, 1},
    {206, JSON, "[{\"id\":1}]", 1, LEADX_CLASS_OK, 1},
    {200, "application/json", "[]", 1, LEADX_CLASS_OK, 1},
    {200, "Application/JSON ;charset=utf-8", "[]", 1, LEADX_CLASS_OK, 1},
    {200, "application/vnd.pgrst.array+json; charset=utf-8", "[]", 1, LEADX_CLASS_OK, 1},
    {200, JSON, "[]", 0, LEADX_CLASS_OK, 1},
    {200, JSON, "{\"a\":1}", 0, LEADX_CLASS_OK, 0},
    {200, JSON, "null", 0, LEADX_CLASS_OK, 0},
    {200, JSON, "1", 0, LEADX_CLASS_OK, 0},
    {200, JSON, "", 0, LEADX_CLASS_OK, 0},
    {200, "", "", 0, LEADX_CLASS_OK, 0},
    {201, "", "", 0, LEADX_CLASS_OK, 0},
    {204, "", "", 0, LEADX_CLASS_OK, 0},
    /* Anything less proves nothing. */
    {202, "", "", 0, LEADX_CLASS_PROTOCOL, 0},
    {205, "", "", 0, LEADX_CLASS_PROTOCOL, 0},
    {206, "", "", 0, LEADX_CLASS_PROTOCOL, 0},
    {200, JSON, "", 1, LEADX_CLASS_PROTOCOL, 0},
    {201, JSON, "", 1, LEADX_CLASS_PROTOCOL, 0},
    {204, "", "", 1, LEADX_CLASS_PROTOCOL, 0},
    {200, JSON, "{\"a\":1}", 1, LEADX_CLASS_PROTOCOL, 0},
    {200, JSON, "null", 1, LEADX_CLASS_PROTOCOL, 0},
    {200, JSON, "\"[]\"", 1, LEADX_CLASS_PROTOCOL, 0},
    {200, JSON, "[{\"id\":1}", 1, LEADX_CLASS_PROTOCOL, 0},
    {200, JSON, "[{\"id\":1}", 0, LEADX_CLASS_PROTOCOL, 0},
    {200, JSON, "[] x", 1, LEADX_CLASS_PROTOCOL, 0},
    {200, JSON, "[][]", 1, LEADX_CLASS_PROTOCOL, 0},
    {200, JSON, "[\"\xff\"]", 1, LEADX_CLASS_PROTOCOL, 0},
    {200, JSON, "[\"\\ud800\"]", 1, LEADX_CLASS_PROTOCOL, 0},
    {200, JSON, "\xef\xbb\xbf[]", 1, LEADX_CLASS_PROTOCOL, 0},
    {200, JSON, "   ", 1, LEADX_CLASS_PROTOCOL, 0},
    {200, JSON, "   ", 0, LEADX_CLASS_PROTOCOL, 0},
    {200, "text/html", "<html>Sign in to the hotel</html>", 1, LEADX_CLASS_PROTOCOL, 0},
    {200, "text/html", "<html>Sign in to the hotel</html>", 0, LEADX_CLASS_PROTOCOL, 0},
    {200, "text/html", "[]", 1, LEADX_CLASS_PROTOCOL, 0},
    {200, "text/plain", "[]", 1, LEADX_CLASS_PROTOCOL, 0},
    {200, "text/csv", "id\n1", 0, LEADX_CLASS_PROTOCOL, 0},
    {200, "", "[]", 1, LEADX_CLASS_PROTOCOL, 0},
    {200, "application/jsonp", "[]", 1, LEADX_CLASS_PROTOCOL, 0},
    {200, "application/json-seq", "[]", 1, LEADX_CLASS_PROTOCOL, 0},
    {200, "xapplication/json", "[]", 1, LEADX_CLASS_PROTOCOL, 0},
    {200, "text/x+json", "[]", 1, LEADX_CLASS_PROTOCOL, 0},
};

START_TEST(success_is_only_the_json_that_was_asked_for) {
  const struct success *s = &successes[_i];
  leadx_verdict verdict = classify(s->status, s->type, s->body, s->wants_array);
  ck_assert_msg(verdict.class_ == s->class_, "%ld %s %s: %s", s->status, s->type, s->body,
                leadx_class_name(verdict.class_));
  ck_assert_int_eq(verdict.rows.z != NULL, s->has_rows);
  ck_assert_int_eq(verdict.message[0] == '\0', verdict.class_ == LEADX_CLASS_OK);
  if (s->has_rows) {
    ck_assert_int_eq(verdict.rows.z[0], '[');
    ck_assert_int_eq(verdict.rows.z[verdict.rows.n - 1], ']');
  }
}
END_TEST

START_TEST(success_without_a_content_type_pointer_proves_nothing) {
  ck_assert_int_eq(classify(200, NULL, "[]", 1).class_, LEADX_CLASS_PROTOCOL);
  ck_assert_int_eq(classify(400, NULL, CODE("23502"), 1).class_, LEADX_CLASS_ITEM);
}
END_TEST

START_TEST(a_deep_answer_is_no_answer) {
  char body[400];
  memset(body, '[', 200);
  memset(body + 200, ']', 199);
  body[399] = '\0';
  body[398] = ']';
  ck_assert_int_eq(classify(200, JSON, body, 1).class_, LEADX_CLASS_PROTOCOL);
}
END_TEST

START_TEST(every_redirect_is_a_matter_of_trust) {
  for (long status = 300; status <= 399; status++) {
    ck_assert_int_eq(classify(status, JSON, "[]", 1).class_, LEADX_CLASS_TRUST);
    ck_assert_int_eq(classify(status, JSON, CODE("23502"), 1).class_, LEADX_CLASS_TRUST);
    ck_assert_int_eq(classify(status, "", "", 0).class_, LEADX_CLASS_TRUST);
  }
}
END_TEST

/* ---- the network comes first ---- */

static const struct {
  leadx_net net;
  leadx_class class_;
} nets[] = {
    {LEADX_NET_OFFLINE, LEADX_CLASS_OFFLINE},    {LEADX_NET_UNTRUSTED, LEADX_CLASS_TRUST},
    {LEADX_NET_TOO_LARGE, LEADX_CLASS_PROTOCOL}, {LEADX_NET_INTERRUPTED, LEADX_CLASS_INTERRUPTED},
    {LEADX_NET_MISUSE, LEADX_CLASS_PROTOCOL},
};

START_TEST(without_an_answer_nothing_else_counts) {
  leadx_answer answer = {(int)nets[_i].net, 200, JSON, "[]", 2, 1, "why"};
  leadx_verdict verdict;
  leadx_rest_classify(&answer, &verdict);
  ck_assert_int_eq(verdict.class_, nets[_i].class_);
  ck_assert_ptr_null(verdict.rows.z);
  ck_assert_ptr_nonnull(strstr(verdict.message, ": why"));
  ck_assert_str_eq(verdict.code, "");
}
END_TEST

START_TEST(an_unknown_network_result_is_offline) {
  leadx_answer answer = {77, 200, JSON, "[]", 2, 1, NULL};
  leadx_verdict verdict;
  leadx_rest_classify(&answer, &verdict);
  ck_assert_int_eq(verdict.class_, LEADX_CLASS_OFFLINE);
}
END_TEST

/* Whatever is answered: nothing between us and the database makes a row fail for good. */
START_TEST(no_page_and_no_silence_is_ever_item) {
  static const char *const bodies[] = {"", HTML_PAGE, "busy", "[]", "12"};
  for (long status = 100; status < 600; status++) {
    for (int i = 0; i < COUNT(bodies); i++) {
      leadx_class class_ = classify(status, "", bodies[i], 1).class_;
      ck_assert_msg(class_ != LEADX_CLASS_ITEM && class_ != LEADX_CLASS_DUPLICATE &&
                        class_ != LEADX_CLASS_ORDER && class_ != LEADX_CLASS_OK,
                    "%ld %s", status, bodies[i]);
    }
  }
}
END_TEST

/* ---- codes and messages ---- */

static const struct {
  const char *body, *code, *message;
} messages[] = {
    {"{\"code\":\"23505\",\"message\":\"duplicate key\",\"details\":\"Key (id)=(1) already "
     "exists.\",\"hint\":\"look\"}",
     "23505", "duplicate key; Key (id)=(1) already exists.; look"},
    {"{\"code\":\"42501\",\"message\":\"denied\",\"details\":null,\"hint\":null}", "42501",
     "denied"},
    {"{\"message\":\"Invalid API key\",\"hint\":\"Double check\"}", "",
     "Invalid API key; Double check"},
    {"{\"code\":400,\"error_code\":\"invalid_credentials\",\"msg\":\"Invalid login credentials\"}",
     "", "Invalid login credentials"},
    {"{\"error\":\"invalid_grant\",\"error_description\":\"Wrong password\"}", "",
     "Wrong password"},
    {"{\"error\":\"invalid_grant\"}", "", "invalid_grant"},
    {"{\"message\":\"\",\"msg\":\"second\"}", "", "second"},
    {"{\"details\":\"only details\"}", "", "only details"},
    {"{\"code\":\"P0001\",\"message\":\"line one\\nline "
     "two\\ttab\\u0000nul\\u001b[31mred\\u007f\"}",
     "P0001", "line one line two tab nul [31mred"},
    {"{\"message\":\"c1 \\u009b31m here\"}", "", "c1 31m here"},
    {"{\"message\":\"  many     blanks   \"}", "", "many blanks"},
    {"{\"message\":\"h\xc3\xa9llo \\u00e9 \xf0\x9f\x98\x80\"}", "",
     "h\xc3\xa9llo \xc3\xa9 \xf0\x9f\x98\x80"},
    {"{\"message\":\"%s %n %q\"}", "", "%s %n %q"},
    {"{\"message\":{\"a\":1}}", "", "the server gave no reason"},
    {"{\"code\":\"23502\"}", "23502", "the server gave no reason"},
    {"{}", "", "the server gave no reason"},
    {"{\"code\":\"A\\u0042C\",\"message\":\"m\"}", "", "m"},
    {"{\"code\":\"has blank\",\"message\":\"m\"}", "", "m"},
    {"{\"code\":\"ABCDEFGHIJKLMNO\",\"message\":\"m\"}", "ABCDEFGHIJKLMNO", "m"},
    {"{\"code\":\"ABCDEFGHIJKLMNOP\",\"message\":\"m\"}", "", "m"},
    {"{\"code\":\"1\",\"code\":\"23505\",\"message\":\"the last one wins\"}", "23505",
     "the last one wins"},
    {"{\"Code\":\"23505\",\"message\":\"case\"}", "", "case"},
    {HTML_PAGE, "", "HTML page instead of JSON"},
    {"\n<!doctype html>", "", "HTML page instead of JSON"},
    {"", "", "empty answer"},
    {"upstream connect error\r\n", "", "text instead of JSON: upstream connect error"},
    {"\xff\xfe", "", "text instead of JSON"},
    {"[]", "", "text instead of JSON: []"},
};

START_TEST(the_servers_words_become_one_clean_line) {
  leadx_verdict verdict = classify(400, "", messages[_i].body, 1);
  ck_assert_str_eq(verdict.code, messages[_i].code);
  ck_assert_str_eq(verdict.message, messages[_i].message);
}
END_TEST

START_TEST(a_long_message_is_cut_between_characters) {
  for (size_t shift = 0; shift < 4; shift++) {
    char body[4096] = "{\"message\":\"";
    for (size_t i = 0; i < shift; i++) strcat(body, "x");
    for (int i = 0; i < 400; i++) strcat(body, "\xe2\x82\xac");
    strcat(body, "\"}");
    leadx_verdict verdict = classify(400, JSON, body, 1);
    size_t n = strlen(verdict.message);
    ck_assert(n < sizeof verdict.message && n > sizeof verdict.message - 5);
    ck_assert(leadx_utf8_valid(verdict.message, n));
  }
}
END_TEST

START_TEST(a_long_text_is_shown_in_part_and_valid) {
  for (size_t shift = 0; shift < 4; shift++) {
    char body[2048] = "";
    for (size_t i = 0; i < shift; i++) strcat(body, "x");
    for (int i = 0; i < 200; i++) strcat(body, "\xf0\x9f\x98\x80");
    leadx_verdict verdict = classify(500, "text/plain", body, 1);
    size_t n = strlen(verdict.message);
    ck_assert(n > 180 && n < 240);
    ck_assert(leadx_utf8_valid(verdict.message, n));
  }
}
END_TEST

START_TEST(every_class_has_its_own_name) {
  for (int a = LEADX_CLASS_OK; a <= LEADX_CLASS_INTERRUPTED; a++) {
    ck_assert_str_ne(leadx_class_name((leadx_class)a), "unknown");
    for (int b = LEADX_CLASS_OK; b < a; b++) {
      ck_assert_str_ne(leadx_class_name((leadx_class)a), leadx_class_name((leadx_class)b));
    }
  }
  ck_assert_str_eq(leadx_class_name((leadx_class)99), "unknown");
}
END_TEST

/* ---- URLs ---- */

static char *finish(sqlite3_str *out) {
  char *text = sqlite3_str_finish(out);
  return text ? text : sqlite3_mprintf("");
}

static const struct {
  const char *text, *escaped;
} escapes[] = {
    {"", ""},
    {"abcXYZ019", "abcXYZ019"},
    {"-._~", "-._~"},
    {"a b", "a%20b"},
    {"2026-01-01T00:00:00+00:00", "2026-01-01T00%3A00%3A00%2B00%3A00"},
    {"+", "%2B"},
    {"&=?#/", "%26%3D%3F%23%2F"},
    {"%", "%25"},
    {"%2B", "%252B"},
    {"\"',()", "%22%27%2C%28%29"},
    {"a\r\nX-Evil: 1", "a%0D%0AX-Evil%3A%201"},
    {"\xc3\xa9", "%C3%A9"},
    {"\xf0\x9f\x98\x80", "%F0%9F%98%80"},
    {"\x01\x7f", "%01%7F"},
    {"\\@[]{}|^`<>", "%5C%40%5B%5D%7B%7D%7C%5E%60%3C%3E"},
    {"*!$;:", "%2A%21%24%3B%3A"},
};

START_TEST(everything_but_unreserved_characters_is_encoded) {
  sqlite3_str *url = sqlite3_str_new(NULL);
  leadx_rest_escape(url, escapes[_i].text, strlen(escapes[_i].text));
  char *text = finish(url);
  ck_assert_str_eq(text, escapes[_i].escaped);
  sqlite3_free(text);
}
END_TEST

START_TEST(a_nul_byte_is_encoded_too) {
  sqlite3_str *url = sqlite3_str_new(NULL);
  leadx_rest_escape(url, "a\0b", 3);
  char *text = finish(url);
  ck_assert_str_eq(text, "a%00b");
  sqlite3_free(text);
}
END_TEST

static const struct {
  int first;
  const char *column, *value, *filter;
} filters[] = {
    {1, "id", "1", "?id=eq.1"},
    {0, "id", "1", "&id=eq.1"},
    {1, "id", "", "?id=eq."},
    {1, "id", NULL, "?id=is.null"},
    {0, "updated_at", "2026-01-01T00:00:00+07:00",
     "&updated_at=eq.2026-01-01T00%3A00%3A00%2B07%3A00"},
    {1, "id", "a&id=neq.1", "?id=eq.a%26id%3Dneq.1"},
    {1, "id", "null", "?id=eq.null"},
    {1, "id", "(a,b)", "?id=eq.%28a%2Cb%29"},
    {1, "a b", "1", "?%22a%20b%22=eq.1"},
    {1, "a.b", "1", "?%22a.b%22=eq.1"},
    {1, "a\"b", "1", "?%22a%5C%22b%22=eq.1"},
    {1, "a\\b", "1", "?%22a%5C%5Cb%22=eq.1"},
    {1, "a&b=c", "1", "?%22a%26b%3Dc%22=eq.1"},
    {1, "na\xc3\xafve", "1", "?%22na%C3%AFve%22=eq.1"},
    {1, "select", "1", "?%22select%22=eq.1"},
    {1, "order", "1", "?%22order%22=eq.1"},
    {1, "limit", "1", "?%22limit%22=eq.1"},
    {1, "or", "1", "?%22or%22=eq.1"},
    {1, "not", "1", "?%22not%22=eq.1"},
    {1, "apikey", "1", "?%22apikey%22=eq.1"},
    {1, "Select", "1", "?Select=eq.1"},
    {1, "orders", "1", "?orders=eq.1"},
};

START_TEST(a_filter_means_one_column_and_one_value) {
  sqlite3_str *url = sqlite3_str_new(NULL);
  const char *value = filters[_i].value;
  leadx_rest_filter_eq(url, filters[_i].first, filters[_i].column, value,
                       value ? strlen(value) : 0);
  char *text = finish(url);
  ck_assert_str_eq(text, filters[_i].filter);
  sqlite3_free(text);
}
END_TEST

static const struct {
  const char *value, *element;
} elements[] = {
    {"1", "1"},
    {"0190b3c2-0000-7000-8000-000000000001", "0190b3c2-0000-7000-8000-000000000001"},
    {"10:30", "10%3A30"},
    {"", "%22%22"},
    {"a,b", "%22a%2Cb%22"},
    {"a)b", "%22a%29b%22"},
    {"a b", "%22a%20b%22"},
    {"say \"hi\"", "%22say%20%5C%22hi%5C%22%22"},
    {"back\\slash", "%22back%5C%5Cslash%22"},
    {"a+b", "%22a%2Bb%22"},
    {"\xe2\x82\xac", "%22%E2%82%AC%22"},
    {"null", "null"},
};

START_TEST(a_list_element_stays_one_element) {
  const char *value = elements[_i].value;
  for (int first = 0; first <= 1; first++) {
    sqlite3_str *url = sqlite3_str_new(NULL);
    leadx_rest_in_element(url, first, value, strlen(value));
    char *text = finish(url);
    ck_assert_int_eq(text[0] == ',', !first);
    ck_assert_str_eq(text + !first, elements[_i].element);
    sqlite3_free(text);
  }
}
END_TEST

/* ---- keys and headers ---- */

START_TEST(a_header_value_is_visible_ascii) {
  char text[8194];
  for (int c = 1; c < 256; c++) {
    snprintf(text, sizeof text, "a%cb", c);
    ck_assert_int_eq(leadx_rest_header_safe(text), c >= 0x21 && c <= 0x7e);
  }
  memset(text, 'x', sizeof text);
  text[8192] = '\0';
  ck_assert_int_eq(leadx_rest_header_safe(text), 1);
  text[8192] = 'x';
  text[8193] = '\0';
  ck_assert_int_eq(leadx_rest_header_safe(text), 0);
  ck_assert_int_eq(leadx_rest_header_safe(""), 0);
  ck_assert_int_eq(leadx_rest_header_safe(NULL), 0);
  ck_assert_int_eq(leadx_rest_header_safe("k\r\nX-Evil: injected"), 0);
}
END_TEST

/* Writes base64url without padding. */
static void base64url(const char *text, char *out) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  unsigned bits = 0, nbits = 0;
  for (; *text; text++) {
    bits = bits << 8 | (unsigned char)*text;
    for (nbits += 8; nbits >= 6; nbits -= 6) *out++ = digits[bits >> (nbits - 6) & 63];
  }
  if (nbits > 0) *out++ = digits[bits << (6 - nbits) & 63];
  *out = '\0';
}

static const struct {
  const char *claims;
  int is_secret;
} tokens[] = {
    {"{\"role\":\"service_role\"}", 1},
    {"{\"role\":\"anon\"}", 0},
    {"{\"role\":\"authenticated\",\"sub\":\"1\"}", 0},
    {"{\"iss\":\"supabase\",\"ref\":\"abc\",\"role\":\"service_role\",\"iat\":1,\"exp\":2}", 1},
    {"{\"iss\":\"supabase\",\"ref\":\"abc\",\"role\":\"service_role\",\"iat\":1,\"exp\":22}", 1},
    {"{\"iss\":\"supabase\",\"ref\":\"abc\",\"role\":\"service_role\",\"iat\":1,\"exp\":222}", 1},
    {"{\"ro\\u006ce\":\"service\\u005frole\"}", 1},
    {"{\"role\":\"anon\",\"role\":\"service_role\"}", 1},
    {"{\"name\":\"service_role\"}", 0},
    {"{\"a\":{\"role\":\"service_role\"}}", 0},
    {"{\"role\":[\"service_role\"]}", 0},
    {"{\"role\":\"service_role\"", 0},
    {"\"service_role\"", 0},
    {"{\"role\":\"service_role_x\"}", 0},
    {"{\"name\":\"\xc3\xbf\xc3\xbe?>>\",\"role\":\"service_role\"}", 1},
};

START_TEST(a_token_of_the_service_role_is_secret) {
  char payload[512], token[600];
  base64url(tokens[_i].claims, payload);
  snprintf(token, sizeof token, "eyJhbGciOiJIUzI1NiJ9.%s.c2lnbmF0dXJl", payload);
  ck_assert_int_eq(leadx_rest_key_is_secret(token), tokens[_i].is_secret);
  snprintf(token, sizeof token, "eyJhbGciOiJIUzI1NiJ9.%s", payload);
  ck_assert_int_eq(leadx_rest_key_is_secret(token), 0);
}
END_TEST

START_TEST(other_keys_are_judged_by_their_prefix) {
  ck_assert_int_eq(leadx_rest_key_is_secret("sb_secret_abc"), 1);
  ck_assert_int_eq(leadx_rest_key_is_secret("sb_publishable_abc"), 0);
  ck_assert_int_eq(leadx_rest_key_is_secret("sb_publishable_a.b.c"), 0);
  ck_assert_int_eq(leadx_rest_key_is_secret(""), 0);
  ck_assert_int_eq(leadx_rest_key_is_secret(NULL), 0);
  ck_assert_int_eq(leadx_rest_key_is_secret("..."), 0);
  ck_assert_int_eq(leadx_rest_key_is_secret("a.!!!.c"), 0);
}
END_TEST

START_TEST(an_oversized_token_is_read_without_harm) {
  char *token = malloc(20001);
  memset(token, 'A', 20000);
  token[2] = token[19990] = '.';
  token[20000] = '\0';
  ck_assert_int_eq(leadx_rest_key_is_secret(token), 0);
  free(token);
}
END_TEST

/* ---- back-off ---- */

static const struct {
  int n;
  int64_t base, max, retry_after, expected;
} waits[] = {
    {0, 1000, 300000, -1, 1000},
    {1, 1000, 300000, -1, 2000},
    {2, 1000, 300000, -1, 4000},
    {8, 1000, 300000, -1, 256000},
    {9, 1000, 300000, -1, 300000},
    {1000000000, 1000, 300000, -1, 300000},
    {-5, 1000, 300000, -1, 1000},
    {0, 0, 300000, -1, 1},
    {0, -1, 0, -1, 1},
    {0, 5000, 1000, -1, 1000},
    {63, 1, INT64_MAX, -1, INT64_MAX},
    {0, 1000, 300000, 0, 1000},
    {0, 1000, 300000, 7, 7000},
    {5, 1000, 300000, 7, 32000},
    {0, 1000, 300000, 3600, 3600000},
    {0, 1000, 300000, 3601, 3600000},
    {0, 1000, 300000, INT64_MAX, 3600000},
    {0, 1000, 300000, INT64_MIN, 1000},
};

START_TEST(backoff_doubles_up_to_its_maximum) {
  int64_t wait = leadx_rest_backoff_ms(waits[_i].n, waits[_i].base, waits[_i].max,
                                       waits[_i].retry_after, 0);
  ck_assert_int_eq(wait, waits[_i].expected);
}
END_TEST

START_TEST(jitter_spreads_over_a_quarter_and_never_exceeds_the_maximum) {
  int64_t least = INT64_MAX, most = 0;
  for (uint32_t i = 0; i < 1000; i++) {
    int64_t wait = leadx_rest_backoff_ms(20, 1000, 300000, -1, i * 4294967u);
    if (wait < least) least = wait;
    if (wait > most) most = wait;
  }
  ck_assert_int_eq(most, 300000);
  ck_assert(least >= 225000 && least < 226000);
  ck_assert_int_eq(leadx_rest_backoff_ms(0, 1000, 300000, 5, UINT32_MAX), 5000);
}
END_TEST

/* ---- Content-Range ---- */

static const struct range_case {
  const char *text;
  int told;
  int64_t came, total;
} ranges[] = {
    {"0-999/5000", 1, 1000, 5000},
    {"5-5/6", 1, 1, 6},
    {"0-9/*", 0, 10, -1},
    {"*/7", 0, 0, 7},
    {"*/*", 0, 0, -1},
    {"", 0, 0, -1},
    {"9-0/5", 0, 0, -1},
    {"-1-5/5", 0, 0, -1},
    {"0-9", 0, 10, -1},
    {"0-9/5x", 0, 10, -1},
    {"0-9/-5", 0, 10, -1},
    {"0-9/ 5", 0, 10, -1},
    {"0-9223372036854775807/5", 0, 0, -1},
    {"-9223372036854775808-9223372036854775807/5", 0, 0, -1},
    {"0-9/9223372036854775808", 0, 10, -1},
    {"0-9/99999999999999999999999999", 0, 10, -1},
    {"0-999999999999999/999999999999999", 1, 1000000000000000, 999999999999999},
};

START_TEST(a_range_is_read_within_bounds_or_not_at_all) {
  const struct range_case *c = &ranges[_i];
  leadx_rest_range range = {-7, -7};
  ck_assert_int_eq(leadx_rest_read_range(c->text, &range), c->told);
  ck_assert_int_eq(range.came, c->came);
  ck_assert_int_eq(range.total, c->total);
}
END_TEST

Suite *test_rest_suite(void) {
  Suite *suite = suite_create("rest");

  TCase *classify_case = tcase_create("classify");
  tcase_add_loop_test(classify_case, a_failure_has_the_class_of_its_code_or_status, 0,
                      COUNT(failures));
  tcase_add_loop_test(classify_case, success_is_only_the_json_that_was_asked_for, 0,
                      COUNT(successes));
  tcase_add_loop_test(classify_case, without_an_answer_nothing_else_counts, 0, COUNT(nets));
  tcase_add_test(classify_case, success_without_a_content_type_pointer_proves_nothing);
  tcase_add_test(classify_case, a_deep_answer_is_no_answer);
  tcase_add_test(classify_case, every_redirect_is_a_matter_of_trust);
  tcase_add_test(classify_case, an_unknown_network_result_is_offline);
  tcase_add_test(classify_case, no_page_and_no_silence_is_ever_item);
  tcase_add_test(classify_case, every_class_has_its_own_name);
  suite_add_tcase(suite, classify_case);

  TCase *message_case = tcase_create("message");
  tcase_add_loop_test(message_case, the_servers_words_become_one_clean_line, 0, COUNT(messages));
  tcase_add_test(message_case, a_long_message_is_cut_between_characters);
  tcase_add_test(message_case, a_long_text_is_shown_in_part_and_valid);
  tcase_add_loop_test(message_case, a_range_is_read_within_bounds_or_not_at_all, 0, COUNT(ranges));
  suite_add_tcase(suite, message_case);

  TCase *url_case = tcase_create("url");
  tcase_add_loop_test(url_case, everything_but_unreserved_characters_is_encoded, 0, COUNT(escapes));
  tcase_add_test(url_case, a_nul_byte_is_encoded_too);
  tcase_add_loop_test(url_case, a_filter_means_one_column_and_one_value, 0, COUNT(filters));
  tcase_add_loop_test(url_case, a_list_element_stays_one_element, 0, COUNT(elements));
  suite_add_tcase(suite, url_case);

  TCase *key_case = tcase_create("key");
  tcase_add_test(key_case, a_header_value_is_visible_ascii);
  tcase_add_loop_test(key_case, a_token_of_the_service_role_is_secret, 0, COUNT(tokens));
  tcase_add_test(key_case, other_keys_are_judged_by_their_prefix);
  tcase_add_test(key_case, an_oversized_token_is_read_without_harm);
  suite_add_tcase(suite, key_case);

  TCase *backoff_case = tcase_create("backoff");
  tcase_add_loop_test(backoff_case, backoff_doubles_up_to_its_maximum, 0, COUNT(waits));
  tcase_add_test(backoff_case, jitter_spreads_over_a_quarter_and_never_exceeds_the_maximum);
  suite_add_tcase(suite, backoff_case);
  return suite;
}
