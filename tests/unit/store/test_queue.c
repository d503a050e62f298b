/* The outbox: the mark and what is held beside it, what people do by hand, what a long history
** costs. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fake_transport.h"
#include "store/lease.h"
#include "push_device.h"
#include "store/queue.h"
#include "suites.h"

static model_server model;
static push_device device;

static void set_up(void) {
  model_open(&model);
  device_open(&device, &model);
  device_run(&device, "CREATE TABLE customers(id TEXT PRIMARY KEY NOT NULL, name TEXT); SELECT "
                      "leadx_track('customers')");
}

static void tear_down(void) {
  device_close(&device);
  model_close(&model);
}

static int count(const char *sql_after_from) {
  char sql[300];
  snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", sql_after_from);
  return device_int(&device, sql);
}

/* Ten rows that are SYNCED and ten that are not, the mark between them. */
static void twenty(void) {
  device_run(&device, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10)"
                      " INSERT INTO customers SELECT printf('c%02d', i), 'Ani' FROM n");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(device_int(&device, "SELECT rowid_below FROM leadx_mark"), 10);
  device_run(&device,
             "WITH RECURSIVE n(i) AS (SELECT 11 UNION ALL SELECT i + 1 FROM n WHERE i < 20)"
             " INSERT INTO customers SELECT printf('c%02d', i), 'Ani' FROM n");
}

/* What may happen to the queue behind leadx's back; afterwards everything that is unsent goes
** out. */
static const struct upheaval {
  const char *sql;
  int on_server;
} upheavals[] = {
    {"SELECT 1", 20},
    {"DELETE FROM sync_queue WHERE status = 'SYNCED'; VACUUM", 20},
    {"DELETE FROM sync_queue WHERE rowid IN (2, 4, 12); VACUUM", 20},
    {"DELETE FROM sync_queue WHERE rowid = 10", 20},
    {"CREATE TABLE copy AS SELECT * FROM sync_queue WHERE status = 'PENDING'; DELETE FROM "
     "sync_queue; INSERT INTO sync_queue SELECT * FROM copy",
     20},
    {"DELETE FROM sync_queue; UPDATE customers SET name = 'Budi' WHERE id = 'c01'", 10},
};

START_TEST(unsent_rows_are_found_whatever_became_of_the_queue) {
  twenty();
  device_run(&device, upheavals[_i].sql);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model_count(&model, "customers"), upheavals[_i].on_server);
  ck_assert_int_eq(count("sync_queue WHERE status <> 'SYNCED'"), 0);
}
END_TEST

START_TEST(failed_rows_stay_below_the_mark_and_are_found_when_revived) {
  twenty();
  model.poison = "c12";
  ck_assert_str_eq(device_sync(&device), "partial");
  ck_assert_int_eq(device_int(&device, "SELECT rowid_below FROM leadx_mark"), 20);
  ck_assert_int_eq(count("leadx_held"), 1);
  model.poison = NULL;
  device_run(&device, "UPDATE sync_queue SET status = 'PENDING' WHERE status = 'FAILED'");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(count("leadx_held"), 0);
  ck_assert_int_eq(model_count(&model, "customers"), 20);
}
END_TEST

START_TEST(a_synced_row_set_back_by_plain_sql_is_sent_again) {
  twenty();
  ck_assert_str_eq(device_sync(&device), "ok");
  model_remove(&model, "customers", "c03");
  sqlite3 *plain = device_second(&device);
  run_on(plain, "UPDATE sync_queue SET status = 'PENDING' WHERE entity_id = 'c03'; DELETE FROM "
                "leadx_shadow WHERE key = 'c03'");
  sqlite3_close(plain);
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model_count(&model, "customers"), 20);
}
END_TEST

START_TEST(what_was_in_flight_when_a_process_died_is_sent_again) {
  twenty();
  device_run(&device, "UPDATE sync_queue SET status = 'IN_PROGRESS', sent_at = "
                      "'2024-01-01T00:00:00Z' WHERE status = 'PENDING'");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model_count(&model, "customers"), 20);
}
END_TEST

/* One that may not go yet either, because a conflict or a time holds it back, is PENDING again and
** not for ever IN_PROGRESS. */
START_TEST(what_was_in_flight_when_a_process_died_and_has_to_wait_now_is_pending_again) {
  twenty();
  device_run(&device, "UPDATE sync_queue SET status = 'IN_PROGRESS', sent_at = "
                      "'2024-01-01T00:00:00Z' WHERE rowid = 15;"
                      "UPDATE sync_queue SET next_try_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', "
                      "'+1 hour') WHERE rowid = 15");
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model_count(&model, "customers"), 19);
  ck_assert_str_eq(device_text(&device, "SELECT status FROM sync_queue WHERE rowid = 15"),
                   "PENDING");
}
END_TEST

