/* The check. See check.h.
**
** One call of leadx_installed() tells most: whether the server answers, trusts the key and the
** token, what time it has, and what of leadx_server_sql() is in force. The server's own description
** (OpenAPI) tells columns and types where it is given out; then each table is read once for its
** newest version and once for the row cap.
** */
#include "api/check.h"

#include <stdlib.h>
#include <string.h>

#include "api/account.h"
#include "api/server_sql.h"
#include "base/clock.h"
#include "base/doc.h"
#include "base/instant.h"
#include "base/secret.h"
#include "http/http.h"
#include "rest/rest.h"
#include "rest/target.h"
#include "rows/key.h"
#include "rows/stranger.h"
#include "run/discover.h"
#include "session/auth.h"
#include "session/line.h"
#include "session/session.h"
#include "store/schema.h"
#include "store/settings.h"
#include "store/tables.h"

/* A clock that is wrong by less decides no conflict wrongly that anybody would notice. */
#define SKEW_SECONDS 60
/* What a server says of itself may be anything: so many of its columns are named, and names so
** long. */
#define NAMED_COLUMNS 20
#define NAME_BYTES 128
/* A version further ahead than this came from a client and not from the server's clock. */
#define FUTURE_US (300 * (int64_t)1000000)

/* Rows of the server that are compared with those that are here already, at most. */
#define MET_ROWS 50000
/* And requests for them: a server may cap its answers, or not know an offset and begin anew each time. */
#define MET_REQUESTS 100

typedef struct leadx_checking {
  leadx_ctx *ctx;
  leadx_err *err;
  leadx_credentials credentials;
  leadx_target target;
  leadx_transport *transport;
  leadx_auth auth;
  leadx_exchange exchange;
  leadx_tables tables;
  int present; /* the file has leadx's tables */
  leadx_doc *findings;
  leadx_doc *installed; /* what leadx_installed() said, NULL when it is not there */
  leadx_doc *description; /* the server's OpenAPI document, NULL when it gives none out */
  int64_t server_s; /* the server's clock, 0 unknown */
} leadx_checking;

/* ---- findings ---- */

/* Adds a finding; table NULL is one about the server. Takes fix over (NULL: there is nothing to
** run). */
static void find(leadx_checking *checking, const leadx_table *table, const char *what, char *fix,
                 const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *result = sqlite3_vmprintf(format, args);
  va_end(args);
  char *name = table ? sqlite3_mprintf("%s: %s", table->name, what) : sqlite3_mprintf("%s", what);
  leadx_doc *finding = leadx_doc_new_object();
  /* Much of what is found is in the server's words. */
  if (result) leadx_secret_scrub(result, strlen(result));
  if (fix) leadx_secret_scrub(fix, strlen(fix));
  if (finding && result && name) {
    leadx_doc_add_text(finding, "check", name);
    leadx_doc_add_text(finding, "result", result);
    leadx_doc_add_text(finding, "fix", fix);
    leadx_doc_push(checking->findings, finding);
  } else {
    leadx_doc_free(finding);
    leadx_err_nomem(checking->err);
  }
  sqlite3_free(name);
  sqlite3_free(result);
  sqlite3_free(fix);
}

static const char *schema_of(const leadx_checking *checking) {
  return checking->ctx->settings->text[LEADX_SCHEMA];
}

/* The statement of a template for a table; a name that cannot be written leaves the fix out. */
static char *fix_for(leadx_checking *checking, int sql_id, const leadx_table *table,
                     const char *column, const char *type) {
  leadx_err quiet = {0};
  return leadx_server_sql_fix(sql_id, table, column, type, schema_of(checking), &quiet);
}

/* What gives a table its stamp, index and tombstones: the statements where the functions they need
** are there, else the call that prints all of it. */
static char *fix_install(leadx_checking *checking, const leadx_table *table) {
  if (checking->installed) return fix_for(checking, LEADX_SQL_SERVER_TABLE, table, NULL, NULL);
  return sqlite3_mprintf("SELECT leadx_server_sql(%Q); -- and run what it prints on the server",
                         table->name);
}

/* ---- asking ---- */

/* Sends a request and waits. The caller frees it; NULL and an error when it could not be sent. */
static leadx_request *ask(leadx_checking *checking, leadx_request *request, int wants_array,
                          leadx_verdict *verdict) {
  leadx_request *done = leadx_exchange_ask(&checking->exchange, request, wants_array, verdict,
                                           checking->err);
  if (done && done->date_s > 0) checking->server_s = done->date_s;
  return done;
}

/* The words for an answer that is none: curl's where the network failed, else the server's. */
static const char *words_of(const leadx_verdict *verdict, const leadx_request *done) {
  return done->net != LEADX_NET_ANSWER && done->error[0] ? done->error : verdict->message;
}

static leadx_doc *parse(const leadx_verdict *verdict, const leadx_request *done) {
  leadx_err quiet = {0};
  if (verdict->class_ != LEADX_CLASS_OK) return NULL;
  leadx_doc *doc = leadx_doc_parse("leadx_check", done->answer, done->answer_bytes, &quiet);
  if (doc && leadx_doc_is_object(doc)) return doc;
  leadx_doc_free(doc);
  return NULL;
}

/* ---- the server ---- */

static void check_tls(leadx_checking *checking, const leadx_verdict *verdict,
                      const leadx_request *done) {
  if (verdict->class_ == LEADX_CLASS_TRUST && done->net != LEADX_NET_ANSWER) {
    find(
        checking, NULL, "tls",
        sqlite3_mprintf("SELECT leadx_configure(url, apikey, '{\"ca_file\":\"/path/to/ca.pem\"}'); "
                        "-- if the server has a CA of its own"),
        "error: the server could not prove who it is: %s", words_of(verdict, done));
  } else if (strncmp(checking->target.url, "https:", 6) == 0) {
    find(checking, NULL, "tls", NULL, "ok: encrypted, certificate verified");
  } else {
    find(checking, NULL, "tls", NULL, "ok: not encrypted, which only this machine itself may be");
  }
}

