#include <string.h>

#include "base/doc.h"
#include "suites.h"

#include <cjson/cJSON.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

static leadx_doc *parse(const char *text) {
  leadx_err err;
  leadx_err_clear(&err);
  leadx_doc *doc = leadx_doc_parse("test", text, strlen(text), &err);
  ck_assert_msg(doc != NULL, "%s: %s", text, err.text);
  return doc;
}

/* ---- reading ---- */

static const char *const round_trips[] = {
    "{}",
    "[]",
    "null",
    "true",
    "false",
    "\"\"",
    "\"text\"",
    "0",
    "-1",
    "1.5",
    "2147483648",
    "[1,2,3]",
    "{\"a\":1}",
    "{\"a\":{\"b\":[null,true,\"c\"]}}",
    "\"\xC3\xA9\xF0\x9F\x98\x80\"",
    "\"\\\"\\\\\\n\\t\"",
    "{\"a\":1,\"A\":2}",
    "{\"\":0}",
};

START_TEST(doc_prints_what_it_read) {
  leadx_doc *doc = parse(round_trips[_i]);
  char *text = leadx_doc_print(doc);
  ck_assert_str_eq(text, round_trips[_i]);
  sqlite3_free(text);
  leadx_doc_free(doc);
}
END_TEST

typedef struct refusal {
  const char *text, *error;
} refusal;

static const refusal refused[] = {
    {"", "who: not JSON at byte 0: unexpected end"},
    {"{", "who: not JSON at byte 1: expected a string"},
    {"{}x", "who: not JSON at byte 2: something follows the value"},
    {"{\"a\":1}{\"b\":2}", "who: not JSON at byte 7: something follows the value"},
    {"<html>", "who: not JSON at byte 0: expected a value"},
    {"[1,]", "who: not JSON at byte 3: expected a value"},
    {"{'a':1}", "who: not JSON at byte 1: expected a string"},
    {"\"\xFF\"", "who: not JSON at byte 1: invalid UTF-8"},
    {"[0000000000000000000000000000000000000000000000000000000000000000001]",
     "who: not JSON at byte 2: leading zero"},
};

START_TEST(doc_says_where_it_is_not_json) {
  leadx_err err;
  leadx_err_clear(&err);
  ck_assert_ptr_null(leadx_doc_parse("who", refused[_i].text, strlen(refused[_i].text), &err));
  ck_assert_int_eq(err.rc, SQLITE_ERROR);
  ck_assert_str_eq(err.text, refused[_i].error);
}
END_TEST

START_TEST(doc_reads_only_its_length) {
  leadx_err err;
  leadx_err_clear(&err);
  leadx_doc *doc = leadx_doc_parse("who", " 12 }garbage", 4, &err);
  ck_assert_double_eq(leadx_doc_number(doc), 12);
  leadx_doc_free(doc);
}
END_TEST

START_TEST(doc_refuses_what_is_nested_too_deep) {
  char text[2 * 65];
  leadx_err err;
  leadx_err_clear(&err);
  memset(text, '[', 65);
  memset(text + 65, ']', 65);
  ck_assert_ptr_null(leadx_doc_parse("who", text, 130, &err));
  ck_assert_str_eq(err.text, "who: not JSON at byte 64: nested too deep");
  leadx_err_clear(&err);
  leadx_doc *doc = leadx_doc_parse("who", text + 1, 128, &err);
  ck_assert_ptr_nonnull(doc);
  leadx_doc_free(doc);
}
END_TEST

START_TEST(doc_finds_members_by_exact_name) {
  leadx_doc *doc = parse("{\"Name\":\"A\",\"name\":\"b\",\"n\":5,\"t\":true,\"z\":null}");
  ck_assert_str_eq(leadx_doc_text(doc, "name"), "b");
  ck_assert_str_eq(leadx_doc_text(doc, "Name"), "A");
  ck_assert_ptr_null(leadx_doc_get(doc, "NAME"));
  ck_assert_ptr_null(leadx_doc_text(doc, "n"));
  ck_assert_ptr_null(leadx_doc_text(doc, "none"));
  ck_assert_double_eq(leadx_doc_number(leadx_doc_get(doc, "n")), 5);
  ck_assert_int_eq(leadx_doc_true(leadx_doc_get(doc, "t")), 1);
  ck_assert_int_eq(leadx_doc_true(leadx_doc_get(doc, "n")), 0);
  ck_assert(leadx_doc_is_null(leadx_doc_get(doc, "z")));
  leadx_doc_free(doc);
}
END_TEST

