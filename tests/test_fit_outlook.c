/* What is asked of a surface: intervals against quantiles of the refits, places beyond the table, coverage of new runs. */
#include "fit/law.h"
#include "tests/fit_fixture.h"

#include <omp.h>
#include <string.h>

static int ascending(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Where the optimum lies: quantiles of the refits' own optima. */
static void optima_are_quantiles_of_refits(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &laptop, 0.004, 0.002, 1);
	struct fit_surface_result result;
	struct fit_replicates replicates;
	struct fit_outlook outlook;
	enum { COUNT = 201 };
	double N[COUNT], ratio[COUNT];
	expect_success(fit_surface_solve(&points, NULL, &result));
	expect_success(fit_bootstrap(&points, &result, RESAMPLE_AUTO, COUNT, 1, &replicates));
	expect_success(fit_outlook_of_budget(&points, &result, &replicates, 1e15, 1, &outlook));
	struct fit_optimum optimum = fit_optimal(&result.surface, 1e15);
	assert_true(outlook.optimum && outlook.C == 1e15 && outlook.N == optimum.N && outlook.D == optimum.D);
	assert_true(close_to(outlook.loss, optimum.loss, 1e-12));
	for (int i = 0; i < COUNT; i++) {
		struct fit_optimum of_refit = fit_optimal(&replicates.surfaces[i], 1e15);
		N[i] = of_refit.N;
		ratio[i] = of_refit.D / of_refit.N;
	}
	qsort(N, COUNT, sizeof *N, ascending);
	qsort(ratio, COUNT, sizeof *ratio, ascending);
	assert_true(close_to(outlook.N_range[0].low, N[50], 1e-12) && close_to(outlook.N_range[0].high, N[150], 1e-12));
	assert_true(close_to(outlook.D_per_N_range[1].low, ratio[10], 1e-12));
	assert_true(close_to(outlook.D_per_N_range[1].high, ratio[190], 1e-12));
	assert_true(outlook.measurement[1].low < outlook.mean[1].low && outlook.measurement[1].high > outlook.mean[1].high);
	fit_replicates_free(&replicates);
	fit_points_free(&points);
}

/* Where errors are far below delta the fit is least squares, and with a floor far above zero nearly linear: then
 *     loss +- t s sqrt(g'(J'J)^-1 g)        and, for a new run,        loss +- t s sqrt(1 + g'(J'J)^-1 g)
 * in ln loss, g its derivatives, J those of the rows, s^2 the residual variance, t Student's quantile (Seber and Wild 1989,
 * Nonlinear Regression, 5.1). */
static void least_squares_intervals(void **state) {
	(void)state;
	struct fit_points points = make_points(&besiroglu, &cluster, 5e-5, 0, 2);
	for (size_t i = 0; i < points.count; i++) points.items[i].rung = (int)i % 3; /* errors of points alone */
	points.rungs = 3;
	struct fit_surface_result result;
	struct fit_replicates replicates;
	struct fit_outlook outlook;
	const double N = 1e11, D = 1e12;
	expect_success(fit_surface_solve(&points, NULL, &result));
	expect_success(fit_bootstrap(&points, &result, RESAMPLE_AUTO, 400, 1, &replicates));
	expect_success(fit_outlook_at(&points, &result, &replicates, N, D, 1, &outlook));
	double system[5][6] = {{0}}, at[5], squares = 0, leverage = 0;
	for (size_t i = 0; i <= points.count; i++) {
		const struct fit_surface *law = &result.surface;
		const double n = i < points.count ? points.items[i].N : N, d = i < points.count ? points.items[i].D : D;
		double loss = fit_surface_loss(law, n, d), A = law->A * pow(n, -law->alpha), B = law->B * pow(d, -law->beta);
		double g[5] = {1 / loss, A / loss, B / loss, A / loss * (log(n) - 20), B / loss * (log(d) - 22)};
		if (i == points.count) memcpy(at, g, sizeof at);
		if (i == points.count) break;
		squares += pow(log(points.items[i].loss / loss), 2);
		for (int j = 0; j < 5; j++)
			for (int k = 0; k < 5; k++) system[j][k] += g[j] * g[k];
	}
	for (int j = 0; j < 5; j++) system[j][5] = at[j];
	for (int j = 0; j < 5; j++)
		for (int row = 0; row < 5; row++) {
			double factor = row == j ? 0 : system[row][j] / system[j][j];
			for (int k = 0; k < 6; k++) system[row][k] -= factor * system[j][k];
		}
	for (int j = 0; j < 5; j++) leverage += at[j] * system[j][5] / system[j][j];
	double s = sqrt(squares / (double)(points.count - 5));
	for (int k = 0; k < FIT_OUTLOOK_LEVELS; k++) {
		double t = student_quantile((1 + fit_outlook_levels[k]) / 2, (double)points.count - 5);
		double law = t * s * sqrt(leverage), run = t * s * sqrt(1 + leverage);
		/* Quantiles of 400 are good to a tenth. */
		assert_true(close_to(log(outlook.mean[k].high / outlook.mean[k].low), 2 * law, 0.15));
		assert_true(close_to(log(outlook.measurement[k].high / outlook.measurement[k].low), 2 * run, 0.15));
		assert_true(near(log(outlook.mean[k].high / outlook.loss), law, 0.2 * law));
		assert_true(near(log(outlook.measurement[k].low / outlook.loss), -run, 0.2 * run));
	}
	fit_replicates_free(&replicates);
	fit_points_free(&points);
}

static void beyond_the_table(void **state) {
	(void)state;
	struct fit_points points = make_points(&besiroglu, &cluster, 0.004, 0, 2);
	struct fit_surface_result result;
	struct fit_replicates replicates;
	struct fit_outlook inside, outside;
	expect_success(fit_surface_solve(&points, NULL, &result));
	expect_success(fit_bootstrap(&points, &result, RESAMPLE_AUTO, 100, 1, &replicates));
	expect_success(fit_outlook_at(&points, &result, &replicates, 1e9, 1e10, 1, &inside));
	expect_success(fit_outlook_at(&points, &result, &replicates, 1.6e11, 3e7, 1, &outside));
	assert_true(inside.decades_N == 0 && inside.decades_D == 0 && !inside.optimum && inside.C == 6e19);
	assert_true(near(outside.decades_N, 1, 1e-9) && near(outside.decades_D, 1, 1e-9)); /* above, and below */
	assert_true(
	    (outside.mean[1].high - outside.mean[1].low) / outside.loss >
	    3 * (inside.mean[1].high - inside.mean[1].low) / inside.loss);
	fit_replicates_free(&replicates);
	fit_points_free(&points);
}

int main(void) {
	omp_set_num_threads(1);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(optima_are_quantiles_of_refits),
	    cmocka_unit_test(least_squares_intervals),
	    cmocka_unit_test(beyond_the_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