/* A 401 is about the token when PostgREST says so, and else about the key. */
static void check_credentials(leadx_checking *checking, const leadx_verdict *verdict) {
  int refused = verdict->class_ == LEADX_CLASS_AUTH;
  int of_token = refused && (verdict->code[0] || !checking->credentials.apikey);
  const char *token = checking->credentials.token;
  if (refused && !of_token) {
    find(checking, NULL, "apikey", sqlite3_mprintf("SELECT leadx_configure(url, publishable_key);"),
         "error: the server refuses the key: %s", verdict->message);
    return;
  }
  find(checking, NULL, "apikey", NULL, "ok: accepted");
  leadx_token claims;
  int64_t expires_s = token && !leadx_token_read(token, &claims) ? claims.expires_s : 0;
  int64_t now_s = checking->server_s > 0 ? checking->server_s : leadx_clock_wall_us() / 1000000;
  const char *user = checking->credentials.user;
  if (of_token) {
    find(checking, NULL, "token",
         sqlite3_mprintf("SELECT leadx_login(email, password); -- or leadx_set_token(fresh_token)"),
         "error: the server refuses the token: %s %s", verdict->code, verdict->message);
  } else if (!token) {
    find(checking, NULL, "token", sqlite3_mprintf("SELECT leadx_login(email, password);"),
         "warning: nobody is signed in; requests run with the rights of the key alone");
  } else if (expires_s == 0) {
    find(checking, NULL, "token", NULL, "ok: user %s, does not say when it expires", user);
  } else {
    find(checking, NULL, "token", NULL, "ok: user %s, expires in %lld minutes", user,
         (sqlite3_int64)((expires_s - now_s) / 60));
  }
}

static void check_clock(leadx_checking *checking) {
  if (checking->server_s == 0) {
    find(checking, NULL, "clock", NULL, "warning: the server does not tell its time");
    return;
  }
  int64_t ahead = leadx_clock_wall_us() / 1000000 - checking->server_s;
  if (ahead >= -SKEW_SECONDS && ahead <= SKEW_SECONDS)
    find(checking, NULL, "clock", NULL, "ok: within a minute of the server's");
  else {
    find(checking, NULL, "clock", NULL,
         "warning: this device is %lld s %s the server; edits are compared by when they were made, "
         "so set its clock",
         (sqlite3_int64)(ahead > 0 ? ahead : -ahead), ahead > 0 ? "ahead of" : "behind");
  }
}

static void check_functions(leadx_checking *checking, const leadx_verdict *verdict) {
  if (checking->installed) {
    find(checking, NULL, "functions", NULL,
         "ok: leadx_push, leadx_pull and leadx_installed are there");
  } else if (verdict->class_ == LEADX_CLASS_DRIFT) {
    find(checking, NULL, "functions",
         sqlite3_mprintf("SELECT leadx_server_sql(); -- and run what it prints on the server"),
         "missing: the server's half is not installed; syncing works without it");
  } else {
    find(checking, NULL, "functions", NULL, "error: %s %s", verdict->code, verdict->message);
  }
}

/* What the answer says of the functions is what the next sync goes by. */
static int note_functions(leadx_checking *checking, const leadx_verdict *verdict) {
  leadx_db *db = &checking->ctx->db;
  if (!checking->present || sqlite3_db_readonly(db->handle, "main") == 1) return SQLITE_OK;
  int rc = leadx_schema_ensure(db, "leadx_check", checking->err);
  return rc == SQLITE_OK ? leadx_discover_note(db, &checking->target, verdict->value, checking->err)
                         : rc;
}

/* The first request. *reached: is there any use in asking more? */
static int check_server(leadx_checking *checking, int *reached) {
  leadx_verdict verdict;
  sqlite3_str *args = sqlite3_str_new(NULL);
  sqlite3_str_appendall(args, "{}");
  leadx_request *done = ask(
      checking, leadx_target_call(&checking->target, "leadx_installed", args, checking->err), 0,
      &verdict);
  if (!done) return checking->err->rc;
  /* PostgREST says that there is no such function with a code; a 404 without one is somebody
  ** else's. */
  int elsewhere = verdict.class_ == LEADX_CLASS_DRIFT && !verdict.code[0];
  int silent = done->net != LEADX_NET_ANSWER || verdict.class_ == LEADX_CLASS_THROTTLE ||
               verdict.class_ == LEADX_CLASS_TRUST || verdict.class_ == LEADX_CLASS_PROTOCOL ||
               elsewhere;
  *reached = !silent && verdict.class_ != LEADX_CLASS_AUTH;
  if (elsewhere)
    find(checking, NULL, "server", sqlite3_mprintf("SELECT leadx_configure(url, apikey);"),
         "error: no PostgREST is at this address: %s", verdict.message);
  else if (silent)
    find(checking, NULL, "server", NULL, "error: %s%s%s", verdict.code, verdict.code[0] ? " " : "",
         words_of(&verdict, done));
  else find(checking, NULL, "server", NULL, "ok: it answers");
  if (done->net == LEADX_NET_ANSWER || verdict.class_ == LEADX_CLASS_TRUST)
    check_tls(checking, &verdict, done);
  if (!silent) {
    checking->installed = parse(&verdict, done);
    check_credentials(checking, &verdict);
    check_clock(checking);
    if (*reached) check_functions(checking, &verdict);
    if (*reached) note_functions(checking, &verdict);
  }
  leadx_request_free(done);
  return checking->err->rc;
}

