/* The triggers that write the queue. See capture_trigger.h. */
#include "rows/capture_trigger.h"

#include "rows/capture_cell.h"
#include "store/template.h"

/* How a trigger's name ends, and what it is after. */
static const struct trigger_kind {
  const char *suffix, *event;
} trigger_kinds[LEADX_TRIGGERS] = {
    [LEADX_TRIGGER_INSERT] = {"insert", "INSERT"}, [LEADX_TRIGGER_UPDATE] = {"update", "UPDATE"},
    [LEADX_TRIGGER_REKEY] = {"rekey", NULL},       [LEADX_TRIGGER_DELETE] = {"delete", "DELETE"},
    [LEADX_TRIGGER_NOTE] = {"note", "INSERT"},     [LEADX_TRIGGER_RENOTE] = {"renote", "UPDATE"},
    [LEADX_TRIGGER_TOOK] = {"took", "INSERT"},     [LEADX_TRIGGER_RETOOK] = {"retook", "UPDATE"},
    [LEADX_TRIGGER_FORGET] = {"forget", "DELETE"}};

const char *leadx_capture_event(int which) { return trigger_kinds[which].event; }

char *leadx_capture_name(const leadx_table *table, int which) {
  return sqlite3_mprintf("leadx_%s_%s", table->name, trigger_kinds[which].suffix);
}

/* Hands a wide table's columns over, as many at a time as a wide view would take. */
static void append_parts(sqlite3_str *sql, const leadx_table *table, const char *row,
                         const char *before) {
  for (int from = 0; from < table->ncolumns; from += LEADX_CAPTURE_WIDEST) {
    int to = table->ncolumns - from > LEADX_CAPTURE_WIDEST ? from + LEADX_CAPTURE_WIDEST
                                                           : table->ncolumns;
    sqlite3_str_appendall(sql, "  INSERT INTO leadx_cell(place, k, v, w) VALUES ");
    for (int i = from; i < to; i++) {
      sqlite3_str_appendf(sql, "%s(%d, ", i > from ? ", " : "", i);
      leadx_capture_edit_cells(sql, table, i, i + 1, row, before);
      sqlite3_str_appendall(sql, ")");
    }
    sqlite3_str_appendall(sql, ";\n");
  }
}

struct trigger_fill {
  const leadx_table *table;
  const char *name;
  int which;
};

/* The row under the key that an UPDATE took from it. */
static void append_wide_old(sqlite3_str *sql, const leadx_table *table) {
  sqlite3_str_appendf(sql, "  INSERT INTO leadx_slow VALUES (%Q, ", table->entity);
  leadx_capture_key_cell(sql, table, "OLD");
  sqlite3_str_appendall(sql, ", ");
  leadx_capture_key_places(sql, table);
  sqlite3_str_appendall(sql, ", CASE WHEN NOT (");
  leadx_capture_same_key(sql, table);
  sqlite3_str_appendall(sql, ") THEN 'DELETE' END, 1);\n");
}

static void fill_wide(const struct trigger_fill *fill, sqlite3_str *sql, const char *hole,
                      size_t n) {
  const leadx_table *table = fill->table;
  int is_update = fill->which == LEADX_TRIGGER_UPDATE;
  const char *row = fill->which == LEADX_TRIGGER_DELETE ? "OLD" : "NEW";
#define HOLE(name) leadx_template_is(hole, n, name)
  if (HOLE("event")) sqlite3_str_appendall(sql, trigger_kinds[fill->which].event);
  if (HOLE("parts")) append_parts(sql, table, row, is_update ? "OLD" : NULL);
  if (HOLE("wide_old") && is_update) append_wide_old(sql, table);
  if (HOLE("wide_key")) leadx_capture_key_cell(sql, table, row);
  if (HOLE("wide_action") && is_update) {
    sqlite3_str_appendall(sql, "CASE WHEN ");
    leadx_capture_same_key(sql, table);
    sqlite3_str_appendall(sql, " THEN 'UPDATE' ELSE 'CREATE' END");
  }
  if (HOLE("wide_action") && fill->which == LEADX_TRIGGER_INSERT)
    sqlite3_str_appendall(sql, "'CREATE'");
  if (HOLE("wide_action") && fill->which == LEADX_TRIGGER_DELETE)
    sqlite3_str_appendall(sql, "'DELETE'");
#undef HOLE
}

static void fill_edit_cells(const leadx_table *table, sqlite3_str *sql) {
  leadx_capture_edit_cells(sql, table, 0, table->ncolumns, "NEW", "OLD");
  for (int i = table->ncolumns; i < leadx_capture_width(table); i++)
    sqlite3_str_appendall(sql, ", NULL, NULL, NULL");
}

static void fill_trigger(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  const struct trigger_fill *fill = arg;
  const leadx_table *table = fill->table;
#define HOLE(name) leadx_template_is(hole, n, name)
  if (HOLE("name")) sqlite3_str_appendf(sql, "\"%w\"", fill->name);
  if (HOLE("table")) sqlite3_str_appendf(sql, "\"%w\"", table->name);
  if (HOLE("entity")) sqlite3_str_appendf(sql, "%Q", table->entity);
  if (HOLE("width")) sqlite3_str_appendf(sql, "%d", leadx_capture_width(table));
  if (HOLE("keys")) leadx_capture_key_places(sql, table);
  if (HOLE("quotes")) leadx_capture_quotes(sql, table);
  if (HOLE("new_key")) leadx_capture_key_cell(sql, table, "NEW");
  if (HOLE("old_key")) leadx_capture_key_cell(sql, table, "OLD");
  if (HOLE("new_odd")) leadx_capture_odd(sql, table, "NEW");
  if (HOLE("old_odd")) leadx_capture_odd(sql, table, "OLD");
  if (HOLE("new_cells")) leadx_capture_row_cells(sql, table, "NEW");
  if (HOLE("old_cells")) leadx_capture_row_cells(sql, table, "OLD");
  if (HOLE("edit_cells")) fill_edit_cells(table, sql);
  if (HOLE("same_key")) leadx_capture_same_key(sql, table);
  if (HOLE("same") && table->nkey == 1) sqlite3_str_appendall(sql, "NULL");
  if (HOLE("same") && table->nkey > 1) leadx_capture_same_key(sql, table);
#undef HOLE
  if (leadx_capture_is_wide(table)) fill_wide(fill, sql, hole, n);
}

/* The statement that makes a trigger of that kind. */
static int template_of(const leadx_table *table, int which) {
  if (leadx_capture_is_wide(table)) return LEADX_SQL_CAPTURE_WIDE;
  if (which == LEADX_TRIGGER_INSERT) return LEADX_SQL_CAPTURE_INSERT;
  return which == LEADX_TRIGGER_UPDATE ? LEADX_SQL_CAPTURE_UPDATE : LEADX_SQL_CAPTURE_DELETE;
}

char *leadx_capture_trigger(const leadx_table *table, int which) {
  if (which == LEADX_TRIGGER_REKEY) return sqlite3_mprintf("");
  char *name = leadx_capture_name(table, which);
  if (!name) return NULL;
  sqlite3_str *sql = sqlite3_str_new(NULL);
  struct trigger_fill fill = {table, name, which};
  leadx_template_append(sql, leadx_sql_text[template_of(table, which)], fill_trigger, &fill);
  sqlite3_free(name);
  return sqlite3_str_finish(sql);
}
