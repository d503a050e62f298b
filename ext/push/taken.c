/* UNIQUE values that change hands. See taken.h. */
#include "push/taken.h"

#include <string.h>

#include "push/aside.h"

/* ---- who has the value that a change asks for ---- */

/* Is it the column of the UNIQUE value that the server named: "Key (code)=(…)"? Where it hides that,
** any column may be. */
static int may_be_column(const leadx_change *change, int column) {
  const char *named = strstr(change->taken, "Key ("), *end = named ? strstr(named, ")=(") : NULL;
  if (!end) return 1;
  const char *remote = change->table->columns[column].remote;
  size_t n = strlen(remote);
  for (const char *at = named + 5; at && at < end; at = strchr(at, ',')) {
    at += strspn(at, ", \"");
    if (strncmp(at, remote, n) == 0 && strchr(",)\"", at[n])) return 1;
  }
  return 0;
}

static int is_same(leadx_slice a, leadx_slice b) {
  return a.n == b.n && a.n > 0 && memcmp(a.z, b.z, a.n) == 0;
}

/* Does `other` give up a value that the change asks for? */
static int gives_way_to(const leadx_change *other, const leadx_change *change) {
  if (other->table != change->table || other == change) return 0;
  for (int i = 0; i < change->nfields; i++) {
    const leadx_field *wanted = &change->fields[i];
    if (wanted->column < 0 || !may_be_column(change, wanted->column)) continue;
    const leadx_field *has = leadx_change_field(other, wanted->column);
    if (has && has->changed && is_same(has->base, wanted->value)) return 1;
  }
  return 0;
}

/* ---- the order ---- */

/* Changes that are being put in order: `from` has them as they came, `to` those that have found
** their place. */
typedef struct ordering {
  const leadx_change *from;
  int *to; /* indices */
  char *seen; /* of each: it has its place, or is on the way to it */
  int n, placed;
} ordering;

/* Puts a change behind those that give way to it: a walk from one to the next, so that a line of any
** length costs no stack. */
static void place(ordering *o, int *path, int start) {
  int depth = 0;
  path[depth++] = start;
  o->seen[start] = 1;
  while (depth > 0) {
    int next = 0, at = path[depth - 1];
    while (next < o->n && (o->seen[next] || !gives_way_to(&o->from[next], &o->from[at]))) next++;
    if (next < o->n) {
      o->seen[next] = 1;
      path[depth++] = next;
    } else {
      o->to[o->placed++] = at;
      depth--;
    }
  }
}

static int put_in_order(leadx_change *changes, int n, leadx_err *err) {
  size_t room = (size_t)n + 1;
  ordering o = {.from = changes, .n = n};
  int *path = sqlite3_malloc64(sizeof *path * room);
  leadx_change *sorted = sqlite3_malloc64(sizeof *sorted * room);
  o.to = sqlite3_malloc64(sizeof *o.to * room);
  o.seen = sqlite3_malloc64(room);
  if (path && sorted && o.to && o.seen) {
    memset(o.seen, 0, room);
    for (int i = 0; i < n; i++) {
      if (!o.seen[i]) place(&o, path, i);
    }
    for (int i = 0; i < n; i++) sorted[i] = changes[o.to[i]];
    memcpy(changes, sorted, sizeof *changes * (size_t)n);
  } else {
    leadx_err_nomem(err);
  }
  sqlite3_free(path);
  sqlite3_free(sorted);
  sqlite3_free(o.to);
  sqlite3_free(o.seen);
  return err->rc;
}

/* Those that wait go behind those that do not; each side keeps its order. */
static int part(leadx_plan *plan, int *first, leadx_err *err) {
  leadx_change *parted = sqlite3_malloc64(sizeof *parted * ((size_t)plan->n + 1));
  int n = 0;
  if (!parted) return leadx_err_nomem(err);
  for (int i = 0; i < plan->n; i++) {
    if (!plan->changes[i].taken) parted[n++] = plan->changes[i];
  }
  *first = n;
  for (int i = 0; i < plan->n; i++) {
    if (plan->changes[i].taken) parted[n++] = plan->changes[i];
  }
  memcpy(plan->changes, parted, sizeof *parted * (size_t)plan->n);
  sqlite3_free(parted);
  return SQLITE_OK;
}