/* Where nothing is tracked yet: what could be. The half of the server tells, else the description. */
static void check_offered(leadx_checking *checking) {
  const leadx_doc *tables = leadx_doc_get(checking->description, "definitions");
  sqlite3_str *names = sqlite3_str_new(NULL);
  int n = 0;
  for (const leadx_doc *t = leadx_doc_first(tables); t; t = leadx_doc_next(t)) {
    if (n < NAMED_COLUMNS) sqlite3_str_appendf(names, "%s%.40s", n ? ", " : "", leadx_doc_name(t));
    n++;
  }
  if (n > NAMED_COLUMNS) sqlite3_str_appendall(names, ", …");
  char *list = sqlite3_str_finish(names);
  if (n > 0 && list)
    find(checking, NULL, "tables",
         sqlite3_mprintf("SELECT leadx_clone('*'); -- or leadx_track() the tables that are here"),
         "warning: nothing is tracked in this file; the server shows this user %d tables: %s", n,
         list);
  else
    find(checking, NULL, "tables", NULL,
         "warning: nothing is tracked in this file, and the server describes no table to this "
         "user%s; leadx_track() tracks the tables that are here",
         checking->credentials.token ? "" : ", for nobody is signed in");
  sqlite3_free(list);
}

/* The server's description of itself. That it gives none out is no finding: many do not. */
static int read_description(leadx_checking *checking) {
  leadx_verdict verdict;
  sqlite3_str *url = sqlite3_str_new(NULL);
  sqlite3_str_appendf(url, "%s/", checking->target.url);
  leadx_request *done = ask(checking, leadx_target_get(&checking->target, url, NULL, checking->err),
                            0, &verdict);
  if (!done) return checking->err->rc;
  checking->description = parse(&verdict, done);
  leadx_request_free(done);
  return SQLITE_OK;
}

/* ---- columns ---- */

/* Which of the server's types a value of ours can go into and come back from; "*" is any. */
static const struct fitting {
  leadx_type type;
  const char *formats;
} fittings[] = {
    {LEADX_TEXT, "*"},
    {LEADX_INTEGER, "|smallint|integer|bigint|oid|"},
    {LEADX_REAL, "|real|double precision|smallint|integer|"},
    {LEADX_BOOLEAN, "|boolean|"},
    {LEADX_JSON, "|json|jsonb|[]|"},
    {LEADX_BLOB, "|bytea|"},
    {LEADX_UUID, "|uuid|text|character varying|"},
    {LEADX_DECIMAL, "|numeric|smallint|integer|bigint|text|character varying|money|"},
    {LEADX_DATE, "|date|text|character varying|"},
    {LEADX_TIMESTAMP,
     "|timestamp with time zone|timestamp without time zone|text|character varying|"},
    {LEADX_TIMESTAMP_S, "|timestamp with time zone|timestamp without time zone|"},
    {LEADX_TIMESTAMP_MS, "|timestamp with time zone|timestamp without time zone|"},
};

/* The type of ours for a column of the server's. */
static leadx_type type_of_format(const char *format) {
  static const struct {
    const char *format;
    leadx_type type;
  } known[] = {
      {"boolean", LEADX_BOOLEAN}, {"numeric", LEADX_DECIMAL},  {"json", LEADX_JSON},
      {"jsonb", LEADX_JSON},      {"bytea", LEADX_BLOB},       {"uuid", LEADX_UUID},
      {"date", LEADX_DATE},       {"smallint", LEADX_INTEGER}, {"integer", LEADX_INTEGER},
      {"bigint", LEADX_INTEGER},  {"real", LEADX_REAL},        {"double precision", LEADX_REAL}};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (strcmp(known[i].format, format) == 0) return known[i].type;
  }
  if (strncmp(format, "timestamp", 9) == 0) return LEADX_TIMESTAMP;
  return strstr(format, "[]") ? LEADX_JSON : LEADX_TEXT;
}

/* "character varying(20)" is "character varying", "integer[]" is "[]". */
static int fits(leadx_type type, const char *format) {
  char wanted[64];
  const char *formats = "";
  for (size_t i = 0; i < sizeof fittings / sizeof fittings[0]; i++) {
    if (fittings[i].type == type) formats = fittings[i].formats;
  }
  if (formats[0] == '*') return strcmp(format, "bytea") != 0;
  if (strstr(format, "[]")) format = "[]";
  sqlite3_snprintf(sizeof wanted, wanted, "|%.*s|", (int)strcspn(format, "("), format);
  return strstr(formats, wanted) != NULL;
}

static const leadx_doc *definition_of(const leadx_checking *checking, const leadx_table *table) {
  return leadx_doc_get(leadx_doc_get(checking->description, "definitions"), table->remote);
}

static void report_missing(leadx_checking *checking, const leadx_table *table,
                           const leadx_column *column) {
  find(checking, table, "columns",
       fix_for(checking, LEADX_SQL_SERVER_FIX_COLUMN, table, column->remote,
               leadx_server_sql_type(column->type)),
       "missing: the server has no column \"%s\"; give it one, or keep it local with "
       "{\"columns\":{\"%s\":null}}",
       column->remote, column->name);
}

static void report_whole(leadx_checking *checking, const leadx_table *table, const char *but) {
  find(checking, table, "columns", NULL, "ok: the server has all %d%s", table->ncolumns, but);
}

/* Columns that are sent and that the server has not: it refuses every row. The version is a finding
** of its own. */
static void check_sent_columns(leadx_checking *checking, const leadx_table *table,
                               const leadx_doc *properties) {
  int missing = 0;
  for (int i = 0; i < table->ncolumns; i++) {
    if (leadx_doc_get(properties, table->columns[i].remote)) continue;
    missing = 1;
    if (i != table->version_column) report_missing(checking, table, &table->columns[i]);
  }
  if (!missing) report_whole(checking, table, "");
}

