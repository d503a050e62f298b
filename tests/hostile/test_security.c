/* What a hostile schema, network, server or curious eye may not get: who may call our functions and
** when, the way of a request through proxies and TLS, keys in nobody's words, and no other files
** than the database. What files may hold is in test_hostile.c, what answers may hold in
** test_http*.c and test_rest.c. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "http_rig.h"

int sqlite3_leadx_init(sqlite3 *handle, char **error, const void *api);

#define FILE_KEY "sb_publishable_canary_apikey_5f2e"
#define ACCESS "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.canary_access_77d1"
#define REFRESH "canary_refresh_91ac"

static sqlite3 *db;
static char path[64];

static const char *text(const char *sql) {
  static char answer[4096];
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  const char *value = rc == SQLITE_ROW    ? (const char *)sqlite3_column_text(stmt, 0)
                      : rc == SQLITE_DONE ? ""
                                          : sqlite3_errmsg(db);
  snprintf(answer, sizeof answer, "%s", value ? value : "");
  sqlite3_finalize(stmt);
  return answer;
}

static const char *textf(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *sql = sqlite3_vmprintf(fmt, args);
  va_end(args);
  const char *answer = text(sql);
  sqlite3_free(sql);
  return answer;
}

static void open_file(void) {
  static const char *const variables[] = {"SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY",
                                          "SUPABASE_ANON_KEY"};
  for (int i = 0; i < COUNT(variables); i++) unsetenv(variables[i]);
  snprintf(path, sizeof path, "/tmp/leadx_security_XXXXXX");
  int fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  close(fd);
  ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
  ck_assert_int_eq(sqlite3_leadx_init(db, NULL, NULL), SQLITE_OK);
  text("PRAGMA journal_mode = WAL");
  text("CREATE TABLE notes(id TEXT PRIMARY KEY, body TEXT, updated_at TEXT)");
  textf("SELECT leadx_configure('%s/rest/v1', '" FILE_KEY "')", fault_server_url(rig.server));
  text("SELECT leadx_track('notes')");
  text("INSERT INTO notes VALUES ('n1', 'one', NULL)");
}

static void close_file(void) {
  static const char *const tails[] = {"", "-wal", "-shm", "-journal"};
  char name[80];
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
  for (int i = 0; i < COUNT(tails); i++) {
    snprintf(name, sizeof name, "%s%s", path, tails[i]);
    unlink(name);
  }
}

/* ---- who may call, and when (3.1) ---- */

START_TEST(every_function_but_the_maker_of_ids_is_direct_only_and_none_is_innocuous) {
  enum { DIRECTONLY = 0x80000, INNOCUOUS = 0x200000 };
  ck_assert_str_eq(textf("SELECT group_concat(DISTINCT name) FROM pragma_function_list WHERE name "
                         "LIKE 'leadx\\_%%' ESCAPE '\\' AND NOT flags & %d",
                         DIRECTONLY),
                   "leadx_uuid");
  ck_assert_str_eq(textf("SELECT count(*) FROM pragma_function_list WHERE name LIKE 'leadx\\_%%' "
                         "ESCAPE '\\' AND flags & %d",
                         INNOCUOUS),
                   "0");
}
END_TEST

/* Every function with every number of arguments, called by a CHECK: on SQLite before 3.44 it
** runs. */
static int each_call(int i, char *call, size_t n) {
  return snprintf(call, n, "%s",
                  textf("SELECT name || '(' || CASE narg WHEN 0 THEN '' ELSE '''notes''' || "
                        "replace(hex(zeroblob(narg - 1)), '00', ', ''{}''') END || ')' "
                        "FROM (SELECT DISTINCT name, narg FROM pragma_function_list WHERE name "
                        "LIKE 'leadx\\_%%' ESCAPE '\\') ORDER BY name, narg LIMIT 1 OFFSET %d",
                        i)) > 0;
}

START_TEST(a_check_constraint_sends_and_changes_nothing_whatever_it_calls) {
  char call[200], before[4096];
  int n = 0;
  snprintf(before, sizeof before, "%s",
           text("SELECT group_concat(key || value) || (SELECT count(*) FROM leadx_tables) || "
                "(SELECT count(*) FROM sync_queue) FROM leadx_settings"));
  for (; each_call(n, call, sizeof call); n++) {
    textf("DROP TABLE IF EXISTS trap");
    textf("CREATE TABLE trap(a CHECK (%s IS NOT 'x'))", call);
    textf("INSERT INTO trap VALUES (1)");
  }
  ck_assert_int_ge(n, 25);
  text("DROP TABLE IF EXISTS trap");
  ck_assert_int_eq(fault_server_count(rig.server), 0);
  ck_assert_str_eq(text("SELECT group_concat(key || value) || (SELECT count(*) FROM leadx_tables) "
                        "|| (SELECT count(*) FROM sync_queue) FROM leadx_settings"),
                   before);
  ck_assert_ptr_nonnull(strstr(text("SELECT leadx_config('url')"), fault_server_url(rig.server)));
}
END_TEST

