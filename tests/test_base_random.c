/* Generators against published numbers and tests/reference/random.py, moments and tails of the draws, and permutations
 * that must be permutations. */
#include "tests/support.h"

#include <math.h>

static void published_values(void **state) {
	(void)state;
	/* xoshiro256++ from the state 1, 2, 3, 4, as other implementations test it */
	static const uint64_t expected[] = {
	    41943041,
	    58720359,
	    3588806011781223,
	    3591011842654386,
	    9228616714210784205u,
	    9973669472204895162u,
	    14011001112246962877u,
	    12406186145184390807u,
	    15849039046786891736u,
	    10450023813501588000u,
	};
	struct rng rng = {{1, 2, 3, 4}};
	for (size_t i = 0; i < COUNT_OF(expected); i++) assert_true(rng_next(&rng) == expected[i]);
}

static void reference_values(void **state) {
	(void)state;
	static const uint64_t init[] = {0x3dc431ad2eb73f85, 0x75c0ba47375fb618, 0xa8487bb789646d71, 0x7838b54da6bfdd4b};
	static const uint64_t order[] = {0x40535bda06583d66, 0x26d3a7b0cc430653, 0xe5c65092de7198ce, 0x6e869eae8e53fe9f};
	static const double normals[] = {1.4736963198896318,   -0.62968945103514595, 0.56242231897218542,
	                                 -0.48695594207637932, 2.0405369423300477,   -0.42361848781023653};
	struct rng rng = rng_make(42, "init"), other = rng_make(42, "order");
	assert_memory_equal(rng.s, init, sizeof init);
	assert_memory_equal(other.s, order, sizeof order);
	for (size_t i = 0; i < COUNT_OF(normals); i++)
		assert_true(fabs(rng_normal(&rng) - normals[i]) < 1e-14); /* the reference rounds the sum of squares twice */
}

static void streams_differ(void **state) {
	(void)state;
	static const char *const names[] = {"", "a", "b", "aa", "blocks.0.attention.qkv", "blocks.1.attention.qkv"};
	for (size_t i = 0; i < COUNT_OF(names); i++)
		for (size_t j = 0; j < COUNT_OF(names); j++)
			for (uint64_t seed = 0; seed < 4; seed++) {
				struct rng one = rng_make(seed, names[i]), two = rng_make(seed, names[j]),
				           next = rng_make(seed + 1, names[i]);
				assert_int_equal(memcmp(&one, &two, sizeof one) == 0, i == j);
				assert_int_not_equal(memcmp(&one, &next, sizeof one), 0);
				/* Independent, not shifted: no draw of one among the first of the other. */
				uint64_t first = rng_next(&one);
				for (int k = 0; k < 100 && i != j; k++) assert_true(rng_next(&two) != first);
			}
}

/* Moments of n draws, whose own standard errors are known: none may be five of them off. */
static void normal_moments(void **state) {
	(void)state;
	enum { DRAWS = 1000000 };
	struct rng rng = rng_make(7, "moments");
	double sums[5] = {0}, before = 0, lagged = 0;
	long beyond[4] = {0};
	for (int i = 0; i < DRAWS; i++) {
		double x = rng_normal(&rng);
		for (int power = 1; power <= 4; power++) sums[power] += pow(x, power);
		lagged += x * before;
		before = x;
		for (int sigma = 1; sigma <= 3; sigma++) beyond[sigma] += fabs(x) > sigma;
	}
	const double root = sqrt(DRAWS);
	assert_true(fabs(sums[1] / DRAWS) < 5 / root);
	assert_true(fabs(sums[2] / DRAWS - 1) < 5 * sqrt(2) / root);
	assert_true(fabs(sums[3] / DRAWS) < 5 * sqrt(15) / root);
	assert_true(fabs(sums[4] / DRAWS - 3) < 5 * sqrt(96) / root);
	assert_true(fabs(lagged / DRAWS) < 5 / root);
	for (int sigma = 1; sigma <= 3; sigma++) {
		double p = erfc(sigma / sqrt(2));
		assert_true(fabs((double)beyond[sigma] / DRAWS - p) < 5 * sqrt(p * (1 - p)) / root);
	}
}

static void uniform_moments(void **state) {
	(void)state;
	enum { DRAWS = 1000000, CELLS = 100 };
	struct rng rng = rng_make(8, "uniform");
	long cells[CELLS] = {0};
	double sum = 0;
	for (int i = 0; i < DRAWS; i++) {
		double x = rng_uniform(&rng);
		assert_true(x >= 0 && x < 1);
		cells[(int)(x * CELLS)]++;
		sum += x;
	}
	double chi = 0, expected = (double)DRAWS / CELLS;
	for (int i = 0; i < CELLS; i++) chi += ((double)cells[i] - expected) * ((double)cells[i] - expected) / expected;
	assert_true(fabs(sum / DRAWS - 0.5) < 5 / sqrt(12.0 * DRAWS));
	assert_true(chi > 50 && chi < 169);           /* 99 degrees of freedom: 1e-5 beyond either side */
	struct rng largest = {{UINT64_MAX, 0, 0, 0}}; /* s0 + s3 rotated, plus s0: 2^64 - 2 */
	assert_true(rng_uniform(&largest) < 1);
}

