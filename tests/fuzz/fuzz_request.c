/* Queue rows, from what stands in sync_queue to the requests that they become.
**
** Each row is five lines: entity, key, action, payload, base; an empty action ends the input.
** Promised: a request goes to its own table below the server's URL, in printable ASCII; one that
** changes rows names its key; its body is JSON; and a row that cannot be sent says why. */
#include "fuzz.h"

#include <string.h>

#include "push/plan.h"
#include "push/spell.h"
#include "rest/rest.h"

#define ROOT "https://fuzz.example/rest/v1"

static const leadx_target target = {ROOT, "key", NULL, ""};

static void check_request(leadx_request *req, const leadx_table *table) {
  char *own = sqlite3_mprintf(ROOT "/%s?", table->remote);
  leadx_slice value;
  FUZZ_CHECK(req && own, "memory");
  FUZZ_CHECK(strncmp(req->url, own, strlen(own)) == 0, "%s", req->url);
  for (const char *z = req->url; *z; z++)
    FUZZ_CHECK(*z > 0x20 && *z < 0x7f && *z != '#', "%s", req->url);
  int is_change = strcmp(req->method, "PATCH") == 0 || strcmp(req->method, "DELETE") == 0;
  FUZZ_CHECK(!is_change || strstr(req->url, "=eq.") || strstr(req->url, "=is.null"), "%s %s",
             req->method, req->url);
  if (req->body) {
    const char *fault = leadx_json_check(req->body, req->body_bytes, 0, &value, NULL);
    FUZZ_CHECK(!fault, "%s: %s", fault, req->body);
  }
  sqlite3_free(own);
  leadx_request_free(req);
}

static void build(leadx_change *change) {
  leadx_err err = {0};
  leadx_change *one[] = {change};
  check_request(leadx_spell_fetch(&target, one, 1, &err), change->table);
  if (change->action == LEADX_CREATE) {
    check_request(leadx_spell_create(&target, one, 1, 0, &err), change->table);
  } else if (change->action == LEADX_UPDATE ||
             (change->action == LEADX_DELETE && change->table->soft_delete)) {
    check_request(leadx_spell_update(&target, change, &err), change->table);
  } else if (change->action == LEADX_DELETE) {
    check_request(leadx_spell_delete(&target, change, &err), change->table);
  }
}

static void plan_all(fuzz_db *file) {
  leadx_err err = {0};
  leadx_window window;
  leadx_plan plan = {0};
  int rc = leadx_window_load(&file->db, &file->tables, "", 0, 100, &window, &err);
  if (rc == SQLITE_OK) rc = leadx_plan_make(&file->db, &window, &plan, &err);
  FUZZ_CHECK(rc == SQLITE_OK, "%s", err.text);
  for (int i = 0; i < plan.n; i++) {
    leadx_change *change = &plan.changes[i];
    FUZZ_CHECK(leadx_change_load(&file->db, change, &err) == SQLITE_OK, "%s", err.text);
    if (change->problem) FUZZ_CHECK(change->error[0], "a problem without words");
    else build(change);
    leadx_change_unload(change);
  }
  leadx_plan_clear(&plan);
  leadx_window_clear(&window);
  leadx_db_release(&file->db);
}

static int insert_row(fuzz_db *file, const char **at, const char *end, int n) {
  char *lines[5];
  for (int i = 0; i < 5; i++) lines[i] = fuzz_line(at, end);
  int is_row = lines[2][0] != 0;
  sqlite3_stmt *stmt = NULL;
  const char *sql = "INSERT INTO sync_queue(id, entity_type, entity_id, action, payload, base) "
                    "VALUES (?1, ?2, ?3, ?4, ?5, nullif(?6, ''))";
  FUZZ_CHECK(sqlite3_prepare_v2(file->handle, sql, -1, &stmt, NULL) == SQLITE_OK, "%s",
             sqlite3_errmsg(file->handle));
  sqlite3_bind_int(stmt, 1, n);
  for (int i = 0; i < 5; i++) sqlite3_bind_text(stmt, 2 + i, lines[i], -1, SQLITE_STATIC);
  if (is_row) FUZZ_CHECK(sqlite3_step(stmt) == SQLITE_DONE, "%s", sqlite3_errmsg(file->handle));
  sqlite3_finalize(stmt);
  for (int i = 0; i < 5; i++) sqlite3_free(lines[i]);
  return is_row;
}

void fuzz_request(const char *data, size_t n) {
  fuzz_db *file = fuzz_open();
  const char *at = data, *end = data + n;
  FUZZ_CHECK(sqlite3_exec(file->handle, "BEGIN", NULL, NULL, NULL) == SQLITE_OK, "%s",
             sqlite3_errmsg(file->handle));
  for (int i = 0; i < 20 && at < end && insert_row(file, &at, end, i); i++) continue;
  plan_all(file);
  FUZZ_CHECK(sqlite3_exec(file->handle, "ROLLBACK", NULL, NULL, NULL) == SQLITE_OK, "%s",
             sqlite3_errmsg(file->handle));
}
