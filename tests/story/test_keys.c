/* A key of each type, on the real server and here: rows made on either side are edited on both,
** reconciled, moved into a new table, and deleted from both. However the two sides spell a key, the
** row stays one row. Plainly, and with the functions of leadx_server_sql(). */
#include <stdio.h>
#include <string.h>

#include "live.h"
#include "suites.h"
#include "supabase.h"

/* How a key is declared on the server and here, and two keys made on each side. */
static const struct key_case {
  const char *name, *server, *local, *options, *there[2], *here[2];
} cases[] = {
    {"uuid",
     "k uuid",
     "k TEXT",
     "{\"columns\":{\"k\":{\"type\":\"uuid\"}}}",
     {"'a0000000-0000-4000-8000-00000000000a'", "'A0000000-0000-4000-8000-00000000000B'"},
     {"'B0000000-0000-4000-8000-00000000000C'", "'b000000000004000800000000000000d'"}},
    {"uuid_unnamed",
     "k uuid",
     "k TEXT",
     "{}",
     {"'a0000000-0000-4000-8000-00000000000a'", "'A0000000-0000-4000-8000-00000000000B'"},
     {"'B0000000-0000-4000-8000-00000000000C'", "'b000000000004000800000000000000d'"}},
    {"uuid_mixed",
     "k uuid",
     "k TEXT",
     "{}",
     {"'a0000000-0000-4000-8000-00000000000a'", "'A0000000-0000-4000-8000-00000000000B'"},
     {"'b0000000-0000-4000-8000-0000000000Cc'", "'B0000000000040008000000000000cdD'"}},
    {"text",
     "k text",
     "k TEXT",
     "{}",
     {"E'line\\nend'", "E'\"q\\\\,(a.b)\\t\\x01 '"},
     {"'a' || char(13, 10, 8, 127) || 'b\"\\'", "' %&?#+;=,()*'"}},
    {"bigint",
     "k bigint",
     "k INTEGER",
     "{}",
     {"9223372036854775807", "-9223372036854775808"},
     {"0", "-12"}},
    {"numeric_real", "k numeric(10,2)", "k REAL", "{}", {"1.00", "1234567.89"}, {"3.0", "10.1"}},
    {"numeric_text",
     "k numeric(10,2)",
     "k TEXT",
     "{\"columns\":{\"k\":{\"type\":\"decimal\"}}}",
     {"1.00", "1234567.89"},
     {"'3'", "'10.1'"}},
    {"double",
     "k double precision",
     "k REAL",
     "{}",
     {"0.1::float8 + 0.2::float8", "1e300"},
     {"1e-5", "12345.678"}},
    {"boolean", "k boolean", "k BOOLEAN", "{}", {"true", NULL}, {"0", NULL}},
    {"date",
     "k date",
     "k DATE",
     "{}",
     {"'2026-11-30'", "'0099-01-02'"},
     {"'2026-12-01'", "'2020-02-29'"}},
    {"timestamp",
     "k timestamptz",
     "k TIMESTAMP",
     "{}",
     {"'2026-11-30 23:42:33+07'", "'2026-11-30 23:42:33.120456+00'"},
     {"'2026-01-02 03:04:05'", "'2026-01-02T03:04:06.500Z'"}},
    {"seconds",
     "k timestamptz",
     "k INTEGER",
     "{\"columns\":{\"k\":{\"type\":\"timestamp:s\"}}}",
     {"'2026-11-30 23:42:33+07'", "'1969-11-30 23:42:33+00'"},
     {"1701388953", "-5"}},
    {"milliseconds",
     "k timestamptz",
     "k INTEGER",
     "{\"columns\":{\"k\":{\"type\":\"timestamp:ms\"}}}",
     {"'2026-11-30 23:42:33.120+00'", "'2026-11-30 23:42:34+00'"},
     {"1701388953500", "-1001"}},
    {"bytea", "k bytea", "k BLOB", "{}", {"'\\x00ff'", "'\\x6162'"}, {"x'0aff'", "x'22'"}},
    {"text_of_uuids",
     "k text",
     "k TEXT",
     "{}",
     {"'a0000000-0000-4000-8000-00000000000c'", "'A0000000-0000-4000-8000-00000000000d'"},
     {"'A0000000-0000-4000-8000-00000000000C'", "'A0000000-0000-4000-8000-00000000000D'"}},
    {"composite_unnamed",
     "a uuid, b bigint, c text, d text",
     "a TEXT, b INTEGER, c TEXT, d TEXT",
     "{}",
     {"'A0000000-0000-4000-8000-00000000000a', 1, 'A0000000-0000-4000-8000-00000000000A', 'x'",
      "'A0000000-0000-4000-8000-00000000000a', 1, 'a0000000-0000-4000-8000-00000000000a', 'x'"},
     {"'A0000000-0000-4000-8000-00000000000C', 7, 'A0000000-0000-4000-8000-00000000000A', 'X'",
      "'A0000000-0000-4000-8000-00000000000C', 7, 'a0000000-0000-4000-8000-00000000000a', 'X'"}},
    {"composite",
     "a uuid, b bigint, c timestamptz, d text",
     "a UUID, b INTEGER, c INTEGER, d TEXT",
     "{\"columns\":{\"c\":{\"type\":\"timestamp:s\"}}}",
     {"'A0000000-0000-4000-8000-00000000000a', 9223372036854775807, '2026-11-30 23:42:33+07', "
      "E'x\\ny\"'",
      "'A0000000-0000-4000-8000-00000000000a', -1, '2026-11-30 23:42:33+07', 'x'"},
     {"'A0000000-0000-4000-8000-00000000000C', 7, 1701388953, 'a' || char(10) || '\"'",
      "'a0000000-0000-4000-8000-00000000000c', 7, 1701388953, 'a'"}},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static live_device device;
static char table[40];

static const char *fill(const char *fmt, const char *a, const char *b, const char *c) {
  static char sql[4][1200];
  static int next;
  char *at = sql[next = (next + 1) % 4];
  sqlite3_snprintf(sizeof sql[0], at, fmt, a, b, c);
  return at;
}

static int is_composite(const struct key_case *is) {
  return strchr(is->server, ',') && is->server[0] == 'a';
}
static const char *key_names(const struct key_case *is) {
  return is_composite(is) ? "a, b, c, d" : "k";
}

/* Both sides have exactly those values, each once. */
static void expect_same(const struct key_case *is, const char *when) {
  const char *here = live_text(
      device.db,
      fill("SELECT group_concat(v, ' ') FROM (SELECT v FROM %s ORDER BY v)", table, "", ""));
  const char *there = live_psql(
      fill("select string_agg(v, ' ' order by v collate \"C\") from %s", table, "", ""));
  ck_assert_msg(
      strcmp(here, there) == 0, "%s, %s: here \"%s\", there \"%s\"; parked %s; %s", is->name, when,
      here, there,
      live_text(device.db, "SELECT group_concat(key || ': ' || reason) FROM leadx_parked"),
      live_text(device.db,
                "SELECT group_concat(entity_id || ' ' || action || ' ' || status || ' ' || "
                "ifnull(error_message, ''), '; ') FROM sync_queue"));
}

static void sync_both(const struct key_case *is, const char *when) {
  for (int i = 0; i < 2; i++) {
    const char *result = live_text(device.db, "SELECT leadx_sync()");
    ck_assert_msg(strstr(result, "\"state\":\"ok\"") != NULL, "%s, %s: %s; %s", is->name, when,
                  result,
                  live_text(device.db, "SELECT group_concat(entity_id || ' ' || action || ' ' || "
                                       "ifnull(error_message, ''), '; ') FROM sync_queue"));
  }
  expect_same(is, when);
}

static int count(const char *sql) { return live_int(device.db, sql); }

static void make_rows(const struct key_case *is) {
  for (int i = 0; i < 2; i++) {
    char v[16];
    snprintf(v, sizeof v, "s%d", i);
    if (is->there[i])
      supabase_run(fill("insert into %s values (%s, '%s')", table, is->there[i], v));
    snprintf(v, sizeof v, "h%d", i);
    if (is->here[i])
      live_run(device.db, fill("INSERT INTO %s VALUES (%s, '%s', NULL)", table, is->here[i], v));
  }
}

/* The same rows in a table made anew, as migrations do. */
static void rebuild(const struct key_case *is) {
  char sql[1200];
  sqlite3_snprintf(
      sizeof sql, sql,
      "BEGIN; CREATE TABLE anew(%s, v TEXT, updated_at TEXT, PRIMARY KEY(%s)); INSERT "
      "INTO anew SELECT * FROM %s; DROP TABLE %s; ALTER TABLE anew RENAME TO %s; COMMIT",
      is->local, key_names(is), table, table, table);
  live_run(device.db, sql);
}

static void live_through(const struct key_case *is) {
  int rows = is->there[1] ? 4 : 2;
  char sql[1200];
  sqlite3_snprintf(sizeof table, table, "srv_key_%s", is->name);
  sqlite3_snprintf(sizeof sql, sql,
                   "drop table if exists public.%s cascade; create table public.%s (%s, v text not "
                   "null, updated_at timestamptz not null default now(), primary key (%s)); grant "
                   "all on public.%s to authenticated, anon",
                   table, table, is->server, key_names(is), table);
  supabase_run(sql);
  supabase_reload();
  sqlite3_snprintf(sizeof sql, sql,
                   "CREATE TABLE %s(%s, v TEXT, updated_at TEXT, PRIMARY KEY(%s)); SELECT "
                   "leadx_track('%s', '%s')",
                   table, is->local, key_names(is), table, is->options);
  live_run(device.db, sql);
  if (live_is_served) {
    live_serve(&device);
    live_learn(&device);
  }
  make_rows(is);
  sync_both(is, "made on both sides");
  ck_assert_int_eq(count(fill("SELECT count(*) FROM %s", table, "", "")), rows);
  supabase_run(fill("update %s set v = v || 'S', updated_at = now()", table, "", ""));
  sync_both(is, "edited there");
  live_run(device.db, fill("UPDATE %s SET v = v || 'H'", table, "", ""));
  sync_both(is, "edited here");
  live_text(device.db, "SELECT leadx_reconcile()");
  expect_same(is, "reconciled");
  int queued = count("SELECT count(*) FROM sync_queue");
  rebuild(is);
  sync_both(is, "in a table made anew");
  ck_assert_msg(count("SELECT count(*) FROM sync_queue") == queued,
                "%s: a table made anew was queued: %s", is->name,
                live_text(device.db,
                          "SELECT group_concat(entity_id || ' ' || action || payload) FROM "
                          "(SELECT * FROM sync_queue ORDER BY rowid DESC LIMIT 4)"));
  ck_assert_int_eq(count("SELECT count(*) FROM sync_queue WHERE action = 'DELETE'"), 0);
  supabase_run(fill("delete from %s where v like 'h0%%'", table, "", ""));
  live_text(device.db, "SELECT leadx_sync()");
  live_text(device.db, "SELECT leadx_reconcile()");
  expect_same(is, "deleted there");
  live_run(device.db, fill("DELETE FROM %s WHERE v LIKE 's0%%'", table, "", ""));
  sync_both(is, "deleted here");
  ck_assert_int_eq(count(fill("SELECT count(*) FROM %s", table, "", "")), rows - 2);
  ck_assert_int_eq(count("SELECT count(*) FROM sync_conflicts"), 0);
}

static void set_up(void) {
  live_wipe();
  live_open(&device, 0, NULL);
}

static void tear_down(void) {
  live_close(&device);
  supabase_run(fill("drop table if exists public.%s cascade", table, "", ""));
}

START_TEST(a_key_of_each_type_is_one_key_on_both_sides) { live_through(&cases[_i]); }
END_TEST

/* The local column takes 'k' and 'K' for one. The second is kept out, is seen, and no edit reaches
** it. */
START_TEST(two_texts_that_differ_in_case_are_never_merged) {
  sqlite3_snprintf(sizeof table, table, "srv_key_nocase");
  supabase_run("drop table if exists public.srv_key_nocase cascade; create table "
               "public.srv_key_nocase(k text primary key, v text not null, updated_at timestamptz "
               "not null default now()); grant all on public.srv_key_nocase to authenticated, "
               "anon; insert into srv_key_nocase values ('k', 'small', '2024-01-01'), ('K', "
               "'large', '2024-01-02')");
  supabase_reload();
  live_run(device.db, "CREATE TABLE srv_key_nocase(k TEXT PRIMARY KEY COLLATE NOCASE, v TEXT, "
                      "updated_at TEXT); SELECT leadx_track('srv_key_nocase')");
  if (live_is_served) {
    live_serve(&device);
    live_learn(&device);
  }
  live_text(device.db, "SELECT leadx_sync()");
  ck_assert_str_eq(live_text(device.db, "SELECT group_concat(k || v) FROM srv_key_nocase"),
                   "ksmall");
  ck_assert_str_eq(live_text(device.db, "SELECT group_concat(key) FROM leadx_parked"), "K");
  live_run(device.db, "UPDATE srv_key_nocase SET v = 'edited'");
  live_text(device.db, "SELECT leadx_sync()");
  supabase_run("update srv_key_nocase set v = 'larger', updated_at = now() where k = 'K'");
  live_text(device.db, "SELECT leadx_sync()");
  live_text(device.db, "SELECT leadx_reconcile()");
  ck_assert_str_eq(live_text(device.db, "SELECT group_concat(k || v) FROM srv_key_nocase"),
                   "kedited");
  ck_assert_str_eq(
      live_psql("select string_agg(k || v, ' ' order by k collate \"C\") from srv_key_nocase"),
      "Klarger kedited");
}
END_TEST

static const char family[] =
    "drop table if exists public.srv_key_child, public.srv_key_parent cascade; create table "
    "public.srv_key_parent(id uuid primary key, v text, updated_at timestamptz not null default "
    "now()); create table public.srv_key_child(id uuid primary key, parent_id uuid references "
    "srv_key_parent(id), v text, updated_at timestamptz not null default now()); grant all on "
    "public.srv_key_parent, public.srv_key_child to authenticated, anon";

/* Ids as Swift's uuidString writes them, and no type is named. The child is queued first, and goes
** after its parent. */
START_TEST(a_family_in_capitals_is_one_family_on_both_sides) {
  sqlite3_snprintf(sizeof table, table, "srv_key_parent");
  supabase_run(family);
  supabase_reload();
  live_run(device.db,
           "CREATE TABLE srv_key_parent(id TEXT PRIMARY KEY NOT NULL, v TEXT, updated_at TEXT); "
           "CREATE TABLE srv_key_child(id TEXT PRIMARY KEY NOT NULL, parent_id TEXT REFERENCES "
           "srv_key_parent(id), v TEXT, updated_at TEXT); SELECT leadx_track('srv_key_parent'), "
           "leadx_track('srv_key_child')");
  if (live_is_served) {
    live_serve(&device);
    live_learn(&device);
  }
  live_run(device.db, "INSERT INTO srv_key_child VALUES ('C0000000-0000-4000-8000-00000000000C', "
                      "'A0000000-0000-4000-8000-00000000000A', 'child', NULL); INSERT INTO "
                      "srv_key_parent VALUES ('A0000000-0000-4000-8000-00000000000A', 'parent', "
                      "NULL); PRAGMA foreign_keys = ON");
  ck_assert_ptr_nonnull(strstr(live_text(device.db, "SELECT leadx_sync()"), "\"state\":\"ok\""));
  ck_assert_str_eq(live_psql("select parent_id || v from srv_key_child"),
                   "a0000000-0000-4000-8000-00000000000achild");
  supabase_run("update srv_key_child set v = 'theirs', updated_at = now(); insert into "
               "srv_key_child values ('d0000000-0000-4000-8000-00000000000d', "
               "'a0000000-0000-4000-8000-00000000000a', 'second', now())");
  ck_assert_ptr_nonnull(strstr(live_text(device.db, "SELECT leadx_sync()"), "\"state\":\"ok\""));
  live_run(device.db, "SELECT leadx_track('srv_key_parent'), leadx_track('srv_key_child'); UPDATE "
                      "srv_key_parent SET v = 'ours'");
  ck_assert_ptr_nonnull(strstr(live_text(device.db, "SELECT leadx_sync()"), "\"state\":\"ok\""));
  live_text(device.db, "SELECT leadx_reconcile()");
  ck_assert_str_eq(live_text(device.db, "SELECT group_concat(v || parent_id) FROM (SELECT * FROM "
                                        "srv_key_child ORDER BY id)"),
                   "theirsA0000000-0000-4000-8000-00000000000A,"
                   "secondA0000000-0000-4000-8000-00000000000A");
  ck_assert_str_eq(live_psql("select string_agg(id || v, ' ') from srv_key_parent"),
                   "a0000000-0000-4000-8000-00000000000aours");
  ck_assert_int_eq(count("SELECT count(*) FROM srv_key_parent"), 1);
  ck_assert_int_eq(count("SELECT count(*) FROM sync_queue"), 3);
  live_run(device.db, "DELETE FROM srv_key_child; DELETE FROM srv_key_parent");
  ck_assert_ptr_nonnull(strstr(live_text(device.db, "SELECT leadx_sync()"), "\"state\":\"ok\""));
  ck_assert_str_eq(live_psql("select (select count(*) from srv_key_child) + (select count(*) from "
                             "srv_key_parent)"),
                   "0");
  supabase_run("drop table public.srv_key_child cascade");
}
END_TEST

Suite *test_keys_suite(void) {
  Suite *suite = suite_create("keys");
  TCase *plain = tcase_create("plain"), *called = tcase_create("called");
  tcase_add_checked_fixture(plain, set_up, tear_down);
  tcase_add_loop_test(plain, a_key_of_each_type_is_one_key_on_both_sides, 0, CASES);
  tcase_add_test(plain, two_texts_that_differ_in_case_are_never_merged);
  tcase_add_test(plain, a_family_in_capitals_is_one_family_on_both_sides);
  tcase_set_timeout(plain, 120);
  suite_add_tcase(suite, plain);
  tcase_add_unchecked_fixture(called, live_serve_all, live_unserve);
  tcase_add_checked_fixture(called, set_up, tear_down);
  tcase_add_loop_test(called, a_key_of_each_type_is_one_key_on_both_sides, 0, CASES);
  tcase_add_test(called, two_texts_that_differ_in_case_are_never_merged);
  tcase_add_test(called, a_family_in_capitals_is_one_family_on_both_sides);
  tcase_set_timeout(called, 120);
  suite_add_tcase(suite, called);
  return suite;
}
