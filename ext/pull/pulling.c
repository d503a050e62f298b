/* One table's pull on its way. See pulling.h. */
#include "pull/pulling.h"

#include <string.h>

#include "base/hash.h"

/* An answer of more bytes is applied before the next one is asked for: there would be two in
** memory. */
#define AHEAD_BYTES (4 << 20)

void leadx_pulling_enter(leadx_pulling *pulling, leadx_phase phase) {
  pulling->phase = phase;
  if (phase == LEADX_PARKED) pulling->limit = LEADX_PARKED_KEYS;
}

int leadx_pulling_may_ask_ahead(const leadx_pulling *pulling, const leadx_request *done,
                                int count) {
  return pulling->run->request_budget < 0 && count >= LEADX_GROUP_ROWS &&
         done->answer_bytes <= AHEAD_BYTES;
}

static uint64_t hash_text(uint64_t hash, const char *text) {
  return text ? leadx_hash(hash, text, strlen(text) + 1) : leadx_hash(hash, "\1", 1);
}

int leadx_pulling_is_circling(leadx_pulling *pulling, const char *version, const char *key) {
  uint64_t phase = leadx_hash(LEADX_HASH_SEED, &pulling->phase, sizeof pulling->phase);
  uint64_t place = hash_text(hash_text(phase, version), key);
  if (pulling->kept_for > 0 && place == pulling->mark) return 1;
  if (pulling->kept-- > 0) return 0;
  pulling->mark = place;
  pulling->kept_for = pulling->kept_for ? 2 * pulling->kept_for : 1;
  pulling->kept = pulling->kept_for - 1;
  return 0;
}

void leadx_pulling_say_strange(leadx_pulling *pulling, const char *strange) {
  leadx_run_end(pulling->run, LEADX_CLASS_PROTOCOL, -1,
                "pull of %s: the server answered %s; nothing of the answer was applied",
                pulling->table->remote, strange);
}

void leadx_pulling_count_rows(leadx_pulling *pulling, int count) {
  leadx_turn *turn = pulling->turn;
  int64_t expected = turn->left < 0 ? 0 : count < turn->left ? count : turn->left;
  turn->left -= expected;
  turn->done += count;
  pulling->run->tally.done += count;
  pulling->run->tally.total += count - expected;
  if (count > pulling->proven) pulling->proven = count;
  leadx_run_show_progress(pulling->run);
}

/* The server's clock when a request was sent: its Date is a whole second, of the answer. */
void leadx_pulling_note_time(leadx_pulling *pulling, const leadx_request *done, int64_t took_ms) {
  pulling->server_us = done->date_s * 1000000;
  if (pulling->is_first && !pulling->midway)
    pulling->began_us = done->date_s ? pulling->server_us - took_ms * 1000 : 0;
}

int leadx_pulling_arrive(leadx_pulling *pulling, leadx_err *err) {
  leadx_run *run = pulling->run;
  leadx_pulling_enter(pulling, LEADX_PARKED);
  /* What others here refer to cannot be removed before they are: it has its turn at the end. */
  if (leadx_run_of(run, pulling->table)->held_back) leadx_pulling_enter(pulling, LEADX_PULLED);
  int rc = leadx_db_run(&run->ctx->db, LEADX_SQL_CURSOR_ARRIVE, err, "ttti", run->target.url,
                        leadx_place_user(run), pulling->table->entity, pulling->began_us);
  if (rc == SQLITE_OK)
    rc = leadx_db_run(&run->ctx->db, LEADX_SQL_PULL_SET_PULLED, err, "t", pulling->table->name);
  return rc;
}

int leadx_pulling_note_changes(leadx_run *run, const leadx_table *table, int64_t before,
                               leadx_err *err) {
  int64_t n = run->tally.pulled - before;
  if (n == 0) return SQLITE_OK;
  return leadx_db_run(&run->ctx->db, LEADX_SQL_PULL_CHANGED, err, "ti", table->name, n);
}
