/* Profiles: against fits with the quantity held, thresholds against integrals and fresh tables, what is said at the edges. */
#include "fit/law.h"
#include "tests/fit_fixture.h"

#include <omp.h>
#include <string.h>

/* The objective with a quantity held, from all parts of the grid. */
static double objective_at(
    const struct fit_points *points, const struct fit_surface_result *result, enum fit_profiled kind, double value) {
	struct table table;
	struct solution solution;
	struct law law = law_chinchilla;
	law.criterion.delta = result->method.delta;
	struct held held = HELD_NONE;
	expect_success(surface_table(points, &table));
	if (kind == PROFILE_E) held = (struct held){.index = 0, .value = value / exp(table.mean_y)};
	if (kind == PROFILE_ALPHA) held = (struct held){.index = 3, .value = value};
	if (kind == PROFILE_BETA) held = (struct held){.index = 4, .value = value};
	if (kind == PROFILE_A) law_tie(&law, (struct tie){.target = 4, .source = 3, .rate = value / (1 - value)});
	expect_success(law_solve(&law, &table, held, &solution));
	struct fit_surface surface = surface_of(&table, solution.x);
	const double found[] = {surface.E, surface.alpha, surface.beta, surface.beta / (surface.alpha + surface.beta)};
	assert_true(close_to(found[kind], value, 1e-12));
	table_free(&table);
	return solution.objective;
}

static void curves_are_minima_over_the_rest(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	for (uint64_t seed = 0; seed < 2; seed++) {
		struct fit_points points = make_points(&truth, &laptop, 0.003 * (double)(seed + 1), 0, seed);
		struct fit_surface_result result;
		struct fit_profile profiles[FIT_PROFILES];
		expect_success(fit_surface_solve(&points, NULL, &result));
		expect_success(fit_profiles(&points, &result, RESAMPLE_AUTO, 0, 1, profiles));
		const struct fit_surface *best = &result.surface;
		const double estimates[] = {best->E, best->alpha, best->beta, best->beta / (best->alpha + best->beta)};
		for (enum fit_profiled k = 0; k < FIT_PROFILES; k++) {
			const struct fit_profile *profile = &profiles[k];
			assert_true(profile->count > 40 && close_to(profile->estimate, estimates[k], 1e-12));
			bool estimate = false;
			for (size_t i = 0; i < profile->count; i++) {
				const struct fit_profile_point *at = &profile->curve[i];
				assert_true(i == 0 || at->value >= profile->curve[i - 1].value);
				assert_true(at->objective >= result.objective * (1 - 1e-12));
				if (i % 9 == 0)
					assert_true(close_to(at->objective, objective_at(&points, &result, k, at->value), 1e-9));
				estimate = estimate || fabs(at->value - estimates[k]) < 1e-12;
			}
			assert_true(estimate);
			/* The ends are where the objective has risen by the threshold. */
			assert_true(profile->threshold == profile->threshold_independent && profile->threshold > 0);
			assert_true(profile->interval.low < estimates[k] && estimates[k] < profile->interval.high);
			double low = objective_at(&points, &result, k, profile->interval.low);
			double high = objective_at(&points, &result, k, profile->interval.high);
			assert_true(close_to(high - result.objective, profile->threshold, 1e-4));
			assert_true(profile->reaches_low || close_to(low - result.objective, profile->threshold, 1e-4));
			/* The curve shows more than the interval. */
			assert_true(profile->curve[0].value <= profile->interval.low);
			assert_true(profile->curve[profile->count - 1].value >= profile->interval.high);
		}
		fit_profiles_free(profiles);
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
		struct fit_profile profiles[FIT_PROFILES];
		expect_success(fit_surface_solve(&points, &published_method, &result));
		expect_success(fit_profiles(&points, &result, RESAMPLE_AUTO, 0, 1, profiles));
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
		assert_true(close_to(profiles[0].threshold_independent, squares / inside * t * t / 2, 1e-3));
		fit_profiles_free(profiles);
		fit_points_free(&points);
	}
}

/* Measured thresholds: what the rise of fresh tables of a known law exceeds one time in ten, errors of rungs included. */
static void thresholds_are_quantiles_of_rises(void **state) {
	(void)state;
	struct fit_points points = make_points(&besiroglu, &cluster, 0.004, 0.008, 1);
	struct fit_surface_result result;
	struct fit_profile profiles[FIT_PROFILES], independent[FIT_PROFILES];
	expect_success(fit_surface_solve(&points, NULL, &result));
	expect_success(fit_profiles(&points, &result, RESAMPLE_AUTO, 400, 1, profiles));
	expect_success(fit_profiles(&points, &result, RESAMPLE_AUTO, 0, 1, independent));
	struct fit_replicates replicates;
	expect_success(fit_bootstrap(&points, &result, RESAMPLE_AUTO, 1, 1, &replicates));
	struct ladder_shape shape = cluster;
	enum { TABLES = 150 };
	double rises[TABLES];
	for (int t = 0; t < TABLES; t++) {
		struct rng rng = rng_make((uint64_t)t, "scale of the errors");
		double squares = 0;
		for (int k = 0; k < replicates.freedom; k++) squares += pow(rng_normal(&rng), 2);
		double scale = sqrt(replicates.freedom / squares);
		struct fit_points fresh = make_points(
		    &result.surface, &shape, scale * replicates.noise.point, scale * replicates.noise.rung, 50 + (uint64_t)t);
		struct fit_surface_result refit;
		expect_success(fit_surface_solve(&fresh, &result.method, &refit));
		rises[t] = objective_at(&fresh, &refit, PROFILE_BETA, result.surface.beta) - refit.objective;
		fit_points_free(&fresh);
	}
	/* Between the 85th and the 95th of a hundred: two standard deviations of both quantiles. */
	double low = quantile_of(rises, TABLES, 0.83), high = quantile_of(rises, TABLES, 0.955);
	assert_true(low < profiles[PROFILE_BETA].threshold && profiles[PROFILE_BETA].threshold < high);
	/* Errors that rungs share make intervals wider than independent ones would. */
	assert_true(profiles[PROFILE_ALPHA].threshold > 1.5 * independent[PROFILE_ALPHA].threshold);
	assert_true(
	    profiles[PROFILE_ALPHA].interval.high - profiles[PROFILE_ALPHA].interval.low >
	    independent[PROFILE_ALPHA].interval.high - independent[PROFILE_ALPHA].interval.low);
	fit_replicates_free(&replicates);
	fit_profiles_free(profiles);
	fit_profiles_free(independent);
	fit_points_free(&points);
}

