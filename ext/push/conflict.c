/* See conflict.h. */
#include "push/conflict.h"

#include <string.h>

static const char *const policy_names[LEADX_POLICY_COUNT] = {
    [LEADX_POLICY_TIMESTAMP] = "timestamp", [LEADX_POLICY_MERGE] = "merge",
    [LEADX_POLICY_CLIENT] = "client",       [LEADX_POLICY_SERVER] = "server",
    [LEADX_POLICY_MANUAL] = "manual",
};

const char *leadx_policy_name(leadx_policy policy) { return policy_names[policy]; }

int leadx_policy_parse(const char *name, leadx_policy *policy) {
  for (int i = 0; i < LEADX_POLICY_COUNT; i++) {
    if (strcmp(name, policy_names[i]) == 0) {
      *policy = (leadx_policy)i;
      return 0;
    }
  }
  return 1;
}

const char *leadx_take_name(leadx_take take) {
  static const char *const names[] = {
      [LEADX_TAKE_SERVER] = "server", [LEADX_TAKE_CLIENT] = "client", [LEADX_TAKE_ASK] = "ask"};
  return names[take];
}

static leadx_take newer_side(leadx_conflict_instant client, leadx_conflict_instant server) {
  if (!client.is_known || !server.is_known || client.us == server.us) return LEADX_TAKE_ASK;
  return client.us > server.us ? LEADX_TAKE_CLIENT : LEADX_TAKE_SERVER;
}

/* The side that gets every contested column of the row. */
static leadx_take winner_of(leadx_policy policy, leadx_conflict_instant client,
                            leadx_conflict_instant server) {
  switch (policy) {
    case LEADX_POLICY_TIMESTAMP:
    case LEADX_POLICY_MERGE: return newer_side(client, server);
    case LEADX_POLICY_CLIENT: return LEADX_TAKE_CLIENT;
    case LEADX_POLICY_SERVER: return LEADX_TAKE_SERVER;
    case LEADX_POLICY_MANUAL: break;
  }
  return LEADX_TAKE_ASK;
}

static void decide_column(leadx_conflict_column *column, leadx_take winner) {
  int is_base_known = leadx_json_kind_of(column->base) != LEADX_JSON_NONE;
  column->is_contested = 0;
  if (leadx_json_equal(column->server, column->client)) {
    column->take = LEADX_TAKE_SERVER;
  } else if (is_base_known && leadx_json_equal(column->server, column->base)) {
    column->take = LEADX_TAKE_CLIENT;
  } else if (is_base_known && leadx_json_equal(column->client, column->base)) {
    column->take = LEADX_TAKE_SERVER;
  } else {
    column->is_contested = 1;
    column->take = winner;
  }
}

leadx_conflict_summary leadx_conflict_decide(leadx_policy policy, leadx_conflict_instant client,
                                             leadx_conflict_instant server,
                                             leadx_conflict_column *columns, size_t count) {
  leadx_take winner = winner_of(policy, client, server);
  leadx_conflict_summary summary = {0, 0};
  for (size_t i = 0; i < count; i++) {
    decide_column(&columns[i], winner);
    summary.has_contested |= columns[i].is_contested;
    summary.has_ask |= columns[i].take == LEADX_TAKE_ASK;
  }
  return summary;
}
