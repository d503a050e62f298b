/* leadx_clone(). See clone.h.
**
** The server's half tells exactly what a table is (leadx_describe()); where it is not installed,
** PostgREST's own OpenAPI document tells nearly as much. Everything is asked first; then the tables
** are made and tracked in one transaction. */
#include "api/clone.h"

#include <string.h>

#include "api/account.h"
#include "api/local_copy.h"
#include "api/track.h"
#include "base/secret.h"
#include "rest/target.h"
#include "run/exchange.h"
#include "session/auth.h"
#include "session/session.h"
#include "store/schema.h"
#include "store/settings.h"

static const char who[] = "leadx_clone";

/* So many of the server's tables are named in an error. */
#define NAMED_TABLES 12

typedef struct leadx_cloning {
  leadx_ctx *ctx;
  leadx_err *err;
  leadx_credentials credentials;
  leadx_target target;
  leadx_auth auth;
  leadx_exchange exchange;
  leadx_catalog catalog;
  leadx_tables tracked;
  leadx_doc *options; /* NULL: none */
  leadx_copies copies;
  leadx_doc *results;
} leadx_cloning;

/* ---- asking ---- */

static const char *advice(const leadx_cloning *cloning) {
  return cloning->credentials.token ? "" : "; nobody is signed in: call leadx_login() first";
}

/* The answer as a document. *missing: the server says that there is no such thing. NULL and no error
** then. */
static leadx_doc *ask(leadx_cloning *cloning, leadx_request *request, int *missing) {
  leadx_err *err = cloning->err;
  leadx_verdict verdict;
  leadx_doc *doc = NULL;
  leadx_request *done = leadx_exchange_ask(&cloning->exchange, request, 0, &verdict, err);
  *missing = 0;
  if (!done) return NULL;
  if (verdict.class_ == LEADX_CLASS_OK && leadx_secret_is_in(done->answer, done->answer_bytes)) {
    leadx_err_set(err, SQLITE_ERROR,
                  "leadx_clone: the server's description of its tables repeats a key or a token; "
                  "nothing was made of it");
  } else if (verdict.class_ == LEADX_CLASS_OK) {
    doc = leadx_doc_parse(who, done->answer, done->answer_bytes, err);
  } else if (verdict.class_ == LEADX_CLASS_DRIFT || strcmp(verdict.code, "42501") == 0) {
    *missing = 1;
  } else if (verdict.class_ == LEADX_CLASS_AUTH) {
    leadx_err_set(err, SQLITE_AUTH,
                  "leadx_clone: the server refuses %s: %s %s; sign in with leadx_login(), or check "
                  "the key of leadx_configure()",
                  cloning->credentials.token ? "the token" : "the key", verdict.code,
                  verdict.message);
  } else {
    const char *words = done->net != LEADX_NET_ANSWER && done->error[0] ? done->error
                                                                        : verdict.message;
    leadx_err_set(err, SQLITE_ERROR,
                  "leadx_clone: the server could not be asked: %s%s%s; leadx_check() tells more",
                  verdict.code, verdict.code[0] ? " " : "", words);
  }
  leadx_request_free(done);
  return doc;
}

static int take_catalog(leadx_cloning *cloning, leadx_doc *doc, int is_exact) {
  return leadx_catalog_read(&cloning->catalog, who, doc, is_exact, cloning->err);
}

/* The half that is installed may be older than leadx_describe(). */
static int read_catalog(leadx_cloning *cloning) {
  leadx_err *err = cloning->err;
  int missing = 0;
  sqlite3_str *args = sqlite3_str_new(NULL), *url = sqlite3_str_new(NULL);
  sqlite3_str_appendall(args, "{}");
  sqlite3_str_appendf(url, "%s/", cloning->target.url);
  leadx_request *root = leadx_target_get(&cloning->target, url, NULL, err);
  leadx_request *function = leadx_target_call(&cloning->target, "leadx_describe", args, err);
  if (!root || !function) {
    leadx_request_free(root);
    leadx_request_free(function);
    return err->rc;
  }
  leadx_doc *doc = ask(cloning, function, &missing);
  if (!missing) {
    leadx_request_free(root);
    if (doc) return take_catalog(cloning, doc, 1);
    return err->rc == SQLITE_OK ? leadx_err_nomem(err) : err->rc;
  }
  doc = ask(cloning, root, &missing);
  if (doc) return take_catalog(cloning, doc, 0);
  if (err->rc != SQLITE_OK) return err->rc;
  return leadx_err_set(err, SQLITE_ERROR,
                       "leadx_clone: the server does not describe its tables to this user%s; run "
                       "the text of leadx_server_sql() on it, or make the local table by hand and "
                       "call leadx_track()",
                       advice(cloning));
}

