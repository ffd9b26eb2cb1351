/* What is asked of a surface: intervals against quantiles of the refits, places beyond the table, coverage of new runs. */
#include "fit/law.h"
#include "tests/fit_fixture.h"

#include <omp.h>
#include <string.h>

static int ascending(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void intervals_are_quantiles_of_refits(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &laptop, 0.004, 0.002, 1);
	struct fit_surface_result result;
	struct fit_replicates replicates;
	struct fit_outlook outlook;
	enum { COUNT = 201 };
	double loss[COUNT], ratio[COUNT];
	expect_success(fit_surface_solve(&points, &result));
	expect_success(fit_bootstrap(&points, &result, RESAMPLE_AUTO, COUNT, 1, &replicates));
	expect_success(fit_outlook_of_budget(&points, &result.surface, &replicates, 1e15, 1, &outlook));
	struct fit_optimum optimum = fit_optimal(&result.surface, 1e15);
	assert_true(outlook.optimum && outlook.C == 1e15 && outlook.N == optimum.N && outlook.D == optimum.D);
	assert_true(close_to(outlook.loss, optimum.loss, 1e-12));
	for (int i = 0; i < COUNT; i++) {
		loss[i] = fit_surface_loss(&replicates.surfaces[i], optimum.N, optimum.D);
		struct fit_optimum of_refit = fit_optimal(&replicates.surfaces[i], 1e15);
		ratio[i] = of_refit.D / of_refit.N;
	}
	qsort(loss, COUNT, sizeof *loss, ascending);
	qsort(ratio, COUNT, sizeof *ratio, ascending);
	assert_true(close_to(outlook.mean[0].low, loss[50], 1e-12) && close_to(outlook.mean[0].high, loss[150], 1e-12));
	assert_true(close_to(outlook.mean[1].low, loss[10], 1e-12) && close_to(outlook.mean[1].high, loss[190], 1e-12));
	assert_true(close_to(outlook.D_per_N_range[1].low, ratio[10], 1e-12));
	assert_true(outlook.N_range[1].low < outlook.N && outlook.N < outlook.N_range[1].high);
	/* A new run has the noise of the law and its own, which is at least this. */
	double own = replicates.noise.point;
	assert_true(log(outlook.measurement[1].high / outlook.measurement[1].low) > 2 * 1.5 * own);
	assert_true(outlook.measurement[1].low < outlook.mean[1].low && outlook.measurement[1].high > outlook.mean[1].high);
	fit_replicates_free(&replicates);
	fit_points_free(&points);
}

static void beyond_the_table(void **state) {
	(void)state;
	struct fit_points points = make_points(&besiroglu, &cluster, 0.004, 0, 2);
	struct fit_surface_result result;
	struct fit_replicates replicates;
	struct fit_outlook inside, outside;
	expect_success(fit_surface_solve(&points, &result));
	expect_success(fit_bootstrap(&points, &result, RESAMPLE_AUTO, 100, 1, &replicates));
	expect_success(fit_outlook_at(&points, &result.surface, &replicates, 1e9, 1e10, 1, &inside));
	expect_success(fit_outlook_at(&points, &result.surface, &replicates, 1.6e11, 3e7, 1, &outside));
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
	    cmocka_unit_test(intervals_are_quantiles_of_refits),
	    cmocka_unit_test(beyond_the_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
