/* The order of a push. See plan.h.
**
** Three steps: group the rows by what they change; find out who has to wait for whom (a child's
** CREATE or UPDATE for its parent's CREATE, a parent's DELETE for its children's DELETEs); then
** lift: whoever is waited for inherits the priority of who waits, and stands a level before it.
** A row's reference to itself is no edge, and circles of rows are cut at one place; the server's
** answer (23503) orders what is left.
*/
#include "push/plan.h"

#include <stdlib.h>
#include <string.h>

#include "rows/key.h"
#include "rows/key_value.h"

static int compare_members(const void *a, const void *b) {
  const leadx_member *x = a, *y = b;
  if (x->table != y->table) return (uintptr_t)x->table < (uintptr_t)y->table ? -1 : 1;
  int order = strcmp(x->entity, y->entity);
  if (order == 0) order = strcmp(x->key, y->key);
  if (order != 0) return order;
  return x->rowid < y->rowid ? -1 : x->rowid > y->rowid;
}

/* ---- grouping ---- */

/* May the members of one row be sent now? A row with an open question waits for a person; a FAILED
** one for a new edit or a retry; a delayed one for its time. */
static int is_due(const leadx_member *members, int n) {
  if (members[n - 1].failed) return 0;
  for (int i = 0; i < n; i++) {
    if (members[i].in_conflict || members[i].delayed || members[i].passed) return 0;
  }
  return 1;
}

static int add_member(leadx_member ***list, int *n, leadx_member *member) {
  leadx_member **more = sqlite3_realloc64(*list, sizeof *more * ((size_t)*n + 1));
  if (!more) return SQLITE_NOMEM;
  *list = more;
  more[(*n)++] = member;
  return SQLITE_OK;
}

/* Takes out the rows that say what cannot be done; what is left of the group moves together. */
static int reject_members(leadx_plan *plan, leadx_member *members, int *n) {
  int kept = 0;
  for (int i = 0; i < *n; i++) {
    if (members[i].table && members[i].action != LEADX_NOTHING) {
      leadx_member moved = members[kept];
      members[kept++] = members[i];
      if (kept - 1 != i) members[i] = moved;
    }
  }
  for (int i = kept; i < *n; i++) {
    if (!members[i].failed && !members[i].foreign &&
        add_member(&plan->rejects, &plan->nrejects, &members[i]) != SQLITE_OK)
      return SQLITE_NOMEM;
  }
  *n = kept;
  return SQLITE_OK;
}

/* Leaves the rows up to the first one of another user: it may build on them, and what comes later
** builds on it. */
static int keep_own(leadx_plan *plan, leadx_member *members, int *n) {
  int own = 0, rc = SQLITE_OK;
  while (own < *n && !members[own].foreign) own++;
  for (int i = own; i < *n && rc == SQLITE_OK; i++) {
    if (!members[i].failed && !members[i].explained)
      rc = add_member(&plan->behind, &plan->nbehind, &members[i]);
  }
  if (own < *n) plan->waiting++;
  *n = own;
  return rc;
}

static int add_group(leadx_plan *plan, leadx_member *members, int n) {
  if (reject_members(plan, members, &n) != SQLITE_OK || keep_own(plan, members, &n) != SQLITE_OK)
    return SQLITE_NOMEM;
  if (n == 0) return SQLITE_OK;
  if (members[0].table->mode == LEADX_MODE_PULL || !is_due(members, n)) {
    plan->waiting++;
    return SQLITE_OK;
  }
  leadx_change *change = &plan->changes[plan->n++];
  memset(change, 0, sizeof *change);
  change->table = members[0].table;
  change->key = members[0].key;
  change->members = members;
  change->nmembers = n;
  change->age = members[0].rowid;
  change->priority = change->table->priority;
  leadx_change_fold(change);
  return SQLITE_OK;
}

/* One text names a row, whoever queued it. */
static int spell_keys(leadx_window *window) {
  leadx_err failed = {0};
  for (int i = 0; i < window->n; i++) {
    leadx_member *member = &window->members[i];
    if (!member->table) continue;
    char *key = leadx_key_read(member->table, member->key, LEADX_BY_DEVICE, &failed);
    if (!key) return SQLITE_NOMEM;
    if (strcmp(key, member->key) == 0) {
      sqlite3_free(key);
      continue;
    }
    sqlite3_free(member->spelled);
    member->key = member->spelled = key;
  }
  return SQLITE_OK;
}

