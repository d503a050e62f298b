/* Capture in particular: the triggers' texts, cascades, very narrow and very wide tables,
** connections without the extension, and tables that change their shape. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rows/diff.h"
#include "store/schema.h"
#include "suites.h"
#include "tracked.h"

static tracked file;

static void set_up(void) { tracked_open(&file); }
static void tear_down(void) { tracked_close(&file); }

static void expect(const char *sql, const char *text) {
  const char *got = tracked_text(&file, "%s", sql);
  ck_assert_msg(strcmp(got, text) == 0, "%s\n  gives  %s\n  not    %s", sql, got, text);
}

/* All queue rows as "ACTION key", in order. */
static void expect_queue(const char *rows) {
  expect("SELECT group_concat(action || ' ' || entity_id, ', ') FROM (SELECT * FROM sync_queue "
         "WHERE status <> 'SYNCED' ORDER BY rowid)",
         rows);
}

/* ---- golden texts ---- */

static const struct golden {
  const char *name, *ddl, *options;
} goldens[] = {
    {"customers",
     "CREATE TABLE customers(id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, owner_id UUID, "
     "revenue REAL, price TEXT, score INTEGER, active BOOLEAN,"
     " tags JSON, photo BLOB, born DATE, synced INTEGER, updated_at TEXT, deleted_at TEXT)",
     "{\"delete\":\"soft\",\"synced_at\":\"synced\",\"columns\":{\"price\":{\"type\":\"decimal\"}}"
     "}"},
    {"composite",
     "CREATE TABLE \"order \"\" lines\"(\"order\" TEXT NOT NULL, n INTEGER NOT NULL, at INTEGER, "
     "ms INTEGER, note TEXT, PRIMARY KEY(\"order\", n)) WITHOUT ROWID",
     "{\"entity\":\"it's\",\"plain\":true,\"columns\":{\"at\":{\"remote\":\"happened\\\"at\","
     "\"type\":\"timestamp:s\"},"
     "\"ms\":{\"type\":\"timestamp:ms\"},\"note\":null}}"},
};
enum { GOLDENS = sizeof goldens / sizeof goldens[0] };

static char *read_file(const char *path) {
  FILE *in = fopen(path, "rb");
  if (!in) return NULL;
  char *text = calloc(1, 1 << 18);
  size_t n = fread(text, 1, (1 << 18) - 1, in);
  text[n] = 0;
  fclose(in);
  return text;
}

/* LEADX_GOLDEN=write makes the files anew; `make test` runs in the repository's root. */
START_TEST(the_triggers_are_exactly_the_golden_texts) {
  const struct golden *golden = &goldens[_i];
  char path[80], options[400];
  snprintf(path, sizeof path, "tests/golden/capture_%s.sql", golden->name);
  tracked_run(&file, "%s", golden->ddl);
  snprintf(options, sizeof options, "%s", golden->options);
  tracked_run(&file,
              "SELECT leadx_track(name, %Q) FROM sqlite_schema WHERE name IN ('customers', 'order "
              "\" lines')",
              options);
  const char *got = tracked_text(
      &file,
      "SELECT group_concat(sql || ';' || char(10), char(10)) FROM (SELECT sql FROM sqlite_schema"
      " WHERE type = 'trigger' AND tbl_name IN ('customers', 'order \" lines') ORDER BY name)");
  if (getenv("LEADX_GOLDEN")) {
    FILE *out = fopen(path, "wb");
    ck_assert_ptr_nonnull(out);
    fputs(got, out);
    fclose(out);
  }
  char *want = read_file(path);
  ck_assert_msg(want != NULL, "%s is missing; LEADX_GOLDEN=write makes it", path);
  ck_assert_msg(strcmp(got, want) == 0,
                "%s differs; if that is meant, LEADX_GOLDEN=write makes it anew:\n%.2000s", path,
                got);
  free(want);
}
END_TEST

/* ---- narrow and wide ---- */

START_TEST(a_table_of_its_key_alone_is_captured) {
  tracked_run(&file, "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL); SELECT leadx_track('t');"
                     "INSERT INTO t VALUES('a'), ('b'); UPDATE t SET id = 'c' WHERE id = 'a'; "
                     "DELETE FROM t WHERE id = 'b'");
  expect_queue("CREATE a, CREATE b, DELETE a, CREATE c, DELETE b");
}
END_TEST

START_TEST(a_table_of_two_thousand_columns_is_captured) {
  sqlite3_str *ddl = sqlite3_str_new(NULL);
  for (int i = 1; i < 2000; i++) sqlite3_str_appendf(ddl, ", c%d TEXT DEFAULT 'v%d'", i, i);
  char *columns = sqlite3_str_finish(ddl);
  tracked_run(&file, "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL%s)", columns);
  sqlite3_free(columns);
  tracked_run(&file, "SELECT leadx_track('t'); INSERT INTO t(id) VALUES('a'); UPDATE t SET c1999 = "
                     "'a \"new\" one', c7 = 7.5");
  expect_queue("CREATE a, UPDATE a");
  expect("SELECT base FROM sync_queue WHERE action = 'UPDATE'",
         "{\"c7\":\"v7\",\"c1999\":\"v1999\"}");
  expect("SELECT payload FROM sync_queue WHERE action = 'UPDATE'",
         "{\"id\":\"a\",\"c7\":\"7.5\",\"c1999\":\"a \\\"new\\\" one\"}");
  expect("SELECT json_extract(payload, '$.c1999') || json_extract(payload, '$.c1000') FROM "
         "sync_queue WHERE action = 'CREATE'",
         "v1999v1000");
  tracked_run(&file, "DELETE FROM t");
}
END_TEST

START_TEST(columns_may_have_any_name_that_a_trigger_uses_itself) {
  tracked_run(&file, "CREATE TABLE leadlist(raw TEXT PRIMARY KEY NOT NULL, n TEXT, ms TEXT, s "
                     "TEXT, name TEXT, wire TEXT, counts TEXT, key TEXT, id TEXT);"
                     "SELECT leadx_track('leadlist'); INSERT INTO leadlist VALUES('1\"', '2\"', "
                     "'3\\', '4', '5', '6', '7', '8', '9');"
                     "UPDATE leadlist SET n = '\"'; UPDATE leadlist SET raw = 'r'");
  expect("SELECT payload FROM sync_queue WHERE rowid = 1",
         "{\"raw\":\"1\\\"\",\"n\":\"2\\\"\",\"ms\":\"3\\\\\",\"s\":\"4\",\"name\":\"5\",\"wire\":"
         "\"6\","
         "\"counts\":\"7\",\"key\":\"8\",\"id\":\"9\"}");
  expect("SELECT base FROM sync_queue WHERE rowid = 2", "{\"n\":\"2\\\"\"}");
  expect("SELECT count(*) FROM sync_queue", "4");
}
END_TEST

