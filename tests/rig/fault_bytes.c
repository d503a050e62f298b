/* What a fault server sends: bodies for every status, headers, gzip by hand. See fault_parts.h. */
#define _DEFAULT_SOURCE /* strncasecmp */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fault_parts.h"

/* ---- buffers ---- */

void *fault_must(void *p) {
  if (!p) abort();
  return p;
}

void fault_buffer_add(fault_buffer *b, const char *z, size_t n) {
  if (b->n + n + 1 > b->room) {
    b->room = (b->n + n + 1) * 2;
    b->z = fault_must(realloc(b->z, b->room));
  }
  if (n > 0) memcpy(b->z + b->n, z, n);
  b->n += n;
  b->z[b->n] = '\0';
}

void fault_buffer_text(fault_buffer *b, const char *z) { fault_buffer_add(b, z, strlen(z)); }

void fault_buffer_byte(fault_buffer *b, unsigned byte) {
  char c = (char)(unsigned char)byte;
  fault_buffer_add(b, &c, 1);
}

int fault_find_header(const char *headers, const char *name, char *out, size_t nout) {
  size_t nname = strlen(name);
  for (const char *line = headers; line && *line; line = strstr(line, "\r\n")) {
    if (line[0] == '\r') line += 2;
    if (strncasecmp(line, name, nname) == 0 && line[nname] == ':') {
      const char *value = line + nname + 1;
      while (*value == ' ') value++;
      size_t n = strcspn(value, "\r\n");
      snprintf(out, nout, "%.*s", (int)n, value);
      return 1;
    }
  }
  return 0;
}

/* ---- answers ---- */

static const struct {
  int status;
  const char *reason, *body;
} statuses[] = {
    {200, "OK", "[]"},
    {201, "Created", "[]"},
    {204, "No Content", ""},
    {206, "Partial Content", "[]"},
    {301, "Moved Permanently", ""},
    {302, "Found", ""},
    {303, "See Other", ""},
    {307, "Temporary Redirect", ""},
    {308, "Permanent Redirect", ""},
    {400, "Bad Request",
     "{\"code\":\"PGRST102\",\"details\":null,\"hint\":null,\"message\":\"Empty or invalid "
     "json\"}"},
    {401, "Unauthorized",
     "{\"code\":\"PGRST301\",\"details\":null,\"hint\":null,\"message\":\"JWT expired\"}"},
    {402, "Payment Required", "{\"message\":\"Service for this project is restricted\"}"},
    {403, "Forbidden",
     "{\"code\":\"42501\",\"details\":null,\"hint\":null,\"message\":\"new row violates row-level "
     "security policy for table \\\"customers\\\"\"}"},
    {404, "Not Found",
     "{\"code\":\"42P01\",\"details\":null,\"hint\":null,\"message\":\"relation "
     "\\\"public.nope\\\" does not exist\"}"},
    {405, "Method Not Allowed",
     "{\"code\":\"25006\",\"details\":null,\"hint\":null,\"message\":\"cannot execute INSERT in a "
     "read-only transaction\"}"},
    {406, "Not Acceptable",
     "{\"code\":\"PGRST116\",\"details\":\"The result contains 0 "
     "rows\",\"hint\":null,\"message\":\"JSON object requested, multiple (or no) rows returned\"}"},
    {408, "Request Timeout", ""},
    {409, "Conflict",
     "{\"code\":\"23505\",\"details\":\"Key (id)=(1) already "
     "exists.\",\"hint\":null,\"message\":\"duplicate key value violates unique constraint "
     "\\\"customers_pkey\\\"\"}"},
    {413, "Request Entity Too Large",
     "<html><head><title>413 Request Entity Too Large</title></head></html>"},
    {414, "URI Too Long", ""},
    {416, "Range Not Satisfiable",
     "{\"code\":\"PGRST103\",\"details\":null,\"hint\":null,\"message\":\"Requested range not "
     "satisfiable\"}"},
    {420, "Enhance Your Calm", "{\"message\":\"slow down\"}"},
    {425, "Too Early", ""},
    {429, "Too Many Requests", "{\"message\":\"API rate limit exceeded\"}"},
    {431, "Request Header Fields Too Large", ""},
    {500, "Internal Server Error",
     "{\"code\":\"XX000\",\"details\":null,\"hint\":null,\"message\":\"internal error\"}"},
    {502, "Bad Gateway",
     "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad "
     "Gateway</h1></center></body></html>"},
    {503, "Service Unavailable",
     "{\"code\":\"PGRST000\",\"details\":null,\"hint\":null,\"message\":\"Database connection "
     "error. Retrying the connection.\"}"},
    {504, "Gateway Timeout", "<html><head><title>504 Gateway Time-out</title></head></html>"},
    {520, "Unknown Error", "<html>error code: 520</html>"},
    {540, "Project Paused", "{\"message\":\"project paused\"}"},
    {544, "Project API Gateway Timeout", "{\"message\":\"project api gateway timeout\"}"},
};

