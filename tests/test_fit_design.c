/* Designs: those that cannot tell are named, sound ones are left alone, and the errors that a design is expected to leave
 * are those that fits to many tables have. */
#include "fit/approach.h"
#include "fit/law.h"
#include "tests/fit_fixture.h"

#include <omp.h>
#include <string.h>

#define MOST 100

/* ------------------------------------------------------------------------------------------------- sound and degenerate --- */

struct bench {
	struct fit_point items[MOST];
	struct fit_points points;
	struct rng rng;
};

static void begin(struct bench *bench, const char *kind, uint64_t seed) {
	*bench = (struct bench){.rng = rng_make(seed, kind)};
	bench->points.items = bench->items;
}

static double between(struct bench *bench, double low, double high) {
	return low * pow(high / low, rng_uniform(&bench->rng));
}

static size_t whole(struct bench *bench, size_t low, size_t high) {
	return low + rng_below(&bench->rng, high - low + 1);
}

static void add(struct bench *bench, double N, double D) {
	assert_in_range(bench->points.count, 0, MOST - 1);
	bench->items[bench->points.count++] =
	    (struct fit_point){.N = N, .D = D, .C = 6 * N * D, .weight = 1, .seed = -1, .loss_error = NAN};
}

/* Losses of some surface with `noise`, and the rungs; then what the design is warned of. */
static int finish(struct bench *bench, double noise, struct fit *fit) {
	struct fit_points *points = &bench->points;
	struct fit_surface truth = {
	    .E = 1.8 * rng_uniform(&bench->rng), .alpha = between(bench, 0.15, 0.6), .beta = between(bench, 0.15, 0.6)};
	truth.A = between(bench, 0.5, 3) * pow(points->items[0].N, truth.alpha);
	truth.B = between(bench, 0.5, 3) * pow(points->items[0].D, truth.beta);
	points->rungs = (int)points->count;
	for (size_t i = 0; i < points->count; i++) {
		points->items[i].rung = (int)i;
		points->items[i].loss =
		    fit_surface_loss(&truth, points->items[i].N, points->items[i].D) * exp(noise * rng_normal(&bench->rng));
	}
	*fit = (struct fit){.points = points};
	expect_success(fit_design_of(points, &fit->design));
	fit_warn_of_design(fit);
	return fit->design_warnings;
}

static void line(struct bench *bench) { /* D = 20 N, or another constant */
	double ratio = between(bench, 0.5, 500);
	for (size_t i = 0, n = whole(bench, 4, 40); i < n; i++) {
		double N = between(bench, 1e6, 1e9);
		add(bench, N, ratio * N);
	}
}
static void jittered_line(struct bench *bench) {
	double ratio = between(bench, 0.5, 500), jitter = between(bench, 0.001, 0.25);
	for (size_t i = 0, n = whole(bench, 6, 40); i < n; i++) {
		double N = between(bench, 1e4, 1e7);
		add(bench, N, ratio * N * exp(jitter * rng_normal(&bench->rng)));
	}
}
static void power_line(struct bench *bench) { /* as compute-optimal ladders are, or one isoFLOP curve */
	double power = 3 * rng_uniform(&bench->rng) - 1.5, jitter = 0.05 * rng_uniform(&bench->rng);
	for (size_t i = 0, n = whole(bench, 6, 40); i < n; i++) {
		double N = between(bench, 1e6, 1e9);
		add(bench, N, 1e9 * pow(N / 1e6, power) * exp(jitter * rng_normal(&bench->rng)));
	}
}
static void bent_line(struct bench *bench) {
	double bend = 0.1 * rng_uniform(&bench->rng);
	for (size_t i = 0, n = whole(bench, 8, 40); i < n; i++) {
		double u = 7 * rng_uniform(&bench->rng);
		add(bench, 1e6 * exp(u), 2e7 * exp(u + bend * u * u));
	}
}
static void one_size(struct bench *bench) {
	for (size_t i = 0, n = whole(bench, 3, 30); i < n; i++) add(bench, 124e6, between(bench, 1e8, 1e11));
}
static void one_horizon(struct bench *bench) {
	for (size_t i = 0, n = whole(bench, 3, 30); i < n; i++) add(bench, between(bench, 1e6, 1e9), 1e10);
}
static void few_levels(struct bench *bench) { /* two sizes, or two horizons */
	bool of_N = rng_below(&bench->rng, 2);
	for (size_t i = 0, n = whole(bench, 8, 30); i < n; i++) {
		double x = 1e7 * (double)(1 + 9 * rng_below(&bench->rng, 2)), y = between(bench, 1e7, 1e10);
		add(bench, of_N ? x : y, of_N ? y : x);
	}
}
static void narrow(struct bench *bench) {
	bool of_N = rng_below(&bench->rng, 2);
	double span = between(bench, 1.05, 6);
	for (size_t i = 0, n = whole(bench, 12, 40); i < n; i++) {
		double x = between(bench, 1e7, 1e7 * span), y = between(bench, 1e7, 1e10);
		add(bench, of_N ? x : y, of_N ? y : x);
	}
}
static void handful(struct bench *bench) {
	for (size_t i = 0, n = whole(bench, 1, 6); i < n; i++)
		add(bench, between(bench, 1e6, 1e9), between(bench, 1e8, 1e11));
}
static void four_spots(struct bench *bench) { /* two sizes by two horizons, each repeated with a little scatter */
	for (size_t i = 0, n = whole(bench, 12, 40); i < n; i++)
		add(bench, 1e7 * (double)(1 + 29 * (i % 2)) * between(bench, 1, 1.02),
		    1e9 * (double)(1 + 29 * (i / 2 % 2)) * between(bench, 1, 1.05));
}
static void same_rows(struct bench *bench) {
	for (size_t i = 0, n = whole(bench, 2, 40); i < n; i++) add(bench, 1e7, 1e9);
}

