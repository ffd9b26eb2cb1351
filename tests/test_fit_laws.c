/* The laws: derivatives, the way between published and centred parameters, exact recovery of each, ties, objectives. */
#include "fit/law.h"
#include "tests/fit_fixture.h"

#include <string.h>

#define ROWS 40

/* Places of `law`'s variables over `decades` each, N from 1e6, D from 1e7 and unique tokens up to D / 60. */
static void make_places(const struct law *law, double decades, uint64_t seed, double x[MOST_VARIABLES][ROWS]) {
	struct rng rng = rng_make(seed, "places");
	for (int i = 0; i < ROWS; i++) {
		double part = law->variables == 1 ? i / (ROWS - 1.0) : rng_uniform(&rng);
		x[0][i] = 1e6 * pow(10, decades * part);
		x[1][i] = 1e7 * pow(10, decades * rng_uniform(&rng));
		x[UNIQUE][i] = x[1][i] / pow(60, rng_uniform(&rng) * 1.2 - 0.2);
	}
}

static struct table table_of(const struct law *law, double x[MOST_VARIABLES][ROWS], const double *loss) {
	struct table table;
	expect_success(table_new(&table, ROWS, law->variables, (const double *const[]){x[0], x[1], x[2]}, loss, NULL));
	return table;
}

/* ---------------------------------------------------------------------------------------------------- derivatives --- */

/* Somewhere inside the box where the law is tame. */
static void draw_parameters(const struct law *law, struct rng *rng, double *x) {
	for (int j = 0; j < law_parameters(law); j++) {
		const struct law_parameter *parameter = &law->parameters[j];
		if (j < law->linear)
			x[j] = 0.2 + rng_uniform(rng);
		else if (parameter->role == ROLE_LOG_PREFACTOR)
			x[j] = rng_uniform(rng) - 0.5;
		else
			x[j] = parameter->low + (parameter->high - parameter->low) * (0.1 + 0.5 * rng_uniform(rng));
	}
	if (law->predict == law_log_linear.predict) x[1] = 0.05 * rng_uniform(rng); /* a line must not cross zero */
	law_complete(law, x);
}

/* Central differences of the sum and of its gradient, in the free parameters. */
static void check_derivatives(const struct law *law, const struct table *table, double delta, const double *x) {
	int p = law_parameters(law);
	double gradient[MOST_PARAMETERS], hessian[MOST_PARAMETERS * MOST_PARAMETERS];
	double value = law_sum(law, table, delta, x, gradient, hessian);
	if (!isfinite(value)) fail_msg("%s: no value", law->name);
	assert_true(near(value, law_sum(law, table, delta, x, NULL, NULL), 1e-12 * fabs(value)));
	for (int j = 0; j < p; j++) {
		double h = 1e-6, up[MOST_PARAMETERS], down[MOST_PARAMETERS], g_up[MOST_PARAMETERS], g_down[MOST_PARAMETERS];
		memcpy(up, x, sizeof up);
		memcpy(down, x, sizeof down);
		up[j] += h;
		down[j] -= h;
		law_complete(law, up);
		law_complete(law, down);
		double high = law_sum(law, table, delta, up, g_up, NULL), low = law_sum(law, table, delta, down, g_down, NULL);
		double slope = (high - low) / 2 / h;
		if (!near(gradient[j], slope, 2e-7 * (fabs(value) + fabs(slope)) + 1e-8))
			fail_msg("%s: slope in %s", law->name, law->parameters[j].name);
		for (int k = 0; k < p; k++) {
			double bend = (g_up[k] - g_down[k]) / 2 / h;
			if (!near(hessian[j * p + k], bend, 1e-6 * (fabs(value) + fabs(bend) + fabs(gradient[k])) + 1e-7))
				fail_msg("%s: bend in %s and %s", law->name, law->parameters[j].name, law->parameters[k].name);
		}
	}
}

