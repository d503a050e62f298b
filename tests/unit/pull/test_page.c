/* The addresses of a pull, to the letter. C2, C5 and C13 are the known ways to lose rows by a wrong
** address. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "pull/page.h"
#include "suites.h"

static leadx_err err;
static const leadx_target target = {"https://x.example/rest/v1", "key", NULL, NULL};

static leadx_column one_column[] = {
    {"id", "id", LEADX_UUID, 1, 1, {0}, 0, LEADX_AFFINITY_TEXT, 0, 0, 0, 0},
    {"updated_at", "updated_at", LEADX_TIMESTAMP, 0, 0, {0}, 0, LEADX_AFFINITY_TEXT, 0, 0, 0, 0}};
static leadx_column three_columns[] = {
    {"a", "ka", LEADX_TEXT, 1, 1, {0}, 0, LEADX_AFFINITY_TEXT, 0, 0, 0, 0},
    {"b", "kb", LEADX_INTEGER, 2, 1, {0}, 0, LEADX_AFFINITY_TEXT, 0, 0, 0, 0},
    {"c", "kc", LEADX_TEXT, 3, 1, {0}, 0, LEADX_AFFINITY_TEXT, 0, 0, 0, 0},
    {"changed", "changed at", LEADX_TIMESTAMP, 0, 0, {0}, 0, LEADX_AFFINITY_TEXT, 0, 0, 0, 0}};

static leadx_table simple(void) {
  return (leadx_table){.name = "customers",
                       .remote = "customers",
                       .version_remote = "updated_at",
                       .columns = one_column,
                       .ncolumns = 2,
                       .key = {0},
                       .nkey = 1};
}

static leadx_table composite(int nkey) {
  return (leadx_table){.name = "t",
                       .remote = "a b",
                       .version_remote = "changed at",
                       .columns = three_columns,
                       .ncolumns = 4,
                       .key = {0, 1, 2},
                       .nkey = nkey};
}

/* Frees the request and checks its URL behind the server's address. */
static void expect(leadx_request *request, const char *url) {
  ck_assert_ptr_nonnull(request);
  ck_assert_str_eq(request->method, "GET");
  ck_assert_ptr_null(request->body);
  ck_assert_str_eq(request->url + strlen(target.url), url);
  leadx_request_free(request);
}

START_TEST(the_first_page_has_no_condition) {
  leadx_table table = simple();
  leadx_place place = {NULL, NULL};
  expect(leadx_page_request(&target, &table, &place, 500, NULL, &err),
         "/customers?select=*&order=updated_at.asc,id.asc&limit=500");
}
END_TEST

/* C2, C13: by keyset, in the form that reads an index; C5: the plus of an offset is escaped. */
START_TEST(the_next_page_begins_behind_version_and_key) {
  leadx_table table = simple();
  leadx_place place = {"2026-01-02T03:04:05.123456+00:00", "b-7"};
  expect(leadx_page_request(&target, &table, &place, 7, NULL, &err),
         "/customers?select=*&updated_at=gte.2026-01-02T03%3A04%3A05.123456%2B00%3A00"
         "&or=(updated_at.gt.%222026-01-02T03%3A04%3A05.123456%2B00%3A00%22,id.gt.b-7)&order="
         "updated_at.asc,id.asc&limit=7");
}
END_TEST

START_TEST(a_place_without_a_key_takes_all_of_its_version) {
  leadx_table table = simple();
  leadx_place place = {"2026-01-02T03:04:05Z", NULL};
  expect(leadx_page_request(&target, &table, &place, 7, "exact", &err),
         "/customers?select=*&updated_at=gte.2026-01-02T03%3A04%3A05Z&order=updated_at.asc,id.asc&"
         "limit=7");
}
END_TEST

START_TEST(rows_without_a_version_have_pages_of_their_own) {
  leadx_table table = simple();
  leadx_place before = {NULL, ""}, behind = {NULL, "b"};
  expect(leadx_page_request(&target, &table, &before, 7, NULL, &err),
         "/customers?select=*&updated_at=is.null&order=updated_at.asc,id.asc&limit=7");
  expect(leadx_page_request(&target, &table, &behind, 7, NULL, &err),
         "/customers?select=*&updated_at=is.null&or=(id.gt.b)&order=updated_at.asc,id.asc&limit=7");
}
END_TEST

START_TEST(a_key_of_several_columns_is_compared_column_by_column) {
  leadx_table table = composite(3);
  leadx_place place = {"5", "[\"x,y\",12,\"say \\\"hi\\\"\"]"};
  expect(leadx_page_request(&target, &table, &place, 7, NULL, &err),
         "/a%20b?select=*&%22changed%20at%22=gte.5&or=(%22changed%20at%22.gt.5,ka.gt.%22x%2Cy%22,"
         "and(ka.eq.%22x%2Cy%22,or(kb.gt.12,and(kb.eq.12,or(kc.gt.%22say%20%5C%22hi%5C%22%22)))))&"
         "order=%22changed%20at%22.asc,ka.asc,kb.asc,kc.asc&limit=7");
}
END_TEST

