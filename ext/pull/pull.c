/* Pull: what others changed, table by table and phase by phase. See pull.h and pulling.h. */
#include "pull/pull.h"

#include <string.h>

#include "pull/pulling.h"
#include "run/bulk.h"
#include "store/settings.h"

/* ---- phases ---- */

/* By phase. */
static const struct phase_row {
  leadx_phase phase;
  const char *name;
  int (*step)(leadx_pulling *pulling, leadx_err *err);
} phase_rows[] = {
    {LEADX_BY_VERSION, "by version", leadx_by_version_step},
    {LEADX_WITHOUT_VERSION, "without version", leadx_by_version_step},
    {LEADX_PARKED, "parked", leadx_parked_step},
    {LEADX_PULLED, "pulled", NULL},
    {LEADX_BY_CALL, "by call", leadx_by_call_step},
};

static void trace_phase(const leadx_pulling *pulling) {
  leadx_run_trace(pulling->run, "%s: %s", pulling->table->name, phase_rows[pulling->phase].name);
}

/* One step of the phase that the table is in. */
static int pull_on(leadx_pulling *pulling, leadx_err *err) {
  leadx_phase before = pulling->phase;
  int rc = phase_rows[before].step(pulling, err);
  if (pulling->phase != before) trace_phase(pulling);
  return rc;
}

/* Have other tables their turn now? The first page of a first pull is here, and there are more to
** come. */
static int has_to_wait(const leadx_pulling *pulling) {
  const leadx_tally *tally = &pulling->run->tally;
  int is_well = !pulling->failed && tally->ended == LEADX_CLASS_OK && !tally->lost_lease;
  return pulling->may_wait && is_well && pulling->from_beginning && !pulling->is_first &&
         pulling->phase == LEADX_BY_VERSION && pulling->turn->left != 0;
}

/* The server's guess was too high. */
static void forget_expected(leadx_pulling *pulling) {
  if (pulling->turn->left > 0) pulling->run->tally.total -= pulling->turn->left;
  pulling->turn->left = 0;
  leadx_run_show_progress(pulling->run);
}

static int pull_phases(leadx_pulling *pulling, leadx_err *err) {
  int rc = SQLITE_OK;
  trace_phase(pulling);
  pulling->is_first = pulling->phase == LEADX_BY_VERSION || pulling->phase == LEADX_BY_CALL;
  while (rc == SQLITE_OK && pulling->phase != LEADX_PULLED && !pulling->failed) {
    if (pulling->phase != LEADX_PARKED && !leadx_run_may_ask(pulling->run)) break;
    if (pulling->phase == LEADX_PARKED && pulling->run->tally.ended != LEADX_CLASS_OK) break;
    int parked = pulling->phase == LEADX_PARKED;
    rc = pull_on(pulling, err);
    if (parked && pulling->phase == LEADX_PARKED && !leadx_run_may_ask(pulling->run)) break;
    if (rc == SQLITE_OK && has_to_wait(pulling)) break;
  }
  /* A table that cannot be read must not keep the steps from ending. */
  if (pulling->failed && pulling->run->tally.ended == LEADX_CLASS_OK)
    leadx_pulling_enter(pulling, LEADX_PULLED);
  pulling->turn->is_begun = has_to_wait(pulling);
  pulling->turn->is_done = !pulling->turn->is_begun;
  if (pulling->phase != LEADX_PULLED && !pulling->turn->is_begun) pulling->run->tally.more = 1;
  if (pulling->phase == LEADX_PULLED) forget_expected(pulling);
  return rc == SQLITE_OK ? leadx_stepping_save(pulling, err) : rc;
}

/* ---- tables ---- */

/* Finds where the table's pull begins, or goes on. */
static int begin_table(leadx_pulling *pulling, leadx_err *err) {
  int rc = leadx_place_load(pulling, err);
  if (rc == SQLITE_OK) rc = leadx_by_call_begin(pulling, err);
  if (rc == SQLITE_OK) rc = leadx_stepping_load(pulling, err);
  /* The last step went by the server's function, which has gone since. */
  if (pulling->phase == LEADX_BY_CALL && !pulling->cursor)
    leadx_pulling_enter(pulling, LEADX_BY_VERSION);
  return rc;
}

