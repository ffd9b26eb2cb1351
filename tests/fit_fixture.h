/* fit_fixture.h - tables of points made from a known surface, for the tests of fit/. */
#ifndef RUNG_TESTS_FIT_FIXTURE_H
#define RUNG_TESTS_FIT_FIXTURE_H

#include "fit/fit.h"
#include "tests/support.h"

#include <math.h>

static const struct fit_method plain_method = {0};
static const struct fit_method published_method = {.delta = FIT_DELTA};
static const struct fit_surface hoffmann = {1.69, 406.4, 410.7, 0.34, 0.28};
static const struct fit_surface besiroglu = {1.8172, 482.01, 2085.43, 0.3478, 0.3658};

/* A full grid of N and D, evenly spaced in their logs. */
struct ladder_shape {
	int rungs, horizons;
	double N, span_N, D, span_D; /* the smallest, and the largest over it */
};
/* Of so many tables, 90 % intervals hold the truth in 180 on average, with a standard deviation of 4.2: within three of them. */
enum { COVERAGE_TABLES = 200, COVERAGE_FEWEST = 167, COVERAGE_MOST = 193 };

static const struct ladder_shape laptop = {6, 7, 6e3, 30, 1e6, 64};
static const struct ladder_shape cluster = {8, 8, 4e7, 400, 3e8, 300};

/* The surface of the laptop ladder: its terms are 1.2 and 1.5 at the smallest N and D. */
static inline struct fit_surface small_surface(double E, double alpha, double beta) {
	return (struct fit_surface){E, 1.2 * pow(6e3, alpha), 1.5 * pow(1e6, beta), alpha, beta};
}

/* Losses of `truth` times exp(errors): normal, `point` for each and `rung` shared by a rung. */
static inline struct fit_points make_points(
    const struct fit_surface *truth, const struct ladder_shape *shape, double point, double rung, uint64_t seed) {
	struct fit_points points = {.rungs = shape->rungs};
	struct rng rng = rng_make(seed, "points");
	points.items = array_new((size_t)(shape->rungs * shape->horizons), sizeof *points.items);
	assert_non_null(points.items);
	for (int r = 0; r < shape->rungs; r++) {
		double shared = rung * rng_normal(&rng);
		for (int h = 0; h < shape->horizons; h++) {
			struct fit_point *at = &points.items[points.count++];
			at->N = shape->N * pow(shape->span_N, r / (shape->rungs - 1.0));
			at->D = shape->D * pow(shape->span_D, h / (shape->horizons - 1.0));
			at->C = 6 * at->N * at->D;
			at->loss = (truth->E + truth->A * pow(at->N, -truth->alpha) + truth->B * pow(at->D, -truth->beta)) *
			           exp(shared + point * rng_normal(&rng));
			at->loss_error = NAN;
			at->weight = 1;
			at->rung = r;
			at->seed = -1;
			at->line = points.count + 1;
		}
	}
	return points;
}

static inline bool near(double value, double expected, double tolerance) {
	bool good = fabs(value - expected) <= tolerance;
	if (!good) print_error("found %.12g, expected %.12g within %g\n", value, expected, tolerance);
	return good;
}

/* Relative to the expected value. */
static inline bool close_to(double value, double expected, double tolerance) {
	return near(value, expected, tolerance * fabs(expected));
}

#endif
