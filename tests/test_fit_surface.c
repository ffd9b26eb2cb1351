/* The surface and its fit: derivatives, exact recovery, global minima, and certificates that are earned. */
#include "fit/law.h"
#include "tests/fit_fixture.h"
#include "tests/sanitized.h"

#include <string.h>

static const struct law *const laws[] = {&law_chinchilla, &law_power, &law_power_floor, &law_power_of_two};

/* ---------------------------------------------------------------------------------------------------- derivatives --- */

/* Central differences of `value` and of its gradient at x. */
static void check_derivatives(const struct law *law, const struct table *table, double delta, const double *x) {
	int p = law_parameters(law);
	double gradient[MOST_PARAMETERS], hessian[MOST_PARAMETERS * MOST_PARAMETERS];
	law_sum(law, table, delta, x, gradient, hessian);
	for (int j = 0; j < p; j++) {
		double h = 1e-6, up[MOST_PARAMETERS], down[MOST_PARAMETERS], g_up[MOST_PARAMETERS], g_down[MOST_PARAMETERS];
		memcpy(up, x, sizeof up);
		memcpy(down, x, sizeof down);
		up[j] += h;
		down[j] -= h;
		double slope =
		    (law_sum(law, table, delta, up, g_up, NULL) - law_sum(law, table, delta, down, g_down, NULL)) / 2 / h;
		assert_true(near(gradient[j], slope, 1e-7 * (1 + fabs(slope))));
		for (int k = 0; k < p; k++) {
			double bend = (g_up[k] - g_down[k]) / 2 / h;
			assert_true(near(hessian[j * p + k], bend, 1e-6 * (1 + fabs(bend))));
		}
	}
}

static void derivatives_against_differences(void **state) {
	(void)state;
	struct rng rng = rng_make(1, "derivatives");
	double x[2][20], loss[20], parameters[MOST_PARAMETERS];
	for (int round = 0; round < 40; round++) {
		const struct law *law = laws[round % COUNT_OF(laws)];
		for (int i = 0; i < 20; i++) {
			x[0][i] = exp(4 * rng_uniform(&rng));
			x[1][i] = exp(5 * rng_uniform(&rng));
			loss[i] = 1 + rng_uniform(&rng);
		}
		struct table table;
		expect_success(table_new(&table, 20, law->variables, (const double *const[]){x[0], x[1]}, loss, NULL));
		for (int j = 0; j < law_parameters(law); j++) parameters[j] = 0.1 + rng_uniform(&rng);
		/* Least squares, and a delta that leaves residuals on both sides of it: the corner is away from any residual. */
		check_derivatives(law, &table, 10, parameters);
		check_derivatives(law, &table, 0.1, parameters);
		table_free(&table);
	}
}

/* ------------------------------------------------------------------------------------------------------- recovery --- */

static void expect_surface(const struct fit_surface *found, const struct fit_surface *truth, double tolerance) {
	assert_true(near(found->E, truth->E, tolerance * fmax(truth->E, 1)));
	assert_true(near(found->alpha, truth->alpha, tolerance));
	assert_true(near(found->beta, truth->beta, tolerance));
	assert_true(near(log(found->A), log(truth->A), 20 * tolerance)); /* prefactors live at N = 1, many decades away */
	assert_true(near(log(found->B), log(truth->B), 20 * tolerance));
}

/* Tables without noise give the surface back to 8 digits, from the grid, whatever the surface and its span. */
static void exact_tables_give_the_surface_back(void **state) {
	(void)state;
	const struct fit_surface surfaces[] = {
	    hoffmann,
	    besiroglu,
	    small_surface(0.5, 0.465, 0.155),
	    small_surface(0, 0.34, 0.28),
	    small_surface(0.8, 0.076, 0.095),
	    small_surface(0.1, 1.2, 0.9)};
	for (size_t s = 0; s < COUNT_OF(surfaces); s++) {
		for (int decades = 2; decades <= 6; decades += 2) {
			struct ladder_shape shape = s < 2 ? cluster : laptop;
			shape.span_N = shape.span_D = pow(10, decades);
			struct fit_points points = make_points(&surfaces[s], &shape, 0, 0, 1);
			struct fit_surface_result result;
			expect_success(fit_surface_solve(&points, NULL, &result));
			expect_surface(&result.surface, &surfaces[s], 1e-8);
			assert_true(result.objective < 1e-24 && result.rms < 1e-12);
			/* With E = 0 the floor lies at its bound, or above it by rounding. */
			assert_true(result.converged);
			fit_points_free(&points);
		}
	}
}

