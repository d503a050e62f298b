#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "suites.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

static leadx_slice slice(const char *text) {
  leadx_slice value = {NULL, 0};
  const char *problem = leadx_json_check(text, strlen(text), 0, &value, NULL);
  ck_assert_msg(problem == NULL, "%s: %s", text, problem);
  return value;
}

/* ---- the check ---- */

typedef struct accepted_case {
  const char *text;
  leadx_json_kind kind;
} accepted_case;

static const accepted_case accepted[] = {
    {"null", LEADX_JSON_NULL},
    {"true", LEADX_JSON_TRUE},
    {"false", LEADX_JSON_FALSE},
    {"0", LEADX_JSON_NUMBER},
    {"-0", LEADX_JSON_NUMBER},
    {"-0.0e-0", LEADX_JSON_NUMBER},
    {"9223372036854775808", LEADX_JSON_NUMBER},
    {"1E+400", LEADX_JSON_NUMBER},
    {"12345678901234567890.12345678901234567890", LEADX_JSON_NUMBER},
    {"\"\"", LEADX_JSON_STRING},
    {"\"plain text of more than eight bytes\"", LEADX_JSON_STRING},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\uABCD\\uabcd\"", LEADX_JSON_STRING},
    {"\"\\u0000\"", LEADX_JSON_STRING},
    {"\"\\uD83D\\uDE00\"", LEADX_JSON_STRING},
    {"\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"", LEADX_JSON_STRING},
    {"\"\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF\xF4\x8F\xBF\xBF\"", LEADX_JSON_STRING},
    {"\"\x7F\"", LEADX_JSON_STRING},
    {"[]", LEADX_JSON_ARRAY},
    {"[ ]", LEADX_JSON_ARRAY},
    {"[1,\"2\",[3],{\"4\":5},null]", LEADX_JSON_ARRAY},
    {"{}", LEADX_JSON_OBJECT},
    {"{\n}", LEADX_JSON_OBJECT},
    {"{\"a\":1,\"a\":2}", LEADX_JSON_OBJECT},
    {"{ \"a\" : [ 1 , 2 ] , \"\" : { } }", LEADX_JSON_OBJECT},
    {" \t\r\n1 \t\r\n", LEADX_JSON_NUMBER},
};

START_TEST(json_check_accepts_what_rfc_8259_allows) {
  ck_assert_int_eq(leadx_json_kind_of(slice(accepted[_i].text)), accepted[_i].kind);
}
END_TEST

START_TEST(json_check_trims_white_space) {
  leadx_slice value = slice(" \n [ 1 ] \t");
  ck_assert_uint_eq(value.n, 5);
  ck_assert_mem_eq(value.z, "[ 1 ]", 5);
}
END_TEST

typedef struct refused_case {
  const char *text, *problem;
  size_t at;
} refused_case;

static const refused_case refused[] = {
    {"", "unexpected end", 0},
    {"   ", "unexpected end", 3},
    {"nul", "expected a value", 0},
    {"NULL", "expected a value", 0},
    {"True", "expected a value", 0},
    {"nullx", "something follows the value", 4},
    {"1 2", "something follows the value", 2},
    {"{\"a\":1}{\"b\":2}", "something follows the value", 7},
    {"[1]]", "something follows the value", 3},
    {"<html>", "expected a value", 0},
    {"\xEF\xBB\xBF{}", "expected a value", 0},
    {"01", "leading zero", 1},
    {"-01", "leading zero", 2},
    {"-", "expected a digit", 1},
    {"+1", "expected a value", 0},
    {".5", "expected a value", 0},
    {"1.", "expected a digit", 2},
    {"1.e5", "expected a digit", 2},
    {"1e", "expected a digit", 2},
    {"1e+", "expected a digit", 3},
    {"1e+-1", "expected a digit", 3},
    {"0x10", "something follows the value", 1},
    {"Infinity", "expected a value", 0},
    {"-Inf", "expected a digit", 1},
    {"NaN", "expected a value", 0},
    {"\"", "unterminated string", 1},
    {"\"abc", "unterminated string", 4},
    {"\"abc\\", "unterminated string", 5},
    {"\"abc\\\"", "unterminated string", 6},
    {"'a'", "expected a value", 0},
    {"\"a\nb\"", "control character in a string", 2},
    {"\"0123456789\x1F\"", "control character in a string", 11},
    {"\"\\x41\"", "unknown escape", 2},
    {"\"\\a\"", "unknown escape", 2},
    {"\"\\'\"", "unknown escape", 2},
    {"\"\\u12\"", "four hexadecimal digits must follow \\u", 3},
    {"\"\\u12G4\"", "four hexadecimal digits must follow \\u", 3},
    {"\"\\u", "four hexadecimal digits must follow \\u", 3},
    {"\"\\uD800\"", "lone surrogate", 7},
    {"\"\\uDC00\"", "lone surrogate", 3},
    {"\"\\uD800\\u0041\"", "lone surrogate", 9},
    {"\"\\uD800\\n\"", "lone surrogate", 8},
    {"\"\\uD83D\\uD83D\"", "lone surrogate", 9},
    {"\"\x80\"", "invalid UTF-8", 1},
    {"\"\xC0\x80\"", "invalid UTF-8", 1},
    {"\"\xC1\xBF\"", "invalid UTF-8", 1},
    {"\"\xE0\x9F\xBF\"", "invalid UTF-8", 1},
    {"\"\xED\xA0\x80\"", "invalid UTF-8", 1},
    {"\"\xF0\x8F\xBF\xBF\"", "invalid UTF-8", 1},
    {"\"\xF4\x90\x80\x80\"", "invalid UTF-8", 1},
    {"\"\xF5\x80\x80\x80\"", "invalid UTF-8", 1},
    {"\"\xC3\"", "invalid UTF-8", 1},
    {"\"\xE2\x82", "invalid UTF-8", 1},
    {"\"\xFF\"", "invalid UTF-8", 1},
    {"[", "unexpected end", 1},
    {"[1", "expected , or ]", 2},
    {"[1,", "unexpected end", 3},
    {"[1,]", "expected a value", 3},
    {"[,1]", "expected a value", 1},
    {"[1 2]", "expected , or ]", 3},
    {"[1}", "expected , or ]", 2},
    {"{", "expected a string", 1},
    {"{a:1}", "expected a string", 1},
    {"{1:1}", "expected a string", 1},
    {"{\"a\"}", "expected :", 4},
    {"{\"a\":}", "expected a value", 5},
    {"{\"a\":1", "expected , or }", 6},
    {"{\"a\":1,}", "expected a string", 7},
    {"{\"a\":1]", "expected , or }", 6},
    {"[1] // comment", "something follows the value", 4},
    {"[{\"a\":\"b\"},{\"a\":\"", "unterminated string", 17},
};

