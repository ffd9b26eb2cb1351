/* Akima's cubic and straight lines in logs: against another implementation, closed forms and brute force. */
#include "fit/approach.h"
#include "tests/fit_fixture.h"

/* ----------------------------------------------------------------------------------------------------------- Akima --- */

/* The example of Akima's paper, and a curve of losses; values of SciPy 1.10's Akima1DInterpolator. */
static void the_published_cubic(void **state) {
	(void)state;
	const double x[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, y[] = {10, 10, 10, 10, 10, 10, 10.5, 15, 50, 60, 85};
	const double at[] = {0.5, 5.5, 6.25, 7.5, 8.75, 9.9};
	const double expected[] = {
	    10, 10.179435483870968, 10.874374304783093, 31.308142288745735, 56.567973042582416, 81.84187500000002};
	double slope[11];
	akima_slopes(x, y, 11, slope);
	for (size_t i = 0; i < COUNT_OF(at); i++)
		assert_true(close_to(akima_at(x, y, slope, 11, at[i]), expected[i], 1e-14));
	/* By hand: at knot 6 the slopes around are 0, 0.5 | 4.5, 35: (30.5 * 0.5 + 0.5 * 4.5) / (30.5 + 0.5). */
	assert_true(close_to(slope[6], 17.5 / 31, 1e-14));

	const double u[] = {15.0, 15.7, 16.1, 16.9, 17.4, 18.2, 19.0};
	const double loss[] = {1.302, 1.245, 1.2214, 1.2105, 1.2188, 1.2547, 1.3169};
	const double slopes[] = {-0.0926428571428572,  -0.0740094811693441, -0.039671844265075105, 0.004996308553971756,
	                         0.030143769809825836, 0.06007599141455397, 0.09418750000000009};
	akima_slopes(u, loss, 7, slope);
	for (int i = 0; i < 7; i++) assert_true(near(slope[i], slopes[i], 1e-14));
	struct akima_lowest lowest = akima_lowest(u, loss, slope, 7);
	assert_true(close_to(lowest.x, 16.749616808548, 1e-12) && close_to(lowest.y, 1.210104590103716, 1e-14));
	assert_false(lowest.edge);
}

/* Two knots make a line, three or more on a parabola with equal steps the parabola itself. */
static void few_knots(void **state) {
	(void)state;
	const double x[] = {1, 3, 5, 7}, line[] = {2, 6}, parabola[] = {5, 1, 5, 17};
	double slope[4];
	akima_slopes(x, line, 2, slope);
	assert_true(slope[0] == 2 && slope[1] == 2 && close_to(akima_at(x, line, slope, 2, 1.5), 3, 1e-15));
	struct akima_lowest lowest = akima_lowest(x, line, slope, 2);
	assert_true(lowest.x == 1 && lowest.y == 2 && lowest.edge);
	for (size_t n = 3; n <= 4; n++) {
		akima_slopes(x, parabola, n, slope);
		assert_true(near(akima_at(x, parabola, slope, n, 3.5), 1.25, 1e-14));
		lowest = akima_lowest(x, parabola, slope, n);
		assert_true(near(lowest.x, 3, 1e-12) && near(lowest.y, 1, 1e-12) && !lowest.edge);
	}
	const double falling[] = {4, 3, 2, 1};
	akima_slopes(x, falling, 4, slope);
	lowest = akima_lowest(x, falling, slope, 4);
	assert_true(lowest.x == 7 && lowest.edge);
}

/* The cubic passes its knots with one slope from both sides, and nothing on a fine grid lies below the lowest point. */
static void cubics_at_random(void **state) {
	(void)state;
	struct rng rng = rng_make(1, "akima");
	int inside = 0;
	for (int round = 0; round < 300; round++) {
		size_t n = 2 + rng_below(&rng, 9);
		double x[10], y[10], slope[10], low = INFINITY;
		for (size_t i = 0; i < n; i++) {
			x[i] = (i ? x[i - 1] : 14) + 0.1 + rng_uniform(&rng);
			y[i] = rng_below(&rng, 4) ? rng_normal(&rng) : 0; /* some are equal: no weight on either side */
		}
		akima_slopes(x, y, n, slope);
		struct akima_lowest lowest = akima_lowest(x, y, slope, n);
		for (size_t i = 0; i < n; i++) {
			assert_true(near(akima_at(x, y, slope, n, x[i]), y[i], 1e-12));
			if (i == 0 || i == n - 1) continue;
			double h = 1e-6, before = (y[i] - akima_at(x, y, slope, n, x[i] - h)) / h;
			double behind = (akima_at(x, y, slope, n, x[i] + h) - y[i]) / h;
			assert_true(near(before, slope[i], 1e-3) && near(behind, slope[i], 1e-3));
		}
		for (int k = 0; k <= 2000; k++) low = fmin(low, akima_at(x, y, slope, n, x[0] + (x[n - 1] - x[0]) * k / 2000));
		assert_true(lowest.y <= low + 1e-12 && lowest.y >= low - 1e-2);
		assert_true(near(akima_at(x, y, slope, n, lowest.x), lowest.y, 1e-12));
		assert_true(lowest.edge == (lowest.x == x[0] || lowest.x == x[n - 1]));
		inside += !lowest.edge;
	}
	assert_true(inside > 100 && inside < 290);
}

/* ----------------------------------------------------------------------------------------------------------- lines --- */

static void lines_in_logs(void **state) {
	(void)state;
	struct regression line;
	double x[6], y[6], weight[6] = {1, 2, 1, 1, 1, 1};
	for (int i = 0; i < 6; i++) {
		x[i] = pow(10, 18 + i / 3.0);
		y[i] = 0.3 * pow(x[i], 0.49);
	}
	regress_logs(x, y, NULL, 6, &line);
	assert_true(close_to(line.slope, 0.49, 1e-12) && close_to(regression_at(&line, 1e24), 0.3 * pow(1e24, 0.49), 1e-9));
	assert_true(line.rms < 1e-12 && line.slope_interval.high - line.slope_interval.low < 1e-12);
	/* A weight of two is the row twice, in the slope; the interval does not care in what unit weights are. */
	y[1] *= 1.4;
	y[4] *= 0.8;
	regress_logs(x, y, weight, 6, &line);
	double u[7] = {x[0], x[1], x[1], x[2], x[3], x[4], x[5]}, v[7] = {y[0], y[1], y[1], y[2], y[3], y[4], y[5]};
	struct regression twice, scaled;
	regress_logs(u, v, NULL, 7, &twice);
	assert_true(close_to(line.slope, twice.slope, 1e-12) && close_to(line.intercept, twice.intercept, 1e-12));
	for (int i = 0; i < 6; i++) weight[i] *= 1e9;
	regress_logs(x, y, weight, 6, &scaled);
	assert_true(close_to(scaled.slope_interval.low, line.slope_interval.low, 1e-12));
	/* ln y of 0, 1, 5 at ln x of 0, 1, 2: slope 5/2, residuals 1/2, -1, 1/2 about the mean line; t(.95, 1) = 6.3138. */
	const double a[3] = {1, exp(1), exp(2)}, b[3] = {1, exp(1), exp(5)};
	regress_logs(a, b, NULL, 3, &line);
	assert_true(near(line.slope, 2.5, 1e-12) && near(line.rms, sqrt(0.5), 1e-12));
	double reach = 6.313751514675 * sqrt(1.5 / 2);
	assert_true(near(line.slope_interval.low, 2.5 - reach, 1e-8) && near(line.slope_interval.high, 2.5 + reach, 1e-8));
	/* Nothing to go by. */
	const double same[3] = {7, 7, 7};
	regress_logs(same, b, NULL, 3, &line);
	assert_true(isnan(line.slope) && isnan(line.slope_interval.low));
	regress_logs(a, b, NULL, 2, &line);
	assert_true(near(line.slope, 1, 1e-12) && isnan(line.slope_interval.low));
	regress_logs(a, b, NULL, 1, &line);
	assert_true(isnan(line.slope));
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_published_cubic),
	    cmocka_unit_test(few_knots),
	    cmocka_unit_test(cubics_at_random),
	    cmocka_unit_test(lines_in_logs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
