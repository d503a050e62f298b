/* A host that lowers SQLite's limits, forbids actions or sets what few set: a sync may say that it
** cannot work like this, and loses nothing. Once the setting is gone everything arrives. */
#include <stdio.h>
#include <string.h>

#include "pages.h"
#include "suites.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static model_server model;
static push_device device;

static void set_up(void) {
  model_open(&model);
  pages_open(&model);
  device_open(&device, &model);
  device_run(&device,
             "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, body TEXT, code TEXT UNIQUE, n "
             "INTEGER, doc JSON, parent TEXT REFERENCES notes, updated_at TEXT);"
             "SELECT leadx_track('notes')");
  for (int i = 1; i <= 3; i++) {
    char doc[160];
    snprintf(doc, sizeof doc,
             "{\"id\":\"s%d\",\"body\":\"theirs\",\"code\":\"c%d\",\"n\":%d,\"doc\":{\"a\":[1]},"
             "\"parent\":null,\"updated_at\":\"2024-01-01T00:00:0%d+00:00\"}",
             i, i, i, i);
    pages_put(&model, "notes", doc);
  }
  device_run(&device,
             "INSERT INTO notes(id, body, code) VALUES ('m1', 'mine', 'a'), ('m2', 'mine', 'b')");
  ck_assert_str_eq(device_both(&device), "ok");
  /* What waits, here and there. */
  device_run(&device,
             "UPDATE notes SET body = 'edited', doc = '{\"b\":\"\\\"\"}' WHERE id = 'm1';"
             "DELETE FROM notes WHERE id = 's1'; INSERT INTO notes(id, body, parent) VALUES ('m3', "
             "'child', 'm2'); INSERT OR REPLACE INTO notes(id, body, code) VALUES ('m4', 'taker', "
             "'c2')");
  model_put(
      &model, "notes", "s4",
      "{\"id\":\"s4\",\"body\":\"new\",\"code\":\"c4\",\"n\":4,\"doc\":null,\"parent\":\"s3\"}");
}

static void tear_down(void) {
  device_close(&device);
  model_close(&model);
}

/* Both have the same rows, nothing waits, and the file is whole. */
static void check_all_arrived(const char *name) {
  for (int i = 0; i < 3; i++) device_both(&device);
  ck_assert_msg(strstr(device.result, "\"state\":\"ok\"") != NULL, "%s: %s", name, device.result);
  ck_assert_msg(device_int(&device, "SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'") ==
                    0,
                "%s: something waits", name);
  ck_assert_msg(device_int(&device, "SELECT count(*) FROM notes") == model_count(&model, "notes"),
                "%s: %d rows here, %d there", name,
                device_int(&device, "SELECT count(*) FROM notes"), model_count(&model, "notes"));
  ck_assert_str_eq(model_value(&model, "notes", "m1", "body"), "edited");
  ck_assert_str_eq(model_value(&model, "notes", "m3", "parent"), "m2");
  ck_assert_str_eq(model_value(&model, "notes", "s1", "id"), "(no row)");
  ck_assert_str_eq(model_value(&model, "notes", "s2", "id"), "(no row)");
  ck_assert_str_eq(device_text(&device, "SELECT body FROM notes WHERE id = 's4'"), "new");
  ck_assert_str_eq(device_text(&device, "PRAGMA integrity_check"), "ok");
}

/* Everything that a program calls; what it answers is its own affair. */
static void use_it_all(void) {
  static const char *const calls[] = {"SELECT leadx_track('notes')",
                                      "SELECT leadx_retry()",
                                      "SELECT leadx_config('batch_size')",
                                      "SELECT count(*), max(payload) FROM leadx_queue",
                                      "SELECT * FROM leadx_status",
                                      "SELECT * FROM leadx_problems",
                                      "SELECT * FROM leadx_conflicts",
                                      "SELECT * FROM leadx_log",
                                      "SELECT leadx_purge()",
                                      "SELECT leadx_server_sql()",
                                      "SELECT leadx_debug()"};
  for (int i = 0; i < COUNT(calls); i++) sqlite3_exec(device.db, calls[i], NULL, NULL, NULL);
  leadx_sync_options options = {.who = "leadx_sync", .with_pull = 1, .request_budget = -1};
  device.asks = 1; /* nothing is prepared for it by statements of the test's own */
  device_sync_with(&device, options);
  options.with_reconcile = 1;
  device_sync_with(&device, options);
  device.asks = 0;
}

