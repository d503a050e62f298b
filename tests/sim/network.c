/* The network between one device and the server. Requests in flight together arrive in any order.
** What can happen to one of them is a table; each fault either reaches the server or does not. See
** sim.h. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "sim.h"

enum { MAX_IN_FLIGHT = 64 };

typedef struct network {
  leadx_transport base; /* first, so that the one pointer is the other */
  sim_device *device;
  leadx_request *in_flight[MAX_IN_FLIGHT];
  int n, is_cancelled;
} network;

/* ---- what can happen to a request ---- */

static void fail(leadx_request *req, leadx_net net, int curl_code, const char *error) {
  sqlite3_free(req->answer);
  req->answer = sqlite3_mprintf("");
  req->answer_bytes = 0;
  req->net = net;
  req->curl_code = curl_code;
  req->status = 0;
  snprintf(req->error, sizeof req->error, "%s", error);
}

static void pass(sim_device *device, int least_ms, int most_ms) {
  device->world->now_us += (least_ms + sim_below(device->world, most_ms - least_ms + 1)) *
                               INT64_C(1000) +
                           sim_below(device->world, 1000);
}

static void lose_request(sim_device *device, leadx_request *req) {
  pass(device, 100, 8000);
  fail(req, LEADX_NET_OFFLINE, sim_chance(device->world, 500) ? 55 : 7, "the request was lost");
}

static void lose_answer(sim_device *device, leadx_request *req) {
  sim_server_answer(device, req);
  pass(device, 100, sim_chance(device->world, 300) ? 60000 : 3000);
  fail(req, LEADX_NET_OFFLINE, sim_chance(device->world, 500) ? 28 : 56, "the answer was lost");
}

/* libcurl sends a request a second time when a reused connection closes on it. */
static void repeat(sim_device *device, leadx_request *req) {
  sim_server_answer(device, req);
  pass(device, 1, 50);
  sim_server_answer(device, req);
}

/* A portal: success, and a page. */
static void portal(sim_device *device, leadx_request *req) {
  (void)device;
  sim_answer(req, 200, "", "");
  memset(req->answer, ' ', req->answer_bytes);
  memcpy(req->answer, "<html>", 6);
  snprintf(req->content_type, sizeof req->content_type, "text/html");
}

/* The server did it, and half of its answer came. */
static void truncate_answer(sim_device *device, leadx_request *req) {
  sim_server_answer(device, req);
  req->answer_bytes /= 2;
  req->answer[req->answer_bytes] = 0;
}

static void throttle(sim_device *device, leadx_request *req) {
  sim_answer(req, sim_chance(device->world, 500) ? 429 : 503, "", "slow down");
  req->retry_after_s = sim_below(device->world, 60);
}

/* A batch takes too long and nothing of it stands; a single row is given the time it needs. */
static void time_out(sim_device *device, leadx_request *req) {
  leadx_slice rows = {NULL, 0}, row;
  leadx_json_walk walk;
  int n = 0;
  if (req->body) leadx_json_check(req->body, req->body_bytes, 0, &rows, NULL);
  leadx_json_walk_init(&walk, rows);
  while (leadx_json_kind_of(rows) == LEADX_JSON_ARRAY && leadx_json_walk_element(&walk, &row)) n++;
  if (n < 2) {
    sim_server_answer(device, req);
    return;
  }
  pass(device, 8000, 8000);
  sim_answer(req, 500, "57014", "canceling statement due to statement timeout");
}

static void expire(sim_device *device, leadx_request *req) {
  device->token_expired = 1;
  sim_answer(req, 401, "PGRST301", "JWT expired");
}

static void deadlock(sim_device *device, leadx_request *req) {
  (void)device;
  sim_answer(req, 500, "40P01", "deadlock detected");
}

/* The device dies: what is committed at this moment is all that is left of it. */
static void crash(sim_device *device, leadx_request *req) {
  if (sim_chance(device->world, 600)) sim_server_answer(device, req);
  device->connection->is_dead = 1;
  fail(req, LEADX_NET_OFFLINE, 56, "the device is dead");
}

static void go_offline(sim_device *device, leadx_request *req) {
  device->offline = 1;
  lose_request(device, req);
}

static const struct {
  const char *name;
  int weight;
  void (*happen)(sim_device *, leadx_request *);
} faults[] = {
    {"request lost", 18, lose_request}, {"answer lost", 26, lose_answer},
    {"repeated", 10, repeat},           {"portal", 4, portal},
    {"truncated", 6, truncate_answer},  {"throttled", 6, throttle},
    {"timed out", 6, time_out},         {"token expired", 4, expire},
    {"deadlock", 4, deadlock},          {"crash", 12, crash},
    {"offline", 4, go_offline},
};

