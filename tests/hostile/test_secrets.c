/* Memory that held a secret: every block that is given back is searched for the password and the
** tokens of the test. */
#define _GNU_SOURCE /* memmem */
#include <stdio.h>
#include <string.h>

#include "api/account.h"
#include "fake_transport.h"
#include "suites.h"
#include "sync/sync.h"

int sqlite3_leadx_init(sqlite3 *handle, char **error, const void *api);

#define CLAIMS "e30.eyJzdWIiOiJhbmkifQ."

static const char *const secrets[] = {"canary-password", "canary-access", "canary-refresh"};
enum { N_SECRETS = sizeof secrets / sizeof secrets[0] };

static sqlite3_mem_methods real_memory;
static int is_watching, found, freed;
static size_t longest;
static char first_found[100];

static void search(void *p) {
  size_t n = is_watching && p ? (size_t)real_memory.xSize(p) : 0;
  freed += n > 0;
  if (n > longest) longest = n;
  for (int i = 0; i < N_SECRETS && n > 0; i++) {
    const char *at = memmem(p, n, secrets[i], strlen(secrets[i]));
    if (at && found++ == 0) snprintf(first_found, sizeof first_found, "%.*s…", 60, (const char *)p);
  }
}

/* Allocations that fail. */
static long allocations, fail_at;

static int fails(void) { return is_watching && fail_at && ++allocations == fail_at; }

static void *failing_malloc(int n) { return fails() ? NULL : real_memory.xMalloc(n); }

static void searching_free(void *p) {
  search(p);
  real_memory.xFree(p);
}

/* A block that moves leaves its old place as it was, so it moves every time. */
static void *searching_realloc(void *p, int n) {
  void *moved = fails() ? NULL : real_memory.xMalloc(n);
  if (!moved) return NULL;
  size_t size = (size_t)real_memory.xSize(p);
  memcpy(moved, p, size < (size_t)n ? size : (size_t)n);
  searching_free(p);
  return moved;
}

static void set_up(void) {
  sqlite3_initialize();
  ck_assert_int_eq(sqlite3_shutdown(), SQLITE_OK);
  ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory), SQLITE_OK);
  sqlite3_mem_methods searching = real_memory;
  searching.xMalloc = failing_malloc;
  searching.xFree = searching_free;
  searching.xRealloc = searching_realloc;
  ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_MALLOC, &searching), SQLITE_OK);
  ck_assert_int_eq(sqlite3_initialize(), SQLITE_OK);
  found = freed = is_watching = 0;
  allocations = fail_at = 0;
}

static void tear_down(void) {
  is_watching = 0;
  ck_assert_int_eq(sqlite3_shutdown(), SQLITE_OK);
  ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_MALLOC, &real_memory), SQLITE_OK);
  ck_assert_int_eq(sqlite3_initialize(), SQLITE_OK);
}

/* Auth grants, then PostgREST refuses the first token, so that it is renewed. */
static int refusals;

static void respond(void *ctx, leadx_request *req) {
  (void)ctx;
  if (strstr(req->url, "/token?")) {
    fake_answer(
        req, 200,
        "{\"access_token\":\"" CLAIMS
        "canary-access\",\"expires_in\":3600,\"refresh_token\":\"canary-refresh\",\"user\":{}}");
  } else if (refusals > 0) {
    refusals--;
    fake_answer(req, 401, "{\"code\":\"PGRST301\",\"message\":\"JWT expired\"}");
  } else {
    fake_answer(req, strstr(req->url, "/logout") ? 204 : 200,
                strstr(req->url, "/logout") ? "" : "[]");
  }
}

static leadx_transport *open_fake(void *arg, const leadx_http_limits *limits, leadx_err *err) {
  (void)arg;
  (void)limits;
  (void)err;
  return fake_transport_open(respond, NULL);
}

static void done(char *text, leadx_ctx *ctx) {
  ck_assert_msg(text || fail_at, "%s", ctx->err.text);
  leadx_err_clear(&ctx->err);
  sqlite3_free(text);
}

