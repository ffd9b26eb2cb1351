/* Laws beside one another: AICc, errors on rungs not seen, and what it takes to tell two laws apart, each by brute force. */
#include "fit/law.h"
#include "tests/fit_fixture.h"

#include <string.h>

static const struct fit_compared *line_of(const struct fit_comparison *comparison, const char *law) {
	for (int k = 0; k < comparison->count; k++)
		if (strcmp(comparison->laws[k].law, law) == 0) return &comparison->laws[k];
	fail_msg("%s is not in the comparison", law);
	return NULL;
}

/* The law fitted to the points whose rung is below `end`, other than `without`, from the whole grid. */
static struct solution solve_some(
    const struct law *law, struct table *table, const struct fit_points *points, int end, int without) {
	struct solution solution;
	for (size_t i = 0; i < points->count; i++)
		table->weight[i] = points->items[i].rung < end && points->items[i].rung != without;
	expect_success(law_solve(law, table, HELD_NONE, &solution));
	for (size_t i = 0; i < points->count; i++) table->weight[i] = 1;
	return solution;
}

static double squares_on(
    const struct law *law, const struct table *table, const struct fit_points *points, const double *x, int rung) {
	double sum = 0;
	for (size_t i = 0; i < points->count; i++) {
		if (points->items[i].rung != rung) continue;
		sum += pow(log(law->predict(x, table->u + i * (size_t)table->variables, NULL, NULL)) - table->y[i], 2);
	}
	return sum;
}

static void errors_on_rungs_not_seen(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &laptop, 0.005, 0.003, 11);
	struct fit_comparison comparison;
	struct fit_method method = {.objective = OBJECTIVE_LOG_SQUARES};
	expect_success(fit_compare(&points, &method, FIT_C, false, NULL, &comparison));
	const struct law *const forms[] = {&law_chinchilla, &law_chinchilla_bare, &law_gadre};
	for (size_t f = 0; f < COUNT_OF(forms); f++) {
		struct table table;
		struct law law;
		expect_success(surface_table(&points, &table));
		expect_success(law_bind(forms[f], &method, &table, &law));
		const struct fit_compared *line = line_of(&comparison, law.name);
		double left_out = 0, rolling = 0;
		for (int r = 0; r < laptop.rungs; r++) {
			struct solution without = solve_some(&law, &table, &points, laptop.rungs, r);
			left_out += squares_on(&law, &table, &points, without.x, r);
			if (r < 3) continue;
			struct solution before = solve_some(&law, &table, &points, r, -1);
			rolling += squares_on(&law, &table, &points, before.x, r);
		}
		assert_int_equal(line->left_out_folds, laptop.rungs);
		assert_int_equal(line->rolling_folds, laptop.rungs - 3);
		assert_true(close_to(line->left_out, sqrt(left_out / (double)points.count), 1e-6));
		assert_true(close_to(line->rolling, sqrt(rolling / (laptop.horizons * (laptop.rungs - 3.0))), 1e-6));
		table_free(&table);
	}
	fit_points_free(&points);
}

/* For squares of log residuals the likelihood is the normal one: n ln(RSS / n) + n (ln 2 pi + 1). */
static void aicc_of_squares(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &laptop, 0.005, 0, 12);
	struct fit_comparison comparison;
	struct fit_method method = {.objective = OBJECTIVE_LOG_SQUARES};
	expect_success(fit_compare(&points, &method, FIT_C, false, NULL, &comparison));
	double lowest = INFINITY;
	for (int k = 0; k < comparison.count; k++) {
		const struct fit_compared *line = &comparison.laws[k];
		double n = (double)line->points, K = line->parameters + 1;
		if (n < K + 2) {
			assert_true(isnan(line->aicc));
			continue;
		}
		double expected =
		    n * log(line->rms * line->rms) + n * (log(2 * M_PI) + 1) + 2 * K + 2 * K * (K + 1) / (n - K - 1);
		assert_true(near(line->aicc, expected, 1e-6));
		if (line->of_both && line->converged) lowest = fmin(lowest, line->aicc);
	}
	assert_true(close_to(line_of(&comparison, "gadre")->above, line_of(&comparison, "gadre")->aicc - lowest, 1e-9));
	assert_true(line_of(&comparison, "chinchilla")->above == 0); /* what made the table */
	fit_points_free(&points);
}