static void derivatives_against_differences(void **state) {
	(void)state;
	struct rng rng = rng_make(1, "derivatives");
	for (int l = 0; law_at(l); l++) {
		for (int kind = OBJECTIVE_HUBER; kind <= OBJECTIVE_ASYMMETRIC; kind++) {
			struct law law = *law_at(l);
			/* Residuals on both sides of delta; the corners are away from any of them. */
			law.criterion = (struct criterion){(enum fit_objective)kind, 0.1, 3, 1, false};
			double x[MOST_VARIABLES][ROWS], loss[ROWS], parameters[MOST_PARAMETERS];
			make_places(&law, 1.5, 10 * (uint64_t)l, x);
			for (int i = 0; i < ROWS; i++) loss[i] = 1 + rng_uniform(&rng);
			struct table table = table_of(&law, x, loss);
			for (int round = 0; round < 3; round++) {
				draw_parameters(&law, &rng, parameters);
				check_derivatives(&law, &table, 0.1, parameters);
			}
			table_free(&table);
		}
	}
}

/* Ties of every shape: constants, exponentials and lines of another parameter, chains of two. */
static void derivatives_with_ties(void **state) {
	(void)state;
	const struct {
		const struct law *law;
		bool tied;
		int count;
		struct fit_held held[3];
	} cases[] = {
	    {&law_chinchilla, true, 0, {{0}}},
	    {&law_chinchilla, false, 2, {{"A", 300}, {"lnB", 6}}},
	    {&law_chinchilla, true, 2, {{"B", 400}, {"A", 300}}},
	    {&law_chinchilla, true, 3, {{"A", 300}, {"B", 400}, {"beta", 0.3}}},
	    {&law_kaplan_floor, false, 2, {{"Nc", 1e8}, {"Dc", 2e9}}},
	    {&law_log_linear, false, 1, {{"a", 4}}},
	    {&law_gadre, false, 2, {{"b", 30}, {"eta", -0.25}}},
	    {&law_bnsl, false, 2, {{"b", 4}, {"d1", 1e7}}},
	    {&law_muennighoff, true, 2, {{"A", 300}, {"R_D", 15}}},
	};
	struct rng rng = rng_make(2, "ties");
	for (size_t c = 0; c < COUNT_OF(cases); c++) {
		double x[MOST_VARIABLES][ROWS], loss[ROWS], parameters[MOST_PARAMETERS] = {0}, published[MOST_PARAMETERS];
		struct law law;
		make_places(cases[c].law, 1, c, x);
		for (int i = 0; i < ROWS; i++) loss[i] = 3 + rng_uniform(&rng);
		struct table table = table_of(cases[c].law, x, loss);
		struct fit_method method = {.tied = cases[c].tied, .delta = 0.1, .held_count = cases[c].count};
		memcpy(method.held, cases[c].held, sizeof cases[c].held);
		expect_success(law_bind(cases[c].law, &method, &table, &law));
		assert_int_equal(law.tie_count, cases[c].tied + cases[c].count);
		draw_parameters(&law, &rng, parameters);
		check_derivatives(&law, &table, 0.1, parameters);
		/* What is held is what comes out. */
		law_publish(&law, &table, parameters, published);
		for (int k = 0; k < cases[c].count; k++) {
			const char *name = cases[c].held[k].name;
			bool log_of = strncmp(name, "ln", 2) == 0;
			double expected = log_of ? exp(cases[c].held[k].value) : cases[c].held[k].value, found = NAN;
			for (int j = 0; j < law_parameters(&law); j++)
				if (strcmp(law.parameters[j].name, log_of ? name + 2 : name) == 0) found = published[j];
			assert_true(close_to(found, expected, 1e-12));
		}
		table_free(&table);
	}
}

/* ------------------------------------------------------------------------------------------------------- recovery --- */

/* A law, parameters as published, and where it is looked at. */
struct example {
	const struct law *law;
	double published[MOST_PARAMETERS], decades;
};