START_TEST(the_filter_of_a_table_stands_in_every_address) {
  leadx_table table = simple();
  leadx_place place = {NULL, NULL};
  char *keys[] = {"a"};
  table.filter = "city=eq.Solo";
  expect(leadx_page_request(&target, &table, &place, 7, NULL, &err),
         "/customers?select=*&city=eq.Solo&order=updated_at.asc,id.asc&limit=7");
  expect(leadx_page_keys_request(&target, &table, NULL, 0, 7, &err),
         "/customers?select=id,updated_at&city=eq.Solo&order=id.asc&limit=7");
  expect(leadx_page_rows_request(&target, &table, keys, 1, &err),
         "/customers?select=*&id=in.(a)&city=eq.Solo");
}
END_TEST

START_TEST(keys_come_in_their_own_order_with_the_mark_of_a_soft_delete_where_it_counts) {
  leadx_table table = simple();
  table.soft_delete_column = "deleted_at";
  expect(leadx_page_keys_request(&target, &table, "b", 1, 7, &err),
         "/customers?select=id,updated_at,deleted_at&or=(id.gt.b)&order=id.asc&limit=7");
}
END_TEST

START_TEST(rows_are_asked_for_by_their_keys) {
  leadx_table table = simple(), two = composite(2);
  char *keys[] = {"a", "b,c", "+1"}, *pairs[] = {"[\"a\",1]", "[\"b)\",2]"};
  expect(leadx_page_rows_request(&target, &table, keys, 3, &err),
         "/customers?select=*&id=in.(a,%22b%2Cc%22,%22%2B1%22)");
  expect(leadx_page_rows_request(&target, &two, pairs, 2, &err),
         "/a%20b?select=*&or=(and(ka.eq.a,kb.eq.1),and(ka.eq.%22b%29%22,kb.eq.2))");
}
END_TEST

START_TEST(a_count_is_asked_for_only_when_it_is_wanted) {
  static const char *const counts[] = {NULL, "exact", "planned"};
  leadx_table table = simple();
  leadx_place place = {NULL, NULL};
  for (int c = 0; c < 3; c++) {
    leadx_request *request = leadx_page_request(&target, &table, &place, 7, counts[c], &err);
    char wanted[40] = "";
    if (counts[c]) snprintf(wanted, sizeof wanted, "Prefer: count=%s", counts[c]);
    for (int i = 0; i < request->nheaders; i++) {
      int prefers = strncmp(request->headers[i], "Prefer:", 7) == 0;
      ck_assert_msg(!prefers || strcmp(request->headers[i], wanted) == 0, "%s",
                    request->headers[i]);
      if (prefers) wanted[0] = '\0';
    }
    ck_assert_str_eq(wanted, "");
    leadx_request_free(request);
  }
}
END_TEST

START_TEST(the_bytes_of_a_key_are_never_underestimated) {
  leadx_table table = simple(), two = composite(2);
  char *keys[] = {"\"%+, \"%+, \"%+, "}, *pairs[] = {"[\"\\\"%+, \",123456789]"};
  leadx_request *request = leadx_page_rows_request(&target, &table, keys, 1, &err);
  size_t bytes = strlen(strchr(request->url, '(')) - 2;
  ck_assert_uint_le(bytes, leadx_page_key_bytes(&table, keys[0]) + strlen(keys[0]));
  leadx_request_free(request);
  request = leadx_page_rows_request(&target, &two, pairs, 1, &err);
  ck_assert_uint_le(strlen(strchr(request->url, '(')) - 2, leadx_page_key_bytes(&two, pairs[0]));
  leadx_request_free(request);
}
END_TEST

Suite *test_page_suite(void) {
  Suite *suite = suite_create("page");
  TCase *tcase = tcase_create("urls");
  tcase_add_test(tcase, the_first_page_has_no_condition);
  tcase_add_test(tcase, the_next_page_begins_behind_version_and_key);
  tcase_add_test(tcase, a_place_without_a_key_takes_all_of_its_version);
  tcase_add_test(tcase, rows_without_a_version_have_pages_of_their_own);
  tcase_add_test(tcase, a_key_of_several_columns_is_compared_column_by_column);
  tcase_add_test(tcase, the_filter_of_a_table_stands_in_every_address);
  tcase_add_test(tcase,
                 keys_come_in_their_own_order_with_the_mark_of_a_soft_delete_where_it_counts);
  tcase_add_test(tcase, rows_are_asked_for_by_their_keys);
  tcase_add_test(tcase, a_count_is_asked_for_only_when_it_is_wanted);
  tcase_add_test(tcase, the_bytes_of_a_key_are_never_underestimated);
  suite_add_tcase(suite, tcase);
  return suite;
}
