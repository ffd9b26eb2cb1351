/* Predictive distributions: their score against numeric integration and closed forms, their quantiles against brute force. */
#include "fit/forecast.h"
#include "tests/fit_fixture.h"

/* Written out anew, from the definition: the distribution function of ln L. */
static double below(const struct mixture *mixture, double y) {
	double sum = 0;
	for (size_t i = 0; i < mixture->count; i++) {
		double from = y - mixture->center[i];
		sum += mixture->spread[i] > 0 ? erfc(-from / mixture->spread[i] / sqrt(2)) / 2 : from >= 0;
	}
	return sum / (double)mixture->count;
}

/* The integral of (F(x) - [x >= loss])^2 dx with x = e^y, by Simpson's rule between all places where it has corners. */
static double integrated_crps(const struct mixture *mixture, double loss) {
	double corners[64], total = 0;
	size_t count = 0;
	corners[count++] = log(loss);
	for (size_t i = 0; i < mixture->count; i++)
		for (int k = -12; k <= 12; k += 12) {
			if (k && mixture->spread[i] == 0) continue;
			corners[count++] = mixture->center[i] + k * mixture->spread[i];
		}
	assert_true(count <= COUNT_OF(corners));
	for (size_t i = 1; i < count; i++)
		for (size_t j = i; j > 0 && corners[j] < corners[j - 1]; j--) {
			double swap = corners[j];
			corners[j] = corners[j - 1];
			corners[j - 1] = swap;
		}
	for (size_t i = 1; i < count; i++) {
		double from = corners[i - 1], to = corners[i];
		const int pieces = 1000;
		if (to <= from) continue;
		for (int k = 0; k <= pieces; k++) {
			/* The ends belong to the inside of the piece. */
			double y = from + (to - from) * fmin(fmax(k, 1e-9), pieces - 1e-9) / pieces;
			double miss = below(mixture, y) - (y >= log(loss));
			total += (k == 0 || k == pieces ? 1 : k % 2 ? 4 : 2) * miss * miss * exp(y) * (to - from) / pieces / 3;
		}
	}
	return total;
}

static struct mixture mixture_of(size_t count, const double *center, const double *spread) {
	struct mixture mixture;
	expect_success(mixture_new(&mixture, count));
	memcpy(mixture.center, center, count * sizeof *center);
	memcpy(mixture.spread, spread, count * sizeof *spread);
	return mixture;
}

static struct mixture random_mixture(uint64_t seed) {
	struct rng rng = rng_make(seed, "mixture");
	struct mixture mixture;
	expect_success(mixture_new(&mixture, 1 + rng_below(&rng, 15)));
	for (size_t i = 0; i < mixture.count; i++) {
		mixture.center[i] = 0.5 + 0.1 * rng_normal(&rng);
		mixture.spread[i] = seed % 3 == 0 && i % 2 ? 0 : 0.2 * rng_uniform(&rng);
	}
	return mixture;
}

static void crps_against_integration(void **state) {
	(void)state;
	for (uint64_t seed = 0; seed < 24; seed++) {
		struct mixture mixture = random_mixture(seed);
		static const double losses[] = {0.4, 1.2, 1.6, 1.75, 2.1, 6};
		for (size_t i = 0; i < COUNT_OF(losses); i++)
			assert_true(near(mixture_crps(&mixture, losses[i]), integrated_crps(&mixture, losses[i]), 2e-7));
		mixture_free(&mixture);
	}
}

/* The standard normal's: sigma (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi)) (Gneiting and Raftery 2007, eq. 21). With a small
 * spread s a lognormal is normal with standard deviation s e^center. */
static void crps_of_a_normal(void **state) {
	(void)state;
	const double center = 0.7, spread = 1e-5, sigma = spread * exp(center);
	struct mixture mixture = mixture_of(1, &center, &spread);
	for (double z = -4; z <= 4; z += 0.5) {
		double phi = exp(-z * z / 2) / sqrt(2 * M_PI), two_sided = 1 - erfc(z / sqrt(2));
		double expected = sigma * (z * two_sided + 2 * phi - 1 / sqrt(M_PI));
		assert_true(close_to(mixture_crps(&mixture, exp(center) + z * sigma), expected, 1e-4));
	}
	mixture_free(&mixture);
}