/* ---- choosing ---- */

/* The results have a word about a table that stays away. */
static void leave_out(leadx_cloning *cloning, const char *name, const char *why) {
  leadx_doc *one = leadx_doc_new_object();
  if (!one) {
    leadx_err_nomem(cloning->err);
    return;
  }
  leadx_doc_add_text(one, "table", name);
  leadx_doc_add_text(one, "left_out", why);
  leadx_doc_push(cloning->results, one);
}

static int is_taken(leadx_cloning *cloning, const char *name) {
  int taken = 0;
  leadx_copy_is_taken(&cloning->ctx->db, name, &taken, cloning->err);
  return taken;
}

static int is_tracked(const leadx_cloning *cloning, const char *remote) {
  for (int i = 0; i < cloning->tracked.n; i++) {
    if (strcmp(cloning->tracked.list[i]->remote, remote) == 0) return 1;
  }
  return 0;
}

static int add(leadx_cloning *cloning, const leadx_catalog_table *table) {
  return leadx_copies_add(&cloning->copies, table, &cloning->ctx->db, cloning->err);
}

static int choose_all(leadx_cloning *cloning) {
  for (int i = 0; i < cloning->catalog.n && cloning->err->rc == SQLITE_OK; i++) {
    const leadx_catalog_table *table = &cloning->catalog.tables[i];
    char *why = NULL;
    if (strcmp(table->name, "leadx_tombstones") == 0) continue;
    if (leadx_copy_judge(table, cloning->options, &why) != SQLITE_OK)
      return leadx_err_nomem(cloning->err);
    if (is_tracked(cloning, table->name)) leave_out(cloning, table->name, "is tracked already");
    else if (is_taken(cloning, table->name))
      leave_out(cloning, table->name, "is in the file already; leadx_track() tracks it");
    else if (table->is_view)
      leave_out(cloning, table->name,
                "is a view, or has no primary key; name it alone to clone it, with the option "
                "\"primary_key\" where the server tells of none");
    else if (why) leave_out(cloning, table->name, why);
    else add(cloning, table);
    sqlite3_free(why);
  }
  return cloning->err->rc;
}

/* The server's table of that name; where none has it to the letter, the one that has it but for
** capitals. */
static const leadx_catalog_table *look_up(const leadx_cloning *cloning, const char *name) {
  const leadx_catalog_table *found = leadx_catalog_find(&cloning->catalog, name);
  int n = 0;
  for (int i = 0; !found && n < 2 && i < cloning->catalog.n; i++)
    n += sqlite3_stricmp(cloning->catalog.tables[i].name, name) == 0;
  for (int i = 0; !found && n == 1 && i < cloning->catalog.n; i++) {
    if (sqlite3_stricmp(cloning->catalog.tables[i].name, name) == 0)
      found = &cloning->catalog.tables[i];
  }
  return found;
}

static int say_unknown(leadx_cloning *cloning, const char *name) {
  sqlite3_str *names = sqlite3_str_new(NULL);
  for (int i = 0; i < cloning->catalog.n && i < NAMED_TABLES; i++)
    sqlite3_str_appendf(names, "%s%.40s", i ? ", " : "", cloning->catalog.tables[i].name);
  if (cloning->catalog.n > NAMED_TABLES) sqlite3_str_appendall(names, ", …");
  char *list = leadx_db_finish(names, cloning->err);
  leadx_err_set(cloning->err, SQLITE_ERROR,
                "leadx_clone: the server shows this user no table \"%.80s\"%s; it shows: %s", name,
                advice(cloning), list ? list : "none");
  sqlite3_free(list);
  return cloning->err->rc;
}

static int choose_one(leadx_cloning *cloning, const char *name) {
  char *why = NULL;
  const leadx_catalog_table *table = look_up(cloning, name);
  if (!table) return say_unknown(cloning, name);
  if (is_taken(cloning, table->name))
    return leadx_err_set(cloning->err, SQLITE_ERROR,
                         "leadx_clone: the file has a table (or something else) \"%.80s\" already; "
                         "call leadx_track('%.80q') to track it as it is",
                         table->name, table->name);
  if (leadx_copy_judge(table, cloning->options, &why) != SQLITE_OK)
    return leadx_err_nomem(cloning->err);
  if (why) leadx_err_set(cloning->err, SQLITE_ERROR, "leadx_clone: table \"%.80s\" %s", name, why);
  sqlite3_free(why);
  return cloning->err->rc == SQLITE_OK ? add(cloning, table) : cloning->err->rc;
}

