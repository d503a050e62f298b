#include <string.h>

#include "push/conflict.h"
#include "suites.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

/* One column per row: S keeps the server's, C the client's, ? asks; an upper-case "X" behind it
** marks a contested column. A time of -1 is not known. */
typedef struct column_case {
  leadx_policy policy;
  const char *base, *client, *server;
  int client_time, server_time;
  const char *expected;
} column_case;

#define TIMESTAMP LEADX_POLICY_TIMESTAMP
#define MERGE LEADX_POLICY_MERGE
#define CLIENT LEADX_POLICY_CLIENT
#define SERVER LEADX_POLICY_SERVER
#define MANUAL LEADX_POLICY_MANUAL

static const column_case agreed[] = {
    /* Both sides say the same: nothing to decide, whatever the base, policy and times. */
    {TIMESTAMP, "1", "2", "2", 9, 1, "S"},
    {TIMESTAMP, "", "2", "2", -1, -1, "S"},
    {MERGE, "1", "2", "2", 5, 5, "S"},
    {CLIENT, "1", "2", "2", 1, 9, "S"},
    {SERVER, "1", "2", "2", 9, 1, "S"},
    {MANUAL, "1", "2", "2", 5, 5, "S"},
    {MANUAL, "", "null", "null", 5, 5, "S"},
    {MANUAL, "1", "1", "1", 5, 5, "S"},
    /* The same by meaning. */
    {MANUAL, "0", "1", "1.0", 5, 5, "S"},
    {MANUAL, "0", "100", "1e2", 5, 5, "S"},
    {MANUAL, "\"\"", "\"\\u00e9\"", "\"\xC3\xA9\"", 5, 5, "S"},
    {MANUAL, "{}", "{\"a\":1,\"b\":2}", "{ \"b\" : 2, \"a\" : 1.00 }", 5, 5, "S"},
};

static const column_case one_sided[] = {
    /* Only the client changed it. */
    {TIMESTAMP, "1", "2", "1", 1, 9, "C"},
    {TIMESTAMP, "1", "2", "1", 5, 5, "C"},
    {TIMESTAMP, "1", "2", "1", -1, -1, "C"},
    {TIMESTAMP, "1", "2", "1.0", 1, 9, "C"},
    {MERGE, "1", "2", "1", 1, 9, "C"},
    {CLIENT, "1", "2", "1", 1, 9, "C"},
    {SERVER, "1", "2", "1", 1, 9, "C"},
    {MANUAL, "1", "2", "1", 1, 9, "C"},
    {SERVER, "null", "\"x\"", "null", 1, 9, "C"},
    {SERVER, "\"x\"", "null", "\"x\"", 1, 9, "C"},
    /* Only the server changed it. */
    {TIMESTAMP, "1", "1", "2", 9, 1, "S"},
    {MERGE, "1", "1", "2", 9, 1, "S"},
    {CLIENT, "1", "1", "2", 9, 1, "S"},
    {SERVER, "1", "1", "2", 9, 1, "S"},
    {MANUAL, "1", "1.00", "2", -1, -1, "S"},
    {CLIENT, "null", "null", "0", 9, 1, "S"},
};

