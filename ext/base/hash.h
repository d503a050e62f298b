/* One number that stands for some bytes. Not for bytes that somebody chose to collide. */
#ifndef LEADX_HASH_H
#define LEADX_HASH_H

#include <stddef.h>
#include <stdint.h>

#define LEADX_HASH_SEED UINT64_C(14695981039346656037)

/* Hashes n bytes on top of what was hashed before; begin with the seed. The number is the same on
** every machine of one byte order. */
uint64_t leadx_hash(uint64_t hash, const void *bytes, size_t n);

#endif