/* ---- limits ---- */

static const struct limit {
  const char *name;
  int id, value;
} limits[] = {
    {"length 200", SQLITE_LIMIT_LENGTH, 200},
    {"length 1000", SQLITE_LIMIT_LENGTH, 1000},
    {"length 5000", SQLITE_LIMIT_LENGTH, 5000},
    {"SQL 100", SQLITE_LIMIT_SQL_LENGTH, 100},
    {"SQL 500", SQLITE_LIMIT_SQL_LENGTH, 500},
    {"SQL 1000", SQLITE_LIMIT_SQL_LENGTH, 1000},
    {"SQL 4000", SQLITE_LIMIT_SQL_LENGTH, 4000},
    {"columns 3", SQLITE_LIMIT_COLUMN, 3},
    {"columns 10", SQLITE_LIMIT_COLUMN, 10},
    {"columns 16", SQLITE_LIMIT_COLUMN, 16},
    {"depth 3", SQLITE_LIMIT_EXPR_DEPTH, 3},
    {"depth 8", SQLITE_LIMIT_EXPR_DEPTH, 8},
    {"depth 20", SQLITE_LIMIT_EXPR_DEPTH, 20},
    {"compound 1", SQLITE_LIMIT_COMPOUND_SELECT, 1},
    {"compound 3", SQLITE_LIMIT_COMPOUND_SELECT, 3},
    {"steps 30", SQLITE_LIMIT_VDBE_OP, 30},
    {"steps 200", SQLITE_LIMIT_VDBE_OP, 200},
    {"steps 1000", SQLITE_LIMIT_VDBE_OP, 1000},
    {"arguments 1", SQLITE_LIMIT_FUNCTION_ARG, 1},
    {"arguments 3", SQLITE_LIMIT_FUNCTION_ARG, 3},
    {"arguments 8", SQLITE_LIMIT_FUNCTION_ARG, 8},
    {"attached 0", SQLITE_LIMIT_ATTACHED, 0},
    {"pattern 3", SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 3},
    {"variables 1", SQLITE_LIMIT_VARIABLE_NUMBER, 1},
    {"variables 8", SQLITE_LIMIT_VARIABLE_NUMBER, 8},
    {"triggers 0", SQLITE_LIMIT_TRIGGER_DEPTH, 0},
    {"triggers 1", SQLITE_LIMIT_TRIGGER_DEPTH, 1},
    {"triggers 2", SQLITE_LIMIT_TRIGGER_DEPTH, 2},
};

START_TEST(a_lowered_limit_loses_nothing) {
  const struct limit *l = &limits[_i];
  int was = sqlite3_limit(device.db, l->id, l->value);
  use_it_all();
  sqlite3_limit(device.db, l->id, was);
  check_all_arrived(l->name);
}
END_TEST

/* ---- an authorizer ---- */

static int denied;
static int authorize(void *arg, int action, const char *a, const char *b, const char *schema,
                     const char *inner) {
  (void)arg, (void)a, (void)b, (void)schema, (void)inner;
  return action == denied ? SQLITE_DENY : SQLITE_OK;
}

/* SQLITE_CREATE_INDEX … SQLITE_RECURSIVE. */
#define LAST_ACTION 33

START_TEST(an_action_that_the_host_forbids_loses_nothing) {
  char name[40];
  snprintf(name, sizeof name, "action %d", _i);
  denied = _i;
  sqlite3_set_authorizer(device.db, authorize, NULL);
  use_it_all();
  sqlite3_set_authorizer(device.db, NULL, NULL);
  check_all_arrived(name);
}
END_TEST

/* ---- settings of the connection ---- */

