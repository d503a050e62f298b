/* The line to a server. See line.h. */
#include "session/line.h"

#include "http/http.h"
#include "store/settings.h"

leadx_http_limits leadx_line_limits(const leadx_ctx *ctx, const leadx_credentials *credentials,
                                    int max_in_flight) {
  const leadx_settings *settings = ctx->settings;
  return (leadx_http_limits){(long)leadx_settings_ms(settings, LEADX_CONNECT_TIMEOUT),
                             (long)leadx_settings_ms(settings, LEADX_TIMEOUT),
                             leadx_settings_int(settings, LEADX_MAX_RESPONSE), credentials->ca_file,
                             max_in_flight};
}

static int interrupted(void *arg) { return leadx_db_interrupted(&((leadx_ctx *)arg)->db); }

leadx_transport *leadx_line_open(leadx_ctx *ctx, const leadx_http_limits *limits,
                                 const leadx_opener *opener, leadx_err *err) {
  if (opener && opener->open) return opener->open(opener->arg, limits, err);
  return leadx_http_open(limits, interrupted, ctx, err);
}
