/* The optimum, isoFLOP parabolas and lines: against brute force, closed forms and published tables. */
#include "tests/fit_fixture.h"

#include <string.h>

/* ------------------------------------------------------------------------------------------------------- optimum --- */

static double loss_at(const struct fit_surface *surface, double C, double log_N) {
	return fit_surface_loss(surface, exp(log_N), C / 6 / exp(log_N));
}

static void optima_against_a_search(void **state) {
	(void)state;
	struct rng rng = rng_make(1, "optimum");
	for (int round = 0; round < 200; round++) {
		struct fit_surface surface = {
		    rng_uniform(&rng), exp(4 * rng_uniform(&rng) + 2), exp(4 * rng_uniform(&rng) + 3),
		    0.1 + 0.6 * rng_uniform(&rng), 0.1 + 0.6 * rng_uniform(&rng)};
		double C = pow(10, 10 + 12 * rng_uniform(&rng)), low = -60, high = 120;
		/* Golden section: the loss along a budget has one minimum. Losses alone cannot place it better than 1e-7. */
		for (int k = 0; k < 200; k++) {
			double left = high - 0.618034 * (high - low), right = low + 0.618034 * (high - low);
			bool go_right = loss_at(&surface, C, left) > loss_at(&surface, C, right);
			*(go_right ? &low : &high) = go_right ? left : right;
		}
		struct fit_optimum found = fit_optimal(&surface, C);
		assert_true(near(log(found.N), (low + high) / 2, 1e-5));
		assert_true(close_to(6 * found.N * found.D, C, 1e-12));
		assert_true(close_to(found.loss, loss_at(&surface, C, (low + high) / 2), 1e-12));
		assert_true(close_to(found.loss, fit_surface_loss(&surface, found.N, found.D), 1e-12));
		/* Spending fit_halving times as much halves what is reducible. */
		double more = fit_optimal(&surface, C * fit_halving(&surface, FIT_C)).loss - surface.E;
		assert_true(near(more, (found.loss - surface.E) / 2, 1e-9 * (found.loss - surface.E)));
		double N = 1e5, D = 1e7, N_term = surface.A * pow(N, -surface.alpha),
		       D_term = surface.B * pow(D, -surface.beta);
		double with_N = fit_surface_loss(&surface, N * fit_halving(&surface, FIT_N), D);
		double with_D = fit_surface_loss(&surface, N, D * fit_halving(&surface, FIT_D));
		assert_true(close_to(with_N, surface.E + N_term / 2 + D_term, 1e-12));
		assert_true(close_to(with_D, surface.E + N_term + D_term / 2, 1e-12));
	}
	/* Prefactors beyond a double's range in between must not spoil an optimum within it. */
	struct fit_surface flat = {1, 1e10, 1e10, 0.01, 0.01};
	assert_true(close_to(fit_optimal(&flat, 6e200).N, 1e100, 1e-9));
}