/* Does the description say that the server fills the column, or not say it although it may? It
** tells no default of JSON and arrays. */
static int may_be_filled(const leadx_doc *property) {
  const char *type = leadx_doc_text(property, "type");
  return leadx_doc_get(property, "default") || !type || strcmp(type, "array") == 0;
}

/* Columns that the server requires and that are not sent: it refuses every new row.
** leadx_installed() knows them, the description nearly. */
static void check_required_columns(leadx_checking *checking, const leadx_table *table) {
  const leadx_doc *definition = definition_of(checking, table),
                  *properties = leadx_doc_get(definition, "properties");
  const leadx_doc *known = leadx_doc_get(leadx_doc_get(checking->installed, table->remote),
                                         "required");
  if (table->mode == LEADX_MODE_PULL) return;
  int named = 0;
  for (const leadx_doc *name =
           leadx_doc_first(known ? known : leadx_doc_get(definition, "required"));
       name && named < NAMED_COLUMNS; name = leadx_doc_next(name)) {
    const char *text = leadx_doc_string(name);
    if (!text || strlen(text) > NAME_BYTES ||
        leadx_table_find_remote(table, text, strlen(text)) >= 0)
      continue;
    if (strcmp(text, table->version_remote) == 0 ||
        (!known && may_be_filled(leadx_doc_get(properties, text))))
      continue;
    named++;
    find(checking, table, "columns",
         fix_for(checking, LEADX_SQL_SERVER_FIX_DEFAULT, table, text, NULL),
         "warning: the server requires \"%s\", which the local table has not; new rows are refused "
         "unless a trigger%s fills it",
         text, known ? "" : " or a default");
  }
}

/* Tracks the table again with one option more. */
static char *fix_type(const leadx_table *table, const leadx_column *column, leadx_type type) {
  sqlite3_str *json = sqlite3_str_new(NULL);
  sqlite3_str_appendall(json, "{\"columns\":{");
  leadx_json_append_string(json, column->name, strlen(column->name));
  sqlite3_str_appendf(json, ":{\"type\":\"%s\"}}}", leadx_type_name(type));
  char *options = sqlite3_str_finish(json);
  char *sql = sqlite3_mprintf("SELECT leadx_track(%Q, %Q);", table->name, options);
  sqlite3_free(options);
  return sql;
}

static void check_types(leadx_checking *checking, const leadx_table *table,
                        const leadx_doc *properties) {
  int odd = 0;
  for (int i = 0; i < table->ncolumns; i++) {
    const leadx_column *column = &table->columns[i];
    const char *format = leadx_doc_text(leadx_doc_get(properties, column->remote), "format");
    if (!format || fits(column->type, format)) continue;
    odd = 1;
    find(checking, table, "types", fix_type(table, column, type_of_format(format)),
         "warning: \"%s\" is %s here and %.80s on the server", column->remote,
         leadx_type_name(column->type), format);
  }
  if (!odd) find(checking, table, "types", NULL, "ok: they fit");
}

static leadx_request *columns_request(leadx_checking *checking, const leadx_table *table, int first,
                                      int n) {
  sqlite3_str *url = sqlite3_str_new(NULL);
  sqlite3_str_appendf(url, "%s/", checking->target.url);
  leadx_rest_escape(url, table->remote, strlen(table->remote));
  for (int i = first; i < first + n; i++) {
    sqlite3_str_appendall(url, i > first ? "," : "?select=");
    leadx_rest_column(url, table->columns[i].remote);
  }
  sqlite3_str_appendall(url, "&limit=0");
  return leadx_target_get(&checking->target, url, NULL, checking->err);
}

/* Without a description: do n of the columns exist? The server names one that does not, so they are
** halved until each of those stands alone. */
static int check_columns_by_select(leadx_checking *checking, const leadx_table *table, int first,
                                   int n) {
  leadx_verdict verdict;
  leadx_request *done = ask(checking, columns_request(checking, table, first, n), 1, &verdict);
  if (!done) return checking->err->rc;
  int is_missing = verdict.class_ == LEADX_CLASS_DRIFT, rc = SQLITE_OK;
  if (verdict.class_ == LEADX_CLASS_OK) {
    if (n == table->ncolumns) report_whole(checking, table, " (their types it does not tell)");
  } else if (!is_missing) {
    find(checking, table, "columns", NULL, "error: %s %s", verdict.code, words_of(&verdict, done));
  } else if (n == 1 && first != table->version_column) {
    report_missing(checking, table, &table->columns[first]);
  }
  leadx_request_free(done);
  if (is_missing && n > 1) {
    rc = check_columns_by_select(checking, table, first, n / 2);
    if (rc == SQLITE_OK) rc = check_columns_by_select(checking, table, first + n / 2, n - n / 2);
  }
  return rc;
}

static int check_columns(leadx_checking *checking, const leadx_table *table) {
  const leadx_doc *properties = leadx_doc_get(definition_of(checking, table), "properties");
  int rc = SQLITE_OK;
  if (properties) check_sent_columns(checking, table, properties);
  else rc = check_columns_by_select(checking, table, 0, table->ncolumns);
  if (rc == SQLITE_OK) check_required_columns(checking, table);
  if (properties) check_types(checking, table, properties);
  return rc == SQLITE_OK ? checking->err->rc : rc;
}

/* ---- a table ---- */

