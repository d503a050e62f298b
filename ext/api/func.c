/* The SQL functions. See func.h. */
#include "api/func.h"

#include <string.h>

#include "api/account.h"
#include "api/check.h"
#include "api/clone.h"
#include "api/resolve.h"
#include "api/server_sql.h"
#include "api/track.h"
#include "base/doc.h"
#include "base/secret.h"
#include "base/uuid.h"
#include "http/http.h"
#include "rows/key.h"
#include "rows/key_value.h"
#include "session/session.h"
#include "store/queue.h"
#include "store/schema.h"
#include "store/settings.h"
#include "store/tables.h"
#include "sync/schedule.h"
#include "sync/sync.h"
#include "sync/worker.h"

#ifndef LEADX_VERSION
#define LEADX_VERSION "0.0.0"
#endif

/* One call: its arguments and where its answer goes. An implementation returns sqlite3_malloc text,
** or NULL with an error in the context. */
typedef struct leadx_call {
  leadx_ctx *ctx;
  const char *name;
  int argc;
  sqlite3_value **argv;
} leadx_call;

/* ---- arguments ---- */

/* The i-th argument as text; NULL when it is absent or NULL. */
static const char *text_arg(const leadx_call *call, int i) {
  if (i >= call->argc || sqlite3_value_type(call->argv[i]) == SQLITE_NULL) return NULL;
  const char *text = (const char *)sqlite3_value_text(call->argv[i]);
  if (!text) leadx_err_nomem(&call->ctx->err);
  return text;
}

/* A text argument that must be there, whole (no NUL inside) and not empty. */
static const char *need_text(const leadx_call *call, int i, const char *what) {
  int is_text = i < call->argc && sqlite3_value_type(call->argv[i]) == SQLITE_TEXT;
  const char *text = is_text ? text_arg(call, i) : NULL;
  if (text && *text && strlen(text) == (size_t)sqlite3_value_bytes(call->argv[i])) return text;
  leadx_err_set(&call->ctx->err, SQLITE_ERROR, "%s: argument %d must be %s, as text", call->name,
                i + 1, what);
  return NULL;
}

/* An optional JSON object argument as text; 1 when it is there but of another type. */
static int options_arg(const leadx_call *call, int i, const char **options) {
  *options = text_arg(call, i);
  if (!*options || sqlite3_value_type(call->argv[i]) == SQLITE_TEXT) return 0;
  leadx_err_set(&call->ctx->err, SQLITE_ERROR, "%s: the options must be a JSON object, as text",
                call->name);
  return 1;
}

static char *print_doc(const leadx_call *call, leadx_doc *doc) {
  char *text = doc ? leadx_doc_print(doc) : NULL;
  leadx_doc_free(doc);
  if (!text) leadx_err_nomem(&call->ctx->err);
  return text;
}

/* ---- version, debug, uuid ---- */

static char *do_version(const leadx_call *call) {
  (void)call;
  return sqlite3_mprintf("v" LEADX_VERSION);
}

static char *do_debug(const leadx_call *call) {
  (void)call;
  return sqlite3_mprintf("leadx v" LEADX_VERSION "\nSQLite built with %s, loaded %s\nHTTP %s",
                         SQLITE_VERSION, sqlite3_libversion(), leadx_http_version());
}

static char *do_uuid(const leadx_call *call) {
  char id[LEADX_UUID_BYTES];
  int64_t random = 0;
  (void)call;
  sqlite3_randomness(sizeof random, &random);
  leadx_uuid_make(random & 0x3ffffff, id);
  return sqlite3_mprintf("%s", id);
}

/* ---- settings ---- */

static leadx_doc *settings_doc(const leadx_call *call) {
  leadx_ctx *ctx = call->ctx;
  leadx_credentials credentials;
  leadx_err none = {0};
  leadx_doc *doc = leadx_doc_new_object();
  memset(&credentials, 0, sizeof credentials);
  if (leadx_session_is_configured(ctx->session))
    leadx_session_credentials(ctx->session, call->name, &credentials, &none);
  char *apikey = leadx_secret_shorten(credentials.apikey),
       *token = leadx_secret_shorten(credentials.token);
  if (doc) {
    leadx_doc_add_text(doc, "url", credentials.url);
    leadx_doc_add_text(doc, "apikey", apikey);
    leadx_doc_add_text(doc, "token", token);
    leadx_doc_add_text(doc, "ca_file", credentials.ca_file);
    leadx_doc_add_bool(doc, "allow_secret_key", credentials.allow_secret_key);
  }
  sqlite3_free(apikey);
  sqlite3_free(token);
  leadx_credentials_clear(&credentials);
  for (int i = 0; doc && i < LEADX_SETTING_COUNT; i++) {
    char *value = leadx_settings_show(ctx->settings, (leadx_setting)i);
    leadx_doc_add_text(doc, leadx_settings_name((leadx_setting)i), value);
    sqlite3_free(value);
  }
  return doc;
}