START_TEST(json_check_says_what_is_wrong_and_where) {
  const refused_case *c = &refused[_i];
  leadx_slice value;
  size_t at = 999;
  const char *problem = leadx_json_check(c->text, strlen(c->text), 0, &value, &at);
  ck_assert_msg(problem != NULL, "accepted %s", c->text);
  ck_assert_str_eq(problem, c->problem);
  ck_assert_uint_eq(at, c->at);
}
END_TEST

START_TEST(json_check_refuses_a_nul_byte) {
  leadx_slice value;
  ck_assert_ptr_nonnull(leadx_json_check("1\0", 2, 0, &value, NULL));
  ck_assert_ptr_nonnull(leadx_json_check("\"a\0b\"", 5, 0, &value, NULL));
  ck_assert_ptr_nonnull(leadx_json_check("\"\\\0\"", 4, 0, &value, NULL));
}
END_TEST

/* Half an answer is never an answer: no cut of a document is one. */
START_TEST(json_check_refuses_every_cut_of_a_document) {
  const char *text = "[{\"id\":\"\\uD83D\\uDE00\xC3\xA9\",\"n\":-1.5e3,\"ok\":[true,null]}]";
  leadx_slice value;
  for (size_t n = 0; n < strlen(text); n++) {
    ck_assert_ptr_nonnull(leadx_json_check(text, n, 0, &value, NULL));
  }
  ck_assert_ptr_null(leadx_json_check(text, strlen(text), 0, &value, NULL));
}
END_TEST

static const char *check_nested(int depth, char open, char close) {
  static char text[4096];
  leadx_slice value;
  memset(text, open, (size_t)depth);
  memset(text + depth, close, (size_t)depth);
  return leadx_json_check(text, (size_t)depth * 2, 0, &value, NULL);
}

START_TEST(json_check_limits_depth) {
  leadx_slice value;
  ck_assert_ptr_null(check_nested(63, '[', ']'));
  ck_assert_ptr_null(check_nested(64, '[', ']'));
  ck_assert_str_eq(check_nested(65, '[', ']'), "nested too deep");
  ck_assert_str_eq(check_nested(1000, '[', ']'), "nested too deep");
  /* Siblings are not levels. */
  const char *siblings = "[[],[],[[]],{\"a\":[]}]";
  for (int i = 0; i < 100; i++) {
    ck_assert_ptr_null(leadx_json_check(siblings, strlen(siblings), 0, &value, NULL));
  }
}
END_TEST

START_TEST(json_check_limits_strings) {
  leadx_slice value;
  ck_assert_ptr_null(leadx_json_check("\"12345\"", 7, 5, &value, NULL));
  ck_assert_str_eq(leadx_json_check("\"123456\"", 8, 5, &value, NULL), "string too long");
  ck_assert_str_eq(leadx_json_check("{\"123456\":1}", 12, 5, &value, NULL), "string too long");
}
END_TEST

/* ---- walking ---- */