/* GET of keys and version; what follows is appended. */
static leadx_request *key_request(leadx_checking *checking, const leadx_table *table,
                                  const char *order, int limit, int offset) {
  sqlite3_str *url = sqlite3_str_new(NULL);
  sqlite3_str_appendf(url, "%s/", checking->target.url);
  leadx_rest_escape(url, table->remote, strlen(table->remote));
  sqlite3_str_appendall(url, "?select=");
  leadx_rest_column(url, table->version_remote);
  for (int i = 0; i < table->nkey; i++) {
    const char *key = table->columns[table->key[i]].remote;
    sqlite3_str_appendall(url, ",");
    leadx_rest_column(url, key);
  }
  if (order) {
    sqlite3_str_appendall(url, "&order=");
    leadx_rest_column(url, table->version_remote);
    sqlite3_str_appendall(url, order);
  }
  sqlite3_str_appendf(url, "&limit=%d", limit);
  if (offset > 0) sqlite3_str_appendf(url, "&offset=%d", offset);
  return leadx_target_get(&checking->target, url, NULL, checking->err);
}

/* The newest version, or one that is missing: what does it say about who sets it? */
static void check_version(leadx_checking *checking, const leadx_table *table, leadx_slice rows) {
  leadx_json_walk walk;
  leadx_slice row;
  int64_t us = 0;
  leadx_json_walk_init(&walk, rows);
  if (!leadx_json_walk_element(&walk, &row)) {
    find(checking, table, "version", NULL, "ok: \"%s\" is there; no row is visible to judge it by",
         table->version_remote);
    return;
  }
  leadx_slice version = leadx_json_member(row, table->version_remote);
  if (version.n > NAME_BYTES) version.n = NAME_BYTES;
  if (leadx_json_kind_of(version) != LEADX_JSON_STRING) {
    find(checking, table, "version", fix_install(checking, table),
         "error: there are rows without \"%s\", which no later pull finds", table->version_remote);
  } else if (leadx_instant_parse(version.z + 1, version.n - 2, &us) != 0) {
    find(checking, table, "version", fix_install(checking, table),
         "error: \"%s\" is %.*s, which is no moment in time", table->version_remote, (int)version.n,
         version.z);
  } else if (checking->server_s > 0 && us > checking->server_s * 1000000 + FUTURE_US) {
    find(checking, table, "version", fix_install(checking, table),
         "error: \"%s\" of the newest row is %.*s, in the server's future: clients set it",
         table->version_remote, (int)version.n, version.z);
  } else {
    find(checking, table, "version", NULL, "ok: the newest is %.*s", (int)version.n - 2,
         version.z + 1);
  }
}

/* The rights of a table that cannot be read at all: those that its mode needs. */
static char *fix_unreadable(leadx_checking *checking, const leadx_table *table) {
  leadx_err quiet = {0};
  return leadx_server_sql_grant(
      table, table->mode == LEADX_MODE_PULL ? "select" : "select, insert, update, delete",
      checking->credentials.token ? "authenticated" : "anon", schema_of(checking), &quiet);
}

/* A table that cannot be read: why, and what to do. */
static void explain_unreadable(leadx_checking *checking, const leadx_table *table,
                               const leadx_verdict *verdict, const leadx_request *done) {
  leadx_err quiet = {0};
  const char *words = words_of(verdict, done);
  if (strcmp(verdict->code, "42703") == 0) {
    find(checking, table, "table", NULL, "ok: it is there");
    find(checking, table, "version",
         fix_for(checking, LEADX_SQL_SERVER_FIX_VERSION, table, NULL, NULL), "missing: %s", words);
  } else if (strcmp(verdict->code, "42501") == 0) {
    find(checking, table, "table", fix_unreadable(checking, table), "error: %s", words);
  } else if (verdict->class_ == LEADX_CLASS_DRIFT) {
    find(checking, table, "table", leadx_server_sql_create(table, schema_of(checking), &quiet),
         "missing: the server has no table \"%s\" for this user: %s", table->remote, words);
  } else {
    find(checking, table, "table", NULL, "error: %s%s%s", verdict->code,
         verdict->code[0] ? " " : "", words);
  }
}

/* Reads the newest row. *readable: can the rest be asked? */
static int check_readable(leadx_checking *checking, const leadx_table *table, int *readable) {
  leadx_verdict verdict;
  leadx_request *done = ask(checking, key_request(checking, table, ".desc.nullsfirst", 1, 0), 1,
                            &verdict);
  if (!done) return checking->err->rc;
  *readable = verdict.class_ == LEADX_CLASS_OK;
  if (*readable) {
    find(checking, table, "table", NULL, "ok: it can be read");
    check_version(checking, table, verdict.rows);
  } else {
    explain_unreadable(checking, table, &verdict, done);
  }
  leadx_request_free(done);
  return checking->err->rc;
}

/* Is the table registered on the server with the version and the key that it has here? */
static int is_registered(const leadx_doc *known, const leadx_table *table) {
  const char *version = leadx_doc_text(known, "version");
  const leadx_doc *key = leadx_doc_first(leadx_doc_get(known, "keys"));
  if (!version || strcmp(version, table->version_remote) != 0) return 0;
  for (int i = 0; i < table->nkey; i++, key = leadx_doc_next(key)) {
    if (!key || !leadx_doc_string(key) ||
        strcmp(leadx_doc_string(key), table->columns[table->key[i]].remote) != 0)
      return 0;
  }
  return key == NULL;
}

/* Do the tombstones follow policies that are no longer those of the table? That there are none is a
** finding of its own. */
static int is_stale(const leadx_doc *known) {
  const leadx_doc *current = leadx_doc_get(known, "current");
  return leadx_doc_true(leadx_doc_get(known, "tombstones")) &&
         leadx_doc_true(leadx_doc_get(known, "rls")) && leadx_doc_is_bool(current) &&
         !leadx_doc_true(current);
}

