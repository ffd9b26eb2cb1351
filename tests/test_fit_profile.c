/* The profile of E: against fits with E held, the threshold against its integrals, and what it says at the edges. */
#include "fit/law.h"
#include "tests/fit_fixture.h"

#include <omp.h>
#include <string.h>

/* The objective with E held, from all parts of the grid. */
static double objective_at(const struct fit_points *points, double E) {
	struct table table;
	struct solution solution;
	expect_success(surface_table(points, &table));
	struct held held = {.index = 0, .value = E / exp(table.mean_y)};
	expect_success(law_solve(&law_chinchilla, &table, held, &solution));
	assert_true(close_to(solution.x[0], held.value, 1e-15));
	table_free(&table);
	return solution.objective;
}

static void the_curve_is_the_minimum_over_the_rest(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	for (uint64_t seed = 0; seed < 3; seed++) {
		struct fit_points points = make_points(&truth, &laptop, 0.003 * (double)(seed + 1), 0, seed);
		struct fit_surface_result result;
		struct fit_profile profile;
		expect_success(fit_surface_solve(&points, &result));
		expect_success(fit_profile_E(&points, &result, NULL, &profile));
		assert_true(profile.count > 40);
		bool estimate = false;
		for (size_t i = 0; i < profile.count; i++) {
			const struct fit_profile_point *at = &profile.curve[i];
			assert_true(i == 0 || at->E >= profile.curve[i - 1].E);
			assert_true(at->objective >= result.objective * (1 - 1e-12));
			if (i % 7 == 0) assert_true(close_to(at->objective, objective_at(&points, at->E), 1e-9));
			estimate = estimate || fabs(at->E - result.surface.E) < 1e-12;
		}
		assert_true(estimate);
		/* The ends are where the objective has risen by the threshold. */
		assert_true(profile.threshold == profile.threshold_independent && profile.threshold > 0);
		assert_true(profile.interval.low < result.surface.E && result.surface.E < profile.interval.high);
		double low = objective_at(&points, profile.interval.low), high = objective_at(&points, profile.interval.high);
		assert_true(close_to(high - result.objective, profile.threshold, 1e-4));
		assert_true(profile.reaches_zero || close_to(low - result.objective, profile.threshold, 1e-4));
		/* The curve shows more than the interval. */
		assert_true(profile.curve[0].E <= profile.interval.low);
		assert_true(profile.curve[profile.count - 1].E >= profile.interval.high);
		fit_profile_free(&profile);
		fit_points_free(&points);
	}
}

/* tau t^2 / 2 from integrals over the normal density by the trapezoidal rule. */
static void the_threshold_of_independent_errors(void **state) {
	(void)state;
	const double noises[] = {1e-4, 1e-3, 1e-2};
	for (size_t k = 0; k < COUNT_OF(noises); k++) {
		struct fit_points points = make_points(&besiroglu, &cluster, noises[k], 0, 4);
		struct fit_surface_result result;
		struct fit_profile profile;
		expect_success(fit_surface_solve(&points, &result));
		expect_success(fit_profile_E(&points, &result, NULL, &profile));
		double residual[64], work[64], squares = 0, inside = 0;
		for (size_t i = 0; i < points.count; i++) {
			const struct fit_point *point = &points.items[i];
			residual[i] = log(fit_surface_loss(&result.surface, point->N, point->D) / point->loss);
		}
		double scale = robust_scale(residual, points.count, 5, work), step = scale / 20000;
		assert_true(close_to(scale, noises[k], 0.35));
		for (double r = -9 * scale; r < 9 * scale; r += step) {
			double weight = exp(-r * r / 2 / scale / scale) / sqrt(2 * M_PI) / scale * step, psi = fmin(fabs(r), 1e-3);
			squares += weight * psi * psi;
			inside += fabs(r) < 1e-3 ? weight : 0;
		}
		double t = student_quantile(0.95, 59);
		assert_true(close_to(t, 1.671093, 1e-6));
		assert_true(close_to(profile.threshold_independent, squares / inside * t * t / 2, 1e-3));
		fit_profile_free(&profile);
		fit_points_free(&points);
	}
}

static void the_bootstrap_sets_the_threshold(void **state) {
	(void)state;
	struct fit_points points = make_points(&besiroglu, &cluster, 0.004, 0.008, 1);
	struct fit_surface_result result;
	struct fit_replicates replicates;
	struct fit_profile profile, independent;
	expect_success(fit_surface_solve(&points, &result));
	expect_success(fit_bootstrap(&points, &result, RESAMPLE_AUTO, 200, 1, &replicates));
	expect_success(fit_profile_E(&points, &result, &replicates, &profile));
	expect_success(fit_profile_E(&points, &result, NULL, &independent));
	size_t below = 0;
	for (size_t i = 0; i < replicates.count; i++) {
		assert_true(replicates.rise[i] >= 0);
		below += replicates.rise[i] <= profile.threshold;
	}
	assert_int_equal(below, 180);
	/* Errors that rungs share make it wider than independent ones would. */
	assert_true(profile.threshold > 1.5 * independent.threshold);
	assert_true(profile.interval.high - profile.interval.low > independent.interval.high - independent.interval.low);
	fit_profile_free(&profile);
	fit_profile_free(&independent);
	fit_replicates_free(&replicates);
	fit_points_free(&points);
}

static void edges_are_told(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &laptop, 0.005, 0, 6);
	struct fit_surface_result result;
	struct fit_profile profile;
	expect_success(fit_surface_solve(&points, &result));
	expect_success(fit_profile_E(&points, &result, NULL, &profile));
	assert_true(profile.reaches_zero && profile.interval.low == 0 && !profile.reaches_lowest);
	assert_true(profile.interval.high > result.surface.E && profile.interval.high < 0.3);
	fit_profile_free(&profile);
	fit_points_free(&points);
	truth = small_surface(0.8, 0.3, 0.35);
	points = make_points(&truth, &laptop, 0, 0, 6);
	expect_success(fit_surface_solve(&points, &result));
	expect_success(fit_profile_E(&points, &result, NULL, &profile));
	assert_true(near(profile.interval.low, 0.8, 1e-6) && near(profile.interval.high, 0.8, 1e-6));
	assert_true(!profile.reaches_zero && !profile.reaches_lowest);
	fit_profile_free(&profile);
	fit_points_free(&points);
}

int main(void) {
	omp_set_num_threads(1);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_curve_is_the_minimum_over_the_rest),
	    cmocka_unit_test(the_threshold_of_independent_errors),
	    cmocka_unit_test(the_bootstrap_sets_the_threshold),
	    cmocka_unit_test(edges_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