START_TEST(json_walk_yields_each_element) {
  static const char *const expected[] = {"1",    "\"],\\\"\"", "[2,[3]]", "{\"a\":\"}\"}",
                                         "null", "-1.5e3"};
  leadx_json_walk walk;
  leadx_slice value;
  int i = 0;
  leadx_json_walk_init(&walk, slice("[ 1,\"],\\\"\" , [2,[3]],{\"a\":\"}\"}\n,null,-1.5e3 ]"));
  for (; leadx_json_walk_element(&walk, &value); i++) {
    ck_assert_uint_eq(value.n, strlen(expected[i]));
    ck_assert_mem_eq(value.z, expected[i], value.n);
  }
  ck_assert_int_eq(i, COUNT(expected));
}
END_TEST

START_TEST(json_walk_yields_each_member) {
  static const char *const expected[] = {"\"a\"", "1", "\"b,\\\":\"", "{ }", "\"\"", "true"};
  leadx_json_walk walk;
  leadx_slice key, value;
  int i = 0;
  leadx_json_walk_init(&walk, slice("{ \"a\":1 ,\"b,\\\":\" : { } , \"\":true}"));
  for (; leadx_json_walk_member(&walk, &key, &value); i += 2) {
    ck_assert_uint_eq(key.n, strlen(expected[i]));
    ck_assert_mem_eq(key.z, expected[i], key.n);
    ck_assert_uint_eq(value.n, strlen(expected[i + 1]));
    ck_assert_mem_eq(value.z, expected[i + 1], value.n);
  }
  ck_assert_int_eq(i, COUNT(expected));
}
END_TEST

static const char *const childless[] = {"[]", "{}", "[ ]", "{ }", "1", "\"text\"", "null"};

START_TEST(json_walk_of_nothing_ends_at_once) {
  leadx_json_walk walk;
  leadx_slice key, value;
  leadx_json_walk_init(&walk, slice(childless[_i]));
  ck_assert_int_eq(leadx_json_walk_element(&walk, &value), 0);
  ck_assert_int_eq(leadx_json_walk_member(&walk, &key, &value), 0);
}
END_TEST

START_TEST(json_member_is_the_last_of_its_name) {
  leadx_slice object = slice(
      "{\"a\":1,\"e\":\"\\\\\",\"b\":2,\"\\u0061\":3,\"A\":4,\"a\\u0000\":5}");
  ck_assert_mem_eq(leadx_json_member(object, "a").z, "3", 1);
  ck_assert_mem_eq(leadx_json_member(object, "b").z, "2", 1);
  ck_assert_mem_eq(leadx_json_member(object, "A").z, "4", 1);
  ck_assert_uint_eq(leadx_json_member(object, "").n, 0);
  ck_assert_uint_eq(leadx_json_member(object, "ab").n, 0);
  ck_assert_uint_eq(leadx_json_member(slice("[\"a\"]"), "a").n, 0);
  ck_assert_int_eq(leadx_json_kind_of(leadx_json_member((leadx_slice){NULL, 0}, "a")),
                   LEADX_JSON_NONE);
}
END_TEST

START_TEST(json_members_are_found_in_one_walk) {
  static const char *const names[] = {"a", "c", "b"};
  leadx_slice values[3];
  leadx_json_members(slice("{\"a\":1,\"e\":\"\\\\\",\"b\":\"}\\\"\",\"\\u0061\":3}"), names, 3,
                     values);
  ck_assert_mem_eq(values[0].z, "3", 1);
  ck_assert_uint_eq(values[1].n, 0);
  ck_assert_uint_eq(values[2].n, 5);
  leadx_json_members(slice("[1]"), names, 3, values);
  for (int i = 0; i < 3; i++) ck_assert_uint_eq(values[i].n, 0);
}
END_TEST

/* ---- strings ---- */

typedef struct string_case {
  const char *raw, *text;
  size_t n;
} string_case;

static const string_case strings[] = {
    {"\"\"", "", 0},
    {"\"abc\"", "abc", 3},
    {"\"\\\"\"", "\"", 1},
    {"\"\\\\\"", "\\", 1},
    {"\"\\\\\\\"\"", "\\\"", 2},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8},
    {"\"\\u0041\\u00e9\\u20AC\"", "A\xC3\xA9\xE2\x82\xAC", 6},
    {"\"\\uD83D\\uDE00\"", "\xF0\x9F\x98\x80", 4},
    {"\"\\uDBFF\\uDFFF\"", "\xF4\x8F\xBF\xBF", 4},
    {"\"a\\u0000b\"", "a\0b", 3},
    {"\"\xC3\xA9\\n\xC3\xA9\"", "\xC3\xA9\n\xC3\xA9", 5},
    {"\"\\\\\\\\\"", "\\\\", 2},
    {"\"\\u005c\\u0022\"", "\\\"", 2},
};

