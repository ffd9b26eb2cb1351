/* Resampling: the noise model against brute force, draws that make sense, coverage that is what it says. */
#include "fit/law.h"
#include "tests/fit_fixture.h"

#include <omp.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------------------------- noise --- */

/* In place: the lower Cholesky factor of a (n,n). Returns the logarithm of the determinant. */
static double factorise(int n, double *a) {
	double log_determinant = 0;
	for (int j = 0; j < n; j++) {
		for (int k = 0; k < j; k++) a[j * n + j] -= a[j * n + k] * a[j * n + k];
		assert_true(a[j * n + j] > 0);
		a[j * n + j] = sqrt(a[j * n + j]);
		log_determinant += 2 * log(a[j * n + j]);
		for (int i = j + 1; i < n; i++) {
			for (int k = 0; k < j; k++) a[i * n + j] -= a[i * n + k] * a[j * n + k];
			a[i * n + j] /= a[j * n + j];
		}
	}
	return log_determinant;
}

static void solve_lower(int n, const double *factor, double *x) {
	for (int i = 0; i < n; i++) {
		for (int k = 0; k < i; k++) x[i] -= factor[i * n + k] * x[k];
		x[i] /= factor[i * n + i];
	}
}

/* -2 ln of the restricted likelihood (Patterson and Thompson 1971) from full matrices, profiled over the scale:
 * ln|V| + ln|J'V^-1 J| + (n - p) ln(r'P r), V = I + ratio Z Z'. *variance: that of a point. */
#define ROWS 42
static double dense_likelihood(
    const double (*jacobian)[5], const double *residual, const int *group, double ratio, double *variance) {
	static double v[ROWS * ROWS], columns[6][ROWS], gram[25], along[5];
	for (int i = 0; i < ROWS; i++)
		for (int j = 0; j < ROWS; j++) v[i * ROWS + j] = (i == j) + (group[i] == group[j] ? ratio : 0);
	double value = factorise(ROWS, v), squares = 0;
	for (int c = 0; c < 6; c++) {
		for (int i = 0; i < ROWS; i++) columns[c][i] = c < 5 ? jacobian[i][c] : residual[i];
		solve_lower(ROWS, v, columns[c]);
	}
	for (int a = 0; a < 5; a++) {
		along[a] = 0;
		for (int i = 0; i < ROWS; i++) along[a] += columns[a][i] * columns[5][i];
		for (int b = 0; b < 5; b++) {
			gram[a * 5 + b] = 0;
			for (int i = 0; i < ROWS; i++) gram[a * 5 + b] += columns[a][i] * columns[b][i];
		}
	}
	value += factorise(5, gram);
	solve_lower(5, gram, along);
	for (int i = 0; i < ROWS; i++) squares += columns[5][i] * columns[5][i];
	for (int a = 0; a < 5; a++) squares -= along[a] * along[a];
	*variance = squares / (ROWS - 5);
	return value + (ROWS - 5) * log(squares);
}

static void noise_against_full_matrices(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	int inner = 0;
	for (uint64_t seed = 0; seed < 12; seed++) {
		struct fit_points points = make_points(&truth, &laptop, 0.004, seed % 3 * 0.004, seed);
		struct table table;
		struct solution solution;
		struct fit_noise noise;
		int freedom;
		expect_success(surface_table(&points, &table));
		expect_success(law_solve(&law_chinchilla, &table, HELD_NONE, &solution));
		expect_success(noise_estimate(&law_chinchilla, &table, solution.x, &noise, &freedom));
		assert_int_equal(freedom, ROWS - 5);
		double jacobian[ROWS][5], residual[ROWS], work[ROWS], variance;
		for (int i = 0; i < ROWS; i++) {
			double up[5], down[5];
			for (int j = 0; j < 5; j++) {
				memcpy(up, solution.x, sizeof up);
				memcpy(down, solution.x, sizeof down);
				up[j] += 1e-5;
				down[j] -= 1e-5;
				jacobian[i][j] = log(law_chinchilla.predict(up, table.u + 2 * i, NULL, NULL) /
				                     law_chinchilla.predict(down, table.u + 2 * i, NULL, NULL)) /
				                 2e-5;
			}
			residual[i] = table.y[i] - log(law_chinchilla.predict(solution.x, table.u + 2 * i, NULL, NULL));
		}
		double most = 3.5 * robust_scale(residual, ROWS, 5, work); /* the winsorising that fit.h speaks of */
		for (int i = 0; i < ROWS; i++) residual[i] = fmin(fmax(residual[i], -most), most);
		double ratio = noise.rung * noise.rung / noise.point / noise.point;
		double found = dense_likelihood((const double(*)[5])jacobian, residual, table.group, ratio, &variance);
		assert_true(close_to(sqrt(variance), noise.point, 1e-6));
		double other;
		for (double share = 0; share < 0.98; share += 0.01) {
			double at =
			    dense_likelihood((const double(*)[5])jacobian, residual, table.group, share / (1 - share), &other);
			assert_true(at >= found - 1e-6);
		}
		inner += noise.rung > 0;
		table_free(&table);
		fit_points_free(&points);
	}
	assert_true(inner >= 6);
}

