/* monotone.c - a cubic through given points that turns only where they do. */
#include "fit/approach.h"

#include <math.h>

/* Slope at point k: zero at turns, else the weighted harmonic mean of the slopes on both sides (Fritsch and Butland 1984),
 * and at the ends the three-point formula, kept from overshooting. */
static double slope_at(const double *x, const double *y, size_t count, size_t k) {
	size_t last = count - 1;
	if (last == 0) return 0;
	if (last == 1) return (y[1] - y[0]) / (x[1] - x[0]);
	if (k > 0 && k < last) {
		double h0 = x[k] - x[k - 1], h1 = x[k + 1] - x[k];
		double s0 = (y[k] - y[k - 1]) / h0, s1 = (y[k + 1] - y[k]) / h1;
		if (s0 * s1 <= 0) return 0;
		double w0 = 2 * h1 + h0, w1 = h1 + 2 * h0;
		return (w0 + w1) / (w0 / s0 + w1 / s1);
	}
	size_t a = k == 0 ? 1 : last - 1, b = k == 0 ? 2 : last - 2; /* inwards */
	double h0 = x[a] - x[k], h1 = x[b] - x[a];
	double s0 = (y[a] - y[k]) / h0, s1 = (y[b] - y[a]) / h1;
	double slope = ((2 * h0 + h1) * s0 - h0 * s1) / (h0 + h1);
	if (slope * s0 <= 0) return 0;
	return s0 * s1 <= 0 && fabs(slope) > 3 * fabs(s0) ? 3 * s0 : slope;
}

double monotone_at(const double *x, const double *y, size_t count, double at) {
	if (count == 1) return y[0];
	size_t low = 0, high = count - 1;
	while (low + 1 < high) {
		size_t middle = (low + high) / 2;
		*(x[middle] < at ? &low : &high) = middle;
	}
	double h = x[low + 1] - x[low], t = (at - x[low]) / h;
	double left = slope_at(x, y, count, low) * h, right = slope_at(x, y, count, low + 1) * h;
	double y0 = y[low], y1 = y[low + 1];
	/* Hermite's cubic. */
	return y0 + t * (left + t * (3 * (y1 - y0) - 2 * left - right + t * (2 * (y0 - y1) + left + right)));
}
