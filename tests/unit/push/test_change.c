/* The net effect of a row's unsent changes: all pairs and triples of actions, nothing or something
** of it sent before. B16 is the way to lose data that this stands against. */
#include <stdio.h>
#include <string.h>

#include "push/change.h"
#include "push_device.h"
#include "suites.h"
#include "store/tables.h"

static sqlite3 *handle;
static leadx_db db;
static leadx_err err;
static leadx_tables tables;
static leadx_window window;
static leadx_change change;

int sqlite3_leadx_init(sqlite3 *handle, char **error, const void *api);

static void set_up(void) {
  memset(&db, 0, sizeof db);
  memset(&change, 0, sizeof change);
  leadx_err_clear(&err);
  ck_assert_int_eq(sqlite3_open(":memory:", &handle), SQLITE_OK);
  ck_assert_int_eq(sqlite3_leadx_init(handle, NULL, NULL), SQLITE_OK);
  db.handle = handle;
  run_on(handle, "CREATE TABLE customers(id TEXT PRIMARY KEY NOT NULL, name TEXT, city TEXT);"
                 "CREATE TABLE lines(a TEXT, b INTEGER, n INT, PRIMARY KEY(a, b)); CREATE TABLE "
                 "counts(id INTEGER PRIMARY KEY, n INT);"
                 "SELECT leadx_track('*')");
}

static void tear_down(void) {
  leadx_change_unload(&change);
  leadx_window_clear(&window);
  leadx_tables_clear(&tables);
  leadx_db_release(&db);
  ck_assert_int_eq(sqlite3_close(handle), SQLITE_OK);
}

/* Loads the one row of the queue as a change. */
static void load(const char *sql) {
  run_on(handle, sql);
  ck_assert_msg(leadx_tables_load(&db, "test", &tables, &err) == SQLITE_OK, "%s", err.text);
  ck_assert_msg(leadx_window_load(&db, &tables, "", 0, 100, &window, &err) == SQLITE_OK, "%s",
                err.text);
  ck_assert_int_gt(window.n, 0);
  change.table = window.members[0].table;
  change.key = window.members[0].key;
  change.members = window.members;
  change.nmembers = window.n;
  ck_assert_msg(leadx_change_load(&db, &change, &err) == SQLITE_OK, "%s", err.text);
}

static char *object(int changed_only) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  leadx_change_append_object(&change, changed_only, out);
  return sqlite3_str_finish(out);
}

static void assert_object(int changed_only, const char *expected) {
  char *text = object(changed_only);
  ck_assert_str_eq(text, expected);
  sqlite3_free(text);
}

static void assert_base(const char *expected) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  leadx_change_append_base(&change, out);
  char *text = sqlite3_str_finish(out);
  ck_assert_str_eq(text, expected);
  sqlite3_free(text);
}

/* ---- folding ---- */

/* What an honest book-keeper says who knows which rows may be on the server: bit 0 it may be there,
** bit 1 it may be absent. Before the first member: a CREATE means absent, anything else present. */
static leadx_action oracle(const leadx_action *actions, int n, int nsent) {
  int there = actions[0] != LEADX_CREATE, maybe_there = there, maybe_absent = !there;
  int exists = there;
  for (int i = 0; i < n; i++) {
    exists = actions[i] != LEADX_DELETE;
    if (i < nsent) {
      maybe_there |= exists;
      maybe_absent |= !exists;
    }
  }
  if (!exists) return maybe_there ? LEADX_DELETE : LEADX_NOTHING;
  if (!maybe_there) return LEADX_CREATE;
  return there || nsent == 0 ? LEADX_UPDATE
                             : LEADX_NOTHING; /* NOTHING here: either will do, see below */
}