/* On average over tables the variances come out as they went in. */
static void noise_is_found_on_average(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	double point = 0, rung = 0;
	const int tables = 150;
	for (int t = 0; t < tables; t++) {
		struct ladder_shape shape = laptop;
		shape.rungs = 10;
		struct fit_points points = make_points(&truth, &shape, 0.004, 0.006, 500 + (uint64_t)t);
		struct fit_surface_result result;
		struct fit_replicates replicates;
		expect_success(fit_surface_solve(&points, NULL, &result));
		expect_success(fit_bootstrap(&points, &result, RESAMPLE_SIMULATED, 1, 1, &replicates));
		point += pow(replicates.noise.point, 2) / tables;
		rung += pow(replicates.noise.rung, 2) / tables;
		fit_replicates_free(&replicates);
		fit_points_free(&points);
	}
	assert_true(close_to(sqrt(point), 0.004, 0.04));
	assert_true(close_to(sqrt(rung), 0.006, 0.12));
}

static void what_cannot_be_told_is_not_told(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct ladder_shape shape = laptop;
	struct fit_surface_result result;
	struct fit_replicates replicates;
	shape.rungs = 3;
	struct fit_points points = make_points(&truth, &shape, 0.004, 0.004, 1);
	expect_success(fit_surface_solve(&points, NULL, &result));
	expect_success(fit_bootstrap(&points, &result, RESAMPLE_AUTO, 2, 1, &replicates));
	assert_true(isnan(replicates.noise.rung) && replicates.noise.point > 0);
	assert_int_equal(replicates.method, RESAMPLE_SIMULATED);
	fit_replicates_free(&replicates);
	fit_points_free(&points);
	/* One point a rung. */
	points = make_points(&truth, &laptop, 0.004, 0, 1);
	for (size_t i = 0; i < points.count; i++) points.items[i].rung = (int)i;
	points.rungs = (int)points.count;
	expect_success(fit_surface_solve(&points, NULL, &result));
	expect_success(fit_bootstrap(&points, &result, RESAMPLE_AUTO, 2, 1, &replicates));
	assert_true(isnan(replicates.noise.rung));
	assert_int_equal(replicates.method, RESAMPLE_SIMULATED);
	fit_replicates_free(&replicates);
	fit_points_free(&points);
}

/* ---------------------------------------------------------------------------------------------------------- draws --- */

/* The same seed gives the same bytes with any number of threads; another seed gives others. */
/* Without a bound the errors of these rungs would come out at nine per cent, where no mean is off by one. */
static void few_rungs_do_not_run_away(void **state) {
	(void)state;
	/* Losses of a short ladder whose smallest rung leans away from any such law. */
	static const double N[] = {24.6e3, 55.3e3, 98.3e3, 154e3}, D[] = {7.5e5, 1.8e6, 4.2e6, 1e7};
	static const double loss[4][4] = {
	    {1.947, 1.758, 1.645, 1.576},
	    {1.942, 1.714, 1.569, 1.478},
	    {1.904, 1.664, 1.516, 1.418},
	    {1.853, 1.636, 1.488, 1.387}};
	struct fit_surface any = small_surface(0.8, 0.3, 0.35);
	struct fit_points points = make_points(&any, &(struct ladder_shape){4, 4, 1, 2, 1, 2}, 0, 0, 1);
	for (size_t i = 0; i < 16; i++) {
		points.items[i].N = N[i / 4];
		points.items[i].D = D[i % 4];
		points.items[i].loss = loss[i / 4][i % 4];
	}
	struct fit_surface_result result;
	struct fit_replicates replicates;
	expect_success(fit_surface_solve(&points, NULL, &result));
	expect_success(fit_bootstrap(&points, &result, RESAMPLE_AUTO, 100, 1, &replicates));
	assert_true(replicates.noise.rung <= 3.0001 * replicates.noise.point && replicates.noise.point < 0.02);
	fit_replicates_free(&replicates);
	fit_points_free(&points);
}

