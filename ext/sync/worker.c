/* The background worker. See worker.h.
**
** One lock guards the list of workers and each one's schedule; it is held for moments, never while
** SQLite or the network is at work. A worker's connection and everything else of it belong to its
** thread.
**
**     started ──▶ waits ──▶ syncs or probes ──▶ waits …      the thread
**                   │ stop: seen at once          │ stop: seen by the transport within 100 ms, by
**                   SQLite
**                   ▼                             ▼       within some thousand steps of a statement
**                 closes its connection, has_ended        whoever stops it joins it; after two
**                 seconds it is
**                                                         left to itself, and frees itself when it
**                                                         ends
** */
#include "sync/worker.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/host.h"
#include "base/instant.h"
#include "http/http.h"
#include "rest/rest.h"
#include "session/session.h"
#include "store/queue.h"
#include "store/schema.h"
#include "store/settings.h"
#include "sync/network.h"
#include "sync/probe.h"
#include "sync/schedule.h"
#include "sync/sync.h"

/* musl gives a thread 128 KB; SQLite's parser, libcurl and TLS want more. */
#define STACK_BYTES ((size_t)2 << 20)
/* How often a worker looks at the file and the network. */
#define LOOK_MS 250
/* How long a stop waits for the thread. */
#define STOP_MS 2000
/* How long a start waits for somebody who has the file for himself: a writer does for a moment, who
** wants to keep it does for ever. */
#define OPEN_WAIT_MS 1000
/* How long the worker waits for a writer, and how long one nap is. */
#define BUSY_WAIT_MS 5000
#define BUSY_NAP_MS 5
/* Steps of SQLite's machine between two questions whether to stop: some milliseconds. */
#define STEPS_BETWEEN_QUESTIONS 20000
/* Changes of a file within one tick of its clock look like one: a change is looked at this
** often. */
#define LOOKS_PER_CHANGE 2

/* How often what is older than the retention goes, and how much of it in one transaction: a writer of
** the application waits for no more. */
#define PURGE_EVERY_MS ((int64_t)24 * 3600 * 1000)
#define PURGE_ROWS 500

#define NO_NETWORK "the application says that there is no network"

/* What a file and its WAL look like from outside. */
typedef struct file_stamp {
  int64_t seconds[2], nanoseconds[2], bytes[2];
} file_stamp;

