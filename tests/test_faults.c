/* Memory and disk that fail: one short story, from loading to the second sync, in which the n-th allocation or the
** n-th thing done to a file fails, for every n. The step it happens in may fail; done again it
** must work, and the story must end as it always does: same local rows, same server rows, everything
** acknowledged, nothing in conflict, the file whole, all memory given back. */
#define _DEFAULT_SOURCE /* setenv */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctx.h"
#include "fake_transport.h"
#include "model_server.h"
#include "shim_vfs.h"
#include "suites.h"
#include "sync.h"

int sqlite3_leadx_init(sqlite3 *handle, char **error, const void *api);

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#define IS_SANITIZED __has_feature(address_sanitizer)
#else
#define IS_SANITIZED 0
#endif

/* Every n up to here (or up to LEADX_FAULTS_EVERY), and beyond that a sample. */
#define EVERY_UP_TO (IS_SANITIZED ? 2 : 40)
#define STRIDE_BEYOND (IS_SANITIZED ? 499 : 29)

/* How far a story is followed in `make test`; LEADX_FAULTS_EVERY (make soak) follows it to its end. */
static long last_n(void) { return getenv("LEADX_FAULTS_EVERY") ? 1000000000 : 4000; }

static long next_n(long n) {
  const char *every = getenv("LEADX_FAULTS_EVERY");
  return n < (every ? atol(every) : EVERY_UP_TO) ? n + 1 : n + STRIDE_BEYOND;
}

/* ---- allocations that fail ---- */

static sqlite3_mem_methods real_memory;
static long allocations, fail_at;
static int fails_from_there_on, is_paused, has_failed;

static int fails(void) {
  if (is_paused) return 0;
  allocations++;
  int failing = fail_at && (allocations == fail_at || (fails_from_there_on && allocations > fail_at));
  has_failed |= failing;
  return failing;
}

static void *failing_malloc(int n) { return fails() ? NULL : real_memory.xMalloc(n); }
static void *failing_realloc(void *p, int n) { return fails() ? NULL : real_memory.xRealloc(p, n); }

static void arm_memory(long at, int from_there_on) {
  allocations = has_failed = 0;
  fail_at = at;
  fails_from_there_on = from_there_on;
}

/* Only a library that is shut down can be given another allocator. Nothing holds memory of it then but
** what leadx keeps for a process, which both allocators can free. */
static void install_memory(const sqlite3_mem_methods *methods, int lookaside_bytes, int lookaside_slots) {
  ck_assert_int_eq(sqlite3_shutdown(), SQLITE_OK);
  ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_MALLOC, methods), SQLITE_OK);
  /* Small allocations of a connection would otherwise come from a pool that never fails. */
  ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, lookaside_bytes, lookaside_slots), SQLITE_OK);
  ck_assert_int_eq(sqlite3_initialize(), SQLITE_OK);
}

static void set_up_memory(void) {
  sqlite3_initialize();
  ck_assert_int_eq(sqlite3_shutdown(), SQLITE_OK);
  ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory), SQLITE_OK);
  sqlite3_mem_methods failing = real_memory;
  failing.xMalloc = failing_malloc;
  failing.xRealloc = failing_realloc;
  arm_memory(0, 0);
  install_memory(&failing, 0, 0);
}

static void tear_down_memory(void) { install_memory(&real_memory, 1200, 40); }

/* ---- the story ---- */

typedef struct story {
  sqlite3 *db;
  model_server model;
  const char *file, *vfs, *journal;
} story;

static void respond(void *ctx, leadx_request *req) {
  is_paused++;
  model_respond(ctx, req);
  is_paused--;
}

static leadx_transport *open_transport(void *arg, const leadx_http_limits *limits, leadx_err *err) {
  (void)limits;
  leadx_transport *transport = fake_transport_open(respond, arg);
  if (!transport) leadx_err_nomem(err);
  return transport;
}

static int run(story *s, const char *sql) {
  int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
  is_paused++;
  if (!sqlite3_get_autocommit(s->db)) sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
  is_paused--;
  return rc;
}