static const char *const network[] = {
    "leadx_sync()",          "leadx_push()",      "leadx_pull()",
    "leadx_step()",          "leadx_reconcile()", "leadx_check()",
    "leadx_login('a', 'b')", "leadx_logout(1)",   "leadx_notify('refresh')"};

START_TEST(a_function_that_uses_the_network_keeps_out_of_transactions_and_statements) {
  static const char *const refusal = "inside a transaction";
  const char *call = network[_i];
  text("BEGIN");
  ck_assert_msg(strstr(textf("SELECT %s", call), refusal) != NULL, "%s: %s", call,
                textf("SELECT %s", call));
  text("ROLLBACK");
  ck_assert_msg(strstr(textf("SELECT %s FROM notes", call), refusal) != NULL, "%s from a table",
                call);
  ck_assert_msg(strstr(textf("UPDATE notes SET body = %s", call), refusal) != NULL,
                "%s in an UPDATE", call);
  ck_assert_str_eq(text("SELECT body FROM notes"), "one");
  ck_assert_int_eq(fault_server_count(rig.server), 0);
}
END_TEST

/* ---- keys (3.4, 3.8) ---- */

#define SERVICE_JWT "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2ln"

START_TEST(a_secret_key_is_refused_unless_the_host_itself_allows_it) {
  static const char *const keys[] = {"sb_secret_abcdef", SERVICE_JWT};
  const char *url = fault_server_url(rig.server);
  for (int i = 0; i < COUNT(keys); i++) {
    ck_assert_ptr_nonnull(
        strstr(textf("SELECT leadx_configure(%Q, %Q)", url, keys[i]), "secret key"));
    ck_assert_ptr_nonnull(strstr(
        textf("SELECT leadx_configure(%Q, %Q, '{\"allow_secret_key\":false}')", url, keys[i]),
        "secret key"));
    setenv("SUPABASE_URL", url, 1);
    setenv("SUPABASE_PUBLISHABLE_KEY", keys[i], 1);
    ck_assert_ptr_nonnull(strstr(text("SELECT leadx_configure()"), "secret key"));
    unsetenv("SUPABASE_URL");
    unsetenv("SUPABASE_PUBLISHABLE_KEY");
  }
  ck_assert_ptr_nonnull(strstr(text("SELECT leadx_set_token('" SERVICE_JWT "')"), "service_role"));
  text("INSERT INTO leadx_settings VALUES ('allow_secret_key', 'true')"); /* the file has no say */
  ck_assert_ptr_nonnull(
      strstr(textf("SELECT leadx_configure(%Q, %Q)", url, keys[0]), "secret key"));
  ck_assert_ptr_nonnull(
      strstr(text("SELECT leadx_config('allow_secret_key', 'true')"), "lives in memory"));
  ck_assert_int_eq(
      textf("SELECT leadx_configure(%Q, %Q, '{\"allow_secret_key\":true}')", url, keys[0])[0], '{');
}
END_TEST

START_TEST(another_origin_does_not_get_the_token) {
  text("SELECT leadx_set_token('" ACCESS "')");
  ck_assert_int_eq(text("SELECT leadx_config('token')")[0], 'e');
  textf("SELECT leadx_configure('%s/other/path', 'key')", fault_server_url(rig.server));
  ck_assert_int_eq(text("SELECT leadx_config('token')")[0], 'e');
  text("SELECT leadx_configure('http://127.0.0.1:1', 'key')");
  ck_assert_str_eq(text("SELECT leadx_config('token')"), "");
}
END_TEST

/* {"sub":"1","iss":"https://abcdefgh.supabase.co/auth/v1"} */
#define PROJECT_JWT \
  "eyJhbGciOiJIUzI1NiJ9." \
  "eyJzdWIiOiIxIiwiaXNzIjoiaHR0cHM6Ly9hYmNkZWZnaC5zdXBhYmFzZS5jby9hdXRoL3YxIn0.c2ln"

