/* Whether OpenBLAS multiplies rightly on this processor: some two hundred products of the kinds that have gone wrong in one
 * release or another, against plain loops in double, one after the other and from two threads at once. */
#include "model/model.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* m, n, k: around the edges of the blocks that fast kernels work in; nothing to sum; single rows and columns; and the
 * products of a small transformer. Each is done with A and B as they are and turned. */
static const int shapes[][3] = {
    {1, 1, 1},      {1, 1, 0},     {5, 7, 0},     {64, 64, 0},   {33, 17, 0},   {1, 257, 31},   {257, 1, 31},
    {1, 16, 300},   {16, 1, 300},  {1, 1, 500},   {2, 3, 4},     {3, 5, 7},     {4, 4, 4},      {7, 129, 3},
    {8, 8, 8},      {9, 15, 17},   {15, 9, 33},   {16, 16, 16},  {17, 33, 65},  {31, 31, 31},   {32, 12, 24},
    {33, 1, 130},   {24, 96, 40},  {48, 48, 1},   {63, 65, 64},  {64, 96, 1},   {64, 16, 64},   {64, 64, 16},
    {65, 63, 62},   {1, 96, 48},   {100, 48, 96}, {96, 100, 3},  {127, 2, 129}, {2, 127, 66},   {128, 128, 16},
    {129, 31, 257}, {130, 6, 12},  {12, 130, 6},  {48, 256, 16}, {256, 48, 32}, {32, 128, 256}, {128, 32, 128},
    {160, 40, 20},  {20, 160, 80}, {192, 24, 48}, {36, 36, 320}, {72, 72, 72},  {96, 96, 96},   {112, 64, 112},
    {255, 15, 63},  {256, 64, 64},
};
enum { TURNS = 4, PRODUCTS = (int)COUNT_OF(shapes) * TURNS };

struct product {
	int m, n, k, lda, ldb, ldc;
	bool turn_a, turn_b;
	float alpha, beta;
	size_t a_area, b_area, c_area; /* elements, with their padding */
	float *a, *b, *before;         /* as they lie; what C holds before */
	double *expected, *bound;      /* (m, n): sums in double, and what rounding in float may do to them */
};

/* "129 x 31 x 257 (m, n, k), A turned, lda 132, ldb 31, ldc 34, alpha 1, beta 0" */
static void name_product(const struct product *p, bool threads, char *out, size_t size) {
	snprintf(
	    out, size, "%d x %d x %d (m, n, k)%s%s, lda %d, ldb %d, ldc %d, alpha %g, beta %g%s", p->m, p->n, p->k,
	    p->turn_a ? ", A turned" : "", p->turn_b ? ", B turned" : "", p->lda, p->ldb, p->ldc, (double)p->alpha,
	    (double)p->beta, threads ? ", from two threads at once" : "");
}

static size_t area(int rows, int stride) {
	return (size_t)rows * (size_t)stride + 1; /* never nothing */
}

/* The plain loops. The bound of the rounding error is (k + 2) eps (|alpha| |A| |B| + |beta| |C|): above it no order of
 * summation explains a deviation (Higham 2002, 3.5). */
static void expect(struct product *p, double *plain) {
	/* B as it is meant, in double: then every loop below walks along rows. */
	for (int l = 0; l < p->k; l++)
		for (int j = 0; j < p->n; j++)
			plain[l * p->n + j] = (double)(p->turn_b ? p->b[j * p->ldb + l] : p->b[l * p->ldb + j]);
	for (int i = 0; i < p->m; i++) {
		double *restrict sum = p->expected + i * p->n, *restrict size = p->bound + i * p->n; /* zeroed */
		for (int l = 0; l < p->k; l++) {
			const double a = (double)(p->turn_a ? p->a[l * p->lda + i] : p->a[i * p->lda + l]);
			const double *restrict b = plain + l * p->n;
			for (int j = 0; j < p->n; j++) {
				const double term = a * b[j];
				sum[j] += term;
				size[j] += fabs(term);
			}
		}
		for (int j = 0; j < p->n; j++) {
			/* Where beta is 0, C is not read: a NaN in it must vanish. */
			const double kept = p->beta == 0 ? 0 : (double)p->beta * (double)p->before[i * p->ldc + j];
			const double alpha = (double)p->alpha;
			sum[j] = alpha * sum[j] + kept;
			size[j] = (p->k + 2) * (double)FLT_EPSILON * (fabs(alpha) * size[j] + fabs(kept));
		}
	}
}