static int load_all(leadx_db *db, leadx_plan *plan, int first, leadx_err *err) {
  int rc = SQLITE_OK;
  for (int i = first; i < plan->n && rc == SQLITE_OK; i++)
    rc = leadx_change_load(db, &plan->changes[i], err);
  return rc;
}

static void unload_all(leadx_plan *plan, int first) {
  for (int i = first; i < plan->n; i++) leadx_change_unload(&plan->changes[i]);
}

int leadx_taken_order(leadx_db *db, leadx_plan *plan, int *first, leadx_err *err) {
  *first = plan->n;
  int waits = 0;
  for (int i = 0; i < plan->n && !waits; i++) waits = plan->changes[i].taken != NULL;
  if (!waits || part(plan, first, err) != SQLITE_OK) return err->rc;
  int rc = load_all(db, plan, *first, err);
  if (rc == SQLITE_OK) rc = put_in_order(plan->changes + *first, plan->n - *first, err);
  unload_all(plan, *first);
  return rc;
}

int leadx_taken_has_hope(const leadx_plan *plan, int first) {
  for (int i = first; i < plan->n; i++) {
    for (int k = 0; k < plan->n; k++) {
      if (k != i && plan->changes[k].table == plan->changes[i].table &&
          plan->changes[k].action != LEADX_CREATE)
        return 1;
    }
  }
  return 0;
}

/* ---- stepping aside ---- */

/* Does one of the plan's changes that wait ask for what the change has in that column? */
static int is_waited_for(const leadx_plan *plan, int first, const leadx_change *change,
                         const leadx_field *field) {
  for (int i = first; i < plan->n; i++) {
    const leadx_change *other = &plan->changes[i];
    if (other == change || other->table != change->table || !other->taken) continue;
    const leadx_field *wanted = leadx_change_field(other, field->column);
    if (wanted && wanted->changed && may_be_column(other, field->column) &&
        is_same(wanted->value, field->base))
      return 1;
  }
  return 0;
}

/* The column in which the change can step aside, and has not yet; -1: none. */
static int aside_column(const leadx_plan *plan, int first, const leadx_change *change) {
  for (int i = 0; change->action == LEADX_UPDATE && i < change->nfields; i++) {
    const leadx_field *field = &change->fields[i];
    if (!field->changed || field->column < 0 || change->stepped >> field->column % 64 & 1) continue;
    const leadx_column *column = &change->table->columns[field->column];
    if (column->key_position || !is_waited_for(plan, first, change, field)) continue;
    char *value = leadx_aside_value(column->type, change->members[0].id);
    int can = value != NULL;
    sqlite3_free(value);
    if (can) return field->column;
  }
  return -1;
}

/* Does it wait for itself, by way of others that wait? Otherwise the value that it asks for stays
** somebody else's, and the row would stand aside for ever. */
static int is_on_circle(const leadx_plan *plan, int first, int start, int *path, char *seen) {
  int n = 0;
  memset(seen, 0, (size_t)plan->n);
  path[n++] = start;
  while (n > 0) {
    const leadx_change *change = &plan->changes[path[--n]];
    for (int i = first; i < plan->n; i++) {
      const leadx_change *other = &plan->changes[i];
      if (seen[i] || !other->taken || !gives_way_to(other, change)) continue;
      if (i == start) return 1;
      seen[i] = 1;
      path[n++] = i;
    }
  }
  return 0;
}

static void choose(leadx_plan *plan, int first, int *path, char *seen, int *chosen) {
  for (int i = first; i < plan->n && !*chosen; i++) {
    leadx_change *change = &plan->changes[i];
    int column = change->taken ? aside_column(plan, first, change) : -1;
    if (column < 0 || !is_on_circle(plan, first, i, path, seen)) continue;
    change->aside = column + 1;
    change->stepped |= UINT64_C(1) << column % 64;
    *chosen = 1;
  }
}

int leadx_taken_choose(leadx_db *db, leadx_plan *plan, int first, int *chosen, leadx_err *err) {
  size_t room = (size_t)plan->n + 1;
  int *path = sqlite3_malloc64(sizeof *path * room);
  char *seen = sqlite3_malloc64(room);
  *chosen = 0;
  if (!path || !seen) leadx_err_nomem(err);
  else if (load_all(db, plan, first, err) == SQLITE_OK) choose(plan, first, path, seen, chosen);
  unload_all(plan, first);
  sqlite3_free(path);
  sqlite3_free(seen);
  return err->rc;
}