START_TEST(a_token_that_was_there_before_the_server_goes_to_the_first_one_if_it_is_meant_for_it) {
  sqlite3 *configured = db;
  ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
  ck_assert_int_eq(sqlite3_leadx_init(db, NULL, NULL), SQLITE_OK);
  ck_assert_int_eq(text("SELECT leadx_set_token('" PROJECT_JWT "', 'refresh')")[0], '{');
  ck_assert_ptr_nonnull(
      strstr(text("SELECT leadx_configure('https://zyxwvuts.supabase.co', 'key')"),
             "this token is for the project abcdefgh, and the server is zyxwvuts"));
  ck_assert_str_eq(text("SELECT leadx_config('url')"),
                   ""); /* nothing was set, and nothing forgotten */
  ck_assert_int_eq(text("SELECT leadx_configure('https://abcdefgh.supabase.co', 'key')")[0], '{');
  ck_assert_str_eq(text("SELECT leadx_config('token')"), "eyJhbG…");
  ck_assert_int_eq(text("SELECT leadx_configure('https://zyxwvuts.supabase.co', 'key')")[0], '{');
  ck_assert_str_eq(text("SELECT leadx_config('token')"), "");
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
  db = configured;
}
END_TEST

static const char *const injections[] = {
    "'k' || char(13, 10) || 'X-Evil: 1'",
    "'k' || char(10)",
    "'k' || char(13)",
    "'k' || char(0) || 'x'",
    "'k' || char(9)",
    "'k k'",
    "'k' || char(127)",
    "'k' || char(233)",
    "'k' || x'ff'",
    "char(27) || '[31m'",
    "''",
    "' '",
    "replace(hex(zeroblob(5000)), '0', 'k')",
    "x'6b'",
    "5",
    "NULL",
    "'k' || char(8232)",
    "'k' || char(11)",
    "'k' || char(1)",
    "'k: v' || char(13, 10, 13, 10) || 'GET /'",
};

/* In the place of the key, of the token, and of the schema, which is a header too. */
START_TEST(nothing_that_could_end_a_header_is_taken_for_one) {
  const char *value = injections[_i];
  const char *url = fault_server_url(rig.server);
  ck_assert_msg(
      strncmp(textf("SELECT leadx_configure(%Q, %s)", url, value), "leadx_configure: ", 17) == 0,
      "the key %s", value);
  const char *answer = textf("SELECT leadx_set_token(%s)", value);
  ck_assert_msg(strncmp(answer, "leadx_set_token: ", 17) == 0 || strcmp(value, "NULL") == 0,
                "the token %s: %s", value, answer);
  if (strchr(value, '('))
    ck_assert_msg(
        strncmp(textf("SELECT leadx_config('schema', %s)", value), "leadx_config: ", 14) == 0,
        "the schema %s", value);
  text("SELECT leadx_sync()");
  for (int i = 0; i < fault_server_count(rig.server); i++) {
    rig_header(fault_server_get(rig.server, i), "apikey", FILE_KEY);
    rig_header(fault_server_get(rig.server, i), "Authorization", NULL);
    rig_header(fault_server_get(rig.server, i), "X-Evil", NULL);
  }
}
END_TEST

/* ---- proxies (3.7) ---- */

static const char *const proxy_variables[] = {"HTTP_PROXY",  "http_proxy", "HTTPS_PROXY",
                                              "https_proxy", "ALL_PROXY",  "all_proxy"};

static void set_proxies(const char *url) {
  for (int i = 0; i < COUNT(proxy_variables); i++) {
    if (url) setenv(proxy_variables[i], url, 1);
    else unsetenv(proxy_variables[i]);
  }
  unsetenv("NO_PROXY");
  unsetenv("no_proxy");
}

static leadx_request *start_fetch(const char *url) {
  leadx_request *req = rig_request("GET", "", NULL);
  sqlite3_free(req->url);
  req->url = sqlite3_mprintf("%s", url);
  rig_start(req);
  return req;
}

static leadx_net end_fetch(leadx_request *req) {
  ck_assert_ptr_eq(rig.transport->wait(rig.transport, RIG_PATIENCE_MS), req);
  leadx_net net = req->net;
  leadx_request_free(req);
  return net;
}

static leadx_net fetch(const char *url) { return end_fetch(start_fetch(url)); }

