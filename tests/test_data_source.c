/* Markov sources: their entropy rate against closed forms, a direct solution and long samples. */
#include "data/corpus_file.h"
#include "data/source.h"
#include "tests/folder_fixture.h"

#include <math.h>

static struct source_options defaults(void) {
	struct source_options options;
	expect_success(options_defaults(source_rows, source_row_count, &options));
	return options;
}

static double entropy(const double *p, size_t count) {
	double h = 0;
	for (size_t i = 0; i < count; i++) h -= p[i] * log(p[i]);
	return h;
}

/* 0 goes to 1 with probability a, 1 goes to 0 with b: pi = (b, a) / (a + b), H = pi_0 h(a) + pi_1 h(b). */
static void a_chain_of_two_states(void **state) {
	(void)state;
	static const double cases[][2] = {{0.3, 0.1}, {0.01, 0.9}, {0.5, 0.5}, {0.999, 0.998}};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		double a = cases[i][0], b = cases[i][1], pi[2];
		double probability[] = {1 - a, a, b, 1 - b};
		unsigned char class_of[] = {0, 1};
		uint16_t symbols[] = {0, 1, 0, 1};
		struct markov chain = {2, 2, 2, probability, class_of, symbols};
		expect_success(markov_stationary(&chain, pi));
		assert_true(fabs(pi[0] - b / (a + b)) < 1e-10 && fabs(pi[1] - a / (a + b)) < 1e-10);
		double expected = b / (a + b) * entropy(probability, 2) + a / (a + b) * entropy(probability + 2, 2);
		assert_true(fabs(markov_entropy_rate(&chain, pi) - expected) < 1e-10);
	}
}

/* Rows with one exponent have one entropy, whatever the stationary distribution is. */
static void zipf_rows_in_closed_form(void **state) {
	(void)state;
	for (int order = 1; order <= 3; order++)
		for (double zipf = 0; zipf <= 2; zipf += 0.5) {
			struct source_options options = defaults();
			options.vocab = 12;
			options.order = order;
			options.zipf = zipf;
			options.tokens = options.held_out_tokens = 100;
			expect_success(source_write(&options, corpus_path));
			struct corpus *corpus;
			expect_success(corpus_open(corpus_path, &corpus));
			double p[12], sum = 0;
			for (int r = 0; r < 12; r++) sum += p[r] = pow(r + 1, -zipf);
			for (int r = 0; r < 12; r++) p[r] /= sum;
			assert_true(fabs(corpus_info(corpus)->entropy_rate - entropy(p, 12)) < 1e-12);
			if (zipf == 0) assert_true(fabs(corpus_info(corpus)->entropy_rate - log(12)) < 1e-12);
			corpus_close(corpus);
		}
}

/* The stationary distribution as the solution of pi (P - I) = 0, sum pi = 1, by Gaussian elimination. */
static void solve_directly(const struct markov *chain, double *pi) {
	size_t n = chain->states;
	double *a = calloc(n * (n + 1), sizeof *a);
	for (size_t s = 0; s < n; s++)
		for (size_t r = 0; r < chain->vocab; r++) {
			size_t next = (s * chain->vocab + chain->symbols[s * chain->vocab + r]) % n;
			a[next * (n + 1) + s] += chain->probability[chain->class_of[s] * chain->vocab + r];
		}
	for (size_t s = 0; s < n; s++) a[s * (n + 1) + s] -= 1;
	for (size_t s = 0; s <= n; s++) a[(n - 1) * (n + 1) + s] = 1; /* one equation is redundant */
	for (size_t k = 0; k < n; k++) {
		size_t pivot = k;
		for (size_t i = k + 1; i < n; i++)
			if (fabs(a[i * (n + 1) + k]) > fabs(a[pivot * (n + 1) + k])) pivot = i;
		for (size_t j = 0; j <= n; j++) {
			double swap = a[k * (n + 1) + j];
			a[k * (n + 1) + j] = a[pivot * (n + 1) + j];
			a[pivot * (n + 1) + j] = swap;
		}
		for (size_t i = 0; i < n; i++) {
			if (i == k) continue;
			double factor = a[i * (n + 1) + k] / a[k * (n + 1) + k];
			for (size_t j = k; j <= n; j++) a[i * (n + 1) + j] -= factor * a[k * (n + 1) + j];
		}
	}
	for (size_t s = 0; s < n; s++) pi[s] = a[s * (n + 1) + n] / a[s * (n + 1) + s];
	free(a);
}

