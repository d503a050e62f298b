/* leadx_track() and leadx_untrack(): what is refused and with which words, what is stored, what
** stays. */
#include <stdio.h>
#include <string.h>

#include "suites.h"
#include "tracked.h"
#include "store/describe.h"

int sqlite3_leadx_init(sqlite3 *handle, char **error, const void *api);

static tracked file;

static void set_up(void) {
  tracked_open(&file);
  tracked_run(&file, "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, v TEXT, w TEXT, sent TEXT); "
                     "CREATE TABLE other(id TEXT PRIMARY KEY);"
                     "CREATE TABLE keyless(v TEXT); CREATE VIEW seen AS SELECT * FROM notes; "
                     "CREATE VIRTUAL TABLE words USING fts5(t);"
                     "CREATE TEMP TABLE fleeting(id TEXT PRIMARY KEY); ATTACH ':memory:' AS far; "
                     "CREATE TABLE far.away(id TEXT PRIMARY KEY);"
                     "CREATE TABLE long(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, PRIMARY "
                     "KEY(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q))");
}
static void tear_down(void) {
  tracked_run(&file, "DETACH far");
  tracked_close(&file);
}

static void expect(const char *sql, const char *text) {
  const char *got = tracked_text(&file, "%s", sql);
  ck_assert_msg(strcmp(got, text) == 0, "%s\n  gives  %s\n  not    %s", sql, got, text);
}

/* ---- refusals ---- */

