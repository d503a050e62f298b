/* The tables of a seed: made up, written as SQL for the file and for the server, and every form that
** a value of theirs has. See people.h. */
#include <stdlib.h>
#include <string.h>

#include "base/instant.h"
#include "people.h"

#define EPOCH_S INT64_C(1700000000)

/* ---- making a schema up ---- */

static void add_column(people_table *table, const char *name, people_kind kind) {
  people_column *column = &table->column[table->ncolumns++];
  memset(column, 0, sizeof *column);
  snprintf(column->name, sizeof column->name, "%s", name);
  snprintf(column->remote, sizeof column->remote, "%s", name);
  column->kind = kind;
  column->parent = -1;
}

static void make_key(sim_world *world, people_table *table) {
  static const people_kind single[] = {KIND_TEXT,    KIND_UUID, KIND_UUID,  KIND_INTEGER,
                                       KIND_DECIMAL, KIND_REAL, KIND_EPOCH, KIND_TEXT};
  table->nkey = sim_chance(world, 250) ? 2 : 1;
  for (int i = 0; i < table->nkey; i++) {
    add_column(table, i ? "kb" : "ka", single[sim_below(world, 8)]);
    people_column *column = &table->column[i];
    column->is_capital = column->kind == KIND_UUID && sim_chance(world, 500);
    /* A program that writes capitals finds what was pulled in small letters: a column without case. */
    column->is_nocase = column->is_capital || (column->kind == KIND_TEXT && sim_chance(world, 200));
  }
}

/* A reference to a table that was made before, whose key is one column. */
static void make_reference(sim_world *world, people_schema *schema, int t) {
  people_table *table = &schema->table[t];
  int parent = sim_below(world, t);
  if (schema->table[parent].nkey != 1) return;
  add_column(table, "up", schema->table[parent].column[0].kind);
  people_column *column = &table->column[table->ncolumns - 1];
  column->is_capital = schema->table[parent].column[0].is_capital;
  column->is_nocase = schema->table[parent].column[0].is_nocase;
  column->parent = parent;
  column->cascades = !table->is_soft && !schema->table[parent].is_soft && sim_chance(world, 500);
}

static void make_table(sim_world *world, people_schema *schema, int t) {
  static const people_kind kinds[] = {KIND_TEXT, KIND_TEXT,  KIND_INTEGER, KIND_DECIMAL,
                                      KIND_REAL, KIND_EPOCH, KIND_STAMP};
  people_table *table = &schema->table[t];
  memset(table, 0, sizeof *table);
  snprintf(table->name, sizeof table->name, "t%d", t);
  table->is_soft = sim_chance(world, 250);
  make_key(world, table);
  if (t > 0 && sim_chance(world, 500)) make_reference(world, schema, t);
  add_column(table, "a", KIND_TEXT);
  add_column(table, "b", kinds[sim_below(world, 7)]);
  if (sim_chance(world, 350)) {
    add_column(table, "u", sim_chance(world, 500) ? KIND_TEXT : KIND_INTEGER);
    table->column[table->ncolumns - 1].is_unique = 1;
  }
  if (sim_chance(world, 250) && !people_is_listed(world->without, "computed")) {
    add_column(table, "made", KIND_INTEGER);
    table->column[table->ncolumns - 1].is_computed = 1;
  }
  if (sim_chance(world, 250)) {
    add_column(table, "mine", KIND_TEXT);
    table->column[table->ncolumns - 1].is_local = 1;
  } else {
    add_column(table, "late", KIND_TEXT);
    table->column[table->ncolumns - 1].is_absent = 1;
  }
  table->is_without_rowid = sim_chance(world, 200);
  static const char *const triggers[] = {"", "trim", "refuse", "total"};
  int trigger = sim_chance(world, 250) ? 1 + sim_below(world, 3) : 0;
  if (!people_is_listed(world->without, triggers[trigger]))
    table->trigger = (people_trigger)trigger;
}

void people_schema_make(sim_world *world, people_schema *schema) {
  schema->ntables = 1 + sim_below(world, 3) + sim_chance(world, 200);
  for (int t = 0; t < schema->ntables; t++) make_table(world, schema, t);
}

/* ---- SQL ---- */

static const char *local_type(people_kind kind) {
  static const char *const types[] = {"TEXT", "TEXT", "INTEGER", "TEXT", "REAL", "INTEGER", "TEXT"};
  return types[kind];
}

static void append_key_list(const people_table *table, sqlite3_str *out) {
  for (int i = 0; i < table->nkey; i++)
    sqlite3_str_appendf(out, "%s%s", i ? ", " : "", table->column[i].name);
}