typedef struct worker worker;
struct worker {
  worker *next;
  const struct leadx_session *session; /* whose file it is; only compared */
  /* under the lock */
  const leadx_ctx **owners; /* the connections that started it; only compared */
  int nowners;
  int is_stopping; /* somebody waits for its end */
  int has_ended;
  int is_abandoned; /* nobody waits any more */
  int has_fixed_interval; /* the number of seconds was given and is not the setting's */
  sqlite3_mutex *
      /* what SQLite holds while the thread uses its connection; NULL when that is closed */
      connection;
  int is_held; /* by before_fork() */
  leadx_schedule schedule;
  /* told from outside, asked by the thread at any time */
  _Atomic int stop;
  pthread_cond_t changed; /* stop, or the schedule */
  pthread_t thread;
  /* the thread's */
  leadx_ctx *ctx; /* its own connection */
  int network; /* of leadx_network_open() */
  int64_t generation; /* of the credentials */
  file_stamp stamp;
  int looks_left;
  int64_t seen_rowid; /* the queue's last row when the last sync began */
  int64_t seen_old; /* how much of what is not newer that sync left behind */
  int64_t purge_at; /* on the clock that never goes back */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t some_ended; /* made by prepare_process() */
static worker *all_workers;
static int is_exiting;

/* ---- asking the worker to stop ---- */

static int wants_stop(void *arg) { return atomic_load(&((worker *)arg)->stop); }

static int on_busy(void *arg, int naps) {
  if (wants_stop(arg) || naps >= BUSY_WAIT_MS / BUSY_NAP_MS) return 0;
  sqlite3_sleep(BUSY_NAP_MS);
  return 1;
}

/* ---- the worker's own connection ---- */

static void append_parameter(sqlite3_str *uri, int is_first, const char *key, const char *value) {
  sqlite3_str_appendchar(uri, 1, is_first ? '?' : '&');
  leadx_rest_escape(uri, key, strlen(key));
  sqlite3_str_appendchar(uri, 1, '=');
  if (value) leadx_rest_escape(uri, value, strlen(value));
}

/* A URI that opens the file as the host did: with its parameters, but for those that open() is told
** otherwise. */
static char *uri_of(sqlite3 *handle, leadx_err *err) {
  static const char *const left_out[] = {"vfs", "mode", "cache"};
  const char *path = sqlite3_db_filename(handle, "main"), *key;
  sqlite3_str *uri = sqlite3_str_new(NULL);
  sqlite3_str_appendall(uri, "file:");
  leadx_rest_escape(uri, path, strlen(path));
  for (int i = 0, n = 0; (key = sqlite3_uri_key(path, i)) != NULL; i++) {
    int is_left_out = 0;
    for (size_t k = 0; k < sizeof left_out / sizeof left_out[0]; k++)
      is_left_out |= strcmp(key, left_out[k]) == 0;
    if (!is_left_out) append_parameter(uri, n++ == 0, key, sqlite3_uri_parameter(path, key));
  }
  return leadx_db_finish(uri, err);
}

/* What the host set for its connection and what must hold for the rows that the worker writes as
** well. */
static int copy_pragmas(sqlite3 *from, sqlite3 *to, leadx_err *err) {
  static const char *const pragmas[] = {"foreign_keys", "recursive_triggers", "synchronous",
                                        "trusted_schema"};
  int rc = SQLITE_OK;
  for (size_t i = 0; i < sizeof pragmas / sizeof pragmas[0] && rc == SQLITE_OK; i++) {
    char sql[64];
    sqlite3_stmt *stmt = NULL;
    sqlite3_snprintf(sizeof sql, sql, "PRAGMA %s", pragmas[i]);
    rc = sqlite3_prepare_v2(from, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
      sqlite3_snprintf(sizeof sql, sql, "PRAGMA %s = %d", pragmas[i], sqlite3_column_int(stmt, 0));
      rc = sqlite3_exec(to, sql, NULL, NULL, NULL);
    }
    sqlite3_finalize(stmt);
  }
  return rc == SQLITE_OK
             ? rc
             : leadx_err_set(err, rc,
                             "leadx_start: the settings of the connection cannot be taken over");
}

static sqlite3 *open_handle(sqlite3 *host, leadx_err *err) {
  sqlite3_vfs *vfs = NULL;
  sqlite3 *handle = NULL;
  sqlite3_file_control(host, "main", SQLITE_FCNTL_VFS_POINTER, &vfs);
  char *uri = uri_of(host, err);
  if (!uri) return NULL;
  /* One thread uses it, and so that another can wait for that (see before_fork()) it has a lock of
  ** its own all the same. */
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI | SQLITE_OPEN_PRIVATECACHE |
              SQLITE_OPEN_FULLMUTEX;
  int rc = sqlite3_open_v2(uri, &handle, flags, vfs ? vfs->zName : NULL);
  sqlite3_free(uri);
  if (rc == SQLITE_OK) rc = sqlite3_busy_timeout(handle, OPEN_WAIT_MS);
  if (rc == SQLITE_OK)
    rc = sqlite3_exec(handle, "SELECT 1 FROM main.sqlite_schema LIMIT 1", NULL, NULL, NULL);
  if (rc == SQLITE_OK && copy_pragmas(host, handle, err) == SQLITE_OK) return handle;
  if (err->rc == SQLITE_OK) {
    leadx_err_set(err, rc,
                  "leadx_start: the file cannot be opened by a second connection (%s), as when it "
                  "is encrypted or locked for one; call "
                  "leadx_sync() from the program instead",
                  handle ? sqlite3_errmsg(handle) : sqlite3_errstr(rc));
  }
  sqlite3_close(handle);
  return NULL;
}

static int open_connection(worker *w, sqlite3 *host, leadx_err *err) {
  sqlite3 *handle = open_handle(host, err);
  if (!handle) return err->rc;
  w->ctx = leadx_ctx_new(handle);
  if (!w->ctx) {
    sqlite3_close(handle);
    return leadx_err_nomem(err);
  }
  w->ctx->db.stopping = wants_stop;
  w->ctx->db.stopping_arg = w;
  w->connection = sqlite3_db_mutex(handle);
  sqlite3_busy_handler(handle, on_busy, w);
  leadx_host_watch(handle, STEPS_BETWEEN_QUESTIONS, wants_stop, w);
  return SQLITE_OK;
}

static void close_connection(worker *w) {
  if (!w->ctx) return;
  sqlite3 *handle = w->ctx->db.handle;
  leadx_session_set_next_sync(w->ctx->session, 0);
  leadx_ctx_unref(w->ctx);
  sqlite3_close(handle);
}

static void free_worker(worker *w) {
  pthread_cond_destroy(&w->changed);
  sqlite3_free(w->owners);
  sqlite3_free(w);
}

/* Conditions wait by the clock that never goes back. */
static int make_condition(pthread_cond_t *condition) {
  pthread_condattr_t attributes;
  if (pthread_condattr_init(&attributes) != 0) return 1;
  int failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) != 0 ||
               pthread_cond_init(condition, &attributes) != 0;
  pthread_condattr_destroy(&attributes);
  return failed;
}

