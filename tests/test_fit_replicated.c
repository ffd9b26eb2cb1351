/* Runs that differ in their seed: pooled variance and F against plain sums, the test's level and power, copies. */
#include "fit/law.h"
#include "tests/fit_fixture.h"

#include <omp.h>
#include <string.h>

/* `seeds` runs of every point of the laptop's ladder: the law, a miss of the setting, and chance. */
static struct fit_points repeated(double chance, double miss, int seeds, uint64_t seed) {
	struct fit_surface truth = small_surface(0.8, 0.3, 0.35);
	struct fit_points once = make_points(&truth, &laptop, 0, 0, seed), points = {.rungs = once.rungs, .seeds = seeds};
	struct rng rng = rng_make(seed, "seeds");
	points.items = array_new(once.count * (size_t)seeds, sizeof *points.items);
	assert_non_null(points.items);
	for (size_t i = 0; i < once.count; i++) {
		double shared = miss * rng_normal(&rng);
		for (int s = 0; s < seeds; s++) {
			struct fit_point *point = &points.items[points.count++];
			*point = once.items[i];
			point->loss *= exp(shared + chance * rng_normal(&rng));
			point->seed = s;
		}
	}
	fit_points_free(&once);
	return points;
}

/* Against sums over the known layout: 42 settings, three runs in a row each. */
static void pooled_deviation(void **state) {
	(void)state;
	struct fit_points points = repeated(0.004, 0.01, 3, 1);
	double squares = 0;
	for (size_t i = 0; i < points.count; i += 3) {
		double y[3], mean = 0;
		for (size_t s = 0; s < 3; s++) mean += (y[s] = log(points.items[i + s].loss)) / 3;
		for (size_t s = 0; s < 3; s++) squares += (y[s] - mean) * (y[s] - mean);
	}
	struct fit_seed_noise noise;
	expect_success(fit_seed_noise_of(&points, &noise));
	assert_true(noise.settings == 42 && noise.runs == 126 && noise.freedom == 84 && noise.copies == 0);
	assert_true(close_to(noise.sd, sqrt(squares / 84), 1e-12));
	/* Quantiles of chi square with 84 degrees of freedom, from tables: 63.876 and 106.395. */
	assert_true(close_to(noise.interval.low, sqrt(squares / 106.395), 1e-4));
	assert_true(close_to(noise.interval.high, sqrt(squares / 63.876), 1e-4));
	/* In any order. */
	struct fit_seed_noise shuffled;
	for (size_t i = 0; i < points.count; i++) {
		struct fit_point *a = &points.items[i], *b = &points.items[i * 47 % points.count], kept = *a;
		*a = *b;
		*b = kept;
	}
	expect_success(fit_seed_noise_of(&points, &shuffled));
	assert_true(shuffled.freedom == 84 && close_to(shuffled.sd, noise.sd, 1e-12));
	fit_points_free(&points);
}

static void copies_are_not_replicates(void **state) {
	(void)state;
	struct fit_points points = repeated(0.004, 0, 2, 2);
	struct fit_seed_noise before, after;
	expect_success(fit_seed_noise_of(&points, &before));
	points.items = realloc(points.items, sizeof *points.items * (points.count + 2));
	assert_non_null(points.items);
	points.items[points.count++] = points.items[5];
	points.items[points.count++] = points.items[11];
	points.items[points.count - 1].loss *= 1.001; /* the same run, measured again */
	expect_success(fit_seed_noise_of(&points, &after));
	assert_true(after.copies == 2 && after.runs == before.runs && close_to(after.sd, before.sd, 0.05));
	/* Without seeds only the same bits are a copy. */
	for (size_t i = 0; i < points.count; i++) points.items[i].seed = -1;
	expect_success(fit_seed_noise_of(&points, &after));
	assert_true(after.copies == 1 && after.runs == before.runs + 1);
	/* No replicates, nothing to say. */
	fit_points_free(&points);
	points = repeated(0.004, 0, 1, 3);
	expect_success(fit_seed_noise_of(&points, &after));
	assert_true(after.freedom == 0 && isnan(after.sd) && isnan(after.interval.low));
	fit_points_free(&points);
}

