/* The settings of a file: one table of names, kinds, defaults and limits. What says where data
** goes or which credential is used is no setting of the file; it lives in session.h. */
#ifndef LEADX_SETTINGS_H
#define LEADX_SETTINGS_H

#include "store/db.h"

typedef enum leadx_setting {
  LEADX_BATCH_SIZE,
  LEADX_BATCH_MAX,
  LEADX_MAX_RETRIES,
  LEADX_INTERVAL,
  LEADX_PAGE_SIZE,
  LEADX_OVERLAP,
  LEADX_POLICY,
  LEADX_CONNECT_TIMEOUT,
  LEADX_TIMEOUT,
  LEADX_RETAIN_SYNCED,
  LEADX_RETAIN_CONFLICTS,
  LEADX_BACKOFF,
  LEADX_BACKOFF_MAX,
  LEADX_LEASE,
  LEADX_MAX_RESPONSE,
  LEADX_SCHEMA,
  LEADX_SETTING_COUNT
} leadx_setting;

typedef struct leadx_settings {
  double number[LEADX_SETTING_COUNT]; /* seconds, days, bytes or counts, by the setting's kind */
  char text[LEADX_SETTING_COUNT][64]; /* policy and schema; "" otherwise */
} leadx_settings;

leadx_settings *leadx_settings_new(void); /* the defaults; NULL when out of memory */
void leadx_settings_free(leadx_settings *settings);

/* Reads the file's settings over the defaults; a file without leadx's tables has the defaults. */
int leadx_settings_load(leadx_settings *settings, leadx_db *db, leadx_err *err);

int64_t leadx_settings_int(const leadx_settings *settings, leadx_setting id);
int64_t leadx_settings_ms(const leadx_settings *settings,
                          leadx_setting id); /* of a setting in seconds */

/* The setting of that name, or -1. */
int leadx_settings_find(const char *name);
const char *leadx_settings_name(leadx_setting id);
/* The value as text, in sqlite3_malloc memory; NULL when out of memory. */
char *leadx_settings_show(const leadx_settings *settings, leadx_setting id);
/* Checks and takes a value (in memory); an error says what is allowed. */
int leadx_settings_set(leadx_settings *settings, const char *who, leadx_setting id,
                       const char *value, leadx_err *err);
/* Writes one value into the file. The tables must exist. */
int leadx_settings_store(const leadx_settings *settings, leadx_db *db, leadx_setting id,
                         leadx_err *err);
/* Appends the names, comma-separated. */
void leadx_settings_list(sqlite3_str *out);

#endif