/* Parts without spread are a sample: mean |x - y| less half the mean |x - x'|; a single one has the absolute error. */
static void crps_of_a_sample(void **state) {
	(void)state;
	const double center[] = {log(1.5), log(1.7), log(1.6), log(2.5), log(1.7)}, spread[5] = {0};
	struct mixture mixture = mixture_of(5, center, spread);
	for (double loss = 1; loss < 3; loss += 0.13) {
		double to_loss = 0, among = 0;
		for (int i = 0; i < 5; i++) {
			to_loss += fabs(exp(center[i]) - loss) / 5;
			for (int j = 0; j < 5; j++) among += fabs(exp(center[i]) - exp(center[j])) / 25;
		}
		assert_true(near(mixture_crps(&mixture, loss), to_loss - among / 2, 1e-14));
	}
	mixture.count = 1;
	assert_true(near(mixture_crps(&mixture, 2.25), 0.75, 1e-15));
	assert_true(near(mixture_crps(&mixture, 1.5), 0, 1e-15));
	mixture.center[0] = 800; /* a mean beyond a double */
	assert_true(mixture_crps(&mixture, 1) == INFINITY);
	mixture_free(&mixture);
}

/* Honesty pays: under the truth the true forecast has the lower mean score than wider, narrower and shifted ones. */
static void crps_is_proper(void **state) {
	(void)state;
	const double centers[] = {0.5, 0.5, 0.5, 0.52}, spreads[] = {0.03, 0.06, 0.015, 0.03};
	double mean[4] = {0};
	struct rng rng = rng_make(5, "proper");
	for (int draw = 0; draw < 4000; draw++) {
		double loss = exp(0.5 + 0.03 * rng_normal(&rng));
		for (int k = 0; k < 4; k++) {
			struct mixture mixture = mixture_of(1, &centers[k], &spreads[k]);
			mean[k] += mixture_crps(&mixture, loss) / 4000;
			mixture_free(&mixture);
		}
	}
	for (int k = 1; k < 4; k++) assert_true(mean[k] > 1.05 * mean[0]);
}

static void quantiles_against_brute_force(void **state) {
	(void)state;
	static const double probabilities[] = {0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99};
	for (uint64_t seed = 0; seed < 30; seed++) {
		struct mixture mixture = random_mixture(seed);
		for (size_t k = 0; k < COUNT_OF(probabilities); k++) {
			/* The first step of a fine ladder at which enough lies below. */
			double y = -2;
			const double step = 1e-4;
			while (below(&mixture, y) < probabilities[k]) y += step;
			double found = mixture_quantile(&mixture, probabilities[k]);
			assert_true(log(found) <= y + 1e-12 && log(found) > y - step - 1e-12);
			assert_true(near(mixture_below(&mixture, found), below(&mixture, log(found)), 1e-12));
		}
		struct fit_interval interval = mixture_interval(&mixture, 0.9);
		assert_true(
		    interval.low == mixture_quantile(&mixture, 0.05) ||
		    near(interval.low, mixture_quantile(&mixture, 0.05), 1e-12));
		assert_true(near(interval.high, mixture_quantile(&mixture, 0.95), 1e-12));
		mixture_free(&mixture);
	}
	const double center = 0.7, spread = 0.02, none = 0;
	struct mixture normal = mixture_of(1, &center, &spread), certain = mixture_of(1, &center, &none);
	assert_true(close_to(mixture_quantile(&normal, 0.95), exp(0.7 + 0.02 * 1.6448536269514722), 1e-12));
	assert_true(close_to(mixture_quantile(&certain, 0.05), exp(0.7), 1e-15));
	mixture_free(&normal);
	mixture_free(&certain);
}

static void z_by_hand(void **state) {
	(void)state;
	const double center[] = {1, 2}, spread[] = {0.5, 1};
	struct mixture mixture = mixture_of(2, center, spread);
	assert_true(near(mixture_mean(&mixture), 1.5, 1e-15));
	assert_true(near(mixture_deviation(&mixture), sqrt((0.25 + 1) / 2 + 0.25), 1e-15));
	assert_true(near(mixture_z(&mixture, exp(3)), 1.5 / sqrt(0.875), 1e-14));
	mixture.count = 1;
	mixture.spread = mixture.center + 1; /* no matter what */
	mixture.spread[0] = 0;
	assert_true(mixture_z(&mixture, exp(1)) == 0);
	assert_true(mixture_z(&mixture, 9) == INFINITY);
	mixture_free(&mixture);
}

/* ------------------------------------------------------------------------------------------------ last difference --- */

/* Losses exp(y) at N = e^u, D = e^v. */
static struct fit_points points_of(size_t count, const double (*rows)[3]) {
	struct fit_points points = {.rungs = 1};
	points.items = array_new(count, sizeof *points.items);
	assert_non_null(points.items);
	for (size_t i = 0; i < count; i++)
		points.items[points.count++] =
		    (struct fit_point){.N = exp(rows[i][0]), .D = exp(rows[i][1]), .loss = exp(rows[i][2]), .weight = 1};
	return points;
}

