/* Prints the part of docs/reference.md between the markers "reference": the functions, tables, settings and
** options, each from the table that leadx itself works by. What those tables do not say (what a
** table, a setting, an option is for) stands here, and a name that is missing here, or here only,
** is an error. scripts/readme.sh links it with dist/libleadx.a. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/func.h"
#include "store/settings.h"

int sqlite3_leadx_init(sqlite3 *handle, char **error, const void *api);

typedef struct note {
  const char *name, *text;
} note;

static const note table_notes[] = {
    {"leadx_queue", "one per queued change, with why it is not gone yet; `UPDATE … SET "
                    "status='PENDING'` retries, `DELETE` discards"},
    {"leadx_status", "one per tracked table"},
    {"leadx_conflicts", "one per contested column; `winner` is NULL while it is open"},
    {"leadx_log", "one per sync, the last thousand"},
    {"leadx_state", "exactly one: how it stands just now"},
    {"leadx_problems",
     "one for each thing that needs a person, newest first, with the statement that "
     "mends it in `fix`; empty is well"},
    {"leadx_checks", "one per finding of the last check of the server"},
    {NULL, NULL}};

static const note setting_notes[] = {
    {"batch_size",
     "rows in the first request of a kind; batches grow from there while the link keeps up"},
    {"batch_max", "rows in one request at most"},
    {"max_retries", "refusals of a kind that may pass, until a row is FAILED"},
    {"interval", "between two syncs of the background worker"},
    {"page_size", "rows that a pull asks for at a time"},
    {"overlap", "how far a pull starts before the place it reached"},
    {"policy", "who wins a contested column"},
    {"connect_timeout", "until a connection has to stand"},
    {"timeout", "until an answer has to be complete"},
    {"retain_synced", "how long `leadx_purge()` keeps SYNCED rows"},
    {"retain_conflicts", "how long it keeps closed conflicts"},
    {"backoff", "the first wait after a refusal that may pass; doubles each time"},
    {"backoff_max", "the longest such wait"},
    {"lease", "how long a sync that gives no sign of life keeps others away"},
    {"max_response", "size of one answer, after decompression"},
    {"schema", "the PostgREST schema, when it is not the default one"},
    {NULL, NULL}};

static const note option_notes[] = {
    {"entity", "name in the queue; known are customers→`customer`, pipelines→`pipeline`, "
               "activities→`activity`, settings→`setting`, else the table's name"},
    {"remote", "the server's table, when it has another name: one segment of an address"},
    {"priority", "1 is sent first; activities 1, pipelines 2, customers 3, settings 4, others 3"},
    {"mode", "`both`, `push`, `pull`"},
    {"version", "the column that the server stamps (`updated_at`)"},
    {"delete", "`hard`; `soft` sends a stamp in the soft-delete column instead"},
    {"soft_delete", "that column (`deleted_at` where it exists)"},
    {"policy", "this table's, in place of the setting"},
    {"filter",
     "fetches only rows that meet these conditions of PostgREST, e.g. `city=in.(Solo,Bogor)`"},
    {"columns", "`{\"local\":{\"remote\":\"name\",\"type\":\"…\",\"mode\":\"pull\"}}` (pull: the "
                "server computes it), or `{\"local\":null}` for a "
                "column that stays local. Types: `text integer real boolean "
                "json blob uuid decimal date timestamp timestamp:s timestamp:ms timestamp:sql`; "
                "without it the "
                "declared type decides"},
    {"pending", "a local column that is cleared when nothing of the row is unsent any more"},
    {"synced_at", "a local column that is stamped at each acknowledgement"},
    {"existing",
     "rows that are there already: `keep` (they are not sent until they are edited), "
     "`push` (queued as CREATE), `server`. Where a pull meets one under the same key with "
     "other values, both are kept in `sync_conflicts`"},
    {"backfill", "`true` queues the rows that are there already"},
    {"plain", "`true` asks for triggers without JSON functions, which all of them are anyway"},
    {NULL, NULL}};

static int failures = 0;

static void fail(const char *what, const char *name) {
  fprintf(stderr, "reference.c: %s \"%s\"\n", what, name);
  failures++;
}

static const char *text_of(const note *notes, const char *name) {
  for (; notes->name; notes++) {
    if (strcmp(notes->name, name) == 0) return notes->text;
  }
  fail("say what this is for:", name);
  return "";
}

static int count_notes(const note *notes) {
  int n = 0;
  while (notes[n].name) n++;
  return n;
}

static sqlite3_stmt *prepare(sqlite3 *handle, const char *sql) {
  sqlite3_stmt *stmt = NULL;
  if (sqlite3_prepare_v2(handle, sql, -1, &stmt, NULL) != SQLITE_OK)
    fail(sqlite3_errmsg(handle), sql);
  return stmt;
}

static void print_functions(void) {
  printf("## Functions\n\n| call | does |\n|---|---|\n");
  for (int i = 0; i < leadx_nfunctions; i++) {
    printf("| `%s(%s)` | %s |\n", leadx_functions[i].name, leadx_functions[i].arguments,
           leadx_functions[i].purpose);
  }
}

static void print_tables(sqlite3 *handle) {
  int n = 0;
  sqlite3_stmt *row = prepare(
      handle, "SELECT m.name, group_concat('`' || c.name || '`', ' ') FROM pragma_module_list m, "
              "pragma_table_info(m.name) c "
              "WHERE m.name LIKE 'leadx\\_%' ESCAPE '\\' GROUP BY m.name ORDER BY m.name");
  printf("\n## Tables\n\n| table | rows | columns |\n|---|---|---|\n");
  for (; sqlite3_step(row) == SQLITE_ROW; n++) {
    const char *name = (const char *)sqlite3_column_text(row, 0);
    printf("| `%s` | %s | %s |\n", name, text_of(table_notes, name), sqlite3_column_text(row, 1));
  }
  sqlite3_finalize(row);
  if (n != count_notes(table_notes))
    fail("a table is described that does not exist:", "table_notes");
}

/* What a setting takes, from the message that refuses a bad value. */
static const char *allowed_values(leadx_settings *settings, leadx_setting id, leadx_err *err) {
  static const char *const starts[] = {"; it is ", "; allowed are ", " must be "};
  leadx_err_clear(err);
  leadx_settings_set(settings, "", id, "?", err);
  for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
    const char *at = strstr(err->text, starts[i]);
    if (at) return at + strlen(starts[i]);
  }
  fail("what is allowed is not in the message:", err->text);
  return "";
}

