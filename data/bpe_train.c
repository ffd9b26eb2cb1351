/* bpe_train.c - finds the merges of a byte-pair encoding.
 *
 * Text becomes a list of distinct pieces with their counts. Every pair of neighbours knows its count and the pieces that
 * it may stand in, so a merge touches only those. A heap keeps the most frequent pair on top; an entry may be out of date
 * and is put right when it comes up, which is enough because counts of old pairs only fall. */
#include "data/bpe.h"

#include <stdlib.h>
#include <string.h>

struct piece {
	uint64_t hash;
	uint64_t count; /* in the text */
	size_t start;   /* of its bytes, later its tokens */
	size_t length;
};

struct pair {
	uint32_t key;    /* left << 16 | right */
	uint64_t count;  /* neighbours in all pieces, times the counts of the pieces */
	uint32_t *where; /* pieces that it may stand in */
	size_t where_count, where_capacity;
};

struct entry {
	uint64_t count;
	uint32_t key;
};

struct bpe_trainer {
	struct text bytes; /* of the distinct pieces, one after the other */
	struct piece *pieces;
	size_t piece_count, piece_capacity;
	uint32_t *piece_table; /* hash to index + 1, 0 is empty */
	size_t piece_slots;
	uint16_t *tokens; /* in the place of the bytes */
	struct pair *pairs;
	size_t pair_count, pair_capacity;
	uint32_t *pair_table; /* key to index + 1 */
	size_t pair_slots;
	struct entry *heap;
	size_t heap_count, heap_capacity;
};

struct error *bpe_trainer_open(struct bpe_trainer **trainer) {
	*trainer = array_new(1, sizeof **trainer);
	return *trainer ? NULL : error_memory(sizeof **trainer);
}

void bpe_trainer_close(struct bpe_trainer *trainer) {
	if (!trainer) return;
	for (size_t i = 0; i < trainer->pair_count; i++) free(trainer->pairs[i].where);
	text_free(&trainer->bytes);
	free(trainer->pieces);
	free(trainer->piece_table);
	free(trainer->tokens);
	free(trainer->pairs);
	free(trainer->pair_table);
	free(trainer->heap);
	free(trainer);
}

/* Twice the slots of a table of indices (1024 to begin with); the caller fills it anew. */
static struct error *double_table(uint32_t **table, size_t *slots) {
	size_t size = *slots ? 2 * *slots : 1024;
	uint32_t *made = array_new(size, sizeof *made);
	if (!made) return error_memory(size * sizeof *made);
	free(*table);
	*table = made;
	*slots = size;
	return NULL;
}

/* -------------------------------------------------------------------------------------------------------- pieces --- */

static size_t piece_slot(const struct bpe_trainer *trainer, uint64_t hash, const char *bytes, size_t length) {
	size_t mask = trainer->piece_slots - 1, at = (size_t)hash & mask;
	for (; trainer->piece_table[at]; at = (at + 1) & mask) {
		const struct piece *piece = &trainer->pieces[trainer->piece_table[at] - 1];
		if (piece->hash == hash && piece->length == length &&
		    memcmp(trainer->bytes.data + piece->start, bytes, length) == 0)
			break;
	}
	return at;
}

static struct error *count_piece(struct bpe_trainer *trainer, const char *bytes, size_t length) {
	uint64_t hash = hash_bytes(bytes, length, 0);
	if (2 * (trainer->piece_count + 1) > trainer->piece_slots) {
		TRY(double_table(&trainer->piece_table, &trainer->piece_slots));
		size_t mask = trainer->piece_slots - 1;
		for (size_t i = 0; i < trainer->piece_count; i++) {
			size_t at = (size_t)trainer->pieces[i].hash & mask;
			while (trainer->piece_table[at]) at = (at + 1) & mask;
			trainer->piece_table[at] = (uint32_t)i + 1;
		}
	}
	size_t at = piece_slot(trainer, hash, bytes, length);
	if (!trainer->piece_table[at]) {
		TRY(array_reserve(
		    (void **)&trainer->pieces, &trainer->piece_capacity, trainer->piece_count + 1, sizeof *trainer->pieces));
		trainer->pieces[trainer->piece_count++] = (struct piece){hash, 0, trainer->bytes.length, length};
		trainer->piece_table[at] = (uint32_t)trainer->piece_count;
		text_add_bytes(&trainer->bytes, bytes, length);
		TRY(text_error(&trainer->bytes));
	}
	trainer->pieces[trainer->piece_table[at] - 1].count++;
	return NULL;
}