static const column_case contested[] = {
    {TIMESTAMP, "1", "2", "3", 9, 1, "CX"},
    {TIMESTAMP, "1", "2", "3", 1, 9, "SX"},
    {TIMESTAMP, "1", "2", "3", 5, 5, "?X"},
    {TIMESTAMP, "1", "2", "3", -1, 5, "?X"},
    {TIMESTAMP, "1", "2", "3", 5, -1, "?X"},
    {TIMESTAMP, "1", "2", "3", -1, -1, "?X"},
    {TIMESTAMP, "1", "2", "3", 6, 5, "CX"},
    {TIMESTAMP, "1", "2", "3", 5, 6, "SX"},
    {MERGE, "1", "2", "3", 9, 1, "CX"},
    {MERGE, "1", "2", "3", 1, 9, "SX"},
    {MERGE, "1", "2", "3", 5, 5, "?X"},
    {MERGE, "1", "2", "3", -1, 5, "?X"},
    {MERGE, "1", "2", "3", 5, -1, "?X"},
    {CLIENT, "1", "2", "3", 1, 9, "CX"},
    {CLIENT, "1", "2", "3", 5, 5, "CX"},
    {CLIENT, "1", "2", "3", -1, -1, "CX"},
    {SERVER, "1", "2", "3", 9, 1, "SX"},
    {SERVER, "1", "2", "3", 5, 5, "SX"},
    {SERVER, "1", "2", "3", -1, -1, "SX"},
    {MANUAL, "1", "2", "3", 9, 1, "?X"},
    {MANUAL, "1", "2", "3", 1, 9, "?X"},
    {MANUAL, "1", "2", "3", -1, -1, "?X"},
    /* Values that look alike and are not. */
    {MANUAL, "1", "\"1\"", "true", 5, 5, "?X"},
    {TIMESTAMP, "null", "\"\"", "0", 9, 1, "CX"},
    {TIMESTAMP, "1", "9007199254740993", "9007199254740992", 9, 1, "CX"},
    {TIMESTAMP, "[]", "[1,2]", "[2,1]", 1, 9, "SX"},
    {TIMESTAMP, "\"a\"", "\"A\"", "\"b\"", 1, 9, "SX"},
    /* No base is known: as if both had changed it. */
    {TIMESTAMP, "", "2", "3", 9, 1, "CX"},
    {TIMESTAMP, "", "2", "3", 1, 9, "SX"},
    {TIMESTAMP, "", "2", "3", 5, 5, "?X"},
    {MERGE, "", "2", "3", 9, 1, "CX"},
    {CLIENT, "", "2", "3", 1, 9, "CX"},
    {SERVER, "", "2", "3", 9, 1, "SX"},
    {MANUAL, "", "2", "3", 9, 1, "?X"},
    /* The server's row lacks the column. */
    {TIMESTAMP, "1", "2", "", 9, 1, "CX"},
    {MANUAL, "1", "2", "", 9, 1, "?X"},
};

static leadx_conflict_instant at(int time) { return (leadx_conflict_instant){time >= 0, time}; }

static leadx_slice slice(const char *text) {
  leadx_slice value = {NULL, 0};
  if (*text) ck_assert_ptr_null(leadx_json_check(text, strlen(text), 0, &value, NULL));
  return value;
}

static void check_case(const column_case *c) {
  leadx_conflict_column column = {
      .name = "c", .base = slice(c->base), .client = slice(c->client), .server = slice(c->server)};
  leadx_conflict_summary summary = leadx_conflict_decide(c->policy, at(c->client_time),
                                                         at(c->server_time), &column, 1);
  char take = "SC?"[column.take];
  ck_assert_msg(take == c->expected[0], "%s: base %s client %s server %s: took %c, expected %s",
                leadx_policy_name(c->policy), c->base, c->client, c->server, take, c->expected);
  ck_assert_int_eq(column.is_contested, c->expected[1] == 'X');
  ck_assert_int_eq(summary.has_contested, c->expected[1] == 'X');
  ck_assert_int_eq(summary.has_ask, take == '?');
}

START_TEST(conflict_is_none_when_both_sides_agree) { check_case(&agreed[_i]); }
END_TEST

START_TEST(conflict_is_none_when_one_side_changed) { check_case(&one_sided[_i]); }
END_TEST

START_TEST(conflict_is_decided_by_policy_when_contested) { check_case(&contested[_i]); }
END_TEST

START_TEST(conflict_keeps_both_edits_of_different_columns_under_every_policy) {
  leadx_conflict_column columns[] = {
      {.name = "name", .base = slice("1"), .client = slice("2"), .server = slice("1")},
      {.name = "phone", .base = slice("1"), .client = slice("1"), .server = slice("3")},
  };
  leadx_conflict_summary summary = leadx_conflict_decide((leadx_policy)_i, at(5), at(5), columns,
                                                         2);
  ck_assert_int_eq(columns[0].take, LEADX_TAKE_CLIENT);
  ck_assert_int_eq(columns[1].take, LEADX_TAKE_SERVER);
  ck_assert_int_eq(summary.has_contested, 0);
  ck_assert_int_eq(summary.has_ask, 0);
}
END_TEST