START_TEST(json_strings_unescape_exactly) {
  const string_case *c = &strings[_i];
  leadx_slice raw = slice(c->raw);
  size_t n;
  char *text;
  ck_assert_int_eq(leadx_json_text(raw, &text, &n), SQLITE_OK);
  ck_assert_uint_eq(n, c->n);
  ck_assert_mem_eq(text, c->text, n + 1);
  sqlite3_free(text);
  ck_assert(leadx_json_string_is(raw, c->text, c->n));
  ck_assert(!leadx_json_string_is(raw, "some other text", 15));
  if (c->n > 0) ck_assert(!leadx_json_string_is(raw, c->text, c->n - 1));

  sqlite3_str *out = sqlite3_str_new(NULL);
  ck_assert_int_eq(leadx_json_unescape(raw, out), 0);
  ck_assert_int_eq(sqlite3_str_length(out), (int)c->n);
  if (c->n > 0) ck_assert_mem_eq(sqlite3_str_value(out), c->text, c->n);
  sqlite3_free(sqlite3_str_finish(out));
}
END_TEST

/* ---- a slice says what it is ---- */

/* In a block of its exact size, so that a byte read or written beyond it is seen by the address
** sanitizer. */
static leadx_slice alone(const char *text, size_t n) {
  char *block = malloc(n ? n : 1);
  ck_assert_ptr_nonnull(block);
  memcpy(block, text, n);
  return (leadx_slice){block, n};
}

static const char *const no_strings[] = {
    "1",         "-1",   "12345678901234567890",
    "null",      "true", "[\"a\"]",
    "{\"a\":1}", "",     "\"",
    "\"open",    "x",    "1,\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\\n"};

START_TEST(json_string_readers_answer_not_that_of_what_is_no_string) {
  leadx_slice raw = alone(no_strings[_i], strlen(no_strings[_i]));
  sqlite3_str *out = sqlite3_str_new(NULL);
  char *text = (char *)no_strings;
  size_t n = 99;
  ck_assert_int_eq(leadx_json_text(raw, &text, &n), SQLITE_MISMATCH);
  ck_assert_ptr_null(text);
  ck_assert_uint_eq(n, 0);
  ck_assert_int_eq(leadx_json_unescape(raw, out), 1);
  ck_assert_int_eq(sqlite3_str_length(out), 0);
  ck_assert(!leadx_json_string_is(raw, "", 0));
  ck_assert(!leadx_json_string_is(raw, "a", 1));
  sqlite3_free(sqlite3_str_finish(out));
  free((char *)raw.z);
}
END_TEST

static const char *const no_numbers[] = {"\"1\"", "null", "[1]", "{}", "", "-", "x1", "+1", ".5"};

START_TEST(json_number_readers_answer_not_that_of_what_is_no_number) {
  leadx_slice raw = alone(no_numbers[_i], strlen(no_numbers[_i]));
  int64_t n = 7;
  double x = 7;
  ck_assert_int_eq(leadx_json_int64(raw, &n), 1);
  ck_assert_int_eq(leadx_json_double(raw, &x), 1);
  ck_assert(n == 7 && !(x < 7) && !(x > 7));
  free((char *)raw.z);
}
END_TEST

START_TEST(json_an_array_has_no_members_and_an_object_no_elements) {
  leadx_json_walk walk;
  leadx_slice key, value;
  leadx_json_walk_init(&walk, slice("[\"a\",1]"));
  ck_assert_int_eq(leadx_json_walk_member(&walk, &key, &value), 0);
  leadx_json_walk_init(&walk, slice("{\"a\":1}"));
  ck_assert_int_eq(leadx_json_walk_element(&walk, &value), 0);
  ck_assert_uint_eq(leadx_json_member(slice("[\"a\",1]"), "a").n, 0);
}
END_TEST