/* ---- looking for work ---- */

static void stamp_one(const char *path, int i, file_stamp *stamp) {
  struct stat is;
  if (stat(path, &is) != 0) memset(&is, 0, sizeof is);
  stamp->seconds[i] = is.st_mtim.tv_sec;
  stamp->nanoseconds[i] = is.st_mtim.tv_nsec;
  stamp->bytes[i] = is.st_size;
}

/* Looking from outside takes no lock of the file, so a writer without patience never meets one of
** ours. */
static void take_stamp(const worker *w, file_stamp *stamp) {
  const char *path = leadx_host_path(w->ctx->db.handle);
  memset(stamp, 0, sizeof *stamp);
  stamp_one(path, 0, stamp);
  stamp_one(sqlite3_filename_wal(path), 1, stamp);
}

/* May somebody have written since the last look? A file that cannot be seen from outside (another
** VFS) may always. */
static int may_have_changed(worker *w) {
  file_stamp now;
  take_stamp(w, &now);
  if (memcmp(&now, &w->stamp, sizeof now) != 0 || now.seconds[0] == 0)
    w->looks_left = LOOKS_PER_CHANGE;
  w->stamp = now;
  return w->looks_left > 0 && w->looks_left-- > 0;
}

typedef struct work {
  int is_fresh; /* something is newer than the last sync */
  int64_t old; /* how much is not */
  int64_t next_try_us; /* of what waits; 0: nothing does */
} work;

static int read_work(worker *w, work *found, leadx_err *err) {
  leadx_db *db = &w->ctx->db;
  char now[LEADX_INSTANT_BYTES];
  leadx_instant_format(leadx_clock_wall_us(), now);
  sqlite3_stmt *stmt = leadx_db_query(db, LEADX_SQL_WORKER_WORK, err, "it", w->seen_rowid, now);
  if (stmt && leadx_db_next(db, stmt, err)) {
    const char *next_try = leadx_db_text(stmt, 2, err);
    found->is_fresh = sqlite3_column_int(stmt, 0);
    found->old = sqlite3_column_int64(stmt, 1);
    if (next_try) leadx_instant_parse(next_try, strlen(next_try), &found->next_try_us);
  }
  leadx_db_put(db, stmt);
  leadx_db_release(db);
  return err->rc;
}

/* Reads the queue and tells the schedule. A file that cannot be read just now is looked at
** again. */
static void find_work(worker *w, int is_after_sync) {
  work found = {0, 0, 0};
  leadx_err err = {0};
  if (read_work(w, &found, &err) != SQLITE_OK) {
    w->looks_left = LOOKS_PER_CHANGE;
    return;
  }
  int is_more = found.is_fresh || (!is_after_sync && found.old > w->seen_old);
  w->seen_old = found.old;
  int64_t now = leadx_clock_mono_ms(), retry_at = LEADX_NEVER;
  if (found.next_try_us) retry_at = now + (found.next_try_us - leadx_clock_wall_us()) / 1000;
  pthread_mutex_lock(&lock);
  leadx_schedule_found(&w->schedule, now, found.is_fresh || found.old > 0 || found.next_try_us,
                       retry_at);
  if (is_more) leadx_schedule_committed(&w->schedule, now);
  pthread_mutex_unlock(&lock);
}

/* What a worker asks between two waits: has anything happened that nobody tells it? */
static void look_around(worker *w) {
  int came_up = leadx_network_came_up(w->network);
  int64_t generation = leadx_session_generation(w->ctx->session), now = leadx_clock_mono_ms();
  pthread_mutex_lock(&lock);
  if (came_up) leadx_schedule_network_up(&w->schedule, now);
  if (generation != w->generation) leadx_schedule_renewed(&w->schedule, now);
  pthread_mutex_unlock(&lock);
  w->generation = generation;
  if (may_have_changed(w)) find_work(w, 0);
}

