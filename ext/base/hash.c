/* FNV-1a, eight bytes at a time. See hash.h. */
#include "base/hash.h"

#include <string.h>

#define PRIME UINT64_C(1099511628211)

uint64_t leadx_hash(uint64_t hash, const void *bytes, size_t n) {
  const unsigned char *z = bytes;
  uint64_t word;
  for (; n >= sizeof word; z += sizeof word, n -= sizeof word) {
    memcpy(&word, z, sizeof word);
    hash = (hash ^ word) * PRIME;
    hash ^= hash >> 32; /* a product's low bits know nothing of the word's high ones */
  }
  for (; n > 0; z++, n--) hash = (hash ^ *z) * PRIME;
  return hash;
}

void leadx_hashing_add(leadx_hashing *hashing, const void *bytes, size_t n) {
  const unsigned char *from = bytes;
  while (n > 0) {
    size_t room = sizeof hashing->block - hashing->held, taken = n < room ? n : room;
    memcpy(hashing->block + hashing->held, from, taken);
    from += taken;
    n -= taken;
    hashing->held += taken;
    if (hashing->held < sizeof hashing->block) return;
    hashing->hash = leadx_hash(hashing->hash, hashing->block, hashing->held);
    hashing->held = 0;
  }
}

uint64_t leadx_hashing_end(const leadx_hashing *hashing) {
  return leadx_hash(hashing->hash, hashing->block, hashing->held);
}