START_TEST(tables_may_have_any_name_that_the_statements_use_themselves) {
  static const char *const names[] = {"c",    "z",     "k",        "q",        "s",
                                      "list", "l",     "new",      "old",      "main",
                                      "temp", "order", "excluded", "json_each"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    tracked_run(&file,
                "CREATE TABLE \"%w\"(id TEXT PRIMARY KEY NOT NULL, v TEXT UNIQUE); INSERT INTO "
                "main.\"%w\" VALUES('0', 'before\"')",
                names[i], names[i]);
    tracked_run(&file,
                "SELECT leadx_track(%Q, '{\"backfill\":true}'); INSERT INTO main.\"%w\" "
                "VALUES('a', 'x\"'); UPDATE main.\"%w\" SET v = 'y'||id",
                names[i], names[i], names[i]);
    tracked_look(&file, names[i]);
    const char *got = tracked_text(&file,
                                   "SELECT group_concat(action) FROM (SELECT action FROM "
                                   "sync_queue WHERE entity_type = %Q ORDER BY rowid)",
                                   names[i]);
    ck_assert_msg(strcmp(got, "CREATE,CREATE,UPDATE,UPDATE") == 0, "%s: %s", names[i], got);
  }
}
END_TEST

/* ---- keys ---- */

START_TEST(a_null_key_is_queued_with_an_empty_id_and_aborts_nothing) {
  tracked_run(&file, "CREATE TABLE t(id TEXT PRIMARY KEY, v TEXT); SELECT leadx_track('t'); INSERT "
                     "INTO t VALUES(NULL, 'a'), (NULL, 'b'); DELETE FROM t");
  expect("SELECT count(*) || ' ' || sum(entity_id = '') FROM sync_queue", "4 4");
}
END_TEST

START_TEST(an_integer_key_that_sqlite_chose_is_the_one_that_is_queued) {
  tracked_run(&file, "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); SELECT leadx_track('t');"
                     "INSERT INTO t(v) VALUES('a'); INSERT INTO t VALUES(NULL, 'b'); INSERT OR "
                     "REPLACE INTO t(v) VALUES('c')");
  expect("SELECT group_concat(entity_id || payload, ' ') FROM (SELECT * FROM sync_queue ORDER BY "
         "rowid)",
         "1{\"id\":1,\"v\":\"a\"} 2{\"id\":2,\"v\":\"b\"} 3{\"id\":3,\"v\":\"c\"}");
}
END_TEST

START_TEST(a_composite_key_is_a_json_array) {
  tracked_run(&file, "CREATE TABLE t(b INTEGER, a TEXT, PRIMARY KEY(a, b)); SELECT "
                     "leadx_track('t'); INSERT INTO t VALUES(9007199254740993, 'x\"y')");
  expect("SELECT entity_id FROM sync_queue", "[\"x\\\"y\",9007199254740993]");
}
END_TEST

START_TEST(an_update_of_the_rowid_by_any_of_its_names_is_a_new_key) {
  static const char *const names[] = {"id", "rowid", "_rowid_", "oid", "\"ROWID\""};
  tracked_run(&file, "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); SELECT leadx_track('t'); "
                     "INSERT INTO t VALUES(1, 'a')");
  tracked_run(&file, "DELETE FROM sync_queue; UPDATE t SET %s = 2", names[_i]);
  expect_queue("DELETE 1, CREATE 2");
}
END_TEST

/* ---- cascades ---- */

START_TEST(cascades_are_captured_to_the_third_generation) {
  tracked_run(&file, "PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = %d", _i);
  tracked_run(
      &file,
      "CREATE TABLE a(id TEXT PRIMARY KEY NOT NULL); CREATE TABLE b(id TEXT PRIMARY KEY NOT NULL, "
      "a TEXT REFERENCES a ON DELETE CASCADE"
      " ON UPDATE CASCADE); CREATE TABLE c(id TEXT PRIMARY KEY NOT NULL, b TEXT REFERENCES b ON "
      "DELETE CASCADE, a TEXT REFERENCES a ON DELETE"
      " SET NULL ON UPDATE CASCADE); CREATE TABLE d(a TEXT PRIMARY KEY NOT NULL REFERENCES a ON "
      "UPDATE CASCADE ON DELETE CASCADE);"
      "SELECT leadx_track('*');"
      "INSERT INTO a VALUES('a1'), ('a2'); INSERT INTO b VALUES('b1', 'a1'); INSERT INTO c "
      "VALUES('c1', 'b1', 'a2'), ('c2', NULL, 'a1');"
      "INSERT INTO d VALUES('a1'); DELETE FROM sync_queue; UPDATE a SET id = 'a9' WHERE id = 'a1'");
  expect("SELECT group_concat(x, ', ') FROM (SELECT action || ' ' || entity_id AS x FROM "
         "sync_queue ORDER BY x)",
         "CREATE a9, CREATE a9, DELETE a1, DELETE a1, UPDATE b1, UPDATE c2");
  tracked_run(&file, "DELETE FROM sync_queue; DELETE FROM a");
  expect("SELECT group_concat(x, ', ') FROM (SELECT action || ' ' || entity_id AS x FROM "
         "sync_queue WHERE action = 'DELETE' ORDER BY x)",
         "DELETE a2, DELETE a9, DELETE a9, DELETE b1, DELETE c1");
  expect("SELECT count(*) || (SELECT payload FROM sync_queue WHERE entity_id = 'c2' ORDER BY rowid "
         "DESC LIMIT 1) FROM c",
         "1{\"id\":\"c2\",\"a\":null}");
}
END_TEST

/* An application's own stamping trigger makes a second change, which is seen too; ours never write
** the table. */
START_TEST(a_stamping_trigger_of_the_application_is_no_recursion) {
  tracked_run(&file, "PRAGMA recursive_triggers = %d", _i);
  tracked_run(&file, "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, v TEXT, stamp INTEGER DEFAULT "
                     "0); SELECT leadx_track('t');"
                     "CREATE TRIGGER stamp AFTER UPDATE OF v ON t BEGIN UPDATE t SET stamp = stamp "
                     "+ 1 WHERE id = NEW.id; END;"
                     "INSERT INTO t(id, v) VALUES('a', 'x'); UPDATE t SET v = 'y'");
  expect("SELECT json_extract(payload, '$.stamp') FROM sync_queue WHERE action = 'UPDATE' AND base "
         "LIKE '%stamp%'",
         "1");
}
END_TEST