/* At E = 0 the likelihood ratio is zero half of the time (Chernoff 1954), so that its 90 % quantile is the 80 % quantile of
 * chi square: 1.64 instead of 2.71. */
static void thresholds_know_the_bound(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &laptop, 0.0005, 0, 8); /* squares, at this delta */
	struct fit_surface_result result;
	struct fit_profile profiles[FIT_PROFILES];
	for (size_t i = 0; i < points.count; i++) points.items[i].rung = (int)i % 3; /* no errors of rungs */
	points.rungs = 3;
	expect_success(fit_surface_solve(&points, NULL, &result));
	expect_success(fit_profiles(&points, &result, RESAMPLE_SIMULATED, 400, 1, profiles));
	const struct fit_profile *of_E = &profiles[PROFILE_E];
	assert_true(of_E->reaches_low && of_E->interval.low == 0);
	assert_true(of_E->threshold_low < 0.8 * of_E->threshold_high);
	fit_profiles_free(profiles);
	fit_points_free(&points);
}

static void edges_are_told(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &laptop, 0.005, 0, 6);
	struct fit_surface_result result;
	struct fit_profile profiles[FIT_PROFILES];
	const struct fit_profile *of_E = &profiles[PROFILE_E];
	expect_success(fit_surface_solve(&points, NULL, &result));
	expect_success(fit_profiles(&points, &result, RESAMPLE_AUTO, 0, 1, profiles));
	assert_true(of_E->reaches_low && of_E->interval.low == 0 && !of_E->reaches_high);
	assert_true(of_E->interval.high > result.surface.E && of_E->interval.high < 0.3);
	fit_profiles_free(profiles);
	fit_points_free(&points);
	truth = small_surface(0.8, 0.3, 0.35);
	points = make_points(&truth, &laptop, 0, 0, 6);
	const double exact[] = {0.8, 0.3, 0.35, 0.35 / 0.65};
	expect_success(fit_surface_solve(&points, NULL, &result));
	expect_success(fit_profiles(&points, &result, RESAMPLE_AUTO, 50, 1, profiles));
	for (int k = 0; k < FIT_PROFILES; k++) {
		assert_true(near(profiles[k].interval.low, exact[k], 1e-6) && near(profiles[k].interval.high, exact[k], 1e-6));
		assert_true(!profiles[k].reaches_low && !profiles[k].reaches_high);
	}
	fit_profiles_free(profiles);
	fit_points_free(&points);
}

static void any_number_of_threads(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &laptop, 0.004, 0.002, 3);
	struct fit_surface_result result;
	struct fit_profile runs[3][FIT_PROFILES];
	expect_success(fit_surface_solve(&points, NULL, &result));
	for (int k = 0; k < 3; k++) {
		omp_set_num_threads(k == 1 ? 3 : 1);
		expect_success(fit_profiles(&points, &result, RESAMPLE_AUTO, 40, k == 2 ? 8 : 7, runs[k]));
	}
	omp_set_num_threads(1);
	for (int q = 0; q < FIT_PROFILES; q++) {
		assert_memory_equal(&runs[0][q].interval, &runs[1][q].interval, sizeof runs[0][q].interval);
		assert_int_equal(runs[0][q].count, runs[1][q].count);
		assert_memory_equal(runs[0][q].curve, runs[1][q].curve, runs[0][q].count * sizeof *runs[0][q].curve);
		assert_memory_not_equal(&runs[0][q].interval, &runs[2][q].interval, sizeof runs[0][q].interval);
	}
	for (int k = 0; k < 3; k++) fit_profiles_free(runs[k]);
	fit_points_free(&points);
}

int main(void) {
	omp_set_num_threads(1);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(curves_are_minima_over_the_rest),
	    cmocka_unit_test(the_threshold_of_independent_errors),
	    cmocka_unit_test(thresholds_are_quantiles_of_rises),
	    cmocka_unit_test(thresholds_know_the_bound),
	    cmocka_unit_test(edges_are_told),
	    cmocka_unit_test(any_number_of_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