static void rows_that_differ_against_a_direct_solution(void **state) {
	(void)state;
	for (int seed = 1; seed <= 5; seed++) {
		struct source_options options = defaults();
		options.vocab = seed % 2 ? 9 : 3;
		options.order = seed % 2 ? 2 : 4;
		options.zipf = 1.5;
		options.spread = 0.8;
		options.seed = seed;
		struct markov chain;
		expect_success(markov_open(&options, &chain));
		double pi[81], direct[81], rate = 0, lowest = 1, highest = 0;
		expect_success(markov_stationary(&chain, pi));
		solve_directly(&chain, direct);
		for (int s = 0; s < 81; s++) {
			assert_true(fabs(pi[s] - direct[s]) < 1e-11);
			rate += direct[s] * entropy(chain.probability + chain.class_of[s] * chain.vocab, chain.vocab);
			lowest = fmin(lowest, direct[s]);
			highest = fmax(highest, direct[s]);
		}
		assert_true(highest > 2 * lowest); /* the distribution is not the uniform one that the iteration begins with */
		assert_true(fabs(markov_entropy_rate(&chain, pi) - rate) < 1e-10);
		markov_close(&chain);
	}
}

/* Every row of a chain has every symbol once. */
static void rows_are_permutations(void **state) {
	(void)state;
	struct source_options options = defaults();
	options.vocab = 20;
	options.order = 2;
	struct markov chain;
	expect_success(markov_open(&options, &chain));
	int same = 0;
	for (size_t s = 0; s < chain.states; s++) {
		bool seen[20] = {false};
		for (int r = 0; r < 20; r++) seen[chain.symbols[s * 20 + r]] = true;
		for (int r = 0; r < 20; r++) assert_true(seen[r]);
		same += chain.symbols[s * 20] == chain.symbols[0];
	}
	assert_true(same > 1 && same < 60); /* of 400: about 20 */
	markov_close(&chain);
}

/* The mean of -ln p(token | context) over a long sample, in blocks for its standard error; and the frequencies of the
 * states. The sample comes out of a corpus, so that the way through the file is tested too. */
static void a_long_sample_has_that_entropy(void **state) {
	(void)state;
	struct source_options options = defaults();
	options.vocab = 10;
	options.order = 2;
	options.zipf = 1.2;
	options.spread = 0.7;
	options.tokens = 1000000;
	options.held_out_tokens = 100000;
	options.seed = 3;
	expect_success(source_write(&options, corpus_path));
	struct markov chain;
	expect_success(markov_open(&options, &chain));
	struct corpus *corpus;
	expect_success(corpus_open(corpus_path, &corpus));
	const struct corpus_info *info = corpus_info(corpus);
	assert_true(info->tokens[SPLIT_TRAIN] == 1000000 && info->tokens[SPLIT_HELD_OUT] == 100000);
	assert_string_equal(info->tokenizer, "symbols");
	assert_int_equal(info->vocab, 10);
	for (int split = 0; split < SPLIT_COUNT; split++) {
		size_t count = (size_t)info->tokens[split], blocks = 100, each = (count - 2) / blocks;
		uint16_t *tokens = calloc(count, sizeof *tokens);
		expect_success(corpus_read(corpus, (enum split)split, 0, count, tokens));
		double sum = 0, squares = 0;
		for (size_t b = 0; b < blocks; b++) {
			double mean = 0;
			for (size_t i = 2 + b * each; i < 2 + (b + 1) * each; i++) {
				size_t s = tokens[i - 2] * 10u + tokens[i - 1], rank = 0;
				while (chain.symbols[s * 10 + rank] != tokens[i]) rank++;
				mean -= log(chain.probability[chain.class_of[s] * 10 + rank]) / (double)each;
			}
			sum += mean;
			squares += mean * mean;
		}
		double mean = sum / (double)blocks;
		double error = sqrt((squares / (double)blocks - mean * mean) / (double)(blocks - 1));
		assert_true(error < 0.01);
		assert_true(fabs(mean - info->entropy_rate) < 3.5 * error);
		free(tokens);
	}
	/* Order 2 cannot be seen by the entropies of one and two tokens, which are larger. */
	assert_true(info->unigram > info->bigram && info->bigram > info->entropy_rate + 0.1);
	corpus_close(corpus);
	markov_close(&chain);
}