/* ---- working ---- */

static leadx_ending ending_of(leadx_state state) {
  switch (state) {
    case LEADX_STATE_OFFLINE:
    case LEADX_STATE_ERROR: return LEADX_ENDED_OFFLINE;
    case LEADX_STATE_BUSY: return LEADX_ENDED_BUSY;
    case LEADX_STATE_AUTH_REQUIRED: return LEADX_ENDED_REFUSED;
    case LEADX_STATE_THROTTLED: return LEADX_ENDED_THROTTLED;
    default: return LEADX_ENDED_WELL;
  }
}

static void take_settings(worker *w, int64_t now) {
  const leadx_settings *settings = w->ctx->settings;
  w->schedule.backoff_ms = leadx_settings_ms(settings, LEADX_BACKOFF);
  w->schedule.backoff_max_ms = leadx_settings_ms(settings, LEADX_BACKOFF_MAX);
  if (!w->has_fixed_interval)
    leadx_schedule_set_interval(&w->schedule, now, leadx_settings_ms(settings, LEADX_INTERVAL));
}

/* Drops what leadx_purge() would, piece by piece. A courtesy: what it cannot do now waits for the next
** day. */
static void purge(worker *w) {
  const leadx_settings *settings = w->ctx->settings;
  leadx_db *db = &w->ctx->db;
  leadx_err err = {0};
  double synced_days = settings->number[LEADX_RETAIN_SYNCED];
  int64_t now = leadx_clock_mono_ms(), last, dropped = 0;
  if (now < w->purge_at) return;
  w->purge_at = now + PURGE_EVERY_MS;
  do {
    int rc = leadx_queue_purgeable(db, synced_days, PURGE_ROWS, &last, &err);
    if (rc != SQLITE_OK || leadx_db_begin(db, &err) != SQLITE_OK) break;
    rc = leadx_queue_purge(db, synced_days, settings->number[LEADX_RETAIN_CONFLICTS], last,
                           &dropped, &err);
    leadx_db_end(db, rc, &err);
  } while (last > 0 && dropped > 0 && err.rc == SQLITE_OK && !wants_stop(w));
  leadx_db_release(db);
}

static void run_sync(worker *w, const char *trigger, int whole) {
  leadx_err err = {0};
  leadx_sync_options options = {.who = "leadx_start",
                                .trigger = trigger,
                                .with_pull = whole,
                                .request_budget = -1,
                                .in_background = 1};
  leadx_result result = {.state = LEADX_STATE_OK};
  int rc = leadx_queue_last_rowid(&w->ctx->db, &w->seen_rowid, &err);
  if (rc == SQLITE_OK) rc = leadx_sync_run(w->ctx, &options, &result, &err);
  leadx_db_release(&w->ctx->db);
  leadx_ending ending = rc == SQLITE_OK ? ending_of(result.state) : LEADX_ENDED_BADLY;
  if (ending != LEADX_ENDED_BADLY) purge(w);
  /* leadx_state says what went wrong where no sync could say it in the log. */
  if (ending == LEADX_ENDED_BADLY) leadx_session_end_sync(w->ctx->session, -1, err.text);
  int64_t now = leadx_clock_mono_ms();
  pthread_mutex_lock(&lock);
  take_settings(w, now);
  leadx_schedule_synced(&w->schedule, now, ending, whole,
                        leadx_session_throttled_until(w->ctx->session));
  int is_paused = w->schedule.is_paused;
  pthread_mutex_unlock(&lock);
  if (is_paused) leadx_session_show_offline(w->ctx->session, NO_NETWORK);
  take_stamp(w, &w->stamp);
  w->looks_left = LOOKS_PER_CHANGE;
  find_work(w, 1);
}

static void run_probe(worker *w) {
  leadx_err err = {0};
  int answered = 0;
  leadx_probe(w->ctx, &answered, &err);
  leadx_db_release(&w->ctx->db);
  pthread_mutex_lock(&lock);
  leadx_schedule_probed(&w->schedule, leadx_clock_mono_ms(), answered);
  pthread_mutex_unlock(&lock);
}

/* ---- the thread ---- */

