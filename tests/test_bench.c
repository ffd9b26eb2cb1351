/* What `rung bench` measures: the operations that it lists are those of a step, and they stay inside their arrays. How
 * fast anything is nobody can test. */
#include "train/bench.h"

#include "tests/support.h"

#include <math.h>

static const struct bench_effort briefly = {.rounds = 3, .seconds = 0};

/* The products and attention of all operations together are the exact training FLOPs of the micro-batch. */
static void test_operations_make_up_a_step(void **state) {
	(void)state;
	static const struct shape shapes[] = {{96, 256, 16, 2}, {96, 256, 64, 4}, {8192, 64, 128, 5}, {17, 9, 48, 1}};
	for (size_t i = 0; i < COUNT_OF(shapes); i++) {
		const int sequences = 3;
		double sum = 0;
		for (int o = 0; o < operation_count(); o++) {
			const struct operation operation = operation_of(&shapes[i], sequences, o);
			assert_true(operation.calls > 0);
			assert_true(operation.flops == 0 || !operation.once);
			sum += operation.calls * operation.flops;
		}
		const double exact = shape_counts(&shapes[i]).train_flops * sequences * shapes[i].context;
		assert_true(fabs(sum - exact) < 1e-12 * exact);
	}
}

/* Odd shapes, all sets of kernels: the sanitizers look for steps beyond an array, and times are those of calls that were
 * made. */
static void test_operations_run(void **state) {
	(void)state;
	static const struct shape shapes[] = {{17, 9, 48, 1}, {130, 70, 16, 2}, {5, 1, 32, 1}};
	bool wanted[KERNELS_COUNT];
	for (int k = 0; k < KERNELS_COUNT; k++) wanted[k] = kernels_available((enum kernels)k) && k != KERNELS_PORTABLE;
	const int operations = operation_count();
	double *times = array_new((size_t)(KERNELS_COUNT * operations), sizeof *times), peak;
	assert_non_null(times);
	for (size_t i = 0; i < COUNT_OF(shapes); i++) {
		expect_success(bench_operations(&shapes[i], 3, wanted, &briefly, times, &peak));
		assert_true(peak > 0);
		for (int k = 0; k < KERNELS_COUNT; k++)
			for (int o = 0; o < operations; o++)
				assert_true(wanted[k] ? times[k * operations + o] > 0 : times[k * operations + o] == 0);
	}
	free(times);
}

static void test_step(void **state) {
	(void)state;
	for (int threads = 1; threads <= 2; threads++) {
		struct bench_step step = {
		    .shape = {17, 600, 32, 2}, .batch = 3, .kernels = kernels_widest(), .threads = threads};
		expect_success(bench_step(&briefly, &step));
		assert_true(fabs(step.first_loss - log(17)) < 1e-5);
		assert_true(step.forward_seconds > 0 && step.gradient_seconds > 0 && step.optimizer_seconds > 0);
		/* 6 (N + V d) and the causal half of attention: two products of T (T + 1) / 2 pairs, forward and twice back */
		const double per_token = 6.0 * (12 * 2 * 32 * 32 + 17 * 32) + 3 * 2 * 2 * 2 * 32 * (600 + 1) / 2.0;
		assert_true(fabs(step.gflops * 1e9 / step.tokens_per_second - per_token) < 1e-9 * per_token);
		assert_true(step.spread >= 0 && step.core_share > 0);
		assert_true(step.bytes > model_bytes(&step.shape, 1, true));
	}
}

/* The largest size of an earlier, larger model is not that of a later, smaller one. */
static void test_memory_is_of_one_step(void **state) {
	(void)state;
	struct bench_step large = {.shape = {17, 1024, 128, 4}, .batch = 1, .kernels = kernels_widest(), .threads = 1};
	struct bench_step small = {.shape = {17, 16, 16, 1}, .batch = 1, .kernels = kernels_widest(), .threads = 1};
	expect_success(bench_step(&briefly, &large));
	if (access("/proc/self/clear_refs", W_OK)) skip();
	expect_success(bench_step(&briefly, &small));
	assert_true(large.bytes > model_bytes(&large.shape, 1, true));
	assert_true(small.bytes < large.bytes - 0.5 * model_bytes(&large.shape, 1, true));
}

static void test_mistakes(void **state) {
	(void)state;
	struct bench_step step = {.shape = {17, 16, 20, 1}, .batch = 1, .kernels = kernels_widest(), .threads = 1};
	expect_failure(bench_step(&briefly, &step), ERROR_USAGE, "multiple");
	struct kernel_bench *bench = NULL;
	expect_failure(kernel_bench_open(&step.shape, 1, kernels_widest(), &bench), ERROR_USAGE, "multiple");
	assert_null(bench);
	kernel_bench_close(NULL);
}

static void test_product(void **state) {
	(void)state;
	double gflops = 0, peak = 0;
	expect_success(bench_product(33, &briefly, &gflops, &peak));
	assert_true(gflops > 0 && peak > 0 && isfinite(gflops));
}

/* The micro-batch sets the order of sums: it must stay as it is, or runs are no longer what they were. */
static void test_micro_batch(void **state) {
	(void)state;
	static const struct {
		int context, batch, sequences;
	} known[] = {{256, 2, 1}, {256, 16, 1}, {64, 64, 4}, {100, 8, 2}, {2048, 8, 1}, {1, 3, 3}};
	for (size_t i = 0; i < COUNT_OF(known); i++) {
		const struct train_config config = {.context = known[i].context, .batch = known[i].batch};
		assert_int_equal(train_micro_batch(&config), known[i].sequences);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_operations_make_up_a_step),
	    cmocka_unit_test(test_operations_run),
	    cmocka_unit_test(test_step),
	    cmocka_unit_test(test_memory_is_of_one_step),
	    cmocka_unit_test(test_mistakes),
	    cmocka_unit_test(test_product),
	    cmocka_unit_test(test_micro_batch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
