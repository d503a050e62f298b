/* The input of a fuzz target as a small program: bytes that choose among operations and operands,
** so that a changed byte is another program and not a broken one. */
#ifndef LEADX_FUZZ_INPUT_H
#define LEADX_FUZZ_INPUT_H

#include <stddef.h>

#include <sqlite3.h>

#include "http/http.h"

/* What is left of an input. Behind the end every byte is 0. */
typedef struct fuzz_input {
  const unsigned char *at, *end;
} fuzz_input;

unsigned fuzz_byte(fuzz_input *in);
/* A number below n, which is at most 256. */
unsigned fuzz_below(fuzz_input *in, unsigned n);
unsigned fuzz_two_bytes(fuzz_input *in);

/* A text: a word of the ones that matter, raw bytes, something long, a number, JSON, a NUL inside.
** In sqlite3_malloc memory, terminated, *n long. */
char *fuzz_text(fuzz_input *in, size_t *n);
/* The same, JSON of any shape. */
char *fuzz_json(fuzz_input *in);
/* Binds a value of any storage class. */
void fuzz_bind(fuzz_input *in, sqlite3_stmt *stmt, int parameter);

/* ---- the server ---- */

/* Where the fuzzed server stands, and what nobody but it may be told. */
#define FUZZ_ROOT "https://fuzz.example/rest/v1"
#define FUZZ_KEY "sb_publishable_Qm7xKp2TzR9wLc4v"
#define FUZZ_TOKEN "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1MSIsImV4cCI6NDEwMjQ0NDgwMH0.Vd8Hn3Yq6Ws1Jb5"

/* From now on every transport of leadx is one without a network, whose answers are those of
** respond(); NULL: the real one again. */
void fuzz_network(void (*respond)(void *ctx, leadx_request *req), void *ctx);

/* Spoils an answer as the input says: another status, type or header, another body, one with a value
** changed, left out or repeated, a cut, no answer at all. With no input left the answer stays. */
void fuzz_spoil(fuzz_input *in, sqlite3 *scratch, leadx_request *req);

#endif
