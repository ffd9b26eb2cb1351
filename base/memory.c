/* memory.c - one mapped block for what lives long, growable arrays for the rest. */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

size_t arena_padded(size_t bytes) {
	return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

struct error *arena_open(struct arena *arena, size_t bytes) {
	*arena = (struct arena){0};
	size_t size = bytes ? arena_padded(bytes) : ALIGNMENT;
	if (size < bytes) return error_memory(bytes);
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (base == MAP_FAILED) return error_memory(bytes);
	/* Weights are walked from end to end at every step: large pages save most of the address look-ups. Only a hint. */
	(void)madvise(base, size, MADV_HUGEPAGE);
	*arena = (struct arena){.base = base, .size = size};
	return NULL;
}

void *arena_take(struct arena *arena, size_t bytes) {
	size_t padded = arena_padded(bytes);
	if (padded < bytes || padded > arena->size - arena->used) return NULL;
	void *piece = arena->base + arena->used;
	arena->used += padded;
	return piece;
}

void arena_close(struct arena *arena) {
	if (arena->base) munmap(arena->base, arena->size);
	*arena = (struct arena){0};
}

void *array_new(size_t count, size_t size) {
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
	return calloc(bytes ? bytes : 1, 1); /* calloc(0) may return NULL, which callers would take for a failure */
}

struct error *array_reserve(void **items, size_t *capacity, size_t needed, size_t size) {
	if (needed <= *capacity) return NULL;
	size_t larger = *capacity < 8 ? 16 : *capacity * 2;
	if (larger < needed) larger = needed;
	size_t bytes;
	if (__builtin_mul_overflow(larger, size, &bytes)) return error_memory(SIZE_MAX);
	void *moved = realloc(*items, bytes);
	if (!moved) return error_memory(bytes);
	*items = moved;
	*capacity = larger;
	return NULL;
}