static void shape_product(int index, struct product *p) {
	static const float alphas[] = {1, 1, -0.5f, 1, 0}, betas[] = {0, 1, 0, 0.5f, 1, 0, 1};
	static const int pads[] = {0, 1, 3, 0, 5};
	const int *shape = shapes[index / TURNS], turn = index % TURNS;
	*p = (struct product){.m = shape[0], .n = shape[1], .k = shape[2], .turn_a = turn & 1, .turn_b = turn & 2};
	p->alpha = alphas[index % (int)COUNT_OF(alphas)];
	p->beta = betas[index % (int)COUNT_OF(betas)];
	/* A leading dimension is 1 at least, whatever there is to lead. */
	const int a_cols = p->turn_a ? p->m : p->k, b_cols = p->turn_b ? p->k : p->n;
	p->lda = (a_cols > 1 ? a_cols : 1) + pads[index % (int)COUNT_OF(pads)];
	p->ldb = (b_cols > 1 ? b_cols : 1) + pads[(index + 1) % (int)COUNT_OF(pads)];
	p->ldc = p->n + pads[(index + 2) % (int)COUNT_OF(pads)];
	p->a_area = area(p->turn_a ? p->k : p->m, p->lda);
	p->b_area = area(p->turn_b ? p->n : p->k, p->ldb);
	p->c_area = area(p->m, p->ldc);
}

static size_t product_bytes(const struct product *p) {
	return arena_padded(p->a_area * sizeof(float)) + arena_padded(p->b_area * sizeof(float)) +
	       arena_padded(p->c_area * sizeof(float)) + 2 * arena_padded(area(p->m, p->n) * sizeof(double));
}

/* `room` has product_bytes() left. `plain`: room for k n numbers. */
static void fill_product(int index, struct arena *room, double *plain, struct product *p) {
	p->a = arena_take(room, p->a_area * sizeof *p->a);
	p->b = arena_take(room, p->b_area * sizeof *p->b);
	p->before = arena_take(room, p->c_area * sizeof *p->before);
	p->expected = arena_take(room, area(p->m, p->n) * sizeof *p->expected);
	p->bound = arena_take(room, area(p->m, p->n) * sizeof *p->bound);
	/* Uniform numbers will do, and are quick. */
	struct rng rng = rng_make((uint64_t)index, "products");
	for (size_t i = 0; i < p->a_area; i++) p->a[i] = (float)rng_uniform(&rng) - 0.5f;
	for (size_t i = 0; i < p->b_area; i++) p->b[i] = (float)rng_uniform(&rng) - 0.5f;
	for (size_t i = 0; i < p->c_area; i++) p->before[i] = p->beta == 0 ? NAN : (float)rng_uniform(&rng) - 0.5f;
	expect(p, plain);
}

/* The largest deviation in units of its bound; infinite when something beside C was written. `c`: room for the largest. */
static double deviation(const struct product *p, float *c) {
	double worst = 0;
	memcpy(c, p->before, p->c_area * sizeof *c);
	cblas_sgemm(
	    CblasRowMajor, p->turn_a ? CblasTrans : CblasNoTrans, p->turn_b ? CblasTrans : CblasNoTrans, p->m, p->n, p->k,
	    p->alpha, p->a, p->lda, p->b, p->ldb, p->beta, c, p->ldc);
	for (int i = 0; i < p->m; i++) {
		for (int j = 0; j < p->n; j++) {
			const double off = fabs((double)c[i * p->ldc + j] - p->expected[i * p->n + j]);
			const double part = off == 0 ? 0 : off / p->bound[i * p->n + j];
			if (!(part <= worst)) worst = isnan(part) ? INFINITY : part;
		}
		for (int j = p->n; j < p->ldc; j++)
			if (memcmp(&c[i * p->ldc + j], &p->before[i * p->ldc + j], sizeof *c) != 0) worst = INFINITY;
	}
	return worst;
}