struct error *bpe_trainer_text(struct bpe_trainer *trainer, const char *bytes, size_t count) {
	for (size_t at = 0; at < count;) {
		size_t length = bpe_piece(bytes + at, count - at);
		TRY(count_piece(trainer, bytes + at, length));
		at += length;
	}
	return NULL;
}

/* --------------------------------------------------------------------------------------------------------- pairs --- */

static size_t pair_home(uint32_t key, size_t slots) {
	return (size_t)((key * 0x9e3779b97f4a7c15u) >> 24) & (slots - 1);
}

/* The pair of that key, made when it is new. The pointer lasts until the next call. */
static struct error *find_pair(struct bpe_trainer *trainer, uint32_t key, struct pair **pair) {
	if (2 * (trainer->pair_count + 1) > trainer->pair_slots) {
		TRY(double_table(&trainer->pair_table, &trainer->pair_slots));
		for (size_t i = 0; i < trainer->pair_count; i++) {
			size_t at = pair_home(trainer->pairs[i].key, trainer->pair_slots);
			while (trainer->pair_table[at]) at = (at + 1) & (trainer->pair_slots - 1);
			trainer->pair_table[at] = (uint32_t)i + 1;
		}
	}
	size_t at = pair_home(key, trainer->pair_slots);
	while (trainer->pair_table[at] && trainer->pairs[trainer->pair_table[at] - 1].key != key)
		at = (at + 1) & (trainer->pair_slots - 1);
	if (!trainer->pair_table[at]) {
		TRY(array_reserve(
		    (void **)&trainer->pairs, &trainer->pair_capacity, trainer->pair_count + 1, sizeof *trainer->pairs));
		trainer->pairs[trainer->pair_count++] = (struct pair){.key = key};
		trainer->pair_table[at] = (uint32_t)trainer->pair_count;
	}
	*pair = &trainer->pairs[trainer->pair_table[at] - 1];
	return NULL;
}

static bool comes_first(const struct entry *a, const struct entry *b) {
	return a->count != b->count ? a->count > b->count : a->key < b->key;
}

static struct error *heap_push(struct bpe_trainer *trainer, struct entry entry) {
	TRY(array_reserve(
	    (void **)&trainer->heap, &trainer->heap_capacity, trainer->heap_count + 1, sizeof *trainer->heap));
	size_t at = trainer->heap_count++;
	for (; at > 0 && comes_first(&entry, &trainer->heap[(at - 1) / 2]); at = (at - 1) / 2)
		trainer->heap[at] = trainer->heap[(at - 1) / 2];
	trainer->heap[at] = entry;
	return NULL;
}