/* A JSON value of an option as the text a setting takes: text and numbers. NULL when it is
** something else. */
static char *option_text(const leadx_doc *value) {
  if (leadx_doc_is_string(value)) return sqlite3_mprintf("%s", leadx_doc_string(value));
  if (leadx_doc_is_number(value)) return sqlite3_mprintf("%!.17g", leadx_doc_number(value));
  return NULL;
}

static void unknown_setting(const leadx_call *call, const char *name) {
  sqlite3_str *names = sqlite3_str_new(NULL);
  leadx_settings_list(names);
  char *list = sqlite3_str_finish(names);
  leadx_err_set(&call->ctx->err, SQLITE_ERROR,
                "%s: unknown setting \"%.40s\"; allowed are %s, ca_file, allow_secret_key",
                call->name, name, list ? list : "");
  sqlite3_free(list);
}

/* Takes the settings among leadx_configure's options into memory; marks which ones. */
static int take_settings(const leadx_call *call, const leadx_doc *options, unsigned char *taken) {
  leadx_ctx *ctx = call->ctx;
  for (const leadx_doc *o = leadx_doc_first(options); o; o = leadx_doc_next(o)) {
    const char *name = leadx_doc_name(o);
    if (strcmp(name, "ca_file") == 0 || strcmp(name, "allow_secret_key") == 0) continue;
    int id = leadx_settings_find(name);
    if (id < 0) {
      unknown_setting(call, name);
      return ctx->err.rc;
    }
    char *value = option_text(o);
    if (!value && (leadx_doc_is_string(o) || leadx_doc_is_number(o)))
      return leadx_err_nomem(&ctx->err);
    int rc = leadx_settings_set(ctx->settings, call->name, (leadx_setting)id, value, &ctx->err);
    sqlite3_free(value);
    if (rc != SQLITE_OK) return rc;
    taken[id] = 1;
  }
  return SQLITE_OK;
}

static int store_settings(const leadx_call *call, const unsigned char *taken) {
  leadx_ctx *ctx = call->ctx;
  int any = 0;
  for (int i = 0; i < LEADX_SETTING_COUNT; i++) any |= taken[i];
  if (!any) return SQLITE_OK;
  int rc = leadx_db_nest_open(&ctx->db, &ctx->err);
  if (rc != SQLITE_OK) return rc;
  rc = leadx_schema_ensure(&ctx->db, call->name, &ctx->err);
  if (rc == SQLITE_OK) rc = leadx_account_own(ctx, &ctx->err);
  for (int i = 0; i < LEADX_SETTING_COUNT && rc == SQLITE_OK; i++) {
    if (taken[i]) rc = leadx_settings_store(ctx->settings, &ctx->db, (leadx_setting)i, &ctx->err);
  }
  leadx_db_release(&ctx->db);
  return leadx_db_nest_close(&ctx->db, rc, &ctx->err);
}

/* Everything is checked before anything is set: a bad option changes neither file nor session. */
static char *configure(const leadx_call *call, const char *url, const char *apikey,
                       const leadx_doc *options) {
  leadx_ctx *ctx = call->ctx;
  unsigned char taken[LEADX_SETTING_COUNT] = {0};
  const leadx_doc *ca_file = leadx_doc_get(options, "ca_file"),
                  *allow = leadx_doc_get(options, "allow_secret_key");
  if (options && !leadx_doc_is_object(options)) {
    leadx_err_set(&ctx->err, SQLITE_ERROR,
                  "leadx_configure: the options must be a JSON object, e.g. {\"batch_size\":10}");
  } else if (ca_file && !leadx_doc_is_string(ca_file) && !leadx_doc_is_null(ca_file)) {
    leadx_err_set(&ctx->err, SQLITE_ERROR,
                  "leadx_configure: ca_file must be the path of a PEM file, as text");
  } else if (allow && !leadx_doc_is_bool(allow)) {
    leadx_err_set(&ctx->err, SQLITE_ERROR,
                  "leadx_configure: allow_secret_key must be true or false");
  }
  if (ctx->err.rc != SQLITE_OK || take_settings(call, options, taken) != SQLITE_OK) return NULL;
  if (leadx_session_configure(ctx->session, url, apikey, leadx_doc_string(ca_file),
                              leadx_doc_true(allow), &ctx->err) != SQLITE_OK)
    return NULL;
  if (store_settings(call, taken) != SQLITE_OK) return NULL;
  return print_doc(call, settings_doc(call));
}

static char *do_configure(const leadx_call *call) {
  leadx_ctx *ctx = call->ctx;
  const char *url = NULL, *apikey = NULL, *options = NULL;
  if (call->argc == 1) {
    leadx_err_set(&ctx->err, SQLITE_ERROR,
                  "leadx_configure: pass a URL and a key, or nothing to take them from the "
                  "environment (SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY)");
    return NULL;
  }
  if (call->argc >= 2) {
    url = need_text(call, 0, "the server's URL");
    apikey = url ? need_text(call, 1, "the project's publishable (or anon) key") : NULL;
    if (!apikey) return NULL;
  }
  int present = 0;
  if (options_arg(call, 2, &options) ||
      leadx_schema_open(&ctx->db, call->name, &present, &ctx->err) != SQLITE_OK)
    return NULL;
  if (leadx_settings_load(ctx->settings, &ctx->db, &ctx->err) != SQLITE_OK) return NULL;
  leadx_doc *doc = options ? leadx_doc_parse(call->name, options, strlen(options), &ctx->err)
                           : NULL;
  if (options && !doc) return NULL;
  char *result = configure(call, url, apikey, doc);
  leadx_doc_free(doc);
  return result;
}

