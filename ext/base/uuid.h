/* UUIDs of version 7 (RFC 9562), whose order as texts is the order of their making. */
#ifndef LEADX_UUID_H
#define LEADX_UUID_H

#include <stdint.h>

/* With the terminating NUL. */
#define LEADX_UUID_BYTES 37

/* A UUIDv7 of now; counter orders ids of one millisecond. */
void leadx_uuid_make(int64_t counter, char out[LEADX_UUID_BYTES]);

/* The milliseconds since 1970 in a UUIDv7 that leadx_uuid_make() wrote; -1 for any other text. */
int64_t leadx_uuid_ms(const char *id);

#endif
