/* Laws of one variable: which points they take, and what they make of them. */
#include "tests/fit_fixture.h"

#include <string.h>

static const struct fit_curve *find(const struct fit_curve *curves, int count, enum fit_variable variable, bool floor) {
	for (int i = 0; i < count; i++)
		if (curves[i].variable == variable && curves[i].floor == floor) return &curves[i];
	return NULL;
}

static void slices_of_an_exact_surface(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &laptop, 0, 0, 1);
	struct fit_curve curves[FIT_CURVES];
	int count;
	expect_success(fit_curves(&points, &plain_method, 100, 1, curves, &count));
	assert_int_equal(count, 6);
	const struct fit_curve *of_N = find(curves, count, FIT_N, true), *of_D = find(curves, count, FIT_D, true);
	assert_true(of_N->points == 6 && close_to(of_N->at, 64e6, 1e-12) && of_N->converged);
	assert_true(close_to(of_N->E, truth.E + truth.B * pow(64e6, -truth.beta), 1e-9));
	assert_true(close_to(of_N->exponent, truth.alpha, 1e-8) && close_to(of_N->k, truth.A, 1e-7));
	assert_true(of_D->points == 7 && close_to(of_D->at, 1.8e5, 1e-12) && of_D->converged);
	assert_true(close_to(of_D->E, truth.E + truth.A * pow(1.8e5, -truth.alpha), 1e-9));
	assert_true(close_to(of_D->exponent, truth.beta, 1e-8) && close_to(of_D->k, truth.B, 1e-6));
	/* No noise, no width. */
	assert_true(near(of_N->exponent_interval.high - of_N->exponent_interval.low, 0, 1e-8));
	assert_true(of_N->exponent_interval.low <= of_N->exponent + 1e-9 && of_N->E_interval.high >= of_N->E - 1e-9);
	assert_true(
	    close_to(fit_curve_loss(of_D, 3e6), truth.E + truth.A * pow(1.8e5, -0.3) + truth.B * pow(3e6, -0.35), 1e-9));
	/* The pure power misses what has a floor, and says by how much. */
	const struct fit_curve *pure = find(curves, count, FIT_D, false);
	double squares = 0;
	for (int h = 0; h < 7; h++) {
		double D = 1e6 * pow(64, h / 6.0);
		squares += pow(log(fit_curve_loss(pure, D) / fit_curve_loss(of_D, D)), 2) / 7;
	}
	assert_true(pure->E == 0 && pure->exponent < 0.3 && pure->rms > 0.005 && close_to(pure->rms, sqrt(squares), 1e-6));
	assert_true(isnan(pure->E_interval.low) && pure->exponent_interval.low < pure->exponent);
	fit_points_free(&points);
}

/* A pure power law comes back as one, and with a floor of nothing. */
static void pure_powers(void **state) {
	(void)state;
	struct fit_surface truth = {0, 0, 20, 0.3, 0.12};
	struct fit_points points = make_points(&truth, &laptop, 0, 0, 1);
	struct fit_curve curves[FIT_CURVES];
	int count;
	expect_success(fit_curves(&points, &plain_method, 0, 1, curves, &count));
	const struct fit_curve *pure = find(curves, count, FIT_D, false), *floor = find(curves, count, FIT_D, true);
	assert_true(close_to(pure->exponent, 0.12, 1e-10) && close_to(pure->k, 20, 1e-9) && pure->converged);
	assert_true(close_to(floor->exponent, 0.12, 1e-8) && near(floor->E, 0, 1e-8));
	assert_true(isnan(pure->exponent_interval.low)); /* not asked for */
	fit_points_free(&points);
}

static void reverse(struct fit_points *points) {
	for (size_t i = 0; i < points->count / 2; i++) {
		struct fit_point swap = points->items[i];
		points->items[i] = points->items[points->count - 1 - i];
		points->items[points->count - 1 - i] = swap;
	}
}