/* The units of the table carry over and nothing else changes: N in billions, losses in bits. */
static void units_do_not_matter(void **state) {
	(void)state;
	struct fit_points points = make_points(&besiroglu, &cluster, 0.01, 0, 2);
	struct fit_surface_result before, after;
	expect_success(fit_surface_solve(&points, NULL, &before));
	for (size_t i = 0; i < points.count; i++) {
		points.items[i].N /= 1e9;
		points.items[i].loss /= log(2);
	}
	expect_success(fit_surface_solve(&points, NULL, &after));
	assert_true(close_to(after.surface.alpha, before.surface.alpha, 1e-9));
	assert_true(close_to(after.surface.E, before.surface.E / log(2), 1e-9));
	assert_true(close_to(after.surface.A, before.surface.A / log(2) * pow(1e9, -before.surface.alpha), 1e-8));
	assert_true(close_to(after.objective, before.objective, 1e-9));
	fit_points_free(&points);
}

/* Two runs that went wrong move a robust fit of forty good ones hardly, and least squares a lot. */
static void outliers_move_it_little(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &laptop, 0, 0, 3);
	points.items[10].loss *= 1.3;
	points.items[40].loss *= 1.2;
	struct fit_surface_result result;
	expect_success(fit_surface_solve(&points, NULL, &result));
	expect_surface(&result.surface, &truth, 5e-3);
	struct table table;
	expect_success(surface_table(&points, &table));
	double x[MOST_PARAMETERS], gradient[MOST_PARAMETERS], at_truth[MOST_PARAMETERS];
	surface_centred(&table, &truth, x);
	law_sum(&law_chinchilla, &table, 1, x, gradient, NULL);
	law_sum(&law_chinchilla, &table, FIT_DELTA, x, at_truth, NULL);
	assert_true(fabs(gradient[0]) > 100 * fabs(at_truth[0])); /* what least squares would give way to */
	table_free(&table);
	fit_points_free(&points);
}

/* --------------------------------------------------------------------------------------------------- global minima --- */

/* The objective as the header defines it, from the raw parameters. */
static double objective_of(const struct fit_points *points, const struct fit_surface *surface) {
	double sum = 0;
	for (size_t i = 0; i < points->count; i++) {
		const struct fit_point *point = &points->items[i];
		double predicted = surface->E + surface->A * exp(-surface->alpha * log(point->N)) +
		                   surface->B * exp(-surface->beta * log(point->D));
		double r = fabs(log(predicted) - log(point->loss));
		sum += r <= 1e-3 ? r * r / 2 : 1e-3 * (r - 0.5e-3);
	}
	return sum;
}

