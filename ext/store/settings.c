/* The settings of a file. See settings.h. */
#include "store/settings.h"

#include <string.h>

#include "base/number.h"
#include "store/schema.h"

typedef enum setting_kind {
  KIND_COUNT,
  KIND_SECONDS,
  KIND_DAYS,
  KIND_BYTES,
  KIND_POLICY,
  KIND_NAME
} setting_kind;

static const struct setting_row {
  const char *name;
  setting_kind kind;
  const char *initial;
  double least, most;
} setting_table[LEADX_SETTING_COUNT] = {
    [LEADX_BATCH_SIZE] = {"batch_size", KIND_COUNT, "10", 1, 10000},
    [LEADX_BATCH_MAX] = {"batch_max", KIND_COUNT, "1000", 1, 10000},
    [LEADX_MAX_RETRIES] = {"max_retries", KIND_COUNT, "3", 0, 1000},
    [LEADX_INTERVAL] = {"interval", KIND_SECONDS, "300", 0.1, 86400},
    [LEADX_PAGE_SIZE] = {"page_size", KIND_COUNT, "1000", 1, 100000},
    [LEADX_OVERLAP] = {"overlap", KIND_SECONDS, "150", 0, 86400},
    [LEADX_POLICY] = {"policy", KIND_POLICY, "timestamp", 0, 0},
    [LEADX_CONNECT_TIMEOUT] = {"connect_timeout", KIND_SECONDS, "10", 0.05, 300},
    [LEADX_TIMEOUT] = {"timeout", KIND_SECONDS, "60", 0.1, 3600},
    [LEADX_RETAIN_SYNCED] = {"retain_synced", KIND_DAYS, "7", 0, 36500},
    [LEADX_RETAIN_CONFLICTS] = {"retain_conflicts", KIND_DAYS, "30", 0, 36500},
    [LEADX_BACKOFF] = {"backoff", KIND_SECONDS, "1", 0, 3600},
    [LEADX_BACKOFF_MAX] = {"backoff_max", KIND_SECONDS, "300", 0, 86400},
    [LEADX_LEASE] = {"lease", KIND_SECONDS, "60", 1, 3600},
    [LEADX_MAX_RESPONSE] = {"max_response", KIND_BYTES, "16777216", 1024, 1073741824},
    [LEADX_SCHEMA] = {"schema", KIND_NAME, "", 0, 0},
};

static const char *const policy_names[] = {"timestamp", "merge", "client", "server", "manual"};

static int take(leadx_settings *settings, leadx_setting id, const char *value);

leadx_settings *leadx_settings_new(void) {
  leadx_settings *settings = sqlite3_malloc64(sizeof *settings);
  if (!settings) return NULL;
  memset(settings, 0, sizeof *settings);
  for (int i = 0; i < LEADX_SETTING_COUNT; i++)
    take(settings, (leadx_setting)i, setting_table[i].initial);
  return settings;
}

void leadx_settings_free(leadx_settings *settings) { sqlite3_free(settings); }

int leadx_settings_find(const char *name) {
  for (int i = 0; i < LEADX_SETTING_COUNT; i++) {
    if (strcmp(setting_table[i].name, name) == 0) return i;
  }
  return -1;
}

const char *leadx_settings_name(leadx_setting id) { return setting_table[id].name; }

void leadx_settings_list(sqlite3_str *out) {
  for (int i = 0; i < LEADX_SETTING_COUNT; i++) {
    sqlite3_str_appendf(out, "%s%s", i ? ", " : "", setting_table[i].name);
  }
}

int64_t leadx_settings_int(const leadx_settings *settings, leadx_setting id) {
  return (int64_t)settings->number[id];
}

int64_t leadx_settings_ms(const leadx_settings *settings, leadx_setting id) {
  return (int64_t)(settings->number[id] * 1000.0 + 0.5);
}

char *leadx_settings_show(const leadx_settings *settings, leadx_setting id) {
  if (setting_table[id].kind == KIND_POLICY || setting_table[id].kind == KIND_NAME) {
    return sqlite3_mprintf("%s", settings->text[id]);
  }
  double n = settings->number[id];
  if (n == (double)(int64_t)n) return sqlite3_mprintf("%lld", (sqlite3_int64)n);
  return sqlite3_mprintf("%!.15g", n);
}