static void degenerate_designs_are_named(void **state) {
	(void)state;
	static const struct {
		const char *name;
		void (*make)(struct bench *bench);
	} kinds[] = {
	    {"line", line},         {"jittered line", jittered_line}, {"power line", power_line}, {"bent line", bent_line},
	    {"one size", one_size}, {"one horizon", one_horizon},     {"few levels", few_levels}, {"narrow", narrow},
	    {"handful", handful},   {"four spots", four_spots},       {"same rows", same_rows}};
	int count = 0, named = 0;
	for (size_t k = 0; k < COUNT_OF(kinds); k++)
		for (uint64_t seed = 0; seed < 40; seed++, count++) {
			struct bench bench;
			struct fit fit;
			begin(&bench, kinds[k].name, seed);
			kinds[k].make(&bench);
			bool found = finish(&bench, 0.02 * (double)(seed % 5) / 4, &fit) > 0;
			if (!found) print_error("%s, seed %d: no warning\n", kinds[k].name, (int)seed);
			named += found;
		}
	print_message("degenerate designs: %d of %d named\n", named, count);
	assert_int_equal(named, count);
}

/* Fitted all the same, they give no number as an estimate that they do not determine: null, and why. */
static void degenerate_designs_are_refused(void **state) {
	(void)state;
	int refused = 0;
	for (uint64_t seed = 0; seed < 12; seed++) {
		struct bench bench;
		struct fit named, fit;
		begin(&bench, "refused", seed);
		if (seed % 3 == 0)
			line(&bench);
		else if (seed % 3 == 1)
			jittered_line(&bench);
		else
			narrow(&bench);
		finish(&bench, 0.01, &named);
		const struct fit_options quick = {.replicates = 100, .seed = 1, .resampling = RESAMPLE_SIMULATED};
		cJSON *root;
		expect_success(fit_all(&bench.points, &quick, &fit));
		expect_success(fit_to_json(&fit, &root));
		const cJSON *parameter = cJSON_GetObjectItem(root, "parameters")->child;
		for (int i = 0; i < FIT_SURFACE_PARAMETERS; i++, parameter = parameter->next) {
			assert_true((fit.refused[i] == NULL) == (fit.fitted && fit.identified[i]));
			assert_true(fit.refused[i] == NULL || !cJSON_IsNumber(parameter));
			refused += fit.refused[i] != NULL;
		}
		cJSON_Delete(root);
		fit_free(&fit);
	}
	assert_true(refused > 30);
}

