/* minimum.c - Newton's method in a trust region, projected onto a box.
 *
 * The objectives here are robust sums: nearly piecewise linear far from the solution, with kinks rounded off over a
 * width of 1e-3, and flat valleys along which parameters trade off against each other. Exact Hessians, an exact solution
 * of the trust-region problem and a region that shrinks until steps succeed are what gets to the bottom of such a valley
 * to the last digit; quasi-Newton methods stop on its slope. */
#include "fit/numeric.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define MOST_ITERATIONS 400
#define LARGEST_STEP 10.0
#define SMALLEST_STEP 1e-16
#define MOST_FACTORS 12
#define PIVOT_LOST 1e-12 /* a pivot of a Hessian below this part of its diagonal entry has lost its digits */
#define SLOPE_ZERO 3e-14 /* of an objective whose slopes are of order one */

/* The step within `radius` that minimises g's + s'Hs/2, from the eigenvalues of H. */
static void trust_step(
    int n, const double *values, const double *vectors, const double *gradient, double radius, double *step) {
	double along[MOST_PARAMETERS]; /* the gradient in the eigenvectors */
	for (int k = 0; k < n; k++) {
		along[k] = 0;
		for (int i = 0; i < n; i++) along[k] += vectors[i * n + k] * gradient[i];
	}
	double largest = fmax(fabs(values[0]), fabs(values[n - 1]));
	/* Curvatures below rounding are not known to be positive. */
	double least = fmax(0, -values[0]) + DBL_EPSILON * largest + DBL_MIN;
	if (values[0] > DBL_EPSILON * largest) least = 0;
	double shift = least;
	for (int round = 0;; round++) {
		double length2 = 0, bend = 0; /* |s|^2 and half its falling rate in the shift */
		for (int k = 0; k < n; k++) {
			double curve = values[k] + shift, s = along[k] / curve;
			length2 += s * s;
			bend += s * s / curve;
		}
		double length = sqrt(length2);
		if (round == 60 || length <= radius * (1 + 1e-3)) break;
		/* Newton's method on 1/|s| - 1/radius, which is nearly linear in the shift and approaches from below. */
		shift += (length / radius - 1) * length2 / bend;
	}
	double length2 = 0;
	for (int i = 0; i < n; i++) step[i] = 0;
	for (int k = 0; k < n; k++) {
		double s = -along[k] / (values[k] + shift);
		length2 += s * s;
		for (int i = 0; i < n; i++) step[i] += s * vectors[i * n + k];
	}
	/* The hard case: a direction of negative curvature along which the gradient vanishes. Go as far as allowed. */
	if (values[0] < -DBL_EPSILON * largest && length2 < 0.8 * radius * radius) {
		double rest = sqrt(radius * radius - length2);
		for (int i = 0; i < n; i++) step[i] += rest * vectors[i * n];
	}
}

/* Where the search stands. */
struct place {
	double x[MOST_PARAMETERS], value;
	double gradient[MOST_PARAMETERS], hessian[MOST_PARAMETERS * MOST_PARAMETERS];
};

static void look(const struct objective *objective, struct place *place) {
	place->value = objective->evaluate(objective->data, place->x, place->gradient, place->hessian);
}

/* The parameters that may move from a place, and the quadratic model of the function in them. The others are held, or sit
 * on a bound that the gradient presses them against. */
struct model {
	int count, list[MOST_PARAMETERS];
	double gradient[MOST_PARAMETERS], hessian[MOST_PARAMETERS * MOST_PARAMETERS];
	bool decomposed;                                                            /* the next two are known */
	double values[MOST_PARAMETERS], vectors[MOST_PARAMETERS * MOST_PARAMETERS]; /* of the Hessian */
	double slope;                                                               /* the largest */
};

static void find_free(const struct objective *objective, const struct place *place, struct model *model) {
	model->count = 0;
	model->slope = 0;
	for (int i = 0; i < objective->count; i++) {
		double x = place->x[i], slope = place->gradient[i];
		bool pressed = (x <= objective->lower[i] && slope >= 0) || (x >= objective->upper[i] && slope <= 0);
		if (pressed || objective->lower[i] == objective->upper[i]) continue;
		model->list[model->count++] = i;
		model->slope = fmax(model->slope, fabs(slope));
	}
}

static void find_curvature(const struct objective *objective, const struct place *place, struct model *model) {
	for (int i = 0; i < model->count; i++) {
		model->gradient[i] = place->gradient[model->list[i]];
		for (int k = 0; k < model->count; k++)
			model->hessian[i * model->count + k] = place->hessian[model->list[i] * objective->count + model->list[k]];
	}
	model->decomposed = false;
}

/* The same step by a handful of Cholesky factors of H + shift I (More and Sorensen 1983, algorithm 3.14), its length within
 * a tenth of `radius` unless the Newton step is shorter: an eighth of the price of eigenvalues. False in the hard case, and
 * where rounding leaves no clear answer. */