START_TEST(doc_answers_nothing_for_nothing) {
  ck_assert_ptr_null(leadx_doc_get(NULL, "a"));
  ck_assert_ptr_null(leadx_doc_text(NULL, "a"));
  ck_assert_ptr_null(leadx_doc_string(NULL));
  ck_assert_ptr_null(leadx_doc_first(NULL));
  ck_assert_double_eq(leadx_doc_number(NULL), 0);
  ck_assert_int_eq(leadx_doc_true(NULL), 0);
  ck_assert(!leadx_doc_is_object(NULL) && !leadx_doc_is_array(NULL) && !leadx_doc_is_null(NULL));
  leadx_doc_free(NULL);
}
END_TEST

START_TEST(doc_knows_the_kind_of_a_value) {
  leadx_doc *doc = parse("[{},[],\"s\",1,false,null]");
  const leadx_doc *at = leadx_doc_first(doc);
  ck_assert(leadx_doc_is_array(doc) && !leadx_doc_is_object(doc));
  ck_assert(leadx_doc_is_object(at) && !leadx_doc_is_array(at));
  ck_assert(leadx_doc_is_array(at = leadx_doc_next(at)));
  ck_assert(leadx_doc_is_string(at = leadx_doc_next(at)));
  ck_assert_double_eq(leadx_doc_number(at), 0);
  ck_assert(leadx_doc_is_number(at = leadx_doc_next(at)) && !leadx_doc_is_string(at));
  ck_assert(leadx_doc_is_bool(at = leadx_doc_next(at)) && !leadx_doc_true(at));
  ck_assert(leadx_doc_is_null(at = leadx_doc_next(at)));
  ck_assert_ptr_null(leadx_doc_next(at));
  ck_assert_ptr_null(leadx_doc_get(doc, "a"));
  leadx_doc_free(doc);
}
END_TEST

START_TEST(doc_walks_members_in_their_order) {
  leadx_doc *doc = parse("{\"z\":1,\"a\":2,\"m\":3}");
  char names[8] = "";
  for (const leadx_doc *at = leadx_doc_first(doc); at; at = leadx_doc_next(at)) {
    strcat(names, leadx_doc_name(at));
  }
  ck_assert_str_eq(names, "zam");
  leadx_doc_free(doc);
}
END_TEST

/* ---- writing ---- */

static leadx_doc *build(void) {
  leadx_doc *doc = leadx_doc_new_object();
  leadx_doc *list = leadx_doc_new_array();
  leadx_doc *inner = leadx_doc_new_object();
  leadx_doc_push_text(list, "a");
  leadx_doc_add_int(inner, "n", 2);
  leadx_doc_push(list, inner);
  leadx_doc_add_text(doc, "text", "say \"hi\"\n");
  leadx_doc_add_text(doc, "nothing", NULL);
  leadx_doc_add_bool(doc, "yes", 7);
  leadx_doc_add_bool(doc, "no", 0);
  leadx_doc_add_null(doc, "null");
  leadx_doc_add(doc, "list", list);
  return doc;
}

static const char *const built =
    "{\"text\":\"say \\\"hi\\\"\\n\",\"nothing\":null,\"yes\":true,\"no\":false,\"null\":null,"
    "\"list\":[\"a\",{\"n\":2}]}";

START_TEST(doc_prints_what_was_built) {
  leadx_doc *doc = build();
  char *text = leadx_doc_print(doc);
  ck_assert_str_eq(text, built);
  sqlite3_free(text);
  leadx_doc_free(doc);
}
END_TEST

static const int64_t integers[] = {
    0,
    1,
    -1,
    2147483647,
    2147483648,
    -2147483648,
    -2147483649,
    999999999999999,
    1767323045123456,
    9007199254740991,
    9007199254740990,
    -9007199254740991,
};

START_TEST(doc_prints_integers_exactly) {
  char expected[40];
  sqlite3_snprintf(sizeof expected, expected, "{\"n\":%lld}", (long long)integers[_i]);
  leadx_doc *doc = leadx_doc_new_object();
  leadx_doc_add_int(doc, "n", integers[_i]);
  char *text = leadx_doc_print(doc);
  ck_assert_str_eq(text, expected);
  sqlite3_free(text);
  leadx_doc_free(doc);
}
END_TEST

START_TEST(doc_that_lost_a_child_prints_nothing) {
  leadx_doc *doc = leadx_doc_new_object();
  leadx_doc *inner = leadx_doc_new_object();
  leadx_doc_add(inner, "lost", NULL);
  leadx_doc_add(doc, "inner", inner);
  leadx_doc_add_int(doc, "n", 1);
  ck_assert_ptr_null(leadx_doc_print(doc));
  leadx_doc_free(doc);
}
END_TEST