static const char *reason_of(int status) {
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
    if (statuses[i].status == status) return statuses[i].reason;
  }
  return "Whatever";
}

const char *fault_body(int status) {
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
    if (statuses[i].status == status) return statuses[i].body;
  }
  return "";
}

void fault_answer_complete(fault_answer *answer) {
  if (answer->status == 0) answer->status = 200;
  if (!answer->body) answer->body = fault_body(answer->status);
  if (answer->body_bytes == 0) answer->body_bytes = strlen(answer->body);
}

static const char *type_of(const fault_answer *answer) {
  char value[8];
  if (answer->headers && fault_find_header(answer->headers, "Content-Type", value, sizeof value))
    return "";
  if (answer->body_bytes == 0) return "";
  return answer->body[0] == '<' ? "Content-Type: text/html\r\n"
                                : "Content-Type: application/json; charset=utf-8\r\n";
}

void fault_answer_head(fault_buffer *out, const fault_answer *answer, const char *extra) {
  char line[96];
  snprintf(line, sizeof line, "HTTP/1.1 %d %s\r\n", answer->status, reason_of(answer->status));
  fault_buffer_text(out, line);
  fault_buffer_text(out, type_of(answer));
  if (answer->headers) {
    fault_buffer_text(out, answer->headers);
    fault_buffer_text(out, "\r\n");
  }
  fault_buffer_text(out, extra);
  fault_buffer_text(out, "\r\n");
}

void fault_answer_whole(fault_buffer *out, const fault_answer *answer) {
  char length[64] = "";
  if (answer->status != 204)
    snprintf(length, sizeof length, "Content-Length: %zu\r\n", answer->body_bytes);
  fault_answer_head(out, answer, length);
  if (answer->status != 204) fault_buffer_add(out, answer->body, answer->body_bytes);
}

/* ---- gzip, by hand: the tests need no library for it ---- */

static uint32_t crc32_of(const char *z, size_t n) {
  uint32_t crc = 0xffffffffu;
  for (size_t i = 0; i < n; i++) {
    crc ^= (unsigned char)z[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}

static void little_endian(fault_buffer *out, uint32_t n, int bytes) {
  for (; bytes > 0; bytes--, n >>= 8) fault_buffer_byte(out, n & 0xff);
}

static void gzip_head(fault_buffer *out) {
  fault_buffer_add(out, "\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
}

/* One stored block: at most 65535 bytes. */
void fault_gzip_stored(fault_buffer *out, const char *z, size_t n) {
  if (n > 65535) abort();
  gzip_head(out);
  fault_buffer_byte(out, 1);
  little_endian(out, (uint32_t)n, 2);
  little_endian(out, ~(uint32_t)n, 2);
  fault_buffer_add(out, z, n);
  little_endian(out, crc32_of(z, n), 4);
  little_endian(out, (uint32_t)n, 4);
}

typedef struct bit_writer {
  fault_buffer *out;
  uint32_t bits;
  int nbits;
} bit_writer;

static void put_bit(bit_writer *w, unsigned bit) {
  w->bits |= bit << w->nbits;
  if (++w->nbits < 8) return;
  fault_buffer_byte(w->out, w->bits);
  w->bits = 0;
  w->nbits = 0;
}

/* Huffman codes come with their highest bit first. */
static void put_code(bit_writer *w, unsigned code, int nbits) {
  while (nbits-- > 0) put_bit(w, code >> nbits & 1);
}

/* A fixed Huffman block: "[", one blank, then blank after blank as copies of 258 bytes in 13 bits
** each, "]". The checksum is left out; nobody gets that far. */
void fault_gzip_bomb(fault_buffer *out, long n) {
  bit_writer w = {out, 0, 0};
  gzip_head(out);
  put_bit(&w, 1);
  put_bit(&w, 1);
  put_bit(&w, 0);
  put_code(&w, 0x30 + '[', 8);
  put_code(&w, 0x30 + ' ', 8);
  for (long done = 0; done < n; done += 258) {
    put_code(&w, 0xc5, 8);
    put_code(&w, 0, 5);
  }
  put_code(&w, 0x30 + ']', 8);
  put_code(&w, 0, 7);
  while (w.nbits > 0) put_bit(&w, 0);
  fault_buffer_add(out, "\0\0\0\0\0\0\0\0", 8);
}