static int open_file(story *s) {
  char sql[64];
  int rc = sqlite3_open_v2(s->file, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, s->vfs);
  snprintf(sql, sizeof sql, "PRAGMA journal_mode=%s", s->journal);
  if (rc == SQLITE_OK) rc = run(s, sql);
  if (rc == SQLITE_OK) return SQLITE_OK;
  sqlite3_close(s->db);
  s->db = NULL;
  return rc;
}

static int load(story *s) {
  char *message = NULL;
  int rc = sqlite3_leadx_init(s->db, &message, NULL);
  sqlite3_free(message);
  return rc;
}

static int configure(story *s) { return run(s, "SELECT leadx_configure('http://127.0.0.1:9/rest/v1', 'key', '{\"batch_size\":2}'), leadx_set_token(NULL)"); }

static int track(story *s) {
  return run(s,
             "BEGIN IMMEDIATE;"
             "CREATE TABLE lists(id TEXT PRIMARY KEY, title TEXT, updated_at TEXT);"
             "CREATE TABLE notes(id TEXT PRIMARY KEY, list TEXT REFERENCES lists(id), text TEXT, n REAL, b BLOB, dirty INTEGER DEFAULT 0, at TEXT);"
             "SELECT leadx_track('lists'), leadx_track('notes', '{\"pending\":\"dirty\",\"synced_at\":\"at\",\"mode\":\"push\"}');"
             "COMMIT");
}

static int write_first(story *s) {
  return run(s,
             "BEGIN IMMEDIATE;"
             "INSERT INTO lists(id, title) VALUES ('l1', 'one'), ('l2', 'two \"\\ é');"
             "INSERT INTO notes(id, list, text, n, b) VALUES ('n1', 'l1', 'a', 0.1, x'00ff'), ('n2', 'l2', 'b', 1e300, NULL), ('n3', 'l1', 'c', -2, x'');"
             "UPDATE notes SET text = 'a2' WHERE id = 'n1';"
             "COMMIT");
}

static int write_then(story *s) {
  return run(s,
             "BEGIN IMMEDIATE;"
             "UPDATE notes SET text = 'a3', n = n + 1;"
             "DELETE FROM notes WHERE id = 'n3';"
             "UPDATE lists SET title = 'uno' WHERE id = 'l1';"
             "INSERT INTO lists(id, title) VALUES ('l3', 'three');"
             "COMMIT");
}

/* A sync that ended in another state than ok has not failed: it is done again like one that has. */
static int sync_once(story *s) {
  leadx_ctx *ctx = leadx_ctx_new(s->db);
  if (!ctx) return SQLITE_NOMEM;
  leadx_sync_options options = {
      .who = "leadx_sync", .trigger = "manual", .request_budget = -1, .open_transport = open_transport, .arg = &s->model};
  char *result = leadx_sync_run(ctx, &options, &ctx->err);
  int rc = !result ? ctx->err.rc : strstr(result, "\"state\":\"ok\"") ? SQLITE_OK : SQLITE_NOMEM;
  if (result && rc != SQLITE_OK && !has_failed) ck_abort_msg("%s", result);
  sqlite3_free(result);
  leadx_db_release(&ctx->db);
  leadx_ctx_unref(ctx);
  return rc;
}

static int read_tables(story *s) {
  return run(s,
             "SELECT * FROM leadx_queue; SELECT * FROM leadx_status; SELECT * FROM leadx_conflicts; SELECT * FROM leadx_log;"
             "SELECT * FROM leadx_state; SELECT * FROM leadx_checks; SELECT leadx_config('policy'), leadx_debug(), leadx_uuid()");
}

static int manage(story *s) {
  return run(s,
             "BEGIN IMMEDIATE; SELECT leadx_enqueue('lists', 'l9', 'CREATE', '{\"id\":\"l9\"}'); SELECT leadx_retry();"
             "SELECT leadx_discard((SELECT id FROM sync_queue WHERE entity_id = 'l9'));"
             "SELECT leadx_purge(100), leadx_config('policy', 'merge'); COMMIT");
}