/* What leadx_config() reads but leadx_configure() sets. *known: it is one of those. */
static char *read_session_setting(const leadx_call *call, const char *key, int *known) {
  static const char *const names[] = {"url", "apikey", "token", "ca_file", "allow_secret_key"};
  *known = 0;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) *known |= strcmp(key, names[i]) == 0;
  if (!*known) return NULL;
  leadx_doc *doc = settings_doc(call);
  const leadx_doc *value = leadx_doc_get(doc, key);
  char *text = leadx_doc_is_string(value) ? sqlite3_mprintf("%s", leadx_doc_string(value))
               : leadx_doc_is_bool(value)
                   ? sqlite3_mprintf("%s", leadx_doc_true(value) ? "true" : "false")
                   : NULL;
  leadx_doc_free(doc);
  return text;
}

static char *do_config(const leadx_call *call) {
  leadx_ctx *ctx = call->ctx;
  const char *key = need_text(call, 0, "a setting's name");
  int known = 0, present = 0;
  if (!key || leadx_schema_open(&ctx->db, call->name, &present, &ctx->err) != SQLITE_OK)
    return NULL;
  if (leadx_settings_load(ctx->settings, &ctx->db, &ctx->err) != SQLITE_OK) return NULL;
  int id = leadx_settings_find(key);
  if (id < 0) {
    char *value = read_session_setting(call, key, &known);
    if (!known) unknown_setting(call, key);
    if (known && call->argc == 2) {
      sqlite3_free(value);
      leadx_err_set(
          &ctx->err, SQLITE_ERROR,
          "leadx_config: %s lives in memory, not in the file; set it with leadx_configure()", key);
      return NULL;
    }
    return value;
  }
  if (call->argc == 2) {
    unsigned char taken[LEADX_SETTING_COUNT] = {0};
    taken[id] = 1;
    if (leadx_db_guard_write(&ctx->db, call->name, &ctx->err) != SQLITE_OK) return NULL;
    if (leadx_settings_set(ctx->settings, call->name, (leadx_setting)id, text_arg(call, 1),
                           &ctx->err) != SQLITE_OK)
      return NULL;
    if (store_settings(call, taken) != SQLITE_OK) return NULL;
  }
  return leadx_settings_show(ctx->settings, (leadx_setting)id);
}

static char *do_set_token(const leadx_call *call) {
  leadx_ctx *ctx = call->ctx;
  int forget = sqlite3_value_type(call->argv[0]) == SQLITE_NULL;
  const char *token =
      forget ? NULL : need_text(call, 0, "the user's access token (a JWT), or NULL to forget it");
  if (!forget && !token) return NULL;
  return leadx_account_set_token(ctx, token, text_arg(call, 1), &ctx->err);
}

/* ---- signing in and out ---- */

static char *do_login(const leadx_call *call) {
  const char *email = need_text(call, 0, "the user's email");
  const char *password = email ? need_text(call, 1, "the password") : NULL;
  return password ? leadx_account_login(call->ctx, email, password, NULL, &call->ctx->err) : NULL;
}

static char *do_logout(const leadx_call *call) {
  int type = call->argc ? sqlite3_value_type(call->argv[0]) : SQLITE_NULL;
  int is_word = type == SQLITE_TEXT && strcmp(text_arg(call, 0), "force") == 0;
  if (type != SQLITE_NULL && type != SQLITE_INTEGER && !is_word) {
    leadx_err_set(&call->ctx->err, SQLITE_ERROR,
                  "leadx_logout: the argument must be 0 or 1 (or 'force'): sign out although "
                  "changes are unsent");
    return NULL;
  }
  return leadx_account_logout(
      call->ctx, is_word || (type == SQLITE_INTEGER && sqlite3_value_int64(call->argv[0]) != 0),
      NULL, &call->ctx->err);
}

static char *do_adopt(const leadx_call *call) {
  leadx_ctx *ctx = call->ctx;
  int64_t adopted = 0;
  int is_named = call->argc && sqlite3_value_type(call->argv[0]) != SQLITE_NULL;
  const char *user = is_named ? need_text(call, 0, "a user's id, or nothing for nobody's changes")
                              : NULL;
  if (is_named && !user) return NULL;
  if (leadx_account_adopt(ctx, user, &adopted, &ctx->err) != SQLITE_OK) return NULL;
  return sqlite3_mprintf("{\"adopted\":%lld}", (sqlite3_int64)adopted);
}

