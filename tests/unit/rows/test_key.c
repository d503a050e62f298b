/* The canonical text of a key: what the trigger writes, the server answers, an application queues
** and a tombstone says of one value is one text; values that differ have different ones. */
#include <string.h>

#include "rows/key.h"
#include "rows/key_fit.h"
#include "rows/key_row.h"
#include "rows/key_sql.h"
#include "rows/key_value.h"
#include "suites.h"
#include "tracked.h"
#include "store/tables.h"

static tracked file;
static leadx_tables tables;

static void set_up(void) { tracked_open(&file); }

static void tear_down(void) {
  leadx_tables_clear(&tables);
  tracked_close(&file);
}

/* A value here (SQL), as the server's JSON, as an application may spell it in the queue, and the
** key. */
static const struct value {
  const char *declared, *type, *here, *there, *queued, *key;
} values[] = {
    {"TEXT", "text", "'Ab''\"\\' || char(9,13,10,1)", "\"Ab'\\\"\\\\\\t\\r\\n\\u0001\"", NULL,
     "Ab'\"\\\t\r\n\x01"},
    {"TEXT", "text", "'01'", "\"01\"", "01", "01"},
    {"TEXT", "uuid", "'A0000000-0000-4000-8000-00000000000F'",
     "\"a0000000-0000-4000-8000-00000000000f\"",
     "a00000000000400080000000000000"
     "0F",
     "a0000000-0000-4000-8000-00000000000f"},
    {"TEXT", "uuid", "'K1'", "\"K1\"", "K1", "K1"},
    {"INTEGER", "integer", "9223372036854775807", "9223372036854775807", "+9223372036854775807",
     "9223372036854775807"},
    {"INTEGER", "integer", "-9223372036854775807 - 1", "-9223372036854775808", NULL,
     "-9223372036854775808"},
    {"INTEGER", "integer", "0", "0", "-0", "0"},
    {"TEXT", "decimal", "'1.00'", "1.0", "1", "1"},
    {"TEXT", "decimal", "'-12345678901234567890.120'", "-12345678901234567890.12",
     "-12345678901234567890.1200", "-12345678901234567890.12"},
    {"REAL", "real", "1", "1.00", "1.0", "1"},
    {"REAL", "real", "0.1 + 0.2", "0.30000000000000004", "3.00000000000000044409e-01",
     "0.30000000000000004"},
    {"REAL", "real", "1e300 / 1e280", "100000000000000000000", "1e+20", "100000000000000000000"},
    {"BOOLEAN", "boolean", "1", "true", "1", "true"},
    {"BOOLEAN", "boolean", "0", "false", "false", "false"},
    {"DATE", "date", "'2026-11-30'", "\"2026-11-30\"", "2026-11-30", "2026-11-30"},
    {"TEXT", "timestamp", "'2026-11-30 23:42:33.500'", "\"2026-12-01T06:42:33.5+07:00\"",
     "2026-11-30T23:42:33.500000Z", "2026-11-30T23:42:33.5Z"},
    {"INTEGER", "timestamp:s", "1701388953", "\"2023-12-01T00:02:33+00:00\"", "2023-12-01 00:02:33",
     "2023-12-01T00:02:33Z"},
    {"INTEGER", "timestamp:ms", "-1", "\"1969-12-31T23:59:59.999\"", "-1",
     "1969-12-31T23:59:59.999Z"},
    {"BLOB", "blob", "x'00FF'", "\"\\\\x00ff\"", "\\x00FF", "\\x00ff"},
};
enum { VALUES = sizeof values / sizeof values[0] };

/* The table is tracked, and has one row of that value. */
static const leadx_table *make(const struct value *is, int composite) {
  tracked_run(&file,
              "CREATE TABLE t(k %s, n TEXT%s, v TEXT, PRIMARY KEY(k%s)); SELECT leadx_track('t', "
              "'{\"columns\":{\"k\":{\"type\":\"%s\"}}}'); INSERT INTO t(k, n) VALUES(%s, 'x')",
              is->declared, "", composite ? ", n" : "", is->type, is->here);
  ck_assert_int_eq(leadx_tables_load(&file.db, "test", &tables, &file.err), SQLITE_OK);
  return tables.list[0];
}

static void expect(const char *what, const struct value *is, char *key, const char *wanted) {
  ck_assert_msg(key && strcmp(key, wanted) == 0, "%s of %s %s: \"%s\", not \"%s\"", what, is->type,
                is->here, key ? key : "NULL", wanted);
  sqlite3_free(key);
}

static char *local_key(const leadx_table *table) {
  sqlite3_str *sql = sqlite3_str_new(NULL);
  sqlite3_str_appendall(sql, "SELECT ");
  leadx_key_sql(sql, table, "\"t\"");
  sqlite3_str_appendall(sql, " FROM t");
  char *text = sqlite3_str_finish(sql),
       *key = sqlite3_mprintf("%s", tracked_text(&file, "%s", text));
  sqlite3_free(text);
  return key;
}