static void no_start_and_no_neighbour_is_lower(void **state) {
	(void)state;
	struct rng rng = rng_make(5, "starts");
	const double noises[] = {0.002, 0.01, 0.03};
	for (int t = 0; t < 12; t++) {
		struct fit_surface truth = t % 2 ? small_surface(0.8, 0.3, 0.35) : small_surface(0.3, 0.2, 0.5);
		struct ladder_shape shape = laptop;
		shape.rungs = 4 + t % 3;
		struct fit_points points = make_points(&truth, &shape, noises[t % 3], 0, 100 + (uint64_t)t);
		struct fit_surface_result result;
		expect_success(fit_surface_solve(&points, &published_method, &result));
		assert_true(close_to(objective_of(&points, &result.surface), result.objective, 1e-9));
		assert_true(result.objective <= objective_of(&points, &truth));
		struct table table;
		expect_success(surface_table(&points, &table));
		double *work = malloc(law_work_size(&law_chinchilla, &table));
		for (int k = 0; k < 200; k++) {
			double start[MOST_PARAMETERS];
			for (int j = 0; j < 3; j++) start[j] = rng_uniform(&rng);
			for (int j = 3; j < 5; j++) start[j] = 0.02 * pow(100, rng_uniform(&rng));
			struct solution solution;
			law_refit(&law_chinchilla, &table, HELD_NONE, start, 1, GRID_NONE, work, &solution);
			assert_true(solution.objective >= result.objective * (1 - 1e-9));
		}
		/* Small steps in all directions, of all sizes, along the valleys that fits get stuck in: no parameter alone. */
		for (int k = 0; k < 4000; k++) {
			struct fit_surface at = result.surface;
			double size = pow(10, -6 + 5 * rng_uniform(&rng));
			at.E += size * rng_normal(&rng);
			double tilt = size * rng_normal(&rng), slope = size * rng_normal(&rng);
			at.alpha += tilt;
			at.beta += slope;
			at.A *= exp(tilt * table.mean_u[0] + size * rng_normal(&rng)); /* keeps the term at the centre */
			at.B *= exp(slope * table.mean_u[1] + size * rng_normal(&rng));
			if (at.E < 0) continue;
			assert_true(objective_of(&points, &at) >= result.objective * (1 - 1e-12));
		}
		free(work);
		table_free(&table);
		fit_points_free(&points);
	}
}

/* ---------------------------------------------------------------------------------------------------- certificates --- */

static void a_sound_fit_earns_its_certificate(void **state) {
	(void)state;
	struct fit_points points = make_points(&besiroglu, &cluster, 0.005, 0, 6);
	struct fit_surface_result result;
	expect_success(fit_surface_solve(&points, NULL, &result));
	const struct fit_certificate *c = &result.certificate;
	assert_true(result.converged && c->doubt == NULL);
	assert_true(c->starts >= 20 && c->agreeing == c->starts && c->spread < 1e-9);
	assert_true(c->gradient < 1e-11 && c->condition > 1 && c->design_condition > 1);
	assert_true(c->at_bound == 0 && c->moved > 1e-3);
	fit_points_free(&points);
}

static void a_vanished_term_is_not_converged(void **state) {
	(void)state;
	/* The loss does not depend on N at all. */
	struct fit_surface flat = small_surface(0.8, 0.3, 0.35);
	flat.A = 0;
	struct fit_points points = make_points(&flat, &laptop, 0, 0, 7);
	struct fit_surface_result result;
	expect_success(fit_surface_solve(&points, NULL, &result));
	assert_false(result.converged);
	assert_non_null(result.certificate.doubt);
	/* It rises with N: the term vanishes. */
	for (size_t i = 0; i < points.count; i++) points.items[i].loss *= pow(points.items[i].N, 0.01);
	expect_success(fit_surface_solve(&points, NULL, &result));
	assert_false(result.converged);
	assert_true(result.certificate.at_bound & (1u << 1 | 1u << 3));
	fit_points_free(&points);
}

static void certificates_see_a_search_cut_short(void **state) {
	(void)state;
	struct fit_points points = make_points(&besiroglu, &cluster, 0.005, 0, 8);
	struct table table;
	struct solution solution;
	struct fit_certificate certificate;
	expect_success(surface_table(&points, &table));
	expect_success(law_solve(&law_chinchilla, &table, HELD_NONE, &solution));
	law_certify(&law_chinchilla, &table, &solution, &certificate);
	assert_null(certificate.doubt);
	solution.slope = 1e-4;
	law_certify(&law_chinchilla, &table, &solution, &certificate);
	assert_non_null(certificate.doubt);
	solution.slope = 0;
	solution.agreeing = 1;
	law_certify(&law_chinchilla, &table, &solution, &certificate);
	assert_non_null(certificate.doubt);
	table_free(&table);
	fit_points_free(&points);
}