char *people_local_ddl(const people_schema *schema, int t, const char *name) {
  const people_table *table = &schema->table[t];
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_appendf(out, "CREATE TABLE %s(", name);
  for (int c = 0; c < table->ncolumns; c++) {
    const people_column *column = &table->column[c];
    if (column->is_absent) continue;
    sqlite3_str_appendf(out, "%s %s%s%s%s, ", column->name, local_type(column->kind),
                        c < table->nkey ? " NOT NULL" : "",
                        column->is_nocase ? " COLLATE NOCASE" : "",
                        column->is_unique ? " UNIQUE" : "");
  }
  sqlite3_str_appendf(out, "updated_at TEXT%s, PRIMARY KEY(",
                      table->is_soft ? ", deleted_at TEXT" : "");
  append_key_list(table, out);
  sqlite3_str_appendall(out, ")");
  for (int c = 0; c < table->ncolumns; c++) {
    const people_column *column = &table->column[c];
    if (column->parent >= 0)
      sqlite3_str_appendf(out, ", FOREIGN KEY(%s) REFERENCES %s(%s)%s", column->name,
                          schema->table[column->parent].name,
                          schema->table[column->parent].column[0].name,
                          column->cascades ? " ON DELETE CASCADE" : "");
  }
  sqlite3_str_appendf(out, ")%s", table->is_without_rowid ? " WITHOUT ROWID" : "");
  return sqlite3_str_finish(out);
}

/* Numbers as integers, texts as they are, and who may not see the row. */
char *people_server_ddl(const people_schema *schema, int t) {
  const people_table *table = &schema->table[t];
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_appendf(out, "CREATE TABLE %s(", table->name);
  for (int c = 0; c < table->ncolumns; c++) {
    const people_column *column = &table->column[c];
    if (column->is_local) continue;
    sqlite3_str_appendf(out, "%s %s%s%s", column->remote,
                        column->kind == KIND_TEXT || column->kind == KIND_UUID ? "TEXT" : "INTEGER",
                        c < table->nkey ? " NOT NULL" : "", column->is_unique ? " UNIQUE" : "");
    if (column->parent >= 0)
      sqlite3_str_appendf(out, " REFERENCES %s(%s)%s", schema->table[column->parent].name,
                          schema->table[column->parent].column[0].remote,
                          column->cascades ? " ON DELETE CASCADE" : "");
    sqlite3_str_appendall(out, ", ");
  }
  sqlite3_str_appendall(
      out, "updated_at INTEGER, deleted_at INTEGER, hidden INTEGER DEFAULT 0, PRIMARY KEY(");
  append_key_list(table, out);
  sqlite3_str_appendall(out, "))");
  return sqlite3_str_finish(out);
}

static const char *track_type(people_kind kind) {
  static const char *const types[] = {"text",    "uuid",        "integer",  "decimal",
                                      "decimal", "timestamp:s", "timestamp"};
  return types[kind];
}

char *people_track_sql(const people_schema *schema, int t, int backfill) {
  const people_table *table = &schema->table[t];
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_appendf(out, "SELECT leadx_track('%s', '{\"delete\":\"%s\",%s%s\"columns\":{",
                      table->name, table->is_soft ? "soft" : "hard",
                      table->is_soft ? "\"soft_delete\":\"deleted_at\"," : "",
                      backfill ? "\"backfill\":true," : "");
  for (int c = 0, n = 0; c < table->ncolumns; c++) {
    const people_column *column = &table->column[c];
    if (column->is_absent) continue;
    sqlite3_str_appendf(out, "%s\"%s\":", n++ ? "," : "", column->name);
    if (column->is_local) sqlite3_str_appendall(out, "null");
    else if (strcmp(column->name, column->remote) != 0)
      sqlite3_str_appendf(out, "{\"type\":\"%s\",\"remote\":\"%s\"}", track_type(column->kind),
                          column->remote);
    else sqlite3_str_appendf(out, "{\"type\":\"%s\"}", track_type(column->kind));
  }
  sqlite3_str_appendall(out, "}}')");
  return sqlite3_str_finish(out);
}

/* The condition that a row of t0 is not the one that the trigger is about. */
static const char *is_another(const people_table *table) {
  return table->nkey == 2 ? " AND (ka, kb) IS NOT (NEW.ka, NEW.kb)" : " AND ka IS NOT NEW.ka";
}

