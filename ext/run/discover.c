/* Discovery. See discover.h. */
#include "run/discover.h"

#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "rest/target.h"

/* How long an answer counts; a "no" counts for less: somebody may be installing it, or may sign
** in who is served. */
#define YES_US (3600 * (int64_t)1000000)
#define NO_US (300 * (int64_t)1000000)
/* An answer that is longer is not kept: it would have thousands of tables. Nor is one that repeats a
** secret, for it is kept to the letter. */
#define MAX_ANSWER_BYTES ((size_t)1 << 20)

static const char *schema_of(const leadx_target *target) {
  return target->schema ? target->schema : "";
}

/* Borrows the stored answer from a statement that the caller gives back; NULL text when there is
** none. */
static sqlite3_stmt *read_answer(leadx_run *run, int64_t *asked_us, const char **installed,
                                 leadx_err *err) {
  leadx_db *db = &run->ctx->db;
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_DISCOVER_GET, err, "ss", run->target.url,
                                      schema_of(&run->target));
  *asked_us = 0;
  *installed = NULL;
  if (stmt && leadx_db_next(db, stmt, err)) {
    *asked_us = leadx_db_time_us(stmt, 0);
    *installed = leadx_db_text(stmt, 1, err);
  }
  return stmt;
}

static int has_keys(const leadx_table *table, leadx_slice keys) {
  leadx_json_walk walk;
  leadx_slice key;
  int n = 0;
  if (leadx_json_kind_of(keys) != LEADX_JSON_ARRAY) return 0;
  leadx_json_walk_init(&walk, keys);
  for (; leadx_json_walk_element(&walk, &key); n++) {
    if (n == table->nkey || !leadx_json_is_text(key, table->columns[table->key[n]].remote))
      return 0;
  }
  return n == table->nkey;
}

/* Does an answer of leadx_installed() say that the functions serve the table as it is known here:
** stamped in the same column, tombstones kept, the same key? */
static int serves(leadx_slice installed, const leadx_table *table) {
  leadx_slice one = leadx_json_member(installed, table->remote);
  return leadx_json_kind_of(leadx_json_member(one, "stamp")) == LEADX_JSON_TRUE &&
         leadx_json_is_text(leadx_json_member(one, "version"), table->version_remote) &&
         leadx_json_kind_of(leadx_json_member(one, "tombstones")) == LEADX_JSON_TRUE &&
         has_keys(table, leadx_json_member(one, "keys"));
}

int leadx_discover_load(leadx_run *run, leadx_err *err) {
  const char *installed = NULL;
  int64_t asked_us = 0;
  leadx_slice answer = {NULL, 0};
  sqlite3_stmt *stmt = read_answer(run, &asked_us, &installed, err);
  if (!stmt) return err->rc;
  if (installed) leadx_json_check(installed, strlen(installed), 0, &answer, NULL);
  for (int i = 0; i < run->tables->n; i++)
    run->of_tables[i].served = serves(answer, run->tables->list[i]);
  leadx_db_put(&run->ctx->db, stmt);
  return err->rc;
}

int leadx_discover_note(leadx_db *db, const leadx_target *target, leadx_slice installed,
                        leadx_err *err) {
  int is_there = leadx_json_kind_of(installed) == LEADX_JSON_OBJECT &&
                 installed.n <= MAX_ANSWER_BYTES && !leadx_secret_is_in(installed.z, installed.n);
  char *text = is_there ? sqlite3_mprintf("%.*s", (int)installed.n, installed.z) : NULL;
  if (is_there && !text) return leadx_err_nomem(err);
  int rc = leadx_db_run(db, LEADX_SQL_DISCOVER_SET, err, "ttit", target->url, schema_of(target),
                        leadx_clock_wall_us(), text);
  sqlite3_free(text);
  return rc;
}

int leadx_discover_forget(leadx_run *run, leadx_err *err) {
  for (int i = 0; i < run->tables->n; i++) run->of_tables[i].served = 0;
  return leadx_discover_note(&run->ctx->db, &run->target, (leadx_slice){NULL, 0}, err);
}

/* Is the answer missing, or old? A clock that was set back makes it old, too. What nothing has
** moved since needs no new one: an idle sync is one request a table. */
static int is_time(leadx_run *run, int *time, leadx_err *err) {
  const char *installed = NULL;
  int64_t asked_us = 0;
  sqlite3_stmt *stmt = read_answer(run, &asked_us, &installed, err);
  if (!stmt) return err->rc;
  int serves_any = 0;
  for (int i = 0; i < run->tables->n; i++) serves_any |= run->of_tables[i].served;
  int at_work = run->tally.pushed + run->tally.pulled > 0;
  int64_t age_us = leadx_clock_wall_us() - asked_us;
  *time = asked_us == 0 || (at_work && (age_us < 0 || age_us >= (serves_any ? YES_US : NO_US)));
  leadx_db_put(&run->ctx->db, stmt);
  return err->rc;
}

/* Whatever the server answers is an answer; where there is none, the next sync asks again. */
static int take_answer(leadx_run *run, const leadx_request *done, const leadx_verdict *verdict,
                       leadx_err *err) {
  if (done->net != LEADX_NET_ANSWER) return SQLITE_OK;
  return leadx_discover_note(
      &run->ctx->db, &run->target,
      verdict->class_ == LEADX_CLASS_OK ? verdict->value : (leadx_slice){NULL, 0}, err);
}

/* A step is one request, and a sync in which something was wrong has other cares. */
static int went_well(const leadx_run *run) {
  const leadx_tally *tally = &run->tally;
  return tally->requests > 0 && tally->ended == LEADX_CLASS_OK && !tally->lost_lease &&
         !tally->failed && !tally->paused && run->request_budget < 0;
}

static leadx_request *installed_request(const leadx_target *target, leadx_err *err) {
  sqlite3_str *url = sqlite3_str_new(NULL);
  sqlite3_str_appendf(url, "%s/rpc/leadx_installed", target->url);
  return leadx_target_get(target, url, NULL, err);
}

int leadx_discover_ask(leadx_run *run, leadx_err *err) {
  leadx_verdict verdict;
  int time = 0;
  int rc = went_well(run) ? is_time(run, &time, err) : SQLITE_OK;
  if (rc != SQLITE_OK || !time) return rc;
  leadx_request *done = leadx_run_exchange(run, installed_request(&run->target, err), 0, &verdict,
                                           err);
  if (!done) return err->rc;
  rc = take_answer(run, done, &verdict, err);
  leadx_request_free(done);
  return rc;
}
