/* random.c - xoshiro256++ with named streams, and permutations with random access. */
#include "base/base.h"

#include <math.h>
#include <string.h>

static uint64_t rotate_left(uint64_t x, int by) {
	return (x << by) | (x >> (64 - by));
}

/* The output function of splitmix64 (Steele, Lea and Flood 2014): a bijection that spreads every bit over the word. */
static uint64_t mix(uint64_t z) {
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

#define GOLDEN_GAMMA 0x9e3779b97f4a7c15u /* splitmix64's step: 2^64 / golden ratio, odd */

struct rng rng_make(uint64_t seed, const char *stream) {
	uint64_t state = hash_bytes(stream, strlen(stream), seed);
	struct rng rng;
	/* Never all zeros, the one state that xoshiro cannot leave: mix is a bijection of four different numbers. */
	for (size_t i = 0; i < COUNT_OF(rng.s); i++) rng.s[i] = mix(state += GOLDEN_GAMMA);
	return rng;
}

uint64_t rng_next(struct rng *rng) {
	uint64_t *s = rng->s;
	uint64_t result = rotate_left(s[0] + s[3], 23) + s[0];
	uint64_t t = s[1] << 17;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

double rng_uniform(struct rng *rng) {
	return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

/* Marsaglia's polar method. Its second number is thrown away: a generator that remembers it would be more than s[4],
 * and every checkpoint would have to carry it. */
double rng_normal(struct rng *rng) {
	double u, v, r;
	do {
		u = 2 * rng_uniform(rng) - 1;
		v = 2 * rng_uniform(rng) - 1;
		r = fma(u, u, v * v); /* written out, or the compiler picks which product is rounded: other bits elsewhere */
	} while (r >= 1 || r == 0);
	return u * sqrt(-2 * log(r) / r);
}

/* Lemire 2019: the high word of a product is uniform once the few low words that would favour some results are
 * rejected. */
uint64_t rng_below(struct rng *rng, uint64_t bound) {
	unsigned __int128 product = (unsigned __int128)rng_next(rng) * bound;
	if ((uint64_t)product < bound) {
		uint64_t favoured = -bound % bound; /* 2^64 mod bound */
		while ((uint64_t)product < favoured) product = (unsigned __int128)rng_next(rng) * bound;
	}
	return (uint64_t)(product >> 64);
}

/* Luby and Rackoff 1988 want four rounds of good functions; halves of a few bits, as small corpora have, want more. */
#define FEISTEL_ROUNDS 8

uint64_t permuted_index(uint64_t key, uint64_t count, uint64_t index) {
	if (count <= 1) return 0;
	int bits = 64 - __builtin_clzll(count - 1);
	int half = (bits + 1) / 2;
	uint64_t mask = (UINT64_C(1) << half) - 1;
	uint64_t x = index;
	/* A bijection of [0, 4^half), at most four times too large: followed until it comes back below count, it is one of
	 * [0, count) (Black and Rogaway 2002). */
	do {
		uint64_t left = x >> half, right = x & mask;
		for (uint64_t round = 0; round < FEISTEL_ROUNDS; round++) {
			uint64_t next = left ^ (mix(mix(key + (round + 1) * GOLDEN_GAMMA) ^ right) & mask);
			left = right;
			right = next;
		}
		x = (left << half) | right;
	} while (x >= count);
	return x;
}