/* Its request is under way, and what the server makes of it is not known. */
START_TEST(a_change_that_is_being_sent_cannot_be_discarded) {
  twenty();
  device_run(&device, "UPDATE sync_queue SET status = 'IN_PROGRESS' WHERE entity_id = 'c15'");
  ck_assert_ptr_nonnull(strstr(
      device_error(&device, "SELECT leadx_discard(id) FROM sync_queue WHERE entity_id = 'c15'"),
      "being sent just now"));
  ck_assert_ptr_nonnull(
      strstr(device_error(&device, "DELETE FROM leadx_queue WHERE entity_id = 'c15'"),
             "being sent just now"));
  ck_assert_int_eq(count("sync_queue WHERE entity_id = 'c15'"), 1);
}
END_TEST

START_TEST(enqueue_takes_part_in_the_caller_s_transaction) {
  device_run(
      &device,
      "BEGIN; SELECT leadx_enqueue('customer', 'x1', 'CREATE', '{\"name\":\"a\"}'); ROLLBACK");
  ck_assert_int_eq(count("sync_queue"), 0);
  device_run(&device,
             "BEGIN; SELECT leadx_enqueue('customer', 'x1', 'CREATE', '{\"name\":\"a\"}'); COMMIT");
  ck_assert_int_eq(
      count("sync_queue WHERE status = 'PENDING' AND retry_count = 0 AND created_at <> ''"), 1);
}
END_TEST

START_TEST(a_discarded_change_is_gone_and_a_synced_one_stays) {
  twenty();
  device_text(&device, "SELECT leadx_discard(id) FROM sync_queue WHERE entity_id = 'c15'");
  device_run(&device, "DELETE FROM leadx_queue WHERE entity_id = 'c16'");
  ck_assert_ptr_nonnull(strstr(
      device_error(&device, "SELECT leadx_discard(id) FROM sync_queue WHERE entity_id = 'c01'"),
      "SYNCED"));
  ck_assert_ptr_nonnull(
      strstr(device_error(&device, "SELECT leadx_discard('nobody')"), "no queue row"));
  ck_assert_str_eq(device_sync(&device), "ok");
  ck_assert_int_eq(model_count(&model, "customers"), 18);
}
END_TEST

START_TEST(retry_says_what_it_did_and_refuses_what_is_done) {
  twenty();
  device_run(&device, "UPDATE sync_queue SET status = 'FAILED', retry_count = 3, error_code = 'x' "
                      "WHERE rowid IN (11, 12)");
  ck_assert_str_eq(device_text(&device, "SELECT leadx_retry()"), "{\"retried\":2}");
  ck_assert_int_eq(count("sync_queue WHERE retry_count = 3 OR error_code IS NOT NULL"), 0);
  ck_assert_ptr_nonnull(strstr(
      device_error(&device, "SELECT leadx_retry(id) FROM sync_queue WHERE rowid = 1"), "SYNCED"));
}
END_TEST

START_TEST(a_purge_in_pieces_ends_each_where_it_was_said) {
  leadx_db *db = &device.ctx->db;
  leadx_err *err = &device.ctx->err;
  int64_t last = -1, dropped = -1;
  twenty();
  device_run(&device, "UPDATE sync_queue SET synced_at = '2020-01-01T00:00:00Z' WHERE rowid <> 3");
  ck_assert_int_eq(leadx_queue_advance(db, err), SQLITE_OK);
  ck_assert_int_eq(leadx_queue_purgeable(db, 7, 4, &last, err), SQLITE_OK);
  ck_assert_int_eq(last, 5); /* the fourth of them, because the third row is younger */
  ck_assert_int_eq(leadx_queue_purge(db, 7, 30, last, &dropped, err), SQLITE_OK);
  ck_assert_int_eq(dropped, 4);
  ck_assert_int_eq(count("sync_queue"), 16);
  ck_assert_int_eq(leadx_queue_purgeable(db, 7, 400, &last, err), SQLITE_OK);
  ck_assert_int_eq(leadx_queue_purge(db, 7, 30, last, &dropped, err), SQLITE_OK);
  ck_assert_int_eq(leadx_queue_purgeable(db, 7, 4, &last, err), SQLITE_OK);
  ck_assert_int_eq(last, 0);
}
END_TEST