/* A row that was made and removed here cannot be changed or removed once more: only a CREATE can
** follow. */
static int is_impossible(const leadx_action *actions, int n) {
  int was_made = actions[0] == LEADX_CREATE, exists = 1;
  for (int i = 0; i < n; i++) {
    if (was_made && !exists && actions[i] != LEADX_CREATE) return 1;
    exists = actions[i] != LEADX_DELETE;
  }
  return 0;
}

/* B16: every sequence of two and three, with none, one, … of them sent. */
START_TEST(every_pair_and_triple_of_changes_has_its_net_effect) {
  leadx_member members[3];
  leadx_action actions[3];
  int n = _i < 9 ? 2 : 3, code = _i < 9 ? _i : _i - 9;
  for (int i = 0; i < n; i++, code /= 3) actions[i] = (leadx_action)(LEADX_CREATE + code % 3);
  for (int nsent = 0; nsent <= n && !is_impossible(actions, n); nsent++) {
    memset(members, 0, sizeof members);
    for (int i = 0; i < n; i++) {
      members[i].action = actions[i];
      members[i].sent = i < nsent;
    }
    leadx_change folded = {.members = members, .nmembers = n};
    leadx_change_fold(&folded);
    leadx_action expected = oracle(actions, n, nsent);
    char text[80];
    snprintf(text, sizeof text, "%s %s %s, %d sent", leadx_action_name(actions[0]),
             leadx_action_name(actions[1]), n > 2 ? leadx_action_name(actions[2]) : "", nsent);
    if (expected == LEADX_NOTHING && actions[n - 1] != LEADX_DELETE) {
      /* The CREATE may stand or not: a CREATE that compares, or an UPDATE that makes the row where
      ** it is gone. */
      ck_assert_msg(folded.action == LEADX_CREATE ||
                        (folded.action == LEADX_UPDATE && folded.recreate),
                    "%s: %s", text, leadx_action_name(folded.action));
    } else {
      ck_assert_msg(folded.action == expected, "%s: %s, not %s", text,
                    leadx_action_name(folded.action), leadx_action_name(expected));
    }
    ck_assert_int_eq(folded.sent, nsent > 0);
  }
}
END_TEST

static const struct pair {
  leadx_action first, second, fresh, sent;
} pairs[] = {
    {LEADX_CREATE, LEADX_CREATE, LEADX_CREATE, LEADX_CREATE},
    {LEADX_CREATE, LEADX_UPDATE, LEADX_CREATE, LEADX_CREATE},
    {LEADX_CREATE, LEADX_DELETE, LEADX_NOTHING, LEADX_DELETE},
    {LEADX_UPDATE, LEADX_CREATE, LEADX_UPDATE, LEADX_UPDATE},
    {LEADX_UPDATE, LEADX_UPDATE, LEADX_UPDATE, LEADX_UPDATE},
    {LEADX_UPDATE, LEADX_DELETE, LEADX_DELETE, LEADX_DELETE},
    {LEADX_DELETE, LEADX_CREATE, LEADX_UPDATE, LEADX_UPDATE},
    {LEADX_DELETE, LEADX_UPDATE, LEADX_UPDATE, LEADX_UPDATE},
    {LEADX_DELETE, LEADX_DELETE, LEADX_DELETE, LEADX_DELETE},
};

/* B16: the table as the design writes it. */
START_TEST(the_table_of_pairs_is_as_designed) {
  leadx_member members[2] = {{.action = pairs[_i].first}, {.action = pairs[_i].second}};
  leadx_change folded = {.members = members, .nmembers = 2};
  leadx_change_fold(&folded);
  ck_assert_int_eq(folded.action, pairs[_i].fresh);
  members[0].sent = 1;
  leadx_change_fold(&folded);
  ck_assert_int_eq(folded.action, pairs[_i].sent);
}
END_TEST

/* ---- payloads ---- */

#define KNOWN \
  "INSERT INTO customers VALUES ('c1', 'Ani', 'Solo'); UPDATE sync_queue SET status = 'SYNCED';"