static void the_largest_D_that_all_sizes_share(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &laptop, 0.003, 0, 1);
	struct fit_curve curves[FIT_CURVES];
	int count;
	/* Steps of different lengths: horizons differ by a per cent and are still shared. */
	for (size_t i = 0; i < points.count; i++) points.items[i].D *= 1 + 0.002 * (double)(i / 7);
	expect_success(fit_curves(&points, &plain_method, 0, 1, curves, &count));
	assert_int_equal(find(curves, count, FIT_N, true)->points, 6);
	assert_true(close_to(find(curves, count, FIT_N, true)->at, 64e6 * 1.01, 1e-9));
	/* The order of the table does not matter. */
	reverse(&points);
	expect_success(fit_curves(&points, &plain_method, 0, 1, curves, &count));
	assert_true(close_to(find(curves, count, FIT_N, true)->at, 64e6 * 1.01, 1e-9));
	reverse(&points);
	/* One size lacks the two longest; a seed more at the third counts too. */
	points.items[20].D = 1e3;
	points.items[19].D = points.items[18].D * 1.001;
	expect_success(fit_curves(&points, &plain_method, 0, 1, curves, &count));
	assert_int_equal(find(curves, count, FIT_N, true)->points, 7);
	assert_true(near(find(curves, count, FIT_N, true)->at, 16e6, 0.02 * 16e6));
	/* Nothing is shared. */
	for (size_t i = 0; i < points.count; i++) points.items[i].D *= 1 + 0.03 * (double)i;
	expect_success(fit_curves(&points, &plain_method, 0, 1, curves, &count));
	assert_null(find(curves, count, FIT_N, true));
	assert_null(find(curves, count, FIT_N, false));
	assert_non_null(find(curves, count, FIT_D, true));
	fit_points_free(&points);
}

/* Corners of the falling lower hull by definition: below all that came cheaper, and below every line between a cheaper and
 * a dearer point. */
static size_t corners(const struct fit_points *points) {
	size_t count = 0;
	for (size_t i = 0; i < points->count; i++) {
		const struct fit_point *p = &points->items[i];
		bool corner = true;
		for (size_t j = 0; j < points->count && corner; j++) {
			const struct fit_point *a = &points->items[j];
			if (a->C >= p->C) continue;
			corner = a->loss > p->loss;
			for (size_t k = 0; k < points->count && corner; k++) {
				const struct fit_point *b = &points->items[k];
				if (b->C <= p->C) continue;
				double part = log(p->C / a->C) / log(b->C / a->C);
				corner = log(p->loss) < (1 - part) * log(a->loss) + part * log(b->loss);
			}
		}
		count += corner;
	}
	return count;
}

static void the_frontier_is_the_hull(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.3, 0.3, 0.35);
	for (uint64_t seed = 0; seed < 60; seed++) {
		struct fit_points points = make_points(&truth, &laptop, seed % 3 * 0.1, 0, seed);
		struct rng rng = rng_make(seed, "costs");
		for (size_t i = 0; i < points.count; i++) points.items[i].C *= exp(0.3 * rng_normal(&rng));
		struct fit_curve curves[FIT_CURVES];
		int count;
		expect_success(fit_curves(&points, &plain_method, 0, 1, curves, &count));
		const struct fit_curve *frontier = find(curves, count, FIT_C, false);
		size_t expected = corners(&points);
		if (expected > 2)
			assert_int_equal(frontier->points, expected);
		else
			assert_null(frontier);
		assert_true(!frontier || isnan(frontier->at));
		fit_points_free(&points);
	}
}

/* As many parameters as points would fit anything. */
static void too_few_points_make_no_law(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct ladder_shape shape = {3, 3, 6e3, 10, 1e6, 16};
	struct fit_points points = make_points(&truth, &shape, 0, 0, 1);
	struct fit_curve curves[FIT_CURVES];
	int count;
	expect_success(fit_curves(&points, &plain_method, 0, 1, curves, &count));
	assert_null(find(curves, count, FIT_N, true));
	assert_int_equal(find(curves, count, FIT_N, false)->points, 3);
	/* Four points of the largest size, but at one token count only: a power of one of two. */
	shape = (struct ladder_shape){1, 4, 6e3, 10, 1e6, 16};
	struct fit_points few = make_points(&truth, &shape, 0.01, 0, 1);
	for (size_t i = 0; i < few.count; i++) few.items[i].N = 6e3;
	for (size_t i = 0; i < few.count; i++) few.items[i].D = i < 2 ? 1e6 : 2e6;
	expect_success(fit_curves(&few, &plain_method, 0, 1, curves, &count));
	assert_non_null(find(curves, count, FIT_D, false));
	assert_null(find(curves, count, FIT_D, true)); /* a floor takes three */
	for (size_t i = 0; i < few.count; i++) few.items[i].D = 1e6;
	expect_success(fit_curves(&few, &plain_method, 0, 1, curves, &count));
	assert_null(find(curves, count, FIT_D, false));
	few.count = 1;
	expect_success(fit_curves(&few, &plain_method, 0, 1, curves, &count));
	assert_int_equal(count, 0);
	fit_points_free(&few);
	fit_points_free(&points);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(slices_of_an_exact_surface),         cmocka_unit_test(pure_powers),
	    cmocka_unit_test(the_largest_D_that_all_sizes_share), cmocka_unit_test(the_frontier_is_the_hull),
	    cmocka_unit_test(too_few_points_make_no_law),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