START_TEST(a_proxy_sees_the_name_of_the_server_and_no_key) {
  set_proxies(fault_server_url(rig.server));
  leadx_request *req = start_fetch("https://ref.supabase.co/rest/v1/notes");
  while (fault_server_count(rig.server) == 0)
    ck_assert_ptr_null(rig.transport->wait(rig.transport, 20));
  rig.transport->cancel(rig.transport); /* a proxy that speaks no TLS would be waited for */
  ck_assert_int_ne(end_fetch(req), LEADX_NET_ANSWER);
  set_proxies(NULL);
  ck_assert_int_eq(fault_server_count(rig.server), 1);
  const fault_request *seen = fault_server_get(rig.server, 0);
  ck_assert_str_eq(seen->method, "CONNECT");
  ck_assert_str_eq(seen->target, "ref.supabase.co:443");
  ck_assert_ptr_null(strstr(seen->headers, "canary"));
}
END_TEST

START_TEST(this_machine_is_never_reached_through_a_proxy) {
  static const char *const hosts[] = {"http://127.0.0.1",  "http://localhost",  "http://127.1",
                                      "https://127.0.0.1", "https://localhost", "https://[::1]"};
  enum { PLAIN = 3 }; /* the server speaks no TLS */
  fault_server *proxy = fault_server_start();
  set_proxies(fault_server_url(proxy));
  for (int i = 0; i < COUNT(hosts); i++) {
    char url[80];
    if (i == PLAIN) rig_hurry();
    snprintf(url, sizeof url, "%s:%d/rest/v1/notes", hosts[i], fault_server_port(rig.server));
    fetch(url);
  }
  set_proxies(NULL);
  ck_assert_int_eq(fault_server_connections(proxy), 0);
  ck_assert_int_eq(fault_server_count(rig.server), PLAIN);
  fault_server_stop(proxy);
}
END_TEST

START_TEST(no_proxy_is_obeyed) {
  set_proxies(fault_server_url(rig.server));
  setenv("NO_PROXY", "nobody.invalid", 1);
  rig_hurry();
  ck_assert_int_ne(fetch("https://nobody.invalid/rest/v1/notes"), LEADX_NET_ANSWER);
  set_proxies(NULL);
  ck_assert_int_eq(fault_server_connections(rig.server), 0);
}
END_TEST

/* ---- TLS (3.5) ---- */

static char folder[64];

static void shell(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *command = sqlite3_vmprintf(fmt, args);
  va_end(args);
  int status = system(command);
  ck_assert_msg(status == 0, "%s: %d", command, status);
  sqlite3_free(command);
}

/* An authority of our own, and certificates for this machine, for another, and for a time that has
** passed. */
static void make_certificates(void) {
  snprintf(folder, sizeof folder, "/tmp/leadx_tls_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  shell("cd %s && exec >log 2>&1 && set -e\n"
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout "
        "ca.key -out ca.pem -subj /CN=ours\n"
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout "
        "other.key -out other.pem -subj /CN=others\n"
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key "
        "-out server.csr -subj /CN=server\n"
        "touch index.txt; echo 01 >serial\n"
        "printf "
        "'[ca]\\ndefault_ca=d\\n[d]\\ndatabase=index.txt\\nserial=serial\\nnew_certs_dir=."
        "\\ndefault_md=sha256\\npolicy=p\\nunique_subject=no\\n"
        "[p]\\ncommonName=supplied\\n[good]\\nsubjectAltName=DNS:localhost,IP:127.0.0.1\\n[wrong]"
        "\\nsubjectAltName=DNS:other.example\\n' >ca.cnf\n"
        "sign() { openssl ca -batch -config ca.cnf -cert ca.pem -keyfile ca.key -in server.csr "
        "-out $1.pem -extensions $2 -startdate $3 -enddate $4; }\n"
        "sign good good 20200101000000Z 21200101000000Z\n"
        "sign wrong wrong 20200101000000Z 21200101000000Z\n"
        "sign expired good 20200101000000Z 20200201000000Z\n"
        "sign early good 21000101000000Z 21200101000000Z\n",
        folder);
}

static void remove_certificates(void) { shell("rm -r '%s'", folder); }

static const struct peer {
  const char *name, *certificate, *options, *ca;
  leadx_net net;
} peers[] = {
    {"right in all ways", "good", "", "ca.pem", LEADX_NET_ANSWER},
    {"TLS 1.2", "good", "-tls1_2", "ca.pem", LEADX_NET_ANSWER},
    {"of another authority", "good", "", "other.pem", LEADX_NET_UNTRUSTED},
    {"of the system's authorities' ignorance", "good", "", NULL, LEADX_NET_UNTRUSTED},
    {"for another host", "wrong", "", "ca.pem", LEADX_NET_UNTRUSTED},
    {"expired", "expired", "", "ca.pem", LEADX_NET_UNTRUSTED},
    {"not valid yet", "early", "", "ca.pem", LEADX_NET_UNTRUSTED},
    {"TLS 1.1", "good", "-tls1_1 -cipher ALL:@SECLEVEL=0", "ca.pem", LEADX_NET_OFFLINE},
    {"TLS 1.0", "good", "-tls1 -cipher ALL:@SECLEVEL=0", "ca.pem", LEADX_NET_OFFLINE},
};