/* F against its definition with the normal equations of the linearised law, solved by elimination. */
static void the_ratio_by_definition(void **state) {
	(void)state;
	struct fit_points points = repeated(0.004, 0.002, 2, 4);
	struct fit_surface_result result;
	struct fit_lack_of_fit lack;
	expect_success(fit_surface_solve(&points, NULL, &result));
	expect_success(fit_lack_of_fit_of(&points, &result, &lack));
	double system[5][6] = {{0}}, squares = 0, pure = 0;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < points.count; i++) {
			const struct fit_point *at = &points.items[i];
			const struct fit_surface *law = &result.surface;
			double loss = fit_surface_loss(law, at->N, at->D), n = pow(at->N, -law->alpha), d = pow(at->D, -law->beta);
			/* In parameters of order one: E, and the terms' sizes and exponents about the middle of the table. */
			double slope[5] = {1, n * 16, d * 190, n * 16 * (log(at->N) - 10), d * 190 * (log(at->D) - 16)};
			double residual = log(at->loss / loss);
			for (int j = 0; j < 5; j++) slope[j] /= loss;
			for (int j = 0; j < 5 && pass == 1; j++) residual -= system[j][5] * slope[j];
			squares += pass ? residual * residual : 0;
			for (int j = 0; j < 5 && pass == 0; j++) {
				for (int k = 0; k < 5; k++) system[j][k] += slope[j] * slope[k];
				system[j][5] += slope[j] * residual;
			}
		}
		for (int j = 0; j < 5 && pass == 0; j++)
			for (int row = 0; row < 5; row++) {
				double factor = row == j ? 0 : system[row][j] / system[j][j];
				for (int k = 0; k < 6; k++) system[row][k] -= factor * system[j][k];
			}
		for (int j = 0; j < 5 && pass == 0; j++) system[j][5] /= system[j][j];
	}
	for (size_t i = 0; i < points.count; i += 2)
		pure += pow(log(points.items[i].loss / points.items[i + 1].loss), 2) / 2;
	assert_true(lack.tested && lack.freedom_lack == 37 && lack.freedom_pure == 42);
	assert_true(close_to(lack.ratio, (squares - pure) / 37 / (pure / 42), 1e-6));
	fit_points_free(&points);
}

/* When the law is right p is uniform: of 300 tables about 15 lie below 0.05. When it misses, nearly all do, and the
 * miss comes out as it went in; seeds are then no evidence about the law. */
static void level_and_power(void **state) {
	(void)state;
	int found = 0, low = 0;
	for (uint64_t t = 0; t < 300; t++) {
		struct fit_points points = repeated(0.004, 0, 2, 100 + t);
		struct fit_surface_result result;
		struct fit_lack_of_fit lack;
		expect_success(fit_surface_solve(&points, NULL, &result));
		expect_success(fit_lack_of_fit_of(&points, &result, &lack));
		found += lack.p < 0.05;
		low += lack.p < 0.5;
		fit_points_free(&points);
	}
	assert_in_range(found, 5, 27);
	assert_in_range(low, 120, 180);
	double sd = 0;
	for (uint64_t t = 0; t < 20; t++) {
		struct fit_points points = repeated(0.004, 0.012, 3, 500 + t);
		struct fit_surface_result result;
		struct fit_lack_of_fit lack;
		struct fit_replicates replicates;
		expect_success(fit_surface_solve(&points, NULL, &result));
		expect_success(fit_lack_of_fit_of(&points, &result, &lack));
		assert_true(lack.p < 1e-6);
		sd += lack.sd / 20;
		expect_success(fit_bootstrap(&points, &result, RESAMPLE_SIMULATED, 2, 1, &replicates));
		assert_true(close_to(replicates.noise.point, 0.004, 0.25) && close_to(replicates.noise.setting, 0.012, 0.35));
		fit_replicates_free(&replicates);
		fit_points_free(&points);
	}
	assert_true(close_to(sd, 0.012, 0.08));
}

int main(void) {
	omp_set_num_threads(1);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pooled_deviation),
	    cmocka_unit_test(copies_are_not_replicates),
	    cmocka_unit_test(the_ratio_by_definition),
	    cmocka_unit_test(level_and_power),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
