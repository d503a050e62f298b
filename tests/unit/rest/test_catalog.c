/* What a server says of its tables, as data: everything in it may be anything. */
#include <string.h>

#include "rest/catalog.h"
#include "suites.h"

static leadx_err err;
static leadx_catalog catalog;

static void begin(void) { leadx_err_clear(&err); }
static void end(void) { leadx_catalog_clear(&catalog); }

static int read_text(const char *json, int is_exact) {
  leadx_doc *doc = leadx_doc_parse("test", json, strlen(json), &err);
  ck_assert_msg(doc != NULL, "%s", err.text);
  return leadx_catalog_read(&catalog, "test", doc, is_exact, &err);
}

/* One column of one table with that DEFAULT, as leadx_describe() has it. */
static const leadx_catalog_column *with_default(const char *expression) {
  sqlite3_str *json = sqlite3_str_new(NULL);
  leadx_doc *object = leadx_doc_new_object();
  leadx_doc_add_text(object, "name", "c");
  leadx_doc_add_text(object, "type", "text");
  leadx_doc_add_text(object, "default", expression);
  char *column = leadx_doc_print(object);
  sqlite3_str_appendf(json, "{\"t\":{\"columns\":[%s],\"key\":[\"c\"]}}", column);
  char *text = sqlite3_str_finish(json);
  ck_assert_int_eq(read_text(text, 1), SQLITE_OK);
  sqlite3_free(text);
  sqlite3_free(column);
  leadx_doc_free(object);
  ck_assert_int_eq(catalog.n, 1);
  return &catalog.tables[0].columns[0];
}

typedef struct expression {
  const char *text;
  leadx_filling filling;
  const char *value;
} expression;

static const expression expressions[] = {
    {"'open'::text", LEADX_FILLED_TEXT, "open"},
    {"'it''s'::character varying", LEADX_FILLED_TEXT, "it's"},
    {"'ok'::public.\"Mood\"", LEADX_FILLED_TEXT, "ok"},
    {"''::text", LEADX_FILLED_TEXT, ""},
    {"'x''); drop table y; --'::text", LEADX_FILLED_TEXT, "x'); drop table y; --"},
    {"-1.50", LEADX_FILLED_NUMBER, "-1.50"},
    {"0", LEADX_FILLED_NUMBER, "0"},
    {"true", LEADX_FILLED_TRUE, NULL},
    {"false", LEADX_FILLED_FALSE, NULL},
    {"NULL::character varying", LEADX_FILLED_NOT, NULL},
    {"now()", LEADX_FILLED_NOW, NULL},
    {"gen_random_uuid()", LEADX_FILLED_UUID, NULL},
    {"CURRENT_DATE", LEADX_FILLED_TODAY, NULL},
    {"now() + '1 day'::interval", LEADX_FILLED_SOMEHOW, NULL},
    {"now();drop table x", LEADX_FILLED_SOMEHOW, NULL},
    {"writefile('/tmp/x', 'y')", LEADX_FILLED_SOMEHOW, NULL},
    {"'a'::text || 'b'::text", LEADX_FILLED_SOMEHOW, NULL},
    {"'a' || load_extension('b')", LEADX_FILLED_SOMEHOW, NULL},
    {"'open", LEADX_FILLED_SOMEHOW, NULL},
    {"'", LEADX_FILLED_SOMEHOW, NULL},
    {"", LEADX_FILLED_SOMEHOW, NULL},
    {"1e5", LEADX_FILLED_SOMEHOW, NULL},
    {"1); drop table x", LEADX_FILLED_SOMEHOW, NULL},
    {"99999999999999999999999999999999", LEADX_FILLED_SOMEHOW, NULL},
    {"E'a\\nb'::text", LEADX_FILLED_SOMEHOW, NULL},
    {"nextval('s'::regclass)", LEADX_FILLED_SOMEHOW, NULL},
};

START_TEST(a_default_is_a_value_or_a_known_call_or_unknown) {
  const expression *one = &expressions[_i];
  const leadx_catalog_column *column = with_default(one->text);
  ck_assert_msg(column->filling == one->filling, "%s is %d", one->text, (int)column->filling);
  if (one->value) ck_assert_str_eq(column->value, one->value);
  else ck_assert_ptr_null(column->value);
}
END_TEST

static const char *const strange[] = {
    "{}",
    "[]",
    "null",
    "{\"definitions\":null}",
    "{\"definitions\":[1,2]}",
    "{\"definitions\":{\"t\":5}}",
    "{\"definitions\":{\"t\":{\"properties\":[]}}}",
    "{\"definitions\":{\"\":{\"properties\":{\"a\":{}}}}}",
    "{\"definitions\":{\"a\\u0001b\":{\"properties\":{\"a\":{}}}}}",
    "{\"t\":{\"columns\":5}}",
    "{\"t\":{\"columns\":[]}}",
};

START_TEST(what_describes_no_table_makes_none) {
  for (int exact = 0; exact < 2; exact++) {
    leadx_err_clear(&err);
    read_text(strange[_i], exact);
    for (int i = 0; i < catalog.n; i++)
      ck_assert(catalog.tables[i].fault || catalog.tables[i].ncolumns == 0);
    leadx_catalog_clear(&catalog);
  }
}
END_TEST

static const char *const odd_columns[] = {
    "{\"t\":{\"columns\":[5]}}",
    "{\"t\":{\"columns\":[{\"name\":null}]}}",
    "{\"t\":{\"columns\":[{\"name\":\"a\\nb\"}]}}",
    "{\"t\":{\"columns\":[{\"name\":\"a\"}],\"key\":[\"b\"]}}",
    "{\"t\":{\"columns\":[{\"name\":\"a\"}],\"key\":[5]}}",
    "{\"t\":{\"columns\":[{\"name\":\"a\"}],\"key\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
    "\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]}}",
};

