/* Capture as a matrix: kinds of tables × forms of writing × settings of the connection. The oracle
** is the full difference of the table before and after; no write may end otherwise than on a twin
** without triggers. */
#include <stdio.h>
#include <string.h>

#include "rows/diff.h"
#include "suites.h"
#include "tracked.h"
#include "store/tables.h"

/* ---- kinds of tables ---- */

typedef struct kind {
  const char *label, *table;
  const char *id, *code,
      *a; /* quoted names of the key, the column with a UNIQUE and the plain one */
  const char *id2; /* second column of the key, NULL for none */
  const char *ddl; /* what follows CREATE TABLE name */
  int integer_key, wide; /* wide: so many more columns x1, x2 … */
} kind;

static const kind kinds[] = {
    {"rowid", "rows", "id", "code", "a", NULL,
     "(id TEXT PRIMARY KEY NOT NULL, code TEXT UNIQUE, a TEXT%s)", 0, 0},
    {"without rowid", "norowid", "id", "code", "a", NULL,
     "(id TEXT PRIMARY KEY, code TEXT UNIQUE, a TEXT%s) WITHOUT ROWID", 0, 0},
    {"strict", "strict", "id", "code", "a", NULL,
     "(id TEXT PRIMARY KEY NOT NULL, code TEXT UNIQUE, a TEXT%s) STRICT", 0, 0},
    {"generated", "gen", "id", "code", "a", NULL,
     "(id TEXT PRIMARY KEY NOT NULL, g AS (upper(a)) STORED, code TEXT UNIQUE, v AS (a || code), a "
     "TEXT%s)",
     0, 0},
    {"composite", "pairs", "id", "code", "a", "n",
     "(a TEXT, n INTEGER NOT NULL, id TEXT NOT NULL, code TEXT UNIQUE%s, PRIMARY KEY(id, n))", 0,
     0},
    {"integer key", "numbered", "id", "code", "a", NULL,
     "(id INTEGER PRIMARY KEY, code TEXT UNIQUE, a TEXT%s)", 1, 0},
    {"nocase", "nocase", "id", "code", "a", NULL,
     "(id TEXT PRIMARY KEY NOT NULL COLLATE NOCASE, code TEXT UNIQUE, a TEXT COLLATE NOCASE%s)", 0,
     0},
    {"nocase, no second unique", "folded", "id", "code", "a", NULL,
     "(id TEXT PRIMARY KEY NOT NULL COLLATE NOCASE, code TEXT, a TEXT%s)", 0, 0},
    {"no second unique", "simple", "id", "code", "a", NULL,
     "(id TEXT PRIMARY KEY NOT NULL, code TEXT, a TEXT%s)", 0, 0},
    {"composite unique", "two", "id", "code", "a", NULL,
     "(id TEXT PRIMARY KEY NOT NULL, code TEXT, z INTEGER DEFAULT 7, a TEXT%s, UNIQUE(z, code))", 0,
     0},
    {"partial", "part", "id", "code", "a", NULL,
     "(id TEXT PRIMARY KEY NOT NULL, code TEXT, a TEXT%s); CREATE UNIQUE INDEX \"i $T\" ON "
     "$T(code) WHERE code <> 'c3' AND a IS NOT 'new'",
     0, 0},
    {"expression", "expr", "id", "code", "a", NULL,
     "(id INTEGER PRIMARY KEY, code TEXT, a TEXT%s); CREATE UNIQUE INDEX \"i $T\" ON $T(a COLLATE "
     "NOCASE DESC, ifnull(lower(\"code\"), ',)') ASC) WHERE a <> ')';CREATE UNIQUE INDEX \"j $T\" "
     "ON $T(substr(code, 1, 2))",
     1, 0},
    {"nocase unique", "nounique", "id", "code", "a", NULL,
     "(id TEXT PRIMARY KEY, code TEXT COLLATE NOCASE, a TEXT%s, UNIQUE(code)) WITHOUT ROWID", 0, 0},
    {"odd names", "x y\"z'", "\"a\"\"b\"", "\"select\"", "\"\xf0\x9f\x9a\x80 \xc3\xa9\\n\"", NULL,
     "(\"a\"\"b\" TEXT PRIMARY KEY NOT NULL, \"select\" TEXT UNIQUE, \"\xf0\x9f\x9a\x80 "
     "\xc3\xa9\\n\" TEXT%s)",
     0, 0},
    {"63 columns", "w63", "id", "code", "a", NULL,
     "(id TEXT PRIMARY KEY NOT NULL, code TEXT UNIQUE, a TEXT%s)", 0, 60},
    {"64 columns", "w64", "id", "code", "a", NULL,
     "(id TEXT PRIMARY KEY NOT NULL, code TEXT UNIQUE, a TEXT%s)", 0, 61},
    {"200 columns", "w200", "id", "code", "a", NULL,
     "(id TEXT PRIMARY KEY NOT NULL, code TEXT UNIQUE, a TEXT%s)", 0, 197},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* ---- forms of writing ---- $T the table, $C its columns, $5 the values of row 5 (key, code and
** text of that number), $5:2 the same with the code of row 2, $K1 "is row 1", $S1 "key becomes that
** of row 1", $U the code column, $A the plain one, $I the key. */

static const char *const forms[] = {
    "INSERT INTO $T($C) VALUES $4",
    "INSERT INTO $T($C) VALUES $4, $5, $6",
    "INSERT INTO $T($C) VALUES $4, $1, $5",
    "INSERT INTO $T($C) VALUES $4:1",
    "INSERT OR IGNORE INTO $T($C) VALUES $1",
    "INSERT OR IGNORE INTO $T($C) VALUES $4, $1, $5:2, $6",
    "INSERT OR FAIL INTO $T($C) VALUES $4, $1, $5",
    "INSERT OR ABORT INTO $T($C) VALUES $4, $5:1, $6",
    "BEGIN; INSERT INTO $T($C) VALUES $5; INSERT OR ROLLBACK INTO $T($C) VALUES $4, $1",
    "INSERT OR REPLACE INTO $T($C) VALUES $1",
    "INSERT OR REPLACE INTO $T($C) VALUES $1:5",
    "INSERT OR REPLACE INTO $T($C) VALUES $4:2",
    "INSERT OR REPLACE INTO $T($C) VALUES $1:2",
    "INSERT OR REPLACE INTO $T($C) VALUES $4:1, $5:2, $6:3",
    "REPLACE INTO $T($C) VALUES $4:2, $4:3",
    "REPLACE INTO $T($C) VALUES $4:2; DELETE FROM $T WHERE $K4",
    "REPLACE INTO $T($C) VALUES $4:2; INSERT INTO $T($C) VALUES $2:6",
    "UPDATE $T SET $A = 'new' WHERE $K1",
    "UPDATE $T SET $A = 'new'",
    "UPDATE $T SET $A = $A, $U = $U",
    "UPDATE $T SET $A = upper($A)",
    "UPDATE $T SET $A = NULL WHERE $K2",
    "UPDATE $T SET $A = '\"q\" \\ ' || char(10, 9, 1, 31, 127, 233, 128640) WHERE $K2; UPDATE $T "
    "SET $A = 'plain again' WHERE $K2",
    "UPDATE $T SET $U = 'c2' WHERE $K1",
    "UPDATE OR IGNORE $T SET $U = 'c2'",
    "UPDATE OR REPLACE $T SET $U = 'c2' WHERE $K1",
    "UPDATE OR REPLACE $T SET $U = 'c2'",
    "UPDATE OR FAIL $T SET $U = 'c2'",
    "UPDATE OR ABORT $T SET $U = 'c3'",
    "BEGIN; UPDATE $T SET $A = 'lost'; UPDATE OR ROLLBACK $T SET $U = 'c2'",
    "UPDATE $T SET $S9 WHERE $K1",
    "UPDATE $T SET $S9, $A = 'moved' WHERE $K1",
    "UPDATE $T SET $S2 WHERE $K1",
    "UPDATE OR REPLACE $T SET $S2 WHERE $K1",
    "UPDATE OR IGNORE $T SET $S2",
    "BEGIN; UPDATE $T SET $S9 WHERE $K1; UPDATE $T SET $S1 WHERE $K2; UPDATE $T SET $S2 WHERE $K9; "
    "COMMIT",
    "UPDATE $T SET $I = $I",
    "UPDATE $T SET $I = upper($I)",
    "UPDATE $T SET rowid = rowid + 20",
    "INSERT OR REPLACE INTO $T($I, $U, $A) SELECT upper($I), 'c8', 'other' FROM $T WHERE $K1",
    "INSERT INTO $T($C) VALUES $1 ON CONFLICT DO NOTHING",
    "INSERT INTO $T($C) VALUES $1, $4 ON CONFLICT($P) DO UPDATE SET $A = 'upserted'",
    "INSERT INTO $T($C) VALUES $1:5 ON CONFLICT($P) DO UPDATE SET $U = excluded.$U",
    "INSERT INTO $T($C) VALUES $1 ON CONFLICT($P) DO UPDATE SET $A = excluded.$A WHERE 0",
    "INSERT INTO $T($C) VALUES $1 ON CONFLICT($P) DO UPDATE SET $S9",
    "DELETE FROM $T WHERE $K1",
    "DELETE FROM $T",
    "BEGIN; DELETE FROM $T WHERE $K1; INSERT INTO $T($C) VALUES $1:5; COMMIT",
    "BEGIN; INSERT INTO $T($C) VALUES $4; UPDATE $T SET $A = 'x' WHERE $K4; DELETE FROM $T WHERE "
    "$K4; COMMIT",
    "BEGIN; UPDATE $T SET $A = 'lost'; DELETE FROM $T WHERE $K2; ROLLBACK",
    "BEGIN; SAVEPOINT s; INSERT INTO $T($C) VALUES $4; ROLLBACK TO s; INSERT INTO $T($C) VALUES "
    "$5; RELEASE s; COMMIT",
    "BEGIN; SAVEPOINT s; DELETE FROM $T; SAVEPOINT r; INSERT INTO $T($C) VALUES $1; ROLLBACK TO r; "
    "ROLLBACK TO s; COMMIT",
    "SAVEPOINT s; UPDATE $T SET $A = 'kept'; SAVEPOINT r; UPDATE $T SET $A = 'lost'; ROLLBACK TO "
    "r; RELEASE s",
    "INSERT INTO $T($C) VALUES $4, $5; UPDATE $T SET $A = 'b' WHERE $K4; UPDATE $T SET $A = 'c' "
    "WHERE $K4",
    "INSERT OR REPLACE INTO $T(rowid, $C) SELECT rowid, * FROM (SELECT rowid FROM $T WHERE $K2), "
    "(VALUES $4:1)",
    "UPDATE OR REPLACE $T SET rowid = (SELECT rowid FROM $T WHERE $K2) WHERE $K1",
    "INSERT OR REPLACE INTO $T($U, $A) VALUES ('c1', 'auto'), ('c2', 'auto'), ('c1', 'again')",
    "BEGIN; SAVEPOINT s; REPLACE INTO $T($C) VALUES $4:2; ROLLBACK TO s; RELEASE s; REPLACE INTO "
    "$T($C) VALUES $4:3; COMMIT",
    "INSERT OR IGNORE INTO $T($C) VALUES $4:2; DELETE FROM $T WHERE $K2; INSERT INTO $T($C) VALUES "
    "$4:2",
    "INSERT OR IGNORE INTO $T($C) VALUES $4:2; INSERT INTO leadx_applying VALUES('pull'); DELETE "
    "FROM $T WHERE $K9; DELETE FROM leadx_applying; UPDATE $T SET $U = 'c5' WHERE $K1",
    "UPDATE $T SET $A = 'from' FROM (SELECT 'c1' AS z) WHERE $U = z",
};
enum { FORMS = sizeof forms / sizeof forms[0] };

/* ---- writing them out ---- */

static void append_values(sqlite3_str *sql, const kind *k, int key, int code) {
  if (k->integer_key) sqlite3_str_appendf(sql, "(%d, 'c%d', 'text %d'", key, code, key);
  else sqlite3_str_appendf(sql, "('k%d', 'c%d', 'text %d'", key, code, key);
  if (k->id2) sqlite3_str_appendf(sql, ", %d", key);
  sqlite3_str_appendall(sql, ")");
}

static void append_key(sqlite3_str *sql, const kind *k, int key, const char *joint) {
  sqlite3_str_appendf(sql, k->integer_key ? "%s = %d" : "%s = 'k%d'", k->id, key);
  if (k->id2) sqlite3_str_appendf(sql, "%s%s = %d", joint, k->id2, key);
}

/* One hole of a form; returns where the text goes on. */
static const char *append_hole(sqlite3_str *sql, const kind *k, const char *table, const char *z) {
  if (*z >= '1' && *z <= '9') {
    int key = *z - '0', code = z[1] == ':' ? z[2] - '0' : key;
    append_values(sql, k, key, code);
    return z + (z[1] == ':' ? 3 : 1);
  }
  switch (*z) {
    case 'T': sqlite3_str_appendf(sql, "\"%w\"", table); break;
    case 'C':
      sqlite3_str_appendf(sql, "%s, %s, %s%s%s", k->id, k->code, k->a, k->id2 ? ", " : "",
                          k->id2 ? k->id2 : "");
      break;
    case 'P':
      sqlite3_str_appendf(sql, "%s%s%s", k->id, k->id2 ? ", " : "", k->id2 ? k->id2 : "");
      break;
    case 'U': sqlite3_str_appendall(sql, k->code); break;
    case 'A': sqlite3_str_appendall(sql, k->a); break;
    case 'I': sqlite3_str_appendall(sql, k->id); break;
    case 'K': append_key(sql, k, z[1] - '0', " AND "); return z + 2;
    default: append_key(sql, k, z[1] - '0', ", "); return z + 2;
  }
  return z + 1;
}

static char *write_form(const kind *k, const char *table, const char *form) {
  sqlite3_str *sql = sqlite3_str_new(NULL);
  while (*form) {
    const char *hole = strchr(form, '$');
    int n = hole ? (int)(hole - form) : (int)strlen(form);
    sqlite3_str_append(sql, form, n);
    form = hole ? append_hole(sql, k, table, hole + 1) : form + n;
  }
  return sqlite3_str_finish(sql);
}

/* ---- one case ---- */

typedef struct bench {
  tracked file;
  const kind *k;
  char twin[40];
  leadx_tables tables;
  leadx_table *table;
  char *copy; /* puts the first rows back into both tables */
} bench;

/* $T is the table; after "i or "j, which begin an index's name, bare. */
static char *write_ddl(const char *table, const char *ddl) {
  sqlite3_str *sql = sqlite3_str_new(NULL);
  for (const char *z = ddl; *z; z++) {
    int is_hole = z[0] == '$' && z[1] == 'T',
        is_bare = is_hole && z > ddl && z[-1] == ' ' && z > ddl + 2 && z[-3] == '"';
    if (!is_hole) sqlite3_str_appendchar(sql, 1, *z);
    else sqlite3_str_appendf(sql, is_bare ? "%w" : "\"%w\"", table);
    z += is_hole;
  }
  return sqlite3_str_finish(sql);
}

static void make_tables(bench *b) {
  sqlite3_str *more = sqlite3_str_new(NULL);
  for (int i = 1; i <= b->k->wide; i++) sqlite3_str_appendf(more, ", x%d INTEGER DEFAULT %d", i, i);
  char *columns = sqlite3_str_finish(more);
  const char *names[] = {b->k->table, b->twin};
  snprintf(b->twin, sizeof b->twin, "twin %s", b->k->table);
  for (int i = 0; i < 2; i++) {
    char *ddl = sqlite3_mprintf(b->k->ddl, columns ? columns : "");
    char *first = sqlite3_mprintf("CREATE TABLE $T%s", ddl);
    char *sql = first ? write_ddl(names[i], first) : NULL;
    tracked_run(&b->file, "%s", sql);
    sqlite3_free(ddl);
    sqlite3_free(first);
    sqlite3_free(sql);
  }
  sqlite3_free(columns);
  tracked_run(&b->file, "SELECT leadx_track(%Q, '{\"entity\":\"it\"}')", b->k->table);
  ck_assert_int_eq(leadx_tables_load(&b->file.db, "test", &b->tables, &b->file.err), SQLITE_OK);
  b->table = leadx_tables_by_entity(&b->tables, "it");
  char *mine = write_form(b->k, b->k->table,
                          "DELETE FROM $T; INSERT INTO $T($C) VALUES $1, $2, $3;");
  char *twin = write_form(b->k, b->twin, "DELETE FROM $T; INSERT INTO $T($C) VALUES $1, $2, $3;");
  b->copy = sqlite3_mprintf(
      "INSERT INTO leadx_applying VALUES('test'); %s DELETE FROM leadx_applying; %s", mine, twin);
  sqlite3_free(mine);
  sqlite3_free(twin);
}

static void drop_tables(bench *b) {
  leadx_db_release(&b->file.db);
  leadx_tables_clear(&b->tables);
  sqlite3_free(b->copy);
  tracked_run(&b->file, "SELECT leadx_untrack(%Q); DROP TABLE \"%w\"; DROP TABLE \"%w\"",
              b->k->table, b->k->table, b->twin);
}

/* Runs a form; what is left of its transaction is closed. */
static int run_form(bench *b, const char *table, const char *form, int *changes) {
  char *sql = write_form(b->k, table, form);
  int rc = tracked_try(&b->file, sql);
  if (!sqlite3_get_autocommit(b->file.handle))
    tracked_run(&b->file, rc == SQLITE_OK ? "COMMIT" : "ROLLBACK");
  *changes = sqlite3_changes(b->file.handle);
  sqlite3_free(sql);
  return rc;
}

/* A rowid that is not the key is given so rarely that only tables with another unique value, which
** have triggers before a write anyway, look for the row that REPLACE takes along by it: elsewhere it
** stays on the server. */
static int takes_by_rowid(const leadx_table *table, const char *form, const char *settings) {
  return !table->has_unique && strstr(form, "REPLACE") && strstr(form, "rowid") &&
         strstr(settings, "recursive_triggers=0");
}

static void run_case(bench *b, const char *form, int known, const char *settings) {
  image is = {0};
  int changes = 0, twin_changes = 0;
  tracked_run(&b->file,
              "BEGIN; DELETE FROM sync_queue; DELETE FROM leadx_shadow; UPDATE leadx_mark SET "
              "rowid_below = 0; %s COMMIT",
              b->copy);
  if (known) tracked_sent(&b->file, b->k->table);
  image_begin(&is, &b->file, b->table);
  if (!known) {
    leadx_diff_begin(&b->file.db, b->table, 1, &b->file.err);
    is.seen = tracked_int(&b->file, "SELECT max(rowid) FROM sync_queue");
  }
  int rc = run_form(b, b->k->table, form, &changes),
      twin_rc = run_form(b, b->twin, form, &twin_changes);
  ck_assert_msg(rc == twin_rc && changes == twin_changes,
                "%s, %s, %s: ends with %d (%d rows), without triggers with %d (%d rows)",
                b->k->label, settings, form, rc, changes, twin_rc, twin_changes);
  ck_assert_msg(
      tracked_int(&b->file,
                  "SELECT count(*) FROM (SELECT * FROM \"%w\" EXCEPT SELECT * FROM \"%w\")",
                  b->k->table, b->twin) == 0 &&
          tracked_int(&b->file,
                      "SELECT count(*) FROM (SELECT * FROM \"%w\" EXCEPT SELECT * FROM \"%w\")",
                      b->twin, b->k->table) == 0,
      "%s, %s, %s: the table is not what it is without triggers", b->k->label, settings, form);
  const char *wrong = image_fold(&is, &b->file, "it");
  leadx_db_release(&b->file.db);
  tracked_look(&b->file, b->k->table);
  if (!wrong) wrong = image_fold(&is, &b->file, "it");
  if (!wrong) wrong = image_check(&is, &b->file, b->table);
  if (wrong && takes_by_rowid(b->table, form, settings)) wrong = NULL;
  ck_assert_msg(wrong == NULL, "%s, %s, %s: %s", b->k->label, settings, form, wrong ? wrong : "");
  image_clear(&is);
}

/* ---- settings of the connection ---- */

static void test_settings(int combination, int first, int end) {
  bench b = {0};
  char settings[160];
  snprintf(settings, sizeof settings,
           "PRAGMA recursive_triggers=%d; PRAGMA foreign_keys=%d; PRAGMA trusted_schema=%d; PRAGMA "
           "journal_mode=%s;",
           combination & 1, combination >> 1 & 1, combination >> 2 & 1,
           combination & 8 ? "WAL" : "DELETE");
  tracked_open(&b.file);
  tracked_run(&b.file, "%s", settings);
  for (int i = first; i < end; i++) {
    b.k = &kinds[i];
    make_tables(&b);
    /* A fifth of the forms each: over all settings, every form meets every kind several times. */
    for (int f = (combination + i) % 5; f < FORMS; f += 5)
      run_case(&b, forms[f], (f + combination) & 1, settings);
    drop_tables(&b);
  }
  tracked_close(&b.file);
}

enum { NARROW_KINDS = KINDS - 3, COMBINATIONS = 16 };

START_TEST(every_form_of_writing_is_captured_under_every_setting) {
  test_settings(_i, 0, NARROW_KINDS);
}
END_TEST

START_TEST(wide_tables_are_captured_like_narrow_ones) {
  static const int combinations[] = {2, 13};
  test_settings(combinations[_i], NARROW_KINDS, KINDS);
}
END_TEST

Suite *test_capture_matrix_suite(void) {
  Suite *suite = suite_create("capture_matrix");
  TCase *tc = tcase_create("matrix");
  tcase_set_timeout(tc, 120);
  tcase_add_loop_test(tc, every_form_of_writing_is_captured_under_every_setting, 0, COMBINATIONS);
  tcase_add_loop_test(tc, wide_tables_are_captured_like_narrow_ones, 0, 2);
  suite_add_tcase(suite, tc);
  return suite;
}
