/* One value of a row as SQL. See capture_value.h. */
#include "rows/capture_value.h"

#include <string.h>

#include "base/json.h"

int leadx_capture_is_texty(leadx_type type) {
  return type == LEADX_TEXT || type == LEADX_JSON || type == LEADX_UUID || type == LEADX_DATE ||
         type == LEADX_TIMESTAMP;
}

/* A finite double. quote() writes 15 digits when SQLite reads the same double back from them, but
** SQLite's reading is not exact. It is where the double is a whole number divided by 1, 1000 or
** 100000000, because that division is; elsewhere 21 digits leave no doubt. */
void leadx_capture_finite(sqlite3_str *sql, const char *ref) {
  sqlite3_str_appendf(sql,
                      "CASE WHEN (abs(%s) < 1e7 AND round(%s * 1e8) / 1e8 = %s) OR (abs(%s) < 1e15 "
                      "AND round(%s) = %s) OR "
                      "(abs(%s) < 1e12 AND round(%s * 1e3) / 1e3 = %s) THEN quote(%s) ELSE "
                      "printf('%%!.20e', %s) END",
                      ref, ref, ref, ref, ref, ref, ref, ref, ref, ref, ref);
}

void leadx_capture_real(sqlite3_str *sql, const char *ref) {
  sqlite3_str_appendf(sql,
                      "CASE WHEN %s > " LEADX_GREATEST
                      " THEN '\"Infinity\"' WHEN %s < -" LEADX_GREATEST
                      " THEN '\"-Infinity\"' ELSE ",
                      ref, ref);
  leadx_capture_finite(sql, ref);
  sqlite3_str_appendall(sql, " END");
}

/* Seconds or milliseconds since 1970 as the instant, or the number where there is none. */
static void append_instant(sqlite3_str *sql, const char *ref, leadx_type type) {
  if (type == LEADX_TIMESTAMP_S) {
    sqlite3_str_appendf(sql, "ifnull(strftime('%%Y-%%m-%%dT%%H:%%M:%%SZ', %s, 'unixepoch'), %s)",
                        ref, ref);
  } else {
    sqlite3_str_appendf(sql,
                        "ifnull(strftime('%%Y-%%m-%%dT%%H:%%M:%%S', (%s - (%s %% 1000 + 1000) %% "
                        "1000) / 1000, 'unixepoch') || printf('.%%03dZ', (%s %% 1000 + 1000) %% "
                        "1000), %s)",
                        ref, ref, ref, ref);
  }
}

static void append_integer(sqlite3_str *sql, const char *ref, leadx_type type) {
  if (type == LEADX_BOOLEAN) {
    sqlite3_str_appendf(sql, "CASE %s WHEN 0 THEN 'false' WHEN 1 THEN 'true' ELSE %s END", ref,
                        ref);
  } else if (type == LEADX_TIMESTAMP_S) {
    sqlite3_str_appendf(
        sql, "ifnull('\"' || strftime('%%Y-%%m-%%dT%%H:%%M:%%SZ', %s, 'unixepoch') || '\"', %s)",
        ref, ref);
  } else if (type == LEADX_TIMESTAMP_MS) {
    sqlite3_str_appendf(sql,
                        "ifnull('\"' || strftime('%%Y-%%m-%%dT%%H:%%M:%%S', (%s - (%s %% 1000 + "
                        "1000) %% 1000) / 1000, 'unixepoch') "
                        "|| printf('.%%03dZ\"', (%s %% 1000 + 1000) %% 1000), %s)",
                        ref, ref, ref, ref);
  } else {
    sqlite3_str_appendall(sql, ref);
  }
}

void leadx_capture_bytes(sqlite3_str *sql, const char *ref) {
  sqlite3_str_appendf(sql, "'\"\\\\x' || lower(hex(%s)) || '\"'", ref);
}

void leadx_capture_usual(sqlite3_str *sql, leadx_type type, const char *ref) {
  if (type == LEADX_BLOB) {
    sqlite3_str_appendf(sql, "CASE WHEN %s IS NULL THEN 'null' ELSE ", ref);
    leadx_capture_bytes(sql, ref);
    sqlite3_str_appendall(sql, " END");
  } else if (type == LEADX_REAL || type == LEADX_DECIMAL) {
    sqlite3_str_appendf(sql,
                        "CASE typeof(%s) WHEN 'null' THEN 'null' WHEN 'text' THEN '\"' || %s || "
                        "'\"' WHEN 'integer' THEN %s ELSE ",
                        ref, ref, ref);
    leadx_capture_finite(sql, ref);
    sqlite3_str_appendall(sql, " END");
  } else {
    sqlite3_str_appendall(sql, "ifnull(");
    append_integer(sql, ref, type);
    sqlite3_str_appendall(sql, ", 'null')");
  }
}

void leadx_capture_unusual(sqlite3_str *sql, leadx_type type, const char *ref) {
  if (leadx_capture_is_texty(type)) {
    sqlite3_str_appendf(sql, "%s < '' OR %s >= x''", ref, ref);
  } else if (type == LEADX_BLOB) {
    sqlite3_str_appendf(sql, "%s < x''", ref);
  } else if (type == LEADX_REAL) {
    sqlite3_str_appendf(sql, "%s > " LEADX_GREATEST " OR %s < -" LEADX_GREATEST, ref, ref);
  } else if (type == LEADX_DECIMAL) {
    sqlite3_str_appendf(sql, "%s >= x'' OR %s = 9e999 OR %s = -9e999", ref, ref, ref);
  } else {
    sqlite3_str_appendf(sql, "%s >= '' OR typeof(%s) = 'real'", ref, ref);
  }
}

char *leadx_capture_reference(const char *row, const leadx_column *column) {
  return sqlite3_mprintf("%s.\"%w\"", row, column->name);
}

void leadx_capture_cell(sqlite3_str *sql, leadx_type type, const char *ref) {
  if (type == LEADX_UUID) {
    sqlite3_str_appendf(sql, "nullif(%s COLLATE BINARY, '')", ref);
  } else if (type == LEADX_TIMESTAMP_S || type == LEADX_TIMESTAMP_MS) {
    sqlite3_str_appendf(sql, "CASE typeof(%s) WHEN 'integer' THEN ", ref);
    append_instant(sql, ref, type);
    sqlite3_str_appendf(sql, " ELSE %s END", ref);
  } else {
    sqlite3_str_appendall(sql, ref);
  }
}

char *leadx_capture_member(const leadx_column *column) {
  sqlite3_str *json = sqlite3_str_new(NULL);
  leadx_json_append_string(json, column->remote, strlen(column->remote));
  sqlite3_str_appendall(json, ":");
  return sqlite3_str_finish(json);
}
