/* Approach 2: budgets, minima, exponents with intervals, and the bias of the method, against closed tables. */
#include "fit/approach.h"
#include "tests/fit_fixture.h"

#include <string.h>

#define MOST 400

static const struct fit_surface asymmetric = {1.69, 406.4, 410.7, 0.465, 0.155};

/* Groups of equal compute: `sizes` points within a factor of `width` of the optimum, whose centre moves to 1/drift of it at
 * the last budget; run: the size's place, as the runs of one size are. */
static size_t isoflop_rows(
    const struct fit_surface *surface, int budgets, int sizes, double width, double drift, struct budget_row *rows) {
	size_t n = 0;
	for (int b = 0; b < budgets; b++)
		for (int i = 0; i < sizes; i++) {
			double C = pow(10, 17 + b), place = 2.0 * i / (sizes - 1) - 1;
			double N = fit_optimal(surface, C).N * pow(width, place) * pow(drift, -b / (budgets - 1.0));
			rows[n] = (struct budget_row){
			    .N = N,
			    .D = C / 6 / N,
			    .C = C,
			    .loss = fit_surface_loss(surface, N, C / 6 / N),
			    .label = NAN,
			    .run = (int)n};
			n++;
		}
	return n;
}

static struct budget_plan plan_of(const struct budget_row *rows, size_t n) {
	struct budget_plan plan;
	expect_success(budget_plan_make(rows, n, NULL, 0, &plan));
	return plan;
}

/* -------------------------------------------------------------------------------------------------------------- bias --- */

static void the_bias_is_the_known_one(void **state) {
	(void)state;
	const double widths[] = {2, 4, 8, 16};
	const struct {
		const struct fit_surface *surface;
		double drift, expected[4]; /* percent of D* at 1e24; the budgets end at 1e21 */
	} tables[] = {
	    {&hoffmann, 1, {-0.33, -1.30, -2.90, -5.10}},
	    {&asymmetric, 1, {-1.67, -6.50, -13.91, -23.12}},
	    {&hoffmann, 3, {11.61, 9.83, 6.94, 3.05}},
	};
	for (size_t t = 0; t < COUNT_OF(tables); t++)
		for (size_t w = 0; w < COUNT_OF(widths); w++) {
			struct budget_row rows[MOST];
			struct approach2_bias bias;
			size_t n = isoflop_rows(tables[t].surface, 5, 15, widths[w], tables[t].drift, rows);
			struct budget_plan plan = plan_of(rows, n);
			assert_true(plan.source == BUDGETS_GROUPED && plan.count == 5);
			expect_success(approach2_bias_of(rows, n, &plan, tables[t].surface, &bias));
			assert_true(close_to(
			    bias.true_a, tables[t].surface->beta / (tables[t].surface->alpha + tables[t].surface->beta), 1e-9));
			assert_true(close_to(bias.largest, 1e21, 1e-9));
			/* Twice too narrow for a minimum three times off its middle: that budget has none and is left out. */
			bool lost = tables[t].drift > widths[w];
			assert_true(lost ? bias.budgets[BY_PARABOLA] < 5 : bias.budgets[BY_PARABOLA] == 5);
			if (!lost) assert_true(near(100 * bias.D[BY_PARABOLA][1], tables[t].expected[w], 0.006));
			/* As published it is kept: all twelve figures. */
			assert_true(bias.kept == 5 && near(100 * bias.kept_D[1], tables[t].expected[w], 0.006));
			/* Akima's cubic through 15 points has far less: what its knots leave. */
			if (!lost) assert_true(fabs(100 * bias.D[BY_AKIMA][1]) < 0.1 + 0.09 * widths[w]);
			budget_plan_free(&plan);
		}
}

/* ------------------------------------------------------------------------------------------------------------ budgets --- */

static void budgets_are_recognised(void **state) {
	(void)state;
	struct budget_row rows[MOST];
	size_t n = isoflop_rows(&hoffmann, 4, 7, 4, 1, rows);
	/* A percent of scatter in C is what whole steps make; a group is still one. */
	struct rng rng = rng_make(1, "scatter");
	for (size_t i = 0; i < n; i++) rows[i].C *= 1 + 0.01 * (2 * rng_uniform(&rng) - 1);
	struct budget_plan plan = plan_of(rows, n);
	assert_true(plan.source == BUDGETS_GROUPED && plan.count == 4);
	for (int b = 0; b < 4; b++) assert_true(close_to(plan.C[b], pow(10, 17 + b), 0.01));
	struct budgets budgets;
	expect_success(budgets_read(rows, n, &plan, &budgets));
	assert_true(budgets.count == 4 && budgets.items[2].count == 7 && budgets.rejected == 0);
	budgets_free(&budgets);
	budget_plan_free(&plan);
	/* Scattered compute makes none: each size a run, read off between its points where four can be. */
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points points = make_points(&truth, &(struct ladder_shape){6, 9, 6e3, 47, 1e6, 95}, 0, 0, 1);
	n = points.count;
	for (size_t i = 0; i < n; i++) {
		const struct fit_point *at = &points.items[i];
		rows[i] =
		    (struct budget_row){.N = at->N, .D = at->D, .C = at->C, .loss = at->loss, .label = NAN, .run = at->rung};
	}
	plan = plan_of(rows, n);
	assert_true(plan.source == BUDGETS_AUTOMATIC && plan.count == 6);
	expect_success(budgets_read(rows, n, &plan, &budgets));
	for (size_t b = 0; b < budgets.count; b++)
		for (size_t k = 0; k < budgets.items[b].count; k++) {
			const struct fit_optimum *at = &budgets.items[b].points[k];
			assert_true(close_to(6 * at->N * at->D, budgets.items[b].C, 1e-9));
			assert_true(close_to(at->loss, fit_surface_loss(&truth, at->N, at->D), 5e-4));
		}
	budgets_free(&budgets);
	budget_plan_free(&plan);
	/* The same at a budget of the user's. */
	expect_success(budget_plan_make(rows, n, (double[]){1e12, 3e11}, 2, &plan));
	assert_true(plan.source == BUDGETS_LISTED && plan.count == 2 && plan.C[0] == 3e11);
	budget_plan_free(&plan);
	fit_points_free(&points);
}