/* ---- tracking ---- */

static char *do_track(const leadx_call *call) {
  const char *table = need_text(call, 0, "a table's name, or '*' for all"), *options = NULL;
  if (!table || options_arg(call, 1, &options)) return NULL;
  return leadx_track_table(call->ctx, table, options, &call->ctx->err);
}

static char *do_clone(const leadx_call *call) {
  const char *table = need_text(call, 0, "a table's name on the server, or '*' for all"),
             *options = NULL;
  if (!table || options_arg(call, 1, &options)) return NULL;
  return leadx_clone(call->ctx, table, options, NULL, &call->ctx->err);
}

static char *do_untrack(const leadx_call *call) {
  const char *table = need_text(call, 0, "a table's name");
  return table ? leadx_untrack_table(call->ctx, table, &call->ctx->err) : NULL;
}

/* ---- the queue by hand ---- */

static leadx_action action_arg(const leadx_call *call, int i) {
  const char *text = need_text(call, i, "'CREATE', 'UPDATE' or 'DELETE'");
  for (int a = LEADX_CREATE; text && a <= LEADX_DELETE; a++) {
    if (strcmp(text, leadx_action_name((leadx_action)a)) == 0) return (leadx_action)a;
  }
  if (text)
    leadx_err_set(&call->ctx->err, SQLITE_ERROR,
                  "leadx_enqueue: the action \"%.20s\" must be 'CREATE', 'UPDATE' or 'DELETE'",
                  text);
  return LEADX_NOTHING;
}

static int check_payload(const leadx_call *call, const char *payload) {
  leadx_slice value;
  size_t at = 0;
  const char *wrong = leadx_json_check(payload, strlen(payload), 0, &value, &at);
  if (wrong) {
    return leadx_err_set(&call->ctx->err, SQLITE_ERROR,
                         "leadx_enqueue: the payload is not JSON: %s at byte %lld", wrong,
                         (sqlite3_int64)at);
  }
  if (leadx_json_kind_of(value) == LEADX_JSON_OBJECT) return SQLITE_OK;
  return leadx_err_set(&call->ctx->err, SQLITE_ERROR,
                       "leadx_enqueue: the payload must be a JSON object with the row's columns");
}

/* Is the entity one that can be delivered? Where nothing is tracked yet, any may be. */
static int check_entity(const leadx_call *call, const char *entity, const char *key,
                        char **canonical) {
  leadx_ctx *ctx = call->ctx;
  leadx_tables tables = {NULL, 0, 0};
  int rc = leadx_schema_ensure(&ctx->db, call->name, &ctx->err);
  if (rc == SQLITE_OK) rc = leadx_account_own(ctx, &ctx->err);
  if (rc == SQLITE_OK) rc = leadx_tables_load(&ctx->db, call->name, &tables, &ctx->err);
  *canonical = NULL;
  if (rc != SQLITE_OK || tables.n == 0) return rc;
  sqlite3_str *names = sqlite3_str_new(NULL);
  for (int i = 0; i < tables.n; i++)
    sqlite3_str_appendf(names, "%s%s", i ? ", " : "", tables.list[i]->entity);
  char *list = sqlite3_str_finish(names);
  const leadx_table *table = leadx_tables_by_entity(&tables, entity);
  if (table) {
    *canonical = leadx_key_read(table, key, LEADX_BY_DEVICE, &ctx->err);
    rc = ctx->err.rc;
  } else {
    rc = leadx_err_set(
        &ctx->err, SQLITE_ERROR,
        "leadx_enqueue: unknown entity \"%.60s\"; tracked are %s; call leadx_track() for its table",
        entity, list ? list : "");
  }
  sqlite3_free(list);
  leadx_tables_clear(&tables);
  return rc;
}

static char *do_enqueue(const leadx_call *call) {
  leadx_ctx *ctx = call->ctx;
  char id[LEADX_UUID_BYTES];
  const char *entity = need_text(call, 0, "the entity, e.g. 'customer'");
  const char *key = entity ? text_arg(call, 1) : NULL;
  if (entity && (!key || !*key)) {
    leadx_err_set(&ctx->err, SQLITE_ERROR,
                  "leadx_enqueue: argument 2 must be the row's key (a JSON array when it has "
                  "several columns)");
  }
  leadx_action action = key && *key ? action_arg(call, 2) : LEADX_NOTHING;
  const char *payload = action != LEADX_NOTHING ? need_text(call, 3, "the row as a JSON object")
                                                : NULL;
  char *canonical = NULL;
  if (!payload || check_payload(call, payload) != SQLITE_OK ||
      check_entity(call, entity, key, &canonical) != SQLITE_OK)
    return NULL;
  int rc = leadx_queue_enqueue(&ctx->db, entity, canonical ? canonical : key, action, payload, id,
                               &ctx->err);
  sqlite3_free(canonical);
  return rc == SQLITE_OK ? sqlite3_mprintf("%s", id) : NULL;
}

