/* Secrets in texts: found in every code that servers, proxies and libraries write texts in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/secret.h"
#include "suites.h"

#define TOKEN "eyJhbGciOi.eyJzdWIiOiJhbmki-Qm9nb3Jf.c2lnbmF0dXJl-X_Y0z9"

static int holder;

static void set_up(void) { ck_assert_int_eq(leadx_secret_know(&holder, TOKEN), SQLITE_OK); }

static void tear_down(void) { leadx_secret_forget(&holder); }

/* ---- codes ---- */

static void plain(const char *in, char *out) { strcpy(out, in); }

static void each(const char *in, char *out, const char *format, size_t step) {
  for (; *in; in++, out += step) {
    char piece[16];
    /* The formats stand below; each takes one number. */
    sqlite3_snprintf(sizeof piece, piece, format, (unsigned char)*in);
    memcpy(out, piece, step);
  }
  *out = 0;
}

static void json_escaped(const char *in, char *out) { each(in, out, "\\u%04x", 6); }
static void capital_escapes(const char *in, char *out) { each(in, out, "\\u%04X", 6); }
static void octal(const char *in, char *out) { each(in, out, "\\%03o", 4); }
static void hex_escapes(const char *in, char *out) { each(in, out, "\\x%02x", 4); }
static void percent(const char *in, char *out) { each(in, out, "%%%02X", 3); }
static void html_decimal(const char *in, char *out) { each(in, out, "&#%03d;", 6); }
static void html_hex(const char *in, char *out) { each(in, out, "&#x%02x;", 6); }
static void mail(const char *in, char *out) { each(in, out, "=%02X", 3); }
static void hex(const char *in, char *out) { each(in, out, "%02x", 2); }

static void split(const char *in, char *out, const char *between, int every) {
  for (int i = 1; *in; i++) {
    *out++ = *in++;
    if (i % every == 0) {
      strcpy(out, between);
      out += strlen(between);
    }
  }
  *out = 0;
}

static void by_lines(const char *in, char *out) { split(in, out, "\n", 7); }
static void by_escaped_lines(const char *in, char *out) { split(in, out, "\\n", 5); }
static void by_twice_escaped_lines(const char *in, char *out) { split(in, out, "\\\\n", 5); }
static void by_quotes(const char *in, char *out) { split(in, out, "\" + \"", 3); }
static void by_points(const char *in, char *out) { split(in, out, ".", 1); }
static void by_mail_lines(const char *in, char *out) { split(in, out, "=\r\n", 11); }

static void shouted(const char *in, char *out) {
  for (; *in; in++) *out++ = (char)(*in >= 'a' && *in <= 'z' ? *in - 32 : *in);
  *out = 0;
}

static void base64_of(const char *in, char *out, const char *digits) {
  size_t n = strlen(in);
  for (size_t i = 0; i < n; i += 3) {
    unsigned v = (unsigned)(unsigned char)in[i] << 16;
    if (i + 1 < n) v |= (unsigned)(unsigned char)in[i + 1] << 8;
    if (i + 2 < n) v |= (unsigned char)in[i + 2];
    for (int k = 0; k < 4; k++) *out++ = i + (size_t)k > n ? '=' : digits[v >> (18 - 6 * k) & 63];
  }
  *out = 0;
}