char *people_trigger_sql(const people_schema *schema, int t) {
  const char *name = schema->table[t].name;
  switch (schema->table[t].trigger) {
    case TRIGGER_TRIM: /* a cache of what came last */
      return sqlite3_mprintf(
          "CREATE TRIGGER app_%s AFTER INSERT ON %s WHEN (SELECT count(*) FROM %s) > 9 BEGIN "
          "DELETE FROM %s WHERE a = (SELECT min(a) FROM %s); END",
          name, name, name, name, name);
    case TRIGGER_REFUSE: /* some rows are none of this device's business */
      return sqlite3_mprintf(
          "CREATE TRIGGER app_%s BEFORE INSERT ON %s WHEN NEW.a LIKE '%%7' BEGIN "
          "SELECT RAISE(IGNORE); END",
          name, name);
    case TRIGGER_TOTAL: /* how often rows came, told in other tracked rows */
      return sqlite3_mprintf("CREATE TRIGGER app_%s AFTER INSERT ON %s BEGIN "
                             "UPDATE t0 SET a = 'total ' || (1 + CAST(substr(a, 7) AS INTEGER)) "
                             "WHERE a LIKE 'total %%'%s; END",
                             name, name, t > 0 ? "" : is_another(&schema->table[0]));
    default: return NULL;
  }
}

/* ---- values ---- */

char *people_new_value(sim_world *world, const people_column *column) {
  static const char *const odd[] = {"%d",      "line\nend %d", "q\"%d",
                                    "b\\%d",   "O'%d",         "\xc3\xa4,(%d)",
                                    "tab\t%d", "total %d",     "%d "};
  int n = ++world->counter;
  if (column->is_unique) n = 1 + sim_below(world, 40);
  else if (sim_chance(world, 50)) return NULL;
  switch (column->kind) {
    case KIND_TEXT:
      if (!column->is_unique && sim_chance(world, 10)) {
        char *large = sqlite3_mprintf("%d %*s", n, 3000 + sim_below(world, 9000), "large");
        return large;
      }
      return sqlite3_mprintf(odd[column->is_unique ? 0 : sim_below(world, 9)], n);
    case KIND_DECIMAL:
    case KIND_REAL: return sqlite3_mprintf("%d", n * 10 + 5);
    case KIND_EPOCH: return sqlite3_mprintf("%lld000000", (long long)(EPOCH_S + n));
    case KIND_STAMP:
      return sqlite3_mprintf("%lld", (long long)(EPOCH_S + n) * 1000000 + n % 1000 * 1000);
    default: return sqlite3_mprintf("%d", n);
  }
}

static char *key_part(const people_column *column, int n) {
  static const char *const odd[] = {"k%d",  "K%d", "a\nb%d",  "\xc3\xa4,(%d)", "q\"\\%d",
                                    "%d.5", " %d", "it's %d", "%d%%"};
  unsigned h = (unsigned)n * 2654435761u;
  switch (column->kind) {
    /* Where letters have no case, two keys must not differ by that alone, unless they are meant to. */
    case KIND_TEXT:
      return sqlite3_mprintf(
          odd[h % 9], column->is_nocase && column->kind == KIND_TEXT && n % 4 == 1 ? n - 1 : n);
    case KIND_UUID: return sqlite3_mprintf("%08x-abcd-4ef0-8abc-%012x", h ^ h >> 15, (unsigned)n);
    case KIND_INTEGER:
      return sqlite3_mprintf("%lld", n % 3 ? (long long)n : INT64_C(9007199254740993) + n);
    case KIND_DECIMAL:
    case KIND_REAL: return sqlite3_mprintf("%d", 100 + n * 10);
    default: return sqlite3_mprintf("%lld000000", (long long)(EPOCH_S + n));
  }
}

void people_key_of(const people_table *table, int n, char **out) {
  for (int i = 0; i < table->nkey; i++)
    out[i] = key_part(&table->column[i], table->nkey == 1 ? n : i ? n / 2 : n % 2 + n / 4 * 2);
}

char *people_join_key(const people_table *table, char *const *values) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  for (int i = 0; i < table->nkey; i++)
    sqlite3_str_appendf(out, "%s%s", i ? "\x1f" : "", values[i] ? values[i] : "");
  return sqlite3_str_length(out) ? sqlite3_str_finish(out)
                                 : (sqlite3_str_finish(out), sqlite3_mprintf(""));
}

/* ---- forms ---- */

static char *hundredths(const char *value) {
  long long n = atoll(value);
  return sqlite3_mprintf("%s%lld.%02lld", n < 0 ? "-" : "", llabs(n) / 100, llabs(n) % 100);
}

