/* Functions for direct use in a CHECK. See trap.h. */
#include "store/trap.h"

#include <string.h>

/* SQLite sees to it by itself from here on. */
#define SEEN_SINCE 3044000
/* Longer than any name that a function can have. */
#define NAME_BYTES 300

static int is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '$' || (c & 0x80);
}

/* Behind blanks and comments. */
static const char *skip(const char *z) {
  for (;;) {
    if (*z == ' ' || (*z >= '\t' && *z <= '\r')) {
      z++;
    } else if (z[0] == '-' && z[1] == '-') {
      z += strcspn(z, "\n");
    } else if (z[0] == '/' && z[1] == '*') {
      const char *end = strstr(z + 2, "*/");
      z = end ? end + 2 : z + strlen(z);
    } else {
      return z;
    }
  }
}

/* Reads the token at z, and its text in small letters without quotes, which is "" where it cannot be a
** name. */
static const char *read_token(const char *z, char *text) {
  char close = *z == '[' ? ']' : *z == '"' || *z == '`' || *z == '\'' ? *z : 0;
  size_t n = 0;
  if (!close && !is_word(*z)) {
    *text = 0;
    return z + 1;
  }
  for (z += close != 0; *z && (close || is_word(*z)); z++) {
    if (close && *z == close) {
      if (close == ']' || z[1] != close) break;
      z++;
    }
    if (n + 1 < NAME_BYTES) text[n++] = (char)(*z >= 'A' && *z <= 'Z' ? *z + 32 : *z);
  }
  text[n] = 0;
  return z + (close && *z);
}

static int is_listed(const char *names, const char *name) {
  size_t n = strlen(name);
  for (const char *at = names; n && (at = strchr(at, '\n')) != NULL; at++) {
    if (strncmp(at + 1, name, n) == 0 && at[n + 1] == '\n') return 1;
  }
  return 0;
}

int leadx_trap_calls(const char *sql, const char *names, char *call, size_t n) {
  char text[NAME_BYTES];
  for (const char *z = skip(sql); *z; z = skip(z)) {
    z = read_token(z, text);
    if (*skip(z) != '(' || !is_listed(names, text)) continue;
    sqlite3_snprintf((int)n, call, "%s", text);
    return 1;
  }
  return 0;
}

/* The functions for direct use, as leadx_trap_calls() wants them. NULL where SQLite does not tell, and
** for an error. */
static char *direct_functions(leadx_db *db, leadx_err *err) {
  leadx_err quiet = {0};
  char *names = NULL;
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_TRAP_FUNCTIONS, &quiet, "");
  if (stmt && leadx_db_next(db, stmt, &quiet)) {
    const char *text = leadx_db_text(stmt, 0, &quiet);
    names = text ? sqlite3_mprintf("%s", text) : NULL;
    if (text && !names) leadx_err_nomem(&quiet);
  }
  leadx_db_put(db, stmt);
  /* A build without the list of functions (SQLITE_OMIT_INTROSPECTION_PRAGMAS) has no such table. */
  if (quiet.rc != SQLITE_OK && (quiet.rc & 0xff) != SQLITE_ERROR)
    leadx_err_set(err, quiet.rc, "%s", quiet.text);
  return names;
}

static int refuse(const char *who, const char *table, const char *call, leadx_err *err) {
  return leadx_err_set(
      err, SQLITE_ERROR,
      "%s: the table \"%.60s\" has a CHECK that calls %.60s(), which is for direct use "
      "only, and this SQLite would run it for each row that is written; copy your "
      "own tables to a new file without it, or ask who put it there",
      who, table, call);
}

int leadx_trap_check(leadx_db *db, const char *who, leadx_err *err) {
  char *names = NULL, call[NAME_BYTES];
  if (sqlite3_libversion_number() >= SEEN_SINCE) return SQLITE_OK;
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_TRAP_TABLES, err, "");
  if (!stmt) return err->rc;
  while (err->rc == SQLITE_OK && leadx_db_next(db, stmt, err)) {
    const char *table = leadx_db_text(stmt, 0, err), *sql = leadx_db_text(stmt, 1, err);
    if (!names && err->rc == SQLITE_OK) names = direct_functions(db, err);
    if (!names || !table || !sql) break;
    if (leadx_trap_calls(sql, names, call, sizeof call)) refuse(who, table, call, err);
  }
  leadx_db_put(db, stmt);
  sqlite3_free(names);
  return err->rc;
}