#define KNOWN_BY_SERVER \
  KNOWN \
  "INSERT INTO leadx_shadow(entity, key, version) VALUES ('customer', 'c1', " \
  "'2024-01-01T00:00:00+00:00');"

START_TEST(a_create_and_its_updates_are_one_row_with_the_newest_values) {
  load("INSERT INTO customers VALUES ('c1', 'Ani', 'Solo'); UPDATE customers SET name = 'Budi'; "
       "UPDATE customers SET city = 'Bogor'");
  ck_assert_int_eq(change.action, LEADX_CREATE);
  assert_object(0, "{\"id\":\"c1\",\"name\":\"Budi\",\"city\":\"Bogor\"}");
}
END_TEST

START_TEST(the_oldest_base_wins_and_only_changed_columns_go) {
  load(KNOWN "UPDATE customers SET name = 'Budi'; UPDATE customers SET name = 'Citra'");
  ck_assert_int_eq(change.action, LEADX_UPDATE);
  assert_object(1, "{\"name\":\"Citra\"}");
  assert_base("{\"name\":\"Ani\"}");
}
END_TEST

START_TEST(a_column_that_came_back_is_not_sent) {
  load(KNOWN
       "UPDATE customers SET name = 'Budi', city = 'Bogor'; UPDATE customers SET name = 'Ani'");
  assert_object(1, "{\"city\":\"Bogor\"}");
}
END_TEST

/* What a statement writes again is no edit of it, however it is spelled, and although another column of
** the row was on the wire. */
START_TEST(a_column_that_was_written_as_it_was_is_not_sent) {
  run_on(
      handle,
      "CREATE TABLE visits(id TEXT PRIMARY KEY NOT NULL, at TEXT, note TEXT); SELECT leadx_track("
      "'visits', '{\"columns\":{\"at\":{\"type\":\"timestamp\"}}}'); INSERT INTO visits VALUES "
      "('v', '2026-01-01T00:00:00+00:00', 'a'); UPDATE sync_queue SET status = 'SYNCED'; "
      "INSERT INTO leadx_shadow(entity, key, version) VALUES ('visit', 'v', '1'); "
      "UPDATE visits SET note = 'b'; UPDATE sync_queue SET sent_at = 'x' WHERE status <> 'SYNCED'");
  load("UPDATE visits SET at = '2026-01-01T00:00:00.000Z', note = 'c'");
  assert_object(1, "{\"note\":\"c\"}");
}
END_TEST

START_TEST(an_edit_back_to_the_old_value_is_nothing) {
  load(KNOWN "UPDATE customers SET name = 'Budi'; UPDATE customers SET name = 'Ani'");
  ck_assert_int_eq(change.action, LEADX_NOTHING);
}
END_TEST

/* B5 */
START_TEST(an_edit_back_to_the_old_value_is_sent_when_the_other_may_have_arrived) {
  load(KNOWN "UPDATE customers SET name = 'Budi'; UPDATE sync_queue SET sent_at = 'x'; UPDATE "
             "customers SET name = 'Ani'");
  ck_assert_int_eq(change.action, LEADX_UPDATE);
  assert_object(1, "{\"name\":\"Ani\"}");
}
END_TEST

START_TEST(a_row_deleted_and_made_again_starts_from_the_deleted_one) {
  load(KNOWN "DELETE FROM customers; INSERT INTO customers VALUES ('c1', 'Citra', 'Solo')");
  ck_assert_int_eq(change.action, LEADX_UPDATE);
  ck_assert_int_eq(change.recreate, 1);
  assert_base("{\"id\":\"c1\",\"name\":\"Ani\",\"city\":\"Solo\"}");
}
END_TEST

/* REPLACE tells no trigger of the row that it removes. */
START_TEST(a_row_that_was_replaced_and_then_deleted_goes_from_the_server) {
  load(KNOWN_BY_SERVER
       "INSERT OR REPLACE INTO customers VALUES ('c1', 'Citra', 'Solo'); DELETE FROM customers");
  ck_assert_int_eq(change.action, LEADX_DELETE);
  ck_assert_str_eq(change.version, "2024-01-01T00:00:00+00:00");
}
END_TEST

