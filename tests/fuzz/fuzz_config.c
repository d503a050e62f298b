/* What a host configures: five lines are a URL, a key, a token, a setting "name=value" and options
** of leadx_track().
**
** Promised: a base URL that is taken is https, or http to this machine, names no user, has no byte
** that ends a line, and is taken again unchanged; a value that is taken for a header makes one
** header line; a setting stays within its limits; a secret key or token is refused; a table that is
** described asks for nothing outside its own path. */
#include "fuzz.h"

#include <string.h>

#include "http/http.h"
#include "rest/rest.h"
#include "session/session.h"
#include "store/settings.h"
#include "store/describe.h"

static int starts(const char *text, const char *with) {
  return strncmp(text, with, strlen(with)) == 0;
}

static void check_bytes(const char *text) {
  for (const char *z = text; *z; z++)
    FUZZ_CHECK((unsigned char)*z > 0x20 && (unsigned char)*z < 0x7f, "byte %d of \"%s\"",
               (unsigned char)*z, text);
}

static void check_url(const char *url) {
  leadx_err err = {0};
  char *base = leadx_http_base_url("fuzz", url, &err);
  FUZZ_CHECK((base == NULL) == (err.rc != SQLITE_OK), "%s", err.text);
  if (!base) return;
  check_bytes(base);
  const char *host = strstr(base, "://");
  FUZZ_CHECK(host && !memchr(host + 3, '@', strcspn(host + 3, "/")) && !strpbrk(base, "?#\\"), "%s",
             base);
  if (starts(base, "http://")) {
    size_t n = strcspn(host + 3, ":/");
    int is_here = (n == 9 && (starts(host + 3, "localhost") || starts(host + 3, "127.0.0.1"))) ||
                  starts(host + 3, "[::1]");
    FUZZ_CHECK(is_here, "%s", base);
  } else {
    FUZZ_CHECK(starts(base, "https://"), "%s", base);
  }
  char *again = leadx_http_base_url("fuzz", base, &err);
  FUZZ_CHECK(again && strcmp(again, base) == 0, "%s becomes %s", base, again ? again : err.text);
  sqlite3_free(again);
  sqlite3_free(base);
}

static void check_header(const char *value) {
  leadx_request *req = leadx_request_new("GET");
  if (leadx_request_header(req, "apikey", value) == SQLITE_OK) {
    FUZZ_CHECK(req->nheaders == 1 && !strpbrk(req->headers[0], "\r\n"), "%s", req->headers[0]);
  } else {
    FUZZ_CHECK(!leadx_rest_header_safe(value), "a safe value is refused: %s", value);
  }
  if (leadx_rest_header_safe(value)) check_bytes(value);
  leadx_request_free(req);
}

/* Configures a session of no file and looks at what it would send. */
static void check_session(const char *url, const char *key, const char *token) {
  leadx_session *session = leadx_session_open(NULL);
  leadx_credentials credentials;
  leadx_err err = {0};
  FUZZ_CHECK(session != NULL, "memory");
  if (leadx_session_configure(session, url, key, NULL, 0, &err) == SQLITE_OK) {
    FUZZ_CHECK(leadx_rest_header_safe(key) && !leadx_rest_key_is_secret(key), "the key %s is taken",
               key);
    leadx_token claims;
    if (leadx_session_check_token(session, "fuzz", token, &claims, &err) == SQLITE_OK) {
      FUZZ_CHECK(leadx_rest_header_safe(token) && !leadx_rest_key_is_secret(token),
                 "the token %s is taken", token);
    }
    leadx_err quiet = {0};
    FUZZ_CHECK(leadx_session_credentials(session, "fuzz", &credentials, &quiet) == SQLITE_OK, "%s",
               quiet.text);
    check_bytes(credentials.url);
    leadx_credentials_clear(&credentials);
  } else {
    FUZZ_CHECK(err.text[0] && (!key[0] || strlen(key) < 16 || !strstr(err.text, key)),
               "the error repeats the key: %s", err.text);
  }
  leadx_session_close(session);
}

static void check_setting(char *line) {
  char *value = strchr(line, '=');
  if (!value) return;
  *value++ = 0;
  leadx_settings *settings = leadx_settings_new();
  leadx_err err = {0};
  int id = leadx_settings_find(line);
  if (settings && id >= 0 &&
      leadx_settings_set(settings, "fuzz", (leadx_setting)id, value, &err) == SQLITE_OK) {
    FUZZ_CHECK(settings->number[id] >= 0 && settings->number[id] <= 1073741824, "%s=%s", line,
               value);
    check_header(settings->text[id][0] ? settings->text[id] : "x");
    char *shown = leadx_settings_show(settings, (leadx_setting)id);
    FUZZ_CHECK(shown != NULL, "memory");
    sqlite3_free(shown);
  }
  leadx_settings_free(settings);
}

static void check_options(const char *options) {
  fuzz_db *file = fuzz_open();
  leadx_err err = {0};
  leadx_table *table = leadx_describe(&file->db, "fuzz", "notes", options, &err);
  FUZZ_CHECK((table == NULL) == (err.rc != SQLITE_OK), "%s", err.text);
  if (table) {
    FUZZ_CHECK(!strpbrk(table->remote, "/\\\r\n") && strcmp(table->remote, "..") != 0 &&
                   strcmp(table->remote, ".") != 0,
               "%s", table->remote);
    if (table->filter) check_bytes(table->filter);
    FUZZ_CHECK(!table->filter || !strchr(table->filter, '#'), "%s", table->filter);
    FUZZ_CHECK(table->nkey == 1 && table->ncolumns > 0 && table->priority >= 1, "the table");
  }
  leadx_table_free(table);
  leadx_db_release(&file->db);
}

void fuzz_config(const char *data, size_t n) {
  const char *at = data, *end = data + n;
  char *lines[5];
  for (int i = 0; i < 5; i++) lines[i] = fuzz_line(&at, end);
  check_url(lines[0]);
  check_header(lines[1]);
  check_header(lines[2]);
  check_session(lines[0], lines[1], lines[2]);
  check_setting(lines[3]);
  check_options(lines[4]);
  for (int i = 0; i < 5; i++) sqlite3_free(lines[i]);
}
