/* The shadow: what is known of each row that the server has. Every statement about leadx_shadow is
** behind these functions or stands in shadow.sql. */
#ifndef LEADX_SHADOW_H
#define LEADX_SHADOW_H

#include "store/db.h"

/* Where the local row is, as far as is known. */
typedef enum leadx_stand {
  LEADX_STANDS,
  LEADX_GONE, /* deleted here; the server keeps it, marked as deleted */
  LEADX_KEPT_OUT, /* the file's own triggers keep it out: it is not fetched for that */
  LEADX_MISSING /* it stood here once, and no trigger saw it go: it is fetched again */
} leadx_stand;

typedef struct leadx_shadow {
  int found;
  leadx_stand stand;
  char *version; /* as the server wrote it; NULL while it has not confirmed the row */
  unsigned char *fingerprint; /* of fingerprint.c; NULL when there is none */
  int fingerprint_bytes;
} leadx_shadow;

/* Reads what is known of a row. The caller clears it, also after an error. */
int leadx_shadow_get(leadx_db *db, const char *entity, const char *key, leadx_shadow *shadow,
                     leadx_err *err);
void leadx_shadow_clear(leadx_shadow *shadow);

/* *is_unheard: is the row known, but no version of the server's? *same: does that very version of it
** stand here, or is it kept out? Copies nothing. */
int leadx_shadow_look(leadx_db *db, const char *entity, const char *key, const char *version,
                      int *is_unheard, int *same, leadx_err *err);

/* Notes a row in place of what was known of it. The fingerprint (NULL for none) is copied. */
int leadx_shadow_set(leadx_db *db, const char *entity, const char *key, leadx_stand stand,
                     const char *version, const void *fingerprint, int bytes, leadx_err *err);
/* Notes only where the local row is. Nothing for a row that is not known. */
int leadx_shadow_mark(leadx_db *db, const char *entity, const char *key, leadx_stand stand,
                      leadx_err *err);

int leadx_shadow_forget(leadx_db *db, const char *entity, const char *key, leadx_err *err);
/* All rows of an entity; the same but for those of which something is unsent. */
int leadx_shadow_forget_entity(leadx_db *db, const char *entity, leadx_err *err);
int leadx_shadow_forget_settled(leadx_db *db, const char *entity, leadx_err *err);
/* The rows that the outbox has above a rowid as deleted. */
int leadx_shadow_forget_effects(leadx_db *db, int64_t above, leadx_err *err);
int leadx_shadow_rename(leadx_db *db, const char *before, const char *entity, leadx_err *err);
/* Gives a row another spelling of its key. */
int leadx_shadow_respell(leadx_db *db, const char *entity, const char *from, const char *to,
                         leadx_err *err);

/* The keys behind one that count as standing here, in their order, so many at most (column 0). Given
** back with leadx_db_put(); NULL after an error. */
sqlite3_stmt *leadx_shadow_standing(leadx_db *db, const char *entity, const char *after, int most,
                                    leadx_err *err);

#endif