static const struct refusal {
  const char *arguments, *message;
} refusals[] = {
    {"'absent'", "leadx_track: table \"absent\" does not exist in the main database; check the "
                 "name, or create it first"},
    {"'seen'", "leadx_track: table \"seen\" is a view; track the tables it reads from"},
    {"'words'", "leadx_track: table \"words\" is a virtual table, which cannot have triggers; "
                "track an ordinary table"},
    {"'words_content'",
     "leadx_track: table \"words_content\" belongs to a virtual table; track an ordinary table"},
    {"'fleeting'", "leadx_track: table \"fleeting\" is a temporary table; its rows vanish with the "
                   "connection, track a table of the main database"},
    {"'away'", "leadx_track: table \"away\" is in an attached database; open that file itself and "
               "track the table there"},
    {"'keyless'",
     "leadx_track: table \"keyless\" has no primary key; add one, e.g. id TEXT PRIMARY KEY"},
    {"'long'", "leadx_track: table \"long\" has a primary key of more than 16 columns; use fewer"},
    {"'sqlite_schema'",
     "leadx_track: table \"sqlite_schema\" is SQLite's own; track one of your tables"},
    {"'sync_queue'", "leadx_track: table \"sync_queue\" is leadx's own; track one of your tables"},
    {"'Leadx_Shadow'",
     "leadx_track: table \"Leadx_Shadow\" is leadx's own; track one of your tables"},
    {"'notes', '{\"prio\":1}'", "leadx_track: unknown option \"prio\"; allowed are entity, remote, "
                                "priority, mode, version, delete, soft_delete, policy,"},
    {"'notes', '[]'", "leadx_track: the options must be a JSON object, e.g. {\"priority\":1}"},
    {"'notes', '{'", "leadx_track: "},
    {"'notes', 5", "leadx_track: the options must be a JSON object, as text"},
    {"'notes', '{\"entity\":\"\"}'",
     "leadx_track: option \"entity\" must be a text that is not empty"},
    {"'notes', '{\"remote\":7}'",
     "leadx_track: option \"remote\" must be a text that is not empty"},
    {"'notes', '{\"priority\":0}'",
     "leadx_track: option \"priority\" must be a whole number from 1 (first) to 1000"},
    {"'notes', '{\"priority\":1.5}'",
     "leadx_track: option \"priority\" must be a whole number from 1 (first) to 1000"},
    {"'notes', '{\"priority\":1e300}'",
     "leadx_track: option \"priority\" must be a whole number from 1 (first) to 1000"},
    {"'notes', '{\"priority\":\"1\"}'",
     "leadx_track: option \"priority\" must be a whole number from 1 (first) to 1000"},
    {"'notes', '{\"mode\":\"sideways\"}'",
     "leadx_track: option \"mode\" must be one of both, push, pull"},
    {"'notes', '{\"mode\":1}'", "leadx_track: option \"mode\" must be one of both, push, pull"},
    {"'notes', '{\"delete\":\"maybe\"}'",
     "leadx_track: option \"delete\" must be one of hard, soft"},
    {"'notes', '{\"delete\":\"soft\"}'",
     "leadx_track: table \"notes\" has no column deleted_at; name one in the option "
     "\"soft_delete\", or use \"delete\":\"hard\""},
    {"'notes', '{\"policy\":\"mine\"}'",
     "leadx_track: option \"policy\" must be one of timestamp, merge, client, server, manual"},
    {"'notes', '{\"backfill\":1}'", "leadx_track: option \"backfill\" must be one of true, false"},
    {"'notes', '{\"existing\":\"all\"}'",
     "leadx_track: option \"existing\" must be one of keep, push, server"},
    {"'notes', '{\"plain\":\"yes\"}'", "leadx_track: option \"plain\" must be one of true, false"},
    {"'notes', '{\"columns\":[]}'",
     "leadx_track: option \"columns\" must be a JSON object with the local columns' names"},
    {"'notes', '{\"columns\":{\"x\":null}}'",
     "leadx_track: table \"notes\" has no column \"x\"; check the options"},
    {"'notes', '{\"columns\":{\"id\":null}}'",
     "leadx_track: option \"columns\": \"id\" is part of the primary key and cannot be local only"},
    {"'notes', '{\"columns\":{\"v\":7}}'", "leadx_track: option \"columns\": \"v\" must be null "
                                           "(local only) or {\"remote\":\"name\",\"type\":"},
    {"'notes', '{\"columns\":{\"v\":{\"kind\":1}}}'",
     "leadx_track: option \"columns\": unknown \"kind\" of \"v\"; allowed are remote, type, mode"},
    {"'notes', '{\"columns\":{\"v\":{\"type\":\"float\"}}}'",
     "leadx_track: option \"columns\": the type of \"v\" must be one of text, integer, real,"},
    {"'notes', '{\"columns\":{\"v\":{\"remote\":\"\"}}}'",
     "leadx_track: option \"remote\" must be a text that is not empty"},
    {"'notes', '{\"columns\":{\"v\":{\"remote\":\"w\"}}}'",
     "leadx_track: option \"columns\": \"v\" and \"w\" are both \"w\" on the server"},
    {"'notes', '{\"filter\":\"a=eq.1#\"}'",
     "leadx_track: option \"filter\" must be PostgREST conditions joined by &"},
    {"'notes', '{\"filter\":\"a=eq.1\\r\\nX: y\"}'",
     "leadx_track: option \"filter\" must be PostgREST conditions joined by &"},
    {"'notes', '{\"filter\":\"a = eq.1\"}'",
     "leadx_track: option \"filter\" must be PostgREST conditions joined by &"},
    {"'notes', '{\"filter\":\"a\"}'",
     "leadx_track: option \"filter\" must be PostgREST conditions joined by &"},
    {"'notes', '{\"filter\":\"=eq.1\"}'",
     "leadx_track: option \"filter\" must be PostgREST conditions joined by &"},
    {"'notes', '{\"filter\":\"a=eq.1&\"}'",
     "leadx_track: option \"filter\" must be PostgREST conditions joined by &"},
    {"'notes', '{\"filter\":\"&a=eq.1\"}'",
     "leadx_track: option \"filter\" must be PostgREST conditions joined by &"},
    {"'notes', '{\"filter\":\"select=*\"}'",
     "leadx_track: option \"filter\" must be PostgREST conditions joined by &"},
    {"'notes', '{\"filter\":\"a=eq.1&limit=0\"}'",
     "leadx_track: option \"filter\" must be PostgREST conditions joined by &"},
    {"'notes', '{\"filter\":\"a=eq.\\u00e4\"}'",
     "leadx_track: option \"filter\" must be PostgREST conditions joined by &"},
    {"'notes', '{\"filter\":\"%6frder=eq.a\"}'",
     "leadx_track: option \"filter\" must be PostgREST conditions joined by &"},
    {"'notes', '{\"filter\":\"a=eq.1;limit=0\"}'",
     "leadx_track: option \"filter\" must be PostgREST conditions joined by &"},
    {"'notes', '{\"remote\":\"%2e%2e%2fusers\"}'",
     "leadx_track: table \"notes\" cannot be \"%2e%2e%2fusers\" on the server"},
    {"'notes', '{\"remote\":\"../users\"}'",
     "leadx_track: table \"notes\" cannot be \"../users\" on the server"},
    {"'notes', '{\"remote\":\"..\"}'",
     "leadx_track: table \"notes\" cannot be \"..\" on the server"},
    {"'notes', '{\"remote\":\".\"}'", "leadx_track: table \"notes\" cannot be \".\" on the server"},
    {"'notes', '{\"remote\":\"a/b\"}'",
     "leadx_track: table \"notes\" cannot be \"a/b\" on the server"},
    {"'notes', '{\"remote\":\"a\\\\b\"}'",
     "leadx_track: table \"notes\" cannot be \"a\\b\" on the server"},
    {"'notes', '{\"remote\":\"a\\nb\"}'",
     "leadx_track: table \"notes\" cannot be \"a\nb\" on the server"},
    {"'notes', '{\"pending\":\"gone\"}'",
     "leadx_track: table \"notes\" has no column \"gone\"; check the options"},
    {"'notes', '{\"synced_at\":\"gone\"}'",
     "leadx_track: table \"notes\" has no column \"gone\"; check the options"},
    {"NULL", "leadx_track: argument 1 must be "},
    {"''", "leadx_track: argument 1 must be "},
    {"7", "leadx_track: argument 1 must be "},
};
enum { REFUSALS = sizeof refusals / sizeof refusals[0] };