/* The reported slope is that of the raw objective, over the largest that the points could give together. */
static void the_slope_is_the_slope(void **state) {
	(void)state;
	struct fit_points points = make_points(&besiroglu, &cluster, 0.005, 0, 9);
	struct table table;
	struct solution solution;
	double gradient[MOST_PARAMETERS], largest = 0;
	expect_success(surface_table(&points, &table));
	expect_success(law_solve(&law_chinchilla, &table, HELD_NONE, &solution));
	law_sum(&law_chinchilla, &table, FIT_DELTA, solution.x, gradient, NULL);
	for (int j = 0; j < 5; j++) largest = fmax(largest, fabs(gradient[j]));
	assert_true(near(solution.slope, largest / (FIT_DELTA * (double)points.count), 1e-12));
	table_free(&table);
	fit_points_free(&points);
}

/* ---------------------------------------------------------------------------------------------------------- design --- */

static void designs_that_say_nothing_are_refused(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_surface_result result;
	struct fit_design design;
	struct fit_points points = make_points(&truth, &laptop, 0.005, 0, 10);
	expect_success(fit_design_of(&points, &design));
	assert_true(design.surface && design.sizes == 6 && design.horizons == 7 && near(design.correlation, 0, 1e-12));
	assert_true(near(design.decades_N, log10(30), 1e-12) && near(design.decades_D, log10(64), 1e-12));
	/* Rounding of horizons to whole steps makes no new horizons. */
	for (size_t i = 0; i < points.count; i++) points.items[i].D *= 1 + 0.01 * (double)(i % 2);
	expect_success(fit_design_of(&points, &design));
	assert_int_equal(design.horizons, 7);
	for (size_t i = 0; i < points.count; i++) points.items[i].D = 20 * points.items[i].N;
	expect_success(fit_design_of(&points, &design));
	assert_true(design.one_line && !design.surface && near(design.correlation, 1, 1e-9));
	expect_failure(fit_surface_solve(&points, NULL, &result), ERROR_DATA, "function of N");
	/* A second line, D = 5 N, is enough to tell the terms apart. */
	for (size_t i = 0; i < points.count; i += 2) points.items[i].D /= 4;
	expect_success(fit_design_of(&points, &design));
	assert_true(design.surface && !design.one_line);
	for (size_t i = 0; i < points.count; i++) points.items[i].D = 1e6;
	expect_success(fit_design_of(&points, &design));
	assert_true(!design.surface && design.horizons == 1);
	expect_failure(fit_surface_solve(&points, NULL, &result), ERROR_DATA, "1 horizons");
	points.count = 1;
	expect_failure(fit_surface_solve(&points, NULL, &result), ERROR_DATA, "1 points of 1 sizes");
	fit_points_free(&points);
}

/* Weight 2 is the row twice and a weight that hardly counts is the row left out: the sum, its minimum and its rms. */
static void weights_count_rows(void **state) {
	(void)state;
	struct fit_points once = make_points(&besiroglu, &cluster, 0.01, 0, 5), twice = {.rungs = once.rungs};
	twice.items = array_new(2 * once.count, sizeof *twice.items);
	assert_non_null(twice.items);
	for (size_t i = 0; i < once.count; i++) {
		struct fit_point *point = &once.items[i];
		int times = (int)(i % 3); /* 0, 1 or 2 */
		for (int k = 0; k < times; k++) twice.items[twice.count++] = *point;
		point->weight = times ? times : 1e-30;
	}
	struct fit_surface_result weighted, repeated, plain;
	expect_success(fit_surface_solve(&once, NULL, &weighted));
	expect_success(fit_surface_solve(&twice, NULL, &repeated));
	assert_true(weighted.converged && repeated.converged);
	expect_surface(&weighted.surface, &repeated.surface, 1e-7);
	assert_true(close_to(weighted.objective, repeated.objective, 1e-10));
	assert_true(close_to(weighted.rms, repeated.rms, 1e-7));
	for (size_t i = 0; i < once.count; i++) once.items[i].weight = 1;
	expect_success(fit_surface_solve(&once, NULL, &plain));
	assert_false(fabs(plain.surface.E - weighted.surface.E) < 1e-4); /* or the above says nothing */
	fit_points_free(&once);
	fit_points_free(&twice);
}