/* Texts that look like values at both ends and are none in between. */
static const char *const unchecked[] = {"\"a\\\"",
                                        "\"\\u\"",
                                        "\"\\u12\"",
                                        "\"\\u123\"",
                                        "\"\\uD83D\"",
                                        "\"\\uD83D\\u\"",
                                        "\"\\uD83D\\uDE\"",
                                        "\"\\uD83Dxxxxxx\"",
                                        "[\"]",
                                        "[\"a]",
                                        "[[]",
                                        "[{\"]",
                                        "{\"}",
                                        "{\"a}",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{\"a\":\"}",
                                        "[1,\"\\\"]",
                                        "{\"a\":[1}",
                                        "[,,]"};

START_TEST(json_readers_stay_inside_a_text_that_was_never_checked) {
  leadx_slice raw = alone(unchecked[_i], strlen(unchecked[_i])), key, value;
  leadx_json_walk walk;
  char *text = NULL;
  size_t n = 0;
  int rc = leadx_json_text(raw, &text, &n);
  ck_assert(rc == SQLITE_MISMATCH || (rc == SQLITE_OK && n < raw.n));
  sqlite3_free(text);
  leadx_json_walk_init(&walk, raw);
  for (int i = 0; leadx_json_walk_element(&walk, &value); i++)
    ck_assert(i < 8 && value.z + value.n <= raw.z + raw.n);
  leadx_json_walk_init(&walk, raw);
  for (int i = 0; leadx_json_walk_member(&walk, &key, &value); i++)
    ck_assert(i < 8 && key.z + key.n <= raw.z + raw.n && value.z + value.n <= raw.z + raw.n);
  leadx_json_member(raw, "a");
  ck_assert(leadx_json_equal(raw, raw));
  free((char *)raw.z);
}
END_TEST

START_TEST(json_two_texts_that_are_no_values_are_not_equal) {
  leadx_slice a = {"abc", 3}, b = {"abd", 3};
  ck_assert_int_eq(leadx_json_kind_of(a), LEADX_JSON_NONE);
  ck_assert(!leadx_json_equal(a, b));
}
END_TEST

static const string_case appended[] = {
    {"\"\"", "", 0},
    {"\"plain text of some length\"", "plain text of some length", 25},
    {"\"\\\"\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8},
    {"\"a\\u0000b\"", "a\0b", 3},
    {"\"\\u0001\\u001f\x7F\"", "\x01\x1F\x7F", 3},
    {"\"\xC3\xA9\xF0\x9F\x98\x80\"", "\xC3\xA9\xF0\x9F\x98\x80", 6},
    {"\"a\xEF\xBF\xBD"
     "b\"",
     "a\xFF"
     "b",
     3},
    {"\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"", "\xED\xA0\x80", 3},
    {"\"\xEF\xBF\xBD\"", "\xC3", 1},
};

START_TEST(json_append_writes_a_valid_string) {
  const string_case *c = &appended[_i];
  sqlite3_str *out = sqlite3_str_new(NULL);
  leadx_json_append_string(out, c->text, c->n);
  char *text = sqlite3_str_finish(out);
  ck_assert_str_eq(text, c->raw);
  slice(text);
  sqlite3_free(text);
}
END_TEST

/* ---- numbers ---- */

typedef struct int_case {
  const char *text;
  int64_t value;
} int_case;

static const int_case integers[] = {
    {"0", 0},
    {"-0", 0},
    {"1", 1},
    {"-1", -1},
    {"2147483648", 2147483648},
    {"9007199254740993", 9007199254740993},
    {"9223372036854775807", INT64_MAX},
    {"-9223372036854775807", -INT64_MAX},
    {"-9223372036854775808", INT64_MIN},
};

START_TEST(json_int64_reads_the_whole_range) {
  int64_t value;
  ck_assert_int_eq(leadx_json_int64(slice(integers[_i].text), &value), 0);
  ck_assert_int_eq(value, integers[_i].value);
}
END_TEST

static const char *const no_integers[] = {
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "99999999999999999999999",
    "1.0",
    "1e2",
    "0.5",
    "\"1\"",
    "null",
    "true",
    "[1]",
};

START_TEST(json_int64_refuses_what_is_no_integer) {
  int64_t value = 42;
  ck_assert_int_eq(leadx_json_int64(slice(no_integers[_i]), &value), 1);
  ck_assert_int_eq(value, 42);
}
END_TEST

typedef struct double_case {
  const char *text;
  double value;
} double_case;

static const double_case doubles[] = {
    {"0", 0.0},
    {"1.5", 1.5},
    {"-0.1", -0.1},
    {"0.30000000000000004", 0.1 + 0.2},
    {"123456789012345.67", 123456789012345.67},
    {"1.7976931348623157e308", 1.7976931348623157e308},
    {"2.2250738585072014e-308", 2.2250738585072014e-308},
    {"5e-324", 5e-324},
    {"0.000000000000000000000000000000000001e36", 1.0},
    {"1000000000000000000000000000000000000e-36", 1.0},
    {"9007199254740993", 9007199254740992.0},
    {"9007199254740993.0000000000000000000000000000000000001", 9007199254740994.0},
    {"1e400", INFINITY},
    {"-1e99999999999999999999", -INFINITY},
    {"1e-99999999999999999999", 0.0},
    {"0e99999999999999999999", 0.0},
};

static double double_of(leadx_slice number) {
  double value = 0;
  ck_assert_int_eq(leadx_json_double(number, &value), 0);
  return value;
}

START_TEST(json_double_is_the_nearest) {
  ck_assert(double_of(slice(doubles[_i].text)) == doubles[_i].value);
}
END_TEST

START_TEST(json_double_keeps_the_sign_of_zero) {
  ck_assert(signbit(double_of(slice("-0.0"))));
  ck_assert(!signbit(double_of(slice("0.0"))));
}
END_TEST

/* Halfway between two doubles but for a digit far behind what any buffer holds. */
START_TEST(json_double_sees_a_digit_far_out) {
  static char text[5000] = "9007199254740993.";
  memset(text + 17, '0', 4000);
  ck_assert(double_of(slice(text)) == 9007199254740992.0);
  text[17 + 4000] = '1';
  ck_assert(double_of(slice(text)) == 9007199254740994.0);
}
END_TEST

static uint64_t seed = 88172645463325252u;

static uint64_t random_bits(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

static size_t random_below(size_t n) { return (size_t)(random_bits() % n); }

START_TEST(json_double_reads_back_any_double) {
  for (int i = 0; i < 100000; i++) {
    uint64_t bits = random_bits();
    double value;
    char text[40];
    memcpy(&value, &bits, sizeof value);
    if (!isfinite(value)) continue;
    snprintf(text, sizeof text, "%.17g", value);
    ck_assert(double_of(slice(text)) == value);
  }
}
END_TEST

/* ---- equality ---- */

typedef struct pair {
  const char *a, *b;
} pair;

static const pair equal_pairs[] = {
    {"null", "null"},
    {"true", "true"},
    {"1", "1.0"},
    {"100", "1e2"},
    {"1e2", "1E+2"},
    {"0", "-0"},
    {"0", "0.00e5"},
    {"0e99999999999999999999", "0"},
    {"0.5", "5e-1"},
    {"0.05", "5e-2"},
    {"0.0050", "50e-4"},
    {"1230", "1.23e3"},
    {"-1.50", "-15e-1"},
    {"12345678901234567890123", "1.2345678901234567890123e22"},
    {"1e400", "10e399"},
    {"1e0000000000000000000000000001", "10"},
    {"0.1e1", "1"},
    {"1e-400", "0.1e-399"},
    {"1e99999999999999999999", "1e99999999999999999999"},
    {"\"a\"", "\"\\u0061\""},
    {"\"\xC3\xA9\"", "\"\\u00E9\""},
    {"\"/\"", "\"\\/\""},
    {"\"\\n\"", "\"\\u000a\""},
    {"\"\xF0\x9F\x98\x80\"", "\"\\uD83D\\uDE00\""},
    {"\"x\\u0061y\"", "\"\\u0078a\\u0079\""},
    {"[]", "[ ]"},
    {"[1,2]", "[ 1.0 , 2e0 ]"},
    {"{}", "{ }"},
    {"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}"},
    {"{\"a\":1,\"a\":2}", "{\"a\":2}"},
    {"{\"a\":1,\"b\":0,\"a\":2}", "{\"b\":0,\"a\":2}"},
    {"{\"a\":1,\"a\":2}", "{\"a\":3,\"a\":2}"},
    {"{\"\\u0061\":1}", "{\"a\":1}"},
    {"{\"a\":{\"c\":[1,{\"e\":2,\"d\":1}],\"b\":0}}",
     "{\"a\":{\"b\":0,\"c\":[1,{\"d\":1,\"e\":2}]}}"},
};

static const pair different_pairs[] = {
    {"null", "false"},
    {"true", "false"},
    {"null", "0"},
    {"0", "\"0\""},
    {"\"\"", "null"},
    {"1", "-1"},
    {"1", "10"},
    {"1", "0.1"},
    {"9007199254740993", "9007199254740992"},
    {"9223372036854775807", "9223372036854775808"},
    {"0.1", "0.10000000000000000001"},
    {"1e400", "1e401"},
    {"1e99999999999999999999", "1e99999999999999999998"},
    {"1e-400", "0"},
    {"12", "1.2"},
    {"\"a\"", "\"b\""},
    {"\"a\"", "\"A\""},
    {"\"a\"", "\"a \""},
    {"\"a\"", "\"a\\u0000\""},
    {"\"\xC3\xA9\"", "\"e\\u0301\""},
    {"[]", "{}"},
    {"[]", "[1]"},
    {"[1,2]", "[2,1]"},
    {"[1,2]", "[1,2,3]"},
    {"[1]", "1"},
    {"{}", "{\"a\":null}"},
    {"{\"a\":1}", "{\"b\":1}"},
    {"{\"a\":1}", "{\"A\":1}"},
    {"{\"a\":1}", "{\"a\":2}"},
    {"{\"a\":1,\"b\":2}", "{\"a\":2,\"b\":1}"},
    {"{\"a\":1,\"a\":2}", "{\"a\":1}"},
    {"{\"a\":{\"b\":[1]}}", "{\"a\":{\"b\":[2]}}"},
};

START_TEST(json_equal_by_meaning) {
  leadx_slice a = slice(equal_pairs[_i].a), b = slice(equal_pairs[_i].b);
  ck_assert_msg(leadx_json_equal(a, b), "%s and %s", equal_pairs[_i].a, equal_pairs[_i].b);
  ck_assert(leadx_json_equal(b, a));
}
END_TEST

START_TEST(json_different_by_meaning) {
  leadx_slice a = slice(different_pairs[_i].a), b = slice(different_pairs[_i].b);
  ck_assert_msg(!leadx_json_equal(a, b), "%s and %s", different_pairs[_i].a, different_pairs[_i].b);
  ck_assert(!leadx_json_equal(b, a));
}
END_TEST

START_TEST(json_nothing_equals_only_nothing) {
  leadx_slice none = {NULL, 0};
  ck_assert(leadx_json_equal(none, none));
  ck_assert(!leadx_json_equal(none, slice("null")));
  ck_assert(!leadx_json_equal(slice("null"), none));
}
END_TEST

/* A server's answer must not be able to keep the comparison busy: 50,000 keys, reversed. */
START_TEST(json_equal_stays_fast_with_many_keys) {
  sqlite3_str *forward = sqlite3_str_new(NULL), *backward = sqlite3_str_new(NULL);
  for (int i = 0; i < 50000; i++) {
    sqlite3_str_appendf(forward, "%s\"k%d\":%d", i ? "," : "{", i, i);
    sqlite3_str_appendf(backward, "%s\"k%d\":%d", i ? "," : "{", 49999 - i, 49999 - i);
  }
  sqlite3_str_appendchar(forward, 1, '}');
  sqlite3_str_appendchar(backward, 1, '}');
  char *a = sqlite3_str_finish(forward), *b = sqlite3_str_finish(backward);
  ck_assert(leadx_json_equal(slice(a), slice(b)));
  sqlite3_free(a);
  sqlite3_free(b);
}
END_TEST

/* ---- properties ---- */

static void append_random(sqlite3_str *out, int depth);

static void append_random_string(sqlite3_str *out) {
  char bytes[12];
  size_t n = random_below(sizeof bytes);
  for (size_t i = 0; i < n; i++) bytes[i] = (char)random_below(256);
  leadx_json_append_string(out, bytes, n);
}

static void append_random_container(sqlite3_str *out, int depth, int is_object) {
  size_t n = random_below(5);
  sqlite3_str_appendchar(out, 1, is_object ? '{' : '[');
  for (size_t i = 0; i < n; i++) {
    if (i > 0) sqlite3_str_appendall(out, " ,");
    if (is_object) {
      append_random_string(out);
      sqlite3_str_appendchar(out, 1, ':');
    }
    append_random(out, depth - 1);
  }
  sqlite3_str_appendchar(out, 1, is_object ? '}' : ']');
}

static void append_random(sqlite3_str *out, int depth) {
  static const char *const scalars[] = {"null",
                                        "true",
                                        "false",
                                        "0",
                                        "-1.50e3",
                                        "12e-7",
                                        "\"\\uD83D\\uDE00\\n\\u0000\"",
                                        "9007199254740993"};
  size_t choice = random_below(depth > 0 ? 4 : 2);
  if (choice == 0) {
    sqlite3_str_appendall(out, scalars[random_below(8)]);
  } else if (choice == 1) {
    append_random_string(out);
  } else {
    append_random_container(out, depth, choice == 2);
  }
}

static char *random_document(void) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  append_random(out, 5);
  return sqlite3_str_finish(out);
}

/* Visits every part, so that a sanitizer sees every byte that walking touches. */
static size_t visit(leadx_slice value) {
  leadx_json_kind kind = leadx_json_kind_of(value);
  leadx_json_walk walk;
  leadx_slice key, child;
  size_t parts = 1;
  leadx_json_walk_init(&walk, value);
  while (kind == LEADX_JSON_OBJECT ? leadx_json_walk_member(&walk, &key, &child)
                                   : leadx_json_walk_element(&walk, &child)) {
    parts += visit(child);
  }
  char *text;
  double number = 0;
  ck_assert_int_eq(leadx_json_text(value, &text, NULL),
                   kind == LEADX_JSON_STRING ? SQLITE_OK : SQLITE_MISMATCH);
  sqlite3_free(text);
  ck_assert_int_eq(leadx_json_double(value, &number), kind != LEADX_JSON_NUMBER);
  ck_assert(!isnan(number));
  return parts;
}

static size_t mutate(char *text, size_t n) {
  static const char bytes[] = "[]{}\",:\\u0e-.tn \xC3\x80";
  for (size_t i = random_below(4); i > 0 && n > 1; i--) {
    size_t at = random_below(n);
    if (random_below(3) == 0) {
      memmove(text + at, text + at + 1, n - at - 1);
      n--;
    } else {
      text[at] = bytes[random_below(sizeof bytes)];
    }
  }
  return n;
}

START_TEST(json_check_survives_any_mutation) {
  int refusals = 0;
  for (int i = 0; i < 10000; i++) {
    char *document = random_document();
    size_t n = mutate(document, strlen(document)), at = 0;
    /* A copy of exactly that size, so that reading one byte too far is seen. */
    char *exact = sqlite3_malloc64(n);
    memcpy(exact, document, n);
    sqlite3_free(document);
    leadx_slice value;
    if (leadx_json_check(exact, n, 0, &value, &at)) {
      ck_assert_uint_le(at, n);
      refusals++;
    } else {
      visit(value);
      ck_assert(leadx_json_equal(value, value));
    }
    sqlite3_free(exact);
  }
  ck_assert_int_gt(refusals, 1000);
  ck_assert_int_lt(refusals, 9000);
}
END_TEST

/* Reflexive even for a copy, where the bytes have to be compared by meaning. */
START_TEST(json_equal_is_reflexive_and_symmetric) {
  char *last = random_document();
  for (int i = 0; i < 10000; i++) {
    char *text = random_document();
    char *copy = sqlite3_mprintf(" [%s ,1.0]", text), *spaced = sqlite3_mprintf("[%s,1]", text);
    ck_assert(leadx_json_equal(slice(copy), slice(spaced)));
    ck_assert_int_eq(leadx_json_equal(slice(text), slice(last)),
                     leadx_json_equal(slice(last), slice(text)));
    sqlite3_free(copy);
    sqlite3_free(spaced);
    sqlite3_free(last);
    last = text;
  }
  sqlite3_free(last);
}
END_TEST

static const string_case utf8[] = {
    {"valid", "", 0},
    {"valid", "abc", 3},
    {"valid", "a\0b", 3},
    {"valid", "\xC3\xA9", 2},
    {"valid", "\xF4\x8F\xBF\xBF", 4},
    {"broken", "\xC3", 1},
    {"broken", "abc\x80", 4},
    {"broken", "\xED\xBF\xBF", 3},
    {"broken", "\xC0\xAF", 2},
    {"broken", "\xF8\x88\x80\x80\x80", 5},
};

START_TEST(utf8_is_valid_or_not) {
  ck_assert_int_eq(leadx_utf8_valid(utf8[_i].text, utf8[_i].n), utf8[_i].raw[0] == 'v');
}
END_TEST

Suite *test_json_suite(void) {
  Suite *suite = suite_create("json");
  TCase *tc = tcase_create("json");
  tcase_set_timeout(tc, 60);
  tcase_add_loop_test(tc, json_check_accepts_what_rfc_8259_allows, 0, COUNT(accepted));
  tcase_add_test(tc, json_check_trims_white_space);
  tcase_add_loop_test(tc, json_check_says_what_is_wrong_and_where, 0, COUNT(refused));
  tcase_add_test(tc, json_check_refuses_a_nul_byte);
  tcase_add_test(tc, json_check_refuses_every_cut_of_a_document);
  tcase_add_test(tc, json_check_limits_depth);
  tcase_add_test(tc, json_check_limits_strings);
  tcase_add_test(tc, json_walk_yields_each_element);
  tcase_add_test(tc, json_walk_yields_each_member);
  tcase_add_loop_test(tc, json_walk_of_nothing_ends_at_once, 0, COUNT(childless));
  tcase_add_test(tc, json_member_is_the_last_of_its_name);
  tcase_add_test(tc, json_members_are_found_in_one_walk);
  tcase_add_loop_test(tc, json_strings_unescape_exactly, 0, COUNT(strings));
  tcase_add_loop_test(tc, json_string_readers_answer_not_that_of_what_is_no_string, 0,
                      COUNT(no_strings));
  tcase_add_loop_test(tc, json_number_readers_answer_not_that_of_what_is_no_number, 0,
                      COUNT(no_numbers));
  tcase_add_test(tc, json_an_array_has_no_members_and_an_object_no_elements);
  tcase_add_loop_test(tc, json_readers_stay_inside_a_text_that_was_never_checked, 0,
                      COUNT(unchecked));
  tcase_add_test(tc, json_two_texts_that_are_no_values_are_not_equal);
  tcase_add_loop_test(tc, json_append_writes_a_valid_string, 0, COUNT(appended));
  tcase_add_loop_test(tc, json_int64_reads_the_whole_range, 0, COUNT(integers));
  tcase_add_loop_test(tc, json_int64_refuses_what_is_no_integer, 0, COUNT(no_integers));
  tcase_add_loop_test(tc, json_double_is_the_nearest, 0, COUNT(doubles));
  tcase_add_test(tc, json_double_keeps_the_sign_of_zero);
  tcase_add_test(tc, json_double_sees_a_digit_far_out);
  tcase_add_test(tc, json_double_reads_back_any_double);
  tcase_add_loop_test(tc, json_equal_by_meaning, 0, COUNT(equal_pairs));
  tcase_add_loop_test(tc, json_different_by_meaning, 0, COUNT(different_pairs));
  tcase_add_test(tc, json_nothing_equals_only_nothing);
  tcase_add_test(tc, json_equal_stays_fast_with_many_keys);
  tcase_add_test(tc, json_check_survives_any_mutation);
  tcase_add_test(tc, json_equal_is_reflexive_and_symmetric);
  tcase_add_loop_test(tc, utf8_is_valid_or_not, 0, COUNT(utf8));
  suite_add_tcase(suite, tc);
  return suite;
}