/* The published exponents: a of Hoffmann's rounded surface is .28/.62, of Besiroglu's .3658/.7136. */
static void allocation_table(void **state) {
	(void)state;
	struct fit_points points = make_points(&besiroglu, &cluster, 0, 0, 1);
	struct fit_surface three[3] = {besiroglu, besiroglu, besiroglu};
	three[0].beta = 0.3;
	three[2].beta = 0.5;
	double zero[3] = {0};
	struct fit_replicates replicates = {.count = 3, .surfaces = three, .scale = zero};
	struct fit_allocation found;
	expect_success(fit_allocate(&points, &besiroglu, &replicates, &found));
	assert_true(close_to(found.a, 0.3658 / 0.7136, 1e-12) && close_to(found.a + found.b, 1, 1e-15));
	assert_true(close_to(fit_optimal(&besiroglu, 6e20).N, found.G * pow(1e20, found.a), 1e-9));
	/* Type 7 quantiles of three values: a tenth of the way from the outer ones to the middle one. */
	double low = 0.3 / 0.6478, high = 0.5 / 0.8478;
	assert_true(close_to(found.a_interval.low, 0.9 * low + 0.1 * found.a, 1e-12));
	assert_true(close_to(found.a_interval.high, 0.9 * high + 0.1 * found.a, 1e-12));
	/* C = 6 N D of the table runs from 7.2e16 to 8.64e21: four decades inside, one beyond. */
	assert_int_equal(found.count, 6);
	for (size_t i = 0; i < found.count; i++) {
		assert_true(close_to(found.rows[i].optimum.C, pow(10, 17 + (double)i), 1e-12));
		assert_true(found.rows[i].N.low < found.rows[i].optimum.N && found.rows[i].optimum.N < found.rows[i].N.high);
		bool outside = found.rows[i].optimum.N > 1.6e10 || found.rows[i].optimum.D > 9e10 ||
		               found.rows[i].optimum.N < 4e7 || found.rows[i].optimum.D < 3e8;
		assert_true(found.rows[i].extrapolated == (outside || i == 5));
		assert_true(found.rows[i].determined);
	}
	fit_allocation_free(&found);

	three[1] = three[2] = (struct fit_surface){1, 1e300, 1e-300, 1e-3, 1e-3}; /* N* is beyond the range of numbers */
	expect_success(fit_allocate(&points, &besiroglu, &replicates, &found));
	for (size_t i = 0; i < found.count; i++) assert_false(found.rows[i].determined);
	fit_allocation_free(&found);
	/* Without the points beyond 1e20 the optima at 1e20 and 1e21 are within the N and the D of the others, and still beyond
	 * what was trained. */
	size_t kept = 0;
	for (size_t i = 0; i < points.count; i++)
		if (points.items[i].C < 0.9e20) points.items[kept++] = points.items[i];
	points.count = kept;
	expect_success(fit_allocate(&points, &besiroglu, &replicates, &found));
	assert_int_equal(found.count, 4);
	assert_true(!found.rows[2].extrapolated && found.rows[3].extrapolated);
	assert_true(found.rows[3].optimum.N < 8e9 && found.rows[3].optimum.D < 3e10);
	fit_allocation_free(&found);
	fit_points_free(&points);
}

/* -------------------------------------------------------------------------------------------------------- parabolas --- */

static void parabolas_by_their_normal_equations(void **state) {
	(void)state;
	struct rng rng = rng_make(2, "parabola");
	for (int round = 0; round < 200; round++) {
		size_t n = 3 + rng_below(&rng, 10);
		double x[12], y[12], c[3], sums[3] = {0};
		for (size_t i = 0; i < n; i++) {
			x[i] = 20 + (double)i + 0.5 * rng_uniform(&rng); /* ln of parameter counts: far from zero */
			y[i] = 2 + rng_uniform(&rng);
		}
		fit_parabola(x, y, n, c);
		for (size_t i = 0; i < n; i++) {
			double residual = y[i] - (c[0] + x[i] * (c[1] + x[i] * c[2]));
			for (int k = 0; k < 3; k++) sums[k] += residual * pow(x[i] - 25, k);
		}
		for (int k = 0; k < 3; k++) assert_true(near(sums[k], 0, 1e-8));
		double vertex = 21 + 5 * rng_uniform(&rng), curve = 0.01 + rng_uniform(&rng);
		for (size_t i = 0; i < n; i++) y[i] = 3 + curve * (x[i] - vertex) * (x[i] - vertex);
		fit_parabola(x, y, n, c);
		assert_true(near(-c[1] / 2 / c[2], vertex, 1e-8) && near(c[0] - c[1] * c[1] / 4 / c[2], 3, 1e-8));
	}
}

/* How far D* at 1e24 is off, in percent, when parabolas through 15 points within a factor of `width` of the optimum at five
 * budgets from 1e17 to 1e21 are extrapolated: the bias that the method has without any noise. */