static void grid(struct bench *bench) { /* sizes by horizons */
	size_t sizes = whole(bench, 4, 9), horizons = whole(bench, 4, 9);
	double span_N = between(bench, 15, 1e4), span_D = between(bench, 15, 1e4);
	for (size_t i = 0; i < sizes; i++)
		for (size_t k = 0; k < horizons; k++)
			add(bench, 1e6 * pow(span_N, (double)i / (double)(sizes - 1)),
			    1e8 * pow(span_D, (double)k / (double)(horizons - 1)));
}
static void multiples(struct bench *bench) { /* every size at the same tokens per parameter */
	size_t sizes = whole(bench, 5, 9), horizons = whole(bench, 4, 7);
	double span_N = between(bench, 30, 1e4), span = between(bench, 8, 100);
	for (size_t i = 0; i < sizes; i++)
		for (size_t k = 0; k < horizons; k++) {
			double N = 1e6 * pow(span_N, (double)i / (double)(sizes - 1));
			add(bench, N, 5 * N * pow(span, (double)k / (double)(horizons - 1)));
		}
}
static void isoflops(struct bench *bench) {
	size_t budgets = whole(bench, 3, 8), sizes = whole(bench, 5, 12);
	double width = between(bench, 3, 16), step = between(bench, 3, 10);
	for (size_t b = 0; b < budgets; b++)
		for (size_t k = 0; k < sizes; k++) {
			double C = 1e17 * pow(step, (double)b),
			       N = sqrt(C / 120) * pow(width, 2 * (double)k / (double)(sizes - 1) - 1);
			add(bench, N, C / 6 / N);
		}
}
static void scattered(struct bench *bench) { /* other people's runs */
	double span_N = between(bench, 100, 1e5), span_D = between(bench, 100, 1e5);
	for (size_t i = 0, n = whole(bench, 20, 90); i < n; i++)
		add(bench, between(bench, 1e6, 1e6 * span_N), between(bench, 1e8, 1e8 * span_D));
}

static void sound_designs_are_left_alone(void **state) {
	(void)state;
	static const struct {
		const char *name;
		void (*make)(struct bench *bench);
	} kinds[] = {{"grid", grid}, {"multiples", multiples}, {"isoFLOP", isoflops}, {"scattered", scattered}};
	int count = 0, alarms = 0;
	for (size_t k = 0; k < COUNT_OF(kinds); k++)
		for (uint64_t seed = 0; seed < 100; seed++, count++) {
			struct bench bench;
			struct fit fit;
			begin(&bench, kinds[k].name, seed);
			kinds[k].make(&bench);
			bool found = finish(&bench, 0.02 * (double)(seed % 5) / 4, &fit) > 0;
			if (found)
				print_message(
				    "%s, seed %d: %s: %s\n", kinds[k].name, (int)seed, fit.warnings[0].code, fit.warnings[0].text);
			alarms += found;
		}
	print_message("sound designs: %d of %d with a false alarm\n", alarms, count);
	assert_true(alarms * 20 <= count);
}

/* ------------------------------------------------------------------------------------------------------ expected errors --- */

static double loss_of(const double *x, const struct fit_point *point) {
	return log(x[0] + exp(x[1] - x[3] * log(point->N)) + exp(x[2] - x[4] * log(point->D)));
}

