/* bpe.c - byte-pair encoding: pieces, encoding, decoding. */
#include "data/bpe.h"

#include <stdlib.h>
#include <string.h>

/* -------------------------------------------------------------------------------------------------------- pieces --- */

enum kind { KIND_LETTER, KIND_DIGIT, KIND_SPACE, KIND_NEWLINE, KIND_OTHER };

static enum kind kind_of(char c) {
	unsigned byte = (unsigned char)c;
	if ((byte | 0x20) - 'a' < 26u || byte >= 0x80) return KIND_LETTER;
	if (byte - '0' < 10u) return KIND_DIGIT;
	if (byte == '\n') return KIND_NEWLINE;
	if (byte == ' ' || byte == '\t' || byte == '\r') return KIND_SPACE;
	return KIND_OTHER;
}

static size_t run(const char *bytes, size_t from, size_t count, enum kind kind) {
	while (from < count && kind_of(bytes[from]) == kind) from++;
	return from;
}

size_t bpe_piece(const char *bytes, size_t count) {
	size_t most = count < BPE_PIECE_MOST ? count : BPE_PIECE_MOST;
	enum kind first = kind_of(bytes[0]);
	if (first == KIND_NEWLINE) return run(bytes, 0, most, KIND_NEWLINE);
	size_t start = 0;
	if (first == KIND_SPACE) {
		size_t end = run(bytes, 0, most, KIND_SPACE);
		bool word_follows = end < count && kind_of(bytes[end]) != KIND_NEWLINE && kind_of(bytes[end]) != KIND_SPACE;
		if (!word_follows || bytes[end - 1] != ' ') return end;
		if (end > 1) return end - 1;
		start = 1;
	}
	enum kind kind = kind_of(bytes[start]);
	size_t end = run(bytes, start, most, kind);
	while (kind == KIND_LETTER && end + 1 < most && bytes[end] == '\'' && kind_of(bytes[end + 1]) == KIND_LETTER)
		end = run(bytes, end + 1, most, KIND_LETTER);
	return end;
}

/* -------------------------------------------------------------------------------------------------------- tables --- */

/* Pair of tokens to merged token: open addressing, key 0 is empty (the pair (0,0) is stored as key + 1). */
struct pair_slot {
	uint64_t key;
	uint32_t token;
};

#define CACHE_SLOTS 32768 /* pieces whose tokens are remembered, one per slot */
#define CACHE_PIECE 24    /* longest piece that is */

struct cached {
	unsigned char length, count; /* bytes, tokens; length 0: empty */
	char piece[CACHE_PIECE];
	uint16_t tokens[CACHE_PIECE];
};

struct bpe {
	struct bpe_merge *merges;
	size_t count;
	struct pair_slot *pairs;
	size_t pair_mask;
	char *bytes;          /* what the tokens stand for, one after the other */
	size_t *offsets;      /* (256 + count + 1) in `bytes` */
	struct cached *cache; /* (CACHE_SLOTS) */
};

static size_t pair_home(uint64_t key, size_t mask) {
	return (size_t)((key * 0x9e3779b97f4a7c15u) >> 24) & mask;
}

static uint64_t pair_key(uint16_t left, uint16_t right) {
	return ((uint64_t)left << 16 | right) + 1;
}

/* The token that the pair merges to, or UINT32_MAX. */
static uint32_t merged(const struct bpe *bpe, uint16_t left, uint16_t right) {
	uint64_t key = pair_key(left, right);
	size_t at = pair_home(key, bpe->pair_mask);
	while (bpe->pairs[at].key != 0) {
		if (bpe->pairs[at].key == key) return bpe->pairs[at].token;
		at = (at + 1) & bpe->pair_mask;
	}
	return UINT32_MAX;
}

static struct error *bad_merge(const char *path, size_t index, const char *what) {
	return error_new(
	    ERROR_DATA, "%s: merge %zu of the header's \"merges\": %s; the file is not one of rung's", path, index, what);
}