static void wait_until(pthread_cond_t *condition, int64_t mono_ms) {
  struct timespec at = {mono_ms / 1000, (long)(mono_ms % 1000) * 1000000};
  pthread_cond_timedwait(condition, &lock, &at);
}

/* Not leadx_clock_mono_ms(): a thread waits in real time, also where a test's clock stands
** still. */
static int64_t real_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void show_next_sync(const worker *w) {
  int64_t at = leadx_schedule_next_sync(&w->schedule), left_ms = at - leadx_clock_mono_ms();
  leadx_session_set_next_sync(w->ctx->session,
                              at == LEADX_NEVER ? 0 : leadx_clock_wall_us() + left_ms * 1000);
}

/* One wait; the lock is held before and after, but not while the worker looks around. */
static void rest(worker *w, int64_t wake_at) {
  int64_t left_ms = wake_at - leadx_clock_mono_ms();
  int looks = !w->schedule.in_background;
  if (looks && left_ms > LOOK_MS) left_ms = LOOK_MS;
  show_next_sync(w);
  wait_until(&w->changed, real_ms() + left_ms);
  if (!looks || wants_stop(w)) return;
  pthread_mutex_unlock(&lock);
  look_around(w);
  pthread_mutex_lock(&lock);
}

static void work_until_stopped(worker *w) {
  pthread_mutex_lock(&lock);
  while (!wants_stop(w)) {
    const char *trigger = NULL;
    int whole = 0;
    int64_t wake_at = 0;
    leadx_doing doing = leadx_schedule_next(&w->schedule, leadx_clock_mono_ms(), &trigger, &whole,
                                            &wake_at);
    if (doing == LEADX_DO_NOTHING) {
      rest(w, wake_at);
      continue;
    }
    pthread_mutex_unlock(&lock);
    if (doing == LEADX_DO_SYNC) run_sync(w, trigger, whole);
    else run_probe(w);
    pthread_mutex_lock(&lock);
  }
  pthread_mutex_unlock(&lock);
}

static void *run_thread(void *arg) {
  worker *w = arg;
  w->network = leadx_network_open();
  w->generation = leadx_session_generation(w->ctx->session);
  work_until_stopped(w);
  leadx_network_close(w->network);
  pthread_mutex_lock(&lock);
  w->connection = NULL;
  pthread_mutex_unlock(&lock);
  close_connection(w);
  pthread_mutex_lock(&lock);
  int is_abandoned = w->is_abandoned;
  w->has_ended = 1;
  pthread_cond_broadcast(&some_ended);
  pthread_mutex_unlock(&lock);
  if (is_abandoned) free_worker(w);
  return NULL;
}

/* A thread that sees no signal: they are the host's. */
static int start_thread(worker *w) {
  sigset_t all, before;
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return 1;
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = pthread_create(&w->thread, &attributes, run_thread, w);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return failed;
}

/* ---- the list; the lock is held ---- */

static worker *find_worker(const struct leadx_session *session) {
  for (worker *w = all_workers; w; w = w->next) {
    if (w->session == session && !w->is_stopping) return w;
  }
  return NULL;
}

static void unlink_worker(worker *w) {
  worker **at = &all_workers;
  while (*at != w) at = &(*at)->next;
  *at = w->next;
}

static void tell_to_stop(worker *w) {
  w->is_stopping = 1;
  atomic_store(&w->stop, 1);
  pthread_cond_signal(&w->changed);
}

/* Waits for the end of a worker that was told to stop, takes it off the list and frees it; the lock
** is released meanwhile. */
static void wait_for_end(worker *w, int64_t give_up_at) {
  while (!w->has_ended && real_ms() < give_up_at) wait_until(&some_ended, give_up_at);
  unlink_worker(w);
  w->is_abandoned = !w->has_ended;
  if (w->is_abandoned) {
    pthread_detach(w->thread);
    return;
  }
  pthread_mutex_unlock(&lock);
  pthread_join(w->thread, NULL);
  free_worker(w);
  pthread_mutex_lock(&lock);
}

static int add_owner(worker *w, const leadx_ctx *ctx) {
  for (int i = 0; i < w->nowners; i++) {
    if (w->owners[i] == ctx) return SQLITE_OK;
  }
  const leadx_ctx **grown = sqlite3_realloc64(w->owners, sizeof *grown * ((size_t)w->nowners + 1));
  if (!grown) return SQLITE_NOMEM;
  w->owners = grown;
  w->owners[w->nowners++] = ctx;
  return SQLITE_OK;
}