static const char usual[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void base64(const char *in, char *out) { base64_of(in, out, usual); }

static void base64url(const char *in, char *out) {
  base64_of(in, out, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
}

static void base64_behind(const char *in, char *out, const char *before) {
  char whole[1000];
  snprintf(whole, sizeof whole, "%s%s", before, in);
  base64(whole, out);
}

static void base64_of_a_header(const char *in, char *out) { base64_behind(in, out, "bearer "); }
static void base64_two_behind(const char *in, char *out) { base64_behind(in, out, "to"); }

static void base64_in_lines(const char *in, char *out) {
  char whole[1000];
  base64(in, whole);
  split(whole, out, "\n", 19);
}

static void twice(const char *in, char *out, void (*inner)(const char *, char *),
                  void (*outer)(const char *, char *)) {
  static char between[20000];
  inner(in, between);
  outer(between, out);
}

static void base64_twice(const char *in, char *out) { twice(in, out, base64, base64); }
static void percent_of_base64(const char *in, char *out) { twice(in, out, base64, percent); }
static void base64_of_percent(const char *in, char *out) { twice(in, out, percent, base64); }
static void escapes_of_escapes(const char *in, char *out) {
  twice(in, out, percent, by_escaped_lines);
}
static void percent_of_percent(const char *in, char *out) { twice(in, out, percent, percent); }

static const struct code {
  const char *name;
  void (*write)(const char *in, char *out);
} codes[] = {
    {"plain", plain},
    {"json", json_escaped},
    {"json in capitals", capital_escapes},
    {"octal", octal},
    {"\\x", hex_escapes},
    {"percent", percent},
    {"html", html_decimal},
    {"html in hexadecimal", html_hex},
    {"mail", mail},
    {"hexadecimal", hex},
    {"lines", by_lines},
    {"escaped lines", by_escaped_lines},
    {"twice escaped lines", by_twice_escaped_lines},
    {"quotes", by_quotes},
    {"points", by_points},
    {"mail lines", by_mail_lines},
    {"capitals", shouted},
    {"base64", base64},
    {"base64url", base64url},
    {"base64 of a header", base64_of_a_header},
    {"base64 behind two bytes", base64_two_behind},
    {"base64 in lines", base64_in_lines},
    {"base64 twice", base64_twice},
    {"percent of base64", percent_of_base64},
    {"base64 of percent", base64_of_percent},
    {"percent in escaped lines", escapes_of_escapes},
    {"percent of percent", percent_of_percent},
};
enum { N_CODES = sizeof codes / sizeof codes[0] };

/* Letters and digits of the code that the scrubbed text still has, most of them in a row. */
static int longest_rest(const char *coded, const char *scrubbed) {
  int longest = 0;
  for (const char *from = coded; *from; from++) {
    for (int n = longest + 1; (size_t)n <= strlen(from); n++) {
      char piece[64];
      if (n >= (int)sizeof piece) break;
      memcpy(piece, from, (size_t)n);
      piece[n] = 0;
      if (!strstr(scrubbed, piece)) break;
      longest = n;
    }
  }
  return longest;
}

/* At the beginning, the end, in the middle of words, and glued to other letters. */
static const char *const frames[][2] = {{"", ""},
                                        {"request.headers: {\"authorization\": \"Bearer ", "\"}"},
                                        {"the server said ", ", and so on"},
                                        {"x", "y"},
                                        {"token=", "&next=1"},
                                        {"caf\xC3\xA9 ", " caf\xC3\xA9"}};

START_TEST(a_secret_is_overwritten_in_every_code) {
  static char coded[60000], text[60000];
  codes[_i].write(TOKEN, coded);
  for (size_t f = 0; f < sizeof frames / sizeof frames[0]; f++) {
    snprintf(text, sizeof text, "%s%s%s", frames[f][0], coded, frames[f][1]);
    size_t n = strlen(text);
    ck_assert_msg(leadx_secret_is_in(text, n), "%s: not seen in %s", codes[_i].name, text);
    ck_assert(leadx_secret_scrub(text, n));
    ck_assert_uint_eq(strlen(text), n);
    int rest = longest_rest(coded, text);
    ck_assert_msg(rest < 24, "%s: %d characters are left: %s", codes[_i].name, rest, text);
    ck_assert_msg(!leadx_secret_scrub(text, n), "%s: the second time finds more: %s",
                  codes[_i].name, text);
    ck_assert(strncmp(text, frames[f][0], strlen(frames[f][0]) * (f != 3)) == 0);
  }
}
END_TEST

START_TEST(any_run_of_twelve_characters_is_overwritten_and_no_shorter_one) {
  for (size_t from = 0; from + 12 <= strlen(TOKEN); from++) {
    char text[100];
    snprintf(text, sizeof text, "cut: %.12s", TOKEN + from);
    ck_assert_int_eq(leadx_secret_scrub(text, strlen(text)), 1);
    ck_assert_str_eq(text, "cut: ************");
    snprintf(text, sizeof text, "cut: %.11s", TOKEN + from);
    ck_assert_int_eq(leadx_secret_scrub(text, strlen(text)), 0);
  }
}
END_TEST

START_TEST(pieces_that_overlap_go_together) {
  char text[] = "abcabcabcabcabcabcabcabcabc";
  ck_assert_int_eq(leadx_secret_know(&holder, "abcabcabcabcabcab"), SQLITE_OK);
  ck_assert_int_eq(leadx_secret_scrub(text, strlen(text)), 1);
  ck_assert_str_eq(text, "***************************");
  char doubled[] = TOKEN TOKEN;
  leadx_secret_scrub(doubled, strlen(doubled));
  ck_assert_uint_eq(strspn(doubled, "*"), strlen(TOKEN TOKEN));
}
END_TEST

START_TEST(it_is_found_wherever_it_stands_in_a_long_text) {
  static char text[5000];
  for (size_t at = 700; at < 1300; at += 7) {
    memset(text, '.', sizeof text - 1);
    memcpy(text + at, TOKEN, strlen(TOKEN));
    ck_assert_int_eq(leadx_secret_scrub(text, strlen(text)), 1);
    ck_assert_uint_eq(strspn(text + at, "*"), strlen(TOKEN));
  }
}
END_TEST

static const char *const innocent[] = {
    "duplicate key value violates unique constraint \"customers_email_key\"",
    "Key (id)=(01890000-0000-7000-8000-000000000001) already exists.",
    "pass the publishable key (sb_publishable_...) or sb_secret_ on a server",
    "eyJhbGciOi is how tokens begin",
    "SGVsbG8sIHdvcmxkISBUaGlzIGlzIG5vIHNlY3JldC4=",
    "100% of \\u0041 &amp; =3D caf\xC3\xA9",
    "",
};

START_TEST(other_texts_stay_as_they_are) {
  char text[200];
  ck_assert_int_eq(leadx_secret_know(&holder, "sb_publishable_Zx81Qq0923kLLmn"), SQLITE_OK);
  snprintf(text, sizeof text, "%s", innocent[_i]);
  ck_assert_int_eq(leadx_secret_scrub(text, strlen(text)), 0);
  ck_assert_str_eq(text, innocent[_i]);
}
END_TEST

START_TEST(a_short_password_goes_whole_and_a_tiny_one_is_none) {
  char text[] = "hunt is no hunter2!, HUNTER2! is", odd[] = "it is <p\xC3\xA4sswort>!";
  ck_assert_int_eq(leadx_secret_know(&holder, "hunter2!"), SQLITE_OK);
  ck_assert_int_eq(leadx_secret_know(&holder, "p\xC3\xA4sswort"), SQLITE_OK);
  ck_assert_int_eq(leadx_secret_know(&holder, "is no"), SQLITE_OK);
  leadx_secret_scrub(text, strlen(text));
  ck_assert_str_eq(text, "hunt is no ********, ******** is");
  leadx_secret_scrub(odd, strlen(odd));
  ck_assert_str_eq(odd, "it is <*********>!");
}
END_TEST

START_TEST(what_is_forgotten_is_shown_and_what_another_holds_is_not) {
  char text[] = TOKEN;
  int other = 0;
  ck_assert_int_eq(leadx_secret_know(&other, TOKEN), SQLITE_OK);
  leadx_secret_forget(&holder);
  ck_assert(leadx_secret_is_in(text, strlen(text)));
  leadx_secret_forget(&other);
  ck_assert(!leadx_secret_is_in(text, strlen(text)));
  ck_assert(!leadx_secret_scrub(text, strlen(text)));
}
END_TEST

/* A token is renewed every hour for years; the list does not grow, and the newest ones count. */
START_TEST(a_holder_keeps_its_newest_secrets) {
  char text[40];
  sqlite3_int64 bytes = 0;
  for (int i = 0; i < 200; i++) {
    snprintf(text, sizeof text, "%06dsecret%06d", i, i);
    ck_assert_int_eq(leadx_secret_know(&holder, text), SQLITE_OK);
    ck_assert_int_eq(leadx_secret_know(&holder, text), SQLITE_OK);
    ck_assert(leadx_secret_is_in(text, strlen(text)));
    if (i == 50) bytes = sqlite3_memory_used();
  }
  ck_assert_int_eq(sqlite3_memory_used(), bytes);
  snprintf(text, sizeof text, "%06dsecret%06d", 190, 190);
  ck_assert(leadx_secret_is_in(text, strlen(text)));
}
END_TEST

START_TEST(an_error_never_repeats_one) {
  leadx_err err = {0};
  leadx_err_set(&err, SQLITE_ERROR, "leadx_config: page_size cannot be \"%.40s\"", TOKEN);
  ck_assert_ptr_null(strstr(err.text, "eyJhbGciOi"));
  ck_assert_ptr_nonnull(strstr(err.text, "leadx_config: page_size cannot be \"****"));
}
END_TEST

START_TEST(half_of_a_secret_is_never_shown) {
  static const char *const shown[][2] = {{"sb_publishable_x", "sb_pub…"},
                                         {"123456789012", "123456…"},
                                         {"12345678", "1234…"},
                                         {"key", "k…"},
                                         {"", "…"}};
  for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
    char *text = leadx_secret_shorten(shown[i][0]);
    ck_assert_str_eq(text, shown[i][1]);
    sqlite3_free(text);
  }
  ck_assert_ptr_null(leadx_secret_shorten(NULL));
}
END_TEST

Suite *test_secret_suite(void) {
  Suite *suite = suite_create("secret");
  TCase *tc = tcase_create("secret");
  tcase_set_timeout(tc, 60);
  tcase_add_checked_fixture(tc, set_up, tear_down);
  tcase_add_loop_test(tc, a_secret_is_overwritten_in_every_code, 0, N_CODES);
  tcase_add_test(tc, any_run_of_twelve_characters_is_overwritten_and_no_shorter_one);
  tcase_add_test(tc, pieces_that_overlap_go_together);
  tcase_add_test(tc, it_is_found_wherever_it_stands_in_a_long_text);
  tcase_add_loop_test(tc, other_texts_stay_as_they_are, 0, 7);
  tcase_add_test(tc, a_short_password_goes_whole_and_a_tiny_one_is_none);
  tcase_add_test(tc, what_is_forgotten_is_shown_and_what_another_holds_is_not);
  tcase_add_test(tc, a_holder_keeps_its_newest_secrets);
  tcase_add_test(tc, an_error_never_repeats_one);
  tcase_add_test(tc, half_of_a_secret_is_never_shown);
  suite_add_tcase(suite, tc);
  return suite;
}