START_TEST(bad_input_is_refused_with_the_reason_and_changes_nothing) {
  char sql[200];
  snprintf(sql, sizeof sql, "SELECT leadx_track(%s)", refusals[_i].arguments);
  const char *message = tracked_error(&file, sql);
  ck_assert_msg(strncmp(message, refusals[_i].message, strlen(refusals[_i].message)) == 0, "%s: %s",
                sql, message);
  expect("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'leadx%' OR name = 'sync_queue'", "0");
}
END_TEST

START_TEST(a_file_of_utf16_is_refused_and_can_be_written_on) {
  sqlite3 *db;
  static const char *const encodings[] = {"UTF-16le", "UTF-16be"};
  char sql[300];
  ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
  ck_assert_int_eq(sqlite3_leadx_init(db, NULL, NULL), SQLITE_OK);
  snprintf(sql, sizeof sql, "PRAGMA encoding=\"%s\"; CREATE TABLE t(id TEXT PRIMARY KEY, v TEXT)",
           encodings[_i]);
  ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
  ck_assert_int_eq(sqlite3_exec(db, "SELECT leadx_track('t')", NULL, NULL, NULL), SQLITE_ERROR);
  snprintf(sql, sizeof sql,
           "leadx_track: the file's encoding is %s, and leadx needs UTF-8; copy it with: sqlite3 "
           "OLD .dump | sqlite3 NEW",
           encodings[_i]);
  ck_assert_str_eq(sqlite3_errmsg(db), sql);
  /* With triggers, this would never come to an end. */
  ck_assert_int_eq(sqlite3_exec(db, "INSERT INTO t VALUES ('a', 'b \"c\"')", NULL, NULL, NULL),
                   SQLITE_OK);
  ck_assert_int_eq(
      sqlite3_table_column_metadata(db, "main", "sync_queue", NULL, NULL, NULL, NULL, NULL, NULL),
      SQLITE_ERROR);
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}
END_TEST

START_TEST(an_entity_belongs_to_one_table) {
  tracked_run(&file, "SELECT leadx_track('notes', '{\"entity\":\"e\"}')");
  ck_assert_str_eq(
      tracked_error(&file, "SELECT leadx_track('other', '{\"entity\":\"e\"}')"),
      "leadx_track: the entity \"e\" is table \"notes\" already; give this one another \"entity\"");
  expect("SELECT group_concat(table_name) FROM leadx_tables", "notes");
}
END_TEST

START_TEST(a_table_that_is_not_tracked_cannot_be_untracked) {
  const char *want =
      "leadx_untrack: table \"other\" is not tracked; leadx_status lists the tables that are";
  ck_assert_str_eq(tracked_error(&file, "SELECT leadx_untrack('other')"), want);
  tracked_run(&file, "SELECT leadx_track('notes')");
  ck_assert_str_eq(tracked_error(&file, "SELECT leadx_untrack('other')"), want);
}
END_TEST

/* ---- what is stored and said ---- */

