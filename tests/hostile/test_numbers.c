/* Numbers of a file that somebody sends: counts, times and sizes in leadx's own tables, of any size
** and of any storage class. A sync neither stops nor forgets anything for them. */
#include <stdio.h>
#include <string.h>

#include "pages.h"
#include "suites.h"

static model_server model;
static push_device device;

static void set_up(void) {
  model_open(&model);
  pages_open(&model);
  device_open(&device, &model);
  device_run(&device, "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, a TEXT, updated_at TEXT);"
                      "SELECT leadx_track('notes'); INSERT INTO notes VALUES ('n1', 'a', NULL)");
  ck_assert_str_eq(device_both(&device), "ok");
}

static void tear_down(void) {
  device_close(&device);
  model_close(&model);
}

static const char *const numbers[] = {"-1",
                                      "-9223372036854775808",
                                      "9223372036854775807",
                                      "4294967297",
                                      "1e300",
                                      "9e999",
                                      "'many'",
                                      "x'00ff'",
                                      "zeroblob(9)"};
enum { N_NUMBERS = sizeof numbers / sizeof numbers[0] };

/* A statement; the number comes in place of the @. */
static const char *const cells[] = {
    "UPDATE leadx_mark SET rowid_below = @",
    "UPDATE leadx_cursors SET began_us = @",
    "UPDATE leadx_cursors SET midway = @",
    "UPDATE leadx_cursors SET anew = @",
    "UPDATE leadx_servers SET asked_us = @",
    "INSERT INTO leadx_lease VALUES (1, 'another', @, 1) ON CONFLICT DO UPDATE SET owner = "
    "'another', taken_us = excluded.taken_us, expires_us = 1",
    "INSERT INTO leadx_lease VALUES (1, 'another', 1, @) ON CONFLICT DO UPDATE SET owner = "
    "'another', taken_us = 1, expires_us = excluded.expires_us",
    "UPDATE sync_queue SET retry_count = @ WHERE status <> 'SYNCED'",
    "UPDATE leadx_shadow SET gone = @ WHERE gone IS NOT NULL",
    "INSERT OR REPLACE INTO leadx_settings VALUES ('batch_size', @)",
    "INSERT OR REPLACE INTO leadx_settings VALUES ('page_size', @)",
    "INSERT OR REPLACE INTO leadx_settings VALUES ('overlap', @)",
    "INSERT OR REPLACE INTO leadx_settings VALUES ('lease', @)",
    "INSERT OR REPLACE INTO leadx_settings VALUES ('max_retries', @)",
    "UPDATE leadx_tables SET priority = @",
};
enum { N_CELLS = sizeof cells / sizeof cells[0] };

START_TEST(a_number_of_the_file_that_is_none_keeps_no_change_from_being_delivered) {
  for (int i = 0; i < N_NUMBERS; i++) {
    char sql[400], id[20];
    snprintf(id, sizeof id, "x%d", i);
    snprintf(sql, sizeof sql, "INSERT INTO notes VALUES ('%s', 'a', NULL)", id);
    device_run(&device, sql);
    const char *place = strchr(cells[_i], '@');
    snprintf(sql, sizeof sql, "%.*s%s%s", (int)(place - cells[_i]), cells[_i], numbers[i],
             place + 1);
    device_run(&device, sql);
    const char *state = device_both(&device);
    ck_assert_msg(strcmp(state, "ok") == 0, "%s: %s", sql, device.result);
    ck_assert_msg(strcmp(model_value(&model, "notes", id, "a"), "a") == 0, "%s: not delivered",
                  sql);
    ck_assert_int_eq(device_int(&device, "SELECT count(*) FROM sync_queue WHERE status <> "
                                         "'SYNCED'"),
                     0);
  }
}
END_TEST

Suite *test_numbers_suite(void) {
  Suite *suite = suite_create("numbers");
  TCase *tcase = tcase_create("file");
  suite_add_tcase(suite, tcase);
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_loop_test(tcase, a_number_of_the_file_that_is_none_keeps_no_change_from_being_delivered,
                      0, N_CELLS);
  return suite;
}