/* The covariance by brute force: central differences in (E, ln A, ln B, alpha, beta), S inverted by elimination. */
static void errors_by_brute_force(void **state) {
	(void)state;
	const struct fit_noise noises[] = {{.point = 0.01}, {.point = 0.01, .rung = NAN}, {.point = 0.004, .rung = 0.01}};
	struct fit_points points = make_points(&besiroglu, &(struct ladder_shape){5, 5, 1e6, 100, 1e8, 100}, 0, 0, 1);
	size_t n = points.count;
	for (size_t c = 0; c < COUNT_OF(noises); c++) {
		double x[5] = {besiroglu.E, log(besiroglu.A), log(besiroglu.B), besiroglu.alpha, besiroglu.beta};
		double jacobian[25][5], s[25][50] = {{0}}, f[5][10] = {{0}};
		for (size_t i = 0; i < n; i++)
			for (int j = 0; j < 5; j++) {
				double h = 1e-5, keep = x[j], up, down;
				x[j] = keep + h, up = loss_of(x, &points.items[i]);
				x[j] = keep - h, down = loss_of(x, &points.items[i]);
				x[j] = keep;
				jacobian[i][j] = (up - down) / (2 * h);
			}
		double rung = isnan(noises[c].rung) ? 0 : noises[c].rung;
		for (size_t i = 0; i < n; i++)
			for (size_t k = 0; k < n; k++) {
				s[i][k] = (i == k) * noises[c].point * noises[c].point +
				          (points.items[i].rung == points.items[k].rung) * rung * rung;
				s[i][n + k] = i == k;
			}
		for (size_t p = 0; p < n; p++) /* Gauss and Jordan; positive definite, so no pivoting */
			for (size_t i = 0; i < n; i++) {
				double factor = i == p ? 1 - 1 / s[p][p] : s[i][p] / s[p][p];
				for (size_t k = 0; k < 2 * n; k++) s[i][k] -= factor * s[p][k];
			}
		for (int a = 0; a < 5; a++)
			for (int b = 0; b < 5; b++)
				for (size_t i = 0; i < n; i++)
					for (size_t k = 0; k < n; k++) f[a][b] += jacobian[i][a] * s[i][n + k] * jacobian[k][b];
		for (int p = 0; p < 5; p++) f[p][5 + p] = 1;
		for (int p = 0; p < 5; p++)
			for (int i = 0; i < 5; i++) {
				double factor = i == p ? 1 - 1 / f[p][p] : f[i][p] / f[p][p];
				for (int k = 0; k < 10; k++) f[i][k] -= factor * f[p][k];
			}
		struct fit_information known;
		expect_success(fit_information_of(&points, &besiroglu, &noises[c], &known));
		struct fit_expected found = fit_expected_errors(&known);
		const double errors[] = {found.E, found.log_A, found.log_B, found.alpha, found.beta};
		for (int j = 0; j < 5; j++) assert_true(close_to(errors[j], sqrt(f[j][5 + j]), 1e-4));
		/* Functions of the parameters: their gradients by differences of fit_optimal and of the loss. */
		double C = 1e20, N = 3e8, D = 4e10, g[3][5];
		for (int j = 0; j < 5; j++) {
			double h = 1e-5, keep = x[j], value[2][3];
			for (int side = 0; side < 2; side++) {
				x[j] = keep + (side ? h : -h);
				struct fit_surface surface = {x[0], exp(x[1]), exp(x[2]), x[3], x[4]};
				value[side][0] = log(fit_optimal(&surface, C).N);
				value[side][1] = log(fit_surface_loss(&surface, N, D));
				value[side][2] = x[4] / (x[3] + x[4]);
			}
			x[j] = keep;
			for (int k = 0; k < 3; k++) g[k][j] = (value[1][k] - value[0][k]) / (2 * h);
		}
		const double functions[] = {fit_expected_log_N(&known, C), fit_expected_log_loss(&known, N, D), found.a};
		for (int k = 0; k < 3; k++) {
			double variance = 0;
			for (int i = 0; i < 5; i++)
				for (int j = 0; j < 5; j++) variance += g[k][i] * f[i][5 + j] * g[k][j];
			assert_true(close_to(functions[k], sqrt(variance), 1e-4));
		}
	}
	fit_points_free(&points);
}

/* Fits to 400 tables with little noise scatter as expected: delta is such that errors are those of least squares. 400
 * tables give a standard deviation within 3.5 % (one sigma). */
static void errors_by_simulation(void **state) {
	(void)state;
	const double noises[] = {1e-4, 3e-3};
	for (size_t c = 0; c < COUNT_OF(noises); c++) {
		double sums[7] = {0}, squares[7] = {0}, expected[7] = {0};
		enum { TABLES = 400 };
		struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
		double C = 6e13, N = 4e5, D = 1e8;
		for (int t = 0; t < TABLES; t++) {
			struct fit_points points = make_points(&truth, &laptop, noises[c], 0, (uint64_t)t);
			struct table table;
			struct solution solution;
			double x[5];
			expect_success(surface_table(&points, &table));
			surface_centred(&table, &truth, x);
			struct law law = law_chinchilla;
			law.criterion.delta = delta_for((struct misses){.scale = noises[c]});
			double *work = array_new(law_work_size(&law, &table), 1);
			assert_non_null(work);
			law_refit(&law, &table, HELD_NONE, x, 1, GRID_NONE, work, &solution);
			struct fit_surface found = surface_of(&table, solution.x);
			const double values[7] = {
			    found.E,
			    log(found.A),
			    log(found.B),
			    found.alpha,
			    found.beta,
			    log(fit_optimal(&found, C).N),
			    log(fit_surface_loss(&found, N, D))};
			for (int k = 0; k < 7; k++) sums[k] += values[k], squares[k] += values[k] * values[k];
			if (t == 0) {
				struct fit_information known;
				expect_success(fit_information_of(&points, &truth, &(struct fit_noise){.point = noises[c]}, &known));
				struct fit_expected e = fit_expected_errors(&known);
				const double all[7] = {e.E,
				                       e.log_A,
				                       e.log_B,
				                       e.alpha,
				                       e.beta,
				                       fit_expected_log_N(&known, C),
				                       fit_expected_log_loss(&known, N, D)};
				memcpy(expected, all, sizeof all);
			}
			free(work);
			table_free(&table);
			fit_points_free(&points);
		}
		for (int k = 0; k < 7; k++) {
			double mean = sums[k] / TABLES, deviation = sqrt((squares[k] - TABLES * mean * mean) / (TABLES - 1));
			if (!close_to(deviation, expected[k], 0.12)) fail_msg("noise %g, quantity %d", noises[c], k);
		}
	}
}