static void check_all(const struct value *is, int composite) {
  const leadx_table *table = make(is, composite);
  leadx_slice row, parts[LEADX_KEY_COLUMNS];
  char *doc = sqlite3_mprintf("{\"n\":\"x\",\"k\":%s}", is->there);
  ck_assert_ptr_null(leadx_json_check(doc, strlen(doc), 0, &row, NULL));
  char *wanted = leadx_key_of_row(table, row, &file.err);
  if (!composite) expect("the server's row", is, sqlite3_mprintf("%s", wanted), is->key);
  expect("the local row", is, local_key(table), wanted);
  expect("the trigger", is,
         leadx_key_read(table, tracked_text(&file, "SELECT entity_id FROM sync_queue"),
                        LEADX_BY_DEVICE, &file.err),
         wanted);
  expect("the key", is, leadx_key_read(table, wanted, LEADX_BY_DEVICE, &file.err), wanted);
  char *tombstone = composite ? sqlite3_mprintf("[ %s , \"x\" ]", is->there)
                              : sqlite3_mprintf("%s", is->key);
  expect("a tombstone", is, leadx_key_read(table, tombstone, LEADX_BY_SERVER, &file.err), wanted);
  sqlite3_free(tombstone);
  if (!composite && is->queued)
    expect("a queue row", is, leadx_key_read(table, is->queued, LEADX_BY_DEVICE, &file.err),
           wanted);
  int found = 0, n = 0;
  ck_assert_int_eq(leadx_key_is_here(&file.db, table, wanted, &found, &file.err), SQLITE_OK);
  ck_assert_msg(found, "%s %s is not found here by \"%s\"", is->type, is->here, wanted);
  ck_assert_ptr_null(leadx_key_misfit(table, wanted));
  ck_assert_int_eq(leadx_key_is_row(table, wanted, row, &file.err), 1);
  sqlite3_free(leadx_key_json(table, wanted, parts, &n, &file.err));
  ck_assert_int_eq(n, table->nkey);
  tracked_run(&file, "SELECT leadx_enqueue('t', %Q, 'UPDATE', '{\"v\":\"1\"}')",
              composite || !is->queued ? wanted : is->queued);
  expect("leadx_enqueue()", is,
         sqlite3_mprintf(
             "%s", tracked_text(&file, "SELECT entity_id FROM sync_queue ORDER BY rowid DESC")),
         wanted);
  sqlite3_free(wanted);
  sqlite3_free(doc);
}

START_TEST(everybody_spells_a_key_in_one_way) { check_all(&values[_i], 0); }
END_TEST

START_TEST(and_a_part_of_a_composite_key) { check_all(&values[_i], 1); }
END_TEST

/* Keys of the server that are two there, and would be one in the local column. */
static const struct twin {
  const char *declared, *type, *a, *b;
  int misfits; /* b cannot be kept */
} twins[] = {
    {"TEXT COLLATE NOCASE", "text", "\"k\"", "\"K\"", 0},
    {"TEXT", "text", "\"a0000000-0000-4000-8000-00000000000f\"",
     "\"A0000000-0000-4000-8000-00000000000F\"", 0},
    {"TEXT", "uuid", "\"k1\"", "\"K1\"", 0},
    {"INTEGER", "integer", "\"5\"", "\"05\"", 1},
    {"REAL", "real", "12345678901234567.8", "12345678901234567.9", 1},
    {"INTEGER", "timestamp:s", "\"2026-11-30T23:42:33Z\"", "\"2026-11-30T23:42:33.5Z\"", 1},
    {"INTEGER", "timestamp:ms", "\"2026-11-30T23:42:33.1Z\"", "\"2026-11-30T23:42:33.1004Z\"", 1},
    {"DECIMAL(30,20)", "decimal", "0.1", "0.10000000000000000001", 1},
};
enum { TWINS = sizeof twins / sizeof twins[0] };

START_TEST(two_keys_of_the_server_are_never_one_here) {
  const struct twin *is = &twins[_i];
  const struct value value = {is->declared, is->type, "NULL", "", NULL, ""};
  const leadx_table *table = make(&value, 0);
  leadx_slice values_of[1] = {{is->a, strlen(is->a)}};
  char *a = leadx_key_of_values(table, values_of, &file.err);
  values_of[0] = (leadx_slice){is->b, strlen(is->b)};
  char *b = leadx_key_of_values(table, values_of, &file.err);
  ck_assert_str_ne(a, b);
  ck_assert_int_eq(leadx_key_misfit(table, b) != NULL, is->misfits);
  sqlite3_free(a);
  sqlite3_free(b);
}
END_TEST

START_TEST(a_null_or_a_text_with_nul_is_no_key) {
  const struct value value = {"TEXT", "text", "'a' || char(0) || 'b'", "", NULL, ""};
  const leadx_table *table = make(&value, 0);
  expect("the local row", &value, local_key(table), "");
  leadx_slice null = {"null", 4};
  ck_assert_ptr_null(leadx_key_of_values(table, &null, &file.err));
  ck_assert_int_eq(leadx_key_is_key(table, ""), 0);
}
END_TEST

Suite *test_key_suite(void) {
  Suite *suite = suite_create("key");
  TCase *tc = tcase_create("key");
  tcase_add_checked_fixture(tc, set_up, tear_down);
  tcase_add_loop_test(tc, everybody_spells_a_key_in_one_way, 0, VALUES);
  tcase_add_loop_test(tc, and_a_part_of_a_composite_key, 0, VALUES);
  tcase_add_loop_test(tc, two_keys_of_the_server_are_never_one_here, 0, TWINS);
  tcase_add_test(tc, a_null_or_a_text_with_nul_is_no_key);
  suite_add_tcase(suite, tc);
  return suite;
}
