/* hash_set.h - a set of 64-bit hashes with a bounded size: open addressing, 8 bytes a slot. */
#ifndef RUNG_DATA_HASH_SET_H
#define RUNG_DATA_HASH_SET_H

#include "base/base.h"

struct hash_set {
	uint64_t *slots; /* (size), 0 is empty */
	size_t size;     /* a power of two, or 0 */
	size_t used;
};

/* At most 2^24 slots are made (128 MiB), seven eighths of which are filled. */
#define HASH_SET_MOST ((size_t)7 << 21)

bool hash_set_has(const struct hash_set *set, uint64_t hash);
/* *full tells that the set has HASH_SET_MOST members and could not take in a new one. */
MUST_CHECK struct error *hash_set_add(struct hash_set *set, uint64_t hash, bool *full);
void hash_set_free(struct hash_set *set); /* empty again, and usable */

#endif