static void live_a_day(leadx_ctx *ctx) {
  static const leadx_opener opener = {open_fake, NULL};
  leadx_sync_options options = {.who = "leadx_sync",
                                .trigger = "test",
                                .with_pull = 1,
                                .request_budget = -1,
                                .open_transport = open_fake};
  done(leadx_account_login(ctx, "ani@leadx.test", secrets[0], &opener, &ctx->err), ctx);
  refusals = 1;
  done(leadx_sync_report(ctx, &options, &ctx->err), ctx);
  ck_assert_msg(refusals == 0 || fail_at, "the token was not asked for");
  done(leadx_account_set_token(ctx, CLAIMS "canary-access-2", "canary-refresh-2", &ctx->err), ctx);
  refusals = 5;
  done(leadx_sync_report(ctx, &options, &ctx->err), ctx);
  done(leadx_account_logout(ctx, 1, &opener, &ctx->err), ctx);
  leadx_db_release(&ctx->db);
}

static void open_device(sqlite3 **db, leadx_ctx **ctx) {
  ck_assert_int_eq(sqlite3_open(":memory:", db), SQLITE_OK);
  ck_assert_int_eq(sqlite3_leadx_init(*db, NULL, NULL), SQLITE_OK);
  ck_assert_int_eq(
      sqlite3_exec(
          *db,
          "CREATE TABLE customers(id TEXT PRIMARY KEY NOT NULL, name TEXT, updated_at TEXT);"
          "SELECT leadx_track('customers'); INSERT INTO customers VALUES ('c1', 'n', NULL)",
          NULL, NULL, NULL),
      SQLITE_OK);
  *ctx = leadx_ctx_new(*db);
  ck_assert_ptr_nonnull(*ctx);
  ck_assert_int_eq(leadx_session_configure((*ctx)->session, "https://model.example/rest/v1", "key",
                                           NULL, 0, &(*ctx)->err),
                   SQLITE_OK);
}

/* A day with the n-th allocation failing (0: none). Returns whether it came to that. */
static int live_a_day_without(long n) {
  sqlite3 *db = NULL;
  leadx_ctx *ctx = NULL;
  open_device(&db, &ctx);
  allocations = 0;
  fail_at = n;
  is_watching = 1;
  live_a_day(ctx);
  fail_at = 0;
  live_a_day(ctx); /* with memory again it all works */
  leadx_ctx_unref(ctx);
  is_watching = 0;
  ck_assert_msg(found == 0, "allocation %ld failing: %d blocks with a secret, the first one: %s", n,
                found, first_found);
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
  return allocations >= n;
}

START_TEST(memory_that_held_a_password_or_a_token_is_wiped_before_it_is_given_back) {
  live_a_day_without(0);
  ck_assert_int_gt(freed, 100);
}
END_TEST

START_TEST(it_is_wiped_and_nothing_leaks_when_memory_runs_out_as_well) {
  long n = 1;
  sqlite3_int64 bytes = sqlite3_memory_used();
  while (live_a_day_without(n)) n += n < 100 ? 5 : 37;
  ck_assert_int_gt(n, 500);
  ck_assert_int_eq(sqlite3_memory_used(), bytes);
}
END_TEST

/* The search finds what is there. */
START_TEST(a_block_that_is_not_wiped_is_found) {
  is_watching = 1;
  sqlite3_free(sqlite3_mprintf("%s", secrets[1]));
  is_watching = 0;
  ck_assert_int_eq(found, 1);
}
END_TEST

Suite *test_secrets_suite(void) {
  Suite *suite = suite_create("secrets");
  TCase *tcase = tcase_create("memory");
  tcase_set_timeout(tcase, 60);
  suite_add_tcase(suite, tcase);
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_test(tcase, memory_that_held_a_password_or_a_token_is_wiped_before_it_is_given_back);
  tcase_add_test(tcase, it_is_wiped_and_nothing_leaks_when_memory_runs_out_as_well);
  tcase_add_test(tcase, a_block_that_is_not_wiped_is_found);
  return suite;
}