/* At order 1 the counted entropy of pairs is the rate, up to its bias of (V - 1)^2 / 2n and its error. */
static void order_one_is_seen_by_pairs(void **state) {
	(void)state;
	struct source_options options = defaults();
	options.vocab = 20;
	options.tokens = 500000;
	expect_success(source_write(&options, corpus_path));
	struct corpus *corpus;
	expect_success(corpus_open(corpus_path, &corpus));
	const struct corpus_info *info = corpus_info(corpus);
	double bias = 19.0 * 19.0 / (2 * 500000.0);
	assert_true(fabs(info->bigram + bias - info->entropy_rate) < 0.004);
	assert_true(info->unigram > info->entropy_rate + 0.2);
	corpus_close(corpus);
}

static void the_seed_is_everything(void **state) {
	(void)state;
	uint64_t hashes[3];
	for (int i = 0; i < 3; i++) {
		struct source_options options = defaults();
		options.tokens = 70000;
		options.held_out_tokens = 1000;
		options.seed = i == 2 ? 8 : 7;
		expect_success(source_write(&options, corpus_path));
		struct corpus *corpus;
		expect_success(corpus_open(corpus_path, &corpus));
		hashes[i] = corpus_info(corpus)->hash;
		/* The splits are drawn independently. */
		uint16_t train[1000], held_out[1000];
		expect_success(corpus_read(corpus, SPLIT_TRAIN, 0, 1000, train));
		expect_success(corpus_read(corpus, SPLIT_HELD_OUT, 0, 1000, held_out));
		assert_memory_not_equal(train, held_out, sizeof train);
		corpus_close(corpus);
	}
	assert_true(hashes[0] == hashes[1] && hashes[0] != hashes[2]);
}

static struct error *build(const char *json) {
	cJSON *spec = cJSON_Parse(json);
	assert_non_null(spec);
	char *before = cJSON_PrintUnformatted(spec);
	struct error *error = source_build(spec, "plan.json", corpus_path);
	char *after = cJSON_PrintUnformatted(spec);
	assert_string_equal(before, after);
	free(before);
	free(after);
	cJSON_Delete(spec);
	return error;
}

static void from_a_plan(void **state) {
	(void)state;
	struct corpus *corpus;
	struct source_options options = defaults();
	options.vocab = 16;
	options.tokens = 5000;
	options.held_out_tokens = 600;
	options.seed = 9;
	expect_success(source_write(&options, corpus_path));
	expect_success(corpus_open(corpus_path, &corpus));
	uint64_t hash = corpus_info(corpus)->hash;
	corpus_close(corpus);
	static const char *const same[] = {
	    "{\"source\":\"markov\",\"vocab\":16,\"order\":1,\"tokens\":5e3,\"held_out_tokens\":600,\"seed\":9}",
	    "{\"source\":\"markov\",\"vocab\":16,\"tokens\":\"5K\",\"held_out_tokens\":600,\"seed\":9,\"_why\":\"a "
	    "comment\"}",
	};
	for (size_t i = 0; i < COUNT_OF(same); i++) {
		expect_success(build(same[i]));
		expect_success(corpus_open(corpus_path, &corpus));
		assert_true(corpus_info(corpus)->hash == hash);
		corpus_close(corpus);
	}
	expect_failure(build("{\"source\":\"hmm\"}"), ERROR_DATA, "plan.json: unknown \"source\" 'hmm'");
	expect_failure(build("{\"vocab\":16}"), ERROR_DATA, "source");
	expect_failure(build("[1]"), ERROR_DATA, "plan.json: a source must be an object");
	expect_failure(build("{\"source\":\"markov\",\"vocabulary\":16}"), ERROR_DATA, "vocabulary");
	expect_failure(
	    build("{\"source\":\"markov\",\"vocab\":64,\"order\":5}"), ERROR_DATA, "plan.json: a chain of order 5 over 64");
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_chain_of_two_states),
	    cmocka_unit_test(zipf_rows_in_closed_form),
	    cmocka_unit_test(rows_that_differ_against_a_direct_solution),
	    cmocka_unit_test(rows_are_permutations),
	    cmocka_unit_test(a_long_sample_has_that_entropy),
	    cmocka_unit_test(order_one_is_seen_by_pairs),
	    cmocka_unit_test(the_seed_is_everything),
	    cmocka_unit_test(from_a_plan),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