static leadx_slice slice(const char *json) {
  leadx_slice value = {NULL, 0};
  ck_assert_ptr_null(leadx_json_check(json, strlen(json), 0, &value, NULL));
  return value;
}

/* Ours is there when every column that changed has our value; a row that does not say so has
** not. */
START_TEST(a_row_without_a_changed_column_does_not_prove_that_the_change_arrived) {
  load(KNOWN "UPDATE customers SET name = 'Budi', city = 'Bogor'");
  ck_assert_int_eq(
      leadx_change_satisfied(
          &change, slice("{\"id\":\"c1\",\"name\":\"Budi\",\"city\":\"Bogor\",\"other\":1}"), &err),
      1);
  ck_assert_int_eq(leadx_change_satisfied(
                       &change, slice("{\"id\":\"c1\",\"name\":\"Budi\",\"city\":\"Solo\"}"), &err),
                   0);
  ck_assert_int_eq(
      leadx_change_satisfied(&change, slice("{\"id\":\"c1\",\"name\":\"Budi\"}"), &err), 0);
  ck_assert_int_eq(leadx_change_satisfied(&change, slice("{\"id\":\"c1\"}"), &err), 0);
  ck_assert_int_eq(err.rc, SQLITE_OK);
}
END_TEST

/* A key that is a text here may be a number or a uuid there. */
START_TEST(a_row_is_recognised_however_the_server_writes_its_key) {
  load("INSERT INTO customers VALUES ('17', 'Ani', 'Solo')");
  ck_assert_int_eq(leadx_change_is_row(&change, slice("{\"id\":\"17\"}"), &err), 1);
  ck_assert_int_eq(leadx_change_is_row(&change, slice("{\"id\":17}"), &err), 1);
  ck_assert_int_eq(leadx_change_is_row(&change, slice("{\"id\":18}"), &err), 0);
  ck_assert_int_eq(leadx_change_is_row(&change, slice("{\"id\":170}"), &err), 0);
  ck_assert_int_eq(leadx_change_is_row(&change, slice("{\"id\":null}"), &err), 0);
  ck_assert_int_eq(leadx_change_is_row(&change, slice("{\"name\":\"17\"}"), &err), 0);
}
END_TEST

START_TEST(a_create_of_a_row_the_server_has_is_an_update) {
  load("INSERT INTO customers VALUES ('c1', 'Ani', 'Solo'); INSERT INTO leadx_shadow(entity, key, "
       "version) VALUES ('customer', 'c1', '2024-01-01T00:00:00+00:00')");
  ck_assert_int_eq(change.action, LEADX_UPDATE);
  ck_assert_str_eq(change.version, "2024-01-01T00:00:00+00:00");
}
END_TEST

#define ENQUEUE "INSERT INTO sync_queue(id, entity_type, entity_id, action, payload) VALUES "

START_TEST(an_application_s_partial_payload_sends_what_it_has_and_gets_its_key) {
  load(ENQUEUE "('q1', 'customer', 'c1', 'CREATE', '{\"name\":\"Ani\"}')");
  assert_object(0, "{\"name\":\"Ani\",\"id\":\"c1\"}");
  leadx_change_unload(&change);
  leadx_window_clear(&window);
  leadx_tables_clear(&tables);
  load("DELETE FROM sync_queue;" ENQUEUE
       "('q1', 'customer', 'c1', 'UPDATE', '{\"city\":\"Solo\",\"colour\":\"red\"}')");
  assert_object(1, "{\"city\":\"Solo\",\"colour\":\"red\"}");
  ck_assert_int_eq(leadx_change_has_extras(&change), 1);
}
END_TEST

