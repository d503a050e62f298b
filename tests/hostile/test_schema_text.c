/* Text of a schema is not part of any statement that leadx runs, but for names in quotes: every
** statement of a life with a doctored table is written down and looked at. */
#define _DEFAULT_SOURCE
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault_server.h"
#include "suites.h"
#include "tracked.h"

/* The word stands in every text of the schema that is no name. */
#define WORD "canary"

static tracked file;
static fault_server *server;
static int recording, statements, defaults_run;
static char found[1000];

/* Steps over a quoted token, in which the quote stands twice where it is meant. */
static const char *behind_quoted(const char *z) {
  char quote = *z++;
  for (; *z; z++) {
    if (*z == quote && *++z != quote) return z;
  }
  return z;
}

/* Does the word stand outside of quotes and comments? */
static int says_word(const char *sql) {
  for (const char *z = sql; *z;) {
    if (*z == '"' || *z == '\'') {
      z = behind_quoted(z);
    } else if (z[0] == '-' && z[1] == '-') {
      while (*z && *z != '\n') z++;
    } else if (sqlite3_strnicmp(z, WORD, sizeof WORD - 1) == 0) {
      return 1;
    } else {
      z++;
    }
  }
  return 0;
}

/* A trigger of leadx may repeat what an index says: there SQLite's rules for schema text hold. Is that
** all that the statement says of the word? */
static int is_trigger_of_an_index(const char *sql) {
  static const char kept[] = WORD "('where')";
  const char *at = strncmp(sql, "CREATE TRIGGER \"leadx_", 22) == 0 ? strstr(sql, kept) : NULL;
  if (!at) return 0;
  char *rest = sqlite3_mprintf("%s", sql);
  for (char *z = rest; z && (z = strstr(z, kept)) != NULL;) memset(z, ' ', sizeof kept - 1);
  int is_all = rest && !says_word(rest);
  sqlite3_free(rest);
  return is_all;
}

static int on_statement(unsigned type, void *ctx, void *stmt, void *text) {
  (void)type;
  (void)ctx;
  (void)text;
  const char *sql = sqlite3_sql(stmt);
  if (!recording || !sql) return 0;
  statements++;
  if (!found[0] && says_word(sql) && !is_trigger_of_an_index(sql))
    snprintf(found, sizeof found, "%s", sql);
  return 0;
}

static void run_canary(sqlite3_context *context, int argc, sqlite3_value **argv) {
  const char *where = argc ? (const char *)sqlite3_value_text(argv[0]) : "";
  if (where && strcmp(where, "default") == 0) defaults_run++;
  sqlite3_result_int(context, 1);
}

static int collate(void *ctx, int na, const void *a, int nb, const void *b) {
  int order = memcmp(a, b, (size_t)(na < nb ? na : nb));
  (void)ctx;
  return order ? order : na - nb;
}

static void respond(void *ctx, const fault_request *request, fault_answer *answer) {
  (void)ctx;
  answer->status = 200;
  answer->body = "[]";
  if (strcmp(request->method, "POST") == 0 && request->body_bytes > 0) {
    answer->status = 201;
    answer->body = request->body;
    answer->body_bytes = request->body_bytes;
  } else if (strcmp(request->method, "GET") == 0 && !strstr(request->target, "or=(")) {
    answer->body = "[{\"id\":\"theirs\",\"a\\\"; " WORD "() --\":null,\"n\":null,\"c\":\"x\","
                   "\"updated_at\":\"2026-01-02T03:04:05+00:00\"}]";
  }
}

static void set_up(void) {
  static const char *const variables[] = {"SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY",
                                          "SUPABASE_ANON_KEY"};
  for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) unsetenv(variables[i]);
  recording = statements = defaults_run = 0;
  found[0] = 0;
  server = fault_server_start();
  fault_rule rule = {.kind = FAULT_CALLBACK, .respond = respond};
  fault_server_add(server, &rule);
  tracked_open(&file);
  /* What a host may have registered, and let its schemas call. */
  sqlite3_create_function(file.handle, WORD, -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                          run_canary, NULL, NULL);
  sqlite3_create_collation(file.handle, WORD "_collation", SQLITE_UTF8, NULL, collate);
  sqlite3_trace_v2(file.handle, SQLITE_TRACE_STMT, on_statement, NULL);
}
static void tear_down(void) {
  tracked_close(&file);
  fault_server_stop(server);
}

#define ODD "\"no\"\"tes'; -- " WORD "\""

static void call(const char *sql) {
  recording = 1;
  tracked_try(&file, sql);
  recording = 0;
}

