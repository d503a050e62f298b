/* When the worker does what: the schedule, by stories of things that happen and what is due
** then. */
#include <string.h>

#include "sync/schedule.h"
#include "suites.h"

static leadx_schedule s;
static const char *trigger;
static int whole;
static int64_t wake_at;

#define INTERVAL 300000

static void set_up(void) { leadx_schedule_init(&s, 0, INTERVAL, 1000, 300000); }

static leadx_doing next(int64_t now) {
  trigger = "";
  whole = -1;
  wake_at = -1;
  return leadx_schedule_next(&s, now, &trigger, &whole, &wake_at);
}

static void expect_sync(int64_t now, const char *name, int is_whole) {
  ck_assert_int_eq(next(now), LEADX_DO_SYNC);
  ck_assert_str_eq(trigger, name);
  ck_assert_int_eq(whole, is_whole);
}

static void expect_rest(int64_t now, int64_t until) {
  ck_assert_int_eq(next(now), LEADX_DO_NOTHING);
  ck_assert_int_eq(wake_at, until);
}

static void ended(int64_t now, leadx_ending ending) {
  leadx_schedule_synced(&s, now, ending, 1, 0);
}

/* A worker whose first sync has reached the server at 0. */
static void set_up_online(void) {
  set_up();
  expect_sync(0, "start", 1);
  ended(0, LEADX_ENDED_WELL);
}

/* A worker whose first sync has reached nobody at 0. */
static void set_up_offline(void) {
  set_up();
  expect_sync(0, "start", 1);
  ended(0, LEADX_ENDED_OFFLINE);
}

START_TEST(a_worker_begins_with_a_sync_and_goes_on_by_the_timer) {
  set_up_online();
  expect_rest(1, INTERVAL);
  ck_assert_int_eq(leadx_schedule_next_sync(&s), INTERVAL);
  expect_sync(INTERVAL, "timer", 1);
  ended(INTERVAL + 500, LEADX_ENDED_WELL);
  expect_rest(INTERVAL + 500, 2 * INTERVAL + 500);
}
END_TEST

START_TEST(a_commit_goes_after_half_a_second_together_with_those_that_follow) {
  set_up_online();
  leadx_schedule_committed(&s, 1000);
  leadx_schedule_committed(&s, 1400);
  expect_rest(1499, 1500);
  expect_sync(1500, "commit", 0);
  leadx_schedule_synced(&s, 1600, LEADX_ENDED_WELL, 0, 0);
  expect_rest(1600, INTERVAL); /* a sync that fetched nothing does not put the timer off */
}
END_TEST

START_TEST(a_new_interval_counts_from_now) {
  set_up_online();
  leadx_schedule_set_interval(&s, 100000, 60000);
  expect_rest(100000, 160000);
  leadx_schedule_set_interval(&s, 150000, 60000);
  expect_rest(150000, 160000);
}
END_TEST

START_TEST(while_nobody_answers_the_server_is_asked_every_three_seconds_for_what_waits) {
  set_up_offline();
  leadx_schedule_found(&s, 0, 1, LEADX_NEVER);
  int64_t now = 1000, before = 0;
  expect_rest(999, 1000);
  for (int i = 0; i < 50; i++) {
    ck_assert_int_eq(next(now), LEADX_DO_PROBE);
    leadx_schedule_probed(&s, now, 0);
    ck_assert_int_eq(next(now), LEADX_DO_NOTHING);
    before = now;
    now = wake_at;
    ck_assert_int_le(now - before, LEADX_PROBE_MS);
    ck_assert_int_ge(now - before, 1000);
  }
  ck_assert_int_eq(next(now), LEADX_DO_PROBE);
  leadx_schedule_probed(&s, now, 1);
  expect_sync(now, "online", 1);
  ended(now, LEADX_ENDED_WELL);
  expect_rest(now, now + INTERVAL);
}
END_TEST

START_TEST(with_nothing_to_send_the_server_is_asked_more_and_more_rarely) {
  static const int64_t waits[] = {2000, 4000, 8000, 16000, 32000, 60000, 60000};
  set_up_offline();
  int64_t now = 1000;
  for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
    ck_assert_int_eq(next(now), LEADX_DO_PROBE);
    leadx_schedule_probed(&s, now, 0);
    expect_rest(now, now + waits[i]);
    now += waits[i];
  }
  next(now);
  leadx_schedule_probed(&s, now, 0);
  leadx_schedule_committed(&s, now); /* now something waits */
  expect_rest(now, now + LEADX_PROBE_MS);
}
END_TEST

