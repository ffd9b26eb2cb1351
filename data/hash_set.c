/* hash_set.c - a bounded set of 64-bit hashes. */
#include "data/hash_set.h"

#include <stdlib.h>

/* Hashes are spread already: the low bits choose the slot. The hash 0 is the same as 1. */
static size_t find(const uint64_t *slots, size_t size, uint64_t hash) {
	size_t at = (size_t)hash & (size - 1);
	while (slots[at] != 0 && slots[at] != hash) at = (at + 1) & (size - 1);
	return at;
}

bool hash_set_has(const struct hash_set *set, uint64_t hash) {
	if (set->size == 0) return false;
	if (hash == 0) hash = 1;
	return set->slots[find(set->slots, set->size, hash)] == hash;
}

static struct error *grow(struct hash_set *set) {
	size_t size = set->size ? 2 * set->size : 1024;
	uint64_t *slots = array_new(size, sizeof *slots);
	if (!slots) return error_memory(size * sizeof *slots);
	for (size_t i = 0; i < set->size; i++)
		if (set->slots[i]) slots[find(slots, size, set->slots[i])] = set->slots[i];
	free(set->slots);
	set->slots = slots;
	set->size = size;
	return NULL;
}

struct error *hash_set_add(struct hash_set *set, uint64_t hash, bool *full) {
	*full = false;
	if (hash == 0) hash = 1;
	if (hash_set_has(set, hash)) return NULL;
	if (set->used == HASH_SET_MOST) {
		*full = true;
		return NULL;
	}
	if (set->used + 1 > set->size / 8 * 7) TRY(grow(set));
	set->slots[find(set->slots, set->size, hash)] = hash;
	set->used++;
	return NULL;
}

void hash_set_free(struct hash_set *set) {
	free(set->slots);
	*set = (struct hash_set){0};
}
