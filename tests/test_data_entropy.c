/* Plug-in entropies against sums over probabilities, in the full table and in the hash table, and when that is full. */
#include "data/entropy.h"
#include "tests/support.h"

#include <math.h>

/* H(Y|X) by its definition, from the pairs inside runs of `run` tokens. */
static double conditional_entropy(const uint16_t *tokens, size_t count, size_t run, int vocab) {
	size_t v = (size_t)vocab;
	double *pairs = calloc(v * v, sizeof *pairs), *lefts = calloc(v, sizeof *lefts), n = 0, h = 0;
	for (size_t i = 0; i + 1 < count; i++) {
		if ((i + 1) % run == 0) continue;
		pairs[tokens[i] * v + tokens[i + 1]]++;
		lefts[tokens[i]]++;
		n++;
	}
	for (size_t x = 0; x < v; x++)
		for (size_t y = 0; y < v; y++)
			if (pairs[x * v + y] > 0) h -= pairs[x * v + y] / n * log(pairs[x * v + y] / lefts[x]);
	free(pairs);
	free(lefts);
	return h;
}

static void single_tokens(void **state) {
	(void)state;
	assert_true(isnan(entropy_of_counts((uint64_t[]){0, 0}, 2)));
	assert_true(entropy_of_counts((uint64_t[]){0, 9, 0}, 3) == 0);
	assert_true(fabs(entropy_of_counts((uint64_t[]){5, 5, 5, 5}, 4) - log(4)) < 1e-14);
	double h = -(0.75 * log(0.75) + 0.25 * log(0.25));
	assert_true(fabs(entropy_of_counts((uint64_t[]){3000000000, 0, 1000000000}, 3) - h) < 1e-14);
}

static void pairs_by_definition(void **state) {
	(void)state;
	/* The second vocabulary is too large for a full table, though few of its tokens are used. */
	static const int vocabs[] = {17, 2048, 2049, 65536};
	struct rng rng = rng_make(1, "entropy");
	for (size_t i = 0; i < COUNT_OF(vocabs); i++) {
		size_t count = 40000, run = 1000;
		uint16_t *tokens = calloc(count, sizeof *tokens);
		int used = vocabs[i] < 500 ? vocabs[i] : 500;
		for (size_t j = 0; j < count; j++) {
			uint64_t before = j ? tokens[j - 1] : 0;
			tokens[j] =
			    (uint16_t)(rng_below(&rng, 3) ? (before * 7 + 1) % (uint64_t)used : rng_below(&rng, (uint64_t)used));
		}
		struct pair_counter *counter;
		bool full;
		uint64_t pairs;
		expect_success(pair_counter_open(vocabs[i], &counter));
		assert_true(isnan(pair_counter_entropy(counter, &pairs)));
		for (size_t at = 0; at < count; at += run) {
			expect_success(pair_counter_add(counter, tokens + at, run, &full));
			assert_false(full);
		}
		double found = pair_counter_entropy(counter, &pairs), expected = conditional_entropy(tokens, count, run, used);
		assert_true(pairs == count - count / run);
		assert_true(expected > 1 && fabs(found - expected) < 1e-10);
		pair_counter_close(counter);
		free(tokens);
	}
}

/* More different pairs than there is room for: the table says so and keeps what it has counted, all of a run or nothing. */
static void a_full_table(void **state) {
	(void)state;
	struct pair_counter *counter;
	size_t run = 65536;
	uint16_t *tokens = calloc(run, sizeof *tokens);
	struct rng rng = rng_make(2, "entropy");
	bool full = false;
	uint64_t pairs = 0, before = 0;
	double entropy = 0, entropy_before = 0;
	expect_success(pair_counter_open(65536, &counter));
	size_t runs = 0;
	for (; !full; runs++) {
		assert_true(runs < 300);
		for (size_t i = 0; i < run; i++) tokens[i] = (uint16_t)rng_below(&rng, 65536);
		if (runs >= 190) entropy_before = pair_counter_entropy(counter, &before);
		expect_success(pair_counter_add(counter, tokens, run, &full));
	}
	assert_true(runs > 190); /* 12.5 million pairs */
	entropy = pair_counter_entropy(counter, &pairs);
	assert_true(pairs == before && entropy == entropy_before);
	assert_true(pairs == (runs - 1) * (run - 1));
	free(tokens);
	pair_counter_close(counter);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(single_tokens),
	    cmocka_unit_test(pairs_by_definition),
	    cmocka_unit_test(a_full_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
