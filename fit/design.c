/* design.c - what the choice of N and D allows, whatever the losses are. */
#include "fit/approach.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAME_SIZE 1e-9    /* relative: a count printed in other units */
#define SAME_HORIZON 0.02 /* relative: horizons are rounded to whole steps of different lengths */
#define ON_A_LINE 0.05    /* spread of ln D about its line in ln N that rounding alone can make */
#define LEAST_LEVELS 3    /* of N, and of D, that a floor, a prefactor and an exponent take */

static int ascending(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* How many of the values differ by more than `tolerance` from the first of their like. Orders them. */
static int distinct(double *values, size_t count, double tolerance) {
	qsort(values, count, sizeof *values, ascending);
	int levels = 0;
	double first = 0;
	for (size_t i = 0; i < count; i++) {
		if (levels > 0 && values[i] <= first * (1 + tolerance)) continue;
		first = values[i];
		levels++;
	}
	return levels;
}

/* The errors to expect on a surface that stands for all: see fit.h. */
static struct error *expect_errors(const struct fit_points *points, struct fit_design *design) {
	double N = INFINITY, D = INFINITY;
	for (size_t i = 0; i < points->count; i++) {
		N = fmin(N, points->items[i].N);
		D = fmin(D, points->items[i].D);
	}
	struct fit_surface surface = {.E = 1, .alpha = 0.34, .beta = 0.28};
	surface.A = pow(N, surface.alpha);
	surface.B = pow(D, surface.beta);
	struct fit_information known;
	TRY(fit_information_of(points, &surface, &(struct fit_noise){.point = 0.01}, &known));
	struct fit_expected expected = fit_expected_errors(&known);
	design->E_error = expected.E / surface.E;
	design->alpha_error = expected.alpha / surface.alpha;
	design->beta_error = expected.beta / surface.beta;
	design->a_error = expected.a * (surface.alpha + surface.beta) / surface.beta;
	return NULL;
}

struct error *fit_design_of(const struct fit_points *points, struct fit_design *design) {
	size_t n = points->count;
	*design = (struct fit_design){
	    .points = n,
	    .rungs = points->rungs,
	    .correlation = NAN,
	    .E_error = INFINITY,
	    .alpha_error = INFINITY,
	    .beta_error = INFINITY,
	    .a_error = INFINITY};
	if (n == 0) return NULL;
	double *values = array_new(n, sizeof *values);
	if (!values) return error_memory(n * sizeof *values);
	for (size_t i = 0; i < n; i++) values[i] = points->items[i].C;
	distinct(values, n, 0);
	design->decades_C = log10(values[n - 1]) - log10(values[0]);
	for (size_t i = 0; i < n; i++) values[i] = points->items[i].N;
	design->sizes = distinct(values, n, SAME_SIZE);
	design->decades_N = log10(values[n - 1]) - log10(values[0]);
	for (size_t i = 0; i < n; i++) values[i] = points->items[i].D;
	design->horizons = distinct(values, n, SAME_HORIZON);
	design->decades_D = log10(values[n - 1]) - log10(values[0]);
	free(values);

	double mean_n = 0, mean_d = 0, nn = 0, dd = 0, nd = 0;
	for (size_t i = 0; i < n; i++) {
		mean_n += log(points->items[i].N) / (double)n;
		mean_d += log(points->items[i].D) / (double)n;
	}
	for (size_t i = 0; i < n; i++) {
		double u = log(points->items[i].N) - mean_n, v = log(points->items[i].D) - mean_d;
		nn += u * u / (double)n;
		dd += v * v / (double)n;
		nd += u * v / (double)n;
	}
	if (design->sizes > 1 && design->horizons > 1) {
		design->correlation = nd / sqrt(nn * dd);
		design->spread = sqrt(fmax(0, dd - nd * nd / nn));
		design->spread_N = sqrt(fmax(0, nn - nd * nd / dd));
	}
	design->one_line = design->sizes > 1 && design->horizons > 1 && design->spread < ON_A_LINE;
	design->surface = design->sizes >= LEAST_LEVELS && design->horizons >= LEAST_LEVELS && !design->one_line &&
	                  n > FIT_SURFACE_PARAMETERS;
	return expect_errors(points, design);
}
