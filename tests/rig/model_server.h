/* A model of PostgREST for the fake transport: tables of JSON rows, keyed, versioned, with the
** constraints a test asks for. It answers as PostgREST does, and a test can stand before and behind
** it. */
#ifndef LEADX_MODEL_SERVER_H
#define LEADX_MODEL_SERVER_H

#include <sqlite3.h>

#include "http/http.h"

typedef struct model_request {
  const char *method;
  char *url, *body, *prefer;
} model_request;

typedef struct model_server model_server;
struct model_server {
  sqlite3 *db; /* rows(tbl, key, doc): doc is the row as JSON text */
  int64_t clock_us; /* the server's clock; each write is a microsecond later */
  const char *key; /* remote key columns, comma-separated ("id") */
  const char *version; /* remote version column, NULL for none */
  const char *references; /* "child.column>parent;…" foreign keys, NULL for none */
  const char *unique; /* "table.column" that is unique, NULL for none */
  const char *poison; /* rows whose JSON has this text are refused (23514), NULL for none */
  int write_only; /* 42501 for anything that reads */
  int max_rows; /* rows in one GET answer; 0: no limit */
  void (*functions)(
      model_server *model,
      leadx_request *req); /* answers what goes to rpc/; NULL: there are no functions */
  /* before() may answer instead of the model: returns 1 when it did. after() sees the answer and
  ** may spoil it. */
  int (*before)(void *ctx, leadx_request *req);
  void (*after)(void *ctx, leadx_request *req);
  void *ctx;
  model_request *log;
  int n; /* requests so far */
};

void model_open(model_server *model);
void model_close(model_server *model);
/* Answers one request; the respond function of fake_transport_open(), ctx is the model. */
void model_respond(void *model, leadx_request *req);
/* The same without hooks and log: what a server does with a request that is delivered once more. */
void model_deliver(model_server *model, leadx_request *req);

/* Writes as another device would: the row gets a new version. doc without the version. */
void model_put(model_server *model, const char *table, const char *key, const char *doc);
void model_remove(model_server *model, const char *table, const char *key);
/* A member of a row as text; "" when there is none, "(no row)" without the row. Borrowed until the
** next call. */
const char *model_value(model_server *model, const char *table, const char *key,
                        const char *column);
int model_count(model_server *model, const char *table);

/* How many requests had this method (NULL: any), and this text in URL or body (NULL: any)? */
int model_seen(const model_server *model, const char *method, const char *text);
void model_forget_log(model_server *model);
/* PATCH and DELETE requests whose URL names no key: never right. */
int model_unfiltered(const model_server *model);

#endif