static const struct step {
  const char *name;
  int (*run)(story *s);
} steps[] = {{"open", open_file},     {"load", load},         {"configure", configure}, {"track", track},       {"write", write_first},
             {"sync", sync_once},     {"write more", write_then}, {"sync again", sync_once}, {"read", read_tables}, {"manage", manage}};
enum { N_STEPS = sizeof steps / sizeof steps[0] };

/* ---- how it ends ---- */

static void append_rows(char *out, size_t n, sqlite3 *db, const char *sql) {
  sqlite3_stmt *stmt;
  ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
  while (sqlite3_step(stmt) == SQLITE_ROW) {
    size_t used = strlen(out);
    snprintf(out + used, n - used, "%s\n", (const char *)sqlite3_column_text(stmt, 0));
  }
  ck_assert_int_eq(sqlite3_finalize(stmt), SQLITE_OK);
}

static void end_of(story *s, char *out, size_t n) {
  out[0] = 0;
  append_rows(out, n, s->db, "PRAGMA integrity_check");
  append_rows(out, n, s->db, "SELECT 'local ' || json_array(id, title) FROM lists ORDER BY id");
  append_rows(out, n, s->db, "SELECT 'local ' || json_array(id, list, text, n, hex(b), dirty, at IS NOT NULL) FROM notes ORDER BY id");
  append_rows(out, n, s->model.db, "SELECT 'server ' || tbl || ' ' || json_remove(doc, '$.updated_at') FROM rows ORDER BY tbl, key");
  append_rows(out, n, s->db, "SELECT json_array(entity_type, entity_id, action, status, error_code) FROM sync_queue ORDER BY rowid");
  append_rows(out, n, s->db, "SELECT 'conflict ' || entity_id || ' ' || contested FROM sync_conflicts");
  append_rows(out, n, s->db, "SELECT 'held ' || id FROM leadx_held UNION ALL SELECT 'applying ' FROM leadx_applying");
  append_rows(out, n, s->db, "SELECT 'lease ' || owner FROM leadx_lease WHERE owner IS NOT NULL");
}

static void begin(story *s, const char *file, const char *vfs, const char *journal) {
  memset(s, 0, sizeof *s);
  s->file = file;
  s->vfs = vfs;
  s->journal = journal;
  setenv("SUPABASE_URL", "http://127.0.0.1:9/rest/v1", 1);
  setenv("SUPABASE_PUBLISHABLE_KEY", "key", 1);
  model_open(&s->model);
  s->model.references = "notes.list>lists";
}

static void end(story *s) {
  ck_assert_int_eq(sqlite3_close(s->db), SQLITE_OK);
  model_close(&s->model);
}

static char expected[8192], actual[8192];

static void check_end(story *s, const char *what, int step, long n) {
  end_of(s, actual, sizeof actual);
  ck_assert_msg(strcmp(actual, expected) == 0, "%s %ld failed in \"%s\"; expected\n%s\nbut it ended with\n%s", what, n, steps[step].name, expected,
                actual);
}

static void learn_the_end(void) {
  story s;
  begin(&s, ":memory:", NULL, "MEMORY");
  for (int i = 0; i < N_STEPS; i++) ck_assert_msg(steps[i].run(&s) == SQLITE_OK, "%s: %s", steps[i].name, sqlite3_errmsg(s.db));
  end_of(&s, expected, sizeof expected);
  ck_assert_ptr_null(strstr(expected, "PENDING"));
  ck_assert_ptr_nonnull(strstr(expected, "server lists"));
  end(&s);
}

/* ---- memory ---- */

