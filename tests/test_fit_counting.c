/* The same runs counted in several ways: exponents by brute force, and what is known of them. */
#include "fit/approach.h"
#include "tests/fit_fixture.h"

#include <omp.h>
#include <string.h>

/* Runs of the laptop ladder whose table counts N, N with a head of 3000 sqrt(N) / 80, and operations of 11 N^1.2 a token. */
static struct fit_points counted(const struct fit_surface *truth, double noise, struct text *table) {
	struct fit_points made = make_points(truth, &laptop, noise, 0, 5), points;
	text_add_string(table, "N,D,loss,all,flops,bad\n");
	for (size_t i = 0; i < made.count; i++) {
		const struct fit_point *at = &made.items[i];
		text_add(
		    table, "%.17g,%.17g,%.17g,%.17g,%.17g,%s\n", at->N, at->D, at->loss, at->N + 40 * sqrt(at->N),
		    11 * pow(at->N, 1.2) * at->D, i == 3 ? "-1" : "1");
	}
	fit_points_free(&made);
	static const struct fit_extra extra[] = {{"N", "x"}, {"all", "x"}, {"flops", "x"}, {"bad", "x"}};
	const struct fit_input input = {.extra = extra, .extra_count = 4};
	expect_success(fit_points_parse("t.csv", table->data, table->length, &input, &points));
	return points;
}

/* ln N of the least loss when a token costs 11 N^1.2 operations. */
static double best_log_N(const struct fit_surface *surface, double C) {
	double low = 0, high = 40;
	for (int k = 0; k < 200; k++) {
		double left = high - 0.618034 * (high - low), right = low + 0.618034 * (high - low);
		double at_left = fit_surface_loss(surface, exp(left), C / 11 * exp(-1.2 * left));
		double at_right = fit_surface_loss(surface, exp(right), C / 11 * exp(-1.2 * right));
		*(at_left > at_right ? &low : &high) = at_left > at_right ? left : right;
	}
	return (low + high) / 2;
}

static void exponents_by_convention(void **state) {
	(void)state;
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct text table = {0};
	struct fit_points points = counted(&truth, 0.001, &table);
	const struct counting_name names[] = {{"hidden", "N", false}, {"all", "all", false}, {"exact", "flops", true}};
	struct counting_input input = {0};
	struct counting found;
	struct fit fit = {.points = &points, .options = {.replicates = 100, .seed = 1}};
	expect_success(counting_from_columns("t.csv", &points, names, 3, 0, &input));
	assert_true(input.N_count == 2 && input.C_count == 1);
	expect_success(fit_count_all(&fit, &input, &found));
	assert_int_equal(found.count, 4);
	const char *expected[4][2] = {{"hidden", "6ND"}, {"hidden", "exact"}, {"all", "6ND"}, {"all", "exact"}};
	for (int i = 0; i < 4; i++) {
		const struct counting_row *row = &found.rows[i];
		assert_string_equal(row->N, expected[i][0]);
		assert_string_equal(row->C, expected[i][1]);
		assert_true(row->converged && row->alpha.low < row->surface.alpha && row->surface.alpha < row->alpha.high);
		assert_true(row->a_interval.low < row->a && row->a < row->a_interval.high && row->E.low < row->E.high);
	}
	/* The fit of each N is that of a table with that N; compute does not enter it. */
	for (int k = 0; k < 2; k++) {
		struct fit_surface_result alone;
		for (size_t i = 0; i < points.count; i++) points.items[i].N = input.N[k].values[i];
		expect_success(fit_surface_solve(&points, NULL, &alone));
		for (int c = 0; c < 2; c++)
			assert_true(close_to(found.rows[2 * k + c].surface.alpha, alone.surface.alpha, 1e-9));
		assert_true(
		    close_to(found.rows[2 * k].a, alone.surface.beta / (alone.surface.alpha + alone.surface.beta), 1e-9));
	}
	/* Where a token costs k N^1.2 the optimum grows as a search along budgets says, not as for 6 N D. */
	assert_true(close_to(found.rows[1].elasticity, 1.2, 1e-9) && found.rows[0].elasticity == 1);
	const struct fit_surface *surface = &found.rows[1].surface;
	double slope = (best_log_N(surface, 1e15) - best_log_N(surface, 1e12)) / log(1e3);
	assert_true(near(found.rows[1].a, slope, 1e-5) && found.rows[0].a - found.rows[1].a > 0.03);
	/* A head makes small models larger than they are: N spans less, so alpha is larger. */
	assert_true(found.rows[2].surface.alpha > found.rows[0].surface.alpha + 0.01);
	assert_true(found.lowest->a < found.highest->a);
	struct text words = {0};
	counting_sentence(&found, &words);
	assert_non_null(strstr(words.data, "What is counted moves the exponent a from"));
	text_free(&words);
	counting_free(&found);
	counting_input_free(&input);

	/* One way to count is nothing to compare; a value that is no count is named. */
	expect_success(counting_from_columns("t.csv", &points, names, 1, 0, &input));
	expect_success(fit_count_all(&fit, &input, &found));
	assert_true(found.count == 0);
	counting_free(&found);
	counting_input_free(&input);
	const struct counting_name bad[] = {{"bad", "bad", false}};
	expect_failure(
	    counting_from_columns("t.csv", &points, bad, 1, 3, &input), ERROR_DATA,
	    "t.csv: line 5, column bad: found '-1'");
	counting_input_free(&input);
	fit_points_free(&points);
	text_free(&table);
}

int main(void) {
	omp_set_num_threads(1);
	const struct CMUnitTest tests[] = {cmocka_unit_test(exponents_by_convention)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