#define DIFFERENCE(rows, u, v, noise, center, spread)                                                                  \
	difference((rows), COUNT_OF(rows), (u), (v), (noise), (center), (spread))
static bool difference(
    const double (*rows)[3], size_t count, double u, double v, double noise, double *center, double *spread) {
	struct fit_points points = points_of(count, rows);
	struct ladder *ladder;
	expect_success(ladder_new(&points, &ladder));
	bool made = ladder_difference(ladder, exp(u), exp(v), noise, center, spread);
	ladder_free(ladder);
	fit_points_free(&points);
	return made;
}

static void difference_by_hand(void **state) {
	(void)state;
	double center, spread;
	/* Two sizes, ln N = 10 and 12; token counts ln D = 14, 15, 16, of which the larger size lacks the last. */
	static const double rows[][3] = {{12, 15, 1.0}, {10, 14, 1.5}, {10, 15, 1.2}, {10, 16, 1.1}, {12, 14, 1.4}};
	/* The same D: 1.0 at N1, fell by .2 over 2, and 1 further. */
	assert_true(DIFFERENCE(rows, 13, 15, 0.01, &center, &spread));
	assert_true(near(center, 1.0 - 0.1, 1e-12));
	assert_true(near(spread, 0.01, 1e-15)); /* two sizes: nothing to try the rule on */
	/* Between two token counts: both curves are read half way, 1.2 and 1.35. */
	assert_true(DIFFERENCE(rows, 14, 14.5, 0.01, &center, &spread));
	assert_true(near(center, 1.2 - 0.075 * 2, 1e-12));
	/* Beyond those of N1: its line goes on with slope -.4; the step in N is that of ln D = 15, the last in common. */
	assert_true(DIFFERENCE(rows, 13, 16, 0.01, &center, &spread));
	assert_true(near(center, 0.6 - 0.1, 1e-12));
	/* A size between: from the two that are there. */
	assert_true(DIFFERENCE(rows, 12, 16, 0.01, &center, &spread));
	assert_true(near(center, 0.6, 1e-12));
	/* Repeats count by their mean. */
	static const double repeats[][3] = {{10, 14, 1.5}, {12, 14, 1.3}, {12, 14, 1.1}, {12, 14, 1.2}};
	assert_true(DIFFERENCE(repeats, 13, 14, 0, &center, &spread));
	assert_true(near(center, 1.2 - 0.15, 1e-12));
	/* Nothing to carry on from: one size; sizes of one token count each that differ. */
	static const double one[][3] = {{12, 14, 1}, {12, 15, 0.9}}, apart[][3] = {{10, 14, 1}, {12, 15, 0.9}};
	assert_false(DIFFERENCE(one, 13, 14, 0, &center, &spread));
	assert_false(DIFFERENCE(apart, 13, 14, 0, &center, &spread));
	assert_false(DIFFERENCE(repeats, 13, 15, 0, &center, &spread));
}

/* The spread is what the rule misses the sizes by that are there: here the steps in N bring .3, .2 and .1 per unit. */
static void difference_knows_its_misses(void **state) {
	(void)state;
	static const double rows[][3] = {{10, 14, 2.0}, {11, 14, 1.7}, {12, 14, 1.5}, {14, 14, 1.3},
	                                 {10, 15, 1.9}, {11, 15, 1.6}, {12, 15, 1.4}, {14, 15, 1.2}};
	double center, spread;
	assert_true(DIFFERENCE(rows, 16, 14, 0.01, &center, &spread));
	assert_true(near(center, 1.3 - 0.2, 1e-12));
	/* Size 12 was missed by -.1 over a way of 1, size 14 by -.2 over 2; both at two token counts. */
	assert_true(near(spread, 0.1 * 2, 1e-12));
	assert_true(DIFFERENCE(rows, 16, 14, 0.3, &center, &spread));
	assert_true(near(spread, 0.3, 1e-12));
	/* Beyond the token counts too, the rule is tried on lower ones only. From the points at ln D = 14 alone no slope in D can
	 * be told, so nothing is learned and the noise is all there is. */
	assert_true(DIFFERENCE(rows, 16, 16, 0.01, &center, &spread));
	assert_true(near(center, 1.1 - 0.2, 1e-12));
	assert_true(near(spread, 0.01, 1e-12));
}