/* The story with the n-th allocation of one step failing. 0 when the step has fewer. */
static int tell_with_failing_memory(int failing, long n, int from_there_on) {
  story s;
  sqlite3_int64 bytes = sqlite3_memory_used();
  begin(&s, ":memory:", NULL, "MEMORY");
  int failed = 0;
  for (int i = 0; i < N_STEPS; i++) {
    if (i == failing) arm_memory(n, from_there_on);
    int rc = steps[i].run(&s);
    if (i == failing) {
      failed = has_failed;
      arm_memory(0, 0);
      ck_assert_msg(rc == SQLITE_OK || failed, "\"%s\" with allocation %ld failing: %d %s", steps[i].name, n, rc,
                    sqlite3_errmsg(s.db));
      /* Without any memory the lease cannot be given back; it runs out. */
      if (rc != SQLITE_OK && from_there_on && s.db) run(&s, "UPDATE leadx_lease SET owner = NULL");
      if (rc != SQLITE_OK) rc = steps[i].run(&s);
    }
    ck_assert_msg(rc == SQLITE_OK, "\"%s\" after allocation %ld failed in \"%s\": %d %s", steps[i].name, n, steps[failing].name, rc,
                  sqlite3_errmsg(s.db));
  }
  check_end(&s, "allocation", failing, n);
  end(&s);
  ck_assert_msg(sqlite3_memory_used() == bytes, "allocation %ld failing in \"%s\" leaks %lld bytes", n, steps[failing].name,
                (long long)(sqlite3_memory_used() - bytes));
  return failed;
}

START_TEST(any_allocation_may_fail) {
  long runs = 0;
  learn_the_end();
  for (long n = 1; n <= last_n() && tell_with_failing_memory(_i, n, n % 5 == 0); n = next_n(n)) runs++;
  ck_assert_int_ge(runs, 2);
}
END_TEST

/* ---- files ---- */

static char path[64];

static void remove_file(void) {
  static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};
  char name[80];
  for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
    snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
    unlink(name);
  }
}

static void set_up_file(void) {
  ck_assert_int_eq(shim_vfs_register(), SQLITE_OK);
  snprintf(path, sizeof path, "/tmp/leadx_faults_XXXXXX");
  int fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  close(fd);
}

static const struct disk {
  const char *journal;
  unsigned kinds;
} disks[] = {{"WAL", SHIM_CHANGES}, {"WAL", SHIM_LOCK}, {"DELETE", SHIM_CHANGES}, {"DELETE", SHIM_LOCK}, {"DELETE", SHIM_READ}, {"WAL", SHIM_READ}};
enum { N_DISKS = sizeof disks / sizeof disks[0] };

/* The story with the n-th point of a kind failing once. 0 when it has fewer. */
static int tell_with_failing_disk(const struct disk *disk, long n) {
  story s;
  int failing = 0;
  remove_file();
  begin(&s, path, SHIM_VFS, disk->journal);
  shim_vfs_arm(disk->kinds, n, SHIM_FAIL);
  for (int i = 0; i < N_STEPS; i++) {
    has_failed = shim_vfs_count() < n;
    int rc = steps[i].run(&s);
    if (rc != SQLITE_OK && shim_vfs_count() >= n && !failing) {
      failing = i;
      rc = steps[i].run(&s);
    }
    ck_assert_msg(rc == SQLITE_OK, "%s: \"%s\" after point %ld failed: %d %s", disk->journal, steps[i].name, n, rc, sqlite3_errmsg(s.db));
  }
  int failed = shim_vfs_count() >= n;
  shim_vfs_arm(0, 0, SHIM_FAIL);
  check_end(&s, disk->journal, failing, n);
  end(&s);
  return failed;
}

START_TEST(any_access_to_the_file_may_fail_once) {
  long runs = 0;
  learn_the_end();
  for (long n = 1; tell_with_failing_disk(&disks[_i], n); n = next_n(n)) runs++;
  ck_assert_int_ge(runs, 2);
}
END_TEST

Suite *test_faults_suite(void) {
  Suite *suite = suite_create("faults");
  TCase *memory = tcase_create("memory");
  tcase_set_timeout(memory, 120);
  tcase_add_checked_fixture(memory, set_up_memory, tear_down_memory);
  tcase_add_loop_test(memory, any_allocation_may_fail, 0, N_STEPS);
  suite_add_tcase(suite, memory);
  TCase *disk = tcase_create("disk");
  tcase_set_timeout(disk, 120);
  tcase_add_checked_fixture(disk, set_up_file, remove_file);
  tcase_add_loop_test(disk, any_access_to_the_file_may_fail_once, 0, N_DISKS);
  suite_add_tcase(suite, disk);
  return suite;
}