static double parabola_bias(const struct fit_surface *surface, double width) {
	double log_C[5], log_D[5], slope, intercept;
	for (int b = 0; b < 5; b++) {
		double x[15], y[15], c[3], C = pow(10, 17 + b);
		for (int i = 0; i < 15; i++) {
			x[i] = log(fit_optimal(surface, C).N) + log(width) * (i - 7) / 7.0;
			y[i] = fit_surface_loss(surface, exp(x[i]), C / 6 / exp(x[i]));
		}
		fit_parabola(x, y, 15, c);
		log_C[b] = log(C);
		log_D[b] = log(C / 6) + c[1] / 2 / c[2];
	}
	fit_line(log_C, log_D, NULL, 5, &slope, &intercept);
	return 100 * (exp(intercept + slope * log(1e24)) / fit_optimal(surface, 1e24).D - 1);
}

static void the_bias_of_parabolas_is_the_known_one(void **state) {
	(void)state;
	const double widths[] = {2, 4, 8, 16}, chinchilla[] = {-0.33, -1.30, -2.90, -5.10};
	const double asymmetric[] = {-1.67, -6.50, -13.91, -23.12};
	struct fit_surface other = hoffmann;
	other.alpha = 0.465;
	other.beta = 0.155;
	for (size_t i = 0; i < COUNT_OF(widths); i++) {
		assert_true(near(parabola_bias(&hoffmann, widths[i]), chinchilla[i], 0.006));
		assert_true(near(parabola_bias(&other, widths[i]), asymmetric[i], 0.006));
	}
}

/* ----------------------------------------------------------------------------------------------------------- isoFLOP --- */

static void budgets_read_the_surface(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct ladder_shape shape = laptop;
	shape.horizons = 13; /* twice as dense */
	struct fit_points points = make_points(&truth, &shape, 0, 0, 3);
	struct fit_isoflops found;
	expect_success(fit_isoflop(&points, &found));
	assert_int_equal(found.count, 6);
	for (size_t b = 0; b < found.count; b++) {
		const struct fit_isoflop *budget = &found.items[b];
		assert_true(budget->count >= 4 && (b == 0 || budget->C > found.items[b - 1].C));
		for (size_t k = 0; k < budget->count; k++) {
			const struct fit_optimum *at = &budget->points[k];
			assert_true(close_to(6 * at->N * at->D, budget->C, 1e-12));
			assert_true(at->D > 1e6 * (1 - 1e-9) && at->D < 64e6 * (1 + 1e-9)); /* read off, not extrapolated */
			assert_true(close_to(at->loss, fit_surface_loss(&truth, at->N, at->D), 2e-4));
			assert_true(k == 0 || at->N > budget->points[k - 1].N);
		}
		if (!budget->has_minimum) continue;
		/* A parabola in ln N over such a width is itself off by some tenths of N*, as measured above. */
		assert_true(near(log(budget->minimum.N), log(fit_optimal(&truth, budget->C).N), 0.35));
		assert_true(close_to(6 * budget->minimum.N * budget->minimum.D, budget->C, 1e-12));
	}
	assert_true(near(found.a, 0.35 / 0.65, 0.06));
	fit_isoflops_free(&found);
	fit_points_free(&points);
}