START_TEST(keys_travel_in_the_type_they_have) {
  load(ENQUEUE "('q1', 'counts', '7', 'CREATE', '{\"n\":1}')");
  assert_object(0, "{\"n\":1,\"id\":7}");
  leadx_change_unload(&change);
  leadx_window_clear(&window);
  leadx_tables_clear(&tables);
  load("DELETE FROM sync_queue;" ENQUEUE "('q1', 'lines', '[\"x\",2]', 'CREATE', '{\"n\":1}')");
  assert_object(0, "{\"n\":1,\"a\":\"x\",\"b\":2}");
}
END_TEST

/* ---- the edit's own time ---- */

/* What a change of a table with a version column says about when it was made. */
static const struct moment {
  const char *id, *created, *updated;
  int64_t us; /* -1: nobody can tell */
} moments[] = {
    {"q1", "2026-11-25 10:00:00", "null", 1795600800000000},
    {"q1", "2026-11-25 10:00:00", "\"2026-11-25T17:00:00.25+07:00\"", 1795600800250000},
    {"q1", "2026-11-25 10:00:00", "\"yesterday\"", -1},
    {"q1", "once", "null", -1},
    /* The id knows the millisecond that CURRENT_TIMESTAMP cut off… */
    {"01a21225-da39-7000-8000-5f3b0e8a1c2d", "2026-11-25 10:00:00", "null", 1795600800313000},
    {"01a21225-da39-7000-8000-5f3b0e8a1c2d", "2026-11-25 10:00:00", "\"2026-11-25T10:00:00Z\"",
     1795600800000000},
    {"01a21225-da39-7000-8000-5f3b0e8a1c2d", "once", "null", -1},
    /* …unless somebody says otherwise, or it is none of ours. */
    {"01a21225-da39-7000-8000-5f3b0e8a1c2d", "2026-11-25 10:00:01", "null", 1795600801000000},
    {"01a21225-da39-7000-8000-5f3b0e8a1c2d", "2026-11-25 09:59:59", "null", 1795600799000000},
    {"01a21225-da39-7000-8000-5f3b0e8a1c2d", "2026-11-25 10:00:00.5", "null", 1795600800500000},
    {"01a21225-da39-4000-8000-5f3b0e8a1c2d", "2026-11-25 10:00:00", "null", 1795600800000000},
    {"01a21225-daXX-7000-8000-5f3b0e8a1c2d", "2026-11-25 10:00:00", "null", 1795600800000000},
};

START_TEST(an_edit_s_time_is_the_application_s_stamp_or_when_it_was_queued) {
  const struct moment *m = &moments[_i];
  char sql[600];
  snprintf(sql, sizeof sql,
           "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, updated_at TEXT); SELECT "
           "leadx_track('notes');"
           "INSERT INTO sync_queue(id, entity_type, entity_id, action, payload, created_at) VALUES"
           "('%s', 'notes', 'n', 'CREATE', '{\"id\":\"n\",\"updated_at\":%s}', '%s')",
           m->id, m->updated, m->created);
  load(sql);
  ck_assert_int_eq(change.client_us_known, m->us >= 0);
  if (m->us >= 0) ck_assert_int_eq(change.client_us, m->us);
}
END_TEST

