/* entropy.c - plug-in estimates of entropies from counts. */
#include "data/entropy.h"

#include <math.h>
#include <stdlib.h>

#define DENSE_VOCAB 2048
#define SLOTS_MOST ((size_t)1 << 24)

struct slot {
	uint32_t pair, count; /* count 0: empty */
};

struct pair_counter {
	size_t vocab;
	uint64_t *dense;    /* (V,V) */
	struct slot *slots; /* when V is larger */
	size_t size, used;
	uint64_t *lefts; /* (V) how often a token was the first of a pair */
	uint64_t pairs;
};

/* ln n - (sum c ln c) / n: one pass, and exact zeros stay exact. */
static double entropy_from(double sum_c_ln_c, double n) {
	return n > 0 ? log(n) - sum_c_ln_c / n : (double)NAN;
}

static double c_ln_c(double count) {
	return count > 1 ? count * log(count) : 0;
}

double entropy_of_counts(const uint64_t *counts, size_t size) {
	double sum = 0, n = 0;
	for (size_t i = 0; i < size; i++) {
		sum += c_ln_c((double)counts[i]);
		n += (double)counts[i];
	}
	return entropy_from(sum, n);
}

struct error *pair_counter_open(int vocab, struct pair_counter **counter) {
	*counter = NULL;
	struct pair_counter *made = array_new(1, sizeof *made);
	if (!made) return error_memory(sizeof *made);
	made->vocab = (size_t)vocab;
	made->lefts = array_new(made->vocab, sizeof *made->lefts);
	made->size = (size_t)1 << 17;
	if (vocab <= DENSE_VOCAB)
		made->dense = array_new(made->vocab * made->vocab, sizeof *made->dense);
	else
		made->slots = array_new(made->size, sizeof *made->slots);
	if (!made->lefts || (!made->dense && !made->slots)) {
		pair_counter_close(made);
		return error_memory((size_t)DENSE_VOCAB * DENSE_VOCAB * sizeof *made->dense);
	}
	*counter = made;
	return NULL;
}

void pair_counter_close(struct pair_counter *counter) {
	if (!counter) return;
	free(counter->dense);
	free(counter->slots);
	free(counter->lefts);
	free(counter);
}

static struct slot *find(struct slot *slots, size_t size, uint32_t pair) {
	size_t at = (size_t)((pair * 0x9e3779b97f4a7c15u) >> 32) & (size - 1);
	while (slots[at].count && slots[at].pair != pair) at = (at + 1) & (size - 1);
	return &slots[at];
}

/* Room for `more` new pairs at no more than three quarters of the slots. */
static struct error *make_room(struct pair_counter *counter, size_t more, bool *full) {
	while (counter->used + more > counter->size / 4 * 3) {
		if (counter->size == SLOTS_MOST) {
			*full = true;
			return NULL;
		}
		size_t size = 2 * counter->size;
		struct slot *slots = array_new(size, sizeof *slots);
		if (!slots) return error_memory(size * sizeof *slots);
		for (size_t i = 0; i < counter->size; i++)
			if (counter->slots[i].count) *find(slots, size, counter->slots[i].pair) = counter->slots[i];
		free(counter->slots);
		counter->slots = slots;
		counter->size = size;
	}
	return NULL;
}

struct error *pair_counter_add(struct pair_counter *counter, const uint16_t *tokens, size_t count, bool *full) {
	*full = false;
	if (count < 2) return NULL;
	if (!counter->dense) {
		TRY(make_room(counter, count - 1, full));
		if (*full) return NULL;
	}
	for (size_t i = 0; i + 1 < count; i++) {
		counter->lefts[tokens[i]]++;
		if (counter->dense) {
			counter->dense[tokens[i] * counter->vocab + tokens[i + 1]]++;
			continue;
		}
		uint32_t pair = (uint32_t)tokens[i] << 16 | tokens[i + 1];
		struct slot *slot = find(counter->slots, counter->size, pair);
		if (slot->count == 0) {
			slot->pair = pair;
			counter->used++;
		}
		if (slot->count < UINT32_MAX) slot->count++;
	}
	counter->pairs += count - 1;
	return NULL;
}

double pair_counter_entropy(const struct pair_counter *counter, uint64_t *pairs) {
	double sum_pairs = 0, sum_lefts = 0, n = (double)counter->pairs;
	if (counter->dense)
		for (size_t i = 0; i < counter->vocab * counter->vocab; i++) sum_pairs += c_ln_c((double)counter->dense[i]);
	else
		for (size_t i = 0; i < counter->size; i++) sum_pairs += c_ln_c((double)counter->slots[i].count);
	for (size_t i = 0; i < counter->vocab; i++) sum_lefts += c_ln_c((double)counter->lefts[i]);
	*pairs = counter->pairs;
	/* H(X,Y) - H(X) */
	return counter->pairs ? (sum_lefts - sum_pairs) / n : (double)NAN;
}