/* A schema name is one PostgREST can be asked for in a header. */
static int is_schema_name(const char *value) {
  size_t n = strlen(value);
  if (n >= 64) return 0;
  for (size_t i = 0; i < n; i++) {
    if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", value[i]))
      return 0;
  }
  return 1;
}

static int is_policy(const char *value) {
  for (size_t i = 0; i < sizeof policy_names / sizeof policy_names[0]; i++) {
    if (strcmp(value, policy_names[i]) == 0) return 1;
  }
  return 0;
}

/* Takes a value that is allowed; 1 when it is not. */
static int take(leadx_settings *settings, leadx_setting id, const char *value) {
  const struct setting_row *row = &setting_table[id];
  if (row->kind == KIND_POLICY || row->kind == KIND_NAME) {
    if (row->kind == KIND_POLICY ? !is_policy(value) : !is_schema_name(value)) return 1;
    sqlite3_snprintf(sizeof settings->text[id], settings->text[id], "%s", value);
    return 0;
  }
  double n = 0;
  if (leadx_number_double(value, strlen(value), &n) != 0 || !(n >= row->least && n <= row->most))
    return 1;
  if ((row->kind == KIND_COUNT || row->kind == KIND_BYTES) && n != (double)(int64_t)n) return 1;
  settings->number[id] = n;
  return 0;
}

int leadx_settings_set(leadx_settings *settings, const char *who, leadx_setting id,
                       const char *value, leadx_err *err) {
  static const char *const units[] = {"a whole number", "a number of seconds", "a number of days",
                                      "a whole number of bytes"};
  const struct setting_row *row = &setting_table[id];
  if (value && take(settings, id, value) == 0) return SQLITE_OK;
  if (row->kind == KIND_POLICY) {
    return leadx_err_set(
        err, SQLITE_ERROR,
        "%s: %s cannot be \"%.40s\"; allowed are timestamp, merge, client, server, manual", who,
        row->name, value ? value : "NULL");
  }
  if (row->kind == KIND_NAME) {
    return leadx_err_set(
        err, SQLITE_ERROR,
        "%s: %s must be a schema name of letters, digits, _ and -, at most 63 long, or empty", who,
        row->name);
  }
  return leadx_err_set(err, SQLITE_ERROR,
                       "%s: %s cannot be \"%.40s\"; it is %s from %.15g to %.15g", who, row->name,
                       value ? value : "NULL", units[row->kind], row->least, row->most);
}

int leadx_settings_store(const leadx_settings *settings, leadx_db *db, leadx_setting id,
                         leadx_err *err) {
  char *value = leadx_settings_show(settings, id);
  if (!value) return leadx_err_nomem(err);
  int rc = leadx_db_run(db, LEADX_SQL_SETTINGS_STORE, err, "tt", setting_table[id].name, value);
  sqlite3_free(value);
  return rc;
}

int leadx_settings_load(leadx_settings *settings, leadx_db *db, leadx_err *err) {
  for (int i = 0; i < LEADX_SETTING_COUNT; i++)
    take(settings, (leadx_setting)i, setting_table[i].initial);
  int64_t has_table = 0;
  int rc = leadx_schema_has(db, "leadx_settings", &has_table, err);
  if (rc != SQLITE_OK || !has_table) return rc;
  sqlite3_stmt *stmt = leadx_db_get(db, LEADX_SQL_SETTINGS_LOAD, err);
  if (!stmt) return err->rc;
  while (leadx_db_next(db, stmt, err)) {
    const char *name = leadx_db_text(stmt, 0, err), *value = leadx_db_text(stmt, 1, err);
    int id = name ? leadx_settings_find(name) : -1;
    /* A value that somebody spoiled by hand is as good as none: the default stays. */
    if (id >= 0 && value) take(settings, (leadx_setting)id, value);
  }
  leadx_db_put(db, stmt);
  return err->rc;
}
