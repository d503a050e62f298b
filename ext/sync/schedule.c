/* When a worker does what. See schedule.h. */
#include "sync/schedule.h"

#include <string.h>

#include "rest/rest.h"

/* The first look after a sync that reached nobody. */
#define FIRST_PROBE_MS 1000
/* The longest wait between two looks when nothing waits to be sent. */
#define IDLE_PROBE_MS 60000
/* Another process syncs the file: the first wait, which doubles. */
#define BUSY_MS 1000
/* Whatever the settings say, two tries of what was refused are at least this far apart. */
#define LEAST_WAIT_MS 1000

static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t later(int64_t a, int64_t b) { return a > b ? a : b; }

/* first·2^n, at most `most`. */
static int64_t doubled(int64_t first, int n, int64_t most) {
  int64_t ms = first;
  for (int i = 0; i < n && ms < most; i++) ms *= 2;
  return earlier(ms, most);
}

void leadx_schedule_init(leadx_schedule *s, int64_t now, int64_t interval_ms, int64_t backoff_ms,
                         int64_t backoff_max_ms) {
  memset(s, 0, sizeof *s);
  s->interval_ms = interval_ms;
  s->backoff_ms = backoff_ms;
  s->backoff_max_ms = backoff_max_ms;
  s->timer_at = now + interval_ms;
  s->commit_at = s->retry_at = s->probe_at = LEADX_NEVER;
  s->asked_at = s->not_before = now;
  s->asked = "start";
}

void leadx_schedule_set_interval(leadx_schedule *s, int64_t now, int64_t interval_ms) {
  if (interval_ms == s->interval_ms) return;
  s->interval_ms = interval_ms;
  s->timer_at = now + interval_ms;
}

/* ---- what is due ---- */

/* When each reason to do something is due; LEADX_NEVER while something stands against it. */
static int64_t timer_due(const leadx_schedule *s) { return later(s->timer_at, s->not_before); }

static int64_t work_due(const leadx_schedule *s, int64_t at) {
  int stands_against = s->is_paused || s->in_background || s->is_offline || s->needs_token ||
                       at == LEADX_NEVER;
  return stands_against ? LEADX_NEVER : later(at, s->not_before);
}

static int64_t probe_due(const leadx_schedule *s) {
  if (s->is_paused)
    return s->timer_at; /* who said that there is no network may forget to say that there is one */
  return s->is_offline && !s->in_background ? s->probe_at : LEADX_NEVER;
}

static leadx_doing sync_now(const char **trigger, const char *name, int *whole, int is_whole) {
  *trigger = name;
  *whole = is_whole;
  return LEADX_DO_SYNC;
}

leadx_doing leadx_schedule_next(leadx_schedule *s, int64_t now, const char **trigger, int *whole,
                                int64_t *wake_at) {
  int64_t commit_due = work_due(s, s->commit_at), retry_due = work_due(s, s->retry_at),
          sync_due = s->is_paused ? LEADX_NEVER : timer_due(s);
  s->is_paused_anew = 0;
  if (s->asked && now >= s->asked_at) {
    const char *name = s->asked;
    s->asked = NULL;
    return sync_now(trigger, name, whole, 1);
  }
  if (now >= sync_due) return sync_now(trigger, "timer", whole, 1);
  if (now >= commit_due) return sync_now(trigger, "commit", whole, 0);
  if (now >= retry_due) return sync_now(trigger, "retry", whole, s->owes_whole);
  if (now >= probe_due(s)) return LEADX_DO_PROBE;
  *wake_at = earlier(earlier(commit_due, retry_due), earlier(sync_due, probe_due(s)));
  if (s->asked) *wake_at = earlier(*wake_at, s->asked_at);
  return LEADX_DO_NOTHING;
}

int64_t leadx_schedule_next_sync(const leadx_schedule *s) {
  int64_t at = s->is_paused ? LEADX_NEVER : timer_due(s);
  if (s->asked) at = earlier(at, s->asked_at);
  return earlier(at, earlier(work_due(s, s->commit_at), work_due(s, s->retry_at)));
}

/* ---- what happens ---- */

static void ask(leadx_schedule *s, int64_t at, const char *name) {
  s->asked = name;
  s->asked_at = at;
}

static void say_online(leadx_schedule *s) { s->is_paused = s->is_paused_anew = 0; }

static void say_offline(leadx_schedule *s) {
  s->is_paused = s->is_paused_anew = 1;
  s->asked = NULL;
}

static void say_foreground(leadx_schedule *s) { s->in_background = 0; }
static void say_background(leadx_schedule *s) { s->in_background = 1; }
static void say_refresh(leadx_schedule *s) { s->failures = 0; }

static const struct event {
  const char *name;
  int syncs;
  void (*say)(leadx_schedule *s);
} events[] = {
    {"online", 1, say_online},         {"offline", 0, say_offline},
    {"foreground", 1, say_foreground}, {"background", 0, say_background},
    {"refresh", 1, say_refresh},
};