/* ---------------------------------------------------------------------------------------------------------- all of them --- */

/* One thread's way through the list, from `first` on and around. */
struct round {
	const struct product *products;
	pthread_barrier_t *start; /* where threads wait for each other; NULL: none */
	int first;
	float *c;
	double worst;
	int at; /* index of the worst */
};

static void *run_round(void *context) {
	struct round *round = context;
	if (round->start) pthread_barrier_wait(round->start);
	for (int i = 0; i < PRODUCTS; i++) {
		const int at = (round->first + i) % PRODUCTS;
		const double found = deviation(&round->products[at], round->c);
		if (found > round->worst) {
			round->worst = found;
			round->at = at;
		}
	}
	return NULL;
}

static void take_round(const struct round *round, bool threads, struct blas_check *check) {
	if (round->worst <= check->worst) return;
	check->worst = round->worst;
	name_product(&round->products[round->at], threads, check->worst_name, sizeof check->worst_name);
}

static struct error *run_all(const struct product *products, size_t largest, struct blas_check *check) {
	struct round alone = {.products = products}, pair[2] = {{.products = products}, {.products = products}};
	pthread_barrier_t start;
	pthread_t other;
	struct error *error = NULL;
	const bool barrier = pthread_barrier_init(&start, NULL, 2) == 0;
	alone.c = pair[0].c = array_new(largest, sizeof(float));
	pair[1].c = array_new(largest, sizeof(float));
	pair[1].first = PRODUCTS / 2 + 1; /* so that different products meet */
	if (!alone.c || !pair[1].c) {
		error = error_memory(2 * largest * sizeof(float));
		goto done;
	}
	run_round(&alone);
	take_round(&alone, false, check);
	pair[0].start = pair[1].start = &start;
	if (!barrier || pthread_create(&other, NULL, run_round, &pair[1])) {
		error = error_new(ERROR_FAILED, "a second thread, to test OpenBLAS with, could not be had; see ulimit -u");
		goto done;
	}
	run_round(&pair[0]);
	pthread_join(other, NULL);
	take_round(&pair[0], true, check);
	take_round(&pair[1], true, check);
done:
	if (barrier) pthread_barrier_destroy(&start);
	free(alone.c);
	free(pair[1].c);
	return error;
}

struct error *blas_check(struct blas_check *check) {
	const double begin = clock_seconds();
	*check = (struct blas_check){.products = PRODUCTS};
	struct product products[PRODUCTS];
	struct arena room;
	size_t bytes = 0, largest_b = 0, largest_c = 0;
	for (int i = 0; i < PRODUCTS; i++) {
		struct product *p = &products[i];
		shape_product(i, p);
		bytes += product_bytes(p);
		if (area(p->k, p->n) > largest_b) largest_b = area(p->k, p->n);
		if (p->c_area > largest_c) largest_c = p->c_area;
	}
	TRY(arena_open(&room, bytes + arena_padded(largest_b * sizeof(double))));
	double *plain = arena_take(&room, largest_b * sizeof *plain);
	for (int i = 0; i < PRODUCTS; i++) fill_product(i, &room, plain, &products[i]);
	struct error *error = run_all(products, largest_c, check);
	arena_close(&room);
	check->seconds = clock_seconds() - begin;
	return error;
}

struct error *blas_check_verdict(const struct blas_check *check) {
	if (check->worst <= 1) return NULL;
	struct machine machine;
	machine_describe(&machine);
	return error_new(
	    ERROR_FAILED,
	    "this machine's BLAS (%s) computes a product wrongly: %s deviates %.3g times what rounding may do; update it, "
	    "or "
	    "choose other kernels through the environment variable OPENBLAS_CORETYPE, such as Haswell",
	    machine.blas, check->worst_name, check->worst);
}