/* ---- making ---- */

/* What a person should know of a key that the server numbers. NULL: it does not, as far as is told. */
static const char *note_of_key(const leadx_copy *copy) {
  int numbered = 0;
  for (int i = 0; i < copy->nkey; i++) {
    const leadx_catalog_column *column = &copy->table->columns[copy->key[i]];
    if (column->is_computed)
      return "the server gives this key itself (GENERATED ALWAYS) and refuses rows that bring one: "
             "rows made here are not accepted; on the server, alter table … alter column … set "
             "generated by default, or better, use a uuid";
    numbered |= column->is_identity;
  }
  return numbered
             ? "the server numbers this key: rows made here bring a number of their own, two "
               "devices may make the same one, and the server's sequence does not follow (set it "
               "behind them with setval()); a uuid has none of this"
             : NULL;
}

static int make(leadx_cloning *cloning, const leadx_copy *copy, int dry) {
  leadx_err *err = cloning->err;
  char *sql = leadx_copy_sql(&cloning->copies, copy, err),
       *options = sql ? leadx_copy_options(&cloning->copies, copy, err) : NULL;
  leadx_doc *result = NULL;
  if (options && dry) {
    result = leadx_doc_new_object();
    leadx_doc *shown = leadx_doc_parse(who, options, strlen(options), err);
    if (result) leadx_doc_add_text(result, "table", copy->name);
    if (result && shown) leadx_doc_add(result, "options", shown);
    else leadx_doc_free(shown);
  } else if (options && leadx_db_exec(&cloning->ctx->db, sql, err) == SQLITE_OK) {
    result = leadx_track_within(cloning->ctx, copy->name, options, err);
  }
  if (result) {
    leadx_doc_add_text(result, "sql", sql);
    if (note_of_key(copy)) leadx_doc_add_text(result, "note", note_of_key(copy));
    leadx_doc_push(cloning->results, result);
  } else {
    leadx_err_nomem(err); /* the first error stands */
  }
  sqlite3_free(sql);
  sqlite3_free(options);
  return err->rc;
}

static int make_all(leadx_cloning *cloning, int dry) {
  for (int i = 0; i < cloning->copies.n && cloning->err->rc == SQLITE_OK; i++)
    make(cloning, &cloning->copies.list[i], dry);
  return cloning->err->rc;
}

static int make_in_file(leadx_cloning *cloning) {
  leadx_db *db = &cloning->ctx->db;
  int rc = leadx_db_nest_open(db, cloning->err);
  if (rc != SQLITE_OK) return rc;
  rc = leadx_schema_ensure(db, who, cloning->err);
  if (rc == SQLITE_OK) rc = leadx_account_own(cloning->ctx, cloning->err);
  if (rc == SQLITE_OK) make_all(cloning, 0);
  leadx_db_release(db);
  return leadx_db_nest_close(db, cloning->err->rc, cloning->err);
}

static int choose_and_make(leadx_cloning *cloning, const char *name) {
  int all = strcmp(name, "*") == 0,
      dry = leadx_doc_true(leadx_doc_get(cloning->options, "dry_run"));
  cloning->copies = (leadx_copies){
      .catalog = &cloning->catalog, .options = cloning->options, .tracked = &cloning->tracked};
  cloning->results = leadx_doc_new_array();
  if (!cloning->results) return leadx_err_nomem(cloning->err);
  if (all && cloning->catalog.n == 0)
    return leadx_err_set(cloning->err, SQLITE_ERROR,
                         "leadx_clone: the server shows this user no table%s", advice(cloning));
  int rc = all ? choose_all(cloning) : choose_one(cloning, name);
  if (rc != SQLITE_OK) return rc;
  leadx_copies_sort(&cloning->copies);
  return dry ? make_all(cloning, 1) : make_in_file(cloning);
}

/* ---- the call ---- */