/* ---- other connections ---- */

START_TEST(a_connection_without_the_extension_writes_and_is_captured) {
  tracked_run(&file,
              "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, v TEXT); SELECT leadx_track('t')");
  sqlite3 *plain = tracked_second(&file);
  ck_assert_int_eq(sqlite3_exec(plain,
                                "PRAGMA trusted_schema = OFF; INSERT INTO t VALUES('a', '\"x\"'); "
                                "UPDATE t SET v = 1.5e300; UPDATE t SET id = 'b';"
                                "DELETE FROM t",
                                NULL, NULL, NULL),
                   SQLITE_OK);
  ck_assert_int_eq(sqlite3_close(plain), SQLITE_OK);
  expect_queue("CREATE a, UPDATE a, DELETE a, CREATE b, DELETE b");
}
END_TEST

/* The triggers write by way of a view, which such a connection may not read. */
START_TEST(a_connection_that_forbids_views_writes_and_is_captured) {
  tracked_run(&file,
              "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, v TEXT); SELECT leadx_track('t')");
  sqlite3 *plain = tracked_second(&file);
  ck_assert_int_eq(sqlite3_db_config(plain, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL), SQLITE_OK);
  ck_assert_int_eq(sqlite3_db_config(plain, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL), SQLITE_OK);
  ck_assert_int_eq(sqlite3_exec(plain,
                                "INSERT INTO t VALUES('a', '\"x\"'); INSERT OR REPLACE INTO t "
                                "VALUES('a', 'y'); UPDATE OR IGNORE t SET v = 'z\n'",
                                NULL, NULL, NULL),
                   SQLITE_OK);
  ck_assert_int_eq(sqlite3_close(plain), SQLITE_OK);
  expect("SELECT group_concat(action || ' ' || payload, ', ') FROM (SELECT * FROM sync_queue ORDER "
         "BY rowid)",
         "CREATE {\"id\":\"a\",\"v\":\"\\\"x\\\"\"}, CREATE {\"id\":\"a\",\"v\":\"y\"}, UPDATE "
         "{\"id\":\"a\",\"v\":\"z\\u000a\"}");
}
END_TEST

START_TEST(python_writes_and_is_captured) {
  char command[300];
  tracked_run(&file,
              "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, v TEXT); SELECT leadx_track('t')");
  snprintf(command, sizeof command,
           "python3 -c \"import sqlite3; d = sqlite3.connect('%s'); d.execute('INSERT INTO t "
           "VALUES(?, ?)', ('p', 'caf\\u00e9 \\x22'));"
           " d.execute('UPDATE t SET v = 2'); d.commit()\"",
           file.path);
  ck_assert_int_eq(system(command), 0);
  expect_queue("CREATE p, UPDATE p");
}
END_TEST

/* A queue must not keep the user from writing for longer than the disk itself does. */
START_TEST(a_full_disk_fails_a_write_whole_and_a_purge_makes_room) {
  tracked_run(&file, "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); SELECT leadx_track('t')");
  tracked_run(&file, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
                     "500) INSERT INTO t SELECT i, printf('%%200d', i) FROM n");
  tracked_run(&file, "UPDATE sync_queue SET status = 'SYNCED', synced_at = '2020-01-01T00:00:00Z'");
  tracked_run(&file, "PRAGMA max_page_count = 1");
  int rc = SQLITE_OK;
  for (int i = 0; rc == SQLITE_OK && i < 500; i++)
    rc = tracked_try(&file, "INSERT INTO t(v) VALUES (printf('%200d', 0))");
  ck_assert_int_eq(rc, SQLITE_FULL);
  expect("SELECT (SELECT count(*) FROM t) = (SELECT count(*) FROM sync_queue)", "1");
  tracked_run(&file, "SELECT leadx_purge(1)");
  for (int i = 0; i < 100; i++)
    ck_assert_int_eq(tracked_try(&file, "INSERT INTO t(v) VALUES (printf('%200d', 0))"), SQLITE_OK);
  expect("SELECT (SELECT count(*) FROM t WHERE id > 500) = (SELECT count(*) FROM sync_queue WHERE "
         "status = 'PENDING')",
         "1");
}
END_TEST

START_TEST(a_thousand_updates_of_one_row_are_a_thousand_queue_rows_in_order) {
  tracked_run(&file, "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, v INTEGER); SELECT "
                     "leadx_track('t'); INSERT INTO t VALUES('a', 0); BEGIN");
  for (int i = 1; i <= 1000; i++) tracked_run(&file, "UPDATE t SET v = %d", i);
  tracked_run(&file, "COMMIT");
  expect("SELECT count(*) || ' ' || sum(json_extract(payload, '$.v') = rowid - 1) FROM sync_queue "
         "WHERE action = 'UPDATE'",
         "1000 1000");
  expect("SELECT count(*) FROM (SELECT id, lag(id) OVER (ORDER BY rowid) AS before FROM "
         "sync_queue) WHERE before >= id",
         "0");
}
END_TEST

/* ---- tables that change their shape ---- */

static const char *const odd_names[] = {"100%",      "%s",        "%",         "it's",
                                        "say \"x\"", "{{row}}",   "{{texts}}", "a\\b",
                                        "\xc3\xa9",  "two words", "NEW",       "a,b"};

START_TEST(a_column_of_any_name_is_captured_under_it) {
  const char *name = odd_names[_i];
  tracked_run(&file,
              "CREATE TABLE odd(id TEXT PRIMARY KEY NOT NULL, \"%w\" TEXT, n INT); SELECT "
              "leadx_track('odd');"
              "INSERT INTO odd VALUES('o', 'one', 1); UPDATE odd SET \"%w\" = 'quo\"ted', n = 2",
              name, name);
  ck_assert_str_eq(tracked_text(&file,
                                "SELECT group_concat(value, ' ') FROM sync_queue, "
                                "json_each(payload) WHERE json_each.key = %Q",
                                name),
                   "one quo\"ted");
  ck_assert_str_eq(
      tracked_text(&file, "SELECT value FROM sync_queue, json_each(base) WHERE json_each.key = %Q",
                   name),
      "one");
  ck_assert_int_eq(tracked_int(&file, "SELECT count(*) FROM sync_queue, json_each(payload)"), 6);
}
END_TEST

