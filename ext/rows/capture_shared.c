/* What all tables share. See capture_shared.h. */
#include "rows/capture_shared.h"

#include "rows/capture_cell.h"
#include "rows/capture_row.h"
#include "rows/capture_value.h"
#include "store/template.h"

/* Does NEW.texts hold what must be escaped? One GLOB per character, because SQLite finds one by
** strcspn() and a set of them by recursion. The line ends and the end of file, which programs might
** change in a file of SQL, are not written out. */
static void append_escapes(sqlite3_str *sql) {
  sqlite3_str_appendall(sql, "NEW.texts GLOB '*\\*'");
  for (int c = 2; c < 32; c++) {
    int is_delicate = c == '\n' || c == '\r' || c == 0x1a;
    sqlite3_str_appendf(
        sql, is_delicate ? " OR NEW.texts GLOB char(42, %d, 42)" : " OR NEW.texts GLOB '*%c*'", c);
  }
}

/* An absent key becomes '': such a change can never be delivered, but it is seen and said. */
static void append_key_text(sqlite3_str *sql, const char *ref) {
  sqlite3_str_appendf(sql,
                      "CASE typeof(%s) WHEN 'text' THEN %s WHEN 'null' THEN '' WHEN 'blob' THEN "
                      "'\\x' || lower(hex(%s)) WHEN 'real' THEN quote(%s) ELSE %s END",
                      ref, ref, ref, ref, ref);
}

/* A list over the cells of a view: for each i, format with i in the place of each %d (at most
** three). */
static void append_each(sqlite3_str *sql, int width, const char *format) {
  for (int i = 0; i < width; i++) {
    if (i > 0) sqlite3_str_appendall(sql, ", ");
    sqlite3_str_appendf(sql, format, i, i, i, i);
  }
}

/* A shared object that is being written: its width, and the name that stands for a value. */
typedef struct shared_fill {
  int width;
  const char *value;
} shared_fill;

static void fill_value(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  const shared_fill *fill = arg;
  if (leadx_template_is(hole, n, "v")) sqlite3_str_appendall(sql, fill->value);
  if (leadx_template_is(hole, n, "finite")) leadx_capture_finite(sql, fill->value);
  if (leadx_template_is(hole, n, "number"))
    leadx_template_append(sql, leadx_sql_text[LEADX_SQL_CAPTURE_NUMBER], fill_value, fill);
}

static void append_value_template(sqlite3_str *sql, int sql_id, const char *value) {
  const shared_fill fill = {0, value};
  leadx_template_append(sql, leadx_sql_text[sql_id], fill_value, &fill);
}

#define CHANGED "(v IS NOT w OR (v < '' AND typeof(v) <> typeof(w)))"
#define WRITTEN "(k < 'a' OR " CHANGED ")"

/* The members of the cells, of which one value is written. */
static void fill_members(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  const shared_fill *fill = arg;
#define HOLE(name) leadx_template_is(hole, n, name)
  if (HOLE("value")) sqlite3_str_appendall(sql, fill->value);
  if (HOLE("written")) sqlite3_str_appendall(sql, WRITTEN);
  if (HOLE("changed")) sqlite3_str_appendall(sql, CHANGED);
#undef HOLE
  leadx_capture_escaped(NULL, sql, hole, n);
}

static void append_members(sqlite3_str *sql, const char *value) {
  const shared_fill fill = {0, value};
  leadx_template_append(sql, leadx_sql_text[LEADX_SQL_CAPTURE_MEMBERS], fill_members, &fill);
}

static void fill_cells(const shared_fill *fill, sqlite3_str *sql, const char *hole, size_t n) {
  int width = fill->width;
#define HOLE(name) leadx_template_is(hole, n, name)
  if (HOLE("width")) sqlite3_str_appendf(sql, "%d", width);
  if (HOLE("row_names")) append_each(sql, width, "k%d, v%d");
  if (HOLE("row_nulls")) leadx_capture_nulls(sql, 2 * width + 7);
  if (HOLE("row_cells")) append_each(sql, width, "(NEW.k%d, NEW.v%d)");
  if (HOLE("edit_names")) append_each(sql, width, "k%d, v%d, w%d");
  if (HOLE("edit_nulls")) leadx_capture_nulls(sql, 3 * width + 5);
  if (HOLE("placed_row_cells")) append_each(sql, width, "(%d, NEW.k%d, NEW.v%d)");
  if (HOLE("placed_edit_cells")) append_each(sql, width, "(%d, NEW.k%d, NEW.v%d, NEW.w%d)");
  if (HOLE("edit_cells")) {
    sqlite3_str_appendall(sql, "WITH leadx_list(k, v, w) AS (VALUES ");
    append_each(sql, width, "(NEW.k%d, NEW.v%d, NEW.w%d)");
    sqlite3_str_appendall(sql, ") SELECT k, v, w FROM leadx_list");
  }
#undef HOLE
}