static void draws_depend_on_the_seed_alone(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &laptop, 0.004, 0.002, 3);
	struct fit_surface_result result;
	expect_success(fit_surface_solve(&points, NULL, &result));
	for (enum fit_resampling method = RESAMPLE_SIMULATED; method <= RESAMPLE_RUNGS; method++) {
		struct fit_replicates runs[3];
		for (int k = 0; k < 3; k++) {
			omp_set_num_threads(k == 1 ? 3 : 1);
			expect_success(fit_bootstrap(&points, &result, method, 60, k == 2 ? 8 : 7, &runs[k]));
		}
		assert_memory_equal(runs[0].surfaces, runs[1].surfaces, 60 * sizeof *runs[0].surfaces);
		assert_memory_equal(runs[0].scale, runs[1].scale, 60 * sizeof *runs[0].scale);
		assert_memory_not_equal(runs[0].surfaces, runs[2].surfaces, 60 * sizeof *runs[0].surfaces);
		assert_true(runs[0].unfinished == 0);
		for (int k = 0; k < 3; k++) fit_replicates_free(&runs[k]);
	}
	omp_set_num_threads(1);
	fit_points_free(&points);
}

/* Whole rungs are drawn, with at least three sizes; a refit is the fit of the points drawn. */
static void rungs_are_drawn_whole(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct ladder_shape shape = laptop;
	shape.rungs = 4;
	struct fit_points points = make_points(&truth, &shape, 0.004, 0.004, 4);
	struct fit_surface_result result;
	struct fit_replicates replicates;
	expect_success(fit_surface_solve(&points, NULL, &result));
	const size_t count = 400;
	expect_success(fit_bootstrap(&points, &result, RESAMPLE_RUNGS, count, 1, &replicates));
	/* Of 4^4 draws 88 have fewer than three sizes, so 88/168 of a draw per replicate is drawn again on average. */
	assert_true(near((double)replicates.redrawn / (double)count, 88.0 / 168, 0.1));
	/* With three sizes or more out of four rungs there are 16 different weightings: 12 of one rung twice and one never, and
	 * one each, besides their order: 1 + 12 distinct fits. */
	size_t distinct = 0;
	double seen[20];
	for (size_t i = 0; i < count; i++) {
		bool known = false;
		for (size_t k = 0; k < distinct && !known; k++) known = fabs(seen[k] - replicates.surfaces[i].alpha) < 1e-9;
		if (known) continue;
		assert_true(distinct < 20);
		seen[distinct++] = replicates.surfaces[i].alpha;
	}
	assert_int_equal(distinct, 13);
	/* One of them is the original. */
	bool original = false;
	for (size_t k = 0; k < distinct; k++) original = original || fabs(seen[k] - result.surface.alpha) < 1e-9;
	assert_true(original);
	/* And one is the fit of rungs 0, 1, 2, 2. */
	struct fit_points drawn = {.items = array_new(28, sizeof *drawn.items), .count = 28, .rungs = 3};
	memcpy(drawn.items, points.items, 21 * sizeof *drawn.items);
	memcpy(drawn.items + 21, points.items + 14, 7 * sizeof *drawn.items);
	expect_success(fit_surface_solve(&drawn, NULL, &result));
	bool refit = false;
	for (size_t k = 0; k < distinct; k++) refit = refit || fabs(seen[k] - result.surface.alpha) < 1e-7;
	assert_true(refit);
	fit_replicates_free(&replicates);
	fit_points_free(&drawn);
	fit_points_free(&points);
}