static const struct setting {
  const char *sql, *undo;
  int config, value; /* of sqlite3_db_config(), where sql is NULL */
} settings[] = {
    {"PRAGMA trusted_schema = OFF", "PRAGMA trusted_schema = ON", 0, 0},
    {"PRAGMA query_only = ON", "PRAGMA query_only = OFF", 0, 0},
    {"PRAGMA case_sensitive_like = ON", "PRAGMA case_sensitive_like = OFF", 0, 0},
    {"PRAGMA reverse_unordered_selects = ON", "PRAGMA reverse_unordered_selects = OFF", 0, 0},
    {"PRAGMA recursive_triggers = ON", "PRAGMA recursive_triggers = OFF", 0, 0},
    {"PRAGMA ignore_check_constraints = ON", "PRAGMA ignore_check_constraints = OFF", 0, 0},
    {"PRAGMA foreign_keys = ON; PRAGMA defer_foreign_keys = ON", "PRAGMA foreign_keys = OFF", 0, 0},
    {"PRAGMA full_column_names = ON; PRAGMA short_column_names = OFF",
     "PRAGMA full_column_names = OFF; PRAGMA short_column_names = ON", 0, 0},
    {"PRAGMA count_changes = ON", "PRAGMA count_changes = OFF", 0, 0},
    {"PRAGMA empty_result_callbacks = ON", "PRAGMA empty_result_callbacks = OFF", 0, 0},
    {"PRAGMA legacy_alter_table = ON", "PRAGMA legacy_alter_table = OFF", 0, 0},
    {"PRAGMA automatic_index = OFF", "PRAGMA automatic_index = ON", 0, 0},
    {"PRAGMA cell_size_check = ON", "PRAGMA cell_size_check = OFF", 0, 0},
    {"PRAGMA temp_store = FILE", "PRAGMA temp_store = DEFAULT", 0, 0},
    {"PRAGMA locking_mode = EXCLUSIVE", "PRAGMA locking_mode = NORMAL", 0, 0},
    {"PRAGMA read_uncommitted = ON", "PRAGMA read_uncommitted = OFF", 0, 0},
    {"PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1073741823", 0, 0},
    {"PRAGMA writable_schema = ON", "PRAGMA writable_schema = OFF", 0, 0},
    {NULL, NULL, SQLITE_DBCONFIG_DEFENSIVE, 1},
    {NULL, NULL, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
    {NULL, NULL, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
    {NULL, NULL, SQLITE_DBCONFIG_ENABLE_VIEW, 0},
    {NULL, NULL, SQLITE_DBCONFIG_DQS_DML, 0},
    {NULL, NULL, SQLITE_DBCONFIG_DQS_DDL, 0},
    {NULL, NULL, SQLITE_DBCONFIG_LEGACY_ALTER_TABLE, 1},
    {NULL, NULL, SQLITE_DBCONFIG_LEGACY_FILE_FORMAT, 1},
    {NULL, NULL, SQLITE_DBCONFIG_ENABLE_QPSG, 1},
    {NULL, NULL, SQLITE_DBCONFIG_TRIGGER_EQP, 1},
    {NULL, NULL, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1},
};

START_TEST(a_setting_of_the_connection_loses_nothing) {
  const struct setting *s = &settings[_i];
  char name[80];
  int now = 0;
  snprintf(name, sizeof name, "%.60s %d", s->sql ? s->sql : "config", s->config);
  if (s->sql) sqlite3_exec(device.db, s->sql, NULL, NULL, NULL);
  else sqlite3_db_config(device.db, s->config, s->value, &now);
  use_it_all();
  if (s->sql) sqlite3_exec(device.db, s->undo, NULL, NULL, NULL);
  else sqlite3_db_config(device.db, s->config, !s->value, &now);
  check_all_arrived(name);
}
END_TEST

Suite *test_host_settings_suite(void) {
  Suite *suite = suite_create("host_settings");
  TCase *tcase = tcase_create("all");
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_loop_test(tcase, a_lowered_limit_loses_nothing, 0, COUNT(limits));
  tcase_add_loop_test(tcase, an_action_that_the_host_forbids_loses_nothing, 1, LAST_ACTION + 1);
  tcase_add_loop_test(tcase, a_setting_of_the_connection_loses_nothing, 0, COUNT(settings));
  suite_add_tcase(suite, tcase);
  return suite;
}
