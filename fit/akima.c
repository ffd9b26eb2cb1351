/* akima.c - Akima's piecewise cubic through given points, and its lowest one. */
#include "fit/approach.h"

#include <math.h>

/* Slope of the piece from knot i to knot i + 1. Two more follow at either end, each as far from its neighbour as that is
 * from the next: the slopes of a parabola through the last three knots. With two knots all are the same. */
static double piece_slope(const double *x, const double *y, long count, long i) {
	long last = count - 2;
	if (i >= 0 && i <= last) return (y[i + 1] - y[i]) / (x[i + 1] - x[i]);
	long end = i < 0 ? 0 : last, inner = last == 0 ? end : i < 0 ? 1 : last - 1;
	double at_end = piece_slope(x, y, count, end), further = piece_slope(x, y, count, inner);
	long beyond = i < 0 ? -i : i - last;
	return at_end + (double)beyond * (at_end - further);
}

void akima_slopes(const double *x, const double *y, size_t count, double *slope) {
	for (long i = 0; i < (long)count; i++) {
		double m[4]; /* of the two pieces before knot i and the two behind it */
		for (int k = 0; k < 4; k++) m[k] = piece_slope(x, y, (long)count, i - 2 + k);
		double before = fabs(m[3] - m[2]), behind = fabs(m[1] - m[0]);
		slope[i] = before + behind > 0 ? (before * m[1] + behind * m[2]) / (before + behind) : (m[1] + m[2]) / 2;
	}
}

/* The cubic of one piece as a polynomial in t = at - x[i]. */
struct cubic {
	double c[4];
};

static struct cubic piece(const double *x, const double *y, const double *slope, size_t i) {
	double h = x[i + 1] - x[i], m = (y[i + 1] - y[i]) / h;
	return (struct cubic){
	    {y[i], slope[i], (3 * m - 2 * slope[i] - slope[i + 1]) / h, (slope[i] + slope[i + 1] - 2 * m) / (h * h)}};
}

static double value(const struct cubic *cubic, double t) {
	return cubic->c[0] + t * (cubic->c[1] + t * (cubic->c[2] + t * cubic->c[3]));
}

double akima_at(const double *x, const double *y, const double *slope, size_t count, double at) {
	size_t i = 0;
	while (i + 2 < count && at > x[i + 1]) i++;
	struct cubic cubic = piece(x, y, slope, i);
	return value(&cubic, at - x[i]);
}

/* Roots of the derivative, c1 + 2 c2 t + 3 c3 t^2, without cancellation. */
static int stationary(const struct cubic *cubic, double t[2]) {
	double a = 3 * cubic->c[3], half_b = cubic->c[2], c = cubic->c[1];
	double inside = half_b * half_b - a * c;
	if (inside < 0) return 0;
	double q = -(half_b + copysign(sqrt(inside), half_b));
	int count = 0;
	if (a != 0) t[count++] = q / a;
	if (q != 0) t[count++] = c / q;
	return count;
}

struct akima_lowest akima_lowest(const double *x, const double *y, const double *slope, size_t count) {
	struct akima_lowest lowest = {x[0], y[0], true};
	for (size_t i = 1; i < count; i++)
		if (y[i] < lowest.y) lowest = (struct akima_lowest){x[i], y[i], i == count - 1};
	for (size_t i = 0; i + 1 < count; i++) {
		struct cubic cubic = piece(x, y, slope, i);
		double t[2];
		for (int k = stationary(&cubic, t) - 1; k >= 0; k--) {
			if (!(t[k] > 0 && t[k] < x[i + 1] - x[i])) continue;
			double y_at = value(&cubic, t[k]);
			if (y_at < lowest.y) lowest = (struct akima_lowest){x[i] + t[k], y_at, false};
		}
	}
	return lowest;
}
