/* A device's life from loading to its last sync, told in steps: what the tests of failing memory
** and failing disks fail in, one step at a time. Each step may be done again after it failed. */
#ifndef LEADX_STORY_H
#define LEADX_STORY_H

#include <sqlite3.h>

#include "model_server.h"

typedef struct story {
  sqlite3 *db;
  model_server model;
  const char *file, *vfs, *journal;
  char result[1200]; /* what the last step said, or its error */
  /* what is done just now is not the device's doing: the server's, or another device's */
  int is_paused;
} story;

typedef struct story_step {
  const char *name;
  int (*run)(story *s); /* an SQLite result code */
  int is_ours; /* 0: something that happens to the device, not what it does */
} story_step;

extern const story_step story_steps[];
extern const int story_count;
/* The first step that begins with everything set up: a file can be put in its place
** (story_reopen). */
extern const int story_first_of_a_file;

/* A server and no device; the first step opens one. */
void story_begin(story *s, const char *file, const char *vfs, const char *journal);
/* Closes everything; all must have been given back. */
void story_end(story *s);

/* How it stands: the device's rows, the queue, what leadx holds, the conflicts; the server's rows;
** is the file whole? Two lives that went through the same steps have the same text. */
void story_tell(story *s, char *out, size_t n);

/* A moment of a life in memory: both databases. */
typedef struct story_moment {
  unsigned char *device, *server;
  sqlite3_int64 device_bytes, server_bytes;
  int64_t clock_us;
} story_moment;

void story_save(story *s, story_moment *moment);
/* A new device, loaded and configured, with the files of that moment. */
void story_reopen(story *s, const story_moment *moment);
void story_forget(story_moment *moment);

#endif
