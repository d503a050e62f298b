/* Tables and columns of any name, on the real server: pushed, pulled, reconciled and checked, plainly
** and with the server's functions. Every place of a URL that has a name has each of these. Needs the
** server of scripts/test.sh. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "live.h"
#include "suites.h"

#define TABLE "na,me.(x) & \"\"y\"\":*"
#define KEY "k,e.(y):\"\"id\"\""
#define VERSION "up.dated, (at)"

/* In double quotes, as both SQL dialects write them. */
static const char *const names[] = {
    "a.b",       "c,d",         "e(f)",
    "g:h*",      "i&j=k%l+m n", "order",
    "select",    "1st",         "\xf0\x9f\x98\x80",
    "q\"\"uote", "back\\slash", "->>x",
    "a::text",   "and",         "not.eq",
    "limit",     "on_conflict", "columns",
    "or",        "in.(1)",      "apikey",
    "#frag?",    "~",           "'single'",
    "{brace}",   "[0]",         "null",
    "is.null",
};
enum { NAMES = sizeof names / sizeof names[0] };

static live_device ani, budi;

static char *list_columns(const char *type, const char *separator) {
  sqlite3_str *text = sqlite3_str_new(NULL);
  for (int i = 0; i < NAMES; i++)
    sqlite3_str_appendf(text, "%s\"%s\"%s", i ? separator : "", names[i], type);
  return sqlite3_str_finish(text);
}

/* On the server, with composite keys when there are two. */
static void make_server_table(int composite) {
  char *columns = list_columns(" text", ", ");
  char *sql = sqlite3_mprintf(
      "drop table if exists public.\"" TABLE "\" cascade; create table public.\"" TABLE "\"(\"" KEY
      "\" text not null, \"se,cond\" text not null default 's', %s, \"" VERSION
      "\" timestamptz not null default now(), primary key (\"" KEY "\"%s));"
      "alter table public.\"" TABLE "\" enable row level security; create policy all_of_it on "
      "public.\"" TABLE "\" to authenticated using (true) with check (true);"
      "grant all on public.\"" TABLE "\" to authenticated",
      columns, composite ? ", \"se,cond\"" : "");
  live_psql_reload(sql);
  sqlite3_free(sql);
  sqlite3_free(columns);
}

static void track(live_device *device, int composite) {
  char *columns = list_columns(" TEXT", ", ");
  char *sql = sqlite3_mprintf(
      "SELECT leadx_untrack('customers'), leadx_untrack('pipelines'), leadx_untrack('activities'), "
      "leadx_untrack('settings'); CREATE TABLE \"" TABLE "\"(\"" KEY
      "\" TEXT NOT NULL, \"se,cond\" TEXT NOT NULL DEFAULT 's', %s, \"" VERSION
      "\" TEXT, PRIMARY KEY(\"" KEY "\"%s))",
      columns, composite ? ", \"se,cond\"" : "");
  live_run(device->db, sql);
  live_run(device->db, "SELECT leadx_track('na,me.(x) & \"y\":*', json_object('version', '"
                       "up.dated, (at)', 'entity', 'odd'))");
  live_learn(device);
  sqlite3_free(sql);
  sqlite3_free(columns);
}

static void open_both(int composite, int served) {
  make_server_table(composite);
  live_open(&ani, 1, NULL);
  live_open(&budi, 1, NULL);
  track(&ani, composite);
  track(&budi, composite);
  if (!served) return;
  live_serve(&ani);
  live_learn(&ani);
  live_learn(&budi);
}

static void expect(live_device *device, const char *sql, const char *text) {
  const char *answer = live_text(device->db, sql);
  ck_assert_msg(strcmp(answer, text) == 0, "%s: %s, not %s", sql, answer, text);
}

static void sync_both(void) {
  for (int i = 0; i < 2; i++) {
    live_device *device = i ? &budi : &ani;
    expect(device, "SELECT leadx_sync() ->> 'state'", "ok");
    expect(device, "SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED'", "0");
    expect(device, "SELECT count(*) FROM leadx_parked", "0");
  }
}