/* What leadx_installed() said of the table; where it is silent, or speaks of another version or
** key, nobody outside the server can know. */
static void check_installed(leadx_checking *checking, const leadx_table *table) {
  static const struct {
    const char *name, *without;
  } parts[] = {
      {"stamp", "nothing proves that the server sets the version on INSERT and UPDATE; rows made "
                "offline could stay unseen by others"},
      {"index", "pages are read by (version, key); without an index on it each is a scan of the "
                "whole table"},
      {"tombstones", "rows that are deleted for good are found by leadx_reconcile() alone"},
  };
  const leadx_doc *known = leadx_doc_get(checking->installed, table->remote);
  if (!is_registered(known, table)) known = NULL;
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    if (strcmp(parts[i].name, "tombstones") == 0 && is_stale(known))
      find(checking, table, parts[i].name, fix_install(checking, table),
           "missing: a policy for reading was changed since the server's half was run; until it is "
           "run again nobody is shown which rows were deleted");
    else if (leadx_doc_true(leadx_doc_get(known, parts[i].name)))
      find(checking, table, parts[i].name, NULL, "ok: in force");
    else
      find(checking, table, parts[i].name, fix_install(checking, table), "%s: %s",
           known ? "missing" : "warning", parts[i].without);
  }
}

static int has_text(const leadx_doc *array, const char *text) {
  for (const leadx_doc *e = leadx_doc_first(array); e; e = leadx_doc_next(e)) {
    const char *name = leadx_doc_string(e);
    if (name && strcmp(name, text) == 0) return 1;
  }
  return 0;
}

/* Appends the columns, in brackets, for which a right is lacking that was given for others. Who
** does not read needs none for the version: the server stamps it. How many they are. */
static int append_lacking_columns(sqlite3_str *out, const leadx_table *table,
                                  const leadx_doc *granted, int reads) {
  int n = 0;
  for (int i = 0; i < table->ncolumns; i++) {
    const char *name = table->columns[i].remote;
    if (has_text(granted, name) || (!reads && i == table->version_column)) continue;
    sqlite3_str_appendf(out, "%s\"%w\"", n++ ? ", " : "(", name);
  }
  if (reads && table->version_column < 0 && !has_text(granted, table->version_remote))
    sqlite3_str_appendf(out, "%s\"%w\"", n++ ? ", " : "(", table->version_remote);
  if (n) sqlite3_str_appendall(out, ")");
  return n;
}

/* Appends a right as GRANT has it, where it is lacking. */
static void append_lacking(sqlite3_str *out, const leadx_table *table, const char *verb,
                           const leadx_doc *granted) {
  const char *comma = sqlite3_str_length(out) ? ", " : "";
  if (leadx_doc_true(granted)) return;
  if (!leadx_doc_is_array(granted) || !leadx_doc_first(granted)) {
    sqlite3_str_appendf(out, "%s%s", comma, verb);
    return;
  }
  sqlite3_str *columns = sqlite3_str_new(NULL);
  int n = append_lacking_columns(columns, table, granted, strcmp(verb, "select") == 0);
  char *text = sqlite3_str_finish(columns);
  if (n && text) sqlite3_str_appendf(out, "%s%s %s", comma, verb, text);
  sqlite3_free(text);
}

static void check_grants(leadx_checking *checking, const leadx_table *table,
                         const leadx_doc *known) {
  static const char *const verbs[] = {"select", "insert", "update", "delete"};
  const char *role = leadx_doc_text(known, "role");
  leadx_err quiet = {0};
  sqlite3_str *lacking = sqlite3_str_new(NULL);
  for (int i = 0; i < (table->mode == LEADX_MODE_PULL ? 1 : 4); i++)
    append_lacking(lacking, table, verbs[i], leadx_doc_get(known, verbs[i]));
  char *list = sqlite3_str_finish(lacking);
  if (list)
    find(checking, table, "grants",
         leadx_server_sql_grant(table, list, role ? role : "authenticated", schema_of(checking),
                                &quiet),
         "missing: this role may not %s", list);
  else find(checking, table, "grants", NULL, "ok: granted");
  sqlite3_free(list);
}

static void check_rights(leadx_checking *checking, const leadx_table *table) {
  const leadx_doc *known = leadx_doc_get(checking->installed, table->remote);
  if (!known && checking->installed)
    find(checking, table, "rls",
         sqlite3_mprintf("SELECT leadx_server_sql(%Q); -- it has a skeleton of the policies",
                         table->name),
         "warning: the server's half was not run for this table, or no policy lets this user have "
         "any row of it");
  if (!known) return;
  if (!leadx_doc_true(leadx_doc_get(known, "rls"))) {
    find(checking, table, "rls", fix_for(checking, LEADX_SQL_SERVER_FIX_RLS, table, NULL, NULL),
         "error: row level security is off; everybody with the publishable key has all rows");
  } else if (leadx_doc_number(leadx_doc_get(known, "policies")) < 1) {
    find(checking, table, "rls",
         sqlite3_mprintf("SELECT leadx_server_sql(%Q); -- it has a skeleton of the policies",
                         table->name),
         "warning: row level security is on and there is no policy, so nobody has any row");
  } else {
    find(checking, table, "rls", NULL, "ok: on, %d policies",
         (int)leadx_doc_number(leadx_doc_get(known, "policies")));
  }
  check_grants(checking, table, known);
}