/* ---- the transport ---- */

static const char *path_of(const leadx_request *req) {
  const char *at = strstr(req->url, "/rest/v1/");
  return at ? at + 9 : req->url;
}

static void have_fault(sim_device *device, leadx_request *req) {
  int total = 0, at = 0;
  for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) total += faults[i].weight;
  int chosen = sim_below(device->world, total);
  while (chosen >= faults[at].weight) chosen -= faults[at++].weight;
  sim_say(device->world, "device %d: %s: %s %.60s", device->number, faults[at].name, req->method,
          path_of(req));
  faults[at].happen(device, req);
}

/* What the server refused may become FAILED; anything else must not. */
static void note_rejection(sim_device *device, const leadx_request *req) {
  if (device->world->people) return;
  int table = strstr(path_of(req), "customers") ? CUSTOMERS : PIPELINES;
  if (req->net != LEADX_NET_ANSWER || req->status < 400 || req->status == 429 ||
      req->status == 503 || req->status == 401)
    return;
  /* A key of our own that is there already is our own replay: no column but the key is unique. */
  if (strstr(req->answer, "23505")) return;
  for (int text = 0; text < 2; text++) {
    const char *at = text ? req->body : req->url;
    for (at = at ? strstr(at, "-0000-4000-8000-") : NULL; at;
         at = strstr(at + 1, "-0000-4000-8000-")) {
      int row = sim_row_of(at - 8, ID_BYTES - 1);
      if (row >= 0) device->rejected[table][row] = 1;
    }
  }
}

static void arrive(sim_device *device, leadx_request *req) {
  sim_world *world = device->world;
  pass(device, 1, 40);
  if (device->connection->is_dead) fail(req, LEADX_NET_OFFLINE, 7, "the device is dead");
  else if (device->offline) fail(req, LEADX_NET_OFFLINE, 7, "no connection");
  else if (device->token_expired) sim_answer(req, 401, "PGRST301", "JWT expired");
  else if (!world->calm && sim_chance(world, world->knobs.faults)) have_fault(device, req);
  else sim_server_answer(device, req);
  if (world->verbose)
    sim_say(world, "  %s %.100s -> %ld %.100s", req->method, path_of(req), req->status,
            req->status >= 400 ? req->answer : "");
  if (world->verbose && req->body) sim_say(world, "    %.150s", req->body);
  note_rejection(device, req);
  /* The user works on while a request is on its way. */
  if (!device->connection->is_dead && !world->calm && sim_chance(world, 80))
    sim_device_write(device);
}

static int network_start(leadx_transport *self, leadx_request *req, leadx_err *err) {
  network *net = (network *)self;
  if (net->n == MAX_IN_FLIGHT)
    return leadx_err_set(err, SQLITE_FULL, "too many requests in flight");
  req->retry_after_s = -1;
  req->content_range[0] = req->preference_applied[0] = req->error[0] = 0;
  req->curl_code = 0;
  net->in_flight[net->n++] = req;
  net->device->requests++;
  return SQLITE_OK;
}

static leadx_request *network_wait(leadx_transport *self, int timeout_ms) {
  network *net = (network *)self;
  sim_device *device = net->device;
  if (net->n == 0 || (timeout_ms == 0 && sim_chance(device->world, 300))) return NULL;
  int i = sim_below(device->world, net->n);
  leadx_request *req = net->in_flight[i];
  net->in_flight[i] = net->in_flight[--net->n];
  if (!net->is_cancelled) {
    arrive(device, req);
  } else {
    /* What was given up may have arrived all the same. */
    if (!device->connection->is_dead && !device->offline && !device->token_expired &&
        sim_chance(device->world, 500))
      sim_server_answer(device, req);
    fail(req, LEADX_NET_INTERRUPTED, 42, "given up");
  }
  return req;
}

static void network_cancel(leadx_transport *self) { ((network *)self)->is_cancelled = 1; }

static void network_free(leadx_transport *self) { sqlite3_free(self); }

leadx_transport *sim_network_open(void *device, const leadx_http_limits *limits, leadx_err *err) {
  network *net = sqlite3_malloc64(sizeof *net);
  (void)limits;
  (void)err;
  memset(net, 0, sizeof *net);
  net->base = (leadx_transport){network_start, network_wait, network_cancel, network_free};
  net->device = device;
  return &net->base;
}