static const struct broken {
  const char *values, *error;
} brokens[] = {
    {"('q1', 'customer', 'c1', 'CREATE', '{\"name\":')", "not a JSON object"},
    {"('q1', 'customer', 'c1', 'CREATE', '')", "not a JSON object"},
    {"('q1', 'customer', 'c1', 'UPDATE', '[]')", "it is no object"},
    {"('q1', 'customer', 'c1', 'UPDATE', '{} {}')", "not a JSON object"},
    {"('q1', 'customer', 'c1', 'DELETE', 'null')", "it is no object"},
    {"('q1', 'customer', '', 'CREATE', '{\"name\":\"Ani\"}')", "NULL or empty"},
    {"('q1', 'customer', 'c1', 'CREATE', '{\"id\":\"c2\"}')", "not its entity_id"},
    {"('q1', 'lines', 'x', 'CREATE', '{\"n\":1}')", "JSON array"},
    {"('q1', 'lines', '[\"x\"]', 'CREATE', '{\"n\":1}')", "JSON array"},
    {"('q1', 'lines', '[\"x\",null]', 'CREATE', '{\"n\":1}')", "JSON array"},
    {"('q1', 'customer', 'c1', 'CREATE', '{}' || char(0))", "NUL byte"},
    {"('q1', 'customer', 'c1', 'CREATE', (WITH RECURSIVE c(v) AS (VALUES (1) UNION ALL SELECT v + "
     "1 "
     "FROM c WHERE v < 1601) SELECT '{' || group_concat('\"k' || v || '\":1') || '}' FROM c))",
     "more members than a table can have columns"},
};

START_TEST(a_row_that_cannot_be_sent_says_why) {
  char sql[500];
  snprintf(sql, sizeof sql, ENQUEUE "%s", brokens[_i].values);
  load(sql);
  ck_assert_int_eq(change.problem, 1);
  ck_assert_msg(strstr(change.error, brokens[_i].error) != NULL, "%s", change.error);
}
END_TEST

START_TEST(a_key_that_was_null_when_it_was_written_says_so) {
  load("CREATE TABLE loose(id TEXT PRIMARY KEY, n INT); SELECT leadx_track('loose'); INSERT INTO "
       "loose VALUES (NULL, 1)");
  ck_assert_int_eq(change.problem, 1);
  ck_assert_ptr_nonnull(strstr(change.error, "NULL or empty"));
}
END_TEST

Suite *test_change_suite(void) {
  Suite *suite = suite_create("change");
  TCase *pure = tcase_create("fold");
  tcase_add_loop_test(pure, every_pair_and_triple_of_changes_has_its_net_effect, 0, 9 + 27);
  tcase_add_loop_test(pure, the_table_of_pairs_is_as_designed, 0, 9);
  suite_add_tcase(suite, pure);
  TCase *tcase = tcase_create("payload");
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_test(tcase, a_create_and_its_updates_are_one_row_with_the_newest_values);
  tcase_add_test(tcase, the_oldest_base_wins_and_only_changed_columns_go);
  tcase_add_test(tcase, a_column_that_came_back_is_not_sent);
  tcase_add_test(tcase, a_column_that_was_written_as_it_was_is_not_sent);
  tcase_add_test(tcase, an_edit_back_to_the_old_value_is_nothing);
  tcase_add_test(tcase, an_edit_back_to_the_old_value_is_sent_when_the_other_may_have_arrived);
  tcase_add_test(tcase, a_row_deleted_and_made_again_starts_from_the_deleted_one);
  tcase_add_test(tcase, a_row_that_was_replaced_and_then_deleted_goes_from_the_server);
  tcase_add_test(tcase, a_row_is_recognised_however_the_server_writes_its_key);
  tcase_add_test(tcase, a_row_without_a_changed_column_does_not_prove_that_the_change_arrived);
  tcase_add_test(tcase, a_create_of_a_row_the_server_has_is_an_update);
  tcase_add_test(tcase, an_application_s_partial_payload_sends_what_it_has_and_gets_its_key);
  tcase_add_test(tcase, keys_travel_in_the_type_they_have);
  tcase_add_loop_test(tcase, an_edit_s_time_is_the_application_s_stamp_or_when_it_was_queued, 0,
                      (int)(sizeof moments / sizeof moments[0]));
  tcase_add_loop_test(tcase, a_row_that_cannot_be_sent_says_why, 0,
                      (int)(sizeof brokens / sizeof brokens[0]));
  tcase_add_test(tcase, a_key_that_was_null_when_it_was_written_says_so);
  suite_add_tcase(suite, tcase);
  return suite;
}