/* The formulas once more, from published parameters and raw variables. */
static double by_formula(const struct law *law, const double *p, double N, double D, double U) {
	double x = N;
	if (law == &law_chinchilla) return p[0] + p[1] / pow(N, p[3]) + p[2] / pow(D, p[4]);
	if (law == &law_chinchilla_bare) return p[0] / pow(N, p[2]) + p[1] / pow(D, p[3]);
	if (law == &law_gadre) return p[0] + p[1] * pow(N, p[3]) + p[2] * pow(6, p[3] / 2) * pow(D / N * N, p[3]);
	if (law == &law_kaplan) return pow(pow(p[0] / N, p[2] / p[3]) + p[1] / D, p[3]);
	if (law == &law_kaplan_floor) return p[0] + pow(pow(p[1] / N, p[3] / p[4]) + p[2] / D, p[4]);
	if (law == &law_muennighoff) {
		double alpha = p[3], beta = p[4], G = pow(alpha * p[1] / (beta * p[2]), 1 / (alpha + beta));
		double unique = fmin(D, U), useful = fmin(N, pow(unique * G, beta / alpha) * G);
		useful = fmin(N, pow(U * G, beta / alpha) * G);
		double size = useful + useful * p[5] * (1 - exp(-(N / useful - 1) / p[5]));
		double tokens = unique + unique * p[6] * (1 - exp(-(D / unique - 1) / p[6]));
		return p[0] + p[1] / pow(size, alpha) + p[2] / pow(tokens, beta);
	}
	if (law == &law_power) return p[0] / pow(x, p[1]);
	if (law == &law_power_floor) return p[0] + p[1] / pow(x, p[2]);
	if (law == &law_kaplan_N || law == &law_kaplan_D || law == &law_kaplan_C) return pow(p[0] / x, p[1]);
	if (law == &law_log_linear) return p[0] - p[1] * log(x);
	if (law == &law_bnsl) return p[0] + p[1] * pow(x, -p[2]) * pow(1 + pow(x / p[4], 1 / p[5]), -p[3] * p[5]);
	if (law == &law_logistic) return p[0] + p[1] / (1 + pow(x / p[2], p[3]));
	if (law == &law_exponential) return p[0] + p[1] * exp(-x / p[2]);
	if (law == &law_stretched) return p[0] + p[1] * exp(-pow(x / p[2], p[3]));
	fail_msg("no formula for %s", law->name);
	return NAN;
}

static const struct example examples[] = {
    {&law_chinchilla, {1.69, 406.4, 410.7, 0.34, 0.28}, 3},
    {&law_chinchilla, {0, 406.4, 410.7, 0.34, 0.28}, 2},
    {&law_chinchilla_bare, {60, 70, 0.2, 0.15}, 3},
    {&law_gadre, {1.83, 166.211, 366.687, -0.272851}, 2.5},
    {&law_kaplan, {6.4e13, 1.8e13, 0.076, 0.103}, 4},
    {&law_kaplan, {1e9, 1e10, 0.3, 0.2}, 3},
    {&law_kaplan_floor, {1.1, 3e8, 1e9, 0.34, 0.28}, 3},
    {&law_muennighoff, {1.87, 521, 1488, 0.3527, 0.3527, 5.3, 15.4}, 3},
    {&law_power, {17, 0.12}, 2},
    {&law_power_floor, {1.3, 120, 0.31}, 3},
    {&law_kaplan_N, {8.8e13, 0.076}, 3},
    {&law_kaplan_D, {5.4e13, 0.095}, 3},
    {&law_kaplan_C, {3.1e8, 0.05}, 5},
    {&law_log_linear, {9, 0.3}, 4},
    {&law_bnsl, {1.2, 30, 0.18, 0.25, 3e7, 0.3}, 3},
    {&law_logistic, {1.5, 4, 2e7, 0.8}, 3},
    {&law_exponential, {1.5, 4, 3e7}, 2},
    {&law_stretched, {1.5, 4, 2e7, 0.6}, 3},
};