static int read_options(leadx_cloning *cloning, const char *options, int all) {
  static const char *const of_one[] = {"entity", "remote", "primary_key", "columns"};
  leadx_err *err = cloning->err;
  if (!options) return SQLITE_OK;
  cloning->options = leadx_doc_parse(who, options, strlen(options), err);
  if (!cloning->options) return err->rc;
  const leadx_doc *dry = leadx_doc_get(cloning->options, "dry_run"),
                  *key = leadx_doc_get(cloning->options, "primary_key");
  if (!leadx_doc_is_object(cloning->options))
    return leadx_err_set(err, SQLITE_ERROR,
                         "leadx_clone: the options must be a JSON object, e.g. {\"dry_run\":true}");
  if (dry && !leadx_doc_is_bool(dry))
    return leadx_err_set(err, SQLITE_ERROR,
                         "leadx_clone: option \"dry_run\" must be one of true, false");
  if (key && (!leadx_doc_is_array(key) || !leadx_doc_first(key)))
    return leadx_err_set(err, SQLITE_ERROR,
                         "leadx_clone: option \"primary_key\" must be an array of the server's "
                         "columns, e.g. [\"id\"]");
  for (size_t i = 0; all && i < sizeof of_one / sizeof of_one[0]; i++) {
    if (leadx_doc_get(cloning->options, of_one[i]))
      return leadx_err_set(err, SQLITE_ERROR,
                           "leadx_clone: option \"%s\" is about one table; name the table in the "
                           "place of '*'",
                           of_one[i]);
  }
  if (!leadx_doc_get(cloning->options, "remote")) return SQLITE_OK;
  return leadx_err_set(err, SQLITE_ERROR,
                       "leadx_clone: the option \"remote\" is the first argument here; the local "
                       "table gets the server's name");
}

static int prepare(leadx_cloning *cloning, const char *options, int all) {
  leadx_ctx *ctx = cloning->ctx;
  int present = 0;
  int rc = leadx_db_guard(&ctx->db, who, cloning->err);
  if (rc == SQLITE_OK) rc = read_options(cloning, options, all);
  if (rc == SQLITE_OK && sqlite3_db_readonly(ctx->db.handle, "main") == 1 &&
      !leadx_doc_true(leadx_doc_get(cloning->options, "dry_run")))
    rc = leadx_err_set(cloning->err, SQLITE_READONLY,
                       "leadx_clone: the file is read-only; open it for writing, or ask with "
                       "{\"dry_run\":true}");
  if (rc == SQLITE_OK) rc = leadx_schema_open(&ctx->db, who, &present, cloning->err);
  if (rc == SQLITE_OK) rc = leadx_settings_load(ctx->settings, &ctx->db, cloning->err);
  if (rc == SQLITE_OK)
    rc = leadx_session_credentials(ctx->session, who, &cloning->credentials, cloning->err);
  if (rc != SQLITE_OK) return rc;
  cloning->target = (leadx_target){cloning->credentials.url, cloning->credentials.apikey,
                                   cloning->credentials.token, ctx->settings->text[LEADX_SCHEMA]};
  return present ? leadx_tables_load(&ctx->db, who, &cloning->tracked, cloning->err) : SQLITE_OK;
}

static int run(leadx_cloning *cloning, const char *name, const leadx_opener *opener) {
  leadx_ctx *ctx = cloning->ctx;
  leadx_http_limits limits = leadx_line_limits(ctx, &cloning->credentials, 1);
  leadx_transport *transport = leadx_line_open(ctx, &limits, opener, cloning->err);
  if (!transport) return cloning->err->rc;
  leadx_auth_init(&cloning->auth, ctx, transport, &cloning->credentials, &cloning->target);
  leadx_exchange_init(&cloning->exchange, transport, &cloning->auth);
  int rc = read_catalog(cloning);
  transport->free(transport);
  return rc == SQLITE_OK ? choose_and_make(cloning, name) : rc;
}

char *leadx_clone(leadx_ctx *ctx, const char *name, const char *options, const leadx_opener *opener,
                  leadx_err *err) {
  leadx_cloning cloning = {.ctx = ctx, .err = err};
  int rc = prepare(&cloning, options, strcmp(name, "*") == 0);
  if (rc == SQLITE_OK) rc = run(&cloning, name, opener);
  char *text = rc == SQLITE_OK ? leadx_doc_print(cloning.results) : NULL;
  if (rc == SQLITE_OK && !text) leadx_err_nomem(err);
  leadx_db_release(&ctx->db);
  leadx_doc_free(cloning.results);
  leadx_copies_clear(&cloning.copies);
  leadx_catalog_clear(&cloning.catalog);
  leadx_tables_clear(&cloning.tracked);
  leadx_credentials_clear(&cloning.credentials);
  leadx_doc_free(cloning.options);
  return text;
}
