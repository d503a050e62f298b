/* One number that stands for some bytes. Not for bytes that somebody chose to collide. */
#ifndef LEADX_HASH_H
#define LEADX_HASH_H

#include <stddef.h>
#include <stdint.h>

#define LEADX_HASH_SEED UINT64_C(14695981039346656037)

/* Hashes n bytes on top of what was hashed before; begin with the seed. The number is the same on
** every machine of one byte order. */
uint64_t leadx_hash(uint64_t hash, const void *bytes, size_t n);

/* The same of bytes that come piece by piece: they are hashed in blocks of whole words. It begins as
** {.hash = what was hashed before}. */
typedef struct leadx_hashing {
  uint64_t hash;
  size_t held; /* bytes of the block */
  unsigned char block[256];
} leadx_hashing;
void leadx_hashing_add(leadx_hashing *hashing, const void *bytes, size_t n);
uint64_t leadx_hashing_end(const leadx_hashing *hashing);

#endif
