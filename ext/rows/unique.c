/* The unique values of a table besides its key. See unique.h. */
#include "rows/unique.h"

#include <string.h>

#include "store/describe.h"

/* ---- the text of an index ---- */

static int is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '$' || (c & 0x80);
}

/* The end of the token at z; NULL for a comment, and for what does not end. */
static const char *token_end(const char *z) {
  if ((z[0] == '-' && z[1] == '-') || (z[0] == '/' && z[1] == '*')) return NULL;
  if (*z == '\'' || *z == '"' || *z == '`' || *z == '[') {
    char quote = *z == '[' ? ']' : *z;
    for (z++; *z; z++) {
      if (*z != quote) continue;
      if (quote == ']' || z[1] != quote) return z + 1;
      z++;
    }
    return NULL;
  }
  if (!is_word(*z)) return z + 1;
  while (is_word(*z)) z++;
  return z;
}

static int is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

typedef struct index_text {
  const char *terms, *condition; /* where the list of terms and what follows WHERE begin */
} index_text;

/* The end of the term at z: the comma or the parenthesis behind it; *end is where its text ends,
** without the word of its order. */
static const char *term_end(const char *z, const char **end) {
  const char *next;
  for (int depth = 0; *z; z = next) {
    if (depth == 0 && (*z == ',' || *z == ')')) return z;
    next = token_end(z);
    if (!next) return NULL;
    depth += *z == '(' ? 1 : *z == ')' ? -1 : 0;
    int is_order = (next - z == 3 && sqlite3_strnicmp(z, "asc", 3) == 0) ||
                   (next - z == 4 && sqlite3_strnicmp(z, "desc", 4) == 0);
    if (!is_space(*z) && !(depth == 0 && is_order)) *end = next;
  }
  return NULL;
}

static int read_index(const char *sql, index_text *text) {
  const char *end = NULL, *z = sql;
  while (z && *z && *z != '(') z = token_end(z);
  if (!z || !*z) return 0;
  text->terms = z + 1;
  do z = term_end(z + 1, &end);
  while (z && *z == ',');
  if (!z) return 0;
  for (z++; is_space(*z); z++) {
  }
  text->condition = *z == '\0' ? NULL : z + 5;
  if (text->condition && sqlite3_strnicmp(z, "where", 5) != 0) return 0;
  while (z && *z) z = token_end(z);
  return z != NULL;
}

/* Finds term i; its length, 0 when there is none. */
static int find_term(const index_text *text, int i, const char **term) {
  const char *z = text->terms, *end = z;
  for (;; z++) {
    *term = end = z;
    z = term_end(z, &end);
    if (!z || i-- == 0) return z ? (int)(end - *term) : 0;
    if (*z != ',') return 0;
  }
}

/* ---- one index ---- */

/* What is gathered while the columns of an index go by. */
typedef struct index_reading {
  const leadx_table *table;
  leadx_uniques *uniques;
  char *row; /* SELECT NEW."a" AS "a", ...: the new row as a term of an index sees it */
  int64_t seq;
  int terms, lost, all;
  sqlite3_str *match, *of;
} index_reading;

static int append_expression(index_reading *reading, const char *sql, const char *collation) {
  index_text text;
  const char *term;
  int n = sql && read_index(sql, &text) ? find_term(&text, reading->terms, &term) : 0;
  if (n == 0) return 0;
  sqlite3_str_appendf(reading->match, "(%.*s) COLLATE \"%w\" = (SELECT %.*s FROM (%s) AS \"%w\")",
                      n, term, collation, n, term, reading->row, reading->table->name);
  return 1;
}

static int append_condition(index_reading *reading, const char *sql) {
  index_text text;
  if (!sql || !read_index(sql, &text) || !text.condition) return 0;
  sqlite3_str_appendf(reading->match, "(%s) AND ", text.condition);
  return 1;
}

static int append_term(index_reading *reading, sqlite3_stmt *stmt, leadx_err *err) {
  const char *sql = leadx_db_text(stmt, 1, err), *name = leadx_db_text(stmt, 4, err),
             *collation = leadx_db_text(stmt, 5, err);
  int is_partial = sqlite3_column_int(stmt, 2);
  if (err->rc != SQLITE_OK) return err->rc;
  if (reading->terms == 0 && is_partial && !append_condition(reading, sql)) reading->lost = 1;
  if (reading->terms > 0) sqlite3_str_appendall(reading->match, " AND ");
  if (is_partial || sqlite3_column_int(stmt, 6)) reading->all = 1;
  if (name) {
    sqlite3_str_appendf(reading->match, "\"%w\".\"%w\" COLLATE \"%w\" = NEW.\"%w\"",
                        reading->table->name, name, collation, name);
    sqlite3_str_appendf(reading->of, ", \"%w\"", name);
  } else if (!append_expression(reading, sql, collation)) {
    reading->lost = 1;
  }
  reading->terms++;
  return SQLITE_OK;
}

/* Does SQLite understand it in the place where it will stand? What hinders it from reading says
** nothing about the text, and is an error. */
static int is_understood(leadx_db *db, const leadx_table *table, const char *match,
                         leadx_err *err) {
  sqlite3_stmt *stmt = NULL;
  char *sql = sqlite3_mprintf("SELECT (SELECT 1 FROM main.\"%w\" WHERE %s) FROM main.\"%w\" AS NEW",
                              table->name, match, table->name);
  if (!sql) return leadx_err_nomem(err), 0;
  int rc = sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL);
  if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_ERROR)
    leadx_err_db(err, db->handle, rc, "read an index");
  sqlite3_free(sql);
  sqlite3_finalize(stmt);
  return rc == SQLITE_OK;
}