/* Reading between two points never leaves them, even where the loss rises for a while. Seeds are averaged. */
static void interpolation_is_monotone(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	for (uint64_t seed = 0; seed < 40; seed++) {
		struct fit_points points = make_points(&truth, &laptop, 0.1, 0, 10 + seed);
		struct fit_isoflops found;
		expect_success(fit_isoflop(&points, &found));
		for (size_t b = 0; b < found.count; b++)
			for (size_t k = 0; k < found.items[b].count; k++) {
				const struct fit_optimum *at = &found.items[b].points[k];
				double below = NAN, above = NAN; /* the losses on both sides in D */
				for (size_t i = 0; i < points.count; i++) {
					const struct fit_point *point = &points.items[i];
					if (fabs(point->N / at->N - 1) > 1e-9) continue;
					if (point->D <= at->D * (1 + 1e-9)) below = point->loss;
					if (point->D >= at->D * (1 - 1e-9) && isnan(above)) above = point->loss;
				}
				assert_true(at->loss >= fmin(below, above) * (1 - 1e-9) && at->loss <= fmax(below, above) * (1 + 1e-9));
			}
		fit_isoflops_free(&found);
		fit_points_free(&points);
	}
	struct fit_points twice = make_points(&truth, &laptop, 0, 0, 1);
	struct fit_isoflops once, both;
	expect_success(fit_isoflop(&twice, &once));
	struct fit_points seeds = {.count = 2 * twice.count, .items = array_new(2 * twice.count, sizeof *seeds.items)};
	for (size_t i = 0; i < twice.count; i++) {
		seeds.items[2 * i] = seeds.items[2 * i + 1] = twice.items[i];
		seeds.items[2 * i].loss *= 1.01;
		seeds.items[2 * i + 1].loss /= 1.01;
	}
	expect_success(fit_isoflop(&seeds, &both));
	assert_int_equal(both.count, once.count);
	for (size_t b = 0; b < both.count; b++)
		assert_true(close_to(both.items[b].points[1].loss, once.items[b].points[1].loss, 1e-12));
	fit_isoflops_free(&once);
	fit_isoflops_free(&both);
	fit_points_free(&seeds);
	fit_points_free(&twice);
}

static void minima_at_the_edge_are_told(void **state) {
	(void)state;
	/* All sizes far above the optimum of their budgets: the smallest is always best. */
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	truth.A /= 30;
	struct fit_points points = make_points(&truth, &laptop, 0, 0, 1);
	struct fit_isoflops found;
	expect_success(fit_isoflop(&points, &found));
	assert_true(found.count > 0 && found.a_budgets == 0 && isnan(found.a));
	for (size_t b = 0; b < found.count; b++) assert_true(found.items[b].edge);
	fit_isoflops_free(&found);
	/* Two sizes make no parabola. */
	points.count = 14;
	expect_success(fit_isoflop(&points, &found));
	assert_int_equal(found.count, 0);
	fit_isoflops_free(&found);
	fit_points_free(&points);
}

/* Nine intervals in ten hold what the method gives without noise: of 80 tables 80 to 98 %. */
static void slopes_have_intervals(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points exact = make_points(&truth, &laptop, 0, 0, 1);
	struct fit_isoflops found;
	struct fit_noise noise = {.point = 0.003, .rung = NAN};
	struct fit_interval interval;
	expect_success(fit_isoflop(&exact, &found));
	double expected = found.a;
	fit_isoflops_free(&found);
	fit_points_free(&exact);
	int inside = 0;
	for (uint64_t t = 0; t < 80; t++) {
		struct fit_points points = make_points(&truth, &laptop, 0.003, 0, 40 + t);
		expect_success(fit_isoflop(&points, &found));
		expect_success(fit_isoflop_interval(&points, &truth, &noise, found.a, 100, t, &interval));
		assert_true(interval.low < interval.high);
		inside += interval.low <= expected && expected <= interval.high;
		fit_isoflops_free(&found);
		fit_points_free(&points);
	}
	assert_in_range(inside, 64, 78);
	/* Errors that rungs share count too. */
	struct fit_points points = make_points(&truth, &laptop, 0.003, 0, 1);
	struct fit_interval wider;
	noise.rung = 0.006;
	expect_success(fit_isoflop_interval(&points, &truth, &noise, 0.5, 100, 1, &wider));
	assert_true(wider.high - wider.low > 1.5 * (interval.high - interval.low));
	expect_success(fit_isoflop_interval(&points, &truth, &noise, NAN, 100, 1, &wider));
	assert_true(isnan(wider.low) && isnan(wider.high));
	fit_points_free(&points);
}