START_TEST(purge_drops_what_is_done_and_old_and_nothing_unsent) {
  twenty();
  device_run(&device, "UPDATE sync_queue SET synced_at = '2020-01-01T00:00:00Z', created_at = "
                      "'2020-01-01 00:00:00' WHERE rowid <> 3");
  device_run(&device, "UPDATE sync_queue SET status = 'FAILED' WHERE rowid = 13");
  ck_assert_str_eq(device_text(&device, "SELECT leadx_purge()"), "{\"purged\":9}");
  ck_assert_int_eq(device_int(&device, "SELECT rowid_below FROM leadx_mark"),
                   3); /* it stands on a row that is there */
  ck_assert_int_eq(count("sync_queue"), 11);
  ck_assert_str_eq(device_sync(&device), "partial");
  ck_assert_int_eq(model_count(&model, "customers"), 19);
  struct timespec nap = {0, 5000000}; /* instants are compared by the millisecond */
  nanosleep(&nap, NULL);
  device_text(&device, "SELECT leadx_purge(0)");
  ck_assert_int_eq(count("sync_queue"), 1);
  ck_assert_str_eq(device_error(&device, "SELECT leadx_purge(-1)"),
                   "leadx_purge: the argument must be a number of days, 0 or more");
}
END_TEST

static int steps;
static int count_step(void *arg) {
  (void)arg;
  steps++;
  return 0;
}

/* How many steps of ten virtual instructions a sync takes. */
static int steps_of_a_sync(void) {
  steps = 0;
  sqlite3_progress_handler(device.db, 10, count_step, NULL);
  ck_assert_str_eq(device_sync(&device), "ok");
  sqlite3_progress_handler(device.db, 0, NULL, NULL);
  return steps;
}

START_TEST(a_long_history_costs_a_sync_nothing) {
  device_run(&device, "INSERT INTO customers VALUES ('c1', 'Ani')");
  ck_assert_str_eq(device_sync(&device), "ok");
  device_run(&device, "UPDATE customers SET name = 'Budi'");
  int before = steps_of_a_sync();
  device_run(
      &device,
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
      " INSERT INTO sync_queue(id, entity_type, entity_id, action, payload, status, synced_at)"
      " SELECT printf('h%06d', i), 'customer', 'h' || i, 'CREATE', '{}', 'SYNCED', '2024-01-01' "
      "FROM n");
  ck_assert_str_eq(device_sync(&device), "ok"); /* passes them once */
  ck_assert_int_eq(device_int(&device, "SELECT rowid_below FROM leadx_mark"), 100002);
  device_run(&device, "UPDATE customers SET name = 'Citra'");
  int after = steps_of_a_sync();
  ck_assert_msg(after <= before + 20, "%d steps before, %d after", before, after);
}
END_TEST

/* B31 */
START_TEST(a_file_that_cannot_be_written_is_said_before_anything_is_sent) {
  twenty();
  model_forget_log(&model);
  device_run(&device, "PRAGMA query_only = 1");
  ck_assert_ptr_nonnull(strstr(device_error(&device, "SELECT leadx_push()"), "readonly"));
  ck_assert_int_eq(model.n, 0);
  device_run(&device, "PRAGMA query_only = 0");
}
END_TEST

/* B32 */
static const struct nesting {
  const char *begin, *sync, *end;
} nestings[] = {
    {"BEGIN", "SELECT leadx_push()", "ROLLBACK"},
    {"BEGIN IMMEDIATE", "SELECT leadx_sync()", "ROLLBACK"},
    {"SAVEPOINT s", "SELECT leadx_sync()", "ROLLBACK TO s; RELEASE s"},
    {"SELECT 1", "SELECT leadx_push() FROM customers", "SELECT 1"},
    {"SELECT 1", "SELECT leadx_sync() FROM leadx_queue", "SELECT 1"},
    {"SELECT 1", "INSERT INTO customers VALUES ('z', leadx_push())", "SELECT 1"},
    {"SELECT 1", "UPDATE customers SET name = leadx_step()", "SELECT 1"},
};

START_TEST(a_sync_inside_somebody_s_statement_or_transaction_is_refused) {
  twenty();
  model_forget_log(&model);
  device_run(&device, nestings[_i].begin);
  ck_assert_ptr_nonnull(strstr(device_error(&device, nestings[_i].sync), "COMMIT first"));
  device_run(&device, nestings[_i].end);
  ck_assert_int_eq(sqlite3_get_autocommit(device.db), 1);
  ck_assert_int_eq(model.n, 0);
  ck_assert_int_eq(count("sync_queue WHERE status = 'PENDING'"), 10);
}
END_TEST