static struct entry heap_pop(struct bpe_trainer *trainer) {
	struct entry *heap = trainer->heap, top = heap[0], last = heap[--trainer->heap_count];
	size_t at = 0;
	for (;;) {
		size_t child = 2 * at + 1;
		if (child >= trainer->heap_count) break;
		if (child + 1 < trainer->heap_count && comes_first(&heap[child + 1], &heap[child])) child++;
		if (!comes_first(&heap[child], &last)) break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = last;
	return top;
}

/* -------------------------------------------------------------------------------------------------------- merges --- */

static uint32_t key_of(uint16_t left, uint16_t right) {
	return (uint32_t)left << 16 | right;
}

/* Adds the pairs of a piece to the counts. Those with `token` in them are new here and remember the piece; token
 * UINT32_MAX: all do. */
static struct error *add_pairs(struct bpe_trainer *trainer, uint32_t index, uint32_t token) {
	const struct piece *piece = &trainer->pieces[index];
	const uint16_t *tokens = trainer->tokens + piece->start;
	for (size_t i = 0; i + 1 < piece->length; i++) {
		struct pair *pair;
		TRY(find_pair(trainer, key_of(tokens[i], tokens[i + 1]), &pair));
		pair->count += piece->count;
		if (token != UINT32_MAX && tokens[i] != token && tokens[i + 1] != token) continue;
		if (pair->where_count > 0 && pair->where[pair->where_count - 1] == index) continue;
		TRY(array_reserve((void **)&pair->where, &pair->where_capacity, pair->where_count + 1, sizeof *pair->where));
		pair->where[pair->where_count++] = index;
	}
	return NULL;
}

/* Replaces `key` by `token` in one piece, from left to right. */
static struct error *merge_in_piece(struct bpe_trainer *trainer, uint32_t index, uint32_t key, uint16_t token) {
	struct piece *piece = &trainer->pieces[index];
	uint16_t *tokens = trainer->tokens + piece->start;
	bool found = false;
	for (size_t i = 0; i + 1 < piece->length && !found; i++) found = key_of(tokens[i], tokens[i + 1]) == key;
	if (!found) return NULL; /* an earlier merge took it away */
	for (size_t i = 0; i + 1 < piece->length; i++) {
		struct pair *pair;
		TRY(find_pair(trainer, key_of(tokens[i], tokens[i + 1]), &pair));
		pair->count -= piece->count;
	}
	size_t length = 0;
	for (size_t i = 0; i < piece->length; i++) {
		bool here = i + 1 < piece->length && key_of(tokens[i], tokens[i + 1]) == key;
		tokens[length++] = here ? token : tokens[i];
		i += here;
	}
	piece->length = length;
	return add_pairs(trainer, index, token);
}

static struct error *apply_merge(struct bpe_trainer *trainer, uint32_t key, uint16_t token) {
	struct pair *pair;
	TRY(find_pair(trainer, key, &pair));
	uint32_t *where = pair->where;
	size_t count = pair->where_count, known = trainer->pair_count;
	pair->where = NULL; /* it never stands anywhere again */
	pair->where_count = pair->where_capacity = 0;
	struct error *error = NULL;
	for (size_t i = 0; i < count && !error; i++) error = merge_in_piece(trainer, where[i], key, token);
	free(where);
	/* Only pairs with the new token can have gained, and they are all new. */
	for (size_t i = known; i < trainer->pair_count && !error; i++)
		error = heap_push(trainer, (struct entry){trainer->pairs[i].count, trainer->pairs[i].key});
	return error;
}

struct error *bpe_trainer_merges(struct bpe_trainer *trainer, size_t count, struct bpe_merge *merges, size_t *found) {
	*found = 0;
	trainer->tokens = array_new(trainer->bytes.length + 1, sizeof *trainer->tokens);
	if (!trainer->tokens) return error_memory(trainer->bytes.length * sizeof *trainer->tokens);
	for (size_t i = 0; i < trainer->bytes.length; i++) trainer->tokens[i] = (unsigned char)trainer->bytes.data[i];
	for (size_t i = 0; i < trainer->piece_count; i++) TRY(add_pairs(trainer, (uint32_t)i, UINT32_MAX));
	for (size_t i = 0; i < trainer->pair_count; i++)
		TRY(heap_push(trainer, (struct entry){trainer->pairs[i].count, trainer->pairs[i].key}));
	while (*found < count && trainer->heap_count > 0) {
		struct entry top = heap_pop(trainer);
		struct pair *pair;
		TRY(find_pair(trainer, top.key, &pair));
		if (pair->count < 2) continue;
		if (pair->count != top.count) {
			TRY(heap_push(trainer, (struct entry){pair->count, pair->key}));
			continue;
		}
		merges[*found] = (struct bpe_merge){(uint16_t)(top.key >> 16), (uint16_t)top.key};
		TRY(apply_merge(trainer, top.key, (uint16_t)(BPE_BASE + *found)));
		++*found;
		if (*found % 256 == 0 && interrupt_pending())
			return error_new(ERROR_INTERRUPTED, "interrupted; nothing has been written");
	}
	return NULL;
}