/* Finished runs beside a budget: within a tenth they stand as they are, beyond they are rejected and counted. Of two runs of a
 * size the better one counts. */
static void runs_that_miss_their_budget(void **state) {
	(void)state;
	const double C = 1e18, miss[] = {1, 1.09, 0.93, 1.13, 0.85, 1};
	struct budget_row rows[8];
	for (int i = 0; i < 6; i++) {
		double N = 1e7 * pow(2, i);
		rows[i] = (struct budget_row){
		    .N = N, .D = C * miss[i] / 6 / N, .C = C * miss[i], .loss = 3 + 0.1 * i, .label = C, .run = i};
	}
	rows[6] = rows[0], rows[6].run = 6, rows[6].loss = 2.5;
	rows[7] = rows[1], rows[7].run = 7, rows[7].loss = 9;
	struct budget_plan plan = plan_of(rows, 8);
	assert_true(plan.source == BUDGETS_LABELLED && plan.count == 1 && plan.C[0] == C);
	struct budgets budgets;
	expect_success(budgets_read(rows, 8, &plan, &budgets));
	assert_true(budgets.count == 1 && budgets.rejected == 2 && budgets.items[0].count == 4);
	const double sizes[] = {1e7, 2e7, 4e7, 32e7}, losses[] = {2.5, 3.1, 3.2, 3.5};
	for (int k = 0; k < 4; k++) {
		assert_true(budgets.items[0].points[k].N == sizes[k]);
		assert_true(close_to(budgets.items[0].points[k].loss, losses[k], 1e-15));
	}
	assert_true(close_to(budgets.items[0].points[1].D, 1.09 * C / 6 / 2e7, 1e-12));
	budgets_free(&budgets);
	/* Two sizes are no curve. */
	expect_success(budgets_read(rows, 2, &plan, &budgets));
	assert_true(budgets.count == 0 && budgets.too_few == 1);
	budgets_free(&budgets);
	budget_plan_free(&plan);
}

/* Training curves: many measurements of each run are read off at the budget, and runs that end before it are not. */
static void curves_are_read_off(void **state) {
	(void)state;
	struct budget_row rows[MOST];
	size_t n = 0;
	for (int run = 0; run < 7; run++)
		for (int k = 0; k < 50; k++) {
			double N = 1e7 * pow(2, run), D = 1e8 * pow(1.2, k);
			if (run == 6 && D > 2e9) break;
			rows[n++] = (struct budget_row){
			    .N = N, .D = D, .C = 6 * N * D, .loss = fit_surface_loss(&hoffmann, N, D), .label = NAN, .run = run};
		}
	struct budget_plan plan;
	struct approach2 found;
	expect_success(budget_plan_make(rows, n, (double[]){1e18, 3e18, 1e19}, 3, &plan));
	expect_success(approach2_run(rows, n, &plan, NAN, 1000, 1, &found));
	assert_true(found.replicates == 0 && found.budgets.count == 3);
	assert_int_equal(found.budgets.items[1].count, 7);
	assert_int_equal(found.budgets.items[2].count, 6); /* the largest run has ended: 6 * 64e7 * 2e9 < 1e19 */
	for (int b = 0; b < 3; b++) {
		const struct optimum_found *akima = &found.found[BY_AKIMA][b];
		assert_true(!akima->edge && close_to(akima->N, fit_optimal(&hoffmann, plan.C[b]).N, 0.02));
		assert_true(close_to(6 * akima->N * akima->D, plan.C[b], 1e-9) && isnan(akima->std));
	}
	assert_true(near(found.line[BY_AKIMA].N.slope, 0.28 / 0.62, 0.02));
	approach2_free(&found);
	budget_plan_free(&plan);
}

/* ------------------------------------------------------------------------------------------------------------- minima --- */