START_TEST(a_table_of_odd_columns_is_named_with_a_fault) {
  ck_assert_int_eq(read_text(odd_columns[_i], 1), SQLITE_OK);
  ck_assert_int_eq(catalog.n, 1);
  ck_assert_ptr_nonnull(catalog.tables[0].fault);
}
END_TEST

START_TEST(references_that_cannot_be_followed_are_left_out) {
  ck_assert_int_eq(
      read_text("{\"t\":{\"columns\":[{\"name\":\"a\"},{\"name\":\"b\"}],\"key\":[\"a\"],"
                "\"references\":[5,{},{\"columns\":[\"b\"]},{\"columns\":[\"b\"],\"table\":\"p\"},"
                "{\"columns\":[\"x\"],\"table\":\"p\",\"target\":[\"id\"]},"
                "{\"columns\":[\"b\"],\"table\":\"p\",\"target\":[\"id\",\"x\"]},"
                "{\"columns\":[\"b\"],\"table\":\"p\\u0007\",\"target\":[\"id\"]},"
                "{\"columns\":[\"b\"],\"table\":\"p\",\"target\":[\"id\"],\"delete\":\"c\"}]}}",
                1),
      SQLITE_OK);
  ck_assert_int_eq(catalog.tables[0].nreferences, 1);
  ck_assert_str_eq(catalog.tables[0].references[0].table, "p");
  ck_assert_int_eq(catalog.tables[0].references[0].on_delete, 'c');
}
END_TEST

/* An OpenAPI document with one column whose note is that. */
static void read_note(const char *note) {
  leadx_doc *property = leadx_doc_new_object();
  leadx_doc_add_text(property, "description", note);
  char *text = leadx_doc_print(property);
  char *json = sqlite3_mprintf("{\"definitions\":{\"t\":{\"properties\":{\"a\":%s}}}}", text);
  ck_assert_int_eq(read_text(json, 0), SQLITE_OK);
  sqlite3_free(json);
  sqlite3_free(text);
  leadx_doc_free(property);
}

static const char *const notes[] = {
    "<pk/>",
    "Note: This is a Primary Key.<pk/>",
    "note\nNote:\n<fk table='",
    "Note:\n<fk table='x' column='",
    "Note:\n<fk table='x'/>",
    "Note:\n<fk table='' column=''/>",
    "Note:\n",
    "<fk table='x' column='y'/>",
    "Note:\n' column='<fk table='/>",
};

START_TEST(a_note_that_is_none_makes_no_key_and_no_reference) {
  read_note(notes[_i]);
  ck_assert_int_eq(catalog.tables[0].nkey, 0);
  ck_assert_int_eq(catalog.tables[0].nreferences, 0);
}
END_TEST

START_TEST(the_servers_own_note_behind_a_comment_counts) {
  read_note("Mine. Note:\nno\n\nNote:\nThis is a Primary Key.<pk/>\nThis is a Foreign Key to "
            "`p.id`.<fk table='p' column='id'/>");
  ck_assert_int_eq(catalog.tables[0].nkey, 1);
  ck_assert_int_eq(catalog.tables[0].nreferences, 1);
  ck_assert_str_eq(catalog.tables[0].references[0].table, "p");
  ck_assert_str_eq(catalog.tables[0].references[0].target[0], "id");
}
END_TEST

START_TEST(more_columns_than_a_table_can_have_are_a_fault_and_more_tables_are_not_read) {
  sqlite3_str *json = sqlite3_str_new(NULL);
  sqlite3_str_appendall(json, "{\"wide\":{\"columns\":[");
  for (int i = 0; i < LEADX_CATALOG_COLUMNS + 1; i++)
    sqlite3_str_appendf(json, "%s{\"name\":\"c%d\"}", i ? "," : "", i);
  sqlite3_str_appendall(json, "]}");
  for (int i = 0; i < LEADX_CATALOG_TABLES + 10; i++)
    sqlite3_str_appendf(json, ",\"t%d\":{\"columns\":[{\"name\":\"a\"}]}", i);
  sqlite3_str_appendall(json, "}");
  char *text = sqlite3_str_finish(json);
  ck_assert_int_eq(read_text(text, 1), SQLITE_OK);
  sqlite3_free(text);
  ck_assert_ptr_nonnull(catalog.tables[0].fault);
  ck_assert_int_eq(catalog.n, LEADX_CATALOG_TABLES);
}
END_TEST

#define COUNT(list) ((int)(sizeof(list) / sizeof(list)[0]))

Suite *test_catalog_suite(void) {
  Suite *suite = suite_create("catalog");
  TCase *tcase = tcase_create("catalog");
  tcase_add_checked_fixture(tcase, begin, end);
  tcase_add_loop_test(tcase, a_default_is_a_value_or_a_known_call_or_unknown, 0,
                      COUNT(expressions));
  tcase_add_loop_test(tcase, what_describes_no_table_makes_none, 0, COUNT(strange));
  tcase_add_loop_test(tcase, a_table_of_odd_columns_is_named_with_a_fault, 0, COUNT(odd_columns));
  tcase_add_loop_test(tcase, a_note_that_is_none_makes_no_key_and_no_reference, 0, COUNT(notes));
  tcase_add_test(tcase, references_that_cannot_be_followed_are_left_out);
  tcase_add_test(tcase, the_servers_own_note_behind_a_comment_counts);
  tcase_add_test(tcase,
                 more_columns_than_a_table_can_have_are_a_fault_and_more_tables_are_not_read);
  suite_add_tcase(suite, tcase);
  return suite;
}
