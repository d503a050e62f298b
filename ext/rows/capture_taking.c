/* The triggers that see what REPLACE takes along. See capture_taking.h. */
#include "rows/capture_taking.h"

#include "rows/capture_cell.h"
#include "rows/capture_trigger.h"
#include "rows/capture_value.h"
#include "store/template.h"

/* A trigger that notes rows that REPLACE may take along, or sees what became of them. */
typedef struct taking_fill {
  const leadx_table *table;
  const leadx_uniques *uniques;
  const char *name, *row; /* the quoted name of the table */
  int which;
} taking_fill;

static int is_edit(const taking_fill *fill) {
  return fill->which == LEADX_TRIGGER_RENOTE || fill->which == LEADX_TRIGGER_RETOOK;
}

/* A key that SQLite chooses is -1 before the row is written, and a note of it is the next row's. */
static int chooses_key(const taking_fill *fill) {
  return !is_edit(fill) && fill->table->integer_key;
}

static void append_new_key(const taking_fill *fill, sqlite3_str *sql) {
  if (chooses_key(fill)) sqlite3_str_appendall(sql, "ifnull(");
  leadx_capture_key_cell(sql, fill->table, "NEW");
  if (chooses_key(fill)) sqlite3_str_appendall(sql, ", -1)");
}

/* Is it a note of the row that is being written? */
static void append_is_new(const taking_fill *fill, sqlite3_str *sql) {
  sqlite3_str_appendall(sql,
                        chooses_key(fill) ? "leadx_taken.new IN (-1, " : "leadx_taken.new IS ");
  append_new_key(fill, sql);
  if (chooses_key(fill)) sqlite3_str_appendall(sql, ")");
}

/* Has the table's row the key of another one, byte by byte? */
static void append_has_key_of(const taking_fill *fill, sqlite3_str *sql, const char *other) {
  const leadx_table *table = fill->table;
  for (int i = 0; i < table->nkey; i++) {
    const char *name = table->columns[table->key[i]].name;
    sqlite3_str_appendf(sql, "%s%s.\"%w\" COLLATE BINARY IS %s.\"%w\"", i ? " AND " : "", fill->row,
                        name, other, name);
  }
}

/* One column of the keys of the rows that a unique index finds. */
static void append_note(const taking_fill *fill, sqlite3_str *sql, const char *match, int column) {
  const leadx_table *table = fill->table;
  const leadx_column *part = &table->columns[column];
  char *name = leadx_capture_member(part), *ref = leadx_capture_reference(fill->row, part);
  if (!name || !ref) leadx_err_spoil(sql);
  sqlite3_str_appendf(sql, "%Q, ", table->entity);
  append_new_key(fill, sql);
  sqlite3_str_appendall(sql, ", ");
  leadx_capture_key_cell(sql, table, fill->row);
  sqlite3_str_appendf(sql, ", %d, '%c%q', ", column, part->type == LEADX_BOOLEAN ? 'B' : 'K',
                      name ? name : "");
  leadx_capture_cell(sql, part->type, ref ? ref : "NULL");
  sqlite3_str_appendf(sql, ", %s FROM %s WHERE (%s) AND NOT (", ref ? ref : "NULL", fill->row,
                      match);
  append_has_key_of(fill, sql, "NEW");
  sqlite3_str_appendall(sql, ")");
  if (is_edit(fill)) {
    sqlite3_str_appendall(sql, " AND NOT (");
    append_has_key_of(fill, sql, "OLD");
    sqlite3_str_appendall(sql, ")");
  }
  sqlite3_free(name);
  sqlite3_free(ref);
}

static void append_notes(const taking_fill *fill, sqlite3_str *sql) {
  for (int i = 0; i < fill->uniques->n; i++) {
    sqlite3_str_appendall(sql, "  INSERT INTO leadx_taken(entity, new, old, place, k, v, raw)");
    for (int k = 0; k < fill->table->nkey; k++) {
      sqlite3_str_appendall(sql, k ? "\n    UNION ALL SELECT " : " SELECT ");
      append_note(fill, sql, fill->uniques->match[i], fill->table->key[k]);
    }
    sqlite3_str_appendall(sql, ";\n");
  }
}

