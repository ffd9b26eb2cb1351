/* The numeric core: exp and log against long double, the sum over blocks against a plain loop. */
#include "fit/elementary.h"
#include "fit/law.h"
#include "tests/fit_fixture.h"

#include <float.h>
#include <string.h>

/* Distance from the true value in units of the last place. */
static double units(double found, long double truth) {
	double nearest = fabs((double)truth);
	return (double)(fabsl((long double)found - truth) / (nextafter(nearest, INFINITY) - nearest));
}

static void exp_and_log_to_the_last_place(void **state) {
	(void)state;
	struct rng rng = rng_make(1, "elementary");
	const double spans[] = {1e-9, 0.1, 1, 30, 1400};
	double worst_exp = 0, worst_log = 0;
	for (size_t s = 0; s < COUNT_OF(spans); s++)
		for (int k = 0; k < 40000; k++) {
			double x = spans[s] * (rng_uniform(&rng) - 0.5), y = exp(x);
			worst_exp = fmax(worst_exp, units(exp_of(x), expl(x)));
			worst_log = fmax(worst_log, units(log_of(y), logl(y)));
		}
	assert_true(worst_exp < 1.01 && worst_log < 1.01);
	assert_true(exp_of(0) == 1 && log_of(1) == 0 && isnan(exp_of(NAN)));
	/* The ends of a binade, and of all of them. */
	const double edges[] = {
	    DBL_MIN,
	    M_SQRT1_2,
	    nextafter(M_SQRT1_2, 0),
	    1 - DBL_EPSILON / 2,
	    1 + DBL_EPSILON,
	    M_SQRT2,
	    nextafter(M_SQRT2, 2),
	    2 - DBL_EPSILON,
	    2,
	    DBL_MAX};
	for (size_t k = 0; k < COUNT_OF(edges); k++) assert_true(units(log_of(edges[k]), logl(edges[k])) < 1.01);
	/* Beyond its range exp stays finite and positive. */
	assert_true(exp_of(1e9) == exp_of(708) && exp_of(-INFINITY) == exp_of(-708) && exp_of(-708) > 0);
}

/* By the formulas of law.h, one row at a time, in the plainest way. */
static double plain_sum(
    const struct law *law, const struct table *table, double delta, const double *x, double *gradient,
    double *hessian) {
	const struct criterion *criterion = &law->criterion;
	int p = law_parameters(law);
	double sum = 0;
	memset(gradient, 0, sizeof(double) * MOST_PARAMETERS);
	memset(hessian, 0, sizeof(double) * MOST_PARAMETERS * MOST_PARAMETERS);
	for (size_t i = 0; i < table->count; i++) {
		double slope[MOST_PARAMETERS], bend[MOST_PARAMETERS * MOST_PARAMETERS], rho, first, second;
		double loss = law->predict(x, table->u + i * (size_t)table->variables, slope, bend);
		bool raw = criterion->kind == OBJECTIVE_SQUARES;
		double r = raw ? loss - exp(table->y[i]) : log(loss) - table->y[i], size = fabs(r);
		if (raw || criterion->kind == OBJECTIVE_LOG_SQUARES) {
			rho = r * r / 2, first = r, second = 1;
		} else {
			double unit = criterion->kind == OBJECTIVE_HUBER ? 1 : (r > 0 ? criterion->over : criterion->under) / delta;
			rho = unit * (size <= delta ? r * r / 2 : delta * (size - delta / 2));
			first = unit * (size <= delta ? r : copysign(delta, r));
			second = size <= delta ? unit : 0;
		}
		sum += table->weight[i] * rho;
		for (int j = 0; j < p; j++) {
			double rj = raw ? slope[j] : slope[j] / loss;
			gradient[j] += table->weight[i] * first * rj;
			for (int k = 0; k < p; k++) {
				double rk = raw ? slope[k] : slope[k] / loss;
				double rjk = raw ? bend[j * p + k] : bend[j * p + k] / loss - rj * rk;
				hessian[j * p + k] += table->weight[i] * (second * rj * rk + first * rjk);
			}
		}
	}
	return sum;
}