/* For functions that need leadx's tables. */
static int need_tables(const leadx_call *call) {
  int present = 0;
  int rc = leadx_schema_open(&call->ctx->db, call->name, &present, &call->ctx->err);
  if (rc != SQLITE_OK || present) return rc;
  return leadx_err_set(&call->ctx->err, SQLITE_ERROR,
                       "%s: nothing is tracked in this file; call leadx_track(table) first",
                       call->name);
}

static char *do_retry(const leadx_call *call) {
  leadx_ctx *ctx = call->ctx;
  int64_t changed = 0;
  const char *id = call->argc ? need_text(call, 0, "a queue row's id") : NULL;
  if ((call->argc && !id) || need_tables(call) != SQLITE_OK) return NULL;
  if (leadx_queue_retry(&ctx->db, id, &changed, &ctx->err) != SQLITE_OK) return NULL;
  return sqlite3_mprintf("{\"retried\":%lld}", (sqlite3_int64)changed);
}

/* {"name":"id"…, to be closed by the caller. */
static sqlite3_str *begin_object(const char *name, const char *id) {
  sqlite3_str *text = sqlite3_str_new(NULL);
  sqlite3_str_appendf(text, "{\"%s\":", name);
  leadx_json_append_string(text, id, strlen(id));
  return text;
}

static char *do_discard(const leadx_call *call) {
  leadx_ctx *ctx = call->ctx;
  const char *id = need_text(call, 0, "a queue row's id");
  if (!id || need_tables(call) != SQLITE_OK ||
      leadx_resolve_discard(&ctx->db, ctx->tables, id, &ctx->err) != SQLITE_OK)
    return NULL;
  sqlite3_str *text = begin_object("discarded", id);
  sqlite3_str_appendall(text, "}");
  return leadx_db_finish(text, &ctx->err);
}

static char *do_purge(const leadx_call *call) {
  leadx_ctx *ctx = call->ctx;
  int64_t dropped = 0;
  if (need_tables(call) != SQLITE_OK ||
      leadx_settings_load(ctx->settings, &ctx->db, &ctx->err) != SQLITE_OK)
    return NULL;
  double synced = ctx->settings->number[LEADX_RETAIN_SYNCED],
         conflicts = ctx->settings->number[LEADX_RETAIN_CONFLICTS];
  if (call->argc) {
    int type = sqlite3_value_numeric_type(call->argv[0]);
    synced = conflicts = sqlite3_value_double(call->argv[0]);
    if ((type != SQLITE_INTEGER && type != SQLITE_FLOAT) || !(synced >= 0)) {
      leadx_err_set(&ctx->err, SQLITE_ERROR,
                    "leadx_purge: the argument must be a number of days, 0 or more");
      return NULL;
    }
  }
  if (leadx_db_nest_open(&ctx->db, &ctx->err) != SQLITE_OK) return NULL;
  int rc = leadx_queue_purge(&ctx->db, synced, conflicts, INT64_MAX, &dropped, &ctx->err);
  leadx_db_release(&ctx->db);
  if (leadx_db_nest_close(&ctx->db, rc, &ctx->err) != SQLITE_OK) return NULL;
  return sqlite3_mprintf("{\"purged\":%lld}", (sqlite3_int64)dropped);
}

/* ---- the network ---- */

/* The one option of leadx_sync() and leadx_step(). */
static int strict_option(const leadx_call *call, int i, int *strict) {
  const char *text = NULL;
  *strict = 0;
  if (options_arg(call, i, &text)) return call->ctx->err.rc;
  if (!text) return SQLITE_OK;
  leadx_doc *doc = leadx_doc_parse(call->name, text, strlen(text), &call->ctx->err);
  if (!doc) return call->ctx->err.rc;
  int ok = leadx_doc_is_object(doc);
  for (const leadx_doc *o = leadx_doc_first(doc); o && ok; o = leadx_doc_next(o)) {
    ok = strcmp(leadx_doc_name(o), "strict") == 0 && leadx_doc_is_bool(o);
    *strict = leadx_doc_true(o);
  }
  leadx_doc_free(doc);
  if (ok) return SQLITE_OK;
  return leadx_err_set(&call->ctx->err, SQLITE_ERROR,
                       "%s: the only option is {\"strict\":true} (or false)", call->name);
}

static char *run_sync(const leadx_call *call, const char *trigger, int with_pull,
                      int64_t request_budget) {
  leadx_sync_options options = {.who = call->name,
                                .trigger = trigger,
                                .with_pull = with_pull,
                                .request_budget = request_budget};
  if (strict_option(call, 0, &options.strict) != SQLITE_OK) return NULL;
  return leadx_sync_report(call->ctx, &options, &call->ctx->err);
}

static char *do_sync(const leadx_call *call) { return run_sync(call, "manual", 1, -1); }
static char *do_push(const leadx_call *call) { return run_sync(call, "push", 0, -1); }