START_TEST(doc_takes_children_over_without_a_parent) {
  leadx_doc_add(NULL, "child", leadx_doc_new_array());
  leadx_doc_push(NULL, leadx_doc_new_array());
  leadx_doc_add_text(NULL, "text", "text");
  leadx_doc_push_text(NULL, "text");
  ck_assert_ptr_null(leadx_doc_print(NULL));
}
END_TEST

/* ---- memory ---- */

/* In the test alone, cJSON allocates through SQLite, whose allocator can be counted and made to
** fail. */
static void *allocate(size_t n) { return sqlite3_malloc64(n); }

static void count_in_sqlite(void) {
  cJSON_Hooks hooks = {allocate, sqlite3_free};
  cJSON_InitHooks(&hooks);
}

static sqlite3_mem_methods real_memory;
static int allocations_left;

static void *failing_malloc(int n) {
  return allocations_left-- > 0 ? real_memory.xMalloc(n) : NULL;
}

/* SQLite's allocator can only be exchanged while the library is shut down. */
static void fail_allocation(int nth) {
  sqlite3_mem_methods methods;
  sqlite3_shutdown();
  sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory);
  methods = real_memory;
  methods.xMalloc = failing_malloc;
  sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
  allocations_left = 1000;
  sqlite3_initialize();
  allocations_left = nth;
}

static void restore_allocation(void) {
  sqlite3_shutdown();
  sqlite3_config(SQLITE_CONFIG_MALLOC, &real_memory);
  sqlite3_initialize();
}

/* Every allocation of the pair fails once: the text is then whole or absent, never short. */
START_TEST(doc_survives_every_failed_allocation) {
  /* which gives back what other tests left to it, like a list of automatic extensions */
  sqlite3_shutdown();
  sqlite3_initialize();
  sqlite3_int64 before = sqlite3_memory_used();
  fail_allocation(_i);
  leadx_doc *doc = build();
  char *text = leadx_doc_print(doc);
  if (text) ck_assert_str_eq(text, built);
  sqlite3_free(text);
  leadx_doc_free(doc);
  restore_allocation();
  ck_assert_int_eq(sqlite3_memory_used(), before);
}
END_TEST

START_TEST(doc_parse_reports_every_failed_allocation) {
  leadx_err err;
  leadx_err_clear(&err);
  fail_allocation(_i);
  leadx_doc *doc = leadx_doc_parse("who", built, strlen(built), &err);
  ck_assert_int_eq(err.rc, doc ? SQLITE_OK : SQLITE_NOMEM);
  leadx_doc_free(doc);
  restore_allocation();
}
END_TEST

START_TEST(doc_frees_all_it_allocates) {
  sqlite3_int64 before = sqlite3_memory_used();
  leadx_doc *doc = build();
  ck_assert_int_gt(sqlite3_memory_used(), before);
  leadx_doc_free(doc);
  ck_assert_int_eq(sqlite3_memory_used(), before);
}
END_TEST

Suite *test_doc_suite(void) {
  Suite *suite = suite_create("doc");
  TCase *tc = tcase_create("doc");
  tcase_add_checked_fixture(tc, count_in_sqlite, NULL);
  tcase_add_loop_test(tc, doc_prints_what_it_read, 0, COUNT(round_trips));
  tcase_add_loop_test(tc, doc_says_where_it_is_not_json, 0, COUNT(refused));
  tcase_add_test(tc, doc_reads_only_its_length);
  tcase_add_test(tc, doc_refuses_what_is_nested_too_deep);
  tcase_add_test(tc, doc_finds_members_by_exact_name);
  tcase_add_test(tc, doc_answers_nothing_for_nothing);
  tcase_add_test(tc, doc_knows_the_kind_of_a_value);
  tcase_add_test(tc, doc_walks_members_in_their_order);
  tcase_add_test(tc, doc_prints_what_was_built);
  tcase_add_loop_test(tc, doc_prints_integers_exactly, 0, COUNT(integers));
  tcase_add_test(tc, doc_that_lost_a_child_prints_nothing);
  tcase_add_test(tc, doc_takes_children_over_without_a_parent);
  tcase_add_loop_test(tc, doc_survives_every_failed_allocation, 0, 45);
  tcase_add_loop_test(tc, doc_parse_reports_every_failed_allocation, 0, 45);
  tcase_add_test(tc, doc_frees_all_it_allocates);
  suite_add_tcase(suite, tc);
  return suite;
}