START_TEST(commits_of_an_offline_time_start_no_sync) {
  set_up_offline();
  leadx_schedule_committed(&s, 100);
  expect_rest(900, 1000);
  ck_assert_int_eq(next(1000), LEADX_DO_PROBE);
  leadx_schedule_probed(&s, 1000, 0);
  expect_rest(2999, 3000);
}
END_TEST

START_TEST(the_timer_syncs_although_nobody_answers) {
  set_up_offline();
  leadx_schedule_probed(&s, 1000, 0);
  for (int64_t now = 1000; now < INTERVAL; now = wake_at) {
    if (next(now) == LEADX_DO_PROBE) {
      leadx_schedule_probed(&s, now, 0);
      next(now);
    }
  }
  expect_sync(INTERVAL, "timer", 1);
}
END_TEST

START_TEST(whoever_answers_a_probe_but_no_sync_is_asked_more_and_more_rarely) {
  set_up_offline();
  leadx_schedule_found(&s, 0, 1, LEADX_NEVER);
  int64_t now = 1000, syncs = 0;
  while (now < 120000) {
    leadx_doing doing = next(now);
    if (doing == LEADX_DO_PROBE) leadx_schedule_probed(&s, now, 1);
    if (doing == LEADX_DO_SYNC) {
      syncs++;
      ended(now, LEADX_ENDED_OFFLINE);
    }
    if (doing == LEADX_DO_NOTHING) now = wake_at;
  }
  ck_assert_int_le(syncs, 7); /* 2, 4, 8, 16, 32, 60 seconds apart */
}
END_TEST

START_TEST(a_network_that_comes_up_is_tried_at_once) {
  set_up_offline();
  for (int i = 0; i < 6; i++) leadx_schedule_probed(&s, 1000, 0);
  leadx_schedule_network_up(&s, 5000);
  ck_assert_int_eq(next(5000), LEADX_DO_PROBE);
  set_up_online();
  leadx_schedule_network_up(&s, 5000);
  expect_rest(5000, INTERVAL);
}
END_TEST

START_TEST(a_server_that_wants_time_gets_it) {
  set_up_online();
  leadx_schedule_committed(&s, 1000);
  expect_sync(1500, "commit", 0);
  leadx_schedule_synced(&s, 1500, LEADX_ENDED_THROTTLED, 0, 121500);
  leadx_schedule_committed(&s, 2000);
  expect_rest(2500, 121500);
  expect_sync(121500, "commit", 0);
}
END_TEST

START_TEST(a_server_that_does_not_say_how_long_is_left_alone_longer_and_longer) {
  set_up();
  s.backoff_ms = 0;
  int64_t now = 0, before = 0;
  for (int i = 0; i < 4; i++) {
    expect_sync(now, i == 0 ? "start" : "retry", 1);
    ended(now, LEADX_ENDED_THROTTLED);
    ck_assert_int_eq(next(now), LEADX_DO_NOTHING);
    ck_assert_int_ge(wake_at - now, 1000); /* even with a backoff of nothing */
    now = wake_at;
  }
  s.backoff_ms = 1000;
  for (int i = 0; i < 12; i++) {
    ck_assert_int_eq(next(now), LEADX_DO_SYNC);
    ended(now, LEADX_ENDED_THROTTLED);
    ck_assert_int_eq(next(now), LEADX_DO_NOTHING);
    ck_assert_int_ge(wake_at - now, before);
    before = wake_at - now;
    now = wake_at;
  }
  ck_assert_int_ge(before, 200000);
  ck_assert_int_le(before, 300000);
}
END_TEST

START_TEST(a_refused_token_is_not_tried_again_before_there_is_another) {
  set_up();
  expect_sync(0, "start", 1);
  ended(0, LEADX_ENDED_REFUSED);
  leadx_schedule_committed(&s, 1000);
  expect_rest(10000, INTERVAL);
  leadx_schedule_renewed(&s, 20000);
  expect_sync(20000, "token", 1);
  ended(20000, LEADX_ENDED_WELL);
  leadx_schedule_renewed(&s, 30000); /* a token that was renewed in time is no reason */
  expect_rest(30000, 20000 + INTERVAL);
}
END_TEST

