/* Are the rows of a pull what was asked for? See pulling.h. */
#include <stdlib.h>
#include <string.h>

#include "base/instant.h"
#include "pull/pulling.h"
#include "push/change.h"
#include "rows/key.h"
#include "rows/mark.h"

static int compare_keys(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static int has_twins(char **keys, int n) {
  qsort(keys, (size_t)n, sizeof *keys, compare_keys);
  for (int i = 1; i < n; i++) {
    if (strcmp(keys[i - 1], keys[i]) == 0) return 1;
  }
  return 0;
}

/* Versions must not go back, nor before the place. What cannot be compared is let pass; *last_us is
** moved. */
static int goes_back(const char *version, int64_t *last_us) {
  int64_t us = 0;
  if (!version || leadx_instant_parse(version, strlen(version), &us) != 0) return 0;
  int back = us < *last_us;
  *last_us = us;
  return back;
}

/* Is it the row that the page was to begin behind? A server that ignores the condition would send
** us in circles. */
static int is_place(const leadx_pulling *pulling, const char *key, const char *version) {
  const leadx_place *place = &pulling->place;
  if (pulling->phase == LEADX_PARKED || !place->key || strcmp(place->key, key) != 0) return 0;
  return place->version ? version && strcmp(place->version, version) == 0 : version == NULL;
}

static int was_asked_for(const char *key, char *const *asked, int nasked) {
  if (!asked) return 1;
  for (int i = 0; i < nasked; i++) {
    if (strcmp(asked[i], key) == 0) return 1;
  }
  return 0;
}

/* What is strange about one row, or NULL. */
static const char *judge_row(const leadx_pulling *pulling, const char *key, const char *version,
                             char *const *asked, int nasked, int64_t *last_us) {
  int by_version = pulling->phase == LEADX_BY_VERSION || pulling->phase == LEADX_BY_CALL;
  if (!key) return "a row without its key";
  if (!was_asked_for(key, asked, nasked) || is_place(pulling, key, version))
    return "a row that was not asked for";
  return by_version && goes_back(version, last_us) ? "rows in another order" : NULL;
}

/* The same; the key goes to the caller, who frees it. */
static const char *examine_row(const leadx_pulling *pulling, leadx_slice row, char *const *asked,
                               int nasked, int64_t *last_us, char **key, leadx_err *err) {
  char *version = NULL;
  if (leadx_json_kind_of(row) != LEADX_JSON_OBJECT) return "an element that is no row";
  leadx_key_identify(pulling->table, row, key, &version, err);
  const char *strange = judge_row(pulling, *key, version, asked, nasked, last_us);
  sqlite3_free(version);
  return strange;
}

const char *leadx_examine_rows(const leadx_pulling *pulling, leadx_slice rows, char *const *asked,
                               int limit, int *n, leadx_slice *last, leadx_err *err) {
  leadx_json_walk walk;
  leadx_slice row;
  const char *strange = NULL;
  int64_t last_us = INT64_MIN;
  char **keys = sqlite3_malloc64(sizeof *keys * ((size_t)limit + 1));
  *n = 0;
  if (!keys) leadx_err_nomem(err);
  if (!keys) return NULL;
  if (pulling->place.version)
    leadx_instant_parse(pulling->place.version, strlen(pulling->place.version), &last_us);
  leadx_json_walk_init(&walk, rows);
  while (!strange && leadx_json_walk_element(&walk, &row)) {
    char *key = NULL;
    strange = *n == limit ? "more rows than were asked for"
                          : examine_row(pulling, row, asked, limit, &last_us, &key, err);
    if (key) keys[(*n)++] = key;
    *last = row;
  }
  if (!strange && has_twins(keys, *n)) strange = "a row twice";
  for (int i = 0; i < *n; i++) sqlite3_free(keys[i]);
  sqlite3_free(keys);
  return strange;
}