static bool factored_step(const struct model *model, double radius, double *step) {
	int n = model->count;
	double shifted[MOST_PARAMETERS * MOST_PARAMETERS], factor[MOST_PARAMETERS * MOST_PARAMETERS];
	double low = 0, high = 0, size = 0;
	for (int i = 0; i < n; i++) {
		double row = 0;
		for (int k = 0; k < n; k++) row += fabs(model->hessian[i * n + k]);
		high = fmax(high, row); /* no eigenvalue lies below -high */
		low = fmax(low, -model->hessian[i * n + i]);
		size += model->gradient[i] * model->gradient[i];
	}
	high += sqrt(size) / radius;
	double shift = low;
	for (int round = 0; round < MOST_FACTORS; round++) {
		memcpy(shifted, model->hessian, sizeof(double) * (size_t)(n * n));
		for (int i = 0; i < n; i++) shifted[i * n + i] += shift;
		if (!factor_positive(n, shifted, PIVOT_LOST, factor)) {
			low = shift;
			shift = fmax(sqrt(low * high), low + 0.02 * (high - low));
			continue;
		}
		double length2 = 0, bend = 0;
		for (int i = 0; i < n; i++) {
			step[i] = -model->gradient[i];
			for (int k = 0; k < i; k++) step[i] -= factor[i * n + k] * step[k];
			step[i] /= factor[i * n + i];
		}
		for (int i = n - 1; i >= 0; i--) {
			for (int k = i + 1; k < n; k++) step[i] -= factor[k * n + i] * step[k];
			step[i] /= factor[i * n + i];
			length2 += step[i] * step[i];
		}
		double length = sqrt(length2);
		if (length <= radius && (shift == 0 || length >= 0.9 * radius)) return true;
		if (length <= radius * 1.1 && length >= 0.9 * radius) return true;
		*(length > radius ? &low : &high) = shift;
		/* Newton's method on 1/|s| - 1/radius: bend is s'(H + shift I)^-1 s. */
		double along[MOST_PARAMETERS];
		for (int i = 0; i < n; i++) {
			along[i] = step[i];
			for (int k = 0; k < i; k++) along[i] -= factor[i * n + k] * along[k];
			along[i] /= factor[i * n + i];
			bend += along[i] * along[i];
		}
		double next = shift + (length / radius - 1) * length2 / bend;
		shift = next > low && next < high ? next : (low + high) / 2;
	}
	return false;
}

static double clip(double value, double low, double high) {
	return fmin(fmax(value, low), high);
}

/* Puts into `to` where the model would go within `radius`, cut off at the box. Returns the change that it predicts there;
 * *length is that of the step. */
static double propose(
    const struct objective *objective, struct model *model, const struct place *from, double radius, struct place *to,
    double *length) {
	int n = model->count;
	double step[MOST_PARAMETERS];
	if (!factored_step(model, radius, step)) {
		if (!model->decomposed) symmetric_eigen(n, model->hessian, model->values, model->vectors);
		model->decomposed = true;
		trust_step(n, model->values, model->vectors, model->gradient, radius, step);
	}
	memcpy(to->x, from->x, sizeof to->x);
	*length = 0;
	for (int i = 0; i < n; i++) {
		int j = model->list[i];
		to->x[j] = clip(from->x[j] + step[i], objective->lower[j], objective->upper[j]);
		step[i] = to->x[j] - from->x[j];
		*length += step[i] * step[i];
	}
	*length = sqrt(*length);
	double predicted = 0;
	for (int i = 0; i < n; i++) {
		predicted += step[i] * model->gradient[i];
		for (int k = 0; k < n; k++) predicted += step[i] * model->hessian[i * n + k] * step[k] / 2;
	}
	return predicted;
}

/* Is the new place an improvement? Where the fall drowns in rounding the slope still tells which place is nearer. */
static bool improves(
    const struct objective *objective, const struct place *from, const struct place *to, double slope, double predicted,
    double noise) {
	double fall = from->value - to->value;
	if (!isfinite(to->value)) return false;
	if (fall > 0 && fall >= -1e-4 * predicted) return true;
	if (fabs(fall) > noise || predicted > 0 || -predicted > 64 * noise + DBL_MIN) return false;
	struct model there;
	find_free(objective, to, &there);
	return there.slope < slope;
}

void minimize(const struct objective *objective, const double *start, struct minimum *minimum) {
	struct place places[2], *at = &places[0], *next = &places[1];
	struct model model;
	double radius = 0.5, length;
	*minimum = (struct minimum){.stop = STOP_ITERATIONS};
	for (int i = 0; i < objective->count; i++) at->x[i] = clip(start[i], objective->lower[i], objective->upper[i]);
	look(objective, at);
	if (!isfinite(at->value)) minimum->stop = STOP_UNDEFINED;
	find_free(objective, at, &model);
	for (bool moved = true; minimum->stop == STOP_ITERATIONS && minimum->iterations < MOST_ITERATIONS;) {
		if (model.slope <= fmax(SLOPE_ZERO, objective->enough)) {
			minimum->stop = STOP_GRADIENT;
			break;
		}
		if (moved) find_curvature(objective, at, &model);
		double predicted = propose(objective, &model, at, radius, next, &length);
		double noise = objective->noise + 8 * DBL_EPSILON * fabs(at->value);
		look(objective, next);
		double fall = at->value - next->value;
		moved = improves(objective, at, next, model.slope, predicted, noise);
		minimum->iterations += moved;
		if (!moved) {
			radius = fmin(radius, length) / 4;
			if (!(radius > SMALLEST_STEP)) minimum->stop = STOP_NO_DESCENT;
			continue;
		}
		if (fall > -0.75 * predicted && length > 0.8 * radius) radius = fmin(3 * radius, LARGEST_STEP);
		if (fall < -0.25 * predicted && fall > noise) radius = fmin(radius, length) / 2;
		struct place *left = at;
		at = next;
		next = left;
		find_free(objective, at, &model);
	}
	memcpy(minimum->x, at->x, sizeof minimum->x);
	minimum->value = at->value;
	minimum->slope = model.slope;
	for (int i = 0; i < objective->count; i++) {
		bool rests = objective->lower[i] < objective->upper[i];
		for (int k = 0; k < model.count; k++) rests = rests && model.list[k] != i;
		if (rests) minimum->at_bound |= 1u << i;
	}
}