/* From a table without noise every parameter comes back to 8 digits, whatever is minimised, and every search that ends
 * where the objective is zero ends there. */
static void exact_tables_give_each_law_back(void **state) {
	(void)state;
	for (size_t e = 0; e < COUNT_OF(examples); e++) {
		for (int kind = OBJECTIVE_HUBER; kind <= OBJECTIVE_ASYMMETRIC; kind++) {
			const struct law *form = examples[e].law;
			double x[MOST_VARIABLES][ROWS], loss[ROWS], published[MOST_PARAMETERS], centred[MOST_PARAMETERS];
			make_places(form, examples[e].decades, 100 + e, x);
			for (int i = 0; i < ROWS; i++)
				loss[i] = by_formula(form, examples[e].published, x[0][i], x[1][i], x[UNIQUE][i]);
			struct table table = table_of(form, x, loss);
			struct law law;
			struct solution solution;
			struct fit_certificate certificate;
			struct fit_method method = {.objective = (enum fit_objective)kind, .over = 3};
			expect_success(law_bind(form, &method, &table, &law));
			/* The formula, centred. */
			law_centre(&law, &table, examples[e].published, centred);
			for (int i = 0; i < ROWS; i++) {
				double there = law.predict(centred, table.u + i * law.variables, NULL, NULL);
				assert_true(close_to(there * exp(table.mean_y), loss[i], 1e-10));
			}
			expect_success(law_solve(&law, &table, HELD_NONE, &solution));
			law_certify(&law, &table, &solution, &certificate);
			law_publish(&law, &table, solution.x, published);
			if (certificate.doubt) print_error("%s, objective %d: %s\n", law.name, kind, certificate.doubt);
			assert_null(certificate.doubt);
			/* Repetition sets in with a corner, which makes minima of its own, and absolute errors are corners all over;
			 * otherwise there is no minimum but the true one. */
			bool corners = form == &law_muennighoff || kind == OBJECTIVE_ASYMMETRIC;
			int agreeing = corners ? (solution.starts + 1) / 2 : solution.starts;
			if (solution.agreeing < agreeing)
				fail_msg("%s, objective %d: %d of %d", law.name, kind, solution.agreeing, solution.starts);
			assert_true(!solution.equals_start && solution.starts >= 3);
			for (int j = 0; j < law_parameters(&law); j++) {
				double truth = examples[e].published[j];
				enum role role = law.parameters[j].role;
				/* Prefactors live many decades away from the data: their logarithms have 8 digits. */
				bool far = role == ROLE_PREFACTOR || role == ROLE_LOG_PREFACTOR;
				if (!near(
				        far ? log(published[j]) : published[j], far ? log(truth) : truth,
				        far ? 2e-7 : 1e-8 * fmax(fabs(truth), 1)))
					fail_msg("%s, objective %d: %s", law.name, kind, law.parameters[j].name);
			}
			table_free(&table);
		}
	}
}

/* A power law whose exponent is held has one number to fit, ln k, and absolute errors that count `over` above and `under`
 * below are least at a quantile: where under / (over + under) of ln loss + exponent ln x lie below. */
