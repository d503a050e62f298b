/* The server as a bare libcurl program would use it: the counterpart that a push is compared
** with. */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

static void psql(const bench *b, const char *sql, char *out, size_t n) {
  char command[2048];
  snprintf(command, sizeof command,
           "scripts/server/server.sh psql --dir '%s' -qAt -c \"set client_min_messages = error\" "
           "-c \"%s\"",
           b->server_dir, sql);
  FILE *pipe = popen(command, "r");
  if (!pipe) bench_die("cannot start psql");
  size_t got = fread(out, 1, n - 1, pipe);
  out[got] = 0;
  if (pclose(pipe) != 0) bench_die("psql failed: %s", sql);
}

void bench_server_empty(const bench *b) {
  char out[256];
  psql(b, "truncate customers cascade", out, sizeof out);
  psql(b, "checkpoint", out, sizeof out);
}

long long bench_server_count(const bench *b) {
  char out[256];
  psql(b, "select count(*) from customers", out, sizeof out);
  return strtoll(out, NULL, 10);
}

/* ---- one handle, one connection, one request after the other ---- */

static size_t discard(char *data, size_t size, size_t count, void *arg) {
  (void)data, (void)arg;
  return size * count;
}

static struct curl_slist *headers(const bench *b, const char *prefer) {
  char line[4096];
  struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
  list = curl_slist_append(list, "Expect:");
  snprintf(line, sizeof line, "apikey: %s", b->apikey);
  list = curl_slist_append(list, line);
  snprintf(line, sizeof line, "Authorization: Bearer %s", b->token);
  list = curl_slist_append(list, line);
  snprintf(line, sizeof line, "Prefer: %s", prefer);
  return curl_slist_append(list, line);
}

static CURL *handle(struct curl_slist *list, const char *method) {
  CURL *easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
  return easy;
}

static void perform(CURL *easy, const char *url, const char *body, size_t n, long expected) {
  long status = 0;
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)n);
  CURLcode code = curl_easy_perform(easy);
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  if (code != CURLE_OK || status != expected)
    bench_die("bare request: %s, status %ld", curl_easy_strerror(code), status);
}

/* n rows as prepared JSON arrays of `batch` rows; ends[i] is where array i ends. */
static char *prepare_bodies(int first, int n, int batch, size_t *ends) {
  char *text = malloc((size_t)n * 640 + 64);
  size_t at = 0;
  for (int i = 0; i < n; i++) {
    text[at++] = i % batch ? ',' : '[';
    at += (size_t)bench_row_json(first + i, text + at, 600);
    if (i % batch == batch - 1 || i == n - 1) {
      text[at++] = ']';
      ends[i / batch] = at;
    }
  }
  return text;
}

static double post_bodies(const bench *b, int first, int n, int batch, const char *prefer,
                          long expected) {
  char url[512];
  int requests = (n + batch - 1) / batch;
  size_t *ends = malloc(sizeof *ends * (size_t)requests), from = 0;
  char *text = prepare_bodies(first, n, batch, ends);
  struct curl_slist *list = headers(b, prefer);
  snprintf(url, sizeof url, "%s/customers", b->url);
  double began = bench_now_ms();
  CURL *easy = handle(list, "POST");
  for (int i = 0; i < requests; i++) {
    perform(easy, url, text + from, ends[i] - from, expected);
    from = ends[i];
  }
  curl_easy_cleanup(easy);
  double ms = bench_now_ms() - began;
  curl_slist_free_all(list);
  free(text);
  free(ends);
  return ms;
}

double bench_post_loop(const bench *b, int first, int n, int batch) {
  return post_bodies(b, first, n, batch, "return=minimal", 201);
}

double bench_upsert_loop(const bench *b, int first, int n, int batch) {
  static int begun;
  if (!begun++) bench_post_loop(b, first, n, batch);
  return post_bodies(b, first, n, batch, "resolution=merge-duplicates,return=minimal", 200);
}