/* openssl's own server; it prints the port once it listens. */
static pid_t start_peer(const struct peer *peer, int *port) {
  char command[512], line[256];
  int out[2];
  snprintf(command, sizeof command,
           "cd %s && exec openssl s_server -accept 127.0.0.1:0 -cert %s.pem -key server.key -www "
           "%s 2>&1",
           folder, peer->certificate, peer->options);
  ck_assert_int_eq(pipe(out), 0);
  pid_t pid = fork();
  ck_assert_int_ge(pid, 0);
  if (pid == 0) {
    dup2(out[1], 1);
    close(out[0]);
    close(out[1]);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
  }
  close(out[1]);
  FILE *said = fdopen(out[0], "r");
  *port = 0;
  while (*port == 0 && fgets(line, sizeof line, said)) sscanf(line, "ACCEPT 127.0.0.1:%d", port);
  ck_assert_msg(*port > 0, "%s does not listen: %s", peer->name, line);
  fclose(said);
  return pid;
}

START_TEST(a_peer_is_trusted_only_when_its_certificate_and_protocol_are_right) {
  const struct peer *peer = &peers[_i];
  char ca[128];
  int port = 0;
  pid_t pid = start_peer(peer, &port);
  snprintf(ca, sizeof ca, "%s/%s", folder, peer->ca ? peer->ca : "");
  leadx_http_limits limits = {RIG_PATIENCE_MS, RIG_PATIENCE_MS, RIG_RESPONSE_BYTES,
                              peer->ca ? ca : NULL, 1};
  leadx_err err = {0};
  leadx_transport *transport = leadx_http_open(&limits, NULL, NULL, &err);
  ck_assert_msg(transport != NULL, "%s", err.text);
  leadx_request *req = leadx_request_new("GET");
  req->url = sqlite3_mprintf("https://localhost:%d/", port);
  ck_assert_int_eq(leadx_request_header(req, "apikey", FILE_KEY), SQLITE_OK);
  ck_assert_int_eq(transport->start(transport, req, &err), SQLITE_OK);
  ck_assert_ptr_eq(transport->wait(transport, RIG_PATIENCE_MS), req);
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  ck_assert_msg(req->net == peer->net, "%s: %d, curl %d %s", peer->name, (int)req->net,
                req->curl_code, req->error);
  leadx_request_free(req);
  transport->free(transport);
}
END_TEST

/* ---- keys in nobody's words (3.9) ---- */

/* A server that repeats what it was sent, in every part of an error. */
static void echo(void *ctx, const fault_request *request, fault_answer *answer) {
  static char body[4096];
  char key[200] = "", bearer[400] = "";
  fault_header(request, "apikey", key, sizeof key);
  fault_header(request, "Authorization", bearer, sizeof bearer);
  answer->status = *(int *)ctx;
  snprintf(body, sizeof body,
           "{\"code\":\"%s\",\"message\":\"no right for %s\",\"details\":\"%s\",\"hint\":\"%s\"}",
           answer->status == 401 ? "PGRST301" : "23514", key, bearer,
           strncmp(bearer, "Bearer ", 7) == 0 ? bearer + 7 : "");
  answer->body = body;
}

/* The same in the other ways in which a server's trigger, a proxy or a gateway may write it: escaped
** letter by letter, in percent, in base64, split by lines, twice over each other. */
static void write_coded(const char *in, int way, char *out, size_t nout) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t n = strlen(in), at = 0;
  for (size_t i = 0; i < n && at + 16 < nout; i++) {
    unsigned v = (unsigned)(unsigned char)in[i] << 16;
    switch (way) {
      case 0: at += (size_t)snprintf(out + at, nout - at, "\\u%04x", in[i]); break;
      case 1: at += (size_t)snprintf(out + at, nout - at, "\\\\u%04x", in[i]); break;
      case 2: at += (size_t)snprintf(out + at, nout - at, "%%%02X", in[i]); break;
      case 3: at += (size_t)snprintf(out + at, nout - at, "%c%s", in[i], i % 9 ? "" : "\\n"); break;
      case 4:
        at += (size_t)snprintf(out + at, nout - at, "%c%s", in[i], i % 9 ? "" : "\\\\n");
        break;
      case 5:
        if (i % 3) break;
        if (i + 1 < n) v |= (unsigned)(unsigned char)in[i + 1] << 8;
        if (i + 2 < n) v |= (unsigned char)in[i + 2];
        at += (size_t)snprintf(out + at, nout - at, "%c%c%c%c", digits[v >> 18 & 63],
                               digits[v >> 12 & 63], digits[v >> 6 & 63], digits[v & 63]);
        break;
      default: at += (size_t)snprintf(out + at, nout - at, "&#x%02x;", in[i]); break;
    }
  }
  out[at] = 0;
}