/* A uuid that is not given is NULL to PostgreSQL, also where the column may not be NULL here. */
START_TEST(an_empty_uuid_is_null_whatever_the_column_says) {
  tracked_run(&file, "CREATE TABLE odd(id TEXT PRIMARY KEY NOT NULL, u UUID TEXT NOT NULL); SELECT "
                     "leadx_track('odd'); INSERT INTO odd VALUES('o', ''), ('p', 'x')");
  ck_assert_str_eq(tracked_text(&file, "SELECT group_concat(payload) FROM sync_queue"),
                   "{\"id\":\"o\",\"u\":null},{\"id\":\"p\",\"u\":\"x\"}");
}
END_TEST

static void track_notes(void) {
  tracked_run(&file, "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, v TEXT, w TEXT); SELECT "
                     "leadx_track('notes');"
                     "INSERT INTO notes VALUES('a', '1', 'x'), ('b', '2', 'y'), ('c', '3', 'z')");
  tracked_sent(&file, "notes");
  expect_queue("");
}

START_TEST(an_added_column_is_captured_from_the_next_sync_on) {
  track_notes();
  tracked_run(
      &file,
      "ALTER TABLE notes ADD COLUMN extra TEXT; INSERT INTO notes VALUES('d', '4', 'w', 'early')");
  tracked_look(&file, "notes");
  tracked_run(&file, "UPDATE notes SET extra = 'now' WHERE id = 'd'");
  expect("SELECT json_extract(payload, '$.extra') FROM sync_queue ORDER BY rowid DESC LIMIT 1",
         "now");
}
END_TEST

START_TEST(a_renamed_column_is_sent_under_its_new_name_after_the_next_look) {
  track_notes();
  tracked_run(
      &file,
      "ALTER TABLE notes RENAME COLUMN v TO title; UPDATE notes SET title = 'x' WHERE id = 'a'");
  tracked_look(&file, "notes");
  tracked_run(&file, "UPDATE notes SET title = 'y' WHERE id = 'a'");
  expect("SELECT base FROM sync_queue ORDER BY rowid DESC LIMIT 1", "{\"title\":\"x\"}");
}
END_TEST

/* SQLite refuses to drop a column that a trigger names, which is the application's to know:
** untrack, drop, track. */
START_TEST(a_column_is_dropped_between_untrack_and_track) {
  track_notes();
  ck_assert_ptr_nonnull(strstr(tracked_error(&file, "ALTER TABLE notes DROP COLUMN w"), "trigger"));
  tracked_run(&file, "SELECT leadx_untrack('notes'); ALTER TABLE notes DROP COLUMN w; SELECT "
                     "leadx_track('notes'); UPDATE notes SET v = '9' WHERE id = 'a'");
  expect("SELECT payload FROM sync_queue ORDER BY rowid DESC LIMIT 1",
         "{\"id\":\"a\",\"v\":\"9\"}");
}
END_TEST

static const char *const rebuild =
    "BEGIN; CREATE TABLE new_notes(id TEXT PRIMARY KEY NOT NULL, v TEXT, w TEXT, extra TEXT "
    "DEFAULT 'none');"
    "INSERT INTO new_notes(id, v, w) SELECT id, v, w FROM notes; DROP TABLE notes; ALTER TABLE "
    "new_notes RENAME TO notes; COMMIT;";

START_TEST(rows_written_after_a_rebuild_that_dropped_the_triggers_are_found) {
  track_notes();
  tracked_run(&file,
              "%s INSERT INTO notes(id, v) VALUES('d', '4'); DELETE FROM notes WHERE id = 'b'",
              rebuild);
  expect_queue("");
  tracked_look(&file, "notes");
  expect_queue("CREATE d");
  tracked_look(&file, "notes");
  expect_queue("CREATE d");
  /* Nobody saw b go: it is fetched again. */
  expect("SELECT group_concat(key) FROM leadx_shadow WHERE gone = 3", "b");
  tracked_run(&file, "UPDATE notes SET extra = 'seen' WHERE id = 'c'");
  expect("SELECT base FROM sync_queue ORDER BY rowid DESC LIMIT 1", "{\"extra\":\"none\"}");
}
END_TEST

/* One row edited, one edited back, one that was unsent and edited again, one whose delete was
** unsent and that came back. */
START_TEST(edits_made_while_the_triggers_were_missing_are_found) {
  track_notes();
  tracked_run(
      &file,
      "INSERT INTO notes VALUES('d', '4', 'q'), ('e', '5', 'r'); DELETE FROM notes WHERE id = 'c'");
  tracked_run(&file, "%s",
              _i == 0   ? rebuild
              : _i == 1 ? "DROP TRIGGER leadx_notes_update; DROP TRIGGER leadx_notes_insert; DROP "
                          "TRIGGER leadx_notes_delete"
                        : "ALTER TABLE notes ADD COLUMN extra TEXT DEFAULT 'none'; DROP TRIGGER "
                          "leadx_notes_insert;"
                          "DROP TRIGGER leadx_notes_update");
  tracked_run(&file, "DELETE FROM sync_queue WHERE entity_id = 'e'; UPDATE notes SET v = 'edited' "
                     "WHERE id = 'a'; UPDATE notes SET w = 'edited' WHERE id = 'd';"
                     "UPDATE notes SET v = 'x' WHERE id = 'b'; UPDATE notes SET v = '2' WHERE id = "
                     "'b'; INSERT INTO notes(id, v, w) VALUES('c', '3', 'z')");
  if (_i == 0) tracked_run(&file, "SELECT leadx_track('notes')");
  tracked_look(&file, "notes");
  expect("SELECT group_concat(x, ', ') FROM (SELECT DISTINCT action || ' ' || entity_id AS x FROM "
         "sync_queue WHERE status <> 'SYNCED'"
         " AND rowid > (SELECT max(rowid) FROM sync_queue WHERE action = 'DELETE') ORDER BY x)",
         "CREATE c, CREATE e, UPDATE a, UPDATE d");
  expect("SELECT json_extract(payload, '$.v') || ' ' || ifnull(base, 'unknown') FROM sync_queue "
         "WHERE entity_id = 'a'",
         "edited unknown");
  sqlite3_int64 queued = tracked_int(&file, "SELECT count(*) FROM sync_queue");
  tracked_run(&file, "DROP TRIGGER leadx_notes_update");
  tracked_look(&file, "notes");
  ck_assert_int_eq(tracked_int(&file, "SELECT count(*) FROM sync_queue"), queued);
}
END_TEST