static int run_table(leadx_pulling *given, int only_parked, leadx_err *err) {
  leadx_run *run = given->run;
  leadx_pulling pulling = *given;
  pulling.limit = (int)leadx_settings_int(run->ctx->settings, LEADX_PAGE_SIZE);
  pulling.intake = leadx_intake_open(&run->ctx->db, pulling.table, err);
  int rc = pulling.intake ? begin_table(&pulling, err) : err->rc;
  if (only_parked) leadx_pulling_enter(&pulling, LEADX_PARKED);
  if (rc == SQLITE_OK) rc = pull_phases(&pulling, err);
  leadx_exchange_abandon(&run->exchange);
  leadx_place_clear(&pulling.place);
  leadx_place_clear(&pulling.saved);
  sqlite3_free(pulling.cursor);
  sqlite3_free(pulling.after);
  sqlite3_free(pulling.fingerprint);
  leadx_intake_close(pulling.intake);
  return rc;
}

/* Pulls a table to its end, or (may_wait) until others have their turn. */
static int pull_table(leadx_run *run, leadx_table *table, leadx_turn *turn, int may_wait,
                      leadx_err *err) {
  leadx_pulling pulling = {.run = run, .table = table, .turn = turn, .may_wait = may_wait};
  return run_table(&pulling, 0, err);
}

/* Nothing but the rows that could not be applied, or not be removed, before. */
static int pull_parked_again(leadx_run *run, leadx_table *table, leadx_err *err) {
  leadx_turn turn = {0};
  leadx_pulling pulling = {.run = run, .table = table, .turn = &turn};
  return run_table(&pulling, 1, err);
}

static int is_wanted(const leadx_table *table, const char *only_table) {
  return table->mode != LEADX_MODE_PUSH &&
         (!only_table || sqlite3_stricmp(only_table, table->name) == 0);
}

/* Rows that were deleted on the server while others here referred to them: those others have gone
** meanwhile, children before parents. order: the tables in the order in which they were pulled. */
static int pull_held_back(leadx_run *run, const int *order, int n, leadx_err *err) {
  int rc = SQLITE_OK;
  for (int i = n - 1; i >= 0 && rc == SQLITE_OK && leadx_run_may_ask(run); i--) {
    leadx_table *table = run->tables->list[order[i]];
    leadx_of_table *known = leadx_run_of(run, table);
    if (known->held_back) rc = pull_parked_again(run, table, err);
    known->held_back = 0;
  }
  return rc;
}

/* What each table's turn begins with; those that are not wanted have had theirs. */
static int begin_turns(leadx_run *run, const char *only_table, leadx_turn *turns, leadx_err *err) {
  memset(turns, 0, sizeof *turns * (size_t)run->tables->n);
  int rc = leadx_stepping_begin(run, err);
  for (int i = 0; i < run->tables->n && rc == SQLITE_OK; i++) {
    turns[i].left = -1;
    turns[i].is_done = !is_wanted(run->tables->list[i], only_table);
    if (!turns[i].is_done) rc = leadx_stepping_load_turn(run, run->tables->list[i], &turns[i], err);
  }
  if (rc == SQLITE_OK) leadx_run_show_progress(run);
  return rc;
}

static int is_going_on(const leadx_run *run) {
  return run->tally.ended == LEADX_CLASS_OK && !run->tally.more;
}

/* order has room for all tables. */
static int take_turns(leadx_run *run, const char *only_table, leadx_turn *turns, int *order,
                      leadx_err *err) {
  int n = 0, rc = begin_turns(run, only_table, turns, err);
  for (int i;
       rc == SQLITE_OK && is_going_on(run) && (i = leadx_turns_next(run->tables, turns)) >= 0;) {
    int may_wait = !turns[i].is_begun && leadx_turns_has_other(run->tables, turns, i);
    rc = pull_table(run, run->tables->list[i], &turns[i], may_wait, err);
    if (turns[i].is_done) order[n++] = i;
  }
  if (rc == SQLITE_OK && is_going_on(run)) rc = pull_held_back(run, order, n, err);
  return rc == SQLITE_OK && is_going_on(run) ? leadx_stepping_end(run, err) : rc;
}

static int pull_tables(leadx_run *run, const char *only_table, leadx_err *err) {
  size_t n = (size_t)run->tables->n;
  leadx_turn *turns = sqlite3_malloc64((sizeof *turns + sizeof(int)) * n + 1);
  if (!turns) return leadx_err_nomem(err);
  int rc = take_turns(run, only_table, turns, (int *)(turns + n), err);
  sqlite3_free(turns);
  return rc;
}

int leadx_pull_run(leadx_run *run, const char *only_table, leadx_err *err) {
  leadx_bulk before;
  /* What is lost of a page goes together with the cursor that says it is here, and is fetched
  ** again. */
  leadx_bulk_begin(&run->ctx->db, &before);
  int rc = pull_tables(run, only_table, err);
  leadx_bulk_end(&run->ctx->db, &before);
  return rc;
}