/* Is it the name of a tracked table? */
static int check_tracked(const leadx_call *call, const char *name) {
  leadx_ctx *ctx = call->ctx;
  leadx_tables tables;
  if (need_tables(call) != SQLITE_OK ||
      leadx_tables_load(&ctx->db, call->name, &tables, &ctx->err) != SQLITE_OK)
    return ctx->err.rc;
  if (!leadx_tables_by_name(&tables, name)) {
    leadx_err_set(&ctx->err, SQLITE_ERROR,
                  "%s: table \"%.80s\" is not tracked; leadx_status lists the tables that are",
                  call->name, name);
  }
  leadx_tables_clear(&tables);
  return ctx->err.rc;
}

/* The functions that take one table or none. */
static char *run_for_table(const leadx_call *call, leadx_sync_options *options) {
  options->who = call->name;
  options->request_budget = -1;
  if (call->argc) {
    options->only_table = need_text(call, 0, "a tracked table's name");
    if (!options->only_table || check_tracked(call, options->only_table) != SQLITE_OK) return NULL;
  }
  return leadx_sync_report(call->ctx, options, &call->ctx->err);
}

static char *do_pull(const leadx_call *call) {
  leadx_sync_options options = {.trigger = "pull", .without_push = 1, .with_pull = 1};
  return run_for_table(call, &options);
}

static char *do_reconcile(const leadx_call *call) {
  leadx_sync_options options = {.trigger = "reconcile", .without_push = 1, .with_reconcile = 1};
  return run_for_table(call, &options);
}

/* ---- decisions ---- */

static char *do_resolve(const leadx_call *call) {
  leadx_ctx *ctx = call->ctx;
  leadx_tables tables;
  const char *id = need_text(call, 0, "a conflict's id");
  const char *choice = id ? need_text(call, 1, "'client', 'server' or 'merge'") : NULL;
  if (!choice || need_tables(call) != SQLITE_OK ||
      leadx_tables_load(&ctx->db, call->name, &tables, &ctx->err) != SQLITE_OK)
    return NULL;
  int rc = leadx_db_nest_open(&ctx->db, &ctx->err);
  if (rc == SQLITE_OK) {
    rc = leadx_resolve_conflict(&ctx->db, &tables, id, choice, text_arg(call, 2), &ctx->err);
    leadx_db_release(&ctx->db);
    rc = leadx_db_nest_close(&ctx->db, rc, &ctx->err);
  }
  leadx_tables_clear(&tables);
  if (rc != SQLITE_OK) return NULL;
  sqlite3_str *text = begin_object("resolved", id);
  sqlite3_str_appendf(text, ",\"winner\":\"%s\"}", choice); /* one of the three words */
  return leadx_db_finish(text, &ctx->err);
}

static char *do_step(const leadx_call *call) { return run_sync(call, "step", 1, 1); }

/* ---- by itself ---- */

static char *do_start(const leadx_call *call) {
  double seconds = 0;
  if (call->argc) {
    int type = sqlite3_value_numeric_type(call->argv[0]);
    seconds = sqlite3_value_double(call->argv[0]);
    if ((type != SQLITE_INTEGER && type != SQLITE_FLOAT) || !(seconds >= 0.1 && seconds <= 86400)) {
      leadx_err_set(&call->ctx->err, SQLITE_ERROR,
                    "leadx_start: the argument must be a number of seconds from 0.1 to 86400");
      return NULL;
    }
  }
  return leadx_worker_start(call->ctx, seconds, &call->ctx->err);
}

static char *do_stop(const leadx_call *call) {
  return leadx_worker_stop(call->ctx, &call->ctx->err);
}

static char *do_notify(const leadx_call *call) {
  const char *event = need_text(call, 0, leadx_schedule_events());
  return event ? leadx_worker_notify(call->ctx, event, &call->ctx->err) : NULL;
}

/* ---- the server's half ---- */

static char *do_server_sql(const leadx_call *call) {
  leadx_ctx *ctx = call->ctx;
  leadx_tables tables = {NULL, 0, 0};
  const char *name = call->argc ? need_text(call, 0, "a tracked table's name") : NULL;
  if (call->argc && (!name || check_tracked(call, name) != SQLITE_OK)) return NULL;
  if (need_tables(call) != SQLITE_OK ||
      leadx_settings_load(ctx->settings, &ctx->db, &ctx->err) != SQLITE_OK)
    return NULL;
  if (leadx_tables_load(&ctx->db, call->name, &tables, &ctx->err) != SQLITE_OK) return NULL;
  char *text = leadx_server_sql(&tables, name ? leadx_tables_by_name(&tables, name) : NULL,
                                ctx->settings->text[LEADX_SCHEMA], &ctx->err);
  leadx_tables_clear(&tables);
  return text;
}

static char *do_check(const leadx_call *call) {
  const char *name = call->argc ? need_text(call, 0, "a tracked table's name") : NULL;
  if (call->argc && (!name || check_tracked(call, name) != SQLITE_OK)) return NULL;
  return leadx_inspect(call->ctx, name, &call->ctx->err);
}

/* ---- the table ---- */