static void edges_are_thrown_out(void **state) {
	(void)state;
	struct budget_row rows[MOST];
	size_t n = isoflop_rows(&hoffmann, 5, 9, 8, 1, rows), kept = 0;
	/* The first budget loses the sizes below its optimum, the last those above. */
	for (size_t i = 0; i < n; i++) {
		double best = fit_optimal(&hoffmann, rows[i].C).N;
		bool lost = (rows[i].C < 2e17 && rows[i].N < 1.1 * best) || (rows[i].C > 5e20 && rows[i].N > 0.9 * best);
		if (!lost) rows[kept++] = rows[i];
	}
	struct budget_plan plan = plan_of(rows, kept);
	struct approach2 found;
	expect_success(approach2_run(rows, kept, &plan, 0.001, 200, 1, &found));
	assert_int_equal(found.budgets.count, 5);
	for (int method = 0; method < OPTIMUM_METHODS; method++) {
		for (int b = 0; b < 5; b++) {
			const struct optimum_found *at = &found.found[method][b];
			bool lost = b == 0 || b == 4;
			assert_true(at->edge == lost && isnan(at->N) == lost);
			if (!lost) assert_true(at->std > 0.005 && at->std < 0.3 && at->thrown == 0);
		}
		assert_int_equal(found.line[method].budgets, 3);
		assert_true(near(found.line[method].N.slope, 0.28 / 0.62, 0.03));
	}
	approach2_free(&found);
	/* Two budgets make no exponent. */
	plan.count = 3;
	expect_success(approach2_run(rows, kept, &plan, 0.001, 200, 1, &found));
	assert_true(found.line[BY_AKIMA].budgets == 2 && isnan(found.line[BY_AKIMA].N.slope));
	assert_true(isnan(found.line[BY_AKIMA].N.slope_interval.low));
	approach2_free(&found);
	budget_plan_free(&plan);
}

/* Of 100 tables with noise the intervals hold, about nine times in ten, what the method gives without; what scatters is what
 * `std` says; and nothing depends on more than the seed. */
static void intervals_cover(void **state) {
	(void)state;
	enum { TABLES = 60 };
	struct budget_row exact[MOST], rows[MOST];
	size_t n = isoflop_rows(&hoffmann, 5, 11, 6, 1, exact);
	struct budget_plan plan = plan_of(exact, n);
	struct approach2 found;
	double truth[OPTIMUM_METHODS], sum[OPTIMUM_METHODS] = {0}, squares[OPTIMUM_METHODS] = {0},
	                               std[OPTIMUM_METHODS] = {0};
	int inside[OPTIMUM_METHODS] = {0}, known = 0;
	expect_success(approach2_run(exact, n, &plan, NAN, 0, 1, &found));
	for (int m = 0; m < OPTIMUM_METHODS; m++) truth[m] = found.line[m].N.slope;
	approach2_free(&found);
	struct rng rng = rng_make(7, "tables");
	for (int t = 0; t < TABLES; t++) {
		memcpy(rows, exact, sizeof exact);
		for (size_t i = 0; i < n; i++) rows[i].loss *= exp(0.002 * rng_normal(&rng));
		expect_success(approach2_run(rows, n, &plan, 0.002, 200, (uint64_t)t, &found));
		known++;
		for (int m = 0; m < OPTIMUM_METHODS; m++) {
			const struct fit_interval interval = found.line[m].N.slope_interval;
			double log_N = log(found.found[m][2].N);
			inside[m] += interval.low <= truth[m] && truth[m] <= interval.high;
			sum[m] += log_N, squares[m] += log_N * log_N, std[m] += found.found[m][2].std / TABLES;
			assert_true(near(found.line[m].N.slope + found.line[m].D.slope, 1, 1e-9)); /* C = 6 N D */
		}
		approach2_free(&found);
	}
	for (int m = 0; m < OPTIMUM_METHODS; m++) {
		double mean = sum[m] / TABLES, deviation = sqrt(squares[m] / TABLES - mean * mean);
		print_message(
		    "method %d: %d of %d cover, ln N* scatters %.3f, said to be %.3f\n", m, inside[m], known, deviation,
		    std[m]);
		assert_in_range(inside[m], 48, 60);
		assert_true(near(log(deviation / std[m]), 0, 0.35));
	}
	struct approach2 again;
	expect_success(approach2_run(rows, n, &plan, 0.002, 200, 5, &found));
	expect_success(approach2_run(rows, n, &plan, 0.002, 200, 5, &again));
	assert_true(found.line[BY_AKIMA].N.slope_interval.low == again.line[BY_AKIMA].N.slope_interval.low);
	approach2_free(&found);
	expect_success(approach2_run(rows, n, &plan, 0.002, 200, 6, &found));
	assert_true(found.line[BY_AKIMA].N.slope_interval.low != again.line[BY_AKIMA].N.slope_interval.low);
	approach2_free(&found);
	approach2_free(&again);
	budget_plan_free(&plan);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_bias_is_the_known_one),   cmocka_unit_test(budgets_are_recognised),
	    cmocka_unit_test(runs_that_miss_their_budget), cmocka_unit_test(curves_are_read_off),
	    cmocka_unit_test(edges_are_thrown_out),        cmocka_unit_test(intervals_cover),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
