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
#define SLOPE_ZERO 3e-14 /* of an objective whose slopes are of order one */

/* The step within `radius` that minimises g's + s'Hs/2, from the eigenvalues of H. Returns the predicted change (<= 0). */
static double trust_step(
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
	double change = 0;
	for (int k = 0; k < n; k++) {
		double s = 0;
		for (int i = 0; i < n; i++) s += step[i] * vectors[i * n + k];
		change += s * (along[k] + values[k] * s / 2);
	}
	return change;
}

/* Lists the parameters that may move and returns their number; the others sit on a bound that the gradient presses them
 * against. */
static int free_parameters(const struct objective *objective, const double *x, const double *gradient, int *list) {
	int count = 0;
	for (int i = 0; i < objective->count; i++) {
		bool pressed_down = x[i] <= objective->lower[i] && gradient[i] >= 0;
		bool pressed_up = x[i] >= objective->upper[i] && gradient[i] <= 0;
		if (!pressed_down && !pressed_up && objective->lower[i] < objective->upper[i]) list[count++] = i;
	}
	return count;
}

static double largest_slope(const double *gradient, const int *list, int count) {
	double slope = 0;
	for (int i = 0; i < count; i++) slope = fmax(slope, fabs(gradient[list[i]]));
	return slope;
}

static double clip(double value, double low, double high) {
	return fmin(fmax(value, low), high);
}

void minimize(const struct objective *objective, const double *start, struct minimum *minimum) {
	int n = objective->count;
	double x[MOST_PARAMETERS], gradient[MOST_PARAMETERS], hessian[MOST_PARAMETERS * MOST_PARAMETERS];
	for (int i = 0; i < n; i++) x[i] = clip(start[i], objective->lower[i], objective->upper[i]);
	*minimum = (struct minimum){.stop = STOP_ITERATIONS};
	double value = objective->evaluate(objective->data, x, gradient, hessian);
	double radius = 0.5;
	int list[MOST_PARAMETERS], movable = 0;
	if (!isfinite(value)) minimum->stop = STOP_UNDEFINED;
	for (; minimum->stop == STOP_ITERATIONS && minimum->iterations < MOST_ITERATIONS; minimum->iterations++) {
		movable = free_parameters(objective, x, gradient, list);
		minimum->slope = largest_slope(gradient, list, movable);
		if (minimum->slope <= SLOPE_ZERO) {
			minimum->stop = STOP_GRADIENT;
			break;
		}
		double g[MOST_PARAMETERS], h[MOST_PARAMETERS * MOST_PARAMETERS];
		double values[MOST_PARAMETERS], vectors[MOST_PARAMETERS * MOST_PARAMETERS];
		for (int i = 0; i < movable; i++) {
			g[i] = gradient[list[i]];
			for (int k = 0; k < movable; k++) h[i * movable + k] = hessian[list[i] * n + list[k]];
		}
		symmetric_eigen(movable, h, values, vectors);

		bool moved = false;
		while (!moved) {
			double step[MOST_PARAMETERS], trial[MOST_PARAMETERS], new_gradient[MOST_PARAMETERS];
			double new_hessian[MOST_PARAMETERS * MOST_PARAMETERS];
			double predicted = trust_step(movable, values, vectors, g, radius, step);
			memcpy(trial, x, sizeof(trial));
			bool clipped = false;
			for (int i = 0; i < movable; i++) {
				double to = x[list[i]] + step[i];
				trial[list[i]] = clip(to, objective->lower[list[i]], objective->upper[list[i]]);
				clipped = clipped || trial[list[i]] != to;
			}
			double length = 0;
			for (int i = 0; i < movable; i++) {
				step[i] = trial[list[i]] - x[list[i]];
				length += step[i] * step[i];
			}
			length = sqrt(length);
			if (clipped) {
				predicted = 0;
				for (int i = 0; i < movable; i++) {
					predicted += step[i] * g[i];
					for (int k = 0; k < movable; k++) predicted += step[i] * h[i * movable + k] * step[k] / 2;
				}
			}
			double new_value = objective->evaluate(objective->data, trial, new_gradient, new_hessian);
			double noise = objective->noise + 8 * DBL_EPSILON * fabs(value);
			double fall = value - new_value;
			int new_list[MOST_PARAMETERS];
			bool better = isfinite(new_value) && fall > 0 && fall >= -1e-4 * predicted;
			/* Where the fall drowns in rounding the slope still tells which point is nearer. */
			if (!better && fabs(fall) <= noise && predicted <= 0 && -predicted <= 64 * noise + DBL_MIN) {
				int still = free_parameters(objective, trial, new_gradient, new_list);
				better = largest_slope(new_gradient, new_list, still) < minimum->slope;
			}
			if (better) {
				if (fall > -0.75 * predicted && length > 0.8 * radius) radius = fmin(3 * radius, 10);
				if (fall < -0.25 * predicted && fall > noise) radius = fmin(radius, length) / 2;
				memcpy(x, trial, sizeof(x));
				memcpy(gradient, new_gradient, sizeof(gradient));
				memcpy(hessian, new_hessian, sizeof(hessian));
				value = new_value;
				moved = true;
			} else {
				radius = fmin(radius, length) / 4;
				if (!(radius > 1e-16)) {
					minimum->stop = STOP_NO_DESCENT;
					break;
				}
			}
		}
	}
	memcpy(minimum->x, x, sizeof(x));
	minimum->value = value;
	movable = free_parameters(objective, x, gradient, list);
	minimum->slope = largest_slope(gradient, list, movable);
	for (int i = 0; i < n; i++) {
		bool is_free = false;
		for (int k = 0; k < movable; k++) is_free = is_free || list[k] == i;
		if (!is_free && objective->lower[i] < objective->upper[i]) minimum->at_bound |= 1u << i;
	}
}
