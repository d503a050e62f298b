/* When a worker does what. Pure: no thread, no clock, no database, so a table of cases tests it
** whole. Times are milliseconds of one clock that never goes back; what happens is told by the
** functions below, in any order.
**
** The rules: the timer syncs whatever happened. What a commit queued goes after a short wait that
** gathers more of it. While nobody answers, nothing is synced (that would write to the file) but
** the server is asked for a sign of life, soon and again when something waits to be sent, more and
** more rarely otherwise; its first answer is a sync. A server that asked for time gets it, one that
** refused the token is not asked again for a commit's sake. */
#ifndef LEADX_SCHEDULE_H
#define LEADX_SCHEDULE_H

#include <stdint.h>

#define LEADX_NEVER INT64_MAX

/* How long a commit waits for the next one. */
#define LEADX_DEBOUNCE_MS 500
/* The longest that a server which is there again goes unnoticed while something waits to be
** sent. */
#define LEADX_PROBE_MS 3000

typedef enum leadx_doing { LEADX_DO_NOTHING, LEADX_DO_PROBE, LEADX_DO_SYNC } leadx_doing;

/* How a sync ended, as far as the next one depends on it. */
typedef enum leadx_ending {
  LEADX_ENDED_WELL, /* the server was reached and the sync came to its end */
  LEADX_ENDED_OFFLINE, /* nobody answered, or not as this server would */
  LEADX_ENDED_BUSY, /* another sync of the file runs */
  LEADX_ENDED_REFUSED, /* the server wants a (new) token */
  LEADX_ENDED_THROTTLED, /* the server wants time */
  LEADX_ENDED_BADLY /* an error of the local database */
} leadx_ending;

typedef struct leadx_schedule {
  int64_t interval_ms;
  int64_t backoff_ms, backoff_max_ms;
  int64_t timer_at; /* the periodic sync */
  int64_t commit_at; /* something was queued */
  int64_t
      retry_at; /* a row that waits may be tried again, or a sync that did not come to its end */
  int64_t probe_at; /* nobody answered; look again */
  int64_t
      /* somebody asked for a sync, or a probe was answered; asked is its name in the log */
      asked_at;
  const char *asked; /* static */
  int64_t not_before; /* backoff; what somebody asks for goes through it */
  int is_paused; /* the application said that there is no network */
  /* … after the sync or the probe that runs had begun: what it finds does not gainsay that */
  int is_paused_anew;
  int in_background; /* the application said that only the timer matters */
  int is_offline, needs_token;
  int has_work; /* something waits to be sent */
  int owes_whole; /* the last sync that was to fetch as well did not come to its end */
  uint32_t jitter; /* spreads the tries of many devices; the owner sets it */
  int probes; /* in a row without an answer */
  int failures; /* syncs in a row that did not come to their end although the server answered */
  int refusals; /* of tokens, in a row */
} leadx_schedule;

/* A worker that begins: one sync at once, called 'start'. */
void leadx_schedule_init(leadx_schedule *schedule, int64_t now, int64_t interval_ms,
                         int64_t backoff_ms, int64_t backoff_max_ms);
void leadx_schedule_set_interval(leadx_schedule *schedule, int64_t now, int64_t interval_ms);

/* What is to be done now. DO_SYNC: *trigger is its name in the log (static), *whole says that it
** fetches as well as sends; the reason is taken, so each answer is to be followed by synced() or
** probed(). DO_NOTHING: *wake_at is when to ask again. */
leadx_doing leadx_schedule_next(leadx_schedule *schedule, int64_t now, const char **trigger,
                                int *whole, int64_t *wake_at);
/* When the next sync is due as things stand, LEADX_NEVER when that depends on what happens. */
int64_t leadx_schedule_next_sync(const leadx_schedule *schedule);

/* The application's word: 'online', 'offline', 'foreground', 'background', 'refresh'. 1 for any
** other. */
int leadx_schedule_notify(leadx_schedule *schedule, int64_t now, const char *event);
/* The words, for an error. Static. */
const char *leadx_schedule_events(void);

/* A commit queued something. */
void leadx_schedule_committed(leadx_schedule *schedule, int64_t now);
/* Is anything unsent, and when may a waiting row be tried again (LEADX_NEVER: none waits)? */
void leadx_schedule_found(leadx_schedule *schedule, int64_t now, int has_work, int64_t retry_at);
/* An interface or an address came up. */
void leadx_schedule_network_up(leadx_schedule *schedule, int64_t now);
/* Server, key or token are others than before. */
void leadx_schedule_renewed(leadx_schedule *schedule, int64_t now);
/* A sync has ended; for THROTTLED, until when the server wants peace (0: it did not say). */
void leadx_schedule_synced(leadx_schedule *schedule, int64_t now, leadx_ending ending, int whole,
                           int64_t throttled_until);
void leadx_schedule_probed(leadx_schedule *schedule, int64_t now, int answered);

#endif