static int group(leadx_window *window, leadx_plan *plan) {
  plan->changes = sqlite3_malloc64(sizeof *plan->changes * ((size_t)window->n + 1));
  if (!plan->changes || spell_keys(window) != SQLITE_OK) return SQLITE_NOMEM;
  if (window->n)
    qsort(window->members, (size_t)window->n, sizeof *window->members, compare_members);
  int rc = SQLITE_OK;
  for (int i = 0, end; i < window->n && rc == SQLITE_OK; i = end) {
    for (end = i + 1; end < window->n; end++) {
      const leadx_member *a = &window->members[i], *b = &window->members[end];
      if (a->table != b->table || strcmp(a->entity, b->entity) != 0 || strcmp(a->key, b->key) != 0)
        break;
    }
    rc = add_group(plan, window->members + i, end - i);
  }
  return rc;
}

/* ---- who waits for whom ---- */

/* After grouping, changes stand in (table, key) order: parents are found by bisection. */
static int find_change(const leadx_plan *plan, const leadx_table *table, const char *key) {
  int low = 0, high = plan->n - 1;
  while (low <= high) {
    int middle = low + (high - low) / 2;
    const leadx_change *change = &plan->changes[middle];
    int order = change->table == table                        ? strcmp(change->key, key)
                : (uintptr_t)change->table < (uintptr_t)table ? -1
                                                              : 1;
    if (order == 0) return middle;
    if (order < 0) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/* first[i]…first[i+1] are i's edges in `to`: the changes that must go before i. */
typedef struct edge_list {
  int (*pair)[2]; /* {waits, goes before} */
  int n, capacity;
} edge_list;

static int add_edge(edge_list *edges, int waits, int before) {
  if (edges->n == edges->capacity) {
    int capacity = edges->capacity ? edges->capacity * 2 : 256;
    int(*more)[2] = sqlite3_realloc64(edges->pair, sizeof *more * (size_t)capacity);
    if (!more) return SQLITE_NOMEM;
    edges->pair = more;
    edges->capacity = capacity;
  }
  edges->pair[edges->n][0] = waits;
  edges->pair[edges->n++][1] = before;
  return SQLITE_OK;
}

static int compare_edges(const void *a, const void *b) {
  const int *x = a, *y = b;
  return x[0] != y[0] ? (x[0] < y[0] ? -1 : 1) : (x[1] > y[1]) - (x[1] < y[1]);
}

/* Adds the edges between change i and the parents that this document of it names. is_old: the
** document says what was (a DELETE's row, an UPDATE's base), so the parent's DELETE waits for us;
** else we wait for the parent's CREATE. */
static int link_document(const leadx_plan *plan, int i, leadx_slice row, int is_old,
                         edge_list *edges) {
  const leadx_table *child = plan->changes[i].table;
  for (int r = 0; r < child->nreferences; r++) {
    const leadx_reference *reference = &child->references[r];
    const leadx_table *parent = reference->parent;
    leadx_err failed = {0};
    char *key = parent
                    ? leadx_key_of_parent(child, reference, parent, row, LEADX_BY_DEVICE, &failed)
                    : NULL;
    int p = key ? find_change(plan, parent, key) : -1;
    sqlite3_free(key);
    if (p < 0 || p == i) continue;
    int rc = SQLITE_OK;
    if (is_old && plan->changes[p].action == LEADX_DELETE) rc = add_edge(edges, p, i);
    if (!is_old && plan->changes[p].action == LEADX_CREATE) rc = add_edge(edges, i, p);
    if (rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

static int link_text(const leadx_plan *plan, int i, const char *text, int is_old,
                     edge_list *edges) {
  leadx_slice row;
  if (!text || leadx_json_check(text, strlen(text), 0, &row, NULL)) return SQLITE_OK;
  return link_document(plan, i, row, is_old, edges);
}

/* Reads the documents of a change that has references: an UPDATE's payload has only what it changed,
** so an earlier one may be the last that names a parent. To wait for one more is harmless. */
static int link_change(leadx_db *db, const leadx_plan *plan, int i, edge_list *edges,
                       leadx_err *err) {
  const leadx_change *change = &plan->changes[i];
  int rc = SQLITE_OK;
  for (int m = 0; m < change->nmembers && rc == SQLITE_OK; m++) {
    sqlite3_stmt *stmt = leadx_queue_read(db, change->members[m].id, err);
    if (!stmt) return err->rc;
    if (leadx_db_next(db, stmt, err)) {
      const char *payload = leadx_db_text(stmt, 1, err), *base = leadx_db_text(stmt, 2, err);
      int is_delete = change->members[m].action == LEADX_DELETE;
      rc = link_text(plan, i, payload, is_delete, edges);
      if (rc == SQLITE_OK && base) rc = link_text(plan, i, base, 1, edges);
    }
    leadx_db_put(db, stmt);
    if (rc == SQLITE_OK) rc = err->rc;
  }
  return leadx_err_memory(err, rc);
}

static int link_all(leadx_db *db, const leadx_plan *plan, edge_list *edges, leadx_err *err) {
  int rc = SQLITE_OK;
  for (int i = 0; i < plan->n && rc == SQLITE_OK; i++) {
    if (plan->changes[i].table->nreferences > 0) rc = link_change(db, plan, i, edges, err);
  }
  if (edges->n) qsort(edges->pair, (size_t)edges->n, sizeof *edges->pair, compare_edges);
  return rc;
}

/* ---- lifting ---- */

typedef struct lifting {
  leadx_plan *plan;
  const edge_list *edges;
  int *first; /* of each change's edges */
  int *heirs; /* the edges' numbers, by who goes before */
  int *heir; /* of each change's part of heirs */
  int *left; /* how many a change still waits for; -1 once it stands in the order */
  int *order; /* whoever is waited for stands before who waits */
  int n;
} lifting;

static void clear_lifting(lifting *lift) {
  sqlite3_free(lift->first);
  sqlite3_free(lift->heirs);
  sqlite3_free(lift->heir);
  sqlite3_free(lift->left);
  sqlite3_free(lift->order);
}

static int make_lifting(lifting *lift, leadx_plan *plan, const edge_list *edges) {
  size_t n = sizeof(int) * ((size_t)plan->n + 2);
  *lift = (lifting){plan,
                    edges,
                    sqlite3_malloc64(n),
                    sqlite3_malloc64(sizeof(int) * ((size_t)edges->n + 1)),
                    sqlite3_malloc64(n),
                    sqlite3_malloc64(n),
                    sqlite3_malloc64(n),
                    0};
  if (!lift->first || !lift->heirs || !lift->heir || !lift->left || !lift->order)
    return SQLITE_NOMEM;
  memset(lift->heir, 0, n);
  for (int i = 0, e = 0; i <= plan->n; i++) {
    while (e < edges->n && edges->pair[e][0] < i) e++;
    lift->first[i] = e;
  }
  for (int e = 0; e < edges->n; e++) lift->heir[edges->pair[e][1] + 1]++;
  for (int i = 0; i < plan->n; i++) {
    lift->heir[i + 1] += lift->heir[i];
    lift->left[i] = lift->heir[i];
  }
  for (int e = 0; e < edges->n; e++) lift->heirs[lift->left[edges->pair[e][1]]++] = e;
  for (int i = 0; i < plan->n; i++) lift->left[i] = lift->first[i + 1] - lift->first[i];
  return SQLITE_OK;
}

static void append_to_order(lifting *lift, int i) {
  lift->left[i] = -1;
  lift->order[lift->n++] = i;
}

/* Lets everybody who waits for the change at that place know that it goes. */
static void let_go(lifting *lift, int place) {
  int i = lift->order[place], behind = lift->plan->changes[i].level + 1;
  for (int h = lift->heir[i]; h < lift->heir[i + 1]; h++) {
    int waits = lift->edges->pair[lift->heirs[h]][0];
    leadx_change *change = &lift->plan->changes[waits];
    if (lift->left[waits] < 0) continue;
    if (change->level < behind) change->level = behind;
    if (--lift->left[waits] == 0) append_to_order(lift, waits);
  }
}

/* Somebody that change i still waits for, and so on: where only circles are left, this never
** ends. */
static int waited_for(const lifting *lift, int i) {
  int e = lift->first[i];
  while (lift->left[lift->edges->pair[e][1]] < 0) e++;
  return lift->edges->pair[e][1];
}

/* A change on a circle, found from one that waits for it directly or not (the tortoise and the
** hare). */
static int find_on_circle(const lifting *lift, int i) {
  int slow = waited_for(lift, i), fast = waited_for(lift, slow);
  while (slow != fast) {
    slow = waited_for(lift, slow);
    fast = waited_for(lift, waited_for(lift, fast));
  }
  return slow;
}

/* Gives every change a level behind all it waits for. Where only circles are left, one is cut at
** one change. */
static void find_levels(lifting *lift) {
  int place = 0, next = 0;
  for (int i = 0; i < lift->plan->n; i++) {
    if (lift->left[i] == 0) append_to_order(lift, i);
  }
  while (place < lift->plan->n) {
    if (place == lift->n) {
      while (lift->left[next] < 0) next++;
      int cut = find_on_circle(lift, next);
      lift->plan->changes[cut].deferred = lift->plan->changes[cut].action == LEADX_CREATE;
      append_to_order(lift, cut);
    }
    let_go(lift, place++);
  }
}

/* Hands a change's priority on to everything it waits for. */
static void hand_down(lifting *lift) {
  for (int place = lift->n - 1; place >= 0; place--) {
    int i = lift->order[place], priority = lift->plan->changes[i].priority;
    for (int e = lift->first[i]; e < lift->first[i + 1]; e++) {
      leadx_change *before = &lift->plan->changes[lift->edges->pair[e][1]];
      if (priority < before->priority) before->priority = priority;
    }
  }
}

static int lift_parents(leadx_plan *plan, const edge_list *edges) {
  lifting lift;
  int rc = make_lifting(&lift, plan, edges);
  if (rc == SQLITE_OK) {
    find_levels(&lift);
    hand_down(&lift);
  }
  clear_lifting(&lift);
  return rc;
}

/* ---- order ---- */

/* Within one table and level, DELETEs go first: they free the unique values that others take. */
static int action_rank(leadx_action action) {
  return action == LEADX_DELETE ? 0 : action == LEADX_UPDATE ? 1 : 2;
}

static int compare_changes(const void *a, const void *b) {
  const leadx_change *x = a, *y = b;
  if (x->priority != y->priority) return x->priority < y->priority ? -1 : 1;
  if (x->level != y->level) return x->level < y->level ? -1 : 1;
  if (x->table->priority != y->table->priority)
    return x->table->priority < y->table->priority ? -1 : 1;
  int order = strcmp(x->table->entity, y->table->entity);
  if (order == 0) order = action_rank(x->action) - action_rank(y->action);
  if (order != 0) return order;
  return x->age < y->age ? -1 : x->age > y->age;
}

int leadx_plan_make(leadx_db *db, leadx_window *window, leadx_plan *plan, leadx_err *err) {
  edge_list edges = {NULL, 0, 0};
  memset(plan, 0, sizeof *plan);
  int rc = leadx_err_memory(err, group(window, plan));
  if (rc == SQLITE_OK) rc = link_all(db, plan, &edges, err);
  if (rc == SQLITE_OK && edges.n > 0 && lift_parents(plan, &edges) != SQLITE_OK)
    rc = leadx_err_nomem(err);
  sqlite3_free(edges.pair);
  if (rc == SQLITE_OK && plan->n)
    qsort(plan->changes, (size_t)plan->n, sizeof *plan->changes, compare_changes);
  return rc;
}

void leadx_plan_clear(leadx_plan *plan) {
  for (int i = 0; i < plan->n; i++) {
    leadx_change_unload(&plan->changes[i]);
    sqlite3_free(plan->changes[i].taken);
  }
  sqlite3_free(plan->changes);
  sqlite3_free(plan->rejects);
  sqlite3_free(plan->behind);
  memset(plan, 0, sizeof *plan);
}

int leadx_plan_is_same_stage(const leadx_change *a, const leadx_change *b) {
  return a->table == b->table && a->action == b->action && a->priority == b->priority &&
         a->level == b->level;
}

int leadx_plan_stage_end(const leadx_plan *plan, int i) {
  int end = i + 1;
  while (end < plan->n && leadx_plan_is_same_stage(&plan->changes[i], &plan->changes[end])) end++;
  return end;
}