const char *leadx_schedule_events(void) {
  return "'online', 'offline', 'foreground', 'background', 'refresh'";
}

int leadx_schedule_notify(leadx_schedule *s, int64_t now, const char *event) {
  for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
    if (strcmp(events[i].name, event) != 0) continue;
    events[i].say(s);
    if (events[i].syncs) ask(s, now, events[i].name);
    return 0;
  }
  return 1;
}

void leadx_schedule_committed(leadx_schedule *s, int64_t now) {
  s->has_work = 1;
  if (s->commit_at == LEADX_NEVER) s->commit_at = now + LEADX_DEBOUNCE_MS;
  /* Something waits now: whoever is there again shall be noticed soon. */
  if (s->is_offline) s->probe_at = earlier(s->probe_at, now + LEADX_PROBE_MS);
}

void leadx_schedule_found(leadx_schedule *s, int64_t now, int has_work, int64_t retry_at) {
  s->has_work = has_work;
  if (retry_at != LEADX_NEVER)
    s->retry_at = earlier(s->retry_at, later(retry_at, now + LEAST_WAIT_MS));
}

void leadx_schedule_network_up(leadx_schedule *s, int64_t now) {
  s->probes = s->failures = 0;
  if (s->is_offline) s->probe_at = now;
  if (s->is_paused) s->timer_at = now;
}

void leadx_schedule_renewed(leadx_schedule *s, int64_t now) {
  s->failures = 0;
  if (s->is_offline) s->probe_at = now;
  /* The first new token is tried at once. One that a refresh brings and the server refuses again is
  ** no way to go on. */
  if (s->needs_token)
    ask(s, s->refusals > 1 ? now + doubled(FIRST_PROBE_MS, s->refusals - 1, IDLE_PROBE_MS) : now,
        "token");
  s->needs_token = 0;
}

static int64_t look_again(const leadx_schedule *s, int64_t now) {
  return now + doubled(FIRST_PROBE_MS, s->probes, s->has_work ? LEADX_PROBE_MS : IDLE_PROBE_MS);
}

static int64_t backoff(const leadx_schedule *s) {
  return later(LEAST_WAIT_MS,
               leadx_rest_backoff_ms(s->failures, s->backoff_ms, s->backoff_max_ms, -1, s->jitter));
}

/* Until when the next try waits, by how this one ended. */
static int64_t wait_after(const leadx_schedule *s, leadx_ending ending, int64_t now,
                          int64_t throttled_until) {
  switch (ending) {
    case LEADX_ENDED_BUSY: return now + doubled(BUSY_MS, s->failures, IDLE_PROBE_MS);
    case LEADX_ENDED_OFFLINE:
      return s->failures ? now + doubled(FIRST_PROBE_MS, s->failures, IDLE_PROBE_MS) : now;
    case LEADX_ENDED_THROTTLED:
    case LEADX_ENDED_BADLY: return later(throttled_until, now + backoff(s));
    default: return now;
  }
}

void leadx_schedule_synced(leadx_schedule *s, int64_t now, leadx_ending ending, int whole,
                           int64_t throttled_until) {
  int is_heard = ending != LEADX_ENDED_OFFLINE && ending != LEADX_ENDED_BUSY &&
                 ending != LEADX_ENDED_BADLY;
  if (whole || ending == LEADX_ENDED_OFFLINE) s->timer_at = now + s->interval_ms;
  s->not_before = wait_after(s, ending, now, throttled_until);
  s->commit_at = s->retry_at = LEADX_NEVER;
  if (is_heard) {
    s->is_offline = 0;
    s->is_paused = s->is_paused_anew;
    s->probe_at = LEADX_NEVER;
    s->probes = 0;
  }
  s->needs_token = ending == LEADX_ENDED_REFUSED;
  s->refusals = s->needs_token ? s->refusals + 1 : is_heard ? 0 : s->refusals;
  if (whole) s->owes_whole = ending != LEADX_ENDED_WELL;
  if (ending == LEADX_ENDED_WELL || ending == LEADX_ENDED_REFUSED) {
    s->failures = 0;
    return;
  }
  if (ending == LEADX_ENDED_OFFLINE) {
    s->is_offline = 1;
    s->probe_at = look_again(s, now);
  } else {
    s->retry_at = s->not_before;
  }
  s->failures++;
}

void leadx_schedule_probed(leadx_schedule *s, int64_t now, int answered) {
  if (answered && !s->is_paused_anew) {
    s->is_paused = 0;
    s->probe_at = LEADX_NEVER;
    ask(s, later(now, s->not_before), "online");
    return;
  }
  if (s->is_paused) s->timer_at = now + s->interval_ms;
  s->failures = 0;
  s->probes++;
  s->probe_at = look_again(s, now);
}
