/* A device that is killed: at every point of its dealings with its file and with the network, at
** random, and with a server that fails and lies besides. LEADX_CRASH_KILLS (120) is the number of
** random kills; scripts/quality/soak.sh asks for thousands. */
#define _DEFAULT_SOURCE /* usleep */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "live.h"
#include "phone.h"
#include "sanitized.h"
#include "suites.h"

/* A device that has lived this long is replaced by a new one. */
#define KILLS_A_DEVICE 60

static unsigned seed = 1;

static unsigned next_random(void) {
  seed = seed * 1664525u + 1013904223u;
  return seed >> 8;
}

static long number_of(const char *variable, long normally) {
  const char *text = getenv(variable);
  return text && atol(text) > 0 ? atol(text) : normally;
}

/* ---- every point ---- */

/* One journal mode; every step-th point, beginning with the first. A point that a run does not
** reach ends the walk. */
static const struct walk {
  const char *journal;
  int step;
} walks[] = {{"WAL", IS_SANITIZED ? 16 : 1}, {"DELETE", IS_SANITIZED ? 48 : 8}};

static void walk_points(const struct walk *walk, long first) {
  phone d;
  long point = first;
  int killed = 1, kills = 0;
  phone_init(&d, NULL, walk->journal, 5);
  while (killed) {
    killed = phone_wait(&d, phone_start(&d, (unsigned)point, point));
    kills += killed;
    phone_check(&d);
    phone_finish(&d);
    point += walk->step;
  }
  /* The walk is one only if it went from the first point of a run to the last. */
  ck_assert_int_ge(point, phone_points(&d));
  ck_assert_int_ge(kills, 8);
  phone_remove(&d);
}

START_TEST(a_kill_at_any_point_loses_nothing_and_doubles_nothing) { walk_points(&walks[_i], 1); }
END_TEST

/* The first run of all makes the file and the tables, which is other work than that of the later
** ones. */
START_TEST(a_kill_while_the_file_is_set_up_leaves_it_usable) {
  phone d;
  int killed = 1;
  for (long point = 1; killed; point += IS_SANITIZED ? 40 : 12) {
    phone_init(&d, NULL, walks[_i].journal, 2);
    killed = phone_wait(&d, phone_start(&d, 1, point));
    phone_check(&d);
    ck_assert_int_eq(phone_wait(&d, phone_start(&d, 2, 0)), 0);
    phone_finish(&d);
    phone_remove(&d);
  }
}
END_TEST

/* ---- at random ---- */

/* A device that lives for KILLS_A_DEVICE kills. Its writes and syncs go on from wherever the last
** kill left them. */
static long live_and_die(const char *url, const char *journal, long kills) {
  phone d;
  long done = 0;
  phone_init(&d, url, journal, 4);
  d.is_lied_to = url != NULL;
  d.rounds = 4;
  while (done < kills) {
    pid_t pid = phone_start(&d, next_random(), 0);
    usleep((IS_SANITIZED ? 60000 : 20000) + next_random() % 80000);
    kill(pid, SIGKILL);
    done += phone_wait(&d, pid);
    phone_check(&d);
  }
  phone_finish(&d);
  phone_remove(&d);
  return done;
}

static void die_at_random(const char *url) {
  long kills = number_of("LEADX_CRASH_KILLS", IS_SANITIZED ? 15 : 60), done = 0;
  seed = (unsigned)number_of("LEADX_SEED", 1);
  for (int i = 0; done < kills; i++) {
    long left = kills - done;
    done += live_and_die(url, i % 2 ? "DELETE" : "WAL",
                         left < KILLS_A_DEVICE ? left : KILLS_A_DEVICE);
  }
}

START_TEST(a_kill_at_any_moment_loses_nothing_and_doubles_nothing) { die_at_random(NULL); }
END_TEST

/* ---- with a server that fails and lies ---- */

/* What becomes of requests that change something, each of these once in a while, and of those that
** only read. An empty array says that the user may not change the row, which leaves it FAILED;
** nothing may leave a row in conflict, or for ever. */
static const struct trouble {
  const char *method;
  fault_kind kind;
  int status;
  const char *body;
} troubles[] = {
    {NULL, FAULT_FORWARD_LOSE, 0, NULL},
    {NULL, FAULT_FORWARD_RESET, 0, NULL},
    {NULL, FAULT_FORWARD_HALF, 0, NULL},
    {NULL, FAULT_FORWARD_TWICE, 0, NULL},
    {NULL, FAULT_FORWARD_NEVER, 0, NULL},
    {NULL, FAULT_RESET, 0, NULL},
    {NULL, FAULT_ANSWER, 502, NULL},
    {NULL, FAULT_ANSWER, 503, NULL},
    {NULL, FAULT_ANSWER, 401, NULL},
    {NULL, FAULT_GARBAGE, 0, NULL},
    {NULL, FAULT_ANSWER, 200, "<html>Welcome to the hotel</html>"},
    {NULL, FAULT_SHORT_LENGTH, 200, "[]"},
    {NULL, FAULT_ANSWER, 200, "{\"status\":\"ok\"}"},
    {"POST", FAULT_ANSWER, 201, "[]"},
    {"PATCH", FAULT_ANSWER, 200, "[]"},
    {"DELETE", FAULT_ANSWER, 200, "[]"},
    {"POST", FAULT_ANSWER, 201, ""},
    {"PATCH", FAULT_ANSWER, 204, ""},
    {NULL, FAULT_GZIP_BROKEN, 200, "[]"},
};
enum { N_TROUBLES = sizeof troubles / sizeof troubles[0] };