/* No value at all, no text, no bytes and the number that a text spells are four things. */
START_TEST(an_edit_that_changes_nothing_but_the_kind_of_a_value_is_found) {
  static const char *const values[] = {"NULL", "''", "x''", "5", "'5'", "5.5", "'5.5'"};
  enum { N = sizeof values / sizeof values[0] };
  track_notes();
  for (int i = 0; i < N * N; i++) {
    if (i / N == i % N) continue;
    tracked_run(&file,
                "DROP TABLE IF EXISTS kinds; DELETE FROM sync_queue; CREATE TABLE kinds(id TEXT "
                "PRIMARY KEY NOT NULL, v); SELECT leadx_track('kinds');"
                "INSERT INTO kinds VALUES('k', %s)",
                values[i / N]);
    tracked_sent(&file, "kinds");
    tracked_run(&file, "DROP TRIGGER leadx_kinds_update; UPDATE kinds SET v = %s", values[i % N]);
    tracked_look(&file, "kinds");
    expect_queue("UPDATE k");
  }
}
END_TEST

/* What a column that came later holds is known once it was sent, and found again only when it is
** edited. */
START_TEST(a_column_that_came_later_is_known_once_its_value_was_sent) {
  track_notes();
  tracked_run(
      &file,
      "ALTER TABLE notes ADD COLUMN extra TEXT; UPDATE notes SET extra = 'e' WHERE id = 'a'");
  tracked_look(&file, "notes");
  expect_queue("UPDATE a");
  tracked_sent(&file, "notes");
  tracked_run(&file, "DROP TRIGGER leadx_notes_update");
  tracked_look(&file, "notes");
  expect_queue("");
  tracked_run(&file,
              "DROP TRIGGER leadx_notes_update; UPDATE notes SET extra = 'f' WHERE id = 'b'");
  tracked_look(&file, "notes");
  expect_queue("UPDATE b");
}
END_TEST

/* Without recursive triggers no trigger sees the row that REPLACE removes over another unique
** column, and a look concludes nothing from its absence. */
START_TEST(a_row_that_is_not_there_is_never_a_delete) {
  tracked_run(&file, "CREATE TABLE codes(id TEXT PRIMARY KEY NOT NULL, code TEXT UNIQUE); SELECT "
                     "leadx_track('codes'); INSERT INTO codes VALUES('a', '1'), ('b', '2')");
  tracked_sent(&file, "codes");
  tracked_run(&file, "DROP TRIGGER leadx_codes_delete; DELETE FROM codes WHERE id = 'a'");
  tracked_look(&file, "codes");
  expect_queue("");
  tracked_run(&file, "DROP TABLE codes; CREATE TABLE codes(id TEXT PRIMARY KEY NOT NULL, code TEXT "
                     "UNIQUE)");
  tracked_look(&file, "codes");
  expect_queue("");
  expect("SELECT group_concat(key) FROM leadx_shadow WHERE gone = 3", "a,b");
}
END_TEST

/* What was noted of other columns says nothing about these, so nothing is invented. */
START_TEST(a_note_about_other_columns_invents_no_edit) {
  track_notes();
  tracked_run(
      &file,
      "UPDATE leadx_shadow SET fingerprint = x'00000000' || substr(fingerprint, 5) WHERE key = 'a';"
      "DROP TRIGGER leadx_notes_update; UPDATE notes SET v = 'edited'");
  tracked_look(&file, "notes");
  expect_queue("UPDATE b, UPDATE c");
}
END_TEST

START_TEST(a_column_that_a_rebuild_dropped_or_filled_does_not_hide_an_edit) {
  track_notes();
  tracked_run(
      &file, "%s",
      _i ? "BEGIN; CREATE TABLE n(id TEXT PRIMARY KEY NOT NULL, v TEXT); INSERT INTO n SELECT id, "
           "v FROM notes; DROP TABLE notes;"
           "ALTER TABLE n RENAME TO notes; COMMIT; UPDATE notes SET v = 'edited' WHERE id = 'b'"
         : "BEGIN; CREATE TABLE n(size INTEGER DEFAULT '0', id TEXT PRIMARY KEY NOT NULL, w TEXT, "
           "v TEXT); INSERT INTO n(id, v, w) SELECT id, v, w FROM"
           " notes; DROP TABLE notes; ALTER TABLE n RENAME TO notes; COMMIT; UPDATE notes SET size "
           "= 7 WHERE id = 'b'");
  tracked_look(&file, "notes");
  expect_queue("UPDATE b");
}
END_TEST

START_TEST(a_renamed_table_is_said_and_its_entity_taken_over) {
  track_notes();
  tracked_run(&file, "INSERT INTO notes VALUES('d', '4', 'w'); ALTER TABLE notes RENAME TO memos; "
                     "UPDATE memos SET v = 'still captured' WHERE id = 'a'");
  expect_queue("CREATE d, UPDATE a");
  leadx_err_clear(&file.err);
  ck_assert_int_eq(leadx_diff_missing(&file.db, &file.err), SQLITE_OK);
  leadx_db_release(&file.db);
  ck_assert_ptr_nonnull(strstr(tracked_text(&file, "SELECT last_error FROM leadx_status"),
                               "table \"notes\" is gone; if it was renamed"));
  tracked_run(&file, "SELECT leadx_track('memos', '{\"entity\":\"notes\"}'); UPDATE memos SET v = "
                     "'once' WHERE id = 'b'");
  tracked_look(&file, "memos");
  expect_queue("CREATE d, UPDATE a, UPDATE b");
  expect("SELECT group_concat(table_name) FROM leadx_tables", "memos");
  expect("SELECT count(*) FROM leadx_shadow WHERE version IS NOT NULL", "3");
}
END_TEST

static const char *const damages[] = {
    "DROP TRIGGER leadx_notes_update",
    "DROP TRIGGER leadx_notes_update; CREATE TRIGGER leadx_notes_update AFTER UPDATE ON notes "
    "BEGIN DELETE FROM notes; END",
    "DROP VIEW leadx_record",
    "DROP TRIGGER leadx_record_queue",
    "DROP TRIGGER leadx_record_queue; CREATE TRIGGER leadx_record_queue INSTEAD OF INSERT ON "
    "leadx_record BEGIN DELETE FROM notes; END",
};
enum { DAMAGES = sizeof damages / sizeof damages[0] };