static void print_settings(void) {
  leadx_err err = {0};
  leadx_settings *settings = leadx_settings_new();
  if (!settings) abort();
  printf("\n## Settings\n\n| setting | default | takes | is |\n|---|---|---|---|\n");
  for (int i = 0; i < LEADX_SETTING_COUNT; i++) {
    const char *name = leadx_settings_name((leadx_setting)i);
    char *value = leadx_settings_show(settings, (leadx_setting)i);
    printf("| `%s` | %s | %s | %s |\n", name, value && *value ? value : "(empty)",
           allowed_values(settings, (leadx_setting)i, &err), text_of(setting_notes, name));
    sqlite3_free(value);
  }
  if (count_notes(setting_notes) != LEADX_SETTING_COUNT)
    fail("a setting is described that does not exist:", "setting_notes");
  leadx_settings_free(settings);
}

/* The options are listed by the message that refuses an unknown one. */
static void print_options(sqlite3 *handle) {
  int n = 0;
  sqlite3_stmt *stmt = prepare(handle, "SELECT leadx_track('t', '{\"?\":1}')");
  sqlite3_step(stmt);
  const char *list = strstr(sqlite3_errmsg(handle), "allowed are ");
  if (!list) fail("the options are not in the message:", sqlite3_errmsg(handle));
  char *names = sqlite3_mprintf("%s", list ? list + strlen("allowed are ") : "");
  printf("\n## Options of leadx_track\n\n| option | is |\n|---|---|\n");
  for (char *name = names, *end; name && *name; name = end, n++) {
    size_t length = strcspn(name, ",");
    end = name + length + strspn(name + length, ", ");
    name[length] = '\0';
    printf("| `%s` | %s |\n", name, text_of(option_notes, name));
  }
  if (n != count_notes(option_notes))
    fail("an option is described that does not exist:", "option_notes");
  sqlite3_free(names);
  sqlite3_finalize(stmt);
}

int main(void) {
  sqlite3 *handle = NULL;
  if (sqlite3_open(":memory:", &handle) != SQLITE_OK ||
      sqlite3_leadx_init(handle, NULL, NULL) != SQLITE_OK ||
      sqlite3_exec(handle, "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL)", NULL, NULL, NULL) !=
          SQLITE_OK) {
    fail("cannot begin:", sqlite3_errmsg(handle));
    return EXIT_FAILURE;
  }
  print_functions();
  print_options(handle);
  print_tables(handle);
  print_settings();
  if (sqlite3_close(handle) != SQLITE_OK) fail("cannot close:", sqlite3_errmsg(handle));
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