static void remove_owner(worker *w, const leadx_ctx *ctx) {
  for (int i = 0; i < w->nowners; i++) {
    if (w->owners[i] != ctx) continue;
    w->owners[i] = w->owners[--w->nowners];
    return;
  }
}

/* ---- the process ---- */

/* The connection of an owner is closed. */
static void on_close(leadx_ctx *ctx) {
  pthread_mutex_lock(&lock);
  worker *w = find_worker(ctx->session);
  if (w) {
    remove_owner(w, ctx);
    if (w->nowners == 0) {
      tell_to_stop(w);
      wait_for_end(w, real_ms() + STOP_MS);
    }
  }
  pthread_mutex_unlock(&lock);
}

/* exit() frees what libraries hold, TLS for one, while threads still run. So no thread does. */
static void on_exit_of_process(void) {
  int64_t give_up_at = real_ms() + STOP_MS;
  pthread_mutex_lock(&lock);
  is_exiting = 1;
  while (all_workers && real_ms() < give_up_at) {
    worker *w = all_workers;
    while (w && w->is_stopping) w = w->next;
    if (w) {
      tell_to_stop(w);
      wait_for_end(w, give_up_at);
    } else {
      wait_until(&some_ended, real_ms() + LOOK_MS / 10); /* others wait for those that are left */
    }
  }
  pthread_mutex_unlock(&lock);
}

/* A child made by fork() has a copy of every lock, held by threads that it does not have. So that
** what a child calls answers (that it may not), fork() happens while this thread has the locks that
** are taken for moments: ours, those of the workers' connections, since SQLite has more behind
** them, one for each file, and those that its memory, its files and our sessions and secrets are behind. A lock
** that is not to be had soon is left out, for the parent must never wait for long. The order is the
** one in which SQLite takes them. */
static const int static_mutexes[] = {
    SQLITE_MUTEX_STATIC_APP1, SQLITE_MUTEX_STATIC_APP2, SQLITE_MUTEX_STATIC_APP3,
    SQLITE_MUTEX_STATIC_VFS1, SQLITE_MUTEX_STATIC_PRNG, SQLITE_MUTEX_STATIC_LRU,
    SQLITE_MUTEX_STATIC_PMEM, SQLITE_MUTEX_STATIC_MAIN, SQLITE_MUTEX_STATIC_MEM};
#define STATIC_MUTEXES ((int)(sizeof static_mutexes / sizeof static_mutexes[0]))
static int is_held[STATIC_MUTEXES];

static int hold(sqlite3_mutex *mutex, int64_t give_up_at) {
  while (leadx_mutex_try(mutex) != SQLITE_OK) {
    if (real_ms() >= give_up_at) return 0;
    sched_yield();
  }
  return 1;
}

static void before_fork(void) {
  int64_t give_up_at = real_ms() + LOOK_MS;
  pthread_mutex_lock(&lock);
  for (worker *w = all_workers; w; w = w->next)
    w->is_held = w->connection && hold(w->connection, give_up_at);
  for (int i = 0; i < STATIC_MUTEXES && all_workers; i++)
    is_held[i] = hold(leadx_mutex_alloc(static_mutexes[i]), give_up_at);
}

static void after_fork(void) {
  for (int i = STATIC_MUTEXES - 1; i >= 0; i--) {
    if (is_held[i]) leadx_mutex_leave(leadx_mutex_alloc(static_mutexes[i]));
    is_held[i] = 0;
  }
  for (worker *w = all_workers; w; w = w->next) {
    if (w->is_held) leadx_mutex_leave(w->connection);
    w->is_held = 0;
  }
  pthread_mutex_unlock(&lock);
}

/* The workers are the parent's; their memory is left alone. */
static void after_fork_in_child(void) {
  all_workers = NULL;
  make_condition(&some_ended);
  after_fork();
}

/* What is done once. libcurl starts first: what it registers for the exit has to run after what we
** do. */
static int prepare_process(leadx_err *err) {
  static int is_prepared;
  leadx_http_version();
  pthread_mutex_lock(&lock);
  if (!is_prepared) {
    is_prepared = make_condition(&some_ended) == 0 &&
                  pthread_atfork(before_fork, after_fork, after_fork_in_child) == 0 &&
                  atexit(on_exit_of_process) == 0;
  }
  int is_ready = is_prepared && !is_exiting;
  pthread_mutex_unlock(&lock);
  if (is_ready) return SQLITE_OK;
  return leadx_err_set(err, SQLITE_ERROR,
                       "leadx_start: the process is ending, or has no room for a thread");
}

