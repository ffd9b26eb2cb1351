/* Intervals hold the truth as often as they say: a small study with fixed seeds; 'make coverage-study' is the large one. */
#include "tests/coverage.h"

static void expect_coverage(const struct coverage_case *of) {
	struct coverage found = coverage_of(of, COVERAGE_TABLES, 100);
	for (int k = 0; k < COVERED; k++) {
		bool good = found.inside[k] >= COVERAGE_FEWEST && found.inside[k] <= COVERAGE_MOST;
		if (!good) print_error("%s: %d of %d hold quantity %d\n", of->name, found.inside[k], COVERAGE_TABLES, k);
		assert_true(good);
	}
	assert_int_equal(found.converged, COVERAGE_TABLES);
	for (int k = 0; k < COVER_RUN; k++) assert_true(found.error[k] <= 1.001 * found.squares[k]);
}

static void with_a_floor(void **state) {
	(void)state;
	expect_coverage(
	    &(struct coverage_case){"chinchilla", {1.69, 406.4, 410.7, 0.34, 0.28}, 1e6, 2e7, 3, 0.005, DESIGN_GRID, 5});
}

/* At E = 0 quantiles of refits lie above the truth of a prediction in a quarter of tables. */
static void without_a_floor(void **state) {
	(void)state;
	struct fit_surface truth = {0, 3.7 * pow(1e6, 0.34), 3.7 * pow(2e7, 0.28), 0.34, 0.28};
	expect_coverage(&(struct coverage_case){"flat", truth, 1e6, 2e7, 3, 0.005, DESIGN_SCATTERED, 5});
}

/* Over six decades the largest runs come down to the floor: some measure less than it. */
static void with_runs_below_the_floor(void **state) {
	(void)state;
	struct fit_surface truth = {1.69, 3.7 * pow(1e6, 0.34), 0.2 * pow(2e7, 0.28), 0.34, 0.28};
	expect_coverage(&(struct coverage_case){"low", truth, 1e6, 2e7, 6, 0.02, DESIGN_GRID, 6});
}

int main(void) {
	omp_set_num_threads(2);
	omp_set_max_active_levels(1);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(with_a_floor),
	    cmocka_unit_test(without_a_floor),
	    cmocka_unit_test(with_runs_below_the_floor),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