/* How many rows there are from an offset on, at most `limit`; -1 when they could not be read, which is
** said. */
static int count_rows(leadx_checking *checking, const leadx_table *table, int limit, int offset) {
  leadx_verdict verdict;
  leadx_json_walk walk;
  leadx_slice row;
  int n = 0;
  leadx_request *done = ask(checking, key_request(checking, table, NULL, limit, offset), 1,
                            &verdict);
  if (!done) return -1;
  leadx_json_walk_init(&walk, verdict.rows);
  if (verdict.class_ != LEADX_CLASS_OK) {
    n = -1;
    find(checking, table, "rows", NULL, "warning: a page of %d keys could not be read: %s %s",
         limit, verdict.code, words_of(&verdict, done));
  }
  while (n >= 0 && leadx_json_walk_element(&walk, &row)) n++;
  leadx_request_free(done);
  return n;
}

/* Servers cut answers silently. leadx reads on until a page is empty, so this is a matter of speed
** alone. Nobody is asked to count: under a slow policy that takes longer than a statement may. */
static int check_row_cap(leadx_checking *checking, const leadx_table *table) {
  int page = (int)leadx_settings_int(checking->ctx->settings, LEADX_PAGE_SIZE);
  int came = count_rows(checking, table, page, 0);
  int more = came > 0 && came < page ? count_rows(checking, table, 1, came) : 0;
  if (came < 0 || more < 0) return checking->err->rc;
  if (more)
    find(checking, table, "rows", sqlite3_mprintf("SELECT leadx_config('page_size', %d);", came),
         "warning: the server cuts answers at %d rows, fewer than page_size (%d)", came, page);
  else find(checking, table, "rows", NULL, "ok: a page of %d is not cut", page);
  return checking->err->rc;
}

/* ---- rows that are here already ---- */

/* What the rows of a table that was never pulled are to the server's. */
typedef struct meeting {
  int64_t equal, different, there; /* of the server's rows */
  int whole; /* all of them were looked at */
} meeting;

/* One page of the server's rows, in the order of their keys. */
static leadx_request *rows_request(leadx_checking *checking, const leadx_table *table, int64_t page,
                                   int64_t offset) {
  sqlite3_str *url = sqlite3_str_new(NULL);
  leadx_target_append_table(url, &checking->target, table);
  for (int i = 0; i < table->ncolumns; i++) {
    sqlite3_str_appendall(url, i > 0 ? "," : "?select=");
    leadx_rest_column(url, table->columns[i].remote);
  }
  for (int i = 0; i < table->nkey; i++) {
    sqlite3_str_appendall(url, i > 0 ? "," : "&order=");
    leadx_rest_column(url, table->columns[table->key[i]].remote);
  }
  if (table->filter) sqlite3_str_appendf(url, "&%s", table->filter);
  sqlite3_str_appendf(url, "&limit=%lld&offset=%lld", (sqlite3_int64)page, (sqlite3_int64)offset);
  return leadx_target_get(&checking->target, url, NULL, checking->err);
}

static int meet_row(leadx_checking *checking, leadx_table *table, leadx_slice row, meeting *met) {
  leadx_db *db = &checking->ctx->db;
  int stands = 0, differing = 0;
  char *key = leadx_key_of_row(table, row, checking->err);
  if (key) leadx_stranger_compare(db, table, key, row, &stands, &differing, NULL, checking->err);
  sqlite3_free(key);
  met->there++;
  met->equal += stands && !differing;
  met->different += differing > 0;
  return checking->err->rc;
}

/* *n: how many rows came; -1 when the server would not give them. */
static int meet_page(leadx_checking *checking, leadx_table *table, int64_t page, int64_t offset,
                     meeting *met, int *n) {
  leadx_verdict verdict;
  leadx_json_walk walk;
  leadx_slice row;
  leadx_request *done = ask(checking, rows_request(checking, table, page, offset), 1, &verdict);
  if (!done) return checking->err->rc;
  *n = verdict.class_ == LEADX_CLASS_OK ? 0 : -1;
  leadx_json_walk_init(&walk, verdict.rows);
  while (*n >= 0 && leadx_json_walk_element(&walk, &row)) {
    ++*n;
    if (meet_row(checking, table, row, met) != SQLITE_OK) break;
  }
  leadx_request_free(done);
  return checking->err->rc;
}

static int count_here(leadx_checking *checking, const leadx_table *table, int64_t *here) {
  sqlite3_str *sql = sqlite3_str_new(NULL);
  sqlite3_str_appendf(sql, "SELECT count(*) FROM main.\"%w\"", table->name);
  sqlite3_stmt *stmt = leadx_db_prepare_str(&checking->ctx->db, sql, checking->err);
  if (stmt && leadx_db_next(&checking->ctx->db, stmt, checking->err))
    *here = sqlite3_column_int64(stmt, 0);
  sqlite3_finalize(stmt);
  return checking->err->rc;
}

static void report_meeting(leadx_checking *checking, const leadx_table *table, const meeting *met,
                           int64_t here) {
  int64_t both = met->equal + met->different;
  find(
      checking, table, "existing",
      here > both && met->whole
          ? sqlite3_mprintf("SELECT leadx_track(%Q, '{\"existing\":\"push\"}'); -- sends the rows "
                            "that are only here",
                            table->name)
          : NULL,
      "%s: %lld rows are equal here and there, %lld different, %lld only here, %lld only there%s%s",
      met->different || here > both ? "warning" : "ok", (sqlite3_int64)met->equal,
      (sqlite3_int64)met->different, (sqlite3_int64)(here - both),
      (sqlite3_int64)(met->there - both),
      met->whole ? "" : " (of the first rows of the server alone)",
      met->different
          ? "; the first pull takes the server's of those that differ, and keeps both in "
            "sync_conflicts"
          : "");
}