/* Each trouble meets one request in a thousand or so; which, the seed says. */
static void add_troubles(fault_server *server, int per_thousand) {
  if (per_thousand == 0) return;
  for (int round = 0; round < 200; round++) {
    const struct trouble *trouble = &troubles[next_random() % N_TROUBLES];
    int at = (int)(next_random() % (unsigned)(200000 / per_thousand)) + 1;
    fault_rule rule = {.method = trouble->method,
                       .from = at,
                       .to = at,
                       .kind = trouble->kind,
                       .status = trouble->status,
                       .body = trouble->body};
    fault_server_add(server, &rule);
  }
}

static fault_server *start_liar(char url[LIVE_URL_BYTES], int per_thousand) {
  fault_server *server = live_road(url);
  add_troubles(server, per_thousand);
  return server;
}

START_TEST(kills_cut_offs_and_lies_together_lose_nothing) {
  char url[LIVE_URL_BYTES];
  seed = (unsigned)number_of("LEADX_SEED", 7);
  fault_server *server = start_liar(url, (int)number_of("LEADX_CRASH_FAULTS", 100));
  die_at_random(url);
  ck_assert_int_eq(fault_server_unfiltered(server), 0);
  fault_server_stop(server);
}
END_TEST

/* ---- the answer is lost, and the user goes on ---- */

/* A row, a change of it whose answer is lost, and a change that follows. */
static const struct replay {
  const char *before, *lost, *after;
} replays[] = {
    {"SELECT 1", "INSERT INTO customers(id, name, notes) VALUES (%Q, '%s x', 'a')",
     "UPDATE customers SET notes = 'b' WHERE id = %Q"},
    {"SELECT 1", "INSERT INTO customers(id, name, notes) VALUES (%Q, '%s x', 'a')",
     "DELETE FROM customers WHERE id = %Q"},
    {"INSERT INTO customers(id, name, notes) VALUES (%Q, '%s x', 'a')",
     "UPDATE customers SET notes = 'b' WHERE id = %Q",
     "UPDATE customers SET notes = 'c' WHERE id = %Q"},
    {"INSERT INTO customers(id, name, notes) VALUES (%Q, '%s x', 'a')",
     "UPDATE customers SET notes = 'b' WHERE id = %Q",
     "UPDATE customers SET notes = 'a' WHERE id = %Q"},
    {"INSERT INTO customers(id, name, notes) VALUES (%Q, '%s x', 'a')",
     "UPDATE customers SET notes = 'b' WHERE id = %Q", "DELETE FROM customers WHERE id = %Q"},
};
enum { N_REPLAYS = sizeof replays / sizeof replays[0] };

static void write_and_sync(sqlite3 *db, const phone *d, const char *format, const char *key,
                           const char *state) {
  char *sql = sqlite3_mprintf(format, key, d->tag), *message = NULL;
  ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &message) == SQLITE_OK, "%s: %s", sql, message);
  char *result = phone_ask(db, "SELECT leadx_sync() ->> 'state'");
  ck_assert_str_eq(result, state);
  sqlite3_free(result);
  sqlite3_free(sql);
}

static void mirror_into_truth(sqlite3 *db) {
  ck_assert_int_eq(sqlite3_exec(db,
                                "DELETE FROM truth; INSERT INTO truth SELECT id, 'customer', NULL, "
                                "name, notes FROM customers;"
                                "DELETE FROM truth_ops; INSERT INTO truth_ops(key, action) SELECT "
                                "entity_id, action FROM sync_queue ORDER BY rowid",
                                NULL, NULL, NULL),
                   SQLITE_OK);
}

START_TEST(an_edit_after_a_lost_answer_is_no_conflict) {
  char url[LIVE_URL_BYTES];
  phone d;
  fault_rule lose = {.kind = FAULT_FORWARD_LOSE};
  const struct replay *replay = &replays[_i];
  fault_server *server = start_liar(url, 0);
  phone_init(&d, url, "WAL", 0);
  ck_assert_int_eq(phone_wait(&d, phone_start(&d, 1, 0)), 0);
  sqlite3 *db = phone_open(&d, url);
  char *key = phone_ask(db, "SELECT leadx_uuid()");
  write_and_sync(db, &d, replay->before, key, "ok");
  fault_server_add(server, &lose);
  write_and_sync(db, &d, replay->lost, key, "offline");
  fault_server_clear(server);
  write_and_sync(db, &d, replay->after, key, "ok");
  mirror_into_truth(db);
  sqlite3_free(key);
  ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
  phone_check(&d);
  phone_finish(&d);
  fault_server_stop(server);
  phone_remove(&d);
}
END_TEST

Suite *test_crash_suite(void) {
  Suite *suite = suite_create("crash");
  TCase *replay = tcase_create("replay");
  tcase_add_loop_test(replay, an_edit_after_a_lost_answer_is_no_conflict, 0, N_REPLAYS);
  suite_add_tcase(suite, replay);
  TCase *points = tcase_create("points");
  tcase_set_timeout(points, 240);
  tcase_add_loop_test(points, a_kill_at_any_point_loses_nothing_and_doubles_nothing, 0, 2);
  tcase_add_loop_test(points, a_kill_while_the_file_is_set_up_leaves_it_usable, 0, 2);
  suite_add_tcase(suite, points);
  TCase *random = tcase_create("random");
  tcase_set_timeout(random, number_of("LEADX_CRASH_SECONDS", 240));
  tcase_add_test(random, a_kill_at_any_moment_loses_nothing_and_doubles_nothing);
  tcase_add_test(random, kills_cut_offs_and_lies_together_lose_nothing);
  suite_add_tcase(suite, random);
  return suite;
}