struct error *bpe_open(const struct bpe_merge *merges, size_t count, const char *path, struct bpe **bpe) {
	struct error *error = NULL;
	*bpe = NULL;
	size_t slots = 1024;
	while (slots < 2 * count) slots *= 2;
	struct bpe *made = array_new(1, sizeof *made);
	if (!made) return error_memory(sizeof *made);
	made->count = count;
	made->pair_mask = slots - 1;
	made->merges = array_new(count + 1, sizeof *made->merges);
	made->pairs = array_new(slots, sizeof *made->pairs);
	made->offsets = array_new(BPE_BASE + count + 1, sizeof *made->offsets);
	made->bytes = malloc(BPE_BASE + count * BPE_PIECE_MOST);
	made->cache = array_new(CACHE_SLOTS, sizeof *made->cache);
	if (!made->merges || !made->pairs || !made->offsets || !made->bytes || !made->cache) {
		error = error_memory(slots * sizeof *made->pairs + count * BPE_PIECE_MOST);
		goto failed;
	}
	for (size_t i = 0; i <= BPE_BASE; i++) made->offsets[i] = i;
	for (size_t i = 0; i < BPE_BASE; i++) made->bytes[i] = (char)i;
	for (size_t i = 0; i < count; i++) {
		size_t token = BPE_BASE + i, left = merges[i].left, right = merges[i].right;
		if (left >= token || right >= token) {
			error = bad_merge(path, i, "it uses a token that does not exist yet");
			goto failed;
		}
		if (merged(made, merges[i].left, merges[i].right) != UINT32_MAX) {
			error = bad_merge(path, i, "the same pair was merged before");
			goto failed;
		}
		size_t left_bytes = made->offsets[left + 1] - made->offsets[left];
		size_t right_bytes = made->offsets[right + 1] - made->offsets[right];
		if (left_bytes + right_bytes > BPE_PIECE_MOST) {
			error = bad_merge(path, i, "its token is longer than 64 bytes");
			goto failed;
		}
		char *to = made->bytes + made->offsets[token];
		memcpy(to, made->bytes + made->offsets[left], left_bytes);
		memcpy(to + left_bytes, made->bytes + made->offsets[right], right_bytes);
		made->offsets[token + 1] = made->offsets[token] + left_bytes + right_bytes;
		uint64_t key = pair_key(merges[i].left, merges[i].right);
		size_t at = pair_home(key, made->pair_mask);
		while (made->pairs[at].key != 0) at = (at + 1) & made->pair_mask;
		made->pairs[at] = (struct pair_slot){key, (uint32_t)token};
		made->merges[i] = merges[i];
	}
	*bpe = made;
	return NULL;
failed:
	bpe_close(made);
	return error;
}

void bpe_close(struct bpe *bpe) {
	if (!bpe) return;
	free(bpe->merges);
	free(bpe->pairs);
	free(bpe->offsets);
	free(bpe->bytes);
	free(bpe->cache);
	free(bpe);
}

const struct bpe_merge *bpe_merges(const struct bpe *bpe, size_t *count) {
	*count = bpe->count;
	return bpe->merges;
}

/* ------------------------------------------------------------------------------------------ encoding and decoding --- */

/* Merges the neighbours with the smallest token, the leftmost first, until no pair is known. A piece is short, so the
 * plain search is fast enough; `next[i]` is the merge of tokens i and i + 1. */
static size_t merge_piece(const struct bpe *bpe, const char *piece, size_t length, uint16_t *tokens) {
	uint32_t next[BPE_PIECE_MOST];
	size_t count = length;
	for (size_t i = 0; i < length; i++) tokens[i] = (unsigned char)piece[i];
	for (size_t i = 0; i + 1 < length; i++) next[i] = merged(bpe, tokens[i], tokens[i + 1]);
	while (count > 1) {
		size_t best = 0;
		for (size_t i = 1; i + 1 < count; i++)
			if (next[i] < next[best]) best = i;
		if (next[best] == UINT32_MAX) break;
		tokens[best] = (uint16_t)next[best];
		count--;
		memmove(tokens + best + 1, tokens + best + 2, (count - best - 1) * sizeof *tokens);
		memmove(next + best, next + best + 1, (count - best) * sizeof *next);
		if (best > 0) next[best - 1] = merged(bpe, tokens[best - 1], tokens[best]);
		if (best + 1 < count) next[best] = merged(bpe, tokens[best], tokens[best + 1]);
	}
	return count;
}

size_t bpe_encode(struct bpe *bpe, const char *bytes, size_t count, uint16_t *tokens) {
	uint16_t *to = tokens;
	for (size_t at = 0; at < count;) {
		const char *piece = bytes + at;
		size_t length = bpe_piece(piece, count - at);
		at += length;
		if (length > CACHE_PIECE) {
			to += merge_piece(bpe, piece, length, to);
			continue;
		}
		struct cached *cached = &bpe->cache[hash_bytes(piece, length, 0) % CACHE_SLOTS];
		if (cached->length != length || memcmp(cached->piece, piece, length) != 0) {
			cached->length = (unsigned char)length;
			memcpy(cached->piece, piece, length);
			cached->count = (unsigned char)merge_piece(bpe, piece, length, cached->tokens);
		}
		memcpy(to, cached->tokens, cached->count * sizeof *to);
		to += cached->count;
	}
	return (size_t)(to - tokens);
}

void bpe_decode(const struct bpe *bpe, const uint16_t *tokens, size_t count, struct text *out) {
	for (size_t i = 0; i < count; i++) {
		size_t from = bpe->offsets[tokens[i]];
		text_add_bytes(out, bpe->bytes + from, bpe->offsets[tokens[i] + 1] - from);
	}
}