/* Rows that were here before the first pull: counted before anything moves. */
static int check_existing(leadx_checking *checking, leadx_table *table) {
  leadx_db *db = &checking->ctx->db;
  meeting met = {0};
  int64_t pulled = 0, here = 0;
  int64_t page = leadx_settings_int(checking->ctx->settings, LEADX_PAGE_SIZE);
  int n = 1;
  int rc = leadx_db_int(db, LEADX_SQL_CHECK_IS_PULLED, checking->err, &pulled, "t", table->entity);
  if (rc == SQLITE_OK && !pulled) rc = count_here(checking, table, &here);
  if (rc != SQLITE_OK || pulled || here == 0) return rc;
  for (int i = 0; n > 0 && i < MET_REQUESTS && met.there < MET_ROWS && rc == SQLITE_OK; i++)
    rc = meet_page(checking, table, page, met.there, &met, &n);
  met.whole = n == 0;
  if (rc == SQLITE_OK && n >= 0) report_meeting(checking, table, &met, here);
  return rc;
}

static int check_table(leadx_checking *checking, leadx_table *table) {
  int readable = 0;
  if (check_readable(checking, table, &readable) != SQLITE_OK) return checking->err->rc;
  if (definition_of(checking, table) || readable) check_columns(checking, table);
  if (!readable || checking->err->rc != SQLITE_OK) return checking->err->rc;
  check_installed(checking, table);
  check_rights(checking, table);
  if (table->mode == LEADX_MODE_PUSH || check_existing(checking, table) != SQLITE_OK)
    return checking->err->rc;
  return check_row_cap(checking, table);
}

static int check_tables(leadx_checking *checking, const char *only) {
  int rc = read_description(checking);
  if (rc == SQLITE_OK && checking->tables.n == 0) check_offered(checking);
  for (int i = 0; i < checking->tables.n && rc == SQLITE_OK; i++) {
    leadx_table *table = checking->tables.list[i];
    if (!only || sqlite3_stricmp(only, table->name) == 0) rc = check_table(checking, table);
  }
  return rc;
}

/* ---- keeping ---- */

/* The findings replace those of the last check. A file that was made before there was a table for
** them gets it; one where nothing was tracked gets leadx's tables; one that cannot be written keeps none. */
static int keep(leadx_checking *checking) {
  leadx_db *db = &checking->ctx->db;
  leadx_err *err = checking->err;
  if (sqlite3_db_readonly(db->handle, "main") == 1) return SQLITE_OK;
  int rc = leadx_db_begin(db, err);
  if (rc != SQLITE_OK) return rc;
  rc = checking->present ? leadx_schema_ensure_checks(db, err)
                         : leadx_schema_ensure(db, "leadx_check", err);
  if (rc == SQLITE_OK && !checking->present) rc = leadx_account_own(checking->ctx, err);
  if (rc == SQLITE_OK) rc = leadx_db_run(db, LEADX_SQL_CHECK_CLEAR, err, "");
  for (const leadx_doc *f = leadx_doc_first(checking->findings); f && rc == SQLITE_OK;
       f = leadx_doc_next(f)) {
    rc = leadx_db_run(db, LEADX_SQL_CHECK_ADD, err, "ttt", leadx_doc_text(f, "check"),
                      leadx_doc_text(f, "result"), leadx_doc_text(f, "fix"));
  }
  return leadx_db_end(db, rc, err);
}

static leadx_transport *open_transport(leadx_checking *checking) {
  leadx_http_limits limits = leadx_line_limits(checking->ctx, &checking->credentials, 1);
  return leadx_line_open(checking->ctx, &limits, NULL, checking->err);
}

static char *run(leadx_checking *checking, const char *only_table) {
  int reached = 0;
  checking->findings = leadx_doc_new_array();
  checking->transport = checking->findings ? open_transport(checking) : NULL;
  if (checking->transport) {
    leadx_auth_init(&checking->auth, checking->ctx, checking->transport, &checking->credentials,
                    &checking->target);
    leadx_exchange_init(&checking->exchange, checking->transport, &checking->auth);
  }
  int rc = checking->transport  ? check_server(checking, &reached)
           : checking->findings ? checking->err->rc
                                : leadx_err_nomem(checking->err);
  if (rc == SQLITE_OK && reached) rc = check_tables(checking, only_table);
  if (rc == SQLITE_OK) rc = keep(checking);
  char *text = rc == SQLITE_OK ? leadx_doc_print(checking->findings) : NULL;
  if (rc == SQLITE_OK && !text) leadx_err_nomem(checking->err);
  if (checking->transport) checking->transport->free(checking->transport);
  leadx_doc_free(checking->findings);
  leadx_doc_free(checking->installed);
  leadx_doc_free(checking->description);
  return text;
}

char *leadx_inspect(leadx_ctx *ctx, const char *only_table, leadx_err *err) {
  leadx_checking checking = {.ctx = ctx, .err = err};
  if (leadx_db_guard(&ctx->db, "leadx_check", err) != SQLITE_OK) return NULL;
  if (leadx_schema_open(&ctx->db, "leadx_check", &checking.present, err) != SQLITE_OK) return NULL;
  if (leadx_settings_load(ctx->settings, &ctx->db, err) != SQLITE_OK) return NULL;
  if (leadx_session_credentials(ctx->session, "leadx_check", &checking.credentials, err) !=
      SQLITE_OK)
    return NULL;
  checking.target = (leadx_target){checking.credentials.url, checking.credentials.apikey,
                                   checking.credentials.token, schema_of(&checking)};
  char *text = NULL;
  if (!checking.present ||
      leadx_tables_load(&ctx->db, "leadx_check", &checking.tables, err) == SQLITE_OK)
    text = run(&checking, only_table);
  leadx_db_release(&ctx->db);
  leadx_tables_clear(&checking.tables);
  leadx_credentials_clear(&checking.credentials);
  return text;
}