enum { WAYS = 7 };
static int echo_way;

static void echo_coded(void *ctx, const fault_request *request, fault_answer *answer) {
  static char body[60000], key[4000], token[20000];
  char raw_key[200] = "", bearer[400] = "";
  fault_header(request, "apikey", raw_key, sizeof raw_key);
  fault_header(request, "Authorization", bearer, sizeof bearer);
  write_coded(raw_key, echo_way, key, sizeof key);
  write_coded(bearer, echo_way, token, sizeof token);
  answer->status = *(int *)ctx;
  snprintf(body, sizeof body,
           "{\"code\":\"%s\",\"message\":\"%s%s\",\"details\":\"%s\",\"hint\":\"%s\"}",
           answer->status == 401 ? "PGRST301" : "23514", key, key, token, key);
  answer->body = body;
}

/* Is any of the canaries in the file of that name? */
static const char *canary_in(const char *name) {
  static const char *const canaries[] = {"canary_apikey_5f2e", "canary_access_77d1", REFRESH};
  int fd = open(name, O_RDONLY);
  if (fd < 0) return NULL;
  size_t n = (size_t)lseek(fd, 0, SEEK_END), got = 0;
  char *bytes = malloc(n + 1);
  for (ssize_t r; got < n && (r = pread(fd, bytes + got, n - got, (off_t)got)) > 0;
       got += (size_t)r)
    continue;
  close(fd);
  const char *found = NULL;
  for (int i = 0; i < COUNT(canaries); i++) {
    if (memmem(bytes, got, canaries[i], strlen(canaries[i]))) found = canaries[i];
  }
  free(bytes);
  return found;
}

static void check_no_canary(const char *answer) {
  ck_assert_msg(!strstr(answer, "canary_apikey") && !strstr(answer, "canary_access") &&
                    !strstr(answer, "canary_refresh"),
                "%s", answer);
}

START_TEST(no_key_and_no_token_gets_into_a_file_an_answer_or_an_error) {
  static const char *const questions[] = {
      "SELECT leadx_sync()",
      "SELECT leadx_push()",
      "SELECT leadx_pull()",
      "SELECT leadx_step()",
      "SELECT leadx_reconcile()",
      "SELECT leadx_check()",
      "SELECT leadx_sync('{\"strict\":true}')",
      "SELECT leadx_debug()",
      "SELECT leadx_config('apikey')",
      "SELECT leadx_config('token')",
      "SELECT leadx_config('url')",
      "SELECT leadx_configure('http://evil.example', '" FILE_KEY "')",
      "SELECT leadx_set_token('" ACCESS " ')",
      "SELECT leadx_config('" REFRESH "')",
      "SELECT group_concat(ifnull(error, '')) FROM leadx_log",
      "SELECT group_concat(ifnull(error_message, '')) FROM leadx_queue",
      "SELECT message || auth FROM leadx_state",
      "SELECT group_concat(ifnull(last_error, '')) FROM leadx_status",
      "SELECT group_concat(result) FROM leadx_checks",
  };
  static const int statuses[] = {400, 401, 403, 409, 500, 503};
  static const char *const tails[] = {"", "-wal", "-shm", "-journal"};
  int status = 0;
  fault_rule rule = {.kind = FAULT_CALLBACK, .respond = echo, .ctx = &status};
  fault_server_add(rig.server, &rule);
  check_no_canary(textf("SELECT leadx_set_token('" ACCESS "', '" REFRESH "')"));
  for (int s = 0; s < COUNT(statuses); s++) {
    status = statuses[s];
    text("SELECT leadx_retry()");
    for (int i = 0; i < COUNT(questions); i++) check_no_canary(text(questions[i]));
  }
  ck_assert_int_gt(fault_server_count(rig.server), 6);
  for (int i = 0; i < COUNT(tails); i++) {
    char name[80];
    snprintf(name, sizeof name, "%s%s", path, tails[i]);
    ck_assert_msg(canary_in(name) == NULL, "%s is in %s", canary_in(name), name);
  }
}
END_TEST