/* What is not determined is infinite, and what is still is not. */
static void open_directions(void **state) {
	(void)state;
	struct bench bench;
	struct fit fit;
	begin(&bench, "one size", 1);
	one_size(&bench);
	finish(&bench, 0, &fit);
	assert_true(isinf(fit.design.alpha_error) && isinf(fit.design.E_error) && isinf(fit.design.a_error));
	assert_true(isfinite(fit.design.beta_error)); /* its fall with D is seen all the same */
	begin(&bench, "same rows", 1);
	same_rows(&bench);
	finish(&bench, 0, &fit);
	assert_true(isinf(fit.design.alpha_error) && isinf(fit.design.beta_error));
	assert_string_equal(fit.warnings[fit.warning_count - 1].code, "equal_losses");
	/* Counts whose ratio is beyond a double still have their decades. */
	begin(&bench, "far", 1);
	add(&bench, 1e-200, 1e200);
	add(&bench, 1e200, 1e-200);
	finish(&bench, 0, &fit);
	assert_true(close_to(fit.design.decades_N, 400, 1e-12) && close_to(fit.design.decades_D, 400, 1e-12));
}

/* ---------------------------------------------------------------------------------------------------------------- plans --- */

static void plans_are_points(void **state) {
	(void)state;
	const char *plan = "{\"depth\": 2, \"horizons\": [1e6, \"2M\"], \"seeds\": [1, 2, 3], \"rungs\": [{\"width\": 32}, "
	                   "{\"width\": 64, \"depth\": 4, \"horizons\": [5e6], \"seeds\": [7]}]}";
	struct fit_points points;
	expect_success(fit_points_planned("p.json", plan, strlen(plan), &points));
	assert_int_equal(points.count, 7);
	assert_int_equal(points.rungs, 2);
	assert_true(points.items[0].N == 12 * 2 * 32 * 32 && points.items[0].D == 1e6 && points.items[5].D == 2e6);
	assert_true(points.items[6].N == 12 * 4 * 64 * 64 && points.items[6].D == 5e6 && points.items[6].rung == 1);
	assert_true(points.items[6].C == 6 * points.items[6].N * 5e6);
	fit_points_free(&points);
	static const struct {
		const char *text, *part;
	} bad[] = {
	    {"{}", "p.json: expected a plan with \"rungs\""},
	    {"{\"rungs\": []}", "expected a plan with \"rungs\""},
	    {"{\"rungs\": [{\"width\": 32}], \"horizons\": [1]}", "rungs[0]: expected \"width\" and \"depth\""},
	    {"{\"rungs\": [{\"width\": 32, \"depth\": 1}]}", "rungs[0]: expected \"horizons\""},
	    {"{\"rungs\": [{\"width\": 32, \"depth\": 1, \"horizons\": [\"many\"]}]}", "a horizon is no number above zero"},
	    {"{\"rungs\": [{\"width\": -32, \"depth\": 1, \"horizons\": [1]}]}", "above zero"},
	    {"{\"rungs\"", "p.json:1:"},
	};
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		expect_failure(
		    fit_points_planned("p.json", bad[i].text, strlen(bad[i].text), &points), ERROR_DATA, bad[i].part);
}

int main(void) {
	omp_set_num_threads(1);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(degenerate_designs_are_named),
	    cmocka_unit_test(degenerate_designs_are_refused),
	    cmocka_unit_test(sound_designs_are_left_alone),
	    cmocka_unit_test(errors_by_brute_force),
	    cmocka_unit_test(errors_by_simulation),
	    cmocka_unit_test(open_directions),
	    cmocka_unit_test(plans_are_points),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