static void make_file(void) {
  tracked_run(&file,
              "CREATE TABLE " ODD "(id TEXT PRIMARY KEY NOT NULL COLLATE " WORD "_collation, "
              "\"a\"\"; " WORD "() --\" TEXT NOT NULL DEFAULT (" WORD "('default')), "
              "n INTEGER NOT NULL DEFAULT (" WORD "('default') + 1) CHECK (" WORD "('check')), "
              "c TEXT COLLATE " WORD "_collation, g AS (" WORD "('generated')), "
              "updated_at TEXT, CHECK (" WORD "('table check') = 1));"
              "CREATE INDEX e ON " ODD "(" WORD "(id)); CREATE UNIQUE INDEX p ON " ODD
              "(c) WHERE " WORD "('where');"
              "CREATE VIEW v AS SELECT " WORD "() AS x FROM " ODD ";"
              "CREATE TRIGGER t AFTER UPDATE ON " ODD " WHEN " WORD "('when') BEGIN SELECT " WORD
              "('trigger'); END");
  char *configure = sqlite3_mprintf("SELECT leadx_configure('%s/rest/v1', 'sb_publishable_x')",
                                    fault_server_url(server));
  tracked_run(&file, "%s", configure);
  sqlite3_free(configure);
}

START_TEST(no_text_of_the_schema_but_quoted_names_is_in_a_statement) {
  static const char *const calls[] = {
      "SELECT leadx_track('no\"tes''; -- " WORD "', '{\"existing\":\"push\"}')",
      "SELECT leadx_track('no\"tes''; -- " WORD "')",
      "SELECT leadx_sync()",
      "SELECT leadx_pull()",
      "SELECT leadx_reconcile()",
      "SELECT leadx_check()",
      "SELECT leadx_resolve('c', 'merge', '{\"c\":\"z\"}')",
      "SELECT leadx_server_sql()",
      "SELECT count(*) FROM leadx_status",
      "SELECT count(*) FROM leadx_queue",
      "SELECT leadx_untrack('no\"tes''; -- " WORD "')",
  };
  enum { CALLS = sizeof calls / sizeof calls[0] };
  make_file();
  for (int i = 0; i < CALLS; i++) {
    if (i == 3) {
      /* Rows that no trigger saw, a new column, and an open conflict. */
      tracked_run(&file, "DROP TRIGGER IF EXISTS \"leadx_no\"\"tes'; -- " WORD "_update\"; "
                         "UPDATE " ODD " SET c = 'unseen'; ALTER TABLE " ODD " ADD COLUMN late "
                         "TEXT DEFAULT '" WORD "()'");
      tracked_run(&file,
                  "INSERT INTO sync_conflicts(id, entity_type, entity_id, action, "
                  "client_payload, server_payload, base, contested, detected_at) SELECT 'c', "
                  "entity, 'mine', 'UPDATE', '{\"c\":\"x\"}', '{\"id\":\"mine\",\"c\":\"y\"}', "
                  "'{}', '[\"c\"]', '' FROM leadx_tables");
      call("SELECT leadx_sync()");
    }
    if (i == CALLS - 1) /* all of it was done: the server's row came, and had no value for n */
      ck_assert_str_eq(tracked_text(&file, "SELECT key FROM leadx_parked"), "theirs");
    call(calls[i]);
    if (i == 0)
      tracked_run(&file,
                  "INSERT INTO " ODD "(id, \"a\"\"; " WORD "() --\", n, c) VALUES ('mine', 'x', "
                  "2, 'one')");
  }
  ck_assert_int_gt(statements, 100);
  ck_assert_msg(!found[0], "%s", found);
  ck_assert_int_eq(defaults_run, 0);
}
END_TEST

/* The look itself sees what it shall see. */
START_TEST(the_word_is_found_where_it_would_run) {
  ck_assert_int_eq(says_word("SELECT a IS (canary('x'))"), 1);
  ck_assert_int_eq(is_trigger_of_an_index("SELECT canary('where')"), 0);
  ck_assert_int_eq(is_trigger_of_an_index("CREATE TRIGGER \"leadx_a\" canary('where') canary()"),
                   0);
  ck_assert_int_eq(is_trigger_of_an_index("CREATE TRIGGER \"leadx_a\" canary('where')"), 1);
  ck_assert_int_eq(says_word("SELECT \"a\"\"canary()\", 'canary''()' -- canary\n"), 0);
  ck_assert_int_eq(says_word("SELECT 'a' || Canary"), 1);
}
END_TEST

Suite *test_schema_text_suite(void) {
  Suite *suite = suite_create("schema_text");
  TCase *all = tcase_create("all");
  tcase_add_checked_fixture(all, set_up, tear_down);
  tcase_set_timeout(all, 60);
  tcase_add_test(all, no_text_of_the_schema_but_quoted_names_is_in_a_statement);
  tcase_add_test(all, the_word_is_found_where_it_would_run);
  suite_add_tcase(suite, all);
  return suite;
}