START_TEST(the_answer_names_table_entity_columns_and_key) {
  expect("SELECT leadx_track('NOTES', '{\"columns\":{\"w\":null},\"synced_at\":\"sent\"}')",
         "{\"table\":\"notes\",\"entity\":\"notes\",\"columns\":2,\"primary_key\":[\"id\"]}");
}
END_TEST

static const struct known {
  const char *table, *entity;
  int priority;
} knowns[] = {{"customers", "customer", 3},
              {"pipelines", "pipeline", 2},
              {"activities", "activity", 1},
              {"settings", "setting", 4},
              {"Customers", "customer", 3}};

START_TEST(the_four_known_tables_have_their_entity_and_priority) {
  tracked_run(&file, "CREATE TABLE %s(id TEXT PRIMARY KEY); SELECT leadx_track('%s')",
              knowns[_i].table, knowns[_i].table);
  ck_assert_str_eq(tracked_text(&file, "SELECT entity FROM leadx_tables"), knowns[_i].entity);
  ck_assert_int_eq(tracked_int(&file, "SELECT priority FROM leadx_tables"), knowns[_i].priority);
}
END_TEST

START_TEST(options_are_stored_and_a_refresh_without_them_keeps_them) {
  tracked_run(&file, "SELECT leadx_track('notes', '{\"priority\":2,\"columns\":{\"w\":null}}'); "
                     "SELECT leadx_track('notes')");
  expect("SELECT options FROM leadx_tables", "{\"priority\":2,\"columns\":{\"w\":null}}");
  tracked_run(
      &file,
      "INSERT INTO notes VALUES('a', 'v', 'local', NULL); UPDATE notes SET w = 'still local'");
  expect("SELECT group_concat(payload) FROM sync_queue",
         "{\"id\":\"a\",\"v\":\"v\",\"sent\":null}");
  tracked_run(&file, "SELECT leadx_track('notes', '{}')");
  expect("SELECT options FROM leadx_tables", "{\"priority\":2,\"columns\":{\"w\":null}}");
}
END_TEST

/* What is said at the second time of a table that was tracked with
** {"priority":2,"policy":"merge","columns":{"v":{"remote":"r"},"w":null}}, and what is in force then. */
static const char *const merges[][2] = {
    {"{\"mode\":\"pull\"}",
     "{\"priority\":2,\"policy\":\"merge\",\"columns\":{\"v\":{\"remote\":\"r\"}"
     ",\"w\":null},\"mode\":\"pull\"}"},
    {"{\"priority\":5}", "{\"policy\":\"merge\",\"columns\":{\"v\":{\"remote\":\"r\"},\"w\":null},"
                         "\"priority\":5}"},
    {"{\"policy\":null}", "{\"priority\":2,\"columns\":{\"v\":{\"remote\":\"r\"},\"w\":null}}"},
    {"{\"mode\":null}",
     "{\"priority\":2,\"policy\":\"merge\",\"columns\":{\"v\":{\"remote\":\"r\"},"
     "\"w\":null}}"},
    {"{\"columns\":{\"v\":{\"type\":\"json\"}}}",
     "{\"priority\":2,\"policy\":\"merge\",\"columns\":{\"w\":null,\"v\":{\"remote\":\"r\","
     "\"type\":"
     "\"json\"}}}"},
    {"{\"columns\":{\"v\":{\"remote\":null,\"type\":\"json\"}}}",
     "{\"priority\":2,\"policy\":\"merge\",\"columns\":{\"w\":null,\"v\":{\"type\":\"json\"}}}"},
    {"{\"columns\":{\"v\":null,\"w\":{}}}",
     "{\"priority\":2,\"policy\":\"merge\",\"columns\":{\"v\":null,\"w\":{}}}"},
    {"{\"columns\":null}", "{\"priority\":2,\"policy\":\"merge\"}"},
};

START_TEST(options_given_again_go_over_those_in_force_and_a_null_takes_one_back) {
  tracked_run(&file,
              "SELECT leadx_track('notes', '{\"priority\":2,\"policy\":\"merge\",\"columns\":"
              "{\"v\":{\"remote\":\"r\"},\"w\":null}}')");
  char *sql = sqlite3_mprintf("SELECT leadx_track('notes', %Q)", merges[_i][0]);
  tracked_text(&file, sql);
  expect("SELECT options FROM leadx_tables", merges[_i][1]);
  sqlite3_free(sql);
}
END_TEST