/* From the middle of the six rows nearest to (u, v). */
static double way_from_six(int count, const double (*rows)[3], double u, double v) {
	double mu = 0, mv = 0;
	for (int j = 0; j < count; j++) {
		int closer = 0;
		for (int k = 0; k < count; k++)
			closer += hypot(rows[k][0] - u, rows[k][1] - v) < hypot(rows[j][0] - u, rows[j][1] - v);
		if (closer >= 6) continue;
		mu += rows[j][0] / 6;
		mv += rows[j][1] / 6;
	}
	return hypot(u - mu, v - mv);
}

/* Where every size has a token count of its own, the differences of neighbours say the rest. */
static void planes_where_there_are_no_steps(void **state) {
	(void)state;
	double center, spread;
	/* Two budgets, u + v = 24 and 26, of five sizes each: a plane, ln L = 7 - .1 u - .2 v. */
	double rows[10][3];
	for (int i = 0; i < 10; i++) {
		rows[i][0] = 9 + i % 5 + 0.1 * (i / 5);
		rows[i][1] = (i < 5 ? 24 : 26) - rows[i][0];
		rows[i][2] = 7 - 0.1 * rows[i][0] - 0.2 * rows[i][1];
	}
	const double(*plane)[3] = (const double(*)[3])rows;
	assert_true(difference(plane, 10, 14, 16, 0.01, &center, &spread));
	assert_true(near(center, 7 - 1.4 - 3.2, 1e-10));
	assert_true(near(spread, 0.01, 1e-12)); /* no row has rows of less compute that are no line */
	/* Six of them at least; on a line they say nothing. */
	assert_false(difference(plane, 5, 14, 16, 0.01, &center, &spread));
	/* A third budget that lies .3 off: each of its rows is missed by as much, over a way that is reckoned here. */
	double more[13][3], squares = 0;
	memcpy(more, rows, sizeof rows);
	for (int i = 0; i < 3; i++) {
		more[10 + i][0] = 11.3 + i;
		more[10 + i][1] = 29 - more[10 + i][0];
		more[10 + i][2] = 7 - 0.1 * more[10 + i][0] - 0.2 * more[10 + i][1] + 0.3;
		double way = way_from_six(10, plane, more[10 + i][0], more[10 + i][1]);
		squares += 0.3 * 0.3 / (way * way) / 3;
	}
	const double(*bent)[3] = (const double(*)[3])more;
	assert_true(difference(bent, 13, 12.3, 17, 0, &center, &spread));
	assert_true(near(spread, sqrt(squares) * way_from_six(13, bent, 12.3, 17), 1e-10));
	assert_true(difference(bent, 13, 12.3, 17, 2, &center, &spread));
	assert_true(spread == 2);
}

/* ------------------------------------------------------------------------------------------------------- coverage --- */

/* Clopper and Pearson by their definition: at the ends of the interval one tail is half of what is left. */
static void binomial_intervals(void **state) {
	(void)state;
	for (size_t of = 1; of <= 30; of += 7)
		for (size_t inside = 0; inside <= of; inside++) {
			struct fit_interval interval = binomial_interval(inside, of, 0.9);
			double term = 1, at_least = 0, at_most = 0, low = interval.low, high = interval.high;
			for (size_t k = 0; k <= of; k++) {
				at_least += k >= inside ? term * pow(low, (double)k) * pow(1 - low, (double)(of - k)) : 0;
				at_most += k <= inside ? term * pow(high, (double)k) * pow(1 - high, (double)(of - k)) : 0;
				term *= (double)(of - k) / (double)(k + 1);
			}
			assert_true(inside == 0 ? low == 0 : near(at_least, 0.05, 1e-9));
			assert_true(inside == of ? high == 1 : near(at_most, 0.05, 1e-9));
		}
	/* From their tables: 5 of 10 at 95 %. */
	struct fit_interval interval = binomial_interval(5, 10, 0.95);
	assert_true(near(interval.low, 0.1871, 5e-5) && near(interval.high, 0.8129, 5e-5));
	interval = binomial_interval(0, 0, 0.9);
	assert_true(interval.low == 0 && interval.high == 1);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(crps_against_integration),
	    cmocka_unit_test(crps_of_a_normal),
	    cmocka_unit_test(crps_of_a_sample),
	    cmocka_unit_test(crps_is_proper),
	    cmocka_unit_test(quantiles_against_brute_force),
	    cmocka_unit_test(z_by_hand),
	    cmocka_unit_test(difference_by_hand),
	    cmocka_unit_test(difference_knows_its_misses),
	    cmocka_unit_test(planes_where_there_are_no_steps),
	    cmocka_unit_test(binomial_intervals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