/* B4: a lease of somebody who died, or whose clock was wrong, parks nobody; a living one does. */
static const struct lease_case {
  const char *owner, *taken, *expires, *state;
} leases[] = {
    {"'elsewhere 1 x'", "now", "now + 30000000", "busy"},
    {"'elsewhere 1 x'", "now - 60000000", "now - 1", "ok"},
    {"'elsewhere 1 x'", "now + 86400000000", "now + 86460000000", "ok"},
    {"'elsewhere 1 x'", "now", "now + 31536000000000", "ok"},
};

START_TEST(a_lease_holds_while_its_holder_may_live) {
  char sql[400];
  device_run(&device, "INSERT INTO customers VALUES ('c1', 'Ani')");
  snprintf(sql, sizeof sql,
           "WITH t(now) AS (SELECT unixepoch() * 1000000)"
           " UPDATE leadx_lease SET owner = %s, taken_us = (SELECT %s FROM t), expires_us = "
           "(SELECT %s FROM t)",
           leases[_i].owner, leases[_i].taken, leases[_i].expires);
  device_run(&device, sql);
  ck_assert_str_eq(device_sync(&device), leases[_i].state);
  ck_assert_int_eq(model_count(&model, "customers"), strcmp(leases[_i].state, "ok") == 0);
}
END_TEST

static const char *sync_under(const char *machine, int length, int pid) {
  char sql[300];
  snprintf(sql, sizeof sql,
           "UPDATE leadx_lease SET owner = '%.*s %d x', taken_us = unixepoch() * 1000000, "
           "expires_us = unixepoch() * 1000000 + 30000000",
           length, machine, pid);
  device_run(&device, sql);
  return device_sync(&device);
}

/* A process that crashed leaves its lease, and nobody waits for it to run out; of another machine's
** nothing is known. */
START_TEST(a_lease_of_a_process_that_has_ended_holds_nobody_up) {
  char machine[LEADX_OWNER_BYTES];
  leadx_lease_owner(machine);
  int length = (int)strcspn(machine, " ");
  pid_t ended = fork();
  if (ended == 0) _exit(0);
  ck_assert_int_eq(waitpid(ended, NULL, 0), ended);
  ck_assert_str_eq(sync_under(machine, length, (int)getpid()), "busy");
  ck_assert_str_eq(sync_under(machine, length, (int)ended), "ok");
  machine[0] = machine[0] == 'x' ? 'y' : 'x';
  ck_assert_str_eq(sync_under(machine, length, (int)ended), "busy");
}
END_TEST

Suite *test_queue_suite(void) {
  Suite *suite = suite_create("queue");
  TCase *tcase = tcase_create("queue");
  tcase_add_checked_fixture(tcase, set_up, tear_down);
#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))
  tcase_add_loop_test(tcase, unsent_rows_are_found_whatever_became_of_the_queue, 0,
                      COUNT(upheavals));
  tcase_add_test(tcase, failed_rows_stay_below_the_mark_and_are_found_when_revived);
  tcase_add_test(tcase, a_synced_row_set_back_by_plain_sql_is_sent_again);
  tcase_add_test(tcase, what_was_in_flight_when_a_process_died_is_sent_again);
  tcase_add_test(tcase,
                 what_was_in_flight_when_a_process_died_and_has_to_wait_now_is_pending_again);
  tcase_add_test(tcase, a_change_that_is_being_sent_cannot_be_discarded);
  tcase_add_test(tcase, a_lease_of_a_process_that_has_ended_holds_nobody_up);
  tcase_add_test(tcase, enqueue_takes_part_in_the_caller_s_transaction);
  tcase_add_test(tcase, a_discarded_change_is_gone_and_a_synced_one_stays);
  tcase_add_test(tcase, retry_says_what_it_did_and_refuses_what_is_done);
  tcase_add_test(tcase, a_purge_in_pieces_ends_each_where_it_was_said);
  tcase_add_test(tcase, purge_drops_what_is_done_and_old_and_nothing_unsent);
  tcase_add_test(tcase, a_long_history_costs_a_sync_nothing);
  tcase_add_test(tcase, a_file_that_cannot_be_written_is_said_before_anything_is_sent);
  tcase_add_loop_test(tcase, a_sync_inside_somebody_s_statement_or_transaction_is_refused, 0,
                      COUNT(nestings));
  tcase_add_loop_test(tcase, a_lease_holds_while_its_holder_may_live, 0, COUNT(leases));
  suite_add_tcase(suite, tcase);
  return suite;
}