START_TEST(options_that_are_refused_leave_those_in_force) {
  tracked_run(&file, "SELECT leadx_track('notes', '{\"priority\":2}')");
  tracked_error(&file, "SELECT leadx_track('notes', '{\"priority\":0}')");
  tracked_error(&file, "SELECT leadx_track('notes', '{\"columns\":{\"nothing\":null}}')");
  tracked_error(&file, "SELECT leadx_track('notes', '{')");
  tracked_error(&file, "SELECT leadx_track('notes', '[]')");
  expect("SELECT options FROM leadx_tables", "{\"priority\":2}");
}
END_TEST

/* To queue what is there is something to do, and nothing that the table is. */
START_TEST(a_backfill_alone_leaves_the_options_as_they_are) {
  tracked_run(&file,
              "SELECT leadx_track('notes', '{\"entity\":\"note\",\"columns\":{\"w\":null}}'); "
              "SELECT leadx_track('notes', '{\"backfill\":true}')");
  expect("SELECT entity || options FROM leadx_tables",
         "note{\"entity\":\"note\",\"columns\":{\"w\":null}}");
}
END_TEST

START_TEST(what_is_unsent_goes_along_when_a_table_gets_another_entity) {
  tracked_run(&file,
              "SELECT leadx_track('notes'); INSERT INTO notes(id) VALUES('a'), ('b'); UPDATE "
              "sync_queue SET status = 'SYNCED' WHERE entity_id = 'b';"
              "INSERT INTO leadx_shadow(entity, key, version) VALUES('notes', 'b', '1'); SELECT "
              "leadx_track('notes', '{\"entity\":\"note\"}'); INSERT INTO notes(id) VALUES('c')");
  expect("SELECT group_concat(entity_type || entity_id) FROM (SELECT * FROM sync_queue ORDER BY "
         "rowid)",
         "notea,notesb,notec");
  expect("SELECT group_concat(entity || key || version) FROM leadx_shadow", "noteb1");
  expect("SELECT group_concat(entity) FROM leadx_tables", "note");
}
END_TEST

START_TEST(a_star_tracks_every_table_that_has_a_key) {
  tracked_run(&file, "DROP TABLE long");
  expect("SELECT leadx_track('*')",
         "[{\"table\":\"notes\",\"entity\":\"notes\",\"columns\":4,\"primary_key\":[\"id\"]},"
         "{\"table\":\"other\",\"entity\":\"other\",\"columns\":1,\"primary_key\":[\"id\"]}]");
  expect("SELECT group_concat(table_name) FROM leadx_tables", "notes,other");
}
END_TEST

START_TEST(a_star_leaves_what_frameworks_keep_for_themselves_and_says_so) {
  static const char *const names[] = {
      "room_master_table",  "android_metadata",     "django_migrations",
      "alembic_version",    "knex_migrations_lock", "__drizzle_migrations",
      "_prisma_migrations", "SequelizeMeta",        "__EFMigrationsHistory"};
  tracked_run(&file, "DROP TABLE long; CREATE TABLE rooms(id TEXT PRIMARY KEY); CREATE TABLE "
                     "aerich2(id TEXT PRIMARY KEY)");
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    tracked_run(&file, "CREATE TABLE \"%w\"(id INTEGER PRIMARY KEY)", names[i]);
  const char *result = tracked_text(&file, "SELECT leadx_track('*')");
  ck_assert_ptr_nonnull(strstr(result,
                               "{\"table\":\"django_migrations\",\"left_out\":\"a framework "
                               "keeps it for itself; leadx_track('django_migrations')"));
  expect("SELECT group_concat(table_name) FROM (SELECT table_name FROM leadx_tables ORDER BY 1)",
         "aerich2,notes,other,rooms");
  /* By its name it is tracked, and stays so. */
  tracked_run(&file, "SELECT leadx_track('django_migrations'); SELECT leadx_track('*')");
  expect("SELECT count(*) FROM leadx_tables WHERE table_name = 'django_migrations'", "1");
}
END_TEST

START_TEST(a_star_is_all_or_nothing) {
  tracked_error(&file, "SELECT leadx_track('*')");
  expect("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'leadx%'", "0");
}
END_TEST

