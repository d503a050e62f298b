/* What a sync did. See result.h. */
#include "sync/result.h"

#include "base/doc.h"

const char *leadx_state_name(leadx_state state) {
  static const char *const names[] = {"ok",   "partial",       "offline",  "error",
                                      "busy", "auth_required", "throttled"};
  return names[state];
}

leadx_state leadx_result_judge(const leadx_tally *tally, int64_t problems) {
  switch (tally->ended) {
    case LEADX_CLASS_OFFLINE: return LEADX_STATE_OFFLINE;
    case LEADX_CLASS_TRUST:
    case LEADX_CLASS_PROTOCOL: return LEADX_STATE_ERROR;
    case LEADX_CLASS_AUTH: return LEADX_STATE_AUTH_REQUIRED;
    case LEADX_CLASS_THROTTLE: return LEADX_STATE_THROTTLED;
    default: break;
  }
  if (tally->lost_lease) return LEADX_STATE_BUSY;
  if (tally->strange) return LEADX_STATE_ERROR;
  if (tally->failed || tally->paused || tally->ended == LEADX_CLASS_INTERRUPTED)
    return LEADX_STATE_PARTIAL;
  return problems > 0 ? LEADX_STATE_PARTIAL : LEADX_STATE_OK;
}

int leadx_result_reached(const leadx_tally *tally) {
  return tally->requests == 0
             ? -1
             : tally->ended != LEADX_CLASS_OFFLINE && tally->ended != LEADX_CLASS_TRUST;
}

char *leadx_result_print(const leadx_result *result, leadx_err *err) {
  const leadx_tally *tally = &result->tally;
  leadx_doc *doc = leadx_doc_new_object();
  if (doc) {
    leadx_doc_add_text(doc, "state", leadx_state_name(result->state));
    leadx_doc_add_int(doc, "pushed", tally->pushed);
    leadx_doc_add_int(doc, "pulled", tally->pulled);
    leadx_doc_add_int(doc, "conflicts", tally->conflicts);
    leadx_doc_add_int(doc, "failed", tally->failed);
    leadx_doc_add_int(doc, "pending", result->pending);
    leadx_doc_add_int(doc, "problems", result->problems);
    leadx_doc_add_int(doc, "requests", tally->requests);
    leadx_doc_add_int(doc, "ms", result->ms);
    if (result->is_bounded) {
      leadx_doc_add_bool(doc, "more",
                         tally->more && tally->ended == LEADX_CLASS_OK && !tally->lost_lease);
      leadx_doc_add_text(doc, "phase", tally->phase ? tally->phase : "push");
      leadx_doc_add_int(doc, "done", tally->done);
      leadx_doc_add_int(doc, "total", tally->total);
    }
    if (tally->message[0]) leadx_doc_add_text(doc, "message", tally->message);
  }
  char *text = leadx_doc_print(doc);
  leadx_doc_free(doc);
  if (!text) leadx_err_nomem(err);
  return text;
}