/* ---- starting ---- */

/* With threads switched off at build time or by sqlite3_config(), SQLite's mutexes are all the same
** one and no lock. */
static int has_threads(void) {
  sqlite3_mutex *a = leadx_mutex_alloc(SQLITE_MUTEX_FAST),
                *b = leadx_mutex_alloc(SQLITE_MUTEX_FAST);
  int differ = sqlite3_threadsafe() && a && b && a != b;
  leadx_mutex_free(a);
  leadx_mutex_free(b);
  return differ;
}

static int check_file(leadx_ctx *ctx, leadx_err *err) {
  const char *who = "leadx_start", *path = leadx_host_path(ctx->db.handle);
  int present = 0;
  if (!*path) {
    return leadx_err_set(err, SQLITE_ERROR,
                         "%s: this database is in memory or temporary, and the worker's own "
                         "connection could not see it; call "
                         "leadx_sync() from the program instead",
                         who);
  }
  if (sqlite3_db_readonly(ctx->db.handle, "main") == 1) {
    return leadx_err_set(
        err, SQLITE_READONLY,
        "%s: the database is read-only, so nothing could be acknowledged; open it for writing",
        who);
  }
  if (!has_threads()) {
    return leadx_err_set(err, SQLITE_ERROR,
                         "%s: the program's SQLite has its locks switched off, so no second thread "
                         "may use it; call leadx_sync() "
                         "from the program instead",
                         who);
  }
  if (leadx_schema_open(&ctx->db, who, &present, err) != SQLITE_OK) return err->rc;
  if (!present)
    return leadx_err_set(err, SQLITE_ERROR,
                         "%s: nothing is tracked in this file; call leadx_track(table) first", who);
  leadx_credentials credentials;
  int rc = leadx_session_credentials(ctx->session, who, &credentials, err);
  if (rc == SQLITE_OK) leadx_credentials_clear(&credentials);
  return rc;
}

static void set_interval(worker *w, const leadx_settings *settings, double seconds) {
  int is_given = seconds > 0;
  if (!is_given && w->has_fixed_interval) return;
  w->has_fixed_interval = is_given;
  int64_t ms = is_given ? (int64_t)(seconds * 1000) : leadx_settings_ms(settings, LEADX_INTERVAL);
  leadx_schedule_set_interval(&w->schedule, leadx_clock_mono_ms(), ms);
}

/* A worker that has not begun. NULL and an error. */
static worker *make_worker(leadx_ctx *ctx, double seconds, leadx_err *err) {
  worker *w = sqlite3_malloc64(sizeof *w);
  if (w) memset(w, 0, sizeof *w);
  if (!w || make_condition(&w->changed) != 0) {
    sqlite3_free(w);
    leadx_err_nomem(err);
    return NULL;
  }
  w->session = ctx->session;
  leadx_schedule_init(&w->schedule, leadx_clock_mono_ms(),
                      leadx_settings_ms(ctx->settings, LEADX_INTERVAL),
                      leadx_settings_ms(ctx->settings, LEADX_BACKOFF),
                      leadx_settings_ms(ctx->settings, LEADX_BACKOFF_MAX));
  sqlite3_randomness(sizeof w->schedule.jitter, &w->schedule.jitter);
  set_interval(w, ctx->settings, seconds);
  if (add_owner(w, ctx) != SQLITE_OK) leadx_err_nomem(err);
  else if (open_connection(w, ctx->db.handle, err) == SQLITE_OK) return w;
  free_worker(w);
  return NULL;
}

/* Makes ctx an owner of the file's worker, if there is one. The lock is held. */
static worker *join_worker(leadx_ctx *ctx, double seconds, leadx_err *err) {
  worker *w = find_worker(ctx->session);
  if (!w) return NULL;
  if (add_owner(w, ctx) != SQLITE_OK) leadx_err_nomem(err);
  set_interval(w, ctx->settings, seconds);
  pthread_cond_signal(&w->changed);
  return w;
}

