/* Measuring: steps, single operations, and OpenBLAS's product, each in turn with the peak. */
#include "train/bench.h"

#include <cblas.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#define PEAK_SECONDS 0.01
#define WARM_UP_SECONDS 0.2 /* a process that has just begun is still being moved about between cores */

/* ----------------------------------------------------------------------------------------------- clocks and medians --- */

static double now(const struct bench_effort *effort) {
	return effort->cpu_time ? cpu_seconds() : clock_seconds();
}

static int compare(const void *a, const void *b) {
	const double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Sorts `values`. */
static double median(double *values, int64_t count) {
	qsort(values, (size_t)count, sizeof *values, compare);
	return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/* Lets the largest resident size begin anew at the present one. Where the system cannot, it stays the largest so far. */
static void forget_peak_memory(void) {
	const int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	if (file < 0) return;
	if (write(file, "5", 1) != 1) errno = 0;
	close(file);
}

/* ------------------------------------------------------------------------------------------------------------- steps --- */

/* A run in the middle of nowhere: constant rate, no corpus. */
struct bench_run {
	struct train_config config;
	struct train_steps steps;
	struct model *model;
	struct optimizer optimizer;
	struct rng rng;
	uint16_t *tokens; // (batch, T+1)
	size_t token_count;
	int64_t step;
};

static struct error *run_open(const struct bench_step *step, struct bench_run *run) {
	const struct shape *shape = &step->shape;
	*run = (struct bench_run){.rng = rng_make(1, "bench")};
	TRY(options_defaults(train_config_rows, train_config_row_count, &run->config));
	run->config.width = shape->width;
	run->config.depth = shape->depth;
	run->config.context = shape->context;
	run->config.batch = step->batch;
	run->config.tokens = (int64_t)1 << 50;
	run->steps = train_steps(&run->config);
	run->token_count = (size_t)step->batch * ((size_t)shape->context + 1);
	TRY(model_open(shape, train_micro_batch(&run->config), true, step->kernels, &run->model));
	TRY(model_use_kernels(run->model, (struct kernel_choice){step->kernels, step->blas}));
	if (step->threads > 1) TRY(model_use_threads(run->model, step->threads));
	TRY(optimizer_open(model_tensors(run->model), &run->optimizer));
	run->tokens = array_new(run->token_count, sizeof *run->tokens);
	if (!run->tokens) return error_memory(run->token_count * sizeof *run->tokens);
	model_initialise(run->model, 1);
	return NULL;
}

static void run_close(struct bench_run *run) {
	model_close(run->model);
	optimizer_close(&run->optimizer);
	free(run->tokens);
}

/* One step; adds the time of its two parts. */
static double run_step(
    struct bench_run *run, const struct bench_effort *effort, double *gradient_seconds, double *optimizer_seconds) {
	const uint64_t vocab = (uint64_t)model_shape(run->model)->vocab;
	const double begin = now(effort);
	for (size_t i = 0; i < run->token_count; i++) run->tokens[i] = (uint16_t)rng_below(&run->rng, vocab);
	const double loss = model_gradient(run->model, run->tokens, (int)run->config.batch), middle = now(effort);
	double norm;
	optimizer_step(&run->optimizer, run->model, &run->config, &run->steps, run->step++, &norm);
	*gradient_seconds += middle - begin;
	*optimizer_seconds += now(effort) - middle;
	return loss;
}

/* Seconds of a forward pass over the last batch, in a quarter of a round's time. */
static double time_forward(struct bench_run *run, const struct bench_effort *effort) {
	const double begin = now(effort);
	double spent;
	int times = 0;
	do {
		model_loss(run->model, run->tokens, (int)run->config.batch, NULL);
		times++;
		spent = now(effort) - begin;
	} while (spent < effort->seconds / 4);
	return spent / times;
}

/* Room for a figure of each round. */
static struct error *rounds_new(const struct bench_effort *effort, int64_t figures, double **out) {
	*out = array_new((size_t)(effort->rounds * figures), sizeof **out);
	return *out ? NULL : error_memory((size_t)(effort->rounds * figures) * sizeof **out);
}

static struct error *step_rounds(struct bench_run *run, const struct bench_effort *effort, struct bench_step *result) {
	double *figures, loss = result->first_loss;
	TRY(rounds_new(effort, 5, &figures));
	double *step = figures, *gradient = step + effort->rounds, *optimizer = gradient + effort->rounds,
	       *forward = optimizer + effort->rounds, *peak = forward + effort->rounds;
	double wall = 0, cpu = 0;
	for (int64_t r = 0; r < effort->rounds; r++) {
		peak[r] = machine_peak_gflops(PEAK_SECONDS);
		const double wall_begin = clock_seconds(), cpu_begin = cpu_seconds();
		int64_t steps = 0;
		do {
			loss = run_step(run, effort, &gradient[r], &optimizer[r]);
			steps++;
		} while (gradient[r] + optimizer[r] < effort->seconds);
		wall += clock_seconds() - wall_begin;
		cpu += cpu_seconds() - cpu_begin;
		gradient[r] /= (double)steps;
		optimizer[r] /= (double)steps;
		step[r] = gradient[r] + optimizer[r];
		forward[r] = time_forward(run, effort);
	}
	struct machine machine;
	machine_describe(&machine);
	const int busy = model_busy_threads(run->model);
	result->cores = busy < machine.cores ? busy : machine.cores;
	const double seconds = median(step, effort->rounds);
	const struct counts counts = shape_counts(&result->shape);
	result->tokens_per_second = (double)(result->batch * result->shape.context) / seconds;
	result->gflops = result->tokens_per_second * counts.train_flops * 1e-9;
	result->peak_gflops = result->cores * median(peak, effort->rounds);
	result->gradient_seconds = median(gradient, effort->rounds);
	result->optimizer_seconds = median(optimizer, effort->rounds);
	result->forward_seconds = median(forward, effort->rounds);
	result->spread = (step[effort->rounds - 1] - step[0]) / seconds; /* median() has sorted them */
	result->core_share = cpu / (wall * result->cores);
	free(figures);
	if (isfinite(loss)) return NULL;
	return error_new(
	    ERROR_FAILED, "the loss at width %d, depth %d is %g after some steps; the kernels '%s' compute wrongly here",
	    result->shape.width, result->shape.depth, loss, kernels_names[result->kernels]);
}

struct error *bench_step(const struct bench_effort *effort, struct bench_step *step) {
	struct bench_run run = {0};
	forget_peak_memory();
	struct error *error = run_open(step, &run);
	if (!error) {
		double gradient = 0, optimizer = 0;
		step->first_loss = run_step(&run, effort, &gradient, &optimizer); /* touches all memory */
		while (gradient + optimizer < WARM_UP_SECONDS && effort->seconds > 0)
			run_step(&run, effort, &gradient, &optimizer);
		error = step_rounds(&run, effort, step);
	}
	step->bytes = peak_memory_bytes();
	run_close(&run);
	return error;
}

/* -------------------------------------------------------------------------------------------------------- operations --- */

/* Seconds of one call. The first call only finds out how many make a round. */
static double time_operation(struct kernel_bench *bench, int which, const struct bench_effort *effort) {
	double begin = now(effort);
	kernel_bench_run(bench, which, 1);
	const double first = now(effort) - begin;
	if (first >= effort->seconds) return first;
	const int times = (int)fmin(1e6, ceil(effort->seconds / fmax(first, 1e-7)));
	begin = now(effort);
	kernel_bench_run(bench, which, times);
	return (now(effort) - begin) / times;
}

static struct error *operation_rounds(
    struct kernel_bench *const benches[KERNELS_COUNT], const struct bench_effort *effort, double *times,
    double *peak_gflops) {
	const int operations = operation_count();
	double *peak, *figures;
	TRY(rounds_new(effort, 1 + KERNELS_COUNT * operations, &peak));
	figures = peak + effort->rounds;
	for (int64_t r = 0; r < effort->rounds; r++) {
		peak[r] = machine_peak_gflops(PEAK_SECONDS);
		for (int o = 0; o < operations; o++)
			for (int k = 0; k < KERNELS_COUNT; k++)
				if (benches[k])
					figures[(k * operations + o) * effort->rounds + r] = time_operation(benches[k], o, effort);
	}
	*peak_gflops = median(peak, effort->rounds);
	for (int i = 0; i < KERNELS_COUNT * operations; i++)
		times[i] = median(figures + i * effort->rounds, effort->rounds);
	free(peak);
	return NULL;
}

struct error *bench_operations(
    const struct shape *shape, int sequences, const bool wanted[KERNELS_COUNT], const struct bench_effort *effort,
    double *times, double *peak_gflops) {
	struct kernel_bench *benches[KERNELS_COUNT] = {NULL};
	struct error *error = NULL;
	for (int k = 0; k < KERNELS_COUNT && !error; k++)
		if (wanted[k]) error = kernel_bench_open(shape, sequences, (enum kernels)k, &benches[k]);
	if (!error) error = operation_rounds(benches, effort, times, peak_gflops);
	for (int k = 0; k < KERNELS_COUNT; k++) kernel_bench_close(benches[k]);
	return error;
}

/* Its own time over OpenBLAS's. */
static struct error *product_gain(
    struct kernel_bench *bench, int which, uint32_t bit, const struct bench_effort *effort, double *gain) {
	double *own;
	TRY(rounds_new(effort, 2, &own));
	double *blas = own + effort->rounds;
	for (int64_t r = 0; r < effort->rounds; r++) {
		kernel_bench_use_blas(bench, 0);
		own[r] = time_operation(bench, which, effort);
		kernel_bench_use_blas(bench, bit);
		blas[r] = time_operation(bench, which, effort);
	}
	*gain = median(own, effort->rounds) / median(blas, effort->rounds);
	free(own);
	return NULL;
}

struct error *bench_blas(
    const struct shape *shape, int sequences, enum kernels kernels, double least_elements,
    const struct bench_effort *effort, double gains[PRODUCT_COUNT]) {
	struct kernel_bench *bench = NULL;
	struct error *error = NULL;
	for (int p = 0; p < PRODUCT_COUNT; p++) gains[p] = 0;
	for (int o = 0; o < operation_count() && !error; o++) {
		const struct operation operation = operation_of(shape, sequences, o);
		if (operation.product < 0) continue;
		const double elements = operation.flops / (2.0 * sequences * shape->context);
		if (elements < least_elements) continue;
		if (!bench) error = kernel_bench_open(shape, sequences, kernels, &bench);
		if (!error) error = product_gain(bench, o, (uint32_t)1 << operation.product, effort, &gains[operation.product]);
	}
	kernel_bench_close(bench);
	return error;
}

/* ----------------------------------------------------------------------------------------------------- one product --- */

struct error *bench_product(int n, const struct bench_effort *effort, double *gflops, double *peak_gflops) {
	const size_t size = (size_t)n * (size_t)n;
	double *peak, *rate;
	TRY(rounds_new(effort, 2, &peak));
	rate = peak + effort->rounds;
	float *a = array_new(3 * size, sizeof *a);
	if (!a) {
		free(peak);
		return error_memory(3 * size * sizeof *a);
	}
	float *b = a + size, *c = b + size;
	struct rng rng = rng_make(1, "bench");
	for (size_t i = 0; i < 2 * size; i++) a[i] = (float)rng_uniform(&rng);
	for (int64_t r = -1; r < effort->rounds; r++) {
		if (r >= 0) peak[r] = machine_peak_gflops(PEAK_SECONDS);
		const double begin = now(effort);
		double spent;
		int times = 0;
		do {
			cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, a, n, b, n, 0, c, n);
			times++;
			spent = now(effort) - begin;
		} while (r >= 0 && spent < effort->seconds);
		if (r >= 0) rate[r] = 2e-9 * times * (double)n * (double)n * (double)n / spent;
	}
	*gflops = median(rate, effort->rounds);
	*peak_gflops = median(peak, effort->rounds);
	free(a);
	free(peak);
	return NULL;
}