static void blocks_against_a_plain_loop(void **state) {
	(void)state;
	struct rng rng = rng_make(2, "weights");
	for (int rows = 1; rows <= 15; rows += 2) {
		struct ladder_shape shape = {rows, 9, 4e7, 400, 3e8, 300}; /* 9 to 135 rows: blocks full and not */
		if (rows == 1) shape.rungs = 2;
		struct fit_points points = make_points(&besiroglu, &shape, 0.01, 0.01, (uint64_t)rows);
		struct table table;
		expect_success(surface_table(&points, &table));
		for (size_t i = 0; i < table.count; i++) table.weight[i] = rng_below(&rng, 4) * 0.7;
		double centred[MOST_PARAMETERS] = {0};
		surface_centred(&table, &hoffmann, centred);
		const struct law *laws[] = {&law_chinchilla, &law_power_of_two};
		for (size_t l = 0; l < COUNT_OF(laws); l++)
			for (enum fit_objective kind = OBJECTIVE_HUBER; kind <= OBJECTIVE_ASYMMETRIC; kind++)
				for (double delta = 1e-3; delta < 1; delta *= 30) {
					struct law law = *laws[l];
					law.criterion = (struct criterion){kind, delta, 3, 0.5, false};
					double x[MOST_PARAMETERS] = {1.02, 0.2, 0.1};
					if (l == 0) memcpy(x, centred, sizeof x);
					double gradient[MOST_PARAMETERS], hessian[MOST_PARAMETERS * MOST_PARAMETERS];
					double slopes[MOST_PARAMETERS], bends[MOST_PARAMETERS * MOST_PARAMETERS];
					int p = law_parameters(&law);
					double sum = law_sum(&law, &table, delta, x, gradient, hessian);
					assert_true(close_to(sum, plain_sum(&law, &table, delta, x, slopes, bends), 1e-12));
					assert_true(sum == law_sum(&law, &table, delta, x, NULL, NULL));
					double most = 0, steep = 0;
					for (int j = 0; j < p * p; j++) most = fmax(most, fabs(bends[j]));
					for (int j = 0; j < p; j++) steep = fmax(steep, fabs(slopes[j]));
					for (int j = 0; j < p; j++) assert_true(near(gradient[j], slopes[j], 1e-12 * steep));
					for (int j = 0; j < p * p; j++) assert_true(near(hessian[j], bends[j], 1e-12 * (most + steep)));
				}
		table_free(&table);
		fit_points_free(&points);
	}
}

/* A prediction that is no positive number makes the sum infinite, unless its row has no weight. */
static void what_cannot_be_summed(void **state) {
	(void)state;
	struct fit_points points = make_points(&besiroglu, &cluster, 0.01, 0, 3);
	struct table table;
	expect_success(surface_table(&points, &table));
	double x[MOST_PARAMETERS] = {-0.5, 0.4, 0.4, 0.3, 0.3};
	assert_true(isinf(law_sum(&law_chinchilla, &table, 1e-3, x, NULL, NULL)));
	assert_true(isinf(law_mean_miss(&law_chinchilla, &table, x, false)));
	x[0] = NAN;
	assert_true(isinf(law_sum(&law_chinchilla, &table, 1e-3, x, NULL, NULL)));
	x[0] = -0.5;
	for (size_t i = 0; i < table.count; i++)
		table.weight[i] = law_chinchilla.predict(x, table.u + 2 * i, NULL, NULL) > 0 ? 1 : 0;
	double sum = law_sum(&law_chinchilla, &table, 1e-3, x, NULL, NULL), plain = 0, weight = 0;
	for (size_t i = 0; i < table.count; i++) {
		if (table.weight[i] == 0) continue;
		double size = fabs(log(law_chinchilla.predict(x, table.u + 2 * i, NULL, NULL)) - table.y[i]);
		plain += size;
		weight += 1;
	}
	assert_true(weight > 5 && weight < 60 && close_to(sum, 1e-3 * (plain - 5e-4 * weight), 1e-6));
	assert_true(close_to(law_mean_miss(&law_chinchilla, &table, x, false), plain / weight, 1e-12));
	table_free(&table);
	fit_points_free(&points);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(exp_and_log_to_the_last_place),
	    cmocka_unit_test(blocks_against_a_plain_loop),
	    cmocka_unit_test(what_cannot_be_summed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