/* Puts a worker on the list and starts its thread, unless another one was faster. The lock is
** held. */
static int begin_worker(worker *w, leadx_err *err) {
  w->next = all_workers;
  all_workers = w;
  if (start_thread(w) == 0) return SQLITE_OK;
  unlink_worker(w);
  return leadx_err_set(err, SQLITE_ERROR,
                       "leadx_start: the system gives no further thread; call leadx_sync() from "
                       "the program instead");
}

static char *say_running(const char *state, int64_t interval_ms) {
  return sqlite3_mprintf("{\"state\":\"%s\",\"interval\":%.15g}", state,
                         (double)interval_ms / 1000);
}

char *leadx_worker_start(leadx_ctx *ctx, double seconds, leadx_err *err) {
  if (leadx_db_guard(&ctx->db, "leadx_start", err) != SQLITE_OK ||
      check_file(ctx, err) != SQLITE_OK)
    return NULL;
  if (leadx_settings_load(ctx->settings, &ctx->db, err) != SQLITE_OK ||
      prepare_process(err) != SQLITE_OK)
    return NULL;
  ctx->on_close = on_close;
  worker *mine = NULL;
  int is_new = 0;
  pthread_mutex_lock(&lock);
  worker *w = join_worker(ctx, seconds, err);
  if (!w) {
    /* Opening a file takes time, and the lock is for moments. */
    pthread_mutex_unlock(&lock);
    mine = make_worker(ctx, seconds, err);
    pthread_mutex_lock(&lock);
    w = mine ? join_worker(ctx, seconds, err) : NULL;
    is_new = mine && !w && begin_worker(mine, err) == SQLITE_OK;
    if (is_new) w = mine;
  }
  int64_t interval_ms = w ? w->schedule.interval_ms : 0;
  pthread_mutex_unlock(&lock);
  if (mine && !is_new) {
    close_connection(mine);
    free_worker(mine);
  }
  if (err->rc != SQLITE_OK) return NULL;
  char *text = say_running(is_new ? "started" : "running", interval_ms);
  if (!text) leadx_err_nomem(err);
  return text;
}

char *leadx_worker_stop(leadx_ctx *ctx, leadx_err *err) {
  if (leadx_db_guard(&ctx->db, "leadx_stop", err) != SQLITE_OK) return NULL;
  pthread_mutex_lock(&lock);
  worker *w = find_worker(ctx->session);
  if (w) {
    tell_to_stop(w);
    wait_for_end(w, real_ms() + STOP_MS);
  }
  pthread_mutex_unlock(&lock);
  char *text = sqlite3_mprintf("{\"state\":\"%s\"}", w ? "stopped" : "not running");
  if (!text) leadx_err_nomem(err);
  return text;
}

/* ---- the application's word ---- */

/* *told: is there a worker, and was it told? 1 for a word that nobody knows. */
static int tell_worker(leadx_ctx *ctx, const char *event, int *told) {
  leadx_schedule nobody = {0};
  pthread_mutex_lock(&lock);
  worker *w = find_worker(ctx->session);
  int is_unknown = leadx_schedule_notify(w ? &w->schedule : &nobody, leadx_clock_mono_ms(), event);
  if (w && !is_unknown) pthread_cond_signal(&w->changed);
  pthread_mutex_unlock(&lock);
  *told = w != NULL;
  return is_unknown;
}

char *leadx_worker_notify(leadx_ctx *ctx, const char *event, leadx_err *err) {
  int told = 0;
  if (leadx_db_guard(&ctx->db, "leadx_notify", err) != SQLITE_OK) return NULL;
  if (tell_worker(ctx, event, &told)) {
    leadx_err_set(err, SQLITE_ERROR, "leadx_notify: unknown event \"%.40s\"; allowed are %s", event,
                  leadx_schedule_events());
    return NULL;
  }
  int is_offline = strcmp(event, "offline") == 0;
  if (is_offline) leadx_session_show_offline(ctx->session, NO_NETWORK);
  if (!told && !is_offline && strcmp(event, "background") != 0) {
    leadx_sync_options options = {
        .who = "leadx_notify", .trigger = event, .with_pull = 1, .request_budget = -1};
    return leadx_sync_report(ctx, &options, err);
  }
  sqlite3_str *text = sqlite3_str_new(NULL);
  sqlite3_str_appendall(text, "{\"state\":\"notified\",\"event\":");
  leadx_json_append_string(text, event, strlen(event));
  sqlite3_str_appendf(text, ",\"worker\":%s}", told ? "true" : "false");
  return leadx_db_finish(text, err);
}