/* READS changes nothing. WRITES changes the file or the session. NETWORK guards itself (see
** leadx_sync_run()). */
enum { READS, WRITES, NETWORK };

static const struct implementation {
  char *(*run)(const leadx_call *call);
  int kind;
} implementations[] = {
    {do_version, READS},    {do_debug, READS},    {do_configure, WRITES}, {do_config, READS},
    {do_set_token, WRITES}, {do_login, NETWORK},  {do_logout, NETWORK},   {do_clone, NETWORK},
    {do_track, WRITES},     {do_untrack, WRITES}, {do_adopt, WRITES},     {do_uuid, READS},
    {do_sync, NETWORK},     {do_push, NETWORK},   {do_pull, NETWORK},     {do_reconcile, NETWORK},
    {do_resolve, WRITES},   {do_step, NETWORK},   {do_enqueue, WRITES},   {do_retry, WRITES},
    {do_discard, WRITES},   {do_purge, WRITES},   {do_server_sql, READS}, {do_check, NETWORK},
    {do_start, NETWORK},    {do_stop, NETWORK},   {do_notify, NETWORK},
};

const leadx_function leadx_functions[] = {
    {"leadx_version", 0, 0, "", "the version, `'v0.1.0'`"},
    {"leadx_debug", 0, 0, "",
     "several lines: leadx, SQLite built and loaded, HTTP and TLS library"},
    {"leadx_configure", 0, 3, "url, apikey [, options]",
     "sets the server for this process; without arguments from `SUPABASE_URL` and "
     "`SUPABASE_PUBLISHABLE_KEY`. Options are settings, `ca_file` and "
     "`allow_secret_key`. Returns the settings, keys cut to 6 characters"},
    {"leadx_config", 1, 2, "key [, value]", "reads or sets one setting of the file"},
    {"leadx_set_token", 1, 2, "jwt [, refresh_token]",
     "the user's access token, kept in memory only; with a refresh token it is renewed by itself; "
     "`NULL` forgets it"},
    {"leadx_login", 2, 2, "email, password",
     "signs in through Supabase Auth; the token is renewed by itself. Returns user and expiry, "
     "never a token"},
    {"leadx_logout", 0, 1, "[force]",
     "signs out, offline too; refuses while changes are unsent, unless forced: then they stay and "
     "wait for that user"},
    {"leadx_clone", 1, 2, "table [, options]",
     "makes the local table after the server's and tracks it; `'*'` is every table that the user "
     "may "
     "read. `{\"dry_run\":true}` shows the SQL alone; `{\"primary_key\":[\"id\"]}` names the key "
     "of a view; other options are `leadx_track`'s"},
    {"leadx_track", 1, 2, "table [, options]",
     "begins (or refreshes) the capture of a table; `'*'` is every table with a primary key"},
    {"leadx_untrack", 1, 1, "table",
     "ends the capture; unsent rows stay in the queue and are counted in the answer"},
    {"leadx_adopt", 0, 1, "[user]",
     "makes the unsent changes of nobody, or of `user`, those of the user who is signed in (a "
     "guest "
     "who gets an account); `{\"adopted\":n}`"},
    {"leadx_uuid", 0, 0, "", "a UUIDv7, for keys that two devices never make twice"},
    {"leadx_sync", 0, 1, "[options]",
     "delivers the queue, then fetches what others changed; `{\"strict\":true}` raises an error "
     "unless the state is `ok`"},
    {"leadx_push", 0, 1, "[options]", "the sending half of a sync"},
    {"leadx_pull", 0, 1, "[table]", "the fetching half of a sync, for one table or all"},
    {"leadx_reconcile", 0, 1, "[table]",
     "compares keys and versions with the server and repairs what a cursor cannot see: deleted, "
     "hidden and revealed rows, a restored server"},
    {"leadx_resolve", 2, 3, "conflict, choice [, json]",
     "decides an open conflict: `'client'`, `'server'` or `'merge'` with the final values of the "
     "contested columns"},
    {"leadx_step", 0, 1, "[options]",
     "one request of a sync; call it while `more` is true, e.g. for a progress bar: `done` of "
     "`total` rows of this phase. The total of a first pull "
     "is the server's estimate and is put right as pages come"},
    {"leadx_enqueue", 4, 4, "entity_type, entity_id, action, payload",
     "queues a change by hand; returns the queue id"},
    {"leadx_retry", 0, 1, "[id]",
     "FAILED and waiting rows (all, or one) are tried again at the next sync"},
    {"leadx_discard", 1, 1, "id", "drops one unsent change"},
    {"leadx_purge", 0, 1, "[days]",
     "drops SYNCED rows and closed conflicts older than the retention; never anything unsent"},
    {"leadx_server_sql", 0, 1, "[table]",
     "the SQL to run on the server, for one table or all: stamps, index, tombstones, functions, a "
     "skeleton of the policies; it can be run again"},
    {"leadx_check", 0, 1, "[table]",
     "asks the server whether it can do its part and names what mends it: a JSON array, and the "
     "table `leadx_checks`"},
    {"leadx_start", 0, 1, "[seconds]",
     "starts the background worker of this file: it syncs every so many seconds (the setting "
     "`interval`), soon after a commit, and when the network is back"},
    {"leadx_stop", 0, 0, "", "stops it; closing the connection that started it does so too"},
    {"leadx_notify", 1, 1, "event",
     "tells what the application knows: `'online'`, `'offline'`, `'foreground'`, `'background'`, "
     "`'refresh'`; without a worker, what asks for a sync runs it"},
};
const int leadx_nfunctions = (int)(sizeof leadx_functions / sizeof leadx_functions[0]);