/* Nobody names a delta: it is 5 deviations of the misses, which hold that noise, in two digits; where none lies beyond, the
 * fit is that of least squares, and more exact than with the published delta. One gross error makes it 2.5 deviations, and
 * moves it less. Noise below the published delta changes nothing. */
static void delta_suits_the_noise(void **state) {
	(void)state;
	enum { TABLES = 60 };
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	const struct fit_method squares = {.objective = OBJECTIVE_LOG_SQUARES};
	double error[3] = {0}, moved[2] = {0};
	int beyond = 0;
	for (uint64_t t = 0; t < TABLES; t++) {
		struct fit_points points = make_points(&truth, &laptop, 0.01, 0, 300 + t);
		struct fit_surface_result results[3], again, spoiled[2];
		expect_success(fit_surface_solve(&points, NULL, &results[0]));
		expect_success(fit_surface_solve(&points, &squares, &results[1]));
		expect_success(fit_surface_solve(&points, &published_method, &results[2]));
		for (int k = 0; k < 3; k++) error[k] += fabs(results[k].surface.alpha - truth.alpha);
		double delta = results[0].method.delta;
		assert_true(results[0].adapted && !results[1].adapted && !results[2].adapted);
		assert_true(delta > 0.026 && delta < 0.09 && near(delta * 1e4, rint(delta * 1e3) * 10, 1e-9));
		beyond += !near(results[0].surface.alpha, results[1].surface.alpha, 1e-7);
		assert_true(near(results[0].published.surface.E, results[2].surface.E, 1e-9));
		assert_true(close_to(results[0].published.objective, results[2].objective, 1e-12));
		const struct fit_method named = {.delta = delta};
		expect_success(fit_surface_solve(&points, &named, &again)); /* whoever names it gets the same */
		assert_true(!again.adapted && again.objective == results[0].objective);
		assert_true(close_to(results[1].objective, pow(results[1].rms, 2) * (double)points.count, 1e-9));

		points.items[t % points.count].loss *= 1.15;
		expect_success(fit_surface_solve(&points, NULL, &spoiled[0]));
		expect_success(fit_surface_solve(&points, &squares, &spoiled[1]));
		for (int k = 0; k < 2; k++) moved[k] += fabs(spoiled[k].surface.alpha - results[k].surface.alpha);
		assert_true(spoiled[0].method.delta < 0.65 * delta);
		fit_points_free(&points);
	}
	assert_true(beyond < TABLES / 10 && error[0] < 1.001 * error[1] && error[2] > 1.08 * error[1]);
	assert_true(moved[0] < 0.5 * moved[1]);
	struct fit_points points = make_points(&truth, &laptop, 1e-4, 0, 1);
	struct fit_surface_result result;
	expect_success(fit_surface_solve(&points, NULL, &result));
	assert_true(result.method.delta == FIT_DELTA && result.adapted && !result.published.made);
	fit_points_free(&points);
}

/* Refits that go to the grid only where they have doubts end where searches from all of it do, also when they start in a
 * corner of the box, from where some would not come back by themselves. */
