/* See uuid.h. */
#include "base/uuid.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/sqlite.h"

void leadx_uuid_make(int64_t counter, char out[LEADX_UUID_BYTES]) {
  uint64_t ms = (uint64_t)(leadx_clock_wall_us() / 1000), random = 0;
  sqlite3_randomness(sizeof random, &random);
  uint64_t n = (uint64_t)counter;
  sqlite3_snprintf(LEADX_UUID_BYTES, out, "%08x-%04x-7%03x-%04x-%012llx", (unsigned)(ms >> 16),
                   (unsigned)(ms & 0xffff), (unsigned)(n >> 14 & 0xfff),
                   (unsigned)((n & 0x3fff) | 0x8000), (sqlite3_uint64)(random & 0xffffffffffffu));
}

int64_t leadx_uuid_ms(const char *id) {
  char digits[13] = "";
  if (strlen(id) != 36 || id[8] != '-' || id[13] != '-' || id[14] != '7') return -1;
  memcpy(digits, id, 8);
  memcpy(digits + 8, id + 9, 4);
  return digits[strspn(digits, "0123456789abcdef")] ? -1 : strtoll(digits, NULL, 16);
}