double bench_patch_loop(const bench *b, const char *base, int first, int n, int round) {
  char url[512], body[256], id[37];
  struct curl_slist *list = headers(b, "return=minimal");
  double began = bench_now_ms();
  CURL *easy = handle(list, "PATCH");
  for (int i = first; i < first + n; i++) {
    bench_uuid(i, id);
    snprintf(url, sizeof url, "%s/customers?id=eq.%s", base, id);
    int bytes = snprintf(
        body, sizeof body,
        "{\"phone\":\"+62 811 %d\",\"notes\":\"Called back in round %d.\",\"updated_at\":\"now\"}",
        i, round);
    perform(easy, url, body, (size_t)bytes, 204);
  }
  curl_easy_cleanup(easy);
  double ms = bench_now_ms() - began;
  curl_slist_free_all(list);
  return ms;
}

/* ---- reading ---- */

typedef struct received {
  char *text;
  size_t n, room;
} received;

static size_t keep(char *data, size_t size, size_t count, void *arg) {
  received *r = arg;
  size_t bytes = size * count;
  if (r->n + bytes + 1 > r->room) {
    r->room = (r->n + bytes) * 2 + 1;
    r->text = realloc(r->text, r->room);
  }
  memcpy(r->text + r->n, data, bytes);
  r->n += bytes;
  r->text[r->n] = 0;
  return bytes;
}

char *bench_get(const bench *b, const char *path) {
  static CURL *easy;
  static struct curl_slist *list;
  char url[1024];
  received answer = {NULL, 0, 0};
  if (!path) {
    curl_easy_cleanup(easy);
    curl_slist_free_all(list);
    easy = NULL;
    list = NULL;
    return NULL;
  }
  if (!easy) {
    list = headers(b, "count=none");
    easy = handle(list, "GET");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep);
  }
  snprintf(url, sizeof url, "%s/%s", b->url, path);
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &answer);
  CURLcode code = curl_easy_perform(easy);
  if (code != CURLE_OK || !answer.text) bench_die("bare request: %s", curl_easy_strerror(code));
  return answer.text;
}

/* ---- what stands there ---- */

/* Past the triggers, and a day old: what was written within the overlap would be read again by
** every pull. */
void bench_server_fill(const bench *b, int n) {
  char sql[1200], out[256];
  bench_server_empty(b);
  snprintf(sql, sizeof sql,
           "set session_replication_role = replica;"
           " insert into customers(id, owner_id, code, name, industry, phone, city, latitude, "
           "credit_limit, tax_number, is_active, updated_at, notes)"
           " select gen_random_uuid(), (select id from auth.users order by email limit 1), 'C-' || "
           "i, 'PT Pelanggan Nusantara ' || i, 'Retail',"
           " '+62 21 ' || i, 'Jakarta', -6.2 + i * 1e-6, 1000000.5 + i, 10000000000 + i, true, "
           "now() - interval '1 day' + i * interval '1 ms',"
           " 'Met at the trade fair; wants a quotation for unit ' || i || ' before the end of the "
           "quarter.' from generate_series(1, %d) i",
           n);
  psql(b, sql, out, sizeof out);
  psql(b, "vacuum analyze customers", out, sizeof out);
}

void bench_server_install(const bench *b) {
  static int installed;
  char path[1100], command[2400];
  if (installed++) return;
  sqlite3 *db = bench_device(b, "installer", b->url);
  sqlite3_stmt *stmt = NULL;
  snprintf(path, sizeof path, "%s/server.sql", b->folder);
  FILE *file = fopen(path, "w");
  if (!file || sqlite3_prepare_v2(db, "SELECT leadx_server_sql()", -1, &stmt, NULL) != SQLITE_OK ||
      sqlite3_step(stmt) != SQLITE_ROW)
    bench_die("no server SQL");
  fputs((const char *)sqlite3_column_text(stmt, 0), file);
  fclose(file);
  sqlite3_finalize(stmt);
  bench_close(db);
  snprintf(
      command, sizeof command,
      "scripts/server/server.sh psql --dir '%s' -qAt -v ON_ERROR_STOP=1 <'%s' >/dev/null 2>&1 && "
      "scripts/server/server.sh reload --dir '%s' >/dev/null",
      b->server_dir, path, b->server_dir);
  if (system(command) != 0) bench_die("the server's half could not be installed");
}