START_TEST(a_trigger_that_was_dropped_or_doctored_is_made_anew) {
  track_notes();
  tracked_run(&file, "%s", damages[_i]);
  tracked_look(&file, "notes");
  tracked_run(&file, "UPDATE notes SET v = '9' WHERE id = 'a'");
  expect("SELECT count(*) FROM notes", "3");
  expect_queue("UPDATE a");
}
END_TEST

/* All tables' triggers hand their changes to one: whoever silences that silences all of them, and
** whoever looks first at one of them makes it anew for all. */
START_TEST(what_the_shared_trigger_missed_is_found_in_every_table) {
  static const char *const firsts[] = {NULL, "SELECT leadx_track('notes')",
                                       "SELECT leadx_track('more')"};
  track_notes();
  tracked_run(&file, "CREATE TABLE more(id TEXT PRIMARY KEY NOT NULL, v TEXT); INSERT INTO more "
                     "VALUES('m', '1'); SELECT leadx_track('more')");
  tracked_run(&file, "DROP TRIGGER leadx_record_queue; CREATE TRIGGER leadx_record_queue INSTEAD "
                     "OF INSERT ON leadx_record BEGIN SELECT 1; END;"
                     "UPDATE notes SET v = 'unseen' WHERE id = 'a'; UPDATE more SET v = 'unseen'; "
                     "INSERT INTO more VALUES('n', '2')");
  expect_queue("");
  if (firsts[_i]) tracked_run(&file, "%s", firsts[_i]);
  tracked_look(&file, "notes");
  tracked_look(&file, "more");
  expect("SELECT group_concat(c, ', ') FROM (SELECT action || ' ' || entity_id AS c FROM "
         "sync_queue ORDER BY 1)",
         "CREATE n, UPDATE a, UPDATE m");
  ck_assert_int_eq(leadx_diff_end(&file.db, &file.err), SQLITE_OK);
  leadx_db_release(&file.db);
  expect("SELECT count(*) FROM leadx_settings WHERE key = 'catch_up'", "0");
}
END_TEST

/* A file that leadx wrote in format 2: the triggers of one table handed their changes to a view that is
** not there any more. */
static const char *const format_2 =
    "DROP TRIGGER leadx_notes_insert; DROP TRIGGER leadx_notes_update; DROP TRIGGER "
    "leadx_notes_delete; DROP VIEW leadx_edit_4; DROP VIEW leadx_row_4; DROP VIEW leadx_record; "
    "DROP VIEW leadx_slow; DROP TABLE leadx_cell;"
    "UPDATE leadx_settings SET value = 2 WHERE key = 'format';"
    "CREATE VIEW leadx_change(entity_type, entity_id, action, payload, base, texts, ms, n) AS "
    "SELECT "
    "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE 0;"
    "CREATE TRIGGER leadx_change_queue INSTEAD OF INSERT ON leadx_change BEGIN INSERT INTO "
    "sync_queue(id, entity_type, entity_id, action, payload, base) VALUES(hex(randomblob(16)), "
    "NEW.entity_type, NEW.entity_id, NEW.action, NEW.payload, NEW.base); END;"
    "CREATE TRIGGER leadx_notes_update AFTER UPDATE ON notes BEGIN INSERT INTO leadx_change VALUES "
    "('notes', NEW.id, 'UPDATE', printf('{\"id\":\"%%s\",\"v\":\"%%s\",\"w\":\"%%s\"}', NEW.id, "
    "NEW.v, NEW.w), printf('{\"v\":\"%%s\"}', OLD.v), '', 0, 0); END;"
    "CREATE TRIGGER leadx_notes_rekey AFTER UPDATE OF id ON notes BEGIN SELECT 1; END;"
    "UPDATE notes SET v = 'unsent' WHERE id = 'a'";

START_TEST(a_file_of_format_2_is_moved_and_its_unsent_rows_are_kept) {
  track_notes();
  tracked_run(&file, format_2);
  expect_queue("UPDATE a");
  if (_i) tracked_run(&file, "SELECT leadx_track('notes')");
  else ck_assert_int_eq(leadx_schema_ensure(&file.db, "leadx_sync", &file.err), SQLITE_OK);
  tracked_look(&file, "notes");
  expect("SELECT value FROM leadx_settings WHERE key = 'format'", "3");
  expect_queue("UPDATE a");
  expect("SELECT payload || base FROM sync_queue WHERE status = 'PENDING'",
         "{\"id\":\"a\",\"v\":\"unsent\",\"w\":\"x\"}{\"v\":\"1\"}");
  expect("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'leadx_change%' OR name = "
         "'leadx_notes_rekey'",
         "0");
  tracked_run(&file, "UPDATE notes SET v = 'after' WHERE id = 'b'");
  expect_queue("UPDATE a, UPDATE b");
}
END_TEST

/* sqlite3_limit(SQLITE_LIMIT_FUNCTION_ARG) of a host that is careful. */
START_TEST(a_connection_that_allows_eight_arguments_writes_and_is_captured) {
  tracked_run(&file, "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, a TEXT, b REAL, c BOOLEAN, d "
                     "INTEGER, e BLOB, f DATE, g UUID, h TEXT, i TEXT); SELECT leadx_track('t')");
  sqlite3 *plain = tracked_second(&file);
  sqlite3_limit(plain, SQLITE_LIMIT_FUNCTION_ARG, 8);
  ck_assert_int_eq(sqlite3_exec(plain,
                                "INSERT INTO t VALUES('k', 'a\"', 0.1, 1, 2, x'00', '2024-01-01', "
                                "'', NULL, 'i'); UPDATE t SET a = char(1), b = 9e999, e = 7; "
                                "UPDATE t SET id = 'l'; DELETE FROM t",
                                NULL, NULL, NULL),
                   SQLITE_OK);
  ck_assert_int_eq(sqlite3_close(plain), SQLITE_OK);
  expect_queue("CREATE k, UPDATE k, DELETE k, CREATE l, DELETE l");
}
END_TEST