/* ------------------------------------------------------------------------------------------------- published tables --- */

static bool have(const char *path) {
	if (file_exists(path)) return true;
	print_message("# %s is not here\n", path);
	return false;
}

/* The cells of column `wanted` among lines of a comma-separated file without quotes; the text is the caller's. */
static char *read_table(const char *path) {
	struct text text = {0};
	expect_success(file_read(path, 1 << 22, &text));
	return text.data;
}

static double cell(const char *line, int index) {
	for (; index > 0; index--) line = strchr(line, ',') + 1;
	return strtod(line, NULL);
}

#define NANOCHAT "../shared/data/nanochat_log_jan26.csv"
#define PORIAN "../shared/data/porian_optimal_pairs.csv"

static void exponents_of_nanochat(void **state) {
	(void)state;
	if (!have(NANOCHAT)) skip();
	static const struct {
		const char *convention;
		double N, D;
	} expected[] = {{"kaplan", .536, .489}, {"chinchilla", .375, .501}, {"transformer", .697, .406}};
	char *text = read_table(NANOCHAT);
	int found = 0;
	for (size_t k = 0; k < COUNT_OF(expected); k++) {
		double x[8], y[2][8], slope, intercept;
		size_t n = 0;
		for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
			if (strncmp(line, expected[k].convention, strlen(expected[k].convention)) != 0) continue;
			x[n] = log(cell(line, 1));
			for (int c = 0; c < 2; c++) y[c][n] = log(cell(line, 2 + c));
			n++;
		}
		if (n == 0) continue;
		assert_int_equal(n, 4);
		fit_line(x, y[0], NULL, n, &slope, &intercept);
		assert_true(near(slope, expected[k].N, 6e-4));
		fit_line(x, y[1], NULL, n, &slope, &intercept);
		assert_true(near(slope, expected[k].D, 6e-4));
		found++;
	}
	assert_int_equal(found, 3);
	free(text);
}

static void exponents_of_porian(void **state) {
	(void)state;
	if (!have(PORIAN)) skip();
	const double expected[] = {.83530, .70647, .60204, .57149, .49690};
	char *text = read_table(PORIAN);
	bool seen[COUNT_OF(expected)] = {false};
	/* Rows of one configuration stand together; it is the first six columns. */
	for (const char *line = strchr(text, '\n') + 1; *line;) {
		double x[64], y[64], weight[64], slope, intercept;
		const char *end = line;
		for (int c = 0; c < 6; c++) end = strchr(end, ',') + 1;
		size_t length = (size_t)(end - line), n = 0;
		for (const char *first = line; *line && strncmp(line, first, length) == 0; line = strchr(line, '\n') + 1) {
			double deviation = cell(line, 11);
			if (!(deviation > 0)) continue; /* one row of a configuration has none */
			x[n] = log(cell(line, 6));
			y[n] = log(cell(line, 7));
			weight[n++] = 1 / (deviation * deviation);
		}
		fit_line(x, y, weight, n, &slope, &intercept);
		for (size_t k = 0; k < COUNT_OF(expected); k++) seen[k] = seen[k] || fabs(slope - expected[k]) < 5.1e-6;
	}
	for (size_t k = 0; k < COUNT_OF(expected); k++) assert_true(seen[k]);
	free(text);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(optima_against_a_search),
	    cmocka_unit_test(allocation_table),
	    cmocka_unit_test(parabolas_by_their_normal_equations),
	    cmocka_unit_test(the_bias_of_parabolas_is_the_known_one),
	    cmocka_unit_test(budgets_read_the_surface),
	    cmocka_unit_test(interpolation_is_monotone),
	    cmocka_unit_test(minima_at_the_edge_are_told),
	    cmocka_unit_test(slopes_have_intervals),
	    cmocka_unit_test(exponents_of_nanochat),
	    cmocka_unit_test(exponents_of_porian),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
