/* The state that the connections of a process share: a sync in one thread, the application's word in
** another. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "session/session.h"
#include "suites.h"

enum { ROUNDS = 20000 };

static leadx_session *session;
static atomic_int is_over;

static void *say_offline(void *arg) {
  (void)arg;
  while (!atomic_load(&is_over)) leadx_session_show_offline(session, "no network");
  return NULL;
}

/* A reader who gets the state, changes his part and sets all of it would put back what a sync has
** changed meanwhile. */
START_TEST(a_word_about_the_network_beside_a_sync_leaves_the_syncs_state_alone) {
  pthread_t thread;
  leadx_progress progress;
  session = leadx_session_open(NULL);
  ck_assert_ptr_nonnull(session);
  ck_assert_int_eq(pthread_create(&thread, NULL, say_offline, NULL), 0);
  for (int i = 1; i <= ROUNDS; i++) {
    leadx_session_begin_phase(session, "push");
    leadx_session_show_counts(session, i, i + 1);
    leadx_session_get_progress(session, &progress);
    ck_assert_int_eq(progress.syncing, 1);
    ck_assert_str_eq(progress.phase, "push");
    ck_assert_int_eq(progress.done, i);
    ck_assert_int_eq(progress.total, i + 1);
    leadx_session_end_sync(session, 1, "");
    leadx_session_get_progress(session, &progress);
    ck_assert_int_eq(progress.syncing, 0);
    ck_assert_str_eq(progress.phase, "");
  }
  atomic_store(&is_over, 1);
  pthread_join(thread, NULL);
  leadx_session_close(session);
}
END_TEST

/* Whether the server is there is for a sync and the application to say; one that asked nobody leaves
** it. */
START_TEST(a_sync_without_a_request_says_nothing_of_the_network) {
  leadx_progress progress;
  session = leadx_session_open(NULL);
  leadx_session_show_offline(session, "no network");
  leadx_session_begin_phase(session, "pull");
  leadx_session_end_sync(session, -1, "busy");
  leadx_session_get_progress(session, &progress);
  ck_assert_int_eq(progress.online, 0);
  ck_assert_str_eq(progress.message, "busy");
  leadx_session_end_sync(session, 1, "");
  leadx_session_get_progress(session, &progress);
  ck_assert_int_eq(progress.online, 1);
  leadx_session_close(session);
}
END_TEST

Suite *test_session_suite(void) {
  Suite *suite = suite_create("session");
  TCase *tcase = tcase_create("progress");
  suite_add_tcase(suite, tcase);
  tcase_add_test(tcase, a_word_about_the_network_beside_a_sync_leaves_the_syncs_state_alone);
  tcase_add_test(tcase, a_sync_without_a_request_says_nothing_of_the_network);
  return suite;
}