static int add_match(leadx_uniques *uniques, char *match, leadx_err *err) {
  char **grown = match ? sqlite3_realloc64(uniques->match, sizeof *grown * (size_t)(uniques->n + 1))
                       : NULL;
  if (!grown) {
    sqlite3_free(match);
    return leadx_err_nomem(err);
  }
  uniques->match = grown;
  uniques->match[uniques->n++] = match;
  return SQLITE_OK;
}

/* Ends the index that went by. */
static int end_index(leadx_db *db, index_reading *reading, leadx_err *err) {
  char *match = leadx_db_finish(reading->match, err);
  reading->match = sqlite3_str_new(NULL);
  if (err->rc == SQLITE_OK && reading->terms > 0 && !reading->lost &&
      is_understood(db, reading->table, match, err))
    return add_match(reading->uniques, match, err);
  sqlite3_free(match);
  return err->rc;
}

static int read_indexes(leadx_db *db, index_reading *reading, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_UNIQUE_INDICES, err, "t", reading->table->name);
  if (!stmt) return err->rc;
  while (err->rc == SQLITE_OK && leadx_db_next(db, stmt, err)) {
    int64_t seq = sqlite3_column_int64(stmt, 0);
    if (seq != reading->seq) {
      end_index(db, reading, err);
      reading->seq = seq;
      reading->terms = reading->lost = 0;
    }
    if (err->rc == SQLITE_OK) append_term(reading, stmt, err);
  }
  leadx_db_put(db, stmt);
  return err->rc == SQLITE_OK ? end_index(db, reading, err) : err->rc;
}

/* ---- the table ---- */

/* The new row; *taken has a bit for each of rowid, oid and _rowid_ that is a column's name. */
static char *read_row(leadx_db *db, const leadx_table *table, unsigned *taken, leadx_err *err) {
  sqlite3_stmt *stmt = leadx_describe_columns(db, table->name, err);
  if (!stmt) return NULL;
  sqlite3_str *sql = sqlite3_str_new(NULL);
  for (int i = 0; leadx_db_next(db, stmt, err); i++) {
    const char *name = leadx_db_text(stmt, 0, err);
    if (!name) break;
    sqlite3_str_appendf(sql, "%sNEW.\"%w\" AS \"%w\"", i ? ", " : "SELECT ", name, name);
    if (sqlite3_stricmp(name, "rowid") == 0) *taken |= 1;
    if (sqlite3_stricmp(name, "oid") == 0) *taken |= 2;
    if (sqlite3_stricmp(name, "_rowid_") == 0) *taken |= 4;
  }
  leadx_db_put(db, stmt);
  return leadx_db_finish(sql, err);
}

/* A rowid that is not the key can be given too. */
static int add_rowid(index_reading *reading, unsigned taken, leadx_err *err) {
  static const char *const names[] = {"rowid", "oid", "_rowid_"};
  const leadx_table *table = reading->table;
  const char *name = NULL;
  if (reading->uniques->n == 0 || table->without_rowid || table->integer_key) return SQLITE_OK;
  for (int i = 2; i >= 0; i--) {
    if (taken & 1u << i) continue;
    name = names[i];
    sqlite3_str_appendf(reading->of, ", %s", name);
  }
  if (!name) return SQLITE_OK;
  return add_match(reading->uniques, sqlite3_mprintf("\"%w\".%s = NEW.%s", table->name, name, name),
                   err);
}

static void append_key(index_reading *reading) {
  const leadx_table *table = reading->table;
  for (int i = 0; i < table->nkey; i++)
    sqlite3_str_appendf(reading->of, "%s\"%w\"", i ? ", " : " OF ",
                        table->columns[table->key[i]].name);
}

int leadx_uniques_read(leadx_db *db, const leadx_table *table, leadx_uniques *uniques,
                       leadx_err *err) {
  unsigned taken = 0;
  memset(uniques, 0, sizeof *uniques);
  index_reading reading = {.table = table, .uniques = uniques, .seq = -1};
  reading.row = read_row(db, table, &taken, err);
  reading.match = sqlite3_str_new(NULL);
  reading.of = sqlite3_str_new(NULL);
  append_key(&reading);
  if (err->rc == SQLITE_OK) read_indexes(db, &reading, err);
  if (err->rc == SQLITE_OK) add_rowid(&reading, taken, err);
  sqlite3_free(sqlite3_str_finish(reading.match));
  sqlite3_free(reading.row);
  uniques->of = leadx_db_finish(reading.of, err);
  if (uniques->of && reading.all) uniques->of[0] = '\0';
  return err->rc;
}

void leadx_uniques_clear(leadx_uniques *uniques) {
  for (int i = 0; i < uniques->n; i++) sqlite3_free(uniques->match[i]);
  sqlite3_free(uniques->match);
  sqlite3_free(uniques->of);
  memset(uniques, 0, sizeof *uniques);
}

int leadx_uniques_columns(leadx_db *db, const leadx_table *table, unsigned char *mask,
                          leadx_err *err) {
  memset(mask, 0, (size_t)table->ncolumns);
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_UNIQUE_INDICES, err, "t", table->name);
  while (stmt && leadx_db_next(db, stmt, err)) {
    const char *name = leadx_db_text(stmt, 4, err);
    for (int i = 0; name && i < table->ncolumns; i++) {
      if (!table->columns[i].key_position && sqlite3_stricmp(table->columns[i].name, name) == 0)
        mask[i] = 1;
    }
  }
  leadx_db_put(db, stmt);
  return err->rc;
}
