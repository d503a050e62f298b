/* Turns. See turns.h. */
#include "pull/turns.h"

#include "store/tables.h"

static int is_parent(const leadx_tables *tables, int i, const leadx_table *child) {
  for (int r = 0; r < child->nreferences && tables->list[i] != child; r++) {
    if (sqlite3_stricmp(tables->list[i]->name, child->references[r].parent_table) == 0) return 1;
  }
  return 0;
}

/* Is it not done, and are all the tables it refers to? */
static int is_ready(const leadx_tables *tables, const leadx_turn *turns, int i) {
  if (turns[i].is_done) return 0;
  for (int p = 0; p < tables->n; p++) {
    if (!turns[p].is_done && is_parent(tables, p, tables->list[i])) return 0;
  }
  return 1;
}

/* One that has not begun comes first, then the one with the fewest rows left. */
static int goes_before(const leadx_turn *a, const leadx_turn *b) {
  if (a->is_begun != b->is_begun) return b->is_begun;
  return a->is_begun && a->left >= 0 && (b->left < 0 || a->left < b->left);
}

int leadx_turns_next(const leadx_tables *tables, const leadx_turn *turns) {
  int best = -1, any = -1;
  for (int i = 0; i < tables->n; i++) {
    if (any < 0 && !turns[i].is_done) any = i;
    if (is_ready(tables, turns, i) && (best < 0 || goes_before(&turns[i], &turns[best]))) best = i;
  }
  return best >= 0 ? best : any;
}

int leadx_turns_has_other(const leadx_tables *tables, const leadx_turn *turns, int i) {
  for (int k = 0; k < tables->n; k++) {
    if (k != i && is_ready(tables, turns, k)) return 1;
  }
  return 0;
}