/* One row of the server as the values of all columns. */
static void server_has(const char *value, int rows) {
  char sql[1200];
  for (int i = 0; i < NAMES; i++) {
    snprintf(sql, sizeof sql, "select count(*) from public.\"" TABLE "\" where \"%s\" = '%s%d'",
             names[i], value, i);
    ck_assert_msg(atoi(live_psql(sql)) == rows, "%s: %s", names[i], live_psql(sql));
  }
}

static void device_has(live_device *device, const char *value, int rows) {
  char sql[1200];
  for (int i = 0; i < NAMES; i++) {
    snprintf(sql, sizeof sql, "SELECT count(*) FROM \"" TABLE "\" WHERE \"%s\" = '%s%d'", names[i],
             value, i);
    ck_assert_msg(live_int(device->db, sql) == rows, "%s", sql);
  }
}

START_TEST(tables_and_columns_of_any_name_travel) {
  int composite = _i % 2, served = _i / 2;
  open_both(composite, served);
  sqlite3_str *insert = sqlite3_str_new(NULL), *update = sqlite3_str_new(NULL);
  sqlite3_str_appendall(insert, "INSERT INTO \"" TABLE "\" SELECT 'r,' || value || '.(\"', 's.\"'");
  for (int i = 0; i < NAMES; i++) {
    sqlite3_str_appendf(insert, ", 'new%d'", i);
    sqlite3_str_appendf(update, "%s \"%s\" = 'edited%d'", i ? "," : "", names[i], i);
  }
  sqlite3_str_appendall(insert, ", NULL FROM json_each('[1,2,3]')");
  char *create = sqlite3_str_finish(insert), *edit = sqlite3_str_finish(update), *sql;
  live_run(ani.db, create);
  sync_both();
  server_has("new", 3);
  device_has(&budi, "new", 3);
  sql = sqlite3_mprintf("UPDATE \"" TABLE "\" SET %s WHERE \"" KEY "\" LIKE 'r,1%%'", edit);
  live_run(budi.db, sql);
  live_run(ani.db, "DELETE FROM \"" TABLE "\" WHERE \"" KEY "\" LIKE 'r,2%'");
  sync_both();
  server_has("edited", 1);
  expect(&ani, "SELECT leadx_sync() ->> 'state'", "ok");
  device_has(&ani, "edited", 1);
  live_psql("delete from public.\"" TABLE "\" where \"" KEY "\" like 'r,3%'");
  expect(&ani, "SELECT leadx_reconcile() ->> 'state'", "ok");
  expect(&budi, "SELECT leadx_reconcile() ->> 'state'", "ok");
  expect(&budi, "SELECT group_concat(\"" KEY "\") FROM \"" TABLE "\"", "r,1.(\"");
  expect(&ani,
         "SELECT group_concat(result, '; ') FROM leadx_checks WHERE result LIKE '%42703%' OR "
         "result LIKE '%PGRST100%' OR result LIKE '%no column%'",
         "");
  live_text(ani.db, "SELECT leadx_check()");
  expect(&ani,
         "SELECT count(*) FROM leadx_checks WHERE result LIKE '%42703%' OR result LIKE "
         "'%PGRST1%' OR result LIKE '%there is no%'",
         "0");
  sqlite3_free(create);
  sqlite3_free(edit);
  sqlite3_free(sql);
  live_close(&ani);
  live_close(&budi);
  if (served) live_unserve();
}
END_TEST

static void take_away(void) {
  live_psql_reload("drop table if exists public.\"" TABLE "\" cascade");
}

Suite *test_names_suite(void) {
  Suite *suite = suite_create("names");
  TCase *all = tcase_create("both ways");
  tcase_set_timeout(all, 120);
  tcase_add_unchecked_fixture(all, NULL, take_away);
  tcase_add_loop_test(all, tables_and_columns_of_any_name_travel, 0, 4);
  suite_add_tcase(suite, all);
  return suite;
}