/* Numbers that are equal and of two classes; NULL is no empty text; nothing is nothing. */
START_TEST(an_update_queues_what_changed_and_nothing_when_nothing_did) {
  tracked_run(&file, "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, v, w COLLATE NOCASE); SELECT "
                     "leadx_track('t'); INSERT INTO t VALUES('k', 1, 'a'); DELETE FROM sync_queue;"
                     "UPDATE t SET v = 1, w = 'a'; UPDATE t SET v = 1.0; UPDATE t SET w = 'A'; "
                     "UPDATE t SET v = NULL; UPDATE t SET v = ''; UPDATE t SET v = v");
  expect("SELECT group_concat(payload || base, ' ') FROM sync_queue",
         "{\"id\":\"k\",\"v\":1.0}{\"v\":1} {\"id\":\"k\",\"w\":\"A\"}{\"w\":\"a\"} "
         "{\"id\":\"k\",\"v\":null}{\"v\":1.0} {\"id\":\"k\",\"v\":\"\"}{\"v\":null}");
}
END_TEST

/* A queue that was there before, in the shape that is taken over, may have constraints of its
** owner's: a row that needs escaping is whole from the first moment as well. */
START_TEST(a_queue_that_checks_its_rows_never_sees_half_a_one) {
  tracked_run(&file,
              "CREATE TABLE sync_queue (id TEXT PRIMARY KEY, entity_type TEXT NOT NULL, entity_id "
              "TEXT NOT NULL,"
              " action TEXT NOT NULL CHECK (action IN ('CREATE', 'UPDATE', 'DELETE')), payload "
              "TEXT NOT NULL CHECK (json_valid(payload)),"
              " status TEXT DEFAULT 'PENDING', retry_count INTEGER DEFAULT 0, error_message TEXT,"
              " created_at TEXT DEFAULT CURRENT_TIMESTAMP, synced_at TEXT)");
  track_notes();
  tracked_run(&file,
              "INSERT INTO notes VALUES('q', 'he said \"no\"', 'two' || char(10) || 'lines');"
              "UPDATE notes SET v = 'a\\b' WHERE id = 'q'; DELETE FROM notes WHERE id = 'q'; "
              "INSERT INTO notes VALUES('z', 'plain', 'w')");
  expect_queue("CREATE q, UPDATE q, DELETE q, CREATE z");
  expect("SELECT group_concat(json_extract(payload, '$.v'), '|') FROM sync_queue",
         "he said \"no\"|a\\b|a\\b|plain");
  expect("SELECT count(*) FROM leadx_unwritten", "0");
}
END_TEST

/* ---- what REPLACE takes along ---- */

/* Folders with names that are unique among siblings, and whose parent may be taken from them. */
static void track_folders(void) {
  tracked_run(&file,
              "PRAGMA foreign_keys = ON; CREATE TABLE f(id TEXT PRIMARY KEY NOT NULL, p TEXT "
              "REFERENCES f(id) ON DELETE SET NULL, c TEXT UNIQUE, UNIQUE(p, c)); SELECT "
              "leadx_track('f'); INSERT INTO f VALUES('a', NULL, 'ca'), ('b', 'a', 'cb'), ('d', "
              "'a', 'cd'); DELETE FROM sync_queue");
}

/* What the notes of a write that came to nothing say is no reason for a DELETE, whatever became of
** the rows since. */
START_TEST(what_a_write_that_failed_would_have_taken_is_never_a_delete) {
  static const char *const failures[] = {
      "INSERT OR IGNORE INTO f VALUES('n', NULL, 'cb')",
      "INSERT INTO f VALUES('n', NULL, 'cb') ON CONFLICT DO NOTHING",
      "UPDATE OR IGNORE f SET c = 'cb' WHERE id = 'd'",
      "DROP TRIGGER leadx_f_note; CREATE TRIGGER no BEFORE INSERT ON f WHEN NEW.id = 'n' BEGIN "
      "SELECT RAISE(IGNORE); END; "
      "SELECT leadx_track('f'); REPLACE INTO f VALUES('n', NULL, 'cb'); DROP TRIGGER no",
      "DROP TRIGGER leadx_f_renote; CREATE TRIGGER no BEFORE UPDATE ON f BEGIN SELECT "
      "RAISE(IGNORE); END; SELECT leadx_track('f'); UPDATE OR REPLACE f "
      "SET c = 'cb' WHERE id = 'd'; DROP TRIGGER no",
  };
  track_folders();
  tracked_run(&file, "%s", failures[_i]);
  ck_assert_int_gt(tracked_int(&file, "SELECT count(*) FROM leadx_taken"), 0);
  if (_i % 2) tracked_run(&file, "DROP TRIGGER leadx_f_forget");
  tracked_run(&file,
              "INSERT INTO leadx_applying VALUES('pull'); DELETE FROM f WHERE id = 'b'; "
              "DELETE FROM leadx_applying; UPDATE f SET p = NULL WHERE id = 'd'; INSERT INTO "
              "f VALUES('n', NULL, 'cn'); UPDATE f SET c = id WHERE id IN ('d', 'n')");
  /* Where triggers were missing, the look at the table has queued its rows once more. */
  if (_i < 3) expect_queue("UPDATE d, CREATE n, UPDATE d, UPDATE n");
  expect("SELECT count(*) FROM sync_queue WHERE action = 'DELETE'", "0");
  tracked_look(&file, "f");
  expect("SELECT count(*) FROM leadx_taken", "0");
}
END_TEST

/* The row that is taken along leaves its children behind, which are written in the middle. */
START_TEST(a_row_that_is_taken_along_is_deleted_once_and_before_what_takes_it) {
  static const char *const replaces[] = {
      "REPLACE INTO f VALUES('n', NULL, 'ca')",
      "INSERT INTO f VALUES('n', NULL, 'cn'); DELETE FROM sync_queue; UPDATE OR REPLACE f SET c = "
      "'ca' WHERE id = 'n'",
      "CREATE TRIGGER more BEFORE INSERT ON f WHEN NEW.id = 'n' BEGIN UPDATE f SET c = c || '!' "
      "WHERE id = 'd'; END; SELECT leadx_track('f'); REPLACE INTO f VALUES('n', NULL, 'ca')",
      "CREATE TRIGGER more BEFORE INSERT ON f WHEN NEW.id = 'n' BEGIN DELETE FROM f WHERE id = "
      "'a'; END; REPLACE INTO f VALUES('n', NULL, 'ca')",
      "CREATE TRIGGER more AFTER INSERT ON f WHEN NEW.id = 'n' BEGIN REPLACE INTO f VALUES('m', "
      "NULL, 'cm'); END; REPLACE INTO f VALUES('n', NULL, 'ca')",
  };
  track_folders();
  /* SQLite itself refuses the UPDATE where it would fire a trigger and take a parent from its child. */
  tracked_run(&file, "PRAGMA recursive_triggers = %d; PRAGMA foreign_keys = %d", _i / 5, _i != 6);
  tracked_run(&file, "%s", replaces[_i % 5]);
  expect("SELECT group_concat(action || entity_id) FROM sync_queue WHERE action = 'DELETE'",
         "DELETEa");
  expect("SELECT group_concat(id) FROM (SELECT id FROM f WHERE id <> 'm' ORDER BY id)", "b,d,n");
  expect("SELECT (SELECT rowid FROM sync_queue WHERE entity_id = 'a') < (SELECT rowid FROM "
         "sync_queue WHERE entity_id = 'n')",
         "1");
  expect("SELECT count(*) FROM leadx_taken", "0");
}
END_TEST