static void the_asymmetric_fit_is_a_quantile(void **state) {
	(void)state;
	double x[MOST_VARIABLES][ROWS], loss[ROWS], sorted[ROWS], published[MOST_PARAMETERS];
	make_places(&law_power, 2, 7, x);
	struct rng rng = rng_make(7, "quantile");
	for (int i = 0; i < ROWS; i++) loss[i] = 20 * pow(x[0][i], -0.1) * exp(0.05 * rng_normal(&rng));
	for (int i = 0; i < ROWS; i++) sorted[i] = log(loss[i]) + 0.1 * log(x[0][i]);
	struct table table = table_of(&law_power, x, loss);
	const double overs[] = {0.3, 1.4, 11, 39.5};
	for (size_t k = 0; k < COUNT_OF(overs); k++) {
		struct law law;
		struct solution solution;
		struct fit_method method = {
		    .objective = OBJECTIVE_ASYMMETRIC, .over = overs[k], .held = {{"exponent", 0.1}}, .held_count = 1};
		expect_success(law_bind(&law_power, &method, &table, &law));
		expect_success(law_solve(&law, &table, HELD_NONE, &solution));
		law_publish(&law, &table, solution.x, published);
		(void)quantile_of(sorted, ROWS, 0.5);     /* orders them */
		int below = (int)(ROWS / (1 + overs[k])); /* no whole number, so that the minimum is one point */
		assert_true(near(log(published[0]), sorted[below], 2 * FIT_CORNER));
		double sum = 0;
		for (int i = 0; i < ROWS; i++) {
			double r = log(published[0]) - sorted[i];
			sum += r > 0 ? overs[k] * r : -r;
		}
		assert_true(close_to(law_objective(&law, &table, solution.x), sum, 1e-9));
	}
	table_free(&table);
}

/* The grid thins a large table in room of its own, which the law's terms and their offset must fit into (the sanitizers
 * see it when they do not); what comes out is the law all the same. */
static void more_rows_than_the_grid_takes(void **state) {
	(void)state;
	enum { MANY = 2500 };
	static const double truth[] = {1.1, 3e8, 1e9, 0.34, 0.28};
	double *x = array_new(3 * MANY, sizeof *x), published[MOST_PARAMETERS];
	assert_non_null(x);
	double *N = x, *D = x + MANY, *loss = x + 2 * MANY;
	struct rng rng = rng_make(9, "many");
	for (int i = 0; i < MANY; i++) {
		N[i] = 1e6 * pow(1000, rng_uniform(&rng));
		D[i] = 1e7 * pow(1000, rng_uniform(&rng));
		loss[i] = by_formula(&law_kaplan_floor, truth, N[i], D[i], D[i]);
	}
	struct table table;
	struct solution solution;
	expect_success(table_new(&table, MANY, 2, (const double *const[]){N, D}, loss, NULL));
	expect_success(law_solve(&law_kaplan_floor, &table, HELD_NONE, &solution));
	law_publish(&law_kaplan_floor, &table, solution.x, published);
	for (int j = 0; j < 5; j++) assert_true(close_to(published[j], truth[j], 1e-7));
	free(x);
	table_free(&table);
}

/* A start that nothing moves from is an alarm, and no fit. */
static void a_solution_that_is_a_start_is_an_alarm(void **state) {
	(void)state;
	double x[MOST_VARIABLES][ROWS], loss[ROWS];
	make_places(&law_power, 2, 8, x);
	for (int i = 0; i < ROWS; i++) loss[i] = 20 * pow(x[0][i], -0.1) * (1 + 0.01 * sin(i));
	struct table table = table_of(&law_power, x, loss);
	struct solution solution;
	struct fit_certificate certificate;
	expect_success(law_solve(&law_power, &table, HELD_NONE, &solution));
	law_certify(&law_power, &table, &solution, &certificate);
	assert_null(certificate.doubt);
	solution.equals_start = true;
	law_certify(&law_power, &table, &solution, &certificate);
	assert_true(certificate.equals_start && strstr(certificate.doubt, "equals a start"));
	table_free(&table);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(derivatives_against_differences), cmocka_unit_test(derivatives_with_ties),
	    cmocka_unit_test(exact_tables_give_each_law_back), cmocka_unit_test(the_asymmetric_fit_is_a_quantile),
	    cmocka_unit_test(more_rows_than_the_grid_takes),   cmocka_unit_test(a_solution_that_is_a_start_is_an_alarm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