_Static_assert(sizeof implementations / sizeof implementations[0] ==
                   sizeof leadx_functions / sizeof leadx_functions[0],
               "every function has its row in both tables");

/* What a function's pApp points to. */
typedef struct binding {
  leadx_ctx *ctx;
  int index;
} binding;

static void free_binding(void *arg) {
  binding *bound = arg;
  leadx_ctx_unref(bound->ctx);
  sqlite3_free(bound);
}

/* Hands the context's error to SQLite. A text that was born below all functions does not know which
** one it speaks for. */
static void result_error(sqlite3_context *context, const char *name, const leadx_err *err) {
  if (err->rc == SQLITE_NOMEM) {
    sqlite3_result_error_nomem(context);
    return;
  }
  char *text = strncmp(err->text, "leadx", 5) == 0 ? NULL
                                                   : sqlite3_mprintf("%s: %s", name, err->text);
  /* The text first: it sets the code to SQLITE_ERROR, and a host has to see SQLITE_BUSY to try
  ** again. */
  sqlite3_result_error(context, text ? text : err->text, -1);
  sqlite3_result_error_code(context, err->rc);
  sqlite3_free(text);
}

/* A text ends at its first NUL for everything behind this, so what stands behind one would be
** ignored without a word. */
static int check_arguments(const leadx_call *call) {
  for (int i = 0; i < call->argc; i++) {
    if (sqlite3_value_type(call->argv[i]) != SQLITE_TEXT) continue;
    const char *text = (const char *)sqlite3_value_text(call->argv[i]);
    if (!text) return leadx_err_nomem(&call->ctx->err);
    if (strlen(text) == (size_t)sqlite3_value_bytes(call->argv[i])) continue;
    return leadx_err_set(&call->ctx->err, SQLITE_ERROR,
                         "%s: argument %d must be free of NUL characters; they end a text",
                         call->name, i + 1);
  }
  return SQLITE_OK;
}

/* An error of this call must not be seen by the next one, nor by a call that it is nested in. */
static void invoke(sqlite3_context *context, int argc, sqlite3_value **argv) {
  binding *bound = sqlite3_user_data(context);
  leadx_ctx *ctx = bound->ctx;
  leadx_call call = {ctx, leadx_functions[bound->index].name, argc, argv};
  const struct implementation *implementation = &implementations[bound->index];
  leadx_err_clear(&ctx->err);
  char *text = NULL;
  int rc = leadx_ctx_guard_fork(ctx, call.name, &ctx->err);
  if (rc == SQLITE_OK && implementation->kind == WRITES)
    rc = leadx_db_guard_write(&ctx->db, call.name, &ctx->err);
  if (rc == SQLITE_OK) rc = check_arguments(&call);
  if (rc == SQLITE_OK) text = implementation->run(&call);
  if (ctx->err.rc != SQLITE_OK) {
    sqlite3_free(text);
    result_error(context, call.name, &ctx->err);
  } else if (text) {
    sqlite3_result_text(context, text, -1, sqlite3_free);
  } else {
    sqlite3_result_null(context);
  }
  leadx_db_release(&ctx->db);
}

static int register_one(leadx_ctx *ctx, int index, int nargs, leadx_err *err) {
  int flags = SQLITE_UTF8 | (implementations[index].run == do_uuid ? 0 : SQLITE_DIRECTONLY);
  binding *bound = sqlite3_malloc64(sizeof *bound);
  if (!bound) return leadx_err_nomem(err);
  bound->ctx = leadx_ctx_ref(ctx);
  bound->index = index;
  int rc = sqlite3_create_function_v2(ctx->db.handle, leadx_functions[index].name, nargs, flags,
                                      bound, invoke, NULL, NULL, free_binding);
  if (rc != SQLITE_OK) leadx_err_db(err, ctx->db.handle, rc, leadx_functions[index].name);
  return rc;
}

/* From the last to the first, which is leadx_version(): where that is, all of them are, and an
** attempt that ran out of memory half-way is made again. */
int leadx_func_register(leadx_ctx *ctx, leadx_err *err) {
  int rc = SQLITE_OK;
  for (int i = leadx_nfunctions - 1; i >= 0 && rc == SQLITE_OK; i--) {
    for (int n = leadx_functions[i].min_args; n <= leadx_functions[i].max_args && rc == SQLITE_OK;
         n++)
      rc = register_one(ctx, i, n, err);
  }
  return rc;
}