/* For Huber's objective: the density is integrated, and its scale sought, by brute force. */
static void aicc_of_huber(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	const double noises[] = {1e-5, 1e-3, 0.02};
	for (int t = 0; t < 3; t++) {
		struct fit_points points = make_points(&truth, &laptop, noises[t], 0, 13);
		struct fit_comparison comparison;
		struct fit_method method = {.delta = FIT_DELTA};
		expect_success(fit_compare(&points, &method, FIT_C, false, NULL, &comparison));
		const struct fit_compared *line = line_of(&comparison, "chinchilla");
		double n = (double)line->points, K = 6, best = INFINITY;
		for (double log_s = log(line->objective / n) - 3; log_s < log(line->objective / n) + 4; log_s += 0.01) {
			/* The integral of exp(-huber / s), by Simpson's rule where it is curved and in closed form beyond. */
			double s = exp(log_s), d = FIT_DELTA, Z = 2 * s / d * exp(-d * d / 2 / s);
			int steps = 2000;
			for (int i = 0; i <= steps; i++) {
				double r = -d + 2 * d * i / steps;
				Z += exp(-r * r / 2 / s) * (i == 0 || i == steps ? 1 : i % 2 ? 4 : 2) * (2 * d / steps) / 3;
			}
			best = fmin(best, 2 * (line->objective / s + n * log(Z)));
		}
		assert_true(near(line->aicc, best + 2 * K + 2 * K * (K + 1) / (n - K - 1), 2e-3));
		fit_points_free(&points);
	}
}

/* Points along D = 20 N whose loss is `loss` of C, with a wiggle that no law can follow. */
static struct fit_points line_points(int count, double step, double wiggle, double (*loss)(double C)) {
	struct fit_points points = {.rungs = count};
	points.items = array_new((size_t)count, sizeof *points.items);
	assert_non_null(points.items);
	for (int i = 0; i < count; i++) {
		struct fit_point *at = &points.items[points.count++];
		*at = (struct fit_point){.N = 1e6 * pow(step, i), .rung = i, .seed = -1, .weight = 1, .loss_error = NAN};
		at->D = 20 * at->N;
		at->C = 6 * at->N * at->D;
		at->loss = loss(at->C) * exp(wiggle * sin(5.0 * i * i + 1));
	}
	return points;
}

static double a_power(double C) {
	return 1.5 + 80 * pow(C, -0.12);
}

static double an_s(double C) {
	return 1.5 + 4 / (1 + sqrt(C / 1e18));
}

static void an_s_and_a_power_law_are_told_apart(void **state) {
	(void)state;
	struct fit_comparison comparison;
	struct fit_method method = {0};
	struct fit_points points = line_points(14, 2, 0.002, an_s);
	expect_success(fit_compare(&points, &method, FIT_C, false, NULL, &comparison));
	assert_string_equal(comparison.shape.rival, "logistic");
	assert_true(comparison.shape.rival_above < -20 && comparison.shape.decades_if_rival == 0);
	assert_true(comparison.shape.rival_rolling < comparison.shape.power_rolling);
	fit_points_free(&points);
	points = line_points(12, 4, 0.002, a_power);
	expect_success(fit_compare(&points, &method, FIT_C, false, NULL, &comparison));
	assert_string_equal(comparison.shape.power, "power+E");
	assert_true(comparison.shape.rival_above > 20 && comparison.shape.decades_if_power == 0);
	fit_points_free(&points);
}