/* What a coded canary is, in each way: a piece that stands in no other text. */
START_TEST(no_key_and_no_token_gets_anywhere_in_other_letters_either) {
  static const char *const questions[] = {
      "SELECT leadx_sync()",
      "SELECT leadx_check()",
      "SELECT leadx_sync('{\"strict\":true}')",
      "SELECT group_concat(ifnull(error, '')) FROM leadx_log",
      "SELECT group_concat(ifnull(error_message, '')) FROM leadx_queue",
      "SELECT message || auth FROM leadx_state",
      "SELECT group_concat(ifnull(last_error, '')) FROM leadx_status",
      "SELECT group_concat(result) FROM leadx_checks",
  };
  int status = 0;
  echo_way = _i;
  fault_rule rule = {.kind = FAULT_CALLBACK, .respond = echo_coded, .ctx = &status};
  fault_server_add(rig.server, &rule);
  check_no_canary(textf("SELECT leadx_set_token('" ACCESS "', '" REFRESH "')"));
  static const int statuses[] = {400, 401, 409, 503};
  char piece[2][400];
  write_coded("canary_apikey_5f2e", _i, piece[0], sizeof piece[0]);
  write_coded("anary_access_77d1", _i, piece[1], sizeof piece[1]);
  for (int s = 0; s < COUNT(statuses); s++) {
    status = statuses[s];
    text("SELECT leadx_retry()");
    for (int i = 0; i < COUNT(questions); i++) {
      const char *answer = text(questions[i]);
      check_no_canary(answer);
      /* Half of the coded text already is too much. */
      for (int k = 0; k < 2; k++) {
        piece[k][24] = 0;
        ck_assert_msg(!strstr(answer, piece[k]), "%s", answer);
      }
    }
  }
  ck_assert_int_gt(fault_server_count(rig.server), 3);
}
END_TEST

START_TEST(a_shell_prints_no_key_and_no_token) {
  const char *so = getenv("LEADX_SO");
  int status = 401;
  char out[80], printed[4096] = "";
  fault_rule rule = {.kind = FAULT_CALLBACK, .respond = echo, .ctx = &status};
  fault_server_add(rig.server, &rule);
  ck_assert_ptr_nonnull(so);
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
  ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
  snprintf(out, sizeof out, "%s.out", path);
  shell(
      "LD_PRELOAD= sqlite3 '%s' >'%s' 2>&1 <<'SQL' || true\n.load %.*s\nSELECT "
      "leadx_configure('%s/rest/v1', '" FILE_KEY "');\n"
      "SELECT leadx_set_token('" ACCESS "', '" REFRESH
      "');\nSELECT leadx_sync();\nSELECT leadx_sync('{\"strict\":true}');\nSELECT leadx_check();\n"
      "SELECT * FROM leadx_log;\nSELECT * FROM leadx_state;\nSELECT leadx_debug();\nSQL\n",
      path, out, (int)(strlen(so) - 3), so, fault_server_url(rig.server));
  FILE *in = fopen(out, "r");
  ck_assert_ptr_nonnull(in);
  ck_assert_uint_gt(fread(printed, 1, sizeof printed - 1, in), 0);
  fclose(in);
  ck_assert_msg(strstr(printed, "auth_required") != NULL, "%s", printed);
  ck_assert_msg(canary_in(out) == NULL, "%s is in what the shell printed", canary_in(out));
  unlink(out);
}
END_TEST

/* ---- no other files (3.13, E4) ---- */

/* What `make coverage` counts goes into .gcda files. Who called: the first frame of a stack of
** strace -k that is not the C library's. The shell itself looks whether the file is an archive. */
static int is_sqlite_frame(const char *line) {
  return strstr(line, "/libsqlite3.so") != NULL || strstr(line, "/sqlite3(") != NULL;
}
static int is_libc_frame(const char *line) {
  return strstr(line, "libc.so") != NULL || strstr(line, "libpthread") != NULL;
}