START_TEST(tokens_that_are_refused_one_after_the_other_are_tried_more_and_more_rarely) {
  set_up();
  int64_t now = 0, syncs = 0;
  while (now < 120000) {
    leadx_doing doing = next(now);
    if (doing == LEADX_DO_SYNC) {
      syncs++;
      ended(now, LEADX_ENDED_REFUSED);
      leadx_schedule_renewed(&s, now); /* the sync has refreshed it, in vain */
    } else {
      now = wake_at;
    }
  }
  ck_assert_int_le(syncs, 9);
  ck_assert_int_ge(syncs, 5);
}
END_TEST

START_TEST(another_server_is_tried_at_once) {
  set_up_offline();
  leadx_schedule_renewed(&s, 100);
  ck_assert_int_eq(next(100), LEADX_DO_PROBE);
}
END_TEST

START_TEST(while_another_process_syncs_the_worker_waits_for_it) {
  set_up_online();
  leadx_schedule_committed(&s, 0);
  expect_sync(500, "commit", 0);
  leadx_schedule_synced(&s, 500, LEADX_ENDED_BUSY, 0, 0);
  expect_rest(500, 1500);
  expect_sync(1500, "retry", 0);
  leadx_schedule_synced(&s, 1500, LEADX_ENDED_BUSY, 0, 0);
  expect_rest(1500, 3500);
}
END_TEST

START_TEST(a_sync_that_failed_here_is_repeated_whole) {
  set_up();
  expect_sync(0, "start", 1);
  ended(0, LEADX_ENDED_BADLY);
  ck_assert_int_eq(next(0), LEADX_DO_NOTHING);
  expect_sync(wake_at, "retry", 1);
}
END_TEST

START_TEST(a_waiting_row_is_tried_when_its_time_has_come) {
  set_up_online();
  leadx_schedule_found(&s, 0, 1, 8000);
  expect_rest(10, 8000);
  expect_sync(8000, "retry", 0);
  leadx_schedule_synced(&s, 8000, LEADX_ENDED_WELL, 0, 0);
  leadx_schedule_found(&s, 8000, 1, 8000); /* never at once again */
  expect_rest(8000, 9000);
}
END_TEST

START_TEST(online_foreground_and_refresh_sync_at_once) {
  static const char *const events[] = {"online", "foreground", "refresh"};
  set_up_offline();
  ck_assert_int_eq(leadx_schedule_notify(&s, 10, events[_i]), 0);
  expect_sync(10, events[_i], 1);
  ended(20, LEADX_ENDED_WELL);
  expect_rest(20, 20 + INTERVAL);
}
END_TEST

START_TEST(offline_pauses_until_somebody_says_otherwise) {
  set_up_online();
  ck_assert_int_eq(leadx_schedule_notify(&s, 10, "offline"), 0);
  leadx_schedule_committed(&s, 20);
  expect_rest(1000, INTERVAL);
  ck_assert(leadx_schedule_next_sync(&s) == LEADX_NEVER);
  leadx_schedule_notify(&s, 2000, "online");
  expect_sync(2000, "online", 1);
}
END_TEST

/* What a sync or a probe finds that began before the word does not gainsay it. */
START_TEST(offline_is_believed_while_a_sync_or_a_probe_runs) {
  set_up_online();
  leadx_schedule_committed(&s, 1000);
  expect_sync(1500, "commit", 0);
  leadx_schedule_notify(&s, 1510, "offline");
  leadx_schedule_synced(&s, 1600, LEADX_ENDED_WELL, 0, 0);
  leadx_schedule_committed(&s, 2000);
  expect_rest(3000, INTERVAL);
  ck_assert_int_eq(next(INTERVAL), LEADX_DO_PROBE);
  leadx_schedule_notify(&s, INTERVAL, "offline");
  leadx_schedule_probed(&s, INTERVAL + 100, 1);
  expect_rest(INTERVAL + 100, 2 * INTERVAL + 100);
  ck_assert_int_eq(next(2 * INTERVAL + 100), LEADX_DO_PROBE);
  leadx_schedule_probed(&s, 2 * INTERVAL + 200, 1);
  expect_sync(2 * INTERVAL + 200, "online", 1);
}
END_TEST