/* The further decades by their definition: with one point less the doubted law is not rejected, with as many it is. */
static void decades_are_what_their_definition_says(void **state) {
	(void)state;
	struct fit_comparison comparison;
	struct fit_method method = {.objective = OBJECTIVE_LOG_SQUARES};
	struct fit_points points = line_points(12, 1.3, 0.02, a_power);
	expect_success(fit_compare(&points, &method, FIT_C, false, NULL, &comparison));
	const struct fit_shape *shape = &comparison.shape;
	assert_true(shape->decades_if_rival > 0.1 && isfinite(shape->decades_if_rival));
	const struct law *of_truth = NULL, *of_doubted = NULL;
	for (int l = 0; law_at(l); l++) {
		if (strcmp(law_at(l)->name, shape->rival) == 0) of_truth = law_at(l);
		if (strcmp(law_at(l)->name, shape->power) == 0) of_doubted = law_at(l);
	}
	struct selection selection;
	struct table table, longer;
	struct law truth, doubted;
	struct solution solution, refit;
	expect_success(select_rows(&points, FIT_C, true, &selection));
	expect_success(selection_table(&selection, of_truth, NULL, &table));
	expect_success(law_bind(of_truth, &method, &table, &truth));
	expect_success(law_solve(&truth, &table, HELD_NONE, &solution));
	double noise = law_rms(&truth, &table, solution.x) * sqrt(12.0 / (12 - law_free(&truth)));
	assert_true(close_to(shape->rival_noise, noise, 1e-6));
	double spacing = 2 * log10(1.3);
	int further = (int)lround(shape->decades_if_rival / spacing);
	assert_true(near(shape->decades_if_rival, further * spacing, 1e-9));
	for (int less = 0; less < 2; less++) {
		double C[64], loss[64], u;
		int count = 12 + further - less;
		assert_true(count <= 64);
		for (int i = 0; i < count; i++) {
			C[i] = 6 * 20 * 1e12 * pow(1.3, 2 * i);
			u = log(C[i]) - table.mean_u[0];
			loss[i] = exp(table.mean_y) * truth.predict(solution.x, &u, NULL, NULL);
		}
		expect_success(table_new(&longer, (size_t)count, 1, (const double *const[]){C}, loss, NULL));
		expect_success(law_bind(of_doubted, &method, &longer, &doubted));
		expect_success(law_solve(&doubted, &longer, HELD_NONE, &refit));
		double misses = 2 * refit.objective / (noise * noise);
		assert_true(less ? misses < FIT_DETECTION : misses >= FIT_DETECTION);
		table_free(&longer);
	}
	table_free(&table);
	selection_free(&selection);
	fit_points_free(&points);
}

static void designs_choose_the_laws(void **state) {
	(void)state;
	struct fit_comparison comparison;
	struct fit_method method = {0};
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &laptop, 0.005, 0, 14);
	/* A full grid has laws of both kinds; unique tokens bring repetition. */
	double *unique = array_new(points.count, sizeof *unique);
	assert_non_null(unique);
	for (size_t i = 0; i < points.count; i++) unique[i] = points.items[i].D / (1 + i % 5);
	expect_success(fit_compare(&points, &method, FIT_N, false, unique, &comparison));
	assert_true(line_of(&comparison, "muennighoff")->of_both && line_of(&comparison, "kaplan+E")->of_both);
	assert_true(!line_of(&comparison, "power")->of_both && line_of(&comparison, "power")->points == 6);
	/* One line has only laws of one variable, and they take every point. */
	for (size_t i = 0; i < points.count; i++) points.items[i].D = 20 * points.items[i].N;
	for (size_t i = 0; i < points.count; i++) points.items[i].C = 120 * points.items[i].N * points.items[i].N;
	expect_success(fit_compare(&points, &method, FIT_C, false, NULL, &comparison));
	for (int k = 0; k < comparison.count; k++) assert_false(comparison.laws[k].of_both);
	assert_int_equal(line_of(&comparison, "power")->points, points.count);
	/* Too few for anything. */
	points.count = 2;
	expect_success(fit_compare(&points, &method, FIT_C, false, NULL, &comparison));
	assert_true(comparison.count == 0 && comparison.skipped);
	free(unique);
	fit_points_free(&points);
}

/* Of a large table 2000 points are taken, each with the same chance, and the best law is still found. */
static void large_tables_are_sampled(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &(struct ladder_shape){50, 50, 6e3, 300, 1e6, 300}, 0.003, 0, 21);
	struct fit_method method = {.objective = OBJECTIVE_LOG_SQUARES};
	struct fit_comparison comparison;
	expect_success(fit_compare(&points, &method, FIT_C, false, NULL, &comparison));
	assert_true(!comparison.skipped && comparison.sampled == 2000 && comparison.of == 2500);
	const struct fit_compared *line = line_of(&comparison, "chinchilla");
	assert_true(line->points == 2000 && line->above == 0 && line->converged);
	/* Squares of the misses of 2000 of 2500 points: 4 of 5 parts of the whole sum, within three standard deviations. */
	struct fit_surface_result whole;
	expect_success(fit_surface_solve(&points, &method, &whole));
	assert_true(close_to(line->objective, 0.8 * whole.objective, 0.05));
	fit_points_free(&points);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(errors_on_rungs_not_seen),
	    cmocka_unit_test(aicc_of_squares),
	    cmocka_unit_test(aicc_of_huber),
	    cmocka_unit_test(an_s_and_a_power_law_are_told_apart),
	    cmocka_unit_test(decades_are_what_their_definition_says),
	    cmocka_unit_test(designs_choose_the_laws),
	    cmocka_unit_test(large_tables_are_sampled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