START_TEST(during_a_sync_nothing_but_sqlite_opens_the_database_and_no_other_file_is_written) {
  const char *so = getenv("LEADX_SO");
  char trace[80], line[1024], last[1024] = "";
  int opens = 0, writes = 0, pending = 0;
  ck_assert_ptr_nonnull(so);
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
  ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
  snprintf(trace, sizeof trace, "%s.trace", path);
  shell("LD_PRELOAD= strace -f -k -o '%s' -e "
        "trace=open,openat,creat,rename,renameat,renameat2,unlink,unlinkat,link,symlink,mkdir,"
        "execve,truncate "
        "sqlite3 '%s' >/dev/null 2>&1 <<'SQL'\n.load %.*s\nSELECT leadx_configure('%s/rest/v1', "
        "'key');\nINSERT INTO notes VALUES ('n2', 'two', NULL);\n"
        "SELECT leadx_sync();\nSQL\n",
        trace, path, (int)(strlen(so) - 3), so, fault_server_url(rig.server));
  ck_assert_int_gt(fault_server_count(rig.server), 1);
  FILE *in = fopen(trace, "r");
  ck_assert_ptr_nonnull(in);
  while (fgets(line, sizeof line, in)) {
    if (line[0] != ' ') {
      int is_database = strstr(line, path) != NULL && strstr(line, trace) == NULL &&
                        !strstr(line, "execve");
      int is_write = strstr(line, "O_WRONLY") || strstr(line, "O_RDWR") ||
                     strstr(line, "O_CREAT") || !strstr(line, "open");
      opens += is_database;
      pending = is_database;
      writes += is_write && !strstr(line, "execve") && !strstr(line, "+++") && !strstr(line, "---");
      if (is_write && !is_database && !strstr(line, "execve") && !strstr(line, "+++") &&
          !strstr(line, "---") && !strstr(line, "/dev/null") && !strstr(line, ".gcda")) {
        ck_abort_msg("another file: %s", line);
      }
      ck_assert_msg(!strstr(line, "execve") || strstr(line, "sqlite3"), "%s", line);
      snprintf(last, sizeof last, "%s", line);
    } else if (pending && strstr(line, " > ") && !is_libc_frame(line)) {
      ck_assert_msg(is_sqlite_frame(line), "%s opened by %s", last, line);
      pending = 0;
    }
  }
  fclose(in);
  unlink(trace);
  ck_assert_int_ge(opens, 2); /* the database and its WAL */
  ck_assert_int_ge(writes, 2);
}
END_TEST

Suite *test_security_suite(void) {
  Suite *suite = suite_create("security");
  TCase *calls = rig_case(suite, "calls");
  tcase_add_checked_fixture(calls, open_file, close_file);
  tcase_add_test(calls, every_function_but_the_maker_of_ids_is_direct_only_and_none_is_innocuous);
  tcase_add_test(calls, a_check_constraint_sends_and_changes_nothing_whatever_it_calls);
  tcase_add_loop_test(calls,
                      a_function_that_uses_the_network_keeps_out_of_transactions_and_statements, 0,
                      COUNT(network));
  tcase_add_test(calls, no_key_and_no_token_gets_into_a_file_an_answer_or_an_error);
  tcase_add_loop_test(calls, no_key_and_no_token_gets_anywhere_in_other_letters_either, 0, WAYS);
  tcase_add_test(calls, a_shell_prints_no_key_and_no_token);
  tcase_add_test(calls,
                 during_a_sync_nothing_but_sqlite_opens_the_database_and_no_other_file_is_written);
  TCase *keys = rig_case(suite, "keys");
  tcase_add_checked_fixture(keys, open_file, close_file);
  tcase_add_test(keys, a_secret_key_is_refused_unless_the_host_itself_allows_it);
  tcase_add_test(keys, another_origin_does_not_get_the_token);
  tcase_add_test(
      keys, a_token_that_was_there_before_the_server_goes_to_the_first_one_if_it_is_meant_for_it);
  tcase_add_loop_test(keys, nothing_that_could_end_a_header_is_taken_for_one, 0, COUNT(injections));
  TCase *proxies = rig_case(suite, "proxies");
  tcase_add_test(proxies, a_proxy_sees_the_name_of_the_server_and_no_key);
  tcase_add_test(proxies, this_machine_is_never_reached_through_a_proxy);
  tcase_add_test(proxies, no_proxy_is_obeyed);
  TCase *tls = tcase_create("tls");
  tcase_add_unchecked_fixture(tls, make_certificates, remove_certificates);
  tcase_set_timeout(tls, 30);
  tcase_add_loop_test(tls, a_peer_is_trusted_only_when_its_certificate_and_protocol_are_right, 0,
                      COUNT(peers));
  suite_add_tcase(suite, tls);
  return suite;
}