/* An index is made, goes, or has a text that is not understood, while the table is tracked. */
START_TEST(an_index_that_comes_later_is_known_from_the_next_look_on) {
  tracked_run(&file, "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, a TEXT, b TEXT); SELECT "
                     "leadx_track('t'); INSERT INTO t VALUES('k', 'x', '1'), ('l', 'y', '2'); "
                     "DELETE FROM sync_queue");
  tracked_look(&file, "t");
  expect("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 't'", "3");
  tracked_run(&file, "CREATE UNIQUE INDEX i ON t(upper(a), b COLLATE NOCASE)");
  tracked_look(&file, "t");
  tracked_run(&file, "DELETE FROM sync_queue");
  expect("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 't'", "8");
  tracked_run(&file, "REPLACE INTO t VALUES('m', 'X', '1')");
  expect_queue("DELETE k, CREATE m");
  tracked_run(&file, "DROP INDEX i; CREATE UNIQUE INDEX i ON t(upper(a /* , */)); DELETE FROM "
                     "sync_queue");
  tracked_look(&file, "t");
  expect("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 't'", "3");
  tracked_run(&file, "REPLACE INTO t VALUES('o', 'x', '1')");
  expect("SELECT action || entity_id FROM sync_queue ORDER BY rowid DESC", "CREATEo");
  expect("SELECT count(*) FROM sync_queue WHERE action = 'DELETE'", "0");
}
END_TEST

Suite *test_capture_suite(void) {
  Suite *suite = suite_create("capture");
  TCase *tc = tcase_create("capture");
  tcase_add_checked_fixture(tc, set_up, tear_down);
  tcase_set_timeout(tc, 30);
  tcase_add_loop_test(tc, the_triggers_are_exactly_the_golden_texts, 0, GOLDENS);
  tcase_add_test(tc, a_table_of_its_key_alone_is_captured);
  tcase_add_test(tc, a_table_of_two_thousand_columns_is_captured);
  tcase_add_test(tc, columns_may_have_any_name_that_a_trigger_uses_itself);
  tcase_add_test(tc, tables_may_have_any_name_that_the_statements_use_themselves);
  tcase_add_test(tc, a_null_key_is_queued_with_an_empty_id_and_aborts_nothing);
  tcase_add_test(tc, an_integer_key_that_sqlite_chose_is_the_one_that_is_queued);
  tcase_add_test(tc, a_composite_key_is_a_json_array);
  tcase_add_loop_test(tc, an_update_of_the_rowid_by_any_of_its_names_is_a_new_key, 0, 5);
  tcase_add_loop_test(tc, cascades_are_captured_to_the_third_generation, 0, 2);
  tcase_add_loop_test(tc, a_stamping_trigger_of_the_application_is_no_recursion, 0, 2);
  tcase_add_test(tc, a_connection_without_the_extension_writes_and_is_captured);
  tcase_add_test(tc, a_connection_that_forbids_views_writes_and_is_captured);
  tcase_add_test(tc, python_writes_and_is_captured);
  tcase_add_test(tc, a_full_disk_fails_a_write_whole_and_a_purge_makes_room);
  tcase_add_test(tc, a_thousand_updates_of_one_row_are_a_thousand_queue_rows_in_order);
  tcase_add_loop_test(tc, what_a_write_that_failed_would_have_taken_is_never_a_delete, 0, 5);
  tcase_add_loop_test(tc, a_row_that_is_taken_along_is_deleted_once_and_before_what_takes_it, 0,
                      10);
  tcase_add_test(tc, an_index_that_comes_later_is_known_from_the_next_look_on);
  suite_add_tcase(suite, tc);
  TCase *shape = tcase_create("shape");
  tcase_add_checked_fixture(shape, set_up, tear_down);
  tcase_set_timeout(shape, 30);
  tcase_add_test(shape, an_added_column_is_captured_from_the_next_sync_on);
  tcase_add_test(shape, a_renamed_column_is_sent_under_its_new_name_after_the_next_look);
  tcase_add_test(shape, a_column_is_dropped_between_untrack_and_track);
  tcase_add_test(shape, rows_written_after_a_rebuild_that_dropped_the_triggers_are_found);
  tcase_add_loop_test(shape, edits_made_while_the_triggers_were_missing_are_found, 0, 3);
  tcase_add_test(shape, an_edit_that_changes_nothing_but_the_kind_of_a_value_is_found);
  tcase_add_loop_test(shape, a_column_of_any_name_is_captured_under_it, 0,
                      sizeof odd_names / sizeof odd_names[0]);
  tcase_add_test(shape, an_empty_uuid_is_null_whatever_the_column_says);
  tcase_add_test(shape, a_column_that_came_later_is_known_once_its_value_was_sent);
  tcase_add_test(shape, a_row_that_is_not_there_is_never_a_delete);
  tcase_add_test(shape, a_note_about_other_columns_invents_no_edit);
  tcase_add_loop_test(shape, a_column_that_a_rebuild_dropped_or_filled_does_not_hide_an_edit, 0, 2);
  tcase_add_test(shape, a_renamed_table_is_said_and_its_entity_taken_over);
  tcase_add_test(tc, a_queue_that_checks_its_rows_never_sees_half_a_one);
  tcase_add_loop_test(shape, a_file_of_format_2_is_moved_and_its_unsent_rows_are_kept, 0, 2);
  tcase_add_test(tc, a_connection_that_allows_eight_arguments_writes_and_is_captured);
  tcase_add_test(tc, an_update_queues_what_changed_and_nothing_when_nothing_did);
  tcase_add_loop_test(shape, a_trigger_that_was_dropped_or_doctored_is_made_anew, 0, DAMAGES);
  tcase_add_loop_test(shape, what_the_shared_trigger_missed_is_found_in_every_table, 0, 3);
  suite_add_tcase(suite, shape);
  return suite;
}