START_TEST(backfill_queues_the_rows_that_are_there_once) {
  tracked_run(&file, "INSERT INTO notes(id) VALUES('a'), ('b'); SELECT leadx_track('notes')");
  expect("SELECT count(*) FROM sync_queue", "0");
  tracked_run(&file, "SELECT leadx_track('notes', '{\"backfill\":true}'); SELECT "
                     "leadx_track('notes', '{\"backfill\":true}')");
  expect("SELECT group_concat(action || ' ' || entity_id) FROM sync_queue", "CREATE a,CREATE b");
}
END_TEST

START_TEST(tracking_takes_part_in_the_callers_transaction) {
  tracked_run(&file,
              "BEGIN; SELECT leadx_track('notes'); INSERT INTO notes(id) VALUES('a'); ROLLBACK");
  expect("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'leadx%' OR name = 'sync_queue'", "0");
}
END_TEST

START_TEST(untracking_drops_the_triggers_and_says_what_is_unsent) {
  tracked_run(&file, "SELECT leadx_track('notes'); INSERT INTO notes(id) VALUES('a')");
  expect("SELECT leadx_untrack('Notes')", "{\"table\":\"notes\",\"tracked\":false,\"unsent\":1}");
  tracked_run(&file, "INSERT INTO notes(id) VALUES('b')");
  expect("SELECT count(*) || ' ' || (SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND "
         "tbl_name = 'notes') FROM sync_queue",
         "1 0");
}
END_TEST

/* The order of the push cannot follow it; the server's own check remains. */
START_TEST(a_reference_over_more_columns_than_can_be_followed_is_left_to_the_server) {
  tracked_run(&file, "CREATE TABLE wide(a,b,c,d,e,f,g,h,i, PRIMARY KEY(a,b,c,d,e,f,g,h,i));"
                     "CREATE TABLE child(id TEXT PRIMARY KEY NOT NULL, a,b,c,d,e,f,g,h,i, w TEXT "
                     "REFERENCES single,"
                     " FOREIGN KEY(a,b,c,d,e,f,g,h,i) REFERENCES wide(a,b,c,d,e,f,g,h,i));"
                     "CREATE TABLE single(id TEXT PRIMARY KEY NOT NULL); SELECT "
                     "leadx_track('child'), leadx_track('single')");
  leadx_table *table = leadx_describe(&file.db, "test", "child", NULL, &file.err);
  ck_assert_ptr_nonnull(table);
  ck_assert_int_eq(table->nreferences, 1);
  ck_assert_str_eq(table->references[0].parent_table, "single");
  leadx_table_free(table);
}
END_TEST

START_TEST(a_table_of_mode_pull_has_no_triggers) {
  tracked_run(&file, "SELECT leadx_track('notes'); SELECT leadx_track('notes', "
                     "'{\"mode\":\"pull\"}'); INSERT INTO notes(id) VALUES('a')");
  expect("SELECT count(*) FROM sync_queue", "0");
}
END_TEST

static const struct warning {
  const char *ddl, *part;
} warnings[] = {
    {"(id INTEGER PRIMARY KEY)", "the primary key is an integer"},
    {"(id UUID PRIMARY KEY)", "NUMERIC affinity"},
    {"(id TEXT PRIMARY KEY, price DECIMAL(18,2))", "15 digits"},
};

START_TEST(risky_types_are_tracked_with_a_warning) {
  tracked_run(&file, "CREATE TABLE risky%s", warnings[_i].ddl);
  const char *got = tracked_text(&file, "SELECT leadx_track('risky')");
  ck_assert_msg(strstr(got, "\"warnings\":[") && strstr(got, warnings[_i].part), "%s", got);
}
END_TEST

/* ---- a queue that was there ---- */

#define SEED_QUEUE \
  "CREATE TABLE sync_queue(id TEXT PRIMARY KEY, entity_type TEXT NOT NULL, entity_id TEXT NOT " \
  "NULL, action TEXT NOT NULL, " \
  "payload TEXT NOT NULL, status TEXT DEFAULT 'PENDING', retry_count INTEGER DEFAULT 0, " \
  "error_message TEXT, " \
  "created_at TEXT DEFAULT CURRENT_TIMESTAMP, synced_at TEXT)"