static void below_is_unbiased(void **state) {
	(void)state;
	struct rng rng = rng_make(9, "below");
	for (int i = 0; i < 1000; i++) assert_int_equal(rng_below(&rng, 1), 0);
	/* Three quarters of 2^64: without rejection, every third number would come twice as often as the others. */
	const uint64_t bound = UINT64_C(3) << 62;
	enum { DRAWS = 90000 };
	long thirds[3] = {0};
	for (int i = 0; i < DRAWS; i++) {
		uint64_t x = rng_below(&rng, bound);
		assert_true(x < bound);
		thirds[x % 3]++;
	}
	for (int i = 0; i < 3; i++) assert_true(labs(thirds[i] - DRAWS / 3) < 5 * sqrt(DRAWS * 2.0 / 9));
	long faces[6] = {0};
	for (int i = 0; i < DRAWS; i++) faces[rng_below(&rng, 6)]++;
	for (int i = 0; i < 6; i++) assert_true(labs(faces[i] - DRAWS / 6) < 5 * sqrt(DRAWS * 5.0 / 36));
}

static void permutations_are_bijective(void **state) {
	(void)state;
	static unsigned char seen[70000];
	static const uint64_t large[] = {1000, 1023, 1024, 1025, 4095, 4097, 65535, 65536, 65537, 70000};
	for (uint64_t i = 1; i <= 300 + COUNT_OF(large); i++) {
		uint64_t count = i <= 300 ? i : large[i - 301];
		for (uint64_t key = 0; key < (count <= 300 ? 5 : 1); key++) {
			memset(seen, 0, count);
			for (uint64_t index = 0; index < count; index++) {
				uint64_t to = permuted_index(key, count, index);
				assert_true(to < count);
				assert_int_equal(seen[to]++, 0);
			}
		}
	}
}

static void permutations_match_the_reference(void **state) {
	(void)state;
	static const struct {
		uint64_t count, expected[4]; /* at 0, 1, 2 and count - 1 */
	} cases[] = {
	    {10, {6, 8, 4, 0}},
	    {1000, {413, 755, 422, 637}},
	    {UINT64_C(1) << 32, {3927015451, 1116573851, 649648981, 1173071666}},
	    {UINT64_C(1) << 63, {3260719444439355444, 5848672980313953637, 5736249756587577405, 8023994945840629779}},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		for (uint64_t j = 0; j < 4; j++)
			assert_true(permuted_index(7, cases[i].count, j < 3 ? j : cases[i].count - 1) == cases[i].expected[j]);
}

/* Shuffled, not only bijective: over many keys every entry goes everywhere equally often, all orders of three come up,
 * and neighbours do not stay neighbours. */
static void permutations_are_shuffled(void **state) {
	(void)state;
	enum { KEYS = 60000 };
	long places[5][5] = {{0}}, orders[27] = {0}, swapped = 0;
	for (uint64_t key = 0; key < KEYS; key++) {
		swapped += (long)permuted_index(key, 2, 0);
		for (uint64_t i = 0; i < 5; i++) places[i][permuted_index(key, 5, i)]++;
		orders[permuted_index(key, 3, 0) * 9 + permuted_index(key, 3, 1) * 3 + permuted_index(key, 3, 2)]++;
	}
	for (int i = 0; i < 5; i++)
		for (int j = 0; j < 5; j++) assert_true(labs(places[i][j] - KEYS / 5) < 5 * sqrt(KEYS * 4.0 / 25));
	assert_true(labs(swapped - KEYS / 2) < KEYS / 50);
	int different = 0;
	for (int i = 0; i < 27; i++) {
		if (!orders[i]) continue;
		different++;
		/* Eight rounds on halves of one bit do not make the six orders exactly equal; a tenth is near enough. */
		assert_true(labs(orders[i] - KEYS / 6) < KEYS / 60);
	}
	assert_int_equal(different, 6);
	const uint64_t count = 20000;
	double sum = 0;
	long rising = 0;
	for (uint64_t i = 0; i + 1 < count; i++) {
		double x = (double)permuted_index(3, count, i), y = (double)permuted_index(3, count, i + 1);
		sum += (x / (double)count - 0.5) * (y / (double)count - 0.5) * 12; /* correlation of neighbours */
		rising += y > x;
	}
	assert_true(fabs(sum / (double)count) < 5 / sqrt((double)count));
	assert_true(labs(rising - (long)count / 2) < 5 * sqrt((double)count / 12));
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(published_values),
	    cmocka_unit_test(reference_values),
	    cmocka_unit_test(streams_differ),
	    cmocka_unit_test(normal_moments),
	    cmocka_unit_test(uniform_moments),
	    cmocka_unit_test(below_is_unbiased),
	    cmocka_unit_test(permutations_are_bijective),
	    cmocka_unit_test(permutations_match_the_reference),
	    cmocka_unit_test(permutations_are_shuffled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
