/* A host that speaks German: its numbers have a comma, leadx's have a point. */
#define _DEFAULT_SOURCE
#include <locale.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/number.h"
#include "suites.h"
#include "tracked.h"

/* The locale may not be installed; localedef makes one for this test. 0 where there is neither. */
static int speak_german(char *folder) {
  char command[200];
  if (setlocale(LC_ALL, "de_DE.UTF-8") || setlocale(LC_ALL, "de_DE")) return 1;
  if (!mkdtemp(folder)) return 0;
  snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1",
           folder);
  if (system(command) != 0 || setenv("LOCPATH", folder, 1) != 0) return 0;
  return setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
}

static void forget_german(const char *folder) {
  char command[200];
  setlocale(LC_ALL, "C");
  unsetenv("LOCPATH"); /* what other tests start inherits it */
  snprintf(command, sizeof command, "rm -rf %s", folder);
  if (strstr(folder, "leadx_locale") && !strstr(folder, "XXXXXX"))
    ck_assert_int_eq(system(command), 0);
}

START_TEST(a_locale_with_a_comma_changes_no_number) {
  char folder[] = "/tmp/leadx_locale_XXXXXX", printed[32];
  tracked file;
  double got = 0;
  if (!speak_german(folder)) return;
  snprintf(printed, sizeof printed, "%.1f", 0.5);
  ck_assert_str_eq(printed, "0,5");
  ck_assert_int_eq(leadx_number_double("0.5", 3, &got), 0);
  ck_assert(got == 0.5);
  ck_assert_int_eq(leadx_json_double((leadx_slice){"2.25", 4}, &got), 0);
  ck_assert(got == 2.25);
  tracked_open(&file);
  ck_assert_str_eq(tracked_text(&file, "SELECT leadx_config('overlap', '0.5')"), "0.5");
  ck_assert_str_eq(tracked_text(&file, "SELECT leadx_config('overlap')"), "0.5");
  tracked_run(&file, "SELECT leadx_configure('http://127.0.0.1:9/rest/v1', 'sb_publishable_x', "
                     "'{\"connect_timeout\":1.5}')");
  ck_assert_str_eq(tracked_text(&file, "SELECT leadx_config('connect_timeout')"), "1.5");
  tracked_run(&file, "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, x REAL, d REAL NOT NULL DEFAULT "
                     "2.5); SELECT leadx_track('t'); INSERT INTO t(id, x) VALUES ('a', 0.1)");
  ck_assert_str_eq(tracked_text(&file, "SELECT payload FROM sync_queue"),
                   "{\"id\":\"a\",\"x\":0.1,\"d\":2.5}");
  ck_assert_str_eq(tracked_text(&file, "SELECT json_type(leadx_sync())"), "object");
  tracked_close(&file);
  forget_german(folder);
}
END_TEST

Suite *test_locale_suite(void) {
  Suite *suite = suite_create("locale");
  TCase *all = tcase_create("all");
  tcase_set_timeout(all, 60);
  tcase_add_test(all, a_locale_with_a_comma_changes_no_number);
  suite_add_tcase(suite, all);
  return suite;
}