static void fill_shared(const void *arg, sqlite3_str *sql, const char *hole, size_t n) {
  fill_cells(arg, sql, hole, n);
#define HOLE(name) leadx_template_is(hole, n, name)
  if (HOLE("changed")) sqlite3_str_appendall(sql, CHANGED);
  if (HOLE("same")) sqlite3_str_appendall(sql, "ifnull(NEW.same, NEW.old_id IS NEW.entity_id)");
  if (HOLE("members")) append_members(sql, "CASE WHEN NEW.old THEN w ELSE v END");
  if (HOLE("infinite"))
    sqlite3_str_appendall(sql,
                          "(v < '' AND (v > " LEADX_GREATEST " OR v < -" LEADX_GREATEST
                          ")) OR (w < '' AND (w > " LEADX_GREATEST " OR w < -" LEADX_GREATEST "))");
  if (HOLE("written")) sqlite3_str_appendall(sql, WRITTEN);
  if (HOLE("number")) append_value_template(sql, LEADX_SQL_CAPTURE_NUMBER, "v");
  if (HOLE("v_quickly")) append_value_template(sql, LEADX_SQL_CAPTURE_VALUE, "v");
  if (HOLE("w_quickly")) append_value_template(sql, LEADX_SQL_CAPTURE_VALUE, "w");
  if (HOLE("ms")) sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_MS]);
  if (HOLE("n")) sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_N]);
  if (HOLE("id")) sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_ID]);
  if (HOLE("clock")) leadx_capture_clock(sql);
  if (HOLE("record_id")) sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_RECORD_ID]);
  if (HOLE("nul_mark")) sqlite3_str_appendall(sql, "'*\x01*'");
  if (HOLE("nulls"))
    sqlite3_str_appendall(sql, "replace(replace(NEW.texts, '\":\"' || x'01ff' || '\"', "
                               "'\":null'), '\":' || x'01ff', '\":null')");
  if (HOLE("escapes")) append_escapes(sql);
  if (HOLE("entity_id")) append_key_text(sql, "NEW.entity_id");
#undef HOLE
}

/* The shared objects in the order in which they are made: name (with the width) and template. */
static const leadx_shared shared_objects[] = {
    {"leadx_slow", LEADX_SQL_CAPTURE_SLOW_VIEW, 1, 1},
    {"leadx_slow_queue", LEADX_SQL_CAPTURE_SLOW, 0, 1},
    {"leadx_took", LEADX_SQL_CAPTURE_TOOK_VIEW, 1, 1},
    {"leadx_took_queue", LEADX_SQL_CAPTURE_TOOK_QUEUE, 0, 1},
    {"leadx_record", LEADX_SQL_CAPTURE_RECORD_VIEW, 1, 0},
    {"leadx_record_queue", LEADX_SQL_CAPTURE_RECORD, 0, 0},
    {"leadx_row_%d", LEADX_SQL_CAPTURE_ROW_VIEW, 1, 0},
    {"leadx_row_%d_queue", LEADX_SQL_CAPTURE_ROW, 0, 0},
    {"leadx_edit_%d", LEADX_SQL_CAPTURE_EDIT_VIEW, 1, 0},
    {"leadx_edit_%d_queue", LEADX_SQL_CAPTURE_EDIT, 0, 0},
};
void leadx_capture_id(sqlite3_str *sql) {
  sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_ID]);
}

void leadx_capture_clock(sqlite3_str *sql) {
  sqlite3_str_appendall(sql, leadx_sql_text[LEADX_SQL_CAPTURE_CLOCK]);
}

const leadx_shared *leadx_shared_object(int i) {
  int n = sizeof shared_objects / sizeof shared_objects[0];
  return i < n ? &shared_objects[i] : NULL;
}

void leadx_shared_text(sqlite3_str *sql, const leadx_shared *object, int width) {
  const shared_fill fill = {width, "v"};
  leadx_template_append(sql, leadx_sql_text[object->template_id], fill_shared, &fill);
}