START_TEST(a_queue_of_the_documented_shape_is_taken_over_with_its_rows) {
  tracked_run(&file, SEED_QUEUE "; INSERT INTO sync_queue(id, entity_type, entity_id, action, "
                                "payload) VALUES('q', 'notes', 'a', 'CREATE', '{\"id\":\"a\"}')");
  tracked_run(&file, "SELECT leadx_track('notes'); INSERT INTO notes(id) VALUES('b')");
  expect("SELECT group_concat(entity_id || ifnull(base, '')) FROM sync_queue", "a,b");
  expect("SELECT group_concat(name) FROM (SELECT name FROM pragma_table_info('sync_queue') WHERE "
         "cid < 10)",
         "id,entity_type,entity_id,action,payload,status,retry_count,error_message,created_at,"
         "synced_at");
  expect("SELECT pending FROM leadx_status", "2");
}
END_TEST

START_TEST(a_queue_that_has_some_of_our_columns_gets_the_others) {
  tracked_run(&file, SEED_QUEUE "; ALTER TABLE sync_queue ADD COLUMN error_code TEXT; ALTER TABLE "
                                "sync_queue ADD COLUMN mine TEXT");
  tracked_run(&file, "SELECT leadx_track('notes'); INSERT INTO notes(id) VALUES('b')");
  expect("SELECT count(DISTINCT name) || count(*) FROM pragma_table_info('sync_queue')", "1616");
}
END_TEST

START_TEST(a_queue_of_another_shape_is_refused_and_left_alone) {
  tracked_run(&file, "CREATE TABLE sync_queue(id TEXT PRIMARY KEY, what TEXT)");
  ck_assert_str_eq(tracked_error(&file, "SELECT leadx_track('notes')"),
                   "leadx_track: the table sync_queue that is already here has no column "
                   "\"entity_type\"; rename that table, or give it the documented columns");
  expect("SELECT group_concat(name) FROM pragma_table_info('sync_queue')", "id,what");
}
END_TEST

Suite *test_table_suite(void) {
  Suite *suite = suite_create("table");
  TCase *tc = tcase_create("table");
  tcase_add_checked_fixture(tc, set_up, tear_down);
  tcase_add_loop_test(tc, bad_input_is_refused_with_the_reason_and_changes_nothing, 0, REFUSALS);
  tcase_add_loop_test(tc, a_file_of_utf16_is_refused_and_can_be_written_on, 0, 2);
  tcase_add_test(tc, an_entity_belongs_to_one_table);
  tcase_add_test(tc, a_table_that_is_not_tracked_cannot_be_untracked);
  tcase_add_test(tc, the_answer_names_table_entity_columns_and_key);
  tcase_add_loop_test(tc, the_four_known_tables_have_their_entity_and_priority, 0, 5);
  tcase_add_test(tc, options_are_stored_and_a_refresh_without_them_keeps_them);
  tcase_add_loop_test(tc, options_given_again_go_over_those_in_force_and_a_null_takes_one_back, 0,
                      (int)(sizeof merges / sizeof merges[0]));
  tcase_add_test(tc, options_that_are_refused_leave_those_in_force);
  tcase_add_test(tc, a_backfill_alone_leaves_the_options_as_they_are);
  tcase_add_test(tc, what_is_unsent_goes_along_when_a_table_gets_another_entity);
  tcase_add_test(tc, a_star_tracks_every_table_that_has_a_key);
  tcase_add_test(tc, a_star_leaves_what_frameworks_keep_for_themselves_and_says_so);
  tcase_add_test(tc, a_star_is_all_or_nothing);
  tcase_add_test(tc, backfill_queues_the_rows_that_are_there_once);
  tcase_add_test(tc, tracking_takes_part_in_the_callers_transaction);
  tcase_add_test(tc, untracking_drops_the_triggers_and_says_what_is_unsent);
  tcase_add_test(tc, a_reference_over_more_columns_than_can_be_followed_is_left_to_the_server);
  tcase_add_test(tc, a_table_of_mode_pull_has_no_triggers);
  tcase_add_loop_test(tc, risky_types_are_tracked_with_a_warning, 0, 3);
  tcase_add_test(tc, a_queue_of_the_documented_shape_is_taken_over_with_its_rows);
  tcase_add_test(tc, a_queue_that_has_some_of_our_columns_gets_the_others);
  tcase_add_test(tc, a_queue_of_another_shape_is_refused_and_left_alone);
  suite_add_tcase(suite, tc);
  return suite;
}
