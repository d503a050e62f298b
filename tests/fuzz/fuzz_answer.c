/* An answer of the server, from its bytes to the local rows: received, judged, and taken in as a
** page of a pull.
**
** The input is the status, the header's lines, an empty line, the body. Promised: what is kept of
** the header fits and is printable; an answer that is no JSON array of rows changes nothing; the
** verdict's words are one line of valid UTF-8; rows go into their own table alone; whatever they
** are, no error is left but one that says so. */
#include "fuzz.h"

#include <string.h>

#include "rows/intake.h"
#include "http/receive.h"
#include "rest/rest.h"

#define MAX_BODY 65536

static int is_printable(const char *text) {
  for (; *text; text++) {
    if (*text < 0x20 || *text > 0x7e) return 0;
  }
  return 1;
}

static int is_one_line(const char *text) {
  for (const char *z = text; *z; z++) {
    if ((unsigned char)*z < 0x20 || *z == 0x7f) return 0;
  }
  return leadx_utf8_valid(text, strlen(text));
}

/* Feeds header and body to the receiver, in two pieces each. Returns what it said last. */
static int receive(leadx_receive *in, const char *at, const char *end) {
  int rc = leadx_receive_header(in, "HTTP/1.1 200 OK\r\n", 17);
  while (rc == SQLITE_OK && at < end) {
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    stop = stop ? stop + 1 : end;
    rc = leadx_receive_header(in, at, (size_t)(stop - at));
    int is_last = *at == '\n' || *at == '\r';
    at = stop;
    if (is_last) break;
  }
  size_t half = (size_t)(end - at) / 2;
  if (rc == SQLITE_OK) rc = leadx_receive_body(in, at, half);
  return rc == SQLITE_OK ? leadx_receive_body(in, at + half, (size_t)(end - at) - half) : rc;
}

static void take_page(fuzz_db *file, leadx_table *table, leadx_slice rows) {
  leadx_err err = {0};
  int changed, parked, rc;
  FUZZ_CHECK(sqlite3_exec(file->handle, "BEGIN", NULL, NULL, NULL) == SQLITE_OK, "%s",
             sqlite3_errmsg(file->handle));
  leadx_intake *intake = leadx_intake_open(&file->db, table, &err);
  FUZZ_CHECK(intake != NULL, "%s", err.text);
  rc = leadx_intake_begin(intake, &err);
  leadx_json_walk walk;
  leadx_slice row;
  leadx_json_walk_init(&walk, rows);
  while (rc == SQLITE_OK && leadx_json_walk_element(&walk, &row)) {
    if (leadx_json_kind_of(row) != LEADX_JSON_OBJECT) continue;
    rc = leadx_intake_row(intake, row, 0, &changed, &parked, &err);
    FUZZ_CHECK((rc == SQLITE_OK) == (err.rc == SQLITE_OK), "%d and \"%s\"", rc, err.text);
  }
  leadx_intake_end(intake, &err);
  leadx_intake_close(intake);
  leadx_db_release(&file->db);
  int64_t strayed = -1;
  leadx_err quiet = {0};
  sqlite3_stmt *stmt = leadx_db_prepare(&file->db,
                                        "SELECT (SELECT count(*) FROM bystander WHERE secret = "
                                        "'untouched') - 1 + (SELECT count(*) FROM sync_queue)",
                                        &quiet);
  if (stmt && sqlite3_step(stmt) == SQLITE_ROW) strayed = sqlite3_column_int64(stmt, 0);
  sqlite3_finalize(stmt);
  FUZZ_CHECK(strayed == 0, "rows went elsewhere, or were queued");
  FUZZ_CHECK(sqlite3_exec(file->handle, "ROLLBACK", NULL, NULL, NULL) == SQLITE_OK, "%s",
             sqlite3_errmsg(file->handle));
}

static void check_kept(const leadx_request *req) {
  const char *kept[] = {req->content_type, req->content_range, req->preference_applied};
  for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
    FUZZ_CHECK(is_printable(kept[i]), "%s", kept[i]);
  FUZZ_CHECK(req->retry_after_s >= -1 && req->retry_after_s < 1000000000, "%lld",
             (long long)req->retry_after_s);
  FUZZ_CHECK(req->answer_bytes <= MAX_BODY && req->answer[req->answer_bytes] == 0, "the body");
}

void fuzz_answer(const char *data, size_t n) {
  const char *at = data, *end = data + n;
  char *first = fuzz_line(&at, end);
  long status = strtol(first, NULL, 10);
  leadx_receive in;
  leadx_request *req = leadx_request_new("GET");
  FUZZ_CHECK(req && leadx_receive_begin(&in, req, MAX_BODY) == SQLITE_OK, "memory");
  int rc = receive(&in, at, end);
  if (rc == SQLITE_OK && leadx_receive_is_complete(&in, status, 0)) {
    req->net = LEADX_NET_ANSWER;
    leadx_receive_finish(&in, status);
  } else {
    leadx_receive_discard(&in);
    FUZZ_CHECK(req->answer_bytes == 0 && req->content_type[0] == 0, "something is left");
  }
  check_kept(req);
  leadx_answer answer = leadx_rest_answer(req, n % 2 == 0);
  leadx_verdict verdict;
  leadx_rest_classify(&answer, &verdict);
  FUZZ_CHECK(is_one_line(verdict.message), "%s", verdict.message);
  FUZZ_CHECK(is_printable(verdict.code), "%s", verdict.code);
  FUZZ_CHECK(verdict.class_ == LEADX_CLASS_OK || verdict.rows.n == 0,
             "rows of an answer that is not OK");
  FUZZ_CHECK(verdict.class_ != LEADX_CLASS_OK || (status >= 200 && status <= 299), "%ld is OK",
             status);
  if (verdict.rows.n > 0) {
    fuzz_db *file = fuzz_open();
    for (int i = 0; i < file->tables.n; i++) take_page(file, file->tables.list[i], verdict.rows);
  }
  leadx_request_free(req);
  sqlite3_free(first);
}
