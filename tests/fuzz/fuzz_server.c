/* See fuzz_server.h. */
#include "fuzz_server.h"

#include <string.h>

#include "base/clock.h"
#include "fake_transport.h"
#include "functions.h"
#include "fuzz.h"

/* A pull that is given the same page for ever ends by itself; this ends one that does not. */
#define MOST_REQUESTS 2000

static fuzz_server server;
static int is_open;

static const char openapi[] =
    "{\"swagger\":\"2.0\",\"definitions\":{\"notes\":{\"required\":[\"id\"],\"properties\":{"
    "\"id\":{\"type\":\"string\",\"format\":\"text\",\"description\":\"Note:\\nThis is a Primary "
    "Key.<pk/>\"},\"body\":{\"type\":\"string\",\"format\":\"text\"},\"n\":{\"type\":\"integer\","
    "\"format\":\"bigint\"},\"updated_at\":{\"type\":\"string\",\"format\":\"timestamp with time "
    "zone\"}}},\"pairs\":{\"properties\":{\"a\":{\"format\":\"text\"},\"b\":{\"format\":"
    "\"bigint\"}}}},\"paths\":{\"/notes\":{},\"/pairs\":{}}}";
static const char tokens[] =
    "{\"access_token\":\"" FUZZ_TOKEN "\",\"token_type\":\"bearer\",\"expires_in\":3600,"
    "\"refresh_token\":\"r1\",\"user\":{\"id\":\"u1\",\"email\":\"a@b.example\"}}";
static const char installed[] =
    "{\"notes\":{\"stamp\":true,\"tombstones\":true,\"version\":\"updated_at\",\"keys\":[\"id\"]},"
    "\"pairs\":{\"stamp\":true,\"tombstones\":true,\"version\":\"updated_at\",\"keys\":[\"a\","
    "\"b\"]}}";

/* What the model of the rig does not know. */
static int answer_beside(void *ctx, leadx_request *req) {
  (void)ctx;
  const char *path = strstr(req->url, "/rest/v1");
  if (!path) fake_answer(req, 200, strstr(req->url, "/token") ? tokens : "{}");
  else if (strstr(req->url, "rpc/leadx_installed") && server.has_functions)
    fake_answer(req, 200, installed);
  else if (path[8] != '/' || path[9] == 0 || path[9] == '?') fake_answer(req, 200, openapi);
  else if (req->body && strcmp(req->method, "GET") != 0 && !strchr("[{", req->body[0]))
    fake_answer(req, 400, "{\"code\":\"PGRST102\",\"message\":\"no JSON\"}");
  else return 0;
  return 1;
}

static void respond(void *ctx, leadx_request *req) {
  (void)ctx;
  fuzz_check_request(req);
  FUZZ_CHECK(++server.requests < MOST_REQUESTS, "it does not end: %s %s", req->method, req->url);
  model_respond(&server.model, req);
  model_forget_log(&server.model);
  if (!req->date_s) req->date_s = leadx_clock_wall_us() / 1000000;
  fuzz_spoil(server.answers, server.model.db, req);
  if (server.seen) server.seen(server.ctx, req);
}

static void make(void) {
  model_open(&server.model);
  functions_open(&server.model);
  server.model.before = answer_beside;
  model_put(&server.model, "notes", "n1", "{\"id\":\"n1\",\"body\":\"one\",\"n\":1,\"doc\":null}");
  model_put(&server.model, "notes", "n2", "{\"id\":\"n2\",\"body\":\"two\",\"n\":2,\"doc\":null}");
  model_put(&server.model, "notes", "n5", "{\"id\":\"n5\",\"body\":\"five\",\"n\":5,\"doc\":null}");
  is_open = 1;
}

fuzz_server *fuzz_server_begin(fuzz_input *answers, int has_functions) {
  if (!is_open) make();
  server.answers = answers;
  server.has_functions = has_functions;
  server.model.functions = has_functions ? functions_respond : NULL;
  server.requests = 0;
  server.seen = NULL;
  FUZZ_CHECK(sqlite3_exec(server.model.db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK, "%s",
             sqlite3_errmsg(server.model.db));
  fuzz_network(respond, NULL);
  return &server;
}

void fuzz_server_end(void) {
  fuzz_network(NULL, NULL);
  FUZZ_CHECK(sqlite3_exec(server.model.db, "ROLLBACK", NULL, NULL, NULL) == SQLITE_OK, "%s",
             sqlite3_errmsg(server.model.db));
}

void fuzz_server_close(void) {
  if (is_open) model_close(&server.model);
  is_open = 0;
}

void fuzz_check_request(const leadx_request *req) {
  static const char root[] = FUZZ_ROOT, auth[] = "https://fuzz.example/auth/v1/";
  int is_change = strcmp(req->method, "PATCH") == 0 || strcmp(req->method, "DELETE") == 0;
  const char *path = req->url + sizeof root - 1;
  FUZZ_CHECK(!strpbrk(req->url, "\r\n #") && !strstr(req->url, "/../"), "%s", req->url);
  if (strncmp(req->url, auth, sizeof auth - 1) == 0) return;
  FUZZ_CHECK(strncmp(req->url, root, sizeof root - 1) == 0 && (*path == 0 || strchr("/?", *path)),
             "%s", req->url);
  size_t n = strcspn(path, "?");
  const char *inner = *path == '/' ? memchr(path + 1, '/', n ? n - 1 : 0) : NULL;
  FUZZ_CHECK(!inner || strncmp(path, "/rpc/leadx_", 11) == 0, "%s", req->url);
  FUZZ_CHECK(!is_change || strstr(req->url, "=eq.") || strstr(req->url, "=is.null"), "%s %s",
             req->method, req->url);
  FUZZ_CHECK(strncmp(path, "/leadx_", 7) != 0 && strncmp(path, "/sqlite_", 8) != 0, "%s", req->url);
}