START_TEST(who_forgets_to_say_online_is_found_out_by_the_timer) {
  set_up_online();
  leadx_schedule_notify(&s, 10, "offline");
  ck_assert_int_eq(next(INTERVAL), LEADX_DO_PROBE);
  leadx_schedule_probed(&s, INTERVAL, 0);
  expect_rest(INTERVAL, 2 * INTERVAL);
  ck_assert_int_eq(next(2 * INTERVAL), LEADX_DO_PROBE);
  leadx_schedule_probed(&s, 2 * INTERVAL, 1);
  expect_sync(2 * INTERVAL, "online", 1);
}
END_TEST

START_TEST(offline_takes_back_a_sync_that_was_asked_for) {
  set_up();
  leadx_schedule_notify(&s, 0, "offline");
  expect_rest(0, INTERVAL);
}
END_TEST

START_TEST(in_the_background_only_the_timer_counts) {
  set_up_online();
  leadx_schedule_notify(&s, 10, "background");
  leadx_schedule_committed(&s, 20);
  expect_rest(1000, INTERVAL);
  expect_sync(INTERVAL, "timer", 1);
  ended(INTERVAL, LEADX_ENDED_OFFLINE);
  expect_rest(INTERVAL, 2 * INTERVAL); /* no probes either */
  leadx_schedule_notify(&s, INTERVAL + 10, "foreground");
  expect_sync(INTERVAL + 10, "foreground", 1);
}
END_TEST

START_TEST(an_unknown_word_changes_nothing) {
  set_up_online();
  ck_assert_int_eq(leadx_schedule_notify(&s, 10, "on line"), 1);
  expect_rest(10, INTERVAL);
}
END_TEST

Suite *test_schedule_suite(void) {
  Suite *suite = suite_create("schedule");
  TCase *due = tcase_create("due");
  tcase_add_test(due, a_worker_begins_with_a_sync_and_goes_on_by_the_timer);
  tcase_add_test(due, a_commit_goes_after_half_a_second_together_with_those_that_follow);
  tcase_add_test(due, a_new_interval_counts_from_now);
  tcase_add_test(due, a_waiting_row_is_tried_when_its_time_has_come);
  suite_add_tcase(suite, due);
  TCase *offline = tcase_create("offline");
  tcase_add_test(offline,
                 while_nobody_answers_the_server_is_asked_every_three_seconds_for_what_waits);
  tcase_add_test(offline, with_nothing_to_send_the_server_is_asked_more_and_more_rarely);
  tcase_add_test(offline, commits_of_an_offline_time_start_no_sync);
  tcase_add_test(offline, the_timer_syncs_although_nobody_answers);
  tcase_add_test(offline, whoever_answers_a_probe_but_no_sync_is_asked_more_and_more_rarely);
  tcase_add_test(offline, a_network_that_comes_up_is_tried_at_once);
  suite_add_tcase(suite, offline);
  TCase *refused = tcase_create("refused");
  tcase_add_test(refused, a_server_that_wants_time_gets_it);
  tcase_add_test(refused, a_server_that_does_not_say_how_long_is_left_alone_longer_and_longer);
  tcase_add_test(refused, a_refused_token_is_not_tried_again_before_there_is_another);
  tcase_add_test(refused,
                 tokens_that_are_refused_one_after_the_other_are_tried_more_and_more_rarely);
  tcase_add_test(refused, another_server_is_tried_at_once);
  tcase_add_test(refused, while_another_process_syncs_the_worker_waits_for_it);
  tcase_add_test(refused, a_sync_that_failed_here_is_repeated_whole);
  suite_add_tcase(suite, refused);
  TCase *words = tcase_create("words");
  tcase_add_loop_test(words, online_foreground_and_refresh_sync_at_once, 0, 3);
  tcase_add_test(words, offline_pauses_until_somebody_says_otherwise);
  tcase_add_test(words, offline_is_believed_while_a_sync_or_a_probe_runs);
  tcase_add_test(words, who_forgets_to_say_online_is_found_out_by_the_timer);
  tcase_add_test(words, offline_takes_back_a_sync_that_was_asked_for);
  tcase_add_test(words, in_the_background_only_the_timer_counts);
  tcase_add_test(words, an_unknown_word_changes_nothing);
  suite_add_tcase(suite, words);
  return suite;
}