/* Is the table's row the one that is noted? Compared as its column compares first, so that an index
** finds it. */
static void append_stands(const taking_fill *fill, sqlite3_str *sql) {
  const leadx_table *table = fill->table;
  for (int i = 0; i < table->nkey; i++) {
    const char *name = table->columns[table->key[i]].name;
    char *noted = table->nkey == 1
                      ? sqlite3_mprintf("leadx_taken.raw")
                      : sqlite3_mprintf(
                            "(SELECT leadx_note.raw FROM leadx_taken leadx_note WHERE "
                            "leadx_note.entity = leadx_taken.entity AND leadx_note.new IS "
                            "leadx_taken.new AND leadx_note.old IS leadx_taken.old AND "
                            "leadx_note.place = %d)",
                            table->key[i]);
    if (!noted) leadx_err_spoil(sql);
    sqlite3_str_appendf(sql, "%s%s.\"%w\" IS %s AND %s.\"%w\" COLLATE BINARY IS %s",
                        i ? " AND " : "", fill->row, name, noted ? noted : "NULL", fill->row, name,
                        noted ? noted : "NULL");
    sqlite3_free(noted);
  }
}

/* The row whose key changes has a DELETE of its old one, whoever notes it. */
static void append_moved(const taking_fill *fill, sqlite3_str *sql) {
  if (!is_edit(fill)) return;
  sqlite3_str_appendf(sql, "  DELETE FROM leadx_taken WHERE entity = %Q AND old IS ",
                      fill->table->entity);
  leadx_capture_key_cell(sql, fill->table, "OLD");
  sqlite3_str_appendall(sql, " AND NOT (");
  leadx_capture_same_key(sql, fill->table);
  sqlite3_str_appendall(sql, ");\n");
}

static void fill_taking(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  const taking_fill *fill = arg;
#define HOLE(name) leadx_template_is(hole, n, name)
  if (HOLE("name")) sqlite3_str_appendf(sql, "\"%w\"", fill->name);
  if (HOLE("table")) sqlite3_str_appendall(sql, fill->row);
  if (HOLE("entity")) sqlite3_str_appendf(sql, "%Q", fill->table->entity);
  if (HOLE("event")) sqlite3_str_appendall(sql, leadx_capture_event(fill->which));
  if (HOLE("of") && is_edit(fill)) sqlite3_str_appendall(sql, fill->uniques->of);
  if (HOLE("is_new")) append_is_new(fill, sql);
  if (HOLE("notes")) append_notes(fill, sql);
  if (HOLE("stands")) append_stands(fill, sql);
  if (HOLE("moved")) append_moved(fill, sql);
  if (HOLE("keys")) leadx_capture_key_places(sql, fill->table);
  if (HOLE("old_key")) leadx_capture_key_cell(sql, fill->table, "OLD");
#undef HOLE
}

/* The statement that makes a trigger of that kind. */
static int template_of(int which) {
  if (which == LEADX_TRIGGER_FORGET) return LEADX_SQL_CAPTURE_FORGET;
  int is_note = which == LEADX_TRIGGER_NOTE || which == LEADX_TRIGGER_RENOTE;
  return is_note ? LEADX_SQL_CAPTURE_NOTE : LEADX_SQL_CAPTURE_TOOK;
}

char *leadx_capture_taking(const leadx_table *table, const leadx_uniques *uniques, int which) {
  char *name = leadx_capture_name(table, which), *row = sqlite3_mprintf("\"%w\"", table->name);
  sqlite3_str *sql = sqlite3_str_new(NULL);
  if (name && row) {
    const taking_fill fill = {table, uniques, name, row, which};
    leadx_template_append(sql, leadx_sql_text[template_of(which)], fill_taking, &fill);
  } else {
    leadx_err_spoil(sql);
  }
  sqlite3_free(name);
  sqlite3_free(row);
  return sqlite3_str_finish(sql);
}