/* Each refit is the fit of the table that its own random numbers make of the rows. */
static void rows_are_drawn_one_by_one(void **state) {
	(void)state;
	struct fit_points points = make_points(&besiroglu, &cluster, 0.004, 0, 6);
	struct fit_surface_result result;
	struct fit_replicates replicates;
	expect_success(fit_surface_solve(&points, NULL, &result));
	enum { COUNT = 12 };
	const struct fit_method method = result.method; /* refits keep the delta */
	expect_success(fit_bootstrap(&points, &result, RESAMPLE_ROWS, COUNT, 5, &replicates));
	assert_true(replicates.method == RESAMPLE_ROWS && replicates.unfinished == 0 && replicates.redrawn == 0);
	struct fit_points drawn = {.items = array_new(points.count, sizeof *drawn.items), .rungs = points.rungs};
	assert_non_null(drawn.items);
	for (int i = 0; i < COUNT; i++) {
		char name[32];
		snprintf(name, sizeof name, "bootstrap/surface/%d", i);
		struct rng rng = rng_make(5, name);
		for (drawn.count = 0; drawn.count < points.count; drawn.count++)
			drawn.items[drawn.count] = points.items[rng_below(&rng, points.count)];
		expect_success(fit_surface_solve(&drawn, &method, &result));
		assert_true(near(replicates.surfaces[i].E, result.surface.E, 1e-7));
		assert_true(near(replicates.surfaces[i].alpha, result.surface.alpha, 1e-7));
		assert_true(near(replicates.surfaces[i].beta, result.surface.beta, 1e-7));
	}
	fit_replicates_free(&replicates);
	fit_points_free(&drawn);
	fit_points_free(&points);
}

static double exponent_of(const struct fit_surface *surface, const void *context) {
	(void)context;
	return surface->alpha;
}

static void no_noise_no_width(void **state) {
	(void)state;
	struct fit_points points = make_points(&besiroglu, &cluster, 0, 0, 5);
	struct fit_surface_result result;
	struct fit_replicates replicates;
	struct fit_interval interval;
	expect_success(fit_surface_solve(&points, NULL, &result));
	expect_success(fit_bootstrap(&points, &result, RESAMPLE_AUTO, 100, 1, &replicates));
	expect_success(fit_interval_of(&replicates, exponent_of, NULL, &interval));
	assert_true(near(interval.low, 0.3478, 1e-8) && near(interval.high, 0.3478, 1e-8));
	fit_replicates_free(&replicates);
	fit_points_free(&points);
}

/* ------------------------------------------------------------------------------------------------------- coverage --- */

static double parameter_of(const struct fit_surface *surface, const void *context) {
	switch (*(const int *)context) {
	case 0:
		return surface->E;
	case 1:
		return surface->alpha;
	case 2:
		return surface->beta;
	}
	return surface->beta / (surface->alpha + surface->beta);
}

/* Of 200 tables with 0.5 % of noise the 90 % intervals must hold the truth in 82 to 97 %: three standard deviations of a
 * count of 200, and a little for an interval that is only nearly right. */
static void intervals_cover(void **state) {
	(void)state;
	enum { TABLES = 200, QUANTITIES = 4 };
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	int inside[QUANTITIES] = {0};
	for (int t = 0; t < TABLES; t++) {
		struct ladder_shape shape = laptop;
		shape.rungs = 4 + t % 3;
		struct fit_points points = make_points(&truth, &shape, 0.005, 0, 1000 + (uint64_t)t);
		struct fit_surface_result result;
		struct fit_replicates replicates;
		expect_success(fit_surface_solve(&points, NULL, &result));
		expect_success(fit_bootstrap(&points, &result, RESAMPLE_AUTO, 100, (uint64_t)t, &replicates));
		for (int q = 0; q < QUANTITIES; q++) {
			struct fit_interval interval;
			expect_success(fit_interval_of(&replicates, parameter_of, &q, &interval));
			double value = parameter_of(&truth, &q);
			inside[q] += interval.low <= value && value <= interval.high;
		}
		fit_replicates_free(&replicates);
		fit_points_free(&points);
	}
	for (int q = 0; q < QUANTITIES; q++) assert_in_range(inside[q], 164, 194);
}

int main(void) {
	omp_set_num_threads(1); /* threads that wait for each other spin, which is dear on a machine that has other work */
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(noise_against_full_matrices),
	    cmocka_unit_test(noise_is_found_on_average),
	    cmocka_unit_test(what_cannot_be_told_is_not_told),
	    cmocka_unit_test(few_rungs_do_not_run_away),
	    cmocka_unit_test(draws_depend_on_the_seed_alone),
	    cmocka_unit_test(rungs_are_drawn_whole),
	    cmocka_unit_test(rows_are_drawn_one_by_one),
	    cmocka_unit_test(no_noise_no_width),
	    cmocka_unit_test(intervals_cover),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