START_TEST(conflict_at_the_same_instant_merges_and_asks_only_for_the_contested) {
  leadx_conflict_column columns[] = {
      {.name = "a", .base = slice("1"), .client = slice("2"), .server = slice("1")},
      {.name = "b", .base = slice("1"), .client = slice("2"), .server = slice("3")},
      {.name = "c", .base = slice("1"), .client = slice("2"), .server = slice("2")},
  };
  leadx_conflict_summary summary = leadx_conflict_decide(TIMESTAMP, at(5), at(5), columns, 3);
  ck_assert_int_eq(columns[0].take, LEADX_TAKE_CLIENT);
  ck_assert_int_eq(columns[1].take, LEADX_TAKE_ASK);
  ck_assert_int_eq(columns[2].take, LEADX_TAKE_SERVER);
  ck_assert_int_eq(summary.has_contested, 1);
  ck_assert_int_eq(summary.has_ask, 1);
}
END_TEST

START_TEST(conflict_of_no_columns_decides_nothing) {
  leadx_conflict_summary summary = leadx_conflict_decide(MANUAL, at(-1), at(-1), NULL, 0);
  ck_assert_int_eq(summary.has_contested, 0);
  ck_assert_int_eq(summary.has_ask, 0);
}
END_TEST

START_TEST(conflict_compares_far_instants_without_overflow) {
  leadx_conflict_column column = {.base = slice("1"), .client = slice("2"), .server = slice("3")};
  leadx_conflict_decide(TIMESTAMP, (leadx_conflict_instant){1, INT64_MAX},
                        (leadx_conflict_instant){1, INT64_MIN}, &column, 1);
  ck_assert_int_eq(column.take, LEADX_TAKE_CLIENT);
}
END_TEST

START_TEST(policy_reads_back_its_name) {
  leadx_policy policy = LEADX_POLICY_MANUAL;
  ck_assert_int_eq(leadx_policy_parse(leadx_policy_name((leadx_policy)_i), &policy), 0);
  ck_assert_int_eq(policy, _i);
}
END_TEST

static const char *const no_policies[] = {"", "Timestamp", "merge ", "newest", "time"};

START_TEST(policy_refuses_other_names) {
  leadx_policy policy = LEADX_POLICY_MERGE;
  ck_assert_int_eq(leadx_policy_parse(no_policies[_i], &policy), 1);
  ck_assert_int_eq(policy, LEADX_POLICY_MERGE);
}
END_TEST

START_TEST(take_has_a_name) {
  static const char *const names[] = {"server", "client", "ask"};
  ck_assert_str_eq(leadx_take_name((leadx_take)_i), names[_i]);
}
END_TEST

Suite *test_conflict_suite(void) {
  Suite *suite = suite_create("conflict");
  TCase *tc = tcase_create("conflict");
  tcase_add_loop_test(tc, conflict_is_none_when_both_sides_agree, 0, COUNT(agreed));
  tcase_add_loop_test(tc, conflict_is_none_when_one_side_changed, 0, COUNT(one_sided));
  tcase_add_loop_test(tc, conflict_is_decided_by_policy_when_contested, 0, COUNT(contested));
  tcase_add_loop_test(tc, conflict_keeps_both_edits_of_different_columns_under_every_policy, 0,
                      LEADX_POLICY_COUNT);
  tcase_add_test(tc, conflict_at_the_same_instant_merges_and_asks_only_for_the_contested);
  tcase_add_test(tc, conflict_of_no_columns_decides_nothing);
  tcase_add_test(tc, conflict_compares_far_instants_without_overflow);
  tcase_add_loop_test(tc, policy_reads_back_its_name, 0, LEADX_POLICY_COUNT);
  tcase_add_loop_test(tc, policy_refuses_other_names, 0, COUNT(no_policies));
  tcase_add_loop_test(tc, take_has_a_name, 0, 3);
  suite_add_tcase(suite, tc);
  return suite;
}