char *people_to_literal(const people_column *column, const char *value) {
  char stamp[LEADX_INSTANT_BYTES], *text;
  if (!value) return sqlite3_mprintf("NULL");
  switch (column->kind) {
    case KIND_UUID:
      text = sqlite3_mprintf("%Q", value);
      for (char *at = text; column->is_capital && *at; at++)
        if (*at >= 'a' && *at <= 'z') *at = (char)(*at - 32);
      return text;
    case KIND_INTEGER: return sqlite3_mprintf("%s", value);
    case KIND_DECIMAL:
      text = hundredths(value);
      char *quoted = sqlite3_mprintf("'%s'", text);
      sqlite3_free(text);
      return quoted;
    case KIND_REAL: return hundredths(value);
    case KIND_EPOCH: return sqlite3_mprintf("%lld", atoll(value) / 1000000);
    case KIND_STAMP:
      leadx_instant_format(atoll(value), stamp);
      return sqlite3_mprintf("'%s'", stamp);
    default: return sqlite3_mprintf("%Q", value);
  }
}

char *people_to_server(const people_column *column, const char *value) {
  int is_text = column->kind == KIND_TEXT || column->kind == KIND_UUID;
  return sqlite3_mprintf(is_text || !value ? "%Q" : "%s", value);
}

/* Hundredths of a decimal text; 1 when it is none. */
static int parse_decimal(const char *text, size_t n, long long *out) {
  char copy[64], *end;
  if (n == 0 || n >= sizeof copy) return 1;
  memcpy(copy, text, n);
  copy[n] = 0;
  double value = strtod(copy, &end);
  *out = (long long)(value * 100 + (value < 0 ? -0.5 : 0.5));
  return *end != 0;
}

static int is_uuid(const char *text, size_t n) {
  return n == 36 && text[8] == '-' && text[13] == '-' && text[23] == '-';
}

char *people_from_text(const people_column *column, const char *text, size_t n, int *bad) {
  char *out, *end;
  long long number;
  int64_t us;
  switch (column->kind) {
    case KIND_UUID:
      if (!is_uuid(text, n)) break;
      out = sqlite3_mprintf("%.*s", (int)n, text);
      for (char *at = out; *at; at++)
        if (*at >= 'A' && *at <= 'Z') *at = (char)(*at + 32);
      return out;
    case KIND_INTEGER:
      out = sqlite3_mprintf("%.*s", (int)n, text);
      number = strtoll(out, &end, 10);
      if (*end || end == out) {
        sqlite3_free(out);
        break;
      }
      sqlite3_free(out);
      return sqlite3_mprintf("%lld", number);
    case KIND_DECIMAL:
    case KIND_REAL:
      if (parse_decimal(text, n, &number)) break;
      return sqlite3_mprintf("%lld", number);
    case KIND_EPOCH:
    case KIND_STAMP:
      if (n < 12 || leadx_instant_parse(text, n, &us)) break;
      return sqlite3_mprintf("%lld", (long long)us);
    default: return sqlite3_mprintf("%.*s", (int)n, text);
  }
  *bad = 1;
  return NULL;
}

char *people_from_json(const people_column *column, leadx_slice json, int *bad) {
  char *text = NULL;
  size_t n = 0;
  if (leadx_json_kind_of(json) == LEADX_JSON_NULL) return NULL;
  if (leadx_json_text(json, &text, &n) != SQLITE_OK)
    return people_from_text(column, json.z, json.n, bad);
  char *out = people_from_text(column, text, n, bad);
  sqlite3_free(text);
  return out;
}

char *people_to_json(const people_column *column, const char *value) {
  if (!value) return sqlite3_mprintf("null");
  if (column->kind == KIND_INTEGER) return sqlite3_mprintf("%s", value);
  if (column->kind == KIND_DECIMAL || column->kind == KIND_REAL) return hundredths(value);
  char stamp[LEADX_INSTANT_BYTES];
  sqlite3_str *out = sqlite3_str_new(NULL);
  if (column->kind == KIND_EPOCH || column->kind == KIND_STAMP) {
    leadx_instant_format(atoll(value), stamp);
    snprintf(stamp + strlen(stamp) - 1, 7, "+00:00");
    value = stamp;
  }
  leadx_json_append_string(out, value, strlen(value));
  return sqlite3_str_finish(out);
}

char *people_from_local(const people_column *column, sqlite3_stmt *stmt, int i) {
  int bad = 0;
  char *out;
  if (sqlite3_column_type(stmt, i) == SQLITE_NULL) return NULL;
  if (column->kind == KIND_EPOCH)
    return sqlite3_mprintf("%lld", sqlite3_column_int64(stmt, i) * 1000000);
  const char *text = (const char *)sqlite3_column_text(stmt, i);
  out = people_from_text(column, text, (size_t)sqlite3_column_bytes(stmt, i), &bad);
  return bad ? sqlite3_mprintf("(%s)", text) : out;
}