static void refits_without_doubts(void **state) {
	int lost = 0; /* that would have ended elsewhere */
	(void)state;
	for (uint64_t t = 0; t < 30; t++) {
		struct fit_surface truth = small_surface(t % 3 ? 0.8 : 0, 0.3, 0.35);
		struct fit_points points = make_points(&truth, &laptop, t % 2 ? 0.003 : 0.02, 0, 500 + t);
		struct table table;
		struct solution solution, whole, alone;
		double x[MOST_PARAMETERS];
		struct law law = law_chinchilla;
		law.criterion.delta = t % 4 < 2 ? 0.05 : 0.002;
		expect_success(surface_table(&points, &table));
		double *work = malloc(law_work_size(&law, &table));
		surface_centred(&table, &truth, x);
		if (t % 3) x[0] = 0, x[1] = 1e3, x[2] = 0, x[3] = 1e-3, x[4] = 5;
		expect_success(law_solve(&law, &table, HELD_NONE, &whole));
		law_refit(&law, &table, HELD_NONE, x, 1, GRID_NONE, work, &alone);
		law_refit(&law, &table, HELD_NONE, x, 1, GRID_DOUBT, work, &solution);
		assert_true(close_to(solution.objective, whole.objective, 1e-9));
		lost += alone.objective > 1.0001 * whole.objective;
		free(work);
		table_free(&table);
		fit_points_free(&points);
	}
	assert_true(lost > 3);
}

/* The published starts, most of them many decades from the truth, come to it to 8 digits with no noise and to the grid's
 * minimum with noise. */
static void published_starts(void **state) {
	(void)state;
	if (MEMCHECK) skip(); /* the next test runs the same lines, 4500 searches of them */
	const struct fit_surface surfaces[] = {besiroglu, {0.5, 2000, 60, 0.465, 0.155}};
	for (size_t s = 0; s < COUNT_OF(surfaces); s++) {
		struct fit_surface_result result;
		struct fit_starts starts = {0};
		struct fit_points points = make_points(&surfaces[s], &cluster, 0, 0, 1);
		expect_success(fit_surface_solve(&points, NULL, &result));
		expect_success(fit_surface_from_published_starts(&points, &result, &starts));
		expect_surface(&starts.found, &surfaces[s], 1e-8);
		assert_true(starts.count == 4500 && starts.agreeing > 4000 && !starts.lower && !starts.missed);
		fit_points_free(&points);
		points = make_points(&surfaces[s], &cluster, 0.01, 0, 7);
		expect_success(fit_surface_solve(&points, NULL, &result));
		expect_success(fit_surface_from_published_starts(&points, &result, &starts));
		assert_true(close_to(starts.objective, result.objective, 1e-9) && starts.agreeing > 3000 && result.converged);
		expect_surface(&starts.found, &result.surface, 1e-7);
		fit_points_free(&points);
	}
}

/* A minimum that is not the lowest loses its certificate. */
static void a_lower_minimum_is_found(void **state) {
	(void)state;
	struct fit_surface_result result;
	struct fit_starts starts = {0};
	struct fit_points points = make_points(&besiroglu, &laptop, 0.01, 0, 7);
	expect_success(fit_surface_solve(&points, NULL, &result));
	result.minimum *= 1.001;
	expect_success(fit_surface_from_published_starts(&points, &result, &starts));
	assert_true(starts.lower && !result.converged && strstr(result.certificate.doubt, "lower minimum"));
	fit_points_free(&points);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(derivatives_against_differences),
	    cmocka_unit_test(exact_tables_give_the_surface_back),
	    cmocka_unit_test(units_do_not_matter),
	    cmocka_unit_test(outliers_move_it_little),
	    cmocka_unit_test(no_start_and_no_neighbour_is_lower),
	    cmocka_unit_test(a_sound_fit_earns_its_certificate),
	    cmocka_unit_test(a_vanished_term_is_not_converged),
	    cmocka_unit_test(certificates_see_a_search_cut_short),
	    cmocka_unit_test(the_slope_is_the_slope),
	    cmocka_unit_test(designs_that_say_nothing_are_refused),
	    cmocka_unit_test(weights_count_rows),
	    cmocka_unit_test(refits_without_doubts),
	    cmocka_unit_test(delta_suits_the_noise),
	    cmocka_unit_test(published_starts),
	    cmocka_unit_test(a_lower_minimum_is_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
